r"""What mathematics predicts for a replicated log: how long a commit takes, and how many a second there can be.

Theory of operation
-------------------
*Latency.* A leader of n servers, itself included, needs q = floor(n/2) + 1 of them. It has the entry itself, so it
waits for the (q-1)-th of n-1 followers, and follower i answers after X_i = A_i + f + B_i: two legs and a forced
write. So

.. math:: V = g + X_{(q-1 : n-1)} \qquad\text{or}\qquad V = \max(g,\; X_{(q-1 : n-1)}),

the second where the leader's own forced write, of g, and the followers' go on side by side.

*Throughput.* N clients ask one request after another, and one that is alone takes the cycle C. By Little's law N of
them complete at most N/C a second. And no station passes more than one in its service time S:

.. math:: X(N) \le \min\Bigl(\frac NC, \frac 1S\Bigr),

with S the round trip of a follower where a leader sends one entry at a time, the longest forced write where it sends
without waiting but writes each by itself, and no S that counts where it writes whatever has gathered at once. These are
the asymptotic bounds of operational analysis; where nothing is random, they are reached.

Sources: Ongaro, *Consensus: Bridging Theory and Practice*, 2014, section 10.2, for batches, pipelines and writes in
parallel; David and Nagaraja, *Order Statistics*, 2003, section 2.1; Denning and Buzen, "The operational analysis of
queueing network models", *Computing Surveys* 10(3), 1978, for the bounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from distlib.models.availability import k_of_n_availability
from distlib.models.latency import Constant, Law, require_law
from distlib.models.order_statistics import order_statistic_mean_of, order_statistic_sf_of
from distlib.models.sums import sum_of

__all__ = [
    "LogTiming",
    "Shipping",
    "commit_availability",
    "commit_latency_mean",
    "commit_latency_sf",
    "cycle_seconds_mean",
    "majority",
    "naive_commit_latency_mean",
    "throughput_bound",
]

Floats = NDArray[np.float64]


def majority(server_count: int) -> int:
    """Return how many of the servers are more than half of them.

    Parameters
    ----------
    server_count
        At least 1.

    Raises
    ------
    ValueError
        If it is not a whole number of at least 1.

    Examples
    --------
    >>> [majority(n) for n in (1, 2, 3, 4, 5)]
    [1, 2, 2, 3, 3]
    """
    if not isinstance(server_count, int) or isinstance(server_count, bool) or server_count < 1:
        raise ValueError(f"`server_count` must be a whole number of at least 1, got {server_count!r}")
    return server_count // 2 + 1


@dataclass(frozen=True)
class LogTiming:
    """How long things take in a cluster that replicates a log.

    Parameters
    ----------
    legs
        For each follower, the law of a leg between the leader and it, in seconds; none for a single server.
    follower_force_seconds, leader_force_seconds
        A forced write; finite and at least 0.
    parallel_write
        Whether the leader sends an entry while its own disk still writes it.

    Raises
    ------
    TypeError, ValueError
        If a leg is not a law of a duration or a write is out of range.
    """

    legs: tuple[Law, ...]
    follower_force_seconds: float = 0.0
    leader_force_seconds: float = 0.0
    parallel_write: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "legs", tuple(self.legs))
        for leg in self.legs:
            require_law("legs", leg)
        for name in ("follower_force_seconds", "leader_force_seconds"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"`{name}` must be finite and at least 0, got {value!r}")

    @classmethod
    def alike(cls, server_count: int, leg: Law, **options: Any) -> LogTiming:
        """Return the timing of `server_count` servers whose followers are all alike; `options` as for the class."""
        majority(server_count)
        return cls((leg,) * (server_count - 1), **options)

    @property
    def server_count(self) -> int:
        """The servers, the leader included."""
        return len(self.legs) + 1

    @property
    def awaited(self) -> int:
        """How many followers the leader waits for: it counts itself."""
        return majority(self.server_count) - 1

    @property
    def replies(self) -> tuple[Law, ...]:
        """For each follower the law of the time from sending to it to its answer."""
        write = self.follower_force_seconds
        trips = [sum_of(leg, leg) for leg in self.legs]
        return tuple(sum_of(trip, Constant(write)) if write else trip for trip in trips)


def commit_latency_mean(timing: LogTiming) -> float:
    """Return the mean time from a request's arrival at the leader to its commit, in seconds.

    Parameters
    ----------
    timing
        Of the cluster. One request by itself; nothing is lost.

    Returns
    -------
    float
        E[g + X] or E[max(g, X)], with X the (q-1)-th of n-1 answers; infinite where it diverges.

    Notes
    -----
    max(g, .) keeps the order of the answers, so max(g, X) is the (q-1)-th of the n-1 times max(g, X_i).

    Examples
    --------
    The mean of the second of four lognormal answers, which the curriculum gives for a leader that votes for itself:

    >>> from distlib.models.latency import LogNormal
    >>> from distlib.models.order_statistics import order_statistic_mean
    >>> round(order_statistic_mean(LogNormal(0.010, 0.8), 2, 4), 9)
    0.008839288

    Three servers, legs of a millisecond, writes of two:

    >>> from distlib.models.latency import Exponential
    >>> alike = LogTiming.alike(3, Exponential(0.001), follower_force_seconds=0.002, leader_force_seconds=0.002)
    >>> f"{1000 * commit_latency_mean(alike):.3f} ms"
    '5.250 ms'
    """
    write = timing.leader_force_seconds
    if timing.awaited == 0:
        return write
    if not timing.parallel_write:
        return write + _wait_mean(timing.replies, timing.awaited)
    return _wait_mean(tuple(_AtLeast(reply, write) for reply in timing.replies), timing.awaited)


@dataclass(frozen=True)
class _AtLeast:
    """The law of max(X, least): what is awaited beside something that takes `least_seconds` in any case."""

    law: Law
    least_seconds: float

    def sf(self, x: ArrayLike) -> Floats:
        times = np.asarray(x, float)
        return np.where(times < self.least_seconds, 1.0, self.law.sf(times))

    def cdf(self, x: ArrayLike) -> Floats:
        times = np.asarray(x, float)
        return np.where(times < self.least_seconds, 0.0, self.law.cdf(times))

    def ppf(self, q: ArrayLike) -> Floats:
        return np.asarray(np.maximum(self.law.ppf(q), self.least_seconds))

    def mean(self) -> float:
        return order_statistic_mean_of((self,), 1)

    def std(self) -> float:
        raise NotImplementedError("nothing here asks for it")

    def rvs(self, *, size: int = 1, random_state: np.random.Generator | None = None) -> Floats:
        return np.asarray(np.maximum(self.law.rvs(size=size, random_state=random_state), self.least_seconds))


@lru_cache(maxsize=1024)
def _wait_mean(replies: tuple[Law, ...], rank: int) -> float:
    return order_statistic_mean_of(replies, rank)


def commit_latency_sf(timing: LogTiming, time_seconds: ArrayLike) -> Floats:
    """Return the probability that a commit takes longer than a time.

    Parameters
    ----------
    timing
        Of the cluster, with at least one follower.
    time_seconds
        Any shape.

    Raises
    ------
    ValueError
        If there is no follower to wait for.

    Examples
    --------
    >>> from distlib.models.latency import Exponential
    >>> three = LogTiming.alike(3, Exponential(0.001), leader_force_seconds=0.002)
    >>> [round(float(p), 4) for p in commit_latency_sf(three, [0.001, 0.004])]
    [1.0, 0.1648]
    """
    if timing.awaited == 0:
        raise ValueError("`timing` must have at least one follower to wait for, got none")
    times = np.asarray(time_seconds, float)
    write = timing.leader_force_seconds
    if timing.parallel_write:
        late = order_statistic_sf_of(timing.replies, timing.awaited, times)
        return np.where(times < write, 1.0, late)
    return np.where(
        times < write, 1.0, order_statistic_sf_of(timing.replies, timing.awaited, np.maximum(times - write, 0))
    )


def naive_commit_latency_mean(timing: LogTiming) -> float:
    """Return what comes out if the leader is taken for one of n that it asks: the q-th of n answers.

    The common mistake: the leader needs no message to itself. It is given for followers that are all alike.

    Raises
    ------
    ValueError
        If the followers differ, or there are none.

    Examples
    --------
    >>> from distlib.models.latency import Exponential
    >>> five = LogTiming.alike(5, Exponential(0.001))
    >>> [round(1000 * mean(five), 3) for mean in (commit_latency_mean, naive_commit_latency_mean)]
    [1.438, 1.772]
    """
    if len(set(timing.legs)) != 1:
        raise ValueError(f"`timing` must have followers that are all alike, got legs {timing.legs!r}")
    replies = timing.replies[:1] * timing.server_count
    return timing.leader_force_seconds + order_statistic_mean_of(replies, majority(timing.server_count))


def commit_availability(server_count: int, up_probability: ArrayLike) -> Any:
    """Return the probability that a majority is up, so that a commit is possible.

    Servers are up independently; the time that an election takes is left out.

    Examples
    --------
    The fourth server makes it worse:

    >>> [round(commit_availability(n, 0.9), 4) for n in (1, 2, 3, 4, 5)]
    [0.9, 0.81, 0.972, 0.9477, 0.9914]
    """
    return k_of_n_availability(majority(server_count), server_count, up_probability)


# --------------------------------------------------------------------------------------------------------- throughput


class Shipping(Enum):
    """How a leader brings entries to its followers."""

    ONE_AT_A_TIME = "one at a time"
    """The next entry leaves when the last one is confirmed."""
    PIPELINED = "pipelined"
    """An entry leaves as soon as it is written; each is written by itself."""
    BATCHED = "batched"
    """What came in while the disk was busy is written at once, and sent as one message."""


def cycle_seconds_mean(timing: LogTiming, client_leg: Law) -> float:
    """Return the mean time from a client's request to its answer, when it is alone: two legs and a commit.

    Examples
    --------
    >>> timing = LogTiming.alike(3, Constant(0.001), follower_force_seconds=0.001, leader_force_seconds=0.001)
    >>> round(cycle_seconds_mean(timing, Constant(0.0005)), 6)
    0.005
    """
    require_law("client_leg", client_leg)
    return 2 * float(client_leg.mean()) + commit_latency_mean(timing)


def throughput_bound(timing: LogTiming, client_leg: Law, client_count: int, shipping: Shipping) -> float:
    """Return the most requests a second that clients complete who each ask one after another.

    Parameters
    ----------
    timing
        Of the cluster, with at least one follower; legs in the mean.
    client_leg
        Law of a leg between client and leader.
    client_count
        At least 1.
    shipping
        What the leader waits for.

    Returns
    -------
    float
        min(N/C, 1/S) in requests a second. It is reached where all times are constant.

    Raises
    ------
    ValueError
        If `client_count` is below 1, or no time passes at all.

    Examples
    --------
    >>> timing = LogTiming.alike(3, Constant(0.001), follower_force_seconds=0.001, leader_force_seconds=0.001)
    >>> [round(throughput_bound(timing, Constant(0.0005), 32, shipping)) for shipping in Shipping]
    [333, 1000, 6400]
    """
    if not isinstance(client_count, int) or isinstance(client_count, bool) or client_count < 1:
        raise ValueError(f"`client_count` must be a whole number of at least 1, got {client_count!r}")
    cycle = cycle_seconds_mean(timing, client_leg)
    if not cycle > 0:
        raise ValueError(f"a request must take some time, got a cycle of {cycle} s")
    write = max(timing.leader_force_seconds, timing.follower_force_seconds)
    match shipping:
        case Shipping.ONE_AT_A_TIME:
            trips = sorted(float(law.mean()) for law in timing.replies)
            service = max(trips[timing.awaited - 1], write) if timing.awaited else write
        case Shipping.PIPELINED:
            service = write
        case Shipping.BATCHED:
            service = 0.0
    return client_count / cycle if service == 0 else min(client_count / cycle, 1 / service)
