"""Raft on the bench: clusters and clients, small instances to explore, chaos to survive, and times read off traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from distlib.checkers.history import History
from distlib.checkers.linearizability import Judgement, check_linearizable
from distlib.checkers.sequential_models import Model, by_key, compare_and_set_register, counter
from distlib.models.consistency.consensus import LogTiming, Shipping
from distlib.models.latency import Constant, Exponential, Law
from distlib.node import Complete, Node, Outcome
from distlib.protocols.consistency.consensus import (
    Answer,
    AppendEntries,
    AppendReply,
    Client,
    Durable,
    Entry,
    Operation,
    Request,
    Role,
    Server,
    Vote,
    election_safety,
    leader_completeness,
    log_matching,
    members_operation,
    servers,
    state_machine_safety,
)
from distlib.runtimes.exploration import Predicate
from distlib.runtimes.faults import (
    Clock,
    Crash,
    CrashRandomly,
    Fault,
    Link,
    Network,
    Partition,
    PartitionRandomly,
    PauseRandomly,
)
from distlib.runtimes.network import Cluster
from distlib.runtimes.simulation import Run, simulate
from distlib.runtimes.trace import Kind, Trace

Nodes = Mapping[str, Node[Any, Any]]

SAFETY: Mapping[str, Predicate] = {
    "election safety": election_safety,
    "log matching": log_matching,
    "leader completeness": leader_completeness,
    "state machine safety": state_machine_safety,
}
"""The four invariants of figure 3 of the paper that speak of states. (The fifth, append-only leaders, is of steps.)"""

REGISTERS: Model = by_key(compare_and_set_register(""))
"""What the clients of a cluster are to see of its registers."""

WRITTEN: Model = by_key(compare_and_set_register("1"))
"""The same, where "1" was written before anyone looked."""

COUNTERS: Model = by_key(counter())
"""What they are to see of its counters."""


def names_of(count: int) -> tuple[str, ...]:
    """Return s1, s2 … as names of servers."""
    if count < 1:
        raise ValueError(f"`count` must be at least 1, got {count}")
    return tuple(f"s{number}" for number in range(1, count + 1))


def cluster(count: int, *, server_class: type[Server] = Server, **options: Any) -> dict[str, Node[Any, Any]]:
    """Return `count` servers that are members of one cluster; `options` are those of :class:`Server`."""
    members = frozenset(names_of(count))
    return {name: server_class(name, members, **options) for name in names_of(count)}


def settled(
    count: int,
    *,
    server_class: type[Server] = Server,
    operations: tuple[Operation, ...] = (),
    cut_off: str | None = None,
    until_seconds: float = 0.44,
    **options: Any,
) -> Run:
    """Return a run in which s1 was elected in term 1, everybody knows it, and `operations` were then done through it.

    Parameters
    ----------
    count
        How many servers.
    server_class, options
        Of the servers.
    operations
        What a client did when all was settled.
    cut_off
        A server whom nothing reached from then on.
    until_seconds
        When it ends. By default before the next heartbeat, which would tell the followers what is committed.
    """
    nodes = led_by_first(cluster(count, server_class=server_class, **options))
    if operations:
        nodes["client"] = Client(("s1",), operations, pause_seconds=(0.4, 0.4))
    faults: list[Fault] = []
    if cut_off is not None:
        pairs = frozenset((source, cut_off) for source in nodes) | frozenset((cut_off, target) for target in nodes)
        faults.append(Partition(0.35, cut=pairs - {(cut_off, cut_off)}))
    return simulate(nodes, seed=0, faults=faults, until_seconds=until_seconds if operations else 0.3)


def led_by_first(nodes: Nodes) -> dict[str, Node[Any, Any]]:
    """Return `nodes` with servers of which the first stands for election at once, and the others wait for long."""
    patient = {
        name: replace(node, election_seconds=(0.05, 0.05) if number == 0 else (3600.0, 3600.0))
        if isinstance(node, Server)
        else node
        for number, (name, node) in enumerate(nodes.items())
    }
    return patient


# ---------------------------------------------------------------------------------------------- instances to explore


def under_way(run: Run, last_terms: Mapping[str, int]) -> dict[str, Node[Any, Any]]:
    """Return the servers of a run as they were at its end, for an exploration that goes on from there.

    What was in flight is lost. Other nodes are left out, and leaders have no heartbeats.

    Parameters
    ----------
    run
        A simulation at whose end all its servers are up.
    last_terms
        The last term that each may stand for; those that are not named never stand.
    """
    nodes: dict[str, Node[Any, Any]] = {}
    for name in run.names:
        node = run.nodes[name]
        if isinstance(node, Server):
            last_term = last_terms.get(name, 0)
            nodes[name] = replace(node, is_under_way=True, last_term=last_term, heartbeat_seconds=None)
    return nodes


def two_candidates(server_class: type[Server] = Server) -> dict[str, Node[Any, Any]]:
    """Return three servers of which s1 and s2 stand for term 1, and s3 has to choose."""
    nodes = cluster(3, server_class=server_class)
    return _bounded(nodes, {"s1": 1, "s2": 1})


def _bounded(nodes: Nodes, last_terms: Mapping[str, int]) -> dict[str, Node[Any, Any]]:
    return {
        name: replace(node, last_term=last_terms.get(name, 0)) if isinstance(node, Server) else node
        for name, node in nodes.items()
    }


def one_behind(server_class: type[Server] = Server, **options: Any) -> dict[str, Node[Any, Any]]:
    """Return three servers under way: s1 leads and has committed a write with s2, of which s3 has heard nothing.

    Now s2 and s3 may stand for term 2.
    """
    run = settled(3, server_class=server_class, operations=(("write", "x", "1"),), cut_off="s3", **options)
    nodes = under_way(run, {"s2": 2, "s3": 2})
    return {**nodes, "client": Client(("s1",), ())}


def figure_eight(server_class: type[Server] = Server) -> dict[str, Node[Any, Any]]:
    """Return three servers in the middle of figure 8 of the paper, which draws five.

    s1 led term 2 and left an entry in no log but its own, and s3 led term 3 and did the same. Each is back. Now s1 may
    stand for term 4, and s3 for term 5. One message carries one entry.
    """
    disks = {"s1": Durable(3, None, (Entry(2),)), "s2": Durable(3, "s3"), "s3": Durable(4, None, (Entry(3),))}
    nodes = cluster(3, server_class=server_class, batch_limit=1, pipelined=False, heartbeat_seconds=None)
    nodes = {name: replace(node, disk=disks[name]) for name, node in nodes.items() if isinstance(node, Server)}
    return _bounded(nodes, {"s1": 4, "s3": 5})


def retried(server_class: type[Server] = Server) -> dict[str, Node[Any, Any]]:
    """Return two servers, led by s1, and a client that adds 1 to x, a second time if no answer comes."""
    nodes = under_way(settled(2, server_class=server_class), {})
    nodes["client"] = Client(("s1",), (("add", "x", 1),), retries=1)
    return nodes


def two_leaders(server_class: type[Server] = Server) -> dict[str, Node[Any, Any]]:
    """Return three servers of which s1 leads term 1 and s2 leads term 2 and has committed that x is "1", and a reader.

    The reader asks s1, and s2 if it gets no answer.
    """
    nodes = led_by_first(cluster(3, server_class=server_class))
    second = nodes["s2"]
    assert isinstance(second, Server)
    nodes["s2"] = replace(second, election_seconds=(0.1, 0.1))
    nodes["client"] = Client(("s2",), (("write", "x", "1"),), pause_seconds=(0.4, 0.4))
    run = simulate(nodes, seed=0, faults=[Partition(0.2, groups=({"s1"}, {"s2", "s3"}))], until_seconds=0.5)
    return {**under_way(run, {}), "reader": Client(("s1", "s2"), (("read", "x"),), retries=1)}


def new_leader(server_class: type[Server] = Server) -> dict[str, Node[Any, Any]]:
    """Return :func:`one_behind` with a client that reads what was written: x is "1". Only s2 may stand for term 2."""
    nodes = {
        name: replace(node, last_term=2 if name == "s2" else 0)
        for name, node in one_behind(server_class).items()
        if isinstance(node, Server)
    }
    return {**nodes, "client": Client(("s1",), ()), "reader": Client(("s2",), (("read", "x"),), retries=0)}


def acknowledged(server_class: type[Server] = Server, **options: Any) -> dict[str, Node[Any, Any]]:
    """Return three servers, led by s1, and a client that writes; s3 may stand for term 2."""
    nodes = under_way(settled(3, server_class=server_class, **options), {"s3": 2})
    return {**nodes, "client": Client(("s1",), (("write", "x", "1"),), retries=0)}


def two_changes(server_class: type[Server] = Server) -> dict[str, Node[Any, Any]]:
    """Return four servers and a fifth, of which two leaders begin to change the membership, each from the four.

    s1 led term 1 and began to add s5; only s5 has heard of it. Now s2 leads term 2, by the votes of s3 and s4, and is
    asked to remove s1, while s1 may stand for term 3.
    """
    members = frozenset(names_of(4))
    before = (Entry(1),)
    added = (*before, Entry(1, "operator", 1, members_operation(members | {"s5"})))
    disks = {name: Durable(2, "s2", before) for name in ("s3", "s4")}
    disks |= {"s1": Durable(2, None, added), "s5": Durable(1, None, added)}
    common: dict[str, Any] = {"heartbeat_seconds": None, "batch_limit": 8}
    nodes: dict[str, Node[Any, Any]] = {
        name: server_class(name, members, last_term=3 if name == "s1" else 0, disk=disk, **common)
        for name, disk in disks.items()
    }
    candidate, _ = server_class("s2", members, last_term=2, disk=Durable(1, None, before), **common).on_start(None)
    leader, _ = candidate.on_timer("election")
    for voter in ("s3", "s4"):
        leader, _ = leader.on_message(voter, Vote(2, True))
    nodes["s2"] = replace(leader, is_under_way=True)
    removed = members_operation(members - {"s1"})
    return dict(sorted(nodes.items())) | {"operator": Client(("s2",), (removed,), retries=0, serial=1)}


def one_step_change(server_class: type[Server] = Server) -> dict[str, Node[Any, Any]]:
    """Return three servers and two new ones; s3 leads term 1 and is asked to add both at once, and s1 may stand.

    The new ones have caught up with the log. A majority of the three, s1 and s2, and one of the five, s3, s4 and s5,
    have nobody in common.
    """
    members = frozenset(names_of(3))
    first = (Entry(1),)
    common: dict[str, Any] = {"heartbeat_seconds": None}
    nodes: dict[str, Node[Any, Any]] = {
        name: server_class(name, members, last_term=2 if name == "s1" else 0, disk=Durable(1, "s3", first), **common)
        for name in ("s1", "s2")
    }
    nodes["s3"] = _elected(server_class("s3", members, last_term=1, **common), {"s1", "s2"})
    copy = Durable(1, None, first)
    nodes |= {name: server_class(name, last_term=0, disk=copy, **common) for name in ("s4", "s5")}
    added = members_operation(members | {"s4", "s5"})
    return nodes | {"operator": Client(("s3",), (added,), retries=0)}


def _elected(candidate: Server, voters: frozenset[str] | set[str]) -> Server:
    """Return a server as it is after it has won an election and its first entry is in the voters' logs."""
    node, _ = candidate.on_start(None)
    node, _ = node.on_timer("election")
    for voter in sorted(voters):
        node, _ = node.on_message(voter, Vote(node.disk.term, True))
    for voter in sorted(voters):
        node, _ = node.on_message(voter, AppendReply(node.disk.term, True, node.disk.last_index))
    return replace(node, is_under_way=True)


