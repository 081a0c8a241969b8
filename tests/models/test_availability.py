"""Availability: reference values, limits and identities, and every state of small systems as a second way."""

from __future__ import annotations

import json
import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import betabinom, binom

from distlib.models.availability import (
    MINUTES_PER_YEAR,
    binomial,
    common_cause,
    correlated,
    downtime_minutes_per_year,
    k_of_n_availability,
    k_of_n_unavailability,
    nines,
    parallel,
    poisson_binomial,
    poisson_binomial_fourier,
    series,
    unavailability_of,
    up_share,
    votes_up,
    zones_up,
)

ROWS = json.loads((Path(__file__).parents[1] / "data" / "curriculum_values.json").read_text())
REFERENCE = {row["id"]: (row["value"], row["rtol"]) for row in ROWS}
UNEQUAL = [0.99, 0.95, 0.9, 0.85, 0.8]


def matches(value: float, identifier: str) -> bool:
    expected, relative = REFERENCE[identifier]
    return math.isclose(value, expected, rel_tol=relative)


def test_reference_values() -> None:
    assert matches(k_of_n_availability(3, 5, 0.9), "1b.1")
    assert matches(1 - unavailability_of(poisson_binomial(UNEQUAL), 3), "1b.2")
    gifford = votes_up([2, 1, 1, 1], [0.99, 0.9, 0.9, 0.95])
    assert matches(1 - unavailability_of(gifford, 4), "1b.3")
    assert matches(1 - unavailability_of(gifford, 2), "1b.4")
    assert matches(1 - unavailability_of(correlated(5, 0.9, 0.1), 3), "1b.5")
    zones = zones_up([(0.999, [0.99] * 2), (0.999, [0.99] * 2), (0.999, [0.99])])
    assert matches(1 - unavailability_of(zones, 3), "1b.6")


def test_k_of_n_is_the_tail_of_the_binomial_law_in_both_directions() -> None:
    for n in range(1, 7):
        for k in range(n + 1):
            up = np.array([0.0, 0.3, 0.9, 1.0])
            np.testing.assert_allclose(k_of_n_availability(k, n, up), binom.sf(k - 1, n, up), atol=1e-14)
            np.testing.assert_allclose(k_of_n_unavailability(k, n, 1 - up), binom.cdf(k - 1, n, up), atol=1e-14)


def test_a_small_unavailability_keeps_its_digits() -> None:
    for down in (1e-6, 1e-9):
        leading = math.comb(9, 5) * down**5
        assert math.isclose(k_of_n_unavailability(5, 9, down), leading, rel_tol=10 * down)


def test_votes_are_summed_over_every_state_of_the_nodes() -> None:
    votes, ups = [3, 2, 2, 1, 0], UNEQUAL
    expected = np.zeros(sum(votes) + 1)
    for states in product((0, 1), repeat=5):
        chance = math.prod(up if state else 1 - up for up, state in zip(ups, states, strict=True))
        expected[sum(count * state for count, state in zip(votes, states, strict=True))] += chance
    np.testing.assert_allclose(votes_up(votes, ups), expected, rtol=1e-12)


def test_both_routes_to_the_poisson_binomial_agree_and_only_one_has_a_tail() -> None:
    ups = np.linspace(0.9, 0.999, 40).tolist()
    convolved, transformed = poisson_binomial(ups), poisson_binomial_fourier(ups)
    np.testing.assert_allclose(convolved, transformed, atol=1e-14)
    nobody = math.prod(1 - up for up in ups)
    assert math.isclose(convolved[0], nobody, rel_tol=1e-9)
    assert abs(transformed[0]) > 1e6 * nobody


def test_poisson_binomial_of_nodes_alike_is_binomial() -> None:
    np.testing.assert_allclose(poisson_binomial([0.9] * 7), binom.pmf(range(8), 7, 0.9), rtol=1e-12)
    np.testing.assert_allclose(binomial(7, 0.9), binom.pmf(range(8), 7, 0.9), rtol=1e-12)


def test_correlated_is_the_beta_binomial_law_with_its_limits() -> None:
    for correlation in (0.01, 0.1, 0.5, 0.9):
        spread = 1 / correlation - 1
        expected = betabinom.pmf(range(6), 5, 0.9 * spread, 0.1 * spread)
        np.testing.assert_allclose(correlated(5, 0.9, correlation), expected, rtol=1e-10)
    np.testing.assert_allclose(correlated(5, 0.9, 1e-14), binom.pmf(range(6), 5, 0.9), rtol=1e-9)
    np.testing.assert_allclose(correlated(5, 0.9, 1.0), [0.1, 0, 0, 0, 0, 0.9], atol=1e-15)
    np.testing.assert_allclose(correlated(5, 0.0, 0.3), [1, 0, 0, 0, 0, 0], atol=1e-15)


