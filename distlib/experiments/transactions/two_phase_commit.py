"""Two-phase commit on the bench: a bank to run it on, and what its model predicts, read off the runs.

A :class:`~distlib.models.transactions.two_phase_commit.CommitTiming` says how long legs and forced writes take, to the
model and to the run alike. Beyond that they share no code: a time measured here is a difference of two events in a
trace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from distlib.models.latency import Constant, Exponential, Law, LogNormal
from distlib.models.transactions.two_phase_commit import CommitTiming, Cost
from distlib.node import Node
from distlib.protocols.transactions.two_phase_commit import (
    Acknowledge,
    Changes,
    Client,
    Coordinator,
    CoordinatorLog,
    CoordinatorRecord,
    Decision,
    Inquire,
    Participant,
    ParticipantLog,
    ParticipantRecord,
    Prepare,
    Presumption,
    State,
    Transfer,
    Vote,
    in_doubt,
    participant_logs,
)
from distlib.runtimes.faults import CrashAfterEffect, CrashRandomly, Fault, Link, Network, PartitionRandomly
from distlib.runtimes.network import Cluster
from distlib.runtimes.simulation import Run, simulate
from distlib.runtimes.trace import Kind, Trace

__all__ = [
    "Fate",
    "bank",
    "briefly",
    "chaos",
    "commit_latencies",
    "cost_of",
    "crash_points",
    "crashed_in_window",
    "fate_cell",
    "fates",
    "hot_record",
    "in_doubt_seconds",
    "is_blocked",
    "lock_held",
    "lock_hold_seconds",
    "measure_cost",
    "measure_fates",
    "participants_of",
    "pausing",
    "run_with",
    "state_label",
    "throughput",
    "was_asked",
]

Nodes = Mapping[str, Node[Any, Any]]


def bank(
    participant_count: int,
    *,
    transfer_count: int = 1,
    coordinator: Coordinator | None = None,
    participant_class: type[Participant] = Participant,
    cooperative: bool = True,
    balance: int = 1_000_000,
    patience_seconds: float = 1.0,
    retries: int = 10,
) -> dict[str, Node[Any, Any]]:
    """Return a client, a coordinator and banks `p1`, `p2` …, one account each.

    Parameters
    ----------
    participant_count
        How many banks take part in every transfer, at least 1.
    transfer_count
        How many transfers the client runs, one after another. In each, `p1` pays 1 to every other bank.
    coordinator
        Its presumption and its timeouts; a fresh :class:`Coordinator` if none is given.
    participant_class
        The banks' class, to put a broken one in.
    cooperative
        Whether banks in doubt ask each other.
    balance
        What each account holds at first. With less than `participant_count` - 1, `p1` votes no.
    patience_seconds
        How long banks wait before they ask, and requests for locks.
    retries
        How often the client asks for an outcome.
    """
    if participant_count < 1:
        raise ValueError(f"`participant_count` must be at least 1, got {participant_count}")
    if transfer_count < 0:
        raise ValueError(f"`transfer_count` must be at least 0, got {transfer_count}")
    names = [f"p{number}" for number in range(1, participant_count + 1)]
    pay: Changes = frozenset({("account", 1 - participant_count)})
    earn: Changes = frozenset({("account", 1)})
    work = frozenset({(names[0], pay), *((name, earn) for name in names[1:])})
    transfers = tuple(Transfer(f"t{number}", work) for number in range(1, transfer_count + 1))
    nodes: dict[str, Node[Any, Any]] = {
        "client": Client("coordinator", transfers, retries=retries),
        "coordinator": coordinator or Coordinator(),
    }
    for name in names:
        log = ParticipantLog((("account", balance),))
        patience = (patience_seconds, patience_seconds)
        nodes[name] = participant_class(
            name, log, cooperative=cooperative, inquire_seconds=patience, lock_timeout_seconds=patience
        )
    return nodes


def hot_record(
    client_count: int,
    transfer_count: int,
    *,
    participant_count: int = 2,
    presumption: Presumption = Presumption.ABORT,
) -> dict[str, Node[Any, Any]]:
    """Return clients that all change one record at `hot`, and one of their own elsewhere, with endless patience.

    Parameters
    ----------
    client_count
        How many clients compete, each with one transfer open at a time; at least 1.
    transfer_count
        How many transfers each runs.
    participant_count
        How many take part in each transfer, `hot` included; at least 1.
    presumption
        The coordinator's.
    """
    forever = (3600.0, 3600.0)
    cold = [f"cold {number}" for number in range(1, participant_count)]
    nodes: dict[str, Node[Any, Any]] = {"coordinator": Coordinator(presumption, vote_timeout_seconds=forever)}
    for name in ("hot", *cold):
        nodes[name] = Participant(name, inquire_seconds=forever, lock_timeout_seconds=forever)
    for number in range(1, client_count + 1):
        own: Changes = frozenset({(f"account {number}", 1)})
        work = frozenset({("hot", frozenset({("record", 1)})), *((name, own) for name in cold)})
        transfers = tuple(Transfer(f"t{number}.{turn}", work) for turn in range(1, transfer_count + 1))
        nodes[f"client {number}"] = Client("coordinator", transfers, retry_seconds=forever)
    return nodes


def lock_held(
    *, participant_class: type[Participant] = Participant, presumption: Presumption = Presumption.ABORT
) -> dict[str, Node[Any, Any]]:
    """Return an instance in which `p1` still holds the lock of an earlier transfer, `t0`, when `t1` begins.

    The coordinator has committed `t0` and will repeat it to `p1`, for which the request of `t1` has to wait.
    """
    nodes = bank(2, retries=0, participant_class=participant_class, coordinator=Coordinator(presumption))
    earlier = ParticipantRecord(State.PREPARED, "coordinator", frozenset({"p1"}), frozenset({("account", 1)}))
    nodes["p1"] = participant_class("p1", ParticipantLog((("account", 100),), (("t0", earlier),)))
    owed = CoordinatorRecord(State.COMMITTED, frozenset({"p1"}))
    nodes["coordinator"] = Coordinator(presumption, log=CoordinatorLog(0, (("t0", owed),)))
    return nodes


def chaos(nodes: Nodes, *, seed: int) -> Run:
    """Simulate `nodes` for 20 s with crashes and repairs of servers, loss, copies, slow disks and partitions."""
    servers = [name for name, node in nodes.items() if not isinstance(node, Client)]
    faults: list[Fault] = [
        CrashRandomly(servers, Exponential(2.0), Exponential(0.3)),
        PartitionRandomly(servers, Exponential(4.0), Exponential(0.4)),
    ]
    link = Link(LogNormal(0.01, 1.0), loss_probability=0.1, duplicate_probability=0.1)
    return simulate(
        nodes, seed=seed, network=Network(link), faults=faults, save_latency=Exponential(0.01), until_seconds=20
    )


def participants_of(nodes: Nodes) -> list[str]:
    """Return the names of the participants, in the order of `nodes`."""
    return [name for name, node in nodes.items() if isinstance(node, Participant)]


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
    """Simulate `nodes` with the legs and the forced writes of `timing`.

    Parameters
    ----------
    timing
        Its request leg is that of every message except those from participants to the coordinator, which take its vote
        leg. Its number of participants is not used.
    nodes
        Such as :func:`bank` returns.
    seed, faults, until_seconds, record
        See :func:`~distlib.runtimes.simulation.simulate`.
    loss_probability
        Of each message between coordinator and participants, and among participants; the client's are never lost.
    """
    names = participants_of(nodes)
    vote = Link(timing.vote or timing.request, loss_probability)
    links = {(name, "coordinator"): vote for name in names}
    for client in nodes.keys() - {"coordinator", *names}:
        links |= {pair: Link(timing.request) for pair in ((client, "coordinator"), ("coordinator", client))}
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


def briefly(message: Any) -> str:
    """Return what a figure writes on a message where there is only one transaction."""
    return "?" if isinstance(message, Inquire) else str(message).split()[0]


def state_label(node: Node[Any, Any]) -> tuple[str, str] | None:
    """Return what a figure writes on the lane of `node`, and in which tone, about its latest transaction."""
    tones = {State.PREPARED: "wait", State.COMMITTED: "good", State.ABORTED: "bad"}
    if isinstance(node, Participant) and node.waiting:
        return "in doubt, next one waits", "wait"
    if isinstance(node, Participant) and node.log.records:
        state = node.log.records[-1][1].state
        return ("in doubt" if state is State.PREPARED else state.value), tones[state]
    if isinstance(node, Coordinator) and node.ballots:
        return "collecting", "calm"
    if isinstance(node, Coordinator) and node.log.records:
        state = node.log.records[-1][1].state
        return state.value, tones[state]
    if isinstance(node, Coordinator) and node.presumed:
        return "aborted", "bad"
    return None


# ------------------------------------------------------------------------------------------------- what a run shows


def commit_latencies(trace: Trace, coordinator: str = "coordinator") -> dict[str, float]:
    """Return, for each committed transaction, the seconds from the first request sent to the decision on disk."""
    asked: dict[str, float] = {}
    latencies: dict[str, float] = {}
    for event in trace.of(Kind.SEND, Kind.SAVE, node=coordinator):
        if event.kind is Kind.SEND and isinstance(event.value, Prepare):
            asked.setdefault(event.value.transaction, event.time_seconds)
        elif event.kind is Kind.SAVE:
            for transaction, record in event.value.records:
                if record.state is State.COMMITTED and transaction not in latencies:
                    latencies[transaction] = event.time_seconds - asked[transaction]
    return latencies


def in_doubt_seconds(trace: Trace) -> list[float]:
    """Return the seconds from each yes vote sent to the decision's arrival, for those that were told."""
    opened: dict[tuple[str, str], float] = {}
    spans = []
    for event in trace.of(Kind.SEND, Kind.DELIVER):
        if event.kind is Kind.SEND and isinstance(event.value, Vote) and event.value.yes:
            opened.setdefault((event.node, event.value.transaction), event.time_seconds)
        elif event.kind is Kind.DELIVER and isinstance(event.value, Decision):
            since = opened.pop((event.node, event.value.transaction), None)
            if since is not None:
                spans.append(event.time_seconds - since)
    return spans


