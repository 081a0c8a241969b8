"""A seeded simulation of nodes in virtual time: the protocol's real code, under faults, the same every time.

Theory of operation
-------------------
A heap holds what is to come, ordered by (time, sequence number), so the order is total: what was scheduled first comes
first at the same instant. The next event is taken, the clock jumps to it, and it happens in full before the next one is
looked at [1]_. Faults given by their time were scheduled before all else, so at one instant they come before messages
and timers. At time 0: first partitions, then the boots in the order of `nodes`, then the other faults.

*Stimuli.* A node takes a start, a message, a timer or a reading of its clock; the handler's effects apply in order, and
no other stimulus of that node comes between.

- A forced ``Save`` that takes time blocks the node: the effects behind it wait, and stimuli queue in the order of their
  arrival. Only its completion makes the value durable. A crash before it leaves the earlier value, and the effects
  behind it never happen. A save that takes no time costs no event. An unforced save is free, and a crash loses it.
- ``ReadClock`` reads the clock in its place among the effects. The reading is handed over once all effects of the step
  have applied, and before any other stimulus. (Were it handed over in the middle of the step, what its handler saves
  would be overwritten by an older value that the step saves behind it.) Several are handed over in order, and the
  effects that one leads to apply before the next.
- While a node is paused or blocked its stimuli queue. Afterwards they are taken in order at one instant, each an
  event of its own. A timer that expired in the queue can still be cancelled by what is taken before it.
- A crash ends a client's open operation as ``UNKNOWN``, so that no history has two open operations of one client.

*Network.* A message is lost if its link is cut when it is sent or when it would arrive (note "partition"), by
chance (note "loss"), or because its target is down when it arrives or crashes before handling it (note "down").

*Randomness.* Each source of chance (the latency, loss and copies of each link, the timers and the disk of each node,
each random fault) has a generator of its own, spawned from the seed by a key made of names [2]_. The n-th message on
a link takes the n-th latency, the n-th chance of a loss and the n-th chance of a copy, whatever becomes of it. So two
runs that differ in one thing share the draws of everything else: they are compared with common random numbers [3]_. A
run depends on nothing but its nodes, its options and its seed. That a seed brings back a whole distributed execution
with all its faults is what makes simulation a way to find mistakes, and not only to measure [4]_.

References
----------
.. [1] A. M. Law, *Simulation Modeling and Analysis*, 5th ed., McGraw-Hill 2015, section 1.3.
.. [2] P. L'Ecuyer, R. Simard, E. J. Chen, W. D. Kelton, "An object-oriented random-number package with many long
   streams and substreams", *Operations Research* 50(6), 2002.
.. [3] Law, section 11.2.
.. [4] J. Zhou et al., "FoundationDB: a distributed unbundled transactional key value store", SIGMOD 2021, section 4.

Examples
--------
>>> from dataclasses import dataclass, replace
>>> from distlib.node import Step
>>> @dataclass(frozen=True)
... class Pinger(Node[str, None]):
...     peer: str
...     answers: int = 0
...     def on_start(self, saved: None) -> Step["Pinger"]:
...         return self, (Send(self.peer, "ping"),)
...     def on_message(self, source: str, message: str) -> Step["Pinger"]:
...         return replace(self, answers=self.answers + 1), ()
>>> @dataclass(frozen=True)
... class Ponger(Node[str, None]):
...     def on_start(self, saved: None) -> Step["Ponger"]:
...         return self, ()
...     def on_message(self, source: str, message: str) -> Step["Ponger"]:
...         return self, (Send(source, "pong"),)
>>> run = simulate({"a": Pinger("b"), "b": Ponger()}, seed=1)
>>> print(run.trace)
  0.000000  a  start
  0.000000  a  send ping to b
  0.000000  b  start
  0.001000  b  receive ping from a
  0.001000  b  send pong to a
  0.002000  a  receive pong from b
>>> run.ended, run.nodes["a"].answers, run.counts.delivered
('quiet', 1, 2)

One fault, and the ping is gone:

>>> run = simulate({"a": Pinger("b"), "b": Ponger()}, seed=1, faults=[Lose("a", "b", number=1)])
>>> run.nodes["a"].answers, run.counts.lost_by_reason
(0, {'loss': 1})
"""

from __future__ import annotations

import hashlib
import json
import math
import operator
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from heapq import heappop, heappush
from itertools import count, repeat
from numbers import Integral
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np

from distlib.models.latency import Constant, Law, Uniform, require_law
from distlib.node import (
    CancelTimer,
    Complete,
    Effect,
    Effects,
    Invoke,
    Node,
    Outcome,
    ReadClock,
    Save,
    Send,
    SetTimer,
    World,
)
from distlib.runtimes.faults import (
    Clock,
    Crash,
    CrashAfterEffect,
    CrashRandomly,
    Delay,
    Fault,
    Link,
    Lose,
    Network,
    Partition,
    PartitionRandomly,
    Pause,
    PauseRandomly,
    Restart,
    nodes_of,
    pairs_between,
)
from distlib.runtimes.replication import ReplicationFailed, replicate
from distlib.runtimes.trace import Event, Kind, Trace

__all__ = [
    "Clock",
    "Counts",
    "Crash",
    "CrashAfterEffect",
    "CrashRandomly",
    "Delay",
    "Fault",
    "InvariantViolated",
    "Link",
    "Lose",
    "Network",
    "Partition",
    "PartitionRandomly",
    "Pause",
    "PauseRandomly",
    "ReplicationFailed",
    "Restart",
    "Run",
    "Simulation",
    "replicate",
    "simulate",
]

AnyNode: TypeAlias = Node[Any, Any]
Predicate: TypeAlias = Callable[[World], bool]
Draw: TypeAlias = Callable[[], float]
"""A source of chance: each call answers its next draw."""

_Entry: TypeAlias = tuple[float, int, Callable[..., None], Any, Any, Any]
"""What is to come: (time in seconds, sequence number, method of Simulation, its three arguments). Sequence numbers
differ, so a comparison never reaches the method."""

