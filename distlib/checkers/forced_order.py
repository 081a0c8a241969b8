"""What results give away about the order of operations.

Theory of operation
-------------------
To find a legal order is hard in general, but results often tell most of it. Who read "ab" saw the append of "a" before
that of "b"; a value that was dequeued was enqueued before; nothing was written between a write and a read that still
shows its value. Where values are distinct, so that each has one origin, such pairs turn an exponential search into
one that goes almost straight ahead. That distinct values make the problem tractable is due to Gibbons and Korach
(1997, section 4) for registers; for queues see Bouajjani, Emmi, Enea and Hamza (2015).

**Pairs.** A function `forced_…_order` yields pairs (i, j) of positions in a sequence of operations, which is sorted by
`invoked` and has none that is FAIL. An operation that is not OK may have taken effect or not. The promise is:

    If there is a legal order, there is one in which, for every pair (i, j), operation i takes effect before operation j
    or j does not take effect.

It is one order for all pairs. So a pair (j, j) says that j does not take effect: because it cannot, or, for an
operation that nobody knows the outcome of, because nobody saw its effect. Any part of the pairs keeps the promise. So
what is costly to find is left out, and so is what real time says anyway.

**Visits.** A function `…_visits` returns what must happen while the object is in a state that no legal order enters
twice: which operations must take effect before it leaves the state, because they are possible in no other; and which
are the only ones by which it can leave, because of what was seen later. The former keeps together a write and its
reads, which Gibbons and Korach call a cluster.

References
----------
- P. Gibbons, E. Korach. Testing shared memories. SIAM Journal on Computing 26(4), 1997.
- A. Bouajjani, M. Emmi, C. Enea, J. Hamza. On reducing linearizability to state reachability. ICALP 2015.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Container, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, islice, pairwise, takewhile
from math import inf
from typing import Final, NamedTuple, TypeAlias

from distlib.checkers.history import UNOBSERVED, Operation
from distlib.node import Outcome

__all__ = [
    "Pairs",
    "Visit",
    "Visits",
    "forced_queue_order",
    "forced_register_order",
    "forced_set_order",
    "forced_text_order",
    "register_visits",
    "text_visits",
]

Pair: TypeAlias = tuple[int, int]
Pairs: TypeAlias = Iterable[Pair]
"""Pairs of positions in a sequence of operations: the first takes effect before the second."""


class Visit(NamedTuple):
    """What must happen while the object is in a state that it is in only once."""

    needed: Sequence[int]
    """The operations that must take effect before it leaves the state; one of them may be what leaves it."""
    exits: Collection[int] | None = None
    """The only operations that may leave the state; None for any."""


Visits: TypeAlias = Mapping[Hashable, Visit]
"""By state."""

_PAIR_COUNT: Final = 64
"""How many others are related to one operation at most, so that bad input takes not much longer than good."""


class _Register:
    """What the operations on a register say of its values.

    Attributes
    ----------
    origins
        By value: the operations that may set it.
    changes
        The operations that set a value if they take effect.
    needs
        Pairs (operation, value): the operation is possible only while the register holds the value.
    seen
        The values that some operation may tell from others.
    """

    def __init__(self, operations: Sequence[Operation], initial: Hashable) -> None:
        self.initial = initial
        self.origins: dict[Hashable, list[int]] = {}
        self.changes: list[int] = []
        self.needs: list[tuple[int, Hashable]] = []
        self.seen: set[Hashable] = set()
        for index, operation in enumerate(operations):
            name, *arguments = operation.asked
            if name == "read":
                if operation.outcome is Outcome.OK and operation.result is not UNOBSERVED:
                    self.needs.append((index, operation.result))
            elif operation.result is not False:
                self._add_change(index, operation, *arguments)
        self.seen.update(value for _, value in self.needs)

    def _add_change(self, index: int, operation: Operation, *values: Hashable) -> None:
        """Add a write of the value, or a comparison with the first value that did not fail."""
        self.origins.setdefault(values[-1], []).append(index)
        is_write = len(values) == 1
        # A comparison whose result nobody saw, and which did take effect, may have changed nothing.
        is_change = is_write or operation.result is True or operation.outcome is Outcome.UNKNOWN
        if is_change:
            self.changes.append(index)
        if not is_write:
            self.seen.add(values[0])
            if is_change:
                self.needs.append((index, values[0]))

    def occurs_once(self, value: Hashable) -> bool:
        """Say whether the register cannot come to hold this value more than once."""
        return len(self.origins.get(value, ())) + (value == self.initial) <= 1


def forced_register_order(operations: Sequence[Operation], initial: Hashable) -> Iterator[Pair]:
    """Yield what values that have one origin say about the order.

    Whoever needs a value comes after its only origin. Nothing that sets another value comes between the two. An
    operation that may have happened, and that sets a value which nobody saw, might as well not have.
    """
    register = _Register(operations, initial)
    timeline = _Timeline(operations, register.changes)
    latest: dict[Hashable, float] = {}
    for index, value in register.needs:
        latest[value] = min(latest.get(value, inf), operations[index].latest)
    for index, value in register.needs:
        if not register.occurs_once(value):
            continue
        source = next(iter(register.origins.get(value, ())), None)
        if source is not None:
            yield source, index
        elif value != initial:
            yield index, index
        if operations[index].outcome is Outcome.OK:
            yield from _register_between(operations, timeline, source, index, latest[value])
    # What may have failed to compare may have met any value.
    if not any(operation.result is False for operation in operations):
        for index in register.changes:
            if operations[index].outcome is Outcome.UNKNOWN and operations[index].asked[-1] not in register.seen:
                yield index, index


def _register_between(
    operations: Sequence[Operation], timeline: _Timeline, source: int | None, need: int, latest: float
) -> Iterator[Pair]:
    """Yield that no change comes between the origin of a value, at the latest when it was seen, and what needs it."""
    here = operations[need]
    since = -inf if source is None else min(operations[source].latest, latest)
    for other in timeline.invoked_in(since, here.latest, {source, need}):
        yield need, other
    if source is not None:
        for other in timeline.completed_in(operations[source].invoked, here.invoked, {source, need}):
            yield other, source


def register_visits(operations: Sequence[Operation], initial: Hashable) -> Visits:
    """Return the operations that need a value which the register holds only once."""
    register = _Register(operations, initial)
    needed: dict[Hashable, list[int]] = {}
    for index, value in register.needs:
        if operations[index].outcome is Outcome.OK and register.occurs_once(value):
            needed.setdefault(value, []).append(index)
    return {value: Visit(indices) for value, indices in needed.items()}


def forced_text_order(operations: Sequence[Operation], initial: str) -> Iterator[Pair]:
    """Yield what the texts that were read say about the order, if all texts written are distinct.

    A text that falls apart into written ones in one way only tells the order of them all. What it does not contain was
    written later than the get, or before the put that it begins with.
    """
    writes = [index for index, operation in enumerate(operations) if _writes(operation)]
    timeline = _Timeline(operations, writes)
    used: set[int] = set()
    all_understood = not initial
    for get, ways, pieces in _understood(operations, initial):
        if ways == 1:
            used.update(pieces)
            yield from pairwise([*pieces, get])
            yield from _text_absent(operations, timeline, pieces, get)
        elif ways == 0:
            yield get, get
        all_understood &= ways == 1
    # Whatever may have happened and was not seen, although all that was read is understood, might as well not have.
    for index in writes if all_understood and _are_distinct(operations) else ():
        if index not in used and operations[index].outcome is Outcome.UNKNOWN:
            yield index, index


def text_visits(operations: Sequence[Operation], initial: str) -> Visits:
    """Return, for each text that comes about in one way only, its gets and the writes that lead on to longer ones."""
    needed: dict[Hashable, list[int]] = {}
    exits: dict[Hashable, set[int]] = {}
    last: Sequence[int] = ()
    for get, ways, pieces in _understood(operations, initial):
        if ways != 1:
            continue
        text = str(operations[get].result)
        needed.setdefault(text, []).append(get)
        # What it has in common with the text before it has been seen to.
        common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(last, pieces, strict=False)))
        end = sum(len(operations[piece].asked[1]) for piece in pieces[:common])
        for piece in pieces[common:]:
            name, written = operations[piece].asked
            if name == "append":
                exits.setdefault(text[:end], set()).add(piece)
            end += len(written)
        last = pieces
    return {text: Visit(needed.get(text, ()), exits.get(text)) for text in {**needed, **exits}}


def _are_distinct(operations: Sequence[Operation]) -> bool:
    """Say whether all texts that were written are distinct and none is empty."""
    texts = [operation.asked[1] for operation in operations if _writes(operation)]
    return len(set(texts)) == len(texts) and "" not in texts


def _understood(operations: Sequence[Operation], initial: str) -> Iterator[tuple[int, int, list[int]]]:
    """Yield each get, in how many ways its text comes about, and the writes of the only one; nothing if unclear."""
    if initial or not _are_distinct(operations):
        return
    parser = _Parser(operations)
    gets = [
        index
        for index, operation in enumerate(operations)
        if not _writes(operation) and operation.outcome is Outcome.OK and operation.result is not UNOBSERVED
    ]
    # In the order of the texts, each begins as the one before it, as a rule; the parser goes on from there.
    for get in sorted(gets, key=lambda index: str(operations[index].result)):
        yield get, *parser.parse(str(operations[get].result))


def _writes(operation: Operation) -> bool:
    return bool(operation.asked[0] != "get")


def _text_absent(
    operations: Sequence[Operation], timeline: _Timeline, pieces: Sequence[int], get: int
) -> Iterator[Pair]:
    """Yield what a get says about the writes that are not in its text."""
    present = {*pieces}
    first = operations[pieces[0]] if pieces and operations[pieces[0]].asked[0] == "put" else None
    after = -inf if first is None else min(first.latest, operations[get].latest)
    for other in timeline.invoked_in(after, operations[get].latest, present):
        yield get, other
    if first is not None:
        for other in timeline.completed_in(first.invoked, operations[get].invoked, present):
            yield other, pieces[0]


class _Parser:
    """Takes texts apart into those that were written.

    It goes through a text from left to right and keeps, for each position, how many ways lead to it (none, one, more)
    and the last piece of one of them. All this depends only on what is to the left, so the next text reuses what it
    has in common.
    """

    def __init__(self, operations: Sequence[Operation]) -> None:
        writes = [index for index, operation in enumerate(operations) if _writes(operation)]
        self._origin = {operations[index].asked[1]: index for index in writes}
        self._is_put = {index for index in writes if operations[index].asked[0] == "put"}
        self._lengths = sorted({len(text) for text in self._origin})
        self._text = ""
        self._ways = [1]
        self._last = [-1]

    def parse(self, text: str) -> tuple[int, list[int]]:
        """Return in how many ways a text comes apart (2 for more than one) and, if it is one, who wrote the pieces."""
        common = len(self._text) if text.startswith(self._text) else _common_length(self._text, text)
        del self._ways[common + 1 :], self._last[common + 1 :]
        self._text = text
        for end in range(common + 1, len(text) + 1):
            ways, last = 0, -1
            for length in self._lengths:
                if length > end:
                    break
                piece = self._origin.get(text[end - length : end])
                if piece is not None and self._ways[end - length] and not (piece in self._is_put and length < end):
                    ways, last = min(2, ways + self._ways[end - length]), length
            self._ways.append(ways)
            self._last.append(last)
        pieces: list[int] = []
        end = len(text)
        while end and self._ways[len(text)] == 1:
            pieces.append(self._origin[text[end - self._last[end] : end]])
            end -= self._last[end]
        return self._ways[len(text)], pieces[::-1]


def _common_length(left: str, right: str) -> int:
    """Return how many characters two texts have in common at their beginning."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[:middle] == right[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def forced_set_order(operations: Sequence[Operation], initial: frozenset[Hashable]) -> Iterator[Pair]:
    """Yield that a read comes after the only add of what it shows, and before the adds of what it does not show.

    The latter holds for elements that nobody removes.
    """
    adds: dict[Hashable, list[int]] = {}
    removed: set[Hashable] = set()
    for index, operation in enumerate(operations):
        name, *rest = operation.asked
        if name == "add" and operation.result is not False:
            adds.setdefault(rest[0], []).append(index)
        elif name == "remove" and operation.result is not False:
            removed.add(rest[0])
    lasting = [index for element, indices in adds.items() if element not in removed for index in indices]
    timeline = _Timeline(operations, lasting)
    for index, operation in enumerate(operations):
        seen = operation.result
        if operation.asked[0] != "read" or operation.outcome is not Outcome.OK or not isinstance(seen, frozenset):
            continue
        only = (adds[element][0] for element in seen - initial if len(adds.get(element, ())) == 1)
        yield from ((first, index) for first in sorted(only))
        shown = {other for element in seen for other in adds.get(element, ())}
        for other in timeline.invoked_in(-inf, operation.latest, shown):
            yield index, other


