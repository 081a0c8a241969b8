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

from distlib.figures.bar_plots import bars, draw_bars
from distlib.figures.chart import Note
from distlib.figures.comparison_plots import compare, draw_compare
from distlib.figures.distribution_plots import distribution, draw_distribution
from distlib.figures.line_plots import draw_lines, frame_lines, lines
from distlib.figures.series import Series
from distlib.figures.table import Table, matrix

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