_Record: TypeAlias = tuple[float, Kind, str, Any, str | None, int | None, str, AnyNode | None]
"""An event of the trace without its number, which is its place: the fields of Event in order. Tuples are made several
times faster than events, and most are never looked at."""

# To look a member up in its class costs more than the rest of a record.
_SEND, _DELIVER = Kind.SEND, Kind.DELIVER

_HASHED_PER_CLASS = 100
"""How many messages and saved values of each class are tried for hashability. A field that cannot be hashed shows at
once, while to hash every save of a growing log would make the time of a run quadratic."""

_READINGS_AT_ONE_INSTANT = 10_000
"""How many readings of its clock a node may take before another stimulus. More can only be an endless loop."""

_NOTHING: Mapping[Any, Any] = MappingProxyType({})
_DEFAULT_NETWORK = Network()
_NO_LATENCY = Constant(0.0)


@dataclass(frozen=True)
class Counts:
    """How often things happened in a run. Every message sent or copied was delivered, was lost, or is in flight.

    Parameters
    ----------
    sent, delivered, lost, duplicated
        Messages. `sent` counts what nodes sent, `duplicated` the copies that the network made.
    forced_saves, unforced_saves
        Writes that completed; those that a crash cut short are in neither.
    timers
        Timers that fired.
    crashes
        Crashes of nodes that were up.
    sent_by_class
        `sent`, by the name of the message's class.
    lost_by_reason
        `lost`, by "loss", "partition" and "down".
    forced_saves_by_node
        `forced_saves`, by the name of the node.
    """

    sent: int
    delivered: int
    lost: int
    duplicated: int
    forced_saves: int
    unforced_saves: int
    timers: int
    crashes: int
    sent_by_class: Mapping[str, int]
    lost_by_reason: Mapping[str, int]
    forced_saves_by_node: Mapping[str, int]


@dataclass(frozen=True)
class Run:
    """What a simulation came to.

    Parameters
    ----------
    seed
        What it was run with.
    ended
        Why it ended: "quiet" if nothing was left to happen, "time" if `until_seconds` was reached, "events" if
        `max_events` had happened and more was to come.
    time_seconds
        True time at the end: of the last event, or `until_seconds` if that was reached.
    counts
        How often things happened.
    world
        The nodes, what they saved, the messages still in flight and the history, at the end.
    names
        The nodes, in the order in which they were given.
    """

    seed: int
    ended: Literal["quiet", "time", "events"]
    time_seconds: float
    counts: Counts
    world: World = field(repr=False)
    names: tuple[str, ...]
    _records: tuple[_Record, ...] = field(repr=False)

    @cached_property
    def trace(self) -> Trace:
        """Every event in order; empty if the simulation did not record. It is made when it is first asked for."""
        return _trace(self._records, self.names)

    @property
    def nodes(self) -> Mapping[str, AnyNode | None]:
        """The nodes by name, at the end; None for one that is down."""
        return self.world.nodes

    @property
    def saved(self) -> Mapping[str, Any]:
        """The durable values by name, at the end; None before the first forced save."""
        return self.world.saved

    @property
    def history(self) -> tuple[tuple[str, Invoke | Complete], ...]:
        """What the clients recorded, in order."""
        return self.world.history


def _trace(records: Sequence[_Record], names: tuple[str, ...]) -> Trace:
    return Trace(tuple(Event(number, *record) for number, record in enumerate(records)), names)


class InvariantViolated(AssertionError):
    """A predicate that had to hold after every event did not.

    Parameters
    ----------
    name
        Which one.
    time_seconds
        When, in true time.
    world
        What it saw.
    trace
        All events up to then; empty if the simulation did not record.
    """

    def __init__(self, name: str, time_seconds: float, world: World, trace: Trace) -> None:
        super().__init__(name, time_seconds, world, trace)
        self.name = name
        self.time_seconds = time_seconds
        self.world = world
        self.trace = trace

    def __str__(self) -> str:
        message = f"`{self.name}` does not hold at {self.time_seconds:.6f} s"
        if not self.trace:
            return f"{message} (run with record=True to see what led to it)"
        chain = Trace(tuple(self.trace.why(self.trace[-1])), self.trace.names)
        return f"{message}. What led to the last event:\n{chain}"


def _generator(seed: int, *key: str) -> np.random.Generator:
    """Return the generator of the source of chance that `key` names, the same in every process."""
    # JSON keeps ("ab", "c") and ("a", "bc") apart; hash() would differ from process to process.
    digest = hashlib.blake2b(json.dumps(key).encode(), digest_size=16).digest()
    words = tuple(int.from_bytes(digest[place : place + 4], "little") for place in range(0, 16, 4))
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=words)))


def _draws(law: Law, seed: int, *key: str) -> Draw:
    """Return a function that answers the next draw from `law`, out of the generator that `key` names."""
    if isinstance(law, Constant):
        return repeat(float(law.seconds)).__next__
    return _drawn_in_blocks(law, seed, key).__next__


def _drawn_in_blocks(law: Law, seed: int, key: tuple[str, ...]) -> Iterator[float]:
    # Nothing here runs before the first draw: a link that is never used costs no generator. Blocks grow, because a
    # call of a law costs as much as hundreds of draws, yet most links of a short run carry a few messages.
    generator = _generator(seed, *key)
    size = 8
    while True:
        block = np.asarray(law.rvs(size=size, random_state=generator), dtype=float)
        if block.shape != (size,) or not np.all((block >= 0) & (block < math.inf)):
            what = " ".join(key)
            raise ValueError(f"the law of {what} must draw finite seconds of at least 0, got {block!r} from {law!r}")
        yield from block.tolist()
        size = min(2 * size, 1024)