# ------------------------------------------------------------------------------------------------ what a figure shows


def briefly(message: Any) -> str:
    """Return what to write on a message in a diagram."""
    if isinstance(message, AppendEntries) and not message.entries:
        return ""
    return str(message)


def role_label(node: Any) -> tuple[str, str] | None:
    """Return what to write on a server's lane: its role and its term."""
    if not isinstance(node, Server):
        return None
    tones = {Role.FOLLOWER: "calm", Role.CANDIDATE: "wait", Role.LEADER: "good"}
    return f"{node.role.value} {node.disk.term}", tones[node.role]


def log_label(node: Any) -> tuple[str, str] | None:
    """Return what to write on a server's lane: its role, and the terms of its entries, the committed in brackets."""
    if not isinstance(node, Server):
        return None
    terms = [str(line.term) for line in node.disk.entries]
    committed = node.commit_index - node.disk.snapshot.index
    log = (f"[{' '.join(terms[:committed])}] " if committed else "") + " ".join(terms[committed:])
    tones = {Role.FOLLOWER: "calm", Role.CANDIDATE: "wait", Role.LEADER: "good"}
    return f"{node.role.value[0].upper()} t{node.disk.term}: {log.strip() or '–'}", tones[node.role]


# --------------------------------------------------------------------------------------------------------- how long

