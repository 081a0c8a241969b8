"""What the bench reads off runs of elections is what the models are about, and agrees with them."""

import math
from dataclasses import replace

import numpy as np
import pytest

from distlib.broken.consistency.leader_election import ForgetfulServer
from distlib.estimates import Estimate
from distlib.experiments.consistency.leader_election import (
    briefly,
    bully_processes,
    cluster,
    cut_off_leader,
    election_seconds,
    first_round,
    isolated_server,
    leader_times,
    measure_bully_messages,
    measure_cut_off_leader,
    measure_elections,
    measure_outages,
    measure_ring_messages,
    outage_seconds,
    predict_outage,
    run_with,
    state_label,
    terms_reached,
)
from distlib.figures.consistency.leader_election import election_dials, lease_dial, outages
from distlib.models.consistency.bully import messages
from distlib.models.consistency.chang_roberts import announcement_count, probe_count
from distlib.models.consistency.leader_election import (
    ElectionLaw,
    ElectionTiming,
    OutageLaw,
    contention_probability,
    election_seconds_mean,
    outage_seconds_mean,
    split_vote_probability,
    split_vote_probability_exponential,
    walk_election_seconds_mean,
)
from distlib.models.latency import Constant, Exponential
from distlib.protocols.consistency.leader_election import (
    Heartbeat,
    Outdated,
    PreVote,
    RequestPreVote,
    RequestVote,
    Role,
    Vote,
    one_leader_a_term,
)

FIVE = ElectionTiming(5, 0.150, 0.015, 0.005, heartbeat_seconds=0.075)
SLOW = ElectionTiming(5, 0.150, 0.150, 0.015, heartbeat_seconds=0.075)


@pytest.mark.parametrize(
    "timing",
    [
        FIVE,
        replace(FIVE, elector_count=5),
        replace(FIVE, member_count=3),
        replace(FIVE, delay_seconds=0.003, save_seconds=0.002),
        replace(FIVE, pre_vote=True),
    ],
    ids=["leader down", "all up", "three", "with writes", "pre-vote"],
)
def test_rounds_split_and_contend_as_often_as_predicted(timing: ElectionTiming) -> None:
    rounds = [first_round(timing, seed=seed) for seed in range(600)]
    split = Estimate.of_proportion(sum(not each.elected for each in rounds), len(rounds))
    assert abs(split.z(split_vote_probability(timing))) < 3
    contended = Estimate.of_proportion(sum(each.candidate_count > 1 for each in rounds), len(rounds))
    assert abs(contended.z(contention_probability(timing))) < 3


@pytest.mark.parametrize("electors", [2, 3])
def test_rounds_with_exponential_legs_split_as_often_as_predicted(electors: int) -> None:
    timing = ElectionTiming(3, 0.150, 0.030, 0.020, elector_count=electors)
    rounds = [first_round(timing, seed=seed, delay=Exponential(0.020)) for seed in range(700)]
    split = Estimate.of_proportion(sum(not each.elected for each in rounds), len(rounds))
    expected = split_vote_probability_exponential(electors, spread_seconds=0.030, delay_mean_seconds=0.020)
    assert abs(split.z(expected)) < 3


def test_elections_and_outages_follow_their_laws_where_splits_are_rare() -> None:
    elections = [election_seconds(SLOW, seed=seed) for seed in range(500)]
    without = [outage_seconds(SLOW, seed=seed) for seed in range(500)]
    assert abs(Estimate.of_mean(elections).z(election_seconds_mean(SLOW))) < 3
    assert abs(Estimate.of_mean(without).z(outage_seconds_mean(SLOW))) < 3
    for samples, law in ((elections, ElectionLaw(SLOW)), (without, OutageLaw(SLOW))):
        for chance in (0.25, 0.5, 0.9):
            below = Estimate.of_proportion(int(np.sum(np.array(samples) <= float(law.ppf(chance)))), 500)
            assert abs(below.z(chance)) < 3


@pytest.mark.parametrize("spread", [0.060, 0.030, 0.015])
def test_two_electors_take_as_long_as_the_walk_of_their_gap(spread: float) -> None:
    timing = ElectionTiming(3, 0.150, spread, 0.015)
    times = Estimate.of_mean([election_seconds(timing, seed=seed) for seed in range(700)])
    assert abs(times.z(walk_election_seconds_mean(timing))) < 3


def test_rounds_do_not_begin_anew_so_narrow_spreads_are_faster_than_the_ideal() -> None:
    timing = replace(SLOW, spread_seconds=0.030)
    times = Estimate.of_mean([election_seconds(timing, seed=seed) for seed in range(600)])
    assert times.z(election_seconds_mean(timing)) < -5


def test_writes_and_pre_vote_lengthen_an_election_by_what_is_predicted() -> None:
    for timing in (replace(SLOW, save_seconds=0.005), replace(SLOW, pre_vote=True)):
        times = Estimate.of_mean([election_seconds(timing, seed=seed) for seed in range(400)])
        assert abs(times.z(election_seconds_mean(timing))) < 3


def test_equal_timeouts_and_equal_legs_elect_nobody() -> None:
    assert outage_seconds(SLOW, seed=1, timeout_seconds=(0.150, 0.150), until_seconds=5.0) == math.inf


