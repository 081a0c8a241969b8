"""Timestamp ordering: each transaction takes a stamp when it begins, and must fit into the order of the stamps.

Sources: Bernstein, Hadzilacos and Goodman, *Concurrency Control and Recovery in Database Systems* (1987), sections 4.2
(basic timestamp ordering, Thomas's write rule) and 5.2 (multiversion); Thomas, *A majority consensus approach to
concurrency control for multiple copy databases* (ACM Transactions on Database Systems 4(2), 1979), for the write rule;
Reed, *Naming and synchronization in a decentralized computer system* (MIT, 1978), for several versions.

Theory of operation
-------------------
A :class:`Store` keeps, for each version of a key, the stamp of its writer and the largest stamp of a reader. A
:class:`Client` reads its clock when a transaction begins. It reads keys one after another, and hands over all its
writes when it commits; they are taken together or not at all. Nobody waits for anybody: what comes too late is
refused, and the client begins again with a larger stamp.

Rules of the store, for a transaction with the stamp t:

- *Basic.* A read is too late if the key was written by a later transaction; a write is too late if the key was read or
  written by a later one.
- *Thomas's write rule.* As basic, but a write that only comes after a later *write* is dropped: it would have been
  overwritten anyway. That a later transaction has *read* the key still refuses it.
- *Multiversion.* Old versions are kept. A read gets the version of its time and is never too late; a write is too late
  if the version before it was read by a later transaction.

So the result is as if transactions had run one at a time in the order of their stamps. That order need not be the order
in which they really ran: it is as good as the clocks.

Assumptions
-----------
One store. Messages may be late and reordered, but are not lost; a copy of a commit is answered as the first was. The
store crashes and recovers with its versions, its readers' stamps and what it has decided.

Left out: several stores, which need an atomic commitment; and the collection of old versions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Self, TypeAlias, assert_never

from distlib.node import (
    Complete,
    Effects,
    Invoke,
    Node,
    Outcome,
    ReadClock,
    Save,
    Send,
    SetTimer,
    Step,
    Table,
    entry,
    with_entry,
)

__all__ = [
    "Answer",
    "Client",
    "Commit",
    "Committed",
    "Message",
    "Program",
    "Read",
    "Refused",
    "Rule",
    "Stamp",
    "State",
    "Store",
    "Version",
]

Stamp: TypeAlias = tuple[float, str]
"""A reading of a clock, and the client's name so that no two are equal."""

FIRST: Stamp = (float("-inf"), "")


class Rule(Enum):
    """What the store does with what comes late."""

    BASIC = "basic"
    THOMAS = "Thomas's write rule"
    MULTIVERSION = "multiversion"


# ---------------------------------------------------------------------------------------------------------- messages


@dataclass(frozen=True)
class Read:
    """Client to store: the value of a key, for the transaction with this stamp."""

    stamp: Stamp
    key: str

    def __str__(self) -> str:
        return f"{self.stamp[0]:g}: read {self.key}"


@dataclass(frozen=True)
class Answer:
    """Store to client: this is it; None before the first write."""

    stamp: Stamp
    key: str
    value: str | None

    def __str__(self) -> str:
        return f"{self.key} = {self.value}"


@dataclass(frozen=True)
class Commit:
    """Client to store: take these writes."""

    stamp: Stamp
    writes: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"{self.stamp[0]:g}: write {' '.join(key for key, _ in self.writes)}"


@dataclass(frozen=True)
class Committed:
    """Store to client: they are taken."""

    stamp: Stamp

    def __str__(self) -> str:
        return "committed"


@dataclass(frozen=True)
class Refused:
    """Store to client: too late; somebody with this later stamp was there."""

    stamp: Stamp
    later: Stamp

    def __str__(self) -> str:
        return "too late"


Message: TypeAlias = Read | Answer | Commit | Committed | Refused


# ------------------------------------------------------------------------------------------------------------- store


