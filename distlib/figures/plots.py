"""Statistical plots in one house style: a cell says what to draw and not how.

Theory of operation
-------------------
Each function turns numbers into a :class:`~distlib.figures.chart.Chart`, which knows about axes and labels, and that
into SVG by hand. No plotting library is loaded: a plot is a few kilobytes, takes a few milliseconds, and stays the
same to the byte whatever is installed. The functions named ``draw_…`` return the drawing alone, for frames of
interactive figures.

The signature of the book is :func:`compare`: what was predicted is a line, what was simulated is points with their 95
% intervals, what was measured is diamonds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from distlib.figures import svg
from distlib.figures.chart import WIDEST_LABEL_SHARE, Chart, Kind, Note, dash, limits, marker, tone
from distlib.figures.figure import Figure, Frame
from distlib.figures.labels import Box
from distlib.figures.svg import Drawing, text_width
from distlib.figures.table import Table, matrix
from distlib.models.latency import Law

__all__ = [
    "Note",
    "Series",
    "Table",
    "bars",
    "compare",
    "distribution",
    "draw_bars",
    "draw_compare",
    "draw_distribution",
    "draw_lines",
    "frame_lines",
    "lines",
    "matrix",
]

Floats = NDArray[np.float64]
Limits = tuple[float, float]
Values = ArrayLike | Callable[[Any], Any]

WIDTH, HEIGHT = 560.0, 340.0
CURVE_POINTS = 161


@dataclass(frozen=True)
class Series:
    """What one line, or one cloud of points, shows.

    Parameters
    ----------
    label
        Its name; "" for none.
    x, y
        The values. A y that is not a number leaves a gap.
    low, high
        The ends of an interval around each y: a band around a line, bars on points.
    kind
        "line", "points", or "steps" for a value that holds until the next x.
    """

    label: str
    x: ArrayLike
    y: ArrayLike
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    kind: Literal["line", "points", "steps"] = "line"


@dataclass(frozen=True)
class _Curve:
    """A series that was checked."""

    label: str
    x: Floats
    y: Floats
    low: Floats | None
    high: Floats | None
    kind: str

    def extent(self) -> Floats:
        """Return every finite value on the vertical axis."""
        parts = [part for part in (self.y, self.low, self.high) if part is not None]
        values = np.concatenate(parts)
        return values[np.isfinite(values)]


def _check(series: Series) -> _Curve:
    """Check a series' shapes and numbers."""
    x = _numbers(f"x of {series.label!r}", series.x)
    y = _numbers(f"y of {series.label!r}", series.y, gaps=True)
    bounds = []
    for name, bound in (("low", series.low), ("high", series.high)):
        bounds.append(None if bound is None else _numbers(f"{name} of {series.label!r}", bound, gaps=True))
    low, high = bounds
    for name, part in (("y", y), ("low", low), ("high", high)):
        if part is not None and part.shape != x.shape:
            raise ValueError(f"`{name}` of {series.label!r} must have {len(x)} values, as x does, got {len(part)}")
    if (low is None) != (high is None):
        raise ValueError(f"`low` and `high` of {series.label!r} must be given together")
    if low is not None and high is not None and np.any(low > high):
        raise ValueError(f"`low` of {series.label!r} must not be above `high`")
    if series.kind not in ("line", "points", "steps"):
        raise ValueError(f"`kind` of {series.label!r} must be 'line', 'points' or 'steps', got {series.kind!r}")
    if series.kind != "points" and np.any(np.diff(x) < 0):
        raise ValueError(f"`x` of {series.label!r} must be sorted")
    return _Curve(series.label, x, y, low, high, series.kind)


def _numbers(name: str, values: ArrayLike, *, gaps: bool = False) -> Floats:
    """Return a row of numbers, or say which argument is not one."""
    row = np.asarray(values, dtype=float)
    if row.ndim != 1 or len(row) == 0:
        raise ValueError(f"`{name}` must be a row of at least one number, got the shape {row.shape}")
    if np.any(np.isinf(row)) or (not gaps and np.any(np.isnan(row))) or np.all(np.isnan(row)):
        raise ValueError(f"`{name}` must be finite, got {row[~np.isfinite(row)][0]!r}")
    return row


# -- lines -------------------------------------------------------------------------------------------------------------