class _Host:
    """Where a node lives: everything about it that the node itself does not know."""

    __slots__ = (
        "blocked",
        "channels",
        "clock",
        "crash_points",
        "draw_save_seconds",
        "draw_timer_fraction",
        "effect_count",
        "epoch",
        "forced_saves",
        "initial",
        "invocation",
        "name",
        "next_crash",
        "node",
        "operating",
        "pauses",
        "queue",
        "rate",
        "readings",
        "saved",
        "suspended",
        "syncing",
        "timers",
    )

    def __init__(self, name: str, initial: AnyNode, clock: Clock, save_latency: Law, seed: int) -> None:
        self.name = name
        self.initial = initial
        self.node: AnyNode | None = None
        """None while it is down."""
        self.saved: Any = None
        """The durable value."""
        self.forced_saves = 0
        self.clock = clock
        self.rate = 1.0 + clock.drift
        self.draw_save_seconds = _draws(save_latency, seed, "save", name)
        self.draw_timer_fraction = _draws(Uniform(0.0, 1.0), seed, "timer", name)
        self.channels: dict[str, _Channel] = {}
        """The links out of it that were used or cut so far, by target."""
        self.timers: dict[Hashable, tuple[int, int | None]] = {}
        """Those that are set: the sequence number of the expiry, and the number of the SET_TIMER event."""
        self.readings: deque[tuple[Hashable, float, int | None]] = deque()
        """Readings of the clock that wait for the current step's effects: name, seconds, number of the stimulus."""
        self.epoch = 0
        """Grows with each crash; what was scheduled before is stale."""
        self.operating = False
        self.invocation: int | None = None
        """Whether a client's operation is open, and the number of its INVOKE event."""

        self.blocked = False
        """Whether stimuli queue: it is paused, waits for its disk, or has a queue to work off."""
        self.pauses = 0
        self.syncing = False
        self.suspended: tuple[Iterator[Effect], int | None] | None = None
        """The effects that wait for the disk, and the number of the stimulus that they came from."""
        self.queue: deque[tuple[Callable[..., None], Any, Any, Any]] = deque()
        """The stimuli that wait: method of Simulation and its arguments."""

        self.effect_count = 0
        self.crash_points: list[CrashAfterEffect] = []
        """Those still to come, last first."""
        self.next_crash = -1
        """Effect number of the next one; -1 if there is none."""

    def arm(self) -> None:
        """Look up the next crash point."""
        self.next_crash = self.crash_points[-1].effect_number if self.crash_points else -1


class _Channel:
    """A link in use: its generators, what is cut, and what is to happen to single messages."""

    __slots__ = (
        "cuts",
        "draw_copy",
        "draw_copy_latency",
        "draw_latency",
        "draw_loss",
        "last_arrival_seconds",
        "link",
        "plain",
        "sent",
        "source",
        "target",
        "targeted",
    )

    def __init__(self, source: str, target: _Host, link: Link, targeted: Sequence[Lose | Delay], seed: int) -> None:
        key = ("link", source, target.name)
        fraction = Uniform(0.0, 1.0)
        self.source = source
        self.target = target
        self.link = link
        self.draw_latency = _draws(link.latency, seed, *key, "latency")
        self.draw_loss = _draws(fraction, seed, *key, "loss")
        self.draw_copy = _draws(fraction, seed, *key, "copy")
        self.draw_copy_latency = _draws(link.latency, seed, *key, "latency of copies")
        self.cuts = 0
        """How many partitions cut it."""
        self.last_arrival_seconds = 0.0
        self.targeted = targeted
        self.sent: Counter[str | None] = Counter()
        """Messages sent so far by class, and in all under None; kept where a fault counts them."""
        # A link that only delays is by far the most common: it gets a short way through.
        self.plain = not (link.loss_probability or link.duplicate_probability or link.ordered or targeted)

    def singled_out(self, message: Any) -> tuple[bool, float]:
        """Count a message; return whether a fault loses it, and how many seconds faults add to its way."""
        if not self.targeted:
            return False, 0.0
        name = type(message).__name__
        self.sent[None] += 1
        self.sent[name] += 1
        hits = [
            fault
            for fault in self.targeted
            if fault.message_class in (None, name) and fault.number == self.sent[fault.message_class]
        ]
        extra_seconds = sum(fault.extra_seconds for fault in hits if isinstance(fault, Delay))
        return any(isinstance(fault, Lose) for fault in hits), extra_seconds

    def arrival(self, seconds: float) -> float:
        """Return when a message arrives that would get there at `seconds` if nothing were before it."""
        if self.link.ordered:
            seconds = self.last_arrival_seconds = max(seconds, self.last_arrival_seconds)
        return seconds


