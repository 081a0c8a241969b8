"""The register on the bench, and histories that tell the consistency models apart.

Histories are written as rows of text and judged by the project's checkers. Runs take nothing from the model but the
law of a leg: a latency measured here is a difference of two events in a trace.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from distlib.checkers.causal import check_causal
from distlib.checkers.convergence import check_convergence
from distlib.checkers.history import History, Operation
from distlib.checkers.linearizability import Judgement, check_linearizable
from distlib.checkers.sequential import check_sequential
from distlib.checkers.sequential_models import Model, by_key, register
from distlib.checkers.sessions import check_session_guarantees
from distlib.models.latency import Constant, Exponential, Law
from distlib.node import Node, Outcome
from distlib.protocols.core_concepts import (
    Client,
    CutOff,
    Disk,
    MajorityReplica,
    Replica,
    Stamp,
    Task,
    Version,
)
from distlib.runtimes.faults import Fault, Link, Network
from distlib.runtimes.network import Cluster
from distlib.runtimes.simulation import Run, simulate
from distlib.runtimes.trace import Kind, Trace

__all__ = [
    "EXAMPLES",
    "MODELS",
    "REGISTERS",
    "REPLICAS",
    "Example",
    "all_small_histories",
    "briefly",
    "cut_off",
    "history_of",
    "judge",
    "judge_example",
    "latencies",
    "measure_partition",
    "outcomes",
    "poisson_tasks",
    "read",
    "registers",
    "replica_view",
    "run_with",
    "stale_reads",
    "state_label",
    "write",
    "write_under_way",
]

Nodes = Mapping[str, Node[Any, Any]]
REGISTERS: Model = by_key(register(0))
"""Registers x, y, z … that hold 0 at first."""
SESSIONS = ("read your writes", "monotonic reads", "monotonic writes", "writes follow reads")
MODELS = ("linearizable", "sequential", "causal", *SESSIONS)

# -------------------------------------------------------------------------------------------------------- histories


@dataclass(frozen=True)
class Example:
    """A history, and what the replicas hold in the end.

    Parameters
    ----------
    name
        What it is called in a table.
    history
        What the clients saw.
    settled
        By replica and register: what it gives when everything has come to rest.
    """

    name: str
    history: History
    settled: Mapping[Hashable, Mapping[Hashable, Any]]


def history_of(*rows: str) -> History:
    """Return the history that rows of text describe.

    Parameters
    ----------
    rows
        Each ``client begin end write register value``, or ``read`` with the value that came back.

    Raises
    ------
    ValueError
        If a row is none.

    Examples
    --------
    >>> print(history_of("alice 0 1 write x 1", "bob 2 3 read x 0"))
    0.0–1.0  alice: write 'x' 1
    2.0–3.0  bob: read 'x' → 0
    """
    operations = []
    for row in rows:
        match row.split():
            case [client, begin, end, "write", key, value]:
                one = Operation(client, ("write", key, int(value)), None, float(begin), float(end))
            case [client, begin, end, "read", key, value]:
                one = Operation(client, ("read", key), int(value), float(begin), float(end))
            case _:
                raise ValueError(f"`rows` must be 'client begin end write|read register value', got {row!r}")
        operations.append(one)
    return History(tuple(operations))


def judge(history: History) -> dict[str, bool]:
    """Return for each of :data:`MODELS` whether it allows a history of registers that hold 0 at first."""
    linearizable = check_linearizable(history, REGISTERS, explain=False).judgement
    if linearizable is Judgement.UNKNOWN:
        raise RuntimeError(f"the budget is too little to judge\n{history}")
    verdicts = {
        "linearizable": linearizable is Judgement.LINEARIZABLE,
        "sequential": check_sequential(history, REGISTERS).holds,
        "causal": check_causal(history, initial=0).holds,
    }
    return verdicts | {name: verdict.holds for name, verdict in check_session_guarantees(history, initial=0).items()}


def judge_example(example: Example) -> dict[str, bool]:
    """Return the verdicts of :func:`judge`, and whether the replicas end alike with nothing acknowledged lost."""
    settled = check_convergence(example.history, example.settled, initial=0)
    return judge(example.history) | {"converges": settled.holds}


def _settled(**values: int) -> dict[Hashable, dict[Hashable, Any]]:
    held: dict[Hashable, Any] = dict(values.items())
    return {"r1": held, "r2": held}


EXAMPLES: tuple[Example, ...] = (
    Example(
        "overlap",
        history_of(
            "alice 0 5 write x 1", "bob 1 2 read x 0", "bob 3 4 read x 1", "carol 1.5 3.5 read x 1"
        ),
        _settled(x=1),
    ),
    Example(
        "late news",
        history_of("alice 0 1 write x 1", "bob 2 3 read x 0", "bob 4 5 read x 1"),
        _settled(x=1),
    ),
    Example(
        "both miss",
        history_of("alice 0 2 write x 1", "bob 1 3 write y 1", "alice 4 6 read y 0", "bob 5 7 read x 0"),
        _settled(x=1, y=1),
    ),
    Example(
        "two orders",
        history_of(
            "alice 0 2 write x 1", "bob 1 3 write x 2",
            "carol 4 6 read x 1", "dave 5 7 read x 2", "carol 8 10 read x 2", "dave 9 11 read x 1",
        ),
        {"r1": {"x": 2}, "r2": {"x": 1}},
    ),
    Example(
        "broken chain",
        history_of(
            "alice 0 1 write x 1", "alice 2 3 write y 1", "bob 4 5 read y 1", "bob 6 7 write z 1",
            "carol 8 9 read z 1", "carol 10 11 read x 0",
        ),
        _settled(x=1, y=1, z=1),
    ),
    Example("own write gone", history_of("alice 0 1 write x 1", "alice 2 3 read x 0"), _settled(x=1)),
    Example(
        "back in time", history_of("alice 0 1 write x 1", "bob 2 3 read x 1", "bob 4 5 read x 0"), _settled(x=1)
    ),
    Example(
        "second first",
        history_of("alice 0 1 write x 1", "alice 2 3 write y 1", "bob 4 5 read y 1", "bob 6 7 read x 0"),
        _settled(x=1, y=1),
    ),
    Example(
        "answer first",
        history_of(
            "alice 0 1 write x 1", "bob 2 3 read x 1", "bob 4 5 write y 1", "carol 6 7 read y 1", "carol 8 9 read x 0"
        ),
        _settled(x=1, y=1),
    ),
)  # fmt: skip
"""From what every model allows to what the weakest of them forbid."""


def all_small_histories() -> Iterator[History]:
    """Yield every history of one small program: three writes, and four reads with each result that there can be."""
    for own, between, first, second in product(range(4), repeat=4):
        yield history_of(
            "alice 0 3 write x 1", "alice 5 9 write x 2", f"alice 13 14 read x {own}",
            f"bob 1 6 read x {between}", "bob 7 11 write x 3",
            f"carol 4 8 read x {first}", f"carol 10 12 read x {second}",
        )  # fmt: skip


# ----------------------------------------------------------------------------------------------------- the register

REPLICAS = ("r1", "r2", "r3")
NEXT_DOOR = Constant(0.0)


def write(value: int, replica: str, pause_seconds: float = 0.0) -> Task:
    """Return the task to write `value` at `replica`, after a pause."""
    return Task(("write", value), replica, (pause_seconds, pause_seconds))


def read(replica: str, pause_seconds: float = 0.0) -> Task:
    """Return the task to read at `replica`, after a pause."""
    return Task(("read",), replica, (pause_seconds, pause_seconds))


def registers(
    replica_class: type[Replica],
    tasks: Mapping[str, Sequence[Task]],
    *,
    replica_count: int = 3,
    patience_seconds: float = 1.0,
    resend_seconds: float = 0.1,
) -> dict[str, Node[Any, Any]]:
    """Return clients with their tasks, and the replicas `r1`, `r2` and so on.

    Parameters
    ----------
    replica_class
        Which kind.
    tasks
        By client.
    replica_count
        How many replicas, at least 1.
    patience_seconds
        How long clients wait for an answer.
    resend_seconds
        How long replicas wait before they ask again.
    """
    if replica_count < 1:
        raise ValueError(f"`replica_count` must be at least 1, got {replica_count}")
    names = [f"r{number}" for number in range(1, replica_count + 1)]
    nodes: dict[str, Node[Any, Any]] = {
        client: Client(tuple(todo), (patience_seconds, patience_seconds)) for client, todo in tasks.items()
    }
    for name in names:
        others = tuple(other for other in names if other != name)
        nodes[name] = replica_class(name, others, (resend_seconds, resend_seconds))
    return nodes


def write_under_way(replica_class: type[Replica]) -> dict[str, Node[Any, Any]]:
    """Return an instance in which `r1` has accepted Alice's write of 1 and told nobody yet; Bob is to read twice."""
    nodes = registers(replica_class, {"alice": [write(1, "r1")], "bob": [read("r2"), read("r2")]})
    accepted = Disk().accepting("alice", 1, Version(1, Stamp(1, "r1")))
    nodes["r1"] = replica_class("r1", ("r2", "r3"), disk=accepted)
    return nodes


