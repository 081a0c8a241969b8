"""The cost of commit wait: reference values, limits, identities, and the errors for what is out of range."""

import json
import math
from pathlib import Path

import pytest
from scipy.integrate import quad

from distlib.models.consistency.commit_wait import (
    commit_latency_mean,
    extra_wait_mean,
    sawtooth_commit_latency_mean,
    serial_writes_per_second,
)

ROWS = json.loads((Path(__file__).parents[2] / "data" / "curriculum_values.json").read_text())
REFERENCE = {row["id"]: (row["value"], row["rtol"]) for row in ROWS}


def matches(value: float, identifier: str) -> bool:
    expected, relative = REFERENCE[identifier]
    return math.isclose(value, expected, rel_tol=relative)


def test_reference_values() -> None:
    assert matches(commit_latency_mean(4, 5), "1c.6")
    assert matches(sawtooth_commit_latency_mean(1, 7, 5), "1c.7")
    assert matches(extra_wait_mean(4, 5), "1c.8")


def test_the_mean_of_the_larger_is_an_area() -> None:
    area, _ = quad(lambda t: 1 - (t >= 8) * (1 - math.exp(-t / 5)), 0, 200, points=[8], limit=200)
    assert commit_latency_mean(4, 5) == pytest.approx(area, rel=1e-6)


def test_without_uncertainty_only_replication_is_left_and_with_much_only_the_wait() -> None:
    assert commit_latency_mean(0, 5) == 5
    assert extra_wait_mean(0, 5) == 0
    assert commit_latency_mean(500, 5) == pytest.approx(1000)


def test_the_write_takes_the_replication_and_what_is_left_to_wait() -> None:
    assert commit_latency_mean(4, 5) == pytest.approx(5 + extra_wait_mean(4, 5))


def test_a_narrow_sawtooth_is_a_constant() -> None:
    assert sawtooth_commit_latency_mean(3.999, 4.001, 5) == pytest.approx(commit_latency_mean(4, 5), rel=1e-6)


def test_a_key_takes_one_write_after_the_other() -> None:
    assert serial_writes_per_second(0.004, 0.005) == pytest.approx(1 / 0.00900948259)
    assert serial_writes_per_second(0.004, 1e-6) == pytest.approx(125)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: commit_latency_mean(-1, 1), "`epsilon_seconds` must be finite and at least 0, got -1"),
        (lambda: commit_latency_mean(1, 0), "`replication_mean_seconds` must be finite and above 0, got 0"),
        (lambda: extra_wait_mean(-1, 1), "`epsilon_seconds` must be finite"),
        (lambda: sawtooth_commit_latency_mean(2, 2, 1), "`largest_epsilon_seconds` must be above 2, got 2"),
    ],
)
def test_what_is_out_of_range_is_named(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
