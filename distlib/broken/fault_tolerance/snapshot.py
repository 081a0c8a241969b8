"""Snapshots with one mistake each; :mod:`distlib.protocols.fault_tolerance.snapshot` has none of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from distlib.node import Send, Step
from distlib.protocols.fault_tolerance.snapshot import Branch, Marker, Transfer

__all__ = ["AsksAround", "ForgetsChannels", "PaysFirst"]


@dataclass(frozen=True)
class AsksAround(Branch):
    """The initiator asks every branch for its balance, and counts what comes in until the answer does.

    No markers between the others, so nobody sees what is on its way from one of them to another.
    """

    def on_marker(self, source: str, message: Marker) -> Step[Self]:
        if self.recorded is not None:
            return replace(self, open=self.open - {source}), ()
        node, _ = self.record(message.initiator)
        # The answer is a marker to the initiator and to nobody else.
        return replace(node, open=frozenset()), (Send(message.initiator, message),)


@dataclass(frozen=True)
class ForgetsChannels(Branch):
    """Sends all markers, and records what the branches hold but not what is on its way."""

    def on_transfer(self, source: str, message: Transfer) -> Step[Self]:
        return replace(self, balance=self.balance + message.amount), ()


@dataclass(frozen=True)
class PaysFirst(Branch):
    """Records its balance, and makes the payment that is due before it sends the markers."""

    def record(self, initiator: str) -> Step[Self]:
        node, markers = super().record(initiator)
        if not node.plan:
            return node, markers
        (target, amount), *rest = node.plan
        node, payment = replace(node, plan=tuple(rest)).pay(target, amount)
        return node, (*payment, *markers)

    def on_timer(self, name: str) -> Step[Self]:
        return super().on_timer(name) if name == "snapshot" or self.plan else (self, ())
