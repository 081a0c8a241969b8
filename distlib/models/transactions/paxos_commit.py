r"""What Paxos Commit costs, beside two-phase and three-phase commit: latency, messages, forced writes, availability.

Theory of operation
-------------------
*Latency.* The leader's request reaches resource manager i after A_i. It forces its promise (f) and proposes it to F + 1
acceptors; that to acceptor j takes B_ij. An acceptor waits for all N, forces them at once (g), and tells the leader,
which takes C_j. The leader waits for F + 1 acceptors:

    V  =  f + g + max over j of ( max over i of (A_i + B_ij) + C_j )

The F + 1 paths share the A_i, so they are not independent. But for given C_1 … C_(F+1) the resource managers are:

    P(V <= f + g + s)  =  E_C [ ( E_A prod over j of P(B <= s - C_j - A) )^N ]

Both expectations are taken over the standard normal scores of A and C, by Gauss–Legendre on panels, as in
:mod:`distlib.models.sums`. No sampling is used.

*Costs.* :func:`commit_bill` counts as Gray and Lamport do, and for three-phase commit in the same way.

Source: Gray and Lamport, *Consensus on Transaction Commit* (2006), sections 3 to 6 for the counts. The formula for the
latency is derived in the chapter.

Examples
--------
>>> from distlib.models.latency import Exponential
>>> from distlib.models.transactions.two_phase_commit import CommitTiming
>>> timing = CommitTiming(5, Exponential(0.001), participant_force_seconds=0.001, coordinator_force_seconds=0.002)
>>> f"{1000 * commit_latency_mean(timing, fault_count=1):.2f} ms"
'8.63 ms'
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from distlib.models.availability import k_of_n_unavailability
from distlib.models.sums import quantile_at_score
from distlib.models.transactions.two_phase_commit import CommitTiming

__all__ = [
    "PROTOCOLS",
    "Bill",
    "acceptor_unavailability",
    "commit_bill",
    "commit_latency_mean",
    "commit_latency_quantile",
    "commit_latency_sf",
    "naive_commit_latency",
]

Floats = NDArray[np.float64]

MOST_FAULTS = 2
"""Each fault more is one more dimension of the quadrature."""
_PANELS = {0: 12, 1: 8, 2: 5}
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_SCORE = 7.5


# ----------------------------------------------------------------------------------------------------------- latency


def commit_latency_sf(timing: CommitTiming, seconds: ArrayLike, fault_count: int = 1) -> Floats:
    """Return P(V > seconds), elementwise: that the leader learns the outcome later than that.

    Parameters
    ----------
    timing
        Its request is the law of the legs A, and its vote that of the legs B and C. `coordinator_force_seconds` is the
        acceptors' forced write.
    seconds
        Time since the requests.
    fault_count
        F, from 0 to 2: how many acceptors may fail; F + 1 are waited for.

    Returns
    -------
    Floats
        To about four digits.

    Raises
    ------
    ValueError
        If `fault_count` is out of its domain.

    Examples
    --------
    Nothing is faster than both forces:

    >>> from distlib.models.latency import Exponential
    >>> float(commit_latency_sf(CommitTiming(5, Exponential(0.001), None, 0.001, 0.002), 0.003))
    1.0
    """
    _require_faults(fault_count)
    waited = np.asarray(seconds, float) - timing.force_seconds
    found = [1 - _chosen_by(timing, float(s), fault_count) for s in waited.ravel()]
    return np.array(found, float).reshape(waited.shape)


def _chosen_by(timing: CommitTiming, s: float, fault_count: int) -> float:
    """Return P(V <= f + g + s)."""
    if s < 0:
        return 0.0
    answer: Any = timing.vote or timing.request
    asked: Any = timing.request
    request, weight = _at_scores(asked, fault_count)
    back, weight_back = _at_scores(answer, fault_count)
    # One row for each C, one column for each A: has the proposal arrived in time, so that the answer can?
    left = s - back[:, None] - request[None, :]
    arrived = np.where(left >= 0, answer.cdf(np.maximum(left, 0.0)), 0.0)
    together = arrived * weight
    for _ in range(fault_count):
        together = together[..., None, :] * arrived
    all_managers = together.sum(axis=-1) ** timing.participant_count
    for _ in range(fault_count + 1):
        all_managers = all_managers @ weight_back
    return float(np.clip(all_managers, 0.0, 1.0))


@cache
def _at_scores(law: Any, fault_count: int) -> tuple[Floats, Floats]:
    """Return quantiles of a law and their weights, on panels of the standard normal score."""
    edges = np.linspace(-_SCORE, _SCORE, _PANELS[fault_count] + 1)
    middle, half = (edges[1:] + edges[:-1]) / 2, (edges[1:] - edges[:-1]) / 2
    scores = (middle[:, None] + half[:, None] * _NODES).ravel()
    weights = (half[:, None] * _WEIGHTS).ravel() * np.exp(-(scores**2) / 2) / np.sqrt(2 * np.pi)
    return np.asarray(quantile_at_score(law, scores), float), weights / weights.sum()


def commit_latency_mean(timing: CommitTiming, fault_count: int = 1) -> float:
    """Return the mean time from the requests until the leader knows the outcome, in seconds.

    Parameters
    ----------
    timing, fault_count
        See :func:`commit_latency_sf`.

    Examples
    --------
    With one manager and one acceptor, three legs come one after the other:

    >>> from distlib.models.latency import Exponential
    >>> f"{commit_latency_mean(CommitTiming(1, Exponential(0.001)), fault_count=0):.6f}"
    '0.003000'
    """
    _require_faults(fault_count)
    legs = naive_commit_latency(timing) - timing.force_seconds
    return timing.force_seconds + _area(lambda s: 1 - _chosen_by(timing, s, fault_count), legs)


def _area(survival: Callable[[float], float], scale: float) -> float:
    """Return the integral of a survival function: on fine panels up to where it falls, then on ever wider ones."""
    if scale == 0:
        return 0.0
    total, start, width = 0.0, 0.0, scale / 6
    while True:
        at = start + width * (_NODES + 1) / 2
        part = float(sum(w * survival(float(s)) for s, w in zip(at, _WEIGHTS, strict=True))) * width / 2
        total, start = total + part, start + width
        if start > 3 * scale:
            width *= 1.5
            if part < 1e-5 * total:
                return total


def commit_latency_quantile(timing: CommitTiming, probability: float, fault_count: int = 1) -> float:
    """Return the time, in seconds, within which that share of transactions is decided; `probability` in (0, 1)."""
    if not 0 < probability < 1:
        raise ValueError(f"`probability` must be in (0, 1), got {probability!r}")
    _require_faults(fault_count)
    low, high = 0.0, naive_commit_latency(timing)
    while _chosen_by(timing, high, fault_count) < probability:
        low, high = high, 2 * high
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _chosen_by(timing, middle, fault_count) < probability else (low, middle)
    return timing.force_seconds + high


def naive_commit_latency(timing: CommitTiming) -> float:
    """Return three mean legs and both forces, in seconds: as if nobody waited for the slowest."""
    answer = timing.vote or timing.request
    return timing.force_seconds + float(timing.request.mean()) + 2 * float(answer.mean())


# ------------------------------------------------------------------------------------------------------------- costs

PROTOCOLS = ("two-phase commit", "three-phase commit", "Paxos Commit", "faster Paxos Commit")


@dataclass(frozen=True)
class Bill:
    """What one commit costs until every resource manager has heard the outcome.

    Parameters
    ----------
    message_delays
        Legs between machines on the longest path.
    messages
        Messages between machines.
    forced_writes
        Writes that are forced before any resource manager hears the outcome.
    """

    message_delays: int
    messages: int
    forced_writes: int


def commit_bill(protocol: str, resource_manager_count: int, fault_count: int = 1, *, co_located: bool = True) -> Bill:
    """Return what one commit costs without faults, counted as in Gray and Lamport (2006).

    The first resource manager begins the transaction. Nobody acknowledges the decision.

    Parameters
    ----------
    protocol
        One of :data:`PROTOCOLS`.
    resource_manager_count
        N, the one that begins included; at least 2, and co-located at least F + 1.
    fault_count
        F, at least 0. It does not matter to two-phase and three-phase commit.
    co_located
        Whether the leader (or coordinator) is on the machine of the first resource manager, and F + 1 acceptors are on
        those of the first F + 1. What stays on a machine is then no message.

    Raises
    ------
    ValueError
        If an argument is out of its domain.

    Examples
    --------
    >>> [commit_bill(protocol, 5).messages for protocol in PROTOCOLS]
    [12, 20, 17, 20]
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"`protocol` must be one of {', '.join(map(repr, PROTOCOLS))}, got {protocol!r}")
    faults = _require_whole("fault_count", fault_count, 0)
    least = max(2, faults + 1) if co_located and "Paxos" in protocol else 2
    n = _require_whole("resource_manager_count", resource_manager_count, least)
    match protocol:
        case "two-phase commit":
            apart, together = Bill(4, 3 * n - 1, n + 1), Bill(3, 3 * (n - 1), n + 1)
        case "three-phase commit":
            apart, together = Bill(6, 5 * n - 1, n + 1), Bill(5, 5 * (n - 1), n + 1)
        case "Paxos Commit":
            apart = Bill(5, (n + 1) * (faults + 3) - 2, n + faults + 1)
            # The longest path goes from one machine by a second to a third, and back, if there are that many.
            together = Bill(4 if faults > 0 and n > 2 else 3, n * (faults + 3) - 3, n + faults + 1)
        case _:
            apart = Bill(4, n * (2 * faults + 3), n + faults + 1)
            together = Bill(3, (n - 1) * (2 * faults + 3), n + faults + 1)
    return together if co_located else apart


