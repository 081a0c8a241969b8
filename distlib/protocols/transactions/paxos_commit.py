"""Paxos Commit: one consensus for each participant's vote, so that no single machine holds the outcome.

Source: Gray and Lamport, *Consensus on Transaction Commit* (2006), section 4, with its optimisations:
acceptors bundle their messages, a participant proposes under ballot 0 without asking, and it does so to F + 1 acceptors
only; and the form that is faster by a delay.

Theory of operation
-------------------
The participants, here *resource managers*, are to agree on N values: for each of them, whether it is prepared. The
transaction is committed if all N values are "prepared". Each value is chosen by an *instance* of Paxos among 2F + 1
*acceptors*: it is chosen once F + 1 of them have accepted it under the same *ballot*.

Ballot 0 of an instance belongs to its resource manager. It makes its promise durable and proposes "prepared" (or
"aborted") to the acceptors; that is its vote. An acceptor waits for all votes, makes them durable in one write, and
tells the *leader*. When F + 1 acceptors have, the leader knows the outcome and tells it. The outcome was fixed
before, by those F + 1 writes: so the leader has nothing to keep.

A leader that misses something, or is asked by a resource manager that waits, begins a higher ballot. It asks all
acceptors what they have accepted, and they promise to accept nothing from earlier ballots. From F + 1 answers it
learns, for each instance, the value of the highest ballot that was accepted; where there is none it is free, and
proposes "aborted". Any other leader may do that at any time. Two leaders at once cost time and cannot disagree.

With F = 0 there is one acceptor; placed at the leader, it is the disk of a coordinator, and this is two-phase commit.

Assumptions
-----------
Nodes crash and recover with their durable value. Messages may be lost, duplicated, delayed and reordered without bound.
For the outcome to be reached, F + 1 acceptors and one leader must be up, and in the end one leader must be left alone
for long enough.

One transaction: the nodes are those of this transaction. Left out: locks and balances, and groups of acceptors that
change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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

Patience: TypeAlias = tuple[float, float]


class State(Enum):
    """Where a resource manager stands."""

    WORKING = "working"
    PREPARED = "prepared"
    COMMITTED = "committed"
    ABORTED = "aborted"

    @staticmethod
    def of(commit: bool) -> State:
        """Return the state that a decision leads to."""
        return State.COMMITTED if commit else State.ABORTED

    def __str__(self) -> str:
        return self.value


DECIDED = frozenset({State.COMMITTED, State.ABORTED})

Values: TypeAlias = Table[str, bool]
"""For some resource managers, whether they are prepared."""


# ---------------------------------------------------------------------------------------------------------- messages


@dataclass(frozen=True)
class Begin:
    """Client to leader: run the transaction, or tell me what became of it."""

    def __str__(self) -> str:
        return "begin"


@dataclass(frozen=True)
class Prepare:
    """Leader to resource manager: promise to commit, if you can."""

    def __str__(self) -> str:
        return "prepare"


@dataclass(frozen=True)
class Propose:
    """Phase 2a. Under ballot 0 a resource manager's own vote; under a higher one a leader's proposal for all."""

    ballot: int
    values: Values

    def __str__(self) -> str:
        return f"propose {self.ballot}: {_told(self.values)}"


@dataclass(frozen=True)
class Accepted:
    """Phase 2b, acceptor to those who learn: these values are on my disk, under this ballot."""

    ballot: int
    values: Values

    def __str__(self) -> str:
        return f"accepted {self.ballot}: {_told(self.values)}"


@dataclass(frozen=True)
class Query:
    """Phase 1a, leader to acceptor: what have you accepted? And accept nothing of a lower ballot from now on."""

    ballot: int

    def __str__(self) -> str:
        return f"query {self.ballot}"


@dataclass(frozen=True)
class Promise:
    """Phase 1b, acceptor to leader: this is what I have accepted, by instance: the ballot and the value."""

    ballot: int
    accepted: Table[str, tuple[int, bool]]

    def __str__(self) -> str:
        return f"promise {self.ballot}"


@dataclass(frozen=True)
class Decision:
    """The outcome, from whoever has learnt it."""

    commit: bool

    def __str__(self) -> str:
        return "commit" if self.commit else "abort"


@dataclass(frozen=True)
class Inquire:
    """Resource manager to leader: find out what became of it."""

    def __str__(self) -> str:
        return "?"


ManagerMessage: TypeAlias = Prepare | Accepted | Decision
AcceptorMessage: TypeAlias = Propose | Query
LeaderMessage: TypeAlias = Begin | Accepted | Promise | Inquire | Decision


def _told(values: Values) -> str:
    return "all prepared" if all(value for _, value in values) else "aborted"


# ---------------------------------------------------------------------------------------------------------- learning

Heard: TypeAlias = frozenset[tuple[int, str, bool, str]]
"""What acceptors have told: (ballot, resource manager, value, acceptor)."""


def with_heard(heard: Heard, source: str, message: Accepted) -> Heard:
    """Return `heard` with one acceptor's message."""
    return heard | {(message.ballot, manager, value, source) for manager, value in message.values}


