"""What lies along the lanes of a space-time diagram: the lanes, states, pauses, partitions and operations."""

from __future__ import annotations

from itertools import pairwise

from distlib.figures import svg
from distlib.figures.canvas import Canvas
from distlib.figures.labels import Box, Label, Place
from distlib.figures.story import (
    Operation,
    Partition,
    State,
    StateBand,
    downtimes,
    operations,
    partitions,
    pauses,
    state_bands,
)
from distlib.figures.svg import Point, text_width
from distlib.node import Outcome

__all__ = ["draw_breaks", "draw_lanes", "draw_operations", "draw_partitions", "draw_pauses", "draw_states"]

LEAST_OPERATION = 110.0  # pixels for an operation's words, however short it is
BAND = {"right": 20.0, "down": 14.0}  # pixels across a state band


def draw_partitions(canvas: Canvas) -> None:
    """Draw when which nodes could not talk."""
    for partition in partitions(canvas.trace):
        start, end = canvas.extent(partition.start, partition.end)
        if end <= start:
            continue
        _draw_partition(canvas, partition, start, end)


def _draw_partition(canvas: Canvas, partition: Partition, start: float, end: float) -> None:
    """Draw a band across the lanes, with a wall between neighbours that cannot talk."""
    x, y = canvas.point(start, canvas.low)
    far_x, far_y = canvas.point(end, canvas.high)
    parts = [svg.rectangle(x, y, far_x - x, far_y - y, "ds-tint")]
    for along in (start, end):
        parts.append(svg.segment(canvas.point(along, canvas.low), canvas.point(along, canvas.high), "ds-thin ds-dash"))
    for name, neighbour in pairwise(canvas.names):
        if {(name, neighbour), (neighbour, name)} & partition.pairs:
            middle = (canvas.lanes[name] + canvas.lanes[neighbour]) / 2
            wall = svg.segment(canvas.point(start, middle), canvas.point(end, middle), "ds-line ds-long")
            parts.append(wall)
    description = partition.describe(canvas.names)
    canvas.back.append(svg.group(parts, "ds-wait", tooltip=description))
    half = text_width(description, 12) / 2
    if canvas.direction == "right":
        centre = min(max((x + far_x) / 2, canvas.margin + half), canvas.width - half)
        canvas.labels.append(Label(description, (Place(centre, canvas.low - 9),), "ds-small ds-wait", 12))
    else:
        places = tuple(Place(far_x - half - 6, y + offset, offset / 9) for offset in range(12, 60, 8))
        canvas.labels.append(Label(description, places, "ds-small ds-wait", 12))


def draw_lanes(canvas: Canvas) -> None:
    """Draw the lanes with their names, and a gap where a node is down."""
    downtime = downtimes(canvas.trace)
    for name, across in canvas.lanes.items():
        begin, parts = 0.0, []
        for period in downtime:
            if period.node != name:
                continue
            start, end = canvas.extent(period.start, period.end)
            parts.append(svg.segment(canvas.point(begin, across), canvas.point(start, across), "ds-line"))
            parts.append(svg.segment(canvas.point(start, across), canvas.point(end, across), "ds-thin ds-dots"))
            begin = end
        finish = canvas.point(canvas.timeline.length, across)
        if begin < canvas.timeline.length:
            parts.append(svg.segment(canvas.point(begin, across), finish, "ds-line"))
        canvas.back.append(svg.group(parts, "ds-6"))
        canvas.lines.append((canvas.point(0, across), finish))
        if canvas.direction == "right":
            canvas.front.append(svg.text(canvas.margin - 14, across + 4.5, name, "ds-strong ds-e"))
        else:
            canvas.front.append(svg.text(across, 18, name, "ds-strong ds-m"))


def draw_states(canvas: Canvas, state: State) -> None:
    """Draw the states that the caller names as bands along the lanes."""
    for band in state_bands(canvas.trace, canvas.names, state):
        start, end = canvas.extent(band.start, band.end)
        if end - start < 1:
            continue
        thickness = BAND[canvas.direction]
        parts = [
            canvas.bar(band.node, start, end, thickness, "ds-open"),
            canvas.bar(band.node, start, end, thickness, "ds-tint"),
        ]
        canvas.back.append(svg.group(parts, f"ds-{band.tone}", tooltip=f"{band.node}: {band.label}"))
        _label_state(canvas, band, start, end)


def _label_state(canvas: Canvas, band: StateBand, start: float, end: float) -> None:
    """Ask for a place for a state's words: inside a lying band, beside a standing one."""
    across = canvas.lanes[band.node]
    css = f"ds-small ds-{band.tone}"
    if canvas.direction == "right":
        content = _shorten(band.label, end - start - 8)
        half = text_width(content, 12) / 2
        first, last = start + half + 6, end - half - 2
        if not content or first > last:
            return
        steps = [first + (last - first) * share / 12 for share in range(13)]
        places = [Place(*canvas.point(along, across), (along - first) / 40) for along in steps]
    else:
        half = text_width(band.label, 12) / 2
        content = band.label
        places = [
            Place(across + side * (half + 14), canvas.origin + along, (along - start) / 8 + (2 if side < 0 else 0))
            for along in (start + 12, start + 20, start + 28, start + 36, start + 48)
            for side in (1, -1)
            if along < max(end, start + 21)
        ]
    canvas.labels.append(Label(content, places, css, 12))


