"""Timestamp ordering on the bench: small instances to explore, and clients whose clocks are behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from distlib.checkers.history import History
from distlib.checkers.serializability import Verdict, check_serializability, read_transactions
from distlib.models.latency import Law
from distlib.node import Complete, Invoke, Node, Outcome, World
from distlib.protocols.consistency.timestamp_ordering import Client, Program, Rule, Store
from distlib.runtimes.exploration import Exploration, explore
from distlib.runtimes.faults import Clock, Link, Network
from distlib.runtimes.simulation import Run, simulate
from distlib.runtimes.trace import Trace

__all__ = [
    "counters",
    "explore_order",
    "judge",
    "late_writer",
    "refusals",
    "serializable",
    "state_label",
    "two_counters",
    "write_skew",
]

Nodes = Mapping[str, Node[Any, Any]]


def _instance(store: Store, programs: Mapping[str, Sequence[Program]]) -> dict[str, Node[Any, Any]]:
    clients = {name: Client(name, "store", tuple(mine), attempts=1) for name, mine in programs.items()}
    return {"store": store, **clients}


def two_counters(store: Store) -> dict[str, Node[Any, Any]]:
    """Return an instance to explore: two clients that each read a key and write it."""
    return _instance(store, {name: [Program(("x",), ("x",))] for name in ("a", "b")})


def write_skew(store: Store) -> dict[str, Node[Any, Any]]:
    """Return an instance to explore: each of two clients reads what the other writes."""
    return _instance(store, {"a": [Program(("x",), ("y",))], "b": [Program(("y",), ("x",))]})


def late_writer(store: Store) -> dict[str, Node[Any, Any]]:
    """Return an instance to explore: `a` writes two keys, `b` writes one of them, `c` reads both."""
    return _instance(store, {"a": [Program((), ("x", "y"))], "b": [Program((), ("x",))], "c": [Program(("x", "y"))]})


def explore_order(
    nodes: Nodes,
    readings: Sequence[float] = (0.0, 1.0, 2.0),
    *,
    crashes: int = 0,
    level: str = "serializable",
    max_states: int = 150_000,
) -> Exploration:
    """Explore an instance whose clients' clocks show any of the readings whenever they are read.

    Parameters
    ----------
    nodes
        Such as :func:`write_skew` returns.
    readings
        What a clock may show.
    crashes
        How often the store may crash.
    level
        The isolation level that is claimed.
    max_states
        A bound.
    """
    return explore(
        nodes,
        clock_readings=readings,
        always={level: serializable(level)},
        crashes={"store": crashes},
        record_history=True,
        max_states=max_states,
    )


def judge(events: Any, *, in_real_time: bool = False) -> Verdict:
    """Return the verdict on what clients recorded.

    Parameters
    ----------
    events
        A trace, or the history of a world.
    in_real_time
        Whether real time is to order the versions of a key, also those that nobody read: what strict serializability
        asks for, and no weaker level does.
    """
    history = History.from_trace(events) if isinstance(events, Trace) else History.from_events(events)
    return check_serializability(read_transactions(history), linearizable_keys=in_real_time)


@lru_cache(maxsize=1 << 16)
def _holds(events: tuple[tuple[str, Invoke | Complete], ...], level: str) -> bool:
    return judge(events, in_real_time=level == "strict-serializable").holds(level)


def serializable(level: str = "serializable") -> Any:
    """Return an invariant: nothing in the clients' records contradicts an isolation level."""

    def serializable(world: World) -> bool:
        return _holds(world.history, level)

    return serializable


def state_label(node: Node[Any, Any]) -> tuple[str, str] | None:
    """Return what a figure writes on a lane: the stamp of the transaction under way."""
    if isinstance(node, Client) and node.stamp[0] > float("-inf"):
        return f"at {node.stamp[0]:.6g}", "calm"
    return None


# ----------------------------------------------------------------------------------------------------- what runs show


def counters(
    rule: Rule,
    client_count: int,
    transactions: int,
    *,
    seed: int,
    leg: Law,
    behind_seconds: float = 0.0,
    learns: bool = True,
    keys: int = 4,
    reads_only_every: int = 2,
    record: bool = True,
) -> Run:
    """Simulate clients that count up keys, and every so often read all of them; the clock of the last one is behind.

    Parameters
    ----------
    rule
        The store's.
    client_count, transactions
        How many clients, and how many programs each has.
    seed
        Of the run.
    leg
        The law of a leg.
    behind_seconds
        By how much the clock of the last client is behind the others.
    learns
        Whether clients take a stamp above one that they were refused for.
    keys
        How many.
    reads_only_every
        Every so many programs is one that only reads.
    record
        Whether to keep a trace.
    """
    names = [f"c{number}" for number in range(client_count)]
    held = [f"k{number}" for number in range(keys)]
    nodes: dict[str, Node[Any, Any]] = {"store": Store(rule)}
    for place, name in enumerate(names):
        programs = []
        for turn in range(transactions):
            key = held[(place + turn) % keys]
            reads_all = turn % reads_only_every == reads_only_every - 1
            pause = (0.0, 0.004)
            programs.append(Program(tuple(held), (), pause) if reads_all else Program((key,), (key,), pause))
        nodes[name] = Client(name, "store", tuple(programs), attempts=40, learns=learns)
    clocks = {names[-1]: Clock(-behind_seconds)}
    return simulate(nodes, seed=seed, network=Network(Link(leg)), clocks=clocks, record=record)


def refusals(run: Run) -> dict[str, tuple[int, int]]:
    """Return, for each client, how many attempts were refused, and how many there were."""
    counts: dict[str, tuple[int, int]] = {}
    for name, event in run.history:
        if isinstance(event, Complete):
            refused, tried = counts.get(name, (0, 0))
            counts[name] = (refused + (event.outcome is Outcome.FAIL), tried + 1)
    return counts
