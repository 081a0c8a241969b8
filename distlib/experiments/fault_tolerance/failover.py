"""Primary and backup on the bench: a pair to run, crashes, partitions, and what its models predict, read off runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from distlib.checkers.history import History
from distlib.checkers.linearizability import Judgement, check_linearizable
from distlib.checkers.sequential_models import counter
from distlib.models.fault_tolerance.failover import Shipping
from distlib.models.latency import Constant, Exponential, Law, LogNormal
from distlib.node import Node
from distlib.protocols.fault_tolerance.failover import (
    Client,
    Heartbeat,
    Monitor,
    Operation,
    Replicate,
    Replicated,
    Reply,
    Server,
    ServerState,
    View,
    Writer,
    acknowledged_writes_survive,
    all_answered,
    servers_that_lead,
)
from distlib.runtimes.faults import Crash, CrashRandomly, Fault, Link, Network, Partition, PartitionRandomly
from distlib.runtimes.network import Cluster
from distlib.runtimes.simulation import Run, simulate
from distlib.runtimes.trace import Kind, Trace

__all__ = [
    "FIRST_VIEW",
    "Measured",
    "briefly",
    "chaos",
    "effects_of",
    "is_linearizable",
    "isolated_primary",
    "lost_writes",
    "measure_failover",
    "outage_seconds",
    "pair",
    "run_with",
    "small",
    "state_label",
    "two_primaries_seconds",
    "writers",
]

Nodes = Mapping[str, Node[Any, Any]]

FIRST_VIEW = View(1, "a", "b")


def pair(
    *operations: Sequence[Operation],
    server_class: type[Server] = Server,
    monitor_class: type[Monitor] = Monitor,
    synchronous: bool = True,
    heartbeat_seconds: float = 0.05,
    silence_seconds: float = 0.12,
    patience_seconds: float = 0.15,
    start_seconds: float = 0.0,
) -> dict[str, Node[Any, Any]]:
    """Return servers `a`, which is the primary, and `b`, a monitor, and a client for each sequence of operations.

    Parameters
    ----------
    *operations
        What each client does: `client` if there is one, `client 1`, `client 2` … if there are several.
    server_class, monitor_class
        To put broken ones in.
    synchronous
        Whether the primary waits for the backup.
    heartbeat_seconds, silence_seconds, patience_seconds
        Of the servers, the monitor, the clients.
    start_seconds
        When the clients begin.
    """
    names = ["client"] if len(operations) == 1 else [f"client {number}" for number in range(1, len(operations) + 1)]
    nodes: dict[str, Node[Any, Any]] = {
        name: Client(("a", "b"), tuple(work), patience_seconds, start_seconds=start_seconds)
        for name, work in zip(names, operations, strict=True)
    }
    for name in ("a", "b"):
        state = ServerState(FIRST_VIEW)
        nodes[name] = server_class(name, state, synchronous=synchronous, heartbeat_seconds=heartbeat_seconds)
    nodes["monitor"] = monitor_class(FIRST_VIEW, silence_seconds)
    return nodes


def small(
    *operations: Sequence[Operation],
    server_class: type[Server] = Server,
    monitor_class: type[Monitor] = Monitor,
    synchronous: bool = True,
    last_epoch: int = 2,
    resends: bool = False,
) -> dict[str, Node[Any, Any]]:
    """Return an instance to explore: heartbeats at boots only, so many views, clients that never give up.

    Parameters
    ----------
    *operations, server_class, monitor_class, synchronous
        As for :func:`pair`.
    last_epoch
        After which epoch the monitor makes no further view.
    resends
        Whether servers have a timer, for heartbeats and for logs that are sent again.
    """
    nodes = pair(*operations, server_class=server_class, monitor_class=monitor_class, synchronous=synchronous)
    for name in ("a", "b"):
        nodes[name] = server_class(
            name,
            ServerState(FIRST_VIEW),
            synchronous=synchronous,
            heartbeat_seconds=0.05 if resends else None,
        )
    nodes["monitor"] = monitor_class(FIRST_VIEW, last_epoch=last_epoch)
    return nodes


def run_with(
    nodes: Nodes,
    *,
    seed: int,
    delay: Law | None = None,
    force_seconds: float = 0.002,
    faults: Sequence[Fault] = (),
    until_seconds: float = 0.5,
    record: bool = True,
) -> Run:
    """Simulate `nodes`; each message takes `delay`, by default 8 ms in the mean, a forced write of a server 2 ms."""
    network = Network(Link(delay or LogNormal(0.008, 0.25)))
    disks: dict[str, Law] = {name: Constant(force_seconds) for name in ("a", "b")}
    return simulate(
        nodes,
        seed=seed,
        network=network,
        save_latency=disks,
        faults=faults,
        until_seconds=until_seconds,
        record=record,
    )


def effects_of(run: Run, node: str = "a") -> list[str]:
    """Return what a node did in a run, effect by effect, as :class:`~distlib.runtimes.faults.CrashAfterEffect` counts.

    Item k is the k-th effect; item 0 stands for a crash before any.
    """
    done = ["nothing yet"]
    for event in run.trace.of(Kind.SEND, Kind.SAVE, Kind.SET_TIMER, Kind.CANCEL_TIMER, node=node):
        done.append(f"{event.kind.value} {event.value}" + (f" to {event.peer}" if event.peer else ""))
    return done


def chaos(nodes: Nodes, *, seed: int) -> Run:
    """Simulate `nodes` for 6 s with crashes of all servers and of the monitor, partitions, loss, copies, slow disks."""
    servers = [name for name, node in nodes.items() if not isinstance(node, Client)]
    faults: list[Fault] = [
        CrashRandomly(servers, Exponential(1.5), Exponential(0.2)),
        PartitionRandomly(list(nodes), Exponential(1.0), Exponential(0.3)),
    ]
    link = Link(LogNormal(0.008, 1.0), loss_probability=0.1, duplicate_probability=0.1)
    return simulate(
        nodes,
        seed=seed,
        network=Network(link),
        faults=faults,
        save_latency={name: Exponential(0.004) for name in servers},
        until_seconds=6.0,
        record=False,
    )


def isolated_primary(*, server_class: type[Server] = Server, synchronous: bool = True, seed: int = 1) -> Run:
    """Simulate a partition with `a` and one client on one side, and `b`, the monitor and another client on the other.

    Each client adds 1 and asks its own side only, one at 0.20 s and one at 0.22 s; the partition lasts from 0.03 s on.
    """
    nodes = pair([("add", 1)], [("add", 1)], server_class=server_class, synchronous=synchronous)
    nodes["client 1"] = Client(("a",), (("add", 1),), 0.15, start_seconds=0.2)
    nodes["client 2"] = Client(("b",), (("add", 1),), 0.15, start_seconds=0.22)
    cut = Partition(0.03, 0.6, groups=({"a", "client 1"}, {"b", "client 2", "monitor"}))
    return run_with(nodes, seed=seed, faults=[cut], until_seconds=0.4)


# ------------------------------------------------------------------------------------------------- what a run shows


def briefly(message: Any) -> str:
    """Return what a figure writes on a message; nothing on heartbeats."""
    match message:
        case Heartbeat():
            return ""
        case Replicate():
            return f"log of {len(message.log)}"
        case Replicated():
            return f"have {message.length}"
        case Reply():
            return f"= {message.result}"
        case View():
            return f"view {message.epoch}"
        case _:
            return str(message)


def state_label(node: Node[Any, Any]) -> tuple[str, str] | None:
    """Return what a figure writes on the lane of `node`, and in which tone."""
    if isinstance(node, Server):
        view = node.state.view
        if not node.leads:
            return (f"backup ({view.epoch})", "calm") if view.backup == node.name else None
        return ("waits", "wait") if node.waiting else (f"primary ({view.epoch})", "good")
    return None


def is_linearizable(history: History) -> bool:
    """Return whether what the clients saw is what one counter would have shown them."""
    return check_linearizable(history, counter()).judgement is Judgement.LINEARIZABLE


# ------------------------------------------------------------------------------------------------------- lost writes


def writers() -> dict[str, Node[Any, Any]]:
    """Return an asynchronous pair and a writer that does not wait; the law of its link to itself spaces its writes."""
    nodes = pair(synchronous=False, heartbeat_seconds=3600.0, silence_seconds=3600.0)
    nodes["writer"] = Writer("writer", "a")
    return nodes


def lost_writes(
    write_rate: float, lag: Law, *, seed: int, silent_seconds: float = 0.0, warm_up_lags: float = 9.0
) -> dict[Shipping, int]:
    """Return how many acknowledged writes are lost when the primary dies, by how the log is shipped, from two runs.

    Parameters
    ----------
    write_rate
        Writes per second.
    lag
        Law of the time that a message from `a` to `b` takes.
    seed
        Of the runs. In the first the link keeps the order; in the second messages overtake each other, each with the
        whole log, and those that are under way are also counted, for each stands for the write that it was sent for.
    silent_seconds
        For how long before the crash the link from `a` to `b` carries nothing.
    warm_up_lags
        The crash, or the silence before it, comes after so many mean lags, but not before 0.2 s.
    """
    cut_seconds = max(0.2, warm_up_lags * float(lag.mean()))
    crash_seconds = cut_seconds + silent_seconds
    faults = [Partition(cut_seconds, cut=frozenset({("a", "b")}))] if silent_seconds else []
    lost, under_way = [], 0
    for ordered in (True, False):
        links = {("a", "b"): Link(lag, ordered=ordered), ("writer", "writer"): Link(Exponential(1 / write_rate))}
        network = Network(Link(Constant(0.0)), links)
        run = simulate(writers(), seed=seed, network=network, faults=faults, until_seconds=crash_seconds, record=False)
        a, b = run.nodes["a"], run.nodes["b"]
        assert isinstance(a, Server)
        assert isinstance(b, Server)
        lost.append(len(a.state.log) - len(b.state.log))
        under_way = sum(isinstance(message, Replicate) and bool(message.log) for _, _, message in run.world.in_flight)
    return {"in order": lost[0], "whole": lost[1], "one by one": under_way}


# ------------------------------------------------------------------------------------------------------------- outages


def outage_seconds(
    *, seed: int, heartbeat_seconds: float, silence_seconds: float, delay_seconds: float, force_seconds: float = 0.0
) -> float:
    """Return the time from a crash of the primary until the backup serves, from a run; the crash is at a random moment.

    The moment is spread evenly over one heartbeat period, by the seed: its bits, reversed, after the point (van der
    Corput's sequence). So a power of two of seeds covers the period evenly.
    """
    phase = float(int(f"{seed:020b}"[::-1], 2) + 0.5) / 2**20
    crash = (10 + phase) * heartbeat_seconds
    nodes = pair(heartbeat_seconds=heartbeat_seconds, silence_seconds=silence_seconds)
    run = run_with(
        nodes,
        seed=seed,
        delay=Constant(delay_seconds),
        force_seconds=force_seconds,
        faults=[Crash("a", crash)],
        until_seconds=crash + 2 * silence_seconds,
    )
    serves = [event.time_seconds for event in run.trace.of(Kind.SAVE, node="b") if event.value.view.primary == "b"]
    return serves[0] - crash


def two_primaries_seconds(
    *, seed: int, partition: Law, heartbeat_seconds: float, silence_seconds: float, delay_seconds: float
) -> float:
    """Return for how long, in a partition of random length, two servers believe that they are the primary.

    From the moment at which the backup is promoted until the partition heals, in one run.
    """
    phase = float(int(f"{seed:020b}"[::-1], 2) + 0.5) / 2**20
    begin = (10 + phase) * heartbeat_seconds
    nodes = pair(heartbeat_seconds=heartbeat_seconds, silence_seconds=silence_seconds)
    length = float(partition.rvs(size=1, random_state=np.random.default_rng(seed))[0])
    cut = Partition(begin, begin + length, groups=({"a"}, {"b", "monitor"}))
    run = run_with(
        nodes,
        seed=seed,
        delay=Constant(delay_seconds),
        force_seconds=0.0,
        faults=[cut],
        until_seconds=begin + length,
    )
    promoted = [event.time_seconds for event in run.trace.of(Kind.SAVE, node="b") if event.value.view.primary == "b"]
    return begin + length - promoted[0] if promoted and len(servers_that_lead(run.world)) == 2 else 0.0


# ------------------------------------------------------------------------------------------------- over real sockets


@dataclass(frozen=True)
class Measured:
    """How a failover over real sockets ended.

    Parameters
    ----------
    answered
        Whether the client got an answer to everything.
    results
        Its answers.
    linearizable
        Whether its history is.
    survived
        Whether all that was acknowledged is on the disk of the new primary.
    primary
        Of the view at the end.
    """

    answered: bool
    results: tuple[int, ...]
    linearizable: bool
    survived: bool
    primary: str


def measure_failover(
    operations: Sequence[Operation],
    *,
    crash_point: int,
    synchronous: bool = True,
    processes: bool = False,
    timeout_seconds: float = 20.0,
) -> Measured:
    """Run a pair over real sockets, kill the primary after so many of its effects, and wait for the client to be done.

    Parameters
    ----------
    operations
        The client's.
    crash_point
        After how many of its effects `a` is killed; at least 1. Its heartbeats count.
    synchronous
        Whether it waits for the backup.
    processes
        Whether each node is a process of its own, and the crash a ``kill -9``.
    timeout_seconds
        How long to wait at most.
    """
    nodes = pair(
        operations,
        synchronous=synchronous,
        heartbeat_seconds=0.05,
        silence_seconds=0.25,
        patience_seconds=0.2,
        start_seconds=0.02,
    )
    cluster = Cluster(nodes, processes=processes)
    cluster.kill_after("a", crash_point)

    def done(trace: Trace) -> bool:
        states = trace.states("client")
        return bool(states) and isinstance(states[-1][1], Client) and _is_done(states[-1][1])

    with cluster:
        cluster.wait_until(lambda trace: done(trace) and trace.of(Kind.CRASH, node="a"), timeout_seconds)
        cluster.wait_until(lambda trace: _promoted(trace), timeout_seconds)
        world, history = cluster.world, History.from_events(cluster.history)
    client, monitor = world.nodes["client"], world.nodes["monitor"]
    assert isinstance(client, Client)
    assert isinstance(monitor, Monitor)
    return Measured(
        all_answered(world),
        client.results,
        is_linearizable(history),
        acknowledged_writes_survive(world),
        monitor.view.primary,
    )


def _is_done(client: Client) -> bool:
    return len(client.results) == len(client.operations)


def _promoted(trace: Trace) -> bool:
    return any(event.value.primary == "b" for event in trace.of(Kind.SAVE, node="monitor"))
