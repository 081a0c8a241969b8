"""Happened-before by brute force: chains of lines and messages, and what stamps have to keep."""

import networkx
import pytest

from distlib.checkers.happened_before import CausalOrder
from distlib.experiments.consistency.timestamps import chatter
from distlib.models.latency import Exponential
from distlib.runtimes.faults import Link, Network
from distlib.runtimes.simulation import simulate
from distlib.runtimes.trace import Event, Kind, Trace

CHAIN = Trace(
    (
        Event(0, 0.0, Kind.START, "a"),
        Event(1, 0.0, Kind.SEND, "a", "one", "b"),
        Event(2, 0.0, Kind.SEND, "c", "other", "a"),
        Event(3, 0.1, Kind.DELIVER, "b", "one", "a", cause=1),
        Event(4, 0.1, Kind.SEND, "b", "two", "c"),
        Event(5, 0.2, Kind.DELIVER, "c", "two", "b", cause=4),
        Event(6, 0.3, Kind.LOSE, "a", "other", "c", cause=2),
    ),
    ("a", "b", "c"),
)


def test_a_chain_of_lines_and_messages_orders() -> None:
    order = CausalOrder(CHAIN)
    assert [event.number for event in order.events] == [1, 2, 3, 4, 5]
    assert order.precedes(1, 5)
    assert order.precedes(2, 5)
    assert not order.precedes(5, 1)
    assert order.are_concurrent(1, 2)
    assert order.are_concurrent(2, 4)
    assert not order.are_concurrent(1, 1)


def test_stamps_are_held_against_both_promises() -> None:
    order = CausalOrder(CHAIN)
    assert order.broken_by({1: 1, 2: 1, 3: 2, 4: 3, 5: 4}) == []
    assert order.broken_by({1: 1, 2: 1, 3: 2, 4: 2, 5: 4}) == [(3, 4)]
    assert order.misled_by({1: 1, 2: 1, 3: 2, 4: 3, 5: 4}) == [(2, 3), (2, 4)]


def test_it_is_the_transitive_closure_that_a_graph_library_finds() -> None:
    network = Network(Link(Exponential(0.01), duplicate_probability=0.3, loss_probability=0.2))
    trace = simulate(chatter(rounds=8), seed=4, network=network).trace
    order = CausalOrder(trace)
    graph = networkx.DiGraph()
    latest: dict[str, int] = {}
    for event in order.events:
        graph.add_node(event.number)
        if event.node in latest:
            graph.add_edge(latest[event.node], event.number)
        if event.kind is Kind.DELIVER:
            graph.add_edge(event.cause, event.number)
        latest[event.node] = event.number
    closure = networkx.transitive_closure_dag(graph)
    assert all(order.precedes(*pair) == closure.has_edge(*pair) for pair in order.pairs())


def test_sendings_and_arrivals_have_to_count() -> None:
    with pytest.raises(ValueError, match="`kinds` must hold SEND and DELIVER"):
        CausalOrder(CHAIN, {Kind.SEND})
    assert len(CausalOrder(CHAIN, {Kind.SEND, Kind.DELIVER, Kind.START}).events) == 6
