"""Calls, pages and queues on the bench: instances to explore and run, and what the models predict, read off the runs.

A law is given to a model and to a run alike. Beyond that they share no code: a time measured here is a difference of
two events in a trace, and a number of jobs is a state of a node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distlib.models.latency import Constant, Exponential, Law, LogNormal
from distlib.node import Node, Outcome
from distlib.protocols.background import (
    Add,
    Ask,
    Caller,
    Counter,
    Done,
    FrontEnd,
    Job,
    Part,
    Queue,
    Shard,
    Source,
    Total,
)
from distlib.runtimes.faults import CrashRandomly, Fault, Link, Network, PartitionRandomly
from distlib.runtimes.network import Cluster
from distlib.runtimes.simulation import Run, simulate
from distlib.runtimes.trace import Event, Kind

__all__ = [
    "QueueReadings",
    "briefly",
    "call",
    "call_with",
    "chaos",
    "measure_retried_call",
    "page_seconds",
    "queue_readings",
    "run_page",
    "run_queue",
    "state_label",
]

Floats = NDArray[np.float64]
Nodes = Mapping[str, Node[Any, Any]]
_AT_ONCE = Link(Constant(0.0))

# ------------------------------------------------------------------------------------------------------------ the call


def call(
    counter: Counter | None = None,
    *,
    amounts: Sequence[int] = (1,),
    retries: int = 0,
    caller_class: type[Caller] = Caller,
    patience_seconds: float = 0.05,
) -> dict[str, Node[Any, Any]]:
    """Return a caller and a counter.

    Parameters
    ----------
    counter
        A fresh :class:`Counter` if none is given.
    amounts
        What each of the calls adds.
    retries
        How often the caller asks again before it gives up.
    caller_class
        To put a broken one in.
    patience_seconds
        How long it waits for an answer.
    """
    patience = (patience_seconds, patience_seconds)
    caller = caller_class("counter", tuple(amounts), patience_seconds=patience, retries=retries)
    return {"caller": caller, "counter": counter or Counter()}


def call_with(nodes: Nodes, *, faults: Sequence[Fault] = (), leg_seconds: float = 0.010, force: float = 0.005) -> Run:
    """Simulate a call whose legs and whose forced write take constant times, in seconds."""
    network = Network(Link(Constant(leg_seconds)))
    disks: dict[str, Law] = {"counter": Constant(force)}
    return simulate(nodes, seed=1, network=network, faults=faults, save_latency=disks, until_seconds=0.2)


def chaos(nodes: Nodes, *, seed: int) -> Run:
    """Simulate `nodes` for 20 s with crashes of both, loss, copies, slow disks and partitions."""
    faults: list[Fault] = [
        CrashRandomly(["caller", "counter"], Exponential(0.5), Exponential(0.1)),
        PartitionRandomly(["caller", "counter"], Exponential(1.0), Exponential(0.1)),
    ]
    link = Link(LogNormal(0.01, 1.0), loss_probability=0.1, duplicate_probability=0.2)
    return simulate(
        nodes, seed=seed, network=Network(link), faults=faults, save_latency=Exponential(0.01), until_seconds=20
    )


def measure_retried_call(nodes: Nodes, *, crash_point: int) -> tuple[int, int, int]:
    """Return what was acknowledged, carried out and asked for over real sockets, each node a process of its own.

    Parameters
    ----------
    nodes
        Such as :func:`call` returns, with some retries and a patience of some tens of milliseconds.
    crash_point
        After which effect of its first life the counter is killed with ``kill -9``; at least 1. It is started again.
    """
    with Cluster(nodes, processes=True) as cluster:
        cluster.kill_after("counter", crash_point)
        cluster.wait_until(lambda trace: trace.of(Kind.CRASH, node="counter"), 30)
        cluster.restart("counter")
        trace = cluster.wait_until(lambda trace: trace.of(Kind.COMPLETE, node="caller"), 30)
    asked = sum(event.value[1] for event in trace.of(Kind.INVOKE))
    answered = sum(event.value[1] is Outcome.OK for event in trace.of(Kind.COMPLETE))
    saves = trace.of(Kind.SAVE, node="counter")
    return answered, saves[-1].value.total if saves else 0, asked


def briefly(message: object) -> str:
    """Return a message in few words, for a diagram."""
    match message:
        case Add():
            return f"add {message.amount}"
        case Total():
            return f"total {message.total}"
        case Ask() | Part():
            return "" if message.page == 0 else str(message)
        case _:
            return str(message)


def state_label(node: Node[Any, Any]) -> str | tuple[str, str] | None:
    """Return what a diagram says of a node's state."""
    match node:
        case Counter() if node.log.total:
            return (f"total {node.log.total}", "good")
        case Caller() if node.is_open:
            return ("waits", "wait")
        case Queue() if node.in_system:
            return (f"{node.in_system}", "wait")
        case FrontEnd() if node.missing:
            return (f"{len(node.missing)} missing", "wait")
        case _:
            return None


