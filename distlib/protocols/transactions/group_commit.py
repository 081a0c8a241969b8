"""Group commit: one write to the log's disk makes many transactions durable.

Sources: DeWitt et al., *Implementation Techniques for Main Memory Database Systems* (SIGMOD 1984), section 5.2, for the
idea; Gray and Reuter, *Transaction Processing* (1993), section 9.4.7, for its variants; Helland, Sammer, Lyon, Carr,
Garrett and Reuter, *Group Commit Timers and High Volume Transaction Systems* (HPTS 1987), for the timer.

Theory of operation
-------------------
Clients hand records to a :class:`LogWriter` (:class:`Request`). It writes them in batches, and tells each client
(:class:`Durable`) when its record is on disk. While one batch is being forced, more records come in. What is written
next, and when, is the policy:

- *greedy*: as soon as the disk is free, everything that has come in (:func:`greedy`);
- *count*: exactly B records, as soon as there are B (:func:`by_count`);
- *timer*: everything, so many seconds after the first record came in (:func:`by_timer`).

Assumptions
-----------
One log, one disk, one batch at a time. A batch of b records takes b times `record_seconds` to copy, and a forced save
on top, which the runtime times. A crash loses what was not forced; clients are not told of that.

Left out: what the records say (:mod:`distlib.protocols.transactions.log_based` has that), and a count with a timer
behind it, without which the last few records wait for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, TypeAlias

from distlib.node import Complete, Effects, Invoke, Node, Outcome, Save, Send, SetTimer, Step, World

__all__ = [
    "Committer",
    "Durable",
    "LogWriter",
    "Request",
    "Source",
    "acknowledged_is_durable",
    "by_count",
    "by_timer",
    "greedy",
]


@dataclass(frozen=True)
class Request:
    """Client to log: make this record durable."""

    record: str

    def __str__(self) -> str:
        return self.record


@dataclass(frozen=True)
class Durable:
    """Log to client: these records of yours are on disk."""

    records: tuple[str, ...]

    def __str__(self) -> str:
        return ", ".join(self.records) + " durable"


Records: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class LogWriter(Node[Request, Records]):
    """Collects records, and writes a batch when its policy says so.

    Parameters
    ----------
    fewest
        As many records make a batch, at least 1; None if only the timer does.
    most
        No more than these go into one; None for all that there are.
    wait_seconds
        So long after the first record a batch is made of what there is; None for never.
    record_seconds
        What each record of a batch adds to the time of the write.
    """

    fewest: int | None = 1
    most: int | None = None
    wait_seconds: float | None = None
    record_seconds: float = 0.0
    log: Records = ()
    pending: tuple[tuple[str, str], ...] = ()
    """What waits for a batch: (client, record), in the order of arrival."""
    writing: tuple[tuple[str, str], ...] = ()
    """The batch that is being copied."""
    armed: bool = False
    """Whether the timer is set that begins a batch."""

    def on_start(self, saved: Records | None) -> Step[Self]:
        return replace(self, log=saved or ()), ()

    def on_message(self, source: str, message: Request) -> Step[Self]:
        """Take a record in."""
        return replace(self, pending=(*self.pending, (source, message.record))).arm()

    def arm(self) -> Step[Self]:
        """Set the timer of the next batch if there is reason to: now if it is full, later if it may wait."""
        if self.writing or not self.pending:
            return self, ()
        if self.fewest is not None and len(self.pending) >= self.fewest:
            # A timer of no length fires behind the records that have come in meanwhile: they go into the same batch.
            return replace(self, armed=True), () if self.armed else (SetTimer("batch", (0.0, 0.0)),)
        if self.wait_seconds is not None and not self.armed:
            return replace(self, armed=True), (SetTimer("batch", (self.wait_seconds, self.wait_seconds)),)
        return self, ()

    def on_timer(self, name: str) -> Step[Self]:
        """Begin a batch, or write the one that is copied."""
        if name == "copied":
            return self.write()
        batch = self.pending[: self.most]
        node = replace(self, armed=False, pending=self.pending[len(batch) :], writing=batch)
        if not self.record_seconds:
            return node.write()
        seconds = len(batch) * self.record_seconds
        return node, (SetTimer("copied", (seconds, seconds)),)

    def write(self) -> Step[Self]:
        """Force the batch, and only then tell; what has come in meanwhile is the next."""
        node = replace(self, log=self.log + tuple(record for _, record in self.writing), writing=())
        effects: Effects = (Save(node.log),)
        for client in dict.fromkeys(client for client, _ in self.writing):
            records = tuple(record for asked, record in self.writing if asked == client)
            effects += (Send(client, Durable(records)),)
        node, armed = node.arm()
        return node, effects + armed


def greedy(record_seconds: float = 0.0) -> LogWriter:
    """Return a writer that writes whatever there is, as soon as its disk is free."""
    return LogWriter(record_seconds=record_seconds)


def by_count(count: int) -> LogWriter:
    """Return a writer that waits for `count` records and writes exactly these."""
    if count < 1:
        raise ValueError(f"`count` must be at least 1, got {count}")
    return LogWriter(fewest=count, most=count)


def by_timer(wait_seconds: float) -> LogWriter:
    """Return a writer that writes everything, `wait_seconds` after the first record came in."""
    if not wait_seconds >= 0:
        raise ValueError(f"`wait_seconds` must be at least 0, got {wait_seconds}")
    return LogWriter(fewest=None, wait_seconds=wait_seconds)


# ------------------------------------------------------------------------------------------------------------ clients


@dataclass(frozen=True)
class Source(Node[Durable, None]):
    """Many clients in one: hands in a record after each of its pauses, whether or not the last one is durable.

    Parameters
    ----------
    log
        Name of the log writer.
    pauses_seconds
        How long it waits before each record.
    """

    log: str
    pauses_seconds: tuple[float, ...]
    sent: int = 0

    def on_start(self, saved: None) -> Step[Self]:
        return self.rest()

    def rest(self) -> Step[Self]:
        """Wait before the next record, if there is one."""
        if self.sent == len(self.pauses_seconds):
            return self, ()
        pause = self.pauses_seconds[self.sent]
        return self, (SetTimer("next", (pause, pause)),)

    def on_timer(self, name: str) -> Step[Self]:
        node, effects = replace(self, sent=self.sent + 1).rest()
        return node, (Send(self.log, Request(f"r{node.sent}")), *effects)

    def on_message(self, source: str, message: Durable) -> Step[Self]:
        return self, ()


@dataclass(frozen=True)
class Committer(Node[Durable, None]):
    """One client: hands in a record, waits until it is durable, and hands in the next.

    Parameters
    ----------
    log
        Name of the log writer.
    name
        Of this client; its records begin with it.
    left
        How many records are to come.
    """

    log: str
    name: str
    left: int

    def on_start(self, saved: None) -> Step[Self]:
        return self.begin()

    def begin(self) -> Step[Self]:
        """Hand in the next record, if there is one."""
        if not self.left:
            return self, ()
        record = f"{self.name}{self.left}"
        return self, (Invoke(record), Send(self.log, Request(record)))

    def on_message(self, source: str, message: Durable) -> Step[Self]:
        node, effects = replace(self, left=self.left - 1).begin()
        return node, (Complete(message.records[0], Outcome.OK), *effects)


# --------------------------------------------------------------------------------------------------------- invariants


def acknowledged_is_durable(world: World) -> bool:
    """Every record that a client was told is durable is on disk; needs a world with its history."""
    on_disk = {record for saved in world.saved.values() if isinstance(saved, tuple) for record in saved}
    told = {effect.result for _, effect in world.history if isinstance(effect, Complete) and effect.result is not None}
    return told <= on_disk
