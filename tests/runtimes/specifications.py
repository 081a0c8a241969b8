"""Small specifications with published numbers of states, as nodes: the explorer's own counts are checked with them.

Where a specification passes messages, its processes are nodes, and a spontaneous action is a timer that may fire at any
time. Where its actions look at the state of several processes at once, which no message expresses, one :class:`Machine`
holds all of it and every enabled action is a timer.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Self

from distlib.node import CancelTimer, Complete, Effects, Invoke, Node, ReadClock, Send, SetTimer, Step, World

ANY_TIME = (0.0, 1.0)


# ---------------------------------------------------------------------------------- TwoPhase: Lamport, tlaplus/Examples


@dataclass(frozen=True)
class TransactionManager(Node[str, None]):
    """TwoPhase's TM: TMCommit and TMAbort are spontaneous."""

    managers: frozenset[str]
    state: str = "init"
    prepared: frozenset[str] = frozenset()

    def on_start(self, saved: None) -> Step[Self]:
        return self, (SetTimer("TMAbort", ANY_TIME),)

    def on_message(self, source: str, message: str) -> Step[Self]:
        if self.state != "init":
            return self, ()
        # To hear of the same preparation again changes nothing and is a step all the same, as in the specification.
        node = replace(self, prepared=self.prepared | {source})
        return node, (SetTimer("TMCommit", ANY_TIME),) if node.prepared == self.managers else ()

    def on_timer(self, name: Any) -> Step[Self]:
        decision, other = ("commit", "TMAbort") if name == "TMCommit" else ("abort", "TMCommit")
        messages = (Send(manager, decision) for manager in sorted(self.managers))
        return replace(self, state=decision), (CancelTimer(other), *messages)


@dataclass(frozen=True)
class ResourceManager(Node[str, None]):
    """TwoPhase's RM: RMPrepare and RMChooseToAbort are spontaneous, and a decision is taken whatever the state."""

    state: str = "working"

    def on_start(self, saved: None) -> Step[Self]:
        return self, (SetTimer("RMPrepare", ANY_TIME), SetTimer("RMChooseToAbort", ANY_TIME))

    def on_message(self, source: str, message: str) -> Step[Self]:
        state = "committed" if message == "commit" else "aborted"
        return replace(self, state=state), (CancelTimer("RMPrepare"), CancelTimer("RMChooseToAbort"))

    def on_timer(self, name: Any) -> Step[Self]:
        if name == "RMPrepare":
            return replace(self, state="prepared"), (CancelTimer("RMChooseToAbort"), Send("tm", "prepared"))
        return replace(self, state="aborted"), (CancelTimer("RMPrepare"),)


def managers(count: int) -> list[str]:
    return [f"rm{number}" for number in range(1, count + 1)]


def two_phase(count: int) -> dict[str, Node[Any, Any]]:
    return {
        "tm": TransactionManager(frozenset(managers(count))),
        **{name: ResourceManager() for name in managers(count)},
    }


def consistent(world: World) -> bool:
    """TCConsistent: no resource manager has committed while another has aborted."""
    states = {node.state for node in world.nodes.values() if isinstance(node, ResourceManager)}
    return not {"committed", "aborted"} <= states


# -------------------------------------------------------------------------------- specifications with a state in common


@dataclass(frozen=True)
class Machine(Node[None, None]):
    """A specification that is one node: the initial state is chosen by a reading of the clock, the rest by timers."""

    state: Any = None

    @abstractmethod
    def initial(self) -> list[Hashable]:
        """Return the initial states."""

    @abstractmethod
    def actions(self) -> Iterator[tuple[Hashable, Hashable]]:
        """Yield each action that is enabled, with the state that it leads to."""

    def on_start(self, saved: None) -> Step[Self]:
        return self, (ReadClock("initial state"),)

    def on_clock(self, name: Any, reading_seconds: float) -> Step[Self]:
        node = replace(self, state=self.initial()[int(reading_seconds)])
        return node, node.offer(())

    def on_message(self, source: str, message: None) -> Step[Self]:
        raise AssertionError("nobody sends")

    def on_timer(self, name: Any) -> Step[Self]:
        actions = dict(self.actions())
        node = replace(self, state=actions[name])
        return node, node.offer(actions)

    def offer(self, offered: Any) -> Effects:
        """Set a timer for each enabled action; cancel those that were `offered` and are not."""
        enabled = dict(self.actions())
        return (
            *(CancelTimer(action) for action in offered if action not in enabled),
            *(SetTimer(action, ANY_TIME) for action in enabled),
        )


