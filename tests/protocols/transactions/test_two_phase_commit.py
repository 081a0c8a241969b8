"""Two-phase commit: its handlers, seeded runs with faults, every interleaving of a small instance, broken variants."""

from dataclasses import replace

import pytest

from distlib.broken.transactions.two_phase_commit import (
    CarelessParticipant,
    CoordinatorWithoutEpochs,
    ForgetfulParticipant,
    HastyCoordinator,
    ImpatientParticipant,
)
from distlib.experiments.transactions.two_phase_commit import bank, lock_held
from distlib.models.latency import Constant, Exponential, LogNormal, Uniform
from distlib.node import CancelTimer, Complete, Invoke, Node, Outcome, Save, Send, SetTimer, World
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
    outcomes,
    participant_logs,
    total_balance,
    validity,
)
from distlib.runtimes.exploration import Verdict, explore
from distlib.runtimes.faults import CrashAfterEffect, CrashRandomly, Link, Network, PartitionRandomly
from distlib.runtimes.network import Cluster
from distlib.runtimes.simulation import Run, simulate
from distlib.runtimes.trace import Kind, Trace

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


def test_a_no_is_forced_before_another_participant_hears_of_it() -> None:
    refused, _ = participant(balance=9).on_message("coordinator", ASKED)
    node, effects = refused.on_message("q", Inquire("t"))
    assert effects == (Save(node.log), Send("q", Decision("t", False)))


def test_work_that_names_a_participant_or_a_key_twice_is_refused() -> None:
    twice = frozenset({("p", frozenset({("a", 1)})), ("p", frozenset({("a", 2)}))})
    with pytest.raises(ValueError, match=r"`work` must name each participant once, got \['p', 'p'\]"):
        Begin("t", twice)
    with pytest.raises(ValueError, match=r"`work` must name each key once, got \['a', 'a'\] for 'p'"):
        Transfer("t", frozenset({("p", frozenset({("a", 1), ("a", 2)}))}))


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


# ------------------------------------------------------------------------------------------------- runs with faults

SAFE = {"agreement": agreement, "validity": validity, "told": client_is_told_the_truth}


@pytest.mark.parametrize("presumption", PRESUMPTIONS)
def test_every_run_with_every_fault_at_once_agrees_and_ends_in_doubt_nowhere(presumption: Presumption) -> None:
    reached: set[State] = set()
    for seed in range(12):
        nodes = bank(4, transfer_count=5, coordinator=Coordinator(presumption), patience_seconds=0.2)
        servers = [name for name in nodes if name != "client"]
        faults = [
            CrashRandomly(servers, time_to_failure=Exponential(3.0), time_to_repair=Exponential(0.3)),
            PartitionRandomly(servers, time_to_partition=Exponential(4.0), time_to_heal=Exponential(0.4)),
        ]
        lossy = Link(LogNormal(0.01, 1.0), loss_probability=0.1, duplicate_probability=0.1)
        run = simulate(
            nodes,
            seed=seed,
            network=Network(lossy),
            faults=faults,
            save_latency=Uniform(0.0, 0.01),
            until_seconds=30,
            always=SAFE,
        )
        # The faults end here: what is left must now come to its end, and no money has been made or lost.
        calm = simulate(
            nodes_after(run, presumption),
            seed=seed,
            network=Network(Link(Constant(0.01))),
            until_seconds=60,
            always=SAFE,
        )
        assert nobody_in_doubt(calm.world), seed
        assert total_balance(calm.world) == 4 * 1_000_000, seed
        reached |= {state for states in outcomes(calm.world).values() for state in states}
    assert reached == {State.COMMITTED, State.ABORTED}, "runs in which nothing is decided show nothing"


def nodes_after(run: Run, presumption: Presumption) -> dict[str, Node]:
    """Return nodes that begin where a run ended: with the log that is on disk."""
    logs = {name: saved for name, saved in run.saved.items() if saved is not None}
    begun = bank(4, coordinator=Coordinator(presumption))
    nodes = {name: node for name, node in begun.items() if name != "client"}
    return {name: replace(node, log=logs[name]) if name in logs else node for name, node in nodes.items()}


def test_coordinator_that_dies_after_its_requests_leaves_every_bank_in_doubt_until_it_is_back() -> None:
    crash = CrashAfterEffect("coordinator", 5)
    gone = simulate(bank(3), seed=1, faults=[crash], until_seconds=20)
    assert [name for name, _ in in_doubt(gone.world)] == ["p1", "p2", "p3"]
    back = simulate(bank(3), seed=1, faults=[replace(crash, restart_after_seconds=10.0)], until_seconds=20)
    assert nobody_in_doubt(back.world)
    assert outcomes(back.world) == {"t1": {State.ABORTED}}


def test_participant_that_crashes_in_doubt_learns_the_commit_when_it_is_back() -> None:
    run = simulate(bank(3), seed=1, faults=[CrashAfterEffect("p2", 2, restart_after_seconds=3.0)], until_seconds=20)
    assert outcomes(run.world) == {"t1": {State.COMMITTED}}
    assert [log.balances for _, log in participant_logs(run.world)] == [
        (("account", 999_998),),
        (("account", 1_000_001),),
        (("account", 1_000_001),),
    ]


