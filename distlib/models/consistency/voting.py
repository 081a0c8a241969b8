r"""The voting register: what its operations cost, how long they take, and which sizes of quorums to choose.

Theory of operation
-------------------
An operation of :mod:`distlib.protocols.consistency.voting` has one or two phases. In each it sends a message to all N
replicas and goes on with the answers of a quorum. So a phase costs 2N messages and takes as long as the R-th or the
W-th fastest of N round trips. A write queries and then stores; a single writer, who knows its own counter, only stores.
A read queries, and if it writes back always, it stores too. Means of phases add up, for each draws its own legs.

*What the second phase does to availability.* An operation with both phases needs a read quorum *and* a write quorum: of
nodes alike, the larger of the two. So a write of several writers, and a read that always writes back, find no use in a
small R.

*The choice.* With N given, R and W decide on three things that pull in different directions: how long an operation
takes, how often it finds no quorum, and how often a read misses a write that is over. :func:`choices` has all of them
for all R and W, and :func:`unbeaten` leaves those that no other beats.

Sources: Gifford, *Weighted Voting for Replicated Data*, SOSP 1979, section 2; Attiya, Bar-Noy and Dolev, *Sharing
Memory Robustly in Message-Passing Systems*, JACM 42(1), 1995, section 3; Bailis et al., *Probabilistically Bounded
Staleness*, VLDB 2012, section 5, for latency against staleness.

Examples
--------
>>> from distlib.models.latency import Exponential
>>> leg = Exponential(0.001)
>>> f"{1000 * operation_seconds_mean('read', 5, 3, 3, Legs(leg, leg, leg, leg)):.3f} ms"
'1.772 ms'
>>> message_count("read", 5, write_back=True), message_count("write", 5, single_writer=True)
(20, 10)
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, cast

import numpy as np
from scipy.special import ndtr

from distlib.models.availability import correlated, k_of_n_unavailability, unavailability_of
from distlib.models.consistency.staleness import Legs, normal_scores, operation_seconds_quantile, stale_probability
from distlib.models.latency import Law
from distlib.models.order_statistics import order_statistic_mean, sum_of

__all__ = [
    "Choice",
    "Operation",
    "best_choice",
    "choices",
    "message_count",
    "operation_seconds_mean",
    "operation_unavailability",
    "unbeaten",
]

Operation = Literal["read", "write"]


def _phases(operation: str, write_back: bool, single_writer: bool) -> tuple[str, ...]:
    if operation not in ("read", "write"):
        raise ValueError(f'`operation` must be "read" or "write", got {operation!r}')
    if operation == "read":
        return ("query", "store") if write_back else ("query",)
    return ("store",) if single_writer else ("query", "store")


def message_count(
    operation: Operation, replica_count: int, *, write_back: bool = False, single_writer: bool = False
) -> int:
    """Return how many messages an operation takes, answers included: 2N for each phase.

    Parameters
    ----------
    operation
        "read" or "write".
    replica_count
        N, at least 1.
    write_back
        Whether reads store what they have found before they answer, always.
    single_writer
        Whether the writer knows its own counter, and needs no query.

    Examples
    --------
    >>> message_count("read", 3), message_count("write", 3)
    (6, 12)
    """
    _require_quorum("replica_count", replica_count, replica_count)
    return 2 * replica_count * len(_phases(operation, write_back, single_writer))


def operation_seconds_mean(
    operation: Operation,
    replica_count: int,
    read_quorum: int,
    write_quorum: int,
    legs: Legs,
    *,
    write_back: bool = False,
    single_writer: bool = False,
) -> float:
    """Return the mean time of an operation: for each phase the mean of an order statistic of round trips.

    Parameters
    ----------
    operation, replica_count, write_back, single_writer
        As for :func:`message_count`.
    read_quorum, write_quorum
        R and W, in [1, N].
    legs
        Queries travel by `request` and `response`, stores by `write` and `acknowledge`; in seconds.

    Examples
    --------
    >>> from distlib.models.latency import Constant, Exponential
    >>> legs = Legs(Exponential(0.001), Constant(0.0), Exponential(0.001))
    >>> round(1000 * operation_seconds_mean("write", 3, 2, 2, legs), 6)  # twice 1/3 + 1/2
    1.666667
    """
    _require_quorum("read_quorum", read_quorum, replica_count)
    _require_quorum("write_quorum", write_quorum, replica_count)
    means = {
        "query": lambda: order_statistic_mean(sum_of(legs.request, legs.response), read_quorum, replica_count),
        "store": lambda: order_statistic_mean(sum_of(legs.write, legs.acknowledge), write_quorum, replica_count),
    }
    return sum(means[phase]() for phase in _phases(operation, write_back, single_writer))


def operation_unavailability(
    operation: Operation,
    replica_count: int,
    read_quorum: int,
    write_quorum: int,
    down_probability: float,
    *,
    correlation: float = 0.0,
    write_back: bool = False,
    single_writer: bool = False,
) -> float:
    """Return the probability that an operation finds no quorum for one of its phases.

    Parameters
    ----------
    operation, replica_count, write_back, single_writer
        As for :func:`message_count`.
    read_quorum, write_quorum
        R and W, in [1, N].
    down_probability
        Of each replica, in [0, 1].
    correlation
        Of any two replicas, in [0, 1].

    Examples
    --------
    >>> f"{operation_unavailability('read', 5, 1, 5, 0.01):.0e}"
    '1e-10'
    >>> f"{operation_unavailability('read', 5, 1, 5, 0.01, write_back=True):.4f}"
    '0.0490'
    """
    _require_quorum("read_quorum", read_quorum, replica_count)
    _require_quorum("write_quorum", write_quorum, replica_count)
    sizes = {"query": read_quorum, "store": write_quorum}
    needed = max(sizes[phase] for phase in _phases(operation, write_back, single_writer))
    if correlation == 0:
        return float(k_of_n_unavailability(needed, replica_count, down_probability))
    return unavailability_of(correlated(replica_count, 1 - down_probability, correlation), needed)


@dataclass(frozen=True)
class Choice:
    """What comes of a choice of R and W.

    Parameters
    ----------
    read_quorum, write_quorum
        R and W.
    latency_seconds, unavailability
        Of an operation, a read or a write in the proportion of the workload.
    stale_probability
        That a read misses a write which was over some time before.
    is_strict
        Whether R + W > N.
    """

    read_quorum: int
    write_quorum: int
    latency_seconds: float
    unavailability: float
    stale_probability: float
    is_strict: bool

    @property
    def price(self) -> tuple[float, float, float]:
        """The three that should be small."""
        return self.latency_seconds, self.unavailability, self.stale_probability


def choices(
    replica_count: int,
    legs: Legs,
    *,
    read_fraction: float,
    down_probability: float,
    correlation: float = 0.0,
    seconds_since_write: float = 0.0,
) -> tuple[Choice, ...]:
    """Return what comes of each R and W for one writer and reads without write-back, as Dynamo and its heirs do them.

    Parameters
    ----------
    replica_count
        N, at least 1.
    legs
        See :func:`operation_seconds_mean`; means are computed to four digits, and must be finite.
    read_fraction
        Share of reads, in [0, 1].
    down_probability, correlation
        See :func:`operation_unavailability`.
    seconds_since_write
        How long after the end of a write the read begins whose staleness counts, at least 0.

    Examples
    --------
    >>> from distlib.models.latency import Exponential
    >>> leg = Exponential(0.005)
    >>> found = choices(3, Legs(leg, leg, leg, leg), read_fraction=0.9, down_probability=0.01)
    >>> [(one.read_quorum, one.write_quorum) for one in found if one.is_strict]
    [(1, 3), (2, 2), (2, 3), (3, 1), (3, 2), (3, 3)]
    """
    if not 0 <= read_fraction <= 1:
        raise ValueError(f"`read_fraction` must be in [0, 1], got {read_fraction!r}")
    found = []
    for read_quorum in range(1, replica_count + 1):
        for write_quorum in range(1, replica_count + 1):
            sizes = replica_count, read_quorum, write_quorum
            operations: tuple[Operation, Operation] = ("read", "write")
            seconds = (
                _phase_seconds_mean(legs.request, legs.response, read_quorum, replica_count),
                _phase_seconds_mean(legs.write, legs.acknowledge, write_quorum, replica_count),
            )
            lost = [
                operation_unavailability(name, *sizes, down_probability, correlation=correlation, single_writer=True)
                for name in operations
            ]
            found.append(
                Choice(
                    read_quorum,
                    write_quorum,
                    _mixed(read_fraction, *seconds),
                    _mixed(read_fraction, *lost),
                    _stale_probability(*sizes, seconds_since_write, legs),
                    read_quorum + write_quorum > replica_count,
                )
            )
    return tuple(found)


def _phase_seconds_mean(out: Law, back: Law, quorum: int, replica_count: int) -> float:
    """Return the mean time of a phase to four digits: the quantiles that staleness needs anyway, averaged."""
    return _cached_phase_seconds_mean(cast(Hashable, out), cast(Hashable, back), quorum, replica_count)


@lru_cache(maxsize=1024)
def _cached_phase_seconds_mean(out: Any, back: Any, quorum: int, replica_count: int) -> float:
    score, weight = normal_scores()
    return float(weight @ operation_seconds_quantile(out, back, quorum, replica_count, ndtr(score)))


@lru_cache(maxsize=4096)
def _stale_probability(
    replica_count: int, read_quorum: int, write_quorum: int, seconds_since_write: float, legs: Legs
) -> float:
    return float(stale_probability(replica_count, read_quorum, write_quorum, seconds_since_write, legs))


def _mixed(read_fraction: float, of_reads: float, of_writes: float) -> float:
    """Return the mean over reads and writes; what does not occur does not count, were it infinite."""
    parts = (read_fraction, of_reads), (1 - read_fraction, of_writes)
    return math.fsum(weight * value for weight, value in parts if weight)


def unbeaten(found: Iterable[Choice]) -> tuple[Choice, ...]:
    """Return the choices that no other beats: as small in latency, unavailability and staleness, smaller in one.

    Examples
    --------
    >>> slow, quick = Choice(2, 2, 0.002, 1e-4, 0.0, True), Choice(1, 1, 0.001, 1e-6, 0.3, False)
    >>> worse = Choice(2, 1, 0.002, 1e-4, 0.1, False)
    >>> unbeaten([slow, quick, worse]) == (slow, quick)
    True
    """
    candidates = tuple(found)

    def beats(one: Choice, other: Choice) -> bool:
        pairs = list(zip(one.price, other.price, strict=True))
        return all(a <= b * (1 + 1e-9) for a, b in pairs) and any(a < b * (1 - 1e-9) for a, b in pairs)

    return tuple(one for one in candidates if not any(beats(other, one) for other in candidates))


def best_choice(found: Iterable[Choice], *, unavailability_limit: float = 1.0, stale_limit: float = 1.0) -> Choice:
    """Return the quickest choice within both limits.

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> slow, quick = Choice(2, 2, 0.002, 1e-4, 0.0, True), Choice(1, 1, 0.001, 1e-6, 0.3, False)
    >>> best_choice([slow, quick], stale_limit=0.01).read_quorum
    2
    """
    allowed = [
        one for one in found if one.unavailability <= unavailability_limit and one.stale_probability <= stale_limit
    ]
    if not allowed:
        raise ValueError(f"no choice has an unavailability of {unavailability_limit} and a staleness of {stale_limit}")
    return min(allowed, key=lambda one: one.price)


def _require_quorum(name: str, value: int, replica_count: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"`{name}` must be a whole number, got {value!r}")
    if not 1 <= value <= replica_count:
        raise ValueError(f"`{name}` must be in [1, {max(replica_count, 1)}], got {value}")