def lines(
    series: Mapping[str, tuple[ArrayLike, ArrayLike]] | Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    alt: str,
    caption: str,
    identifier: str | None = None,
    **options: Any,
) -> Figure:
    """Draw lines.

    Parameters
    ----------
    series
        Labels with their (x, y), or a list of :class:`Series`.
    x_label, y_label
        The quantities with their units, such as "commit latency (ms)".
    alt, caption, identifier
        See :class:`~distlib.figures.figure.Shown`.
    **options
        See :func:`draw_lines`.

    Returns
    -------
    Figure

    Examples
    --------
    >>> lines({"square": ([0, 1, 2], [0, 1, 4])}, x_label="side (m)", y_label="area (m²)", alt="A curve.",
    ...       caption="Area.")
    [Figure: A curve.]
    """
    drawing = draw_lines(series, x_label=x_label, y_label=y_label, **options)
    return Figure(drawing, alt=alt, caption=caption, identifier=identifier)


def draw_lines(
    series: Mapping[str, tuple[ArrayLike, ArrayLike]] | Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    x_scale: Kind = "linear",
    y_scale: Kind = "linear",
    x_limits: Limits | None = None,
    y_limits: Limits | None = None,
    bands: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    markers: bool = False,
    notes: Sequence[Note] = (),
    width: float = WIDTH,
    height: float = HEIGHT,
) -> Drawing:
    """Return the drawing of :func:`lines`.

    Parameters
    ----------
    series, x_label, y_label
        See :func:`lines`.
    x_scale, y_scale
        "linear" or "log".
    x_limits, y_limits
        The ends of the axes; by default a little beyond the values.
    bands
        For some labels, (low, high) around the line.
    markers
        Whether to mark each point of a line.
    notes
        Words on the plot.
    width, height
        In pixels.
    """
    curves = _curves(series, bands)
    x_values = np.concatenate([curve.x for curve in curves])
    y_values = np.concatenate([curve.extent() for curve in curves])
    named = [(index, curve) for index, curve in enumerate(curves) if curve.label]
    direct = _fit_at_ends([curve.label for _, curve in named], width, height) and all(
        curve.kind != "points" for _, curve in named
    )
    legend = [] if direct else [(_sample(index, curve.kind, markers), curve.label) for index, curve in named]
    chart = Chart(
        width,
        height,
        x_label,
        y_label,
        x_limits or _tight(x_values, x_scale),
        y_limits or limits(y_values.tolist(), y_scale),
        x_scale,
        y_scale,
        end_labels=[curve.label for _, curve in named] if direct else (),
        legend=legend,
    )
    for note in notes:
        chart.note(note)
    for index, curve in enumerate(curves):
        _draw_curve(chart, curve, index, markers)
    if direct:
        ends = [(curve.label, _last_inside(chart, curve), tone(index)) for index, curve in named]
        chart.end_label(ends)
    return chart.finish("Line plot")


def frame_lines(
    series: Mapping[str, tuple[ArrayLike, ArrayLike]] | Sequence[Series],
    *,
    summary: str,
    x_label: str,
    y_label: str,
    x_limits: Limits,
    y_limits: Limits,
    **options: Any,
) -> Frame:
    """Return lines as a frame of an interactive figure.

    The limits have to be given: axes that moved with the dial would hide what the dial does.

    Parameters
    ----------
    series, x_label, y_label
        See :func:`lines`.
    summary
        What the reader sees, in one sentence.
    x_limits, y_limits
        The ends of the axes, the same for every frame.
    **options
        See :func:`draw_lines`.

    Examples
    --------
    >>> frame = frame_lines({"line": ([0, 1], [0, 2])}, summary="It rises.", x_label="x (s)", y_label="y (m)",
    ...                     x_limits=(0, 1), y_limits=(0, 5))
    >>> frame.summary, len(frame.drawing.body) < 3000
    ('It rises.', True)
    """
    drawing = draw_lines(series, x_label=x_label, y_label=y_label, x_limits=x_limits, y_limits=y_limits, **options)
    return Frame(drawing, summary)


