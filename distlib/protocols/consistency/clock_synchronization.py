"""Clock synchronization: ask servers what time it is, and know how wrong the answer can be.

Sources: Cristian, *Probabilistic clock synchronization* (Distributed Computing 3(3), 1989); Mills, *Internet time
synchronization: the Network Time Protocol* (IEEE Transactions on Communications 39(10), 1991); Marzullo and Owicki,
*Maintaining the time in a distributed system* (PODC 1983), for the intersection of intervals.

Theory of operation
-------------------
A :class:`Synchronizer` reads its clock (t0) and asks a server, which reads its own clock when the question comes in
(t1) and when the answer leaves (t2); the synchronizer reads its clock again when it has the answer (t3). Then

- the server is ahead by about ((t1 - t0) + (t2 - t3)) / 2, exactly so if both legs took the same time;
- both legs together took (t3 - t0) - (t2 - t1), and the error is at most half of that, less the shortest time that a
  leg can take.

Among several answers of one server, that with the shortest legs has the smallest bound, and is kept. What is then known
of each server is an *interval* in which the true offset lies, if that server tells the truth. The synchronizer takes
the points that lie in all intervals but as few as possible: servers that are wrong are outvoted.

Assumptions
-----------
Clocks run at nearly the same rate while an answer is on its way. Messages may be lost and late. A bound on a leg from
below holds in both directions. Of the intervals, fewer than half are wrong.

Left out: steering the clock's rate, so that it need not jump; how NTP weighs servers that agree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias, assert_never

from distlib.node import CancelTimer, Node, ReadClock, Send, SetTimer, Step

__all__ = ["Answer", "Ask", "Interval", "Message", "Sample", "Synchronizer", "TimeServer", "common", "most_agreed"]

Interval: TypeAlias = tuple[float, float]
"""From, to, in seconds."""


@dataclass(frozen=True)
class Ask:
    """Synchronizer to server: tell me the time."""

    number: int

    def __str__(self) -> str:
        return "time?"


@dataclass(frozen=True)
class Answer:
    """Server to synchronizer: when the question came in and when this left, give or take a radius."""

    number: int
    received_seconds: float
    sent_seconds: float
    radius_seconds: float

    def __str__(self) -> str:
        return f"{self.sent_seconds:.6f}"


Message: TypeAlias = Ask | Answer


# ------------------------------------------------------------------------------------------------------------ server


@dataclass(frozen=True)
class TimeServer(Node[Message, None]):
    """Tells the time of its clock.

    Parameters
    ----------
    radius_seconds
        How wrong it says that its clock may be, to either side.
    work_seconds
        How long a question lies there before it is answered, as a range.
    """

    radius_seconds: float = 0.0
    work_seconds: tuple[float, float] = (0.0, 0.0)

    def on_start(self, saved: None) -> Step[Self]:
        return self, ()

    def on_message(self, source: str, message: Message) -> Step[Self]:
        match message:
            case Ask():
                return self, (ReadClock(("received", source, message.number)),)
            case Answer():
                return self, ()
            case _:
                assert_never(message)

    def on_clock(self, name: tuple[Any, ...], reading_seconds: float) -> Step[Self]:
        if name[0] == "received":
            if self.work_seconds == (0.0, 0.0):
                return self.answer(name[1], name[2], reading_seconds, reading_seconds)
            return self, (SetTimer(("work", *name[1:], reading_seconds), self.work_seconds),)
        _, source, number, received_seconds = name
        return self.answer(source, number, received_seconds, reading_seconds)

    def on_timer(self, name: tuple[Any, ...]) -> Step[Self]:
        return self, (ReadClock(("sent", *name[1:])),)

    def answer(self, source: str, number: int, received_seconds: float, sent_seconds: float) -> Step[Self]:
        """Tell both readings."""
        return self, (Send(source, Answer(number, received_seconds, sent_seconds, self.radius_seconds)),)


# ------------------------------------------------------------------------------------------------------ synchronizer


@dataclass(frozen=True)
class Sample:
    """What one answer says of one server.

    Parameters
    ----------
    server
        Which.
    offset_seconds
        By how much the server's clock is ahead of the own, by the midpoint.
    delay_seconds
        How long both legs took.
    radius_seconds
        How wrong the server says that it may be.
    """

    server: str
    offset_seconds: float
    delay_seconds: float
    radius_seconds: float

    def interval(self, shortest_leg_seconds: float) -> Interval:
        """Return where the true offset must lie, if a leg takes at least so long and the server tells the truth."""
        error = max(0.0, self.delay_seconds / 2 - shortest_leg_seconds) + self.radius_seconds
        return (self.offset_seconds - error, self.offset_seconds + error)


@dataclass(frozen=True)
class Synchronizer(Node[Message, None]):
    """Asks each server several times, one question after another, and ends with an interval.

    Parameters
    ----------
    servers
        Whom it asks.
    probes
        How often it asks each.
    shortest_leg_seconds
        What a leg takes at the least; 0 if nothing is known.
    patience_seconds
        How long it waits for an answer, as a range, before it goes on without.
    """

    servers: tuple[str, ...]
    probes: int = 1
    shortest_leg_seconds: float = 0.0
    patience_seconds: tuple[float, float] = (1.0, 1.0)
    number: int = 0
    """Of its latest question."""
    asked_seconds: float = 0.0
    """What its clock showed when that left."""
    open: bool = False
    samples: tuple[Sample, ...] = ()

    def on_start(self, saved: None) -> Step[Self]:
        return self, (ReadClock("ask"),)

    def on_message(self, source: str, message: Message) -> Step[Self]:
        match message:
            case Ask():
                return self, ()
            case Answer():
                if not self.open or message.number != self.number:
                    return self, ()  # A copy, or one that it no longer waits for.
                return self, (ReadClock((source, message)),)
            case _:
                assert_never(message)

    def on_clock(self, name: Any, reading_seconds: float) -> Step[Self]:
        if name == "ask":
            node = replace(self, number=self.number + 1, asked_seconds=reading_seconds, open=True)
            server = self.servers[self.number // self.probes]
            return node, (Send(server, Ask(node.number)), SetTimer("patience", self.patience_seconds))
        server, answer = name
        outward, back = answer.received_seconds - self.asked_seconds, reading_seconds - answer.sent_seconds
        sample = Sample(server, (outward - back) / 2, outward + back, answer.radius_seconds)
        node, effects = replace(self, samples=(*self.samples, sample)).go_on()
        return node, (CancelTimer("patience"), *effects)

    def on_timer(self, name: str) -> Step[Self]:
        return self.go_on()

    def go_on(self) -> Step[Self]:
        """Ask the next question, if there is one."""
        node = replace(self, open=False)
        return node, (ReadClock("ask"),) if self.number < self.probes * len(self.servers) else ()

    @property
    def best(self) -> tuple[Sample, ...]:
        """For each server that answered, the sample with the shortest legs."""
        kept = {}
        for sample in sorted(self.samples, key=lambda sample: -sample.delay_seconds):
            kept[sample.server] = sample
        return tuple(kept[server] for server in self.servers if server in kept)

    @property
    def interval(self) -> Interval | None:
        """Where the true offset lies, as most servers say; None before any answer."""
        return most_agreed(sample.interval(self.shortest_leg_seconds) for sample in self.best)


# --------------------------------------------------------------------------------------------------------- intervals


def common(intervals: Iterable[Interval], wrong_count: int = 0) -> Interval | None:
    """Return the smallest interval with all points that lie in all but `wrong_count` of the intervals, if any do.

    Examples
    --------
    >>> common([(8, 12), (11, 13), (10, 12)])
    (11, 12)
    >>> common([(8, 12), (11, 13), (14, 15)]) is None
    True
    >>> common([(8, 12), (11, 13), (14, 15)], wrong_count=1)
    (11, 12)
    """
    known = list(intervals)
    needed = len(known) - wrong_count
    if needed < 1:
        return None
    edges = sorted([(low, 0) for low, _ in known] + [(high, 1) for _, high in known])  # A point is in both it joins.
    depth, first, last = 0, None, None
    for at, closes in edges:
        if not closes:
            depth += 1
            if depth >= needed and first is None:
                first = at
        else:
            if depth >= needed:
                last = at
            depth -= 1
    return None if first is None or last is None else (first, last)


def most_agreed(intervals: Iterable[Interval]) -> Interval | None:
    """Return :func:`common` for the smallest number of wrong intervals for which there is one; None if there are none.

    Examples
    --------
    >>> most_agreed([(8, 12), (11, 13), (14, 15)])
    (11, 12)
    """
    known = list(intervals)
    return next((found for wrong in range(len(known)) if (found := common(known, wrong)) is not None), None)
