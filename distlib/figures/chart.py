"""The frame of a plot: axes, legend, labels at the ends of lines. What :mod:`~distlib.figures.plots` draws goes inside.

Theory of operation
-------------------
The quantity on the vertical axis is named above it, lying, because a standing text is read with the head tilted
(Tufte, *The Visual Display of Quantitative Information*, second edition, 2001, chapter 9). A line is named at its end
where there is room for that, so that the eye need not travel to a legend; otherwise a legend stands on top. Each
series has a colour, a dash and a marker, and any one of the three suffices to tell it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from distlib.figures import svg
from distlib.figures.labels import Box, Label, Place, place
from distlib.figures.svg import Point, Scale, text_width

__all__ = ["Chart", "Kind", "Note", "dash", "limits", "marker", "tone"]

Kind = Literal["linear", "log"]

DASHES = ("", " ds-dash", " ds-dashdot", " ds-dots", " ds-long", " ds-short")
TEXT = 13.0
WIDEST_LABEL_SHARE = 0.34  # of the width: wider labels go into a legend
LABEL_GAP = 16.0  # pixels between the labels at the ends of lines


@dataclass(frozen=True)
class Note:
    """Words on a plot.

    Parameters
    ----------
    text
        A few words.
    x, y
        What they are about: a point if both are given, a line across the plot if one is.
    """

    text: str
    x: float | None = None
    y: float | None = None

    def __post_init__(self) -> None:
        if self.x is None and self.y is None:
            raise ValueError(f"a note needs `x`, `y` or both, got neither for {self.text!r}")


@dataclass
class Chart:
    """A plot being drawn.

    Parameters
    ----------
    width, height
        In pixels.
    x_label, y_label
        The quantities with their units.
    x_limits, y_limits
        The ends of the axes.
    x_kind, y_kind
        "linear" or "log".
    end_labels
        Words that stand to the right of the plot, for which to leave room.
    legend
        Pairs of a sample, drawn around (0, 0) from -12 to 12, and its words.
    x_ticks
        Positions and words instead of numbers.
    """

    width: float
    height: float
    x_label: str
    y_label: str
    x_limits: tuple[float, float]
    y_limits: tuple[float, float]
    x_kind: Kind = "linear"
    y_kind: Kind = "linear"
    end_labels: Sequence[str] = ()
    legend: Sequence[tuple[str, str]] = ()
    x_ticks: Sequence[tuple[float, str]] | None = None
    elements: list[str] = field(default_factory=list)
    segments: list[tuple[Point, Point]] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name, value in (("x_label", self.x_label), ("y_label", self.y_label)):
            if not value.strip():
                raise ValueError(f"`{name}` must name the quantity and its unit, got {value!r}")
        rows, bottom = self._legend_rows(), self.height - 46
        y_values = Scale(*self.y_limits, bottom, 0, self.y_kind).ticks(5)
        y_words = svg.tick_labels(y_values, log=self.y_kind == "log")
        self.left = 12 + max((text_width(shown, TEXT) for shown in y_words), default=20.0)
        self.right = self.width - 14 - (6 + max(map(text_width, self.end_labels)) if self.end_labels else 0)
        self.top, self.bottom = 30 + 22.0 * len(rows), bottom
        self.x = Scale(*self.x_limits, self.left, self.right, self.x_kind)
        self.y = Scale(*self.y_limits, self.bottom, self.top, self.y_kind)
        self._draw_axes(list(zip(y_values, y_words, strict=True)))
        self._draw_legend(rows)

    def _draw_axes(self, y_ticks: list[tuple[float, str]]) -> None:
        count = max(3, round((self.right - self.left) / 75))
        values = self.x.ticks(count)
        x_ticks = self.x_ticks
        if x_ticks is None:
            x_ticks = list(zip(values, svg.tick_labels(values, log=self.x_kind == "log"), strict=True))
        grid = [svg.segment((self.left, self.y(value)), (self.right, self.y(value)), "ds-grid") for value, _ in y_ticks]
        numbers = [svg.text(self.left - 8, self.y(value) + 4.5, shown, "ds-e") for value, shown in y_ticks]
        numbers += [svg.text(self.x(value), self.bottom + 19, shown, "ds-m") for value, shown in x_ticks]
        stops = [] if self.x_ticks is not None else [(self.x(value), 5.0) for value, _ in x_ticks]
        if self.x_kind == "log":
            stops += [(self.x(value), 3.0) for value in svg.minor_ticks(*self.x_limits)]
        strokes = [svg.path_data([(x, self.bottom), (x, self.bottom + length)]) for x, length in stops]
        if self.y_kind == "log":
            heights = [self.y(value) for value in svg.minor_ticks(*self.y_limits)]
            strokes += [svg.path_data([(self.left - 3, y), (self.left, y)]) for y in heights]
        if strokes:
            grid.append(svg.element("path", class_="ds-thin ds-soft", d="".join(strokes)))
        self.elements.append(svg.group(grid, "ds-faint"))
        self.elements.append(svg.segment((self.left, self.bottom), (self.right, self.bottom), "ds-thin ds-soft"))
        self.elements.append(svg.group(numbers, "ds-soft"))
        self.elements.append(svg.text(0, 14, self.y_label))
        self.elements.append(svg.text((self.left + self.right) / 2, self.bottom + 40, self.x_label, "ds-m"))

    def _legend_rows(self) -> list[list[tuple[str, str, float]]]:
        """Break the legend into rows: (sample, words, x)."""
        rows: list[list[tuple[str, str, float]]] = []
        x = math.inf
        for sample, shown in self.legend:
            room = 34 + text_width(shown, TEXT) + 16
            if x + room > self.width:
                rows.append([])
                x = 14.0
            rows[-1].append((sample, shown, x))
            x += room
        return rows

    def _draw_legend(self, rows: list[list[tuple[str, str, float]]]) -> None:
        for index, row in enumerate(rows):
            y = 36.0 + 22 * index
            for sample, shown, x in row:
                self.elements.append(svg.moved(sample, (x, y - 4.5)) + svg.text(x + 20, y, shown))

    # -- inside --------------------------------------------------------------------------------------------------------

    def clip(self, *elements: str) -> str:
        """Cut elements off at the edges of the plot: an inner ``<svg>`` does that without an ``id``."""
        x, y, width, height = self.left - 1, self.top - 1, self.right - self.left + 2, self.bottom - self.top + 2
        numbers = [svg.number(value) for value in (x, y, width, height)]
        inner = 'x="{0}" y="{1}" width="{2}" height="{3}" viewBox="{0} {1} {2} {3}"'.format(*numbers)
        return f"<svg {inner}>{''.join(elements)}</svg>"

    def inside(self, x: float, y: float) -> bool:
        """Tell whether a point is within the limits."""
        (left, right), (low, high) = self.x_limits, self.y_limits
        slack = 1e-9
        within_x = left - slack * abs(left) <= x <= right + slack * abs(right)
        return within_x and low - slack * abs(low) <= y <= high + slack * abs(high)

    def line(self, values: Sequence[tuple[float, float]], css: str) -> None:
        """Draw a curve through values."""
        points = svg.simplify([(self.x(x), self.y(y)) for x, y in values])
        drawn = svg.path(points, css)
        self.segments += list(pairwise(points))
        self.elements.append(drawn if all(self.inside(x, y) for x, y in values) else self.clip(drawn))

    def band(self, xs: Sequence[float], low: Sequence[float], high: Sequence[float], css: str) -> None:
        """Fill what lies between two curves."""
        upper = svg.simplify([(self.x(x), self.y(y)) for x, y in zip(xs, high, strict=True)])
        lower = svg.simplify([(self.x(x), self.y(y)) for x, y in zip(xs, low, strict=True)])
        drawn = svg.polygon(upper + lower[::-1], css)
        whole = all(self.inside(x, y) for values in (low, high) for x, y in zip(xs, values, strict=True))
        self.elements.append(drawn if whole else self.clip(drawn))

    def end_label(self, entries: Sequence[tuple[str, float, str]]) -> None:
        """Write labels to the right of the plot, moved apart where they collide: (words, value, classes)."""
        wanted = sorted(((min(max(self.y(y), self.top), self.bottom), words, css) for words, y, css in entries))
        heights = spread([y for y, _, _ in wanted], LABEL_GAP, self.top, self.bottom)
        for (y, words, css), at in zip(wanted, heights, strict=True):
            if abs(at - y) > 5:
                self.elements.append(svg.segment((self.right + 2, y), (self.right + 8, at), f"ds-thin {css}"))
            self.elements.append(svg.text(self.right + 10, at + 4.5, words, f"ds-strong {css}"))

    def note(self, note: Note) -> None:
        """Draw a note's line or dot, and look for a place for its words."""
        half = text_width(note.text) / 2
        if note.x is not None and note.y is not None:
            x, y = self.x(note.x), self.y(note.y)
            self.elements.append(svg.circle((x, y), 4.5, "ds-open"))
            self.boxes.append(Box(x - 6, y - 6, x + 6, y + 6))
            offsets = (
                (half + 16, -18),
                (-half - 16, -18),
                (half + 16, 18),
                (-half - 16, 18),
                (0, -30),
                (0, 30),
                (0, -52),
                (0, 52),
            )
            places = [Place(x + right, y + down, index * 2.0) for index, (right, down) in enumerate(offsets)]
        elif note.x is not None:
            x = self.x(note.x)
            self.segments.append(((x, self.top), (x, self.bottom)))
            self.elements.append(svg.segment((x, self.top), (x, self.bottom), "ds-thin ds-dash ds-soft"))
            heights = [self.top + 8 + 18 * step for step in range(int((self.bottom - self.top) / 18))]
            places = [Place(x + side * (half + 6), y, (y - self.top) / 30) for y in heights for side in (1, -1)]
        else:
            y = self.y(note.y or 0.0)
            self.segments.append(((self.left, y), (self.right, y)))
            self.elements.append(svg.segment((self.left, y), (self.right, y), "ds-thin ds-dash ds-soft"))
            shares = [step / 10 for step in range(11)]
            room = self.right - self.left - 2 * half - 8
            places = [
                Place(self.right - half - 4 - share * room, y + side * 10, share)
                for share in shares
                for side in (-1, 1)
            ]
        places = [
            at for at in places if self.left <= at.x - half and at.x + half <= self.width and at.y > self.top - 6
        ] or places
        self.labels.append(Label(note.text, places, "ds-halo", TEXT))

    def finish(self, kind: str) -> svg.Drawing:
        """Write the notes and return the drawing."""
        for label, at in place(self.labels, marks=self.boxes, lines=self.segments):
            if at is not None:
                self.elements.append(svg.text(at.x, at.y + 4.5, label.content, f"{label.css} ds-m"))
        return svg.Drawing(self.width, self.height, tuple(self.elements), kind, text_pixels=TEXT)


