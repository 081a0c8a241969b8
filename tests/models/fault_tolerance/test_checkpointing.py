"""The models of checkpoints: published values, limits, identities, and errors for what is out of range."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from distlib.models.fault_tolerance.checkpointing import (
    Weibull,
    completion_time_mean,
    daly_interval,
    optimal_interval,
    platform_mtbf,
    segment_time_deviation,
    slowdown,
    two_level_optimum,
    two_level_slowdown,
    weibull_completion_time_mean,
    young_interval,
    young_waste,
)
from distlib.models.latency import Exponential, Law

ROWS = json.loads((Path(__file__).parents[2] / "data" / "curriculum_values.json").read_text())
REFERENCE = {row["id"]: (row["value"], row["rtol"]) for row in ROWS}
DUMPS, RATES, RESTARTS = (20.0, 200.0), (1 / 7200, 1 / 86400), (20.0, 200.0)


def matches(value: float, identifier: str) -> bool:
    expected, relative = REFERENCE[identifier]
    return math.isclose(value, expected, rel_tol=relative)


def test_reference_values_of_intervals_and_times() -> None:
    assert matches(optimal_interval(5, 24 * 60), "2a.1")
    assert matches(optimal_interval(5, 15), "2a.2")
    assert matches(daly_interval(5, 15), "2a.3")
    best, young = optimal_interval(5 / 60, 6), young_interval(5 / 60, 6)
    assert matches(completion_time_mean(500, best, 5 / 60, 6, restart=1 / 6), "2a.4")
    assert matches(completion_time_mean(500, young, 5 / 60, 6, restart=1 / 6), "2a.5")
    assert matches(segment_time_deviation(62, 360), "2a.6")


def test_reference_values_of_weibull_failures_and_two_levels() -> None:
    assert matches(weibull_completion_time_mean(50, 1.0, 0.1, 0.7, 20.0, restart=0.2), "2a.7")
    n, work, least = two_level_optimum(DUMPS, RATES, RESTARTS)
    assert matches(least, "2a.8")
    assert matches(n, "2a.9")
    assert matches(work, "2a.10")


@pytest.mark.parametrize("ratio", [1e-12, 1e-8, 0.999e-5, 1.001e-5, 1e-3])
def test_for_short_dumps_the_optimum_is_that_of_young_less_two_thirds_of_a_dump(ratio: float) -> None:
    expansion = young_interval(ratio, 1) - 2 * ratio / 3
    assert optimal_interval(ratio, 1) == pytest.approx(expansion, rel=ratio, abs=0)


@pytest.mark.parametrize("mtbf", [0.25, 6.0, 1000.0])
@pytest.mark.parametrize("restart", [0.0, 1.0])
def test_the_optimum_is_the_minimum_whatever_the_restart(mtbf: float, restart: float) -> None:
    found = minimize_scalar(
        lambda tau: slowdown(tau, 0.1, mtbf, restart=restart, downtime=restart),
        bounds=(0.01, 100),
        method="bounded",
        options={"xatol": 1e-10},
    )
    assert found.x == pytest.approx(optimal_interval(0.1, mtbf), rel=1e-4)


def test_without_failures_only_dumps_are_left() -> None:
    assert completion_time_mean(100, 5, 0.5, 1e12) == pytest.approx(110)


def test_a_restart_that_cannot_fail_costs_less_and_the_same_to_first_order() -> None:
    fails, does_not = (slowdown(1, 0.1, 10, restart=1, restart_can_fail=each) for each in (True, False))
    assert does_not < fails < 1.01 * does_not


def test_twice_the_interval_costs_a_quarter_of_the_overhead() -> None:
    best = optimal_interval(1, 1e6)
    for factor in (0.5, 2):
        assert (slowdown(factor * best, 1, 1e6) - 1) / (slowdown(best, 1, 1e6) - 1) == pytest.approx(1.25, rel=1e-2)


def test_what_is_lost_at_best_is_a_square_root() -> None:
    assert slowdown(optimal_interval(1, 1e6), 1, 1e6) - 1 == pytest.approx(young_waste(1, 1e6), rel=1e-2)


def test_weibull_of_shape_1_is_exponential() -> None:
    recursion = weibull_completion_time_mean(30, 1.0, 0.1, 1.0, 8.0, restart=0.3)
    assert recursion == pytest.approx(
        completion_time_mean(30, 1.0, 0.1, 8.0, restart=0.3, restart_can_fail=False), rel=1e-10
    )
    points = np.array([0.0, 0.3, 5.0])
    assert Weibull(1, 2).sf(points) == pytest.approx(Exponential(2).sf(points))


def test_the_weibull_law_is_a_law() -> None:
    law = Weibull(0.7, 20.0)
    assert isinstance(law, Law)
    assert law.cdf(law.ppf([0.1, 0.9])) == pytest.approx([0.1, 0.9])
    drawn = law.rvs(size=40_000, random_state=np.random.default_rng(1))
    assert np.mean(drawn) == pytest.approx(law.mean(), rel=0.03)
    assert np.std(drawn) == pytest.approx(law.std(), rel=0.05)


def test_two_levels_without_failures_of_the_second_kind_and_without_its_dump_are_one_level() -> None:
    two = two_level_slowdown(7, 500.0, dumps=(20.0, 0.0), rates=(1 / 7200, 0.0), restarts=(30.0, 0.0))
    assert two == pytest.approx(slowdown(500.0, 20.0, 7200.0, restart=30.0, restart_can_fail=False), rel=1e-12)


def test_a_pattern_of_one_segment_with_failures_of_one_kind_is_one_level() -> None:
    two = two_level_slowdown(1, 500.0, dumps=(20.0, 100.0), rates=(0.0, 1 / 7200), restarts=(0.0, 30.0))
    assert two == pytest.approx(slowdown(500.0, 120.0, 7200.0, restart=30.0, restart_can_fail=False), rel=1e-12)


def test_a_platform_fails_as_often_as_its_nodes_together() -> None:
    assert platform_mtbf(1000.0, 1) == 1000.0
    assert platform_mtbf(1000.0, 50) == 20.0


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: platform_mtbf(0.0, 1), "node_mtbf"),
        (lambda: platform_mtbf(1.0, 0), "nodes"),
        (lambda: young_interval(0.0, 1.0), "dump"),
        (lambda: young_waste(1.0, math.inf), "mtbf"),
        (lambda: daly_interval(1.0, -1.0), "mtbf"),
        (lambda: optimal_interval(-1.0, 1.0), "dump"),
        (lambda: completion_time_mean(0.0, 1.0, 1.0, 1.0), "work"),
        (lambda: slowdown(0.0, 1.0, 1.0), "interval"),
        (lambda: slowdown(1.0, 1.0, 1.0, restart=-1.0), "restart"),
        (lambda: segment_time_deviation(0.0, 1.0), "segment"),
        (lambda: weibull_completion_time_mean(0, 1.0, 1.0, 1.0, 1.0), "segments"),
        (lambda: weibull_completion_time_mean(1, 1.0, 1.0, 0.0, 1.0), "shape"),
        (lambda: two_level_slowdown(1, 1.0, dumps=DUMPS, rates=(0.0, 0.0), restarts=RESTARTS), "rates"),
        (lambda: Weibull(1.0, 0.0), "scale_seconds"),
    ],
)
def test_what_is_out_of_range_is_named(call: Callable[[], Any], named: str) -> None:
    with pytest.raises(ValueError, match=f"`{named}`"):
        call()
