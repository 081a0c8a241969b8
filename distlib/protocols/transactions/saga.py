"""Sagas: a long transaction as a sequence of short ones, each of which can be undone by another short one.

Sources: Garcia-Molina and Salem, *Sagas* (SIGMOD 1987); Mehrotra, Rastogi, Silberschatz and Korth, *A Transaction Model
for Multidatabase Systems* (ICDCS 1992), for the pivot; Frank and Zahle, *Semantic ACID Properties in Multidatabases*
(Software: Practice and Experience 28, 1998), for countermeasures such as the flag; Helland, *Life beyond Distributed
Transactions* (CIDR 2007), for messages that are kept, repeated, and recognised when they come again.

Theory of operation
-------------------
A :class:`Saga` is a list of steps, one booking at one participant each. A participant carries a step out at once and
for good: a *local* transaction, whose locks end with it. If a later step turns out to be impossible, the earlier ones
are undone in reverse order, each by a *compensation*. One step is the *pivot*. Up to it steps may be refused; after it
none may be, so there every step is *retriable*: it is repeated until it is done. So the saga goes forward to its end
or back to its beginning, and the pivot decides which.

The :class:`Orchestrator` is a durable list of how far each saga has come. It saves what it is about to do, then asks
for it, and asks again until it is answered. It may lose patience with a step before the pivot and turn back. Then it
does not know whether that step was done, and undoes it too: a compensation can arrive *before* its step. A participant
that gets one notes the step as undone, and the step is refused when it comes.

A :class:`Participant` has an *inbox* and an *outbox*. The inbox says what became of every step that it was asked for,
so a second copy of the request changes nothing and gets the same answer. The outbox holds the answers that nobody has
acknowledged; they are sent again. The booking, the inbox and the outbox become durable *in one save*: there is no
moment at which the booking is on disk and its message is not.

Nothing isolates sagas from each other: between two steps everybody sees what the first one did. A countermeasure is the
*flag*: with ``flagging``, each account that a saga has touched bears its name until the saga has ended. What that
changes is up to those who look: a read says with :class:`WhenFlagged` whether it ignores flags, waits, or wants to be
refused. A step that may be refused is refused at an account flagged by another saga, and a retriable one ignores flags:
two sagas past their pivots that waited for each other's flags would wait for ever.

Assumptions
-----------
Nodes crash and recover with their durable value. Messages may be lost, duplicated, delayed and reordered without bound.
Each saga has a name of its own, and one client. Logs are never truncated.

Left out: parallel steps, sagas within sagas, several bookings in a step, and choreography (participants that tell each
other instead of an orchestrator).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
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
    "Begin",
    "Client",
    "Do",
    "Ended",
    "Finish",
    "Finished",
    "Inbox",
    "Orchestrator",
    "OrchestratorLog",
    "Participant",
    "ParticipantLog",
    "Phase",
    "Progress",
    "Read",
    "Reader",
    "Received",
    "Saga",
    "SagaStep",
    "StepRecord",
    "StepState",
    "Undo",
    "Values",
    "WhenFlagged",
    "all_or_nothing",
    "all_sagas_ended",
    "client_is_told_the_truth",
    "nothing_is_booked_twice",
    "participant_logs",
    "progress_of",
    "total_balance",
]

# ---------------------------------------------------------------------------------------------------------- messages


@dataclass(frozen=True)
class SagaStep:
    """One booking: add `amount` to `account` at `participant`."""

    participant: str
    account: str
    amount: int


@dataclass(frozen=True)
class Saga:
    """A saga, as a client hands it over.

    Parameters
    ----------
    name
        Names it, once and for all.
    steps
        At least one, in order; each account at most once.
    pivot
        Which step decides, in [0, number of steps): steps before it can be compensated, steps after it never refuse.

    Raises
    ------
    ValueError
        If there is no step, an account is named twice, or the pivot is not a step.
    """

    name: str
    steps: tuple[SagaStep, ...]
    pivot: int

    def __post_init__(self) -> None:
        accounts = [(step.participant, step.account) for step in self.steps]
        if not accounts or len(set(accounts)) < len(accounts):
            raise ValueError(f"`steps` must be at least one, and name each account once, got {accounts}")
        if not 0 <= self.pivot < len(self.steps):
            raise ValueError(f"`pivot` must be in [0, {len(self.steps) - 1}], got {self.pivot}")

    def __str__(self) -> str:
        return f"saga {self.name}"

    @property
    def operations(self) -> tuple[tuple[str, str, str], ...]:
        """What it does, as a checker of histories understands it: it appends its name to lists."""
        return tuple(("append", step.account, self.name) for step in self.steps)


class StepState(Enum):
    """What became of a step at its participant."""

    DONE = "done"
    REFUSED = "refused"
    UNDONE = "undone"
    """It was compensated, or it will never be done because its compensation came first."""


class WhenFlagged(Enum):
    """What a read wants where a saga under way has touched an account."""

    IGNORE = "ignore"
    WAIT = "wait"
    """Be answered when the flag is gone."""
    REFUSE = "refuse"
    """Be told so, and no value."""


@dataclass(frozen=True)
class Begin:
    """Client to orchestrator: see this saga through."""

    saga: Saga

    def __str__(self) -> str:
        return f"begin {self.saga.name}"


@dataclass(frozen=True)
class Do:
    """Orchestrator to participant: carry out this step, if you can."""

    saga: str
    number: int
    account: str
    amount: int
    retriable: bool
    flagging: bool = False

    def __str__(self) -> str:
        return f"do {self.saga}.{self.number}"


@dataclass(frozen=True)
class Undo:
    """Orchestrator to participant: compensate this step, or see to it that it will never be done."""

    saga: str
    number: int

    def __str__(self) -> str:
        return f"undo {self.saga}.{self.number}"


@dataclass(frozen=True)
class Answer:
    """Participant to orchestrator: this is what became of the step."""

    saga: str
    number: int
    state: StepState

    def __str__(self) -> str:
        return f"{self.state.value} {self.saga}.{self.number}"


@dataclass(frozen=True)
class Received:
    """Orchestrator to participant: I have your answer and need it no more."""

    answer: Answer

    def __str__(self) -> str:
        return f"received {self.answer}"


@dataclass(frozen=True)
class Finish:
    """Orchestrator to participant: the saga is complete; take its flags down."""

    saga: str

    def __str__(self) -> str:
        return f"finish {self.saga}"


@dataclass(frozen=True)
class Finished:
    """Participant to orchestrator: no flag of that saga is up here."""

    saga: str

    def __str__(self) -> str:
        return f"finished {self.saga}"


@dataclass(frozen=True)
class Ended:
    """Orchestrator to client: the saga is complete, or nothing is left of it."""

    saga: str
    completed: bool

    def __str__(self) -> str:
        return f"{'completed' if self.completed else 'compensated'} {self.saga}"


@dataclass(frozen=True)
class Read:
    """Reader to participant: tell me what is in this account."""

    number: int
    account: str
    when_flagged: WhenFlagged

    def __str__(self) -> str:
        return f"read {self.account}"


@dataclass(frozen=True)
class Account:
    """What was booked on an account, in order, as (saga, amount); and the sagas under way that have touched it."""

    opening: int = 0
    bookings: tuple[tuple[str, int], ...] = ()
    flags: frozenset[str] = frozenset()

    @property
    def balance(self) -> int:
        """What is in it."""
        return self.opening + sum(amount for _, amount in self.bookings)

    def __str__(self) -> str:
        return f"{self.balance}" + (f" flagged by {', '.join(sorted(self.flags))}" if self.flags else "")


@dataclass(frozen=True)
class Values:
    """Participant to reader: the account; None if it is flagged and the reader wanted to be refused."""

    number: int
    name: str
    account: Account | None

    def __str__(self) -> str:
        return f"{self.name}: {'flagged' if self.account is None else self.account.balance}"


OrchestratorMessage: TypeAlias = Begin | Answer | Finished
ParticipantMessage: TypeAlias = Do | Undo | Received | Finish | Read


# ------------------------------------------------------------------------------------------------------ orchestrator


class Phase(Enum):
    """Where a saga is."""

    FORWARD = "forward"
    BACKWARD = "backward"
    COMPLETED = "completed"
    COMPENSATED = "compensated"


@dataclass(frozen=True)
class Progress:
    """How far a saga has come: `position` is the step that is being done, or undone.

    `flagged` are the participants that have yet to take the flags of a completed saga down.
    """

    saga: Saga
    client: str
    phase: Phase = Phase.FORWARD
    position: int = 0
    flagged: frozenset[str] = frozenset()

    @property
    def ended(self) -> bool:
        """Whether the client can be told."""
        return self.phase in (Phase.COMPLETED, Phase.COMPENSATED)

    def __str__(self) -> str:
        return self.phase.value if self.ended else f"{self.phase.value} at {self.position}"


@dataclass(frozen=True)
class OrchestratorLog:
    """What an orchestrator makes durable."""

    sagas: Table[str, Progress] = ()

    def __str__(self) -> str:
        return ", ".join(f"{name} {progress}" for name, progress in self.sagas)


@dataclass(frozen=True)
class Orchestrator(Node[OrchestratorMessage, OrchestratorLog]):
    """Sees sagas through: saves what comes next, asks for it, and asks again until it is answered.

    Parameters
    ----------
    repeat_seconds
        How long it waits for an answer, as a range, before it asks again.
    patience
        How often it asks again for a step before the pivot until it turns back; None: it never does.
    flagging
        Whether accounts bear the name of a saga that has touched them until it has ended.
    """

    repeat_seconds: tuple[float, float] = (1.0, 1.0)
    patience: int | None = 5
    flagging: bool = False
    log: OrchestratorLog = OrchestratorLog()
    repeated: Table[str, int] = ()
    """How often the current request was repeated, which a crash forgets."""

    def on_start(self, saved: OrchestratorLog | None) -> Step[Self]:
        node = replace(self, log=saved or self.log)
        effects: Effects = ()
        for name, _ in node.log.sagas:
            effects += node.ask(name)
        return node, effects

    def on_message(self, source: str, message: OrchestratorMessage) -> Step[Self]:
        match message:
            case Begin():
                return self.on_begin(source, message)
            case Answer():
                return self.on_answer(source, message)
            case Finished():
                return self.on_finished(source, message)
            case _:
                assert_never(message)

    def on_begin(self, source: str, message: Begin) -> Step[Self]:
        """Make the saga durable, then begin it. A copy of the request gets the outcome, if there is one."""
        name = message.saga.name
        known = entry(self.log.sagas, name)
        if known is not None:
            return self, (Send(source, Ended(name, known.phase is Phase.COMPLETED)),) if known.ended else ()
        return self.proceed(Progress(message.saga, source))

    def on_answer(self, source: str, message: Answer) -> Step[Self]:
        """Go on from the step that was answered: to the next one, or back."""
        received: Effects = (Send(source, Received(message)),)
        progress = entry(self.log.sagas, message.saga)
        if progress is None or progress.ended or message.number != progress.position:
            return self, received
        after = self.after(progress, message.state)
        if after is None:
            return self, received
        node, effects = self.proceed(after)
        # The save is the first of the effects: only then is the answer needed no more.
        return node, (*effects[:1], *received, *effects[1:])

    def after(self, progress: Progress, state: StepState) -> Progress | None:
        """Return where a saga stands after this answer, or None if the answer changes nothing."""
        if progress.phase is Phase.FORWARD and state is StepState.DONE:
            if progress.position + 1 < len(progress.saga.steps):
                return replace(progress, position=progress.position + 1)
            flagged = {step.participant for step in progress.saga.steps} if self.flagging else ()
            return replace(progress, phase=Phase.COMPLETED, flagged=frozenset(flagged))
        if progress.phase is Phase.FORWARD and state is StepState.REFUSED and progress.position <= progress.saga.pivot:
            return self.back(progress, progress.position - 1)
        if progress.phase is Phase.BACKWARD and state is StepState.UNDONE:
            return self.back(progress, progress.position - 1)
        return None

    def back(self, progress: Progress, position: int) -> Progress:
        """Return a saga that goes back from the step `position` on."""
        if position < 0:
            return replace(progress, phase=Phase.COMPENSATED, position=0)
        return replace(progress, phase=Phase.BACKWARD, position=position)

    def proceed(self, progress: Progress) -> Step[Self]:
        """Make the progress of a saga durable; then ask for what comes next, or tell how it ended."""
        name = progress.saga.name
        log = OrchestratorLog(with_entry(self.log.sagas, name, progress))
        node = replace(self, log=log, repeated=without_entry(self.repeated, name))
        effects: Effects = (Save(node.log),)
        if progress.ended:
            effects += (Send(progress.client, Ended(name, progress.phase is Phase.COMPLETED)),)
            if not progress.flagged:
                effects += (CancelTimer(("repeat", name)),)
        return node, effects + node.ask(name)

    def ask(self, name: str) -> Effects:
        """Ask for the step, or the compensation, that a saga is at; ask again later."""
        progress = entry(self.log.sagas, name)
        assert progress is not None, f"no saga {name!r} to go on with"
        requests: tuple[Send, ...] = ()
        if progress.phase is Phase.FORWARD:
            number, step = progress.position, progress.saga.steps[progress.position]
            retriable = number > progress.saga.pivot
            requests = (Send(step.participant, Do(name, number, step.account, step.amount, retriable, self.flagging)),)
        elif progress.phase is Phase.BACKWARD:
            step = progress.saga.steps[progress.position]
            requests = (Send(step.participant, Undo(name, progress.position)),)
        elif progress.flagged:
            requests = tuple(Send(participant, Finish(name)) for participant in sorted(progress.flagged))
        return (*requests, SetTimer(("repeat", name), self.repeat_seconds)) if requests else ()

    def on_finished(self, source: str, message: Finished) -> Step[Self]:
        """Strike `source` off those that have flags of a completed saga up; that need not be forced to disk."""
        progress = entry(self.log.sagas, message.saga)
        if progress is None or source not in progress.flagged:
            return self, ()
        progress = replace(progress, flagged=progress.flagged - {source})
        node = replace(self, log=OrchestratorLog(with_entry(self.log.sagas, message.saga, progress)))
        if progress.flagged:
            return node, ()
        return node, (CancelTimer(("repeat", message.saga)), Save(node.log, forced=False))

    def on_timer(self, name: tuple[str, str]) -> Step[Self]:
        _, saga = name
        progress = entry(self.log.sagas, saga)
        assert progress is not None, f"no saga {saga!r}, whose request is to be repeated"
        count = (entry(self.repeated, saga) or 0) + 1
        can_turn = progress.phase is Phase.FORWARD and progress.position < progress.saga.pivot
        if can_turn and self.patience is not None:
            if count > self.patience:
                # Whether the step was done is not known, so it is the first to be undone.
                return self.proceed(self.back(progress, progress.position))
            node = replace(self, repeated=with_entry(self.repeated, saga, count))
            return node, node.ask(saga)
        return self, self.ask(saga)


# ------------------------------------------------------------------------------------------------------- participant


@dataclass(frozen=True)
class StepRecord:
    """What became of a step, and what it would take to undo it."""

    state: StepState
    account: str = ""
    amount: int = 0


Inbox: TypeAlias = Table[tuple[str, int], StepRecord]
"""Every step that was asked for, by (saga, number)."""


@dataclass(frozen=True)
class ParticipantLog:
    """What a participant makes durable, all at once: its accounts, its inbox and its outbox of (target, answer)."""

    accounts: Table[str, Account] = ()
    inbox: Inbox = ()
    outbox: tuple[tuple[str, Answer], ...] = ()

    def __str__(self) -> str:
        accounts = (f"{name}={account}" for name, account in self.accounts)
        steps = (f"{saga}.{number} {record.state.value}" for (saga, number), record in self.inbox)
        return ", ".join((*accounts, *steps))


@dataclass(frozen=True)
class Participant(Node[ParticipantMessage, ParticipantLog]):
    """Carries out steps and compensations, each once, however often it is asked.

    Parameters
    ----------
    log
        Accounts to begin with.
    relay_seconds
        How long it waits, as a range, before it sends answers again that were not acknowledged.
    waiting
        Reads that wait for a flag to go, as (reader, read).
    """

    log: ParticipantLog = ParticipantLog()
    relay_seconds: tuple[float, float] = (1.0, 1.0)
    waiting: tuple[tuple[str, Read], ...] = ()

    def on_start(self, saved: ParticipantLog | None) -> Step[Self]:
        node = replace(self, log=saved or self.log)
        return node, node.relay() if node.log.outbox else ()

    def on_message(self, source: str, message: ParticipantMessage) -> Step[Self]:
        match message:
            case Do():
                return self.on_do(source, message)
            case Undo():
                return self.on_undo(source, message)
            case Received():
                return self.on_received(source, message)
            case Finish():
                return self.on_finish(source, message)
            case Read():
                return self.on_read(source, message)
            case _:
                assert_never(message)

    def on_do(self, source: str, message: Do) -> Step[Self]:
        """Carry out a step, once."""
        step = (message.saga, message.number)
        if (record := entry(self.log.inbox, step)) is not None:
            return self, (Send(source, Answer(*step, record.state)),)
        account = entry(self.log.accounts, message.account) or Account()
        if message.retriable and account.balance + message.amount < 0:
            # Its author promised that it cannot be refused. All that is left is to wait for better times.
            return self, ()
        if account.balance + message.amount < 0 or (not message.retriable and account.flags):
            # The refusal is durable before it is told: a late copy of the request must not be carried out.
            return self.conclude(source, step, StepRecord(StepState.REFUSED))
        flags = account.flags | {message.saga} if message.flagging else account.flags
        account = replace(account, bookings=(*account.bookings, (message.saga, message.amount)), flags=flags)
        record = StepRecord(StepState.DONE, message.account, message.amount)
        return self.booking(message.account, account).conclude(source, step, record)

    def on_undo(self, source: str, message: Undo) -> Step[Self]:
        """Compensate a step, once. One that did not come yet is noted, so that it will be refused."""
        step = (message.saga, message.number)
        record = entry(self.log.inbox, step)
        if record is None or record.state is StepState.REFUSED:
            return self.conclude(source, step, StepRecord(StepState.UNDONE))
        if record.state is StepState.UNDONE:
            return self, (Send(source, Answer(*step, StepState.UNDONE)),)
        account = entry(self.log.accounts, record.account)
        assert account is not None, f"a step was done on account {record.account!r}, which is not here"
        if record.amount > 0 and account.balance < record.amount:
            # What was given cannot be taken back, for it is spent. All that is left is to wait.
            return self, ()
        bookings = tuple(booking for booking in account.bookings if booking != (message.saga, record.amount))
        account = replace(account, bookings=bookings, flags=account.flags - {message.saga})
        node, effects = self.booking(record.account, account).conclude(source, step, StepRecord(StepState.UNDONE))
        node, answers = node.answer_waiting()
        return node, effects + answers

    def conclude(self, source: str, step: tuple[str, int], record: StepRecord) -> Step[Self]:
        """Note what became of a step, and the answer, in one save with the booking. Then answer."""
        answer = Answer(*step, record.state)
        inbox = with_entry(self.log.inbox, step, record)
        # An earlier answer about the same step is out of date.
        kept = tuple(pair for pair in self.log.outbox if (pair[1].saga, pair[1].number) != step)
        node = replace(self, log=replace(self.log, inbox=inbox, outbox=(*kept, (source, answer))))
        return node, (Save(node.log), Send(source, answer), SetTimer("relay", self.relay_seconds))

    def on_received(self, source: str, message: Received) -> Step[Self]:
        """Strike an answer from the outbox; that need not be forced to disk."""
        if (source, message.answer) not in self.log.outbox:
            return self, ()
        outbox = tuple(pair for pair in self.log.outbox if pair != (source, message.answer))
        node = replace(self, log=replace(self.log, outbox=outbox))
        return node, (Save(node.log, forced=False), *(() if outbox else (CancelTimer("relay"),)))

    def on_timer(self, name: str) -> Step[Self]:
        return self, self.relay()

    def relay(self) -> Effects:
        """Send all that is in the outbox, once more."""
        answers = tuple(Send(target, answer) for target, answer in self.log.outbox)
        return (*answers, SetTimer("relay", self.relay_seconds))

    def on_finish(self, source: str, message: Finish) -> Step[Self]:
        """Take the flags of a saga down, and answer the reads that waited for that."""
        accounts = tuple(
            (name, replace(account, flags=account.flags - {message.saga})) for name, account in self.log.accounts
        )
        finished = Send(source, Finished(message.saga))
        if accounts == self.log.accounts:
            return self, (finished,)
        node, answers = replace(self, log=replace(self.log, accounts=accounts)).answer_waiting()
        return node, (Save(node.log), finished, *answers)

    def on_read(self, source: str, message: Read) -> Step[Self]:
        """Tell what is in an account, as the reader wants it where that is flagged."""
        account = entry(self.log.accounts, message.account) or Account()
        if account.flags and message.when_flagged is WhenFlagged.WAIT:
            return replace(self, waiting=(*self.waiting, (source, message))), ()
        refused = account.flags and message.when_flagged is WhenFlagged.REFUSE
        return self, (Send(source, Values(message.number, message.account, None if refused else account)),)

    def answer_waiting(self) -> Step[Self]:
        """Answer the reads whose account is not flagged any more."""
        node = replace(self, waiting=())
        effects: Effects = ()
        for source, read in self.waiting:
            node, more = node.on_read(source, read)
            effects += more
        return node, effects

    def booking(self, name: str, account: Account) -> Self:
        """Return this node with `account` under that name, not yet saved."""
        return replace(self, log=replace(self.log, accounts=with_entry(self.log.accounts, name, account)))


# ----------------------------------------------------------------------------------------------------------- clients


@dataclass(frozen=True)
class Client(Node[Ended, None]):
    """Hands over sagas one after another, and each again until it hears how it ended.

    Parameters
    ----------
    orchestrator
        Name of the orchestrator.
    sagas
        What is left to do, in order.
    pause_seconds
        How long it rests, as a range, before each saga.
    retry_seconds
        How long it waits, as a range, before it hands the saga over again.
    retries
        How often it does so before it gives up; the outcome is then unknown to it.
    """

    orchestrator: str
    sagas: tuple[Saga, ...]
    pause_seconds: tuple[float, float] = (0.0, 0.0)
    retry_seconds: tuple[float, float] = (2.0, 2.0)
    retries: int = 10
    retried: int = 0
    open: bool = False

    def on_start(self, saved: None) -> Step[Self]:
        return self.rest()

    def rest(self) -> Step[Self]:
        """Wait before the next saga, if there is one."""
        if not self.sagas:
            return self, ()
        if self.pause_seconds == (0.0, 0.0):
            return self.begin()
        return self, (SetTimer("start", self.pause_seconds),)

    def begin(self) -> Step[Self]:
        """Hand the next saga over."""
        saga = self.sagas[0]
        node = replace(self, open=True, retried=0)
        return node, (
            Invoke(saga.operations),
            Send(self.orchestrator, Begin(saga)),
            SetTimer("retry", self.retry_seconds),
        )

    def on_message(self, source: str, message: Ended) -> Step[Self]:
        if not self.open or message.saga != self.sagas[0].name:
            return self, ()  # A copy of the answer to an earlier saga.
        return self.complete(Outcome.OK if message.completed else Outcome.FAIL)

    def complete(self, outcome: Outcome) -> Step[Self]:
        """Record how the open saga ended, and go on."""
        node, effects = replace(self, open=False, sagas=self.sagas[1:]).rest()
        return node, (CancelTimer("retry"), Complete(None, outcome), *effects)

    def on_timer(self, name: str) -> Step[Self]:
        if name == "start":
            return self.begin()
        if self.retried == self.retries:
            return self.complete(Outcome.UNKNOWN)
        # Beginning is idempotent: the orchestrator knows the saga by its name.
        return replace(self, retried=self.retried + 1), (
            Send(self.orchestrator, Begin(self.sagas[0])),
            SetTimer("retry", self.retry_seconds),
        )


@dataclass(frozen=True)
class Reader(Node[Values, None]):
    """Reads several accounts at once, again and again, and adds up what it got.

    Parameters
    ----------
    accounts
        What it reads, as (participant, account); each account at most once.
    when_flagged
        What it wants where an account is flagged. If it is refused anywhere, the whole read is.
    reads
        How many reads are left to do.
    pause_seconds
        How long it rests, as a range, before each.
    got
        What has come back of the open read, by account.
    totals
        The sum of the balances of each read so far; None where it was refused.
    """

    accounts: tuple[tuple[str, str], ...]
    when_flagged: WhenFlagged = WhenFlagged.IGNORE
    reads: int = 1
    pause_seconds: tuple[float, float] = (0.0, 0.0)
    got: Table[str, Account | None] = ()
    totals: tuple[int | None, ...] = ()

    def on_start(self, saved: None) -> Step[Self]:
        return self.rest()

    def rest(self) -> Step[Self]:
        """Wait before the next read, if there is one."""
        return self, (SetTimer("read", self.pause_seconds),) if self.reads else ()

    def on_timer(self, name: str) -> Step[Self]:
        requests = tuple(
            Send(participant, Read(self.reads, account, self.when_flagged)) for participant, account in self.accounts
        )
        return self, (Invoke(tuple(("read", account) for _, account in self.accounts)), *requests)

    def on_message(self, source: str, message: Values) -> Step[Self]:
        known = {name for name, _ in self.got}
        if message.number != self.reads or message.name in known:
            return self, ()  # A copy.
        got = with_entry(self.got, message.name, message.account)
        if len(got) < len(self.accounts):
            return replace(self, got=got), ()
        node = replace(self, got=(), reads=self.reads - 1)
        accounts = [account for _, account in got if account is not None]
        if len(accounts) < len(got):
            node, effects = replace(node, totals=(*self.totals, None)).rest()
            return node, (Complete(None, Outcome.FAIL), *effects)
        node, effects = replace(node, totals=(*self.totals, sum(account.balance for account in accounts))).rest()
        lists = {name: tuple(saga for saga, _ in account.bookings) for name, account in got if account is not None}
        return node, (Complete(tuple(lists[name] for _, name in self.accounts)), *effects)


# -------------------------------------------------------------------------------------------------------- invariants


def participant_logs(world: World) -> Iterator[tuple[str, ParticipantLog]]:
    """Yield each participant's log by name: its memory's where it is up, its disk's where it is down."""
    for name, node in sorted(world.nodes.items()):
        if isinstance(node, Participant):
            yield name, node.log
        elif node is None and isinstance(world.saved[name], ParticipantLog):
            yield name, world.saved[name]


