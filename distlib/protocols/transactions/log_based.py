"""A database that survives its machine: write-ahead log, steal and no-force, restart by analysis, redo and undo.

Source: Mohan, Haderle, Lindsay, Pirahesh and Schwarz, *ARIES: A Transaction Recovery Method Supporting Fine-Granularity
Locking and Partial Rollbacks Using Write-Ahead Logging*, ACM TODS 17(1), 1992. Record types and page LSN are those of
its sections 3 and 4, normal processing of section 5, restart of section 6.

Theory of operation
-------------------
Changes are made to pages in memory, and each is described by a record that is appended to the log. Two rules order what
reaches the disk:

1. *Write-ahead*: the record of a change is on disk before the page that carries it (:meth:`Database.write_pages`).
2. *Force at commit*: the log is on disk up to a transaction's commit record before anybody is told
   (:meth:`Database.commit`).

Nothing else is asked for. A page with changes of an unfinished transaction may be written (*steal*), and a page with
changes of a committed one need not be (*no-force*). So after a crash both may be wrong on disk: changes may be missing
and must be *redone*, others must be *undone*.

Each page carries the LSN of the last change that it holds. Redo repeats history: it applies, in order, every change,
also those of the losers, that a page does not hold yet, and the LSN on the page says which these are. Undo takes the
changes of the losers back, latest first, and writes a *compensation* record for each. It says what is to be undone
next, so that a crash during recovery never undoes a thing twice, and the log of a recovery that is interrupted again
and again does not grow without bound.

A checkpoint writes no page. It notes which pages are dirty, and since which LSN, and which transactions are active:
restart reads the log from there. The master record says where the last complete checkpoint begins.

:class:`Database` is a value: each step returns the next one and the :data:`Action` s that a disk is to carry out, in
order. :class:`Server` is the same database as a node, with a disk as its durable value.

Assumptions
-----------
The disk loses what was not forced, in any order; it may tear a log record, which the log's checksum shows (see
:mod:`distlib.runtimes.write_ahead_log`). A page is written whole or not at all. Transactions that are active at the
same time keep out of each other's way (strict locks): they may add to the same slot, and not write to it.

Left out: eviction (all pages are in memory), the locks themselves, partial rollback, nested top actions, media recovery
and torn pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache
from typing import Self, TypeAlias, assert_never

from distlib.node import (
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
    "Abort",
    "Acknowledge",
    "Action",
    "Active",
    "Add",
    "Analysis",
    "Append",
    "BeginCheckpoint",
    "Change",
    "Client",
    "Commit",
    "Compensation",
    "Database",
    "Disk",
    "End",
    "EndCheckpoint",
    "Ended",
    "Force",
    "Page",
    "Record",
    "Restart",
    "Run",
    "Server",
    "SetMaster",
    "Status",
    "SyncPages",
    "Turn",
    "Update",
    "Write",
    "WritePage",
    "atomicity",
    "decode",
    "durability",
    "encode",
    "recover",
    "winners",
    "without_loss",
]

# ------------------------------------------------------------------------------------------------------------ records


@dataclass(frozen=True)
class Page:
    """A page: its values, and the LSN of the last change that they hold."""

    values: tuple[int, ...]
    lsn: int = 0


@dataclass(frozen=True)
class Write:
    """Put a value into a slot: its images before and after."""

    slot: int
    before: int
    after: int

    def apply(self, values: tuple[int, ...]) -> tuple[int, ...]:
        """Return the values after the change."""
        return (*values[: self.slot], self.after, *values[self.slot + 1 :])

    def inverse(self) -> Write:
        """Return the change that takes this one back."""
        return Write(self.slot, self.after, self.before)

    def __str__(self) -> str:
        return f"[{self.slot}] {self.before} → {self.after}"


@dataclass(frozen=True)
class Add:
    """Add to a slot. To do it twice is not to do it once: what is redone must be known exactly."""

    slot: int
    amount: int

    def apply(self, values: tuple[int, ...]) -> tuple[int, ...]:
        """Return the values after the change."""
        return (*values[: self.slot], values[self.slot] + self.amount, *values[self.slot + 1 :])

    def inverse(self) -> Add:
        """Return the change that takes this one back, whatever others have added since."""
        return Add(self.slot, -self.amount)

    def __str__(self) -> str:
        return f"[{self.slot}] {self.amount:+}"


Change: TypeAlias = Write | Add


@dataclass(frozen=True)
class Update:
    """A transaction changed a page; `previous_lsn` is its record before this one, 0 if there is none."""

    transaction: str
    previous_lsn: int
    page: int
    change: Change

    def __str__(self) -> str:
        return f"{self.transaction} page {self.page} {self.change}"


@dataclass(frozen=True)
class Compensation:
    """A change was taken back. It is redone like any other and never undone; next to undo is `undo_next_lsn`."""

    transaction: str
    previous_lsn: int
    page: int
    change: Change
    undo_next_lsn: int

    def __str__(self) -> str:
        return f"{self.transaction} undo page {self.page} {self.change}, next {self.undo_next_lsn}"


@dataclass(frozen=True)
class Commit:
    """A transaction is committed once this record is on disk."""

    transaction: str
    previous_lsn: int

    def __str__(self) -> str:
        return f"{self.transaction} commit"


@dataclass(frozen=True)
class Abort:
    """A transaction begins to take its changes back."""

    transaction: str
    previous_lsn: int

    def __str__(self) -> str:
        return f"{self.transaction} abort"


@dataclass(frozen=True)
class End:
    """Nothing is left to do for a transaction, neither to undo nor to tell."""

    transaction: str
    previous_lsn: int

    def __str__(self) -> str:
        return f"{self.transaction} end"


class Status(Enum):
    """How far an active transaction is."""

    RUNNING = 1
    COMMITTED = 2
    """Its commit record is written."""
    ABORTING = 3
    """It takes its changes back."""


@dataclass(frozen=True)
class Active:
    """A line of the transaction table."""

    status: Status
    first_lsn: int
    last_lsn: int
    undo_next_lsn: int
    """Its latest change that is not taken back yet; 0 if there is none."""


@dataclass(frozen=True)
class BeginCheckpoint:
    """A checkpoint begins. Restart will read from here, if it is ever complete."""

    def __str__(self) -> str:
        return "begin checkpoint"


@dataclass(frozen=True)
class EndCheckpoint:
    """A checkpoint is complete: the transaction table, and the dirty pages with the LSN that made each dirty."""

    transactions: Table[str, Active]
    dirty_pages: Table[int, int]

    def __str__(self) -> str:
        active = ", ".join(name for name, _ in self.transactions) or "none"
        dirty = ", ".join(f"{page} since {lsn}" for page, lsn in self.dirty_pages) or "none"
        return f"end checkpoint: active {active}; dirty {dirty}"


Record: TypeAlias = Update | Compensation | Commit | Abort | End | BeginCheckpoint | EndCheckpoint
Log: TypeAlias = Mapping[int, Record]
"""Records by LSN, in ascending order. LSNs count records, from 1."""

# -------------------------------------------------------------------------------------------------------------- codec

_SIMPLE: dict[type, int] = {Commit: 3, Abort: 4, End: 5}
_OF_TAG = {tag: kind for kind, tag in _SIMPLE.items()}


def encode(record: Record) -> bytes:
    """Return a record as bytes.

    Examples
    --------
    >>> decode(encode(Update("t1", 0, 2, Add(0, -5))))
    Update(transaction='t1', previous_lsn=0, page=2, change=Add(slot=0, amount=-5))
    """
    match record:
        case Update():
            return b"\x01" + _text(record.transaction) + _numbers(record.previous_lsn, record.page) + _of(record.change)
        case Compensation():
            head = _numbers(record.previous_lsn, record.undo_next_lsn, record.page)
            return b"\x02" + _text(record.transaction) + head + _of(record.change)
        case Commit() | Abort() | End():
            return bytes([_SIMPLE[type(record)]]) + _text(record.transaction) + _numbers(record.previous_lsn)
        case BeginCheckpoint():
            return b"\x06"
        case EndCheckpoint():
            lines = b"".join(
                _text(name) + _numbers(line.status.value, line.first_lsn, line.last_lsn, line.undo_next_lsn)
                for name, line in record.transactions
            )
            pages = b"".join(_numbers(*pair) for pair in record.dirty_pages)
            return b"\x07" + _numbers(len(record.transactions), len(record.dirty_pages)) + lines + pages
        case _:
            assert_never(record)


def decode(data: bytes) -> Record:
    """Return the record that :func:`encode` wrote.

    Raises
    ------
    ValueError
        If it wrote none such. A log whose checksums hold never has one.
    """
    reader = _Reader(data)
    tag = reader.byte()
    record: Record
    if tag == 1:
        record = Update(reader.text(), reader.number(), reader.number(), reader.change())
    elif tag == 2:
        name, previous, undo_next = reader.text(), reader.number(), reader.number()
        record = Compensation(name, previous, reader.number(), reader.change(), undo_next)
    elif tag in _OF_TAG:
        record = _OF_TAG[tag](reader.text(), reader.number())
    elif tag == 6:
        record = BeginCheckpoint()
    elif tag == 7:
        transactions, pages = reader.number(), reader.number()
        record = EndCheckpoint(
            tuple((reader.text(), reader.active()) for _ in range(transactions)),
            tuple((reader.number(), reader.number()) for _ in range(pages)),
        )
    else:
        raise ValueError(f"`data` must begin with the tag of a record, 1 to 7, got {tag}")
    if reader.position != len(data):
        raise ValueError(f"`data` must be {reader.position} bytes long, as its record is, got {len(data)}")
    return record


def _text(name: str) -> bytes:
    written = name.encode()
    if len(written) > 255:
        raise ValueError(f"the name of a transaction must have at most 255 bytes, got {len(written)}")
    return bytes([len(written)]) + written


def _numbers(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "big", signed=True) for value in values)


def _of(change: Change) -> bytes:
    if isinstance(change, Write):
        return b"w" + _numbers(change.slot, change.before, change.after)
    return b"a" + _numbers(change.slot, change.amount)


class _Reader:
    """Takes values off bytes, from the front."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, size: int) -> bytes:
        taken = self.data[self.position : self.position + size]
        if len(taken) < size:
            raise ValueError(f"`data` must hold the whole record, got {len(self.data)} bytes of more")
        self.position += size
        return taken

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        return int.from_bytes(self.take(4), "big", signed=True)

    def text(self) -> str:
        return self.take(self.byte()).decode()

    def change(self) -> Change:
        kind = self.take(1)
        if kind == b"w":
            return Write(self.number(), self.number(), self.number())
        if kind == b"a":
            return Add(self.number(), self.number())
        raise ValueError(f"`data` must hold a change, b'w' or b'a', got {kind!r}")

    def active(self) -> Active:
        return Active(Status(self.number()), self.number(), self.number(), self.number())