def lock_hold_seconds(trace: Trace) -> list[float]:
    """Return the seconds from each request's arrival until the outcome is on disk, where no lock was waited for."""
    opened: dict[tuple[str, str], float] = {}
    spans = []
    for event in trace.of(Kind.DELIVER, Kind.SAVE):
        if event.kind is Kind.DELIVER and isinstance(event.value, Prepare):
            opened.setdefault((event.node, event.value.transaction), event.time_seconds)
        elif event.kind is Kind.SAVE and isinstance(event.value, ParticipantLog):
            for transaction, record in event.value.records:
                if record.state is not State.PREPARED and (event.node, transaction) in opened:
                    spans.append(event.time_seconds - opened.pop((event.node, transaction)))
    return spans


def cost_of(trace: Trace, coordinator: str = "coordinator") -> Cost:
    """Return the messages between coordinator and participants, and the forces; epochs at boot are left out."""
    participants = {event.node for event in trace.of(Kind.START) if isinstance(event.state, Participant)}
    sends = [event for event in trace.of(Kind.SEND) if {event.node, event.peer} & participants]
    forced = [event.node for event in trace.of(Kind.SAVE) if event.note != "unforced"]
    boots = len(trace.of(Kind.START, node=coordinator))
    return Cost(
        messages=len(sends),
        participant_forces=sum(name in participants for name in forced),
        coordinator_forces=forced.count(coordinator) - boots,
    )


