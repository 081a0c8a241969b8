"""Sums of two legs against the laws that are known in closed form, and every pair of laws against its mean."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy.special import gammainc, gammaincc

from distlib.models.latency import Constant, Empirical, Exponential, LogNormal, Pareto, Shifted, Uniform
from distlib.models.order_statistics import maximum_mean
from distlib.models.sums import SumLaw, sum_of

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


def test_sum_of_equal_exponentials_is_a_gamma_law_in_both_tails():
    law, times = sum_of(Exponential(1.0), Exponential(1.0)), np.linspace(0.01, 100, 500)
    np.testing.assert_allclose(law.sf(times), gammaincc(2, times), rtol=1e-12)
    np.testing.assert_allclose(law.cdf(times), gammainc(2, times), rtol=1e-12)


@pytest.mark.parametrize("short", [0.5, 0.01, 1e-5])
def test_sum_of_unequal_exponentials_is_resolved_at_both_scales(short):
    times = np.geomspace(1e-6, 60, 300)
    expected = (np.exp(-times) - short * np.exp(-times / short)) / (1 - short)
    law = sum_of(Exponential(1.0), Exponential(short))
    np.testing.assert_allclose(law.sf(times), expected, rtol=1e-12)
    np.testing.assert_allclose(law.cdf(times) + expected, 1.0, atol=1e-13)


def test_sum_of_uniforms_is_a_triangle():
    times = np.linspace(-0.5, 2.5, 301)
    expected = np.where(times < 1, 1 - np.clip(times, 0, 1) ** 2 / 2, np.clip(2 - times, 0, 1) ** 2 / 2)
    np.testing.assert_allclose(sum_of(Uniform(0.0, 1.0), Uniform(0.0, 1.0)).sf(times), expected, atol=1e-13)


def test_far_tail_of_a_heavy_sum_is_that_of_one_big_leg():
    law = Pareto(1.0, 1.5)
    both = sum_of(law, law)
    # One big jump, with its first correction: P(A+B > x) -> 2 P(A > x) (1 + shape * E[B] / x).
    assert both.sf(1e9) == pytest.approx(2 * law.sf(1e9) * (1 + 1.5 * law.mean() / 1e9), rel=1e-9)


@pytest.mark.parametrize(("first", "second"), list(combinations(LEGS, 2)))
def test_every_pair_of_legs_has_the_mean_of_its_legs_and_inverts(first, second):
    law = sum_of(LEGS[first], LEGS[second])
    expected = LEGS[first].mean() + LEGS[second].mean()
    assert law.mean() == pytest.approx(expected, rel=1e-14)
    assert maximum_mean(law, 1) == pytest.approx(expected, rel=1e-9)
    chances = np.array([1e-6, 0.01, 0.5, 0.99, 1 - 1e-6])
    times = law.ppf(chances)
    # Close above a Pareto minimum a chance of 1e-6 is a difference of 1e-6 in time, and so loses six digits.
    np.testing.assert_allclose(law.cdf(times), chances, rtol=1e-8)
    np.testing.assert_allclose(law.cdf(times) + law.sf(times), 1.0, atol=1e-13)
    np.testing.assert_allclose(sum_of(LEGS[second], LEGS[first]).sf(times), law.sf(times), rtol=1e-12)


def test_a_sum_can_be_a_leg_again():
    law = sum_of(Exponential(1.0), sum_of(Exponential(1.0), Exponential(1.0)))
    np.testing.assert_allclose(law.sf([0.1, 2.0, 30.0]), gammaincc(3, [0.1, 2.0, 30.0]), rtol=1e-10)


def test_kinks_of_a_sum_are_kept_when_it_is_a_leg():
    law, times = sum_of(Uniform(0.0, 1.0), sum_of(Uniform(0.0, 1.0), Uniform(0.0, 1.0))), np.linspace(0.1, 2.9, 15)
    irwin_hall = sum((-1) ** j * math.comb(3, j) * np.maximum(times - j, 0) ** 3 for j in range(4)) / 6
    np.testing.assert_allclose(law.cdf(times), irwin_hall, atol=1e-10)


@pytest.mark.parametrize("sigma", [5e-4, 1e-6])
def test_a_needle_of_a_law_shifts_a_wide_one_by_its_mean(sigma):
    needle = LogNormal(2.0, sigma)
    times = np.array([2.3, 2.6, 2.9])
    np.testing.assert_allclose(
        sum_of(needle, Uniform(0.2, 1.0)).sf(times), (1.0 + needle.mean() - times) / 0.8, atol=1e-12
    )


def test_measured_legs_are_averaged_or_paired_exactly():
    measured, law = Empirical((1.0, 2.0, 4.0)), Exponential(1.0)
    mixed = sum_of(law, measured)
    assert mixed.sf(2.5) == pytest.approx(np.mean([law.sf(1.5), law.sf(0.5), 1.0]), rel=1e-14)
    assert mixed.cdf(2.5) == pytest.approx(1 - mixed.sf(2.5), rel=1e-14)
    assert maximum_mean(mixed, 1) == pytest.approx(measured.mean() + 1.0, rel=1e-11)
    assert sum_of(measured, Empirical((10.0, 20.0))) == Empirical((11.0, 12.0, 14.0, 21.0, 22.0, 24.0))


def test_constant_and_shifted_legs_become_one_shift():
    assert sum_of(Constant(1.0), Constant(2.0)) == Constant(3.0)
    assert sum_of(Exponential(1.0), Shifted(Constant(1.0), 2.0)) == Shifted(Exponential(1.0), 3.0)
    law = sum_of(Shifted(Exponential(1.0), 1.0), Shifted(Exponential(1.0), 0.5))
    assert law == Shifted(SumLaw(Exponential(1.0), Exponential(1.0)), 1.5)


def test_sum_knows_its_moments_and_its_ends():
    law = sum_of(Uniform(1.0, 2.0), Exponential(3.0))
    assert law.std() == pytest.approx(math.sqrt(1 / 12 + 9), rel=1e-14)
    np.testing.assert_array_equal(law.ppf([0.0, 1.0]), [1.0, np.inf])
    assert law.rvs(size=(2, 3), random_state=np.random.default_rng(seed=7)).shape == (2, 3)
    assert law.sf([[0.0, 1.0], [5.0, np.inf]]).shape == (2, 2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: sum_of(Exponential(1.0), 2.0), TypeError, "`law_b` must be a law"),
        (lambda: SumLaw(Constant(1.0), Constant(1.0)), ValueError, r"must be continuous.*use sum_of"),
        (lambda: sum_of(Empirical((1.0,) * 2001), Exponential(1.0)), ValueError, "at most 2,000 samples beside"),
        (lambda: sum_of(Empirical((1.0,) * 1001), Empirical((1.0,) * 1001)), ValueError, "1,000,000 pairs of samples"),
        (lambda: sum_of(Exponential(1.0), Exponential(1.0)).ppf(2.0), ValueError, r"`q` must be in \[0, 1\], got 2.0"),
    ],
)
def test_bad_arguments_are_named_with_their_bound(call, error, message):
    with pytest.raises(error, match=message):
        call()
