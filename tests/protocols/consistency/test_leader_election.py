"""Raft's election: its handlers, seeded runs with faults, every interleaving of small instances, broken variants."""

from dataclasses import replace

import pytest

from distlib.broken.consistency.leader_election import (
    CredulousServer,
    ForgetfulServer,
    HastyServer,
    LiveMajorityServer,
)
from distlib.experiments.consistency.leader_election import cluster, small
from distlib.models.latency import Constant, Exponential, Uniform
from distlib.node import CancelTimer, Save, Send, SetTimer, World
from distlib.protocols.consistency.leader_election import (
    Ballot,
    Heartbeat,
    Outdated,
    PreVote,
    RequestPreVote,
    RequestVote,
    Role,
    Server,
    Vote,
    leaders,
    majority,
    one_leader_a_term,
    somebody_leads,
    two_believe,
)
from distlib.runtimes.exploration import Verdict, explore
from distlib.runtimes.faults import CrashRandomly, Link, Network, PartitionRandomly
from distlib.runtimes.simulation import Run, simulate

NAMES = ("a", "b", "c")
SAFE = {"one leader a term": one_leader_a_term}
WAIT = SetTimer("election", (0.150, 0.300))
BEAT = SetTimer("heartbeat", (0.075, 0.075))


def server(**changes: object) -> Server:
    return replace(Server("a", NAMES), **changes)


def candidate() -> Server:
    return server().on_timer("election")[0]


def leader() -> Server:
    return candidate().on_message("b", Vote(1, True))[0]


# -------------------------------------------------------------------------------------------- standing for election


def test_a_candidate_saves_its_own_vote_before_it_asks_for_others() -> None:
    node, effects = server().on_timer("election")
    assert (node.role, node.ballot, node.granted) == (Role.CANDIDATE, Ballot(1, "a"), frozenset({"a"}))
    assert effects == (
        Save(Ballot(1, "a")),
        WAIT,
        Send("b", RequestVote(1)),
        Send("c", RequestVote(1)),
    )


def test_a_majority_of_all_members_elects_and_the_others_hear_of_it_at_once() -> None:
    node, effects = candidate().on_message("b", Vote(1, True))
    assert node.role is Role.LEADER
    assert effects == (CancelTimer("election"), Send("b", Heartbeat(1)), Send("c", Heartbeat(1)), BEAT)


def test_two_votes_of_five_are_not_a_majority_whoever_is_down() -> None:
    node = Server("a", ("a", "b", "c", "d", "e")).on_timer("election")[0]
    node, effects = node.on_message("b", Vote(1, True))
    assert (node.role, effects) == (Role.CANDIDATE, ())
    assert [majority(count) for count in range(1, 8)] == [1, 2, 2, 3, 3, 4, 4]


def test_the_same_vote_twice_counts_once() -> None:
    node = Server("a", ("a", "b", "c", "d", "e")).on_timer("election")[0]
    for _ in range(2):
        node, _ = node.on_message("b", Vote(1, True))
    assert node.role is Role.CANDIDATE


def test_a_vote_of_an_earlier_term_and_a_refusal_count_for_nothing() -> None:
    later = candidate().on_timer("election")[0]
    assert later.term == 2
    assert later.on_message("b", Vote(1, True)) == (later, ())
    assert later.on_message("b", Vote(2, False)) == (later, ())


def test_a_server_alone_elects_itself() -> None:
    node, effects = Server("a", ("a",)).on_timer("election")
    assert node.role is Role.LEADER
    assert effects[0] == Save(Ballot(1, "a"))


def test_a_server_must_be_a_member() -> None:
    with pytest.raises(ValueError, match="`members` must include the server itself, 'z'"):
        Server("z", NAMES)


# ----------------------------------------------------------------------------------------------- voting and following


def test_a_voter_saves_term_and_vote_in_one_write_before_the_vote_leaves() -> None:
    node, effects = server().on_message("b", RequestVote(3))
    assert node.ballot == Ballot(3, "b")
    assert effects == (Save(Ballot(3, "b")), WAIT, Send("b", Vote(3, True)))


