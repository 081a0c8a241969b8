"""Symmetry reduction: of states that differ only in the names of interchangeable nodes, explore one.

Theory of operation
-------------------
Where nodes are interchangeable, each permutation of their names maps runs to runs. The states that permutations map to
each other form an *orbit*, and of each orbit one *representative* is explored. It must be *canonical*: the same for
every state of the orbit. To sort nodes by their local states is not enough for that, since a local state may name other
nodes: several states of one orbit may be sorted, and are then all explored.

The representative is the minimum over all permutations of the groups, in this order: first by the *views* of the state
from each place in turn, then by the packed state. The view from a node is what stays of the state when the node's own
name becomes "self" and each other name of a group becomes "other". A permutation moves the views with the nodes. So the
minimum has its views sorted, and only permutations that sort them have to be tried. Among nodes with equal views, those
whose exchange leaves the state as it is need not be exchanged. Mostly one permutation is left.

What makes the reduction sound is *equivariance*: a node with other names does the same with other names. That is
checked, for the initial nodes and for each reaction of a handler that the exploration meets, under exchanges of two
neighbours in a group, which generate all permutations. It fails for a broadcast in the order of names that a crash may
cut short, because then the order shows.

Sources: Ip and Dill, "Better verification through symmetry", *Formal Methods in System Design* 9, 1996; Clarke, Enders,
Filkorn and Jha, "Exploiting symmetry in temporal logic model checking", in the same volume (orbits, and why a canonical
representative is costly).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from itertools import pairwise, permutations, product
from numbers import Number
from typing import Any, TypeAlias

from distlib.runtimes.real_time_order import History, Operated
from distlib.runtimes.state_space import COPY_BITS, FIELD, Local, Reaction, Space
from distlib.runtimes.trace import Kind

__all__ = ["Permutation", "Symmetry", "rename"]

Permutation: TypeAlias = tuple[int, ...]
"""Of the nodes' numbers: what stands at position `i` is what node `i` becomes."""


def rename(value: Any, names: Mapping[str, Hashable]) -> Any:
    """Return `value` with every name in it replaced.

    Goes through dataclasses, tuples and frozensets. A string is a name if all of it is one: `"a"` is renamed, `"a-log"`
    is not. A field that is annotated as a :data:`~distlib.node.Table` keeps the order of its keys.

    Parameters
    ----------
    value
        A node, a message, a durable value, the name of a timer.
    names
        From each name that changes to what it becomes.

    Returns
    -------
    Any
        The renamed value; `value` itself if nothing changes.

    Raises
    ------
    TypeError
        If there is something inside in which names could hide.

    Examples
    --------
    >>> swap = {"a": "b", "b": "a"}
    >>> rename(("vote", "a", frozenset({"a", "c"})), swap) == ("vote", "b", frozenset({"b", "c"}))
    True
    """
    if isinstance(value, Enum) or value is None or isinstance(value, Number | bytes):
        return value
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, tuple):
        parts = [rename(part, names) for part in value]
        if all(new is old for new, old in zip(parts, value, strict=True)):
            return value
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, frozenset):
        renamed = frozenset(rename(part, names) for part in value)
        return value if renamed == value else renamed
    if is_dataclass(value) and not isinstance(value, type):
        return _rename_dataclass(value, names)
    raise TypeError(f"cannot rename nodes within {value!r}: use dataclasses, tuples, frozensets, strings and numbers")


def _rename_dataclass(value: Any, names: Mapping[str, Hashable]) -> Any:
    changed: dict[str, Any] = {}
    for each in fields(value):
        old = getattr(value, each.name)
        new = rename(old, names)
        if new is not old:
            changed[each.name] = tuple(sorted(new, key=_key)) if _is_table(each.type) else new
    if not changed:
        return value
    # Field by field: `replace` cannot set those that `__init__` does not take, and a copy would keep what was cached.
    renamed = object.__new__(type(value))
    for each in fields(value):
        object.__setattr__(renamed, each.name, changed.get(each.name, getattr(value, each.name)))
    return renamed


def _is_table(annotation: Any) -> bool:
    return isinstance(annotation, str) and annotation.split("[")[0].split(".")[-1] == "Table"


def _key(pair: tuple[Any, Any]) -> Any:
    return pair[0]


class _Blurred(Enum):
    """What names of groups become in a view."""

    SELF = "self"
    OTHER = "other"


