"""What the bench reads off a run of a failure detector agrees with its model."""

import pytest

from distlib.evidence import Estimate
from distlib.experiments.fault_tolerance.failure_detector import (
    detection_seconds,
    detector_label,
    freshness,
    mistakes_per_heartbeat,
    quality,
    watch,
)
from distlib.models.fault_tolerance.failure_detector import (
    HeartbeatPlan,
    detection_time_bound,
    detection_time_mean,
    mistake_duration_mean,
    mistake_recurrence_mean,
    phi_deviations,
    phi_mistake_probability_exponential_delays,
    query_inaccuracy,
)
from distlib.models.latency import Exponential, Uniform
from distlib.protocols.fault_tolerance.failure_detector import AccrualDetector, FreshnessDetector, Process


@pytest.mark.parametrize(
    "plan",
    [
        HeartbeatPlan(1.0, 1.5, 0.3, Exponential(0.02)),
        HeartbeatPlan(1.0, 0.3, 0.05, Exponential(0.2)),
        HeartbeatPlan(0.5, 0.2, 0.1, Uniform(0.0, 0.4)),
    ],
)
def test_quality_of_service_agrees_with_the_model(plan: HeartbeatPlan) -> None:
    run = watch(
        {"q": freshness(plan)}, period_seconds=plan.period_seconds, loss_probability=plan.loss_probability,
        delay=plan.delay, seed=2, until_seconds=8000 * plan.period_seconds,
    )  # fmt: skip
    seen = quality(run, since=10)
    assert len(seen.recurrence_seconds) > 300
    assert abs(Estimate.of_mean(seen.recurrence_seconds).z(mistake_recurrence_mean(plan))) < 3
    assert abs(Estimate.of_mean(seen.duration_seconds).z(mistake_duration_mean(plan))) < 3
    assert seen.wrong_share == pytest.approx(query_inaccuracy(plan), rel=0.15)


def test_detection_agrees_with_the_model_and_keeps_to_the_bound() -> None:
    plan = HeartbeatPlan(1.0, 1.5, 0.01, Exponential(0.02))
    times = []
    for seed in range(60):
        crash = 20 + (seed + 0.5) / 60
        run = watch(
            {"q": freshness(plan)}, period_seconds=1.0, loss_probability=0.01, delay=plan.delay, seed=seed,
            until_seconds=30, crash_seconds=crash,
        )  # fmt: skip
        times.append(detection_seconds(run, crash))
    assert max(times) <= detection_time_bound(plan)
    assert abs(Estimate.of_mean(times).z(detection_time_mean(plan))) < 3


def test_phi_errs_as_often_as_the_model_says_and_not_as_its_threshold_does() -> None:
    run = watch(
        {"q": AccrualDetector(deviations=phi_deviations(2), window=300)}, period_seconds=1.0, loss_probability=0.0,
        delay=Exponential(0.02), seed=1, until_seconds=8000,
    )  # fmt: skip
    found = Estimate.of_proportion(*mistakes_per_heartbeat(run, since=400))
    assert abs(found.z(phi_mistake_probability_exponential_delays(2))) < 3
    assert found.low > 0.01


def test_labels_say_whether_it_trusts() -> None:
    assert detector_label(FreshnessDetector(suspects=True)) == ("suspects", "bad")
    assert detector_label(FreshnessDetector()) == ("trusts", "good")
    assert detector_label(Process(("q",))) is None
