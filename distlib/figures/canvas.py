"""The sheet that a space-time diagram is drawn on: where things lie, in which layer, and what words keep clear of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from distlib.figures import svg
from distlib.figures.labels import Box, Label, place
from distlib.figures.svg import Drawing, Point, text_width
from distlib.figures.timeline import Timeline
from distlib.figures.wording import tell
from distlib.runtimes.trace import Event, Kind, Trace

__all__ = ["MARK", "Canvas", "Direction", "around"]

Direction = Literal["right", "down"]

LANE_GAP = 76.0  # pixels between lanes that lie
BRACKET_ROOM = 30.0  # pixels more above a client's lane
WIDEST_COLUMN = 200.0  # pixels between lanes that stand
NARROWEST_COLUMN = 96.0
MARK = 8.0  # pixels from a mark's centre to its edge


@dataclass
class Canvas:
    """A diagram being drawn.

    *Along* is the distance in pixels along the axis, *across* the one from lane to lane.

    Parameters
    ----------
    trace, names
        What happened, and the lanes in order.
    timeline
        Where events lie along the axis.
    direction
        Where the axis points.
    margin
        Pixels to the left of the diagram, for the names of lying lanes or the numbers of steps.
    width
        Of the drawing, in pixels.
    highlight
        Numbers of events to bring out.
    label
        Puts a message into a few words.
    back, arrows, front
        The layers.
    labels, boxes, lines
        Words to be placed, and what they should keep clear of.
    legend
        Samples by their words.
    """

    trace: Trace
    names: tuple[str, ...]
    timeline: Timeline
    direction: Direction
    margin: float
    width: float
    highlight: frozenset[int]
    label: Callable[[Any], str]
    back: list[str] = field(default_factory=list)
    arrows: list[str] = field(default_factory=list)
    front: list[str] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    lines: list[tuple[Point, Point]] = field(default_factory=list)
    legend: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        clients = {event.node for event in self.trace.of(Kind.INVOKE)}
        banded = any(event.kind is Kind.PARTITION for event in self.trace)
        self.lanes: dict[str, float] = {}
        if self.direction == "right":
            self.origin = self.margin
            across = 26.0 if banded else 8.0
            for name in self.names:
                across += (BRACKET_ROOM if name in clients else 0.0) + (LANE_GAP if self.lanes else 16.0)
                self.lanes[name] = across
            self.low, self.high = self.lanes[self.names[0]] - 18, across + 32
            if self.names[0] in clients:
                self.low -= BRACKET_ROOM
            return
        self.origin = 42.0
        room = (self.width - self.margin - 8) / len(self.names)
        self.gap = max(NARROWEST_COLUMN, min(WIDEST_COLUMN, room))
        for index, name in enumerate(self.names):
            self.lanes[name] = self.margin + self.gap * (index + 0.5)
        self.low, self.high = self.margin, self.margin + self.gap * len(self.names)

    # -- geometry ------------------------------------------------------------------------------------------------------

    def point(self, along: float, across: float) -> Point:
        """Return the pixels of a point given along the axis and across the lanes."""
        if self.direction == "right":
            return self.origin + along, across
        return across, self.origin + along

    def bar(self, node: str, start: float, end: float, thickness: float, css: str, corner: float = 3.0) -> str:
        """Draw a bar along a lane."""
        x, y = self.point(start, self.lanes[node] - thickness / 2)
        if self.direction == "right":
            return svg.rectangle(x, y, end - start, thickness, css, corner=corner)
        return svg.rectangle(x, y, thickness, end - start, css, corner=corner)

    def clip(self, along: float) -> float:
        """Return `along`, or the end of the axis that it is beyond."""
        return min(max(along, 0.0), self.timeline.length)

    def extent(self, start: Event, end: Event | None) -> tuple[float, float]:
        """Return where something begins and ends along the axis, cut at the ends of the axis."""
        return self.clip(self.timeline.at(start)), self.clip(self.timeline.at(end))

    def span(self, source: str, target: str) -> int:
        """Return how many gaps between lanes lie between two nodes; 1 for a node and itself."""
        return max(1, abs(self.names.index(source) - self.names.index(target)))

    def tell(self, *events: Event | None) -> str:
        """Put events into words, for a tooltip."""
        return "; ".join(tell(event, self.timeline.title == "step") for event in events if event is not None)

    # -- layers --------------------------------------------------------------------------------------------------------

    def draw_axis(self) -> None:
        """Draw the axis with its unit, and faint lines from its ticks."""
        parts, numbers = [], []
        for along, shown in self.timeline.ticks:
            if not 0 <= along <= self.timeline.length:
                continue
            near, far = self.point(along, self.low), self.point(along, self.high)
            parts.append(svg.segment(near, far, "ds-grid"))
            if self.direction == "right":
                numbers.append(svg.text(far[0], far[1] + 16, shown, "ds-small ds-m"))
            else:
                numbers.append(svg.text(self.margin - 10, near[1] + 4, shown, "ds-small ds-e"))
        self.back.append(svg.group(parts, "ds-faint"))
        if self.direction == "right":
            x, y = self.point(self.timeline.length, self.high)
            numbers.append(svg.text(x, y + 32, f"{self.timeline.title} →", "ds-small ds-e"))
        else:
            numbers.append(svg.text(self.margin - 10, 16, self.timeline.title, "ds-small ds-e"))
        self.front.append(svg.group(numbers, "ds-soft"))

    def finish(self) -> Drawing:
        """Find room for the words, add the legend, and put the layers together."""
        placed = place(self.labels, marks=self.boxes, lines=self.lines)
        written = [
            svg.text(at.x, at.y + 0.35 * label.pixels, label.content, f"{label.css} ds-m")
            for label, at in placed
            if at is not None
        ]
        if self.direction == "right":
            bottom, width = self.high + 40, self.width
        else:
            bottom, width = self.origin + self.timeline.length + 8, max(self.high + 8, 240.0)
        legend, height = _legend(self.legend, self.margin, bottom, width)
        elements = (*self.back, *self.arrows, *self.front, *written, *legend)
        return Drawing(width, height, elements, "Space-time diagram", text_pixels=12)


def around(centre: Point, radius: float) -> Box:
    """Return the square around a point."""
    return Box(centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius)


def _legend(legend: dict[str, str], left: float, top: float, width: float) -> tuple[list[str], float]:
    """Return the legend in rows that fit, and the height of the drawing with it."""
    elements, x, y = [], left, top + 10
    for name, glyph in sorted(legend.items()):
        room = 34 + text_width(name, 12) + 14
        if x > left and x + room > width:
            x, y = left, y + 20
        elements.append(svg.moved(glyph, (x, y)) + svg.text(x + 32, y + 4, name, "ds-small ds-soft"))
        x += room
    return elements, (y + 14 if legend else top)
