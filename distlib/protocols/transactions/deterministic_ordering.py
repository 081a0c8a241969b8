"""Deterministic ordering: agree on the order of transactions first, then let every partition carry it out by itself.

Sources: Thomson, Diamond, Weng, Ren, Shao and Abadi, *Calvin: Fast Distributed Transactions for Partitioned Database
Systems* (SIGMOD 2012), sections 3 and 4; Thomson and Abadi, *The Case for Determinism in Database Systems* (VLDB 2010),
for the optimistic prediction of what a transaction will touch.

Theory of operation
-------------------
Clients hand transactions to the :class:`Sequencer`. It gathers them for an *epoch*, writes the batch to its log, and
only then sends it to the partitions: the order of all transactions is durable before any of them begins. A transaction
is a description of what to do, complete with the keys that it will touch, and it is *deterministic*: the same accounts
in, the same accounts out.

A :class:`Partition` takes batches in the order of their epochs, whatever the order of their arrival, and grants locks
in the order of the log: a transaction may go on if no earlier one that is not finished touches any of its keys here.
Then the partition reads its own part and sends what it read to the other partitions of the transaction. When all parts
have come, each partition computes the *same* outcome from the same values, and books its own part. Nobody votes, and
nobody is in doubt: whether the transaction is possible is a question that each answers alone, and all answer alike.

Locks are taken in one order everywhere, so there is no deadlock. A lock is held from its grant until the slowest of the
other parts has come: one way, not a round trip, and no disk.

A partition forces nothing. It saves a *checkpoint* now and then, without waiting for the disk, and after a crash it
takes the log from there once more, and arrives at the same state. What it sent to others is in the checkpoint, too,
for they may have to run again what it need not.

What it gives up: the keys of a transaction must be known before it begins, and nobody can change his mind in the
middle. A client that does not know its keys reads first, and hands in its transaction with what it has read
(`expected`): if that has changed when its turn comes, all partitions abort it, alike, and the client starts over.

Assumptions
-----------
Nodes crash and recover with their durable value. Messages may be lost, duplicated, delayed and reordered without bound.
The sequencer is one node; while it is down nothing new begins. Calvin replicates its log by consensus
(:mod:`distlib.models.transactions.deterministic_ordering` takes the law of what that adds). Each transaction has a name
of its own, and one client. The log is never truncated.

Left out: shared locks (a read locks as a write does), several sequencers, and reads without the log.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Self, TypeAlias, assert_never

from distlib.node import (
    CancelTimer,
    Complete,
    Effects,
    Invoke,
    Node,
    Outcome,
    Save,
    Send,
    SetTimer,
    Step,
    Table,
    World,
    entry,
    with_entry,
    without_entry,
)

__all__ = [
    "Account",
    "Answer",
    "Batch",
    "Checkpoint",
    "Client",
    "Missing",
    "Partition",
    "Reads",
    "Replay",
    "Sequencer",
    "Submit",
    "Transaction",
    "all_carried_out",
    "client_is_told_the_truth",
    "execute",
    "follows_the_log",
    "log_of",
    "partition_states",
    "replay",
    "total_balance",
]

# ------------------------------------------------------------------------------------------------------ transactions


@dataclass(frozen=True)
class Account:
    """What was booked on an account, in order, as (transaction, amount)."""

    opening: int = 0
    bookings: tuple[tuple[str, int], ...] = ()

    @property
    def balance(self) -> int:
        """What is in it."""
        return self.opening + sum(amount for _, amount in self.bookings)

    @property
    def names(self) -> tuple[str, ...]:
        """The transactions that booked on it, in order."""
        return tuple(name for name, _ in self.bookings)

    def __str__(self) -> str:
        return str(self.balance)


Accounts: TypeAlias = Table[str, Account]


@dataclass(frozen=True)
class Transaction:
    """A transaction, complete with all that it will touch.

    Parameters
    ----------
    name
        Names it, once and for all.
    parts
        For each partition that takes part, what to add to its accounts; an amount of 0 only reads. Sorted by partition,
        and each part by account.
    expected
        For some accounts, the transactions that must have booked on them, and no others: else it aborts.

    Raises
    ------
    ValueError
        If there is no part, or a partition or an account is named twice.
    """

    name: str
    parts: Table[str, Table[str, int]]
    expected: Table[str, tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        partitions = [partition for partition, _ in self.parts]
        accounts = [account for _, part in self.parts for account, _ in part]
        if not partitions or len(set(partitions)) < len(partitions):
            raise ValueError(f"`parts` must name at least one partition, each once, got {partitions}")
        if len(set(accounts)) < len(accounts):
            raise ValueError(f"`parts` must name each account once, got {accounts}")

    def __str__(self) -> str:
        return self.name

    @property
    def home(self) -> str:
        """The partition that answers the client: the first."""
        return self.parts[0][0]

    @property
    def amounts(self) -> dict[str, int]:
        """What to add to each account."""
        return {account: amount for _, part in self.parts for account, amount in part}

    @property
    def operations(self) -> tuple[tuple[str, ...], ...]:
        """What it does, as a checker of histories understands it: it reads lists, or appends its name to them."""
        return tuple(
            ("append", account, self.name) if amount else ("read", account) for account, amount in self.amounts.items()
        )

    def keys(self, partition: str) -> frozenset[str]:
        """Return the accounts that it locks at a partition."""
        return frozenset(account for account, _ in entry(self.parts, partition) or ())


def execute(transaction: Transaction, accounts: Mapping[str, Account]) -> dict[str, Account] | None:
    """Return what a transaction makes of the accounts that it touches, or None if it aborts: the same everywhere.

    It aborts if an account from which it takes would fall below 0, or is not as expected.

    Examples
    --------
    >>> pay = Transaction("t", (("p", (("a", -5),)), ("q", (("b", 5),))))
    >>> {name: account.balance for name, account in execute(pay, {"a": Account(7), "b": Account()}).items()}
    {'a': 2, 'b': 5}
    >>> execute(pay, {"a": Account(4), "b": Account()}) is None
    True
    """
    amounts = transaction.amounts
    if any(accounts[name].balance + amount < 0 for name, amount in amounts.items() if amount < 0):
        return None
    if any(accounts[name].names != names for name, names in transaction.expected):
        return None
    return {
        name: replace(accounts[name], bookings=(*accounts[name].bookings, (transaction.name, amount)))
        if amount
        else accounts[name]
        for name, amount in amounts.items()
    }


def replay(log: tuple[tuple[Transaction, ...], ...], accounts: Mapping[str, Account]) -> dict[str, Account]:
    """Return what a log makes of all accounts, one transaction after another: what every partition must agree with."""
    state = dict(accounts)
    for batch in log:
        for transaction in batch:
            state |= execute(transaction, {name: state[name] for name in transaction.amounts}) or {}
    return state


# ---------------------------------------------------------------------------------------------------------- messages


@dataclass(frozen=True)
class Submit:
    """Client to sequencer: put this into the log."""

    transaction: Transaction

    def __str__(self) -> str:
        return f"submit {self.transaction.name}"


@dataclass(frozen=True)
class Batch:
    """Sequencer to partition: this is what came in that epoch, in order."""

    epoch: int
    transactions: tuple[Transaction, ...]

    def __str__(self) -> str:
        return f"batch {self.epoch}"


@dataclass(frozen=True)
class Replay:
    """Partition to sequencer: send me the log from that epoch on."""

    epoch: int

    def __str__(self) -> str:
        return f"replay from {self.epoch}"


@dataclass(frozen=True)
class Reads:
    """Partition to partition: this is what I have read for that transaction."""

    transaction: str
    accounts: Accounts

    def __str__(self) -> str:
        return f"reads {self.transaction}"


@dataclass(frozen=True)
class Missing:
    """Partition to partition: I still lack what you have read for that transaction."""

    transaction: str

    def __str__(self) -> str:
        return f"missing {self.transaction}"


@dataclass(frozen=True)
class Answer:
    """Home partition to client: it took effect, and this is what it read; or it aborted, at all partitions."""

    transaction: str
    committed: bool
    values: tuple[tuple[str, ...], ...] = ()

    def __str__(self) -> str:
        return f"{'commit' if self.committed else 'abort'} {self.transaction}"


SequencerMessage: TypeAlias = Submit | Replay
PartitionMessage: TypeAlias = Batch | Reads | Missing

Log: TypeAlias = tuple[tuple[Transaction, ...], ...]
"""The batches, in order; that of epoch 1 comes first."""


# --------------------------------------------------------------------------------------------------------- sequencer


@dataclass(frozen=True)
class Sequencer(Node[SequencerMessage, Log]):
    """Puts transactions in order, and on disk, before anybody begins them.

    Parameters
    ----------
    partitions
        All of them; each gets every batch, or it could not tell an epoch without work from one that was lost.
    epoch_seconds
        How long it gathers, as a range. Epochs without a transaction are not numbered.
    log
        What is ordered.
    gathered
        What has come since, which a crash forgets, and clients submit again.
    """

    partitions: tuple[str, ...]
    epoch_seconds: tuple[float, float] = (0.01, 0.01)
    log: Log = ()
    gathered: tuple[Transaction, ...] = ()

    def on_start(self, saved: Log | None) -> Step[Self]:
        node = replace(self, log=saved or self.log)
        return node, (SetTimer("epoch", self.epoch_seconds),)

    def on_message(self, source: str, message: SequencerMessage) -> Step[Self]:
        match message:
            case Submit():
                return self.on_submit(message.transaction)
            case Replay():
                batches = enumerate(self.log[message.epoch - 1 :], start=message.epoch)
                return self, tuple(Send(source, Batch(epoch, batch)) for epoch, batch in batches)
            case _:
                assert_never(message)

    def on_submit(self, transaction: Transaction) -> Step[Self]:
        """Gather a transaction; where it is in the log already, have its home answer once more."""
        for epoch, batch in enumerate(self.log, start=1):
            if any(known.name == transaction.name for known in batch):
                return self, (Send(transaction.home, Batch(epoch, batch)),)
        if any(known.name == transaction.name for known in self.gathered):
            return self, ()
        return replace(self, gathered=(*self.gathered, transaction)), ()

    def on_timer(self, name: str) -> Step[Self]:
        """End the epoch: the batch is durable before anybody gets it."""
        again = SetTimer("epoch", self.epoch_seconds)
        if not self.gathered:
            return self, (again,)
        node = replace(self, log=(*self.log, self.gathered), gathered=())
        batch = Batch(len(node.log), self.gathered)
        return node, (again, Save(node.log), *(Send(partition, batch) for partition in self.partitions))


# --------------------------------------------------------------------------------------------------------- partition


@dataclass(frozen=True)
class Checkpoint:
    """What a partition makes durable now and then: its state after all transactions of an epoch.

    `sent` is what it has sent to other partitions, `answered` what to clients, as either may need it again.
    """

    epoch: int
    accounts: Accounts
    sent: Table[str, Accounts]
    answered: Table[str, Answer]

    def __str__(self) -> str:
        return f"checkpoint {self.epoch}"


@dataclass(frozen=True)
class Partition(Node[PartitionMessage, Checkpoint]):
    """Carries out the log, as far as it has come and as far as the others' reads are here.

    Parameters
    ----------
    name
        Its own name.
    accounts
        Accounts to begin with.
    sequencer
        Name of the sequencer.
    checkpoint_every
        After how many epochs it saves a checkpoint, at least 1; None: never.
    ask_seconds
        How long it waits, as a range, before it asks for what it lacks.
    epoch
        The last batch that was taken in order.
    early
        Batches that came before their turn.
    waiting
        Transactions that were taken and are not carried out, in the order of the log.
    arrived
        What others have read, by transaction and partition.
    sent
        What it has read itself, by transaction: that far it has come with each.
    answered
        What clients were told.
    checkpointed
        The epoch of the last checkpoint.
    """

    name: str
    accounts: Accounts = ()
    sequencer: str = "sequencer"
    checkpoint_every: int | None = None
    ask_seconds: tuple[float, float] = (1.0, 1.0)
    epoch: int = 0
    early: Table[int, tuple[Transaction, ...]] = ()
    waiting: tuple[Transaction, ...] = ()
    arrived: Table[tuple[str, str], Accounts] = ()
    sent: Table[str, Accounts] = ()
    answered: Table[str, Answer] = ()
    checkpointed: int = 0

    def on_start(self, saved: Checkpoint | None) -> Step[Self]:
        """Begin at the last checkpoint, and ask for the log from there."""
        node = self
        if saved is not None:
            node = replace(self, epoch=saved.epoch, accounts=saved.accounts, sent=saved.sent)
            node = replace(node, answered=saved.answered, checkpointed=saved.epoch)
        return node, (Send(self.sequencer, Replay(node.epoch + 1)),)

    def on_message(self, source: str, message: PartitionMessage) -> Step[Self]:
        match message:
            case Batch():
                return self.on_batch(message)
            case Reads():
                return self.on_reads(source, message)
            case Missing():
                read = entry(self.sent, message.transaction)
                return self, () if read is None else (Send(source, Reads(message.transaction, read)),)
            case _:
                assert_never(message)

    def on_batch(self, message: Batch) -> Step[Self]:
        """Take a batch when its turn has come. A copy has clients asked behind it: answer them again."""
        if message.epoch <= self.epoch:
            known = (entry(self.answered, transaction.name) for transaction in message.transactions)
            return self, tuple(Send(client_of(answer.transaction), answer) for answer in known if answer is not None)
        return replace(self, early=with_entry(self.early, message.epoch, message.transactions)).advance()

    def on_reads(self, source: str, message: Reads) -> Step[Self]:
        """Keep what another partition has read, as long as the transaction is not carried out."""
        key = (message.transaction, source)
        if self.is_done(message.transaction) or entry(self.arrived, key) is not None:
            return self, ()
        return replace(self, arrived=with_entry(self.arrived, key, message.accounts)).advance()

    def is_done(self, transaction: str) -> bool:
        """Return whether a transaction was carried out here."""
        waits = any(each.name == transaction for each in self.waiting)
        return not waits and entry(self.sent, transaction) is not None

    def advance(self) -> Step[Self]:
        """Go as far as possible: take batches in order, grant locks in order, carry out what has all its reads."""
        node = self
        effects: Effects = ()
        moved = True
        while moved:
            moved = False
            if (batch := entry(node.early, node.epoch + 1)) is not None:
                mine = tuple(transaction for transaction in batch if entry(transaction.parts, self.name) is not None)
                early = without_entry(node.early, node.epoch + 1)
                node = replace(node, epoch=node.epoch + 1, early=early, waiting=(*node.waiting, *mine))
                moved = True
            for transaction in node.unlocked():
                if entry(node.sent, transaction.name) is None:
                    node, more = node.read(transaction)
                    effects += more
                    moved = True
                if (values := node.values_for(transaction)) is not None:
                    node, more = node.carry_out(transaction, values)
                    effects += more
                    moved = True
                    break  # Its locks are free now, so look again who may go on.
        if node is self:
            return self, ()
        lacks = bool(node.waiting or node.early)
        effects += (SetTimer("ask", self.ask_seconds),) if lacks else (CancelTimer("ask"),)
        if node.is_due():
            # It does not wait for the disk: nobody relies on a checkpoint, for the log says it all.
            saved = Checkpoint(node.epoch, node.accounts, node.sent, node.answered)
            return replace(node, checkpointed=node.epoch), (*effects, Save(saved, forced=False))
        return node, effects

    def unlocked(self) -> Iterator[Transaction]:
        """Yield the transactions that no earlier one keeps waiting here, in the order of the log."""
        held: frozenset[str] = frozenset()
        for transaction in self.waiting:
            keys = transaction.keys(self.name)
            if not keys & held:
                yield transaction
            held |= keys

    def read(self, transaction: Transaction) -> Step[Self]:
        """Read this partition's part, and send it to the others that take part."""
        accounts = dict(self.accounts)
        read = tuple((key, accounts.get(key, Account())) for key in sorted(transaction.keys(self.name)))
        node = replace(self, sent=with_entry(self.sent, transaction.name, read))
        others = (partition for partition, _ in transaction.parts if partition != self.name)
        return node, tuple(Send(partition, Reads(transaction.name, read)) for partition in others)

    def values_for(self, transaction: Transaction) -> dict[str, Account] | None:
        """Return what all partitions have read for a transaction, or None as long as a part is missing."""
        values = dict(entry(self.sent, transaction.name) or ())
        for partition, _ in transaction.parts:
            if partition != self.name:
                part = entry(self.arrived, (transaction.name, partition))
                if part is None:
                    return None
                values |= dict(part)
        return values

    def carry_out(self, transaction: Transaction, values: dict[str, Account]) -> Step[Self]:
        """Book this partition's part, if the transaction does not abort, and answer the client if this is its home."""
        outcome = execute(transaction, values)
        accounts = dict(self.accounts)
        if outcome is not None:
            accounts |= {key: outcome[key] for key in transaction.keys(self.name)}
        node = replace(
            self,
            accounts=tuple(sorted(accounts.items())),
            waiting=tuple(each for each in self.waiting if each.name != transaction.name),
            arrived=tuple(pair for pair in self.arrived if pair[0][0] != transaction.name),
        )
        if transaction.home != self.name:
            return node, ()
        shown = tuple(values[name].names for name, amount in transaction.amounts.items() if not amount)
        answer = Answer(transaction.name, outcome is not None, shown if outcome is not None else ())
        node = replace(node, answered=with_entry(node.answered, transaction.name, answer))
        return node, (Send(client_of(transaction.name), answer),)

    def is_due(self) -> bool:
        """Return whether all that was taken is carried out, and the last checkpoint is old enough."""
        if self.checkpoint_every is None or self.waiting:
            return False
        return self.epoch - self.checkpointed >= self.checkpoint_every

    def on_timer(self, name: str) -> Step[Self]:
        """Ask for what has been missing for too long: batches, and the reads of others."""
        effects: Effects = (Send(self.sequencer, Replay(self.epoch + 1)),) if self.early else ()
        for transaction in self.waiting:
            effects += tuple(
                Send(partition, Missing(transaction.name))
                for partition, _ in transaction.parts
                if partition != self.name and entry(self.arrived, (transaction.name, partition)) is None
            )
        return self, (*effects, SetTimer("ask", self.ask_seconds))


