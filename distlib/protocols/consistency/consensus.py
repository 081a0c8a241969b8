"""Raft: servers that agree on a log, and so on every state that a machine goes through.

Source: Ongaro and Ousterhout, *In Search of an Understandable Consensus Algorithm* (USENIX ATC 2014), section 5 for
elections, replication and the rule of commitment, section 7 (extended version) for snapshots, section 8 for clients;
Ongaro, *Consensus: Bridging Theory and Practice* (PhD thesis, Stanford 2014), chapter 4 for changes of membership, one
server at a time, section 6.4 for reads without the log, section 10.2 for batches, pipelines and writing in parallel;
Ongaro, *Bug in single-server membership changes* (raft-dev mailing list, 10 July 2015), for the correction of changes.

Theory of operation
-------------------
Time is cut into *terms*, each with at most one leader. A server that hears nothing from a leader for a while becomes a
candidate: it raises its term, votes for itself, and asks for the votes of the others. A server votes once in a term,
and only for a candidate whose log is at least as up to date as its own. Who has a majority leads.

A leader appends the clients' requests to its log and sends them to its followers with a *consistency check*: the index
and the term of the entry before. A follower that has no such entry refuses, and the leader goes back until the logs
meet. What the follower has beyond that point in conflict with the leader is erased. An entry is *committed* as soon as
it is in the logs of a majority *and is of the leader's own term*; all entries before it are committed with it. So a
leader begins its term with an entry that does nothing. Committed entries are applied to the machine in order.

A request carries its client's serial number. The machine keeps the latest number and result of each client, its
*session*, as part of its state: so a request that stands in the log twice is applied once, at every server alike.

A read need not go through the log. The leader answers it from its machine once a majority has confirmed, in a round of
messages begun after the read came in, that it still leads, and once it has committed an entry of its own term: before
that its machine may lack what an earlier leader committed.

The members of the cluster are part of the log: the latest such entry in it counts, committed or not. They change by one
server at a time, so that any majority before meets any majority after. The leader takes no change while another is
under way, nor before it has committed an entry of its own term: without the latter, two changes that two leaders begin
from one configuration can have majorities that do not meet.

What a server makes durable is its term, its vote, its latest snapshot and the log behind that: before it tells anyone.
There is one message that need not wait. A leader may send an entry while its own disk still writes it
(`parallel_write`), for it promises nothing thereby: it counts itself only when its write is complete.

Assumptions
-----------
Servers crash and recover with their durable value. Messages may be lost, duplicated, delayed and reordered without
bound. Safety needs no clock; that somebody leads takes timeouts longer than a round of messages. A client that crashes
comes back under another name.

Left out: a phase in which a new server catches up before it counts, the vote before the vote (a server that was
removed, or was cut off, can depose a leader that is well), snapshots in pieces, and the transfer of leadership.
"""

from __future__ import annotations

from collections.abc import Iterator
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
)

__all__ = [
    "Answer",
    "AppendEntries",
    "AppendReply",
    "Client",
    "Durable",
    "Entry",
    "InstallSnapshot",
    "Machine",
    "Operation",
    "Progress",
    "Redirect",
    "Request",
    "RequestVote",
    "Result",
    "Role",
    "Server",
    "Session",
    "Snapshot",
    "Vote",
    "election_safety",
    "leader_completeness",
    "leaders",
    "log_matching",
    "members_operation",
    "state_machine_safety",
]

Operation: TypeAlias = tuple[str | int, ...]
"""What a client asks for: ("read", key), ("write", key, value), ("add", key, amount), ("compare_and_set", key, old,
new), or ("members", *names), which changes who belongs to the cluster."""

Result: TypeAlias = str | int | bool | None
"""What a read saw ("": nothing was written yet), the new total, whether a compare-and-set took place, or None."""


def members_operation(members: frozenset[str]) -> Operation:
    """Return the operation that makes these servers the members."""
    return ("members", *sorted(members))


# ----------------------------------------------------------------------------------------------------------- machine


@dataclass(frozen=True)
class Entry:
    """A line of the log: what to apply, for whom, and the term of the leader that took it."""

    term: int
    client: str = ""
    serial: int = 0
    operation: Operation = ()
    """Empty: nothing. A leader begins its term with such an entry."""

    def __str__(self) -> str:
        return f"{self.term}:{' '.join(map(str, self.operation)) or '–'}"


@dataclass(frozen=True)
class Session:
    """The latest request of a client that was applied, and what came of it."""

    serial: int
    result: Result


