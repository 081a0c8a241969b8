"""Sums around a ring, rounds of training, devices that are rarely online: on the bench, and read off the runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distlib.models.latency import Constant, Exponential, Law
from distlib.node import Node
from distlib.protocols.trends import Device, Gateway, GradientWorker, RingWorker, Sensor, Trainer
from distlib.runtimes.faults import Link, Network, Partition, PartitionRandomly
from distlib.runtimes.network import Cluster
from distlib.runtimes.simulation import Run, simulate
from distlib.runtimes.trace import Kind, Trace

__all__ = [
    "backlogs",
    "briefly",
    "devices",
    "gradients_used_per_second",
    "measure_ring",
    "ring",
    "all_reduce_seconds",
    "run_offline",
    "run_ring",
    "run_sensor",
    "run_training",
    "state_label",
    "upload",
]

Floats = NDArray[np.float64]
Nodes = Mapping[str, Node[Any, Any]]
_AT_ONCE = Link(Constant(0.0))

# ------------------------------------------------------------------------------------------------------------ the ring


def ring(worker_count: int, worker_class: type[RingWorker] = RingWorker) -> dict[str, Node[Any, Any]]:
    """Return workers `w0`, `w1` … of which number i has 10 to the i in each of its chunks, so that sums can be read."""
    if worker_count < 1:
        raise ValueError(f"`worker_count` must be at least 1, got {worker_count}")
    return {
        f"w{rank}": worker_class(rank, f"w{(rank + 1) % worker_count}", (10**rank,) * worker_count)
        for rank in range(worker_count)
    }


def run_ring(worker_count: int, leg: Law, *, seed: int = 1) -> Run:
    """Simulate an all-reduce; each message takes a time of the law `leg`: its start-up, and its bytes on the wire."""
    return simulate(ring(worker_count), seed=seed, network=Network(Link(leg)))


def all_reduce_seconds(run: Run) -> float:
    """Return when the last worker had all sums, in seconds."""
    return max(event.time_seconds for event in run.trace.of(Kind.COMPLETE))


def measure_ring(worker_count: int) -> list[tuple[int, ...]]:
    """Return what each worker has at the end of an all-reduce over real sockets."""
    names = [f"w{rank}" for rank in range(worker_count)]
    with Cluster(ring(worker_count)) as cluster:
        trace = cluster.wait_until(lambda trace: len(trace.of(Kind.COMPLETE)) == worker_count, 30)
    return [_chunks(trace, name) for name in names]


def _chunks(trace: Trace, name: str) -> tuple[int, ...]:
    node = trace.states(name)[-1][1]
    assert isinstance(node, RingWorker)
    return node.chunks


# -------------------------------------------------------------------------------------------------------- the training


def run_training(worker_count: int, spare_count: int, compute: Law, *, round_count: int, seed: int) -> Run:
    """Simulate rounds; `compute` is the law of the time that a worker takes for a gradient, in seconds."""
    names = tuple(f"w{number}" for number in range(1, worker_count + 1))
    nodes: dict[str, Node[Any, Any]] = {"trainer": Trainer(names, round_count, spare_count)}
    nodes |= {name: GradientWorker() for name in names}
    links = {("trainer", name): _AT_ONCE for name in names} | {(name, "trainer"): Link(compute) for name in names}
    return simulate(nodes, seed=seed, network=Network(links=links))


def gradients_used_per_second(run: Run) -> Floats:
    """Return, for each round, how many gradients it used for each second that it took."""
    trainer = run.nodes["trainer"]
    assert isinstance(trainer, Trainer)
    begins = [event.time_seconds for event in run.trace.of(Kind.INVOKE, node="trainer")]
    ends = [event.time_seconds for event in run.trace.of(Kind.COMPLETE, node="trainer")]
    return np.subtract(ends, begins[: len(ends)]) / trainer.needed


# --------------------------------------------------------------------------------------------------------- the counter


def devices(
    device_count: int,
    device_class: type[Device] = Device,
    *,
    passer_count: int = 1,
    exchange_count: int | None = None,
    pass_seconds: tuple[float, float] = (1.0, 1.0),
    exchange_seconds: tuple[float, float] = (1.0, 1.0),
) -> dict[str, Node[Any, Any]]:
    """Return devices `d1`, `d2` … each of which tells all others.

    Parameters
    ----------
    device_count
        At least 2.
    device_class
        To put a broken one in.
    passer_count, exchange_count, pass_seconds, exchange_seconds
        See :class:`~distlib.protocols.trends.Device`.
    """
    if device_count < 2:
        raise ValueError(f"`device_count` must be at least 2, got {device_count}")
    names = [f"d{number}" for number in range(1, device_count + 1)]
    return {
        name: device_class(
            name,
            tuple(other for other in names if other != name),
            passer_count,
            pass_seconds,
            exchange_seconds,
            exchange_count,
        )
        for name in names
    }


def run_offline(*, seed: int = 1, until_seconds: float = 8.0) -> Run:
    """Simulate three devices, of which `d3` is cut off from 0.5 to 5 seconds while people pass all three."""
    nodes = devices(3, passer_count=2, exchange_count=4, pass_seconds=(0.6, 1.4), exchange_seconds=(1.5, 1.5))
    split = Partition(0.5, 5.0, groups=({"d1", "d2"}, {"d3"}))
    network = Network(Link(Constant(0.15)))
    return simulate(nodes, seed=seed, network=network, faults=[split], until_seconds=until_seconds)


# ---------------------------------------------------------------------------------------------------------- the upload


def upload(gateway: Gateway | None = None, *, tick_count: int | None = 2) -> dict[str, Node[Any, Any]]:
    """Return a sensor that takes a reading each time, and a gateway."""
    return {"sensor": Sensor("gateway", tick_count=tick_count), "gateway": gateway or Gateway()}


def run_sensor(
    readings_per_second: int,
    link_per_second: int,
    up_seconds: float,
    down_seconds: float,
    *,
    until_seconds: float,
    seed: int,
) -> Run:
    """Simulate a sensor that takes readings each second, and a link that is up and down for exponential times.

    Parameters
    ----------
    readings_per_second, link_per_second
        How many readings come, and how many can be sent, in a second.
    up_seconds, down_seconds
        Means of how long the link is up, and down.
    until_seconds, seed
        Of the run.
    """
    nodes: dict[str, Node[Any, Any]] = {
        "sensor": Sensor("gateway", readings_per_second, link_per_second),
        "gateway": Gateway(),
    }
    outage = PartitionRandomly(["sensor", "gateway"], Exponential(up_seconds), Exponential(down_seconds))
    network = Network(Link(Constant(0.001)))
    return simulate(nodes, seed=seed, network=network, faults=[outage], until_seconds=until_seconds)


def backlogs(run: Run) -> Floats:
    """Return how many readings wait, just before each new batch of them."""
    found, before = [], 0
    for event in run.trace.of(Kind.TIMER, Kind.DELIVER, node="sensor"):
        if event.kind is Kind.TIMER:
            found.append(before)
        assert isinstance(event.state, Sensor)
        before = event.state.backlog
    return np.array(found, float)


# ---------------------------------------------------------------------------------------------------------- in figures


def briefly(message: object) -> str:
    """Return a message in few words, for a diagram."""
    return str(message)


def state_label(node: Node[Any, Any]) -> tuple[str, str] | None:
    """Return what a diagram says of a node's state."""
    match node:
        case RingWorker():
            return " ".join(map(str, node.chunks)), "good" if node.is_done else "calm"
        case Device() if node.total:
            return f"{node.total}", "calm"
        case Sensor() if node.backlog:
            return f"{node.backlog} wait", "wait"
        case _:
            return None
