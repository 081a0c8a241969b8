"""A store with a replica and an archive: base backups and shipped log, from which any earlier state can be restored.

Sources: Gray and Reuter, *Transaction Processing* (1993), chapters 9 and 11, for archive copies and media recovery;
Mohan et al., *ARIES* (ACM TODS 17(1), 1992), section 8, for restoring an image copy and rolling the log forward.

Theory of operation
-------------------
A :class:`Store` takes writes, makes them durable, answers, and passes each on to its :class:`Replica` at once. Every
`ship_seconds` it sends the log since the last time to the :class:`Archive`, and every `backup_seconds` a copy of its
whole table, with its position in the log. A write may set a key or delete it; a mistake is a write like any other.

A :class:`Restorer` asks the archive for the latest copy that is not behind a given position, and for the log from there
up to the position; then it replays the log, record by record.

An upload takes `transfer_seconds`, in which the store is needed: one that is cut short by a crash is lost. The laws of
the links say how long other things take: from the archive to the restorer, loading a copy; from the restorer to itself,
replaying one record.

Assumptions
-----------
Links keep their order and lose nothing. A crash of the store takes its disk along. The archive does not crash.

Left out: transactions (a position here is between two of them); copies that are taken while writes go on; removing old
copies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, TypeAlias, assert_never

from distlib.node import Effects, Node, Save, Send, SetTimer, Step, Table, with_entry, without_entry

__all__ = [
    "Archive",
    "Backup",
    "Client",
    "Done",
    "Fetch",
    "Fetched",
    "Holdings",
    "Message",
    "Next",
    "Operator",
    "Ready",
    "Record",
    "Replica",
    "Replay",
    "Restore",
    "Restorer",
    "Segment",
    "Store",
    "Write",
    "apply",
]

Contents: TypeAlias = Table[str, int]

# ---------------------------------------------------------------------------------------------------------- messages


@dataclass(frozen=True)
class Write:
    """Client to store: set this key, or delete it if there is no value."""

    key: str
    value: int | None

    def __str__(self) -> str:
        return f"delete {self.key}" if self.value is None else f"{self.key} = {self.value}"


@dataclass(frozen=True)
class Done:
    """Store to client: it is durable, at this position of the log."""

    position: int

    def __str__(self) -> str:
        return f"done ({self.position})"


@dataclass(frozen=True)
class Record:
    """Store to replica: the write at this position."""

    position: int
    write: Write

    def __str__(self) -> str:
        return f"{self.position}: {self.write}"


@dataclass(frozen=True)
class Segment:
    """Store to archive: the log since the last segment."""

    records: tuple[Record, ...]

    def __str__(self) -> str:
        return f"log of {len(self.records)}"


@dataclass(frozen=True)
class Backup:
    """Store to archive: the whole table as it was after this position."""

    position: int
    contents: Contents

    def __str__(self) -> str:
        return f"backup at {self.position}"


@dataclass(frozen=True)
class Restore:
    """Operator to restorer: bring back the state after this position, or the latest there is."""

    position: int | None = None

    def __str__(self) -> str:
        return "restore" + ("" if self.position is None else f" to {self.position}")


@dataclass(frozen=True)
class Fetch:
    """Restorer to archive: give me what leads to this position."""

    position: int | None

    def __str__(self) -> str:
        return "fetch"


@dataclass(frozen=True)
class Fetched:
    """Archive to restorer: a copy, and the log from there on."""

    backup: Backup
    records: tuple[Record, ...]

    def __str__(self) -> str:
        return f"{self.backup}, log of {len(self.records)}"


@dataclass(frozen=True)
class Replay:
    """Restorer to itself: one record is replayed. The link's latency is how long that takes."""

    def __str__(self) -> str:
        return "replay"


@dataclass(frozen=True)
class Ready:
    """Restorer to operator: the state after this position is back."""

    position: int

    def __str__(self) -> str:
        return f"ready at {self.position}"


