"""Bars in groups, each with its value written on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from distlib.figures import svg
from distlib.figures.chart import Chart, Kind, Note, limits, tone
from distlib.figures.figure import Figure
from distlib.figures.series import HEIGHT, WIDTH, Floats, Limits, interval, numbers
from distlib.figures.svg import Drawing

__all__ = ["bars", "draw_bars"]


def bars(
    groups: Sequence[str],
    values: Mapping[str, ArrayLike],
    *,
    x_label: str,
    y_label: str,
    alt: str,
    caption: str,
    identifier: str | None = None,
    **options: Any,
) -> Figure:
    """Draw bars in groups, each with its value written on it.

    Parameters
    ----------
    groups
        The names of the groups, from left to right.
    values
        For each series its name and a value for each group.
    x_label, y_label
        What the groups are, and the quantity with its unit.
    alt, caption, identifier
        See :class:`~distlib.figures.figure.Shown`.
    **options
        See :func:`draw_bars`.

    Returns
    -------
    Figure

    Examples
    --------
    >>> bars(["2PC", "3PC"], {"messages": [12, 18]}, x_label="protocol", y_label="messages (count)",
    ...      alt="18 is more than 12.", caption="Messages.")
    [Figure: 18 is more than 12.]
    """
    drawing = draw_bars(groups, values, x_label=x_label, y_label=y_label, **options)
    return Figure(drawing, alt=alt, caption=caption, identifier=identifier)


def draw_bars(
    groups: Sequence[str],
    values: Mapping[str, ArrayLike],
    *,
    x_label: str,
    y_label: str,
    intervals: Mapping[str, ArrayLike] | None = None,
    y_limits: Limits | None = None,
    y_scale: Kind = "linear",
    value_format: str | None = "{:.3g}",
    notes: Sequence[Note] = (),
    width: float = WIDTH,
    height: float = HEIGHT,
) -> Drawing:
    """Return the drawing of :func:`bars`.

    Parameters
    ----------
    groups, values, x_label, y_label
        See :func:`bars`.
    intervals
        For some series, a row (low, high) for each group.
    y_limits, y_scale, notes, width, height
        See :func:`draw_lines`. A linear axis starts at 0.
    value_format
        How to write the values; None leaves them out.
    """
    if not 1 <= len(values) <= 4:
        raise ValueError(f"`values` must hold 1 to 4 series, got {len(values)}")
    heights = {label: _heights(label, row, len(groups)) for label, row in values.items()}
    spans = {label: _spans(label, rows, len(groups), heights) for label, rows in (intervals or {}).items()}
    everything = np.concatenate([*heights.values(), *(rows.ravel() for rows in spans.values())])
    ends = y_limits or _limits(everything, y_scale)
    if not ends[0] <= everything.min() <= everything.max() <= ends[1]:
        raise ValueError(f"`y_limits` must hold every bar, [{everything.min():g}, {everything.max():g}], got {ends}")
    legend = [(_bar(k, -9, -6, 18, 12), label) for k, label in enumerate(values)] if len(values) > 1 else []
    axes = (width, height, x_label, y_label, (-0.5, len(groups) - 0.5), ends)
    chart = Chart(*axes, y_kind=y_scale, legend=legend, x_ticks=list(enumerate(groups)))
    for note in notes:
        chart.note(note)
    share = 0.72 / len(values)
    for k, (label, row) in enumerate(heights.items()):
        offset = (k - (len(values) - 1) / 2) * share
        _draw_bars(chart, k, row, spans.get(label), offset, share, value_format)
    return chart.finish("Bar chart")


def _heights(label: str, row: ArrayLike, count: int) -> Floats:
    """Check a series of bars."""
    found = numbers(f"values of {label!r}", row)
    if len(found) != count:
        raise ValueError(f"`values` of {label!r} must have one value for each of the {count} groups, got {len(found)}")
    return found


def _limits(everything: Floats, kind: Kind) -> Limits:
    """Return limits with room for the values above the bars; a linear axis has its zero, or lengths would mislead."""
    if kind == "log":
        return limits(everything.tolist(), kind)
    low, high = min(0.0, float(everything.min())), max(0.0, float(everything.max()))
    room = 0.08 * (high - low) or 1.0
    return low - (room if low < 0 else 0.0), high + room


def _spans(label: str, rows: ArrayLike, count: int, heights: Mapping[str, Floats]) -> Floats:
    """Check the intervals of a series of bars."""
    table = np.asarray(rows, dtype=float)
    if label not in heights:
        raise ValueError(f"`intervals` must be for series out of {list(heights)}, got {label!r}")
    if table.shape != (count, 2) or not np.all(np.isfinite(table)) or np.any(table[:, 0] > table[:, 1]):
        raise ValueError(f"`intervals` of {label!r} must have a row (low, high) for each of the {count} groups")
    return table


def _draw_bars(
    chart: Chart, index: int, row: Floats, spans: Floats | None, offset: float, share: float, value_format: str | None
) -> None:
    """Draw one series of bars."""
    parts, written = [], []
    base = chart.y(max(chart.y_limits[0], 0.0) if chart.y_kind == "linear" else chart.y_limits[0])
    bar_width = chart.x(share) - chart.x(0) - 3
    for k, value in enumerate(row.tolist()):
        middle, top = chart.x(k + offset), chart.y(value)
        parts.append(_bar(index, middle - bar_width / 2, min(base, top), bar_width, abs(base - top)))
        highest = top
        if spans is not None:
            low, high = chart.y(float(spans[k, 0])), chart.y(float(spans[k, 1]))
            parts.append(svg.group(interval(middle, low, high), "ds-ink"))
            highest = min(top, high)
        if value_format is not None:
            written.append(svg.text(middle, highest - 6, value_format.format(value), "ds-m ds-small ds-halo"))
    chart.elements += [svg.group(parts, tone(index)), *written]


def _bar(index: int, x: float, y: float, width: float, height: float) -> str:
    """Draw a bar whose filling tells its series: full, slanting lines, empty, lines the other way."""
    outline = svg.rectangle(x, y, width, height, ("ds-fill", "ds-open", "ds-open", "ds-open")[index % 4])
    inside = ""
    if index % 4 in (1, 3):
        inside = svg.hatch(x, y, width, height, "ds-line", step=7, rising=index % 4 == 1)
    return svg.group([outline, inside], tone(index))