class Simulation:
    """A simulation that can be taken event by event. :func:`simulate` is the usual way in.

    Parameters
    ----------
    nodes, seed, network, faults, save_latency, clocks, always, record
        As for :func:`simulate`.

    Examples
    --------
    >>> from distlib.node import SetTimer
    >>> @dataclass(frozen=True)
    ... class Sleeper(Node[None, None]):
    ...     def on_start(self, saved):
    ...         return self, (SetTimer("alarm", (1.0, 1.0)),)
    ...     def on_message(self, source, message):
    ...         return self, ()
    ...     def on_timer(self, name):
    ...         return self, ()
    >>> simulation = Simulation({"a": Sleeper()}, seed=1)
    >>> simulation.step()
    >>> simulation.time_seconds, simulation.peek()
    (0.0, 1.0)
    >>> simulation.run(until_seconds=0.5).ended, simulation.time_seconds
    ('time', 0.5)
    >>> simulation.run().ended, simulation.peek()
    ('quiet', inf)
    """

    def __init__(
        self,
        nodes: Mapping[str, AnyNode],
        *,
        seed: int,
        network: Network = _DEFAULT_NETWORK,
        faults: Sequence[Fault] = (),
        save_latency: Law | Mapping[str, Law] = _NO_LATENCY,
        clocks: Mapping[str, Clock] = _NOTHING,
        always: Mapping[str, Predicate] = _NOTHING,
        record: bool = True,
    ) -> None:
        self._seed = _require_seed(seed)
        _require_nodes(nodes)
        _require_network(network, nodes)
        _require_clocks(clocks, nodes)
        _require_faults(faults, nodes)
        _require_predicates(always)
        latencies = _save_latencies(save_latency, nodes)

        self._network = network
        self._always = dict(always)
        self._time = 0.0
        self._heap: list[_Entry] = []
        self._sequence = count().__next__
        self._records: list[_Record] | None = [] if record else None
        self._history: list[tuple[str, Invoke | Complete]] = []
        self._sent: dict[type, int] = {}
        self._saved: dict[type, int] = {}
        self._lost: Counter[str] = Counter()
        self._delivered = self._duplicated = self._unforced_saves = self._timers = self._crashes = 0
        self._names = tuple(nodes)
        self._hosts = {
            name: _Host(name, node, clocks.get(name, Clock()), latencies.get(name, _NO_LATENCY), self._seed)
            for name, node in nodes.items()
        }
        self._targeted = [fault for fault in faults if isinstance(fault, Lose | Delay)]
        endless = CrashRandomly | PauseRandomly | PartitionRandomly
        self._endless = [fault for fault in faults if isinstance(fault, endless)]
        self._schedule(faults)

    # What it looks like from outside.

    @property
    def time_seconds(self) -> float:
        """True time now."""
        return self._time

    @property
    def world(self) -> World:
        """The nodes, what they saved, the messages in flight in the order of their sending, and the history, now."""
        hosts = self._hosts.values()
        # Messages that wait for a busy node left the heap before those still in it.
        waiting = [
            (channel.source, host.name, message)
            for host in hosts
            for action, channel, message, _ in host.queue
            if action is Simulation._deliver
        ]
        travelling = [entry for entry in self._heap if entry[2] is Simulation._arrive]
        travelling.sort(key=operator.itemgetter(1))
        return World(
            nodes={host.name: host.node for host in hosts},
            saved={host.name: host.saved for host in hosts},
            in_flight=(*waiting, *((entry[3].source, entry[3].target.name, entry[4]) for entry in travelling)),
            history=tuple(self._history),
        )

    @property
    def trace(self) -> Trace:
        """The events so far; empty if the simulation does not record."""
        return _trace(self._records or (), self._names)

    @property
    def counts(self) -> Counts:
        """How often things happened so far."""
        by_class: Counter[str] = Counter()
        for kind, number in self._sent.items():
            by_class[kind.__name__] += number
        forced = {host.name: host.forced_saves for host in self._hosts.values()}
        return Counts(
            sent=by_class.total(),
            delivered=self._delivered,
            lost=self._lost.total(),
            duplicated=self._duplicated,
            forced_saves=sum(forced.values()),
            unforced_saves=self._unforced_saves,
            timers=self._timers,
            crashes=self._crashes,
            sent_by_class=dict(by_class),
            lost_by_reason=dict(self._lost),
            forced_saves_by_node=forced,
        )

    def peek(self) -> float:
        """Return the time of the next event in seconds; infinity if nothing is left to happen."""
        heap = self._heap
        while heap and self._is_stale(heap[0]):
            heappop(heap)
        return heap[0][0] if heap else math.inf

    def step(self) -> None:
        """Let the next event happen, with everything that its handler asks for.

        Raises
        ------
        RuntimeError
            If nothing is left to happen.
        InvariantViolated
            If a predicate of `always` does not hold afterwards.
        """
        if self.peek() == math.inf:
            raise RuntimeError("nothing is left to happen: `peek()` answers infinity")
        self._time, _, action, first, second, third = heappop(self._heap)
        action(self, first, second, third)
        if self._always:
            self._check()

    def run(self, until_seconds: float | None = None, max_events: int = 1_000_000) -> Run:
        """Let events happen up to and including `until_seconds`, at most `max_events` of them, and return how it went.

        Raises
        ------
        ValueError
            If a bound is out of range, or `until_seconds` is missing although random faults never end.
        InvariantViolated
            If a predicate of `always` does not hold after an event.
        """
        limit = self._require_bounds(until_seconds, max_events)
        heap, always, arrive = self._heap, self._always, Simulation._arrive
        left = max_events
        # This is `step` over and over, with its calls taken out: they cost more than a tenth of the time of a run.
        while heap:
            entry = heappop(heap)
            if entry[2] is not arrive and self._is_stale(entry):
                continue
            if entry[0] > limit or not left:
                heappush(heap, entry)
                break
            left -= 1
            self._time, _, action, first, second, third = entry
            action(self, first, second, third)
            if always:
                self._check()
        ended: Literal["quiet", "time", "events"] = "quiet"
        if heap and heap[0][0] > limit:
            ended = "time"
            self._time = limit
        elif heap:
            ended = "events"
        records = tuple(self._records or ())
        return Run(self._seed, ended, self._time, self.counts, self.world, self._names, records)

    def _require_bounds(self, until_seconds: float | None, max_events: int) -> float:
        if not isinstance(max_events, Integral) or max_events < 1:
            raise ValueError(f"`max_events` must be a whole number of at least 1, got {max_events!r}")
        if until_seconds is None:
            if self._endless:
                raise ValueError(f"`until_seconds` must be given, because {self._endless[0]!r} never ends, got None")
            return math.inf
        if not self._time <= until_seconds < math.inf:
            raise ValueError(f"`until_seconds` must be finite and at least now ({self._time!r}), got {until_seconds!r}")
        return until_seconds

    # The heap.

    def _after(
        self, seconds: float, action: Callable[..., None], first: Any, second: Any = None, third: Any = None
    ) -> None:
        """Let a method of this class happen, with these arguments, so many seconds from now."""
        heappush(self._heap, (self._time + seconds, self._sequence(), action, first, second, third))

    def _is_stale(self, entry: _Entry) -> bool:
        """Tell whether an entry will not happen: its timer was cancelled, or its node crashed since."""
        _, _, action, host, name, token = entry
        if action is Simulation._expire:
            timer = host.timers.get(name)
            return timer is None or timer[0] != token
        return action in _OF_ONE_LIFE and token is not None and token != host.epoch

    def _schedule(self, faults: Sequence[Fault]) -> None:
        """Put on the heap what is known beforehand: partitions first, then boots, then the faults of nodes."""
        for fault in faults:
            if isinstance(fault, Partition):
                self._after(fault.at_seconds, Simulation._partition, fault.pairs(), fault.until_seconds)
            elif isinstance(fault, PartitionRandomly):
                key = ("partition", *sorted(fault.nodes))
                wait = _draws(fault.time_to_partition, self._seed, *key, "wait")
                hold = _draws(fault.time_to_heal, self._seed, *key, "hold")
                sides = _generator(self._seed, *key, "sides")
                self._after(wait(), Simulation._partition_randomly, (sorted(fault.nodes), sides), wait, hold)
        for host in self._hosts.values():
            self._after(0.0, Simulation._restart, host)
        for fault in faults:
            self._schedule_node_fault(fault)
        for host in self._hosts.values():
            host.crash_points.sort(key=lambda fault: fault.effect_number, reverse=True)
            host.arm()

    def _schedule_node_fault(self, fault: Fault) -> None:
        match fault:
            case Crash():
                self._after(fault.at_seconds, Simulation._crash, self._hosts[fault.node], fault.restart_after_seconds)
            case Restart():
                self._after(fault.at_seconds, Simulation._restart, self._hosts[fault.node])
            case Pause():
                self._after(fault.at_seconds, Simulation._pause, self._hosts[fault.node], fault.duration_seconds)
            case CrashAfterEffect():
                self._hosts[fault.node].crash_points.append(fault)
            case CrashRandomly():
                for name in fault.nodes:
                    wait = _draws(fault.time_to_failure, self._seed, "crash", name, "wait")
                    hold = _draws(fault.time_to_repair, self._seed, "crash", name, "hold")
                    self._after(wait(), Simulation._crash_randomly, self._hosts[name], wait, hold)
            case PauseRandomly():
                for name in fault.nodes:
                    wait = _draws(fault.time_to_pause, self._seed, "pause", name, "wait")
                    hold = _draws(fault.time_to_resume, self._seed, "pause", name, "hold")
                    self._after(wait(), Simulation._pause_randomly, self._hosts[name], wait, hold)
            case _:
                pass  # Faults of the network are dealt with elsewhere.

    # Stimuli: what calls a handler.

    def _restart(self, host: _Host, _: None = None, epoch: int | None = None) -> None:
        if host.node is not None:
            return
        host.node = host.initial
        effects, number = self._stimulate(host, "on_start", (host.saved,), Kind.START, host.saved)
        if host.next_crash == 0:
            self._crash_here(host)
        else:
            self._apply(host, iter(effects), number)

    def _arrive(self, channel: _Channel, message: Any, cause: int | None) -> None:
        host = channel.target
        if channel.cuts:
            self._lose(channel, message, cause, "partition")
        elif host.node is None:
            self._lose(channel, message, cause, "down")
        elif host.blocked:
            host.queue.append((Simulation._deliver, channel, message, cause))
        else:
            self._deliver(channel, message, cause)

    def _deliver(self, channel: _Channel, message: Any, cause: int | None) -> None:
        self._delivered += 1
        host = channel.target
        arguments = (channel.source, message)
        effects, number = self._stimulate(host, "on_message", arguments, _DELIVER, message, channel.source, cause)
        if effects:
            self._apply(host, iter(effects), number)

    def _expire(self, host: _Host, name: Hashable, token: int) -> None:
        if host.blocked:
            host.queue.append((Simulation._fire, host, name, token))
        else:
            self._fire(host, name, token)

    def _fire(self, host: _Host, name: Hashable, token: int) -> None:
        self._timers += 1
        _, cause = host.timers.pop(name)
        effects, number = self._stimulate(host, "on_timer", (name,), Kind.TIMER, name, None, cause)
        self._apply(host, iter(effects), number)

    def _stimulate(
        self,
        host: _Host,
        handler: str,
        arguments: tuple[Any, ...],
        kind: Kind,
        value: Any,
        peer: str | None = None,
        cause: int | None = None,
    ) -> tuple[Effects, int | None]:
        """Call a handler and take over its next node. Return its effects and the number of the stimulus's event."""
        before = host.node
        try:
            step = getattr(before, handler)(*arguments)
        except Exception as error:
            where = f"node {host.name!r}, {handler}, at {self._time:.6f} s, seed {self._seed}"
            error.add_note(f"in a simulation: {where}")
            raise
        if step.__class__ is not tuple or len(step) != 2 or step[1].__class__ is not tuple:
            raise TypeError(_not_a_step(host, handler, step))
        node, effects = step
        if node.__class__ is not before.__class__ and not isinstance(node, Node):
            raise TypeError(_not_a_step(host, handler, step))
        host.node = node
        records = self._records
        if records is None:
            return effects, None
        records.append((self._time, kind, host.name, value, peer, cause, "", node))
        return effects, len(records) - 1

    # Effects: what a handler asks for.

    def _apply(self, host: _Host, remaining: Iterator[Effect], cause: int | None) -> None:
        """Apply effects in order, then hand over the readings of the clock, until the node has to wait or crashes."""
        for _ in range(_READINGS_AT_ONE_INSTANT):
            for effect in remaining:
                if type(effect) is Send:
                    self._send(host, effect, cause)
                elif type(effect) is Save and effect.forced and (seconds := host.draw_save_seconds()) > 0:
                    self._begin_save(host, effect, seconds, remaining, cause)
                    return
                else:
                    apply = _APPLIERS.get(type(effect))
                    if apply is None:
                        raise TypeError(f"node {host.name!r}: a handler returned {effect!r}, which is not an effect")
                    apply(self, host, effect, cause)
                host.effect_count += 1
                if host.effect_count == host.next_crash:
                    self._crash_here(host)
                    return
            if not host.readings:
                return
            name, seconds, asked = host.readings.popleft()
            reading = (name, seconds)
            effects, cause = self._stimulate(host, "on_clock", reading, Kind.CLOCK, reading, None, asked)
            remaining = iter(effects)
        raise RuntimeError(
            f"node {host.name!r} read its clock {_READINGS_AT_ONE_INSTANT} times in a row without letting time pass"
        )

    def _send(self, host: _Host, effect: Send, cause: int | None) -> None:
        message = effect.message
        channel = host.channels.get(effect.target) or self._channel(host, effect.target)
        kind = message.__class__
        sent = self._sent[kind] = self._sent.get(kind, 0) + 1
        if sent <= _HASHED_PER_CLASS:
            _require_hashable(host, "message", message)
        records = self._records
        if records is not None:
            records.append((self._time, _SEND, host.name, message, effect.target, cause, "", None))
            cause = len(records) - 1
        if channel.plain and not channel.cuts:
            arrival = self._time + channel.draw_latency()
            heappush(self._heap, (arrival, self._sequence(), Simulation._arrive, channel, message, cause))
        else:
            self._transmit(channel, message, cause)

    def _transmit(self, channel: _Channel, message: Any, cause: int | None) -> None:
        """Send a message on its way, or not, over a link that does more than delay."""
        link = channel.link
        # Every message takes its draws, needed or not, so that one fault does not shift the luck of those that follow.
        seconds = channel.draw_latency()
        unlucky = link.loss_probability > 0 and channel.draw_loss() < link.loss_probability
        copied = link.duplicate_probability > 0 and channel.draw_copy() < link.duplicate_probability
        singled_out, extra_seconds = channel.singled_out(message)
        if channel.cuts:
            self._lose(channel, message, cause, "partition")
        elif unlucky or singled_out:
            self._lose(channel, message, cause, "loss")
        else:
            arrival = channel.arrival(self._time + seconds + extra_seconds)
            heappush(self._heap, (arrival, self._sequence(), Simulation._arrive, channel, message, cause))
            if copied:
                self._duplicated += 1
                self._record(Kind.DUPLICATE, channel.source, message, channel.target.name, cause)
                arrival = channel.arrival(self._time + channel.draw_copy_latency())
                heappush(self._heap, (arrival, self._sequence(), Simulation._arrive, channel, message, cause))

    def _lose(self, channel: _Channel, message: Any, cause: int | None, reason: str) -> None:
        self._lost[reason] += 1
        self._record(Kind.LOSE, channel.target.name, message, channel.source, cause, reason)

    def _save(self, host: _Host, effect: Save, cause: int | None) -> None:
        """Carry out a save that takes no time."""
        self._require_hashable_save(host, effect)
        if effect.forced:
            self._make_durable(host, effect, cause)
        else:
            self._unforced_saves += 1
            self._record(Kind.SAVE, host.name, effect.value, None, cause, "unforced")

    def _begin_save(
        self, host: _Host, effect: Save, seconds: float, remaining: Iterator[Effect], cause: int | None
    ) -> None:
        self._require_hashable_save(host, effect)
        host.blocked = host.syncing = True
        host.suspended = (remaining, cause)
        self._after(seconds, Simulation._complete_save, host, (effect, cause), host.epoch)

    def _complete_save(self, host: _Host, write: tuple[Save, int | None], epoch: int) -> None:
        host.syncing = False
        self._make_durable(host, *write)
        host.effect_count += 1
        if host.effect_count == host.next_crash:
            self._crash_here(host)
        elif not host.pauses:
            self._go_on(host)

    def _make_durable(self, host: _Host, effect: Save, cause: int | None) -> None:
        host.saved = effect.value
        host.forced_saves += 1
        self._record(Kind.SAVE, host.name, effect.value, None, cause)

    def _require_hashable_save(self, host: _Host, effect: Save) -> None:
        kind = effect.value.__class__
        saved = self._saved[kind] = self._saved.get(kind, 0) + 1
        if saved <= _HASHED_PER_CLASS:
            _require_hashable(host, "saved value", effect.value)

    def _set_timer(self, host: _Host, effect: SetTimer, cause: int | None) -> None:
        _require_hashable(host, "name of a timer", effect.name)
        self._cancel_timer(host, effect, cause)
        number = self._record(Kind.SET_TIMER, host.name, effect.name, None, cause)
        shortest, longest = effect.range_seconds
        # A duration that is certain takes no draw: heartbeats do not shift the draws of election timeouts.
        seconds = shortest if shortest == longest else shortest + host.draw_timer_fraction() * (longest - shortest)
        token = self._sequence()
        host.timers[effect.name] = (token, number)
        heappush(self._heap, (self._time + seconds / host.rate, token, Simulation._expire, host, effect.name, token))

    def _cancel_timer(self, host: _Host, effect: SetTimer | CancelTimer, cause: int | None) -> None:
        _require_hashable(host, "name of a timer", effect.name)
        if host.timers.pop(effect.name, None) is not None:
            self._record(Kind.CANCEL_TIMER, host.name, effect.name, None, cause)

    def _read_clock(self, host: _Host, effect: ReadClock, cause: int | None) -> None:
        host.readings.append((effect.name, host.rate * self._time + host.clock.skew_seconds, cause))

    def _invoke(self, host: _Host, effect: Invoke, cause: int | None) -> None:
        if host.operating:
            raise ValueError(f"node {host.name!r} invoked {effect.operation!r} before its open operation was complete")
        host.operating = True
        host.invocation = self._record(Kind.INVOKE, host.name, effect.operation, None, cause)
        self._history.append((host.name, effect))

    def _complete(self, host: _Host, effect: Complete, cause: int | None, note: str = "") -> None:
        if not host.operating:
            raise ValueError(f"node {host.name!r} returned {effect!r}, but has no open operation")
        host.operating = False
        self._record(Kind.COMPLETE, host.name, (effect.result, effect.outcome), None, host.invocation, note)
        self._history.append((host.name, effect))

    # Waiting: a node that is paused or waits for its disk.

    def _go_on(self, host: _Host) -> None:
        """Apply the effects that had to wait, then let the queue go."""
        if host.suspended is not None:
            suspended, host.suspended = host.suspended, None
            self._apply(host, *suspended)
        self._release(host)

    def _release(self, host: _Host) -> None:
        """Schedule the next stimulus that waits, or stop queueing if there is none."""
        if host.node is None or host.syncing:
            return
        if host.queue:
            # One event each, so that invariants are checked between them, and a pause may still come first.
            self._after(0.0, Simulation._drain, host, None, host.epoch)
        else:
            host.blocked = False

    def _drain(self, host: _Host, _: None, epoch: int) -> None:
        if host.pauses:
            return
        while host.queue:
            action, first, second, third = host.queue.popleft()
            # A timer that expired meanwhile may have been cancelled by what was taken before it.
            if action is Simulation._fire and host.timers.get(second, (None, None))[0] != third:
                continue
            action(self, first, second, third)
            break
        self._release(host)

    # Faults.

    def _crash(self, host: _Host, restart_after_seconds: float | None, _: None = None) -> None:
        if host.node is None:
            return
        if host.operating:
            self._complete(host, Complete(None, Outcome.UNKNOWN), None, "crash")
        self._crashes += 1
        self._record(Kind.CRASH, host.name)
        host.node = None
        host.epoch += 1
        host.timers.clear()
        host.readings.clear()
        host.blocked = host.syncing = False
        host.pauses = 0
        host.suspended = None
        for action, channel, message, cause in host.queue:
            if action is Simulation._deliver:
                self._lose(channel, message, cause, "down")
        host.queue.clear()
        if restart_after_seconds is not None:
            self._after(restart_after_seconds, Simulation._restart, host, None, host.epoch)

    def _crash_here(self, host: _Host) -> None:
        point = host.crash_points.pop()
        host.arm()
        self._crash(host, point.restart_after_seconds)

    def _pause(self, host: _Host, seconds: float, _: None = None) -> None:
        if host.node is None:
            return
        if not host.pauses:
            self._record(Kind.PAUSE, host.name)
        host.pauses += 1
        host.blocked = True
        self._after(seconds, Simulation._resume, host, None, host.epoch)

    def _resume(self, host: _Host, _: None, epoch: int) -> None:
        host.pauses -= 1
        if host.pauses:
            return
        self._record(Kind.RESUME, host.name)
        if not host.syncing:
            self._go_on(host)

    def _partition(self, pairs: frozenset[tuple[str, str]], until_seconds: float | None, _: None = None) -> None:
        for source, target in pairs:
            self._channel(self._hosts[source], target).cuts += 1
        self._record(Kind.PARTITION, "", pairs)
        if until_seconds is not None:
            heappush(self._heap, (until_seconds, self._sequence(), Simulation._heal, pairs, None, None))

    def _heal(self, pairs: frozenset[tuple[str, str]], _: None, __: None) -> None:
        channels = [self._hosts[source].channels[target] for source, target in pairs]
        for channel in channels:
            channel.cuts -= 1
        # What another partition still cuts does not carry again.
        healed = frozenset((channel.source, channel.target.name) for channel in channels if not channel.cuts)
        self._record(Kind.HEAL, "", healed)

    def _crash_randomly(self, host: _Host, wait: Draw, hold: Draw) -> None:
        seconds = hold()
        self._crash(host, seconds)
        # The timetable goes on even if the node was down already: it depends on the seed and on nothing else.
        self._after(seconds + wait(), Simulation._crash_randomly, host, wait, hold)

    def _pause_randomly(self, host: _Host, wait: Draw, hold: Draw) -> None:
        seconds = hold()
        self._pause(host, seconds)
        self._after(seconds + wait(), Simulation._pause_randomly, host, wait, hold)

    def _partition_randomly(self, split: tuple[list[str], np.random.Generator], wait: Draw, hold: Draw) -> None:
        names, generator = split
        seconds = hold()
        while True:
            side = generator.integers(0, 2, len(names)).tolist()
            if 0 < sum(side) < len(names):
                break
        groups = [{name for name, where in zip(names, side, strict=True) if where == each} for each in (0, 1)]
        self._partition(pairs_between(groups), self._time + seconds)
        self._after(seconds + wait(), Simulation._partition_randomly, split, wait, hold)

    # Help.

    def _record(
        self,
        kind: Kind,
        node: str,
        value: Any = None,
        peer: str | None = None,
        cause: int | None = None,
        note: str = "",
    ) -> int | None:
        """Append an event to the trace and return its number; None if the simulation does not record."""
        records = self._records
        if records is None:
            return None
        records.append((self._time, kind, node, value, peer, cause, note, None))
        return len(records) - 1

    def _channel(self, host: _Host, target: str) -> _Channel:
        """Return the link from a node to a target; make it the first time."""
        if target in host.channels:
            return host.channels[target]
        if target not in self._hosts:
            raise ValueError(f"node {host.name!r} sent a message to {target!r}, but the nodes are {list(self._names)}")
        targeted = [fault for fault in self._targeted if (fault.source, fault.target) == (host.name, target)]
        link = self._network.link(host.name, target)
        channel = host.channels[target] = _Channel(host.name, self._hosts[target], link, targeted, self._seed)
        return channel

    def _check(self) -> None:
        world = self.world
        for name, predicate in self._always.items():
            verdict = predicate(world)
            if not isinstance(verdict, bool | np.bool_):
                raise TypeError(f"`always[{name!r}]` must return True or False, got {verdict!r}")
            if not verdict:
                raise InvariantViolated(name, self._time, world, self.trace)


