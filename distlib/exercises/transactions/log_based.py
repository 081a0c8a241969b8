"""The exercises of the chapter on logs, each with its check."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, cast

from distlib.exercises.exercise import Exercise, choice, number
from distlib.experiments.transactions.log_based import FIRST_PAGES, Machine, Pages, SimulatedDisk, script
from distlib.models.transactions.deterministic_ordering import conflict_probability, naive_conflict_probability
from distlib.models.transactions.group_commit import closed_loop_commits_per_force
from distlib.models.transactions.log_based import linear_best_checkpoint_interval
from distlib.node import entry
from distlib.protocols.transactions.log_based import Database, Record, Update

__all__ = ["committers", "forecast", "interval", "pivot", "undo"]


# --------------------------------------------------------------------------------------------------------- committers

_COMMITTERS = closed_loop_commits_per_force(12) / 0.003


committers = Exercise(
    "log_based.committers",
    "How many commits a second do twelve clients get from a disk that takes 3 ms to force?",
    number(
        _COMMITTERS,
        mistakes={
            12 / 0.003: "Whoever is told first comes back first, and the disk begins with that one alone.",
            1 / 0.003: "That is one commit in each force. Who comes during a force shares the next one.",
        },
        hint="How many commits are in one force on average, and how many forces are there in a second?",
    ),
    right=(2000, 2000.0),
    wrong=((4000, "begins with that one"), (333.3333333, "shares the next"), (500, "in one force")),
)


# ----------------------------------------------------------------------------------------------------------- interval

_WEEK_SECONDS = 7 * 86400.0
_INTERVAL = linear_best_checkpoint_interval(4.0, 1 / _WEEK_SECONDS, 0.02)


interval = Exercise(
    "log_based.interval",
    "How long should a database go between two checkpoints?",
    number(
        _INTERVAL,
        relative_tolerance=0.01,
        mistakes={
            _INTERVAL / math.sqrt(2): "The crash comes in the middle of the interval on average, not at its end.",
            math.sqrt(2 * 4.0 * _WEEK_SECONDS): "Redo is faster than the work was: 0.02 s for each second of log.",
        },
        hint="Write the cost of a second as C/τ + λ r τ/2 and look where its derivative is 0.",
    ),
    right=(_INTERVAL, 15554),
    wrong=((10998.5, "in the middle"), (2199.7, "faster than the work"), (3600, "derivative")),
)


# -------------------------------------------------------------------------------------------------------------- pivot

pivot = Exercise(
    "log_based.pivot",
    "Which step is the pivot?",
    choice(
        "charge the card",
        {
            "reserve the seat": "A reservation can be given back, so the saga may still turn round after it.",
            "send the ticket": "A mail cannot be taken back. If the card is refused after it, who pays?",
            "add the bonus miles": "After the ticket is out, nothing may be refused any more. This step is retriable.",
        },
    ),
    right=("charge the card",),
    wrong=(
        ("reserve the seat", "given back"),
        ("send the ticket", "taken back"),
        ("add the bonus miles", "retriable"),
        ("nothing", "one of"),
    ),
)


# --------------------------------------------------------------------------------------------------------------- undo

_Undo = Callable[[dict[int, Record], set[str]], Iterable[int]]


def _logs() -> Iterable[tuple[dict[int, Record], set[str], list[int]]]:
    """Yield logs that end at any record, their losers, and the changes that recovery takes back of these, in order."""
    machine = Machine(SimulatedDisk(), Pages())
    for _, step in script():
        step(machine)
    for size in range(1, len(machine.log) + 1):
        log = {lsn: record for lsn, record in machine.log.items() if lsn <= size}
        yield log, set(Database.analyse(log, 0).losers), _taken_back(log)


def _taken_back(log: dict[int, Record]) -> list[int]:
    """Return the changes that the database of this book takes back when it restarts from a log."""
    database = Database.restart(log, 0, FIRST_PAGES).database
    found = []
    while database.is_finishing:
        before = database
        database, _ = database.finish_step(log)
        pointers = [
            line.undo_next_lsn for name, line in before.transactions if entry(database.transactions, name) != line
        ]
        if len(database.transactions) == len(before.transactions) and isinstance(log[pointers[0]], Update):
            found.append(pointers[0])
    return found


def _check_undo(answer: Any) -> str | None:
    if not callable(answer):
        return "The answer is a function of a log and a set of losers."
    function = cast(_Undo, answer)
    for log, losers, expected in _logs():
        found = list(function(dict(log), set(losers)))
        if found == expected:
            continue
        if sorted(found) == sorted(expected):
            return "The latest change is taken back first, whichever transaction made it."
        if set(found) > set(expected):
            extra = log.get(min(set(found) - set(expected)))
            if isinstance(extra, Update) and extra.transaction in losers:
                return "A change that a compensation has taken back already must not be taken back again."
            return "Only updates of losers are to be taken back."
        return f"With the log up to record {max(log)} the changes {expected} are to be taken back, got {found}."
    return None


def _undo(log: dict[int, Record], losers: set[str]) -> list[int]:
    return _taken_back(log)


undo = Exercise(
    "log_based.undo",
    "Which changes does recovery take back, in which order?",
    _check_undo,
    right=(_undo,),
    wrong=(
        (lambda log, losers: sorted(_taken_back(log)), "latest change"),
        (
            lambda log, losers: [
                lsn
                for lsn, record in sorted(log.items(), reverse=True)
                if isinstance(record, Update) and record.transaction in losers
            ],
            "already",
        ),
        (
            lambda log, losers: [
                lsn for lsn, record in sorted(log.items(), reverse=True) if isinstance(record, Update)
            ],
            "Only updates of losers",
        ),
        (lambda log, losers: [], "are to be taken back"),
        ([3, 2, 1], "is a function"),
    ),
)


# ----------------------------------------------------------------------------------------------------------- forecast

_FORECAST = conflict_probability(2000, 0.05, 3, 5000)


forecast = Exercise(
    "log_based.forecast",
    "How often does a transaction that reads first have to start over?",
    number(
        _FORECAST,
        relative_tolerance=0.01,
        mistakes={
            naive_conflict_probability(2000, 0.05, 3, 5000): "Each of the others writes three keys, too.",
            100 * 9 / 5000: "That is the mean number of conflicts. The question asks for the chance of at least one.",
        },
        hint="How many others commit meanwhile, and with which chance does one of them meet one of our three keys?",
    ),
    right=(_FORECAST, 0.1646),
    wrong=((0.0582, "three keys, too"), (0.18, "at least one"), (0.5, "meanwhile")),
)
