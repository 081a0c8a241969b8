r"""A model of a disk that loses what was not forced: everything that a power failure may leave of a folder.

Theory of operation
-------------------
A process that is killed loses its memory; what it has written is in the memory of the operating system and reaches
the disk later. So no ``kill -9`` shows that an ``fsync`` is missing. A power failure does: it takes the system's
memory, too.

The model keeps apart what programs see and what is forced. Contents of a file that were not forced may be there up to
any byte, or have their length and hold zeros. Names in a folder that were not forced may be there or not, each by
itself. After a crash at a chosen operation, :meth:`LossyDisk.after_power_failure` goes through all folders
that may be left; :meth:`LossyDisk.after_kill` is the one that a killed process leaves.

Source: Pillai et al., *All File Systems Are Not Created Equal: On the Complexity of Crafting Crash-Consistent
Applications* (OSDI 2014), section 3. Left out: overwriting in place that persists out of order, blocks of a file that
persist in another order than they were written, and more than one folder.

Examples
--------
>>> disk = LossyDisk()
>>> file = disk.create(Path("value"))
>>> disk.write(file, memoryview(b"ab"))
2
>>> [left.get("value") for left in disk.after_power_failure()]
[b'', b'a', b'ab', b'\x00\x00', None]
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from distlib.runtimes.storage import Files

__all__ = ["LossyDisk", "PowerFailure"]


class PowerFailure(Exception):
    """The operation that was to come did not happen, and nothing after it."""


@dataclass
class _File:
    """A file: what programs read, and what the last force put on disk."""

    contents: bytes = b""
    forced: bytes = b""

    def left(self) -> Iterator[bytes]:
        """Go through all that may be on disk."""
        if self.contents == self.forced:
            yield self.forced
            return
        for size_bytes in range(len(self.contents) + 1):
            yield self.contents[:size_bytes]
        yield bytes(len(self.contents))


class LossyDisk(Files):
    """One folder on a disk that loses what was not forced.

    Parameters
    ----------
    piece_bytes
        How much one write takes.
    """

    def __init__(self, piece_bytes: int = 20) -> None:
        self.piece_bytes = piece_bytes
        self.operations: list[str] = []
        """What was done, in order."""
        self.operations_to_live: int | None = None
        """How many more operations there will be; None: no failure comes."""
        self._names: dict[str, _File] = {}
        self._forced_names: dict[str, _File] = {}
        self._descriptors: dict[int, _File] = {}

    def _operate(self, name: str) -> None:
        if self.operations_to_live == 0:
            raise PowerFailure(name)
        if self.operations_to_live is not None:
            self.operations_to_live -= 1
        self.operations.append(name)

    def create(self, path: Path) -> int:
        self._operate("create")
        descriptor = len(self.operations)
        self._names[path.name] = self._descriptors[descriptor] = _File()
        return descriptor

    def write(self, descriptor: int, data: memoryview) -> int:
        self._operate("write")
        piece = bytes(data[: self.piece_bytes])
        self._descriptors[descriptor].contents += piece
        return len(piece)

    def sync(self, descriptor: int) -> None:
        self._operate("fsync")
        file = self._descriptors[descriptor]
        file.forced = file.contents

    def close(self, descriptor: int) -> None:
        # A process that has crashed closes nothing, and needs not.
        if self.operations_to_live != 0:
            self._operate("close")
        self._descriptors.pop(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        self._operate("rename")
        self._names[target.name] = self._names.pop(source.name)

    def sync_folder(self, path: Path) -> None:
        self._operate("fsync the folder")
        self._forced_names = dict(self._names)

    def settle(self) -> None:
        """Let everything reach the disk by itself, as it does after a while."""
        for file in self._names.values():
            file.forced = file.contents
        self._forced_names = dict(self._names)

    def after_kill(self) -> dict[str, bytes]:
        """Return what a killed process leaves: all that it wrote."""
        return {name: file.contents for name, file in self._names.items()}

    def after_power_failure(self) -> Iterator[dict[str, bytes]]:
        """Go through every folder that a power failure may leave."""
        choices = []
        for name in sorted({*self._names, *self._forced_names}):
            now, forced = self._names.get(name), self._forced_names.get(name)
            left: list[tuple[str, bytes] | None] = []
            for file in (now,) if now is forced else (now, forced):
                left += [None] if file is None else [(name, contents) for contents in file.left()]
            choices.append(left)
        for folder in itertools.product(*choices):
            yield dict(each for each in folder if each is not None)
