"""Predictions against simulations and measurements: lines against points."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from distlib.figures import svg
from distlib.figures.chart import Chart, Kind, Note, dash, limits, marker, tone
from distlib.figures.figure import Figure
from distlib.figures.series import (
    CURVE_POINTS,
    HEIGHT,
    WIDTH,
    Curve,
    Floats,
    Limits,
    Series,
    check,
    draw_points,
    fit_at_ends,
    interval,
    last_inside,
    numbers,
    roomy_limits,
    sample,
)
from distlib.figures.svg import Drawing

__all__ = ["compare", "draw_compare"]

Values = ArrayLike | Callable[[Any], Any]


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
    at, x_ends = numbers("x", x), x_limits or roomy_limits(numbers("x", x), x_scale)
    grid = at if predicted_x is None else numbers("predicted_x", predicted_x)
    model = {label: _predict(label, values, grid, x_ends, x_scale) for label, values in _by_label(predicted).items()}
    clouds = [
        _Cloud("simulated", simulated_name, 0, _clouds("simulated", simulated, at, list(model))),
        _Cloud("measured", measured_name, 3, _clouds("measured", measured, at, list(model))),
    ]
    everything = [curve.extent() for part in (model, *(cloud.curves for cloud in clouds)) for curve in part.values()]
    y_ends = y_limits or limits(np.concatenate(everything).tolist(), y_scale)
    alone = list(model) == [""]
    direct = not alone and fit_at_ends(list(model), width, height)
    legend = _legend(predicted_name, clouds, [] if alone or direct else list(model), alone)
    axes = (width, height, x_label, y_label, x_ends, y_ends, x_scale, y_scale)
    chart = Chart(*axes, end_labels=list(model) if direct else (), legend=legend)
    for note in notes:
        chart.note(note)
    for index, (label, curve) in enumerate(model.items()):
        chart.line(list(zip(curve.x.tolist(), curve.y.tolist(), strict=True)), f"ds-line {tone(index)}{dash(index)}")
        for cloud in clouds:
            if label in cloud.curves:
                draw_points(chart, cloud.curves[label], cloud.shape, _colour(index, cloud.name, alone))
    if direct:
        chart.end_label([(label, last_inside(chart, curve), tone(k)) for k, (label, curve) in enumerate(model.items())])
    return chart.finish("Prediction against simulation")


@dataclass(frozen=True)
class _Cloud:
    """What was simulated or measured, by label, with its words in the legend and the index of its marker."""

    name: str
    shown: str
    shape: int
    curves: dict[str, Curve]


def _clouds(
    name: str, rows: ArrayLike | Mapping[str, ArrayLike] | None, at: Floats, labels: Sequence[str]
) -> dict[str, Curve]:
    """Check what was simulated or measured."""
    given = _by_label(rows)
    unknown = [label for label in given if label not in labels]
    if unknown:
        raise ValueError(f"the labels of `{name}` must be out of {list(labels)}, got {unknown}")
    return {label: _estimates(name, label, table, at) for label, table in given.items()}


def _legend(predicted_name: str, clouds: Sequence[_Cloud], labels: Sequence[str], alone: bool) -> list[tuple[str, str]]:
    """Return what tells lines from points, and then, where they are not named at their ends, line from line."""
    line = svg.segment((-12, 0), (12, 0), "ds-line")
    entries = [(svg.group([line], "ds-1" if alone else "ds-ink"), predicted_name)]
    for cloud in clouds:
        if cloud.curves:
            css = _colour(0, cloud.name, alone) if alone else "ds-ink"
            entries.append((svg.group([*interval(0, -9, 9), marker(cloud.shape, (0, 0))], css), cloud.shown))
    return entries + [(sample(index, "line", False), label) for index, label in enumerate(labels)]


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


def _predict(label: str, values: Values, grid: Floats, ends: Limits, kind: Kind) -> Curve:
    """Return the predicted curve."""
    if callable(values):
        low, high = max(ends[0], float(grid.min())), min(ends[1], float(grid.max()))
        fine = np.geomspace(low, high, CURVE_POINTS) if kind == "log" else np.linspace(low, high, CURVE_POINTS)
        return check(Series(label, fine, [float(values(value)) for value in fine.tolist()]))
    return check(Series(label, grid, values))


def _estimates(name: str, label: str, rows: ArrayLike, at: Floats) -> Curve:
    """Return a cloud of points with intervals."""
    table = np.asarray(rows, dtype=float)
    if table.shape != (len(at), 3):
        raise ValueError(
            f"`{name}` must have a row (estimate, low, high) for each of the {len(at)} values of x, "
            f"got the shape {table.shape}"
        )
    if np.any((table[:, 0] < table[:, 1]) | (table[:, 0] > table[:, 2])):
        raise ValueError(f"each estimate of `{name}` must lie between its low and its high")
    return check(Series(label, at, table[:, 0], table[:, 1], table[:, 2], "points"))
