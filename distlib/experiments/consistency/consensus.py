"""Raft on the bench: clusters and clients, small instances to explore, chaos to survive, and times read off traces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from functools import cache
from typing import Any

from distlib.checkers.sequential_models import Model, by_key, compare_and_set_register
from distlib.node import Node, Save, Step
from distlib.protocols.consistency.consensus import (
    Client,
    Durable,
    Entry,
    Operation,
    Role,
    Server,
    Vote,
    election_safety,
    leader_completeness,
    log_matching,
    members_operation,
    state_machine_safety,
)
from distlib.runtimes.exploration import Predicate
from distlib.runtimes.faults import Fault, Partition
from distlib.runtimes.simulation import Run, simulate

Nodes = Mapping[str, Node[Any, Any]]

SAFETY: Mapping[str, Predicate] = {
    "election safety": election_safety,
    "log matching": log_matching,
    "leader completeness": leader_completeness,
    "state machine safety": state_machine_safety,
}
"""The four invariants of figure 3 of the paper that speak of states. (The fifth, append-only leaders, is of steps.)"""

REGISTERS: Model = by_key(compare_and_set_register(""))
"""What the clients of a cluster are to see."""


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
    """
    nodes = led_by_first(cluster(count, server_class=server_class, **options))
    if operations:
        nodes["client"] = Client(("s1",), operations, pause_seconds=(0.4, 0.4))
    faults: list[Fault] = []
    if cut_off is not None:
        pairs = frozenset((source, cut_off) for source in nodes) | frozenset((cut_off, target) for target in nodes)
        faults.append(Partition(0.35, cut=pairs - {(cut_off, cut_off)}))
    return simulate(nodes, seed=0, faults=faults, until_seconds=0.44 if operations else 0.3)


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


class _Resumed(Node[Any, Any]):
    """Boots for the first time in the middle of what it did; after a crash it recovers like any other."""

    __slots__ = ()

    def on_start(self, saved: Any) -> Step[Any]:
        assert isinstance(self, Server)
        if saved is None:
            timers = self.await_beat() if self.role is Role.LEADER else self.await_leader()
            return self, (Save(self.disk), *timers)
        forgotten = {each.name: each.default for each in fields(self) if each.name in _VOLATILE}
        return super(_Resumed, replace(self, **forgotten)).on_start(saved)  # type: ignore[misc]


_VOLATILE = frozenset({"role", "leader", "votes", "commit_index", "machine", "progress", "round", "reads", "gathered"})


@cache
def _resumed(kind: type[Server]) -> type[Server]:
    return type(f"Resumed{kind.__name__}", (_Resumed, kind), {})


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
            nodes[name] = _resume(node, last_term=last_terms.get(name, 0), heartbeat_seconds=None)
    return nodes


def _resume(node: Server, **changes: Any) -> Server:
    """Return a server that boots as this one is now."""
    state = {each.name: getattr(node, each.name) for each in fields(node)}
    return _resumed(type(node))(**state | changes)


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
    """Return two servers, led by s1, and a client that sends its compare-and-set a second time if no answer comes."""
    nodes = under_way(settled(2, server_class=server_class), {})
    nodes["client"] = Client(("s1",), (("compare_and_set", "x", "", "1"),), retries=1)
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

    s1 led term 1 and began to add s5; only s5 has heard of it. Now s2 leads term 2, by the votes of s3 and s4, and is asked
    to remove s1, while s1 may stand for term 3.
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
    nodes["s2"] = _resume(leader)
    removed = members_operation(members - {"s1"})
    return dict(sorted(nodes.items())) | {"operator": Client(("s2",), (removed,), retries=0, serial=1)}
