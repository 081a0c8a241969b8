"""Paxos Commit on the bench: its bill, its latency and its availability, and three protocols in the same faults."""

import pytest

from distlib.estimates import Estimate
from distlib.experiments.transactions.paxos_commit import (
    STORIES,
    banks,
    bill_of,
    commit_latency,
    decided,
    ending,
    measure_messages,
    measure_takeover,
    run_with,
    split,
    with_acceptors_down,
)
from distlib.models.latency import Constant, Exponential
from distlib.models.transactions.paxos_commit import (
    PROTOCOLS,
    acceptor_unavailability,
    commit_bill,
    commit_latency_mean,
)
from distlib.models.transactions.two_phase_commit import CommitTiming
from distlib.protocols.transactions.paxos_commit import State, agreement, nobody_waits

RANDOM = CommitTiming(5, Exponential(0.001), None, 0.001, 0.002)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("count", "faults"), [(5, 1), (5, 0), (3, 2), (2, 1), (7, 2)])
def test_a_run_costs_what_the_paper_counts(protocol: str, count: int, faults: int) -> None:
    assert bill_of(protocol, count, faults) == commit_bill(protocol, count, faults)


def test_on_machines_of_their_own_the_messages_are_the_paper_s_too() -> None:
    # The client's request stands for the first manager's message to the leader, and the leader asks all N.
    assert bill_of("Paxos Commit", 5, co_located=False).messages == 22


def test_constant_legs_give_the_model_s_time_exactly() -> None:
    timing = CommitTiming(3, Constant(0.010), None, 0.003, 0.005)
    run = run_with(timing, banks(3, patience_seconds=1.0), seed=1)
    assert commit_latency(run.trace) == pytest.approx(0.038)
    assert decided(run)


@pytest.mark.parametrize("faults", [0, 1, 2])
def test_random_legs_agree_with_the_model_in_the_mean(faults: int) -> None:
    times = [commit_latency(run_with(RANDOM, banks(5, faults), seed=seed).trace) for seed in range(250)]
    assert abs(Estimate.of_mean(times).z(commit_latency_mean(RANDOM, faults))) < 3


@pytest.mark.parametrize("faults", [0, 1])
def test_it_waits_as_often_as_too_few_acceptors_are_up(faults: int) -> None:
    runs = [with_acceptors_down(RANDOM, faults, 0.3, seed=seed) for seed in range(250)]
    waits = Estimate.of_proportion(sum(not decided(run) for run in runs), len(runs))
    assert abs(waits.z(float(acceptor_unavailability(faults, 0.3)))) < 3


def test_in_the_same_faults_one_waits_one_disagrees_and_one_goes_on() -> None:
    two, three, paxos, _ = PROTOCOLS
    assert {ending(protocol, STORIES[0]) for protocol in PROTOCOLS} == {("5 committed", "good")}
    first = STORIES[1]
    assert [ending(protocol, first)[0] for protocol in (two, three, paxos)] == ["4 waiting", "4 aborted", "4 committed"]
    last = STORIES[4]
    assert ending(three, last) == ("2 aborted, 2 committed", "bad")
    assert ending(two, last) == ending(paxos, last) == ("2 committed, 2 waiting", "wait")


def test_acceptors_in_one_rack_are_worth_one_acceptor() -> None:
    runs = [with_acceptors_down(RANDOM, 1, 0.2, seed=seed, one_rack=True) for seed in range(200)]
    waits = Estimate.of_proportion(sum(not decided(run) for run in runs), len(runs))
    assert abs(waits.z(0.2)) < 3
    assert waits.low > float(acceptor_unavailability(1, 0.2))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_commit_over_sockets_costs_as_many_messages(protocol: str) -> None:
    assert measure_messages(protocol, 3, 1) == commit_bill(protocol, 3, 1).messages


def test_over_sockets_a_second_leader_finishes() -> None:
    assert measure_takeover(banks(3, patience_seconds=0.2), crash_point=4) == {State.COMMITTED}


def test_a_split_leaves_some_waiting_and_nobody_disagreeing() -> None:
    worlds = [split(RANDOM, seed=seed, latest_seconds=0.012).world for seed in range(40)]
    assert all(map(agreement, worlds))
    assert 0 < sum(not nobody_waits(world) for world in worlds) < 40


def test_what_is_not_known_is_named() -> None:
    with pytest.raises(ValueError, match="`protocol` must be one of 'two-phase commit'"):
        bill_of("one-phase commit", 5)
    with pytest.raises(ValueError, match="`story` must be one of"):
        ending("Paxos Commit", "rain")
    with pytest.raises(ValueError, match="`manager_count` must be >= 1"):
        banks(0)
