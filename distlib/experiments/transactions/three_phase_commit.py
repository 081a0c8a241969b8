"""Three-phase commit on the bench: five banks, crashes and partitions, and an exploration in which delays are bounded.

A :class:`~distlib.models.transactions.two_phase_commit.CommitTiming` says how long legs and forced writes take, to the
model and to the run alike. Beyond that they share no code.

Bounded delays in an exploration
--------------------------------
An exploration fires timers at any time. Three-phase commit assumes that whoever is taken for dead is dead. So a node
here is *deliberate*: when its patience ends, it first notes whom it suspects, in a step of its own, and acts in the
next one. :func:`suspicions_are_right` is then a predicate on states, and an exploration `within` it follows just those
runs in which nobody is suspected wrongly: the suspect is down, and nothing of it is on its way to who suspects it.
Runs in which a message is late but less than a patience late are all among them. That the exploration was stopped by
``within`` is said in its verdict.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from distlib.models.latency import Constant, Law
from distlib.models.transactions.two_phase_commit import CommitTiming
from distlib.node import CancelTimer, Node, SetTimer, Step, World
from distlib.protocols.transactions.three_phase_commit import (
    Client,
    Coordinator,
    Decision,
    Participant,
    PreCommit,
    Prepare,
    State,
    standings,
    uncertain,
)
from distlib.runtimes.faults import CrashAfterEffect, Fault, Link, Network, Partition
from distlib.runtimes.network import Cluster
from distlib.runtimes.simulation import Run, simulate
from distlib.runtimes.trace import Kind, Trace

__all__ = [
    "banks",
    "commit_latency",
    "crash_points",
    "decision_latencies",
    "fate_cell",
    "fates",
    "measure_fates",
    "money_created",
    "nobody_is_blocked",
    "precommit_effect",
    "run_with",
    "small",
    "split",
    "state_label",
    "suspicions_are_right",
]

Nodes = Mapping[str, Node[Any, Any]]


def banks(
    participant_count: int,
    *,
    coordinator_class: type[Coordinator] = Coordinator,
    participant_class: type[Participant] = Participant,
    refuse: Collection[str] = (),
    patience_seconds: float = 0.1,
    inquiries: int = 1000,
    client: bool = True,
) -> dict[str, Node[Any, Any]]:
    """Return a client, a coordinator and banks `p1`, `p2` and so on.

    Parameters
    ----------
    participant_count
        How many banks take part, at least 1.
    coordinator_class, participant_class
        To put broken ones in.
    refuse
        Names of the banks that vote no.
    patience_seconds
        Of all nodes but the client, which waits twice as long.
    inquiries
        How often a node asks for the outcome after a crash.
    client
        Whether there is one; without, the coordinator begins at its boot.
    """
    if participant_count < 1:
        raise ValueError(f"`participant_count` must be at least 1, got {participant_count}")
    names = tuple(f"p{number}" for number in range(1, participant_count + 1))
    patience = (patience_seconds, patience_seconds)
    nodes: dict[str, Node[Any, Any]] = {}
    if client:
        nodes["client"] = Client("coordinator", (2 * patience_seconds, 2 * patience_seconds))
    nodes["coordinator"] = coordinator_class(names, "client" if client else None, patience, inquiries)
    for name in names:
        nodes[name] = participant_class(name, ("coordinator", *names), name not in refuse, patience, inquiries)
    return nodes


def run_with(
    timing: CommitTiming,
    nodes: Nodes,
    *,
    seed: int,
    faults: Sequence[Fault] = (),
    loss_probability: float = 0.0,
    until_seconds: float | None = None,
    record: bool = True,
) -> Run:
    """Simulate `nodes` with the legs and the forced writes of `timing`; its number of participants is not used."""
    names = [name for name, node in nodes.items() if isinstance(node, Participant)]
    vote = Link(timing.vote or timing.request, loss_probability)
    links = {(name, "coordinator"): vote for name in names}
    if "client" in nodes:
        links |= {pair: Link(timing.request) for pair in (("client", "coordinator"), ("coordinator", "client"))}
    disks: dict[str, Law] = {name: Constant(timing.participant_force_seconds) for name in names}
    disks["coordinator"] = Constant(timing.coordinator_force_seconds)
    return simulate(
        nodes,
        seed=seed,
        network=Network(Link(timing.request, loss_probability), links),
        save_latency=disks,
        faults=faults,
        until_seconds=until_seconds,
        record=record,
    )


def state_label(node: Node[Any, Any]) -> tuple[str, str] | None:
    """Return what a figure writes on the lane of `node`, and in which tone."""
    tones = {State.UNCERTAIN: "wait", State.PRECOMMITTED: "calm", State.COMMITTED: "good", State.ABORTED: "bad"}
    if isinstance(node, Coordinator) and node.awaited:
        return ("collects votes" if node.is_voting else "collects acks"), "calm"
    if isinstance(node, Coordinator | Participant) and node.state in tones:
        leads = isinstance(node, Participant) and bool(node.reports)
        return "leads" if leads else node.state.value, tones[node.state]
    return None


# ------------------------------------------------------------------------------------------------- what a run shows


def commit_latency(trace: Trace) -> float:
    """Return the seconds from the first request sent to the decision to commit on the coordinator's disk."""
    asked = trace.of(Kind.SEND, node="coordinator", where=lambda event: isinstance(event.value, Prepare))[0]
    decided = trace.of(Kind.SAVE, node="coordinator", where=lambda event: event.value is State.COMMITTED)[0]
    return decided.time_seconds - asked.time_seconds