@dataclass(frozen=True)
class Machine:
    """What the log is for: registers by key. Entries that are equal lead equal machines to equal machines."""

    values: Table[str, str | int] = ()
    sessions: Table[str, Session] = ()

    def apply(self, line: Entry) -> Machine:
        """Return the machine after an entry. One that its client's session has seen changes nothing."""
        session = entry(self.sessions, line.client)
        if not line.client or (session is not None and session.serial >= line.serial):
            return self
        machine, result = self.operate(line.operation)
        return replace(machine, sessions=with_entry(self.sessions, line.client, Session(line.serial, result)))

    def operate(self, operation: Operation) -> tuple[Machine, Result]:
        """Carry out an operation, whoever asks for it and however often."""
        match operation:
            case ("read", str(key)):
                return self, self.read(key)
            case ("write", str(key), value):
                return self.with_value(key, value), None
            case ("add", str(key), int(amount)):
                total = int(self.read(key) or 0) + amount
                return self.with_value(key, total), total
            case ("compare_and_set", str(key), old, new):
                if self.read(key) != old:
                    return self, False
                return self.with_value(key, new), True
            case ("members", *_):
                return self, None
            case _:
                raise ValueError(
                    f"`operation` must be a read, a write, an add, a compare_and_set or members, got {operation!r}"
                )

    def read(self, key: str) -> str | int:
        """Return the value of a key; "" if it was never written."""
        value = entry(self.values, key)
        return "" if value is None else value

    def with_value(self, key: str, value: str | int) -> Machine:
        """Return the machine with another value for a key."""
        return replace(self, values=with_entry(self.values, key, value))


@dataclass(frozen=True)
class Snapshot:
    """The machine after all entries up to `index`, which need not be kept any more."""

    index: int = 0
    term: int = 0
    members: frozenset[str] = frozenset()
    machine: Machine = Machine()


@dataclass(frozen=True)
class Durable:
    """What a server makes durable. Entry number i of the log, from 1, is `entries[i - 1 - snapshot.index]`."""

    term: int = 0
    voted_for: str | None = None
    entries: tuple[Entry, ...] = ()
    snapshot: Snapshot = Snapshot()

    @property
    def last_index(self) -> int:
        """The index of the last entry; 0 if there never was one."""
        return self.snapshot.index + len(self.entries)

    def term_at(self, index: int) -> int:
        """Return the term of an entry; 0 before the first, -1 where this log has none."""
        if index == self.snapshot.index:
            return self.snapshot.term
        if self.snapshot.index < index <= self.last_index:
            return self.entries[index - 1 - self.snapshot.index].term
        return -1

    def between(self, after: int, up_to: int) -> tuple[Entry, ...]:
        """Return the entries with an index above `after` and at most `up_to`."""
        return self.entries[max(0, after - self.snapshot.index) : max(0, up_to - self.snapshot.index)]

    def members_at(self, index: int) -> tuple[int, frozenset[str]]:
        """Return who the members are as of an index, and the index of the entry that says so."""
        for position in range(min(index, self.last_index), self.snapshot.index, -1):
            operation = self.entries[position - 1 - self.snapshot.index].operation
            if operation[:1] == ("members",):
                return position, frozenset(map(str, operation[1:]))
        return self.snapshot.index, self.snapshot.members

    def __str__(self) -> str:
        before = f"[…{self.snapshot.index}] " if self.snapshot.index else ""
        vote = f", vote {self.voted_for}" if self.voted_for else ""
        return f"term {self.term}{vote}, log {before}{' '.join(map(str, self.entries)) or 'empty'}"


# ---------------------------------------------------------------------------------------------------------- messages


@dataclass(frozen=True)
class Request:
    """Client to server: do this, once, however often you hear of it."""

    serial: int
    operation: Operation

    def __str__(self) -> str:
        return f"#{self.serial} {' '.join(map(str, self.operation))}"


@dataclass(frozen=True)
class Answer:
    """Server to client: it is done."""

    serial: int
    result: Result

    def __str__(self) -> str:
        return f"#{self.serial} done" + ("" if self.result is None else f": {self.result}")


@dataclass(frozen=True)
class Redirect:
    """Server to client: I do not lead. I believe that this one does, if any."""

    serial: int
    leader: str | None

    def __str__(self) -> str:
        return f"ask {self.leader or 'another'}"


@dataclass(frozen=True)
class RequestVote:
    """Candidate to all: vote for me. My log ends like this."""

    term: int
    last_index: int
    last_term: int

    def __str__(self) -> str:
        return f"vote? t{self.term}"


@dataclass(frozen=True)
class Vote:
    """To a candidate: yes or no."""

    term: int
    granted: bool

    def __str__(self) -> str:
        return f"{'yes' if self.granted else 'no'} t{self.term}"


