r"""What a replicated register costs: latency of a majority, refusals in a partition, staleness without either.

Theory of operation
-------------------
*Majority.* An operation is a number of rounds. In a round the replica that was asked votes for itself and waits for the
answers of enough others to make a majority q of n: the (q - 1)-th fastest of n - 1 round trips, an order statistic
(:mod:`distlib.models.order_statistics`). Means of rounds add up.

*Partition.* The network is split for a share of the time. An operation is refused if it began on the minority side of
a split that outlasts the client's patience; splits heal after exponential times, so what is left of one is
exponential, too.

*Local answers.* An update is under way for a random time D. A read t after a write misses it with probability P(D > t).
With writes that are a Poisson process of rate r, the latest write is exponentially old, so a read misses it with
probability ∫ r exp(-r t) P(D > t) dt = 1 - E[exp(-r D)].

Sources: Abadi, *Consistency Tradeoffs in Modern Distributed Database System Design* (2012), for the question; Bailis
et al., *Probabilistically Bounded Staleness* (2012), sections 3 and 4, for staleness as a probability. The formulas
are derived in the chapter.

Examples
--------
Three replicas, legs of 10 ms in the mean. A write takes two rounds, each the faster of two round trips:

>>> from distlib.models.latency import Exponential
>>> f"{1000 * operation_seconds_mean(3, Exponential(0.010)):.2f} ms"
'25.00 ms'
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from distlib.models.latency import Law, require_law
from distlib.models.order_statistics import OrderStatisticLaw, interruption_probability
from distlib.models.sums import sum_of

__all__ = [
    "answered_without_retry_probability",
    "majority",
    "naive_operation_seconds",
    "operation_messages",
    "operation_seconds_mean",
    "refused_probability",
    "round_law",
    "stale_after_probability",
    "stale_read_probability",
]

Floats = NDArray[np.float64]


def majority(replica_count: int) -> int:
    """Return how many of `replica_count` replicas are more than half.

    Examples
    --------
    >>> [majority(n) for n in (1, 2, 3, 4, 5)]
    [1, 2, 2, 3, 3]
    """
    _require_whole("replica_count", replica_count, 1)
    return replica_count // 2 + 1


def round_law(replica_count: int, leg: Law) -> OrderStatisticLaw:
    """Return the law of one round, in seconds: the (q - 1)-th fastest of n - 1 round trips.

    Parameters
    ----------
    replica_count
        n, the replica that was asked included; at least 2.
    leg
        Law of one leg between two replicas, in seconds.

    Raises
    ------
    TypeError, ValueError
        If `replica_count` is out of range, or `leg` is no law.

    Examples
    --------
    With constant legs a majority takes as long as any one of them:

    >>> from distlib.models.latency import Constant
    >>> round(round_law(5, Constant(0.010)).mean(), 9)
    0.02
    """
    _require_whole("replica_count", replica_count, 2)
    require_law("leg", leg)
    return OrderStatisticLaw(sum_of(leg, leg), majority(replica_count) - 1, replica_count - 1)


def operation_seconds_mean(replica_count: int, leg: Law, *, round_count: int = 2) -> float:
    """Return the mean time from a request to its answer, in seconds; the client is next to its replica.

    Parameters
    ----------
    replica_count, leg
        As for :func:`round_law`.
    round_count
        2 for a write, and for a read with write-back; 1 for a read without; 0 for a local answer.

    Examples
    --------
    >>> from distlib.models.latency import Exponential
    >>> operation_seconds_mean(5, Exponential(0.010), round_count=0)
    0.0
    """
    _require_whole("round_count", round_count, 0)
    return round_count * float(round_law(replica_count, leg).mean())


def naive_operation_seconds(leg: Law, *, round_count: int = 2) -> float:
    """Return `round_count` mean round trips, in seconds: right for constant legs, whatever the number of replicas."""
    _require_whole("round_count", round_count, 0)
    return round_count * 2 * float(require_law("leg", leg).mean())


def operation_messages(replica_count: int, *, round_count: int = 2) -> int:
    """Return the messages between replicas for one operation, if none is lost: 2 (n - 1) a round.

    Examples
    --------
    >>> operation_messages(3), operation_messages(3, round_count=1)
    (8, 4)
    """
    _require_whole("replica_count", replica_count, 1)
    _require_whole("round_count", round_count, 0)
    return 2 * (replica_count - 1) * round_count


def refused_probability(
    split_share: float, minority_share: float, *, patience_seconds: float = 0.0, heal_seconds_mean: float = 1.0
) -> float:
    """Return the share of operations that get no answer in time: pi * phi * exp(-T / H).

    Parameters
    ----------
    split_share
        pi, the share of the time in which the network is split; in [0, 1].
    minority_share
        phi, the share of the operations that are asked for on the minority side; in [0, 1].
    patience_seconds
        T, how long a client waits; at least 0. With 0, the formula is the one that is usually quoted.
    heal_seconds_mean
        H, how long a split lasts in the mean, exponentially distributed; above 0.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> round(refused_probability(0.01, 1 / 3), 6)
    0.003333
    >>> refused_probability(0.01, 1 / 3, patience_seconds=1e6)
    0.0
    """
    for name, share in (("split_share", split_share), ("minority_share", minority_share)):
        if not 0 <= share <= 1:
            raise ValueError(f"`{name}` must be in [0, 1], got {share!r}")
    if not 0 <= patience_seconds < math.inf:
        raise ValueError(f"`patience_seconds` must be finite and at least 0, got {patience_seconds!r}")
    if not 0 < heal_seconds_mean < math.inf:
        raise ValueError(f"`heal_seconds_mean` must be finite and above 0, got {heal_seconds_mean!r}")
    return split_share * minority_share * math.exp(-patience_seconds / heal_seconds_mean)


def stale_after_probability(delay: Law, seconds_since_write: ArrayLike) -> Floats:
    """Return the probability that a read at another replica misses a write so long after it: P(D > t).

    Examples
    --------
    >>> from distlib.models.latency import Exponential
    >>> stale_after_probability(Exponential(0.010), [0.0, 0.010]).round(4).tolist()
    [1.0, 0.3679]
    """
    return np.asarray(require_law("delay", delay).sf(np.asarray(seconds_since_write, float)))


def stale_read_probability(delay: Law, writes_per_second: float) -> float:
    """Return the probability that a read at a random moment misses the latest of Poisson writes: 1 - E exp(-r D).

    Parameters
    ----------
    delay
        Law of the time until an update has arrived, in seconds; one draw for each write.
    writes_per_second
        r, at least 0.

    Examples
    --------
    For exponential delays it is r m / (1 + r m):

    >>> from distlib.models.latency import Exponential
    >>> round(stale_read_probability(Exponential(0.010), 25.0), 9)
    0.2
    """
    return interruption_probability(delay, 1, writes_per_second)


def answered_without_retry_probability(replica_count: int, loss_probability: float, *, round_count: int = 2) -> float:
    """Return the probability that an operation is answered if nobody sends a lost message again.

    In each round enough of n - 1 independent round trips must survive, each with probability (1 - loss)^2.

    Examples
    --------
    >>> answered_without_retry_probability(3, 0.0), round(answered_without_retry_probability(3, 0.1), 6)
    (1.0, 0.929103)
    """
    _require_whole("replica_count", replica_count, 2)
    _require_whole("round_count", round_count, 0)
    if not 0 <= loss_probability <= 1:
        raise ValueError(f"`loss_probability` must be in [0, 1], got {loss_probability!r}")
    others, needed, survives = replica_count - 1, majority(replica_count) - 1, (1 - loss_probability) ** 2
    one_round = sum(
        math.comb(others, k) * survives**k * (1 - survives) ** (others - k) for k in range(needed, others + 1)
    )
    return one_round**round_count


def _require_whole(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"`{name}` must be a whole number, got {value!r}")
    if value < least:
        raise ValueError(f"`{name}` must be at least {least}, got {value}")
