"""A register whose replicas all take writes: the last writer wins, or concurrent writes are kept side by side.

Sources: Johnson and Thomas, *The maintenance of duplicate databases* (RFC 677, 1975), for the rule; Preguiça, Baquero,
Almeida, Fonte and Gonçalves, *Dotted version vectors* (2012), for the other way.

Theory of operation
-------------------
A client sends a write to any replica. The replica takes it, makes it durable, acknowledges it, and tells the others.

- :class:`LastWriterWins`: the replica stamps the write with its clock, and everywhere the larger stamp stays. The clock
  is a value that is handed in. A :class:`PhysicalClock` says what the hardware says. One that also takes in what comes
  with messages never stamps a write below what its replica, or its client, has seen.
- :class:`KeepsSiblings`: each write gets a *dot*, the name of its replica and a number there. A client that reads gets
  the values and a *context*: for each replica, up to which number it has seen its dots. It hands the context back with
  its next write, which replaces just what the context covers. What it does not cover was written concurrently, and
  stays as a *sibling* until somebody who has seen both writes again.

Both take in what others send them in any order and any number of times, with the same result.

Assumptions
-----------
Messages may be late, reordered and copied. A loss between replicas is repaired by repeating everything
`repeats` times; after that it stays. A replica crashes and recovers with its value.

Left out: deletion, and how replicas find out with little traffic that they differ.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self, TypeAlias, assert_never

from distlib.node import (
    Complete,
    Effects,
    Invoke,
    Node,
    ReadClock,
    Save,
    Send,
    SetTimer,
    Step,
    Table,
    World,
    entry,
    with_entry,
)

__all__ = [
    "Client",
    "Clock",
    "Dot",
    "Get",
    "Got",
    "KeepsSiblings",
    "LastWriterWins",
    "Message",
    "PhysicalClock",
    "Put",
    "PutDone",
    "Share",
    "Task",
    "agree",
    "no_silent_loss",
    "quiet",
]

Dot: TypeAlias = tuple[str, int]
"""The n-th write that a replica took."""


# ---------------------------------------------------------------------------------------------------------- messages


@dataclass(frozen=True)
class Put:
    """Client to replica: take this value; the context is what the client has seen, if it tells."""

    number: int
    value: int
    context: Any = None

    def __str__(self) -> str:
        return f"put {self.value}"


@dataclass(frozen=True)
class PutDone:
    """Replica to client: it is taken. The context covers it."""

    number: int
    context: Any

    def __str__(self) -> str:
        return "done"


@dataclass(frozen=True)
class Get:
    """Client to replica: tell me what you have, and a context that covers that and this one."""

    number: int
    context: Any = None

    def __str__(self) -> str:
        return "get"


@dataclass(frozen=True)
class Got:
    """Replica to client: these values; more than one, if they were written concurrently."""

    number: int
    values: tuple[int, ...]
    context: Any

    def __str__(self) -> str:
        return f"got {' and '.join(map(str, self.values)) or 'nothing'}"


@dataclass(frozen=True)
class Share:
    """Replica to replica: all that I have."""

    state: Any

    def __str__(self) -> str:
        return "share"


Message: TypeAlias = Put | PutDone | Get | Got | Share


# ------------------------------------------------------------------------------------------------------------ clocks


class Clock(Protocol):
    """What a replica needs of a clock: that of :mod:`distlib.protocols.consistency.timestamps`."""

    @property
    def stamp(self) -> Any:
        """What it says of the latest event."""

    def tick(self, reading_seconds: float = 0.0) -> Self:
        """Take an event."""

    def receive(self, stamp: Any, reading_seconds: float = 0.0) -> Self:
        """Take an event that has seen this stamp."""


@dataclass(frozen=True)
class PhysicalClock:
    """Says what the hardware says, whatever it is told."""

    name: str
    reading_seconds: float = 0.0

    @property
    def stamp(self) -> float:
        return self.reading_seconds

    def tick(self, reading_seconds: float = 0.0) -> Self:
        return replace(self, reading_seconds=reading_seconds)

    def receive(self, stamp: float, reading_seconds: float = 0.0) -> Self:
        return replace(self, reading_seconds=reading_seconds)


# ---------------------------------------------------------------------------------------------------------- replicas


@dataclass(frozen=True)
class LastWriterWins(Node[Message, Any]):
    """A replica that keeps the value with the largest stamp.

    Parameters
    ----------
    name
        Its own; it breaks ties between stamps.
    others
        The other replicas.
    clock
        Stamps writes.
    repeats, repeat_seconds
        How often it shares what it has without being asked, and how long it waits in between, as a range.
    """

    name: str
    others: tuple[str, ...]
    clock: Any
    repeats: int = 0
    repeat_seconds: tuple[float, float] = (1.0, 1.0)
    version: tuple[tuple[Any, str], int] | None = None
    """Stamp and name of the replica that gave it, and the value."""

    def on_start(self, saved: Any) -> Step[Self]:
        if saved is None:
            return self, self.again()
        version, clock = saved
        return replace(self, version=version, clock=clock), self.again()

    def again(self) -> Effects:
        """Return the timer of the next repetition."""
        return (SetTimer("repeat", self.repeat_seconds),) if self.repeats else ()

    def on_timer(self, name: str) -> Step[Self]:
        node = replace(self, repeats=self.repeats - 1)
        return node, (*node.share(), *node.again())

    def on_message(self, source: str, message: Message) -> Step[Self]:
        match message:
            case Put() | Share():
                return self, (ReadClock((source, message)),)
            case Get():
                known = () if self.version is None else (self.version[0][0],)
                seen = () if message.context is None else (message.context,)
                return self, (Send(source, Got(message.number, self.values, max((*known, *seen), default=None))),)
            case PutDone() | Got():
                return self, ()
            case _:
                assert_never(message)

    def on_clock(self, name: Any, reading_seconds: float) -> Step[Self]:
        source, message = name
        if isinstance(message, Share):
            (stamp, _), _ = message.state
            node = replace(self, clock=self.clock.receive(stamp, reading_seconds)).taking(message.state)
            return node, (node.save(),)
        seen = message.context
        clock = self.clock.tick(reading_seconds) if seen is None else self.clock.receive(seen, reading_seconds)
        new = ((clock.stamp, self.name), message.value)
        node = replace(self, clock=clock).taking(new)
        shared = tuple(Send(other, Share(new)) for other in self.others)
        return node, (node.save(), Send(source, PutDone(message.number, clock.stamp)), *shared)

    def taking(self, version: tuple[tuple[Any, str], int]) -> Self:
        """Return this replica with the later of its version and this one."""
        return replace(self, version=version) if self.version is None or self.version[0] < version[0] else self

    def save(self) -> Save:
        """Return what is to be durable."""
        return Save((self.version, self.clock))

    def share(self) -> Effects:
        """Return the messages that tell the others what it has."""
        return () if self.version is None else tuple(Send(other, Share(self.version)) for other in self.others)

    @property
    def values(self) -> tuple[int, ...]:
        """What it would answer."""
        return () if self.version is None else (self.version[1],)


@dataclass(frozen=True)
class KeepsSiblings(Node[Message, Any]):
    """A replica that keeps all values of which none is known to replace another.

    Parameters
    ----------
    name, others, repeats, repeat_seconds
        As for :class:`LastWriterWins`.
    seen
        For each replica, up to which number its dots are known here.
    siblings
        The values that stay, by dot.
    """

    name: str
    others: tuple[str, ...]
    repeats: int = 0
    repeat_seconds: tuple[float, float] = (1.0, 1.0)
    seen: Table[str, int] = ()
    siblings: Table[Dot, int] = ()

    def on_start(self, saved: Any) -> Step[Self]:
        node = self if saved is None else replace(self, seen=saved[0], siblings=saved[1])
        return node, node.again()

    def again(self) -> Effects:
        """Return the timer of the next repetition."""
        return (SetTimer("repeat", self.repeat_seconds),) if self.repeats else ()

    def on_timer(self, name: str) -> Step[Self]:
        node = replace(self, repeats=self.repeats - 1)
        return node, (*node.share(), *node.again())

    def on_message(self, source: str, message: Message) -> Step[Self]:
        match message:
            case Put():
                node = self.putting(message.value, message.context or ())
                return node, (node.save(), Send(source, PutDone(message.number, node.covered(message))), *node.share())
            case Get():
                seen = _union(self.seen, message.context or ())
                return self, (Send(source, Got(message.number, self.values, seen)),)
            case Share():
                node = self.merging(*message.state)
                return node, (node.save(),) if node != self else ()
            case PutDone() | Got():
                return self, ()
            case _:
                assert_never(message)

    def putting(self, value: int, context: Table[str, int]) -> Self:
        """Return this replica with a new value in the place of what the context covers."""
        number = (entry(self.seen, self.name) or 0) + 1
        kept = tuple((dot, other) for dot, other in self.siblings if not _covers(context, dot))
        siblings = with_entry(kept, (self.name, number), value)
        return replace(self, seen=with_entry(_union(self.seen, context), self.name, number), siblings=siblings)

    def covered(self, message: Put) -> Table[str, int]:
        """Return what the client has seen with this write: its context, and the write if nothing is skipped."""
        context: Table[str, int] = message.context or ()
        number = entry(self.seen, self.name) or 0
        follows = (entry(context, self.name) or 0) == number - 1
        return with_entry(context, self.name, number) if follows else context

    def merging(self, seen: Table[str, int], siblings: Table[Dot, int]) -> Self:
        """Return this replica with what another has: a value goes if one side has seen it and does not have it."""
        here, there = dict(self.siblings), dict(siblings)
        kept = {
            dot: value
            for dot, value in {**here, **there}.items()
            if (dot in here or not _covers(self.seen, dot)) and (dot in there or not _covers(seen, dot))
        }
        return replace(self, seen=_union(self.seen, seen), siblings=tuple(sorted(kept.items())))

    def save(self) -> Save:
        """Return what is to be durable."""
        return Save((self.seen, self.siblings))

    def share(self) -> Effects:
        """Return the messages that tell the others what it has."""
        return tuple(Send(other, Share((self.seen, self.siblings))) for other in self.others)

    @property
    def values(self) -> tuple[int, ...]:
        """What it would answer."""
        return tuple(value for _, value in self.siblings)


def _covers(seen: Table[str, int], dot: Dot) -> bool:
    return (entry(seen, dot[0]) or 0) >= dot[1]


def _union(first: Table[str, int], second: Table[str, int]) -> Table[str, int]:
    for name, number in second:
        first = with_entry(first, name, max(number, entry(first, name) or 0))
    return first


# ------------------------------------------------------------------------------------------------------------ client


@dataclass(frozen=True)
class Task:
    """A write of a value at a replica, or a read there.

    Parameters
    ----------
    replica
        Whom to ask.
    value
        What to write; None: read.
    pause_seconds
        How long the client waits before it, as a range.
    """

    replica: str
    value: int | None = None
    pause_seconds: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Client(Node[Message, None]):
    """Does its tasks one after another.

    Parameters
    ----------
    tasks
        All of them, in order.
    tells
        Whether it hands on with a write what it has seen.
    """

    tasks: tuple[Task, ...]
    tells: bool = True
    number: int = 0
    """How many it has begun."""
    open: bool = False
    context: Any = None
    visible: tuple[int, ...] = ()
    """The values that its context covers, as far as it knows: what its next write is to replace."""
    written: tuple[tuple[int, tuple[int, ...], bool], ...] = ()
    """Its writes: the value, what it had seen, and whether the write was acknowledged."""

    def on_start(self, saved: None) -> Step[Self]:
        return self, self.rest()

    def rest(self) -> Effects:
        """Return the timer before the next task, if there is one."""
        return (SetTimer("task", self.tasks[self.number].pause_seconds),) if self.number < len(self.tasks) else ()

    def on_timer(self, name: str) -> Step[Self]:
        task = self.tasks[self.number]
        node = replace(self, number=self.number + 1, open=True)
        context: Hashable = self.context if self.tells else None
        if task.value is None:
            return node, (Invoke(("read",)), Send(task.replica, Get(node.number, context)))
        seen = self.visible if self.tells else ()
        node = replace(node, written=(*self.written, (task.value, seen, False)))
        return node, (Invoke(("write", task.value)), Send(task.replica, Put(node.number, task.value, context)))

    def on_message(self, source: str, message: Message) -> Step[Self]:
        match message:
            case PutDone():
                if not self.open or message.number != self.number:
                    return self, ()
                value, seen, _ = self.written[-1]
                node = replace(self, open=False, written=(*self.written[:-1], (value, seen, True)))
                node = replace(node, context=message.context, visible=(*self.visible, value))
                return node, (Complete(), *node.rest())
            case Got():
                if not self.open or message.number != self.number:
                    return self, ()
                node = replace(self, open=False, context=message.context, visible=(*self.visible, *message.values))
                return node, (Complete(message.values), *node.rest())
            case Put() | Get() | Share():
                return self, ()
            case _:
                assert_never(message)


# -------------------------------------------------------------------------------------------------------- invariants


def _replicas(world: World) -> list[Any]:
    return [node for node in world.nodes.values() if isinstance(node, LastWriterWins | KeepsSiblings)]


def no_silent_loss(world: World) -> bool:
    """Whether each acknowledged value is still at a replica, or was replaced by a client that had seen it."""
    writes = [one for node in world.nodes.values() if isinstance(node, Client) for one in node.written]
    kept = {value for node in _replicas(world) for value in node.values}
    replaced = {value for _, seen, _ in writes for value in seen}
    return all(value in kept | replaced for value, _, is_acknowledged in writes if is_acknowledged)


def agree(world: World) -> bool:
    """Whether all replicas have the same values."""
    return len({node.values for node in _replicas(world)}) <= 1


def quiet(world: World) -> bool:
    """Whether nothing is on its way and no client has anything left to do."""
    clients = [node for node in world.nodes.values() if isinstance(node, Client)]
    return not world.in_flight and all(not node.open and node.number == len(node.tasks) for node in clients)
