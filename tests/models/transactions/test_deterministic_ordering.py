"""The models of deterministic ordering: published values, limits, second routes, and errors for bad arguments."""

import json
import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from distlib.models.latency import Constant, Exponential, Law, LogNormal, Uniform
from distlib.models.order_statistics import OrderStatisticLaw
from distlib.models.sums import sum_of
from distlib.models.transactions.deterministic_ordering import (
    DeterministicTiming,
    answer_seconds_mean,
    conflict_probability,
    drain_seconds_mean,
    execution_seconds_mean,
    lock_hold_seconds_mean,
    naive_conflict_probability,
    naive_order_latency,
    order_latency_mean,
    overlap_probability,
)

ROWS = json.loads((Path(__file__).parents[2] / "data" / "curriculum_values.json").read_text())
REFERENCE = {row["id"]: (row["value"], row["rtol"]) for row in ROWS}


def legs(count: int, law: Law | None = None, **options: object) -> DeterministicTiming:
    return DeterministicTiming(count, law or Exponential(0.001), **options)


def test_reference_value_of_the_conflict_probability() -> None:
    expected, relative = REFERENCE["3c.12"]
    assert math.isclose(conflict_probability(500, 0.020, 4, 10_000), expected, rel_tol=relative)


def test_overlap_is_the_share_of_all_pairs_of_sets() -> None:
    sets = [frozenset(chosen) for chosen in combinations(range(8), 3)]
    share = sum(bool(sets[0] & other) for other in sets) / len(sets)
    assert overlap_probability(3, 8) == pytest.approx(share, rel=1e-12)
    assert overlap_probability(3, 8) == pytest.approx(1 - math.comb(5, 3) / math.comb(8, 3))
    assert overlap_probability(5, 8) == 1.0
    assert overlap_probability(4, 4) == 1.0


def test_overlap_grows_with_the_square_of_the_keys_and_the_usual_formula_does_not() -> None:
    for n in (2, 4, 8):
        assert overlap_probability(n, 10**9) == pytest.approx(n * n / 10**9, rel=1e-6)
        ratio = conflict_probability(1, 1, n, 10**9) / naive_conflict_probability(1, 1, n, 10**9)
        assert ratio == pytest.approx(n, rel=1e-6)


def test_no_conflict_without_commits_or_time_and_a_certain_one_with_enough() -> None:
    assert conflict_probability(0.0, 1.0, 2, 10) == 0.0
    assert conflict_probability(5.0, 0.0, 2, 10) == 0.0
    assert conflict_probability(1e6, 1.0, 2, 10) == 1.0


def test_two_partitions_with_exponential_legs_take_nine_quarters_of_a_leg() -> None:
    assert execution_seconds_mean(legs(2, Exponential(4.0))) == pytest.approx(9.0, rel=1e-8)
    assert lock_hold_seconds_mean(legs(2, Exponential(4.0))) == pytest.approx(5.0, rel=1e-8)


@pytest.mark.parametrize("law", [Exponential(0.002), Uniform(0.0, 0.004), LogNormal(0.001, 1.0)])
@pytest.mark.parametrize("count", [2, 5])
def test_execution_waits_for_the_slowest_of_all_ways_drawn_at_random(law: Law, count: int) -> None:
    generator, runs = np.random.default_rng(3), 200_000
    batch = law.rvs(size=runs * count, random_state=generator).reshape(count, runs)
    exchange = law.rvs(size=runs * (count - 1), random_state=generator).reshape(count - 1, runs)
    drawn = np.maximum(batch[0], (batch[1:] + exchange).max(axis=0))
    assert abs(drawn.mean() - execution_seconds_mean(legs(count, law))) < 3.5 * drawn.std() / math.sqrt(runs)


def test_constant_legs_make_the_usual_formula_right_and_others_make_it_too_low() -> None:
    constant = legs(4, Constant(0.003), epoch_seconds=0.010, sequencing=Constant(0.002))
    assert order_latency_mean(constant) == pytest.approx(0.005 + 0.002 + 0.006)
    assert naive_order_latency(constant) == pytest.approx(order_latency_mean(constant))
    assert order_latency_mean(legs(4)) > 1.1 * naive_order_latency(legs(4))


def test_one_partition_holds_no_lock_and_waits_for_one_leg() -> None:
    assert order_latency_mean(legs(1, epoch_seconds=0.010)) == pytest.approx(0.006)
    assert naive_order_latency(legs(1, epoch_seconds=0.010)) == pytest.approx(0.006)
    assert lock_hold_seconds_mean(legs(1)) == pytest.approx(0.0)


def test_a_replicated_log_adds_the_wait_for_its_majority() -> None:
    majority = OrderStatisticLaw(sum_of(Exponential(0.001), Exponential(0.001)), 1, 2)
    assert order_latency_mean(legs(3, sequencing=majority)) == pytest.approx(
        order_latency_mean(legs(3)) + 0.00125, rel=1e-6
    )


def test_the_client_adds_its_own_two_legs() -> None:
    assert answer_seconds_mean(legs(3)) == order_latency_mean(legs(3))
    assert answer_seconds_mean(legs(3), Exponential(0.004)) == pytest.approx(order_latency_mean(legs(3)) + 0.008)


def test_a_hot_record_drains_with_the_slowest_of_its_reads_and_not_one_after_another() -> None:
    assert drain_seconds_mean(legs(2), 1) == pytest.approx(execution_seconds_mean(legs(2)))
    assert drain_seconds_mean(legs(2, Constant(0.001)), 50) == pytest.approx(0.002)
    generator = np.random.default_rng(1)
    hot, cold = generator.exponential(0.001, (2, 200_000))
    drawn = np.maximum(hot, cold + generator.exponential(0.001, (8, 200_000)).max(axis=0))
    assert abs(drawn.mean() - drain_seconds_mean(legs(2), 8)) < 3.5 * drawn.std() / math.sqrt(200_000)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: legs(0), "`partition_count` must be a whole number of at least 1, got 0"),
        (lambda: legs(2, epoch_seconds=-0.1), "`epoch_seconds` must be finite and at least 0, got -0.1"),
        (lambda: drain_seconds_mean(legs(3), 2), "`timing` must be of 2 partitions, got 3"),
        (lambda: drain_seconds_mean(legs(2), 0), "`transaction_count` must be a whole number of at least 1, got 0"),
        (lambda: overlap_probability(5, 4), "`key_count` must be a whole number of at least 5, got 4"),
        (lambda: overlap_probability(0, 4), "`write_count` must be a whole number of at least 1, got 0"),
        (lambda: conflict_probability(-1, 1, 1, 2), "`commit_rate_per_second` must be finite and at least 0, got -1"),
        (lambda: conflict_probability(1, math.inf, 1, 2), "`duration_seconds` must be finite and at least 0, got inf"),
    ],
)
def test_what_is_out_of_range_is_named_with_its_bound_and_value(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_what_is_no_law_is_named() -> None:
    with pytest.raises(TypeError, match="`exchange` must be a law"):
        legs(2, exchange=0.001)
    with pytest.raises(TypeError, match="`sequencing` must be a law"):
        legs(2, sequencing=0.001)
