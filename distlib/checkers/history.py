"""What clients saw: operations with an invocation, a completion and a result.

Theory of operation
-------------------
A history is all that a checker knows of a run. It holds, for each operation, who asked for what, what came back,
and two positions in one order of events: where it was *invoked* and where it *completed*. An operation takes effect,
if at all, at one instant between the two. So operation `a` precedes `b` in real time exactly if `a` completed before
`b` was invoked, and the two are concurrent otherwise (Herlihy and Wing 1990, section 2).

How an operation ended decides what may be assumed:

- OK: it took effect between its invocation and its completion.
- FAIL: it did not take effect and never will. A checker leaves it out.
- UNKNOWN: it takes effect at any time after its invocation, or never. Its completion, if it has one, says only when the
  client stopped waiting. An operation that was invoked and never completed is UNKNOWN as well.

What came back is the operation's *result*. Where nobody saw a result, it is :data:`UNOBSERVED`, and any is possible.

Histories come from a :class:`~distlib.runtimes.trace.Trace`, from the events that a
:class:`~distlib.node.World` carries, from EDN as Jepsen and Knossos write it, from Jepsen's text logs, or are given
explicitly. All of them go through one recorder, which refuses what cannot be: a completion without an invocation, two
open operations of one process, an operation that completes as something else than what was invoked.

Operations are tuples ``(name, *arguments)``: ``("write", 3)``, ``("compare_and_set", 1, 2)``, and with a key
``("append", "k", "x")``. A sequential model (:mod:`distlib.checkers.sequential_models`) says which there are.

References
----------
- M. Herlihy, J. Wing. Linearizability: a correctness condition for concurrent objects. TOPLAS 12(3), 1990.
- K. Kingsbury. Jepsen's operations and their ``:ok``, ``:fail``, ``:info``: https://github.com/jepsen-io/jepsen
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Any, Final, overload

from distlib.node import Complete, Invoke, Outcome
from distlib.runtimes.trace import Kind, Trace

__all__ = ["UNOBSERVED", "History", "Operation", "Recorder", "Unobserved"]


class Unobserved(Enum):
    """The class of :data:`UNOBSERVED`."""

    UNOBSERVED = "unobserved"

    def __repr__(self) -> str:
        return "UNOBSERVED"


UNOBSERVED: Final = Unobserved.UNOBSERVED
"""The result of an operation when nobody saw it: any result is possible."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a history.

    Parameters
    ----------
    process
        The client. It has at most one operation open at a time.
    operation
        What it asked for, as a sequential model understands it: ``(name, *arguments)``.
    result
        What came back, or :data:`UNOBSERVED`.
    invoked, completed
        Positions of its two events in one order of all events; only their order counts, so numbers of events and
        readings of one clock both do. `completed` is None if it never ended, and may be None only if the outcome is
        UNKNOWN.
    outcome
        How it ended. An UNKNOWN operation with a result would, had it taken effect, have given this result.

    Raises
    ------
    ValueError
        If it completed before it was invoked, or is OK or FAIL without having completed.

    Examples
    --------
    >>> print(Operation("a", ("write", 3), None, 0, 2))
    a: write 3
    >>> print(Operation("b", ("read",), 0, 1, 3), "|", Operation("c", ("read",), invoked=4, outcome=Outcome.UNKNOWN))
    b: read → 0 | c: read → ?
    """

    process: Hashable
    operation: Hashable
    result: Hashable = UNOBSERVED
    invoked: float = 0
    completed: float | None = None
    outcome: Outcome = Outcome.OK

    def __post_init__(self) -> None:
        if self.completed is None:
            if self.outcome is not Outcome.UNKNOWN:
                raise ValueError(
                    f"`completed` may be None only if the outcome is UNKNOWN, got {self.outcome} for {self}"
                )
        elif not self.invoked <= self.completed:
            raise ValueError(
                f"`completed` must be at least `invoked` = {self.invoked}, got {self.completed} for {self}"
            )

    @property
    def latest(self) -> float:
        """The last position at which it may take effect: its completion if it is OK, without limit if UNKNOWN."""
        return self.completed if self.outcome is Outcome.OK and self.completed is not None else inf

    @property
    def asked(self) -> tuple[Any, ...]:
        """What it asked for, as ``(name, *arguments)``."""
        return self.operation if isinstance(self.operation, tuple) else (self.operation,)

    @property
    def label(self) -> str:
        """What was asked and what came back: ``read → 0``."""
        return self.shortened_label(None)

    def shortened_label(self, longest: int | None) -> str:
        """Return the label, with values of more than `longest` letters cut in the middle.

        A result of None goes without saying, but for operations that ask for something.
        """
        name, *arguments = self.asked
        words = " ".join([str(name), *(_cut(_shown(value), longest) for value in arguments)])
        if self.outcome is Outcome.FAIL:
            return f"{words} → failed"
        if self.result is UNOBSERVED:
            return f"{words} → ?"
        if self.result is None and name not in ("read", "get", "dequeue"):
            return words
        return f"{words} → {_cut(_shown(self.result), longest)}"

    def __str__(self) -> str:
        return f"{self.process}: {self.label}"


@dataclass(frozen=True)
class History(Sequence[Operation]):
    """Operations in the order of their invocation.

    Parameters
    ----------
    operations
        In any order; kept sorted by `invoked`.

    Raises
    ------
    ValueError
        If two operations of one process overlap.

    Examples
    --------
    >>> history = History.from_events(
    ...     [("a", Invoke(("write", 1))), ("b", Invoke(("read",))), ("a", Complete()), ("b", Complete(1))]
    ... )
    >>> print(history)
    0–2  a: write 1
    1–3  b: read → 1
    >>> History.from_events([("a", Complete())])
    Traceback (most recent call last):
        ...
    ValueError: event 0: process 'a' completes an operation, but has none open
    """

    operations: tuple[Operation, ...]

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.operations, key=lambda operation: operation.invoked))
        object.__setattr__(self, "operations", ordered)
        previous: dict[Hashable, Operation] = {}
        for operation in ordered:
            before = previous.get(operation.process)
            if before is not None and (before.completed is None or before.completed > operation.invoked):
                ended = "never completed" if before.completed is None else f"completed at {before.completed}"
                raise ValueError(
                    f"process {operation.process!r} must have one operation open at a time, but invoked "
                    f"{operation.label!r} at {operation.invoked} while {before.label!r}, invoked at "
                    f"{before.invoked}, {ended}"
                )
            previous[operation.process] = operation

    @overload
    def __getitem__(self, index: int) -> Operation: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Operation]: ...
    def __getitem__(self, index: int | slice) -> Operation | Sequence[Operation]:
        return self.operations[index]

    def __len__(self) -> int:
        return len(self.operations)

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.operations)

    def __str__(self) -> str:
        spans = [f"{operation.invoked}–{_ended(operation)}" for operation in self.operations]
        width = max((len(span) for span in spans), default=0)
        return "\n".join(
            f"{span:<{width}}  {operation}" for span, operation in zip(spans, self.operations, strict=True)
        )

    @property
    def processes(self) -> tuple[Hashable, ...]:
        """The processes, in the order of their first invocation."""
        return tuple(dict.fromkeys(operation.process for operation in self.operations))

    @classmethod
    def from_events(cls, events: Iterable[tuple[Hashable, Invoke | Complete]]) -> History:
        """Return the history of (process, effect) pairs in order, such as :attr:`distlib.node.World.history`.

        Parameters
        ----------
        events
            Positions in the history are positions in here. An operation that stays open is UNKNOWN.

        Raises
        ------
        ValueError
            If a process completes what it did not invoke or invokes while it has an operation open. The message names
            the event.
        TypeError
            If an effect is neither an Invoke nor a Complete.
        """
        recorder = Recorder()
        for position, (process, effect) in enumerate(events):
            place = f"event {position}"
            match effect:
                case Invoke(operation):
                    recorder.invoke(place, position, process, operation)
                case Complete(result, outcome):
                    recorder.complete(place, position, process, result, outcome)
                case _:
                    raise TypeError(f"{place}: must be an Invoke or a Complete, got {effect!r}")
        return recorder.history()

    @classmethod
    def from_trace(cls, trace: Trace) -> History:
        """Return the history that a run's clients recorded.

        Positions are the numbers of the trace's events. A client's crash ends its open operation as UNKNOWN.

        Raises
        ------
        ValueError
            As :meth:`from_events` does.
        """
        recorder = Recorder()
        for event in trace.of(Kind.INVOKE, Kind.COMPLETE, Kind.CRASH):
            place = f"event {event.number}"
            if event.kind is Kind.INVOKE:
                recorder.invoke(place, event.number, event.node, event.value)
            elif event.kind is Kind.COMPLETE:
                result, outcome = event.value
                recorder.complete(place, event.number, event.node, result, outcome)
            elif recorder.is_open(event.node):
                recorder.complete(place, event.number, event.node, None, Outcome.UNKNOWN)
        return recorder.history()


def _shown(value: object) -> str:
    """Return the representation of a value, for a set one that does not depend on the hash seed."""
    if isinstance(value, frozenset):
        return "{" + ", ".join(sorted(map(_shown, value))) + "}"
    if type(value) is tuple:
        return "(" + ", ".join(map(_shown, value)) + ("," if len(value) == 1 else "") + ")"
    return repr(value)


def _cut(text: str, longest: int | None) -> str:
    if longest is None or len(text) <= longest:
        return text
    return f"{text[: longest // 2]}…{text[len(text) - (longest - 1) // 2 :]}"


def _ended(operation: Operation) -> str:
    if operation.outcome is Outcome.UNKNOWN:
        return "" if operation.completed is None else f"({operation.completed})"
    return str(operation.completed)


class Recorder:
    """Pairs invocations with completions, and refuses what cannot be."""

    def __init__(self) -> None:
        self._open: dict[Hashable, tuple[float, Hashable]] = {}
        self._done: list[Operation] = []

    def is_open(self, process: Hashable) -> bool:
        """Say whether this process has an operation open."""
        return process in self._open

    def invoke(self, place: str, position: float, process: Hashable, operation: Hashable) -> None:
        """Open an operation."""
        if process in self._open:
            raise ValueError(
                f"{place}: process {process!r} invokes {operation!r}, but its {self._open[process][1]!r}, "
                f"invoked at {self._open[process][0]}, is still open"
            )
        try:
            hash(operation)
        except TypeError:
            raise ValueError(f"{place}: an operation must be hashable, got {operation!r}") from None
        self._open[process] = (position, operation)

    def asked(self, place: str, process: Hashable) -> Hashable:
        """Return what the open operation of this process asked for."""
        if process not in self._open:
            raise ValueError(f"{place}: process {process!r} completes an operation, but has none open")
        return self._open[process][1]

    def complete(self, place: str, position: float, process: Hashable, result: Hashable, outcome: Outcome) -> None:
        """Close an operation."""
        operation = self.asked(place, process)
        if not isinstance(outcome, Outcome):
            raise ValueError(f"{place}: the outcome of {operation!r} must be an Outcome, got {outcome!r}")
        invoked, _ = self._open.pop(process)
        if result is None and outcome is not Outcome.OK:
            result = UNOBSERVED
        self._done.append(Operation(process, operation, result, invoked, position, outcome))

    def history(self) -> History:
        """Return what was recorded; what is still open is UNKNOWN."""
        still_open = (
            Operation(process, operation, UNOBSERVED, invoked, None, Outcome.UNKNOWN)
            for process, (invoked, operation) in self._open.items()
        )
        return History((*self._done, *still_open))