def tone(index: int) -> str:
    """Return the class of the colour of a series."""
    return f"ds-{index % 6 + 1}"


def dash(index: int) -> str:
    """Return the class of the dash of a series, with a space before it."""
    return DASHES[index % 6]


def marker(index: int, at: Point, css: str = "ds-open") -> str:
    """Draw the marker of a series: circle, square, triangle, diamond, triangle down, hexagon."""
    x, y = at
    shapes: tuple[Sequence[Point], ...] = (
        (),
        ((-4, -4), (4, -4), (4, 4), (-4, 4)),
        ((-5, 4), (0, -5), (5, 4)),
        ((-5.5, 0), (0, -5.5), (5.5, 0), (0, 5.5)),
        ((-5, -4), (5, -4), (0, 5)),
        ((-5, 0), (-2.5, -4.5), (2.5, -4.5), (5, 0), (2.5, 4.5), (-2.5, 4.5)),
    )
    shape = shapes[index % 6]
    if not shape:
        return svg.circle(at, 4.2, css)
    return svg.polygon([(x + right, y + down) for right, down in shape], css)


def limits(values: Sequence[float], kind: Kind, *, zero: bool = False) -> tuple[float, float]:
    """Choose the ends of an axis: a little beyond the values, and at 0 if they come near it or `zero` asks for it.

    Examples
    --------
    >>> limits([1, 10], "linear"), limits([90, 100], "linear")
    ((0.0, 10.5), (89.5, 100.5))
    """
    low, high = float(min(values)), float(max(values))
    if kind == "log":
        if low <= 0:
            raise ValueError(f"a logarithmic axis needs positive values, got {low!r}")
        factor = max((high / low) ** 0.05, 1.05)
        return low / factor, high * factor
    if low == high:
        low, high = (low - 1.0, high + 1.0) if low == 0 else (low - abs(low) * 0.1, high + abs(high) * 0.1)
    margin = (high - low) * 0.05
    if low >= 0 and (zero or low <= 0.4 * high):
        return 0.0, high * 1.05
    return low - margin, high + margin


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move sorted positions apart to at least `gap`, as little as possible, inside [low, high] as far as they fit.

    Examples
    --------
    >>> spread([10, 12, 50], 16, 0, 100)
    [3.0, 19.0, 50.0]
    """
    # Pool neighbours that collide, and centre each pool on the mean of what its members asked for.
    pools: list[tuple[float, int]] = []  # (first position, members)
    wanted: list[list[float]] = []
    for position in positions:
        pools.append((float(position), 1))
        wanted.append([float(position)])
        while len(pools) > 1 and pools[-2][0] + pools[-2][1] * gap > pools[-1][0]:
            _, members = pools.pop()
            moved = wanted.pop()
            count = pools[-1][1] + members
            wanted[-1] += moved
            mean = sum(at - index * gap for index, at in enumerate(wanted[-1])) / count
            pools[-1] = (mean, count)
        first, members = pools[-1]
        pools[-1] = (max(low, min(first, high - (members - 1) * gap)), members)
    return [first + index * gap for first, members in pools for index in range(members)]