# ------------------------------------------------------------------------------------------------------ crash points


@dataclass(frozen=True)
class Fate:
    """How one participant ended when the coordinator never came back.

    Parameters
    ----------
    state
        "committed", "aborted", "in doubt", or "untouched" if the transaction never reached it.
    asked
        Whether it had to ask the others to get there.
    """

    state: str
    asked: bool = False


def fate_cell(fate: Fate) -> tuple[str, str]:
    """Return what a table says of a participant's end, and in which tone."""
    tones = {"in doubt": "wait", "committed": "good", "aborted": "bad", "untouched": "calm"}
    asked = ", asked" if fate.asked and fate.state != "in doubt" else ""
    return fate.state + asked, tones[fate.state]


def crash_points(timing: CommitTiming, nodes: Nodes, *, seed: int) -> list[str]:
    """Return what the coordinator does in a run without faults, effect by effect: a crash may follow each.

    Item k is the k-th effect, as :class:`~distlib.runtimes.faults.CrashAfterEffect` counts; item 0 stands for a crash
    before any.
    """
    run = run_with(timing, nodes, seed=seed)
    points = ["nothing yet"]
    for event in run.trace.of(Kind.SEND, Kind.SAVE, Kind.SET_TIMER, Kind.CANCEL_TIMER, node="coordinator"):
        target = f" to {event.peer}" if event.peer else ""
        value = " ".join(map(str, event.value)) if isinstance(event.value, tuple) else str(event.value)
        points.append(f"{event.kind.value} {value}{target}")
    return points