def outcome(heard: Heard, managers: Sequence[str], quorum: int) -> bool | None:
    """Return whether the transaction is committed, as far as `heard` shows; None if it does not show it.

    A value is chosen when a quorum of acceptors has accepted it under one ballot. One "aborted" is enough to abort.
    """
    counts: dict[tuple[int, str, bool], int] = {}
    for ballot, manager, value, _ in heard:
        counts[ballot, manager, value] = counts.get((ballot, manager, value), 0) + 1
    chosen = {manager: value for (_, manager, value), count in counts.items() if count >= quorum}
    if False in chosen.values():
        return False
    return True if len(chosen) == len(managers) else None


# -------------------------------------------------------------------------------------------------- resource manager


@dataclass(frozen=True)
class ResourceManager(Node[ManagerMessage, State]):
    """Votes by proposing a value for its own instance, and asks the leaders, in turn, when it waits too long.

    Parameters
    ----------
    name
        Its own name.
    managers
        The names of all resource managers.
    leaders
        Their names; the first one is asked first.
    acceptors
        The F + 1 that it proposes to. That many is a quorum.
    can_commit
        Whether it votes "prepared".
    patience_seconds
        How long it waits, as a range, before it asks.
    inquiries
        How often it asks.
    tells
        Whom it tells the outcome when it learns it from the acceptors, as it does in the faster form.
    """

    name: str
    managers: tuple[str, ...]
    leaders: tuple[str, ...]
    acceptors: tuple[str, ...]
    can_commit: bool = True
    patience_seconds: Patience = (1.0, 1.0)
    inquiries: int = 1000
    tells: tuple[str, ...] = ()
    state: State = State.WORKING
    asked: int = 0
    heard: Heard = frozenset()

    def on_start(self, saved: State | None) -> Step[Self]:
        node = replace(self, state=saved or State.WORKING)
        return node.inquire() if node.state is State.PREPARED else (node, ())

    def on_message(self, source: str, message: ManagerMessage) -> Step[Self]:
        match message:
            case Prepare():
                return self.on_prepare()
            case Accepted():
                return self.on_accepted(source, message)
            case Decision():
                return (self, ()) if self.state in DECIDED else self.decide(message.commit)
            case _:
                assert_never(message)

    def on_prepare(self) -> Step[Self]:
        """Vote. The vote is durable before it is proposed, whichever it is: ballot 0 has one value, for ever."""
        if self.state is not State.WORKING:
            return self, ()
        node = replace(self, state=State.PREPARED if self.can_commit else State.ABORTED)
        proposal = Propose(0, ((self.name, self.can_commit),))
        effects: Effects = (Save(node.state), *_to(self.acceptors, proposal))
        return node, (*effects, SetTimer("outcome", self.patience_seconds)) if self.can_commit else effects

    def on_accepted(self, source: str, message: Accepted) -> Step[Self]:
        """In the faster form it learns from the acceptors themselves."""
        if self.state in DECIDED:
            return self, ()
        node = replace(self, heard=with_heard(self.heard, source, message))
        commit = outcome(node.heard, self.managers, len(self.acceptors))
        if commit is None:
            return node, ()
        node, effects = node.decide(commit)
        return node, effects + _to(self.tells, Decision(commit))

    def decide(self, commit: bool) -> Step[Self]:
        """Carry out the decision."""
        node = replace(self, state=State.of(commit), heard=frozenset())
        return node, (CancelTimer("outcome"), Save(node.state))

    def on_timer(self, name: str) -> Step[Self]:
        return self.inquire()

    def inquire(self) -> Step[Self]:
        """Ask a leader, and later the next one."""
        if self.asked == self.inquiries:
            return self, ()
        leader = self.leaders[self.asked % len(self.leaders)]
        return replace(self, asked=self.asked + 1), (
            Send(leader, Inquire()),
            SetTimer("outcome", self.patience_seconds),
        )


