"""Clocks that are set: reference values, limits, identities, and the errors for what is out of range."""

import json
import math
from pathlib import Path

import pytest
from scipy.integrate import quad

from distlib.models.consistency.clock_synchronization import (
    agreed_width_mean,
    best_of_error_mean,
    error_bound_seconds,
    resynchronization_seconds,
)

ROWS = json.loads((Path(__file__).parents[2] / "data" / "curriculum_values.json").read_text())
REFERENCE = {row["id"]: (row["value"], row["rtol"]) for row in ROWS}


def matches(value: float, identifier: str) -> bool:
    expected, relative = REFERENCE[identifier]
    return math.isclose(value, expected, rel_tol=relative)


def test_reference_values() -> None:
    assert matches(best_of_error_mean(8, 1.0), "1c.5")
    assert matches(agreed_width_mean(7, 5.0), "1c.9")


@pytest.mark.parametrize("k", [1, 2, 5, 30])
def test_the_sum_is_the_area_under_the_law_of_the_shortest_legs(k: int) -> None:
    area, _ = quad(lambda x: (math.exp(-x) * (1 + x)) ** k, 0, 60)
    assert best_of_error_mean(k, 1.0) == pytest.approx(area / 4, rel=1e-8)


def test_one_answer_is_off_by_half_of_the_mean_and_many_by_the_root() -> None:
    assert best_of_error_mean(1, 0.002) == 0.001
    assert best_of_error_mean(10_000, 1.0) == pytest.approx(math.sqrt(math.pi / 20_000) / 4, rel=0.01)


def test_the_bound_of_an_answer_is_half_of_its_legs_less_the_shortest() -> None:
    assert error_bound_seconds(0.01) == 0.005
    assert error_bound_seconds(0.01, 0.005) == 0


def test_two_clocks_part_at_twice_the_drift() -> None:
    assert resynchronization_seconds(0.012, 200e-6) == pytest.approx(30)
    assert resynchronization_seconds(0, 1e-6) == 0


def test_one_server_is_as_wide_as_it_says_and_many_agree_on_less() -> None:
    assert agreed_width_mean(1, 0.005) == 0.01
    assert agreed_width_mean(99, 0.005) == pytest.approx(0.0002)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: best_of_error_mean(0, 1), "`probe_count` must be at least 1, got 0"),
        (lambda: best_of_error_mean(1, -1), "`jitter_mean_seconds` must be finite and at least 0"),
        (lambda: error_bound_seconds(-1), "`delay_seconds` must be finite and at least 0"),
        (lambda: error_bound_seconds(1, 0.6), r"`shortest_leg_seconds` must be in \[0, 0.5\], got 0.6"),
        (lambda: resynchronization_seconds(-1, 0.1), "`difference_seconds` must be finite"),
        (lambda: resynchronization_seconds(1, 0), r"`drift` must be in \(0, 1\), got 0"),
        (lambda: agreed_width_mean(0, 1), "`server_count` must be at least 1, got 0"),
        (lambda: agreed_width_mean(1, -1), "`radius_seconds` must be finite and at least 0"),
    ],
)
def test_what_is_out_of_range_is_named(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
