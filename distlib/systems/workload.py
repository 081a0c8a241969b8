"""Clients of a real system, each on a thread of its own, and the history that they record.

Theory of operation
-------------------
A client calls one operation after another and notes, on one clock for all, when it asked and when it was answered. A
call that raises was not answered. If it only reads, that is a failure without effect. If it writes, nobody knows: the
write may take effect later, or never, and so the operation stays open. A client has at most one operation open, so it
goes on under another name, as Jepsen's processes do.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping

from distlib.checkers.history import UNOBSERVED, History, Operation
from distlib.node import Outcome

__all__ = ["Call", "record"]

Call = tuple[tuple[Hashable, ...], Callable[[], Hashable]]
"""An operation, such as ("write", 3), and what carries it out and returns its result."""


def record(
    clients: Mapping[str, Iterable[Call]],
    *,
    expected: type[Exception] | tuple[type[Exception], ...] = Exception,
    reads: frozenset[str] = frozenset({"read", "get"}),
    timeout_seconds: float = 60.0,
) -> History:
    """Run clients at the same time, and return what they saw.

    Parameters
    ----------
    clients
        What each client does, one call after another. An iterable may decide as it goes, or wait.
    expected
        What a call raises when it gets no answer. Anything else ends the recording.
    reads
        Names of operations without an effect.
    timeout_seconds
        How long all of it may take.

    Raises
    ------
    TimeoutError
        If a client is not done in time.
    Exception
        What a call raised that was not expected.

    Examples
    --------
    >>> values = iter([1, 1])
    >>> print(*record({"a": [(("read",), lambda: next(values)), (("read",), lambda: next(values))]}), sep="; ")
    a: read → 1; a: read → 1
    """
    operations: list[Operation] = []
    errors: list[BaseException] = []
    began = time.monotonic()

    def run(name: str, calls: Iterable[Call]) -> None:
        life = 1
        process = name
        try:
            for operation, call in calls:
                invoked = time.monotonic() - began
                try:
                    result = call()
                except expected:
                    now = time.monotonic() - began
                    if operation[0] in reads:
                        operations.append(Operation(process, operation, UNOBSERVED, invoked, now, Outcome.FAIL))
                    else:
                        operations.append(Operation(process, operation, UNOBSERVED, invoked, None, Outcome.UNKNOWN))
                        life += 1
                        process = f"{name}, {life}"
                else:
                    operations.append(Operation(process, operation, result, invoked, time.monotonic() - began))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=item, daemon=True) for item in clients.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, began + timeout_seconds - time.monotonic()))
    if errors:
        raise errors[0]
    late = [name for name, thread in zip(clients, threads, strict=True) if thread.is_alive()]
    if late:
        raise TimeoutError(f"clients {late} were not done within {timeout_seconds:g} s")
    return History(tuple(sorted(operations, key=lambda each: each.invoked)))
