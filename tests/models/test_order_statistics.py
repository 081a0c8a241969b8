"""Order statistics against published values, closed forms, inclusion and exclusion, and draws.

The closed forms (harmonic numbers, gamma functions) are the tests' alone: the module integrates numerically.
"""

import json
import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy.special import gammaln

from distlib.models.latency import Constant, Empirical, Exponential, LogNormal, Pareto, Shifted, Uniform
from distlib.models.order_statistics import (
    OrderStatisticLaw,
    interruption_probability,
    laplace_of_maximum,
    maximum_mean,
    maximum_mean_of,
    order_statistic_cdf,
    order_statistic_mean,
    order_statistic_mean_of,
    order_statistic_quantile,
    order_statistic_sf,
    order_statistic_sf_of,
)
from distlib.models.sums import sum_of

ROWS = json.loads((Path(__file__).parents[1] / "data" / "curriculum_values.json").read_text(encoding="utf-8"))
REFERENCE = {row["id"]: row["value"] for row in ROWS}
LEGS = {
    "exponential": Exponential(1.0),
    "short exponential": Exponential(1e-4),
    "lognormal": LogNormal(1.0, 0.6),
    "narrow lognormal": LogNormal(2.0, 0.05),
    "wide lognormal": LogNormal(1.0, 2.0),
    "pareto": Pareto(1.0, 1.5),
    "heavy pareto": Pareto(0.5, 1.05),
    "uniform": Uniform(0.2, 1.0),
    "shifted": Shifted(Exponential(0.5), 2.0),
}


def harmonic(n: int) -> float:
    return math.fsum(1 / i for i in range(1, n + 1))


def pareto_mean(law: Pareto, k: int, n: int) -> float:
    logarithm = (
        gammaln(n + 1) + gammaln(n - k + 1 - 1 / law.shape) - gammaln(n - k + 1) - gammaln(n + 1 - 1 / law.shape)
    )
    return law.minimum_seconds * float(np.exp(logarithm))


@pytest.mark.parametrize(
    ("identifier", "value"),
    [
        ("3a.1", maximum_mean(Exponential(3.0), 8)),
        ("3a.2", maximum_mean(sum_of(Exponential(1.0), Exponential(1.0)), 8)),
        ("3a.3", maximum_mean(LogNormal(3.0, 0.6), 8)),
        ("3a.7", laplace_of_maximum(Exponential(1.0), 5, 0.3)),
        ("1b.14", order_statistic_mean(Exponential(10.0), 3, 5)),
        ("1b.15", order_statistic_mean(LogNormal(10.0, 0.8), 3, 5)),
        ("1b.16", order_statistic_mean(Pareto(5.0, 1.5), 3, 5)),
        ("1b.17", float(order_statistic_quantile(LogNormal(10.0, 0.8), 3, 5, 0.99))),
        ("1b.18", order_statistic_mean(LogNormal(10.0, 0.8), 2, 4)),
    ],
)
def test_reference_values_of_the_curriculum_are_reproduced(identifier, value):
    assert value == pytest.approx(REFERENCE[identifier], rel=1e-12)


@pytest.mark.parametrize("count", [1, 2, 7, 1000, 1_000_000])
def test_mean_maximum_of_exponentials_is_a_harmonic_number(count):
    assert maximum_mean(Exponential(0.001), count) == pytest.approx(0.001 * harmonic(count), rel=1e-12)


@pytest.mark.parametrize(("k", "n"), [(1, 1), (1, 9), (5, 9), (9, 9), (37, 100)])
def test_mean_of_uniforms_divides_the_interval_evenly(k, n):
    assert order_statistic_mean(Uniform(2.0, 3.0), k, n) == pytest.approx(2 + k / (n + 1), rel=1e-13)


@pytest.mark.parametrize(
    ("shape", "k", "n"), [(1.001, 1, 1), (1.05, 5, 5), (1.5, 100, 100), (2.5, 3, 5), (0.4, 3, 5), (0.05, 1, 30)]
)
def test_heavy_tails_keep_their_whole_mean(shape, k, n):
    law = Pareto(0.005, shape)
    assert order_statistic_mean(law, k, n) == pytest.approx(pareto_mean(law, k, n), rel=1e-10)


@pytest.mark.parametrize(("shape", "k", "n"), [(1.0, 1, 1), (0.9, 5, 5), (0.5, 4, 5), (1 / 3, 3, 5)])
def test_mean_is_infinite_where_the_tail_says_so(shape, k, n):
    assert shape * (n - k + 1) <= 1
    assert order_statistic_mean(Pareto(0.005, shape), k, n) == math.inf