def decision_latencies(trace: Trace) -> list[float]:
    """Return the seconds from the first request sent until each participant hears the decision."""
    asked = trace.of(Kind.SEND, node="coordinator", where=lambda event: isinstance(event.value, Prepare))[0]
    heard = trace.of(Kind.DELIVER, where=lambda event: isinstance(event.value, Decision) and event.node != "client")
    return [event.time_seconds - asked.time_seconds for event in heard]


def money_created(world: World) -> int:
    """Return what the banks hold more than before, where `p1` was to pay 1 to each of the others."""
    reached = {name: state for name, state in standings(world).items() if name != "coordinator"}
    earned = sum(state is State.COMMITTED for name, state in reached.items() if name != "p1")
    return earned - (len(reached) - 1) * (reached["p1"] is State.COMMITTED)


# ------------------------------------------------------------------------------------------------------ crash points


def crash_points(timing: CommitTiming, nodes: Nodes, *, seed: int) -> list[str]:
    """Return what the coordinator does in a run without faults, effect by effect; item 0 stands for nothing yet."""
    run = run_with(timing, nodes, seed=seed)
    points = ["nothing yet"]
    for event in run.trace.of(Kind.SEND, Kind.SAVE, Kind.SET_TIMER, Kind.CANCEL_TIMER, node="coordinator"):
        target = f" to {event.peer}" if event.peer else ""
        points.append(f"{event.kind.value} {event.value}{target}")
    return points


def fates(timing: CommitTiming, nodes: Nodes, *, seed: int, crash_point: int) -> dict[str, tuple[str, int]]:
    """Return how each participant ends if the coordinator crashes for good after its effect number `crash_point`.

    Returns
    -------
    dict
        By name: its state in words, and how many timers it took.
    """
    run = run_with(timing, nodes, seed=seed, faults=[CrashAfterEffect("coordinator", crash_point)], until_seconds=10.0)
    return _fates(run.trace, standings(run.world))


def _fates(trace: Trace, reached: Mapping[str, State]) -> dict[str, tuple[str, int]]:
    return {
        name: (state.value, len(trace.of(Kind.TIMER, node=name)))
        for name, state in reached.items()
        if name != "coordinator"
    }


def fate_cell(fate: tuple[str, int]) -> tuple[str, str]:
    """Return what a table says of a participant's end, and in which tone."""
    tones = {"committed": "good", "aborted": "bad", "working": "calm"}
    words = "untouched" if fate[0] == "working" else fate[0]
    return words, tones.get(fate[0], "wait")


def measure_fates(nodes: Nodes, *, crash_point: int) -> dict[str, str]:
    """Return how each participant ends over real sockets, if the coordinator is killed after that effect, for good."""
    names = [name for name, node in nodes.items() if isinstance(node, Participant)]

    def latest(trace: Trace) -> dict[str, State]:
        found = {name: trace.states(name)[-1][1] for name in names}
        return {name: node.state for name, node in found.items() if isinstance(node, Participant)}

    def settled(trace: Trace) -> bool:
        down = bool(trace.of(Kind.CRASH, node="coordinator"))
        return down and set(latest(trace).values()) <= {State.COMMITTED, State.ABORTED}

    cluster = Cluster(nodes)
    cluster.kill_after("coordinator", crash_point)
    with cluster:
        trace = cluster.wait_until(settled, 30)
    return {name: state.value for name, state in latest(trace).items()}


# --------------------------------------------------------------------------------------------------------- partition


def precommit_effect(participant_count: int) -> int:
    """Return the number of the coordinator's effect that sends its last precommit, where there is no client."""
    # A write at boot, a timer, n requests; a timer cancelled and one set, n precommits.
    return 2 * participant_count + 4