def changed(values: tuple[Any, ...], position: int, value: Any) -> tuple[Any, ...]:
    return (*values[:position], value, *values[position + 1 :])


@dataclass(frozen=True)
class TransactionCommit(Machine):
    """TCommit (Lamport, tlaplus/Examples), 3 resource managers: what any commit protocol implements."""

    def initial(self) -> list[Hashable]:
        return [("working",) * 3]

    def actions(self) -> Iterator[tuple[Hashable, Hashable]]:
        states = self.state
        for manager, state in enumerate(states):
            if state == "working":
                yield ("prepare", manager), changed(states, manager, "prepared")
            if state == "prepared" and set(states) <= {"prepared", "committed"}:
                yield ("commit", manager), changed(states, manager, "committed")
            if state in ("working", "prepared") and "committed" not in states:
                yield ("abort", manager), changed(states, manager, "aborted")


@dataclass(frozen=True)
class ChangRoberts(Machine):
    """ChangRoberts (Merz, tlaplus/Examples), 3 nodes in a ring, any of which may begin; the smallest identity wins."""

    def initial(self) -> list[Hashable]:
        nothing = (frozenset[int](),) * 3
        return [
            (nothing, ("n0",) * 3, begins, tuple("cand" if each else "lost" for each in begins))
            for begins in product((False, True), repeat=3)
        ]

    def actions(self) -> Iterator[tuple[Hashable, Hashable]]:
        messages, counters, begins, states = self.state
        for node in range(3):
            following = (node + 1) % 3
            if counters[node] == "n0":
                sent = changed(messages, following, messages[following] | {node}) if begins[node] else messages
                yield ("begin", node), (sent, changed(counters, node, "n1"), begins, states)
                continue
            for identity in sorted(messages[node]):
                left = changed(messages, node, messages[node] - {identity})
                passed = changed(left, following, left[following] | {identity})
                if states[node] == "lost" or identity < node:
                    outcome = (passed, counters, begins, changed(states, node, "lost"))
                elif identity == node:
                    outcome = (left, counters, begins, changed(states, node, "won"))
                else:
                    outcome = (left, counters, begins, states)
                yield ("receive", node, identity), outcome


@dataclass(frozen=True)
class AlternatingBit(Machine):
    """AlternatingBit (Lamport, *Specifying Systems*, chapter 14): two data items, both queues bounded to length 2."""

    def initial(self) -> list[Hashable]:
        return [((), (), bit, bit, bit, sent, got) for bit in (0, 1) for sent, got in product("xy", repeat=2)]

    def actions(self) -> Iterator[tuple[Hashable, Hashable]]:
        data, acknowledgements, sent_bit, acknowledged, got_bit, sent, got = self.state
        if acknowledged == sent_bit:
            for item in "xy":
                bit = 1 - sent_bit
                yield ("send", item), ((*data, (bit, item)), acknowledgements, bit, acknowledged, got_bit, item, got)
        else:
            again = (*data, (sent_bit, sent))
            yield "send again", (again, acknowledgements, sent_bit, acknowledged, got_bit, sent, got)
        if data:
            (bit, item), *later = data
            yield "receive", (tuple(later), acknowledgements, sent_bit, acknowledged, bit, sent, item)
        yield "acknowledge", (data, (*acknowledgements, got_bit), sent_bit, acknowledged, got_bit, sent, got)
        if acknowledgements:
            bit, *rest = acknowledgements
            yield "learn", (data, tuple(rest), sent_bit, bit, got_bit, sent, got)
        for place in range(len(data)):
            left = data[:place] + data[place + 1 :]
            yield ("lose", place), (left, acknowledgements, sent_bit, acknowledged, got_bit, sent, got)
        for place in range(len(acknowledgements)):
            kept = acknowledgements[:place] + acknowledgements[place + 1 :]
            yield ("lose acknowledgement", place), (data, kept, sent_bit, acknowledged, got_bit, sent, got)

    @staticmethod
    def within(world: World) -> bool:
        data, acknowledgements, *_ = world.nodes["machine"].state  # type: ignore[union-attr]
        return len(data) <= 2 and len(acknowledgements) <= 2


Channel = tuple[int, int, int]
"""The value, the bit of the sender (ready) and the bit of the receiver (acknowledged)."""
CHANNELS: list[Channel] = [(value, bit, bit) for value in range(3) for bit in (0, 1)]


