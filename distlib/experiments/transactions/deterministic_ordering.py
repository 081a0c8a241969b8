"""Deterministic ordering on the bench, and the same work under three regimes: two-phase commit, sagas, one order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from distlib.broken.transactions.deterministic_ordering import HurriedPartition
from distlib.checkers.history import History
from distlib.checkers.serializability import Verdict, check_serializability
from distlib.checkers.transaction_history import Transaction as Seen
from distlib.checkers.transaction_history import read_transactions
from distlib.experiments.transactions import saga as saga_bench
from distlib.experiments.transactions import two_phase_commit as commit_bench
from distlib.models.latency import Constant, Exponential, Law, LogNormal
from distlib.models.transactions.deterministic_ordering import DeterministicTiming
from distlib.models.transactions.saga import SagaTiming
from distlib.models.transactions.two_phase_commit import CommitTiming
from distlib.node import Node, Outcome, Table
from distlib.protocols.transactions import saga
from distlib.protocols.transactions import two_phase_commit as commit
from distlib.protocols.transactions.deterministic_ordering import (
    Account,
    Batch,
    Client,
    Partition,
    Sequencer,
    Transaction,
    replay,
)
from distlib.runtimes.faults import CrashRandomly, Fault, Link, Network, PartitionRandomly
from distlib.runtimes.network import Cluster
from distlib.runtimes.simulation import Run, simulate
from distlib.runtimes.trace import Kind, Trace

__all__ = [
    "SYSTEMS",
    "bank",
    "briefly",
    "chaos",
    "commit_transactions",
    "crossing",
    "drain_seconds",
    "hot_record",
    "judge",
    "latencies",
    "lock_hold_seconds",
    "measure_killed",
    "meant",
    "run_with",
    "state_label",
    "transfer",
    "work",
    "wrong_totals",
]

Nodes = dict[str, Node[Any, Any]]


# ----------------------------------------------------------------------------------------------------------- instances


def work(name: str, amounts: Mapping[int, int], expected: Table[str, tuple[str, ...]] = ()) -> Transaction:
    """Return a transaction that adds to the account of each bank by number; 0 only reads it."""
    parts = tuple((f"p{number}", ((f"a{number}", amount),)) for number, amount in sorted(amounts.items()))
    return Transaction(name, parts, expected)


def transfer(name: str, participant_count: int = 2) -> Transaction:
    """Return a transaction in which `p1` pays 1 to every other bank."""
    others = dict.fromkeys(range(2, participant_count + 1), 1)
    return work(name, {1: 1 - participant_count} | others)


def bank(
    participant_count: int,
    transactions: Sequence[Transaction] | None = None,
    *,
    balances: Sequence[int] | None = None,
    sequencer: Sequencer | None = None,
    partition_class: type[Partition] = Partition,
    checkpoint_every: int | None = None,
    epoch_seconds: float = 0.010,
    pause_seconds: tuple[float, float] = (0.0, 0.0),
    ask_seconds: float = 1.0,
    retries: int = 10,
) -> Nodes:
    """Return a client, a sequencer and banks `p1`, `p2` and so on, with the accounts `a1`, `a2` and so on.

    Parameters
    ----------
    participant_count
        How many banks there are, at least 1.
    transactions
        What the client runs, one after another, each named `client.…`; by default one transfer.
    balances
        What the accounts hold at first; by default a million each.
    sequencer
        To put a broken one in; its partitions and its epoch are set.
    partition_class
        The banks' class, to put a broken one in.
    checkpoint_every
        After how many epochs they save a checkpoint.
    epoch_seconds
        How long the sequencer gathers.
    pause_seconds
        How long the client rests before each transaction, as a range.
    ask_seconds
        How long a bank waits until it asks for what it lacks.
    retries
        How often the client asks again.
    """
    if participant_count < 1:
        raise ValueError(f"`participant_count` must be at least 1, got {participant_count}")
    held = list(balances) if balances is not None else [1_000_000] * participant_count
    if len(held) != participant_count:
        raise ValueError(f"`balances` must be {participant_count}, one for each bank, got {len(held)}")
    names = tuple(f"p{number}" for number in range(1, participant_count + 1))
    todo = tuple(transactions) if transactions is not None else (transfer("client.1", participant_count),)
    epoch = (epoch_seconds, epoch_seconds)
    nodes: Nodes = {
        "client": Client("sequencer", todo, pause_seconds=pause_seconds, retries=retries),
        "sequencer": replace(sequencer or Sequencer(names), partitions=names, epoch_seconds=epoch),
    }
    for name, amount in zip(names, held, strict=True):
        accounts = ((f"a{name[1:]}", Account(amount)),)
        ask = (ask_seconds, ask_seconds)
        nodes[name] = partition_class(name, accounts, checkpoint_every=checkpoint_every, ask_seconds=ask)
    return nodes


def crossing(
    balances: tuple[int, int] = (1, 1),
    *,
    both: bool = True,
    sequencer: Sequencer | None = None,
    partition_class: type[Partition] = Partition,
    checkpoint_every: int | None = None,
    retries: int = 0,
) -> Nodes:
    """Return two banks, and two clients whose transfers cross: `c` pays from `p1` to `p2`, and `d` back."""
    nodes = bank(
        2,
        (),
        balances=balances,
        sequencer=sequencer,
        partition_class=partition_class,
        checkpoint_every=checkpoint_every,
    )
    del nodes["client"]
    nodes["c"] = Client("sequencer", (work("c.1", {1: -1, 2: 1}),), retries=retries)
    if both:
        nodes["d"] = Client("sequencer", (work("d.1", {1: 1, 2: -1}),), retries=retries)
    return nodes


def hot_record(client_count: int) -> Nodes:
    """Return clients that each submit one transaction at the same time, so that all are in one batch.

    All book on `record` at `hot`, and each on one of its own at `cold`.
    """
    nodes: Nodes = {"sequencer": Sequencer(("cold", "hot"), epoch_seconds=(0.05, 0.05))}
    for name in ("cold", "hot"):
        nodes[name] = Partition(name, ask_seconds=(60.0, 60.0))
    for number in range(1, client_count + 1):
        parts = (("cold", ((f"own {number}", 1),)), ("hot", (("record", 1),)))
        nodes[f"c{number}"] = Client("sequencer", (Transaction(f"c{number}.1", parts),))
    return nodes


# ---------------------------------------------------------------------------------------------------------------- runs


def run_with(
    timing: DeterministicTiming,
    nodes: Mapping[str, Node[Any, Any]],
    *,
    seed: int,
    client: Law | None = None,
    faults: Sequence[Fault] = (),
    until_seconds: float | None = None,
    record: bool = True,
) -> Run:
    """Simulate `nodes` with the legs of `timing`; its sequencing is what the sequencer's disk takes.

    Parameters
    ----------
    timing
        Its number of partitions and its epoch are those of the nodes, and are not used.
    nodes
        Such as :func:`bank` returns.
    client
        Law of the clients' legs; without it, that of a request.
    seed, faults, until_seconds, record
        See :func:`~distlib.runtimes.simulation.simulate`. By default the run ends after 60 s.
    """
    banks = [name for name, node in nodes.items() if isinstance(node, Partition)]
    links = {("sequencer", name): Link(timing.request) for name in banks}
    links |= {(one, other): Link(timing.exchange_leg) for one in banks for other in banks if one != other}
    return simulate(
        nodes,
        seed=seed,
        network=Network(Link(client or timing.request), links),
        save_latency={"sequencer": timing.sequencing},
        faults=faults,
        until_seconds=60.0 if until_seconds is None else until_seconds,
        record=record,
    )


def chaos(nodes: Mapping[str, Node[Any, Any]], *, seed: int) -> tuple[Run, Run]:
    """Simulate `nodes` for 20 s with crashes, loss, copies and partitions, and then on for 30 s without.

    The second run begins with what is on the disks. The operations that clients left open are not taken up again.
    """
    servers = [name for name, node in nodes.items() if not isinstance(node, Client)]
    faults: list[Fault] = [
        CrashRandomly(servers, Exponential(2.0), Exponential(0.3)),
        PartitionRandomly(servers, Exponential(4.0), Exponential(0.4)),
    ]
    link = Link(LogNormal(0.01, 1.0), loss_probability=0.1, duplicate_probability=0.1)
    run = simulate(
        nodes, seed=seed, network=Network(link), faults=faults, save_latency=Exponential(0.01), until_seconds=20
    )
    calm: Nodes = {}
    for name, node in nodes.items():
        saved = run.saved[name]
        if isinstance(node, Client):
            calm[name] = Client("sequencer", ())
        elif isinstance(node, Sequencer):
            calm[name] = replace(node, log=saved or ())
        else:
            assert isinstance(node, Partition)
            calm[name] = node
            if saved is not None:
                calm[name] = replace(
                    node, epoch=saved.epoch, accounts=saved.accounts, sent=saved.sent, answered=saved.answered
                )
    return run, simulate(calm, seed=seed, network=Network(Link(Constant(0.01))), until_seconds=30)


def meant(run: Run) -> dict[str, Account]:
    """Return what the log of a run makes of the accounts, computed apart from the run."""
    sequencer = run.nodes["sequencer"]
    assert isinstance(sequencer, Sequencer)
    partitions = [node for node in run.nodes.values() if isinstance(node, Partition)]
    return replay(
        sequencer.log, {key: Account(account.opening) for node in partitions for key, account in node.accounts}
    )


def measure_killed(nodes: Mapping[str, Node[Any, Any]], *, name: str, effect_number: int) -> Any:
    """Run `nodes` over real sockets, kill one after an effect, restart it, and return the world when all is done."""
    cluster = Cluster(nodes)
    cluster.kill_after(name, effect_number)

    def crashed_or_told(trace: Trace) -> bool:
        return bool(trace.of(Kind.CRASH, node=name)) or bool(trace.of(Kind.COMPLETE))

    with cluster:
        cluster.wait_until(crashed_or_told, 30)
        cluster.restart(name)
        cluster.wait_until(lambda trace: bool(trace.of(Kind.COMPLETE)) and _caught_up(trace), 30)
        return cluster.world


def _caught_up(trace: Trace) -> bool:
    for name in trace.names:
        states = trace.states(name)
        node = states[-1][1] if states else None
        if isinstance(node, Partition) and (node.waiting or not node.epoch):
            return False
    return True


# ------------------------------------------------------------------------------------------------------ what runs show


def latencies(trace: Trace) -> list[float]:
    """Return the seconds from each invocation to its completion, in the order of the completions."""
    opened: dict[str, float] = {}
    spans = []
    for event in trace.of(Kind.INVOKE, Kind.COMPLETE):
        if event.kind is Kind.INVOKE:
            opened[event.node] = event.time_seconds
        else:
            spans.append(event.time_seconds - opened.pop(event.node))
    return spans


def lock_hold_seconds(trace: Trace) -> list[float]:
    """Return the seconds from each grant of locks to the execution, at every partition."""
    spans = []
    for name in trace.names:
        granted: dict[str, float] = {}
        for time_seconds, node in trace.states(name):
            if isinstance(node, Partition):
                waiting = {each.name for each in node.waiting}
                for transaction, _ in node.sent:
                    granted.setdefault(transaction, time_seconds)
                for transaction in sorted(granted.keys() - waiting):
                    since = granted[transaction]
                    if since >= 0:
                        spans.append(time_seconds - since)
                        granted[transaction] = -1.0
    return spans


def drain_seconds(trace: Trace, partition: str = "hot") -> float:
    """Return the seconds from the first batch's departure until nothing waits at a partition any more."""
    sent = trace.of(Kind.SEND, where=lambda event: isinstance(event.value, Batch))[0].time_seconds
    done = [
        time_seconds
        for time_seconds, node in trace.states(partition)
        if isinstance(node, Partition) and node.epoch and not node.waiting
    ]
    return done[0] - sent


