"""Leases with one mistake each; :mod:`distlib.protocols.consistency.lease` has none of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from distlib.node import Step
from distlib.protocols.consistency.lease import Holder, Message, Read, Resource

__all__ = ["CountsFromTheAnswer", "FencesOnlyWrites", "GuilelessResource", "TrustsItsClock"]


@dataclass(frozen=True)
class CountsFromTheAnswer(Holder):
    """Relies on the lease from when it hears of it, though the promise began before that."""

    def on_clock(self, name: Any, reading_seconds: float) -> Step[Self]:
        if name == "asked":
            return super().on_clock(name, reading_seconds)
        return self.rely(name[1], self.usable_seconds)


@dataclass(frozen=True)
class TrustsItsClock(Holder):
    """Relies on the lease for as long as it was given, as if its clock and the grantor's ran alike."""

    @property
    def usable_seconds(self) -> float:
        return self.lease_seconds


@dataclass(frozen=True)
class GuilelessResource(Resource):
    """Looks at no token: whoever writes has the lease, it thinks."""

    def seeing(self, token: int) -> Self | None:
        return self


@dataclass(frozen=True)
class FencesOnlyWrites(Resource):
    """Checks the token of a write, and notes none of a read: a late write may slip in between."""

    def on_message(self, source: str, message: Message) -> Step[Self]:
        node, effects = super().on_message(source, message)
        return (replace(node, highest=self.highest), effects) if isinstance(message, Read) else (node, effects)
