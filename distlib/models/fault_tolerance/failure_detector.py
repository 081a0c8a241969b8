r"""How good a failure detector is: how soon it notices a crash, and how often, and for how long, it cries wolf.

Theory of operation
-------------------
A process sends heartbeats at :math:`i \eta`, i = 1, 2, …; each is lost with probability :math:`\ell` and takes a time
D. The detector of Chen, Toueg and Aguilera looks at the *freshness points* :math:`i \eta + \delta`: from then on until
the next one it trusts the process once any heartbeat i, i + 1, … has come, and suspects it until then.

While the process is up, each suspicion is a mistake. Let :math:`k = \lceil \delta / \eta \rceil`. At a time x after a
freshness point, the heartbeats that could still have saved it are the k + 1 that were sent by then; the j-th of them is
missing with probability

.. math:: p_j(x) = \ell + (1 - \ell)\, P(D > \delta + x - j \eta), \qquad u(x) = \prod_{j=0}^{k} p_j(x),

so the detector is wrong at x with probability u(x). A mistake *begins* at a freshness point if the heartbeat before had
come in time, :math:`q_0 = (1 - \ell) P(D < \delta + \eta)`, and none of the others has: :math:`p_s = q_0 u(0)`.

The *phi-accrual* detector of Hayashibara and others gives a number instead of a verdict: :math:`\varphi(t) = -\log_{10}
(1 - F(t))`, where F is the law of the time between arrivals as it was seen so far. A threshold on it is a timeout in
disguise; what that timeout means depends on how well F fits.

Assumptions: heartbeats are independent; the clocks of both run at the same rate and, for freshness points, show the
same time.

Sources: W. Chen, S. Toueg, M. K. Aguilera, "On the quality of service of failure detectors", *IEEE Transactions on
Computers* 51(5), May 2002, sections 2 (metrics) and 3 (the detector and its analysis; the printing of January 2002 had
errors in it); N. Hayashibara, X. Défago, R. Yared, T. Katayama, "The φ accrual failure detector", SRDS 2004.

Examples
--------
A heartbeat a second, a margin of a second and a half, one heartbeat in a hundred lost:

>>> plan = HeartbeatPlan(1.0, 1.5, 0.01, Exponential(0.02))
>>> f"a mistake every {mistake_recurrence_mean(plan):,.0f} s, of {mistake_duration_mean(plan):.2f} s"
'a mistake every 10,101 s, of 0.53 s'
>>> detection_time_bound(plan), detection_time_mean(plan)
(2.5, 2.0)
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.special import ndtri_exp

from distlib.models.latency import Exponential, Law, require_law

__all__ = [
    "HeartbeatPlan",
    "detection_time_bound",
    "detection_time_mean",
    "heartbeats_to_consecutive_losses",
    "margin_for_recurrence",
    "mistake_duration_mean",
    "mistake_probability_after",
    "mistake_recurrence_mean",
    "naive_heartbeats_to_consecutive_losses",
    "phi_deviations",
    "phi_mistake_probability_exponential_delays",
    "phi_timeout_exponential",
    "phi_timeout_normal",
    "query_accuracy",
    "query_inaccuracy",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class HeartbeatPlan:
    """How a process is watched.

    Parameters
    ----------
    period_seconds
        Between two heartbeats, above 0.
    margin_seconds
        From a heartbeat's sending to its freshness point, at least 0.
    loss_probability
        That a heartbeat is lost, in [0, 1).
    delay
        Law of the time that one takes.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its domain.
    """

    period_seconds: float
    margin_seconds: float
    loss_probability: float = 0.0
    delay: Law = field(default_factory=lambda: Exponential(0.02))

    def __post_init__(self) -> None:
        if not 0 < self.period_seconds < math.inf:
            raise ValueError(f"`period_seconds` must be finite and above 0, got {self.period_seconds!r}")
        if not 0 <= self.margin_seconds < math.inf:
            raise ValueError(f"`margin_seconds` must be finite and at least 0, got {self.margin_seconds!r}")
        if not 0 <= self.loss_probability < 1:
            raise ValueError(f"`loss_probability` must be in [0, 1), got {self.loss_probability!r}")
        require_law("delay", self.delay)

    def missing(self, age_seconds: float) -> float:
        """Return the probability that a heartbeat sent so long ago has not come."""
        if age_seconds < 0:
            return 1.0
        return self.loss_probability + (1 - self.loss_probability) * float(self.delay.sf(age_seconds))


def mistake_probability_after(plan: HeartbeatPlan, seconds: float) -> float:
    """Return u(x): the probability that the detector is wrong so long after a freshness point.

    Parameters
    ----------
    plan
        How the process is watched.
    seconds
        x, from 0 to the period.
    """
    if not 0 <= seconds <= plan.period_seconds:
        raise ValueError(f"`seconds` must be in [0, {plan.period_seconds}], got {seconds!r}")
    last = math.ceil(plan.margin_seconds / plan.period_seconds)
    ages = (plan.margin_seconds + seconds - j * plan.period_seconds for j in range(last + 1))
    return math.prod(plan.missing(age) for age in ages)


def _mistake_begins(plan: HeartbeatPlan) -> float:
    """Return p_s: the probability that a mistake begins at a freshness point."""
    heard = (1 - plan.loss_probability) * float(plan.delay.cdf(plan.margin_seconds + plan.period_seconds))
    return heard * mistake_probability_after(plan, 0.0)


def _mistaken_seconds(plan: HeartbeatPlan) -> float:
    """Return the mean time, within one period, for which the detector is wrong."""
    period, margin = plan.period_seconds, plan.margin_seconds
    # u has a corner where the age of a heartbeat goes through 0, and falls steeply from there on.
    corner = math.ceil(margin / period) * period - margin
    scale = min(period, plan.delay.mean())
    points = sorted({0.0, corner, *(corner + scale * 4.0**power for power in range(-2, 5)), period})
    ends = [point for point in points if 0 <= point <= period]
    return math.fsum(
        quad(lambda x: mistake_probability_after(plan, x), low, high, epsabs=0, epsrel=1e-10)[0]
        for low, high in itertools.pairwise(ends)
    )


def mistake_recurrence_mean(plan: HeartbeatPlan) -> float:
    """Return the mean time from the beginning of a mistake to that of the next: the period over p_s, in seconds.

    Infinite if none can happen.
    """
    begins = _mistake_begins(plan)
    return plan.period_seconds / begins if begins > 0 else math.inf


def mistake_duration_mean(plan: HeartbeatPlan) -> float:
    """Return the mean time for which a mistake lasts, in seconds; 0 if none can happen."""
    begins = _mistake_begins(plan)
    return _mistaken_seconds(plan) / begins if begins > 0 else 0.0


def query_inaccuracy(plan: HeartbeatPlan) -> float:
    """Return the probability that the detector, asked at a random instant about a process that is up, is wrong.

    Examples
    --------
    >>> f"{query_inaccuracy(HeartbeatPlan(1.0, 0.5, 0.01, Exponential(0.1))):.6f}"
    '0.006698'
    """
    return _mistaken_seconds(plan) / plan.period_seconds


def query_accuracy(plan: HeartbeatPlan) -> float:
    """Return the probability that it is right then: one minus :func:`query_inaccuracy`."""
    return 1 - query_inaccuracy(plan)


def detection_time_bound(plan: HeartbeatPlan) -> float:
    """Return the longest time from a crash to the suspicion that stays: margin plus period, in seconds."""
    return plan.margin_seconds + plan.period_seconds


def detection_time_mean(plan: HeartbeatPlan) -> float:
    """Return the mean of that time for a crash at a random instant: margin plus half a period, in seconds.

    A crash right after a heartbeat is detected last, one right before the next heartbeat first. That the detector may
    be wrong already when the process crashes, and so early, is left out: it is as rare as its mistakes.
    """
    return plan.margin_seconds + plan.period_seconds / 2


def margin_for_recurrence(
    period_seconds: float, loss_probability: float, delay: Law, recurrence_seconds: float, *, step_seconds: float = 0.01
) -> float:
    """Return the smallest margin, in steps, with which mistakes are at least so far apart: how to set a detector.

    Parameters
    ----------
    period_seconds, loss_probability, delay
        As in :class:`HeartbeatPlan`.
    recurrence_seconds
        The mean time between mistakes that is asked for, above 0.
    step_seconds
        The margin's resolution.

    Raises
    ------
    ValueError
        If an argument is out of its domain, or no margin of up to a hundred periods suffices.

    Examples
    --------
    One mistake a day, at one heartbeat a second: what is lost with probability 0.01 must be lost three times in a row.

    >>> round(margin_for_recurrence(1.0, 0.01, Exponential(0.02), 86_400), 2)
    2.05
    """
    for name, value in (("recurrence_seconds", recurrence_seconds), ("step_seconds", step_seconds)):
        if not 0 < value < math.inf:
            raise ValueError(f"`{name}` must be finite and above 0, got {value!r}")
    # The larger the margin, the rarer the mistakes, but for the odd effect of q_0; so bisection will do.
    low, high = 0, math.ceil(100 * period_seconds / step_seconds)

    def suffices(steps: int) -> bool:
        plan = HeartbeatPlan(period_seconds, steps * step_seconds, loss_probability, delay)
        return period_seconds / mistake_probability_after(plan, 0.0) >= recurrence_seconds

    if not suffices(high):
        raise ValueError(f"`recurrence_seconds` must be within reach of a hundred periods, got {recurrence_seconds!r}")
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle + 1, high)
    return low * step_seconds


# -------------------------------------------------------------------------------------------------------- phi accrual


def _require_threshold(threshold: float) -> None:
    if not 0 < threshold < math.inf:
        raise ValueError(f"`threshold` must be finite and above 0, got {threshold!r}")


def phi_deviations(threshold: float) -> float:
    r"""Return how many standard deviations above the mean a normal law puts this suspicion: z with 1 - Φ(z) = 10^-φ.

    Examples
    --------
    >>> round(phi_deviations(8), 4)
    5.612
    """
    _require_threshold(threshold)
    return -float(ndtri_exp(-threshold * math.log(10)))


def phi_timeout_normal(threshold: float, mean_seconds: float, deviation_seconds: float) -> float:
    """Return after which silence φ reaches the threshold if arrivals are taken to be normally spaced, in seconds.

    Examples
    --------
    >>> round(phi_timeout_normal(8, 1.0, 0.1), 6)
    1.5612
    """
    for name, value in (("mean_seconds", mean_seconds), ("deviation_seconds", deviation_seconds)):
        if not 0 <= value < math.inf:
            raise ValueError(f"`{name}` must be finite and at least 0, got {value!r}")
    return mean_seconds + deviation_seconds * phi_deviations(threshold)


def phi_timeout_exponential(threshold: float, mean_seconds: float) -> float:
    """Return the same if they are taken to be exponentially spaced, as in Cassandra: threshold times mean times ln 10.

    Examples
    --------
    >>> round(phi_timeout_exponential(8, 1.0), 3)
    18.421
    """
    _require_threshold(threshold)
    if not 0 <= mean_seconds < math.inf:
        raise ValueError(f"`mean_seconds` must be finite and at least 0, got {mean_seconds!r}")
    return threshold * mean_seconds * math.log(10)


def phi_mistake_probability_exponential_delays(threshold: float) -> float:
    r"""Return the true probability of a mistake per heartbeat, if φ takes delays for normal that are exponential.

    The time between two arrivals is the period plus the difference of two exponential delays, a Laplace law. With mean
    and variance matched, silence passes the threshold with probability :math:`\tfrac12 e^{-\sqrt2 z}`, where z is
    :func:`phi_deviations`; the detector believes it to be :math:`10^{-\varphi}`. Heartbeats are not lost, and delays
    are short compared to the period.

    Examples
    --------
    >>> f"{phi_mistake_probability_exponential_delays(8):.3e}"
    '1.787e-04'
    """
    return 0.5 * math.exp(-math.sqrt(2) * phi_deviations(threshold))


# ------------------------------------------------------------------------------------------------- losses in a row


def heartbeats_to_consecutive_losses(loss_probability: float, count: int) -> float:
    r"""Return the mean number of heartbeats until `count` in a row are lost: (p^-k - 1) / (1 - p).

    Examples
    --------
    >>> round(heartbeats_to_consecutive_losses(0.01, 3))
    1010100
    """
    if not 0 < loss_probability < 1:
        raise ValueError(f"`loss_probability` must be in (0, 1), got {loss_probability!r}")
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"`count` must be a whole number of at least 1, got {count!r}")
    # The sum of p^-i for i = 1 … k: the same, without a difference.
    return math.fsum(loss_probability**-i for i in range(1, count + 1))


def naive_heartbeats_to_consecutive_losses(loss_probability: float, count: int) -> float:
    """Return what is usually said, 1 / p^k: it forgets that a run of losses needs something before it to break it.

    Examples
    --------
    >>> round(naive_heartbeats_to_consecutive_losses(0.5, 3)), round(heartbeats_to_consecutive_losses(0.5, 3))
    (8, 14)
    """
    heartbeats_to_consecutive_losses(loss_probability, count)
    return loss_probability**-count
