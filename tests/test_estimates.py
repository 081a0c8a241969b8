"""Estimates: their intervals cover as often as they say, and their distances are standard normal."""

import math

import numpy as np
import pytest
from scipy.special import ndtri

from distlib.estimates import Estimate, write_number

EXPERIMENTS = 2000
# Of 2,000 intervals at 95 % the share that covers has a standard error of 0.005.
COVERAGE = pytest.approx(0.95, abs=3 * math.sqrt(0.95 * 0.05 / EXPERIMENTS))


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed=seed)


def coverage(estimates: list[Estimate], truth: float) -> float:
    return float(np.mean([estimate.low <= truth <= estimate.high for estimate in estimates]))


def test_intervals_of_means_cover_as_often_as_they_say_even_with_five_samples():
    draws = generator(1).normal(3.0, 2.0, size=(EXPERIMENTS, 5))
    assert coverage([Estimate.of_mean(each) for each in draws], 3.0) == COVERAGE


def test_intervals_of_small_proportions_cover_nearly_as_often_as_they_say():
    # Counts are whole, so coverage jumps with the probability and is right on average over probabilities.
    random = generator(2)
    chances = random.uniform(0.01, 0.1, size=EXPERIMENTS)
    covered = [
        estimate.low <= chance <= estimate.high
        for chance, estimate in (
            (chance, Estimate.of_proportion(int(random.binomial(100, chance)), 100)) for chance in chances
        )
    ]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


def test_intervals_of_quantiles_cover_at_least_as_often_as_they_say_without_knowing_the_law():
    draws = generator(3).pareto(1.5, size=(EXPERIMENTS, 400))
    covered = coverage([Estimate.of_quantile(each, 0.9) for each in draws], 0.1 ** (-1 / 1.5) - 1)
    assert 0.95 - 0.015 <= covered <= 0.98


@pytest.mark.parametrize(
    ("make", "truth"),
    [
        (lambda random: Estimate.of_mean(random.normal(3.0, 2.0, size=6)), 3.0),
        (lambda random: Estimate.of_proportion(int(random.binomial(1000, 0.2)), 1000), 0.2),
        (lambda random: Estimate.of_quantile(random.exponential(1.0, size=1000), 0.5), math.log(2)),
        (
            lambda random: (
                Estimate.of_mean(random.normal(5, 1, size=400)) - Estimate.of_mean(random.normal(3, 2, size=400))
            ),
            2.0,
        ),
    ],
    ids=["mean of six", "proportion", "median", "difference"],
)
def test_distance_from_the_truth_is_standard_normal(make, truth):
    random = generator(4)
    distances = np.array([make(random).z(truth) for _ in range(EXPERIMENTS)])
    assert abs(np.mean(distances)) < 3 / math.sqrt(EXPERIMENTS)
    assert np.std(distances) == pytest.approx(1.0, abs=3 / math.sqrt(2 * EXPERIMENTS))
    assert np.mean(np.abs(distances) > 2) == pytest.approx(0.0455, abs=0.015)


def test_distance_has_the_sign_of_the_estimate_above_the_prediction():
    samples = np.linspace(9.0, 11.0, 201)
    for estimate in (Estimate.of_mean(samples), Estimate.of_quantile(samples, 0.5), Estimate(10.0, 9.0, 11.0, 5)):
        assert estimate.z(9.5) > 0 > estimate.z(10.5)
    assert Estimate.of_proportion(60, 100).z(0.5) == pytest.approx(2.0)
    assert Estimate(10.0, 9.0, 11.0, 5).z(9.0) == pytest.approx(ndtri(0.975))


def test_few_samples_count_for_less():
    few, many = Estimate.of_mean([0.0, 1.0, 2.0]), Estimate.of_mean(generator(5).normal(0.0, 1.0, size=5000))
    error = few.half_width / 4.302652729911275  # Student's quantile of 0.975 with two degrees of freedom
    assert few.z(1.0 - 4.302652729911275 * error) == pytest.approx(ndtri(0.975))
    assert many.z(many.value - many.half_width) == pytest.approx(ndtri(0.975), rel=1e-3)


