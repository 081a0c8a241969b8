"""Each law of latency against the distribution of scipy.stats that it is, and what it refuses."""

import math

import numpy as np
import pytest
from scipy import stats

from distlib.models.latency import (
    Constant,
    Empirical,
    Exponential,
    Law,
    LogNormal,
    Pareto,
    Shifted,
    Uniform,
    require_law,
)

CONTINUOUS = [
    pytest.param(Uniform(0.5, 2.0), stats.uniform(loc=0.5, scale=1.5), id="uniform"),
    pytest.param(Exponential(0.25), stats.expon(scale=0.25), id="exponential"),
    pytest.param(LogNormal(0.01, 0.8), stats.lognorm(s=0.8, scale=0.01), id="lognormal"),
    pytest.param(Pareto(0.002, 2.5), stats.pareto(b=2.5, scale=0.002), id="pareto"),
    pytest.param(Shifted(Exponential(0.25), 0.1), stats.expon(loc=0.1, scale=0.25), id="shifted exponential"),
    pytest.param(Shifted(stats.gamma(2.0), 0.1), stats.gamma(2.0, loc=0.1), id="shifted law of scipy"),
]
SAMPLES = (0.3, 0.1, 0.1, 0.7, 0.2)
LAWS = [
    pytest.param(Constant(0.25), id="constant"),
    *(pytest.param(case.values[0], id=case.id) for case in CONTINUOUS),
    pytest.param(Empirical(SAMPLES), id="empirical"),
    pytest.param(stats.weibull_min(0.7), id="law of scipy"),
]


