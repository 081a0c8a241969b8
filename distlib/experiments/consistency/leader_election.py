"""Elections on the bench: Raft's, the bully's and the ring's, and what their models predict, read off the runs.

An :class:`~distlib.models.consistency.leader_election.ElectionTiming` says how long timeouts, legs and writes take,
to the model and to the run alike. Beyond that they share no code. :func:`predict_outage` answers the practical
question, with both routes: how long is a cluster with these settings without a leader?
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from distlib.estimates import Estimate
from distlib.models.consistency.bully import Messages
from distlib.models.consistency.leader_election import (
    ElectionTiming,
    OutageLaw,
    outage_seconds_mean,
    split_vote_probability,
)
from distlib.models.latency import Constant, Law
from distlib.node import Node, World
from distlib.protocols.consistency.bully import Process
from distlib.protocols.consistency.chang_roberts import Elected, RingProcess
from distlib.protocols.consistency.leader_election import (
    Heartbeat,
    Outdated,
    PreVote,
    RequestPreVote,
    RequestVote,
    Role,
    Server,
    Vote,
    somebody_leads,
)
from distlib.runtimes.faults import Crash, Fault, Link, Network, Partition
from distlib.runtimes.network import Cluster
from distlib.runtimes.replication import replicate
from distlib.runtimes.simulation import InvariantViolated, Run, simulate
from distlib.runtimes.trace import Event, Kind, Trace

__all__ = [
    "OutagePrediction",
    "RealElections",
    "Round",
    "arrangements",
    "briefly",
    "bully_messages",
    "bully_processes",
    "cluster",
    "cut_off_leader",
    "election_seconds",
    "first_round",
    "isolated_server",
    "leader_times",
    "measure_bully_messages",
    "measure_cut_off_leader",
    "measure_elections",
    "measure_outages",
    "measure_ring_messages",
    "outage_seconds",
    "predict_outage",
    "ring",
    "ring_messages",
    "run_with",
    "small",
    "state_label",
    "terms_reached",
    "without_heartbeats",
]

Nodes = Mapping[str, Node[Any, Any]]

# ------------------------------------------------------------------------------------------------------------ clusters


def cluster(
    member_count: int,
    *,
    timeout_seconds: tuple[float, float] = (0.150, 0.300),
    heartbeat_seconds: float = 0.075,
    pre_vote: bool = False,
    first: str | None = None,
    server_class: type[Server] = Server,
) -> dict[str, Server]:
    """Return servers `s1`, `s2` and so on.

    Parameters
    ----------
    member_count
        How many, at least 1.
    timeout_seconds, heartbeat_seconds, pre_vote
        See :class:`~distlib.protocols.consistency.leader_election.Server`.
    first
        A server that does not wait when it boots, and so is the first leader.
    server_class
        The servers' class, to put a broken one in.
    """
    if member_count < 1:
        raise ValueError(f"`member_count` must be at least 1, got {member_count}")
    names = tuple(f"s{number}" for number in range(1, member_count + 1))
    if first is not None and first not in names:
        raise ValueError(f"`first` must be one of {names}, got {first!r}")
    return {
        name: server_class(
            name,
            names,
            timeout_seconds,
            heartbeat_seconds,
            pre_vote,
            first_timeout_seconds=(0.0, 0.0) if name == first else None,
        )
        for name in names
    }


def small(
    last_terms: Mapping[str, int],
    *,
    names: Sequence[str] = ("a", "b", "c"),
    pre_vote: bool = False,
    server_class: type[Server] = Server,
) -> dict[str, Server]:
    """Return an instance to explore: each server may stand up to the term that `last_terms` has for it, else never."""
    return {
        name: server_class(name, tuple(names), pre_vote=pre_vote, last_term=last_terms.get(name, 0)) for name in names
    }


def run_with(
    timing: ElectionTiming,
    nodes: Nodes,
    *,
    seed: int,
    faults: Sequence[Fault] = (),
    delay: Law | None = None,
    until_seconds: float | None = None,
    record: bool = True,
    always: Mapping[str, Callable[[World], bool]] | None = None,
) -> Run:
    """Simulate `nodes` with the legs and the writes of `timing`, or with legs of the law `delay`."""
    return simulate(
        nodes,
        seed=seed,
        network=Network(Link(delay or Constant(timing.delay_seconds))),
        save_latency=Constant(timing.save_seconds),
        faults=faults,
        until_seconds=until_seconds,
        record=record,
        always=always or {},
    )


def _cold(timing: ElectionTiming, shortest_seconds: float) -> tuple[dict[str, Server], list[Fault]]:
    """Return a cluster whose timers all start at time 0, and the crashes of those that are not up."""
    nodes = cluster(
        timing.member_count,
        timeout_seconds=(shortest_seconds, shortest_seconds + timing.spread_seconds),
        heartbeat_seconds=shortest_seconds / 2,
        pre_vote=timing.pre_vote,
    )
    return nodes, [Crash(name, 0.0) for name in list(nodes)[timing.electors :]]


def _until(found: Callable[[World], bool], options: dict[str, Any]) -> float:
    """Return the time of the first event after which `found` holds; infinite if the run ends before."""
    try:
        run_with(**options, always={"not yet": lambda world: not found(world)}, record=False)
    except InvariantViolated as reached:
        return reached.time_seconds
    return float("inf")


# ------------------------------------------------------------------------------------------------------------- rounds


@dataclass(frozen=True)
class Round:
    """How the first round ended: how many stood for election, and whether one was elected."""

    candidate_count: int
    elected: bool


def first_round(timing: ElectionTiming, *, seed: int, delay: Law | None = None) -> Round:
    """Run a cluster from the start of all timers through its first term.

    The shortest timeout has no influence on how a round ends. Here it is so long that the first term is over before
    anybody enters the second.
    """
    leg = delay or Constant(timing.delay_seconds)
    slack = 6 * timing.save_seconds + (10 if timing.pre_vote else 4) * float(leg.ppf(1 - 1e-9))
    shortest = timing.spread_seconds + slack
    nodes, faults = _cold(timing, shortest)
    end = shortest + timing.spread_seconds + slack / 2
    run = run_with(timing, nodes, seed=seed, faults=faults, delay=delay, until_seconds=end, record=False)
    servers = [node for node in run.nodes.values() if isinstance(node, Server)]
    return Round(
        candidate_count=sum(server.ballot.voted_for == server.name for server in servers),
        elected=any(server.role is Role.LEADER for server in servers),
    )


def election_seconds(
    timing: ElectionTiming, *, seed: int, delay: Law | None = None, until_seconds: float = 30.0
) -> float:
    """Return the seconds from the start of all timers until somebody leads; infinite if not by `until_seconds`."""
    nodes, faults = _cold(timing, timing.shortest_seconds)
    options = {"timing": timing, "nodes": nodes, "seed": seed, "faults": faults, "delay": delay}
    return _until(somebody_leads, options | {"until_seconds": until_seconds})


def outage_seconds(
    timing: ElectionTiming,
    *,
    seed: int,
    delay: Law | None = None,
    timeout_seconds: tuple[float, float] | None = None,
    until_seconds: float = 30.0,
) -> float:
    """Return the seconds from the crash of a leader, at a random moment, until another leads; infinite if too many.

    Parameters
    ----------
    timing, seed, delay
        See :func:`run_with`.
    timeout_seconds
        The range of the timeouts, if it is not that of `timing`; it may be a single point.
    until_seconds
        How long to wait.

    Raises
    ------
    ValueError
        If there are no heartbeats, or another server leads before the crash: then timeouts are too short for such legs.
    """
    if timing.heartbeat_seconds == 0:
        raise ValueError("`heartbeat_seconds` of `timing` must be above 0 where a leader crashes, got 0")
    shortest = timing.shortest_seconds
    nodes = cluster(
        timing.member_count,
        timeout_seconds=timeout_seconds or (shortest, shortest + timing.spread_seconds),
        heartbeat_seconds=timing.heartbeat_seconds,
        pre_vote=timing.pre_vote,
        first="s1",
    )
    leg = delay or Constant(timing.delay_seconds)
    phase = float(np.random.default_rng((seed, 16)).random())
    settled = 8 * float(leg.ppf(0.999)) + 4 * timing.save_seconds
    crash_seconds = settled + (1 + phase) * timing.heartbeat_seconds

    def replaced(world: World) -> bool:
        return any(
            isinstance(node, Server) and node.role is Role.LEADER for name, node in world.nodes.items() if name != "s1"
        )

    options = {"timing": timing, "nodes": nodes, "seed": seed, "faults": [Crash("s1", crash_seconds)], "delay": delay}
    replaced_seconds = _until(replaced, options | {"until_seconds": crash_seconds + until_seconds})
    if replaced_seconds < crash_seconds:
        raise ValueError(
            f"`timing` must keep its first leader until {crash_seconds:g} s, but it was replaced "
            f"at {replaced_seconds:g} s; take longer timeouts or shorter legs"
        )
    return replaced_seconds - crash_seconds


@dataclass(frozen=True)
class OutagePrediction:
    """How long a cluster is without a leader after its leader has crashed.

    Parameters
    ----------
    split_probability
        That a round of the election elects nobody, by the model for constant legs.
    mean_seconds
        By the same model.
    median_seconds, slowest_seconds
        Half of the outages are shorter than the first, 99 in 100 than the second; by the same model.
    simulated
        The mean outage of simulated crashes under the law of the legs itself; None if none was asked for.
    """

    split_probability: float
    mean_seconds: float
    median_seconds: float
    slowest_seconds: float
    simulated: Estimate | None = None


def predict_outage(
    *,
    member_count: int,
    timeout_seconds: tuple[float, float],
    heartbeat_seconds: float,
    delay: Law,
    save_seconds: float = 0.0,
    pre_vote: bool = False,
    seeds: int = 0,
) -> OutagePrediction:
    """Return how long a cluster with these settings is without a leader, from its leader's crash to the next leader.

    Parameters
    ----------
    member_count
        All members, the one that crashes included; at least 3.
    timeout_seconds
        Shortest and longest election timeout. etcd counts its timeouts in ticks of a heartbeat h that fall
        anywhere, so that an election timeout of E means (E - h, 2 E - h).
    heartbeat_seconds
        Between two heartbeats of a leader.
    delay
        Law of one leg. The model takes its mean for a constant; the simulation draws from it.
    save_seconds
        A forced write of the vote.
    pre_vote
        Whether candidates ask first whether they would be elected.
    seeds
        How many crashes to simulate; 0: none.

    Examples
    --------
    The paper's recommendation, on a network with legs of a millisecond:

    >>> found = predict_outage(
    ...     member_count=5, timeout_seconds=(0.150, 0.300), heartbeat_seconds=0.075, delay=Constant(0.001)
    ... )
    >>> f"{1000 * found.mean_seconds:.1f} ms, split {found.split_probability:.5f}"
    '145.5 ms, split 0.00026'
    """
    shortest, longest = timeout_seconds
    timing = ElectionTiming(
        member_count,
        shortest,
        longest - shortest,
        float(delay.mean()),
        heartbeat_seconds=heartbeat_seconds,
        save_seconds=save_seconds,
        pre_vote=pre_vote,
    )
    law = OutageLaw(timing)
    outages = replicate(lambda seed: outage_seconds(timing, seed=seed, delay=delay), seeds) if seeds else []
    return OutagePrediction(
        split_probability=split_vote_probability(timing),
        mean_seconds=outage_seconds_mean(timing),
        median_seconds=float(law.ppf(0.5)),
        slowest_seconds=float(law.ppf(0.99)),
        simulated=Estimate.of_mean(outages) if outages else None,
    )


# ---------------------------------------------------------------------------------------------------- what a run shows


def briefly(message: Any) -> str:
    """Return what a figure writes on a message of Raft's election."""
    match message:
        case RequestVote():
            return f"vote in {message.term}?"
        case Vote():
            return "yes" if message.granted else "no"
        case RequestPreVote():
            return f"would you in {message.term}?"
        case PreVote():
            return "would" if message.granted else "would not"
        case Heartbeat():
            return f"I lead {message.term}"
        case Outdated():
            return f"it is {message.term}"
        case _:
            return str(message)


