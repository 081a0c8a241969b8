"""Sagas with one mistake each; :mod:`distlib.protocols.transactions.saga` has none of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from distlib.broken.durability import SendsBeforeSaving
from distlib.node import Save, Send, Step, entry, without_entry
from distlib.protocols.transactions.saga import (
    Answer,
    Do,
    Orchestrator,
    Participant,
    StepRecord,
    StepState,
    Undo,
)

__all__ = [
    "AnxiousParticipant",
    "ForgetfulParticipant",
    "HastyOrchestrator",
    "NaiveParticipant",
    "ParticipantWithoutOutbox",
    "ParticipantWithoutTombstones",
]


@dataclass(frozen=True)
class HastyOrchestrator(SendsBeforeSaving, Orchestrator):
    """Tells a participant what to do before it has saved that it will: a crash between the two loses the saga."""


@dataclass(frozen=True)
class ParticipantWithoutOutbox(Participant):
    """Saves the booking and knows a copy of a request when it sees one, but does not keep the answer."""

    def on_do(self, source: str, message: Do) -> Step[Self]:
        if entry(self.log.inbox, (message.saga, message.number)) is not None:
            return self, ()
        return super().on_do(source, message)

    def conclude(self, source: str, step: tuple[str, int], record: StepRecord) -> Step[Self]:
        node, effects = super().conclude(source, step, record)
        node = replace(node, log=replace(node.log, outbox=()))
        return node, (Save(node.log), effects[1])


@dataclass(frozen=True)
class NaiveParticipant(Participant):
    """Carries out every request that it gets, also the second copy of one."""

    def on_do(self, source: str, message: Do) -> Step[Self]:
        step = (message.saga, message.number)
        record = entry(self.log.inbox, step)
        if record is None or record.state is not StepState.DONE:
            return super().on_do(source, message)
        forgetful = replace(self, log=replace(self.log, inbox=without_entry(self.log.inbox, step)))
        return Participant.on_do(forgetful, source, message)


@dataclass(frozen=True)
class ParticipantWithoutTombstones(Participant):
    """Says of a step that it never saw that it is undone, and does not note it: the step may yet come."""

    def on_undo(self, source: str, message: Undo) -> Step[Self]:
        step = (message.saga, message.number)
        if entry(self.log.inbox, step) is None:
            return self, (Send(source, Answer(*step, StepState.UNDONE)),)
        return super().on_undo(source, message)


@dataclass(frozen=True)
class ForgetfulParticipant(Participant):
    """Refuses a step without noting that it did: a late copy of the request may be carried out after all."""

    def conclude(self, source: str, step: tuple[str, int], record: StepRecord) -> Step[Self]:
        if record.state is StepState.REFUSED:
            return self, (Send(source, Answer(*step, record.state)),)
        return super().conclude(source, step, record)


@dataclass(frozen=True)
class AnxiousParticipant(Participant):
    """Lets retriable steps, too, wait for the flags of other sagas to go."""

    def on_do(self, source: str, message: Do) -> Step[Self]:
        account = entry(self.log.accounts, message.account)
        known = entry(self.log.inbox, (message.saga, message.number))
        if message.retriable and known is None and account is not None and account.flags - {message.saga}:
            return self, ()
        return super().on_do(source, message)
