"""Samples against the law that is predicted for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from distlib.figures import svg
from distlib.figures.chart import Chart, Kind, Note, limits
from distlib.figures.figure import Figure
from distlib.figures.series import (
    CURVE_POINTS,
    HEIGHT,
    WIDTH,
    Floats,
    Limits,
    Series,
    check,
    draw_curve,
    numbers,
    sample,
    stairs,
)
from distlib.figures.svg import Drawing
from distlib.models.latency import Law

__all__ = ["distribution", "draw_distribution"]


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
    if show not in ("density", "cumulative", "tail"):
        raise ValueError(f"`show` must be 'density', 'cumulative' or 'tail', got {show!r}")
    if show == "density" and x_scale != "linear":
        raise ValueError("`x_scale` must be 'linear' for a density, got 'log'")
    for probability in quantiles:
        if not 0 < probability < 1:
            raise ValueError(f"`quantiles` must be in (0, 1), got {probability!r}")
    ordered = np.sort(numbers("samples", samples)) * x_factor
    ends = x_limits or _sample_limits(ordered, show, x_scale)
    held = _Held(ordered, law, x_factor, ends, x_scale, (samples_name, law_name))
    plan = _density(held, x_label, bin_count) if show == "density" else _cumulative(held, tail=show == "tail")
    axes = (width, height, x_label, plan.y_label, ends, y_limits or plan.y_limits, x_scale, plan.y_kind)
    chart = Chart(*axes, legend=plan.legend)
    for note in (*notes, *(_quantile_note(held, probability) for probability in quantiles)):
        chart.note(note)
    plan.paint(chart)
    return chart.finish("Distribution")


@dataclass(frozen=True)
class _Held:
    """Samples, in order and in the unit of the axis, and what they are held against."""

    ordered: Floats
    law: Law | None
    factor: float
    ends: Limits
    x_kind: Kind
    names: tuple[str, str]

    def grid(self) -> Floats:
        """Return the values at which the law is drawn, in the unit of the axis."""
        space = np.geomspace if self.x_kind == "log" else np.linspace
        return np.asarray(space(*self.ends, CURVE_POINTS))


@dataclass(frozen=True)
class _Plan:
    """How a distribution is shown: its vertical axis, its legend, and what paints it onto a chart."""

    y_label: str
    y_limits: Limits
    y_kind: Kind
    legend: list[tuple[str, str]]
    paint: Callable[[Chart], None]


def _sample_limits(ordered: Floats, show: str, kind: Kind) -> Limits:
    """Return limits that a few far samples do not stretch, except where the tail is the point."""
    high = float(ordered[-1]) if show == "tail" or kind == "log" else float(np.quantile(ordered, 0.995)) * 1.05
    low = float(ordered[0])
    if kind == "log":
        positive = ordered[ordered > 0]
        return limits([float(positive[0]), high], kind)
    return (0.0 if 0 <= low <= 0.5 * high else low, high) if high > low else limits([low], kind)


def _quantile_note(held: _Held, probability: float) -> Note:
    """Return a note at a quantile of the samples, which names that of the law, too."""
    found = float(np.quantile(held.ordered, probability, method="inverted_cdf"))
    words = f"p{100 * probability:g}: {found:.3g}"
    if held.law is not None:
        words += f" (predicted {float(held.law.ppf(probability)) * held.factor:.3g})"
    return Note(words, x=found)


def _density(held: _Held, x_label: str, bin_count: int | None) -> _Plan:
    """Plan a histogram, and the mean of the predicted density around each value, over the width of a bin."""
    edges = np.linspace(*held.ends, (bin_count or _bin_count(held.ordered, held.ends)) + 1)
    bin_width = float(edges[1] - edges[0])
    density = np.histogram(held.ordered, edges)[0] / (len(held.ordered) * bin_width)
    outline = [(float(edges[0]), 0.0), *stairs(edges.tolist(), [*density.tolist(), 0.0])]
    expected = _expected_density(held, bin_width)
    peak = max([float(density.max()), *(value for _, value in expected)])

    def paint(chart: Chart) -> None:
        pixels = [(chart.x(x), chart.y(y)) for x, y in outline]
        steps = [svg.polygon(pixels, "ds-tint ds-2"), svg.path(pixels, "ds-line ds-2")]
        chart.elements += steps if all(chart.inside(x, y) for x, y in outline) else [chart.clip(*steps)]
        if expected:
            chart.line(expected, "ds-line ds-bold ds-1")

    block = [svg.rectangle(-10, -6, 20, 12, "ds-tint"), svg.segment((-10, -6), (10, -6), "ds-line")]
    legend = [(svg.group(block, "ds-2"), held.names[0])]
    if expected:
        legend.insert(0, (sample(0, "line", False), held.names[1]))
    unit = re.search(r"\(([^()]+)\)\s*$", x_label)
    y_label = f"probability density (per {unit.group(1)})" if unit else "probability density"
    return _Plan(y_label, (0.0, peak * 1.08), "linear", legend, paint)


def _bin_count(ordered: Floats, ends: Limits) -> int:
    """Return a number of bins by the rule of Freedman and Diaconis, at least 8 and at most 60."""
    quarter, three_quarters = np.quantile(ordered, [0.25, 0.75])
    bin_width = 2 * (three_quarters - quarter) / len(ordered) ** (1 / 3)
    return int(np.clip(np.ceil((ends[1] - ends[0]) / bin_width), 8, 60)) if bin_width > 0 else 20


def _expected_density(held: _Held, bin_width: float) -> list[tuple[float, float]]:
    """Return the law's density, averaged over the width of a bin: so it exists even where the law has atoms."""
    if held.law is None:
        return []
    grid = held.grid()
    above, below = (grid + bin_width / 2) / held.factor, np.maximum(grid - bin_width / 2, 0.0) / held.factor
    chance = np.asarray(held.law.cdf(above), dtype=float) - np.asarray(held.law.cdf(below), dtype=float)
    return list(zip(grid.tolist(), (chance / ((above - below) * held.factor)).tolist(), strict=True))


