"""The states of a distributed system and the steps between them, packed so that a search is quick.

Theory of operation
-------------------
A state of the whole system is one Python integer. Its fields, from the low end:

- what is left of the budgets for faults, and the number of the clients' history, where they are asked for;
- one field for each node: the number of its *local state* (:class:`Local`);
- the network: one bit (a set) or one byte (a multiset) for each distinct message, or one field for each link (FIFO).

Local states, messages, queues and histories are *interned*: each distinct one is kept once and named by a small
number, in the order of discovery, so that an exploration gives the same numbers under every hash seed. Values that are
equal are one value, as 1 and True are.

What a node may do next depends on its local state, on the messages for it and on the budgets: on the integer *masked*
by the fields that the node sees. Handlers are pure, so a node's steps are computed once for each masked value and kept
as pairs ``(delta, added)``. The successors of a state are then ``(state + delta) | added``: two operations on integers
each. Queues and histories change in a way that depends on what they hold; their steps carry *operations* besides.

Sources: to replace the parts of a state by numbers is COLLAPSE compression: Holzmann, "State compression in SPIN", SPIN
workshop 1997. To compute a node's own transitions only once is what the purity of the handlers buys here.
"""

from __future__ import annotations

from collections import Counter
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
    ReadClock,
    Save,
    Send,
    SetTimer,
    World,
)
from distlib.runtimes.real_time_order import Recorded, extend, linear_order
from distlib.runtimes.trace import Kind

__all__ = ["Budgets", "Interned", "Local", "Message", "Move", "Network", "Reaction", "Reading", "Script", "Space"]

AnyNode: TypeAlias = Node[Any, Any]
Network: TypeAlias = Literal["multiset", "set", "fifo"]
Message: TypeAlias = tuple[int, int, Any]
"""Number of the source, number of the target, and what was sent."""

FIELD_BITS = 26
"""Width of a field that holds the number of an interned value: 67 million of them."""
FIELD = (1 << FIELD_BITS) - 1
COPY_BITS = 8
"""Width of the count of one message's copies in a multiset; its top bit is a guard that must stay clear."""
COPIES = (1 << COPY_BITS) - 1
COPIES_LIMIT = COPIES >> 1
READINGS_LIMIT = 100
"""How often a node may read its clock in one step: more is a loop in its `on_clock`."""


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
    """How many faults a run may have. None: any number. Crashes: of all nodes together, or of each node."""

    losses: int | None
    duplicates: int | None
    crashes: int | Mapping[str, int]
    restarts: int | None


@dataclass(frozen=True, slots=True)
class Reading:
    """A node took a reading of its clock. It follows the effects of the step that asked for it."""

    name: Hashable
    reading_seconds: float
    node: AnyNode


class Script(NamedTuple):
    """One way in which a handler can run: what it returned, all that happens after it in order, and the node then.

    The two nodes differ where the clock is read.
    """

    returned: AnyNode
    happenings: tuple[Effect | Reading, ...]
    node: AnyNode


class Reaction(NamedTuple):
    """One thing that can come of a stimulus.

    The first `applied` happenings of the script took place; if it `crashed`, the others never will. `local` is the
    number of the node's local state after it, and `sent` are the numbers of messages.
    """

    script: Script
    applied: int
    crashed: bool
    local: int
    sent: tuple[int, ...]
    recorded: tuple[Recorded, ...]


class Interned:
    """Values with small numbers in order of discovery, and a function on them, computed once for each argument."""

    def __init__(self, initial: Hashable, advance: Callable[[Any, Any], Hashable] | None = None) -> None:
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
            assert self._advance is not None
            advanced = self._advanced[key] = self.number(self._advance(self.values[number], symbol))
        return advanced


class Operation(NamedTuple):
    """Advance the interned value in the field at `shift` by `symbol`, whatever it is."""

    shift: int
    values: Interned
    symbol: Hashable


Change: TypeAlias = tuple[int, int, tuple[Operation, ...]]
"""What a step does to a packed state: what to add to it, which bits to set then, and operations."""