def without_heartbeats(message: Any) -> str:
    """Return what a figure with many heartbeats writes on a message: nothing on those."""
    return "" if isinstance(message, Heartbeat) else briefly(message)


def state_label(node: Node[Any, Any]) -> tuple[str, str] | None:
    """Return what a figure writes on a server's lane, and in which tone: its role, unless it follows, and its term."""
    if isinstance(node, Process):
        return ("leads", "good") if node.leader == node.name else None
    if not isinstance(node, Server) or node.role is Role.FOLLOWER:
        return None
    if node.role is Role.LEADER:
        return f"leads {node.term}", "good"
    return (f"stands in {node.term}", "wait") if node.role is Role.CANDIDATE else ("sounds out", "calm")


def leader_times(trace: Trace) -> list[tuple[str, int, float, float]]:
    """Return (server, term, from, to) for each time that a server believed it led, in seconds, by their beginning.

    A belief that lasts ends with the last event of the trace.
    """
    found = []
    for name in trace.names:
        changes = [*trace.states(name), (trace[-1].time_seconds, None)]
        spells = [
            (node.term, at) if isinstance(node, Server) and node.role is Role.LEADER else None
            for node, at in ((node, at) for at, node in changes)
        ]
        since: tuple[int, float] | None = None
        for (at, _), spell in zip(changes, spells, strict=True):
            if since is not None and (spell is None or spell[0] != since[0]):
                found.append((name, since[0], since[1], at))
                since = None
            if spell is not None and since is None:
                since = spell
    return sorted(found, key=lambda each: (each[2], each[0]))


