"""A database and its log on the bench: a disk that forgets, every crash, every torn record, every flipped bit; redo.

:class:`SimulatedDisk` stands in for the files of a log. It knows what was synced, and says what a crash may leave of
the rest. :class:`Machine` carries out on it, or on real files, what a database asks for.
"""

from __future__ import annotations

import itertools
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeAlias, assert_never

import numpy as np

from distlib.broken.transactions.log_based import (
    AcknowledgesBeforeForce,
    CompensatesNothing,
    ForgetsDirtyPages,
    IgnoresPageLsn,
    StealsBeforeLog,
    TakesTablesAtTheBeginning,
    UndoesInPlace,
)
from distlib.models.latency import Constant, Exponential
from distlib.models.transactions.log_based import zipf_update_rates
from distlib.node import Node, Table, World, with_entry
from distlib.protocols.transactions.log_based import (
    Acknowledge,
    Action,
    Add,
    Append,
    BeginCheckpoint,
    Change,
    Client,
    Database,
    Disk,
    EndCheckpoint,
    Force,
    Page,
    Record,
    Run,
    Server,
    SetMaster,
    SyncPages,
    Turn,
    Update,
    Write,
    WritePage,
    atomicity,
    decode,
    durability,
    encode,
    winners,
    without_loss,
)
from distlib.runtimes.faults import Fault, Link, Network
from distlib.runtimes.simulation import Run as SimulationRun
from distlib.runtimes.simulation import simulate
from distlib.runtimes.storage import Storage
from distlib.runtimes.trace import Kind, Trace
from distlib.runtimes.write_ahead_log import LogCorrupted, LogFiles, WriteAheadLog, read_log

__all__ = [
    "FIRST_PAGES",
    "INSTANCES",
    "MISTAKES",
    "Image",
    "Machine",
    "Moment",
    "Pages",
    "SimulatedDisk",
    "Trial",
    "bit_flips",
    "briefly",
    "claims",
    "commit_latencies",
    "commits",
    "crash_everywhere",
    "instance",
    "log_table",
    "measure_prefixes",
    "moments",
    "redo_counts",
    "restart_at",
    "run_instance",
    "script",
    "script_runs",
    "state_label",
]

Image: TypeAlias = tuple[tuple[tuple[str, bytes], ...], Table[int, Page], int]
"""What is on disk: the log's segments by name, the pages, and the LSN in the master record."""

FOLDER = Path("/log")
FIRST_PAGES: Table[int, Page] = tuple((number, Page((100, 0))) for number in (1, 2, 3))
"""A page each for Alice, Bob and Carol: a balance of 100, and a limit of 0."""

# -------------------------------------------------------------------------------------------------- a disk that forgets


@dataclass
class _File:
    """What programs read, and what the last sync put on disk."""

    contents: bytes = b""
    synced: bytes = b""


