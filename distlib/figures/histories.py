"""Histories of operations, with the evidence of a verdict on them.

Theory of operation
-------------------
Each process has a lane, each operation a bar from its invocation to its completion (Herlihy and Wing, *TOPLAS* 12(3),
1990, figure 1). Only the order of these events matters to a verdict, so only their order is drawn: all bars are as wide
as their words need, and the picture is as narrow as that allows. What is told apart, is told apart by shape first:

- An operation of unknown outcome is open at its end, from where dashes go on, for it may still take effect.
- One that failed is an empty bar with a dotted edge.
- If the history is linearizable, a numbered dot on each bar is the instant at which it took effect. A line joins them.
- If it is not, the operations in conflict are hatched, and the others step back.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from math import inf
from typing import Final

from distlib.checkers.history import History, Operation
from distlib.checkers.linearizability import Verdict
from distlib.figures import svg
from distlib.figures.figure import Figure
from distlib.figures.svg import Drawing, text_width
from distlib.node import Outcome

__all__ = ["draw_history", "history_figure"]

_MOST_OPERATIONS: Final = 60
_LANE_HEIGHT: Final = 52.0
_BAR_HEIGHT: Final = 14.0
_LEAST_STEP: Final = 18.0
_DOT_RADIUS: Final = 8.0
_TEXT_PIXELS: Final = 12
_LONGEST_VALUE: Final = 15  # letters


def history_figure(
    history: History, verdict: Verdict, *, alt: str, caption: str, identifier: str | None = None, width: float = 700
) -> Figure:
    """Draw a history with the evidence of a verdict.

    Parameters
    ----------
    history
        What to draw: the history that was judged, or a part of it, such as :attr:`Verdict.excerpt`.
    verdict
        What was found.
    alt, caption, identifier
        See :class:`~distlib.figures.figure.Shown`.
    width
        At least so wide, in pixels; wider where the words need it.

    Raises
    ------
    ValueError
        If there is nothing to draw, too much, or something that was not judged.

    Examples
    --------
    >>> from distlib.checkers.linearizability import check_linearizable
    >>> from distlib.checkers.sequential_models import register
    >>> history = History((Operation("a", ("write", 1), None, 0, 2), Operation("b", ("read",), 1, 1, 3)))
    >>> verdict = check_linearizable(history, register(0))
    >>> history_figure(history, verdict, alt="Two bars, two dots: the write, then the read.", caption="Linearizable.")
    [Figure: Two bars, two dots: the write, then the read.]
    """
    return Figure(draw_history(history, verdict, width=width), alt=alt, caption=caption, identifier=identifier)


def draw_history(history: History, verdict: Verdict, *, width: float = 700) -> Drawing:
    """Return the drawing of :func:`history_figure`; see there."""
    if not 1 <= len(history) <= _MOST_OPERATIONS:
        raise ValueError(
            f"`history` must have 1 to {_MOST_OPERATIONS} operations, got {len(history)}; draw a part of it, such as "
            "the verdict's `excerpt`"
        )
    strange = [one for one in history if one not in verdict.history]
    if strange:
        raise ValueError(f"`history` must be of the operations that were judged, got {strange[0]}")
    if not 200 <= width <= 2000:
        raise ValueError(f"`width` must be in [200, 2000] pixels, got {width}")
    chart = _lay_out(history, width)
    dots = _dots(chart, [one for one in verdict.witness if one in history])
    floor = _top(len(chart.lanes))
    legend, height = _legend(chart, verdict, floor + 16)
    elements = [
        *(_lane(chart, process) for process in chart.lanes),
        *(_bar(chart, one, verdict) for one in history),
        *_dotted_path(dots),
        *(_label(chart, one, verdict) for one in history),
        *(_dot(number, point) for number, point in enumerate(dots, start=1)),
        svg.text(chart.width - 10, floor - 8, "order of events →", "ds-small ds-soft ds-e"),
        *legend,
    ]
    return Drawing(chart.width, height, tuple(elements), "History of operations", text_pixels=_TEXT_PIXELS)


@dataclass(frozen=True)
class _Chart:
    """Where everything is."""

    history: History
    lanes: Mapping[Hashable, float]
    """The height of each process's lane."""
    x: Mapping[float, float]
    """By position of an event; the last is beyond all events, for what never ended."""
    positions: Sequence[float]
    margin: float
    width: float

    def span(self, operation: Operation) -> tuple[float, float]:
        """Where the operation's bar begins and ends."""
        end = inf if operation.completed is None else operation.completed
        return self.x[operation.invoked], self.x[end]

    def limit(self, operation: Operation) -> float:
        """Where the next bar in its lane begins; what goes on after its end must not go on beyond that."""
        later = [one.invoked for one in self.history if one.process == operation.process]
        return self.x[min((position for position in later if position > operation.invoked), default=inf)]


