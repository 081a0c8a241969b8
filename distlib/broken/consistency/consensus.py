"""Raft with one mistake each; :mod:`distlib.protocols.consistency.consensus` has none of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from distlib.broken.durability import SendsBeforeSaving
from distlib.node import Effects, Save, Step, with_entry
from distlib.protocols.consistency.consensus import (
    Durable,
    Entry,
    Machine,
    Request,
    RequestVote,
    Server,
    Session,
)

__all__ = [
    "AcceptsAnyLog",
    "ChangesManyAtOnce",
    "CommitsByCounting",
    "ForgetsItsVote",
    "ReadsAlone",
    "ReadsTooSoon",
    "ReconfiguresTooSoon",
    "TellsBeforeSaving",
    "WithoutSessions",
]


@dataclass(frozen=True)
class CommitsByCounting(Server):
    """Commits whatever a majority has, also entries of earlier terms: figure 8 of the paper."""

    def may_commit(self, index: int) -> bool:
        return True


@dataclass(frozen=True)
class ForgetsItsVote(Server):
    """Saves its term and its log, but not its vote: after a crash it votes again in the same term."""

    def after(self, node: Self, effects: Effects) -> Step[Self]:
        node, effects = super().after(node, effects)
        return node, tuple(
            Save(replace(effect.value, voted_for=None))
            if isinstance(effect, Save) and isinstance(effect.value, Durable)
            else effect
            for effect in effects
        )


@dataclass(frozen=True)
class TellsBeforeSaving(SendsBeforeSaving, Server):
    """Sends first and saves afterwards: after a crash it has forgotten votes it gave and entries it confirmed."""


@dataclass(frozen=True)
class AcceptsAnyLog(Server):
    """Votes for any candidate of a new term, whatever the candidate's log lacks."""

    def is_up_to_date(self, message: RequestVote) -> bool:
        return True


@dataclass(frozen=True)
class WithoutSessions(Server):
    """Applies a request as often as it stands in the log, and takes each copy into the log."""

    def apply(self, machine: Machine, line: Entry) -> Machine:
        if not line.client:
            return machine
        after, result = machine.operate(line.operation)
        return replace(after, sessions=with_entry(machine.sessions, line.client, Session(line.serial, result)))

    def is_done(self, source: str, message: Request) -> bool:
        return False

    def has_taken(self, source: str, message: Request) -> bool:
        return False


@dataclass(frozen=True)
class ReadsAlone(Server):
    """Answers reads without asking whether it still leads."""

    def may_read(self, begun: int) -> bool:
        return self.is_current()


@dataclass(frozen=True)
class ReadsTooSoon(Server):
    """Answers reads before it has committed an entry of its own term: its machine may lag behind the last leader's."""

    def may_read(self, begun: int) -> bool:
        confirmed = frozenset(peer for peer, seen in self.progress if seen.round >= begun) | {self.name}
        return self.is_quorum(confirmed)


@dataclass(frozen=True)
class ReconfiguresTooSoon(Server):
    """Takes a change of members before it has committed an entry of its own term: Raft before July 2015."""

    def may_change_members(self, line: Entry) -> bool:
        index, members = self.disk.members_at(self.disk.last_index)
        return index <= self.commit_index and len(members ^ frozenset(map(str, line.operation[1:]))) == 1


@dataclass(frozen=True)
class ChangesManyAtOnce(Server):
    """Takes any new set of members in one step: a majority of the old ones and one of the new need not meet."""

    def may_change_members(self, line: Entry) -> bool:
        index, _ = self.disk.members_at(self.disk.last_index)
        return index <= self.commit_index and self.is_current()
