"""Message logging: a process that crashes is brought back to where it was by replaying what it received.

Sources: Strom and Yemini, *Optimistic Recovery in Distributed Systems* (ACM TOCS 3(3), 1985); Johnson and Zwaenepoel,
*Sender-Based Message Logging* (FTCS-17, 1987); Alvisi and Marzullo, *Message Logging: Pessimistic, Optimistic, Causal,
and Optimal* (IEEE TSE 24(2), 1998); Elnozahy, Alvisi, Wang and Johnson, *A Survey of Rollback-Recovery Protocols*
(ACM Computing Surveys 34(3), 2002), section 5.

Theory of operation
-------------------
A :class:`Worker` takes inputs of several sources, in the order in which they happen to arrive, and that order is the
only chance in its life: given its inputs in order, its states are determined. What has to survive a crash is therefore
not its state but the *determinants* (:class:`Delivery`): which input came first, second, third. After each input it
sends a :class:`Result` to a :class:`Peer`, which from then on depends on its state, and an :class:`Output` to the
:class:`Outside`, which can take nothing back. Three styles:

- *pessimistic*: the determinant is forced to disk before anything leaves;
- *optimistic*: the result leaves at once, determinants are written behind, and forced now and then. A crash may lose
  some, and then the peer holds results that nobody will ever compute again: *orphans*. The worker tells it, after its
  recovery, how far it came back, and the peer gives up the rest;
- *causal*: the result carries the determinants that it depends on. Whoever depends on a state of the worker thus knows
  how to bring it back. After a crash the worker asks the peer; nothing is forced.

*Output commit*: an output leaves once the states up to it can be brought back whatever crashes: pessimistic, at once;
optimistic, after the next forced write; causal, when the peer confirms that it holds the determinants.

Results carry the number of the worker's boot; the peer drops those of an earlier boot than it knows of.

Assumptions
-----------
One worker crashes; sources and peer do not (causal logging as here stands one crash). Messages may be reordered.
Handlers are deterministic. Sources keep their inputs and send them, all of them, when a worker that boots asks.

Left out: checkpoints, which bound the replay; several workers, whose determinants depend on each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Self, TypeAlias, assert_never

from distlib.node import Effects, Node, Save, Send, SetTimer, Step, Table, World, entry, with_entry

__all__ = [
    "Ask",
    "Delivery",
    "Held",
    "Input",
    "Message",
    "Next",
    "Output",
    "Outside",
    "Peer",
    "Pull",
    "Recovered",
    "Result",
    "Source",
    "Style",
    "Told",
    "Worker",
    "WorkerLog",
    "all_done",
    "no_orphans",
    "outputs_stand",
]

Style: TypeAlias = Literal["pessimistic", "optimistic", "causal"]

# ---------------------------------------------------------------------------------------------------------- messages


@dataclass(frozen=True)
class Delivery:
    """A determinant, with its content: this input of that source was taken next."""

    source: str
    number: int
    value: int

    def __str__(self) -> str:
        return f"{self.source}#{self.number}"


@dataclass(frozen=True)
class Input:
    """Source to worker."""

    number: int
    value: int

    def __str__(self) -> str:
        return f"input {self.value}"


@dataclass(frozen=True)
class Pull:
    """Worker to source: I am up; send all that you have."""

    def __str__(self) -> str:
        return "pull"


@dataclass(frozen=True)
class Result:
    """Worker to peer: after so many inputs my state is this. Causal: and these were the inputs from `start` on.

    It also says how far the worker came back when it booted, for it may overtake the word about that.
    """

    boot: int
    base: int
    count: int
    state: int
    start: int = 0
    determinants: tuple[Delivery, ...] = ()

    def __str__(self) -> str:
        return f"{self.count}: {self.state}"


@dataclass(frozen=True)
class Held:
    """Peer to worker, causal: I hold the determinants of so many inputs."""

    boot: int
    count: int

    def __str__(self) -> str:
        return f"hold {self.count}"


@dataclass(frozen=True)
class Ask:
    """Worker to peer, causal: I am back, tell me what you know of me."""

    boot: int

    def __str__(self) -> str:
        return "what was I?"


@dataclass(frozen=True)
class Told:
    """Peer to worker, causal: the determinants that I hold."""

    determinants: tuple[Delivery, ...]

    def __str__(self) -> str:
        return f"you had {len(self.determinants)}"


@dataclass(frozen=True)
class Recovered:
    """Worker to peer, optimistic: I am back, and came so far; give up what depends on more."""

    boot: int
    count: int

    def __str__(self) -> str:
        return f"back at {self.count}"


@dataclass(frozen=True)
class Output:
    """Worker to the outside: it cannot be taken back."""

    count: int
    state: int

    def __str__(self) -> str:
        return f"out {self.state}"


@dataclass(frozen=True)
class Next:
    """A source to itself: it is time for the next input."""

    def __str__(self) -> str:
        return "next"


Message: TypeAlias = Input | Pull | Result | Held | Ask | Told | Recovered | Output | Next

# ------------------------------------------------------------------------------------------------------------- worker


@dataclass(frozen=True)
class WorkerLog:
    """What a worker has on disk: how often it booted, and its determinants."""

    boot: int
    deliveries: tuple[Delivery, ...] = ()

    def __str__(self) -> str:
        return f"log of {len(self.deliveries)}"


@dataclass(frozen=True)
class Worker(Node[Message, WorkerLog]):
    """Computes a state from its inputs, in the order of their arrival.

    Parameters
    ----------
    sources
        Who sends inputs.
    style
        How it logs.
    peer, outside
        Who gets its results, and its outputs.
    flush_seconds
        Optimistic: how long after one forced write the next begins.
    """

    sources: tuple[str, ...]
    style: Style = "pessimistic"
    peer: str = "peer"
    outside: str = "outside"
    flush_seconds: float = 0.05
    boot: int = 0
    recovering: bool = False
    base: int = 0
    """How many deliveries it came back with when it booted."""
    deliveries: tuple[Delivery, ...] = ()
    taken: frozenset[tuple[str, int]] = frozenset()
    """The sources and numbers of the deliveries."""
    states: tuple[int, ...] = ()
    """After each delivery."""
    released: int = 0
    """How many outputs it has sent."""

    def next_state(self, state: int, delivery: Delivery) -> int:
        """Return the state after one more input: a function of the two, in which the order matters."""
        return (2 * state + delivery.value) % 1009

    # -- handlers

    def on_start(self, saved: WorkerLog | None) -> Step[Self]:
        flush = (SetTimer("flush", (self.flush_seconds, self.flush_seconds)),) if self.style == "optimistic" else ()
        if saved is None:
            return self, (Save(WorkerLog(0)), *self.pull(), *flush)
        node = replace(self, boot=saved.boot + 1)
        if self.style == "causal":
            node = replace(node, recovering=True)
            return node, (Save(node.log), Send(self.peer, Ask(node.boot)))
        node = replace(node.replay(saved.deliveries), base=len(saved.deliveries))
        told = (Send(self.peer, Recovered(node.boot, len(node.deliveries))),) if self.style == "optimistic" else ()
        return node.released_all(), (Save(node.log), *told, *node.catch_up(), *flush)

    def on_timer(self, name: str) -> Step[Self]:
        """Optimistic: force what was written behind, and let the outputs go that waited for it."""
        again = SetTimer("flush", (self.flush_seconds, self.flush_seconds))
        if self.released == len(self.deliveries):
            return self, (again,)
        return self.released_all(), (Save(self.log), *self.outputs(self.released, len(self.deliveries)), again)

    def on_message(self, source: str, message: Message) -> Step[Self]:
        match message:
            case Input():
                if self.recovering or (source, message.number) in self.taken:
                    return self, ()
                return self.on_input(Delivery(source, message.number, message.value))
            case Held():
                if message.boot != self.boot or message.count <= self.released:
                    return self, ()
                return replace(self, released=message.count), self.outputs(self.released, message.count)
            case Told():
                if not self.recovering:
                    return self, ()
                node = replace(self, recovering=False).replay(message.determinants).released_all()
                return node, node.catch_up()
            case Pull() | Result() | Ask() | Recovered() | Output() | Next():
                return self, ()
            case _:
                assert_never(message)

    def on_input(self, delivery: Delivery) -> Step[Self]:
        """Take an input. What is logged before the result leaves is the whole difference between the styles."""
        node = self.replay((delivery,))
        count = len(node.deliveries)
        if self.style == "pessimistic":
            node = node.released_all()
            return node, (Save(node.log), node.result(count), *node.outputs(count - 1, count))
        if self.style == "optimistic":
            return node, (Save(node.log, forced=False), node.result(count))
        return node, (node.result(count),)

    # -- helpers

    @property
    def log(self) -> WorkerLog:
        """What it would put on disk; causal: its boots only."""
        return WorkerLog(self.boot, () if self.style == "causal" else self.deliveries)

    def replay(self, deliveries: tuple[Delivery, ...]) -> Self:
        """Take these inputs in this order, without sending anything."""
        node = self
        for each in deliveries:
            state = node.next_state(node.states[-1] if node.states else 0, each)
            node = replace(
                node,
                deliveries=(*node.deliveries, each),
                taken=node.taken | {(each.source, each.number)},
                states=(*node.states, state),
            )
        return node

    def released_all(self) -> Self:
        """Note that all outputs may leave."""
        return replace(self, released=len(self.deliveries))

    def result(self, count: int) -> Send:
        """Return the result after so many inputs; causal: with the determinants that the peer may lack."""
        carried = self.deliveries[self.released : count] if self.style == "causal" else ()
        start = self.released if carried else 0
        return Send(self.peer, Result(self.boot, self.base, count, self.states[count - 1], start, carried))

    def outputs(self, start: int, end: int) -> Effects:
        """Return the outputs from one count to another."""
        return tuple(Send(self.outside, Output(count, self.states[count - 1])) for count in range(start + 1, end + 1))

    def catch_up(self) -> Effects:
        """After a replay: say again what may not have been said, and ask for what may have been lost."""
        results = tuple(self.result(count) for count in range(1, len(self.deliveries) + 1))
        return (*results, *self.outputs(0, len(self.deliveries)), *self.pull())

    def pull(self) -> Effects:
        """Ask all sources for what they have."""
        return tuple(Send(source, Pull()) for source in self.sources)


# ------------------------------------------------------------------------------------------- those around the worker


@dataclass(frozen=True)
class Source(Node[Message, None]):
    """Sends its inputs when it is asked, however often.

    Parameters
    ----------
    name
        Its own.
    worker
        Whom it sends to.
    values
        Its inputs.
    endless
        Whether it makes and sends one more each time that its message to itself arrives.
    """

    name: str
    worker: str
    values: tuple[int, ...] = ()
    endless: bool = False

    def on_start(self, saved: None) -> Step[Self]:
        return self, (Send(self.name, Next()),) if self.endless else ()

    def on_message(self, source: str, message: Message) -> Step[Self]:
        if isinstance(message, Pull):
            return self, self.inputs()
        if isinstance(message, Next):
            node = replace(self, values=(*self.values, len(self.values) % 10))
            return node, (node.inputs()[-1], Send(self.name, Next()))
        return self, ()

    def inputs(self) -> Effects:
        """Return all that it has."""
        return tuple(Send(self.worker, Input(number, value)) for number, value in enumerate(self.values, start=1))


@dataclass(frozen=True)
class Peer(Node[Message, None]):
    """Takes the worker's results, and acts on them: from then on it depends on what the worker was."""

    results: Table[int, int] = ()
    """The worker's state by the count of its inputs."""
    determinants: tuple[Delivery, ...] = ()
    boot: int = 0

    def on_start(self, saved: None) -> Step[Self]:
        return self, ()

    def on_message(self, source: str, message: Message) -> Step[Self]:
        match message:
            case Result():
                return self.on_result(source, message)
            case Ask():
                return replace(self, boot=message.boot), (Send(source, Told(self.determinants)),)
            case Recovered():
                return self.give_up(message.boot, message.count), ()
            case Input() | Pull() | Held() | Told() | Output() | Next():
                return self, ()
            case _:
                assert_never(message)

    def give_up(self, boot: int, count: int) -> Self:
        """At the first word of a new boot, drop what depends on more than the worker came back with: orphans."""
        if boot <= self.boot:
            return self
        return replace(self, boot=boot, results=tuple(pair for pair in self.results if pair[0] <= count))

    def on_result(self, source: str, message: Result) -> Step[Self]:
        """Keep it, unless it comes from before a crash that this peer knows of."""
        if message.boot < self.boot:
            return self, ()
        node = self.give_up(message.boot, message.base)
        if entry(node.results, message.count) is None:
            node = replace(node, results=with_entry(node.results, message.count, message.state))
        if not message.determinants or message.start > len(self.determinants):
            return node, ()
        if message.start + len(message.determinants) > len(self.determinants):
            node = replace(node, determinants=(*self.determinants[: message.start], *message.determinants))
        return node, (Send(source, Held(message.boot, len(node.determinants))),)


