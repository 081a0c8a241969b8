"""Each model does what the object does that it is named after, and refuses what it cannot understand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distlib.checkers.forced_order import Visit
from distlib.checkers.history import UNOBSERVED, History, Operation
from distlib.checkers.linearizability import check_linearizable
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
from tests.checkers.sequential_objects import OBJECTS, fits


@pytest.mark.parametrize("name", [name for name in OBJECTS if name != "register by key"])
@settings(max_examples=60)
@given(st.data())
def test_a_model_goes_on_exactly_if_the_object_gave_what_was_seen(name: str, data: st.DataObject) -> None:
    thing = OBJECTS[name]
    state = thing.initial
    for operation in data.draw(st.lists(thing.operations, max_size=8)):
        seen = data.draw(thing.results.get(operation[0], st.none()))
        after, result = thing.apply(state, operation)
        steps = tuple(thing.model.step(state, operation, seen))
        assert steps == ((after,) if fits(Operation("p", operation, seen, 0, 1), result) else ())
        if thing.model.observes(operation, seen):
            assert steps in ((), (state,))
        assert tuple(thing.model.step(state, operation, UNOBSERVED)) == (after,)
        state = after


@pytest.mark.parametrize(
    ("model", "operation"),
    [
        (register(), ("read", 1)),
        (register(), ("compare_and_set", 1, 2)),
        (register(), "read"),
        (register(), ()),
        (key_value(), ("get",)),
        (by_key(mutex()), ("acquire",)),
    ],
)
def test_an_operation_that_is_not_the_models_is_refused_with_its_place(model: Model, operation: Any) -> None:
    history = History((Operation("p", operation, None, 4, 5),))
    with pytest.raises(ValueError, match=r"must be \(name, \*arguments\) with .*, got .* of process 'p', invoked at 4"):
        check_linearizable(history, model)


@pytest.mark.parametrize(
    ("model", "operation", "result"),
    [
        (register(), ("write", 1), "done"),
        (compare_and_set_register(), ("compare_and_set", None, 1), None),
        (key_value(), ("put", "k", "x"), "x"),
        (key_value(), ("append", "k", "x"), "x"),
        (unordered_set(), ("contains", 1), None),
        (unordered_set(), ("add", 1), 1),
        (fifo_queue(), ("enqueue", 1), 1),
        (mutex(), ("acquire",), "p"),
    ],
)
def test_a_result_of_the_wrong_kind_is_refused(model: Model, operation: Any, result: Any) -> None:
    with pytest.raises(ValueError, match=r"the result of .* must be one of .*UNOBSERVED\), got"):
        check_linearizable(History((Operation("p", operation, result, 0, 1),)), model)


def test_a_queue_cannot_hold_the_sign_of_its_emptiness() -> None:
    with pytest.raises(ValueError, match="a value in a queue must not be None"):
        check_linearizable(History((Operation("p", ("enqueue", None), None, 0, 1),)), fifo_queue())


def operations(*asked: Any) -> History:
    return History(tuple(Operation(number, one, None, number, number) for number, one in enumerate(asked)))


def test_independent_objects_are_told_apart_by_key() -> None:
    history = operations(("read", "x"), ("write", "y", 1), ("read", "y"))
    parts = by_key(register()).partition(history)
    assert {key: [one.process for one in part] for key, part in parts.items()} == {"x": [0], "y": [1, 2]}


def test_a_set_falls_apart_into_its_elements_unless_it_is_read_whole() -> None:
    assert list(unordered_set().partition(operations(("add", 1), ("add", 2)))) == [1, 2]
    assert list(unordered_set().partition(operations(("add", 1), ("read",)))) == [None]


@pytest.mark.parametrize(
    ("model", "asked", "results", "pairs"),
    [
        # A get tells the order of what it contains, and that the rest came later.
        (
            key_value(),
            [("append", "k", "b"), ("append", "k", "a"), ("append", "k", "c"), ("get", "k")],
            [None, None, None, "ab"],
            {(1, 0), (0, 3), (3, 2)},
        ),
        # It cannot show what nobody wrote,
        (key_value(), [("append", "k", "a"), ("get", "k")], [None, "x"], {(1, 1)}),
        # and says nothing if it can be read in two ways.
        (
            key_value(),
            [("append", "k", "a"), ("append", "k", "aa"), ("append", "k", "aaa"), ("get", "k")],
            [None, None, None, "aaa"],
            set(),
        ),
        # Nothing was written between a write and the read of its value.
        (register(0), [("write", 1), ("read",)], [None, 1], {(0, 1)}),
        # What came out first went in first; what never came out went in last.
        (
            fifo_queue(),
            [("enqueue", 1), ("enqueue", 2), ("dequeue",)],
            [None, None, 2],
            {(1, 2), (1, 0)},
        ),
        (unordered_set(), [("add", 1), ("add", 2), ("read",)], [None, None, frozenset({1})], {(0, 2), (2, 1)}),
    ],
)
def test_results_force_an_order(model: Model, asked: list[Any], results: list[Any], pairs: set[Any]) -> None:
    # All are concurrent, so that real time adds nothing.
    assert set(model.forced(concurrent(*zip(asked, results, strict=True)))) == pairs


def concurrent(*asked_and_seen: tuple[Any, Any]) -> list[Operation]:
    return [Operation(n, *one, n, 100 + n) for n, one in enumerate(asked_and_seen)]


def test_a_value_is_not_overwritten_before_all_that_saw_it_have() -> None:
    history = concurrent(
        (("write", 1), None), (("read",), 1), (("read",), 1), (("write", 2), None), (("write", 2), None)
    )
    # A value that was written twice may come back.
    assert register(0).visits([*history, *concurrent((("read",), 2))]) == {1: Visit([1, 2])}


def test_a_text_is_left_only_by_what_was_seen_to_follow_it() -> None:
    history = concurrent(
        (("append", "k", "a"), None),
        (("append", "k", "b"), None),
        (("put", "k", "p"), None),
        (("append", "k", "c"), None),
        (("get", "k"), "ab"),
        (("get", "k"), "a"),
        (("get", "k"), "pc"),
    )
    assert key_value().visits(history) == {
        "": Visit((), {0}),  # not by the put, which may come at any time
        "a": Visit([5], {1}),
        "ab": Visit([4]),
        "p": Visit((), {3}),
        "pc": Visit([6]),
    }


def test_an_unknown_operation_that_nobody_saw_the_effect_of_is_left_out() -> None:
    for model, asked in (
        (register(0), ("write", 7)),
        (key_value(), ("append", "k", "x")),
        (fifo_queue(), ("enqueue", 7)),
    ):
        assert set(model.forced([Operation("p", asked, invoked=0, outcome=Outcome.UNKNOWN)])) == {(0, 0)}


def test_an_unknown_operation_is_kept_where_a_failed_comparison_may_be_its_effect() -> None:
    lost = Operation("p", ("write", 7), invoked=0, outcome=Outcome.UNKNOWN)
    refused = Operation("q", ("compare_and_set", 0, 1), False, 1, 2)
    history = History((lost, refused))
    assert check_linearizable(history, compare_and_set_register(0)).witness == (lost, refused)


def test_a_dequeue_that_need_not_have_happened_is_not_tied_to_an_empty_queue() -> None:
    # The value came out once, by whichever of the two dequeues took effect.
    operations = [
        Operation("a", ("enqueue", 1), None, 0, 1),
        Operation("b", ("dequeue",), 1, 2, 9),
        Operation("c", ("dequeue",), 1, 3, 9, Outcome.UNKNOWN),
        Operation("d", ("dequeue",), None, 4, 5),
    ]
    assert (2, 3) not in set(fifo_queue().forced(operations))


def test_counters_add_up() -> None:
    history = History(
        (Operation("p", ("add", 2), 2, 0, 3), Operation("q", ("add", 1), 3, 1, 2), Operation("q", ("read",), 3, 4, 5))
    )
    assert [one.process for one in check_linearizable(history, counter()).witness] == ["p", "q", "q"]
