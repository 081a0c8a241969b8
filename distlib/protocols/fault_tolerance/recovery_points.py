"""Checkpoints of processes that talk: taken alone, induced by messages, or together; and the line to go back to.

Sources: Randell, *System Structure for Software Fault Tolerance* (IEEE TSE SE-1(2), 1975), for the domino effect and
recovery lines; Briatico, Ciuffoletti and Simoncini, *A Distributed Domino-Effect Free Recovery Algorithm* (SRDS 1984),
for checkpoints that are induced by an index on the messages; Elnozahy, Alvisi, Wang and Johnson, *A Survey of
Rollback-Recovery Protocols in Message-Passing Systems* (ACM Computing Surveys 34(3), 2002), sections 2 and 4.

Theory of operation
-------------------
A :class:`Process` counts what it sent to each other process and what it received. A :class:`Checkpoint` is a copy of
these counts. When a process fails it goes back to a checkpoint. A message that one process has received, and that the
other one, after it went back, has not sent yet, is an *orphan*: its receiver has to go back behind it, too. A set of
checkpoints, one a process, without orphans is a *recovery line*; :func:`recovery_line` finds the latest.

Three ways to take checkpoints:

- *uncoordinated*: each process when it likes;
- *induced*: each process when it likes, numbered by an index that also travels on every message. Who gets a message
  with a higher index than its own takes a checkpoint with that index first, and then receives the message. So
  checkpoints of one index never have an orphan between them;
- *coordinated*: as induced, but the index is counted by one pacer that tells everybody.

The work itself is of no interest here. A :class:`Pacer` says when to send and when to take a checkpoint.

Assumptions
-----------
Links keep their order and lose nothing, so counts identify messages. Durable is, at a process, the list of its
checkpoints.

Left out: that checkpoints behind the line can be thrown away; the exchange by which the line is agreed upon after a
failure (the function that would be computed there is :func:`recovery_line`); restoring messages in transit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self, TypeAlias, assert_never

from distlib.node import Effects, Node, Save, Send, Step, Table, World, entry, with_entry

__all__ = [
    "Checkpoint",
    "Emit",
    "Message",
    "Next",
    "Pacer",
    "Process",
    "Take",
    "Work",
    "equal_indices_are_consistent",
    "is_consistent",
    "line_reaches_common_index",
    "recovery_line",
]

# ---------------------------------------------------------------------------------------------------------- messages


@dataclass(frozen=True)
class Work:
    """Process to process: something that changes the receiver's state. It carries the sender's index."""

    index: int

    def __str__(self) -> str:
        return f"work ({self.index})"


@dataclass(frozen=True)
class Emit:
    """Pacer to process: send work to that process."""

    target: str

    def __str__(self) -> str:
        return f"emit to {self.target}"


@dataclass(frozen=True)
class Take:
    """Pacer to process: take a checkpoint, of this index if one is given and if it is higher than yours."""

    index: int | None = None

    def __str__(self) -> str:
        return "take a checkpoint" + ("" if self.index is None else f" ({self.index})")


@dataclass(frozen=True)
class Next:
    """A pacer to itself: it is time. The law of this link is the law of the times between its orders."""

    def __str__(self) -> str:
        return "next"


Message: TypeAlias = Work | Emit | Take | Next

# -------------------------------------------------------------------------------------------------------- checkpoints


@dataclass(frozen=True)
class Checkpoint:
    """A copy of a process's state, as far as others can know of it."""

    index: int
    sent: Table[str, int] = ()
    received: Table[str, int] = ()
    induced: bool = False
    """Whether a message made the process take it."""

    def __str__(self) -> str:
        return f"checkpoint {self.index}" + (" (induced)" if self.induced else "")


def _orphans(source: str, sender: Checkpoint, target: str, receiver: Checkpoint) -> int:
    """Return how many messages the receiver has that the sender has not sent; below 0 they are in transit."""
    return (entry(receiver.received, source) or 0) - (entry(sender.sent, target) or 0)


def is_consistent(cut: Mapping[str, Checkpoint]) -> bool:
    """Return whether nobody in this cut has received what nobody in it has sent.

    Examples
    --------
    >>> before, after = Checkpoint(0), Checkpoint(1, sent=(("q", 1),))
    >>> got_it = Checkpoint(1, received=(("p", 1),))
    >>> is_consistent({"p": after, "q": got_it}), is_consistent({"p": before, "q": got_it})
    (True, False)
    """
    return all(_orphans(p, cut[p], q, cut[q]) <= 0 for p in cut for q in cut if p != q)


def recovery_line(
    checkpoints: Mapping[str, Sequence[Checkpoint]], keeps_messages_in_transit: bool = True
) -> dict[str, int]:
    """Return the latest position in each process's list such that there are no orphans between them.

    Start from the last of each. As long as some message is an orphan, its receiver takes the one before. There is
    exactly one latest line, since of two lines the later positions form a line, too.

    Parameters
    ----------
    checkpoints
        By process, in the order in which they were taken. The first has sent and received nothing.
    keeps_messages_in_transit
        Whether a message that was sent before the line and received behind it can be had again, from a log. If not, its
        sender has to go back, too.

    Examples
    --------
    p took a checkpoint, then sent a message; q received it, then took a checkpoint, and its own is an orphan's:

    >>> p = [Checkpoint(0), Checkpoint(1)]
    >>> q = [Checkpoint(0), Checkpoint(1, received=(("p", 1),))]
    >>> recovery_line({"p": p, "q": q})
    {'p': 1, 'q': 0}
    """
    line = {name: len(taken) - 1 for name, taken in checkpoints.items()}
    moved = True
    while moved:
        moved = False
        for source in checkpoints:
            for target in checkpoints:
                if source == target:
                    continue
                while True:
                    sender, receiver = checkpoints[source][line[source]], checkpoints[target][line[target]]
                    excess = _orphans(source, sender, target, receiver)
                    if excess > 0:
                        line[target] -= 1
                    elif excess < 0 and not keeps_messages_in_transit:
                        line[source] -= 1
                    else:
                        break
                    moved = True
    return line


