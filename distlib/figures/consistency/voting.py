"""The figures of the chapter on voting: quorums on their nodes, the law of who is up, and the choice of R and W."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from distlib.figures import svg
from distlib.figures.figure import Figure, Frame
from distlib.figures.interactive import Dial, Interactive
from distlib.figures.plots import Note, Series, frame_lines
from distlib.figures.svg import Drawing, Point
from distlib.models.availability import (
    binomial,
    correlated,
    downtime_minutes_per_year,
    nines,
    unavailability_of,
)
from distlib.models.consistency.staleness import Legs
from distlib.models.consistency.voting import Choice, choices, unbeaten
from distlib.models.latency import Exponential, LogNormal

__all__ = ["LEGS", "Panel", "choice_dials", "nines_dials", "quorum_pictures", "share_words", "time_words"]

MILLISECOND = 0.001
LEAST_PROBABILITY = 1e-16

# ---------------------------------------------------------------------------------------------------------- pictures


@dataclass(frozen=True)
class Panel:
    """A quorum system in a picture.

    Parameters
    ----------
    title
        Its name.
    places
        By node: column and row, of which (0, 0) is the least.
    reads, writes
        One read quorum and one write quorum.
    """

    title: str
    places: Mapping[str, Point]
    reads: frozenset[str]
    writes: frozenset[str]


def quorum_pictures(panels: Sequence[Panel], *, alt: str, caption: str, identifier: str) -> Figure:
    """Draw systems side by side: a solid ring marks a read quorum, a dashed one outside it a write quorum.

    Raises
    ------
    ValueError
        If a panel's quorums do not meet, or a quorum has a node without a place.
    """
    step, left, elements = 46.0, 10.0, []
    deepest = max(y for panel in panels for _, y in panel.places.values())
    for panel in panels:
        if not panel.reads & panel.writes or not panel.reads | panel.writes <= set(panel.places):
            raise ValueError(f"the quorums of {panel.title!r} must meet, and be of its nodes")
        width = max(max(x for x, _ in panel.places.values()) * step + 52, svg.text_width(panel.title, 13) + 8)
        elements.append(svg.text(left + width / 2, 18, panel.title, "ds-strong ds-m"))
        span = max(x for x, _ in panel.places.values()) * step
        start = left + (width - span) / 2
        for name, (x, y) in panel.places.items():
            centre = start + x * step, 58 + y * step
            both = name in panel.reads and name in panel.writes
            if name in panel.writes:
                elements.append(svg.circle(centre, 20, "ds-2 ds-line ds-short"))
            if name in panel.reads:
                elements.append(svg.circle(centre, 15.5, "ds-1 ds-line ds-bold"))
            elements.append(svg.circle(centre, 11, "ds-open ds-soft" if not both else "ds-fill ds-soft ds-faint"))
            elements.append(svg.text(centre[0], centre[1] + 4.5, name, "ds-m ds-ink"))
        left += width + 18
    bottom = 58 + deepest * step + 48
    elements += [
        svg.circle((22, bottom), 8, "ds-1 ds-line ds-bold"),
        svg.text(38, bottom + 4.5, "a read quorum", "ds-ink"),
        svg.circle((160, bottom), 10, "ds-2 ds-line ds-short"),
        svg.text(178, bottom + 4.5, "a write quorum", "ds-ink"),
        svg.circle((310, bottom), 9, "ds-fill ds-faint"),
        svg.text(326, bottom + 4.5, "where they meet", "ds-ink"),
    ]
    drawing = Drawing(max(left, 450.0), bottom + 22, tuple(elements), "Quorum systems")
    return Figure(drawing, alt=alt, caption=caption, identifier=identifier)


# ------------------------------------------------------------------------------------------------------------- nines


def share_words(probability: float) -> str:
    """Write a small probability as people say it.

    Examples
    --------
    >>> share_words(0.25), share_words(0.0004), share_words(3e-7)
    ('25 %', '0.04 %', '3 in 10 million')
    """
    if probability >= 1e-4:
        return f"{100 * probability:.2g} %"
    if probability >= 1e-6:
        return f"{1e6 * probability:.2g} in a million"
    if probability >= 1e-9:
        return f"{1e7 * probability:.2g} in 10 million" if probability >= 1e-7 else f"{1e9 * probability:.3g} in 10⁹"
    return "less than one in 10⁹"


def time_words(unavailability: float, *, short: bool = False) -> str:
    """Write how long a year is without a quorum.

    Examples
    --------
    >>> time_words(1e-4), time_words(1e-7), time_words(0.1), time_words(0.1, short=True)
    ('53 minutes a year', '3.2 seconds a year', '37 days a year', '37 d/year')
    """
    minutes = downtime_minutes_per_year(unavailability)
    for size, unit in ((1440, "days"), (60, "hours"), (1, "minutes"), (1 / 60, "seconds")):
        if minutes >= 2 * size or (unit == "seconds" and minutes >= 0.1 * size):
            count = f"{minutes / size:.0f}" if minutes >= 99.5 * size else f"{minutes / size:.2g}"
            return f"{count} {'min' if unit == 'minutes' else unit[0]}/year" if short else f"{count} {unit} a year"
    return "< 0.1 s/year" if short else "less than 0.1 seconds a year"


QUORUM_SIZES: Final[Mapping[str, Callable[[int], int]]] = {
    "one": lambda n: 1,
    "a majority": lambda n: n // 2 + 1,
    "all": lambda n: n,
}


def nines_dials(*, identifier: str) -> Interactive:
    """Return the law of how many replicas are down, and how often that is too many, with what people doubt as dials."""

    def draw(replicas: int, quorum: str, down: float, correlation: float) -> Frame:
        needed = QUORUM_SIZES[quorum](replicas)
        alone, together = binomial(replicas, 1 - down), correlated(replicas, 1 - down, correlation)
        lost, believed = unavailability_of(together, needed), unavailability_of(alone, needed)
        at = np.arange(replicas + 1)
        laws = {"alone": alone[::-1]} | ({"together": together[::-1]} if correlation else {})
        series = [Series(label, at, np.where(law > LEAST_PROBABILITY, law, np.nan)) for label, law in laws.items()]
        if correlation == 0:
            series.append(Series("together", at, np.where(alone[::-1] > LEAST_PROBABILITY, alone[::-1], np.nan)))
        answers = "1 answer" if needed == 1 else f"{needed} answers"
        words = f"{nines(lost):.1f} nines, {time_words(lost)} without a quorum"
        if correlation and believed < 0.9 * lost:
            words += f"; if they failed independently, {nines(believed):.1f} nines, {time_words(believed)}"
        return frame_lines(
            series,
            summary=f"{replicas} replica{'s' if replicas > 1 else ''}, {answers} needed: {words}.",
            x_label="replicas that are down at a time",
            y_label="probability",
            x_limits=(0, 9),
            y_limits=(1e-12, 1),
            y_scale="log",
            markers=True,
            notes=[Note("no quorum beyond", x=replicas - needed + 0.5)],
        )

    dials = [
        Dial("replicas", (1, 3, 4, 5, 7, 9), 5, "replicas"),
        Dial("quorum", tuple(QUORUM_SIZES), "a majority", "answers needed"),
        Dial("down", (0.001, 0.01, 0.05), 0.01, "each is down", format=lambda value: f"{100 * value:g} % of the time"),
        Dial("correlation", (0.0, 0.001, 0.01, 0.1), 0.01, "correlation of any two"),
    ]
    return Interactive(
        draw,
        dials,
        identifier=identifier,
        alt="The probability that a number of replicas is down at the same time, where they are independent and where "
        "any two are correlated, on a logarithmic axis; a line marks from where on there is no quorum.",
        caption="What is right of the line is the unavailability. Alone: each replica fails by itself. Together: any "
        "two are correlated. A little correlation hardly changes how often one replica is down, and lifts the tail.",
    )


# ------------------------------------------------------------------------------------------------------------ choices

LEG = Exponential(1 * MILLISECOND)
LEGS = Legs(LogNormal(3 * MILLISECOND, 1.0), LEG, LEG, LEG)
"""What the table of choices is computed for: writes with a long tail, other legs of a millisecond in the mean."""


@cache
def _choices(replicas: int, reads: float, correlation: float, after_ms: float) -> tuple[Choice, ...]:
    return choices(
        replicas,
        LEGS,
        read_fraction=reads,
        down_probability=0.01,
        correlation=correlation,
        seconds_since_write=after_ms * MILLISECOND,
    )


def _kind(choice: Choice) -> int:
    if choice.is_strict:
        return 0
    return 1 if choice.stale_probability < 0.001 else 2


def choice_dials(*, identifier: str) -> Interactive:
    """Return all R and W with their latency, unavailability and staleness, with the workload as dials."""

    def draw(replicas: int, after_ms: float, reads: float, correlation: float) -> Frame:
        found = _choices(replicas, reads, correlation, after_ms)
        best = unbeaten(found)
        quickest = min(found, key=lambda one: one.price)
        strict = min((one for one in found if one.is_strict), key=lambda one: one.price)
        return Frame(
            _draw_choices(replicas, found, set(best)),
            f"Quickest: {_words(quickest)}. Quickest that is never stale: {_words(strict)}. "
            f"{len(best)} of {len(found)} choices are beaten by no other.",
        )

    dials = [
        Dial("replicas", (3, 5), 5, "replicas"),
        Dial("after_ms", (0, 2, 5, 10, 20, 50), 5, "a read begins after the write", "ms"),
        Dial("reads", (0.5, 0.9, 0.99), 0.9, "share of reads"),
        Dial("correlation", (0.0, 0.01), 0.0, "correlation of any two"),
    ]
    return Interactive(
        draw,
        dials,
        identifier=identifier,
        alt="A table of every choice of R and W: mean latency of an operation, time in a year without a quorum, and "
        "the share of reads that are stale. Choices that no other beats have a thick border.",
        caption="Every choice of R and W for one writer and plain reads. In each cell: the mean latency of an "
        "operation; how long in a year it finds no quorum; how many reads miss the latest write. Green: none. Brown: "
        "under one in a thousand. A thick border: no other choice is as good in all three. A write takes 3 ms in the "
        "median to reach a replica, with a long tail, other legs 1 ms in the mean; each replica is down 1 % of the "
        "time.",
    )


def _draw_choices(replicas: int, found: Sequence[Choice], best: set[Choice]) -> Drawing:
    """Draw the choices as a table, R downwards and W across."""
    width, left, top = 520.0, 56.0, 52.0
    across, down = (width - left) / 5, 62.0
    elements = [svg.text(left, 16, "each write waits for W of the replicas", "ds-soft ds-small")]
    elements += [
        svg.text(left + (place + 0.5) * across, 40, f"W = {place + 1}", "ds-strong ds-m") for place in range(replicas)
    ]
    elements += [
        svg.text(left - 8, top + (place + 0.5) * down + 4, f"R = {place + 1}", "ds-strong ds-e")
        for place in range(replicas)
    ]
    for one in sorted(found, key=lambda one: one in best):
        x, y = left + (one.write_quorum - 1) * across, top + (one.read_quorum - 1) * down
        tone = ("ds-3", "ds-5", "ds-2")[_kind(one)]
        elements.append(svg.rectangle(x + 3, y + 3, across - 6, down - 6, f"{tone} ds-tint", corner=4))
        border = f"{tone} ds-line ds-bold" if one in best else "ds-faint ds-thin"
        elements.append(svg.rectangle(x + 3, y + 3, across - 6, down - 6, border, corner=4))
        stale = "never stale" if one.is_strict else f"stale {_short_share(one.stale_probability)}"
        lines = f"{one.latency_seconds / MILLISECOND:.1f} ms", time_words(one.unavailability, short=True), stale
        for place, words in enumerate(lines):
            weight = "" if place else " ds-strong"
            elements.append(svg.text(x + across / 2, y + 20 + 16 * place, words, f"ds-ink ds-m ds-small{weight}"))
    return Drawing(width, top + replicas * down + 4, tuple(elements), "Table of choices", text_pixels=12)


def _short_share(probability: float) -> str:
    return f"{100 * probability:.2g} %" if probability >= 1e-5 else "< 0.001 %"


def _words(choice: Choice) -> str:
    stale = "never stale" if choice.is_strict else f"stale {share_words(choice.stale_probability)}"
    return (
        f"R{choice.read_quorum} W{choice.write_quorum}, {choice.latency_seconds / MILLISECOND:.1f} ms, "
        f"{time_words(choice.unavailability)}, {stale}"
    )
