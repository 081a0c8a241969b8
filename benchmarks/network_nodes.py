"""The nodes that benchmarks/network.py measures: a module of its own, because processes import it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from distlib.node import Node, Send, Step


@dataclass(frozen=True)
class Request:
    number: int


@dataclass(frozen=True)
class Reply:
    number: int


@dataclass(frozen=True)
class Caller(Node[Reply, None]):
    """Sends a request as soon as the one before was answered."""

    count: int
    answered: int = 0

    def on_start(self, saved: None) -> Step[Caller]:
        return self, (Send("answerer", Request(0)),)

    def on_message(self, source: str, message: Reply) -> Step[Caller]:
        node = replace(self, answered=self.answered + 1)
        if node.answered == self.count:
            return node, ()
        return node, (Send(source, Request(node.answered)),)


@dataclass(frozen=True)
class Answerer(Node[Request, None]):
    """Answers each request."""

    def on_start(self, saved: None) -> Step[Answerer]:
        return self, ()

    def on_message(self, source: str, message: Request) -> Step[Answerer]:
        return self, (Send(source, Reply(message.number)),)