def test_any_two_nodes_have_the_correlation_that_was_asked_for() -> None:
    for n, correlation in product((2, 3, 9), (0.0, 0.05, 0.4)):
        law, count = correlated(n, 0.9, correlation), np.arange(n + 1)
        both_up = float(law @ (count * (count - 1))) / (n * (n - 1))
        assert math.isclose((both_up - 0.81) / 0.09, correlation, abs_tol=1e-12)
        assert math.isclose(float(law @ count), 0.9 * n)


def test_zones_that_never_fail_do_not_matter_and_one_that_all_share_is_a_floor() -> None:
    np.testing.assert_allclose(
        zones_up([(1.0, UNEQUAL[:2]), (1.0, UNEQUAL[2:])]), poisson_binomial(UNEQUAL), rtol=1e-12
    )
    one_zone = zones_up([(0.999, UNEQUAL)])
    np.testing.assert_allclose(one_zone, common_cause(poisson_binomial(UNEQUAL), 0.001), rtol=1e-12)
    assert unavailability_of(one_zone, 1) >= 0.001


def test_every_law_sums_to_one() -> None:
    for law in (
        binomial(6, 0.3),
        votes_up([2, 1, 3], [0.9, 0.5, 0.1]),
        correlated(6, 0.3, 0.2),
        zones_up([(0.9, [0.5, 0.5]), (0.8, [0.1])]),
        common_cause(binomial(4, 0.5), 0.1),
    ):
        assert math.isclose(float(law.sum()), 1.0, rel_tol=1e-12)
        assert np.all(law >= 0)


def test_series_and_parallel_are_all_of_and_one_of() -> None:
    assert math.isclose(series(UNEQUAL), 1 - unavailability_of(poisson_binomial(UNEQUAL), 5))
    assert math.isclose(parallel(UNEQUAL), 1 - unavailability_of(poisson_binomial(UNEQUAL), 1))


def test_share_of_time_is_that_of_the_means() -> None:
    assert up_share(999.0, 1.0) == 0.999
    assert up_share(1.0, 0.0) == 1.0
    assert up_share(0.0, 1.0) == 0.0


def test_nines_and_minutes() -> None:
    assert nines(np.array([0.1, 0.001, 1e-30])).round(9).tolist() == [1.0, 3.0, 30.0]
    assert nines(0.0) == math.inf
    assert math.isclose(downtime_minutes_per_year(1.0), MINUTES_PER_YEAR)
    assert math.isclose(downtime_minutes_per_year(1e-5), 5.2596)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: k_of_n_availability(4, 3, 0.9), r"`k` must be in \[0, 3\], got 4"),
        (lambda: k_of_n_unavailability(1, 0, 0.9), "`n` must be at least 1, got 0"),
        (lambda: poisson_binomial([0.5, 1.5]), r"`up_probabilities` must be in \[0, 1\]"),
        (lambda: poisson_binomial([]), "`up_probabilities` must be a sequence of at least one probability"),
        (lambda: votes_up([1], [0.5, 0.5]), "`votes` must be one for each of the 2 nodes, got 1"),
        (lambda: votes_up([-1, 1], [0.5, 0.5]), "`votes` must be at least 0, got -1"),
        (lambda: correlated(0, 0.5, 0.1), "`n` must be at least 1, got 0"),
        (lambda: correlated(3, 0.5, 1.1), r"`correlation` must be in \[0, 1\], got 1.1"),
        (lambda: zones_up([]), "`zones` must be at least one, got none"),
        (lambda: common_cause([1.0], -0.1), r"`cause_probability` must be in \[0, 1\], got -0.1"),
        (lambda: unavailability_of([0.5, 0.5], 2), r"`needed` must be in \[0, 1\], got 2"),
        (lambda: up_share(-1.0, 1.0), "`failure_seconds_mean` must be finite and at least 0, got -1.0"),
        (lambda: up_share(0.0, 0.0), "must not both be 0"),
        (lambda: nines(1.5), r"`unavailability` must be in \[0, 1\], got 1.5"),
    ],
)
def test_what_is_out_of_its_domain_is_refused(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]


def test_counts_that_are_not_whole_are_refused() -> None:
    with pytest.raises(TypeError, match=r"`k` must be a whole number, got 1\.5"):
        k_of_n_availability(1.5, 3, 0.9)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="`n` must be a whole number, got True"):
        correlated(True, 0.9, 0.1)
