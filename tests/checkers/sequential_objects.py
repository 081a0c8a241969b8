"""Small objects written down a second time, histories of them, and a judge that tries every order.

Nothing here is shared with what it is held against but the form of an operation.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from hypothesis import strategies as st

from distlib.checkers.history import UNOBSERVED, History, Operation
from distlib.checkers.sequential_models import (
    Model,
    by_key,
    compare_and_set_register,
    counter,
    fifo_queue,
    key_value,
    mutex,
    register,
    unordered_set,
)
from distlib.node import Outcome


@dataclass(frozen=True)
class SequentialObject:
    """An object as a function from a state and an operation to the next state and the result."""

    model: Model
    initial: Any
    apply: Callable[[Any, Any], tuple[Any, Any]]
    operations: st.SearchStrategy[Any]
    results: Mapping[str, st.SearchStrategy[Any]]
    """By name of an operation: results that it may give at some time. The others give None."""


def apply_register(state: Any, operation: Any) -> tuple[Any, Any]:
    match operation:
        case ("read",):
            return state, state
        case ("write", value):
            return value, None
        case (_, old, new):
            return (new, True) if state == old else (state, False)
    raise AssertionError(operation)


def apply_text(state: str, operation: Any) -> tuple[str, Any]:
    if operation[0] == "get":
        return state, state
    return (operation[1] if operation[0] == "put" else state + operation[1]), None


def apply_set(state: frozenset[int], operation: Any) -> tuple[frozenset[int], Any]:
    match operation:
        case ("read",):
            return state, state
        case ("contains", element):
            return state, element in state
        case ("add", element):
            return state | {element}, None
    return state - {operation[1]}, None


def apply_queue(state: tuple[int, ...], operation: Any) -> tuple[tuple[int, ...], Any]:
    if operation[0] == "enqueue":
        return (*state, operation[1]), None
    return (state[1:], state[0]) if state else (state, None)


def apply_mutex(state: bool, operation: Any) -> tuple[bool, Any]:
    possible = state == (operation[0] == "release")
    return state != possible, possible


def apply_counter(state: int, operation: Any) -> tuple[int, Any]:
    return (state, state) if operation[0] == "read" else (state + operation[1], state + operation[1])


def apply_by_key(state: tuple[tuple[str, Any], ...], operation: Any) -> tuple[Any, Any]:
    values = dict(state)
    name, key, *arguments = operation
    values[key], result = apply_register(values.get(key, 0), (name, *arguments))
    return tuple(sorted(values.items())), result


def tuples(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(st.just(name), *arguments)


FEW = st.integers(0, 2)
MANY = st.integers(0, 50)
"""Mostly distinct, so that results tell where they come from."""
KEYS = st.sampled_from("xy")
PIECES = st.sampled_from(["a", "b", "c", "d", "e", "f", "aa", "ab"])

OBJECTS: dict[str, SequentialObject] = {
    "register": SequentialObject(
        register(0), 0, apply_register, tuples("read") | tuples("write", FEW), {"read": st.integers(0, 3)}
    ),
    "register of distinct values": SequentialObject(
        register(0), 0, apply_register, tuples("read") | tuples("write", MANY), {"read": MANY}
    ),
    "compare-and-set register": SequentialObject(
        compare_and_set_register(0),
        0,
        apply_register,
        tuples("read") | tuples("write", FEW) | tuples("compare_and_set", FEW, FEW | MANY),
        {"read": FEW | MANY, "compare_and_set": st.booleans()},
    ),
    "register by key": SequentialObject(
        by_key(register(0)), (), apply_by_key, tuples("read", KEYS) | tuples("write", KEYS, FEW), {"read": FEW}
    ),
    "text": SequentialObject(
        key_value(),
        "",
        lambda state, operation: apply_text(state, (operation[0], *operation[2:])),
        tuples("get", st.just("k")) | tuples("append", st.just("k"), PIECES) | tuples("put", st.just("k"), PIECES),
        {"get": st.lists(PIECES, max_size=3).map("".join)},
    ),
    "set": SequentialObject(
        unordered_set({0}),
        frozenset({0}),
        apply_set,
        tuples("read") | tuples("add", FEW | MANY) | tuples("remove", FEW) | tuples("contains", FEW),
        {"read": st.frozensets(FEW), "contains": st.booleans()},
    ),
    "queue": SequentialObject(
        fifo_queue(), (), apply_queue, tuples("dequeue") | tuples("enqueue", FEW), {"dequeue": st.none() | FEW}
    ),
    "queue of distinct values": SequentialObject(
        fifo_queue(), (), apply_queue, tuples("dequeue") | tuples("enqueue", MANY), {"dequeue": st.none() | MANY}
    ),
    "mutex": SequentialObject(
        mutex(),
        False,
        apply_mutex,
        tuples("acquire") | tuples("release"),
        {"acquire": st.none() | st.booleans(), "release": st.none() | st.booleans()},
    ),
    "counter": SequentialObject(
        counter(),
        0,
        apply_counter,
        tuples("read") | tuples("add", st.integers(-1, 2)),
        {"read": st.integers(-2, 4), "add": st.none() | st.integers(-2, 4)},
    ),
}


def fits(operation: Operation, result: Any) -> bool:
    """Say whether an object that gave this result would explain what was seen. Where only None was, it succeeded."""
    seen = operation.result
    if seen is None and operation.operation[0] in ("acquire", "release"):  # type: ignore[index] # a tuple in all objects
        return result is True
    return seen is UNOBSERVED or seen == result or (seen is None and operation.operation[0] == "add")  # type: ignore[index]


def explains(order: Sequence[Operation], thing: SequentialObject) -> bool:
    """Say whether an order respects real time and what was seen."""
    state = thing.initial
    for number, operation in enumerate(order):
        state, result = thing.apply(state, operation.operation)
        if not fits(operation, result) or any(operation.latest < other.invoked for other in order[:number]):
            return False
    return True


def has_legal_order(
    operations: Iterable[Operation], thing: SequentialObject, required: Collection[Operation] | None = None
) -> bool:
    """Try every order of the required operations (by default all that are OK) with every selection of the others.

    An order is given up as soon as its beginning explains nothing.
    """
    taken = [operation for operation in operations if operation.outcome is not Outcome.FAIL]
    must = {one for one in taken if (one.outcome is Outcome.OK if required is None else one in required)}

    def can_be_completed(order: tuple[Operation, ...]) -> bool:
        return explains(order, thing) and (
            must <= {*order} or any(can_be_completed((*order, one)) for one in taken if one not in order)
        )

    return can_be_completed(())


@st.composite
def histories(draw: Callable[[Any], Any], thing: SequentialObject, most: int = 6) -> History:
    """Draw a history in which every operation takes effect at once or never; then, perhaps, falsify a result."""
    waiting = draw(st.lists(thing.operations, min_size=1, max_size=most))
    is_open: dict[str, tuple[int, Any, list[Any]]] = {}
    state = thing.initial
    done: list[Operation] = []
    for position in count():
        names = [name for name in "pqrs" if waiting or name in is_open]
        if not names:
            break
        name = draw(st.sampled_from(names))
        if name not in is_open:
            is_open[name] = position, waiting.pop(), []
            continue
        invoked, operation, results = is_open[name]
        if not results and draw(st.integers(0, 4)):
            state, result = thing.apply(state, operation)
            results.append(result)
            continue
        del is_open[name]
        outcome = draw(st.sampled_from(_endings(bool(results))))
        result = results[0] if results and outcome is Outcome.OK and draw(st.integers(0, 4)) else UNOBSERVED
        done.append(Operation(name, operation, result, invoked, position, outcome))
    if draw(st.booleans()):
        number = draw(st.integers(0, len(done) - 1))
        if done[number].result is not UNOBSERVED:
            results = thing.results.get(done[number].operation[0], st.none())  # type: ignore[index]
            done[number] = replace(done[number], result=draw(results))
    return History(tuple(done))


def _endings(took_effect: bool) -> list[Outcome]:
    return [Outcome.OK, Outcome.OK, Outcome.OK, Outcome.UNKNOWN] if took_effect else [Outcome.UNKNOWN, Outcome.FAIL]
