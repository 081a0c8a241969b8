"""A register on several replicas, twice: one asks a majority before it answers, the other answers at once.

Sources: Attiya, Bar-Noy and Dolev, *Sharing Memory Robustly in Message-Passing Systems* (1995), sections 3 and 4, for
the majority and the write-back; Lynch and Shvartsman, *Robust Emulation of Shared Memory Using Dynamic
Quorum-Acknowledged Broadcasts* (1997), for several writers; Gilbert and Lynch, *Brewer's Conjecture and the
Feasibility of Consistent, Available, Partition-Tolerant Web Services* (2002), for what neither can have; Thomas, *A
Majority Consensus Approach to Concurrency Control for Multiple Copy Databases* (1979), for "the last writer wins".

Theory of operation
-------------------
Every write gets a :class:`Stamp`: a counter, and the replica that counted. Stamps are ordered, no two writes have the
same one, and a replica keeps the newest :class:`Version` that it has seen. So replicas that have seen the same writes
hold the same value, in whatever order they saw them.

A :class:`MajorityReplica` works in two rounds. It queries all replicas, and goes on with the answers of a majority,
its own included. A write then takes a stamp above all that it was told; a read takes the newest version that it was
told. In the second round this version is stored, again at a majority, and only then does the client get its answer.
Two majorities share a replica, so what one operation has stored the next one finds. The second round of a read is the
*write-back*.

A :class:`LocalReplica` answers from what it has. It stores a write at itself, answers, and tells the others until
they have acknowledged it.

Assumptions
-----------
Replicas crash and recover with their durable value. Messages may be lost, duplicated, delayed and reordered without
bound. A client has one request open at a time, numbers its requests, and repeats a request only to the replica that
it asked first. So a replica that keeps, for each client, the version that it gave to the latest write does the same
write twice without harm: it is the same version.

Left out: more than one register, a change of the set of replicas, clients that crash and come back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias, assert_never

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

# ---------------------------------------------------------------------------------------------------------- messages


@dataclass(frozen=True, order=True)
class Stamp:
    """When a version was written, in an order that all replicas share: by counter, then by the name of the replica."""

    counter: int
    replica: str

    def __str__(self) -> str:
        return f"{self.counter}{self.replica}"


@dataclass(frozen=True)
class Version:
    """A value and its stamp. No two writes have the same stamp."""

    value: int
    stamp: Stamp

    def __str__(self) -> str:
        return f"{self.value}@{self.stamp}"


INITIAL = Version(0, Stamp(0, ""))
"""What every replica holds before any write."""


@dataclass(frozen=True)
class Read:
    """Client to replica: tell me the value."""

    number: int

    def __str__(self) -> str:
        return "read"


@dataclass(frozen=True)
class Write:
    """Client to replica: set the value."""

    number: int
    value: int

    def __str__(self) -> str:
        return f"write {self.value}"


@dataclass(frozen=True)
class Answer:
    """Replica to client: request `number` is done, and this is what was read or written."""

    number: int
    value: int

    def __str__(self) -> str:
        return f"answer {self.value}"


@dataclass(frozen=True)
class Query:
    """Replica to replica: tell me your version. `client` and `number` say for which request."""

    client: str
    number: int

    def __str__(self) -> str:
        return "query"


@dataclass(frozen=True)
class Report:
    """The answer to a :class:`Query`."""

    client: str
    number: int
    version: Version

    def __str__(self) -> str:
        return f"has {self.version.value}"


@dataclass(frozen=True)
class Store:
    """Replica to replica: keep this version, unless you have a newer one."""

    version: Version

    def __str__(self) -> str:
        return f"store {self.version.value}"


@dataclass(frozen=True)
class Stored:
    """The answer to a :class:`Store`: this version, or a newer one, is durable here."""

    version: Version

    def __str__(self) -> str:
        return f"stored {self.version.value}"


Request: TypeAlias = Read | Write
ReplicaMessage: TypeAlias = Read | Write | Query | Report | Store | Stored

# ---------------------------------------------------------------------------------------------------------- replicas


@dataclass(frozen=True)
class Accepted:
    """The version that a replica gave to the latest write of a client."""

    number: int
    version: Version


@dataclass(frozen=True)
class Disk:
    """What a replica makes durable.

    Parameters
    ----------
    version
        The newest that it has seen.
    accepted
        The latest write of each client that it took, so that a repeated request gets no second stamp.
    """

    version: Version = INITIAL
    accepted: Table[str, Accepted] = ()

    def __str__(self) -> str:
        return str(self.version)

    def newer(self, version: Version) -> Disk:
        """Return the disk with `version` on it if it is newer; otherwise this very disk."""
        return replace(self, version=version) if version.stamp > self.version.stamp else self

    def accepting(self, client: str, number: int, version: Version) -> Disk:
        """Return the disk with a write that was given its stamp."""
        return replace(self.newer(version), accepted=with_entry(self.accepted, client, Accepted(number, version)))


@dataclass(frozen=True)
class Replica(Node[ReplicaMessage, Disk]):
    """What both kinds of replica share: they keep the newest version, and tell it to whoever asks.

    Parameters
    ----------
    name
        Its own name; part of the stamps that it gives.
    others
        The other replicas.
    resend_seconds
        How long it waits for answers, as a range, before it asks again.
    disk
        What is durable.
    """

    name: str
    others: tuple[str, ...]
    resend_seconds: tuple[float, float] = (0.1, 0.1)
    disk: Disk = Disk()

    def on_start(self, saved: Disk | None) -> Step[Self]:
        return replace(self, disk=saved or self.disk), ()

    def on_message(self, source: str, message: ReplicaMessage) -> Step[Self]:
        match message:
            case Read() | Write():
                return self.on_request(source, message)
            case Query():
                return self, (Send(source, Report(message.client, message.number, self.disk.version)),)
            case Report():
                return self.on_report(source, message)
            case Store():
                return self.on_store(source, message)
            case Stored():
                return self.on_stored(source, message)
            case _:
                assert_never(message)

    def on_request(self, client: str, request: Request) -> Step[Self]:
        """Take the request of a client."""
        raise NotImplementedError

    def on_report(self, source: str, message: Report) -> Step[Self]:
        """Take what another replica has. Only a replica that queries gets any."""
        return self, ()

    def on_store(self, source: str, message: Store) -> Step[Self]:
        """Keep the version if it is newer; acknowledge it when it is durable."""
        node, saved = self.keeping(self.disk.newer(message.version))
        return node, (*saved, Send(source, Stored(message.version)))

    def on_stored(self, source: str, message: Stored) -> Step[Self]:
        """Take an acknowledgement."""
        raise NotImplementedError

    def keeping(self, disk: Disk) -> Step[Self]:
        """Return this node with another disk, and the save if there is anything to save."""
        if disk == self.disk:
            return self, ()
        return replace(self, disk=disk), (Save(disk),)

    def next_version(self, value: int, seen: Version) -> Version:
        """Return a version above `seen` and above all that this replica has seen or given."""
        counter = max(seen.stamp.counter, self.disk.version.stamp.counter) + 1
        return Version(value, Stamp(counter, self.name))


@dataclass(frozen=True)
class Round:
    """A request under way at a :class:`MajorityReplica`, which a crash forgets.

    Parameters
    ----------
    request
        The client's.
    newest
        The newest version that was reported so far; in the second round, the version that is being stored.
    storing
        Whether this is the second round.
    heard
        The other replicas that have answered in this round.
    """

    request: Request
    newest: Version
    storing: bool = False
    heard: frozenset[str] = frozenset()


@dataclass(frozen=True)
class MajorityReplica(Replica):
    """Answers when a majority has stored what it answers. Without a majority it does not answer."""

    rounds: Table[str, Round] = ()
    """By client: the request under way."""

    def on_request(self, client: str, request: Request) -> Step[Self]:
        """First round: query. A write that has its stamp already goes on with the second."""
        current = entry(self.rounds, client)
        accepted = entry(self.disk.accepted, client)
        if current is not None and current.request.number >= request.number:
            return self, ()
        if isinstance(request, Write) and accepted is not None and accepted.number >= request.number:
            if accepted.number > request.number:
                return self, ()  # A late copy of a write that its client has left behind.
            return self.store(client, Round(request, accepted.version))
        return self.go_on(client, Round(request, self.disk.version))

    def on_report(self, source: str, message: Report) -> Step[Self]:
        """Count an answer to a query; with a majority, begin the second round."""
        current = entry(self.rounds, message.client)
        if current is None or current.storing or current.request.number != message.number or source in current.heard:
            return self, ()
        newest = max(current.newest, message.version, key=_by_stamp)
        current = replace(current, newest=newest, heard=current.heard | {source})
        if not self.is_majority(current):
            return replace(self, rounds=with_entry(self.rounds, message.client, current)), ()
        return self.after_query(message.client, current)

    def after_query(self, client: str, current: Round) -> Step[Self]:
        """Give a write its stamp; then store what was written, or what was read."""
        request = current.request
        if isinstance(request, Read):
            return self.store(client, current)
        version = self.next_version(request.value, current.newest)
        node, saved = self.keeping(self.disk.accepting(client, request.number, version))
        node, effects = node.store(client, replace(current, newest=version))
        return node, saved + effects

    def store(self, client: str, current: Round) -> Step[Self]:
        """Second round: store at a majority, this replica included."""
        node, saved = self.keeping(self.disk.newer(current.newest))
        node, effects = node.go_on(client, replace(current, storing=True, heard=frozenset()))
        return node, saved + effects

    def on_stored(self, source: str, message: Stored) -> Step[Self]:
        """Count an acknowledgement; with a majority, answer."""
        node = self
        effects: Effects = ()
        for client, current in self.rounds:
            if current.storing and current.newest == message.version and source not in current.heard:
                current = replace(current, heard=current.heard | {source})
                node = replace(node, rounds=with_entry(node.rounds, client, current))
                if self.is_majority(current):
                    node, more = node.answer(client, current)
                    effects += more
        return node, effects

    def answer(self, client: str, current: Round) -> Step[Self]:
        """Tell the client, and forget the request."""
        node = replace(self, rounds=without_entry(self.rounds, client))
        return node, (CancelTimer(client), Send(client, Answer(current.request.number, current.newest.value)))

    def go_on(self, client: str, current: Round) -> Step[Self]:
        """Ask those that have not answered in this round, and once more later."""
        message = Store(current.newest) if current.storing else Query(client, current.request.number)
        asked = tuple(Send(other, message) for other in self.others if other not in current.heard)
        node = replace(self, rounds=with_entry(self.rounds, client, current))
        return node, (*asked, SetTimer(client, self.resend_seconds))

    def on_timer(self, name: str) -> Step[Self]:
        current = entry(self.rounds, name)
        assert current is not None, f"there is no request of {name}, whose answers are overdue"
        return self.go_on(name, current)

    def is_majority(self, current: Round) -> bool:
        """Return whether those that have answered and this replica are more than half."""
        return 2 * (len(current.heard) + 1) > len(self.others) + 1


@dataclass(frozen=True)
class LocalReplica(Replica):
    """Answers at once from what it has, and tells the others of writes until they have acknowledged them."""

    owed: Table[str, Version] = ()
    """By replica: the version that it has not acknowledged yet. A newer one takes the place of an older one."""

    def on_start(self, saved: Disk | None) -> Step[Self]:
        """After a crash it does not know what the others have: it tells all of them its version."""
        node, _ = super().on_start(saved)
        return node.tell(node.others) if saved else (node, ())

    def on_request(self, client: str, request: Request) -> Step[Self]:
        """Answer; a write is durable here before that, and on its way to the others after it."""
        if isinstance(request, Read):
            return self, (Send(client, Answer(request.number, self.disk.version.value)),)
        accepted = entry(self.disk.accepted, client)
        if accepted is not None and accepted.number >= request.number:
            return self, (Send(client, Answer(request.number, request.value)),)
        version = self.next_version(request.value, self.disk.version)
        node, saved = self.keeping(self.disk.accepting(client, request.number, version))
        node, told = node.tell(self.others)
        return node, (*saved, Send(client, Answer(request.number, request.value)), *told)

    def tell(self, others: tuple[str, ...]) -> Step[Self]:
        """Send the version to these replicas, and once more later to those that have not acknowledged it."""
        version = self.disk.version
        node = replace(self, owed=tuple((other, version) for other in others))
        sent = tuple(Send(other, Store(version)) for other in others)
        return node, (*sent, SetTimer("owed", self.resend_seconds)) if others else ()

    def on_stored(self, source: str, message: Stored) -> Step[Self]:
        """Strike off whoever has what it is owed."""
        if entry(self.owed, source) != message.version:
            return self, ()
        node = replace(self, owed=without_entry(self.owed, source))
        return node, () if node.owed else (CancelTimer("owed"),)

    def on_timer(self, name: str) -> Step[Self]:
        return self.tell(tuple(other for other, _ in self.owed))


def _by_stamp(version: Version) -> Stamp:
    return version.stamp


# ------------------------------------------------------------------------------------------------------------ client

Operation: TypeAlias = tuple[str] | tuple[str, int]
"""What a client records: ``("read",)`` or ``("write", value)``."""


@dataclass(frozen=True)
class Task:
    """One thing that a client is to do.

    Parameters
    ----------
    operation
        ``("read",)`` or ``("write", value)``; a value is written once, and is not 0.
    replica
        Which replica to ask.
    pause_seconds
        How long to wait before, as a range.
    """

    operation: Operation
    replica: str
    pause_seconds: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Client(Node[Answer, None]):
    """Does its tasks one after another, and goes on when an answer does not come in time.

    Parameters
    ----------
    tasks
        All of them, in order.
    patience_seconds
        How long it waits for an answer, as a range. The outcome is then unknown to it.
    retry_seconds
        How long it waits, as a range, before it repeats a request; None: it never does.
    number
        How many tasks it has begun.
    open
        Whether it waits for an answer.
    """

    tasks: tuple[Task, ...]
    patience_seconds: tuple[float, float] = (1.0, 1.0)
    retry_seconds: tuple[float, float] | None = None
    number: int = 0
    open: bool = False

    def on_start(self, saved: None) -> Step[Self]:
        return self.rest()

    def rest(self) -> Step[Self]:
        """Wait before the next task, if there is one."""
        if self.number == len(self.tasks):
            return self, ()
        pause = self.tasks[self.number].pause_seconds
        return self.begin() if pause == (0.0, 0.0) else (self, (SetTimer("pause", pause),))

    def begin(self) -> Step[Self]:
        """Ask for the next task to be done."""
        node = replace(self, number=self.number + 1, open=True)
        retry: Effects = () if self.retry_seconds is None else (SetTimer("retry", self.retry_seconds),)
        invoked = Invoke(self.tasks[self.number].operation)
        return node, (invoked, node.ask(), SetTimer("patience", self.patience_seconds), *retry)

    def ask(self) -> Send:
        """Return the request of the task that it has begun."""
        task = self.tasks[self.number - 1]
        match task.operation:
            case ("write", int(value)):
                return Send(task.replica, Write(self.number, value))
            case ("read",):
                return Send(task.replica, Read(self.number))
            case _:
                raise ValueError(f'`operation` must be ("read",) or ("write", number), got {task.operation!r}')

    def on_message(self, source: str, message: Answer) -> Step[Self]:
        if not self.open or message.number != self.number:
            return self, ()  # A copy, or the answer to a request that it has left behind.
        is_read = self.tasks[self.number - 1].operation == ("read",)
        return self.complete(Complete(message.value if is_read else None))

    def complete(self, completion: Complete) -> Step[Self]:
        """Record how the task ended, and go on."""
        node, effects = replace(self, open=False).rest()
        retry: Effects = () if self.retry_seconds is None else (CancelTimer("retry"),)
        return node, (CancelTimer("patience"), *retry, completion, *effects)

    def on_timer(self, name: str) -> Step[Self]:
        match name:
            case "pause":
                return self.begin()
            case "retry":
                assert self.retry_seconds is not None, "a client that never repeats has no timer for it"
                return self, (self.ask(), SetTimer("retry", self.retry_seconds))
            case _:
                return self.complete(Complete(None, Outcome.UNKNOWN))


# --------------------------------------------------------------------------------------------------------- partition


@dataclass(frozen=True)
class CutOff(Node[Any, Any]):
    """A replica behind a partition that never heals: what it sends to the other side is gone.

    A simulation cuts links for a while. An exploration has no clock, so here the cut is part of the node.

    Parameters
    ----------
    inner
        The replica.
    unreachable
        The nodes that nothing of what it sends will reach.
    """

    inner: Node[Any, Any]
    unreachable: frozenset[str]

    def on_start(self, saved: Any) -> Step[Self]:
        return self._after(self.inner.on_start(saved))

    def on_message(self, source: str, message: Any) -> Step[Self]:
        return self._after(self.inner.on_message(source, message))

    def on_timer(self, name: Any) -> Step[Self]:
        return self._after(self.inner.on_timer(name))

    def _after(self, step: tuple[Node[Any, Any], Effects]) -> Step[Self]:
        inner, effects = step
        passed = tuple(one for one in effects if not isinstance(one, Send) or one.target not in self.unreachable)
        return (self if inner is self.inner else replace(self, inner=inner)), passed


# -------------------------------------------------------------------------------------------------------- invariants


def replicas_of(world: World) -> dict[str, Disk]:
    """Return each replica's durable value by name, whether it is up, down, or cut off."""
    disks: dict[str, Disk] = {}
    for name, node in sorted(world.nodes.items()):
        inner = node.inner if isinstance(node, CutOff) else node
        if isinstance(inner, Replica):
            disks[name] = inner.disk
        elif node is None:
            disks[name] = world.saved[name] or Disk()
    return disks


def stamps_are_unique(world: World) -> bool:
    """No two writes share a stamp: neither on the disks nor on their way."""
    seen: dict[Stamp, int] = {}
    on_disk = [disk.version for disk in replicas_of(world).values()]
    on_disk += [line.version for disk in replicas_of(world).values() for _, line in disk.accepted]
    sent = [message.version for _, _, message in world.in_flight if isinstance(message, Store | Stored | Report)]
    return all(seen.setdefault(version.stamp, version.value) == version.value for version in (*on_disk, *sent))


def everyone_is_answered(world: World) -> bool:
    """Every client has done all its tasks, and none of its operations has an unknown outcome."""
    clients = [node for node in world.nodes.values() if isinstance(node, Client)]
    done = all(not client.open and client.number == len(client.tasks) for client in clients)
    return done and all(effect.outcome is Outcome.OK for _, effect in world.history if isinstance(effect, Complete))


def replicas_agree(world: World) -> bool:
    """All replicas hold the same version."""
    return len({disk.version for disk in replicas_of(world).values()}) <= 1
