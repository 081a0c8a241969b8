"""Look for a legal order of concurrent operations: the search behind :mod:`distlib.checkers.linearizability`.

Theory of operation
-------------------
The search builds an order from its beginning. At each point, any operation may come next that was invoked before
the first completion among those not yet taken (Wing and Gong 1993). Two ways that have taken the same operations and
led to the same state have the same future, so the second is cut off (Lowe 2017). How such a point, a *configuration*,
is written down is told in :mod:`~distlib.checkers.linearization_layout`: the position of the first operation that is
still to complete, bits for the required operations beyond it that were taken early, bits for the optional ones that
were taken, and the state. What else is cut off:

- *Domination.* Of two configurations that differ only in the optional operations they have taken, the one that has
  taken less can do all that the other can, in as many steps. So the other is cut off.
- *Observers.* A read that is possible now is taken now: whatever comes next may come after it. Note that this is wrong
  for a write that happens to leave the state as it is, because it may be needed later. So it takes the model to say
  which operations observe.
- An optional operation that leaves the state as it is is left out.
- A state that does not come back is not left before all is taken that needs it, and not in a way that what was seen
  later excludes.

The search goes depth first, with a stack of its own. What completes first is tried first, because an order that was
possible in reality tends to be close to this one. It can be done in portions, so that several searches can take turns.

References
----------
- J. Wing, C. Gong. Testing and verifying concurrent objects. Journal of Parallel and Distributed Computing 17, 1993.
- G. Lowe. Testing for linearizability. Concurrency and Computation: Practice and Experience 29(4), 2017.
- A. Athalye. Porcupine, 2017, https://github.com/anishathalye/porcupine: a model as data, partitions.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Hashable, Iterator, Sequence
from typing import Final, TypeAlias

from distlib.checkers.budget import Budget, BudgetExhaustedError
from distlib.checkers.history import Operation
from distlib.checkers.linearization_layout import Stay, Wait, lay_out
from distlib.checkers.sequential_models import Model

__all__ = ["Search"]

_CONFIGURATION_BYTES: Final = 250
"""What a remembered configuration takes besides its bits, on the high side: a number and its entry in a dictionary."""
_FRAME_BYTES: Final = 600
"""What a configuration on the way to the current one takes: its moves, of which some are left to try."""
_STATE_BYTES: Final = 500
"""What a state takes besides itself: its number, its entry in a dictionary, the table of its steps."""
_STEP_BYTES: Final = 150
_ANY_STAY: Final = Stay()
_BATCH_COUNT: Final = 64
"""How many configurations are explored between two looks at the budget."""

_Configuration: TypeAlias = tuple[int, int, int, int]
"""(position, bits of the required, bits of the optional that were taken, number of the state)"""


class Search:
    """A search for a legal order of operations on one object, which can be done in portions.

    Parameters
    ----------
    operations
        Sorted by invocation, none with the outcome FAIL.
    model
        The object.
    budget
        What all searches of a check may spend together.
    strict
        Which of the operations that are OK must be taken, as indices; None for all. The others may be left out.

    Attributes
    ----------
    witness
        The order that was found last, as indices; None before.
    final_state
        The state after it.
    configuration_count
        How many configurations were explored.

    Raises
    ------
    BudgetExhaustedError
        If there is not even enough to prepare the search.
    """

    def __init__(
        self, operations: Sequence[Operation], model: Model, budget: Budget, strict: Collection[int] | None = None
    ) -> None:
        self.witness: list[int] | None = None
        self.final_state: Hashable = None
        self.configuration_count = 0
        self._model, self._budget = model, budget
        self._path: list[int] = []
        self._visited: dict[int, int | list[int]] = {}
        self._states: list[Hashable] = []
        self._numbers: dict[Hashable, int] = {}
        self._steps: list[dict[int, tuple[int, ...]]] = []
        self._stays: list[Stay] = []
        self._byte_count = 0
        # Each frame holds the moves left to try and the length of the path that they go on from.
        self._stack: list[tuple[Iterator[tuple[_Configuration, int]], int]] = []
        layout = lay_out(operations, model, budget, strict)
        if layout is not None:
            self._layout = layout
            self._end = len(layout.windows)
            self._byte_count = layout.byte_count
            self._push(iter([((0, 0, 0, self._number(model.initial)), -1)]))

    def advance(self, quota: int) -> bool | None:
        """Explore up to so many configurations. Return whether there is a legal order, or None if that is still open.

        After True, a further call looks for another order.

        Raises
        ------
        BudgetExhaustedError
            If the budget is spent.
        """
        end = self.configuration_count + quota
        answer: bool | None = None
        while answer is None and self.configuration_count < end:
            count, byte_count = self.configuration_count, self._byte_count
            batch = min(_BATCH_COUNT, end - count, self._budget.configurations)
            answer = self._explore(count + batch)
            self._budget.spend(self.configuration_count - count, self._byte_count - byte_count)
            if answer is None and batch == 0:
                raise BudgetExhaustedError("configurations")
        return answer

    def run(self) -> bool:
        """Explore until it is known whether there is a legal order, and forget the rest.

        Raises
        ------
        BudgetExhaustedError
            If the budget is spent first.
        """
        try:
            return bool(self.advance(sys.maxsize))
        finally:
            self.forget()

    def forget(self) -> None:
        """Give back the memory. The search cannot go on after that."""
        self._budget.byte_count += self._byte_count
        self._byte_count = 0
        self._stack, self._visited, self._states, self._numbers, self._steps, self._stays = [], {}, [], {}, [], []

    def _explore(self, end: int) -> bool | None:
        """Go on, depth first, until there is an answer or it takes more than `end` configurations."""
        while self._stack:
            moves, length = self._stack[-1]
            move = next(moves, None)
            if move is None:
                self._stack.pop()
                self._byte_count -= _FRAME_BYTES
                continue
            configuration, index = move
            del self._path[length:]
            if index >= 0:
                self._path.append(index)
            settled = self._settle(configuration)
            if settled[0] == self._end:
                self.witness, self.final_state = list(self._path), self._states[settled[3]]
                return True
            if self.configuration_count >= end:
                self._push(iter([(settled, -1)]))
                return None
            if not self._is_dominated(settled):
                self.configuration_count += 1
                self._byte_count += _CONFIGURATION_BYTES + settled[2].bit_length() // 4
                self._push(self._moves(settled))
        return False

    def _push(self, moves: Iterator[tuple[_Configuration, int]]) -> None:
        self._stack.append((moves, len(self._path)))
        self._byte_count += _FRAME_BYTES

    def _settle(self, configuration: _Configuration) -> _Configuration:
        """Do what needs no choice: pass what completes and is taken, and take the observers that can be."""
        position, bits, taken, state = configuration
        closing, windows, end = self._layout.closing, self._layout.windows, self._end
        go_on = True
        while go_on:
            while position < end:
                bit, required = closing[position]
                if required and bits & bit:
                    bits ^= bit
                elif not required and taken & bit:
                    taken ^= bit
                else:
                    break
                position += 1
            go_on = False
            for index, bit, kind, wait in windows[position].observers if position < end else ():
                if not bits & bit and _is_ready(wait, position, bits) and self._step(state, kind):
                    bits |= bit
                    self._path.append(index)
                    go_on = True
        return position, bits, taken, state

    def _is_dominated(self, configuration: _Configuration) -> bool:
        """Say whether another configuration can do all that this one can; if not, remember this one."""
        position, bits, taken, state = configuration
        key = (state * self._end + position) << self._layout.slot_count | bits
        others = self._visited.get(key)
        if others is None:
            self._visited[key] = taken
        elif isinstance(others, int):
            if others & taken == others:
                return True
            self._visited[key] = [others, taken]
        else:
            if any(other & taken == other for other in others):
                return True
            others[:] = [other for other in others if other & taken != taken]
            others.append(taken)
        return False

    def _moves(self, configuration: _Configuration) -> Iterator[tuple[_Configuration, int]]:
        """Yield the configurations that may come next, each with the index of what was taken, -1 for nothing."""
        position, bits, _, state = configuration
        moves = self._candidates(configuration)
        needed, exits = self._stays[state]
        left = {index for index, other, bit in needed if other >= position and not bits & bit}
        if not left and exits is None:
            return moves
        return (
            (after, index)
            for after, index in moves
            if after[3] == state or (left <= {index} and (exits is None or index in exits))
        )

    def _candidates(self, configuration: _Configuration) -> Iterator[tuple[_Configuration, int]]:
        """Yield what may come next as far as windows and steps go."""
        position, bits, taken, state = configuration
        window = self._layout.windows[position]
        if not self._layout.closing[position][1]:
            yield (position + 1, bits, taken, state), -1
        for index, bit, kind, wait in window.required:
            if not bits & bit and _is_ready(wait, position, bits):
                for after in self._step(state, kind):
                    yield (position, bits | bit, taken, after), index
        for index, bit, kind, wait in window.optional:
            if not taken & bit and _is_ready(wait, position, bits):
                for after in self._step(state, kind):
                    if after != state:
                        yield (position, bits, taken | bit, after), index
        for group in self._layout.groups[: window.group_count]:
            count = (taken >> group.shift & group.mask).bit_count()
            if count == len(group.members) or group.earliest[count] > window.latest:
                continue
            if _is_ready(group.wait, position, bits):
                for after in self._step(state, group.kind):
                    if after != state:
                        yield (position, bits, taken | 1 << group.shift + count, after), group.members[count]

    def _step(self, state: int, kind: int) -> tuple[int, ...]:
        """Return the states that an operation of this kind can lead to."""
        known = self._steps[state].get(kind)
        if known is None:
            operation, result = self._layout.kinds[kind]
            after = self._model.step(self._states[state], operation, result)
            known = tuple(self._number(one) for one in after)
            if known not in ((), (state,)) and self._model.observes(operation, result):
                raise ValueError(
                    f"the model {self._model.name!r} says that {operation!r} with the result {result!r} observes, "
                    f"but it leads from the state {self._states[state]!r} to {tuple(after)!r}"
                )
            self._steps[state][kind] = known
            self._byte_count += _STEP_BYTES
        return known

    def _number(self, state: Hashable) -> int:
        """Return the number of a state; states are compared by value once, and by number from then on."""
        number = self._numbers.get(state)
        if number is None:
            number = self._numbers[state] = len(self._states)
            self._states.append(state)
            self._steps.append({})
            self._stays.append(self._layout.stays.get(state, _ANY_STAY))
            self._byte_count += _STATE_BYTES + sys.getsizeof(state)
        return number


def _is_ready(wait: Wait, position: int, bits: int) -> bool:
    """Say whether all that an operation waits for is taken."""
    return all(other < position or bits & bit for other, bit in wait) if wait else True
