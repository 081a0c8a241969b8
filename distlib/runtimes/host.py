"""One node over sockets: where its stimuli come from, and how its effects are carried out.

Theory of operation
-------------------
A :class:`Host` lives on an asyncio loop, alone in a process of its own or with others in one process. It takes *one
stimulus at a time* out of an inbox, calls the node's handler, and carries out the effects in order. Only a forced
`Save` waits: a thread writes the file, and neither the effects behind it nor the next stimulus go on before ``fsync``
has returned.

*Links.* To each node, itself included, there is one TCP connection for what goes out (:class:`_Outgoing`); what comes
in arrives on connections that the others opened (:class:`_Incoming`). A connection begins with a :class:`Hello`. What
is sent while a connection is being opened waits for the outcome. What is sent while there is none is lost ("down"): the
contract of :mod:`distlib.node` allows loss, and a queue without bound would hide it. Attempts are repeated with a
growing pause.

*Injected faults.* Loss, copies and cuts act where a message leaves; added latency and, once more, cuts act where it
arrives. So a delayed message is "in the network": it survives a crash of its sender, and over a link that is cut
nothing is delivered of what was on its way, up to the inbox.

*Strangers.* Whoever connects must know the cluster's token, a random number that goes with the addresses; without one,
a node that got the port of another would take its messages. Bytes that are no frame, no hello or no message of the
protocol close that connection, are reported as a :class:`Problem`, and touch nothing else.

*Reports.* Every event is reported *before* what it tells of can be seen from outside: a SEND is in the pipe to the
parent before its bytes are in the socket. A killed process thus leaves no effect without its event, though its last
event may be without an effect: a SEND that was not sent. (And a value may be on disk whose SAVE was not reported; the
START that follows shows it.)

The process (:func:`main`) reads its node and its commands, pickled, from an anonymous pipe that it inherits, and writes
its reports to another. No one but parent and child can hold these, so pickle is safe there. Nothing from a socket is
unpickled. When the command pipe ends, the parent is gone, and the process ends too.
"""

from __future__ import annotations

import asyncio
import math
import os
import pickle
import random
import secrets
import signal
import struct
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from io import BufferedReader
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, assert_never

import msgspec

from distlib.node import CancelTimer, Complete, Effects, Invoke, Node, ReadClock, Save, Send, SetTimer
from distlib.runtimes.storage import Storage
from distlib.runtimes.trace import Event, Kind
from distlib.runtimes.wire import MAXIMUM_FRAME_SIZE_BYTES, Codec, FrameReader, WireError, frame, to_bytes

if TYPE_CHECKING:
    from distlib.models.latency import Law

__all__ = ["Address", "Host", "LinkFaults", "Problem", "Report", "Specification", "main", "read_item", "write_item"]

Address: TypeAlias = tuple[str, int]
"""Internet address and port."""

NUMBERS_PER_STREAM = 1 << 40
"""Events are numbered ``stream * NUMBERS_PER_STREAM + sequence``: each boot of a node has a stream of its own, so
numbers never collide. The cluster numbers them anew when it merges the streams."""

INBOX_LIMIT = 1024
"""Stimuli that wait for the node before its sockets are not read any more, so that TCP slows the senders down."""
HELD_LIMIT = 10_000
"""Delayed messages that a host keeps; more are lost."""
WAITING_LIMIT = 1024
"""Messages that wait for one connection to open; more are lost."""
UNSENT_LIMIT_BYTES = 8 << 20
"""Bytes that a connection has not taken yet before further messages on it are lost."""
PROBLEM_LIMIT = 1000
"""Problems that a host reports; whoever sends garbage for hours must not fill the parent's memory."""
CONNECTION_LIMIT = 1024
"""Connections that a host accepts at a time."""

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
_envelope_decoder = msgspec.msgpack.Decoder(tuple[int, Any])
"""A message travels as the pair (number of its SEND event, packed message)."""


@dataclass(frozen=True)
class LinkFaults:
    """What is done to the messages of one direction between two nodes.

    Parameters
    ----------
    latency
        Seconds that are added to each message, or the law that they are drawn from.
    loss_probability, duplicate_probability
        As in :class:`distlib.runtimes.faults.Link`.
    ordered
        Whether a message waits for those before it when its latency is shorter.
    """

    latency: float | Law = 0.0
    loss_probability: float = 0.0
    duplicate_probability: float = 0.0
    ordered: bool = False