_APPLIERS: Mapping[type, Callable[..., None]] = {
    Save: Simulation._save,
    SetTimer: Simulation._set_timer,
    CancelTimer: Simulation._cancel_timer,
    ReadClock: Simulation._read_clock,
    Invoke: Simulation._invoke,
    Complete: Simulation._complete,
}

_OF_ONE_LIFE = frozenset({Simulation._complete_save, Simulation._drain, Simulation._resume, Simulation._restart})
"""What happens only if the node did not crash since it was scheduled; the third argument is its epoch then, or None for
any."""


def _require_seed(seed: int) -> int:
    if not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"`seed` must be a whole number of at least 0, got {seed!r}")
    return int(seed)


def _require_nodes(nodes: Mapping[str, AnyNode]) -> None:
    if not nodes:
        raise ValueError("`nodes` must hold at least one node, got none")
    for name, node in nodes.items():
        if not isinstance(name, str) or not name:
            raise TypeError(f"`nodes` must be named by strings that are not empty, got {name!r}")
        if not isinstance(node, Node):
            raise TypeError(f"`nodes[{name!r}]` must be a Node, got {node!r}")


def _require_known(argument: str, names: Iterable[str], nodes: Mapping[str, AnyNode]) -> None:
    for name in names:
        if name not in nodes:
            raise ValueError(f"{argument} must name nodes among {list(nodes)}, got {name!r}")


