"""The exercises of the chapter on voting and quorums, each with its check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Self, cast

from distlib.checkers.linearizability import linearizable
from distlib.exercises.exercise import Exercise, number
from distlib.experiments.consistency.staleness import REGISTER, until_it_is_read
from distlib.models.availability import downtime_minutes_per_year, k_of_n_unavailability
from distlib.models.consistency.quorum_systems import (
    Expression,
    QuorumSystem,
    choose,
    majority,
    nodes,
    nodes_of,
    unavailability,
    with_zones,
)
from distlib.models.consistency.staleness import lookalike_miss_probability, miss_probability
from distlib.node import Step
from distlib.protocols.consistency.voting import Client, Quorums, WriteBack, sizes
from distlib.runtimes.exploration import explore

__all__ = ["fourth", "layout", "missed", "second_phase", "zones"]


# ------------------------------------------------------------------------------------------------------------- fourth

_THREE, _FOUR = (float(downtime_minutes_per_year(k_of_n_unavailability(n // 2 + 1, n, 0.01))) for n in (3, 4))

fourth = Exercise(
    "voting.fourth",
    "How many minutes a year is a majority of four replicas out of reach?",
    number(
        _FOUR,
        relative_tolerance=0.01,
        mistakes={
            _THREE: "That is for three replicas. A majority of four is three.",
            float(downtime_minutes_per_year(k_of_n_unavailability(2, 4, 0.01))): "Two of four are no majority.",
        },
        hint="A majority of four is three, so two that are down are too many. Use k_of_n_unavailability.",
    ),
    right=(_FOUR, round(_FOUR)),
    wrong=((_THREE, "three replicas"), (2.1, "no majority"), (52.6, "A majority of four")),
)


# -------------------------------------------------------------------------------------------------------------- zones

_REPLICAS = nodes("abcde", up_probability=0.99)
_HALLS = nodes(["east", "west"], up_probability=0.999)
_ZONED = with_zones(majority(_REPLICAS), [(_HALLS[0], _REPLICAS[:3]), (_HALLS[1], _REPLICAS[3:])])
_ZONED_MINUTES = float(downtime_minutes_per_year(unavailability(_ZONED)))
_UNZONED_MINUTES = float(downtime_minutes_per_year(unavailability(majority(_REPLICAS))))

zones = Exercise(
    "voting.zones",
    "How many minutes a year is a majority out of reach, with three replicas in one zone and two in another?",
    number(
        _ZONED_MINUTES,
        relative_tolerance=0.01,
        mistakes={
            _UNZONED_MINUTES: "That is for replicas that share nothing.",
            float(downtime_minutes_per_year(0.001)): "The larger zone alone makes so much; other ways come on top.",
        },
        hint="Build the expression with `with_zones`, each zone a node, and take its unavailability.",
    ),
    right=(_ZONED_MINUTES,),
    wrong=((_UNZONED_MINUTES, "share nothing"), (526, "come on top"), (1052, "with_zones")),
)


# ------------------------------------------------------------------------------------------------------------- layout

_FIVE = nodes("abcde")


def _check_layout(answer: Any) -> str | None:
    if not isinstance(answer, Expression):
        return "The answer is an expression of the nodes, such as a * b + c * d * e."
    names = {node.name for node in nodes_of(answer)}
    if not names <= {node.name for node in _FIVE}:
        return "Use the nodes a, b, c, d and e, and no others."
    system = QuorumSystem(reads=answer)
    if system.resilience < 1:
        return "If one node fails, no read quorum or no write quorum is left. No quorum of one node can be in it."
    load = system.load(0.9)
    if load > 0.43 + 1e-9:
        return f"The load is {load:.3f}. Reads are nine tenths of all operations: make their quorums small, and many."
    return None


layout = Exercise(
    "voting.layout",
    "Write a system of five nodes with a load of at most 0.43 that survives any one failure.",
    _check_layout,
    right=(
        choose(1, [_FIVE[3] * _FIVE[4], choose(2, _FIVE[:3])]),
        _FIVE[0] * _FIVE[1] + choose(2, _FIVE[2:]),
    ),
    wrong=(
        (majority(_FIVE), "make their quorums small"),
        (choose(1, _FIVE), "no write quorum is left"),
        (choose(2, _FIVE), "make their quorums small"),
        ("a + b", "is an expression"),
        (choose(2, nodes("xyz")), "and no others"),
    ),
)


# ------------------------------------------------------------------------------------------------------------- missed

_MISSED = miss_probability(5, 2, 2)

missed = Exercise(
    "voting.missed",
    "How often does a read of two of five miss a write that reached two of five?",
    number(
        _MISSED,
        relative_tolerance=0.001,
        mistakes={
            lookalike_miss_probability(5, 2, 2): "Two different replicas are asked: the second draw is of four.",
            1 - _MISSED: "That is how often it finds the write.",
        },
        hint="Both that are asked must be among the three without the write.",
    ),
    right=(0.3,),
    wrong=((0.36, "the second draw"), (0.7, "how often it finds"), (0.6, "among the three")),
)


# ------------------------------------------------------------------------------------------------------- second phase

_Rule = Callable[[frozenset[str], Quorums], bool]


def _follows(rule: _Rule) -> type[Client]:
    """Return clients whose reads write back where the rule says so."""

    @dataclass(frozen=True)
    class Ruled(Client):
        def after_query_of_read(self) -> Step[Self]:
            if rule(self.holders, self.quorums):
                return self.store(self.newest, self.holders)
            return self.answer()

    return Ruled


def _check_second_phase(answer: Any) -> str | None:
    if not callable(answer):
        return "The answer is a function of the holders and the quorums that returns True or False."
    rule = cast(_Rule, answer)
    found = explore(
        until_it_is_read(WriteBack.NONE, client_class=_follows(rule)),
        always={"linearizable": linearizable(REGISTER)},
        record_history=True,
        timers=False,
        stop_at_violation=True,
    )
    if found.violations:
        return "Explored with majorities of three, a read still goes back. Could the next reader miss the version?"
    quorums = sizes(4, 2, 3)
    for size in range(5):
        for holders in map(frozenset, combinations(sorted(quorums.names), size)):
            told = bool(rule(holders, quorums))
            if told and quorums.is_write(holders):
                return f"With R = 2, W = 3 of 4 and holders {sorted(holders)}, the second phase is a waste."
            if not told and not quorums.is_write(holders):
                return f"With R = 2, W = 3 of 4 and holders {sorted(holders)}, another read may miss all of them."
    return None


second_phase = Exercise(
    "voting.second_phase",
    "When must a read write back before it answers?",
    _check_second_phase,
    right=(
        lambda holders, quorums: not quorums.is_write(holders),
        lambda holders, quorums: quorums.count(holders) < quorums.write,
    ),
    wrong=(
        (lambda holders, quorums: False, "a read still goes back"),
        (lambda holders, quorums: True, "is a waste"),
        (lambda holders, quorums: not quorums.is_read(holders), "may miss all of them"),
        (True, "is a function"),
    ),
)
