"""Two-phase commit: all participants of a transaction commit it, or all abort it.

Sources: Gray, *Notes on Data Base Operating Systems* (1978), section 5.8.3; Lampson and Sturgis, *Crash Recovery in a
Distributed Data Storage System* (1976); Mohan, Lindsay and Obermarck, *Transaction Management in the R* Distributed
Database Management System* (1986), for the presumptions; Bernstein, Hadzilacos and Goodman, *Concurrency Control
and Recovery in Database Systems* (1987), chapter 7, for the cooperative termination protocol.

Theory of operation
-------------------
A client hands a transaction to the coordinator (:class:`Begin`). Phase one: the coordinator asks every participant to
:class:`Prepare`; a participant that can promise to commit makes the promise durable and votes yes. Phase two: when all
have voted yes, the coordinator makes the decision durable (this is the *commit point*) and tells them. A no, or
a vote that does not come in time, aborts.

A participant that has voted yes and knows no decision is *in doubt*: it may neither commit nor abort, and keeps the
locks of the transaction. It asks the coordinator and, in the cooperative termination protocol, the other participants.
One of them that has decided tells; one that has not voted yet aborts on the spot, and tells that. Where all are in
doubt and the coordinator is down, all wait: the protocol blocks.

Which decisions are forced to disk and acknowledged follows the coordinator's :class:`Presumption`. A participant needs
not know it: it forces what it is asked to acknowledge and what it tells another participant. Whatever else a crash
makes it forget it can ask for again, or nobody has relied on it.

Assumptions
-----------
Nodes crash and recover with their durable value. Messages may be lost, duplicated, delayed and reordered without bound.
Each transaction has a name of its own, and one client.

A presumption is a decision: a coordinator that has once answered "aborted, since I know nothing of it" must never begin
that transaction afterwards, though a late copy of `Begin` may still be on its way. So each boot of a coordinator has an
*epoch*, made durable before anything else. A `Begin` of an earlier epoch is refused, and within an epoch the
coordinator remembers what it has presumed.

The logs are never truncated. So a transaction that the coordinator does not find in its log was never decided, and it
answers "aborted" under every presumption. What a presumption changes here is what is forced and acknowledged. (With
truncation, "unknown" would have to mean what the presumption says, and acknowledgements would say when to truncate.)

Left out: shared locks (a transaction adds to balances and locks each key that it changes), deadlock detection (a wait
for a lock times out), and trees of coordinators.
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
    without_entry,
)

# ---------------------------------------------------------------------------------------------------------- messages

Changes: TypeAlias = frozenset[tuple[str, int]]
"""What a transaction adds to the balances of one participant: (key, amount) pairs."""

Work: TypeAlias = frozenset[tuple[str, Changes]]
"""The changes of a transaction by participant."""


def _require_one_each(work: Work) -> None:
    """Check that no participant, and no key of one, is named twice: only one of two changes would be made."""
    participants = [participant for participant, _ in work]
    if len(set(participants)) < len(participants):
        raise ValueError(f"`work` must name each participant once, got {sorted(participants)}")
    for participant, changes in work:
        keys = [key for key, _ in changes]
        if len(set(keys)) < len(keys):
            raise ValueError(f"`work` must name each key once, got {sorted(keys)} for {participant!r}")


@dataclass(frozen=True)
class Begin:
    """Client to coordinator: run this transaction, if your epoch is still the one that I know."""

    transaction: str
    work: Work
    epoch: int = 1

    def __post_init__(self) -> None:
        _require_one_each(self.work)

    def __str__(self) -> str:
        return f"begin {self.transaction}"


@dataclass(frozen=True)
class Refuse:
    """Coordinator to client: that epoch is over, so this transaction has not run and never will."""

    transaction: str
    epoch: int

    def __str__(self) -> str:
        return f"refuse {self.transaction}"


@dataclass(frozen=True)
class Prepare:
    """Coordinator to participant: promise to commit, if you can."""

    transaction: str
    changes: Changes
    participants: frozenset[str]

    @property
    def keys(self) -> frozenset[str]:
        """The keys that it asks to lock."""
        return frozenset(key for key, _ in self.changes)

    def __str__(self) -> str:
        return f"prepare {self.transaction}"


@dataclass(frozen=True)
class Vote:
    """Participant to coordinator: yes, I promise; or no."""

    transaction: str
    yes: bool

    def __str__(self) -> str:
        return f"{'yes' if self.yes else 'no'} {self.transaction}"


@dataclass(frozen=True)
class Decision:
    """The outcome, from whoever knows it: the coordinator, or a participant that was asked."""

    transaction: str
    commit: bool
    acknowledge: bool = False
    """Whether the sender will repeat it until it hears that it is durable."""

    def __str__(self) -> str:
        return f"{'commit' if self.commit else 'abort'} {self.transaction}"


@dataclass(frozen=True)
class Acknowledge:
    """Participant to coordinator: the decision is durable here, you need not repeat it."""

    transaction: str

    def __str__(self) -> str:
        return f"done {self.transaction}"


@dataclass(frozen=True)
class Inquire:
    """Participant in doubt, or client: tell me what became of it."""

    transaction: str

    def __str__(self) -> str:
        return f"what of {self.transaction}?"


CoordinatorMessage: TypeAlias = Begin | Vote | Acknowledge | Inquire
ParticipantMessage: TypeAlias = Prepare | Decision | Inquire
ClientMessage: TypeAlias = Decision | Refuse


class Presumption(Enum):
    """What is not written, and not acknowledged, because its absence will be understood."""

    NOTHING = "presumed nothing"
    """Both decisions are forced and acknowledged."""
    ABORT = "presumed abort"
    """An abort is neither forced nor acknowledged: what is not in the log was aborted."""
    COMMIT = "presumed commit"
    """A commit is not acknowledged, nor forced by participants. In return the coordinator forces a record before it
    asks for votes: where logs are truncated, a crash would otherwise turn a vote that never ended into a commit."""

    def acknowledges(self, commit: bool) -> bool:
        """Return whether participants force this decision, and are told it until they say so."""
        return self is not (Presumption.COMMIT if commit else Presumption.ABORT)


class State(Enum):
    """What a log says of a transaction."""

    COLLECTING = "collecting"
    """Coordinator, presumed commit only: votes were asked for."""
    PREPARED = "prepared"
    """Participant: the promise was made. Until a decision comes it is in doubt."""
    COMMITTED = "committed"
    ABORTED = "aborted"

    @staticmethod
    def of(commit: bool) -> State:
        """Return the state of a transaction that was decided so."""
        return State.COMMITTED if commit else State.ABORTED


# ------------------------------------------------------------------------------------------------------- coordinator


@dataclass(frozen=True)
class CoordinatorRecord:
    """A line of the coordinator's log: `owed` are the participants that must yet acknowledge the decision."""

    state: State
    owed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class CoordinatorLog:
    """What a coordinator makes durable."""

    epoch: int = 0
    records: Table[str, CoordinatorRecord] = ()

    def __str__(self) -> str:
        lines = (f"{transaction} {record.state.value}" for transaction, record in self.records)
        return ", ".join((f"epoch {self.epoch}", *lines))