def client_of(transaction: str) -> str:
    """Return the client of a transaction: what stands before the first dot of its name.

    Examples
    --------
    >>> client_of("ann.3")
    'ann'
    """
    return transaction.split(".", maxsplit=1)[0]


# ------------------------------------------------------------------------------------------------------------ client


@dataclass(frozen=True)
class Client(Node[Answer, None]):
    """Submits transactions one after another, and each again until it is answered.

    Parameters
    ----------
    sequencer
        Name of the sequencer.
    transactions
        What is left to do, in order; the name of each begins with the client's own and a dot.
    pause_seconds
        How long it rests, as a range, before each.
    retry_seconds
        How long it waits for an answer, as a range, before it submits again.
    retries
        How often it does so before it gives up; the outcome is then unknown to it.
    """

    sequencer: str
    transactions: tuple[Transaction, ...]
    pause_seconds: tuple[float, float] = (0.0, 0.0)
    retry_seconds: tuple[float, float] = (2.0, 2.0)
    retries: int = 10
    retried: int = 0
    open: bool = False

    def on_start(self, saved: None) -> Step[Self]:
        return self.rest()

    def rest(self) -> Step[Self]:
        """Wait before the next transaction, if there is one."""
        if not self.transactions:
            return self, ()
        if self.pause_seconds == (0.0, 0.0):
            return self.submit()
        return self, (SetTimer("start", self.pause_seconds),)

    def submit(self) -> Step[Self]:
        """Hand in the next transaction."""
        transaction = self.transactions[0]
        node = replace(self, open=True, retried=0)
        return node, (
            Invoke(transaction.operations),
            Send(self.sequencer, Submit(transaction)),
            SetTimer("retry", self.retry_seconds),
        )

    def on_message(self, source: str, message: Answer) -> Step[Self]:
        if not self.open or message.transaction != self.transactions[0].name:
            return self, ()  # A copy of the answer to an earlier transaction.
        if message.committed:
            return self.complete(Complete(message.values))
        return self.complete(Complete(None, Outcome.FAIL))

    def complete(self, completion: Complete) -> Step[Self]:
        """Record how the open transaction ended, and go on."""
        node, effects = replace(self, open=False, transactions=self.transactions[1:]).rest()
        return node, (CancelTimer("retry"), completion, *effects)

    def on_timer(self, name: str) -> Step[Self]:
        if name == "start":
            return self.submit()
        if self.retried == self.retries:
            return self.complete(Complete(None, Outcome.UNKNOWN))
        # To submit again is safe: the sequencer knows the transaction by its name.
        return replace(self, retried=self.retried + 1), (
            Send(self.sequencer, Submit(self.transactions[0])),
            SetTimer("retry", self.retry_seconds),
        )


