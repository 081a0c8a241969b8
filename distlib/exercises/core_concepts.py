"""The exercises of the chapter on core concepts, each with its check."""

from __future__ import annotations

import math
from itertools import permutations, product
from typing import Any

from distlib.checkers.history import History
from distlib.exercises.exercise import Exercise, choice, number
from distlib.experiments.core_concepts import history_of, judge
from distlib.models.core_concepts import refused_probability
from distlib.protocols.core_concepts import INITIAL, Stamp, Version

__all__ = ["between", "far_away", "freshness", "merge", "patience", "strongest"]


# ---------------------------------------------------------------------------------------------------------- strongest

strongest = Exercise(
    "core_concepts.strongest",
    "Which is the strongest model that allows the history?",
    choice(
        "causal",
        {
            "linearizable": "Carol's first read begins after both writes have ended. Which of them was the last?",
            "sequential": "Carol saw 1 before 2, and Dave 2 before 1. One order of all operations cannot show both.",
            "read your writes": "That holds, but something stronger does, too: neither writer knew of the other.",
            "monotonic reads": "That holds, but something stronger does, too: neither writer knew of the other.",
        },
    ),
    right=("causal",),
    wrong=(
        ("sequential", "cannot show both"),
        ("linearizable", "the last"),
        ("read your writes", "something stronger"),
        ("eventual", "is one of"),
    ),
)


# ------------------------------------------------------------------------------------------------------------ between


def _check_between(answer: Any) -> str | None:
    if not isinstance(answer, History):
        return 'The answer is a History, such as history_of("alice 0 1 write x 1", …) returns.'
    verdicts = judge(answer)
    if verdicts["linearizable"]:
        return "It is linearizable. Let a read miss a write that had ended before the read began."
    if not verdicts["sequential"]:
        return "It is not sequentially consistent: each client's own order must fit into one order of all."
    if len({operation.operation[1] for operation in answer}) < 2:  # type: ignore[index]
        return "It uses one register only; the exercise asks for two."
    return None


between = Exercise(
    "core_concepts.between",
    "Write a history on two registers that is sequentially consistent and not linearizable.",
    _check_between,
    right=(
        history_of("alice 0 1 write x 1", "bob 2 3 write y 1", "bob 4 5 read x 0"),
        history_of("alice 0 1 write x 1", "alice 2 3 read y 0", "bob 4 5 read x 0", "bob 6 7 read x 1"),
    ),
    wrong=(
        (history_of("alice 0 1 write x 1", "bob 2 3 write y 1", "bob 4 5 read x 1"), "It is linearizable"),
        (history_of("alice 0 1 write x 1", "alice 2 3 read x 0"), "not sequentially consistent"),
        (history_of("alice 0 1 write x 1", "bob 2 3 read x 0"), "one register only"),
        ("alice 0 1 write x 1", "is a History"),
    ),
)


# ----------------------------------------------------------------------------------------------------------- far_away

far_away = Exercise(
    "core_concepts.far_away",
    "How long does a read with write-back take among five replicas in several regions?",
    number(
        40,
        mistakes={
            20: "That is one round. A read with write-back has two.",
            160: "A majority of five is three, and the replica that was asked is one of them.",
            180: "It need not wait for all: a majority of five is three.",
            20.0 / 2: "These are round trips, not legs, and there are two rounds.",
            100: "Each round waits for the second of the four, and leaves the others behind.",
        },
        hint="How many of the four must answer, and how often?",
    ),
    right=(40, 40.0),
    wrong=((20, "one round"), (160, "is one of them"), (180, "need not wait"), (7, "how often")),
)


# ---------------------------------------------------------------------------------------------------------- freshness

_WAIT = 50 * math.log(100)
freshness = Exercise(
    "core_concepts.freshness",
    "After how many milliseconds does at most one read in a hundred miss the write?",
    number(
        _WAIT,
        relative_tolerance=0.005,
        mistakes={
            50.0: "After the mean delay, e^-1 = 37 % still miss it.",
            5000.0: "The probability falls exponentially, not like 1/t.",
            50 * math.log(100) / 2: "Are you at one in ten?",
        },
        hint="Solve e^(-t/m) = 0.01.",
    ),
    right=(_WAIT, 230.3),
    wrong=((50, "37 %"), (5000, "exponentially"), (115.13, "one in ten"), (100, "Solve")),
)


# ----------------------------------------------------------------------------------------------------------- patience

_HEAL, _SPLIT = 30.0, 0.02
_PATIENCE = _HEAL * math.log(_SPLIT / 3 / 0.001)
assert math.isclose(refused_probability(_SPLIT, 1 / 3, patience_seconds=_PATIENCE, heal_seconds_mean=_HEAL), 0.001)
patience = Exercise(
    "core_concepts.patience",
    "How long must clients wait so that at most one operation in a thousand is refused?",
    number(
        _PATIENCE,
        relative_tolerance=0.005,
        mistakes={
            _HEAL * math.log(_SPLIT / 0.001): "Only a third of the clients are on the minority side.",
            _HEAL * math.log(1000): "Start from the share that is refused without patience, which is not 1.",
        },
        hint="Solve pi * phi * e^(-T/H) = 0.001 for T.",
    ),
    right=(_PATIENCE, 56.9),
    wrong=((89.87, "Only a third"), (207.2, "which is not 1"), (30, "Solve")),
)


# -------------------------------------------------------------------------------------------------------------- merge

_WRITES = tuple(
    Version(value, Stamp(counter, replica))
    for value, (counter, replica) in enumerate([(1, "r1"), (1, "r2"), (2, "r1"), (2, "r3")], start=1)
)


def _check_merge(answer: Any) -> str | None:
    if not callable(answer):
        return "The answer is a function from two versions, mine and theirs, to the one to keep."
    ends = set()
    for count in range(1, len(_WRITES) + 1):
        for some in permutations(_WRITES, count):
            held = INITIAL
            for version in some:
                if answer(held, version) not in (held, version):
                    return "It must return one of the two versions."
                held = answer(held, version)
            ends.add((frozenset(some), held))
    if any(answer(version, version) != version for version in _WRITES):
        return "A copy of what it holds must change nothing."
    if len(ends) > len({some for some, _ in ends}):
        return "Two replicas that saw the same versions in other orders hold different ones. Compare whole stamps."
    if any(held == INITIAL for _, held in ends) or any(
        answer(mine, theirs).stamp < max(mine.stamp, theirs.stamp) for mine, theirs in product(_WRITES, repeat=2)
    ):
        return "They agree, but a later write that was acknowledged is lost: keep the greater stamp."
    return None


merge = Exercise(
    "core_concepts.merge",
    "Write the rule by which a replica keeps one of two versions, so that all replicas end alike.",
    _check_merge,
    right=(
        lambda mine, theirs: max(mine, theirs, key=lambda version: version.stamp),
        lambda mine, theirs: theirs if theirs.stamp > mine.stamp else mine,
    ),
    wrong=(
        (lambda mine, theirs: theirs, "in other orders"),
        (lambda mine, theirs: theirs if theirs.stamp.counter > mine.stamp.counter else mine, "in other orders"),
        (lambda mine, theirs: min(mine, theirs, key=lambda version: version.stamp), "is lost"),
        (lambda mine, theirs: Version(9, Stamp(9, "r9")), "one of the two"),
        (max, "cannot be checked"),
        ("the newest", "is a function"),
    ),
)
