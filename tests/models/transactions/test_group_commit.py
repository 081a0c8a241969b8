"""The models of group commit: published values, limits, identities, a queue drawn by hand, and bad arguments."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from distlib.models.transactions.group_commit import (
    best_count,
    closed_loop_commits_per_force,
    constant_service_wait_mean,
    count_latency_mean,
    greedy_batch_mean,
    greedy_batch_probabilities,
    greedy_latency_mean,
    naive_count_latency_mean,
    naive_greedy_latency,
    saturated_throughput,
    timer_added_seconds_mean,
    timer_batch_mean,
)

ROWS = json.loads((Path(__file__).parents[2] / "data" / "curriculum_values.json").read_text())
REFERENCE = {row["id"]: (row["value"], row["rtol"]) for row in ROWS}


@pytest.mark.parametrize(
    ("identifier", "value"),
    [
        ("3c.1", 1000 * greedy_latency_mean(1000, 0.002)),
        ("3c.2", greedy_batch_mean(1000, 0.002)),
        ("3c.3", 1000 * greedy_latency_mean(1000, 0.002, 0.0002)),
        ("3c.4", greedy_batch_mean(1000, 0.002, 0.0002)),
        ("3c.5", constant_service_wait_mean(2.4, 1.0, 3)),
        ("3c.6", best_count(1000, 0.002)),
        ("3c.7", 1000 * count_latency_mean(1000, 0.002, 3)),
        ("3c.8", 1000 * timer_added_seconds_mean(1000, 0.005)),
    ],
)
def test_reference_values(identifier: str, value: float) -> None:
    expected, relative = REFERENCE[identifier]
    assert math.isclose(value, expected, rel_tol=relative)


def test_a_greedy_log_takes_one_force_when_idle_and_half_a_force_more_when_busy() -> None:
    assert greedy_latency_mean(1e-6, 0.002) == pytest.approx(0.002)
    assert greedy_latency_mean(1e5, 0.002) == pytest.approx(0.003)
    latencies = [greedy_latency_mean(rate, 0.002) for rate in np.geomspace(1, 5000, 40)]
    assert all(np.diff(latencies) > 0)
    assert max(latencies) <= naive_greedy_latency(0.002) * (1 + 1e-12)


def test_the_chain_of_batches_has_the_closed_form_as_its_limit() -> None:
    assert greedy_latency_mean(1000, 0.002, 1e-12) == pytest.approx(greedy_latency_mean(1000, 0.002), rel=1e-8)
    assert greedy_batch_mean(1000, 0.002, 1e-12) == pytest.approx(greedy_batch_mean(1000, 0.002), rel=1e-8)


@pytest.mark.parametrize(("rate", "record"), [(10, 0.0), (1000, 0.0), (1000, 0.0005), (3000, 0.0002)])
def test_batches_are_a_distribution_that_keeps_up_with_the_arrivals(rate: float, record: float) -> None:
    sizes, shares = greedy_batch_probabilities(rate, 0.002, record)
    assert shares.sum() == pytest.approx(1)
    # As many records leave in a cycle as come in one: a flush, and the wait for a first record if none came.
    seconds = 0.002 + sizes * record
    cycle = shares @ (seconds + np.exp(-rate * seconds) / rate)
    assert sizes @ shares == pytest.approx(rate * cycle, rel=1e-9)


def test_one_server_is_the_formula_of_pollaczek_and_khinchine() -> None:
    for load in (0.1, 0.5, 0.9):
        assert constant_service_wait_mean(load, 1.0, 1) == pytest.approx(load / (2 * (1 - load)), rel=1e-10)


def test_batches_of_one_are_a_queue_of_single_records() -> None:
    assert count_latency_mean(300, 0.002, 1) == pytest.approx(0.002 + 0.002 * 0.6 / (2 * 0.4))
    assert naive_count_latency_mean(300, 0.002, 1) == pytest.approx(count_latency_mean(300, 0.002, 1))


def test_full_batches_come_more_evenly_than_at_random_so_they_wait_less() -> None:
    for count in (3, 4, 6):
        assert count_latency_mean(1000, 0.002, count) < naive_count_latency_mean(1000, 0.002, count)


def by_recursion(rate: float, flush: float, count: int, batches: int, seed: int) -> np.ndarray:
    """Return the waits of full batches at one disk, one after another, by Lindley's recursion."""
    gaps = np.random.default_rng(seed).gamma(count, 1 / rate, batches)
    waits = np.zeros(batches)
    for place in range(1, batches):
        waits[place] = max(0.0, waits[place - 1] + flush - gaps[place])
    return waits[1000:]


def test_the_wait_of_full_batches_is_that_of_a_queue_with_erlang_arrivals() -> None:
    waits = by_recursion(1000, 0.002, 3, 120_000, seed=4)
    means = waits[: len(waits) // 50 * 50].reshape(50, -1).mean(axis=1)
    predicted = constant_service_wait_mean(1000, 0.002, 3)
    assert abs(means.mean() - predicted) < 3.5 * means.std() / math.sqrt(50)


def test_the_best_count_is_the_least_of_all_and_a_greedy_log_is_better_still() -> None:
    for rate in (100, 1000, 5000):
        best = best_count(rate, 0.002)
        least = count_latency_mean(rate, 0.002, best)
        assert least <= min(count_latency_mean(rate, 0.002, count) for count in range(best, best + 20))
        assert greedy_latency_mean(rate, 0.002) <= least * (1 + 1e-12)


def test_a_timer_of_no_length_adds_nothing_and_a_long_one_half_of_itself() -> None:
    assert timer_added_seconds_mean(1000, 0.0) == 0
    assert timer_added_seconds_mean(1e6, 1.0) == pytest.approx(0.5, rel=1e-5)
    assert timer_added_seconds_mean(1e-6, 1.0) == pytest.approx(1.0, rel=1e-5)
    assert timer_batch_mean(1000, 0.005) == pytest.approx(6)


def test_a_client_alone_has_each_force_to_itself_and_many_share_it_by_halves() -> None:
    assert closed_loop_commits_per_force(1) == closed_loop_commits_per_force(2) == 1
    assert closed_loop_commits_per_force(12) == 6


def test_throughput_of_full_batches_ends_where_records_take_all_the_time() -> None:
    assert saturated_throughput(1, 0.002, 0.0) == pytest.approx(500)
    assert saturated_throughput(10**6, 0.002, 0.001) == pytest.approx(1000, rel=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: greedy_latency_mean(0, 0.002), "`arrivals_per_second` must be finite and above 0, got 0"),
        (lambda: greedy_latency_mean(1000, 0), "`flush_seconds` must be finite and above 0, got 0"),
        (lambda: greedy_batch_mean(1000, 0.002, 0.001), r"`record_seconds` must be below 1/λ = 0\.001"),
        (lambda: greedy_batch_mean(1e6, 0.01, 5e-7), "`arrivals_per_second` must leave batches of at most 3000"),
        (lambda: count_latency_mean(1000, 0.002, 2), "`servers` must be a whole number above λs = 2, got 2"),
        (lambda: best_count(1000, 0.002, most=2), "`most` must be at least 3, with which the disk keeps up, got 2"),
        (lambda: closed_loop_commits_per_force(0), "`client_count` must be at least 1, got 0"),
        (lambda: saturated_throughput(0, 0.1, 0.1), "`batch` must be at least 1, got 0"),
        (lambda: timer_added_seconds_mean(1000, -1), "`wait_seconds` must be finite and at least 0, got -1"),
    ],
)
def test_what_is_out_of_range_is_named_with_its_bound_and_value(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
