"""Registers whose replicas all take writes, on the bench: two writes in a row under clocks that are wrong.

The skews are drawn here and handed to the simulation as its clocks; what becomes of the writes is up to the protocol.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from distlib.checkers.convergence import check_convergence
from distlib.checkers.history import History
from distlib.checkers.verdict import Verdict
from distlib.models.latency import Constant, Law
from distlib.node import Node
from distlib.protocols.consistency.hybrid_logical_clock import HybridClock
from distlib.protocols.consistency.last_writer_wins import (
    Client,
    KeepsSiblings,
    LastWriterWins,
    PhysicalClock,
    Task,
    agree,
    no_silent_loss,
    quiet,
)
from distlib.runtimes.exploration import Exploration, explore
from distlib.runtimes.faults import Clock, Link, Network
from distlib.runtimes.simulation import Run, simulate

__all__ = [
    "LEG_SECONDS",
    "explore_writes",
    "is_lost",
    "judge",
    "replicas",
    "skewed",
    "state_label",
    "two_writers",
    "two_writes",
]

Nodes = Mapping[str, Node[Any, Any]]
LEG_SECONDS = 0.0005
"""How long a leg between a client and a replica takes here, unless it is said otherwise."""


def replicas(kind: str, *, names: tuple[str, ...] = ("east", "west"), repeats: int = 0) -> dict[str, Node[Any, Any]]:
    """Return replicas of a kind.

    Parameters
    ----------
    kind
        "physical" or "hybrid": the last writer wins, by such a clock; "siblings": concurrent writes are kept.
    names
        Of the replicas.
    repeats
        How often each shares what it has without being asked.

    Raises
    ------
    ValueError
        If there is no such kind.
    """

    def make(name: str) -> Node[Any, Any]:
        others = tuple(other for other in names if other != name)
        match kind:
            case "physical":
                return LastWriterWins(name, others, PhysicalClock(name), repeats)
            case "hybrid":
                return LastWriterWins(name, others, HybridClock(name), repeats)
            case "siblings":
                return KeepsSiblings(name, others, repeats)
        raise ValueError(f"`kind` must be 'physical', 'hybrid' or 'siblings', got {kind!r}")

    return {name: make(name) for name in names}


def two_writes(
    kind: str,
    *,
    seed: int,
    gap_seconds: float | None = None,
    gap: Law | None = None,
    clocks: Mapping[str, Clock] | None = None,
    reads_first: bool = False,
    tells: bool = True,
    share_seconds: float = 0.05,
    record: bool = False,
) -> Run:
    """Simulate one client that writes 1 at `east`, and then 2 at `west`.

    Parameters
    ----------
    kind
        See :func:`replicas`.
    seed
        Of the run.
    gap_seconds, gap
        One of both: how long after the first write the second one is stamped, in true time; at least two legs if it is
        constant.
    clocks
        Of the replicas.
    reads_first
        Whether it reads at `west` just before it writes there.
    tells
        Whether it hands on with a write what it has seen.
    share_seconds
        How long what replicas tell each other is on its way.
    record
        Whether to keep a trace.
    """
    if (gap_seconds is None) == (gap is None):
        raise ValueError("one of `gap_seconds` and `gap` must be given, and not both")
    pause = 0.0 if gap_seconds is None else gap_seconds - 2 * LEG_SECONDS * (2 if reads_first else 1)
    if pause < 0:
        raise ValueError(f"`gap_seconds` must be at least the legs in it, got {gap_seconds!r}")
    read = (Task("west", None, (pause, pause)),) if reads_first else ()
    tasks = (Task("east", 1), *read, Task("west", 2, (0.0, 0.0) if reads_first else (pause, pause)))
    nodes = {"client": Client(tasks, tells), **replicas(kind)}
    leg = Link(Constant(LEG_SECONDS if gap is None else 0.0))
    share = Link(Constant(share_seconds))
    links = {("east", "west"): share, ("west", "east"): share}
    if gap is not None:
        links["client", "west"] = Link(gap)
    return simulate(nodes, seed=seed, network=Network(leg, links), clocks=clocks or {}, record=record)


def skewed(deviation_seconds: float, seed: int, names: tuple[str, ...] = ("east", "west")) -> dict[str, Clock]:
    """Return clocks whose errors are normal with this deviation."""
    errors = np.random.default_rng([seed, 1978]).normal(0.0, deviation_seconds, len(names))
    return {name: Clock(float(error)) for name, error in zip(names, errors, strict=True)}


def is_lost(run: Run, value: int = 2) -> bool:
    """Return whether no replica has a value in the end."""
    ends: list[Any] = [node for node in run.nodes.values() if isinstance(node, LastWriterWins | KeepsSiblings)]
    return all(value not in node.values for node in ends)


def judge(run: Run) -> Verdict:
    """Return whether the replicas agree in the end and kept what was acknowledged, as the checker sees it."""
    ends: dict[Any, Any] = {
        name: node.values for name, node in run.nodes.items() if isinstance(node, LastWriterWins | KeepsSiblings)
    }
    history = History.from_events(run.history)
    if any(isinstance(node, KeepsSiblings) for node in run.nodes.values()):
        # Kept side by side, the values are a collection.
        added = (replace(one, operation=("add", one.asked[1])) for one in history if one.asked[0] == "write")
        return check_convergence(History(tuple(added)), {name: {None: list(found)} for name, found in ends.items()})
    final: dict[Hashable, dict[Hashable, Any]] = {
        name: {None: found[0] if found else None} for name, found in ends.items()
    }
    return check_convergence(history, final)


def two_writers(kind: str, *, replica_class: type[KeepsSiblings] | None = None) -> dict[str, Node[Any, Any]]:
    """Return an instance to explore: two clients that write, through the same replica first; one reads in between.

    Parameters
    ----------
    kind
        See :func:`replicas`.
    replica_class
        Another class of replicas that keep siblings, to put a broken one in.
    """
    nodes = replicas(kind)
    if replica_class is not None:
        nodes = {name: replica_class(name, ("west",) if name == "east" else ("east",)) for name in nodes}
    return {
        "alice": Client((Task("east", 1), Task("west"), Task("west", 3))),
        "bob": Client((Task("east", 2),)),
        **nodes,
    }


def explore_writes(nodes: Nodes, *, max_states: int = 150_000) -> Exploration:
    """Explore an instance: no acknowledged write may go unless somebody replaced it who had seen it."""
    return explore(
        nodes,
        clock_readings=(0.0, 1.0),
        always={"no silent loss": no_silent_loss},
        eventually_possible={"all agree": lambda world: quiet(world) and agree(world)},
        max_states=max_states,
    )


def state_label(node: Node[Any, Any]) -> tuple[str, str] | None:
    """Return what a figure writes on a lane: what the replica has."""
    if isinstance(node, LastWriterWins | KeepsSiblings) and node.values:
        return " and ".join(map(str, node.values)), "calm"
    return None
