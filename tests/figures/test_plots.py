from __future__ import annotations

import itertools
import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from distlib.figures.chart import limits, spread
from distlib.figures.figure import Figure
from distlib.figures.plots import (
    Note,
    Series,
    bars,
    compare,
    distribution,
    draw_bars,
    draw_compare,
    draw_distribution,
    draw_lines,
    frame_lines,
    lines,
)
from distlib.figures.svg import Drawing
from distlib.models.latency import Constant, Exponential, LogNormal

LABELS: dict[str, Any] = {"x_label": "participants (count)", "y_label": "commit latency (ms)"}
WORDS = {"alt": "A plot.", "caption": "A plot."}
NAMESPACE = "{http://www.w3.org/2000/svg}"


def texts(drawing: Drawing) -> list[str]:
    root = ElementTree.fromstring(drawing.markup())
    return [element.text or "" for element in root.iter(f"{NAMESPACE}text")]


def circles(drawing: Drawing, css: str) -> list[tuple[float, float]]:
    """Return the centres of the circles inside groups of a class, without the sample in the legend."""
    found = []
    for group in re.findall(rf'<g class="{css}">(.*?)</g>', drawing.body):
        found += [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([-\d.]+)" cy="([-\d.]+)"', group)]
    return [(x, y) for x, y in found if x != 0]


def samples() -> np.ndarray:
    return LogNormal(0.002, 0.5).rvs(size=2000, random_state=np.random.default_rng(7))


def every_figure() -> dict[str, Figure]:
    x = np.linspace(0.1, 10, 400)
    n = [1, 2, 4, 8]
    rows = [(value, value - 0.3, value + 0.3) for value in (1.0, 2.1, 3.9, 8.2)]
    law = LogNormal(0.002, 0.5)
    shared = {"x_label": "latency (ms)", "x_factor": 1e3, **WORDS}
    return {
        "lines": lines({"sine": (x, np.sin(x)), "noise": (x, np.cos(97 * x))}, **LABELS, **WORDS),
        "compare": compare(n, lambda v: v, rows, measured=rows, x_scale="log", y_scale="log", **LABELS, **WORDS),
        "bars": bars(
            ["a", "b"], {"one": [1, 2], "two": [3, 4]}, intervals={"two": [(2, 4), (3, 5)]}, **LABELS, **WORDS
        ),
        "density": distribution(samples(), law, quantiles=(0.5, 0.99), **shared),
        "cumulative": distribution(samples(), law, show="cumulative", **shared),
        "tail": distribution(samples(), law, show="tail", x_scale="log", **shared),
    }


def test_every_plot_is_small_well_formed_and_the_same_twice() -> None:
    again = every_figure()
    for name, figure in every_figure().items():
        ElementTree.fromstring(figure.drawing.markup())
        assert figure.html == again[name].html
        assert len(figure.drawing.markup().encode()) < 25_000, name
        assert " id=" not in figure.drawing.body


def test_a_line_passes_through_its_values() -> None:
    drawing = draw_lines([Series("", [0, 1, 2], [0, 10, 0])], x_limits=(0, 2), y_limits=(0, 10), **LABELS)
    data = re.search(
        r'<path class="ds-line ds-1" d="M([\d.]+) ([\d.]+)l([\d.]+)-([\d.]+)l([\d.]+) ([\d.]+)"', drawing.body
    )
    assert data is not None
    _, _, right, up, right_again, down = map(float, data.groups())
    assert (right, up) == (pytest.approx(right_again, abs=0.11), pytest.approx(down, abs=0.11))


def test_names_stand_at_the_ends_of_lines_where_they_fit_and_in_a_legend_where_not() -> None:
    short = texts(draw_lines({"up": ([0, 1], [0, 1]), "down": ([0, 1], [1, 0])}, **LABELS))
    long = texts(draw_lines({"a name that is longer than the room beside the plot": ([0, 1], [0, 1])}, **LABELS))
    assert short[-2:] == ["up", "down"]
    assert long[-1] == "a name that is longer than the room beside the plot"
    assert draw_lines({"up": ([0, 1], [0, 1])}, **LABELS).body.index(">up<") > 0


def test_each_series_has_a_dash_of_its_own_beside_its_colour() -> None:
    drawing = draw_lines({str(k): ([0, 1], [k, k + 1]) for k in range(6)}, **LABELS)
    styles = re.findall(r'class="ds-line ds-(\d)( ds-[a-z]+)?"', drawing.body)
    assert len({dash for _, dash in styles}) == len({colour for colour, _ in styles}) == 6


def test_a_value_that_is_not_a_number_leaves_a_gap_and_an_infinite_one_is_refused() -> None:
    drawing = draw_lines([Series("", [0, 1, 2, 3, 4], [1, 2, np.nan, 2, 1])], **LABELS)
    assert len(re.findall(r'class="ds-line ds-1"', drawing.body)) == 2
    with pytest.raises(ValueError, match=r"`y of ''` must be finite, got .*inf"):
        draw_lines([Series("", [0, 1], [1, np.inf])], **LABELS)


def test_what_lies_beyond_the_limits_is_cut_off() -> None:
    drawing = draw_lines([Series("", [0, 1, 2], [0, 1, 100])], y_limits=(0, 2), **LABELS)
    assert re.search(r'<svg x="[\d.]+" y="[\d.]+" width="[\d.]+" height="[\d.]+" viewBox=', drawing.body)
    assert "<svg x=" not in draw_lines([Series("", [0, 1, 2], [0, 1, 2])], y_limits=(0, 2), **LABELS).body


def test_notes_are_written() -> None:
    notes = [Note("here", 1, 1), Note("limit", y=2), Note("timeout", x=1.5)]
    assert {"here", "limit", "timeout"} <= set(texts(draw_lines([Series("", [0, 2], [0, 3])], notes=notes, **LABELS)))
    with pytest.raises(ValueError, match="a note needs `x`, `y` or both"):
        Note("nowhere")


@pytest.mark.parametrize(
    ("series", "message"),
    [
        ([Series("a", [0, 1], [1])], "`y` of 'a' must have 2 values, as x does, got 1"),
        ([Series("a", [1, 0], [1, 2])], "`x` of 'a' must be sorted"),
        ([Series("a", [0, 1], [1, 2], low=[0, 1])], "`low` and `high` of 'a' must be given together"),
        ([Series("a", [0], [1], low=[3], high=[2])], "`low` of 'a' must not be above `high`"),
        ([], "`series` must hold 1 to 6 series"),
        ([Series(str(k), [0], [1]) for k in range(7)], "`series` must hold 1 to 6 series, .* got 7"),
    ],
)
def test_series_that_are_not_right_are_refused(series: list[Series], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw_lines(series, **LABELS)


def test_axes_must_be_named() -> None:
    with pytest.raises(ValueError, match="`y_label` must name the quantity and its unit, got ' '"):
        draw_lines({"a": ([0, 1], [0, 1])}, x_label="n", y_label=" ")


def test_points_lie_on_the_line_that_predicts_them() -> None:
    n = [1, 2, 3, 4]
    rows = [(2.0 * k, 2.0 * k - 1, 2.0 * k + 1) for k in n]
    drawing = draw_compare(n, [2.0 * k for k in n], rows, x_limits=(0, 5), y_limits=(0, 10), **LABELS)
    points = circles(drawing, "ds-2")
    assert len(points) == 4
    line = re.search(r'<path class="ds-line ds-1" d="M([\d.]+) ([\d.]+)l([\d.]+)-([\d.]+)"', drawing.body)
    assert line is not None
    x, y, right, up = map(float, line.groups())
    assert points[0] == pytest.approx((x, y), abs=0.11)
    assert points[-1] == pytest.approx((x + right, y - up), abs=0.11)


def test_prediction_simulation_and_measurement_are_told_apart_by_shape() -> None:
    rows = [(1.0, 0.5, 1.5), (2.0, 1.5, 2.5)]
    drawing = draw_compare([1, 2], [1.0, 2.0], rows, measured=rows, **LABELS)
    assert {"predicted", "simulated, 95 % interval", "measured"} <= set(texts(drawing))
    assert len(circles(drawing, "ds-2")) == 2
    assert not circles(drawing, "ds-3")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(1.0, 0.5, 1.5)], r"a row \(estimate, low, high\) for each of the 2 values of x, got the shape \(1, 3\)"),
        ([(1.0, 1.1, 1.5), (2.0, 1.5, 2.5)], "each estimate of `simulated` must lie between its low and its high"),
    ],
)
def test_simulations_without_proper_intervals_are_refused(rows: list[tuple[float, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw_compare([1, 2], [1.0, 2.0], rows, **LABELS)


def test_a_simulation_of_what_was_not_predicted_is_refused() -> None:
    with pytest.raises(ValueError, match=r"labels of `simulated` must be out of \['a'\], got \['b'\]"):
        draw_compare([1], {"a": [1.0]}, {"b": [(1.0, 1.0, 1.0)]}, **LABELS)


def test_bars_are_as_high_as_their_values_and_say_them() -> None:
    drawing = draw_bars(["a", "b"], {"one": [10, 20]}, y_limits=(0, 20), **LABELS)
    heights = [float(found) for found in re.findall(r'height="([\d.]+)" class="ds-fill"', drawing.body)]
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.2)
    assert {"10", "20", "a", "b"} <= set(texts(drawing))


def test_series_of_bars_have_fillings_of_their_own() -> None:
    body = draw_bars(["a"], {"one": [1], "two": [2], "three": [3]}, **LABELS).body
    # Each has a bar and a sample in the legend: one is full, one has slanting lines, one is empty.
    assert (body.count("ds-fill"), body.count("ds-open")) == (2, 4)
    assert len(re.findall(r'class="ds-open"/><path class="ds-line"', body)) == 2


def test_bars_that_would_be_cut_off_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`y_limits` must hold every bar, \[1, 20\], got \(0, 10\)"):
        draw_bars(["a", "b"], {"one": [1, 20]}, y_limits=(0, 10), **LABELS)


def test_bars_start_at_zero_even_if_all_are_high() -> None:
    body = draw_bars(["a", "b"], {"one": [99, 100]}, **LABELS).body
    heights = [float(found) for found in re.findall(r'height="([\d.]+)" class="ds-fill"', body)]
    assert heights[0] / heights[1] == pytest.approx(0.99, abs=0.005)


def test_bars_need_a_value_for_each_group() -> None:
    with pytest.raises(ValueError, match="`values` of 'one' must have one value for each of the 2 groups, got 1"):
        draw_bars(["a", "b"], {"one": [1]}, **LABELS)


def test_the_density_of_a_histogram_is_that_of_its_samples() -> None:
    drawing = draw_distribution([1.0] * 50 + [3.0] * 50, x_label="x (s)", bin_count=8, x_limits=(0, 4), y_limits=(0, 2))
    outline = re.search(r'<path class="ds-line ds-2" d="M[^v]*v-([\d.]+)', drawing.body)
    assert outline is not None
    # Half of the samples in a bin of half a second: a density of 1 on an axis of 2.
    height = 320 - 46 - (30 + 22)
    assert float(outline.group(1)) == pytest.approx(height / 2, abs=1)


def test_quantiles_are_those_of_samples_and_law() -> None:
    found = texts(
        draw_distribution(
            np.arange(1, 101) / 1000, Exponential(0.05), x_label="latency (ms)", x_factor=1e3, quantiles=(0.5,)
        )
    )
    assert "p50: 50 (predicted 34.7)" in found


def test_a_law_with_an_atom_has_a_density_over_a_bin() -> None:
    drawing = draw_distribution([0.001] * 10 + [0.002], Constant(0.001), x_label="x (s)", x_limits=(0, 0.003))
    assert "predicted" in texts(drawing)


def test_many_samples_draw_as_few_points() -> None:
    many = LogNormal(0.002, 0.5).rvs(size=100_000, random_state=np.random.default_rng(1))
    assert len(draw_distribution(many, show="tail", x_label="x (s)").markup()) < 10_000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"show": "pdf"}, "`show` must be 'density', 'cumulative' or 'tail', got 'pdf'"),
        ({"quantiles": (1.0,)}, r"`quantiles` must be in \(0, 1\), got 1.0"),
        ({"x_scale": "log"}, "`x_scale` must be 'linear' for a density"),
    ],
)
def test_a_distribution_refuses_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw_distribution([1.0, 2.0], x_label="x (s)", **options)


def test_frames_with_the_same_limits_share_their_axes() -> None:
    frames = [
        frame_lines({"y": ([0, 1], [0, k])}, summary="It rises.", x_limits=(0, 1), y_limits=(0, 9), **LABELS)
        for k in (1, 2)
    ]
    one, two = (frame.drawing for frame in frames)
    assert one.view_box == two.view_box
    assert len(set(one.elements) & set(two.elements)) >= len(one.elements) - 2


def test_an_axis_starts_at_zero_when_its_values_come_near_it() -> None:
    assert limits([1, 10], "linear")[0] == 0
    assert limits([9, 10], "linear")[0] > 8
    with pytest.raises(ValueError, match=r"positive values, got 0\.0"):
        limits([0, 1], "log")


@pytest.mark.parametrize("positions", [[5, 5, 5], [0, 1, 99, 100], [50.0], [], [10, 30, 31, 32, 90]])
def test_labels_move_apart_and_stay_inside(positions: list[float]) -> None:
    moved = spread(positions, 16, 0, 100)
    assert all(later - earlier >= 16 - 1e-9 for earlier, later in itertools.pairwise(moved))
    assert all(-1e-9 <= at <= 100 + 1e-9 for at in moved)
