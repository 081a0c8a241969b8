"""Raft: its handlers, rule by rule; every order of events of small instances; every fault at once; nine mistakes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from distlib.broken.consistency import consensus as broken
from distlib.checkers.linearizability import linearizable
from distlib.checkers.sequential_models import Model
from distlib.experiments.consistency.consensus import (
    COUNTERS,
    REGISTERS,
    SAFETY,
    WRITTEN,
    acknowledged,
    chaos,
    cluster,
    figure_eight,
    led_by_first,
    new_leader,
    one_behind,
    one_step_change,
    retried,
    story,
    survives,
    two_candidates,
    two_changes,
    two_leaders,
)
from distlib.node import CancelTimer, Node, Save, Send, SetTimer, World
from distlib.protocols.consistency.consensus import (
    Answer,
    AppendEntries,
    AppendReply,
    Client,
    Durable,
    Entry,
    InstallSnapshot,
    Machine,
    Progress,
    Redirect,
    Request,
    RequestVote,
    Role,
    Server,
    Session,
    Snapshot,
    Vote,
    election_safety,
    leader_completeness,
    log_matching,
    members_operation,
    servers,
    state_machine_safety,
)
from distlib.runtimes.exploration import explore
from distlib.runtimes.faults import Crash, Partition
from distlib.runtimes.simulation import simulate
from distlib.runtimes.trace import Kind

THREE = frozenset({"s1", "s2", "s3"})
WRITE = ("write", "x", "1")


def log(*terms: int) -> tuple[Entry, ...]:
    return tuple(map(Entry, terms))


def server(term: int = 0, *terms: int, voted_for: str | None = None, **options: Any) -> Server:
    """Return a follower s2 of three that has booted."""
    node, _ = Server("s2", THREE, disk=Durable(term, voted_for, log(*terms)), **options).on_start(None)
    return node


def leading(term: int = 1, *terms: int, **options: Any) -> Server:
    """Return s2 as the leader of a term, right after its election, with its empty entry behind those of `terms`."""
    node, _ = server(term - 1, *terms, **options).on_timer("election")
    node, _ = node.on_message("s1", Vote(term, True))
    assert node.role is Role.LEADER
    return node


def sent(effects: tuple[Any, ...], kind: type) -> list[tuple[str, Any]]:
    return [
        (each.target, each.message) for each in effects if isinstance(each, Send) and isinstance(each.message, kind)
    ]


# ----------------------------------------------------------------------------------------------------------- machine


def test_a_request_that_comes_twice_is_applied_once_and_answered_the_same() -> None:
    line = Entry(1, "c", 1, ("add", "x", 2))
    once = Machine().apply(line)
    assert once.apply(line) == once
    assert once.sessions == (("c", Session(1, 2)),)
    assert once.apply(Entry(2, "d", 1, ("add", "x", 2))).read("x") == 4


def test_the_machine_s_operations() -> None:
    machine = Machine()
    assert machine.operate(("read", "x")) == (machine, "")
    machine, result = machine.operate(WRITE)
    assert (machine.read("x"), result) == ("1", None)
    assert machine.operate(("compare_and_set", "x", "2", "3")) == (machine, False)
    machine, result = machine.operate(("compare_and_set", "x", "1", "3"))
    assert (machine.read("x"), result) == ("3", True)
    assert machine.operate(members_operation(THREE)) == (machine, None)
    with pytest.raises(ValueError, match="`operation` must be a read, a write, an add"):
        machine.operate(("delete", "x"))


# --------------------------------------------------------------------------------------------------------- elections


def test_a_candidate_raises_its_term_votes_for_itself_and_saves_both_before_it_asks() -> None:
    node, effects = server(3, 1, 2).on_timer("election")
    assert (node.role, node.disk) == (Role.CANDIDATE, Durable(4, "s2", log(1, 2), node.disk.snapshot))
    ask = RequestVote(4, 2, 2)
    assert effects == (Save(node.disk), Send("s1", ask), Send("s3", ask), SetTimer("election", (0.15, 0.3)))


def test_a_vote_is_durable_before_it_is_told_and_given_once_in_a_term() -> None:
    node, effects = server(1).on_message("s1", RequestVote(2, 0, 0))
    assert effects[0] == Save(node.disk)
    assert node.disk.voted_for == "s1"
    assert sent(effects, Vote) == [("s1", Vote(2, True))]
    same, effects = node.on_message("s3", RequestVote(2, 0, 0))
    assert same == node
    assert effects == (Send("s3", Vote(2, False)),)
    _, effects = node.on_message("s1", RequestVote(2, 0, 0))
    assert sent(effects, Vote) == [("s1", Vote(2, True))]


@pytest.mark.parametrize(
    ("last_index", "last_term", "granted"),
    [(3, 2, True), (2, 2, False), (1, 3, True), (9, 1, False), (4, 2, True)],
)
def test_the_term_of_the_last_entry_decides_a_vote_and_then_the_length(
    last_index: int, last_term: int, granted: bool
) -> None:
    _, effects = server(4, 1, 2, 2).on_message("s1", RequestVote(5, last_index, last_term))
    assert sent(effects, Vote) == [("s1", Vote(5, granted))]


def test_what_comes_from_an_earlier_term_is_told_the_later_one() -> None:
    node = server(5, 1)
    assert node.on_message("s1", RequestVote(4, 9, 4)) == (node, (Send("s1", Vote(5, False)),))
    stale = AppendEntries(4, 0, 0, log(4), 0)
    assert node.on_message("s1", stale) == (node, (Send("s1", AppendReply(5, False, 0)),))
    assert node.on_message("s1", Vote(4, True)) == (node, ())


def test_a_leader_begins_its_term_with_an_entry_that_does_nothing() -> None:
    node, _ = server(0).on_timer("election")
    node, effects = node.on_message("s3", Vote(1, True))
    assert node.disk.entries == (Entry(1),)
    assert effects[0] == Save(node.disk)
    assert CancelTimer("election") in effects
    append = AppendEntries(1, 0, 0, log(1), 0)
    assert sent(effects, AppendEntries) == [("s1", append), ("s3", append)]


def test_a_leader_that_hears_of_a_later_term_follows() -> None:
    node, effects = leading().on_message("s3", Vote(7, False))
    assert (node.role, node.disk.term, node.disk.voted_for) == (Role.FOLLOWER, 7, None)
    assert CancelTimer("heartbeat") in effects


def test_a_server_alone_elects_itself() -> None:
    node, _ = Server("s1", frozenset({"s1"})).on_start(None)
    node, _ = node.on_timer("election")
    assert (node.role, node.commit_index) == (Role.LEADER, 1)


def test_a_server_that_is_no_member_does_not_stand() -> None:
    node, _ = Server("s4").on_start(None)
    assert node.on_timer("election")[0].role is Role.FOLLOWER


# ------------------------------------------------------------------------------------------------------- replication


def test_a_follower_appends_what_fits_and_erases_what_conflicts() -> None:
    node, effects = server(2, 1, 2, 2).on_message("s1", AppendEntries(3, 2, 2, log(3, 3), 0))
    assert node.disk.entries == log(1, 2, 3, 3)
    assert effects[0] == Save(node.disk)
    assert sent(effects, AppendReply) == [("s1", AppendReply(3, True, 4))]


def test_a_follower_refuses_what_does_not_fit_and_says_where_to_look() -> None:
    node, effects = server(3, 1, 2, 2, 2).on_message("s1", AppendEntries(3, 4, 3, log(3), 0))
    assert node.disk.entries == log(1, 2, 2, 2)
    assert sent(effects, AppendReply) == [("s1", AppendReply(3, False, 1))]
    _, effects = server(3, 1).on_message("s1", AppendEntries(3, 4, 3, log(3), 0))
    assert sent(effects, AppendReply) == [("s1", AppendReply(3, False, 1))]


def test_an_old_copy_of_a_message_erases_nothing() -> None:
    node = server(1, 1, 1, 1)
    later, effects = node.on_message("s1", AppendEntries(1, 0, 0, log(1), 0))
    assert later.disk == node.disk
    assert sent(effects, AppendReply) == [("s1", AppendReply(1, True, 1))]


def test_a_follower_applies_what_is_committed_as_far_as_it_has_it() -> None:
    lines = (Entry(1, "c", 1, WRITE), Entry(1, "c", 2, ("write", "x", "2")))
    node, _ = server(1).on_message("s1", AppendEntries(1, 0, 0, lines[:1], 7))
    assert (node.commit_index, node.machine.read("x")) == (1, "1")
    node, _ = node.on_message("s1", AppendEntries(1, 1, 1, lines[1:], 2))
    assert (node.commit_index, node.machine.read("x")) == (2, "2")


def test_a_leader_goes_back_until_the_logs_meet_and_then_sends_it_all() -> None:
    node = leading(3, 1, 1, 2)
    node, effects = node.on_message("s1", AppendReply(3, False, 1))
    assert sent(effects, AppendEntries) == [("s1", AppendEntries(3, 1, 1, log(1, 2, 3), 0))]


def test_a_leader_commits_an_entry_of_its_own_term_with_all_before_it_and_answers() -> None:
    node = leading(2, 1)
    node, effects = node.on_message("c", Request(1, WRITE))
    assert isinstance(effects[0], Save)
    node, _ = node.on_message("s1", AppendReply(2, True, 1))
    assert node.commit_index == 0
    node, effects = node.on_message("s1", AppendReply(2, True, 3))
    assert node.commit_index == 3
    assert sent(effects, Answer) == [("c", Answer(1, None))]


def test_a_majority_that_has_an_old_entry_does_not_commit_it() -> None:
    node, _ = leading(4, 2).on_message("s1", AppendReply(4, True, 1))
    assert node.commit_index == 0
    wrong, _ = replace_class(leading(4, 2), broken.CommitsByCounting).on_message("s1", AppendReply(4, True, 1))
    assert wrong.commit_index == 1


def replace_class(node: Server, kind: type[Server]) -> Server:
    """Return the same server as one of another class."""
    return kind(**{name: getattr(node, name) for name in node.__dataclass_fields__})


def test_what_is_not_confirmed_is_sent_again_with_the_heartbeat() -> None:
    node, _ = leading().on_message("s1", AppendReply(1, True, 1))
    _, effects = node.on_timer("heartbeat")
    assert sent(effects, AppendEntries) == [
        ("s1", AppendEntries(1, 1, 1, (), 1)),
        ("s3", AppendEntries(1, 0, 0, log(1), 1)),
    ]


def test_without_a_pipeline_the_next_entry_waits_for_the_confirmation_of_the_last() -> None:
    node = leading(1, pipelined=False, batch_limit=1)
    node, effects = node.on_message("c", Request(1, WRITE))
    assert sent(effects, AppendEntries) == []
    _, effects = node.on_message("s1", AppendReply(1, True, 1))
    assert [target for target, _ in sent(effects, AppendEntries)] == ["s1"]


def test_requests_that_gather_are_written_at_once() -> None:
    node = leading(1, gather_seconds=(0.0, 0.0))
    node, effects = node.on_message("c", Request(1, WRITE))
    assert effects == (SetTimer("gather", (0.0, 0.0)),)
    node, effects = node.on_message("d", Request(1, WRITE))
    assert effects == ()
    node, effects = node.on_timer("gather")
    assert [line.client for line in node.disk.entries] == ["", "c", "d"]
    assert sum(isinstance(each, Save) for each in effects) == 1
    assert node.gathered == ()


def test_entries_may_leave_before_the_leader_s_own_write_and_nothing_else_may() -> None:
    node = leading(1, parallel_write=True)
    _, effects = node.on_message("c", Request(1, WRITE))
    assert [type(each) for each in effects] == [Send, Send, Save]
    voter, effects = server(1, parallel_write=True).on_message("s1", RequestVote(2, 0, 0))
    assert effects[0] == Save(voter.disk)


# ------------------------------------------------------------------------------------------------ clients, and reads


def test_who_does_not_lead_says_who_does() -> None:
    node, _ = server(1).on_message("s1", AppendEntries(1, 0, 0, (), 0))
    assert node.on_message("c", Request(1, WRITE)) == (node, (Send("c", Redirect(1, "s1")),))


def test_a_copy_of_a_request_is_answered_from_the_session_and_not_taken_again() -> None:
    node, _ = leading().on_message("c", Request(1, WRITE))
    assert node.on_message("c", Request(1, WRITE)) == (node, ())
    node, _ = node.on_message("s1", AppendReply(1, True, 2))
    assert node.on_message("c", Request(1, WRITE)) == (node, (Send("c", Answer(1, None)),))


def test_a_read_waits_for_a_majority_that_confirms_its_round() -> None:
    node, _ = leading().on_message("s1", AppendReply(1, True, 1))
    node, effects = node.on_message("c", Request(1, ("read", "x")))
    assert sent(effects, Answer) == []
    assert {message.round for _, message in sent(effects, AppendEntries)} == {1}
    node, effects = node.on_message("s1", AppendReply(1, True, 1, round=0))
    assert sent(effects, Answer) == []
    node, effects = node.on_message("s3", AppendReply(1, True, 1, round=1))
    assert sent(effects, Answer) == [("c", Answer(1, ""))]


def test_a_read_waits_until_the_leader_has_committed_in_its_own_term() -> None:
    node, _ = leading(2, 1).on_message("c", Request(1, ("read", "x")))
    node, effects = node.on_message("s1", AppendReply(2, True, 1, round=1))
    assert sent(effects, Answer) == []
    _, effects = node.on_message("s1", AppendReply(2, True, 2, round=1))
    assert sent(effects, Answer) == [("c", Answer(1, ""))]


def test_a_client_asks_again_under_the_same_number_and_follows_a_redirect() -> None:
    node, effects = Client(("s1", "s2"), (WRITE,)).on_start(None)
    assert effects[1] == Send("s1", Request(1, WRITE))
    node, effects = node.on_timer("retry")
    assert effects[0] == Send("s2", Request(1, WRITE))
    node, effects = node.on_message("s2", Redirect(1, "s1"))
    assert effects == (Send("s1", Request(1, WRITE)),)
    node, effects = node.on_message("s1", Answer(1, None))
    assert not node.operations
    assert CancelTimer("retry") in effects
    assert node.on_message("s1", Answer(1, None)) == (node, ())


# ------------------------------------------------------------------------------------------------ snapshots, members


def test_a_snapshot_takes_the_place_of_the_entries_that_led_to_it() -> None:
    node = leading(1, snapshot_every=2)
    node, _ = node.on_message("c", Request(1, WRITE))
    node, effects = node.on_message("s1", AppendReply(1, True, 2))
    assert node.disk.entries == ()
    assert node.disk.snapshot == Snapshot(2, 1, THREE, node.machine)
    assert (node.disk.last_index, node.disk.term_at(2), node.disk.term_at(1)) == (2, 1, -1)
    # The answer leaves when the snapshot is on disk: entries are gone only then.
    assert effects[0] == Save(node.disk)
    _, effects = node.on_timer("heartbeat")
    assert sent(effects, InstallSnapshot) == [("s3", InstallSnapshot(1, node.disk.snapshot))]


def test_a_follower_installs_a_snapshot_and_keeps_what_it_has_behind_it() -> None:
    machine = Machine((("x", "1"),))
    snapshot = Snapshot(2, 1, THREE, machine)
    node, effects = server(1, 1, 1, 1).on_message("s1", InstallSnapshot(1, snapshot))
    assert (node.disk.snapshot, node.disk.entries, node.machine, node.commit_index) == (snapshot, log(1), machine, 2)
    assert sent(effects, AppendReply) == [("s1", AppendReply(1, True, 2))]
    node, _ = server(1, 1).on_message("s1", InstallSnapshot(1, snapshot))
    assert node.disk.entries == ()


def test_what_a_snapshot_holds_already_is_skipped() -> None:
    snapshot = Snapshot(3, 1, THREE, Machine())
    node, _ = server(1, 1).on_message("s1", InstallSnapshot(1, snapshot))
    node, effects = node.on_message("s1", AppendEntries(1, 1, 1, log(1, 1, 1), 3))
    assert node.disk.entries == log(1)
    assert sent(effects, AppendReply) == [("s1", AppendReply(1, True, 4))]


def test_a_server_that_recovers_begins_with_its_snapshot_and_nothing_else() -> None:
    disk = Durable(4, "s1", log(4), Snapshot(3, 2, THREE, Machine((("x", "1"),))))
    under_way = replace(leading(4), is_under_way=True)
    node, effects = under_way.on_start(disk)
    assert (node.role, node.disk, node.commit_index, node.machine) == (Role.FOLLOWER, disk, 3, disk.snapshot.machine)
    assert effects == (SetTimer("election", (0.15, 0.3)),)


def test_one_server_at_a_time_may_come_or_go_and_only_when_the_last_change_is_committed() -> None:
    four = members_operation(THREE | {"s4"})
    node = leading()
    early, effects = node.on_message("o", Request(1, four))
    assert (early, effects) == (node, ())  # Nothing of its own term is committed yet.
    node, _ = node.on_message("s1", AppendReply(1, True, 1))
    assert node.on_message("o", Request(1, members_operation(THREE | {"s4", "s5"}))) == (node, ())
    node, effects = node.on_message("o", Request(1, four))
    assert node.configuration == THREE | {"s4"}
    assert {target for target, _ in sent(effects, AppendEntries)} == {"s1", "s3", "s4"}
    assert dict(node.progress)["s4"] == Progress(2, 2)
    assert node.on_message("o", Request(2, members_operation(THREE))) == (node, ())


def test_a_leader_that_was_removed_leads_until_that_is_committed() -> None:
    node, _ = leading().on_message("s1", AppendReply(1, True, 1))
    node, _ = node.on_message("o", Request(1, members_operation(THREE - {"s2"})))
    node, _ = node.on_message("s1", AppendReply(1, True, 2))
    assert node.role is Role.LEADER  # One of two others is no majority of them.
    node, effects = node.on_message("s3", AppendReply(1, True, 2))
    assert node.role is Role.FOLLOWER
    assert CancelTimer("heartbeat") in effects
    assert sent(effects, Answer) == [("o", Answer(1, None))]


# -------------------------------------------------------------------------------------------------------- invariants


def world(**disks: Server) -> World:
    return World(disks, {name: node.disk for name, node in disks.items()})


def test_each_invariant_finds_what_it_is_for() -> None:
    assert not election_safety(world(s1=leading(2), s2=leading(2)))
    assert election_safety(world(s1=leading(2), s2=leading(3)))
    one, other = server(3, 1, 3), server(3, 2, 3)
    assert not log_matching(world(s1=one, s2=other))
    assert log_matching(world(s1=one, s2=server(3, 1, 2)))
    ahead = replace(server(3, 1, 1, 1), commit_index=3)
    assert not leader_completeness(world(s1=leading(4), s2=ahead))
    assert leader_completeness(world(s1=leading(2), s2=ahead))
    assert not state_machine_safety(world(s1=replace(one, commit_index=1), s2=replace(other, commit_index=1)))
    assert state_machine_safety(world(s1=replace(one, commit_index=1), s2=other))


# -------------------------------------------------------------------------------------------------------- simulation


def test_a_write_is_committed_after_a_round_trip_and_answered() -> None:
    run = story(WRITE, until_seconds=0.2)
    done = run.trace.of(Kind.COMPLETE)
    assert [event.time_seconds for event in done] == [pytest.approx(0.066)]
    assert all(node.machine.read("x") == "1" for _, node in servers(run.world))


def test_an_addition_that_the_dead_leader_took_counts_once() -> None:
    run = story(("add", "x", 1), ("add", "x", 1), until_seconds=0.6, faults=[Crash("s1", 0.0645, 0.3)])
    assert [event.value[0] for event in run.trace.of(Kind.COMPLETE)] == [1, 2]
    assert all(node.machine.read("x") == 2 for _, node in servers(run.world))


def test_who_was_away_gets_the_machine_in_the_place_of_entries() -> None:
    six = [("write", "x", str(number)) for number in range(6)]
    apart = Partition(0.0605, 0.7, groups=({"s3"}, {"s1", "s2", "client"}))
    run = story(*six, until_seconds=1.2, snapshot_every=3, faults=[apart])
    assert run.counts.sent_by_class["InstallSnapshot"] >= 1
    assert len({node.machine for _, node in servers(run.world)}) == 1


@pytest.mark.parametrize("seed", range(12))
def test_everything_goes_wrong_at_once_and_no_invariant_and_no_client_is_hurt(seed: int) -> None:
    options: list[dict[str, Any]] = [
        {},
        {"parallel_write": True},
        {"pipelined": False, "batch_limit": 1},
        {"gather_seconds": (0.0, 0.002), "read_index": False},
    ]
    assert survives(chaos(seed=seed, **options[seed % 4]))


def test_the_same_seed_gives_the_same_run() -> None:
    one, other = (chaos(seed=3, until_seconds=2.0, always={}) for _ in range(2))
    assert (one.history, one.world.nodes) == (other.history, other.world.nodes)


def test_a_cluster_without_faults_elects_once_and_is_quiet() -> None:
    run = simulate(led_by_first(cluster(5)), seed=1, until_seconds=1.0, always=SAFETY)
    assert {node.disk.term for _, node in servers(run.world)} == {1}
    assert [name for name, node in servers(run.world) if node.role is Role.LEADER] == ["s1"]


# ------------------------------------------------------------------------------------------------------- exploration


def committed(index: int) -> Callable[[World], bool]:
    return lambda world: any(node.commit_index >= index for _, node in servers(world))


def test_two_candidates_and_a_voter_that_crashes_never_make_two_leaders_of_a_term() -> None:
    found = explore(two_candidates(), messages="set", crashes={"s3": 1}, always=SAFETY).require_holds()
    assert (found.states, found.generated, found.depth) == (10_595, 85_105, 18)


def test_figure_eight_loses_nothing_with_the_rule_of_the_own_term() -> None:
    found = explore(
        figure_eight(),
        always=SAFETY,
        sometimes={
            "the old entry is committed with one of term 4": committed(2),
            "s3 leads term 5": lambda world: any(
                node.role is Role.LEADER and node.disk.term == 5 for _, node in servers(world)
            ),
        },
    ).require_holds()
    assert (found.states, found.generated, found.depth) == (92_269, 387_770, 30)


def test_a_new_leader_has_what_was_committed_and_brings_the_others_up_to_it() -> None:
    found = explore(one_behind(), always=SAFETY, sometimes={"a term later": committed(3)}).require_holds()
    assert (found.states, found.depth) == (1_252, 18)


def test_a_new_leader_brings_another_up_by_its_snapshot() -> None:
    found = explore(
        one_behind(snapshot_every=1, until_seconds=0.5),
        always=SAFETY,
        sometimes={"it is installed": lambda world: bool(world.nodes["s3"].disk.snapshot.index == 2)},  # type: ignore[union-attr]
    ).require_holds()
    assert (found.states, found.depth) == (1_327, 19)


@pytest.mark.parametrize("parallel_write", [False, True])
def test_what_a_client_was_told_is_linearizable_in_every_order_of_events(parallel_write: bool) -> None:
    claims = SAFETY | {"linearizable": linearizable(REGISTERS)}
    found = explore(acknowledged(parallel_write=parallel_write), always=claims, record_history=True).require_holds()
    assert found.states == 14_048


def test_a_deposed_leader_answers_no_read_from_the_past() -> None:
    claims = SAFETY | {"linearizable": linearizable(WRITTEN)}
    found = explore(two_leaders(), always=claims, record_history=True).require_holds()
    assert (found.states, found.depth) == (594, 15)


def test_a_retry_counts_once_in_every_order_of_events() -> None:
    claims = SAFETY | {"linearizable": linearizable(COUNTERS)}
    found = explore(retried(), messages="set", always=claims, record_history=True).require_holds()
    assert (found.states, found.depth) == (14, 6)


def test_a_change_of_two_servers_at_once_is_not_taken() -> None:
    found = explore(one_step_change(), always=SAFETY).require_holds()
    assert not any(True for _ in found.violations)


def test_two_changes_from_one_configuration_do_no_harm_for_as_long_as_the_mistake_needs() -> None:
    found = explore(two_changes(), always=SAFETY, max_depth=12)
    assert (found.bound, found.violations) == ("max_depth=12", {})


Instance = Callable[..., Mapping[str, Node[Any, Any]]]

MISTAKES: list[tuple[type[Server], Instance, dict[str, int], Model | None, str, int]] = [
    (broken.CommitsByCounting, figure_eight, {}, None, "leader completeness", 10),
    (broken.ForgetsItsVote, two_candidates, {"s3": 1}, None, "election safety", 8),
    (broken.TellsBeforeSaving, acknowledged, {"s2": 1}, REGISTERS, "leader completeness", 7),
    (broken.AcceptsAnyLog, one_behind, {}, None, "leader completeness", 3),
    (broken.WithoutSessions, retried, {}, COUNTERS, "linearizable", 7),
    (broken.ReadsAlone, two_leaders, {}, WRITTEN, "linearizable", 2),
    (broken.ReadsTooSoon, new_leader, {}, WRITTEN, "linearizable", 7),
    (broken.ChangesManyAtOnce, one_step_change, {}, None, "leader completeness", 8),
    (broken.ReconfiguresTooSoon, two_changes, {}, None, "leader completeness", 10),
]


@pytest.mark.parametrize(
    ("kind", "instance", "crashes", "model", "claim", "steps"), MISTAKES, ids=[row[0].__name__ for row in MISTAKES]
)
def test_each_mistake_is_caught_by_a_shortest_run(
    kind: type[Server], instance: Instance, crashes: dict[str, int], model: Model | None, claim: str, steps: int
) -> None:
    claims = SAFETY | ({"linearizable": linearizable(model)} if model else {})
    found = explore(
        instance(kind), crashes=crashes, always=claims, record_history=model is not None, stop_at_violation=True
    )
    assert {name: trace[-1].time_seconds for name, trace in found.violations.items()} == {claim: steps}


def test_every_mistake_has_a_row() -> None:
    assert {row[0].__name__ for row in MISTAKES} == set(broken.__all__)


def test_the_entries_that_a_majority_had_are_lost_in_fourteen_steps() -> None:
    claims = {"state machine safety": state_machine_safety}
    found = explore(figure_eight(broken.CommitsByCounting), always=claims, stop_at_violation=True)
    assert found.violations["state machine safety"][-1].time_seconds == 14