@dataclass(frozen=True, order=True)
class Version:
    """A version of a key: its writer's stamp, the value, and the largest stamp of a reader."""

    written: Stamp = FIRST
    value: str = ""
    read: Stamp = FIRST

    @property
    def shown(self) -> str | None:
        """What a reader gets."""
        return None if self.written == FIRST else self.value


@dataclass(frozen=True)
class State:
    """What a store makes durable: versions by key, oldest first, and what it decided, by stamp."""

    versions: Table[str, tuple[Version, ...]] = ()
    decided: Table[Stamp, bool] = ()


@dataclass(frozen=True)
class Store(Node[Message, State]):
    """Keeps the versions and applies the rule."""

    rule: Rule = Rule.BASIC
    state: State = State()

    def on_start(self, saved: State | None) -> Step[Self]:
        return self if saved is None else replace(self, state=saved), ()

    def on_message(self, source: str, message: Message) -> Step[Self]:
        match message:
            case Read():
                return self.on_read(source, message)
            case Commit():
                return self.on_commit(source, message)
            case Answer() | Committed() | Refused():
                return self, ()
            case _:
                assert_never(message)

    def on_read(self, source: str, message: Read) -> Step[Self]:
        """Answer a read and note its stamp, or refuse it."""
        version = self.version_for(message.key, message.stamp)
        if version.written > message.stamp:
            return self, (Send(source, Refused(message.stamp, version.written)),)
        node = self.noting(message.key, version, message.stamp)
        return node, (Save(node.state), Send(source, Answer(message.stamp, message.key, version.shown)))

    def noting(self, key: str, version: Version, stamp: Stamp) -> Self:
        """Return this store, knowing that a version was read at a stamp."""
        return self.replacing(key, version, (replace(version, read=max(version.read, stamp)),))

    def on_commit(self, source: str, message: Commit) -> Step[Self]:
        """Take all writes of a transaction, or none."""
        stamp = message.stamp
        known = entry(self.state.decided, stamp)
        later = None if known else self.conflict(message)
        if later is not None or known is False:
            node = replace(self, state=replace(self.state, decided=with_entry(self.state.decided, stamp, False)))
            return node, (Save(node.state), Send(source, Refused(stamp, later or stamp)))
        node = self
        if known is None:
            for key, value in message.writes:
                node = node.writing(key, value, stamp)
            node = replace(node, state=replace(node.state, decided=with_entry(node.state.decided, stamp, True)))
        return node, (Save(node.state), Send(source, Committed(stamp)))

    def conflict(self, message: Commit) -> Stamp | None:
        """Return a later stamp that refuses one of the writes, or None."""
        for key, _ in message.writes:
            version = self.version_for(key, message.stamp)
            if version.read > message.stamp:
                return version.read
            if self.rule is Rule.BASIC and version.written > message.stamp:
                return version.written
        return None

    def writing(self, key: str, value: str, stamp: Stamp) -> Self:
        """Return this store with a write that was accepted; under Thomas's rule it may be dropped."""
        version = self.version_for(key, stamp)
        new = Version(stamp, value)
        if self.rule is Rule.MULTIVERSION:
            return self.replacing(key, version, (version, new))
        return self if version.written > stamp else self.replacing(key, version, (replace(new, read=version.read),))

    def version_for(self, key: str, stamp: Stamp) -> Version:
        """Return the version that a transaction of this stamp meets: the only one, or the latest up to its time."""
        versions = entry(self.state.versions, key) or (Version(),)
        return max((version for version in versions if version.written <= stamp), default=versions[-1])

    def replacing(self, key: str, version: Version, by: tuple[Version, ...]) -> Self:
        """Return this store with one version of a key replaced by others."""
        versions = entry(self.state.versions, key) or (Version(),)
        kept = tuple(sorted((*(one for one in versions if one != version), *by)))
        return replace(self, state=replace(self.state, versions=with_entry(self.state.versions, key, kept)))