class SimulatedDisk(LogFiles):
    """A folder in memory whose files and names reach the disk when they are synced, and otherwise perhaps.

    A crash may leave any number of the bytes that were appended since the last sync, or all of them except some
    sectors, which read as zeros: disks write sectors in any order. It may leave new names or not, as one.

    Parameters
    ----------
    files
        What is there at first, on disk.
    sector_bytes
        The size of what a disk writes at once.
    """

    def __init__(self, files: Iterable[tuple[str, bytes]] = (), *, sector_bytes: int = 64) -> None:
        self.files = {name: _File(contents, contents) for name, contents in files}
        self.synced_files = dict(self.files)
        self.sector_bytes = sector_bytes
        self.open: dict[int, _File] = {}
        self.on_operation: Callable[[], None] = lambda: None
        """Called after each operation that changes something."""
        self._descriptors = itertools.count(3).__next__

    def make_folder(self, folder: Path) -> None:
        """Do nothing: the folder is there."""

    def names(self, folder: Path) -> list[str]:
        return sorted(self.files)

    def read(self, path: Path) -> bytes:
        return self.files[path.name].contents

    def create(self, path: Path) -> int:
        self.files[path.name] = _File()
        return self._open(path)

    def reopen(self, path: Path) -> int:
        return self._open(path)

    def _open(self, path: Path) -> int:
        descriptor = self._descriptors()
        self.open[descriptor] = self.files[path.name]
        return descriptor

    def write(self, descriptor: int, data: memoryview) -> int:
        self.open[descriptor].contents += bytes(data)
        self.on_operation()
        return len(data)

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        file = self.open[descriptor]
        file.contents = file.contents[:size_bytes]
        self.on_operation()

    def sync(self, descriptor: int) -> None:
        self.open[descriptor].synced = self.open[descriptor].contents
        self.on_operation()

    def close(self, descriptor: int) -> None:
        del self.open[descriptor]

    def remove(self, path: Path) -> None:
        del self.files[path.name]
        self.on_operation()

    def sync_folder(self, path: Path) -> None:
        self.synced_files = dict(self.files)
        self.on_operation()

    def images(self) -> Iterator[tuple[tuple[str, bytes], ...]]:
        """Return every folder that a crash may leave now."""
        for files in (self.files, self.synced_files):
            choices = [[(name, left) for left in self.after_crash(file)] for name, file in sorted(files.items())]
            yield from itertools.product(*choices)
            if files == self.synced_files:
                return

    def after_crash(self, file: _File) -> Iterator[bytes]:
        """Return everything that a crash may leave of a file."""
        if not file.contents.startswith(file.synced):
            yield from (file.synced, file.contents)
            return
        known, size = len(file.synced), len(file.contents)
        yield from (file.contents[:cut] for cut in range(known, size + 1))
        for start in range(known - known % self.sector_bytes, size, self.sector_bytes):
            first, last = max(start, known), min(start + self.sector_bytes, size)
            if last > first:
                yield file.contents[:first] + bytes(last - first) + file.contents[last:]


class Pages:
    """Pages on a disk that writes each whole or not at all, in any order; and a master record that is always whole."""

    def __init__(self, pages: Table[int, Page] = FIRST_PAGES, master_lsn: int = 0) -> None:
        self.synced = pages
        self.master_lsn = master_lsn
        self.written: list[tuple[int, Page]] = []
        self.on_operation: Callable[[], None] = lambda: None

    def write(self, number: int, page: Page) -> None:
        """Hand a page to the disk."""
        self.written.append((number, page))
        self.on_operation()

    def sync(self) -> None:
        """Wait until all that were written are on disk."""
        for number, page in self.written:
            self.synced = with_entry(self.synced, number, page)
        self.written.clear()
        self.on_operation()

    def set_master(self, lsn: int) -> None:
        """Let the master record name a checkpoint."""
        self.master_lsn = lsn
        self.on_operation()

    def images(self) -> Iterator[Table[int, Page]]:
        """Return everything that a crash may leave now: of each page, the last that was synced or any written since."""
        choices = [
            [(number, page), *((number, later) for written, later in self.written if written == number)]
            for number, page in self.synced
        ]
        yield from itertools.product(*choices)


class PageFolder(Pages):
    """The same on real files, one for each page."""

    def __init__(self, folder: Path, pages: Table[int, Page] = FIRST_PAGES) -> None:
        self.folder = folder
        found = tuple((number, self._load(f"page-{number}", page)) for number, page in pages)
        master = self._store("master").load()
        super().__init__(found, int(master) if master is not None else 0)

    def sync(self) -> None:
        for number, page in self.written:
            numbers = " ".join(map(str, (page.lsn, *page.values)))
            self._store(f"page-{number}").save(numbers.encode())
        super().sync()

    def set_master(self, lsn: int) -> None:
        self._store("master").save(str(lsn).encode())
        super().set_master(lsn)

    def _store(self, name: str) -> Storage:
        return Storage(self.folder / name)

    def _load(self, name: str, page: Page) -> Page:
        saved = self._store(name).load()
        if saved is None:
            return page
        lsn, *values = map(int, saved.split())
        return Page(tuple(values), lsn)


