"""Staleness: reference values, limits and identities, a second route to the integral, and what the paper printed."""

from __future__ import annotations

import json
import math
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest

from distlib.estimates import Estimate
from distlib.models.consistency.staleness import (
    PUBLISHED,
    PUBLISHED_SAMPLES,
    WORKLOADS,
    Legs,
    Mixture,
    Published,
    exponential_stale_probability,
    lookalike_miss_probability,
    miss_probability,
    operation_seconds_quantile,
    sampled_visibility,
    sloppy_miss_probability,
    stale_probability,
    versions_behind_probability,
    visibility_seconds,
    visibility_seconds_deviation,
)
from distlib.models.latency import Constant, Exponential, LogNormal, Pareto, Uniform
from distlib.models.order_statistics import order_statistic_quantile
from distlib.models.sums import sum_of

ROWS = json.loads((Path(__file__).parents[2] / "data" / "curriculum_values.json").read_text())
REFERENCE = {row["id"]: (row["value"], row["rtol"]) for row in ROWS}
WRITE, READ = Exponential(0.020), Exponential(0.002)
ANCHOR = Legs(WRITE, request=READ)
FOUR = Legs(LogNormal(0.010, 0.9), Exponential(0.003), Uniform(0.001, 0.004), Pareto(0.001, 3))
QUORUMS = [(1, 1), (1, 2), (2, 1)]
SMALL = [(n, r, w) for n in range(1, 6) for r in range(1, n + 1) for w in range(1, n + 1)]


def matches(value: float, identifier: str) -> bool:
    expected, relative = REFERENCE[identifier]
    return math.isclose(value, expected, rel_tol=relative)


def drawn_gaps(legs: Legs, n: int, r: int, w: int, count: int, seed: int) -> np.ndarray:
    """Return by how much the last of the first R queries comes too early, in reads right after the write."""
    generator = np.random.default_rng(seed)
    out, back, ask, tell = (
        np.asarray(law.rvs(size=count * n, random_state=generator)).reshape(count, n)
        for law in (legs.write, legs.acknowledge, legs.request, legs.response)
    )
    over = np.sort(out + back, axis=1)[:, w - 1]
    first = np.argsort(ask + tell, axis=1)[:, :r]
    return np.asarray(np.take_along_axis(out - ask, first, 1).min(axis=1) - over)


# ------------------------------------------------------------------------------------------------------ frozen quorums


def test_miss_probability_counts_the_read_quorums_that_miss_a_write_quorum() -> None:
    for n, r, w in SMALL:
        missed = [not set(quorum) & set(range(w)) for quorum in combinations(range(n), r)]
        assert math.isclose(miss_probability(n, r, w), sum(missed) / len(missed)), (n, r, w)


def test_miss_probability_is_zero_exactly_if_quorums_overlap() -> None:
    assert all((miss_probability(n, r, w) == 0) is (r + w > n) for n, r, w in SMALL)


def test_lookalike_draws_with_replacement_and_is_never_below_for_more_than_one() -> None:
    for n, r, w in SMALL:
        missed = [not set(drawn) & set(range(w)) for drawn in product(range(n), repeat=r)]
        assert math.isclose(lookalike_miss_probability(n, r, w), sum(missed) / len(missed), abs_tol=1e-12)
        assert lookalike_miss_probability(n, r, w) >= miss_probability(n, r, w) - 1e-12


def test_reference_value_of_versions_behind() -> None:
    assert matches(1 - versions_behind_probability(3, 1, 1, 3), "1b.11")


def test_sloppy_miss_is_the_mean_over_who_was_up() -> None:
    for n, r, p in product((3, 5), (1, 2, 3), (0.0, 0.3, 0.9, 1.0)):
        mean = sum(
            math.comb(n, up) * p**up * (1 - p) ** (n - up) * math.comb(n - up, r) / math.comb(n, r)
            for up in range(n + 1)
        )
        assert math.isclose(sloppy_miss_probability(r, p), mean, abs_tol=1e-12)