@dataclass(frozen=True)
class Next:
    """A client to itself: it is time for the next write."""

    def __str__(self) -> str:
        return "next"


Message: TypeAlias = Write | Done | Record | Segment | Backup | Restore | Fetch | Fetched | Replay | Ready | Next


def apply(contents: Contents, write: Write) -> Contents:
    """Return the table after a write.

    Examples
    --------
    >>> apply((("a", 1), ("b", 2)), Write("a", None))
    (('b', 2),)
    """
    return without_entry(contents, write.key) if write.value is None else with_entry(contents, write.key, write.value)


# -------------------------------------------------------------------------------------------------- store and copies


@dataclass(frozen=True)
class Store(Node[Message, Backup]):
    """Takes writes.

    Parameters
    ----------
    replica, archive
        Who gets each write at once, and who gets log and backups.
    ship_seconds, backup_seconds
        How often the log is shipped, and how often a backup is taken; the first backup is that of the empty table.
    transfer_seconds
        How long the store takes to upload either, at most the shorter of the periods.
    """

    replica: str = "replica"
    archive: str = "archive"
    ship_seconds: float = 1.0
    backup_seconds: float = 10.0
    transfer_seconds: float = 0.0
    position: int = 0
    contents: Contents = ()
    unshipped: tuple[Record, ...] = ()

    def on_start(self, saved: Backup | None) -> Step[Self]:
        node = self if saved is None else replace(self, position=saved.position, contents=saved.contents)
        return node, (*node.timer("ship"), *node.timer("backup"))

    def timer(self, name: str) -> Effects:
        """Set one of its two timers."""
        seconds = self.ship_seconds if name == "ship" else self.backup_seconds
        return (SetTimer(name, (seconds, seconds)),)

    def on_timer(self, name: str | Segment | Backup) -> Step[Self]:
        """Begin an upload when it is time, and finish it when it is through."""
        if not isinstance(name, str):
            return self, (Send(self.archive, name),)
        node, upload = self, self.copy if name == "backup" else Segment(self.unshipped)
        if name == "ship":
            node = replace(self, unshipped=())
        return node, (SetTimer(upload, (self.transfer_seconds, self.transfer_seconds)), *self.timer(name))

    @property
    def copy(self) -> Backup:
        """The whole table with its position."""
        return Backup(self.position, self.contents)

    def on_message(self, source: str, message: Message) -> Step[Self]:
        if not isinstance(message, Write):
            return self, ()
        record = Record(self.position + 1, message)
        node = replace(
            self,
            position=record.position,
            contents=apply(self.contents, message),
            unshipped=(*self.unshipped, record),
        )
        return node, (Save(node.copy), Send(source, Done(record.position)), Send(self.replica, record))


@dataclass(frozen=True)
class Replica(Node[Message, None]):
    """Does what the store did."""

    position: int = 0
    contents: Contents = ()

    def on_start(self, saved: None) -> Step[Self]:
        return self, ()

    def on_message(self, source: str, message: Message) -> Step[Self]:
        if not isinstance(message, Record) or message.position <= self.position:
            return self, ()
        return replace(self, position=message.position, contents=apply(self.contents, message.write)), ()


@dataclass(frozen=True)
class Holdings:
    """What an archive has on disk."""

    backups: tuple[Backup, ...] = (Backup(0, ()),)
    records: tuple[Record, ...] = ()

    def __str__(self) -> str:
        return f"{len(self.backups)} backups, log of {len(self.records)}"


