"""The models of three-phase commit: reference values, limits and identities, brute force, errors for bad input."""

import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from distlib.models.latency import Constant, Exponential, LogNormal
from distlib.models.transactions import two_phase_commit
from distlib.models.transactions.three_phase_commit import (
    commit_cost,
    commit_latency_law,
    commit_latency_mean,
    commit_latency_quantile,
    commit_latency_sf,
    decision_seconds_mean,
    inconsistency_probability,
    inconsistency_probability_mean,
    inconsistency_probability_with_coordinator,
    lock_hold_seconds_mean,
    naive_commit_latency,
    quorum_blocking_probability,
    worst_precommit_probability,
)
from distlib.models.transactions.two_phase_commit import CommitTiming

ROWS = json.loads((Path(__file__).parents[2] / "data" / "curriculum_values.json").read_text())
REFERENCE = {row["id"]: (row["value"], row["rtol"]) for row in ROWS}
EXPONENTIAL = Exponential(0.001)


@pytest.mark.parametrize(
    ("identifier", "compute"),
    [
        ("3b.1", lambda: float(inconsistency_probability(5, 0.3))),
        ("3b.2", lambda: float(inconsistency_probability_with_coordinator(5, 0.3))),
        ("3b.3", lambda: worst_precommit_probability(5)[1]),
        ("3b.4", lambda: worst_precommit_probability(5)[0]),
        ("3b.5", lambda: inconsistency_probability_mean(5)),
        ("3b.6", lambda: quorum_blocking_probability(4)),
        ("3b.9", lambda: 1000 * decision_seconds_mean(CommitTiming(5, EXPONENTIAL))),
    ],
)
def test_reference_value(identifier: str, compute: Callable[[], float]) -> None:
    expected, relative = REFERENCE[identifier]
    assert math.isclose(compute(), expected, rel_tol=relative)


def by_hand(count: int, q: float, side: float, *, coordinator_alive: bool) -> float:
    """Add up all ways to put each participant on a side, with or without a precommit."""
    total = 0.0
    for ways in itertools.product(((0, True), (0, False), (1, True), (1, False)), repeat=count):
        weight = math.prod((side if where == 0 else 1 - side) * (q if has else 1 - q) for where, has in ways)
        told = [{has for where, has in ways if where == number} for number in (0, 1)]
        decisions = {True in has for has in told if has}
        if coordinator_alive:
            decisions = {True} | ({True in told[1]} if told[1] else set())
        total += weight * (len(decisions) == 2)
    return total


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize(("q", "side"), [(0.3, 0.5), (0.7, 0.2), (0.05, 0.9)])
def test_the_partition_formulas_agree_with_adding_up_every_case(count: int, q: float, side: float) -> None:
    dead = float(inconsistency_probability(count, q, side))
    alive = float(inconsistency_probability_with_coordinator(count, q, side))
    assert dead == pytest.approx(by_hand(count, q, side, coordinator_alive=False), abs=1e-12)
    assert alive == pytest.approx(by_hand(count, q, side, coordinator_alive=True), abs=1e-12)


def test_nobody_or_everybody_told_or_one_side_empty_gives_no_inconsistency() -> None:
    assert inconsistency_probability(7, [0.0, 1.0]) == pytest.approx([0.0, 0.0], abs=1e-15)
    for side in (0.0, 1.0):
        assert float(inconsistency_probability(7, 0.4, side)) == pytest.approx(0.0, abs=1e-15)
    assert float(inconsistency_probability(1, 0.4)) == pytest.approx(0.0, abs=1e-15)


def test_without_a_coordinator_the_sides_are_alike() -> None:
    q = np.linspace(0, 1, 11)
    assert inconsistency_probability(6, q, 0.2) == pytest.approx(inconsistency_probability(6, q, 0.8))


def test_quorum_blocking_is_the_even_split() -> None:
    assert quorum_blocking_probability(5) == 0
    assert quorum_blocking_probability(2, 0.3) == pytest.approx(2 * 0.3 * 0.7)


def test_constant_legs_make_the_common_formula_right_and_others_do_not() -> None:
    constant = CommitTiming(8, Constant(0.001), None, 0.001, 0.002)
    assert commit_latency_mean(constant) == pytest.approx(naive_commit_latency(constant)) == pytest.approx(0.007)
    assert commit_latency_mean(CommitTiming(8, EXPONENTIAL)) > 1.5 * naive_commit_latency(CommitTiming(8, EXPONENTIAL))
    assert commit_latency_sf(constant, [0.0069, 0.0071]) == pytest.approx([1.0, 0.0])


def test_it_costs_one_more_slowest_round_trip_than_two_phase_commit() -> None:
    timing = CommitTiming(5, LogNormal(0.001, 0.8), None, 0.001, 0.002)
    without = CommitTiming(5, LogNormal(0.001, 0.8))
    gap = commit_latency_mean(timing) - two_phase_commit.commit_latency_mean(timing)
    assert gap == pytest.approx(two_phase_commit.commit_latency_mean(without))
    held = lock_hold_seconds_mean(timing) - two_phase_commit.lock_hold_seconds_mean(timing)
    assert held == pytest.approx(gap)


def test_law_mean_quantile_and_survival_belong_together() -> None:
    timing = CommitTiming(3, EXPONENTIAL, None, 0.001, 0.002)
    law = commit_latency_law(timing)
    assert law.mean() == pytest.approx(commit_latency_mean(timing), rel=1e-6)
    times = np.linspace(0, 0.05, 101)
    assert np.trapezoid(law.sf(times), times) == pytest.approx(law.mean(), rel=1e-3)
    one = CommitTiming(1, EXPONENTIAL)
    gamma = math.exp(-6) * (1 + 6 + 6**2 / 2 + 6**3 / 6)
    assert float(commit_latency_sf(one, 0.006)) == pytest.approx(gamma, rel=1e-4)
    p99 = commit_latency_quantile(timing, 0.99)
    assert float(commit_latency_sf(timing, p99)) == pytest.approx(0.01, rel=1e-4)


def test_cost_is_five_messages_a_participant() -> None:
    assert commit_cost(5).messages == 25


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: inconsistency_probability(0, 0.5), "`participant_count` must be a whole number of at least 1, got 0"),
        (lambda: inconsistency_probability(5, 1.5), r"`precommitted` must be in \[0, 1\], got 1.5"),
        (lambda: inconsistency_probability(5, 0.5, -0.1), r"`side` must be in \[0, 1\], got -0.1"),
        (lambda: worst_precommit_probability(1), "`participant_count` must be a whole number of at least 2, got 1"),
        (lambda: worst_precommit_probability(5, 1.0), r"`side` must be in \(0, 1\), got 1.0"),
    ],
)
def test_what_is_out_of_range_is_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