# -------------------------------------------------------------------------------------------------- spreading quorums


@pytest.mark.parametrize(("quorums", "identifier"), [((3, 1, 1), "1b.12"), ((3, 2, 1), "1b.13")])
def test_reference_values_of_staleness_by_closed_form_and_by_quadrature(
    quorums: tuple[int, int, int], identifier: str
) -> None:
    assert matches(float(exponential_stale_probability(*quorums, 0.010, 0.020, 0.002)), identifier)
    by_quadrature = float(stale_probability(*quorums, 0.010, ANCHOR))
    assert math.isclose(by_quadrature, REFERENCE[identifier][0], rel_tol=1e-6)


def test_quadrature_is_the_closed_form_for_exponential_legs_of_any_number_of_replicas() -> None:
    for n, r, w in ((3, 1, 2), (5, 2, 2), (7, 3, 2), (9, 1, 4)):
        times = [0.0, 0.010, 0.100]
        exact = exponential_stale_probability(n, r, w, times, 0.020, 0.002)
        np.testing.assert_allclose(stale_probability(n, r, w, times, ANCHOR), exact, rtol=1e-5)


@pytest.mark.parametrize("legs", [FOUR, WORKLOADS["LNKD-DISK"]], ids=["four laws", "LNKD-DISK"])
@pytest.mark.parametrize("quorums", QUORUMS)
def test_quadrature_agrees_with_sampling(legs: Legs, quorums: tuple[int, int]) -> None:
    gaps = drawn_gaps(legs, 3, *quorums, 300_000, seed=7)
    for seconds in (0.0, 0.002, 0.010):
        sampled = Estimate.of_proportion(int(np.sum(gaps > seconds)), len(gaps))
        assert abs(sampled.z(float(stale_probability(3, *quorums, seconds, legs)))) < 3.5


def test_without_spreading_and_right_after_instant_reads_staleness_is_that_of_frozen_quorums() -> None:
    for n, r, w in SMALL:
        assert float(stale_probability(n, r, w)) == miss_probability(n, r, w)
        # With no time to the replicas for reads, those without an acknowledgement have no write yet.
        if r + w <= n:
            instant = float(stale_probability(n, r, w, 0.0, Legs(WRITE)))
            assert math.isclose(instant, miss_probability(n, r, w), rel_tol=1e-6)


def test_staleness_falls_with_time_and_with_either_quorum() -> None:
    curve = stale_probability(5, 1, 1, np.linspace(0, 0.1, 20), FOUR)
    assert np.all(np.diff(curve) < 0)
    table = np.array([[float(stale_probability(5, r, w, 0.005, FOUR)) for w in range(1, 5)] for r in range(1, 5)])
    assert np.all(np.diff(table, axis=0)[table[:-1] > 0] < 0)
    assert np.all(np.diff(table, axis=1)[table[:, :-1] > 0] < 0)


def test_writes_that_take_a_constant_time_are_never_missed() -> None:
    assert float(stale_probability(3, 1, 1, 0.0, Legs(Constant(0.010), READ, READ, READ))) == 0
    assert float(stale_probability(3, 1, 1, 0.0, Legs(Constant(0.010), request=READ))) == 0


def test_units_cancel() -> None:
    in_seconds = stale_probability(3, 2, 1, 0.010, ANCHOR)
    in_hours = stale_probability(3, 2, 1, 36.0, Legs(Exponential(72.0), request=Exponential(7.2)))
    assert math.isclose(float(in_seconds), float(in_hours), rel_tol=1e-9)


