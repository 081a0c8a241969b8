from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from distlib.figures.spacetime import draw_spacetime, spacetime
from distlib.figures.svg import Drawing, text_width
from distlib.runtimes.trace import Event, Kind, Trace
from tests.figures.samples import COORDINATOR, PARTICIPANTS, faults, phase, two_phase_commit

NAMESPACE = "{http://www.w3.org/2000/svg}"
WORDS = {"alt": "Arrows between lanes.", "caption": "A run."}


def texts(drawing: Drawing) -> list[str]:
    """Return every line of text in a drawing."""
    root = ElementTree.fromstring(drawing.markup())
    return [element.text or "" for element in root.iter(f"{NAMESPACE}text")]


def tooltips(drawing: Drawing) -> list[str]:
    root = ElementTree.fromstring(drawing.markup())
    return [element.text or "" for element in root.iter(f"{NAMESPACE}title")]


def boxes(drawing: Drawing) -> list[tuple[str, float, float, float, float]]:
    """Return each line of text with its estimated box."""
    found = []
    for x, y, css, content in re.findall(
        r'<text x="([-\d.]+)" y="([-\d.]+)"(?: class="([^"]*)")?>([^<]*)', drawing.body
    ):
        size = 12.0 if "ds-small" in css else 13.0
        width = text_width(content, size)
        left = float(x) - (width / 2 if "ds-m" in css.split() else width if "ds-e" in css.split() else 0)
        found.append((content, left, float(y) - 0.8 * size, left + width, float(y) + 0.2 * size))
    return found


@pytest.mark.parametrize("scale", ["time", "steps"])
def test_every_message_is_drawn_and_labelled(scale: str) -> None:
    drawing = draw_spacetime(two_phase_commit(), scale=scale)  # type: ignore[arg-type]  # one of the two literals
    shown = texts(drawing)
    assert [shown.count(label) for label in ("Prepare", "Vote yes", "Commit", "Acknowledge", "Inquire")] == [
        3,
        3,
        4,
        2,
        1,
    ]
    sends = len(two_phase_commit().of(Kind.SEND))
    assert sum("sends" in tooltip for tooltip in tooltips(drawing)) == sends


@pytest.mark.parametrize("scale", ["time", "steps"])
@pytest.mark.parametrize("make", [two_phase_commit, faults])
def test_no_words_cover_others_or_leave_the_drawing(make: object, scale: str) -> None:
    assert callable(make)
    drawing = draw_spacetime(make(), state=phase, scale=scale)  # type: ignore[arg-type]  # one of the two literals
    found = boxes(drawing)
    for index, (words, left, top, right, bottom) in enumerate(found):
        assert left >= -3, words
        assert right <= drawing.width + 3, words
        assert bottom <= drawing.height + 3, words
        for other, *(left_2, top_2, right_2, bottom_2) in found[index + 1 :]:
            width, height = min(right, right_2) - max(left, left_2), min(bottom, bottom_2) - max(top, top_2)
            covered = max(width, 0) * max(height, 0)
            assert covered <= 0.25 * (right - left) * (bottom - top), (words, other)


def test_the_legend_holds_what_occurs_and_nothing_else() -> None:
    plain = Trace(
        (Event(0, 0.0, Kind.SEND, "a", "x", "b"), Event(1, 0.001, Kind.DELIVER, "b", "x", "a", 0)), ("a", "b")
    )
    assert texts(draw_spacetime(plain)).count("x") == 1
    entries = {"lost", "duplicate", "paused", "saved to disk", "timer fires", "still under way", "clock reading"}
    assert entries & set(texts(draw_spacetime(plain))) == set()
    assert entries & set(texts(draw_spacetime(two_phase_commit()))) == {"lost", "saved to disk", "timer fires"}
    assert entries & set(texts(draw_spacetime(faults()))) == entries - {"saved to disk", "timer fires"}


def test_a_crashed_lane_stops_until_the_restart() -> None:
    markup = draw_spacetime(two_phase_commit()).body
    assert markup.count("ds-thin ds-dots") == 1
    assert {"crash", "restart"} <= set(texts(draw_spacetime(two_phase_commit())))


def test_a_lost_message_ends_in_a_cross_between_the_lanes_and_without_a_head() -> None:
    trace = Trace(
        (
            Event(0, 0.0, Kind.SEND, "a", "x", "b"),
            Event(1, 0.001, Kind.LOSE, "b", "x", "a", 0, "loss"),
            Event(2, 0.002, Kind.START, "a"),
        ),
        ("a", "b"),
    )
    (arrow,) = re.findall(r'<g class="ds-2"><title>.*?</g>', draw_spacetime(trace).body)
    assert arrow.count("ds-bold") == 2
    assert 'd="M' in arrow
    assert 'z"' not in arrow


def test_a_partition_names_its_groups_and_stands_between_them() -> None:
    drawing = draw_spacetime(faults())
    assert "partition: client, left | right" in texts(drawing)
    assert drawing.body.count("ds-line ds-long") == 1