class EndlessRecovery(Exception):
    """Recovery has taken more steps than it can need: a record leads it in a circle."""


_MOST_STEPS = 200


class Machine:
    """A database on a disk: starts from what is there, and carries out what the database asks for.

    Parameters
    ----------
    files, folder
        Where its log is.
    pages
        Where its pages are.
    database_class
        Which database.
    checksum
        Of the log.
    """

    def __init__(
        self,
        files: LogFiles,
        pages: Pages,
        *,
        folder: Path = FOLDER,
        database_class: type[Database] = Database,
        checksum: Callable[[bytes], int] = zlib.crc32,
        segment_bytes: int = 1 << 20,
    ) -> None:
        self.files, self.pages = files, pages
        self.log_file = WriteAheadLog(folder, files, checksum=checksum, segment_bytes=segment_bytes)
        self.log: dict[int, Record] = {lsn: decode(payload) for lsn, payload in self.log_file.found}
        self.restart = database_class.restart(self.log, pages.master_lsn, pages.synced)
        self.database = self.restart.database
        self.acknowledged: set[str] = set()
        self.on_acknowledge: Callable[[], None] = lambda: None

    def do(self, turn: Turn) -> None:
        """Go on to the next database, and carry out its actions in order."""
        self.database, actions = turn
        for action in actions:
            self.act(action)

    def act(self, action: Action) -> None:
        """Carry out one action."""
        match action:
            case Append(lsn=lsn, record=record):
                assert self.log_file.append(encode(record)) == lsn, "the database counts LSNs as its log does"
                self.log[lsn] = record
            case Force():
                self.log_file.force()
            case WritePage(number=number, page=page):
                self.pages.write(number, page)
            case SyncPages():
                self.pages.sync()
            case SetMaster(lsn=lsn):
                self.pages.set_master(lsn)
            case Acknowledge(transaction=transaction):
                self.acknowledged.add(transaction)
                self.on_acknowledge()
            case _:
                assert_never(action)

    @property
    def disk_files(self) -> Mapping[str, _File]:
        """The files of a simulated disk."""
        assert isinstance(self.files, SimulatedDisk)
        return self.files.files

    def finish(self, *, writes_pages: bool = False) -> None:
        """Undo and end all that is to be undone and ended.

        Parameters
        ----------
        writes_pages
            Whether to write all dirty pages after each step, as early as the rules allow.
        """
        for _ in range(_MOST_STEPS):
            if not self.database.is_finishing:
                break
            self.do(self.database.finish_step(self.log))
            if writes_pages:
                self.write_dirty_pages()
        else:
            raise EndlessRecovery(f"recovery must end within {_MOST_STEPS} steps, and still has transactions to undo")
        self.log_file.force()
        self.database = self.database.forced()

    def write_dirty_pages(self) -> None:
        """Write and sync all dirty pages."""
        self.do(self.database.write_pages(*(number for number, _ in self.database.dirty_pages)))
        self.do(self.database.sync_pages())

    @property
    def values(self) -> Table[int, tuple[int, ...]]:
        """What the pages hold."""
        return tuple((number, page.values) for number, page in self.database.pages)


# ------------------------------------------------------------------------------------------------------ crash anywhere

ScriptStep: TypeAlias = Callable[[Machine], None]


def _changes(transaction: str, page: int, change: Change) -> ScriptStep:
    return lambda machine: machine.do(machine.database.update(transaction, page, change))


def _then(step: Callable[[Database], Turn]) -> ScriptStep:
    return lambda machine: machine.do(step(machine.database))


def _finishes(machine: Machine) -> None:
    while machine.database.is_finishing:
        machine.do(machine.database.finish_step(machine.log))


