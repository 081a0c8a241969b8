"""What the bench reads off a run of Raft is what the models are about, and agrees with them."""

from __future__ import annotations

import numpy as np
import pytest

from distlib.broken.consistency.consensus import AcceptsAnyLog, WithoutSessions
from distlib.checkers.linearizability import Judgement
from distlib.estimates import Estimate
from distlib.experiments.consistency.consensus import (
    CLIENT_LEG,
    chaos,
    commit_latencies,
    is_served,
    judge,
    kill_the_leader,
    names_of,
    survives,
    throughput,
    timed_run,
    write_latencies,
    writer,
)
from distlib.models.consistency.consensus import (
    LogTiming,
    Shipping,
    commit_availability,
    commit_latency_mean,
    throughput_bound,
)
from distlib.models.latency import Constant, Exponential
from distlib.runtimes.replication import replicate

LEG = Exponential(0.001)
EVEN = LogTiming.alike(3, Constant(0.001), follower_force_seconds=0.001, leader_force_seconds=0.001)


def test_constant_legs_give_the_model_s_time_exactly() -> None:
    timing = LogTiming((Constant(0.001), Constant(0.002), Constant(0.010), Constant(0.020)), 0.003, 0.005)
    assert write_latencies(timing, 3, seed=1) == pytest.approx([0.005 + 0.003 + 0.004] * 3)
    beside = LogTiming(timing.legs, 0.003, 0.009, parallel_write=True)
    assert write_latencies(beside, 3, seed=1) == pytest.approx([0.009] * 3)


@pytest.mark.parametrize(
    "timing",
    [
        LogTiming.alike(2, LEG, follower_force_seconds=0.001, leader_force_seconds=0.001),
        LogTiming.alike(4, LEG, follower_force_seconds=0.001, leader_force_seconds=0.001),
        LogTiming((Exponential(0.050), LEG, LEG, LEG), 0.001, 0.002),
        LogTiming.alike(5, LEG, leader_force_seconds=0.002, parallel_write=True),
    ],
    ids=["two", "four", "one slow of five", "side by side"],
)
def test_random_legs_agree_with_the_model_in_the_mean(timing: LogTiming) -> None:
    runs = replicate(lambda seed: write_latencies(timing, 100, seed=seed, pause_seconds=1.0), 5)
    estimate = Estimate.of_mean(np.concatenate(runs))
    assert abs(estimate.z(commit_latency_mean(timing))) < 3


def test_every_write_of_every_client_is_timed() -> None:
    run = timed_run(EVEN, {"c": writer(3), "d": writer(2)}, seed=1)
    assert run.ended == "quiet"
    assert len(commit_latencies(run.trace)) == 5


@pytest.mark.parametrize("shipping", [Shipping.ONE_AT_A_TIME, Shipping.BATCHED])
@pytest.mark.parametrize("clients", [1, 3, 9])
def test_constant_times_reach_the_bounds_of_throughput(shipping: Shipping, clients: int) -> None:
    bound = throughput_bound(EVEN, CLIENT_LEG, clients, shipping)
    assert throughput(EVEN, shipping, clients, seed=1) == pytest.approx(bound)


def test_a_pipeline_falls_short_while_answers_wait_for_the_leader_s_disk_and_not_without() -> None:
    assert throughput(EVEN, Shipping.PIPELINED, 4, seed=1) < 0.9 * throughput_bound(
        EVEN, CLIENT_LEG, 4, Shipping.PIPELINED
    )
    quick = LogTiming(EVEN.legs, EVEN.follower_force_seconds)
    for clients in (2, 8):
        bound = throughput_bound(quick, CLIENT_LEG, clients, Shipping.PIPELINED)
        assert throughput(quick, Shipping.PIPELINED, clients, seed=1) == pytest.approx(bound)


def test_a_write_is_served_as_often_as_a_majority_is_up() -> None:
    served = sum(replicate(lambda seed: is_served(3, 0.7, seed=seed), 300))
    assert abs(Estimate.of_proportion(served, 300).z(commit_availability(3, 0.7))) < 3


def test_chaos_does_things_and_finds_some_mistakes() -> None:
    run = chaos(seed=1, always={})
    assert run.counts.crashes > 5
    assert run.counts.sent_by_class["InstallSnapshot"] > 0
    assert any(not survives(chaos(AcceptsAnyLog, seed=seed, always={})) for seed in range(6))
    assert any(judge(chaos(WithoutSessions, seed=seed, always={})) is Judgement.NOT_LINEARIZABLE for seed in range(6))


@pytest.mark.parametrize("processes", [False, True])
def test_nothing_is_lost_and_nothing_done_twice_when_the_leader_is_killed_over_sockets(processes: bool) -> None:
    found = kill_the_leader(adds_before=10, adds_after=10, processes=processes, seed=1)
    assert found.is_linearizable
    assert found.successor != found.killed
    done = sum(operation.result is not None and operation.completed is not None for operation in found.history)
    assert 20 <= done <= found.total <= len(found.history)
    assert 0 < found.election_seconds < 20
    assert found.outage_seconds > 0.05


def test_a_cluster_has_at_least_one_server() -> None:
    with pytest.raises(ValueError, match="`count` must be at least 1, got 0"):
        names_of(0)
