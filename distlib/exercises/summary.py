"""The exercises of the summary, each with its check."""

from __future__ import annotations

from typing import Any

from distlib.exercises.exercise import Exercise, choice, number
from distlib.models.availability import downtime_minutes_per_year, k_of_n_unavailability
from distlib.models.fault_tolerance.failover import lost_writes_mean
from distlib.models.latency import Constant

__all__ = ["lost", "machines", "order", "way"]


def _fewest() -> int:
    down = {n: downtime_minutes_per_year(k_of_n_unavailability(n // 2 + 1, n, 0.01)) for n in range(1, 8)}
    return next(n for n, minutes in down.items() if minutes < 60)


machines = Exercise(
    "summary.machines",
    "How many machines does it take to be down for less than an hour a year?",
    number(
        _fewest(),
        relative_tolerance=0,
        mistakes={
            3: "A majority of three is down for two and a half hours.",
            4: "A majority of four is three, so only one of four may be down: worse than three.",
            2: "A majority of two is both of them.",
        },
        hint="Compute the downtime of a majority of n, for n = 1, 2, 3 and on.",
    ),
    right=(5, 5.0),
    wrong=((3, "two and a half"), (4, "worse than three"), (2, "both"), (9, "Compute")),
)


way = Exercise(
    "summary.way",
    "Which way to book a trip at three companies that keep no locks for each other?",
    choice(
        "saga",
        {
            "two-phase commit": "Each company would have to keep a lock until your coordinator decides.",
            "three-phase commit": "The companies would have to promise, and the internet would have to be timely.",
            "Paxos Commit": "Then all of them take part in your protocol. They sell seats, not votes.",
            "deterministic order": "Then one log orders the transactions of all three companies.",
        },
    ),
    right=("saga",),
    wrong=(("two-phase commit", "lock"), ("deterministic order", "one log"), ("hope", "is one of")),
)


lost = Exercise(
    "summary.lost",
    "How many writes are lost at 500 a second, 20 ms behind?",
    number(
        lost_writes_mean(500, Constant(0.020)),
        relative_tolerance=0.01,
        mistakes={0.0: "Acknowledged is not arrived.", 25: "The lag is in seconds: 500 times 0.020."},
        hint="What was acknowledged within the last 20 ms has not arrived.",
    ),
    right=(10, 10.0),
    wrong=((0, "not arrived"), (25, "in seconds"), (500, "within the last")),
)


def _check_order(answer: Any) -> str | None:
    if not isinstance(answer, set | frozenset):
        return "The answer is a set of numbers, such as {2, 4}."
    if answer == {1, 3}:
        return None
    if answer == {2, 4}:
        return "Those are the right ones: they save before they tell."
    return "In which of them can a crash come between telling and saving?"


order = Exercise(
    "summary.order",
    "Which handlers tell before they save?",
    _check_order,
    right=({1, 3}, frozenset({1, 3})),
    wrong=(({2, 4}, "right ones"), ({1}, "a crash come"), (1, "is a set")),
)