class Move(NamedTuple):
    """One step of the system: what happens, and what it does to the packed state.

    `event` is DELIVER, LOSE, TIMER, CRASH or START, and `subject` the number of the message or the name of the timer.
    `duplicated` says that the network kept a copy of what it delivered; `ordinary`, that the step is no fault.
    """

    node: int
    event: Kind
    subject: Hashable
    reaction: Reaction | None
    duplicated: bool
    ordinary: bool
    delta: int
    added: int
    operations: tuple[Operation, ...]


def scripts(returned: AnyNode, effects: Effects, clock_readings: Sequence[float] | None) -> Iterator[Script]:
    """Yield every way in which `effects`, returned with a node, can run: one for each combination of clock readings.

    A reading is handed over once the effects of the step that asked for it have applied; several, in order. The effects
    that one leads to apply before the next.
    """

    def run(
        node: AnyNode, past: tuple[Effect | Reading, ...], asked: tuple[Hashable, ...], count: int
    ) -> Iterator[Script]:
        if not asked:
            yield Script(returned, past, node)
            return
        if count == READINGS_LIMIT:
            raise RuntimeError(f"{type(node).__name__} read its clock {READINGS_LIMIT} times in one step")
        if not clock_readings:
            raise ValueError(
                f"{type(node).__name__} reads its clock, for {asked[0]!r}: `clock_readings` must say what it may show"
            )
        for seconds in clock_readings:
            following, more = require_step(node, "on_clock", node.on_clock(asked[0], seconds))
            happened = (*past, Reading(asked[0], seconds, following), *more)
            yield from run(following, happened, (*asked[1:], *readings_asked(more)), count + 1)

    def readings_asked(coming: Effects) -> tuple[Hashable, ...]:
        return tuple(effect.name for effect in coming if isinstance(effect, ReadClock))

    yield from run(returned, effects, readings_asked(effects), 0)


def require_step(node: AnyNode, handler: str, step: Any) -> tuple[AnyNode, Effects]:
    """Return what a handler returned, if it is a step."""
    if not (isinstance(step, tuple) and len(step) == 2 and isinstance(step[0], Node) and isinstance(step[1], tuple)):
        raise TypeError(f"{type(node).__name__}.{handler} must return (node, tuple of effects), got {step!r}")
    return step


class _Part:
    """A part of a world, made when a predicate first looks at it: most look at the nodes only."""

    def __init__(self, make: Callable[[Space, int], Any]) -> None:
        self._make = make

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, world: _SeenWorld, owner: type) -> Any:
        part = world.__dict__[self._name] = self._make(world._space, world._state)
        return part


def _part(make: Callable[[Space, int], Any]) -> Any:
    return _Part(make)


class _SeenWorld(World):
    """A world that is read off a packed state as far as it is looked at."""

    _space: Space
    _state: int

    def __init__(self, space: Space | None = None, state: int = 0, **parts: Any) -> None:
        # With `parts`, so that a predicate may look at `dataclasses.replace(world, …)`.
        self.__dict__.update(parts, _space=space, _state=state)

    nodes = _part(lambda space, state: {name: local.node for name, local in space.locals(state)})
    saved = _part(lambda space, state: {name: local.saved for name, local in space.locals(state)})
    in_flight = _part(lambda space, state: space.in_flight(state))
    history = _part(lambda space, state: space.history(state))


