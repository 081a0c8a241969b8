"""What numbers on events tell: reference values, limits, identities, and the errors for what is out of range."""

import json
import math
from pathlib import Path

import pytest
from scipy.stats import skellam

from distlib.models.consistency.timestamps import (
    concurrency_probability,
    lamport_inversion_probability,
    vector_bytes,
)

ROWS = json.loads((Path(__file__).parents[2] / "data" / "curriculum_values.json").read_text())
REFERENCE = {row["id"]: (row["value"], row["rtol"]) for row in ROWS}


def matches(value: float, identifier: str) -> bool:
    expected, relative = REFERENCE[identifier]
    return math.isclose(value, expected, rel_tol=relative)


def test_reference_values() -> None:
    assert matches(lamport_inversion_probability(5, 4, 10, 1), "1c.3")
    assert matches(concurrency_probability(10, 20, 0.02), "1c.4")


@pytest.mark.parametrize(("a", "b", "t", "gap"), [(5, 4, 10, 1), (0.1, 3, 2, 0), (400, 400, 10, 0.1)])
def test_the_inversion_is_the_tail_of_skellams_law(a: float, b: float, t: float, gap: float) -> None:
    tail = skellam.sf(0, a * t, b * (t + gap))
    assert lamport_inversion_probability(a, b, t, gap) == pytest.approx(tail, rel=1e-6)


def test_equal_rates_without_a_gap_are_symmetric_but_for_ties() -> None:
    less = lamport_inversion_probability(5, 5, 10, 0)
    assert less < 0.5
    assert 1 - 2 * less == pytest.approx(skellam.pmf(0, 50, 50), rel=1e-9)


def test_a_node_at_which_nothing_happens_has_the_smaller_number() -> None:
    assert lamport_inversion_probability(0, 4, 10, 1) == 0
    assert lamport_inversion_probability(5, 0, 10, 1) == pytest.approx(1 - math.exp(-50))


def test_who_never_talks_is_never_ordered_and_who_always_talks_nearly_always_is() -> None:
    assert concurrency_probability(10, 0, 0.02) == 1
    assert concurrency_probability(10, 1e9, 0) == pytest.approx(0, abs=1e-7)
    assert concurrency_probability(10, 20, 0) == pytest.approx(1 / 3)


def test_a_vector_grows_with_the_nodes() -> None:
    assert vector_bytes(3) == 24
    assert vector_bytes(3, 4) == 12


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lamport_inversion_probability(-1, 1, 1, 1), r"`first_rate` must be finite and at least 0, got -1"),
        (lambda: lamport_inversion_probability(1, 1, 1, math.inf), "`gap_seconds` must be finite"),
        (lambda: concurrency_probability(0, 1, 1), "`gap_rate` must be finite and above 0, got 0"),
        (lambda: concurrency_probability(1, -1, 1), "`message_rate` must be finite and at least 0"),
        (lambda: concurrency_probability(1, 1, -1), "`delay_seconds` must be finite and at least 0"),
        (lambda: vector_bytes(0), "`node_count` must be at least 1, got 0"),
        (lambda: vector_bytes(1, 0), "`entry_bytes` must be at least 1, got 0"),
    ],
)
def test_what_is_out_of_range_is_named(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