def test_states_are_written_on_their_bands() -> None:
    shown = texts(draw_spacetime(two_phase_commit(), state=phase))
    assert shown.count("in doubt") == 4
    assert "in doubt" not in texts(draw_spacetime(two_phase_commit()))


def test_names_choose_and_order_the_lanes() -> None:
    names = (PARTICIPANTS[2], COORDINATOR)
    shown = texts(draw_spacetime(two_phase_commit(), names=names))
    assert [word for word in shown if word in (COORDINATOR, *PARTICIPANTS)] == list(names)
    assert shown.count("Prepare") == 1


def test_a_window_shows_what_is_in_it_and_cuts_what_reaches_out() -> None:
    trace = two_phase_commit()
    drawing = draw_spacetime(trace, start_seconds=0.0, end_seconds=0.003)
    assert "Prepare" in texts(drawing)
    assert "Inquire" not in texts(drawing)
    numbers = [float(number) for number in re.findall(r"M([-\d.]+) ", drawing.body)]
    assert max(numbers) <= drawing.width


def test_highlighted_messages_stand_out_and_the_others_step_back() -> None:
    trace = two_phase_commit()
    bright = draw_spacetime(trace, highlight=[event.number for event in trace.of(Kind.SEND)][:1])
    assert bright.body.count("ds-dim") == len(trace.of(Kind.SEND)) - 1
    assert "highlighted" in texts(bright)
    assert "ds-dim" not in draw_spacetime(trace).body


def test_timers_and_labels_can_be_left_out() -> None:
    drawing = draw_spacetime(two_phase_commit(), show_timers=False, label=lambda message: "")
    assert not {"inquire", "Prepare"} & set(texts(drawing))
    assert texts(draw_spacetime(two_phase_commit(), label=lambda message: "m")).count("m") == 13


def test_a_counterexample_in_steps_needs_no_sideways_room() -> None:
    assert draw_spacetime(two_phase_commit(), scale="steps").width <= 700


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": ["nobody"]}, "`names` must be different names out of"),
        ({"names": [COORDINATOR, COORDINATOR]}, "`names` must be different names out of"),
        ({"scale": "log"}, "`scale` must be 'time' or 'steps', got 'log'"),
        ({"direction": "up"}, "`direction` must be 'right' or 'down', got 'up'"),
        ({"width": 10}, r"`width` must be in \[240, 4000\] pixels, got 10"),
        ({"highlight": [10**6]}, r"`highlight` must hold numbers of events in \[0, \d+\], got \[1000000\]"),
    ],
)
def test_a_wrong_option_is_refused_with_its_name_and_value(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spacetime(two_phase_commit(), **WORDS, **options)  # type: ignore[arg-type]  # wrong on purpose


def test_a_broken_wait_is_torn_and_named_unless_it_is_to_be_shown() -> None:
    sample = two_phase_commit()
    last = Event(len(sample), 5.0, Kind.TIMER, COORDINATOR, "retry")
    trace = Trace((*sample.events, last), sample.names)
    assert "+4.98 s" in texts(draw_spacetime(trace))
    assert "ds-blank" in draw_spacetime(trace).body
    assert "ds-blank" not in draw_spacetime(trace, show_waits=True).body
    assert "time (s) →" in texts(draw_spacetime(trace, show_waits=True))


def test_an_exploration_is_drawn_in_steps_and_a_simulation_in_time() -> None:
    run = two_phase_commit()
    explored = Trace(tuple(replace(event, time_seconds=float(event.number)) for event in run), run.names)
    assert "step" in texts(draw_spacetime(explored))
    assert "time (ms) →" in texts(draw_spacetime(run))


def test_a_message_under_way_sets_out_and_does_not_arrive() -> None:
    trace = Trace((Event(0, 0.0, Kind.SEND, "a", "x", "b"), Event(1, 0.5, Kind.START, "a")), ("a", "b"))
    drawing = draw_spacetime(trace, show_waits=True)
    found = re.search(r'class="ds-line ds-dots" d="M([\d.]+) ([\d.]+)l([\d.]+) ([\d.]+)"', drawing.body)
    assert found is not None
    _, _, right, down = map(float, found.groups())
    assert 30 < right < 60
    assert 30 < down < 60


def test_an_empty_trace_is_refused() -> None:
    with pytest.raises(ValueError, match="`trace` must hold at least one event, got none"):
        spacetime(Trace((), ("a",)), **WORDS)


def test_a_diagram_is_the_same_to_the_byte_under_every_hash_seed() -> None:
    program = (
        "from tests.figures.samples import *; from distlib.figures.spacetime import spacetime; import hashlib\n"
        "figures = [spacetime(trace, alt='a', caption='b', state=phase, scale=scale).html "
        "for trace in (two_phase_commit(), faults()) for scale in ('time', 'steps')]\n"
        "print(hashlib.sha256(''.join(figures).encode()).hexdigest())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


def test_a_diagram_of_a_hundred_messages_is_drawn_without_ids() -> None:
    """An id would clash with that of another figure on the page."""
    assert " id=" not in draw_spacetime(faults()).body