def test_visibility_is_where_staleness_is_what_is_allowed() -> None:
    for quorums in QUORUMS:
        seconds = visibility_seconds(3, *quorums, FOUR, stale_at_most=0.01)
        assert math.isclose(float(stale_probability(3, *quorums, seconds, FOUR)), 0.01, rel_tol=1e-6)
    assert visibility_seconds(3, 2, 2, FOUR) == 0
    exponential = 0.020 * math.log(float(stale_probability(3, 1, 1, 0.0, ANCHOR)) / 0.001)
    assert math.isclose(visibility_seconds(3, 1, 1, ANCHOR), exponential, rel_tol=1e-6)


def test_error_of_a_sampled_visibility_is_that_of_samples() -> None:
    predicted = visibility_seconds_deviation(3, 1, 1, ANCHOR, 20_000, stale_at_most=0.01)
    # For an exponential tail of mean m it is m (p (1 - p) / n)^(1/2) / p.
    assert math.isclose(predicted, 0.020 * math.sqrt(0.01 * 0.99 / 20_000) / 0.01, rel_tol=1e-3)


def test_a_sweep_over_fresh_samples_reports_too_early_as_predicted() -> None:
    times, chances = sampled_visibility(3, 1, 1, ANCHOR, 2_000, 0.002, stale_at_most=0.01)
    generator = np.random.default_rng(5)
    stale = stale_probability(3, 1, 1, times, ANCHOR)
    sweeps = [times[np.argmax(generator.binomial(2_000, stale) <= 20)] for _ in range(2_000)]
    assert abs(Estimate.of_mean(sweeps).z(float(times @ chances))) < 3
    assert math.isclose(chances.sum(), 1.0)
    assert float(times @ chances) < visibility_seconds(3, 1, 1, ANCHOR, stale_at_most=0.01)


def test_latency_of_a_quorum_is_an_order_statistic_of_round_trips() -> None:
    for quorum in (1, 2, 3):
        second = float(order_statistic_quantile(sum_of(WRITE, READ), quorum, 3, 0.99))
        first = float(operation_seconds_quantile(WRITE, READ, quorum, 3, 0.99))
        assert math.isclose(first, second, rel_tol=1e-4)


# ----------------------------------------------------------------------------------------------- what the paper printed


def test_paper_fits_have_the_percentiles_that_the_companies_reported() -> None:
    # The paper's table 1: 0.58 ms on average, 1 ms at 95 %, 2 ms at 99 %, there and back on an SSD.
    round_trip = sum_of(WORKLOADS["LNKD-SSD"].write, WORKLOADS["LNKD-SSD"].acknowledge)
    assert math.isclose(round_trip.mean(), 0.58e-3, rel_tol=0.05)


@pytest.mark.parametrize(
    ("workload", "consistent"), [("LNKD-SSD", 0.974), ("LNKD-DISK", 0.439), ("YMMR, shape 3.5", 0.893)]
)
def test_paper_chance_of_a_consistent_read_right_after_a_write(workload: str, consistent: float) -> None:
    stale = float(stale_probability(3, 1, 1, 0.0, WORKLOADS[workload]))
    # 10,000 writes were sampled, and three digits printed.
    error = math.sqrt(stale * (1 - stale) / 10_000) + 0.0005
    assert abs(1 - stale - consistent) < 2 * error


def test_results_for_yammer_are_those_of_another_shape_than_is_printed() -> None:
    def write_ms(workload: str) -> float:
        legs = WORKLOADS[workload]
        return 1000 * float(operation_seconds_quantile(legs.write, legs.acknowledge, 1, 3, 0.999))

    printed = [row.write_ms for row in PUBLISHED if row.workload == "YMMR" and row.write_quorum == 1]
    assert all(abs(value - write_ms("YMMR, shape 3.5")) < 0.1 for value in printed)
    assert all(abs(value - write_ms("YMMR")) > 0.25 for value in printed)


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: f"{row.workload} R{row.read_quorum} W{row.write_quorum}")
def test_paper_latencies_are_reproduced_within_their_sampling_error(row: Published) -> None:
    legs = WORKLOADS["YMMR, shape 3.5" if row.workload == "YMMR" else row.workload]
    read = operation_seconds_quantile(legs.request, legs.response, row.read_quorum, 3, 0.999)
    write = operation_seconds_quantile(legs.write, legs.acknowledge, row.write_quorum, 3, 0.999)
    assert math.isclose(1000 * float(read), row.read_ms, rel_tol=0.015)
    assert math.isclose(1000 * float(write), row.write_ms, rel_tol=0.015)


