"""Sagas on the bench: banks to run them on, readers that look on, and what the models predict, read off the runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from distlib.checkers.history import History
from distlib.checkers.transaction_history import Transaction, read_transactions
from distlib.models.latency import Constant, Exponential, Law, LogNormal
from distlib.models.transactions.saga import SagaTiming
from distlib.node import Node, Outcome
from distlib.protocols.transactions.saga import (
    Account,
    Begin,
    Client,
    Do,
    Finish,
    Orchestrator,
    OrchestratorLog,
    Participant,
    ParticipantLog,
    Phase,
    Progress,
    Reader,
    Saga,
    SagaStep,
    StepState,
    WhenFlagged,
)
from distlib.runtimes.faults import CrashRandomly, Fault, Link, Network, PartitionRandomly
from distlib.runtimes.network import Cluster
from distlib.runtimes.simulation import Run, simulate
from distlib.runtimes.trace import Kind, Trace

__all__ = [
    "bank",
    "briefly",
    "chaos",
    "completed",
    "crossing",
    "flag_seconds",
    "hot_record",
    "latencies",
    "measure_killed",
    "pivot_too_early",
    "pivot_too_late",
    "purchase",
    "run_with",
    "settle",
    "state_label",
    "throughput",
    "transactions_of",
    "transfer",
    "trips",
    "watched",
    "wrong_share",
]

Nodes = dict[str, Node[Any, Any]]


# ----------------------------------------------------------------------------------------------------------- instances


def transfer(name: str, participant_count: int = 2, source: int = 1) -> Saga:
    """Return a saga in which one bank pays 1 to each other one; who pays comes first, and is the pivot."""
    numbers = [source, *(number for number in range(1, participant_count + 1) if number != source)]
    steps = tuple(
        SagaStep(f"p{number}", f"a{number}", 1 if place else 1 - participant_count)
        for place, number in enumerate(numbers)
    )
    return Saga(name, steps, pivot=0)


def purchase(name: str, participant_count: int = 3) -> Saga:
    """Return a saga in which all banks but the last pay 1, and the last earns it; the last to pay is the pivot."""
    payers = range(1, participant_count)
    steps = tuple(SagaStep(f"p{number}", f"a{number}", -1) for number in payers)
    last = SagaStep(f"p{participant_count}", f"a{participant_count}", participant_count - 1)
    return Saga(name, (*steps, last), pivot=participant_count - 2)


def bank(
    participant_count: int,
    sagas: Sequence[Saga] | None = None,
    *,
    balances: Sequence[int] | None = None,
    orchestrator: Orchestrator | None = None,
    participant_class: type[Participant] = Participant,
    pause_seconds: float = 0.0,
    retries: int = 10,
) -> Nodes:
    """Return a client, an orchestrator and banks `p1`, `p2` and so on, with the accounts `a1`, `a2` and so on.

    Parameters
    ----------
    participant_count
        How many banks there are, at least 1.
    sagas
        What the client runs, one after another; by default one transfer.
    balances
        What the accounts hold at first; by default a million each.
    orchestrator
        Its patience, and whether it flags; a fresh :class:`Orchestrator` if none is given.
    participant_class
        The banks' class, to put a broken one in.
    pause_seconds
        How long the client rests before each saga.
    retries
        How often the client asks again.
    """
    if participant_count < 1:
        raise ValueError(f"`participant_count` must be at least 1, got {participant_count}")
    held = list(balances) if balances is not None else [1_000_000] * participant_count
    if len(held) != participant_count:
        raise ValueError(f"`balances` must be {participant_count}, one for each bank, got {len(held)}")
    todo = tuple(sagas) if sagas is not None else (transfer("s1", participant_count),)
    pause = (pause_seconds, pause_seconds)
    nodes: Nodes = {
        "client": Client("orchestrator", todo, pause_seconds=pause, retries=retries),
        "orchestrator": orchestrator or Orchestrator(),
    }
    for number, amount in enumerate(held, start=1):
        nodes[f"p{number}"] = participant_class(ParticipantLog(((f"a{number}", Account(amount)),)))
    return nodes


def crossing(
    balances: tuple[int, int] = (1, 1),
    *,
    orchestrator: Orchestrator | None = None,
    participant_class: type[Participant] = Participant,
) -> Nodes:
    """Return two clients whose transfers cross: `s1` from `p1` to `p2`, and `s2` back. Neither asks again."""
    nodes = bank(2, (), balances=balances, participant_class=participant_class)
    nodes["orchestrator"] = orchestrator or Orchestrator(patience=0)
    nodes["client"] = Client("orchestrator", (transfer("s1"),), retries=0)
    nodes["other client"] = Client("orchestrator", (transfer("s2", source=2),), retries=0)
    return nodes


def pivot_too_early() -> Nodes:
    """Return a purchase whose author took the first payment for the pivot; the second bank cannot pay."""
    return bank(3, (replace(purchase("s1"), pivot=0),), balances=(1, 0, 0), retries=0)


def pivot_too_late() -> Nodes:
    """Return a saga that gives before it takes, so that it may have to take back what somebody else has spent.

    `s1` gives 1 to `p2` and then wants it from `p1`, which has nothing. Meanwhile `s2` moves 1 from `p2` to `p3`.
    """
    gives_first = Saga("s1", (SagaStep("p2", "a2", 1), SagaStep("p1", "a1", -1)), pivot=1)
    spends = Saga("s2", (SagaStep("p2", "a2", -1), SagaStep("p3", "a3", 1)), pivot=0)
    nodes = bank(3, (gives_first,), balances=(0, 0, 0), orchestrator=Orchestrator(patience=None), retries=0)
    nodes["other client"] = Client("orchestrator", (spends,), retries=0)
    return nodes


def trips(saga_count: int, success_probabilities: Sequence[float], *, seed: int) -> Nodes:
    """Return a client that books trips: one unit at each of n participants, all of them or none.

    Each trip has accounts of its own, and whether a participant has a unit left for it is drawn beforehand. Nobody
    loses patience.

    Parameters
    ----------
    saga_count
        How many trips.
    success_probabilities
        The chance of each participant to have a unit left.
    seed
        Of the draws.
    """
    count = len(success_probabilities)
    generator = np.random.default_rng(seed)
    left = (generator.random((saga_count, count)) < np.asarray(success_probabilities)).astype(int)
    sagas = tuple(
        Saga(f"s{k}", tuple(SagaStep(f"p{i}", f"a{i}.{k}", -1) for i in range(1, count + 1)), pivot=count - 1)
        for k in range(saga_count)
    )
    nodes: Nodes = {
        "client": Client("orchestrator", sagas, retry_seconds=(3600.0, 3600.0)),
        "orchestrator": Orchestrator(repeat_seconds=(0.1, 0.1), patience=None),
    }
    for i in range(1, count + 1):
        accounts = tuple(sorted((f"a{i}.{k}", Account(int(left[k, i - 1]))) for k in range(saga_count)))
        nodes[f"p{i}"] = Participant(ParticipantLog(accounts), relay_seconds=(3600.0, 3600.0))
    return nodes


def hot_record(client_count: int, saga_count: int) -> Nodes:
    """Return clients whose sagas all book on one record at `hot`, and then on one of their own elsewhere.

    Each client has an orchestrator of its own, so that none of those is the bottleneck.
    """
    forever = (3600.0, 3600.0)
    nodes: Nodes = {"hot": Participant(relay_seconds=forever)}
    for number in range(1, client_count + 1):
        sagas = tuple(
            Saga(f"s{number}.{turn}", (SagaStep("hot", "record", 1), SagaStep(f"cold {number}", "own", 1)), pivot=0)
            for turn in range(1, saga_count + 1)
        )
        nodes[f"cold {number}"] = Participant(relay_seconds=forever)
        nodes[f"orchestrator {number}"] = Orchestrator(repeat_seconds=forever)
        nodes[f"client {number}"] = Client(f"orchestrator {number}", sagas, retry_seconds=forever)
    return nodes


# ---------------------------------------------------------------------------------------------------------------- runs


def run_with(
    timing: SagaTiming,
    nodes: Mapping[str, Node[Any, Any]],
    *,
    seed: int,
    reader: Law | None = None,
    faults: Sequence[Fault] = (),
    loss_probability: float = 0.0,
    until_seconds: float | None = None,
    record: bool = True,
) -> Run:
    """Simulate `nodes` with the legs and the forced writes of `timing`.

    Parameters
    ----------
    timing
        Its request leg is that of every message except those from participants, which take its answer leg.
    nodes
        Such as :func:`bank` returns.
    reader
        Law of a leg from a reader to a participant; without it, that of a request.
    loss_probability
        Of each message from an orchestrator to a participant; no other message is lost.
    seed, faults, until_seconds, record
        See :func:`~distlib.runtimes.simulation.simulate`.
    """
    banks = [name for name, node in nodes.items() if isinstance(node, Participant)]
    orchestrators = [name for name, node in nodes.items() if isinstance(node, Orchestrator)]
    readers = [name for name, node in nodes.items() if isinstance(node, Reader)]
    links = {(one, other): Link(timing.request, loss_probability) for one in orchestrators for other in banks}
    links |= {(other, one): Link(timing.answer_leg) for one in orchestrators for other in banks}
    links |= {(one, other): Link(reader or timing.request) for one in readers for other in banks}
    disks: dict[str, Law] = {name: Constant(timing.participant_force_seconds) for name in banks}
    disks |= {name: Constant(timing.orchestrator_force_seconds) for name in orchestrators}
    return simulate(
        nodes,
        seed=seed,
        network=Network(Link(timing.request), links),
        save_latency=disks,
        faults=faults,
        until_seconds=until_seconds,
        record=record,
    )


def watched(
    timing: SagaTiming,
    *,
    seed: int,
    reader: Law,
    when_flagged: WhenFlagged = WhenFlagged.IGNORE,
    flagging: bool = True,
    read_count: int = 100,
    pause_seconds: float = 0.03,
    record: bool = False,
) -> Run:
    """Simulate transfers between two banks, one after another with pauses, under the eyes of a reader.

    The reader asks both banks at once, and rests between reads for anything up to twice the mean time between two
    transfers, so that it comes at a random moment.

    Parameters
    ----------
    timing
        Of a transfer.
    reader
        Law of a leg from the reader to a bank.
    when_flagged
        What it wants where an account is flagged.
    flagging
        Whether accounts are flagged at all.
    read_count
        How many reads.
    pause_seconds
        How long the client rests before each transfer.
    seed, record
        See :func:`~distlib.runtimes.simulation.simulate`.
    """
    cycle = pause_seconds + 2 * float(timing.request.mean()) + 2 * timing.step_seconds_mean
    horizon = read_count * (2 * cycle + 4 * float(reader.mean()))
    sagas = [transfer(f"s{number}") for number in range(int(horizon / cycle) + 1)]
    orchestrator = Orchestrator(flagging=flagging, repeat_seconds=(60.0, 60.0))
    nodes = bank(2, sagas, orchestrator=orchestrator, pause_seconds=pause_seconds)
    pause = (0.0, 2 * cycle)
    nodes["reader"] = Reader((("p1", "a1"), ("p2", "a2")), when_flagged, read_count, pause)
    return run_with(timing, nodes, seed=seed, reader=reader, until_seconds=horizon, record=record)


def wrong_share(run: Run) -> float:
    """Return the share of reads of a :func:`watched` run whose total was not what it always is."""
    reader = run.nodes["reader"]
    assert isinstance(reader, Reader)
    return float(np.mean([total is not None and total != 2_000_000 for total in reader.totals]))


def chaos(nodes: Mapping[str, Node[Any, Any]], *, seed: int) -> Run:
    """Simulate `nodes` for 20 s with crashes and repairs of servers, loss, copies, slow disks and partitions."""
    servers = [name for name, node in nodes.items() if not isinstance(node, Client | Reader)]
    faults: list[Fault] = [
        CrashRandomly(servers, Exponential(2.0), Exponential(0.3)),
        PartitionRandomly(servers, Exponential(4.0), Exponential(0.4)),
    ]
    link = Link(LogNormal(0.01, 1.0), loss_probability=0.1, duplicate_probability=0.1)
    return simulate(
        nodes, seed=seed, network=Network(link), faults=faults, save_latency=Exponential(0.01), until_seconds=20
    )


def settle(nodes: Mapping[str, Node[Any, Any]], run: Run) -> Run:
    """Simulate the servers of `run` on from what is on their disks, for 60 s and without faults."""
    servers: Nodes = {}
    for name, node in nodes.items():
        if isinstance(node, Orchestrator | Participant):
            saved = run.saved[name]
            servers[name] = node if saved is None else replace(node, log=saved)
        else:
            # The sagas' clients are told how they ended, and have nothing left to do.
            servers[name] = Client("orchestrator", ())
    return simulate(servers, seed=run.seed, until_seconds=60)


def measure_killed(nodes: Mapping[str, Node[Any, Any]], *, name: str, effect_number: int) -> Run | Any:
    """Run `nodes` over real sockets, kill one after an effect, restart it, and return the world once all have ended."""
    cluster = Cluster(nodes)
    cluster.kill_after(name, effect_number)
    with cluster:
        cluster.wait_until(lambda trace: bool(trace.of(Kind.CRASH, node=name)) or _told(trace), 30)
        cluster.restart(name)
        cluster.wait_until(_told, 30)
        return cluster.world


def _told(trace: Trace) -> bool:
    return bool(trace.of(Kind.COMPLETE))


# ------------------------------------------------------------------------------------------------------ what runs show


def _orchestrator_saves(trace: Trace) -> list[tuple[float, str, Progress]]:
    """Return (time, saga, progress) for each line of each orchestrator's log, as often as it was saved."""
    return [
        (event.time_seconds, name, progress)
        for event in trace.of(Kind.SAVE, where=lambda event: isinstance(event.value, OrchestratorLog))
        for name, progress in event.value.sagas
    ]