# ---------------------------------------------------------------------------------------------------------- acceptor


@dataclass(frozen=True)
class AcceptorRecord:
    """What an acceptor makes durable: the ballot below which it accepts nothing, and what it has accepted."""

    promised: int = 0
    accepted: Table[str, tuple[int, bool]] = ()

    def __str__(self) -> str:
        kept = f"promised {self.promised}" if self.promised else ""
        if not self.accepted:
            return kept
        values = tuple((manager, value) for manager, (_, value) in self.accepted)
        return f"{kept}, {_told(values)}" if kept else _told(values)


@dataclass(frozen=True)
class Acceptor(Node[AcceptorMessage, AcceptorRecord]):
    """Keeps what was proposed, for all instances of the transaction in one record.

    Parameters
    ----------
    managers
        The names of all resource managers: for whose votes it waits before it writes.
    learners
        Whom it tells what it has accepted under ballot 0: the first leader, or in the faster form all managers.
    """

    managers: tuple[str, ...]
    learners: tuple[str, ...]
    record: AcceptorRecord = AcceptorRecord()
    pending: Values = ()
    """Votes that it has not written yet. It has not accepted them, so a crash may forget them."""

    def on_start(self, saved: AcceptorRecord | None) -> Step[Self]:
        return replace(self, record=saved or self.record), ()

    def on_message(self, source: str, message: AcceptorMessage) -> Step[Self]:
        match message:
            case Propose():
                return self.on_vote(message) if message.ballot == 0 else self.on_proposal(source, message)
            case Query():
                return self.on_query(source, message)
            case _:
                assert_never(message)

    def on_vote(self, message: Propose) -> Step[Self]:
        """Ballot 0: write when all votes are there, or one is "aborted"; then tell."""
        new = [pair for pair in message.values if entry(self.record.accepted, pair[0]) is None]
        if self.record.promised > 0 or not new:
            return self, ()
        node = self
        for manager, value in new:
            node = replace(node, pending=with_entry(node.pending, manager, value))
        if len(node.pending) < len(self.managers) and all(value for _, value in node.pending):
            return node, ()
        values = node.pending
        node = node.accept(0, values)
        return node, (Save(node.record), *_to(self.learners, Accepted(0, values)))

    def on_proposal(self, source: str, message: Propose) -> Step[Self]:
        """A higher ballot: accept, unless a later one was promised."""
        if message.ballot < self.record.promised:
            return self, ()
        node = self.accept(message.ballot, message.values)
        return node, (Save(node.record), Send(source, Accepted(message.ballot, message.values)))

    def on_query(self, source: str, message: Query) -> Step[Self]:
        """Promise, and tell what was accepted; votes that wait here are accepted with it. Durable, then sent."""
        if message.ballot <= self.record.promised:
            return self, ()
        node = self.accept(0, self.pending) if self.pending else self
        node = replace(node, record=replace(node.record, promised=message.ballot))
        return node, (Save(node.record), Send(source, Promise(message.ballot, node.record.accepted)))

    def accept(self, ballot: int, values: Values) -> Self:
        """Return this acceptor with these values accepted, not yet saved."""
        accepted = self.record.accepted
        for manager, value in values:
            accepted = with_entry(accepted, manager, (ballot, value))
        return replace(self, record=AcceptorRecord(max(ballot, self.record.promised), accepted), pending=())


