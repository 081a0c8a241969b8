"""Two-phase commit: its handlers, seeded runs with faults, every interleaving of a small instance, broken variants."""

from dataclasses import replace

import pytest

from distlib.node import CancelTimer, Complete, Invoke, Outcome, Save, Send, SetTimer, World
from distlib.protocols.transactions.two_phase_commit import (
    Acknowledge,
    Begin,
    Client,
    Coordinator,
    CoordinatorLog,
    CoordinatorRecord,
    Decision,
    Inquire,
    Participant,
    ParticipantLog,
    ParticipantRecord,
    Prepare,
    Presumption,
    Refuse,
    State,
    Transfer,
    Vote,
    Work,
    agreement,
    client_is_told_the_truth,
    in_doubt,
    nobody_in_doubt,
    total_balance,
    validity,
)

WORK: Work = frozenset({("p", frozenset({("a", -10)})), ("q", frozenset({("b", 10)}))})
BOTH = frozenset({"p", "q"})
TRANSFER = Transfer("t", WORK)
ASKED = Prepare("t", frozenset({("a", -10)}), BOTH)
PRESUMPTIONS = list(Presumption)


def booted(presumption: Presumption = Presumption.ABORT) -> Coordinator:
    return Coordinator(presumption).on_start(None)[0]


def collecting(presumption: Presumption = Presumption.ABORT) -> Coordinator:
    return booted(presumption).on_message("client", Begin("t", WORK))[0]


def voted(presumption: Presumption = Presumption.ABORT) -> Coordinator:
    return collecting(presumption).on_message("p", Vote("t", True))[0]


def participant(name: str = "p", balance: int = 100) -> Participant:
    return Participant(name, ParticipantLog((("a" if name == "p" else "b", balance),)))


def prepared() -> Participant:
    return participant().on_message("coordinator", ASKED)[0]


def sent(effects: tuple, kind: type) -> list:
    return [
        (effect.target, effect.message)
        for effect in effects
        if isinstance(effect, Send) and isinstance(effect.message, kind)
    ]


def position(effects: tuple, kind: type) -> int:
    return next(i for i, effect in enumerate(effects) if isinstance(effect, kind))


# --------------------------------------------------------------------------------------------------- the coordinator


def test_coordinator_makes_a_new_epoch_durable_before_anything_else() -> None:
    first, effects = Coordinator().on_start(None)
    assert effects[0] == Save(CoordinatorLog(epoch=1))
    second, _ = Coordinator().on_start(first.log)
    assert second.log.epoch == 2


def test_coordinator_asks_each_participant_for_its_own_part() -> None:
    _, effects = booted().on_message("client", Begin("t", WORK))
    assert sent(effects, Prepare) == [
        ("p", Prepare("t", frozenset({("a", -10)}), BOTH)),
        ("q", Prepare("t", frozenset({("b", 10)}), BOTH)),
    ]
    assert SetTimer(("votes", "t"), (1.0, 1.0)) in effects


def test_only_presumed_commit_writes_before_it_asks() -> None:
    for presumption in PRESUMPTIONS:
        _, effects = booted(presumption).on_message("client", Begin("t", WORK))
        forced = any(isinstance(effect, Save) for effect in effects)
        assert forced is (presumption is Presumption.COMMIT)
        if forced:
            assert position(effects, Save) < position(effects, Send)


@pytest.mark.parametrize("presumption", PRESUMPTIONS)
def test_coordinator_saves_the_commit_before_it_tells_anyone(presumption: Presumption) -> None:
    node, effects = voted(presumption).on_message("q", Vote("t", True))
    assert node.outcome("t") is State.COMMITTED
    assert position(effects, Save) < position(effects, Send)
    acknowledge = presumption is not Presumption.COMMIT
    assert sent(effects, Decision) == [
        ("client", Decision("t", True)),
        ("p", Decision("t", True, acknowledge)),
        ("q", Decision("t", True, acknowledge)),
    ]


