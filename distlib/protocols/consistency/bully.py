"""The bully algorithm: of the processes that are up, the one with the highest rank leads.

Source: Garcia-Molina, *Elections in a Distributed Computing System* (IEEE Transactions on Computers C-31(1), 1982),
section III, in the form that textbooks give it: three kinds of messages, and no state to bring along.

Theory of operation
-------------------
A process that misses the leader asks all processes of higher rank
(:class:`Election`). Whoever is asked by a lower one answers (:class:`Answer`), and holds an election of its own
unless it holds one already. A process that gets no answer within `answer_seconds` has the highest rank of all that
are up, declares itself leader, and tells those below (:class:`Coordinator`). One that got an answer waits to be
told, and asks again if nobody tells it.

Assumptions
-----------
Messages arrive, within a bound, and every process that is up answers within a bound;
`answer_seconds` is more than both together. So silence means a crash. That is a synchronous system, and the
algorithm needs it: let one answer be late, and two processes lead at once, with nothing to tell them apart. It has
no terms.

Left out: what the paper does to keep a group that reorganises from doing other work meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, TypeAlias, assert_never

from distlib.node import CancelTimer, Effects, Node, Send, SetTimer, Step, World

__all__ = [
    "Answer",
    "Coordinator",
    "Election",
    "Message",
    "Process",
    "all_follow_the_highest",
    "one_leader",
]


@dataclass(frozen=True)
class Election:
    """To a process of higher rank: an election, are you there."""

    def __str__(self) -> str:
        return "election"


@dataclass(frozen=True)
class Answer:
    """To a process of lower rank: I am, leave it to me."""

    def __str__(self) -> str:
        return "answer"


@dataclass(frozen=True)
class Coordinator:
    """To all processes of lower rank: I lead."""

    def __str__(self) -> str:
        return "coordinator"


Message: TypeAlias = Election | Answer | Coordinator


@dataclass(frozen=True)
class Process(Node[Message, None]):
    """One process. The place of its name among `ranking` is its rank.

    Parameters
    ----------
    name
        Its own.
    ranking
        All processes, up or not, the lowest first.
    initiates
        Whether it misses the leader as soon as it boots.
    answer_seconds
        How long it waits for an answer before it takes all higher ones for dead.
    coordinator_seconds
        How long it waits, after an answer, to be told who leads.
    """

    name: str
    ranking: tuple[str, ...]
    initiates: bool = False
    answer_seconds: float = 1.0
    coordinator_seconds: float = 10.0
    leader: str | None = None
    electing: bool = False

    @property
    def higher(self) -> tuple[str, ...]:
        """The processes of higher rank."""
        return self.ranking[self.ranking.index(self.name) + 1 :]

    @property
    def lower(self) -> tuple[str, ...]:
        """The processes of lower rank."""
        return self.ranking[: self.ranking.index(self.name)]

    def on_start(self, saved: None) -> Step[Self]:
        return self.elect() if self.initiates else (self, ())

    def on_message(self, source: str, message: Message) -> Step[Self]:
        match message:
            case Election():
                node, effects = (self, ()) if self.electing else self.elect()
                return node, (Send(source, Answer()), *effects)
            case Answer():
                return self.on_answer()
            case Coordinator():
                node = replace(self, leader=source, electing=False)
                return node, (CancelTimer("answer"), CancelTimer("coordinator"))
            case _:
                assert_never(message)

    def elect(self) -> Step[Self]:
        """Ask all processes of higher rank, or lead at once if there is none."""
        if not self.higher:
            return self.win()
        node = replace(self, electing=True, leader=None)
        wait = SetTimer("answer", (self.answer_seconds, self.answer_seconds))
        return node, (*(Send(name, Election()) for name in self.higher), wait)

    def on_answer(self) -> Step[Self]:
        """Leave it to the one that answered, for a while."""
        if not self.electing:
            return self, ()
        wait = SetTimer("coordinator", (self.coordinator_seconds, self.coordinator_seconds))
        return self, (CancelTimer("answer"), wait)

    def on_timer(self, name: str) -> Step[Self]:
        return self.win() if name == "answer" else self.elect()

    def win(self) -> Step[Self]:
        """Lead, and tell all processes of lower rank."""
        node = replace(self, leader=self.name, electing=False)
        effects: Effects = tuple(Send(name, Coordinator()) for name in self.lower)
        return node, effects


def _processes(world: World) -> list[Process]:
    return [node for _, node in sorted(world.nodes.items()) if isinstance(node, Process)]


def one_leader(world: World) -> bool:
    """Whether at most one process believes that it leads."""
    return sum(node.leader == node.name for node in _processes(world)) <= 1


def all_follow_the_highest(world: World) -> bool:
    """Whether every process that is up follows the highest of them."""
    up = _processes(world)
    highest = max(up, key=lambda node: node.ranking.index(node.name)).name
    return all(node.leader == highest for node in up)