_SCRIPT: tuple[tuple[str, ScriptStep], ...] = (
    ("t1 takes 30 from Alice", _changes("t1", 1, Add(0, -30))),
    ("t2 takes 20 from Alice", _changes("t2", 1, Add(0, -20))),
    ("t1 gives 30 to Bob", _changes("t1", 2, Add(0, 30))),
    ("page 1 is written", _then(lambda database: database.write_pages(1))),
    ("a checkpoint begins", _then(lambda database: database.begin_checkpoint())),
    ("t1 commits", _then(lambda database: database.commit("t1"))),
    ("t1 ends", _finishes),
    ("the checkpoint ends", _then(lambda database: database.end_checkpoint())),
    ("t3 takes 10 from Bob", _changes("t3", 2, Add(0, -10))),
    ("t3 gives 10 to Carol", _changes("t3", 3, Add(0, 10))),
    ("pages 2 and 3 are written", _then(lambda database: database.write_pages(2, 3))),
    ("the pages are synced", _then(lambda database: database.sync_pages())),
    ("t3 aborts", _then(lambda database: database.abort("t3"))),
    ("t3 is undone", _finishes),
    ("t4 sets Alice's limit", _changes("t4", 1, Write(1, 0, 9))),
    ("t4 commits", _then(lambda database: database.commit("t4"))),
    ("t2 gives 20 to Carol", _changes("t2", 3, Add(0, 20))),
    ("page 3 is written", _then(lambda database: database.write_pages(3))),
)


def script() -> tuple[tuple[str, ScriptStep], ...]:
    """Return the steps of a short life: t1 and t4 commit, t3 takes its transfer back, t2 is still active in the end.

    Pages are written in the midst of it, with changes of those that will lose; a checkpoint falls around a commit.
    """
    return _SCRIPT


def script_runs() -> dict[str, Run]:
    """Return what each transaction of :func:`script` changes, from its steps alone."""
    changes: dict[str, list[tuple[int, Change]]] = {}
    machine = Machine(SimulatedDisk(), Pages())
    for _, step in _SCRIPT:
        step(machine)
    for record in machine.log.values():
        if isinstance(record, Update):
            changes.setdefault(record.transaction, []).append((record.page, record.change))
    return {name: Run(name, tuple(made)) for name, made in changes.items()}


@dataclass(frozen=True)
class Moment:
    """What is on disk at one moment of :func:`script`, if the last write was cut short after some bytes.

    Every page that was handed to the disk is on it: the disk is as eager as it may be.

    Parameters
    ----------
    step
        What was going on.
    log
        The log's bytes, those of the last write included.
    synced_bytes
        How many of them are certain to be on disk.
    pages, master_lsn
        The pages and the master record.
    acknowledged
        Who has been told.
    """

    step: str
    log: bytes
    synced_bytes: int
    pages: Table[int, Page]
    master_lsn: int
    acknowledged: frozenset[str]

    def image(self, size_bytes: int) -> Image:
        """Return what is on disk if only so many bytes of the log are."""
        return ((("segment-00000000000000000001", self.log[:size_bytes]),), self.pages, self.master_lsn)


def moments() -> list[Moment]:
    """Return the moments of :func:`script`, one after each operation of the disk."""
    disk, pages = SimulatedDisk(), Pages()
    found: list[Moment] = []
    going_on = ""

    def watch() -> None:
        file = next(iter(disk.files.values()), _File())
        image = pages.synced
        for number, page in pages.written:
            image = with_entry(image, number, page)
        told = frozenset(machine.acknowledged)
        found.append(Moment(going_on, file.contents, len(file.synced), image, pages.master_lsn, told))

    machine = Machine(disk, pages)
    disk.on_operation = pages.on_operation = machine.on_acknowledge = watch
    for name, step in _SCRIPT:
        going_on = name
        step(machine)
    return found


