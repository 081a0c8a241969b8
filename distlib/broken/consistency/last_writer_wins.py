"""Replicas with one mistake each; :mod:`distlib.protocols.consistency.last_writer_wins` has none of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from distlib.node import Table, entry, with_entry
from distlib.protocols.consistency.last_writer_wins import Dot, KeepsSiblings

__all__ = ["KeepsWhatWasReplaced", "NumbersWithoutDots"]


@dataclass(frozen=True)
class NumbersWithoutDots(KeepsSiblings):
    """Stamps a write with the client's context plus one: a version vector without dots.

    A second writer that has seen as little as the first gets the next number of the same replica, which looks as if it
    had seen the first.
    """

    def putting(self, value: int, context: Table[str, int]) -> Self:
        number = (entry(self.seen, self.name) or 0) + 1
        return super().putting(value, with_entry(context, self.name, number - 1))


@dataclass(frozen=True)
class KeepsWhatWasReplaced(KeepsSiblings):
    """Merges by keeping all values of both sides: what was replaced comes back."""

    def merging(self, seen: Table[str, int], siblings: Table[Dot, int]) -> Self:
        merged = super().merging(seen, siblings)
        both = {**dict(self.siblings), **dict(siblings)}
        return replace(merged, siblings=tuple(sorted(both.items())))
