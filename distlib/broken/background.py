"""The counter and its caller with one mistake each; :mod:`distlib.protocols.background` has none of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from distlib.broken.durability import SendsBeforeSaving
from distlib.node import Save, Send, Step
from distlib.protocols.background import Add, Caller, Counter, CounterLog, Total

__all__ = ["CarelessCaller", "CounterWithoutMemory", "ForgetfulCounter", "HastyCounter", "TwoWritesCounter"]


@dataclass(frozen=True)
class CounterWithoutMemory(Counter):
    """Carries out whatever comes: a call that is sent twice is added twice."""

    def on_message(self, source: str, message: Add) -> Step[Self]:
        return self.carry_out(source, message)


@dataclass(frozen=True)
class ForgetfulCounter(Counter):
    """Knows which calls it has carried out, but not on disk: after a crash it carries the last one out again."""

    def carry_out(self, source: str, message: Add) -> Step[Self]:
        node, _ = super().carry_out(source, message)
        total = node.log.total
        return node, (Save(CounterLog(total)), Send(source, Total(message.number, total)))


@dataclass(frozen=True)
class TwoWritesCounter(Counter):
    """Puts both on disk, the total first and the call afterwards: a crash in between leaves one without the other."""

    def carry_out(self, source: str, message: Add) -> Step[Self]:
        node, effects = super().carry_out(source, message)
        return node, (Save(CounterLog(node.log.total, self.log.last)), *effects)


class HastyCounter(SendsBeforeSaving, Counter):
    """Answers first, and saves afterwards: a crash in between loses what was acknowledged."""


@dataclass(frozen=True)
class CarelessCaller(Caller):
    """Does not remember how far it had come: after a crash it gives a new call the number of an old one."""

    def on_start(self, saved: int | None) -> Step[Self]:
        return replace(self, number=0).begin()
