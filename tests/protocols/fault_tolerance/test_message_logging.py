"""Message logging: what is safe before what leaves, at every crash point."""

from __future__ import annotations

import pytest

from distlib.broken.fault_tolerance.recovery_points import EagerWorker, HastyWorker, UndeterminedWorker
from distlib.experiments.fault_tolerance.recovery_points import logging_run, logging_small
from distlib.node import Save, Send
from distlib.protocols.fault_tolerance.message_logging import (
    Ask,
    Delivery,
    Held,
    Input,
    Output,
    Peer,
    Pull,
    Recovered,
    Result,
    Source,
    Told,
    Worker,
    WorkerLog,
    all_done,
    no_orphans,
    outputs_stand,
)
from distlib.runtimes.exploration import Exploration, explore
from distlib.runtimes.faults import Crash

ONE = Delivery("x", 1, 7)


def judge(style: str, worker: type[Worker] = Worker) -> Exploration:
    return explore(
        logging_small(style, worker),  # type: ignore[arg-type]
        crashes={"worker": 1},
        always={"no orphans": no_orphans, "outputs stand": outputs_stand},
        eventually_possible={"all done": all_done},
        repair=True,
    )


def booted(style: str) -> Worker:
    node, _ = Worker(("x",), style).on_start(None)  # type: ignore[arg-type]
    return node


def test_pessimistic_forces_the_determinant_before_anything_leaves() -> None:
    _, effects = booted("pessimistic").on_message("x", Input(1, 7))
    assert effects == (
        Save(WorkerLog(0, (ONE,))), Send("peer", Result(0, 0, 1, 7)), Send("outside", Output(1, 7)),
    )  # fmt: skip


def test_optimistic_writes_behind_and_keeps_the_output_until_the_flush() -> None:
    node, effects = booted("optimistic").on_message("x", Input(1, 7))
    assert effects == (Save(WorkerLog(0, (ONE,)), forced=False), Send("peer", Result(0, 0, 1, 7)))
    _, flushed = node.on_timer("flush")
    assert flushed[:2] == (Save(WorkerLog(0, (ONE,))), Send("outside", Output(1, 7)))


def test_causal_carries_the_determinant_and_waits_for_the_peer() -> None:
    node, effects = booted("causal").on_message("x", Input(1, 7))
    assert effects == (Send("peer", Result(0, 0, 1, 7, 0, (ONE,))),)
    _, confirmed = Peer().on_message("worker", effects[0].message)
    assert confirmed == (Send("worker", Held(0, 1)),)
    _, released = node.on_message("peer", Held(0, 1))
    assert released == (Send("outside", Output(1, 7)),)


def test_a_causal_worker_asks_its_peer_after_a_crash() -> None:
    node, effects = Worker(("x",), "causal").on_start(WorkerLog(0))
    assert effects == (Save(WorkerLog(1)), Send("peer", Ask(1)))
    assert node.on_message("x", Input(1, 7)) == (node, ())
    node, _ = node.on_message("peer", Told((ONE,)))
    assert (node.states, node.recovering) == ((7,), False)


def test_a_worker_that_boots_pulls_and_a_source_answers_each_time() -> None:
    source = Source("x", "worker", (7, 8))
    assert source.on_message("worker", Pull())[1] == (Send("worker", Input(1, 7)), Send("worker", Input(2, 8)))


def test_an_input_that_comes_again_is_ignored() -> None:
    node, _ = booted("pessimistic").on_message("x", Input(1, 7))
    assert node.on_message("x", Input(1, 7)) == (node, ())


def test_a_peer_gives_up_orphans_whichever_word_of_the_new_boot_comes_first() -> None:
    peer, _ = Peer().on_message("worker", Result(0, 0, 1, 7))
    told, _ = peer.on_message("worker", Recovered(1, 0))
    overtaken, _ = peer.on_message("worker", Result(1, 0, 1, 5))
    assert (told.results, overtaken.results) == ((), ((1, 5),))
    assert overtaken.on_message("worker", Recovered(1, 0))[0].results == ((1, 5),)
    assert told.on_message("worker", Result(0, 0, 2, 9)) == (told, ())


@pytest.mark.parametrize(("style", "states"), [("pessimistic", 7_089), ("causal", 8_603)])
def test_no_crash_leaves_an_orphan(style: str, states: int) -> None:
    assert judge(style).require_holds().states == states


def test_optimistic_leaves_orphans_for_a_while_and_takes_no_output_back() -> None:
    found = judge("optimistic")
    assert set(found.violations) == {"no orphans"}
    assert found.violations["no orphans"][-1].time_seconds == 5
    assert not found.stuck
    assert found.states == 22_708


@pytest.mark.parametrize(
    ("style", "worker", "steps"),
    [("pessimistic", HastyWorker, 4), ("pessimistic", UndeterminedWorker, 5), ("optimistic", EagerWorker, 5)],
)
def test_a_mistake_takes_an_output_back(style: str, worker: type[Worker], steps: int) -> None:
    assert judge(style, worker).violations["outputs stand"][-1].time_seconds == steps


@pytest.mark.parametrize("style", ["pessimistic", "optimistic", "causal"])
@pytest.mark.parametrize("crash_ms", [2, 6, 29, 33, 37, 41, 60])
def test_a_run_with_a_crash_ends_with_all_done(style: str, crash_ms: int) -> None:
    crash = Crash("worker", crash_ms / 1000, restart_after_seconds=0.02)
    run = logging_run(style, seed=0, faults=[crash], until_seconds=0.4)  # type: ignore[arg-type]
    assert all_done(run.world)
