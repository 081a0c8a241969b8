"""The exercises of the chapter on timestamps and clocks, each with its check."""

from __future__ import annotations

import itertools
import math
from typing import Any

from distlib.exercises.exercise import Exercise, number
from distlib.models.consistency.last_writer_wins import safe_gap_seconds
from distlib.protocols.consistency.clock_synchronization import common, most_agreed
from distlib.protocols.consistency.hybrid_logical_clock import HybridClock
from distlib.protocols.consistency.timestamps import concurrent

__all__ = ["INTERVALS", "VECTORS", "agree", "gap", "merge", "pairs", "wait"]


# -------------------------------------------------------------------------------------------------------------- pairs

VECTORS = {"e": (2, 0, 0), "f": (2, 1, 0), "g": (0, 0, 2), "h": (3, 1, 2), "i": (3, 1, 0)}
"""Events and their vectors, the entries being those of processes a, b and c."""


def _table(vector: tuple[int, ...]) -> tuple[tuple[str, int], ...]:
    return tuple((name, count) for name, count in zip("abc", vector, strict=True) if count)


_CONCURRENT = {
    frozenset(pair)
    for pair in itertools.combinations(VECTORS, 2)
    if concurrent(_table(VECTORS[pair[0]]), _table(VECTORS[pair[1]]))
}


def _check_pairs(answer: Any) -> str | None:
    if not isinstance(answer, (set, frozenset, list, tuple)) or not all(len(set(pair)) == 2 for pair in answer):
        return 'The answer is a set of pairs of events, such as {("e", "f")}.'
    given = {frozenset(pair) for pair in answer}
    if given == _CONCURRENT:
        return None
    if given - _CONCURRENT:
        pair = " and ".join(sorted(sorted(map(sorted, given - _CONCURRENT))[0]))
        return f"{pair} are ordered: every entry of one vector is at most that of the other."
    return f"There are more: you have {len(given)} of them."


pairs = Exercise(
    "timestamps.pairs",
    "Which of the events are concurrent?",
    _check_pairs,
    right=({("e", "g"), ("g", "f"), ("g", "i")}, [("g", "e"), ("f", "g"), ("i", "g")]),
    wrong=(({("e", "f")}, "e and f are ordered"), ({("e", "g")}, "There are more"), (3, "is a set of pairs")),
)


# --------------------------------------------------------------------------------------------------------------- wait

wait = Exercise(
    "timestamps.wait",
    "After how many milliseconds is the client told?",
    number(
        8,
        mistakes={
            3: "When the own clock has passed the stamp, true time may not have.",
            6: "The wait is over by then. Is the write replicated?",
            14: "The wait runs beside the replication, not after it.",
            11: "The wait runs beside the replication, not after it.",
        },
        hint="Two things must be over, and they run side by side: 2 ε, and the way to the replica and back.",
    ),
    right=(8, 8.0),
    wrong=((6, "replicated"), (3, "may not have"), (14, "beside the replication"), (4, "side by side")),
)


# -------------------------------------------------------------------------------------------------------------- agree

INTERVALS = ((1.0, 5.0), (4.0, 8.0), (4.5, 6.0), (9.0, 11.0), (4.0, 4.8))
"""Where five servers say that the true time lies, in milliseconds."""


def _check_agree(answer: Any) -> str | None:
    low, high = answer
    right = most_agreed(INTERVALS)
    assert right is not None
    if math.isclose(low, right[0]) and math.isclose(high, right[1]):
        return None
    majority = common(INTERVALS, 2)
    if majority is not None and math.isclose(low, majority[0]) and math.isclose(high, majority[1]):
        return "Three of five agree there, but in a smaller part of it four do."
    if low < right[0] or high > right[1]:
        return "At its ends fewer servers agree than in the middle."
    return "That is too narrow: look for all points at which as many servers agree."


agree = Exercise(
    "timestamps.agree",
    "Which interval do most of the servers agree on?",
    _check_agree,
    right=((4.5, 4.8), [4.5, 4.8]),
    wrong=(((4.0, 5.0), "Three of five"), ((1.0, 11.0), "fewer servers"), ((4.6, 4.7), "too narrow"), (4.5, "cannot")),
)


# ---------------------------------------------------------------------------------------------------------------- gap

_GAP = 1000 * safe_gap_seconds(0.005, 0.001)

gap = Exercise(
    "timestamps.gap",
    "How many milliseconds must lie between the writes?",
    number(
        _GAP,
        relative_tolerance=0.01,
        mistakes={_GAP / math.sqrt(2): "Both clocks are wrong: the deviation of their difference is s √2."},
        hint="Solve equation (2) for the gap: the normal quantile of one in a thousand, times the deviation of what?",
    ),
    right=(_GAP, 21.85),
    wrong=((15.45, "Both clocks"), (5, "Solve equation")),
)


# -------------------------------------------------------------------------------------------------------------- merge


def _check_merge(answer: Any) -> str | None:
    if not callable(answer):
        return "The answer is a function of the own stamp, the stamp that came in, and the reading."
    small = range(3)
    for time, counter, their_time, their_counter, reading in itertools.product(small, small, small, small, small):
        clock = HybridClock("a", tick_seconds=1.0, time=time, counter=counter)
        wanted = clock.receive((their_time, their_counter), float(reading)).stamp
        got = answer((time, counter), (their_time, their_counter), reading)
        if tuple(got) != wanted:
            return (
                f"With the stamp {(time, counter)}, {(their_time, their_counter)} coming in and the reading {reading} "
                f"it must be {wanted}, and you have {got}."
            )
    return None


def _right_merge(own: tuple[int, int], theirs: tuple[int, int], reading: int) -> tuple[int, int]:
    time = max(own[0], theirs[0], reading)
    return time, 1 + max((counter for known, counter in (own, theirs) if known == time), default=-1)


merge = Exercise(
    "timestamps.merge",
    "Write the rule by which a hybrid clock takes in a message.",
    _check_merge,
    right=(_right_merge,),
    wrong=(
        (lambda own, theirs, reading: (max(own[0], theirs[0], reading), 0), "it must be"),
        (lambda own, theirs, reading: max(own, theirs, (reading, 0)), "it must be"),
        (3, "is a function"),
    ),
)