def restart_at(image: Image, **options: Any) -> Machine:
    """Return a machine that has started from what a crash left, after analysis and redo."""
    files, pages, master_lsn = image
    return Machine(SimulatedDisk(files), Pages(pages, master_lsn), **options)


@dataclass
class Trial:
    """What came of crashing everywhere.

    Parameters
    ----------
    images
        How many different contents of the disk a crash may leave, crashes during recovery included.
    recoveries
        How many recoveries were run.
    torn
        How many of the images end in something that is no record.
    longest_log
        The most records that a log has, after any number of interrupted recoveries.
    faults
        What went wrong, with how often. "Wrong pages" do not hold the changes that were committed, and these alone.
    """

    images: int = 0
    recoveries: int = 0
    torn: int = 0
    longest_log: int = 0
    faults: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        wrong = [f"{fault}: {count:,}" for fault, count in sorted(self.faults.items())]
        return "\n".join(
            [
                f"{self.images:,} disks after a crash, {self.torn:,} of them with a torn end",
                f"{self.recoveries:,} recoveries, the longest log has {self.longest_log} records",
                *(wrong or ["nothing lost, nothing left over"]),
            ]
        )


def crash_everywhere(
    *,
    database_class: type[Database] = Database,
    checksum: Callable[[bytes], int] = zlib.crc32,
    segment_bytes: int = 1 << 20,
    sector_bytes: int = 64,
    during_recovery: bool = True,
    stop_at_fault: bool = False,
) -> Trial:
    """Crash :func:`script` at every point and in every way, and recover; crash recovery at every point; and so on.

    A crash may come after every operation of the disk. It leaves any number of bytes of what was not synced, and any
    choice of the pages that were not. Recovery is tried twice, once writing every page as soon as it may, once writing
    none; what a crash leaves of it is recovered in turn, until no new contents of the disk turn up. Every disk that a
    crash of the script may leave is recovered. Of those that crashes of recoveries leave, one is taken of those that
    differ in the torn end of the log alone.

    Parameters
    ----------
    database_class, checksum
        To put a mistake in.
    segment_bytes, sector_bytes
        Of the log and its disk.
    during_recovery
        Whether recoveries crash, too.
    stop_at_fault
        Whether to stop at the first fault.
    """
    return _Crashes(database_class, checksum, segment_bytes, sector_bytes, during_recovery).run(stop_at_fault)


_LONGEST_LOG = 30
"""Recovery of the script needs no more than twenty records. A log that grows beyond this is not followed further."""

_Found: TypeAlias = tuple[Image, frozenset[str]]
"""What a crash may leave, and who had been told by then."""