def test_one_no_aborts_and_the_one_that_said_it_need_not_be_told() -> None:
    node, effects = voted().on_message("q", Vote("t", False))
    assert node.outcome("t") is State.ABORTED
    assert sent(effects, Decision) == [("client", Decision("t", False)), ("p", Decision("t", False))]
    assert not any(isinstance(effect, Save) for effect in effects), "presumed abort writes nothing"


def test_missing_votes_abort_when_their_time_is_over() -> None:
    node, effects = voted().on_timer(("votes", "t"))
    assert node.outcome("t") is State.ABORTED
    assert [target for target, _ in sent(effects, Decision)] == ["client", "p", "q"]


def test_a_vote_of_a_stranger_or_a_second_copy_is_ignored() -> None:
    node = voted()
    assert node.on_message("p", Vote("t", True)) == (node, ())
    assert node.on_message("stranger", Vote("t", True)) == (node, ())
    assert node.on_message("p", Vote("unknown", True)) == (node, ())


def test_decision_is_repeated_until_all_have_acknowledged_then_never() -> None:
    node, _ = voted().on_message("q", Vote("t", True))
    node, effects = node.on_message("p", Acknowledge("t"))
    assert effects == ()
    _, effects = node.on_timer(("acknowledgements", "t"))
    assert sent(effects, Decision) == [("q", Decision("t", True, acknowledge=True))]
    node, effects = node.on_message("q", Acknowledge("t"))
    assert effects == (CancelTimer(("acknowledgements", "t")), Save(node.log, forced=False))
    assert node.on_message("q", Acknowledge("t")) == (node, ())


def test_recovered_coordinator_tells_a_commit_again_and_knows_nothing_of_a_vote_under_way() -> None:
    node, _ = voted().on_message("q", Vote("t", True))
    _, effects = Coordinator().on_start(node.log)
    assert [target for target, _ in sent(effects, Decision)] == ["p", "q"]
    lost, effects = Coordinator().on_start(voted().log)
    assert sent(effects, Decision) == []
    assert lost.outcome("t") is None


def test_presumed_commit_aborts_on_recovery_what_it_was_collecting() -> None:
    node, effects = Coordinator(Presumption.COMMIT).on_start(voted(Presumption.COMMIT).log)
    assert node.outcome("t") is State.ABORTED
    assert position(effects[1:], Save) < position(effects[1:], Send)
    assert sent(effects, Decision) == [("p", Decision("t", False, True)), ("q", Decision("t", False, True))]


def test_coordinator_presumes_abort_of_what_it_does_not_know_and_then_never_begins_it() -> None:
    node, effects = booted().on_message("p", Inquire("t"))
    assert effects == (Send("p", Decision("t", False)),)
    _, effects = node.on_message("client", Begin("t", WORK))
    assert effects == (Send("client", Decision("t", False)),)


def test_begin_of_an_earlier_epoch_is_refused_unless_its_outcome_is_known() -> None:
    reborn, _ = Coordinator().on_start(booted().log)
    assert reborn.on_message("client", Begin("t", WORK)) == (reborn, (Send("client", Refuse("t", 2)),))
    committed, _ = voted().on_message("q", Vote("t", True))
    reborn, _ = Coordinator().on_start(committed.log)
    assert reborn.on_message("client", Begin("t", WORK))[1] == (Send("client", Decision("t", True)),)


def test_coordinator_does_not_answer_while_it_collects() -> None:
    node = voted()
    assert node.on_message("p", Inquire("t")) == (node, ())
    assert node.on_message("client", Begin("t", WORK)) == (node, ())


# -------------------------------------------------------------------------------------------------- the participants


def test_participant_saves_its_promise_before_it_votes_yes() -> None:
    node, effects = participant().on_message("coordinator", ASKED)
    record = ParticipantRecord(State.PREPARED, "coordinator", BOTH, frozenset({("a", -10)}))
    assert node.log == ParticipantLog((("a", 100),), (("t", record),))
    assert effects == (
        Save(node.log),
        Send("coordinator", Vote("t", True)),
        SetTimer(("decision", "t"), (1.0, 1.0)),
    )