# ------------------------------------------------------------------------------------------------------------ leader


@dataclass(frozen=True)
class Leader(Node[LeaderMessage, int]):
    """Begins the transaction, learns its outcome, tells it. Durable is the number of its last ballot, and nothing else.

    Parameters
    ----------
    name
        Its own name.
    leaders, managers, acceptors
        The names of all of them. Of 2F + 1 acceptors, F + 1 are a quorum.
    client
        Who is told the outcome, if anybody.
    patience_seconds
        How long it waits, as a range, before it begins a ballot.
    ballots
        How many ballots it begins on its own account before it waits to be asked.
    starts
        Whether it begins the transaction at its first boot, without a client.
    """

    name: str
    leaders: tuple[str, ...]
    managers: tuple[str, ...]
    acceptors: tuple[str, ...]
    client: str | None = None
    patience_seconds: Patience = (1.0, 1.0)
    ballots: int = 1000
    starts: bool = False
    ballot: int = 0
    """The last one that it began."""
    has_begun: bool = False
    commit: bool | None = None
    heard: Heard = frozenset()
    promises: Table[str, Table[str, tuple[int, bool]]] = ()
    """What was promised to its ballot, while a quorum is missing."""
    is_querying: bool = False

    def on_start(self, saved: int | None) -> Step[Self]:
        if saved is not None:
            return replace(self, ballot=saved), ()
        return self.begin() if self.starts else (self, ())

    def on_message(self, source: str, message: LeaderMessage) -> Step[Self]:
        match message:
            case Begin() | Inquire():
                if self.commit is not None:
                    return self, (Send(source, Decision(self.commit)),)
                if isinstance(message, Begin):
                    return (self, ()) if self.has_begun else self.begin()
                return (self, ()) if self.is_querying else self.lead()
            case Accepted():
                return self.on_accepted(source, message)
            case Promise():
                return self.on_promise(source, message)
            case Decision():
                return (self, ()) if self.commit is not None else self.learn(message.commit)
            case _:
                assert_never(message)

    @property
    def quorum(self) -> int:
        """How many acceptors choose: F + 1 of 2F + 1."""
        return len(self.acceptors) // 2 + 1

    def begin(self) -> Step[Self]:
        """Ask the resource managers for their votes, which go to the acceptors."""
        node = replace(self, has_begun=True)
        return node, (SetTimer("outcome", self.patience_seconds), *_to(self.managers, Prepare()))

    def on_accepted(self, source: str, message: Accepted) -> Step[Self]:
        """Learn. What a quorum has accepted stays, whoever crashes now; so it is told without a write."""
        if self.commit is not None:
            return self, ()
        node = replace(self, heard=with_heard(self.heard, source, message))
        commit = outcome(node.heard, self.managers, self.quorum)
        if commit is None:
            return node, ()
        node, effects = node.learn(commit)
        told = ((self.client,) if self.client else ()) + self.managers
        return node, effects + _to(told, Decision(commit))

    def learn(self, commit: bool) -> Step[Self]:
        """Note the outcome, in memory."""
        return replace(self, commit=commit, heard=frozenset(), promises=(), is_querying=False), (
            CancelTimer("outcome"),
        )

    def on_timer(self, name: str) -> Step[Self]:
        return self.lead()

    def lead(self) -> Step[Self]:
        """Begin a higher ballot of its own. Its number is durable first: no two ballots have the same."""
        if self.ballots == 0:
            return self, ()
        count, rank = len(self.leaders), self.leaders.index(self.name)
        ballot = next(each for each in range(self.ballot + 1, self.ballot + count + 1) if each % count == rank)
        node = replace(self, ballot=ballot, ballots=self.ballots - 1, promises=(), is_querying=True)
        wait = SetTimer("outcome", self.patience_seconds)
        return node, (Save(ballot), wait, *_to(self.acceptors, Query(ballot)))

    def on_promise(self, source: str, message: Promise) -> Step[Self]:
        """From a quorum: propose what may have been chosen, and "aborted" where nothing can have been."""
        if not self.is_querying or message.ballot != self.ballot:
            return self, ()
        node = replace(self, promises=with_entry(self.promises, source, message.accepted))
        if len(node.promises) < self.quorum:
            return node, ()
        values = free_or_bound(self.managers, (accepted for _, accepted in node.promises))
        node = replace(node, promises=(), is_querying=False)
        return node, _to(self.acceptors, Propose(self.ballot, values))


