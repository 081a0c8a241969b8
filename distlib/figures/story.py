"""What a trace tells, before anyone decides where to draw it.

Theory of operation
-------------------
A trace is a list of events. A diagram shows *things*: a message has a beginning and an end, a node is down for a
while, an operation is open from its call to its answer. This module pairs events into such things, and only by their
causes and their order, never by guessing from values. It knows nothing of pixels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from distlib.figures.wording import headline
from distlib.node import Node, Outcome
from distlib.runtimes.trace import Event, Kind, Trace

__all__ = [
    "Fate",
    "Message",
    "Operation",
    "Partition",
    "Period",
    "State",
    "StateBand",
    "Tone",
    "downtimes",
    "messages",
    "operations",
    "partitions",
    "pauses",
    "state_bands",
]

Tone = Literal["calm", "wait", "good", "bad"]
State = Callable[[Node[Any, Any]], str | tuple[str, str] | None]
Pairs = frozenset[tuple[str, str]]


class Fate(Enum):
    """How a copy of a message ended."""

    DELIVERED = "delivered"
    LOST = "lost"
    UNDER_WAY = "under way"


@dataclass(frozen=True)
class Message:
    """One copy of a message, from its sending to its end.

    Parameters
    ----------
    send
        The event SEND.
    end
        The event DELIVER or LOSE; None if the trace ends first.
    duplicate
        Whether the network made this copy.
    overtaken
        Whether one that the same node sent to the same node later arrived earlier.
    """

    send: Event
    end: Event | None
    duplicate: bool = False
    overtaken: bool = False

    @property
    def source(self) -> str:
        """The node that sent it."""
        return self.send.node

    @property
    def target(self) -> str:
        """The node that it is for."""
        return self.send.peer or ""

    @property
    def fate(self) -> Fate:
        """How it ended."""
        if self.end is None:
            return Fate.UNDER_WAY
        return Fate.DELIVERED if self.end.kind is Kind.DELIVER else Fate.LOST


@dataclass(frozen=True)
class Period:
    """A node is down, or paused, from one event to another; to the end of the trace if `end` is None."""

    node: str
    start: Event
    end: Event | None


@dataclass(frozen=True)
class Operation:
    """A client's operation, from its call to its answer, if one came."""

    invoke: Event
    complete: Event | None

    @property
    def outcome(self) -> Outcome:
        """What the client knows of it."""
        return self.complete.value[1] if self.complete else Outcome.UNKNOWN

    def __str__(self) -> str:
        result = None if self.complete is None else self.complete.value[0]
        asked = headline(self.invoke.value)
        answer = {Outcome.OK: "" if result is None else headline(result), Outcome.FAIL: "fails"}.get(self.outcome, "?")
        return f"{asked} → {answer}" if answer else asked


@dataclass(frozen=True)
class Partition:
    """Some pairs of nodes cannot talk, from one event to another."""

    pairs: Pairs
    start: Event
    end: Event | None

    def describe(self, names: Sequence[str]) -> str:
        """Say in words who is cut off from whom.

        Groups are named where the cut is symmetric, arrows where it is one-way.
        """
        cut = {(a, b) for a, b in self.pairs if a in names and b in names}
        if all((b, a) in cut for a, b in cut):
            groups = _groups(names, cut)
            if len(groups) > 1:
                return "partition: " + " | ".join(", ".join(group) for group in groups)
        return "cut: " + ", ".join(f"{a} → {b}" for a, b in sorted(cut))


@dataclass(frozen=True)
class StateBand:
    """A node is in a state worth naming, from one event to another; to the end of the trace if `end` is None."""

    node: str
    start: Event
    end: Event | None
    label: str
    tone: Tone


def messages(trace: Trace) -> list[Message]:
    """Return every copy of every message, in the order of sending."""
    ends: dict[int, list[Event]] = defaultdict(list)
    copies: dict[int, int] = defaultdict(lambda: 1)
    for event in trace:
        if event.kind is Kind.DUPLICATE and event.cause is not None:
            copies[event.cause] += 1
        elif event.kind in (Kind.DELIVER, Kind.LOSE) and event.cause is not None:
            cause = trace[event.cause]
            number = cause.cause if cause.kind is Kind.DUPLICATE and cause.cause is not None else cause.number
            ends[number].append(event)
    overtaken = _overtaken(trace, ends)
    found = []
    for sent in trace.of(Kind.SEND):
        known: list[Event | None] = [*ends[sent.number]]
        known += [None] * (copies[sent.number] - len(known))
        for copy, end in enumerate(known):
            late = end is not None and end.number in overtaken
            found.append(Message(sent, end, duplicate=copy > 0, overtaken=late))
    return found


