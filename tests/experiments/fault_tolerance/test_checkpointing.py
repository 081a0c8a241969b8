"""Workers in simulated time against the model, and a solver that is killed, torn, and loses its power."""

from __future__ import annotations

import numpy as np
import pytest

from distlib.estimates import Estimate
from distlib.experiments.fault_tolerance.checkpointing import (
    ForgetsTheFile,
    ForgetsTheFolder,
    Solver,
    WritesInPlace,
    crash_everywhere,
    damage_everywhere,
    findings,
    kill_and_restart,
    seconds_to_finish,
)
from distlib.models.fault_tolerance.checkpointing import (
    Weibull,
    completion_time_mean,
    segment_time_deviation,
    two_level_slowdown,
    weibull_completion_time_mean,
)
from distlib.models.latency import Exponential
from distlib.protocols.fault_tolerance.checkpointing import Worker
from distlib.runtimes.lossy_disk import LossyDisk


@pytest.mark.parametrize("segments", [4, 24])
def test_the_mean_time_is_as_predicted(segments: int) -> None:
    worker = Worker(segments, 24 / segments, 0.1, 0.2)
    times = [seconds_to_finish(worker, 6.0, seed=seed) for seed in range(150)]
    assert abs(Estimate.of_mean(times).z(completion_time_mean(24, 24 / segments, 0.1, 6.0, restart=0.2))) < 3


def test_the_spread_of_a_segment_is_as_predicted() -> None:
    times = [seconds_to_finish(Worker(1, 57.0, 5.0), 60.0, seed=seed) for seed in range(1500)]
    assert np.std(times) == pytest.approx(segment_time_deviation(62, 60), rel=0.1)


def test_failures_in_bursts_take_as_long_as_the_recursion_says() -> None:
    times = [seconds_to_finish(Worker(20, 1.0, 0.1), Weibull(0.7, 8.0), seed=seed, downtime=0.2) for seed in range(300)]
    assert abs(Estimate.of_mean(times).z(weibull_completion_time_mean(20, 1.0, 0.1, 0.7, 8.0, restart=0.2))) < 3


def test_two_levels_take_as_long_as_their_equations_say() -> None:
    worker = Worker(12, 10.0, 0.5, 0.0, 4, 3.0, 2.0)
    laws = {"failures": Exponential(60.0), "machine_failures": Exponential(400.0)}
    times = [seconds_to_finish(worker, seed=seed, downtime=0.0, **laws) for seed in range(300)]
    rates = (1 / 60, 1 / 400)
    predicted = two_level_slowdown(4, 10.0, dumps=(0.5, 3.0), rates=rates, restarts=(0.0, 2.0)) * 120
    assert abs(Estimate.of_mean(times).z(predicted)) < 3


def test_a_solver_goes_on_from_its_bytes_to_the_same_bits() -> None:
    solver = Solver.begin(12)
    for _ in range(5):
        solver.advance()
    copy = Solver.from_bytes(solver.to_bytes())
    for _ in range(5):
        solver.advance()
        copy.advance()
    assert copy.to_bytes() == solver.to_bytes()
    assert solver.restarted().to_bytes() != solver.to_bytes()


def test_a_solver_solves() -> None:
    solver = Solver.begin(12)
    for _ in range(60):
        solver.advance()
    padded = np.pad(solver.answer, 1)
    sides = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    assert 4 * solver.answer - sides == pytest.approx(Solver.begin(12).residual, abs=1e-9)


def test_a_solver_that_dies_before_any_operation_ends_bitwise_equal() -> None:
    died = crash_everywhere(side=6, steps=2)
    assert set(died) == {"create", "write", "fsync", "rename", "fsync the folder"}
    assert died["rename"] == died["create"] == 2


def test_every_torn_or_flipped_file_is_noticed_and_survived() -> None:
    damaged, noticed = damage_everywhere(side=3, steps=4)
    assert damaged == noticed > 500


def test_processes_that_are_killed_end_bitwise_equal() -> None:
    assert kill_and_restart(2, seed=3, steps=30) == (2, True)


def bad(kind: type[LossyDisk], failure: str) -> set[str]:
    return set(findings(kind, failure)) - {"old", "new"}


@pytest.mark.parametrize("failure", ["kill -9", "power"])
def test_with_all_five_steps_the_old_state_or_the_new_is_found(failure: str) -> None:
    assert set(findings(LossyDisk, failure)) == {"old", "new"}


def test_a_power_failure_shows_a_missing_force_and_kill_9_does_not() -> None:
    assert bad(ForgetsTheFile, "power") == {"torn"}
    assert bad(ForgetsTheFolder, "power") == {"lost"}
    assert bad(ForgetsTheFile, "kill -9") == bad(ForgetsTheFolder, "kill -9") == set()


def test_a_file_that_is_overwritten_in_place_is_torn_by_either() -> None:
    assert bad(WritesInPlace, "power") == bad(WritesInPlace, "kill -9") == {"torn"}
