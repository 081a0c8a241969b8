r"""What deterministic ordering costs: the wait for the epoch, one way instead of a round trip, and what it forbids.

Theory of operation
-------------------
A transaction waits for the end of its epoch, on average half of it; then for the sequencing S (a forced write of the
log, or a round of consensus); then its batch travels to the partitions. Partition i has it after a leg A_i, and sends
what it has read to the others. The home partition, h, can carry it out when it has the batch and the reads of all
others:

    L  =  U + S + max( A_h, max over j of (A_j + R_jh) ),      U uniform on [0, e]

where the legs are independent. It is a maximum as in two-phase commit, of one-way sums instead of round trips, and
there is no force in it. A lock is held from the arrival of the batch until then: E max(…) - E[A].

An optimistic transaction, be it one that read first to find out its keys or one under snapshot isolation, fails if one
of its n keys is written between its beginning and its end. If others commit n of D keys each, at a rate lambda and
chosen independently, those that meet it are a Poisson process thinned by the chance q of an overlap:

    P  =  1 - exp(-lambda T q),      q  =  1 - C(D-n, n) / C(D, n)  ≈  n² / D.

Sources: Thomson et al., *Calvin* (2012), sections 3 and 4, for the mechanism; Peng and Dabek, *Large-scale Incremental
Processing Using Distributed Transactions and Notifications* (OSDI 2010), section 2, for Percolator; the formulas are
derived in the chapter.

Examples
--------
>>> from distlib.models.latency import Constant, Exponential
>>> timing = DeterministicTiming(5, Exponential(0.001), epoch_seconds=0.010, sequencing=Constant(0.002))
>>> f"{1000 * order_latency_mean(timing):.3f} ms"
'10.608 ms'
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from distlib.models.latency import Constant, Law, require_law
from distlib.models.order_statistics import OrderStatisticLaw, order_statistic_mean_of
from distlib.models.sums import sum_of

__all__ = [
    "DeterministicTiming",
    "answer_seconds_mean",
    "conflict_probability",
    "drain_seconds_mean",
    "execution_seconds_mean",
    "lock_hold_seconds_mean",
    "naive_conflict_probability",
    "naive_order_latency",
    "order_latency_mean",
    "overlap_probability",
]

_NO_LATENCY = Constant(0.0)


@dataclass(frozen=True)
class DeterministicTiming:
    """How long the parts of one transaction take.

    Parameters
    ----------
    partition_count
        Partitions that take part; at least 1.
    request, exchange
        Laws of a leg from the sequencer to a partition, and from one partition to another, in seconds. Without
        `exchange`, both have the law `request`.
    epoch_seconds
        How long the sequencer gathers; at least 0.
    sequencing
        Law of what it takes to make the order durable: a constant for a forced write, the wait for a majority where the
        log is replicated.

    Raises
    ------
    TypeError, ValueError
        If a count or a time is out of range, or a law is none.
    """

    partition_count: int
    request: Law
    exchange: Law | None = None
    epoch_seconds: float = 0.0
    sequencing: Law = _NO_LATENCY

    def __post_init__(self) -> None:
        _require_count("partition_count", self.partition_count, 1)
        require_law("request", self.request)
        if self.exchange is not None:
            require_law("exchange", self.exchange)
        require_law("sequencing", self.sequencing)
        if not (math.isfinite(self.epoch_seconds) and self.epoch_seconds >= 0):
            raise ValueError(f"`epoch_seconds` must be finite and at least 0, got {self.epoch_seconds!r}")

    @property
    def exchange_leg(self) -> Law:
        """The law of a leg between partitions."""
        return self.exchange or self.request


# ----------------------------------------------------------------------------------------------------------- latency


def execution_seconds_mean(timing: DeterministicTiming) -> float:
    """Return the mean time from the batch's departure until its home carries a transaction out: E max(A, A_j + R_j).

    Examples
    --------
    One partition waits for the batch and for nobody else:

    >>> from distlib.models.latency import Exponential
    >>> round(execution_seconds_mean(DeterministicTiming(1, Exponential(0.001))), 9)
    0.001
    """
    others = timing.partition_count - 1
    if others == 0:
        return float(timing.request.mean())
    laws = [timing.request, *[sum_of(timing.request, timing.exchange_leg)] * others]
    return order_statistic_mean_of(laws, len(laws))


def order_latency_mean(timing: DeterministicTiming) -> float:
    """Return the mean time from the request at the sequencer until its home carries it out, in seconds.

    Half an epoch, the sequencing, and :func:`execution_seconds_mean`. Requests come at random moments of an epoch.

    See Also
    --------
    naive_order_latency : What is commonly said instead.
    """
    return timing.epoch_seconds / 2 + float(timing.sequencing.mean()) + execution_seconds_mean(timing)


def naive_order_latency(timing: DeterministicTiming) -> float:
    """Return e/2 + E[S] + E[A] + E[R], in seconds: as if nobody waited for the slowest. Right for constant legs."""
    legs = float(timing.request.mean()) + (float(timing.exchange_leg.mean()) if timing.partition_count > 1 else 0.0)
    return timing.epoch_seconds / 2 + float(timing.sequencing.mean()) + legs


def answer_seconds_mean(timing: DeterministicTiming, client: Law | None = None) -> float:
    """Return the mean time from the client's request to the answer it gets, in seconds.

    Parameters
    ----------
    timing
        Of the transaction.
    client
        Law of a leg between the client and the sequencer, and between the home partition and the client; without it,
        the client is beside both.
    """
    legs = 0.0 if client is None else 2 * float(require_law("client", client).mean())
    return order_latency_mean(timing) + legs


# ------------------------------------------------------------------------------------------------------------- locks


def lock_hold_seconds_mean(timing: DeterministicTiming) -> float:
    """Return how long a partition keeps the locks of a transaction that waits for no other: E max(A, A_j + R_j) - E[A].

    Examples
    --------
    With two partitions and exponential legs of mean m it is 5/4 m:

    >>> from distlib.models.latency import Exponential
    >>> round(lock_hold_seconds_mean(DeterministicTiming(2, Exponential(4.0))), 6)
    5.0
    """
    return execution_seconds_mean(timing) - float(timing.request.mean())


def drain_seconds_mean(timing: DeterministicTiming, transaction_count: int) -> float:
    """Return the mean time from a batch's departure until a hot record has let all its transactions through.

    All change one record, and each changes a record of its own at one other partition, which is not held up: it sends
    the reads of all of them at once. So the queue is over when the slowest of those legs is: E max(A_h, A_c + max R_k).

    Parameters
    ----------
    timing
        Of each transaction; of 2 partitions.
    transaction_count
        How many are in the batch, at least 1.

    Raises
    ------
    ValueError
        If there are not 2 partitions, or no transaction.
    """
    _require_count("transaction_count", transaction_count, 1)
    if timing.partition_count != 2:
        raise ValueError(f"`timing` must be of 2 partitions, got {timing.partition_count}")
    slowest: Law = timing.exchange_leg
    if transaction_count > 1 and not isinstance(slowest, Constant):
        slowest = OrderStatisticLaw(slowest, transaction_count, transaction_count)
    return order_statistic_mean_of([timing.request, sum_of(timing.request, slowest)], 2)


# --------------------------------------------------------------------------------------------------------- conflicts


def overlap_probability(write_count: int, key_count: int) -> float:
    """Return the probability that two sets of n keys out of D have one in common: 1 - C(D-n, n) / C(D, n).

    Examples
    --------
    >>> round(overlap_probability(4, 10_000), 9)
    0.00159928
    """
    _require_count("write_count", write_count, 1)
    _require_count("key_count", key_count, write_count)
    if 2 * write_count > key_count:
        return 1.0
    # The logarithm of a product of ratios, each close to 1: nothing is subtracted.
    missed = sum(math.log1p(-write_count / (key_count - place)) for place in range(write_count))
    return -math.expm1(missed)


def conflict_probability(
    commit_rate_per_second: float, duration_seconds: float, write_count: int, key_count: int
) -> float:
    """Return the probability that a transaction finds one of its keys written since it began: 1 - exp(-lambda T q).

    Parameters
    ----------
    commit_rate_per_second
        lambda: how many others commit, a Poisson process; at least 0.
    duration_seconds
        T: from its beginning, or its first reads, to its end; at least 0.
    write_count, key_count
        n and D: each writes n keys out of D, every set alike.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> round(conflict_probability(500, 0.020, 4, 10_000), 11)
    0.01586559444
    """
    for name, value in (("commit_rate_per_second", commit_rate_per_second), ("duration_seconds", duration_seconds)):
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"`{name}` must be finite and at least 0, got {value!r}")
    return -math.expm1(-commit_rate_per_second * duration_seconds * overlap_probability(write_count, key_count))


def naive_conflict_probability(
    commit_rate_per_second: float, duration_seconds: float, write_count: int, key_count: int
) -> float:
    """Return 1 - exp(-lambda T n / D): as if the others wrote one key each. Too low by a factor of about n."""
    _require_count("write_count", write_count, 1)
    _require_count("key_count", key_count, write_count)
    return -math.expm1(-commit_rate_per_second * duration_seconds * write_count / key_count)


# --------------------------------------------------------------------------------------------------------- arguments


def _require_count(name: str, value: int, least: int) -> None:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
        raise ValueError(f"`{name}` must be a whole number of at least {least}, got {value!r}")