def test_a_server_votes_once_in_a_term_and_says_so_again_to_the_same_candidate() -> None:
    node, _ = server().on_message("b", RequestVote(1))
    assert node.on_message("c", RequestVote(1)) == (node, (Send("c", Vote(1, False)),))
    assert node.on_message("b", RequestVote(1)) == (node, (WAIT, Send("b", Vote(1, True))))
    assert candidate().on_message("b", RequestVote(1))[1] == (Send("b", Vote(1, False)),)


def test_a_vote_survives_a_crash() -> None:
    node, _ = server().on_message("b", RequestVote(1))
    reborn, effects = server().on_start(node.ballot)
    assert effects == (WAIT,)
    assert reborn.on_message("c", RequestVote(1))[1] == (Send("c", Vote(1, False)),)


def test_an_old_request_is_refused_with_the_higher_term() -> None:
    node = server(ballot=Ballot(5))
    assert node.on_message("b", RequestVote(4)) == (node, (Send("b", Vote(5, False)),))


@pytest.mark.parametrize("message", [RequestVote(2), Vote(2, False), Heartbeat(2), Outdated(2), PreVote(2, False)])
def test_a_higher_term_ends_a_leadership_whatever_message_brings_it(message: object) -> None:
    node, effects = leader().on_message("b", message)
    assert (node.role, node.term) == (Role.FOLLOWER, 2)
    assert CancelTimer("heartbeat") in effects
    assert WAIT in effects
    assert any(isinstance(effect, Save) and effect.value.term == 2 for effect in effects)


def test_a_heartbeat_starts_the_timeout_anew_and_ends_a_candidacy() -> None:
    node, effects = candidate().on_message("b", Heartbeat(1))
    assert (node.role, effects) == (Role.FOLLOWER, (WAIT,))


def test_the_heartbeat_of_an_old_leader_is_answered_with_the_term() -> None:
    node = server(ballot=Ballot(3))
    assert node.on_message("b", Heartbeat(2)) == (node, (Send("b", Outdated(3)),))


def test_a_leader_tells_that_it_leads_until_it_does_not() -> None:
    _, effects = leader().on_timer("heartbeat")
    assert effects == (Send("b", Heartbeat(1)), Send("c", Heartbeat(1)), BEAT)


def test_a_first_timeout_is_for_the_first_boot_only() -> None:
    node = server(first_timeout_seconds=(0.0, 0.0))
    assert node.on_start(None)[1] == (SetTimer("election", (0.0, 0.0)),)
    assert node.on_start(Ballot(1))[1] == (WAIT,)


# ------------------------------------------------------------------------------------------------------------ pre-vote


def test_with_pre_vote_a_server_asks_before_it_enters_a_new_term_and_saves_nothing() -> None:
    node, effects = server(pre_vote=True).on_timer("election")
    assert (node.role, node.term) == (Role.SOUNDING, 0)
    assert effects == (WAIT, Send("b", RequestPreVote(1)), Send("c", RequestPreVote(1)))
    node, effects = node.on_message("b", PreVote(1, True))
    assert (node.role, node.term, effects[0]) == (Role.CANDIDATE, 1, Save(Ballot(1, "a")))


def test_whoever_trusts_a_leader_would_not_vote_and_promises_nothing_if_it_would() -> None:
    node, effects = server(pre_vote=True).on_message("c", Heartbeat(1))
    assert node.trusts
    assert SetTimer("trust", (0.150, 0.150)) in effects
    assert node.on_message("b", RequestPreVote(2))[1] == (Send("b", PreVote(1, False)),)
    doubting, _ = node.on_timer("trust")
    assert doubting.on_message("b", RequestPreVote(2)) == (doubting, (Send("b", PreVote(2, True)),))
    assert doubting.on_message("b", RequestPreVote(1))[1] == (Send("b", PreVote(1, False)),)
    assert leader().on_message("b", RequestPreVote(2))[1] == (Send("b", PreVote(1, False)),)


# --------------------------------------------------------------------------------------------------------- seeded runs


