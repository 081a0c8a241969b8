"""Primary and backup with one mistake each; :mod:`distlib.protocols.fault_tolerance.failover` has none of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from distlib.broken.durability import SendsBeforeSaving
from distlib.node import Send, Step, without_entry
from distlib.protocols.fault_tolerance.failover import Monitor, Reply, Request, Server, total_of

__all__ = [
    "ForgetsWhoAsked",
    "HastyMonitor",
    "HastyServer",
    "ImpatientPrimary",
    "LocalReader",
    "UnfencedServer",
]


@dataclass(frozen=True)
class UnfencedServer(Server):
    """Takes what any primary sends, also one that was deposed."""

    def accepts(self, epoch: int) -> bool:
        return True


@dataclass(frozen=True)
class ForgetsWhoAsked(Server):
    """Recognises only the requests that it took itself: what the primary knows of its clients is not replicated."""

    taken: frozenset[tuple[str, int]] = frozenset()

    def find(self, client: str, number: int) -> int | None:
        return super().find(client, number) if (client, number) in self.taken else None

    def on_request(self, client: str, request: Request) -> Step[Self]:
        node, effects = super().on_request(client, request)
        if not self.leads:
            return node, effects
        return replace(node, taken=node.taken | {(client, request.number)}), effects


@dataclass(frozen=True)
class ImpatientPrimary(Server):
    """Goes on alone when the backup is slow to confirm, without asking the monitor: "semi-synchronous"."""

    def on_timer(self, name: str) -> Step[Self]:
        node, effects = super().on_timer(name)
        if not self.leads:
            return node, effects
        for client, number in self.waiting:
            position = self.find(client, number)
            if position is not None:
                node = replace(node, waiting=without_entry(node.waiting, client))
                effects = (*effects, self.answer(client, number, position))
        return node, effects


@dataclass(frozen=True)
class LocalReader(Server):
    """Answers reads from its own copy, as long as it believes that it is the primary."""

    def on_request(self, client: str, request: Request) -> Step[Self]:
        if not self.leads or request.operation[0] != "read":
            return super().on_request(client, request)
        return self, (Send(client, Reply(request.number, total_of(self.state.log))),)


@dataclass(frozen=True)
class HastyMonitor(Monitor):
    """Promotes a backup that may still lack what the primary has answered."""

    def may_promote(self) -> bool:
        return True


@dataclass(frozen=True)
class HastyServer(SendsBeforeSaving, Server):
    """Tells first and saves afterwards."""