def cut_off(nodes: Nodes, minority: Sequence[str] = ("r1",)) -> dict[str, Node[Any, Any]]:
    """Return the nodes with a partition that never heals: nothing passes between `minority` and the other replicas."""
    names = {name for name, node in nodes.items() if isinstance(node, Replica)}
    return {
        name: CutOff(node, frozenset(names - {*minority} if name in minority else minority)) if name in names else node
        for name, node in nodes.items()
    }


def run_with(
    leg: Law,
    nodes: Nodes,
    *,
    seed: int,
    faults: Sequence[Fault] = (),
    loss_probability: float = 0.0,
    until_seconds: float | None = None,
    client_leg: Law = NEXT_DOOR,
    record: bool = True,
) -> Run:
    """Simulate `nodes`: messages between replicas take `leg` and may be lost, those of clients `client_leg`.

    Parameters
    ----------
    leg
        Law of one leg between two replicas, in seconds.
    nodes
        Such as :func:`registers` returns.
    seed, faults, until_seconds, record
        See :func:`~distlib.runtimes.simulation.simulate`.
    loss_probability
        Of each message between replicas.
    client_leg
        Law of one leg between a client and a replica, in seconds. By default a client sits next to its replica.
    """
    replicas = [name for name, node in nodes.items() if isinstance(node, Replica)]
    near = Link(client_leg)
    links = {
        pair: near
        for client in nodes.keys() - set(replicas)
        for replica in replicas
        for pair in ((client, replica), (replica, client))
    }
    network = Network(Link(leg, loss_probability), links)
    return simulate(nodes, seed=seed, network=network, faults=faults, until_seconds=until_seconds, record=record)


