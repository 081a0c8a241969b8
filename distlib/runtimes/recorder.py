"""What a cluster has seen: the streams of events that its nodes report, merged into one trace.

Theory of operation
-------------------
Each node reports its events in the order in which they happened to it, boot after boot. Streams of different nodes come
through different pipes, at different speeds, so at any moment one may be ahead of another: a message may have been
reported as delivered and not yet as sent. :func:`merge` takes from each stream a beginning, such that with every event
its cause is there, and all that its node did before. That is a *consistent cut*: a state which the run can have passed
through, though perhaps no clock ever showed it.

Sources: Chandy and Lamport, *Distributed Snapshots* (ACM TOCS 3(1), 1985), section 2; Mattern, *Virtual Time and Global
States of Distributed Systems* (1989), section 4.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from heapq import heapify, heappop, heappush
from typing import Any, TypeAlias

from distlib.node import Complete, Invoke, Node, Outcome, World
from distlib.runtimes.host import NUMBERS_PER_BOOT, Problem, Report
from distlib.runtimes.trace import Event, Kind, Trace

__all__ = ["Recorder", "merge", "world_of"]

AnyNode: TypeAlias = Node[Any, Any]


class Recorder:
    """Collects what nodes report, and what the cluster itself does to them. For any number of threads.

    Parameters
    ----------
    names
        Of the nodes.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.changes = 0
        """Grows with everything that is recorded. Who waits looks at it now and then: to wake a waiting thread at each
        report would take the nodes of this process more time than their own work does."""
        self._lock = threading.RLock()
        self._streams: dict[str, list[Event]] = {name: [] for name in ("", *names)}
        """What happened to each node; under the empty name, what was done to the network and to running nodes."""
        self._own_events = 0
        """How many events were recorded by :meth:`record`; their numbers are below those of any host."""
        self._problems: list[Problem] = []
        self._counts: Counter[tuple[Kind, str]] = Counter()

    def observe(self, name: str, reports: Iterable[Report]) -> None:
        """Take reports of a node."""
        with self._lock:
            for report in reports:
                if isinstance(report, Event):
                    self._streams[name].append(report)
                    self._counts[report.kind, report.node] += 1
                else:
                    self._problems.append(report)
            self.changes += 1

    def record(
        self,
        kind: Kind,
        node: str,
        value: Any = None,
        *,
        time_seconds: float,
        stream: str = "",
        note: str = "",
        cause: int | None = None,
    ) -> None:
        """Record an event that no host reports, after all that its stream holds."""
        with self._lock:
            events = self._streams[stream]
            if events:
                # While a signal was on its way, another processor may have run a little more of the node.
                time_seconds = max(time_seconds, events[-1].time_seconds)
            events.append(Event(self._own_events, time_seconds, kind, node, value, None, cause, note))
            self._own_events += 1
            self._counts[kind, node] += 1
            self.changes += 1

    def record_crash(self, name: str, note: str, time_seconds: float) -> None:
        """Record that a node crashed, and that nobody will know how its open operation ended, if it had one."""
        with self._lock:
            self.record(Kind.CRASH, name, stream=name, note=note, time_seconds=time_seconds)
            operations = [event for event in self._streams[name] if event.kind in (Kind.INVOKE, Kind.COMPLETE)]
            if operations and operations[-1].kind is Kind.INVOKE:
                self.record(
                    Kind.COMPLETE,
                    name,
                    (None, Outcome.UNKNOWN),
                    stream=name,
                    note="crash",
                    cause=operations[-1].number,
                    time_seconds=time_seconds,
                )

    def is_of_boot(self, name: str, boot: int) -> bool:
        """Return whether the last event of a node was reported by this boot of it."""
        with self._lock:
            events = self._streams[name]
            return bool(events) and events[-1].number // NUMBERS_PER_BOOT == boot

    def count(self, kind: Kind, node: str | None) -> int:
        """Return how many events of a kind there were at a node, or at all."""
        with self._lock:
            if node is not None:
                return self._counts[kind, node]
            # Faults of the network are of no node: their name is empty.
            return sum(self._counts[kind, name] for name in (*self.names, ""))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What went wrong."""
        with self._lock:
            return tuple(self._problems)

    def trace(self, *, final: bool) -> Trace:
        """Return what was recorded so far; `final`: and nothing will be added."""
        with self._lock:
            streams = {name: list(events) for name, events in self._streams.items()}
        return merge(streams, self.names, final=final)


def merge(streams: Mapping[str, Sequence[Event]], names: tuple[str, ...], *, final: bool) -> Trace:
    """Merge the events of several streams into one trace, causes before what they caused.

    Parameters
    ----------
    streams
        Events in the order in which they were recorded, by the name of their stream. Their numbers are of any kind, but
        no two alike; causes refer to them.
    names
        Of the nodes.
    final
        Whether no more events can come. If so, an event whose cause is in no stream is kept, without a cause. Otherwise
        it is left out with what follows it in its stream, so that the trace is a consistent cut.

    Examples
    --------
    >>> send = Event(10, 0.1, Kind.SEND, "a", "hello", "b")
    >>> receipt = Event(20, 0.2, Kind.DELIVER, "b", "hello", "a", cause=10)
    >>> [event.cause for event in merge({"a": [send], "b": [receipt]}, ("a", "b"), final=False)]
    [None, 0]
    >>> len(merge({"a": [], "b": [receipt]}, ("a", "b"), final=False))
    0
    """
    reported = {event.number for events in streams.values() for event in events}
    numbers: dict[int, int] = {}
    """The numbers in the trace, by those that the streams gave."""
    positions = dict.fromkeys(streams, 0)
    heads = [(events[0].time_seconds, stream) for stream, events in streams.items() if events]
    heapify(heads)
    waiting: dict[int, list[str]] = {}
    """Streams whose next event waits for its cause, by the number of the cause."""
    merged: list[Event] = []
    while heads:
        _, stream = heappop(heads)
        event = streams[stream][positions[stream]]
        cause = event.cause
        if cause is not None and cause not in numbers and (cause in reported or not final):
            waiting.setdefault(cause, []).append(stream)
            continue
        numbers[event.number] = len(merged)
        merged.append(replace(event, number=len(merged), cause=None if cause is None else numbers.get(cause)))
        positions[stream] += 1
        for each in (stream, *waiting.pop(event.number, ())):
            if positions[each] < len(streams[each]):
                heappush(heads, (streams[each][positions[each]].time_seconds, each))
    return Trace(tuple(merged), names)


def world_of(trace: Trace) -> World:
    """Return the state at the end of a trace: nodes, durable values, messages on their way, history.

    A message that was lost with the process that had it in a socket counts as on its way. Of a message that was copied,
    only the first arrival is looked for.
    """
    nodes: dict[str, AnyNode | None] = dict.fromkeys(trace.names)
    saved: dict[str, Any] = dict.fromkeys(trace.names)
    in_flight: dict[int, tuple[str, str, Any]] = {}
    history: list[tuple[str, Invoke | Complete]] = []
    for event in trace:
        if event.kind is Kind.CRASH:
            nodes[event.node] = None
        elif event.state is not None:
            nodes[event.node] = event.state
        if event.kind is Kind.START or (event.kind is Kind.SAVE and event.note != "unforced"):
            saved[event.node] = event.value
        elif event.kind is Kind.SEND and event.peer is not None:
            in_flight[event.number] = (event.node, event.peer, event.value)
        elif event.kind in (Kind.DELIVER, Kind.LOSE) and event.cause is not None:
            in_flight.pop(event.cause, None)
        elif event.kind is Kind.INVOKE:
            history.append((event.node, Invoke(event.value)))
        elif event.kind is Kind.COMPLETE:
            history.append((event.node, Complete(*event.value)))
    return World(nodes, saved, tuple(in_flight.values()), tuple(history))
