"""Sagas: handlers, seeded runs with faults, every interleaving of several small instances, broken variants."""

from dataclasses import replace

import pytest

from distlib.broken.transactions.saga import (
    AnxiousParticipant,
    ForgetfulParticipant,
    HastyOrchestrator,
    NaiveParticipant,
    ParticipantWithoutOutbox,
    ParticipantWithoutTombstones,
)
from distlib.experiments.transactions.saga import (
    bank,
    chaos,
    crossing,
    measure_killed,
    pivot_too_early,
    pivot_too_late,
    purchase,
    settle,
    transfer,
)
from distlib.node import CancelTimer, Complete, Invoke, Node, Outcome, Save, Send, SetTimer, World
from distlib.protocols.transactions.saga import (
    Account,
    Answer,
    Begin,
    Client,
    Do,
    Ended,
    Finish,
    Finished,
    Orchestrator,
    OrchestratorLog,
    Participant,
    ParticipantLog,
    Phase,
    Progress,
    Read,
    Reader,
    Received,
    Saga,
    SagaStep,
    StepRecord,
    StepState,
    Undo,
    Values,
    WhenFlagged,
    all_or_nothing,
    all_sagas_ended,
    client_is_told_the_truth,
    nothing_is_booked_twice,
    participant_logs,
    progress_of,
    total_balance,
)
from distlib.runtimes.exploration import Exploration, explore

DONE, REFUSED, UNDONE = StepState.DONE, StepState.REFUSED, StepState.UNDONE
SAFE = {
    "all or nothing": all_or_nothing,
    "nothing twice": nothing_is_booked_twice,
    "the client is told the truth": client_is_told_the_truth,
}
ENDS = {"all sagas end": all_sagas_ended}
BUY = purchase("s", 3)
IMPATIENT = Orchestrator(patience=0)
FLAGGING = Orchestrator(patience=0, flagging=True)


def begun(saga: Saga = BUY, **options: object) -> Orchestrator:
    return Orchestrator(**options).on_message("client", Begin(saga))[0]


def at(position: int, phase: Phase = Phase.FORWARD, **options: object) -> Orchestrator:
    return Orchestrator(log=OrchestratorLog((("s", Progress(BUY, "client", phase, position)),)), **options)


def participant(opening: int = 5, **fields: object) -> Participant:
    return Participant(ParticipantLog((("a", Account(opening)),)), **fields)


def ask(number: int = 0, amount: int = -1, saga: str = "s", **options: bool) -> Do:
    return Do(saga, number, "a", amount, **({"retriable": False} | options))


def sent(effects: tuple) -> list[tuple[str, object]]:
    return [(effect.target, effect.message) for effect in effects if isinstance(effect, Send)]


def kinds(effects: tuple) -> list[type]:
    return [type(effect) for effect in effects]


# ---------------------------------------------------------------------------------------------------- the orchestrator


def test_orchestrator_saves_a_saga_before_it_asks_for_its_first_step() -> None:
    node, effects = Orchestrator().on_message("client", Begin(BUY))
    assert effects[0] == Save(OrchestratorLog((("s", Progress(BUY, "client")),)))
    assert sent(effects) == [("p1", Do("s", 0, "a1", -1, retriable=False))]
    assert kinds(effects) == [Save, Send, SetTimer]
    assert node.log.sagas[0][1].position == 0


def test_a_step_done_is_saved_then_acknowledged_then_the_next_is_asked_for() -> None:
    _, effects = at(0).on_message("p1", Answer("s", 0, DONE))
    assert kinds(effects) == [Save, Send, Send, SetTimer]
    assert sent(effects) == [
        ("p1", Received(Answer("s", 0, DONE))),
        ("p2", Do("s", 1, "a2", -1, retriable=False)),
    ]


def test_only_steps_after_the_pivot_are_retriable() -> None:
    _, effects = at(1).on_message("p2", Answer("s", 1, DONE))
    assert sent(effects)[1] == ("p3", Do("s", 2, "a3", 2, retriable=True))


