"""Snapshots of a bank: each rule by itself, every order of events of a small bank, and every mistake caught."""

from __future__ import annotations

import pytest

from distlib.broken.fault_tolerance.snapshot import AsksAround, ForgetsChannels, PaysFirst
from distlib.experiments.fault_tolerance.snapshot import bank, run_bank, snapshots_and_instants, was_an_instant
from distlib.models.latency import Uniform
from distlib.node import Send
from distlib.protocols.fault_tolerance.snapshot import (
    Branch,
    Customers,
    Marker,
    Order,
    Report,
    Transfer,
    is_complete,
    money_in_snapshot,
    money_in_world,
    no_money_is_counted_twice,
    no_money_is_missing,
    snapshot_is_complete,
)
from distlib.runtimes.exploration import Exploration, Verdict, explore

ADDS_UP = {"twice": no_money_is_counted_twice, "missing": no_money_is_missing}
DELAYS = Uniform(0.0005, 0.004)


def branch(name: str = "a", balance: int = 5) -> Branch:
    return Branch(name, tuple(each for each in "abc" if each != name), balance)


def test_the_initiator_records_and_sends_a_marker_on_every_channel() -> None:
    node, effects = branch().on_timer("snapshot")
    assert (node.recorded, node.open) == (5, {"b", "c"})
    assert effects == (Send("b", Marker("a")), Send("c", Marker("a")))


def test_a_second_request_to_begin_is_ignored() -> None:
    node, _ = branch().record("b")
    assert node.on_timer("snapshot") == (node, ())


def test_the_first_marker_makes_a_branch_record_and_closes_its_channel() -> None:
    node, effects = branch("b").on_message("a", Marker("a"))
    assert (node.recorded, node.open, node.channels) == (5, {"c"}, (("a", ()), ("c", ())))
    assert effects == (Send("a", Marker("a")), Send("c", Marker("a")))


def test_what_comes_on_an_open_channel_is_recorded_and_on_a_closed_one_is_not() -> None:
    node, _ = branch("b").on_message("a", Marker("a"))
    node, _ = node.on_message("c", Transfer(2))
    node, _ = node.on_message("a", Transfer(1))
    assert (node.recorded, node.balance, dict(node.channels)) == (5, 8, {"a": (), "c": (2,)})


def test_the_last_marker_completes_a_branch_which_reports() -> None:
    node, _ = branch("b").on_message("a", Marker("a"))
    assert not is_complete(node)
    node, effects = node.on_message("c", Marker("a"))
    assert is_complete(node)
    assert effects == (Send("a", Report(5, (("a", ()), ("c", ())))),)


def test_a_branch_pays_no_more_than_it_has() -> None:
    node = branch(balance=1)
    assert node.pay("b", 2) == (node, ())
    poorer, effects = node.on_message("customers", Order("b"))
    assert (poorer.balance, effects) == (0, (Send("b", Transfer(1)), Send("customers", Order("b"))))


def test_customers_come_again() -> None:
    node = Customers((("a", Order("b")),))
    assert node.on_start(None) == (node, (Send("a", Order("b")),))
    assert node.on_message("a", Order("b")) == (node, (Send("a", Order("b")),))


@pytest.mark.parametrize("seed", range(20))
def test_a_snapshot_of_a_run_adds_up_and_is_reported(seed: int) -> None:
    run = run_bank(bank(3, rounds=3), seed=seed, delay=DELAYS)
    assert snapshot_is_complete(run.world)
    assert money_in_snapshot(run.world) == money_in_world(run.world) == 6
    initiator = run.nodes["a"]
    assert isinstance(initiator, Branch)
    assert [name for name, _ in initiator.reports] == ["a", "b", "c"]


def test_some_snapshots_show_no_instant_of_their_run() -> None:
    instants = [was_an_instant(run_bank(bank(3, rounds=2), seed=seed, delay=DELAYS)) for seed in range(30)]
    assert any(instants)
    assert not all(instants)


def explored(kind: type[Branch], count: int, messages: str = "fifo") -> Exploration:
    return explore(
        bank(count, branch_class=kind),
        messages=messages,  # type: ignore[arg-type]
        always=ADDS_UP,
        sometimes={"complete": snapshot_is_complete},
    )


def test_in_every_order_of_events_the_snapshot_adds_up() -> None:
    found = explored(Branch, 3).require_holds()
    assert (found.states, found.generated) == (25_937, 89_720)


def test_every_snapshot_is_a_state_that_the_bank_can_be_in() -> None:
    shown, possible, _ = snapshots_and_instants(bank(2, rounds=2))
    assert len(shown) > 5
    assert shown <= possible


def test_without_fifo_money_is_counted_twice_or_missing() -> None:
    found = explored(Branch, 2, "multiset")
    assert found.verdict is Verdict.VIOLATED
    assert {name: trace[-1].time_seconds for name, trace in found.violations.items()} == {"twice": 5, "missing": 4}


@pytest.mark.parametrize(
    ("kind", "broken"),
    [(AsksAround, {"twice", "missing"}), (ForgetsChannels, {"missing"}), (PaysFirst, {"twice"})],
)
def test_each_mistake_is_caught(kind: type[Branch], broken: set[str]) -> None:
    assert set(explored(kind, 3).violations) == broken


def test_to_ask_around_is_right_with_two_branches() -> None:
    explored(AsksAround, 2).require_holds()