def terms_reached(world: World) -> dict[str, int]:
    """Return the term of each server that is up, by name."""
    return {name: node.term for name, node in world.nodes.items() if isinstance(node, Server)}


def cut_off_leader(*, seed: int = 2, server_class: type[Server] = Server) -> Run:
    """Simulate a leader of three that the network cuts off after 0.1 s, for 0.4 s: the others elect another one."""
    timing = ElectionTiming(3, 0.150, 0.150, 0.010)
    cut = Partition(0.1, 0.5, groups=({"s1"}, {"s2", "s3"}))
    nodes = cluster(3, first="s1", server_class=server_class)
    return run_with(timing, nodes, seed=seed, faults=[cut], until_seconds=0.62)


def isolated_server(*, pre_vote: bool, seed: int = 1) -> Run:
    """Simulate a follower of three that the network cuts off after 0.1 s, for two seconds."""
    timing = ElectionTiming(3, 0.150, 0.150, 0.010)
    cut = Partition(0.1, 2.1, groups=({"s3"}, {"s1", "s2"}))
    return run_with(timing, cluster(3, first="s1", pre_vote=pre_vote), seed=seed, faults=[cut], until_seconds=3.0)


# ------------------------------------------------------------------------------------------------------------- sockets


@dataclass(frozen=True)
class RealElections:
    """What became of leaders that were killed, over real sockets.

    Parameters
    ----------
    outage_seconds
        From each kill to the next leader.
    terms
        That of the first leader, and that of each one who took over.
    one_leader_a_term
        Whether no term of the whole run had two.
    """

    outage_seconds: tuple[float, ...]
    terms: tuple[int, ...]
    one_leader_a_term: bool


