"""What the bench reads off a run of three-phase commit is what the model is about, and agrees with it."""

import numpy as np
import pytest

from distlib.estimates import Estimate
from distlib.experiments.transactions.three_phase_commit import (
    banks,
    commit_latency,
    crash_points,
    decision_latencies,
    fate_cell,
    fates,
    measure_fates,
    money_created,
    precommit_effect,
    run_with,
    split,
)
from distlib.models.latency import Constant, Exponential, Pareto
from distlib.models.transactions.three_phase_commit import (
    commit_latency_mean,
    decision_seconds_mean,
    inconsistency_probability,
    inconsistency_probability_with_coordinator,
)
from distlib.models.transactions.two_phase_commit import CommitTiming
from distlib.protocols.transactions.three_phase_commit import Participant, State, agreement, standings

EXACT = CommitTiming(3, Constant(0.010), Constant(0.020), 0.003, 0.005)
RANDOM = CommitTiming(5, Exponential(0.001), None, 0.001, 0.002)
Q = 0.3


def test_constant_legs_give_the_model_s_times_exactly() -> None:
    trace = run_with(EXACT, banks(3), seed=1).trace
    assert commit_latency(trace) == pytest.approx(commit_latency_mean(EXACT))
    assert decision_latencies(trace) == pytest.approx([decision_seconds_mean(EXACT)] * 3)


def test_random_legs_agree_with_the_model_in_the_mean() -> None:
    traces = [run_with(RANDOM, banks(5), seed=seed).trace for seed in range(300)]
    assert abs(Estimate.of_mean([commit_latency(trace) for trace in traces]).z(commit_latency_mean(RANDOM))) < 3
    heard = Estimate.of_mean([float(np.mean(decision_latencies(trace))) for trace in traces])
    assert abs(heard.z(decision_seconds_mean(RANDOM))) < 3


@pytest.mark.parametrize("alive", [False, True])
def test_the_sides_of_a_partition_disagree_as_often_as_predicted(alive: bool) -> None:
    moment = float(RANDOM.request.ppf(Q))
    runs = [split(RANDOM, seed, after_seconds=moment, coordinator_alive=alive) for seed in range(500)]
    model = inconsistency_probability_with_coordinator if alive else inconsistency_probability
    found = Estimate.of_proportion(sum(not agreement(run.world) for run in runs), len(runs))
    assert abs(found.z(float(model(5, Q)))) < 3


def test_a_partition_that_comes_late_or_never_disagrees_not() -> None:
    late = [split(RANDOM, seed, after_seconds=0.03) for seed in range(20)]
    one_side = [split(RANDOM, seed, after_seconds=0.0, side=1.0, coordinator_alive=True) for seed in range(5)]
    assert all(agreement(run.world) for run in (*late, *one_side))


def test_money_is_created_or_lost_where_the_sides_disagree() -> None:
    worlds = [split(RANDOM, seed, after_seconds=0.0004).world for seed in range(30)]
    assert all((money_created(world) != 0) == (not agreement(world)) for world in worlds)
    assert any(map(money_created, worlds))


def test_the_effect_that_sends_the_last_precommit_is_known() -> None:
    points = crash_points(EXACT, banks(3, client=False), seed=1)
    assert points[precommit_effect(3)] == "send precommit to p3"


def test_no_crash_point_of_the_coordinator_leaves_anybody_waiting() -> None:
    points = crash_points(EXACT, banks(3), seed=1)
    ends = [{state for state, _ in fates(EXACT, banks(3), seed=1, crash_point=k).values()} for k in range(len(points))]
    assert all(len(end) == 1 and end <= {"committed", "aborted", "working"} for end in ends)
    assert [fate_cell((word, 0))[1] for word in ("committed", "aborted", "working", "uncertain")] == [
        "good",
        "bad",
        "calm",
        "wait",
    ]


def test_crash_points_over_sockets_end_as_simulated() -> None:
    nodes = banks(2, patience_seconds=0.25)
    for point in (4, 7):
        simulated = {name: fate for name, (fate, _) in fates(EXACT, nodes, seed=1, crash_point=point).items()}
        assert measure_fates(nodes, crash_point=point) == simulated


def test_a_bank_may_refuse_and_another_class_may_be_put_in() -> None:
    nodes = banks(2, refuse={"p2"}, participant_class=Participant)
    assert set(standings(run_with(EXACT, nodes, seed=1).world).values()) == {State.ABORTED}
    with pytest.raises(ValueError, match="`participant_count` must be at least 1, got 0"):
        banks(0)


def test_slow_messages_alone_cost_needless_aborts_and_no_disagreement() -> None:
    timing = CommitTiming(3, Pareto(0.001 / 6, 1.2), None, 0.001, 0.002)
    nodes = banks(3, patience_seconds=0.005)
    worlds = [run_with(timing, nodes, seed=seed, until_seconds=2.0, record=False).world for seed in range(150)]
    assert all(map(agreement, worlds))
    assert any(State.ABORTED in standings(world).values() for world in worlds)
