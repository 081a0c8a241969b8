"""What clients recorded, as a state of an exploration keeps it: results, and the real-time order of operations.

Theory of operation
-------------------
Linearizability asks two things of a history: what each operation returned, and which operations had ended before which
others began. A state that held the total order of all invocations and completions would hold more than that, and an
exploration would tell apart states that no checker can. So for each operation a state holds how many operations of each
client had completed when it was invoked, and no more.

A checker reads histories as events in order. :func:`linear_order` makes one of the orders that a state stands for. All
have the same real-time order of operations, so that a checker of linearizability says the same of each.

Sources: Herlihy and Wing, "Linearizability: A Correctness Condition for Concurrent Objects", 1990, section 2.2 (the
order of operations). The same is kept by the linearizability tester of the model checker Stateright.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple, TypeAlias

from distlib.node import Complete, Invoke, Outcome

__all__ = ["History", "Operated", "Recorded", "extend", "linear_order"]


class Operated(NamedTuple):
    """One client's operation: what was asked, how it ended (None while it is open), and what had ended before it began.

    `preceded_by` counts, for each client, the operations that had completed when this one was invoked.
    """

    operation: Hashable
    completion: Complete | None
    preceded_by: tuple[int, ...]


History: TypeAlias = tuple[tuple[Operated, ...], ...]
"""For each client, by its number, its operations in order."""

Recorded: TypeAlias = Invoke | Complete | None
"""What a client recorded; None where it crashed, which leaves an open operation unknown for good."""


def extend(history: History, event: tuple[int, Recorded]) -> History:
    """Return the history after a client recorded something.

    Parameters
    ----------
    history
        Everything before.
    event
        The client's number, and what it recorded.

    Raises
    ------
    ValueError
        If the client invokes while an operation of its own is open, or completes while none is.

    Examples
    --------
    >>> history = extend(extend(((), ()), (0, Invoke("read"))), (0, Complete("x")))
    >>> extend(history, (1, Invoke("write")))[1]
    (Operated(operation='write', completion=None, preceded_by=(1, 0)),)
    """
    client, recorded = event
    own = history[client]
    is_open = bool(own) and own[-1].completion is None
    if isinstance(recorded, Invoke):
        if is_open:
            raise ValueError(f"{recorded!r} while {own[-1].operation!r} is open: a client has at most one at a time")
        completed = tuple(sum(each.completion is not None for each in operations) for operations in history)
        own = (*own, Operated(recorded.operation, None, completed))
    elif is_open:
        own = (*own[:-1], own[-1]._replace(completion=recorded or Complete(outcome=Outcome.UNKNOWN)))
    elif recorded is not None:
        raise ValueError(f"{recorded!r} without an open operation: a client must `Invoke` first")
    return (*history[:client], own, *history[client + 1 :])


def linear_order(history: History, names: Sequence[str]) -> tuple[tuple[str, Invoke | Complete], ...]:
    """Return one order of events that has exactly the real-time order of `history`.

    Parameters
    ----------
    history
        What was recorded.
    names
        The clients' names, by number.

    Returns
    -------
    tuple
        (client, event) pairs. An invocation comes after the completions that precede it, and before all others.

    Examples
    --------
    >>> history = ((Operated("a", Complete(), (0, 0)),), (Operated("b", None, (1, 0)),))
    >>> [(name, type(event).__name__) for name, event in linear_order(history, ["x", "y"])]
    [('x', 'Invoke'), ('x', 'Complete'), ('y', 'Invoke')]
    """
    begun, completed = [0] * len(history), [0] * len(history)
    events: list[tuple[str, Invoke | Complete]] = []
    while (following := _next_event(history, begun, completed)) is not None:
        client, event = following
        events.append((names[client], event))
        counts = begun if isinstance(event, Invoke) else completed
        counts[client] += 1
    return tuple(events)


def _next_event(history: History, begun: list[int], completed: list[int]) -> tuple[int, Invoke | Complete] | None:
    """Return the first event, by client, that may come next; the constraints came from a real order, so one can."""
    for client, operations in enumerate(history):
        if begun[client] > completed[client]:
            completion = operations[completed[client]].completion
            if completion is not None and not _is_awaited(history, begun, client, completed[client]):
                return client, completion
        elif begun[client] < len(operations):
            due = operations[begun[client]]
            if all(completed[other] >= count for other, count in enumerate(due.preceded_by)):
                return client, Invoke(due.operation)
    return None


def _is_awaited(history: History, begun: list[int], client: int, position: int) -> bool:
    """Return whether an operation that is yet to begin must begin before this one of `client` completes."""
    return any(
        pending.preceded_by[client] <= position
        for other, operations in enumerate(history)
        if other != client
        for pending in operations[begun[other] :]
    )