def measure_elections(
    nodes: Nodes, *, kills: int, seed: int = 0, processes: bool = False, patience_seconds: float = 30.0
) -> RealElections:
    """Kill the leader, wait for the next one, restart the dead one, and again; over real sockets.

    Parameters
    ----------
    nodes
        Such as :func:`cluster` returns.
    kills
        How often.
    seed
        Of the timers' durations, and of the moments of the kills.
    processes
        Whether each server is a process of its own, and the crash a ``kill -9``.
    patience_seconds
        How long to wait for a leader at most.
    """
    random = np.random.default_rng(seed)
    outages, terms = [], []
    with Cluster(nodes, seed=seed, processes=processes) as real:
        for number in range(1, kills + 1):
            victim, term = _require_leader(real.wait_until(_leader_in, patience_seconds))
            terms.append(term)
            server = nodes[victim]
            assert isinstance(server, Server)
            real.wait(lambda: False, (2 + float(random.random())) * server.heartbeat_seconds)
            real.kill(victim)
            real.wait_for(Kind.CRASH, number)
            trace = real.wait_until(partial(_is_replaced, victim=victim), patience_seconds)
            crash = trace.of(Kind.CRASH)[-1].time_seconds
            outages.append(min(since for _, _, since, _ in leader_times(trace) if since > crash) - crash)
            real.restart(victim)
        trace = real.trace
    terms.append(_require_leader(trace)[1])
    led = {(term, name) for name, term, _, _ in leader_times(trace)}
    return RealElections(tuple(outages), tuple(terms), len({term for term, _ in led}) == len(led))