class _Crashes:
    """The work of :func:`crash_everywhere`."""

    def __init__(
        self,
        database_class: type[Database],
        checksum: Callable[[bytes], int],
        segment_bytes: int,
        sector_bytes: int,
        during_recovery: bool,
    ) -> None:
        self.options: dict[str, Any] = {
            "database_class": database_class, "checksum": checksum, "segment_bytes": segment_bytes
        }  # fmt: skip
        self.sector_bytes, self.during_recovery = sector_bytes, during_recovery
        self.trial, self.runs = Trial(), script_runs()
        self.seen: set[_Found] = set()
        self.kinds: set[Any] = set()
        self.waiting: list[_Found] = []
        self.records = cache(partial(_records, checksum=checksum))

    def run(self, stop_at_fault: bool) -> Trial:
        disk, pages = SimulatedDisk(sector_bytes=self.sector_bytes), Pages()
        machine = Machine(disk, pages, **self.options)
        self.watch(machine, disk, pages, frozenset(), every=True)
        for _, step in _SCRIPT:
            step(machine)
        while self.waiting and not (stop_at_fault and self.trial.faults):
            image, told = self.waiting.pop()
            for writes_pages in (False, True) if self.during_recovery else (False,):
                try:
                    self.recover(image, told, writes_pages)
                except (LogCorrupted, EndlessRecovery, ValueError, KeyError) as error:
                    self.trial.faults[f"recovery fails: {type(error).__name__}"] += 1
        self.trial.images = len({image for image, _ in self.seen})
        return self.trial

    def watch(
        self, machine: Machine, disk: SimulatedDisk, pages: Pages, told: frozenset[str], *, every: bool = False
    ) -> None:
        """Note what a crash may leave, now and after each operation."""

        def look() -> None:
            heard = told | machine.acknowledged
            for files in disk.images():
                for kept in pages.images():
                    found = ((files, kept, pages.master_lsn), heard)
                    if found not in self.seen:
                        self.seen.add(found)
                        self.add(found, every)

        disk.on_operation = pages.on_operation = machine.on_acknowledge = look
        look()

    def add(self, found: _Found, every: bool) -> None:
        """Let a disk be recovered: any that the script leaves, and the first of its kind."""
        (files, kept, master_lsn), told = found
        kind = ((self.records(files), kept, master_lsn), told)
        if every or kind not in self.kinds:
            self.waiting.append(found)
        self.kinds.add(kind)

    def recover(self, image: Image, told: frozenset[str], writes_pages: bool) -> None:
        """Recover from an image, and count what is wrong."""
        trial, (files, kept, master_lsn) = self.trial, image
        disk, pages = SimulatedDisk(files, sector_bytes=self.sector_bytes), Pages(kept, master_lsn)
        machine = Machine(disk, pages, **self.options)
        if len(machine.log) > _LONGEST_LOG:
            trial.faults["the log grows with every recovery"] += 1
        elif self.during_recovery:
            self.watch(machine, disk, pages, told)
        if writes_pages:
            machine.write_dirty_pages()
        machine.finish(writes_pages=writes_pages)
        trial.recoveries += 1
        trial.torn += machine.log_file.lost_bytes > 0 and not writes_pages
        trial.longest_log = max(trial.longest_log, len(machine.log))
        if not told <= set(winners(machine.log)):
            trial.faults["a committed transaction is lost"] += 1
        elif machine.values != without_loss(self.runs, machine.log, FIRST_PAGES):
            trial.faults["wrong pages"] += 1
        left = tuple((name, file.contents) for name, file in sorted(disk.files.items()))
        again = restart_at((left, pages.synced, pages.master_lsn), **self.options)
        again.finish()
        if again.values != machine.values:
            trial.faults["a second recovery ends otherwise"] += 1
        if tuple((name, file.contents) for name, file in sorted(again.disk_files.items())) != left:
            trial.faults["a second recovery writes to the log"] += 1


def _records(files: tuple[tuple[str, bytes], ...], checksum: Callable[[bytes], int]) -> tuple[Any, ...]:
    """Return what a log says, without its torn end."""
    try:
        return read_log(files, checksum=checksum).records
    except LogCorrupted:
        return files


def measure_prefixes(folder: Path, sizes: Iterable[int]) -> tuple[int, int]:
    """Recover :func:`script` on real files from a log that ends after each of these sizes.

    Each time the log, the pages and the master record are written to a folder of their own, a machine starts from
    them, undoes the losers, and starts once more. Returns how many recoveries there were, and how many went wrong.
    """
    found, runs = moments(), script_runs()
    tried = wrong = 0
    for size_bytes in sizes:
        for place, moment in enumerate(found):
            if not moment.synced_bytes <= size_bytes <= len(moment.log):
                continue
            home = folder / f"{size_bytes}-{place}"
            ((name, contents),), pages, master_lsn = moment.image(size_bytes)
            (home / "log").mkdir(parents=True)
            (home / "log" / name).write_bytes(contents)
            disk = PageFolder(home)
            disk.written = list(pages)
            disk.sync()
            disk.set_master(master_lsn)
            machine = Machine(LogFiles(), PageFolder(home), folder=home / "log")
            machine.finish(writes_pages=True)
            machine.log_file.close()
            again = Machine(LogFiles(), PageFolder(home), folder=home / "log")
            again.log_file.close()
            whole = without_loss(runs, again.log, FIRST_PAGES)
            kept = moment.acknowledged <= set(winners(again.log))
            tried += 1
            wrong += not (kept and machine.values == again.values == whole and not again.database.is_finishing)
            break
    return tried, wrong


