"""Group commit on the bench: predicted and simulated batches and latencies, and a real file."""

from pathlib import Path

import numpy as np
import pytest

from distlib.evidence import Estimate
from distlib.experiments.transactions.group_commit import (
    SlowFiles,
    commits_per_force,
    durable_latencies,
    measure_closed_loop,
    measure_force_seconds,
    poisson_pauses,
    run_committers,
    run_log,
)
from distlib.models.latency import Constant, Exponential
from distlib.models.transactions.group_commit import (
    closed_loop_commits_per_force,
    count_latency_mean,
    greedy_batch_mean,
    greedy_latency_mean,
    naive_count_latency_mean,
    timer_added_seconds_mean,
    timer_batch_mean,
)
from distlib.protocols.transactions.group_commit import LogWriter, by_count, by_timer, greedy

FLUSH = 0.002


def estimates(
    writer: LogWriter, *, seeds: int, count: int = 600, flush_seconds: float = FLUSH
) -> tuple[Estimate, Estimate]:
    """Return the mean latency and the mean batch at 1,000 records a second."""
    means = []
    for seed in range(seeds):
        run = run_log(writer, seed=seed, arrivals_per_second=1000, flush_seconds=flush_seconds, record_count=count)
        latencies, batches = durable_latencies(run.trace)
        means.append((np.mean(latencies), np.mean(batches)))
    latency, batch = (Estimate.of_mean(column) for column in zip(*means, strict=True))
    return latency, batch


@pytest.mark.parametrize("record_seconds", [0.0, 0.0002])
def test_a_greedy_log_has_the_batches_and_latencies_of_its_model(record_seconds: float) -> None:
    latency, batch = estimates(greedy(record_seconds), seeds=25)
    assert abs(latency.z(greedy_latency_mean(1000, FLUSH, record_seconds))) < 3
    assert abs(batch.z(greedy_batch_mean(1000, FLUSH, record_seconds))) < 3


def test_full_batches_wait_as_in_a_queue_of_three_servers_and_not_as_in_one_of_random_arrivals() -> None:
    latency, batch = estimates(by_count(3), seeds=16, count=1000)
    assert batch.value == 3
    assert abs(latency.z(count_latency_mean(1000, FLUSH, 3))) < 3
    assert abs(latency.z(naive_count_latency_mean(1000, FLUSH, 3))) > 6


def test_a_timer_adds_what_its_model_says_on_a_disk_that_takes_no_time() -> None:
    latency, batch = estimates(by_timer(0.005), seeds=20, flush_seconds=0.0)
    assert abs(latency.z(timer_added_seconds_mean(1000, 0.005))) < 3
    assert abs(batch.z(timer_batch_mean(1000, 0.005))) < 3


def test_a_timer_on_a_real_disk_gathers_what_comes_during_the_force_as_well() -> None:
    _, batch = estimates(by_timer(0.005), seeds=20)
    assert abs(batch.z(greedy_batch_mean(1000, FLUSH) + 5)) < 3
    assert abs(batch.z(timer_batch_mean(1000, 0.005))) > 6


@pytest.mark.parametrize("clients", [1, 2, 5, 10])
def test_clients_that_wait_for_each_share_forces_by_halves(clients: int) -> None:
    run = run_committers(clients, 40, seed=clients, flush_seconds=FLUSH, leg=Exponential(0.0001))
    assert commits_per_force(run.trace) == pytest.approx(closed_loop_commits_per_force(clients), rel=0.03)


def test_clients_that_come_back_at_the_same_instant_share_every_force() -> None:
    run = run_committers(8, 10, seed=1, flush_seconds=FLUSH, leg=Constant(0.0001))
    assert commits_per_force(run.trace) == 8


def test_pauses_are_those_of_a_poisson_process_and_the_same_for_the_same_seed() -> None:
    pauses = poisson_pauses(3, 4000, 100.0)
    assert pauses == poisson_pauses(3, 4000, 100.0)
    assert abs(Estimate.of_mean(pauses).z(0.01)) < 3


def test_threads_on_a_real_file_share_forces_and_nothing_is_lost(tmp_path: Path) -> None:
    assert 3 < measure_closed_loop(tmp_path / "log", 8, 20, SlowFiles(0.003)) < 5.5


def test_a_force_costs_hardly_more_with_many_records(tmp_path: Path) -> None:
    seconds = measure_force_seconds(tmp_path / "log", [1, 64], rounds=7)
    assert seconds[64] < 32 * seconds[1]
