r"""Availability: with which probability enough parts of a system are up, whether they fail alone or together.

Theory of operation
-------------------
A snapshot: at the instant of an operation each of n nodes is up or down, and nothing changes while it lasts. How many
are up is a random number, and everything here is its law.

*Independent and alike*: binomial, whose tails are the regularised incomplete beta function, in both directions without
subtraction. *Independent and different*: Poisson-binomial. :func:`poisson_binomial` convolves, n times two terms, which
adds positive numbers only and so keeps the digits of the smallest probability. :func:`poisson_binomial_fourier` takes
the Fourier transform of the product of characteristic functions, which is another route to the same numbers: its error
is about 1e-16 of *one*, and so it has no digits in the tail. Never the binomial with the mean of the p: that is another
law.

*Not independent*, by mechanism or by fit. Zones that fail as a whole: convolve the mixture of each zone. A common
cause that takes all nodes down: a node that is in series with all others. Where only a correlation is known: the
beta-binomial law, in which the probability itself is drawn, once for all nodes, from a beta law. Any two nodes then
have the given correlation.

A small unavailability is one minus a number close to one, and has few digits left. So most functions return the
unavailability, and the availability is one minus that.

Sources: R. E. Barlow and F. Proschan, *Statistical Theory of Reliability and Life Testing*, 1975, chapter 2, for k of
n, series and parallel; Y. H. Wang, "On the number of successes in independent trials", *Statistica Sinica* 3, 1993, for
the Poisson-binomial law; M. Fernández and S. Williams, "Closed-form expression for the Poisson-binomial probability
density function", *IEEE Transactions on Aerospace and Electronic Systems* 46(2), 2010, for the Fourier route; J. G.
Skellam, "A probability distribution derived from the binomial distribution by regarding the probability of success as
variable between the sets of trials", *Journal of the Royal Statistical Society B* 10(2), 1948, for the beta-binomial
law.

Examples
--------
Three of five nodes, each up nine tenths of the time:

>>> f"{k_of_n_availability(3, 5, 0.9):.5f}"
'0.99144'

Let any two of them be correlated by a tenth, and the third nine is gone:

>>> f"{1 - unavailability_of(correlated(5, 0.9, 0.1), 3):.5f}"
'0.97065'
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, gammaln

__all__ = [
    "MINUTES_PER_YEAR",
    "binomial",
    "common_cause",
    "correlated",
    "downtime_minutes_per_year",
    "k_of_n_availability",
    "k_of_n_unavailability",
    "nines",
    "parallel",
    "poisson_binomial",
    "poisson_binomial_fourier",
    "series",
    "up_share",
    "unavailability_of",
    "votes_up",
    "zones_up",
]

Floats = NDArray[np.float64]

MINUTES_PER_YEAR = 365.25 * 24 * 60


# ------------------------------------------------------------------------------------------------- independent, alike


def k_of_n_availability(k: int, n: int, up_probability: ArrayLike) -> Any:
    """Return the probability that at least `k` of `n` independent nodes are up.

    Parameters
    ----------
    k, n
        How many are needed and how many there are: 0 <= k <= n.
    up_probability
        Of each node, in [0, 1]; a number or an array.

    Returns
    -------
    float or ndarray
        I_p(k, n - k + 1), of the shape of `up_probability`.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its domain.

    Examples
    --------
    A fourth node makes a majority harder to find, for it needs three:

    >>> [round(k_of_n_availability(k, n, 0.9), 4) for k, n in ((2, 3), (3, 4), (3, 5))]
    [0.972, 0.9477, 0.9914]
    """
    _require_rank(k, n)
    return _tail(k, n, _require_probabilities("up_probability", up_probability))


def k_of_n_unavailability(k: int, n: int, down_probability: ArrayLike) -> Any:
    """Return the probability that fewer than `k` of `n` independent nodes are up, with all digits where it is small.

    Parameters
    ----------
    k, n
        How many are needed and how many there are: 0 <= k <= n.
    down_probability
        Of each node, in [0, 1]: one minus its availability. A number or an array.

    Examples
    --------
    >>> f"{k_of_n_unavailability(5, 9, 1e-4):.6e}"
    '1.259580e-18'
    """
    _require_rank(k, n)
    down = _require_probabilities("down_probability", down_probability)
    # Fewer than k are up exactly if at least n - k + 1 are down.
    return _tail(n - k + 1, n, down) if k > 0 else _like(np.zeros_like(down))


def _tail(k: int, n: int, probability: Floats) -> Any:
    """Return P(Bin(n, p) >= k), for k up to n + 1."""
    if k == 0 or k == n + 1:
        return _like(np.full_like(probability, float(k == 0)))
    return _like(np.asarray(betainc(k, n - k + 1, probability)))


def binomial(n: int, up_probability: float) -> Floats:
    """Return P(k of n are up) for k = 0 … n: the law without correlation.

    Examples
    --------
    >>> binomial(2, 0.5).tolist()
    [0.25, 0.5, 0.25]
    """
    return correlated(n, up_probability, 0.0)


# -------------------------------------------------------------------------------------------- independent, different


def poisson_binomial(up_probabilities: Sequence[float]) -> Floats:
    """Return P(k are up) for k = 0 … n, where node i is up with its own probability, independent of the others.

    Parameters
    ----------
    up_probabilities
        One for each node.

    Returns
    -------
    ndarray
        By convolution: sums of positive products, so that every entry has its digits.

    Examples
    --------
    >>> poisson_binomial([0.5, 0.9]).round(12).tolist()
    [0.05, 0.5, 0.45]
    """
    return votes_up([1] * len(up_probabilities), up_probabilities)


def poisson_binomial_fourier(up_probabilities: Sequence[float]) -> Floats:
    """Return the same as :func:`poisson_binomial` by a Fourier transform: quick for many nodes, without a tail.

    The characteristic function of a sum is the product of those of its parts, at the n + 1 roots of unity. Entries
    below about 1e-16 are noise.

    Examples
    --------
    >>> ups = [0.99, 0.95, 0.9, 0.85, 0.8]
    >>> bool(np.max(np.abs(poisson_binomial_fourier(ups) - poisson_binomial(ups))) < 1e-15)
    True
    """
    ups = _require_probabilities("up_probabilities", up_probabilities, dimension=1)
    roots = np.exp(-2j * np.pi * np.arange(len(ups) + 1) / (len(ups) + 1))
    characteristic = np.prod(1 - ups[:, None] + ups[:, None] * roots[None, :], axis=0)
    return np.asarray(np.fft.ifft(characteristic).real)


def votes_up(votes: Sequence[int], up_probabilities: Sequence[float]) -> Floats:
    """Return P(v votes are up) for v = 0 … V, where node i has `votes[i]` of the V votes.

    Parameters
    ----------
    votes
        Of each node, a whole number of at least 0.
    up_probabilities
        Of each node, independent of the others.

    Raises
    ------
    TypeError, ValueError
        If the two differ in length, or a value is out of its domain.

    Examples
    --------
    >>> votes_up([2, 1], [0.9, 0.5]).round(12).tolist()
    [0.05, 0.05, 0.45, 0.45]
    """
    ups = _require_probabilities("up_probabilities", up_probabilities, dimension=1)
    if len(votes) != len(ups):
        raise ValueError(f"`votes` must be one for each of the {len(ups)} nodes, got {len(votes)}")
    for count in votes:
        _require_whole("votes", count, 0)
    law = np.ones(1)
    for count, up in zip(votes, ups.tolist(), strict=True):
        longer = np.zeros(len(law) + int(count))
        longer[: len(law)] += law * (1 - up)
        longer[int(count) :] += law * up
        law = longer
    return law


# -------------------------------------------------------------------------------------------------------- correlated


def correlated(n: int, up_probability: float, correlation: float) -> Floats:
    r"""Return P(k of n are up) for k = 0 … n, where any two nodes are correlated: the beta-binomial law.

    .. math:: P(k) = \binom nk \frac{\prod_{i<k} (p + i\theta) \prod_{i<n-k} (1 - p + i\theta)}
              {\prod_{i<n} (1 + i\theta)}, \qquad \theta = \frac{\varrho}{1 - \varrho}

    Parameters
    ----------
    n
        How many nodes, at least 1.
    up_probability
        Of each of them, p.
    correlation
        Of any two, rho in [0, 1]. At 0 it is the binomial law; at 1 all nodes are up or down together.

    Returns
    -------
    ndarray
        In this form nothing is subtracted and nothing diverges as the correlation goes to 0.

    Examples
    --------
    >>> correlated(2, 0.9, 0.1).round(12).tolist()  # P(both down) is 0.1² + 0.1 · 0.9 · 0.1
    [0.019, 0.162, 0.819]
    """
    _require_whole("n", n, 1)
    _require_probability("up_probability", up_probability)
    _require_probability("correlation", correlation)
    up, down = float(up_probability), 1 - float(up_probability)
    if correlation == 1:
        return np.asarray([down, *[0.0] * (n - 1), up])
    theta = float(correlation) / (1 - float(correlation))
    steps = theta * np.arange(n)
    with np.errstate(divide="ignore"):  # A logarithm of 0 is a factor of 0, and that is right.
        ups, downs = (np.concatenate(([0.0], np.cumsum(np.log(share + steps)))) for share in (up, down))
    k = np.arange(n + 1)
    ways = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return np.asarray(np.exp(ways + ups + downs[::-1] - np.sum(np.log1p(steps))))


def zones_up(zones: Sequence[tuple[float, Sequence[float]]]) -> Floats:
    """Return P(k are up) for k = 0 … n, where a node is up only while its zone is.

    Parameters
    ----------
    zones
        Each one's availability, and those of the nodes in it while it is up. Zones are independent.

    Examples
    --------
    >>> zones_up([(0.9, [1.0, 1.0]), (0.9, [1.0])]).round(12).tolist()
    [0.01, 0.09, 0.09, 0.81]
    """
    if len(zones) == 0:
        raise ValueError("`zones` must be at least one, got none")
    law = np.ones(1)
    for zone_up, nodes_up in zones:
        _require_probability("zones", zone_up)
        inside = zone_up * poisson_binomial(nodes_up)
        inside[0] += 1 - zone_up
        law = np.convolve(law, inside)
    return law


def common_cause(law: ArrayLike, cause_probability: float) -> Floats:
    """Return the law of how many nodes are up if, besides all else, one cause takes all of them down.

    Parameters
    ----------
    law
        P(k are up) for k = 0 … n, without the cause.
    cause_probability
        That the cause is at work; independent of all else.

    Examples
    --------
    However many nodes there are, the unavailability is at least that of the cause:

    >>> both = common_cause(binomial(99, 0.99), 0.001)
    >>> f"{unavailability_of(both, 50):.4g}"
    '0.001'
    """
    _require_probability("cause_probability", cause_probability)
    shared = np.asarray(law, float) * (1 - cause_probability)
    shared[0] += cause_probability
    return shared


def unavailability_of(law: ArrayLike, needed: int) -> float:
    """Return the probability that fewer than `needed` are up.

    Parameters
    ----------
    law
        P(k are up) for k = 0 … n, from any of the functions of this module; or of votes.
    needed
        How many nodes, or votes, an operation needs, in [0, n].

    Examples
    --------
    >>> round(unavailability_of(zones_up([(0.999, [0.99] * 2), (0.999, [0.99] * 2), (0.999, [0.99])]), 3), 12)
    7.269318e-05
    """
    chances = np.asarray(law, float)
    _require_whole("needed", needed, 0, len(chances) - 1)
    return math.fsum(chances[:needed].tolist())


# --------------------------------------------------------------------------------------------------- series, parallel


def series(up_probabilities: Sequence[float]) -> float:
    """Return the availability of independent parts that are all needed: the product.

    Examples
    --------
    >>> round(series([0.999, 0.99]), 6)
    0.98901
    """
    return float(np.prod(_require_probabilities("up_probabilities", up_probabilities, dimension=1)))


def parallel(up_probabilities: Sequence[float]) -> float:
    """Return the availability of independent parts of which one suffices: one minus the product of the complements.

    Examples
    --------
    >>> round(parallel([0.99, 0.9]), 6)
    0.999
    """
    return float(1 - np.prod(1 - _require_probabilities("up_probabilities", up_probabilities, dimension=1)))


def up_share(failure_seconds_mean: float, repair_seconds_mean: float) -> float:
    """Return the share of time for which a node is up that fails and is repaired on and on: MTTF / (MTTF + MTTR).

    It needs the means only, not the laws (alternating renewal process; Barlow and Proschan, chapter 7).

    Examples
    --------
    >>> up_share(99.0, 1.0)
    0.99
    """
    for name, value in (("failure_seconds_mean", failure_seconds_mean), ("repair_seconds_mean", repair_seconds_mean)):
        if not 0 <= value < math.inf:
            raise ValueError(f"`{name}` must be finite and at least 0, got {value!r}")
    if failure_seconds_mean + repair_seconds_mean == 0:
        raise ValueError("`failure_seconds_mean` and `repair_seconds_mean` must not both be 0")
    return failure_seconds_mean / (failure_seconds_mean + repair_seconds_mean)


# -------------------------------------------------------------------------------------------------------------- words


def nines(unavailability: ArrayLike) -> Any:
    """Return the number of nines: minus the decimal logarithm of the unavailability.

    It takes the unavailability, since of one minus 1e-17 nothing is left.

    Examples
    --------
    >>> round(nines(0.001), 12), round(nines(0.0005), 2)
    (3.0, 3.3)
    """
    down = _require_probabilities("unavailability", unavailability)
    with np.errstate(divide="ignore"):
        return _like(0.0 - np.log10(down))


def downtime_minutes_per_year(unavailability: ArrayLike) -> Any:
    """Return the mean number of minutes per year, of 365.25 days, during which the system is down.

    Examples
    --------
    >>> round(downtime_minutes_per_year(1e-4), 2)
    52.6
    """
    return _like(MINUTES_PER_YEAR * _require_probabilities("unavailability", unavailability))


# ------------------------------------------------------------------------------------------------------------ domains


def _like(values: Floats) -> Any:
    """Return an array as it is, and one without dimensions as a number."""
    return float(values) if values.ndim == 0 else values


def _require_whole(name: str, value: int, least: int, most: int | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"`{name}` must be a whole number, got {value!r}")
    if value < least or (most is not None and value > most):
        bound = f"at least {least}" if most is None else f"in [{least}, {most}]"
        raise ValueError(f"`{name}` must be {bound}, got {value}")


def _require_rank(k: int, n: int) -> None:
    _require_whole("n", n, 1)
    _require_whole("k", k, 0, int(n))


def _require_probability(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"`{name}` must be in [0, 1], got {value!r}")


def _require_probabilities(name: str, values: ArrayLike, *, dimension: int | None = None) -> Floats:
    chances = np.asarray(values, float)
    if dimension is not None and (chances.ndim != dimension or chances.size == 0):
        raise ValueError(f"`{name}` must be a sequence of at least one probability, got shape {chances.shape}")
    if not np.all((chances >= 0) & (chances <= 1)):
        raise ValueError(f"`{name}` must be in [0, 1], got {values!r}")
    return chances