def progress_of(world: World) -> dict[str, Progress]:
    """Return how far each saga has come, as the orchestrators' disks say it; their memory may be ahead."""
    logs = [
        node.log if world.saved[name] is None and isinstance(node, Orchestrator) else world.saved[name]
        for name, node in sorted(world.nodes.items())
    ]
    return {name: progress for log in logs if isinstance(log, OrchestratorLog) for name, progress in log.sagas}


def booked(world: World) -> list[tuple[str, str, int]]:
    """Return (saga, account, amount) for every booking that stands, with every copy of it."""
    return [
        (saga, name, amount)
        for _, log in participant_logs(world)
        for name, account in log.accounts
        for saga, amount in account.bookings
    ]


def nothing_is_booked_twice(world: World) -> bool:
    """No step stands on an account twice."""
    bookings = booked(world)
    return len(set(bookings)) == len(bookings)


def all_or_nothing(world: World) -> bool:
    """Of a saga that has ended, every booking stands, or none does; and it stays so."""
    bookings = set(booked(world))
    for name, progress in progress_of(world).items():
        if progress.ended:
            steps = {(name, step.account, step.amount) for step in progress.saga.steps}
            standing = {booking for booking in bookings if booking[0] == name}
            if standing != (steps if progress.phase is Phase.COMPLETED else set()):
                return False
    return True


def all_sagas_ended(world: World) -> bool:
    """Nothing is left under way: whatever is booked belongs to a saga that is known to have ended."""
    progress = progress_of(world)
    known_to_end = {name for name, each in progress.items() if each.ended}
    return len(known_to_end) == len(progress) and {saga for saga, _, _ in booked(world)} <= known_to_end


def client_is_told_the_truth(world: World) -> bool:
    """What clients were told agrees with how the sagas ended; needs a world with its history."""
    progress = progress_of(world)
    open_sagas: dict[str, str] = {}
    for client, effect in world.history:
        if isinstance(effect, Invoke):
            operations = effect.operation
            assert isinstance(operations, tuple)
            open_sagas[client] = operations[0][-1]
        elif effect.outcome is not Outcome.UNKNOWN and open_sagas[client] in progress:
            told = Phase.COMPLETED if effect.outcome is Outcome.OK else Phase.COMPENSATED
            if progress[open_sagas[client]].phase is not told:
                return False
    return True


def total_balance(world: World) -> int:
    """Return the sum of all balances: what sagas that move money must leave as it was, once all have ended."""
    return sum(account.balance for _, log in participant_logs(world) for _, account in log.accounts)