def fates(
    timing: CommitTiming, nodes: Nodes, *, seed: int, crash_point: int, until_seconds: float = 30.0
) -> dict[str, Fate]:
    """Return how each participant ends if the coordinator crashes for good after its effect number `crash_point`.

    By `until_seconds` all have asked whom they can ask, several times.
    """
    crash = CrashAfterEffect("coordinator", crash_point)
    run = run_with(timing, nodes, seed=seed, faults=[crash], until_seconds=until_seconds)
    return {name: _fate(log, bool(run.trace.of(Kind.TIMER, node=name))) for name, log in participant_logs(run.world)}


def measure_cost(nodes: Nodes) -> Cost:
    """Return what one transaction costs over real sockets, counted as :func:`cost_of` counts."""
    names = participants_of(nodes)
    with Cluster(nodes) as cluster:
        trace = cluster.wait_until(lambda trace: _acknowledged(trace, names), 30)
    return cost_of(trace)


def measure_fates(nodes: Nodes, *, crash_point: int, processes: bool = False, rounds: int = 2) -> dict[str, Fate]:
    """Return how each participant ends over real sockets, as :func:`fates` does for a simulation.

    Parameters
    ----------
    nodes
        Such as :func:`bank` returns, with a patience of some tens of milliseconds.
    crash_point
        After which effect of the coordinator it is killed for good; at least 1.
    processes
        Whether each node is a process of its own, and the crash a ``kill -9``.
    rounds
        How often each participant in doubt asks before its end is taken to be final.
    """
    cluster = Cluster(nodes, processes=processes)
    cluster.kill_after("coordinator", crash_point)
    names = participants_of(nodes)
    # A coordinator that has less to do than that lives on; then the run is over when nobody is in doubt.
    with cluster:
        cluster.wait_until(lambda trace: trace.of(Kind.CRASH, node="coordinator") or _acknowledged(trace, names), 30)

        def settled(trace: Trace) -> bool:
            return all(_is_settled(trace, name, rounds) for name in names)

        trace = cluster.wait_until(settled, 30)
        logs = {name: _latest(trace, name) for name in names}
    return {name: _fate(log, bool(trace.of(Kind.TIMER, node=name))) for name, log in logs.items()}


def _acknowledged(trace: Trace, names: Sequence[str]) -> bool:
    return len(trace.of(Kind.SEND, where=lambda event: isinstance(event.value, Acknowledge))) == len(names)


def _latest(trace: Trace, name: str) -> ParticipantLog:
    node = trace.states(name)[-1][1]
    assert isinstance(node, Participant)
    return node.log


def _is_settled(trace: Trace, name: str, rounds: int) -> bool:
    """Return whether a participant has decided, has asked often enough, or has nothing on its way to it."""
    records = _latest(trace, name).records
    if records and records[-1][1].state is State.PREPARED:
        return len(trace.of(Kind.TIMER, node=name)) >= rounds
    if records:
        return True
    to_it = [event for event in trace.of(Kind.SEND) if event.peer == name]
    return len(to_it) <= len(trace.of(Kind.DELIVER, Kind.LOSE, node=name))


def _fate(log: ParticipantLog, asked: bool) -> Fate:
    if not log.records:
        return Fate("untouched")
    state = log.records[-1][1].state
    return Fate("in doubt" if state is State.PREPARED else state.value, asked)


def was_asked(run: Run) -> bool:
    """Return whether the coordinator lived to send a request."""
    return run.counts.sent_by_class.get("Prepare", 0) > 0


def crashed_in_window(run: Run) -> bool:
    """Return whether the coordinator crashed after it had asked and before it had decided."""
    decided = isinstance(run.saved["coordinator"], CoordinatorLog) and bool(run.saved["coordinator"].records)
    return was_asked(run) and not decided and run.nodes["coordinator"] is None


def is_blocked(run: Run) -> bool:
    """Return whether a live participant is in doubt at the end of the run."""
    return bool(in_doubt(run.world))


# ------------------------------------------------------------------------------------------------------- throughput


def pausing(nodes: Nodes, pause_seconds: float) -> dict[str, Node[Any, Any]]:
    """Return `nodes` with clients that rest before each transfer."""
    pause = (pause_seconds, pause_seconds)
    return {
        name: replace(node, start_seconds=pause) if isinstance(node, Client) else node for name, node in nodes.items()
    }


def throughput(run: Run) -> float:
    """Return the transfers completed per second, from the first completion to the last."""
    times = [event.time_seconds for event in run.trace.of(Kind.COMPLETE)]
    if len(times) < 2:
        raise ValueError(f"`run` must have completed at least 2 transfers, got {len(times)}")
    return (len(times) - 1) / (times[-1] - times[0])