# ------------------------------------------------------------------------------------------------------------ actions


@dataclass(frozen=True)
class Append:
    """Put a record at the end of the log. A crash may lose it until a force."""

    lsn: int
    record: Record


@dataclass(frozen=True)
class Force:
    """Go on only when all that was appended is on disk."""


@dataclass(frozen=True)
class WritePage:
    """Write a page, whole. A crash may lose it until the pages are synced."""

    number: int
    page: Page


@dataclass(frozen=True)
class SyncPages:
    """Go on only when all pages that were written are on disk."""


@dataclass(frozen=True)
class SetMaster:
    """Let the master record name the checkpoint that begins at an LSN, and go on when that is on disk."""

    lsn: int


@dataclass(frozen=True)
class Acknowledge:
    """Tell the client that its transaction is committed."""

    transaction: str


Action: TypeAlias = Append | Force | WritePage | SyncPages | SetMaster | Acknowledge
Turn: TypeAlias = tuple["Database", tuple[Action, ...]]

# ----------------------------------------------------------------------------------------------------------- database


@dataclass(frozen=True)
class Analysis:
    """What the log says about the moment of the crash."""

    transactions: Table[str, Active]
    dirty_pages: Table[int, int]
    """Pages whose contents on disk may be old, and the first LSN that each may lack."""

    @property
    def redo_lsn(self) -> int | None:
        """Where redo begins; None if no page can lack anything."""
        return min((lsn for _, lsn in self.dirty_pages), default=None)

    @property
    def losers(self) -> tuple[str, ...]:
        """The transactions whose changes are to be taken back."""
        return tuple(name for name, line in self.transactions if line.status is not Status.COMMITTED)