CLIENT_LEG = Constant(0.0003)
"""A leg between a client and a server, unless something else is said."""


def timed_network(timing: LogTiming, client_leg: Law = CLIENT_LEG) -> Network:
    """Return the links between s1, its followers and the clients; followers keep the order of what they are sent."""
    links: dict[tuple[str, str], Link] = {}
    for name, leg in zip(names_of(timing.server_count)[1:], timing.legs, strict=True):
        link = Link(leg, ordered=True)
        links |= {("s1", name): link, (name, "s1"): link}
    return Network(Link(client_leg), links)


def timed_run(
    timing: LogTiming,
    clients: Mapping[str, Client],
    *,
    seed: int,
    until_seconds: float | None = None,
    faults: Sequence[Fault] = (),
    client_leg: Law = CLIENT_LEG,
    **options: Any,
) -> Run:
    """Simulate clients of a cluster that s1 leads from 0.05 s on, for good; no heartbeats disturb them.

    Parameters
    ----------
    timing
        Of the cluster.
    clients
        By name.
    seed, until_seconds, faults
        See :func:`~distlib.runtimes.simulation.simulate`.
    client_leg
        Law of a leg between clients and servers.
    options
        Of :class:`~distlib.protocols.consistency.consensus.Server`.
    """
    settings: dict[str, Any] = {"heartbeat_seconds": None, "parallel_write": timing.parallel_write} | options
    # Nobody stands but s1, and once: so a run ends when its clients are done.
    nodes = _bounded(led_by_first(cluster(timing.server_count, **settings)), {"s1": 1}) | dict(clients)
    saves = {name: Constant(timing.follower_force_seconds) for name in names_of(timing.server_count)}
    saves["s1"] = Constant(timing.leader_force_seconds)
    network = timed_network(timing, client_leg)
    return simulate(nodes, seed=seed, network=network, save_latency=saves, until_seconds=until_seconds, faults=faults)