def _lay_out(history: History, width: float) -> _Chart:
    """Find a place for each event: in order, each bar with room for its words, otherwise as close as can be."""
    ends = {one: inf if one.completed is None else one.completed for one in history}
    positions = sorted({one.invoked for one in history} | set(ends.values()) | {inf})
    margin = 18 + max(text_width(str(process)) for process in history.processes)
    x = {positions[0]: margin}
    for before, position in pairwise(positions):
        rooms = [x[one.invoked] + _room(one) for one in history if ends[one] == position and one.invoked < position]
        x[position] = max([x[before] + _LEAST_STEP, *rooms])
    # Words of an operation whose bar has no length go on to its right.
    least = max([x[inf], *(x[one.invoked] + _room(one) for one in history)]) + 10
    stretch = max(1.0, (width - 10 - margin) / (least - 10 - margin))
    placed = {position: margin + (place - margin) * stretch for position, place in x.items()}
    lanes = {process: _top(number) for number, process in enumerate(history.processes)}
    return _Chart(history, lanes, placed, positions, margin, max(width, least))


def _room(operation: Operation) -> float:
    return text_width(_words(operation), _TEXT_PIXELS) + 12


def _words(operation: Operation) -> str:
    return operation.shortened_label(_LONGEST_VALUE)


def _top(lane: int) -> float:
    """Return the upper edge of the bars in a lane."""
    return 26 + _LANE_HEIGHT * lane


def _lane(chart: _Chart, process: Hashable) -> str:
    middle = chart.lanes[process] + _BAR_HEIGHT / 2
    name = svg.text(chart.margin - 10, middle + 4.5, str(process), "ds-e ds-strong")
    return name + svg.group([svg.segment((chart.margin, middle), (chart.width - 10, middle), "ds-thin")], "ds-faint")


def _tone(operation: Operation, verdict: Verdict) -> str:
    """Return the classes of an operation's colour."""
    if operation in verdict.conflict:
        return "ds-bad"
    if verdict.conflict or operation.outcome is Outcome.FAIL:
        return "ds-calm"
    return "ds-wait" if operation.outcome is Outcome.UNKNOWN else "ds-accent"


def _bar(chart: _Chart, operation: Operation, verdict: Verdict) -> str:
    """Draw an operation's bar, with its dashes if its outcome is unknown."""
    left, right = chart.span(operation)
    top = chart.lanes[operation.process]
    when = f"{operation.invoked} " + ("on" if operation.completed is None else f"to {operation.completed}")
    shape = [svg.rectangle(left, top, max(right - left, 3), _BAR_HEIGHT, "ds-blank")]
    if operation.outcome is Outcome.FAIL:
        shape.append(svg.rectangle(left, top, max(right - left, 3), _BAR_HEIGHT, "ds-thin ds-dots", corner=3))
    elif operation.outcome is Outcome.UNKNOWN:
        bottom, limit = top + _BAR_HEIGHT, chart.limit(operation)
        shape.append(svg.rectangle(left, top, right - left, _BAR_HEIGHT, "ds-tint"))
        shape.append(svg.path([(right, top), (left, top), (left, bottom), (right, bottom)], "ds-line ds-dash"))
        if right < limit:
            middle = top + _BAR_HEIGHT / 2
            shape.append(svg.segment((right, middle), (limit, middle), "ds-line ds-short"))
    else:
        shape.append(svg.rectangle(left, top, max(right - left, 3), _BAR_HEIGHT, "ds-tint", corner=3))
        shape.append(svg.rectangle(left, top, max(right - left, 3), _BAR_HEIGHT, "ds-line", corner=3))
    if operation in verdict.conflict:
        shape.append(svg.hatch(left, top, right - left, _BAR_HEIGHT, "ds-thin"))
    return svg.group(shape, _tone(operation, verdict), tooltip=f"{operation} ({when})")


