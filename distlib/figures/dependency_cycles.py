"""A cycle of dependencies as a ring: which transaction comes before which, and the operations that say so.

Theory of operation
-------------------
Each transaction of a :class:`~distlib.checkers.dependency_cycles.Cycle` is a box with its operations, those that a
dependency rests on in bold; the boxes stand on an ellipse in the order of the cycle, clockwise. Each dependency is an
arrow with its kind, its key and the versions that it is about: "rw x: 1 → 2" reads "who overwrote x = 1 with 2 comes
after who read 1". The kinds are told apart by their names and by the dash of the line, and by colour besides.

The ellipse grows until no box touches another and every label has its place outside its arrow. So nothing has to be
left out, but a cycle of many transactions is a picture of nothing: those are refused.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from distlib.checkers.dependency_cycles import Cycle
from distlib.checkers.dependency_graph import Dependency, Kind, show_value
from distlib.checkers.transaction_history import INITIAL, Transaction
from distlib.figures import svg
from distlib.figures.figure import Figure
from distlib.figures.labels import Box
from distlib.figures.signs import arrowhead, sample
from distlib.figures.svg import Drawing, Point, text_width

__all__ = ["dependency_cycle_figure", "draw_dependency_cycle"]

MOST_TRANSACTIONS: Final = 12
MOST_OPERATIONS: Final = 5  # of a transaction, before those that nothing rests on are left out
LINE: Final = 18.0  # pixels from one line of text to the next
GAP: Final = 26.0  # pixels between boxes at the least
ARROW: Final = 44.0  # pixels of an arrow that are to be seen at the least
STEP: Final = 12.0  # pixels by which the ellipse grows
SHAPES: Final = (1.5, 1.2, 0.9, 0.7)  # how much wider than high an ellipse may be, the best first
COLUMN: Final = 740.0  # pixels that a page has room for

# By kind: the colour, the dash, and what the legend says.
MANNERS: Final = {
    Kind.WRITE_WRITE: ("ds-1", "", "ww: the next overwrote what this one wrote"),
    Kind.WRITE_READ: ("ds-3", " ds-long", "wr: the next read what this one wrote"),
    Kind.READ_WRITE: ("ds-2", " ds-dash", "rw: the next overwrote what this one read"),
    Kind.PROCESS: ("ds-4", " ds-dashdot", "process: the next came later in the same process"),
    Kind.REAL_TIME: ("ds-5", " ds-dots", "real time: the next was invoked after this one had completed"),
}


def dependency_cycle_figure(cycle: Cycle, *, alt: str, caption: str, identifier: str | None = None) -> Figure:
    """Draw a cycle of dependencies as a ring of transactions.

    Parameters
    ----------
    cycle
        One of a verdict's anomalies, of at most 12 transactions.
    alt, caption, identifier
        See :class:`~distlib.figures.figure.Shown`. For `alt`, ``cycle.explain()`` says it all.

    Raises
    ------
    ValueError
        If the cycle has too many transactions to be read.

    Examples
    --------
    >>> from distlib.checkers.serializability import Transaction, check_serializability
    >>> verdict = check_serializability([
    ...     Transaction(1, operations=(("read", "x", []), ("append", "y", 1))),
    ...     Transaction(2, operations=(("read", "y", []), ("append", "x", 1))),
    ... ])
    >>> (cycle,) = verdict.anomalies["G2-item"]
    >>> dependency_cycle_figure(cycle, alt="Each overwrote what the other had read.", caption="Write skew.")
    [Figure: Each overwrote what the other had read.]
    """
    return Figure(draw_dependency_cycle(cycle), alt=alt, caption=caption, identifier=identifier)


def draw_dependency_cycle(cycle: Cycle) -> Drawing:
    """Return the drawing alone; as :func:`dependency_cycle_figure`."""
    count = len(cycle.steps)
    if not 2 <= count <= MOST_TRANSACTIONS:
        raise ValueError(
            f"`cycle` must have from 2 to {MOST_TRANSACTIONS} transactions to be drawn, got {count}; "
            "cycle.explain() tells it in words"
        )
    bold = _find_responsible(cycle)
    nodes = [_lay_out(one, bold[one.identifier], cycle) for one in cycle.transactions]
    centres, arrows = _arrange(nodes, cycle.steps)
    boxes = [node.box(centre) for node, centre in zip(nodes, centres, strict=True)]
    left, top, right, bottom = _widen(_surround(nodes, centres, arrows), 4)
    parts = [*map(_draw_arrow, arrows), *(_draw_node(*pair) for pair in zip(nodes, boxes, strict=True))]
    legend, width = _draw_legend(cycle.steps, bottom - top + 24)
    height = bottom - top + 24 + LINE * len(legend)
    picture = svg.moved(svg.group(parts), (-left, -top))
    return Drawing(max(right - left, width), height, (picture, *legend), kind="Cycle of dependencies")


# What a transaction says.


@dataclass(frozen=True)
class _Node:
    """A box: lines of text, each with whether a dependency rests on it; the first is the transaction's name."""

    lines: tuple[tuple[str, bool], ...]
    tooltip: str

    @property
    def width(self) -> float:
        return max(text_width(line, 14 if bold else 13) for line, bold in self.lines) + 24

    @property
    def height(self) -> float:
        return LINE * len(self.lines) + 14

    def box(self, centre: Point) -> Box:
        """Return where it lies."""
        x, y = centre
        return Box(x - self.width / 2, y - self.height / 2, x + self.width / 2, y + self.height / 2)


