from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from distlib.checkers.linearizability import Judgement, check_linearizable
from distlib.checkers.sequential_models import register
from distlib.node import Outcome
from distlib.systems.workload import Call, record


def test_what_several_clients_saw_is_one_history() -> None:
    lock, value = threading.Lock(), [0]

    def write(number: int) -> None:
        with lock:
            value[0] = number

    def read() -> int:
        with lock:
            return value[0]

    def calls(number: int) -> Iterator[Call]:
        for turn in range(20):
            written = 100 * number + turn
            yield ("write", written), lambda written=written: write(written)  # type: ignore[misc]
            yield ("read",), read

    history = record({f"c{number}": calls(number) for number in range(3)})
    assert len(history) == 120
    assert check_linearizable(history, register(0)).judgement is Judgement.LINEARIZABLE


def test_an_unanswered_write_stays_open_and_its_client_goes_on_under_another_name() -> None:
    def fail() -> None:
        raise ConnectionError

    history = record({"c": [(("write", 1), fail), (("read",), lambda: 1)]}, expected=ConnectionError)
    first, second = history
    assert (first.outcome, first.completed) == (Outcome.UNKNOWN, None)
    assert (first.process, second.process) == ("c", "c, 2")


def test_an_unanswered_read_had_no_effect() -> None:
    def fail() -> None:
        raise ConnectionError

    (only,) = record({"c": [(("read",), fail)]}, expected=ConnectionError)
    assert only.outcome is Outcome.FAIL


def test_what_was_not_expected_is_raised() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        record({"c": [(("read",), fail)]}, expected=ConnectionError)


def test_a_client_that_is_not_done_in_time_is_named() -> None:
    with pytest.raises(TimeoutError, match=r"clients \['slow'\] were not done within 0.05 s"):
        record({"slow": [(("read",), threading.Event().wait)]}, timeout_seconds=0.05)  # type: ignore[list-item]
