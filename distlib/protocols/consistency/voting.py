"""A register on several replicas: every operation asks some of them, and goes on with the votes of a quorum.

Sources: Gifford, *Weighted Voting for Replicated Data* (1979), for votes and the quorums r and w; Attiya, Bar-Noy and
Dolev, *Sharing Memory Robustly in Message-Passing Systems* (1995), for the reader that writes back; Lynch and
Shvartsman, *Robust Emulation of Shared Memory Using Dynamic Quorum-Acknowledged Broadcasts* (1997), for several
writers; DeCandia et al., *Dynamo: Amazon's Highly Available Key-value Store* (2007), sections 4.5 and 4.6, for sloppy
quorums and hinted hand-off.

Theory of operation
-------------------
A :class:`Replica` keeps one :class:`Version`, the newest that it was given, and answers two messages: :class:`Query`
(what do you have?) and :class:`Store` (keep this, unless you have a newer one). It acknowledges what is on its disk.
All else is up to the :class:`Client`, which does its operations one after another, in one or two phases:

1. *Query.* Ask the replicas. Go on when those that have reported are a *read quorum*.
2. *Store.* Have a version stored. The phase is over when those that have acknowledged it are a *write quorum*.

A write queries for the highest counter, takes a :class:`Stamp` above it, and stores. A read queries, and takes the
newest version that was reported. What it does with that version is its :class:`WriteBack`: nothing; store it after
it has answered (read repair); or store it *before* it answers, which is the protocol of Attiya, Bar-Noy and Dolev.
With one writer, which knows its own counter, the writer needs no query (``single_writer``).

*Sloppy quorums.* A client with `fallbacks` that misses an acknowledgement for too long hands the version to another
replica, with a *hint* for whom it is meant. The hint counts as the vote of the replica that was meant. It is handed off
when that replica answers again.

Assumptions
-----------
Replicas and clients crash and recover with their durable values. Messages may be lost, duplicated, delayed and
reordered without bound. An operation has a number, durable before its first message and never used again, so that
late answers are told from new ones, and so that no two writes have the same stamp, whatever was forgotten in between.

A client that gives up says what it knows. If none of its messages has carried its value, the operation failed. If
one has, the value may be read now, later, or never: the outcome is unknown. A crash leaves it unknown, too.

Left out: more than one register, a change of the set of replicas, anti-entropy in the background (Merkle trees), values
that are merged (version vectors).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Self, TypeAlias, assert_never

from distlib.node import (
    CancelTimer,
    Complete,
    Effects,
    Invoke,
    Node,
    Outcome,
    Save,
    Send,
    SetTimer,
    Step,
    Table,
    World,
    entry,
    with_entry,
    without_entry,
)

Range: TypeAlias = tuple[float, float]
"""Shortest and longest duration, in seconds."""

# ---------------------------------------------------------------------------------------------------------- versions


@dataclass(frozen=True, order=True)
class Stamp:
    """When a version was written, in an order that all share: by counter, then by writer, then by its operation."""

    counter: int
    writer: str
    number: int

    def __str__(self) -> str:
        return f"{self.counter}{self.writer[:1]}"


@dataclass(frozen=True)
class Version:
    """A value and its stamp. No two writes have the same stamp."""

    value: int
    stamp: Stamp

    def __str__(self) -> str:
        return f"{self.value}@{self.stamp}"


INITIAL = Version(0, Stamp(0, "", 0))
"""What every replica holds before any write."""

# ---------------------------------------------------------------------------------------------------------- messages


@dataclass(frozen=True)
class Query:
    """Client to replica: tell me your version. `number` is that of the operation, here and below."""

    number: int

    def __str__(self) -> str:
        return "query"


@dataclass(frozen=True)
class Report:
    """Replica to client: the answer to a :class:`Query`."""

    number: int
    version: Version

    def __str__(self) -> str:
        return f"has {self.version.value}"


@dataclass(frozen=True)
class Store:
    """Keep this version, unless you have a newer one; if it is meant for `home`, keep it for that replica."""

    number: int
    version: Version
    home: str | None = None

    def __str__(self) -> str:
        return f"store {self.version.value}" + (f" for {self.home}" if self.home else "")


@dataclass(frozen=True)
class Stored:
    """The answer to a :class:`Store`: this version, or a newer one, is durable here."""

    number: int
    version: Version
    home: str | None = None

    def __str__(self) -> str:
        return f"stored {self.version.value}" + (f" for {self.home}" if self.home else "")


ReplicaMessage: TypeAlias = Query | Store | Stored
ClientMessage: TypeAlias = Report | Stored

# ----------------------------------------------------------------------------------------------------------- quorums


@dataclass(frozen=True)
class Votes:
    """Quorums by votes: those with at least `read` votes may answer a query, those with `write` votes store a version.

    Parameters
    ----------
    votes
        By replica: how many votes it has.
    read, write
        How many it takes, each in [1, all votes].
    """

    votes: Table[str, int]
    read: int
    write: int

    def __post_init__(self) -> None:
        total = sum(votes for _, votes in self.votes)
        for name, needed in (("read", self.read), ("write", self.write)):
            if not 1 <= needed <= total:
                raise ValueError(f"`{name}` must be in [1, {total}], got {needed}")

    @property
    def names(self) -> frozenset[str]:
        """The replicas."""
        return frozenset(name for name, _ in self.votes)

    def is_read(self, heard: frozenset[str]) -> bool:
        """Return whether these replicas are a read quorum."""
        return self.count(heard) >= self.read

    def is_write(self, heard: frozenset[str]) -> bool:
        """Return whether these replicas are a write quorum."""
        return self.count(heard) >= self.write

    def count(self, heard: frozenset[str]) -> int:
        """Return the votes of these replicas."""
        return sum(votes for name, votes in self.votes if name in heard)


def sizes(replica_count: int, read: int, write: int) -> Votes:
    """Return the quorums of R = `read` and W = `write` out of N = `replica_count` replicas `r1`, `r2`, … alike.

    Examples
    --------
    >>> sizes(3, 2, 2).is_read(frozenset({"r1", "r3"}))
    True
    """
    return Votes(tuple(sorted((f"r{number}", 1) for number in range(1, replica_count + 1))), read, write)


@dataclass(frozen=True)
class Listed:
    """Quorums by name: whatever contains one of `reads`, and whatever contains one of `writes`. A grid is one such."""

    reads: frozenset[frozenset[str]]
    writes: frozenset[frozenset[str]]

    @property
    def names(self) -> frozenset[str]:
        """The replicas."""
        return frozenset[str]().union(*self.reads, *self.writes)

    def is_read(self, heard: frozenset[str]) -> bool:
        """Return whether these replicas contain a read quorum."""
        return any(quorum <= heard for quorum in self.reads)

    def is_write(self, heard: frozenset[str]) -> bool:
        """Return whether these replicas contain a write quorum."""
        return any(quorum <= heard for quorum in self.writes)


Quorums: TypeAlias = Votes | Listed

# ----------------------------------------------------------------------------------------------------------- replica


@dataclass(frozen=True)
class Disk:
    """What a replica makes durable.

    Parameters
    ----------
    version
        The newest that it was given.
    hints
        By replica: the newest version that it keeps for that one.
    """

    version: Version = INITIAL
    hints: Table[str, Version] = ()

    def __str__(self) -> str:
        return ", ".join((str(self.version), *(f"{version} for {home}" for home, version in self.hints)))


@dataclass(frozen=True)
class Replica(Node[ReplicaMessage, Disk]):
    """Keeps the newest version that it was given, and hints for others.

    Parameters
    ----------
    hand_off_seconds
        How long it waits, as a range, before it tries to hand off its hints, and tries again.
    disk
        What is durable.
    """

    hand_off_seconds: Range = (1.0, 1.0)
    disk: Disk = Disk()

    def on_start(self, saved: Disk | None) -> Step[Self]:
        node = replace(self, disk=saved or self.disk)
        return node, node.hand_off_later() if node.disk.hints else ()

    def on_message(self, source: str, message: ReplicaMessage) -> Step[Self]:
        match message:
            case Query():
                return self, (Send(source, Report(message.number, self.disk.version)),)
            case Store():
                return self.on_store(source, message)
            case Stored():
                return self.on_stored(source, message)
            case _:
                assert_never(message)

    def on_store(self, source: str, message: Store) -> Step[Self]:
        """Keep the version if it is newer; acknowledge it when it is durable."""
        node, effects = self.keep(message.version) if message.home is None else self.keep_for(message)
        return node, (*effects, Send(source, Stored(message.number, message.version, message.home)))

    def keep(self, version: Version) -> Step[Self]:
        """Put the version on the disk if it is newer than what is there."""
        if version.stamp <= self.disk.version.stamp:
            return self, ()
        return self.saving(replace(self.disk, version=version))

    def keep_for(self, message: Store) -> Step[Self]:
        """Keep a hint, to be handed off later."""
        assert message.home is not None, "what is meant for nobody else is no hint"
        hint = entry(self.disk.hints, message.home)
        if hint is not None and message.version.stamp <= hint.stamp:
            return self, ()
        node, saved = self.saving(replace(self.disk, hints=with_entry(self.disk.hints, message.home, message.version)))
        return node, (*saved, *self.hand_off_later())

    def saving(self, disk: Disk) -> Step[Self]:
        """Return this node with another disk, and the save."""
        return replace(self, disk=disk), (Save(disk),)

    def hand_off_later(self) -> Effects:
        """Return what makes it try to hand off its hints after a while."""
        return (SetTimer("hand off", self.hand_off_seconds),)

    def on_timer(self, name: str) -> Step[Self]:
        """Send each hint to the replica that it is for, and try again later."""
        sent = tuple(Send(home, Store(0, version)) for home, version in self.disk.hints)
        return self, (*sent, *self.hand_off_later())

    def on_stored(self, source: str, message: Stored) -> Step[Self]:
        """Drop a hint that its replica has made durable."""
        hint = entry(self.disk.hints, source)
        if hint is None or message.version.stamp < hint.stamp:
            return self, ()
        node, saved = self.saving(replace(self.disk, hints=without_entry(self.disk.hints, source)))
        return node, saved if node.disk.hints else (*saved, CancelTimer("hand off"))


# ------------------------------------------------------------------------------------------------------------ client

Operation: TypeAlias = tuple[str] | tuple[str, int]
"""What a client records: ``("read",)`` or ``("write", value)``."""


class WriteBack(Enum):
    """What a read does with the version that it has found."""

    NONE = "none"
    """Nothing."""
    LATER = "later"
    """Read repair: it answers, and then has the version stored at the replicas that reported an older one."""
    ALWAYS = "always"
    """It has the version stored at a write quorum, and then answers (Attiya, Bar-Noy and Dolev)."""
    IF_NEEDED = "if needed"
    """The same, but replicas that reported the version count as having stored it, which they have."""


class Phase(Enum):
    """Where a client is."""

    IDLE = "idle"
    QUERY = "query"
    STORE = "store"


@dataclass(frozen=True)
class Task:
    """One thing that a client is to do.

    Parameters
    ----------
    operation
        ``("read",)`` or ``("write", value)``; a value is written once, and is not 0.
    pause_seconds
        How long to wait before, as a range.
    asked
        Which replicas to ask; none: all.
    """

    operation: Operation
    pause_seconds: Range = (0.0, 0.0)
    asked: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Client(Node[ClientMessage, int]):
    """Does its tasks one after another. Its durable value is the number of the latest that it has begun.

    Parameters
    ----------
    name
        Its own name; part of the stamps that it gives.
    tasks
        All of them, in order.
    quorums
        Whose votes it takes to go on.
    write_back
        What a read does with what it has found.
    single_writer
        Whether it is the only one that ever writes: its writes then need no query.
    fallbacks
        Replicas that take hints, in the order in which they are asked; none: the quorums are strict.
    fallback_seconds
        How long it waits for acknowledgements, as a range, before it asks the fallbacks.
    resend_seconds
        How long it waits for answers, as a range, before it asks again; None: it never does.
    patience_seconds
        After how long, as a range, it gives up; None: it never does.
    number, phase
        Which task it is at, and where in it.
    newest
        In a query: the newest version that was reported. In a store: the version that is to be stored.
    heard
        The replicas whose votes it has in this phase.
    holders
        In a query: those of them that reported `newest`.
    """

    name: str
    tasks: tuple[Task, ...]
    quorums: Quorums
    write_back: WriteBack = WriteBack.NONE
    single_writer: bool = False
    fallbacks: tuple[str, ...] = ()
    fallback_seconds: Range = (0.1, 0.1)
    resend_seconds: Range | None = None
    patience_seconds: Range | None = None
    number: int = 0
    phase: Phase = Phase.IDLE
    newest: Version = INITIAL
    heard: frozenset[str] = frozenset()
    holders: frozenset[str] = frozenset()

    # -- from task to task

    def on_start(self, saved: int | None) -> Step[Self]:
        """What was open when it crashed stays open: nobody is left who could find out. Go on with the next task."""
        return replace(self, number=saved or 0).rest()

    def rest(self) -> Step[Self]:
        """Wait before the next task, if there is one."""
        if self.number == len(self.tasks):
            return self, ()
        pause = self.tasks[self.number].pause_seconds
        return self.begin() if pause == (0.0, 0.0) else (self, (SetTimer("pause", pause),))

    def begin(self) -> Step[Self]:
        """Make the number of the next operation durable, then ask."""
        node = replace(self, number=self.number + 1, newest=INITIAL)
        begun: Effects = (Save(node.number), Invoke(node.task.operation))
        if self.patience_seconds is not None:
            begun += (SetTimer("patience", self.patience_seconds),)
        node, asked = node.query() if node.is_read or not self.single_writer else node.write(node.number)
        return node, begun + asked

    @property
    def task(self) -> Task:
        """What it is doing, or did last."""
        return self.tasks[self.number - 1]

    @property
    def is_read(self) -> bool:
        """Whether that is a read."""
        return self.task.operation == ("read",)

    @property
    def has_written(self) -> bool:
        """Whether its latest task was a write that took effect: `newest` is then that version."""
        return self.phase is Phase.IDLE and self.number > 0 and not self.is_read and self.newest != INITIAL

    # -- first phase

    def query(self) -> Step[Self]:
        """Ask the replicas what they have."""
        node = replace(self, phase=Phase.QUERY, heard=frozenset[str](), holders=frozenset[str]())
        return node, node.ask()

    def on_report(self, source: str, message: Report) -> Step[Self]:
        """Count an answer to the query; with a read quorum, go on."""
        if message.number != self.number:
            return self, ()
        if self.phase is not Phase.QUERY:
            return self, self.repair(source, message.version)
        if source in self.heard:
            return self, ()
        node = replace(self, heard=self.heard | {source})
        if message.version.stamp > self.newest.stamp:
            node = replace(node, newest=message.version, holders=frozenset({source}))
        elif message.version == self.newest:
            node = replace(node, holders=self.holders | {source})
        if not self.quorums.is_read(node.heard):
            return node, ()
        return node.after_query_of_read() if self.is_read else node.write(node.newest.stamp.counter + 1)

    def after_query_of_read(self) -> Step[Self]:
        """Answer the read, or write back first."""
        match self.write_back:
            case WriteBack.NONE:
                return self.answer()
            case WriteBack.LATER:
                node, effects = self.answer()
                behind = sorted(self.heard - self.holders)
                return node, (*effects, *(Send(name, Store(self.number, self.newest)) for name in behind))
            case WriteBack.ALWAYS:
                return self.store(self.newest)
            case WriteBack.IF_NEEDED:
                if self.quorums.is_write(self.holders):
                    return self.answer()
                return self.store(self.newest, self.holders)
            case _:
                assert_never(self.write_back)

    def repair(self, source: str, version: Version) -> Effects:
        """Bring a replica up to date whose report came after the read was answered."""
        late = self.write_back is WriteBack.LATER and self.is_read and self.phase is Phase.IDLE
        return (Send(source, Store(self.number, self.newest)),) if late and version.stamp < self.newest.stamp else ()

    # -- second phase

    def write(self, counter: int) -> Step[Self]:
        """Stamp the value, and have it stored."""
        match self.task.operation:
            case ("write", int(value)):
                return self.store(Version(value, self.stamp(counter)))
            case _:
                raise ValueError(f'`operation` must be ("read",) or ("write", number), got {self.task.operation!r}')

    def stamp(self, counter: int) -> Stamp:
        """Return a stamp that nobody has used: the number of the operation sees to that."""
        return Stamp(counter, self.name, self.number)

    def store(self, version: Version, holders: frozenset[str] = frozenset()) -> Step[Self]:
        """Have a version stored by all but `holders`, which have it."""
        node = replace(self, phase=Phase.STORE, newest=version, heard=holders, holders=frozenset[str]())
        if not self.fallbacks or self.is_read:
            return node, node.ask()
        return node, (*node.ask(), SetTimer("fallback", self.fallback_seconds))

    def on_stored(self, source: str, message: Stored) -> Step[Self]:
        """Count an acknowledgement; with a write quorum, answer. A hint is the vote of the replica that it is for."""
        voter = message.home or source
        if message.number != self.number or self.phase is not Phase.STORE or voter in self.heard:
            return self, ()
        node = replace(self, heard=self.heard | {voter})
        return node.answer() if self.quorums.is_write(node.heard) else (node, ())

    def fall_back(self) -> Step[Self]:
        """Give the version to a fallback for each replica that has not acknowledged it."""
        missing = sorted(self.asked - self.heard)
        pairs = zip(self.fallbacks, missing, strict=False)
        return self, tuple(Send(name, Store(self.number, self.newest, home)) for name, home in pairs)

    # -- in both phases

    @property
    def asked(self) -> frozenset[str]:
        """The replicas that it asks for the current task."""
        return self.task.asked or self.quorums.names

    def ask(self) -> Effects:
        """Ask those that have not answered in this phase, and once more later."""
        message = Query(self.number) if self.phase is Phase.QUERY else Store(self.number, self.newest)
        sent = tuple(Send(name, message) for name in sorted(self.asked - self.heard))
        return sent if self.resend_seconds is None else (*sent, SetTimer("resend", self.resend_seconds))

    def answer(self) -> Step[Self]:
        """The operation took effect."""
        return self.complete(Complete(self.newest.value if self.is_read else None))

    def give_up(self) -> Step[Self]:
        """Say what is known: what was never sent has not happened, and what was sent may yet."""
        sent = self.phase is Phase.STORE and not self.is_read
        return replace(self, newest=INITIAL).complete(Complete(None, Outcome.UNKNOWN if sent else Outcome.FAIL))

    def complete(self, completion: Complete) -> Step[Self]:
        """Record how the operation ended, and go on with the next."""
        timers = ("patience", self.patience_seconds), ("resend", self.resend_seconds), ("fallback", self.fallbacks)
        cancelled = tuple(CancelTimer(name) for name, used in timers if used)
        node = replace(self, phase=Phase.IDLE, heard=frozenset[str](), holders=frozenset[str]())
        node, effects = node.rest()
        return node, (*cancelled, completion, *effects)

    def on_message(self, source: str, message: ClientMessage) -> Step[Self]:
        match message:
            case Report():
                return self.on_report(source, message)
            case Stored():
                return self.on_stored(source, message)
            case _:
                assert_never(message)

    def on_timer(self, name: str) -> Step[Self]:
        match name:
            case "pause":
                return self.begin()
            case "resend":
                return self, self.ask()
            case "fallback":
                return self.fall_back()
            case _:
                return self.give_up()


# -------------------------------------------------------------------------------------------------------- invariants


def disks_of(world: World) -> dict[str, Disk]:
    """Return each replica's durable value by name, whether it is up or down."""
    found: dict[str, Disk] = {}
    for name, node in sorted(world.nodes.items()):
        saved = world.saved[name]
        if isinstance(node, Replica) or isinstance(saved, Disk):
            found[name] = saved or (node.disk if isinstance(node, Replica) else Disk())
    return found


