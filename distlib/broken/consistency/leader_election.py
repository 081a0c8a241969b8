"""Raft's election with one mistake each; :mod:`distlib.protocols.consistency.leader_election` has none of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from distlib.broken.durability import SendsBeforeSaving
from distlib.node import Step
from distlib.protocols.consistency.leader_election import Ballot, Role, Server, Vote, majority

__all__ = ["CredulousServer", "ForgetfulServer", "HastyServer", "LiveMajorityServer"]


@dataclass(frozen=True)
class ForgetfulServer(Server):
    """Remembers its term over a crash, but not for whom it voted: it votes twice in a term."""

    def on_start(self, saved: Ballot | None) -> Step[Self]:
        return super().on_start(saved and Ballot(saved.term))


@dataclass(frozen=True)
class HastyServer(SendsBeforeSaving, Server):
    """Tells its vote before it has saved it: a crash between the two, and it votes again."""


@dataclass(frozen=True)
class CredulousServer(Server):
    """Counts a vote whatever its term: a late one of an earlier election makes it the leader of this one."""

    def on_vote(self, source: str, message: Vote) -> Step[Self]:
        return super().on_vote(source, replace(message, term=max(message.term, self.term)))


@dataclass(frozen=True)
class LiveMajorityServer(Server):
    """Takes whoever did not answer in time for dead, and is content with a majority of the others."""

    heard: frozenset[str] = frozenset()

    def on_vote(self, source: str, message: Vote) -> Step[Self]:
        node, effects = super().on_vote(source, message)
        return replace(node, heard=node.heard | {source}), effects

    def on_timer(self, name: str) -> Step[Self]:
        content = len(self.granted) >= majority(len(self.heard | {self.name}))
        if name == "election" and self.role is Role.CANDIDATE and content:
            return self.lead()
        return super().on_timer(name)
