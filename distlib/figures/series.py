"""Series of numbers, checked, and how a plot draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from distlib.figures import svg
from distlib.figures.chart import WIDEST_LABEL_SHARE, Chart, Kind, dash, limits, marker, tone
from distlib.figures.labels import Box
from distlib.figures.svg import text_width

__all__ = [
    "CURVE_POINTS",
    "HEIGHT",
    "WIDTH",
    "Curve",
    "Floats",
    "Limits",
    "Series",
    "check",
    "draw_curve",
    "draw_points",
    "fit_at_ends",
    "interval",
    "last_inside",
    "numbers",
    "roomy_limits",
    "sample",
    "stairs",
    "tight_limits",
]

Floats = NDArray[np.float64]
Limits = tuple[float, float]

WIDTH, HEIGHT = 520.0, 320.0
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
class Curve:
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


def check(series: Series) -> Curve:
    """Check a series' shapes and numbers."""
    x = numbers(f"x of {series.label!r}", series.x)
    y = numbers(f"y of {series.label!r}", series.y, gaps=True)
    bounds = []
    for name, bound in (("low", series.low), ("high", series.high)):
        bounds.append(None if bound is None else numbers(f"{name} of {series.label!r}", bound, gaps=True))
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
    return Curve(series.label, x, y, low, high, series.kind)


def numbers(name: str, values: ArrayLike, *, gaps: bool = False) -> Floats:
    """Return a row of numbers, or say which argument is not one."""
    row = np.asarray(values, dtype=float)
    if row.ndim != 1 or len(row) == 0:
        raise ValueError(f"`{name}` must be a row of at least one number, got the shape {row.shape}")
    if np.any(np.isinf(row)) or (not gaps and np.any(np.isnan(row))) or np.all(np.isnan(row)):
        raise ValueError(f"`{name}` must be finite, got {row[~np.isfinite(row)][0]!r}")
    return row


def fit_at_ends(labels: Sequence[str], width: float, height: float) -> bool:
    """Tell whether labels have room to the right of the plot."""
    if not labels:
        return False
    widest = max(text_width(label) for label in labels)
    return widest + 30 <= WIDEST_LABEL_SHARE * width and len(labels) * 16 <= height - 90


def tight_limits(values: Floats, kind: Kind) -> Limits:
    """Return limits that end with the values, for the axis that the reader chose."""
    low, high = float(values.min()), float(values.max())
    return limits([low], kind) if low == high else (low, high)


def draw_curve(chart: Chart, curve: Curve, index: int, markers: bool) -> None:
    css = tone(index)
    if curve.kind == "points":
        draw_points(chart, curve, index, css)
        return
    for part in _runs(curve):
        x, y = curve.x[part].tolist(), curve.y[part].tolist()
        if curve.low is not None and curve.high is not None:
            chart.band(x, curve.low[part].tolist(), curve.high[part].tolist(), f"ds-tint {css}")
        values = stairs(x, y) if curve.kind == "steps" else list(zip(x, y, strict=True))
        chart.line(values, f"ds-line {css}{dash(index)}")
        if markers:
            inside = [point for point in zip(x, y, strict=True) if chart.inside(*point)]
            chart.elements.append(svg.group([marker(index, (chart.x(a), chart.y(b))) for a, b in inside], css))


def draw_points(chart: Chart, curve: Curve, index: int, css: str) -> None:
    """Draw points, with their intervals if they have them."""
    parts = []
    for k in range(len(curve.x)):
        x, y = float(curve.x[k]), float(curve.y[k])
        if not np.isfinite(y) or not chart.inside(x, y):
            continue
        at = (chart.x(x), chart.y(y))
        if curve.low is not None and curve.high is not None:
            parts += interval(at[0], chart.y(float(curve.low[k])), chart.y(float(curve.high[k])))
        parts.append(marker(index, at))
        chart.boxes.append(Box(at[0] - 6, at[1] - 6, at[0] + 6, at[1] + 6))
    chart.elements.append(svg.group(parts, css))


def interval(x: float, low: float, high: float, half_width: float = 4.0) -> list[str]:
    """Draw a standing bar with caps, from pixel to pixel."""
    data = svg.path_data([(x, low), (x, high)])
    caps = "".join(svg.path_data([(x - half_width, y), (x + half_width, y)]) for y in (low, high))
    return [svg.element("path", class_="ds-line", d=data + caps)]


def _runs(curve: Curve) -> list[slice]:
    """Return the stretches of a curve between gaps."""
    finite = np.isfinite(curve.y)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], finite, [False])).astype(int)))
    return [slice(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def stairs(x: Sequence[float], y: Sequence[float]) -> list[tuple[float, float]]:
    """Return the corners of a line that holds each value until the next x."""
    corners = [(x[0], y[0])]
    for k in range(1, len(x)):
        corners += [(x[k], y[k - 1]), (x[k], y[k])]
    return corners


def last_inside(chart: Chart, curve: Curve) -> float:
    """Return the last value of a curve that is inside the plot from left to right."""
    inside = np.isfinite(curve.y) & (curve.x <= chart.x_limits[1] * (1 + 1e-9))
    return float(curve.y[inside][-1]) if np.any(inside) else float(curve.y[np.isfinite(curve.y)][-1])


def sample(index: int, kind: str, markers: bool) -> str:
    """Return a series' sample for the legend."""
    parts = [] if kind == "points" else [svg.segment((-12, 0), (12, 0), f"ds-line{dash(index)}")]
    if markers or kind == "points":
        parts.append(marker(index, (0, 0)))
    return svg.group(parts, tone(index))


def roomy_limits(values: Floats, kind: Kind) -> Limits:
    """Return limits with room for the markers at both ends."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        return limits([low], kind)
    if kind == "log":
        factor = (high / low) ** 0.04
        return low / factor, high * factor
    margin = (high - low) * 0.04
    return low - margin, high + margin