@dataclass(frozen=True)
class Archive(Node[Message, Holdings]):
    """Keeps backups and log, and nobody's mistakes reach what it has."""

    holdings: Holdings = Holdings()

    def on_start(self, saved: Holdings | None) -> Step[Self]:
        return self if saved is None else replace(self, holdings=saved), ()

    def on_message(self, source: str, message: Message) -> Step[Self]:
        match message:
            case Segment():
                return self.keep(replace(self.holdings, records=(*self.holdings.records, *message.records)))
            case Backup():
                return self.keep(replace(self.holdings, backups=(*self.holdings.backups, message)))
            case Fetch():
                return self, (Send(source, self.fetched(message.position)),)
            case Write() | Done() | Record() | Restore() | Fetched() | Replay() | Ready() | Next():
                return self, ()
            case _:
                assert_never(message)

    def keep(self, holdings: Holdings) -> Step[Self]:
        """Put it on disk."""
        return replace(self, holdings=holdings), (Save(holdings),)

    def fetched(self, position: int | None) -> Fetched:
        """Return the latest backup that is not behind the position, and the log from there up to it."""
        wanted = [each for each in self.holdings.backups if position is None or each.position <= position]
        backup = max(wanted, key=lambda each: each.position)
        records = tuple(
            each
            for each in self.holdings.records
            if each.position > backup.position and (position is None or each.position <= position)
        )
        return Fetched(backup, records)


@dataclass(frozen=True)
class Restorer(Node[Message, None]):
    """A new machine that becomes what the store was."""

    archive: str = "archive"
    operator: str = "operator"
    position: int = 0
    contents: Contents = ()
    records: tuple[Record, ...] = ()
    """To be replayed."""
    ready: bool = False

    def on_start(self, saved: None) -> Step[Self]:
        return self, ()

    def on_message(self, source: str, message: Message) -> Step[Self]:
        match message:
            case Restore():
                return self, (Send(self.archive, Fetch(message.position)),)
            case Fetched():
                backup = message.backup
                node = replace(self, position=backup.position, contents=backup.contents, records=message.records)
                return node.go_on(source)
            case Replay():
                record, *rest = self.records
                contents = apply(self.contents, record.write)
                node = replace(self, position=record.position, contents=contents, records=tuple(rest))
                return node.go_on(source)
            case Write() | Done() | Record() | Segment() | Backup() | Fetch() | Ready() | Next():
                return self, ()
            case _:
                assert_never(message)

    def go_on(self, source: str) -> Step[Self]:
        """Replay the next record, or say that there is none."""
        if self.records:
            return self, (Send("restorer", Replay()),)
        return replace(self, ready=True), (Send(self.operator, Ready(self.position)),)


@dataclass(frozen=True)
class Operator(Node[Message, None]):
    """Orders the restore.

    Parameters
    ----------
    at_seconds
        When.
    position
        To which position; None: as far as the archive has it.
    """

    at_seconds: float
    position: int | None = None
    restored: int | None = None

    def on_start(self, saved: None) -> Step[Self]:
        return self, (SetTimer("restore", (self.at_seconds, self.at_seconds)),)

    def on_timer(self, name: str) -> Step[Self]:
        return self, (Send("restorer", Restore(self.position)),)

    def on_message(self, source: str, message: Message) -> Step[Self]:
        return (replace(self, restored=message.position), ()) if isinstance(message, Ready) else (self, ())


@dataclass(frozen=True)
class Client(Node[Message, None]):
    """Writes: what it is told, one write after the other; or without end, each time that its message to itself arrives.

    Parameters
    ----------
    writes
        One after the other, `pause_seconds` apart. None: without end, to ten keys in turn.
    """

    writes: tuple[Write, ...] | None = None
    pause_seconds: float = 1.0
    sent: int = 0

    def on_start(self, saved: None) -> Step[Self]:
        if self.writes is None:
            return self, (Send("client", Next()),)
        return self, (SetTimer("next", (self.pause_seconds, self.pause_seconds)),)

    def on_timer(self, name: str) -> Step[Self]:
        if self.writes is None or self.sent == len(self.writes):
            return self, ()
        again = SetTimer("next", (self.pause_seconds, self.pause_seconds))
        return replace(self, sent=self.sent + 1), (Send("store", self.writes[self.sent]), again)

    def on_message(self, source: str, message: Message) -> Step[Self]:
        if not isinstance(message, Next):
            return self, ()
        write = Write(f"key {self.sent % 10}", self.sent)
        return replace(self, sent=self.sent + 1), (Send("store", write), Send("client", Next()))