def chaos(seed: int, **options: object) -> Run:
    return simulate(
        cluster(5, **options),
        seed=seed,
        network=Network(Link(Exponential(0.010), loss_probability=0.1, duplicate_probability=0.1)),
        save_latency=Uniform(0.0, 0.010),
        faults=[
            CrashRandomly(["s1", "s2", "s3", "s4", "s5"], Exponential(1.0), Exponential(0.2)),
            PartitionRandomly(["s1", "s2", "s3", "s4", "s5"], Exponential(1.0), Exponential(0.5)),
        ],
        until_seconds=4.0,
        always=SAFE,
        record=False,
    )


@pytest.mark.parametrize("pre_vote", [False, True])
def test_no_term_has_two_leaders_under_crashes_partitions_losses_and_copies(pre_vote: bool) -> None:
    terms = [max(term for term, _ in leaders(run.world)) for run in map(lambda s: chaos(s, pre_vote=pre_vote), range(8))
             if leaders(run.world)]  # fmt: skip
    assert max(terms) > 3, "there were elections"


def test_somebody_leads_soon_if_nothing_goes_wrong() -> None:
    for seed in range(10):
        run = simulate(cluster(5), seed=seed, network=Network(Link(Constant(0.002))), until_seconds=2.0, record=False)
        assert somebody_leads(run.world)
        assert not two_believe(run.world)


# -------------------------------------------------------------------------------------------------------- explorations


@pytest.mark.parametrize(
    ("last_terms", "crashes", "states"),
    [
        ({"a": 1, "b": 1}, {}, 83),
        ({"a": 1, "b": 1}, {"c": 1}, 293),
        ({"a": 1, "b": 1, "c": 1}, 1, 3568),
        ({"a": 2, "b": 1}, {"c": 1}, 23698),
    ],
)
def test_no_term_has_two_leaders_in_any_state(last_terms: dict, crashes: object, states: int) -> None:
    found = explore(small(last_terms), messages="set", crashes=crashes, always=SAFE)
    assert found.require_holds().states == states


def test_two_servers_may_believe_that_they_lead_in_different_terms() -> None:
    found = explore(small({"a": 1, "b": 2}), messages="set", always=SAFE, sometimes={"two believe": two_believe})
    assert found.require_holds().states == 6056
    assert found.witnesses["two believe"][-1].time_seconds == 6


def test_somebody_can_be_elected_from_every_state_while_there_are_terms_left() -> None:
    possible = {"somebody leads": somebody_leads}
    explore(small({"a": 1, "b": 2}), messages="set", eventually_possible=possible).require_holds()


def test_pre_vote_keeps_a_term_to_one_leader() -> None:
    found = explore(small({"a": 1}, pre_vote=True), messages="set", crashes={"c": 1}, always=SAFE)
    assert found.require_holds().states == 729


@pytest.mark.parametrize(
    ("server_class", "last_terms", "crashes", "steps"),
    [
        (ForgetfulServer, {"a": 1, "b": 1}, {"c": 1}, 8),
        (HastyServer, {"a": 1, "b": 1}, {"c": 1}, 7),
        (CredulousServer, {"a": 2, "b": 2}, {}, 7),
        (LiveMajorityServer, {"a": 2, "b": 2}, {}, 4),
    ],
)
def test_a_mistake_is_caught_with_a_shortest_run(
    server_class: type[Server], last_terms: dict, crashes: dict, steps: int
) -> None:
    nodes = small(last_terms, server_class=server_class)
    found = explore(nodes, messages="set", crashes=crashes, always=SAFE, stop_at_violation=True)
    assert found.verdict is Verdict.VIOLATED
    assert found.violations["one leader a term"][-1].time_seconds == steps


def test_a_hasty_vote_passes_if_handlers_are_atomic() -> None:
    nodes = small({"a": 1, "b": 1}, server_class=HastyServer)
    explore(nodes, messages="set", crashes={"c": 1}, always=SAFE, crash_between_effects=False).require_holds()


def test_a_leader_that_is_down_counts_as_long_as_its_heartbeat_is_on_its_way() -> None:
    other = replace(leader(), name="b")
    world = World({"a": None, "b": other}, {}, (("a", "c", Heartbeat(1)),))
    assert leaders(world) == [(1, "a"), (1, "b")]
    assert not one_leader_a_term(world)
