"""Sequential models: what each object would do if its operations came one at a time.

Theory of operation
-------------------
A :class:`Model` is data. Its `step` says which states an operation with its result can lead to: none if the object
could not have answered so. That is all that a checker needs to be right. Four more fields make it fast, and each is
a promise about `step`:

- `observes`: which operations never change the state. A checker may let one take effect as soon as it can.
- `partition`: how the history of independent objects falls apart into one for each. It is linearizable exactly if
  each of them is: linearizability is *local* (Herlihy and Wing 1990, theorem 1).
- `forced` and `visits`: what the results give away about the order: see :mod:`distlib.checkers.forced_order`.

Examples
--------
A light with a switch, which reports the state that it goes to:

>>> def toggle(state, operation, result):
...     return (not state,) if result in (not state, UNOBSERVED) else ()
>>> light = Model("light", initial=False, step=toggle, operations={"toggle": 0})
>>> light.step(False, ("toggle",), True), light.step(False, ("toggle",), False)
((True,), ())

References
----------
- M. Herlihy, J. Wing. Linearizability: a correctness condition for concurrent objects. TOPLAS 12(3), 1990.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from distlib.checkers.forced_order import (
    Pairs,
    Visits,
    forced_queue_order,
    forced_register_order,
    forced_set_order,
    forced_text_order,
    register_visits,
    text_visits,
)
from distlib.checkers.history import UNOBSERVED, History, Operation

__all__ = [
    "Model",
    "by_key",
    "compare_and_set_register",
    "counter",
    "fifo_queue",
    "key_value",
    "mutex",
    "register",
    "unordered_set",
]


def _never(operation: Any, result: Any) -> bool:
    return False


def _whole(history: History) -> Mapping[Hashable, History]:
    return {None: history}


def _no_pairs(operations: Sequence[Operation]) -> Pairs:
    return ()


def _no_visits(operations: Sequence[Operation]) -> Visits:
    return {}


@dataclass(frozen=True)
class Model:
    """An object as it would behave if its operations came one at a time.

    Parameters
    ----------
    name
        For messages.
    initial
        The state before any operation; hashable, as all states are.
    step
        ``step(state, operation, result)`` returns the states that the object may be in after this operation gave this
        result: ``()`` if it cannot have, one for a deterministic object, several for one that has a choice. The
        result may be :data:`~distlib.checkers.history.UNOBSERVED`.
    operations
        The names of the operations, each with its number of arguments.
    observes
        ``observes(operation, result)``: whether this operation with this result changes no state in which it is
        possible.
    partition
        Splits a history into those of independent objects, by key. The model is that of one of them.
    forced, visits
        Pairs of positions in a sequence of operations, and positions by state, with the promises that
        :mod:`distlib.checkers.forced_order` explains.
    """

    name: str
    initial: Hashable
    step: Callable[[Any, Any, Any], Collection[Hashable]]
    operations: Mapping[str, int]
    observes: Callable[[Any, Any], bool] = _never
    partition: Callable[[History], Mapping[Hashable, History]] = _whole
    forced: Callable[[Sequence[Operation]], Pairs] = _no_pairs
    visits: Callable[[Sequence[Operation]], Visits] = _no_visits

    def validate(self, history: History) -> None:
        """Raise unless each operation of the history is one of this model's.

        Raises
        ------
        ValueError
            If an operation is not ``(name, *arguments)`` with a known name and the right number of arguments.
        """
        for operation in history:
            asked = operation.operation
            if not (isinstance(asked, tuple) and asked and self.operations.get(asked[0]) == len(asked) - 1):
                known = ", ".join(f"{name} ({count})" for name, count in self.operations.items())
                raise ValueError(
                    f"an operation of the model {self.name!r} must be (name, *arguments) with one of the names (and "
                    f"numbers of arguments) {known}, got {asked!r} of process {operation.process!r}, invoked at "
                    f"{operation.invoked}"
                )


def by_key(model: Model) -> Model:
    """Return the model of many independent objects: each operation names one by its first argument.

    Examples
    --------
    >>> by_key(register()).operations
    {'read': 1, 'write': 2}
    """

    def without_key(operation: Any) -> Any:
        return (operation[0], *operation[2:])

    def partition(history: History) -> Mapping[Hashable, History]:
        groups: dict[Hashable, list[Operation]] = {}
        for operation in history:
            groups.setdefault(operation.asked[1], []).append(operation)
        return {key: History(tuple(group)) for key, group in groups.items()}

    def without_keys(operations: Sequence[Operation]) -> list[Operation]:
        return [replace(operation, operation=without_key(operation.operation)) for operation in operations]

    return Model(
        name=f"{model.name} by key",
        initial=model.initial,
        step=lambda state, operation, result: model.step(state, without_key(operation), result),
        operations={name: count + 1 for name, count in model.operations.items()},
        observes=lambda operation, result: model.observes(without_key(operation), result),
        partition=partition,
        forced=lambda operations: model.forced(without_keys(operations)),
        visits=lambda operations: model.visits(without_keys(operations)),
    )


def _require_result(operation: Any, result: Any, *possible: Any) -> None:
    """Raise if this operation never gives such a result, so that a wrong encoding is not taken for a wrong object."""
    if result is not UNOBSERVED and not any(result is one for one in possible):
        raise ValueError(f"the result of {operation!r} must be one of {(*possible, UNOBSERVED)}, got {result!r}")


def register(initial: Hashable = None) -> Model:
    """Return the model of a register: ``("read",)`` gives its value, ``("write", value)`` sets it and gives None."""
    return Model(
        "register",
        initial,
        _register_step,
        {"read": 0, "write": 1},
        _register_observes,
        forced=lambda operations: forced_register_order(operations, initial),
        visits=lambda operations: register_visits(operations, initial),
    )


def compare_and_set_register(initial: Hashable = None) -> Model:
    """Return the model of a register that also has ``("compare_and_set", old, new)``.

    It gives True if the register held `old` and now holds `new`, and False if it held something else. One that failed
    without saying why has the outcome FAIL instead.
    """
    return Model(
        "compare-and-set register",
        initial,
        _register_step,
        {"read": 0, "write": 1, "compare_and_set": 2},
        _register_observes,
        forced=lambda operations: forced_register_order(operations, initial),
        visits=lambda operations: register_visits(operations, initial),
    )


def _register_step(state: Any, operation: Any, result: Any) -> Collection[Hashable]:
    match operation:
        case ("read",):
            return (state,) if result is UNOBSERVED or result == state else ()
        case ("write", value):
            _require_result(operation, result, None)
            return (value,)
        case (_, old, new):
            _require_result(operation, result, True, False)
            if result is UNOBSERVED:
                return (new if state == old else state,)
            if result:
                return (new,) if state == old else ()
            return () if state == old else (state,)
    raise AssertionError(operation)


def _register_observes(operation: Any, result: Any) -> bool:
    return operation[0] == "read" or result is False


def key_value(initial: str = "") -> Model:
    """Return the model of a store of texts by key.

    ``("get", key)`` gives the text, `initial` before any change; ``("put", key, text)`` replaces it; ``("append",
    key, text)`` adds to its end. The latter two give None.
    """
    return by_key(
        Model(
            "text",
            initial,
            _text_step,
            {"get": 0, "put": 1, "append": 1},
            lambda operation, result: bool(operation[0] == "get"),
            forced=lambda operations: forced_text_order(operations, initial),
            visits=lambda operations: text_visits(operations, initial),
        )
    )


def _text_step(state: str, operation: Any, result: Any) -> Collection[Hashable]:
    match operation:
        case ("get",):
            return (state,) if result is UNOBSERVED or result == state else ()
        case ("put", text):
            _require_result(operation, result, None)
            return (text,)
        case (_, text):
            _require_result(operation, result, None)
            return (state + text,)
    raise AssertionError(operation)


def unordered_set(initial: Iterable[Hashable] = ()) -> Model:
    """Return the model of a set.

    ``("add", element)`` and ``("remove", element)`` give None, or a bool: whether they changed it. ``("contains",
    element)`` gives a bool, and ``("read",)`` the frozenset of all. A history without reads falls apart into one for
    each element.
    """
    held = frozenset(initial)
    return Model(
        "set",
        held,
        _set_step,
        {"add": 1, "remove": 1, "contains": 1, "read": 0},
        lambda operation, result: operation[0] in ("contains", "read") or result is False,
        _by_element,
        lambda operations: forced_set_order(operations, held),
    )


def _set_step(state: frozenset[Hashable], operation: Any, result: Any) -> Collection[Hashable]:
    if operation[0] == "read":
        return (state,) if result is UNOBSERVED or result == state else ()
    name, element = operation
    if name == "contains":
        _require_result(operation, result, True, False)
        return (state,) if result is UNOBSERVED or result == (element in state) else ()
    _require_result(operation, result, None, True, False)
    after = state | {element} if name == "add" else state - {element}
    return (after,) if result in (None, UNOBSERVED) or result == (after != state) else ()


def _by_element(history: History) -> Mapping[Hashable, History]:
    if any(operation.asked[0] == "read" for operation in history):
        return {None: history}
    groups: dict[Hashable, list[Operation]] = {}
    for operation in history:
        groups.setdefault(operation.asked[1], []).append(operation)
    return {element: History(tuple(group)) for element, group in groups.items()}


def fifo_queue(initial: Iterable[Hashable] = ()) -> Model:
    """Return the model of a queue.

    ``("enqueue", value)`` adds to the end and gives None. ``("dequeue",)`` takes from the front and gives what it
    took, or None if there was nothing. So None cannot be a value.
    """
    held = tuple(initial)
    return Model(
        "queue",
        held,
        _queue_step,
        {"enqueue": 1, "dequeue": 0},
        lambda operation, result: operation[0] == "dequeue" and result is None,
        forced=lambda operations: () if held else forced_queue_order(operations),
    )


def _queue_step(state: tuple[Hashable, ...], operation: Any, result: Any) -> Collection[Hashable]:
    if operation[0] == "enqueue":
        _require_result(operation, result, None)
        if operation[1] is None:
            raise ValueError("a value in a queue must not be None, which is what a dequeue gives when there is none")
        return ((*state, operation[1]),)
    if not state:
        return (state,) if result in (None, UNOBSERVED) else ()
    return (state[1:],) if result is UNOBSERVED or result == state[0] else ()


def mutex() -> Model:
    """Return the model of a lock: ``("acquire",)`` and ``("release",)``.

    Either gives None, which says that it succeeded, or a bool: whether it did. To release a free lock does not
    succeed. The model does not know who holds it.
    """
    return Model("mutex", False, _mutex_step, {"acquire": 0, "release": 0}, lambda operation, result: result is False)


def _mutex_step(held: bool, operation: Any, result: Any) -> Collection[Hashable]:
    _require_result(operation, result, None, True, False)
    possible = held == (operation[0] == "release")
    if result is UNOBSERVED:
        return (not held if possible else held,)
    if result is False:
        return () if possible else (held,)
    return (not held,) if possible else ()


def counter(initial: int = 0) -> Model:
    """Return the model of a counter: ``("add", amount)`` gives None or the new total, ``("read",)`` gives the total."""
    return Model(
        "counter",
        initial,
        _counter_step,
        {"add": 1, "read": 0},
        lambda operation, result: operation[0] == "read" or operation[1] == 0,
    )


def _counter_step(total: int, operation: Any, result: Any) -> Collection[Hashable]:
    after = total if operation[0] == "read" else total + operation[1]
    expected = (after, UNOBSERVED) if operation[0] == "read" else (after, None, UNOBSERVED)
    return (after,) if result in expected else ()
