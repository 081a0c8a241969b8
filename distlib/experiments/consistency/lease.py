"""Leases on the bench: clocks that drift, a holder that stands still, and what the resource makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from distlib.models.latency import Constant
from distlib.node import Node
from distlib.protocols.consistency.lease import Grantor, Holder, Resource
from distlib.runtimes.faults import Clock, Fault, Link, Network, Pause
from distlib.runtimes.simulation import Run, simulate
from distlib.runtimes.trace import Kind

__all__ = ["lease_label", "lease_margin_seconds", "paused_holder", "two_clients"]

Nodes = Mapping[str, Node[Any, Any]]


def two_clients(
    *,
    resource: Resource | None = None,
    holder_class: type[Holder] = Holder,
    lease_seconds: float = 10.0,
    usable_seconds: float = 10.0,
    asks_at_most: int | None = 1,
    updates: int = 1,
    work_seconds: float = 1.0,
) -> dict[str, Node[Any, Any]]:
    """Return two holders, `a` first and `b` a little later, the grantor `lock`, and the resource `store`."""

    def holder(start_seconds: float) -> Holder:
        return holder_class(
            "lock",
            "store",
            usable_seconds,
            start_seconds,
            asks_at_most=asks_at_most,
            updates=updates,
            work_seconds=work_seconds,
        )

    return {"a": holder(0.0), "b": holder(0.5), "lock": Grantor(lease_seconds), "store": resource or Resource()}


def paused_holder(resource: Resource, *, seed: int = 1) -> Run:
    """Simulate a holder that stands still right after it has read, for longer than its lease.

    Legs take 0.2 s, the lease 10 s, the work 1 s. `b` asks every 3 s. The pause begins after 0.9 s and takes 15 s.
    """
    pause: Sequence[Fault] = [Pause("a", 0.9, 15.0)]
    nodes = two_clients(resource=resource, asks_at_most=None)
    nodes["a"] = Holder("lock", "store", asks_at_most=1)
    network = Network(Link(Constant(0.2)))
    return simulate(nodes, seed=seed, network=network, faults=pause, until_seconds=17.0)


def lease_margin_seconds(
    *,
    lease_seconds: float,
    counted_seconds: float,
    holder_drift: float,
    grantor_drift: float,
    delay_seconds: float,
    holder_class: type[Holder] = Holder,
) -> float:
    """Return, from a run, how long before the end of the promise the holder stops to rely on it; negative: after it."""
    run = simulate(
        {
            "a": holder_class("lock", "store", usable_seconds=counted_seconds, asks_at_most=1, updates=0),
            "lock": Grantor(lease_seconds),
            "store": Resource(),
        },
        seed=1,
        network=Network(Link(Constant(delay_seconds))),
        clocks={"a": Clock(skew_seconds=123.0, drift=holder_drift), "lock": Clock(drift=grantor_drift)},
    )
    ends = {event.value: event.time_seconds for event in run.trace.of(Kind.TIMER) if event.value in ("lease", "expire")}
    return ends["lease"] - ends["expire"]


def lease_label(node: Node[Any, Any]) -> tuple[str, str] | None:
    """Return what a figure writes on a lane, and in which tone."""
    if isinstance(node, Holder):
        return (f"holds {node.token}", "good") if node.holds else None
    if isinstance(node, Grantor):
        return (f"promised to {node.holder}", "calm") if node.holder else None
    if isinstance(node, Resource) and node.accepted:
        lost = node.value != node.accepted
        return f"{node.value} after {node.accepted} writes", "bad" if lost else "calm"
    return None
