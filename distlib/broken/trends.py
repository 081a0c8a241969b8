"""The ring, the counter and the upload with one mistake each; :mod:`distlib.protocols.trends` has none of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from distlib.broken.durability import SendsBeforeSaving
from distlib.node import Complete, Save, Send, Step, entry, with_entry
from distlib.protocols.trends import Chunk, Counts, Device, Gateway, RingWorker

__all__ = ["AddingDevice", "ForgetfulDevice", "HastyGateway", "HastyRingWorker"]


@dataclass(frozen=True)
class HastyRingWorker(RingWorker):
    """Takes whatever comes as what it waits for: a copy of an earlier chunk goes into the sum."""

    def on_message(self, source: str, message: Chunk) -> Step[Self]:
        if self.is_done:
            return self, ()
        node = self.take(message.number)
        effects: tuple[Send | Complete, ...] = (Complete(),) if node.is_done else (node.sending(),)
        return node, effects


@dataclass(frozen=True)
class AddingDevice(Device):
    """Adds what others tell to what it knows: whoever is heard twice is counted twice."""

    def on_message(self, source: str, message: Counts) -> Step[Self]:
        counts = self.counts
        for name, count in message.counts:
            if name != self.name:
                counts = with_entry(counts, name, count + (entry(counts, name) or 0))
        if counts == self.counts:
            return self, ()
        return replace(self, counts=counts), (Save(counts),)


@dataclass(frozen=True)
class ForgetfulDevice(Device):
    """Does not put its own count on disk before it tells: after a crash others know of more than it does."""

    def count(self) -> Step[Self]:
        node, effects = super().count()
        return node, tuple(effect for effect in effects if not isinstance(effect, Save))


class HastyGateway(SendsBeforeSaving, Gateway):
    """Acknowledges first, and saves afterwards: a crash in between loses what the sensor has forgotten."""
