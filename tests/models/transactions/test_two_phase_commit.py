"""The models of two-phase commit: published values, limits and identities, and the errors for what is out of range."""

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from distlib.models.latency import Constant, Exponential, LogNormal, Pareto, Uniform
from distlib.models.transactions.two_phase_commit import (
    CommitTiming,
    Cost,
    abort_probability,
    blocked_seconds_mean,
    blocking_probability,
    commit_cost,
    commit_latency_mean,
    commit_latency_quantile,
    commit_latency_sf,
    doomed_probability,
    hot_record_throughput,
    in_doubt_seconds_mean,
    lock_hold_seconds_mean,
    loss_abort_probability,
    messages_without_acknowledgements,
    naive_commit_latency,
)

ROWS = json.loads((Path(__file__).parents[2] / "data" / "curriculum_values.json").read_text())
REFERENCE = {row["id"]: (row["value"], row["rtol"]) for row in ROWS}
KNOWN = json.loads((Path(__file__).parents[2] / "data" / "known_answers.json").read_text())
MILLISECOND = 0.001


def matches(value: float, identifier: str) -> bool:
    expected, relative = REFERENCE[identifier]
    return math.isclose(value, expected, rel_tol=relative)


def five(**forces: float) -> CommitTiming:
    return CommitTiming(5, Exponential(MILLISECOND), **forces)


def test_reference_value_of_the_maximum_of_eight_round_trips() -> None:
    assert matches(commit_latency_mean(CommitTiming(8, Exponential(MILLISECOND))) * 1000, "3a.2")


def test_reference_value_of_the_abort_probability() -> None:
    assert matches(abort_probability([0.005] * 10), "3a.4")


def test_reference_value_of_the_blocking_probability() -> None:
    timing = five(participant_force_seconds=MILLISECOND, coordinator_force_seconds=2 * MILLISECOND)
    assert matches(blocking_probability(timing, 1 / 3600), "3a.5")


def test_reference_value_of_the_time_in_doubt() -> None:
    assert matches(in_doubt_seconds_mean(five(coordinator_force_seconds=2 * MILLISECOND)) * 1000, "3a.6")


def test_two_exponential_round_trips_take_eleven_quarters_of_a_leg() -> None:
    assert commit_latency_mean(CommitTiming(2, Exponential(4.0))) == pytest.approx(11, rel=1e-9)


@pytest.mark.parametrize(
    "law", [Constant(0.002), Uniform(0.0, 0.004), Exponential(0.002), LogNormal(0.002, 0.8), Pareto(0.001, 2.5)]
)
def test_one_participant_has_the_naive_latency_and_more_have_a_longer_one(law: object) -> None:
    one, many = (CommitTiming(n, law, participant_force_seconds=0.001) for n in (1, 6))
    assert commit_latency_mean(one) == pytest.approx(naive_commit_latency(one), rel=1e-7)
    assert commit_latency_mean(many) >= naive_commit_latency(many) * (1 - 1e-12)
    assert (commit_latency_mean(many) > naive_commit_latency(many) * 1.01) is not isinstance(law, Constant)


def test_legs_of_two_laws_may_be_exchanged() -> None:
    there = CommitTiming(4, Exponential(0.001), Uniform(0.001, 0.003))
    back = CommitTiming(4, Uniform(0.001, 0.003), Exponential(0.001))
    assert commit_latency_mean(there) == pytest.approx(commit_latency_mean(back), rel=1e-8)


def test_latency_grows_with_the_logarithm_of_the_participants_and_slowly_so() -> None:
    def remainder(count: int) -> float:
        asymptote = math.log(count) + math.log(math.log(count)) + np.euler_gamma
        return commit_latency_mean(CommitTiming(count, Exponential(1.0))) - asymptote

    remainders = [remainder(10**power) for power in (2, 4, 8, 16)]
    assert all(0 < later < earlier for earlier, later in pairwise(remainders))


def test_survival_and_quantile_are_inverse_and_start_after_the_forces() -> None:
    timing = five(participant_force_seconds=0.001, coordinator_force_seconds=0.002)
    chances = np.array([0.01, 0.5, 0.99, 0.999])
    assert commit_latency_sf(timing, commit_latency_quantile(timing, chances)) == pytest.approx(1 - chances, rel=1e-7)
    assert commit_latency_sf(timing, 0.003) == 1.0


def test_the_mean_is_the_integral_of_the_survival() -> None:
    timing = five(participant_force_seconds=0.001)
    seconds = np.linspace(0, 0.05, 200_001)
    assert np.trapezoid(commit_latency_sf(timing, seconds), seconds) == pytest.approx(
        commit_latency_mean(timing), rel=1e-6
    )


