"""The arithmetic of failure: published values, limits, identities, and errors."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from distlib.models.background import (
    chain_quantile,
    extra_load,
    failures_per_day,
    naive_chain_quantile,
    naive_slow_page_probability,
    no_failure_probability,
    parts_that_may_be_slow,
    slow_page_probability,
    slow_part_probability,
)
from distlib.models.latency import Constant, Exponential, LogNormal

VALUES = json.loads((Path(__file__).parents[1] / "data" / "curriculum_values.json").read_text(encoding="utf-8"))
PUBLISHED = {row["id"]: row["value"] for row in (VALUES if isinstance(VALUES, list) else VALUES["values"])}
PART = LogNormal(0.010, 0.8)


def test_pages_of_a_hundred_and_of_two_thousand_parts_have_the_published_shares() -> None:
    assert slow_page_probability(0.01, 100) == pytest.approx(PUBLISHED["X.1"], rel=1e-12)
    assert slow_page_probability(1e-4, 2000) == pytest.approx(PUBLISHED["X.2"], rel=1e-12)


def test_a_page_without_parts_is_never_slow_and_one_of_slow_parts_always() -> None:
    assert slow_page_probability(1.0, 0) == 0
    assert slow_page_probability([0.0, 1.0], 7).tolist() == [0, 1]


def test_what_is_rare_in_a_page_is_n_times_what_is_rare_in_a_part() -> None:
    assert slow_page_probability(1e-9, 50) == pytest.approx(naive_slow_page_probability(1e-9, 50), rel=1e-7)
    assert naive_slow_page_probability(0.01, 1000) > 1


def test_many_rare_parts_have_the_limit_of_poisson() -> None:
    errors = [abs(slow_page_probability(1 / n, n) - (1 - math.exp(-1))) for n in (10, 100, 1000)]
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(10, rel=0.1)


def test_the_budget_of_a_part_is_the_inverse_of_the_share_of_pages() -> None:
    for pages in (1e-6, 0.01, 0.5):
        assert slow_page_probability(parts_that_may_be_slow(pages, 40), 40) == pytest.approx(pages, rel=1e-12)


def test_a_second_question_at_once_squares_the_probability_and_one_that_is_never_put_leaves_it() -> None:
    alone = slow_part_probability(PART, 0.060)
    assert slow_part_probability(PART, 0.060, hedge_seconds=0.0) == pytest.approx(alone**2, rel=1e-12)
    assert slow_part_probability(PART, 0.060, hedge_seconds=0.060) == alone


def test_a_second_question_is_no_help_for_parts_that_all_take_the_same_time() -> None:
    assert slow_part_probability(Constant(0.010), 0.020, hedge_seconds=0.005) == 0
    assert slow_part_probability(Constant(0.010), [0.004, 0.008], hedge_seconds=0.005).tolist() == [1, 1]


def test_a_second_question_to_an_exponential_server_is_that_of_two_servers_from_then_on() -> None:
    late = slow_part_probability(Exponential(0.010), 0.050, hedge_seconds=0.020)
    assert late == pytest.approx(math.exp(-5 - 3), rel=1e-12)


def test_load_added_is_what_has_not_come_by_then() -> None:
    assert extra_load(PART, float(PART.ppf(0.95))) == pytest.approx(0.05, rel=1e-9)


def test_fleet_fails_in_proportion_to_its_size_and_stays_whole_exponentially_rarely() -> None:
    assert failures_per_day(3653, 10) == pytest.approx(1.0, rel=1e-3)
    one, two = (no_failure_probability(1000, 10, days) for days in (1, 2))
    assert two == pytest.approx(one**2, rel=1e-12)


def test_five_hops_have_the_published_percentile_and_their_sum_of_percentiles_is_twice_that() -> None:
    assert 1000 * chain_quantile(5, 0.010, 0.99) == pytest.approx(PUBLISHED["X.5"], rel=1e-9)
    assert 1000 * naive_chain_quantile(5, 0.010, 0.99) == pytest.approx(PUBLISHED["X.6"], rel=1e-9)


def test_one_hop_is_exponential_and_many_come_close_to_their_mean() -> None:
    assert chain_quantile(1, 2.0, 0.5) == pytest.approx(2 * math.log(2), rel=1e-12)
    spreads = [chain_quantile(hops, 1 / hops, 0.99) for hops in (1, 100, 10_000)]
    assert np.all(np.diff(spreads) < 0)
    assert spreads[-1] == pytest.approx(1, rel=0.03)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: slow_page_probability(1.5, 2), r"`slow_part_probability` must be in \[0, 1\], got 1.5"),
        (lambda: slow_page_probability(0.5, 2.5), "`part_count` must be whole numbers of at least 0, got 2.5"),
        (lambda: parts_that_may_be_slow(1.0, 2), r"`slow_page_probability` must be in \[0, 1\), got 1.0"),
        (lambda: parts_that_may_be_slow(0.1, 0), "`part_count` must be a whole number of at least 1, got 0"),
        (lambda: slow_part_probability(PART, -1.0), "`seconds` must be at least 0, got -1.0"),
        (lambda: slow_part_probability(PART, 1.0, hedge_seconds=-1), "`hedge_seconds` must be finite and at least 0"),
        (lambda: extra_load(PART, math.inf), "`hedge_seconds` must be finite and at least 0, got inf"),
        (lambda: failures_per_day(0, 1), "`machine_count` must be a whole number of at least 1, got 0"),
        (lambda: failures_per_day(1, 0), "`years_between_failures` must be finite and above 0, got 0"),
        (lambda: no_failure_probability(1, 1, -1), "`days` must be finite and at least 0, got -1"),
        (lambda: chain_quantile(0, 1, 0.5), "`hop_count` must be a whole number of at least 1, got 0"),
        (lambda: chain_quantile(1, -1, 0.5), "`hop_seconds_mean` must be finite and at least 0, got -1"),
        (lambda: chain_quantile(1, 1, 1.0), "`probability` must be below 1, got 1.0"),
    ],
)
def test_what_is_out_of_range_is_named(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
