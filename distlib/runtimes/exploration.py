"""An explicit-state model checker: every interleaving, every crash point, of a small instance of a protocol.

Theory of operation
-------------------
:func:`explore` starts from the booted nodes and follows, breadth first, everything that can happen next:

- a message in flight reaches its node, in any order (on a FIFO network, in the order of its link);
- a message is lost, or is delivered while the network keeps one more copy of it, within budgets;
- a timer that is set fires: durations are ignored, so that every ratio of speeds is covered;
- a node crashes, within a budget, between two handlers or between two effects of one handler. The message that the
  handler had taken is gone, what it had sent is on its way, what it had saved is durable. An unforced save is kept or
  lost. Timers die. A message that reaches a node that is down is lost;
- a node that is down restarts: `on_start` of its *initial* node, with the durable value.

All nodes boot before anything else happens; with a budget for crashes, a boot may be cut short as any handler may.
Handlers are pure, so two states that are equal have equal futures, and each is expanded once. Breadth first means that
the first state that breaks an invariant is reached by a shortest run, which is replayed as a
:class:`~distlib.runtimes.trace.Trace`.

*Claims* are of three kinds. `always`: an invariant (AG in computation tree logic). `sometimes`: some reachable state
satisfies it (EF), which guards against a claim that holds because nothing happens. `eventually_possible`: from every
reachable state, the goal can still be reached *without another fault* (AG EF). A state from where it cannot is *stuck*:
so a claim that a protocol never blocks is refuted.

*Counts.* `states` are distinct states of the whole system. `generated` counts initial states and steps, as TLC does,
also those steps that lead to a known state or back to the same one. A handler that returns its own node and no effects
ignored its stimulus. Where messages are a set, nothing happened then and nothing is counted; elsewhere the message is
used up, as a timer is by firing, and that is a step. `depth` counts levels, as TLC does: initial states alone make 1.

*Bounds.* A search that met one says so: its verdict is never that a claim holds.

Sources: Clarke, Grumberg and Peled, *Model Checking*, 1999, chapters 3 and 4 (computation tree logic and its checking);
Yu, Manolios and Lamport, "Model checking TLA+ specifications", CHARME 1999 (TLC); for crashes between effects, the
contract in :mod:`distlib.node`. How states are packed is in :mod:`distlib.runtimes.state_space`.

Examples
--------
Two clients take a lock from a server that forgets, when it crashes, to whom it gave it:

>>> from dataclasses import dataclass, replace
>>> from distlib.node import Node, Send, Step, World
>>> @dataclass(frozen=True)
... class Server(Node[str, None]):
...     taken: bool = False
...     def on_start(self, saved: None) -> Step["Server"]:
...         return self, ()
...     def on_message(self, source: str, message: str) -> Step["Server"]:
...         if self.taken:
...             return self, ()
...         return replace(self, taken=True), (Send(source, "yours"),)
>>> @dataclass(frozen=True)
... class Client(Node[str, None]):
...     holds: bool = False
...     def on_start(self, saved: None) -> Step["Client"]:
...         return self, (Send("server", "lock"),)
...     def on_message(self, source: str, message: str) -> Step["Client"]:
...         return replace(self, holds=True), ()
>>> def exclusive(world: World) -> bool:
...     return not (world.nodes["a"].holds and world.nodes["b"].holds)
>>> nodes = {"a": Client(), "b": Client(), "server": Server()}
>>> print(explore(nodes, always={"exclusive": exclusive}))
HOLDS: 9 states, 11 generated, depth 4, all explored
  always exclusive: in every state
>>> exploration = explore(nodes, always={"exclusive": exclusive}, crashes={"server": 1})
>>> exploration.verdict
<Verdict.VIOLATED: 'violated'>
>>> [event.kind.name for event in exploration.violations["exclusive"] if event.node == "server"]
['START', 'DELIVER', 'SEND', 'CRASH', 'START', 'DELIVER', 'SEND']
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from distlib.node import Node, World
from distlib.runtimes.replay import replay
from distlib.runtimes.state_space import Budgets, Network, Space
from distlib.runtimes.symmetry import Symmetry
from distlib.runtimes.trace import Trace

__all__ = ["Exploration", "Predicate", "Verdict", "explore"]

Predicate: TypeAlias = Callable[[World], bool]


class Verdict(Enum):
    """What an exploration found."""

    HOLDS = "holds"
    """Every state was explored and every claim holds."""
    VIOLATED = "violated"
    """A claim is refuted; a bound does not change that."""
    BOUNDS_REACHED = "bounds reached"
    """No claim is refuted, but not every state was explored."""


@dataclass(frozen=True)
class Exploration:
    """What was explored and what was found.

    Parameters
    ----------
    verdict
        See :class:`Verdict`.
    states
        Distinct states that were reached; with symmetry, orbits of states: see `orbits`.
    generated
        Initial states and steps, each counted once, also those that led to a state that was known.
    depth
        Levels of the breadth-first search: one more than the steps of a run that is shortest to the state farthest off.
    orbits
        With symmetry, the number of states that differ by more than names, which `states` then counts too; else None.
    bound
        The bound that was met, in words, or None.
    findings
        What is known of each claim, in words, by (kind, name).
    violations
        For each invariant that is broken, a shortest run that breaks it. Under "deadlock", one to a state that has no
        ordinary step and is not done.
    witnesses
        For each `sometimes` that was reached, a shortest run that reaches it.
    unwitnessed
        Each `sometimes` that no explored state satisfies.
    stuck
        For each `eventually_possible` that is refuted, a shortest run after which the goal is out of reach.
    """

    verdict: Verdict
    states: int
    generated: int
    depth: int
    orbits: int | None
    bound: str | None
    findings: Mapping[tuple[str, str], str] = field(repr=False)
    violations: Mapping[str, Trace] = field(repr=False)
    witnesses: Mapping[str, Trace] = field(repr=False)
    unwitnessed: tuple[str, ...] = field(repr=False)
    stuck: Mapping[str, Trace] = field(repr=False)

    def __str__(self) -> str:
        counted = "states" if self.orbits is None else "orbits of states"
        scope = "all explored" if self.bound is None else f"stopped by {self.bound}"
        counts = f"{self.states:,} {counted}, {self.generated:,} generated, depth {self.depth}"
        lines = [f"{self.verdict.name}: {counts}, {scope}"]
        lines += [f"  {kind} {name}: {finding}" for (kind, name), finding in self.findings.items()]
        return "\n".join(lines)

    def require_holds(self) -> Exploration:
        """Return the exploration itself if every claim holds in every state.

        Raises
        ------
        AssertionError
            If a claim is refuted, with a shortest counterexample; or if a bound was met, which proves nothing.
        """
        if self.verdict is Verdict.HOLDS:
            return self
        told = [str(self)]
        for name, trace in (*self.violations.items(), *self.stuck.items()):
            told.append(f"{name}, a shortest counterexample:\n{trace}")
        raise AssertionError("\n".join(told))


def explore(
    nodes: Mapping[str, Node[Any, Any]],
    *,
    messages: Network = "multiset",
    losses: int | None = 0,
    duplicates: int | None = 0,
    crashes: int | Mapping[str, int] = 0,
    restarts: int | None = None,
    timers: bool = True,
    clock_readings: Sequence[float] | None = None,
    always: Mapping[str, Predicate] = MappingProxyType({}),
    sometimes: Mapping[str, Predicate] = MappingProxyType({}),
    eventually_possible: Mapping[str, Predicate] = MappingProxyType({}),
    done: Predicate | None = None,
    repair: bool = False,
    within: Predicate | None = None,
    symmetry: Sequence[Collection[str]] = (),
    record_history: bool = False,
    max_states: int = 1_000_000,
    max_depth: int | None = None,
    crash_between_effects: bool = True,
    stop_at_violation: bool = False,
    progress: bool = False,
) -> Exploration:
    """Explore every state that the nodes can reach, and judge the claims about them.

    Parameters
    ----------
    nodes
        The initial nodes by name. They boot in this order.
    messages
        "multiset": each copy of a message is delivered at most once, in any order. "fifo": the same, but each link from
        one node to another keeps its order. "set": a set that only grows. Delivery does not remove, so that any message
        may come again, and none has to come: loss, duplication and reordering without limit, as in most TLA+
        specifications. A protocol that resends for ever has finitely many states only there.
    losses, duplicates
        How many messages the network may lose, and how many further copies it may make, in the whole run; None: any
        number. A copy is made as the message is delivered. Where messages are a set, leave both at 0.
    crashes
        How many crashes the whole run may have, or how many each of the named nodes may have.
    restarts
        How many restarts the whole run may have; None: as many as crashes.
    timers
        Whether timers fire. Those that are set may fire at any time.
    clock_readings
        What a clock may show, in seconds, each time a node reads it. Needed if one does.
    always, sometimes, eventually_possible
        Claims by name: predicates on a :class:`~distlib.node.World` that return a bool and depend on nothing else. Each
        is asked at most once about a state.
    done
        If given, a state that has no ordinary step and in which it does not hold violates "deadlock".
    repair
        Whether restarts are ordinary steps for `eventually_possible` and `done`, so that crashes may be waited for; if
        not, a node that is down counts as down for good. Crashes, losses and duplicates never are.
    within
        A bound: states where it does not hold are left out, with all that comes after them; steps to them are still
        counted as generated, as with TLC's CONSTRAINT.
    symmetry
        Groups of names of interchangeable nodes. Of states that differ only by a permutation of a group, one is
        explored. That nodes are interchangeable is checked; that predicates do not tell them apart is not.
    record_history
        Whether states include what clients invoked and completed, and which operations had ended when another began.
        `World.history` is then one order of events with just that real-time order: what linearizability needs, with
        fewer states than all orders have.
    max_states
        Bound on the number of distinct states, >= 1.
    max_depth
        Bound on the number of levels, >= 1. States of the last level are judged but not expanded.
    crash_between_effects
        Whether a crash may fall between two effects of one handler. Real ones do; False is there to show what changes.
    stop_at_violation
        Whether to stop at the first violation of `always`; the counts are then partial.
    progress
        Whether to report each level on standard error.

    Returns
    -------
    Exploration
        The verdict, the counts and the traces.

    Raises
    ------
    ValueError
        If an argument is out of bounds, a node sends to a name that is not in `nodes`, or the nodes of a group are not
        interchangeable.
    TypeError
        If a predicate does not return a bool, or a handler does not return a step.
    OverflowError
        If more copies of one message are in flight than can be counted: the protocol resends without bound.

    Examples
    --------
    See the head of this module.
    """
    _require_nodes(nodes)
    bounds = _Bounds(max_states, max_depth, within, stop_at_violation)
    claims = _Claims(dict(always), dict(sometimes), dict(eventually_possible), done)
    space = Space(
        nodes,
        network=_require_network(messages, losses, duplicates),
        budgets=_require_budgets(nodes, losses, duplicates, crashes, restarts),
        timers=timers,
        clock_readings=_require_readings(clock_readings),
        record_history=record_history,
        crash_between_effects=crash_between_effects,
        repair=repair,
    )
    search = _Search(space, Symmetry(space, symmetry).canonical if symmetry else None, claims, bounds)
    search.run(progress=progress)
    return search.result()


@dataclass(frozen=True, slots=True)
class _Claims:
    """What is to be judged."""

    always: dict[str, Predicate]
    sometimes: dict[str, Predicate]
    eventually_possible: dict[str, Predicate]
    done: Predicate | None

    def __post_init__(self) -> None:
        named = {
            f"{kind}[{name!r}]": predicate
            for kind in ("always", "sometimes", "eventually_possible")
            for name, predicate in getattr(self, kind).items()
        }
        for argument, predicate in named.items():
            if not callable(predicate):
                raise TypeError(f"{argument} must be a predicate on a World, got {predicate!r}")
        if self.done is not None and "deadlock" in self.always:
            raise ValueError("`always` must not use the name 'deadlock' where `done` is given")


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Where the search ends."""

    max_states: int
    max_depth: int | None
    within: Predicate | None
    stop_at_violation: bool

    def __post_init__(self) -> None:
        _require_at_least("max_states", self.max_states, 1)
        if self.max_depth is not None:
            _require_at_least("max_depth", self.max_depth, 1)


