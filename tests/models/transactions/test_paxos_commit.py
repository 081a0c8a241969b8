"""The models of Paxos Commit: the paper's counts, limits and identities, a second route, errors for bad input."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from distlib.models.latency import Constant, Exponential, LogNormal, Pareto
from distlib.models.order_statistics import maximum_mean
from distlib.models.transactions import two_phase_commit
from distlib.models.transactions.paxos_commit import (
    PROTOCOLS,
    Bill,
    acceptor_unavailability,
    commit_bill,
    commit_latency_mean,
    commit_latency_quantile,
    commit_latency_sf,
    naive_commit_latency,
)
from distlib.models.transactions.two_phase_commit import CommitTiming

ROWS = json.loads((Path(__file__).parents[2] / "data" / "curriculum_values.json").read_text())
REFERENCE = {row["id"]: row["value"] for row in ROWS}
TWO, THREE, PAXOS, FASTER = PROTOCOLS


def test_published_counts_for_five_managers_and_one_fault() -> None:
    assert [commit_bill(each, 5, 1).messages for each in PROTOCOLS] == [12, 20, 17, 20]
    assert commit_bill(PAXOS, 5, 1, co_located=False).messages == REFERENCE["3b.7"]
    assert commit_bill(FASTER, 5, 1, co_located=False).messages == REFERENCE["3b.8"]
    assert commit_bill(TWO, 5, co_located=False) == Bill(4, 14, 6)
    assert [commit_bill(each, 5, 1, co_located=False).message_delays for each in PROTOCOLS] == [4, 6, 5, 4]


@pytest.mark.parametrize("count", [2, 5, 9])
def test_without_faults_to_tolerate_it_is_two_phase_commit(count: int) -> None:
    assert commit_bill(PAXOS, count, 0) == commit_bill(FASTER, count, 0) == commit_bill(TWO, count)


def test_with_one_manager_and_one_acceptor_three_legs_follow_each_other() -> None:
    timing = CommitTiming(1, LogNormal(0.001, 0.7), None, 0.001, 0.002)
    assert commit_latency_mean(timing, 0) == pytest.approx(naive_commit_latency(timing), rel=1e-4)


@pytest.mark.parametrize("faults", [0, 1])
def test_constant_legs_have_no_maximum(faults: int) -> None:
    timing = CommitTiming(5, Constant(0.001), None, 0.001, 0.002)
    assert commit_latency_mean(timing, faults) == pytest.approx(0.006, rel=1e-4)
    assert commit_latency_sf(timing, [0.0059, 0.0061], faults) == pytest.approx([1.0, 0.0])


def test_one_acceptor_adds_a_leg_to_two_phase_commit() -> None:
    timing = CommitTiming(5, Exponential(0.001), None, 0.001, 0.002)
    expected = two_phase_commit.commit_latency_mean(timing) + 0.001
    assert commit_latency_mean(timing, 0) == pytest.approx(expected, rel=1e-4)


def test_independent_paths_would_be_slower_than_paths_that_share_their_requests() -> None:
    # Were the F + 1 paths independent, the slowest of them would be later: what they share pulls them together.
    law = Exponential(0.001)
    shared = commit_latency_mean(CommitTiming(1, law), 1)
    exponentials = np.random.default_rng(7).gamma(3, 0.001, size=(200_000, 2)).max(axis=1)
    assert shared < exponentials.mean()
    # For N = 1 the request is common: A + max over j of (B_j + C_j), which is a mean and an order statistic.
    trip = CommitTiming(1, law).round_trip
    assert shared == pytest.approx(0.001 + maximum_mean(trip, 2), rel=1e-4)


def test_mean_survival_and_quantile_belong_together() -> None:
    timing = CommitTiming(3, Exponential(0.001), None, 0.001, 0.002)
    times = np.linspace(0, 0.04, 401)
    assert np.trapezoid(commit_latency_sf(timing, times), times) == pytest.approx(commit_latency_mean(timing), rel=1e-3)
    assert float(commit_latency_sf(timing, commit_latency_quantile(timing, 0.9))) == pytest.approx(0.1, rel=1e-6)


def test_a_heavy_tail_ends() -> None:
    timing = CommitTiming(2, Pareto(0.000375, 1.6))
    assert commit_latency_mean(timing, 0) == pytest.approx(
        two_phase_commit.commit_latency_mean(timing) + 0.001, rel=3e-3
    )


def test_one_acceptor_is_a_coordinator_and_three_fail_two_at_a_time() -> None:
    assert float(acceptor_unavailability(0, 0.01)) == pytest.approx(0.01)
    assert float(acceptor_unavailability(1, 0.01)) == pytest.approx(3 * 0.01**2 * 0.99 + 0.01**3)
    assert math.isclose(float(acceptor_unavailability(3, 0.5)), 0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: commit_bill("one-phase commit", 5), "`protocol` must be one of 'two-phase commit', "),
        (lambda: commit_bill(PAXOS, 2, 2), "`resource_manager_count` must be a whole number of at least 3, got 2"),
        (lambda: commit_bill(PAXOS, 5, -1), "`fault_count` must be a whole number of at least 0, got -1"),
        (lambda: commit_latency_mean(CommitTiming(5, Constant(1.0)), 3), r"`fault_count` must be in \[0, 2\], got 3"),
        (
            lambda: commit_latency_quantile(CommitTiming(5, Constant(1.0)), 1.0),
            r"`probability` must be in \(0, 1\), got",
        ),
    ],
)
def test_what_is_out_of_range_is_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
