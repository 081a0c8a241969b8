"""The price of consistency: limits, identities, values by hand, and errors."""

import math

import numpy as np
import pytest

from distlib.models.core_concepts import (
    answered_without_retry_probability,
    majority,
    naive_operation_seconds,
    operation_messages,
    operation_seconds_mean,
    refused_probability,
    stale_after_probability,
    stale_read_probability,
)
from distlib.models.latency import Constant, Exponential, LogNormal


def test_majorities_of_one_to_six() -> None:
    assert [majority(count) for count in range(1, 7)] == [1, 2, 2, 3, 3, 4]


def test_three_replicas_with_exponential_legs_take_five_halves_of_a_leg() -> None:
    assert operation_seconds_mean(3, Exponential(0.010)) == pytest.approx(0.025, rel=1e-8)


def test_two_replicas_wait_for_the_only_other_one() -> None:
    assert operation_seconds_mean(2, Exponential(0.010)) == pytest.approx(0.040, rel=1e-8)


@pytest.mark.parametrize("count", [2, 3, 5, 9])
def test_constant_legs_cost_two_round_trips_whatever_the_number(count: int) -> None:
    leg = Constant(0.010)
    assert operation_seconds_mean(count, leg) == pytest.approx(naive_operation_seconds(leg), rel=1e-12)


def test_messages_are_four_for_each_other_replica() -> None:
    assert [operation_messages(count) for count in (1, 2, 3, 5)] == [0, 4, 8, 16]


def test_refusals_without_patience_are_the_product_that_is_usually_quoted() -> None:
    assert refused_probability(0.02, 0.25) == pytest.approx(0.005)
    assert refused_probability(0.5, 1 / 3, patience_seconds=2, heal_seconds_mean=10) == pytest.approx(
        math.exp(-0.2) / 6
    )
    assert refused_probability(0.0, 1.0) == 0.0


def test_staleness_for_exponential_delays_is_a_race_of_two_exponentials() -> None:
    for rate in (0.1, 25.0, 1e4):
        load = rate * 0.010
        assert stale_read_probability(Exponential(0.010), rate) == pytest.approx(load / (1 + load), rel=1e-8)
    assert stale_read_probability(Exponential(0.010), 0.0) == 0.0


def test_staleness_is_the_mean_over_the_age_of_the_latest_write_and_at_most_the_updates_under_way() -> None:
    delay, rate = LogNormal(0.010, 0.8), 20.0
    ages = np.linspace(0, 2.0, 400_001)
    by_hand = np.trapezoid(rate * np.exp(-rate * ages) * stale_after_probability(delay, ages), ages)
    assert stale_read_probability(delay, rate) == pytest.approx(by_hand, rel=1e-5)
    assert stale_read_probability(delay, rate) < rate * delay.mean()


def test_without_loss_all_is_answered_and_with_nothing_but_loss_nothing() -> None:
    assert answered_without_retry_probability(5, 0.0) == 1.0
    assert answered_without_retry_probability(5, 1.0) == 0.0
    assert answered_without_retry_probability(3, 0.1) == pytest.approx((1 - (1 - 0.81) ** 2) ** 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: operation_seconds_mean(1, Constant(0.01)), "`replica_count` must be at least 2, got 1"),
        (lambda: majority(0), "`replica_count` must be .* got 0"),
        (lambda: refused_probability(1.5, 0.1), r"`split_share` must be in \[0, 1\], got 1.5"),
        (lambda: refused_probability(0.5, -0.1), r"`minority_share` must be in \[0, 1\], got -0.1"),
        (lambda: refused_probability(0.5, 0.1, patience_seconds=-1), "`patience_seconds` .* got -1"),
        (lambda: refused_probability(0.5, 0.1, heal_seconds_mean=0), "`heal_seconds_mean` .* got 0"),
        (lambda: answered_without_retry_probability(3, 2.0), r"`loss_probability` must be in \[0, 1\], got 2.0"),
        (lambda: stale_read_probability(Exponential(1.0), -1.0), "`rate` must be .* got -1.0"),
    ],
)
def test_what_is_out_of_range_is_named(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
