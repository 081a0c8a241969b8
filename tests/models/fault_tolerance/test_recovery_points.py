"""The models of recovery points: reference values, limits, identities, bad input."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from distlib.models.fault_tolerance.recovery_points import (
    catch_up_seconds,
    causal_commit_mean,
    domino_depth_mean,
    gap_covers_all_probability,
    induced_share,
    optimistic_commit_mean,
    pessimistic_commit_mean,
    recovery_point_bound,
    recovery_point_mean,
    recovery_time_mean,
)

VALUES: dict[str, Any] = {
    row["id"]: row for row in json.loads(Path("tests/data/curriculum_values.json").read_text(encoding="utf-8"))
}


@pytest.mark.parametrize(
    ("row", "value"),
    [
        ("2b.5", domino_depth_mean(0.1, 0.5, "no messages")),
        ("2b.6", domino_depth_mean(0.1, 0.25, "no orphans")),
        ("2b.7", gap_covers_all_probability(4, 5)),
        ("2b.9", catch_up_seconds(1.2e6, 50e3, 20e3)),
    ],
)
def test_the_reference_values(row: str, value: float) -> None:
    assert value == pytest.approx(VALUES[row]["value"], rel=VALUES[row]["rtol"])


def test_without_messages_the_line_is_the_last_checkpoint() -> None:
    assert domino_depth_mean(0.1, 0.0) == domino_depth_mean(0.1, 0.0, "no messages") == pytest.approx(10)


@pytest.mark.parametrize("rate", [0.05, 0.3, 2.0])
def test_the_depth_solves_its_two_equations(rate: float) -> None:
    one = domino_depth_mean(0.1, rate)
    both = 1 / 0.2 + one
    assert one == pytest.approx(1 / (0.1 + rate) + rate / (0.1 + rate) * both)


def test_a_gap_covers_one_process_with_the_odds_of_two_clocks_and_all_with_the_gamma_function() -> None:
    assert gap_covers_all_probability(1, 3) == pytest.approx(1 / 4)
    assert gap_covers_all_probability(5, 0) == 1
    n, theta = 6, 2.5
    by_gamma = math.factorial(n) * math.gamma(theta + 1) / math.gamma(n + theta + 1)
    assert gap_covers_all_probability(n, theta) == pytest.approx(by_gamma)


def test_the_induced_share_solves_the_chain() -> None:
    c, m = 0.1, 0.25
    levels = 400
    # Power the balance of the chain on -levels .. levels: up and down at c, to zero at m where it is not zero.
    half = 1 + m / (2 * c)
    r = half - math.sqrt(half * half - 1)
    weights = [r ** abs(k) for k in range(-levels, levels + 1)]
    away = 1 - 1 / sum(weights)
    assert induced_share(c, m) == pytest.approx(m * away / (2 * c), rel=1e-9)
    assert induced_share(c, 0) == 0
    assert induced_share(c, 1e9) == pytest.approx(1, abs=1e-4)


def test_limits_of_the_output_commit() -> None:
    assert pessimistic_commit_mean(0, 0.004) == 0.004
    assert pessimistic_commit_mean(249, 0.004) > 0.1
    assert optimistic_commit_mean(0.05, 0.0) == 0.025
    assert causal_commit_mean(0.003) == 0.006


def test_half_the_interval_is_a_mean_and_not_a_promise() -> None:
    assert recovery_point_bound(5, 0.5) - recovery_point_mean(5, 0.5) == 2.5
    assert recovery_time_mean(5, 5, 2, 0.1, 8) == 8
    assert recovery_time_mean(15, 5, 2, 0.1, 8) == 9


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: domino_depth_mean(0, 1), "checkpoint_rate"),
        (lambda: domino_depth_mean(0.1, -1), "message_rate"),
        (lambda: domino_depth_mean(0.1, 1, "any"), "rule"),  # type: ignore[arg-type]
        (lambda: gap_covers_all_probability(0, 1), "process_count"),
        (lambda: gap_covers_all_probability(2, -1), "rate_ratio"),
        (lambda: induced_share(0, 1), "checkpoint_rate"),
        (lambda: induced_share(1, math.inf), "message_rate"),
        (lambda: pessimistic_commit_mean(250, 0.004), "input_rate"),
        (lambda: optimistic_commit_mean(0, 0.004), "flush_seconds"),
        (lambda: causal_commit_mean(-1), "delay_mean"),
        (lambda: recovery_point_mean(0, 1), "period_seconds"),
        (lambda: recovery_point_bound(1, -1), "transfer_seconds"),
        (lambda: recovery_time_mean(4, 5, 2, 0.1), "backup_seconds"),
        (lambda: catch_up_seconds(1, 2, 2), "replay_rate"),
    ],
)
def test_bad_input_is_named(call: Any, named: str) -> None:
    with pytest.raises(ValueError, match=f"`{named}`"):
        call()
