from __future__ import annotations

import itertools
import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distlib.figures import svg
from distlib.figures.svg import Drawing, Scale

finite = st.floats(-1e5, 1e5)


def walk(data: str) -> list[tuple[float, float]]:
    """Follow the commands M, h, v, l and z of a path."""
    x = y = 0.0
    points = []
    for command, rest in re.findall(r"([Mhvlz])([^Mhvlz]*)", data):
        numbers = [float(found) for found in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", rest)]
        match command, numbers:
            case "M", [x, y]:
                pass
            case "h", [dx]:
                x += dx
            case "v", [dy]:
                y += dy
            case "l", [dx, dy]:
                x, y = x + dx, y + dy
            case "z", []:
                continue
            case _:
                pytest.fail(f"not a path: {command}{rest}")
        points.append((x, y))
    return points


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=30))
def test_a_relative_path_ends_where_it_should_however_long_it_is(points: list[tuple[float, float]]) -> None:
    drawn = walk(svg.path_data(points))
    assert drawn[-1] == pytest.approx(points[-1], abs=0.051)


@given(finite)
def test_a_coordinate_has_one_decimal_and_keeps_its_value(value: float) -> None:
    written = svg.number(value)
    assert float(written) == pytest.approx(value, abs=0.05 + 1e-9)
    assert re.fullmatch(r"-?\d*(\.\d)?", written)
    assert written != "-0"


def test_a_coordinate_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="finite, got nan"):
        svg.number(math.nan)


@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0, 500)), min_size=2, max_size=60), st.floats(0.1, 5))
def test_a_simplified_curve_stays_within_its_tolerance(points: list[tuple[float, float]], tolerance: float) -> None:
    kept = svg.simplify(points, tolerance)
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    for x, y in points:
        distances = []
        for (x1, y1), (x2, y2) in itertools.pairwise(kept):
            length = math.hypot(x2 - x1, y2 - y1)
            if length == 0:
                distances.append(math.hypot(x - x1, y - y1))
            else:
                distances.append(abs((x2 - x1) * (y1 - y) - (x1 - x) * (y2 - y1)) / length)
        assert min(distances) <= tolerance + 1e-6


def test_a_straight_line_of_many_points_is_two_points() -> None:
    assert len(svg.simplify([(float(x), 2.0 * x) for x in range(500)])) == 2


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(2, 10))
def test_ticks_are_round_even_and_inside(low: float, span: float, count: int) -> None:
    high = low + span
    if high <= low or span < 1e-9 * abs(low):
        return
    found = svg.ticks(low, high, count)
    assert 1 <= len(found) <= 2 * count + 1
    slack = 1e-6 * span
    assert all(low - slack <= tick <= high + slack for tick in found)
    if len(found) > 2:
        steps = [later - earlier for earlier, later in itertools.pairwise(found)]
        assert max(steps) == pytest.approx(min(steps), rel=1e-3)
        leading = max(steps) / 10 ** math.floor(math.log10(max(steps) * (1 + 1e-9)))
        assert min(abs(leading - digit) for digit in (1, 2, 5, 10)) < 1e-2


def test_a_logarithmic_axis_has_powers_of_ten_or_their_first_multiples() -> None:
    assert Scale(1e-6, 1, 0, 100, "log").ticks(5) == (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0)
    assert Scale(1, 50, 0, 100, "log").ticks(5) == (1, 2, 5, 10, 20, 50)


def test_a_scale_maps_its_limits_to_its_ends_and_a_logarithmic_middle_to_the_middle() -> None:
    scale = Scale(1, 100, 200, 0, "log")
    assert (scale(1), scale(10), scale(100)) == (200, pytest.approx(100), 0)


def test_a_scale_refuses_limits_that_are_not_limits() -> None:
    with pytest.raises(ValueError, match="positive limits, got 0"):
        Scale(0, 1, 0, 100, "log")
    with pytest.raises(ValueError, match="low < high, got 1 and 1"):
        Scale(1, 1, 0, 100)


def test_labels_of_a_logarithmic_axis_are_written_alike() -> None:
    assert svg.tick_labels([0.001, 0.01, 0.1, 1], log=True) == ["10⁻³", "10⁻²", "10⁻¹", "1"]
    assert svg.tick_labels([0.01, 0.1, 1], log=True) == ["0.01", "0.1", "1"]


@given(st.text(max_size=40))
def test_any_text_survives_in_an_element(content: str) -> None:
    printable = "".join(letter for letter in content if letter.isprintable())
    drawn = ElementTree.fromstring(svg.text(1, 2, printable))
    assert (drawn.text or "") == printable


@pytest.mark.parametrize("rising", [True, False])
@pytest.mark.parametrize("size", [(40.0, 12.0), (3.0, 50.0), (0.5, 0.5)])
def test_hatching_stays_inside_its_rectangle(size: tuple[float, float], rising: bool) -> None:
    width, height = size
    for x, y in walk_all(svg.hatch(10, 20, width, height, "ds-thin", rising=rising)):
        assert 10 - 0.1 <= x <= 10 + width + 0.1
        assert 20 - 0.1 <= y <= 20 + height + 0.1


def walk_all(markup: str) -> list[tuple[float, float]]:
    data = re.search(r' d="([^"]*)"', markup)
    return walk(data.group(1)) if data else []


def test_a_drawing_refuses_a_size_that_is_not_one() -> None:
    with pytest.raises(ValueError, match="`width` must be positive and finite, got 0"):
        Drawing(0, 10, ())
