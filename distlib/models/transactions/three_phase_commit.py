r"""What three-phase commit costs, and how often the two sides of a partition decide differently.

Theory of operation
-------------------
*Latency.* Two rounds of messages, each as long as its slowest round trip, and two forced writes:

    V  =  f + max over i of (A_i + B_i) + max over i of (A'_i + B'_i) + g

with f the participants' forced write of the vote and g the coordinator's of the decision; that it is precommitted a
participant keeps in memory. The two maxima are independent and have the same law. No sampling is used.

*Partition.* All n participants have voted yes, and the precommits are on their way. Then the network splits in two, for
good. Each participant is on side 1 with probability theta and has its precommit with probability q, all independent of
each other. On each side the participants follow the termination protocol: they commit if one of them has its precommit,
else they abort. The two sides disagree if just one of them commits. With the coordinator dead,

    P  =  h(theta) + h(1 - theta),   h(t) = P(side 1 is there and commits, side 2 is there and has no precommit)

where h(t) = (1 - (1-t) q)^n - (1-q)^n - t^n + (t (1-q))^n by inclusion and exclusion. The chapter derives it.

Sources: Skeen, *Nonblocking Commit Protocols* (1981), for the protocol; Keidar and Dolev, *Increasing the Resilience of
Distributed and Replicated Database Systems* (1998), for the form with a quorum. The chapter derives the formulas.

Examples
--------
Five participants, legs of 1 ms in the mean, a force of 1 ms there and of 2 ms at the coordinator:

>>> from distlib.models.latency import Exponential
>>> from distlib.models.transactions.two_phase_commit import CommitTiming
>>> timing = CommitTiming(5, Exponential(0.001), participant_force_seconds=0.001, coordinator_force_seconds=0.002)
>>> f"{1000 * commit_latency_mean(timing):.3f} ms"
'10.617 ms'
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

from distlib.models.latency import Constant, Law, Shifted, require_law
from distlib.models.order_statistics import OrderStatisticLaw, maximum_mean
from distlib.models.sums import quantile_at_score
from distlib.models.transactions.two_phase_commit import CommitTiming, Cost

__all__ = [
    "commit_cost",
    "commit_latency_law",
    "commit_latency_mean",
    "commit_latency_quantile",
    "commit_latency_sf",
    "decision_seconds_mean",
    "inconsistency_probability",
    "inconsistency_probability_mean",
    "inconsistency_probability_with_coordinator",
    "lock_hold_seconds_mean",
    "naive_commit_latency",
    "quorum_blocking_probability",
    "worst_precommit_probability",
]

Floats = NDArray[np.float64]


# ----------------------------------------------------------------------------------------------------------- latency


def commit_latency_mean(timing: CommitTiming) -> float:
    """Return the mean time from the requests to the decision on disk, in seconds: f + 2 E max(A_i + B_i) + g.

    Parameters
    ----------
    timing
        As for two-phase commit; the precommit has the law of the request, its acknowledgement that of the vote.

    Examples
    --------
    One participant waits for itself only, twice:

    >>> from distlib.models.latency import Exponential
    >>> round(commit_latency_mean(CommitTiming(1, Exponential(0.001))), 9)
    0.004
    """
    return timing.force_seconds + 2 * maximum_mean(timing.round_trip, timing.participant_count)


def naive_commit_latency(timing: CommitTiming) -> float:
    """Return four mean legs and both forces, in seconds: right for constant legs and for one participant only."""
    return timing.force_seconds + 2 * float(timing.round_trip.mean())


def commit_latency_law(timing: CommitTiming) -> Law:
    """Return the law of V: the sum of two slowest round trips, shifted by both forces.

    Examples
    --------
    >>> from distlib.models.latency import Exponential
    >>> timing = CommitTiming(5, Exponential(0.001))
    >>> bool(np.isclose(commit_latency_law(timing).mean(), commit_latency_mean(timing), rtol=1e-6))
    True
    """
    count, trip = timing.participant_count, timing.round_trip
    if isinstance(trip, Constant):
        return Constant(2 * trip.seconds + timing.force_seconds)
    return Shifted(_TwoRounds(OrderStatisticLaw(trip, count, count)), timing.force_seconds)


@dataclass(frozen=True)
class _TwoRounds:
    """The sum of two independent rounds of one law: the first is integrated over its standard normal score.

    :func:`~distlib.models.sums.sum_of` would do, to more digits, in a hundred times the time.
    """

    one: Law

    def sf(self, x: ArrayLike) -> Floats:
        one: Any = self.one
        first, chance = _first_round(one)
        left = np.asarray(x, float)[..., None] - first
        late = np.where(left >= 0, one.sf(np.maximum(left, 0.0)), 1.0)
        return np.asarray(np.clip(late @ chance, 0.0, 1.0))

    def cdf(self, x: ArrayLike) -> Floats:
        return np.asarray(1 - self.sf(x))

    def ppf(self, q: ArrayLike) -> Floats:
        wanted = np.asarray(q, float)
        # Both rounds exceed half of it, or one does; both are below it, or one is: so the quantile lies in between.
        low, high = 2 * np.asarray(self.one.ppf(0 * wanted)), np.asarray(2 * self.one.ppf((1 + wanted) / 2))
        for _ in range(60):
            middle = (low + high) / 2
            below = self.cdf(middle) < wanted
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.asarray(high)

    def mean(self) -> float:
        return 2 * float(self.one.mean())

    def std(self) -> float:
        return math.sqrt(2) * float(self.one.std())

    def rvs(self, *, size: Any = 1, random_state: np.random.Generator | None = None) -> Floats:
        generator = np.random.default_rng(random_state)
        first = self.one.rvs(size=size, random_state=generator)
        return np.asarray(first + self.one.rvs(size=size, random_state=generator))


@cache
def _first_round(law: Any) -> tuple[Floats, Floats]:
    """Return quantiles of a law and their weights, by Gauss–Legendre on panels of the standard normal score."""
    nodes, weights = np.polynomial.legendre.leggauss(8)
    edges = np.linspace(-8.0, 8.0, 17)
    middle, half = (edges[1:] + edges[:-1]) / 2, (edges[1:] - edges[:-1]) / 2
    scores = (middle[:, None] + half[:, None] * nodes).ravel()
    chances = (half[:, None] * weights).ravel() * np.exp(-(scores**2) / 2)
    return np.asarray(quantile_at_score(law, scores), float), chances / chances.sum()


def commit_latency_sf(timing: CommitTiming, seconds: ArrayLike) -> Floats:
    """Return P(V > seconds), elementwise."""
    return np.asarray(commit_latency_law(timing).sf(np.asarray(seconds, float)), float)


def commit_latency_quantile(timing: CommitTiming, probability: ArrayLike) -> Floats:
    """Return the time, in seconds, within which that share of transactions is committed, elementwise."""
    return np.asarray(commit_latency_law(timing).ppf(np.asarray(probability, float)), float)


def decision_seconds_mean(timing: CommitTiming, decision: Law | None = None) -> float:
    """Return the mean time from the requests until a given participant learns the decision, in seconds.

    Parameters
    ----------
    timing
        Of the transaction.
    decision
        Law of the decision's leg; without it, that of the request.

    Examples
    --------
    Without forces, five participants and exponential legs of 1 ms:

    >>> from distlib.models.latency import Exponential
    >>> f"{1000 * decision_seconds_mean(CommitTiming(5, Exponential(0.001))):.6f} ms"
    '8.616544 ms'
    """
    leg = timing.request if decision is None else require_law("decision", decision)
    return commit_latency_mean(timing) + float(leg.mean())


def lock_hold_seconds_mean(timing: CommitTiming, decision: Law | None = None) -> float:
    """Return how long a participant keeps its locks, in seconds: f + 2 E max(A_i + B_i) + g + f.

    From the request's arrival until the outcome is on disk. The request's leg is over when it begins, and the
    decision's comes on top; `decision` gives the latter's law if it differs.
    """
    return decision_seconds_mean(timing, decision) - float(timing.request.mean()) + timing.participant_force_seconds


# ------------------------------------------------------------------------------------------------------------- costs


def commit_cost(participant_count: int) -> Cost:
    """Return the cost of one commit without faults and without acknowledgements of the decision.

    Five messages for each participant: request, vote, precommit, acknowledgement, decision. A participant forces its
    vote and the outcome, the coordinator the decision. The client's messages are not counted.

    Examples
    --------
    >>> commit_cost(5)
    Cost(messages=25, participant_forces=10, coordinator_forces=1)
    """
    _require_participants(participant_count)
    return Cost(5 * participant_count, 2 * participant_count, 1)


# --------------------------------------------------------------------------------------------------------- partition


def inconsistency_probability(participant_count: int, precommitted: ArrayLike, side: float = 0.5) -> Floats:
    """Return the probability that the two sides of a partition decide differently; the coordinator is dead.

    Parameters
    ----------
    participant_count
        n, at least 1.
    precommitted
        q, the probability that a participant has its precommit when the network splits, in [0, 1]; elementwise.
    side
        theta, the probability that a participant is on side 1, in [0, 1].

    Returns
    -------
    Floats
        h(theta) + h(1 - theta), see the head of this module. 0 if q or theta is 0 or 1, and for n = 1.

    Raises
    ------
    ValueError
        If an argument is out of its domain.

    Examples
    --------
    >>> f"{float(inconsistency_probability(5, 0.3)):.6f}"
    '0.499275'
    """
    _require_participants(participant_count)
    _require_probability("side", side)
    q, n = _require_probabilities("precommitted", precommitted), participant_count

    def one_way(here: float) -> Floats:
        nobody_there = (1 - (1 - here) * q) ** n
        return np.asarray(nobody_there - (1 - q) ** n - here**n + (here * (1 - q)) ** n, float)

    return np.asarray(np.clip(one_way(side) + one_way(1 - side), 0.0, 1.0), float)


def inconsistency_probability_with_coordinator(
    participant_count: int, precommitted: ArrayLike, side: float = 0.5
) -> Floats:
    """Return the same if the coordinator is alive on side 1, where it commits when its patience is over.

    Side 2 disagrees if somebody is there and nobody there has a precommit: (1 - (1 - theta) q)^n - theta^n.

    Examples
    --------
    >>> f"{float(inconsistency_probability_with_coordinator(5, 0.3)):.6f}"
    '0.412455'
    """
    _require_participants(participant_count)
    _require_probability("side", side)
    q, n = _require_probabilities("precommitted", precommitted), participant_count
    return np.asarray(np.clip((1 - (1 - side) * q) ** n - side**n, 0.0, 1.0), float)


def worst_precommit_probability(participant_count: int, side: float = 0.5) -> tuple[float, float]:
    """Return the q at which :func:`inconsistency_probability` is largest, and what it is there.

    Parameters
    ----------
    participant_count
        At least 2: one participant cannot disagree.
    side
        theta, in (0, 1).

    Examples
    --------
    >>> q, worst = worst_precommit_probability(5)
    >>> f"{q:.6f} {worst:.6f}"
    '0.264496 0.504500'
    """
    _require_participants(participant_count, least=2)
    if not 0 < side < 1:
        raise ValueError(f"`side` must be in (0, 1), got {side!r}")
    grid = np.linspace(0, 1, 257)
    best = int(np.argmax(inconsistency_probability(participant_count, grid, side)))
    found = minimize_scalar(  # type: ignore[no-untyped-call] # scipy has no types
        lambda q: -float(inconsistency_probability(participant_count, q, side)),
        bounds=(float(grid[max(best - 1, 0)]), float(grid[min(best + 1, 256)])),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return float(found.x), -float(found.fun)


def inconsistency_probability_mean(participant_count: int, side: float = 0.5) -> float:
    """Return the mean of :func:`inconsistency_probability` over q, uniform in [0, 1].

    That is a partition which comes at a moment by which any share of the precommits is as likely to have arrived.

    Examples
    --------
    >>> f"{inconsistency_probability_mean(5):.6f}"
    '0.270833'
    """
    _require_participants(participant_count)
    area, _ = quad(lambda q: float(inconsistency_probability(participant_count, q, side)), 0, 1, epsabs=1e-12)
    return float(area)


def quorum_blocking_probability(participant_count: int, side: float = 0.5) -> float:
    """Return the probability that neither side has a majority of the participants: where a quorum is needed, both wait.

    Parameters
    ----------
    participant_count
        n, at least 1. For an odd n one side always has a majority: 0.
    side
        theta, in [0, 1].

    Examples
    --------
    >>> quorum_blocking_probability(4)
    0.375
    >>> quorum_blocking_probability(5)
    0.0
    """
    _require_participants(participant_count)
    _require_probability("side", side)
    if participant_count % 2:
        return 0.0
    half = participant_count // 2
    return float(math.comb(participant_count, half) * (side * (1 - side)) ** half)


# --------------------------------------------------------------------------------------------------------- arguments


def _require_participants(count: int, least: int = 1) -> None:
    if not isinstance(count, (int, np.integer)) or isinstance(count, bool) or count < least:
        raise ValueError(f"`participant_count` must be a whole number of at least {least}, got {count!r}")


def _require_probability(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"`{name}` must be in [0, 1], got {value!r}")


def _require_probabilities(name: str, values: ArrayLike) -> Floats:
    found = np.asarray(values, float)
    if not np.all((found >= 0) & (found <= 1)):
        raise ValueError(f"`{name}` must be in [0, 1], got {values!r}")
    return found
