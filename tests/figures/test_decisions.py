"""A list of decisions says in its words what it shows, and refuses a list that cannot be followed."""

from __future__ import annotations

import pytest

from distlib.figures.decisions import Choice, decisions

ONE = Choice("A log", "One server.", "Does one server hold it all?")
LAST = Choice("Two-phase commit", "It blocks.")


def test_every_word_of_every_choice_is_in_the_picture_and_in_the_alt_text() -> None:
    figure = decisions([ONE, LAST], caption="What to take.", identifier="t")
    drawn = figure.drawing.body
    for words in (ONE.question, ONE.name, ONE.price, LAST.name, LAST.price):
        assert words in figure.alt
        assert all(word in drawn for word in words.split())


def test_a_long_question_is_broken_into_lines_that_fit() -> None:
    long = Choice("A log", "One server.", "Does one server hold all of the rows that " + "really " * 12 + "matter?")
    short = decisions([ONE, LAST], caption="What to take.", identifier="t").drawing
    tall = decisions([long, LAST], caption="What to take.", identifier="t").drawing
    assert tall.width == short.width
    assert tall.height > short.height


@pytest.mark.parametrize(
    ("choices", "message"),
    [([ONE], "at least 2"), ([LAST, LAST], "got '' at 0"), ([ONE, ONE], r"got 'Does one .* at")],
)
def test_a_list_that_cannot_be_followed_is_refused(choices: list[Choice], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decisions(choices, caption="What to take.", identifier="t")