# ---------------------------------------------------------------------------------------------------------- processes


@dataclass(frozen=True)
class Process(Node[Message, tuple[Checkpoint, ...]]):
    """Sends, receives, and takes checkpoints.

    Parameters
    ----------
    name
        Its own.
    induced
        Whether it takes a checkpoint before it receives a message with a higher index than its own.
    """

    name: str
    induced: bool = False
    sent: Table[str, int] = ()
    received: Table[str, int] = ()
    checkpoints: tuple[Checkpoint, ...] = ()

    @property
    def index(self) -> int:
        """The index of its last checkpoint."""
        return self.checkpoints[-1].index

    def on_start(self, saved: tuple[Checkpoint, ...] | None) -> Step[Self]:
        if saved is None:
            node = replace(self, checkpoints=(Checkpoint(0),))
            return node, (Save(node.checkpoints),)
        return replace(self, checkpoints=saved, sent=saved[-1].sent, received=saved[-1].received), ()

    def on_message(self, source: str, message: Message) -> Step[Self]:
        match message:
            case Work():
                return self.on_work(source, message)
            case Emit():
                already = entry(self.sent, message.target) or 0
                node = replace(self, sent=with_entry(self.sent, message.target, already + 1))
                return node, (Send(message.target, Work(self.index)),)
            case Take():
                if message.index is not None and message.index <= self.index:
                    return self, ()
                return self.take(self.index + 1 if message.index is None else message.index)
            case Next():
                return self, ()
            case _:
                assert_never(message)

    def on_work(self, source: str, message: Work) -> Step[Self]:
        """Receive it; if it comes from behind a checkpoint that this process has not taken, take that first."""
        node, effects = self, ()
        if self.induced and message.index > self.index:
            node, effects = self.take(message.index, induced=True)
        return node.receive(source), effects

    def receive(self, source: str) -> Self:
        """Return the process with one more message of `source` received."""
        return replace(self, received=with_entry(self.received, source, (entry(self.received, source) or 0) + 1))

    def take(self, index: int, induced: bool = False) -> tuple[Self, Effects]:
        """Take a checkpoint of this index."""
        taken = Checkpoint(index, self.sent, self.received, induced)
        node = replace(self, checkpoints=(*self.checkpoints, taken))
        return node, (Save(node.checkpoints),)


@dataclass(frozen=True)
class Pacer(Node[Message, None]):
    """Gives one order again and again, each time that its message to itself arrives.

    Parameters
    ----------
    name
        Its own.
    order
        What it tells.
    targets
        Whom.
    numbered
        Whether it counts the checkpoints that it orders: for coordinated ones.
    burst
        How many orders it gives when it boots, and none later: to bound an exploration, in which an order may take any
        time. None: it goes on for ever.
    """

    name: str
    order: Emit | Take
    targets: tuple[str, ...]
    numbered: bool = False
    burst: int | None = None
    count: int = 0

    def on_start(self, saved: None) -> Step[Self]:
        if self.burst is None:
            return self, (Send(self.name, Next()),)
        return self, tuple(effect for count in range(1, self.burst + 1) for effect in self.orders(count))

    def on_message(self, source: str, message: Message) -> Step[Self]:
        if not isinstance(message, Next):
            return self, ()
        node = replace(self, count=self.count + 1) if self.numbered else self
        return node, (*node.orders(node.count), Send(self.name, Next()))

    def orders(self, count: int) -> Effects:
        """Return its order to each target, the count-th time."""
        order = Take(count) if self.numbered else self.order
        return tuple(Send(target, order) for target in self.targets)


# --------------------------------------------------------------------------------------------------------- invariants


def _taken(world: World) -> dict[str, tuple[Checkpoint, ...]]:
    """Return the durable checkpoints by process; of one that has none yet, its beginning."""
    return {
        name: world.saved.get(name) or (Checkpoint(0),)
        for name, node in world.nodes.items()
        if node is None or isinstance(node, Process)
    }


def equal_indices_are_consistent(world: World) -> bool:
    """Whether, for each index that all have reached, the first checkpoints from that index on form a line."""
    taken = _taken(world)
    reached = min(each[-1].index for each in taken.values())
    return all(
        is_consistent({name: next(one for one in each if one.index >= index) for name, each in taken.items()})
        for index in range(reached + 1)
    )


def line_reaches_common_index(world: World) -> bool:
    """Whether, if all fail now, none goes back behind the index that all have reached: no domino."""
    taken = _taken(world)
    reached = min(each[-1].index for each in taken.values())
    line = recovery_line(taken)
    return all(taken[name][place].index >= reached for name, place in line.items())
