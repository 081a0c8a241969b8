"""Three-phase commit with one mistake each; :mod:`distlib.protocols.transactions.three_phase_commit` has none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from distlib.node import Step
from distlib.protocols.transactions.three_phase_commit import Coordinator, Participant, State

__all__ = [
    "DisloyalParticipant",
    "HastyCoordinator",
    "HastyLeader",
    "RejoiningParticipant",
    "SilentParticipant",
]


@dataclass(frozen=True)
class HastyCoordinator(Coordinator):
    """Commits right after it has told the precommit, without the acknowledgements: as if what is sent had arrived."""

    def precommit(self) -> Step[Self]:
        node, effects = super().precommit()
        node, more = node.decide(True, waits_for="acknowledgements")
        return node, effects + more


@dataclass(frozen=True)
class HastyLeader(Participant):
    """As the leader of a termination, commits at once when somebody is precommitted, though others are uncertain."""

    def terminate(self) -> Step[Self]:
        states = {state for _, state in self.reports}
        if State.PRECOMMITTED in states:
            return self.decide(True, announce=True)
        return super().terminate()


@dataclass(frozen=True)
class DisloyalParticipant(Participant):
    """Reports to a new leader, and still takes a precommit from the old one."""

    def obeys(self, source: str) -> bool:
        return not self.recovered


@dataclass(frozen=True)
class RejoiningParticipant(Participant):
    """After a crash it goes on from what is on its disk, instead of asking what was decided meanwhile."""

    def on_start(self, saved: State | None) -> Step[Self]:
        if saved is not State.UNCERTAIN:
            return super().on_start(saved)
        return replace(self, state=saved), (self.wait(),)


@dataclass(frozen=True)
class SilentParticipant(Participant):
    """Asked for an outcome that it does not know yet, it forgets that it was asked."""

    def on_inquire(self, source: str) -> Step[Self]:
        node, effects = super().on_inquire(source)
        return (node, effects) if effects else (self, ())
