r"""What a node is: a value whose handlers return the next value and what to do.

Theory of operation
-------------------
A protocol is a frozen dataclass. Its handlers take one stimulus (a start, a message, a timer, a reading
of the clock) and return a :data:`Step`: the next node, and an ordered tuple of *effects* that a runtime
carries out. Nothing in a handler touches a socket, a disk, a clock or a source of randomness. So one class runs
unchanged in a simulation, in an exploration of every interleaving, and over real sockets.

The contract between a node and any runtime:

1. **Effects apply in order, one at a time.** A crash may fall between any two of them. What a node promises in
   a :class:`Send` it must have put into a :class:`Save` *before* it in the same tuple, or in an earlier step.
2. **A save replaces the whole durable value.** A forced save (the default) is on disk before the next
   effect applies. An unforced one may be lost by a crash until a later forced save follows it: a simulation loses it
   always, an exploration tries both.
3. **A crash keeps the durable value and nothing else.** Recovery calls :meth:`Node.on_start` with it, on the
   *initial* node, so that volatile state cannot leak through a crash. Timers die with the crash.
4. **A timer has a name.** Setting it again replaces it; it fires once. Durations are ranges: a simulation draws
   from them with its seed, an exploration ignores them, a network sleeps.
5. **A message may be lost, duplicated, delayed and reordered**, as far as the protocol's docstring does not
   assume otherwise.
6. **Handlers are pure.** The same node and the same stimulus give the same step, always. Fields are hashable, and
   sets are iterated through :func:`sorted`, or a run would depend on the hash seed.

Fields that hold a table are frozensets or sorted tuples of pairs; :func:`entry`, :func:`with_entry` and
:func:`without_entry` read and change the latter.

A handler that has nothing to do returns ``self, ()``: the same object, not a copy. Runtimes take this to mean
that the stimulus was ignored.

Examples
--------
>>> from dataclasses import dataclass, replace
>>> from typing import Self
>>> @dataclass(frozen=True)
... class Ping:
...     number: int
>>> @dataclass(frozen=True)
... class Echo(Node[Ping, int]):
...     seen: int = 0
...     def on_start(self, saved: int | None) -> Step[Self]:
...         return replace(self, seen=saved or 0), ()
...     def on_message(self, source: str, message: Ping) -> Step[Self]:
...         node = replace(self, seen=self.seen + 1)
...         return node, (Save(node.seen), Send(source, message))
>>> node, effects = Echo().on_message("client", Ping(7))
>>> node.seen
1
>>> print(*effects, sep="\n")
save 1
send Ping(number=7) to client
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, Self, TypeAlias, TypeVar

__all__ = [
    "CancelTimer",
    "Complete",
    "Effect",
    "Effects",
    "Invoke",
    "Node",
    "Outcome",
    "ReadClock",
    "Save",
    "Send",
    "SetTimer",
    "Step",
    "Table",
    "World",
    "entry",
    "with_entry",
    "without_entry",
    "words",
]


class Outcome(Enum):
    """How an operation of a client ended, as far as the client knows."""

    OK = "ok"
    """It took effect."""
    FAIL = "fail"
    """It did not, and never will."""
    UNKNOWN = "unknown"
    """It may have taken effect, or may yet: the client gave up waiting."""


@dataclass(frozen=True, slots=True)
class Send:
    """Hand a message to the network. It may never arrive.

    Parameters
    ----------
    target
        Name of the node that it is for; a node may send to itself, and that too goes over the network.
    message
        A hashable value.
    """

    target: str
    message: Any

    def __str__(self) -> str:
        return f"send {self.message} to {self.target}"


@dataclass(frozen=True, slots=True)
class Save:
    """Replace the node's durable value.

    Parameters
    ----------
    value
        A hashable value; :meth:`Node.on_start` gets it back after a crash.
    forced
        Whether the next effect waits until the value is on disk. An unforced save is free and may be lost by a
        crash, until a later forced save carries it along.
    """

    value: Hashable
    forced: bool = True

    def __str__(self) -> str:
        return f"save {self.value}" + ("" if self.forced else " (unforced)")


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Ask for :meth:`Node.on_timer` to be called once, after a duration in a range.

    Parameters
    ----------
    name
        Identifies the timer within its node. A timer of that name that is already set is replaced.
    range_seconds
        Shortest and longest duration on the node's own clock, in seconds.

    Raises
    ------
    ValueError
        If the range is not ``0 <= shortest <= longest < infinity``.
    """

    name: Hashable
    range_seconds: tuple[float, float]

    def __post_init__(self) -> None:
        shortest, longest = self.range_seconds
        if not 0 <= shortest <= longest < float("inf"):
            raise ValueError(
                "`range_seconds` must be a pair (shortest, longest) with 0 <= shortest <= longest < infinity, "
                f"got {self.range_seconds!r} for timer {self.name!r}"
            )

    def __str__(self) -> str:
        shortest, longest = self.range_seconds
        return f"set timer {words(self.name)} ({shortest:g}{'' if shortest == longest else f' to {longest:g}'} s)"


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Forget a timer. To cancel one that is not set does nothing."""

    name: Hashable

    def __str__(self) -> str:
        return f"cancel timer {words(self.name)}"


@dataclass(frozen=True, slots=True)
class ReadClock:
    """Ask for a reading of the node's own clock, which may be skewed and may drift.

    The clock is read in its place among the effects. :meth:`Node.on_clock` gets the reading when all effects of the
    step have applied, before any other stimulus.

    Parameters
    ----------
    name
        Handed back with the reading, so that the node knows what it was for.
    """

    name: Hashable

    def __str__(self) -> str:
        return f"read clock for {words(self.name)}"


@dataclass(frozen=True, slots=True)
class Invoke:
    """Record that this client begins an operation. A client has at most one open at a time.

    Parameters
    ----------
    operation
        What is asked for, as the sequential model of the checker understands it.
    """

    operation: Hashable

    def __str__(self) -> str:
        return f"invoke {self.operation}"


@dataclass(frozen=True, slots=True)
class Complete:
    """Record how this client's open operation ended.

    Parameters
    ----------
    result
        What came back; `None` where nothing did.
    outcome
        What the client knows of it.
    """

    result: Hashable = None
    outcome: Outcome = Outcome.OK

    def __str__(self) -> str:
        return f"complete ({self.outcome.value})" + ("" if self.result is None else f" {self.result}")


def words(name: Hashable) -> str:
    """Return the name of a timer, which may be a tuple, as words.

    Examples
    --------
    >>> words(("votes", "t1"))
    'votes t1'
    """
    return " ".join(map(str, name)) if isinstance(name, tuple) else str(name)


Effect: TypeAlias = Send | Save | SetTimer | CancelTimer | ReadClock | Invoke | Complete
Effects: TypeAlias = tuple[Effect, ...]

NodeT = TypeVar("NodeT", bound="Node[Any, Any]")
MessageT = TypeVar("MessageT", bound=Hashable)
SavedT = TypeVar("SavedT", bound=Hashable)

Step: TypeAlias = tuple[NodeT, Effects]
"""The next node, and what to do, in order."""


class Node(ABC, Generic[MessageT, SavedT]):
    """The base of every protocol: a frozen dataclass with the handlers below.

    Type parameters: the union of the messages that it understands, and its durable value. A protocol matches on
    the message's class and closes with :func:`typing.assert_never`, so that a type checker finds the message
    that was forgotten.
    """

    __slots__ = ()

    @abstractmethod
    def on_start(self, saved: SavedT | None) -> Step[Self]:
        """Boot for the first time (`saved` is None) or recover after a crash (`saved` is the durable value).

        Runtimes call it on the initial node. A node that crashed before its first save starts with None, too.
        """

    @abstractmethod
    def on_message(self, source: str, message: MessageT) -> Step[Self]:
        """Take a message that `source` sent."""

    def on_timer(self, name: Any) -> Step[Self]:
        """Take the firing of the timer `name`. A node that sets timers overrides this."""
        raise NotImplementedError(f"{type(self).__name__} set the timer {name!r} but has no on_timer")

    def on_clock(self, name: Any, reading_seconds: float) -> Step[Self]:
        """Take the reading that a :class:`ReadClock` asked for. A node that reads its clock overrides this."""
        raise NotImplementedError(f"{type(self).__name__} read its clock for {name!r} but has no on_clock")


@dataclass(frozen=True)
class World:
    """What an invariant sees: every node at one instant. Runtimes make it; predicates beside the protocols read it.

    Parameters
    ----------
    nodes
        The nodes by name; None for one that is down.
    saved
        Their durable values by name; None before the first save.
    in_flight
        The messages on their way, as (source, target, message).
    history
        What the clients recorded so far, where the runtime was asked to keep it: (client, effect) in order, each effect
        an :class:`Invoke` or a :class:`Complete`.
    """

    nodes: Mapping[str, Node[Any, Any] | None]
    saved: Mapping[str, Any]
    in_flight: tuple[tuple[str, str, Any], ...] = ()
    history: tuple[tuple[str, Invoke | Complete], ...] = field(default=(), repr=False)


KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")

Table: TypeAlias = tuple[tuple[KeyT, ValueT], ...]
"""A small hashable mapping: pairs, sorted by key."""


def entry(table: Table[KeyT, ValueT], key: KeyT) -> ValueT | None:
    """Return what `table` holds for `key`, or None.

    Examples
    --------
    >>> entry((("a", 1), ("b", 2)), "b")
    2
    """
    for candidate, value in table:
        if candidate == key:
            return value
    return None


def with_entry(table: Table[KeyT, ValueT], key: KeyT, value: ValueT) -> Table[KeyT, ValueT]:
    """Return `table` with `value` for `key`, in the order of the keys.

    Examples
    --------
    >>> with_entry((("a", 1), ("c", 3)), "b", 2)
    (('a', 1), ('b', 2), ('c', 3))
    """
    pairs: list[tuple[Any, ValueT]] = [*without_entry(table, key), (key, value)]
    return tuple(sorted(pairs, key=_first))


def _first(pair: tuple[Any, Any]) -> Any:
    return pair[0]


def without_entry(table: Table[KeyT, ValueT], key: KeyT) -> Table[KeyT, ValueT]:
    """Return `table` without `key`.

    Examples
    --------
    >>> without_entry((("a", 1), ("b", 2)), "a")
    (('b', 2),)
    """
    return tuple(pair for pair in table if pair[0] != key)
