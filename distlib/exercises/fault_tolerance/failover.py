"""The exercises of the chapter on failover, each with its check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from distlib.exercises.exercise import Exercise, choice, number
from distlib.experiments.fault_tolerance.failover import small
from distlib.models.fault_tolerance.failover import lost_writes_mean, oldest_age_mean
from distlib.models.fault_tolerance.redundancy import duplex_mean_time, standby_mean_time
from distlib.models.latency import Exponential
from distlib.protocols.fault_tolerance.failover import Server, acknowledged_writes_survive
from distlib.runtimes.exploration import explore

__all__ = ["coverage", "dominating", "fence", "losses_in_a_row", "stream"]


# ----------------------------------------------------------------------------------------------------- losses in a row

losses_in_a_row = Exercise(
    "failover.losses_in_a_row",
    "How many heartbeats in a row must be missed before the detector may speak?",
    number(
        5,
        relative_tolerance=0,
        mistakes={
            4: "Four in a row come every four days or so: compute the period over 0.95 times 0.05 to the fourth."
        },
        hint="A mistake begins when one heartbeat was heard and the next k were lost: once in 2 s / (0.95 · 0.05^k).",
    ),
    right=(5, 5.0),
    wrong=((4, "four days"), (3, "were lost"), (6, "were lost")),
)


# --------------------------------------------------------------------------------------------------------------- stream

_RATE, _LAG = 1000.0, Exponential(0.020)
_STREAM = lost_writes_mean(_RATE, _LAG, "in order")


stream = Exercise(
    "failover.stream",
    "How many acknowledged writes does a failover lose in the mean, with an ordered stream?",
    number(
        _STREAM,
        relative_tolerance=0.005,
        mistakes={
            _RATE * 0.020: "That is rate times mean lag: right if writes did not have to wait for each other.",
            _RATE
            * oldest_age_mean(_RATE, _LAG): "That counts those younger than the oldest, and not the oldest itself.",
            lost_writes_mean(_RATE, _LAG, "whole"): "That is for messages that carry the whole log and may overtake.",
        },
        hint="Everything from the oldest write under way on is lost: its age times the rate, and itself.",
    ),
    right=(_STREAM, 72.46),
    wrong=((20, "rate times mean lag"), (71.46, "the oldest itself"), (50, "times the rate")),
)


# ------------------------------------------------------------------------------------------------------------- coverage

TEN_YEARS_HOURS = 87_660.0


def _failures_allowed(mean_time: Callable[[float, float, float], float]) -> float:
    """Return how many of 10,000 failovers may go wrong for ten years to the first outage."""
    low, high = 0.0, 0.5
    while high - low > 1e-12:
        middle = (low + high) / 2
        low, high = (middle, high) if mean_time(1e-3, 1.0, 1 - middle) > TEN_YEARS_HOURS else (low, middle)
    return 10_000 * low


_ALLOWED = _failures_allowed(duplex_mean_time)


coverage = Exercise(
    "failover.coverage",
    "How many of 10,000 failovers may go wrong?",
    number(
        _ALLOWED,
        relative_tolerance=0.01,
        mistakes={
            _failures_allowed(standby_mean_time): "That is for a cold standby, which cannot fail while it waits.",
            10_000 * 1000 / (2 * TEN_YEARS_HOURS): "That is the limit of instant repair. The pair can also fail twice.",
        },
        hint="Solve the formula of the pair for 1 - c; scipy.optimize.brentq does it numerically.",
    ),
    right=(_ALLOWED, round(_ALLOWED, 1)),
    wrong=(
        (round(_failures_allowed(standby_mean_time), 2), "cold standby"),
        (57.04, "instant repair"),
        (100, "for 1 - c"),
    ),
)


# ---------------------------------------------------------------------------------------------------------------- fence

_Rule = Callable[[int, int], bool]


def _check_fence(answer: Any) -> str | None:
    if not callable(answer):
        return "The answer is a function of two numbers: the epoch that the server knows, and that of the message."
    rule = cast(_Rule, answer)
    if not rule(3, 3):
        return "Then a backup takes nothing from its own primary either."
    if not rule(3, 4):
        return "A backup that missed the news of a view would never take part in it."

    @dataclass(frozen=True)
    class Fenced(Server):
        def accepts(self, epoch: int) -> bool:
            return bool(rule(self.state.view.epoch, epoch))

    found = explore(
        small([("add", 1)], [("add", 1)], server_class=Fenced),
        messages="set",
        always={"survives": acknowledged_writes_survive},
        stop_at_violation=True,
        max_states=25_000,
    )
    if found.violations:
        return "A primary that was deposed still gets its writes confirmed: an acknowledged write is lost."
    return None


fence = Exercise(
    "failover.fence",
    "Which epochs does a server take orders from?",
    _check_fence,
    right=(lambda own, said: said >= own,),
    wrong=(
        (lambda own, said: True, "was deposed"),
        (lambda own, said: said > own, "its own primary"),
        (lambda own, said: said == own, "never take part"),
        (lambda own, said: said >= own - 1, "was deposed"),
        (3, "is a function"),
    ),
)


# ----------------------------------------------------------------------------------------------------------- dominating

dominating = Exercise(
    "failover.dominating",
    "Which one change takes most of the outages away?",
    choice(
        "test the failover",
        {
            "a third database": "It saves the outages with no database left; look at how long those bars are.",
            "repair in an hour": "It shortens the time with one machine less. What happens at the first failure?",
            "a third gateway": "One more machine is one more that fails, and each failure needs a failover that works.",
        },
    ),
    right=("test the failover",),
    wrong=(
        ("a third database", "no database left"),
        ("repair in an hour", "first failure"),
        ("a third gateway", "one more that fails"),
    ),
)