# -------------------------------------------------------------------------------------------------------- flipped bits


def commits(count: int, *, seals: bool = False, checksum: Callable[[bytes], int] = zlib.crc32) -> SimulatedDisk:
    """Return the disk of a log on which so many transactions were committed, one after another, and acknowledged."""
    disk = SimulatedDisk()
    machine = Machine(disk, Pages(), checksum=checksum)
    for number in range(1, count + 1):
        machine.do(machine.database.update(f"t{number}", 1 + number % 3, Add(0, number)))
        machine.do(machine.database.commit(f"t{number}"))
    if seals:
        machine.log_file.seal()
    return disk


def bit_flips(
    disk: SimulatedDisk, *, marks: bool = True, checksum: Callable[[bytes], int] = zlib.crc32
) -> Counter[str]:
    """Flip each bit of a log by itself, read it, and count what comes of it.

    Parameters
    ----------
    disk
        On which every transaction in the log was acknowledged.
    marks, checksum
        See :func:`~distlib.runtimes.write_ahead_log.read_log`.

    Returns
    -------
    Counter
        "refused": the log says that it is damaged. "lost": it is read without a word, and a committed transaction is
        missing. "wrong": it is read without a word, and a record says something else. "harmless": nothing is missing.
    """
    ((name, file),) = disk.files.items()
    whole = {lsn: decode(payload) for lsn, payload in read_log([(name, file.contents)]).records}
    verdicts: Counter[str] = Counter()
    for bit in range(8 * len(file.contents)):
        flipped = bytearray(file.contents)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            records = read_log([(name, bytes(flipped))], marks=marks, checksum=checksum).records
            found = {lsn: decode(payload) for lsn, payload in records}
        except (LogCorrupted, ValueError):
            verdicts["refused"] += 1
            continue
        if any(record != whole.get(lsn) for lsn, record in found.items()):
            verdicts["wrong"] += 1
        elif set(winners(found)) < set(winners(whole)):
            verdicts["lost"] += 1
        else:
            verdicts["harmless"] += 1
    return verdicts


# -------------------------------------------------------------------------------------- every order of a small instance

INSTANCES: dict[str, dict[str, Any]] = {
    "one commits": {"runs": (Run("a", ((1, Add(0, -3)), (2, Add(0, 3)))),), "page_count": 2},
    "one aborts": {"runs": (Run("a", ((1, Add(0, 1)), (1, Add(0, 2))), commit=False),)},
    "with a checkpoint": {"runs": (Run("a", ((1, Add(0, 1)),)),), "checkpoints": 1},
    "one slot, one aborts": {"runs": (Run("a", ((1, Add(0, 1)),)), Run("b", ((1, Add(0, 10)),), commit=False))},
}
"""Small instances, for :func:`instance`."""

MISTAKES: dict[str, type[Database]] = {
    "tells before it forces": AcknowledgesBeforeForce,
    "writes a page before its log": StealsBeforeLog,
    "redoes without page LSN": IgnoresPageLsn,
    "forgets the dirty pages": ForgetsDirtyPages,
    "takes tables too early": TakesTablesAtTheBeginning,
    "undoes without a record": UndoesInPlace,
    "forgets what it has undone": CompensatesNothing,
}
"""The broken databases by what they do."""


