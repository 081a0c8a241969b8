"""Logical clocks: numbers for events that respect what can have influenced what.

Sources: Lamport, *Time, Clocks, and the Ordering of Events in a Distributed System* (Communications of the ACM 21(7),
1978); Fidge, *Timestamps in message-passing systems that preserve the partial ordering* (1988), and Mattern, *Virtual
time and global states of distributed systems* (1989), for vectors; Schwarz and Mattern, *Detecting causal relationships
in distributed computations* (Distributed Computing 7(3), 1994), for causal histories.

Theory of operation
-------------------
An event is a step of a node: something that happens there, the sending of a message, or its arrival. A clock is a value
that a node carries along. It *ticks* at each event; a message takes the sender's stamp with it, and the receiver's
clock takes it in. Three clocks do so:

- :class:`CausalHistory` keeps the set of all events that can have influenced this one. It is the definition of
  *happened before*, written down: exact, and as long as the past.
- :class:`VectorClock` keeps, for each node, how many of its events are in that set. Events of one node come in order,
  so their number says which they are: nothing is lost.
- :class:`LamportClock` keeps one number that is larger than those of all events in that set.

A :class:`Process` carries any number of clocks at once and shows all of them the same events, so that they can be held
against each other. It can read its physical clock, too, and hands the reading to its clocks; these three ignore it.

Assumptions
-----------
None about the network: a message that comes late, twice or never tells nothing wrong. A clock must survive a crash, or
be set behind all that it has said before: it is made durable before anyone hears of it.

Left out: the mutual exclusion that Lamport builds on his clock.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self, TypeAlias, assert_never

from distlib.node import Effects, Node, ReadClock, Save, Send, SetTimer, Step, Table, World, entry, with_entry

__all__ = [
    "CausalHistory",
    "Clock",
    "Errand",
    "Happen",
    "LamportClock",
    "Message",
    "Process",
    "Tell",
    "VectorClock",
    "clock_condition",
    "concurrent",
    "converse_holds",
    "happened_before",
    "stamps_of",
]

Stamps: TypeAlias = tuple[Hashable, ...]
"""What the clocks of a process say of one event, in their order."""


# ------------------------------------------------------------------------------------------------------------ clocks


class Clock(Protocol):
    """What a process needs of a clock. A physical reading is handed in for those that want one."""

    @property
    def stamp(self) -> Any:
        """What it says of the latest event: a hashable value."""

    def tick(self, reading_seconds: float = 0.0) -> Self:
        """Take an event of this node that is no arrival of a message."""

    def receive(self, stamp: Any, reading_seconds: float = 0.0) -> Self:
        """Take the arrival of a message with this stamp."""


@dataclass(frozen=True)
class LamportClock:
    """One number. Ties between nodes are broken by their names, so that no two events have the same stamp."""

    name: str
    time: int = 0

    @property
    def stamp(self) -> tuple[int, str]:
        return (self.time, self.name)

    def tick(self, reading_seconds: float = 0.0) -> Self:
        return replace(self, time=self.time + 1)

    def receive(self, stamp: tuple[int, str], reading_seconds: float = 0.0) -> Self:
        return replace(self, time=max(self.time, stamp[0]) + 1)


@dataclass(frozen=True)
class VectorClock:
    """For each node that it has heard of, how many of its events are in the past."""

    name: str
    counts: Table[str, int] = ()

    @property
    def stamp(self) -> Table[str, int]:
        return self.counts

    def tick(self, reading_seconds: float = 0.0) -> Self:
        own = entry(self.counts, self.name) or 0
        return replace(self, counts=with_entry(self.counts, self.name, own + 1))

    def receive(self, stamp: Table[str, int], reading_seconds: float = 0.0) -> Self:
        merged = self.counts
        for name, count in stamp:
            merged = with_entry(merged, name, max(count, entry(merged, name) or 0))
        return replace(self, counts=merged).tick()


@dataclass(frozen=True)
class CausalHistory:
    """All events in the past of the latest one, and that one itself; an event is the n-th of a node."""

    name: str
    count: int = 0
    past: frozenset[tuple[str, int]] = frozenset()

    @property
    def stamp(self) -> frozenset[tuple[str, int]]:
        return self.past

    def tick(self, reading_seconds: float = 0.0) -> Self:
        number = self.count + 1
        return replace(self, count=number, past=self.past | {(self.name, number)})

    def receive(self, stamp: frozenset[tuple[str, int]], reading_seconds: float = 0.0) -> Self:
        return replace(self, past=self.past | stamp).tick()


def happened_before(first: Table[str, int], second: Table[str, int]) -> bool:
    """Whether the event with the vector `first` happened before the one with `second`.

    Examples
    --------
    >>> happened_before((("a", 1),), (("a", 1), ("b", 2)))
    True
    >>> happened_before((("a", 2),), (("a", 1), ("b", 2)))
    False
    """
    return first != second and all(count <= (entry(second, name) or 0) for name, count in first)


def concurrent(first: Table[str, int], second: Table[str, int]) -> bool:
    """Whether neither of two different events happened before the other, by their vectors."""
    return first != second and not happened_before(first, second) and not happened_before(second, first)


# ---------------------------------------------------------------------------------------------------------- messages


@dataclass(frozen=True)
class Happen:
    """From the surroundings: something happens at this process. It tells `targets` of it."""

    targets: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "happen"


@dataclass(frozen=True)
class Tell:
    """Process to process: whatever it says, with the stamps of its sending."""

    stamps: Stamps

    def __str__(self) -> str:
        return "tell"


Message: TypeAlias = Happen | Tell


# ----------------------------------------------------------------------------------------------------------- process


@dataclass(frozen=True)
class Errand:
    """Something that a process does by itself.

    Parameters
    ----------
    pause_seconds
        How long it waits before it, as a range.
    targets
        Whom it tells; nobody, if it is an event that stays at home.
    """

    pause_seconds: tuple[float, float] = (0.0, 0.0)
    targets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Process(Node[Message, tuple[Any, ...]]):
    """Does its errands one after another, hears what others tell, and stamps each of these events.

    Parameters
    ----------
    clocks
        All are shown the same events. They are durable before anyone is told what they say.
    errands
        What it does by itself.
    reads_clock
        Whether it reads its physical clock at each event, for clocks that want to know.
    log
        The stamps of its events so far, in order.
    """

    clocks: tuple[Clock, ...]
    errands: tuple[Errand, ...] = ()
    reads_clock: bool = False
    log: tuple[Stamps, ...] = ()
    pending: tuple[Stamps | None, tuple[str, ...]] | None = None
    """While it reads its clock: what it was told, if anything, and whom it is to tell."""

    def on_start(self, saved: tuple[Any, ...] | None) -> Step[Self]:
        node = self if saved is None else replace(self, clocks=saved)
        return node, node.next_errand()

    def on_message(self, source: str, message: Message) -> Step[Self]:
        match message:
            case Happen():
                return self.begin(None, message.targets)
            case Tell():
                return self.begin(message.stamps, ())
            case _:
                assert_never(message)

    def on_timer(self, name: str) -> Step[Self]:
        node = replace(self, errands=self.errands[1:])
        node, effects = node.begin(None, self.errands[0].targets)
        return node, (*effects, *node.next_errand())

    def on_clock(self, name: str, reading_seconds: float) -> Step[Self]:
        assert self.pending is not None, "the clock is read for an event"
        return replace(self, pending=None).occur(*self.pending, reading_seconds)

    def next_errand(self) -> Effects:
        """Return the timer of the next errand, if there is one."""
        return (SetTimer("errand", self.errands[0].pause_seconds),) if self.errands else ()

    def begin(self, told: Stamps | None, targets: tuple[str, ...]) -> Step[Self]:
        """Let an event happen: at once, or with a reading of the clock."""
        if self.reads_clock:
            return replace(self, pending=(told, targets)), (ReadClock("event"),)
        return self.occur(told, targets, 0.0)

    def occur(self, told: Stamps | None, targets: tuple[str, ...], reading_seconds: float) -> Step[Self]:
        """Stamp an event, and tell of it."""
        if told is None:
            clocks = tuple(clock.tick(reading_seconds) for clock in self.clocks)
        else:
            pairs = zip(self.clocks, told, strict=True)
            clocks = tuple(clock.receive(stamp, reading_seconds) for clock, stamp in pairs)
        stamps = tuple(clock.stamp for clock in clocks)
        node = replace(self, clocks=clocks, log=(*self.log, stamps))
        return node, (Save(clocks), *(Send(target, Tell(stamps)) for target in targets))


# -------------------------------------------------------------------------------------------------------- invariants
# They ask for processes whose last clock is a CausalHistory, which is what the others are held against.


def stamps_of(world: World) -> list[Stamps]:
    """Return what the clocks say of the events that are known: those noted, and sendings that are on their way."""
    noted = [stamps for node in world.nodes.values() if isinstance(node, Process) for stamps in node.log]
    return [*noted, *(message.stamps for _, _, message in world.in_flight if isinstance(message, Tell))]


def clock_condition(world: World, place: int = 0) -> bool:
    """Whether, by the clock at this place, whatever happened before another event has the smaller stamp."""
    events = stamps_of(world)
    return all(
        _smaller(first[place], second[place])
        for first in events
        for second in events
        if first[-1] < second[-1]  # type: ignore[operator]  # a proper subset: it happened before
    )


def converse_holds(world: World, place: int = 0) -> bool:
    """Whether, by the clock at this place, only what happened before another event has the smaller stamp."""
    events = stamps_of(world)
    return all(
        first[-1] < second[-1]  # type: ignore[operator]
        for first in events
        for second in events
        if _smaller(first[place], second[place])
    )


def _smaller(first: Any, second: Any) -> bool:
    """Compare two stamps of one clock: vectors entry by entry, numbers as numbers."""
    is_vector = any(isinstance(part, tuple) for stamp in (first, second) for part in stamp)
    return happened_before(first, second) if is_vector else bool(first < second)
