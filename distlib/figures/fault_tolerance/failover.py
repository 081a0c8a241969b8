"""The interactive figures of the chapter on failover: a system to build, and a failure detector to set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np

from distlib.figures import svg
from distlib.figures.figure import Frame
from distlib.figures.interactive import Dial, Interactive
from distlib.figures.plots import Note, frame_lines
from distlib.figures.svg import Drawing
from distlib.models.availability import MINUTES_PER_YEAR, nines, series
from distlib.models.fault_tolerance.failure_detector import HeartbeatPlan, detection_time_bound, mistake_recurrence_mean
from distlib.models.fault_tolerance.redundancy import tier_unavailability
from distlib.models.latency import Exponential

__all__ = ["MEAN_HOURS_TO_FAILURE", "detector_dials", "system_dials", "tier_minutes"]

MEAN_HOURS_TO_FAILURE: Final = {"gateway": 4000.0, "application": 500.0, "database": 2000.0}
"""What a machine of each tier is taken to do; an application is deployed, and so fails, more often."""
HOURS_TO_MEND_AN_OUTAGE: Final = 1.0

_WIDTH: Final = 700.0
_HEIGHT: Final = 300.0
_COLUMN: Final = 150.0
_LEFT: Final = 250.0
_SCALE: Final = (0.01, 10_000.0)  # minutes a year


@cache
def tier_minutes(tier: str, count: int, repair_hours: float, coverage: float) -> dict[str, float]:
    """Return the minutes a year for which a tier is out, by kind: "uncovered" failures, and with "none" left."""
    failure_rate = 1 / MEAN_HOURS_TO_FAILURE[tier]
    shares = tier_unavailability(count, failure_rate, 1 / repair_hours, 1 / HOURS_TO_MEND_AN_OUTAGE, coverage)
    return {kind: share * MINUTES_PER_YEAR for kind, share in shares.items()}


def system_dials(*, identifier: str) -> Interactive:
    """Return a system of three tiers in series, with dials for its machines, their repair and the coverage."""

    def draw(gateways: int, applications: int, databases: int, repair_hours: float, coverage: float) -> Frame:
        counts = {"gateway": gateways, "application": applications, "database": databases}
        minutes = {tier: tier_minutes(tier, count, repair_hours, coverage) for tier, count in counts.items()}
        out = 1 - series([1 - sum(each.values()) / MINUTES_PER_YEAR for each in minutes.values()])
        tier, kind = max(
            ((tier, kind) for tier, each in minutes.items() for kind in each), key=lambda one: minutes[one[0]][one[1]]
        )
        share = minutes[tier][kind] / sum(sum(each.values()) for each in minutes.values())
        elements: list[str] = [*_frame()]
        for row, (name, count) in enumerate(counts.items()):
            elements += _tier(row, name, count)
            elements += _bars(row, minutes[name])
        total = out * MINUTES_PER_YEAR
        elements += _bar(3, {"": total}, "all three")
        cause = "with no machine left" if kind == "none" else "after failovers that failed"
        return Frame(
            Drawing(_WIDTH, _HEIGHT, tuple(elements), "Tiers in series and their outages"),
            f"{nines(out):.1f} nines: out {_say(total)} a year. {share:.0%} of that is the {tier}, {cause}.",
        )

    dials = [
        Dial("gateways", (1, 2), 2, "gateways"),
        Dial("applications", (1, 2, 3), 3, "applications"),
        Dial("databases", (1, 2, 3), 2, "databases"),
        Dial("repair_hours", (0.25, 1.0, 8.0, 24.0), 8.0, "repair", "h", "{:g}"),
        Dial("coverage", (0.9, 0.99, 0.999, 1.0), 0.9, "failovers that work", "", lambda share: f"{share:.1%}"),
    ]
    return Interactive(
        draw,
        dials,
        identifier=identifier,
        alt="Three tiers in series, each of parallel machines, and the minutes a year for which each of them is out, "
        "on a logarithmic scale.",
        caption="Build a system. Each tier needs one of its machines. Light bars: a failover that failed, which people "
        "mend in an hour. Dark bars: no machine left. A gateway fails once in 4000 hours, an application in 500, a "
        "database in 2000.",
    )


def _say(minutes: float) -> str:
    """Write minutes as people do."""
    if minutes < 1:
        return f"{60 * minutes:.0f} seconds"
    return f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60:.0f} hours"


def _x(minutes: float) -> float:
    """Return where a bar of so many minutes ends."""
    low, high = (math.log10(end) for end in _SCALE)
    place = (math.log10(max(minutes, _SCALE[0])) - low) / (high - low)
    return _LEFT + min(1.0, place) * (_WIDTH - _LEFT - 90)


def _frame() -> list[str]:
    """Draw what no dial moves: the axis."""
    elements = []
    for power in range(-2, 5):
        x = _x(10.0**power)
        elements.append(svg.segment((x, 14), (x, 256), "ds-grid ds-faint"))
        elements.append(svg.text(x, 272, f"{10.0**power:g}", "ds-small ds-soft ds-m"))
    elements.append(svg.text((_LEFT + _WIDTH - 90) / 2, 292, "out, minutes a year", "ds-small ds-soft ds-m"))
    return elements


def _tier(row: int, name: str, count: int) -> list[str]:
    """Draw a tier: its machines side by side, and the line that goes through all tiers."""
    top = 20 + 62 * row
    line = [svg.segment((70, top - 20 if row else top - 12), (70, top), "ds-line ds-soft")]
    boxes = []
    for place in range(count):
        left = 70 + (place - (count - 1) / 2) * 40 - 16
        boxes.append(svg.rectangle(left, top + 6, 32, 22, "ds-tint ds-1", corner=4))
        boxes.append(svg.rectangle(left, top + 6, 32, 22, "ds-thin ds-1", corner=4))
    rails = []
    if count > 1:
        ends = (70 - (count - 1) * 20, 70 + (count - 1) * 20)
        rails = [svg.segment((ends[0], y), (ends[1], y), "ds-line ds-soft") for y in (top, top + 34)]
        rails += [
            svg.segment(
                (70 + (place - (count - 1) / 2) * 40, y), (70 + (place - (count - 1) / 2) * 40, y + 6), "ds-thin"
            )
            for place in range(count)
            for y in (top, top + 28)
        ]
    below = svg.segment((70, top + 34 if count > 1 else top + 28), (70, top + 42), "ds-line ds-soft")
    return [
        svg.group([*line, *rails, *boxes, below], "ds-soft"),
        svg.text(_LEFT - 14, top + 22, name, "ds-ink ds-e"),
    ]


def _bars(row: int, minutes: dict[str, float]) -> list[str]:
    return _bar(row, minutes, "")


def _bar(row: int, minutes: dict[str, float], name: str) -> list[str]:
    """Draw a bar for each kind of outage, and say how long they are together."""
    top = 22 + 62 * row
    elements = [svg.text(_LEFT - 14, top + 20, name, "ds-strong ds-ink ds-e")] if name else []
    kinds = [(kind, value) for kind, value in minutes.items() if value > 0 or len(minutes) == 1]
    height = 26.0 / len(kinds)
    for place, (kind, value) in enumerate(kinds):
        width = _x(value) - _LEFT
        if width <= 0.05:
            continue
        y = top + 2 + place * height
        css = {"uncovered": "ds-tint ds-2", "none": "ds-fill ds-2", "": "ds-fill ds-1"}[kind]
        elements.append(svg.rectangle(_LEFT, y, width, height - 2, css))
        if kind == "uncovered":
            elements.append(svg.rectangle(_LEFT, y, width, height - 2, "ds-thin ds-2"))
    total = sum(minutes.values())
    words = (
        "under 1 s"
        if total < 1 / 60
        else _say(total).replace("minutes", "min").replace("seconds", "s").replace("hours", "h")
    )
    end = max(_x(value) for value in minutes.values())
    elements.append(svg.text(end + 6, top + 19, words, "ds-small ds-ink ds-halo"))
    return elements


def detector_dials(*, identifier: str) -> Interactive:
    """Return how often a failure detector errs against how soon it notices, with dials for the loss and the delay."""
    margins = np.linspace(0.02, 4.0, 160)

    @cache
    def curve(period: float, loss: float, delay: float) -> tuple[list[float], list[float]]:
        bounds, recurrences = [], []
        for margin in margins.tolist():
            plan = HeartbeatPlan(period, margin, loss, Exponential(delay))
            if detection_time_bound(plan) > 4.0:
                break
            bounds.append(detection_time_bound(plan))
            recurrences.append(min(mistake_recurrence_mean(plan), 1e12) / 3600)
        return bounds, recurrences

    def draw(loss: float, delay_ms: int) -> Frame:
        periods = (0.25, 0.5, 1.0)
        lines = {f"a heartbeat every {period:g} s": curve(period, loss, delay_ms / 1000) for period in periods}
        at_two = {}
        for period in periods:
            bounds, recurrences = curve(period, loss, delay_ms / 1000)
            at_two[period] = float(np.interp(2.0, bounds, recurrences))
        return frame_lines(
            {name: (bounds, _inside(recurrences)) for name, (bounds, recurrences) in lines.items()},
            summary=f"Loss {loss:.0%}, delay {delay_ms} ms in the mean. Noticed within 2 s, there is a mistake every "
            f"{_hours(at_two[1.0])} with a heartbeat a second, and every {_hours(at_two[0.25])} with four.",
            x_label="a crash is noticed within (s)",
            y_label="mean time between mistakes (h)",
            y_scale="log",
            x_limits=(0, 4),
            y_limits=(1e-4, 1e7),
            notes=[Note("a year", y=8766.0)],
        )

    dials = [
        Dial("loss", (0.001, 0.01, 0.05, 0.2), 0.01, "heartbeats lost", "", lambda share: f"{share:.1%}"),
        Dial("delay_ms", (5, 20, 100, 300), 20, "mean delay", "ms"),
    ]
    return Interactive(
        draw,
        dials,
        identifier=identifier,
        alt="Three rising staircases: the mean time between mistakes over the time within which a crash is noticed, "
        "for three heartbeat periods.",
        caption="How soon against how sure, for a detector with freshness points. Each step is one more heartbeat that "
        "must be missed. No setting of the margin leaves its curve; more heartbeats do.",
    )


def _inside(hours: Sequence[float]) -> list[float]:
    """Leave out what lies beyond the axis."""
    return [value if 1e-4 <= value <= 1e7 else math.nan for value in hours]


def _hours(hours: float) -> str:
    """Write a time between mistakes as people do."""
    if hours < 1:
        return f"{3600 * hours:.0f} s" if hours < 1 / 30 else f"{60 * hours:.0f} min"
    if hours < 48:
        return f"{hours:.0f} h"
    return f"{hours / 24:,.0f} days" if hours < 24 * 800 else f"{hours / 8766:,.0f} years"
