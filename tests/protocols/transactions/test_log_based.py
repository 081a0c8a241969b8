"""A database and its log: steps by equality, restart, seeded runs with crashes, every interleaving, every mistake."""

from collections.abc import Iterator

import pytest

from distlib.experiments.transactions.log_based import (
    FIRST_PAGES,
    INSTANCES,
    MISTAKES,
    claims,
    instance,
    run_instance,
    script,
)
from distlib.experiments.transactions.log_based import restart_at as machine_at
from distlib.models.latency import Exponential
from distlib.node import Complete, Invoke, Outcome, Save, Send, SetTimer, World
from distlib.protocols.transactions.log_based import (
    Abort,
    Acknowledge,
    Active,
    Add,
    Append,
    BeginCheckpoint,
    Client,
    Commit,
    Compensation,
    Database,
    Disk,
    End,
    EndCheckpoint,
    Ended,
    Force,
    Page,
    Record,
    Run,
    Server,
    SetMaster,
    Status,
    SyncPages,
    Update,
    Write,
    WritePage,
    atomicity,
    decode,
    durability,
    encode,
    recover,
    winners,
    without_loss,
)
from distlib.runtimes.exploration import explore
from distlib.runtimes.faults import Crash, CrashRandomly

ONE = ((1, Page((10,))),)
RUNNING, COMMITTED, ABORTING = Status.RUNNING, Status.COMMITTED, Status.ABORTING


def changed(*amounts: int, transaction: str = "t") -> tuple[Database, list[Record]]:
    """Return a database after some additions to its one page, and its log."""
    database, log = Database(ONE), []
    for amount in amounts:
        database, actions = database.update(transaction, 1, Add(0, amount))
        log += [action.record for action in actions]
    return database, log


def numbered(log: list[Record]) -> dict[int, Record]:
    return dict(enumerate(log, start=1))


# -------------------------------------------------------------------------------------------------- normal processing


def test_a_change_is_described_before_anything_else_and_the_page_bears_its_number() -> None:
    database, actions = Database(ONE).update("t", 1, Add(0, 5))
    assert actions == (Append(1, Update("t", 0, 1, Add(0, 5))),)
    assert database.page(1) == Page((15,), lsn=1)
    assert database.dirty_pages == ((1, 1),)
    assert database.transactions == (("t", Active(RUNNING, 1, 1, 1)),)


def test_records_of_a_transaction_point_back_and_dirty_since_stays_the_first() -> None:
    database, log = changed(1, 2)
    assert log[1] == Update("t", 1, 1, Add(0, 2))
    assert database.dirty_pages == ((1, 1),)


def test_commit_appends_forces_and_only_then_tells() -> None:
    database, _ = changed(1)
    database, actions = database.commit("t")
    assert actions == (Append(2, Commit("t", 1)), Force(), Acknowledge("t"))
    assert database.forced_lsn == 2
    database, actions = database.finish_step({})
    assert actions == (Append(3, End("t", 2)),)
    assert database.transactions == ()


def test_a_page_whose_record_is_not_on_disk_is_written_after_a_force_and_others_without() -> None:
    database, _ = changed(1)
    written, actions = database.write_pages(1)
    assert actions == (Force(), WritePage(1, Page((11,), 1)))
    assert written.write_pages(1)[1] == (WritePage(1, Page((11,), 1)),)


def test_a_page_is_clean_after_the_sync_unless_it_was_changed_in_between() -> None:
    database, _ = changed(1)
    database, _ = database.write_pages(1)
    clean, actions = database.sync_pages()
    assert (clean.dirty_pages, actions) == ((), (SyncPages(),))
    database, _ = database.update("t", 1, Add(0, 1))
    assert database.sync_pages()[0].dirty_pages == ((1, 2),)


