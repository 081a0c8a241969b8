"""The states of a distributed system and the steps between them, packed so that a search is quick.

Theory of operation
-------------------
A state of the whole system is one Python integer. Its fields, from the low end:

- what is left of the budgets for faults, and the number of the clients' history, where they are asked for;
- one field for each node: the number of its *local state* (:class:`Local`);
- the network: one bit (a set) or one byte (a multiset) for each distinct message, or one field for each link (FIFO).

Local states, messages, queues and histories are *interned*: each distinct one is kept once and named by a small
number, in the order of discovery, so that the same exploration gives the same numbers under every hash seed.

What a node may do next depends on its local state, on the messages for it and on the budgets: on the integer *masked* by
the fields that the node sees. Handlers are pure, so the node's steps are computed once for each masked value and kept as
pairs ``(delta, added)``; the successors of a state are then ``(state + delta) | added``, two operations on integers
each. Queues and histories grow in a way that depends on what they hold; their steps carry *operations* besides.

Sources: the hashing of parts of a state and their replacement by numbers is COLLAPSE compression: Holzmann, "State
Compression in SPIN", 1997. To memoise a process's own transitions is what purity of the handlers buys here.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from distlib.node import (
    CancelTimer,
    Complete,
    Effect,
    Effects,
    Invoke,
    Node,
    Outcome,
    ReadClock,
    Save,
    Send,
    SetTimer,
    World,
)
from distlib.runtimes.trace import Event, Kind, Trace

__all__ = ["Budgets", "History", "Local", "Message", "Network", "Space", "linear_order"]

AnyNode: TypeAlias = Node[Any, Any]
Network: TypeAlias = Literal["multiset", "set", "fifo"]
Message: TypeAlias = tuple[int, int, Any]
"""Number of the source, number of the target, and what was sent."""

LOCAL_BITS = 26
"""Width of a field that holds the number of an interned value: 67 million of them."""
COPY_BITS = 8
"""Width of the count of one message's copies in a multiset; its top bit is a guard that must stay clear."""
COPIES_LIMIT = (1 << (COPY_BITS - 1)) - 1
FIELD = (1 << LOCAL_BITS) - 1


class Local(NamedTuple):
    """What one node is at one instant, apart from the messages on their way to it.

    `node` is None while it is down. `unforced` holds the values that were saved but not forced since `saved` became
    durable: a crash leaves one of them, or `saved`, on the disk. `crashes` is what is left of the node's own budget.
    """

    node: AnyNode | None
    saved: Any
    unforced: tuple[Any, ...]
    timers: tuple[Hashable, ...]
    crashes: int


@dataclass(frozen=True, slots=True)
class Budgets:
    """How many faults a run may have. None: any number."""

    losses: int | None
    duplicates: int | None
    crashes: int | Mapping[str, int]
    restarts: int | None


@dataclass(frozen=True, slots=True)
class Reading:
    """A clock was read and the node took the reading. It stands among the effects, where the ReadClock stood."""

    name: Hashable
    reading_seconds: float
    node: AnyNode


Happening: TypeAlias = Effect | Reading


class Script(NamedTuple):
    """One way in which a handler can run: the node that it returned, and all that applies after it, in order.

    `node` is the node once everything has applied: the readings of the clock change it once more.
    """

    returned: AnyNode
    happenings: tuple[Happening, ...]
    node: AnyNode


class Reaction(NamedTuple):
    """One thing that can come of a stimulus.

    `applied` counts the happenings that took place. A reaction that `crashed` stopped there and left the node down.
    """

    script: Script
    applied: int
    crashed: bool
    local: int
    sent: tuple[int, ...]
    recorded: tuple[Invoke | Complete | None, ...]


class Operation(NamedTuple):
    """Advance the interned value in the field at `shift` by `symbol`, whatever it is."""

    shift: int
    values: Interned
    symbol: Hashable


class Move(NamedTuple):
    """One step of the system: what happens, and what it does to the packed state.

    `event` is DELIVER, LOSE, TIMER, CRASH or START. `duplicated` says that the network kept a copy of what it delivered.
    """

    node: int
    event: Kind
    subject: Hashable
    """The number of the message, or the name of the timer."""
    reaction: Reaction | None
    duplicated: bool
    ordinary: bool
    """Whether it is no fault."""
    delta: int
    added: int
    operations: tuple[Operation, ...]


