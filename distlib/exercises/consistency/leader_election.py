"""Exercises of the chapter on leader election."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self, cast

from distlib.exercises.exercise import Exercise, number
from distlib.experiments.consistency.lease import two_clients
from distlib.models.consistency.bully import message_count
from distlib.models.consistency.leader_election import (
    ElectionTiming,
    naive_split_vote_probability,
    split_vote_probability,
)
from distlib.models.consistency.lease import usable_lease_seconds
from distlib.node import Effects, Node, Send, Step, World
from distlib.protocols.consistency.lease import (
    Current,
    Done,
    Message,
    Read,
    Refused,
    Resource,
    Write,
    no_lost_update,
)
from distlib.runtimes.exploration import explore

__all__ = ["bully", "fence", "lease", "safe_spread", "split"]

# -------------------------------------------------------------------------------------------------------------- bully

_BULLY = message_count(8, 3)

bully = Exercise(
    "leader_election.bully",
    "How many messages do eight bullies take?",
    number(
        _BULLY,
        relative_tolerance=0,
        mistakes={
            _BULLY - 6: "The winner tells everybody below, also those who took no part.",
            message_count(7, 3): "The dead process is asked, too: nobody knows that it is dead.",
            message_count(8, 1): "That is the worst case. The third need not ask the first and the second.",
        },
        hint="Count the questions of 3 to 7, the answers of those that are up, and what the winner tells.",
    ),
    right=(31, 31.0),
    wrong=((25, "also those"), (21, "asked, too"), (55, "worst case"), (8, "Count the questions")),
)

# -------------------------------------------------------------------------------------------------------------- split

_SEVEN = ElectionTiming(7, 0.150, 0.100, 0.010)

split = Exercise(
    "leader_election.split",
    "What share of the rounds splits in a cluster of seven?",
    number(
        split_vote_probability(_SEVEN),
        mistakes={
            naive_split_vote_probability(_SEVEN): "That is the chance of two candidates. Most of these rounds elect.",
            split_vote_probability(replace(_SEVEN, elector_count=7)): "The leader has crashed: six draw timeouts.",
        },
        hint="How many of the six others must time out within a leg, so that fewer than four votes are left?",
    ),
    right=(0.01585, split_vote_probability(_SEVEN)),
    wrong=((0.4686, "two candidates"), (0.002728, "six draw"), (0.5, "within a leg")),
)

# --------------------------------------------------------------------------------------------------------- safe_spread


def _smallest_spread(limit: float, electors: int | None = None) -> int:
    spread = 11
    while split_vote_probability(ElectionTiming(5, 0.150, spread / 1000, 0.010, electors)) > limit:
        spread += 1
    return spread


_SPREAD = _smallest_spread(0.01)

safe_spread = Exercise(
    "leader_election.safe_spread",
    "At which spread does one round in a hundred split?",
    number(
        _SPREAD,
        relative_tolerance=0,
        mistakes={_smallest_spread(0.01, 5): "That is with five electors. One of the five has crashed."},
        hint="Try spreads one by one with `split_vote_probability`; the leg is 10 ms, four members are up.",
    ),
    right=(_SPREAD,),
    wrong=((_smallest_spread(0.01, 5), "five electors"), (_SPREAD - 1, "one by one"), (_SPREAD + 1, "one by one")),
)

# -------------------------------------------------------------------------------------------------------------- lease

_USABLE = usable_lease_seconds(12.0, 0.001)

lease = Exercise(
    "leader_election.lease",
    "For how long may a holder serve once its answer is there?",
    number(
        _USABLE - 0.2,
        relative_tolerance=1e-5,
        mistakes={
            _USABLE: "The promise may have begun when the request was sent, not when the answer came.",
            12 * 0.999 - 0.2: "The other clock may be wrong, too, and the other way.",
            11.8: "And if its own clock is slow?",
        },
        hint="The usable lease counts from the sending, on a clock that may be slow, under one that may be fast.",
    ),
    right=(11.776023976, _USABLE - 0.2),
    wrong=((_USABLE, "request was sent"), (11.788, "too, and the other way"), (11.8, "slow"), (12.0, "counts from")),
)

# -------------------------------------------------------------------------------------------------------------- fence

_Rule = Callable[[int, int, bool], tuple[bool, int]]


def _resource(rule: _Rule) -> Resource:
    """Return a resource that asks `rule` whether to take a request."""

    @dataclass(frozen=True)
    class Ruled(Resource):
        def on_message(self, source: str, message: Message) -> Step[Self]:
            if not isinstance(message, Read | Write):
                return self, ()
            accepted, highest = rule(self.highest, message.token, isinstance(message, Write))
            if not accepted:
                return self, _send(source, Refused(message.token))
            node = replace(self, highest=int(highest))
            if isinstance(message, Read):
                return node, _send(source, Current(message.token, self.value))
            node = replace(node, value=message.value, accepted=self.accepted + 1)
            return node, _send(source, Done(message.token))

    return Ruled()


def _send(target: str, message: Message) -> Effects:
    return (Send(target, message),)


def _both_count(world: World) -> bool:
    return any(isinstance(node, Resource) and node.accepted == 2 for node in world.nodes.values())


def _check_fence(answer: Any) -> str | None:
    if not callable(answer):
        return (
            "The answer is a function of the highest token seen, the request's token, and whether the request writes."
        )
    rule = cast(_Rule, answer)
    told = rule(3, 4, False)
    if not isinstance(told, tuple) or len(told) != 2:
        return "The function must return a pair: whether to accept, and the highest token to remember."
    nodes: dict[str, Node[Any, Any]] = two_clients(resource=_resource(rule))
    found = explore(
        nodes,
        clock_readings=(0.0,),
        always={"no lost update": no_lost_update},
        sometimes={"both count": _both_count},
        max_states=20_000,
        stop_at_violation=True,
    )
    if found.violations:
        steps = found.violations["no lost update"][-1].time_seconds
        return f"An update is lost after {steps:.0f} steps: a late write got in. What does a read tell the resource?"
    if found.unwitnessed:
        return "Nothing is lost, but not both holders can count: the rule refuses too much."
    return None


fence = Exercise(
    "leader_election.fence",
    "By which rule does a resource lose no update?",
    _check_fence,
    right=(
        lambda highest, token, is_write: (token >= highest, max(highest, token)),
        lambda highest, token, is_write: (False, highest) if token < highest else (True, token),
    ),
    wrong=(
        (lambda highest, token, is_write: (True, token), "late write"),
        (lambda highest, token, is_write: (token >= highest, token if is_write else highest), "late write"),
        (lambda highest, token, is_write: (token > highest, max(highest, token)), "refuses too much"),
        (lambda highest, token, is_write: token >= highest, "a pair"),
        ("token >= highest", "is a function"),
    ),
)
