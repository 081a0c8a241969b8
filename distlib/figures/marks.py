"""What happens on the lanes of a space-time diagram: saves, timers, readings of clocks, crashes, restarts."""

from __future__ import annotations

from distlib.figures import svg
from distlib.figures.canvas import MARK, Canvas, around
from distlib.figures.labels import Label, Place
from distlib.figures.signs import sign
from distlib.figures.story import downtimes
from distlib.figures.svg import Point, text_width
from distlib.node import words
from distlib.runtimes.trace import Event, Kind

__all__ = ["draw_marks"]

CLEAR = 15.0  # pixels from one mark on a lane to the next


def draw_marks(canvas: Canvas, show_timers: bool) -> None:
    """Draw what happened on the lanes: saves, timers, crashes, restarts, readings of clocks."""
    kinds = {Kind.SAVE, Kind.CRASH, Kind.CLOCK} | ({Kind.TIMER} if show_timers else set())
    restarts = {period.end.number for period in downtimes(canvas.trace) if period.end is not None}
    latest = dict.fromkeys(canvas.names, -CLEAR)
    for event in canvas.trace:
        if event.node not in canvas.lanes or not (event.kind in kinds or event.number in restarts):
            continue
        if canvas.timeline.shows(event):
            # Marks that would lie on each other are drawn side by side, in the order in which they happened.
            latest[event.node] = max(canvas.timeline.at(event), latest[event.node] + CLEAR)
            _draw_mark(canvas, event, latest[event.node])


def _draw_mark(canvas: Canvas, event: Event, along: float) -> None:
    """Draw one sign, with its words beside it."""
    across = canvas.lanes[event.node]
    centre = canvas.point(along, across)
    glyph, css = sign(event)
    parts = [svg.moved(glyph, centre)]
    if event.number in canvas.highlight:
        parts.insert(0, svg.circle(centre, 12, "ds-line ds-accent"))
    if event.kind is Kind.TIMER and event.cause is not None:
        _draw_waiting(canvas, canvas.trace[event.cause], along, across)
    canvas.front.append(svg.group(parts, css, tooltip=canvas.tell(event)))
    canvas.boxes.append(around(centre, MARK))
    content, entry = _words(event)
    if entry:
        canvas.legend[entry] = svg.group([svg.moved(glyph, (12, 0))], css)
    if content:
        tone = css if event.kind is Kind.CRASH else "ds-soft"
        canvas.labels.append(Label(content, _beside(canvas, centre, content), f"ds-small ds-halo {tone}", 12))


def _words(event: Event) -> tuple[str, str]:
    """Return what is written beside a mark, and what explains it in the legend."""
    match event.kind:
        case Kind.CRASH:
            return "crash", ""
        case Kind.START:
            return "restart", ""
        case Kind.TIMER:
            return words(event.value), "timer fires"
        case Kind.CLOCK:
            return f"{event.value[1]:.6g} s", "clock reading"
    return "", "saved, not yet forced" if event.note == "unforced" else "saved to disk"


def _draw_waiting(canvas: Canvas, setting: Event, along: float, across: float) -> None:
    """Draw a fine line beside the lane from where a timer was set to where it fires."""
    begin = canvas.clip(canvas.timeline.at(setting))
    if along - begin < 2 * MARK:
        return
    offset = 13.0 if canvas.direction == "right" else -12.0
    corners = [(begin, across), (begin, across + offset), (along, across + offset), (along, across + offset / 2)]
    line = svg.path([canvas.point(*corner) for corner in corners], "ds-thin ds-short")
    canvas.back.append(svg.group([line], "ds-soft"))


def _beside(canvas: Canvas, centre: Point, content: str) -> list[Place]:
    """Return places around a mark for its name."""
    x, y = centre
    half = text_width(content, 12) / 2
    if canvas.direction == "right":
        spots = [(0, 23, 0.0), (0, -18, 1.0), (half, 23, 2.0), (-half, 23, 2.0)]
        spots += [(half, -18, 3.0), (-half, -18, 3.0), (half + 12, 0, 4.0), (0, 33, 5.0)]
    else:
        spots = [(half + 14, 0, 0.0), (-half - 14, 0, 1.0), (half + 14, 12, 2.0), (-half - 14, 12, 3.0)]
        spots += [(half + 14, -12, 3.0), (-half - 14, -12, 4.0)]
    return [Place(x + right, y + down, cost) for right, down, cost in spots]
