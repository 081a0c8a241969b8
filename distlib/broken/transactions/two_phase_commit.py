"""Two-phase commit with one mistake each; :mod:`distlib.protocols.transactions.two_phase_commit` has none of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from distlib.broken.durability import SendsBeforeSaving
from distlib.node import Save, Step, entry
from distlib.protocols.transactions.two_phase_commit import (
    Begin,
    Coordinator,
    Inquire,
    Participant,
    Prepare,
    State,
)

__all__ = [
    "CarelessParticipant",
    "CoordinatorWithoutEpochs",
    "ForgetfulParticipant",
    "HastyCoordinator",
    "ImpatientParticipant",
]


@dataclass(frozen=True)
class HastyCoordinator(SendsBeforeSaving, Coordinator):
    """Tells the decision before it has saved it: a crash between the two, and it decides again, otherwise."""


@dataclass(frozen=True)
class ForgetfulParticipant(Participant):
    """Votes yes without saving the vote: after a crash it knows nothing of its promise."""

    def vote(self, coordinator: str, request: Prepare) -> Step[Self]:
        node, effects = super().vote(coordinator, request)
        return node, tuple(effect for effect in effects if not isinstance(effect, Save))


@dataclass(frozen=True)
class CarelessParticipant(Participant):
    """Tells another participant of an abort that it may itself forget: a no that was not forced to disk."""

    def on_inquire(self, source: str, message: Inquire) -> Step[Self]:
        node, effects = super().on_inquire(source, message)
        record = entry(self.log.records, message.transaction)
        if record is None:
            return node, effects
        return node, tuple(effect for effect in effects if not isinstance(effect, Save))


@dataclass(frozen=True)
class ImpatientParticipant(Participant):
    """Aborts when no decision comes in time, though it has promised to commit."""

    def on_timer(self, name: tuple[str, str]) -> Step[Self]:
        kind, transaction = name
        record = entry(self.log.records, transaction)
        if kind == "lock" or record is None:
            return super().on_timer(name)
        node = self.recording(transaction, replace(record, state=State.ABORTED))
        return node, (Save(node.log),)


@dataclass(frozen=True)
class CoordinatorWithoutEpochs(Coordinator):
    """Begins whatever it does not know: even what it has presumed aborted before a crash."""

    def on_begin(self, source: str, message: Begin) -> Step[Self]:
        return super().on_begin(source, replace(message, epoch=self.log.epoch))
