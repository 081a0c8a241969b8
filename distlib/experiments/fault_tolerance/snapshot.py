"""Snapshots on the bench: a bank whose branches pay each other while the snapshot is taken."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any

from distlib.models.latency import Constant, Exponential, Law
from distlib.node import Node, World
from distlib.protocols.fault_tolerance.snapshot import (
    Branch,
    Customers,
    Order,
    Report,
    global_state,
    money_in_snapshot,
    money_in_world,
    recorded_state,
    snapshot_is_complete,
)
from distlib.runtimes.exploration import Exploration, explore
from distlib.runtimes.faults import Link, Network
from distlib.runtimes.network import Cluster
from distlib.runtimes.simulation import Run, simulate
from distlib.runtimes.trace import Trace

__all__ = [
    "bank",
    "branches",
    "briefly",
    "busy_bank",
    "measure_snapshot",
    "recorded_count",
    "run_bank",
    "snapshot_duration_seconds",
    "snapshots_and_instants",
    "state_label",
    "was_an_instant",
]


FOUR_MILLISECONDS = Constant(0.004)


def branches(world: World) -> dict[str, Branch]:
    """Return the branches by name."""
    return {name: node for name, node in sorted(world.nodes.items()) if isinstance(node, Branch)}


def bank(
    count: int = 3,
    *,
    branch_class: type[Branch] = Branch,
    rounds: int = 1,
    balance: int = 2,
    snapshot_seconds: float | None = 0.002,
) -> dict[str, Node[Any, Any]]:
    """Return a small bank that makes a few payments of 1.

    Parameters
    ----------
    count
        How many branches, 2 or 3: a pays b, b pays the others, c pays a.
    branch_class
        Which branches.
    rounds
        How often each makes its payments.
    balance
        What each begins with.
    snapshot_seconds
        When `a` begins a snapshot; None: never.
    """
    names = ("a", "b", "c")[:count]
    pays = {"a": ("b",), "b": ("a",) if count == 2 else ("c", "a"), "c": ("a",)}
    return {
        name: branch_class(
            name,
            tuple(peer for peer in names if peer != name),
            balance,
            tuple((target, 1) for target in pays[name]) * rounds,
            snapshot_seconds=snapshot_seconds if name == "a" else None,
        )
        for name in names
    }


def busy_bank(
    count: int, *, branch_class: type[Branch] = Branch, balance: int = 1000, snapshot_seconds: float = 0.5
) -> dict[str, Node[Any, Any]]:
    """Return a bank whose customers come all the time, to each branch for each other one."""
    names = [f"branch {number}" for number in range(1, count + 1)]
    nodes: dict[str, Node[Any, Any]] = {
        name: branch_class(
            name,
            tuple(peer for peer in names if peer != name),
            balance,
            snapshot_seconds=snapshot_seconds if name == names[0] else None,
        )
        for name in names
    }
    nodes["customers"] = Customers(tuple((source, Order(target)) for source, target in permutations(names, 2)))
    return nodes


def run_bank(
    nodes: Mapping[str, Node[Any, Any]],
    *,
    seed: int,
    delay: Law = FOUR_MILLISECONDS,
    ordered: bool = True,
    rate_per_second: float = 50.0,
    until_seconds: float | None = None,
    record: bool = True,
) -> Run:
    """Run a bank.

    Parameters
    ----------
    nodes
        From :func:`bank` or :func:`busy_bank`.
    seed
        Of the run.
    delay
        The law of the delay of each message between branches.
    ordered
        Whether the channels are FIFO.
    rate_per_second
        Of the customers, for each channel.
    until_seconds
        When it ends; None: when nothing is left to happen.
    record
        Whether to keep a trace.
    """
    names = [name for name in nodes if name != "customers"]
    links = {(source, target): Link(delay, ordered=ordered) for source, target in permutations(names, 2)}
    if "customers" in nodes:
        links |= {("customers", name): Link(Exponential(1 / rate_per_second)) for name in names}
        links |= {(name, "customers"): Link(Constant(0.0)) for name in names}
    return simulate(nodes, seed=seed, network=Network(links=links), until_seconds=until_seconds, record=record)


def recorded_count(run: Run) -> int:
    """Return how many transfers a snapshot found on the channels."""
    return sum(len(amounts) for branch in branches(run.world).values() for _, amounts in branch.channels)


def snapshot_duration_seconds(run: Run) -> float:
    """Return the time from the first recording to the completion of the last channel."""
    begins, ends = [], []
    for name in branches(run.world):
        states = [(time, node) for time, node in run.trace.states(name) if isinstance(node, Branch)]
        begins.append(next(time for time, node in states if node.recorded is not None))
        ends.append(next(time for time, node in states if node.recorded is not None and not node.open))
    return max(ends) - min(begins)


def was_an_instant(run: Run) -> bool:
    """Return whether the balances that a snapshot recorded were ever all true at the same instant of the run."""
    names = sorted(branches(run.world))
    recorded = tuple(branches(run.world)[name].recorded for name in names)
    balances: dict[str, int] = {}
    for event in run.trace:
        if isinstance(event.state, Branch):
            balances[event.node] = event.state.balance
            if tuple(balances.get(name) for name in names) == recorded:
                return True
    return False


def snapshots_and_instants(
    nodes: Mapping[str, Node[Any, Any]], *, messages: Any = "fifo"
) -> tuple[set[Any], set[Any], Exploration]:
    """Explore a bank: return every state that a snapshot showed, every state it can be in, and the exploration."""
    shown: set[Any] = set()
    instants: set[Any] = set()

    def collect(world: World) -> bool:
        instants.add(global_state(world))
        if snapshot_is_complete(world):
            shown.add(recorded_state(world))
        return True

    return shown, instants, explore(nodes, messages=messages, always={"collect": collect})


def measure_snapshot(count: int = 3) -> tuple[int, int]:
    """Take a snapshot of a bank over real sockets; return the money that it shows, and the money that there is."""
    cluster = Cluster(bank(count, rounds=8, balance=20))

    def has_all_reports(trace: Trace) -> bool:
        states = trace.states("a")
        initiator = states[-1][1] if states else None
        return isinstance(initiator, Branch) and len(initiator.reports) == count

    with cluster:
        cluster.wait_until(has_all_reports, 30)
        world = cluster.world
    return money_in_snapshot(world), money_in_world(world)


def briefly(message: Any) -> str:
    """Say a message on an arrow."""
    return "" if isinstance(message, Report) else str(message)


def state_label(node: Any) -> tuple[str, str] | None:
    """Say what a branch holds, and in brackets what it has recorded: its balance, and what was on the channels."""
    if not isinstance(node, Branch):
        return None
    if node.recorded is None:
        return f"{node.balance}", "calm"
    found = sum(sum(amounts) for _, amounts in node.channels)
    words = f"{node.balance} [{node.recorded}" + (f" + {found}]" if found else "]")
    return words, "wait" if node.open else "good"