def latencies(trace: Trace) -> dict[str, float]:
    """Return, for each saga that ended, the seconds from its request's arrival to its end on disk."""
    begun: dict[str, float] = {}
    for event in trace.of(Kind.DELIVER, where=lambda event: isinstance(event.value, Begin)):
        begun.setdefault(event.value.saga.name, event.time_seconds)
    ended: dict[str, float] = {}
    for time_seconds, name, progress in _orchestrator_saves(trace):
        if progress.ended:
            ended.setdefault(name, time_seconds - begun[name])
    return ended


def completed(trace: Trace) -> dict[str, bool]:
    """Return, for each saga that ended, whether it was completed."""
    return {
        name: progress.phase is Phase.COMPLETED for _, name, progress in _orchestrator_saves(trace) if progress.ended
    }


def flag_seconds(trace: Trace, participant: str = "p1") -> list[float]:
    """Return the seconds from each flagging request's arrival at a participant to that of word of the end."""
    opened: dict[str, float] = {}
    spans = []
    for event in trace.of(Kind.DELIVER, node=participant):
        if isinstance(event.value, Do) and event.value.flagging:
            opened.setdefault(event.value.saga, event.time_seconds)
        elif isinstance(event.value, Finish) and event.value.saga in opened:
            spans.append(event.time_seconds - opened.pop(event.value.saga))
    return spans


