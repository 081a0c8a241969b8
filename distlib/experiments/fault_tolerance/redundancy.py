"""Redundant parts on the bench: fleets of them under repair, and their outages read off the runs.

A fleet's links carry the laws: of lives, of repairs, of failovers. Times are in the unit of the rates that are given,
such as hours; the simulation calls it seconds.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from distlib.models.latency import Constant, Exponential
from distlib.node import Node
from distlib.protocols.fault_tolerance.redundancy import Echo, Part, Supervisor
from distlib.runtimes.faults import Link, Network
from distlib.runtimes.simulation import Run, simulate
from distlib.runtimes.trace import Trace

__all__ = ["Fleet", "outage_share", "times_to_outage"]

_AT_ONCE = Link(Constant(0.0))


@dataclass(frozen=True)
class Fleet:
    """Parts, and how they fail and are repaired.

    Parameters
    ----------
    count
        How many parts.
    needed
        How many are at work at a time; None: all.
    failure_rate, repair_rate
        Of each part at work.
    dormant_rate
        Of each that stands by.
    coverage
        The probability that a failure at work raises an alarm.
    switch_rate
        One over the mean time of a failover; None: it takes no time.
    people_rate
        One over the mean time until people notice a failure without an alarm; None: at once.
    crews
        How many parts are repaired at a time; None: all.
    start_over_below
        See :class:`~distlib.protocols.fault_tolerance.redundancy.Supervisor`.
    """

    count: int
    failure_rate: float
    repair_rate: float
    needed: int | None = None
    dormant_rate: float = 0.0
    coverage: float = 1.0
    switch_rate: float | None = None
    people_rate: float | None = None
    crews: int | None = None
    start_over_below: int = 0

    @property
    def parts(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(f"part {number}" for number in range(1, self.count + 1))

    def nodes(self) -> dict[str, Node[Any, Any]]:
        """Return the parts, the supervisor and the echoes."""
        part = Part(shelf=self.dormant_rate > 0, people=self.coverage < 1)
        supervisor = Supervisor(self.parts, self.needed or self.count, self.crews or self.count, self.start_over_below)
        echoes = dict.fromkeys(("use", "shelf", "alarm", "crew", "switch", "people"), Echo())
        return {**dict.fromkeys(self.parts, part), "supervisor": supervisor, **echoes}

    def network(self) -> Network:
        """Return the links, with the laws of everything that takes time."""
        links = {
            ("supervisor", "crew"): Link(Exponential(1 / self.repair_rate)),
            ("supervisor", "switch"): _slow(self.switch_rate),
        }
        for part in self.parts:
            links[part, "use"] = Link(Exponential(1 / self.failure_rate))
            links[part, "alarm"] = Link(Constant(0.0), loss_probability=1 - self.coverage)
            links[part, "people"] = _slow(self.people_rate)
            if self.dormant_rate:
                links[part, "shelf"] = Link(Exponential(1 / self.dormant_rate))
        return Network(_AT_ONCE, links)

    def run(self, until: float, *, seed: int) -> Run:
        """Simulate the fleet for so long."""
        return simulate(self.nodes(), seed=seed, network=self.network(), until_seconds=until)


def _slow(rate: float | None) -> Link:
    return _AT_ONCE if rate is None else Link(Exponential(1 / rate))


def outage_share(trace: Trace, least: int, until: float, *, since: float = 0.0) -> float:
    """Return the share of the time from `since` to `until` in which fewer than `least` parts were at work."""
    working: set[str] = set()
    out, down_since = 0.0, since
    for event in trace:
        part = event.state
        if not isinstance(part, Part) or (event.node in working) == (part.up and part.at_work):
            continue
        before = len(working) >= least
        working ^= {event.node}
        after = len(working) >= least
        now = min(max(event.time_seconds, since), until)
        if before and not after:
            down_since = now
        elif after and not before:
            out += now - down_since
    return (out + (until - down_since if len(working) < least else 0.0)) / (until - since)


def times_to_outage(trace: Trace) -> list[float]:
    """Return the time from each start with all parts as new to the outage that ended it."""
    rounds: dict[int, float] = {}
    for time, node in trace.states("supervisor"):
        if isinstance(node, Supervisor):
            rounds.setdefault(node.round, time)
    starts = sorted(rounds.values())
    return [later - earlier for earlier, later in itertools.pairwise(starts)]
