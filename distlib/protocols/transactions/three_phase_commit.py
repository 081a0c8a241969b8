"""Three-phase commit: a round between vote and decision, so that a crash leaves nobody in doubt. And what it assumes.

Sources: Skeen, *Nonblocking Commit Protocols* (1981), for the protocol and for what any such protocol needs; Bernstein,
Hadzilacos and Goodman, *Concurrency Control and Recovery in Database Systems* (1987), section 7.5, for the termination
protocol with its election.

Theory of operation
-------------------
Phase one is that of two-phase commit: the coordinator asks every participant to :class:`Prepare`, and each votes. A
participant that has voted yes is *uncertain*. When all have voted yes, phase two tells them just that
(:class:`PreCommit`), and each acknowledges: it is *precommitted*. Phase three is the decision. So nobody commits while
another participant that is up is still uncertain: whoever is uncertain may infer that nobody has committed, and
whoever is precommitted that nobody has aborted.

A participant that waits in vain takes the leader for dead, and turns to the next in the *succession*: the coordinator
first, then the participants in order. The one whose turn it is leads the *termination*: it collects the states, and

1. decides what one of them has decided;
2. aborts if none is precommitted;
3. otherwise moves the uncertain ones to precommitted, and commits.

Who has reported to a leader no longer obeys an earlier one. Who comes back after a crash takes no part in a
termination, since it cannot know what was decided meanwhile. It asks until it is told.

Durable are the vote and the decision, as in two-phase commit. That it is precommitted a participant keeps in memory: a
crash forgets it, and who was down asks anyway.

Assumptions
-----------
Nodes crash and may come back. A message between two nodes that are up arrives within a known bound, and every patience
is longer than that: so whoever is taken for dead is down, and nothing that it sent to the one that waited for it is
still on its way. What happens where this does not hold, as in a partition, is what the chapter is about.

One transaction: the nodes are those of this transaction. Left out: locks and balances, which the module on two-phase
commit has, and what to do when all have failed, for which one has to know who failed last.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    with_entry,
)

Patience: TypeAlias = tuple[float, float]


class State(Enum):
    """Where a node stands."""

    WORKING = "working"
    """It has not voted. A coordinator is working until it has decided."""
    UNCERTAIN = "uncertain"
    """It has voted yes and knows no more."""
    PRECOMMITTED = "precommitted"
    """It knows that all have voted yes."""
    COMMITTED = "committed"
    ABORTED = "aborted"

    @staticmethod
    def of(commit: bool) -> State:
        """Return the state that a decision leads to."""
        return State.COMMITTED if commit else State.ABORTED

    def __str__(self) -> str:
        return self.value


DECIDED = frozenset({State.COMMITTED, State.ABORTED})


# ---------------------------------------------------------------------------------------------------------- messages


@dataclass(frozen=True)
class Begin:
    """Client to coordinator: run the transaction, or tell me what became of it."""

    def __str__(self) -> str:
        return "begin"


@dataclass(frozen=True)
class Prepare:
    """Coordinator to participant: promise to commit, if you can."""

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

    def __str__(self) -> str:
        return "precommit"


@dataclass(frozen=True)
class Acknowledge:
    """Participant to leader: I know that all have voted yes."""

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
    """To whoever may know: tell me what became of it."""

    def __str__(self) -> str:
        return "?"


@dataclass(frozen=True)
class AskState:
    """Leader of a termination to participant: I lead now, tell me where you stand."""

    def __str__(self) -> str:
        return "state?"


@dataclass(frozen=True)
class Report:
    """Participant to the leader of a termination: here I stand."""

    state: State

    def __str__(self) -> str:
        return self.state.value


CoordinatorMessage: TypeAlias = Begin | Vote | Acknowledge | Inquire | Decision
ParticipantMessage: TypeAlias = Prepare | PreCommit | Acknowledge | Decision | Inquire | AskState | Report


# ------------------------------------------------------------------------------------------------------- coordinator


@dataclass(frozen=True)
class Coordinator(Node[CoordinatorMessage, State]):
    """Collects votes, tells that all have voted yes, collects acknowledgements, decides.

    Parameters
    ----------
    participants
        Their names, in the order of succession.
    client
        Who asks for the transaction. Without one it begins at its first boot.
    patience_seconds
        How long it waits, as a range, for votes or acknowledgements, before it takes the missing ones for dead.
    inquiries
        How often it asks for the outcome after a crash.
    """

    participants: tuple[str, ...]
    client: str | None = None
    patience_seconds: Patience = (1.0, 1.0)
    inquiries: int = 1000
    state: State = State.WORKING
    awaited: frozenset[str] = frozenset()
    """Whose vote or acknowledgement is missing."""
    is_voting: bool = False
    recovered: bool = False

    def on_start(self, saved: State | None) -> Step[Self]:
        if saved is None:
            node, effects = (self, ()) if self.client else self.begin()
            # Durable before the first request: after a crash it must know that it may have begun.
            return node, (Save(State.WORKING), *effects)
        node = replace(self, state=saved, recovered=True)
        return (node, ()) if saved in DECIDED else node.inquire()

    def on_message(self, source: str, message: CoordinatorMessage) -> Step[Self]:
        match message:
            case Begin() | Inquire():
                if self.state in DECIDED:
                    return self, (Send(source, Decision(self.state is State.COMMITTED)),)
                fresh = isinstance(message, Begin) and not (self.is_voting or self.awaited or self.recovered)
                return self.begin() if fresh else (self, ())
            case Vote():
                return self.on_vote(source, message)
            case Acknowledge():
                return self.on_acknowledge(source)
            case Decision():
                return (self, ()) if self.state in DECIDED else self.decide(message.commit, waits_for="outcome")
            case _:
                assert_never(message)

    def begin(self) -> Step[Self]:
        """Phase one: ask for the votes."""
        node = replace(self, is_voting=True, awaited=frozenset(self.participants))
        return node, (SetTimer("votes", self.patience_seconds), *_to(self.participants, Prepare()))

    def on_vote(self, source: str, message: Vote) -> Step[Self]:
        """Abort at the first no. When all have voted yes, begin phase two."""
        if not self.is_voting or source not in self.awaited:
            return self, ()
        if not message.yes:
            return self.decide(False, waits_for="votes")
        node = replace(self, awaited=self.awaited - {source})
        return (node, ()) if node.awaited else node.precommit()

    def precommit(self) -> Step[Self]:
        """Phase two: tell all that all have voted yes."""
        node = replace(self, is_voting=False, awaited=frozenset(self.participants))
        timers: Effects = (CancelTimer("votes"), SetTimer("acknowledgements", self.patience_seconds))
        return node, timers + _to(self.participants, PreCommit())

    def on_acknowledge(self, source: str) -> Step[Self]:
        """When all have acknowledged, nobody who is up is uncertain: commit."""
        if self.is_voting or source not in self.awaited:
            return self, ()
        node = replace(self, awaited=self.awaited - {source})
        return (node, ()) if node.awaited else node.decide(True, waits_for="acknowledgements")

    def decide(self, commit: bool, *, waits_for: str | None = None) -> Step[Self]:
        """Phase three: make the decision durable, then tell it. The timer of what it waited for is cancelled."""
        node = replace(self, state=State.of(commit), is_voting=False, awaited=frozenset())
        timers = (CancelTimer(waits_for),) if waits_for else ()
        told = ((self.client,) if self.client else ()) + self.participants
        return node, (*timers, Save(node.state), *_to(told, Decision(commit)))

    def on_timer(self, name: str) -> Step[Self]:
        if name == "outcome":
            return self.inquire()
        # A vote is missing: abort. An acknowledgement is missing: that participant will ask when it is back.
        return self.decide(name == "acknowledgements")

    def inquire(self) -> Step[Self]:
        """After a crash: ask all participants for the outcome, and again later. Others may have decided without it."""
        if self.inquiries == 0:
            return self, ()
        node = replace(self, inquiries=self.inquiries - 1)
        return node, (*_to(self.participants, Inquire()), SetTimer("outcome", self.patience_seconds))


# ------------------------------------------------------------------------------------------------------- participant


@dataclass(frozen=True)
class Participant(Node[ParticipantMessage, State]):
    """Votes, follows the leader, and leads when its turn comes.

    Parameters
    ----------
    name
        Its own name.
    succession
        The names of the coordinator and of all participants: who leads when all before it are dead.
    can_commit
        Whether it votes yes.
    patience_seconds
        How long it waits, as a range, before it takes the one that it waits for for dead.
    inquiries
        How often it asks for the outcome after a crash.
    """

    name: str
    succession: tuple[str, ...]
    can_commit: bool = True
    patience_seconds: Patience = (1.0, 1.0)
    inquiries: int = 1000
    state: State = State.WORKING
    leader: int = 0
    """Whom it follows, as a place in the succession."""
    reports: Table[str, State] = ()
    """While it leads: the states that it knows, its own among them."""
    unacknowledged: frozenset[str] | None = None
    """While it leads, once it has told a precommit: who has not acknowledged."""
    askers: frozenset[str] = frozenset()
    """Who asked for the outcome before it was known here."""
    recovered: bool = False
    """Whether it was down at some time: then it takes no part in a termination."""

    def on_start(self, saved: State | None) -> Step[Self]:
        if saved is None:
            return self, (Save(State.WORKING),)
        node = replace(self, state=saved, recovered=True)
        if saved is State.WORKING:
            return node.decide(False)  # It has promised nothing.
        return (node, ()) if saved in DECIDED else node.inquire()

    def on_message(self, source: str, message: ParticipantMessage) -> Step[Self]:
        match message:
            case Prepare():
                return self.on_prepare(source)
            case PreCommit():
                return self.on_precommit(source)
            case Acknowledge():
                return self.on_acknowledge(source)
            case Decision():
                return (self, ()) if self.state in DECIDED else self.decide(message.commit)
            case Inquire():
                return self.on_inquire(source)
            case AskState():
                return self.on_ask_state(source)
            case Report():
                return self.on_report(source, message)
            case _:
                assert_never(message)

    # ------------------------------------------------------------------------------------------- phases one to three

    def on_prepare(self, source: str) -> Step[Self]:
        """Vote. The vote is durable before it is sent."""
        if self.state is not State.WORKING:
            return self, (Send(source, Vote(self.state is not State.ABORTED)),)
        if not self.can_commit:
            node, effects = self.decide(False)
            return node, (*effects, Send(source, Vote(False)))
        node = replace(self, state=State.UNCERTAIN)
        return node, (Save(node.state), Send(source, Vote(True)), self.wait())

    def on_precommit(self, source: str) -> Step[Self]:
        """Note, in memory, that all have voted yes; unless it has turned to a later leader."""
        if self.state is State.WORKING or self.state in DECIDED or not self.obeys(source):
            return self, ()
        node = replace(self, leader=self.rank(source), state=State.PRECOMMITTED)
        return node, (Send(source, Acknowledge()), self.wait())

    def decide(self, commit: bool, *, announce: bool = False) -> Step[Self]:
        """Make the decision durable; tell it to those who asked, and as the leader of a termination to all."""
        node = replace(self, state=State.of(commit), reports=(), unacknowledged=None, askers=frozenset())
        timers = tuple(CancelTimer(name) for name in ("leader", "reports", "acknowledgements", "outcome"))
        told = sorted(self.askers.union(self.others() if announce else ()))
        return node, (*timers, Save(node.state), *_to(told, Decision(commit)))

    def on_inquire(self, source: str) -> Step[Self]:
        """Tell what is known; abort what was not voted on; otherwise tell as soon as it is known."""
        if self.state is State.WORKING:
            node, effects = self.decide(False)
            return node, (*effects, Send(source, Decision(False)))
        if self.state in DECIDED:
            return self, (Send(source, Decision(self.state is State.COMMITTED)),)
        # The one that asks may wait for just this: an earlier leader's decision may still come here, and only here.
        return (self, ()) if source in self.askers else (replace(self, askers=self.askers | {source}), ())

    # --------------------------------------------------------------------------------------------------- termination

    def on_leader_silent(self) -> Step[Self]:
        """Take the leader for dead, and turn to the next in the succession, who may be oneself."""
        place = self.leader + 1
        if place in (self.rank(self.name), len(self.succession)):
            return replace(self, leader=self.rank(self.name)).lead()
        node = replace(self, leader=place)
        # The next one may have decided long ago, and then it does not lead: so it is asked.
        return node, (Send(node.succession[node.leader], Inquire()), self.wait())

    def lead(self) -> Step[Self]:
        """Ask all other participants where they stand."""
        node = replace(self, reports=((self.name, self.state),))
        if not self.others():
            return node.terminate()
        return node, (SetTimer("reports", self.patience_seconds), *_to(self.others(), AskState()))

    def on_ask_state(self, source: str) -> Step[Self]:
        """Report, and from now on obey no earlier leader. Who was down meanwhile has nothing to report."""
        if self.state is State.WORKING:
            node, effects = self.decide(False)
            return node, (*effects, Send(source, Report(State.ABORTED)))
        if self.state in DECIDED:
            return self, (Send(source, Report(self.state)),)
        if not self.obeys(source):
            return self, ()
        node = replace(self, leader=self.rank(source), reports=(), unacknowledged=None)
        gone = (CancelTimer("reports"), CancelTimer("acknowledgements")) if self.reports else ()
        return node, (*gone, Send(source, Report(self.state)), self.wait())

    def on_report(self, source: str, message: Report) -> Step[Self]:
        """Collect the states; when all are there, or one has decided, terminate."""
        if not self.reports or self.unacknowledged is not None:
            return self, ()
        node = replace(self, reports=with_entry(self.reports, source, message.state))
        return node.terminate() if message.state in DECIDED or not node.awaited else (node, ())

    def terminate(self) -> Step[Self]:
        """Decide by the states that were reported; those who did not report are dead."""
        states = {state for _, state in self.reports}
        if states & DECIDED:
            return self.decide(State.COMMITTED in states, announce=True)
        if State.PRECOMMITTED not in states:
            return self.decide(False, announce=True)
        uncertain = frozenset(name for name, state in self.reports if state is State.UNCERTAIN) - {self.name}
        node = replace(self, state=State.PRECOMMITTED, unacknowledged=uncertain)
        if not uncertain:
            return node.decide(True, announce=True)
        timers: Effects = (CancelTimer("reports"), SetTimer("acknowledgements", self.patience_seconds))
        return node, timers + _to(sorted(uncertain), PreCommit())

    def on_acknowledge(self, source: str) -> Step[Self]:
        """Commit when nobody who is up is uncertain any more."""
        if not self.unacknowledged or source not in self.unacknowledged:
            return self, ()
        node = replace(self, unacknowledged=self.unacknowledged - {source})
        return (node, ()) if node.unacknowledged else node.decide(True, announce=True)

    def on_timer(self, name: str) -> Step[Self]:
        match name:
            case "leader":
                return self.on_leader_silent()
            case "outcome":
                return self.inquire()
            case "reports":
                return self.terminate()
            case _:
                return self.decide(True, announce=True)

    # ------------------------------------------------------------------------------------------------------- helpers

    def inquire(self) -> Step[Self]:
        """After a crash: ask everyone for the outcome, and again later."""
        if self.inquiries == 0:
            return self, ()
        node = replace(self, inquiries=self.inquiries - 1)
        asked = (self.succession[0], *self.others())
        return node, (*_to(asked, Inquire()), SetTimer("outcome", self.patience_seconds))

    def wait(self) -> SetTimer:
        """Wait for the leader."""
        return SetTimer("leader", self.patience_seconds)

    def others(self) -> tuple[str, ...]:
        """Return the names of the other participants."""
        return tuple(name for name in self.succession[1:] if name != self.name)

    def rank(self, name: str) -> int:
        """Return the place of a name in the succession."""
        return self.succession.index(name)

    def obeys(self, source: str) -> bool:
        """Return whether it would follow that leader: it has not turned to a later one, and was never down."""
        return not self.recovered and self.rank(source) >= self.leader

    @property
    def awaited(self) -> frozenset[str]:
        """Whom it waits for, and would take for dead."""
        if self.recovered or self.state in DECIDED | {State.WORKING}:
            return frozenset()
        if self.unacknowledged is not None:
            return self.unacknowledged
        if self.reports:
            return frozenset(self.others()) - {name for name, _ in self.reports}
        return frozenset({self.succession[self.leader]})


def _to(targets: Sequence[str], message: CoordinatorMessage | ParticipantMessage) -> Effects:
    return tuple(Send(target, message) for target in targets)


# ------------------------------------------------------------------------------------------------------------ client


@dataclass(frozen=True)
class Client(Node[Decision, None]):
    """Asks the coordinator for the transaction, and asks again if no answer comes.

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
        node = replace(self, is_open=True)
        return node, (Invoke("transaction"), Send(self.coordinator, Begin()), SetTimer("retry", self.retry_seconds))

    def on_message(self, source: str, message: Decision) -> Step[Self]:
        if not self.is_open:
            return self, ()
        outcome = Outcome.OK if message.commit else Outcome.FAIL
        return replace(self, is_open=False), (CancelTimer("retry"), Complete(None, outcome))

    def on_timer(self, name: str) -> Step[Self]:
        if self.retries == 0:
            return replace(self, is_open=False), (Complete(None, Outcome.UNKNOWN),)
        node = replace(self, retries=self.retries - 1)
        return node, (Send(self.coordinator, Begin()), SetTimer("retry", self.retry_seconds))


# -------------------------------------------------------------------------------------------------------- invariants


def standings(world: World) -> dict[str, State]:
    """Return where each node stands, by name: in memory where it is up, on disk where it is down."""
    found = {}
    for name, node in sorted(world.nodes.items()):
        state = node.state if isinstance(node, Coordinator | Participant) else world.saved[name]
        if isinstance(state, State):
            found[name] = state
    return found


def agreement(world: World) -> bool:
    """No two nodes have decided differently, nodes that are down included."""
    return not set(standings(world).values()) >= DECIDED


def uncertain(world: World) -> list[str]:
    """Return the participants that are up, were never down, have voted yes and have not decided: those that wait."""
    return [name for name, node in sorted(world.nodes.items()) if isinstance(node, Participant) and node.awaited]
