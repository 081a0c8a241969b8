"""Traces put together by hand, as the runtimes would leave them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from distlib.node import Node, Outcome, Step
from distlib.runtimes.trace import Event, Kind, Trace


@dataclass(frozen=True)
class Prepare:
    pass


@dataclass(frozen=True)
class Vote:
    agree: bool


@dataclass(frozen=True)
class Commit:
    pass


@dataclass(frozen=True)
class Acknowledge:
    pass


@dataclass(frozen=True)
class Inquire:
    pass


class Phase(Enum):
    IDLE = "idle"
    VOTING = "voting"
    PREPARED = "in doubt"
    COMMITTED = "committed"


@dataclass(frozen=True)
class Actor(Node[Hashable, Phase]):
    phase: Phase = Phase.IDLE

    def on_start(self, saved: Phase | None) -> Step[Actor]:
        return Actor(saved or Phase.IDLE), ()

    def on_message(self, source: str, message: Hashable) -> Step[Actor]:
        return self, ()


class Story:
    """Writes a trace event by event."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.events: list[Event] = []
        for name in names:
            self.add(0.0, Kind.START, name, state=Actor())

    def add(self, milliseconds: float, kind: Kind, node: str, value: Any = None, **more: Any) -> int:
        self.events.append(Event(len(self.events), milliseconds / 1000, kind, node, value, **more))
        return len(self.events) - 1

    def trace(self) -> Trace:
        order = sorted(self.events, key=lambda event: event.time_seconds)
        position = {event.number: index for index, event in enumerate(order)}
        return Trace(
            tuple(
                Event(
                    position[event.number],
                    event.time_seconds,
                    event.kind,
                    event.node,
                    event.value,
                    event.peer,
                    None if event.cause is None else position[event.cause],
                    event.note,
                    event.state,
                )
                for event in order
            ),
            self.names,
        )


COORDINATOR = "coordinator"
PARTICIPANTS = ("stock", "payment", "delivery")


def two_phase_commit() -> Trace:
    """A commit in which a decision is lost, and a participant that is in doubt crashes, recovers and asks."""
    story = Story(COORDINATOR, *PARTICIPANTS)
    invoke = story.add(0.4, Kind.INVOKE, COORDINATOR, "transfer 7")
    story.add(0.5, Kind.SET_TIMER, COORDINATOR, "votes", cause=invoke)
    for name, arrive, write, back in (
        ("stock", 2.0, 1.1, 1.3),
        ("payment", 2.9, 1.0, 1.9),
        ("delivery", 3.6, 1.4, 2.2),
    ):
        send = story.add(0.5, Kind.SEND, COORDINATOR, Prepare(), peer=name, cause=invoke)
        got = story.add(
            arrive, Kind.DELIVER, name, Prepare(), peer=COORDINATOR, cause=send, state=Actor(Phase.PREPARED)
        )
        story.add(arrive + write, Kind.SAVE, name, Phase.PREPARED, cause=got)
        if name == "delivery":
            story.add(arrive, Kind.SET_TIMER, name, "inquire", cause=got)
        vote = story.add(arrive + write, Kind.SEND, name, Vote(True), peer=COORDINATOR, cause=got)
        story.add(
            arrive + write + back,
            Kind.DELIVER,
            COORDINATOR,
            Vote(True),
            peer=name,
            cause=vote,
            state=Actor(Phase.VOTING),
        )
    decided = len(story.events) - 1
    story.add(8.2, Kind.SAVE, COORDINATOR, Phase.COMMITTED, cause=decided)
    story.events[decided] = Event(
        decided,
        0.0072,
        Kind.DELIVER,
        COORDINATOR,
        Vote(True),
        "delivery",
        story.events[decided].cause,
        "",
        Actor(Phase.COMMITTED),
    )
    story.add(8.2, Kind.CANCEL_TIMER, COORDINATOR, "votes", cause=decided)
    for name, arrive in (("stock", 9.4), ("payment", 10.3)):
        send = story.add(8.2, Kind.SEND, COORDINATOR, Commit(), peer=name, cause=decided)
        got = story.add(
            arrive, Kind.DELIVER, name, Commit(), peer=COORDINATOR, cause=send, state=Actor(Phase.COMMITTED)
        )
        story.add(arrive + 0.9, Kind.SAVE, name, Phase.COMMITTED, cause=got)
        back = story.add(arrive + 0.9, Kind.SEND, name, Acknowledge(), peer=COORDINATOR, cause=got)
        story.add(arrive + 2.4, Kind.DELIVER, COORDINATOR, Acknowledge(), peer=name, cause=back)
    lost = story.add(8.2, Kind.SEND, COORDINATOR, Commit(), peer="delivery", cause=decided)
    story.add(10.9, Kind.LOSE, "delivery", Commit(), peer=COORDINATOR, cause=lost, note="loss")
    story.add(8.2, Kind.COMPLETE, COORDINATOR, ("done", Outcome.OK), cause=invoke)
    story.add(11.6, Kind.CRASH, "delivery")
    again = story.add(14.0, Kind.START, "delivery", Phase.PREPARED, state=Actor(Phase.PREPARED))
    inquiry = story.add(14.0, Kind.SET_TIMER, "delivery", "inquire", cause=again)
    fired = story.add(16.0, Kind.TIMER, "delivery", "inquire", cause=inquiry, state=Actor(Phase.PREPARED))
    ask = story.add(16.0, Kind.SEND, "delivery", Inquire(), peer=COORDINATOR, cause=fired)
    asked = story.add(17.5, Kind.DELIVER, COORDINATOR, Inquire(), peer="delivery", cause=ask)
    answer = story.add(17.5, Kind.SEND, COORDINATOR, Commit(), peer="delivery", cause=asked)
    story.add(19.0, Kind.DELIVER, "delivery", Commit(), peer=COORDINATOR, cause=answer, state=Actor(Phase.COMMITTED))
    story.add(20.0, Kind.SAVE, "delivery", Phase.COMMITTED, cause=answer)
    return story.trace()