def test_a_leader_is_predicted_away_with_both_routes() -> None:
    found = predict_outage(
        member_count=5, timeout_seconds=(0.150, 0.300), heartbeat_seconds=0.075, delay=Constant(0.005), seeds=200
    )
    assert found.simulated is not None
    assert abs(found.simulated.z(found.mean_seconds)) < 3
    assert found.median_seconds < found.slowest_seconds


def test_a_leader_that_is_cut_off_believes_on_while_another_leads_the_next_term() -> None:
    run = cut_off_leader()
    (old, first, _, until), (new, second, since, _) = leader_times(run.trace)
    assert (first, second) == (1, 2)
    assert old != new
    assert since < until, "both believed for a while"
    assert until > 0.5, "the old one heard of it after the network healed"
    assert run.nodes["s1"].role is Role.FOLLOWER
    assert one_leader_a_term(run.world)


def test_a_server_that_was_cut_off_deposes_the_leader_unless_it_asks_first() -> None:
    plain, asking = isolated_server(pre_vote=False), isolated_server(pre_vote=True)
    assert max(terms_reached(plain.world).values()) > 5
    assert len(leader_times(plain.trace)) > 1
    assert set(terms_reached(asking.world).values()) == {1}
    assert [name for name, *_ in leader_times(asking.trace)] == ["s1"]


# ------------------------------------------------------------------------------------------------------------- sockets


def test_leaders_that_are_killed_over_sockets_are_replaced_term_after_term() -> None:
    found = measure_elections(cluster(3, timeout_seconds=(0.2, 0.4), heartbeat_seconds=0.05), kills=2)
    assert list(found.terms) == sorted(set(found.terms))
    assert len(found.outage_seconds) == 2
    assert all(0 < seconds < 20 for seconds in found.outage_seconds)
    assert found.one_leader_a_term


def test_an_outage_over_sockets_takes_a_timeout_less_what_passed_since_a_heartbeat() -> None:
    (seconds,) = measure_outages(cluster(3, timeout_seconds=(0.3, 0.4), heartbeat_seconds=0.05), kills=1)
    assert 0.1 < seconds < 20


def test_a_leader_that_is_cut_off_over_sockets_believes_on_until_it_is_told() -> None:
    assert measure_cut_off_leader(cluster(3, timeout_seconds=(0.2, 0.4), heartbeat_seconds=0.05)) == (2, 1)


def test_messages_over_sockets_are_those_predicted() -> None:
    assert measure_bully_messages(4, 1) == messages(4, 1)
    order = [4, 2, 1, 3]
    assert measure_ring_messages(order) == (probe_count(order), announcement_count(4))


# ------------------------------------------------------------------------------------------------------- what is shown


def test_messages_and_states_have_short_words() -> None:
    told = [briefly(message) for message in (RequestVote(2), Vote(2, True), Vote(2, False), RequestPreVote(3),
            PreVote(3, True), PreVote(2, False), Heartbeat(2), Outdated(4), "other")]  # fmt: skip
    assert told == [
        "vote in 2?", "yes", "no", "would you in 3?", "would", "would not", "I lead 2", "it is 4", "other",
    ]  # fmt: skip
    server = cluster(3)["s1"]
    assert state_label(server) is None
    assert state_label(server.on_timer("election")[0]) == ("stands in 1", "wait")
    assert state_label(replace(server, role=Role.LEADER)) == ("leads 0", "good")
    assert state_label(replace(server, role=Role.SOUNDING)) == ("sounds out", "calm")
    process = bully_processes(2, [])["p1"]
    assert state_label(process) is None
    assert state_label(replace(process, leader="p1")) == ("leads", "good")


def test_outages_are_drawn_with_their_laws_and_those_that_never_end() -> None:
    figure = outages(
        {"wide": [0.2, 0.3], "none": [math.inf, math.inf]},
        {"wide": OutageLaw(SLOW, most_rounds=4)},
        x_limits=(100, 1000),
        alt="Two lines.",
        caption="Outages.",
    )
    assert "predicted" in figure.html


def test_dials_say_what_they_show() -> None:
    dials = election_dials(identifier="test-dials")
    assert dials.summary(spread=300, delay=1).startswith("0.0")
    assert "more than 1,000 ms" in dials.summary(spread=20, delay=15)
    lease = lease_dial(identifier="test-lease")
    assert "two nodes hold the lease" in lease.summary()
    assert all("at most one" in lease.summary(drift=drift, kind="allows for drift") for drift in (0.0, 0.02, 0.04))


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: cluster(0), "`member_count` must be at least 1, got 0"),
        (lambda: cluster(3, first="s9"), "`first` must be one of"),
        (lambda: outage_seconds(replace(FIVE, heartbeat_seconds=0.0), seed=1), "`heartbeat_seconds` of `timing` must"),
        (
            lambda: [outage_seconds(FIVE, seed=seed, delay=Exponential(0.05)) for seed in range(20)],
            "`timing` must keep its first leader",
        ),
    ],
)
def test_what_cannot_be_run_is_refused(call: object, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        call()


def test_a_forgetful_server_works_in_a_cluster() -> None:
    timing = replace(SLOW, delay_seconds=0.002)
    run = run_with(timing, cluster(3, server_class=ForgetfulServer), seed=1, until_seconds=1.0)
    assert len(leader_times(run.trace)) == 1
