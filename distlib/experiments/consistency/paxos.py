"""Single-decree Paxos on the bench: instances to explore, and a duel of two proposers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from distlib.models.consistency.paxos import Duel
from distlib.models.latency import Constant
from distlib.node import Node, Step
from distlib.protocols.consistency.paxos import Accepted, Acceptor, Learner, Prepare, Proposal, Proposer, Votes, chosen
from distlib.runtimes.faults import Link, Network
from distlib.runtimes.simulation import Run, simulate
from distlib.runtimes.trace import Kind

__all__ = ["Audience", "ballots_until_chosen", "duel", "synod", "third_ballot", "two_quorums"]

Nodes = dict[str, Node[Any, Any]]


@dataclass(frozen=True)
class Audience(Learner):
    """Is told and keeps no count: where no message is ever used up, those that were sent are count enough."""

    def on_message(self, source: str, message: Accepted) -> Step[Self]:
        return self, ()


def synod(
    acceptor_count: int = 3,
    attempts: tuple[int, ...] = (1, 1),
    *,
    acceptor_class: type[Acceptor] = Acceptor,
    proposer_class: type[Proposer] = Proposer,
    learner_class: type[Learner] = Audience,
    quorum_size: int | None = None,
) -> Nodes:
    """Return proposers p, q … with a value of their own each, acceptors a1, a2 … and a learner.

    Parameters
    ----------
    acceptor_count
        How many acceptors.
    attempts
        How many ballots each proposer begins at most.
    acceptor_class, proposer_class
        To put broken ones in.
    learner_class
        By default one that does not count, so that there is less to explore.
    quorum_size
        What the learner takes for a quorum; None: a majority.
    """
    acceptors = tuple(f"a{number}" for number in range(1, acceptor_count + 1))
    members = frozenset(acceptors)
    nodes: Nodes = {}
    for number, limit in enumerate(attempts, start=1):
        name = "pqrs"[number - 1]
        nodes[name] = proposer_class(name.upper(), members, number, len(attempts), attempts=limit)
    nodes |= {name: acceptor_class(("learner",)) for name in acceptors}
    return nodes | {"learner": learner_class(quorum_size or acceptor_count // 2 + 1)}


def two_quorums(acceptor_class: type[Acceptor] = Acceptor) -> Nodes:
    """Return two proposers of which each asks a majority of three acceptors only: they have a2 in common."""
    return {
        "p": Proposer("P", frozenset({"a1", "a2"}), 1, 2, attempts=1),
        "q": Proposer("Q", frozenset({"a2", "a3"}), 2, 2, attempts=1),
        **{name: acceptor_class(("learner",)) for name in ("a1", "a2", "a3")},
        "learner": Audience(2),
    }


def third_ballot(proposer_class: type[Proposer] = Proposer) -> Nodes:
    """Return three acceptors that know two proposals, and a third proposer that is to find out.

    Ballot 1 got P accepted by a1 alone. Ballot 2 had not heard of that, and got Q accepted by a2 and a3: it is chosen.
    """
    first, second = Proposal(1, "P"), Proposal(2, "Q")
    told = ("learner",)
    acceptors = frozenset({"a1", "a2", "a3"})
    return {
        "r": proposer_class("R", acceptors, 3, 3, attempts=1),
        "a1": Acceptor(told, Votes(1, first)),
        "a2": Acceptor(told, Votes(2, second)),
        "a3": Acceptor(told, Votes(2, second)),
        "learner": Learner(2, ((first, frozenset({"a1"})), (second, frozenset({"a2", "a3"}))), frozenset({"Q"})),
    }


def duel(timing: Duel, *, seed: int, until_seconds: float | None = None) -> Run:
    """Simulate two proposers that outbid each other, until a value is chosen and both have heard of it.

    Parameters
    ----------
    timing
        Legs, patience and the distance of the two first ballots.
    seed, until_seconds
        See :func:`~distlib.runtimes.simulation.simulate`.
    """
    acceptors = frozenset({"a1", "a2", "a3"})
    patience = (timing.patience_seconds, timing.patience_seconds + timing.back_off_seconds)
    listeners = ("learner", "p", "q")
    starts = {"p": 0.0, "q": timing.gap_seconds}
    nodes: Nodes = {
        name: Proposer(name.upper(), acceptors, number, 2, (starts[name],) * 2, patience)
        for number, name in enumerate(("p", "q"), start=1)
    }
    nodes |= {name: Acceptor(listeners) for name in sorted(acceptors)}
    nodes["learner"] = Learner(2)
    network = Network(Link(Constant(timing.leg_seconds)))
    return simulate(nodes, seed=seed, network=network, until_seconds=until_seconds, max_events=100_000)


def ballots_until_chosen(run: Run) -> int:
    """Return how many ballots were begun up to the one that was chosen, itself included."""
    learner = run.nodes["learner"]
    assert isinstance(learner, Learner)
    if not chosen(run.world):
        raise ValueError(f"`run` must have chosen a value, got none in {run.time_seconds} s")
    winner = next(proposal for proposal, names in learner.heard if len(names) >= learner.quorum_size)
    order = []
    for event in run.trace.of(Kind.SEND, where=lambda event: isinstance(event.value, Prepare)):
        if event.value.ballot not in order:
            order.append(event.value.ballot)
    return order.index(winner.ballot) + 1