def stamps_are_unique(world: World) -> bool:
    """No two writes share a stamp: neither on the disks nor on their way."""
    seen: dict[Stamp, int] = {}
    versions = [disk.version for disk in disks_of(world).values()]
    versions += [version for disk in disks_of(world).values() for _, version in disk.hints]
    versions += [message.version for _, _, message in world.in_flight if isinstance(message, Report | Store | Stored)]
    return all(seen.setdefault(version.stamp, version.value) == version.value for version in versions)


def acknowledged_writes_are_stored(world: World) -> bool:
    """What a client was told is written is on the disks of a write quorum, or a newer version is; hints count."""
    disks = disks_of(world)
    for client in world.nodes.values():
        if isinstance(client, Client) and client.has_written:
            kept = [(name, disk.version) for name, disk in disks.items()]
            kept += [hint for disk in disks.values() for hint in disk.hints]
            holders = frozenset(home for home, version in kept if version.stamp >= client.newest.stamp)
            if not client.quorums.is_write(holders):
                return False
    return True


def everyone_is_answered(world: World) -> bool:
    """Every client has done all its tasks, and each took effect."""
    clients = [node for node in world.nodes.values() if isinstance(node, Client)]
    done = all(client.phase is Phase.IDLE and client.number == len(client.tasks) for client in clients)
    return done and all(effect.outcome is Outcome.OK for _, effect in world.history if isinstance(effect, Complete))


def replicas_agree(world: World) -> bool:
    """All replicas hold the same version."""
    return len({disk.version for disk in disks_of(world).values()}) <= 1


def no_hint_is_left(world: World) -> bool:
    """Every hint has been handed off."""
    return not any(disk.hints for disk in disks_of(world).values())
