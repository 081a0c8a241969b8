"""A hybrid logical clock: a Lamport clock that stays close to physical time.

Source: Kulkarni, Demirbas, Madappa, Avva and Leone, *Logical Physical Clocks* (OPODIS 2014), figure 5.

Theory of operation
-------------------
A stamp is a pair (l, c). The *logical time* l is the largest physical reading that this event has heard of: its own
node's, or one that came with a message. Where that does not grow from one event to the next, the *counter* c tells them
apart. Pairs are compared like words in a dictionary.

- At an event with the reading p: l becomes max(l, p). If it grew, c is 0; if not, c is one more.
- At the arrival of (m, d): l becomes max(l, m, p). If that is the old l and m, c is one more than the larger counter;
  if it is one of the two, one more than the counter of that one; if it is p alone, 0.

So whatever happened before has the smaller pair, as with a Lamport clock. And l is never below the own reading, nor
above the largest reading of any node, so it can stand where software expects a time.

Assumptions
-----------
None for the clock condition: physical clocks may be wrong, stand still, or jump. If no two of them ever differ by more
than E, then l is at most E above the own reading. One clock that is far ahead breaks that for everyone it reaches, and
for good: so a stamp that is more than `largest_lead` ahead is refused, if that is given.

Left out: packing both numbers into 64 bits, 48 of them for l.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self, TypeAlias

from distlib.node import World

__all__ = ["HybridClock", "Stamp", "counter_within", "lead_ticks", "never_above", "never_behind_its_reading"]

Stamp: TypeAlias = tuple[int, int]
"""(l, c): the logical time in ticks, and the counter."""


@dataclass(frozen=True)
class HybridClock:
    """The pair (l, c) of the latest event, and the reading of that event.

    Parameters
    ----------
    name
        The node's.
    tick_seconds
        How fine the physical clock is: readings are whole numbers of it, rounded down.
    largest_lead
        By how many ticks a stamp that comes in may be ahead of the own reading; None: by any number.
    """

    name: str
    tick_seconds: float = 1e-6
    largest_lead: int | None = None
    time: int = 0
    counter: int = 0
    reading: int = 0

    @property
    def stamp(self) -> Stamp:
        return (self.time, self.counter)

    def ticks(self, reading_seconds: float) -> int:
        """Return a reading in whole ticks."""
        return math.floor(reading_seconds / self.tick_seconds)

    def tick(self, reading_seconds: float = 0.0) -> Self:
        reading = self.ticks(reading_seconds)
        time = max(self.time, reading)
        counter = self.counter + 1 if time == self.time else 0
        return replace(self, time=time, counter=counter, reading=reading)

    def receive(self, stamp: Stamp, reading_seconds: float = 0.0) -> Self:
        if self.is_too_far_ahead(stamp, reading_seconds):
            return self.tick(reading_seconds)
        reading = self.ticks(reading_seconds)
        time = max(self.time, stamp[0], reading)
        counters = [counter for known, counter in (self.stamp, stamp) if known == time]
        return replace(self, time=time, counter=max(counters, default=-1) + 1, reading=reading)

    def is_too_far_ahead(self, stamp: Stamp, reading_seconds: float) -> bool:
        """Whether a stamp can only come from a clock that is wrong."""
        return self.largest_lead is not None and stamp[0] - self.ticks(reading_seconds) > self.largest_lead

    @property
    def lead(self) -> int:
        """By how many ticks l is above the reading, at the latest event."""
        return self.time - self.reading


# -------------------------------------------------------------------------------------------------------- invariants


class _Carrier(Protocol):
    """A node with clocks, such as a process."""

    @property
    def clocks(self) -> tuple[Hashable, ...]: ...


def lead_ticks(world: World) -> list[int]:
    """Return by how much the l of each hybrid clock is above the reading of its latest event, in ticks."""
    return [clock.lead for clock in _clocks(world)]


def never_behind_its_reading(world: World) -> bool:
    """Whether no hybrid clock is behind what its node's physical clock showed last."""
    return all(lead >= 0 for lead in lead_ticks(world))


def never_above(largest_reading: int) -> Any:
    """Return an invariant: no hybrid clock is above the largest reading that there was, in ticks."""

    def never_above(world: World) -> bool:
        return all(clock.time <= largest_reading for clock in _clocks(world))

    return never_above


def counter_within(bound: int) -> Any:
    """Return an invariant: no counter is above a bound."""

    def counter_within(world: World) -> bool:
        return all(clock.counter <= bound for clock in _clocks(world))

    return counter_within


def _clocks(world: World) -> list[HybridClock]:
    carriers: list[Any] = [node for node in world.nodes.values() if hasattr(node, "clocks")]
    return [clock for node in carriers for clock in node.clocks if isinstance(clock, HybridClock)]