@dataclass(frozen=True)
class Ballot:
    """A vote under way, which a crash forgets."""

    client: str
    participants: frozenset[str]
    yes: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Coordinator(Node[CoordinatorMessage, CoordinatorLog]):
    """Collects the votes, decides, and repeats the decision until nobody needs it.

    Parameters
    ----------
    presumption
        Which decisions are forced and acknowledged.
    vote_timeout_seconds
        How long it waits for the votes, as a range, before it aborts.
    repeat_seconds
        How long it waits for acknowledgements, as a range, before it repeats the decision.
    """

    presumption: Presumption = Presumption.ABORT
    vote_timeout_seconds: tuple[float, float] = (1.0, 1.0)
    repeat_seconds: tuple[float, float] = (0.5, 0.5)
    log: CoordinatorLog = CoordinatorLog()
    ballots: Table[str, Ballot] = ()
    presumed: frozenset[str] = frozenset()
    """Aborted in this epoch without a record."""

    def on_start(self, saved: CoordinatorLog | None) -> Step[Self]:
        log = saved or self.log
        node = replace(self, log=replace(log, epoch=log.epoch + 1))
        effects: Effects = (Save(node.log),)
        for transaction, record in node.log.records:
            if record.state is State.COLLECTING:
                node, more = node.decide(transaction, False, record.owed)
            else:
                more = node.tell(transaction, record.state is State.COMMITTED, record.owed)
            effects += more
        return node, effects

    def on_message(self, source: str, message: CoordinatorMessage) -> Step[Self]:
        match message:
            case Begin():
                return self.on_begin(source, message)
            case Vote():
                return self.on_vote(source, message)
            case Acknowledge():
                return self.on_acknowledge(source, message)
            case Inquire():
                return self.on_inquire(source, message)
            case _:
                assert_never(message)

    def on_begin(self, source: str, message: Begin) -> Step[Self]:
        """Phase one: ask for the votes."""
        transaction = message.transaction
        if (state := self.outcome(transaction)) is not None:
            return self, (Send(source, Decision(transaction, state is State.COMMITTED)),)
        if message.epoch != self.log.epoch:
            return self, (Send(source, Refuse(transaction, self.log.epoch)),)
        if entry(self.ballots, transaction) is not None:
            return self, ()
        participants = frozenset(participant for participant, _ in message.work)
        node = replace(self, ballots=with_entry(self.ballots, transaction, Ballot(source, participants)))
        effects: Effects = ()
        if self.presumption is Presumption.COMMIT:
            node = node.recording(transaction, CoordinatorRecord(State.COLLECTING, participants))
            effects += (Save(node.log),)
        effects += (SetTimer(("votes", transaction), self.vote_timeout_seconds),)
        effects += tuple(
            Send(participant, Prepare(transaction, changes, participants))
            for participant, changes in sorted(message.work, key=lambda part: part[0])
        )
        return node, effects

    def on_vote(self, source: str, message: Vote) -> Step[Self]:
        """Decide as soon as one says no or all have said yes."""
        ballot = entry(self.ballots, message.transaction)
        if ballot is None or source not in ballot.participants - ballot.yes:
            return self, ()
        if not message.yes:
            return self.decide(message.transaction, False, ballot.participants - {source})
        ballot = replace(ballot, yes=ballot.yes | {source})
        if ballot.yes == ballot.participants:
            return self.decide(message.transaction, True, ballot.participants)
        return replace(self, ballots=with_entry(self.ballots, message.transaction, ballot)), ()

    def decide(self, transaction: str, commit: bool, participants: frozenset[str]) -> Step[Self]:
        """Phase two: make the decision durable, then tell the client and those `participants` that await it."""
        ballot = entry(self.ballots, transaction)
        node = replace(self, ballots=without_entry(self.ballots, transaction))
        owed = participants if self.presumption.acknowledges(commit) else frozenset[str]()
        effects: Effects = (CancelTimer(("votes", transaction)),)
        if commit or self.presumption is not Presumption.ABORT:
            node = node.recording(transaction, CoordinatorRecord(State.of(commit), owed))
            effects += (Save(node.log),)
        else:
            node = replace(node, presumed=node.presumed | {transaction})
        if ballot is not None:
            effects += (Send(ballot.client, Decision(transaction, commit)),)
        return node, effects + node.tell(transaction, commit, participants)

    def tell(self, transaction: str, commit: bool, participants: frozenset[str]) -> Effects:
        """Send the decision, and once more later if it is to be acknowledged."""
        acknowledge = self.presumption.acknowledges(commit)
        decision = Decision(transaction, commit, acknowledge)
        effects: Effects = tuple(Send(participant, decision) for participant in sorted(participants))
        if acknowledge and participants:
            effects += (SetTimer(("acknowledgements", transaction), self.repeat_seconds),)
        return effects

    def on_acknowledge(self, source: str, message: Acknowledge) -> Step[Self]:
        """Strike `source` off; when nobody is owed the decision any more, note so without forcing the disk."""
        record = entry(self.log.records, message.transaction)
        if record is None or source not in record.owed:
            return self, ()
        record = replace(record, owed=record.owed - {source})
        node = self.recording(message.transaction, record)
        if record.owed:
            return node, ()
        return node, (CancelTimer(("acknowledgements", message.transaction)), Save(node.log, forced=False))

    def on_inquire(self, source: str, message: Inquire) -> Step[Self]:
        """Tell what is known. What is neither in the log nor being voted on was aborted, from now on for certain."""
        transaction = message.transaction
        if (state := self.outcome(transaction)) is not None:
            return self, (Send(source, Decision(transaction, state is State.COMMITTED)),)
        if entry(self.ballots, transaction) is not None:
            return self, ()
        node = replace(self, presumed=self.presumed | {transaction})
        return node, (Send(source, Decision(transaction, False)),)

    def on_timer(self, name: tuple[str, str]) -> Step[Self]:
        kind, transaction = name
        if kind == "votes":
            ballot = entry(self.ballots, transaction)
            assert ballot is not None, f"the vote on {transaction} timed out after it had ended"
            return self.decide(transaction, False, ballot.participants)
        record = entry(self.log.records, transaction)
        assert record is not None, f"no record of {transaction}, whose decision is to be repeated"
        return self, self.tell(transaction, record.state is State.COMMITTED, record.owed)

    def outcome(self, transaction: str) -> State | None:
        """Return COMMITTED or ABORTED if the transaction is decided, otherwise None."""
        if transaction in self.presumed:
            return State.ABORTED
        record = entry(self.log.records, transaction)
        return None if record is None or record.state is State.COLLECTING else record.state

    def recording(self, transaction: str, record: CoordinatorRecord) -> Self:
        """Return this node with `record` in its log, not yet saved."""
        return replace(self, log=replace(self.log, records=with_entry(self.log.records, transaction, record)))