@dataclass(frozen=True)
class Specification:
    """All that a host is made from, sent to its process as one value.

    Parameters
    ----------
    name, node
        The node in its initial state, and what it is called.
    names
        All nodes of the cluster.
    messages, saved
        Type annotations: what goes over the network, and what this node makes durable.
    stream
        Number of this boot among all boots of the cluster's nodes, from 1.
    folder
        Where its durable value lives.
    token
        What tells the nodes of this cluster from strangers.
    internet_address
        Where it listens, on a port that the system chooses.
    outgoing, incoming
        Faults of the links to and from each node.
    cut
        The (source, target) pairs that carry nothing.
    skew_seconds, drift
        Of its clock, as in :class:`distlib.runtimes.faults.Clock`.
    seed
        Of its timers and of what befalls its messages.
    maximum_frame_size_bytes
        The largest message that is sent or accepted.
    effects_to_live
        After how many effects it crashes; None: it does not.
    """

    name: str
    node: Node[Any, Any]
    names: tuple[str, ...]
    messages: Any
    saved: Any
    stream: int
    folder: str
    token: str
    internet_address: str
    outgoing: Mapping[str, LinkFaults]
    incoming: Mapping[str, LinkFaults]
    cut: frozenset[tuple[str, str]]
    skew_seconds: float
    drift: float
    seed: str
    maximum_frame_size_bytes: int = MAXIMUM_FRAME_SIZE_BYTES
    effects_to_live: int | None = None


@dataclass(frozen=True)
class Problem:
    """Something that went wrong outside of what protocols and traces have words for.

    Parameters
    ----------
    time_seconds
        When, since the start of the cluster.
    node
        Where.
    during
        What was being done: the stimulus that was handled, or the connection that was read.
    error
        What went wrong.
    fatal
        Whether it stopped the node. Otherwise it closed one connection.
    details
        The traceback, where there is one.
    """

    time_seconds: float
    node: str
    during: str
    error: str
    fatal: bool
    details: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"{self.node}, at {self.time_seconds:.6f} s, during {self.during}: {self.error}"


Report: TypeAlias = Event | Problem


@dataclass(frozen=True, slots=True)
class _Boot:
    """The stimulus of a start."""

    saved: Any


@dataclass(frozen=True, slots=True)
class _Arrival:
    """The stimulus of a message, with the number of its SEND."""

    source: str
    message: Any
    cause: int


@dataclass(frozen=True, slots=True)
class _Expiry:
    """The stimulus of a timer, with the number of its SET_TIMER."""

    name: Hashable
    cause: int


_Stimulus: TypeAlias = _Boot | _Arrival | _Expiry


class _Killed(Exception):
    """The crash that was asked for has come, and the host shares its process."""