@dataclass(frozen=True)
class Database:
    """Pages in memory, the transaction table, the table of dirty pages, and how far the log is on disk.

    Parameters
    ----------
    pages
        The pages by number, as they are in memory.
    next_lsn
        LSN of the next record.
    forced_lsn
        LSN up to which the log is on disk.
    dirty_pages
        Pages that differ from those on disk, each with the LSN of the first change that the disk may lack.
    transactions
        Those that have not ended.
    written
        Pages written since the last sync: the LSN that was next when each was written.
    checkpoint_lsn
        Where the checkpoint under way begins; 0 if there is none.
    """

    pages: Table[int, Page]
    next_lsn: int = 1
    forced_lsn: int = 0
    dirty_pages: Table[int, int] = ()
    transactions: Table[str, Active] = ()
    written: Table[int, int] = ()
    checkpoint_lsn: int = 0

    # Normal processing.

    def update(self, transaction: str, page: int, change: Change) -> Turn:
        """Change a page in memory, and append the record that says so."""
        line = entry(self.transactions, transaction) or Active(Status.RUNNING, self.next_lsn, 0, 0)
        if line.status is not Status.RUNNING:
            raise ValueError(f"`transaction` must be running, got {transaction!r}, which is {line.status.name.lower()}")
        lsn = self.next_lsn
        database = self.following(transaction, replace(line, last_lsn=lsn, undo_next_lsn=lsn))
        return database.changed(page, change, lsn), (Append(lsn, Update(transaction, line.last_lsn, page, change)),)

    def commit(self, transaction: str) -> Turn:
        """Append the commit record, force the log, and only then tell."""
        line = self.active(transaction)
        lsn = self.next_lsn
        database = self.following(transaction, replace(line, status=Status.COMMITTED, last_lsn=lsn)).forced()
        return database, (Append(lsn, Commit(transaction, line.last_lsn)), Force(), Acknowledge(transaction))

    def abort(self, transaction: str) -> Turn:
        """Begin to take the changes of a transaction back: :meth:`finish_step` does the rest."""
        line = self.active(transaction)
        lsn = self.next_lsn
        database = self.following(transaction, replace(line, status=Status.ABORTING, last_lsn=lsn))
        return database, (Append(lsn, Abort(transaction, line.last_lsn)),)

    def write_pages(self, *numbers: int) -> Turn:
        """Write pages, whoever changed them, once the log is on disk as far as they are."""
        database, actions = self, tuple[Action, ...]()
        if self.needs_force(*numbers):
            database, actions = self.forced(), (Force(),)
        written = database.written
        for number in numbers:
            written = with_entry(written, number, self.next_lsn)
        writes = tuple(WritePage(number, self.page(number)) for number in numbers)
        return replace(database, written=written), (*actions, *writes)

    def needs_force(self, *numbers: int) -> bool:
        """Tell whether one of these pages carries a change whose record may not be on disk."""
        return any(self.page(number).lsn > self.forced_lsn for number in numbers)

    def sync_pages(self) -> Turn:
        """Wait for the pages that were written; then they are clean, or dirty since what came after the write."""
        dirty = self.dirty_pages
        for number, next_lsn in self.written:
            dirty = without_entry(dirty, number)
            if self.page(number).lsn >= next_lsn:
                dirty = with_entry(dirty, number, next_lsn)
        return replace(self, dirty_pages=dirty, written=()), (SyncPages(),)

    def begin_checkpoint(self) -> Turn:
        """Append the record from which restart is to read; work goes on meanwhile."""
        lsn = self.next_lsn
        return replace(self, next_lsn=lsn + 1, checkpoint_lsn=lsn), (Append(lsn, BeginCheckpoint()),)

    def end_checkpoint(self) -> Turn:
        """Append both tables as they are now, force the log, and let the master record name the beginning."""
        lsn = self.next_lsn
        database = replace(self, next_lsn=lsn + 1, checkpoint_lsn=0).forced()
        record = EndCheckpoint(self.transactions, self.dirty_pages)
        return database, (Append(lsn, record), Force(), SetMaster(self.checkpoint_lsn))

    @property
    def oldest_needed_lsn(self) -> int:
        """The log before this LSN is needed neither by redo nor by undo, once a checkpoint is complete."""
        needed = [lsn for _, lsn in self.dirty_pages]
        needed += [line.first_lsn for _, line in self.transactions if line.first_lsn]
        return min(needed, default=self.next_lsn)

    # Restart.

    @classmethod
    def restart(cls, log: Log, master_lsn: int, pages: Table[int, Page]) -> Restart:
        """Analysis and redo: bring all pages to where they were at the crash. Losers are then to be undone."""
        analysis = cls.analyse(log, master_lsn)
        found, redone = cls.redo(log, analysis, pages)
        last_lsn = max(log, default=0)
        active = tuple(
            (name, line if line.status is Status.COMMITTED else replace(line, status=Status.ABORTING))
            for name, line in analysis.transactions
        )
        # What was found in the log was on disk. The pages that redo changed are in memory only: they stay dirty.
        database = cls(found, last_lsn + 1, last_lsn, analysis.dirty_pages, active)
        return Restart(database, analysis, redone)

    @classmethod
    def analyse(cls, log: Log, master_lsn: int) -> Analysis:
        """Read the log from the last checkpoint: who was active, which pages may be old."""
        active: dict[str, Active] = {}
        dirty: dict[int, int] = {}
        for lsn, record in log.items():
            if lsn < master_lsn:
                continue
            match record:
                case Update() | Compensation():
                    undo_next = lsn if isinstance(record, Update) else record.undo_next_lsn
                    line = active.get(record.transaction, Active(Status.RUNNING, lsn, 0, 0))
                    status = line.status if isinstance(record, Update) else Status.ABORTING
                    active[record.transaction] = Active(status, line.first_lsn, lsn, undo_next)
                    dirty.setdefault(record.page, lsn)
                case Commit() | Abort():
                    status = Status.COMMITTED if isinstance(record, Commit) else Status.ABORTING
                    line = active.get(record.transaction, Active(status, 0, 0, record.previous_lsn))
                    active[record.transaction] = replace(line, status=status, last_lsn=lsn)
                case End():
                    active.pop(record.transaction, None)
                case EndCheckpoint():
                    # The tables were taken with this record. What was seen since the beginning is in them, or newer.
                    for name, line in record.transactions:
                        newer = active.get(name, line)
                        active[name] = replace(newer, first_lsn=line.first_lsn)
                    dirty |= dict(record.dirty_pages)
                case BeginCheckpoint():
                    pass
                case _:
                    assert_never(record)
        return Analysis(tuple(sorted(active.items())), tuple(sorted(dirty.items())))

    @classmethod
    def redo(cls, log: Log, analysis: Analysis, pages: Table[int, Page]) -> tuple[Table[int, Page], tuple[int, ...]]:
        """Repeat history: apply every change that a page may lack and does lack. Returns the pages and the LSNs."""
        found, dirty, redone = dict(pages), dict(analysis.dirty_pages), []
        start = analysis.redo_lsn
        for lsn, record in log.items():
            if start is None or lsn < start or not isinstance(record, Update | Compensation):
                continue
            page = found[record.page]
            if lsn >= dirty.get(record.page, lsn + 1) and cls.lacks(page, lsn):
                found[record.page] = Page(record.change.apply(page.values), lsn)
                redone.append(lsn)
        return tuple(sorted(found.items())), tuple(redone)

    @classmethod
    def lacks(cls, page: Page, lsn: int) -> bool:
        """Tell whether the change of a record is not in the page yet."""
        return page.lsn < lsn

    @property
    def is_finishing(self) -> bool:
        """Whether transactions are to be undone or ended."""
        return any(line.status is not Status.RUNNING for _, line in self.transactions)

    def finish_step(self, log: Log) -> Turn:
        """Take back the latest change of all that are to be taken back; or end a transaction that is through.

        `log` needs only hold the records of the transactions that are aborting.
        """
        aborting = [(line.undo_next_lsn, name) for name, line in self.transactions if line.status is Status.ABORTING]
        through = [name for name, line in self.transactions if line.status is Status.COMMITTED]
        through += [name for undo_next_lsn, name in aborting if not undo_next_lsn]
        if through:
            return self.ended(through[0])
        undo_lsn, name = max(aborting)
        record = log[undo_lsn]
        line = self.active(name)
        match record:
            case Update():
                return self.undone(record, line)
            case Compensation():
                return self.active_at(name, record.undo_next_lsn), ()
            case Commit() | Abort() | End() | BeginCheckpoint() | EndCheckpoint():
                raise ValueError(f"`log` must hold a change of {name!r} at LSN {undo_lsn}, got {record!r}")
            case _:
                assert_never(record)

    def undone(self, record: Update, line: Active) -> Turn:
        """Take one change back, and append the compensation record that says so and what comes next."""
        lsn, inverse = self.next_lsn, record.change.inverse()
        written = Compensation(record.transaction, line.last_lsn, record.page, inverse, record.previous_lsn)
        line = replace(line, last_lsn=lsn, undo_next_lsn=record.previous_lsn)
        database = self.following(record.transaction, line).changed(record.page, inverse, lsn)
        return database, (Append(lsn, written),)

    def ended(self, transaction: str) -> Turn:
        """Forget a transaction, and say so in the log."""
        line, lsn = self.active(transaction), self.next_lsn
        database = replace(self, next_lsn=lsn + 1, transactions=without_entry(self.transactions, transaction))
        return database, (Append(lsn, End(transaction, line.last_lsn)),)

    # Help.

    def active(self, transaction: str) -> Active:
        """Return the line of a transaction that has not ended."""
        line = entry(self.transactions, transaction)
        if line is None:
            raise ValueError(f"`transaction` must be active, got {transaction!r}")
        return line

    def page(self, number: int) -> Page:
        """Return a page as it is in memory."""
        page = entry(self.pages, number)
        if page is None:
            raise ValueError(f"`page` must be one of {[known for known, _ in self.pages]}, got {number}")
        return page

    def following(self, transaction: str, line: Active) -> Self:
        """Return this database with one more record, which is that of `line`."""
        return replace(self, next_lsn=self.next_lsn + 1, transactions=with_entry(self.transactions, transaction, line))

    def active_at(self, transaction: str, undo_next_lsn: int) -> Self:
        """Return this database with another change to undo next."""
        line = replace(self.active(transaction), undo_next_lsn=undo_next_lsn)
        return replace(self, transactions=with_entry(self.transactions, transaction, line))

    def changed(self, number: int, change: Change, lsn: int) -> Self:
        """Return this database with a page changed by the record at `lsn`."""
        page = Page(change.apply(self.page(number).values), lsn)
        dirty = self.dirty_pages
        if entry(dirty, number) is None:
            dirty = with_entry(dirty, number, lsn)
        return replace(self, pages=with_entry(self.pages, number, page), dirty_pages=dirty)

    def forced(self) -> Self:
        """Return this database with all records on disk."""
        return replace(self, forced_lsn=self.next_lsn - 1)


