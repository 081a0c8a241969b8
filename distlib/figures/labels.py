"""Where to put words so that they cover neither each other nor what they name.

Theory of operation
-------------------
Each label comes with a handful of places, each with a cost of its own (how far it is from where one would look for it).
A label at a place pays for the area that it covers of other labels and of marks, and for each line that runs through
it. Labels are set one after another, each at its cheapest place, and then gone over again, a few times, because a
later label may have taken the place that an earlier one would have left free. This is local search on the
point-feature labelling problem, which is NP-hard (Christensen, Marks and Shieber, *ACM Transactions on Graphics*
14(3), 1995, section 3); the few dozen labels of a diagram need no more. The result depends on nothing but the
arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from distlib.figures.svg import Point, text_width

__all__ = ["Box", "Label", "Place", "Placed", "place"]

ROUNDS = 3
COVERED_TEXT_COST = 1.0  # a pixel² of another label
COVERED_MARK_COST = 0.6  # a pixel² of a mark
CROSSED_LINE_COST = 14.0  # a line through the label
DROPPED_SHARE = 0.2  # a label of which marks and others cover more than this share cannot be read, and is left out


class Box(NamedTuple):
    """A rectangle: its least and its greatest corner."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """Return the area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return width * height if width > 0 and height > 0 else 0.0

    def meets(self, start: Point, end: Point) -> bool:
        """Tell whether the segment from `start` to `end` runs through it."""
        low, high = 0.0, 1.0
        for least, greatest, first, last in (
            (self.left, self.right, start[0], end[0]),
            (self.top, self.bottom, start[1], end[1]),
        ):
            change = last - first
            if change == 0:
                if not least < first < greatest:
                    return False
                continue
            near, far = sorted(((least - first) / change, (greatest - first) / change))
            low, high = max(low, near), min(high, far)
        return low < high


class Place(NamedTuple):
    """A place for a label's centre, and what it costs to put it there."""

    x: float
    y: float
    cost: float = 0.0


@dataclass(frozen=True)
class Label:
    """Words looking for a place.

    Parameters
    ----------
    content
        One line.
    places
        Where its centre may be.
    css
        Its classes.
    pixels
        The height of its font.
    own
        The index, among the lines given to :func:`place`, of the line that it may cover because it names it.
    """

    content: str
    places: Sequence[Place]
    css: str = ""
    pixels: float = 13.0
    own: int | None = None

    def box(self, at: Place) -> Box:
        """Return what it covers at a place."""
        half_width, half_height = text_width(self.content, self.pixels) / 2 + 2, self.pixels * 0.6
        return Box(at.x - half_width, at.y - half_height, at.x + half_width, at.y + half_height)


class Placed(NamedTuple):
    """A label and the place that was found for it; None if there was no room."""

    label: Label
    at: Place | None


def place(
    labels: Sequence[Label], *, marks: Sequence[Box] = (), lines: Sequence[tuple[Point, Point]] = ()
) -> list[Placed]:
    """Find a place for each label.

    Parameters
    ----------
    labels
        Earlier ones choose first.
    marks
        What the labels should not cover.
    lines
        Segments that they should not cover.

    Returns
    -------
    list
        Each label with its place, in the order given. A label that would lie under a mark or another label has none.

    Examples
    --------
    >>> labels = [Label("one", (Place(0, 0),)), Label("two", (Place(5, 0), Place(50, 0, 2.0)))]
    >>> [placed.at.x for placed in place(labels)]
    [0, 50]
    """
    fixed = [[_fixed_cost(label, at, marks, lines) for at in label.places] for label in labels]
    boxes = [[label.box(at) for at in label.places] for label in labels]
    chosen: list[int | None] = [None] * len(labels)
    for _ in range(ROUNDS):
        before = list(chosen)
        for index in range(len(labels)):
            others = [boxes[k][at] for k, at in enumerate(chosen) if at is not None and k != index]
            costs = [
                cost + COVERED_TEXT_COST * sum(box.overlap(other) for other in others)
                for cost, box in zip(fixed[index], boxes[index], strict=True)
            ]
            chosen[index] = min(range(len(costs)), key=costs.__getitem__) if costs else None
        if chosen == before:
            break
    return _readable(labels, boxes, chosen, marks)


def _fixed_cost(label: Label, at: Place, marks: Sequence[Box], lines: Sequence[tuple[Point, Point]]) -> float:
    """Return what a place costs whatever the other labels do."""
    box = label.box(at)
    covered = sum(box.overlap(mark) for mark in marks)
    crossed = sum(1 for index, (start, end) in enumerate(lines) if index != label.own and box.meets(start, end))
    return at.cost + COVERED_MARK_COST * covered + CROSSED_LINE_COST * crossed


def _readable(
    labels: Sequence[Label], boxes: Sequence[Sequence[Box]], chosen: Sequence[int | None], marks: Sequence[Box]
) -> list[Placed]:
    """Leave out the labels that lie under marks or under earlier labels."""
    kept = list(marks)
    result = []
    for label, candidates, index in zip(labels, boxes, chosen, strict=True):
        if index is None:
            result.append(Placed(label, None))
            continue
        box = candidates[index]
        area = (box.right - box.left) * (box.bottom - box.top)
        if sum(box.overlap(other) for other in kept) > DROPPED_SHARE * area:
            result.append(Placed(label, None))
            continue
        kept.append(box)
        result.append(Placed(label, label.places[index]))
    return result
