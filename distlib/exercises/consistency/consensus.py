"""The exercises of the chapter on consensus, each with its check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from distlib.exercises.exercise import Exercise, number
from distlib.experiments.consistency.consensus import cluster, figure_eight, led_by_first
from distlib.models.consistency.consensus import LogTiming, Shipping, commit_latency_mean, throughput_bound
from distlib.models.latency import Constant
from distlib.protocols.consistency.consensus import Durable, Entry, RequestVote, Server, servers, state_machine_safety
from distlib.runtimes.exploration import explore
from distlib.runtimes.simulation import simulate

__all__ = ["LOGS", "clients", "electable", "mend", "nines", "regions"]


# ------------------------------------------------------------------------------------------------------------ regions

_REGIONS = LogTiming(tuple(Constant(ms / 2000) for ms in (2, 10, 80, 150)), 0.001, 0.001)
_MEAN = 1000 * commit_latency_mean(_REGIONS)


regions = Exercise(
    "consensus.regions",
    "How long does a commit between regions take?",
    number(
        _MEAN,
        mistakes={
            _MEAN + 70: "The leader counts itself: of the four others it waits for two, not for three.",
            _MEAN + 140: "It does not wait for all.",
            _MEAN - 1: "The leader forces its own write first, and the follower forces one, too.",
            _MEAN - 2: "Two forced writes lie on the path.",
            _MEAN - 8: "Five servers need three: the leader and two more.",
        },
        hint="Sort the round trips. Which of them does the leader wait for? Add both forced writes.",
    ),
    right=(12, 12.0),
    wrong=(
        (82, "counts itself"),
        (152, "for all"),
        (11, "forces"),
        (10, "Two forced writes"),
        (4, "two more"),
        (7, "Sort"),
    ),
)


# -------------------------------------------------------------------------------------------------------------- nines

nines = Exercise(
    "consensus.nines",
    "How many servers does it take for four nines?",
    number(
        5,
        relative_tolerance=0,
        mistakes={
            4: "The fourth server makes it worse: it takes three of four.",
            3: "Three servers give 0.9997.",
            2: "One of two is not a majority.",
            7: "Fewer do.",
        },
        hint="Try `commit_availability` for 1, 2, 3 … servers that are up with probability 0.99.",
    ),
    right=(5,),
    wrong=((4, "worse"), (3, "0.9997"), (2, "not a majority"), (7, "Fewer"), (6, "Try")),
)


# ---------------------------------------------------------------------------------------------------------- electable

LOGS = {"s1": (1, 1, 4), "s2": (1, 1), "s3": (1, 1, 3, 3, 3), "s4": (1, 1, 4, 4), "s5": (1, 1, 2, 2, 2, 2)}
"""The terms of the entries of five servers."""


def _electable() -> frozenset[str]:
    """Return who can win, asking the servers themselves."""
    disks = {name: Durable(4, None, tuple(map(Entry, terms))) for name, terms in LOGS.items()}
    winners = set()
    for name, disk in disks.items():
        ask = RequestVote(5, disk.last_index, disk.term_at(disk.last_index))
        votes = sum(Server(each, disk=other).is_up_to_date(ask) for each, other in disks.items())
        if 2 * votes > len(disks):
            winners.add(name)
    return frozenset(winners)


def _check_electable(answer: Any) -> str | None:
    if not isinstance(answer, set | frozenset):
        return 'The answer is a set of names, such as {"s1", "s2"}.'
    if frozenset(answer) == _electable():
        return None
    if "s5" in answer:
        return "The longest log is not the most up to date: the term of the last entry decides first."
    if "s2" in answer:
        return "Nobody else votes for s2: every other log ends in a later term."
    return "Count, for each server, whose log ends no later than its own; with itself it takes three."


electable = Exercise(
    "consensus.electable",
    "Which of five servers can win the next election?",
    _check_electable,
    right=({"s1", "s3", "s4"}, frozenset({"s1", "s3", "s4"})),
    wrong=(
        ({"s5"}, "longest log"),
        ({"s1", "s2", "s3", "s4"}, "Nobody else"),
        ({"s4"}, "Count"),
        ("s4", "is a set"),
    ),
)


# --------------------------------------------------------------------------------------------------------------- mend

_Rule = Callable[[Server, int], bool]


def _server_class(rule: _Rule) -> type[Server]:
    """Return servers that commit by this rule."""

    @dataclass(frozen=True)
    class Ruled(Server):
        def may_commit(self, index: int) -> bool:
            return bool(rule(self, index))

    return Ruled


def _check_mend(answer: Any) -> str | None:
    if not callable(answer):
        return "The answer is a function of a server and an index that returns True or False."
    server_class = _server_class(cast(_Rule, answer))
    quiet = simulate(led_by_first(cluster(3, server_class=server_class)), seed=1, until_seconds=0.3)
    if not all(node.commit_index for _, node in servers(quiet.world)):
        return "With this rule a leader never commits anything, not even its own entry."
    found = explore(
        figure_eight(server_class),
        always={"state machine safety": state_machine_safety},
        stop_at_violation=True,
        max_depth=15,
    )
    if found.violations:
        return "It is figure 8 again: two servers apply different entries at one index."
    return None


mend = Exercise(
    "consensus.mend",
    "When may a leader commit what a majority has?",
    _check_mend,
    right=(lambda server, index: server.disk.term_at(index) == server.disk.term,),
    wrong=(
        (lambda server, index: True, "figure 8"),
        (lambda server, index: False, "never commits"),
        (lambda server, index: server.disk.term_at(index) < server.disk.term, "never commits"),
        (lambda server, index: server.disk.term_at(index) >= server.disk.term - 2, "figure 8"),
        ("own term", "is a function"),
    ),
)


# ------------------------------------------------------------------------------------------------------------ clients

_TIMING = LogTiming.alike(3, Constant(0.001), follower_force_seconds=0.001, leader_force_seconds=0.001)


def _enough(count: int) -> bool:
    bounds = [throughput_bound(_TIMING, Constant(0.0003), n, Shipping.PIPELINED) for n in (count, 1000)]
    return bounds[0] >= bounds[1] * (1 - 1e-9)


_CLIENTS = next(count for count in range(1, 1000) if _enough(count))


clients = Exercise(
    "consensus.clients",
    "How many clients does a pipelined leader need to be busy?",
    number(
        _CLIENTS,
        relative_tolerance=0,
        mistakes={
            3: "That is the round trip alone. A client also waits for its own two legs and for the leader's write.",
            4: "The client's own two legs count, too; then round up.",
        },
        hint="Where do the two bounds N/C and 1/S meet? Round up.",
    ),
    right=(5,),
    wrong=((3, "round trip alone"), (4, "own two legs"), (32, "bounds")),
)