# ------------------------------------------------------------------------------------------------------- participant


@dataclass(frozen=True)
class ParticipantRecord:
    """A line of a participant's log. The last three fields are needed while it is in doubt."""

    state: State
    coordinator: str = ""
    participants: frozenset[str] = frozenset()
    changes: Changes = frozenset()


@dataclass(frozen=True)
class ParticipantLog:
    """What a participant makes durable: its balances, and what it promised or learned of each transaction."""

    balances: Table[str, int] = ()
    records: Table[str, ParticipantRecord] = ()

    def __str__(self) -> str:
        lines = (f"{transaction} {record.state.value}" for transaction, record in self.records)
        return ", ".join((*(f"{key}={amount}" for key, amount in self.balances), *lines))


@dataclass(frozen=True)
class Participant(Node[ParticipantMessage, ParticipantLog]):
    """Votes, and then is bound by its vote.

    Parameters
    ----------
    name
        Its own name, to leave itself out when it asks the others.
    log
        Balances to begin with; no balance may fall below 0, or the vote is no.
    cooperative
        Whether a participant in doubt asks the other participants too.
    inquire_seconds
        How long it stays in doubt, as a range, before it asks, and asks again.
    lock_timeout_seconds
        How long a transaction waits for a lock, as a range, before the vote is no.
    waiting
        Requests that wait for locks, first come first served.
    """

    name: str
    log: ParticipantLog = ParticipantLog()
    cooperative: bool = True
    inquire_seconds: tuple[float, float] = (1.0, 1.0)
    lock_timeout_seconds: tuple[float, float] = (1.0, 1.0)
    waiting: tuple[tuple[str, Prepare], ...] = ()

    def on_start(self, saved: ParticipantLog | None) -> Step[Self]:
        node = replace(self, log=saved or self.log)
        effects: Effects = ()
        for transaction, record in node.log.records:
            if record.state is State.PREPARED:
                effects += node.inquire(transaction, record)
        return node, effects

    def on_message(self, source: str, message: ParticipantMessage) -> Step[Self]:
        match message:
            case Prepare():
                return self.on_prepare(source, message)
            case Decision():
                return self.on_decision(source, message)
            case Inquire():
                return self.on_inquire(source, message)
            case _:
                assert_never(message)

    def on_prepare(self, source: str, message: Prepare) -> Step[Self]:
        """Vote, once the locks are free."""
        record = entry(self.log.records, message.transaction)
        if record is not None:
            # A copy of a request that was answered: the answer stands.
            return self, (Send(source, Vote(message.transaction, record.state is not State.ABORTED)),)
        if any(waiting.transaction == message.transaction for _, waiting in self.waiting):
            return self, ()
        if self.locked(self.waiting) & message.keys:
            node = replace(self, waiting=(*self.waiting, (source, message)))
            return node, (SetTimer(("lock", message.transaction), self.lock_timeout_seconds),)
        return self.vote(source, message)

    def vote(self, coordinator: str, request: Prepare) -> Step[Self]:
        """Promise to commit if no balance would fall below 0. The promise is durable before it is sent."""
        transaction = request.transaction
        balances = dict(self.log.balances)
        if any(balances.get(key, 0) + amount < 0 for key, amount in request.changes):
            node = self.recording(transaction, ParticipantRecord(State.ABORTED))
            return node, (Save(node.log, forced=False), Send(coordinator, Vote(transaction, False)))
        record = ParticipantRecord(State.PREPARED, coordinator, request.participants, request.changes)
        node = self.recording(transaction, record)
        return node, (
            Save(node.log),
            Send(coordinator, Vote(transaction, True)),
            SetTimer(("decision", transaction), self.inquire_seconds),
        )

    def on_decision(self, source: str, message: Decision) -> Step[Self]:
        """Carry out the decision and free the locks."""
        transaction = message.transaction
        record = entry(self.log.records, transaction)
        acknowledgement: Effects = (Send(source, Acknowledge(transaction)),) if message.acknowledge else ()
        if record is None:
            # It never voted here, so this is an abort.
            node, effects = self.abort_unvoted(transaction, forced=message.acknowledge)
            return node, effects + acknowledgement
        if record.state is not State.PREPARED:
            return self, acknowledgement
        node = self.recording(transaction, replace(record, state=State.of(message.commit)))
        if message.commit:
            balances = dict(self.log.balances)
            for key, amount in record.changes:
                balances[key] = balances.get(key, 0) + amount
            node = replace(node, log=replace(node.log, balances=tuple(sorted(balances.items()))))
        # The save comes before the acknowledgement, after which the coordinator does not repeat the decision.
        effects = (CancelTimer(("decision", transaction)), Save(node.log, forced=message.acknowledge))
        node, granted = node.grant_locks()
        return node, effects + acknowledgement + granted

    def on_inquire(self, source: str, message: Inquire) -> Step[Self]:
        """Help a participant in doubt: tell what is known; what was not voted on is aborted on the spot."""
        transaction = message.transaction
        record = entry(self.log.records, transaction)
        if record is None:
            # The save comes first: having told, it must never vote yes, not even after a crash.
            node, effects = self.abort_unvoted(transaction, forced=True)
            return node, (*effects, Send(source, Decision(transaction, False)))
        if record.state is State.PREPARED:
            return self, ()
        if record.state is State.COMMITTED:
            return self, (Send(source, Decision(transaction, True)),)
        # A no need not be forced as long as only the coordinator hears of it, which then decides. Another participant
        # decides by it, so it must not be forgotten: a late copy of the request would get a yes.
        return self, (Save(self.log), Send(source, Decision(transaction, False)))

    def abort_unvoted(self, transaction: str, *, forced: bool) -> Step[Self]:
        """Abort a transaction before a vote on it; if its request waits here for locks, that wait is over."""
        waiting = tuple(pair for pair in self.waiting if pair[1].transaction != transaction)
        node = replace(self, waiting=waiting).recording(transaction, ParticipantRecord(State.ABORTED))
        effects: Effects = (Save(node.log, forced=forced),)
        if waiting == self.waiting:
            return node, effects
        node, granted = node.grant_locks()
        return node, (CancelTimer(("lock", transaction)), *effects, *granted)

    def grant_locks(self) -> Step[Self]:
        """Vote on every waiting request whose locks are free now, first come first served."""
        node = self
        effects: Effects = ()
        for position, (source, request) in enumerate(self.waiting):
            earlier = tuple(pair for pair in self.waiting[:position] if pair in node.waiting)
            if not node.locked(earlier) & request.keys:
                node = replace(node, waiting=tuple(pair for pair in node.waiting if pair[1] != request))
                node, more = node.vote(source, request)
                effects += (CancelTimer(("lock", request.transaction)), *more)
        return node, effects

    def locked(self, earlier: tuple[tuple[str, Prepare], ...]) -> frozenset[str]:
        """Return the keys that transactions in doubt hold, and those that `earlier` requests wait for."""
        held = frozenset(
            key for _, record in self.log.records if record.state is State.PREPARED for key, _ in record.changes
        )
        return held.union(*(request.keys for _, request in earlier))

    def on_timer(self, name: tuple[str, str]) -> Step[Self]:
        kind, transaction = name
        if kind == "lock":
            coordinator = next(source for source, request in self.waiting if request.transaction == transaction)
            node, effects = self.abort_unvoted(transaction, forced=False)
            return node, (*effects, Send(coordinator, Vote(transaction, False)))
        record = entry(self.log.records, transaction)
        assert record is not None, f"no record of {transaction}, whose decision is overdue"
        return self, self.inquire(transaction, record)

    def inquire(self, transaction: str, record: ParticipantRecord) -> Effects:
        """Ask the coordinator, and the others if they cooperate; ask again later."""
        asked = [record.coordinator]
        if self.cooperative:
            asked += sorted(record.participants - {self.name})
        inquiries = tuple(Send(other, Inquire(transaction)) for other in asked)
        return (*inquiries, SetTimer(("decision", transaction), self.inquire_seconds))

    def recording(self, transaction: str, record: ParticipantRecord) -> Self:
        """Return this node with `record` in its log, not yet saved."""
        return replace(self, log=replace(self.log, records=with_entry(self.log.records, transaction, record)))