def forced_queue_order(operations: Sequence[Operation]) -> Iterator[Pair]:
    """Yield what first in, first out says about the order, if all values are distinct and the queue was empty at first.

    An enqueue comes before the dequeue of its value. Values come out in the order in which they went in. One that never
    came out went in after all that did, and a queue that was empty had lost all that went in before.
    """
    enqueues = [index for index, operation in enumerate(operations) if operation.asked[0] == "enqueue"]
    origin = {operations[index].asked[1]: index for index in enqueues}
    if len(origin) < len(enqueues):
        return
    outs: dict[int, list[int]] = {index: [] for index in enqueues}
    all_known = True
    for index, operation in enumerate(operations):
        if operation.asked[0] == "enqueue" or operation.result is None:
            continue
        if operation.result is UNOBSERVED:
            all_known = False
        elif operation.result in origin:
            outs[origin[operation.result]].append(index)
            yield origin[operation.result], index
        else:
            yield index, index
    yield from _queue_order(operations, enqueues, outs, all_known)
    if all_known:
        yield from _queue_empty(operations, enqueues, outs)


def _queue_order(
    operations: Sequence[Operation], enqueues: Sequence[int], outs: Mapping[int, Sequence[int]], all_known: bool
) -> Iterator[Pair]:
    """Yield that of two values the one that came out earlier, or at all, went in earlier; and each came out once."""
    first_out = {index: _first_out(operations, outs[index], all_known) for index in enqueues}
    # `enqueues` is sorted by invocation. Nothing in enqueues[:k + 1] came out later than last_out[k].
    last_out = list(accumulate((first_out[index] for index in enqueues), max))
    invoked = [operations[index].invoked for index in enqueues]
    for earlier in enqueues:
        dequeues = [index for index in outs[earlier] if operations[index].outcome is Outcome.OK]
        yield from ((index, index) for index in dequeues[1:])
        if not dequeues:
            continue
        count, latest = 0, operations[dequeues[0]].latest
        position = bisect_right(invoked, operations[earlier].latest) - 1
        # Real time orders those invoked later. Of the others, few come out later, unless the history is bad.
        while position >= 0 and count < _PAIR_COUNT and last_out[position] > latest:
            if enqueues[position] != earlier and first_out[enqueues[position]] > latest:
                count += 1
                yield earlier, enqueues[position]
            position -= 1


