"""Single-decree Paxos: its handlers, every order of events of small instances, a duel, and four mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from distlib.broken.consistency.paxos import CountsHalf, ForgetsItsPromise, InsistsOnItsValue, TakesTheFirstValue
from distlib.experiments.consistency.paxos import duel, synod, third_ballot, two_quorums
from distlib.models.consistency.paxos import Duel
from distlib.models.latency import Exponential
from distlib.node import Node, Save, Send, World
from distlib.protocols.consistency.paxos import (
    Accept,
    Accepted,
    Acceptor,
    Learner,
    Prepare,
    Promise,
    Proposal,
    Proposer,
    Votes,
    agreement,
    chosen,
    validity,
)
from distlib.runtimes.exploration import explore
from distlib.runtimes.faults import CrashRandomly, Link, Network
from distlib.runtimes.simulation import simulate

SAFE = {"agreement": agreement, "validity": validity}
P, Q = Proposal(1, "P"), Proposal(2, "Q")


def proposer(**options: Any) -> Proposer:
    return Proposer("P", frozenset({"a1", "a2", "a3"}), **options)


# --------------------------------------------------------------------------------------------------------- handlers


def test_a_promise_is_durable_before_it_is_told() -> None:
    node, effects = Acceptor(("l",)).on_message("p", Prepare(3))
    assert node.votes == Votes(3)
    assert effects == (Save(Votes(3)), Send("p", Promise(3, None)))


def test_an_acceptor_tells_what_it_has_accepted_and_refuses_what_is_older() -> None:
    node = Acceptor(("l",), Votes(2, Q))
    assert node.on_message("p", Prepare(1)) == (node, ())
    assert node.on_message("p", Accept(P)) == (node, ())
    _, effects = node.on_message("r", Prepare(3))
    assert effects[1] == Send("r", Promise(3, Q))


def test_an_acceptor_accepts_what_it_has_promised_and_tells_all_learners() -> None:
    node, effects = Acceptor(("l", "m"), Votes(2)).on_message("q", Accept(Q))
    assert node.votes == Votes(2, Q)
    assert effects == (Save(Votes(2, Q)), Send("l", Accepted(Q)), Send("m", Accepted(Q)))


def test_a_proposer_saves_its_ballot_before_it_asks_and_never_uses_it_twice() -> None:
    node, _ = proposer(number=2, proposer_count=3).on_start(None)
    node, effects = node.on_timer("begin")
    assert effects[:2] == (Save(2), Send("a1", Prepare(2)))
    recovered, _ = proposer(number=2, proposer_count=3).on_start(2)
    again, effects = recovered.on_timer("begin")
    assert (again.ballot, effects[0]) == (5, Save(5))


def test_a_proposer_takes_the_value_of_the_highest_ballot_it_is_told_of() -> None:
    node, _ = proposer(number=3, proposer_count=3).on_start(None)
    node, _ = node.on_timer("begin")
    node, effects = node.on_message("a1", Promise(3, P))
    assert effects == ()
    node, effects = node.on_message("a2", Promise(3, Q))
    assert effects == tuple(Send(name, Accept(Proposal(3, "Q"))) for name in ("a1", "a2", "a3"))
    assert node.on_message("a3", Promise(3, None)) == (node, ())


def test_a_promise_that_comes_twice_counts_once() -> None:
    node, _ = proposer().on_start(None)
    node, _ = node.on_timer("begin")
    node, _ = node.on_message("a1", Promise(1, None))
    assert node.on_message("a1", Promise(1, None)) == (node, ())


def test_a_proposer_stops_when_a_quorum_has_accepted_anybody_s_ballot() -> None:
    node, _ = proposer(number=3, proposer_count=3).on_start(None)
    node, _ = node.on_message("a1", Accepted(P))
    node, _ = node.on_message("a2", Accepted(Q))
    assert not node.is_done
    node, _ = node.on_message("a3", Accepted(Q))
    assert node.is_done
    assert node.on_timer("begin") == (node, ())


def test_a_learner_counts_acceptors_by_ballot() -> None:
    node = Learner(2)
    for source, proposal in (("a1", P), ("a1", P), ("a2", Q)):
        node, _ = node.on_message(source, Accepted(proposal))
    assert node.learned == frozenset()
    node, _ = node.on_message("a3", Accepted(Q))
    assert node.learned == {"Q"}


def test_what_is_on_its_way_to_a_learner_counts_as_chosen() -> None:
    on_its_way = tuple((name, "learner", Accepted(P)) for name in ("a1", "a2"))
    assert chosen(World({"learner": Learner(2)}, {"learner": None}, on_its_way)) == {"P"}
    assert chosen(World({"learner": Learner(2)}, {"learner": None}, on_its_way[:1])) == frozenset()


# ------------------------------------------------------------------------------------------------------- exploration


def test_two_proposers_choose_one_value_in_every_order_of_events_and_are_never_stuck() -> None:
    found = explore(
        synod(3, (1, 1)),
        messages="set",
        always={"agreement": agreement},
        eventually_possible={"a value is chosen": lambda world: bool(chosen(world))},
    ).require_holds()
    assert (found.states, found.generated, found.depth) == (133_225, 994_231, 27)


def test_they_do_with_a_crash_of_the_acceptor_that_both_quorums_share() -> None:
    found = explore(
        two_quorums(),
        messages="set",
        crashes={"a2": 1},
        always=SAFE,
        sometimes={name: lambda world, name=name: name in chosen(world) for name in ("P", "Q")},
    ).require_holds()
    assert (found.states, found.generated, found.depth) == (5_271, 34_281, 23)


def test_a_third_ballot_finds_out_what_the_second_has_chosen() -> None:
    found = explore(third_ballot(), messages="set", always={"agreement": agreement}).require_holds()
    assert found.states == 1_541


@pytest.mark.parametrize(
    ("nodes", "crashes", "steps"),
    [
        (two_quorums(ForgetsItsPromise), {"a2": 1}, 16),
        (synod(3, proposer_class=InsistsOnItsValue), 0, 14),
        (third_ballot(TakesTheFirstValue), 0, 7),
        (synod(2, proposer_class=CountsHalf, quorum_size=1), 0, 8),
    ],
    ids=["forgets its promise", "insists on its value", "takes the first value", "counts half"],
)
def test_each_mistake_lets_two_values_be_chosen(
    nodes: Mapping[str, Node[Any, Any]], crashes: int | dict[str, int], steps: int
) -> None:
    found = explore(nodes, crashes=crashes, always={"agreement": agreement}, stop_at_violation=True)
    assert found.violations["agreement"][-1].time_seconds == steps


# -------------------------------------------------------------------------------------------------------- simulation


def test_a_duel_without_back_off_goes_on_for_ever() -> None:
    run = duel(Duel(0.010, 0.030, 0.0, 0.015), seed=1, until_seconds=2.0)
    assert not chosen(run.world)
    assert run.counts.sent_by_class["Prepare"] > 100


def test_a_duel_with_back_off_ends_and_both_hear_of_it() -> None:
    run = duel(Duel(0.010, 0.030, 0.020, 0.015), seed=1)
    assert run.ended == "quiet"
    assert len(chosen(run.world)) == 1
    assert all(run.nodes[name].is_done for name in ("p", "q"))  # type: ignore[union-attr]


@pytest.mark.parametrize("seed", range(20))
def test_one_value_is_chosen_whatever_is_lost_copied_and_crashes(seed: int) -> None:
    members = frozenset({"a1", "a2", "a3"})
    told = ("learner", "p", "q", "r")
    nodes: dict[str, Node[Any, Any]] = {
        name: Proposer(name.upper(), members, number, 3, patience_seconds=(0.02, 0.2))
        for number, name in enumerate(("p", "q", "r"), start=1)
    }
    nodes |= {name: Acceptor(told) for name in sorted(members)} | {"learner": Learner(2)}
    run = simulate(
        nodes,
        seed=seed,
        network=Network(Link(Exponential(0.005), loss_probability=0.1, duplicate_probability=0.1)),
        faults=[CrashRandomly(("a1", "a2", "a3", "p", "q"), Exponential(0.3), Exponential(0.05))],
        save_latency=Exponential(0.001),
        until_seconds=6.0,
        always={"agreement": agreement, "validity": validity},
        record=False,
    )
    assert len(chosen(run.world)) == 1