def test_participant_votes_no_if_a_balance_would_fall_below_zero() -> None:
    node, effects = participant(balance=9).on_message("coordinator", ASKED)
    assert sent(effects, Vote) == [("coordinator", Vote("t", False))]
    assert node.log.balances == (("a", 9),)


def test_a_second_copy_of_the_request_gets_the_same_vote() -> None:
    assert prepared().on_message("coordinator", ASKED)[1] == (Send("coordinator", Vote("t", True)),)
    refused, _ = participant(balance=9).on_message("coordinator", ASKED)
    assert refused.on_message("coordinator", ASKED)[1] == (Send("coordinator", Vote("t", False)),)


def test_commit_changes_the_balance_once_and_is_durable_before_it_is_acknowledged() -> None:
    node, effects = prepared().on_message("coordinator", Decision("t", True, acknowledge=True))
    assert node.log.balances == (("a", 90),)
    assert effects == (CancelTimer(("decision", "t")), Save(node.log), Send("coordinator", Acknowledge("t")))
    again, effects = node.on_message("coordinator", Decision("t", True, acknowledge=True))
    assert again.log.balances == (("a", 90),)
    assert effects == (Send("coordinator", Acknowledge("t")),)


def test_what_need_not_be_acknowledged_need_not_be_forced() -> None:
    node, effects = prepared().on_message("coordinator", Decision("t", False))
    assert effects == (CancelTimer(("decision", "t")), Save(node.log, forced=False))
    assert node.log.balances == (("a", 100),)


def test_in_doubt_it_asks_the_coordinator_and_if_they_cooperate_the_others() -> None:
    _, effects = prepared().on_timer(("decision", "t"))
    assert [target for target, _ in sent(effects, Inquire)] == ["coordinator", "q"]
    _, effects = replace(prepared(), cooperative=False).on_timer(("decision", "t"))
    assert [target for target, _ in sent(effects, Inquire)] == ["coordinator"]


def test_participant_in_doubt_cannot_help_another_in_doubt() -> None:
    node = prepared()
    assert node.on_message("q", Inquire("t")) == (node, ())


def test_participant_that_has_decided_tells() -> None:
    node, _ = prepared().on_message("coordinator", Decision("t", True))
    assert node.on_message("q", Inquire("t"))[1] == (Send("q", Decision("t", True)),)


def test_participant_that_has_not_voted_aborts_durably_before_it_tells_and_never_votes_yes() -> None:
    node, effects = participant().on_message("q", Inquire("t"))
    assert effects == (Save(node.log), Send("q", Decision("t", False)))
    assert sent(node.on_message("coordinator", ASKED)[1], Vote) == [("coordinator", Vote("t", False))]


def test_recovered_participant_in_doubt_asks_at_once_and_still_holds_its_locks() -> None:
    node, effects = participant().on_start(prepared().log)
    assert [target for target, _ in sent(effects, Inquire)] == ["coordinator", "q"]
    _, effects = node.on_message("coordinator", Prepare("u", frozenset({("a", 1)}), BOTH))
    assert effects == (SetTimer(("lock", "u"), (1.0, 1.0)),)


def test_waiting_request_gets_the_lock_when_the_decision_frees_it_first_come_first_served() -> None:
    node = prepared()
    for name in ("u", "v"):
        node, _ = node.on_message("coordinator", Prepare(name, frozenset({("a", 1)}), BOTH))
    node, effects = node.on_message("coordinator", Decision("t", True))
    assert sent(effects, Vote) == [("coordinator", Vote("u", True))]
    assert CancelTimer(("lock", "u")) in effects
    assert [request.transaction for _, request in node.waiting] == ["v"]


def test_later_request_does_not_overtake_one_that_waits_for_the_same_key() -> None:
    node, _ = prepared().on_message("coordinator", Prepare("u", frozenset({("a", 1), ("c", 1)}), BOTH))
    node, effects = node.on_message("coordinator", Prepare("v", frozenset({("c", 1)}), BOTH))
    assert sent(effects, Vote) == []
    # When the first in the line gives up, the second need not wait any longer.
    node, effects = node.on_timer(("lock", "u"))
    assert sent(effects, Vote) == [("coordinator", Vote("v", True)), ("coordinator", Vote("u", False))]


