"""Commit wait: stamps from clocks that know how wrong they are, and writers that wait until their stamp has passed.

Source: Corbett et al., *Spanner: Google's Globally-Distributed Database* (OSDI 2012), sections 3 (TrueTime) and 4.1.2
(start, commit wait, external consistency).

Theory of operation
-------------------
A clock here answers with an interval: true time is at most `epsilon_seconds` from its reading, to either side. A
:class:`Leader` keeps one key. For a write it

1. chooses a stamp s, the *latest* that it may be now, and above all that it has chosen or promised before;
2. makes it durable and has it replicated;
3. waits until s has passed for certain: until even the *earliest* that it may be now is above s;
4. only then shows the write to readers, and tells the client.

So the stamp lies between the arrival of the request and the answer, in true time, whatever the clocks show. A write
that begins after another was answered has the larger stamp: *external consistency*. Steps 2 and 3 run side by side.

A :class:`Client` reads several keys at one stamp, the latest that it may be now by its own clock. A leader that has a
write under way with a stamp up to that answers when the write is done; and it promises to choose no such stamp later.

Assumptions
-----------
Clocks keep their bound, always: nothing else does. The network neither loses nor copies messages; it delays and
reorders them. A leader crashes and recovers with its versions, the write under way and the largest stamp promised.

Left out: who becomes leader, and transactions that write more than one key: they need two-phase commit on top.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias, assert_never

from distlib.node import Complete, Effects, Invoke, Node, ReadClock, Save, Send, SetTimer, Step, Table, with_entry

__all__ = [
    "Client",
    "Leader",
    "Message",
    "Read",
    "Replica",
    "Replicate",
    "Replicated",
    "Saved",
    "Task",
    "Value",
    "Version",
    "Write",
    "Written",
]

# ---------------------------------------------------------------------------------------------------------- messages


@dataclass(frozen=True)
class Write:
    """Client to leader: set your key."""

    number: int
    value: int

    def __str__(self) -> str:
        return f"write {self.value}"


@dataclass(frozen=True)
class Written:
    """Leader to client: it is done, with this stamp."""

    number: int
    stamp: float

    def __str__(self) -> str:
        return f"written at {self.stamp:.6g}"


@dataclass(frozen=True)
class Read:
    """Client to leader: tell me your value at this time."""

    number: int
    stamp: float

    def __str__(self) -> str:
        return f"read at {self.stamp:.6g}"


@dataclass(frozen=True)
class Value:
    """Leader to client: it was this; None before the first write."""

    number: int
    value: int | None

    def __str__(self) -> str:
        return f"it was {self.value}"


@dataclass(frozen=True)
class Replicate:
    """Leader to replica: keep this version."""

    stamp: float
    value: int

    def __str__(self) -> str:
        return "replicate"


@dataclass(frozen=True)
class Replicated:
    """Replica to leader: I have it on disk."""

    stamp: float

    def __str__(self) -> str:
        return "done"


Message: TypeAlias = Write | Written | Read | Value | Replicate | Replicated
Version: TypeAlias = tuple[float, int]
"""A stamp, and the value from then on."""
Saved: TypeAlias = tuple[tuple[Version, ...], Version | None, float]
"""A leader's versions, the write under way, and the largest stamp that it has chosen or promised."""


# ------------------------------------------------------------------------------------------------------------ leader


