from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from distlib.experiments.transactions.two_phase_commit import bank
from distlib.models.transactions.two_phase_commit import commit_cost
from distlib.protocols.transactions.two_phase_commit import Coordinator
from distlib.runtimes.network import Cluster
from distlib.runtimes.trace import Kind
from distlib.systems import postgres, prepared_transactions
from distlib.systems.postgres import Postgres
from distlib.systems.prepared_transactions import PostgresParticipant, balance, forced_writes, in_doubt, open_account
from distlib.systems.proxy import Proxy
from distlib.systems.server import SystemUnavailable, wait_until

pytestmark = pytest.mark.labs

NAMES = ("p1", "p2")
PAID = {"p1": 99, "p2": 101}


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Postgres]]:
    servers = {name: Postgres(name, in_memory=True).start() for name in NAMES}
    yield servers
    for server in servers.values():
        server.stop()


def banks(servers: dict[str, Postgres], **changes: object) -> dict[str, object]:
    for server in servers.values():
        open_account(server, 100)
    # A bank that has just been started on a busy machine takes its time to connect: nobody is to give up on it.
    nodes: dict[str, object] = dict(bank(2, coordinator=Coordinator(vote_timeout_seconds=(60.0, 60.0))))
    for name, server in servers.items():
        nodes[name] = PostgresParticipant(server.port, inquire_seconds=(0.1, 0.1), **changes)  # type: ignore[arg-type]
    return nodes


def test_what_was_committed_survives_a_kill(servers: dict[str, Postgres]) -> None:
    server = servers["p1"]
    open_account(server, 7)
    server.kill()
    server.start()
    assert balance(server) == 7


def test_a_transfer_reaches_both_banks(servers: dict[str, Postgres]) -> None:
    with Cluster(banks(servers)) as cluster:  # type: ignore[arg-type]
        cluster.wait_until(lambda trace: len(trace.of(Kind.COMPLETE)) == 1, 20)
        cluster.wait_until(lambda trace: sum("done" in str(event.value) for event in trace.of(Kind.DELIVER)) == 2, 20)
    assert {name: balance(server) for name, server in servers.items()} == PAID
    assert [in_doubt(server) for server in servers.values()] == [[], []]


def test_a_bank_that_cannot_pay_votes_no_and_nobody_pays(servers: dict[str, Postgres]) -> None:
    nodes = banks(servers)
    servers["p1"].execute("UPDATE account SET balance = 0")
    with Cluster(nodes) as cluster:  # type: ignore[arg-type]
        (ended,) = cluster.wait_until(lambda trace: trace.of(Kind.COMPLETE), 20).of(Kind.COMPLETE)
        assert "fail" in str(ended)
        wait_until("p2 to give up", lambda: not in_doubt(servers["p2"]), 20)
    assert {name: balance(server) for name, server in servers.items()} == {"p1": 0, "p2": 100}


@pytest.mark.parametrize(
    ("crash_point", "before", "after"),
    [(2, ("in doubt", "untouched"), (100, 100)), (4, ("in doubt",) * 2, (100, 100)), (5, ("in doubt",) * 2, (99, 101))],
)
def test_a_coordinator_that_comes_back_ends_the_doubt_as_its_log_says(
    servers: dict[str, Postgres], crash_point: int, before: tuple[str, ...], after: tuple[int, ...]
) -> None:
    cluster = Cluster(banks(servers), processes=True)  # type: ignore[arg-type]
    # The first two effects are the epoch on disk and the timer for the votes.
    cluster.kill_after("coordinator", crash_point + 1)
    with cluster:
        cluster.wait_until(lambda trace: trace.of(Kind.CRASH, node="coordinator"), 30)
        wait_until("the banks to be in doubt", lambda: all(
            bool(in_doubt(servers[name])) is (fate == "in doubt") for name, fate in zip(NAMES, before, strict=True)
        ), 20)  # fmt: skip
        for server in servers.values():
            server.kill()
            server.start()
        cluster.restart("coordinator")
        wait_until("the end of the doubt", lambda: not any(map(in_doubt, servers.values())), 30)
    assert tuple(balance(server) for server in servers.values()) == after