# ------------------------------------------------------------------------------------------------------------ client


@dataclass(frozen=True)
class Transfer:
    """An operation as a client records it: a transaction and what it is to do."""

    transaction: str
    work: Work

    def __post_init__(self) -> None:
        _require_one_each(self.work)

    def __str__(self) -> str:
        return f"transfer {self.transaction}"


@dataclass(frozen=True)
class Client(Node[ClientMessage, None]):
    """Runs transactions one after another, and asks again when no answer comes.

    It keeps nothing through a crash: a client that comes back is another client.

    Parameters
    ----------
    coordinator
        Name of the coordinator.
    transfers
        What is left to do, in order.
    start_seconds
        How long it waits, as a range, before each transaction.
    retry_seconds
        How long it waits for an answer, as a range, before it asks for it.
    retries
        How often it asks before it gives up; the outcome of the transaction is then unknown to it.
    """

    coordinator: str
    transfers: tuple[Transfer, ...]
    start_seconds: tuple[float, float] = (0.0, 0.0)
    retry_seconds: tuple[float, float] = (2.0, 2.0)
    retries: int = 10
    epoch: int = 1
    retried: int = 0
    open: bool = False

    def on_start(self, saved: None) -> Step[Self]:
        return self.rest()

    def rest(self) -> Step[Self]:
        """Wait before the next transaction, if there is one."""
        if not self.transfers:
            return self, ()
        if self.start_seconds == (0.0, 0.0):
            return self.begin()
        return self, (SetTimer("start", self.start_seconds),)

    def begin(self) -> Step[Self]:
        """Hand the next transaction to the coordinator."""
        transfer = self.transfers[0]
        return replace(self, open=True, retried=0), (
            Invoke(transfer),
            Send(self.coordinator, Begin(transfer.transaction, transfer.work, self.epoch)),
            SetTimer("retry", self.retry_seconds),
        )

    def on_message(self, source: str, message: ClientMessage) -> Step[Self]:
        if not self.open or message.transaction != self.transfers[0].transaction:
            return self, ()  # A copy of the answer to an earlier transaction.
        match message:
            case Decision():
                return self.complete(Complete(None, Outcome.OK if message.commit else Outcome.FAIL))
            case Refuse():
                return replace(self, epoch=message.epoch).complete(Complete(None, Outcome.FAIL))
            case _:
                assert_never(message)

    def complete(self, completion: Complete) -> Step[Self]:
        """Record how the open transaction ended, and go on."""
        node, effects = replace(self, open=False, transfers=self.transfers[1:]).rest()
        return node, (CancelTimer("retry"), completion, *effects)

    def on_timer(self, name: str) -> Step[Self]:
        if name == "start":
            return self.begin()
        if self.retried == self.retries:
            return self.complete(Complete(None, Outcome.UNKNOWN))
        # It asks and does not begin again: a second beginning could follow a presumed abort.
        return replace(self, retried=self.retried + 1), (
            Send(self.coordinator, Inquire(self.transfers[0].transaction)),
            SetTimer("retry", self.retry_seconds),
        )