def commit_latencies(trace: Trace, leader: str = "s1") -> list[float]:
    """Return, for each request that was answered, the seconds from its arrival at the leader to its commit."""
    arrived: dict[tuple[str | None, int], float] = {}
    latencies = []
    for event in trace.of(Kind.DELIVER, Kind.SEND, node=leader):
        if event.kind is Kind.DELIVER and isinstance(event.value, Request):
            arrived.setdefault((event.peer, event.value.serial), event.time_seconds)
        elif event.kind is Kind.SEND and isinstance(event.value, Answer):
            since = arrived.pop((event.peer, event.value.serial), None)
            if since is not None:
                latencies.append(event.time_seconds - since)
    return latencies


def writer(count: int, *, start_seconds: float = 0.3, pause_seconds: float = 0.0) -> Client:
    """Return a client that writes so often to x through s1, each time after a pause, and never asks twice."""
    operations = tuple(("write", "x", str(number)) for number in range(count))
    pause = (pause_seconds, pause_seconds)
    return Client(("s1",), operations, (start_seconds, start_seconds), pause, retry_seconds=(3600.0, 3600.0), retries=0)


def write_latencies(timing: LogTiming, write_count: int, *, seed: int, pause_seconds: float = 0.3) -> list[float]:
    """Return the commit latencies of writes that a client makes one by one, with a pause before each."""
    return commit_latencies(
        timed_run(timing, {"client": writer(write_count, pause_seconds=pause_seconds)}, seed=seed).trace
    )


def shipping_options(shipping: Shipping) -> dict[str, Any]:
    """Return the options of a server that ships entries this way."""
    ways: dict[Shipping, dict[str, Any]] = {
        Shipping.ONE_AT_A_TIME: {"pipelined": False, "batch_limit": 1},
        Shipping.PIPELINED: {"pipelined": True, "batch_limit": 1},
        Shipping.BATCHED: {"pipelined": True, "batch_limit": 10_000, "gather_seconds": (0.0, 0.0)},
    }
    return ways[shipping]


