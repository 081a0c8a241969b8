"""Single-decree Paxos with one mistake each; :mod:`distlib.protocols.consistency.paxos` has none of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from distlib.node import Save, Step
from distlib.protocols.consistency.paxos import Acceptor, Prepare, Proposer

__all__ = ["CountsHalf", "ForgetsItsPromise", "InsistsOnItsValue", "TakesTheFirstValue"]


@dataclass(frozen=True)
class ForgetsItsPromise(Acceptor):
    """Promises without saving the promise: after a crash it accepts what it had promised not to."""

    def on_prepare(self, source: str, message: Prepare) -> Step[Self]:
        node, effects = super().on_prepare(source, message)
        return node, tuple(effect for effect in effects if not isinstance(effect, Save))


@dataclass(frozen=True)
class InsistsOnItsValue(Proposer):
    """Proposes its own value, whatever the acceptors tell it."""

    def free_value(self) -> str:
        return self.value


@dataclass(frozen=True)
class TakesTheFirstValue(Proposer):
    """Takes the value of the lowest ballot that it is told of, instead of the highest."""

    def free_value(self) -> str:
        told = [promise.accepted for _, promise in self.promises if promise.accepted is not None]
        return min(told, key=lambda proposal: proposal.ballot).value if told else self.value


@dataclass(frozen=True)
class CountsHalf(Proposer):
    """Takes half of the acceptors for a quorum: of four, two and the other two do not meet."""

    def is_quorum(self, names: frozenset[str]) -> bool:
        return 2 * len(names) >= len(self.acceptors)