def _overtaken(trace: Trace, ends: Mapping[int, Sequence[Event]]) -> set[int]:
    """Return the numbers of first deliveries that a message of the same channel, sent later, came before."""
    channels: dict[tuple[str, str | None], list[Event]] = defaultdict(list)
    for send in trace.of(Kind.SEND):
        first = next((end for end in ends.get(send.number, ()) if end.kind is Kind.DELIVER), None)
        if first is not None:
            channels[send.node, send.peer].append(first)
    late: set[int] = set()
    for deliveries in channels.values():
        earliest_later = float("inf")
        for event in reversed(deliveries):
            if event.number > earliest_later:
                late.add(event.number)
            earliest_later = min(earliest_later, event.number)
    return late


def downtimes(trace: Trace) -> list[Period]:
    """Return when which node was down."""
    return _periods(trace, {Kind.CRASH}, {Kind.START})


def pauses(trace: Trace) -> list[Period]:
    """Return when which node was paused; a crash ends a pause."""
    return _periods(trace, {Kind.PAUSE}, {Kind.RESUME, Kind.CRASH})


def _periods(trace: Trace, opening: AbstractSet[Kind], closing: AbstractSet[Kind]) -> list[Period]:
    found: list[Period] = []
    opened: dict[str, Event] = {}
    for event in trace:
        if event.kind in closing and event.node in opened:
            found.append(Period(event.node, opened.pop(event.node), event))
        elif event.kind in opening:
            opened.setdefault(event.node, event)
    found += [Period(node, event, None) for node, event in opened.items()]
    return sorted(found, key=lambda period: period.start.number)


def operations(trace: Trace) -> list[Operation]:
    """Return the clients' operations in the order of their calls."""
    answers: dict[int, Event] = {}
    opened: dict[str, Event] = {}
    for event in trace:
        if event.kind is Kind.INVOKE:
            opened[event.node] = event
        elif event.kind is Kind.COMPLETE:
            invoke = event.cause if event.cause is not None else opened[event.node].number
            answers[invoke] = event
    return [Operation(event, answers.get(event.number)) for event in trace.of(Kind.INVOKE)]


def partitions(trace: Trace) -> list[Partition]:
    """Return the partitions; each ends when the last of its pairs can talk again."""
    found: list[Partition] = []
    active: list[tuple[Event, set[tuple[str, str]]]] = []
    for event in trace.of(Kind.PARTITION, Kind.HEAL):
        if event.kind is Kind.PARTITION:
            active.append((event, set(event.value)))
            continue
        for start, pairs in list(active):
            pairs -= set(event.value)
            if not pairs:
                found.append(Partition(frozenset(start.value), start, event))
                active.remove((start, pairs))
    found += [Partition(frozenset(start.value), start, None) for start, _ in active]
    return sorted(found, key=lambda partition: partition.start.number)


def state_bands(trace: Trace, names: Iterable[str], state: State) -> list[StateBand]:
    """Return the bands that `state` names along the lanes of `names`, neighbours alike made one.

    A step that forces something to disk takes effect when that is done: "committed" begins with the write, not with the
    message that led to it.

    Raises
    ------
    ValueError
        If it returns a tone that is not one.
    """
    found: list[StateBand] = []
    for name in names:
        current: tuple[Event, str, Tone] | None = None
        written = {save.cause: save for save in trace.of(Kind.SAVE, node=name) if save.note != "unforced"}
        for event in trace.of(node=name):
            if event.kind is not Kind.CRASH and event.state is None:
                continue
            shown = None if event.state is None or event.kind is Kind.CRASH else _shown(state(event.state))
            if current is not None and current[1:] == shown:
                continue
            change = written.get(event.number, event)
            if current is not None:
                found.append(StateBand(name, current[0], change, *current[1:]))
            current = (change, *shown) if shown else None
        if current is not None:
            found.append(StateBand(name, current[0], None, *current[1:]))
    return found


def _shown(state: str | tuple[str, str] | None) -> tuple[str, Tone] | None:
    """Check what the caller's function returned."""
    if not state:
        return None
    label, tone = (state, "calm") if isinstance(state, str) else state
    if tone not in ("calm", "wait", "good", "bad"):
        raise ValueError(f"a tone must be one of 'calm', 'wait', 'good' and 'bad', got {tone!r} for {label!r}")
    return label, tone  # type: ignore[return-value]  # mypy does not narrow a str to the literals just compared


def _groups(names: Sequence[str], cut: AbstractSet[tuple[str, str]]) -> list[list[str]]:
    """Return the sets of names that can still talk, each in the order given."""
    remaining, groups = list(names), []
    while remaining:
        group, pending = [remaining.pop(0)], []
        pending.append(group[0])
        while pending:
            name = pending.pop()
            linked = [other for other in remaining if (name, other) not in cut]
            group += linked
            pending += linked
            remaining = [other for other in remaining if other not in linked]
        groups.append([name for name in names if name in group])
    return groups
