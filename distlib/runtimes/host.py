"""One node over sockets: where its stimuli come from, and how its effects are carried out.

Theory of operation
-------------------
A :class:`Host` lives on an asyncio loop, alone in a process of its own or with others in one process. It takes *one
stimulus at a time* out of an inbox, calls the node's handler, and carries out the effects in order. Only a forced
`Save` waits: a thread writes the file, and neither the effects behind it nor the next stimulus go on before ``fsync``
has returned.

*Connections* are those of :mod:`distlib.runtimes.connections`. What a stranger sends, or what no message is made of,
closes a connection, is reported as a :class:`Problem`, and touches nothing else.

*Injected faults.* Loss, copies and cuts act where a message leaves; added latency and, once more, cuts act where it
arrives. So a delayed message is "in the network": it survives a crash of its sender, and over a link that is cut
nothing is delivered of what was on its way, up to the inbox.

*Reports.* Every event is reported *before* what it tells of can be seen from outside: a SEND is in the pipe to the
parent before its bytes are in the socket. A killed process thus leaves no effect without its event, though its last
event may be without an effect: a SEND that was not sent. (And a value may be on disk whose SAVE was not reported; the
START that follows shows it.)
"""

from __future__ import annotations

import asyncio
import math
import random
import time
import traceback
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, assert_never

import msgspec

from distlib.node import CancelTimer, Complete, Effects, Invoke, Node, ReadClock, Save, Send, SetTimer
from distlib.runtimes.connections import Address, Incoming, Outgoing
from distlib.runtimes.storage import Storage
from distlib.runtimes.trace import Event, Kind
from distlib.runtimes.wire import MAXIMUM_FRAME_SIZE_BYTES, Codec, WireError, frame, to_bytes

if TYPE_CHECKING:
    from distlib.models.latency import Law

__all__ = ["Host", "LinkFaults", "Problem", "Report", "Specification"]

NUMBERS_PER_BOOT = 1 << 40
"""Events are numbered ``boot_number * NUMBERS_PER_BOOT + sequence``, so that no two of a cluster have the same number.
They are numbered anew when they are merged into a trace."""

INBOX_LIMIT = 1024
"""Stimuli that wait for the node before its sockets are not read any more, so that TCP slows the senders down."""
HELD_LIMIT = 10_000
"""Delayed messages that a host keeps; more are lost."""
PROBLEM_LIMIT = 1000
"""Problems that a host reports; whoever sends garbage for hours must not fill the parent's memory."""
CONNECTION_LIMIT = 1024
"""Connections that a host accepts at a time."""

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
    boot_number
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
    boot_number: int
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

        self._unforced: bytes | None = None
        """The value of an unforced save that is not on disk."""
        self._disk = ThreadPoolExecutor(1, thread_name_prefix=f"disk of {self.name}")

        self._outgoing = {target: Outgoing(self, target) for target in specification.names}
        self._incoming: set[Incoming] = set()
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
        self._server = await self._loop.create_server(lambda: Incoming(self), self.specification.internet_address, 0)
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
            if self._unforced is not None:
                self._storage.save(self._unforced)
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
        number = self.specification.boot_number * NUMBERS_PER_BOOT + self._sequence
        self._sequence += 1
        time_seconds = self.now_seconds() if time_seconds is None else time_seconds
        self._reports.append(Event(number, time_seconds, kind, node or self.name, value, peer, cause, note, state))
        return number

    def lose(
        self, source: str, target: str, message: Any, cause: int, why: Literal["loss", "partition", "down"]
    ) -> None:
        """Record that a message will never arrive."""
        self.record(Kind.LOSE, message, node=target, peer=source, cause=cause, note=why)
        self._flush()

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
                if not self._inbox.empty():
                    await asyncio.sleep(0)  # The other nodes on this loop have their turn.
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
            self._unforced = data
            self.record(Kind.SAVE, effect.value, cause=cause, note="unforced")
            return
        # What came before must be known even if the crash comes while the disk works.
        self._flush()
        # This value stands for all before it: an earlier one must not follow it to the disk when the host closes.
        self._unforced = None
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

    def accept(self, connection: Incoming) -> bool:
        """Take note of a connection, unless there are too many."""
        if self._is_over or len(self._incoming) >= CONNECTION_LIMIT:
            return False
        self._incoming.add(connection)
        return True

    def forget(self, connection: Incoming) -> None:
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


def loop_error(context: Mapping[str, Any]) -> BaseException | str:
    """Return what an asyncio loop complains about."""
    error = context.get("exception")
    return error if isinstance(error, BaseException) else str(context.get("message"))
