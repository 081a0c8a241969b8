"""A log on disk: records that were forced survive, in order and whole; what a crash tore is cut off, and nothing else.

Theory of operation
-------------------
A log is a folder of *segments*, files that only grow. Each is named by the LSN of its first record, so that a missing
one shows; LSNs count records, from 1. A record is a frame:

    checksum (4 bytes) · length (4) · LSN (8) · forced LSN (8) · payload

The checksum covers all that follows it. The *forced LSN* says how far the log was known to be on disk when the frame
was written.

:meth:`WriteAheadLog.append` only remembers a record. :meth:`WriteAheadLog.force` writes what was appended, calls
``fsync``, and returns when the record is on disk. A segment that is new is itself a name in a folder, which is as
volatile as the contents of a file: so the folder is synced, too, before anything in the segment counts as forced. Many
threads may force at once. One of them writes for all that have appended meanwhile, and the others wait for it: *group
commit*.

*Reading after a crash.* Frames are read until one fails. That is where the crash tore the log, or a disk has damaged
what it had promised to keep, and the frame alone does not say which. What comes after it may: a sound frame further on
whose forced LSN covers the bad one proves that the bad one had been on disk, so the log is damaged, and
:class:`LogCorrupted` says where. A sound frame further on that proves nothing was written in the same force, by a disk
that wrote its sectors out of order: nobody was told of it, and it is cut off. Where nothing follows, the question
stays open for the records of the last force. :meth:`WriteAheadLog.seal` closes it at the price of one more force, and
`at_least_lsn` does for whoever knows from elsewhere how far the log must reach, such as from a checkpoint.

*Before anything is appended* the torn rest is cut off, and the cut is synced. Without that, a sound frame that lay
behind the torn one could follow a new record, and rise from the dead at the next start. A segment is begun only when
all before it is on disk; so its name, too, says how far the log had come.

An ``fsync`` that fails is not repeated: the kernel may have dropped the pages and call the next one a success. The log
refuses to go on, and only a restart finds out what is on disk.

Sources: Mohan et al., *ARIES* (ACM TODS 17(1), 1992), section 3.1, for log and LSN; Gray and Reuter, *Transaction
Processing* (1993), chapter 9, for group commit; Alagappan et al., *Protocol-Aware Recovery for Consensus-Based Storage*
(FAST 2018), section 3.3, on telling a crash from a corruption; Rebello et al., *Can Applications Recover from fsync
Failures?* (USENIX ATC 2020).

Left out: preallocated segments, direct I/O, a checksum that could repair.

Examples
--------
>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     log = WriteAheadLog(folder)
...     first, second = log.append(b"one"), log.append(b"two")
...     log.force()
...     log.close()
...     WriteAheadLog(folder).found
((1, b'one'), (2, b'two'))
"""

from __future__ import annotations

import os
import struct
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from distlib.runtimes.storage import Files

__all__ = ["Frame", "LogCorrupted", "LogFiles", "Reading", "WriteAheadLog", "read_log"]

Checksum = Callable[[bytes], int]

_CHECKSUM = struct.Struct(">I")
_HEAD = struct.Struct(">IQQ")
FRAME_OVERHEAD_BYTES = _CHECKSUM.size + _HEAD.size
_PREFIX = "segment-"


class LogCorrupted(Exception):
    """The log has lost records that were on disk: going on without them would break promises."""


class LogFiles(Files):
    """The operations on files that a log is made of; a test puts a disk of its own in their place."""

    def make_folder(self, folder: Path) -> None:
        """Make a folder if it is not there; it is itself a name in a folder, and made durable there."""
        for each in (*reversed(folder.parents), folder):
            if not each.is_dir():
                each.mkdir()
                self.sync_folder(each.parent)

    def names(self, folder: Path) -> list[str]:
        """Return the names in a folder."""
        return sorted(path.name for path in folder.iterdir())

    def read(self, path: Path) -> bytes:
        """Return the contents of a file."""
        return path.read_bytes()

    def reopen(self, path: Path) -> int:
        """Open a file for writing at its end."""
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        """Cut a file off."""
        os.ftruncate(descriptor, size_bytes)

    def remove(self, path: Path) -> None:
        """Remove a name."""
        path.unlink()


# ------------------------------------------------------------------------------------------------------------ reading


