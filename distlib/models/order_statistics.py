"""Order statistics: how long it takes until k of n have answered, and until the last one has.

Theory of operation
-------------------
A quorum waits for the k-th fastest of n answers, a commit for the slowest. With independent answers of law F,

    P(X_(k:n) > t)  =  P(at least n-k+1 of n exceed t)  =  I_{1-F(t)}(n-k+1, k)

where I is the regularised incomplete beta function; with different laws it is a Poisson-binomial tail, summed
by convolution. Both are free of subtraction, so the far tail keeps its digits. Means follow from one integral,

    E X  =  ∫ P(X > t) dt    over t from 0 to infinity,

which this module computes in two parts. Up to a far quantile: Gauss–Legendre on panels between quantiles and kinks,
each halved until halving changes nothing. Beyond it: the same in the logarithm of t, where a Pareto tail decays
exponentially, and, past 200 decades, as the power law that the tail has become. An exponent of at most one means
that the mean is infinite, and so it is returned.

A round trip has two legs: :func:`~distlib.models.sums.sum_of` gives the law of their sum.

Sources: H. A. David and H. N. Nagaraja, *Order Statistics*, 3rd ed., Wiley, 2003, sections 2.1 and 3.1.
The treatment of the tail is derived here; the tests hold it by the closed forms of Pareto and exponential laws.

Examples
--------
The slowest of eight exponential answers takes H_8 = 2.72 times as long as one of them:

>>> from distlib.models.latency import Exponential
>>> f"{maximum_mean(Exponential(0.003), 8):.6f}"
'0.008154'
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaincinv, ndtri, xlogy

from distlib.models.latency import Law, require_law
from distlib.models.sums import is_discrete, kinks, quantile_at_score, sum_of

__all__ = [
    "OrderStatisticLaw",
    "interruption_probability",
    "laplace_of_maximum",
    "maximum_mean",
    "maximum_mean_of",
    "mean_of_survival",
    "order_statistic_cdf",
    "order_statistic_mean",
    "order_statistic_mean_of",
    "order_statistic_quantile",
    "order_statistic_sf",
    "order_statistic_sf_of",
    "sum_of",
]

Floats = NDArray[np.float64]

_NODES, _WEIGHTS = (points / 2 for points in np.polynomial.legendre.leggauss(20))
_TOLERANCE = 1e-12
_HALVINGS = 60
# Panels begin between quantiles, so that no transition is narrower than a panel that the first pass looks at.
_PROBABILITIES = np.array([1e-12, 1e-9, 1e-6, 1e-3, 0.1, 0.5, 0.9, 0.999, 1 - 1e-6, 1 - 1e-9])
# How far beyond the last quantile, in natural logarithms, the tail is integrated: 200 decades.
_DECADES = 200 * np.log(10)


def maximum_mean(law: Law, count: int) -> float:
    """Return the mean time until the last of `count` independent answers.

    Parameters
    ----------
    law
        Law of each answer, in seconds.
    count
        How many answers are awaited, at least 1.

    Returns
    -------
    float
        Seconds; infinite where the mean of one answer is.

    Raises
    ------
    TypeError, ValueError
        If `law` is not a law of a duration, or `count` is not a whole number of at least 1.

    Examples
    --------
    >>> from distlib.models.latency import Uniform
    >>> round(maximum_mean(Uniform(0.0, 1.0), 9), 12)
    0.9
    """
    _require_whole("count", count, 1, None)
    return order_statistic_mean(law, count, count)


def maximum_mean_of(laws: Sequence[Law]) -> float:
    """Return the mean time until the last of several independent answers that have different laws.

    Parameters
    ----------
    laws
        Law of each answer, in seconds; at least one.

    Returns
    -------
    float
        Seconds; infinite where the mean of any answer is.

    Raises
    ------
    TypeError, ValueError
        If `laws` is empty or one of them is not a law of a duration.

    Examples
    --------
    Two exponential answers of means 1 and 2 seconds: 1 + 2 - 1 / (1 + 1/2), by inclusion and exclusion.

    >>> from distlib.models.latency import Exponential
    >>> round(maximum_mean_of([Exponential(1.0), Exponential(2.0)]), 12)
    2.333333333333
    """
    return order_statistic_mean_of(laws, len(laws))


def order_statistic_mean(law: Law, k: int, n: int) -> float:
    """Return the mean time until the k-th of `n` independent answers.

    Parameters
    ----------
    law
        Law of each answer, in seconds.
    k
        How many answers are awaited, in [1, n].
    n
        How many answers were asked for, at least 1.

    Returns
    -------
    float
        Seconds. It can be finite where the mean of one answer is infinite: a quorum leaves the slowest behind.

    Raises
    ------
    TypeError, ValueError
        If `law` is not a law of a duration, or `k` or `n` is out of range.

    Examples
    --------
    >>> from distlib.models.latency import Pareto
    >>> order_statistic_mean(Pareto(0.005, 0.9), 1, 1)
    inf
    >>> round(order_statistic_mean(Pareto(0.005, 0.9), 3, 5), 6)
    0.014137
    """
    require_law("law", law)
    _require_rank(k, n)
    return mean_of_survival(lambda t: order_statistic_sf(law, k, n, t), (law,))


def order_statistic_mean_of(laws: Sequence[Law], k: int) -> float:
    """Return the mean time until the k-th of several independent answers that have different laws.

    Parameters
    ----------
    laws
        Law of each answer, in seconds; at least one.
    k
        How many answers are awaited, in [1, number of laws].

    Returns
    -------
    float
        Seconds; infinite where it diverges.

    Raises
    ------
    TypeError, ValueError
        If `laws` is empty, one of them is not a law of a duration, or `k` is out of range.

    Examples
    --------
    Two replicas near, one far: a majority never waits for the far one.

    >>> from distlib.models.latency import Constant
    >>> order_statistic_mean_of([Constant(0.001), Constant(0.080), Constant(0.002)], 2)
    0.002
    """
    laws = _require_laws(laws)
    _require_rank(k, len(laws))
    return mean_of_survival(lambda t: order_statistic_sf_of(laws, k, t), laws)


def order_statistic_cdf(law: Law, k: int, n: int, x: ArrayLike) -> Floats:
    """Return the probability that at least `k` of `n` independent answers have come by `x`.

    Parameters
    ----------
    law
        Law of each answer, in seconds.
    k, n
        How many answers are awaited and how many were asked for: 1 <= k <= n.
    x
        Times in seconds, of any shape.

    Returns
    -------
    ndarray
        Probabilities, of the shape of `x`, accurate where they are small.

    Raises
    ------
    TypeError, ValueError
        If `law` is not a law of a duration, or `k` or `n` is out of range.

    Examples
    --------
    >>> from distlib.models.latency import Uniform
    >>> order_statistic_cdf(Uniform(0.0, 1.0), 2, 2, [0.5, 0.9]).round(12).tolist()
    [0.25, 0.81]
    """
    require_law("law", law)
    _require_rank(k, n)
    return np.asarray(betainc(k, n - k + 1, law.cdf(x)))


def order_statistic_sf(law: Law, k: int, n: int, x: ArrayLike) -> Floats:
    """Return the probability that fewer than `k` of `n` independent answers have come by `x`.

    Parameters
    ----------
    law
        Law of each answer, in seconds.
    k, n
        How many answers are awaited and how many were asked for: 1 <= k <= n.
    x
        Times in seconds, of any shape.

    Returns
    -------
    ndarray
        Probabilities, of the shape of `x`, accurate where they are small.

    Raises
    ------
    TypeError, ValueError
        If `law` is not a law of a duration, or `k` or `n` is out of range.

    Examples
    --------
    >>> from distlib.models.latency import Exponential
    >>> f"{float(order_statistic_sf(Exponential(0.001), 3, 3, 0.1)):.3e}"
    '1.116e-43'
    """
    require_law("law", law)
    _require_rank(k, n)
    return np.asarray(betainc(n - k + 1, k, law.sf(x)))


def order_statistic_sf_of(laws: Sequence[Law], k: int, x: ArrayLike) -> Floats:
    """Return the probability that fewer than `k` of several different independent answers have come by `x`.

    Parameters
    ----------
    laws
        Law of each answer, in seconds; at least one.
    k
        How many answers are awaited, in [1, number of laws].
    x
        Times in seconds, of any shape.

    Returns
    -------
    ndarray
        Probabilities, of the shape of `x`, accurate where they are small.

    Raises
    ------
    TypeError, ValueError
        If `laws` is empty, one of them is not a law of a duration, or `k` is out of range.

    Examples
    --------
    >>> from distlib.models.latency import Uniform
    >>> order_statistic_sf_of([Uniform(0.0, 1.0), Uniform(0.0, 2.0)], 2, [0.5, 1.5]).round(12).tolist()
    [0.875, 0.25]
    """
    laws = _require_laws(laws)
    _require_rank(k, len(laws))
    times = np.asarray(x, float)
    # Fewer than k have come exactly if at least `late` of them have not. Entry j of `chance` is the probability that j
    # of the laws seen so far exceed x; the last entry gathers everything from `late` on.
    late = len(laws) - k + 1
    chance = np.zeros((late + 1, *times.shape))
    chance[0] = 1.0
    for law, copies in Counter(laws).items():
        sf, cdf = np.asarray(law.sf(times)), np.asarray(law.cdf(times))
        for _ in range(copies):
            chance[late] += chance[late - 1] * sf
            chance[1:late] = chance[1:late] * cdf + chance[: late - 1] * sf
            chance[0] *= cdf
    return np.asarray(chance[late])


def order_statistic_quantile(law: Law, k: int, n: int, probability: ArrayLike) -> Floats:
    """Return the time by which, with this probability, at least `k` of `n` independent answers have come.

    Parameters
    ----------
    law
        Law of each answer, in seconds.
    k, n
        How many answers are awaited and how many were asked for: 1 <= k <= n.
    probability
        In [0, 1], of any shape.

    Returns
    -------
    ndarray
        Seconds, of the shape of `probability`.

    Raises
    ------
    TypeError, ValueError
        If `law` is not a law of a duration, or `k`, `n` or `probability` is out of range.

    Examples
    --------
    The 99th percentile of a majority of five is below that of a single answer:

    >>> from distlib.models.latency import LogNormal
    >>> f"{float(order_statistic_quantile(LogNormal(0.010, 0.8), 3, 5, 0.99)):.4f}"
    '0.0272'
    >>> f"{float(LogNormal(0.010, 0.8).ppf(0.99)):.4f}"
    '0.0643'
    """
    require_law("law", law)
    _require_rank(k, n)
    chance = np.asarray(probability, float)
    if not np.all((chance >= 0) & (chance <= 1)):
        raise ValueError(f"`probability` must be in [0, 1], got {probability!r}")
    upper = betaincinv(n - k + 1, k, 1.0 - chance)
    # Below the median the law's own quantile keeps the digits; above it the distance from one does.
    return np.where(
        upper > 0.5, law.ppf(betaincinv(k, n - k + 1, chance)), quantile_at_score(law, -ndtri(np.minimum(upper, 0.5)))
    )


@dataclass(frozen=True)
class OrderStatisticLaw:
    """The law of the k-th fastest of n independent answers, as a :class:`~distlib.models.latency.Law`.

    Parameters
    ----------
    law
        Law of each answer, in seconds.
    k, n
        How many answers are awaited and how many were asked for: 1 <= k <= n.

    Examples
    --------
    >>> from distlib.models.latency import Exponential
    >>> slowest = OrderStatisticLaw(Exponential(1.0), k=2, n=2)
    >>> f"{slowest.mean():.4f} {slowest.std():.4f}"  # the variance is 1 + 1/4
    '1.5000 1.1180'
    """

    law: Law
    k: int
    n: int

    def __post_init__(self) -> None:
        require_law("law", self.law)
        _require_rank(self.k, self.n)

    def cdf(self, x: ArrayLike) -> Floats:
        return order_statistic_cdf(self.law, self.k, self.n, x)

    def sf(self, x: ArrayLike) -> Floats:
        return order_statistic_sf(self.law, self.k, self.n, x)

    def ppf(self, q: ArrayLike) -> Floats:
        return order_statistic_quantile(self.law, self.k, self.n, q)

    def isf(self, q: ArrayLike) -> Floats:
        """Return the x with P(X > x) = q, with the digits of a small q."""
        upper = betaincinv(self.n - self.k + 1, self.k, np.asarray(q, float))
        return quantile_at_score(self.law, -ndtri(upper))

    def mean(self) -> float:
        return order_statistic_mean(self.law, self.k, self.n)

    def std(self) -> float:
        # E[X²] is the integral of 2 t P(X > t).
        edges, bounded = _edges((self.law,))
        square = _integrate(lambda t: 2 * t * self.sf(t), edges, tail=not bounded)
        return float(np.sqrt(max(0.0, square - self.mean() ** 2))) if np.isfinite(square) else float("inf")

    def rvs(self, *, size: Any = 1, random_state: np.random.Generator | None = None) -> Floats:
        return self.ppf(np.random.default_rng(random_state).random(size))


def laplace_of_maximum(law: Law, count: int, rate: float) -> float:
    """Return E exp(-rate * M), where M is the time until the last of `count` independent answers.

    It is the probability that no event of a Poisson process of that rate, such as a crash, falls within M.

    Parameters
    ----------
    law
        Law of each answer, in seconds.
    count
        How many answers are awaited, at least 1.
    rate
        Events per second, at least 0.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    See Also
    --------
    interruption_probability : Its complement, with all digits where crashes are rare.

    Examples
    --------
    >>> from distlib.models.latency import Exponential
    >>> round(laplace_of_maximum(Exponential(1.0), 1, 0.25), 12)
    0.8
    """
    _require_maximum(law, count, rate)
    if rate == 0:
        return 1.0
    edges, bounded = _edges((law,), rate)
    body = _integrate(
        lambda t: rate * np.exp(-rate * t + xlogy(count, np.asarray(law.cdf(t)))), edges, tail=not bounded
    )
    # Past the largest answer that a bounded law allows the maximum has been reached for certain.
    return body + (float(np.exp(-rate * edges[-1])) if bounded else 0.0)


def interruption_probability(law: Law, count: int, rate: float) -> float:
    """Return 1 - E exp(-rate * M), where M is the time until the last of `count` independent answers.

    It is the probability that an event of a Poisson process of that rate, such as a crash, falls within M. For rare
    events it is close to, and never above, rate * E[M].

    Parameters
    ----------
    law
        Law of each answer, in seconds.
    count
        How many answers are awaited, at least 1.
    rate
        Events per second, at least 0.

    Returns
    -------
    float
        In [0, 1], without the cancellation of subtracting from one.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Examples
    --------
    A crash a year, in a wait for the slower of two answers with a mean of a millisecond each:

    >>> from distlib.models.latency import Exponential
    >>> f"{interruption_probability(Exponential(0.001), 2, 1 / (365 * 86400)):.4e}"
    '4.7565e-11'
    """
    _require_maximum(law, count, rate)
    if rate == 0:
        return 0.0
    edges, bounded = _edges((law,), rate)
    return _integrate(
        lambda t: rate * np.exp(-rate * t) * order_statistic_sf(law, count, count, t), edges, tail=not bounded
    )


def mean_of_survival(survival: Callable[[Floats], Floats], laws: Sequence[Law]) -> float:
    """Return the mean of a duration, the integral of its survival function, that is made up of answers of these laws.

    Parameters
    ----------
    survival
        P(T > t) for an array of t, in seconds; it bends only where one of `laws` does.
    laws
        Of the answers that T depends on, at least one.

    Examples
    --------
    The quicker of two answers that take a second in the mean:

    >>> from distlib.models.latency import Exponential
    >>> round(mean_of_survival(lambda t: np.exp(-2 * t), [Exponential(1.0)]), 9)
    0.5
    """
    laws = _require_laws(laws)
    edges, bounded = _edges(laws)
    if all(is_discrete(law) for law in laws):
        return float(np.diff(edges) @ survival(edges[:-1])) if len(edges) > 1 else 0.0
    return _integrate(survival, edges, tail=not bounded)


def _edges(laws: tuple[Law, ...], rate: float | None = None) -> tuple[Floats, bool]:
    """Return where panels begin and end, from 0 on, and whether every law is bounded.

    With a `rate`, its own time scale is resolved as well.
    """
    points: list[float] = [0.0] if rate is None else [0.0, 0.01 / rate, 0.1 / rate, 1 / rate, 10 / rate]
    distinct = tuple(dict.fromkeys(laws))
    for law in distinct:
        points.extend(kinks(law))
        if not is_discrete(law):
            points.extend(np.asarray(law.ppf(_PROBABILITIES), float).tolist())
    edges = np.unique(points)
    bounded = all(np.isfinite(float(law.ppf(1.0))) for law in distinct)
    return edges[np.isfinite(edges)], bounded


def _integrate(function: Callable[[Floats], Floats], edges: Floats, *, tail: bool) -> float:
    """Return the integral of a positive function over [0, last edge], or with `tail` over [0, infinity)."""
    body = _adapt(function, edges, 0.0)
    if not tail:
        return body
    start = float(edges[-1])
    reach = min(_DECADES, float(np.log(1e300 / start)))
    far = start * np.exp(reach)
    near_value, far_value = (float(value) for value in function(np.array([far * 1e-50, far])))
    rest = 0.0
    if far_value > 0:
        exponent = np.log(near_value / far_value) / (50 * np.log(10))
        if exponent <= 1 + 1e-9:
            return float("inf")
        rest = far * far_value / (exponent - 1)
    logarithms = np.append(2.0 ** np.arange(-2, np.log2(reach)), reach)

    def in_logarithm(w: Floats) -> Floats:
        return np.asarray(function(start * np.exp(w)) * start * np.exp(w))

    return body + _adapt(in_logarithm, np.append(0.0, logarithms), body) + float(rest)


def _adapt(function: Callable[[Floats], Floats], edges: Floats, known: float) -> float:
    """Return the integral of a positive function over the panels between `edges`.

    Every panel is halved until its halves together differ from it by less than the tolerance times the whole, of which
    `known` is a part that has been integrated already. All panels are evaluated in one call.
    """

    def panels(left: Floats, right: Floats) -> Floats:
        nodes = (left + right)[:, None] / 2 + (right - left)[:, None] * _NODES
        values = np.asarray(function(nodes.ravel())).reshape(nodes.shape)
        return np.asarray((right - left) * (values @ _WEIGHTS))

    left, right = edges[:-1], edges[1:]
    whole = panels(left, right)
    total = 0.0
    for _ in range(_HALVINGS):
        middle = (left + right) / 2
        first, second = panels(left, middle), panels(middle, right)
        both = first + second
        done = np.abs(both - whole) <= _TOLERANCE * (known + total + float(np.sum(both)))
        total += float(np.sum(both[done]))
        if np.all(done):
            return total
        left, right = np.concatenate((left[~done], middle[~done])), np.concatenate((middle[~done], right[~done]))
        whole = np.concatenate((first[~done], second[~done]))
    raise ArithmeticError(f"the integral over [{edges[0]}, {edges[-1]}] did not settle in {_HALVINGS} halvings")


def _require_whole(name: str, value: int, least: int, most: int | None) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"`{name}` must be a whole number, got {value!r}")
    if value < least or (most is not None and value > most):
        bound = f"at least {least}" if most is None else f"in [{least}, {most}]"
        raise ValueError(f"`{name}` must be {bound}, got {value}")


def _require_rank(k: int, n: int) -> None:
    _require_whole("n", n, 1, None)
    _require_whole("k", k, 1, int(n))


def _require_maximum(law: Law, count: int, rate: float) -> None:
    require_law("law", law)
    _require_whole("count", count, 1, None)
    if not 0 <= rate < float("inf"):
        raise ValueError(f"`rate` must be finite and at least 0, got {rate!r}")


def _require_laws(laws: Sequence[Law]) -> tuple[Law, ...]:
    if len(laws) == 0:
        raise ValueError("`laws` must hold at least one law, got none")
    return tuple(require_law(f"laws[{position}]", law) for position, law in enumerate(laws))
