"""What a crash leaves of a save, tried at every point on a model of a disk, and on files."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from distlib.runtimes.storage import Files, Storage, StorageError

OLD, NEW = b"old", b"the new"


class Crash(Exception):
    pass


@dataclass
class File:
    """A file of the model: what programs read, and what the last sync put on disk."""

    contents: bytes = b""
    synced: bytes = b""

    def after_crash(self) -> Iterator[bytes]:
        """Everything that may be on disk: the unsynced bytes up to any point, or their length without them."""
        if self.contents == self.synced:
            yield self.synced
            return
        for size_bytes in range(len(self.contents) + 1):
            yield self.contents[:size_bytes]
        yield bytes(len(self.contents))


class Disk(Files):
    """A folder whose files and names reach the disk when they are synced, and otherwise perhaps.

    The model of Pillai et al. (OSDI 2014), section 3, for one folder: names may persist or not until the folder is
    synced, contents may persist in part until the file is.
    """

    def __init__(self) -> None:
        self.names: dict[str, File] = {}
        self.synced_names: dict[str, File] = {}
        self.descriptors: dict[int, File] = {}
        self.operations_to_live = -1
        self.operations: list[str] = []

    def operate(self, name: str) -> None:
        if self.operations_to_live == 0:
            raise Crash
        self.operations_to_live -= 1
        self.operations.append(name)

    def create(self, path: Path) -> int:
        self.operate("create")
        # To truncate a file of that name is to begin another one: what was synced before was torn or given up.
        descriptor = len(self.operations)
        self.names[path.name] = self.descriptors[descriptor] = File()
        return descriptor

    def write(self, descriptor: int, data: memoryview) -> int:
        self.operate("write")
        piece = bytes(data[:20])
        self.descriptors[descriptor].contents += piece
        return len(piece)

    def sync(self, descriptor: int) -> None:
        self.operate("sync")
        self.descriptors[descriptor].synced = self.descriptors[descriptor].contents

    def close(self, descriptor: int) -> None:
        if self.operations_to_live != 0:  # A process that has crashed closes nothing, and needs not.
            self.operate("close")
        self.descriptors.pop(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        self.operate("rename")
        self.names[target.name] = self.names.pop(source.name)

    def sync_folder(self, path: Path) -> None:
        self.operate("sync folder")
        self.synced_names = dict(self.names)

    def after_crash(self) -> Iterator[dict[str, bytes]]:
        """Every folder that may be on disk after a crash now."""
        for names in (self.names, self.synced_names):
            choices = [[(name, contents) for contents in file.after_crash()] for name, file in names.items()]
            yield from map(dict, itertools.product(*choices))


class NeverSyncsTheFile(Disk):
    def sync(self, descriptor: int) -> None:
        self.operate("sync")


class NeverSyncsTheFolder(Disk):
    def sync_folder(self, path: Path) -> None:
        self.operate("sync folder")


class WritesInPlace(Disk):
    def create(self, path: Path) -> int:
        return super().create(path.with_name("value"))

    def rename(self, source: Path, target: Path) -> None:
        self.operate("rename")


def recovered(folder: Path, files: dict[str, bytes]) -> bytes | type[StorageError] | None:
    """Return what a node finds after a crash that left these files."""
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for name, contents in files.items():
        (folder / name).write_bytes(contents)
    try:
        return Storage(folder).load()
    except StorageError:
        return StorageError


def outcomes(kind: type[Disk], folder: Path, before: bytes | None) -> Iterator[tuple[bool, bytes | type | None]]:
    """Crash at every point of a save; yield whether it had returned, and what may be found then."""
    returned = False
    for operations in itertools.count():
        disk = kind()
        storage = Storage(folder, disk)
        if before is not None:
            storage.save(before)
        disk.operations_to_live = operations
        try:
            storage.save(NEW)
            returned = True
        except Crash:
            pass
        for files in disk.after_crash():
            yield returned, recovered(folder, files)
        if returned:
            return


@pytest.mark.parametrize("before", [None, OLD])
def test_a_crash_at_any_point_leaves_the_old_value_or_the_new(tmp_path: Path, before: bytes | None) -> None:
    found = set(outcomes(Disk, tmp_path / "a", before))
    # Both before it has returned, so that neither half of the claim holds in vain; the new one alone afterwards.
    assert found == {(False, before), (False, NEW), (True, NEW)}


@pytest.mark.parametrize(
    ("kind", "symptom"),
    [
        (NeverSyncsTheFile, (True, StorageError)),
        (NeverSyncsTheFolder, (True, None)),
        (WritesInPlace, (False, StorageError)),
    ],
)
def test_a_save_without_one_of_its_steps_is_caught(
    tmp_path: Path, kind: type[Disk], symptom: tuple[bool, type | None]
) -> None:
    assert symptom in outcomes(kind, tmp_path / "a", OLD)


class CrashesOnRealFiles(Files):
    """Crashes before the n-th operation, on the files of this machine."""

    def __init__(self, operations: int) -> None:
        self.operations = operations

    def operate(self) -> None:
        if self.operations == 0:
            raise Crash
        self.operations -= 1

    def create(self, path: Path) -> int:
        self.operate()
        return super().create(path)

    def write(self, descriptor: int, data: memoryview) -> int:
        self.operate()
        return super().write(descriptor, data[:20])

    def sync(self, descriptor: int) -> None:
        self.operate()
        super().sync(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        self.operate()
        super().rename(source, target)

    def sync_folder(self, path: Path) -> None:
        self.operate()
        super().sync_folder(path)


def test_a_killed_save_leaves_whole_files_and_the_next_save_goes_through(tmp_path: Path) -> None:
    Storage(tmp_path).save(OLD)
    found = []
    for operations in range(100):
        try:
            Storage(tmp_path, CrashesOnRealFiles(operations)).save(NEW)
            break
        except Crash:
            found.append(Storage(tmp_path).load())
        Storage(tmp_path).save(OLD)
    assert found == [OLD] * (len(found) - 1) + [NEW]  # Between the rename and its sync, the new one shows.
    assert Storage(tmp_path).load() == NEW


def test_a_torn_temporary_file_is_ignored_and_overwritten(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.save(NEW)
    whole = storage.path.read_bytes()
    storage.save(OLD)
    for size_bytes in range(len(whole) + 1):
        storage.temporary_path.write_bytes(whole[:size_bytes])
        assert Storage(tmp_path).load() == OLD
    storage.save(NEW)
    assert storage.load() == NEW
    assert not storage.temporary_path.exists()


def test_a_value_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.save(NEW)
    whole = storage.path.read_bytes()
    for size_bytes in range(len(whole)):
        storage.path.write_bytes(whole[:size_bytes])
        with pytest.raises(StorageError, match="cannot be trusted"):
            storage.load()
    storage.path.write_bytes(whole + b"\0")
    with pytest.raises(StorageError, match=f"announces {len(NEW)} bytes, got {len(NEW) + 1}"):
        storage.load()


def test_a_value_of_which_one_bit_flipped_is_refused(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.save(NEW)
    whole = storage.path.read_bytes()
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        storage.path.write_bytes(bytes(flipped))
        with pytest.raises(StorageError, match="cannot be trusted"):
            storage.load()


def test_a_value_of_another_version_is_refused(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.save(NEW)
    whole = bytearray(storage.path.read_bytes())
    whole[4] = 2
    storage.path.write_bytes(bytes(whole))
    with pytest.raises(StorageError, match="its version must be 1, got 2"):
        storage.load()


class FullDisk(Files):
    def sync(self, descriptor: int) -> None:
        self.descriptor = descriptor
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_sync_that_fails_leaves_the_old_value_and_no_open_file(tmp_path: Path) -> None:
    Storage(tmp_path).save(OLD)
    disk = FullDisk()
    with pytest.raises(OSError, match="No space left"):
        Storage(tmp_path, disk).save(NEW)
    assert Storage(tmp_path).load() == OLD
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(disk.descriptor)


def test_an_empty_value_is_a_value(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    assert storage.load() is None
    storage.save(b"")
    assert storage.load() == b""


def test_a_new_folder_is_itself_made_durable(tmp_path: Path) -> None:
    class Watched(Files):
        synced: list[Path] = []  # noqa: RUF012 # one list for this class is what is wanted

        def sync_folder(self, path: Path) -> None:
            self.synced.append(path)
            super().sync_folder(path)

    Storage(tmp_path / "a" / "b", Watched())
    assert Watched.synced == [tmp_path, tmp_path / "a"]