def _first_out(operations: Sequence[Operation], dequeues: Sequence[int], all_known: bool) -> float:
    """Return the earliest position at which a value may have come out: by one of these, if all dequeues are known."""
    required = [index for index in dequeues if operations[index].outcome is Outcome.OK]
    if not required and not all_known:
        return -inf
    return min((operations[index].invoked for index in required or dequeues), default=inf)


def _queue_empty(
    operations: Sequence[Operation], enqueues: Sequence[int], outs: Mapping[int, Sequence[int]]
) -> Iterator[Pair]:
    """Yield how enqueues and dequeues lie around a dequeue that found the queue empty, if all results are known."""
    # What may have gone in, and never came out, only stands in the way.
    yield from ((index, index) for index in enqueues if not outs[index] and operations[index].outcome is not Outcome.OK)
    enqueue_of = {dequeue: enqueue for enqueue, dequeues in outs.items() for dequeue in dequeues}
    ins, all_outs = _Timeline(operations, enqueues), _Timeline(operations, enqueue_of)
    for empty, here in enumerate(operations):
        if here.asked[0] == "enqueue" or here.result is not None:
            continue
        for enqueue in ins.invoked_in(-inf, here.latest):
            if _first_out(operations, outs[enqueue], True) > here.latest:
                yield empty, enqueue
        for dequeue in all_outs.invoked_in(-inf, here.latest):
            enqueue = enqueue_of[dequeue]
            if operations[enqueue].latest < here.invoked and len(outs[enqueue]) == 1:
                yield dequeue, empty


