"""A replicated log's costs: the published value, limits and identities, a second route, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distlib.models.consistency.consensus import (
    LogTiming,
    Shipping,
    commit_availability,
    commit_latency_mean,
    commit_latency_sf,
    cycle_seconds_mean,
    majority,
    naive_commit_latency_mean,
    throughput_bound,
)
from distlib.models.latency import Constant, Exponential, Law, LogNormal, Pareto, Uniform
from distlib.models.order_statistics import order_statistic_mean
from distlib.models.sums import sum_of

ROWS = json.loads((Path(__file__).parents[2] / "data" / "curriculum_values.json").read_text())
REFERENCE = {row["id"]: (row["value"], row["rtol"]) for row in ROWS}
LEG = Exponential(0.001)


def alike(count: int, leg: Law = LEG, **options: Any) -> LogTiming:
    return LogTiming.alike(count, leg, **options)


def test_a_leader_that_votes_for_itself_waits_for_the_second_of_four() -> None:
    value, relative = REFERENCE["1b.18"]  # for a law of the whole answer, there and back
    answer = LogNormal(10.0, 0.8)
    assert order_statistic_mean(answer, alike(5).awaited, 4) == pytest.approx(value, rel=relative)


def test_one_server_waits_for_nobody_and_two_for_the_other() -> None:
    assert commit_latency_mean(alike(1, leader_force_seconds=0.003)) == 0.003
    two = alike(2, follower_force_seconds=0.002, leader_force_seconds=0.003)
    assert commit_latency_mean(two) == pytest.approx(0.003 + 0.002 + 2 * 0.001)


def test_constant_legs_have_no_order_to_speak_of() -> None:
    for count in range(2, 9):
        assert commit_latency_mean(alike(count, Constant(0.005), follower_force_seconds=0.001)) == pytest.approx(0.011)


@pytest.mark.parametrize("leg", [LEG, Uniform(0, 0.002), LogNormal(0.001, 1.0), Pareto(0.001, 2.5)])
def test_an_even_cluster_is_slower_than_both_neighbours(leg: Law) -> None:
    means = {count: commit_latency_mean(alike(count, leg)) for count in range(2, 8)}
    assert means[4] > max(means[3], means[5])
    assert means[6] > max(means[5], means[7])


def test_the_mean_is_that_of_sorted_samples() -> None:
    legs = (LEG, Exponential(0.004), Uniform(0.001, 0.002), LogNormal(0.002, 0.5))
    timing = LogTiming(legs, follower_force_seconds=0.0005, leader_force_seconds=0.002)
    generator = np.random.default_rng(5)
    size = 200_000
    answers = [leg.rvs(size=size, random_state=generator) + leg.rvs(size=size, random_state=generator) for leg in legs]
    waits = np.sort(np.array(answers) + 0.0005, axis=0)[1]
    for parallel, sampled in ((False, 0.002 + waits), (True, np.maximum(0.002, waits))):
        mean = commit_latency_mean(LogTiming(legs, 0.0005, 0.002, parallel))
        assert abs(sampled.mean() - mean) < 4 * sampled.std() / np.sqrt(size)
    late = commit_latency_sf(timing, 0.006)
    assert abs(np.mean(0.002 + waits > 0.006) - late) < 4 * np.sqrt(late * (1 - late) / size)


@pytest.mark.parametrize("parallel", [False, True])
def test_the_area_under_the_survival_function_is_the_mean(parallel: bool) -> None:
    timing = alike(5, follower_force_seconds=0.001, leader_force_seconds=0.0035, parallel_write=parallel)
    assert np.all(commit_latency_sf(timing, [0.0, 0.002, 0.0034]) == 1)
    times = np.linspace(0.0035, 0.06, 5_001)
    area = 0.0035 + np.trapezoid(commit_latency_sf(timing, times), times)
    assert area == pytest.approx(commit_latency_mean(timing), rel=1e-4)


def test_a_write_beside_the_others_saves_at_most_itself() -> None:
    for write in (0.0, 0.001, 0.01, 1.0):
        apart, beside = (
            commit_latency_mean(alike(5, leader_force_seconds=write, parallel_write=each)) for each in (False, True)
        )
        assert max(write, apart - write) - 1e-12 <= beside <= apart + 1e-12
    assert commit_latency_mean(alike(5, leader_force_seconds=1.0, parallel_write=True)) == pytest.approx(1.0)


@pytest.mark.parametrize(("count", "without"), [(3, 2), (5, 4), (4, 3)])
def test_a_follower_that_is_too_slow_to_be_waited_for_is_one_that_is_not_there(count: int, without: int) -> None:
    legs = (Constant(3600.0), *[LEG] * (count - 2))
    waits = majority(count) - 1
    assert commit_latency_mean(LogTiming(legs)) == pytest.approx(
        order_statistic_mean(sum_of(LEG, LEG), waits, without - 1), rel=1e-9
    )


def test_taking_the_leader_for_one_of_those_it_asks_is_wrong_by_a_tenth() -> None:
    ratios = [naive_commit_latency_mean(alike(n)) / commit_latency_mean(alike(n)) for n in (3, 5, 7)]
    assert all(1.1 < ratio < 1.7 for ratio in ratios)
    assert ratios == sorted(ratios, reverse=True)
    assert naive_commit_latency_mean(alike(5, Constant(0.1))) == commit_latency_mean(alike(5, Constant(0.1)))


def test_availability_falls_with_every_even_server_and_is_the_curriculum_s() -> None:
    value, relative = REFERENCE["1b.1"]
    assert commit_availability(5, 0.9) == pytest.approx(value, rel=relative)
    for odd in (1, 3, 5, 7):
        # A_2m = A_{2m-1} - (1-p) P(Bin(2m-1, p) = m)
        middle = (odd + 1) // 2
        lost = 0.1 * math.comb(odd, middle) * 0.9**middle * 0.1 ** (odd - middle)
        assert commit_availability(odd + 1, 0.9) == pytest.approx(commit_availability(odd, 0.9) - lost)


def test_throughput_is_bound_by_little_s_law_and_by_the_slowest_station() -> None:
    timing = alike(3, Constant(0.001), follower_force_seconds=0.001, leader_force_seconds=0.002)
    cycle = cycle_seconds_mean(timing, Constant(0.0005))
    assert cycle == pytest.approx(0.006)
    for way in Shipping:
        assert throughput_bound(timing, Constant(0.0005), 1, way) == pytest.approx(1 / cycle)
    rates = [throughput_bound(timing, Constant(0.0005), 1000, way) for way in Shipping]
    assert rates == [pytest.approx(1 / 0.003), pytest.approx(1 / 0.002), pytest.approx(1000 / cycle)]


def test_one_server_ships_nothing() -> None:
    alone = alike(1, leader_force_seconds=0.001)
    assert throughput_bound(alone, Constant(0.001), 100, Shipping.ONE_AT_A_TIME) == pytest.approx(1000)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: majority(0), "`server_count` must be a whole number of at least 1, got 0"),
        (lambda: majority(2.5), "got 2.5"),  # type: ignore[arg-type]
        (lambda: alike(3, follower_force_seconds=-1.0), "`follower_force_seconds` must be finite and at least 0"),
        (lambda: alike(3, leader_force_seconds=float("inf")), "`leader_force_seconds` must be finite"),
        (lambda: commit_latency_sf(alike(1), 0.1), "`timing` must have at least one follower"),
        (lambda: naive_commit_latency_mean(LogTiming((LEG, Constant(1.0)))), "`timing` must have followers"),
        (lambda: naive_commit_latency_mean(alike(1)), "`timing` must have followers"),
        (lambda: throughput_bound(alike(3), LEG, 0, Shipping.BATCHED), "`client_count` must be a whole number"),
        (lambda: throughput_bound(alike(1), Constant(0.0), 1, Shipping.BATCHED), "must take some time"),
    ],
)
def test_arguments_out_of_range_are_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_a_leg_that_is_no_law_is_refused() -> None:
    with pytest.raises(TypeError, match="legs"):
        LogTiming((0.001,))  # type: ignore[arg-type]
