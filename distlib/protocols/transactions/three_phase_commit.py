"""Three-phase commit: a round between vote and decision, so that a crash leaves nobody in doubt. And what it assumes.

Sources: Skeen, *Nonblocking Commit Protocols* (1981); Skeen and Stonebraker, *A Formal Model of Crash Recovery in a
Distributed System* (1983); Bernstein, Hadzilacos and Goodman, *Concurrency Control and Recovery in Database Systems*
(1987), section 7.5, for the termination protocol. The form with a quorum follows Skeen, *A Quorum-Based Commit
Protocol* (1982), and Keidar and Dolev, *Increasing the Resilience of Distributed and Replicated Database Systems*
(1998).

Theory of operation
-------------------
Phase one is that of two-phase commit: the coordinator asks every participant to :class:`Prepare`, and each votes. A
participant that has voted yes is *uncertain*. When all have voted yes, phase two tells them just that
(:class:`PreCommit`), and each acknowledges: it is *precommitted*. Phase three is the decision. So nobody commits while
another participant that is up is still uncertain, and whoever is uncertain may infer that nobody has committed.

A participant that waits in vain takes the leader for dead, and turns to the next in the *succession*: the coordinator
first, then the participants in order. The one whose turn it is leads the *termination*: it collects the states, and

1. decides what one of them has decided;
2. aborts if none is precommitted;
3. otherwise moves the uncertain ones to precommitted, and commits.

Who has reported to a leader no longer obeys an earlier one. Who comes back after a crash does not take part in a
termination, since it does not know what was decided meanwhile. It asks, and it is told.

In the form with a quorum (:class:`QuorumParticipant`) every attempt to lead has a number, the *ballot*. It takes a
majority of the participants to report, and a majority to acknowledge, before a leader decides; a precommit, and here a
pre-abort as well, carries its ballot, and the latest one binds the next leader.

Assumptions
-----------
*For agreement and for progress*, in the form without a quorum: nodes crash; a message between two nodes that are up
arrives within a bound that is known, and a patience that is longer. So whoever is taken for dead is dead, and nothing
that it sent to the waiting node is still on its way. If the network splits, or a message is late, participants may
decide differently.

*With a quorum*: agreement needs nothing but durable disks. Progress needs a majority that can talk.

One transaction: the nodes are those of this transaction. Left out: locks and balances, which the module on two-phase
commit has, and recovery when all participants have failed, which takes to know who failed last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
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
    with_entry,
)

__all__ = [
    "Acknowledge",
    "AskState",
    "Begin",
    "Client",
    "Coordinator",
    "CoordinatorRecord",
    "Decision",
    "Inquire",
    "Participant",
    "PreAbort",
    "PreCommit",
    "Prepare",
    "QuorumCoordinator",
    "QuorumParticipant",
    "Record",
    "Report",
    "State",
    "Vote",
    "agreement",
    "decisions",
    "is_decided",
    "records",
    "undecided",
    "validity",
]

Patience: TypeAlias = tuple[float, float]


class State(Enum):
    """Where a participant stands."""

    UNCERTAIN = "uncertain"
    """It has voted yes and knows no more."""
    PREABORTED = "preaborted"
    """With a quorum only: a leader has proposed to abort."""
    PRECOMMITTED = "precommitted"
    """It knows that all have voted yes."""
    COMMITTED = "committed"
    ABORTED = "aborted"

    @staticmethod
    def of(commit: bool) -> State:
        """Return the state that a decision leads to."""
        return State.COMMITTED if commit else State.ABORTED


DECIDED = frozenset({State.COMMITTED, State.ABORTED})


# ---------------------------------------------------------------------------------------------------------- messages


@dataclass(frozen=True)
class Begin:
    """Client to coordinator: run the transaction."""

    def __str__(self) -> str:
        return "begin"


@dataclass(frozen=True)
class Prepare:
    """Coordinator to participant: promise to commit, if you can. The participants stand in the order of succession."""

    participants: tuple[str, ...]

    def __str__(self) -> str:
        return "prepare"


@dataclass(frozen=True)
class Vote:
    """Participant to coordinator: yes, I promise; or no."""

    yes: bool

    def __str__(self) -> str:
        return "yes" if self.yes else "no"


@dataclass(frozen=True)
class PreCommit:
    """Leader to participant: all have voted yes."""

    ballot: int = 0

    def __str__(self) -> str:
        return "precommit"


@dataclass(frozen=True)
class PreAbort:
    """Leader to participant, with a quorum only: we are about to abort."""

    ballot: int

    def __str__(self) -> str:
        return "preabort"


@dataclass(frozen=True)
class Acknowledge:
    """Participant to leader: what you told me is durable here."""

    ballot: int = 0

    def __str__(self) -> str:
        return "ack"


@dataclass(frozen=True)
class Decision:
    """The outcome, from whoever knows it."""

    commit: bool

    def __str__(self) -> str:
        return "commit" if self.commit else "abort"


@dataclass(frozen=True)
class Inquire:
    """To whoever may know: tell me what became of it, now or when you know."""

    def __str__(self) -> str:
        return "?"


@dataclass(frozen=True)
class AskState:
    """Leader of a termination to participant: where do you stand? With a quorum, it has a ballot."""

    ballot: int = 0

    def __str__(self) -> str:
        return "state?"


@dataclass(frozen=True)
class Report:
    """Participant to the leader of a termination: here I stand. `attempt` is the ballot of what it was told."""

    state: State
    ballot: int = 0
    attempt: int = 0

    def __str__(self) -> str:
        return self.state.value


CoordinatorMessage: TypeAlias = Begin | Vote | Acknowledge | Inquire | Decision
ParticipantMessage: TypeAlias = Prepare | PreCommit | PreAbort | Acknowledge | Decision | Inquire | AskState | Report


# ------------------------------------------------------------------------------------------------------- coordinator


@dataclass(frozen=True)
class CoordinatorRecord:
    """What a coordinator makes durable: that it has begun, and later what was decided."""

    state: State | None = None

    def __str__(self) -> str:
        return "begun" if self.state is None else self.state.value


@dataclass(frozen=True)
class Coordinator(Node[CoordinatorMessage, CoordinatorRecord]):
    """Collects votes, tells that all have voted yes, collects acknowledgements, decides.

    Parameters
    ----------
    participants
        Their names, in the order of succession.
    client
        Who asks for the transaction. Without one it begins at its first boot.
    patience_seconds
        How long it waits, as a range, for votes or acknowledgements, before it takes the missing ones for dead.
    """

    participants: tuple[str, ...]
    client: str | None = None
    patience_seconds: Patience = (1.0, 1.0)
    record: CoordinatorRecord = CoordinatorRecord()
    phase: str = "idle"
    """What it waits for: "idle", "votes", "acknowledgements", "outcome" after a crash, or "nothing"."""
    heard: frozenset[str] = frozenset()
    askers: frozenset[str] = frozenset()

    def on_start(self, saved: CoordinatorRecord | None) -> Step[Self]:
        if saved is None:
            first, effects = (self, ()) if self.client else self.begin()
            return first, (Save(first.record), *effects)
        node = replace(self, record=saved)
        if saved.state is not None:
            return replace(node, phase="nothing"), ()
        # It does not know how far it came, and others may have decided without it.
        node = replace(node, phase="outcome", askers=frozenset({self.client} if self.client else ()))
        return node, node.ask()

    def on_message(self, source: str, message: CoordinatorMessage) -> Step[Self]:
        match message:
            case Begin() | Inquire():
                if self.record.state is not None:
                    return self, (Send(source, Decision(self.record.state is State.COMMITTED)),)
                if isinstance(message, Begin) and self.phase == "idle":
                    return self.begin()
                if source in self.askers:
                    return self, ()
                return replace(self, askers=self.askers | {source}), ()
            case Vote():
                return self.on_vote(source, message)
            case Acknowledge():
                return self.on_acknowledge(source, message)
            case Decision():
                return (self, ()) if self.record.state is not None else self.decide(message.commit)
            case _:
                assert_never(message)

    def begin(self) -> Step[Self]:
        """Phase one: ask for the votes."""
        prepare = Prepare(self.participants)
        requests = tuple(Send(participant, prepare) for participant in self.participants)
        return replace(self, phase="votes"), (SetTimer("votes", self.patience_seconds), *requests)

    def on_vote(self, source: str, message: Vote) -> Step[Self]:
        """Abort at the first no. When all have voted yes, begin phase two."""
        if self.phase != "votes" or source in self.heard:
            return self, ()
        if not message.yes:
            return self.decide(False)
        node = replace(self, heard=self.heard | {source})
        if len(node.heard) < len(self.participants):
            return node, ()
        return node.precommit()

    def precommit(self) -> Step[Self]:
        """Phase two: tell all that all have voted yes."""
        node = replace(self, phase="acknowledgements", heard=frozenset())
        told = tuple(Send(participant, PreCommit()) for participant in self.participants)
        return node, (CancelTimer("votes"), SetTimer("acknowledgements", self.patience_seconds), *told)

    def on_acknowledge(self, source: str, message: Acknowledge) -> Step[Self]:
        """When all have acknowledged, nobody who is up is uncertain: commit."""
        if self.phase != "acknowledgements" or source in self.heard:
            return self, ()
        node = replace(self, heard=self.heard | {source})
        return node.decide(True) if node.is_acknowledged() else (node, ())

    def is_acknowledged(self) -> bool:
        """Return whether enough have acknowledged: here, all."""
        return len(self.heard) == len(self.participants)

    def decide(self, commit: bool) -> Step[Self]:
        """Phase three: make the decision durable, then tell it."""
        node = replace(self, record=CoordinatorRecord(State.of(commit)), phase="nothing", askers=frozenset())
        told = {*self.participants, *self.askers} - {self.client}
        effects: Effects = (CancelTimer("votes"), CancelTimer("acknowledgements"), CancelTimer("outcome"))
        effects += (Save(node.record),)
        if self.client:
            effects += (Send(self.client, Decision(commit)),)
        return node, effects + tuple(Send(participant, Decision(commit)) for participant in sorted(told))

    def on_timer(self, name: str) -> Step[Self]:
        if name == "outcome":
            return self, self.ask()
        # A vote is missing: abort. An acknowledgement is missing: that participant will ask when it is back.
        return self.decide(name == "acknowledgements")

    def ask(self) -> Effects:
        """Ask all participants for the outcome, and again later."""
        asked = tuple(Send(participant, Inquire()) for participant in self.participants)
        return (*asked, SetTimer("outcome", self.patience_seconds))

    def awaited(self, timer: str) -> frozenset[str]:
        """Return whose silence a timer is about: it may fire only if all of them are dead."""
        return frozenset() if timer == "outcome" else frozenset(self.participants) - self.heard


# ------------------------------------------------------------------------------------------------------- participant


@dataclass(frozen=True)
class Record:
    """What a participant makes durable.

    `promised` and `attempt` are for the form with a quorum: the latest ballot that it has reported to, and that of its
    precommit or pre-abort.
    """

    state: State
    succession: tuple[str, ...] = ()
    promised: int = 0
    attempt: int = 0

    def __str__(self) -> str:
        return self.state.value


@dataclass(frozen=True)
class Participant(Node[ParticipantMessage, Record]):
    """Votes, follows the leader, and leads when its turn comes.

    Parameters
    ----------
    name
        Its own name.
    can_commit
        Whether it votes yes.
    patience_seconds
        How long it waits, as a range, before it takes the one that it waits for for dead.
    """

    name: str
    can_commit: bool = True
    patience_seconds: Patience = (1.0, 1.0)
    record: Record | None = None
    leader: int = 0
    """Whom it follows, as a place in the succession."""
    is_recovering: bool = False
    askers: frozenset[str] = frozenset()
    reports: Table[str, State] = ()
    """While it leads: the states that it knows, its own among them."""
    unacknowledged: frozenset[str] | None = None
    """While it leads, once it has told a precommit: who has not acknowledged."""

    def on_start(self, saved: Record | None) -> Step[Self]:
        if saved is None:
            return self, ()
        node = replace(self, record=saved)
        if saved.state in DECIDED:
            return node, ()
        # Others may have decided since, either way: what it has on disk does not tell.
        node = replace(node, is_recovering=True)
        return node, node.ask()

    def on_message(self, source: str, message: ParticipantMessage) -> Step[Self]:
        match message:
            case Prepare():
                return self.on_prepare(source, message)
            case PreCommit():
                return self.on_precommit(source, message)
            case PreAbort():
                return self, ()
            case Acknowledge():
                return self.on_acknowledge(source, message)
            case Decision():
                return (self, ()) if self.is_decided else self.decide(message.commit, announce=False)
            case Inquire():
                return self.on_inquire(source)
            case AskState():
                return self.on_ask_state(source, message)
            case Report():
                return self.on_report(source, message)
            case _:
                assert_never(message)

    # ------------------------------------------------------------------------------------------------ phases one to three

    def on_prepare(self, source: str, message: Prepare) -> Step[Self]:
        """Vote. The vote is durable before it is sent."""
        if self.record is not None:
            # A copy of a request that was answered: the answer stands.
            return self, (Send(source, Vote(self.record.state is not State.ABORTED)),)
        if not self.can_commit:
            node, effects = self.abort_unvoted()
            return node, (*effects, Send(source, Vote(False)))
        node = replace(self, record=Record(State.UNCERTAIN, (source, *message.participants)))
        return node, (Save(node.record), Send(source, Vote(True)), node.wait())

    def on_precommit(self, source: str, message: PreCommit) -> Step[Self]:
        """Note that all have voted yes. That, too, is durable before it is acknowledged."""
        if self.record is None or self.is_decided or self.rank(source) < self.leader:
            return self, ()
        node = replace(self, leader=self.rank(source), record=replace(self.record, state=State.PRECOMMITTED))
        return node, (Save(node.record), Send(source, Acknowledge()), node.wait())

    def decide(self, commit: bool, *, announce: bool) -> Step[Self]:
        """Make the decision durable, and tell those who asked; as a leader, all."""
        record = replace(self.record or Record(State.ABORTED), state=State.of(commit))
        node = replace(self, record=record, askers=frozenset(), reports=(), unacknowledged=None, is_recovering=False)
        told = self.askers | (frozenset(record.succession[1:]) - {self.name} if announce else frozenset())
        effects: Effects = tuple(CancelTimer(name) for name in ("leader", "reports", "acknowledgements", "outcome"))
        return node, (*effects, Save(record), *(Send(other, Decision(commit)) for other in sorted(told)))

    def abort_unvoted(self) -> Step[Self]:
        """Abort before a vote, durably: having told, it must never vote yes, not even after a crash."""
        node = replace(self, record=Record(State.ABORTED))
        return node, (Save(node.record),)

    def on_inquire(self, source: str) -> Step[Self]:
        """Tell what is known; abort what was not voted on; otherwise tell as soon as it is known."""
        if self.record is None:
            node, effects = self.abort_unvoted()
            return node, (*effects, Send(source, Decision(False)))
        if self.is_decided:
            return self, (Send(source, Decision(self.record.state is State.COMMITTED)),)
        if source in self.askers:
            return self, ()
        return replace(self, askers=self.askers | {source}), ()

    # ------------------------------------------------------------------------------------------------------- termination

    def on_leader_silent(self) -> Step[Self]:
        """Take the leader for dead, and turn to the next in the succession, who may be oneself."""
        node = replace(self, leader=self.leader + 1)
        assert node.record is not None
        if node.record.succession[node.leader] == self.name:
            return node.lead()
        return node, (Send(node.record.succession[node.leader], Inquire()), node.wait())

    def lead(self) -> Step[Self]:
        """Ask all other participants where they stand."""
        assert self.record is not None
        node = replace(self, reports=((self.name, self.record.state),), unacknowledged=None)
        others = [name for name in self.record.succession[1:] if name != self.name]
        if not others:
            return node.terminate()
        asked = tuple(Send(other, AskState()) for other in others)
        return node, (SetTimer("reports", self.patience_seconds), *asked)

    def on_ask_state(self, source: str, message: AskState) -> Step[Self]:
        """Report, and from now on obey no earlier leader. Who was down meanwhile has nothing to report."""
        if self.record is None:
            node, effects = self.abort_unvoted()
            return node, (*effects, Send(source, Report(State.ABORTED)))
        if self.is_decided:
            return self, (Send(source, Report(self.record.state)),)
        if self.is_recovering or self.rank(source) < self.leader:
            return self, ()
        node = replace(self, leader=self.rank(source), reports=(), unacknowledged=None)
        gone = (CancelTimer("reports"), CancelTimer("acknowledgements")) if self.reports else ()
        return node, (*gone, Send(source, Report(self.record.state)), node.wait())

    def on_report(self, source: str, message: Report) -> Step[Self]:
        """Collect the states; when all are there, decide."""
        if not self.reports or self.unacknowledged is not None or self.is_decided:
            return self, ()
        node = replace(self, reports=with_entry(self.reports, source, message.state))
        assert node.record is not None
        if message.state in DECIDED or len(node.reports) == len(node.record.succession) - 1:
            return node.terminate()
        return node, ()

    def terminate(self) -> Step[Self]:
        """Decide by the states that were reported; those who did not report are dead."""
        assert self.record is not None
        states = {state for _, state in self.reports}
        if states & DECIDED:
            return self.decide(State.COMMITTED in states, announce=True)
        if State.PRECOMMITTED not in states:
            return self.decide(False, announce=True)
        uncertain = frozenset(name for name, state in self.reports if state is State.UNCERTAIN) - {self.name}
        node = replace(self, record=replace(self.record, state=State.PRECOMMITTED), unacknowledged=uncertain)
        effects: Effects = (CancelTimer("reports"),)
        if self.record.state is not State.PRECOMMITTED:
            effects += (Save(node.record),)
        if not uncertain:
            node, more = node.decide(True, announce=True)
            return node, effects + more
        effects += (SetTimer("acknowledgements", self.patience_seconds),)
        return node, effects + tuple(Send(other, PreCommit()) for other in sorted(uncertain))

    def on_acknowledge(self, source: str, message: Acknowledge) -> Step[Self]:
        """Commit when nobody is uncertain any more."""
        if self.unacknowledged is None or source not in self.unacknowledged:
            return self, ()
        node = replace(self, unacknowledged=self.unacknowledged - {source})
        return (node, ()) if node.unacknowledged else node.decide(True, announce=True)

    def on_timer(self, name: str) -> Step[Self]:
        match name:
            case "leader":
                return self.on_leader_silent()
            case "reports":
                return self.terminate()
            case "acknowledgements":
                return self.decide(True, announce=True)
            case _:
                return self, self.ask()

    # ----------------------------------------------------------------------------------------------------------- helpers

    def ask(self) -> Effects:
        """After a crash: ask everyone for the outcome, and again later."""
        assert self.record is not None
        asked = tuple(Send(other, Inquire()) for other in self.record.succession if other != self.name)
        return (*asked, SetTimer("outcome", self.patience_seconds))

    def wait(self) -> SetTimer:
        """Wait for the leader; after a crash, for an answer."""
        return SetTimer("outcome" if self.is_recovering else "leader", self.patience_seconds)

    def rank(self, name: str) -> int:
        """Return the place of a name in the succession."""
        assert self.record is not None
        return self.record.succession.index(name)

    @property
    def is_decided(self) -> bool:
        """Whether it has committed or aborted."""
        return self.record is not None and self.record.state in DECIDED

    def awaited(self, timer: str) -> frozenset[str]:
        """Return whose silence a timer is about: it may fire only if all of them are dead."""
        assert self.record is not None
        match timer:
            case "leader":
                return frozenset({self.record.succession[self.leader]})
            case "reports":
                return frozenset(self.record.succession[1:]) - {name for name, _ in self.reports}
            case "acknowledgements":
                return self.unacknowledged or frozenset()
            case _:
                return frozenset()


# ------------------------------------------------------------------------------------------------------ with a quorum


@dataclass(frozen=True)
class QuorumCoordinator(Coordinator):
    """Commits when a majority has acknowledged. It never takes a silence for a death once it has told a precommit.

    Parameters
    ----------
    repeats
        How often it tells the precommit again if a majority does not acknowledge in time.
    """

    repeats: int = 0

    def is_acknowledged(self) -> bool:
        return 2 * len(self.heard) > len(self.participants)

    def precommit(self) -> Step[Self]:
        node, effects = super().precommit()
        return node, _with_ballot(effects, 1)

    def on_acknowledge(self, source: str, message: Acknowledge) -> Step[Self]:
        return super().on_acknowledge(source, message) if message.ballot == 1 else (self, ())

    def on_timer(self, name: str) -> Step[Self]:
        if name != "acknowledgements":
            return super().on_timer(name)
        if self.repeats == 0:
            return self, ()
        again = tuple(Send(participant, PreCommit(1)) for participant in self.participants)
        wait = SetTimer("acknowledgements", self.patience_seconds)
        return replace(self, repeats=self.repeats - 1), (wait, *again)


def _with_ballot(effects: Effects, ballot: int) -> Effects:
    """Return the effects with that ballot in each precommit."""
    return tuple(
        replace(effect, message=PreCommit(ballot))
        if isinstance(effect, Send) and isinstance(effect.message, PreCommit)
        else effect
        for effect in effects
    )


@dataclass(frozen=True)
class QuorumParticipant(Participant):
    """Decides as a leader only with a majority of the participants, twice: to learn, and to bind.

    Parameters
    ----------
    attempts
        How often it tries to lead before it waits for others to.
    """

    attempts: int = 1
    ballot: int = 0
    """The ballot under which it leads; 0 while it does not."""
    answers: Table[str, tuple[State, int]] = field(default=())
    """While it leads: the states that were reported, and their attempts."""
    proposal: State | None = None
    """While it leads, once a majority has reported: what it has told them."""
    acknowledged: frozenset[str] = frozenset()

    def on_start(self, saved: Record | None) -> Step[Self]:
        if saved is None:
            return self, ()
        node = replace(self, record=saved)
        # All that it has promised is on its disk: it goes on where it was.
        return node, () if saved.state in DECIDED else (node.wait(),)

    def on_message(self, source: str, message: ParticipantMessage) -> Step[Self]:
        if isinstance(message, PreAbort):
            return self.on_proposal(source, message.ballot, State.PREABORTED)
        return super().on_message(source, message)

    def on_precommit(self, source: str, message: PreCommit) -> Step[Self]:
        return self.on_proposal(source, message.ballot, State.PRECOMMITTED)

    def on_proposal(self, source: str, ballot: int, state: State) -> Step[Self]:
        """Accept, unless it has reported to a later ballot."""
        if self.record is None or self.is_decided or ballot < self.record.promised:
            return self, ()
        node = replace(self, record=replace(self.record, state=state, promised=ballot, attempt=ballot))
        return node, (Save(node.record), Send(source, Acknowledge(ballot)), node.wait())

    def on_leader_silent(self) -> Step[Self]:
        """Try to lead, with a ballot of its own that is higher than any that it knows."""
        assert self.record is not None
        if self.attempts == 0:
            return self, ()
        count = len(self.record.succession)
        ballot = (self.record.promised // count + 1) * count + self.rank(self.name)
        node = replace(
            self,
            attempts=self.attempts - 1,
            ballot=ballot,
            record=replace(self.record, promised=ballot),
            answers=((self.name, (self.record.state, self.record.attempt)),),
            proposal=None,
            acknowledged=frozenset(),
        )
        others = [name for name in self.record.succession[1:] if name != self.name]
        asked = tuple(Send(other, AskState(ballot)) for other in others)
        effects: Effects = (Save(node.record), node.wait(), *asked)
        if node.is_majority(len(node.answers)):
            node, more = node.propose()
            effects += more
        return node, effects

    def on_ask_state(self, source: str, message: AskState) -> Step[Self]:
        """Report, and promise to accept nothing of an earlier ballot. The promise is durable before the report."""
        if self.record is None:
            node, effects = self.abort_unvoted()
            return node, (*effects, Send(source, Report(State.ABORTED, message.ballot)))
        if self.is_decided:
            return self, (Send(source, Report(self.record.state, message.ballot)),)
        if message.ballot <= self.record.promised:
            return self, ()
        node = replace(self, record=replace(self.record, promised=message.ballot))
        report = Report(self.record.state, message.ballot, self.record.attempt)
        return node, (Save(node.record), Send(source, report), node.wait())

    def on_report(self, source: str, message: Report) -> Step[Self]:
        """Collect the states of a majority, then propose."""
        if message.ballot != self.ballot or self.proposal is not None or self.is_decided:
            return self, ()
        if message.state in DECIDED:
            return self.decide(message.state is State.COMMITTED, announce=True)
        answers = with_entry(self.answers, source, (message.state, message.attempt))
        node = replace(self, answers=answers)
        return node.propose() if node.is_majority(len(answers)) else (node, ())

    def propose(self) -> Step[Self]:
        """Propose what the latest attempt among the reports says; if there was none, to abort."""
        assert self.record is not None
        state, attempt = max((answer for _, answer in self.answers), key=lambda answer: answer[1])
        if self.record.promised != self.ballot:
            return self, ()  # Another one leads by now.
        proposal = state if attempt else State.PREABORTED
        message = PreCommit(self.ballot) if proposal is State.PRECOMMITTED else PreAbort(self.ballot)
        node = replace(
            self,
            proposal=proposal,
            acknowledged=frozenset({self.name}),
            record=replace(self.record, state=proposal, attempt=self.ballot),
        )
        told = tuple(Send(name, message) for name, _ in self.answers if name != self.name)
        effects: Effects = (Save(node.record), *told)
        if node.is_majority(1):
            node, more = node.decide(proposal is State.PRECOMMITTED, announce=True)
            effects += more
        return node, effects

    def on_acknowledge(self, source: str, message: Acknowledge) -> Step[Self]:
        """Decide when a majority is bound."""
        if message.ballot != self.ballot or self.proposal is None or self.is_decided:
            return self, ()
        node = replace(self, acknowledged=self.acknowledged | {source})
        if not node.is_majority(len(node.acknowledged)):
            return node, ()
        return node.decide(self.proposal is State.PRECOMMITTED, announce=True)

    def decide(self, commit: bool, *, announce: bool) -> Step[Self]:
        node, effects = super().decide(commit, announce=announce)
        return replace(node, answers=(), proposal=None, acknowledged=frozenset(), ballot=0), effects

    def is_majority(self, count: int) -> bool:
        """Return whether so many participants are more than half of all."""
        assert self.record is not None
        return 2 * count > len(self.record.succession) - 1


# ------------------------------------------------------------------------------------------------------------ client


@dataclass(frozen=True)
class Client(Node[Decision, None]):
    """Asks for the transaction, and asks again if no answer comes.

    Parameters
    ----------
    coordinator
        Name of the coordinator.
    retry_seconds
        How long it waits, as a range, before it asks again.
    retries
        How often it asks again before it gives up.
    """

    coordinator: str
    retry_seconds: Patience = (2.0, 2.0)
    retries: int = 10
    is_open: bool = False

    def on_start(self, saved: None) -> Step[Self]:
        wait = SetTimer("retry", self.retry_seconds)
        return replace(self, is_open=True), (Invoke("transaction"), Send(self.coordinator, Begin()), wait)

    def on_message(self, source: str, message: Decision) -> Step[Self]:
        if not self.is_open:
            return self, ()
        outcome = Outcome.OK if message.commit else Outcome.FAIL
        return replace(self, is_open=False), (CancelTimer("retry"), Complete(None, outcome))

    def on_timer(self, name: str) -> Step[Self]:
        if self.retries == 0:
            return replace(self, is_open=False), (Complete(None, Outcome.UNKNOWN),)
        wait = SetTimer("retry", self.retry_seconds)
        return replace(self, retries=self.retries - 1), (Send(self.coordinator, Begin()), wait)

    def awaited(self, timer: str) -> frozenset[str]:
        """Return nobody: a client's patience is its own."""
        return frozenset()