def test_inquiry_ends_a_wait_for_locks() -> None:
    node, _ = prepared().on_message("coordinator", Prepare("u", frozenset({("a", 1)}), BOTH))
    node, effects = node.on_message("q", Inquire("u"))
    assert sent(effects, Decision) == [("q", Decision("u", False))]
    assert node.waiting == ()


# --------------------------------------------------------------------------------------------------------- the client


def test_client_asks_again_but_never_begins_again() -> None:
    node, effects = Client("coordinator", (TRANSFER,)).on_start(None)
    assert effects[:2] == (Invoke(TRANSFER), Send("coordinator", Begin("t", WORK, 1)))
    _, effects = node.on_timer("retry")
    assert [message for _, message in sent(effects, Inquire)] == [Inquire("t")]
    assert sent(effects, Begin) == []


def test_client_that_gives_up_does_not_know_the_outcome() -> None:
    node, _ = Client("coordinator", (TRANSFER,), retries=0).on_start(None)
    node, effects = node.on_timer("retry")
    assert Complete(None, Outcome.UNKNOWN) in effects
    assert node.transfers == ()


def test_refused_client_goes_on_in_the_new_epoch() -> None:
    node, _ = Client("coordinator", (TRANSFER, replace(TRANSFER, transaction="u"))).on_start(None)
    _, effects = node.on_message("coordinator", Refuse("t", 7))
    assert Complete(None, Outcome.FAIL) in effects
    assert sent(effects, Begin) == [("coordinator", Begin("u", WORK, 7))]


def test_client_ignores_the_answer_to_another_transaction() -> None:
    node, _ = Client("coordinator", (TRANSFER,)).on_start(None)
    assert node.on_message("coordinator", Decision("earlier", True)) == (node, ())


# ----------------------------------------------------------------------------------------------------- the invariants


def world(p: State | None, q: State | None, coordinator: State | None = None) -> World:
    def log(state: State | None) -> ParticipantLog:
        return ParticipantLog(records=() if state is None else (("t", ParticipantRecord(state, "coordinator", BOTH)),))

    records = () if coordinator is None else (("t", CoordinatorRecord(coordinator)),)
    nodes = {"coordinator": Coordinator(log=CoordinatorLog(1, records)), "p": Participant("p", log(p)), "q": None}
    return World(nodes, {"coordinator": None, "p": None, "q": log(q)})


@pytest.mark.parametrize(
    ("seen", "agrees", "valid"),
    [
        (world(State.COMMITTED, State.PREPARED, State.COMMITTED), True, True),
        (world(State.COMMITTED, State.ABORTED), False, False),
        (world(State.PREPARED, State.ABORTED, State.COMMITTED), False, True),
        (world(State.COMMITTED, None), True, False),
        (world(State.ABORTED, None), True, True),
    ],
)
def test_invariants_see_memory_of_live_nodes_and_disks_of_dead_ones(seen: World, agrees: bool, valid: bool) -> None:
    assert agreement(seen) is agrees
    assert validity(seen) is valid


def test_dead_participants_are_not_counted_as_in_doubt() -> None:
    seen = world(State.PREPARED, State.PREPARED)
    assert in_doubt(seen) == [("p", "t")]
    assert not nobody_in_doubt(seen)


def test_a_client_told_the_opposite_is_noticed() -> None:
    told = (("client", Invoke(TRANSFER)), ("client", Complete(None, Outcome.FAIL)))
    seen = replace(world(State.COMMITTED, State.COMMITTED), history=told)
    assert not client_is_told_the_truth(seen)
    assert client_is_told_the_truth(replace(seen, history=told[:1]))


def test_total_balance_adds_up_all_participants() -> None:
    nodes = {"p": participant("p", 70), "q": participant("q", 30)}
    assert total_balance(World(nodes, {"p": None, "q": None})) == 100