def throughput(
    timing: LogTiming,
    shipping: Shipping,
    client_count: int,
    *,
    seed: int,
    seconds: float = 0.1,
    client_leg: Law = CLIENT_LEG,
) -> float:
    """Return the requests answered a second when so many clients write one after another without a pause.

    They begin at 0.3 s. What is answered in the first `seconds` is not counted, what is in as many after that is.
    """
    clients = {f"c{number}": writer(10_000) for number in range(client_count)}
    options = shipping_options(shipping)
    run = timed_run(timing, clients, seed=seed, until_seconds=0.3 + 2 * seconds, client_leg=client_leg, **options)
    answered: dict[str, list[float]] = {name: [] for name in clients}
    for event in run.trace.of(Kind.COMPLETE):
        if event.time_seconds > 0.3 + seconds:
            answered[event.node].append(event.time_seconds)
    # From answer to answer of each client: so a window that cuts through a group of answers does not matter.
    return sum((len(times) - 1) / (times[-1] - times[0]) for times in answered.values())


# --------------------------------------------------------------------------------------------------------- available


def is_served(server_count: int, up_probability: float, *, seed: int) -> bool:
    """Return whether a write is answered by a cluster of whose servers each is dead with some probability.

    All boot and elect a leader. Then each dies for good or does not, by dice of this seed; a client asks one after
    another, again and again, for eight seconds.
    """
    names = names_of(server_count)
    survives = np.random.default_rng([8, seed]).random(server_count) < up_probability
    nodes = cluster(server_count, election_seconds=(0.5, 1.0), heartbeat_seconds=0.25) | {
        "client": Client(names, (("write", "x", "1"),), (2.0, 2.0), retry_seconds=(0.2, 0.3))
    }
    faults = [Crash(name, 1.9) for name, lives in zip(names, survives, strict=True) if not lives]
    run = simulate(nodes, seed=seed, faults=faults, until_seconds=10.0, record=False)
    return any(isinstance(effect, Complete) and effect.outcome is Outcome.OK for _, effect in run.history)


# -------------------------------------------------------------------------------------------------------------- stories


def story(
    *operations: Operation,
    server_count: int = 3,
    faults: Sequence[Fault] = (),
    until_seconds: float,
    extra: Nodes | None = None,
    **options: Any,
) -> Run:
    """Simulate a small cluster in which everybody knows who stands next: s1 at 0.05 s, then s2, then s3.

    A client begins at 0.06 s, and asks another server after a tenth of a second. Legs and writes take a millisecond.

    Parameters
    ----------
    operations
        Of the client.
    server_count
        How many servers.
    faults, until_seconds
        See :func:`~distlib.runtimes.simulation.simulate`.
    extra
        Further nodes by name.
    options
        Of the servers.
    """
    waits = dict(zip(names_of(server_count), (0.05, 0.15, 0.3, 0.45, 0.6), strict=False))
    nodes: dict[str, Node[Any, Any]] = {
        name: replace(node, election_seconds=(waits[name],) * 2) if isinstance(node, Server) else node
        for name, node in cluster(server_count, **options).items()
    }
    client = Client(names_of(server_count), operations, (0.06, 0.06), retry_seconds=(0.1, 0.1))
    nodes = {"client": client, **nodes, **(extra or {})}
    saves = {name: Constant(0.001) for name, node in nodes.items() if isinstance(node, Server)}
    return simulate(nodes, seed=1, faults=faults, save_latency=saves, until_seconds=until_seconds)


# --------------------------------------------------------------------------------------------------------- all at once


def contenders(client_count: int, operation_count: int, names: Sequence[str]) -> dict[str, Client]:
    """Return clients that write, read, compare and set two registers, x and y, and add to a counter, z."""
    clients = {}
    for number in range(client_count):
        operations: list[Operation] = []
        for step in range(operation_count):
            key, value = "xy"[(number + step) % 2], f"{number}.{step}"
            other = f"{(number + 1) % client_count}.{step - 1}"
            choices: tuple[Operation, ...] = (
                ("write", key, value),
                ("read", key),
                ("add", "z", 1),
                ("compare_and_set", key, other, value),
                ("read", key),
            )
            operations.append(choices[(step + number) % 5])
        clients[f"c{number + 1}"] = Client(
            tuple(names), tuple(operations), (0.0, 0.5), (0.0, 0.1), retry_seconds=(0.05, 0.3), retries=40
        )
    return clients


