"""The TCP connections between hosts: one that each opens to each, and those that come in.

Theory of operation
-------------------
Messages go one way over a connection, so two nodes that talk have two, and a node has one to itself.

:class:`Outgoing` opens its connection as soon as it knows where the target listens, and again, after a growing pause,
when it was closed. What is sent while an attempt is under way waits for its outcome. What is sent while there is none
is lost ("down"): the contract of :mod:`distlib.node` allows loss, and a queue without bound would hide it. So is what
exceeds a bound because the target does not read ("loss").

:class:`Incoming` expects a :class:`Hello` first, within a bounded time, and messages from then on. The first bytes that
are anything else close it, with a report of what was wrong: they come from a stranger, or from a program with a
mistake, and there is no telling where the next frame would begin. The token in the hello is a random number of the
cluster. Without it, a node that was given the port of another would take its messages.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from distlib.runtimes.wire import Codec, FrameReader, WireError, frame

if TYPE_CHECKING:
    from distlib.runtimes.host import Host

__all__ = ["Address", "Hello", "Incoming", "Outgoing"]

Address: TypeAlias = tuple[str, int]
"""Internet address and port."""

WAITING_LIMIT = 1024
"""Messages that wait for one connection to open; more are lost."""
UNSENT_LIMIT_BYTES = 8 << 20
"""Bytes that a connection has not taken yet before further messages on it are lost."""
HELLO_TIMEOUT_SECONDS = 5.0
CONNECT_TIMEOUT_SECONDS = 2.0
FIRST_PAUSE_SECONDS = 0.01
LAST_PAUSE_SECONDS = 0.5
STEADY_SECONDS = 1.0
"""How long a connection must last for the pause between attempts to start small again."""


@dataclass(frozen=True)
class Hello:
    """The first frame of a connection: whose messages follow, and for whom."""

    token: str
    source: str
    target: str


_hello_codec = Codec(Hello)


class Incoming(asyncio.Protocol):
    """A connection that another node, or a stranger, has opened to this host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._frames = FrameReader(host.specification.maximum_frame_size_bytes)
        self._source: str | None = None
        """Who sends, once it has said so."""
        self._peer = "an unknown address"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._peer = str(transport.get_extra_info("peername"))
        self._deadline = asyncio.get_running_loop().call_later(HELLO_TIMEOUT_SECONDS, self._give_up)
        if not self._host.accept(self):
            self.abort()

    def data_received(self, data: bytes) -> None:
        try:
            for payload in self._frames.feed(data):
                if self._source is None:
                    self._source = self._welcome(payload)
                else:
                    cause, message = self._host.envelope(payload)
                    self._host.arrive(self._source, message, cause)
        except WireError as error:
            self._refuse(error)
        else:
            self._host.stall(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.cancel()
        self._host.forget(self)

    def abort(self) -> None:
        """Close at once."""
        self._deadline.cancel()
        self._transport.abort()

    def _welcome(self, payload: bytes) -> str:
        """Return who sends. Raises WireError if it is no node of this cluster, or wants another than this one."""
        hello = _hello_codec.decode(payload)
        expected = self._host.specification
        if not secrets.compare_digest(hello.token.encode(), expected.token.encode()):
            raise WireError("the hello has the token of another cluster")
        if hello.target != expected.name:
            raise WireError(f"the hello is for {hello.target!r}, this is {expected.name!r}")
        if hello.source not in expected.names:
            raise WireError(f"the hello is from {hello.source!r}, which is not a node of this cluster")
        self._deadline.cancel()
        return str(hello.source)

    def _give_up(self) -> None:
        self._refuse(f"no hello came within {HELLO_TIMEOUT_SECONDS} s")

    def _refuse(self, error: WireError | str) -> None:
        who = f"a connection from {self._source or 'a stranger'} at {self._peer}"
        self._host.complain(who, str(error))
        self.abort()


class Outgoing:
    """The connection to one node: opened, and opened again, as long as the host lives."""

    def __init__(self, host: Host, target: str) -> None:
        self._host = host
        self._target = target
        self._address: Address | None = None
        self._transport: asyncio.Transport | None = None
        self._is_connecting = False
        self._waiting: deque[tuple[int, Any, bytes]] = deque()
        self._news = asyncio.Event()
        """Set when the address has changed, so that it is tried at once."""
        self.settled = asyncio.Event()
        """Set when that address was tried, whether in vain or not."""
        self.task: asyncio.Task[None] | None = None

    def meet(self, address: Address) -> None:
        """Learn where the target is now."""
        self._address = address
        self._is_connecting = True
        self._news.set()
        self.settled.clear()
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        if self.task is None:
            self.task = asyncio.get_running_loop().create_task(self._maintain(), name=f"link to {self._target}")

    def send(self, number: int, message: Any, data: bytes) -> None:
        """Write a message, or let it wait for the connection, or lose it."""
        if self._transport is not None and not self._transport.is_closing():
            if self._transport.get_write_buffer_size() <= UNSENT_LIMIT_BYTES:
                self._transport.write(data)
            else:
                self._host.lose(self._host.name, self._target, message, number, "loss")
        elif self._is_connecting and len(self._waiting) < WAITING_LIMIT:
            self._waiting.append((number, message, data))
        else:
            self._host.lose(self._host.name, self._target, message, number, "down")

    def close(self) -> None:
        """Give up the connection and all attempts."""
        self.settled.set()
        if self.task is not None:
            self.task.cancel()
        if self._transport is not None:
            self._transport.abort()

    async def _maintain(self) -> None:
        loop = asyncio.get_running_loop()
        pause_seconds = FIRST_PAUSE_SECONDS
        while True:
            self._news.clear()
            began_seconds = loop.time()
            await self._connect_and_wait()
            if loop.time() - began_seconds > STEADY_SECONDS:
                pause_seconds = FIRST_PAUSE_SECONDS
            # Without chance in it, all nodes would knock at the same instant.
            await self._sleep(pause_seconds * random.uniform(0.5, 1.0))
            pause_seconds = min(2 * pause_seconds, LAST_PAUSE_SECONDS)

    async def _connect_and_wait(self) -> None:
        """Open the connection, if the target is there, and return when it is closed."""
        assert self._address is not None
        loop = asyncio.get_running_loop()
        closed: asyncio.Future[None] = loop.create_future()
        self._is_connecting = True
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                transport, _ = await loop.create_connection(lambda: _Watch(closed), *self._address)
        except OSError:
            transport = None
        if self._news.is_set():  # The address changed meanwhile: this one leads nowhere, and messages go on waiting.
            if transport is not None:
                transport.abort()
            return
        self._is_connecting = False
        self.settled.set()
        waiting, self._waiting = self._waiting, deque()
        if transport is None:
            for number, message, _ in waiting:
                self._host.lose(self._host.name, self._target, message, number, "down")
            return
        specification = self._host.specification
        hello = Hello(specification.token, specification.name, self._target)
        transport.write(frame(_hello_codec.encode(hello)))
        transport.writelines([data for _, _, data in waiting])
        self._transport = transport
        await closed

    async def _sleep(self, pause_seconds: float) -> None:
        try:
            async with asyncio.timeout(pause_seconds):
                await self._news.wait()
        except TimeoutError:
            pass


class _Watch(asyncio.Protocol):
    """Notices that a connection was closed. Nothing is ever received on one that goes out."""

    def __init__(self, closed: asyncio.Future[None]) -> None:
        self._closed = closed

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closed.done():
            self._closed.set_result(None)
