"""Deterministic ordering: handlers, replay, seeded runs with faults, every interleaving, broken variants."""

from dataclasses import replace

import pytest

from distlib.broken.transactions.deterministic_ordering import (
    ArrivalOrderPartition,
    HastySequencer,
    HurriedPartition,
    ImpatientPartition,
    LonelyPartition,
)
from distlib.experiments.transactions.deterministic_ordering import (
    bank,
    chaos,
    crossing,
    meant,
    measure_killed,
    transfer,
    work,
)
from distlib.node import CancelTimer, Complete, Invoke, Outcome, Save, Send, SetTimer
from distlib.protocols.transactions.deterministic_ordering import (
    Account,
    Answer,
    Batch,
    Checkpoint,
    Client,
    Missing,
    Partition,
    Reads,
    Replay,
    Sequencer,
    Submit,
    Transaction,
    all_carried_out,
    client_is_told_the_truth,
    client_of,
    execute,
    follows_the_log,
    log_of,
    partition_states,
    replay,
    total_balance,
)
from distlib.runtimes.exploration import explore
from distlib.runtimes.simulation import simulate

SAFE = {"follows the log": follows_the_log, "the client is told the truth": client_is_told_the_truth}
CAUGHT_UP = {"all is carried out": all_carried_out}
PAY, BACK = work("c.1", {1: -1, 2: 1}), work("d.1", {1: 1, 2: -1})
LOOK = work("e.1", {1: 0, 2: 0})


def sequencer() -> Sequencer:
    return Sequencer(("p1", "p2"))


def partition(opening: int = 5, **fields: object) -> Partition:
    return Partition("p1", (("a1", Account(opening)),), **fields)


def theirs(*names: str, opening: int = 5) -> tuple:
    return (("a2", Account(opening, tuple((name, 1) for name in names))),)


def sent(effects: tuple) -> list[tuple[str, object]]:
    return [(effect.target, effect.message) for effect in effects if isinstance(effect, Send)]


# --------------------------------------------------------------------------------------------------- what is executed


def test_a_transaction_books_everywhere_or_aborts_everywhere() -> None:
    rich, poor = {"a1": Account(1), "a2": Account(0)}, {"a1": Account(0), "a2": Account(0)}
    assert execute(PAY, rich) == {"a1": Account(1, (("c.1", -1),)), "a2": Account(0, (("c.1", 1),))}
    assert execute(PAY, poor) is None
    assert execute(LOOK, poor) == poor


def test_a_transaction_aborts_if_what_its_client_had_read_has_changed() -> None:
    guarded = replace(PAY, expected=(("a2", ("b.1",)),))
    before = {"a1": Account(5), "a2": Account(0, (("b.1", 1),))}
    assert execute(guarded, before) is not None
    assert execute(guarded, before | {"a2": Account(0, (("b.1", 1), ("b.2", 1)))}) is None