@dataclass(frozen=True)
class Restart:
    """A database after analysis and redo, and how it got there."""

    database: Database
    analysis: Analysis
    redone: tuple[int, ...]

    def finish(self, log: Log) -> Turn:
        """Undo the losers and end all: returns the database, and what is to be appended and forced."""
        database, actions = self.database, tuple[Action, ...]()
        while database.is_finishing:
            database, more = database.finish_step(log)
            actions += more
        return database.forced(), (*actions, Force()) if actions else ()


# ----------------------------------------------------------------------------------------------------- the same, a node


@dataclass(frozen=True)
class Disk:
    """What a server makes durable: its log, its pages, and the LSN in its master record."""

    log: tuple[Record, ...]
    pages: Table[int, Page]
    master_lsn: int = 0

    @property
    def records(self) -> Log:
        """The log by LSN."""
        return dict(enumerate(self.log, start=1))

    def __str__(self) -> str:
        pages = ", ".join(f"page {number} {list(page.values)} at {page.lsn}" for number, page in self.pages)
        return f"{len(self.log)} records, {pages}"


@dataclass(frozen=True)
class Run:
    """Client to server: make these changes, (page, change) in order, all of them or none; commit, or take them back."""

    transaction: str
    changes: tuple[tuple[int, Change], ...]
    commit: bool = field(default=True, repr=False)

    def __str__(self) -> str:
        return f"run {self.transaction}"


