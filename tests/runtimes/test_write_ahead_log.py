"""The log on disk: what a crash leaves at every byte, how damage is told from it, and threads that force at once."""

import errno
import threading
from pathlib import Path

import pytest

from distlib.experiments.transactions.log_based import FOLDER, SimulatedDisk, bit_flips, commits
from distlib.runtimes.write_ahead_log import (
    LogCorrupted,
    LogFiles,
    WriteAheadLog,
    first_lsn,
    frame_bytes,
    read_log,
    segment_name,
)

RECORDS = (b"one", b"number two", b"3")
FIRST = segment_name(1)


def written(*payloads: bytes) -> bytes:
    """Return a segment of records, each forced by itself."""
    return b"".join(frame_bytes(lsn, lsn - 1, payload) for lsn, payload in enumerate(payloads, start=1))


# ---------------------------------------------------------------------------------------------------------- real files


def test_what_was_forced_is_there_after_reopening_and_what_was_only_appended_is_not(tmp_path: Path) -> None:
    log = WriteAheadLog(tmp_path / "log")
    assert [log.append(payload) for payload in RECORDS[:2]] == [1, 2]
    log.force()
    log.append(RECORDS[2])
    log.close()
    again = WriteAheadLog(tmp_path / "log")
    assert again.found == ((1, RECORDS[0]), (2, RECORDS[1]))
    assert (again.next_lsn, again.forced_lsn, again.lost_bytes) == (3, 2, 0)


def test_a_log_cut_off_at_any_byte_keeps_the_whole_records_before_it_and_goes_on(tmp_path: Path) -> None:
    whole = written(*RECORDS)
    ends = [len(written(*RECORDS[:count])) for count in range(4)]
    for size in range(len(whole) + 1):
        folder = tmp_path / str(size)
        folder.mkdir()
        (folder / FIRST).write_bytes(whole[:size])
        log = WriteAheadLog(folder)
        kept = sum(end <= size for end in ends) - 1
        assert [payload for _, payload in log.found] == list(RECORDS[:kept]), size
        assert log.lost_bytes == size - ends[kept]
        assert log.append(b"next") == kept + 1
        log.force()
        log.close()
        assert [payload for _, payload in WriteAheadLog(folder).found] == [*RECORDS[:kept], b"next"]


def test_segments_are_named_by_their_first_record_and_old_ones_can_go(tmp_path: Path) -> None:
    log = WriteAheadLog(tmp_path, segment_bytes=1)
    for payload in RECORDS:
        log.force(log.append(payload))
    assert [first_lsn(path.name) for path in sorted(tmp_path.iterdir())] == [1, 2, 3]
    log.truncate_before(3)
    log.close()
    assert [path.name for path in tmp_path.iterdir()] == [segment_name(3)]
    assert WriteAheadLog(tmp_path).found == ((3, RECORDS[2]),)


