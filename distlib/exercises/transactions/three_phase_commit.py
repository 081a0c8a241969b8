"""The exercises of the chapter on three-phase commit and Paxos Commit, each with its check."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, cast

from distlib.exercises.exercise import Exercise, number
from distlib.experiments.transactions.three_phase_commit import nobody_is_blocked, small, suspicions_are_right
from distlib.models.latency import Constant
from distlib.models.transactions.paxos_commit import acceptor_unavailability, commit_bill
from distlib.models.transactions.three_phase_commit import (
    commit_latency_mean,
    decision_seconds_mean,
    worst_precommit_probability,
)
from distlib.models.transactions.two_phase_commit import CommitTiming
from distlib.node import Step
from distlib.protocols.transactions.three_phase_commit import Participant, State, agreement
from distlib.runtimes.exploration import explore

__all__ = ["acceptors", "messages", "moment", "regions", "rule"]


# ------------------------------------------------------------------------------------------------------------ regions

_TIMING = CommitTiming(3, Constant(0.040), None, 0.005, 0.005)
_REGIONS = 1000 * commit_latency_mean(_TIMING)


regions = Exercise(
    "three_phase_commit.regions",
    "How long does a commit between regions take with three phases?",
    number(
        _REGIONS,
        mistakes={
            90.0: "That is two-phase commit. Here a second round trip lies between the votes and the decision.",
            1000 * decision_seconds_mean(_TIMING): "It is committed when the decision is on the coordinator's disk.",
            _REGIONS + 5: "That it is precommitted a participant keeps in memory.",
        },
        hint="Go along the path: request, forced write, vote, precommit, acknowledgement, forced write.",
    ),
    right=(170, 170.0),
    wrong=((90, "two-phase"), (210, "on the coordinator's disk"), (175, "in memory"), (100, "along the path")),
)


# ------------------------------------------------------------------------------------------------------------- moment

_MOMENT = -math.log1p(-worst_precommit_probability(8)[0])


moment = Exercise(
    "three_phase_commit.moment",
    "How long after the precommits have left is a split most dangerous?",
    number(
        _MOMENT,
        relative_tolerance=0.01,
        mistakes={
            math.log(2): "That is when half of them have arrived. The more banks, the fewer it takes.",
            worst_precommit_probability(8)[0]: "That is the probability q. At which time t is G(t) = q?",
        },
        hint="Find the q at which the probability is largest, and then the time at which G(t) = q.",
    ),
    right=(_MOMENT,),
    wrong=((0.693, "half of them"), (worst_precommit_probability(8)[0], "probability q"), (2.0, "Find the q")),
)


# --------------------------------------------------------------------------------------------------------------- rule

_Rule = Callable[[frozenset[str]], str]
_ANSWERS = ("commit", "abort", "precommit")


def _check_rule(answer: Any) -> str | None:
    if not callable(answer):
        return "The answer is a function from a set of states to 'commit', 'abort' or 'precommit'."
    decide = cast(_Rule, answer)
    odd: list[str] = []

    @dataclass(frozen=True)
    class Ruled(Participant):
        def terminate(self) -> Step[Self]:
            told = frozenset(state.value for _, state in self.reports)
            said = decide(told)
            if said not in _ANSWERS:
                odd.append(f"For {sorted(told)} it says {said!r}, which is none of {', '.join(_ANSWERS)}.")
            if said != "precommit":
                return self.decide(said == "commit", announce=True)
            if State.PRECOMMITTED.value not in told:
                odd.append("Where nobody is precommitted, somebody may have voted no: that must not become a commit.")
            return super().terminate()

    found = explore(
        small(2, participant_class=Ruled),
        crashes=2,
        restarts=0,
        within=suspicions_are_right,
        always={"agreement": agreement, "nobody is blocked": nobody_is_blocked},
        stop_at_violation=True,
    )
    if odd:
        return odd[0]
    if found.violations:
        steps = found.violations[next(iter(found.violations))][-1].time_seconds
        return f"Two crashes break it, after {steps:.0f} steps: a leader may die after its own decision is on its disk."
    return None


def _right_rule(states: frozenset[str]) -> str:
    for decided, outcome in (("committed", "commit"), ("aborted", "abort")):
        if decided in states:
            return outcome
    if "precommitted" not in states:
        return "abort"
    return "precommit" if "uncertain" in states else "commit"


rule = Exercise(
    "three_phase_commit.rule",
    "What does the leader of a termination do with the states that were reported to it?",
    _check_rule,
    right=(_right_rule,),
    wrong=(
        (lambda states: "commit" if states & {"committed", "precommitted"} else "abort", "Two crashes break it"),
        (lambda states: "commit" if "committed" in states else "abort", "Two crashes break it"),
        (lambda states: "wait", "none of commit"),
        (lambda states: "commit" if "committed" in states else "precommit", "must not become a commit"),
        ("commit", "is a function"),
    ),
)


# ----------------------------------------------------------------------------------------------------------- messages

_MESSAGES = commit_bill("Paxos Commit", 7, 2).messages


messages = Exercise(
    "three_phase_commit.messages",
    "How many messages does Paxos Commit among seven take that tolerates two faults?",
    number(
        _MESSAGES,
        relative_tolerance=0,
        mistakes={
            commit_bill("two-phase commit", 7).messages: "That is two-phase commit.",
            commit_bill("Paxos Commit", 7, 2, co_located=False).messages: "What stays on a machine is no message.",
            commit_bill("faster Paxos Commit", 7, 2).messages: "That is the faster form: there the acceptors tell all.",
        },
        hint="Count requests, proposals, what the acceptors tell, and decisions; leave out what stays on a machine.",
    ),
    right=(32,),
    wrong=((18, "two-phase"), (38, "stays on a machine"), (42, "faster form"), (30, "Count requests")),
)


# ---------------------------------------------------------------------------------------------------------- acceptors

DOWN_PROBABILITY = 0.005
_FAULTS = next(faults for faults in range(20) if float(acceptor_unavailability(faults, DOWN_PROBABILITY)) < 1e-6)


acceptors = Exercise(
    "three_phase_commit.acceptors",
    "How many acceptors does it take so that fewer than one commit in a million has to wait?",
    number(
        2 * _FAULTS + 1,
        relative_tolerance=0,
        mistakes={
            2 * _FAULTS - 1: "Close, but one commit in eight hundred thousand still waits.",
            _FAULTS: "That is F. How many acceptors are there?",
        },
        hint="Try F = 0, 1, 2 …: fewer than F + 1 of 2F + 1 acceptors are up with what probability?",
    ),
    right=(7,),
    wrong=((5, "Close"), (3, "That is F"), (9, "Try F")),
)