def measure_outages(nodes: Nodes, *, kills: int, seed: int = 0, processes: bool = False) -> list[float]:
    """Return the outages of :func:`measure_elections`, in seconds."""
    return list(measure_elections(nodes, kills=kills, seed=seed, processes=processes).outage_seconds)


def measure_cut_off_leader(nodes: Nodes, *, seed: int = 0, patience_seconds: float = 30.0) -> tuple[int, int]:
    """Cut a leader off over real sockets, until another one leads; then heal, until it follows.

    Returns
    -------
    tuple
        How many believed that they lead before the network healed, and how many when the first one followed again.
    """
    with Cluster(nodes, seed=seed) as real:
        first, term = _require_leader(real.wait_until(_leader_in, patience_seconds))
        real.partition([{first}, set(nodes) - {first}])
        trace = real.wait_until(partial(_is_replaced, victim=first), patience_seconds)
        before = _believing(trace)
        real.heal()
        trace = real.wait_until(lambda trace: first not in _believing(trace), patience_seconds)
        assert _require_leader(trace)[1] > term
        return len(before), len(_believing(trace))


def _believing(trace: Trace) -> list[str]:
    """Return who believes, at the end of a trace, that it leads."""
    last = {name: states[-1][1] for name in trace.names if (states := trace.states(name))}
    return [name for name, node in last.items() if isinstance(node, Server) and node.role is Role.LEADER]


def _is_replaced(trace: Trace, victim: str) -> bool:
    found = _leader_in(trace)
    return found is not None and found[0] != victim


def _require_leader(trace: Trace) -> tuple[str, int]:
    found = _leader_in(trace)
    assert found is not None
    return found


def _leader_in(trace: Trace) -> tuple[str, int] | None:
    """Return who leads the highest term at the end of a trace, and which, if that term has a leader and it is up."""
    leading = {}
    for name in trace.names:
        states = trace.states(name)
        node = states[-1][1] if states else None
        if isinstance(node, Server) and node.role is Role.LEADER:
            leading[node.term] = name
    return (leading[max(leading)], max(leading)) if leading else None


