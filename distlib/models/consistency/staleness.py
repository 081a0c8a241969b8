r"""How stale a read is that asks fewer replicas than it takes to be sure.

Theory of operation
-------------------
N replicas, writes wait for W of them, reads for R. If R + W > N, a read that begins after a write meets it. If not,
it may miss it, and the question is how often. The model is that of Bailis et al. (2012), "WARS": four legs for each
replica, all independent. The write travels W_i to the replica and its acknowledgement A_i back, the query R_i and the
report S_i. A write is over at the W-th smallest W_i + A_i; call it T. A read begins t later. Its answer is that of the
R smallest R_i + S_i, and it is stale if at each of them the query came before the write: T + t + R_i < W_i.

*Frozen.* If a write reaches W replicas and no others, what is left is drawing without replacement:
:func:`miss_probability`.

*Exact, for any continuous legs.* The paper samples, and finds its model hard to solve. It can be solved. Given T = x,
the replicas that have not acknowledged are independent of each other and of the read: of each we know only that
W_i + A_i > x. Those that have acknowledged are up to date. So is the read, unless the R replicas that answer it first
are all among the N - W others: a draw without replacement once more, since reads know nothing of writes. Given that
report number R + 1 came at y, the first R are independent, and of each we know only that R_i + S_i < y. And to be
stale, T + t + R_i < W_i, implies W_i + A_i > x. Therefore

.. math::

    P(t) = \frac{\binom{N-W}{R}}{\binom{N}{R}} \iint \biggl[\frac{\int P(W > x + t + \rho)\, P(S < y - \rho)\,
    \mathrm dF_R(\rho)}{P(W + A > x)\; P(R + S < y)}\biggr]^R \mathrm dF_T(x)\, \mathrm dF_{(R+1)}(y)

The inner integral is a product of matrices, and so is the whole.

Sources: Bailis, Venkataraman, Franklin, Hellerstein and Stoica, *Probabilistically Bounded Staleness for Practical
Partial Quorums*, VLDB 2012: section 3.1 (k-staleness), section 4.1 (WARS), table 3 (fits), table 4 (results). The
integral and the closed form for exponential legs are derived in the chapter.

Examples
--------
Three replicas, R = W = 1, legs that take 20 ms to write and 2 ms to read, 10 ms after the write:

>>> legs = Legs(write=Exponential(0.020), request=Exponential(0.002))
>>> f"{stale_probability(3, 1, 1, 0.010, legs):.6f}"
'0.391310'
>>> f"{exponential_stale_probability(3, 1, 1, 0.010, 0.020, 0.002):.6f}"
'0.391310'
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, betaincinv, ndtr, ndtri

from distlib.models.latency import Constant, Exponential, Law, Pareto, require_law
from distlib.models.sums import quantile_at_score

__all__ = [
    "PUBLISHED",
    "PUBLISHED_SAMPLES",
    "WORKLOADS",
    "Legs",
    "Mixture",
    "Published",
    "exponential_stale_probability",
    "lookalike_miss_probability",
    "miss_probability",
    "normal_scores",
    "operation_seconds_quantile",
    "sampled_visibility",
    "sloppy_miss_probability",
    "stale_probability",
    "versions_behind_probability",
    "visibility_seconds",
    "visibility_seconds_deviation",
]

Floats = NDArray[np.float64]
NO_TIME: Final = Constant(0.0)

# Nodes of quadrature over a standard normal score: eight to a panel, out to scores that hardly ever occur.
_PANEL_NODES, _PANEL_WEIGHTS = np.polynomial.legendre.leggauss(8)
_FARTHEST_SCORE = 8.0
_PANEL_COUNT = 16
_FINE_PANEL_COUNT = 64  # where a sum of two laws with corners is needed at its far tail, once
_SHARE_NODES, _SHARE_WEIGHTS = (points / 2 for points in np.polynomial.legendre.leggauss(32))
_BLOCK_ROWS = 8  # of a product of matrices, so small that no library gives it to several threads
_ENDLESS_SCORE = 37.0
_TINY = 1e-300

# ------------------------------------------------------------------------------------------------------------- laws


@dataclass(frozen=True)
class Mixture:
    """One law or the other: with a chance of ``shares[i]``, a draw is of ``laws[i]``.

    Parameters
    ----------
    laws
        At least one, of durations.
    shares
        As many, none negative, 1 in sum.

    Raises
    ------
    TypeError, ValueError
        If a law is none, or the shares are not such.

    Examples
    --------
    >>> mostly_fast = Mixture((Exponential(0.001), Exponential(0.100)), (0.9, 0.1))
    >>> round(mostly_fast.mean(), 6), round(float(mostly_fast.sf(0.1)), 4)
    (0.0109, 0.0368)
    """

    laws: tuple[Law, ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        for law in self.laws:
            require_law("laws", law)
        fits = len(self.shares) == len(self.laws) > 0 and min(self.shares) >= 0
        if not fits or not math.isclose(sum(self.shares), 1.0, abs_tol=1e-9):
            raise ValueError(
                f"`shares` must be {len(self.laws)} numbers of at least 0 that sum to 1, one for each law, "
                f"got {self.shares!r}"
            )

    def cdf(self, x: ArrayLike) -> Floats:
        return self._weigh([law.cdf(x) for law in self.laws])

    def sf(self, x: ArrayLike) -> Floats:
        return self._weigh([law.sf(x) for law in self.laws])

    def ppf(self, q: ArrayLike) -> Floats:
        chance = np.asarray(q, float)
        return _invert(lambda x: self.cdf(x) >= chance, [np.asarray(law.ppf(chance), float) for law in self.laws])

    def isf(self, q: ArrayLike) -> Floats:
        """Return the x with P(X > x) = q, with the digits of a small q."""
        chance = np.asarray(q, float)
        score = -_score(chance)
        return _invert(lambda x: self.sf(x) <= chance, [quantile_at_score(law, score) for law in self.laws])

    def mean(self) -> float:
        return float(self._weigh([law.mean() for law in self.laws]))

    def std(self) -> float:
        squares = self._weigh([law.mean() ** 2 + law.std() ** 2 for law in self.laws])
        return math.sqrt(float(squares) - self.mean() ** 2)

    def rvs(self, *, size: Any = 1, random_state: np.random.Generator | None = None) -> Floats:
        generator = np.random.default_rng(random_state)
        which = generator.choice(len(self.laws), size=size, p=self.shares)
        drawn = [np.asarray(law.rvs(size=size, random_state=generator)) for law in self.laws]
        return np.asarray(np.choose(which, drawn))

    def _weigh(self, values: list[Any]) -> Floats:
        total = sum(share * np.asarray(value, float) for share, value in zip(self.shares, values, strict=True))
        return np.asarray(total)


def _score(chance: Floats) -> Floats:
    """Return the standard normal score of a chance, within what a quantile can be asked for."""
    return np.asarray(np.clip(ndtri(chance), -_ENDLESS_SCORE, _ENDLESS_SCORE))


def _invert(reached: Callable[[Floats], Any], candidates: list[Floats]) -> Floats:
    """Return by bisection the smallest x at which `reached` holds; it lies between the least and the greatest."""
    low, high = np.minimum.reduce(candidates), np.maximum.reduce(candidates)
    endless = np.isinf(high)
    high = np.where(endless, low, high)  # Where the chance is 1, there may be no end to look for.
    high = np.where(reached(low), low, high)  # At the very beginning of a law there is nothing below to halve.
    for _ in range(54):
        middle = (low + high) / 2
        there = reached(middle)
        low, high = np.where(there, low, middle), np.where(there, middle, high)
    return np.where(endless, np.inf, high)


@dataclass(frozen=True)
class Legs:
    """What travels between a client and each replica, and how long it takes: the legs W, A, R and S of the paper.

    Parameters
    ----------
    write, acknowledge
        Laws of a write on its way to a replica, and of its acknowledgement on the way back, in seconds.
    request, response
        Laws of a query on its way to a replica, and of the report on the way back, in seconds.
    """

    write: Law
    acknowledge: Law = NO_TIME
    request: Law = NO_TIME
    response: Law = NO_TIME

    def __post_init__(self) -> None:
        for name in ("write", "acknowledge", "request", "response"):
            require_law(name, getattr(self, name))


# ------------------------------------------------------------------------------------------------- frozen quorums


def miss_probability(replica_count: int, read_quorum: int, write_quorum: int) -> float:
    """Return the probability that R random replicas miss a version that is at W of N: C(N - W, R) / C(N, R).

    Parameters
    ----------
    replica_count
        N, at least 1.
    read_quorum, write_quorum
        R and W, in [1, N].

    Raises
    ------
    TypeError, ValueError
        If an argument is no whole number or out of range.

    Examples
    --------
    >>> round(miss_probability(3, 1, 1), 6), round(miss_probability(3, 2, 1), 6), miss_probability(3, 2, 2)
    (0.666667, 0.333333, 0.0)
    """
    _require_quorums(replica_count, read_quorum, write_quorum)
    return math.comb(replica_count - write_quorum, read_quorum) / math.comb(replica_count, read_quorum)


def lookalike_miss_probability(replica_count: int, read_quorum: int, write_quorum: int) -> float:
    """Return (1 - W/N)^R, which looks alike and asks the same replica twice: a draw with replacement.

    Examples
    --------
    It says that a majority of three misses a majority of three once in nine times:

    >>> round(lookalike_miss_probability(3, 2, 2), 6)
    0.111111
    """
    _require_quorums(replica_count, read_quorum, write_quorum)
    return float((1 - write_quorum / replica_count) ** read_quorum)


def versions_behind_probability(replica_count: int, read_quorum: int, write_quorum: int, version_count: int) -> float:
    """Return the probability that a read misses all of the last k versions, which is p_s^k.

    Parameters
    ----------
    replica_count, read_quorum, write_quorum
        As for :func:`miss_probability`.
    version_count
        k, at least 1. Each was written to W random replicas, independently of the others.

    Examples
    --------
    >>> round(1 - versions_behind_probability(3, 1, 1, 3), 7)
    0.7037037
    """
    _require_whole("version_count", version_count, 1, None)
    return miss_probability(replica_count, read_quorum, write_quorum) ** version_count


def sloppy_miss_probability(read_quorum: int, up_probability: float) -> float:
    """Return the probability that a read misses a write of a sloppy quorum before it was handed off: (1 - p)^R.

    Each home replica was up with probability p when the write came, independently of the others, and has it if so. All
    are up when the read comes. Of N, h are up; on average over h, C(N - h, R) / C(N, R) is (1 - p)^R: that R given
    replicas were all down. W does not occur.

    Parameters
    ----------
    read_quorum
        R, at least 1.
    up_probability
        p, in [0, 1].

    Examples
    --------
    >>> round(sloppy_miss_probability(2, 0.9), 6)
    0.01
    """
    _require_whole("read_quorum", read_quorum, 1, None)
    if not 0 <= up_probability <= 1:
        raise ValueError(f"`up_probability` must be in [0, 1], got {up_probability!r}")
    return float((1 - up_probability) ** read_quorum)


# ------------------------------------------------------------------------------------------------ spreading quorums


def exponential_stale_probability(
    replica_count: int,
    read_quorum: int,
    write_quorum: int,
    seconds_since_write: ArrayLike,
    write_seconds_mean: float,
    request_seconds_mean: float,
) -> Floats:
    r"""Return P(t) for exponential legs to the replicas, with answers that take no time: a closed form.

    .. math::

        P(t) = p_s\, e^{-R \lambda t} \prod_{j=1}^{R} \frac{(N-j+1)\mu}{(N-j+1)\mu + (R-j+1)\lambda}

    with λ and μ the rates of the writes' and the queries' legs. What is left of an exponential leg is as long as it was
    at the start, so the race begins anew after each of the R fastest queries.

    Parameters
    ----------
    replica_count, read_quorum, write_quorum
        As for :func:`miss_probability`.
    seconds_since_write
        t, from the end of the write to the beginning of the read, at least 0; of any shape.
    write_seconds_mean, request_seconds_mean
        1/λ and 1/μ, above 0.

    Examples
    --------
    >>> f"{exponential_stale_probability(3, 2, 1, 0.010, 0.020, 0.002):.7f}"
    '0.1094879'
    """
    p_s = miss_probability(replica_count, read_quorum, write_quorum)
    after = _require_seconds("seconds_since_write", seconds_since_write)
    for name, mean in (("write_seconds_mean", write_seconds_mean), ("request_seconds_mean", request_seconds_mean)):
        if not 0 < mean < math.inf:
            raise ValueError(f"`{name}` must be finite and above 0, got {mean!r}")
    write_rate, request_rate = 1 / write_seconds_mean, 1 / request_seconds_mean
    race = 1.0
    for done in range(read_quorum):
        requests = (replica_count - done) * request_rate
        race *= requests / (requests + (read_quorum - done) * write_rate)
    return np.asarray(p_s * race * np.exp(-read_quorum * write_rate * after))


def stale_probability(
    replica_count: int,
    read_quorum: int,
    write_quorum: int,
    seconds_since_write: ArrayLike = 0.0,
    legs: Legs | None = None,
) -> Floats:
    """Return the probability that a read which begins so long after a write misses it.

    Parameters
    ----------
    replica_count, read_quorum, write_quorum
        N, R and W, as for :func:`miss_probability`.
    seconds_since_write
        t, from the end of the write to the beginning of the read, at least 0; of any shape.
    legs
        Laws of the four legs, those of W + A and R + S continuous; None: the write reaches W replicas and no others.

    Returns
    -------
    ndarray
        Probabilities, of the shape of `seconds_since_write`; by quadrature, to three digits or more.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Examples
    --------
    >>> legs = Legs(Exponential(0.020), Exponential(0.002), Exponential(0.002), Exponential(0.002))
    >>> stale_probability(3, 1, 1, [0.0, 0.010, 0.100], legs).round(4).tolist()
    [0.5804, 0.3521, 0.0039]
    """
    p_s = miss_probability(replica_count, read_quorum, write_quorum)
    after = _require_seconds("seconds_since_write", seconds_since_write)
    if legs is None or p_s == 0:
        return np.full(after.shape, p_s)
    curve = _curve(replica_count, read_quorum, write_quorum, legs)
    return np.asarray(p_s * np.array([curve(seconds) for seconds in after.ravel().tolist()]).reshape(after.shape))


def visibility_seconds(
    replica_count: int, read_quorum: int, write_quorum: int, legs: Legs, *, stale_at_most: float = 0.001
) -> float:
    """Return how long after a write reads must wait for at most this probability of missing it: "t-visibility".

    Parameters
    ----------
    replica_count, read_quorum, write_quorum, legs
        As for :func:`stale_probability`.
    stale_at_most
        In (0, 1).

    Returns
    -------
    float
        Seconds; 0 if a read may begin at once.

    Examples
    --------
    >>> legs = Legs(write=Exponential(0.020), request=Exponential(0.002))
    >>> f"{1000 * visibility_seconds(3, 1, 1, legs):.2f} ms"
    '129.39 ms'
    """
    from scipy.optimize import brentq

    if not 0 < stale_at_most < 1:
        raise ValueError(f"`stale_at_most` must be in (0, 1), got {stale_at_most!r}")

    def excess(seconds: float) -> float:
        return math.log(
            max(float(stale_probability(replica_count, read_quorum, write_quorum, seconds, legs)), 1e-300)
            / stale_at_most
        )

    if excess(0.0) <= 0:
        return 0.0
    longest = float(legs.write.ppf(0.5)) or 1.0
    while excess(longest) > 0:
        longest *= 2
    return float(brentq(excess, 0.0, longest, xtol=1e-9 * longest))  # type: ignore[no-untyped-call]


def visibility_seconds_deviation(
    replica_count: int,
    read_quorum: int,
    write_quorum: int,
    legs: Legs,
    sample_count: int,
    *,
    stale_at_most: float = 0.001,
) -> float:
    """Return the standard error of t-visibility when it is read off so many sampled reads, in seconds.

    Of n reads at time t a share P(t) is stale, give or take (P (1 - P) / n)^(1/2). Divided by the slope of P, that is
    the error in t.

    Parameters
    ----------
    replica_count, read_quorum, write_quorum, legs, stale_at_most
        As for :func:`visibility_seconds`.
    sample_count
        n, at least 1.
    """
    _require_whole("sample_count", sample_count, 1, None)
    at = visibility_seconds(replica_count, read_quorum, write_quorum, legs, stale_at_most=stale_at_most)
    step = max(at, 1e-6) * 1e-3
    below, above = stale_probability(replica_count, read_quorum, write_quorum, [max(at - step, 0.0), at + step], legs)
    slope = (below - above) / (at + step - max(at - step, 0.0))
    return math.sqrt(stale_at_most * (1 - stale_at_most) / sample_count) / float(slope)


def sampled_visibility(
    replica_count: int,
    read_quorum: int,
    write_quorum: int,
    legs: Legs,
    sample_count: int,
    step_seconds: float,
    *,
    stale_at_most: float = 0.001,
) -> tuple[Floats, Floats]:
    """Return the law of what a sweep reports as t-visibility: the first t of a grid at which a sample is good enough.

    At each t = 0, d, 2 d, … of the grid n reads are sampled anew, and the sweep ends where at most the given share of
    them is stale. That happens at t with probability q(t) = P(Bin(n, P(t)) <= n share), if it has not happened before.
    The earliest of many chances comes early: on average the sweep reports too small a t, and the more so the finer its
    grid.

    Parameters
    ----------
    replica_count, read_quorum, write_quorum, legs, stale_at_most
        As for :func:`visibility_seconds`.
    sample_count
        n, at least 1.
    step_seconds
        d, above 0.

    Returns
    -------
    tuple of ndarray
        Times of the grid, in seconds, and the probability that the sweep ends at each.

    Examples
    --------
    >>> legs = Legs(write=Exponential(0.020), request=Exponential(0.002))
    >>> times, chances = sampled_visibility(3, 1, 1, legs, 50_000, 0.001)
    >>> f"{1000 * float(times @ chances):.1f} ms, not {1000 * visibility_seconds(3, 1, 1, legs):.1f} ms"
    '127.9 ms, not 129.4 ms'
    """
    from scipy.interpolate import PchipInterpolator

    _require_whole("sample_count", sample_count, 1, None)
    if not 0 < step_seconds < math.inf:
        raise ValueError(f"`step_seconds` must be finite and above 0, got {step_seconds!r}")
    quorums = replica_count, read_quorum, write_quorum
    # Where a tenth of what is allowed is stale, a sample of any size that matters is good enough.
    end = visibility_seconds(*quorums, legs, stale_at_most=stale_at_most / 10)
    times = np.asarray(np.arange(math.ceil(end / step_seconds) + 2) * step_seconds, float)
    # Its logarithm bends gently, so that a spline through a few dozen points has all the digits that a sample can see.
    known = times[-1] * np.linspace(0.0, 1.0, 41) ** 2
    spline = PchipInterpolator(known, np.log(stale_probability(*quorums, known, legs)))  # type: ignore[no-untyped-call]
    stale = np.exp(spline(times))
    good = bdtr(math.floor(sample_count * stale_at_most + 1e-9), sample_count, stale)
    chances = good * np.concatenate([[1.0], np.cumprod(1 - good)[:-1]])
    return times, np.asarray(chances / chances.sum())


def operation_seconds_quantile(out: Law, back: Law, quorum: int, replica_count: int, probability: ArrayLike) -> Floats:
    """Return the time by which, with this probability, `quorum` of `replica_count` replicas have answered.

    Parameters
    ----------
    out, back
        Laws of the legs to a replica and back, in seconds.
    quorum, replica_count
        1 <= quorum <= replica_count.
    probability
        In (0, 1), of any shape.

    Returns
    -------
    ndarray
        Seconds, by quadrature: to four digits for smooth laws, and to two or three at the far end of sums of laws
        that have corners.

    Examples
    --------
    >>> f"{float(operation_seconds_quantile(Exponential(0.001), NO_TIME, 1, 3, 0.5)):.6f}"
    '0.000231'
    """
    _require_quorums(replica_count, quorum, 1)
    chance = np.asarray(probability, float)
    if not np.all((chance > 0) & (chance < 1)):
        raise ValueError(f"`probability` must be in (0, 1), got {probability!r}")
    late = betaincinv(replica_count - quorum + 1, quorum, 1 - chance)
    return _Trip(require_law("out", out), require_law("back", back)).isf(late)


@dataclass(frozen=True)
class _Trip:
    """There and back: `back` is replaced by nodes of quadrature, so that sums are averages."""

    out: Law
    back: Law

    def sf(self, x: Floats) -> Floats:
        times, weights = _nodes(self.back, _FINE_PANEL_COUNT)
        return _weighted(self.out.sf(x[..., None] - times), weights)

    def cdf(self, x: Floats) -> Floats:
        times, weights = _nodes(self.back, _FINE_PANEL_COUNT)
        return _weighted(self.out.cdf(x[..., None] - times), weights)

    def isf(self, chance: Floats) -> Floats:
        """Return the x with P(X > x) = chance; for a chance near 1 its distance from 1 has lost digits."""
        score = np.asarray(-_score(np.asarray(chance)))
        low = quantile_at_score(self.out, np.full(score.shape, -37.0)) + _nodes(self.back, _FINE_PANEL_COUNT)[0][0]
        high = quantile_at_score(self.out, np.abs(score) + 1) + quantile_at_score(self.back, np.abs(score) + 1)
        return _invert(lambda x: self.sf(x) <= chance, [low, high])


def _nodes(law: Law, panel_count: int) -> tuple[Floats, Floats]:
    """Return times and weights with which a mean over `law` is a sum."""
    return _make_nodes(cast(Hashable, law), panel_count)


@lru_cache(maxsize=64)
def _make_nodes(law: Any, panel_count: int) -> tuple[Floats, Floats]:
    if isinstance(law, Constant):
        return np.array([law.seconds]), np.array([1.0])
    if isinstance(law, Mixture):
        parts = [_nodes(each, panel_count) for each in law.laws]
        times = np.concatenate([times for times, _ in parts])
        weights = np.concatenate([share * weights for share, (_, weights) in zip(law.shares, parts, strict=True)])
        order = np.argsort(times)
        return times[order], weights[order]
    score, weights = normal_scores(panel_count)
    return quantile_at_score(law, score), weights


@lru_cache(maxsize=4)
def normal_scores(panel_count: int = _PANEL_COUNT) -> tuple[Floats, Floats]:
    """Return standard normal scores and weights with which a mean over any law is a sum."""
    edges = np.linspace(-_FARTHEST_SCORE, _FARTHEST_SCORE, panel_count + 1)
    half = (edges[1] - edges[0]) / 2
    score = ((edges[:-1] + half)[:, None] + half * _PANEL_NODES).ravel()
    weights = np.tile(half * _PANEL_WEIGHTS, panel_count) * np.exp(-(score**2) / 2)
    return score, weights / weights.sum()


def _weighted(values: ArrayLike, weights: Floats) -> Floats:
    """Return the sum over the last axis with these weights.

    Not by `@`, which spreads a large product over threads: their number would change the last digit, and on a busy
    machine they wait for each other.
    """
    return np.asarray(np.einsum("...i,i->...", np.asarray(values, float), weights))


@lru_cache(maxsize=128)
def _curve(replica_count: int, read_quorum: int, write_quorum: int, legs: Legs) -> Callable[[float], float]:
    """Return, as a function of t, the double integral in the head of this module."""
    score, weight = normal_scores()
    late = ndtr(-score)
    written = _Trip(legs.write, legs.acknowledge)
    # When the write is over: x.
    x = written.isf(betaincinv(replica_count - write_quorum + 1, write_quorum, late))
    open_at_x = written.sf(x)[:, None]
    # When the first report comes that the read does not wait for: y, or the chance that a report comes later.
    later = betaincinv(replica_count - read_quorum, read_quorum + 1, late)

    if isinstance(legs.response, Constant):
        # Reports come in the order of the queries. Nodes for those before the first that is too late, for each y.
        before = (1 - later)[:, None] * (_SHARE_NODES + 0.5)
        requests = legs.request.ppf(before)

        def missed(seconds: float) -> Floats:
            return _weighted(legs.write.sf(x[:, None, None] + seconds + requests), _SHARE_WEIGHTS)
    else:
        y = _Trip(legs.response, legs.request).isf(later)
        requests, shares = _nodes(legs.request, _PANEL_COUNT)
        answered = legs.response.cdf(y[:, None] - requests) * shares
        answered = answered / np.maximum(answered.sum(axis=1, keepdims=True), _TINY)

        def missed(seconds: float) -> Floats:
            late_writes = np.asarray(legs.write.sf(x[:, None] + seconds + requests))
            rows = late_writes.reshape(-1, _BLOCK_ROWS, len(requests))
            return np.asarray(np.matmul(rows, answered.T).reshape(len(x), len(later)))

    def curve(seconds: float) -> float:
        share = np.divide(missed(seconds), open_at_x, out=np.zeros((len(x), len(later))), where=open_at_x > 0)
        return float(np.sum(weight * _weighted(np.minimum(share, 1.0) ** read_quorum, weight)))

    return curve


# ----------------------------------------------------------------------------------------- what the paper published


def _fit(pareto_share: float, minimum_ms: float, shape: float, rate_per_ms: float) -> Mixture:
    body, tail = Pareto(minimum_ms / 1000, shape), Exponential(1 / rate_per_ms / 1000)
    return Mixture((body, tail), (pareto_share, 1 - pareto_share))


_SSD = _fit(0.9122, 0.235, 10, 1.66)
_YMMR = _fit(0.982, 1.5, 3.8, 0.0217)

WORKLOADS: Final = MappingProxyType({
    "LNKD-SSD": Legs(_SSD, _SSD, _SSD, _SSD),
    "LNKD-DISK": Legs(_fit(0.38, 1.05, 1.51, 0.183), _SSD, _SSD, _SSD),
    "YMMR": Legs(_fit(0.939, 3, 3.35, 0.0028), _YMMR, _YMMR, _YMMR),
    "YMMR, shape 3.5": Legs(_fit(0.939, 3, 3.5, 0.0028), _YMMR, _YMMR, _YMMR),
})  # fmt: skip
"""Fits to latencies of two companies in production, from the paper's table 3: a Pareto body and an exponential tail.

