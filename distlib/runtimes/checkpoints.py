"""Checkpoints of a long computation in a folder: the latest that is whole comes back, whatever happened to the others.

Theory of operation
-------------------
Each checkpoint is written by :class:`~distlib.runtimes.storage.Storage`: under a temporary name, forced, renamed, the
folder forced, with a checksum over all of it. That alone survives every crash, as long as the disk keeps what was
forced.

Here two of them take turns, in a folder each: checkpoint n goes where n - 2 was. So a file that is damaged *after* it
was written (a disk that lied, a copy that was cut off, a person) costs one interval and not the work: the checksum
tells, and the one before is used. That is right for a checkpoint and wrong for a vote. What was computed after the
older checkpoint is computed again, with the same result; a promise that was made after the older state is broken.

Source: for the steps of a save see :mod:`distlib.runtimes.storage`; for the difference between state that can be
computed again and state that was promised, Alagappan et al., *Protocol-Aware Recovery for Consensus-Based Storage*
(FAST 2018).

Examples
--------
>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     checkpoints = Checkpoints(folder)
...     before = checkpoints.load()
...     checkpoints.save(1, b"after one step")
...     checkpoints.save(2, b"after two steps")
...     before, Checkpoints(folder).load()
(None, (2, b'after two steps'))
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from distlib.runtimes.storage import Files, Storage, StorageError

__all__ = ["Checkpoints"]

_NUMBER = struct.Struct(">Q")


class Checkpoints:
    """Keeps the latest two states of a computation. Not for two writers at a time.

    Parameters
    ----------
    folder
        Created if it is not there.
    files
        How files are operated on.
    """

    def __init__(self, folder: str | os.PathLike[str], files: Files | None = None) -> None:
        self.folder = Path(folder)
        self.storages = tuple(Storage(self.folder / name, files) for name in ("even", "odd"))

    def save(self, number: int, state: bytes) -> None:
        """Keep a state, and return when it is on disk.

        Parameters
        ----------
        number
            Counts checkpoints: one more than that of the one before.
        state
            Everything that the computation needs to go on.

        Raises
        ------
        ValueError
            If the number is negative.
        OSError
            If the system refuses a step; then the two checkpoints before are still there.
        """
        if number < 0:
            raise ValueError(f"`number` must be at least 0, got {number}")
        self.storages[number % 2].save(_NUMBER.pack(number) + state)

    def load(self) -> tuple[int, bytes] | None:
        """Return the latest checkpoint that is whole, with its number; None if none was ever complete.

        Raises
        ------
        StorageError
            If there are checkpoints, and not one of them is whole.
        """
        found: list[tuple[int, bytes]] = []
        errors: list[StorageError] = []
        for storage in self.storages:
            try:
                data = storage.load()
            except StorageError as error:
                errors.append(error)
                continue
            if data is not None:
                found.append((_NUMBER.unpack(data[: _NUMBER.size])[0], data[_NUMBER.size :]))
        if not found and errors:
            raise errors[0]
        return max(found, default=None)
