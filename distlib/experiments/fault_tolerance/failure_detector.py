"""Failure detectors on the bench: a process, its heartbeats over a lossy link, and the mistakes read off the runs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from distlib.models.fault_tolerance.failure_detector import HeartbeatPlan
from distlib.models.latency import Law
from distlib.node import Node
from distlib.protocols.fault_tolerance.failure_detector import Detector, FreshnessDetector, Process
from distlib.runtimes.faults import Crash, Fault, Link, Network
from distlib.runtimes.simulation import Run, simulate
from distlib.runtimes.trace import Kind, Trace

__all__ = [
    "Quality",
    "detection_seconds",
    "detector_label",
    "freshness",
    "mistakes_per_heartbeat",
    "quality",
    "watch",
]


def freshness(plan: HeartbeatPlan) -> FreshnessDetector:
    """Return the detector of a plan."""
    return FreshnessDetector(period_seconds=plan.period_seconds, margin_seconds=plan.margin_seconds)


def watch(
    detectors: Mapping[str, Detector],
    *,
    period_seconds: float,
    loss_probability: float,
    delay: Law,
    seed: int,
    until_seconds: float,
    crash_seconds: float | None = None,
) -> Run:
    """Simulate a process `p` and its detectors, each of which has a link of its own to it.

    Parameters
    ----------
    detectors
        By name.
    period_seconds
        Of the heartbeats.
    loss_probability, delay
        Of the links.
    seed, until_seconds
        Of the run.
    crash_seconds
        When the process dies; None: it does not.
    """
    nodes: dict[str, Node[Any, Any]] = {"p": Process(tuple(detectors), period_seconds), **detectors}
    faults: list[Fault] = [] if crash_seconds is None else [Crash("p", crash_seconds)]
    network = Network(Link(delay, loss_probability))
    return simulate(nodes, seed=seed, network=network, faults=faults, until_seconds=until_seconds)


@dataclass(frozen=True)
class Quality:
    """What a detector did while the process was up.

    Parameters
    ----------
    recurrence_seconds
        From the beginning of each mistake to that of the next.
    duration_seconds
        How long each lasted.
    wrong_share
        The share of time for which it was wrong.
    """

    recurrence_seconds: tuple[float, ...]
    duration_seconds: tuple[float, ...]
    wrong_share: float


def _verdicts(trace: Trace, name: str, since: float) -> list[tuple[float, bool]]:
    """Return (time, whether it suspects) for each change of mind since then."""
    changes: list[tuple[float, bool]] = []
    for time, node in trace.states(name):
        if isinstance(node, Detector) and (not changes or changes[-1][1] != node.suspects):
            changes.append((time, node.suspects))
    return [change for change in changes if change[0] >= since]


def quality(run: Run, name: str = "q", *, since: float = 0.0) -> Quality:
    """Return what a detector did from `since` on, in a run in which the process does not crash."""
    changes = _verdicts(run.trace, name, since)
    begins = [time for time, suspects in changes if suspects]
    pairs = itertools.pairwise(changes)
    lengths = [later - time for (time, suspects), (later, _) in pairs if suspects]
    return Quality(
        tuple(later - time for time, later in itertools.pairwise(begins)),
        tuple(lengths),
        sum(lengths) / (run.time_seconds - since),
    )


def detection_seconds(run: Run, crash_seconds: float, name: str = "q") -> float:
    """Return the time from the crash to the suspicion that stays; 0 if the process was suspected already."""
    changes = _verdicts(run.trace, name, 0.0)
    if not changes or not changes[-1][1]:
        raise ValueError(f"`run` must end with the process suspected, after {run.time_seconds} s it is trusted")
    return max(0.0, changes[-1][0] - crash_seconds)


def mistakes_per_heartbeat(run: Run, name: str = "q", *, since: float) -> tuple[int, int]:
    """Return how many mistakes began since then, and how many heartbeats arrived."""
    begins = sum(suspects for _, suspects in _verdicts(run.trace, name, since))
    heard = sum(event.node == name and event.time_seconds >= since for event in run.trace.of(Kind.DELIVER))
    return begins, heard


def detector_label(node: Node[Any, Any]) -> tuple[str, str] | None:
    """Return what a figure writes on the lane of a detector, and in which tone."""
    if not isinstance(node, Detector):
        return None
    return ("suspects", "bad") if node.suspects else ("trusts", "good")
