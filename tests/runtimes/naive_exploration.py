"""The explorer once more, slow and plain: an oracle. States are tuples, nothing is packed, numbered or remembered.

It covers messages in a multiset or a set, losses, duplicates, crashes anywhere, restarts, timers and unforced saves.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from distlib.node import CancelTimer, Effects, Node, Save, Send, SetTimer


class Place(NamedTuple):
    """One node: up or down, what is on its disk for certain, what may be there instead, its timers."""

    node: Node[Any, Any] | None
    saved: Any
    unforced: frozenset[Any]
    timers: frozenset[Any]


class State(NamedTuple):
    places: tuple[Place, ...]
    network: tuple[tuple[str, str, Any], ...]
    losses: int
    duplicates: int
    crashes: int


class NaiveExplorer:
    def __init__(self, nodes: dict[str, Node[Any, Any]], *, is_set: bool, budgets: tuple[int, int, int]) -> None:
        self.names = list(nodes)
        self.nodes = list(nodes.values())
        self.is_set = is_set
        self.budgets = budgets

    def reachable(self) -> set[State]:
        losses, duplicates, crashes = self.budgets
        nothing = Place(None, None, frozenset(), frozenset())
        booted = [State((nothing,) * len(self.nodes), (), losses, duplicates, crashes)]
        for node, initial in enumerate(self.nodes):
            booted = [each for state in booted for each in self.carry_out(state, node, initial.on_start(None), nothing)]
        reached, todo = set(booted), list(booted)
        while todo:
            for state in self.following(todo.pop()):
                if state not in reached:
                    reached.add(state)
                    todo.append(state)
        return reached

    def carry_out(self, state: State, node: int, step: Any, place: Place) -> Iterator[State]:
        """Yield the states after a step, whole or cut short by a crash before any of its effects or after the last."""
        after, effects = step
        yield self.apply(state, node, place._replace(node=after), effects)
        if state.crashes:
            for count in range(len(effects) + 1):
                yield from self.crash(self.apply(state, node, place._replace(node=after), effects[:count]), node)

    def crash(self, state: State, node: int) -> Iterator[State]:
        place = state.places[node]
        for kept in {place.saved} | place.unforced:
            fallen = Place(None, kept, frozenset(), frozenset())
            yield self.put(state, node, fallen)._replace(crashes=state.crashes - 1)

    def put(self, state: State, node: int, place: Place) -> State:
        return state._replace(places=(*state.places[:node], place, *state.places[node + 1 :]))

    def apply(self, state: State, node: int, place: Place, effects: Effects) -> State:
        network = list(state.network)
        for effect in effects:
            match effect:
                case Send(target, message):
                    envelope = (self.names[node], target, message)
                    if not (self.is_set and envelope in network):
                        network.append(envelope)
                case Save(value, forced):
                    if forced:
                        place = place._replace(saved=value, unforced=frozenset())
                    else:
                        place = place._replace(unforced=(place.unforced | {value}) - {place.saved})
                case SetTimer(name):
                    place = place._replace(timers=place.timers | {name})
                case CancelTimer(name):
                    place = place._replace(timers=place.timers - {name})
        return self.put(state, node, place)._replace(network=tuple(sorted(network)))

    def following(self, state: State) -> Iterator[State]:
        for envelope in set(state.network):
            yield from self.deliver(state, envelope)
        for node, place in enumerate(state.places):
            if place.node is None:
                recovered = self.nodes[node].on_start(place.saved)
                whole, *cut = self.carry_out(state, node, recovered, place)
                yield whole
                # To crash in a recovery that did nothing yet would only use up a crash.
                yield from (each for each in cut if each.places != state.places or each.network != state.network)
                continue
            if state.crashes:
                yield from self.crash(state, node)
            for timer in place.timers:
                left = place._replace(timers=place.timers - {timer})
                yield from self.carry_out(state, node, place.node.on_timer(timer), left)

    def deliver(self, state: State, envelope: tuple[str, str, Any]) -> Iterator[State]:
        source, target, message = envelope
        rest = list(state.network)
        rest.remove(envelope)
        without = state if self.is_set else state._replace(network=tuple(rest))
        node = self.names.index(target)
        place = state.places[node]
        if place.node is None:
            yield without
            return
        step = place.node.on_message(source, message)
        yield from self.carry_out(without, node, step, place)
        if state.losses:
            yield without._replace(losses=state.losses - 1)
        if state.duplicates and not (step[0] is place.node and not step[1]):
            yield from self.carry_out(state._replace(duplicates=state.duplicates - 1), node, step, place)
