"""Lost writes: reference values, limits, identities, and the errors for what is out of range."""

import json
import math
from pathlib import Path

import pytest
from scipy.integrate import quad

from distlib.models.consistency.last_writer_wins import (
    inversion_probability,
    inversion_probability_exponential,
    safe_gap_seconds,
)

ROWS = json.loads((Path(__file__).parents[2] / "data" / "curriculum_values.json").read_text())
REFERENCE = {row["id"]: (row["value"], row["rtol"]) for row in ROWS}


def matches(value: float, identifier: str) -> bool:
    expected, relative = REFERENCE[identifier]
    return math.isclose(value, expected, rel_tol=relative)


def test_reference_values() -> None:
    assert matches(inversion_probability(2, 1), "1c.1")
    assert matches(inversion_probability_exponential(0.5, 1), "1c.2")


def test_the_exponential_gap_is_an_average_over_gaps() -> None:
    mean, _ = quad(lambda t: 0.5 * math.exp(-0.5 * t) * inversion_probability(t, 1), 0, 80)
    assert inversion_probability_exponential(0.5, 1) == pytest.approx(mean, rel=1e-8)


def test_without_a_gap_it_is_a_coin_toss() -> None:
    assert inversion_probability(0, 7) == 0.5
    assert inversion_probability_exponential(1e6, 1) == pytest.approx(0.5, abs=1e-5)


def test_a_long_gap_is_safe_and_no_factor_overflows() -> None:
    assert inversion_probability(100, 1) < 1e-300
    assert inversion_probability_exponential(1e-9, 1) == pytest.approx(0, abs=1e-8)
    assert inversion_probability_exponential(1e3, 1) == pytest.approx(0.5, abs=1e-3)


def test_the_safe_gap_turns_the_probability_round() -> None:
    assert inversion_probability(safe_gap_seconds(0.003, 0.001), 0.003) == pytest.approx(0.001)
    assert safe_gap_seconds(0.003, 0.5) == pytest.approx(0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: inversion_probability(1, 0), "`deviation_seconds` must be finite and above 0, got 0"),
        (lambda: inversion_probability(-1, 1), "`gap_seconds` must be at least 0, got -1"),
        (lambda: inversion_probability_exponential(0, 1), "`rate_per_second` must be finite and above 0, got 0"),
        (lambda: safe_gap_seconds(1, 0.7), r"`loss_probability` must be in \(0, 1/2\], got 0.7"),
    ],
)
def test_what_is_out_of_range_is_named(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
