"""Commit wait on the bench: clocks that tick, so that an exploration knows what time it is; latencies and rates.

An exploration has no time, and the readings that it invents keep no bound. A :class:`Ticking` node carries its clock
along as a number that ticks at any moment, and hands that number to the node inside whenever it reads its clock. So the
bound on the clocks becomes a predicate of a state, :func:`clocks_within`, and states that break it are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Self

from distlib.checkers.history import History
from distlib.checkers.serializability import Verdict, check_serializability, read_transactions
from distlib.models.latency import Constant, Exponential, Law
from distlib.node import Complete, Effect, Effects, Invoke, Node, ReadClock, SetTimer, Step, World
from distlib.protocols.consistency.commit_wait import Client, Leader, Replica, Task
from distlib.runtimes.exploration import Exploration, explore
from distlib.runtimes.faults import Clock, Fault, Link, Network
from distlib.runtimes.network import Cluster
from distlib.runtimes.simulation import Run, simulate
from distlib.runtimes.trace import Kind, Trace

__all__ = [
    "Ticking",
    "clocks_within",
    "commit_latency",
    "EPSILON",
    "explore_waits",
    "inside",
    "judge",
    "keeps_order",
    "measure_waits",
    "one_write",
    "restless",
    "run_with",
    "state_label",
    "strictly_serializable",
    "two_keys",
    "writes_per_second",
]

Nodes = Mapping[str, Node[Any, Any]]


# ------------------------------------------------------------------------------------------------------------ ticking


@dataclass(frozen=True)
class Ticking(Node[Any, Any]):
    """A node with a clock that ticks.

    Parameters
    ----------
    node
        Whose clock it is.
    reading_seconds
        What the clock shows.
    last_seconds
        Where it stops, so that there are finitely many states.
    """

    node: Any
    reading_seconds: float = 0.0
    last_seconds: float = 5.0

    def on_start(self, saved: Any) -> Step[Self]:
        node, effects = self.resolving(*self.node.on_start(saved))
        return node, (*effects, *node.ticks())

    def on_message(self, source: str, message: Any) -> Step[Self]:
        return self.resolving(*self.node.on_message(source, message))

    def on_timer(self, name: Any) -> Step[Self]:
        if name == "tick":
            node = replace(self, reading_seconds=self.reading_seconds + 1)
            return node, node.ticks()
        return self.resolving(*self.node.on_timer(name))

    def ticks(self) -> Effects:
        """Return the timer of the next tick."""
        return (SetTimer("tick", (1.0, 1.0)),) if self.reading_seconds < self.last_seconds else ()

    def resolving(self, node: Any, effects: Effects) -> Step[Self]:
        """Return the step in which the node inside has had its readings, after the other effects, as in any runtime."""
        applied: list[Effect] = []
        pending = list(effects)
        while pending:
            readings = [effect for effect in pending if isinstance(effect, ReadClock)]
            applied += [effect for effect in pending if not isinstance(effect, ReadClock)]
            pending = []
            for reading in readings:
                node, more = node.on_clock(reading.name, self.reading_seconds)
                pending += more
        return (self, ()) if node is self.node and not applied else (replace(self, node=node), tuple(applied))


def clocks_within(difference_seconds: float) -> Callable[[World], bool]:
    """Return a bound for an exploration: no two clocks that tick differ by more."""

    def within(world: World) -> bool:
        readings = [node.reading_seconds for node in world.nodes.values() if isinstance(node, Ticking)]
        return max(readings) - min(readings) <= difference_seconds

    return within


# ---------------------------------------------------------------------------------------------------------- instances


EPSILON = 2.0
"""The bound on a clock's error in the instances to explore, in ticks."""


def one_write(leader_class: type[Leader] = Leader) -> dict[str, Node[Any, Any]]:
    """Return an instance to explore: a leader, a client that writes, and one that reads."""
    return {
        "writer": Client((Task(("x",), 1),)),
        "reader": Ticking(Client((Task(("x",)),), EPSILON), -1.0),
        "x": Ticking(leader_class(EPSILON, step_seconds=1.0), 0.0),
    }


def two_keys(leader_class: type[Leader] = Leader) -> dict[str, Node[Any, Any]]:
    """Return an instance to explore: two leaders; a client that writes `x`, then `y`; one that reads both at once.

    The leader of `x` is a tick ahead of that of `y` at first, and the reader a tick behind it.
    """
    leader = leader_class(EPSILON, step_seconds=1.0)
    return {
        "writer": Client((Task(("x",), 1), Task(("y",), 2))),
        "reader": Ticking(Client((Task(("x", "y")),), EPSILON), -1.0),
        "x": Ticking(leader, 1.0),
        "y": Ticking(leader, 0.0),
    }


def explore_waits(nodes: Nodes, *, stop_at_violation: bool = False, max_states: int = 150_000) -> Exploration:
    """Explore an instance whose clocks keep their bound: no two of them differ by more than twice that."""
    return explore(
        nodes,
        always={"strictly serializable": strictly_serializable},
        within=clocks_within(2 * EPSILON),
        record_history=True,
        stop_at_violation=stop_at_violation,
        max_states=max_states,
    )


def keeps_order(exploration: Exploration) -> bool:
    """Return whether nothing was found wrong in any state in which the clocks keep their bound."""
    return exploration.bound == "within" and not exploration.violations


