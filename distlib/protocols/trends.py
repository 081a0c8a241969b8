"""Programs of their time: a sum around a ring, training that does not wait for all, devices that are rarely online.

*The ring.* Each :class:`RingWorker` holds n numbers, one a chunk; afterwards each holds the n sums. In the first n - 1
steps a worker sends its neighbour one chunk and adds the one that it receives to its own; then it has one chunk summed
up. In the other n - 1 steps the sums go round and replace. No link carries more than the whole twice, and all links are
busy all the time (Patarasuk and Yuan, *Bandwidth Optimal All-reduce Algorithms for Clusters of Workstations*, JPDC
69(2), 2009, section 3).

*Training.* A :class:`Trainer` sends the parameters of a round to all workers and goes on to the next round when it has
the gradients of all but `spare_count` of them; what comes later is thrown away (Chen, Pan, Monga, Bengio and
Jozefowicz, *Revisiting Distributed Synchronous SGD*, 2016, section 3).

*The counter.* A :class:`Device` counts by itself and tells what it knows of everybody's counts whenever it is online;
of what it is told it keeps the greater count of each device (Shapiro, Preguiça, Baquero and Zawirski, *Conflict-free
Replicated Data Types*, 2011, section 3.2). Its own count is on disk before anybody hears of it.

*The upload.* A :class:`Sensor` numbers its readings and keeps them until a :class:`Gateway` has acknowledged them. It
sends a batch each time its timer fires, from the first reading that is not acknowledged, so a link that was down costs
nothing but time. The gateway acknowledges what it has on disk.

Assumptions: messages may be delayed, reordered, copied and lost, and devices, sensors and gateways may crash. The ring
and the training are exceptions: a lost message stops them, so their transport has to repeat, and their workers do not
crash.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from distlib.node import Complete, Effects, Invoke, Node, Save, Send, SetTimer, Step, Table, World, entry, with_entry

__all__ = [
    "Acknowledge",
    "Batch",
    "Chunk",
    "Counts",
    "Device",
    "Gateway",
    "Gradient",
    "GradientWorker",
    "Parameters",
    "RingWorker",
    "Sensor",
    "SensorLog",
    "Trainer",
    "all_devices_agree",
    "every_reading_is_somewhere",
    "nobody_knows_too_much",
    "sums_are_right",
]

# ------------------------------------------------------------------------------------------------------------ the ring


@dataclass(frozen=True)
class Chunk:
    """The number of one chunk, sent in one step. Steps are numbered from 0."""

    step: int
    number: int

    def __str__(self) -> str:
        return f"step {self.step}: {self.number}"


@dataclass(frozen=True)
class RingWorker(Node[Chunk, None]):
    """One of n workers on a ring.

    Parameters
    ----------
    rank
        From 0 to n - 1.
    following
        Name of the worker of the next rank.
    chunks
        Its n numbers.
    """

    rank: int
    following: str
    chunks: tuple[int, ...]
    step: int = 0
    early: Table[int, int] = ()

    @property
    def is_done(self) -> bool:
        """Whether it has all sums."""
        return self.step == 2 * (len(self.chunks) - 1)

    def on_start(self, saved: None) -> Step[Self]:
        """Send the first chunk."""
        if self.is_done:
            return self, ()
        return self, (Invoke(("all-reduce",)), self.sending())

    def sending(self) -> Send:
        """Return the message of the present step: one chunk further back in each."""
        index = (self.rank - self.step) % len(self.chunks)
        return Send(self.following, Chunk(self.step, self.chunks[index]))

    def on_message(self, source: str, message: Chunk) -> Step[Self]:
        """Take what belongs to the present step, keep what is early, and leave what has been taken."""
        if message.step < self.step or entry(self.early, message.step) is not None:
            return self, ()
        node = replace(self, early=with_entry(self.early, message.step, message.number))
        effects: list[Send | Complete] = []
        while (number := entry(node.early, node.step)) is not None:
            node = node.take(number)
            effects.append(Complete() if node.is_done else node.sending())
        return node, tuple(effects)

    def take(self, number: int) -> Self:
        """Return the worker after the present step: it adds in the first half, and replaces in the second."""
        size = len(self.chunks)
        index = (self.rank - self.step - 1) % size
        held = self.chunks[index] + number if self.step < size - 1 else number
        chunks = (*self.chunks[:index], held, *self.chunks[index + 1 :])
        early = tuple(pair for pair in self.early if pair[0] != self.step)
        return replace(self, chunks=chunks, step=self.step + 1, early=early)


def sums_are_right(world: World) -> bool:
    """Whether every worker that is done has the sums of what all had, if worker i had 10 to the i in each chunk."""
    workers = [node for node in world.nodes.values() if isinstance(node, RingWorker)]
    expected = sum(10**rank for rank in range(len(workers)))
    return all(set(worker.chunks) == {expected} for worker in workers if worker.is_done)


# -------------------------------------------------------------------------------------------------------- the training


@dataclass(frozen=True)
class Parameters:
    """What the gradients of a round are to be computed from."""

    number: int

    def __str__(self) -> str:
        return f"round {self.number}"


@dataclass(frozen=True)
class Gradient:
    """A worker's share of a round."""

    number: int

    def __str__(self) -> str:
        return f"gradient {self.number}"


