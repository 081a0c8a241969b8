"""A list of decisions: questions from top to bottom, each with what to take if the answer is yes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from distlib.figures import svg
from distlib.figures.figure import Figure
from distlib.figures.signs import arrowhead
from distlib.figures.svg import Drawing, Point, text_width

__all__ = ["Choice", "decisions"]

_WIDTH: Final = 700.0
_QUESTION: Final = 300.0  # the width of a question's box
_CHOICE: Final = 340.0
_LINE: Final = 18.0
_PADDING: Final = 14.0
_GAP: Final = 30.0
_TEXT: Final = 13.0
_SMALL: Final = 12.0


@dataclass(frozen=True)
class Choice:
    """What to take, and its price.

    Parameters
    ----------
    name
        What to take.
    price
        What that costs or gives up, in a sentence or two.
    question
        The question that leads here if the answer is yes. Empty for the choice that is left at the end.
    """

    name: str
    price: str
    question: str = ""


def decisions(choices: Sequence[Choice], *, caption: str, identifier: str) -> Figure:
    """Return a figure of questions, one below the other, each with an arrow to its choice.

    The alt text says the whole list in words.

    Parameters
    ----------
    choices
        In the order in which they are asked; the last has no question.
    caption, identifier
        See :class:`~distlib.figures.figure.Shown`.

    Raises
    ------
    ValueError
        If there are fewer than two, or another one than the last has no question, or the last has one.

    Examples
    --------
    >>> tea = Choice("Tea", "It takes four minutes.", "Is there time?")
    >>> decisions([tea, Choice("Water", "It is only water.")], caption="What to drink.", identifier="drinks").alt
    'A list of questions. Is there time? If so: Tea. It takes four minutes. Otherwise: Water. It is only water.'
    """
    if len(choices) < 2:
        raise ValueError(f"`choices` must be at least 2, got {len(choices)}")
    for place, choice in enumerate(choices):
        if bool(choice.question) == (place == len(choices) - 1):
            raise ValueError(f"`choices` must all have a question but the last, got {choice.question!r} at {place}")
    elements: list[str] = []
    top = 2.0
    for choice in choices:
        top = _row(elements, choice, top) if choice.question else _last(elements, choice, top)
    told = [f"{each.question} If so: {each.name}. {each.price}" for each in choices[:-1]]
    told.append(f"Otherwise: {choices[-1].name}. {choices[-1].price}")
    return Figure(
        Drawing(_WIDTH, top, tuple(elements), "List of decisions"),
        alt="A list of questions. " + " ".join(told),
        caption=caption,
        identifier=identifier,
    )


def _row(elements: list[str], choice: Choice, top: float) -> float:
    """Draw a question with its choice beside it and the way on below it; return where the next one begins."""
    question = _wrapped(choice.question, _QUESTION - 2 * _PADDING, _TEXT)
    price = _wrapped(choice.price, _CHOICE - 2 * _PADDING, _SMALL)
    height = max(len(question), len(price) + 1) * _LINE + 2 * _PADDING - 4
    middle = top + height / 2
    elements.append(svg.group([*_box(1, top, _QUESTION, height), *_lines(question, 1 + _PADDING, middle)], "ds-calm"))
    left = _WIDTH - _CHOICE - 1
    elements.append(_arrow((1 + _QUESTION, middle), (left, middle), "yes", (8.0, -7.0)))
    _choose(elements, choice, price, left, top, height)
    below = top + height + _GAP
    elements.append(_arrow((1 + _QUESTION / 2, top + height), (1 + _QUESTION / 2, below), "no", (8.0, -10.0)))
    return below


def _last(elements: list[str], choice: Choice, top: float) -> float:
    """Draw the choice that is left; return where the drawing ends."""
    price = _wrapped(choice.price, _CHOICE - 2 * _PADDING, _SMALL)
    height = (len(price) + 1) * _LINE + 2 * _PADDING - 4
    _choose(elements, choice, price, 1, top, height)
    return top + height + 2


def _choose(elements: list[str], choice: Choice, price: Sequence[str], left: float, top: float, height: float) -> None:
    middle = top + height / 2
    first = middle - len(price) * _LINE / 2
    words = [svg.text(left + _PADDING, first + 4, choice.name, "ds-strong")]
    words += [
        svg.text(left + _PADDING, first + 4 + (row + 1) * _LINE, line, "ds-small ds-ink")
        for row, line in enumerate(price)
    ]
    elements.append(svg.group([*_box(left, top, _CHOICE, height, filled=True), *words], "ds-accent"))


def _box(left: float, top: float, width: float, height: float, *, filled: bool = False) -> list[str]:
    kinds = ["ds-blank", *["ds-tint"] * filled, "ds-line"]
    return [svg.rectangle(left, top, width, height, kind, corner=6) for kind in kinds]


def _lines(lines: Sequence[str], left: float, middle: float) -> list[str]:
    first = middle - (len(lines) - 1) * _LINE / 2 + 4.5
    return [svg.text(left, first + row * _LINE, line, "ds-ink") for row, line in enumerate(lines)]


def _arrow(start: Point, end: Point, words: str, beside: Point) -> str:
    back = (end[0] - 10 * (end[0] > start[0]), end[1] - 10 * (end[1] > start[1]))
    at = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2) if end[0] == start[0] else start
    parts = [
        svg.segment(start, back, "ds-line"),
        arrowhead(start, end),
        svg.text(at[0] + beside[0], at[1] + beside[1] + (14 if end[0] == start[0] else 0), words, "ds-small ds-ink"),
    ]
    return svg.group(parts, "ds-calm")


def _wrapped(words: str, width: float, pixels: float) -> list[str]:
    """Break words into lines of at most that many pixels."""
    lines: list[str] = []
    for word in words.split():
        if lines and text_width(f"{lines[-1]} {word}", pixels) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
