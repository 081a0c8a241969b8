r"""How long a commit takes, six ways side by side: one place, two phases, three phases, Paxos, saga, order.

Theory of operation
-------------------
Each way has a module of its own, with its assumptions; here they get the same network, the same disks and the same
clock. All nodes are as far from each other as the `leg` says, all disks take the same `force_seconds`, nothing is
lost, nobody waits for a lock. The clock runs from the moment at which the one who coordinates has the request until
the outcome is durable and one node that the client can ask knows it:

    one place               A + f + B
    two-phase commit        f + max (A_i + B_i) + f
    three-phase commit      f + max (A_i + B_i) + max (A'_i + B'_i) + f
    Paxos Commit            f + max over F + 1 acceptors of (max (A_i + B_ij) + f + C_j)
    saga                    f + sum of (A_i + f + B_i + f)
    deterministic order     epoch / 2 + S + max (A_h, A_j + R_j)

The order is decided by a log on 2 F + 1 replicas: its leader forces each batch, and has it durable when F of the 2 F
others have it, which takes S = f + the F-th shortest of 2 F round trips. A maximum grows with the logarithm of the
number of participants or slower, a sum in proportion to it, and that decides which way wins where.

All means come from quadrature of order statistics, none from sampling.

Sources: those of the six modules.

Examples
--------
>>> for way in WAYS:
...     local, far = (1000 * commit_latency_mean(way, setting) for setting in (ONE_BUILDING, FIVE_REGIONS))
...     print(f"{way:20} {local:6.1f} ms {far:6.0f} ms")
one place               1.5 ms     83 ms
two-phase commit        2.7 ms     98 ms
three-phase commit      3.5 ms    194 ms
Paxos Commit            3.1 ms    145 ms
saga                   13.7 ms    419 ms
deterministic order     7.2 ms    175 ms
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from distlib.models.latency import Law, LogNormal, Shifted, require_law
from distlib.models.order_statistics import OrderStatisticLaw
from distlib.models.sums import sum_of
from distlib.models.transactions import (
    deterministic_ordering,
    paxos_commit,
    saga,
    three_phase_commit,
    two_phase_commit,
)
from distlib.models.transactions.deterministic_ordering import DeterministicTiming
from distlib.models.transactions.saga import SagaTiming
from distlib.models.transactions.two_phase_commit import CommitTiming

__all__ = [
    "FIVE_REGIONS",
    "ONE_BUILDING",
    "WAYS",
    "Setting",
    "commit_latency_mean",
    "lock_hold_seconds_mean",
]

WAYS = (
    "one place",
    "two-phase commit",
    "three-phase commit",
    "Paxos Commit",
    "saga",
    "deterministic order",
)
"""The six ways, in the order in which the book comes to them."""


@dataclass(frozen=True)
class Setting:
    """Where a transaction runs.

    Parameters
    ----------
    name
        In words.
    leg
        Law of one leg between any two nodes, in seconds.
    force_seconds
        What it takes to force anything to any disk; at least 0.
    participant_count
        n, how many places must change together; at least 1. In one place there is one.
    fault_count
        F, how many acceptors, or replicas of the log, may fail; 1 or 2.
    epoch_seconds
        How long a sequencer gathers; at least 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its domain.
    """

    name: str
    leg: Law
    force_seconds: float
    participant_count: int = 5
    fault_count: int = 1
    epoch_seconds: float = 0.010

    def __post_init__(self) -> None:
        require_law("leg", self.leg)
        if self.fault_count not in (1, 2):
            raise ValueError(f"`fault_count` must be 1 or 2, got {self.fault_count!r}")
        for name in ("force_seconds", "epoch_seconds"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"`{name}` must be finite and at least 0, got {value!r}")
        self.phases()  # which asks for a count of at least 1

    def phases(self) -> CommitTiming:
        """Return the timing for two and three phases and for Paxos Commit."""
        return CommitTiming(self.participant_count, self.leg, None, self.force_seconds, self.force_seconds)

    def one_place(self) -> CommitTiming:
        """Return the timing of a single participant, whose forced write is the decision."""
        return CommitTiming(1, self.leg, None, self.force_seconds, 0.0)

    def steps(self) -> SagaTiming:
        """Return the timing of a saga with a step at each participant."""
        return SagaTiming(self.participant_count, self.leg, None, self.force_seconds, self.force_seconds)

    def order(self) -> DeterministicTiming:
        """Return the timing of an order that is decided by a replicated log."""
        return DeterministicTiming(self.participant_count, self.leg, None, self.epoch_seconds, self.sequencing())

    def sequencing(self) -> Law:
        """Return the law of S, in seconds: the F-th of 2 F round trips, and a force on both ends at the same time."""
        others = OrderStatisticLaw(sum_of(self.leg, self.leg), self.fault_count, 2 * self.fault_count)
        return Shifted(others, self.force_seconds)

    def among(self, participant_count: int) -> Setting:
        """Return the same setting with another number of participants."""
        return replace(self, participant_count=participant_count)


ONE_BUILDING = Setting("one building", LogNormal(0.00025, 0.4), force_seconds=0.001)
"""A round trip of half a millisecond, and a solid-state disk."""
FIVE_REGIONS = Setting("five regions", LogNormal(0.040, 0.2), force_seconds=0.001)
"""A round trip of 80 ms: an ocean."""


def commit_latency_mean(way: str, setting: Setting) -> float:
    """Return the mean time to the commit point, in seconds.

    Parameters
    ----------
    way
        One of :data:`WAYS`.
    setting
        Where.

    Returns
    -------
    float
        Infinite where the leg has no mean and the way waits for all.

    Raises
    ------
    ValueError
        If there is no such way.

    Examples
    --------
    Without a network only the disks are left, and the epoch:

    >>> from distlib.models.latency import Constant
    >>> here = Setting("here", Constant(0.0), force_seconds=0.001)
    >>> [round(1000 * commit_latency_mean(way, here), 6) for way in WAYS]
    [1.0, 2.0, 2.0, 2.0, 11.0, 6.0]
    """
    match way:
        case "one place":
            return two_phase_commit.commit_latency_mean(setting.one_place())
        case "two-phase commit":
            return two_phase_commit.commit_latency_mean(setting.phases())
        case "three-phase commit":
            return three_phase_commit.commit_latency_mean(setting.phases())
        case "Paxos Commit":
            return paxos_commit.commit_latency_mean(setting.phases(), setting.fault_count)
        case "saga":
            return saga.saga_latency_mean(setting.steps())
        case "deterministic order":
            return deterministic_ordering.order_latency_mean(setting.order())
        case _:
            raise _unknown(way)


def lock_hold_seconds_mean(way: str, setting: Setting) -> float:
    """Return how long a record stays locked for others by a transaction that waits for none, in seconds.

    It bounds what a record can take that every transaction changes. In one place, and in a step of a saga, that is one
    forced write; in the phases from the request until the outcome is on disk; by order, from the batch until the reads
    of the others are there. Paxos Commit's is that of a manager whose outcome comes from the leader.

    Examples
    --------
    >>> for way in WAYS:
    ...     print(f"{way:20} {1000 * lock_hold_seconds_mean(way, FIVE_REGIONS):6.0f} ms")
    one place                 1 ms
    two-phase commit         99 ms
    three-phase commit      195 ms
    Paxos Commit            146 ms
    saga                      1 ms
    deterministic order      53 ms
    """
    match way:
        case "one place" | "saga":
            return setting.force_seconds
        case "two-phase commit":
            return two_phase_commit.lock_hold_seconds_mean(setting.phases())
        case "three-phase commit":
            return three_phase_commit.lock_hold_seconds_mean(setting.phases())
        case "Paxos Commit":
            # The request's leg is over when it begins, and the leg of the outcome, of the same law, comes on top.
            return commit_latency_mean(way, setting) + setting.force_seconds
        case "deterministic order":
            return deterministic_ordering.lock_hold_seconds_mean(setting.order())
        case _:
            raise _unknown(way)


def _unknown(way: str) -> ValueError:
    return ValueError(f"`way` must be one of {', '.join(map(repr, WAYS))}, got {way!r}")