@dataclass(frozen=True)
class AppendEntries:
    """Leader to follower: append these behind the entry at `previous_index`, if yours there is of `previous_term`."""

    term: int
    previous_index: int
    previous_term: int
    entries: tuple[Entry, ...]
    commit_index: int
    round: int = 0
    """Echoed by the follower: it confirms that the leader led after this round began."""

    def __str__(self) -> str:
        if not self.entries:
            return f"heartbeat t{self.term}"
        return f"append {' '.join(map(str, self.entries))}"


@dataclass(frozen=True)
class AppendReply:
    """Follower to leader. With `success`: our logs agree up to `index`; without: they may, there or before."""

    term: int
    success: bool
    index: int
    round: int = 0

    def __str__(self) -> str:
        return f"{'have' if self.success else 'miss; try'} {self.index}"


@dataclass(frozen=True)
class InstallSnapshot:
    """Leader to follower: what you lack I have in this form only."""

    term: int
    snapshot: Snapshot
    round: int = 0

    def __str__(self) -> str:
        return f"snapshot to {self.snapshot.index}"


PeerMessage: TypeAlias = RequestVote | Vote | AppendEntries | AppendReply | InstallSnapshot
ServerMessage: TypeAlias = PeerMessage | Request
ClientMessage: TypeAlias = Answer | Redirect


# ------------------------------------------------------------------------------------------------------------ server


class Role(Enum):
    """What a server is in its term."""

    FOLLOWER = "follower"
    CANDIDATE = "candidate"
    LEADER = "leader"


@dataclass(frozen=True)
class Progress:
    """What a leader knows of a follower."""

    next: int
    """The next entry that it is known to lack, as far as the leader knows."""
    sent: int
    """The last entry that was sent to it; at least `next` - 1."""
    match: int = 0
    """Up to here its log agrees with the leader's, for certain."""
    round: int = 0
    """The latest round that it has confirmed."""