def briefly(message: Any) -> str:
    """Return what a figure writes on a message."""
    return str(message)


def state_label(node: Node[Any, Any]) -> tuple[str, str] | None:
    """Return what a figure writes on the lane of `node`, and in which tone."""
    inner = node.inner if isinstance(node, CutOff) else node
    if isinstance(inner, MajorityReplica) and inner.rounds:
        current = inner.rounds[0][1]
        return ("storing" if current.storing else "querying"), "wait"
    if isinstance(inner, Replica):
        value = inner.disk.version.value
        return f"holds {value}", "good" if value else "calm"
    return None


# ------------------------------------------------------------------------------------------------- what a run shows


def latencies(trace: Trace, kind: str) -> list[float]:
    """Return the seconds from request to answer of each operation of a kind, "read" or "write", that was answered."""
    begun: dict[str, tuple[str, float]] = {}
    found = []
    for event in trace.of(Kind.INVOKE, Kind.COMPLETE):
        if event.kind is Kind.INVOKE:
            begun[event.node] = (event.value[0], event.time_seconds)
        elif event.value[1] is Outcome.OK and begun[event.node][0] == kind:
            found.append(event.time_seconds - begun[event.node][1])
    return found


def outcomes(run: Run) -> dict[str, tuple[int, int]]:
    """Return by client how many operations were answered, and how many it gave up on."""
    counted: dict[str, tuple[int, int]] = {}
    for operation in History.from_events(run.history):
        answered, given_up = counted.get(str(operation.process), (0, 0))
        is_answered = operation.outcome is Outcome.OK
        counted[str(operation.process)] = (answered + is_answered, given_up + (not is_answered))
    return counted


def stale_reads(run: Run) -> list[bool]:
    """Return for each answered read whether it missed the latest write that had been answered before it began."""
    history = History.from_events(run.history)
    writes = [one for one in history if one.operation[0] == "write" and one.outcome is Outcome.OK]  # type: ignore[index]
    values = [one.operation[1] for one in writes]  # type: ignore[index]
    found = []
    for one in history:
        if one.operation == ("read",) and one.outcome is Outcome.OK:
            before = [place for place, each in enumerate(writes) if each.latest < one.invoked]
            seen = values.index(one.result) if one.result in values else -1
            found.append(bool(before) and seen < before[-1])
    return found


def poisson_tasks(seed: int, count: int, writes_per_second: float, replica: str = "r1") -> list[Task]:
    """Return `count` writes whose pauses are exponential, drawn from `seed`: a client's Poisson process."""
    pauses = Exponential(1 / writes_per_second).rvs(size=count, random_state=np.random.default_rng(seed))
    return [write(value, replica, float(pause)) for value, pause in enumerate(pauses, start=1)]


def replica_view(trace: Trace, names: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return what these nodes took in and did, in order: all that an algorithm that runs on them can know."""
    kinds = (Kind.START, Kind.DELIVER, Kind.TIMER, Kind.INVOKE, Kind.COMPLETE)
    return [
        (round(event.time_seconds, 9), event.kind, event.node, event.value, event.peer)
        for event in trace.of(*kinds)
        if event.node in names
    ]


def measure_partition(replica_class: type[Replica], *, patience_seconds: float = 0.4) -> dict[str, tuple[int, int]]:
    """Return what :func:`outcomes` does, over real sockets: `alice` is at r1, `bob` at r3, and r1 is cut off.

    Parameters
    ----------
    replica_class
        Which kind of replica.
    patience_seconds
        How long clients wait.
    """
    tasks = {"alice": [write(1, "r1", 0.2), read("r1")], "bob": [write(2, "r3", 0.2), read("r3")]}
    nodes = registers(replica_class, tasks, patience_seconds=patience_seconds, resend_seconds=0.05)
    with Cluster(nodes) as cluster:
        cluster.partition([{"r1"}, {"r2", "r3"}])
        trace = cluster.wait_until(lambda trace: len(trace.of(Kind.COMPLETE)) == 4, 30)
    found: dict[str, tuple[int, int]] = {}
    for event in trace.of(Kind.COMPLETE):
        answered, given_up = found.get(event.node, (0, 0))
        is_answered = event.value[1] is Outcome.OK
        found[event.node] = (answered + is_answered, given_up + (not is_answered))
    return found
