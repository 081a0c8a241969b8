r"""The arithmetic of failure: what is rare in one machine, in a fleet of them and in a page that needs many.

Theory of operation
-------------------
*Many parts.* What happens to one part with probability p happens to at least one of n independent parts with
probability 1 - (1 - p)^n, which for small p is close to n p as long as that is small. The same formula makes a rare
delay common (a page waits for its slowest part) and a rare crash daily (a fleet).

*A second question.* If a part that has not come after a time h is asked for a second time, elsewhere, it is late at
t > h only if both answers are: P(X > t) P(X > t - h). The load grows by P(X > h).

*Many hops.* Means and variances of independent times add up, percentiles do not: the sum of k exponential times of the
same mean has a gamma law, whose p99 is far below k times the p99 of one.

Sources: J. Dean and L. A. Barroso, *The Tail at Scale*, CACM 56(2), 2013, for pages and hedged requests; the rest is
derived in the chapter.

Examples
--------
One part in a hundred is slow, and a page has a hundred parts:

>>> f"{100 * slow_page_probability(0.01, 100):.1f} % of the pages are slow"
'63.4 % of the pages are slow'
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaincinv

from distlib.models.latency import Law, require_law

__all__ = [
    "chain_quantile",
    "extra_load",
    "failures_per_day",
    "naive_chain_quantile",
    "naive_slow_page_probability",
    "no_failure_probability",
    "parts_that_may_be_slow",
    "slow_page_probability",
    "slow_part_probability",
]

Floats = NDArray[np.float64]
_DAYS_PER_YEAR = 365.25


def slow_page_probability(slow_part_probability: ArrayLike, part_count: ArrayLike) -> Any:
    """Return the probability that at least one of n independent parts is slow, 1 - (1 - p)^n, elementwise.

    Parameters
    ----------
    slow_part_probability
        p, in [0, 1].
    part_count
        n, at least 0; whole numbers.

    Raises
    ------
    ValueError
        If an argument is out of its domain.

    See Also
    --------
    naive_slow_page_probability : What is commonly said instead.

    Examples
    --------
    >>> round(slow_page_probability(0.01, 100), 10)
    0.6339676587
    >>> round(slow_page_probability(1e-4, 2000), 10)
    0.1812774347
    """
    chance = _probabilities("slow_part_probability", slow_part_probability)
    count = np.asarray(part_count, float)
    if np.any(count < 0) or np.any(count != np.floor(count)):
        raise ValueError(f"`part_count` must be whole numbers of at least 0, got {part_count!r}")
    with np.errstate(divide="ignore", invalid="ignore"):
        exponent = np.where(count == 0, 0.0, count * np.log1p(-chance))
    return _like(-np.expm1(exponent))


def naive_slow_page_probability(slow_part_probability: float, part_count: int) -> float:
    """Return n p: right for what is rare even in a page, and above 1 for what is not."""
    return part_count * slow_part_probability


def parts_that_may_be_slow(slow_page_probability: float, part_count: int) -> float:
    """Return which share of the parts may be slow if at most that share of the pages shall be: 1 - (1 - P)^(1/n).

    Parameters
    ----------
    slow_page_probability
        P, in [0, 1).
    part_count
        n, at least 1.

    Examples
    --------
    If one page in a hundred may be slow, and it has a hundred parts, one part in ten thousand may be:

    >>> f"{parts_that_may_be_slow(0.01, 100):.7f}"
    '0.0001005'
    """
    if not 0 <= slow_page_probability < 1:
        raise ValueError(f"`slow_page_probability` must be in [0, 1), got {slow_page_probability!r}")
    _require_count("part_count", part_count)
    return -math.expm1(math.log1p(-slow_page_probability) / part_count)


def slow_part_probability(part: Law, seconds: ArrayLike, *, hedge_seconds: float | None = None) -> Any:
    """Return the probability that a part takes longer than that, elementwise; with a second request after a while.

    Parameters
    ----------
    part
        Law of the time that a server takes for a part, in seconds; two servers are independent.
    seconds
        Times, at least 0.
    hedge_seconds
        After which time the second server is asked; None: never. At least 0.

    Returns
    -------
    float or array
        P(X > t), and P(X > t) P(X > t - h) where t > h.

    Examples
    --------
    >>> from distlib.models.latency import Exponential
    >>> alone = slow_part_probability(Exponential(0.010), 0.060)
    >>> hedged = slow_part_probability(Exponential(0.010), 0.060, hedge_seconds=0.030)
    >>> f"{alone:.5f} {hedged:.5f}"
    '0.00248 0.00012'
    """
    require_law("part", part)
    times = np.asarray(seconds, float)
    if np.any(times < 0):
        raise ValueError(f"`seconds` must be at least 0, got {float(times.min())!r}")
    late = np.asarray(part.sf(times), float)
    if hedge_seconds is None:
        return _like(late)
    _require_duration("hedge_seconds", hedge_seconds)
    second = np.where(times > hedge_seconds, np.asarray(part.sf(np.maximum(times - hedge_seconds, 0.0)), float), 1.0)
    return _like(late * second)


def extra_load(part: Law, hedge_seconds: float) -> float:
    """Return which share of the parts is asked for a second time: P(X > h).

    Examples
    --------
    >>> from distlib.models.latency import LogNormal
    >>> law = LogNormal(0.010, 1.0)
    >>> round(extra_load(law, float(law.ppf(0.95))), 9)
    0.05
    """
    require_law("part", part)
    _require_duration("hedge_seconds", hedge_seconds)
    return float(part.sf(hedge_seconds))


def failures_per_day(machine_count: int, years_between_failures: float) -> float:
    """Return the mean number of failures a day in a fleet whose machines fail once in so many years each.

    A year has 365.25 days. Repairs are short against the years, so that all machines count at any time.

    Examples
    --------
    >>> f"{failures_per_day(10_000, 30):.2f}"
    '0.91'
    """
    _require_count("machine_count", machine_count)
    if not (math.isfinite(years_between_failures) and years_between_failures > 0):
        raise ValueError(f"`years_between_failures` must be finite and above 0, got {years_between_failures!r}")
    return machine_count / (years_between_failures * _DAYS_PER_YEAR)


def no_failure_probability(machine_count: int, years_between_failures: float, days: float) -> float:
    """Return the probability that none of the fleet fails for so long: exp(-rate · days), failures being Poisson.

    Examples
    --------
    >>> f"{no_failure_probability(10_000, 30, 7):.4f}"
    '0.0017'
    """
    _require_duration("days", days)
    return math.exp(-failures_per_day(machine_count, years_between_failures) * days)


def chain_quantile(hop_count: int, hop_seconds_mean: float, probability: ArrayLike) -> Any:
    """Return the quantile of the time of k hops, one after another, each exponential: a gamma law, in seconds.

    Parameters
    ----------
    hop_count
        k, at least 1.
    hop_seconds_mean
        Mean of one hop; at least 0.
    probability
        In [0, 1).

    See Also
    --------
    naive_chain_quantile : What is commonly taken instead.

    Examples
    --------
    >>> f"{chain_quantile(5, 0.010, 0.99):.6f} {naive_chain_quantile(5, 0.010, 0.99):.6f}"
    '0.116046 0.230259'
    """
    _require_count("hop_count", hop_count)
    _require_duration("hop_seconds_mean", hop_seconds_mean)
    chance = _probabilities("probability", probability)
    if np.any(chance == 1):
        raise ValueError("`probability` must be below 1, got 1.0: no time is enough")
    return _like(hop_seconds_mean * gammaincinv(hop_count, chance))


def naive_chain_quantile(hop_count: int, hop_seconds_mean: float, probability: float) -> float:
    """Return k times the quantile of one hop, in seconds: as if all hops were slow together."""
    return hop_count * float(chain_quantile(1, hop_seconds_mean, probability))


# --------------------------------------------------------------------------------------------------------- arguments


def _like(values: Any) -> Any:
    """Return a number for a number, and an array for an array."""
    array = np.asarray(values)
    return float(array) if array.ndim == 0 else array


def _probabilities(name: str, values: ArrayLike) -> Floats:
    array = np.asarray(values, float)
    if not np.all((array >= 0) & (array <= 1)):
        raise ValueError(f"`{name}` must be in [0, 1], got {values!r}")
    return array


def _require_duration(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"`{name}` must be finite and at least 0, got {value!r}")


def _require_count(name: str, value: int) -> None:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise ValueError(f"`{name}` must be a whole number of at least 1, got {value!r}")
