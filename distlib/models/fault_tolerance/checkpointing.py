r"""How often to save: the time that work takes on machines that fail, and the interval that makes it shortest.

Theory of operation
-------------------
Work of :math:`T_s` seconds is cut into segments of :math:`\tau`. After each comes a dump of :math:`\delta`. *The
interval* :math:`\tau` *excludes the dump.* Failures of the whole platform come at the rate :math:`1/M`; after each
there is a downtime D, during which nothing fails, and a restart R. Times are in one unit, whichever.

For exponential failures all is in closed form, the optimum by Lambert's W. For Weibull failures the mean follows from a
recursion over the segments since the last failure, for a checkpoint does not make a machine any younger. Two levels of
dumps are a small linear system.

Sources: J. W. Young, "A first order approximation to the optimum checkpoint interval", *Communications of the ACM*
17(9), 1974; J. T. Daly, "A higher order estimate of the optimum checkpoint interval for restart dumps", *Future
Generation Computer Systems* 22(3), 2006; R. M. Corless et al., "On the Lambert W function", *Advances
in Computational Mathematics* 5, 1996; A. Benoit et al., "Towards optimal multi-level checkpointing", *IEEE Transactions
on Computers* 66(7), 2017, for the two levels. The recursions are derived here.

Examples
--------
A dump of five minutes, a failure a day: save every two hours.

>>> round(optimal_interval(dump=5, mtbf=24 * 60), 2)
116.69
>>> round(young_interval(dump=5, mtbf=24 * 60), 2)
120.0
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.special import lambertw

__all__ = [
    "Weibull",
    "completion_time_mean",
    "daly_interval",
    "optimal_interval",
    "platform_mtbf",
    "segment_time_deviation",
    "slowdown",
    "two_level_optimum",
    "two_level_slowdown",
    "weibull_completion_time_mean",
    "young_interval",
    "young_waste",
]


def _require_above_0(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise ValueError(f"`{name}` must be finite and above 0, got {value!r}")


def _require_at_least_0(name: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"`{name}` must be finite and at least 0, got {value!r}")


def _require_count(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"`{name}` must be a whole number of at least 1, got {value!r}")


@dataclass(frozen=True)
class Weibull:
    """The Weibull law: :math:`P(X > t) = e^{-(t/b)^k}`. Below shape 1 what has lived long goes on to live longer.

    Parameters
    ----------
    shape, scale_seconds
        k and b, above 0.

    Raises
    ------
    ValueError
        If one is not.

    Examples
    --------
    >>> round(Weibull(0.7, 20).mean(), 2), Weibull(1, 20).mean()
    (25.32, 20.0)
    """

    shape: float
    scale_seconds: float

    def __post_init__(self) -> None:
        _require_above_0("shape", self.shape)
        _require_above_0("scale_seconds", self.scale_seconds)

    def sf(self, x: ArrayLike) -> NDArray[np.float64]:
        """Return P(X > x)."""
        return np.asarray(np.exp(-((np.maximum(np.asarray(x, float), 0.0) / self.scale_seconds) ** self.shape)))

    def cdf(self, x: ArrayLike) -> NDArray[np.float64]:
        """Return P(X <= x)."""
        return np.asarray(1.0 - self.sf(x))

    def ppf(self, q: ArrayLike) -> NDArray[np.float64]:
        """Return the smallest x with P(X <= x) >= q."""
        with np.errstate(divide="ignore"):
            return np.asarray(self.scale_seconds * (-np.log1p(-np.asarray(q, float))) ** (1 / self.shape))

    def mean(self) -> float:
        """Return E[X]."""
        return self.scale_seconds * math.gamma(1 + 1 / self.shape)

    def std(self) -> float:
        """Return the standard deviation."""
        second = math.gamma(1 + 2 / self.shape)
        return self.scale_seconds * math.sqrt(second - math.gamma(1 + 1 / self.shape) ** 2)

    def rvs(self, *, size: int = 1, random_state: np.random.Generator | None = None) -> NDArray[np.float64]:
        """Draw by inversion."""
        return self.ppf(np.random.default_rng(random_state).random(size))


def platform_mtbf(node_mtbf: float, nodes: int) -> float:
    """Return the mean time between failures of a platform of n nodes, any of which stops the work: M / n.

    Only for exponential lifetimes: the first of n failures of another law is not so simple.

    Parameters
    ----------
    node_mtbf
        Of one node; above 0.
    nodes
        n, at least 1.

    Raises
    ------
    ValueError
        If an argument is out of its domain.

    Examples
    --------
    Nodes that live five years, ten thousand of them, in hours:

    >>> round(platform_mtbf(5 * 8766, 10_000), 2)
    4.38
    """
    _require_above_0("node_mtbf", node_mtbf)
    _require_count("nodes", nodes)
    return node_mtbf / nodes


def young_interval(dump: float, mtbf: float) -> float:
    r"""Return Young's interval, :math:`\sqrt{2 \delta M}`: right to first order where :math:`\delta \ll M`.

    Parameters
    ----------
    dump, mtbf
        :math:`\delta` and M, above 0, in one unit.

    Raises
    ------
    ValueError
        If one is not.

    Examples
    --------
    >>> young_interval(5, 1440)
    120.0
    """
    _require_above_0("dump", dump)
    _require_above_0("mtbf", mtbf)
    return math.sqrt(2 * dump * mtbf)


def young_waste(dump: float, mtbf: float) -> float:
    r"""Return the share of extra time at Young's interval, to first order: :math:`\sqrt{2 \delta / M}`.

    Parameters
    ----------
    dump, mtbf
        :math:`\delta` and M, above 0, in one unit.

    Raises
    ------
    ValueError
        If one is not.

    Examples
    --------
    >>> round(young_waste(5, 1440), 4)
    0.0833
    """
    return young_interval(dump, mtbf) / mtbf


def daly_interval(dump: float, mtbf: float) -> float:
    r"""Return Daly's estimate of higher order, of the interval without the dump; M where :math:`\delta \ge 2M`.

    :math:`\sqrt{2\delta M}\,\bigl[1 + \tfrac13 \sqrt{\delta/2M} + \tfrac19\, \delta/2M\bigr] - \delta`.

    Parameters
    ----------
    dump, mtbf
        :math:`\delta` and M, above 0, in one unit.

    Raises
    ------
    ValueError
        If one is not.

    Examples
    --------
    >>> round(daly_interval(5, 15), 4)
    9.1409
    """
    young = young_interval(dump, mtbf)
    if dump >= 2 * mtbf:
        return mtbf
    ratio = dump / (2 * mtbf)
    return young * (1 + math.sqrt(ratio) / 3 + ratio / 9) - dump


def optimal_interval(dump: float, mtbf: float) -> float:
    r"""Return the exact optimum, :math:`M\,[1 + W_0(-e^{-1-\delta/M})]`, for work that is long against it.

    It depends neither on the restart nor on the downtime.

    Parameters
    ----------
    dump, mtbf
        :math:`\delta` and M, above 0, in one unit.

    Raises
    ------
    ValueError
        If one is not.

    Examples
    --------
    >>> round(optimal_interval(5, 15), 4)
    9.1665
    """
    _require_above_0("dump", dump)
    _require_above_0("mtbf", mtbf)
    ratio = dump / mtbf
    if ratio < 1e-5:
        # Near its branch point the function loses half of the digits; its series there does not.
        p = math.sqrt(-2 * math.expm1(-ratio))
        return mtbf * (p - p**2 / 3 + 11 * p**3 / 72 - 43 * p**4 / 540)
    return mtbf * (1 + float(lambertw(-math.exp(-1 - ratio)).real))  # type: ignore[no-untyped-call]


def completion_time_mean(
    work: float,
    interval: float,
    dump: float,
    mtbf: float,
    *,
    restart: float = 0.0,
    downtime: float = 0.0,
    restart_can_fail: bool = True,
) -> float:
    r"""Return the mean time until the work is done, for exponential failures.

    :math:`\frac{T_s}{\tau}\,(M + D)\,e^{R/M}\,\bigl(e^{(\tau+\delta)/M} - 1\bigr)`; with a restart during which nothing
    fails, :math:`(M + D)\,e^{R/M}` is :math:`M + R + D`.

    Parameters
    ----------
    work
        :math:`T_s`, above 0. Where it is not a multiple of the interval, the formula stands for the share.
    interval, dump
        :math:`\tau`, above 0, which excludes :math:`\delta`, at least 0.
    mtbf
        M of the platform, above 0.
    restart, downtime
        R and D, at least 0.
    restart_can_fail
        Whether failures also come during a restart.

    Raises
    ------
    ValueError
        If an argument is out of its domain.

    Examples
    --------
    >>> best = optimal_interval(5 / 60, 6)
    >>> round(completion_time_mean(500, best, 5 / 60, 6, restart=1 / 6), 4)
    610.2164
    """
    _require_above_0("work", work)
    _require_above_0("interval", interval)
    _require_at_least_0("dump", dump)
    _require_above_0("mtbf", mtbf)
    _require_at_least_0("restart", restart)
    _require_at_least_0("downtime", downtime)
    cost = (mtbf + downtime) * math.exp(restart / mtbf) if restart_can_fail else mtbf + restart + downtime
    exponent = (interval + dump) / mtbf
    return work / interval * cost * math.expm1(exponent) if exponent < 700 else math.inf


def slowdown(
    interval: float,
    dump: float,
    mtbf: float,
    *,
    restart: float = 0.0,
    downtime: float = 0.0,
    restart_can_fail: bool = True,
) -> float:
    """Return how many times longer the work takes than without failures and dumps. Arguments as above.

    Examples
    --------
    >>> round(slowdown(120, 5, 1440), 4)
    1.0882
    """
    return completion_time_mean(
        1.0, interval, dump, mtbf, restart=restart, downtime=downtime, restart_can_fail=restart_can_fail
    )


def segment_time_deviation(segment: float, mtbf: float) -> float:
    r"""Return the standard deviation of the time to get through a segment and its dump, R = D = 0.

    :math:`M \sqrt{e^{2s/M} - 2 (s/M)\,e^{s/M} - 1}`.

    Parameters
    ----------
    segment
        :math:`s = \tau + \delta`, above 0.
    mtbf
        M, above 0.

    Raises
    ------
    ValueError
        If one is not.

    Examples
    --------
    >>> round(segment_time_deviation(62, 360), 4)
    16.203
    """
    _require_above_0("segment", segment)
    _require_above_0("mtbf", mtbf)
    x = segment / mtbf
    return mtbf * math.sqrt(max(0.0, math.expm1(2 * x) - 2 * x * math.exp(x)))


def weibull_completion_time_mean(
    segments: int,
    work: float,
    dump: float,
    shape: float,
    scale: float,
    *,
    restart: float = 0.0,
) -> float:
    r"""Return the mean time until all segments are done, where times to failure are Weibull.

    A failure makes the machine as new; a checkpoint does not. Nothing fails during a restart. With n segments left, and
    j done since the last failure,

    :math:`E_{n,j} = \int_0^s \frac{S(js+u)}{S(js)}\,du + \pi_j E_{n-1,j+1} + (1-\pi_j)(R + E_{n,0})`,

    where :math:`S(t) = e^{-(t/b)^k}` and :math:`\pi_j = S((j+1)s)/S(js)`.

    Parameters
    ----------
    segments
        At least 1.
    work, dump
        Of each segment: :math:`s` is their sum; above 0, and at least 0.
    shape, scale
        k and b, above 0. Shape 1 is the exponential law with mean b; below 1 failures come in bursts.
    restart
        R, at least 0.

    Raises
    ------
    ValueError
        If an argument is out of its domain.

    Examples
    --------
    >>> round(weibull_completion_time_mean(50, 1.0, 0.1, 0.7, 20.0, restart=0.2), 4)
    56.9725
    """
    _require_count("segments", segments)
    _require_above_0("work", work)
    for name, value in (("shape", shape), ("scale", scale)):
        _require_above_0(name, value)
    for name, value in (("dump", dump), ("restart", restart)):
        _require_at_least_0(name, value)
    s = work + dump

    def hazard(time: float) -> float:
        return float((time / scale) ** shape)

    passes = [math.exp(hazard(j * s) - hazard((j + 1) * s)) for j in range(segments)]
    spent = [
        quad(lambda u, j=j: math.exp(hazard(j * s) - hazard(j * s + u)), 0, s, epsabs=1e-12, epsrel=1e-12)[0]
        for j in range(segments)
    ]
    # means[j] is the mean time with one segment less, after j segments since the last failure.
    means = np.zeros(segments + 1)
    for left in range(1, segments + 1):
        most = segments - left
        fresh = (spent[0] + passes[0] * means[1] + (1 - passes[0]) * restart) / passes[0]
        row = np.zeros(segments + 1)
        row[0] = fresh
        for j in range(1, most + 1):
            row[j] = spent[j] + passes[j] * means[j + 1] + (1 - passes[j]) * (restart + fresh)
        means = row
    return float(means[0])


def two_level_slowdown(
    segments: int,
    work: float,
    *,
    dumps: tuple[float, float],
    rates: tuple[float, float],
    restarts: tuple[float, float],
) -> float:
    r"""Return how many times longer work takes with quick local and slow remote dumps.

    A pattern is n segments, each with a local dump, the last with a remote one on top. A failure of the first kind
    costs the segment, one of the second kind the pattern: nothing fails during a restart. With
    :math:`\lambda = \lambda_1 + \lambda_2` and :math:`q_i = e^{-\lambda s_i}`, the mean times :math:`E_i` to the end
    of the pattern solve

    :math:`E_i = \frac{1-q_i}{\lambda} [1 + \lambda_1 (R_1 + E_i) + \lambda_2 (R_2 + E_0)] + q_i E_{i+1}`.

    Parameters
    ----------
    segments
        n, at least 1.
    work
        Of each segment, above 0.
    dumps, rates, restarts
        Of the first and of the second level: above 0; at least 0 and not both 0; at least 0.

    Raises
    ------
    ValueError
        If an argument is out of its domain.

    Examples
    --------
    >>> levels = dict(dumps=(20, 200), rates=(1 / 7200, 1 / 86400), restarts=(20, 200))
    >>> round(two_level_slowdown(11, 505.94, **levels), 6)
    1.164653
    """
    _require_count("segments", segments)
    _require_above_0("work", work)
    for name, pair in (("dumps", dumps), ("rates", rates), ("restarts", restarts)):
        for value in pair:
            _require_at_least_0(name, value)
    total = sum(rates)
    _require_above_0("rates", total)
    # E_i = constant + slope * E_0, from the last segment backwards.
    constant, slope = 0.0, 0.0
    for place in reversed(range(segments)):
        length = work + dumps[0] + (dumps[1] if place == segments - 1 else 0.0)
        fails, passes = -math.expm1(-total * length), math.exp(-total * length)
        first, second = fails * rates[0] / total, fails * rates[1] / total
        spent = fails / total + first * restarts[0] + second * restarts[1]
        constant = (spent + passes * constant) / (1 - first)
        slope = (passes * slope + second) / (1 - first)
    return constant / (1 - slope) / (segments * work)


@cache
def two_level_optimum(
    dumps: tuple[float, float], rates: tuple[float, float], restarts: tuple[float, float], most_segments: int = 60
) -> tuple[int, float, float]:
    """Return the best pattern: how many segments, how much work in each, and the slowdown.

    Parameters
    ----------
    dumps, rates, restarts
        See :func:`two_level_slowdown`; here all above 0, but restarts at least 0.
    most_segments
        How far to look.

    Raises
    ------
    ValueError
        If an argument is out of its domain.

    Examples
    --------
    >>> n, work, best = two_level_optimum((20, 200), (1 / 7200, 1 / 86400), (20, 200))
    >>> n, round(work, 1), round(best, 4)
    (11, 505.9, 1.1647)
    """
    for value in (*dumps, *rates):
        _require_above_0("dumps and rates", value)

    best: tuple[int, float, float] | None = None
    for n in range(1, most_segments + 1):
        found = minimize_scalar(  # type: ignore[no-untyped-call]
            lambda log_work, n=n: two_level_slowdown(
                n, math.exp(log_work), dumps=dumps, rates=rates, restarts=restarts
            ),
            bounds=(math.log(dumps[0] / 10), math.log(10 / min(rates))),
            method="bounded",
            options={"xatol": 1e-10},
        )
        if best is None or found.fun < best[2]:
            best = (n, math.exp(float(found.x)), float(found.fun))
    assert best is not None
    return best