class _Search:
    """A breadth-first search and what it has found so far.

    States are numbered in the order in which they are met, and expanded in that order.
    """

    def __init__(self, space: Space, canonical: Callable[[int], int] | None, claims: _Claims, bounds: _Bounds) -> None:
        self._space, self._canonical, self._claims, self._bounds = space, canonical, claims, bounds
        self._states: list[int] = []
        self._numbers: dict[int, int] = {}
        """The number of each state: its place in that list."""
        self._parents = array("q")
        """For each state, the number of the one from which it was met; -1 if none."""
        self._outside: set[int] = set()
        self._generated = self._depth = self._expanded = 0
        self._bound: str | None = None
        self._violated: dict[str, int] = {}
        self._witnessed: dict[str, int] = {}
        self._open_always, self._open_sometimes = dict(claims.always), dict(claims.sometimes)
        self._holds = {name: bytearray() for name in claims.eventually_possible}
        """For each goal, whether it holds in each state."""
        self._sources, self._targets = array("q"), array("q")
        """The ordinary steps between states; kept only where there are goals."""
        self._leaving: list[int] = []
        """The states from which an ordinary step leads outside of the bound `within`."""

    def run(self, *, progress: bool) -> None:
        """Explore level by level until nothing is new or a bound is met."""
        for state in self._space.initial():
            self._generated += 1
            self._meet(self._canonical(state) if self._canonical else state, -1)
        if not self._states:
            raise ValueError("`within` must hold in an initial state")
        while len(self._states) > self._expanded:
            self._depth += 1
            if progress:
                print(f"level {self._depth}: {len(self._states):,} states", file=sys.stderr)
            if self._bound is None and self._depth == self._bounds.max_depth:
                self._bound = f"max_depth={self._depth}"
            if self._bound is not None:
                return
            self._expand_level()
        if self._outside:
            self._bound = "within"

    def _expand_level(self) -> None:
        """Meet the successors of all states that were met so far and not yet expanded."""
        numbers, done = self._numbers, self._claims.done
        for state in self._states[self._expanded :]:
            ordinary, others = self._successors(state)
            self._generated += len(ordinary) + len(others)
            for steps in (ordinary, others):
                for reached in steps:
                    if reached not in numbers:
                        self._meet(reached, self._expanded)
            if self._bound is not None:
                return
            if self._holds:
                self._keep_steps(ordinary)
            if not ordinary and done is not None and "deadlock" not in self._violated:
                world = self._space.world(state)
                if not self._ask("done", done, world, self._expanded):
                    self._violated["deadlock"] = self._expanded
            self._expanded += 1

    def _successors(self, state: int) -> tuple[list[int], list[int]]:
        """Return the states one step on, or their representatives."""
        canonical = self._canonical
        try:
            ordinary, others = self._space.successors(state)
            if canonical is not None:
                return [canonical(each) for each in ordinary], [canonical(each) for each in others]
            return ordinary, others
        except Exception as error:
            error.add_note(f"after these steps:\n{self._trace(self._expanded)}")
            raise

    def _keep_steps(self, ordinary: list[int]) -> None:
        """Keep the ordinary steps of the state that is being expanded."""
        targets = [self._numbers[reached] for reached in ordinary if reached in self._numbers]
        self._targets.extend(targets)
        self._sources.extend([self._expanded] * len(targets))
        if len(targets) < len(ordinary):
            self._leaving.append(self._expanded)

    def _meet(self, state: int, parent: int) -> None:
        """Take in a state that may be new, and judge it."""
        if self._bound is not None or state in self._numbers or state in self._outside:
            return
        if state & self._space.guards:
            self._space.require_countable(state)
        number = len(self._states)
        within = self._bounds.within
        if within is not None and not self._ask("within", within, self._space.world(state), parent):
            self._outside.add(state)
        elif number == self._bounds.max_states:
            self._bound = f"max_states={self._bounds.max_states:,}"
        else:
            self._numbers[state] = number
            self._states.append(state)
            self._parents.append(parent)
            if self._open_always or self._open_sometimes or self._holds:
                self._judge(self._space.world(state), number)

    def _judge(self, world: World, number: int) -> None:
        """Hold the claims against a state that was just met."""
        for name, predicate in tuple(self._open_always.items()):
            if not self._ask(f"always[{name!r}]", predicate, world, number):
                self._violated[name] = number
                del self._open_always[name]
                if self._bounds.stop_at_violation:
                    self._bound = "stop_at_violation"
        for name, predicate in tuple(self._open_sometimes.items()):
            if self._ask(f"sometimes[{name!r}]", predicate, world, number):
                self._witnessed[name] = number
                del self._open_sometimes[name]
        for name, holds in self._holds.items():
            predicate = self._claims.eventually_possible[name]
            holds.append(self._ask(f"eventually_possible[{name!r}]", predicate, world, number))

    def _ask(self, argument: str, predicate: Predicate, world: World, number: int) -> bool:
        """Return what a predicate says; where it fails, say how the state came about."""
        try:
            answer = predicate(world)
            if answer is not True and answer is not False:
                raise TypeError(f"{argument} must return a bool, got {answer!r}")
        except Exception as error:
            error.add_note(f"{argument}, after these steps:\n{self._trace(number)}")
            raise
        return answer

    def _trace(self, number: int) -> Trace:
        """Return a shortest run that leads to a state; nothing, where there is none yet."""
        if number < 0:
            return Trace((), self._space.names)
        return replay(self._space, [self._states[each] for each in self._path(number)], self._canonical)

    def _path(self, number: int) -> list[int]:
        """Return the numbers of the states on the way to a state."""
        path = []
        while number >= 0:
            path.append(number)
            number = self._parents[number]
        return path[::-1]

    def _find_stuck(self) -> dict[str, int]:
        """Return, for each goal that is out of reach somewhere, the first such state.

        Goes backwards over ordinary steps from the states where the goal holds, and from those whose futures are not
        known because they were not expanded or a bound cut their steps off.
        """
        sources, targets = np.array(self._sources, np.int64), np.array(self._targets, np.int64)
        order = np.argsort(targets, kind="stable")
        sources = sources[order]
        # The steps into state `n` are those from `first[n]` up to `first[n + 1]`.
        first = np.searchsorted(targets[order], np.arange(len(self._states) + 1))
        stuck: dict[str, int] = {}
        for name, holds in self._holds.items():
            reaches = np.frombuffer(holds, np.uint8).astype(bool)
            reaches[self._expanded :] = True
            reaches[self._leaving] = True
            frontier = np.flatnonzero(reaches)
            while frontier.size:
                counts = first[frontier + 1] - first[frontier]
                offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
                before = np.unique(sources[np.repeat(first[frontier], counts) + offsets])
                frontier = before[~reaches[before]]
                reaches[frontier] = True
            if not reaches.all():
                stuck[name] = int(np.argmin(reaches))
        return stuck

    def result(self) -> Exploration:
        """Judge the whole."""
        stuck = self._find_stuck()
        complete = self._bound is None
        refuted = bool(self._violated or stuck or (complete and self._open_sometimes))
        return Exploration(
            verdict=Verdict.VIOLATED if refuted else Verdict.HOLDS if complete else Verdict.BOUNDS_REACHED,
            states=len(self._states),
            generated=self._generated,
            depth=self._depth,
            orbits=None if self._canonical is None else len(self._states),
            bound=self._bound,
            findings=MappingProxyType(dict(self._findings(stuck))),
            violations=self._traces(self._violated),
            witnesses=self._traces(self._witnessed),
            unwitnessed=tuple(self._open_sometimes),
            stuck=self._traces(stuck),
        )

    def _traces(self, found: Mapping[str, int]) -> Mapping[str, Trace]:
        return MappingProxyType({name: self._trace(number) for name, number in found.items()})

    def _findings(self, stuck: Mapping[str, int]) -> Iterator[tuple[tuple[str, str], str]]:
        """Yield each claim with what is known of it."""
        scope = "state" if self._bound is None else "state explored"

        def told(found: Mapping[str, int], name: str, word: str, otherwise: str) -> str:
            if name not in found:
                return f"{otherwise} {scope}"
            steps = len(self._path(found[name])) - 1
            return f"{word} after {steps} step{'s' * (steps != 1)}"

        for name in self._claims.always:
            yield ("always", name), told(self._violated, name, "VIOLATED", "in every")
        for name in self._claims.sometimes:
            yield ("sometimes", name), told(self._witnessed, name, "reached", "in no")
        for name in self._claims.eventually_possible:
            yield ("eventually possible", name), told(stuck, name, "STUCK", "from every")
        if self._claims.done is not None:
            yield ("never", "deadlock"), told(self._violated, "deadlock", "VIOLATED", "in no")


