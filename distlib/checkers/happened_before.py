"""What happened before what in a trace, by brute force; and whether stamps say the same.

Theory of operation
-------------------
Event e happened before f if e came earlier at the same node, or if e is the sending and f the arrival of one message,
or if a chain of these leads from e to f (Lamport, *Communications of the ACM* 21(7), 1978). A trace knows for each
arrival its sending, so the relation is found by going over the events once: the past of an event is that of the one
before it at its node, and that of the sending. Pasts are kept as bits of a whole number. No clock is used for this.

Stamps then have two promises to keep. *The clock condition*: what happened before another event has the smaller stamp.
*The converse*: only that has the smaller stamp. For the second, stamps must be comparable only in part.

Examples
--------
>>> from distlib.runtimes.trace import Event
>>> trace = Trace((
...     Event(0, 0.0, Kind.SEND, "a", "hello", "b"),
...     Event(1, 0.1, Kind.DELIVER, "b", "hello", "a", cause=0),
...     Event(2, 0.2, Kind.SEND, "a", "again", "b"),
... ), ("a", "b"))
>>> order = CausalOrder(trace)
>>> order.precedes(0, 1), order.precedes(1, 2), order.are_concurrent(1, 2)
(True, False, True)
>>> order.broken_by({0: 1, 1: 1, 2: 2})
[(0, 1)]
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import combinations
from typing import Any, Final

from distlib.runtimes.trace import Event, Kind, Trace

__all__ = ["EVENTS", "CausalOrder"]

EVENTS: Final = frozenset({Kind.SEND, Kind.DELIVER})
"""What counts as an event, if nothing else is said."""


class CausalOrder:
    """The relation *happened before* on the events of a trace.

    Parameters
    ----------
    trace
        What happened.
    kinds
        Which of its events count. Sendings and arrivals must be among them, or nothing leads from node to node.

    Raises
    ------
    ValueError
        If they are not.
    """

    def __init__(self, trace: Trace, kinds: Collection[Kind] = EVENTS) -> None:
        if not frozenset(kinds) >= EVENTS:
            raise ValueError(f"`kinds` must hold SEND and DELIVER, got {sorted(kind.name for kind in kinds)}")
        self.events: tuple[Event, ...] = tuple(trace.of(*kinds))
        self._past: dict[int, int] = {}
        latest: dict[str, int] = {}
        for event in self.events:
            past = latest.get(event.node, 0)
            if event.kind is Kind.DELIVER and event.cause is not None:
                past |= self._past[event.cause] | 1 << event.cause
            self._past[event.number] = past
            latest[event.node] = past | 1 << event.number

    def precedes(self, first: int, second: int) -> bool:
        """Return whether the event with the first number happened before that with the second."""
        return bool(self._past[second] >> first & 1)

    def are_concurrent(self, first: int, second: int) -> bool:
        """Return whether neither of two different events happened before the other."""
        return first != second and not self.precedes(first, second) and not self.precedes(second, first)

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Yield all pairs of different events, the one that the trace has first before the other."""
        yield from combinations([event.number for event in self.events], 2)

    def broken_by(
        self, stamps: Mapping[int, Any], less: Callable[[Any, Any], bool] = operator.lt
    ) -> list[tuple[int, int]]:
        """Return the pairs that break the clock condition: the first happened before the second, its stamp is not less.

        Parameters
        ----------
        stamps
            By the events' numbers.
        less
            How stamps are compared.
        """
        return [pair for pair in self.pairs() if self.precedes(*pair) and not less(stamps[pair[0]], stamps[pair[1]])]

    def misled_by(
        self, stamps: Mapping[int, Any], less: Callable[[Any, Any], bool] = operator.lt
    ) -> list[tuple[int, int]]:
        """Return the pairs that break the converse: the stamp of the first is less, and it did not happen before.

        Parameters
        ----------
        stamps, less
            As for :meth:`broken_by`.
        """
        both = [each for pair in self.pairs() for each in (pair, pair[::-1])]
        return [pair for pair in both if less(stamps[pair[0]], stamps[pair[1]]) and not self.precedes(*pair)]
