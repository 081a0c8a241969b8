"""Stores with one mistake each; :mod:`distlib.protocols.consistency.timestamp_ordering` has none of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from distlib.node import Save, Step
from distlib.protocols.consistency.timestamp_ordering import (
    Commit,
    Message,
    Read,
    Stamp,
    Store,
    Version,
)

__all__ = ["DropsBeforeItChecks", "ForgetsReaders", "RemembersReadersInMemory"]


@dataclass(frozen=True)
class ForgetsReaders(Store):
    """Notes who wrote a version, and not who read it."""

    def noting(self, key: str, version: Version, stamp: Stamp) -> Self:
        return self


@dataclass(frozen=True)
class DropsBeforeItChecks(Store):
    """Drops a write that comes after a later write, without asking whether somebody in between has read."""

    def conflict(self, message: Commit) -> Stamp | None:
        met = [self.version_for(key, message.stamp) for key, _ in message.writes]
        return max((version.read for version in met if version.written <= message.stamp < version.read), default=None)


@dataclass(frozen=True)
class RemembersReadersInMemory(Store):
    """Makes a read's stamp durable with the next write only: a crash forgets it."""

    def on_message(self, source: str, message: Message) -> Step[Self]:
        node, effects = super().on_message(source, message)
        if not isinstance(message, Read):
            return node, effects
        return node, tuple(effect for effect in effects if not isinstance(effect, Save))