# -------------------------------------------------------------------------------------------------------- invariants


def participant_logs(world: World) -> Iterator[tuple[str, ParticipantLog]]:
    """Yield each participant's log by name: its memory's where it is up, its disk's where it is down."""
    for name, node in sorted(world.nodes.items()):
        if isinstance(node, Participant):
            yield name, node.log
        elif node is None and isinstance(world.saved[name], ParticipantLog):
            yield name, world.saved[name]


def outcomes(world: World) -> dict[str, set[State]]:
    """Return, for each transaction, the decisions that stand at a participant or at the coordinator."""
    reached: dict[str, set[State]] = {}
    for _, log in participant_logs(world):
        for transaction, record in log.records:
            reached.setdefault(transaction, set()).add(record.state)
    for name, node in world.nodes.items():
        book = node.log if isinstance(node, Coordinator) else world.saved[name]
        if isinstance(book, CoordinatorLog):
            for transaction, line in book.records:
                reached.setdefault(transaction, set()).add(line.state)
        if isinstance(node, Coordinator):
            for transaction in node.presumed:
                reached.setdefault(transaction, set()).add(State.ABORTED)
    return {transaction: states - {State.PREPARED, State.COLLECTING} for transaction, states in reached.items()}


def agreement(world: World) -> bool:
    """No transaction is committed at one node and aborted at another, nodes that are down included."""
    return all(len(states) <= 1 for states in outcomes(world).values())


