"""Chang and Roberts' election on a ring: a probe that meets a higher number goes no further.

Sources: Chang and Roberts, *An Improved Algorithm for Decentralized Extrema-Finding in Circular Configurations of
Processes* (Communications of the ACM 22(5), 1979); with one starter, in the form of Coulouris, Dollimore, Kindberg and
Blair, *Distributed Systems: Concepts and Design*, 5th ed. (2012), section 15.3.

Theory of operation
-------------------
Each process has a number and can send to its neighbour on one side. A
starter sends a :class:`Probe` with its own number. A process passes on a probe with a number above its own. One
that meets a higher number is swallowed, and the process that swallowed it takes part with a probe of its own,
unless it takes part already. A process that gets its own number back has the highest one: nothing on the whole ring
stopped it. It sends one :class:`Elected` around.

Assumptions
-----------
The numbers differ, no process crashes, and the ring loses nothing. Messages of one link may even overtake each other,
and the highest still leads; but a probe that the announcement overtook starts another election. What an election costs
assumes that links keep their order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, TypeAlias, assert_never

from distlib.node import Node, Send, Step, World

__all__ = ["Elected", "Message", "Probe", "RingProcess", "all_know_the_highest", "leader_is_the_highest"]


@dataclass(frozen=True)
class Probe:
    """A number that looks for a higher one."""

    number: int

    def __str__(self) -> str:
        return f"{self.number}?"


@dataclass(frozen=True)
class Elected:
    """The highest number, for all to know."""

    number: int

    def __str__(self) -> str:
        return f"{self.number} leads"


Message: TypeAlias = Probe | Elected


@dataclass(frozen=True)
class RingProcess(Node[Message, None]):
    """One process of the ring.

    Parameters
    ----------
    number
        Its own; no two have the same.
    successor
        The name of its neighbour.
    initiates
        Whether it starts an election as soon as it boots.
    """

    number: int
    successor: str
    initiates: bool = False
    participates: bool = False
    leader: int | None = None

    def on_start(self, saved: None) -> Step[Self]:
        return self.take_part() if self.initiates else (self, ())

    def take_part(self) -> Step[Self]:
        """Send a probe of its own."""
        return replace(self, participates=True), (Send(self.successor, Probe(self.number)),)

    def on_message(self, source: str, message: Message) -> Step[Self]:
        match message:
            case Probe():
                return self.on_probe(message)
            case Elected():
                if message.number == self.number:
                    return self, ()
                return replace(self, leader=message.number, participates=False), (Send(self.successor, message),)
            case _:
                assert_never(message)

    def on_probe(self, message: Probe) -> Step[Self]:
        """Pass a higher number on, swallow a lower one, and win with one's own."""
        if message.number > self.number:
            return replace(self, participates=True), (Send(self.successor, message),)
        if message.number == self.number:
            return replace(self, leader=self.number, participates=False), (Send(self.successor, Elected(self.number)),)
        return (self, ()) if self.participates else self.take_part()


def _ring(world: World) -> list[RingProcess]:
    return [node for _, node in sorted(world.nodes.items()) if isinstance(node, RingProcess)]


def leader_is_the_highest(world: World) -> bool:
    """Whether nobody follows any other than the highest number."""
    ring = _ring(world)
    return {node.leader for node in ring} <= {None, max(node.number for node in ring)}


def all_know_the_highest(world: World) -> bool:
    """Whether every process knows the highest number to lead."""
    ring = _ring(world)
    return {node.leader for node in ring} == {max(node.number for node in ring)}
