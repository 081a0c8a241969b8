"""Three-phase commit: its handlers, seeded runs with faults, explorations with bounded delays, broken variants."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from distlib.broken.transactions.three_phase_commit import (
    DisloyalParticipant,
    HastyCoordinator,
    HastyLeader,
    RejoiningParticipant,
    SilentParticipant,
)
from distlib.experiments.transactions.three_phase_commit import (
    banks,
    nobody_is_blocked,
    run_with,
    small,
    suspicions_are_right,
)
from distlib.models.latency import Constant, Exponential
from distlib.models.transactions.two_phase_commit import CommitTiming
from distlib.node import CancelTimer, Complete, Invoke, Outcome, Save, Send, SetTimer
from distlib.protocols.transactions.three_phase_commit import (
    Acknowledge,
    AskState,
    Begin,
    Client,
    Coordinator,
    Decision,
    Inquire,
    Participant,
    PreCommit,
    Prepare,
    Report,
    State,
    Vote,
    agreement,
    standings,
    uncertain,
)
from distlib.runtimes.exploration import Exploration, Verdict, explore
from distlib.runtimes.faults import Crash, CrashAfterEffect, Delay, Partition

NAMES = ("p1", "p2", "p3")
SUCCESSION = ("coordinator", *NAMES)
WAIT = SetTimer("leader", (1.0, 1.0))
STOPPED = tuple(CancelTimer(name) for name in ("leader", "reports", "acknowledgements", "outcome"))
TIMING = CommitTiming(3, Constant(0.001), None, 0.001, 0.002)


def at(name: str = "p1", state: State = State.UNCERTAIN, **changes: Any) -> Participant:
    return Participant(name, SUCCESSION, state=state, **changes)


def collecting() -> Coordinator:
    return Coordinator(NAMES).on_start(None)[0]


# ---------------------------------------------------------------------------------------------------------- handlers


def test_coordinator_saves_that_it_may_have_begun_before_it_asks() -> None:
    node, effects = Coordinator(NAMES).on_start(None)
    assert effects == (
        Save(State.WORKING),
        SetTimer("votes", (1.0, 1.0)),
        *(Send(name, Prepare()) for name in NAMES),
    )
    assert node.awaited == set(NAMES)


def test_coordinator_with_a_client_waits_for_it_and_begins_once() -> None:
    node, effects = Coordinator(NAMES, "client").on_start(None)
    assert effects == (Save(State.WORKING),)
    node, effects = node.on_message("client", Begin())
    assert len(effects) == 4
    assert node.on_message("client", Begin()) == (node, ())


def test_precommit_goes_out_when_all_have_voted_yes_and_no_earlier() -> None:
    node = collecting()
    for name in ("p1", "p2"):
        node, effects = node.on_message(name, Vote(True))
        assert effects == ()
    assert node.on_message("p2", Vote(True)) == (node, ())
    node, effects = node.on_message("p3", Vote(True))
    assert effects[2:] == tuple(Send(name, PreCommit()) for name in NAMES)


def test_one_no_aborts_at_once_and_durably() -> None:
    node, effects = collecting().on_message("p2", Vote(False))
    assert node.state is State.ABORTED
    assert effects[:2] == (CancelTimer("votes"), Save(State.ABORTED))
    assert effects[2:] == tuple(Send(name, Decision(False)) for name in NAMES)


def test_coordinator_commits_when_all_have_acknowledged_and_when_the_missing_are_taken_for_dead() -> None:
    node = collecting()
    for name in NAMES:
        node, _ = node.on_message(name, Vote(True))
    for name in ("p1", "p2"):
        node, effects = node.on_message(name, Acknowledge())
        assert effects == ()
    assert node.on_message("p3", Acknowledge())[0].state is State.COMMITTED
    assert node.on_timer("acknowledgements")[0].state is State.COMMITTED
    assert collecting().on_timer("votes")[0].state is State.ABORTED


def test_participant_saves_its_vote_before_it_sends_it() -> None:
    node, effects = Participant("p1", SUCCESSION).on_message("coordinator", Prepare())
    assert effects == (Save(State.UNCERTAIN), Send("coordinator", Vote(True)), WAIT)
    assert node.on_message("coordinator", Prepare()) == (node, (Send("coordinator", Vote(True)),))


def test_participant_that_cannot_commit_saves_that_before_it_says_so() -> None:
    node, effects = Participant("p1", SUCCESSION, can_commit=False).on_message("coordinator", Prepare())
    assert node.state is State.ABORTED
    assert effects == (*STOPPED, Save(State.ABORTED), Send("coordinator", Vote(False)))


def test_precommit_is_acknowledged_without_a_write() -> None:
    node, effects = at().on_message("coordinator", PreCommit())
    assert node.state is State.PRECOMMITTED
    assert effects == (Send("coordinator", Acknowledge()), WAIT)


def test_who_has_reported_to_a_leader_no_longer_obeys_an_earlier_one() -> None:
    node, effects = at("p2").on_message("p1", AskState())
    assert effects == (Send("p1", Report(State.UNCERTAIN)), WAIT)
    assert node.on_message("coordinator", PreCommit()) == (node, ())
    assert node.on_message("p1", PreCommit())[0].state is State.PRECOMMITTED


def test_a_silent_leader_hands_over_to_the_next_in_the_succession() -> None:
    node, effects = at("p2").on_timer("leader")
    assert effects == (Send("p1", Inquire()), WAIT)
    node, effects = node.on_timer("leader")
    assert effects == (SetTimer("reports", (1.0, 1.0)), Send("p1", AskState()), Send("p3", AskState()))
    assert node.awaited == {"p1", "p3"}


@pytest.mark.parametrize(
    ("reports", "outcome"),
    [
        ({"p2": State.UNCERTAIN, "p3": State.UNCERTAIN}, State.ABORTED),
        ({"p2": State.ABORTED}, State.ABORTED),
        ({"p2": State.COMMITTED}, State.COMMITTED),
    ],
)
def test_a_termination_decides_by_what_is_reported(reports: dict[str, State], outcome: State) -> None:
    node, _ = at().on_timer("leader")
    for name, state in reports.items():
        node, effects = node.on_message(name, Report(state))
    assert node.state is outcome
    assert effects[-2:] == tuple(Send(name, Decision(outcome is State.COMMITTED)) for name in ("p2", "p3"))


def test_a_termination_moves_the_uncertain_to_precommitted_before_it_commits() -> None:
    node, _ = at().on_timer("leader")
    node, _ = node.on_message("p2", Report(State.UNCERTAIN))
    node, effects = node.on_message("p3", Report(State.PRECOMMITTED))
    assert node.state is State.PRECOMMITTED
    assert effects[-1] == Send("p2", PreCommit())
    assert node.on_message("p2", Acknowledge())[0].state is State.COMMITTED


def test_who_is_asked_before_it_knows_tells_as_soon_as_it_does() -> None:
    node, effects = at().on_message("p2", Inquire())
    assert effects == ()
    assert node.on_message("p2", Inquire()) == (node, ())
    assert node.on_message("coordinator", Decision(True))[1][-1] == Send("p2", Decision(True))


def test_who_has_not_voted_aborts_when_it_is_asked() -> None:
    working = at(state=State.WORKING)
    for message, answer in ((Inquire(), Decision(False)), (AskState(), Report(State.ABORTED))):
        assert working.on_message("p2", message)[1] == (*STOPPED, Save(State.ABORTED), Send("p2", answer))


def test_who_was_down_asks_and_takes_no_part_in_a_termination() -> None:
    node, effects = Participant("p2", SUCCESSION).on_start(State.UNCERTAIN)
    assert [effect.target for effect in effects if isinstance(effect, Send)] == ["coordinator", "p1", "p3"]
    for source, message in (("p1", AskState()), ("coordinator", PreCommit())):
        assert node.on_message(source, message) == (node, ())
    assert node.on_message("p3", Decision(True))[0].state is State.COMMITTED


def test_recovery_without_a_promise_aborts_and_with_a_decision_keeps_it() -> None:
    assert at().on_start(State.WORKING)[0].state is State.ABORTED
    assert at().on_start(State.COMMITTED)[0].state is State.COMMITTED
    assert Coordinator(NAMES).on_start(State.ABORTED)[1] == ()


def test_recovered_coordinator_asks_and_learns() -> None:
    node, effects = Coordinator(NAMES, "client", inquiries=1).on_start(State.WORKING)
    assert effects[:3] == tuple(Send(name, Inquire()) for name in NAMES)
    assert node.on_message("client", Begin()) == (node, ())
    assert node.on_timer("outcome") == (node, ())
    node, effects = node.on_message("p1", Decision(True))
    assert Send("client", Decision(True)) in effects
    assert node.on_message("client", Begin())[1] == (Send("client", Decision(True)),)


def test_client_asks_again_and_gives_up() -> None:
    node, effects = Client("coordinator", retries=1).on_start(None)
    assert effects[0] == Invoke("transaction")
    node, _ = node.on_timer("retry")
    assert node.on_timer("retry")[1] == (Complete(None, Outcome.UNKNOWN),)
    node, effects = node.on_message("coordinator", Decision(False))
    assert effects[-1] == Complete(None, Outcome.FAIL)
    assert node.on_message("coordinator", Decision(False)) == (node, ())


# --------------------------------------------------------------------------------------------------------- simulated


def test_participants_finish_without_the_coordinator_whenever_it_crashes() -> None:
    for effect in range(1, 17):
        crash = CrashAfterEffect("coordinator", effect)
        run = run_with(TIMING, banks(3), seed=1, faults=[crash], until_seconds=5.0)
        assert not uncertain(run.world), effect
        assert agreement(run.world), effect


def test_two_leaders_in_a_row_may_die() -> None:
    crashes = [CrashAfterEffect("coordinator", 11), Crash("p1", 0.05)]
    run = run_with(TIMING, banks(3), seed=1, faults=crashes, until_seconds=5.0)
    assert {standings(run.world)[name] for name in ("p2", "p3")} == {State.COMMITTED}


def test_who_comes_back_is_told() -> None:
    crashes = [CrashAfterEffect("coordinator", 10, restart_after_seconds=1.0), Crash("p2", 0.006, 1.0)]
    run = run_with(TIMING, banks(3), seed=1, faults=crashes, until_seconds=10.0)
    assert set(standings(run.world).values()) == {State.COMMITTED}


def test_a_partition_while_the_precommits_are_on_their_way_breaks_agreement() -> None:
    # Requests at 2 ms, votes at 4, precommits sent at 5: side 1 commits, and nobody on side 2 has heard of it.
    cut = Partition(0.0055, groups=({"client", "coordinator", "p1"}, {"p2", "p3"}))
    late = [Delay("coordinator", name, 1, 0.001, message_class="PreCommit") for name in ("p2", "p3")]
    ended = standings(run_with(TIMING, banks(3), seed=1, faults=[cut, *late], until_seconds=5.0).world)
    assert {ended["coordinator"], ended["p1"]} == {State.COMMITTED}
    assert {ended["p2"], ended["p3"]} == {State.ABORTED}


# --------------------------------------------------------------------------------------------------------- explored

SAFE = {"agreement": agreement, "nobody is blocked": nobody_is_blocked}


def explored(nodes: Any, **options: Any) -> Exploration:
    only_crashes = options.get("restarts") == 0 and not options.get("losses")
    options.setdefault("always", SAFE if only_crashes else {"agreement": agreement})
    return explore(nodes, within=suspicions_are_right, max_states=150_000, **options)


@pytest.mark.parametrize(
    ("count", "options", "states_count"),
    [
        (2, {"crashes": 3, "restarts": 0}, 4_286),
        (3, {"crashes": {"coordinator": 1}, "restarts": 0}, 8_961),
        (2, {"crashes": 2, "restarts": 1}, 34_980),
        (2, {"crashes": 2, "restarts": 0, "losses": 1}, 6_447),
    ],
)
def test_with_bounded_delays_crashes_block_nobody_and_break_no_agreement(
    count: int, options: dict[str, Any], states_count: int
) -> None:
    found = explored(small(count, inquiries=int(options["restarts"] > 0)), **options)
    assert (found.violations, found.bound) == ({}, "within")
    assert found.states == states_count


def test_explored_runs_commit_and_abort_without_the_coordinator() -> None:
    def ends(state: State) -> Any:
        return lambda world: world.nodes["coordinator"] is None and standings(world).get("p2") is state

    goals = {"commit": ends(State.COMMITTED), "abort": ends(State.ABORTED)}
    found = explored(small(2), crashes={"coordinator": 1}, restarts=0, sometimes=goals)
    assert found.unwitnessed == ()


def test_partition_lets_the_sides_decide_differently_without_any_crash() -> None:
    split = partial(suspicions_are_right, sides=({"coordinator", "p1"}, {"p2"}))
    found = explore(small(2), within=split, always={"agreement": agreement}, stop_at_violation=True)
    assert found.verdict is Verdict.VIOLATED
    assert found.violations["agreement"][-1].time_seconds == 14


def test_without_a_bound_on_delays_one_late_message_is_enough() -> None:
    found = explore(small(2), always={"agreement": agreement}, stop_at_violation=True)
    assert found.violations["agreement"][-1].time_seconds == 10


@pytest.mark.parametrize(
    ("mistake", "options", "claim", "steps"),
    [
        ({"coordinator_class": HastyCoordinator}, {"crashes": 2, "restarts": 0, "losses": 1}, "agreement", 9),
        ({"participant_class": HastyLeader}, {"crashes": 2, "restarts": 0}, "agreement", 13),
        ({"participant_class": DisloyalParticipant}, {"crashes": 2, "restarts": 0, "losses": 1}, "agreement", 17),
        ({"participant_class": RejoiningParticipant}, {"crashes": 3, "restarts": 1}, "agreement", 12),
        ({"participant_class": SilentParticipant}, {"crashes": 1, "restarts": 0}, "nobody is blocked", 12),
    ],
)
def test_each_mistake_is_caught(mistake: dict[str, Any], options: dict[str, Any], claim: str, steps: int) -> None:
    found = explored(small(2, inquiries=options["restarts"], **mistake), stop_at_violation=True, **options)
    assert set(found.violations) == {claim}
    assert found.violations[claim][-1].time_seconds == steps


def test_the_end_of_the_succession_leads_itself() -> None:
    node = replace(at("p1"), leader=3)
    assert node.on_timer("leader")[0].awaited == {"p2", "p3"}


def test_random_legs_and_crashes_leave_no_disagreement_while_patience_is_long() -> None:
    timing = CommitTiming(4, Exponential(0.001), None, 0.001, 0.002)
    for seed in range(60):
        crashes = [Crash(name, 0.001 * (1 + (seed * step) % 17)) for step, name in enumerate(("coordinator", "p1"), 1)]
        run = run_with(timing, banks(4), seed=seed, faults=crashes, until_seconds=5.0)
        assert agreement(run.world)
        assert not uncertain(run.world)
