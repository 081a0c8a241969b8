"""A proxy in a process of its own that delays, holds and cuts TCP connections, each direction by itself.

Theory of operation
-------------------
The proxy listens on a port of loopback and forwards each connection to its target. What it reads is due after the
delay of that direction, and is written then, in order: the delay adds to latency and does not limit throughput. A
direction that is *cut* is not written to any more: its bytes wait, as they would at a sender whose packets get lost
and sent again, and go out when the cut is healed. A byte stream cannot lose bytes in the middle, so loss shows to a
peer as silence only; :meth:`Proxy.reset` ends the connections instead.

A connection can be told from others by its first bytes: `tags` maps a name to a pattern that is searched in them.
So one can cut the connections of one client among several.

The process takes commands on its standard input, one JSON value a line, and answers each with a line; when the input
ends, so does the process. Its clock wakes in whole milliseconds and never early, so a delay is up to a millisecond or
two longer than asked. The proxy costs time of its own: :meth:`Proxy.cost_seconds` measures it, and a measurement
through the proxy is to be read with that in mind.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import AbstractContextManager
from statistics import median
from types import TracebackType
from typing import Any, Literal, Self

from distlib.systems.server import LOOPBACK

__all__ = ["Direction", "Proxy"]

Direction = Literal["to target", "from target"]

_DIRECTIONS: tuple[Direction, ...] = ("to target", "from target")
_FIRST_BYTES = 4096
_CHUNK_BYTES = 65_536
_HELD_BYTES = 1 << 24
_ANSWER_SECONDS = 10.0


class Proxy(AbstractContextManager["Proxy"]):
    """A proxy in front of one port of loopback.

    Parameters
    ----------
    target_port
        The port that it forwards to.
    tags
        Names of clients, each with a regular expression that is searched in the first bytes of a connection.
    port
        The port to listen on; one that is free if none is given.

    Raises
    ------
    ValueError
        If a port is out of range, or a pattern is none.
    TimeoutError
        If the proxy's process does not answer.

    Examples
    --------
    >>> from distlib.systems.server import free_ports
    >>> with Proxy(free_ports(1)[0]) as proxy:
    ...     proxy.delay(0.010, "to target")
    ...     proxy.cut()
    ...     proxy.heal()
    """

    def __init__(self, target_port: int, *, tags: Mapping[str, str] | None = None, port: int = 0) -> None:
        for name, value, least in (("target_port", target_port, 1), ("port", port, 0)):
            if not least <= value <= 65_535:
                raise ValueError(f"`{name}` must be in [{least}, 65535], got {value}")
        for tag, pattern in (tags or {}).items():
            try:
                re.compile(pattern.encode())
            except re.error as error:
                raise ValueError(f"`tags[{tag!r}]` must be a regular expression, got {pattern!r}: {error}") from None
        self.target_port = target_port
        self._tags = frozenset(tags or {})
        self._process = subprocess.Popen(
            [sys.executable, "-m", "distlib.systems.proxy", str(target_port), str(port), json.dumps(dict(tags or {}))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self.port: int = self._answer()

    def delay(self, seconds: float, direction: Direction | None = None) -> None:
        """Delay what is forwarded from now on, in one direction, or in both if none is given.

        Raises
        ------
        ValueError
            If `seconds` is negative or not finite, or there is no such direction.
        """
        if not 0 <= seconds < float("inf"):
            raise ValueError(f"`seconds` must be finite and at least 0, got {seconds!r}")
        self._tell("delay", _directions(direction), seconds)

    def cut(self, direction: Direction | None = None, *, tag: str | None = None) -> None:
        """Forward nothing from now on, in one direction or both, of all connections or of those with a tag.

        What was read and not yet forwarded waits, too. New connections are accepted, and hear nothing.
        """
        self._tell("cut", _directions(direction), self._known(tag))

    def heal(self, direction: Direction | None = None, *, tag: str | None = None) -> None:
        """Take back what :meth:`cut` did. What has waited goes out at once."""
        self._tell("heal", _directions(direction), self._known(tag))

    def reset(self) -> None:
        """End all connections that there are."""
        self._tell("reset")

    def connection_count(self) -> int:
        """Return the number of connections that are open."""
        return int(self._tell("count"))

    def cost_seconds(self, rounds: int = 200) -> float:
        """Return what one round trip of a byte through the proxy costs over a direct one: the median, in seconds.

        It is measured against an echo of its own, at the delays that are set; set none to learn the proxy's own cost.
        """
        with _Echo() as echo, Proxy(echo.port) as proxy:
            return max(0.0, median(_round_trips(proxy.port, rounds)) - median(_round_trips(echo.port, rounds)))

    def stop(self) -> None:
        """End the proxy and its connections. It may be called again."""
        if self._process.poll() is None:
            with contextlib.suppress(OSError):
                self._stdin.close()
            try:
                self._process.wait(_ANSWER_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # ---- Within

    @property
    def _stdin(self) -> Any:
        return self._process.stdin

    @property
    def _stdout(self) -> Any:
        return self._process.stdout

    def _known(self, tag: str | None) -> str | None:
        if tag is not None and tag not in self._tags:
            raise ValueError(f"`tag` must be one of {sorted(self._tags)}, got {tag!r}")
        return tag

    def _tell(self, *command: Any) -> Any:
        if self._process.poll() is not None:
            raise RuntimeError("the proxy was stopped")
        self._stdin.write(json.dumps(command).encode() + b"\n")
        self._stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        # A pipe has no timeout of its own; a process that does not answer is killed, which ends the pipe.
        guard = threading.Timer(_ANSWER_SECONDS, self._process.kill)
        guard.start()
        try:
            line = self._stdout.readline()
        finally:
            guard.cancel()
        if not line:
            raise TimeoutError(f"the proxy did not answer within {_ANSWER_SECONDS:g} s, or could not listen")
        return json.loads(line)


def _directions(direction: Direction | None) -> list[str]:
    if direction is not None and direction not in _DIRECTIONS:
        raise ValueError(f"`direction` must be one of {_DIRECTIONS}, got {direction!r}")
    return [direction] if direction else list(_DIRECTIONS)


# ------------------------------------------------------------------------------------------------- its cost, measured


class _Echo(AbstractContextManager["_Echo"]):
    """A thread that sends back what it reads from one connection after another."""

    def __init__(self) -> None:
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    while data := connection.recv(_CHUNK_BYTES):
                        connection.sendall(data)

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _round_trips(port: int, rounds: int) -> list[float]:
    times = []
    with socket.create_connection((LOOPBACK, port), timeout=_ANSWER_SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(rounds):
            began = time.perf_counter()
            connection.sendall(b"x")
            connection.recv(1)
            times.append(time.perf_counter() - began)
    return times


# ---------------------------------------------------------------------------------------------- the process within


class _Forwarder:
    """What runs in the proxy's process: a server, the settings of both directions, and the open connections."""

    def __init__(self, target_port: int, tags: Mapping[str, str]) -> None:
        self.target_port = target_port
        self.tags = {tag: re.compile(pattern.encode()) for tag, pattern in tags.items()}
        self.delay_seconds = dict.fromkeys(_DIRECTIONS, 0.0)
        self.cuts: set[tuple[str, str | None]] = set()
        self.changed = asyncio.Event()
        self.connections: dict[asyncio.StreamWriter, asyncio.StreamWriter] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection until either side ends it."""
        try:
            far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self.target_port)
        except OSError:
            writer.transport.abort()
            return
        self.connections[writer] = far_writer
        tag: list[str | None] = [None]
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.forward(reader, far_writer, "to target", tag))
                group.create_task(self.forward(far_reader, writer, "from target", tag))
        except* OSError:
            pass
        finally:
            self.connections.pop(writer, None)
            for each in (writer, far_writer):
                each.transport.abort()

    async def forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction, tag: list[str | None]
    ) -> None:
        """Read chunks, and write each when it is due and its direction is not cut; an end is forwarded as well."""
        held: deque[tuple[float, bytes]] = deque()
        size = 0
        more = asyncio.Event()

        async def read() -> None:
            nonlocal size
            first = b""
            while True:
                chunk = await reader.read(_CHUNK_BYTES)
                if direction == "to target" and tag[0] is None and len(first) < _FIRST_BYTES:
                    first += chunk
                    tag[0] = next((name for name, pattern in self.tags.items() if pattern.search(first)), None)
                held.append((time.monotonic() + self.delay_seconds[direction], chunk))
                size += len(chunk)
                more.set()
                if not chunk:
                    return
                while size > _HELD_BYTES:
                    await asyncio.sleep(0.001)

        async with asyncio.TaskGroup() as group:
            group.create_task(read())
            while True:
                while not held:
                    more.clear()
                    await more.wait()
                due, chunk = held[0]
                if (wait := due - time.monotonic()) > 0:
                    await asyncio.sleep(wait)
                while self.is_cut(direction, tag[0]):
                    self.changed.clear()
                    await self.changed.wait()
                held.popleft()
                size -= len(chunk)
                if not chunk:
                    with contextlib.suppress(OSError):
                        writer.write_eof()
                    return
                writer.write(chunk)
                await writer.drain()

    def is_cut(self, direction: str, tag: str | None) -> bool:
        """Tell whether a connection's direction is cut, by itself or with all others."""
        return (direction, None) in self.cuts or (tag is not None and (direction, tag) in self.cuts)

    def obey(self, verb: str, *arguments: Any) -> Any:
        """Carry out a command and return its answer."""
        match verb, arguments:
            case "delay", (directions, seconds):
                self.delay_seconds.update(dict.fromkeys(directions, seconds))
            case "cut", (directions, tag):
                self.cuts |= {(direction, tag) for direction in directions}
            case "heal", (directions, tag):
                self.cuts -= {(direction, tag) for direction in directions}
                self.changed.set()
            case "reset", ():
                for near, far in list(self.connections.items()):
                    near.transport.abort()
                    far.transport.abort()
            case "count", ():
                return len(self.connections)
            case _:
                raise ValueError(f"no such command: {verb}{arguments}")
        return None


async def _main(target_port: int, port: int, tags: Mapping[str, str]) -> None:
    forwarder = _Forwarder(target_port, tags)
    server = await asyncio.start_server(forwarder.serve, LOOPBACK, port)
    print(json.dumps(server.sockets[0].getsockname()[1]), flush=True)
    while line := await asyncio.to_thread(sys.stdin.buffer.readline):
        verb, *arguments = json.loads(line)
        print(json.dumps(forwarder.obey(verb, *arguments)), flush=True)
    # Connections that are still open are not waited for, nor is the thread that reads.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])))
