"""Remove the folders of a Python that is gone.

    python -m distlib.systems.sweeper

Theory of operation
-------------------
The sweeper reads the paths of folders from its standard input, one a line. When the input ends, the process that wrote
them is gone, however it went: a notebook's kernel is killed as a rule, and does nothing any more. Then the folders are
removed. Servers that still write to them are being ended by their keepers, so it tries again until nothing is left.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time

__all__ = ["main", "remove"]

_PAUSE_SECONDS = 0.1


def remove(folders: list[str], timeout_seconds: float = 30.0) -> list[str]:
    """Remove folders with all that is in them, and return those that are still there after the time given.

    Examples
    --------
    >>> import tempfile
    >>> remove([tempfile.mkdtemp(), "/no/such/folder"])
    []
    """
    deadline = time.monotonic() + timeout_seconds
    while left := [folder for folder in folders if os.path.exists(folder)]:
        for folder in left:
            shutil.rmtree(folder, ignore_errors=True)
        if time.monotonic() > deadline:
            return [folder for folder in left if os.path.exists(folder)]
        time.sleep(_PAUSE_SECONDS)
    return []


def main() -> int:
    """Read paths until the input ends, and remove them; return 0 if all are gone."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    return 1 if remove([line.rstrip("\n") for line in sys.stdin]) else 0


if __name__ == "__main__":
    sys.exit(main())