# ------------------------------------------------------------------------------------------------------------ client


@dataclass(frozen=True)
class Program:
    """What a transaction does: reads, then writes, each of a value of its own.

    Parameters
    ----------
    reads, writes
        Keys.
    pause_seconds
        How long the client waits before it, as a range.
    work_seconds
        How long it works on what it has read before it commits, as a range.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    pause_seconds: tuple[float, float] = (0.0, 0.0)
    work_seconds: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Client(Node[Message, None]):
    """Runs its programs one after another. Each attempt is recorded as a transaction.

    Parameters
    ----------
    name
        Its own.
    store
        Whom it asks.
    programs
        All of them, in order.
    attempts
        How often it tries each; None: until it gets through.
    learns
        Whether it takes a stamp above one that it was refused for, even if its clock is not there yet.
    """

    name: str
    store: str
    programs: tuple[Program, ...]
    attempts: int | None = None
    learns: bool = True
    number: int = 0
    """How many attempts it has made, over all programs."""
    tried: int = 0
    """How many of them at the current program."""
    floor: float = float("-inf")
    """Its next stamp is above this."""
    stamp: Stamp = FIRST
    values: tuple[str | None, ...] = ()
    """What the current transaction has read."""

    def on_start(self, saved: None) -> Step[Self]:
        return self, self.rest()

    def rest(self) -> Effects:
        """Return the timer before the next program, if there is one."""
        return (SetTimer("begin", self.programs[0].pause_seconds),) if self.programs else ()

    def on_timer(self, name: str) -> Step[Self]:
        if name == "commit":
            return self, (Send(self.store, Commit(self.stamp, self.writes)),)
        node = replace(self, number=self.number + 1, tried=self.tried + 1, values=())
        reads = tuple(("read", key) for key in self.programs[0].reads)
        return node, (Invoke((*reads, *(("write", key, value) for key, value in node.writes))), ReadClock("stamp"))

    @property
    def writes(self) -> tuple[tuple[str, str], ...]:
        """Keys and values of the current attempt."""
        return tuple((key, f"{self.name}{self.number}") for key in self.programs[0].writes)

    def on_clock(self, name: str, reading_seconds: float) -> Step[Self]:
        time = reading_seconds if reading_seconds > self.floor else self.floor + 1e-9
        return replace(self, stamp=(time, self.name), floor=time).go_on()

    def go_on(self) -> Step[Self]:
        """Read the next key, or commit."""
        program = self.programs[0]
        if len(self.values) < len(program.reads):
            return self, (Send(self.store, Read(self.stamp, program.reads[len(self.values)])),)
        if program.writes and program.work_seconds == (0.0, 0.0):
            return self, (Send(self.store, Commit(self.stamp, self.writes)),)
        return (self, (SetTimer("commit", program.work_seconds),)) if program.writes else self.end()

    def end(self) -> Step[Self]:
        """Record that the transaction has ended well, and begin the next program."""
        node = replace(self, programs=self.programs[1:], tried=0, stamp=FIRST)
        return node, (Complete(self.values), *node.rest())

    def on_message(self, source: str, message: Message) -> Step[Self]:
        if isinstance(message, Read | Commit) or message.stamp != self.stamp:
            return self, ()
        match message:
            case Answer():
                if self.programs[0].reads[len(self.values) : len(self.values) + 1] != (message.key,):
                    return self, ()  # A copy.
                return replace(self, values=(*self.values, message.value)).go_on()
            case Committed():
                return self.end()
            case Refused():
                node = replace(self, stamp=FIRST)
                if self.learns:
                    node = replace(node, floor=max(self.floor, message.later[0]))
                if self.tried == self.attempts:
                    node = replace(node, programs=self.programs[1:], tried=0)
                return node, (Complete(None, Outcome.FAIL), *node.rest())
            case _:
                assert_never(message)
