"""Paxos Commit on the bench, beside two-phase and three-phase commit: the same banks, faults and way of counting.

The machines of the co-located form: on the first are the client, the first leader (or the coordinator), the first
resource manager and the first acceptor; on machine i are resource manager i, leader i and acceptor i, as far as there
are any. A message that stays on its machine takes no time and is not counted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from distlib.experiments.transactions import three_phase_commit as three_phase
from distlib.experiments.transactions import two_phase_commit as two_phase
from distlib.models.latency import Constant, Law
from distlib.models.transactions.paxos_commit import PROTOCOLS, Bill
from distlib.models.transactions.two_phase_commit import CommitTiming
from distlib.node import Node
from distlib.protocols.transactions import three_phase_commit, two_phase_commit
from distlib.protocols.transactions.paxos_commit import (
    Acceptor,
    AcceptorRecord,
    Client,
    Decision,
    Leader,
    Prepare,
    Propose,
    ResourceManager,
    State,
    decisions,
    nobody_waits,
)
from distlib.runtimes.faults import Crash, CrashAfterEffect, Fault, Link, Network, Partition
from distlib.runtimes.network import Cluster
from distlib.runtimes.simulation import Run, simulate
from distlib.runtimes.trace import Event, Kind, Trace

__all__ = [
    "STORIES",
    "banks",
    "bill_of",
    "commit_latency",
    "decided",
    "ending",
    "measure_messages",
    "measure_takeover",
    "run_with",
    "small",
    "split",
    "state_label",
    "with_acceptors_down",
]

Nodes = Mapping[str, Node[Any, Any]]


def banks(
    manager_count: int,
    fault_count: int = 1,
    *,
    faster: bool = False,
    refuse: Collection[str] = (),
    leader_count: int = 2,
    patience_seconds: float = 0.1,
) -> dict[str, Node[Any, Any]]:
    """Return a client, leaders `l1` …, resource managers `p1` …, and acceptors `a1` … `a(2F+1)`.

    Parameters
    ----------
    manager_count, fault_count
        N, at least 1, and F, at least 0.
    faster
        Whether acceptors tell the resource managers instead of the leader.
    refuse
        Names of the resource managers that vote "aborted".
    leader_count
        How many nodes may lead.
    patience_seconds
        Of the resource managers; leaders wait half as long again and more, each one longer than the one before it.
    """
    if manager_count < 1 or fault_count < 0:
        raise ValueError(f"`manager_count` must be >= 1 and `fault_count` >= 0, got {manager_count}, {fault_count}")
    managers, leaders, acceptors = (
        tuple(f"{letter}{number}" for number in range(1, count + 1))
        for letter, count in (("p", manager_count), ("l", leader_count), ("a", 2 * fault_count + 1))
    )
    patience = (patience_seconds, patience_seconds)
    nodes: dict[str, Node[Any, Any]] = {"client": Client(leaders, (4 * patience_seconds, 4 * patience_seconds))}
    for rank, name in enumerate(leaders):
        wait = (1.5 + 0.5 * rank) * patience_seconds
        nodes[name] = Leader(name, leaders, managers, acceptors, "client", (wait, wait))
    for name in managers:
        tells = ("client", "l1") if faster and name == "p1" else ()
        active = acceptors[: fault_count + 1]
        nodes[name] = ResourceManager(name, managers, leaders, active, name not in refuse, patience, tells=tells)
    for name in acceptors:
        nodes[name] = Acceptor(managers, managers if faster else ("l1",))
    return nodes


def small(
    manager_count: int,
    *,
    manager_class: type[ResourceManager] = ResourceManager,
    acceptor_class: type[Acceptor] = Acceptor,
    leader_class: type[Leader] = Leader,
    leader_count: int = 2,
    first_ballots: int = 1,
    inquiries: int = 1,
    asked: str = "l2",
) -> dict[str, Node[Any, Any]]:
    """Return an instance to explore, with three acceptors and no client.

    Parameters
    ----------
    manager_count
        How many resource managers.
    manager_class, acceptor_class, leader_class
        To put broken ones in.
    leader_count
        1 or 2; each may begin one ballot, the first one `first_ballots`.
    first_ballots
        How many ballots the first leader may begin.
    inquiries
        How often a resource manager may ask.
    asked
        Which leader it asks.
    """
    managers = tuple(f"p{number}" for number in range(1, manager_count + 1))
    leaders, acceptors = tuple(f"l{number}" for number in range(1, leader_count + 1)), ("a1", "a2", "a3")
    nodes: dict[str, Node[Any, Any]] = {}
    for rank, name in enumerate(leaders):
        ballots = first_ballots if rank == 0 else 1
        nodes[name] = leader_class(name, leaders, managers, acceptors, ballots=ballots, starts=rank == 0)
    for name in managers:
        nodes[name] = manager_class(name, managers, (asked,), acceptors[:2], inquiries=inquiries)
    for name in acceptors:
        nodes[name] = acceptor_class(managers, ("l1",))
    return nodes


def machine(name: str) -> str:
    """Return the machine that a node is on in the co-located form."""
    number = "".join(character for character in name if character.isdigit())
    return number or "1"


def _links(nodes: Nodes, *, co_located: bool) -> dict[tuple[str, str], Link]:
    """Return the links that take no time."""
    return {
        (source, target): Link(Constant(0.0))
        for source in nodes
        for target in nodes
        if (machine(source) == machine(target) if co_located else "client" in (source, target))
    }


def run_with(
    timing: CommitTiming,
    nodes: Nodes,
    *,
    seed: int,
    faults: Sequence[Fault] = (),
    co_located: bool = False,
    until_seconds: float | None = None,
    record: bool = True,
) -> Run:
    """Simulate nodes of any of the protocols; acceptors and coordinators force as `timing` says of its coordinator.

    The client's messages take no time, and with `co_located` none does that stays on a machine.
    """
    disks: dict[str, Law] = {}
    for name, node in nodes.items():
        if isinstance(node, ResourceManager | three_phase_commit.Participant | two_phase_commit.Participant):
            disks[name] = Constant(timing.participant_force_seconds)
        elif isinstance(node, Acceptor | three_phase_commit.Coordinator | two_phase_commit.Coordinator):
            disks[name] = Constant(timing.coordinator_force_seconds)
    return simulate(
        nodes,
        seed=seed,
        network=Network(Link(timing.request), _links(nodes, co_located=co_located)),
        save_latency=disks,
        faults=faults,
        until_seconds=until_seconds,
        record=record,
    )


def state_label(node: Node[Any, Any]) -> tuple[str, str] | None:
    """Return what a figure writes on the lane of `node`, and in which tone."""
    tones = {State.PREPARED: "wait", State.COMMITTED: "good", State.ABORTED: "bad"}
    if isinstance(node, ResourceManager) and node.state in tones:
        return node.state.value, tones[node.state]
    if isinstance(node, Acceptor) and (node.record.accepted or node.record.promised):
        return str(node.record), "calm"
    if isinstance(node, Acceptor) and node.pending:
        return "waits for votes", "calm"
    if isinstance(node, Leader) and node.commit is not None:
        return State.of(node.commit).value, tones[State.of(node.commit)]
    if isinstance(node, Leader) and node.ballot:
        return f"ballot {node.ballot}", "calm"
    return None


# ------------------------------------------------------------------------------------------------- what a run shows


def commit_latency(trace: Trace) -> float:
    """Return the seconds from the first request sent until the first leader tells the outcome."""
    asked = trace.of(Kind.SEND, where=lambda event: isinstance(event.value, Prepare))[0]
    told = trace.of(Kind.SEND, node="l1", where=lambda event: isinstance(event.value, Decision))[0]
    return told.time_seconds - asked.time_seconds


def decided(run: Run) -> bool:
    """Return whether every resource manager that is up knows the outcome."""
    return bool(decisions(run.world)) and nobody_waits(run.world)


def with_acceptors_down(
    timing: CommitTiming, fault_count: int, down_probability: float, *, seed: int, one_rack: bool = False
) -> Run:
    """Simulate a commit in which each acceptor is down from the start with that probability, each for itself.

    With `one_rack`, all but the last acceptor stand in one rack and are down together.
    """
    nodes = banks(timing.participant_count, fault_count)
    acceptors = [name for name, node in nodes.items() if isinstance(node, Acceptor)]
    draws = np.random.default_rng([seed, 2006]).random(len(acceptors)).tolist()
    if one_rack:
        draws = [draws[0]] * (len(draws) - 1) + draws[-1:]
    faults = [Crash(name, 0.0) for name, draw in zip(acceptors, draws, strict=True) if draw < down_probability]
    return run_with(timing, nodes, seed=seed, faults=faults, until_seconds=2.0, record=False)


# -------------------------------------------------------------------------------------------------------- the bill


def _nodes_of(protocol: str, count: int, fault_count: int, patience_seconds: float) -> dict[str, Node[Any, Any]]:
    """Return the nodes of one of the protocols."""
    match protocol:
        case "two-phase commit":
            return two_phase.bank(count, patience_seconds=patience_seconds)
        case "three-phase commit":
            return three_phase.banks(count, patience_seconds=patience_seconds)
        case "Paxos Commit" | "faster Paxos Commit":
            faster = protocol.startswith("faster")
            return banks(count, fault_count, faster=faster, patience_seconds=patience_seconds)
        case _:
            raise ValueError(f"`protocol` must be one of {', '.join(map(repr, PROTOCOLS))}, got {protocol!r}")


def bill_of(protocol: str, manager_count: int, fault_count: int = 1, *, co_located: bool = True) -> Bill:
    """Return what one commit costs, counted in a run in which every leg takes a millisecond and a write nothing.

    Counted are messages between machines, the client's and acknowledgements of the decision left out; the legs that
    pass until the last resource manager hears the outcome; and the forced writes of votes, of accepted values and of
    the coordinator's decision, before the first resource manager hears it.
    """
    leg_seconds = 0.001
    nodes = _nodes_of(protocol, manager_count, fault_count, 60.0)
    timing = CommitTiming(manager_count, Constant(leg_seconds))
    trace = run_with(timing, nodes, seed=1, co_located=co_located, until_seconds=1.0).trace
    sent = _sent(trace, co_located=co_located)
    outcomes = [event for event in trace.of(Kind.SAVE) if _is_outcome(event)]
    first, last = outcomes[0].number, outcomes[-1].time_seconds
    forced = [event for event in trace.of(Kind.SAVE) if event.number < first and _counts(event)]
    return Bill(round(last / leg_seconds), len(sent), len(forced))


def measure_messages(protocol: str, manager_count: int, fault_count: int = 1) -> int:
    """Return the messages between machines of one commit over real sockets, counted as :func:`bill_of` counts."""
    nodes = _nodes_of(protocol, manager_count, fault_count, 60.0)
    with Cluster(nodes) as cluster:
        trace = cluster.wait_until(
            lambda trace: len({event.node for event in trace.of(Kind.SAVE) if _is_outcome(event)}) == manager_count, 30
        )
    return len(_sent(trace, co_located=True))


def measure_takeover(nodes: Nodes, *, crash_point: int) -> set[State]:
    """Return how the resource managers end over real sockets if the first leader is killed after that effect."""
    cluster = Cluster(nodes)
    cluster.kill_after("l1", crash_point)

    def ends(trace: Trace) -> list[State]:
        found = [trace.states(name)[-1][1] for name, node in nodes.items() if isinstance(node, ResourceManager)]
        return [node.state for node in found if isinstance(node, ResourceManager)]

    with cluster:
        trace = cluster.wait_until(lambda trace: {*ends(trace)} <= {State.COMMITTED, State.ABORTED}, 30)
    return {*ends(trace)}


def _sent(trace: Trace, *, co_located: bool) -> list[Event]:
    """Return the messages that count."""
    return [
        event
        for event in trace.of(Kind.SEND)
        if event.peer is not None
        and "client" not in (event.node, event.peer)
        and not isinstance(event.value, two_phase_commit.Acknowledge)
        and not (co_located and machine(event.node) == machine(event.peer))
    ]


def _is_outcome(event: Event) -> bool:
    """Return whether a write is that of the outcome at a resource manager."""
    if not event.node.startswith("p"):
        return False
    if isinstance(event.value, two_phase_commit.ParticipantLog):
        return event.value.records[-1][1].state is two_phase_commit.State.COMMITTED
    return event.value in (State.COMMITTED, three_phase_commit.State.COMMITTED)


def _counts(event: Event) -> bool:
    """Return whether a write is one of the commit's: not of a boot."""
    if isinstance(event.value, two_phase_commit.CoordinatorLog | two_phase_commit.ParticipantLog):
        return bool(event.value.records)
    return isinstance(event.value, State | AcceptorRecord) or (
        isinstance(event.value, three_phase_commit.State) and event.value is not three_phase_commit.State.WORKING
    )


