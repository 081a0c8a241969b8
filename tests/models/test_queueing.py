"""Queues: published values, limits, identities, a second route, and errors."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq

from distlib.models.latency import Constant, Exponential, LogNormal, Pareto
from distlib.models.queueing import (
    in_system_mean,
    multi_server_response_seconds_mean,
    multi_server_response_sf,
    naive_waiting_seconds,
    queueing_probability,
    response_seconds_mean,
    utilisation,
    waiting_seconds_mean,
)

VALUES = json.loads((Path(__file__).parents[1] / "data" / "curriculum_values.json").read_text(encoding="utf-8"))
PUBLISHED = {row["id"]: row["value"] for row in (VALUES if isinstance(VALUES, list) else VALUES["values"])}


def test_erlang_c_and_the_percentile_of_twenty_workers_are_the_published_ones() -> None:
    assert queueing_probability(20, 17) == pytest.approx(PUBLISHED["5c.8"], rel=1e-9)
    late = brentq(lambda t: multi_server_response_sf(20, 1700, 0.010, t) - 0.01, 0, 1, xtol=1e-14)
    assert 1000 * late == pytest.approx(PUBLISHED["5c.9"], rel=1e-8)


def test_ten_workers_with_one_line_take_the_published_time_and_a_sixth_of_ten_lines() -> None:
    together = multi_server_response_seconds_mean(10, 9.0, 1.0)
    assert together == pytest.approx(PUBLISHED["6b.4"], rel=1e-9)
    assert response_seconds_mean(0.9, Exponential(1.0)) == pytest.approx(PUBLISHED["6b.5"], rel=1e-12)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_one_worker_is_the_same_by_both_formulas(share: float) -> None:
    assert queueing_probability(1, share) == pytest.approx(share, rel=1e-12)
    by_erlang = multi_server_response_seconds_mean(1, share / 0.010, 0.010)
    assert by_erlang == pytest.approx(response_seconds_mean(share / 0.010, Exponential(0.010)), rel=1e-12)


def test_equal_jobs_wait_half_as_long_as_exponential_ones() -> None:
    equal, spread = (waiting_seconds_mean(80, law) for law in (Constant(0.010), Exponential(0.010)))
    assert spread == pytest.approx(2 * equal, rel=1e-12)


def test_nobody_waits_where_nobody_comes_and_the_wait_doubles_from_ninety_to_ninety_five() -> None:
    assert waiting_seconds_mean(0, Exponential(0.010)) == 0
    ratio = waiting_seconds_mean(95, Constant(0.010)) / waiting_seconds_mean(90, Constant(0.010))
    assert ratio == pytest.approx(95 / 90 * 2, rel=1e-9)


def test_the_naive_wait_is_too_low_for_a_busy_worker() -> None:
    assert naive_waiting_seconds(95, Constant(0.010)) < waiting_seconds_mean(95, Constant(0.010)) / 9


def test_a_heavy_tail_without_a_variance_waits_for_ever() -> None:
    assert waiting_seconds_mean(10, Pareto(0.001, 1.5)) == math.inf


def test_the_mean_is_the_integral_of_the_survival() -> None:
    for workers, rate in ((1, 50.0), (2, 100.0), (2, 150.0), (5, 480.0)):
        area, _ = quad(lambda t, c=workers, r=rate: multi_server_response_sf(c, r, 0.010, t), 0, 6, limit=400)
        assert area == pytest.approx(multi_server_response_seconds_mean(workers, rate, 0.010), rel=1e-7)


def test_the_survival_is_smooth_where_both_rates_are_alike_and_never_overflows() -> None:
    near, at = (multi_server_response_sf(2, rate, 0.010, 0.02) for rate in (100.0001, 100.0))
    assert near == pytest.approx(at, rel=1e-5)
    assert multi_server_response_sf(1, 1, 0.010, [0.0, 1e6]).tolist() == [1, 0]


def test_little_counts_the_same_area_twice() -> None:
    law = LogNormal(0.010, 0.5)
    stay = response_seconds_mean(60, law)
    line, busy = in_system_mean(60, waiting_seconds_mean(60, law)), utilisation(60, law)
    assert in_system_mean(60, stay) == pytest.approx(line + busy, rel=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: utilisation(100, Constant(0.010)), "`arrivals_per_second` must be below 100"),
        (lambda: utilisation(-1, Constant(0.010)), "`arrivals_per_second` must be finite and at least 0, got -1"),
        (lambda: queueing_probability(2, 2), r"`offered_load` must be in \[0, 2\), got 2"),
        (lambda: queueing_probability(0, 0), "`worker_count` must be a whole number of at least 1, got 0"),
        (lambda: in_system_mean(1, math.inf), "`response_seconds` must be finite and at least 0, got inf"),
        (lambda: multi_server_response_seconds_mean(1, 1, 0), "`service_seconds_mean` must be above 0, got 0"),
        (lambda: multi_server_response_sf(1, 1, 0.1, -1), "`seconds` must be at least 0, got -1.0"),
    ],
)
def test_what_is_out_of_range_is_named(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_a_load_at_which_the_line_would_grow_for_ever_is_refused() -> None:
    for share in np.linspace(1.0, 2.0, 3):
        with pytest.raises(ValueError, match="would grow for ever"):
            waiting_seconds_mean(share / 0.010, Exponential(0.010))