# -------------------------------------------------------------------------------------------------------- invariants


def log_of(world: World) -> Log:
    """Return the log as the sequencer's disk says it; its memory may be ahead."""
    for name, node in sorted(world.nodes.items()):
        saved = world.saved[name]
        if isinstance(saved, tuple):
            return saved
        if saved is None and isinstance(node, Sequencer):
            return node.log
    return ()


def partition_states(world: World) -> dict[str, Accounts]:
    """Return the accounts of each partition that is up."""
    return {name: node.accounts for name, node in sorted(world.nodes.items()) if isinstance(node, Partition)}


def openings(world: World) -> dict[str, Account]:
    """Return all accounts of the partitions that are up as they were before the first transaction."""
    return {key: Account(account.opening) for accounts in partition_states(world).values() for key, account in accounts}


def all_carried_out(world: World) -> bool:
    """Every partition is up and has carried out the whole log."""
    partitions = [node for node in world.nodes.values() if isinstance(node, Partition)]
    named = {partition for batch in log_of(world) for each in batch for partition, _ in each.parts}
    return named <= {node.name for node in partitions} and all(
        not node.waiting and node.epoch == len(log_of(world)) for node in partitions
    )


def follows_the_log(world: World) -> bool:
    """On every account stands what the log says, in its order, as far as the partition has come: nothing else.

    What the log says is computed by :func:`replay`, one transaction after another, with no partition involved. A
    partition that has carried out the whole log must agree with it to the last booking. The predicate needs all
    partitions that the log names to be up.
    """
    log, states = log_of(world), partition_states(world)
    if {partition for batch in log for each in batch for partition, _ in each.parts} - states.keys():
        return True
    meant = replay(log, openings(world))
    for name, accounts in states.items():
        node = world.nodes[name]
        assert isinstance(node, Partition)
        whole = not node.waiting and node.epoch == len(log)
        for key, account in accounts:
            expected = meant[key].bookings
            if account.bookings != (expected if whole else expected[: len(account.bookings)]):
                return False
    return True


def client_is_told_the_truth(world: World) -> bool:
    """What clients were told is what the log says; needs a world with its history, and all partitions up."""
    log, states = log_of(world), partition_states(world)
    if {partition for batch in log for each in batch for partition, _ in each.parts} - states.keys():
        return True
    meant = replay(log, openings(world))
    committed = {name for account in meant.values() for name in account.names}
    opened: dict[str, str] = {}
    for client, effect in world.history:
        if isinstance(effect, Invoke):
            assert isinstance(effect.operation, tuple)
            opened[client] = next((each[2] for each in effect.operation if each[0] == "append"), "")
        elif effect.outcome is not Outcome.UNKNOWN and opened[client]:
            lie = (effect.outcome is Outcome.OK) != (opened[client] in committed)
            if lie:
                return False
    return True


def total_balance(world: World) -> int:
    """Return the sum of all balances of the partitions that are up."""
    return sum(account.balance for accounts in partition_states(world).values() for _, account in accounts)
