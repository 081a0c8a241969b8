"""Sequential consistency: one order of all operations that keeps each process's own.

Theory of operation
-------------------
Lamport (1979) asks for one order of all operations that explains every result and in which the operations of each
process stand as that process issued them. It is linearizability without real time. So the search is that of a
linearizability checker with another set of operations that may come next: the first of each process that is left. A
configuration is how far each process has come, together with the object's state; none is visited twice. To decide
this is NP-complete (Gibbons & Korach 1997). Hence a budget, and a third verdict.

Three things cut the search short:

- an operation that observes and fits the state may come at once: it cannot be in the way of any other;
- registers with distinct writes tell what their reads saw, and :class:`~distlib.checkers.register_order.ImpliedOrder`
  what that forces. A circle refutes the history without any search, and with a proof in words; and what is forced to
  come later is not tried;
- an operation whose outcome is UNKNOWN comes after those before it in its process, or never; nothing waits for it.

Unlike linearizability, sequential consistency is not local: a history may be sequentially consistent for each object
and not for all (Herlihy & Wing 1990, section 3.3). So the objects into which a model falls apart are searched
together, each with its own state.

Sources
-------
- L. Lamport: *How to Make a Multiprocessor Computer That Correctly Executes Multiprocess Programs*. IEEE ToC C-28(9),
  1979.
- P. Gibbons, E. Korach: *Testing Shared Memories*. SIAM Journal on Computing 26(4), 1997.
- M. Herlihy, J. Wing: *Linearizability: A Correctness Condition for Concurrent Objects*. TOPLAS 12(3), 1990.

Examples
--------
A stale read is sequentially consistent, if the reader may be thought of as late:

>>> from distlib.checkers.history import History, Operation
>>> from distlib.checkers.sequential_models import register
>>> history = History((Operation("a", ("write", 1), None, 0, 1), Operation("b", ("read",), 0, 2, 3)))
>>> verdict = check_sequential(history, register(0))
>>> verdict.holds, [str(operation) for operation in verdict.witness]
(True, ['b: read → 0', 'a: write 1'])
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from distlib.checkers.history import History, Operation
from distlib.checkers.register_order import Edge, ImpliedOrder, RegisterHistory, Why
from distlib.checkers.sequential_models import Model, by_key, register
from distlib.checkers.verdict import Judgement, Verdict, Violation
from distlib.node import Outcome

__all__ = ["check_sequential"]

_MODEL: Final = "sequential consistency"
_REGISTERS: Final = (register().name, by_key(register()).name)

States: TypeAlias = tuple[Hashable, ...]


def check_sequential(history: History, model: Model, *, budget_configurations: int = 200_000) -> Verdict:
    """Decide whether one order of all operations explains a history and keeps each process's order.

    Parameters
    ----------
    history
        What the clients saw.
    model
        What the object does if operations come one at a time. One that falls apart by key is searched with all its
        keys together.
    budget_configurations
        How many configurations to visit at most.

    Returns
    -------
    Verdict
        UNKNOWN if the budget was spent. If it HOLDS, its `witness` is such an order.

    Raises
    ------
    ValueError
        If an operation is not one of the model's, or `budget_configurations` is below 1.
    """
    if budget_configurations < 1:
        raise ValueError(f"`budget_configurations` must be at least 1, got {budget_configurations!r}")
    model.validate(history)
    refuted, before = _force(history, model)
    if refuted is not None:
        return Verdict.of(_MODEL, (refuted,))
    search = _Search(_Problem.of(history, model, before), model, budget_configurations)
    witness = search.run()
    if witness is not None:
        return Verdict(_MODEL, Judgement.HOLDS, witness=witness)
    return Verdict(_MODEL, Judgement.UNKNOWN if search.is_spent else Judgement.VIOLATED)


def _force(history: History, model: Model) -> tuple[Violation | None, dict[Operation, frozenset[Operation]]]:
    """Return what refutes a history of registers without a search, or what must come before each of its operations."""
    if model.name not in _REGISTERS or not _writes_are_distinct(history, model.initial):
        return None, {}
    registers = RegisterHistory.from_history(history, initial=model.initial)
    edges = [Edge(*pair, Why.PROGRAM) for pair in registers.program_order]
    order = ImpliedOrder(registers, [*edges, *registers.reads_from(registers.origins)], registers.origins)
    refuted = next(iter(registers.find_thin_air()), None) or order.refute()
    if refuted is not None:
        return refuted, {}
    operations = [access.operation for access in registers.accesses]
    return None, {
        operations[index]: frozenset(operations[other] for other in range(len(operations)) if bits >> other & 1)
        for index, bits in enumerate(order.predecessors())
    }


def _writes_are_distinct(history: History, initial: Hashable) -> bool:
    """Return whether each read tells which write it saw: none is repeated, and none writes the initial value."""
    asked: list[Any] = [operation.operation for operation in history if operation.outcome is not Outcome.FAIL]
    writes = [one for one in asked if one[0] == "write"]
    return len(set(writes)) == len(writes) and all(one[-1] != initial for one in writes)


@dataclass(frozen=True)
class _Problem:
    """What is to be put in order.

    Parameters
    ----------
    programs
        What each process did for certain, in order.
    optional
        What may have taken effect: the operation, and which program it comes behind, at which place at the earliest.
    parts
        By operation: which of the independent objects it is on.
    needs
        By operation: how far each program has to be before it, as (program, place), where that is more than its own
        order says.
    """

    programs: tuple[tuple[Operation, ...], ...]
    optional: tuple[tuple[Operation, int, int], ...]
    parts: dict[Operation, int]
    needs: dict[Operation, tuple[tuple[int, int], ...]]

    @classmethod
    def of(cls, history: History, model: Model, before: dict[Operation, frozenset[Operation]]) -> _Problem:
        """Lay out a history for the search."""
        programs: dict[Hashable, list[Operation]] = {process: [] for process in history.processes}
        numbers = {process: number for number, process in enumerate(programs)}
        optional: list[tuple[Operation, int, int]] = []
        places: dict[Operation, tuple[int, int]] = {}
        for operation in history:
            program = programs[operation.process]
            if operation.outcome is Outcome.OK:
                places[operation] = numbers[operation.process], len(program) + 1
                program.append(operation)
            elif operation.outcome is Outcome.UNKNOWN and not model.observes(operation.operation, operation.result):
                optional.append((operation, numbers[operation.process], len(program)))
        parts = {
            operation: number for number, part in enumerate(model.partition(history).values()) for operation in part
        }
        needs = {
            operation: tuple(dict(sorted(places[other] for other in others if other in places)).items())
            for operation, others in before.items()
        }
        return cls(tuple(map(tuple, programs.values())), tuple(optional), parts, needs)


Configuration: TypeAlias = tuple[tuple[int, ...], int, States]
"""How many operations of each program have been placed, which optional ones (as bits), and the state of each part."""


class _Search:
    """A depth-first search that visits no configuration twice."""

    def __init__(self, problem: _Problem, model: Model, budget_configurations: int) -> None:
        self._problem = problem
        self._model = model
        self._budget = budget_configurations
        self.is_spent = False

    def run(self) -> tuple[Operation, ...] | None:
        """Return an order that explains everything; None if there is none, or if the budget was spent."""
        part_count = max(self._problem.parts.values(), default=-1) + 1
        start: Configuration = (0,) * len(self._problem.programs), 0, (self._model.initial,) * part_count
        goal = tuple(map(len, self._problem.programs))
        visited: set[Configuration] = {start}
        order: list[Operation] = []
        stack = [self._moves(start)]
        if start[0] == goal:
            return ()
        while stack:
            move = next(stack[-1], None)
            if move is None:
                stack.pop()
                if order:
                    order.pop()
                continue
            operation, configuration = move
            if configuration in visited:
                continue
            if configuration[0] == goal:
                return (*order, operation)
            if len(visited) >= self._budget:
                self.is_spent = True
                return None
            visited.add(configuration)
            order.append(operation)
            stack.append(self._moves(configuration))
        return None

    def _moves(self, configuration: Configuration) -> Iterator[tuple[Operation, Configuration]]:
        """Yield what may come next, and where it leads: what was invoked first comes first."""
        positions, taken, states = configuration
        heads = [
            (program[position], number)
            for number, (program, position) in enumerate(zip(self._problem.programs, positions, strict=True))
            if position < len(program) and self._is_due(program[position], positions)
        ]
        for operation, number in heads:
            if self._model.observes(operation.operation, operation.result) and self._step(operation, states):
                yield operation, (_advance(positions, number), taken, states)
                return
        for operation, number in sorted(heads, key=lambda head: head[0].invoked):
            for following in self._step(operation, states):
                yield operation, (_advance(positions, number), taken, following)
        for bit, (operation, number, place) in enumerate(self._problem.optional):
            if not taken >> bit & 1 and positions[number] >= place and self._is_due(operation, positions):
                for following in self._step(operation, states):
                    yield operation, (positions, taken | 1 << bit, following)

    def _is_due(self, operation: Operation, positions: Sequence[int]) -> bool:
        return all(positions[program] >= place for program, place in self._problem.needs.get(operation, ()))

    def _step(self, operation: Operation, states: States) -> list[States]:
        """Return the states that an operation with its result can lead to."""
        part = self._problem.parts[operation]
        possible = self._model.step(states[part], operation.operation, operation.result)
        return [(*states[:part], state, *states[part + 1 :]) for state in possible]


def _advance(positions: tuple[int, ...], number: int) -> tuple[int, ...]:
    return (*positions[:number], positions[number] + 1, *positions[number + 1 :])
