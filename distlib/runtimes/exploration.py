"""An explicit-state model checker: every interleaving, every crash point, of a small instance of a protocol.

Theory of operation
-------------------
:func:`explore` starts from the booted nodes and follows, breadth first, everything that can happen next:

- a message in flight reaches its node, in any order (or in the order of its link, on a FIFO network);
- a message is lost, or is delivered while the network keeps one more copy of it, within budgets;
- a timer that is set fires: durations are ignored, so every ratio of speeds is covered;
- a node crashes between two handlers or between two effects of one handler, within a budget; a message that a handler
  had consumed is gone, what it had sent before is on its way, what it had saved is durable. An unforced
  save may be kept or lost. Timers die. A message that reaches a node that is down is lost;
- a node that is down restarts: `on_start` of its *initial* node with the durable value.

All nodes boot before anything else happens; with a budget for crashes, a boot may be cut short as any handler may.
Handlers are pure, so two states that are equal have equal futures, and each is expanded once. Breadth first means
that the first state found to break an invariant is reached by a shortest run, which is replayed through the real handlers
as a :class:`~distlib.runtimes.trace.Trace`.

Three kinds of claim are checked. `always`: an invariant (AG in computation tree logic). `sometimes`: some reachable
state satisfies it (EF), which guards against a claim that holds because nothing happens. `eventually_possible`: from every
reachable state the goal can still be reached *without another fault* (AG EF). A state from where it cannot is *stuck*: this
is how a claim that a protocol does not block is refuted.

What is counted. `states` are distinct states of the whole system. `generated` counts the initial states and one for each step
of each state, as TLC does, also where a step leads back to the same state. A handler that returns its own node and no
effects ignored its stimulus: on a network that is a set nothing happened, and no step is counted; on the others
the message is gone and on a timer the timer is, so that is a step. `depth` is the number of levels, as TLC counts: an
initial state alone has depth 1.

A search that meets a bound says so: its verdict is never that a claim holds.

Sources: Clarke, Grumberg and Peled, *Model Checking*, 1999, chapters 3, 4 and 10; Yu, Manolios and Lamport, "Model Checking
TLA+ Specifications", 1999 (TLC; its counts); Ip and Dill, "Better Verification through Symmetry", 1996.

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

import sys
from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from distlib.node import Node, World
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
        Initial states and steps, each counted once, also where they led to a state that was known.
    depth
        Levels of the breadth-first search: one more than the steps of the longest of the shortest runs.
    orbits
        With symmetry: the number of states that are distinct up to renaming, which `states` then counts too. Else None.
    claims
        For each claim, as (kind, name): what is known of it, in words.
    violations
        For each invariant that is broken, a shortest run that breaks it; "deadlock", if there is one that is not done.
    witnesses
        For each `sometimes` that was reached, a shortest run that reaches it.
    unwitnessed
        Each `sometimes` that no explored state satisfies.
    stuck
        For each `eventually_possible` that is refuted, a shortest run after which the goal is out of reach.
    bound
        The bound that was met, in words, or None.
    """

    verdict: Verdict
    states: int
    generated: int
    depth: int
    orbits: int | None
    claims: Mapping[tuple[str, str], str] = field(repr=False)
    violations: Mapping[str, Trace] = field(repr=False)
    witnesses: Mapping[str, Trace] = field(repr=False)
    unwitnessed: tuple[str, ...]
    stuck: Mapping[str, Trace] = field(repr=False)
    bound: str | None

    def __str__(self) -> str:
        counted = "orbits of states" if self.orbits is not None else "states"
        scope = "all explored" if self.bound is None else f"stopped: {self.bound}"
        lines = [
            f"{self.verdict.name}: {self.states:,} {counted}, {self.generated:,} generated, depth {self.depth}, {scope}"
        ]
        lines += [f"  {kind} {name}: {finding}" for (kind, name), finding in self.claims.items()]
        return "\n".join(lines)

    def require_holds(self) -> Exploration:
        """Return the exploration itself if every claim holds in every state.

        Raises
        ------
        AssertionError
            If a claim is refuted, with the counterexample; or if a bound was met, which decides nothing.
        """
        if self.verdict is Verdict.HOLDS:
            return self
        told = [str(self)]
        for name, trace in (*self.violations.items(), *self.stuck.items()):
            told.append(f"{name}, shortest counterexample:\n{trace}")
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
    repair: bool = False,
    done: Predicate | None = None,
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
        "multiset": each copy of a message is delivered at most once, in any order. "fifo": the same, but each link from one
        node to another keeps its order. "set": a set that only grows; to deliver does not remove, so that any message may
        come again, and none has to come: loss, duplication and reordering without limit, as in most TLA+ specifications.
    losses, duplicates
        How many messages the network may lose, and how many further copies it may make, in the whole run; None: any
        number. A copy is made as the message is delivered (in a FIFO link: the copy stays at the head). For a set: 0.
    crashes
        How many crashes the whole run may have; or how many each node may have.
    restarts
        How many restarts the whole run may have; None: as many as crashes.
    timers
        Whether timers fire. Those that are set may fire at any time.
    clock_readings
        What a clock may show, in seconds, each time a node reads it. Needed if one does.
    always, sometimes, eventually_possible
        Claims by name: predicates on a :class:`~distlib.node.World`. They must return a bool, must not keep state, and
        are called at most once for each distinct state.
    repair
        Whether a restart is an ordinary step for `eventually_possible` and `done`, or a node that is down counts as
        down for good.
    done
        If given, a state without any ordinary step in which it does not hold is a violation named "deadlock".
    symmetry
        Groups of names of interchangeable nodes. Of states that differ only by a permutation of a group, one is
        explored. The nodes must be symmetric, which is checked, and the predicates too, which is not.
    record_history
        Whether states include what clients invoked and completed: for each client its operations with their results, and for
        each operation which operations of the others had completed before it began. `World.history` is then one order
        of events with just that real-time order: enough for linearizability, and fewer states than all orders.
    max_states
        Bound on the number of distinct states, >= 1.
    max_depth
        Bound on the number of levels, >= 1; the states of the last level are judged, but not expanded.
    crash_between_effects
        Whether a crash may fall between two effects of one handler. Real crashes do; False is to show the difference.
    stop_at_violation
        Whether to stop at the first violation of `always`. The counts are then partial.
    progress
        Whether to report each level on standard error.

    Returns
    -------
    Exploration
        The verdict, the counts and the traces.

    Raises
    ------
    ValueError
        If an argument is outside its bounds, a node sends to a name that is not in `nodes`, or the nodes are not
        symmetric.
    TypeError
        If a predicate does not return a bool, or a node is not one.
    OverflowError
        If more copies of one message are in flight than can be counted: the protocol resends without bound.

    Examples
    --------
    See the head of this module.
    """
    budgets = _require_budgets(nodes, messages, losses, duplicates, crashes, restarts)
    _require_at_least("max_states", max_states, 1)
    if max_depth is not None:
        _require_at_least("max_depth", max_depth, 1)
    _require_predicates(always, sometimes, eventually_possible, done)
    space = Space(
        nodes,
        network=messages,
        budgets=budgets,
        timers=timers,
        clock_readings=None if clock_readings is None else tuple(clock_readings),
        record_history=record_history,
        crash_between_effects=crash_between_effects,
        repair=repair,
    )
    canonical = Symmetry(space, symmetry).canonical if symmetry else None
    search = _Search(space, canonical, always, sometimes, eventually_possible, done, max_states, max_depth, stop_at_violation)
    search.run(progress)
    return search.result()


class _Search:
    """A breadth-first search and what it has found so far."""

    def __init__(
        self,
        space: Space,
        canonical: Callable[[int], int] | None,
        always: Mapping[str, Predicate],
        sometimes: Mapping[str, Predicate],
        eventually_possible: Mapping[str, Predicate],
        done: Predicate | None,
        max_states: int,
        max_depth: int | None,
        stop_at_violation: bool,
    ) -> None:
        self._space = space
        self._canonical = canonical
        self._always, self._sometimes, self._goals = dict(always), dict(sometimes), dict(eventually_possible)
        self._done = done
        self._max_states, self._max_depth, self._stop_at_violation = max_states, max_depth, stop_at_violation
        self._index: dict[int, int] = {}
        """Every state that was reached, in order, with its number."""
        self._parents = array("q")
        self._generated = 0
        self._depth = 0
        self._expanded = 0
        """The states up to this number were expanded: breadth-first search leaves none out."""
        self._bound: str | None = None
        self._violated: dict[str, int] = {}
        self._witnessed: dict[str, int] = {}
        self._open_always, self._open_sometimes = dict(always), dict(sometimes)
        self._reaches = {name: bytearray() for name in eventually_possible}
        """For each goal and each state, whether it holds there."""
        self._sources, self._targets = array("q"), array("q")
        """The ordinary steps between states; kept only where there are goals."""

    def run(self, progress: bool = False) -> None:
        """Explore level by level until nothing is new or a bound is met."""
        for state in self._space.initial():
            self._generated += 1
            state = self._canonical(state) if self._canonical else state
            if state not in self._index:
                self._meet(state, -1)
        level = list(self._index)
        while level:
            self._depth += 1
            if progress:
                print(f"level {self._depth}: {len(self._index):,} states", file=sys.stderr)
            if self._bound is None and self._depth == self._max_depth:
                self._bound = f"max_depth={self._max_depth}"
            if self._bound is not None:
                return
            level = self._expand(level)

    def _expand(self, level: list[int]) -> list[int]:
        """Meet the successors of a level's states; return those that are new."""
        index, space, canonical, edges = self._index, self._space, self._canonical, bool(self._goals)
        fresh: list[int] = []
        for state in level:
            try:
                ordinary, others = space.successors(state)
            except Exception as error:
                error.add_note(f"The steps that led there:\n{self._trace(self._expanded)}")
                raise
            if canonical is not None:
                ordinary, others = [canonical(each) for each in ordinary], [canonical(each) for each in others]
            self._generated += len(ordinary) + len(others)
            for reached in (*ordinary, *others):
                if reached not in index:
                    self._meet(reached, self._expanded)
                    fresh.append(reached)
                    if self._bound is not None:
                        return fresh
            if edges:
                self._targets.extend([index[reached] for reached in ordinary])
                self._sources.extend([self._expanded] * len(ordinary))
            if not ordinary and self._done is not None and "deadlock" not in self._violated:
                self._judge_deadlock(state, self._expanded)
            self._expanded += 1
        return fresh

    def _meet(self, state: int, parent: int) -> None:
        """Take in a state that is new, and judge it."""
        if state & self._space.guards:
            self._space.check_copies(state)
        index = self._index
        number = len(index)
        if number >= self._max_states:
            self._bound = f"max_states={self._max_states:,}"
            return
        index[state] = number
        self._parents.append(parent)
        if not (self._open_always or self._open_sometimes or self._reaches):
            return
        world = self._space.world(state)
        for name, predicate in tuple(self._open_always.items()):
            if not self._ask("always", name, predicate, world, number):
                self._violated[name] = number
                del self._open_always[name]
                if self._stop_at_violation:
                    self._bound = "stop_at_violation"
        for name, predicate in tuple(self._open_sometimes.items()):
            if self._ask("sometimes", name, predicate, world, number):
                self._witnessed[name] = number
                del self._open_sometimes[name]
        for name, holds in self._reaches.items():
            holds.append(self._ask("eventually_possible", name, self._goals[name], world, number))

    def _ask(self, kind: str, name: str, predicate: Predicate, world: World, number: int) -> bool:
        try:
            answer = predicate(world)
        except Exception as error:
            error.add_note(f"Raised by {kind} {name!r} after these steps:\n{self._trace(number)}")
            raise
        if answer is not True and answer is not False:
            raise TypeError(f"{kind} {name!r} must return a bool, got {answer!r}")
        return answer

    def _judge_deadlock(self, state: int, number: int) -> None:
        assert self._done is not None
        if not self._ask("done", "done", self._done, self._space.world(state), number):
            self._violated["deadlock"] = number

    def _trace(self, number: int) -> Trace:
        """Return the run that led to a state."""
        states = list(self._index)
        path = []
        while number >= 0:
            path.append(states[number])
            number = self._parents[number]
        return self._space.trace(path[::-1], self._canonical)

    def _find_stuck(self) -> dict[str, int]:
        """Return, for each goal that is out of reach somewhere, the first such state.

        Goes backwards over ordinary steps from the states that satisfy the goal, and from those that were not expanded, whose
        futures are unknown.
        """
        sources, targets = np.frombuffer(self._sources, np.int64), np.frombuffer(self._targets, np.int64)
        stuck: dict[str, int] = {}
        for name, holds in self._reaches.items():
            reaches = np.frombuffer(holds, np.uint8).astype(bool)
            reaches[self._expanded :] = True
            count = -1
            while (now := int(reaches.sum())) != count:
                count = now
                reaches[sources[reaches[targets]]] = True
            if count < len(reaches):
                stuck[name] = int(np.argmin(reaches))
        return stuck

    def result(self) -> Exploration:
        """Judge the whole."""
        stuck = self._find_stuck() if self._goals else {}
        complete = self._bound is None
        refuted = bool(self._violated or stuck or (complete and self._open_sometimes))
        verdict = Verdict.VIOLATED if refuted else Verdict.HOLDS if complete else Verdict.BOUNDS_REACHED
        violations = {name: self._trace(number) for name, number in self._violated.items()}
        witnesses = {name: self._trace(number) for name, number in self._witnessed.items()}
        return Exploration(
            verdict=verdict,
            states=len(self._index),
            generated=self._generated,
            depth=self._depth,
            orbits=None if self._canonical is None else len(self._index),
            claims=self._findings(stuck),
            violations=MappingProxyType(violations),
            witnesses=MappingProxyType(witnesses),
            unwitnessed=tuple(self._open_sometimes),
            stuck=MappingProxyType({name: self._trace(number) for name, number in stuck.items()}),
            bound=self._bound,
        )

    def _findings(self, stuck: Mapping[str, int]) -> Mapping[tuple[str, str], str]:
        """Say of each claim what is known."""
        scope = "every state" if self._bound is None else "every state explored"
        nowhere = "in no state" if self._bound is None else "in no state explored"
        findings: dict[tuple[str, str], str] = {}

        def after(number: int) -> str:
            return f"after {self._steps(number)} step{'s' * (self._steps(number) != 1)}"

        for name in self._always:
            number = self._violated.get(name)
            findings["always", name] = f"in {scope}" if number is None else f"VIOLATED {after(number)}"
        for name in self._sometimes:
            number = self._witnessed.get(name)
            findings["sometimes", name] = nowhere if number is None else f"reached {after(number)}"
        for name in self._goals:
            number = stuck.get(name)
            findings["eventually possible", name] = f"from {scope}" if number is None else f"STUCK {after(number)}"
        if self._done is not None:
            number = self._violated.get("deadlock")
            findings["no", "deadlock"] = f"in {scope}" if number is None else f"VIOLATED {after(number)}"
        return MappingProxyType(findings)

    def _steps(self, number: int) -> int:
        """Return how many steps led to a state."""
        count = -1
        while number >= 0:
            count, number = count + 1, self._parents[number]
        return count