@dataclass(frozen=True)
class Server(Node[ServerMessage, Durable]):
    """One of the servers of a cluster.

    Parameters
    ----------
    name
        Its own.
    members
        Who belongs to the cluster at first. Empty for a server that is to be added: it waits until a leader calls.
    election_seconds
        How long it waits for a leader, as a range, before it stands for election.
    heartbeat_seconds
        How often a leader says that it leads, and sends again what was not confirmed. None: never, for explorations in
        which a message that was sent may always arrive.
    batch_limit
        How many entries one message carries at most.
    pipelined
        Whether a leader sends entries while earlier ones are not confirmed yet.
    gather_seconds
        How long a leader gathers requests, as a range, before it writes them to its log at once. None: it does not.
        With (0, 0) it gathers what came in while its disk was busy.
    parallel_write
        Whether a leader sends an entry while its own disk still writes it.
    read_index
        Whether reads go past the log.
    snapshot_every
        How many applied entries it keeps in its log before it takes a snapshot; 0: it takes none.
    last_term
        It stands for no later term than this one, so that an exploration has an end. 0: it never stands; None: no
        bound.
    disk
        What it has on its disk at first: to begin in the middle of a story.
    is_under_way
        Whether it boots, the first time, as all its fields say and not as a follower: to begin further on in a story.
        After a crash it is like any other.
    """

    name: str
    members: frozenset[str] = frozenset()
    election_seconds: tuple[float, float] = (0.15, 0.3)
    heartbeat_seconds: float | None = 0.05
    batch_limit: int = 64
    pipelined: bool = True
    gather_seconds: tuple[float, float] | None = None
    parallel_write: bool = False
    read_index: bool = True
    snapshot_every: int = 0
    last_term: int | None = None
    disk: Durable = Durable()
    is_under_way: bool = False

    role: Role = Role.FOLLOWER
    leader: str | None = None
    votes: frozenset[str] = frozenset()
    commit_index: int = 0
    """All entries up to here are committed, and applied to the machine."""
    machine: Machine = Machine()
    progress: Table[str, Progress] = ()
    round: int = 0
    reads: tuple[tuple[str, Request, int], ...] = ()
    """(client, request, round) for each read that waits for its round."""
    gathered: tuple[tuple[str, Request], ...] = ()
    """(client, request) for each request that waits to be written."""

    # -- what it reads off itself

    @property
    def configuration(self) -> frozenset[str]:
        """The members that count: those of the latest entry that names any, committed or not."""
        return self.disk.members_at(self.disk.last_index)[1]

    def is_quorum(self, names: frozenset[str]) -> bool:
        """Return whether these are more than half of the members."""
        members = self.configuration
        return 2 * len(names & members) > len(members)

    def is_up_to_date(self, message: RequestVote) -> bool:
        """Return whether a candidate's log ends in a later term than this one's, or in the same and no sooner."""
        mine = (self.disk.term_at(self.disk.last_index), self.disk.last_index)
        return (message.last_term, message.last_index) >= mine

    # -- stimuli

    def on_start(self, saved: Durable | None) -> Step[Self]:
        if saved is None and self.is_under_way:
            timers = self.await_beat() if self.role is Role.LEADER else self.await_leader()
            return self, (Save(self.disk), *timers)
        disk = saved or self.disk
        if not disk.snapshot.index and not disk.snapshot.members:
            disk = replace(disk, snapshot=replace(disk.snapshot, members=self.members))
        node = replace(self.without_role(), disk=disk, commit_index=disk.snapshot.index, machine=disk.snapshot.machine)
        return node, node.await_leader()

    def without_role(self) -> Self:
        """Return this server as a follower of nobody, without what it knew as a leader or a candidate."""
        return replace(
            self,
            role=Role.FOLLOWER,
            leader=None,
            votes=frozenset(),
            progress=(),
            round=0,
            reads=(),
            gathered=(),
        )

    def on_message(self, source: str, message: ServerMessage) -> Step[Self]:
        if isinstance(message, Request):
            node, effects = self.on_request(source, message)
        elif message.term < self.disk.term:
            return self, self.refuse_stale(source, message)
        else:
            node, first = self.follow(message.term) if message.term > self.disk.term else (self, ())
            match message:
                case RequestVote():
                    node, effects = node.on_request_vote(source, message)
                case Vote():
                    node, effects = node.on_vote(source, message)
                case AppendEntries():
                    node, effects = node.on_append_entries(source, message)
                case AppendReply():
                    node, effects = node.on_append_reply(source, message)
                case InstallSnapshot():
                    node, effects = node.on_install_snapshot(source, message)
                case _:
                    assert_never(message)
            effects = (*first, *effects)
        return self.after(node, effects)

    def on_timer(self, name: str) -> Step[Self]:
        match name:
            case "election":
                node, effects = self.stand()
            case "heartbeat":
                node, effects = self.beat()
            case "gather":
                node, effects = replace(self, gathered=()).append(self.gathered)
            case _:
                raise ValueError(f"`name` must be election, heartbeat or gather, got {name!r}")
        return self.after(node, effects)

    def after(self, node: Self, effects: Effects) -> Step[Self]:
        """Return the step to `node`: what it tells others relies on what it saves first."""
        if node.disk == self.disk:
            return (self, ()) if not effects and node == self else (node, effects)
        if not self.parallel_write:
            return node, (Save(node.disk), *effects)
        # To send an entry promises nothing. Whatever is counted is counted in a later step, when the write is complete.
        early = tuple(each for each in effects if isinstance(each, Send) and isinstance(each.message, AppendEntries))
        return node, (*early, Save(node.disk), *(each for each in effects if each not in early))

    def refuse_stale(self, source: str, message: PeerMessage) -> Effects:
        """Tell the sender of an earlier term that its time is over."""
        match message:
            case RequestVote():
                return (Send(source, Vote(self.disk.term, False)),)
            case AppendEntries() | InstallSnapshot():
                return (Send(source, AppendReply(self.disk.term, False, 0)),)
            case _:
                return ()

    def follow(self, term: int) -> Step[Self]:
        """Enter a later term, as a follower of nobody yet."""
        node = replace(self.without_role(), disk=replace(self.disk, term=term, voted_for=None))
        if self.role is not Role.LEADER:
            return node, ()
        return node, (CancelTimer("heartbeat"), CancelTimer("gather"), *node.await_leader())

    def await_leader(self) -> Effects:
        """Set the timer after which this server stands for election, or set it anew."""
        return (SetTimer("election", self.election_seconds),) if self.may_stand() else ()

    def may_stand(self) -> bool:
        """Return whether there is a term left that this server may stand for."""
        return self.last_term is None or self.disk.term < self.last_term

    # -- elections

    def stand(self) -> Step[Self]:
        """Stand for election, if this server is a member for all that it knows."""
        committed = self.disk.members_at(self.commit_index)[1]
        if self.name not in self.configuration | committed or not self.may_stand():
            return self, self.await_leader()
        node, _ = self.follow(self.disk.term + 1)
        node = replace(
            node,
            disk=replace(node.disk, voted_for=self.name),
            role=Role.CANDIDATE,
            votes=frozenset({self.name}),
        )
        if node.is_quorum(node.votes):
            return node.lead()
        last = node.disk.last_index
        ask = RequestVote(node.disk.term, last, node.disk.term_at(last))
        asked = tuple(Send(peer, ask) for peer in sorted(node.configuration - {self.name}))
        return node, (*asked, *node.await_leader())

    def on_request_vote(self, source: str, message: RequestVote) -> Step[Self]:
        """Vote once in a term, and for nobody whose log lacks what this one may know to be committed."""
        granted = self.disk.voted_for in (None, source) and self.is_up_to_date(message)
        node: Self = self
        effects: Effects = ()
        if granted:
            node = replace(self, disk=replace(self.disk, voted_for=source))
            effects = self.await_leader()
        return node, (Send(source, Vote(self.disk.term, granted)), *effects)

    def on_vote(self, source: str, message: Vote) -> Step[Self]:
        """Lead as soon as a majority has said yes."""
        if self.role is not Role.CANDIDATE or not message.granted:
            return self, ()
        node = replace(self, votes=self.votes | {source})
        return node.lead() if node.is_quorum(node.votes) else (node, ())

    def lead(self) -> Step[Self]:
        """Begin to lead, with an entry that does nothing: what earlier leaders left is committed with it."""
        last = self.disk.last_index
        node = replace(self, role=Role.LEADER, leader=self.name, votes=frozenset())
        node = replace(node, progress=tuple((peer, Progress(last + 1, last)) for peer in node.peers()))
        node, effects = node.write((Entry(self.disk.term),))
        return node, (CancelTimer("election"), *self.await_beat(), *effects)

    def await_beat(self) -> Effects:
        """Set the timer of the next heartbeat."""
        if self.heartbeat_seconds is None:
            return ()
        return (SetTimer("heartbeat", (self.heartbeat_seconds, self.heartbeat_seconds)),)

    def peers(self) -> list[str]:
        """Return the other members, in order."""
        return sorted(self.configuration - {self.name})

    # -- clients

    def on_request(self, source: str, message: Request) -> Step[Self]:
        """Take a request into the log, or what else becomes of it."""
        if self.role is not Role.LEADER:
            return self, (Send(source, Redirect(message.serial, self.leader)),)
        if self.is_done(source, message):
            session = entry(self.machine.sessions, source)
            is_latest = session is not None and session.serial == message.serial
            return self, (Send(source, Answer(message.serial, session.result)),) if session and is_latest else ()
        if message.operation[0] == "read" and self.read_index:
            return self.begin_read(source, message)
        if self.has_taken(source, message):
            return self, ()
        if self.gather_seconds is None:
            return self.append(((source, message),))
        node = replace(self, gathered=(*self.gathered, (source, message)))
        return node, () if self.gathered else (SetTimer("gather", self.gather_seconds),)

    def is_done(self, source: str, message: Request) -> bool:
        """Return whether a request was applied, here or before a snapshot."""
        session = entry(self.machine.sessions, source)
        return session is not None and session.serial >= message.serial

    def has_taken(self, source: str, message: Request) -> bool:
        """Return whether a request is under way already: a copy of it would do no harm, and no good."""
        if (source, message) in self.gathered:
            return True
        waiting = self.disk.between(self.commit_index, self.disk.last_index)
        return any((line.client, line.serial) == (source, message.serial) for line in waiting)

    def append(self, requests: tuple[tuple[str, Request], ...]) -> Step[Self]:
        """Write requests of clients to the log, those that may be."""
        lines: list[Entry] = []
        for client, request in requests:
            line = Entry(self.disk.term, client, request.serial, request.operation)
            if request.operation[0] != "members" or (not lines and self.may_change_members(line)):
                lines.append(line)
        return self.write(tuple(lines)) if lines else (self, ())

    def may_change_members(self, line: Entry) -> bool:
        """Return whether members may change now, and so: by one server, and with no other change under way."""
        index, members = self.disk.members_at(self.disk.last_index)
        is_one_server = len(members ^ frozenset(map(str, line.operation[1:]))) == 1
        return is_one_server and index <= self.commit_index and self.is_current()

    def is_current(self) -> bool:
        """Return whether this leader has committed an entry of its own term: then it knows all that is committed."""
        return self.disk.term_at(self.commit_index) == self.disk.term

    # -- replication, the leader's side

    def write(self, lines: tuple[Entry, ...]) -> Step[Self]:
        """Append entries to the own log and send them on."""
        node = replace(self, disk=replace(self.disk, entries=self.disk.entries + lines))
        if lines[0].operation[:1] == ("members",):
            last = self.disk.last_index
            kept = tuple((peer, entry(self.progress, peer) or Progress(last + 1, last)) for peer in node.peers())
            node = replace(node, progress=kept)
        node, effects = node.send_entries()
        node, more = node.advance()
        return node, (*effects, *more)

    def send_entries(self) -> Step[Self]:
        """Send each follower what it lacks and was not sent yet."""
        node, effects = self, []
        for peer, seen in self.progress:
            is_free = self.pipelined or seen.sent < seen.next
            if seen.sent < self.disk.last_index and is_free:
                node, effect = node.send_to(peer, seen)
                effects.append(effect)
        return node, tuple(effects)

    def send_to(self, peer: str, seen: Progress) -> tuple[Self, Send]:
        """Send a follower the entries behind the last that it was sent; none, if there is none."""
        disk = self.disk
        if seen.sent < disk.snapshot.index:
            message: PeerMessage = InstallSnapshot(disk.term, disk.snapshot, self.round)
            sent = disk.snapshot.index
        else:
            lines = disk.between(seen.sent, seen.sent + self.batch_limit)
            message = AppendEntries(disk.term, seen.sent, disk.term_at(seen.sent), lines, self.commit_index, self.round)
            sent = seen.sent + len(lines)
        node = replace(self, progress=with_entry(self.progress, peer, replace(seen, sent=sent)))
        return node, Send(peer, message)

    def beat(self) -> Step[Self]:
        """Say that this server leads, and send again what was not confirmed."""
        node, effects = self, []
        for peer, seen in self.progress:
            node, effect = node.send_to(peer, replace(seen, sent=seen.next - 1))
            effects.append(effect)
        return node, (*effects, *self.await_beat())

    def on_append_reply(self, source: str, message: AppendReply) -> Step[Self]:
        """Note how far a follower is; go on from there, or back to where the logs meet."""
        seen = entry(self.progress, source)
        if self.role is not Role.LEADER or seen is None:
            return self, ()
        if message.success:
            match_index = max(seen.match, message.index)
            next_index = max(seen.next, match_index + 1)
            seen = Progress(next_index, max(seen.sent, next_index - 1), match_index, max(seen.round, message.round))
        else:
            # What was sent behind the gap was refused, too, or will be.
            next_index = max(seen.match + 1, min(seen.next, message.index + 1))
            seen = replace(seen, next=next_index, sent=next_index - 1, round=max(seen.round, message.round))
        node = replace(self, progress=with_entry(self.progress, source, seen))
        node, effects = node.advance()
        if node.role is not Role.LEADER:
            return node, effects
        node, more = node.send_entries()
        return node, (*effects, *more)

    def advance(self) -> Step[Self]:
        """Commit what a majority has, if it may be, and answer the reads that were waiting for it."""
        node: Self = self
        effects: Effects = ()
        for index in range(self.disk.last_index, self.commit_index, -1):
            holders = frozenset(peer for peer, seen in self.progress if seen.match >= index) | {self.name}
            if self.is_quorum(holders) and self.may_commit(index):
                node, effects = self.commit(index)
                break
        if node.role is not Role.LEADER:
            return node, effects
        node, answers = node.finish_reads()
        return node, (*effects, *answers)

    def may_commit(self, index: int) -> bool:
        """Return whether a majority that has this entry commits it: only if it is of the leader's own term."""
        return self.disk.term_at(index) == self.disk.term

    def commit(self, index: int) -> Step[Self]:
        """Apply all entries up to `index`; a leader answers their clients."""
        machine = self.machine
        effects: Effects = ()
        for line in self.disk.between(self.commit_index, index):
            machine = self.apply(machine, line)
            session = entry(machine.sessions, line.client)
            if self.role is Role.LEADER and session is not None and session.serial == line.serial:
                effects += (Send(line.client, Answer(line.serial, session.result)),)
        node = replace(self, machine=machine, commit_index=index)
        if self.snapshot_every and index - self.disk.snapshot.index >= self.snapshot_every:
            node = node.compact()
        if node.role is Role.LEADER and node.name not in node.disk.members_at(index)[1]:
            # It has led its own removal to the end.
            node = node.without_role()
            effects += (CancelTimer("heartbeat"), CancelTimer("gather"))
        return node, effects

    def apply(self, machine: Machine, line: Entry) -> Machine:
        """Return the machine after a committed entry."""
        return machine.apply(line)

    def compact(self) -> Self:
        """Put the machine in the place of the entries that led to it."""
        index, disk = self.commit_index, self.disk
        snapshot = Snapshot(index, disk.term_at(index), disk.members_at(index)[1], self.machine)
        return replace(self, disk=replace(disk, snapshot=snapshot, entries=disk.between(index, disk.last_index)))

    # -- replication, the follower's side

    def on_append_entries(self, source: str, message: AppendEntries) -> Step[Self]:
        """Append what fits behind this log, and say how far it agrees with the leader's."""
        node, effects = self.accept_leader(source)
        disk = self.disk
        # What the snapshot holds is committed, so it agrees.
        skipped = max(0, disk.snapshot.index - message.previous_index)
        lines = message.entries[skipped:]
        previous = message.previous_index + min(skipped, len(message.entries))
        if previous >= disk.snapshot.index and not skipped and disk.term_at(previous) != message.previous_term:
            return node, (
                *effects,
                Send(source, AppendReply(disk.term, False, self.before_conflict(previous), message.round)),
            )
        last = previous + len(lines)
        for position, line in enumerate(lines):
            if disk.term_at(previous + 1 + position) != line.term:
                kept = disk.between(disk.snapshot.index, previous + position)
                node = replace(node, disk=replace(disk, entries=kept + lines[position:]))
                break
        committed = min(message.commit_index, last)
        if committed > node.commit_index:
            node, _ = node.commit(committed)
        return node, (*effects, Send(source, AppendReply(disk.term, True, last, message.round)))

    def accept_leader(self, source: str) -> Step[Self]:
        """Follow the leader of this term."""
        return replace(self, role=Role.FOLLOWER, leader=source, votes=frozenset()), self.await_leader()

    def before_conflict(self, index: int) -> int:
        """Return where the leader should look for agreement: before all entries of the term that is in conflict."""
        disk = self.disk
        if index > disk.last_index:
            return disk.last_index
        term = disk.term_at(index)
        while index > disk.snapshot.index and disk.term_at(index) == term:
            index -= 1
        return index

    def on_install_snapshot(self, source: str, message: InstallSnapshot) -> Step[Self]:
        """Replace the beginning of the log, or all of it, by the machine that it led to."""
        node, effects = self.accept_leader(source)
        snapshot, disk = message.snapshot, self.disk
        if snapshot.index > self.commit_index:
            agrees = disk.term_at(snapshot.index) == snapshot.term
            kept = disk.between(snapshot.index, disk.last_index) if agrees else ()
            node = replace(
                node,
                disk=replace(disk, snapshot=snapshot, entries=kept),
                commit_index=snapshot.index,
                machine=snapshot.machine,
            )
        return node, (*effects, Send(source, AppendReply(disk.term, True, snapshot.index, message.round)))

    # -- reads past the log

    def begin_read(self, source: str, message: Request) -> Step[Self]:
        """Begin a round in which the followers confirm that this server leads; the read waits for it."""
        if any((client, request) == (source, message) for client, request, _ in self.reads):
            return self, ()
        node = replace(self, round=self.round + 1, reads=(*self.reads, (source, message, self.round + 1)))
        effects: Effects = ()
        for peer, seen in self.progress:
            node, effect = node.send_to(peer, seen)
            effects += (effect,)
        node, answers = node.finish_reads()
        return node, (*effects, *answers)

    def finish_reads(self) -> Step[Self]:
        """Answer the reads whose round a majority has confirmed, if the machine is known to be current."""
        waiting, effects = [], []
        for client, request, begun in self.reads:
            if self.may_read(begun):
                effects.append(Send(client, Answer(request.serial, self.machine.read(str(request.operation[1])))))
            else:
                waiting.append((client, request, begun))
        return (replace(self, reads=tuple(waiting)), tuple(effects)) if effects else (self, ())

    def may_read(self, begun: int) -> bool:
        """Return whether this leader still led after a round began, and knows all that was committed before."""
        confirmed = frozenset(peer for peer, seen in self.progress if seen.round >= begun) | {self.name}
        return self.is_quorum(confirmed) and self.is_current()


