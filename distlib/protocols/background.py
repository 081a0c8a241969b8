"""The smallest distributed programs: a call that may go unanswered, a page made of many calls, and a queue.

*The call.* A :class:`Caller` asks a :class:`Counter` to add an amount, waits, asks again, and gives up in the end. It
numbers its calls; the counter keeps, for each caller, the number of its last call and the total that it answered with,
in the same durable value as the total itself. So a call that comes again is answered again and not carried out again
(Birrell and Nelson, *Implementing Remote Procedure Calls*, ACM TOCS 2(1), 1984, section 3.2; the method that makes it
survive crashes is that of a client session: Ongaro and Ousterhout 2014, section 8).

*The page.* A :class:`FrontEnd` asks one server of each shard and answers when it has heard from every shard. If a shard
has not answered after a while, it asks that shard's next server as well (a hedged request: Dean and Barroso, *The Tail
at Scale*, CACM 56(2), 2013).

*The queue.* A :class:`Source` hands jobs to a :class:`Queue`, which has some workers and a waiting line. The time to
the next job, and the time that a job takes, are legs that a node sends to itself: their laws are those of the links.

Assumptions: messages may be lost, copied, delayed and reordered, and callers and counters may crash. A caller has at
most one call open at a time. Pages and queues are there to be timed: their nodes keep nothing on disk.

Left out: a caller that gave up and wants to know afterwards; taking a session of a caller that is gone off the disk.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, assert_never

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
)

__all__ = [
    "Add",
    "Ask",
    "Call",
    "Caller",
    "Counter",
    "CounterLog",
    "Done",
    "FrontEnd",
    "Job",
    "Part",
    "Queue",
    "Shard",
    "Source",
    "Tick",
    "Total",
    "acknowledged",
    "asked_for",
    "carried_out",
    "gave_up",
    "gave_up_before_it_was_done",
    "gave_up_on_what_is_done",
    "gave_up_on_what_never_comes",
    "never_twice",
    "nothing_lost",
]

# ------------------------------------------------------------------------------------------------------------ the call


@dataclass(frozen=True)
class Add:
    """Add `amount`, and tell me the total. The caller's calls are numbered from 1."""

    number: int
    amount: int

    def __str__(self) -> str:
        return f"add {self.amount} (call {self.number})"


@dataclass(frozen=True)
class Total:
    """The total after that call."""

    number: int
    total: int

    def __str__(self) -> str:
        return f"total {self.total} (call {self.number})"


@dataclass(frozen=True)
class Call:
    """The last call of a caller that was carried out, and what it was answered."""

    number: int
    total: int


@dataclass(frozen=True)
class CounterLog:
    """What a counter has on disk: the total, and the last call of each caller, in one value."""

    total: int = 0
    last: Table[str, Call] = ()

    def __str__(self) -> str:
        return f"total {self.total}"


@dataclass(frozen=True)
class Counter(Node[Add, CounterLog]):
    """Adds up, each call once, however often it comes."""

    log: CounterLog = CounterLog()

    def on_start(self, saved: CounterLog | None) -> Step[Self]:
        """Go on from what is on disk."""
        return (self, ()) if saved is None else (replace(self, log=saved), ())

    def on_message(self, source: str, message: Add) -> Step[Self]:
        """Carry a new call out; answer the last one again; leave an older one alone, for its caller has moved on."""
        last = entry(self.log.last, source)
        if last is None or message.number > last.number:
            return self.carry_out(source, message)
        if message.number == last.number:
            return self, (Send(source, Total(last.number, last.total)),)
        return self, ()

    def carry_out(self, source: str, message: Add) -> Step[Self]:
        """Save the total and the call together, then answer."""
        total = self.log.total + message.amount
        log = CounterLog(total, with_entry(self.log.last, source, Call(message.number, total)))
        return replace(self, log=log), (Save(log), Send(source, Total(message.number, total)))


