"""PostgreSQL as a participant of the book's two-phase commit: the coordinator is ours, the banks are real.

Theory of operation
-------------------
:class:`PostgresParticipant` takes the messages of :mod:`distlib.protocols.transactions.two_phase_commit` and answers
them by SQL. To a request it makes the changes in one transaction and ends that with ``PREPARE TRANSACTION``; the vote
is yes if that succeeds. A decision becomes ``COMMIT PREPARED`` or ``ROLLBACK PREPARED``. Its durable state is the
database and nothing else: after a restart it finds in ``pg_prepared_xacts`` what it is in doubt about, and asks.

Unlike every other node of the book it talks to something outside, from within its handlers. So it can run over a
network only (:class:`distlib.runtimes.network.Cluster`), not in a simulation or an exploration. There the coordinator
is an ordinary process with an ordinary log, to be killed at any of its effects and started again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from distlib.node import CancelTimer, Effects, Node, Send, SetTimer, Step
from distlib.protocols.transactions.two_phase_commit import (
    Acknowledge,
    Decision,
    Inquire,
    ParticipantMessage,
    Prepare,
    Vote,
)
from distlib.runtimes.network import Cluster
from distlib.runtimes.trace import Kind, Trace
from distlib.systems.postgres import Postgres
from distlib.systems.server import LOOPBACK

__all__ = ["PostgresParticipant", "balance", "fates", "forced_writes", "in_doubt", "open_account"]

_ACCOUNTS = (
    "DROP TABLE IF EXISTS account",
    "CREATE TABLE account (name text PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0))",
)


def open_account(server: Postgres, balance: int) -> None:
    """Make a table of accounts anew, with one account in it, named "account". What was in doubt is rolled back."""
    for transaction in in_doubt(server):
        server.execute(f"ROLLBACK PREPARED {_quoted(transaction)}")
    server.execute(*_ACCOUNTS)
    server.execute("INSERT INTO account VALUES ('account', %s)", parameters=(balance,))


def balance(server: Postgres) -> int:
    """Return what a reader finds in the account."""
    ((amount,),) = server.execute("SELECT balance FROM account WHERE name = 'account'")
    return int(amount)


def in_doubt(server: Postgres) -> list[str]:
    """Return the transactions that the server has prepared and knows no outcome of."""
    return [name for (name,) in server.execute("SELECT gid FROM pg_prepared_xacts ORDER BY gid")]


def forced_writes(servers: Mapping[str, Postgres]) -> int:
    """Return how often clients of all servers together have waited for a log to reach its disk."""
    return sum(server.forced_writes() for server in servers.values())


@dataclass(frozen=True)
class PostgresParticipant(Node[ParticipantMessage, None]):
    """A bank whose accounts, locks and promises are in a PostgreSQL server.

    Parameters
    ----------
    port
        Of the server, or of a proxy in front of it.
    coordinator
        Whom it asks after a restart.
    inquire_seconds
        How long it stays in doubt, as a range, before it asks, and asks again.
    lock_timeout_seconds
        How long a statement waits for a lock before the vote is no.
    """

    port: int
    coordinator: str = "coordinator"
    inquire_seconds: tuple[float, float] = (1.0, 1.0)
    lock_timeout_seconds: float = 1.0

    def on_start(self, saved: None) -> Step[Self]:
        found = self.ask("SELECT gid FROM pg_prepared_xacts ORDER BY gid")
        return self, tuple(effect for (transaction,) in found for effect in self.inquire(transaction))

    def on_message(self, source: str, message: ParticipantMessage) -> Step[Self]:
        match message:
            case Prepare():
                return self, self.on_prepare(source, message)
            case Decision():
                return self, self.on_decision(source, message)
            case Inquire():
                return self, ()  # It does not know what other transactions it had: it cannot help.

    def on_prepare(self, source: str, message: Prepare) -> Effects:
        """Make the changes and promise to keep them; say no if one is refused or a lock does not come."""
        transaction = message.transaction
        changes = "; ".join(
            f"UPDATE account SET balance = balance + {amount:d} WHERE name = {_quoted(key)}"
            for key, amount in sorted(message.changes)
        )
        # One message to the server, and one answer: what the model calls a leg and a leg back.
        refused = self.order(f"BEGIN; {changes}; PREPARE TRANSACTION {_quoted(transaction)}")
        if refused not in (None, _ALREADY_PREPARED):
            return (Send(source, Vote(transaction, False)),)
        return (Send(source, Vote(transaction, True)), SetTimer(("decision", transaction), self.inquire_seconds))

    def on_decision(self, source: str, message: Decision) -> Effects:
        """Carry out the decision, once."""
        transaction = message.transaction
        refused = self.order(f"{'COMMIT' if message.commit else 'ROLLBACK'} PREPARED {_quoted(transaction)}")
        if refused not in (None, _NOT_PREPARED):
            raise RuntimeError(f"the server could not end {transaction!r}: SQLSTATE {refused}")
        acknowledgement: Effects = (Send(source, Acknowledge(transaction)),) if message.acknowledge else ()
        return (CancelTimer(("decision", transaction)), *acknowledgement)

    def on_timer(self, name: tuple[str, str]) -> Step[Self]:
        _, transaction = name
        return self, self.inquire(transaction)

    def inquire(self, transaction: str) -> Effects:
        """Ask the coordinator, and ask again later."""
        return (
            Send(self.coordinator, Inquire(transaction)),
            SetTimer(("decision", transaction), self.inquire_seconds),
        )

    # ---- SQL

    def order(self, statement: str) -> str | None:
        """Have a statement carried out, and return None; or the SQLSTATE with which the server refused it."""
        try:
            self.ask(statement)
        except _driver().Error as error:
            if error.sqlstate is None:
                raise
            return str(error.sqlstate)
        return None

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a statement. A connection that the server's end has cut is made anew, once."""
        driver = _driver()
        for attempt in (1, 2):
            connection = _connection(self.port, self.lock_timeout_seconds)
            try:
                cursor = connection.execute(statement)
                return list(cursor.fetchall()) if cursor.description else []
            except driver.OperationalError:
                if not connection.closed:
                    connection.rollback()
                    raise
                del _connections[self.port, self.lock_timeout_seconds]
                if attempt == 2:
                    raise
            except driver.Error:
                connection.rollback()
                raise
        raise AssertionError("unreachable")