def _curves(
    series: Mapping[str, tuple[ArrayLike, ArrayLike]] | Sequence[Series],
    bands: Mapping[str, tuple[ArrayLike, ArrayLike]] | None,
) -> list[_Curve]:
    given = [Series(label, x, y) for label, (x, y) in series.items()] if isinstance(series, Mapping) else list(series)
    if not 1 <= len(given) <= 6:
        raise ValueError(f"`series` must hold 1 to 6 series, which is as many as can be told apart, got {len(given)}")
    labels = [one.label for one in given]
    unknown = sorted(set(bands or ()) - set(labels))
    if unknown:
        raise ValueError(f"`bands` must be for labels out of {labels}, got {unknown}")
    for index, one in enumerate(given):
        if bands and one.label in bands:
            low, high = bands[one.label]
            given[index] = Series(one.label, one.x, one.y, low, high, one.kind)
    return [_check(one) for one in given]


def _fit_at_ends(labels: Sequence[str], width: float, height: float) -> bool:
    """Tell whether labels have room to the right of the plot."""
    if not labels:
        return False
    widest = max(text_width(label) for label in labels)
    return widest + 30 <= WIDEST_LABEL_SHARE * width and len(labels) * 16 <= height - 90


def _tight(values: Floats, kind: Kind) -> Limits:
    """Return limits that end with the values, for the axis that the reader chose."""
    low, high = float(values.min()), float(values.max())
    return limits([low], kind) if low == high else (low, high)


def _draw_curve(chart: Chart, curve: _Curve, index: int, markers: bool) -> None:
    css = tone(index)
    if curve.kind == "points":
        _draw_points(chart, curve, index, css)
        return
    for part in _runs(curve):
        x, y = curve.x[part].tolist(), curve.y[part].tolist()
        if curve.low is not None and curve.high is not None:
            chart.band(x, curve.low[part].tolist(), curve.high[part].tolist(), f"ds-tint {css}")
        values = _stairs(x, y) if curve.kind == "steps" else list(zip(x, y, strict=True))
        chart.line(values, f"ds-line {css}{dash(index)}")
        if markers:
            inside = [point for point in zip(x, y, strict=True) if chart.inside(*point)]
            chart.elements.append(svg.group([marker(index, (chart.x(a), chart.y(b))) for a, b in inside], css))


def _draw_points(chart: Chart, curve: _Curve, index: int, css: str) -> None:
    """Draw points, with their intervals if they have them."""
    parts = []
    for k in range(len(curve.x)):
        x, y = float(curve.x[k]), float(curve.y[k])
        if not np.isfinite(y) or not chart.inside(x, y):
            continue
        at = (chart.x(x), chart.y(y))
        if curve.low is not None and curve.high is not None:
            parts += _interval(at[0], chart.y(float(curve.low[k])), chart.y(float(curve.high[k])))
        parts.append(marker(index, at))
        chart.boxes.append(Box(at[0] - 6, at[1] - 6, at[0] + 6, at[1] + 6))
    chart.elements.append(svg.group(parts, css))


def _interval(x: float, low: float, high: float, half_width: float = 4.0) -> list[str]:
    """Draw a standing bar with caps, from pixel to pixel."""
    data = svg.path_data([(x, low), (x, high)])
    caps = "".join(svg.path_data([(x - half_width, y), (x + half_width, y)]) for y in (low, high))
    return [svg.element("path", class_="ds-line", d=data + caps)]


