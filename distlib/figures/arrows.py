"""The messages of a space-time diagram: arrows from node to node.

A message that was lost ends in a cross: on its way, in the middle of a gap between lanes, or on the lane of a node that
was down. One that is still under way when the trace ends only sets out.
"""

from __future__ import annotations

from distlib.figures import svg
from distlib.figures.canvas import Canvas, around
from distlib.figures.labels import Label, Place
from distlib.figures.signs import arrowhead, cross, sample
from distlib.figures.story import Fate, Message, messages
from distlib.figures.svg import Point

__all__ = ["draw_messages"]

UNDER_WAY = 48.0  # pixels along the axis that a message without an end is drawn for


def draw_messages(canvas: Canvas) -> None:
    """Draw every message between the nodes shown."""
    for message in messages(canvas.trace):
        if message.source in canvas.lanes and message.target in canvas.lanes:
            _draw_message(canvas, message)


def _draw_message(canvas: Canvas, message: Message) -> None:
    """Draw an arrow, and ask for a place for its words."""
    start, end = _ends(canvas, message)
    clipped = _clip(start, end, canvas.timeline.length)
    if clipped is None:
        return
    tail, head = canvas.point(*clipped[0]), canvas.point(*clipped[1])
    numbers = {message.send.number} | ({message.end.number} if message.end else set())
    bright = bool(numbers & canvas.highlight)
    css, dash = _manner(canvas, message, bright)
    line = f"ds-line{dash}" + (" ds-bold" if bright else "")
    if message.source == message.target:
        parts, middle = _loop(canvas, tail, head, line)
    else:
        parts, middle = [svg.segment(tail, head, line)], None
    if clipped[0] == start:
        parts.append(svg.circle(tail, 3, "ds-fill"))
    if clipped[1] == end and message.fate is Fate.LOST:
        parts.append(cross(head, 5.5))
        canvas.boxes.append(around(head, 6))
        canvas.legend["lost"] = svg.group([svg.segment((0, 0), (18, 0), "ds-line"), cross((19, 0), 5)], "ds-2")
    elif clipped[1] == end:
        parts.append(arrowhead(tail if middle is None else middle, head))
    shaded = css if bright or not canvas.highlight else f"{css} ds-dim"
    canvas.arrows.append(svg.group(parts, shaded, tooltip=canvas.tell(message.send, message.end)))
    _label_message(canvas, message, tail, head, middle, bright)


def _ends(canvas: Canvas, message: Message) -> tuple[Point, Point]:
    """Return where a message begins and ends, along and across."""
    source, target = canvas.lanes[message.source], canvas.lanes[message.target]
    start, end = canvas.timeline.at(message.send), canvas.timeline.at(message.end)
    if message.fate is Fate.UNDER_WAY:
        # Where it would have arrived is not known: it only sets out.
        ahead = min(start + UNDER_WAY, canvas.timeline.length + UNDER_WAY / 2)
        return (start, source), (ahead, source + 0.6 * (target - source) / canvas.span(message.source, message.target))
    if message.fate is Fate.LOST and message.end is not None and message.end.note != "down":
        span = canvas.span(message.source, message.target)
        if end - start < 10:  # It was lost as it was sent.
            return (start, source), (start + 18, source + 0.5 * (target - source) / span)
        return (start, source), (end, source + _middle_of_a_gap(span) * (target - source))
    if message.source == message.target:
        return (start, source), (max(end, start + 20), target)
    return (start, source), (end, target)


def _manner(canvas: Canvas, message: Message, bright: bool) -> tuple[str, str]:
    """Return a message's colour and dash, and note them in the legend."""
    css, dash = "ds-6", ""
    if message.fate is Fate.LOST:
        css = "ds-2"
    elif message.duplicate:
        dash = " ds-dash"
        canvas.legend["duplicate"] = sample("ds-6", dash)
    elif message.overtaken:
        css, dash = "ds-5", " ds-dashdot"
        canvas.legend["overtaken by a later message"] = sample(css, dash)
    elif message.fate is Fate.UNDER_WAY:
        dash = " ds-dots"
        canvas.legend["still under way"] = sample(css, dash)
    if bright:
        css = "ds-accent"
        canvas.legend["highlighted"] = sample(css, " ds-bold")
    return css, dash


def _loop(canvas: Canvas, tail: Point, head: Point, css: str) -> tuple[list[str], Point]:
    """Draw a message from a node to itself as an arc; return it and the point that it bulges towards."""
    x, y = (tail[0] + head[0]) / 2, (tail[1] + head[1]) / 2
    bulge = (x, y - 34) if canvas.direction == "right" else (x + 34, y)
    numbers = [svg.number(value) for value in (*tail, *bulge, *head)]
    data = "M{} {}Q{} {} {} {}".format(*numbers)
    return [svg.element("path", class_=css, d=data)], bulge


def _label_message(
    canvas: Canvas, message: Message, tail: Point, head: Point, middle: Point | None, bright: bool
) -> None:
    """Ask for a place on the arrow, whose line the words interrupt: so it is plain which arrow they name."""
    content = canvas.label(message.send.value)
    canvas.lines.append((tail, head))
    if not content:
        return
    if middle is not None:
        places = [Place(middle[0], middle[1] + 10)]
    else:
        span = canvas.span(message.source, message.target)
        shares = [step / 40 for step in range(7, 35)]
        right, down = head[0] - tail[0], head[1] - tail[1]
        places = [Place(tail[0] + share * right, tail[1] + share * down, _share_cost(share, span)) for share in shares]
    tone = " ds-2" if message.fate is Fate.LOST else " ds-soft" if canvas.highlight else ""
    css = "ds-small ds-halo" + (" ds-accent ds-strong" if bright else tone)
    canvas.labels.append(Label(content, places, css, 12, own=len(canvas.lines) - 1))


def _clip(start: Point, end: Point, length: float) -> tuple[Point, Point] | None:
    """Cut a line down to the window; None if nothing is left."""
    (first, first_across), (last, last_across) = start, end
    if last < 0 or first > length:
        return None

    def across(along: float) -> float:
        return first_across + (last_across - first_across) * (along - first) / (last - first)

    near = start if first >= 0 else (0.0, across(0.0))
    far = end if last <= length else (length, across(length))
    return near, far


def _middle_of_a_gap(span: int) -> float:
    """Return how far a lost message gets on its way across `span` lanes: past the half, and not onto another lane."""
    return (span // 2 + 0.5) / span


def _share_cost(share: float, span: int) -> float:
    """Return what it costs to write at a share of an arrow that crosses `span` lanes: least in the middle of a gap."""
    to_middle = abs((share * span) % 1.0 - 0.5)
    return 10 * to_middle + 3 * abs(share - 0.5)