def free_or_bound(managers: Sequence[str], reports: Iterable[Table[str, tuple[int, bool]]]) -> Values:
    """Return what to propose: for each manager the value of the highest ballot that was reported, else "aborted"."""
    latest: dict[str, tuple[int, bool]] = dict.fromkeys(managers, (-1, False))
    for report in reports:
        for manager, accepted in report:
            latest[manager] = max(latest[manager], accepted)
    return tuple(sorted((manager, value) for manager, (_, value) in latest.items()))


def _to(targets: Sequence[str], message: ManagerMessage | AcceptorMessage | LeaderMessage) -> Effects:
    return tuple(Send(target, message) for target in targets)


# ------------------------------------------------------------------------------------------------------------ client


@dataclass(frozen=True)
class Client(Node[Decision, None]):
    """Asks a leader for the transaction; if no answer comes, it asks the leaders in turn.

    Parameters
    ----------
    leaders
        Their names.
    retry_seconds
        How long it waits, as a range, before it asks the next.
    retries
        How often it asks again before it gives up.
    """

    leaders: tuple[str, ...]
    retry_seconds: Patience = (2.0, 2.0)
    retries: int = 10
    asked: int = 0
    is_open: bool = False

    def on_start(self, saved: None) -> Step[Self]:
        node, effects = replace(self, is_open=True).ask()
        return node, (Invoke("transaction"), *effects)

    def ask(self) -> Step[Self]:
        """Ask the next leader."""
        leader = self.leaders[self.asked % len(self.leaders)]
        node = replace(self, asked=self.asked + 1)
        return node, (Send(leader, Begin()), SetTimer("retry", self.retry_seconds))

    def on_message(self, source: str, message: Decision) -> Step[Self]:
        if not self.is_open:
            return self, ()
        ended = Outcome.OK if message.commit else Outcome.FAIL
        return replace(self, is_open=False), (CancelTimer("retry"), Complete(None, ended))

    def on_timer(self, name: str) -> Step[Self]:
        if self.asked > self.retries:
            return replace(self, is_open=False), (Complete(None, Outcome.UNKNOWN),)
        return self.ask()


# -------------------------------------------------------------------------------------------------------- invariants


def decisions(world: World) -> dict[str, State]:
    """Return what each node has decided or learnt: managers that are down included."""
    found = {}
    for name, node in sorted(world.nodes.items()):
        if isinstance(node, Leader) and node.commit is not None:
            found[name] = State.of(node.commit)
        state = node.state if isinstance(node, ResourceManager) else world.saved[name]
        if isinstance(state, State) and state in DECIDED:
            found[name] = state
    return found


def agreement(world: World) -> bool:
    """No two nodes have decided differently, nodes that are down included."""
    return len(set(decisions(world).values())) <= 1


def validity(world: World) -> bool:
    """Where somebody has committed, the promise of every resource manager is on its disk."""
    if State.COMMITTED not in decisions(world).values():
        return True
    managers = {name for node in world.nodes.values() if isinstance(node, Leader) for name in node.managers}
    return all(world.saved[name] in (State.PREPARED, State.COMMITTED) for name in managers)


def nobody_waits(world: World) -> bool:
    """No resource manager that is up is prepared without knowing the outcome."""
    return not any(isinstance(node, ResourceManager) and node.state is State.PREPARED for node in world.nodes.values())
