"""Logical clocks with one mistake each; :mod:`distlib.protocols.consistency.timestamps` has none of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from distlib.node import Step, Table
from distlib.protocols.consistency.timestamps import LamportClock, Process, VectorClock

__all__ = ["CountsOnlyItsOwn", "ForgetsItsClock", "MergesWithoutTicking", "ReceivesWithoutListening"]


@dataclass(frozen=True)
class ReceivesWithoutListening(LamportClock):
    """Ticks when a message comes in, and does not look at its stamp."""

    def receive(self, stamp: tuple[int, str], reading_seconds: float = 0.0) -> Self:
        return self.tick()


@dataclass(frozen=True)
class MergesWithoutTicking(LamportClock):
    """Takes the larger number, and does not go beyond it: the arrival has the number of the sending."""

    def receive(self, stamp: tuple[int, str], reading_seconds: float = 0.0) -> Self:
        return replace(self, time=max(self.time + 1, stamp[0]))


@dataclass(frozen=True)
class CountsOnlyItsOwn(VectorClock):
    """Takes from a message only the sender's largest entry, not what the sender had heard from others."""

    def receive(self, stamp: Table[str, int], reading_seconds: float = 0.0) -> Self:
        return super().receive(tuple(sorted(stamp, key=lambda pair: -pair[1])[:1]))


@dataclass(frozen=True)
class ForgetsItsClock(Process):
    """Starts its clock at 0 again after a crash, but for the causal history, which the clock is held to."""

    def on_start(self, saved: tuple[Any, ...] | None) -> Step[Self]:
        return super().on_start(None if saved is None else (*self.clocks[:-1], saved[-1]))
