"""The law of the sum of two independent legs, such as a request and its answer.

Theory of operation
-------------------
The legs are A and B. Split at half of x: either both exceed it, or one does not and the other makes up for it,

    P(A+B > x)  =  P(A > x/2) P(B > x/2)  +  ∫ P(B > x-a) dF_A(a)  +  ∫ P(A > x-b) dF_B(b)

with both integrals up to x/2. Nothing is subtracted, so the far tail keeps its digits; and a heavy leg is never
integrated over where it is heavy. P(A+B <= x) has the same form, with what both integrals count taken off once.

Each integral is taken over the standard normal score z of its leg, P(Z <= z) = F(a), in which the laws of the book are
smooth and the weight decays as a Gaussian, whatever their scale or tail: by Gauss–Legendre with 24 nodes on panels
that end at kinks and at a few quantiles of both laws.

A measured leg needs no integral: the sum is averaged over its samples. The split is derived here; the tests hold it
by the gamma, hypoexponential and triangular laws, and by the mean of every pair of laws.

Examples
--------
Two exponential legs make a gamma law, P(A+B > 3) = exp(-3) (1 + 3):

>>> from distlib.models.latency import Exponential
>>> f"{float(sum_of(Exponential(1.0), Exponential(1.0)).sf(3.0)):.9f}"
'0.199148273'
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr, ndtr, ndtri

from distlib.models.latency import Constant, Empirical, Exponential, Law, LogNormal, Pareto, Shifted, require_law

__all__ = ["SumLaw", "is_discrete", "kinks", "quantile_at_score", "sum_of"]

Floats = NDArray[np.float64]

_NODES, _WEIGHTS = (points / 2 for points in np.polynomial.legendre.leggauss(24))
_LANDMARKS = np.array([-6.0, -3.0, -1.0, 1.0, 3.0, 6.0, 12.0])
# A score beyond which the normal law has less than the smallest float, and one beyond which it has less than 1e-32.
_SCORE = 37.0
_TABLE_SCORE = 12.0
_BATCH = 4096
_PAIRS = 1_000_000
_SAMPLES = 2_000


def sum_of(law_a: Law, law_b: Law) -> Law:
    """Return the law of the sum of two independent legs, such as a request and its answer.

    Parameters
    ----------
    law_a, law_b
        Laws of the legs, in seconds.

    Returns
    -------
    Law
        A :class:`SumLaw`, or something simpler where that is exact: a constant leg shifts the other.

    Raises
    ------
    TypeError, ValueError
        If a leg is not a law of a duration, or if measured legs have too many samples to combine.

    Examples
    --------
    >>> from distlib.models.latency import Exponential
    >>> round_trip = sum_of(Exponential(0.001), Exponential(0.001))
    >>> f"{float(round_trip.sf(0.003)):.9f}"
    '0.199148273'
    >>> sum_of(Constant(0.002), Exponential(0.001))
    Shifted(law=Exponential(mean_seconds=0.001), shift_seconds=0.002)
    """
    require_law("law_a", law_a)
    require_law("law_b", law_b)
    for leg, other in ((law_a, law_b), (law_b, law_a)):
        if isinstance(leg, Constant):
            return Constant(leg.seconds + other.seconds) if isinstance(other, Constant) else _shift(other, leg.seconds)
        if isinstance(leg, Shifted):
            return _shift(sum_of(leg.law, other), leg.shift_seconds)
    if isinstance(law_a, Empirical) and isinstance(law_b, Empirical):
        _require_samples(len(law_a.samples_seconds) * len(law_b.samples_seconds), _PAIRS, "pairs of samples")
        return Empirical(tuple(np.add.outer(law_a.samples_seconds, law_b.samples_seconds).ravel().tolist()))
    return SumLaw(law_a, law_b)


@dataclass(frozen=True)
class SumLaw:
    """The law of `law_a` plus `law_b`, independent of each other; at least one of them is continuous.

    Prefer :func:`sum_of`, which returns something simpler where that is exact. A leg may itself be a sum, which
    costs a hundred times as much: a second for a thousand points, several for a mean.
    """

    law_a: Law
    law_b: Law

    def __post_init__(self) -> None:
        for leg in (require_law("law_a", self.law_a), require_law("law_b", self.law_b)):
            if isinstance(leg, Empirical):
                _require_samples(len(leg.samples_seconds), _SAMPLES, "samples beside a continuous leg")
        if is_discrete(self.law_a) and is_discrete(self.law_b):
            raise ValueError("`law_a` or `law_b` must be continuous; for two that are not, use sum_of(law_a, law_b)")

    def cdf(self, x: ArrayLike) -> Floats:
        return self._chance(x, "cdf")

    def sf(self, x: ArrayLike) -> Floats:
        return self._chance(x, "sf")

    def ppf(self, q: ArrayLike) -> Floats:
        chance = _require_probability(q)
        low, high = (np.asarray(self.law_a.ppf(end)) + np.asarray(self.law_b.ppf(end)) for end in (0.0, 1.0))
        inside = (chance > 0) & (chance < 1)
        found = np.where(chance > 0, high, low)
        found[inside] = self.quantile_at_score(ndtri(chance[inside]))
        return np.asarray(found)

    def quantile_at_score(self, score: Floats) -> Floats:
        """Return the quantiles at P(Z <= score) of a standard normal Z, for finite scores."""
        # Chandrupatla's method is imported where it is used: it takes longer to load than the rest of this module.
        from scipy.optimize.elementwise import find_root

        # By the union bound: if each leg exceeds its quantile with half the chance, the sum exceeds theirs with less.
        outer = (ndtri(ndtr(score) / 2), -ndtri(ndtr(-score) / 2))
        low, high = (quantile_at_score(self.law_a, end) + quantile_at_score(self.law_b, end) for end in outer)
        result = find_root(
            lambda x, target: _score(self, x) - target,
            (low, high),
            args=(score,),
            tolerances={"xrtol": 1e-15, "fatol": 0.0},
        )
        # Where rounding leaves no root between the two, they are the same but for rounding.
        return np.asarray(np.where(result.success, result.x, low))

    def mean(self) -> float:
        return float(self.law_a.mean()) + float(self.law_b.mean())

    def std(self) -> float:
        return float(np.hypot(self.law_a.std(), self.law_b.std()))

    def rvs(self, *, size: Any = 1, random_state: np.random.Generator | None = None) -> Floats:
        generator = np.random.default_rng(random_state)
        draws = self.law_a.rvs(size=size, random_state=generator)
        return np.asarray(draws + self.law_b.rvs(size=size, random_state=generator))

    def _chance(self, x: ArrayLike, side: str) -> Floats:
        """Return P(A+B <= x) if `side` is "cdf", P(A+B > x) if it is "sf"."""
        times = np.asarray(x, float)
        for leg, other in ((self.law_a, self.law_b), (self.law_b, self.law_a)):
            if isinstance(leg, Empirical):
                samples = leg.samples_seconds
                return np.asarray(sum(getattr(other, side)(times - sample) for sample in samples) / len(samples))
        # In batches, or a sum of sums would hold a value for each pair of nodes of each time at once.
        batches = np.array_split(times.ravel(), times.size // _BATCH + 1)
        return np.asarray(np.concatenate([self._batch(batch, side) for batch in batches]).reshape(times.shape))

    def _batch(self, x: Floats, side: str) -> Floats:
        first, second = (np.asarray(getattr(leg, side)(x / 2)) for leg in (self.law_a, self.law_b))
        # Where both legs are above half, both integrals miss it; where both are below, both count it.
        overlap = first * second if side == "sf" else -first * second
        total = _leg(self.law_a, self.law_b, x, side) + _leg(self.law_b, self.law_a, x, side) + overlap
        return np.asarray(np.clip(total, 0.0, 1.0))


def _leg(leg: Law, other: Law, x: Floats, side: str) -> Floats:
    """Return the integral of P(other > x - a), or of P(other <= x - a), over the law of `leg` for a up to x/2."""
    top = _score(leg, x / 2)
    # What lies below `bottom`, or above `enough`, adds less than 1e-16 of a lower bound on the result; where there is
    # no such bound, less than 1e-17.
    bottom = -np.sqrt(np.where(top < 0, top**2, 0.0) + 74.0)
    enough = np.full_like(x, 8.6)
    if side == "sf":
        bound, reach = np.maximum(np.asarray(leg.sf(x)), np.asarray(other.sf(x))), np.asarray(other.sf(x / 2))
        some = bound > 0
        enough[some] = -ndtri(1e-16 * bound[some] / np.maximum(reach, bound)[some])
    top = np.minimum(top, enough)
    # Panels end where either law passes one of its landmarks, so that none is too wide for a law that is narrow.
    landmarks = [*kinks(other), *quantile_at_score(other, _LANDMARKS).tolist()]
    bends = [_score(leg, x - landmark) for landmark in landmarks]
    bends += [_score(leg, np.full_like(x, kink)) for kink in kinks(leg)] + [np.full_like(x, z) for z in _LANDMARKS]
    edges = np.sort([bottom, *(np.clip(bend, bottom, top) for bend in bends), top], axis=0)
    total = np.zeros_like(x)
    for left, right in pairwise(edges):
        rows = np.flatnonzero(right > left)
        width = (right - left)[rows, None]
        scores = (left + right)[rows, None] / 2 + width * _NODES
        density = np.exp(-(scores**2) / 2) / np.sqrt(2 * np.pi)
        values = density * np.asarray(getattr(other, side)(x[rows, None] - quantile_at_score(leg, scores)))
        total[rows] += width[:, 0] * (values @ _WEIGHTS)
    return total


def _score(law: Law, x: Floats) -> Floats:
    """Return z with P(Z <= z) = P(law <= x) for a standard normal Z, from whichever tail is the smaller."""
    cdf = np.asarray(law.cdf(x))
    score = np.where(cdf < 0.5, ndtri(cdf), -ndtri(np.minimum(np.asarray(law.sf(x)), 0.5)))
    return np.asarray(np.clip(score, -_SCORE, _SCORE))


def quantile_at_score(law: Law, score: Floats) -> Floats:
    """Return the quantile of `law` at P(Z <= score): the inverse of :func:`_score`, with digits in both tails."""
    match law:
        case Exponential():
            return np.asarray(-law.mean_seconds * log_ndtr(-score))
        case LogNormal():
            return np.asarray(law.median_seconds * np.exp(law.sigma * score))
        case Pareto():
            return np.asarray(law.minimum_seconds * np.exp(-log_ndtr(-score) / law.shape))
        case Shifted():
            return np.asarray(quantile_at_score(law.law, score) + law.shift_seconds)
        case SumLaw():
            return _sum_at_score(law, score)
        case _:
            lower = np.asarray(law.ppf(ndtr(score)))
            inverse_survival = getattr(law, "isf", None)
            return lower if inverse_survival is None else np.where(score < 0, lower, inverse_survival(ndtr(-score)))


def is_discrete(law: Law) -> bool:
    """Return whether `law` takes finitely many values, as far as that is known."""
    return isinstance(law, Constant | Empirical) or (isinstance(law, Shifted) and is_discrete(law.law))


def _sum_at_score(law: SumLaw, score: Floats) -> Floats:
    """Return quantiles of a sum that is itself a leg: from a table, as inverting it at each node would take minutes."""
    start, table = _quantile_table(law)
    return np.asarray(start + np.exp(table(np.clip(score, -_TABLE_SCORE, _TABLE_SCORE))))


@cache
def _quantile_table(law: SumLaw) -> tuple[float, Callable[[Floats], Floats]]:
    """Return the smallest value of `law`, and a spline of the logarithm of what is above it against the score."""
    from scipy.interpolate import CubicSpline

    scores = np.linspace(-_TABLE_SCORE, _TABLE_SCORE, 2401)
    start = float(law.ppf(0.0))
    # Far below any chance that matters the quantile cannot be told from the start any more.
    above = np.maximum(law.quantile_at_score(scores) - start, np.spacing(start))
    return start, CubicSpline(scores, np.log(above))  # type: ignore[no-untyped-call]  # scipy has no annotations


def kinks(law: Law) -> tuple[float, ...]:
    """Return where the distribution function of `law` jumps or bends, as far as that is known."""
    match law:
        case Constant():
            return (law.seconds,)
        case Empirical():
            return tuple(dict.fromkeys(law.samples_seconds))
        case Shifted():
            return tuple(kink + law.shift_seconds for kink in kinks(law.law))
        case SumLaw():
            return tuple({a + b for a in kinks(law.law_a) for b in kinks(law.law_b)})
        case LogNormal():
            return ()
        case _:
            return tuple(end for end in (float(law.ppf(0.0)), float(law.ppf(1.0))) if np.isfinite(end))


def _shift(law: Law, seconds: float) -> Law:
    """Return `law` plus a constant, as one shift."""
    return Shifted(law.law, law.shift_seconds + seconds) if isinstance(law, Shifted) else Shifted(law, seconds)


def _require_probability(q: ArrayLike) -> Floats:
    chance = np.asarray(q, float)
    if not np.all((chance >= 0) & (chance <= 1)):
        raise ValueError(f"`q` must be in [0, 1], got {q!r}")
    return chance


def _require_samples(count: int, most: int, what: str) -> None:
    if count > most:
        raise ValueError(
            f"`law_a` and `law_b` may have at most {most:,} {what}, got {count:,}; keep 1,000 quantiles of each"
        )
