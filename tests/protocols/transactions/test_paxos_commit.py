"""Paxos Commit: its handlers, seeded runs with faults, explorations of small instances, broken variants."""

from typing import Any

import pytest

from distlib.broken.transactions.paxos_commit import (
    AmnesiacAcceptor,
    BlindLeader,
    ForgetfulLeader,
    ForgetfulManager,
)
from distlib.experiments.transactions.paxos_commit import banks, decided, run_with, small
from distlib.models.latency import Constant, LogNormal
from distlib.models.transactions.two_phase_commit import CommitTiming
from distlib.node import CancelTimer, Complete, Invoke, Outcome, Save, Send, SetTimer
from distlib.protocols.transactions.paxos_commit import (
    Accepted,
    Acceptor,
    AcceptorRecord,
    Begin,
    Client,
    Decision,
    Inquire,
    Leader,
    Prepare,
    Promise,
    Propose,
    Query,
    ResourceManager,
    State,
    agreement,
    decisions,
    free_or_bound,
    nobody_waits,
    outcome,
    validity,
)
from distlib.runtimes.exploration import explore
from distlib.runtimes.faults import Crash, CrashRandomly, Link, Network, PartitionRandomly
from distlib.runtimes.simulation import simulate

MANAGERS, LEADERS, ACCEPTORS = ("p1", "p2"), ("l1", "l2"), ("a1", "a2", "a3")
BOTH = (("p1", True), ("p2", True))
TIMING = CommitTiming(3, Constant(0.001), None, 0.001, 0.002)
SAFE = {"agreement": agreement, "validity": validity}


def manager(**changes: Any) -> ResourceManager:
    return ResourceManager("p1", MANAGERS, LEADERS, ACCEPTORS[:2], **changes)


def acceptor() -> Acceptor:
    return Acceptor(MANAGERS, ("l1",))


def leader(name: str = "l1", **changes: Any) -> Leader:
    return Leader(name, LEADERS, MANAGERS, ACCEPTORS, "client", **changes)


# ---------------------------------------------------------------------------------------------------------- handlers


def test_manager_saves_its_promise_before_it_proposes_it() -> None:
    node, effects = manager().on_message("l1", Prepare())
    proposal = Propose(0, (("p1", True),))
    assert effects == (
        Save(State.PREPARED),
        Send("a1", proposal),
        Send("a2", proposal),
        SetTimer("outcome", (1.0, 1.0)),
    )
    assert node.on_message("l1", Prepare()) == (node, ())


def test_manager_that_cannot_commit_saves_that_too_for_ballot_0_has_one_value() -> None:
    node, effects = manager(can_commit=False).on_message("l1", Prepare())
    assert node.state is State.ABORTED
    assert effects[0] == Save(State.ABORTED)
    assert effects[1].message == Propose(0, (("p1", False),))


def test_manager_that_waits_asks_the_leaders_in_turn() -> None:
    node, effects = manager(inquiries=2).on_start(State.PREPARED)
    assert effects[0] == Send("l1", Inquire())
    node, effects = node.on_timer("outcome")
    assert effects[0] == Send("l2", Inquire())
    assert node.on_timer("outcome") == (node, ())
    node, effects = node.on_message("l2", Decision(True))
    assert effects == (CancelTimer("outcome"), Save(State.COMMITTED))
    assert node.on_message("l2", Decision(True)) == (node, ())


def test_acceptor_writes_once_when_all_votes_are_there() -> None:
    node, effects = acceptor().on_message("p1", Propose(0, (("p1", True),)))
    assert effects == ()
    node, effects = node.on_message("p2", Propose(0, (("p2", True),)))
    record = AcceptorRecord(0, (("p1", (0, True)), ("p2", (0, True))))
    assert effects == (Save(record), Send("l1", Accepted(0, BOTH)))
    assert node.on_message("p1", Propose(0, (("p1", True),))) == (node, ())


def test_acceptor_does_not_wait_once_one_vote_is_to_abort() -> None:
    _, effects = acceptor().on_message("p2", Propose(0, (("p2", False),)))
    assert effects[1] == Send("l1", Accepted(0, (("p2", False),)))


