"""Session guarantees: what a client may rely on while it wanders between replicas.

Theory of operation
-------------------
Terry et al. (1994) gave four guarantees, each about one session, a client's sequence of reads and writes:

- *read your writes*: a read sees what the session wrote before;
- *monotonic reads*: a read sees what the session's reads before it saw;
- *monotonic writes*: a session's writes take effect everywhere in its order;
- *writes follow reads*: a write takes effect everywhere after what its session had read before.

They speak of replicas. Here they are held against what clients saw, in the form of Brzeziński et al. (2004): for each
session there must be an order of all writes and its own reads which explains what it read and which keeps

- its writes before its later reads (read your writes);
- its reads in its order (monotonic reads);
- each session's writes in their order (monotonic writes);
- each write after the writes that its session had read before it (writes follow reads).

The last two are promises about other sessions, and only a reader whose own reads are monotonic can tell that one was
broken. So these two demand the order of the reader's reads as well; but a reader whose reads are not monotonic is no
witness against them.

Causal memory and causal convergence imply all four.

Sources
-------
- D. Terry, A. Demers, K. Petersen, M. Spreitzer, M. Theimer, B. Welch: *Session Guarantees for Weakly Consistent
  Replicated Data*. PDIS 1994.
- J. Brzeziński, C. Sobaniec, D. Wawrzyniak: *From Session Causality to Causal Consistency*. PDP 2004.

Examples
--------
>>> from distlib.checkers.history import History, Operation
>>> history = History((Operation("a", ("write", "x", 1), None, 0, 1), Operation("a", ("read", "x"), None, 2, 3)))
>>> print(check_read_your_writes(history).explain())
read your writes is violated.
  a wrote x = 1 before it read x = None; a read x = None, the initial value, so before it wrote x = 1: a circle.
>>> [model for model, verdict in check_session_guarantees(history).items() if not verdict.holds]
['read your writes']
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from itertools import combinations
from typing import Final

from distlib.checkers.history import History
from distlib.checkers.register_order import (
    Edge,
    ImpliedOrder,
    RegisterHistory,
    Why,
    link_neighbours,
)
from distlib.checkers.verdict import Verdict, Violation

__all__ = [
    "check_monotonic_reads",
    "check_monotonic_writes",
    "check_read_your_writes",
    "check_session_guarantees",
    "check_writes_follow_reads",
]


def check_read_your_writes(history: History, *, initial: Hashable = None) -> Verdict:
    """Decide whether each read sees what its process wrote before.

    Parameters
    ----------
    history
        Reads and writes of registers, each value written once: see :meth:`RegisterHistory.from_history`.
    initial
        What each register holds before any write.

    Raises
    ------
    ValueError
        If the history is not such.
    """
    return _check("read your writes", history, initial)


def check_monotonic_reads(history: History, *, initial: Hashable = None) -> Verdict:
    """Decide whether each read sees what its process had seen before.

    Parameters as for :func:`check_read_your_writes`.
    """
    return _check("monotonic reads", history, initial)


def check_monotonic_writes(history: History, *, initial: Hashable = None) -> Verdict:
    """Decide whether nobody saw a process's writes out of order.

    Parameters as for :func:`check_read_your_writes`.
    """
    return _check("monotonic writes", history, initial)


def check_writes_follow_reads(history: History, *, initial: Hashable = None) -> Verdict:
    """Decide whether nobody saw a write without what its process had read before it.

    Parameters as for :func:`check_read_your_writes`.
    """
    return _check("writes follow reads", history, initial)


def check_session_guarantees(history: History, *, initial: Hashable = None) -> dict[str, Verdict]:
    """Return the verdict on each of the four by name.

    Parameters as for :func:`check_read_your_writes`.

    Examples
    --------
    >>> list(check_session_guarantees(History(())))
    ['read your writes', 'monotonic reads', 'monotonic writes', 'writes follow reads']
    """
    return {model: _check(model, history, initial) for model in _DEMANDS}


def _check(model: str, history: History, initial: Hashable) -> Verdict:
    registers = RegisterHistory.from_history(history, initial=initial)
    return Verdict.of(model, (*registers.find_thin_air(), *_find_violations(registers, model)))


def _find_violations(registers: RegisterHistory, model: str) -> Iterator[Violation]:
    for reader in registers.programs:
        reads = registers.reads_of(reader)
        edges = [*registers.reads_from(reads), *_DEMANDS[model](registers, reader)]
        if model in ("monotonic writes", "writes follow reads"):
            in_order = [*registers.reads_from(reads), *link_neighbours(reads)]
            if ImpliedOrder(registers, in_order, reads).close():
                continue
            edges += in_order
        violation = ImpliedOrder(registers, edges, reads).refute()
        if violation is not None:
            yield violation


def _own_writes_first(registers: RegisterHistory, reader: Hashable) -> Iterator[Edge]:
    """Yield the reader's writes before its later reads."""
    for earlier, later in combinations(registers.programs[reader], 2):
        if registers.accesses[earlier].is_write and later in registers.origins:
            yield Edge(earlier, later, Why.PROGRAM)


def _reads_in_order(registers: RegisterHistory, reader: Hashable) -> Iterable[Edge]:
    return link_neighbours(registers.reads_of(reader))


def _writes_in_order(registers: RegisterHistory, _: Hashable) -> Iterator[Edge]:
    """Yield each process's writes in their order."""
    for earlier, later in registers.pairs_in_program():
        if registers.accesses[earlier].is_write and registers.accesses[later].is_write:
            yield Edge(earlier, later, Why.PROGRAM)


def _writes_after_what_was_read(registers: RegisterHistory, _: Hashable) -> Iterator[Edge]:
    """Yield each process's writes after its earlier reads, and these after what they saw."""
    yield from registers.reads_from(registers.origins)
    for earlier, later in registers.pairs_in_program():
        if earlier in registers.origins and registers.accesses[later].is_write:
            yield Edge(earlier, later, Why.PROGRAM)


_DEMANDS: Final = {
    "read your writes": _own_writes_first,
    "monotonic reads": _reads_in_order,
    "monotonic writes": _writes_in_order,
    "writes follow reads": _writes_after_what_was_read,
}