For YMMR the table prints the shape 3.35 of the body of writes. The paper's results for it are those of the shape 3.5.
"""


@dataclass(frozen=True)
class Published:
    """A row of the paper's table 4, for N = 3: 99.9th percentiles of latency, and t-visibility at 99.9 %.

    All in milliseconds, as printed. Latencies were sampled a million times, t-visibility :data:`PUBLISHED_SAMPLES`
    times.
    """

    workload: str
    read_quorum: int
    write_quorum: int
    read_ms: float
    write_ms: float
    visibility_ms: float


PUBLISHED_SAMPLES: Final = 50_000
PUBLISHED: Final = (
    Published("LNKD-SSD", 1, 1, 0.66, 0.66, 1.85),
    Published("LNKD-SSD", 1, 2, 0.66, 1.63, 1.79),
    Published("LNKD-SSD", 2, 1, 1.63, 0.65, 0),
    Published("LNKD-SSD", 2, 2, 1.62, 1.64, 0),
    Published("LNKD-SSD", 3, 1, 4.14, 0.65, 0),
    Published("LNKD-SSD", 1, 3, 0.65, 4.09, 0),
    Published("LNKD-DISK", 1, 1, 0.66, 10.99, 45.5),
    Published("LNKD-DISK", 1, 2, 0.65, 20.97, 43.3),
    Published("LNKD-DISK", 2, 1, 1.63, 10.9, 13.6),
    Published("LNKD-DISK", 2, 2, 1.64, 20.96, 0),
    Published("LNKD-DISK", 3, 1, 4.12, 10.89, 0),
    Published("LNKD-DISK", 1, 3, 0.65, 112.65, 0),
    Published("YMMR", 1, 1, 5.58, 10.83, 1364.0),
    Published("YMMR", 1, 2, 5.61, 427.12, 1352.0),
    Published("YMMR", 2, 1, 32.6, 10.73, 202.0),
    Published("YMMR", 2, 2, 33.18, 428.11, 0),
    Published("YMMR", 3, 1, 219.27, 10.79, 0),
    Published("YMMR", 1, 3, 5.63, 1870.86, 0),
)
"""The paper's table 4, without the column WAN, whose replicas are not alike."""

# ------------------------------------------------------------------------------------------------------ domain checks


def _require_seconds(name: str, value: ArrayLike) -> Floats:
    seconds = np.asarray(value, float)
    if not np.all((seconds >= 0) & np.isfinite(seconds)):
        raise ValueError(f"`{name}` must be finite and at least 0, got {value!r}")
    return seconds


def _require_quorums(replica_count: int, read_quorum: int, write_quorum: int) -> None:
    _require_whole("replica_count", replica_count, 1, None)
    _require_whole("read_quorum", read_quorum, 1, replica_count)
    _require_whole("write_quorum", write_quorum, 1, replica_count)


def _require_whole(name: str, value: int, least: int, most: int | None) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"`{name}` must be a whole number, got {value!r}")
    if value < least or (most is not None and value > most):
        bound = f"at least {least}" if most is None else f"in [{least}, {most}]"
        raise ValueError(f"`{name}` must be {bound}, got {value}")