def test_paper_visibility_is_below_the_exact_one_wherever_it_is_above_zero_and_its_sweep_says_why() -> None:
    steps = {"LNKD-SSD": 0.01e-3, "LNKD-DISK": 0.1e-3, "YMMR": 1e-3}
    inside = []
    for row in PUBLISHED:
        legs, quorums = WORKLOADS[row.workload], (row.read_quorum, row.write_quorum)
        exact_ms = 1000 * visibility_seconds(3, *quorums, legs)
        if row.visibility_ms == 0:
            assert exact_ms == 0
            continue
        assert row.visibility_ms < exact_ms
        times, chances = sampled_visibility(3, *quorums, legs, PUBLISHED_SAMPLES, steps[row.workload])
        low, high = 1000 * np.interp([0.005, 0.995], np.cumsum(chances), times)
        inside.append(low <= row.visibility_ms <= high)
    assert len(inside) == 8
    assert all(inside)


# -------------------------------------------------------------------------------------------------------------- errors


def test_mixture_is_a_law_in_all_its_methods() -> None:
    law = Mixture((Pareto(0.001, 3), Exponential(0.010)), (0.7, 0.3))
    chances = np.array([0.001, 0.3, 0.5, 0.99, 0.999999])
    np.testing.assert_allclose(law.cdf(law.ppf(chances)), chances, rtol=1e-9)
    np.testing.assert_allclose(law.sf(law.isf(1e-12)), 1e-12, rtol=1e-6)
    np.testing.assert_allclose(law.cdf(0.004) + law.sf(0.004), 1.0)
    drawn = law.rvs(size=200_000, random_state=np.random.default_rng(1))
    assert abs(Estimate.of_mean(drawn).z(law.mean())) < 3
    assert math.isclose(float(np.std(drawn)), law.std(), rel_tol=0.05)
    assert law.ppf(1.0) == math.inf
    assert law.ppf(0.0) == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: miss_probability(3, 4, 1), r"`read_quorum` must be in \[1, 3\], got 4"),
        (lambda: miss_probability(0, 1, 1), "`replica_count` must be at least 1, got 0"),
        (lambda: stale_probability(3, 1, 1, -1.0, ANCHOR), "`seconds_since_write` must be finite and at least 0"),
        (lambda: exponential_stale_probability(3, 1, 1, 0, 0, 1), "`write_seconds_mean` must be finite and above 0"),
        (lambda: visibility_seconds(3, 1, 1, ANCHOR, stale_at_most=0), r"`stale_at_most` must be in \(0, 1\), got 0"),
        (lambda: sampled_visibility(3, 1, 1, ANCHOR, 10, 0), "`step_seconds` must be finite and above 0, got 0"),
        (lambda: sloppy_miss_probability(1, 1.5), r"`up_probability` must be in \[0, 1\], got 1.5"),
        (lambda: versions_behind_probability(3, 1, 1, 0), "`version_count` must be at least 1, got 0"),
        (lambda: operation_seconds_quantile(WRITE, READ, 1, 3, 1.0), r"`probability` must be in \(0, 1\), got 1.0"),
        (lambda: Mixture((WRITE,), (0.5,)), "`shares` must be 1 numbers of at least 0 that sum to 1"),
    ],
)
def test_arguments_out_of_range_are_refused(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]


def test_a_law_that_is_none_is_refused() -> None:
    with pytest.raises(TypeError, match="`request` must be a law"):
        Legs(WRITE, request=0.002)  # type: ignore[arg-type]