def draw_pauses(canvas: Canvas) -> None:
    """Hatch the lane of a node that is paused."""
    for period in pauses(canvas.trace):
        start, end = canvas.extent(period.start, period.end)
        if period.node not in canvas.lanes or end - start < 1:
            continue
        x, y = canvas.point(start, canvas.lanes[period.node] - 7)
        size = (end - start, 14.0) if canvas.direction == "right" else (14.0, end - start)
        bar = [svg.rectangle(x, y, *size, "ds-open"), svg.hatch(x, y, *size, "ds-thin")]
        canvas.back.append(svg.group(bar, "ds-6", tooltip=canvas.tell(period.start, period.end)))
        sample = [svg.rectangle(2, -6, 20, 12, "ds-open"), svg.hatch(2, -6, 20, 12, "ds-thin")]
        canvas.legend["paused"] = svg.group(sample, "ds-6")


def draw_breaks(canvas: Canvas) -> None:
    """Cut the lanes where the axis is broken, and say for how long."""
    for start, end, duration in canvas.timeline.breaks:
        near, far = start + 8, end - 8
        x, y = canvas.point(near, canvas.low)
        far_x, far_y = canvas.point(far, canvas.high)
        parts = [svg.rectangle(x, y, far_x - x, far_y - y, "ds-blank")]
        for along in (near, far):
            parts.append(svg.path(_zigzag(canvas, along), "ds-thin"))
        canvas.back.append(svg.group(parts, "ds-soft", tooltip=f"nothing happens for {duration}"))
        canvas.boxes.append(Box(x, y, far_x, far_y))
        middle = canvas.point((near + far) / 2, canvas.high)
        if canvas.direction == "right":
            canvas.front.append(svg.text(middle[0], canvas.high + 16, f"+{duration}", "ds-small ds-m ds-soft"))
        else:
            canvas.front.append(svg.text(canvas.margin - 10, middle[1] + 4, f"+{duration}", "ds-small ds-e ds-soft"))


def _zigzag(canvas: Canvas, along: float, step: float = 8.0) -> list[Point]:
    """Return the torn edge of a break."""
    count = int((canvas.high - canvas.low) / step)
    return [canvas.point(along + (3 if k % 2 else -3), canvas.low + k * step) for k in range(count + 1)]


def draw_operations(canvas: Canvas) -> None:
    """Draw the clients' operations as brackets beside their lanes."""
    for operation in operations(canvas.trace):
        start, end = canvas.timeline.at(operation.invoke), canvas.timeline.at(operation.complete)
        if operation.invoke.node in canvas.lanes and end >= 0 and start <= canvas.timeline.length:
            _draw_operation(canvas, operation, start, end)


def _draw_operation(canvas: Canvas, operation: Operation, start: float, end: float) -> None:
    """Draw a bracket, open at an end that is outside the window or that never came."""
    side = -1.0 if canvas.direction == "right" else 1.0
    lane = canvas.lanes[operation.invoke.node]
    near, far = lane + side * 13, lane + side * 21
    first, last = canvas.clip(start), canvas.clip(end)
    corners = [(first, far), (last, far)]
    if start >= 0:
        corners.insert(0, (first, near))
    if operation.complete is not None and end <= canvas.timeline.length:
        corners.append((last, near))
    tone = {Outcome.OK: "ds-1", Outcome.FAIL: "ds-2", Outcome.UNKNOWN: "ds-5"}[operation.outcome]
    dash = " ds-dash" if operation.outcome is Outcome.UNKNOWN else ""
    line = svg.path([canvas.point(*corner) for corner in corners], f"ds-line{dash}")
    canvas.lines.append((canvas.point(first, far), canvas.point(last, far)))
    canvas.arrows.append(svg.group([line], tone, tooltip=canvas.tell(operation.invoke, operation.complete)))
    content = _shorten(str(operation), max(LEAST_OPERATION, last - first if canvas.direction == "right" else 0.0))
    half, middle = text_width(content, 12) / 2, canvas.origin + (first + last) / 2
    if canvas.direction == "right":
        middle = min(max(middle, half), canvas.width - half)
        places = [Place(middle + shift, far - 10, abs(shift) / 10) for shift in (0, 20, -20, 40, -40, 60, -60)]
    else:
        places = [Place(far + half + 6, middle + shift, abs(shift) / 10) for shift in (0, 12, -12, 24, -24)]
    canvas.labels.append(Label(content, places, f"ds-small {tone}", 12))


def _shorten(content: str, room: float) -> str:
    """Return `content`, or its beginning with an ellipsis, or nothing, whichever is the longest that has room."""
    if text_width(content, 12) <= room:
        return content
    for letters in range(len(content) - 1, 1, -1):
        if text_width(content[:letters] + "…", 12) <= room:
            return content[:letters] + "…"
    return ""
