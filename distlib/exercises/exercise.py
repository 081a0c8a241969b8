"""Exercises that check themselves: a question, a check that gives a hint, and answers that the tests hold it to.

Theory of operation
-------------------
In a chapter the reader replaces ``...`` and runs the cell::

    answer = ...
    blocking.check(answer)

:meth:`Exercise.check` prints and never raises, so a notebook with open or wrong answers still runs to its end. The
folded solution calls :meth:`Exercise.require`, which raises if the solution is wrong. So the tests, which run every
notebook, run every solution.

A check is a function from the answer to a hint, or to None if the answer is right. A check that accepts everything
would teach nothing; so an exercise names wrong answers, with a part of the hint that each must draw, and the tests try
them. :func:`number` and :func:`choice` make checks that know the usual mistakes.

Examples
--------
>>> messages = Exercise(
...     "messages",
...     "How many messages does a commit among four participants take?",
...     number(16, mistakes={12: "Acknowledgements count, too."}, hint="Count the phases, and both directions."),
...     right=(16, 16.0),
...     wrong=((12, "Acknowledgements"), (5, "both directions")),
... )
>>> messages.check(...)
Not answered yet: How many messages does a commit among four participants take?
>>> messages.check(12)
Not yet. Acknowledgements count, too.
>>> messages.check(16)
Right: How many messages does a commit among four participants take?
>>> messages.require(16)
>>> messages.require(5)
Traceback (most recent call last):
    ...
AssertionError: messages: 5 is not right. Count the phases, and both directions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from types import EllipsisType, ModuleType
from typing import Any

__all__ = ["Check", "Exercise", "choice", "exercises_of", "number"]

Check = Callable[[Any], str | None]
"""Takes an answer; returns a hint, or None if the answer is right."""


@dataclass(frozen=True)
class Exercise:
    """A question with its check.

    Parameters
    ----------
    identifier
        Short and unique within a chapter.
    question_summary
        The question in one sentence; the chapter has it in full.
    check_answer
        Returns a hint for a wrong answer and None for a right one. It may raise if the answer is of another kind.
    right
        Answers that it must accept, at least one.
    wrong
        Pairs of an answer that it must not accept and a part of the hint that this must draw; at least one.
    explanation
        What a right answer is told; by default the question.

    Raises
    ------
    ValueError
        If words or sample answers are missing.
    """

    identifier: str
    question_summary: str
    check_answer: Check = field(repr=False)
    right: tuple[Any, ...] = field(repr=False)
    wrong: tuple[tuple[Any, str], ...] = field(repr=False)
    explanation: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        for name, value in (("identifier", self.identifier), ("question_summary", self.question_summary)):
            if not value.strip():
                raise ValueError(f"`{name}` must be words, got {value!r}")
        for name, samples in (("right", self.right), ("wrong", self.wrong)):
            if not isinstance(samples, tuple) or not samples:
                raise ValueError(f"`{name}` must be a tuple of at least one sample answer, got {samples!r}")
        if any(not isinstance(sample, tuple) or len(sample) != 2 or not sample[1].strip() for sample in self.wrong):
            raise ValueError(f"`wrong` must be pairs of an answer and a part of its hint, got {self.wrong!r}")

    def hint(self, answer: Any) -> str | None:
        """Return a hint if `answer` is wrong, and None if it is right.

        An answer that the check cannot take is wrong, and the hint says what went wrong with it.
        """
        if isinstance(answer, EllipsisType):
            return "There is no answer yet."
        try:
            hint = self.check_answer(answer)
        except Exception as error:  # whatever a reader's answer does to the check, the notebook goes on
            return f"An answer of this kind cannot be checked: {type(error).__name__}: {error}"
        if hint is not None and not hint.strip():
            raise ValueError(f"the check of {self.identifier!r} must give a hint in words, got {hint!r}")
        return hint

    def check(self, answer: Any) -> None:
        """Print whether `answer` is right, or a hint. Never raises on an answer, so that a notebook goes on.

        Parameters
        ----------
        answer
            The reader's answer; ``...`` where there is none yet.
        """
        if isinstance(answer, EllipsisType):
            print(f"Not answered yet: {self.question_summary}")
        elif (hint := self.hint(answer)) is not None:
            print(f"Not yet. {hint}")
        else:
            print(f"Right: {self.explanation or self.question_summary}")

    def require(self, answer: Any) -> None:
        """Assert that `answer` is right: for solutions.

        Raises
        ------
        AssertionError
            If it is not, with the hint.
        """
        if (hint := self.hint(answer)) is not None:
            raise AssertionError(f"{self.identifier}: {answer!r} is not right. {hint}")


def number(
    expected: float,
    *,
    hint: str,
    relative_tolerance: float = 1e-3,
    mistakes: Mapping[float, str] | None = None,
) -> Check:
    """Return a check for a number.

    Parameters
    ----------
    expected
        The right answer.
    hint
        For any other number.
    relative_tolerance
        How far off an answer may be, as a share of the number; 0 for a count.
    mistakes
        Hints for the numbers that usual mistakes lead to.

    Returns
    -------
    Check

    Raises
    ------
    ValueError
        If a mistake is so close to the right answer that it would pass.

    Examples
    --------
    >>> check = number(2.718, hint="Add the harmonic series.", mistakes={1.0: "The mean of a maximum is not a mean."})
    >>> check(2.7179), check(1.0), check(8)
    (None, 'The mean of a maximum is not a mean.', 'Add the harmonic series.')
    """

    def is_close(answer: Any, value: float) -> bool:
        return math.isclose(float(answer), value, rel_tol=relative_tolerance, abs_tol=relative_tolerance * 1e-9)

    hints = dict(mistakes or {})
    if close := [mistake for mistake in hints if is_close(mistake, expected)]:
        raise ValueError(f"`mistakes` must differ from the right answer {expected}, got {close[0]}")

    def check(answer: Any) -> str | None:
        if isinstance(answer, bool):
            return "The answer is a number."
        if is_close(answer, expected):
            return None
        return next((told for mistake, told in hints.items() if is_close(answer, mistake)), hint)

    return check


def choice(expected: Hashable, others: Mapping[Hashable, str]) -> Check:
    """Return a check for one answer out of several.

    Parameters
    ----------
    expected
        The right answer.
    others
        For each of the others, the hint.

    Returns
    -------
    Check

    Raises
    ------
    ValueError
        If the right answer is among the others, or there are none.

    Examples
    --------
    >>> check = choice("b", {"a": "And if the coordinator is slow?", "c": "Who tells the participant?"})
    >>> check("b"), check("a"), check("d")
    (None, 'And if the coordinator is slow?', "The answer is one of 'a', 'b', 'c'.")
    """
    if expected in others or not others:
        raise ValueError(f"`others` must be at least one answer other than {expected!r}, got {list(others)}")
    hints = dict(others)

    def check(answer: Hashable) -> str | None:
        if answer == expected:
            return None
        known = ", ".join(sorted(repr(each) for each in (expected, *hints)))
        return hints.get(answer, f"The answer is one of {known}.")

    return check


def exercises_of(module: ModuleType) -> dict[str, Exercise]:
    """Return the exercises of a chapter's module, by the name of their variable, in order."""
    return {name: value for name, value in vars(module).items() if isinstance(value, Exercise)}
