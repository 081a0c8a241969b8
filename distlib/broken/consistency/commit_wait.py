"""Leaders that save on their wait; :mod:`distlib.protocols.consistency.commit_wait` does not."""

from __future__ import annotations

from dataclasses import dataclass

from distlib.protocols.consistency.commit_wait import Leader

__all__ = ["StampsWithItsReading", "WaitsForItsReading", "WaitsForNothing"]


@dataclass(frozen=True)
class WaitsForNothing(Leader):
    """Shows a write at once."""

    def remaining_seconds(self, stamp: float, reading_seconds: float) -> float:
        return -1.0


@dataclass(frozen=True)
class WaitsForItsReading(Leader):
    """Waits until its own clock has passed the stamp: half as long as it takes."""

    def remaining_seconds(self, stamp: float, reading_seconds: float) -> float:
        return stamp - reading_seconds


@dataclass(frozen=True)
class StampsWithItsReading(Leader):
    """Chooses what its clock shows, not the latest that it may be, and waits until that has passed for certain."""

    def choose(self, reading_seconds: float) -> float:
        return reading_seconds
