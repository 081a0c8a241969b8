"""What all real systems share: a process that is started, killed, frozen, started again, and surely stopped.

Theory of operation
-------------------
A :class:`Server` runs one command. Between it and this process stands a keeper (:mod:`distlib.systems.keeper`), which
ends the server and its descendants when this process is gone, whatever the reason. :meth:`Server.kill` is ``kill -9``
for the server and all its descendants at once: what a loss of power would leave of them. Every wait has a bound, and
says what it waited for, with the end of the server's log.

A folder for a system's data comes from :func:`data_folder`, and is removed when this process is gone, whatever the
reason (:mod:`distlib.systems.sweeper`). Ports come from :func:`free_ports`.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from distlib.systems.keeper import end

__all__ = ["LOOPBACK", "Server", "SystemUnavailable", "data_folder", "free_ports", "wait_until"]

LOOPBACK = "127.0.0.1"
"""The only address that anything here listens on."""
_LOG_LINES = 20
_FIRST_PORT = 15_000
_MOST_TRIES = 50


class SystemUnavailable(RuntimeError):
    """A system cannot run here: a program is missing, or the machine refuses something that it needs."""


def free_ports(count: int) -> list[int]:
    """Return that many ports on loopback that nobody uses at the moment.

    They lie below those that the operating system gives to outgoing connections. So no connection takes the port of a
    server while that is down, and none that asks for a dead server at its port is, by chance, connected to itself.

    Raises
    ------
    ValueError
        If `count` is not positive.
    SystemUnavailable
        If so many cannot be found.

    Examples
    --------
    >>> len(set(free_ports(3)))
    3
    """
    if count < 1:
        raise ValueError(f"`count` must be at least 1, got {count}")
    chance = random.SystemRandom()  # not the seed of whoever asks: two processes must not try the same ports
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        for _ in range(_MOST_TRIES * count):
            each = stack.enter_context(socket.socket())
            port = chance.randrange(_FIRST_PORT, _first_outgoing_port())
            with contextlib.suppress(OSError):
                each.bind((LOOPBACK, port))
                found.append(port)
            if len(found) == count:
                return found
    raise SystemUnavailable(
        f"of {_MOST_TRIES * count} ports of {LOOPBACK} only {len(found)} are free; {count} are needed"
    )


def _first_outgoing_port() -> int:
    """Return the first port that the operating system may give to an outgoing connection."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
        if first > _FIRST_PORT + 1000:
            return first
    return 32_768


def wait_until(what: str, condition: Callable[[], bool], timeout_seconds: float, poll_seconds: float = 0.01) -> float:
    """Wait until a condition holds, and return the seconds that it took.

    Parameters
    ----------
    what
        What is waited for, for the message.
    condition
        Is asked again and again.
    timeout_seconds
        How long at most.
    poll_seconds
        The pause between two questions.

    Raises
    ------
    TimeoutError
        If the condition does not hold in time.

    Examples
    --------
    >>> wait_until("nothing", lambda: True, timeout_seconds=1) < 1
    True
    >>> wait_until("Godot", lambda: False, timeout_seconds=0.02)
    Traceback (most recent call last):
      ...
    TimeoutError: waited 0.02 s in vain for Godot
    """
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > timeout_seconds:
            raise TimeoutError(f"waited {timeout_seconds:g} s in vain for {what}")
        time.sleep(poll_seconds)
    return time.monotonic() - began


