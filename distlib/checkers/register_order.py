"""Registers whose writes are distinct: what each read saw, and the order that it forces on everything else.

Theory of operation
-------------------
If no value is written twice to a register, each read names the write that it saw. That decides most questions about
an order that must explain the reads (Misra 1986; Gibbons & Korach 1997). A read r that saw the write w forces, for
every other write v to the same register:

- *hidden*: if v comes before r, then v comes before w, or w would not be the last write that r can see;
- *overwritten*: if w comes before v, then r comes before v;
- *initial*: a read that found the initial value comes before every write.

:class:`ImpliedOrder` starts from edges that a consistency model demands (the order of a process, reads-from) and adds
what these rules force, until nothing is new or there is a circle. A circle refutes the model, and every edge in it
can be derived in words. Which reads the rules apply to is up to the model: to all of them if there is one order for
all processes, to those of one process if each may have its own.

Sources
-------
- J. Misra: *Axioms for Memory Access in Asynchronous Hardware Systems*. TOPLAS 8(1), 1986.
- P. Gibbons, E. Korach: *Testing Shared Memories*. SIAM Journal on Computing 26(4), 1997.
- A. Bouajjani, C. Enea, R. Guerraoui, J. Hamza: *On Verifying Causal Consistency*. POPL 2017.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Any, Final

from distlib.checkers.history import UNOBSERVED, History, Operation
from distlib.checkers.verdict import Violation
from distlib.node import Outcome

__all__ = [
    "RULES",
    "Access",
    "Edge",
    "ImpliedOrder",
    "RegisterHistory",
    "Why",
    "link_neighbours",
]

_WORDS: Final = {"read": "read", "get": "read", "write": "write", "put": "write"}


@dataclass(frozen=True, slots=True)
class Access:
    """A read or a write of a register.

    Parameters
    ----------
    operation
        The operation of the history.
    is_write
        Whether it is a write.
    key
        The register; None where operations name none.
    value
        What was written or read.
    """

    operation: Operation
    is_write: bool
    key: Hashable
    value: Hashable

    @property
    def process(self) -> Hashable:
        """Who did it."""
        return self.operation.process

    def describe(self, process: str | None = None) -> str:
        """Return it as a clause, such as "a wrote x = 1"; another word may stand for the process."""
        name = "" if self.key is None else f"{self.key} = "
        who = process if process is not None else self.process
        return f"{who} {'wrote' if self.is_write else 'read'} {name}{self.value}"


@dataclass(frozen=True, slots=True)
class RegisterHistory:
    """The reads and writes that count, and what each read saw.

    A write counts unless it FAILed; one whose outcome is UNKNOWN only if it was read. A read counts if it ended OK
    and its result was observed.

    Parameters
    ----------
    accesses
        In the order of invocation.
    origins
        By the index of a read: the index of the write that it saw, or None for the initial value.
    programs
        By process: the indices of its accesses that ended OK, in order.
    program_order
        Pairs of indices, each next to the other in its process. What ended UNKNOWN has nothing after it: it may take
        effect late.
    thin_air
        The indices of reads that saw what no write that counts has written. They have no origin.
    """

    accesses: tuple[Access, ...]
    origins: Mapping[int, int | None]
    programs: Mapping[Hashable, tuple[int, ...]]
    program_order: tuple[tuple[int, int], ...]
    thin_air: tuple[int, ...]

    @classmethod
    def from_history(cls, history: History, *, initial: Hashable = None) -> RegisterHistory:
        """Return the registers' history behind a history.

        Parameters
        ----------
        history
            Of ``("read",)`` and ``("write", value)``, or with a key ``("read", key)`` and ``("write", key, value)``;
            "get" and "put" will do as well.
        initial
            What each register holds before any write.

        Raises
        ------
        ValueError
            If an operation is something else, a value is written to a register twice, or its initial value is.

        Examples
        --------
        >>> history = History((Operation("a", ("write", "x", 1), None, 0, 1), Operation("b", ("read", "x"), 1, 2, 3)))
        >>> RegisterHistory.from_history(history).origins
        {1: 0}
        """
        known = [
            access
            for access in (_read_access(operation) for operation in history)
            if access.operation.outcome is not Outcome.FAIL
        ]
        writers = _index_writers(known, initial)
        seen = {
            (access.key, access.value)
            for access in known
            if not access.is_write and access.operation.outcome is Outcome.OK
        }
        accesses = tuple(access for access in known if _counts(access, seen))
        places = {access.operation: index for index, access in enumerate(accesses)}
        origins: dict[int, int | None] = {}
        thin_air = []
        for index, access in enumerate(accesses):
            if access.is_write:
                continue
            writer = writers.get((access.key, access.value))
            if writer is not None:
                origins[index] = places[writer.operation]
            elif access.value == initial:
                origins[index] = None
            else:
                thin_air.append(index)
        return cls(accesses, origins, *_order_programs(accesses), tuple(thin_air))

    def writes(self) -> Mapping[Hashable, list[int]]:
        """Return the indices of the writes by key."""
        writes: dict[Hashable, list[int]] = defaultdict(list)
        for index, access in enumerate(self.accesses):
            if access.is_write:
                writes[access.key].append(index)
        return writes

    def reads_from(self, reads: Iterable[int]) -> Iterator[Edge]:
        """Yield an edge to each of these reads from the write that it saw."""
        for read in reads:
            origin = self.origins.get(read)
            if origin is not None:
                yield Edge(origin, read, Why.READS_FROM)

    def pairs_in_program(self) -> Iterator[tuple[int, int]]:
        """Yield every pair of accesses of which the first is known to come first in their process."""
        after: dict[int, list[int]] = {}
        for earlier, later in reversed(self.program_order):
            after.setdefault(earlier, []).extend([later, *after.get(later, ())])
        return ((earlier, later) for earlier, followers in sorted(after.items()) for later in sorted(followers))

    def reads_of(self, process: Hashable) -> list[int]:
        """Return the reads of a process that have an origin, in order."""
        return [index for index in self.programs.get(process, ()) if index in self.origins]

    def find_thin_air(self) -> tuple[Violation, ...]:
        """Return a violation for each read that saw what nobody wrote."""
        accesses = [self.accesses[read] for read in self.thin_air]
        return tuple(
            Violation((access.operation,), f"{access.describe()}, which no write put there.") for access in accesses
        )


def _read_access(operation: Operation) -> Access:
    """Take an operation for an access to a register."""
    asked: Any = operation.operation
    word = _WORDS.get(asked[0]) if isinstance(asked, tuple) and asked and isinstance(asked[0], str) else None
    match word, asked[1:] if word else ():
        case ("read", ()):
            return Access(operation, False, None, operation.result)
        case ("read", (key,)):
            return Access(operation, False, key, operation.result)
        case ("write", (value,)):
            return Access(operation, True, None, value)
        case ("write", (key, value)):
            return Access(operation, True, key, value)
    raise ValueError(
        "an operation of a register must be ('read',), ('write', value), ('read', key) or ('write', key, value), "
        f"got {asked!r} of process {operation.process!r}, invoked at {operation.invoked}"
    )


def _index_writers(accesses: Iterable[Access], initial: Hashable) -> dict[tuple[Hashable, Hashable], Access]:
    """Return who wrote each value of each key, or raise if that is not one."""
    writers: dict[tuple[Hashable, Hashable], Access] = {}
    for access in accesses:
        if not access.is_write:
            continue
        place = f"invoked at {access.operation.invoked}"
        if access.value == initial:
            raise ValueError(
                f"{access.describe()}, {place}, which is the initial value: a read could not tell the two apart"
            )
        other = writers.setdefault((access.key, access.value), access)
        if other is not access:
            raise ValueError(
                f"{access.describe()}, {place}, but so did {other.process} at {other.operation.invoked}: "
                "each value must be written once per register"
            )
    return writers


def _counts(access: Access, seen: set[tuple[Hashable, Hashable]]) -> bool:
    outcome = access.operation.outcome
    if access.is_write:
        return outcome is Outcome.OK or (access.key, access.value) in seen
    return outcome is Outcome.OK and access.value is not UNOBSERVED


def _order_programs(
    accesses: Sequence[Access],
) -> tuple[dict[Hashable, tuple[int, ...]], tuple[tuple[int, int], ...]]:
    """Return what each process did for certain, and all pairs of neighbours."""
    programs: dict[Hashable, list[int]] = defaultdict(list)
    pairs: list[tuple[int, int]] = []
    for index, access in enumerate(accesses):
        program = programs[access.process]
        if program:
            pairs.append((program[-1], index))
        if access.operation.outcome is Outcome.OK:
            program.append(index)
    return {process: tuple(program) for process, program in programs.items()}, tuple(pairs)


class Why(Enum):
    """Why one access comes before another."""

    PROGRAM = "program"
    """Its process did the one before the other."""
    READS_FROM = "reads from"
    """The one wrote what the other read."""
    INITIAL = "initial"
    """The one read the initial value, which the other overwrote."""
    HIDDEN = "hidden"
    """The one came before a read that saw the other."""
    OVERWRITTEN = "overwritten"
    """The one saw a write that came before the other."""


RULES: Final = frozenset({Why.INITIAL, Why.HIDDEN, Why.OVERWRITTEN})
"""What the reads force, if each of them has a place in the order."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One access comes before another.

    Parameters
    ----------
    source, target
        Their indices.
    why
        The rule.
    via
        For HIDDEN: the read that saw the target. For OVERWRITTEN: the write that the source saw.
    """

    source: int
    target: int
    why: Why
    via: int | None = None


class ImpliedOrder:
    """The smallest order that has some edges, and what the rules force for some reads.

    Parameters
    ----------
    history
        The accesses.
    edges
        What the model demands.
    reads
        The reads that the order has to explain, by index.
    rules
        Which of INITIAL, HIDDEN and OVERWRITTEN to apply.

    Examples
    --------
    Store buffering: each of two processes writes one register and then finds the other's register untouched.

    >>> history = RegisterHistory.from_history(History((
    ...     Operation("a", ("write", "x", 1), None, 0, 1), Operation("a", ("read", "y"), None, 2, 3),
    ...     Operation("b", ("write", "y", 1), None, 0, 1), Operation("b", ("read", "x"), None, 2, 3),
    ... )))
    >>> order = ImpliedOrder(history, [Edge(*pair, Why.PROGRAM) for pair in history.program_order], history.origins)
    >>> for clause in order.prove(order.close()).split("; "):
    ...     print(clause)
    a wrote x = 1 before it read y = None
    a read y = None, the initial value, so before b wrote y = 1
    b wrote y = 1 before it read x = None
    b read x = None, the initial value, so before a wrote x = 1: a circle.
    """

    def __init__(
        self, history: RegisterHistory, edges: Iterable[Edge], reads: Iterable[int], *, rules: frozenset[Why] = RULES
    ) -> None:
        self._history = history
        self._reads = sorted(read for read in reads if read in history.origins)
        self._writes = history.writes()
        self._write_bits = {key: sum(1 << write for write in writes) for key, writes in self._writes.items()}
        # By source and target: the edge, and the round in which it was found, so that a proof needs no later one.
        self._edges: dict[int, dict[int, Edge]] = {index: {} for index in range(len(history.accesses))}
        self._rounds: dict[Edge, int] = {}
        self._round = 0
        for edge in edges:
            self._add(edge)
        self._rules = rules
        for read in self._reads:
            if history.origins[read] is None and Why.INITIAL in rules:
                for write in self._writes.get(history.accesses[read].key, ()):
                    self._add(Edge(read, write, Why.INITIAL))

    def _add(self, edge: Edge) -> None:
        if edge.target not in self._edges[edge.source]:
            self._edges[edge.source][edge.target] = edge
            self._rounds[edge] = self._round

    def close(self, *, once: bool = False) -> tuple[Edge, ...]:
        """Apply the rules until nothing is new, or once, and return the edges of a shortest circle, or ()."""
        while True:
            circle = self.find_circle()
            if circle:
                return circle
            self._round += 1
            found = list(self._force())
            for edge in found:
                self._add(edge)
            if once or not found:
                return self.find_circle()

    def predecessors(self) -> list[int]:
        """Return for each access the set of all that come before it, as bits, if there is no circle."""
        before = [0] * len(self._edges)
        for index in self._sort():
            for target in self._edges[index]:
                before[target] |= before[index] | 1 << index
        return before

    def _force(self) -> Iterator[Edge]:
        """Yield the edges that the rules add to the order as it is."""
        before = self.predecessors()
        for read in self._reads:
            seen = self._history.origins[read]
            if seen is None:
                continue
            others = self._write_bits[self._history.accesses[read].key] & ~(1 << seen)
            if Why.HIDDEN in self._rules:
                for other in _bits(others & before[read] & ~before[seen]):
                    yield Edge(other, seen, Why.HIDDEN, read)
            if Why.OVERWRITTEN in self._rules:
                for other in _bits(others):
                    if before[other] >> seen & 1 and not before[other] >> read & 1:
                        yield Edge(read, other, Why.OVERWRITTEN, seen)

    def _sort(self) -> list[int]:
        """Return the accesses in an order that has every edge; those on and behind a circle are left out."""
        missing = [0] * len(self._edges)
        for targets in self._edges.values():
            for target in targets:
                missing[target] += 1
        ready = [index for index, count in enumerate(missing) if count == 0]
        for index in ready:
            for target in self._edges[index]:
                missing[target] -= 1
                if missing[target] == 0:
                    ready.append(target)
        return ready

    def find_circle(self) -> tuple[Edge, ...]:
        """Return the edges of a shortest circle, or ()."""
        suspects = set(self._edges).difference(self._sort())
        best: tuple[Edge, ...] = ()
        for start in sorted(suspects):
            circle = self._find_path(start, start, self._round)
            if circle and (not best or len(circle) < len(best)):
                best = circle
        return best

    def _find_path(self, start: int, goal: int, latest: int) -> tuple[Edge, ...]:
        """Return the edges of a shortest path, none of them found after round `latest`; () if there is none."""
        came_by: dict[int, Edge] = {}
        queue = [start]
        for index in queue:
            for target, edge in self._edges[index].items():
                if target in came_by or self._rounds[edge] > latest:
                    continue
                came_by[target] = edge
                if target == goal:
                    path = [edge]
                    while path[-1].source != start:
                        path.append(came_by[path[-1].source])
                    return tuple(reversed(path))
                queue.append(target)
        return ()

    def prove(self, circle: Sequence[Edge]) -> str:
        """Return why each edge of a circle must be, in words."""
        lines: list[str] = []
        stated: set[Edge] = set()
        for edge in circle:
            self._state(edge, stated, lines)
        return "; ".join(lines) + ": a circle."

    def _state(self, edge: Edge, stated: set[Edge], lines: list[str]) -> None:
        """Add the lines that derive an edge, what it rests on first."""
        if edge in stated:
            return
        stated.add(edge)
        if edge.via is not None:
            start, end = (edge.source, edge.via) if edge.why is Why.HIDDEN else (edge.via, edge.target)
            for premise in self._find_path(start, end, self._rounds[edge] - 1):
                self._state(premise, stated, lines)
        lines.append(self._tell(edge))

    def _tell(self, edge: Edge) -> str:
        accesses = self._history.accesses
        source, target = accesses[edge.source], accesses[edge.target]
        if edge.why is Why.READS_FROM:
            writer = "it wrote itself" if source.process == target.process else f"{source.process} wrote"
            return f"{target.describe()}, which {writer}"
        then = target.describe("it" if source.process == target.process else None)
        if edge.why is Why.PROGRAM:
            return f"{source.describe()} before {then}"
        if edge.why is Why.INITIAL:
            return f"{source.describe()}, the initial value, so before {then}"
        assert edge.via is not None, "a derived edge names what it was derived from"
        via = accesses[edge.via]
        if edge.why is Why.HIDDEN:
            return f"as {source.describe()} before {via.describe()}, that write came before {target.describe()}"
        return f"as {via.describe()} before {target.describe()}, {source.process} read the former before the latter"

    def refute(self, *, once: bool = False) -> Violation | None:
        """Close the order, and return why there can be none; None if nothing speaks against it."""
        circle = self.close(once=once)
        if not circle:
            return None
        operations = tuple(self._history.accesses[edge.source].operation for edge in circle)
        return Violation(operations, self.prove(circle))


def _bits(number: int) -> Iterator[int]:
    """Yield the places of the ones in a number."""
    while number:
        lowest = number & -number
        yield lowest.bit_length() - 1
        number ^= lowest


def link_neighbours(indices: Sequence[int]) -> Iterator[Edge]:
    """Yield an edge for each two neighbours."""
    return (Edge(first, second, Why.PROGRAM) for first, second in pairwise(indices))
