from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from distlib.node import Complete, Invoke, Node, Outcome, Step
from distlib.runtimes.host import NUMBERS_PER_BOOT, Problem
from distlib.runtimes.recorder import Recorder, merge, world_of
from distlib.runtimes.trace import Event, Kind, Trace


@dataclass(frozen=True)
class Idle(Node[int, int]):
    def on_start(self, saved: int | None) -> Step[Idle]:
        return self, ()

    def on_message(self, source: str, message: int) -> Step[Idle]:
        return self, ()


@st.composite
def runs(draw: st.DrawFn) -> list[list[Event]]:
    """Streams in which some events have their cause in another stream, at the same time or earlier."""
    events: list[Event] = []
    lengths = [0, 0, 0]
    for _ in range(draw(st.integers(0, 20))):
        stream = draw(st.integers(0, 2))
        now = (events[-1].time_seconds if events else 0.0) + draw(st.sampled_from([0.0, 1.0]))
        cause = draw(st.none() | st.sampled_from(events)) if events else None
        number = stream * NUMBERS_PER_BOOT + lengths[stream]
        lengths[stream] += 1
        events.append(Event(number, now, Kind.SEND, str(stream), cause=None if cause is None else cause.number))
    return [[event for event in events if event.node == str(stream)] for stream in range(3)]


@given(runs(), st.data())
def test_a_trace_is_a_consistent_cut_of_what_was_reported(streams: list[list[Event]], data: st.DataObject) -> None:
    complete = {str(number): events for number, events in enumerate(streams)}
    reported = {name: events[: data.draw(st.integers(0, len(events)))] for name, events in complete.items()}
    trace = merge(reported, ("0", "1", "2"), final=False)
    assert [event.time_seconds for event in trace] == sorted(event.time_seconds for event in trace)
    numbers: dict[int, int] = {}
    for stream, events in reported.items():
        # Of each stream a beginning, as long as no cause is missing.
        kept = trace.of(node=stream)
        numbers |= {before.number: event.number for before, event in zip(events, kept, strict=False)}
        assert len(kept) == len(events) or events[len(kept)].cause is not None
    for number, event in enumerate(trace):
        assert event.number == number
        assert event.cause is None or event.cause < number
    for event in (event for events in reported.values() for event in events if event.number in numbers):
        expected = None if event.cause is None else numbers[event.cause]
        assert trace[numbers[event.number]].cause == expected
    assert len(merge(complete, ("0", "1", "2"), final=False)) == sum(map(len, streams))
    assert len(merge(reported, ("0", "1", "2"), final=True)) == sum(map(len, reported.values()))


def test_a_world_holds_what_the_trace_ended_with() -> None:
    node = Idle()
    trace = Trace(
        (
            Event(0, 0.0, Kind.START, "a", None, state=node),
            Event(1, 0.1, Kind.SEND, "a", 1, "b", cause=0),
            Event(2, 0.1, Kind.SEND, "a", 2, "b", cause=0),
            Event(3, 0.2, Kind.SAVE, "a", 5, cause=0),
            Event(4, 0.2, Kind.SAVE, "a", 6, cause=0, note="unforced"),
            Event(5, 0.3, Kind.LOSE, "b", 1, "a", cause=1, note="loss"),
            Event(6, 0.4, Kind.CRASH, "a"),
        ),
        ("a", "b"),
    )
    world = world_of(trace)
    assert world.nodes == {"a": None, "b": None}
    assert world.saved == {"a": 5, "b": None}
    assert world.in_flight == (("a", "b", 2),)
    assert world_of(Trace(trace.events[:1], trace.names)).nodes["a"] is node


def test_a_crash_follows_all_that_its_node_reported_and_ends_its_open_operation() -> None:
    recorder = Recorder(("a", "b"))
    number = 3 * NUMBERS_PER_BOOT
    recorder.observe("a", [Event(number, 1.0, Kind.START, "a"), Event(number + 1, 2.0, Kind.INVOKE, "a", 7)])
    assert recorder.is_of_boot("a", 3)
    assert not recorder.is_of_boot("a", 4)
    recorder.record_crash("a", "killed", 1.5)
    trace = recorder.trace(final=False)
    assert [(event.kind, event.time_seconds) for event in trace] == [
        (Kind.START, 1.0),
        (Kind.INVOKE, 2.0),
        (Kind.CRASH, 2.0),
        (Kind.COMPLETE, 2.0),
    ]
    assert trace[-1].cause == 1
    assert world_of(trace).history == (("a", Invoke(7)), ("a", Complete(None, Outcome.UNKNOWN)))
    recorder.record_crash("a", "killed again", 3.0)
    assert len(recorder.trace(final=False).of(Kind.COMPLETE)) == 1


def test_events_are_counted_by_kind_and_node_and_problems_are_kept_apart() -> None:
    recorder = Recorder(("a", "b"))
    problem = Problem(0.0, "a", "start", "an error", fatal=True)
    recorder.observe("a", [Event(1, 1.0, Kind.SEND, "a"), problem, Event(2, 1.0, Kind.LOSE, "b", cause=1)])
    recorder.record(Kind.PARTITION, "", frozenset(), time_seconds=2.0)
    assert recorder.count(Kind.SEND, "a") == recorder.count(Kind.LOSE, "b") == recorder.count(Kind.PARTITION, None) == 1
    assert recorder.count(Kind.LOSE, "a") == 0
    assert recorder.count(Kind.LOSE, None) == 1
    assert recorder.problems == (problem,)
    assert recorder.changes == 2
