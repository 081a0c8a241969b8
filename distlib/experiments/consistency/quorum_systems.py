"""Quorum systems on the bench: clients that contact crashed replicas, strategies that are followed, waits that end.

Nothing here is drawn from a formula: who is down is drawn, and the rest is seen from what the register's own clients
and replicas do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distlib.experiments.consistency.staleness import Punctual, read, registers, run_with, write
from distlib.models.consistency.quorum_systems import Expression, QuorumSystem, Strategy, minimal_quorums
from distlib.models.consistency.staleness import Legs
from distlib.models.latency import Constant, Exponential, Law
from distlib.node import Complete, Node, Outcome
from distlib.protocols.consistency.voting import Client, Listed, Query, Quorums, Replica, Store, WriteBack, sizes
from distlib.runtimes.faults import Crash, CrashRandomly, Fault, Link, Network
from distlib.runtimes.network import Cluster
from distlib.runtimes.simulation import simulate
from distlib.runtimes.trace import Kind, Trace

__all__ = [
    "answered_reads",
    "answered_reads_over_time",
    "answered_sets",
    "down_by_cause",
    "down_by_correlation",
    "down_independently",
    "listed",
    "measure_answers",
    "measure_messages",
    "node_visits",
    "operation_seconds",
    "operation_times",
]

Down = NDArray[np.bool_]
"""For each round, for each replica in the order of names: whether it is down."""

INSTANT = Constant(1e-5)
STILL = Legs(INSTANT, INSTANT, INSTANT, INSTANT)


def listed(system: QuorumSystem | Expression) -> Listed:
    """Return the quorums of a system for the register; of an expression alone, its quorums for reads and for writes."""
    reads, writes = (system.reads, system.writes) if isinstance(system, QuorumSystem) else (system, system)
    return Listed(frozenset(minimal_quorums(reads)), frozenset(minimal_quorums(writes)))


# -------------------------------------------------------------------------------------------------------- who is down


def down_independently(up_probabilities: Sequence[float], round_count: int, *, seed: int) -> Down:
    """Return who is down in each round, where each replica fails by itself."""
    ups = np.asarray(up_probabilities, float)
    return np.asarray(np.random.default_rng(seed).random((round_count, len(ups))) >= ups)


def down_by_cause(
    up_probabilities: Sequence[float], zones: Sequence[int], zone_up_probability: float, round_count: int, *, seed: int
) -> Down:
    """Return who is down in each round, where a whole zone may fail; `zones` says in which zone each replica is."""
    generator = np.random.default_rng(seed)
    zone_down = generator.random((round_count, max(zones) + 1)) >= zone_up_probability
    alone = generator.random((round_count, len(zones))) >= np.asarray(up_probabilities, float)
    return np.asarray(alone | zone_down[:, list(zones)])


def down_by_correlation(
    replica_count: int, up_probability: float, correlation: float, round_count: int, *, seed: int
) -> Down:
    """Return who is down in each round, where the weather of the round decides how likely all are to fail.

    An urn (Pólya's) does it without a beta law: each replica that is asked after makes the next one more like it.
    """
    generator = np.random.default_rng(seed)
    strength = correlation / (1 - correlation)
    down = np.zeros((round_count, replica_count), bool)
    for place in range(replica_count):
        before = down[:, :place].sum(axis=1)
        chance = (1 - up_probability + strength * before) / (1 + strength * place)
        down[:, place] = generator.random(round_count) < chance
    return down


# ------------------------------------------------------------------------------------------------------- availability


def answered_reads(quorums: Quorums, down: Down, *, seed: int, kind: str = "read") -> int:
    """Return how many rounds' operations were answered, when a client asks replicas of which some have crashed.

    In each round of a second some replicas crash, the client asks all of them, gives up after a tenth of a second, and
    the replicas come back.

    Parameters
    ----------
    quorums
        Of replicas whose names, in order, are the columns of `down`.
    down
        For each round, for each replica: whether it is down.
    seed
        Of the run.
    kind
        "read", or "write": of a single writer.
    """
    names = sorted(quorums.names)
    faults = [
        Crash(names[place], float(number), restart_after_seconds=0.5) for number, place in np.argwhere(down).tolist()
    ]
    rounds = len(down)
    tasks = [read() if kind == "read" else write(number) for number in range(1, rounds + 1)]
    client = Punctual(
        "client",
        tuple(tasks),
        quorums,
        single_writer=kind == "write",
        patience_seconds=(0.1, 0.1),
        starts_seconds=tuple(number + 0.2 for number in range(rounds)),
    )
    nodes: dict[str, Node[Any, Any]] = {"client": client} | {name: Replica() for name in names}
    run = run_with(STILL, nodes, seed=seed, faults=faults, record=False)
    endings = [effect.outcome for _, effect in run.history if isinstance(effect, Complete)]
    assert len(endings) == rounds, f"{len(endings)} operations of {rounds} have ended"
    return endings.count(Outcome.OK)


def answered_sets(quorums: Quorums) -> tuple[int, ...]:
    """Return how many sets of k replicas, for k = 0 … n, answer a read while the others are down; all are tried."""
    names = sorted(quorums.names)
    counts = []
    for size in range(len(names) + 1):
        up_sets = list(combinations(range(len(names)), size))
        down = np.array([[place not in up for place in range(len(names))] for up in up_sets])
        counts.append(answered_reads(quorums, down, seed=0))
    return tuple(counts)


def answered_reads_over_time(
    quorums: Quorums, up_seconds_mean: float, down_seconds_mean: float, *, seed: int, read_count: int = 100
) -> int:
    """Return how many reads were answered of replicas that crash and are repaired on and on, each by itself.

    Reads are ten mean repairs apart, so that one hardly knows of the other.
    """
    names = sorted(quorums.names)
    apart = 10 * down_seconds_mean
    client = Punctual(
        "client",
        tuple(read() for _ in range(read_count)),
        quorums,
        patience_seconds=(0.001, 0.001),
        starts_seconds=tuple(apart * (number + 3) for number in range(read_count)),
    )
    faults: list[Fault] = [CrashRandomly(names, Exponential(up_seconds_mean), Exponential(down_seconds_mean))]
    nodes: dict[str, Node[Any, Any]] = {"client": client} | {name: Replica() for name in names}
    run = simulate(
        nodes,
        seed=seed,
        network=Network(Link(INSTANT)),
        faults=faults,
        until_seconds=apart * (read_count + 4),
        record=False,
    )
    return sum(isinstance(effect, Complete) and effect.outcome is Outcome.OK for _, effect in run.history)


# --------------------------------------------------------------------------------------------------------------- load


def node_visits(strategy: Strategy, read_fraction: float, operation_count: int, *, seed: int) -> dict[str, int]:
    """Return how many operations asked each replica, when a client draws a quorum for each and asks no other.

    Parameters
    ----------
    strategy
        What it draws from.
    read_fraction
        The share of reads.
    operation_count
        How many operations there are.
    seed
        Of the draws.
    """
    generator = np.random.default_rng(seed)
    tasks = []
    for number in range(1, operation_count + 1):
        if generator.random() < read_fraction:
            tasks.append(read(*strategy.draw("reads", generator)))
        else:
            tasks.append(write(number, *strategy.draw("writes", generator)))
    quorums = listed(strategy.system)
    client = Client("client", tuple(tasks), quorums, single_writer=True)
    nodes: dict[str, Node[Any, Any]] = {"client": client} | {name: Replica() for name in sorted(quorums.names)}
    run = run_with(STILL, nodes, seed=seed)
    asked = Counter(event.node for event in run.trace.of(Kind.DELIVER) if isinstance(event.value, Query | Store))
    return {name: asked[name] for name in sorted(quorums.names)}


# ------------------------------------------------------------------------------------------------------------ latency


def operation_seconds(trace: Trace) -> dict[tuple[str, str], list[float]]:
    """Return how long operations took, by client and by kind ("read" or "write")."""
    began: dict[str, tuple[str, float]] = {}
    took: dict[tuple[str, str], list[float]] = {}
    for event in trace:
        if event.kind is Kind.INVOKE:
            began[event.node] = event.value[0], event.time_seconds
        elif event.kind is Kind.COMPLETE:
            kind, since = began.pop(event.node)
            took.setdefault((event.node, kind), []).append(event.time_seconds - since)
    return took


def operation_times(
    quorums: Quorums,
    leg: Law | Mapping[str, Law],
    *,
    seed: int,
    write_back: WriteBack = WriteBack.NONE,
    operation_count: int = 20,
) -> dict[str, list[float]]:
    """Return how long reads and writes took, in seconds, one after another with nobody else about.

    Parameters
    ----------
    quorums
        Of the register.
    leg
        Law of each leg between the client and a replica; or, by replica, the law of its answers, queries being instant.
    seed, write_back, operation_count
        Of the run, of reads, and of each kind of operation.
    """
    tasks = [task for number in range(1, operation_count + 1) for task in (write(number), read())]
    nodes = registers({"client": tasks}, quorums, write_back)
    names = sorted(quorums.names)
    links = {}
    for name in names:
        out, back = (INSTANT, leg[name]) if isinstance(leg, Mapping) else (leg, leg)
        links["client", name], links[name, "client"] = Link(out), Link(back)
    run = simulate(nodes, seed=seed, network=Network(Link(INSTANT), links))
    took = operation_seconds(run.trace)
    return {kind: seconds for (_, kind), seconds in took.items()}


# ------------------------------------------------------------------------------------------------------- over sockets


def measure_answers(replica_count: int, read_quorum: int, write_quorum: int) -> tuple[bool, ...]:
    """Return whether a write and a read were answered over real sockets with 0, 1, 2, … replicas killed."""
    endings = []
    for killed in range(replica_count + 1):
        tasks = {"client": [write(1, pause_seconds=0.2), read()]}
        nodes = registers(
            tasks, sizes(replica_count, read_quorum, write_quorum), single_writer=True, patience_seconds=0.25
        )
        # Whom a replica does not hear, it does not miss: those that are to be dead are killed before the pause is over.
        with Cluster(nodes) as cluster:
            for number in range(1, killed + 1):
                cluster.kill(f"r{number}")
            cluster.wait_until(lambda trace: len(trace.of(Kind.COMPLETE, node="client")) == 2, 20.0)
            outcomes = [effect.outcome for _, effect in cluster.history if isinstance(effect, Complete)]
        endings.append(all(outcome is Outcome.OK for outcome in outcomes))
    return tuple(endings)


def measure_messages(replica_count: int, write_back: WriteBack) -> tuple[int, int]:
    """Return how many messages a read and a write took over real sockets, answers included."""
    quorum = replica_count // 2 + 1
    counts = []
    for task in (read(pause_seconds=0.1), write(1, pause_seconds=0.1)):
        nodes = registers({"client": [task]}, sizes(replica_count, quorum, quorum), write_back)
        answers = replica_count * (2 if task.operation != ("read",) or write_back is WriteBack.ALWAYS else 1)
        with Cluster(nodes) as cluster:
            # The last answers come after the operation is over, and count as well.
            cluster.wait_until(partial(_has_heard, answers), 20.0)
            counts.append(len(cluster.trace.of(Kind.SEND)))
    return counts[0], counts[1]


def _has_heard(answers: int, trace: Trace) -> bool:
    return len(trace.of(Kind.DELIVER, node="client")) == answers