def test_same_seed_gives_the_same_trace_and_another_seed_another() -> None:
    network = Network(Link(Exponential(0.001)))
    first, again, other = (simulate(bank(3), seed=seed, network=network).trace for seed in (1, 1, 2))
    assert first.events == again.events
    assert first.events != other.events


# --------------------------------------------------------------------------------------------------- every interleaving


@pytest.mark.parametrize(
    ("crashes", "states"),
    [({}, 3_051), ({"coordinator": 1}, 18_084), ({"p1": 1}, 12_076)],
    ids=["no crash", "coordinator crashes", "participant crashes"],
)
def test_agreement_validity_and_truth_hold_in_every_state(crashes: dict[str, int], states: int) -> None:
    found = explore(
        bank(2, retries=1),
        messages="set",
        crashes=crashes or 0,
        always=SAFE,
        sometimes={
            "commits": lambda world: State.COMMITTED in outcomes(world).get("t1", ()),
            "aborts": lambda world: State.ABORTED in outcomes(world).get("t1", ()),
        },
        record_history=True,
    )
    found.require_holds()
    assert found.states == states


@pytest.mark.parametrize(
    ("presumption", "states"), [(Presumption.ABORT, 75_526), (Presumption.COMMIT, 32_823)], ids=["abort", "commit"]
)
def test_a_lock_still_held_and_a_bank_that_crashes_break_nothing(presumption: Presumption, states: int) -> None:
    found = explore(
        lock_held(presumption=presumption), messages="set", crashes={"p1": 1}, always=SAFE, record_history=True
    )
    found.require_holds()
    assert found.states == states


def test_a_bank_that_refuses_and_crashes_never_lets_anyone_commit() -> None:
    found = explore(
        bank(2, balance=0, retries=1),
        messages="set",
        crashes={"p1": 1},
        always=SAFE | {"no commit": lambda world: State.COMMITTED not in outcomes(world).get("t1", ())},
        record_history=True,
    )
    found.require_holds()


@pytest.mark.parametrize("presumption", [Presumption.NOTHING, Presumption.COMMIT])
def test_other_presumptions_are_as_safe(presumption: Presumption) -> None:
    explore(
        bank(2, retries=0, coordinator=Coordinator(presumption)),
        messages="set",
        crashes={"coordinator": 1},
        always=SAFE,
        record_history=True,
    ).require_holds()


def test_participants_block_while_the_coordinator_is_down_and_only_then() -> None:
    goal = {"nobody in doubt": nobody_in_doubt}
    down = explore(bank(2, retries=0), messages="set", crashes={"coordinator": 1}, eventually_possible=goal)
    assert down.verdict is Verdict.VIOLATED
    assert "nobody in doubt" in down.stuck
    repaired = explore(
        bank(2, retries=0), messages="set", crashes={"coordinator": 1}, eventually_possible=goal, repair=True
    )
    repaired.require_holds()
    explore(bank(2, retries=0), messages="set", crashes={"p1": 1}, eventually_possible=goal).require_holds()


BROKEN = {
    "tells before it saves": (bank(2, retries=1, coordinator=HastyCoordinator()), {"coordinator": 1}),
    "votes without saving": (bank(2, retries=1, participant_class=ForgetfulParticipant), {"p1": 1}),
    "tells what it may forget": (lock_held(participant_class=CarelessParticipant), {"p1": 1}),
    "gives up waiting": (bank(2, retries=1, participant_class=ImpatientParticipant), 0),
    "begins what it does not know": (bank(2, retries=1, coordinator=CoordinatorWithoutEpochs()), {"coordinator": 1}),
}


@pytest.mark.parametrize("mistake", BROKEN)
def test_explorer_catches_each_broken_variant(mistake: str) -> None:
    nodes, crashes = BROKEN[mistake]
    found = explore(nodes, messages="set", crashes=crashes, always={"agreement": agreement})
    assert set(found.violations) == {"agreement"}


def test_telling_before_saving_hides_while_handlers_are_atomic() -> None:
    nodes, crashes = BROKEN["tells before it saves"]
    explore(
        nodes, messages="set", crashes=crashes, always={"agreement": agreement}, crash_between_effects=False
    ).require_holds()


# ------------------------------------------------------------------------------------------------------- over sockets


def test_killed_coordinator_leaves_processes_in_doubt_and_resolves_them_when_restarted() -> None:
    nodes = bank(2, patience_seconds=0.5)

    def sure(trace: Trace) -> bool:
        states = [trace.states(name)[-1][1] for name in ("p1", "p2")]
        return all(node is not None and node.log.records[-1][1].state is not State.PREPARED for node in states)

    def asked_twice(trace: Trace) -> bool:
        return all(len(trace.of(Kind.TIMER, node=name)) >= 2 for name in ("p1", "p2"))

    cluster = Cluster(nodes, processes=True)
    cluster.kill_after("coordinator", 4)
    with cluster:
        cluster.wait_until(asked_twice, 30)
        assert [name for name, _ in in_doubt(cluster.world)] == ["p1", "p2"]
        cluster.restart("coordinator")
        cluster.wait_until(sure, 30)
        assert agreement(cluster.world)
        assert nobody_in_doubt(cluster.world)