@pytest.mark.parametrize("name", LEGS)
def test_mean_of_one_is_the_mean_and_all_ranks_sum_to_n_means(name):
    law = LEGS[name]
    assert maximum_mean(law, 1) == pytest.approx(law.mean(), rel=1e-10)
    assert sum(order_statistic_mean(law, k, 4) for k in range(1, 5)) == pytest.approx(4 * law.mean(), rel=1e-10)


def test_measured_law_is_summed_exactly():
    samples = [3.0, 1.0, 4.0, 1.0, 5.0]
    pairs = [max(a, b) for a in samples for b in samples]
    assert maximum_mean(Empirical(tuple(samples)), 2) == pytest.approx(np.mean(pairs), rel=1e-14)
    assert maximum_mean(Shifted(Empirical(tuple(samples)), 2.0), 2) == pytest.approx(2 + np.mean(pairs), rel=1e-14)
    assert maximum_mean(Constant(0.0), 3) == 0.0


def test_mean_maximum_of_different_exponentials_follows_inclusion_and_exclusion():
    rates = [1.0, 0.5, 4.0, 4.0, 0.01]
    expected = math.fsum(
        (-1) ** (size + 1) / sum(subset) for size in range(1, 6) for subset in combinations(rates, size)
    )
    assert maximum_mean_of([Exponential(1 / rate) for rate in rates]) == pytest.approx(expected, rel=1e-11)


def test_different_laws_agree_with_enumeration_of_who_is_late():
    laws = [Exponential(1.0), LogNormal(1.0, 0.6), Uniform(0.0, 2.0), Pareto(0.5, 1.5), Exponential(1.0)]
    times = np.array([0.3, 1.0, 1.9, 40.0])
    for k in range(1, 6):
        expected = np.zeros(4)
        for size in range(6 - k, 6):
            for late in combinations(range(5), size):
                expected += np.prod(
                    [law.sf(times) if i in late else law.cdf(times) for i, law in enumerate(laws)], axis=0
                )
        np.testing.assert_allclose(order_statistic_sf_of(laws, k, times), expected, rtol=1e-13)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_equal_laws_given_one_by_one_agree_with_the_binomial_form(k):
    law = LogNormal(0.003, 0.6)
    times = law.ppf([1e-6, 0.3, 0.9, 1 - 1e-12])
    np.testing.assert_allclose(
        order_statistic_sf_of([law] * 5, k, times), order_statistic_sf(law, k, 5, times), rtol=1e-12
    )
    assert order_statistic_mean_of([law] * 5, k) == pytest.approx(order_statistic_mean(law, k, 5), rel=1e-12)


def test_distribution_and_survival_are_complements_and_the_quantile_inverts_them():
    law = Pareto(0.005, 1.5)
    chances = np.array([1e-9, 0.01, 0.5, 0.99, 1 - 1e-9])
    times = order_statistic_quantile(law, 3, 5, chances)
    np.testing.assert_allclose(order_statistic_cdf(law, 3, 5, times), chances, rtol=1e-7)
    np.testing.assert_allclose(order_statistic_sf(law, 3, 5, times), 1 - chances, rtol=1e-7)
    np.testing.assert_array_equal(order_statistic_quantile(law, 3, 5, [0.0, 1.0]), [0.005, np.inf])


@pytest.mark.parametrize(("k", "n"), [(1, 1), (3, 5), (8, 8)])
def test_law_of_an_order_statistic_has_its_moments(k, n):
    law = OrderStatisticLaw(Exponential(2.0), k, n)
    variance = 4 * math.fsum(1 / i**2 for i in range(n - k + 1, n + 1))
    assert law.mean() == pytest.approx(2 * math.fsum(1 / i for i in range(n - k + 1, n + 1)), rel=1e-12)
    assert law.std() == pytest.approx(math.sqrt(variance), rel=1e-11)


def test_law_of_an_order_statistic_keeps_a_heavy_tail():
    law = OrderStatisticLaw(Pareto(1.0, 1.5), 4, 5)
    # The square of a Pareto law is one of half the shape.
    assert law.std() == pytest.approx(math.sqrt(pareto_mean(Pareto(1.0, 0.75), 4, 5) - law.mean() ** 2), rel=1e-9)
    assert OrderStatisticLaw(Pareto(1.0, 1.5), 5, 5).std() == math.inf
    assert OrderStatisticLaw(Constant(3.0), 2, 3).std() == 0.0