def instance(
    name: str, *, database_class: type[Database] = Database, patience_seconds: tuple[float, float] | None = None
) -> dict[str, Node[Any, Any]]:
    """Return a server and its clients, one for each transaction of an instance."""
    given = INSTANCES[name]
    nodes: dict[str, Node[Any, Any]] = {
        "server": Server(first_disk(name), database_class, checkpoints=given.get("checkpoints", 0))
    }
    for run in given["runs"]:
        nodes[f"client {run.transaction}"] = Client("server", run, patience_seconds)
    return nodes


def first_disk(name: str) -> Disk:
    """Return what is on the server's disk at first, in an instance."""
    count = INSTANCES[name].get("page_count", 1)
    return Disk((), tuple((number, Page((10, 0))) for number in range(1, count + 1)))


def claims(name: str, database_class: type[Database] = Database) -> dict[str, Callable[[World], bool]]:
    """Return what must hold in every state of an instance."""
    return {"atomicity": atomicity(first_disk(name), database_class), "durability": durability}


def run_instance(name: str, *, seed: int, faults: Sequence[Fault] = (), until_seconds: float = 1.0) -> SimulationRun:
    """Simulate an instance with exponential legs of 1 ms and a force of 2 ms; changes are 3 ms apart.

    Dirty pages are written 1 ms after their first change, before their transaction has ended.
    """
    nodes = instance(name, patience_seconds=(0.5, 0.5))
    server = nodes["server"]
    assert isinstance(server, Server)
    nodes["server"] = replace(server, step_seconds=(0.003, 0.003), write_seconds=(0.001, 0.001))
    return simulate(
        nodes,
        seed=seed,
        network=Network(Link(Exponential(0.001))),
        save_latency={"server": Constant(0.002)},
        faults=faults,
        until_seconds=until_seconds,
    )


def briefly(message: Any) -> str:
    """Return what a figure writes on a message."""
    return str(message)


def state_label(node: Node[Any, Any]) -> tuple[str, str] | None:
    """Return what a figure writes on the lane of a server: its pages in memory, and whether its log is on disk."""
    if isinstance(node, Server) and node.database is not None:
        held = ", ".join(str(page.values[0]) for _, page in node.database.pages)
        return held, "wait" if len(node.log) > len(node.disk.log) else "calm"
    return None


def commit_latencies(trace: Trace) -> list[float]:
    """Return the seconds from each client's beginning to its answer."""
    begun = {event.node: event.time_seconds for event in trace.of(Kind.INVOKE)}
    return [event.time_seconds - begun[event.node] for event in trace.of(Kind.COMPLETE)]


# --------------------------------------------------------------------------------------------------------------- redo


def redo_counts(
    seed: int, *, page_count: int, updates_per_second: float, interval_seconds: float, exponent: float = 0.0
) -> tuple[int, int]:
    """Crash at a random moment after a checkpoint that left all pages clean; return the records and pages redone.

    Parameters
    ----------
    seed
        For the moment, the number of changes, and the pages that they hit.
    page_count, updates_per_second, interval_seconds
        D, u and τ.
    exponent
        Of the Zipf law by which pages are hit; 0 if all are equally hot.
    """
    generator = np.random.default_rng(seed)
    age = generator.uniform(0.0, interval_seconds)
    rates = zipf_update_rates(page_count, exponent, updates_per_second)
    hits = generator.choice(page_count, size=int(generator.poisson(updates_per_second * age)), p=rates / rates.sum())
    log: dict[int, Record] = {1: BeginCheckpoint(), 2: EndCheckpoint((), ())}
    for lsn, page in enumerate(hits.tolist(), start=3):
        log[lsn] = Update("t", lsn - 1, page, Add(0, 1))
    pages: Table[int, Page] = tuple((number, Page((0,))) for number in range(page_count))
    restart = Database.restart(log, 1, pages)
    changed = sum(page.lsn > 0 for _, page in restart.database.pages)
    return len(restart.redone), changed


def log_table(machine: Machine) -> str:
    """Return the log of a machine, a record a line."""
    return "\n".join(f"{lsn:3}  {record}" for lsn, record in machine.log.items())
