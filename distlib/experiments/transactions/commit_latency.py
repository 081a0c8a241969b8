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


def simulated_seconds(way: str, setting: Setting, *, run_count: int, first_seed: int = 0) -> NDArray[np.float64]:
    """Return how long a commit took in each of several runs, in seconds.

    Parameters
    ----------
    way
        One of :data:`~distlib.models.transactions.commit_latency.WAYS`.
    setting
        Where.
    run_count
        How many runs; at least 1. For an order, how many transactions in one run.
    first_seed
        Their seeds are this and those that follow.

    Raises
    ------
    ValueError
        If there is no such way, or no run.
    """
    if way not in WAYS:
        raise _unknown(way)
    if run_count < 1:
        raise ValueError(f"`run_count` must be at least 1, got {run_count}")
    if way == "deterministic order":
        return np.array(_ordered(setting, run_count, first_seed))
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
            raise _unknown(way)


def _ordered(setting: Setting, count: int, seed: int) -> list[float]:
    """Return how long each of several transactions takes, one after another, each from a random moment of an epoch.

    A sequencer ticks on for as long as it runs, so one long run costs less than many short ones.
    """
    participants, epoch = setting.participant_count, setting.epoch_seconds
    transactions = [deterministic_ordering.transfer(f"client.{number}", participants) for number in range(1, count + 1)]
    nodes = deterministic_ordering.bank(
        participants, transactions, epoch_seconds=epoch, pause_seconds=(0.0, epoch), ask_seconds=HOUR_SECONDS
    )
    enough = count * (2 * epoch + 10 * float(setting.leg.mean()) + setting.force_seconds)
    run = deterministic_ordering.run_with(setting.order(), nodes, seed=seed, client=Constant(0.0), until_seconds=enough)
    return deterministic_ordering.latencies(run.trace)


def _unknown(way: str) -> ValueError:
    return ValueError(f"`way` must be one of {', '.join(map(repr, WAYS))}, got {way!r}")