def test_a_transfer_forces_two_writes_at_each_bank_and_a_local_commit_one(servers: dict[str, Postgres]) -> None:
    nodes = banks(servers)
    before = forced_writes(servers)
    with Cluster(nodes, processes=True) as cluster:  # type: ignore[arg-type]
        cluster.wait_until(lambda trace: sum("done" in str(event.value) for event in trace.of(Kind.DELIVER)) == 2, 30)
    after = forced_writes(servers)
    assert after - before == commit_cost(2).participant_forces == 4
    servers["p1"].execute("UPDATE account SET balance = balance + 1")
    assert forced_writes(servers) - after == 1


@pytest.mark.parametrize("processes", [True, False])
def test_fates_are_read_off_the_servers(servers: dict[str, Postgres], processes: bool) -> None:
    nodes = banks(servers)
    found = prepared_transactions.fates(nodes, servers, crash_point=3, paid=PAID, processes=processes)  # type: ignore[arg-type]
    assert found == {"p1": "in doubt", "p2": "untouched"}


def test_a_standby_follows_through_a_proxy_and_takes_over(servers: dict[str, Postgres]) -> None:
    primary = servers["p1"]
    open_account(primary, 5)
    with Proxy(primary.port) as proxy, primary.standby("follower", through=proxy) as follower:
        proxy.cut()
        primary.execute("UPDATE account SET balance = 6")
        assert balance(follower) == 5
        proxy.heal()
        wait_until("the change to arrive", lambda: balance(follower) == 6, 20)
        follower.promote()
        follower.execute("UPDATE account SET balance = 8")
        assert balance(follower) == 8
        assert balance(primary) == 6


def test_a_missing_program_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemUnavailable, match=r"no program 'initdb'; install what requirements-labs.txt names"):
        postgres.program("initdb")


def shared_memory() -> set[str]:
    """What is in the system's shared memory: named segments, and System V's."""
    named = Path("/dev/shm")
    segments = Path("/proc/sysvipc/shm")
    found = {path.name for path in named.glob("PostgreSQL.*")} if named.is_dir() else set()
    return found | {row.split()[1] for row in segments.read_text().splitlines()[1:]} if segments.exists() else found


def test_a_server_that_was_killed_and_then_stopped_leaves_no_shared_memory() -> None:
    before = shared_memory()
    with Postgres("tidy", in_memory=True) as server:
        server.kill()
        server.start()
        server.pause()
    with Postgres("killed", in_memory=True) as server:
        server.kill()
    assert shared_memory() <= before


@pytest.fixture
def refused() -> Iterator[tuple[str, ...]]:
    """A way to run a program that every machine refuses; what was found before is forgotten, before and after."""
    postgres._prefix.cache_clear()
    yield ("false",)
    postgres._prefix.cache_clear()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_root_becomes_nobody_where_user_namespaces_are_refused(
    monkeypatch: pytest.MonkeyPatch, refused: tuple[str, ...]
) -> None:
    monkeypatch.setattr(postgres, "_IN_NAMESPACE", refused)
    try:
        prefix = postgres._prefix()
    except SystemUnavailable:
        pytest.skip("the environment is where nobody may read it")
    assert prefix[0] == "setpriv"
    with Postgres("as-nobody", in_memory=True) as server:
        open_account(server, 3)
        server.kill()
        server.start()
        assert balance(server) == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_root_is_told_what_to_do_where_everything_is_refused(
    monkeypatch: pytest.MonkeyPatch, refused: tuple[str, ...]
) -> None:
    monkeypatch.setattr(postgres, "_IN_NAMESPACE", refused)
    monkeypatch.setattr(postgres, "_AS_NOBODY", refused)
    with pytest.raises(SystemUnavailable, match="run the labs as an ordinary user"):
        Postgres("nowhere")
