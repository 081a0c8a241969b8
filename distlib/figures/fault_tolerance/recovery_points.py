"""Figures of the chapter on recovery points: a recovery line on a space-time diagram, and dials for the domino."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import Final

from distlib.experiments.fault_tolerance.recovery_points import Line, Scheme, line_at, run_checkpointing
from distlib.figures import svg
from distlib.figures.arrows import draw_messages
from distlib.figures.canvas import Canvas
from distlib.figures.figure import Figure, Frame
from distlib.figures.interactive import Dial, Interactive
from distlib.figures.lanes import draw_lanes
from distlib.figures.marks import draw_marks
from distlib.figures.svg import Drawing, text_width
from distlib.figures.timeline import time_line
from distlib.protocols.fault_tolerance.recovery_points import Work
from distlib.runtimes.trace import Trace

__all__ = ["domino_dials", "draw_recovery_line", "recovery_line_figure"]

_WIDTH: Final = 700.0


def _index(message: object) -> str:
    return f"({message.index})" if isinstance(message, Work) else ""


def draw_recovery_line(
    trace: Trace, line: Line, *, start_seconds: float, end_seconds: float, show_indices: bool = False
) -> Drawing:
    """Return a space-time diagram with a recovery line on it: the line that crosses each lane where it goes back to.

    Parameters
    ----------
    trace
        Of a run of processes with checkpoints.
    line
        What to draw.
    start_seconds, end_seconds
        The window.
    show_indices
        Whether messages show the index that they carry.
    """
    names = tuple(line.times)
    margin = 28.0 + max(text_width(name) for name in names)
    timeline = time_line(trace, _WIDTH - margin - 12, start_seconds, end_seconds, drawn=None, busy=[])
    canvas = Canvas(trace, names, timeline, "right", margin, _WIDTH, frozenset(), _index if show_indices else _nothing)
    canvas.draw_axis()
    length = timeline.length / (end_seconds - start_seconds)
    places = {name: canvas.clip((at - start_seconds) * length) for name, at in line.times.items()}
    failure = canvas.clip((line.at_seconds - start_seconds) * length)
    for name, place in places.items():
        if place < failure:
            canvas.back.append(canvas.bar(name, place, failure, 26, "ds-tint ds-2"))
    draw_lanes(canvas)
    draw_messages(canvas)
    draw_marks(canvas, False)
    points = [canvas.point(places[name], canvas.lanes[name]) for name in names]
    first, last = points[0], points[-1]
    zigzag = [(first[0], first[1] - 20), *points, (last[0], last[1] + 20)]
    canvas.front.append(svg.group([svg.path(zigzag, "ds-line ds-dash")], "ds-2"))
    canvas.front.append(svg.group([svg.path([canvas.point(failure, canvas.low), canvas.point(failure, canvas.high)],
                                            "ds-line")], "ds-ink"))  # fmt: skip
    sample = svg.segment((0, 0), (24, 0), "ds-line ds-dash ds-2")
    canvas.legend["recovery line"] = sample
    canvas.legend["undone"] = svg.rectangle(0, -6, 24, 12, "ds-tint ds-2")
    canvas.legend["failure"] = svg.segment((12, -8), (12, 8), "ds-line ds-ink")
    return canvas.finish()


def _nothing(message: object) -> str:
    return ""


def recovery_line_figure(
    trace: Trace,
    line: Line,
    *,
    start_seconds: float,
    end_seconds: float,
    show_indices: bool = False,
    alt: str,
    caption: str,
    identifier: str,
) -> Figure:
    """Return :func:`draw_recovery_line` with its words."""
    drawing = draw_recovery_line(
        trace, line, start_seconds=start_seconds, end_seconds=end_seconds, show_indices=show_indices
    )
    return Figure(drawing, alt=alt, caption=caption, identifier=identifier)


def domino_dials(*, identifier: str) -> Interactive:
    """Return a run of three processes that fails at 60 minutes, with dials for both rates and for the scheme."""

    @cache
    def trace_of(interval: int, per_hour: int, scheme: Scheme) -> Trace:
        return run_checkpointing(
            1 / interval,
            per_hour / 60,
            seed=39,
            until_seconds=62.0,
            names=("p", "q", "r"),
            scheme=scheme,
            delay_seconds=0.6,
        ).trace

    def draw(interval: int, per_hour: int, scheme: Scheme) -> Frame:
        trace = trace_of(interval, per_hour, scheme)
        line = line_at(trace, 60.0)
        back = ", ".join(f"{name} {60 - at:.0f} min" if at < 60 else f"{name} stays" for name, at in line.times.items())
        worst = "all the way to the start" if min(line.times.values()) == 0 else f"{line.depth:.0f} min at most"
        drawing = draw_recovery_line(trace, line, start_seconds=0.0, end_seconds=62.0)
        bare = tuple(re.sub("<title>.*?</title>", "", element) for element in drawing.elements)  # a third of the bytes
        return Frame(
            replace(drawing, elements=bare),
            f"p fails at 60 min. Back go: {back}: {worst}.",
        )

    dials = [
        Dial("interval", (10, 20), 10, "mean time between checkpoints", "min"),
        Dial("per_hour", (1, 3, 6), 6, "messages an hour, each way"),
        Dial("scheme", ("uncoordinated", "induced", "coordinated"), "uncoordinated", "checkpoints"),
    ]
    return Interactive(
        draw,
        dials,
        identifier=identifier,
        alt="Three processes for an hour, with their messages and checkpoints, and the recovery line after a failure "
        "of the first.",
        caption="How far does the domino go? Three processes, one seed. The dashed "
        "line is the recovery line if p fails at 60 min; what is shaded is undone.",
    )