@dataclass(frozen=True, slots=True)
class Frame:
    """A sound frame in a segment.

    Parameters
    ----------
    lsn, forced_lsn, payload
        What it says. A frame without payload is a seal: it repeats the LSN before it.
    start, end
        The bytes that it takes, within its segment.
    """

    lsn: int
    forced_lsn: int
    payload: bytes
    start: int
    end: int


@dataclass(frozen=True)
class Reading:
    """What was found in the segments of a log.

    Parameters
    ----------
    frames
        The sound frames in order, each with the name of its segment.
    next_lsn
        The LSN that comes after them.
    end
        Where they end: the name of a segment and a number of bytes; None if there is no segment.
    lost_bytes
        How many bytes lie behind that and are no part of the log.
    """

    frames: tuple[tuple[str, Frame], ...]
    next_lsn: int
    end: tuple[str, int] | None
    lost_bytes: int

    @property
    def records(self) -> tuple[tuple[int, bytes], ...]:
        """The records by LSN, without seals."""
        return tuple((frame.lsn, frame.payload) for _, frame in self.frames if frame.payload)


def read_log(
    segments: Sequence[tuple[str, bytes]],
    *,
    checksum: Checksum = zlib.crc32,
    marks: bool = True,
    at_least_lsn: int = 0,
) -> Reading:
    """Read the segments of a log up to where a crash tore it.

    Parameters
    ----------
    segments
        Their names and contents, in the order of the names.
    checksum
        Of the bytes of a frame, in 32 bits.
    marks
        Whether to look behind the first bad frame for one that says that it had been on disk. Without that, whatever
        fails ends the log, as in many systems.
    at_least_lsn
        How far the log must reach.

    Raises
    ------
    LogCorrupted
        If records are missing that were on disk.

    Examples
    --------
    >>> one, two = frame_bytes(1, 0, b"one"), frame_bytes(2, 1, b"two")
    >>> read_log([(segment_name(1), one + two[:-1])]).records
    ((1, b'one'),)
    >>> read_log([(segment_name(1), one[:-1] + b"!" + two)])
    Traceback (most recent call last):
        ...
    distlib.runtimes.write_ahead_log.LogCorrupted: the log is damaged in segment-00000000000000000001 after 0 bytes: \
record 1 cannot be read, though record 2 says that the log was on disk up to 1. Restore it from a copy; to cut it off \
would lose what was promised.
    """
    frames: list[tuple[str, Frame]] = []
    next_lsn = first_lsn(segments[0][0]) if segments else 1
    end: tuple[str, int] | None = None
    for name, contents in segments:
        if first_lsn(name) != next_lsn:
            break
        position = 0
        while (frame := _frame_at(contents, position, checksum)) is not None and _follows(frame, next_lsn):
            frames.append((name, frame))
            position = frame.end
            next_lsn = frame.lsn + 1
        end = (name, position)
        if position < len(contents):
            break
    rest = _rest(segments, end)
    if marks:
        for name, start, contents in rest:
            if first_lsn(name) > next_lsn:
                raise LogCorrupted(_complaint(end or (name, 0), next_lsn, name, first_lsn(name) - 1))
            for frame in _frames_anywhere(contents, start, next_lsn, checksum):
                if frame.forced_lsn >= next_lsn:
                    witness = f"record {frame.lsn}"
                    raise LogCorrupted(_complaint(end or (name, 0), next_lsn, witness, frame.forced_lsn))
    if next_lsn <= at_least_lsn:
        where = f"{end[0]} after {end[1]} bytes" if end else "a folder without segments"
        raise LogCorrupted(f"the log ends in {where} at record {next_lsn - 1}, but must reach record {at_least_lsn}")
    return Reading(tuple(frames), next_lsn, end, sum(len(contents) - start for _, start, contents in rest))


def frame_bytes(lsn: int, forced_lsn: int, payload: bytes, checksum: Checksum = zlib.crc32) -> bytes:
    """Return a frame as it is on disk."""
    body = _HEAD.pack(len(payload), lsn, forced_lsn) + payload
    return _CHECKSUM.pack(checksum(body)) + body


def segment_name(lsn: int) -> str:
    """Return the name of the segment whose first record is `lsn`."""
    return f"{_PREFIX}{lsn:020}"


