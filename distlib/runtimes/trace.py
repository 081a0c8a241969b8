"""What happened in a run: one vocabulary of events for every runtime, with causes.

A simulation, an exploration's counterexample and a run over sockets all leave a :class:`Trace`. Figures draw it,
checkers read histories from it, tests assert on it. An event knows its *cause*: the event whose handling produced it.
So the arrows of a space-time diagram, and the question "why did this happen?", need no guessing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, overload

from distlib.node import Node, words

__all__ = ["Event", "Kind", "Trace"]


class Kind(Enum):
    """What an event is. In brackets: what `Event.value` holds, and whom `Event.peer` names."""

    START = "start"
    """A node booted for the first time or recovered [the durable value it got, or None]."""
    SEND = "send"
    """A message was handed to the network [the message; peer: the target]."""
    DELIVER = "deliver"
    """A message reached its node [the message; peer: the source; cause: its SEND]."""
    LOSE = "lose"
    """A message will never arrive [the message; peer: the source; node: the target; cause: its SEND; `note` says why:
    "loss", "partition" or "down"]."""
    DUPLICATE = "duplicate"
    """The network made one more copy of a message [it; peer: the target; node: the source; cause: its SEND]."""
    SET_TIMER = "set timer"
    """[the timer's name]"""
    CANCEL_TIMER = "cancel timer"
    """A timer that was set will not fire, because it was cancelled or set again [the timer's name]."""
    TIMER = "timer"
    """A timer fired [its name; cause: its SET_TIMER]."""
    SAVE = "save"
    """A value became durable, or, where `note` is "unforced", was handed to the disk's cache [the value].
    Its time is when the write was complete."""
    CLOCK = "clock"
    """A node read its clock [the pair (name, reading in seconds)]."""
    CRASH = "crash"
    """A node lost its volatile state [None]. Until its next START it does nothing; what arrives is a LOSE."""
    PAUSE = "pause"
    """A node stopped handling stimuli, without losing state [None]."""
    RESUME = "resume"
    """A paused node goes on [None]."""
    PARTITION = "partition"
    """The network stopped carrying messages between some nodes [a frozenset of (source, target) pairs; node: ""]."""
    HEAL = "heal"
    """A partition ended [the pairs that carry again; node: ""]."""
    INVOKE = "invoke"
    """A client began an operation [the operation]."""
    COMPLETE = "complete"
    """A client's operation ended [the pair (result, outcome); cause: its INVOKE]."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Parameters
    ----------
    number
        Position in the trace, from 0.
    time_seconds
        True time, not any node's clock. In an exploration: the number of the step.
    kind, node, value, peer, note
        See :class:`Kind`.
    cause
        Number of the event that led to this one: for an effect, the stimulus whose handler returned it; for a stimulus,
        the effect that caused it; None for what comes from outside (boots and faults).
    state
        The node after the event, for START, DELIVER, TIMER and CLOCK; None elsewhere.
    """

    number: int
    time_seconds: float
    kind: Kind
    node: str
    value: Any = None
    peer: str | None = None
    cause: int | None = None
    note: str = ""
    state: Node[Any, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Trace(Sequence[Event]):
    """The events of a run, in the order in which they happened.

    Parameters
    ----------
    events
        Each one's `number` is its position.
    names
        The nodes, in the order in which they were given to the runtime.

    Examples
    --------
    >>> start = Event(0, 0.0, Kind.START, "a")
    >>> trace = Trace((start, Event(1, 0.0, Kind.SEND, "a", "hello", "b", cause=0)), ("a", "b"))
    >>> print(trace)
      0.000000  a  start
      0.000000  a  send hello to b
    >>> [event.number for event in trace.why(trace[1])]
    [0, 1]
    """

    events: tuple[Event, ...]
    names: tuple[str, ...]

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Event]: ...
    def __getitem__(self, index: int | slice) -> Event | Sequence[Event]:
        return self.events[index]

    def __len__(self) -> int:
        return len(self.events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def of(self, *kinds: Kind, node: str | None = None, where: Callable[[Event], bool] | None = None) -> list[Event]:
        """Return the events of these kinds (of any, if none is named), at `node` if given, for which `where` holds."""
        return [
            event
            for event in self.events
            if (not kinds or event.kind in kinds)
            and (node is None or event.node == node)
            and (where is None or where(event))
        ]

    def why(self, event: Event) -> list[Event]:
        """Return the chain of causes that ends in `event`, first cause first."""
        chain = [event]
        while (cause := chain[-1].cause) is not None:
            chain.append(self.events[cause])
        return chain[::-1]

    def states(self, node: str) -> list[tuple[float, Node[Any, Any] | None]]:
        """Return (time, node) for each change of `node`'s state; the node is None from a crash until its restart."""
        changes: list[tuple[float, Node[Any, Any] | None]] = []
        for event in self.events:
            if event.node != node:
                continue
            if event.kind is Kind.CRASH:
                changes.append((event.time_seconds, None))
            elif event.state is not None and (not changes or changes[-1][1] != event.state):
                changes.append((event.time_seconds, event.state))
        return changes

    def __str__(self) -> str:
        width = max((len(name) for name in self.names), default=0)
        return "\n".join(f"{event.time_seconds:10.6f}  {event.node:<{width}}  {_tell(event)}" for event in self.events)


def _tell(event: Event) -> str:
    """Say in words what happened."""
    value: Any = event.value
    match event.kind:
        case Kind.SEND:
            return f"send {value} to {event.peer}"
        case Kind.DUPLICATE:
            return f"network duplicates {value} to {event.peer}"
        case Kind.DELIVER:
            return f"receive {value} from {event.peer}"
        case Kind.LOSE:
            return f"never gets {value} from {event.peer} ({event.note})"
        case Kind.SAVE:
            return f"save {value}" + (f" ({event.note})" if event.note else "")
        case Kind.TIMER:
            return f"timer {words(value)} fires"
        case Kind.SET_TIMER | Kind.CANCEL_TIMER:
            return f"{event.kind.value} {words(value)}"
        case Kind.INVOKE:
            return f"invoke {value}"
        case Kind.CLOCK:
            return f"read clock for {words(value[0])}: {value[1]:.6f} s"
        case Kind.COMPLETE:
            result, outcome = value
            return f"complete ({outcome.value})" + ("" if result is None else f" {result}")
        case Kind.PARTITION | Kind.HEAL:
            return f"{event.kind.value} " + ", ".join(f"{source}→{target}" for source, target in sorted(value))
        case Kind.START | Kind.CRASH | Kind.PAUSE | Kind.RESUME:
            return f"{event.kind.value}" + (f" from {value}" if value is not None else "")
