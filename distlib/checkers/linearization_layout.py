"""Lay out concurrent operations for a search: which may come next, and how to write down which have been taken.

Theory of operation
-------------------
**Required and optional.** An operation that is OK is required. One whose outcome is unknown is optional and has no
deadline. To explain a refutation, operations that are OK are made optional, too: these may be left out, but not
taken after their deadline, which is their completion.

**Forced order.** Pairs (i, j) from the model's `forced` narrow the intervals in which operations may take effect: i no
later than j, and j no earlier than i; and an optional i becomes required with j. Where the interval of a required
operation becomes empty, or pairs go round in a circle, there is no legal order, and no search is needed to see it. In
what remains, j waits for i.

**Positions and bits.** Sort the operations that have a deadline by it. A search is at the *position* of the first that
it has neither taken nor left out. The operations beyond it that were taken already are few: they are concurrent with
the one at the position. Each operation has a bit that is its own only while it is open, as a register allocator would
have it. So the set of all operations that were taken is a position and some bits, which together fit a machine word or
two, whatever the length of the history. The operations that may come next make up the *window* of the position.

**Alike.** Two operations that ask for the same, get the same and wait for the same can change places. So the one that
was invoked first goes first, provided that it does not complete last. Among those without a deadline this always
holds: what was taken of a *group* of them is its first so many.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from math import inf
from typing import Final, NamedTuple, TypeAlias

from distlib.checkers.budget import Budget
from distlib.checkers.forced_order import Pairs, Visits
from distlib.checkers.history import Operation
from distlib.checkers.sequential_models import Model
from distlib.node import Outcome

__all__ = ["Entry", "Group", "Layout", "Stay", "Wait", "Window", "lay_out"]

_OPERATION_BYTES: Final = 3000
"""What an operation takes here, on the high side: its interval, its entry, its places in tables."""
_PAIR_BYTES: Final = 100
_REFERENCE_BYTES: Final = 8
_BATCH_COUNT: Final = 1024
"""How many pairs are read between two looks at the budget."""


@dataclass
class _Interval:
    """When an operation may take effect, whether it must, and which others it is tied to (as positions in a list)."""

    index: int
    operation: Operation
    earliest: float
    latest: float
    required: bool
    before: set[int]
    after: set[int]


def lay_out(
    operations: Sequence[Operation], model: Model, budget: Budget, strict: Collection[int] | None = None
) -> Layout | None:
    """Return the layout of some operations on one object; None if what is forced shows that they have no legal order.

    Parameters
    ----------
    operations
        Sorted by invocation, none with the outcome FAIL.
    model
        The object.
    budget
        What its memory is taken off.
    strict
        Which of the operations that are OK are required, as indices; None for all.

    Raises
    ------
    BudgetExhaustedError
        If the budget is spent.
    """
    bytes_before = budget.byte_count
    budget.spend(byte_count=_OPERATION_BYTES * len(operations))
    intervals = [
        _Interval(index, operation, operation.invoked, operation.latest, required, set(), set())
        for index, operation in enumerate(operations)
        if (required := operation.outcome is Outcome.OK and (strict is None or index in strict))
        # What observes and need not be taken would change nothing.
        or not model.observes(operation.operation, operation.result)
    ]
    # The model is to assume no more of an optional operation than that it may take effect at some time.
    assumed = [one.operation if one.required else replace(one.operation, outcome=Outcome.UNKNOWN) for one in intervals]
    impossible = _tie(intervals, model.forced(assumed), budget)
    kept = _narrow(intervals, impossible)
    if kept is None:
        budget.byte_count = bytes_before
        return None
    layout = Layout([intervals[number] for number in kept], model, budget)
    layout.add_visits(model.visits(assumed), intervals, budget)
    layout.byte_count = bytes_before - budget.byte_count
    return layout


def _tie(intervals: Sequence[_Interval], pairs: Pairs, budget: Budget) -> set[int]:
    """Tie the intervals by the forced order. Return those operations that it says do not take effect."""
    impossible: set[int] = set()
    for count, (first, second) in enumerate(pairs):
        if first == second:
            impossible.add(second)
        else:
            intervals[second].before.add(first)
            intervals[first].after.add(second)
        if count % _BATCH_COUNT == 0:
            budget.spend(byte_count=_PAIR_BYTES * _BATCH_COUNT)
    return impossible


def _narrow(intervals: Sequence[_Interval], impossible: Collection[int]) -> list[int] | None:
    """Make the intervals as narrow as their ties say. Return the positions of those in which something can take effect.

    Return None if nothing can in one that is required. The ties of those returned are renumbered among themselves.
    """
    order = _topological_order(intervals, impossible)
    for number in reversed(order):
        for first in intervals[number].before if intervals[number].required else ():
            intervals[first].required = True
            intervals[first].latest = min(intervals[first].latest, intervals[number].latest)
    for number in order:
        for second in intervals[number].after:
            intervals[second].earliest = max(intervals[second].earliest, intervals[number].earliest)
    possible = {number for number in order if intervals[number].earliest <= intervals[number].latest}
    if any(interval.required and number not in possible for number, interval in enumerate(intervals)):
        return None
    kept = sorted(possible)
    renumbered = {old: new for new, old in enumerate(kept)}
    for number in kept:
        ties = intervals[number]
        ties.before = {renumbered[first] for first in ties.before if first in renumbered}
        ties.after = {renumbered[second] for second in ties.after if second in renumbered}
    return kept


def _topological_order(intervals: Sequence[_Interval], impossible: Collection[int]) -> list[int]:
    """Return the positions of the intervals so that each comes after those in its `before`.

    Left out is what cannot take effect: the `impossible`, what is on a circle, and what comes after any of them.
    """
    waiting = [len(interval.before) for interval in intervals]
    ready = deque(number for number, count in enumerate(waiting) if count == 0 and number not in impossible)
    order: list[int] = []
    while ready:
        order.append(ready.popleft())
        for second in intervals[order[-1]].after:
            waiting[second] -= 1
            if waiting[second] == 0 and second not in impossible:
                ready.append(second)
    return order


Wait: TypeAlias = tuple[tuple[int, int], ...]
"""What an operation waits for: pairs (position, bit), each satisfied once the position is behind or the bit is set."""


class Entry(NamedTuple):
    """An operation with a deadline; `member` is its index."""

    member: int
    bit: int
    kind: int
    wait: Wait


class Group(NamedTuple):
    """Optional operations without a deadline that are alike, in the order in which they are taken."""

    shift: int
    """Where its bits begin in `taken`."""
    mask: int
    kind: int
    wait: Wait
    members: tuple[int, ...]
    earliest: tuple[float, ...]


class Window(NamedTuple):
    """What may come next while the operation at some position is the first to complete."""

    latest: float
    """When that one completes."""
    observers: tuple[Entry, ...]
    required: tuple[Entry, ...]
    """Without the observers."""
    optional: tuple[Entry, ...]
    group_count: int
    """So many of the groups, which are sorted by `earliest`, have a member that is invoked by now."""


class Stay(NamedTuple):
    """What is demanded while the object is in a state that occurs only once."""

    needed: tuple[tuple[int, int, int], ...] = ()
    """The operations that must be taken before it is left, each as (index, position, bit)."""
    exits: frozenset[int] | None = None
    """The indices of the only operations that may leave it; None for any."""


class Layout:
    """The windows of all positions, and the bits that a configuration is made of.

    Attributes
    ----------
    windows
        By position, up to the last required operation.
    closing
        By position: the bit of the operation that completes there, and whether it is required.
    groups
        The operations without a deadline.
    kinds
        The distinct pairs of an operation and a result.
    stays
        By state, for some of those that occur only once: what is demanded while in it.
    slot_count
        How many bits the required operations use.
    byte_count
        How much memory it takes, which has been taken off the budget.
    """

    def __init__(self, intervals: Sequence[_Interval], model: Model, budget: Budget) -> None:
        self._intervals = intervals
        numbers: dict[tuple[Hashable, Hashable], int] = {}
        for interval in intervals:
            numbers.setdefault((interval.operation.operation, interval.operation.result), len(numbers))
        self.kinds = list(numbers)
        self._kind = [numbers[one.operation.operation, one.operation.result] for one in intervals]
        self._observes = [model.observes(*self.kinds[kind]) for kind in self._kind]
        ending = [number for number, interval in enumerate(intervals) if interval.latest < inf]
        ending.sort(key=lambda number: intervals[number].latest)
        # A deadline after the last required operation is none, for by then the search has succeeded.
        while ending and not intervals[ending[-1]].required:
            intervals[ending.pop()].latest = inf
        self._ending = ending
        self._position = {number: position for position, number in enumerate(ending)}
        opening = self._opening()
        self._bit, self.slot_count = self._slots(opening)
        self._wait = self._waits()
        self.closing = [(self._bit[number], intervals[number].required) for number in ending]
        self.groups = self._grouped()
        self.stays: dict[Hashable, Stay] = {}
        self.byte_count = 0
        self.windows = self._windows(opening, budget)

    def add_visits(self, visits: Visits, tied: Sequence[_Interval], budget: Budget) -> None:
        """Take over what is demanded while in some states, by operations that are positions in `tied`."""
        places = {
            interval.index: (interval.index, self._position[number], self._bit[number])
            for number, interval in enumerate(self._intervals)
            if interval.required
        }
        for state, visit in visits.items():
            needed = tuple(places[tied[number].index] for number in visit.needed if tied[number].required)
            exits = None if visit.exits is None else frozenset(tied[number].index for number in visit.exits)
            self.stays[state] = Stay(needed, exits)
            budget.spend(byte_count=sys.getsizeof(state))

    def _opening(self) -> list[list[int]]:
        """Return by position the operations with a deadline that become possible there."""
        order = sorted(self._position, key=lambda number: self._intervals[number].earliest)
        opening: list[list[int]] = []
        begin = end = 0
        for number in self._ending:
            while end < len(order) and self._intervals[order[end]].earliest <= self._intervals[number].latest:
                end += 1
            opening.append(order[begin:end])
            begin = end
        return opening

    def _slots(self, opening: Sequence[Sequence[int]]) -> tuple[dict[int, int], int]:
        """Return a bit for each operation with a deadline, its own while it is open; and how many the required use."""
        bit: dict[int, int] = {}
        # Required operations have their bits in one number; optional ones have theirs in another, after the groups.
        used = {True: 0, False: sum(interval.latest == inf for interval in self._intervals)}
        free: dict[bool, list[int]] = {True: [], False: []}
        for number, opened in zip(self._ending, opening, strict=True):
            for one in opened:
                required = self._intervals[one].required
                if not free[required]:
                    free[required].append(used[required])
                    used[required] += 1
                bit[one] = 1 << heappop(free[required])
            heappush(free[self._intervals[number].required], bit[number].bit_length() - 1)
        return bit, used[True]

    def _waits(self) -> list[Wait]:
        """Return what each operation waits for: required ones that it is tied to, and one that it is like."""
        first_of_two: dict[int, int] = {}
        latest_alike: dict[Hashable, int] = {}
        for number in sorted(self._position, key=lambda one: (self._intervals[one].earliest, self._position[one])):
            if self._intervals[number].required and not self._observes[number]:
                alike = self._alike(number)
                other = latest_alike.setdefault(alike, number)
                if self._position[other] < self._position[number]:
                    first_of_two[number] = other
                    latest_alike[alike] = number
        return [
            tuple(
                (self._position[first], self._bit[first])
                for first in sorted({*interval.before, first_of_two.get(number, number)} - {number})
                # Where the other completes before this one is possible, the windows see to it.
                if self._intervals[first].required and self._intervals[first].latest >= interval.earliest
            )
            for number, interval in enumerate(self._intervals)
        ]

    def _alike(self, number: int) -> Hashable:
        """Return what operations share that can change places: what they are, and what they are tied to."""
        interval = self._intervals[number]
        return self._kind[number], frozenset(interval.before), frozenset(interval.after)

    def _grouped(self) -> list[Group]:
        """Return the operations without a deadline, those together that are alike."""
        alike: dict[Hashable, list[int]] = {}
        for number in sorted(range(len(self._intervals)), key=lambda one: self._intervals[one].earliest):
            if self._intervals[number].latest == inf:
                alike.setdefault(self._alike(number), []).append(number)
        groups: list[Group] = []
        shift = 0
        for members in alike.values():
            indices = tuple(self._intervals[number].index for number in members)
            earliest = tuple(self._intervals[number].earliest for number in members)
            first = members[0]
            mask = (1 << len(members)) - 1
            groups.append(Group(shift, mask, self._kind[first], self._wait[first], indices, earliest))
            shift += len(members)
        return groups

    def _windows(self, opening: Sequence[Sequence[int]], budget: Budget) -> list[Window]:
        """Return the windows, each with its operations in the order of their deadlines."""
        entry = {
            number: Entry(self._intervals[number].index, self._bit[number], self._kind[number], self._wait[number])
            for number in self._ending
        }
        windows: list[Window] = []
        is_open: list[int] = []
        group_count = 0
        for position, number in enumerate(self._ending):
            latest = self._intervals[number].latest
            is_open = sorted([*is_open, *opening[position]], key=self._position.__getitem__)
            while group_count < len(self.groups) and self.groups[group_count].earliest[0] <= latest:
                group_count += 1
            required = [one for one in is_open if self._intervals[one].required]
            windows.append(
                Window(
                    latest,
                    tuple(entry[one] for one in required if self._observes[one]),
                    tuple(entry[one] for one in required if not self._observes[one]),
                    tuple(entry[one] for one in is_open if not self._intervals[one].required),
                    group_count,
                )
            )
            budget.spend(byte_count=_REFERENCE_BYTES * len(is_open))
            is_open.remove(number)
        return windows
