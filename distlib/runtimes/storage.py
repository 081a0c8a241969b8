"""One durable value in a folder: after a crash at any point it is the old one or the new one, whole.

Theory of operation
-------------------
:meth:`Storage.save` returns when the value is on disk, and :meth:`Storage.load` gives it back after a crash. POSIX
promises little of what one would like: a write reaches the disk in any order and in pieces, and a new name in a folder
is as volatile as the contents of a file. Hence five steps, none of which can be left out:

1. write the value under a *temporary* name, so that the old one stays whole;
2. ``fsync`` that file: the contents are on disk **before** any name points to them;
3. close it;
4. ``rename`` it over the old one: whoever opens the name finds one or the other, never a mixture;
5. ``fsync`` the *folder*: the new name is on disk. Only now may anything be said that rests on it.

A crash before 4 leaves the temporary file behind, torn or whole: nobody was told of it, so it is ignored, and
overwritten by the next save. A crash between 4 and 5 leaves either name: both are right, since nobody was told.

Each file begins with a magic number, the version of this format, the length of the value and a checksum of all that.
No crash leaves a bad file under the value's own name, as long as the disk keeps what ``fsync`` promised. So a file that
fails its check is a fault of the disk, and :class:`StorageError` says so. To start without a value instead would
break every promise that the node ever made: a consensus protocol whose members forget their votes loses data.

An ``fsync`` that fails is not repeated: the kernel may have dropped the pages and call the next one a success. The
error goes up and stops the node, with the old value on disk.

Left out: macOS, where ``fsync`` stops at the drive's cache (``F_FULLFSYNC`` goes further); Windows, which cannot
``fsync`` a folder.

Sources: Pillai et al., *All File Systems Are Not Created Equal* (OSDI 2014), sections 3 and 4, for what a crash leaves;
Rebello et al., *Can Applications Recover from fsync Failures?* (USENIX ATC 2020), for step 2 when it fails; Alagappan
et al., *Protocol-Aware Recovery for Consensus-Based Storage* (FAST 2018), for what a corrupt file must not become.

Examples
--------
>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     storage = Storage(folder)
...     before = storage.load()
...     storage.save(b"promised")
...     before, Storage(folder).load()
(None, b'promised')
"""

from __future__ import annotations

import os
import struct
from hashlib import blake2b
from pathlib import Path

__all__ = ["Files", "Storage", "StorageError"]

MAGIC = b"DSbS"
VERSION = 1
_HEADER = struct.Struct(">4sBQ")
_CHECKSUM_SIZE_BYTES = 16


class StorageError(Exception):
    """The durable value cannot be trusted."""


class Files:
    """The operations on files that a save is made of, one method each, so that a test can crash between any two."""

    def create(self, path: Path) -> int:
        """Open an empty file for writing and return its descriptor."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)

    def write(self, descriptor: int, data: memoryview) -> int:
        """Write as much as the system takes, and return how many bytes that were."""
        return os.write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        """Return when the contents are on disk."""
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """Give the descriptor back."""
        os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Let `target` name what `source` names, at once."""
        os.replace(source, target)

    def sync_folder(self, path: Path) -> None:
        """Return when the names in a folder are on disk."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class Storage:
    """Keeps one value durable in a folder of its own. Not for two writers at a time.

    Parameters
    ----------
    folder
        Created if it is not there.
    files
        How files are operated on.
    """

    def __init__(self, folder: str | os.PathLike[str], files: Files | None = None) -> None:
        self.folder = Path(folder)
        self.path = self.folder / "value"
        self.temporary_path = self.folder / "value.new"
        self._files = files or Files()
        for folder in (*reversed(self.folder.parents), self.folder):
            if not folder.is_dir():
                folder.mkdir()
                # A folder is itself a name in a folder, and as volatile.
                self._files.sync_folder(folder.parent)

    def save(self, value: bytes) -> None:
        """Replace the durable value, and return when that is on disk.

        Raises
        ------
        OSError
            If the system refuses a step. Then the old value stays, unless the rename was made and only the last step
            failed; a node must not go on as if either were certain.
        """
        header = _HEADER.pack(MAGIC, VERSION, len(value))
        rest = memoryview(header + _checksum(header, value) + value)
        descriptor = self._files.create(self.temporary_path)
        try:
            while rest:
                rest = rest[self._files.write(descriptor, rest) :]
            self._files.sync(descriptor)
        finally:
            self._files.close(descriptor)
        self._files.rename(self.temporary_path, self.path)
        self._files.sync_folder(self.folder)

    def load(self) -> bytes | None:
        """Return the durable value, or None if none was ever saved.

        Raises
        ------
        StorageError
            If the file is not what a save wrote.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return None
        start = _HEADER.size + _CHECKSUM_SIZE_BYTES
        if len(data) < start:
            raise StorageError(self._complaint(f"it ends within its header, after {len(data)} of {start} bytes"))
        header, checksum, value = data[: _HEADER.size], data[_HEADER.size : start], data[start:]
        magic, version, size_bytes = _HEADER.unpack(header)
        if magic != MAGIC:
            raise StorageError(self._complaint(f"it must begin with {MAGIC!r}, got {magic!r}"))
        if version != VERSION:
            raise StorageError(self._complaint(f"its version must be {VERSION}, got {version}"))
        if size_bytes != len(value):
            raise StorageError(self._complaint(f"its header announces {size_bytes} bytes, got {len(value)}"))
        if checksum != _checksum(header, value):
            raise StorageError(self._complaint("its checksum does not match its contents"))
        return value

    def _complaint(self, what: str) -> str:
        return (
            f"{self.path} cannot be trusted: {what}. A crash does not do this, a failing disk or another program does. "
            "The node must not start without what it promised: restore the file, or let it join as a new member."
        )


def _checksum(header: bytes, value: bytes) -> bytes:
    return blake2b(header + value, digest_size=_CHECKSUM_SIZE_BYTES).digest()
