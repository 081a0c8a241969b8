"""Failure detectors: their handlers, and what they do in seeded runs."""

import pytest

from distlib.experiments.fault_tolerance.failure_detector import detection_seconds, watch
from distlib.models.latency import Constant, Exponential
from distlib.node import CancelTimer, ReadClock, Send, SetTimer
from distlib.protocols.fault_tolerance.failure_detector import (
    AccrualDetector,
    Detector,
    FreshnessDetector,
    Heartbeat,
    Process,
    SilenceDetector,
)
from distlib.runtimes.exploration import explore


def test_a_process_says_that_it_is_up_once_a_period_to_all() -> None:
    node, effects = Process(("p", "q"), 0.5).on_start(None)
    assert effects == (SetTimer("heartbeat", (0.5, 0.5)),)
    node, effects = node.on_timer("heartbeat")
    assert effects == (Send("p", Heartbeat(1)), Send("q", Heartbeat(1)), SetTimer("heartbeat", (0.5, 0.5)))
    assert node.on_message("p", Heartbeat(1)) == (node, ())


def test_the_freshness_detector_trusts_if_the_heartbeat_of_the_point_or_a_later_one_has_come() -> None:
    node, effects = FreshnessDetector(period_seconds=1.0, margin_seconds=0.5).on_start(None)
    assert effects == (SetTimer("freshness point", (1.5, 1.5)),)
    suspecting, _ = node.on_timer("freshness point")
    assert suspecting.suspects
    trusting, _ = node.on_message("p", Heartbeat(2))[0].on_timer("freshness point")
    assert not trusting.suspects


def test_a_heartbeat_that_is_no_longer_fresh_does_not_restore_trust() -> None:
    node = FreshnessDetector(point=3, suspects=True)
    assert node.on_message("p", Heartbeat(2))[0].suspects
    assert not node.on_message("p", Heartbeat(3))[0].suspects


def test_an_old_heartbeat_is_ignored() -> None:
    node = FreshnessDetector(latest=4)
    assert node.on_message("p", Heartbeat(4)) == (node, ())


def test_the_silence_detector_waits_anew_after_each_arrival() -> None:
    node, effects = SilenceDetector(silence_seconds=2.0, suspects=True).on_message("p", Heartbeat(1))
    assert (node.suspects, effects) == (False, (SetTimer("silence", (2.0, 2.0)),))
    assert node.on_timer("silence")[0].suspects


def test_the_accrual_detector_waits_for_the_mean_and_so_many_deviations() -> None:
    node = AccrualDetector(deviations=3.0, fewest=2, intervals=(0.9,), heard_seconds=10.0)
    assert node.on_message("p", Heartbeat(1))[1] == (CancelTimer("silence"), ReadClock("heard"))
    node, effects = node.on_clock("heard", 11.1)
    assert node.patience_seconds() == pytest.approx(1.0 + 3 * 0.1)
    assert isinstance(effects[0], SetTimer)
    assert node.on_timer("silence")[0].suspects


def test_the_accrual_detector_does_not_judge_before_it_has_learnt_and_forgets_beyond_its_window() -> None:
    node, effects = AccrualDetector(window=2, fewest=2).on_clock("heard", 1.0)
    assert effects == ()
    for reading in (2.0, 3.0, 5.0):
        node, _ = node.on_clock("heard", reading)
    assert node.intervals == (1.0, 2.0)


def test_the_accrual_detector_does_not_believe_in_too_small_a_deviation() -> None:
    node = AccrualDetector(deviations=5.0, intervals=(1.0, 1.0), least_deviation_seconds=0.1)
    assert node.patience_seconds() == pytest.approx(1.5)


def test_a_detector_has_to_say_what_it_does_with_a_heartbeat() -> None:
    with pytest.raises(NotImplementedError):
        Detector().on_message("p", Heartbeat(1))


DETECTORS = [FreshnessDetector(margin_seconds=0.5), SilenceDetector(silence_seconds=1.5), AccrualDetector(fewest=3)]


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_crash_is_noticed_for_good_and_a_process_that_is_up_is_trusted(detector: Detector) -> None:
    options = {"period_seconds": 1.0, "loss_probability": 0.0, "delay": Exponential(0.01), "seed": 3}
    crashed = watch({"q": detector}, until_seconds=40.0, crash_seconds=20.25, **options)
    assert 0 < detection_seconds(crashed, 20.25) < 2.0
    up = watch({"q": detector}, until_seconds=19.9, **options)
    with pytest.raises(ValueError, match="`run`"):
        detection_seconds(up, 20.0)


def test_without_delay_and_loss_the_freshness_detector_notices_at_the_next_point() -> None:
    detector = FreshnessDetector(margin_seconds=0.5)
    run = watch(
        {"q": detector}, period_seconds=1.0, loss_probability=0.0, delay=Constant(0.0), seed=1, until_seconds=9.0,
        crash_seconds=5.25,
    )  # fmt: skip
    assert detection_seconds(run, 5.25) == pytest.approx(6.5 - 5.25)


def test_no_detector_is_always_right_whatever_is_lost() -> None:
    nodes = {"p": Process(("q",)), "q": FreshnessDetector()}
    found = explore(
        nodes,
        messages="set",
        sometimes={"mistaken": lambda world: bool(world.nodes["p"]) and world.nodes["q"].suspects},
        within=lambda world: world.nodes["p"].number <= 2 and world.nodes["q"].point <= 2,
    )
    assert "mistaken" in found.witnesses
    assert found.states == 18