class Space:
    """All that can happen to some nodes on some network, within budgets for faults.

    The arguments are those of :func:`distlib.runtimes.exploration.explore`, which has checked them.
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
        self.initial_nodes = tuple(nodes.values())
        self.network = network
        self.budgets = budgets
        self.linear = network != "fifo" and not record_history
        """Whether no step carries operations."""
        self.watch: Callable[[tuple[int, int, Kind, Hashable]], None] | None = None
        """Told of each (node, local state, event, subject) for which a handler ran for the first time."""
        self._numbers = {name: number for number, name in enumerate(self.names)}
        self._timers_fire = timers
        self._clock_readings = clock_readings
        self._crash_between_effects = crash_between_effects
        self._repair = repair
        self._lay_out(record_history)
        self.messages: list[Message] = []
        self._message_numbers: dict[Message, int] = {}
        self.links: dict[tuple[int, int], int] = {}
        """FIFO only: the place of each link's queue."""
        self.guards = 0
        """The top bits of all counts of copies: a state with one of them set has more copies than can be counted."""
        self._timer_order: dict[Hashable, int] = {}
        self._reactions: list[dict[tuple[int, Kind, Hashable], tuple[Reaction, ...]]] = [{} for _ in self.names]
        self._steps: list[dict[int, tuple[Any, Any]]] = [{} for _ in self.names]
        """For each node: from the masked state to the changes that its steps make, ordinary steps and others."""

    def _lay_out(self, record_history: bool) -> None:
        """Give every field its place."""
        crashes = self.budgets.crashes
        own_crashes = {} if isinstance(crashes, int) else crashes
        self._crashes_are_shared = isinstance(crashes, int)
        self._budget_fields: dict[str, tuple[int, int]] = {}
        self._full_budgets = place = 0
        for name, count in (
            ("losses", self.budgets.losses),
            ("duplicates", self.budgets.duplicates),
            ("crashes", crashes if isinstance(crashes, int) else 0),
            ("restarts", self.budgets.restarts),
        ):
            if count:
                self._budget_fields[name] = (place, (1 << count.bit_length()) - 1)
                self._full_budgets |= count << place
                place += count.bit_length()
        shared = (1 << place) - 1
        self.history_shift = place if record_history else None
        place += FIELD_BITS if record_history else 0
        self.shifts = [place + FIELD_BITS * number for number in range(len(self.names))]
        self.network_shift = place + FIELD_BITS * len(self.names)
        self.masks = [shared | (FIELD << shift) for shift in self.shifts]
        """What each node sees of the state; grows as messages are discovered."""
        self.interned_locals = [Interned(Local(None, None, (), (), own_crashes.get(name, 0))) for name in self.names]
        self.queues = Interned((), lambda queue, message: (*queue, message))
        self.histories = Interned(((),) * len(self.names), extend)

    # What a state holds -----------------------------------------------------------------------------------------------

    def local(self, node: int, state: int) -> Local:
        """Return the local state of a node."""
        local: Local = self.interned_locals[node].values[(state >> self.shifts[node]) & FIELD]
        return local

    def locals(self, state: int) -> list[tuple[str, Local]]:
        """Return the nodes' names and local states."""
        return [
            (name, interned.values[(state >> shift) & FIELD])
            for name, shift, interned in zip(self.names, self.shifts, self.interned_locals, strict=True)
        ]

    def network_contents(self, state: int) -> Iterator[tuple[int, int]]:
        """Yield (number of a message, how many copies of it are in flight); link by link if FIFO."""
        rest = state >> self.network_shift
        while rest:
            if self.network == "fifo":
                yield from ((message, 1) for message in self.queues.values[rest & FIELD])
                rest >>= FIELD_BITS
            elif self.network == "set":
                lowest = rest & -rest
                yield lowest.bit_length() - 1, 1
                rest ^= lowest
            else:
                message = ((rest & -rest).bit_length() - 1) // COPY_BITS
                copies = (rest >> message * COPY_BITS) & COPIES
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
        """Return what is left of a budget that is counted: 0 where there never was any."""
        place, mask = self._budget_fields.get(budget, (0, 0))
        return (state >> place) & mask

    def _use(self, budget: str) -> int:
        """Return what one use of a budget adds to the state: nothing, if it is not counted."""
        return -(1 << self._budget_fields[budget][0]) if budget in self._budget_fields else 0

    def _may_crash(self, node: int, state: int) -> bool:
        if self._crashes_are_shared:
            return self._left("crashes", state) > 0
        return self.local(node, state).crashes > 0

    def require_countable(self, state: int) -> None:
        """Raise if more copies of a message are in flight than can be counted."""
        for number, copies in self.network_contents(state):
            if copies > COPIES_LIMIT:
                source, target, message = self.messages[number]
                raise OverflowError(
                    f"more than {COPIES_LIMIT} copies of {message!r} from {self.names[source]!r} to "
                    f"{self.names[target]!r} are in flight: the protocol resends without bound; bound its retries, "
                    "give `within` or `max_depth`, or explore with messages='set'"
                )

    # What can happen --------------------------------------------------------------------------------------------------

    def initial(self) -> dict[int, tuple[Reaction, ...]]:
        """Return the states right after the boots, each with how every node's boot went.

        Every node boots before anything else happens. Where there is a budget for crashes, boots may be cut short.
        """
        booted: dict[int, tuple[Reaction, ...]] = {self._full_budgets: ()}
        for node in range(len(self.names)):
            following: dict[int, tuple[Reaction, ...]] = {}
            for state, past in booted.items():
                for reaction in self.react(node, 0, Kind.START, None):
                    if not reaction.crashed or self._may_crash(node, state):
                        change = self._change(node, 0, reaction)
                        following.setdefault(self.apply(state, *change), (*past, reaction))
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
        """Return the states one step on, one for each step: by ordinary steps, and by others."""
        ordinary: list[int] = []
        others: list[int] = []
        for node, mask in enumerate(self.masks):
            part = state & mask
            found = self._steps[node].get(part)
            if found is None:
                found = self._steps[node][part] = self._compile(node, part)
            if self.linear:
                ordinary += [(state + delta) | added for delta, added in found[0]]
                if found[1]:
                    others += [(state + delta) | added for delta, added in found[1]]
            else:
                ordinary += [self.apply(state, *change) for change in found[0]]
                others += [self.apply(state, *change) for change in found[1]]
        return ordinary, others

    def _compile(self, node: int, part: int) -> tuple[Sequence[Any], Sequence[Any]]:
        """Return the changes that a node's steps make: (delta, added), with operations if there may be any."""
        ordinary: list[Any] = []
        others: list[Any] = []
        for move in self.moves(node, part):
            change = (move.delta, move.added) if self.linear else (move.delta, move.added, move.operations)
            (ordinary if move.ordinary else others).append(change)
        return ordinary, others

    def moves(self, node: int, state: int) -> Iterator[Move]:
        """Yield what can happen at a node, in a state of which only what the node sees is looked at."""
        part = state & self.masks[node]
        number = (part >> self.shifts[node]) & FIELD
        moves = self._moves_up if self.local(node, part).node is not None else self._moves_down
        known: set[Change] = set()
        for move in moves(node, number, part):
            # A crash in the middle of a handler that leaves what another crash leaves is no step of its own.
            if move.reaction is not None and move.reaction.crashed:
                change = (move.delta, move.added, move.operations)
                if change in known:
                    continue
                known.add(change)
            yield move

    def _moves_up(self, node: int, number: int, part: int) -> Iterator[Move]:
        """Yield what can happen at a node that is up."""
        may_crash = self._may_crash(node, part)
        if may_crash:
            yield from self._crashes(node, number)
        for message, removal in self._inbox(node, part):
            yield from self._deliveries(node, number, part, message, removal)
            if self.budgets.losses is None or self._left("losses", part):
                delta = removal + self._use("losses")
                yield Move(node, Kind.LOSE, message, None, False, False, delta, 0, ())
        if self._timers_fire:
            for timer in self.local(node, part).timers:
                for reaction in self.react(node, number, Kind.TIMER, timer):
                    if may_crash or not reaction.crashed:
                        yield self._move(node, number, Kind.TIMER, timer, reaction)

    def _moves_down(self, node: int, number: int, part: int) -> Iterator[Move]:
        """Yield what can happen at a node that is down: it restarts, or a message arrives in vain."""
        if self.budgets.restarts is None or self._left("restarts", part):
            for reaction in self.react(node, number, Kind.START, None):
                if not reaction.crashed or (
                    self._may_crash(node, part) and self._leaves_a_mark(node, number, reaction)
                ):
                    used = self._use("restarts")
                    yield self._move(node, number, Kind.START, None, reaction, used, ordinary=self._repair)
        for message, removal in self._inbox(node, part):
            if removal:
                yield Move(node, Kind.LOSE, message, None, False, True, removal, 0, ())

    def _leaves_a_mark(self, node: int, number: int, reaction: Reaction) -> bool:
        """Return whether a recovery that crashed changed anything but the budgets."""
        values = self.interned_locals[node].values
        return bool(reaction.sent or any(reaction.recorded)) or values[reaction.local].saved != values[number].saved

    def _deliveries(self, node: int, number: int, part: int, message: int, removal: int) -> Iterator[Move]:
        """Yield the deliveries of a message; with a budget for duplicates, also those of which a copy stays."""
        may_crash = self._may_crash(node, part)
        copying = self.network != "set" and (self.budgets.duplicates is None or self._left("duplicates", part) > 0)
        for reaction in self.react(node, number, Kind.DELIVER, message):
            if reaction.crashed and not may_crash:
                continue
            # The same object, and not an equal one, is how a handler says that it ignored the message.
            ignored = not reaction.script.happenings and reaction.script.node is self.local(node, part).node
            if removal or not ignored:
                yield self._move(node, number, Kind.DELIVER, message, reaction, removal)
            if copying and not ignored:
                used = self._use("duplicates")
                yield self._move(node, number, Kind.DELIVER, message, reaction, used, ordinary=False, duplicated=True)

    def _crashes(self, node: int, number: int) -> Iterator[Move]:
        """Yield the crashes between two handlers: one for each value that the disk may be left with."""
        local: Local = self.interned_locals[node].values[number]
        assert local.node is not None
        for fallen in self._fall(local):
            left = self.interned_locals[node].number(fallen)
            reaction = Reaction(Script(local.node, (), local.node), 0, True, left, (), (None,))
            yield self._move(node, number, Kind.CRASH, None, reaction)

    def _move(
        self,
        node: int,
        number: int,
        event: Kind,
        subject: Hashable,
        reaction: Reaction,
        used: int = 0,
        *,
        ordinary: bool = True,
        duplicated: bool = False,
    ) -> Move:
        """Return the move in which a node in local state `number` reacts; `used` is what the stimulus takes."""
        delta, added, operations = self._change(node, number, reaction)
        ordinary = ordinary and not reaction.crashed
        return Move(node, event, subject, reaction, duplicated, ordinary, used + delta, added, operations)

    def _change(self, node: int, number: int, reaction: Reaction) -> Change:
        """Return what a reaction does to the packed state, apart from what the stimulus takes."""
        delta = (reaction.local - number) << self.shifts[node]
        if reaction.crashed and self._crashes_are_shared:
            delta += self._use("crashes")
        added = 0
        operations: list[Operation] = []
        for message, copies in Counter(reaction.sent).items():
            if copies > COPIES_LIMIT:
                raise OverflowError(f"{self.names[node]!r} sent {copies} copies of a message in one step")
            if self.network == "set":
                added |= 1 << self.network_shift + message
            elif self.network == "multiset":
                delta += copies << self.network_shift + message * COPY_BITS
        if self.network == "fifo":
            for message in reaction.sent:
                source, target, _ = self.messages[message]
                operations.append(Operation(self.link_place(source, target), self.queues, message))
        if self.history_shift is not None:
            for recorded in reaction.recorded:
                operations.append(Operation(self.history_shift, self.histories, (node, recorded)))
        return delta, added, tuple(operations)

    def _inbox(self, node: int, part: int) -> Iterator[tuple[int, int]]:
        """Yield (a message that may be delivered to a node next, what its removal from the network adds to the state).

        Only the node's own messages are in the masked state.
        """
        if self.network == "fifo":
            for (_, target), place in list(self.links.items()):
                queue = (part >> place) & FIELD
                if target == node and queue:
                    message, *later = self.queues.values[queue]
                    yield message, (self.queues.number(tuple(later)) - queue) << place
            return
        for message, _ in self.network_contents(part):
            yield message, 0 if self.network == "set" else -(1 << self.network_shift + message * COPY_BITS)

    # What a node does -------------------------------------------------------------------------------------------------

    def react(self, node: int, number: int, event: Kind, subject: Hashable) -> tuple[Reaction, ...]:
        """Return all that can come of a stimulus at a node in a local state; its handler runs only once for each."""
        key = (number, event, subject)
        reactions = self._reactions[node].get(key)
        if reactions is None:
            reactions = self._reactions[node][key] = tuple(self._run(node, number, event, subject))
            if self.watch is not None:
                self.watch((node, number, event, subject))
        return reactions

    def _run(self, node: int, number: int, event: Kind, subject: Hashable) -> Iterator[Reaction]:
        """Run a handler, and yield what can come of it."""
        local: Local = self.interned_locals[node].values[number]
        step: Any
        if event is Kind.START:
            acting, handler = self.initial_nodes[node], "on_start"
            step = acting.on_start(local.saved)
        else:
            assert local.node is not None
            acting = local.node
            if event is Kind.DELIVER:
                assert isinstance(subject, int)
                source, _, message = self.messages[subject]
                handler, step = "on_message", acting.on_message(self.names[source], message)
            else:
                handler, step = "on_timer", acting.on_timer(subject)
                local = local._replace(timers=tuple(timer for timer in local.timers if timer != subject))
        returned, effects = require_step(acting, handler, step)
        # A node that never crashes needs no crashes to be found.
        crashing = self.budgets.crashes if self._crashes_are_shared else local.crashes
        for script in scripts(returned, effects, self._clock_readings):
            total = len(script.happenings)
            yield from self._consequences(node, local, script, total, crashed=False)
            if crashing and self._crash_between_effects:
                # A crash behind the last effect is the full reaction and then a crash: two steps, found anyway.
                for applied in range(total):
                    yield from self._consequences(node, local, script, applied, crashed=True)

    def _consequences(
        self, node: int, local: Local, script: Script, applied: int, *, crashed: bool
    ) -> Iterator[Reaction]:
        """Yield what is left once the first `applied` happenings took place."""
        saved, unforced, timers = local.saved, local.unforced, dict.fromkeys(local.timers)
        sent: list[int] = []
        recorded: list[Recorded] = []
        for happening in script.happenings[:applied]:
            match happening:
                case Send(target, message):
                    sent.append(self.message(node, target, message))
                case Save(value, forced=True):
                    saved, unforced = value, ()
                case Save(value):
                    unforced = unforced if value in (saved, *unforced) else (*unforced, value)
                case SetTimer(name):
                    timers[name] = None
                case CancelTimer(name):
                    timers.pop(name, None)
                case Invoke() | Complete():
                    recorded.append(happening)
                case ReadClock() | Reading():
                    pass
                case _:
                    raise TypeError(f"{type(script.returned).__name__} returned {happening!r}, which is not an effect")
        after = Local(script.node, saved, unforced, self.ordered_timers(timers), local.crashes)
        intern = self.interned_locals[node].number
        if not crashed:
            yield Reaction(script, applied, False, intern(after), tuple(sent), tuple(recorded))
            return
        for fallen in self._fall(after):
            yield Reaction(script, applied, True, intern(fallen), tuple(sent), (*recorded, None))

    def _fall(self, local: Local) -> Iterator[Local]:
        """Yield what a crash can leave of a local state: one for each value that may be on the disk."""
        crashes = local.crashes if self._crashes_are_shared else local.crashes - 1
        for kept in (local.saved, *local.unforced):
            yield Local(None, kept, (), (), crashes)

    def ordered_timers(self, names: Iterable[Hashable]) -> tuple[Hashable, ...]:
        """Return timers in the order in which their names were first seen, which needs no order on names."""
        return tuple(sorted(names, key=lambda name: self._timer_order.setdefault(name, len(self._timer_order))))

    def message(self, source: int, target_name: str, content: Any) -> int:
        """Return the number of a message; give it a place on the network if it is new."""
        target = self._numbers.get(target_name)
        if target is None:
            raise ValueError(
                f"{self.names[source]!r} sent {content!r} to {target_name!r}, which is not in `nodes`: "
                f"they are {', '.join(self.names)}"
            )
        message = (source, target, content)
        number = self._message_numbers.get(message)
        if number is None:
            number = self._message_numbers[message] = len(self.messages)
            self.messages.append(message)
            if self.network == "set":
                self.masks[target] |= 1 << self.network_shift + number
            elif self.network == "multiset":
                place = self.network_shift + number * COPY_BITS
                self.masks[target] |= COPIES << place
                self.guards |= 1 << place + COPY_BITS - 1
            else:
                self.masks[target] |= FIELD << self.link_place(source, target)
        return number

    def link_place(self, source: int, target: int) -> int:
        """Return the place of a link's queue."""
        return self.links.setdefault((source, target), self.network_shift + FIELD_BITS * len(self.links))
