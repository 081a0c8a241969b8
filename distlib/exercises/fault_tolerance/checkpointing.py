"""The exercises of the chapter on checkpointing, each with its check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, cast

from distlib.broken.fault_tolerance.snapshot import PaysFirst
from distlib.exercises.exercise import Exercise, choice, number
from distlib.experiments.fault_tolerance.snapshot import bank
from distlib.models.fault_tolerance.checkpointing import (
    daly_interval,
    optimal_interval,
    platform_mtbf,
    slowdown,
    two_level_optimum,
    young_interval,
)
from distlib.node import Effects, Step
from distlib.protocols.fault_tolerance.snapshot import no_money_is_counted_twice, no_money_is_missing
from distlib.runtimes.exploration import explore

__all__ = ["interval", "levels", "mend", "missing_step", "restart"]


# ------------------------------------------------------------------------------------------------------------- interval

_MTBF_MINUTES = platform_mtbf(10 * 8766 * 60, 4000)
_BEST = optimal_interval(15, _MTBF_MINUTES)


interval = Exercise(
    "checkpointing.interval",
    "How many minutes of work between two dumps of 15 minutes, on 4,000 nodes that fail once in ten years?",
    number(
        _BEST,
        relative_tolerance=0.002,
        mistakes={
            young_interval(15, _MTBF_MINUTES): "That is Young's: the work and the dump together, to first order.",
            _BEST + 15: "That counts the dump as part of the interval.",
            optimal_interval(15, 4000 * _MTBF_MINUTES): "That is for one node. Any of the 4,000 stops the work.",
        },
        hint="First the time between failures of the platform, in minutes; then `optimal_interval`.",
    ),
    right=(_BEST, daly_interval(15, _MTBF_MINUTES)),
    wrong=(
        (young_interval(15, _MTBF_MINUTES), "first order"),
        (_BEST + 15, "counts the dump"),
        (optimal_interval(15, 4000 * _MTBF_MINUTES), "one node"),
        (60, "of the platform"),
    ),
)


# -------------------------------------------------------------------------------------------------------------- restart

restart = Exercise(
    "checkpointing.restart",
    "A restart takes three times as long as before. How should the interval change?",
    choice(
        "not at all",
        {
            "shorter": "A failure costs more. But does the number of failures depend on the interval's length?",
            "longer": "A restart is paid once a failure, and not once a dump.",
        },
    ),
    right=("not at all",),
    wrong=(("shorter", "costs more"), ("longer", "once a failure")),
    explanation="R is a factor in front of the mean time, and a factor does not move a minimum.",
)


# --------------------------------------------------------------------------------------------------------- missing step

missing_step = Exercise(
    "checkpointing.missing_step",
    "A save returned, the power failed, and the state from before the save came back, whole. What was left out?",
    choice(
        "fsync of the folder",
        {
            "fsync of the file": "Then there would be a torn file, or one full of zeros, under the right name.",
            "rename": "Without it the old file is overwritten, and a failure tears it.",
            "checksum": "A checksum tells a bad file from a good one. The file that came back was good.",
        },
    ),
    right=("fsync of the folder",),
    wrong=(("fsync of the file", "torn"), ("rename", "overwritten"), ("checksum", "was good")),
)


# ----------------------------------------------------------------------------------------------------------------- mend

Reorder = Callable[[Effects], Effects]


@dataclass(frozen=True)
class _Reordered(PaysFirst):
    """The branch whose effects a reader puts in order."""

    reorder: Reorder = tuple

    def record(self, initiator: str) -> Step[Self]:
        node, effects = super().record(initiator)
        return node, self.reorder(effects)


def _check_mended(answer: Any) -> str | None:
    if not callable(answer):
        return "The answer is a function from a tuple of effects to a tuple of effects."
    reorder = cast(Reorder, answer)
    probe = ("payment", "marker")
    _, effects = _branch(tuple).record("a")
    if sorted(map(str, reorder(effects))) != sorted(map(str, effects)):
        return f"The {' and the '.join(probe)} must both still be sent, and nothing else."
    nodes = {name: _branch(reorder, name) for name in ("a", "b")}
    safe = {"twice": no_money_is_counted_twice, "missing": no_money_is_missing}
    found = explore(nodes, messages="fifo", always=safe, max_states=20_000)
    if "twice" in found.violations:
        return "Money is still counted twice: a payment leaves after the balance was recorded and before the marker."
    return "Money is missing." if found.violations else None


def _branch(reorder: Reorder, name: str = "a") -> _Reordered:
    plain = bank(2)[name]
    assert hasattr(plain, "plan")
    other = "b" if name == "a" else "a"
    return _Reordered(
        name, (other,), 2, ((other, 1),), snapshot_seconds=0.002 if name == "a" else None, reorder=reorder
    )


def _markers_first(effects: Effects) -> Effects:
    return tuple(sorted(effects, key=lambda effect: "marker" not in str(effect)))


def _as_they_are(effects: Effects) -> Effects:
    return effects


def _without_markers(effects: Effects) -> Effects:
    return tuple(effect for effect in effects if "marker" not in str(effect))


mend = Exercise(
    "checkpointing.mend",
    "Put the effects of a branch that records in an order in which no money is counted twice.",
    _check_mended,
    right=(_markers_first,),
    wrong=((_as_they_are, "counted twice"), (_without_markers, "still be sent"), (3, "a function")),
)


# --------------------------------------------------------------------------------------------------------------- levels

_DUMPS, _RATES, _RESTARTS = (20.0, 200.0), (1 / 7200, 1 / 86400), (20.0, 200.0)
_TWO = two_level_optimum(_DUMPS, _RATES, _RESTARTS)[2]
_ALL = 1 / sum(_RATES)
_ONE_INTERVAL = optimal_interval(200, _ALL)
_ONE = slowdown(_ONE_INTERVAL, 200, _ALL, restart=200, restart_can_fail=False)
_SAVED = 100 * (_ONE - _TWO)


levels = Exercise(
    "checkpointing.levels",
    "How many percent of the work's length does the local level save?",
    number(
        _SAVED,
        relative_tolerance=0.003,
        mistakes={
            100 * (_TWO - 1): "That is what two levels still cost.",
            100 * (_ONE - 1): "That is what one level costs.",
        },
        hint="With one level every failure, of either kind, goes back to a dump of 200 s. Compare both at their best.",
    ),
    right=(_SAVED,),
    wrong=((100 * (_TWO - 1), "still cost"), (100 * (_ONE - 1), "one level costs"), (1.0, "every failure")),
)