@dataclass(frozen=True)
class AsynchInterface(Machine):
    """AsynchInterface (Lamport, *Specifying Systems*, chapter 3), three values."""

    def initial(self) -> list[Hashable]:
        return list(CHANNELS)

    def actions(self) -> Iterator[tuple[Hashable, Hashable]]:
        value, ready, acknowledged = self.state
        if ready == acknowledged:
            for item in range(3):
                yield ("send", item), (item, 1 - ready, acknowledged)
        else:
            yield "receive", (value, ready, 1 - acknowledged)


@dataclass(frozen=True)
class InnerFIFO(Machine):
    """InnerFIFO (Lamport, *Specifying Systems*, chapter 4), three values, a buffer bounded to length 3."""

    def initial(self) -> list[Hashable]:
        return [(inwards, (), outwards) for inwards, outwards in product(CHANNELS, repeat=2)]

    def actions(self) -> Iterator[tuple[Hashable, Hashable]]:
        (value, ready, acknowledged), buffer, outwards = self.state
        item, sent, got = outwards
        if ready == acknowledged:
            for each in range(3):
                yield ("send", each), ((each, 1 - ready, acknowledged), buffer, outwards)
        else:
            yield "take in", ((value, ready, 1 - acknowledged), (*buffer, value), outwards)
        if buffer and sent == got:
            yield "put out", ((value, ready, acknowledged), buffer[1:], (buffer[0], 1 - sent, got))
        if sent != got:
            yield "receive", ((value, ready, acknowledged), buffer, (item, sent, 1 - got))

    @staticmethod
    def within(world: World) -> bool:
        return len(world.nodes["machine"].state[1]) <= 3  # type: ignore[union-attr]


# --------------------------------------------------------------------------------------- two of Stateright's examples


@dataclass(frozen=True)
class Memory(Machine):
    """Stateright's increment.rs: threads read a shared number and write it back, plus one, in two steps.

    The threads are other nodes, which do nothing: only their names are needed, here and as a group of symmetry.
    """

    threads: frozenset[str] = frozenset({"thread 1", "thread 2"})

    def initial(self) -> list[Hashable]:
        return [(0, frozenset((thread, 1, 0) for thread in self.threads))]

    def actions(self) -> Iterator[tuple[Hashable, Hashable]]:
        shared, threads = self.state
        for thread in sorted(threads):
            name, counter, local = thread
            if counter == 1:
                yield ("read", name), (shared, threads - {thread} | {(name, 2, shared)})
            if counter == 2:
                yield ("write", name), (local + 1, threads - {thread} | {(name, 3, local)})


@dataclass(frozen=True)
class Bystander(Node[None, None]):
    """It does nothing, and stands for a name."""

    def on_start(self, saved: None) -> Step[Self]:
        return self, ()

    def on_message(self, source: str, message: None) -> Step[Self]:
        return self, ()


@dataclass(frozen=True)
class Register(Node[tuple[str, Any], None]):
    """Stateright's single-copy-register.rs: a server with one value."""

    value: str = ""

    def on_start(self, saved: None) -> Step[Self]:
        return self, ()

    def on_message(self, source: str, message: tuple[str, Any]) -> Step[Self]:
        match message:
            case ("put", value):
                return replace(self, value=value), (Send(source, ("put done", None)),)
            case _:
                return self, (Send(source, ("got", self.value)),)


@dataclass(frozen=True)
class RegisterClient(Node[tuple[str, Any], None]):
    """It puts one value to one server and then gets one from another."""

    value: str
    put_server: str
    get_server: str
    completed: int = 0

    def on_start(self, saved: None) -> Step[Self]:
        return self, (Invoke(("write", self.value)), Send(self.put_server, ("put", self.value)))

    def on_message(self, source: str, message: tuple[str, Any]) -> Step[Self]:
        node = replace(self, completed=self.completed + 1)
        if message[0] == "put done":
            return node, (Complete(), Invoke(("read",)), Send(self.get_server, ("get", None)))
        return node, (Complete(message[1]),)


def registers(server_count: int) -> dict[str, Node[Any, Any]]:
    """Two clients; with two servers, each puts to one and gets from the other."""
    servers = [f"server {number}" for number in range(server_count)]
    return {
        **{server: Register() for server in servers},
        "client A": RegisterClient("A", servers[0], servers[-1]),
        "client B": RegisterClient("B", servers[-1], servers[0]),
    }