Pair: TypeAlias = tuple[int, int]
Triple: TypeAlias = tuple[int, int, tuple[Operation, ...]]


class Interned:
    """Values with small numbers in order of discovery, and a function on them that is computed once for each argument."""

    def __init__(self, initial: Hashable, advance: Callable[[Any, Any], Hashable]) -> None:
        self.values: list[Any] = [initial]
        self._numbers: dict[Hashable, int] = {initial: 0}
        self._advance = advance
        self._advanced: dict[tuple[int, Hashable], int] = {}

    def number(self, value: Hashable) -> int:
        """Return the number of `value`, a new one if it was not seen before."""
        number = self._numbers.setdefault(value, len(self.values))
        if number == len(self.values):
            if number > FIELD:
                raise OverflowError(f"more than {FIELD:,} distinct values of one part of the state: lower `max_states`")
            self.values.append(value)
        return number

    def advance(self, number: int, symbol: Hashable) -> int:
        """Return the number of what value `number` becomes by `symbol`."""
        key = (number, symbol)
        advanced = self._advanced.get(key)
        if advanced is None:
            advanced = self._advanced[key] = self.number(self._advance(self.values[number], symbol))
        return advanced


class Operated(NamedTuple):
    """One client's operation in a :data:`History`.

    `preceded_by` holds, for each client, how many of its operations had completed when this one was invoked: the
    real-time order that linearizability must respect, and no more than that.
    """

    operation: Hashable
    completion: Complete | None
    preceded_by: tuple[int, ...]


History: TypeAlias = tuple[tuple[Operated, ...], ...]
"""For each node, by its number, the operations that it invoked as a client."""


def _extend_history(history: History, symbol: tuple[int, Invoke | Complete | None]) -> History:
    """Return `history` after a client invoked or completed, or crashed (None), which leaves its operation unknown."""
    client, happened = symbol
    own = history[client]
    is_open = bool(own) and own[-1].completion is None
    match happened:
        case Invoke(operation):
            if is_open:
                raise ValueError(f"{happened!r} while {own[-1].operation!r} is open: a client has at most one at a time")
            completed = tuple(sum(each.completion is not None for each in operations) for operations in history)
            own = (*own, Operated(operation, None, completed))
        case Complete():
            if not is_open:
                raise ValueError(f"{happened!r} without an open operation: a client must `Invoke` first")
            own = (*own[:-1], own[-1]._replace(completion=happened))
        case None:
            if is_open:
                own = (*own[:-1], own[-1]._replace(completion=Complete(outcome=Outcome.UNKNOWN)))
    return (*history[:client], own, *history[client + 1 :])


def linear_order(history: History, names: Sequence[str]) -> tuple[tuple[str, Invoke | Complete], ...]:
    """Return one order of events that has exactly the real-time order of `history`.

    Many orders of events have the same real-time order, and a state keeps only that. An operation is invoked here as late
    as it may be: when nothing but completions that must come after it would remain.
    """
    begun = [0] * len(history)
    completed = [0] * len(history)
    events: list[tuple[str, Invoke | Complete]] = []

    def may_complete(client: int) -> bool:
        # An operation that is still to be invoked may demand that this completion comes after it.
        return begun[client] > completed[client] and not any(
            pending.preceded_by[client] <= completed[client]
            for other, operations in enumerate(history)
            if other != client
            for pending in operations[begun[other] :]
        )

    while True:
        for client, operations in enumerate(history):
            if begun[client] > completed[client]:
                completion = operations[completed[client]].completion
                if completion is not None and may_complete(client):
                    events.append((names[client], completion))
                    completed[client] += 1
                    break
            elif begun[client] < len(operations):
                due = operations[begun[client]]
                if all(completed[other] >= count for other, count in enumerate(due.preceded_by)):
                    events.append((names[client], Invoke(due.operation)))
                    begun[client] += 1
                    break
        else:
            return tuple(events)


def _scripts(node: AnyNode, effects: Effects, clock_readings: Sequence[float] | None) -> Iterator[Script]:
    """Yield every way in which `effects`, returned with `node`, can run: one for each combination of clock readings."""

    def run(current: AnyNode, past: tuple[Happening, ...], coming: Effects) -> Iterator[Script]:
        for position, effect in enumerate(coming):
            if isinstance(effect, ReadClock):
                if not clock_readings:
                    raise ValueError(
                        f"{type(node).__name__} reads its clock ({effect!r}): give `clock_readings`, the values to branch over"
                    )
                for reading in clock_readings:
                    following, more = current.on_clock(effect.name, reading)
                    happened = (*past, *coming[:position], Reading(effect.name, reading, following))
                    yield from run(following, happened, (*more, *coming[position + 1 :]))
                return
        yield Script(node, (*past, *coming), current)

    yield from run(node, (), effects)


