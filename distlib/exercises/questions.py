"""The exercises of the chapter on common questions, each with its check."""

from __future__ import annotations

from typing import Any

from distlib.checkers.serializability import Transaction, check_serializability
from distlib.exercises.exercise import Exercise, number
from distlib.models.availability import downtime_minutes_per_year, k_of_n_unavailability
from distlib.models.consistency.lease import usable_lease_seconds

__all__ = ["lease", "review", "servers", "skew"]


def _minutes(n: int) -> float:
    return float(downtime_minutes_per_year(k_of_n_unavailability(n // 2 + 1, n, 0.01)))


servers = Exercise(
    "questions.servers",
    "How many servers does it take to be without a majority for less than a minute a year?",
    number(
        next(n for n in range(1, 20) if _minutes(n) < 1),
        relative_tolerance=0,
        mistakes={
            5: "Five are without a majority for five minutes a year.",
            6: "Six need four. That is worse than five, which need three.",
            8: "It keeps to the minute, but a smaller cluster does, too.",
        },
        hint="downtime_minutes_per_year(k_of_n_unavailability(n // 2 + 1, n, 0.01)), for n = 1, 2, 3 …",
    ),
    right=(7,),
    wrong=((5, "five minutes"), (6, "worse than five"), (8, "smaller"), (3, "k_of_n")),
)


_EARLY_MS = 1000 * (30 - usable_lease_seconds(30, 500e-6))
lease = Exercise(
    "questions.lease",
    "How many milliseconds before the end must the holder of a lease of 30 s stop?",
    number(
        _EARLY_MS,
        relative_tolerance=0.01,
        mistakes={
            15: "That is the mistake of one clock. The other one may be wrong in the other direction.",
            60: "The drift counts once for each of the two clocks, not twice.",
        },
        hint="30 s less usable_lease_seconds(30, 500e-6).",
    ),
    right=(_EARLY_MS, 30),
    wrong=((15, "one clock"), (60, "not twice"), (1, "usable")),
)


def _check_skew(answer: Any) -> str | None:
    history = list(answer)
    if not all(isinstance(one, Transaction) for one in history):
        return "The answer is a list of transactions."
    verdict = check_serializability(history, initial_value=0)
    if verdict.holds("serializable"):
        return "Some order of these transactions explains everything, so the history is serializable."
    if not verdict.holds("snapshot-isolation"):
        return f"Snapshot isolation forbids it, too: {', '.join(sorted(verdict.anomalies))}."
    return None


def _pair(first: tuple[tuple[Any, ...], ...], second: tuple[tuple[Any, ...], ...]) -> list[Transaction]:
    return [Transaction("T1", "ann", first, 0, 2), Transaction("T2", "bea", second, 1, 3)]


skew = Exercise(
    "questions.skew",
    "Write a history that snapshot isolation allows and serializability forbids.",
    _check_skew,
    right=(_pair((("read", "x", 0), ("write", "y", 1)), (("read", "y", 0), ("write", "x", 1))),),
    wrong=(
        (_pair((("read", "x", 0), ("write", "y", 1)), (("read", "x", 0), ("write", "z", 1))), "is serializable"),
        (_pair((("read", "x", 0), ("write", "x", 1)), (("read", "x", 0), ("write", "x", 2))), "forbids it, too"),
        (["read x"], "list of transactions"),
        (3, "cannot be checked"),
    ),
)


_WRONG = {
    "a": "Six servers need four for a majority: how many may fail?",
    "c": "The others rely on the promise from the moment the vote arrives; what if it crashes in between?",
    "d": "Whoever stands still does not know how late it is.",
    "f": "That multiplies, and so takes the two for independent.",
}
_RIGHT = {
    "b": "To repeat under the same number is how an operation is carried out once.",
    "e": "That is what a fencing token is for.",
}


def _check_review(answer: Any) -> str | None:
    letters = set(answer)
    if not letters <= {*_WRONG, *_RIGHT}:
        return "The answer is a set of letters from a to f."
    for letter, hint in (_WRONG | _RIGHT).items():
        if (letter in letters) != (letter in _WRONG):
            return f"Look at {letter} again. {hint}"
    return None


review = Exercise(
    "questions.review",
    "Which sentences of the design document are wrong?",
    _check_review,
    right=({"a", "c", "d", "f"}, "acdf"),
    wrong=(
        ({"c", "d", "f"}, "Six servers"),
        ({"a", "d", "f"}, "crashes in between"),
        ({"a", "c", "f"}, "stands still"),
        ({"a", "c", "d"}, "independent"),
        ({"a", "b", "c", "d", "f"}, "same number"),
        ({"a", "c", "d", "e", "f"}, "fencing token"),
        ({"g"}, "from a to f"),
        (4, "cannot be checked"),
    ),
)
