"""Paxos Commit with one mistake each; :mod:`distlib.protocols.transactions.paxos_commit` has none of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from distlib.node import Effects, Save, Step
from distlib.protocols.transactions.paxos_commit import (
    Acceptor,
    AcceptorMessage,
    Leader,
    Promise,
    ResourceManager,
)

__all__ = ["AmnesiacAcceptor", "BlindLeader", "ForgetfulLeader", "ForgetfulManager"]


def _without_saves(effects: Effects) -> Effects:
    return tuple(effect for effect in effects if not isinstance(effect, Save))


@dataclass(frozen=True)
class AmnesiacAcceptor(Acceptor):
    """Keeps what it has accepted and promised in memory: a crash forgets both."""

    def on_message(self, source: str, message: AcceptorMessage) -> Step[Self]:
        node, effects = super().on_message(source, message)
        return node, _without_saves(effects)


@dataclass(frozen=True)
class BlindLeader(Leader):
    """Proposes "aborted" for all when it takes over, without regard to what acceptors have told it."""

    def on_promise(self, source: str, message: Promise) -> Step[Self]:
        return super().on_promise(source, replace(message, accepted=()))


@dataclass(frozen=True)
class ForgetfulLeader(Leader):
    """Does not note the number of its ballot: after a crash it begins another of the same number."""

    def lead(self) -> Step[Self]:
        node, effects = super().lead()
        return node, _without_saves(effects)


@dataclass(frozen=True)
class ForgetfulManager(ResourceManager):
    """Proposes "prepared" without a durable promise."""

    def on_prepare(self) -> Step[Self]:
        node, effects = super().on_prepare()
        return node, _without_saves(effects)