def _find_responsible(cycle: Cycle) -> dict[Hashable, dict[int, tuple[Hashable, ...]]]:
    """Return by transaction the places of the operations that a dependency rests on, each with its versions."""
    found: dict[Hashable, dict[int, tuple[Hashable, ...]]] = {one.identifier: {} for one in cycle.transactions}

    def note(transaction: Transaction, place: int, *versions: Hashable) -> None:
        places = found[transaction.identifier]
        places[place] = (*places.get(place, ()), *(version for version in versions if version is not INITIAL))

    for step in cycle.steps:
        if step.kind in (Kind.WRITE_WRITE, Kind.WRITE_READ):
            note(step.source, _find_write(step.source, step.key, step.version))
        if step.kind is Kind.READ_WRITE:
            note(step.source, _find_read(step.source, step), step.version)
        if step.kind in (Kind.WRITE_WRITE, Kind.READ_WRITE):
            note(step.target, _find_write(step.target, step.key, step.next_version))
        if step.kind is Kind.WRITE_READ:
            note(step.target, _find_read(step.target, step), step.version)
    return found


def _find_write(transaction: Transaction, key: Hashable, value: Hashable) -> int:
    """Return the place of the operation that wrote a value."""
    return next(
        place
        for place, (function, touched, written) in enumerate(transaction.operations)
        if function != "read" and (touched, written) == (key, value)
    )


def _find_read(transaction: Transaction, step: Dependency) -> int:
    """Return the place of the read that showed what a dependency rests on; a list that was read as None is empty."""
    return next(
        place
        for place, key, value in transaction.reads()
        if key == step.key and (value == step.shown or (value is None and step.shown == ()))
    )


def _lay_out(transaction: Transaction, bold: dict[int, tuple[Hashable, ...]], cycle: Cycle) -> _Node:
    """Write a transaction as lines."""
    in_process = any(step.kind is Kind.PROCESS for step in cycle.steps) and transaction.process is not None
    lines = [(f"{transaction.name}, process {transaction.process}" if in_process else transaction.name, True)]
    everything = len(transaction.operations) <= MOST_OPERATIONS
    skipped = False
    for place, (function, key, value) in enumerate(transaction.operations):
        if place not in bold and not everything:
            if not skipped:
                lines.append(("…", False))
            skipped = True
            continue
        skipped = False
        shown = show_value(value, *bold.get(place, ()))
        words = {"append": f"append {value} to {key}", "write": f"write {key} = {value}"}
        lines.append((words.get(function, f"read {key} = {shown}"), place in bold))
    return _Node(tuple(lines), transaction.describe())


# Where it goes.


