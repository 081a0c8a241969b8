"""Single-decree Paxos on the bench: instances to explore, and a duel of two proposers."""

from __future__ import annotations

from typing import Any

from distlib.models.consistency.paxos import Duel
from distlib.models.latency import Constant
from distlib.node import Node
from distlib.protocols.consistency.paxos import Acceptor, Learner, Prepare, Proposer, chosen
from distlib.runtimes.faults import Link, Network
from distlib.runtimes.simulation import Run, simulate
from distlib.runtimes.trace import Kind

__all__ = ["ballots_until_chosen", "duel", "synod"]

Nodes = dict[str, Node[Any, Any]]


def synod(
    acceptor_count: int = 3,
    attempts: tuple[int, ...] = (1, 1),
    *,
    acceptor_class: type[Acceptor] = Acceptor,
    proposer_class: type[Proposer] = Proposer,
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
    quorum_size
        What the learner takes for a quorum; None: a majority.
    """
    acceptors = tuple(f"a{number}" for number in range(1, acceptor_count + 1))
    nodes: Nodes = {}
    for number, limit in enumerate(attempts, start=1):
        name = "pqrs"[number - 1]
        nodes[name] = proposer_class(name.upper(), acceptors, number, len(attempts), attempts=limit)
    nodes |= {name: acceptor_class(("learner",)) for name in acceptors}
    return nodes | {"learner": Learner(quorum_size or acceptor_count // 2 + 1)}


def duel(timing: Duel, *, seed: int, until_seconds: float | None = None) -> Run:
    """Simulate two proposers that outbid each other, until a value is chosen and both have heard of it.

    Parameters
    ----------
    timing
        Legs, patience and the distance of the two first ballots.
    seed, until_seconds
        See :func:`~distlib.runtimes.simulation.simulate`.
    """
    acceptors = ("a1", "a2", "a3")
    patience = (timing.patience_seconds, timing.patience_seconds + timing.back_off_seconds)
    listeners = ("learner", "p", "q")
    starts = {"p": 0.0, "q": timing.gap_seconds}
    nodes: Nodes = {
        name: Proposer(name.upper(), acceptors, number, 2, (starts[name],) * 2, patience)
        for number, name in enumerate(("p", "q"), start=1)
    }
    nodes |= {name: Acceptor(listeners) for name in acceptors}
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