def _require_network(network: Network, nodes: Mapping[str, AnyNode]) -> None:
    if not isinstance(network, Network):
        raise TypeError(f"`network` must be a Network, such as Network(Link(Constant(0.01))), got {network!r}")
    for pair in network.links:
        _require_known("the links of `network`", pair, nodes)


def _require_clocks(clocks: Mapping[str, Clock], nodes: Mapping[str, AnyNode]) -> None:
    _require_known("`clocks`", clocks, nodes)
    for name, clock in clocks.items():
        if not isinstance(clock, Clock):
            raise TypeError(f"`clocks[{name!r}]` must be a Clock, such as Clock(skew_seconds=0.1), got {clock!r}")


def _require_faults(faults: Sequence[Fault], nodes: Mapping[str, AnyNode]) -> None:
    seen: set[str] = set()
    for fault in faults:
        _require_known(f"the fault {fault!r}", nodes_of(fault), nodes)
        # The draws of a random fault are named by what it does and to whom: a second of that name would copy the first.
        match fault:
            case CrashRandomly() | PauseRandomly():
                claims = [f"{type(fault).__name__} of {name!r}" for name in fault.nodes]
            case PartitionRandomly():
                claims = [f"PartitionRandomly of {list(nodes_of(fault))}"]
            case CrashAfterEffect():
                claims = [f"CrashAfterEffect of {fault.node!r} with effect_number {fault.effect_number}"]
            case _:
                claims = []
        for claim in claims:
            if claim in seen:
                raise ValueError(f"`faults` must hold at most one {claim}, got two")
            seen.add(claim)