def briefly(message: Any) -> str:
    """Return what a figure writes on a message."""
    return str(message).split()[0] if not isinstance(message, Batch) else str(message)


def state_label(node: Node[Any, Any]) -> tuple[str, str] | None:
    """Return what a figure writes on the lane of `node`, and in which tone."""
    if isinstance(node, Sequencer) and node.gathered:
        return "gathers", "calm"
    if isinstance(node, Partition) and node.early:
        return f"lacks batch {node.epoch + 1}", "bad"
    if isinstance(node, Partition) and node.waiting:
        return "locked", "wait"
    if isinstance(node, Partition) and node.epoch:
        return f"done to {node.epoch}", "good"
    return None


# ------------------------------------------------------------------------------------------- one work, three regimes

MILLISECOND = 0.001
_LEG = Exponential(2 * MILLISECOND)
_ROUNDS = 12
_READS = 20
# Alice's purchases: `p1` and `p2` pay 1 each, `p3` earns 2. Bob pays 1 from `p3` to `p1`. `p2` has 4, so some fail.
_PURCHASE, _REFUND, _LOOK = {1: -1, 2: -1, 3: 2}, {1: 1, 3: -1}, {1: 0, 2: 0, 3: 0}
_BALANCES = (20, 4, 20)


def _plan() -> dict[str, list[tuple[str, dict[int, int]]]]:
    """Return what each client runs: (name, amounts by bank)."""
    plan = {
        "alice": [(f"alice.{k}", _PURCHASE) for k in range(1, _ROUNDS + 1)],
        "bob": [(f"bob.{k}", _REFUND) for k in range(1, _ROUNDS + 1)],
    }
    return plan | {name: [(f"{name}.{k}", _LOOK) for k in range(1, _READS + 1)] for name in ("carol", "dave")}


