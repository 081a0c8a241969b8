"""The exercises of the chapter on recovery points, each with its check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from distlib.exercises.exercise import Exercise, choice, number
from distlib.protocols.fault_tolerance.recovery_points import Checkpoint

__all__ = ["catch_up", "disk", "interval", "orphans", "promise"]

promise = Exercise(
    "recovery_points.promise",
    "Which recovery point may you promise, in minutes?",
    number(
        17,
        relative_tolerance=1e-9,
        mistakes={9.5: "That is the mean. Half of all crashes lose more.", 15: "The upload takes time, too."},
        hint="The worst moment is just before an upload is complete.",
    ),
    right=(17, 17.0),
    wrong=((9.5, "the mean"), (15, "upload"), (7.5, "worst moment")),
)

catch_up = Exercise(
    "recovery_points.catch_up",
    "After how many seconds has the replica caught up?",
    number(
        40,
        mistakes={24: "Records keep arriving while it replays.", 60: "That is backlog over arrivals."},
        hint="The backlog shrinks by the difference of the two rates.",
    ),
    right=(40, 40.0),
    wrong=((24, "keep arriving"), (60, "over arrivals"), (17, "difference")),
)

interval = Exercise(
    "recovery_points.interval",
    "How often may the processes exchange messages?",
    number(
        0.8,
        mistakes={1.6: "That is the total of both directions.", 0.5: "Solve (1 + m/(2c))/c for m."},
        hint="Solve (1 + m/(2c))/c = 15 with c = 1/5.",
    ),
    right=(0.8, 0.8),
    wrong=((1.6, "both directions"), (0.5, "for m"), (3, "1/5")),
)


def _check_orphans(answer: Any) -> str | None:
    if not callable(answer):
        return "The answer is a function of a dictionary: the checkpoint of each process."
    start = Checkpoint(0)
    sent = Checkpoint(1, sent=(("q", 1),))
    got = Checkpoint(1, received=(("p", 1),))
    cases: Sequence[tuple[Mapping[str, Checkpoint], set[tuple[str, str]], str]] = (
        ({"p": start, "q": start}, set(), "Nothing was received, so there is no orphan."),
        ({"p": sent, "q": got}, set(), "What was sent and received is no orphan."),
        ({"p": sent, "q": start}, set(), "A message in transit is no orphan: its sender stands by it."),
        ({"p": start, "q": got}, {("p", "q")}, "q has received what p has not sent: that is an orphan."),
    )
    for cut, expected, told in cases:
        if set(answer(cut)) != expected:
            return told
    return None


def _right_orphans(cut: Mapping[str, Checkpoint]) -> set[tuple[str, str]]:
    return {
        (source, target)
        for target in cut
        for source, count in cut[target].received
        if count > dict(cut[source].sent).get(target, 0)
    }


def _crossing(cut: Mapping[str, Checkpoint]) -> set[tuple[str, str]]:
    return {
        (source, target)
        for target in cut
        for source in cut
        if source != target and dict(cut[target].received).get(source, 0) != dict(cut[source].sent).get(target, 0)
    }


orphans = Exercise(
    "recovery_points.orphans",
    "Between which processes are there orphans?",
    _check_orphans,
    right=(_right_orphans,),
    wrong=((_crossing, "in transit"), (lambda cut: set(), "has not sent"), (3, "is a function")),
)

disk = Exercise(
    "recovery_points.disk",
    "Which style lets an output go first?",
    choice(
        "causal",
        {
            "pessimistic": "Compare a forced write with a round trip.",
            "optimistic": "Its output waits for half a flush period and a forced write.",
        },
    ),
    right=("causal",),
    wrong=(("pessimistic", "round trip"), ("optimistic", "half a flush")),
)
