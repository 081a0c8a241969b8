"""What two-phase commit costs: latency, messages, forced writes, aborts, blocking, and locks held meanwhile.

Theory of operation
-------------------
All times follow from one random variable, the time from the requests to the commit point:

    V  =  f + max over i of (A_i + B_i) + g

with A_i the leg of the request to participant i and B_i that of its vote, f the participants' forced write of the
promise and g the coordinator's of the decision. The legs are independent of each other and across participants, the
forces are constant, and nothing is lost. The mean of the maximum is a quadrature
(:mod:`distlib.models.order_statistics`); no sampling is used. Counts follow from the protocol's steps, and are what a
run without faults must show exactly.

Sources: Gray and Lamport, *Consensus on Transaction Commit* (2006), section 3, for the convention 3N - 1; Mohan,
Lindsay and Obermarck (1986), for the presumptions; the formulas are derived in the chapter.

Examples
--------
Five participants, legs of 1 ms in the mean, a force of 1 ms there and of 2 ms here:

>>> from distlib.models.latency import Exponential
>>> timing = CommitTiming(5, Exponential(0.001), participant_force_seconds=0.001, coordinator_force_seconds=0.002)
>>> f"{1000 * commit_latency_mean(timing):.3f} ms"
'6.808 ms'
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from distlib.models.latency import Law, Shifted, require_law
from distlib.models.order_statistics import (
    OrderStatisticLaw,
    interruption_probability,
    maximum_mean,
    order_statistic_quantile,
    order_statistic_sf,
)
from distlib.models.sums import sum_of

__all__ = [
    "CommitTiming",
    "Cost",
    "abort_probability",
    "blocked_seconds_mean",
    "blocking_probability",
    "commit_cost",
    "commit_latency_law",
    "commit_latency_mean",
    "commit_latency_quantile",
    "commit_latency_sf",
    "doomed_probability",
    "hot_record_throughput",
    "in_doubt_seconds_mean",
    "lock_hold_seconds_mean",
    "loss_abort_probability",
    "messages_without_acknowledgements",
    "naive_commit_latency",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CommitTiming:
    """How long the steps of one transaction take.

    Parameters
    ----------
    participant_count
        Participants, the coordinator not counted; at least 1.
    request, vote
        Laws of one leg to a participant and back, in seconds. Without `vote`, both have the law `request`.
    participant_force_seconds, coordinator_force_seconds
        What it takes to force the promise, and the decision, to disk.

    Raises
    ------
    TypeError, ValueError
        If a count or a time is out of range, or a law is none.
    """

    participant_count: int
    request: Law
    vote: Law | None = None
    participant_force_seconds: float = 0.0
    coordinator_force_seconds: float = 0.0

    def __post_init__(self) -> None:
        _require_participants(self.participant_count)
        require_law("request", self.request)
        if self.vote is not None:
            require_law("vote", self.vote)
        for name in ("participant_force_seconds", "coordinator_force_seconds"):
            _require_at_least(name, getattr(self, name), 0.0)

    @property
    def round_trip(self) -> Law:
        """The law of A + B, both legs of one participant, without any force."""
        return sum_of(self.request, self.vote or self.request)

    @property
    def force_seconds(self) -> float:
        """Both forces that lie between the requests and the commit point."""
        return self.participant_force_seconds + self.coordinator_force_seconds


# ----------------------------------------------------------------------------------------------------------- latency


def commit_latency_mean(timing: CommitTiming) -> float:
    """Return the mean time from the requests to the commit point, in seconds: f + E max(A_i + B_i) + g.

    See Also
    --------
    naive_commit_latency : What is commonly said instead.

    Examples
    --------
    One participant waits for itself only, so the mean of the maximum is the mean:

    >>> from distlib.models.latency import Exponential
    >>> round(commit_latency_mean(CommitTiming(1, Exponential(0.001))), 9)
    0.002
    """
    return timing.force_seconds + maximum_mean(timing.round_trip, timing.participant_count)


def naive_commit_latency(timing: CommitTiming) -> float:
    """Return f + E[A] + E[B] + g, in seconds: the latency as if the maximum of the means were the mean of the maximum.

    Right for constant legs and for one participant; otherwise too low, the more so the more participants there are.
    """
    return timing.force_seconds + float(timing.round_trip.mean())


def commit_latency_sf(timing: CommitTiming, seconds: ArrayLike) -> Floats:
    """Return P(V > seconds), elementwise: that the commit point comes later than that."""
    waited = np.asarray(seconds, float) - timing.force_seconds
    count = timing.participant_count
    return order_statistic_sf(timing.round_trip, count, count, waited)


def commit_latency_quantile(timing: CommitTiming, probability: ArrayLike) -> Floats:
    """Return the time, in seconds, within which that share of transactions reaches its commit point, elementwise.

    Examples
    --------
    The p99 of the slowest of eight is the p99.87 of one:

    >>> from distlib.models.latency import Exponential
    >>> alone, eight = (CommitTiming(n, Exponential(0.001)) for n in (1, 8))
    >>> bool(np.isclose(commit_latency_quantile(eight, 0.99), commit_latency_quantile(alone, 0.99 ** (1 / 8))))
    True
    """
    count = timing.participant_count
    return timing.force_seconds + order_statistic_quantile(timing.round_trip, count, count, probability)


def commit_latency_law(timing: CommitTiming) -> Law:
    """Return the law of V itself, for figures that hold runs against all of it.

    Examples
    --------
    >>> from distlib.models.latency import Exponential
    >>> timing = CommitTiming(5, Exponential(0.001), participant_force_seconds=0.001)
    >>> bool(commit_latency_law(timing).mean() == commit_latency_mean(timing))
    True
    """
    count = timing.participant_count
    return Shifted(OrderStatisticLaw(timing.round_trip, count, count), timing.force_seconds)


def in_doubt_seconds_mean(timing: CommitTiming) -> float:
    """Return the mean time from a participant's vote until it learns the decision: E max(A_i + B_i) + g.

    Its own force lies before the vote, and the leg of the request that it does not wait for any more cancels, in the
    mean, against the leg of the decision. That takes a decision leg of the law of the request, and nothing else.
    """
    return timing.coordinator_force_seconds + maximum_mean(timing.round_trip, timing.participant_count)


# ------------------------------------------------------------------------------------------------------------- costs


@dataclass(frozen=True)
class Cost:
    """What one transaction costs: messages between coordinator and participants, and forced writes."""

    messages: int
    participant_forces: int
    coordinator_forces: int


def commit_cost(participant_count: int, presumption: str = "presumed abort", *, commit: bool = True) -> Cost:
    """Return the cost of one transaction without faults; where it aborts, all participants had promised.

    Parameters
    ----------
    participant_count
        Participants, none of them at the coordinator; at least 1.
    presumption
        "presumed nothing", "presumed abort" or "presumed commit".
    commit
        Whether the decision is to commit.

    Returns
    -------
    Cost
        The client's messages are not counted. An acknowledged decision costs n messages and n forces more.

    Raises
    ------
    ValueError
        If the count is below 1 or the presumption is unknown.

    Examples
    --------
    >>> commit_cost(5)
    Cost(messages=20, participant_forces=10, coordinator_forces=1)
    >>> commit_cost(5, commit=False)
    Cost(messages=15, participant_forces=5, coordinator_forces=0)
    >>> commit_cost(5, "presumed commit")
    Cost(messages=15, participant_forces=5, coordinator_forces=2)
    """
    _require_participants(participant_count)
    presumptions = ("presumed nothing", "presumed abort", "presumed commit")
    if presumption not in presumptions:
        raise ValueError(f"`presumption` must be one of {', '.join(map(repr, presumptions))}, got {presumption!r}")
    acknowledged = presumption != ("presumed commit" if commit else "presumed abort")
    return Cost(
        messages=(4 if acknowledged else 3) * participant_count,
        participant_forces=(2 if acknowledged else 1) * participant_count,
        coordinator_forces=int(commit or acknowledged) + int(presumption == "presumed commit"),
    )


def messages_without_acknowledgements(resource_manager_count: int) -> int:
    """Return 3N - 1, the count of Gray and Lamport (2006), section 3: another convention, so another number.

    The first resource manager's own readiness begins the protocol (1), the others are asked (N - 1), they vote (N - 1),
    and all are told (N); nobody acknowledges.

    Examples
    --------
    >>> messages_without_acknowledgements(5)
    14
    """
    _require_participants(resource_manager_count, "resource_manager_count")
    return 3 * resource_manager_count - 1


# ------------------------------------------------------------------------------------------------------------ aborts


def abort_probability(no_vote_probabilities: Sequence[float]) -> float:
    """Return the probability that at least one participant votes no: 1 - prod(1 - p_i).

    Parameters
    ----------
    no_vote_probabilities
        One for each participant, independent of each other.

    Examples
    --------
    >>> round(abort_probability([0.005] * 10), 9)
    0.04888987
    """
    if len(no_vote_probabilities) == 0:
        raise ValueError("`no_vote_probabilities` must name at least one participant, got none")
    for probability in no_vote_probabilities:
        _require_probability("no_vote_probabilities", probability)
    if 1.0 in no_vote_probabilities:
        return 1.0
    return -math.expm1(math.fsum(math.log1p(-probability) for probability in no_vote_probabilities))


def loss_abort_probability(participant_count: int, loss_probability: float) -> float:
    """Return the probability that a lost request or vote aborts a transaction: 1 - (1 - l)^(2n).

    The coordinator does not repeat a request: a vote that does not come in time is a no.

    Examples
    --------
    >>> round(loss_abort_probability(5, 0.01), 6)
    0.095618
    """
    _require_participants(participant_count)
    _require_probability("loss_probability", loss_probability)
    return abort_probability([loss_probability] * (2 * participant_count))


# ---------------------------------------------------------------------------------------------------------- blocking


def blocking_probability(timing: CommitTiming, crash_rate_per_second: float) -> float:
    """Return the probability that the coordinator crashes between requests and commit point: 1 - E exp(-lambda V).

    Every such crash leaves participants in doubt until the coordinator is back: all whose request arrives, also after
    the crash. For rare crashes it is close to, and never above, lambda E[V].

    Parameters
    ----------
    timing
        Of the transaction.
    crash_rate_per_second
        Of the coordinator, a Poisson process; at least 0.

    Examples
    --------
    >>> from distlib.models.latency import Exponential
    >>> timing = CommitTiming(5, Exponential(0.001), participant_force_seconds=0.001, coordinator_force_seconds=0.002)
    >>> f"{blocking_probability(timing, crash_rate_per_second=1 / 3600):.7e}"
    '1.8911848e-06'
    """
    _require_at_least("crash_rate_per_second", crash_rate_per_second, 0.0)
    waiting = interruption_probability(timing.round_trip, timing.participant_count, crash_rate_per_second)
    # A crash during the forces, or else one during the wait: no digits are lost by subtracting from one.
    forcing = -math.expm1(-crash_rate_per_second * timing.force_seconds)
    return forcing + (1 - forcing) * waiting


def blocked_seconds_mean(timing: CommitTiming, crash_rate_per_second: float, repair_seconds_mean: float) -> float:
    """Return the mean time that a transaction is blocked for, P_b / mu in seconds, over all transactions.

    Nearly none is blocked, and those that are wait for the whole repair.
    """
    _require_at_least("repair_seconds_mean", repair_seconds_mean, 0.0)
    return blocking_probability(timing, crash_rate_per_second) * repair_seconds_mean


def doomed_probability(participant_count: int, loss_probability: float) -> float:
    """Return the probability that cooperation is no help after the coordinator crashed in the window: (1 - l)^n.

    The requests are on their way when it crashes, and each one that arrives makes one more participant promise. Only
    one whose request is lost is free to abort when the others ask it. Without loss there is none.

    Examples
    --------
    >>> doomed_probability(5, 0.0)
    1.0
    >>> round(doomed_probability(5, 0.01), 6)
    0.95099
    """
    _require_participants(participant_count)
    _require_probability("loss_probability", loss_probability)
    return float((1 - loss_probability) ** participant_count)


# ------------------------------------------------------------------------------------------------------------- locks


def lock_hold_seconds_mean(timing: CommitTiming, decision: Law | None = None, *, outcome_forced: bool = True) -> float:
    """Return how long a participant keeps the locks of a transaction that waits for no other, in seconds.

    From the request's arrival until the outcome is on disk: f + E max(A_i + B_i) + g + f. Its request leg is over when
    it begins, and a decision leg is added. In the mean they cancel if they have the same law; otherwise `decision`
    gives the other. Without `outcome_forced`, as where the outcome is presumed, the last force falls away.
    """
    held = timing.participant_force_seconds + in_doubt_seconds_mean(timing)
    if decision is not None:
        held += float(require_law("decision", decision).mean()) - float(timing.request.mean())
    return held + (timing.participant_force_seconds if outcome_forced else 0.0)


def hot_record_throughput(timing: CommitTiming, decision: Law | None = None, *, blocked_seconds: float = 0.0) -> float:
    """Return how many transactions a second can pass through one record that all of them change.

    In a queue for the record the other participants have long voted when the record's turn comes. So no maximum is left
    in the cycle: force the promise, send the vote, force the decision, send it, and force it at the participant before
    the next in line has the lock: 1 / (f + E[B] + g + E[C] + f + blocked).

    Parameters
    ----------
    timing
        Of each transaction.
    decision
        Law of the decision's leg C; without it, that of the request.
    blocked_seconds
        Mean time that a transaction is blocked for, from :func:`blocked_seconds_mean`.

    Examples
    --------
    >>> from distlib.models.latency import Constant
    >>> round(hot_record_throughput(CommitTiming(5, Constant(0.001))), 6)
    500.0
    """
    _require_at_least("blocked_seconds", blocked_seconds, 0.0)
    legs = float((timing.vote or timing.request).mean()) + float((decision or timing.request).mean())
    cycle = legs + 2 * timing.participant_force_seconds + timing.coordinator_force_seconds + blocked_seconds
    if cycle == 0:
        raise ValueError("`timing` must have a leg or a force above 0 seconds, got none: throughput has no bound")
    return 1 / cycle


# --------------------------------------------------------------------------------------------------------- arguments


def _require_participants(count: int, name: str = "participant_count") -> None:
    if not isinstance(count, (int, np.integer)) or isinstance(count, bool) or count < 1:
        raise ValueError(f"`{name}` must be a whole number of at least 1, got {count!r}")


def _require_at_least(name: str, value: float, least: float) -> None:
    if not (math.isfinite(value) and value >= least):
        raise ValueError(f"`{name}` must be finite and at least {least}, got {value!r}")


def _require_probability(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"`{name}` must be in [0, 1], got {value!r}")
