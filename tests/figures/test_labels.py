from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from distlib.figures.labels import Box, Label, Place, place

spots = st.tuples(st.integers(0, 300), st.integers(0, 200), st.integers(0, 20)).map(lambda numbers: Place(*numbers))
labels = st.builds(Label, st.text("abc", min_size=1, max_size=8), st.lists(spots, min_size=1, max_size=6).map(tuple))


@given(st.lists(labels, max_size=8))
def test_labels_that_are_shown_can_all_be_read(wanted: list[Label]) -> None:
    boxes = [placed.label.box(placed.at) for placed in place(wanted) if placed.at is not None]
    for one, other in combinations(boxes, 2):
        assert one.overlap(other) <= 0.2 * (other.right - other.left) * (other.bottom - other.top)


@given(st.lists(labels, max_size=8))
def test_a_label_stands_at_one_of_its_places(wanted: list[Label]) -> None:
    for label, (same, at) in zip(wanted, place(wanted), strict=True):
        assert same is label
        assert at is None or at in label.places


def test_a_label_gives_way_to_a_mark() -> None:
    label = Label("word", (Place(0, 0), Place(100, 0, 5.0)))
    assert place([label])[0].at == Place(0, 0)
    assert place([label], marks=[Box(-8, -8, 8, 8)])[0].at == Place(100, 0, 5.0)


def test_a_label_gives_way_to_lines_but_not_to_the_line_it_names() -> None:
    line = ((-50.0, 0.0), (50.0, 0.0))
    places = (Place(0, 0), Place(0, 40, 5.0))
    assert place([Label("word", places)], lines=[line])[0].at == places[1]
    assert place([Label("word", places, own=0)], lines=[line])[0].at == places[0]


def test_an_early_label_moves_on_for_a_later_one_that_cannot() -> None:
    free = Label("one", (Place(0, 0), Place(80, 0, 1.0)))
    stuck = Label("two", (Place(0, 0),))
    assert [placed.at for placed in place([free, stuck])] == [Place(80, 0, 1.0), Place(0, 0)]


def test_a_label_under_another_is_left_out() -> None:
    stuck = Label("word", (Place(0, 0),))
    assert [placed.at for placed in place([stuck, stuck])] == [Place(0, 0), None]


def test_a_box_meets_what_runs_through_it_and_not_what_passes_by() -> None:
    box = Box(0, 0, 10, 10)
    assert box.meets((-5, 5), (15, 5))
    assert box.meets((5, 5), (6, 6))
    assert not box.meets((-5, -5), (-1, 20))
    assert not box.meets((-5, 11), (15, 11))
    assert not box.meets((11, -5), (25, 9))