@dataclass(frozen=True)
class Leader(Node[Message, Saved]):
    """Keeps the versions of one key.

    Parameters
    ----------
    epsilon_seconds
        True time is at most so far from a reading.
    replicas
        Whom it has copy its writes; all of them must have answered.
    step_seconds
        How fine stamps are.
    """

    epsilon_seconds: float
    replicas: tuple[str, ...] = ()
    step_seconds: float = 1e-9
    versions: tuple[Version, ...] = ()
    promised: float = float("-inf")
    """The largest stamp chosen, or promised to a reader."""
    version: Version | None = None
    """The write under way."""
    client: tuple[str, int] = ("", 0)
    """Whose it is, and its number there; nobody's after a crash."""
    missing: frozenset[str] = frozenset()
    """The replicas that have not answered yet."""
    has_passed: bool = False
    """Whether the stamp of the write under way has passed for certain."""
    queue: tuple[tuple[str, Write], ...] = ()
    readers: tuple[tuple[str, Read], ...] = ()
    """Who waits for the write under way."""

    def on_start(self, saved: Saved | None) -> Step[Self]:
        if saved is None:
            return self, ()
        versions, version, promised = saved
        node = replace(self, versions=versions, promised=promised)
        if version is None:
            return node, ()
        node = replace(node, version=version, missing=frozenset(self.replicas))
        return node, (*node.copies(version), ReadClock("passed"))

    def on_message(self, source: str, message: Message) -> Step[Self]:
        match message:
            case Write():
                if self.version is not None:
                    return replace(self, queue=(*self.queue, (source, message))), ()
                return self, (ReadClock((source, message)),)
            case Read():
                return self.on_read(source, message)
            case Replicated():
                return self.on_replicated(source, message)
            case Written() | Value() | Replicate():
                return self, ()
            case _:
                assert_never(message)

    def on_timer(self, name: str) -> Step[Self]:
        return self, (ReadClock("passed"),)

    def on_clock(self, name: Any, reading_seconds: float) -> Step[Self]:
        if name == "passed":
            return self.wait(reading_seconds)
        source, write = name
        stamp = max(self.choose(reading_seconds), self.promised + self.step_seconds)
        version = (stamp, write.value)
        node = replace(self, version=version, client=(source, write.number), promised=stamp, has_passed=False)
        node = replace(node, missing=frozenset(self.replicas))
        node, effects = node.wait(reading_seconds)
        return node, (node.save(), *self.copies(version), *effects)

    def choose(self, reading_seconds: float) -> float:
        """Return the latest that it may be now."""
        return reading_seconds + self.epsilon_seconds

    def remaining_seconds(self, stamp: float, reading_seconds: float) -> float:
        """Return how long until even the earliest that it may be is above a stamp; below 0: it is."""
        return stamp - (reading_seconds - self.epsilon_seconds)

    def copies(self, version: Version) -> Effects:
        """Return the messages to the replicas."""
        return tuple(Send(name, Replicate(*version)) for name in self.replicas)

    def save(self) -> Save:
        """Return what is to be durable."""
        return Save((self.versions, self.version, self.promised))

    def wait(self, reading_seconds: float) -> Step[Self]:
        """Go on if the stamp has passed, and set a timer if not."""
        if self.version is None:
            return self, ()
        remaining = self.remaining_seconds(self.version[0], reading_seconds)
        if remaining < 0:
            return replace(self, has_passed=True).finish()
        seconds = remaining + self.step_seconds
        return self, (SetTimer("wait", (seconds, seconds)),)

    def on_replicated(self, source: str, message: Replicated) -> Step[Self]:
        """Note that a replica has the write."""
        if self.version is None or message.stamp != self.version[0] or source not in self.missing:
            return self, ()
        return replace(self, missing=self.missing - {source}).finish()

    def finish(self) -> Step[Self]:
        """Show the write and tell of it, if it is replicated and has passed; then take the next."""
        if self.version is None or self.missing or not self.has_passed:
            return self, ()
        node = replace(self, versions=(*self.versions, self.version), version=None, readers=(), queue=self.queue[1:])
        answers: Effects = tuple(node.value(source, read) for source, read in self.readers)
        client, number = self.client
        told: Effects = (Send(client, Written(number, self.version[0])),) if client else ()
        following: Effects = (ReadClock(self.queue[0]),) if self.queue else ()
        return replace(node, client=("", 0)), (node.save(), *told, *answers, *following)

    def on_read(self, source: str, message: Read) -> Step[Self]:
        """Answer, or wait for the write under way if it may come before; choose nothing up to that stamp any more."""
        node = replace(self, promised=max(self.promised, message.stamp))
        saved = (node.save(),) if node != self else ()
        if self.version is not None and self.version[0] <= message.stamp:
            return replace(node, readers=(*self.readers, (source, message))), saved
        return node, (*saved, self.value(source, message))

    def value(self, source: str, read: Read) -> Send:
        """Return the answer to a reader."""
        past = [version for version in self.versions if version[0] <= read.stamp]
        return Send(source, Value(read.number, max(past)[1] if past else None))


@dataclass(frozen=True)
class Replica(Node[Message, tuple[Version, ...]]):
    """Keeps copies."""

    versions: tuple[Version, ...] = ()

    def on_start(self, saved: tuple[Version, ...] | None) -> Step[Self]:
        return replace(self, versions=saved or ()), ()

    def on_message(self, source: str, message: Message) -> Step[Self]:
        if not isinstance(message, Replicate):
            return self, ()
        node = replace(self, versions=(*self.versions, (message.stamp, message.value)))
        return node, (Save(node.versions), Send(source, Replicated(message.stamp)))


# ------------------------------------------------------------------------------------------------------------ client


@dataclass(frozen=True)
class Task:
    """One transaction: a write of one key, or a read of several at one stamp.

    Parameters
    ----------
    leaders
        Whose keys.
    value
        What to write; None: read.
    pause_seconds
        How long the client waits before it, as a range.
    """

    leaders: tuple[str, ...]
    value: int | None = None
    pause_seconds: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Client(Node[Message, None]):
    """Does its tasks one after another, and records each as a transaction.

    Parameters
    ----------
    tasks
        All of them, in order.
    epsilon_seconds
        True time is at most so far from a reading of its clock.
    """

    tasks: tuple[Task, ...]
    epsilon_seconds: float = 0.0
    number: int = 0
    """How many it has begun."""
    values: Table[str, int | None] = ()
    """What it has read so far, by leader."""

    def on_start(self, saved: None) -> Step[Self]:
        return self, self.rest()

    def rest(self) -> Effects:
        """Return the timer before the next task, if there is one."""
        return (SetTimer("task", self.tasks[self.number].pause_seconds),) if self.number < len(self.tasks) else ()

    def on_timer(self, name: str) -> Step[Self]:
        task, node = self.tasks[self.number], replace(self, number=self.number + 1, values=())
        if task.value is None:
            return node, (Invoke(tuple(("read", leader) for leader in task.leaders)), ReadClock("at"))
        (leader,) = task.leaders
        return node, (Invoke((("write", leader, task.value),)), Send(leader, Write(node.number, task.value)))

    def on_clock(self, name: str, reading_seconds: float) -> Step[Self]:
        read = Read(self.number, reading_seconds + self.epsilon_seconds)
        return self, tuple(Send(leader, read) for leader in self.tasks[self.number - 1].leaders)

    def on_message(self, source: str, message: Message) -> Step[Self]:
        match message:
            case Written():
                return self, (Complete(), *self.rest())
            case Value():
                node = replace(self, values=with_entry(self.values, source, message.value))
                task = self.tasks[self.number - 1]
                if len(node.values) < len(task.leaders):
                    return node, ()
                result = tuple(dict(node.values)[leader] for leader in task.leaders)
                return node, (Complete(result), *node.rest())
            case Write() | Read() | Replicate() | Replicated():
                return self, ()
            case _:
                assert_never(message)