@dataclass(frozen=True)
class Ended:
    """Server to client: the transaction is committed, or was taken back."""

    transaction: str
    committed: bool

    def __str__(self) -> str:
        return f"{self.transaction} {'committed' if self.committed else 'aborted'}"


@dataclass(frozen=True)
class Server(Node[Run, Disk]):
    """The database as a node: one-phase commit, with pages that are written and a crash that comes at any moment.

    A transaction's changes, the undoing of each change and the writing of each page are steps of their own, which other
    steps may come between.

    Parameters
    ----------
    disk
        What is on disk at first.
    database_class
        Which database; to put a broken one in.
    step_seconds, write_seconds, checkpoint_seconds
        How long it waits, as ranges, before each change, before it writes a dirty page, and before a checkpoint.
    checkpoints
        How many checkpoints it takes after each start.
    writes_pages
        Whether it writes pages at all, before it has to.
    """

    disk: Disk
    database_class: type[Database] = Database
    step_seconds: tuple[float, float] = (0.0, 0.0)
    write_seconds: tuple[float, float] = (0.05, 0.1)
    checkpoint_seconds: tuple[float, float] = (0.05, 0.1)
    checkpoints: int = 0
    writes_pages: bool = True
    database: Database | None = None
    log: tuple[Record, ...] = ()
    """All records, those that a crash may lose included."""
    work: Table[str, tuple[str, Run]] = ()
    """By transaction: who wants to know, and what is left to do of it."""

    def on_start(self, saved: Disk | None) -> Step[Self]:
        disk = saved or self.disk
        restart = self.database_class.restart(disk.records, disk.master_lsn, disk.pages)
        node = replace(self, disk=disk, database=restart.database, log=disk.log)
        effects: Effects = node.writes() if self.writes_pages else ()
        if self.checkpoints:
            effects += (SetTimer("checkpoint", self.checkpoint_seconds),)
        return (node, (*effects, SetTimer("finish", (0.0, 0.0)))) if restart.database.is_finishing else (node, effects)

    def on_message(self, source: str, message: Run) -> Step[Self]:
        """Take a transaction on; its first change waits until recovery is through."""
        node = replace(self, work=with_entry(self.work, message.transaction, (source, message)))
        if self.recovered.is_finishing:
            return node, ()
        return node, (SetTimer(("step", message.transaction), self.step_seconds),)

    def on_timer(self, name: str | tuple[str, str] | tuple[str, int]) -> Step[Self]:
        match name:
            case ("step", str(transaction)):
                return self.step(transaction)
            case ("write", int(number)):
                node, effects = self.carry_out(self.recovered.write_pages(number))
                node, more = node.carry_out(node.recovered.sync_pages())
                return node, effects + more
            case "finish":
                return self.finish()
            case "checkpoint":
                node, effects = self.carry_out(self.recovered.begin_checkpoint())
                return node, (*effects, SetTimer("end of checkpoint", (0.0, 0.0)))
            case "end of checkpoint":
                node, effects = self.carry_out(self.recovered.end_checkpoint())
                node = replace(node, checkpoints=self.checkpoints - 1)
                again = (SetTimer("checkpoint", self.checkpoint_seconds),) if node.checkpoints else ()
                return node, effects + again
        raise ValueError(f"`name` must be that of a timer of this node, got {name!r}")

    def step(self, transaction: str) -> Step[Self]:
        """Make the next change of a transaction, or commit it or take it back after the last."""
        source, run = self.wanted(transaction)
        if run.changes:
            (page, change), rest = run.changes[0], run.changes[1:]
            node, effects = self.carry_out(self.recovered.update(transaction, page, change))
            node = replace(node, work=with_entry(self.work, transaction, (source, replace(run, changes=rest))))
            if self.writes_pages and entry(self.recovered.dirty_pages, page) is None:
                effects += (SetTimer(("write", page), self.write_seconds),)
            return node, (*effects, SetTimer(("step", transaction), self.step_seconds))
        if run.commit:
            node, effects = self.carry_out(self.recovered.commit(transaction))
            return replace(node, work=without_entry(self.work, transaction)), effects
        node, effects = self.carry_out(self.recovered.abort(transaction))
        return node, (*effects, SetTimer("finish", (0.0, 0.0)))

    def finish(self) -> Step[Self]:
        """Take one change back, or end one transaction; when all is done, begin what has waited."""
        if not self.recovered.is_finishing:
            return self, ()
        before = self.recovered.dirty_pages
        node, effects = self.carry_out(self.recovered.finish_step(dict(enumerate(self.log, start=1))))
        for name, (source, run) in self.work:
            if not run.commit and self.is_active(name) and not node.is_active(name):
                node = replace(node, work=without_entry(node.work, name))
                effects += (Send(source, Ended(name, False)),)
        if self.writes_pages:
            fresh = [number for number, _ in node.recovered.dirty_pages if entry(before, number) is None]
            effects += tuple(SetTimer(("write", number), self.write_seconds) for number in fresh)
        if node.recovered.is_finishing:
            return node, (*effects, SetTimer("finish", (0.0, 0.0)))
        begun = tuple(SetTimer(("step", name), self.step_seconds) for name, _ in node.work if not node.is_active(name))
        return node, effects + begun

    @property
    def recovered(self) -> Database:
        """The database, which is there as soon as the node has started."""
        assert self.database is not None, "the node was not started"
        return self.database

    def is_active(self, transaction: str) -> bool:
        """Tell whether a transaction has begun and has not ended."""
        return entry(self.recovered.transactions, transaction) is not None

    def wanted(self, transaction: str) -> tuple[str, Run]:
        """Return who wants a transaction, and what is left of it."""
        wanted = entry(self.work, transaction)
        assert wanted is not None, f"nobody wants {transaction}"
        return wanted

    def writes(self) -> Effects:
        """Return a timer for each page that is to be written some time."""
        return tuple(SetTimer(("write", number), self.write_seconds) for number, _ in self.recovered.dirty_pages)

    def carry_out(self, turn: Turn) -> Step[Self]:
        """Turn what the database asks for into effects.

        A record that is appended is handed to the disk's cache: a crash may keep it or lose it. A page is on disk at
        once, with the log as far as it was forced.
        """
        database, actions = turn
        node = replace(self, database=database)
        effects: Effects = ()
        for action in actions:
            node, more = node.act(action)
            effects += more
        return node, effects

    def act(self, action: Action) -> Step[Self]:
        """Carry out one action."""
        match action:
            case Append(record=record):
                node = replace(self, log=(*self.log, record))
                return node, node.tail()
            case Force():
                node = replace(self, disk=replace(self.disk, log=self.log))
                return node, (Save(node.disk),)
            case WritePage(number=number, page=page):
                node = replace(self, disk=replace(self.disk, pages=with_entry(self.disk.pages, number, page)))
                return node, (Save(node.disk), *node.tail())
            case SyncPages():
                return self, ()
            case SetMaster(lsn=lsn):
                node = replace(self, disk=replace(self.disk, master_lsn=lsn))
                return node, (Save(node.disk), *node.tail())
            case Acknowledge(transaction=transaction):
                source, _ = self.wanted(transaction)
                return self, (Send(source, Ended(transaction, True)), SetTimer("finish", (0.0, 0.0)))
            case _:
                assert_never(action)

    def tail(self) -> Effects:
        """Hand records that are not forced to the disk's cache, if there are any."""
        if len(self.log) == len(self.disk.log):
            return ()
        return (Save(replace(self.disk, log=self.log), forced=False),)


