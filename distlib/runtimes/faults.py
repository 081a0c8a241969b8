"""What surrounds the nodes of a simulated run: links, clocks, and the faults that befall them.

Theory of operation
-------------------
Everything here is a value that describes; :mod:`distlib.runtimes.simulation` carries it out. A fault is given at an
instant (:class:`Crash`), at a place in the run (:class:`CrashAfterEffect`, :class:`Lose`), or drawn at a rate
(:class:`CrashRandomly`). The first kind tells a story, the second enumerates every story, the third measures how often.

The faults are those of the crash-recovery model with fair-loss links [1]_: nodes stop and come back with what they
made durable; messages are lost, copied, delayed and reordered; clocks are wrong. Nobody lies: no fault is Byzantine.

References
----------
.. [1] C. Cachin, R. Guerraoui, L. Rodrigues, *Introduction to Reliable and Secure Distributed Programming*, 2nd ed.,
   Springer 2011, sections 2.2 (processes) and 2.4 (links).

Examples
--------
>>> slow = Link(latency=Constant(0.1), loss_probability=0.01)
>>> network = Network(default=Link(Constant(0.001)), links={("a", "b"): slow})
>>> network.link("a", "b").latency, network.link("b", "a").latency
(Constant(seconds=0.1), Constant(seconds=0.001))
>>> sorted(Partition(at_seconds=1.0, groups=({"a"}, {"b", "c"})).pairs())
[('a', 'b'), ('a', 'c'), ('b', 'a'), ('c', 'a')]
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from itertools import permutations
from numbers import Integral, Real
from typing import TypeAlias

from distlib.models.latency import Constant, Law, require_law

__all__ = [
    "Clock",
    "Crash",
    "CrashAfterEffect",
    "CrashRandomly",
    "Delay",
    "Fault",
    "Link",
    "Lose",
    "Network",
    "Partition",
    "PartitionRandomly",
    "Pause",
    "PauseRandomly",
    "Restart",
    "nodes_of",
    "pairs_between",
]

ONE_MILLISECOND = Constant(0.001)

Pair: TypeAlias = tuple[str, str]
"""A directed link: the names of its source and its target."""


def _require_seconds(name: str, value: float, *, positive: bool = False) -> None:
    if not isinstance(value, Real) or not (value > 0 if positive else value >= 0) or not math.isfinite(value):
        raise ValueError(f"`{name}` must be finite and {'above' if positive else 'at least'} 0, got {value!r}")


def _require_probability(name: str, value: float) -> None:
    if not isinstance(value, Real) or not 0 <= value <= 1:
        raise ValueError(f"`{name}` must be in [0, 1], got {value!r}")


def _require_number(name: str, value: int, *, at_least: int) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < at_least:
        raise ValueError(f"`{name}` must be a whole number of at least {at_least}, got {value!r}")


def _require_name(name: str, value: object) -> None:
    if not isinstance(value, str) or not value:
        raise TypeError(f"`{name}` must be the name of a node, got {value!r}")


def _require_class_name(name: str, value: object) -> None:
    if value is not None and (not isinstance(value, str) or not value):
        raise TypeError(f"`{name}` must be the name of a message's class, such as 'Prepare', got {value!r}")


def _names(name: str, value: Iterable[str], *, at_least: int = 1) -> tuple[str, ...]:
    """Return the names that an argument lists. A lone string is a mistake: it would be taken letter by letter."""
    if isinstance(value, str):
        raise TypeError(f"`{name}` must list names of nodes, such as ({value!r},), got the string {value!r}")
    # A set is put in order, or the order of events would depend on the hash seed.
    names = tuple(sorted(value) if isinstance(value, Set) else value)
    for each in names:
        _require_name(name, each)
    if len(names) < at_least or len(set(names)) < len(names):
        raise ValueError(f"`{name}` must list at least {at_least} different names, got {names!r}")
    return names


@dataclass(frozen=True)
class Link:
    """One direction between two nodes.

    Parameters
    ----------
    latency
        Law of the time from sending to arrival, in seconds; each message draws its own, so a later one may overtake.
    loss_probability
        Chance that a message never arrives.
    duplicate_probability
        Chance that the network makes one more copy of a message that it does not lose. The copy draws its own latency.
    ordered
        Whether messages arrive in the order in which they were sent (FIFO). One that would overtake arrives at the same
        time as the one before it, right behind it.

    Raises
    ------
    TypeError, ValueError
        If `latency` is not a law of durations, or a probability is outside [0, 1].
    """

    latency: Law = ONE_MILLISECOND
    loss_probability: float = 0.0
    duplicate_probability: float = 0.0
    ordered: bool = False

    def __post_init__(self) -> None:
        require_law("latency", self.latency)
        _require_probability("loss_probability", self.loss_probability)
        _require_probability("duplicate_probability", self.duplicate_probability)


@dataclass(frozen=True)
class Network:
    """All links: a default, and those that differ.

    Parameters
    ----------
    default
        The link between any two nodes that `links` does not name, and from a node to itself.
    links
        By (source, target); one direction each.
    """

    default: Link = field(default_factory=Link)
    links: Mapping[Pair, Link] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for value in (self.default, *self.links.values()):
            if not isinstance(value, Link):
                raise TypeError(f"a network is made of Link values, got {value!r}")
        for pair in self.links:
            _require_pair("links", pair)

    def link(self, source: str, target: str) -> Link:
        """Return the link from `source` to `target`."""
        return self.links.get((source, target), self.default)


def _require_pair(name: str, pair: object) -> None:
    if not isinstance(pair, tuple) or len(pair) != 2 or not all(isinstance(end, str) and end for end in pair):
        raise TypeError(f"`{name}` must name links as pairs (source, target), got {pair!r}")


@dataclass(frozen=True)
class Clock:
    """A node's own clock: it reads ``(1 + drift) * true time + skew_seconds``, and its timers run at its rate.

    Parameters
    ----------
    skew_seconds
        How far ahead it is at time 0; negative: behind.
    drift
        How much faster it runs, as a fraction (0.0001 gains 100 microseconds a second); above -1. A timer of duration d
        takes ``d / (1 + drift)`` of true time.
    """

    skew_seconds: float = 0.0
    drift: float = 0.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.skew_seconds):
            raise ValueError(f"`skew_seconds` must be finite, got {self.skew_seconds!r}")
        if not -1 < self.drift < math.inf:
            raise ValueError(f"`drift` must be finite and above -1, got {self.drift!r}")


@dataclass(frozen=True)
class Crash:
    """A node loses its volatile state at an instant. If it is down already, nothing happens, and no restart follows.

    Parameters
    ----------
    node
        Which node.
    at_seconds
        When, in true time.
    restart_after_seconds
        How long it stays down; None: until a :class:`Restart`, if any.
    """

    node: str
    at_seconds: float
    restart_after_seconds: float | None = None

    def __post_init__(self) -> None:
        _require_name("node", self.node)
        _require_seconds("at_seconds", self.at_seconds)
        if self.restart_after_seconds is not None:
            _require_seconds("restart_after_seconds", self.restart_after_seconds)


@dataclass(frozen=True)
class Restart:
    """A node that is down boots with its durable value at `at_seconds`. If it is up, nothing happens."""

    node: str
    at_seconds: float

    def __post_init__(self) -> None:
        _require_name("node", self.node)
        _require_seconds("at_seconds", self.at_seconds)


@dataclass(frozen=True)
class CrashAfterEffect:
    """A node crashes right after its k-th effect has applied, and before the next. So every crash point can be visited.

    Parameters
    ----------
    node
        Which node.
    effect_number
        k, counted from 1 over the whole run, restarts included. A forced save has applied when it is complete. 0: the
        node crashes as it boots, before its first effect. In a run with fewer effects nothing happens; its counts tell.
    restart_after_seconds
        How long it stays down; None: until a :class:`Restart`, if any.
    """

    node: str
    effect_number: int
    restart_after_seconds: float | None = None

    def __post_init__(self) -> None:
        _require_name("node", self.node)
        _require_number("effect_number", self.effect_number, at_least=0)
        if self.restart_after_seconds is not None:
            _require_seconds("restart_after_seconds", self.restart_after_seconds)


@dataclass(frozen=True)
class Pause:
    """A node stops handling stimuli for a while, without losing state; they queue. If it is down, nothing happens.

    It stands for a stopped process or a long garbage collection: messages wait in its buffers, timers that expire fire
    at the end of the pause, and a write that the disk has begun completes. A crash ends it. Pauses may overlap.
    """

    node: str
    at_seconds: float
    duration_seconds: float

    def __post_init__(self) -> None:
        _require_name("node", self.node)
        _require_seconds("at_seconds", self.at_seconds)
        _require_seconds("duration_seconds", self.duration_seconds, positive=True)


@dataclass(frozen=True)
class Partition:
    """Some links carry nothing for a while. Give either `groups` or `cut`.

    A message is lost if its link is cut when it is sent or when it would arrive. So a partition also swallows what is
    in flight when it begins, except where it heals before the arrival. Partitions may overlap.

    Parameters
    ----------
    at_seconds, until_seconds
        When it begins and heals; None: never.
    groups
        At least two disjoint sets of names: no message passes from one to another. Nodes in no group keep all links.
    cut
        Directed pairs (source, target), for a partition that is not symmetric.
    """

    at_seconds: float
    until_seconds: float | None = None
    groups: tuple[Set[str], ...] = ()
    cut: Set[Pair] = frozenset()

    def __post_init__(self) -> None:
        _require_seconds("at_seconds", self.at_seconds)
        if self.until_seconds is not None and not self.at_seconds < self.until_seconds < math.inf:
            raise ValueError(
                f"`until_seconds` must be finite and above `at_seconds` ({self.at_seconds}), got {self.until_seconds!r}"
            )
        if bool(self.groups) == bool(self.cut):
            raise ValueError(f"give either `groups` or `cut`, got groups={self.groups!r} and cut={self.cut!r}")
        object.__setattr__(self, "groups", tuple(frozenset(_names("groups", group)) for group in self.groups))
        object.__setattr__(self, "cut", frozenset(self.cut))
        for pair in self.cut:
            _require_pair("cut", pair)
        members = [name for group in self.groups for name in group]
        if len(self.groups) == 1 or len(set(members)) < len(members):
            raise ValueError(
                "`groups` must be at least two sets of names without common members (a node in no group keeps all its "
                f"links), got {[sorted(group) for group in self.groups]}"
            )

    def pairs(self) -> frozenset[Pair]:
        """Return the links that it cuts."""
        if self.cut:
            return frozenset(self.cut)
        return pairs_between(self.groups)


def pairs_between(groups: Iterable[Set[str]]) -> frozenset[Pair]:
    """Return the links from any of these groups to any other."""
    return frozenset((source, target) for one, other in permutations(groups, 2) for source in one for target in other)


@dataclass(frozen=True)
class Lose:
    """The network loses one message.

    Parameters
    ----------
    source, target
        Its link.
    number
        Which one of those sent on that link, from 1.
    message_class
        If given: which one of those whose class has this name.
    """

    source: str
    target: str
    number: int
    message_class: str | None = None

    def __post_init__(self) -> None:
        _require_name("source", self.source)
        _require_name("target", self.target)
        _require_number("number", self.number, at_least=1)
        _require_class_name("message_class", self.message_class)


@dataclass(frozen=True)
class Delay:
    """The network takes `extra_seconds` longer over one message, which is named as in :class:`Lose`.

    A copy that the network makes of it is not delayed. On an ordered link, what follows waits behind it.
    """

    source: str
    target: str
    number: int
    extra_seconds: float
    message_class: str | None = None

    def __post_init__(self) -> None:
        _require_name("source", self.source)
        _require_name("target", self.target)
        _require_number("number", self.number, at_least=1)
        _require_class_name("message_class", self.message_class)
        _require_seconds("extra_seconds", self.extra_seconds, positive=True)


@dataclass(frozen=True)
class CrashRandomly:
    """Each of these nodes crashes and restarts, on and on: an alternating renewal process of its own.

    Parameters
    ----------
    nodes
        Which nodes.
    time_to_failure, time_to_repair
        Laws, in seconds: how long from the start or from a repair to the crash, and from there to the restart.
    """

    nodes: Iterable[str]
    time_to_failure: Law
    time_to_repair: Law

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", _names("nodes", self.nodes))
        require_law("time_to_failure", self.time_to_failure)
        require_law("time_to_repair", self.time_to_repair)


@dataclass(frozen=True)
class PauseRandomly:
    """Each of these nodes pauses and resumes, on and on, at times of its own. Fields as in :class:`CrashRandomly`."""

    nodes: Iterable[str]
    time_to_pause: Law
    time_to_resume: Law

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", _names("nodes", self.nodes))
        require_law("time_to_pause", self.time_to_pause)
        require_law("time_to_resume", self.time_to_resume)


@dataclass(frozen=True)
class PartitionRandomly:
    """These nodes are split in two and joined again, on and on.

    Each time, every way to split them into two groups that are not empty is equally likely. Other nodes keep all their
    links. Fields as in :class:`CrashRandomly`.
    """

    nodes: Iterable[str]
    time_to_partition: Law
    time_to_heal: Law

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", _names("nodes", self.nodes, at_least=2))
        require_law("time_to_partition", self.time_to_partition)
        require_law("time_to_heal", self.time_to_heal)


Fault: TypeAlias = (
    Crash
    | Restart
    | CrashAfterEffect
    | Pause
    | Partition
    | Lose
    | Delay
    | CrashRandomly
    | PauseRandomly
    | PartitionRandomly
)


def nodes_of(fault: Fault) -> tuple[str, ...]:
    """Return the names of the nodes that a fault concerns, sorted.

    Examples
    --------
    >>> nodes_of(Lose("b", "a", number=1))
    ('a', 'b')
    """
    match fault:
        case Crash() | Restart() | CrashAfterEffect() | Pause():
            names = {fault.node}
        case Lose() | Delay():
            names = {fault.source, fault.target}
        case Partition():
            names = {name for pair in fault.pairs() for name in pair}
        case CrashRandomly() | PauseRandomly() | PartitionRandomly():
            names = set(fault.nodes)
        case _:
            raise TypeError(f"`faults` must be made of faults such as Crash('a', at_seconds=1.0), got {fault!r}")
    return tuple(sorted(names))
