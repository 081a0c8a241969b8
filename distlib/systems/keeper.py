"""Keep one server process, and never outlive the one that asked for it.

    python -m distlib.systems.keeper LOG COMMAND [ARGUMENT …]

Theory of operation
-------------------
The keeper starts the command in a session of its own, writes its process id to standard output, and waits. When its
standard input ends, the process that asked for the server is gone, however it went: a notebook that failed, a kernel
that was killed. Then the server and all its descendants are killed. When the server ends first, so does the keeper.

Interrupts from the keyboard reach neither, since their sessions have no terminal.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import psutil

__all__ = ["end", "main"]


def end(process_id: int, timeout_seconds: float = 10.0) -> None:
    """Kill a process and all its descendants with SIGKILL, and wait until they are gone.

    The descendants are frozen first, so that none starts another while the list is made.

    Raises
    ------
    TimeoutError
        If one of them is still there after the time given.
    """
    try:
        parent = psutil.Process(process_id)
    except psutil.NoSuchProcess:
        return
    deadline = time.monotonic() + timeout_seconds
    family = [parent]
    # A frozen process starts no other; look again until a look finds nobody new.
    known = 0
    while known < len(family):
        for each in family[known:]:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.suspend()
        known = len(family)
        family += [each for each in _descendants(parent, deadline) if each not in family]
    for each in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    while alive := [each.pid for each in family if not _is_gone(each)]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes {alive} are still there after {timeout_seconds} s")
        time.sleep(0.002)


def _descendants(process: psutil.Process, deadline: float) -> list[psutil.Process]:
    while True:
        try:
            return list(process.children(recursive=True))
        except psutil.NoSuchProcess:
            return []
        except psutil.AccessDenied:
            # A process of another user that ends this moment may refuse to be looked at. The next look finds it gone.
            if time.monotonic() > deadline:
                return []
            time.sleep(0.002)


def _is_gone(process: psutil.Process) -> bool:
    # A dead process whose parent has not asked for its status holds no memory, no lock and no port any more.
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def main(log: str, command: list[str]) -> int:
    """Run the command until it ends or standard input does; return its exit status, or 0 if it was ended."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    with open(log, "ab") as output:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    print(child.pid, flush=True)

    def watch() -> None:
        sys.stdin.buffer.read()
        end(child.pid)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
    return child.wait()


if __name__ == "__main__":
    # The thread that watches standard input may hold its lock, which an orderly exit would want.
    os._exit(main(sys.argv[1], sys.argv[2:]))
