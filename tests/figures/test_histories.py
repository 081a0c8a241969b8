"""The picture of a history shows every operation, and the evidence of its verdict where it belongs."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distlib.checkers.history import History, Operation
from distlib.checkers.linearizability import Judgement, check_linearizable
from distlib.checkers.sequential_models import register
from distlib.figures.histories import draw_history, history_figure
from distlib.figures.svg import Drawing, text_width
from distlib.node import Complete, Invoke, Outcome
from tests.checkers.sequential_objects import OBJECTS, histories

NAMESPACE = "{http://www.w3.org/2000/svg}"
GOOD = History.from_events(
    [
        ("a", Invoke(("write", 1))),
        ("b", Invoke(("read",))),
        ("c", Invoke(("write", 2))),
        ("b", Complete(1)),
        ("a", Complete()),
        ("c", Complete(None, Outcome.UNKNOWN)),
        ("a", Invoke(("write", 3))),
        ("a", Complete(None, Outcome.FAIL)),
        ("d", Invoke(("write", 4))),
        ("a", Invoke(("read",))),
        ("a", Complete(2)),
    ]
)
BAD = History((*GOOD.operations[:-1], replace(GOOD[-1], result=7)))
WORDS = {"alt": "Bars.", "caption": "A history."}


def draw(history: History) -> Drawing:
    return draw_history(history, check_linearizable(history, register(0)))


def texts(drawing: Drawing) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(drawing.markup()).iter(f"{NAMESPACE}text")]


def bars(drawing: Drawing) -> dict[str, tuple[str, float, float, float]]:
    """Return by tooltip each bar's classes, its left and right end, and its upper edge."""
    found = {}
    for group in ElementTree.fromstring(drawing.markup()).iter(f"{NAMESPACE}g"):
        title, shape = group.find(f"{NAMESPACE}title"), group.find(f"{NAMESPACE}rect")
        if title is not None and shape is not None:
            left, width, top = (float(shape.attrib[name]) for name in ("x", "width", "y"))
            found[title.text or ""] = group.attrib["class"], left, left + width, top
    return found


def dots(drawing: Drawing) -> list[tuple[float, float]]:
    """Return the centres of the numbered dots, in order."""
    centres = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="8"', drawing.markup())
    return [(float(x), float(y)) for x, y in centres]


def test_every_operation_has_a_bar_with_its_words() -> None:
    shown = texts(draw(GOOD))
    assert [name for name in shown if name in "abcd"] == ["a", "b", "c", "d"]
    labels = {"write 1", "read → 1", "write 2 → ?", "write 3 → failed", "write 4 → ?", "read → 2"}
    assert labels <= set(shown)
    assert len(bars(draw(GOOD))) == len(GOOD)


@pytest.mark.parametrize("name", OBJECTS)
@settings(max_examples=20)
@given(st.data())
def test_dots_lie_on_their_bars_one_after_the_other(name: str, data: st.DataObject) -> None:
    history = data.draw(histories(OBJECTS[name]))
    verdict = check_linearizable(history, OBJECTS[name].model)
    drawing = draw_history(history, verdict)
    places = dots(drawing)
    drawn = bars(drawing)
    assert len(places) == len(verdict.witness)
    assert all(before[0] < after[0] for before, after in pairwise(places))
    for (x, y), operation in zip(places, verdict.witness, strict=True):
        ((_, left, right, top),) = [bar for tooltip, bar in drawn.items() if tooltip.startswith(_told(operation))]
        # One that is unknown may take effect after its client gave up, which is on the dashes behind its bar.
        assert left <= x <= (right if operation.outcome is Outcome.OK else drawing.width)
        assert y == top + 7


def _told(operation: Operation) -> str:
    return f"{operation} ({operation.invoked} "


def test_bars_do_not_overlap_in_time_unless_their_operations_do() -> None:
    drawn = {tooltip: bar for tooltip, bar in bars(draw(GOOD)).items()}
    for one in GOOD:
        for other in GOOD:
            if one.completed is not None and one.completed < other.invoked:
                right = next(bar[2] for tooltip, bar in drawn.items() if tooltip.startswith(_told(one)))
                left = next(bar[1] for tooltip, bar in drawn.items() if tooltip.startswith(_told(other)))
                assert right < left


def test_only_the_conflict_is_brought_out() -> None:
    verdict = check_linearizable(BAD, register(0))
    drawn = bars(draw_history(BAD, verdict))
    assert {tooltip.split(" (")[0] for tooltip, bar in drawn.items() if bar[0] == "ds-bad"} == {"a: read → 7"}
    assert {bar[0] for bar in drawn.values()} == {"ds-bad", "ds-calm"}
    assert dots(draw_history(BAD, verdict)) == []


def test_the_legend_holds_what_occurs() -> None:
    plain = History(GOOD.operations[:1])
    assert "takes effect here, in this order" in texts(draw(plain))
    assert not [words for words in texts(draw(plain)) if "unknown" in words or "failed" in words or "cannot" in words]
    assert [words for words in texts(draw(BAD)) if "cannot be ordered" in words]
    assert [words for words in texts(draw(GOOD)) if "outcome unknown" in words]


def test_words_stay_inside_the_picture_and_long_values_are_cut_in_the_middle() -> None:
    history = History(
        (
            Operation("process with a long name", ("write", "a" * 40 + "b" * 40), None, 0, 1),
            Operation("q", ("read",), "a" * 40 + "b" * 40, 2, 3),
        )
    )
    drawing = draw(history)
    assert "read → 'aaaaaa…bbbbbb'" in texts(drawing)
    for x, css, words in re.findall(r'<text x="([\d.]+)" y="[\d.]+" class="([^"]*)">([^<]*)', drawing.markup()):
        width = text_width(words, 12 if "ds-small" in css else 13)
        left = float(x) - (width if "ds-e" in css else width / 2 if "ds-m" in css.split() else 0)
        assert left >= 0, words
        assert left + width <= drawing.width, words


def test_an_excerpt_of_a_long_history_shows_the_conflict() -> None:
    writes = [Operation("w", ("write", number), None, 2 * number, 2 * number + 1) for number in range(1, 100)]
    history = History((*writes, Operation("r", ("read",), 98, 200, 201)))
    verdict = check_linearizable(history, register(0))
    assert verdict.judgement is Judgement.NOT_LINEARIZABLE
    assert verdict.excerpt.operations == history.operations[-2:] == verdict.conflict
    assert len(bars(draw_history(verdict.excerpt, verdict))) == 2
    with pytest.raises(ValueError, match=r"`history` must have 1 to 60 operations, got 100; draw a part of it"):
        draw_history(history, verdict)


def test_what_was_not_judged_and_what_is_empty_is_refused() -> None:
    verdict = check_linearizable(GOOD, register(0))
    with pytest.raises(ValueError, match=r"`history` must be of the operations that were judged, got a: read → 7"):
        draw_history(BAD, verdict)
    with pytest.raises(ValueError, match=r"`history` must have 1 to 60 operations, got 0"):
        draw_history(History(()), verdict)
    with pytest.raises(ValueError, match=r"`width` must be in \[200, 2000\] pixels, got 20"):
        draw_history(GOOD, verdict, width=20)


def test_a_figure_has_its_words() -> None:
    figure = history_figure(GOOD, check_linearizable(GOOD, register(0)), identifier="bars", **WORDS)
    assert 'id="bars"' in figure.html
    assert "A history." in figure.html
