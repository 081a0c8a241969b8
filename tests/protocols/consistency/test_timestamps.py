"""Logical clocks: their rules by hand, every pair of events of seeded runs, every order of events of a small
instance."""

import pytest

from distlib.broken.consistency.timestamps import (
    CountsOnlyItsOwn,
    ForgetsItsClock,
    MergesWithoutTicking,
    ReceivesWithoutListening,
)
from distlib.checkers.happened_before import CausalOrder
from distlib.experiments.consistency.timestamps import chatter, small, stamp_trace, told_stamps
from distlib.models.latency import Exponential
from distlib.node import ReadClock, Save, Send, SetTimer
from distlib.protocols.consistency.timestamps import (
    CausalHistory,
    Errand,
    Happen,
    LamportClock,
    Process,
    Tell,
    VectorClock,
    clock_condition,
    concurrent,
    converse_holds,
    happened_before,
)
from distlib.runtimes.exploration import Verdict, explore
from distlib.runtimes.faults import Crash, Link, Network
from distlib.runtimes.simulation import simulate

LOSSY = Network(Link(Exponential(0.005), loss_probability=0.2, duplicate_probability=0.2))

# ------------------------------------------------------------------------------------------------------------- clocks


def test_lamport_clock_counts_its_own_events_and_goes_above_what_comes_in() -> None:
    clock = LamportClock("a").tick().tick()
    assert clock.stamp == (2, "a")
    assert clock.receive((7, "b")).stamp == (8, "a")
    assert clock.receive((1, "b")).stamp == (3, "a")


def test_equal_lamport_numbers_are_told_apart_by_name() -> None:
    assert LamportClock("a").tick().stamp < LamportClock("b").tick().stamp


def test_vector_clock_takes_the_larger_of_each_entry_and_counts_the_arrival() -> None:
    clock = VectorClock("b", (("a", 1), ("b", 2)))
    assert clock.receive((("a", 3), ("c", 1))).stamp == (("a", 3), ("b", 3), ("c", 1))


def test_vectors_say_before_after_or_neither() -> None:
    first, second, other = (("a", 1),), (("a", 1), ("b", 1)), (("c", 1),)
    assert happened_before(first, second)
    assert not happened_before(second, first)
    assert not happened_before(first, first)
    assert concurrent(first, other)
    assert not concurrent(first, second)
    assert not concurrent(first, first)


def test_causal_history_holds_the_past_of_the_sender() -> None:
    sent = CausalHistory("a").tick().tick()
    assert CausalHistory("b").receive(sent.stamp).stamp == {("a", 1), ("a", 2), ("b", 1)}


# ------------------------------------------------------------------------------------------------------------ process


def test_a_process_makes_its_clocks_durable_before_it_tells_anyone() -> None:
    process = Process((LamportClock("a"),), (Errand((1, 2), ("b",)),))
    node, effects = process.on_start(None)
    assert effects == (SetTimer("errand", (1, 2)),)
    node, effects = node.on_timer("errand")
    assert effects == (Save((LamportClock("a", 1),)), Send("b", Tell(((1, "a"),))))
    assert node.log == (((1, "a"),),)


def test_a_process_that_reads_its_clock_stamps_with_the_reading() -> None:
    node, effects = Process((LamportClock("a"),), reads_clock=True).on_message("b", Tell(((4, "b"),)))
    assert effects == (ReadClock("event"),)
    node, effects = node.on_clock("event", 0.5)
    assert node.log == (((5, "a"),),)
    assert node.pending is None


def test_a_process_goes_on_after_a_crash_where_its_clock_was() -> None:
    node, _ = Process((LamportClock("a"),)).on_start((LamportClock("a", 9),))
    node, effects = node.on_message("around", Happen(("b",)))
    assert effects[-1] == Send("b", Tell(((10, "a"),)))


# --------------------------------------------------------------------------------------------------------------- runs


@pytest.mark.parametrize("seed", range(8))
def test_stamps_keep_the_clock_condition_under_loss_copies_and_crashes(seed: int) -> None:
    crash = [Crash("b", 0.02, restart_after_seconds=0.01)]
    trace = simulate(chatter(rounds=8), seed=seed, network=LOSSY, faults=crash).trace
    order, told = CausalOrder(trace), told_stamps(trace)
    assert set(told) == {event.number for event in order.events}
    assert order.broken_by({number: stamps[0] for number, stamps in told.items()}) == []
    vectors = {number: stamps[1] for number, stamps in told.items()}
    assert order.broken_by(vectors, happened_before) == [] == order.misled_by(vectors, happened_before)


def test_what_a_trace_is_given_afterwards_orders_like_what_the_processes_said() -> None:
    trace = simulate(chatter(rounds=5), seed=2).trace
    told = told_stamps(trace)
    given = stamp_trace(trace, VectorClock)
    pairs = list(CausalOrder(trace).pairs())
    assert all(happened_before(given[e], given[f]) == happened_before(told[e][1], told[f][1]) for e, f in pairs)


# --------------------------------------------------------------------------------------------------------- exploration


def test_clock_condition_holds_in_every_order_of_events_with_a_crash() -> None:
    found = explore(small(LamportClock), always={"condition": clock_condition}, crashes=1).require_holds()
    assert found.states == 6_206


def test_vectors_keep_the_converse_as_well() -> None:
    claims = {"condition": clock_condition, "converse": converse_holds}
    assert explore(small(VectorClock), always=claims, crashes=1).require_holds().states == 5_857


def test_a_smaller_lamport_number_does_not_mean_before() -> None:
    found = explore(small(LamportClock), always={"converse": converse_holds})
    assert found.verdict is Verdict.VIOLATED
    assert found.violations["converse"][-1].time_seconds == 2


@pytest.mark.parametrize(
    ("nodes", "steps"),
    [
        (small(ReceivesWithoutListening), 2),
        (small(MergesWithoutTicking), 2),
        (small(CountsOnlyItsOwn), 4),
        (small(LamportClock, process_class=ForgetsItsClock), 3),
    ],
    ids=["does not listen", "does not tick", "counts its own", "forgets"],
)
def test_a_clock_with_a_mistake_breaks_the_condition(nodes: dict, steps: int) -> None:
    found = explore(nodes, always={"condition": clock_condition}, crashes=1)
    assert found.violations["condition"][-1].time_seconds == steps
