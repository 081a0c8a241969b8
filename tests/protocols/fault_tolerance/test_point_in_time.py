"""The store with a replica and an archive: a mistake is copied, and undone from the log."""

from __future__ import annotations

from distlib.experiments.fault_tolerance.recovery_points import bad_delete, restore_after_crash
from distlib.node import Node, Save, Send, SetTimer, World
from distlib.protocols.fault_tolerance.point_in_time import (
    Archive,
    Backup,
    Client,
    Done,
    Fetched,
    Operator,
    Record,
    Replay,
    Replica,
    Restorer,
    Segment,
    Store,
    Write,
)
from distlib.runtimes.exploration import explore
from distlib.runtimes.trace import Kind

A = Write("a", 1)
GONE = Write("a", None)


def test_a_store_saves_answers_and_passes_on() -> None:
    _, effects = Store().on_message("client", A)
    assert effects == (
        Save(Backup(1, (("a", 1),))), Send("client", Done(1)), Send("replica", Record(1, A)),
    )  # fmt: skip


def test_an_upload_leaves_when_it_is_through() -> None:
    store, _ = Store(transfer_seconds=0.5).on_message("client", A)
    segment = Segment((Record(1, A),))
    store, effects = store.on_timer("ship")
    assert effects == (SetTimer(segment, (0.5, 0.5)), SetTimer("ship", (1.0, 1.0)))
    assert store.unshipped == ()
    assert store.on_timer(segment)[1] == (Send("archive", segment),)


def test_an_archive_leads_to_any_position() -> None:
    archive = Archive()
    for message in (Segment((Record(1, A), Record(2, GONE))), Backup(2, ())):
        archive, _ = archive.on_message("store", message)
    assert archive.fetched(None) == Fetched(Backup(2, ()), ())
    assert archive.fetched(1) == Fetched(Backup(0, ()), (Record(1, A),))


def test_a_restorer_replays_record_by_record() -> None:
    node, effects = Restorer().on_message("archive", Fetched(Backup(0, ()), (Record(1, A),)))
    assert effects == (Send("restorer", Replay()),)
    node, _ = node.on_message("restorer", Replay())
    assert (node.contents, node.ready) == ((("a", 1),), True)


def test_the_replica_copies_a_bad_delete_and_the_archive_undoes_it() -> None:
    run = bad_delete()
    replica, restorer = run.nodes["replica"], run.nodes["restorer"]
    assert isinstance(replica, Replica)
    assert isinstance(restorer, Restorer)
    assert dict(replica.contents) == {"b": 2, "c": 3}
    assert dict(restorer.contents) == {"a": 1, "b": 2, "c": 3}
    assert run.trace.of(Kind.DELIVER, node="operator")[-1].value.position == 3


def restores_what_was(world: World) -> bool:
    """Whether a restore to position 1, once it is ready, has brought back the key."""
    node = world.nodes["restorer"]
    return not (isinstance(node, Restorer) and node.ready and node.position == 1) or node.contents == (("a", 1),)


def is_ready(world: World) -> bool:
    node = world.nodes["restorer"]
    return isinstance(node, Restorer) and node.ready and node.position == 1


def test_in_every_interleaving_a_restore_gives_what_was() -> None:
    nodes: dict[str, Node[object, object]] = {
        "client": Client((A, GONE)), "store": Store(), "replica": Replica(), "archive": Archive(),
        "restorer": Restorer(), "operator": Operator(1.0, position=1),
    }  # fmt: skip

    def few(world: World) -> bool:
        archive = world.nodes["archive"]
        return isinstance(archive, Archive) and len(archive.holdings.backups) <= 2 and len(world.in_flight) <= 3

    found = explore(
        nodes, messages="fifo", always={"what was": restores_what_was}, sometimes={"ready": is_ready},
        within=few, max_depth=14, max_states=20_000,
    )  # fmt: skip
    assert not found.violations
    assert "ready" in found.witnesses


def test_what_is_uploading_when_the_store_dies_is_lost() -> None:
    runs = [restore_after_crash(seed=seed, backup_seconds=15, ship_seconds=5) for seed in range(16)]
    assert all(0.5 <= run.point_seconds <= 5.5 for run in runs)
    assert any(run.lost > 0 for run in runs)