def _deterministic(seed: int, partition_class: type[Partition]) -> tuple[Seen, ...]:
    nodes = bank(3, (), balances=_BALANCES, partition_class=partition_class, epoch_seconds=0.004, ask_seconds=0.2)
    del nodes["client"]
    pause = (0.0, 0.004)
    for name, todo in _plan().items():
        transactions = tuple(work(each, amounts) for each, amounts in todo)
        nodes[name] = Client("sequencer", transactions, pause_seconds=pause, retry_seconds=(0.5, 0.5), retries=3)
    timing = DeterministicTiming(3, _LEG, sequencing=Constant(MILLISECOND))
    return read_transactions(History.from_trace(run_with(timing, nodes, seed=seed, until_seconds=2.0).trace))


def _saga(seed: int, when_flagged: saga.WhenFlagged, flagging: bool) -> tuple[Seen, ...]:
    orchestrator = saga.Orchestrator(flagging=flagging, patience=None)
    nodes = saga_bench.bank(3, (), balances=_BALANCES, orchestrator=orchestrator)
    del nodes["client"]
    for name, todo in _plan().items():
        if todo[0][1] is _LOOK:
            accounts = tuple((f"p{k}", f"a{k}") for k in (1, 2, 3))
            nodes[name] = saga.Reader(accounts, when_flagged, 3 * _READS, (0.0, 0.004))
        else:
            steps = sorted(todo[0][1].items(), key=lambda pair: pair[1])
            sagas = tuple(
                saga.Saga(each, tuple(saga.SagaStep(f"p{k}", f"a{k}", amount) for k, amount in steps), len(steps) - 2)
                for each, _ in todo
            )
            nodes[name] = saga.Client("orchestrator", sagas, pause_seconds=(0.0, 0.004))
    timing = SagaTiming(3, _LEG, None, MILLISECOND, MILLISECOND)
    return saga_bench.transactions_of(saga_bench.run_with(timing, nodes, seed=seed, until_seconds=3.0).trace)