def split(
    timing: CommitTiming,
    seed: int,
    *,
    after_seconds: float,
    side: float = 0.5,
    coordinator_alive: bool = False,
    record: bool = False,
    participant_class: type[Participant] = Participant,
) -> Run:
    """Simulate a commit during which the network splits in two, for good.

    Parameters
    ----------
    timing
        Of the transaction; how many participants there are, too.
    seed
        Of the run, and of the sides.
    after_seconds
        When it splits, counted from the moment at which the precommits leave.
    side
        The probability that a participant is on side 1, each for itself.
    coordinator_alive
        Whether the coordinator lives on, on side 1; otherwise it dies as the last precommit leaves.
    record
        Whether to keep a trace.
    participant_class
        To put another one in.
    """
    count = timing.participant_count
    nodes = banks(count, client=False, participant_class=participant_class)
    dies = CrashAfterEffect("coordinator", precommit_effect(count))
    calm = run_with(timing, nodes, seed=seed, faults=[dies], until_seconds=0.099)
    sent = calm.trace.of(Kind.SEND, where=lambda event: isinstance(event.value, PreCommit))[0].time_seconds
    draws = np.random.default_rng([seed, 1981]).random(count)
    sides: list[set[str]] = [set(), set()]
    for number, draw in enumerate(draws.tolist(), start=1):
        sides[0 if draw < side else 1].add(f"p{number}")
    groups = [sides[0] | {"coordinator"}, sides[1]] if coordinator_alive else [*sides, {"coordinator"}]
    groups = [group for group in groups if group]
    faults: list[Fault] = [] if coordinator_alive else [dies]
    if len(groups) > 1:
        faults.append(Partition(sent + after_seconds, groups=tuple(groups)))
    return run_with(timing, nodes, seed=seed, faults=faults, until_seconds=(count + 4) * 0.1, record=record)


# ---------------------------------------------------------------------------------- exploration with bounded delays

_AT_ONCE = (0.0, 0.0)


@dataclass(frozen=True)
class _Deliberate(Node[Any, Any]):
    """Mixed in before a node's class: it notes whom it suspects, and acts on it in a step of its own."""

    suspected: frozenset[str] = frozenset()
    sure: frozenset[str] = frozenset()
    """Timers that have fired and on which it has yet to act."""

    def on_message(self, source: str, message: Any) -> Step[Any]:
        return _wait_on(super().on_message(source, message))  # type: ignore[safe-super] # the class behind it has one

    def on_timer(self, name: Any) -> Step[Any]:
        if name == "outcome":
            return super().on_timer(name)
        if isinstance(name, tuple):
            return _wait_on(replace(self, sure=self.sure - {name[1]})._act(name[1]))
        awaited: frozenset[str] = self.awaited  # type: ignore[attr-defined] # the class behind it has it
        node = replace(self, suspected=self.suspected | awaited, sure=self.sure | {name})
        return node, (SetTimer(("sure", name), _AT_ONCE),)

    def _act(self, timer: str) -> Step[Any]:
        return super().on_timer(timer)


def _wait_on(step: Step[Any]) -> Step[Any]:
    """Cancel what it was about to act on where its handler has cancelled or set that timer."""
    node, effects = step
    touched = {effect.name for effect in effects if isinstance(effect, SetTimer | CancelTimer)} & node.sure
    if not touched:
        return node, effects
    cancelled = tuple(CancelTimer(("sure", timer)) for timer in sorted(touched))
    return replace(node, sure=node.sure - touched), effects + cancelled


@cache
def _deliberate(node_class: type[Any]) -> type[Any]:
    return dataclass(frozen=True)(type(f"Deliberate{node_class.__name__}", (_Deliberate, node_class), {}))


def small(
    participant_count: int,
    *,
    coordinator_class: type[Coordinator] = Coordinator,
    participant_class: type[Participant] = Participant,
    refuse: Collection[str] = (),
    inquiries: int = 0,
) -> dict[str, Node[Any, Any]]:
    """Return an instance to explore: deliberate nodes, no client; see :func:`banks` for the parameters."""
    return banks(
        participant_count,
        coordinator_class=_deliberate(coordinator_class),
        participant_class=_deliberate(participant_class),
        refuse=refuse,
        inquiries=inquiries,
        client=False,
    )


def _is_out(world: World, name: str) -> bool:
    node = world.nodes[name]
    return node is None or (isinstance(node, Coordinator | Participant) and node.recovered)


def suspicions_are_right(world: World, sides: Sequence[Collection[str]] = ()) -> bool:
    """Whoever is suspected is down, or was; and nothing of it is on its way to the one that suspects it.

    Parameters
    ----------
    world
        Deliberate nodes at one instant.
    sides
        Of a partition, if there is one: then it is right, too, to suspect who is on another side.
    """
    side_of = {name: number for number, side in enumerate(sides) for name in side}
    for name, node in world.nodes.items():
        for suspect in node.suspected if isinstance(node, _Deliberate) else ():
            if side_of.get(name) != side_of.get(suspect):
                continue
            if not _is_out(world, suspect) or any(message[:2] == (suspect, name) for message in world.in_flight):
                return False
    return True


def nobody_is_blocked(world: World) -> bool:
    """Whoever waits does not wait for ever: a message is on its way, or somebody waits for none but the dead.

    To be asked `within` :func:`suspicions_are_right`, where a patience ends only then.
    """
    if not uncertain(world) or any(world.nodes[target] is not None for _, target, _ in world.in_flight):
        return True
    nodes = [node for node in world.nodes.values() if isinstance(node, Coordinator | Participant)]
    return any(node.awaited and all(_is_out(world, name) for name in node.awaited) for node in nodes)
