"""Six ways to commit side by side: each is its own module's, with the same network and disks; limits; errors."""

import math

import pytest

from distlib.models.latency import Constant, Exponential, LogNormal
from distlib.models.order_statistics import maximum_mean, order_statistic_mean
from distlib.models.sums import sum_of
from distlib.models.transactions.commit_latency import (
    FIVE_REGIONS,
    ONE_BUILDING,
    WAYS,
    Setting,
    commit_latency_mean,
    lock_hold_seconds_mean,
)


def test_constant_legs_cost_two_three_four_and_two_n_legs_one_after_the_other() -> None:
    far = Setting("far", Constant(1.0), 0.0, 5, epoch_seconds=0.0)
    assert [commit_latency_mean(way, far) for way in WAYS] == pytest.approx([2, 2, 4, 3, 10, 4])


def test_without_a_network_what_is_forced_one_after_the_other_is_left() -> None:
    here = Setting("here", Constant(0.0), 1.0, 5, epoch_seconds=0.0)
    assert [commit_latency_mean(way, here) for way in WAYS] == pytest.approx([1, 2, 2, 2, 11, 1])


def test_half_an_epoch_is_added_to_the_order_and_to_nothing_else() -> None:
    short, long = (Setting("", Exponential(0.001), 0.001, epoch_seconds=epoch) for epoch in (0.0, 0.020))
    for way in WAYS:
        added = commit_latency_mean(way, long) - commit_latency_mean(way, short)
        assert added == pytest.approx(0.010 if way == "deterministic order" else 0.0, abs=1e-12)


def test_exponential_legs_have_the_integrals_written_out() -> None:
    leg = Exponential(1.0)
    slowest = maximum_mean(sum_of(leg, leg), 4)
    setting = Setting("", leg, 0.5, 4, epoch_seconds=0.0)
    assert commit_latency_mean("two-phase commit", setting) == pytest.approx(1 + slowest, rel=1e-9)
    assert commit_latency_mean("three-phase commit", setting) == pytest.approx(1 + 2 * slowest, rel=1e-9)
    assert commit_latency_mean("saga", setting) == pytest.approx(0.5 + 4 * 3, rel=1e-9)
    assert setting.sequencing().mean() == pytest.approx(0.5 + order_statistic_mean(sum_of(leg, leg), 1, 2), rel=1e-9)


@pytest.mark.parametrize("way", WAYS)
def test_latency_is_in_proportion_to_legs_and_disks_together(way: str) -> None:
    once, ten = (Setting("", LogNormal(scale, 0.3), scale / 2, 3, epoch_seconds=scale) for scale in (1.0, 10.0))
    assert commit_latency_mean(way, ten) == pytest.approx(10 * commit_latency_mean(way, once), rel=1e-4)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "one place"])
def test_more_participants_take_longer(way: str) -> None:
    means = [commit_latency_mean(way, ONE_BUILDING.among(count)) for count in (2, 4, 8)]
    assert means == sorted(means)
    assert means[0] < means[2]


def test_what_locks_least_is_not_what_is_quickest() -> None:
    locks = {way: lock_hold_seconds_mean(way, FIVE_REGIONS) for way in WAYS}
    quick = {way: commit_latency_mean(way, FIVE_REGIONS) for way in WAYS}
    assert locks["saga"] == locks["one place"] == min(locks.values())
    assert quick["saga"] == max(quick.values())
    assert (
        locks["deterministic order"] < locks["two-phase commit"] < locks["Paxos Commit"] < locks["three-phase commit"]
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: commit_latency_mean("by hope", ONE_BUILDING), "`way` must be one of 'one place', .*, got 'by hope'"),
        (lambda: lock_hold_seconds_mean("by hope", ONE_BUILDING), "`way` must be one of .*, got 'by hope'"),
        (lambda: Setting("", Constant(1.0), -1.0), "`force_seconds` must be finite and at least 0, got -1.0"),
        (lambda: Setting("", Constant(1.0), 0.0, epoch_seconds=math.inf), "`epoch_seconds` must be finite"),
        (lambda: Setting("", Constant(1.0), 0.0, fault_count=3), "`fault_count` must be 1 or 2, got 3"),
        (lambda: ONE_BUILDING.among(0), "`participant_count` must be a whole number of at least 1, got 0"),
    ],
)
def test_what_is_out_of_range_is_named(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