def first_lsn(name: str) -> int:
    """Return the LSN of the first record of the segment of that name."""
    return int(name.removeprefix(_PREFIX))


def _follows(frame: Frame, next_lsn: int) -> bool:
    """Tell whether a sound frame is the next record, or a seal of the one before."""
    return frame.lsn == (next_lsn if frame.payload else next_lsn - 1)


def _frame_at(contents: bytes, start: int, checksum: Checksum) -> Frame | None:
    """Return the frame that begins there, if a sound one does."""
    body = start + _CHECKSUM.size
    if body + _HEAD.size > len(contents):
        return None
    size, lsn, forced_lsn = _HEAD.unpack_from(contents, body)
    end = body + _HEAD.size + size
    if end > len(contents) or _CHECKSUM.unpack_from(contents, start)[0] != checksum(contents[body:end]):
        return None
    return Frame(lsn, forced_lsn, contents[body + _HEAD.size : end], start, end)


def _frames_anywhere(contents: bytes, start: int, next_lsn: int, checksum: Checksum) -> Iterator[Frame]:
    """Yield sound frames that begin at any byte: behind a bad frame, lengths cannot be trusted."""
    position = start
    while position + FRAME_OVERHEAD_BYTES <= len(contents):
        lsn = _HEAD.unpack_from(contents, position + _CHECKSUM.size)[1]
        # Most places are ruled out by the LSN that would stand there, before anything is summed.
        frame = _frame_at(contents, position, checksum) if next_lsn <= lsn < next_lsn + 2**32 else None
        if frame is not None:
            yield frame
        position = frame.end if frame is not None else position + 1


def _rest(segments: Sequence[tuple[str, bytes]], end: tuple[str, int] | None) -> list[tuple[str, int, bytes]]:
    """Return what lies behind the end of the log: (segment, first byte, contents)."""
    if end is None:
        return []
    rest = [(name, end[1] if name == end[0] else 0, contents) for name, contents in segments if name >= end[0]]
    return [(name, start, contents) for name, start, contents in rest if name != end[0] or start < len(contents)]


def _complaint(end: tuple[str, int], lsn: int, witness: str, forced_lsn: int) -> str:
    return (
        f"the log is damaged in {end[0]} after {end[1]} bytes: record {lsn} cannot be read, though {witness} says that "
        f"the log was on disk up to {forced_lsn}. Restore it from a copy; to cut it off would lose what was promised."
    )


# ------------------------------------------------------------------------------------------------------------ writing