# ------------------------------------------------------------------------------------------------------ availability


def acceptor_unavailability(fault_count: int, down_probability: ArrayLike) -> Floats:
    """Return the probability that too few acceptors are up to learn the outcome: fewer than F + 1 of 2F + 1.

    Parameters
    ----------
    fault_count
        F, at least 0. F = 0 is a single acceptor: the coordinator of two-phase commit.
    down_probability
        That an acceptor is down, independent of the others; in [0, 1], elementwise.

    Examples
    --------
    >>> [f"{float(acceptor_unavailability(faults, 0.01)):.2e}" for faults in (0, 1, 2)]
    ['1.00e-02', '2.98e-04', '9.85e-06']
    """
    faults = _require_whole("fault_count", fault_count, 0)
    return np.asarray(k_of_n_unavailability(faults + 1, 2 * faults + 1, down_probability), float)


# --------------------------------------------------------------------------------------------------------- arguments


def _require_whole(name: str, value: int, least: int) -> int:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
        raise ValueError(f"`{name}` must be a whole number of at least {least}, got {value!r}")
    return int(value)


def _require_faults(fault_count: int) -> None:
    if _require_whole("fault_count", fault_count, 0) > MOST_FAULTS:
        raise ValueError(f"`fault_count` must be in [0, {MOST_FAULTS}], got {fault_count!r}")