# ------------------------------------------------------------------------------------------------------ what it ends in

STORIES = (
    "nothing",
    "machine 1 dies, votes are on their way",
    "machine 2 dies, its vote is on its way",
    "1 and 2 are cut off, votes are on their way",
    "1 dies telling 2 and 3 what comes next, and 4, 5 are cut off",
)


def ending(protocol: str, story: str) -> tuple[str, str]:
    """Return in words how a co-located commit of five ends, without any repair, and in which tone a table says it.

    Every leg takes a millisecond and every write one. "On their way" is half a leg after the last vote has left. What
    machine 1 tells next is the precommit in three-phase commit, and the decision in the others.
    """
    if story not in STORIES:
        raise ValueError(f"`story` must be one of {STORIES}, got {story!r}")
    nodes = _nodes_of(protocol, 5, 1, 0.1)
    timing = CommitTiming(5, Constant(0.001), None, 0.001, 0.001)
    calm = run_with(timing, nodes, seed=1, co_located=True, until_seconds=0.05).trace
    faults = _faults(STORIES.index(story), nodes, calm)
    return _ending(run_with(timing, nodes, seed=1, faults=faults, co_located=True, until_seconds=6.0))


def _faults(story: int, nodes: Nodes, calm: Trace) -> list[Fault]:
    machines: dict[str, set[str]] = {}
    for name in nodes:
        machines.setdefault(machine(name), set()).add(name)
    votes = (two_phase_commit.Vote, three_phase_commit.Vote, Propose)
    voted = calm.of(Kind.SEND, where=lambda event: isinstance(event.value, votes))[-1].time_seconds + 0.0005
    match story:
        case 0:
            return []
        case 1 | 2:
            return [Crash(name, voted) for name in sorted(machines[str(story)])]
        case 3:
            return [Partition(voted, groups=(_together(machines, "12"), _together(machines, "345")))]
        case _:
            nexts = (two_phase_commit.Decision, three_phase_commit.PreCommit, Decision)
            effects = calm.of(Kind.SEND, Kind.SAVE, Kind.SET_TIMER, Kind.CANCEL_TIMER)
            last = next(event for event in effects if isinstance(event.value, nexts) and event.peer == "p3")
            place = [event.number for event in effects if event.node == last.node].index(last.number) + 1
            others = sorted(machines["1"] - {last.node})
            return [
                CrashAfterEffect(last.node, place),
                *(Crash(name, last.time_seconds) for name in others),
                Partition(last.time_seconds, groups=(_together(machines, "23"), _together(machines, "45"))),
            ]