@dataclass(frozen=True)
class Client(Node[Ended, None]):
    """Runs one transaction and waits for what becomes of it.

    Parameters
    ----------
    server
        Name of the server.
    run
        The transaction.
    patience_seconds
        How long it waits, as a range, before it gives up; None for ever.
    """

    server: str
    run: Run
    patience_seconds: tuple[float, float] | None = None
    open: bool = False

    def on_start(self, saved: None) -> Step[Self]:
        patience = () if self.patience_seconds is None else (SetTimer("patience", self.patience_seconds),)
        return replace(self, open=True), (Invoke(self.run), Send(self.server, self.run), *patience)

    def on_message(self, source: str, message: Ended) -> Step[Self]:
        if not self.open:
            return self, ()
        outcome = Outcome.OK if message.committed else Outcome.FAIL
        return replace(self, open=False), (Complete(None, outcome),)

    def on_timer(self, name: str) -> Step[Self]:
        if not self.open:
            return self, ()
        return replace(self, open=False), (Complete(None, Outcome.UNKNOWN),)


# --------------------------------------------------------------------------------------------------------- invariants


def winners(log: Log) -> tuple[str, ...]:
    """Return the transactions whose commit record is in the log, in the order of these records."""
    return tuple(record.transaction for record in log.values() if isinstance(record, Commit))


