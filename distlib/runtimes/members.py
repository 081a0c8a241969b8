"""One boot of a node, in a process of its own or on a thread that all nodes share.

Theory of operation
-------------------
A :class:`Member` is the handle that a cluster has on a :class:`~distlib.runtimes.host.Host`: it opens one, gives it
orders, and ends it. Both kinds keep the same promise: whatever becomes of the node, the cluster hears of its end once,
after its last report.

:class:`ProcessMember` starts an interpreter with two anonymous pipes, one for orders and one for reports, which a
thread here reads until it ends. That end is how any death shows, by ``kill -9`` from anywhere or by a failed handler.
Since a report is in the pipe before what it tells of has any effect, and a pipe outlives its writer, nothing that
mattered is missing.

:class:`ResidentMember` keeps its host on a :class:`LoopThread`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Protocol

from distlib.runtimes.connections import Address
from distlib.runtimes.host import Host, Report, Specification, loop_error
from distlib.runtimes.process import pack_item, read_item, write_item

__all__ = ["ClusterError", "LoopThread", "Member", "ProcessMember", "ResidentMember", "Watcher"]

START_TIMEOUT_SECONDS = 60.0
"""How long a process may take to import its node and to listen."""
COMMAND_TIMEOUT_SECONDS = 10.0
STOP_TIMEOUT_SECONDS = 3.0
"""How long nodes may take to close before they are killed."""


class ClusterError(RuntimeError):
    """The cluster cannot do what it was asked to."""


class Watcher(Protocol):
    """What a member tells its cluster, from threads of its own."""

    def now_seconds(self) -> float:
        """Return the time since the nodes were booted."""
        ...

    def observe(self, name: str, reports: Sequence[Report]) -> None:
        """Take reports of a node."""

    def ended(self, member: Member, note: str | None) -> None:
        """Take note that a member is no more: it crashed, unless there is no note."""

    def wait(self, condition: Callable[[], bool], timeout_seconds: float) -> bool:
        """Wait until a condition on members holds; return whether it does."""
        ...


class Member(ABC):
    """One boot of a node, wherever it lives."""

    def __init__(self, cluster: Watcher, specification: Specification) -> None:
        self.cluster = cluster
        self.specification = specification
        self.name = specification.name
        self.address: Address | None = None
        self.is_up = True
        self.is_paused = False
        self.complaint = ""
        """Why it could not open."""
        self.note = ""
        """What the host said when it ended by itself."""
        self.killed_seconds: float | None = None
        self.pid = os.getpid()

    def wait_until_open(self) -> Address:
        """Return the address as soon as it listens."""
        self.cluster.wait(lambda: self.address is not None or not self.is_up, START_TIMEOUT_SECONDS)
        if self.address is None:
            reason = self.complaint or f"it did not listen within {START_TIMEOUT_SECONDS} s"
            raise ClusterError(f"node {self.name!r} could not start: {reason}")
        return self.address

    @abstractmethod
    def order(self, command: str, *arguments: Any) -> Callable[[], None]:
        """Begin a method of the host, and return a function that waits until it is done."""

    @abstractmethod
    def kill(self) -> None:
        """End it as a crash does, and return when it has ended."""

    @abstractmethod
    def end(self) -> None:
        """Make sure that nothing of it is left."""

    @abstractmethod
    def pause(self) -> None:
        """Stop it from handling stimuli."""

    @abstractmethod
    def resume(self) -> None:
        """Let it go on."""


class ProcessMember(Member):
    """A node in a process of its own."""

    def __init__(self, cluster: Watcher, specification: Specification) -> None:
        super().__init__(cluster, specification)
        try:
            item = pack_item(specification)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ClusterError(f"node {self.name!r} cannot be sent to a process of its own: {error}") from error
        self._issued = 0
        self._done = 0
        self._is_closed = False
        command_source, self._commands = os.pipe()
        reports, report_target = os.pipe()
        self._output_path = Path(specification.folder) / "output.txt"
        self._output_path.parent.mkdir(parents=True, exist_ok=True)
        paths = [path for path in sys.path if isinstance(path, str)]
        # `-c` and not `-m`: a module that runs as __main__ would be a second copy of itself, with classes of its own.
        code = (
            f"import sys; sys.path[:] = {paths!r}; "
            f"from distlib.runtimes.process import main; main({command_source}, {report_target})"
        )
        with open(self._output_path, "ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(command_source, report_target),
                # Ctrl-C in a terminal goes to the whole group of the parent; this keeps the children out of it.
                process_group=0,
            )
        self.pid = self._process.pid
        os.close(command_source)
        os.close(report_target)
        self._thread = threading.Thread(
            target=self._listen, args=(reports,), name=f"reports of {self.name}", daemon=True
        )
        self._thread.start()
        self._write(item)

    def order(self, command: str, *arguments: Any) -> Callable[[], None]:
        self._issued += 1
        number = self._issued
        self._write(pack_item((number, command, arguments)))

        def wait() -> None:
            # A paused process obeys when it goes on.
            if not self.cluster.wait(
                lambda: self._done >= number or not self.is_up or self.is_paused, COMMAND_TIMEOUT_SECONDS
            ):
                raise ClusterError(f"node {self.name!r} did not obey {command!r} within {COMMAND_TIMEOUT_SECONDS} s")

        return wait

    def kill(self) -> None:
        self.killed_seconds = self.cluster.now_seconds()
        self._process.kill()
        self._thread.join(COMMAND_TIMEOUT_SECONDS)
        if self.is_up:
            raise ClusterError(f"process {self.pid} of node {self.name!r} did not end by SIGKILL")

    def end(self) -> None:
        if self.is_up:
            self.kill()
        self._thread.join(COMMAND_TIMEOUT_SECONDS)

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)
        # The signal is on its way when the call returns; the process has stopped when the kernel says so.
        with contextlib.suppress(ChildProcessError):  # It has ended and was reaped.
            os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def _write(self, item: bytes) -> None:
        # One that has ended does not listen; the thread that does is about to find out.
        with contextlib.suppress(BrokenPipeError):
            write_item(self._commands, item)

    def _listen(self, reports: int) -> None:
        """Take reports until the process ends. Runs in a thread of its own."""
        with open(reports, "rb") as pipe:
            try:
                while True:
                    self._take(read_item(pipe))
            except EOFError:
                pass
            except Exception as error:
                # Whatever it was, nobody knows any more what the process does.
                self.note = self.complaint = f"its reports could not be read: {type(error).__name__}: {error}"
                self._process.kill()
        status = self._process.wait()
        os.close(self._commands)
        if self.address is None and not self.complaint:
            output = self._output_path.read_text(errors="replace")[-2000:]
            self.complaint = f"its process ended with exit status {status}. It wrote:\n{output}"
        note = self.note or ("killed" if self.killed_seconds is not None else f"exit status {status}")
        self.cluster.ended(self, None if self._is_closed else note)

    def _take(self, item: Any) -> None:
        match item:
            case ("observed", reports):
                self.cluster.observe(self.name, reports)
            case ("ready", address):
                self.address = address
            case ("done", number):
                self._done = number
            case ("closed",):
                self._is_closed = True
            case ("ended", note):
                self.note = note
            case ("failed", error, details):
                self.complaint = f"{error}\n{details}"


class ResidentMember(Member):
    """A node in this process, on the thread that it shares with the others."""

    def __init__(self, cluster: Watcher, specification: Specification, loop: LoopThread) -> None:
        super().__init__(cluster, specification)
        self._loop = loop
        loop.begin(self._open())

    def order(self, command: str, *arguments: Any) -> Callable[[], None]:
        return self._loop.begin(self._obey(command, arguments))

    def kill(self) -> None:
        self.killed_seconds = self.cluster.now_seconds()
        self._loop.begin(self._crash())()

    def end(self) -> None:
        pass  # It ends with the thread.

    def pause(self) -> None:
        self.order("pause")()

    def resume(self) -> None:
        self.order("resume")()

    async def _open(self) -> None:
        def report(reports: list[Report]) -> None:
            self.cluster.observe(self.name, reports)

        try:
            self._host = Host(self.specification, report, self._end)
            self.address = await self._host.open()
        except Exception as error:
            self.complaint = f"{type(error).__name__}: {error}"
            self.is_up = False

    async def _obey(self, command: str, arguments: tuple[Any, ...]) -> None:
        result = getattr(self._host, command)(*arguments)
        if asyncio.iscoroutine(result):
            await result
        if command == "close" and self.is_up:
            self.cluster.ended(self, None)

    async def _crash(self) -> None:
        await self._host.crash()
        if self.is_up:
            self.cluster.ended(self, "killed")

    def _end(self, note: str) -> None:
        self.cluster.ended(self, note)
        # Nobody waits for this: whatever it leaves, the loop cleans up when it stops.
        self._farewell = asyncio.get_running_loop().create_task(self._host.crash())


class LoopThread:
    """An asyncio loop in a thread of its own, so that one which already runs in the caller's does not matter."""

    def __init__(self, complain: Callable[[BaseException | str], None]) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda loop, context: complain(loop_error(context)))
        self._thread = threading.Thread(target=self._run, name="nodes", daemon=True)
        self._thread.start()

    def begin(self, coroutine: Coroutine[Any, Any, None]) -> Callable[[], None]:
        """Begin a coroutine on the loop, and return a function that waits until it is done."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)

        def wait() -> None:
            try:
                future.result(COMMAND_TIMEOUT_SECONDS)
            except TimeoutError:
                raise ClusterError(
                    f"the nodes did not obey within {COMMAND_TIMEOUT_SECONDS} s: a handler does not return. All nodes "
                    "share this process; with processes=True the others would go on"
                ) from None

        return wait

    def stop(self) -> None:
        """End the loop and the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_TIMEOUT_SECONDS)
        if self._thread.is_alive():
            raise ClusterError(
                f"the nodes did not stop within {STOP_TIMEOUT_SECONDS} s: a handler does not return, and goes on until "
                "this process ends. With processes=True its process would have been killed"
            )

    def _run(self) -> None:
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(self._clean_up())
        finally:
            self._loop.close()

    async def _clean_up(self) -> None:
        """Leave no task that was never awaited, and no thread."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._loop.shutdown_default_executor()