def judge(events: Any) -> Verdict:
    """Return the verdict on what clients recorded: transactions on registers.

    Parameters
    ----------
    events
        A trace, or the history of a world.
    """
    history = History.from_trace(events) if isinstance(events, Trace) else History.from_events(events)
    return check_serializability(read_transactions(history))


@lru_cache(maxsize=1 << 16)
def _is_strict(events: tuple[tuple[str, Invoke | Complete], ...]) -> bool:
    return judge(events).holds("strict-serializable")


def strictly_serializable(world: World) -> bool:
    """Whether nothing in the clients' records contradicts one order of transactions that respects real time."""
    return _is_strict(world.history)


def inside(node: Node[Any, Any]) -> Any:
    """Return the node, without the clock around it."""
    return node.node if isinstance(node, Ticking) else node


def state_label(node: Node[Any, Any]) -> tuple[str, str] | None:
    """Return what a figure writes on a lane: what the clock shows, and the stamp that is waited for."""
    own = inside(node)
    clock = f"{node.reading_seconds:g}" if isinstance(node, Ticking) else ""
    if isinstance(own, Leader) and own.version is not None:
        return (f"{clock} · waits for {own.version[0]:.6g}" if clock else "waits"), "wait"
    return (clock, "calm") if clock else None


# ----------------------------------------------------------------------------------------------------- what runs show


def run_with(
    epsilon_seconds: float,
    replication: Law,
    *,
    seed: int,
    writers: int = 1,
    writes: int = 1,
    leader_class: type[Leader] = Leader,
    clocks: Mapping[str, Clock] | None = None,
    faults: tuple[Fault, ...] = (),
) -> Run:
    """Simulate writers of one key whose leader has one replica; replication takes what `replication` says, to and fro.

    All other legs take no time.
    """
    nodes: dict[str, Node[Any, Any]] = {
        "x": leader_class(epsilon_seconds, ("replica",)),
        "replica": Replica(),
    }
    for number in range(writers):
        tasks = tuple(Task(("x",), number * writes + turn + 1) for turn in range(writes))
        nodes[f"writer {number}"] = Client(tasks)
    network = Network(Link(Constant(0.0)), {("x", "replica"): Link(replication)})
    return simulate(nodes, seed=seed, network=network, clocks=clocks or {}, faults=faults)


def restless(
    leader_class: type[Leader] = Leader, *, seed: int, epsilon_seconds: float = 0.004, faults: tuple[Fault, ...] = ()
) -> Run:
    """Simulate two leaders at the ends of their bound, a client that writes both in turn, and two that read both."""
    nodes, clocks = _restless(leader_class, epsilon_seconds)
    network = Network(Link(Exponential(0.0005)))
    return simulate(nodes, seed=seed, network=network, clocks=clocks, faults=faults)


def measure_waits(epsilon_seconds: float = 0.004) -> tuple[bool, bool]:
    """Do the same over real sockets, and return two verdicts.

    Returns
    -------
    tuple
        Whether the clients saw one order in real time, and whether each write took at least twice the uncertainty.
    """
    nodes, clocks = _restless(Leader, epsilon_seconds)
    total = sum(len(node.tasks) for node in nodes.values() if isinstance(node, Client))
    with Cluster(nodes, clocks=clocks, saved=tuple) as cluster:
        trace = cluster.wait_until(lambda trace: len(trace.of(Kind.COMPLETE)) == total, 30)
    took = [
        event.time_seconds - trace[event.cause].time_seconds
        for event in trace.of(Kind.COMPLETE, node="writer")
        if event.cause is not None
    ]
    return judge(trace).holds("strict-serializable"), min(took) >= 2 * epsilon_seconds


def _restless(leader_class: type[Leader], epsilon_seconds: float) -> tuple[dict[str, Node[Any, Any]], dict[str, Clock]]:
    writes = tuple(Task(("x" if turn % 2 else "y",), turn + 1, (0.0, 0.001)) for turn in range(12))
    reads = tuple(Task(("x", "y"), None, (0.0, 0.004)) for _ in range(12))
    nodes: dict[str, Node[Any, Any]] = {
        "x": leader_class(epsilon_seconds),
        "y": leader_class(epsilon_seconds),
        "writer": Client(writes),
        "early": Client(reads, epsilon_seconds),
        "late": Client(reads, epsilon_seconds),
    }
    ahead, behind = Clock(epsilon_seconds), Clock(-epsilon_seconds)
    return nodes, {"x": ahead, "y": behind, "early": ahead, "late": behind}


def commit_latency(epsilon_seconds: float, replication: Law, *, seed: int, clock: Clock | None = None) -> float:
    """Return how long a write takes, from its arrival at the leader until the client is told, in seconds."""
    clocks = {} if clock is None else {"x": clock}
    run = run_with(epsilon_seconds, replication, seed=seed, clocks=clocks)
    (invoked,), (completed,) = run.trace.of(Kind.INVOKE), run.trace.of(Kind.COMPLETE)
    return completed.time_seconds - invoked.time_seconds


def writes_per_second(
    epsilon_seconds: float, replication: Law, *, seed: int, writers: int = 4, writes: int = 25
) -> float:
    """Return how many writes of one key a second are done while somebody always waits."""
    trace: Trace = run_with(epsilon_seconds, replication, seed=seed, writers=writers, writes=writes).trace
    ends = [event.time_seconds for event in trace.of(Kind.COMPLETE)]
    return (len(ends) - 1) / (ends[-1] - ends[0])
