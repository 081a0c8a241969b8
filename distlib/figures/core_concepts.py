"""The figures of the chapter on core concepts: its dials, and the map of how the six topics depend on each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from distlib.experiments.core_concepts import briefly, outcomes, read, registers, run_with, state_label, write
from distlib.figures import svg
from distlib.figures.figure import Figure, Frame
from distlib.figures.interactive import Dial, Interactive
from distlib.figures.plots import Note, frame_lines
from distlib.figures.spacetime import spacetime
from distlib.figures.svg import Drawing, Point
from distlib.models.core_concepts import operation_seconds_mean, round_law
from distlib.models.latency import Constant, Law, LogNormal
from distlib.protocols.core_concepts import LocalReplica, MajorityReplica, Replica
from distlib.runtimes.faults import Partition

__all__ = ["partition_dials", "price_dials", "topic_map"]

MILLISECOND: Final = 0.001
LEG_MILLISECONDS: Final = 10.0


def _leg(spread: float) -> Law:
    """Return a law with a mean of ten milliseconds whose logarithm has the deviation `spread`."""
    mean = LEG_MILLISECONDS * MILLISECOND
    return Constant(mean) if spread == 0 else LogNormal(mean * math.exp(-(spread**2) / 2), spread)


def price_dials(*, identifier: str) -> Interactive:
    """Return the law of the latency of one and of two majority rounds, against the replicas and the spread of legs."""
    times = np.linspace(0, 120, 49)
    step = 0.5  # ms; fine enough for a picture, and the means are exact
    fine = np.arange(0, 400, step)

    @cache
    def one_round(replicas: int, spread: float) -> NDArray[np.float64]:
        return np.asarray(round_law(replicas, _leg(spread)).cdf(fine * MILLISECOND))

    def two_rounds(replicas: int, spread: float) -> NDArray[np.float64]:
        first = one_round(replicas, spread)
        return np.convolve(np.diff(first, prepend=0.0), first)[: len(fine)]

    def draw(replicas: int, spread: float) -> Frame:
        two = two_rounds(replicas, spread)
        mean = operation_seconds_mean(replicas, _leg(spread)) / MILLISECOND
        slow = float(fine[np.argmax(two >= 0.99)])
        beyond = "" if slow <= times[-1] else " (off the scale)"
        return frame_lines(
            {
                "one round": (times, 100 * np.interp(times, fine, one_round(replicas, spread))),
                "two rounds": (times, 100 * np.interp(times, fine, two)),
            },
            summary=f"{replicas} replicas: one round takes {mean / 2:.0f} ms in the mean, two take {mean:.0f} ms, "
            f"and 1 in 100 takes {slow:.0f} ms or more{beyond}. A local answer takes 0 ms.",
            x_label="time since the request (ms)",
            y_label="operations answered by then (%)",
            x_limits=(0, 120),
            y_limits=(0, 100),
            notes=[Note("mean of two", x=mean)],
        )

    dials = [
        Dial("replicas", (3, 5, 7, 9, 11), 5, "replicas"),
        Dial("spread", (0.0, 0.3, 0.6, 0.9, 1.2), 0.6, "spread σ of a leg"),
    ]
    return Interactive(
        draw,
        dials,
        identifier=identifier,
        alt="The share of operations that are answered, over time, for one round of a majority and for two.",
        caption="What consistency costs with no fault at all. A leg takes 10 ms in the mean, whatever the dials say. "
        "With more replicas the curves come closer to steps: a majority waits neither for the fastest nor the slowest.",
    )


def partition_dials(*, identifier: str) -> Interactive:
    """Return one run with a partition, with dials for the kind of replica and for the moment at which it heals."""
    kinds: dict[str, type[Replica]] = {"asks a majority": MajorityReplica, "answers at once": LocalReplica}

    def draw(kind: str, heals_ms: int) -> Figure:
        tasks = {"alice": [write(1, "r1", 0.02), read("r1", 0.01)], "bob": [read("r3", 0.03), read("r3", 0.03)]}
        nodes = registers(kinds[kind], tasks, patience_seconds=0.05, resend_seconds=0.015)
        split = Partition(0.01, heals_ms * MILLISECOND, groups=({"r1"}, {"r2", "r3"}))
        leg, near = Constant(2 * MILLISECOND), Constant(MILLISECOND)
        run = run_with(leg, nodes, seed=1, faults=[split], until_seconds=0.14, client_leg=near)
        counted = outcomes(run)
        told = ", ".join(f"{name} {given} of {given + lost}" for name, (given, lost) in sorted(counted.items()))
        return spacetime(
            run.trace,
            label=briefly,
            state=state_label,
            names=("alice", "r1", "r2", "r3", "bob"),
            start_seconds=0.0,
            end_seconds=0.14,
            show_timers=False,
            alt=f"The partition heals at {heals_ms} ms. Operations that were answered: {told}.",
            caption="One setting.",
        )

    dials = [
        Dial("kind", tuple(kinds), "asks a majority", "the replica"),
        Dial("heals_ms", (30, 50, 70, 90, 110), 50, "the partition heals at", "ms"),
    ]
    return Interactive(
        draw,
        dials,
        identifier=identifier,
        alt="A space-time diagram of two clients and three replicas, of which r1 is cut off from 10 ms on.",
        caption="Clients wait for 50 ms at most. A partition that is over by then is latency to them.",
    )


# --------------------------------------------------------------------------------------------------------- the topics

_BOXES: Final[Mapping[str, tuple[Point, str, str]]] = {
    "caching": ((20, 20), "caching", "copies that may be old"),
    "computing": ((480, 20), "computing", "tasks that run twice"),
    "transactions": ((20, 130), "transactions", "all of it or nothing"),
    "file systems": ((480, 130), "file systems", "blocks and their copies"),
    "consistency": ((20, 240), "consistency", "who may see what"),
    "fault tolerance": ((480, 240), "fault tolerance", "what a crash leaves"),
}
_WIDTH, _HEIGHT = 200.0, 52.0
_EDGES: Final[Sequence[tuple[str, str, str]]] = (
    ("caching", "transactions", ""),
    ("caching", "file systems", ""),
    ("computing", "file systems", "reads its input from"),
    ("transactions", "consistency", "decide once, by"),
    ("transactions", "fault tolerance", ""),
    ("file systems", "consistency", ""),
    ("file systems", "fault tolerance", "repair by"),
    ("consistency", "fault tolerance", "new leader by"),
)


def topic_map(*, identifier: str) -> Figure:
    """Return the six topics of the book as boxes, each with arrows to those that it rests on."""
    arrows = [_arrow(_BOXES[source][0], _BOXES[target][0], words) for source, target, words in _EDGES]
    boxes = [
        svg.group(
            [
                svg.rectangle(x, y, _WIDTH, _HEIGHT, "ds-blank", corner=6),
                svg.rectangle(x, y, _WIDTH, _HEIGHT, "ds-tint", corner=6),
                svg.rectangle(x, y, _WIDTH, _HEIGHT, "ds-line", corner=6),
                svg.text(x + _WIDTH / 2, y + 22, title, "ds-m ds-strong"),
                svg.text(x + _WIDTH / 2, y + 41, words, "ds-small ds-m"),
            ],
            "ds-accent",
        )
        for (x, y), title, words in _BOXES.values()
    ]
    told = ", ".join(f"{source} on {target}" for source, target, _ in _EDGES)
    return Figure(
        Drawing(700, 312, (*arrows, *boxes), "Map of topics"),
        alt=f"Six boxes with arrows. What rests on what: {told}.",
        caption="The six topics. An arrow goes from a topic to one that it rests on.",
        identifier=identifier,
    )


def _arrow(source: Point, target: Point, words: str) -> str:
    """Draw an arrow from the edge of one box to the edge of another, its words beside its middle."""
    start, end = _edge(source, target), _edge(target, source)
    length = math.dist(start, end)
    along = ((end[0] - start[0]) / length, (end[1] - start[1]) / length)
    tip = (end[0] - 2 * along[0], end[1] - 2 * along[1])
    back = (tip[0] - 9 * along[0], tip[1] - 9 * along[1])
    head = [tip, (back[0] - 4 * along[1], back[1] + 4 * along[0]), (back[0] + 4 * along[1], back[1] - 4 * along[0])]
    parts = [svg.segment(start, back, "ds-line"), svg.polygon(head, "ds-fill")]
    if words:
        middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        beside = (middle[0] + 8, middle[1] + 4) if abs(along[0]) < 0.5 else (middle[0], middle[1] - 7)
        anchor = "" if abs(along[0]) < 0.5 else " ds-m"
        parts.append(svg.text(*beside, words, f"ds-small ds-halo{anchor}"))
    return svg.group(parts, "ds-calm")


def _edge(box: Point, towards: Point) -> Point:
    """Return where the line between the centres of two boxes leaves the first."""
    centre = (box[0] + _WIDTH / 2, box[1] + _HEIGHT / 2)
    dx, dy = towards[0] - box[0], towards[1] - box[1]
    share = min(
        _WIDTH / 2 / abs(dx) if dx else math.inf,
        _HEIGHT / 2 / abs(dy) if dy else math.inf,
    )
    return (centre[0] + share * dx, centre[1] + share * dy)
