"""Paxos for a single decision: several may propose, one value is chosen, and it stays chosen.

Source: Lamport, *Paxos Made Simple* (ACM SIGACT News 32(4), 2001), section 2; the letters of the phases are those of
common use.

Theory of operation
-------------------
A *ballot* is an attempt to get a value chosen; its number belongs to one proposer.

- 1a. A proposer picks a ballot above all that it has used, and asks the acceptors to :class:`Prepare`.
- 1b. An acceptor that has seen no higher ballot *promises* to accept nothing below this one, and tells which proposal
  it has accepted last, if any.
- 2a. With promises from a quorum the proposer asks to :class:`Accept` a value: that of the highest ballot among the
  proposals it was told of, and only if there was none, its own.
- 2b. An acceptor accepts unless it has promised a higher ballot, and tells the learners.

A value is *chosen* once a quorum has accepted one ballot. Any two quorums meet. So whoever prepares a higher ballot
afterwards hears of that value from at least one acceptor, and has to propose it again.

Promise and acceptance are made durable before they are told, and so is the proposer's ballot: after a crash it must not
use it for another value.

Assumptions
-----------
Nodes crash and recover with their durable value. Messages may be lost, duplicated, delayed and reordered without bound.
Nothing guarantees that a ballot ends before the next begins: two proposers may outbid each other for ever.

Left out: refusals. An acceptor is silent where it may not comply, and a proposer tries again when its patience ends.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, assert_never

from distlib.node import Node, Save, Send, SetTimer, Step, Table, World, entry

__all__ = [
    "Accept",
    "Accepted",
    "Acceptor",
    "Learner",
    "Prepare",
    "Promise",
    "Proposal",
    "Proposer",
    "Votes",
    "agreement",
    "chosen",
    "validity",
]


@dataclass(frozen=True)
class Proposal:
    """A value that was put forward in a ballot."""

    ballot: int
    value: str

    def __str__(self) -> str:
        return f"{self.value}@{self.ballot}"


@dataclass(frozen=True)
class Prepare:
    """1a, proposer to acceptor: promise me this ballot."""

    ballot: int

    def __str__(self) -> str:
        return f"prepare {self.ballot}"


@dataclass(frozen=True)
class Promise:
    """1b, acceptor to proposer: nothing below this ballot any more; and this I have accepted last."""

    ballot: int
    accepted: Proposal | None

    def __str__(self) -> str:
        return f"promise {self.ballot}" + (f", had {self.accepted}" if self.accepted else "")


@dataclass(frozen=True)
class Accept:
    """2a, proposer to acceptor: accept this."""

    proposal: Proposal

    def __str__(self) -> str:
        return f"accept {self.proposal}"


@dataclass(frozen=True)
class Accepted:
    """2b, acceptor to learner: I have accepted this."""

    proposal: Proposal

    def __str__(self) -> str:
        return f"accepted {self.proposal}"


# ---------------------------------------------------------------------------------------------------------- acceptor


@dataclass(frozen=True)
class Votes:
    """What an acceptor makes durable."""

    promised: int = 0
    accepted: Proposal | None = None

    def __str__(self) -> str:
        return f"promised {self.promised}" + (f", accepted {self.accepted}" if self.accepted else "")


@dataclass(frozen=True)
class Acceptor(Node[Prepare | Accept, Votes]):
    """Promises, accepts, and forgets neither.

    Parameters
    ----------
    learners
        Whom it tells what it has accepted.
    votes
        What it has promised and accepted at first.
    """

    learners: tuple[str, ...]
    votes: Votes = Votes()

    def on_start(self, saved: Votes | None) -> Step[Self]:
        return replace(self, votes=saved or self.votes), ()

    def on_message(self, source: str, message: Prepare | Accept) -> Step[Self]:
        match message:
            case Prepare():
                return self.on_prepare(source, message)
            case Accept():
                return self.on_accept(message)
            case _:
                assert_never(message)

    def on_prepare(self, source: str, message: Prepare) -> Step[Self]:
        """1b: promise, if no higher ballot was promised."""
        if message.ballot < self.votes.promised:
            return self, ()
        node = replace(self, votes=replace(self.votes, promised=message.ballot))
        return node, (Save(node.votes), Send(source, Promise(message.ballot, self.votes.accepted)))

    def on_accept(self, message: Accept) -> Step[Self]:
        """2b: accept, if no higher ballot was promised."""
        if message.proposal.ballot < self.votes.promised:
            return self, ()
        node = replace(self, votes=Votes(message.proposal.ballot, message.proposal))
        told = tuple(Send(learner, Accepted(message.proposal)) for learner in self.learners)
        return node, (Save(node.votes), *told)


# ---------------------------------------------------------------------------------------------------------- proposer


@dataclass(frozen=True)
class Proposer(Node[Promise | Accepted, int]):
    """Tries to get a value chosen, its own or one that may be chosen already.

    Parameters
    ----------
    value
        What it proposes if it is free to.
    acceptors
        Whom it asks.
    number, proposer_count
        Which proposer it is, from 1, and of how many: its ballots are number, number + proposer_count and so on.
    start_seconds
        How long it waits, as a range, before its first ballot.
    patience_seconds
        How long it waits, as a range, for its value to be accepted before it begins another ballot.
    attempts
        How many ballots it begins at most; None: any number.
    """

    value: str
    acceptors: frozenset[str]
    number: int = 1
    proposer_count: int = 1
    start_seconds: tuple[float, float] = (0.0, 0.0)
    patience_seconds: tuple[float, float] = (0.1, 0.2)
    attempts: int | None = None
    ballot: int = 0
    promises: frozenset[tuple[str, Promise]] = frozenset()
    """What it was promised in this ballot, and by whom."""
    is_asking: bool = False
    """Whether it has asked to accept in this ballot."""
    accepted: frozenset[tuple[int, str]] = frozenset()
    """(ballot, acceptor) for each acceptance that it has heard of, in its own ballots and in those of others."""
    is_done: bool = False

    def on_start(self, saved: int | None) -> Step[Self]:
        return replace(self, ballot=saved or 0), (SetTimer("begin", self.start_seconds),)

    def on_timer(self, name: str) -> Step[Self]:
        """1a: begin another ballot."""
        ballot = self.ballot + self.proposer_count if self.ballot else self.number
        if self.is_done or (
            self.attempts is not None and ballot > self.number + self.proposer_count * (self.attempts - 1)
        ):
            return self, ()
        node = replace(self, ballot=ballot, promises=frozenset(), is_asking=False)
        asked = tuple(Send(acceptor, Prepare(ballot)) for acceptor in sorted(self.acceptors))
        return node, (Save(ballot), *asked, SetTimer("begin", self.patience_seconds))

    def on_message(self, source: str, message: Promise | Accepted) -> Step[Self]:
        match message:
            case Promise():
                return self.on_promise(source, message)
            case Accepted():
                return self.on_accepted(source, message)
            case _:
                assert_never(message)

    def on_promise(self, source: str, message: Promise) -> Step[Self]:
        """2a: with promises from a quorum, ask to accept."""
        if message.ballot != self.ballot or self.is_asking:
            return self, ()
        if (source, message) in self.promises:
            return self, ()
        node = replace(self, promises=self.promises | {(source, message)})
        if not node.is_quorum(frozenset(name for name, _ in node.promises)):
            return node, ()
        node = replace(node, is_asking=True)
        proposal = Proposal(self.ballot, node.free_value())
        return node, tuple(Send(acceptor, Accept(proposal)) for acceptor in sorted(self.acceptors))

    def free_value(self) -> str:
        """Return the value of the highest ballot that the promises tell of; its own, if they tell of none."""
        told = [promise.accepted for _, promise in self.promises if promise.accepted is not None]
        return max(told, key=lambda proposal: proposal.ballot).value if told else self.value

    def is_quorum(self, names: frozenset[str]) -> bool:
        """Return whether these acceptors are a quorum: more than half of all."""
        return 2 * len(names) > len(self.acceptors)

    def on_accepted(self, source: str, message: Accepted) -> Step[Self]:
        """Stop once a quorum has accepted one ballot, whosever it was."""
        ballot = message.proposal.ballot
        if self.is_done or (ballot, source) in self.accepted:
            return self, ()
        accepted = self.accepted | {(ballot, source)}
        names = frozenset(name for number, name in accepted if number == ballot)
        return replace(self, accepted=accepted, is_done=self.is_quorum(names)), ()


# ----------------------------------------------------------------------------------------------------------- learner


@dataclass(frozen=True)
class Learner(Node[Accepted, None]):
    """Learns what was chosen: what a quorum has accepted in one ballot.

    Parameters
    ----------
    quorum_size
        How many acceptors are a quorum.
    """

    quorum_size: int
    heard: Table[Proposal, frozenset[str]] = ()
    learned: frozenset[str] = frozenset()
    """The values that it has seen chosen. More than one would be a disaster."""

    def on_start(self, saved: None) -> Step[Self]:
        return self, ()

    def on_message(self, source: str, message: Accepted) -> Step[Self]:
        known = entry(self.heard, message.proposal) or frozenset[str]()
        if source in known:
            return self, ()
        heard = dict(self.heard) | {message.proposal: known | {source}}
        in_order = tuple(sorted(heard.items(), key=lambda pair: (pair[0].ballot, pair[0].value)))
        learned = frozenset(each.value for each, names in in_order if len(names) >= self.quorum_size)
        return replace(self, heard=in_order, learned=learned), ()


# -------------------------------------------------------------------------------------------------------- invariants


def chosen(world: World) -> frozenset[str]:
    """Return the values that were chosen, as far as learners have heard or messages on their way to them tell."""
    values: set[str] = set()
    for name, node in sorted(world.nodes.items()):
        if isinstance(node, Learner):
            heard = dict(node.heard)
            for source, target, message in world.in_flight:
                if target == name and isinstance(message, Accepted):
                    heard[message.proposal] = heard.get(message.proposal, frozenset()) | {source}
            values |= {proposal.value for proposal, names in heard.items() if len(names) >= node.quorum_size}
    return frozenset(values)


def agreement(world: World) -> bool:
    """At most one value is chosen."""
    return len(chosen(world)) <= 1


def validity(world: World) -> bool:
    """What is chosen was proposed by somebody; needs proposers that are up, or values named after them."""
    proposed = {node.value for node in world.nodes.values() if isinstance(node, Proposer)}
    is_anyone_down = any(node is None for node in world.nodes.values())
    return is_anyone_down or chosen(world) <= proposed
