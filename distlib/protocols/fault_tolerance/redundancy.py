"""Redundant parts under repair: parts that wear out, a supervisor that switches over, crews that repair.

Sources: Bouricius, Carter and Schneider, *Reliability Modeling Techniques for Self-Repairing Computer Systems* (ACM
National Conference 1969), for coverage; the machine repair problem of queueing theory, for crews.

Theory of operation
-------------------
Time passes in the links. An :class:`Echo` sends back what it gets: a :class:`Part` that is put to work sends it
:class:`Wear`, and has worn out when that comes back. So the law of the link from a part to the echo `use` is the law of
its life; that to the echo `shelf` is its life as a standby; those from the supervisor to the echoes `crew` and `switch`
are the laws of a repair and of a failover; that from a part to the echo `people` is how long it takes until somebody
notices without an alarm.

A part that fails at work raises an :class:`Alarm`, through the echo `alarm`. *Coverage* is the probability that this
gets through: the link to the echo may lose it. (A standby is looked at all the time; its alarm is never lost.) The
:class:`Supervisor` then sends the part to a crew, if one is free, and, if the part was at work, brings in a standby. A
failure without an alarm lasts until people notice and put all parts back to work.

Assumptions
-----------
The supervisor does not fail. Alarms and orders take no time, as the links are set; alarms may be lost, nothing else.
(Were an order quicker than an alarm, a standby that has failed would be put to work as if it were new.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, TypeAlias, assert_never

from distlib.node import Effects, Node, Send, Step, World

__all__ = [
    "Alarm",
    "Complaint",
    "Echo",
    "Message",
    "Part",
    "Place",
    "Repair",
    "Supervisor",
    "Switch",
    "Wear",
    "parts_at_work",
]


@dataclass(frozen=True)
class Wear:
    """Part to `use` or `shelf` and back: this life of mine is over when I get this."""

    life: int

    def __str__(self) -> str:
        return f"life {self.life}"


@dataclass(frozen=True)
class Alarm:
    """Part to `alarm` and back, then to the supervisor: this life of mine is over."""

    life: int

    def __str__(self) -> str:
        return "alarm"


@dataclass(frozen=True)
class Complaint:
    """Part to `people` and back, then to the supervisor: people have noticed that this life of mine is over."""

    life: int
    round: int

    def __str__(self) -> str:
        return "complaint"


@dataclass(frozen=True)
class Place:
    """Supervisor to part: you are as new; work, or stand by."""

    at_work: bool
    round: int

    def __str__(self) -> str:
        return "work" if self.at_work else "stand by"


@dataclass(frozen=True)
class Repair:
    """Supervisor to `crew` and back: this part is repaired when I get this."""

    part: str
    round: int

    def __str__(self) -> str:
        return f"repair {self.part}"


@dataclass(frozen=True)
class Switch:
    """Supervisor to `switch` and back: the standby is at work when I get this."""

    round: int

    def __str__(self) -> str:
        return "switch over"


Message: TypeAlias = Wear | Alarm | Complaint | Place | Repair | Switch


@dataclass(frozen=True)
class Echo(Node[Message, None]):
    """Sends back what it gets. The time it takes is that of the links."""

    def on_start(self, saved: None) -> Step[Self]:
        return self, ()

    def on_message(self, source: str, message: Message) -> Step[Self]:
        return self, (Send(source, message),)


@dataclass(frozen=True)
class Part(Node[Message, None]):
    """Works or stands by until it fails.

    Parameters
    ----------
    supervisor
        Whom it tells.
    shelf
        Whether it can fail as a standby.
    people
        Whether people notice after a while that it has failed.
    """

    supervisor: str = "supervisor"
    shelf: bool = True
    people: bool = False
    up: bool = False
    at_work: bool = False
    life: int = 0
    round: int = 0
    """That of the latest order, which a complaint goes with."""

    def on_start(self, saved: None) -> Step[Self]:
        return self, ()

    def on_message(self, source: str, message: Message) -> Step[Self]:
        match message:
            case Place():
                return self.begin(message)
            case Wear():
                return self.fail() if self.up and message.life == self.life else (self, ())
            case Complaint():
                noticed = not self.up and message.life == self.life
                return self, ((Send(self.supervisor, message),) if noticed else ())
            case Alarm():
                failed = not self.up and message.life == self.life
                return self, ((Send(self.supervisor, message),) if failed else ())
            case Repair() | Switch():
                return self, ()
            case _:
                assert_never(message)

    def begin(self, order: Place) -> Step[Self]:
        """Begin another life, or go on from the shelf to work."""
        node = replace(self, up=True, at_work=order.at_work, life=self.life + 1, round=order.round)
        wears = order.at_work or self.shelf
        return node, ((Send("use" if order.at_work else "shelf", Wear(node.life)),) if wears else ())

    def fail(self) -> Step[Self]:
        """Stop, and let it be known."""
        node = replace(self, up=False)
        noticed: Effects = (Send("people", Complaint(self.life, self.round)),) if self.people else ()
        return node, (Send("alarm" if self.at_work else self.supervisor, Alarm(self.life)), *noticed)


@dataclass(frozen=True)
class Supervisor(Node[Message, None]):
    """Keeps so many parts at work as are needed, and the crews busy.

    Parameters
    ----------
    parts
        Their names.
    needed
        How many work at a time; the others stand by. As many as there are parts: all work.
    crews
        How many parts are repaired at a time.
    start_over_below
        As soon as fewer parts than that work, all are as new: to see the time to the first outage again and again. 0:
        never.
    """

    parts: tuple[str, ...]
    needed: int
    crews: int
    start_over_below: int = 0
    at_work: tuple[str, ...] = ()
    standby: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    """In the order of their failures; the crews are at the first ones."""
    switching: bool = False
    round: int = 0
    """Counts how often people have put everything back to work: what was under way then does not count."""

    def on_start(self, saved: None) -> Step[Self]:
        return self.restore()

    def restore(self) -> Step[Self]:
        """Put all parts back to work, or on the shelf."""
        at_work, standby = self.parts[: self.needed], self.parts[self.needed :]
        node = replace(self, at_work=at_work, standby=standby, broken=(), switching=False, round=self.round + 1)
        return node, tuple(Send(part, Place(part in at_work, node.round)) for part in self.parts)

    def on_message(self, source: str, message: Message) -> Step[Self]:
        match message:
            case Alarm():
                return self.on_alarm(source)
            case Repair():
                return self.on_repaired(message.part) if message.round == self.round else (self, ())
            case Switch():
                return self.on_switched() if message.round == self.round else (self, ())
            case Complaint():
                known = source in self.broken or message.round < self.round
                return (self, ()) if known else self.restore()
            case Wear() | Place():
                return self, ()
            case _:
                assert_never(message)

    def on_alarm(self, part: str) -> Step[Self]:
        """Send the part to the crews, and bring in a standby if it was at work."""
        if part in self.broken:
            return self, ()
        node = replace(
            self,
            broken=(*self.broken, part),
            at_work=tuple(each for each in self.at_work if each != part),
            standby=tuple(each for each in self.standby if each != part),
        )
        if len(node.at_work) < self.start_over_below and not node.standby:
            return node.restore()
        repair: Effects = (Send("crew", Repair(part, self.round)),) if len(node.broken) <= self.crews else ()
        node, switch = node.switch()
        return node, (*repair, *switch)

    def on_repaired(self, part: str) -> Step[Self]:
        """Let the part stand by, or work if it is missed; and let the crew go on to the next."""
        waiting = self.broken[self.crews :]
        node = replace(self, broken=tuple(each for each in self.broken if each != part))
        following: Effects = (Send("crew", Repair(waiting[0], self.round)),) if waiting else ()
        # Where all parts work, and where nothing works, a part that is repaired works at once.
        if len(self.parts) == self.needed or not (self.at_work or self.switching):
            node = replace(node, at_work=(*self.at_work, part))
            return node, (Send(part, Place(True, self.round)), *following)
        node = replace(node, standby=(*self.standby, part))
        node, switch = node.switch()
        return node, (Send(part, Place(False, self.round)), *following, *switch)

    def switch(self) -> Step[Self]:
        """Begin a failover if a part is missed and another stands by."""
        if self.switching or len(self.at_work) >= self.needed or not self.standby:
            return self, ()
        return replace(self, switching=True), (Send("switch", Switch(self.round)),)

    def on_switched(self) -> Step[Self]:
        """Put a standby to work, if there still is one."""
        node = replace(self, switching=False)
        if not self.standby:
            return node, ()
        part, *rest = self.standby
        node = replace(node, at_work=(*self.at_work, part), standby=tuple(rest))
        return node, (Send(part, Place(True, self.round)),)


def parts_at_work(world: World) -> tuple[str, ...]:
    """Return the parts that are up and at work."""
    return tuple(
        name for name, node in sorted(world.nodes.items()) if isinstance(node, Part) and node.up and node.at_work
    )