@dataclass(frozen=True)
class _Arrow:
    """A dependency as it is drawn: from border to border, with its words beside it."""

    step: Dependency
    tail: Point
    head: Point
    label_at: Point
    label: str

    @property
    def label_box(self) -> Box:
        """What the words cover."""
        x, y = self.label_at
        half = text_width(self.label, 13) / 2 + 3
        return Box(x - half, y - 9, x + half, y + 9)


def _arrange(nodes: Sequence[_Node], steps: Sequence[Dependency]) -> tuple[list[Point], list[_Arrow]]:
    """Return where the centres of the boxes are, and the arrows between them."""
    if len(nodes) == 2:
        return _arrange_two(nodes, steps)
    layouts = [_grow_ellipse(nodes, steps, shape) for shape in SHAPES]
    sizes = [_measure(nodes, *layout) for layout in layouts]
    fitting = [place for place, (width, _) in enumerate(sizes) if width <= COLUMN]
    # What does not fit scrolls; then the smallest picture is the best.
    return layouts[fitting[0] if fitting else min(range(len(sizes)), key=lambda place: math.prod(sizes[place]))]


def _measure(nodes: Sequence[_Node], centres: Sequence[Point], arrows: Sequence[_Arrow]) -> tuple[float, float]:
    """Return how wide and how high a layout is."""
    around = _surround(nodes, centres, arrows)
    return around.right - around.left, around.bottom - around.top


def _surround(nodes: Sequence[_Node], centres: Sequence[Point], arrows: Sequence[_Arrow]) -> Box:
    """Return the smallest box around boxes and words."""
    boxes = [node.box(centre) for node, centre in zip(nodes, centres, strict=True)]
    boxes += [arrow.label_box for arrow in arrows]
    return Box(
        min(box.left for box in boxes),
        min(box.top for box in boxes),
        max(box.right for box in boxes),
        max(box.bottom for box in boxes),
    )


def _grow_ellipse(
    nodes: Sequence[_Node], steps: Sequence[Dependency], shape: float
) -> tuple[list[Point], list[_Arrow]]:
    """Return the smallest layout on an ellipse of a shape in which nothing touches."""
    size = STEP
    while True:
        centres = list(_place_on_ellipse(len(nodes), shape * size, size))
        boxes = [node.box(centre) for node, centre in zip(nodes, centres, strict=True)]
        arrows = [
            _link(
                step,
                (boxes[place], boxes[(place + 1) % len(nodes)]),
                (centres[place], centres[(place + 1) % len(nodes)]),
            )
            for place, step in enumerate(steps)
        ]
        if _is_clear(boxes, arrows):
            return centres, arrows
        size += STEP


def _arrange_two(nodes: Sequence[_Node], steps: Sequence[Dependency]) -> tuple[list[Point], list[_Arrow]]:
    """Put two boxes side by side, with an arrow there and an arrow back."""
    gap = max(text_width(_label(step), 13) for step in steps) + 50
    left, right = nodes[0].width / 2, nodes[0].width + gap + nodes[1].width / 2
    start, end = nodes[0].width, nodes[0].width + gap
    middle = (start + end) / 2
    there = _Arrow(steps[0], (start, -13), (end, -13), (middle, -26), _label(steps[0]))
    back = _Arrow(steps[1], (end, 13), (start, 13), (middle, 26), _label(steps[1]))
    return [(left, 0.0), (right, 0.0)], [there, back]


def _place_on_ellipse(count: int, across: float, down: float) -> Iterator[Point]:
    """Yield points on an ellipse, clockwise from the top; with an even number, two share the top."""
    start = -math.pi / 2 - (math.pi / count if count % 2 == 0 else 0.0)
    for place in range(count):
        angle = start + 2 * math.pi * place / count
        yield across * math.cos(angle), down * math.sin(angle)