@dataclass(frozen=True)
class Caller(Node[Total, int]):
    """Makes its calls one after another; asks again `retries` times, and then gives up.

    Parameters
    ----------
    server
        Name of the counter.
    amounts
        What each call adds.
    patience_seconds
        Range of the time that it waits for an answer before it asks again, or gives up.
    retries
        How often it asks again; at least 0.
    """

    server: str
    amounts: tuple[int, ...] = (1,)
    patience_seconds: tuple[float, float] = (0.05, 0.05)
    retries: int = 0
    number: int = 0
    attempts: int = 0

    def __post_init__(self) -> None:
        if self.retries < 0:
            raise ValueError(f"`retries` must be at least 0, got {self.retries}")

    @property
    def is_open(self) -> bool:
        """Whether it waits for an answer."""
        return self.attempts > 0

    def on_start(self, saved: int | None) -> Step[Self]:
        """Begin with the call behind the last one that this disk knows of: a number is never used for two calls."""
        return replace(self, number=saved or 0).begin()

    def begin(self) -> Step[Self]:
        """Make the next call. Its number is durable before anyone hears of it."""
        if self.number == len(self.amounts):
            return replace(self, attempts=0), ()
        node = replace(self, number=self.number + 1, attempts=1)
        amount = node.amounts[node.number - 1]
        return node, (Save(node.number), Invoke(("add", amount)), *node.asking())

    def asking(self) -> Effects:
        """Return what sends the open call, once more."""
        amount = self.amounts[self.number - 1]
        return Send(self.server, Add(self.number, amount)), SetTimer("patience", self.patience_seconds)

    def on_message(self, source: str, message: Total) -> Step[Self]:
        """Take the answer to the open call; any other is late."""
        if not self.is_open or message.number != self.number:
            return self, ()
        node, effects = self.begin()
        return node, (CancelTimer("patience"), Complete(message.total), *effects)

    def on_timer(self, name: str) -> Step[Self]:
        """Ask again, or give up without knowing."""
        if self.attempts <= self.retries:
            return replace(self, attempts=self.attempts + 1), self.asking()
        node, effects = self.begin()
        return node, (Complete(None, Outcome.UNKNOWN), *effects)


# What the predicates below see is one caller, `caller`, and one counter, `counter`.


def _calls(world: World) -> list[tuple[int, Outcome | None]]:
    """Return the amount and the outcome of each call; None while it is open."""
    calls: list[tuple[int, Outcome | None]] = []
    for _, event in world.history:
        if isinstance(event, Invoke):
            calls.append((event.operation[1], None))  # type: ignore[index] # ("add", amount)
        else:
            calls[-1] = (calls[-1][0], event.outcome)
    return calls


def carried_out(world: World) -> int:
    """Return the total on the counter's disk."""
    log = world.saved["counter"]
    return log.total if isinstance(log, CounterLog) else 0


def asked_for(world: World) -> int:
    """Return what all calls together were to add."""
    return sum(amount for amount, _ in _calls(world))


def acknowledged(world: World) -> int:
    """Return what those calls were to add that were answered."""
    return sum(amount for amount, outcome in _calls(world) if outcome is Outcome.OK)


def never_twice(world: World) -> bool:
    """Whether no more has been added than was ever asked for."""
    return carried_out(world) <= asked_for(world)


def nothing_lost(world: World) -> bool:
    """Whether all that was acknowledged is on the counter's disk."""
    return acknowledged(world) <= carried_out(world)


def gave_up(world: World) -> bool:
    """Whether the caller gave up on its first call."""
    return any(outcome is Outcome.UNKNOWN for _, outcome in _calls(world)[:1])


def gave_up_on_what_is_done(world: World) -> bool:
    """Whether it gave up, and the call has been carried out."""
    return gave_up(world) and carried_out(world) > 0


def _is_on_its_way(world: World) -> bool:
    return any(target == "counter" for _, target, _ in world.in_flight)


def gave_up_before_it_was_done(world: World) -> bool:
    """Whether it gave up, and the call has not been carried out yet but is on its way."""
    return gave_up(world) and carried_out(world) == 0 and _is_on_its_way(world)


def gave_up_on_what_never_comes(world: World) -> bool:
    """Whether it gave up, and the call was lost and will never be carried out."""
    return gave_up(world) and carried_out(world) == 0 and not _is_on_its_way(world)


# ------------------------------------------------------------------------------------------------------------ the page


@dataclass(frozen=True)
class Ask:
    """Send me your part of that page."""

    page: int
    shard: int

    def __str__(self) -> str:
        return f"ask for part {self.shard + 1}"


@dataclass(frozen=True)
class Part:
    """The part of that page."""

    page: int
    shard: int

    def __str__(self) -> str:
        return f"part {self.shard + 1}"


