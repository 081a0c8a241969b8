"""Group commit: handlers by equality, runs with crashes, every interleaving, and a writer that tells too early."""

from dataclasses import dataclass

import pytest

from distlib.broken.durability import SendsBeforeSaving
from distlib.experiments.transactions.group_commit import commits_per_force, run_committers
from distlib.models.latency import Constant, Exponential
from distlib.node import Complete, Invoke, Node, Outcome, Save, Send, SetTimer
from distlib.protocols.transactions.group_commit import (
    Committer,
    Durable,
    LogWriter,
    Request,
    Source,
    acknowledged_is_durable,
    by_count,
    by_timer,
    greedy,
)
from distlib.runtimes.exploration import explore
from distlib.runtimes.faults import CrashRandomly
from distlib.runtimes.simulation import simulate

NOW = SetTimer("batch", (0.0, 0.0))
SAFE = {"acknowledged is durable": acknowledged_is_durable}


def taken(writer: LogWriter, *records: str) -> tuple[LogWriter, list[object]]:
    """Hand records in, each from a client of its own, and return what the writer did."""
    node, effects = writer.on_start(None)
    done = list(effects)
    for record in records:
        node, effects = node.on_message(f"client {record}", Request(record))
        done += effects
    return node, done


def test_a_greedy_log_begins_with_the_first_record_and_takes_along_what_has_come_since() -> None:
    node, done = taken(greedy(), "a", "b")
    assert done == [NOW]
    node, effects = node.on_timer("batch")
    assert effects == (
        Save(("a", "b")),
        Send("client a", Durable(("a",))),
        Send("client b", Durable(("b",))),
    )
    assert node.pending == ()


def test_nobody_is_told_before_the_force() -> None:
    node, _ = taken(greedy(), "a")
    _, effects = node.on_timer("batch")
    assert isinstance(effects[0], Save)
    assert effects[0].forced
    assert all(isinstance(effect, Send) for effect in effects[1:])


def test_a_client_with_several_records_in_a_batch_is_told_once() -> None:
    node, _ = greedy().on_start(None)
    for record in ("a", "b"):
        node, _ = node.on_message("client", Request(record))
    _, effects = node.on_timer("batch")
    assert effects[1:] == (Send("client", Durable(("a", "b"))),)


def test_a_count_waits_for_its_batch_and_takes_no_more() -> None:
    node, done = taken(by_count(2), "a")
    assert done == []
    node, done = taken(by_count(2), "a", "b", "c")
    assert done == [NOW]
    node, effects = node.on_timer("batch")
    assert effects[0] == Save(("a", "b"))
    assert [record for _, record in node.pending] == ["c"]


def test_a_timer_begins_with_the_first_record_and_is_not_set_again() -> None:
    node, done = taken(by_timer(0.005), "a", "b")
    assert done == [SetTimer("batch", (0.005, 0.005))]
    node, effects = node.on_timer("batch")
    assert effects[0] == Save(("a", "b"))
    assert not node.armed


def test_copying_takes_time_for_each_record_and_what_comes_meanwhile_is_the_next_batch() -> None:
    node, _ = taken(greedy(record_seconds=0.001), "a", "b")
    node, effects = node.on_timer("batch")
    assert effects == (SetTimer("copied", (0.002, 0.002)),)
    node, effects = node.on_message("client c", Request("c"))
    assert effects == ()
    node, effects = node.on_timer("copied")
    assert effects[0] == Save(("a", "b"))
    assert effects[-1] == NOW


def test_a_crash_keeps_the_log_and_forgets_what_was_not_written() -> None:
    node, _ = taken(greedy(), "a")
    again, effects = greedy().on_start(("x",))
    assert (again.log, again.pending, effects) == (("x",), (), ())
    assert node.pending


def test_clients_hand_in_their_records_one_after_another() -> None:
    node, effects = Committer("log", "c", 2).on_start(None)
    assert effects == (Invoke("c2"), Send("log", Request("c2")))
    node, effects = node.on_message("log", Durable(("c2",)))
    assert effects == (Complete("c2", Outcome.OK), Invoke("c1"), Send("log", Request("c1")))
    node, effects = node.on_message("log", Durable(("c1",)))
    assert effects == (Complete("c1", Outcome.OK),)


def test_a_source_does_not_wait_for_its_answers() -> None:
    node, effects = Source("log", (0.1, 0.2)).on_start(None)
    assert effects == (SetTimer("next", (0.1, 0.1)),)
    node, effects = node.on_timer("next")
    assert effects == (Send("log", Request("r1")), SetTimer("next", (0.2, 0.2)))
    node, effects = node.on_timer("next")
    assert effects == (Send("log", Request("r2")),)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: by_count(0), "`count` must be at least 1, got 0"),
        (lambda: by_timer(-1), "`wait_seconds` must be at least 0, got -1"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


# --------------------------------------------------------------------------------------------------------------- runs


def test_what_was_acknowledged_is_in_the_log_whenever_it_crashes() -> None:
    told = 0
    for seed in range(10):
        nodes: dict[str, Node] = {"log": greedy()}
        nodes |= {f"client {k}": Committer("log", f"c{k}.", 5) for k in range(4)}
        faults = [CrashRandomly(["log"], Constant(0.004 + seed * 0.0005), Constant(0.001))]
        run = simulate(nodes, seed=seed, faults=faults, save_latency={"log": Constant(0.002)}, until_seconds=0.1)
        assert acknowledged_is_durable(run.world), seed
        told += sum(isinstance(effect, Complete) for _, effect in run.world.history)
    assert told > 20, "runs in which nobody is told show nothing"


def test_two_forces_in_a_row_hold_each_client_once_unless_all_come_back_at_the_same_instant() -> None:
    run = run_committers(6, 20, seed=3, flush_seconds=0.002, leg=Exponential(0.0001))
    assert commits_per_force(run.trace) == pytest.approx(3, abs=0.1)
    run = run_committers(6, 20, seed=3, flush_seconds=0.002, leg=Constant(0.0001))
    assert commits_per_force(run.trace) == 6


# -------------------------------------------------------------------------------------------------- every interleaving


def committers(writer: LogWriter) -> dict[str, Node]:
    return {"log": writer, "a": Committer("log", "a", 2), "b": Committer("log", "b", 1)}


@pytest.mark.parametrize(("writer", "states"), [(greedy(), 236), (by_count(2), 88), (by_timer(0.1), 236)])
def test_acknowledged_is_durable_in_every_interleaving(writer: LogWriter, states: int) -> None:
    found = explore(committers(writer), crashes={"log": 1}, always=SAFE, record_history=True)
    found.require_holds()
    assert found.states == states


@dataclass(frozen=True)
class HastyWriter(SendsBeforeSaving, LogWriter):
    """Tells the clients first and forces the log afterwards."""


def test_a_writer_that_tells_before_it_forces_is_caught() -> None:
    found = explore(committers(HastyWriter()), crashes={"log": 1}, always=SAFE, record_history=True)
    assert set(found.violations) == set(SAFE)
