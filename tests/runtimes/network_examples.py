"""Small nodes for the tests of the network: a module of its own, because processes import it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, TypeAlias, assert_never

from distlib.node import Complete, Effects, Invoke, Node, ReadClock, Save, Send, SetTimer, Step

# ------------------------------------------------------------------------------------------------------ ping and echo


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Ping:
    number: int
    colour: Colour = Colour.RED


@dataclass(frozen=True)
class Pong:
    ping: Ping
    seen: frozenset[tuple[int, str]] = frozenset()


@dataclass(frozen=True)
class Pinger(Node[Pong, None]):
    """Sends one ping after another to a target, each when the last was answered or a timer fired."""

    target: str
    count: int
    answered: int = 0
    patience_seconds: tuple[float, float] = (0.05, 0.1)

    def on_start(self, saved: None) -> Step[Pinger]:
        return self.ask()

    def ask(self) -> Step[Pinger]:
        if self.answered == self.count:
            return self, ()
        return self, (Send(self.target, Ping(self.answered, Colour.BLUE)), SetTimer("again", self.patience_seconds))

    def on_message(self, source: str, message: Pong) -> Step[Pinger]:
        if message.ping.number != self.answered:
            return self, ()
        return replace(self, answered=self.answered + 1).ask()

    def on_timer(self, name: str) -> Step[Pinger]:
        return self.ask()


@dataclass(frozen=True)
class Echo(Node[Ping, None]):
    """Answers every ping."""

    seen: frozenset[tuple[int, str]] = frozenset()

    def on_start(self, saved: None) -> Step[Echo]:
        return self, ()

    def on_message(self, source: str, message: Ping) -> Step[Echo]:
        node = replace(self, seen=self.seen | {(message.number, source)})
        return node, (Send(source, Pong(message, node.seen)),)


# ------------------------------------------------------------------------------------------ a set that survives crashes


@dataclass(frozen=True)
class Put:
    number: int


@dataclass(frozen=True)
class Stored:
    number: int


@dataclass(frozen=True)
class Collect:
    pass


@dataclass(frozen=True)
class Contents:
    numbers: frozenset[int]


StoreMessage: TypeAlias = Put | Collect
WriterMessage: TypeAlias = Stored | Contents


@dataclass(frozen=True)
class Store(Node[StoreMessage, frozenset[int]]):
    """Keeps numbers; says that it has one when that is durable."""

    numbers: frozenset[int] = frozenset()

    def on_start(self, saved: frozenset[int] | None) -> Step[Store]:
        return replace(self, numbers=saved or frozenset()), ()

    def on_message(self, source: str, message: StoreMessage) -> Step[Store]:
        match message:
            case Put(number):
                node = replace(self, numbers=self.numbers | {number})
                return node, (*self.keep(node.numbers), Send(source, Stored(number)))
            case Collect():
                return self, (Send(source, Contents(self.numbers)),)
            case _:
                assert_never(message)

    def keep(self, numbers: frozenset[int]) -> Effects:
        return (Save(numbers),)


@dataclass(frozen=True)
class ForgetfulStore(Store):
    """Says that it has a number, and forgets it in a crash."""

    def keep(self, numbers: frozenset[int]) -> Effects:
        return ()


@dataclass(frozen=True)
class Writer(Node[WriterMessage, None]):
    """Puts numbers from 0 on, each acknowledged by a majority before the next; at the end it reads a majority."""

    stores: tuple[str, ...]
    count: int
    number: int = 0
    stored: frozenset[str] = frozenset()
    contents: tuple[tuple[str, frozenset[int]], ...] = ()

    def on_start(self, saved: None) -> Step[Writer]:
        return self.put((Invoke(("put", self.number)),))

    def put(self, before: Effects = ()) -> Step[Writer]:
        question = Put(self.number) if self.number < self.count else Collect()
        asked = tuple(Send(store, question) for store in self.stores)
        return self, (*before, *asked, SetTimer("again", (0.03, 0.06)))

    def on_message(self, source: str, message: WriterMessage) -> Step[Writer]:
        match message:
            case Stored(number) if number == self.number:
                node = replace(self, stored=self.stored | {source})
                if 2 * len(node.stored) <= len(self.stores):
                    return node, ()
                node = replace(self, number=number + 1, stored=frozenset())
                operation = ("put", node.number) if node.number < self.count else ("read",)
                return node.put((Complete(), Invoke(operation)))
            case Contents(numbers) if source not in dict(self.contents):
                node = replace(self, contents=(*self.contents, (source, numbers)))
                if 2 * len(node.contents) != len(self.stores) + 1:
                    return node, ()
                return node, (Complete(frozenset().union(*dict(node.contents).values())),)
        return self, ()

    def on_timer(self, name: str) -> Step[Writer]:
        return self.put() if 2 * len(self.contents) <= len(self.stores) else (self, ())


# ----------------------------------------------------------------------------------------------------- single effects


@dataclass(frozen=True)
class Scripted(Node[int, int]):
    """Answers the start, and each message, with effects that were given beforehand."""

    at_start: Effects = ()
    at_message: Effects = ()
    started_from: int | None = None
    received: tuple[int, ...] = ()
    timers: tuple[str, ...] = ()
    readings: tuple[float, ...] = ()

    def on_start(self, saved: int | None) -> Step[Scripted]:
        return replace(self, started_from=saved), self.at_start

    def on_message(self, source: str, message: int) -> Step[Scripted]:
        return replace(self, received=(*self.received, message)), self.at_message

    def on_timer(self, name: str) -> Step[Scripted]:
        return replace(self, timers=(*self.timers, name)), ()

    def on_clock(self, name: str, reading_seconds: float) -> Step[Scripted]:
        return replace(self, readings=(*self.readings, reading_seconds)), ()


@dataclass(frozen=True)
class Fragile(Node[int, None]):
    """Divides by what it gets, and answers with the quotient."""

    def on_start(self, saved: None) -> Step[Fragile]:
        return self, ()

    def on_message(self, source: str, message: int) -> Step[Fragile]:
        return self, (Send(source, 12 // message),)


@dataclass(frozen=True)
class Endless(Node[int, None]):
    """A handler that does not return."""

    def on_start(self, saved: None) -> Step[Endless]:
        return self, (Send("endless", 1), ReadClock("never"))

    def on_message(self, source: str, message: int) -> Step[Endless]:
        return self, ()

    def on_clock(self, name: str, reading_seconds: float) -> Step[Endless]:
        while True:
            pass


@dataclass(frozen=True)
class Confused(Node[int, None]):
    """A handler that forgets to return its effects."""

    def on_start(self, saved: None) -> Any:
        return self

    def on_message(self, source: str, message: int) -> Step[Confused]:
        return self, ()
