"""Everything that the book draws: one look, in both themes and on paper, the same bytes in every run.

- :mod:`~distlib.figures.spacetime`: who told whom what, and when, from a trace;
- :mod:`~distlib.figures.plots`: lines, predictions against simulations, bars, distributions, tables with tones;
- :mod:`~distlib.figures.interactive`: figures with dials, live in Jupyter and alive in a static page;
- :mod:`~distlib.figures.figure`: what all of them are, and how to set them beside each other.

Below these: :mod:`~distlib.figures.chart`, :mod:`~distlib.figures.labels`, :mod:`~distlib.figures.story`,
:mod:`~distlib.figures.timeline` and :mod:`~distlib.figures.svg`, which are pure functions from values to text.
"""