def _cumulative(held: _Held, *, tail: bool) -> _Plan:
    """Plan the share of samples at most, or above, each value, and the predicted probability."""
    count = len(held.ordered)
    ranks = _ranks(count, tail=tail)
    share = 1 - (ranks + 1) / count if tail else (ranks + 1) / count
    curves = [(1, check(Series(held.names[0], held.ordered[ranks], share, kind="steps")))]
    if held.law is not None:
        grid = held.grid()
        law = held.law.sf if tail else held.law.cdf
        predicted = np.asarray(law(grid / held.factor), dtype=float)
        kept = predicted > 0 if tail else np.ones(len(grid), dtype=bool)
        curves.insert(0, (0, check(Series(held.names[1], grid[kept], predicted[kept]))))

    def paint(chart: Chart) -> None:
        for index, curve in curves:
            draw_curve(chart, curve, index, False)

    legend = [(sample(index, "line", False), curve.label) for index, curve in curves]
    if tail:
        return _Plan("P(X > x)", (0.5 / count, 1.0), "log", legend, paint)
    return _Plan("P(X ≤ x)", (0.0, 1.0), "linear", legend, paint)


def _ranks(count: int, *, tail: bool) -> NDArray[np.int64]:
    """Return which of many ordered samples to draw: two hundred draw the same line, if the far ones are among them.

    The largest sample has no share above it, so a tail, on its logarithmic axis, ends with the second largest.
    """
    ranks = np.linspace(0, count - 1, min(count, 200)).round().astype(np.int64)
    if tail and count > 1:
        far = count - np.geomspace(1, count, min(count, 120)).round().astype(np.int64)
        ranks = np.concatenate((ranks, far))
        return np.unique(ranks)[:-1]
    return np.unique(ranks)
