"""The runs of the chapter on recovery points agree with its models."""

from __future__ import annotations

import numpy as np
import pytest

from distlib.estimates import Estimate
from distlib.experiments.fault_tolerance.recovery_points import (
    briefly,
    checkpoint_counts,
    depths,
    line_at,
    logging_label,
    output_latencies,
    restore_after_crash,
    run_checkpointing,
)
from distlib.figures.fault_tolerance.recovery_points import domino_dials
from distlib.models.fault_tolerance.recovery_points import (
    domino_depth_mean,
    induced_share,
    optimistic_commit_mean,
    pessimistic_commit_mean,
    recovery_point_mean,
    recovery_time_mean,
)
from distlib.protocols.fault_tolerance.message_logging import Peer, Worker
from distlib.protocols.fault_tolerance.recovery_points import Work


def test_the_depth_agrees_with_the_model_under_both_rules() -> None:
    found = depths(0.1, 0.25, seeds=24)
    assert abs(Estimate.of_mean(found["no orphans"]).z(domino_depth_mean(0.1, 0.25))) < 3
    assert abs(Estimate.of_mean(found["no messages"]).z(domino_depth_mean(0.1, 0.5, "no messages"))) < 3


def test_induced_and_coordinated_checkpoints_bound_the_depth() -> None:
    induced = Estimate.of_mean(depths(0.1, 0.25, seeds=16, scheme="induced")["no orphans"])
    together = Estimate.of_mean(depths(0.1, 0.25, seeds=24, scheme="coordinated")["no orphans"])
    assert induced.high < 10
    assert abs(together.z(10)) < 3


def test_the_share_of_induced_checkpoints_agrees_with_the_model() -> None:
    runs = [
        checkpoint_counts(
            run_checkpointing(0.1, 0.25, seed=seed, until_seconds=1000, scheme="induced", record=False)
        )
        for seed in range(12)
    ]  # fmt: skip
    assert abs(Estimate.of_mean([run["induced"] / run["own"] for run in runs]).z(induced_share(0.1, 0.25))) < 3


def test_a_domino_that_undoes_an_hour() -> None:
    line = line_at(run_checkpointing(0.1, 0.25, seed=25, until_seconds=62).trace, 60)
    assert line.depth > 55
    assert line.passed == 15


@pytest.mark.parametrize(("style", "expected"), [("pessimistic", pessimistic_commit_mean(100, 0.004)),
                                                 ("optimistic", optimistic_commit_mean(0.05, 0.004)),
                                                 ("causal", 0.006)])  # fmt: skip
def test_an_output_waits_as_long_as_predicted(style: str, expected: float) -> None:
    found = Estimate.of_mean([
        np.mean(
            output_latencies(
                style,  # type: ignore[arg-type]
                input_rate=100, force_seconds=0.004, delay_seconds=0.003, flush_seconds=0.05, seed=seed, seconds=1.5,
            )
        )
        for seed in range(10)
    ])  # fmt: skip
    assert found.value == pytest.approx(0.006, rel=1e-9) if style == "causal" else abs(found.z(expected)) < 3


def test_recovery_point_and_time_agree_with_the_model() -> None:
    runs = [restore_after_crash(seed=seed, backup_seconds=15, ship_seconds=5) for seed in range(64)]

    def averages(what: str) -> Estimate:
        values = np.array([getattr(run, what) for run in runs], dtype=float)
        return Estimate.of_mean(values.reshape(-1, 8).mean(axis=1))

    assert abs(averages("point_seconds").z(recovery_point_mean(5, 0.5))) < 3
    assert abs(averages("time_seconds").z(recovery_time_mean(15, 5, 2, 0.1, 8, 0.5, 0.5))) < 3
    assert abs(averages("lost").z(2 * recovery_point_mean(5, 0.5))) < 3


def test_labels_and_dials() -> None:
    assert briefly(Work(3)) == "(3)"
    assert logging_label(Worker(("x",), states=(4,))) == ("state 4", "good")
    assert logging_label(Worker(("x",), "causal", recovering=True)) == ("asks", "wait")
    assert logging_label(Peer(((1, 4),))) == ("saw 4", "calm")
    assert logging_label(Peer()) is None
    dials = domino_dials(identifier="dials")
    assert dials.static_bytes < 150_000
    assert "all the way to the start" in dials.summary()