class Host:
    """Runs one node on the current asyncio loop.

    Parameters
    ----------
    specification
        What it is made from.
    report
        Takes events and problems as they come.
    ended
        Called once with a note when the host stops by itself: a handler failed, or the effect has come after which it
        was to crash. For a crash in a process of its own it must not return.
    """

    def __init__(
        self,
        specification: Specification,
        report: Callable[[list[Report]], None],
        ended: Callable[[str], None],
    ) -> None:
        self.specification = specification
        self.name = specification.name
        self._report = report
        self._ended = ended
        self._reports: list[Report] = []
        self._problem_count = 0
        self._sequence = 0
        self._origin_nanoseconds: int | None = None
        self._random = random.Random(specification.seed)
        self._laws_generator: Any = None

        self._node = specification.node
        self._message_codec = Codec(specification.messages)
        self._saved_codec = Codec(specification.saved)
        self._inbox: asyncio.Queue[_Stimulus] = asyncio.Queue()
        self._running = asyncio.Event()
        self._running.set()
        self._timers: dict[Hashable, tuple[asyncio.TimerHandle, int]] = {}
        self._readings: deque[tuple[Hashable, float, int]] = deque()
        self._operation: int | None = None
        """Number of the INVOKE event of the open operation."""
        self._effects_to_live = specification.effects_to_live
        """How many more effects apply before a crash that was asked for."""

        self._unforced: list[Any] = []
        """The value of an unforced save that is not on disk, if there is one."""
        self._disk = ThreadPoolExecutor(1, thread_name_prefix=f"disk of {self.name}")

        self._outgoing = {target: _Outgoing(self, target) for target in specification.names}
        self._incoming: set[_Incoming] = set()
        self._incoming_faults = dict(specification.incoming)
        self._last_arrival_seconds: dict[str, float] = {}
        self._held: set[asyncio.TimerHandle] = set()
        self._cut = specification.cut
        self._stalled: list[asyncio.Transport] = []
        self._server: asyncio.Server | None = None
        self._worker: asyncio.Task[None] | None = None
        self._is_over = False

    # -- life

    async def open(self) -> Address:
        """Read what is durable, begin to listen, and return the address.

        Raises
        ------
        StorageError, WireError
            If the durable value cannot be trusted, or is not of the node's type.
        """
        self._loop = asyncio.get_running_loop()
        self._storage = Storage(self.specification.folder)
        data = self._storage.load()
        self._saved = None if data is None else self._saved_codec.decode(data)
        self._server = await self._loop.create_server(lambda: _Incoming(self), self.specification.internet_address, 0)
        internet_address, port = self._server.sockets[0].getsockname()[:2]
        return str(internet_address), int(port)

    async def meet(self, addresses: Mapping[str, Address], origin_nanoseconds: int) -> None:
        """Learn where other nodes are now, and when the time of the trace began; return when each was tried once."""
        self._origin_nanoseconds = origin_nanoseconds
        for target, address in addresses.items():
            self._outgoing[target].meet(address)
        await asyncio.gather(*(self._outgoing[target].settled.wait() for target in addresses))

    def boot(self) -> None:
        """Start the node."""
        self._worker = self._loop.create_task(self._work(), name=f"node {self.name}")

    def cut(self, pairs: frozenset[tuple[str, str]]) -> None:
        """Let exactly these (source, target) pairs carry nothing."""
        self._cut = pairs

    def delay(self, source: str, latency: float | Law) -> None:
        """Add so much latency to the messages from `source`, from now on."""
        self._incoming_faults[source] = replace(self._incoming_faults[source], latency=latency)

    def pause(self) -> None:
        """Handle no stimulus until `resume`."""
        self._running.clear()

    def resume(self) -> None:
        """Handle stimuli again."""
        self._running.set()

    def die_after(self, effect_count: int) -> None:
        """Crash as soon as so many more effects have applied."""
        self._effects_to_live = effect_count

    async def close(self) -> None:
        """Stop in good order: what was saved without force reaches the disk."""
        self.abort()
        await self._drain()
        try:
            if self._unforced:
                self._storage.save(self._saved_codec.encode(self._unforced[0]))
        except OSError as error:
            self.complain("stop", error)
        self._flush()

    async def crash(self) -> None:
        """Stop as a crash does, within the process: nothing more is written but what the disk has already begun."""
        self.abort()
        await self._drain()

    def abort(self) -> None:
        """Let go of every socket and timer, and of the node."""
        self._is_over = True
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._incoming):
            connection.abort()
        for link in self._outgoing.values():
            link.close()
        for handle in (*self._held, *(handle for handle, _ in self._timers.values())):
            handle.cancel()
        if self._worker is not None and self._worker is not asyncio.current_task():
            self._worker.cancel()

    async def _drain(self) -> None:
        """Wait until every task and the disk's thread have ended."""
        tasks = [link.task for link in self._outgoing.values() if link.task is not None]
        if self._worker is not None and self._worker is not asyncio.current_task():
            tasks.append(self._worker)
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(self._disk.shutdown)
        # A transport closes its socket one turn of the loop after it was aborted.
        await asyncio.sleep(0)

    # -- reports

    def now_seconds(self) -> float:
        """Return the time since the start of the cluster; 0 before it."""
        if self._origin_nanoseconds is None:
            return 0.0
        return (time.monotonic_ns() - self._origin_nanoseconds) / 1e9

    def record(
        self,
        kind: Kind,
        value: Any = None,
        *,
        node: str | None = None,
        peer: str | None = None,
        cause: int | None = None,
        note: str = "",
        state: Node[Any, Any] | None = None,
        time_seconds: float | None = None,
    ) -> int:
        """Put an event into the next report, and return its number."""
        number = self.specification.stream * NUMBERS_PER_STREAM + self._sequence
        self._sequence += 1
        time_seconds = self.now_seconds() if time_seconds is None else time_seconds
        self._reports.append(Event(number, time_seconds, kind, node or self.name, value, peer, cause, note, state))
        return number

    def lose(
        self, source: str, target: str, message: Any, cause: int, why: Literal["loss", "partition", "down"]
    ) -> None:
        """Record that a message will never arrive."""
        self.record(Kind.LOSE, message, node=target, peer=source, cause=cause, note=why)

    def complain(self, during: str, error: BaseException | str, *, fatal: bool = False) -> None:
        """Report a problem."""
        self._problem_count += 1
        if self._problem_count > PROBLEM_LIMIT and not fatal:
            return
        if self._problem_count == PROBLEM_LIMIT and not fatal:
            error = f"{error} (further problems of this node are not reported)"
        text, details = str(error), ""
        if isinstance(error, BaseException):
            text = f"{type(error).__name__}: {error}"
            details = "".join(traceback.format_exception(error))
        self._reports.append(Problem(self.now_seconds(), self.name, during, text, fatal, details))
        self._flush()

    def _flush(self) -> None:
        """Report what was recorded. It comes before anything that others could see of it."""
        if self._reports:
            reports, self._reports = self._reports, []
            self._report(reports)

    # -- the node

    async def _work(self) -> None:
        """Take one stimulus after another until the host ends."""
        stimulus: _Stimulus = _Boot(self._saved)
        try:
            while True:
                await self._running.wait()
                await self._take(stimulus)
                self._flush()
                if self._stalled and self._inbox.qsize() < INBOX_LIMIT // 2:
                    self._read_again()
                stimulus = await self._inbox.get()
        except _Killed:
            self._ended("killed after an effect")
            self.abort()
        except Exception as error:
            self.abort()
            self.complain(_tell(stimulus), error, fatal=True)
            self._ended(f"{type(error).__name__}: {error}")

    async def _take(self, stimulus: _Stimulus) -> None:
        """Hand a stimulus to the node and carry out what it answers."""
        time_seconds = self.now_seconds()
        handle: Callable[[], Any]
        match stimulus:
            case _Boot(saved):
                kind, value, peer, cause = Kind.START, saved, None, None
                handle = partial(self._node.on_start, saved)
            case _Arrival(source, message, send):
                if (source, self.name) in self._cut:
                    return self.lose(source, self.name, message, send, "partition")
                kind, value, peer, cause = Kind.DELIVER, message, source, send
                handle = partial(self._node.on_message, source, message)
            case _Expiry(name, set_timer):
                if self._timers.get(name, (None, None))[1] != set_timer:
                    return  # It was cancelled or set again while it waited for its turn.
                del self._timers[name]
                kind, value, peer, cause = Kind.TIMER, name, None, set_timer
                handle = partial(self._node.on_timer, name)
            case _:
                assert_never(stimulus)
        await self._carry_out(handle, kind, value, peer, cause, time_seconds)
        while self._readings:
            name, reading_seconds, cause = self._readings.popleft()
            handle = partial(self._node.on_clock, name, reading_seconds)
            await self._carry_out(handle, Kind.CLOCK, (name, reading_seconds), None, cause, self.now_seconds())

    async def _carry_out(
        self,
        handle: Callable[[], Any],
        kind: Kind,
        value: Any,
        peer: str | None,
        cause: int | None,
        time_seconds: float,
    ) -> None:
        """Call a handler, record its stimulus with the node that it led to, and apply its effects."""
        try:
            effects = self._adopt(handle())
        except Exception:
            self.record(kind, value, peer=peer, cause=cause, time_seconds=time_seconds)
            raise
        number = self.record(kind, value, peer=peer, cause=cause, time_seconds=time_seconds, state=self._node)
        await self._apply(effects, number)

    def _adopt(self, step: Any) -> Effects:
        """Make the next node of a step the current one, and return the effects."""
        if (
            not isinstance(step, tuple)
            or len(step) != 2
            or not isinstance(step[0], Node)
            or not isinstance(step[1], tuple)
        ):
            raise TypeError(f"a handler must return (node, tuple of effects), got {step!r}")
        self._node = step[0]
        return step[1]

    async def _apply(self, effects: Effects, cause: int) -> None:
        """Carry out effects in order."""
        for effect in effects:
            match effect:
                case Send():
                    self._send(effect, cause)
                case Save():
                    await self._save(effect, cause)
                case SetTimer():
                    self._set_timer(effect, cause)
                case CancelTimer():
                    self._cancel_timer(effect.name, cause)
                case ReadClock():
                    reading = (1.0 + self.specification.drift) * self.now_seconds() + self.specification.skew_seconds
                    self._readings.append((effect.name, reading, cause))
                case Invoke():
                    self._operation = self.record(Kind.INVOKE, effect.operation, cause=cause)
                case Complete():
                    invocation = cause if self._operation is None else self._operation
                    self.record(Kind.COMPLETE, (effect.result, effect.outcome), cause=invocation)
                    self._operation = None
                case _:
                    raise TypeError(f"an effect must be one of distlib.node, got {effect!r}")
            if self._effects_to_live is not None:
                self._effects_to_live -= 1
                if self._effects_to_live <= 0:
                    self._flush()
                    raise _Killed

    async def _save(self, effect: Save, cause: int) -> None:
        data = self._saved_codec.encode(effect.value)
        if not effect.forced:
            self._unforced = [effect.value]
            self.record(Kind.SAVE, effect.value, cause=cause, note="unforced")
            return
        # What came before must be known even if the crash comes while the disk works.
        self._flush()
        # This value stands for all before it: an earlier one must not follow it to the disk when the host closes.
        self._unforced = []
        await self._loop.run_in_executor(self._disk, self._storage.save, data)
        self.record(Kind.SAVE, effect.value, cause=cause)

    def _set_timer(self, effect: SetTimer, cause: int) -> None:
        self._cancel_timer(effect.name, cause)
        duration_seconds = self._random.uniform(*effect.range_seconds) / (1.0 + self.specification.drift)
        number = self.record(Kind.SET_TIMER, effect.name, cause=cause)
        expiry = _Expiry(effect.name, number)
        self._timers[effect.name] = self._loop.call_later(duration_seconds, self._inbox.put_nowait, expiry), number

    def _cancel_timer(self, name: Hashable, cause: int) -> None:
        if name in self._timers:
            handle, _ = self._timers.pop(name)
            handle.cancel()
            self.record(Kind.CANCEL_TIMER, name, cause=cause)

    # -- messages out

    def _send(self, effect: Send, cause: int) -> None:
        if effect.target not in self._outgoing:
            raise ValueError(f"`target` must be one of {', '.join(self.specification.names)}, got {effect.target!r}")
        packed = self._message_codec.pack(effect.message)
        number = self.record(Kind.SEND, effect.message, peer=effect.target, cause=cause)
        data = frame(to_bytes((number, packed)), self.specification.maximum_frame_size_bytes)
        faults = self.specification.outgoing[effect.target]
        copies = 1
        if (self.name, effect.target) in self._cut:
            return self.lose(self.name, effect.target, effect.message, number, "partition")
        if self._random.random() < faults.loss_probability:
            return self.lose(self.name, effect.target, effect.message, number, "loss")
        if self._random.random() < faults.duplicate_probability:
            self.record(Kind.DUPLICATE, effect.message, peer=effect.target, cause=number)
            copies = 2
        self._flush()
        for _ in range(copies):
            self._outgoing[effect.target].send(number, effect.message, data)

    # -- messages in

    def arrive(self, source: str, message: Any, cause: int) -> None:
        """Take a message off a socket: the added latency begins."""
        faults = self._incoming_faults[source]
        now_seconds = self._loop.time()
        at_seconds = now_seconds + self._draw(faults.latency)
        if faults.ordered:
            # Strictly after the one before: the loop does not keep the order of timers that are due at one instant.
            at_seconds = max(at_seconds, math.nextafter(self._last_arrival_seconds.get(source, 0.0), math.inf))
            self._last_arrival_seconds[source] = at_seconds
        if at_seconds <= now_seconds and not faults.ordered:
            self._inbox.put_nowait(_Arrival(source, message, cause))
        elif len(self._held) >= HELD_LIMIT:
            self.lose(source, self.name, message, cause, "loss")
        else:
            self._hold(at_seconds, source, message, cause)

    def _hold(self, at_seconds: float, source: str, message: Any, cause: int) -> None:
        def release() -> None:
            self._held.discard(handle)
            self._inbox.put_nowait(_Arrival(source, message, cause))

        handle = self._loop.call_at(at_seconds, release)
        self._held.add(handle)

    def _draw(self, latency: float | Law) -> float:
        if isinstance(latency, int | float):
            return latency
        if self._laws_generator is None:
            import numpy  # A process that draws from no law starts without it, in a fraction of the time.

            self._laws_generator = numpy.random.default_rng(self._random.getrandbits(128))
        return float(latency.rvs(size=1, random_state=self._laws_generator)[0])

    def accept(self, connection: _Incoming) -> bool:
        """Take note of a connection, unless there are too many."""
        if self._is_over or len(self._incoming) >= CONNECTION_LIMIT:
            return False
        self._incoming.add(connection)
        return True

    def forget(self, connection: _Incoming) -> None:
        """Take note that a connection is closed."""
        self._incoming.discard(connection)

    def stall(self, transport: asyncio.Transport) -> None:
        """Stop reading a connection while the inbox is full."""
        if self._inbox.qsize() >= INBOX_LIMIT and transport.is_reading():
            transport.pause_reading()
            self._stalled.append(transport)

    def _read_again(self) -> None:
        stalled, self._stalled = self._stalled, []
        for transport in stalled:
            if not transport.is_closing():
                transport.resume_reading()

    def envelope(self, payload: bytes) -> tuple[int, Any]:
        """Return (number of the SEND, message) of a frame. Raises WireError if it is none."""
        try:
            cause, packed = _envelope_decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, TypeError, RecursionError) as error:
            raise WireError(f"not a message: {error}") from error
        return cause, self._message_codec.unpack(packed)


