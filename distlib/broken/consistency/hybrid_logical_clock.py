"""Hybrid clocks with one mistake each; :mod:`distlib.protocols.consistency.hybrid_logical_clock` has none of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from distlib.protocols.consistency.hybrid_logical_clock import HybridClock, Stamp

__all__ = ["RestartsTheCounter", "TrustsOnlyTheHardware"]


@dataclass(frozen=True)
class RestartsTheCounter(HybridClock):
    """Starts counting at 0 whenever a message comes in with a larger l."""

    def receive(self, stamp: Stamp, reading_seconds: float = 0.0) -> Self:
        clock = super().receive(stamp, reading_seconds)
        return replace(clock, counter=0) if clock.time > self.time else clock


@dataclass(frozen=True)
class TrustsOnlyTheHardware(HybridClock):
    """Takes its l from its own reading, and ignores what comes in."""

    def receive(self, stamp: Stamp, reading_seconds: float = 0.0) -> Self:
        return self.tick(reading_seconds)