def test_the_last_step_done_ends_the_saga_and_the_client_is_told_after_the_save() -> None:
    node, effects = at(2).on_message("p3", Answer("s", 2, DONE))
    assert progress(node).phase is Phase.COMPLETED
    assert ("client", Ended("s", True)) in sent(effects)
    assert kinds(effects)[0] is Save
    assert CancelTimer(("repeat", "s")) in effects


def progress(node: Orchestrator) -> Progress:
    return node.log.sagas[0][1]


def test_a_refusal_at_the_pivot_turns_the_saga_back_and_leaves_the_refused_step_out() -> None:
    node, effects = at(1).on_message("p2", Answer("s", 1, REFUSED))
    assert (progress(node).phase, progress(node).position) == (Phase.BACKWARD, 0)
    assert sent(effects)[1] == ("p1", Undo("s", 0))


def test_a_refusal_of_the_first_step_leaves_nothing_to_undo() -> None:
    node, effects = at(0).on_message("p1", Answer("s", 0, REFUSED))
    assert progress(node).phase is Phase.COMPENSATED
    assert ("client", Ended("s", False)) in sent(effects)


def test_compensations_go_backwards_one_after_another() -> None:
    node, effects = at(1, Phase.BACKWARD).on_message("p2", Answer("s", 1, UNDONE))
    assert sent(effects)[1] == ("p1", Undo("s", 0))
    node, effects = node.on_message("p1", Answer("s", 0, UNDONE))
    assert progress(node).phase is Phase.COMPENSATED


@pytest.mark.parametrize(
    ("node", "answer"),
    [
        (at(1), Answer("s", 0, DONE)),
        (at(2), Answer("s", 2, REFUSED)),
        (at(1), Answer("s", 1, UNDONE)),
        (at(1, Phase.BACKWARD), Answer("s", 1, DONE)),
        (at(0, Phase.COMPENSATED), Answer("s", 0, UNDONE)),
        (at(0), Answer("unknown", 0, DONE)),
    ],
    ids=["old", "refused after the pivot", "undone going forward", "done going back", "ended", "unknown"],
)
def test_an_answer_that_is_out_of_date_is_acknowledged_and_changes_nothing(node: Orchestrator, answer: Answer) -> None:
    assert node.on_message("p", answer) == (node, (Send("p", Received(answer)),))


def test_it_loses_patience_before_the_pivot_only_and_undoes_the_step_in_doubt_first() -> None:
    node, effects = at(0, patience=1).on_timer(("repeat", "s"))
    assert sent(effects) == [("p1", Do("s", 0, "a1", -1, retriable=False))]
    node, effects = node.on_timer(("repeat", "s"))
    assert (progress(node).phase, progress(node).position) == (Phase.BACKWARD, 0)
    assert kinds(effects)[0] is Save
    assert sent(effects) == [("p1", Undo("s", 0))]
    for position in (1, 2):
        node = at(position, patience=0)
        assert node.on_timer(("repeat", "s"))[0] == node, "the pivot and what follows is repeated for ever"


def test_patience_counts_anew_for_every_step() -> None:
    node, _ = begun(purchase("s", 4), patience=1).on_timer(("repeat", "s"))
    node, _ = node.on_message("p1", Answer("s", 0, DONE))
    node, _ = node.on_timer(("repeat", "s"))
    assert progress(node).phase is Phase.FORWARD


def test_recovered_orchestrator_asks_again_for_what_it_saved() -> None:
    _, effects = Orchestrator().on_start(at(1, Phase.BACKWARD).log)
    assert sent(effects) == [("p2", Undo("s", 1))]
    assert Orchestrator().on_start(at(0, Phase.COMPENSATED).log)[1] == ()


def test_a_second_copy_of_the_request_gets_the_outcome_once_there_is_one() -> None:
    assert at(1).on_message("client", Begin(BUY))[1] == ()
    ended = at(0, Phase.COMPENSATED)
    assert ended.on_message("client", Begin(BUY)) == (ended, (Send("client", Ended("s", False)),))