def _tell(stimulus: _Stimulus) -> str:
    match stimulus:
        case _Boot(saved):
            return f"start from {saved!r}" if saved is not None else "start"
        case _Arrival(source, message, _):
            return f"receive {message!r} from {source}"
        case _Expiry(name, _):
            return f"timer {name!r}"
        case _:
            assert_never(stimulus)


# -------------------------------------------------------------------------------------------------------- connections


class _Incoming(asyncio.Protocol):
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


class _Outgoing:
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


# --------------------------------------------------------------------------------------------------------- the process


_LENGTH = struct.Struct(">Q")


def write_item(descriptor: int, item: Any) -> None:
    """Write a pickled value to an anonymous pipe between parent and child."""
    data = pickle.dumps(item, pickle.HIGHEST_PROTOCOL)
    rest = memoryview(_LENGTH.pack(len(data)) + data)
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
        write_item(report_descriptor, ("failed", f"{type(error).__name__}: {error}", text))
    sys.stdout.flush()
    # The thread that reads commands may hold the lock of its pipe, which an orderly exit of the interpreter would want.
    os._exit(0)


async def _live(specification: Specification, commands: BufferedReader, report_descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    items: asyncio.Queue[Any] = asyncio.Queue()

    def report(reports: list[Report]) -> None:
        write_item(report_descriptor, ("observed", reports))

    def ended(note: str) -> None:
        # A crash must be one: no buffer is flushed, no socket is closed in good order.
        write_item(report_descriptor, ("ended", note))
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
    write_item(report_descriptor, ("ready", await host.open()))
    threading.Thread(target=listen, name="commands", daemon=True).start()
    while True:
        number, command, arguments = await items.get()
        result = getattr(host, command)(*arguments)
        if asyncio.iscoroutine(result):
            await result
        if command == "close":
            write_item(report_descriptor, ("closed",))
            break
        write_item(report_descriptor, ("done", number))


def loop_error(context: Mapping[str, Any]) -> BaseException | str:
    """Return what an asyncio loop complains about."""
    error = context.get("exception")
    return error if isinstance(error, BaseException) else str(context.get("message"))