def test_law_of_an_order_statistic_is_inverted_in_both_tails_and_drawn():
    law = OrderStatisticLaw(LogNormal(0.003, 0.6), 3, 5)
    chances = np.array([1e-30, 1e-9, 0.5, 1 - 1e-9])
    np.testing.assert_allclose(law.sf(law.isf(chances)), chances, rtol=1e-10)
    np.testing.assert_allclose(law.cdf(law.ppf(chances)), chances, rtol=1e-7)
    draws = law.rvs(size=(100, 500), random_state=np.random.default_rng(seed=2))
    assert abs(np.mean(draws) - law.mean()) < 3 * law.std() / math.sqrt(draws.size)


def test_a_leg_can_be_an_order_statistic():
    # The larger of two answers, and then one more: the maximum is 1 + 1/2, and so the sum 2 + 1/2.
    law = sum_of(OrderStatisticLaw(Exponential(1.0), 2, 2), Exponential(1.0))
    assert maximum_mean(law, 1) == pytest.approx(2.5, rel=1e-11)


def test_mean_maximum_agrees_with_draws():
    law, count, repetitions = sum_of(Pareto(0.001, 2.5), LogNormal(0.002, 0.5)), 6, 200_000
    draws = np.max(law.rvs(size=(repetitions, count), random_state=np.random.default_rng(seed=1)), axis=1)
    error = np.std(draws, ddof=1) / np.sqrt(repetitions)
    assert error < 0.005 * np.mean(draws)
    assert abs(np.mean(draws) - maximum_mean(law, count)) < 3 * error


@pytest.mark.parametrize("rate", [1e-9, 0.3, 1e6])
def test_laplace_transform_of_exponential_maximum_is_a_product(rate):
    expected = np.prod([k / (k + rate) for k in range(1, 6)])
    assert laplace_of_maximum(Exponential(1.0), 5, rate) == pytest.approx(expected, rel=1e-11)


def test_laplace_transform_of_a_bounded_law_counts_the_time_after_its_bound():
    assert laplace_of_maximum(Uniform(0.0, 1.0), 1, 2.0) == pytest.approx((1 - math.exp(-2)) / 2, rel=1e-12)
    assert laplace_of_maximum(Constant(3.0), 4, 0.5) == pytest.approx(math.exp(-1.5), rel=1e-12)
    assert laplace_of_maximum(Constant(3.0), 4, 0.0) == 1.0


@pytest.mark.parametrize("rate", [1e-15, 1e-3, 10.0])
def test_interruption_keeps_its_digits_where_crashes_are_rare(rate):
    expected = -math.expm1(-math.fsum(math.log1p(rate / k) for k in range(1, 6)))
    assert interruption_probability(Exponential(1.0), 5, rate) == pytest.approx(expected, rel=1e-11)
    assert interruption_probability(Exponential(1.0), 5, rate) <= rate * maximum_mean(Exponential(1.0), 5)
    assert interruption_probability(Exponential(1.0), 5, 0.0) == 0.0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: order_statistic_mean(Exponential(1.0), 6, 5), ValueError, r"`k` must be in \[1, 5\], got 6"),
        (lambda: order_statistic_mean(Exponential(1.0), 1, 0), ValueError, "`n` must be at least 1, got 0"),
        (lambda: order_statistic_mean(Exponential(1.0), 1.5, 5), TypeError, "`k` must be a whole number, got 1.5"),
        (lambda: maximum_mean(Exponential(1.0), 0), ValueError, "`count` must be at least 1, got 0"),
        (lambda: maximum_mean(Exponential(1.0), True), TypeError, "`count` must be a whole number, got True"),
        (lambda: maximum_mean(3.0, 2), TypeError, "`law` must be a law"),
        (lambda: maximum_mean_of([]), ValueError, "`laws` must hold at least one law"),
        (lambda: maximum_mean_of([Exponential(1.0), 2.0]), TypeError, r"`laws\[1\]` must be a law"),
        (
            lambda: order_statistic_quantile(Exponential(1.0), 1, 2, 1.1),
            ValueError,
            r"`probability` must be in \[0, 1\]",
        ),
        (
            lambda: laplace_of_maximum(Exponential(1.0), 2, -1.0),
            ValueError,
            "`rate` must be finite .*, got -1.0",
        ),
        (lambda: interruption_probability(Exponential(1.0), 2, math.nan), ValueError, "`rate` must be finite"),
    ],
)
def test_bad_arguments_are_named_with_their_bound(call, error, message):
    with pytest.raises(error, match=message):
        call()