def test_flags_are_taken_down_after_the_end_until_every_participant_has_said_so() -> None:
    node, effects = at(2, flagging=True).on_message("p3", Answer("s", 2, DONE))
    assert [target for target, message in sent(effects) if isinstance(message, Finish)] == ["p1", "p2", "p3"]
    for name in ("p1", "p3"):
        node, effects = node.on_message(name, Finished("s"))
        assert effects == ()
    assert sent(node.on_timer(("repeat", "s"))[1]) == [("p2", Finish("s"))]
    node, effects = node.on_message("p2", Finished("s"))
    assert effects == (CancelTimer(("repeat", "s")), Save(node.log, forced=False))
    assert node.on_message("p2", Finished("s")) == (node, ())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Saga("s", (), 0), "`steps` must be at least one"),
        (lambda: Saga("s", (SagaStep("p", "a", 1), SagaStep("p", "a", 2)), 0), "name each account once"),
        (lambda: replace(BUY, pivot=3), r"`pivot` must be in \[0, 2\], got 3"),
    ],
)
def test_a_saga_that_makes_no_sense_is_refused(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


# ----------------------------------------------------------------------------------------------------- the participant


def test_booking_inbox_and_outbox_are_one_save_and_the_answer_comes_after_it() -> None:
    node, effects = participant().on_message("o", ask())
    answer = Answer("s", 0, DONE)
    log = ParticipantLog((("a", Account(5, (("s", -1),))),), ((("s", 0), StepRecord(DONE, "a", -1)),), (("o", answer),))
    assert effects == (Save(log), Send("o", answer), SetTimer("relay", (1.0, 1.0)))
    assert node.log == log


def test_a_second_copy_changes_nothing_and_gets_the_same_answer() -> None:
    node, _ = participant().on_message("o", ask())
    assert node.on_message("o", ask()) == (node, (Send("o", Answer("s", 0, DONE)),))


def test_a_refusal_is_durable_before_it_is_told() -> None:
    node, effects = participant(0).on_message("o", ask())
    assert kinds(effects)[:2] == [Save, Send]
    assert node.log.inbox == ((("s", 0), StepRecord(REFUSED)),)
    richer = replace(node, log=replace(node.log, accounts=(("a", Account(9)),)))
    assert richer.on_message("o", ask()) == (richer, (Send("o", Answer("s", 0, REFUSED)),))


def test_a_retriable_step_is_never_refused_but_may_have_to_wait() -> None:
    node = participant(0)
    assert node.on_message("o", ask(retriable=True)) == (node, ())


def test_a_compensation_takes_the_booking_away_once() -> None:
    node, _ = participant().on_message("o", ask())
    node, effects = node.on_message("o", Undo("s", 0))
    assert node.log.accounts == (("a", Account(5)),)
    assert node.log.outbox == (("o", Answer("s", 0, UNDONE)),), "the answer about the booking is out of date"
    assert kinds(effects)[:2] == [Save, Send]
    assert node.on_message("o", Undo("s", 0)) == (node, (Send("o", Answer("s", 0, UNDONE)),))


def test_a_compensation_that_comes_first_blocks_its_step() -> None:
    node, effects = participant().on_message("o", Undo("s", 0))
    assert kinds(effects)[:2] == [Save, Send]
    late, effects = node.on_message("o", ask())
    assert late.log.accounts == (("a", Account(5)),)
    assert sent(effects) == [("o", Answer("s", 0, UNDONE))]


def test_what_was_given_and_spent_cannot_be_taken_back() -> None:
    node, _ = participant(0).on_message("o", ask(amount=1))
    node, _ = node.on_message("o", ask(saga="t"))
    assert node.on_message("o", Undo("s", 0)) == (node, ())
    node, _ = node.on_message("o", ask(saga="u", amount=1))
    assert node.on_message("o", Undo("s", 0))[0].log.accounts[0][1].balance == 0


def test_answers_are_sent_again_until_they_are_acknowledged_also_after_a_crash() -> None:
    node, _ = participant().on_message("o", ask())
    answer = Answer("s", 0, DONE)
    again = (Send("o", answer), SetTimer("relay", (1.0, 1.0)))
    assert node.on_timer("relay") == (node, again)
    assert participant().on_start(node.log) == (node, again)
    node, effects = node.on_message("o", Received(answer))
    assert node.log.outbox == ()
    assert effects == (Save(node.log, forced=False), CancelTimer("relay"))
    assert node.on_message("o", Received(answer)) == (node, ())


def test_an_acknowledgement_of_one_answer_leaves_the_others() -> None:
    node, _ = participant().on_message("o", ask())
    node, _ = node.on_message("o", ask(1))
    node, effects = node.on_message("o", Received(Answer("s", 0, DONE)))
    assert node.log.outbox == (("o", Answer("s", 1, DONE)),)
    assert CancelTimer("relay") not in effects


def flagged() -> Participant:
    return participant().on_message("o", ask(flagging=True))[0]


def test_a_flag_refuses_steps_of_others_that_may_be_refused_and_no_retriable_one() -> None:
    assert flagged().log.accounts[0][1].flags == {"s"}
    assert sent(flagged().on_message("o", ask(saga="t"))[1]) == [("o", Answer("t", 0, REFUSED))]
    assert sent(flagged().on_message("o", ask(saga="t", retriable=True))[1]) == [("o", Answer("t", 0, DONE))]


def test_a_flag_goes_with_the_end_of_its_saga_or_with_its_compensation() -> None:
    node, effects = flagged().on_message("o", Finish("s"))
    assert node.log.accounts[0][1].flags == frozenset()
    assert effects == (Save(node.log), Send("o", Finished("s")))
    assert node.on_message("o", Finish("s")) == (node, (Send("o", Finished("s")),))
    assert flagged().on_message("o", Undo("s", 0))[0].log.accounts[0][1].flags == frozenset()


def test_a_reader_chooses_what_a_flag_means_to_it() -> None:
    node, account = flagged(), flagged().log.accounts[0][1]
    assert node.on_message("r", Read(1, "a", WhenFlagged.IGNORE)) == (node, (Send("r", Values(1, "a", account)),))
    assert node.on_message("r", Read(1, "a", WhenFlagged.REFUSE)) == (node, (Send("r", Values(1, "a", None)),))
    waits, effects = node.on_message("r", Read(1, "a", WhenFlagged.WAIT))
    assert effects == ()
    for message in (Finish("s"), Undo("s", 0)):
        after, effects = waits.on_message("o", message)
        assert ("r", Values(1, "a", after.log.accounts[0][1])) in sent(effects)
        assert after.waiting == ()


# --------------------------------------------------------------------------------------------------------- the clients


def test_client_begins_again_until_it_hears_how_it_ended_and_then_takes_the_next() -> None:
    node, effects = Client("o", (BUY, replace(BUY, name="u"))).on_start(None)
    assert effects[:2] == (Invoke(BUY.operations), Send("o", Begin(BUY)))
    node, effects = node.on_timer("retry")
    assert sent(effects) == [("o", Begin(BUY))]
    assert node.on_message("o", Ended("earlier", True)) == (node, ())
    node, effects = node.on_message("o", Ended("s", False))
    assert Complete(None, Outcome.FAIL) in effects
    assert sent(effects) == [("o", Begin(replace(BUY, name="u")))]


def test_client_that_gives_up_does_not_know_the_outcome() -> None:
    node, _ = Client("o", (BUY,), retries=0).on_start(None)
    assert Complete(None, Outcome.UNKNOWN) in node.on_timer("retry")[1]


def test_reader_adds_up_what_it_got_and_a_refusal_anywhere_refuses_the_read() -> None:
    node, _ = Reader((("p", "a"), ("q", "b")), reads=2).on_timer("read")
    node, _ = node.on_message("q", Values(2, "b", Account(7, (("s", 1),))))
    assert node.on_message("q", Values(2, "b", Account(0))) == (node, ()), "a copy"
    node, effects = node.on_message("p", Values(2, "a", Account(3)))
    assert node.totals == (11,)
    assert Complete(((), ("s",))) in effects
    node, _ = node.on_message("p", Values(1, "a", None))
    node, effects = node.on_message("q", Values(1, "b", Account(7)))
    assert node.totals == (11, None)
    assert Complete(None, Outcome.FAIL) in effects


# ------------------------------------------------------------------------------------------------------ the invariants


def world(bookings: dict[str, tuple], phase: Phase = Phase.COMPLETED) -> World:
    nodes: dict[str, Node | None] = {
        f"p{name[1]}": Participant(ParticipantLog(((name, Account(5, entries)),))) for name, entries in bookings.items()
    }
    log = OrchestratorLog((("s", Progress(transfer("s"), "client", phase)),))
    return World(nodes | {"o": None}, dict.fromkeys(nodes) | {"o": log})


def test_invariants_find_what_they_are_for() -> None:
    whole = world({"a1": (("s", -1),), "a2": (("s", 1),)})
    half, twice = world({"a1": (("s", -1),), "a2": ()}), world({"a1": (("s", -1),) * 2, "a2": (("s", 1),)})
    assert all_or_nothing(whole)
    assert not all_or_nothing(half)
    assert not nothing_is_booked_twice(twice)
    assert all_or_nothing(world({"a1": (), "a2": ()}, Phase.COMPENSATED))
    assert not all_or_nothing(world({"a1": (("s", -1),), "a2": ()}, Phase.COMPENSATED))
    assert all_or_nothing(world({"a1": (("s", -1),), "a2": ()}, Phase.FORWARD)), "half a saga under way is no fault"
    assert all_sagas_ended(whole)
    assert not all_sagas_ended(world({"a1": (), "a2": ()}, Phase.BACKWARD))
    assert not all_sagas_ended(
        World({"p1": Participant(ParticipantLog((("a1", Account(5, (("s", 1),))),)))}, {"p1": None})
    )
    assert (total_balance(whole), total_balance(half)) == (10, 9)
    told = (("client", Invoke(transfer("s").operations)), ("client", Complete(None, Outcome.OK)))
    assert client_is_told_the_truth(replace(whole, history=told))
    assert not client_is_told_the_truth(replace(world({}, Phase.FORWARD), history=told))


# ---------------------------------------------------------------------------------------------- seeded runs with faults


def test_every_run_with_every_fault_at_once_ends_whole_and_keeps_the_money() -> None:
    phases = set()
    for seed in range(12):
        flags = Orchestrator(patience=1, flagging=seed % 2 == 0, repeat_seconds=(0.2, 0.4))
        sagas = [purchase(f"s{k}") if k % 2 else transfer(f"s{k}", 3, source=3) for k in range(8)]
        nodes = bank(3, sagas, balances=(6, 2, 3), orchestrator=flags)
        run = chaos(nodes, seed=seed)
        assert client_is_told_the_truth(run.world), seed
        calm = settle(nodes, run)
        assert all_sagas_ended(calm.world), seed
        assert all_or_nothing(calm.world), seed
        assert nothing_is_booked_twice(calm.world), seed
        assert total_balance(calm.world) == 11, seed
        assert not any(account.flags for _, log in participant_logs(calm.world) for _, account in log.accounts), seed
        phases |= {each.phase for each in progress_of(calm.world).values()}
    assert phases == {Phase.COMPLETED, Phase.COMPENSATED}, "runs in which nothing is undone show nothing"


def test_chaos_finds_a_participant_that_books_twice() -> None:
    nodes = bank(2, [transfer(f"s{k}") for k in range(6)], participant_class=NaiveParticipant)
    assert not all(nothing_is_booked_twice(chaos(nodes, seed=seed).world) for seed in range(5))


# --------------------------------------------------------------------------------------------------- every interleaving


def refused(**changes: object) -> dict[str, Node]:
    """Return a purchase whose second payer, the pivot, cannot pay."""
    return bank(3, (purchase("s1"),), balances=(1, 0, 0), retries=0, **({"orchestrator": IMPATIENT} | changes))


def examine(nodes: dict[str, Node], crashes: dict[str, int] | int = 0, **options: object) -> Exploration:
    options = {"messages": "set"} | options
    return explore(
        nodes, crashes=crashes, always=SAFE, eventually_possible=ENDS, repair=True, record_history=True, **options
    )


INSTANCES = {
    "a transfer": (bank(2, retries=1), {"orchestrator": 1}, 197),
    "a purchase refused at the pivot": (refused(), {"orchestrator": 1, "p1": 1, "p2": 1}, 3_872),
    "two crashes of the orchestrator": (refused(), {"orchestrator": 2}, 732),
    "transfers that cross": (crossing((1, 0)), {"orchestrator": 1}, 8_056),
    "transfers that cross, a bank crashes": (crossing((1, 0)), {"p2": 1}, 3_795),
    "flags": (bank(2, retries=0, orchestrator=FLAGGING), {"p1": 1, "orchestrator": 1}, 3_306),
}


@pytest.mark.parametrize("instance", INSTANCES)
def test_every_saga_ends_whole_or_not_at_all_in_every_interleaving(instance: str) -> None:
    nodes, crashes, states = INSTANCES[instance]
    found = examine(nodes, crashes)
    found.require_holds()
    assert found.states == states


def test_copies_are_harmless_and_nobody_needs_a_message_twice() -> None:
    nodes = bank(2, retries=0, orchestrator=IMPATIENT)
    examine(nodes, {"orchestrator": 1}, messages="multiset", timers=False, duplicates=2).require_holds()


def test_both_endings_are_reached_and_a_compensation_can_come_first() -> None:
    def tombstone(world: World) -> bool:
        records = [record for _, log in participant_logs(world) for _, record in log.inbox]
        return StepRecord(UNDONE) in records

    def ended(phase: Phase) -> object:
        return lambda world: any(each.phase is phase for each in progress_of(world).values())

    explore(
        bank(3, (purchase("s1"),), orchestrator=IMPATIENT, retries=0),
        messages="set",
        sometimes={"completes": ended(Phase.COMPLETED), "goes back": ended(Phase.COMPENSATED), "empty": tombstone},
    ).require_holds()


BROKEN = {
    "tells before it saves": (refused(orchestrator=HastyOrchestrator(patience=0)), {"orchestrator": 1}, "truth"),
    "carries out every copy": (refused(participant_class=NaiveParticipant), 0, "all or nothing"),
    "does not note an empty compensation": (
        refused(participant_class=ParticipantWithoutTombstones),
        0,
        "all or nothing",
    ),
    "forgets that it refused": (crossing((1, 0), participant_class=ForgetfulParticipant), 0, "all or nothing"),
}


@pytest.mark.parametrize("mistake", BROKEN)
def test_explorer_catches_each_mistake_that_breaks_safety(mistake: str) -> None:
    nodes, crashes, broken = BROKEN[mistake]
    found = explore(nodes, messages="set", crashes=crashes, always=SAFE, record_history=True)
    assert any(broken in name for name in found.violations)


STUCK = {
    "no outbox": (bank(2, participant_class=ParticipantWithoutOutbox, retries=0), {"p2": 1}),
    "the pivot too early": (pivot_too_early(), 0),
    "the pivot too late": (pivot_too_late(), 0),
    "retriable steps that wait for flags": (
        crossing(participant_class=AnxiousParticipant, orchestrator=Orchestrator(patience=None, flagging=True)), 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", STUCK)
def test_explorer_catches_each_mistake_after_which_a_saga_never_ends(mistake: str) -> None:
    nodes, crashes = STUCK[mistake]
    found = explore(nodes, messages="set", crashes=crashes, eventually_possible=ENDS, repair=True)
    assert set(found.stuck) == set(ENDS)


def test_a_saga_told_before_it_was_saved_is_lost_and_atomic_handlers_hide_it() -> None:
    def hasty(between: bool) -> Exploration:
        nodes = bank(2, retries=0, orchestrator=HastyOrchestrator(patience=0))
        return explore(
            nodes,
            timers=False,
            crashes={"orchestrator": 1},
            eventually_possible=ENDS,
            repair=True,
            crash_between_effects=between,
        )

    assert set(hasty(between=True).stuck) == set(ENDS)
    hasty(between=False).require_holds()


# -------------------------------------------------------------------------------------------------------- over sockets


@pytest.mark.parametrize(("name", "effect_number"), [("orchestrator", 4), ("p1", 1)])
def test_killed_node_is_started_again_and_the_saga_completes_over_sockets(name: str, effect_number: int) -> None:
    nodes = bank(2, orchestrator=Orchestrator(repeat_seconds=(0.2, 0.2)))
    ended = measure_killed(nodes, name=name, effect_number=effect_number)
    assert all_or_nothing(ended)
    assert [log.accounts[0][1].bookings for _, log in participant_logs(ended)] == [(("s1", -1),), (("s1", 1),)]