@dataclass(frozen=True)
class Outside(Node[Message, None]):
    """The world: a printer, a customer, a bank. It does not roll back."""

    outputs: Table[int, int] = ()

    def on_start(self, saved: None) -> Step[Self]:
        return self, ()

    def on_message(self, source: str, message: Message) -> Step[Self]:
        if not isinstance(message, Output) or entry(self.outputs, message.count) is not None:
            return self, ()
        return replace(self, outputs=with_entry(self.outputs, message.count, message.state)), ()


# --------------------------------------------------------------------------------------------------------- invariants


def _agree(world: World, seen: Table[int, int]) -> bool:
    """Whether each worker that is up and itself again has been in each of these states."""
    workers = [node for node in world.nodes.values() if isinstance(node, Worker) and not node.recovering]
    return all(
        count <= len(worker.states) and worker.states[count - 1] == state for worker in workers for count, state in seen
    )


def no_orphans(world: World) -> bool:
    """Whether the peer holds no result that the worker, if it is up, has not computed in its present life."""
    return all(_agree(world, node.results) for node in world.nodes.values() if isinstance(node, Peer))


def outputs_stand(world: World) -> bool:
    """Whether the outside has seen nothing that the worker, if it is up, has not computed in its present life."""
    return all(_agree(world, node.outputs) for node in world.nodes.values() if isinstance(node, Outside))


def all_done(world: World) -> bool:
    """Whether each input is taken, its result is with the peer, and its output outside."""
    expected = sum(len(node.values) for node in world.nodes.values() if isinstance(node, Source))
    seen = [len(node.results) for node in world.nodes.values() if isinstance(node, Peer)]
    seen += [len(node.outputs) for node in world.nodes.values() if isinstance(node, Outside)]
    return all(each == expected for each in seen) and no_orphans(world) and outputs_stand(world)
