"""Leases on the bench: clocks that drift, a holder that stands still, and what the resource makes of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from distlib.models.latency import Constant
from distlib.node import Node, World
from distlib.protocols.consistency.lease import Grantor, Holder, Resource
from distlib.runtimes.faults import Clock, Crash, Fault, Link, Network, Pause
from distlib.runtimes.network import Cluster
from distlib.runtimes.simulation import InvariantViolated, Run, simulate
from distlib.runtimes.trace import Kind, Trace

__all__ = [
    "drifting_holders",
    "lease_label",
    "lease_margin_seconds",
    "measure_paused_holder",
    "overlap_seconds",
    "paused_holder",
    "takeover_seconds",
    "two_clients",
]

Nodes = Mapping[str, Node[Any, Any]]


def two_clients(
    *,
    resource: Resource | None = None,
    holder_class: type[Holder] = Holder,
    lease_seconds: float = 10.0,
    drift: float = 0.0,
    second_start_seconds: float = 0.5,
    asks_at_most: int | None = 1,
    updates: int = 1,
) -> dict[str, Node[Any, Any]]:
    """Return two holders, `a` first and `b` later, the grantor `lock`, and the resource `store`.

    Parameters
    ----------
    resource
        What they write to, to put a broken one in.
    holder_class, lease_seconds, drift, asks_at_most, updates
        See :class:`~distlib.protocols.consistency.lease.Holder`.
    second_start_seconds
        When `b` asks first.
    """

    def holder(start_seconds: float) -> Holder:
        return holder_class(
            "lock",
            "store",
            lease_seconds,
            drift,
            start_seconds,
            asks_at_most=asks_at_most,
            updates=updates,
        )

    return {
        "a": holder(0.0),
        "b": holder(second_start_seconds),
        "lock": Grantor(lease_seconds),
        "store": resource or Resource(),
    }


def paused_holder(resource: Resource, *, seed: int = 1) -> Run:
    """Simulate a holder that stands still right after it has read, for longer than its lease.

    Legs take 0.2 s, the lease 10 s, the work 1 s. `b` asks after 10.5 s. The pause begins after 0.9 s and takes 13 s.
    """
    pause: Sequence[Fault] = [Pause("a", 0.9, 13.0)]
    nodes = two_clients(resource=resource, second_start_seconds=10.5)
    network = Network(Link(Constant(0.2)))
    return simulate(nodes, seed=seed, network=network, faults=pause, until_seconds=15.0)


def drifting_holders(drift: float, *, holder_class: type[Holder] = Holder, delay_seconds: float = 0.05) -> Run:
    """Simulate a holder whose clock is slow under a grantor whose clock is fast, each by the share `drift`.

    The lease takes 10 s. `b` asks just after the grantor has come to think that they are over.
    """
    ends_seconds = delay_seconds + 10.0 / (1 + drift)
    asks_seconds = math.ceil(100 * (ends_seconds - delay_seconds / 2)) / 100
    nodes = two_clients(holder_class=holder_class, drift=drift, second_start_seconds=asks_seconds, updates=0)
    return simulate(
        nodes,
        seed=1,
        network=Network(Link(Constant(delay_seconds))),
        clocks={"a": Clock(drift=-drift), "lock": Clock(drift=drift)},
    )


def overlap_seconds(trace: Trace) -> float:
    """Return for how long, in true time, two holders relied on the lease at once."""
    changes: list[tuple[float, int]] = []
    for name in trace.names:
        held = 0
        for at, node in trace.states(name):
            now = int(isinstance(node, Holder) and node.holds)
            if now != held:
                changes.append((at, now - held))
            held = now
    total, count, since = 0.0, 0, 0.0
    for at, change in sorted(changes):
        if count > 1:
            total += at - since
        count, since = count + change, at
    return total


def lease_margin_seconds(
    *,
    lease_seconds: float,
    bound: float,
    holder_drift: float,
    grantor_drift: float,
    delay_seconds: float,
    holder_class: type[Holder] = Holder,
) -> float:
    """Return, from a run, how long before the end of the promise the holder stops to rely on it; negative: after it.

    Parameters
    ----------
    lease_seconds
        On the grantor's clock.
    bound
        By how much the holder thinks that clocks may drift.
    holder_drift, grantor_drift
        By how much they do.
    delay_seconds
        One leg.
    holder_class
        To put a broken one in.
    """
    run = simulate(
        {
            "a": holder_class("lock", "store", lease_seconds, bound, asks_at_most=1, updates=0),
            "lock": Grantor(lease_seconds),
            "store": Resource(),
        },
        seed=1,
        network=Network(Link(Constant(delay_seconds))),
        clocks={"a": Clock(skew_seconds=123.0, drift=holder_drift), "lock": Clock(drift=grantor_drift)},
    )
    ends = {event.value: event.time_seconds for event in run.trace.of(Kind.TIMER) if event.value in ("lease", "expire")}
    return ends["lease"] - ends["expire"]


def takeover_seconds(
    *, lease_seconds: float, renewal_seconds: float, poll_seconds: float, delay_seconds: float, seed: int
) -> float:
    """Return the seconds from a holder's crash, at a random moment, until the other one holds the lease."""
    random = np.random.default_rng((seed, 15))
    crash_seconds = (3 + float(random.random())) * renewal_seconds
    nodes: Nodes = {
        "a": Holder("lock", "store", lease_seconds, ask_seconds=renewal_seconds, updates=0),
        "b": Holder(
            "lock",
            "store",
            lease_seconds,
            start_seconds=delay_seconds + (0.01 + float(random.random())) * poll_seconds,
            ask_seconds=poll_seconds,
            updates=0,
        ),
        "lock": Grantor(lease_seconds),
        "store": Resource(),
    }
    try:
        simulate(
            nodes,
            seed=seed,
            network=Network(Link(Constant(delay_seconds))),
            faults=[Crash("a", crash_seconds)],
            until_seconds=crash_seconds + 2 * lease_seconds + 2 * poll_seconds,
            always={"b waits": _waits},
            record=False,
        )
    except InvariantViolated as taken:
        return taken.time_seconds - crash_seconds
    raise AssertionError("`b` must hold the lease at last: the bound of the run is too short")


