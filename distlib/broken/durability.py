"""Mistakes about durability that any protocol can make: mix one in before the protocol's class.

>>> from distlib.protocols.transactions.two_phase_commit import Coordinator
>>> class HastyCoordinator(SendsBeforeSaving, Coordinator):
...     '''Tells the decision before it is durable.'''
"""

from __future__ import annotations

from typing import Any

from distlib.node import Effects, Node, Save, Send, Step

__all__ = ["SendsBeforeSaving"]


class _Altered(Node[Any, Any]):
    """Changes the effects of every step of the class that it is mixed into."""

    __slots__ = ()

    def _alter(self, effects: Effects) -> Effects:
        raise NotImplementedError

    def on_start(self, saved: Any) -> Step[Any]:
        node, effects = super().on_start(saved)  # type: ignore[safe-super] # the next class in the order has one
        return node, self._alter(effects)

    def on_message(self, source: str, message: Any) -> Step[Any]:
        node, effects = super().on_message(source, message)  # type: ignore[safe-super] # as above
        return node, self._alter(effects)

    def on_timer(self, name: Any) -> Step[Any]:
        node, effects = super().on_timer(name)
        return node, self._alter(effects)


class SendsBeforeSaving(_Altered):
    """Sends first and saves afterwards: a crash in between breaks a promise that others have heard."""

    __slots__ = ()

    def _alter(self, effects: Effects) -> Effects:
        return tuple(sorted(effects, key=lambda effect: (not isinstance(effect, Send), isinstance(effect, Save))))
