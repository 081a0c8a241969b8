"""The exercises of the chapter on two-phase commit, each with its check."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from distlib.broken.durability import SendsBeforeSaving
from distlib.exercises.exercise import Exercise, number
from distlib.experiments.transactions.two_phase_commit import bank
from distlib.models.latency import Constant, Exponential
from distlib.models.transactions.two_phase_commit import (
    CommitTiming,
    commit_cost,
    commit_latency_mean,
    hot_record_throughput,
    lock_hold_seconds_mean,
)
from distlib.node import CancelTimer, Effects, Save, Send
from distlib.protocols.transactions.two_phase_commit import Coordinator, agreement, validity
from distlib.runtimes.exploration import explore

__all__ = ["mend", "moment", "presumption", "regions", "split"]


# ------------------------------------------------------------------------------------------------------------ regions

_REGIONS = 1000 * commit_latency_mean(CommitTiming(3, Constant(0.040), None, 0.005, 0.005))


regions = Exercise(
    "two_phase_commit.regions",
    "How long does a commit between regions take?",
    number(
        _REGIONS,
        mistakes={
            _REGIONS - 40: "The vote has to travel back, too.",
            _REGIONS - 5: "Two forced writes lie on the path, one at a participant and one at the coordinator.",
            _REGIONS - 10: "Two forced writes lie on the path, one at a participant and one at the coordinator.",
            _REGIONS + 40: "It is committed once the decision is on the coordinator's disk: before anyone is told.",
            _REGIONS + 80: "It is committed once the decision is on the coordinator's disk: before anyone is told.",
        },
        hint="Go along the path: request, forced write, vote, forced write.",
    ),
    right=(90, 90.0),
    wrong=((50, "travel back"), (85.0, "Two forced writes"), (130, "before anyone is told"), (200, "along the path")),
)


# -------------------------------------------------------------------------------------------------------- presumption


def _total(presumption: str, commit: bool) -> int:
    cost = commit_cost(5, presumption, commit=commit)
    return cost.messages + cost.participant_forces + cost.coordinator_forces


_DEARER_COMMIT = _total("presumed abort", True) - _total("presumed commit", True)
_DEARER_ABORT = _total("presumed commit", False) - _total("presumed abort", False)
_BREAK_EVEN = _DEARER_COMMIT / (_DEARER_COMMIT + _DEARER_ABORT)


presumption = Exercise(
    "two_phase_commit.presumption",
    "From which share of aborts on is presumed abort the cheaper one?",
    number(
        _BREAK_EVEN,
        relative_tolerance=0.01,
        mistakes={1 - _BREAK_EVEN: "That is the share of commits. The question asks for that of aborts."},
        hint="Write down what commit and abort cost under each, messages and forces together; the lines cross once.",
    ),
    right=(3 / 7, 0.4286),
    wrong=((4 / 7, "share of commits"), (0.5, "the lines cross")),
)


# ------------------------------------------------------------------------------------------------------------- moment


def _check_moment(answer: Any) -> str | None:
    if not isinstance(answer, (set, frozenset)) or not all(isinstance(number, int) for number in answer):
        return "The answer is a set of whole numbers, such as {3, 4}."
    if answer == {9}:
        return None
    if 9 not in answer:
        return (
            "The client must have been told: look for the effect that does it. With four banks it has another number."
        )
    if answer & {10, 11, 12, 13}:
        return "Once one bank has been told, it tells the others."
    return "Before the message to the client has left, the client does not know."


moment = Exercise(
    "two_phase_commit.moment",
    "When must the coordinator die so that the client knows what no bank can find out?",
    _check_moment,
    right=({9}, frozenset({9})),
    wrong=(({8}, "must have been told"), ({9, 10}, "it tells the others"), ({8, 9}, "does not know"), (9, "is a set")),
)


# --------------------------------------------------------------------------------------------------------------- mend

_Order = Callable[[Effects], Effects]


def _coordinator(order: _Order) -> Coordinator:
    """Return a coordinator whose effects come in the worst order and then go through `order`."""

    @dataclass(frozen=True)
    class Mended(SendsBeforeSaving, Coordinator):
        def _alter(self, effects: Effects) -> Effects:
            return order(super()._alter(effects))

    return Mended()


def _check_mend(answer: Any) -> str | None:
    if not callable(answer):
        return "The answer is a function from a tuple of effects to a tuple of effects."

    order = cast(_Order, answer)
    lost: list[str] = []

    def checked(effects: Effects) -> Effects:
        ordered = tuple(order(effects))
        if sorted(map(repr, ordered)) != sorted(map(repr, effects)):
            lost.append("The effects must be the same ones, each once, in another order.")
            return effects
        return ordered

    sample: Effects = (Save(1), Send("p1", "a"), CancelTimer("t"), Send("p2", "b"), Save(2))
    for effects in itertools.permutations(sample):
        kinds = [type(effect) for effect in checked(effects)]
        if not lost and Send in kinds[: len(kinds) - kinds[::-1].index(Save)]:
            return "Whatever order they come in: for some order a message still leaves before a save."
    claims = {"agreement": agreement, "validity": validity}
    found = explore(
        bank(2, retries=1, coordinator=_coordinator(checked)),
        messages="set",
        crashes={"coordinator": 1},
        always=claims,
        stop_at_violation=True,
    )
    if lost:
        return lost[0]
    if found.violations:
        return "A crash between two effects still breaks agreement."
    return None


mend = Exercise(
    "two_phase_commit.mend",
    "Put the effects into an order that survives a crash between any two of them.",
    _check_mend,
    right=(
        lambda effects: tuple(sorted(effects, key=lambda effect: not isinstance(effect, Save))),
        lambda effects: (
            *(effect for effect in effects if isinstance(effect, Save)),
            *(effect for effect in effects if not isinstance(effect, Save)),
        ),
    ),
    wrong=(
        (lambda effects: effects, "Whatever order"),
        (lambda effects: effects[::-1], "Whatever order"),
        (lambda effects: effects[-1:] + effects[:-1], "Whatever order"),
        (lambda effects: effects[:1], "each once"),
        ("saves first", "is a function"),
    ),
)


# -------------------------------------------------------------------------------------------------------------- split

DEMAND_PER_SECOND = 1040.0
_LEG = CommitTiming(2, Exponential(0.001), None, 0.001, 0.002)
_PARTS = math.ceil(DEMAND_PER_SECOND / hot_record_throughput(_LEG))
_TEXTBOOK_PARTS = math.ceil(DEMAND_PER_SECOND * lock_hold_seconds_mean(_LEG))


split = Exercise(
    "two_phase_commit.split",
    "Into how many parts must a hot record be split?",
    number(
        _PARTS,
        relative_tolerance=0,
        mistakes={
            _TEXTBOOK_PARTS: "That is the bound 1/E[H]. In a queue the next in line starts when the outcome is on disk."
        },
        hint="How many transactions a second pass through one part, if one is always waiting? Round up.",
    ),
    right=(7,),
    wrong=((8, "That is the bound"), (6.24, "Round up"), (3, "pass through one part")),
)
