"""Checkpoints and message logging with one mistake each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from distlib.broken.durability import SendsBeforeSaving
from distlib.node import Step
from distlib.protocols.fault_tolerance.message_logging import Delivery, Worker
from distlib.protocols.fault_tolerance.recovery_points import Process, Work

__all__ = ["EagerWorker", "HastyWorker", "LateProcess", "UndeterminedWorker"]


@dataclass(frozen=True)
class LateProcess(Process):
    """Receives the message first and takes the induced checkpoint afterwards."""

    def on_work(self, source: str, message: Work) -> Step[Self]:
        node = self.receive(source)
        return node.take(message.index, induced=True) if message.index > self.index else (node, ())


@dataclass(frozen=True)
class HastyWorker(SendsBeforeSaving, Worker):
    """Sends the result before the determinant is on disk."""


@dataclass(frozen=True)
class UndeterminedWorker(Worker):
    """Its state depends on something that is not in the log: the number of the boot; elsewhere a clock or a die."""

    def next_state(self, state: int, delivery: Delivery) -> int:
        return super().next_state(state, delivery) + self.boot


@dataclass(frozen=True)
class EagerWorker(Worker):
    """Optimistic, and lets the output go with the result, before the determinant is on disk."""

    def on_input(self, delivery: Delivery) -> Step[Self]:
        node, effects = super().on_input(delivery)
        count = len(node.deliveries)
        return node.released_all(), (*effects, *node.outputs(count - 1, count))