def _runs(curve: _Curve) -> list[slice]:
    """Return the stretches of a curve between gaps."""
    finite = np.isfinite(curve.y)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], finite, [False])).astype(int)))
    return [slice(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def _stairs(x: Sequence[float], y: Sequence[float]) -> list[tuple[float, float]]:
    """Return the corners of a line that holds each value until the next x."""
    corners = [(x[0], y[0])]
    for k in range(1, len(x)):
        corners += [(x[k], y[k - 1]), (x[k], y[k])]
    return corners


def _last_inside(chart: Chart, curve: _Curve) -> float:
    """Return the last value of a curve that is inside the plot from left to right."""
    inside = np.isfinite(curve.y) & (curve.x <= chart.x_limits[1] * (1 + 1e-9))
    return float(curve.y[inside][-1]) if np.any(inside) else float(curve.y[np.isfinite(curve.y)][-1])


def _sample(index: int, kind: str, markers: bool) -> str:
    """Return a series' sample for the legend."""
    parts = [] if kind == "points" else [svg.segment((-12, 0), (12, 0), f"ds-line{dash(index)}")]
    if markers or kind == "points":
        parts.append(marker(index, (0, 0)))
    return svg.group(parts, tone(index))


# -- prediction against simulation -------------------------------------------------------------------------------------


def compare(
    x: ArrayLike,
    predicted: Values | Mapping[str, Values],
    simulated: ArrayLike | Mapping[str, ArrayLike],
    *,
    x_label: str,
    y_label: str,
    alt: str,
    caption: str,
    identifier: str | None = None,
    **options: Any,
) -> Figure:
    """Hold a prediction against a simulation: a line, and points with their 95 % intervals.

    Parameters
    ----------
    x
        Where it was simulated.
    predicted
        What the model says at each `x`, or a function of x, which is then drawn as a smooth curve; or several by label.
    simulated
        For each `x` a row (estimate, low, high); or several by label, the labels being those of `predicted`.
    x_label, y_label
        The quantities with their units.
    alt, caption, identifier
        See :class:`~distlib.figures.figure.Shown`.
    **options
        See :func:`draw_compare`.

    Returns
    -------
    Figure

    Examples
    --------
    >>> compare([1, 2], [1.0, 4.0], [(1.1, 0.9, 1.3), (3.9, 3.7, 4.1)], x_label="n (nodes)", y_label="latency (ms)",
    ...         alt="The points lie on the line.", caption="They agree.")
    [Figure: The points lie on the line.]
    """
    drawing = draw_compare(x, predicted, simulated, x_label=x_label, y_label=y_label, **options)
    return Figure(drawing, alt=alt, caption=caption, identifier=identifier)


def draw_compare(
    x: ArrayLike,
    predicted: Values | Mapping[str, Values],
    simulated: ArrayLike | Mapping[str, ArrayLike],
    *,
    x_label: str,
    y_label: str,
    measured: ArrayLike | Mapping[str, ArrayLike] | None = None,
    predicted_x: ArrayLike | None = None,
    predicted_name: str = "predicted",
    simulated_name: str = "simulated, 95 % interval",
    measured_name: str = "measured",
    x_scale: Kind = "linear",
    y_scale: Kind = "linear",
    x_limits: Limits | None = None,
    y_limits: Limits | None = None,
    notes: Sequence[Note] = (),
    width: float = WIDTH,
    height: float = HEIGHT,
) -> Drawing:
    """Return the drawing of :func:`compare`.

    Parameters
    ----------
    x, predicted, simulated, x_label, y_label
        See :func:`compare`.
    measured
        Rows as those of `simulated`, from a real system.
    predicted_x
        Where the predictions are, if not at `x`.
    predicted_name, simulated_name, measured_name
        Their words in the legend.
    x_scale, y_scale, x_limits, y_limits, notes, width, height
        See :func:`draw_lines`.
    """
    at = _numbers("x", x)
    predictions, simulations, measurements = _by_label(predicted), _by_label(simulated), _by_label(measured)
    for name, given in (("simulated", simulations), ("measured", measurements)):
        unknown = [label for label in given if label not in predictions]
        if unknown:
            raise ValueError(f"the labels of `{name}` must be out of {list(predictions)}, got {unknown}")
    x_ends = x_limits or _roomy(at, x_scale)
    grid = at if predicted_x is None else _numbers("predicted_x", predicted_x)
    model = {label: _predict(label, values, grid, x_ends, x_scale) for label, values in predictions.items()}
    clouds = {
        name: {label: _estimates(name, label, rows, at) for label, rows in given.items()}
        for name, given in (("simulated", simulations), ("measured", measurements))
    }
    curves = [*model.values(), *(curve for cloud in clouds.values() for curve in cloud.values())]
    alone = list(predictions) == [""]
    legend = [(svg.group([svg.segment((-12, 0), (12, 0), "ds-line")], "ds-1" if alone else "ds-ink"), predicted_name)]
    for name, shape, shown in (("simulated", 0, simulated_name), ("measured", 3, measured_name)):
        if clouds[name]:
            colour = _colour(0, name, alone) if alone else "ds-ink"
            legend.append((svg.group([*_interval(0, -9, 9), marker(shape, (0, 0))], colour), shown))
    direct = not alone and _fit_at_ends(list(predictions), width, height)
    if not alone and not direct:
        legend += [(_sample(index, "line", False), label) for index, label in enumerate(predictions)]
    chart = Chart(
        width,
        height,
        x_label,
        y_label,
        x_ends,
        y_limits or limits(np.concatenate([curve.extent() for curve in curves]).tolist(), y_scale),
        x_scale,
        y_scale,
        end_labels=list(predictions) if direct else (),
        legend=legend,
    )
    for note in notes:
        chart.note(note)
    for index, (label, curve) in enumerate(model.items()):
        chart.line(list(zip(curve.x.tolist(), curve.y.tolist(), strict=True)), f"ds-line {tone(index)}{dash(index)}")
        for name, shape in (("simulated", 0), ("measured", 3)):
            if label in clouds[name]:
                _draw_points(chart, clouds[name][label], shape, _colour(index, name, alone))
    if direct:
        chart.end_label(
            [(label, _last_inside(chart, curve), tone(k)) for k, (label, curve) in enumerate(model.items())]
        )
    return chart.finish("Prediction against simulation")


def _by_label(values: Any) -> dict[str, Any]:
    """Return values by label; the label of what has none is ""."""
    if values is None:
        return {}
    return dict(values) if isinstance(values, Mapping) else {"": values}


def _colour(index: int, name: str, alone: bool) -> str:
    """Return the colour of a cloud: that of its line, or one of its own where there is only one line."""
    if not alone:
        return tone(index)
    return "ds-2" if name == "simulated" else "ds-3"


def _roomy(values: Floats, kind: Kind) -> Limits:
    """Return limits with room for the markers at both ends."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        return limits([low], kind)
    if kind == "log":
        factor = (high / low) ** 0.04
        return low / factor, high * factor
    margin = (high - low) * 0.04
    return low - margin, high + margin


def _predict(label: str, values: Values, grid: Floats, ends: Limits, kind: Kind) -> _Curve:
    """Return the predicted curve."""
    if callable(values):
        low, high = max(ends[0], float(grid.min())), min(ends[1], float(grid.max()))
        fine = np.geomspace(low, high, CURVE_POINTS) if kind == "log" else np.linspace(low, high, CURVE_POINTS)
        return _check(Series(label, fine, [float(values(value)) for value in fine.tolist()]))
    return _check(Series(label, grid, values))


def _estimates(name: str, label: str, rows: ArrayLike, at: Floats) -> _Curve:
    """Return a cloud of points with intervals."""
    table = np.asarray(rows, dtype=float)
    if table.shape != (len(at), 3):
        raise ValueError(
            f"`{name}` must have a row (estimate, low, high) for each of the {len(at)} values of x, "
            f"got the shape {table.shape}"
        )
    if np.any((table[:, 0] < table[:, 1]) | (table[:, 0] > table[:, 2])):
        raise ValueError(f"each estimate of `{name}` must lie between its low and its high")
    return _check(Series(label, at, table[:, 0], table[:, 1], table[:, 2], "points"))


# -- bars --------------------------------------------------------------------------------------------------------------


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
    heights = {label: _numbers(f"values of {label!r}", row) for label, row in values.items()}
    for label, row in heights.items():
        if len(row) != len(groups):
            raise ValueError(
                f"`values` of {label!r} must have one value for each of the {len(groups)} groups, got {len(row)}"
            )
    spans = {label: _spans(label, rows, len(groups), heights) for label, rows in (intervals or {}).items()}
    everything = np.concatenate([*heights.values(), *(rows.ravel() for rows in spans.values())])
    ends = y_limits or limits(
        (everything * 1.06).tolist() if y_scale == "linear" else everything.tolist(), y_scale, zero=True
    )
    if y_scale == "linear" and y_limits is None and float(everything.min()) >= 0:
        ends = (0.0, ends[1])
    legend = [(_bar(k, -9, -6, 18, 12), label) for k, label in enumerate(values)] if len(values) > 1 else []
    names = list(zip(range(len(groups)), groups, strict=True))
    chart = Chart(
        width,
        height,
        x_label,
        y_label,
        (-0.5, len(groups) - 0.5),
        ends,
        "linear",
        y_scale,
        legend=legend,
        x_ticks=names,
    )
    for note in notes:
        chart.note(note)
    share = 0.72 / len(values)
    for k, (label, row) in enumerate(heights.items()):
        offset = (k - (len(values) - 1) / 2) * share
        _draw_bars(chart, k, row, spans.get(label), offset, share, value_format)
    return chart.finish("Bar chart")


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
            parts.append(svg.group(_interval(middle, low, high), "ds-ink"))
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


# -- distributions -----------------------------------------------------------------------------------------------------


def distribution(
    samples: ArrayLike,
    law: Law | None = None,
    *,
    x_label: str,
    alt: str,
    caption: str,
    identifier: str | None = None,
    **options: Any,
) -> Figure:
    """Hold samples against the law that is predicted for them.

    Parameters
    ----------
    samples
        What was simulated or measured.
    law
        What was predicted, with ``cdf``, ``sf`` and ``ppf``.
    x_label
        The quantity with its unit.
    alt, caption, identifier
        See :class:`~distlib.figures.figure.Shown`.
    **options
        See :func:`draw_distribution`.

    Returns
    -------
    Figure

    Examples
    --------
    >>> from distlib.models.latency import Exponential
    >>> distribution([0.001, 0.002, 0.004], Exponential(0.002), x_label="latency (ms)", x_factor=1e3, show="cumulative",
    ...              alt="Three steps near a curve.", caption="Three samples.")
    [Figure: Three steps near a curve.]
    """
    drawing = draw_distribution(samples, law, x_label=x_label, **options)
    return Figure(drawing, alt=alt, caption=caption, identifier=identifier)


def draw_distribution(
    samples: ArrayLike,
    law: Law | None = None,
    *,
    x_label: str,
    show: Literal["density", "cumulative", "tail"] = "density",
    x_factor: float = 1.0,
    quantiles: Sequence[float] = (),
    bin_count: int | None = None,
    x_scale: Kind = "linear",
    x_limits: Limits | None = None,
    y_limits: Limits | None = None,
    samples_name: str = "simulated",
    law_name: str = "predicted",
    notes: Sequence[Note] = (),
    width: float = WIDTH,
    height: float = HEIGHT,
) -> Drawing:
    """Return the drawing of :func:`distribution`.

    Parameters
    ----------
    samples, law, x_label
        See :func:`distribution`.
    show
        "density" for a histogram against the predicted density, "cumulative" for P(X ≤ x), "tail" for P(X > x)
        on a logarithmic axis.
    x_factor
        What samples and law are multiplied with for the axis, such as 1000 for milliseconds.
    quantiles
        Probabilities whose quantiles are marked: the samples', and the law's in brackets.
    bin_count
        Of the histogram; by default the rule of Freedman and Diaconis (1981), at most 60.
    x_scale, x_limits, y_limits, notes, width, height
        See :func:`draw_lines`. A density needs a linear axis.
    samples_name, law_name
        Their words in the legend.
    """
    ordered = np.sort(_numbers("samples", samples)) * x_factor
    if show not in ("density", "cumulative", "tail"):
        raise ValueError(f"`show` must be 'density', 'cumulative' or 'tail', got {show!r}")
    if show == "density" and x_scale != "linear":
        raise ValueError("`x_scale` must be 'linear' for a density, got 'log'")
    for probability in quantiles:
        if not 0 < probability < 1:
            raise ValueError(f"`quantiles` must be in (0, 1), got {probability!r}")
    ends = x_limits or _sample_limits(ordered, show, x_scale)
    marks = [*notes, *(_quantile_note(ordered, law, probability, x_factor) for probability in quantiles)]
    build = _draw_density if show == "density" else _draw_cumulative
    chart = build(
        ordered,
        law,
        show,
        x_factor,
        ends,
        y_limits,
        x_label,
        x_scale,
        bin_count,
        (samples_name, law_name),
        (width, height),
    )
    for note in marks:
        chart.note(note)
    return chart.finish("Distribution")


def _sample_limits(ordered: Floats, show: str, kind: Kind) -> Limits:
    """Return limits that a few far samples do not stretch, except where the tail is the point."""
    high = float(ordered[-1]) if show == "tail" or kind == "log" else float(np.quantile(ordered, 0.995)) * 1.05
    low = float(ordered[0])
    if kind == "log":
        positive = ordered[ordered > 0]
        return limits([float(positive[0]), high], kind)
    return (0.0 if 0 <= low <= 0.5 * high else low, high) if high > low else limits([low], kind)


def _quantile_note(ordered: Floats, law: Law | None, probability: float, factor: float) -> Note:
    found = float(np.quantile(ordered, probability, method="inverted_cdf"))
    percent = f"p{100 * probability:g}"
    if law is None:
        return Note(f"{percent}: {found:.3g}", x=found)
    return Note(f"{percent}: {found:.3g} (predicted {float(law.ppf(probability)) * factor:.3g})", x=found)


Names = tuple[str, str]
Size = tuple[float, float]


def _draw_density(
    ordered: Floats, law: Law | None, show: str, factor: float, ends: Limits, y_limits: Limits | None, x_label: str,
    x_scale: Kind, bin_count: int | None, names: Names, size: Size,
) -> Chart:  # fmt: skip
    """Draw a histogram and the mean of the predicted density around each place, over the width of a bin."""
    if bin_count is None:
        quarter, three_quarters = np.quantile(ordered, [0.25, 0.75])
        bin_width = 2 * (three_quarters - quarter) / len(ordered) ** (1 / 3)
        bin_count = int(np.clip(np.ceil((ends[1] - ends[0]) / bin_width), 8, 60)) if bin_width > 0 else 20
    edges = np.linspace(ends[0], ends[1], bin_count + 1)
    bin_width = edges[1] - edges[0]
    density = np.histogram(ordered, edges)[0] / (len(ordered) * bin_width)
    fine = np.linspace(ends[0], ends[1], CURVE_POINTS)
    expected = None
    if law is not None:
        above, below = (fine + bin_width / 2) / factor, np.maximum(fine - bin_width / 2, 0.0) / factor
        expected = (np.asarray(law.cdf(above)) - np.asarray(law.cdf(below))) / ((above - below) * factor)
    unit = re.search(r"\(([^()]+)\)\s*$", x_label)
    legend = [
        (
            svg.group([svg.rectangle(-10, -6, 20, 12, "ds-tint"), svg.path([(-10, -6), (10, -6)], "ds-line")], "ds-2"),
            names[0],
        )
    ]
    if law is not None:
        legend.insert(0, (_sample(0, "line", False), names[1]))
    peak = max(float(density.max()), 0.0 if expected is None else float(expected.max()))
    y_label = f"probability density (per {unit.group(1)})" if unit else "probability density"
    chart = Chart(*size, x_label, y_label, ends, y_limits or (0.0, peak * 1.08), legend=legend)
    corners = _stairs(edges.tolist(), [*density.tolist(), 0.0])
    outline = [(edges[0], 0.0), *corners]
    pixels = [(chart.x(float(x)), chart.y(float(y))) for x, y in outline]
    chart.elements.append(svg.polygon(pixels, "ds-tint ds-2"))
    chart.elements.append(svg.path(pixels, "ds-line ds-2"))
    if expected is not None:
        chart.line(list(zip(fine.tolist(), expected.tolist(), strict=True)), "ds-line ds-bold ds-1")
    return chart


def _draw_cumulative(
    ordered: Floats, law: Law | None, show: str, factor: float, ends: Limits, y_limits: Limits | None, x_label: str,
    x_scale: Kind, bin_count: int | None, names: Names, size: Size,
) -> Chart:  # fmt: skip
    """Draw the share of samples at most, or above, each value, and the predicted probability."""
    tail = show == "tail"
    count = len(ordered)
    # Of many samples, two hundred quantiles draw the same line.
    ranks = np.unique(np.linspace(0, count - 1, min(count, 200)).round().astype(int))
    if tail:
        deep = count - 1 - np.unique(np.geomspace(1, count, min(count, 120)).round().astype(int) - 1)
        ranks = np.unique(np.concatenate((ranks, deep)))[:-1] if count > 1 else ranks
    x = ordered[ranks]
    share = 1 - (ranks + 1) / count if tail else (ranks + 1) / count
    shown = Series(names[0], x, share, kind="steps")
    series = [shown]
    if law is not None:
        fine = np.geomspace(*ends, CURVE_POINTS) if x_scale == "log" else np.linspace(*ends, CURVE_POINTS)
        predicted = np.asarray(law.sf(fine / factor) if tail else law.cdf(fine / factor), dtype=float)
        kept = predicted > 0 if tail else np.ones(len(fine), dtype=bool)
        series.insert(0, Series(names[1], fine[kept], predicted[kept]))
    curves = [_check(one) for one in series]
    vertical: Kind = "log" if tail else "linear"
    lowest = min(0.5 / count, float(share[share > 0].min())) if tail else 0.0
    offset = 2 - len(curves)
    legend = [(_sample(index + offset, "line", False), curve.label) for index, curve in enumerate(curves)]
    y_label = "P(X > x)" if tail else "P(X ≤ x)"
    chart = Chart(*size, x_label, y_label, ends, y_limits or (lowest, 1.0), x_scale, vertical, legend=legend)
    for index, curve in enumerate(curves):
        _draw_curve(chart, curve, index + offset, False)
    return chart