def validity(world: World) -> bool:
    """Where one participant has committed, every participant has promised to."""
    logs = dict(participant_logs(world))
    for log in logs.values():
        for transaction, record in log.records:
            if record.state is State.COMMITTED:
                for other in record.participants & logs.keys():
                    line = entry(logs[other].records, transaction)
                    if line is None or line.state is State.ABORTED:
                        return False
    return True


def in_doubt(world: World) -> list[tuple[str, str]]:
    """Return (participant, transaction) for every live participant that has promised and knows no decision."""
    return [
        (name, transaction)
        for name, log in participant_logs(world)
        if world.nodes[name] is not None
        for transaction, record in log.records
        if record.state is State.PREPARED
    ]


def nobody_in_doubt(world: World) -> bool:
    """No live participant waits for a decision."""
    return not in_doubt(world)


def client_is_told_the_truth(world: World) -> bool:
    """What clients were told agrees with what the nodes reached; needs a world with its history."""
    reached = outcomes(world)
    open_transfers: dict[str, Transfer] = {}
    for client, effect in world.history:
        if isinstance(effect, Invoke):
            assert isinstance(effect.operation, Transfer)
            open_transfers[client] = effect.operation
        elif effect.outcome is not Outcome.UNKNOWN:
            lie = State.of(effect.outcome is not Outcome.OK)
            if lie in reached.get(open_transfers[client].transaction, ()):
                return False
    return True


def total_balance(world: World) -> int:
    """Return the sum of all balances: what transfers must leave as it was, once nobody is in doubt."""
    return sum(amount for _, log in participant_logs(world) for _, amount in log.balances)
