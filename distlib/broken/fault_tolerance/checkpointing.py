"""A worker with a mistake; :mod:`distlib.protocols.fault_tolerance.checkpointing` does not make it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from distlib.node import Effects, Save, Step
from distlib.protocols.fault_tolerance.checkpointing import Dump, Progress, Worker

__all__ = ["SavesInTwoSteps"]


@dataclass(frozen=True)
class SavesInTwoSteps(Worker):
    """Saves the number of segments first and the state behind it: two saves, and a crash may fall between them."""

    older: int = 1

    def keep(self) -> Step[Self]:
        node, effects = super().keep()
        return replace(node, older=self.progress.state), effects

    def save(self) -> Effects:
        half = Dump(Progress(self.saved.local.done, self.older), self.saved.remote)
        return (Save(half), *super().save())
