"""Samples against the law that is predicted for them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

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
    ordered = np.sort(numbers("samples", samples)) * x_factor
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
        legend.insert(0, (sample(0, "line", False), names[1]))
    peak = max(float(density.max()), 0.0 if expected is None else float(expected.max()))
    y_label = f"probability density (per {unit.group(1)})" if unit else "probability density"
    chart = Chart(*size, x_label, y_label, ends, y_limits or (0.0, peak * 1.08), legend=legend)
    corners = stairs(edges.tolist(), [*density.tolist(), 0.0])
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
    curves = [check(one) for one in series]
    vertical: Kind = "log" if tail else "linear"
    lowest = min(0.5 / count, float(share[share > 0].min())) if tail else 0.0
    offset = 2 - len(curves)
    legend = [(sample(index + offset, "line", False), curve.label) for index, curve in enumerate(curves)]
    y_label = "P(X > x)" if tail else "P(X ≤ x)"
    chart = Chart(*size, x_label, y_label, ends, y_limits or (lowest, 1.0), x_scale, vertical, legend=legend)
    for index, curve in enumerate(curves):
        draw_curve(chart, curve, index + offset, False)
    return chart