def test_replay_goes_through_the_log_one_by_one() -> None:
    accounts = {"a1": Account(1), "a2": Account(0)}
    final = replay(((PAY, work("c.2", {1: -1, 2: 1})), (BACK,)), accounts)
    assert {name: account.names for name, account in final.items()} == {"a1": ("c.1", "d.1"), "a2": ("c.1", "d.1")}
    assert replay((), accounts) == accounts


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((), "at least one partition"),
        ((("p", (("a", 1),)), ("p", (("b", 1),))), r"each once, got \['p', 'p'\]"),
        ((("p", (("a", 1),)), ("q", (("a", 1),))), "`parts` must name each account once"),
    ],
)
def test_a_transaction_that_makes_no_sense_is_refused(parts: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Transaction("c.1", parts)


# ------------------------------------------------------------------------------------------------------ the sequencer


def test_sequencer_has_the_batch_on_disk_before_anybody_gets_it() -> None:
    node, effects = sequencer().on_message("c", Submit(PAY))
    assert effects == ()
    node, _ = node.on_message("d", Submit(BACK))
    node, effects = node.on_timer("epoch")
    batch = Batch(1, (PAY, BACK))
    assert effects == (
        SetTimer("epoch", (0.01, 0.01)), Save(((PAY, BACK),)), Send("p1", batch), Send("p2", batch)
    )  # fmt: skip
    assert node.on_timer("epoch") == (node, (SetTimer("epoch", (0.01, 0.01)),)), "an epoch without work has no number"


def test_sequencer_knows_a_transaction_by_its_name() -> None:
    node, _ = sequencer().on_message("c", Submit(PAY))
    assert node.on_message("c", Submit(PAY)) == (node, ())
    node, _ = node.on_timer("epoch")
    assert node.on_message("c", Submit(PAY)) == (node, (Send("p1", Batch(1, (PAY,))),)), "its home is to answer again"


def test_recovered_sequencer_has_the_log_and_forgets_what_it_gathered() -> None:
    node, _ = sequencer().on_message("c", Submit(PAY))
    node, _ = node.on_timer("epoch")
    node, _ = node.on_message("d", Submit(BACK))
    again, effects = sequencer().on_start(node.log)
    assert (again.log, again.gathered) == (((PAY,),), ())
    assert effects == (SetTimer("epoch", (0.01, 0.01)),)


def test_sequencer_sends_the_log_from_the_epoch_asked_for() -> None:
    node = replace(sequencer(), log=((PAY,), (BACK,)))
    assert sent(node.on_message("p1", Replay(2))[1]) == [("p1", Batch(2, (BACK,)))]
    assert sent(node.on_message("p1", Replay(1))[1]) == [("p1", Batch(1, (PAY,))), ("p1", Batch(2, (BACK,)))]
    assert node.on_message("p1", Replay(3))[1] == ()


# ------------------------------------------------------------------------------------------------------ the partitions


def test_partition_reads_sends_waits_and_carries_out_without_a_write() -> None:
    node, effects = partition().on_message("sequencer", Batch(1, (PAY,)))
    assert effects == (Send("p2", Reads("c.1", (("a1", Account(5)),))), SetTimer("ask", (1.0, 1.0)))
    node, effects = node.on_message("p2", Reads("c.1", theirs()))
    assert node.accounts == (("a1", Account(5, (("c.1", -1),))),)
    assert effects == (Send("c", Answer("c.1", True)), CancelTimer("ask"))


def test_only_the_home_answers() -> None:
    node = Partition("p2", theirs())
    node, _ = node.on_message("sequencer", Batch(1, (PAY,)))
    node, effects = node.on_message("p1", Reads("c.1", (("a1", Account(5)),)))
    assert node.accounts == (("a2", Account(5, (("c.1", 1),))),)
    assert sent(effects) == []


def test_batches_are_taken_in_the_order_of_their_epochs() -> None:
    node, effects = partition().on_message("sequencer", Batch(2, (BACK,)))
    assert (node.epoch, sent(effects)) == (0, [])
    node, effects = node.on_message("sequencer", Batch(1, (PAY,)))
    assert node.epoch == 2
    assert [message.transaction for _, message in sent(effects)] == ["c.1"], "the second one waits for the lock"


def test_locks_are_granted_in_the_order_of_the_log_and_only_where_keys_meet() -> None:
    other = Transaction("e.1", (("p1", (("own", 1),)), ("p2", (("theirs", 1),))))
    node, effects = partition().on_message("sequencer", Batch(1, (PAY, BACK, other)))
    assert [message.transaction for _, message in sent(effects)] == ["c.1", "e.1"]
    # The reads of the second come first; it is carried out second all the same.
    node, _ = node.on_message("p2", Reads("d.1", theirs("c.1")))
    assert node.accounts == (("a1", Account(5)),)
    node, effects = node.on_message("p2", Reads("c.1", theirs()))
    assert node.accounts[0][1].names == ("c.1", "d.1")
    assert [message for _, message in sent(effects) if isinstance(message, Reads)] == [
        Reads("d.1", (("a1", Account(5, (("c.1", -1),))),))
    ]


def test_every_partition_aborts_by_the_same_reads() -> None:
    node, _ = partition(0).on_message("sequencer", Batch(1, (PAY,)))
    node, effects = node.on_message("p2", Reads("c.1", theirs()))
    assert sent(effects) == [("c", Answer("c.1", False))]
    payee, _ = Partition("p2", theirs()).on_message("sequencer", Batch(1, (PAY,)))
    payee, _ = payee.on_message("p1", Reads("c.1", (("a1", Account(0)),)))
    assert payee.accounts == theirs()


def test_reads_see_the_lists_as_they_stand_in_the_log() -> None:
    node, _ = partition().on_message("sequencer", Batch(1, (LOOK,)))
    _, effects = node.on_message("p2", Reads("e.1", theirs("x", "y")))
    assert sent(effects) == [("e", Answer("e.1", True, ((), ("x", "y"))))]
    assert LOOK.operations == (("read", "a1"), ("read", "a2"))


def test_copies_change_nothing_and_have_the_answer_repeated() -> None:
    node, _ = partition().on_message("sequencer", Batch(1, (PAY,)))
    node, _ = node.on_message("p2", Reads("c.1", theirs()))
    assert node.on_message("p2", Reads("c.1", theirs())) == (node, ())
    assert node.on_message("sequencer", Batch(1, (PAY,))) == (node, (Send("c", Answer("c.1", True)),))


def test_what_is_missing_is_asked_for_and_told() -> None:
    node, _ = partition().on_message("sequencer", Batch(1, (PAY,)))
    node, _ = node.on_message("sequencer", Batch(3, (BACK,)))
    _, effects = node.on_timer("ask")
    assert sent(effects) == [("sequencer", Replay(2)), ("p2", Missing("c.1"))]
    assert sent(node.on_message("p2", Missing("c.1"))[1]) == [("p2", Reads("c.1", (("a1", Account(5)),)))]
    assert node.on_message("p2", Missing("d.1"))[1] == ()


def test_checkpoint_is_saved_when_all_is_carried_out_and_recovery_goes_on_from_it() -> None:
    node, effects = partition(checkpoint_every=2).on_message("sequencer", Batch(1, (PAY,)))
    node, effects = node.on_message("p2", Reads("c.1", theirs()))
    assert not any(isinstance(effect, Save) for effect in effects)
    node, effects = node.on_message("sequencer", Batch(2, ()))
    (saved,) = (effect.value for effect in effects if isinstance(effect, Save))
    assert saved == Checkpoint(2, node.accounts, node.sent, node.answered)
    assert not effects[-1].forced
    again, effects = partition(checkpoint_every=2).on_start(saved)
    assert again == node
    assert effects == (Send("sequencer", Replay(3)),)
    assert sent(again.on_message("p2", Missing("c.1"))[1]) == [("p2", Reads("c.1", (("a1", Account(5)),)))]


# -------------------------------------------------------------------------------------------------------- the client


def test_client_submits_again_until_it_is_answered() -> None:
    node, effects = Client("sequencer", (PAY, LOOK)).on_start(None)
    assert effects[:2] == (Invoke(PAY.operations), Send("sequencer", Submit(PAY)))
    node, effects = node.on_timer("retry")
    assert sent(effects) == [("sequencer", Submit(PAY))]
    assert node.on_message("p1", Answer("c.0", True)) == (node, ())
    node, effects = node.on_message("p1", Answer("c.1", False))
    assert Complete(None, Outcome.FAIL) in effects
    node, effects = node.on_message("p1", Answer("e.1", True, ((), ("c.1",))))
    assert Complete(((), ("c.1",))) in effects
    assert client_of("c.1") == "c"


def test_client_that_gives_up_does_not_know_the_outcome() -> None:
    node, _ = Client("sequencer", (PAY,), retries=0).on_start(None)
    assert Complete(None, Outcome.UNKNOWN) in node.on_timer("retry")[1]


# ---------------------------------------------------------------------------------------------- seeded runs with faults


def test_every_run_with_every_fault_at_once_follows_the_log_and_keeps_the_money() -> None:
    committed = set()
    for seed in range(12):
        todo = [work(f"client.{k}", {1: -1, 2: -1, 3: 2} if k % 3 else {1: 1, 3: -1}) for k in range(1, 10)]
        nodes = bank(3, todo, balances=(3, 2, 1), checkpoint_every=2 if seed % 2 else None, ask_seconds=0.2)
        run, calm = chaos(nodes, seed=seed)
        assert follows_the_log(run.world), seed
        assert all_carried_out(calm.world), seed
        assert follows_the_log(calm.world), seed
        assert total_balance(calm.world) == 6, seed
        assert {key: account for each in partition_states(calm.world).values() for key, account in each} == meant(calm)
        names = {each.name for batch in log_of(calm.world) for each in batch}
        booked = {
            name for accounts in partition_states(calm.world).values() for _, one in accounts for name in one.names
        }
        committed |= {name in booked for name in names}
    assert committed == {True, False}, "runs in which nothing aborts show nothing"


def test_a_partition_that_loses_everything_comes_back_to_the_same_bytes() -> None:
    todo = [transfer(f"client.{k}") for k in range(1, 6)]
    whole = simulate(bank(2, todo), seed=1, until_seconds=1)
    for every in (None, 1, 3):
        run, calm = chaos(bank(2, todo, checkpoint_every=every, ask_seconds=0.1), seed=4)
        assert log_of(calm.world) == log_of(run.world)
        assert len([each for batch in log_of(calm.world) for each in batch]) == 5
        assert partition_states(calm.world) == partition_states(whole.world)


# --------------------------------------------------------------------------------------------------- every interleaving


INSTANCES = {
    "transfers that cross": (crossing(), 0, 4_570),
    "one of them cannot pay": (crossing((1, 0)), {"sequencer": 1}, 17_062),
    "a bank loses everything": (crossing((1, 0)), {"p1": 1}, 45_700),
    "both banks crash, with checkpoints": (crossing(both=False, checkpoint_every=1), {"p1": 1, "p2": 1}, 1_512),
    "the sequencer forgets what it gathered": (crossing(both=False, retries=1), {"sequencer": 1}, 339),
}


@pytest.mark.parametrize("instance", INSTANCES)
def test_every_interleaving_ends_in_what_the_log_says(instance: str) -> None:
    nodes, crashes, states = INSTANCES[instance]
    found = explore(
        nodes,
        messages="set",
        crashes=crashes,
        always=SAFE,
        eventually_possible=CAUGHT_UP,
        repair=True,
        record_history=True,
    )
    found.require_holds()
    assert found.states == states


def test_both_orders_and_an_abort_are_among_them() -> None:
    def names(order: list[str]) -> object:
        return lambda world: [each.name for batch in log_of(world) for each in batch] == order

    def aborted(world: object) -> bool:
        return any(effect.outcome is Outcome.FAIL for _, effect in world.history if isinstance(effect, Complete))

    explore(
        crossing((1, 0)),
        messages="set",
        sometimes={"c first": names(["c.1", "d.1"]), "d first": names(["d.1", "c.1"]), "abort": aborted},
        record_history=True,
    ).require_holds()


BROKEN = {
    "takes batches as they come": (crossing(partition_class=ArrivalOrderPartition), 0),
    "waits for no lock": (crossing(partition_class=HurriedPartition), 0),
    "aborts by its own clock": (crossing(partition_class=ImpatientPartition), 0),
    "judges by its own part": (crossing((0, 0), both=False, partition_class=LonelyPartition), 0),
    "sends before it saves": (crossing(sequencer=HastySequencer(("p1", "p2"))), {"sequencer": 1}),
}


@pytest.mark.parametrize("mistake", BROKEN)
def test_explorer_catches_each_broken_variant(mistake: str) -> None:
    nodes, crashes = BROKEN[mistake]
    found = explore(nodes, messages="set", crashes=crashes, always={"log": follows_the_log}, stop_at_violation=True)
    assert set(found.violations) == {"log"}


def test_locks_in_the_order_of_arrival_deadlock() -> None:
    nodes = crossing(partition_class=ArrivalOrderPartition)
    assert set(explore(nodes, messages="set", eventually_possible=CAUGHT_UP).stuck) == set(CAUGHT_UP)


def test_sending_before_saving_hides_while_handlers_are_atomic() -> None:
    nodes = crossing(sequencer=HastySequencer(("p1", "p2")))
    explore(
        nodes, messages="set", crashes={"sequencer": 1}, always=SAFE, record_history=True, crash_between_effects=False
    ).require_holds()


# -------------------------------------------------------------------------------------------------------- over sockets


@pytest.mark.parametrize("name", ["p1", "p2", "sequencer"])
def test_killed_node_is_started_again_and_the_log_is_carried_out_over_sockets(name: str) -> None:
    nodes = bank(2, ask_seconds=0.2, epoch_seconds=0.02)
    nodes["client"] = replace(nodes["client"], retry_seconds=(0.3, 0.3))
    ended = measure_killed(nodes, name=name, effect_number=2)
    assert follows_the_log(ended)
    assert [account.names for _, accounts in sorted(partition_states(ended).items()) for _, account in accounts] == [
        ("client.1",),
        ("client.1",),
    ]
