"""The voting register: handlers, quorums, every fault at once, every order of events, eight mistakes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from distlib.checkers.linearizability import linearizable
from distlib.experiments.consistency.staleness import (
    MISTAKES,
    REGISTER,
    Mistake,
    acknowledged,
    chaos,
    chaotic,
    hinted,
    judge,
    read,
    registers,
    settled,
    two_writers,
    under_way,
    until_it_is_read,
    write,
)
from distlib.models.latency import Exponential
from distlib.node import CancelTimer, Complete, Invoke, Outcome, Save, Send, SetTimer
from distlib.protocols.consistency.voting import (
    INITIAL,
    Client,
    Disk,
    Listed,
    Phase,
    Query,
    Replica,
    Report,
    Stamp,
    Store,
    Stored,
    Task,
    Version,
    Votes,
    WriteBack,
    acknowledged_writes_are_stored,
    everyone_is_answered,
    no_hint_is_left,
    replicas_agree,
    sizes,
    stamps_are_unique,
)
from distlib.runtimes.exploration import explore
from distlib.runtimes.faults import Link, Network
from distlib.runtimes.simulation import simulate

SEVEN = Version(7, Stamp(1, "alice", 1))
NINE = Version(9, Stamp(2, "bob", 1))
STORED = {"stamps are unique": stamps_are_unique, "stored": acknowledged_writes_are_stored}
SAFE = {"linearizable": linearizable(REGISTER)} | STORED
UNTIMED: dict[str, Any] = {"always": SAFE, "record_history": True, "timers": False}
SWAP = [("r2", "r3")]


def client(*tasks: Task, **options: Any) -> Client:
    return Client("bob", tasks, sizes(3, 2, 2), **options)


def messages(effects: tuple[Any, ...]) -> list[tuple[str, Any]]:
    return [(effect.target, effect.message) for effect in effects if isinstance(effect, Send)]


def completions(effects: tuple[Any, ...]) -> list[Complete]:
    return [effect for effect in effects if isinstance(effect, Complete)]


# ----------------------------------------------------------------------------------------------------------- handlers


def test_client_makes_the_number_durable_before_it_asks() -> None:
    _, effects = client(read()).on_start(None)
    asked = tuple(Send(name, Query(1)) for name in ("r1", "r2", "r3"))
    assert effects == (Save(1), Invoke(("read",)), *asked)


def test_client_that_recovers_goes_on_with_a_new_number() -> None:
    _, effects = client(write(5), read()).on_start(1)
    assert effects[:2] == (Save(2), Invoke(("read",)))
    assert client(write(5)).on_start(1)[1] == ()


def test_write_is_stamped_above_all_that_a_read_quorum_reported() -> None:
    node, _ = client(write(5)).on_start(None)
    node, effects = node.on_message("r1", Report(1, NINE))
    assert effects == ()
    _, effects = node.on_message("r3", Report(1, SEVEN))
    stored = Store(1, Version(5, Stamp(3, "bob", 1)))
    assert messages(effects) == [(name, stored) for name in ("r1", "r2", "r3")]


def test_a_second_report_of_one_replica_and_one_of_an_earlier_operation_count_for_nothing() -> None:
    node, _ = client(read(), read()).on_start(1)
    node, _ = node.on_message("r1", Report(2, SEVEN))
    assert node.on_message("r1", Report(2, SEVEN)) == (node, ())
    assert node.on_message("r2", Report(1, SEVEN)) == (node, ())
    assert node.on_message("r2", Stored(2, SEVEN)) == (node, ())


def test_a_single_writer_needs_no_query() -> None:
    _, effects = client(write(5), single_writer=True).on_start(None)
    assert messages(effects)[0] == ("r1", Store(1, Version(5, Stamp(1, "bob", 1))))


def after_two_reports(write_back: WriteBack) -> tuple[Client, tuple[Any, ...]]:
    node, _ = client(read(), write_back=write_back).on_start(None)
    node, _ = node.on_message("r1", Report(1, SEVEN))
    return node.on_message("r2", Report(1, INITIAL))


def test_a_read_without_write_back_answers_and_stores_nothing() -> None:
    _, effects = after_two_reports(WriteBack.NONE)
    assert effects == (Complete(7),)


def test_read_repair_answers_before_it_stores_and_repairs_a_late_reporter_too() -> None:
    node, effects = after_two_reports(WriteBack.LATER)
    assert effects == (Complete(7), Send("r2", Store(1, SEVEN)))
    assert node.on_message("r3", Report(1, INITIAL)) == (node, (Send("r3", Store(1, SEVEN)),))
    assert node.on_message("r3", Report(1, SEVEN)) == (node, ())


def test_write_back_answers_only_when_a_write_quorum_has_the_version() -> None:
    node, effects = after_two_reports(WriteBack.ALWAYS)
    assert messages(effects) == [(name, Store(1, SEVEN)) for name in ("r1", "r2", "r3")]
    assert not completions(effects)
    node, effects = node.on_message("r3", Stored(1, SEVEN))
    assert effects == ()
    _, effects = node.on_message("r2", Stored(1, SEVEN))
    assert completions(effects) == [Complete(7)]


def test_write_back_if_needed_counts_those_that_reported_the_version() -> None:
    node, effects = after_two_reports(WriteBack.IF_NEEDED)
    assert messages(effects) == [("r2", Store(1, SEVEN)), ("r3", Store(1, SEVEN))]
    assert completions(node.on_message("r3", Stored(1, SEVEN))[1]) == [Complete(7)]
    agreed, _ = client(read(), write_back=WriteBack.IF_NEEDED).on_start(None)
    agreed, _ = agreed.on_message("r1", Report(1, SEVEN))
    assert agreed.on_message("r2", Report(1, SEVEN))[1] == (Complete(7),)


def test_what_was_never_sent_failed_and_what_was_sent_is_unknown() -> None:
    node, _ = client(write(5), patience_seconds=(1.0, 1.0)).on_start(None)
    _, effects = node.on_timer("patience")
    assert completions(effects) == [Complete(None, Outcome.FAIL)]
    node, _ = node.on_message("r1", Report(1, INITIAL))
    node, _ = node.on_message("r2", Report(1, INITIAL))
    _, effects = node.on_timer("patience")
    assert completions(effects) == [Complete(None, Outcome.UNKNOWN)]
    reader, _ = after_two_reports(WriteBack.ALWAYS)
    assert completions(reader.on_timer("patience")[1]) == [Complete(None, Outcome.FAIL)]


def test_a_client_asks_again_only_those_that_have_not_answered() -> None:
    node, effects = client(read(), resend_seconds=(0.5, 0.5)).on_start(None)
    assert effects[-1] == SetTimer("resend", (0.5, 0.5))
    node, _ = node.on_message("r2", Report(1, INITIAL))
    _, effects = node.on_timer("resend")
    assert messages(effects) == [("r1", Query(1)), ("r3", Query(1))]
    _, effects = node.on_message("r1", Report(1, INITIAL))
    assert CancelTimer("resend") in effects


def test_replica_saves_a_newer_version_before_it_acknowledges_and_keeps_it_from_an_older_one() -> None:
    node, effects = Replica().on_message("alice", Store(4, NINE))
    assert effects == (Save(Disk(NINE)), Send("alice", Stored(4, NINE)))
    assert node.on_message("alice", Store(5, SEVEN)) == (node, (Send("alice", Stored(5, SEVEN)),))


def test_hint_is_durable_before_it_is_acknowledged_and_is_dropped_when_its_replica_has_it() -> None:
    node, effects = Replica().on_message("alice", Store(1, SEVEN, "r2"))
    saved, timer, sent = effects
    assert saved == Save(Disk(INITIAL, (("r2", SEVEN),)))
    assert timer == SetTimer("hand off", (1.0, 1.0))
    assert sent == Send("alice", Stored(1, SEVEN, "r2"))
    _, again = Replica().on_start(node.disk)
    assert again == (timer,)
    _, effects = node.on_timer("hand off")
    assert effects == (Send("r2", Store(0, SEVEN)), timer)
    assert node.on_message("r2", Stored(0, replace(SEVEN, stamp=Stamp(0, "alice", 0)))) == (node, ())
    node, effects = node.on_message("r2", Stored(0, SEVEN))
    assert effects == (Save(Disk()), CancelTimer("hand off"))


def test_a_hint_counts_as_the_vote_of_the_replica_that_it_is_for_and_only_once() -> None:
    node, _ = client(write(7), single_writer=True, fallbacks=("f1", "f2")).on_start(None)
    version = node.newest
    node, _ = node.on_message("r3", Stored(1, version))
    _, effects = node.on_timer("fallback")
    assert messages(effects) == [("f1", Store(1, version, "r1")), ("f2", Store(1, version, "r2"))]
    assert node.on_message("f9", Stored(1, version, "r3")) == (node, ())
    assert completions(node.on_message("f1", Stored(1, version, "r1"))[1]) == [Complete()]


def test_a_read_never_falls_back() -> None:
    node, effects = client(read(), write_back=WriteBack.ALWAYS, fallbacks=("f1",)).on_start(None)
    node, _ = node.on_message("r1", Report(1, SEVEN))
    _, effects = node.on_message("r2", Report(1, INITIAL))
    assert not any(isinstance(effect, SetTimer) for effect in effects)


def test_task_that_is_none_is_refused_with_what_it_must_be() -> None:
    node = client(Task(("erase",)), single_writer=True)
    with pytest.raises(ValueError, match=r'`operation` must be \("read",\) or \("write", number\)'):
        node.on_start(None)


# ------------------------------------------------------------------------------------------------------------ quorums


def test_votes_count_by_weight_and_not_by_head() -> None:
    votes = Votes((("a", 2), ("b", 1), ("c", 1)), read=2, write=3)
    assert votes.is_read(frozenset("a"))
    assert not votes.is_write(frozenset("bc"))
    assert votes.is_write(frozenset("ab"))
    assert votes.names == frozenset("abc")


@pytest.mark.parametrize(("read_votes", "write_votes", "name"), [(0, 2, "read"), (2, 4, "write")])
def test_quorums_out_of_range_are_refused(read_votes: int, write_votes: int, name: str) -> None:
    with pytest.raises(ValueError, match=rf"`{name}` must be in \[1, 3\]"):
        sizes(3, read_votes, write_votes)


def test_a_grid_is_a_list_of_quorums_and_its_register_is_linearizable() -> None:
    rows, columns = (frozenset({"a", "b"}), frozenset({"c", "d"})), (frozenset({"a", "c"}), frozenset({"b", "d"}))
    grid = Listed(frozenset(rows), frozenset(columns))
    assert grid.is_read(frozenset("abc"))
    assert not grid.is_write(frozenset("ad"))
    tasks = {"alice": [write(1, "a", "c")], "bob": [read("a", "b"), read("c", "d")]}
    for write_back, is_safe in ((WriteBack.IF_NEEDED, True), (WriteBack.NONE, False)):
        nodes = registers(tasks, grid, write_back, single_writer=True)
        assert ("linearizable" not in explore(nodes, **UNTIMED).violations) is is_safe


def test_thirty_replicas_keep_the_order_of_their_names() -> None:
    votes = sizes(30, 16, 15)
    assert list(votes.votes) == sorted(votes.votes)
    assert len(votes.names) == 30


# ---------------------------------------------------------------------------------------------------- runs with faults


def test_write_back_is_linearizable_with_every_fault_at_once() -> None:
    for write_back in (WriteBack.ALWAYS, WriteBack.IF_NEEDED):
        for seed in range(60):
            run = chaos(chaotic(write_back), seed=seed)
            assert settled(judge(run)), (write_back, seed)
            assert stamps_are_unique(run.world)


def test_the_same_faults_show_a_read_that_goes_back_where_nothing_is_written_back_in_time() -> None:
    for write_back in (WriteBack.NONE, WriteBack.LATER):
        assert not all(settled(judge(chaos(chaotic(write_back), seed=seed))) for seed in range(60))


def test_read_repair_brings_replicas_together_and_reads_without_it_do_not() -> None:
    def ends(write_back: WriteBack) -> list[bool]:
        tasks = {"alice": [write(1, "r1")], "bob": [read(pause_seconds=1.0)]}
        nodes = registers(tasks, sizes(3, 3, 1), write_back, single_writer=True)
        network = Network(Link(Exponential(0.01)))
        return [replicas_agree(simulate(nodes, seed=seed, network=network).world) for seed in range(20)]

    assert all(ends(WriteBack.LATER))
    assert not any(ends(WriteBack.NONE))


def test_lost_messages_are_sent_again_until_everyone_is_answered() -> None:
    nodes = chaotic(WriteBack.ALWAYS, patience_seconds=None)
    network = Network(Link(Exponential(0.01), loss_probability=0.3))
    for seed in range(10):
        assert everyone_is_answered(simulate(nodes, seed=seed, network=network).world)


# ------------------------------------------------------------------------------------------------ every interleaving


@pytest.mark.parametrize("write_back", [WriteBack.NONE, WriteBack.LATER])
@pytest.mark.parametrize("instance", [under_way, two_writers, until_it_is_read])
def test_reading_and_writing_majorities_is_not_linearizable(instance: Any, write_back: WriteBack) -> None:
    found = explore(instance(write_back), stop_at_violation=True, **UNTIMED)
    assert set(found.violations) == {"linearizable"}


@pytest.mark.parametrize(
    ("instance", "write_back", "options", "states"),
    [
        (under_way, WriteBack.IF_NEEDED, {"symmetry": SWAP}, 4_207),
        (two_writers, WriteBack.IF_NEEDED, {}, 28_150),
        (two_writers, WriteBack.ALWAYS, {}, 46_852),
        (until_it_is_read, WriteBack.IF_NEEDED, {"messages": "set"}, 8_501),
        (until_it_is_read, WriteBack.ALWAYS, {"messages": "set"}, 14_509),
        (until_it_is_read, WriteBack.ALWAYS, {"crashes": {"r2": 1}}, 11_895),
        (until_it_is_read, WriteBack.IF_NEEDED, {"crashes": {"bob": 1}}, 17_644),
    ],
)
def test_write_back_is_linearizable_in_every_state(
    instance: Any, write_back: WriteBack, options: dict[str, Any], states: int
) -> None:
    found = explore(instance(write_back), **UNTIMED, **options)
    found.require_holds()
    assert (found.orbits or found.states) == states


def test_with_too_few_votes_one_client_misses_its_own_write() -> None:
    for read_quorum, write_quorum in ((1, 2), (2, 1), (1, 1)):
        tasks = {"alice": [write(1), read()]}
        nodes = registers(tasks, sizes(3, read_quorum, write_quorum), WriteBack.ALWAYS, single_writer=True)
        assert "linearizable" in explore(nodes, stop_at_violation=True, **UNTIMED).violations


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_each_mistake_is_caught_and_without_it_the_instance_holds(mistake: Mistake) -> None:
    options: dict[str, Any] = {"record_history": True, "always": SAFE, **mistake.exploring}
    assert explore(mistake.nodes(), stop_at_violation=True, **options).violations
    explore(mistake.nodes(mended=True), **options).require_holds()


def test_a_sloppy_quorum_loses_sight_of_an_acknowledged_write_though_it_is_stored() -> None:
    nodes = hinted(then=[read("r2", "r3")])
    found = explore(nodes, messages="set", always=SAFE, record_history=True)
    assert set(found.violations) == {"linearizable"}
    handed = {"no hint is left": no_hint_is_left}
    explore(
        hinted(), messages="set", always=STORED, eventually_possible=handed, repair=True, crashes={"f1": 1}
    ).require_holds()


def test_invariant_of_storage_tells_a_replica_that_forgot() -> None:
    found = explore(acknowledged(), record_history=True, timers=False, always=STORED)
    found.require_holds()
    world = explore(acknowledged(), record_history=True, timers=False, sometimes={
        "answered": everyone_is_answered, "idle": lambda world: world.nodes["alice"].phase is Phase.IDLE,  # type: ignore[union-attr]
    })  # fmt: skip
    assert not world.unwitnessed
