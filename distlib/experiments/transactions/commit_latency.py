"""Six ways to commit on one bench: the same legs, the same disks, the same clock, each protocol's own code.

What :mod:`distlib.models.transactions.commit_latency` predicts is read off runs here, with the same start and the same
end of the clock. Nobody crashes and nothing is lost; whoever could lose patience is given an hour.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from distlib.experiments.transactions import (
    deterministic_ordering,
    paxos_commit,
    saga,
    three_phase_commit,
    two_phase_commit,
)
from distlib.models.latency import Constant
from distlib.models.transactions.commit_latency import WAYS, Setting

__all__ = ["simulated_seconds"]

HOUR_SECONDS = 3600.0
ENOUGH_SECONDS = 2.0  # for an epoch and some legs; a sequencer never stops


def simulated_seconds(way: str, setting: Setting, *, run_count: int, first_seed: int = 0) -> NDArray[np.float64]:
    """Return how long a commit took in each of several runs, in seconds.

    Parameters
    ----------
    way
        One of :data:`~distlib.models.transactions.commit_latency.WAYS`.
    setting
        Where.
    run_count
        How many runs; at least 1.
    first_seed
        Their seeds are this and those that follow.

    Raises
    ------
    ValueError
        If there is no such way, or no run.
    """
    if way not in WAYS:
        raise ValueError(f"`way` must be one of {', '.join(map(repr, WAYS))}, got {way!r}")
    if run_count < 1:
        raise ValueError(f"`run_count` must be at least 1, got {run_count}")
    return np.array([_one(way, setting, seed) for seed in range(first_seed, first_seed + run_count)])


def _one(way: str, setting: Setting, seed: int) -> float:
    count = setting.participant_count
    match way:
        case "one place" | "two-phase commit":
            timing = setting.one_place() if way == "one place" else setting.phases()
            nodes = two_phase_commit.bank(timing.participant_count, patience_seconds=HOUR_SECONDS)
            run = two_phase_commit.run_with(timing, nodes, seed=seed, until_seconds=HOUR_SECONDS / 2)
            return two_phase_commit.commit_latencies(run.trace)["t1"]
        case "three-phase commit":
            nodes = three_phase_commit.banks(count, patience_seconds=HOUR_SECONDS)
            run = three_phase_commit.run_with(setting.phases(), nodes, seed=seed, until_seconds=HOUR_SECONDS / 2)
            return three_phase_commit.commit_latency(run.trace)
        case "Paxos Commit":
            nodes = paxos_commit.banks(count, setting.fault_count, patience_seconds=HOUR_SECONDS)
            run = paxos_commit.run_with(setting.phases(), nodes, seed=seed, until_seconds=HOUR_SECONDS / 2)
            return paxos_commit.commit_latency(run.trace)
        case "saga":
            saga_run = saga.run_with(setting.steps(), saga.bank(count), seed=seed)
            return saga.latencies(saga_run.trace)["s1"]
        case _:
            # The client is beside the sequencer and begins at a random moment of an epoch.
            epoch = setting.epoch_seconds
            ordered = deterministic_ordering.bank(count, epoch_seconds=epoch, pause_seconds=(0.0, epoch))
            order_run = deterministic_ordering.run_with(
                setting.order(), ordered, seed=seed, client=Constant(0.0), until_seconds=ENOUGH_SECONDS
            )
            return deterministic_ordering.latencies(order_run.trace)[0]