def _blur(value: Any, names: Mapping[str, Hashable], *, table: bool = False) -> Hashable:
    """Return what stays of `value` in a view, also without the order that names give to tables and sets."""
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, frozenset) or table:
        return frozenset(Counter(_blur(part, names) for part in value).items())
    if isinstance(value, tuple):
        return tuple(_blur(part, names) for part in value)
    if is_dataclass(value) and not isinstance(value, type):
        parts = (_blur(getattr(value, each.name), names, table=_is_table(each.type)) for each in fields(value))
        return (type(value), *parts)
    return value  # type: ignore[no-any-return]


class Symmetry:
    """Which nodes are interchangeable, and the representatives of the states of a space.

    Parameters
    ----------
    space
        The space. From now on it checks that what nodes do is symmetric.
    groups
        Names of nodes that are interchangeable with each other; no name may be in two groups.

    Raises
    ------
    ValueError
        If a group names what is not a node, or what another group names too; or if the initial nodes are not
        interchangeable. Later: if what nodes do shows that they are not.
    """

    def __init__(self, space: Space, groups: Sequence[Collection[str]]) -> None:
        self._space = space
        self.groups = [self._numbers(group) for group in groups]
        members = [member for group in self.groups for member in group]
        if len(members) != len(set(members)):
            raise ValueError(f"`symmetry` must not name a node twice, got {[sorted(group) for group in groups]}")
        self._group_of = {member: number for number, group in enumerate(self.groups) for member in group}
        self._neighbours = [self._exchange(*pair) for group in self.groups for pair in pairwise(group)]
        self._renamed_locals: dict[tuple[Permutation, int, int], int] = {}
        self._renamed_messages: dict[tuple[Permutation, int], int] = {}
        self._classes: dict[Hashable, int] = {}
        self._views: list[dict[tuple[int, int], int]] = [{} for _ in space.names]
        self._network_views: list[dict[int, int]] = [{} for _ in space.names]
        self._identity = list(range(len(space.names)))
        self._unchecked: list[tuple[int, int, Kind, Hashable]] = []
        self._require_symmetric_start()
        space.watch = self._unchecked.append

    def _numbers(self, group: Collection[str]) -> tuple[int, ...]:
        names = self._space.names
        if isinstance(group, str):
            raise ValueError(f"`symmetry` must be a sequence of groups of names, got the name {group!r} for a group")
        for name in group:
            if name not in names:
                raise ValueError(f"`symmetry` must name nodes among {', '.join(names)}, got {name!r}")
        return tuple(number for number, name in enumerate(names) if name in group)

    def _exchange(self, first: int, second: int) -> Permutation:
        swapped = list(range(len(self._space.names)))
        swapped[first], swapped[second] = second, first
        return tuple(swapped)

    def _names(self, permutation: Permutation) -> dict[str, Hashable]:
        names = self._space.names
        return {names[old]: names[new] for old, new in enumerate(permutation) if old != new}

    # Checks -----------------------------------------------------------------------------------------------------------

    def _require_symmetric_start(self) -> None:
        names, crashes = self._space.names, self._space.budgets.crashes
        for permutation in self._neighbours:
            exchanged = self._names(permutation)
            for node, target in enumerate(permutation):
                expected, found = rename(self._space.initial_nodes[node], exchanged), self._space.initial_nodes[target]
                if expected != found:
                    raise ValueError(
                        f"{self._not_interchangeable(permutation)}, {names[target]!r} would begin as {expected!r}, but "
                        f"it is {found!r} (an ordered tuple of names? use a frozenset)"
                    )
                if isinstance(crashes, Mapping) and crashes.get(names[node], 0) != crashes.get(names[target], 0):
                    raise ValueError(f"`symmetry`: `crashes` differs between {names[node]!r} and {names[target]!r}")

    def _not_interchangeable(self, permutation: Permutation) -> str:
        first, second = sorted(self._names(permutation))
        return f"`symmetry`: {first!r} and {second!r} are not interchangeable: with the two exchanged"

    def _check_reactions(self) -> None:
        """Check what the nodes did since the last check; that makes them do more, until every image was checked."""
        while self._unchecked:
            node, number, event, subject = self._unchecked.pop()
            reactions = self._space.react(node, number, event, subject)
            for permutation in self._neighbours:
                target, image = permutation[node], self.rename_local(permutation, node, number)
                if event is Kind.DELIVER:
                    assert isinstance(subject, int)
                    renamed: Hashable = self.rename_message(permutation, subject)
                else:
                    renamed = rename(subject, self._names(permutation))
                found = self._space.react(target, image, event, renamed)
                if self._summary(reactions, permutation, node) != self._summary(found, None, target):
                    self._complain(permutation, node, number, event, subject)

    def _summary(self, reactions: Sequence[Reaction], permutation: Permutation | None, node: int) -> set[Hashable]:
        """Return what reactions come to, renamed if there is a permutation."""
        if permutation is None:
            return {(each.crashed, each.local, self._bundle(each.sent), each.recorded) for each in reactions}
        names = self._names(permutation)
        return {
            (
                each.crashed,
                self.rename_local(permutation, node, each.local),
                self._bundle(tuple(self.rename_message(permutation, message) for message in each.sent)),
                tuple(rename(happened, names) for happened in each.recorded),
            )
            for each in reactions
        }

    def _bundle(self, sent: tuple[int, ...]) -> Hashable:
        """Return what was sent, without the order in which different nodes get it."""
        by_target: dict[int, list[int]] = {}
        for message in sent:
            by_target.setdefault(self._space.messages[message][1], []).append(message)
        ordered = self._space.network == "fifo"
        return frozenset((target, tuple(each if ordered else sorted(each))) for target, each in by_target.items())

    def _complain(self, permutation: Permutation, node: int, number: int, event: Kind, subject: Any) -> None:
        local: Local = self._space.interned_locals[node].values[number]
        stimulus = self._space.messages[subject][2] if event is Kind.DELIVER else subject
        raise ValueError(
            f"{self._not_interchangeable(permutation)}, {self._space.names[node]!r} does something else on "
            f"{event.value} {stimulus!r} in state {local.node!r}. One cause is a broadcast in the order of names that "
            "a crash may cut short: give `crash_between_effects=False`, or no crashes for that node. Another is a "
            "sorted tuple of names: use a frozenset, or annotate the field as a Table"
        )

    # Images -----------------------------------------------------------------------------------------------------------

    def image(self, state: int, permutation: Permutation) -> int:
        """Return what a state becomes when node `i` gets the name and place of node `permutation[i]`."""
        space = self._space
        renamed = state & ((1 << space.shifts[0]) - 1)
        if space.history_shift is not None:
            number = (state >> space.history_shift) & FIELD
            history = self._rename_history(space.histories.values[number], permutation)
            renamed += (space.histories.number(history) - number) << space.history_shift
        for node, shift in enumerate(space.shifts):
            number = self.rename_local(permutation, node, (state >> shift) & FIELD)
            renamed |= number << space.shifts[permutation[node]]
        return renamed | self._rename_network(state, permutation)

    def rename_local(self, permutation: Permutation, node: int, number: int) -> int:
        """Return the number, at its new place, of a node's local state."""
        key = (permutation, node, number)
        renamed = self._renamed_locals.get(key)
        if renamed is None:
            space, names = self._space, self._names(permutation)
            local: Local = space.interned_locals[node].values[number]
            image = Local(
                rename(local.node, names),
                rename(local.saved, names),
                rename(local.unforced, names),
                space.ordered_timers(rename(timer, names) for timer in local.timers),
                local.crashes,
            )
            renamed = self._renamed_locals[key] = space.interned_locals[permutation[node]].number(image)
        return renamed

    def rename_message(self, permutation: Permutation, number: int) -> int:
        """Return the number of a message with other names."""
        key = (permutation, number)
        renamed = self._renamed_messages.get(key)
        if renamed is None:
            space = self._space
            source, target, content = space.messages[number]
            target_name = space.names[permutation[target]]
            image = space.message(permutation[source], target_name, rename(content, self._names(permutation)))
            renamed = self._renamed_messages[key] = image
        return renamed

    def _rename_network(self, state: int, permutation: Permutation) -> int:
        space = self._space
        contents = 0
        if space.network == "fifo":
            for (source, target), shift in list(space.links.items()):
                queue = space.queues.values[(state >> shift) & FIELD]
                if queue:
                    image = tuple(self.rename_message(permutation, message) for message in queue)
                    place = space.link_place(permutation[source], permutation[target])
                    contents |= space.queues.number(image) << place
            return contents
        width = 1 if space.network == "set" else COPY_BITS
        for message, copies in space.network_contents(state):
            contents |= copies << self.rename_message(permutation, message) * width
        return contents << space.network_shift

    def _rename_history(self, history: History, permutation: Permutation) -> History:
        names = self._names(permutation)
        inverse = _inverse(permutation)

        def renamed(each: Operated) -> Operated:
            return Operated(
                rename(each.operation, names),
                rename(each.completion, names),
                tuple(each.preceded_by[old] for old in inverse),
            )

        return tuple(tuple(renamed(each) for each in history[old]) for old in inverse)

    # Representatives --------------------------------------------------------------------------------------------------

    def canonical(self, state: int) -> int:
        """Return the representative of a state's orbit."""
        if self._unchecked:
            self._check_reactions()
        choices = [self._arrangements(state, group) for group in self.groups]
        best: int | None = None
        for arrangement in product(*choices):
            permutation = list(range(len(self._space.names)))
            for group, order in zip(self.groups, arrangement, strict=True):
                for place, node in zip(group, order, strict=True):
                    permutation[node] = place
            image = state if permutation == self._identity else self.image(state, tuple(permutation))
            if best is None or image < best:
                best = image
        assert best is not None
        return best

    def _arrangements(self, state: int, group: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Return the orders of a group's nodes that sort their views, up to exchanges that change nothing."""
        alike: dict[int, list[int]] = {}
        for node in group:
            alike.setdefault(self._view(state, node), []).append(node)
        blocks = [list(self._distinct_orders(state, alike[view])) for view in sorted(alike)]
        return [tuple(node for block in choice for node in block) for choice in product(*blocks)]

    def _distinct_orders(self, state: int, nodes: list[int]) -> Iterator[tuple[int, ...]]:
        """Yield the orders of nodes with equal views, one of those that exchanges of equivalent nodes lead to."""
        kinds: list[list[int]] = []
        for node in nodes:
            for kind in kinds:
                if self.image(state, self._exchange(kind[0], node)) == state:
                    kind.append(node)
                    break
            else:
                kinds.append([node])
        if len(kinds) == 1:
            yield tuple(nodes)
            return
        pattern = [number for number, kind in enumerate(kinds) for _ in kind]
        for order in sorted(set(permutations(pattern))):
            supplies = [iter(kind) for kind in kinds]
            yield tuple(next(supplies[number]) for number in order)

    def _view(self, state: int, node: int) -> int:
        """Return the number of the view of a state from a node."""
        fixed: list[int] = []
        interchangeable: list[int] = []
        own = 0
        for other, shift in enumerate(self._space.shifts):
            view = self._local_view(node, other, (state >> shift) & FIELD)
            if other == node:
                own = view
            elif other in self._group_of:
                interchangeable.append(view)
            else:
                fixed.append(view)
        # The order of interchangeable nodes is no part of a view.
        return self._class((own, *fixed, *sorted(interchangeable), self._network_view(node, state)))

    def _local_view(self, node: int, other: int, number: int) -> int:
        key = (other, number)
        view = self._views[node].get(key)
        if view is None:
            local: Local = self._space.interned_locals[other].values[number]
            names = self._blurred_names(node)
            timers = frozenset(_blur(timer, names) for timer in local.timers)
            blurred = tuple(_blur(part, names) for part in (local.node, local.saved, local.unforced))
            view = self._views[node][key] = self._class((blurred, timers, local.crashes))
        return view

    def _network_view(self, node: int, state: int) -> int:
        contents = state >> self._space.network_shift
        view = self._network_views[node].get(contents)
        if view is None:
            names = self._blurred_names(node)
            seen: Counter[Hashable] = Counter()
            for number, copies in self._space.network_contents(state):
                source, target, content = self._space.messages[number]
                ends = (_blur(self._space.names[source], names), _blur(self._space.names[target], names))
                seen[(*ends, _blur(content, names))] += copies
            view = self._network_views[node][contents] = self._class(frozenset(seen.items()))
        return view

    def _blurred_names(self, node: int) -> dict[str, Hashable]:
        names = self._space.names
        return {
            names[member]: (_Blurred.OTHER, group) if member != node else _Blurred.SELF
            for member, group in self._group_of.items()
        }

    def _class(self, view: Hashable) -> int:
        """Return a number for a view. In order of discovery: that order is arbitrary, but the same all along."""
        return self._classes.setdefault(view, len(self._classes))


def _inverse(permutation: Permutation) -> Permutation:
    inverse = [0] * len(permutation)
    for old, new in enumerate(permutation):
        inverse[new] = old
    return tuple(inverse)
