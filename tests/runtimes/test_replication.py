"""Replications: in order, the same on any executor, and a failure that names its seed."""

import io
import pickle
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context

import pytest

from distlib.models.latency import Exponential
from distlib.node import Node, Send
from distlib.runtimes.replication import ReplicationFailed, replicate
from distlib.runtimes.simulation import Link, Network, simulate


@dataclass(frozen=True)
class Counter(Node[int, None]):
    """Passes a number on, one higher, until it is 20; two of them race."""

    peer: str
    numbers: tuple[int, ...] = ()

    def on_start(self, saved):
        return self, (Send(self.peer, 0),)

    def on_message(self, source, message):
        node = replace(self, numbers=(*self.numbers, message))
        return node, (Send(self.peer, message + 1),) if message < 20 else ()


def race(seed: int) -> float:
    network = Network(Link(Exponential(0.001)))
    return simulate({"a": Counter("b"), "b": Counter("a")}, seed=seed, network=network, record=False).time_seconds


def fail_from_3_on(seed: int) -> int:
    if seed >= 3:
        raise LookupError(f"no luck with {seed}")
    return seed


def processes() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(2, mp_context=get_context("fork"))


def test_results_come_in_the_order_of_the_seeds():
    assert replicate(lambda seed: seed * 10, [5, 1, 3]) == [50, 10, 30]
    assert replicate(lambda seed: seed * 10, 3) == [0, 10, 20]
    assert replicate(lambda seed: seed, (seed for seed in (2, 1))) == [2, 1]


def test_order_holds_even_if_the_first_run_ends_last():
    finished: list[int] = []

    def first_waits(seed: int) -> int:
        if seed == 0:
            while 1 not in finished:
                threading.Event().wait(0.001)
        finished.append(seed)
        return seed

    with ThreadPoolExecutor(2) as executor:
        assert replicate(first_waits, 2, executor=executor) == [0, 1]
        assert finished == [1, 0]


def test_processes_threads_and_a_loop_give_the_same_results():
    serial = replicate(race, 12)
    assert len(set(serial)) == 12
    with processes() as executor:
        assert replicate(race, 12, executor=executor) == serial
    with ThreadPoolExecutor(2) as executor:
        assert replicate(race, 12, executor=executor) == serial


@pytest.mark.parametrize("make", [None, processes, lambda: ThreadPoolExecutor(2)], ids=["loop", "processes", "threads"])
def test_a_failure_names_its_seed_and_keeps_its_cause(make):
    executor = make() if make else None
    with pytest.raises(ReplicationFailed, match=r"the run with seed 3 failed: LookupError: no luck with 3") as failure:
        replicate(fail_from_3_on, [2, 3, 4], executor=executor)
    assert failure.value.seed == 3
    assert isinstance(failure.value.__cause__, LookupError)
    if executor is not None:
        executor.shutdown()


def test_a_failure_can_travel_between_processes():
    failure = pickle.loads(pickle.dumps(ReplicationFailed(7, "ValueError: x")))
    assert (failure.seed, str(failure)) == (7, "the run with seed 7 failed: ValueError: x")


def test_a_failure_cancels_what_has_not_begun():
    begun: list[int] = []

    def run(seed: int) -> None:
        begun.append(seed)
        if seed == 0:
            raise LookupError
        threading.Event().wait(0.02)

    with ThreadPoolExecutor(1) as executor, pytest.raises(ReplicationFailed):
        replicate(run, 500, executor=executor)
    assert len(begun) < 500


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_progress_bar_is_drawn_on_a_terminal_and_only_if_asked_for(monkeypatch):
    for progress, drawn in ((False, ""), (True, "3/3"), ("elections", "elections: 100%")):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        replicate(lambda seed: seed, 3, progress=progress)
        assert drawn in terminal.getvalue()
        assert bool(terminal.getvalue()) == bool(progress)


def test_no_progress_bar_is_drawn_where_standard_error_is_not_a_terminal(monkeypatch, capsys):
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    replicate(lambda seed: seed, 3, progress=True)
    assert file.getvalue() == ""
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("seeds", "error", "message"),
    [
        ([], ValueError, r"`seeds` must hold at least one seed, got \[\]"),
        (0, ValueError, "`seeds` must hold at least one seed, got 0"),
        ([3, -1], ValueError, "`seeds` must be at least 0, got -1"),
        ([3, 1, 3], ValueError, "`seeds` must differ, or replications would not be independent, got 3 twice"),
        (True, TypeError, "`seeds` must be whole numbers or their count, got True"),
        (2.0, TypeError, "`seeds` must be whole numbers or their count, got 2.0"),
        ([1.5], TypeError, r"`seeds` must be whole numbers or their count, got 1.5"),
    ],
)
def test_seeds_that_are_none_are_refused(seeds, error, message):
    with pytest.raises(error, match=message):
        replicate(lambda seed: seed, seeds)