# ------------------------------------------------------------------------------------------------------------ client


@dataclass(frozen=True)
class Client(Node[ClientMessage, None]):
    """Runs operations one after another, and sends each again, under the same number, until it is answered.

    Parameters
    ----------
    servers
        Whom it asks, in turn, where it does not know who leads.
    operations
        What is left to do, in order.
    start_seconds
        How long it waits, as a range, before it begins.
    pause_seconds
        How long it waits, as a range, before each operation.
    retry_seconds
        How long it waits for an answer, as a range, before it sends the request again, to another server.
    retries
        How often it does so before it gives up; the outcome of the operation is then unknown to it.
    """

    servers: tuple[str, ...]
    operations: tuple[Operation, ...]
    start_seconds: tuple[float, float] = (0.0, 0.0)
    pause_seconds: tuple[float, float] = (0.0, 0.0)
    retry_seconds: tuple[float, float] = (0.5, 0.5)
    retries: int = 1000
    serial: int = 0
    target: str = ""
    retried: int = 0
    open: bool = False

    def on_start(self, saved: None) -> Step[Self]:
        node = replace(self, target=self.servers[0])
        return node.rest() if self.start_seconds == (0.0, 0.0) else (node, (SetTimer("start", self.start_seconds),))

    def rest(self) -> Step[Self]:
        """Wait before the next operation, if there is one."""
        if not self.operations:
            return self, ()
        if self.pause_seconds == (0.0, 0.0):
            return self.begin()
        return self, (SetTimer("pause", self.pause_seconds),)

    @property
    def is_recorded(self) -> bool:
        """Whether the open operation is one of the machine's: a change of members is not."""
        return self.operations[0][0] != "members"

    def begin(self) -> Step[Self]:
        """Send the next operation to whoever led last."""
        node = replace(self, open=True, retried=0, serial=self.serial + 1)
        invoke: Effects = (Invoke(self.operations[0]),) if self.is_recorded else ()
        return node, (*invoke, node.ask(), SetTimer("retry", self.retry_seconds))

    def ask(self) -> Send:
        """Return the request of the open operation, under its number."""
        return Send(self.target, Request(self.serial, self.operations[0]))

    def on_message(self, source: str, message: ClientMessage) -> Step[Self]:
        if not self.open or message.serial != self.serial:
            return self, ()  # The answer to an earlier request, or a copy of one.
        match message:
            case Answer():
                return self.finish(Complete(message.result))
            case Redirect():
                if message.leader is None or message.leader == self.target or source != self.target:
                    return self, ()
                node = replace(self, target=message.leader)
                return node, (node.ask(),)
            case _:
                assert_never(message)

    def finish(self, completion: Complete) -> Step[Self]:
        """Record how the open operation ended, and go on."""
        node, effects = replace(self, open=False, operations=self.operations[1:]).rest()
        recorded: Effects = (completion,) if self.is_recorded else ()
        return node, (CancelTimer("retry"), *recorded, *effects)

    def on_timer(self, name: str) -> Step[Self]:
        if name == "start":
            return self.rest()
        if name == "pause":
            return self.begin()
        if self.retried == self.retries:
            return self.finish(Complete(None, Outcome.UNKNOWN))
        following = (self.servers.index(self.target) + 1) % len(self.servers) if self.target in self.servers else 0
        node = replace(self, retried=self.retried + 1, target=self.servers[following])
        return node, (node.ask(), SetTimer("retry", self.retry_seconds))