def _commit(seed: int) -> tuple[Seen, ...]:
    nodes = commit_bench.bank(3, transfer_count=0)
    del nodes["client"]
    for number, amount in enumerate(_BALANCES, start=1):
        log = commit.ParticipantLog(((f"a{number}", amount),))
        patience = (0.05, 0.05)
        nodes[f"p{number}"] = commit.Participant(
            f"p{number}", log, inquire_seconds=patience, lock_timeout_seconds=patience
        )
    for name, todo in _plan().items():
        transfers = tuple(
            commit.Transfer(each, frozenset((f"p{k}", frozenset({(f"a{k}", amount)})) for k, amount in amounts.items()))
            for each, amounts in todo
        )
        nodes[name] = commit.Client("coordinator", transfers, start_seconds=(0.0, 0.004))
    timing = CommitTiming(3, _LEG, None, MILLISECOND, MILLISECOND)
    return commit_transactions(commit_bench.run_with(timing, nodes, seed=seed, until_seconds=4.0).trace)


def commit_transactions(trace: Trace) -> tuple[Seen, ...]:
    """Return what clients of two-phase commit asked for, and what those that only lock would have read.

    A transaction that adds 0 to an account locks it and changes nothing. What it would have read there is what was
    committed at that participant before it was.
    """
    booked: dict[str, list[str]] = {}
    seen: dict[tuple[str, str], tuple[str, ...]] = {}
    ended: set[tuple[str, str]] = set()
    for event in trace.of(Kind.SAVE, where=lambda event: isinstance(event.value, commit.ParticipantLog)):
        for name, record in event.value.records:
            if record.state is commit.State.COMMITTED and (event.node, name) not in ended:
                ended.add((event.node, name))
                for account, amount in sorted(record.changes):
                    seen[account, name] = tuple(booked.get(account, ()))
                    if amount:
                        booked.setdefault(account, []).append(name)
    transactions = []
    for number, operation in enumerate(History.from_trace(trace), start=1):
        transfer: Any = operation.operation
        amounts = sorted((account, amount) for _, changes in transfer.work for account, amount in changes)
        accesses = tuple(
            ("append", account, transfer.transaction)
            if amount
            else ("read", account, seen.get((account, transfer.transaction)))
            for account, amount in amounts
        )
        completed = float("inf") if operation.completed is None else operation.completed
        one = Seen(number, operation.process, accesses, operation.invoked, completed, operation.outcome)  # type: ignore[arg-type]
        if operation.outcome is not Outcome.FAIL or all(amount for _, amount in amounts):
            transactions.append(one)
    return tuple(transactions)