def test_acceptor_promises_durably_and_accepts_what_it_had_in_hand() -> None:
    node, _ = acceptor().on_message("p1", Propose(0, (("p1", True),)))
    node, effects = node.on_message("l2", Query(1))
    record = AcceptorRecord(1, (("p1", (0, True)),))
    assert effects == (Save(record), Send("l2", Promise(1, record.accepted)))
    for source, message in (("p2", Propose(0, (("p2", True),))), ("l2", Query(1))):
        assert node.on_message(source, message) == (node, ())
    node, effects = node.on_message("l2", Propose(1, (("p1", True), ("p2", False))))
    assert effects[1] == Send("l2", Accepted(1, (("p1", True), ("p2", False))))
    node, _ = node.on_message("l1", Query(2))
    assert node.on_message("l2", Propose(1, BOTH)) == (node, ())
    assert acceptor().on_start(node.record)[0].record == node.record


def test_leader_tells_what_a_quorum_has_accepted_without_a_write() -> None:
    node, effects = leader().on_message("client", Begin())
    assert [effect.message for effect in effects[1:]] == [Prepare(), Prepare()]
    assert node.on_message("client", Begin()) == (node, ())
    node, effects = node.on_message("a1", Accepted(0, BOTH))
    assert effects == ()
    assert node.on_message("a1", Accepted(0, BOTH))[1] == ()
    node, effects = node.on_message("a2", Accepted(0, BOTH))
    assert effects == (CancelTimer("outcome"), *(Send(name, Decision(True)) for name in ("client", *MANAGERS)))
    for message in (Begin(), Inquire()):
        assert node.on_message("p1", message) == (node, (Send("p1", Decision(True)),))


def test_leader_takes_over_with_a_ballot_of_its_own() -> None:
    node, effects = leader("l2").on_message("p1", Inquire())
    assert effects[0] == Save(1)
    assert [effect.message for effect in effects[2:]] == [Query(1)] * 3
    assert node.on_message("p2", Inquire()) == (node, ())
    node, _ = node.on_message("a1", Promise(1, (("p1", (0, True)),)))
    node, effects = node.on_message("a3", Promise(1, ()))
    assert {effect.message for effect in effects} == {Propose(1, (("p1", True), ("p2", False)))}
    assert node.on_message("a2", Promise(1, ())) == (node, ())


def test_ballots_of_different_leaders_differ_and_grow() -> None:
    node, taken = leader("l1"), []
    for _ in range(3):
        node, effects = node.on_timer("outcome")
        taken.append(effects[0].value)
    assert taken == [2, 4, 6]
    assert leader("l1").on_start(4)[0].on_timer("outcome")[1][0] == Save(6)
    assert leader("l2", ballots=0).on_timer("outcome") == (leader("l2", ballots=0), ())


def test_a_value_is_chosen_by_a_quorum_under_one_ballot() -> None:
    one = {(0, "p1", True, "a1"), (0, "p1", True, "a2"), (0, "p2", True, "a1")}
    assert outcome(frozenset(one), MANAGERS, 2) is None
    assert outcome(frozenset(one | {(1, "p2", True, "a2")}), MANAGERS, 2) is None
    assert outcome(frozenset(one | {(0, "p2", True, "a3")}), MANAGERS, 2) is True
    assert outcome(frozenset({(1, "p2", False, "a1"), (1, "p2", False, "a2")}), MANAGERS, 2) is False


def test_a_leader_is_bound_by_the_latest_ballot_and_free_where_there_is_none() -> None:
    reports = [(("p1", (0, True)),), (("p1", (2, False)),)]
    assert free_or_bound(("p1", "p2"), reports) == (("p1", False), ("p2", False))
    assert free_or_bound(("p1",), reports[:1]) == (("p1", True),)


def test_client_asks_the_leaders_in_turn_and_gives_up() -> None:
    node, effects = Client(LEADERS, retries=1).on_start(None)
    assert effects[:2] == (Invoke("transaction"), Send("l1", Begin()))
    node, effects = node.on_timer("retry")
    assert effects[0] == Send("l2", Begin())
    assert node.on_timer("retry")[1] == (Complete(None, Outcome.UNKNOWN),)
    node, effects = node.on_message("l2", Decision(True))
    assert effects[-1] == Complete(None, Outcome.OK)
    assert node.on_message("l2", Decision(True)) == (node, ())


# --------------------------------------------------------------------------------------------------------- simulated