def test_wilson_interval_is_the_published_one():
    # 7 of 20: R. G. Newcombe, Statistics in Medicine 17 (1998), gives 81 of 263: 0.2553 to 0.3662.
    estimate = Estimate.of_proportion(81, 263)
    assert (round(estimate.low, 4), round(estimate.high, 4)) == (0.2553, 0.3662)
    assert Estimate.of_proportion(0, 10).low == 0.0
    assert Estimate.of_proportion(10, 10).high == 1.0


def test_samples_that_are_all_equal_agree_only_with_themselves():
    estimate = Estimate.of_mean([2.0, 2.0, 2.0])
    assert estimate.z(2.0) == 0.0
    assert estimate.z(2.1) == -math.inf
    assert Estimate.of_proportion(0, 10).z(0.0) == 0.0
    assert Estimate.of_proportion(1, 10).z(0.0) == math.inf


def test_batches_that_remember_each_other_are_refused():
    walk = np.cumsum(generator(6).normal(size=40))
    with pytest.raises(ValueError, match=r"`batch_means` must be independent.*make the batches longer"):
        Estimate.of_batches(walk)
    independent = generator(6).normal(size=40)
    assert Estimate.of_batches(independent) == Estimate.of_mean(independent)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Estimate.of_mean([1.0]), ValueError, "`samples` must be a sequence of at least 2 finite numbers"),
        (lambda: Estimate.of_mean([1.0, math.nan]), ValueError, "finite"),
        (lambda: Estimate.of_mean([1.0, 2.0], level=95), ValueError, r"`level` must be in \(0, 1\), got 95"),
        (lambda: Estimate.of_proportion(11, 10), ValueError, r"`successes` must be in \[0, 10\], got 11"),
        (lambda: Estimate.of_proportion(0.5, 10), TypeError, "`successes` must be a whole number, got 0.5"),
        (lambda: Estimate.of_proportion(0, 0), ValueError, "`trials` must be at least 1, got 0"),
        (lambda: Estimate.of_batches(np.arange(19.0)), ValueError, "at least 20"),
        (
            lambda: Estimate.of_quantile(np.arange(100.0), 0.99),
            ValueError,
            r"reach beyond the quantile 0.99.*100 are too few",
        ),
        (lambda: Estimate.of_quantile(np.arange(100.0), 1.0), ValueError, r"`q` must be in \(0, 1\), got 1.0"),
        (lambda: Estimate(1.0, 1.1, 1.2, 5), ValueError, r"`value` must be finite and in \[low, high\]"),
        (lambda: Estimate(1.0, 0.9, math.inf, 5), ValueError, "`value` must be finite"),
        (lambda: Estimate(1, 0, 2, 5, 0.9) - Estimate(1, 0, 2, 5), ValueError, "`level` must be the same for both"),
    ],
)
def test_bad_arguments_are_named_with_their_bound(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(4.360585, 4.341585, 4.379585, 9), "4.361 ± 0.019"),
        (Estimate(1234567.0, 1233567.0, 1235567.0, 9), "1,234,567 ± 1,000"),
        (Estimate(1.8911848e-6, 1.8791848e-6, 1.9031848e-6, 9), "(1.891 ± 0.012) × 10⁻⁶"),
        (Estimate(2.5e9, 2.4e9, 2.6e9, 9), "(2.50 ± 0.10) × 10⁹"),
        (Estimate(-0.5, -0.6, -0.4, 9), "−0.50 ± 0.10"),
        (Estimate(-0.0004, -0.1004, 0.0996, 9), "0.00 ± 0.10"),
        (Estimate(0.0, 0.0, 0.037, 100), "0.000, from 0.000 to 0.037"),
        (Estimate(3.0, 3.0, 3.0, 9), "3.000"),
    ],
)
def test_an_estimate_is_written_in_the_digits_that_its_interval_leaves(estimate, text):
    assert str(estimate) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.0, "0.000"), (0.5, "0.5000"), (123456.0, "123,456"), (1.5e-5, "1.500 × 10⁻⁵"), (16, "16"), (-2.5, "−2.500")],
)
def test_a_number_without_uncertainty_is_written_in_four_digits(number, text):
    assert write_number(number) == text
