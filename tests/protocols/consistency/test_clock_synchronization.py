"""Clock synchronization: the exchange by hand, intervals that hold the truth under loss, servers that lie."""

import numpy as np
import pytest

from distlib.experiments.consistency.clock_synchronization import (
    SKEW_SECONDS,
    agreed_interval,
    measure_offset,
    synchronize,
    synchronizer_of,
)
from distlib.models.latency import Constant, Exponential, Shifted
from distlib.node import CancelTimer, ReadClock, Send, SetTimer
from distlib.protocols.consistency.clock_synchronization import (
    Answer,
    Ask,
    Sample,
    Synchronizer,
    TimeServer,
    common,
    most_agreed,
)
from distlib.runtimes.faults import Clock


def asked(**options: object) -> Synchronizer:
    node, _ = Synchronizer(("s",), **options).on_clock("ask", 10.0)  # type: ignore[arg-type]
    return node


def test_the_clock_is_read_before_the_question_leaves() -> None:
    node, effects = Synchronizer(("s",), 2).on_start(None)
    assert effects == (ReadClock("ask"),)
    node, effects = node.on_clock("ask", 10.0)
    assert effects == (Send("s", Ask(1)), SetTimer("patience", (1.0, 1.0)))


def test_the_midpoint_and_the_legs_come_from_four_readings() -> None:
    answer = Answer(1, 15.0, 16.0, 0.25)
    node, effects = asked().on_clock(("s", answer), 14.0)
    # Out: 5 by these clocks, back: -2. So the server is 3.5 ahead, and the legs took 3.
    assert node.samples == (Sample("s", 3.5, 3.0, 0.25),)
    assert node.samples[0].interval(0.5) == (2.25, 4.75)
    assert effects == (CancelTimer("patience"),)


def test_a_copy_or_a_late_answer_is_ignored() -> None:
    node = asked(probes=2)
    assert node.on_message("s", Answer(7, 0, 0, 0)) == (node, ())
    later, effects = node.on_timer("patience")
    assert effects == (ReadClock("ask"),)
    assert later.on_message("s", Answer(1, 0, 0, 0)) == (later, ())


def test_the_time_that_a_question_lies_at_the_server_does_not_count() -> None:
    servers = {"server": TimeServer(work_seconds=(0.5, 0.5))}
    node = synchronizer_of(synchronize(Constant(0.01), Constant(0.01), seed=1, servers=servers))
    (sample,) = node.samples
    assert sample.delay_seconds == pytest.approx(0.02)
    assert sample.offset_seconds == pytest.approx(-SKEW_SECONDS)


def test_equal_legs_give_the_exact_offset() -> None:
    node = synchronizer_of(synchronize(Constant(0.004), Constant(0.004), seed=1, shortest_leg_seconds=0.004))
    assert node.interval == pytest.approx((-SKEW_SECONDS, -SKEW_SECONDS))


@pytest.mark.parametrize("seed", range(20))
def test_the_interval_holds_the_truth_under_loss_and_lopsided_legs(seed: int) -> None:
    out, back = Shifted(Exponential(0.01), 0.02), Shifted(Exponential(0.001), 0.002)
    run = synchronize(out, back, seed=seed, probes=10, loss_probability=0.3, shortest_leg_seconds=0.002)
    interval = synchronizer_of(run).interval
    assert interval is not None
    assert interval[0] <= -SKEW_SECONDS <= interval[1]


def test_a_bound_on_a_leg_that_is_too_large_loses_the_truth() -> None:
    runs = [synchronize(Exponential(0.01), Constant(0.0), seed=seed, shortest_leg_seconds=0.004) for seed in range(20)]
    intervals = [synchronizer_of(run).interval for run in runs]
    assert any(not found[0] <= -SKEW_SECONDS <= found[1] for found in intervals if found is not None)


def test_drift_between_question_and_answer_adds_to_the_error() -> None:
    clocks = {"client": Clock(SKEW_SECONDS, drift=0.1)}
    run = synchronize(Constant(0.1), Constant(0.1), seed=1, clocks=clocks, shortest_leg_seconds=0.1)
    (sample,) = synchronizer_of(run).samples
    assert sample.offset_seconds != pytest.approx(-SKEW_SECONDS)


# ---------------------------------------------------------------------------------------------------------- intervals


def test_the_classical_example_of_three_sources() -> None:
    assert common([(8, 12), (11, 13), (10, 12)]) == (11, 12)


def test_intervals_that_only_touch_have_one_point_in_common() -> None:
    assert common([(1, 2), (2, 3)]) == (2, 2)


def test_the_result_covers_every_point_that_enough_intervals_hold() -> None:
    intervals = [(0, 3), (2, 5), (7, 9), (8, 12)]
    assert common(intervals, 2) == (2, 9)
    assert common(intervals, 1) is None
    assert most_agreed(intervals) == (2, 9)
    assert most_agreed([]) is None


def test_common_points_are_those_found_by_trying_all() -> None:
    generator = np.random.default_rng(1)
    for _ in range(200):
        starts = generator.integers(0, 10, 5)
        intervals = [(int(low), int(low + size)) for low, size in zip(starts, generator.integers(0, 6, 5), strict=True)]
        for wrong in range(5):
            points = [
                point / 2
                for point in range(40)
                if sum(low <= point / 2 <= high for low, high in intervals) >= 5 - wrong
            ]
            assert common(intervals, wrong) == ((min(points), max(points)) if points else None)


@pytest.mark.parametrize(("lying", "holds"), [(0, True), (3, True), (4, False)])
def test_a_minority_of_liars_is_outvoted_and_a_majority_is_not(lying: int, holds: bool) -> None:
    for seed in range(10):
        found = agreed_interval(7, 0.005, seed=seed, lying=lying)
        assert found is not None
        assert (found[0] <= 0 <= found[1]) is holds


def test_the_interval_holds_the_offset_over_real_sockets() -> None:
    holds, width_seconds = measure_offset(probes=4)
    assert holds
    assert width_seconds < 1
