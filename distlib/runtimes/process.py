"""A process with one node in it, and the pipes that join it to the one that started it.

Theory of operation
-------------------
The child inherits two anonymous pipes. From one it reads, pickled, its specification and then commands; to the other it
writes reports. No one but parent and child can hold these pipes, so pickle is safe there; nothing from a socket is ever
unpickled.

When the command pipe ends, the parent is gone, and the child ends too. A thread of its own watches for that, so that
even a handler that never returns does not outlive the parent.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import struct
import sys
import threading
import traceback
from io import BufferedReader
from typing import Any

from distlib.runtimes.host import Host, Report, Specification, loop_error

__all__ = ["main", "pack_item", "read_item", "write_item"]

_LENGTH = struct.Struct(">Q")


def pack_item(item: Any) -> bytes:
    """Return what :func:`write_item` writes of a value. Raises what pickle raises if it cannot be pickled."""
    data = pickle.dumps(item, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(data)) + data


def write_item(descriptor: int, item: bytes) -> None:
    """Write what :func:`pack_item` made to an anonymous pipe between parent and child."""
    rest = memoryview(item)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def read_item(pipe: BufferedReader) -> Any:
    """Read what :func:`write_item` wrote.

    Raises
    ------
    EOFError
        If the pipe has ended, within a value or before one.
    """
    header = pipe.read(_LENGTH.size)
    if len(header) < _LENGTH.size:
        raise EOFError("the other process is gone")
    (size_bytes,) = _LENGTH.unpack(header)
    data = pipe.read(size_bytes)
    if len(data) < size_bytes:
        raise EOFError("the other process is gone")
    return pickle.loads(data)


def main(command_descriptor: int, report_descriptor: int) -> None:
    """Run the host whose specification comes first on the command pipe, until the pipe ends or says so."""
    # An interrupt from the keyboard is for the parent, which then stops its children in good order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    commands = open(command_descriptor, "rb")  # noqa: SIM115 # it stays open as long as the process lives
    try:
        asyncio.run(_live(read_item(commands), commands, report_descriptor))
    except EOFError:
        pass
    except BaseException as error:
        text = "".join(traceback.format_exception(error))
        write_item(report_descriptor, pack_item(("failed", f"{type(error).__name__}: {error}", text)))
    sys.stdout.flush()
    # The thread that reads commands may hold the lock of its pipe, which an orderly exit of the interpreter would want.
    os._exit(0)


async def _live(specification: Specification, commands: BufferedReader, report_descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    items: asyncio.Queue[Any] = asyncio.Queue()

    def report(reports: list[Report]) -> None:
        write_item(report_descriptor, pack_item(("observed", reports)))

    def ended(note: str) -> None:
        # A crash must be one: no buffer is flushed, no socket is closed in good order.
        write_item(report_descriptor, pack_item(("ended", note)))
        os.kill(os.getpid(), signal.SIGKILL)

    def listen() -> None:
        # In a thread of its own: even a handler that never returns does not outlive the parent.
        try:
            while True:
                loop.call_soon_threadsafe(items.put_nowait, read_item(commands))
        except EOFError:
            os._exit(1)

    host = Host(specification, report, ended)
    loop.set_exception_handler(lambda loop, context: host.complain("the event loop", loop_error(context)))
    write_item(report_descriptor, pack_item(("ready", await host.open())))
    threading.Thread(target=listen, name="commands", daemon=True).start()
    while True:
        number, command, arguments = await items.get()
        result = getattr(host, command)(*arguments)
        if asyncio.iscoroutine(result):
            await result
        if command == "close":
            write_item(report_descriptor, pack_item(("closed",)))
            break
        write_item(report_descriptor, pack_item(("done", number)))