def _require_predicates(always: Mapping[str, Predicate]) -> None:
    for name, predicate in always.items():
        if not callable(predicate):
            raise TypeError(f"`always[{name!r}]` must be a function of a World, got {predicate!r}")


def _save_latencies(save_latency: Law | Mapping[str, Law], nodes: Mapping[str, AnyNode]) -> dict[str, Law]:
    if not isinstance(save_latency, Mapping):
        return dict.fromkeys(nodes, require_law("save_latency", save_latency))
    _require_known("`save_latency`", save_latency, nodes)
    return {name: require_law(f"save_latency[{name!r}]", law) for name, law in save_latency.items()}


def _require_hashable(host: _Host, what: str, value: Any) -> None:
    try:
        hash(value)
    except TypeError as error:
        raise TypeError(f"node {host.name!r}: a {what} must be hashable, got {value!r} ({error})") from error


def _not_a_step(host: _Host, handler: str, step: object) -> str:
    return (
        f"node {host.name!r}: {handler} must return (node, effects), a Node and a tuple of effects such as "
        f"(Send('b', 1),), got {step!r}"
    )


def simulate(
    nodes: Mapping[str, AnyNode],
    *,
    seed: int,
    network: Network = _DEFAULT_NETWORK,
    faults: Sequence[Fault] = (),
    save_latency: Law | Mapping[str, Law] = _NO_LATENCY,
    clocks: Mapping[str, Clock] = _NOTHING,
    until_seconds: float | None = None,
    max_events: int = 1_000_000,
    always: Mapping[str, Predicate] = _NOTHING,
    record: bool = True,
) -> Run:
    """Run nodes in virtual time until nothing is left to happen, or a bound is reached.

    Parameters
    ----------
    nodes
        The initial nodes by name. They boot at time 0 in this order.
    seed
        A whole number of at least 0. The same nodes, options and seed give the same run.
    network
        The links between them. By default every message takes a millisecond and none is lost.
    faults
        What goes wrong. See :mod:`distlib.runtimes.faults`.
    save_latency
        Law of the time that a forced save takes, in seconds: for all nodes, or by name (others: 0).
    clocks
        The clocks of nodes whose clock is not true, by name.
    until_seconds
        The run ends after the events of this instant; None: when nothing is left to happen.
    max_events
        The run ends after so many events. A stimulus with its effects is one; so is a fault or the end of a save.
    always
        Predicates that must hold after every event, by name.
    record
        Whether to keep a trace. Without one a run is faster and takes less memory.

    Returns
    -------
    Run
        `Run.ended` says which of the three ends it was.

    Raises
    ------
    InvariantViolated
        If a predicate of `always` does not hold after an event.
    TypeError, ValueError
        If an option is out of its domain, or a node breaks the contract of :mod:`distlib.node`.
    """
    simulation = Simulation(
        nodes,
        seed=seed,
        network=network,
        faults=faults,
        save_latency=save_latency,
        clocks=clocks,
        always=always,
        record=record,
    )
    return simulation.run(until_seconds, max_events)
