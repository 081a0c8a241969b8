"""The models of a log's cost: published values, limits, identities, a mechanism drawn by hand, and bad arguments."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from distlib.models.latency import Constant, Exponential, Pareto
from distlib.models.transactions.log_based import (
    best_checkpoint_interval,
    checkpoint_cost_per_second,
    distinct_redo_pages_mean,
    distinct_redo_pages_of,
    forced_commit_latency_mean,
    linear_best_checkpoint_interval,
    redo_records_mean,
    undo_records_mean,
    zipf_update_rates,
)

ROWS = json.loads((Path(__file__).parents[2] / "data" / "curriculum_values.json").read_text())
REFERENCE = {row["id"]: (row["value"], row["rtol"]) for row in ROWS}


def test_reference_value_of_the_pages_to_redo() -> None:
    expected, relative = REFERENCE["3c.9"]
    assert math.isclose(distinct_redo_pages_mean(100_000, 500, 300), expected, rel_tol=relative)


@pytest.mark.parametrize("leg", [Constant(0.003), Exponential(0.003), Pareto(0.001, 1.5)])
def test_a_forced_commit_takes_two_legs_and_a_force_whatever_the_law(leg: Constant | Exponential | Pareto) -> None:
    assert forced_commit_latency_mean(leg, 0.002) == pytest.approx(0.008)
    assert forced_commit_latency_mean(leg, 0.0, Constant(0.010)) == pytest.approx(0.013)


def test_short_intervals_redo_a_page_for_each_record_and_long_ones_every_page() -> None:
    assert distinct_redo_pages_mean(10**6, 3, 2) == pytest.approx(redo_records_mean(3, 2), rel=1e-5)
    assert distinct_redo_pages_mean(50, 1000, 10**5) == pytest.approx(50, rel=1e-6)
    assert distinct_redo_pages_mean(50, 0, 10) == distinct_redo_pages_mean(50, 10, 0) == 0


def test_pages_to_redo_grow_with_the_interval_and_never_beyond_the_records_or_the_pages() -> None:
    pages = [distinct_redo_pages_mean(200, 50, tau) for tau in np.geomspace(0.01, 1000, 60)]
    assert all(np.diff(pages) > 0)
    for tau, count in zip(np.geomspace(0.01, 1000, 60), pages, strict=True):
        assert count < min(200, redo_records_mean(50, tau))


def test_small_and_large_ratios_join_without_a_step() -> None:
    rates = np.array([1e-5 * (1 - 1e-9), 1e-5 * (1 + 1e-9)])
    below, above = (distinct_redo_pages_of([rate], 1.0) for rate in rates)
    assert below == pytest.approx(above, rel=1e-6)


def test_hot_pages_are_redone_once_so_skew_makes_redo_shorter() -> None:
    even = distinct_redo_pages_of(zipf_update_rates(1000, 0.0, 100), 10)
    assert even == pytest.approx(distinct_redo_pages_mean(1000, 100, 10))
    assert distinct_redo_pages_of(zipf_update_rates(1000, 1.0, 100), 10) < 0.6 * even


def test_zipf_rates_add_up_and_fall_in_proportion_to_their_rank() -> None:
    rates = zipf_update_rates(500, 0.8, 40.0)
    assert rates.sum() == pytest.approx(40)
    assert rates[0] / rates[9] == pytest.approx(10**0.8)


def test_pages_to_redo_are_those_that_random_changes_hit() -> None:
    generator, hit = np.random.default_rng(2), []
    for _ in range(2000):
        count = generator.poisson(5 * generator.uniform(0, 8))
        hit.append(len(set(generator.integers(0, 20, count).tolist())))
    error = np.std(hit) / math.sqrt(len(hit))
    assert abs(np.mean(hit) - distinct_redo_pages_mean(20, 5, 8)) < 3.5 * error


def test_undo_is_half_of_what_is_under_way() -> None:
    assert undo_records_mean(200, 0.1, 6) == pytest.approx(60)
    assert undo_records_mean(0, 0.1, 6) == 0


def test_the_square_root_is_where_its_cost_is_least() -> None:
    def recovery(tau: float) -> float:
        return 0.5 * tau / 2

    root = linear_best_checkpoint_interval(2.0, 1e-5, 0.5)
    least = checkpoint_cost_per_second(root, 2.0, 1e-5, recovery)
    for factor in (0.5, 0.9, 1.1, 2.0):
        assert checkpoint_cost_per_second(factor * root, 2.0, 1e-5, recovery) > least
    assert best_checkpoint_interval(2.0, 1e-5, recovery, longest_seconds=10**6) == pytest.approx(root, rel=1e-3)


def test_where_pages_saturate_the_square_root_asks_for_far_too_many_checkpoints() -> None:
    def recovery(tau: float) -> float:
        return 0.005 * distinct_redo_pages_mean(200, 50, tau)

    root = linear_best_checkpoint_interval(2.0, 1 / 86400, 0.005 * 50)
    assert best_checkpoint_interval(2.0, 1 / 86400, recovery, longest_seconds=86400) == 86400
    assert root < 1200


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: distinct_redo_pages_mean(0, 1, 1), "`page_count` must be at least 1, got 0"),
        (lambda: distinct_redo_pages_mean(1, -1, 1), "`updates_per_second` must be finite and at least 0, got -1"),
        (lambda: distinct_redo_pages_of([[1.0]], 1), "`updates_per_second` must hold a finite rate"),
        (lambda: redo_records_mean(1, math.inf), "`interval_seconds` must be finite and at least 0, got inf"),
        (lambda: zipf_update_rates(3, -1, 1), "`exponent` must be finite and at least 0, got -1"),
        (lambda: undo_records_mean(1, -0.1, 1), r"`duration_seconds` must be finite and at least 0, got -0\.1"),
        (
            lambda: forced_commit_latency_mean(Constant(0.1), -1),
            "`force_seconds` must be finite and at least 0, got -1",
        ),
        (lambda: checkpoint_cost_per_second(0, 1, 1, lambda tau: tau), "`interval_seconds` must be above 0, got 0"),
        (lambda: linear_best_checkpoint_interval(1, 0, 1), "`crashes_per_second` must be above 0, got 0"),
        (
            lambda: best_checkpoint_interval(1, 1, lambda tau: tau, longest_seconds=0),
            "`longest_seconds` must be above 0, got 0",
        ),
    ],
)
def test_what_is_out_of_range_is_named_with_its_bound_and_value(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_what_is_no_law_is_named() -> None:
    with pytest.raises(TypeError, match="`leg` must be a law"):
        forced_commit_latency_mean(0.001, 0.002)