def test_abort_takes_changes_back_latest_first_and_each_record_says_what_is_next() -> None:
    database, log = changed(1, 2)
    database, actions = database.abort("t")
    log += [action.record for action in actions]
    assert log[2] == Abort("t", 2)
    written = []
    while database.is_finishing:
        database, actions = database.finish_step(numbered(log))
        written += [action.record for action in actions]
        log += written[len(log) - 3 :]
    assert written == [
        Compensation("t", 3, 1, Add(0, -2), undo_next_lsn=1),
        Compensation("t", 4, 1, Add(0, -1), undo_next_lsn=0),
        End("t", 5),
    ]
    assert database.page(1) == Page((10,), lsn=5)


def test_a_checkpoint_writes_no_page_and_the_master_record_comes_after_the_force() -> None:
    database, _ = changed(1)
    database, begin = database.begin_checkpoint()
    database, end = database.end_checkpoint()
    assert begin == (Append(2, BeginCheckpoint()),)
    tables = EndCheckpoint((("t", Active(RUNNING, 1, 1, 1)),), ((1, 1),))
    assert end == (Append(3, tables), Force(), SetMaster(2))


def test_the_log_is_needed_back_to_the_oldest_dirty_page_and_the_oldest_active_transaction() -> None:
    database, _ = changed(1)
    assert database.oldest_needed_lsn == 1
    database, _ = database.write_pages(1)
    database, _ = database.sync_pages()
    assert database.oldest_needed_lsn == 1, "it may have to be undone"
    database, _ = database.commit("t")
    database, _ = database.finish_step({})
    assert database.oldest_needed_lsn == database.next_lsn


@pytest.mark.parametrize("change", [Write(1, 3, 9), Add(0, -7)])
def test_an_inverse_takes_a_change_back(change: Write | Add) -> None:
    assert change.inverse().apply(change.apply((5, 3))) == (5, 3)


