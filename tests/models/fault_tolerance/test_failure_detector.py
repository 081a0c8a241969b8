"""The models of failure detectors: published values, limits and identities, and the errors for what is out of range."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from distlib.models.fault_tolerance.failure_detector import (
    HeartbeatPlan,
    detection_time_bound,
    detection_time_mean,
    heartbeats_to_consecutive_losses,
    margin_for_recurrence,
    mistake_duration_mean,
    mistake_probability_after,
    mistake_recurrence_mean,
    naive_heartbeats_to_consecutive_losses,
    phi_deviations,
    phi_mistake_probability_exponential_delays,
    phi_timeout_exponential,
    phi_timeout_normal,
    query_accuracy,
    query_inaccuracy,
)
from distlib.models.latency import Constant, Exponential, LogNormal, Uniform

ROWS = json.loads((Path(__file__).parents[2] / "data" / "curriculum_values.json").read_text())
REFERENCE = {row["id"]: (row["value"], row["rtol"]) for row in ROWS}
PLAN = HeartbeatPlan(1.0, 1.5, 0.01, Exponential(0.02))


def matches(value: float, identifier: str) -> bool:
    expected, relative = REFERENCE[identifier]
    return math.isclose(value, expected, rel_tol=relative)


def test_reference_values_of_the_detector_with_freshness_points() -> None:
    assert matches(mistake_recurrence_mean(PLAN), "2c.1")
    assert matches(mistake_duration_mean(PLAN), "2c.2")
    assert matches(query_inaccuracy(HeartbeatPlan(1.0, 0.5, 0.01, Exponential(0.1))), "2c.3")


def test_reference_values_of_phi() -> None:
    assert matches(1000 * phi_timeout_normal(8, 1.0, 0.1), "2c.4")
    assert matches(1000 * phi_timeout_exponential(8, 1.0), "2c.5")
    assert matches(phi_mistake_probability_exponential_delays(8), "2c.6")


def test_reference_value_of_losses_in_a_row() -> None:
    assert matches(heartbeats_to_consecutive_losses(0.01, 3), "2c.7")


@pytest.mark.parametrize("delay", [Exponential(0.05), Uniform(0.0, 0.4), LogNormal(0.05, 1.0)])
@pytest.mark.parametrize("margin", [0.0, 0.3, 1.0, 1.7])
def test_inaccuracy_is_duration_over_recurrence(delay: Any, margin: float) -> None:
    plan = HeartbeatPlan(1.0, margin, 0.1, delay)
    assert query_inaccuracy(plan) == pytest.approx(
        mistake_duration_mean(plan) / mistake_recurrence_mean(plan), rel=1e-9
    )
    assert query_accuracy(plan) == 1 - query_inaccuracy(plan)


@pytest.mark.parametrize(("margin", "losses"), [(0.5, 1), (1.5, 2), (2.5, 3)])
def test_without_delay_a_mistake_is_so_many_losses_in_a_row(margin: float, losses: int) -> None:
    plan = HeartbeatPlan(1.0, margin, 0.1, Constant(0.0))
    assert mistake_recurrence_mean(plan) == pytest.approx(1 / (0.9 * 0.1**losses))
    # It lasts until the next heartbeat, half a period on, and a period longer with each that is lost.
    assert mistake_duration_mean(plan) == pytest.approx(0.5 + 0.1 / 0.9)


def test_where_nothing_is_lost_and_the_margin_covers_the_delay_there_are_no_mistakes() -> None:
    plan = HeartbeatPlan(1.0, 0.5, 0.0, Uniform(0.0, 0.4))
    assert mistake_recurrence_mean(plan) == math.inf
    assert (mistake_duration_mean(plan), query_accuracy(plan)) == (0.0, 1.0)


def test_more_margin_is_slower_and_surer() -> None:
    plans = [HeartbeatPlan(1.0, margin, 0.05, Exponential(0.1)) for margin in np.arange(0.1, 4, 0.1)]
    recurrences = [mistake_recurrence_mean(plan) for plan in plans]
    assert recurrences == sorted(recurrences)
    assert detection_time_bound(plans[-1]) - detection_time_bound(plans[0]) == pytest.approx(3.8)


def test_a_crash_is_noticed_half_a_period_before_the_bound_in_the_mean() -> None:
    assert detection_time_bound(PLAN) - detection_time_mean(PLAN) == 0.5


def test_being_wrong_gets_less_likely_with_the_time_since_the_point() -> None:
    chances = [mistake_probability_after(PLAN, x) for x in np.linspace(0, 1, 50)]
    assert chances == sorted(chances, reverse=True)


def test_the_margin_for_a_recurrence_is_the_smallest() -> None:
    margin = margin_for_recurrence(1.0, 0.01, Exponential(0.02), 86_400)
    enough, short = (HeartbeatPlan(1.0, m, 0.01, Exponential(0.02)) for m in (margin, margin - 0.01))
    assert mistake_recurrence_mean(enough) >= 86_400 > 0.98 * mistake_recurrence_mean(short)


@pytest.mark.parametrize("threshold", [0.5, 1, 3, 8, 30])
def test_phi_is_the_tail_of_the_normal_law(threshold: float) -> None:
    assert norm.logsf(phi_deviations(threshold)) / math.log(10) == pytest.approx(-threshold)


def test_phi_understates_the_mistakes_the_more_the_higher_the_threshold() -> None:
    factors = [phi_mistake_probability_exponential_delays(phi) * 10**phi for phi in range(1, 13)]
    assert factors == sorted(factors)
    assert factors[0] < 1 < factors[1]


def test_losses_in_a_row_by_the_recursion() -> None:
    expected = 0.0
    for _ in range(4):
        expected = (expected + 1) / 0.3
    assert heartbeats_to_consecutive_losses(0.3, 4) == pytest.approx(expected)
    assert heartbeats_to_consecutive_losses(0.3, 1) == naive_heartbeats_to_consecutive_losses(0.3, 1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: HeartbeatPlan(0.0, 1.0), "`period_seconds`"),
        (lambda: HeartbeatPlan(1.0, -1.0), "`margin_seconds`"),
        (lambda: HeartbeatPlan(1.0, 1.0, 1.0), "`loss_probability`"),
        (lambda: mistake_probability_after(PLAN, 1.5), "`seconds`"),
        (lambda: margin_for_recurrence(1.0, 0.01, Exponential(0.02), 0.0), "`recurrence_seconds`"),
        (lambda: margin_for_recurrence(1.0, 0.999, Exponential(0.02), 1e9), "`recurrence_seconds`"),
        (lambda: margin_for_recurrence(1.0, 0.01, Exponential(0.02), 10.0, step_seconds=0), "`step_seconds`"),
        (lambda: phi_deviations(0.0), "`threshold`"),
        (lambda: phi_timeout_normal(8, -1.0, 0.1), "`mean_seconds`"),
        (lambda: phi_timeout_normal(8, 1.0, -0.1), "`deviation_seconds`"),
        (lambda: phi_timeout_exponential(8, -1.0), "`mean_seconds`"),
        (lambda: heartbeats_to_consecutive_losses(0.0, 3), "`loss_probability`"),
        (lambda: heartbeats_to_consecutive_losses(0.1, 0), "`count`"),
    ],
)
def test_errors_name_the_argument(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_a_delay_must_be_a_law() -> None:
    with pytest.raises(TypeError):
        HeartbeatPlan(1.0, 1.0, 0.0, 0.02)  # type: ignore[arg-type]