def measure_bully_messages(process_count: int, starter_rank: int, *, patience_seconds: float = 20.0) -> Messages:
    """Return the messages of an election after the crash of the highest, counted over real sockets.

    The starter crashes, too, and misses the leader when it boots again.
    """
    nodes = bully_processes(process_count, [starter_rank], answer_seconds=0.5)
    starter, highest, heir = f"p{starter_rank}", f"p{process_count}", f"p{process_count - 1}"
    with Cluster(nodes) as real:
        real.wait_until(lambda trace: _follows(trace, starter, highest), patience_seconds)
        real.kill(highest)
        real.kill(starter)
        real.wait_for(Kind.CRASH, 2)
        before = len(real.trace.of(Kind.SEND))
        real.restart(starter)
        lower = [f"p{rank}" for rank in range(1, process_count - 1)]
        trace = real.wait_until(lambda trace: all(_follows(trace, name, heir) for name in lower), patience_seconds)
        sent = [type(event.value).__name__ for event in trace.of(Kind.SEND)[before:]]
    return Messages(sent.count("Election"), sent.count("Answer"), sent.count("Coordinator"))


def _follows(trace: Trace, name: str, leader: str) -> bool:
    states = trace.states(name)
    node = states[-1][1] if states else None
    return isinstance(node, Process) and node.leader == leader


def measure_ring_messages(numbers: Sequence[int], *, patience_seconds: float = 20.0) -> tuple[int, int]:
    """Return (probes, announcements) of an election in which all start, counted over real sockets."""
    with Cluster(ring(numbers)) as real:
        trace = real.wait_until(lambda trace: len(_announced(trace)) >= len(numbers), patience_seconds)
    sent = [type(event.value).__name__ for event in trace.of(Kind.SEND)]
    return sent.count("Probe"), sent.count("Elected")


def _announced(trace: Trace) -> list[Event]:
    return trace.of(Kind.DELIVER, where=lambda event: isinstance(event.value, Elected))


# ------------------------------------------------------------------------------------------------ the bully, the ring


def bully_processes(process_count: int, starters: Sequence[int], *, answer_seconds: float = 1.0) -> dict[str, Process]:
    """Return processes `p1`, `p2` and so on by rank; those of the ranks `starters` miss the leader at once."""
    names = tuple(f"p{rank}" for rank in range(1, process_count + 1))
    return {
        name: Process(name, names, rank in starters, answer_seconds, 10 * answer_seconds)
        for rank, name in enumerate(names, 1)
    }


def bully_messages(process_count: int, starter_rank: int, *, seed: int = 1) -> Messages:
    """Return the messages of an election after the crash of the highest, counted in a run."""
    nodes = bully_processes(process_count, [starter_rank])
    run = simulate(nodes, seed=seed, faults=[Crash(f"p{process_count}", 0.0)], record=False)
    counts = run.counts.sent_by_class
    return Messages(counts.get("Election", 0), counts.get("Answer", 0), counts.get("Coordinator", 0))


def arrangements(process_count: int) -> list[tuple[int, ...]]:
    """Return every order of the numbers 1 … n on a ring, each once: with the highest first, since a ring has no end."""
    return [(process_count, *rest) for rest in itertools.permutations(range(1, process_count))]


def ring(numbers: Sequence[int], starters: Sequence[int] | None = None) -> dict[str, RingProcess]:
    """Return a ring of processes with these numbers; those in `starters` start, or all do."""
    names = [f"p{number}" for number in numbers]
    successors = [*names[1:], names[0]]
    return {
        name: RingProcess(number, successor, starters is None or number in starters)
        for name, number, successor in zip(names, numbers, successors, strict=True)
    }


def ring_messages(
    numbers: Sequence[int],
    starters: Sequence[int] | None = None,
    *,
    seed: int = 1,
    delay: Law | None = None,
    ordered: bool = True,
) -> tuple[int, int]:
    """Return (probes, announcements) of an election, counted in a run; `ordered`: whether links keep their order."""
    network = Network(Link(delay or Constant(0.001), ordered=ordered))
    counts = simulate(ring(numbers, starters), seed=seed, network=network, record=False).counts.sent_by_class
    return counts.get("Probe", 0), counts.get("Elected", 0)
