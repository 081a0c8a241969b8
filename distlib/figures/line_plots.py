"""Lines, with bands around them and names at their ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from distlib.figures.chart import Chart, Kind, Note, limits, tone
from distlib.figures.figure import Figure, Frame
from distlib.figures.series import (
    HEIGHT,
    WIDTH,
    Curve,
    Limits,
    Series,
    check,
    draw_curve,
    fit_at_ends,
    last_inside,
    sample,
    tight_limits,
)
from distlib.figures.svg import Drawing

__all__ = ["draw_lines", "frame_lines", "lines"]


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
    direct = fit_at_ends([curve.label for _, curve in named], width, height) and all(
        curve.kind != "points" for _, curve in named
    )
    legend = [] if direct else [(sample(index, curve.kind, markers), curve.label) for index, curve in named]
    chart = Chart(
        width,
        height,
        x_label,
        y_label,
        x_limits or tight_limits(x_values, x_scale),
        y_limits or limits(y_values.tolist(), y_scale),
        x_scale,
        y_scale,
        end_labels=[curve.label for _, curve in named] if direct else (),
        legend=legend,
    )
    for note in notes:
        chart.note(note)
    for index, curve in enumerate(curves):
        draw_curve(chart, curve, index, markers)
    if direct:
        ends = [(curve.label, last_inside(chart, curve), tone(index)) for index, curve in named]
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
) -> list[Curve]:
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
    return [check(one) for one in given]