SYSTEMS: Mapping[str, Callable[[int], tuple[Seen, ...]]] = {
    "two-phase commit": _commit,
    "saga": lambda seed: _saga(seed, saga.WhenFlagged.IGNORE, False),
    "saga, readers wait": lambda seed: _saga(seed, saga.WhenFlagged.WAIT, True),
    "saga, readers start over": lambda seed: _saga(seed, saga.WhenFlagged.REFUSE, True),
    "deterministic": lambda seed: _deterministic(seed, Partition),
    "arrival order": lambda seed: _deterministic(seed, HurriedPartition),
}
"""The same purchases, refunds and readers under each regime, by a seed: what their clients saw."""


def wrong_totals(transactions: Sequence[Seen]) -> tuple[int, int]:
    """Return how many reads of all accounts added up to another total than there is, and how many reads there were.

    Parameters
    ----------
    transactions
        What the clients of one of :data:`SYSTEMS` saw.
    """
    moved = {"alice": _PURCHASE, "bob": _REFUND}
    reads = [
        each
        for each in transactions
        if each.outcome is Outcome.OK and all(function == "read" for function, _, _ in each.operations)
    ]
    # Every transfer adds up to 0, so a reader who saw whole ones only finds the total that was there at first.
    off = [
        sum(
            moved[name.split(".")[0]][int(str(account)[1:])]
            for _, account, names in each.operations
            for name in names or ()
        )
        for each in reads
    ]
    return sum(amount != 0 for amount in off), len(reads)


def judge(system: str, seed: int) -> Verdict:
    """Return what the checker of isolation finds in a run of a system.

    Raises
    ------
    ValueError
        If there is no such system.
    """
    if system not in SYSTEMS:
        raise ValueError(f"`system` must be one of {', '.join(map(repr, SYSTEMS))}, got {system!r}")
    return check_serializability(SYSTEMS[system](seed))
