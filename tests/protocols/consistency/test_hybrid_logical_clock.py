"""Hybrid logical clocks: the rules by hand, adversarial skew, any readings whatsoever, and what the counter needs."""

from functools import partial

import pytest

from distlib.broken.consistency.hybrid_logical_clock import RestartsTheCounter, TrustsOnlyTheHardware
from distlib.checkers.happened_before import CausalOrder
from distlib.experiments.consistency.timestamps import chatter, lead_seconds, small, told_stamps
from distlib.models.consistency.hybrid_logical_clock import counter_bound, lead_bound_seconds
from distlib.models.latency import Constant, Exponential
from distlib.node import World
from distlib.protocols.consistency.hybrid_logical_clock import (
    HybridClock,
    counter_within,
    lead_ticks,
    never_above,
    never_behind_its_reading,
)
from distlib.protocols.consistency.timestamps import Process, clock_condition
from distlib.runtimes.exploration import explore
from distlib.runtimes.faults import Clock, Link, Network
from distlib.runtimes.simulation import simulate

SECONDS = partial(HybridClock, tick_seconds=1.0)
READINGS = (0.0, 1.0)


def test_an_event_takes_the_reading_where_it_grew_and_counts_where_it_did_not() -> None:
    clock = SECONDS("a").tick(5.9)
    assert clock.stamp == (5, 0)
    assert clock.tick(5.0).stamp == (5, 1)
    assert clock.tick(3.0).stamp == (5, 1)
    assert clock.tick(6.0).stamp == (6, 0)


@pytest.mark.parametrize(
    ("stamp", "reading", "expected"),
    [
        ((5, 7), 4.0, (5, 8)),  # both have the same l: above the larger counter
        ((5, 1), 4.0, (5, 4)),
        ((6, 7), 4.0, (6, 8)),  # theirs is larger
        ((4, 7), 4.0, (5, 4)),  # the own one is larger
        ((6, 7), 9.0, (9, 0)),  # the reading is larger than both
    ],
)
def test_an_arrival_goes_above_the_counters_that_belong_to_the_largest_time(
    stamp: tuple[int, int], reading: float, expected: tuple[int, int]
) -> None:
    assert SECONDS("a", time=5, counter=3).receive(stamp, reading).stamp == expected


def test_a_stamp_that_is_too_far_ahead_is_refused() -> None:
    clock = SECONDS("a", largest_lead=3)
    assert clock.receive((13, 0), 10.0).stamp == (13, 1)
    assert clock.receive((14, 0), 10.0).stamp == (10, 0)


def test_the_lead_reaches_its_bound_exactly_where_messages_take_no_time() -> None:
    lead, _ = lead_seconds(0.004, 0.004, Constant(0.0), seed=1)
    assert lead == pytest.approx(lead_bound_seconds(0.004), abs=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_the_lead_keeps_its_bound_and_the_counter_its_own_under_adversarial_skew(seed: int) -> None:
    lead, counter = lead_seconds(0.004, 0.004, Exponential(0.001), seed=seed)
    assert 0 < lead <= lead_bound_seconds(0.004)
    # Four nodes, clocks of a microsecond: events are farther apart than that.
    assert counter <= counter_bound(4, 8000)


def test_one_clock_that_is_an_hour_ahead_takes_all_along_unless_its_stamps_are_refused() -> None:
    def run(largest_lead: int | None) -> list[int]:
        nodes = chatter(rounds=6, make=lambda name: (HybridClock(name, largest_lead=largest_lead),), reads_clock=True)
        return lead_ticks(simulate(nodes, seed=1, clocks={"a": Clock(3600.0)}).world)

    assert sum(lead > 3_000_000_000 for lead in run(None)) == 2
    assert max(run(500_000)) < 500_000


def test_the_clock_condition_holds_whatever_the_readings() -> None:
    claims = {
        "condition": clock_condition,
        "never behind": never_behind_its_reading,
        "never above": never_above(1),
    }
    found = explore(small(SECONDS, reads_clock=True), clock_readings=READINGS, always=claims).require_holds()
    assert found.states == 5_461


def test_the_counter_exceeds_its_bound_where_clocks_stand_still() -> None:
    claims = {"counter": counter_within(counter_bound(3, 1))}
    found = explore(small(SECONDS, reads_clock=True), clock_readings=READINGS, always=claims)
    assert found.violations["counter"][-1].time_seconds == 7


@pytest.mark.parametrize("clock", [RestartsTheCounter, TrustsOnlyTheHardware])
def test_a_hybrid_clock_with_a_mistake_breaks_the_condition(clock: type[HybridClock]) -> None:
    nodes = small(partial(clock, tick_seconds=1.0), reads_clock=True)
    found = explore(nodes, clock_readings=READINGS, always={"condition": clock_condition})
    assert found.violations["condition"][-1].time_seconds == 2


@pytest.mark.parametrize("seed", range(4))
def test_stamps_keep_the_condition_in_runs_with_skew_and_drift(seed: int) -> None:
    nodes = chatter(rounds=8, make=lambda name: (HybridClock(name),), reads_clock=True)
    clocks = {"a": Clock(0.05, drift=0.01), "b": Clock(-0.05, drift=-0.01)}
    network = Network(Link(Exponential(0.003), duplicate_probability=0.2))
    trace = simulate(nodes, seed=seed, clocks=clocks, network=network).trace
    stamps = {number: stamps[0] for number, stamps in told_stamps(trace).items()}
    assert CausalOrder(trace).broken_by(stamps) == []


def test_predicates_are_false_where_a_clock_is_off() -> None:
    def world(clock: HybridClock) -> World:
        return World(nodes={"a": Process((clock,)), "b": None}, saved={})

    assert not never_behind_its_reading(world(HybridClock("a", time=1, reading=2)))
    assert not never_above(4)(world(HybridClock("a", time=5)))
    assert not counter_within(4)(world(HybridClock("a", counter=5)))