def chaos(
    server_class: type[Server] = Server,
    *,
    seed: int,
    server_count: int = 3,
    client_count: int = 3,
    operation_count: int = 20,
    until_seconds: float = 8.0,
    always: Mapping[str, Predicate] = SAFETY,
    **options: Any,
) -> Run:
    """Simulate clients, and every fault at once: crashes, pauses, partitions, losses, copies, slow disks, wrong clocks.

    An operator adds a server and removes it again, servers take snapshots, and what is sent may overtake.

    Parameters
    ----------
    server_class, options
        Of the servers.
    seed
        Of the run.
    server_count, client_count, operation_count
        How many servers, clients, and operations of each client.
    until_seconds
        When the run ends.
    always
        What is to hold after every event; empty to look only at what is left in the end.

    Raises
    ------
    InvariantViolated
        If an invariant of `always` does not hold.
    """
    settings: dict[str, Any] = {"snapshot_every": 6, "read_index": True} | options
    nodes = cluster(server_count, server_class=server_class, **settings)
    members = frozenset(nodes)
    extra = names_of(server_count + 1)[-1]
    nodes[extra] = server_class(extra, **settings)
    everyone = tuple(nodes)
    changes = (members_operation(members | {extra}), members_operation(members))
    nodes["operator"] = Client(everyone, changes, (1.0, 3.0), (0.5, 2.0), retry_seconds=(0.2, 0.4), retries=25)
    nodes |= contenders(client_count, operation_count, everyone)
    faults: list[Fault] = [
        CrashRandomly(everyone, Exponential(1.5), Exponential(0.1)),
        PauseRandomly(everyone, Exponential(2.0), Exponential(0.3)),
        PartitionRandomly(everyone, Exponential(1.0), Exponential(0.4)),
    ]
    return simulate(
        nodes,
        seed=seed,
        network=Network(Link(Exponential(0.004), loss_probability=0.05, duplicate_probability=0.05)),
        faults=faults,
        save_latency={name: Exponential(0.002) for name in everyone},
        clocks={"s1": Clock(drift=0.3), "s2": Clock(drift=-0.2)},
        until_seconds=until_seconds,
        always=always,
        record=False,
    )


def judge(run: Run) -> Judgement:
    """Return whether what the clients of a run saw is linearizable: the counter z, and the registers."""
    history = History.from_events(run.history)
    judgements = [
        check_linearizable(History(tuple(part)), model, explain=False).judgement
        for part, model in (
            ([each for each in history if each.asked[1] == "z"], COUNTERS),
            ([each for each in history if each.asked[1] != "z"], REGISTERS),
        )
    ]
    return max(judgements, key=list(Judgement).index)


def survives(run: Run) -> bool:
    """Return whether a run ended with all invariants in force and a history that is linearizable."""
    return judge(run) is Judgement.LINEARIZABLE and all(predicate(run.world) for predicate in SAFETY.values())


# --------------------------------------------------------------------------------------------------------- measured


@dataclass(frozen=True)
class Failover:
    """What clients of a real cluster saw when its leader was killed.

    Parameters
    ----------
    outage_seconds
        The longest time without an acknowledged operation, from the last acknowledgement before the kill on.
    election_seconds
        From the kill until another server knew that it leads.
    history
        What the clients saw, in the order of one trace.
    killed, successor
        Who led before and after.
    total
        The largest sum that a client was told: no less than the additions acknowledged, no more than those begun.
    """

    outage_seconds: float
    election_seconds: float
    history: History
    killed: str
    successor: str
    total: int

    @property
    def is_linearizable(self) -> bool:
        """Whether the history is that of one counter."""
        return check_linearizable(self.history, COUNTERS).judgement is Judgement.LINEARIZABLE