def _require_at_least(name: str, value: object, bound: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < bound:
        raise ValueError(f"`{name}` must be an integer >= {bound}, got {value!r}")


def _require_budgets(
    nodes: Mapping[str, Node[Any, Any]],
    messages: Network,
    losses: int | None,
    duplicates: int | None,
    crashes: int | Mapping[str, int],
    restarts: int | None,
) -> Budgets:
    """Return the budgets if they and the nodes make sense."""
    if not nodes:
        raise ValueError("`nodes` must name at least one node, got none")
    for name, node in nodes.items():
        if not isinstance(name, str) or not isinstance(node, Node):
            raise TypeError(f"`nodes` must map names to nodes, got {name!r}: {node!r}")
    if messages not in ("multiset", "set", "fifo"):
        raise ValueError(f"`messages` must be 'multiset', 'set' or 'fifo', got {messages!r}")
    for budget, count in (("losses", losses), ("duplicates", duplicates), ("restarts", restarts)):
        if count is not None:
            _require_at_least(budget, count, 0)
    if messages == "set" and (losses != 0 or duplicates != 0):
        raise ValueError(
            "`losses` and `duplicates` must be 0 where `messages` is 'set', because any message there may come again or "
            f"never, got {losses!r} and {duplicates!r}"
        )
    if isinstance(crashes, Mapping):
        for name, count in crashes.items():
            if name not in nodes:
                raise ValueError(f"`crashes` must name nodes among {', '.join(nodes)}, got {name!r}")
            _require_at_least(f"crashes[{name!r}]", count, 0)
        crashes = dict(crashes) if any(crashes.values()) else 0
    else:
        _require_at_least("crashes", crashes, 0)
    return Budgets(losses, duplicates, crashes, restarts)


def _require_predicates(
    always: Mapping[str, Predicate],
    sometimes: Mapping[str, Predicate],
    eventually_possible: Mapping[str, Predicate],
    done: Predicate | None,
) -> None:
    for kind, predicates in (("always", always), ("sometimes", sometimes), ("eventually_possible", eventually_possible)):
        if not isinstance(predicates, Mapping):
            raise TypeError(f"`{kind}` must map names to predicates, got {predicates!r}")
        for name, predicate in predicates.items():
            if not callable(predicate):
                raise TypeError(f"{kind}[{name!r}] must be a predicate on a World, got {predicate!r}")
    if "deadlock" in always and done is not None:
        raise ValueError("`always` must not use the name 'deadlock' where `done` is given")