class _Timeline:
    """Some operations by when they were invoked and when they completed, to find those near a position.

    Each answer is cut off at :data:`_PAIR_COUNT`.
    """

    def __init__(self, operations: Sequence[Operation], indices: Iterable[int]) -> None:
        self._by_invocation = sorted(indices, key=lambda index: operations[index].invoked)
        self._invoked = [operations[index].invoked for index in self._by_invocation]
        completed = (index for index in self._by_invocation if operations[index].latest < inf)
        self._by_completion = sorted(completed, key=lambda index: operations[index].latest)
        self._completed = [operations[index].latest for index in self._by_completion]

    def invoked_in(self, after: float, until: float, but: Container[int | None] = ()) -> Iterator[int]:
        """Return operations invoked in (after, until] that are not in `but`, those invoked last first."""
        found = self._by_invocation[bisect_right(self._invoked, after) : bisect_right(self._invoked, until)]
        return islice((index for index in reversed(found) if index not in but), _PAIR_COUNT)

    def completed_in(self, since: float, before: float, but: Container[int | None] = ()) -> Iterator[int]:
        """Return operations that are OK, completed in [since, before) and not in `but`, the first of them first."""
        found = self._by_completion[bisect_left(self._completed, since) : bisect_left(self._completed, before)]
        return islice((index for index in found if index not in but), _PAIR_COUNT)
