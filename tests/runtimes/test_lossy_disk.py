"""The model of a disk: what was forced stays, and of all else any part may."""

from __future__ import annotations

from pathlib import Path

import pytest

from distlib.runtimes.lossy_disk import LossyDisk, PowerFailure

VALUE, OTHER = Path("value"), Path("other")


def left(disk: LossyDisk) -> list[dict[str, bytes]]:
    return list(disk.after_power_failure())


def test_what_was_not_forced_may_be_there_in_part_or_not_at_all() -> None:
    disk = LossyDisk()
    disk.write(disk.create(VALUE), memoryview(b"ab"))
    assert disk.after_kill() == {"value": b"ab"}
    expected = [{"value": b""}, {"value": b"a"}, {"value": b"ab"}, {"value": b"\0\0"}, {}]
    assert left(disk) == expected


def test_a_forced_file_under_a_name_that_was_not_forced_may_have_no_name() -> None:
    disk = LossyDisk()
    file = disk.create(VALUE)
    disk.write(file, memoryview(b"ab"))
    disk.sync(file)
    assert left(disk) == [{"value": b"ab"}, {}]
    disk.sync_folder(Path())
    assert left(disk) == [{"value": b"ab"}]


def test_a_rename_that_was_not_forced_may_be_undone() -> None:
    disk = LossyDisk()
    disk.write(disk.create(VALUE), memoryview(b"old"))
    disk.settle()
    file = disk.create(OTHER)
    disk.write(file, memoryview(b"new"))
    disk.sync(file)
    disk.rename(OTHER, VALUE)
    assert {"value": b"new"} in left(disk)
    assert {each["value"] for each in left(disk)} == {b"old", b"new"}


def test_after_so_many_operations_the_power_fails_and_nothing_more_happens() -> None:
    disk = LossyDisk(piece_bytes=1)
    disk.operations_to_live = 2
    file = disk.create(VALUE)
    assert disk.write(file, memoryview(b"ab")) == 1
    with pytest.raises(PowerFailure):
        disk.write(file, memoryview(b"b"))
    disk.close(file)
    assert disk.operations == ["create", "write"]
    assert disk.after_kill() == {"value": b"a"}