def _require_at_least(name: str, value: object, bound: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < bound:
        raise ValueError(f"`{name}` must be an integer >= {bound}, got {value!r}")


def _require_nodes(nodes: Mapping[str, Node[Any, Any]]) -> None:
    if not nodes:
        raise ValueError("`nodes` must name at least one node, got none")
    for name, node in nodes.items():
        if not isinstance(name, str) or not isinstance(node, Node):
            raise TypeError(f"`nodes` must map names to nodes, got {name!r}: {node!r}")
        try:
            hash(node)
        except TypeError as error:
            raise TypeError(f"`nodes` must be hashable (frozen, with tuples and frozensets), got {node!r}") from error


def _require_network(messages: Network, losses: int | None, duplicates: int | None) -> Network:
    if messages not in ("multiset", "set", "fifo"):
        raise ValueError(f"`messages` must be 'multiset', 'set' or 'fifo', got {messages!r}")
    if messages == "set" and (losses != 0 or duplicates != 0):
        raise ValueError(
            "`losses` and `duplicates` must be 0 where `messages` is 'set', since there any message may come again or "
            f"never, got {losses!r} and {duplicates!r}"
        )
    return messages


def _require_budgets(
    nodes: Mapping[str, Node[Any, Any]],
    losses: int | None,
    duplicates: int | None,
    crashes: int | Mapping[str, int],
    restarts: int | None,
) -> Budgets:
    """Return the budgets if they make sense."""
    for budget, count in (("losses", losses), ("duplicates", duplicates), ("restarts", restarts)):
        if count is not None:
            _require_at_least(budget, count, 0)
    if not isinstance(crashes, Mapping):
        _require_at_least("crashes", crashes, 0)
        return Budgets(losses, duplicates, crashes, restarts)
    for name, count in crashes.items():
        if name not in nodes:
            raise ValueError(f"`crashes` must name nodes among {', '.join(nodes)}, got {name!r}")
        _require_at_least(f"crashes[{name!r}]", count, 0)
    return Budgets(losses, duplicates, dict(crashes), restarts)


def _require_readings(clock_readings: Sequence[float] | None) -> tuple[float, ...] | None:
    if clock_readings is None:
        return None
    readings = tuple(clock_readings)
    if not readings or not all(math.isfinite(seconds) for seconds in readings):
        raise ValueError(f"`clock_readings` must be one or more finite numbers of seconds, got {clock_readings!r}")
    return readings