@dataclass(frozen=True)
class GradientWorker(Node[Parameters, None]):
    """Answers at once. How long it computes is the latency of its link."""

    def on_start(self, saved: None) -> Step[Self]:
        """There is nothing to do without parameters."""
        return self, ()

    def on_message(self, source: str, message: Parameters) -> Step[Self]:
        """Answer."""
        return self, (Send(source, Gradient(message.number)),)


@dataclass(frozen=True)
class Trainer(Node[Gradient, None]):
    """Runs the rounds.

    Parameters
    ----------
    workers
        Their names.
    round_count
        How many rounds there are.
    spare_count
        How many gradients of a round it does without; at least 0, and below the number of workers.
    """

    workers: tuple[str, ...]
    round_count: int
    spare_count: int = 0
    number: int = 0
    heard: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not 0 <= self.spare_count < len(self.workers):
            raise ValueError(f"`spare_count` must be in [0, {len(self.workers)}), got {self.spare_count}")

    def on_start(self, saved: None) -> Step[Self]:
        """Begin the first round."""
        return self.begin()

    def begin(self) -> Step[Self]:
        """Send the parameters of the next round to all."""
        if self.number == self.round_count:
            return self, ()
        node = replace(self, number=self.number + 1, heard=frozenset())
        sends = tuple(Send(worker, Parameters(node.number)) for worker in self.workers)
        return node, (Invoke(("round", node.number)), *sends)

    def on_message(self, source: str, message: Gradient) -> Step[Self]:
        """Count a gradient of this round; with enough of them begin the next."""
        if message.number != self.number or source in self.heard or self.needed == len(self.heard):
            return self, ()
        node = replace(self, heard=self.heard | {source})
        if len(node.heard) < node.needed:
            return node, ()
        following, effects = node.begin()
        return following, (Complete(), *effects)

    @property
    def needed(self) -> int:
        """How many gradients make a round."""
        return len(self.workers) - self.spare_count


# --------------------------------------------------------------------------------------------------------- the counter


@dataclass(frozen=True)
class Counts:
    """What a device knows: how much each device has counted."""

    counts: Table[str, int]

    def __str__(self) -> str:
        return " ".join(f"{name}:{count}" for name, count in self.counts) or "nothing"


@dataclass(frozen=True)
class Device(Node[Counts, Table[str, int]]):
    """Counts those who pass, and tells the others what it knows whenever it is online.

    Parameters
    ----------
    name
        Its own.
    others
        The names of the others.
    passer_count
        How many pass it, one for each firing of its timer; at least 0.
    pass_seconds, exchange_seconds
        Ranges of the time to the next who passes, and to the next time that it is online.
    exchange_count
        How often it tells the others after each start; None: for ever.
    """

    name: str
    others: tuple[str, ...]
    passer_count: int = 1
    pass_seconds: tuple[float, float] = (1.0, 1.0)
    exchange_seconds: tuple[float, float] = (1.0, 1.0)
    exchange_count: int | None = None
    counts: Table[str, int] = ()

    @property
    def own(self) -> int:
        """How many it has counted itself."""
        return entry(self.counts, self.name) or 0

    @property
    def total(self) -> int:
        """How many all devices together have counted, as far as this one knows."""
        return sum(count for _, count in self.counts)

    def on_start(self, saved: Table[str, int] | None) -> Step[Self]:
        """Go on from what is on disk."""
        node = replace(self, counts=saved or ())
        passing = (SetTimer("pass", self.pass_seconds),) if node.own < self.passer_count else ()
        return node, (*passing, *node.waiting())

    def waiting(self) -> tuple[SetTimer, ...]:
        """Return what waits for the next time online, if there is one."""
        return () if self.exchange_count == 0 else (SetTimer("exchange", self.exchange_seconds),)

    def on_timer(self, name: str) -> Step[Self]:
        """Count one more, or tell the others."""
        if name == "pass":
            return self.count()
        node = self if self.exchange_count is None else replace(self, exchange_count=self.exchange_count - 1)
        sends = tuple(Send(other, Counts(self.counts)) for other in self.others)
        return node, (*sends, *node.waiting())

    def count(self) -> Step[Self]:
        """Count one more, on disk before anybody hears of it."""
        node = replace(self, counts=with_entry(self.counts, self.name, self.own + 1))
        more = (SetTimer("pass", self.pass_seconds),) if node.own < self.passer_count else ()
        return node, (Save(node.counts), *more)

    def on_message(self, source: str, message: Counts) -> Step[Self]:
        """Take the greater count of each device."""
        counts = self.counts
        for name, count in message.counts:
            counts = with_entry(counts, name, max(count, entry(counts, name) or 0))
        if counts == self.counts:
            return self, ()
        return replace(self, counts=counts), (Save(counts),)