def faults() -> Trace:
    """The other faults: a partition, a pause, a duplicate, an overtaken message, one still under way."""
    story = Story("client", "left", "right")
    first = story.add(1, Kind.INVOKE, "client", ("write", 1))
    story.add(1, Kind.SEND, "client", "w1", peer="left", cause=first)
    sent = len(story.events) - 1
    story.add(5, Kind.DELIVER, "left", "w1", peer="client", cause=sent)
    second = story.add(2, Kind.SEND, "client", "w2", peer="left", cause=first)
    story.add(3, Kind.DELIVER, "left", "w2", peer="client", cause=second)
    story.add(3.5, Kind.SAVE, "left", 2, note="unforced")
    copy = story.add(6, Kind.SEND, "left", "ok", peer="client")
    story.add(6, Kind.DUPLICATE, "left", "ok", peer="client", cause=copy)
    answered = story.add(7, Kind.DELIVER, "client", "ok", peer="left", cause=copy)
    story.add(7, Kind.COMPLETE, "client", (None, Outcome.OK), cause=first)
    story.add(10, Kind.DELIVER, "client", "ok", peer="left", cause=copy)
    cut = frozenset({("left", "right"), ("right", "left"), ("client", "right"), ("right", "client")})
    story.add(8, Kind.PARTITION, "", cut)
    third = story.add(9, Kind.INVOKE, "client", ("read",))
    lost = story.add(9, Kind.SEND, "left", "copy 2", peer="right", cause=answered)
    story.add(9, Kind.LOSE, "right", "copy 2", peer="left", cause=lost, note="partition")
    story.add(14, Kind.HEAL, "", cut)
    story.add(12, Kind.PAUSE, "left")
    story.add(17, Kind.RESUME, "left")
    story.add(13, Kind.CLOCK, "right", ("lease", 12.9876), state=Actor())
    down = story.add(11, Kind.SEND, "client", "r", peer="right", cause=third)
    story.add(15, Kind.CRASH, "right")
    story.add(16, Kind.LOSE, "right", "r", peer="client", cause=down, note="down")
    story.add(18, Kind.SEND, "left", "copy 3", peer="client")
    own = story.add(17.5, Kind.SEND, "left", "tick", peer="left")
    story.add(19.5, Kind.DELIVER, "left", "tick", peer="left", cause=own)
    story.add(20, Kind.COMPLETE, "client", (None, Outcome.UNKNOWN), cause=third)
    story.add(20.5, Kind.RESUME, "left")
    return story.trace()


TONES = {Phase.IDLE: "calm", Phase.VOTING: "wait", Phase.PREPARED: "wait", Phase.COMMITTED: "good"}


def phase(node: Node[Any, Any]) -> tuple[str, str] | None:
    """Name the phase of an actor, except the idle one."""
    assert isinstance(node, Actor)
    return None if node.phase is Phase.IDLE else (node.phase.value, TONES[node.phase])
