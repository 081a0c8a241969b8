"""A history keeps what was asked, what came back and what came before what: that, and nothing else."""

from __future__ import annotations

import random
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distlib.node import Complete, Invoke, Outcome
from distlib.runtimes.real_time_order import History, Operated, extend, linear_order

NAMES = "abc"


def random_events(seed: int, length: int) -> list[tuple[int, Invoke | Complete]]:
    """Return events of three clients, as they may really come one after another."""
    chance = random.Random(seed)
    is_open = [False] * 3
    events: list[tuple[int, Invoke | Complete]] = []
    for number in range(length):
        client = chance.randrange(3)
        events.append((client, Complete(number) if is_open[client] else Invoke(number)))
        is_open[client] = not is_open[client]
    return events


def history_of(events: list[tuple[int, Invoke | Complete]]) -> History:
    history: History = ((), (), ())
    for event in events:
        history = extend(history, event)
    return history


@given(seed=st.integers(0, 10**6), length=st.integers(0, 12))
def test_the_linear_order_has_the_real_time_order_of_the_history(seed: int, length: int) -> None:
    history = history_of(random_events(seed, length))
    order = [(NAMES.index(name), event) for name, event in linear_order(history, NAMES)]
    assert history_of(order) == history


@given(seed=st.integers(0, 10**6), length=st.integers(0, 12))
def test_orders_with_the_same_real_time_order_are_one_history(seed: int, length: int) -> None:
    events = random_events(seed, length)
    history = history_of(events)
    for place, ((first, one), (second, other)) in enumerate(pairwise(events)):
        swapped = [*events[:place], events[place + 1], events[place], *events[place + 2 :]]
        if first != second:
            # Only a completion and an invocation behind it, or before it, say anything about real time.
            same = isinstance(one, Invoke) == isinstance(other, Invoke)
            assert (history_of(swapped) == history) == same


def test_what_completed_before_an_invocation_precedes_it() -> None:
    events: list[tuple[int, Invoke | Complete]] = [
        (0, Invoke("x")), (1, Invoke("y")), (0, Complete(1)), (2, Invoke("z")), (1, Complete(2)),
    ]  # fmt: skip
    first, second, third = history_of(events)
    assert first == (Operated("x", Complete(1), (0, 0, 0)),)
    assert second == (Operated("y", Complete(2), (0, 0, 0)),)
    assert third == (Operated("z", None, (1, 0, 0)),)


def test_a_crash_makes_an_open_operation_unknown_and_changes_nothing_else() -> None:
    history = history_of([(0, Invoke("x"))])
    assert extend(history, (0, None))[0][0].completion == Complete(None, Outcome.UNKNOWN)
    assert extend(history, (1, None)) == history


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([(0, Invoke("x")), (0, Invoke("y"))], "while 'x' is open: a client has at most one at a time"),
        ([(0, Complete())], "without an open operation: a client must `Invoke` first"),
    ],
)
def test_impossible_events_are_refused(events: list[tuple[int, Invoke | Complete]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        history_of(events)


def test_clients_are_compared_by_pairs() -> None:
    # Each pair of clients overlaps in one history and not in the other.
    for first, second in combinations(range(3), 2):
        apart = [(first, Invoke(1)), (first, Complete(1)), (second, Invoke(2))]
        together = [(first, Invoke(1)), (second, Invoke(2)), (first, Complete(1))]
        assert history_of(apart) != history_of(together)