def test_threads_that_force_at_once_share_writes_and_lose_nothing(tmp_path: Path) -> None:
    log = WriteAheadLog(tmp_path)
    ready = threading.Barrier(6)

    def commit(name: int) -> None:
        ready.wait(timeout=10)
        for turn in range(10):
            log.force(log.append(f"{name}.{turn}".encode()))

    threads = [threading.Thread(target=commit, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    log.close()
    found = [payload.decode() for _, payload in WriteAheadLog(tmp_path).found]
    assert sorted(found) == sorted(f"{name}.{turn}" for name in range(6) for turn in range(10))
    assert log.force_count < 60
    for name in range(6):
        assert [each for each in found if each.startswith(f"{name}.")] == [f"{name}.{turn}" for turn in range(10)]


class BadDisk(LogFiles):
    """Its first sync fails, and the ones after it say that all is well: as a kernel may that has dropped the pages."""

    def __init__(self) -> None:
        self.syncs = 0

    def sync(self, descriptor: int) -> None:
        self.syncs += 1
        if self.syncs == 1:
            raise OSError(errno.EIO, "no")


def test_a_sync_that_failed_is_not_tried_again(tmp_path: Path) -> None:
    log = WriteAheadLog(tmp_path, BadDisk())
    log.append(b"one")
    with pytest.raises(OSError, match="no"):
        log.force()
    log.append(b"two")
    with pytest.raises(OSError, match="failed before and must be opened anew"):
        log.force()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda log: log.append(b""), "`payload` must be at least 1 byte long, got none"),
        (lambda log: log.force(5), "`lsn` must be that of a record, at most 0, got 5"),
    ],
)
def test_what_makes_no_sense_is_refused(call: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        call(WriteAheadLog(tmp_path))


def test_a_segment_of_no_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`segment_bytes` must be at least 1, got 0"):
        WriteAheadLog(tmp_path, segment_bytes=0)


# ---------------------------------------------------------------------------------------------------------- a bad disk


@pytest.mark.parametrize("segment_bytes", [1, 60, 1 << 20])
def test_whatever_a_disk_that_forgets_leaves_all_that_was_forced_is_in_it(segment_bytes: int) -> None:
    disk, forced, images = SimulatedDisk(sector_bytes=16), 0, set()

    def look() -> None:
        images.update((image, forced) for image in disk.images())

    disk.on_operation = look
    log = WriteAheadLog(FOLDER, disk, segment_bytes=segment_bytes)
    for place, payload in enumerate(RECORDS * 2):
        log.append(payload)
        if place % 2:
            log.force()
            forced = place + 1
            look()
    assert len(images) > 100
    for image, least in images:
        found = [payload for _, payload in read_log(image).records]
        assert found == list((RECORDS * 2)[: len(found)])
        assert len(found) >= least


def test_a_frame_that_lay_behind_a_torn_one_does_not_rise_again() -> None:
    one, two, three = (frame_bytes(lsn, 0, payload) for lsn, payload in enumerate(RECORDS, start=1))
    torn = one + bytes(len(two)) + three
    disk = SimulatedDisk([(FIRST, torn)])
    log = WriteAheadLog(FOLDER, disk)
    assert log.found == ((1, RECORDS[0]),)
    log.append(RECORDS[1])
    log.force()
    contents = disk.files[FIRST].contents
    assert [payload for _, payload in read_log([(FIRST, contents)]).records] == list(RECORDS[:2])


# -------------------------------------------------------------------------------------------------------- damage, marks


def test_every_flipped_bit_is_noticed_and_a_log_that_stops_there_loses_what_was_confirmed() -> None:
    plain = bit_flips(commits(4), marks=False)
    assert set(plain) == {"lost"}
    assert plain.total() == 2464


def test_marks_leave_only_the_last_force_open_and_a_seal_closes_that() -> None:
    marked, sealed = bit_flips(commits(4)), bit_flips(commits(4, seals=True))
    assert marked == {"refused": 1848, "lost": 616}
    assert sealed == {"refused": 2464, "harmless": 192}


def test_without_a_checksum_most_flips_change_what_a_record_says() -> None:
    def none(frame: bytes) -> int:
        return 0

    found = bit_flips(commits(4, checksum=none), marks=False, checksum=none)
    assert found["wrong"] > found.total() / 2


def test_a_segment_that_is_missing_is_damage() -> None:
    later = frame_bytes(3, 2, b"3")
    with pytest.raises(LogCorrupted, match="record 2 cannot be read"):
        read_log([(FIRST, frame_bytes(1, 0, b"one")), (segment_name(3), later)])


def test_who_knows_how_far_the_log_must_reach_can_say_so() -> None:
    assert read_log([(FIRST, written(b"one"))], at_least_lsn=1).next_lsn == 2
    with pytest.raises(LogCorrupted, match="at record 1, but must reach record 2"):
        read_log([(FIRST, written(b"one"))], at_least_lsn=2)
    with pytest.raises(LogCorrupted, match="a folder without segments"):
        read_log([], at_least_lsn=1)