@pytest.mark.parametrize(("law", "reference"), CONTINUOUS)
def test_cdf_and_sf_are_those_of_scipy_from_below_the_support_to_far_in_the_tail(law, reference):
    x = np.concatenate([[-1.0, 0.0], reference.ppf(np.linspace(0.0, 0.999, 50)), [10.0, 50.0]])
    np.testing.assert_allclose(law.cdf(x), reference.cdf(x), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(law.sf(x), reference.sf(x), rtol=1e-10, atol=0)


@pytest.mark.parametrize(("law", "reference"), CONTINUOUS)
def test_ppf_is_that_of_scipy_at_both_ends_and_between(law, reference):
    q = np.concatenate([[0.0, 1.0], np.linspace(1e-9, 1 - 1e-9, 101)])
    np.testing.assert_allclose(law.ppf(q), reference.ppf(q), rtol=1e-9)


@pytest.mark.parametrize(("law", "reference"), CONTINUOUS)
def test_mean_and_deviation_are_those_of_scipy(law, reference):
    assert law.mean() == pytest.approx(reference.mean(), rel=1e-12)
    assert law.std() == pytest.approx(reference.std(), rel=1e-12)


@pytest.mark.parametrize(("law", "reference"), CONTINUOUS)
def test_draws_follow_the_law(law, reference):
    draws = law.rvs(size=4000, random_state=np.random.default_rng(11))
    assert stats.kstest(draws, reference.cdf).pvalue > 0.01


@pytest.mark.parametrize("law", LAWS)
def test_draws_depend_on_the_generator_and_on_nothing_else(law):
    def draw(seed):
        return np.asarray(law.rvs(size=20, random_state=np.random.default_rng(seed)))

    assert draw(3).shape == (20,)
    np.testing.assert_array_equal(draw(3), draw(3))
    if law.std() > 0:
        assert not np.array_equal(draw(3), draw(4))


@pytest.mark.parametrize("law", LAWS)
def test_scalars_and_arrays_of_any_shape_are_answered_alike(law):
    x = np.array([[0.05, 0.2], [0.4, 3.0]])
    for answer in (law.cdf, law.sf, law.ppf):
        values = answer(x / 4)
        assert values.shape == x.shape
        assert [float(answer(each)) for each in (x / 4).ravel()] == values.ravel().tolist()


@pytest.mark.parametrize("law", LAWS)
def test_cdf_and_sf_add_up_to_one(law):
    x = np.linspace(-0.5, 4, 37)
    np.testing.assert_allclose(np.asarray(law.cdf(x)) + law.sf(x), 1.0, rtol=1e-15)


@pytest.mark.parametrize("law", LAWS)
def test_ppf_is_the_smallest_value_that_reaches_the_probability(law):
    q = np.linspace(0.013, 0.987, 40)
    values = law.ppf(q)
    assert np.all(law.cdf(values * (1 + 1e-9)) >= q)
    assert np.all(law.cdf(values * (1 - 1e-9)) <= q)


@pytest.mark.parametrize(
    ("law", "x", "probability"),
    [
        (Exponential(1.0), 700.0, math.exp(-700)),
        (Pareto(1.0, 3.0), 1e60, 1e-180),
        (LogNormal(1.0, 0.1), 20.0, math.erfc(math.log(20.0) / 0.1 / math.sqrt(2)) / 2),
    ],
)
def test_tail_probabilities_survive_where_one_minus_the_cdf_is_zero(law, x, probability):
    assert 1 - law.cdf(x) == 0
    assert law.sf(x) == pytest.approx(probability, rel=1e-10)


def test_constant_is_a_step():
    law = Constant(0.25)
    assert law.cdf([0.2499, 0.25, 0.2501]).tolist() == [0.0, 1.0, 1.0]
    assert law.sf([0.2499, 0.25, 0.2501]).tolist() == [1.0, 0.0, 0.0]
    assert law.ppf([0.0, 0.5, 1.0]).tolist() == [0.25, 0.25, 0.25]
    assert (law.mean(), law.std()) == (0.25, 0.0)
    assert law.rvs(size=3, random_state=np.random.default_rng(1)).tolist() == [0.25, 0.25, 0.25]


def test_empirical_law_is_that_of_its_samples():
    law = Empirical(SAMPLES)
    reference = stats.rv_discrete(values=(range(4), [2 / 5, 1 / 5, 1 / 5, 1 / 5]))
    values = np.array([0.1, 0.2, 0.3, 0.7])
    assert law.samples_seconds == (0.1, 0.1, 0.2, 0.3, 0.7)
    np.testing.assert_allclose(law.cdf(values), reference.cdf(range(4)))
    np.testing.assert_allclose(law.cdf([0.0, 0.15, 0.69, 9.0]), [0.0, 0.4, 0.8, 1.0])
    q = np.linspace(0.01, 0.99, 21)
    np.testing.assert_array_equal(law.ppf(q), values[reference.ppf(q).astype(int)])
    assert (law.ppf(0.0), law.ppf(1.0)) == (0.1, 0.7)
    assert law.mean() == pytest.approx(np.mean(SAMPLES))
    assert law.std() == pytest.approx(np.std(SAMPLES))


def test_empirical_law_draws_each_sample_equally_often():
    draws = Empirical(SAMPLES).rvs(size=5000, random_state=np.random.default_rng(5))
    values, counts = np.unique(draws, return_counts=True)
    assert values.tolist() == [0.1, 0.2, 0.3, 0.7]
    assert stats.chisquare(counts, [2000, 1000, 1000, 1000]).pvalue > 0.01


def test_moments_of_a_heavy_tail_diverge():
    assert (Pareto(1.0, 1.0).mean(), Pareto(1.0, 1.0).std()) == (math.inf, math.inf)
    assert (Pareto(1.0, 2.0).mean(), Pareto(1.0, 2.0).std()) == (2.0, math.inf)


def test_exponential_law_has_no_memory():
    law = Exponential(0.02)
    assert law.sf(0.07) / law.sf(0.05) == pytest.approx(law.sf(0.02), rel=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Constant(-0.1), "`seconds` must be finite and at least 0, got -0.1"),
        (lambda: Constant(math.inf), "`seconds` must be finite and at least 0, got inf"),
        (lambda: Constant(math.nan), "`seconds` must be finite and at least 0, got nan"),
        (lambda: Uniform(-0.1, 1.0), "`shortest_seconds` must be finite and at least 0, got -0.1"),
        (lambda: Uniform(1.0, 1.0), "`longest_seconds` must be finite and above 1.0, got 1.0"),
        (lambda: Exponential(0.0), "`mean_seconds` must be finite and above 0, got 0.0"),
        (lambda: LogNormal(0.0, 1.0), "`median_seconds` must be finite and above 0, got 0.0"),
        (lambda: LogNormal(1.0, -1.0), "`sigma` must be finite and above 0, got -1.0"),
        (lambda: Pareto(0.0, 1.0), "`minimum_seconds` must be finite and above 0, got 0.0"),
        (lambda: Pareto(1.0, 0.0), "`shape` must be finite and above 0, got 0.0"),
        (lambda: Shifted(Constant(1.0), -1.0), "`shift_seconds` must be finite and at least 0, got -1.0"),
        (lambda: Empirical(()), "`samples_seconds` must be a sequence of at least one finite number, none below 0"),
        (lambda: Empirical((0.1, -0.1)), "finite number, none below 0, got .*smallest -0.1"),
        (lambda: Empirical((0.1, math.nan)), "`samples_seconds` must be a sequence of at least one finite number"),
        (lambda: require_law("latency", stats.norm(1.0, 0.1)), "`latency` must never be negative, got a law whose"),
        (lambda: Shifted(stats.uniform(-1.0, 2.0), 1.0), "`law` must never be negative, got a law whose smallest"),
    ],
)
def test_values_outside_the_domain_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("value", [0.001, "slow", None, Constant])
def test_what_is_not_a_law_is_refused(value):
    with pytest.raises(TypeError, match=r"`latency` must be a law of distlib\.models\.latency, such as Constant"):
        require_law("latency", value)


@pytest.mark.parametrize("law", LAWS)
def test_laws_and_frozen_distributions_are_laws(law):
    assert isinstance(law, Law)
    assert require_law("latency", law) is law


def test_quantile_of_a_measured_share_is_its_sample_for_every_number_of_samples() -> None:
    for count in range(1, 130):
        law = Empirical(tuple(float(sample) for sample in range(1, count + 1)))
        samples = np.arange(1, count + 1)
        assert law.ppf(law.cdf(samples)).tolist() == samples.tolist()


@pytest.mark.parametrize("name", ["expon", "gamma", "norm"])
def test_distribution_that_was_not_frozen_is_no_law(name: str) -> None:
    with pytest.raises(TypeError, match="`latency` must be a law"):
        require_law("latency", getattr(stats, name))