def _waits(world: World) -> bool:
    node = world.nodes["b"]
    return not (isinstance(node, Holder) and node.holds)


def measure_paused_holder(resource: Resource, *, patience_seconds: float = 30.0) -> tuple[int, int]:
    """Return (writes that were accepted, the counter) after a process that holds a lease was stopped for too long.

    Over real sockets: `a` gets ``SIGSTOP`` once it has read, and may go on when `b` has written. It has a second and a
    half for that, in which it works; then comes its write, and after that the end of its lease.
    """
    nodes: Nodes = {
        "a": Holder("lock", "store", 2.0, asks_at_most=1, work_seconds=1.5),
        "b": Holder("lock", "store", 2.0, start_seconds=1.0, ask_seconds=0.5, work_seconds=0.1),
        "lock": Grantor(2.0),
        "store": resource,
    }

    def last(trace: Trace, name: str) -> Any:
        states = trace.states(name)
        return states[-1][1] if states else None

    with Cluster(nodes, processes=True) as real:
        real.wait_until(lambda trace: (a := last(trace, "a")) is not None and a.value is not None, patience_seconds)
        real.pause("a")
        real.wait_until(lambda trace: (store := last(trace, "store")) is not None and store.accepted, patience_seconds)
        real.resume("a")
        trace = real.wait_until(
            lambda trace: last(trace, "a").refusals or last(trace, "store").accepted > 1, patience_seconds
        )
        store = last(trace, "store")
        return store.accepted, store.value


def lease_label(node: Node[Any, Any]) -> tuple[str, str] | None:
    """Return what a figure writes on a lane, and in which tone."""
    if isinstance(node, Holder):
        return (f"holds {node.token}", "good") if node.holds else None
    if isinstance(node, Grantor):
        return (f"promised to {node.holder}", "calm") if node.holder else None
    if isinstance(node, Resource) and node.accepted:
        if node.value != node.accepted:
            return "lost", "bad"
        return f"{node.value} after {node.accepted} write{'' if node.accepted == 1 else 's'}", "calm"
    return None