def data_folder(prefix: str, *, in_memory: bool = False) -> Path:
    """Return a new folder for a system's data, which only this user can read, and which is removed when Python ends.

    Parameters
    ----------
    prefix
        How its name begins.
    in_memory
        Whether to put it where a forced write costs no disk, if the machine has such a place: for measurements that the
        noise of a disk would hide.
    """
    memory = Path("/dev/shm")
    parent = memory if in_memory and memory.is_dir() and os.access(memory, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    _folders.sweep_later(folder)
    return folder


class _Folders:
    """The folders of this process, and the process that removes them when this one is gone."""

    def __init__(self) -> None:
        self._paths: list[Path] = []
        self._sweeper: subprocess.Popen[str] | None = None

    def sweep_later(self, folder: Path) -> None:
        if self._sweeper is None:
            self._sweeper = subprocess.Popen(
                [sys.executable, "-m", "distlib.systems.sweeper"],
                stdin=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        assert self._sweeper.stdin is not None
        self._paths.append(folder)
        self._sweeper.stdin.write(f"{folder}\n")
        self._sweeper.stdin.flush()

    def sweep_now(self) -> None:
        for path in self._paths:
            shutil.rmtree(path, ignore_errors=True)
        if self._sweeper is not None:
            assert self._sweeper.stdin is not None
            self._sweeper.stdin.close()
            self._sweeper.wait(60)


_folders = _Folders()


class Server(AbstractContextManager["Server"]):
    """One server process that can be killed, frozen and started again.

    Parameters
    ----------
    name
        For messages.
    command
        The program and its arguments.
    log
        Where its output goes; appended to.
    is_ready
        Tells whether it answers. It is asked until it does.
    timeout_seconds
        How long a start, and a stop, may take.

    Raises
    ------
    SystemUnavailable
        On :meth:`start`, if the program cannot be started at all.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        is_ready: Callable[[], bool],
        timeout_seconds: float = 30.0,
    ) -> None:
        if not timeout_seconds > 0:
            raise ValueError(f"`timeout_seconds` must be above 0, got {timeout_seconds!r}")
        self.name = name
        self.command = tuple(command)
        self.log = log
        self.is_ready = is_ready
        self.timeout_seconds = timeout_seconds
        self._keeper: subprocess.Popen[bytes] | None = None
        self._process_id: int | None = None
        _running.add(self)

    # ---- Its life

    def start(self) -> Self:
        """Start the server and wait until it answers. One that runs is left alone.

        Raises
        ------
        SystemUnavailable
            If there is no such program, or it must not be executed.
        RuntimeError
            If it ends instead of answering, with the end of its log.
        TimeoutError
            If it does not answer in time, with the end of its log.
        """
        if self.is_running():
            return self
        program = shutil.which(self.command[0])
        if program is None:
            raise SystemUnavailable(f"{self.name}: there is no program {self.command[0]!r}, or it must not be executed")
        keeper = subprocess.Popen(
            [sys.executable, "-m", "distlib.systems.keeper", str(self.log), *self.command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # A signal to this process's whole group, as from a terminal or from `timeout`, must not reach the keeper.
            start_new_session=True,
        )
        assert keeper.stdout is not None
        self._keeper = keeper
        line = keeper.stdout.readline()
        if not line.strip():
            raise SystemUnavailable(f"{self.name}: {self.command[0]} could not be started. {self._log_end()}")
        self._process_id = int(line)
        try:
            wait_until(f"{self.name} to answer", self._ready_or_dead, self.timeout_seconds)
        except TimeoutError as error:
            self.kill()
            raise TimeoutError(f"{error}. {self._log_end()}") from None
        if not self.is_running():
            status = self._keeper.wait(self.timeout_seconds)
            self._forget()
            raise RuntimeError(f"{self.name} ended with status {status} instead of answering. {self._log_end()}")
        return self

    def is_running(self) -> bool:
        """Tell whether the server's process is there. One that is frozen is."""
        return self._keeper is not None and self._keeper.poll() is None

    @property
    def process_id(self) -> int:
        """The server's process id.

        Raises
        ------
        RuntimeError
            If it does not run.
        """
        if self._process_id is None or not self.is_running():
            raise RuntimeError(f"{self.name} does not run")
        return self._process_id

    def kill(self) -> None:
        """End the server and all its descendants by SIGKILL, as a loss of power would, and wait until they are gone."""
        if self._keeper is None:
            return
        if self._process_id is not None and self.is_running():
            end(self._process_id, self.timeout_seconds)
        self._forget()

    def pause(self) -> None:
        """Freeze the server's main process (SIGSTOP): alive, and silent."""
        os.kill(self.process_id, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen server go on (SIGCONT)."""
        os.kill(self.process_id, signal.SIGCONT)

    def stop(self) -> None:
        """Stop the server for certain. It may be called again."""
        self.kill()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # ---- Within

    def _ready_or_dead(self) -> bool:
        return not self.is_running() or self.is_ready()

    def _forget(self) -> None:
        keeper, self._keeper, self._process_id = self._keeper, None, None
        if keeper is not None:
            assert keeper.stdin is not None
            assert keeper.stdout is not None
            with contextlib.suppress(OSError):
                keeper.stdin.close()
            keeper.wait(self.timeout_seconds)
            keeper.stdout.close()

    def _log_end(self) -> str:
        if not self.log.exists():
            return "It has written no log."
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
        return "The end of its log:\n" + "\n".join(lines)


_running: weakref.WeakSet[Server] = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    for server in list(_running):
        with contextlib.suppress(Exception):
            server.stop()
    with contextlib.suppress(Exception):
        _folders.sweep_now()
