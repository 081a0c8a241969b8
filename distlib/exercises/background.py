"""The exercises of the chapter on the background, each with its check."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Self

from distlib.exercises.exercise import Exercise, number
from distlib.experiments.background import call
from distlib.models.background import failures_per_day, parts_that_may_be_slow
from distlib.node import Save, Send, Step, with_entry
from distlib.protocols.background import Add, Call, Counter, CounterLog, Total, never_twice, nothing_lost
from distlib.runtimes.exploration import explore

__all__ = ["budget", "pool", "remember", "spare", "week"]


budget = Exercise(
    "background.budget",
    "Which share of the parts may be slow, if one page of 50 parts in a thousand may be?",
    number(
        parts_that_may_be_slow(0.001, 50),
        relative_tolerance=0.01,
        mistakes={
            0.001: "That share of the parts makes about 5 % of the pages slow.",
            0.05: "With more parts, fewer of them may be slow, not more.",
        },
        hint="Solve 1 - (1 - p)^50 = 0.001 for p.",
    ),
    right=(parts_that_may_be_slow(0.001, 50), 2e-5),
    wrong=((0.001, "5 %"), (0.05, "fewer of them"), (1e-4, "Solve")),
)


_DAYS = math.log(2) / failures_per_day(4000, 50)
week = Exercise(
    "background.week",
    "After how many days has at least one of 4,000 machines failed with probability one half?",
    number(
        _DAYS,
        relative_tolerance=0.01,
        mistakes={
            1 / failures_per_day(4000, 50): "That is the mean time to the first failure. The median comes sooner.",
            50 * 365.25 * math.log(2): "That is the median of one machine. There are 4,000.",
        },
        hint="Solve e^(-rate t) = 1/2 with the rate of the whole fleet.",
    ),
    right=(_DAYS, 3.165),
    wrong=((4.5656, "median"), (12658.6, "There are 4,000"), (50, "Solve")),
)


pool = Exercise(
    "background.pool",
    "How many connections are in use at a time, once the database has become ten times slower?",
    number(
        800,
        relative_tolerance=0,
        mistakes={80: "That was before it became slower.", 20000: "That is how many requests come in ten seconds."},
        hint="Little's law: rate times stay.",
    ),
    right=(800, 800.0),
    wrong=((80, "before"), (20000, "ten seconds"), (50, "Little")),
)


spare = Exercise(
    "background.spare",
    "How busy may a worker be, if jobs that are all alike are to wait four times as long as they take?",
    number(
        8 / 9,
        relative_tolerance=0.005,
        mistakes={
            0.8: "That is right for exponential jobs, which wait twice as long.",
            0.75: "That is where exponential jobs *stay* four times as long as they take.",
        },
        hint="Solve ρ / (2 (1 - ρ)) = 4.",
    ),
    right=(8 / 9, 0.8889),
    wrong=((0.8, "exponential jobs"), (0.75, "stay"), (0.5, "Solve")),
)


@dataclass(frozen=True)
class _Given(Counter):
    """A counter that carries a call out as a reader's function says."""

    rule: Any = None

    def carry_out(self, source: str, message: Add) -> Step[Self]:
        log, *values = self.rule(self.log, source, message)
        return replace(self, log=log), (*map(Save, values), Send(source, Total(message.number, log.total)))


def _check_remember(answer: Any) -> str | None:
    if not callable(answer):
        return "The answer is a function from the log, the caller and the message to a tuple of logs."
    found = explore(
        call(_Given(rule=answer), amounts=(1, 1), retries=1),
        messages="set",
        crashes={"counter": 1},
        always={"never twice": never_twice, "nothing lost": nothing_lost},
        record_history=True,
        max_states=20_000,
    )
    if "nothing lost" in found.violations:
        return (
            "A call that was acknowledged is lost after a crash: what is in memory must be on disk before the answer."
        )
    if "never twice" in found.violations:
        return f"A call is carried out twice, after {found.violations['never twice'][-1].time_seconds:.0f} steps."
    return None


def _after(log: CounterLog, source: str, message: Add) -> CounterLog:
    total = log.total + message.amount
    return CounterLog(total, with_entry(log.last, source, Call(message.number, total)))


def _total_first(log: CounterLog, source: str, message: Add) -> tuple[CounterLog, ...]:
    new = _after(log, source, message)
    return new, replace(new, last=log.last), new


remember = Exercise(
    "background.remember",
    "Write what a counter keeps in memory and what it writes to disk, so that no call is lost or carried out twice.",
    _check_remember,
    right=(lambda log, source, message: (_after(log, source, message), _after(log, source, message)),),
    wrong=(
        (lambda log, source, message: (_after(log, source, message),), "lost after a crash"),
        (
            lambda log, source, message: (
                _after(log, source, message),
                replace(_after(log, source, message), last=log.last),
            ),
            "carried out twice",
        ),
        (_total_first, "carried out twice"),
        (lambda log: log, "cannot be checked"),
        ("once", "is a function"),
    ),
)