_ALREADY_PREPARED = "42710"
_NOT_PREPARED = "42704"


def _driver() -> Any:
    import psycopg

    return psycopg


_connections: dict[tuple[int, float], Any] = {}
"""The connections that are kept, since making one takes several round trips: by port, and patience for locks."""


def _connection(port: int, lock_timeout_seconds: float) -> Any:
    """Return a connection that is kept."""
    key = port, lock_timeout_seconds
    if key not in _connections:
        _connections[key] = _driver().connect(
            host=LOOPBACK, port=port, user="postgres", dbname="postgres", autocommit=True, connect_timeout=5,
            options=f"-c lock_timeout={int(1000 * lock_timeout_seconds)}",
        )  # fmt: skip
    return _connections[key]


def _close_connections() -> None:
    """Close all connections that are kept."""
    while _connections:
        _connections.popitem()[1].close()


def fates(
    nodes: Mapping[str, Node[Any, Any]],
    servers: Mapping[str, Postgres],
    *,
    crash_point: int,
    paid: Mapping[str, int],
    processes: bool = True,
) -> dict[str, str]:
    """Return how each bank ends when the coordinator crashes for good right after one of its effects.

    Parameters
    ----------
    nodes
        A client, a coordinator, and a :class:`PostgresParticipant` for each server.
    servers
        The servers, by the names of their participants.
    crash_point
        After which effect of the coordinator it is killed; at least 1.
    paid
        What each account holds once the transfer is committed.
    processes
        Whether each node is a process of its own, and the crash a ``kill -9``. Without, it takes a tenth of the time.

    Returns
    -------
    dict
        "untouched", "in doubt", "committed" or "aborted" for each bank.
    """
    cluster = Cluster(nodes, processes=processes)
    cluster.kill_after("coordinator", crash_point)
    try:
        with cluster:
            cluster.wait_until(lambda trace: trace.of(Kind.CRASH, node="coordinator"), 30)
            trace = cluster.wait_until(lambda trace: _is_quiet(trace, tuple(servers)), 30)
            return {name: _fate(trace, name, server, paid[name]) for name, server in servers.items()}
    finally:
        _close_connections()


def _is_quiet(trace: Trace, names: tuple[str, ...]) -> bool:
    """Tell whether the participants have answered all that the coordinator sent to them before it died."""
    sent = [event.peer for event in trace.of(Kind.SEND, node="coordinator")]
    arrived = [event.node for event in trace.of(Kind.DELIVER, Kind.LOSE) if event.peer == "coordinator"]
    return all(sent.count(name) <= arrived.count(name) for name in names)


def _fate(trace: Trace, name: str, server: Postgres, paid: int) -> str:
    if in_doubt(server):
        return "in doubt"
    if balance(server) == paid:
        return "committed"
    return "aborted" if trace.of(Kind.DELIVER, node=name) else "untouched"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
