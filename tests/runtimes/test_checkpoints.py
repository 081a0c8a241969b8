"""Checkpoints in a folder: the latest that is whole comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from distlib.runtimes.checkpoints import Checkpoints
from distlib.runtimes.storage import StorageError


def test_a_number_below_0_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`number` must be at least 0, got -1"):
        Checkpoints(tmp_path).save(-1, b"")


def test_the_latest_comes_back(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.load() is None
    for number in range(5):
        checkpoints.save(number, bytes([number]))
        assert Checkpoints(tmp_path).load() == (number, bytes([number]))


def test_if_the_latest_is_damaged_the_one_before_comes_back(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, b"one")
    checkpoints.save(2, b"two")
    checkpoints.storages[0].path.write_bytes(b"torn")
    assert checkpoints.load() == (1, b"one")


def test_if_all_are_damaged_it_says_so_and_does_not_begin_anew(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, b"one")
    checkpoints.storages[1].path.write_bytes(b"torn")
    with pytest.raises(StorageError, match="cannot be trusted"):
        checkpoints.load()
