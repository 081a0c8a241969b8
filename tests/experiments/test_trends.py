"""Rings, rounds and links on the bench agree with their models, as far as their assumptions go."""

from __future__ import annotations

import numpy as np
import pytest

from distlib.estimates import Estimate
from distlib.experiments.trends import (
    all_reduce_seconds,
    backlogs,
    devices,
    gradients_used_per_second,
    ring,
    run_ring,
    run_sensor,
    run_training,
)
from distlib.models.latency import Constant, Exponential, Shifted
from distlib.models.trends import backlog_mean, gradients_per_second, ring_seconds


@pytest.mark.parametrize("worker_count", [2, 3, 8])
def test_constant_steps_take_what_the_model_says_exactly(worker_count: int) -> None:
    run = run_ring(worker_count, Constant(1e-5 + 4e8 / worker_count / 1e10))
    assert all_reduce_seconds(run) == pytest.approx(ring_seconds(worker_count, 4e8, 1e10, 1e-5), rel=1e-9)


def test_steps_that_vary_take_longer_than_their_mean_says() -> None:
    times = [all_reduce_seconds(run_ring(8, Exponential(1.0), seed=seed)) for seed in range(20)]
    assert Estimate.of_mean(times).low > 1.3 * 14


@pytest.mark.parametrize("spare_count", [0, 5])
def test_rounds_use_as_many_gradients_a_second_as_predicted(spare_count: int) -> None:
    run = run_training(20, spare_count, Shifted(Exponential(1.0), 1.0), round_count=150, seed=1)
    simulated = Estimate.of_mean(gradients_used_per_second(run))
    assert abs(simulated.z(1 / gradients_per_second(20, spare_count, 1.0, 1.0))) < 3


def test_as_much_waits_behind_a_link_as_predicted() -> None:
    means = [backlogs(run_sensor(10, 40, 30.0, 6.0, until_seconds=3000, seed=seed)).mean() for seed in range(10)]
    simulated = Estimate.of_mean(means)
    assert abs(simulated.z(backlog_mean(10, 40, 30.0, 6.0))) < 3


def test_a_link_that_is_never_down_leaves_nothing_waiting() -> None:
    assert np.all(backlogs(run_sensor(10, 40, 1e9, 1.0, until_seconds=100, seed=1)) == 0)


def test_what_is_too_small_is_named() -> None:
    with pytest.raises(ValueError, match="`worker_count` must be at least 1, got 0"):
        ring(0)
    with pytest.raises(ValueError, match="`device_count` must be at least 2, got 1"):
        devices(1)