def _devices(world: World) -> list[Device]:
    return [node for node in world.nodes.values() if isinstance(node, Device)]


def nobody_knows_too_much(world: World) -> bool:
    """Whether no device believes in more of another's count than that one has on disk."""
    own = {name: entry(saved or (), name) or 0 for name, saved in world.saved.items()}
    return all(count <= own[name] for device in _devices(world) for name, count in device.counts if name != device.name)


def all_devices_agree(world: World) -> bool:
    """Whether all are up, and each knows what each has counted."""
    devices = _devices(world)
    own = tuple(sorted((device.name, device.own) for device in devices if device.own))
    return len(devices) == len(world.nodes) and all(device.counts == own for device in devices)


# ---------------------------------------------------------------------------------------------------------- the upload


@dataclass(frozen=True)
class Batch:
    """The readings from `first` to `last`, which are numbered from 1."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"readings {self.first} to {self.last}"


@dataclass(frozen=True)
class Acknowledge:
    """All readings up to that one are on disk here."""

    last: int

    def __str__(self) -> str:
        return f"has {self.last}"


@dataclass(frozen=True)
class SensorLog:
    """How many readings there have been, and how many of them the gateway has: the rest is kept."""

    taken: int = 0
    acknowledged: int = 0

    def __str__(self) -> str:
        return f"{self.taken} taken, {self.acknowledged} acknowledged"


_NOTHING: Effects = ()


@dataclass(frozen=True)
class Sensor(Node[Acknowledge, SensorLog]):
    """Takes readings, and sends what has not been acknowledged.

    Parameters
    ----------
    gateway
        Whom it sends to.
    reading_count
        How many readings it takes each time its timer fires.
    batch_size
        How many it sends at most; more than `reading_count`, or the rest would grow for ever.
    tick_seconds
        The time between two firings.
    tick_count
        How often it takes readings; None: for ever. It goes on sending until all are acknowledged.
    """

    gateway: str
    reading_count: int = 1
    batch_size: int = 2
    tick_seconds: float = 1.0
    tick_count: int | None = None
    log: SensorLog = SensorLog()

    @property
    def backlog(self) -> int:
        """How many readings wait."""
        return self.log.taken - self.log.acknowledged

    def on_start(self, saved: SensorLog | None) -> Step[Self]:
        """Go on from what is on disk."""
        return replace(self, log=saved or SensorLog()), (self.tick(),)

    def tick(self) -> SetTimer:
        """Return what waits for the next time."""
        return SetTimer("tick", (self.tick_seconds, self.tick_seconds))

    def on_timer(self, name: str) -> Step[Self]:
        """Take readings, keep them on disk, and send the first of those that wait."""
        node, kept = self, _NOTHING
        if self.tick_count is None or self.log.taken < self.tick_count * self.reading_count:
            node = replace(self, log=replace(self.log, taken=self.log.taken + self.reading_count))
            kept = (Save(node.log),)
        if not node.backlog:
            return node, kept
        first = node.log.acknowledged + 1
        return node, (
            *kept,
            Send(self.gateway, Batch(first, min(node.log.taken, first + self.batch_size - 1))),
            self.tick(),
        )

    def on_message(self, source: str, message: Acknowledge) -> Step[Self]:
        """Forget what the gateway has."""
        if message.last <= self.log.acknowledged:
            return self, ()
        log = replace(self.log, acknowledged=message.last)
        return replace(self, log=log), (Save(log, forced=False),)


@dataclass(frozen=True)
class Gateway(Node[Batch, int]):
    """Keeps readings. Its durable value is the last one up to which it has all."""

    last: int = 0

    def on_start(self, saved: int | None) -> Step[Self]:
        """Go on from what is on disk."""
        return replace(self, last=saved or 0), ()

    def on_message(self, source: str, message: Batch) -> Step[Self]:
        """Take what follows on what it has; say how far that is."""
        if message.last <= self.last or message.first > self.last + 1:
            return self, (Send(source, Acknowledge(self.last)),)
        node = replace(self, last=message.last)
        return node, (Save(node.last), Send(source, Acknowledge(node.last)))


def every_reading_is_somewhere(world: World) -> bool:
    """Whether the gateway has on disk whatever the sensor has forgotten, and no reading that was not taken."""
    sensor, last = world.saved.get("sensor") or SensorLog(), world.saved.get("gateway") or 0
    node = world.nodes.get("sensor")
    forgotten = node.log.acknowledged if isinstance(node, Sensor) else 0
    return max(forgotten, sensor.acknowledged) <= last <= sensor.taken