# ------------------------------------------------------------------------------------------------------------ the page


def run_page(
    part: Law,
    shard_count: int,
    *,
    page_count: int,
    seed: int,
    hedge_seconds: float | None = None,
) -> Run:
    """Simulate a front end that makes pages, one after another.

    Parameters
    ----------
    part
        Law of the time from a server's being asked until its answer is there, in seconds. The way to it takes none.
    shard_count
        How many parts a page has.
    page_count
        How many pages are made.
    seed
        Of the run.
    hedge_seconds
        After which time a second server is asked; None: never.
    """
    shards = tuple((f"s{shard}", f"t{shard}") for shard in range(1, shard_count + 1))
    nodes: dict[str, Node[Any, Any]] = {"front": FrontEnd(shards, page_count, hedge_seconds)}
    servers = [server for shard in shards for server in (shard if hedge_seconds is not None else shard[:1])]
    nodes |= {server: Shard() for server in servers}
    links = {("front", server): _AT_ONCE for server in servers} | {(server, "front"): Link(part) for server in servers}
    return simulate(nodes, seed=seed, network=Network(links=links))


def page_seconds(run: Run) -> Floats:
    """Return how long each page took, in seconds."""
    begins = [event.time_seconds for event in run.trace.of(Kind.INVOKE)]
    ends = [event.time_seconds for event in run.trace.of(Kind.COMPLETE)]
    return np.subtract(ends, begins[: len(ends)])


# ----------------------------------------------------------------------------------------------------------- the queue


def run_queue(gap: Law, service: Law, *, job_count: int, seed: int, worker_count: int = 1) -> Run:
    """Simulate a queue from empty until it is empty again.

    Parameters
    ----------
    gap
        Law of the time between two arrivals, in seconds; exponential for Poisson arrivals.
    service
        Law of the time that a job takes, in seconds.
    job_count
        How many jobs come.
    seed
        Of the run.
    worker_count
        How many jobs are worked on at a time.
    """
    nodes: dict[str, Node[Any, Any]] = {
        "source": Source("source", "queue", job_count),
        "queue": Queue("queue", worker_count),
    }
    links = {("source", "source"): Link(gap), ("source", "queue"): _AT_ONCE, ("queue", "queue"): Link(service)}
    return simulate(nodes, seed=seed, network=Network(links=links))


@dataclass(frozen=True)
class QueueReadings:
    """What a run of a queue shows from one moment to another.

    Parameters
    ----------
    in_system
        Mean number of jobs in the system, by the clock.
    arrivals_per_second
        How many came.
    response_seconds
        How long each job stayed, in the order of arrival.
    busy
        Mean number of jobs that were worked on, by the clock.
    """

    in_system: float
    arrivals_per_second: float
    response_seconds: Floats
    busy: float


def queue_readings(run: Run, *, warm_up_seconds: float = 0.0) -> QueueReadings:
    """Return what a run of :func:`run_queue` shows between the end of a warm-up and the last arrival.

    Jobs are those that came in between. The number in the system is read off the queue's states, and the times off the
    arrivals and the ends of single jobs: neither is computed from the other.
    """
    came = {event.value.number: event.time_seconds for event in run.trace.of(Kind.DELIVER, node="queue", where=_is_job)}
    done = {
        event.value.number: event.time_seconds for event in run.trace.of(Kind.DELIVER, node="queue", where=_is_done)
    }
    start, end = warm_up_seconds, max(came.values())
    if not 0 <= start < end:
        raise ValueError(f"`warm_up_seconds` must be in [0, {end:.6g}), before the last arrival, got {start!r}")
    states = [(time, node) for time, node in run.trace.states("queue") if isinstance(node, Queue)]
    times = np.clip([time for time, _ in states] + [end], start, end)
    spans = np.diff(times)
    jobs = [number for number, time in came.items() if start <= time < end]
    return QueueReadings(
        in_system=float(spans @ [node.in_system for _, node in states]) / (end - start),
        arrivals_per_second=len(jobs) / (end - start),
        response_seconds=np.array([done[number] - came[number] for number in jobs]),
        busy=float(spans @ [node.busy for _, node in states]) / (end - start),
    )


def _is_job(event: Event) -> bool:
    return isinstance(event.value, Job)


def _is_done(event: Event) -> bool:
    return isinstance(event.value, Done)