class _Part:
    """A part of a world, made when a predicate first looks at it: most look at the nodes only."""

    def __init__(self, make: Callable[[Space, int], Any]) -> None:
        self._make = make

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, world: _SeenWorld, owner: type) -> Any:
        part = world.__dict__[self._name] = self._make(world._space, world._state)
        return part


class _SeenWorld(World):
    """A world that is read off a packed state as far as it is looked at."""

    _space: Space
    _state: int

    def __init__(self, space: Space, state: int) -> None:
        self.__dict__.update(_space=space, _state=state)

    nodes = _Part(lambda space, state: {name: local.node for name, local in space.locals(state)})
    saved = _Part(lambda space, state: {name: local.saved for name, local in space.locals(state)})
    in_flight = _Part(lambda space, state: space.in_flight(state))
    history = _Part(lambda space, state: space.history(state))


class Space:
    """All that can happen to some nodes on some network, within budgets for faults.

    Parameters
    ----------
    nodes
        The initial nodes by name.
    network
        What the network is; see :func:`distlib.runtimes.exploration.explore`, which checks all of these.
    budgets
        How many faults a run may have.
    timers
        Whether timers fire.
    clock_readings
        What a clock may show, each time it is read.
    record_history
        Whether a state includes what the clients recorded.
    crash_between_effects
        Whether a crash may fall between two effects of one handler, or only between handlers.
    repair
        Whether a restart counts as an ordinary step.
    """

    def __init__(
        self,
        nodes: Mapping[str, AnyNode],
        *,
        network: Network,
        budgets: Budgets,
        timers: bool,
        clock_readings: Sequence[float] | None,
        record_history: bool,
        crash_between_effects: bool,
        repair: bool,
    ) -> None:
        self.names = tuple(nodes)
        self.network = network
        self.budgets = budgets
        self.linear = network != "fifo" and not record_history
        self.initial_nodes = tuple(nodes.values())
        self._numbers = {name: number for number, name in enumerate(self.names)}
        self._timers = timers
        self._crashes_are_shared = isinstance(budgets.crashes, int)
        self._clock_readings = clock_readings
        self._crash_between_effects = crash_between_effects
        self._repair = repair
        self._lay_out_fields(record_history)
        self.guards = 0
        """The top bits of all counts of copies: a state with one of them set has more copies than can be counted."""
        self.watch: Callable[[tuple[int, int, Kind, Hashable]], None] | None = None
        """Told of each (node, local state, event, subject) for which a handler ran for the first time."""
        self.messages: list[Message] = []
        self._message_numbers: dict[Message, int] = {}
        self.links: dict[tuple[int, int], int] = {}
        self._timer_order: dict[Hashable, int] = {}
        self._reactions: list[dict[tuple[int, Kind, Hashable], tuple[Reaction, ...]]] = [{} for _ in self.names]
        self.steps: list[dict[int, tuple[Any, Any]]] = [{} for _ in self.names]
        """For each node: from the masked state to its steps, ordinary ones and others."""

    def _lay_out_fields(self, record_history: bool) -> None:
        """Give every field its place."""
        budgets = self.budgets
        total = budgets.crashes if isinstance(budgets.crashes, int) else None
        self._shifts: dict[str, int] = {}
        place = 0
        self._full = 0
        for name, count in (
            ("losses", budgets.losses),
            ("duplicates", budgets.duplicates),
            ("crashes", total),
            ("restarts", budgets.restarts),
        ):
            if count:
                self._shifts[name] = place
                self._full |= count << place
                place += count.bit_length()
        shared = (1 << place) - 1
        self.history_shift: int | None = None
        if record_history:
            self.history_shift = place
            place += LOCAL_BITS
        self.shifts = [place + LOCAL_BITS * number for number in range(len(self.names))]
        self.network_shift = place + LOCAL_BITS * len(self.names)
        self.masks = [shared | (FIELD << shift) for shift in self.shifts]
        """What each node sees of the state; grows as messages are discovered."""
        crashes = [0 if total is not None else dict(budgets.crashes).get(name, 0) for name in self.names]  # type: ignore[call-overload]
        self.interned_locals = [Interned(Local(None, None, (), (), count), _never) for count in crashes]
        self.queues = Interned((), lambda queue, message: (*queue, message))
        self.histories = Interned(((),) * len(self.names), _extend_history)

    # What a state holds -----------------------------------------------------------------------------------------------

    def locals(self, state: int) -> list[tuple[str, Local]]:
        """Return the nodes' names and local states."""
        return [
            (name, interned.values[(state >> shift) & FIELD])
            for name, shift, interned in zip(self.names, self.shifts, self.interned_locals, strict=True)
        ]

    def network_contents(self, state: int) -> Iterator[tuple[int, int]]:
        """Yield (number of a message, how many copies of it are in flight), in order of discovery, or by link if FIFO."""
        rest = state >> self.network_shift
        if self.network == "fifo":
            while rest:
                yield from ((message, 1) for message in self.queues.values[rest & FIELD])
                rest >>= LOCAL_BITS
        elif self.network == "set":
            while rest:
                lowest = rest & -rest
                yield lowest.bit_length() - 1, 1
                rest ^= lowest
        else:
            while rest:
                message = ((rest & -rest).bit_length() - 1) // COPY_BITS
                copies = (rest >> message * COPY_BITS) & ((1 << COPY_BITS) - 1)
                yield message, copies
                rest ^= copies << message * COPY_BITS

    def in_flight(self, state: int) -> tuple[tuple[str, str, Any], ...]:
        """Return the messages on their way, as (source, target, message), one for each copy."""
        return tuple(
            (self.names[source], self.names[target], message)
            for number, copies in self.network_contents(state)
            for source, target, message in (self.messages[number],) * copies
        )

    def history(self, state: int) -> tuple[tuple[str, Invoke | Complete], ...]:
        """Return what the clients recorded, in an order that has the state's real-time order."""
        if self.history_shift is None:
            return ()
        return linear_order(self.histories.values[(state >> self.history_shift) & FIELD], self.names)

    def world(self, state: int) -> World:
        """Return what a predicate sees of a state."""
        return _SeenWorld(self, state)

    def _left(self, budget: str, state: int) -> int:
        """Return what is left of a budget that has a field."""
        if budget not in self._shifts:
            return 0
        count: int = getattr(self.budgets, budget)
        return (state >> self._shifts[budget]) & ((1 << count.bit_length()) - 1)

    def check_copies(self, state: int) -> None:
        """Raise if more copies of a message are in flight than can be counted."""
        for number, copies in self.network_contents(state):
            if copies > COPIES_LIMIT:
                source, target, message = self.messages[number]
                raise OverflowError(
                    f"more than {COPIES_LIMIT} copies of {message!r} from {self.names[source]!r} to {self.names[target]!r} "
                    "are in flight: the protocol resends without bound; bound its retries, give `max_depth`, or explore "
                    "with messages='set'"
                )

    # What can happen --------------------------------------------------------------------------------------------------

    def initial(self) -> dict[int, tuple[Reaction, ...]]:
        """Return the states right after the first boot, each with how each node's boot went.

        Every node boots before anything else happens. With a budget for crashes, boots may be cut short.
        """
        booted: dict[int, tuple[Reaction, ...]] = {self._full: ()}
        for node in range(len(self.names)):
            following: dict[int, tuple[Reaction, ...]] = {}
            for state, past in booted.items():
                for reaction in self.react(node, 0, Kind.START, None):
                    if reaction.crashed and not self._may_crash(node, state):
                        continue
                    delta, added, operations = self._change(node, 0, reaction)
                    following.setdefault(self.apply(state, delta, added, operations), (*past, reaction))
            booted = following
        return booted

    def apply(self, state: int, delta: int, added: int, operations: Iterable[Operation]) -> int:
        """Return the state after a step."""
        state = (state + delta) | added
        for shift, values, symbol in operations:
            number = (state >> shift) & FIELD
            state += (values.advance(number, symbol) - number) << shift
        return state

    def successors(self, state: int) -> tuple[list[int], list[int]]:
        """Return the states one step on: by ordinary steps, and by others. One for each step, so some may be equal."""
        ordinary: list[int] = []
        others: list[int] = []
        node = 0
        for mask, known in zip(self.masks, self.steps, strict=True):
            part = state & mask
            found = known.get(part)
            if found is None:
                found = known[part] = self._compile(node, part)
            node += 1
            if self.linear:
                ordinary += [(state + delta) | added for delta, added in found[0]]
                if found[1]:
                    others += [(state + delta) | added for delta, added in found[1]]
            else:
                ordinary += [self.apply(state, *step) for step in found[0]]
                others += [self.apply(state, *step) for step in found[1]]
        return ordinary, others

    def _compile(self, node: int, part: int) -> tuple[Sequence[Pair | Triple], Sequence[Pair | Triple]]:
        """Return a node's steps, ordinary ones and others, as changes to the packed state."""
        moves = list(self.moves(node, part))
        if self.linear:
            return (
                [(move.delta, move.added) for move in moves if move.ordinary],
                [(move.delta, move.added) for move in moves if not move.ordinary],
            )
        return (
            [(move.delta, move.added, move.operations) for move in moves if move.ordinary],
            [(move.delta, move.added, move.operations) for move in moves if not move.ordinary],
        )

    def moves(self, node: int, state: int) -> Iterator[Move]:
        """Yield what can happen at a node, in a state of which only what the node sees is looked at."""
        part = state & self.masks[node]
        number = (part >> self.shifts[node]) & FIELD
        local: Local = self.interned_locals[node].values[number]
        seen: set[Triple] = set()
        for move in self._all_moves(node, part, number, local):
            # A crash in the middle of a handler that leaves what a plain crash leaves is the same step.
            if move.event is Kind.CRASH or (move.reaction is not None and move.reaction.crashed):
                change = (move.delta, move.added, move.operations)
                if change in seen:
                    continue
                seen.add(change)
            yield move

    def _all_moves(self, node: int, part: int, number: int, local: Local) -> Iterator[Move]:
        inbox = list(self._inbox(node, part))
        if local.node is None:
            if self.budgets.restarts is None or self._left("restarts", part):
                spent = -self._unit("restarts")
                for reaction in self.react(node, number, Kind.START, None):
                    if reaction.crashed and not (self._may_crash(node, part) and self._left_a_mark(node, number, reaction)):
                        continue
                    yield self._move(node, number, Kind.START, None, reaction, spent, self._repair)
            for message, removal in inbox:
                if removal:
                    yield Move(node, Kind.LOSE, message, None, False, True, removal, 0, ())
            return
        if self._may_crash(node, part):
            yield from self._crashes(node, number, local)
        for message, removal in inbox:
            yield from self._deliveries(node, part, number, message, removal)
            if self.budgets.losses is None or self._left("losses", part):
                delta = removal - self._unit("losses")
                yield Move(node, Kind.LOSE, message, None, False, False, delta, 0, ())
        if self._timers:
            for timer in local.timers:
                for reaction in self.react(node, number, Kind.TIMER, timer):
                    if not reaction.crashed or self._may_crash(node, part):
                        yield self._move(node, number, Kind.TIMER, timer, reaction, 0, True)

    def _left_a_mark(self, node: int, number: int, reaction: Reaction) -> bool:
        """Return whether a recovery that crashed changed anything but the budgets."""
        values = self.interned_locals[node].values
        return bool(
            reaction.sent or any(reaction.recorded) or values[reaction.local].saved != values[number].saved
        )

    def _deliveries(self, node: int, part: int, number: int, message: int, removal: int) -> Iterator[Move]:
        """Yield the deliveries of a message; with a budget for duplicates, also those of which a copy stays."""
        copying = self.network != "set" and (self.budgets.duplicates is None or bool(self._left("duplicates", part)))
        for reaction in self.react(node, number, Kind.DELIVER, message):
            if reaction.crashed and not self._may_crash(node, part):
                continue
            ignored = not reaction.script.happenings and reaction.script.node is self._node(node, number)
            if removal or not ignored:
                yield self._move(node, number, Kind.DELIVER, message, reaction, removal, True)
            if copying and not ignored:
                delta = -self._unit("duplicates")
                yield self._move(node, number, Kind.DELIVER, message, reaction, delta, False, duplicated=True)

    def _crashes(self, node: int, number: int, local: Local) -> Iterator[Move]:
        """Yield the crashes between two handlers: one for each value that the disk may be left with."""
        standing = Script(local.node, (), local.node)  # type: ignore[arg-type]
        for fallen in self._fall(local):
            reaction = Reaction(standing, 0, True, self.interned_locals[node].number(fallen), (), (None,))
            yield self._move(node, number, Kind.CRASH, None, reaction, 0, False)

    def _move(
        self,
        node: int,
        number: int,
        event: Kind,
        subject: Hashable,
        reaction: Reaction,
        delta: int,
        ordinary: bool,
        *,
        duplicated: bool = False,
    ) -> Move:
        change, added, operations = self._change(node, number, reaction)
        ordinary = ordinary and not reaction.crashed
        return Move(node, event, subject, reaction, duplicated, ordinary, delta + change, added, operations)

    def _change(self, node: int, number: int, reaction: Reaction) -> Triple:
        """Return what a reaction does to the packed state, apart from what it consumes."""
        delta = (reaction.local - number) << self.shifts[node]
        if reaction.crashed:
            delta -= self._unit("crashes")
        added = 0
        operations: list[Operation] = []
        if len(reaction.sent) > COPIES_LIMIT:
            raise OverflowError(f"{self.names[node]!r} sent {len(reaction.sent)} messages at once; at most {COPIES_LIMIT}")
        for message in reaction.sent:
            if self.network == "set":
                added |= 1 << self.network_shift + message
            elif self.network == "multiset":
                delta += 1 << self.network_shift + message * COPY_BITS
            else:
                operations.append(Operation(self.link_shift(self.messages[message]), self.queues, message))
        if self.history_shift is not None:
            for happened in reaction.recorded:
                operations.append(Operation(self.history_shift, self.histories, (node, happened)))
        return delta, added, tuple(operations)

    def _unit(self, budget: str) -> int:
        """Return what one use of a budget takes from the state: nothing, if it is not counted."""
        return 1 << self._shifts[budget] if budget in self._shifts else 0

    def _node(self, node: int, number: int) -> AnyNode:
        local: Local = self.interned_locals[node].values[number]
        assert local.node is not None
        return local.node

    def _may_crash(self, node: int, state: int) -> bool:
        if isinstance(self.budgets.crashes, int):
            return self._left("crashes", state) > 0
        local: Local = self.interned_locals[node].values[(state >> self.shifts[node]) & FIELD]
        return local.crashes > 0

    def _inbox(self, node: int, part: int) -> Iterator[tuple[int, int]]:
        """Yield (number of a message that may be delivered to a node next, change that takes it off the network)."""
        rest = part >> self.network_shift << self.network_shift
        if self.network == "fifo":
            for (_, target), shift in self.links.items():
                if target == node and (queue := (part >> shift) & FIELD):
                    message, *later = self.queues.values[queue]
                    yield message, (self.queues.number(tuple(later)) - queue) << shift
            return
        for message, _ in self.network_contents(rest):
            yield message, 0 if self.network == "set" else -(1 << self.network_shift + message * COPY_BITS)

    # What a node does -------------------------------------------------------------------------------------------------

    def react(self, node: int, number: int, event: Kind, subject: Hashable) -> tuple[Reaction, ...]:
        """Return all that can come of a stimulus at a node in a local state; the handler runs only once for each."""
        key = (number, event, subject)
        reactions = self._reactions[node].get(key)
        if reactions is None:
            reactions = self._reactions[node][key] = tuple(self._compute_reactions(node, number, event, subject))
            if self.watch is not None:
                self.watch((node, number, event, subject))
        return reactions

    def _compute_reactions(self, node: int, number: int, event: Kind, subject: Hashable) -> Iterator[Reaction]:
        local: Local = self.interned_locals[node].values[number]
        if event is Kind.START:
            returned, effects = self.initial_nodes[node].on_start(local.saved)
        else:
            assert local.node is not None
            if event is Kind.DELIVER:
                assert isinstance(subject, int)
                source, _, message = self.messages[subject]
                returned, effects = local.node.on_message(self.names[source], message)
            else:
                local = local._replace(timers=tuple(timer for timer in local.timers if timer != subject))
                returned, effects = self._node(node, number).on_timer(subject)
        # A node that never crashes needs no crashes to be found.
        crashing = self._crash_between_effects and (self.budgets.crashes if self._crashes_are_shared else local.crashes)
        for script in _scripts(returned, effects, self._clock_readings):
            total = len(script.happenings)
            yield from self._consequences(node, local, script, total, crashed=False)
            if crashing:
                # A crash after the last effect is the full reaction and then a plain crash: two steps, found anyway.
                for applied in range(total):
                    yield from self._consequences(node, local, script, applied, crashed=True)

    def _consequences(self, node: int, local: Local, script: Script, applied: int, *, crashed: bool) -> Iterator[Reaction]:
        """Yield what is left once the first `applied` happenings took place."""
        saved, unforced, timers = local.saved, local.unforced, dict.fromkeys(local.timers)
        sent: list[int] = []
        recorded: list[Invoke | Complete | None] = []
        for happening in script.happenings[:applied]:
            match happening:
                case Send(target, message):
                    sent.append(self.message(node, target, message))
                case Save(value, forced=True):
                    saved, unforced = value, ()
                case Save(value):
                    if value not in (saved, *unforced):
                        unforced = (*unforced, value)
                case SetTimer(name):
                    timers[name] = None
                case CancelTimer(name):
                    timers.pop(name, None)
                case Invoke() | Complete():
                    recorded.append(happening)
                case Reading():
                    pass
                case _:
                    raise TypeError(f"{type(script.returned).__name__} returned {happening!r}, which is not an effect")
        timers_set = self.ordered_timers(timers)
        after = local._replace(node=script.node, saved=saved, unforced=unforced, timers=timers_set)
        intern = self.interned_locals[node].number
        if not crashed:
            yield Reaction(script, applied, False, intern(after), tuple(sent), tuple(recorded))
            return
        for fallen in self._fall(after):
            yield Reaction(script, applied, True, intern(fallen), tuple(sent), (*recorded, None))

    def ordered_timers(self, names: Iterable[Hashable]) -> tuple[Hashable, ...]:
        """Return timers in the order in which their names were first seen, which needs no order on names."""
        return tuple(sorted(names, key=lambda name: self._timer_order.setdefault(name, len(self._timer_order))))

    def _fall(self, local: Local) -> Iterator[Local]:
        """Yield what a crash can leave of a local state."""
        crashes = local.crashes - (not isinstance(self.budgets.crashes, int))
        for kept in (local.saved, *local.unforced):
            yield Local(None, kept, (), (), crashes)

    def message(self, source: int, target_name: str, content: Any) -> int:
        """Return the number of a message; give it a place on the network if it is new."""
        if target_name not in self._numbers:
            raise ValueError(
                f"{self.names[source]!r} sent {content!r} to {target_name!r}: `nodes` has only {', '.join(self.names)}"
            )
        target = self._numbers[target_name]
        message = (source, target, content)
        number = self._message_numbers.get(message)
        if number is None:
            number = self._message_numbers[message] = len(self.messages)
            self.messages.append(message)
            if self.network == "set":
                self.masks[target] |= 1 << self.network_shift + number
            elif self.network == "multiset":
                place = self.network_shift + number * COPY_BITS
                self.masks[target] |= ((1 << COPY_BITS) - 1) << place
                self.guards |= 1 << place + COPY_BITS - 1
            else:
                self.masks[target] |= FIELD << self.link_shift(message)
        return number

    def link_shift(self, message: Message) -> int:
        link = message[:2]
        return self.links.setdefault(link, self.network_shift + LOCAL_BITS * len(self.links))

    # What happened ----------------------------------------------------------------------------------------------------

    def trace(self, path: Sequence[int], canonical: Callable[[int], int] | None = None) -> Trace:
        """Replay a path through the handlers and return what happened on it.

        Parameters
        ----------
        path
            States, each a successor of the one before, from an initial one on.
        canonical
            Where the path goes from representative to representative: what makes a state one.
        """
        same = canonical or (lambda state: state)
        recorder = _Recorder(self)
        current, boots = next((state, boots) for state, boots in self.initial().items() if same(state) == path[0])
        for node, reaction in enumerate(boots):
            recorder.record_boot(node, reaction)
        for following in path[1:]:
            recorder.step += 1
            move, current = next(
                (move, reached)
                for node in range(len(self.names))
                for move in self.moves(node, current)
                if same(reached := self.apply(current, move.delta, move.added, move.operations)) == following
            )
            recorder.record(move)
        return Trace(tuple(recorder.events), self.names)


