"""A worker that saves: each handler by itself, every crash point explored, and a save in two steps caught."""

from __future__ import annotations

from dataclasses import replace

from distlib.broken.fault_tolerance.checkpointing import SavesInTwoSteps
from distlib.experiments.fault_tolerance.checkpointing import run_worker
from distlib.node import CancelTimer, Save, Send, SetTimer
from distlib.protocols.fault_tolerance.checkpointing import (
    Dump,
    Machine,
    MachineLost,
    Progress,
    Worker,
    after_segments,
    finished,
    result_is_right,
)
from distlib.runtimes.exploration import explore
from distlib.runtimes.faults import Crash

RIGHT = {"right": result_is_right}
ONE, TWO = Progress(1, after_segments(1)), Progress(2, after_segments(2))


def test_a_new_worker_computes_at_once_and_one_that_crashed_restores_first() -> None:
    worker = Worker(2, work_seconds=3.0, restore_seconds=0.5)
    node, effects = worker.on_start(None)
    assert (node.doing, effects) == ("computing", (SetTimer("computed", (3.0, 3.0)),))
    node, effects = worker.on_start(Dump(ONE))
    assert (node.doing, node.progress, effects) == ("restoring", ONE, (SetTimer("restored", (0.5, 0.5)),))


def test_a_dump_is_saved_when_it_is_complete_and_not_before() -> None:
    node, _ = Worker(2, dump_seconds=0.1).on_start(None)
    node, effects = node.on_timer("computed")
    assert (node.doing, effects) == ("dumping", (SetTimer("dumped", (0.1, 0.1)),))
    node, effects = node.on_timer("dumped")
    assert effects == (Save(Dump(ONE)), SetTimer("computed", (1.0, 1.0)))


def test_the_last_dump_ends_the_work() -> None:
    node = replace(Worker(1), progress=ONE, doing="dumping")
    node, effects = node.on_timer("dumped")
    assert (node.doing, effects) == ("finished", (Save(Dump(ONE)),))


def test_every_so_many_dumps_and_the_last_go_to_the_remote_store() -> None:
    worker = Worker(5, dump_seconds=1.0, segments_per_remote=2, remote_dump_seconds=10.0)
    remote = [replace(worker, progress=Progress(done)).seconds_to_dump() for done in range(1, 6)]
    assert remote == [1.0, 11.0, 1.0, 11.0, 11.0]


def test_a_lost_machine_takes_the_local_dumps_and_stops_the_work() -> None:
    node = replace(Worker(5, remote_restore_seconds=2.0), progress=TWO, saved=Dump(TWO, ONE), doing="computing")
    node, effects = node.on_message("machine", MachineLost())
    assert (node.doing, node.progress) == ("restoring", ONE)
    stop = (CancelTimer("computed"), CancelTimer("dumped"))
    assert effects == (Save(Dump(ONE, ONE)), *stop, SetTimer("restored", (2.0, 2.0)))


def test_a_machine_tells_only_when_it_is_a_new_one() -> None:
    assert Machine().on_start(None)[1] == (Save(True),)
    assert Machine().on_start(True)[1] == (Send("worker", MachineLost()),)


def test_a_run_with_crashes_takes_exactly_what_they_cost() -> None:
    worker = Worker(3, work_seconds=2.0, dump_seconds=0.5, restore_seconds=1.0)
    crashes = [Crash("worker", 3.5, restart_after_seconds=0), Crash("worker", 6.8, restart_after_seconds=0)]
    run = run_worker(worker, crashes, 30)
    ends = [time for time, node in run.trace.states("worker") if isinstance(node, Worker) and node.doing == "finished"]
    # Three segments, one restore and 1 s lost; another restore and 2.3 s lost.
    assert ends == [3 * 2.5 + (1 + 1.0) + (1 + 2.3)]
    assert finished(run.world)
    assert result_is_right(run.world)


def test_the_result_is_right_after_crashes_at_any_point_and_can_always_be_reached() -> None:
    found = explore(
        {"worker": Worker(3)}, crashes=3, always=RIGHT, repair=True, eventually_possible={"finished": finished}
    ).require_holds()
    assert (found.states, found.generated) == (49, 80)


def test_two_levels_end_right_with_a_machine_that_is_lost() -> None:
    nodes = {"worker": Worker(3, segments_per_remote=2), "machine": Machine()}
    found = explore(nodes, crashes={"worker": 1, "machine": 1}, always=RIGHT, sometimes={"finished": finished})
    found.require_holds()
    assert found.states > 100


def test_a_save_in_two_steps_is_caught() -> None:
    found = explore({"worker": SavesInTwoSteps(3)}, crashes=1, always=RIGHT)
    assert found.violations["right"][-1].time_seconds == 3
    atomic = explore({"worker": SavesInTwoSteps(3)}, crashes=1, always=RIGHT, crash_between_effects=False)
    atomic.require_holds()