@dataclass(frozen=True)
class Shard(Node[Ask, None]):
    """Answers at once. How long that takes is up to its links."""

    def on_start(self, saved: None) -> Step[Self]:
        """There is nothing to do until it is asked."""
        return self, ()

    def on_message(self, source: str, message: Ask) -> Step[Self]:
        """Answer."""
        return self, (Send(source, Part(message.page, message.shard)),)


@dataclass(frozen=True)
class FrontEnd(Node[Part, None]):
    """Makes pages one after another. Each takes a part from every shard.

    Parameters
    ----------
    shards
        The servers of each shard, each of which can answer for it.
    page_count
        How many pages it makes.
    hedge_seconds
        After which time it asks the second server of each shard that has not answered; None: never.
    """

    shards: tuple[tuple[str, ...], ...]
    page_count: int = 1
    hedge_seconds: float | None = None
    page: int = 0
    missing: frozenset[int] = frozenset()

    def on_start(self, saved: None) -> Step[Self]:
        """Begin the first page."""
        return self.begin()

    def begin(self) -> Step[Self]:
        """Ask the first server of every shard."""
        if self.page == self.page_count:
            return self, ()
        node = replace(self, page=self.page + 1, missing=frozenset(range(len(self.shards))))
        asks = tuple(Send(servers[0], Ask(node.page, shard)) for shard, servers in enumerate(self.shards))
        wait: Effects = ()
        if self.hedge_seconds is not None:
            wait = (SetTimer("hedge", (self.hedge_seconds, self.hedge_seconds)),)
        return node, (Invoke(("page", node.page)), *asks, *wait)

    def on_message(self, source: str, message: Part) -> Step[Self]:
        """Take a part; with the last one the page is complete."""
        if message.page != self.page or message.shard not in self.missing:
            return self, ()
        node = replace(self, missing=self.missing - {message.shard})
        if node.missing:
            return node, ()
        following, effects = node.begin()
        return following, (CancelTimer("hedge"), Complete(), *effects)

    def on_timer(self, name: str) -> Step[Self]:
        """Ask the second server of each shard that has not answered."""
        late = [shard for shard in sorted(self.missing) if len(self.shards[shard]) > 1]
        return self, tuple(Send(self.shards[shard][1], Ask(self.page, shard)) for shard in late)


# ----------------------------------------------------------------------------------------------------------- the queue


@dataclass(frozen=True)
class Tick:
    """The source's word to itself that the next job is due."""


@dataclass(frozen=True)
class Job:
    """Something to be done."""

    number: int

    def __str__(self) -> str:
        return f"job {self.number}"


@dataclass(frozen=True)
class Done:
    """The queue's word to itself that a worker has finished a job."""

    number: int

    def __str__(self) -> str:
        return f"done {self.number}"


@dataclass(frozen=True)
class Source(Node[Tick, None]):
    """Hands `job_count` jobs to `target`, one for each word from itself."""

    name: str
    target: str
    job_count: int
    number: int = 0

    def on_start(self, saved: None) -> Step[Self]:
        """Wait for the first job."""
        return self, (Send(self.name, Tick()),)

    def on_message(self, source: str, message: Tick) -> Step[Self]:
        """Hand a job over, and wait for the next one."""
        node = replace(self, number=self.number + 1)
        more = (Send(self.name, Tick()),) if node.number < self.job_count else ()
        return node, (Send(self.target, Job(node.number)), *more)


@dataclass(frozen=True)
class Queue(Node[Job | Done, None]):
    """Some workers and one waiting line, first come, first served."""

    name: str
    worker_count: int = 1
    waiting: tuple[int, ...] = ()
    busy: int = 0

    def on_start(self, saved: None) -> Step[Self]:
        """There is nothing to do until a job comes."""
        return self, ()

    @property
    def in_system(self) -> int:
        """How many jobs wait or are worked on."""
        return len(self.waiting) + self.busy

    def on_message(self, source: str, message: Job | Done) -> Step[Self]:
        """Take a job, or let a worker who has finished take the next."""
        match message:
            case Job():
                return replace(self, waiting=(*self.waiting, message.number)).work()
            case Done():
                return replace(self, busy=self.busy - 1).work()
            case _:
                assert_never(message)

    def work(self) -> Step[Self]:
        """Give the first job in the line to a free worker, if there are both."""
        if not self.waiting or self.busy == self.worker_count:
            return self, ()
        number, *others = self.waiting
        return replace(self, waiting=tuple(others), busy=self.busy + 1), (Send(self.name, Done(number)),)