def _never(value: Any, symbol: Any) -> Hashable:
    raise AssertionError("local states advance by reactions")


class _Recorder:
    """Turns moves into events with causes."""

    def __init__(self, space: Space) -> None:
        self.events: list[Event] = []
        self.step = 0
        self._space = space
        self._sends: dict[int, list[int]] = {}
        """For each message: the events that sent the copies in flight, oldest first."""
        self._delivered: set[int] = set()
        self._timers: dict[tuple[int, Hashable], int] = {}
        self._invocations: dict[int, int] = {}
        self._saved: list[Any] = [None] * len(space.names)

    def _add(self, kind: Kind, node: int, value: Any = None, **rest: Any) -> int:
        number = len(self.events)
        self.events.append(Event(number, float(self.step), kind, self._space.names[node], value, **rest))
        return number

    def record_boot(self, node: int, reaction: Reaction) -> None:
        self._start(node, reaction)

    def record(self, move: Move) -> None:
        """Record one step."""
        match move.event:
            case Kind.START:
                assert move.reaction is not None
                self._start(move.node, move.reaction)
            case Kind.CRASH:
                assert move.reaction is not None
                self._crash(move.node, move.reaction)
            case Kind.TIMER:
                assert move.reaction is not None
                cause = self._timers.pop((move.node, move.subject))
                state = move.reaction.script.returned
                stimulus = self._add(Kind.TIMER, move.node, move.subject, cause=cause, state=state)
                self._follow(move.node, move.reaction, stimulus)
            case _:
                self._arrive(move)

    def _arrive(self, move: Move) -> None:
        """Record that a message was delivered or lost."""
        message = move.subject
        assert isinstance(message, int)
        source, target, content = self._space.messages[message]
        names = self._space.names
        sends = self._sends[message]
        if self._space.network == "set":
            # The set keeps what it delivers: what arrives once more than it was sent is a copy that the network made.
            cause = sends[0]
            duplicated = message in self._delivered
            if len(sends) > 1:
                sends.pop(0)
                duplicated = False
            self._delivered.add(message)
        else:
            duplicated = move.duplicated
            cause = sends[0] if duplicated else sends.pop(0)
        if duplicated:
            self._add(Kind.DUPLICATE, source, content, peer=names[target], cause=cause)
        if move.event is Kind.LOSE:
            note = "loss" if not move.ordinary else "down"
            self._add(Kind.LOSE, target, content, peer=names[source], cause=cause, note=note)
            return
        assert move.reaction is not None
        state = move.reaction.script.returned
        stimulus = self._add(Kind.DELIVER, target, content, peer=names[source], cause=cause, state=state)
        self._follow(move.node, move.reaction, stimulus)

    def _start(self, node: int, reaction: Reaction) -> None:
        stimulus = self._add(Kind.START, node, self._saved[node], state=reaction.script.returned)
        self._follow(node, reaction, stimulus)

    def _crash(self, node: int, reaction: Reaction) -> None:
        kept = self._space.interned_locals[node].values[reaction.local].saved
        self._add(Kind.CRASH, node)
        self._saved[node] = kept
        for key in [key for key in self._timers if key[0] == node]:
            del self._timers[key]

    def _follow(self, node: int, reaction: Reaction, stimulus: int) -> None:
        """Record the happenings that a stimulus led to."""
        cause = stimulus
        for happening in reaction.script.happenings[: reaction.applied]:
            match happening:
                case Send(target, message):
                    number = self._space.message(node, target, message)
                    event = self._add(Kind.SEND, node, message, peer=target, cause=cause)
                    self._sends.setdefault(number, []).append(event)
                case Save(value, forced):
                    self._add(Kind.SAVE, node, value, cause=cause, note="" if forced else "unforced")
                case SetTimer(name):
                    if (node, name) in self._timers:
                        self._add(Kind.CANCEL_TIMER, node, name, cause=cause)
                    self._timers[node, name] = self._add(Kind.SET_TIMER, node, name, cause=cause)
                case CancelTimer(name):
                    if self._timers.pop((node, name), None) is not None:
                        self._add(Kind.CANCEL_TIMER, node, name, cause=cause)
                case Invoke(operation):
                    self._invocations[node] = self._add(Kind.INVOKE, node, operation, cause=cause)
                case Complete(result, outcome):
                    self._add(Kind.COMPLETE, node, (result, outcome), cause=self._invocations.pop(node, cause))
                case Reading(name, reading, state):
                    cause = self._add(Kind.CLOCK, node, (name, reading), cause=cause, state=state)
                case _:
                    raise AssertionError(f"{happening!r} should have become a reading")
        if reaction.crashed:
            self._crash(node, reaction)