@pytest.mark.parametrize("faster", [False, True])
def test_a_commit_without_faults_ends_everywhere(faster: bool) -> None:
    run = run_with(TIMING, banks(3, faster=faster), seed=1)
    assert set(decisions(run.world).values()) == {State.COMMITTED}
    assert run.world.history[-1][1] == Complete(None, Outcome.OK)
    assert "Query" not in run.counts.sent_by_class


def test_one_vote_against_aborts() -> None:
    run = run_with(TIMING, banks(3, refuse={"p2"}), seed=1)
    assert set(decisions(run.world).values()) == {State.ABORTED}


@pytest.mark.parametrize("down", [("l1",), ("a1",), ("a3",), ("l1", "a2")])
@pytest.mark.parametrize("at_seconds", [0.0005, 0.0025, 0.0045, 0.0065])
def test_a_leader_and_an_acceptor_less_leave_nobody_waiting(down: tuple[str, ...], at_seconds: float) -> None:
    faults = [Crash(name, at_seconds) for name in down]
    run = run_with(TIMING, banks(3), seed=1, faults=faults, until_seconds=5.0)
    assert nobody_waits(run.world)
    assert agreement(run.world)


def test_without_a_majority_of_the_acceptors_they_wait_and_with_its_return_they_end() -> None:
    def run(restart_after_seconds: float | None) -> Any:
        faults = [Crash(name, 0.0025, restart_after_seconds) for name in ("a1", "a2")]
        return run_with(TIMING, banks(3), seed=1, faults=faults, until_seconds=5.0)

    assert not decided(run(None))
    assert decided(run(1.0))


def test_chaos_breaks_nothing() -> None:
    servers = [name for name in banks(3) if name != "client"]
    law = LogNormal(0.02, 1.0)
    for seed in range(40):
        run = simulate(
            banks(3),
            seed=seed,
            network=Network(Link(law, loss_probability=0.1, duplicate_probability=0.1)),
            faults=[
                CrashRandomly(servers, LogNormal(0.5, 1.0), LogNormal(0.2, 1.0)),
                PartitionRandomly(servers, LogNormal(0.5, 1.0), LogNormal(0.3, 1.0)),
            ],
            save_latency=LogNormal(0.005, 1.0),
            until_seconds=5.0,
            always=SAFE,
            record=False,
        )
        assert agreement(run.world)


# --------------------------------------------------------------------------------------------------------- explored


def test_two_managers_agree_in_every_interleaving_with_a_takeover() -> None:
    found = explore(small(2, leader_count=1, inquiries=0), messages="set", always=SAFE).require_holds()
    assert found.states == 27_314


def test_an_acceptor_and_the_leader_may_crash_for_good_and_nobody_is_stuck() -> None:
    found = explore(
        small(1, first_ballots=0),
        messages="set",
        crashes={"l1": 1, "a1": 1},
        restarts=0,
        always=SAFE,
        eventually_possible={"nobody waits": nobody_waits},
    ).require_holds()
    assert found.states == 28_156


def test_two_acceptors_of_three_down_leave_it_stuck() -> None:
    found = explore(
        small(1, leader_count=1, asked="l1"),
        messages="set",
        crashes={"a1": 1, "a2": 1},
        restarts=0,
        eventually_possible={"nobody waits": nobody_waits},
    )
    assert found.stuck["nobody waits"][-1].time_seconds == 3


@pytest.mark.parametrize(
    ("mistake", "crashes", "claim", "steps"),
    [
        ({"acceptor_class": AmnesiacAcceptor, "first_ballots": 0}, {"a1": 1}, "agreement", 17),
        ({"leader_class": BlindLeader, "first_ballots": 0}, {}, "agreement", 15),
        ({"leader_class": ForgetfulLeader, "leader_count": 1, "inquiries": 0}, {"l1": 1}, "agreement", 22),
        ({"manager_class": ForgetfulManager}, {"p1": 1}, "validity", 5),
    ],
)
def test_each_mistake_is_caught(mistake: dict[str, Any], crashes: dict[str, int], claim: str, steps: int) -> None:
    found = explore(small(1, **mistake), messages="set", crashes=crashes, always=SAFE, stop_at_violation=True)
    assert set(found.violations) == {claim}
    assert found.violations[claim][-1].time_seconds == steps