class WriteAheadLog:
    """A log in a folder of its own. One process at a time; many threads.

    Parameters
    ----------
    folder
        Created if it is not there.
    files
        How files are operated on.
    segment_bytes
        A segment that has grown beyond this gets a successor.
    checksum, at_least_lsn
        See :func:`read_log`.

    Attributes
    ----------
    found
        The records that were there when it was opened, by LSN.
    lost_bytes
        What was cut off then.
    force_count
        How many forces reached the disk since then.

    Raises
    ------
    LogCorrupted
        If records are missing that were on disk.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        files: LogFiles | None = None,
        *,
        segment_bytes: int = 1 << 24,
        checksum: Checksum = zlib.crc32,
        at_least_lsn: int = 0,
    ) -> None:
        if segment_bytes < 1:
            raise ValueError(f"`segment_bytes` must be at least 1, got {segment_bytes}")
        self.folder = Path(folder)
        self.segment_bytes = segment_bytes
        self.force_count = 0
        self._files = files or LogFiles()
        self._checksum = checksum
        self._condition = threading.Condition()
        self._appended: list[tuple[int, bytes]] = []
        self._forcing = False
        self._failure: BaseException | None = None
        self._descriptor: int | None = None
        self._size_bytes = 0
        self._files.make_folder(self.folder)
        segments = [(name, self._files.read(self.folder / name)) for name in self._names()]
        reading = read_log(segments, checksum=checksum, at_least_lsn=at_least_lsn)
        self.found, self.lost_bytes = reading.records, reading.lost_bytes
        self.next_lsn = reading.next_lsn
        self._cut_off(reading)
        self.forced_lsn = self.next_lsn - 1

    def append(self, payload: bytes) -> int:
        """Remember a record, and return its LSN. It is on disk after a force and not before.

        Raises
        ------
        ValueError
            If the payload is empty.
        """
        if not payload:
            raise ValueError("`payload` must be at least 1 byte long, got none")
        with self._condition:
            lsn = self.next_lsn
            self.next_lsn += 1
            self._appended.append((lsn, payload))
        return lsn

    def force(self, lsn: int | None = None) -> None:
        """Return when the log is on disk up to `lsn`; by default, up to the last record appended.

        Raises
        ------
        OSError
            If the system refuses; then nothing can be forced any more, and the log must be opened anew.
        """
        with self._condition:
            wanted = self.next_lsn - 1 if lsn is None else lsn
            if wanted >= self.next_lsn:
                raise ValueError(f"`lsn` must be that of a record, at most {self.next_lsn - 1}, got {wanted}")
            while self.forced_lsn < wanted:
                if self._forcing:
                    # Somebody writes already. What it writes may or may not hold our record: look again afterwards.
                    self._condition.wait()
                else:
                    self._force_for_all()

    def seal(self) -> None:
        """Force, and then put on disk that it was done, so that not even the last record can be lost unnoticed."""
        self.force()
        with self._condition:
            while self._forcing:
                self._condition.wait()
            if self.forced_lsn:
                self._write_while_others_append([(self.forced_lsn, b"")])

    def truncate_before(self, lsn: int) -> None:
        """Remove the segments that hold nothing but records before `lsn`."""
        with self._condition:
            names = self._names()
            gone = [name for name, following in pairwise(names) if first_lsn(following) <= lsn]
            for name in gone:
                self._files.remove(self.folder / name)
            if gone:
                self._files.sync_folder(self.folder)

    def close(self) -> None:
        """Let go of the file. What was not forced is gone."""
        if self._descriptor is not None:
            self._files.close(self._descriptor)
            self._descriptor = None

    # Help. All but the first hold the condition's lock, and give it away only while they wait for the disk.

    def _names(self) -> list[str]:
        return [name for name in self._files.names(self.folder) if name.startswith(_PREFIX)]

    def _cut_off(self, reading: Reading) -> None:
        """Remove what lies behind the end, and make the removal durable before anything is appended there."""
        kept = reading.end[0] if reading.end else ""
        behind = [name for name in self._names() if name > kept]
        for name in behind:
            self._files.remove(self.folder / name)
        if behind:
            self._files.sync_folder(self.folder)
        if reading.end is None:
            return
        self._descriptor = self._files.reopen(self.folder / kept)
        self._size_bytes = reading.end[1]
        self._files.truncate(self._descriptor, self._size_bytes)
        # What was read may so far be in the system's cache only: it counts as forced from here on.
        self._files.sync(self._descriptor)
        self._files.sync_folder(self.folder)

    def _force_for_all(self) -> None:
        """Write what all threads have appended so far."""
        batch, self._appended = self._appended, []
        self._write_while_others_append(batch)
        self.forced_lsn = batch[-1][0]
        self._condition.notify_all()

    def _write_while_others_append(self, batch: list[tuple[int, bytes]]) -> None:
        if self._failure is not None:
            raise OSError(f"the log in {self.folder} failed before and must be opened anew") from self._failure
        known, self._forcing = self.forced_lsn, True
        self._condition.release()
        try:
            self._write(batch, known)
        except BaseException as error:
            self._failure = error
            raise
        finally:
            self._condition.acquire()
            self._forcing = False
            self._condition.notify_all()
        self.force_count += 1

    def _write(self, batch: list[tuple[int, bytes]], forced_lsn: int) -> None:
        """Write frames, in a new segment if it is time for one, and wait for the disk."""
        data = b"".join(frame_bytes(lsn, forced_lsn, payload, self._checksum) for lsn, payload in batch)
        is_new = self._descriptor is None or (self._size_bytes >= self.segment_bytes and bool(batch[0][1]))
        if is_new:
            self.close()
            self._descriptor = self._files.create(self.folder / segment_name(batch[0][0]))
            self._size_bytes = 0
        assert self._descriptor is not None
        rest = memoryview(data)
        while rest:
            rest = rest[self._files.write(self._descriptor, rest) :]
        self._size_bytes += len(data)
        self._files.sync(self._descriptor)
        if is_new:
            self._files.sync_folder(self.folder)