# -------------------------------------------------------------------------------------------------------- invariants


def records(world: World) -> Iterator[tuple[str, Record]]:
    """Yield what each participant has noted, by name: in memory where it is up, on disk where it is down."""
    for name, node in sorted(world.nodes.items()):
        if isinstance(node, Participant) and node.record is not None:
            yield name, node.record
        elif node is None and isinstance(world.saved[name], Record):
            yield name, world.saved[name]


def decisions(world: World) -> dict[str, State]:
    """Return what each node has decided, participants and coordinator, those that are down included."""
    reached = {name: record.state for name, record in records(world) if record.state in DECIDED}
    for name, node in world.nodes.items():
        record = node.record if isinstance(node, Coordinator) else world.saved[name] if node is None else None
        if isinstance(record, CoordinatorRecord) and record.state is not None:
            reached[name] = record.state
    return reached


def agreement(world: World) -> bool:
    """No two nodes have decided differently, nodes that are down included."""
    return len(set(decisions(world).values())) <= 1


def validity(world: World) -> bool:
    """Where somebody has committed, every participant has promised to."""
    noted = dict(records(world))
    if State.COMMITTED not in decisions(world).values():
        return True
    names = {name for record in noted.values() for name in record.succession[1:]}
    return all(name in noted and noted[name].state is not State.ABORTED for name in names)


def undecided(world: World) -> list[str]:
    """Return the participants that are up, were never down, have voted yes and have not decided."""
    return [
        name
        for name, node in sorted(world.nodes.items())
        if isinstance(node, Participant) and node.record and not node.is_decided and not node.is_recovering
    ]


def is_decided(world: World) -> bool:
    """Return whether nobody who was never down waits for a decision."""
    return not undecided(world)