def throughput(run: Run) -> float:
    """Return the sagas completed per second, between the first and the last quarter of the completions."""
    times = [event.time_seconds for event in run.trace.of(Kind.COMPLETE)]
    if len(times) < 8:
        raise ValueError(f"`run` must have completed at least 8 sagas, got {len(times)}")
    first, last = len(times) // 4, 3 * len(times) // 4
    return (last - first) / (times[last] - times[first])


def transactions_of(trace: Trace) -> tuple[Transaction, ...]:
    """Return what clients and readers recorded, for :func:`~distlib.checkers.serializability.check_serializability`."""
    return tuple(
        each
        for each in read_transactions(History.from_trace(trace))
        if each.outcome is not Outcome.FAIL or _writes(each)
    )


def _writes(transaction: Transaction) -> bool:
    return any(True for _ in transaction.writes())


def briefly(message: Any) -> str:
    """Return what a figure writes on a message where there is only one saga."""
    words = str(message).split()
    return " ".join([words[0], *(word.split(".")[1] for word in words[1:] if "." in word)])


def state_label(node: Node[Any, Any]) -> tuple[str, str] | None:
    """Return what a figure writes on the lane of `node`, and in which tone, about its latest saga."""
    if isinstance(node, Orchestrator) and node.log.sagas:
        progress = node.log.sagas[-1][1]
        tones = {Phase.FORWARD: "calm", Phase.BACKWARD: "wait", Phase.COMPLETED: "good", Phase.COMPENSATED: "bad"}
        return str(progress), tones[progress.phase]
    if isinstance(node, Participant) and node.log.inbox:
        state = node.log.inbox[-1][1].state
        return state.value, {StepState.DONE: "good", StepState.REFUSED: "bad", StepState.UNDONE: "wait"}[state]
    return None