# -------------------------------------------------------------------------------------------------------- invariants


def servers(world: World) -> Iterator[tuple[str, Server]]:
    """Yield the servers that are up, by name."""
    for name, node in sorted(world.nodes.items()):
        if isinstance(node, Server):
            yield name, node


def disks(world: World) -> Iterator[tuple[str, Durable]]:
    """Yield each server's log by name: its memory's where it is up, its disk's where it is down."""
    for name, node in sorted(world.nodes.items()):
        if isinstance(node, Server):
            yield name, node.disk
        elif node is None and isinstance(world.saved[name], Durable):
            yield name, world.saved[name]


def leaders(world: World) -> dict[int, set[str]]:
    """Return who leads or led, by term: those that are up, and those of whom a message is still on its way."""
    found: dict[int, set[str]] = {}
    for name, node in servers(world):
        if node.role is Role.LEADER:
            found.setdefault(node.disk.term, set()).add(name)
    for source, _, message in world.in_flight:
        if isinstance(message, AppendEntries | InstallSnapshot):
            found.setdefault(message.term, set()).add(source)
    return found


def election_safety(world: World) -> bool:
    """No term has two leaders."""
    return all(len(names) == 1 for names in leaders(world).values())


def _agree(one: Durable, other: Durable, up_to: int) -> bool:
    """Return whether two logs have the same entries up to an index, where both still have them."""
    start = max(one.snapshot.index, other.snapshot.index)
    return one.between(start, up_to) == other.between(start, up_to)


def log_matching(world: World) -> bool:
    """Where two logs have an entry of the same index and the same term, they agree up to there."""
    logs = [disk for _, disk in disks(world)]
    for position, one in enumerate(logs):
        for other in logs[:position]:
            for index in range(min(one.last_index, other.last_index), 0, -1):
                if one.term_at(index) == other.term_at(index) >= 0:
                    if not _agree(one, other, index):
                        return False
                    break
    return True


def leader_completeness(world: World) -> bool:
    """What is committed at a server is in the log of every leader of its term or of a later one."""
    alive = list(servers(world))
    return all(
        leader.disk.last_index >= node.commit_index and _agree(leader.disk, node.disk, node.commit_index)
        for _, leader in alive
        if leader.role is Role.LEADER
        for _, node in alive
        if node.disk.term <= leader.disk.term
    )


def state_machine_safety(world: World) -> bool:
    """No two servers have applied different entries at the same index."""
    alive = [node for _, node in servers(world)]
    for position, one in enumerate(alive):
        for other in alive[:position]:
            if not _agree(one.disk, other.disk, min(one.commit_index, other.commit_index)):
                return False
            if one.commit_index == other.commit_index and one.machine != other.machine:
                return False
    return True
