"""Chang and Roberts' election on a ring: its handlers, runs, and every order of messages on small rings."""

import pytest

from distlib.experiments.consistency.leader_election import ring
from distlib.models.latency import Exponential
from distlib.node import Send
from distlib.protocols.consistency.chang_roberts import (
    Elected,
    Probe,
    RingProcess,
    all_know_the_highest,
    leader_is_the_highest,
)
from distlib.runtimes.exploration import explore
from distlib.runtimes.faults import Link, Lose, Network
from distlib.runtimes.simulation import simulate


def test_a_higher_number_goes_on_and_a_lower_one_does_not() -> None:
    node = RingProcess(5, "next")
    passed, effects = node.on_message("before", Probe(7))
    assert (passed.participates, effects) == (True, (Send("next", Probe(7)),))
    assert passed.on_message("before", Probe(3)) == (passed, ())


def test_a_lower_number_wakes_a_process_that_takes_no_part() -> None:
    node, effects = RingProcess(5, "next").on_message("before", Probe(3))
    assert (node.participates, effects) == (True, (Send("next", Probe(5)),))


def test_whoever_gets_its_own_number_back_leads_and_says_so_once() -> None:
    node, effects = RingProcess(5, "next", participates=True).on_message("before", Probe(5))
    assert (node.leader, effects) == (5, (Send("next", Elected(5)),))
    assert node.on_message("before", Elected(5)) == (node, ())


def test_the_announcement_goes_on_to_the_neighbour() -> None:
    node, effects = RingProcess(2, "next", participates=True).on_message("before", Elected(5))
    assert (node.leader, node.participates, effects) == (5, False, (Send("next", Elected(5)),))


def test_everybody_learns_the_highest_whatever_the_legs_take() -> None:
    network = Network(Link(Exponential(0.01)))
    for seed in range(10):
        run = simulate(ring([3, 7, 1, 9, 4, 2]), seed=seed, network=network, always={"highest": leader_is_the_highest})
        assert all_know_the_highest(run.world)


@pytest.mark.parametrize(("numbers", "states"), [([1, 2, 3, 4], 1193), ([4, 3, 2, 1], 5660), ([1, 2, 3, 4, 5], 7907)])
def test_every_order_of_messages_elects_the_highest(numbers: list[int], states: int) -> None:
    found = explore(
        ring(numbers),
        always={"highest": leader_is_the_highest},
        eventually_possible={"all know": all_know_the_highest},
        done=all_know_the_highest,
    )
    assert found.require_holds().states == states


def test_one_lost_probe_of_the_highest_and_nobody_is_ever_elected() -> None:
    run = simulate(ring([1, 2, 3]), seed=1, faults=[Lose("p3", "p1", 1)])
    assert {node.leader for node in run.nodes.values()} == {None}
