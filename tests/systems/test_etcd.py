from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from distlib.systems import etcd
from distlib.systems.etcd import EtcdCluster, member_numbers
from distlib.systems.server import SystemUnavailable, wait_until

pytestmark = pytest.mark.labs


@pytest.fixture(scope="module")
def cluster() -> Iterator[EtcdCluster]:
    with EtcdCluster(heartbeat_ms=20, election_ms=200) as cluster:
        yield cluster


def followers(cluster: EtcdCluster) -> list[str]:
    leader = cluster.leader()
    return [name for name in cluster.members if name != leader]


def test_what_was_put_is_read_at_every_member(cluster: EtcdCluster) -> None:
    for number, member in enumerate(cluster.members.values()):
        member.put("key", str(number))
        assert [other.get("key") for other in cluster.members.values()] == [str(number)] * 3
    assert cluster.members["m1"].get("no such key") is None


def test_the_numbers_of_members_are_those_that_they_have(cluster: EtcdCluster) -> None:
    leader = cluster.members[cluster.leader()]
    statuses = {name: member.status() for name, member in cluster.members.items()}
    assert {status.leader for status in statuses.values()} == {leader.status().member}
    assert member_numbers({"x": 1}, "a") != member_numbers({"x": 1}, "b")


def test_a_leader_that_was_killed_is_replaced_and_what_was_put_stays(cluster: EtcdCluster) -> None:
    old = cluster.leader()
    cluster.members[old].put("kept", "yes")
    others = followers(cluster)
    cluster.members[old].kill()
    new = cluster.leader(among=others)
    assert new != old
    assert cluster.members[new].get("kept") == "yes"
    cluster.members[old].start()
    wait_until("the old leader to catch up", lambda: cluster.members[old].status().leader != 0, 20)
    assert cluster.members[old].get("kept") == "yes"


def test_an_isolated_leader_answers_serializable_reads_only(cluster: EtcdCluster) -> None:
    old = cluster.leader()
    cluster.members[old].put("shared", "old")
    others = followers(cluster)
    cluster.isolate(old)
    new = cluster.leader(among=others)
    cluster.members[new].put("shared", "new")
    assert cluster.members[old].get("shared", serializable=True) == "old"
    with cluster.members[old].client(timeout_seconds=1) as client, pytest.raises(httpx.HTTPError):
        cluster.members[old].get("shared", client)
    cluster.heal()
    wait_until("the news", lambda: cluster.members[old].get("shared", serializable=True) == "new", 20)


def test_timeouts_out_of_range_are_named() -> None:
    with pytest.raises(ValueError, match="`member_count` must be at least 1, got 0"):
        EtcdCluster(0)
    with pytest.raises(ValueError, match="`election_ms` must be at least 5 heartbeats = 500, got 400"):
        EtcdCluster(election_ms=400)
    with pytest.raises(ValueError, match="`heartbeat_ms` must be at least 1, got 0"):
        EtcdCluster(heartbeat_ms=0)


def test_a_missing_program_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(etcd.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemUnavailable, match=r"no program 'etcd'; install what requirements-labs.txt names"):
        etcd.program()