def kill_the_leader(
    *,
    server_count: int = 3,
    client_count: int = 2,
    adds_before: int = 20,
    adds_after: int = 20,
    election_seconds: tuple[float, float] = (0.15, 0.3),
    heartbeat_seconds: float = 0.05,
    pause_seconds: float = 0.005,
    retry_seconds: float = 0.05,
    processes: bool = True,
    seed: int = 0,
    timeout_seconds: float = 30.0,
) -> Failover:
    """Start a cluster of the book's own Raft over sockets, let clients count, kill the leader, and let them go on.

    Each server is a process of this machine, with a log on disk; clients are nodes, too, and add 1 to one counter,
    one request after another, each under its number, so that a retry counts once. When `adds_before` of them were
    acknowledged the leader gets ``kill -9``; when `adds_after` more were, it is restarted, and has to catch up.

    Parameters
    ----------
    server_count, client_count
        How many servers and clients.
    adds_before, adds_after
        How many acknowledged additions, of all clients together, to wait for before and after the kill.
    election_seconds, heartbeat_seconds
        Of the servers; etcd's defaults would be (1.0, 2.0) and 0.1.
    pause_seconds, retry_seconds
        Of the clients: before each request, and before it is sent again to another server. The outage is measured to
        within `retry_seconds`.
    processes
        Whether every node is a process of its own and the kill a ``kill -9``; if not, all share this one.
    seed
        Of the timers.
    timeout_seconds
        How long to wait for any one thing at most.

    Returns
    -------
    Failover

    Raises
    ------
    TimeoutError
        If something did not come about in time.
    """
    names = names_of(server_count)
    nodes = cluster(
        server_count, election_seconds=election_seconds, heartbeat_seconds=heartbeat_seconds, snapshot_every=50
    )
    # Each client goes on until it is told to stop: until nobody waits for more.
    share = 100 + 4 * (adds_before + adds_after)
    pause, retry = (pause_seconds, pause_seconds), (retry_seconds, 1.5 * retry_seconds)
    for number in range(1, client_count + 1):
        nodes[f"c{number}"] = Client(names, (("add", "x", 1),) * share, pause_seconds=pause, retry_seconds=retry)
    with Cluster(nodes, processes=processes, seed=seed) as running:
        running.wait_for(Kind.COMPLETE, adds_before, timeout_seconds=timeout_seconds)
        trace = running.wait_until(lambda trace: _leader_of(trace) is not None, timeout_seconds)
        killed = _leader_of(trace)
        assert killed is not None
        acknowledged = len(trace.of(Kind.COMPLETE))
        running.kill(killed)
        running.wait_for(Kind.COMPLETE, acknowledged + adds_after, timeout_seconds=timeout_seconds)
        reached = max(node.commit_index for _, node in servers(running.world))
        running.restart(killed)
        running.wait_until(lambda trace: _commit_index(trace, killed) >= reached, timeout_seconds)
    trace = running.trace
    crash = trace.of(Kind.CRASH, node=killed)[0]
    at_seconds = crash.time_seconds
    times = [event.time_seconds for event in trace.of(Kind.COMPLETE)]
    since = [max(seconds for seconds in times if seconds <= at_seconds), *(each for each in times if each > at_seconds)]
    led = next(
        event
        for event in trace.of(Kind.DELIVER)
        if event.number > crash.number and isinstance(event.state, Server) and event.state.role is Role.LEADER
    )
    return Failover(
        outage_seconds=max(later - earlier for earlier, later in pairwise(since)),
        election_seconds=led.time_seconds - at_seconds,
        history=History.from_trace(trace),
        killed=killed,
        successor=led.node,
        total=max(event.value[0] for event in trace.of(Kind.COMPLETE)),
    )


def _leader_of(trace: Trace) -> str | None:
    """Return who leads the latest term, as far as the trace tells."""
    found = {}
    for name in trace.names:
        node = _latest(trace, name)
        if node is not None and node.role is Role.LEADER:
            found[node.disk.term] = name
    return found[max(found)] if found else None


def _commit_index(trace: Trace, name: str) -> int:
    """Return up to where a server knows its log to be committed; 0 while it is down."""
    node = _latest(trace, name)
    return 0 if node is None else node.commit_index


def _latest(trace: Trace, name: str) -> Server | None:
    """Return a server as it is at the end of a trace; None if it is down, or no server."""
    states = trace.states(name)
    node = states[-1][1] if states else None
    return node if isinstance(node, Server) else None
