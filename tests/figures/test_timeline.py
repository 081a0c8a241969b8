from __future__ import annotations

import pytest

from distlib.figures.timeline import EFFECT_ROW, ROW, step_line, time_line
from distlib.runtimes.trace import Event, Kind, Trace
from tests.figures.samples import two_phase_commit


def explored(*events: tuple[int, Kind, str]) -> Trace:
    """Return a trace as an exploration leaves it: (step, kind, node)."""
    return Trace(
        tuple(Event(number, float(step), kind, node) for number, (step, kind, node) in enumerate(events)), ("a", "b")
    )


def test_time_is_linear_and_its_ticks_are_in_a_unit_of_short_numbers() -> None:
    trace = two_phase_commit()
    timeline = time_line(trace, 600, None, None)
    first, last = timeline.at(trace[0]), timeline.at(trace[-1])
    for event in trace:
        share = event.time_seconds / trace[-1].time_seconds
        assert timeline.at(event) == pytest.approx(first + share * (last - first))
    assert timeline.title == "time (ms)"
    assert [label for _, label in timeline.ticks][:3] == ["0", "2", "4"]


@pytest.mark.parametrize(("seconds", "unit"), [(30.0, "s"), (0.5, "ms"), (4e-4, "µs")])
def test_the_unit_follows_from_the_span(seconds: float, unit: str) -> None:
    trace = Trace((Event(0, 0.0, Kind.START, "a"), Event(1, seconds, Kind.START, "a")), ("a",))
    assert time_line(trace, 600, None, None).title == f"time ({unit})"


def test_events_outside_the_window_lie_outside_the_axis() -> None:
    trace = two_phase_commit()
    timeline = time_line(trace, 600, 0.005, 0.010)
    shown = [event for event in trace if timeline.shows(event)]
    assert min(event.time_seconds for event in shown) >= 0.005
    assert timeline.at(trace[0]) < 0
    assert timeline.at(trace[-1]) > 600


def test_a_window_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match="`start_seconds` must be at most `end_seconds`, got 2 and 1"):
        time_line(two_phase_commit(), 600, 2, 1)


def test_a_save_before_a_send_can_be_told_from_one_after_it() -> None:
    """The order of effects is what most counterexamples are about."""
    saved = explored((1, Kind.DELIVER, "a"), (1, Kind.SAVE, "a"), (1, Kind.SEND, "a"), (2, Kind.CRASH, "a"))
    hasty = explored((1, Kind.DELIVER, "a"), (1, Kind.SEND, "a"), (1, Kind.SAVE, "a"), (2, Kind.CRASH, "a"))
    positions = [[step_line(trace, range(4), None, None).at(event) for event in trace] for trace in (saved, hasty)]
    start = positions[0][0]
    assert positions[0] == [start, start + EFFECT_ROW, start + 2 * EFFECT_ROW, start + 2 * EFFECT_ROW + ROW]
    assert positions[1] == [start, start, start + EFFECT_ROW, start + EFFECT_ROW + ROW]


def test_steps_are_numbered_as_the_exploration_numbers_them() -> None:
    trace = explored((0, Kind.START, "a"), (0, Kind.START, "b"), (3, Kind.DELIVER, "a"), (4, Kind.DELIVER, "b"))
    assert [label for _, label in step_line(trace, range(4), None, None).ticks] == ["0", "3", "4"]


def test_a_window_of_steps_begins_and_ends_with_its_steps() -> None:
    trace = explored(*((step, Kind.DELIVER, "a") for step in range(6)))
    timeline = step_line(trace, range(6), 2, 4)
    assert [event.number for event in trace if timeline.shows(event)] == [2, 3, 4]


def test_what_is_not_drawn_takes_no_room() -> None:
    trace = explored((1, Kind.DELIVER, "a"), (2, Kind.DELIVER, "b"), (3, Kind.DELIVER, "a"))
    assert step_line(trace, {0, 2}, None, None).length == step_line(trace, range(3), None, None).length - ROW


def waiting() -> Trace:
    """Return six events in fifteen milliseconds, two seconds of nothing, and a timer."""
    kinds = [(k * 0.003, Kind.SEND if k % 2 == 0 else Kind.DELIVER) for k in range(6)] + [(2.0, Kind.TIMER)]
    return Trace(tuple(Event(number, at, kind, "a") for number, (at, kind) in enumerate(kinds)), ("a", "b"))


def test_a_long_wait_is_broken_and_says_its_length() -> None:
    trace = waiting()
    timeline = time_line(trace, 600, None, None, drawn=range(len(trace)))
    ((near, far, length),) = timeline.breaks
    assert length == "1.99 s"
    assert timeline.at(trace[5]) == pytest.approx(near)
    assert timeline.at(trace[6]) == pytest.approx(far)
    assert timeline.title == "time (ms)"
    assert timeline.at(trace[4]) - timeline.at(trace[0]) > 300
    positions = [timeline.at(event) for event in trace]
    assert positions == sorted(positions)


def test_a_wait_in_which_a_message_flies_is_not_broken() -> None:
    trace = waiting()
    assert time_line(trace, 600, None, None, drawn=range(len(trace)), busy=[(0.012, 2.0)]).breaks == ()


def test_a_wait_is_not_broken_unless_asked_or_in_a_run_of_even_events() -> None:
    assert time_line(waiting(), 600, None, None).breaks == ()
    trace = two_phase_commit()
    assert time_line(trace, 600, None, None, drawn=range(len(trace))).breaks == ()


def test_ticks_make_room_for_the_length_of_a_break() -> None:
    trace = waiting()
    timeline = time_line(trace, 600, None, None, drawn=range(len(trace)))
    ((near, far, _),) = timeline.breaks
    assert min(abs(at - (near + far) / 2) for at, _ in timeline.ticks) > 40