def _link(step: Dependency, boxes: tuple[Box, Box], centres: tuple[Point, Point]) -> _Arrow:
    """Return the arrow between two boxes, with its words beside its middle, outside the ring."""
    tail = _leave(boxes[0], *centres)
    head = _leave(boxes[1], *reversed(centres))
    length = math.dist(tail, head) or 1.0
    # Clockwise on a screen, where y goes down, the outside is to the left of the way.
    right, down = (head[1] - tail[1]) / length, (tail[0] - head[0]) / length
    label = _label(step)
    away = abs(right) * (text_width(label, 13) / 2 + 3) + abs(down) * 9 + 3
    at = (tail[0] + head[0]) / 2 + away * right, (tail[1] + head[1]) / 2 + away * down
    return _Arrow(step, tail, head, at, label)


def _leave(box: Box, centre: Point, towards: Point) -> Point:
    """Return where the line from the centre of a box crosses its border."""
    right, down = towards[0] - centre[0], towards[1] - centre[1]
    half_width, half_height = (box.right - box.left) / 2, (box.bottom - box.top) / 2
    share = min(half_width / abs(right) if right else math.inf, half_height / abs(down) if down else math.inf)
    return centre[0] + share * right, centre[1] + share * down


def _is_clear(boxes: Sequence[Box], arrows: Sequence[_Arrow]) -> bool:
    """Return whether everything can be told from everything else."""
    apart = all(_widen(one, GAP).overlap(other) == 0 for one, other in combinations(boxes, 2))
    readable = all(arrow.label_box.overlap(_widen(box, 4)) == 0 for arrow in arrows for box in boxes)
    single = all(one.label_box.overlap(other.label_box) == 0 for one, other in combinations(arrows, 2))
    return apart and readable and single and all(math.dist(arrow.tail, arrow.head) >= ARROW for arrow in arrows)


def _widen(box: Box, margin: float) -> Box:
    return Box(box.left - margin, box.top - margin, box.right + margin, box.bottom + margin)


# How it looks.


def _label(step: Dependency) -> str:
    """Return the words on an arrow."""
    if step.kind is Kind.REAL_TIME:
        return "real time"
    if step.kind is Kind.PROCESS:
        return "process"
    version = show_value(step.shown) if step.version is INITIAL else str(step.version)
    after = "" if step.kind is Kind.WRITE_READ else f" → {step.next_version}"
    return f"{step.kind.value} {step.key}: {version}{after}"


def _draw_arrow(arrow: _Arrow) -> str:
    colour, dash, _ = MANNERS[arrow.step.kind]
    x, y = arrow.label_at
    parts = [
        svg.segment(arrow.tail, _before(arrow.tail, arrow.head), f"ds-line{dash}"),
        arrowhead(arrow.tail, arrow.head),
        svg.text(x, y + 4.5, arrow.label, "ds-m ds-strong ds-halo"),
    ]
    return svg.group(parts, colour, tooltip=arrow.step.explain())


def _before(tail: Point, head: Point, length: float = 8.0) -> Point:
    """Return the point where the line ends and the arrow's head goes on."""
    share = 1 - length / math.dist(tail, head)
    return tail[0] + share * (head[0] - tail[0]), tail[1] + share * (head[1] - tail[1])


def _draw_node(node: _Node, box: Box) -> str:
    frame = svg.rectangle(box.left, box.top, box.right - box.left, box.bottom - box.top, "ds-open", corner=6)
    lines = [
        svg.text(box.left + 12, box.top + 20 + LINE * place, words, "ds-strong" if bold else "ds-soft")
        for place, (words, bold) in enumerate(node.lines)
    ]
    return svg.group([frame, *lines], "ds-ink", tooltip=node.tooltip)


def _draw_legend(steps: Sequence[Dependency], top: float) -> tuple[list[str], float]:
    """Return a line for each kind that occurs, and how wide they are."""
    kinds = [kind for kind in MANNERS if any(step.kind is kind for step in steps)]
    lines = []
    for place, kind in enumerate(kinds):
        colour, dash, words = MANNERS[kind]
        y = top + LINE * place
        lines.append(svg.moved(sample(colour, dash), (4, y - 4.5)) + svg.text(38, y, words, "ds-small ds-soft"))
    return lines, max(38 + text_width(MANNERS[kind][2], 12) for kind in kinds) + 4
