"""The built book, made before the first test that asks for it if a page, an extension or a setting is newer."""

from __future__ import annotations

import fcntl
import subprocess
from pathlib import Path

import pytest

from tests.repository import ROOT


@pytest.fixture(scope="session")
def book() -> Path:
    """Return the folder of the built pages."""
    folder = ROOT / "build"
    folder.mkdir(exist_ok=True)
    # Test processes that run side by side build it once: the second waits, and finds nothing left to do.
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = subprocess.run(["make", "book"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert made.returncode == 0, f"the book does not build:\n{made.stdout[-4000:]}\n{made.stderr[-4000:]}"
    return folder / "_build" / "html"
