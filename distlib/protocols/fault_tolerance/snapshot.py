"""A snapshot of a running system: what all nodes hold, and what is on its way, without stopping anybody.

Source: Chandy and Lamport, *Distributed Snapshots: Determining Global States of Distributed Systems* (ACM Transactions
on Computer Systems 3(1), 1985), section 3.2 for the rules, section 4 for what a snapshot means.

Theory of operation
-------------------
Branches of a bank send each other money. Money is neither made nor destroyed, so in every instant the balances and what
is on its way add up to the same sum; and so they must in a snapshot, or it shows a bank that never was.

1. The *initiator* records its own balance, and at once, before any other message, sends a :class:`Marker` on each of
   its outgoing channels.
2. A branch that gets its first marker records its balance, then sends markers on all its channels, before anything
   else. The channel that this marker came on is empty in the snapshot.
3. What arrives on another channel after the branch has recorded, and before the marker of that channel, was on its way:
   it is recorded as the *state of the channel*.
4. A branch that has a marker from every other branch is done, and reports to the initiator what it recorded.

A *consistent cut* is a set of events that contains the cause of each of its events. A transfer that is received in the
cut but not sent in it is an *orphan*: its money is counted twice.

Assumptions
-----------
No branch crashes, no message is lost or copied. Channels are FIFO: a marker divides what was sent before it from what
was sent after it. One snapshot is taken. Left out: the collection of a snapshot by a node that may fail, and several
snapshots at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias, assert_never

from distlib.node import Effects, Node, Send, SetTimer, Step, Table, World, entry, with_entry

__all__ = [
    "Branch",
    "Customers",
    "Marker",
    "Message",
    "Order",
    "Report",
    "Transfer",
    "global_state",
    "is_complete",
    "money_in_snapshot",
    "money_in_world",
    "no_money_is_counted_twice",
    "no_money_is_missing",
    "recorded_state",
    "snapshot_is_complete",
]


@dataclass(frozen=True)
class Transfer:
    """Branch to branch: this money is yours now."""

    amount: int

    def __str__(self) -> str:
        return f"{self.amount}"


@dataclass(frozen=True)
class Marker:
    """Branch to branch: what I send from here on is not in the snapshot."""

    initiator: str

    def __str__(self) -> str:
        return "marker"


@dataclass(frozen=True)
class Report:
    """Branch to initiator: my balance, and what was on its way to me, by channel."""

    balance: int
    channels: Table[str, tuple[int, ...]]

    def __str__(self) -> str:
        return f"report {self.balance}"


@dataclass(frozen=True)
class Order:
    """Customers to branch: send so much to that branch. It goes back to them, and they come again."""

    target: str
    amount: int = 1

    def __str__(self) -> str:
        return f"pay {self.amount} to {self.target}"


Message: TypeAlias = Transfer | Marker | Report | Order


@dataclass(frozen=True)
class Branch(Node[Message, None]):
    """A branch of the bank, which also takes part in snapshots.

    Parameters
    ----------
    name
        Its own.
    peers
        The other branches: it has a channel to and one from each of them.
    balance
        The money that it holds.
    plan
        Transfers that it will make by itself, one whenever its timer fires: (target, amount).
    pay_seconds
        The range of the times between them.
    snapshot_seconds
        When it begins a snapshot; None: never. Any node may.
    """

    name: str
    peers: tuple[str, ...]
    balance: int
    plan: tuple[tuple[str, int], ...] = ()
    pay_seconds: tuple[float, float] = (0.001, 0.003)
    snapshot_seconds: float | None = None
    recorded: int | None = None
    """Its balance in the snapshot."""
    initiator: str = ""
    channels: Table[str, tuple[int, ...]] = ()
    """For each incoming channel the amounts that were on their way."""
    open: frozenset[str] = frozenset()
    """The channels whose marker has not come yet."""
    reports: Table[str, Report] = ()
    """At the initiator: what the branches have recorded."""

    def on_start(self, saved: None) -> Step[Self]:
        timers: Effects = (SetTimer("pay", self.pay_seconds),) if self.plan else ()
        if self.snapshot_seconds is not None:
            timers = (*timers, SetTimer("snapshot", (self.snapshot_seconds, self.snapshot_seconds)))
        return self, timers

    def on_timer(self, name: str) -> Step[Self]:
        if name == "snapshot":
            return self.record(self.name) if self.recorded is None else (self, ())
        (target, amount), *rest = self.plan
        node, effects = replace(self, plan=tuple(rest)).pay(target, amount)
        return node, (*effects, *((SetTimer("pay", self.pay_seconds),) if rest else ()))

    def on_message(self, source: str, message: Message) -> Step[Self]:
        match message:
            case Transfer():
                return self.on_transfer(source, message)
            case Marker():
                return self.on_marker(source, message)
            case Report():
                return replace(self, reports=with_entry(self.reports, source, message)), ()
            case Order():
                node, effects = self.pay(message.target, message.amount)
                return node, (*effects, Send(source, message))
            case _:
                assert_never(message)

    def pay(self, target: str, amount: int) -> Step[Self]:
        """Send money, if there is enough."""
        if self.balance < amount:
            return self, ()
        return replace(self, balance=self.balance - amount), (Send(target, Transfer(amount)),)

    def on_transfer(self, source: str, message: Transfer) -> Step[Self]:
        """Book what came, and record it if it was on its way when the snapshot was taken."""
        node = replace(self, balance=self.balance + message.amount)
        if source in self.open:
            seen = (*(entry(self.channels, source) or ()), message.amount)
            node = replace(node, channels=with_entry(self.channels, source, seen))
        return node, ()

    def on_marker(self, source: str, message: Marker) -> Step[Self]:
        """Record if this is the first; the channel that it came on is complete."""
        node, effects = self.record(message.initiator) if self.recorded is None else (self, ())
        node = replace(node, open=node.open - {source})
        return node, (*effects, *node.finish())

    def record(self, initiator: str) -> Step[Self]:
        """Record the own balance and send the markers, with nothing in between."""
        node = replace(self, recorded=self.balance, initiator=initiator)
        nothing_yet = tuple((peer, ()) for peer in sorted(self.peers))
        node = replace(node, open=frozenset(self.peers), channels=nothing_yet)
        return node, tuple(Send(peer, Marker(initiator)) for peer in self.peers)

    def finish(self) -> Effects:
        """Report when the last channel is complete."""
        if self.open or self.recorded is None:
            return ()
        return (Send(self.initiator, Report(self.recorded, self.channels)),)


@dataclass(frozen=True)
class Customers(Node[Message, None]):
    """People who come to the branches with orders, again and again: how often is the law of their links.

    Parameters
    ----------
    orders
        For each branch what it is asked to do.
    """

    orders: tuple[tuple[str, Order], ...]

    def on_start(self, saved: None) -> Step[Self]:
        return self, tuple(Send(branch, order) for branch, order in self.orders)

    def on_message(self, source: str, message: Message) -> Step[Self]:
        return self, (Send(source, message),)


def _branches(world: World) -> list[Branch]:
    return [node for _, node in sorted(world.nodes.items()) if isinstance(node, Branch)]


def money_in_world(world: World) -> int:
    """Return what there is in this instant: all balances, and all that is on its way."""
    moving = sum(message.amount for _, _, message in world.in_flight if isinstance(message, Transfer))
    return sum(branch.balance for branch in _branches(world)) + moving


def is_complete(branch: Branch) -> bool:
    """Return whether a branch has recorded its balance and all its channels."""
    return branch.recorded is not None and not branch.open


def snapshot_is_complete(world: World) -> bool:
    """Return whether every branch has recorded its balance and all its channels."""
    return all(map(is_complete, _branches(world)))


def money_in_snapshot(world: World) -> int:
    """Return what a complete snapshot shows: the recorded balances and what was recorded on the channels."""
    amounts = [sum(sum(amounts) for _, amounts in branch.channels) for branch in _branches(world)]
    return sum(branch.recorded or 0 for branch in _branches(world)) + sum(amounts)


def no_money_is_counted_twice(world: World) -> bool:
    """Return whether a snapshot, if there is a complete one, shows no more money than there is."""
    return not snapshot_is_complete(world) or money_in_snapshot(world) <= money_in_world(world)


def no_money_is_missing(world: World) -> bool:
    """Return whether a snapshot, if there is a complete one, shows no less money than there is."""
    return not snapshot_is_complete(world) or money_in_snapshot(world) >= money_in_world(world)


def global_state(world: World) -> tuple[Any, ...]:
    """Return what a snapshot would have to show of this instant: balances, and what is on its way on each channel.

    On each channel in order of sending; so the network must list `in_flight` in that order, or the amounts be equal.
    """
    names = [branch.name for branch in _branches(world)]
    moving = {
        (source, target): tuple(
            message.amount
            for sender, receiver, message in world.in_flight
            if (sender, receiver) == (source, target) and isinstance(message, Transfer)
        )
        for source in names
        for target in names
        if source != target
    }
    return tuple(branch.balance for branch in _branches(world)), tuple(sorted(moving.items()))


def recorded_state(world: World) -> tuple[Any, ...]:
    """Return what a complete snapshot shows, in the form of :func:`global_state`."""
    channels = {(source, branch.name): amounts for branch in _branches(world) for source, amounts in branch.channels}
    return tuple(branch.recorded for branch in _branches(world)), tuple(sorted(channels.items()))