def without_loss(runs: Mapping[str, Run], log: Log, pages: Table[int, Page]) -> Table[int, tuple[int, ...]]:
    """Return what pages must hold: their first values, and the changes of the winners in the order of their commits.

    Knows nothing of recovery: it is what recovery is held against.
    """
    values = {number: page.values for number, page in pages}
    for name in winners(log):
        for number, change in runs[name].changes:
            values[number] = change.apply(values[number])
    return tuple(sorted(values.items()))


def recover(database_class: type[Database], disk: Disk) -> Table[int, tuple[int, ...]]:
    """Return what the pages hold after recovery from a disk."""
    database, _ = database_class.restart(disk.records, disk.master_lsn, disk.pages).finish(disk.records)
    return tuple((number, page.values) for number, page in database.pages)


def disks(world: World) -> Iterator[tuple[str, Disk]]:
    """Yield the forced contents of each server's disk, by name."""
    for name, saved in sorted(world.saved.items()):
        if isinstance(saved, Disk):
            yield name, saved


def durability(world: World) -> bool:
    """Whoever was told "committed" is committed on disk; needs a world with its history, and one server."""
    asked: dict[str, Run] = {}
    told: set[str] = set()
    for client, effect in world.history:
        if isinstance(effect, Invoke):
            assert isinstance(effect.operation, Run)
            asked[client] = effect.operation
        elif effect.outcome is Outcome.OK:
            told.add(asked[client].transaction)
    kept = {name for _, disk in disks(world) for name in winners(disk.records)}
    return told <= kept


def atomicity(first: Disk, database_class: type[Database] = Database) -> Callable[[World], bool]:
    """Return the predicate: were the power cut now, recovery would find the winners' changes and no others.

    Parameters
    ----------
    first
        What was on the disk in the beginning.
    database_class
        Which database recovers.
    """

    @cache
    def recovered(disk: Disk) -> Table[int, tuple[int, ...]]:
        return recover(database_class, disk)

    def holds(world: World) -> bool:
        runs = {
            effect.operation.transaction: effect.operation
            for _, effect in world.history
            if isinstance(effect, Invoke) and isinstance(effect.operation, Run)
        }
        return all(recovered(disk) == without_loss(runs, disk.records, first.pages) for _, disk in disks(world))

    return holds