def test_an_addition_is_taken_back_whatever_others_have_added_since() -> None:
    database, _ = changed(1)
    database, _ = database.update("other", 1, Add(0, 100))
    database, _ = database.abort("t")
    log = numbered([Update("t", 0, 1, Add(0, 1)), Update("other", 0, 1, Add(0, 100)), Abort("t", 1)])
    database, _ = database.finish_step(log)
    assert database.page(1).values == (110,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: changed(1)[0].commit("x"), "`transaction` must be active, got 'x'"),
        (lambda: Database(ONE).page(3), r"`page` must be one of \[1\], got 3"),
        (
            lambda: changed(1)[0].abort("t")[0].update("t", 1, Add(0, 1)),
            "`transaction` must be running, got 't', which is aborting",
        ),
        (lambda: decode(b"\x09"), "`data` must begin with the tag of a record, 1 to 7, got 9"),
        (lambda: decode(encode(Commit("t", 1)) + b"!"), "`data` must be 7 bytes long"),
        (lambda: decode(encode(Commit("t", 1))[:-1]), "`data` must hold the whole record"),
        (lambda: encode(Commit("t" * 256, 1)), "must have at most 255 bytes, got 256"),
    ],
)
def test_what_makes_no_sense_is_refused(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def records() -> Iterator[Record]:
    yield Update("t1", 7, 2, Write(1, -3, 4))
    yield Compensation("é", 7, 2, Add(0, -(2**31)), 5)
    yield from (Commit("t", 2**31 - 1), Abort("t", 1), End("", 0), BeginCheckpoint(), EndCheckpoint((), ()))
    yield EndCheckpoint((("a", Active(COMMITTED, 1, 2, 3)), ("b", Active(ABORTING, 4, 5, 6))), ((1, 2), (3, 4)))


@pytest.mark.parametrize("record", tuple(records()), ids=lambda record: type(record).__name__)
def test_a_record_is_decoded_as_it_was_encoded(record: Record) -> None:
    assert decode(encode(record)) == record


# ------------------------------------------------------------------------------------------------------------ restart


def test_redo_repeats_history_also_that_of_losers_and_skips_what_a_page_has() -> None:
    log = numbered([Update("t", 0, 1, Add(0, 1)), Update("t", 1, 1, Add(0, 2))])
    restart = Database.restart(log, 0, ((1, Page((11,), lsn=1)),))
    assert restart.redone == (2,)
    assert restart.database.page(1) == Page((13,), lsn=2)
    database, _ = restart.finish(log)
    assert database.page(1).values == (10,)


def test_a_second_restart_goes_on_where_the_first_was_interrupted() -> None:
    log = [Update("t", 0, 1, Add(0, 1)), Update("t", 1, 1, Add(0, 2)), Compensation("t", 2, 1, Add(0, -2), 1)]
    _, actions = Database.restart(numbered(log), 0, ONE).finish(numbered(log))
    appended = [action.record for action in actions if isinstance(action, Append)]
    assert appended == [Compensation("t", 3, 1, Add(0, -1), 0), End("t", 4)]


def test_a_transaction_committed_before_the_crash_is_ended_and_not_undone() -> None:
    log = numbered([Update("t", 0, 1, Add(0, 1)), Commit("t", 1)])
    restart = Database.restart(log, 0, ONE)
    assert restart.analysis.losers == ()
    database, actions = restart.finish(log)
    assert actions == (Append(3, End("t", 2)), Force())
    assert database.page(1).values == (11,)


def test_analysis_begins_at_the_master_record_and_redo_before_it() -> None:
    machine = machine_at(((), FIRST_PAGES, 0))
    for _, step in script():
        step(machine)
    from_start = Database.analyse(machine.log, 0)
    from_checkpoint = Database.analyse(machine.log, machine.pages.master_lsn)
    assert from_start.losers == from_checkpoint.losers == ("t2",)
    assert from_checkpoint.redo_lsn == 1
    assert machine.pages.master_lsn == 4
    first = dict(from_checkpoint.transactions)["t2"].first_lsn
    assert first == 2, "the checkpoint knows where the loser began"


def test_nothing_to_do_appends_nothing() -> None:
    restart = Database.restart({}, 0, ONE)
    assert restart.analysis.redo_lsn is None
    assert restart.finish({}) == (restart.database.forced(), ())


def test_the_oracle_knows_the_winners_and_nothing_of_recovery() -> None:
    runs = {"a": Run("a", ((1, Add(0, 1)),)), "b": Run("b", ((1, Add(0, 5)),))}
    log = numbered([Update("a", 0, 1, Add(0, 1)), Update("b", 0, 1, Add(0, 5)), Commit("b", 2)])
    assert winners(log) == ("b",)
    assert without_loss(runs, log, ONE) == ((1, (15,)),) == recover(Database, Disk(tuple(log.values()), ONE))


# ------------------------------------------------------------------------------------------------------------- a node


def test_a_server_hands_a_record_to_the_cache_and_forces_it_with_the_commit() -> None:
    node, _ = Server(Disk((), ONE), writes_pages=False).on_start(None)
    node, effects = node.on_message("client", Run("t", ((1, Add(0, 1)),)))
    assert effects == (SetTimer(("step", "t"), (0.0, 0.0)),)
    node, effects = node.on_timer(("step", "t"))
    update = Update("t", 0, 1, Add(0, 1))
    assert effects[0] == Save(Disk((update,), ONE), forced=False)
    node, effects = node.on_timer(("step", "t"))
    forced = Disk((update, Commit("t", 1)), ONE)
    assert effects[1:3] == (Save(forced), Send("client", Ended("t", True)))


def test_a_transaction_that_comes_during_recovery_waits_until_it_is_through() -> None:
    disk = Disk((Update("t", 0, 1, Add(0, 1)),), ONE)
    node, effects = Server(disk, writes_pages=False).on_start(disk)
    assert effects == (SetTimer("finish", (0.0, 0.0)),)
    node, effects = node.on_message("client", Run("u", ()))
    assert effects == ()
    node, effects = node.on_timer("finish")
    node, effects = node.on_timer("finish")
    assert SetTimer(("step", "u"), (0.0, 0.0)) in effects


def test_a_client_hears_what_became_of_its_transaction_or_gives_up() -> None:
    run = Run("t", ())
    node, effects = Client("server", run, (1.0, 1.0)).on_start(None)
    assert effects == (Invoke(run), Send("server", run), SetTimer("patience", (1.0, 1.0)))
    assert node.on_message("server", Ended("t", True))[1] == (Complete(None, Outcome.OK),)
    assert node.on_message("server", Ended("t", False))[1] == (Complete(None, Outcome.FAIL),)
    given_up, effects = node.on_timer("patience")
    assert effects == (Complete(None, Outcome.UNKNOWN),)
    assert given_up.on_message("server", Ended("t", True)) == (given_up, ())


def test_a_transfer_that_a_crash_cuts_in_two_is_taken_back() -> None:
    run = run_instance(
        "one commits", seed=2, until_seconds=0.05, faults=[Crash("server", 0.0115, restart_after_seconds=0.004)]
    )
    stolen = [dict(event.value.pages)[1].values[0] for event in run.trace if isinstance(event.value, Disk)]
    assert 7 in stolen, "the page of the loser was on disk"
    assert recover(Database, run.world.saved["server"]) == ((1, (10, 0)), (2, (10, 0)))


@pytest.mark.parametrize("name", INSTANCES)
def test_runs_with_crashes_at_random_lose_nothing_and_leave_nothing_over(name: str) -> None:
    ended = set()
    for seed in range(12):
        faults = [CrashRandomly(["server"], Exponential(0.006), Exponential(0.002))]
        run = run_instance(name, seed=seed, faults=faults, until_seconds=0.6)
        for claim, holds in claims(name).items():
            assert holds(run.world), (seed, claim)
        ended |= {effect.outcome for _, effect in run.world.history if isinstance(effect, Complete)}
    assert len(ended) > 1, "runs that all end alike show little"


# --------------------------------------------------------------------------------------------------- every interleaving

STATES = {
    ("one commits", 2): 516,
    ("one aborts", 2): 904,
    ("with a checkpoint", 1): 3_188,
    ("one slot, one aborts", 1): 9_128,
}


@pytest.mark.parametrize(("name", "crashes"), STATES)
def test_every_order_and_every_crash_keeps_what_is_committed_and_nothing_else(name: str, crashes: int) -> None:
    found = explore(instance(name), crashes={"server": crashes}, always=claims(name), record_history=True)
    found.require_holds()
    assert found.states == STATES[name, crashes]


def test_both_endings_and_a_stolen_page_are_among_them() -> None:
    def stolen(world: World) -> bool:
        disk = world.saved["server"]
        return isinstance(disk, Disk) and any(page.lsn and not winners(disk.records) for _, page in disk.pages)

    def told(world: World) -> bool:
        return any(isinstance(effect, Complete) and effect.outcome is Outcome.OK for _, effect in world.history)

    explore(
        instance("one commits"), crashes={"server": 1}, sometimes={"stolen": stolen, "told": told}, record_history=True
    ).require_holds()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_exploration_catches_each_mistake(mistake: str) -> None:
    broken = MISTAKES[mistake]
    found = [
        explore(
            instance(name, database_class=broken),
            crashes={"server": 1},
            always=claims(name, broken),
            record_history=True,
            stop_at_violation=True,
        )
        for name in ("one commits", "one aborts", "with a checkpoint")
    ]
    assert any(each.violations for each in found)


def test_durability_and_atomicity_find_what_they_are_for() -> None:
    run = Run("a", ((1, Add(0, 1)),))
    history = (("client a", Invoke(run)), ("client a", Complete(None, Outcome.OK)))
    empty, whole = Disk((), ONE), Disk((Update("a", 0, 1, Add(0, 1)), Commit("a", 1)), ONE)
    stolen = Disk((), ((1, Page((11,), 1)),))
    assert not durability(World({}, {"server": empty}, (), history))
    assert durability(World({}, {"server": whole}, (), history))
    assert atomicity(empty)(World({}, {"server": whole}, (), history))
    assert not atomicity(empty)(World({}, {"server": stolen}, (), history))