def test_blocking_is_at_most_rate_times_window_and_close_to_it_for_rare_crashes() -> None:
    timing = five(participant_force_seconds=0.001, coordinator_force_seconds=0.002)
    for rate in (1e-6, 1.0, 100.0):
        bound = rate * commit_latency_mean(timing)
        assert blocking_probability(timing, rate) < bound
    assert blocking_probability(timing, 1e-6) == pytest.approx(1e-6 * commit_latency_mean(timing), rel=1e-7)
    assert blocking_probability(timing, 0.0) == 0.0
    assert blocking_probability(timing, 1e6) == pytest.approx(1.0)


def test_blocking_by_forces_alone_is_the_exponential_law() -> None:
    timing = CommitTiming(3, Constant(0.0), coordinator_force_seconds=0.5)
    assert blocking_probability(timing, 2.0) == pytest.approx(1 - math.exp(-1), rel=1e-12)
    assert blocked_seconds_mean(timing, 2.0, 60.0) == pytest.approx(60 * (1 - math.exp(-1)), rel=1e-12)


@pytest.mark.parametrize(
    ("presumption", "commit", "cost"),
    [
        ("presumed nothing", True, Cost(4 * 7, 2 * 7, 1)),
        ("presumed nothing", False, Cost(4 * 7, 2 * 7, 1)),
        ("presumed abort", True, Cost(4 * 7, 2 * 7, 1)),
        ("presumed abort", False, Cost(3 * 7, 7, 0)),
        ("presumed commit", True, Cost(3 * 7, 7, 2)),
        ("presumed commit", False, Cost(4 * 7, 2 * 7, 2)),
    ],
)
def test_cost_table_of_the_presumptions(presumption: str, commit: bool, cost: Cost) -> None:
    assert commit_cost(7, presumption, commit=commit) == cost


def test_gray_and_lamport_count_without_acknowledgements_and_co_located_twelve() -> None:
    # Their co-located figure saves two more messages: the coordinator is at the first resource manager.
    colocated = KNOWN["paxos_commit_messages"]["N=5,F=1 co-located [2PC, Paxos Commit, faster Paxos Commit]"][0]
    assert messages_without_acknowledgements(5) - 2 == colocated


def test_abort_is_certain_if_one_refuses_and_impossible_if_none_can() -> None:
    assert abort_probability([0.0, 1.0]) == 1.0
    assert abort_probability([0.0, 0.0]) == 0.0
    assert abort_probability([1e-18] * 3) == pytest.approx(3e-18)


def test_a_lost_leg_aborts_as_a_refusal_does() -> None:
    assert loss_abort_probability(3, 0.1) == pytest.approx(1 - 0.9**6)
    assert doomed_probability(3, 0.1) == pytest.approx(0.9**3)


def test_locks_are_held_from_the_request_to_the_decision() -> None:
    timing = CommitTiming(1, Constant(0.001), participant_force_seconds=0.003, coordinator_force_seconds=0.005)
    # One participant: force, vote leg, force, decision leg, force.
    assert lock_hold_seconds_mean(timing) == pytest.approx(0.003 + 0.001 + 0.005 + 0.001 + 0.003)
    assert lock_hold_seconds_mean(timing, outcome_forced=False) == pytest.approx(0.003 + 0.001 + 0.005 + 0.001)
    assert lock_hold_seconds_mean(timing, Constant(0.011)) == pytest.approx(0.003 + 0.001 + 0.005 + 0.011 + 0.003)
    assert hot_record_throughput(timing) == pytest.approx(1 / (2 * 0.003 + 0.005 + 2 * 0.001))
    assert hot_record_throughput(timing, blocked_seconds=1.0) < 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: CommitTiming(0, Constant(0.001)), r"`participant_count` must be a whole number of at least 1, got 0"),
        (lambda: CommitTiming(True, Constant(0.001)), r"`participant_count` .* got True"),
        (
            lambda: five(participant_force_seconds=-1.0),
            r"`participant_force_seconds` must be .* at least 0.0, got -1.0",
        ),
        (lambda: blocking_probability(five(), -0.1), r"`crash_rate_per_second` .* got -0.1"),
        (lambda: blocking_probability(five(), math.nan), r"`crash_rate_per_second` .* got nan"),
        (
            lambda: commit_cost(3, "presumed guilty"),
            r"`presumption` must be one of 'presumed nothing'.* got 'presumed guilty'",
        ),
        (lambda: abort_probability([]), r"`no_vote_probabilities` must name at least one participant"),
        (lambda: abort_probability([0.1, 1.5]), r"`no_vote_probabilities` must be in \[0, 1\], got 1.5"),
        (lambda: doomed_probability(3, -0.2), r"`loss_probability` must be in \[0, 1\], got -0.2"),
        (lambda: hot_record_throughput(CommitTiming(2, Constant(0.0))), r"`timing` must have a leg or a force above 0"),
        (lambda: commit_latency_quantile(five(), 1.5), r"`probability` must be in \[0, 1\], got 1.5"),
    ],
)
def test_what_is_out_of_range_is_named_with_its_bound_and_value(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_what_is_no_law_is_named() -> None:
    with pytest.raises(TypeError, match="`request` must be a law"):
        CommitTiming(3, 0.001)
