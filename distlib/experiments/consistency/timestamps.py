"""Logical clocks on the bench: processes that talk, surroundings that let things happen, and any trace with its clocks.

:func:`stamp_trace` gives the events of any trace the stamps that a clock would have given them: a run of two-phase
commit, of Raft, of whatever the book has. What happened before what comes from
:class:`~distlib.checkers.happened_before.CausalOrder`, which knows no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from distlib.checkers.happened_before import EVENTS
from distlib.models.latency import Constant, Exponential, Law
from distlib.node import Node, Send, Step
from distlib.protocols.consistency.hybrid_logical_clock import HybridClock
from distlib.protocols.consistency.timestamps import (
    CausalHistory,
    Clock,
    Errand,
    Happen,
    LamportClock,
    Process,
    Tell,
    VectorClock,
    concurrent,
)
from distlib.runtimes.faults import Clock as Hardware
from distlib.runtimes.faults import Link, Network
from distlib.runtimes.network import Cluster
from distlib.runtimes.simulation import Simulation, simulate
from distlib.runtimes.trace import Kind, Trace

__all__ = [
    "Source",
    "chatter",
    "counts_of_unlinked",
    "Once",
    "is_concurrent",
    "lead_seconds",
    "measure_stamps",
    "small",
    "stamp_trace",
    "told_stamps",
    "write_stamp",
]

Nodes = Mapping[str, Node[Any, Any]]


def stamp_trace(
    trace: Trace,
    clock: Callable[[str], Clock],
    *,
    kinds: Collection[Kind] = EVENTS,
    hardware: Mapping[str, Hardware] | None = None,
) -> dict[int, Any]:
    """Return the stamp that a clock gives to each event of a trace, by the event's number.

    Parameters
    ----------
    trace
        Of any protocol.
    clock
        Makes the clock of a node from its name, such as :class:`LamportClock`.
    kinds
        Which events count.
    hardware
        Physical clocks that are not true, for a clock that reads them.

    Examples
    --------
    >>> from distlib.runtimes.trace import Event
    >>> trace = Trace((
    ...     Event(0, 0.0, Kind.SEND, "a", "hello", "b"),
    ...     Event(1, 0.1, Kind.DELIVER, "b", "hello", "a", cause=0),
    ... ), ("a", "b"))
    >>> stamp_trace(trace, LamportClock)
    {0: (1, 'a'), 1: (2, 'b')}
    """
    clocks = {name: clock(name) for name in trace.names}
    known = dict(hardware or {})
    stamps: dict[int, Any] = {}
    for event in trace.of(*kinds):
        own = known.get(event.node, Hardware())
        reading = (1 + own.drift) * event.time_seconds + own.skew_seconds
        if event.kind is Kind.DELIVER and event.cause is not None:
            moved = clocks[event.node].receive(stamps[event.cause], reading)
        else:
            moved = clocks[event.node].tick(reading)
        clocks[event.node], stamps[event.number] = moved, moved.stamp
    return stamps


def write_stamp(stamp: Any, names: Sequence[str] = ()) -> str:
    """Return a stamp as a figure shows it: one number, or a vector's entries in the order of `names`.

    Examples
    --------
    >>> write_stamp((3, "a")), write_stamp((("a", 1), ("c", 2)), ["a", "b", "c"]), write_stamp((1002, 1))
    ('3', '1 0 2', '1002.1')
    """
    if stamp and isinstance(stamp[0], tuple):
        counts = dict(stamp)
        return " ".join(str(counts.get(name, 0)) for name in names or sorted(counts))
    return str(stamp[0]) if isinstance(stamp[1], str) else f"{stamp[0]}.{stamp[1]}"


# ------------------------------------------------------------------------------------------------------- instances


def _all_clocks(name: str) -> tuple[Clock, ...]:
    return (LamportClock(name), VectorClock(name), CausalHistory(name))


def small(
    make: Callable[[str], Clock] = LamportClock, *, reads_clock: bool = False, process_class: type[Process] = Process
) -> dict[str, Node[Any, Any]]:
    """Return three processes to explore: `a` tells `b`, `b` tells `c`, `c` tells `a`; two do a thing of their own.

    Parameters
    ----------
    make
        The clock that is to be held against the causal history.
    reads_clock
        Whether it wants readings.
    process_class
        The processes' class, to put a broken one in.
    """
    errands: dict[str, list[tuple[str, ...]]] = {"a": [("b",), ()], "b": [(), ("c",)], "c": [("a",)]}
    return {
        name: process_class(
            (make(name), CausalHistory(name)), tuple(Errand((1, 1), targets) for targets in mine), reads_clock
        )
        for name, mine in errands.items()
    }


def chatter(
    names: Sequence[str] = ("a", "b", "c"),
    rounds: int = 3,
    *,
    make: Callable[[str], tuple[Clock, ...]] = _all_clocks,
    reads_clock: bool = False,
    pause_seconds: tuple[float, float] = (0.002, 0.012),
) -> dict[str, Node[Any, Any]]:
    """Return processes that tell each other things: each in turn the next, the one after, nobody, and again.

    Parameters
    ----------
    names
        Of the processes.
    rounds
        How many errands each has.
    make
        The clocks of a process, from its name.
    reads_clock
        Whether they want readings.
    pause_seconds
        How long each waits before an errand, as a range.
    """
    nodes: dict[str, Node[Any, Any]] = {}
    for place, name in enumerate(names):
        errands = []
        for turn in range(rounds):
            step = (turn + place) % len(names)
            errands.append(Errand(pause_seconds, (names[(place + step) % len(names)],) if step else ()))
        nodes[name] = Process(make(name), tuple(errands), reads_clock)
    return nodes


@dataclass(frozen=True)
class Source(Node[str, None]):
    """Lets things happen at a process, one after another, each after whatever its own link to itself takes."""

    name: str
    process: str
    targets: tuple[str, ...] = ()

    def on_start(self, saved: None) -> Step[Self]:
        return self, (Send(self.name, "next"),)

    def on_message(self, source: str, message: str) -> Step[Self]:
        return self, (Send(self.process, Happen(self.targets)), Send(self.name, "next"))


@dataclass(frozen=True)
class Once(Node[str, None]):
    """Lets one thing happen at a process."""

    process: str

    def on_start(self, saved: None) -> Step[Self]:
        return self, (Send(self.process, Happen()),)

    def on_message(self, source: str, message: str) -> Step[Self]:
        return self, ()


# --------------------------------------------------------------------------------------------------- what runs show


def counts_of_unlinked(
    first_rate: float, second_rate: float, time_seconds: float, gap_seconds: float, *, seed: int
) -> tuple[int, int]:
    """Return the Lamport numbers of `a` at one time and of `b` a gap later, where things happen and nobody talks."""
    nodes: dict[str, Node[Any, Any]] = {
        "a": Process((LamportClock("a"),)),
        "b": Process((LamportClock("b"),)),
        "around a": Source("around a", "a"),
        "around b": Source("around b", "b"),
    }
    links = {
        ("around a", "around a"): Link(Exponential(1 / first_rate)),
        ("around b", "around b"): Link(Exponential(1 / second_rate)),
    }
    network = Network(Link(Constant(0.0)), links)
    simulation = Simulation(nodes, seed=seed, network=network, record=False)
    first = simulation.run(time_seconds).nodes["a"]
    second = simulation.run(time_seconds + gap_seconds).nodes["b"]
    assert isinstance(first, Process)
    assert isinstance(second, Process)
    return first.clocks[0].stamp[0], second.clocks[0].stamp[0]


def is_concurrent(gap: Law, message_rate: float, delay_seconds: float, *, seed: int) -> bool:
    """Return whether the vectors of an event at `a` and of a later one at `b` say that they are concurrent.

    `a` tells `b` something at random moments; the event at `a` happens at time 0, that at `b` after `gap`.
    """
    nodes: dict[str, Node[Any, Any]] = {
        "at a": Once("a"),
        "at b": Once("b"),
        "a": Process((VectorClock("a"),)),
        "b": Process((VectorClock("b"),)),
        "around a": Source("around a", "a", ("b",)),
    }
    links = {
        ("around a", "around a"): Link(Exponential(1 / message_rate)),
        ("a", "b"): Link(Constant(delay_seconds)),
        ("at b", "b"): Link(gap),
    }
    simulation = Simulation(nodes, seed=seed, network=Network(Link(Constant(0.0)), links))
    until = 0.0
    while not (happened := simulation.trace.of(Kind.DELIVER, node="b", where=_happens)):
        until += gap.mean()
        simulation.run(until)
    after = happened[0].state
    before = simulation.trace.of(Kind.DELIVER, node="a", where=_happens)[0].state
    assert isinstance(after, Process)
    assert isinstance(before, Process)
    return concurrent(before.clocks[0].stamp, after.clocks[0].stamp)


def _happens(event: Any) -> bool:
    return isinstance(event.value, Happen)


def told_stamps(trace: Trace) -> dict[int, tuple[Any, ...]]:
    """Return, for each event of the processes in a trace, what their own clocks said, in the order of their clocks.

    Sendings have the stamp that the message carries, arrivals that which the process noted.
    """
    stamps: dict[int, tuple[Any, ...]] = {}
    waiting: dict[str, int] = {}
    for event in trace:
        if event.kind is Kind.SEND and isinstance(event.value, Tell):
            stamps[event.number] = event.value.stamps
        elif event.kind is Kind.DELIVER and isinstance(event.state, Process):
            if event.state.pending is None:
                stamps[event.number] = event.state.log[-1]
            else:
                waiting[event.node] = event.number
        elif event.kind is Kind.CLOCK and event.node in waiting and isinstance(event.state, Process):
            stamps[waiting.pop(event.node)] = event.state.log[-1]
    return stamps


def measure_stamps(
    names: Sequence[str] = ("a", "b", "c"), rounds: int = 6, hardware: Mapping[str, Hardware] | None = None
) -> Trace:
    """Return the trace of processes that talk over real sockets, with Lamport, vector and hybrid clocks."""

    def make(name: str) -> tuple[Clock, ...]:
        return (LamportClock(name), VectorClock(name), HybridClock(name))

    nodes = chatter(names, rounds, make=make, reads_clock=True, pause_seconds=(0.0, 0.004))
    saved = tuple[LamportClock | VectorClock | HybridClock, ...]
    sent = sum(len(errand.targets) for node in nodes.values() if isinstance(node, Process) for errand in node.errands)
    with Cluster(nodes, clocks=hardware, saved=saved) as cluster:

        def done(trace: Trace) -> bool:
            heard = trace.of(Kind.DELIVER)
            # Each arrival is followed by the reading that stamps it.
            return len(heard) == sent and len(told_stamps(trace)) == 2 * sent

        return cluster.wait_until(done, 30)


def lead_seconds(
    ahead_seconds: float, behind_seconds: float, delay: Law, *, seed: int, rounds: int = 20
) -> tuple[float, int]:
    """Return the largest l - p and the largest counter of a hybrid clock, where `a` is ahead and the others behind."""
    names = ("a", "b", "c", "d")
    nodes = chatter(names, rounds, make=lambda name: (HybridClock(name),), reads_clock=True)
    clocks = {name: Hardware(ahead_seconds if name == "a" else -behind_seconds) for name in names}
    run = simulate(nodes, seed=seed, network=Network(Link(delay)), clocks=clocks)
    found = [
        event.state.clocks[0]
        for event in run.trace.of(Kind.CLOCK)
        if isinstance(event.state, Process) and isinstance(event.state.clocks[0], HybridClock)
    ]
    return max(clock.lead for clock in found) * found[0].tick_seconds, max(clock.counter for clock in found)
