"""Deterministic ordering with one mistake each; the protocol's own module has none of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

from distlib.broken.durability import SendsBeforeSaving
from distlib.node import Step, entry, with_entry
from distlib.protocols.transactions.deterministic_ordering import (
    Account,
    Batch,
    Partition,
    Sequencer,
    Transaction,
)

__all__ = ["ArrivalOrderPartition", "HastySequencer", "HurriedPartition", "ImpatientPartition", "LonelyPartition"]


@dataclass(frozen=True)
class HastySequencer(SendsBeforeSaving, Sequencer):
    """Sends a batch before it is in the log: after a crash, another batch may get the same place."""


@dataclass(frozen=True)
class ArrivalOrderPartition(Partition):
    """Takes batches as they come, without waiting for the turn of each."""

    def on_batch(self, message: Batch) -> Step[Self]:
        known = {name for name, _ in self.sent} | {each.name for each in self.waiting}
        new = tuple(each for each in message.transactions if each.name not in known)
        if not new:
            return super().on_batch(message)
        early = with_entry((), self.epoch + 1, new)
        return replace(self, early=early).advance()


@dataclass(frozen=True)
class HurriedPartition(ArrivalOrderPartition):
    """Takes batches as they come, and each transaction as soon as its parts are here, whatever waits before it."""

    def unlocked(self) -> Iterator[Transaction]:
        yield from self.waiting


@dataclass(frozen=True)
class ImpatientPartition(Partition):
    """Aborts, by its own clock, the transaction that has waited longest for the reads of others."""

    def on_timer(self, name: str) -> Step[Self]:
        if not self.waiting:
            return super().on_timer(name)
        return replace(self, waiting=self.waiting[1:]).advance()


@dataclass(frozen=True)
class LonelyPartition(Partition):
    """Judges whether a transaction is possible by its own part of it, without waiting for that of others."""

    def values_for(self, transaction: Transaction) -> dict[str, Account] | None:
        plenty = Account(1_000_000)
        values = {name: plenty for name in transaction.amounts}
        return values | dict(entry(self.sent, transaction.name) or ())
