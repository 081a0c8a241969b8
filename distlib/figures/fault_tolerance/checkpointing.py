"""The interactive figure of the chapter on checkpointing: a platform to build, and what it wastes."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from distlib.figures.figure import Frame
from distlib.figures.interactive import Dial, Interactive
from distlib.figures.plots import Note, frame_lines
from distlib.models.fault_tolerance.checkpointing import optimal_interval, platform_mtbf, slowdown

__all__ = ["interval_dials", "waste", "waste_to_first_order"]

MINUTES_PER_YEAR: Final = 365.25 * 24 * 60


def waste(interval: float, dump: float, mtbf: float) -> float:
    """Return the share of the platform's time that does not go into the work, without restarts."""
    longer = slowdown(interval, dump, mtbf)
    return 1.0 - 1.0 / longer


def waste_to_first_order(interval: float, dump: float, mtbf: float) -> float:
    """Return the usual estimate of it: a dump an interval, half an interval a failure."""
    extra = dump / interval + interval / (2 * mtbf)
    return extra / (1 + extra)


def interval_dials(*, identifier: str) -> Interactive:
    """Return the waste over the interval, with dials for the nodes, their life and the dump."""
    intervals = np.geomspace(1, 3000, 70)

    def draw(nodes: int, node_years: int, dump_minutes: float) -> Frame:
        mtbf = platform_mtbf(node_years * MINUTES_PER_YEAR, nodes)
        best = optimal_interval(dump_minutes, mtbf)
        least = waste(best, dump_minutes, mtbf)
        exact = [100 * waste(each, dump_minutes, mtbf) for each in intervals.tolist()]
        rough = [100 * waste_to_first_order(each, dump_minutes, mtbf) for each in intervals.tolist()]
        inside = 1 <= best <= 3000
        return frame_lines(
            {"exact": (intervals, exact), "first order": (intervals, rough)},
            summary=f"A failure every {_duration(mtbf)}. Best interval: {_duration(best)} of work, then a dump of "
            f"{_duration(dump_minutes)}. {least:.1%} of the machine is lost; that is {_count(least * nodes)} of "
            f"{nodes:,} nodes.",
            x_label="work between two dumps (min)",
            y_label="lost (% of the machine)",
            x_scale="log",
            x_limits=(1, 3000),
            y_limits=(0, 100),
            notes=[Note("best", x=best, y=100 * least)] if inside else [],
        )

    dials = [
        Dial("nodes", (10, 100, 1_000, 10_000, 100_000), 10_000, "nodes", "", "{:,}"),
        Dial("node_years", (1, 5, 25), 5, "life of a node", "years"),
        Dial("dump_minutes", (0.5, 2.0, 10.0, 30.0), 10.0, "dump", "min", "{:g}"),
    ]
    return Interactive(
        draw,
        dials,
        identifier=identifier,
        alt="The share of a machine that is lost to dumps and failures, over the interval between dumps on a "
        "logarithmic axis: a curve with a flat bottom, and the estimate to first order beside it.",
        caption="What a platform loses to dumps and failures, by the work between two dumps. Restarts are left out. "
        "Default: ten thousand nodes that fail once in five years, a dump of ten minutes.",
    )


def _count(nodes: float) -> str:
    return f"{nodes:,.0f}" if nodes >= 10 else f"{nodes:.1f}"


def _duration(minutes: float) -> str:
    """Write a time as people do."""
    if minutes < 1:
        return f"{60 * minutes:.0f} s"
    if minutes < 180:
        return f"{minutes:.0f} min" if minutes >= 10 else f"{minutes:.1f} min"
    hours = minutes / 60
    return f"{hours:.1f} h" if hours < 72 else f"{math.floor(hours / 24 + 0.5):,} days"
