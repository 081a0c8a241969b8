"""A lease with fencing tokens: a lock that expires by itself, and a resource that knows late writes.

Sources: Gray and Cheriton, *Leases: An Efficient Fault-Tolerant Mechanism for Distributed File Cache Consistency* (SOSP
1989), section 2, for leases; Burrows, *The Chubby Lock Service for Loosely-Coupled Distributed Systems* (OSDI 2006),
section 2.4, for sequencers, which are now called fencing tokens.

Theory of operation
-------------------
A :class:`Grantor` gives the lease to one holder at a time. It promises, for
`lease_seconds` of its own clock, to give it to nobody else, and numbers the holders: each new one gets a higher
*token*. The token is durable before it is given out. A grantor that restarts does not know to whom it has promised
what, so it waits for a whole lease before it promises anything.

A :class:`Holder` reads its clock when it *sends* a request, and relies on the lease until its clock shows
`usable_seconds` more: the lease, less what two clocks may drift apart meanwhile. It keeps a counter on a
:class:`Resource`: it reads the value, works on it, and writes the value plus one. A process can stand still for longer
than its lease and not know, and a message can be late; so a write may come in from a holder that is none any more. The
resource keeps the highest token that it has seen, *in a read or in a write*, and refuses lower ones.

Assumptions
-----------
Clocks run at rates within a known bound of the truth; what they show does not matter. That
no two nodes hold the lease at once needs that bound, and that no node stands still. That no update is lost needs
neither: it needs the tokens. Messages may be lost, delayed and reordered; a write that came twice would count
twice, so the network makes no copies.

Left out: more than one grantor. A leader that leads by the promises of a majority is the same with a majority of
grantors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias, assert_never

from distlib.node import CancelTimer, Node, ReadClock, Save, Send, SetTimer, Step, World

__all__ = [
    "Acquire",
    "Current",
    "Done",
    "Grant",
    "Grantor",
    "Holder",
    "Message",
    "Read",
    "Refused",
    "Resource",
    "Write",
    "no_lost_update",
    "one_holder",
]

# ---------------------------------------------------------------------------------------------------------- messages


@dataclass(frozen=True)
class Acquire:
    """Holder to grantor: give me the lease, or let me keep it."""

    number: int

    def __str__(self) -> str:
        return "lease?"


@dataclass(frozen=True)
class Grant:
    """Grantor to holder: it is yours, by this token; the number is that of the request."""

    number: int
    token: int

    def __str__(self) -> str:
        return f"yours, token {self.token}"


@dataclass(frozen=True)
class Read:
    """Holder to resource: tell me the value."""

    token: int

    def __str__(self) -> str:
        return f"read ({self.token})"


@dataclass(frozen=True)
class Current:
    """Resource to holder: the value, for this token."""

    token: int
    value: int

    def __str__(self) -> str:
        return f"it is {self.value}"


@dataclass(frozen=True)
class Write:
    """Holder to resource: set the value."""

    token: int
    value: int

    def __str__(self) -> str:
        return f"write {self.value} ({self.token})"


@dataclass(frozen=True)
class Done:
    """Resource to holder: it is written."""

    token: int

    def __str__(self) -> str:
        return "done"


@dataclass(frozen=True)
class Refused:
    """Resource to holder: I have seen a higher token than yours."""

    token: int

    def __str__(self) -> str:
        return "refused"


Message: TypeAlias = Acquire | Grant | Read | Current | Write | Done | Refused


# ----------------------------------------------------------------------------------------------------------- grantor


@dataclass(frozen=True)
class Grantor(Node[Message, int]):
    """Gives the lease to one holder at a time. Durable is the highest token that it may have given out.

    Parameters
    ----------
    lease_seconds
        For how long it promises, on its own clock.
    """

    lease_seconds: float = 10.0
    token: int = 0
    holder: str | None = None
    """To whom it has promised; "?" if it does not know."""

    def on_start(self, saved: int | None) -> Step[Self]:
        if saved is None:
            return self, ()
        return replace(self, token=saved, holder="?"), (self.lease(),)

    def lease(self) -> SetTimer:
        """Return the timer of a promise."""
        return SetTimer("lease", (self.lease_seconds, self.lease_seconds))

    def on_message(self, source: str, message: Message) -> Step[Self]:
        if not isinstance(message, Acquire) or self.holder not in (None, source):
            return self, ()
        if self.holder == source:
            return self, (self.lease(), Send(source, Grant(message.number, self.token)))
        node = replace(self, holder=source, token=self.token + 1)
        return node, (Save(node.token), self.lease(), Send(source, Grant(message.number, node.token)))

    def on_timer(self, name: str) -> Step[Self]:
        return replace(self, holder=None), ()


# ------------------------------------------------------------------------------------------------------------ holder


@dataclass(frozen=True)
class Holder(Node[Message, None]):
    """Gets the lease, keeps it, and counts up under it.

    Parameters
    ----------
    grantor, resource
        Whom it asks, and where the counter is.
    lease_seconds
        For how long the grantor promises, on the grantor's clock.
    drift
        By what share any clock may run too fast or too slow, at most; in [0, 1).
    start_seconds
        When it asks first.
    ask_seconds
        How long after a request it makes the next one.
    asks_at_most
        How many requests it makes; None: it never stops.
    updates
        How many times it counts up in all.
    work_seconds
        How long it works on a value before it writes.
    """

    grantor: str
    resource: str
    lease_seconds: float = 10.0
    drift: float = 0.0
    start_seconds: float = 0.0
    ask_seconds: float = 3.0
    asks_at_most: int | None = None
    updates: int = 1
    work_seconds: float = 1.0
    number: int = 0
    """Of its latest request."""
    asked_seconds: float = 0.0
    """What its clock showed when it sent that."""
    holds: bool = False
    token: int = 0
    value: int | None = None
    """What it has read and works on."""
    refusals: int = 0

    @property
    def usable_seconds(self) -> float:
        """How long it relies on the lease: on its own clock, from the sending of the request on."""
        return self.lease_seconds * (1 - self.drift) / (1 + self.drift)

    def on_start(self, saved: None) -> Step[Self]:
        return self, (SetTimer("ask", (self.start_seconds, self.start_seconds)),)

    def on_message(self, source: str, message: Message) -> Step[Self]:
        match message:
            case Grant():
                if message.number != self.number:
                    return self, ()
                return self, (ReadClock(("granted", message.token)),)
            case Current():
                return self.on_current(message)
            case Done():
                return self.on_done(message)
            case Refused():
                if message.token != self.token:
                    return self, ()
                node = replace(self, holds=False, value=None, refusals=self.refusals + 1)
                return node, (CancelTimer("expire"), CancelTimer("work"))
            case Acquire() | Read() | Write():
                return self, ()
            case _:
                assert_never(message)

    def on_timer(self, name: str) -> Step[Self]:
        if name == "ask":
            return self.ask()
        if name == "expire":
            return replace(self, holds=False, value=None), (CancelTimer("work"),)
        if not self.holds or self.value is None:
            return self, ()
        return replace(self, value=None), (Send(self.resource, Write(self.token, self.value + 1)),)

    def on_clock(self, name: Any, reading_seconds: float) -> Step[Self]:
        if name == "asked":
            return replace(self, asked_seconds=reading_seconds), ()
        return self.rely(name[1], self.usable_seconds - (reading_seconds - self.asked_seconds))

    def ask(self) -> Step[Self]:
        """Ask for the lease; the clock is read before the request leaves."""
        node = replace(self, number=self.number + 1)
        effects = (ReadClock("asked"), Send(self.grantor, Acquire(node.number)))
        if self.asks_at_most is not None and node.number >= self.asks_at_most:
            return node, effects
        return node, (*effects, SetTimer("ask", (self.ask_seconds, self.ask_seconds)))

    def rely(self, token: int, seconds: float) -> Step[Self]:
        """Hold the lease for so long, and begin to work if it is new."""
        if seconds <= 0:
            return self, ()
        expire = SetTimer("expire", (seconds, seconds))
        if self.holds and token == self.token:
            return self, (expire,)
        node = replace(self, holds=True, token=token, value=None)
        return node, (expire, *((Send(self.resource, Read(token)),) if self.updates else ()))

    def on_current(self, message: Current) -> Step[Self]:
        """Work on the value."""
        if not self.holds or message.token != self.token:
            return self, ()
        return replace(self, value=message.value), (SetTimer("work", (self.work_seconds, self.work_seconds)),)

    def on_done(self, message: Done) -> Step[Self]:
        """Count up once more, if there is more to do."""
        if message.token != self.token:
            return self, ()
        node = replace(self, updates=self.updates - 1)
        return node, (Send(self.resource, Read(self.token)),) if node.holds and node.updates else ()


# ---------------------------------------------------------------------------------------------------------- resource


@dataclass(frozen=True)
class Resource(Node[Message, None]):
    """Keeps a counter, and refuses whoever comes with a lower token than it has seen. It does not crash."""

    value: int = 0
    accepted: int = 0
    """How many writes it has made."""
    highest: int = 0

    def on_start(self, saved: None) -> Step[Self]:
        return self, ()

    def on_message(self, source: str, message: Message) -> Step[Self]:
        match message:
            case Read():
                node = self.seeing(message.token)
                if node is None:
                    return self, (Send(source, Refused(message.token)),)
                return node, (Send(source, Current(message.token, self.value)),)
            case Write():
                node = self.seeing(message.token)
                if node is None:
                    return self, (Send(source, Refused(message.token)),)
                node = replace(node, value=message.value, accepted=self.accepted + 1)
                return node, (Send(source, Done(message.token)),)
            case Acquire() | Grant() | Current() | Done() | Refused():
                return self, ()
            case _:
                assert_never(message)

    def seeing(self, token: int) -> Self | None:
        """Return this resource with the token noted, or None if it is too low."""
        return None if token < self.highest else replace(self, highest=token)


# -------------------------------------------------------------------------------------------------------- invariants


def one_holder(world: World) -> bool:
    """Whether at most one node believes that it holds the lease."""
    return sum(node.holds for node in world.nodes.values() if isinstance(node, Holder)) <= 1


def no_lost_update(world: World) -> bool:
    """Whether the counter stands at the number of writes that were accepted."""
    return all(node.value == node.accepted for node in world.nodes.values() if isinstance(node, Resource))
