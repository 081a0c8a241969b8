"""What the bench reads off a run of two-phase commit is what the model is about, and agrees with it."""

import numpy as np
import pytest

from distlib.broken.transactions.two_phase_commit import ForgetfulParticipant
from distlib.evidence import Estimate
from distlib.experiments.transactions.two_phase_commit import (
    Fate,
    bank,
    chaos,
    commit_latencies,
    cost_of,
    crash_points,
    crashed_in_window,
    fates,
    hot_record,
    in_doubt_seconds,
    is_blocked,
    lock_hold_seconds,
    measure_cost,
    measure_fates,
    pausing,
    run_with,
    throughput,
    was_asked,
)
from distlib.models.latency import Constant, Exponential
from distlib.models.transactions.two_phase_commit import (
    CommitTiming,
    blocking_probability,
    commit_cost,
    commit_latency_mean,
    hot_record_throughput,
    in_doubt_seconds_mean,
    lock_hold_seconds_mean,
    loss_abort_probability,
)
from distlib.protocols.transactions.two_phase_commit import (
    Coordinator,
    Presumption,
    State,
    agreement,
    client_is_told_the_truth,
    outcomes,
)
from distlib.runtimes.faults import CrashRandomly

EXACT = CommitTiming(3, Constant(0.010), Constant(0.020), 0.003, 0.005)
RANDOM = CommitTiming(4, Exponential(0.001), Exponential(0.002), 0.001, 0.002)


def test_constant_legs_give_the_model_s_times_exactly() -> None:
    trace = run_with(EXACT, bank(3), seed=1).trace
    assert commit_latencies(trace) == {"t1": pytest.approx(commit_latency_mean(EXACT))}
    assert in_doubt_seconds(trace) == pytest.approx([0.020 + 0.005 + 0.010] * 3)
    assert lock_hold_seconds(trace) == pytest.approx([lock_hold_seconds_mean(EXACT)] * 3)


def test_random_legs_agree_with_the_model_in_the_mean() -> None:
    traces = [run_with(RANDOM, bank(4), seed=seed).trace for seed in range(400)]
    latency = Estimate.of_mean([commit_latencies(trace)["t1"] for trace in traces])
    doubt = Estimate.of_mean([float(np.mean(in_doubt_seconds(trace))) for trace in traces])
    hold = Estimate.of_mean([float(np.mean(lock_hold_seconds(trace))) for trace in traces])
    assert abs(latency.z(commit_latency_mean(RANDOM))) < 3
    assert abs(doubt.z(in_doubt_seconds_mean(RANDOM))) < 3
    assert abs(hold.z(lock_hold_seconds_mean(RANDOM))) < 3


@pytest.mark.parametrize("presumption", Presumption)
@pytest.mark.parametrize("count", [1, 2, 6])
def test_counted_costs_are_the_predicted_ones(presumption: Presumption, count: int) -> None:
    run = run_with(EXACT, bank(count, coordinator=Coordinator(presumption)), seed=1)
    assert cost_of(run.trace) == commit_cost(count, presumption.value)


def test_cost_over_sockets_is_the_predicted_one() -> None:
    assert measure_cost(bank(3, patience_seconds=60)) == commit_cost(3)


def test_lost_requests_and_votes_abort_as_often_as_predicted() -> None:
    runs = [run_with(RANDOM, bank(3), seed=seed, loss_probability=0.1, until_seconds=1.5) for seed in range(600)]
    aborted = sum(State.ABORTED in outcomes(run.world)["t1"] for run in runs)
    assert abs(Estimate.of_proportion(aborted, 600).z(loss_abort_probability(3, 0.1))) < 3


def test_crashes_catch_transactions_as_often_as_predicted() -> None:
    crashes = [CrashRandomly(["coordinator"], Exponential(1 / 150), Constant(3600.0))]
    nodes = bank(4, patience_seconds=0.05)
    runs = [run_with(RANDOM, nodes, seed=seed, faults=crashes, until_seconds=0.2, record=False) for seed in range(800)]
    asked = [run for run in runs if was_asked(run)]
    caught = Estimate.of_proportion(sum(map(is_blocked, asked)), len(asked))
    assert abs(caught.z(blocking_probability(RANDOM, 150.0))) < 3
    assert all(is_blocked(run) for run in asked if crashed_in_window(run))


def test_hot_record_passes_as_many_transactions_as_the_queue_predicts() -> None:
    timing = CommitTiming(2, Exponential(0.001), None, 0.001, 0.002)
    rates = Estimate.of_mean([throughput(run_with(timing, hot_record(8, 12), seed=seed)) for seed in range(30)])
    assert abs(rates.z(hot_record_throughput(timing))) < 3
    assert rates.low > 1 / lock_hold_seconds_mean(timing)


def test_chaos_without_a_mistake_leaves_no_disagreement_and_with_one_it_may() -> None:
    def disagreements(**changes: type) -> int:
        runs = (chaos(bank(3, transfer_count=4, patience_seconds=0.2, **changes), seed=seed) for seed in range(60))
        return sum(not (agreement(run.world) and client_is_told_the_truth(run.world)) for run in runs)

    assert disagreements() == 0
    assert disagreements(participant_class=ForgetfulParticipant) > 0


def test_back_to_back_transfers_wait_for_locks_and_pausing_ones_do_not() -> None:
    def mean(pause_seconds: float) -> Estimate:
        nodes = pausing(bank(4, transfer_count=20), pause_seconds)
        return Estimate.of_mean(
            [float(np.mean([*commit_latencies(run_with(RANDOM, nodes, seed=s).trace).values()])) for s in range(40)]
        )

    assert mean(0.0).low > commit_latency_mean(RANDOM)
    assert abs(mean(0.2).z(commit_latency_mean(RANDOM))) < 3


def test_crash_points_block_from_the_last_request_to_the_first_decision() -> None:
    points = crash_points(EXACT, bank(3), seed=1)
    assert points[5] == "send prepare t1 to p3"
    assert points[9] == "send commit t1 to p1"
    blocked = [
        point
        for point in range(len(points))
        if {fate.state for fate in fates(EXACT, bank(3), seed=1, crash_point=point).values()} == {"in doubt"}
    ]
    assert blocked == [5, 6, 7, 8]


def test_without_cooperation_half_a_burst_of_messages_blocks_too() -> None:
    ended = fates(EXACT, bank(3, cooperative=False), seed=1, crash_point=9)
    assert ended == {"p1": Fate("committed"), "p2": Fate("in doubt", True), "p3": Fate("in doubt", True)}


def test_crash_point_over_sockets_ends_as_simulated() -> None:
    nodes = bank(2, patience_seconds=0.25)
    for point in (3, 4, 8):
        simulated = fates(EXACT, nodes, seed=1, crash_point=point)
        real = measure_fates(nodes, crash_point=point)
        assert {name: fate.state for name, fate in real.items()} == {name: f.state for name, f in simulated.items()}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bank(0), "`participant_count` must be at least 1, got 0"),
        (lambda: bank(1, transfer_count=-1), "`transfer_count` must be at least 0, got -1"),
        (lambda: throughput(run_with(EXACT, bank(3), seed=1)), "`run` must have completed at least 2 transfers, got 1"),
    ],
)
def test_what_is_out_of_range_is_named(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
