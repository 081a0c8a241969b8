"""Clocks that are set, on the bench: a synchronizer that is off by a known amount, and servers that may be wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from distlib.models.latency import Constant, Exponential, Law, Shifted
from distlib.node import Node
from distlib.protocols.consistency.clock_synchronization import Interval, Synchronizer, TimeServer
from distlib.runtimes.faults import Clock, Link, Network
from distlib.runtimes.network import Cluster
from distlib.runtimes.simulation import Run, simulate
from distlib.runtimes.trace import Kind

__all__ = ["agreed_interval", "measure_offset", "offset_error", "synchronize", "synchronizer_of"]

SKEW_SECONDS = 0.123
"""By how much the synchronizer's clock is ahead here."""


def synchronize(
    outward: Law,
    back: Law,
    *,
    seed: int,
    probes: int = 1,
    shortest_leg_seconds: float = 0.0,
    clocks: Mapping[str, Clock] | None = None,
    servers: Mapping[str, TimeServer] | None = None,
    loss_probability: float = 0.0,
) -> Run:
    """Simulate a node `client` that asks its servers for the time; its clock is :data:`SKEW_SECONDS` ahead.

    Parameters
    ----------
    outward, back
        The laws of both legs.
    seed
        Of the run.
    probes, shortest_leg_seconds
        See :class:`Synchronizer`.
    clocks
        Of the servers, and of the client if it is to be another.
    servers
        By default one whose clock is true.
    loss_probability
        Of each message.
    """
    known = dict(servers or {"server": TimeServer()})
    nodes: dict[str, Node[Any, Any]] = {
        "client": Synchronizer(tuple(known), probes, shortest_leg_seconds),
        **known,
    }
    links = {("client", name): Link(outward, loss_probability) for name in known}
    links |= {(name, "client"): Link(back, loss_probability) for name in known}
    all_clocks = {"client": Clock(SKEW_SECONDS), **(clocks or {})}
    return simulate(nodes, seed=seed, network=Network(links=links), clocks=all_clocks)


def synchronizer_of(run: Run) -> Synchronizer:
    """Return the node that asked, at the end."""
    node = run.nodes["client"]
    assert isinstance(node, Synchronizer)
    return node


def offset_error(jitter_mean_seconds: float, probes: int, *, seed: int, fixed_seconds: float = 0.005) -> float:
    """Return by how much the best of several answers is off, in seconds.

    Each leg takes a fixed time and an exponential one on top; the true offset is minus :data:`SKEW_SECONDS`.
    """
    leg = Shifted(Exponential(jitter_mean_seconds), fixed_seconds)
    (best,) = synchronizer_of(synchronize(leg, leg, seed=seed, probes=probes)).best
    return best.offset_seconds + SKEW_SECONDS


def agreed_interval(
    server_count: int, radius_seconds: float, *, seed: int, lying: int = 0, lie_seconds: float = 1.0
) -> Interval | None:
    """Return where several servers say that the true time is, from the synchronizer's clock on.

    Parameters
    ----------
    server_count, radius_seconds
        Of the servers; each is off by anything up to the radius, with the same probability.
    seed
        Of the run, and of the servers' errors.
    lying
        How many of them are off by `lie_seconds` besides.
    lie_seconds
        By how much.
    """
    errors = np.random.default_rng([seed, 1983]).uniform(-radius_seconds, radius_seconds, server_count)
    names = [f"s{number}" for number in range(1, server_count + 1)]
    lies = [lie_seconds if place < lying else 0.0 for place in range(server_count)]
    clocks = {name: Clock(float(error) + lie) for name, error, lie in zip(names, errors, lies, strict=True)}
    leg = Constant(0.001)
    servers = {name: TimeServer(radius_seconds) for name in names}
    run = synchronize(leg, leg, seed=seed, shortest_leg_seconds=0.001, clocks=clocks, servers=servers)
    found = synchronizer_of(run).interval
    return None if found is None else (found[0] + SKEW_SECONDS, found[1] + SKEW_SECONDS)


def measure_offset(probes: int = 8, skew_seconds: float = SKEW_SECONDS) -> tuple[bool, float]:
    """Ask over real sockets, and return whether the interval holds the true offset, and how wide it is, in seconds."""
    nodes: dict[str, Node[Any, Any]] = {"client": Synchronizer(("server",), probes), "server": TimeServer()}
    with Cluster(nodes, clocks={"client": Clock(skew_seconds)}) as cluster:
        trace = cluster.wait_until(
            lambda trace: any(
                isinstance(event.state, Synchronizer) and len(event.state.samples) == probes
                for event in trace.of(Kind.CLOCK, node="client")
            ),
            30,
        )
    node = trace.of(Kind.CLOCK, node="client")[-1].state
    assert isinstance(node, Synchronizer)
    assert node.interval is not None
    low, high = node.interval
    return low <= -skew_seconds <= high, high - low
