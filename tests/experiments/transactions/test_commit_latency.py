"""Six ways to commit on one bench take as long as predicted."""

import pytest

from distlib.estimates import Estimate
from distlib.experiments.transactions.commit_latency import simulated_seconds
from distlib.models.latency import Constant, Exponential
from distlib.models.transactions.commit_latency import ONE_BUILDING, WAYS, Setting, commit_latency_mean

RANDOM = Setting("random", Exponential(0.002), 0.001, 3)
EXACT = Setting("exact", Constant(0.010), 0.003, 3)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "deterministic order"])
def test_constant_legs_take_what_the_model_says_exactly(way: str) -> None:
    (seconds,) = simulated_seconds(way, EXACT, run_count=1)
    assert seconds == pytest.approx(commit_latency_mean(way, EXACT), rel=1e-6)


def test_an_order_takes_up_to_half_an_epoch_more_or_less_than_its_mean() -> None:
    seconds = simulated_seconds("deterministic order", EXACT, run_count=20)
    away = seconds - commit_latency_mean("deterministic order", EXACT)
    assert abs(away).max() <= EXACT.epoch_seconds / 2
    assert away.max() - away.min() > EXACT.epoch_seconds / 2


@pytest.mark.parametrize("way", WAYS)
def test_random_legs_take_what_the_model_says_in_the_mean(way: str) -> None:
    simulated = Estimate.of_mean(simulated_seconds(way, RANDOM, run_count=150))
    assert abs(simulated.z(commit_latency_mean(way, RANDOM))) < 3


def test_what_is_unknown_is_named() -> None:
    with pytest.raises(ValueError, match=r"`way` must be one of .*, got 'by hope'"):
        simulated_seconds("by hope", ONE_BUILDING, run_count=1)
    with pytest.raises(ValueError, match="`run_count` must be at least 1, got 0"):
        simulated_seconds("saga", ONE_BUILDING, run_count=0)