def _label(chart: _Chart, operation: Operation, verdict: Verdict) -> str:
    left, _ = chart.span(operation)
    weight = " ds-strong" if operation in verdict.conflict else ""
    css = f"ds-small ds-halo {_tone(operation, verdict)}{weight}"
    return svg.text(left + 2, chart.lanes[operation.process] - 6, _words(operation), css)


def _dots(chart: _Chart, order: Sequence[Operation]) -> list[svg.Point]:
    """Return the instant of each operation of an order, in its bar and after those before it.

    An instant lies between two neighbouring events, in the middle of where the operation can take effect. Those that
    fall between the same two events share the room.
    """
    number = {position: place for place, position in enumerate(chart.positions)}
    first = accumulate((number[one.invoked] for one in order), max)
    last = accumulate((number.get(one.latest, len(number) - 1) for one in reversed(order)), min)
    gaps = [(low + max(low, high - 1)) // 2 for low, high in zip(first, reversed(list(last)), strict=True)]
    places: list[float] = []
    for gap, members in groupby(gaps):
        count = len(list(members))
        begin = chart.x[chart.positions[gap]]
        end = chart.x[chart.positions[min(gap + 1, len(number) - 1)]]
        places += [begin + (end - begin) * (one + 1) / (count + 1) for one in range(count)]
    return [(place, chart.lanes[one.process] + _BAR_HEIGHT / 2) for place, one in zip(places, order, strict=True)]


def _dotted_path(dots: Sequence[svg.Point]) -> list[str]:
    return [svg.group([svg.path(dots, "ds-line ds-dots")], "ds-ink")] if len(dots) > 1 else []


def _dot(number: int, centre: svg.Point) -> str:
    disc = svg.circle(centre, _DOT_RADIUS, "ds-open")
    return svg.group([disc, svg.text(centre[0], centre[1] + 4, str(number), "ds-small ds-m")], "ds-ink")


def _legend(chart: _Chart, verdict: Verdict, top: float) -> tuple[list[str], float]:
    """Return the legend of what occurs, in rows, and the height of the drawing with it."""
    entries: list[tuple[str, str]] = []
    sample = (-12.0, -5.0, 24.0, 10.0)
    if verdict.witness:
        entries.append((svg.group([svg.circle((0, 0), 6, "ds-open")], "ds-ink"), "takes effect here, in this order"))
    if any(one in verdict.conflict for one in chart.history):
        marks = [svg.rectangle(*sample, "ds-line"), svg.hatch(*sample, "ds-thin")]
        entries.append((svg.group(marks, "ds-bad"), "cannot be ordered, whichever of the others took effect"))
    if any(one.outcome is Outcome.UNKNOWN for one in chart.history):
        tone = "ds-calm" if verdict.conflict else "ds-wait"
        marks = [svg.path([(12, -5), (-12, -5), (-12, 5), (12, 5)], "ds-line ds-dash")]
        entries.append((svg.group(marks, tone), "outcome unknown: takes effect later, or never"))
    if any(one.outcome is Outcome.FAIL for one in chart.history):
        entries.append((svg.group([svg.rectangle(*sample, "ds-thin ds-dots")], "ds-calm"), "failed: did not happen"))
    elements: list[str] = []
    x, y = chart.margin, top
    for glyph, words in entries:
        room = 44 + text_width(words, _TEXT_PIXELS)
        if x > chart.margin and x + room > chart.width:
            x, y = chart.margin, y + 20
        elements.append(svg.moved(glyph, (x + 12, y)) + svg.text(x + 30, y + 4, words, "ds-small ds-soft"))
        x += room
    return elements, y + 14 if entries else top