def _together(machines: Mapping[str, set[str]], numbers: str) -> set[str]:
    return {name for number in numbers for name in machines[number]}


def _ending(run: Run) -> tuple[str, str]:
    """Say what became of the resource managers that are up."""
    found: dict[str, int] = {}
    for node in run.nodes.values():
        if isinstance(node, two_phase_commit.Participant):
            state = node.log.records[-1][1].state.value if node.log.records else "working"
        elif isinstance(node, ResourceManager | three_phase_commit.Participant):
            state = node.state.value
        else:
            continue
        word = state if state in ("committed", "aborted") else "waiting"
        found[word] = found.get(word, 0) + 1
    words = ", ".join(f"{count} {word}" for word, count in sorted(found.items()))
    if {"committed", "aborted"} <= found.keys():
        return words, "bad"
    return words, "wait" if "waiting" in found else "good"


def split(timing: CommitTiming, *, seed: int, latest_seconds: float) -> Run:
    """Simulate a co-located commit in which machine 1 dies at a random moment and the network of the rest splits.

    Each other machine falls on either side as by the toss of a coin, for good.
    """
    nodes = banks(timing.participant_count)
    generator = np.random.default_rng([seed, 2006])
    moment = float(generator.uniform(0, latest_seconds))
    sides: list[set[str]] = [set(), set()]
    numbers = sorted({machine(name) for name in nodes} - {"1"})
    for number, which in zip(numbers, generator.integers(0, 2, len(numbers)).tolist(), strict=True):
        sides[which] |= {name for name in nodes if machine(name) == number}
    faults: list[Fault] = [Crash(name, moment) for name in nodes if machine(name) == "1"]
    if all(sides):
        faults.append(Partition(moment, groups=tuple(sides)))
    return run_with(timing, nodes, seed=seed, faults=faults, co_located=True, until_seconds=1.5, record=False)
