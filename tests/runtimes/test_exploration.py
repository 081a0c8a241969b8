"""The explorer finds every state there is, counts as others count, and never claims more than it has seen."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distlib.node import (
    CancelTimer,
    Complete,
    Effects,
    Invoke,
    Node,
    Outcome,
    ReadClock,
    Save,
    Send,
    SetTimer,
    Step,
    World,
)
from distlib.runtimes.exploration import Exploration, Verdict, explore
from distlib.runtimes.state_space import Budgets, Space
from distlib.runtimes.trace import Kind, Trace
from tests.runtimes.naive_exploration import NaiveExplorer
from tests.runtimes.specifications import (
    AlternatingBit,
    AsynchInterface,
    ChangRoberts,
    InnerFIFO,
    Machine,
    ResourceManager,
    TransactionCommit,
    TransactionManager,
    consistent,
    managers,
    registers,
    two_phase,
)

PUBLISHED = json.loads((Path(__file__).parents[1] / "data" / "state_counts.json").read_text(encoding="utf-8"))
SOON = (0.0, 1.0)


def counts(exploration: Exploration) -> list[int]:
    return [exploration.states, exploration.generated, exploration.depth]


# -------------------------------------------------------------------------------------------------- published counts


@pytest.mark.parametrize("count", [2, 3, 5])
def test_two_phase_commit_has_the_published_number_of_states(count: int) -> None:
    exploration = explore(two_phase(count), messages="set", always={"consistent": consistent})
    assert counts(exploration) == PUBLISHED["two_phase_commit"]["distinct_generated_depth"][str(count)]
    assert exploration.verdict is Verdict.HOLDS


def test_two_phase_commit_is_as_in_the_manifest_of_its_specification() -> None:
    assert counts(explore(two_phase(3), messages="set")) == PUBLISHED["tla_plus"]["counts"]["TwoPhase"]


@pytest.mark.parametrize(
    ("name", "machine", "within"),
    [
        ("TCommit", TransactionCommit(), None),
        ("ChangRoberts", ChangRoberts(), None),
        ("AsynchInterface", AsynchInterface(), None),
        ("AlternatingBit", AlternatingBit(), AlternatingBit.within),
        ("InnerFIFO", InnerFIFO(), InnerFIFO.within),
    ],
)
def test_a_specification_has_the_published_number_of_states(
    name: str, machine: Machine, within: Callable[[World], bool] | None
) -> None:
    exploration = explore({"machine": machine}, clock_readings=range(len(machine.initial())), within=within)
    assert counts(exploration) == PUBLISHED["tla_plus"]["counts"][name]


def is_linearizable_register(history: tuple[tuple[str, Invoke | Complete], ...]) -> bool:
    """Try every order of the operations (an oracle for four of them at most)."""
    operations: list[dict[str, Any]] = []
    for position, (client, event) in enumerate(history):
        if isinstance(event, Invoke):
            operations.append({"client": client, "asked": event.operation, "from": position, "to": None, "got": None})
        else:
            mine = next(each for each in reversed(operations) if each["client"] == client)
            mine.update({"to": position, "got": event.result})
    needed = [each for each in operations if each["to"] is not None or each["asked"][0] == "write"]
    for size in range(len(needed) + 1):
        for order in permutations(needed, size):
            complete = all(each["to"] is None or each in order for each in needed)
            if complete and fits_real_time(list(order)) and fits_register(list(order)):
                return True
    return False


def fits_real_time(order: list[dict[str, Any]]) -> bool:
    return not any(
        later["to"] is not None and later["to"] < earlier["from"]
        for place, earlier in enumerate(order)
        for later in order[place:]
    )


def fits_register(order: list[dict[str, Any]]) -> bool:
    value = ""
    for each in order:
        if each["asked"][0] == "write":
            value = each["asked"][1]
        elif each["got"] != value:
            return False
    return True


def test_one_register_has_the_published_number_of_states_and_is_linearizable() -> None:
    exploration = explore(
        registers(1),
        record_history=True,
        always={"linearizable": lambda world: is_linearizable_register(world.history)},
        sometimes={"read": lambda world: any(message == ("got", "A") for *_, message in world.in_flight)},
    )
    exploration.require_holds()
    assert exploration.states == PUBLISHED["stateright"]["single_copy_register"]


def test_two_registers_that_do_not_talk_are_not_linearizable_after_four_steps() -> None:
    exploration = explore(
        registers(2),
        record_history=True,
        always={"linearizable": lambda world: is_linearizable_register(world.history)},
    )
    assert exploration.violations["linearizable"][-1].time_seconds == 4


# --------------------------------------------------------------------------------------------- against a plain explorer


@dataclass(frozen=True)
class Tabled(Node[int, int]):
    """A node whose handlers look everything up in a table that chance has made. Only its state is part of its value."""

    table: RandomTable
    state: int = 0

    def on_start(self, saved: int | None) -> Step[Self]:
        return self.look_up(("start", saved))

    def on_message(self, source: str, message: int) -> Step[Self]:
        return self.look_up(("message", source, message))

    def on_timer(self, name: Any) -> Step[Self]:
        return self.look_up(("timer", name))

    def look_up(self, stimulus: Hashable) -> Step[Self]:
        state, effects = self.table.row((self.state, stimulus))
        return (self, ()) if state is None else (replace(self, state=state), effects)


class RandomTable:
    """Rows are made from a seed when they are first asked for, each by a generator of its own."""

    def __init__(self, seed: int, names: list[str], own: str) -> None:
        self.seed, self.names, self.own = seed, names, own
        self.rows: dict[Hashable, tuple[int | None, Effects]] = {}

    def row(self, key: Any) -> tuple[int | None, Effects]:
        if key not in self.rows:
            chance = random.Random(f"{self.seed} {self.own} {key}")
            old, (kind, *_) = key
            # What is not ignored makes the state grow, so that there are finitely many states.
            state = old + 1
            makers: list[Callable[[], Any]] = [
                lambda: Send(chance.choice(self.names), chance.randrange(2)),
                lambda: Save(chance.randrange(2), forced=chance.random() < 0.5),
                lambda: SetTimer(chance.choice("st"), SOON),
                lambda: CancelTimer(chance.choice("st")),
            ]
            ends = old == 3 or (kind != "start" and chance.random() < 0.15)
            effects = () if old == 3 else tuple(chance.choice(makers)() for _ in range(chance.randrange(4 - old)))
            self.rows[key] = (None, ()) if ends else (state, effects)
        return self.rows[key]


def views(world: World) -> Hashable:
    nodes = tuple(None if node is None else node.state for node in world.nodes.values())  # type: ignore[attr-defined]
    return nodes, tuple(world.saved.values()), tuple(sorted(world.in_flight))


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    messages=st.sampled_from(["multiset", "set"]),
    budgets=st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 2)),
)
def test_random_protocols_have_the_states_that_a_plain_explorer_finds(
    seed: int, messages: Any, budgets: tuple[int, int, int]
) -> None:
    names = ["a", "b"]
    nodes: dict[str, Node[Any, Any]] = {name: Tabled(RandomTable(seed, names, name)) for name in names}
    losses, duplicates, crashes = (0, 0, budgets[2]) if messages == "set" else budgets
    naive = NaiveExplorer(nodes, is_set=messages == "set", budgets=(losses, duplicates, crashes)).reachable()
    seen: set[Hashable] = set()

    def note(world: World) -> bool:
        seen.add(views(world))
        return True

    exploration = explore(
        nodes, messages=messages, losses=losses, duplicates=duplicates, crashes=crashes, always={"noted": note}
    )
    expected = {
        (
            tuple(None if place.node is None else place.node.state for place in state.places),  # type: ignore[attr-defined]
            tuple(place.saved for place in state.places),
            state.network,
        )
        for state in naive
    }
    assert seen == expected
    assert exploration.states == len(naive)


# ------------------------------------------------------------------------------------------------------------ crashes


@dataclass(frozen=True)
class Keeper(Node[str, int]):
    """It keeps a number safe, or says so before it has: that is the mistake which only a crash in between shows."""

    saves_first: bool
    kept: int = 0

    def on_start(self, saved: int | None) -> Step[Self]:
        return replace(self, kept=saved or 0), ()

    def on_message(self, source: str, message: str) -> Step[Self]:
        save, send = Save(1), Send(source, "kept")
        return replace(self, kept=1), (save, send) if self.saves_first else (send, save)


@dataclass(frozen=True)
class Customer(Node[str, None]):
    """It asks to keep, and believes the answer. With `patience` it asks again, so often, when none comes."""

    patience: int = 0
    answered: bool = False

    def on_start(self, saved: None) -> Step[Self]:
        return self, self.ask()

    def ask(self) -> Effects:
        return (Send("keeper", "keep"), *((SetTimer("again", SOON),) if self.patience else ()))

    def on_message(self, source: str, message: str) -> Step[Self]:
        return (self, ()) if self.answered else (replace(self, answered=True), (CancelTimer("again"),))

    def on_timer(self, name: Any) -> Step[Self]:
        node = replace(self, patience=self.patience - 1)
        return node, node.ask()


def keeping(saves_first: bool, patience: int = 0) -> dict[str, Node[Any, Any]]:
    return {"keeper": Keeper(saves_first), "customer": Customer(patience)}


def answered(world: World) -> bool:
    customer = world.nodes["customer"]
    return isinstance(customer, Customer) and customer.answered


def kept_if_answered(world: World) -> bool:
    return not answered(world) or world.saved["keeper"] == 1


def test_to_answer_before_saving_is_caught_only_by_crashes_between_effects() -> None:
    claims = {"kept": kept_if_answered}
    assert explore(keeping(True), crashes={"keeper": 1}, always=claims).verdict is Verdict.HOLDS
    atomic = explore(keeping(False), crashes={"keeper": 1}, always=claims, crash_between_effects=False)
    assert atomic.verdict is Verdict.HOLDS
    exploration = explore(keeping(False), crashes={"keeper": 1}, always=claims)
    assert exploration.verdict is Verdict.VIOLATED
    told = [event.kind for event in exploration.violations["kept"] if event.node == "keeper"]
    assert told == [Kind.START, Kind.DELIVER, Kind.SEND, Kind.CRASH]


def test_an_unforced_save_may_be_kept_or_lost_by_a_crash_and_a_forced_one_is_kept() -> None:
    @dataclass(frozen=True)
    class Writer(Node[None, str]):
        effects: Effects
        recovered: str | None = None

        def on_start(self, saved: str | None) -> Step[Self]:
            return (self, self.effects) if saved is None else (replace(self, recovered=saved), ())

        def on_message(self, source: str, message: None) -> Step[Self]:
            return self, ()

    def recovered(*effects: Save) -> set[str | None]:
        found: set[str | None] = set()

        def note(world: World) -> bool:
            found.add(world.nodes["writer"] and world.nodes["writer"].recovered)  # type: ignore[attr-defined]
            return True

        explore({"writer": Writer(effects)}, crashes=1, crash_between_effects=False, always={"note": note})
        return found - {None}

    assert recovered(Save("x")) == {"x"}
    assert recovered(Save("x"), Save("y", forced=False)) == {"x", "y"}
    assert recovered(Save("x"), Save("y", forced=False), Save("z", forced=False)) == {"x", "y", "z"}
    assert recovered(Save("x", forced=False), Save("y")) == {"y"}


def test_a_boot_may_be_cut_short() -> None:
    sent = {"sent": lambda world: bool(world.in_flight) or world.nodes["customer"] is not None}
    assert explore(keeping(True), crashes={"customer": 1}, restarts=0, always=sent).verdict is Verdict.VIOLATED
    assert explore(keeping(True), crashes={"keeper": 1}, restarts=0, always=sent).verdict is Verdict.HOLDS


def test_a_crash_clears_timers_and_volatile_state() -> None:
    exploration = explore(
        keeping(True, patience=1),
        crashes={"customer": 1},
        restarts=0,
        always={
            "asks once when down": lambda world: (
                world.nodes["customer"] is not None
                or len([1 for *_, message in world.in_flight if message == "keep"]) <= 2
            )
        },
        eventually_possible={"answered": answered},
    )
    assert exploration.verdict is Verdict.VIOLATED
    assert exploration.stuck["answered"].of(Kind.TIMER) == []


def test_a_timer_that_died_in_a_crash_is_not_cancelled_when_it_is_set_again() -> None:
    def asked_twice(world: World) -> bool:
        return world.nodes["customer"] == Customer(patience=1) and len(world.in_flight) == 2

    options: dict[str, Any] = {"crashes": {"customer": 1}, "crash_between_effects": False}
    exploration = explore(keeping(True, patience=1), **options, sometimes={"asked twice": asked_twice})
    trace = exploration.witnesses["asked twice"]
    assert [event.kind for event in trace.of(Kind.SET_TIMER, Kind.CRASH, Kind.CANCEL_TIMER)] == [
        Kind.SET_TIMER, Kind.CRASH, Kind.SET_TIMER,
    ]  # fmt: skip


def test_recovery_starts_from_the_initial_node_with_the_durable_value() -> None:
    exploration = explore(keeping(True), crashes={"keeper": 1}, sometimes={"kept twice": kept_twice})
    trace = exploration.witnesses["kept twice"]
    assert [event.value for event in trace.of(Kind.START, node="keeper")] == [None, 1]
    assert trace.of(Kind.START, node="keeper")[1].state == Keeper(True, kept=1)


def kept_twice(world: World) -> bool:
    keeper = world.nodes["keeper"]
    return isinstance(keeper, Keeper) and keeper.kept == 1 and not world.in_flight and not answered(world)


def test_crashes_that_differ_in_nothing_are_one_step() -> None:
    @dataclass(frozen=True)
    class Alarmed(Bystanding):
        def on_start(self, saved: None) -> Step[Self]:
            return self, (SetTimer("one", SOON), SetTimer("two", SOON))

        def on_timer(self, name: Any) -> Step[Self]:
            return self, (SetTimer(name, SOON), SetTimer(name, SOON))

    # Up with 3, 2, 1 or no crashes left, or down with 2, 1 or none; a crash or a restart leads from each to the next.
    # Two of them are initial, because the boot may be cut short.
    assert counts(explore({"alarmed": Alarmed()}, crashes=3, timers=False)) == [7, 8, 6]
    # With timers, each of the four that are up has two more steps, back to itself.
    assert counts(explore({"alarmed": Alarmed()}, crashes=3)) == [7, 16, 6]


def test_budgets_of_crashes_are_of_the_run_or_of_each_node() -> None:
    def most_crashes(**budget: Any) -> int:
        down = [0]

        def note(world: World) -> bool:
            down.append(sum(node is None for node in world.nodes.values()))
            return True

        explore(keeping(True), **budget, always={"note": note})
        return max(down)

    assert most_crashes(crashes=1) == 1
    assert most_crashes(crashes=2) == 2
    assert most_crashes(crashes={"keeper": 2}) == 1
    assert most_crashes(crashes={"keeper": 1, "customer": 1}) == 2


def test_restarts_can_be_fewer_than_crashes() -> None:
    def restarts(limit: int | None) -> int:
        exploration = explore(keeping(True), crashes={"keeper": 2}, restarts=limit, sometimes={"kept": kept_twice})
        return exploration.states

    assert restarts(0) < restarts(1) < restarts(2) <= restarts(None)


# ----------------------------------------------------------------------------------------------------------- networks


@dataclass(frozen=True)
class Counter(Node[int, None]):
    """It notes what it gets, in order."""

    got: tuple[int, ...] = ()

    def on_start(self, saved: None) -> Step[Self]:
        return self, ()

    def on_message(self, source: str, message: int) -> Step[Self]:
        return replace(self, got=(*self.got, message)), ()


@dataclass(frozen=True)
class Sender(Node[int, None]):
    """It sends some numbers at its boot."""

    numbers: tuple[int, ...]

    def on_start(self, saved: None) -> Step[Self]:
        return self, tuple(Send("counter", number) for number in self.numbers)

    def on_message(self, source: str, message: int) -> Step[Self]:
        return self, ()


def received(*numbers: int, **options: Any) -> set[tuple[int, ...]]:
    """Return everything that the counter can have got in the end."""
    found: set[tuple[int, ...]] = set()

    def note(world: World) -> bool:
        counter = world.nodes["counter"]
        assert isinstance(counter, Counter)
        if not world.in_flight:
            found.add(counter.got)
        return True

    explore({"sender": Sender(numbers), "counter": Counter()}, **options, always={"note": note})
    return found


def test_a_multiset_delivers_each_copy_once_in_any_order() -> None:
    assert received(1, 2) == {(1, 2), (2, 1)}
    assert received(1, 1) == {(1, 1)}


def test_a_fifo_link_keeps_its_order() -> None:
    assert received(1, 2, messages="fifo") == {(1, 2)}
    assert received(1, 2, messages="fifo", losses=1) == {(1, 2), (1,), (2,)}
    assert received(1, 2, messages="fifo", duplicates=1) == {(1, 2), (1, 1, 2), (1, 2, 2)}


def test_fifo_links_of_different_senders_are_independent() -> None:
    nodes = {"x": Sender((1, 2)), "y": Sender((3,)), "counter": Counter()}
    found: set[tuple[int, ...]] = set()

    def note(world: World) -> bool:
        found.add(() if world.in_flight else world.nodes["counter"].got)  # type: ignore[union-attr]
        return True

    explore(nodes, messages="fifo", always={"note": note})
    assert found - {()} == {(1, 2, 3), (1, 3, 2), (3, 1, 2)}


def test_a_copy_that_the_network_makes_is_a_fault() -> None:
    def twice(world: World) -> bool:
        return world.nodes["counter"].got == (1, 1)  # type: ignore[union-attr]

    nodes = {"sender": Sender((1,)), "counter": Counter()}
    assert explore(nodes, duplicates=1, sometimes={"twice": twice}).verdict is Verdict.HOLDS
    assert stuck_at_once(nodes, twice, duplicates=1)


def test_losses_and_duplicates_keep_to_their_budgets() -> None:
    assert received(1, 2, losses=1) == {(1, 2), (2, 1), (1,), (2,)}
    assert received(1, 2, losses=None) == {(1, 2), (2, 1), (1,), (2,), ()}
    assert received(1, duplicates=2) == {(1,), (1, 1), (1, 1, 1)}


def test_a_set_may_deliver_again_and_again() -> None:
    exploration = explore(
        {"sender": Sender((1,)), "counter": Counter()},
        messages="set",
        max_depth=6,
        sometimes={"five times": lambda world: world.nodes["counter"].got == (1,) * 5},  # type: ignore[union-attr]
    )
    trace = exploration.witnesses["five times"]
    assert len(trace.of(Kind.SEND)) == 1
    assert len(trace.of(Kind.DELIVER)) == 5
    assert len(trace.of(Kind.DUPLICATE)) == 4


def test_a_message_for_a_node_that_is_down_may_be_lost() -> None:
    exploration = explore(
        keeping(True),
        crashes={"keeper": 1},
        sometimes={"lost": lambda world: world.nodes["keeper"] is None and not world.in_flight and not answered(world)},
    )
    lost = exploration.witnesses["lost"].of(Kind.LOSE)
    assert [event.note for event in lost] in (["down"], [])


def test_a_protocol_that_resends_without_bound_is_told_so() -> None:
    @dataclass(frozen=True)
    class Nagging(Customer):
        def on_timer(self, name: Any) -> Step[Self]:
            return self, self.ask()

    nodes = {"keeper": Keeper(True), "customer": Nagging(patience=1)}
    with pytest.raises(OverflowError, match="resends without bound"):
        explore(nodes)
    assert explore(nodes, messages="set").verdict is Verdict.HOLDS
    few = explore(nodes, within=lambda world: len(world.in_flight) <= 3)
    assert few.verdict is Verdict.BOUNDS_REACHED


# ------------------------------------------------------------------------------------------------- timers and clocks


def test_a_timer_fires_once_at_any_time_and_not_after_it_was_cancelled() -> None:
    @dataclass(frozen=True)
    class Timed(Node[int, None]):
        fired: tuple[str, ...] = ()

        def on_start(self, saved: None) -> Step[Self]:
            # The short one is no sooner than the long one, and set twice is set once.
            return self, (SetTimer("long", (9.0, 9.0)), SetTimer("short", (0.0, 0.0)), SetTimer("short", (1.0, 1.0)))

        def on_message(self, source: str, message: int) -> Step[Self]:
            return self, ()

        def on_timer(self, name: Any) -> Step[Self]:
            return replace(self, fired=(*self.fired, name)), (CancelTimer("short"),) if name == "long" else ()

    found: set[tuple[str, ...]] = set()

    def note(world: World) -> bool:
        found.add(world.nodes["timed"].fired)  # type: ignore[union-attr]
        return True

    explore({"timed": Timed()}, always={"note": note})
    assert found == {(), ("long",), ("short",), ("short", "long")}
    found.clear()
    explore({"timed": Timed()}, timers=False, always={"note": note})
    assert found == {()}


@dataclass(frozen=True)
class Clocked(Node[int, None]):
    """It reads its clock twice, and notes in which order things happen."""

    noted: tuple[Any, ...] = ()

    def on_start(self, saved: None) -> Step[Self]:
        return replace(self, noted=("start",)), (ReadClock("first"), ReadClock("second"), Send("clocked", 1))

    def on_message(self, source: str, message: int) -> Step[Self]:
        return self, ()

    def on_clock(self, name: Any, reading_seconds: float) -> Step[Self]:
        return replace(self, noted=(*self.noted, (name, reading_seconds))), ()


def test_a_clock_may_show_any_of_its_readings_each_time() -> None:
    found: set[tuple[Any, ...]] = set()

    def note(world: World) -> bool:
        found.add(world.nodes["clocked"].noted)  # type: ignore[union-attr]
        return True

    explore({"clocked": Clocked()}, clock_readings=(0.0, 5.0), always={"note": note})
    assert found == {("start", ("first", first), ("second", second)) for first in (0.0, 5.0) for second in (0.0, 5.0)}
    with pytest.raises(ValueError, match="Clocked reads its clock, for 'first': `clock_readings` must say"):
        explore({"clocked": Clocked()})


def test_a_reading_follows_the_effects_of_the_step_that_asked_for_it() -> None:
    exploration = explore({"clocked": Clocked()}, clock_readings=(5.0,), sometimes={"any": lambda world: True})
    trace = exploration.witnesses["any"]
    assert [event.kind for event in trace] == [Kind.START, Kind.SEND, Kind.CLOCK, Kind.CLOCK]
    assert [event.cause for event in trace.of(Kind.CLOCK)] == [0, 0]


def test_a_reading_may_lead_to_effects_and_to_further_readings() -> None:
    @dataclass(frozen=True)
    class Waiting(Clocked):
        """It reads its clock until that shows 2, and tells each reading."""

        def on_clock(self, name: Any, reading_seconds: float) -> Step[Self]:
            node, _ = super().on_clock(name, reading_seconds)
            again = (ReadClock("again"),) if reading_seconds < 2 and len(node.noted) < 4 else ()
            return node, (Send("clocked", int(reading_seconds)), *again)

    wanted = ("start", ("first", 1.0), ("second", 2.0), ("again", 2.0))
    exploration = explore(
        {"clocked": Waiting()},
        clock_readings=(1.0, 2.0),
        sometimes={"late": lambda world: world.nodes["clocked"].noted == wanted},  # type: ignore[union-attr]
    )
    trace = exploration.witnesses["late"]
    told = [event.value for event in trace.of(Kind.SEND, Kind.CLOCK)]
    assert told == [1, ("first", 1.0), 1, ("second", 2.0), 2, ("again", 2.0), 2]
    assert trace[trace.of(Kind.CLOCK)[2].cause or 0].value == ("first", 1.0)
    with pytest.raises(RuntimeError, match="read its clock 100 times in one step"):
        explore({"clocked": Endless()}, clock_readings=(1.0,))


class Endless(Clocked):
    def on_clock(self, name: Any, reading_seconds: float) -> Step[Self]:
        return self, (ReadClock("again"),)


# ------------------------------------------------------------------------------------------------------------ claims


def test_a_lost_message_leaves_a_waiter_stuck_unless_it_asks_again() -> None:
    goal = {"answered": answered}
    exploration = explore(keeping(True), losses=1, eventually_possible=goal)
    assert exploration.verdict is Verdict.VIOLATED
    assert [event.kind for event in exploration.stuck["answered"] if event.time_seconds > 0] == [Kind.LOSE]
    assert explore(keeping(True, patience=1), losses=1, eventually_possible=goal).verdict is Verdict.HOLDS
    assert explore(keeping(True, patience=1), losses=2, eventually_possible=goal).verdict is Verdict.VIOLATED


def stuck_at_once(nodes: dict[str, Node[Any, Any]], goal: Callable[[World], bool], **options: Any) -> bool:
    """Return whether a goal is out of reach from the beginning if nothing goes wrong."""
    stuck = explore(nodes, **options, eventually_possible={"goal": goal}).stuck
    return "goal" in stuck and stuck["goal"][-1].time_seconds == 0


def test_where_nothing_happens_a_goal_is_reached_or_out_of_reach() -> None:
    nodes: dict[str, Node[Any, Any]] = {"idle": Bystanding()}
    assert explore(nodes, eventually_possible={"goal": lambda world: True}).verdict is Verdict.HOLDS
    assert stuck_at_once(nodes, lambda world: False)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), wanted=st.integers(0, 3))
def test_a_state_is_stuck_if_a_search_from_it_never_finds_the_goal(seed: int, wanted: int) -> None:
    names = ["a", "b"]
    nodes: dict[str, Node[Any, Any]] = {name: Tabled(RandomTable(seed, names, name)) for name in names}

    def goal(world: World) -> bool:
        return any(node is not None and node.state == wanted for node in world.nodes.values())  # type: ignore[attr-defined]

    options: dict[str, Any] = {"network": "multiset", "timers": True, "clock_readings": None, "record_history": False}
    space = Space(nodes, **options, budgets=Budgets(1, 0, 1, None), crash_between_effects=True, repair=False)

    def finds_goal(state: int) -> bool:
        seen, todo = {state}, [state]
        while todo:
            state = todo.pop()
            if goal(space.world(state)):
                return True
            fresh = set(space.successors(state)[0]) - seen
            seen |= fresh
            todo += fresh
        return False

    reached, level, stuck_after = set(space.initial()), list(space.initial()), None
    for depth in range(100):
        if stuck_after is None and not all(finds_goal(state) for state in level):
            stuck_after = depth
        level = [state for state in {s for each in level for steps in space.successors(each) for s in steps} - reached]
        reached |= set(level)
    stuck = explore(nodes, losses=1, crashes=1, eventually_possible={"goal": goal}).stuck.get("goal")
    assert stuck_after == (None if stuck is None else stuck[-1].time_seconds)


def test_no_fault_helps_to_reach_a_goal() -> None:
    def keeper_is_down(world: World) -> bool:
        return world.nodes["keeper"] is None

    def answer_is_lost(world: World) -> bool:
        return world.saved["keeper"] == 1 and not world.in_flight and not answered(world)

    # Neither a crash nor a crash in the middle of a handler is an ordinary step, nor is a loss.
    assert stuck_at_once(keeping(True), keeper_is_down, crashes={"keeper": 1})
    assert stuck_at_once(keeping(True), answer_is_lost, losses=1)
    assert not stuck_at_once(keeping(True), answered, crashes={"keeper": 1}, losses=1)


def test_whether_a_crash_may_be_waited_for_is_for_the_caller_to_say() -> None:
    options: dict[str, Any] = {"crashes": {"keeper": 1}, "eventually_possible": {"answered": answered}}
    # A message that a crash swallows is asked for again: one more try is enough, if the keeper comes back.
    assert explore(keeping(True, patience=1), **options).verdict is Verdict.VIOLATED
    assert explore(keeping(True, patience=1), **options, restarts=0, repair=True).verdict is Verdict.VIOLATED
    forever = {"keeper": Keeper(True), "customer": Customer(patience=3)}
    stuck = explore(forever, **options, repair=True).stuck.get("answered")
    assert stuck is not None
    assert all(event.note == "down" for event in stuck.of(Kind.LOSE))
    assert explore(forever, **options, repair=True, messages="set").verdict is Verdict.HOLDS
    assert explore(forever, **options, repair=False, messages="set").verdict is Verdict.VIOLATED


def test_a_dead_end_that_is_not_done_is_a_deadlock() -> None:
    exploration = explore(keeping(True), losses=1, done=answered)
    assert exploration.verdict is Verdict.VIOLATED
    assert [event.kind for event in exploration.violations["deadlock"] if event.time_seconds > 0] == [Kind.LOSE]
    # A dead end out of which only a fault leads is one all the same.
    faulty = explore(keeping(True), losses=1, crashes={"keeper": 1}, done=answered)
    assert faulty.violations["deadlock"][-1].time_seconds == 1
    assert explore(keeping(True), done=answered).verdict is Verdict.HOLDS
    assert "never deadlock: in no state" in str(explore(keeping(True), done=answered))


def test_a_claim_that_something_happens_fails_where_nothing_does() -> None:
    exploration = explore(keeping(True), sometimes={"pigs fly": lambda world: False, "answered": answered})
    assert exploration.verdict is Verdict.VIOLATED
    assert exploration.unwitnessed == ("pigs fly",)
    assert set(exploration.witnesses) == {"answered"}


def test_every_broken_claim_has_a_counterexample_of_its_own() -> None:
    exploration = explore(
        keeping(True), always={"never kept": lambda world: world.saved["keeper"] is None, "unanswered": unanswered}
    )
    lengths = {name: trace[-1].time_seconds for name, trace in exploration.violations.items()}
    assert lengths == {"never kept": 1, "unanswered": 2}


def unanswered(world: World) -> bool:
    return not answered(world)


def test_a_predicate_may_look_at_a_changed_copy_of_the_world() -> None:
    def holds_without_what_is_saved(world: World) -> bool:
        changed = replace(world, saved={})
        return changed.nodes == world.nodes and changed.in_flight == world.in_flight and not changed.saved

    assert explore(keeping(True), always={"so": holds_without_what_is_saved}).verdict is Verdict.HOLDS


def test_stopping_at_a_violation_leaves_the_rest_unexplored() -> None:
    whole = explore(two_phase(3), messages="set", always={"nobody commits": nobody_commits})
    stopped = explore(two_phase(3), messages="set", always={"nobody commits": nobody_commits}, stop_at_violation=True)
    assert whole.verdict is stopped.verdict is Verdict.VIOLATED
    assert stopped.states < whole.states == 288
    assert list(stopped.violations["nobody commits"]) == list(whole.violations["nobody commits"])


def nobody_commits(world: World) -> bool:
    return all(not isinstance(node, ResourceManager) or node.state != "committed" for node in world.nodes.values())


# ------------------------------------------------------------------------------------------------------------ bounds


@pytest.mark.parametrize(
    ("bound", "words"),
    [({"max_states": 287}, "max_states=287"), ({"max_depth": 10}, "max_depth=10"), ({"max_depth": 1}, "max_depth=1")],
)
def test_a_bound_that_is_met_never_says_that_a_claim_holds(bound: dict[str, int], words: str) -> None:
    exploration = explore(
        two_phase(3), messages="set", always={"consistent": consistent}, eventually_possible={"x": decided}, **bound
    )
    assert exploration.verdict is Verdict.BOUNDS_REACHED
    assert exploration.bound == words
    assert "stopped by " + words in str(exploration)
    with pytest.raises(AssertionError, match="BOUNDS_REACHED"):
        exploration.require_holds()


def decided(world: World) -> bool:
    manager = world.nodes["tm"]
    return isinstance(manager, TransactionManager) and manager.state != "init"


def test_a_bound_that_is_not_met_changes_nothing() -> None:
    bounded = explore(two_phase(3), messages="set", max_states=288, max_depth=12, within=lambda world: True)
    assert bounded.verdict is Verdict.HOLDS
    assert counts(bounded) == [288, 1146, 11]


def test_predicates_are_asked_once_about_a_state() -> None:
    asked: list[Hashable] = []

    def note(world: World) -> bool:
        asked.append((tuple(world.nodes.values()), tuple(world.in_flight)))
        return len(world.in_flight) <= 2

    bounded = explore(two_phase(3), messages="set", timers=True, within=note)
    assert len(asked) > bounded.states
    assert len(asked) == len(set(asked))


def test_a_violation_within_the_bound_is_a_violation() -> None:
    exploration = explore(two_phase(3), messages="set", always={"nobody commits": nobody_commits}, max_states=280)
    assert exploration.verdict is Verdict.VIOLATED
    assert exploration.bound is not None


def test_what_lies_behind_a_bound_is_not_called_stuck() -> None:
    for depth in range(1, 8):
        exploration = explore(keeping(True, patience=2), eventually_possible={"answered": answered}, max_depth=depth)
        assert not exploration.stuck
    cut = explore(
        keeping(True), eventually_possible={"answered": answered}, within=lambda world: world.saved["keeper"] is None
    )
    assert not cut.stuck
    assert cut.verdict is Verdict.BOUNDS_REACHED


# ------------------------------------------------------------------------------------------------------------ traces


def world_at_the_end(trace: Trace) -> World:
    """Rebuild from events alone what an exploration's predicate saw last."""
    states = {name: trace.states(name)[-1][1] for name in trace.names}
    saved = {name: ([None] + [e.value for e in trace.of(Kind.SAVE, node=name)])[-1] for name in trace.names}
    return World(states, saved)


def test_a_counterexample_ends_where_its_claim_breaks_and_is_a_shortest() -> None:
    exploration = explore(two_phase(3), messages="set", always={"nobody commits": nobody_commits})
    trace = exploration.violations["nobody commits"]
    assert not nobody_commits(world_at_the_end(trace))
    steps = int(trace[-1].time_seconds)
    short = explore(two_phase(3), messages="set", always={"nobody commits": nobody_commits}, max_depth=steps)
    assert short.verdict is Verdict.BOUNDS_REACHED


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    messages=st.sampled_from(["multiset", "set", "fifo"]),
    number=st.integers(0, 60),
)
def test_a_trace_ends_in_the_world_that_it_was_asked_for(seed: int, messages: Any, number: int) -> None:
    names = ["a", "b"]
    nodes: dict[str, Node[Any, Any]] = {name: Tabled(RandomTable(seed, names, name)) for name in names}
    worlds: list[World] = []

    def is_the_one(world: World) -> bool:
        worlds.append(world)
        return len(worlds) == number + 1

    faults = 0 if messages == "set" else 1
    options: dict[str, Any] = {"losses": faults, "duplicates": faults, "crashes": 2, "max_states": 100}
    exploration = explore(nodes, messages=messages, **options, sometimes={"the one": is_the_one})
    if exploration.unwitnessed:
        return
    trace, world = exploration.witnesses["the one"], worlds[number]
    assert {name: trace.states(name)[-1][1] for name in names} == world.nodes
    assert [event.number for event in trace] == list(range(len(trace)))
    if messages != "set":
        made, gone = trace.of(Kind.SEND, Kind.DUPLICATE), trace.of(Kind.DELIVER, Kind.LOSE)
        assert len(made) - len(gone) == len(world.in_flight)
    require_timers_to_fire_only_while_set(trace)
    for name in names:
        starts = trace.of(Kind.START, node=name)
        assert len(starts) == len(trace.of(Kind.CRASH, node=name)) + (world.nodes[name] is not None)


def require_timers_to_fire_only_while_set(trace: Trace) -> None:
    timers: set[tuple[str, Any]] = set()
    for event in trace:
        if event.kind is Kind.SET_TIMER:
            timers.add((event.node, event.value))
        elif event.kind in (Kind.TIMER, Kind.CANCEL_TIMER):
            timers.remove((event.node, event.value))
        elif event.kind is Kind.CRASH:
            timers = {timer for timer in timers if timer[0] != event.node}


def test_every_event_of_a_trace_has_the_cause_that_its_kind_demands() -> None:
    exploration = explore(
        keeping(True, patience=1),
        losses=1,
        duplicates=1,
        crashes=1,
        sometimes={"everything": lambda world: answered(world) and not world.in_flight and all(world.nodes.values())},
        always={"never answered twice": unanswered},
        record_history=True,
    )
    demands = {
        Kind.DELIVER: {Kind.SEND},
        Kind.LOSE: {Kind.SEND},
        Kind.DUPLICATE: {Kind.SEND},
        Kind.TIMER: {Kind.SET_TIMER},
        Kind.SEND: {Kind.START, Kind.DELIVER, Kind.TIMER},
        Kind.SAVE: {Kind.START, Kind.DELIVER, Kind.TIMER},
    }
    for trace in (*exploration.witnesses.values(), *exploration.violations.values()):
        for event in trace:
            if event.kind in demands:
                assert event.cause is not None
                cause = trace[event.cause]
                assert cause.kind in demands[event.kind]
                if event.kind in (Kind.DELIVER, Kind.LOSE):
                    assert (cause.value, cause.peer, cause.node) == (event.value, event.node, event.peer)


def test_a_duplicate_and_a_loss_are_events() -> None:
    twice = explore(
        {"sender": Sender((1, 2)), "counter": Counter()},
        duplicates=1,
        losses=1,
        sometimes={"so": lambda world: world.nodes["counter"].got == (1, 1) and not world.in_flight},  # type: ignore[union-attr]
    )
    trace = twice.witnesses["so"]
    assert sorted(event.kind.name for event in trace if event.time_seconds > 0) == [
        "DELIVER", "DELIVER", "DUPLICATE", "LOSE",
    ]  # fmt: skip
    assert [event.note for event in trace.of(Kind.LOSE)] == ["loss"]


def test_a_crash_leaves_an_open_operation_unknown() -> None:
    @dataclass(frozen=True)
    class Asking(Node[str, None]):
        def on_start(self, saved: None) -> Step[Self]:
            return self, (Invoke("x"), Send("asking", "x"))

        def on_message(self, source: str, message: str) -> Step[Self]:
            return self, (Complete("x"),)

    histories: set[Hashable] = set()

    def note(world: World) -> bool:
        histories.add(tuple(event for _, event in world.history))
        return True

    exploration = explore(
        {"asking": Asking()},
        crashes=1,
        messages="fifo",
        record_history=True,
        max_depth=3,
        always={"note": note},
        sometimes={"down": lambda world: world.nodes["asking"] is None and len(world.history) == 2},
    )
    unknown = Complete(None, Outcome.UNKNOWN)
    assert (Invoke("x"), unknown, Invoke("x")) in histories
    trace = exploration.witnesses["down"]
    assert [event.value for event in trace.of(Kind.COMPLETE)] == [(None, Outcome.UNKNOWN)]


def test_two_open_operations_of_one_client_are_an_error() -> None:
    @dataclass(frozen=True)
    class Hasty(Bystanding):
        def on_start(self, saved: None) -> Step[Self]:
            return self, (Invoke("x"), Invoke("y"))

    with pytest.raises(ValueError, match="while 'x' is open"):
        explore({"hasty": Hasty()}, record_history=True)


# -------------------------------------------------------------------------------------------- determinism and errors


@dataclass(frozen=True)
class Bystanding(Node[str, None]):
    def on_start(self, saved: None) -> Step[Self]:
        return self, ()

    def on_message(self, source: str, message: str) -> Step[Self]:
        return self, ()


SCRIPT = """
from tests.runtimes.specifications import *
from distlib.runtimes.exploration import explore
never = {"never": lambda world: not any(getattr(node, "state", "") == "committed" for node in world.nodes.values())}
for symmetry in ([], [managers(3)]):
    crashes = 0 if symmetry else {"rm1": 1}
    found = explore(two_phase(3), messages="set", crashes=crashes, always=never, symmetry=symmetry)
    print(found, [(e.kind.name, e.node, e.peer, e.cause) for e in found.violations["never"]])
print(explore(registers(1), record_history=True), explore(two_phase(2), messages="fifo", losses=1))
"""


def test_the_hash_seed_changes_nothing() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert "VIOLATED" in outputs.pop()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"losses": -1}, ValueError, "`losses` must be an integer >= 0, got -1"),
        ({"duplicates": 1.5}, ValueError, "`duplicates` must be an integer >= 0, got 1.5"),
        ({"restarts": True}, ValueError, "`restarts` must be an integer >= 0, got True"),
        ({"crashes": None}, ValueError, "`crashes` must be an integer >= 0, got None"),
        ({"crashes": {"nobody": 1}}, ValueError, "`crashes` must name nodes among keeper, customer, got 'nobody'"),
        ({"crashes": {"keeper": -1}}, ValueError, r"crashes\['keeper'\]` must be an integer >= 0, got -1"),
        ({"messages": "bag"}, ValueError, "`messages` must be 'multiset', 'set' or 'fifo', got 'bag'"),
        ({"messages": "set", "losses": 1}, ValueError, "must be 0 where `messages` is 'set'"),
        ({"max_states": 0}, ValueError, "`max_states` must be an integer >= 1, got 0"),
        ({"max_depth": 0}, ValueError, "`max_depth` must be an integer >= 1, got 0"),
        ({"clock_readings": ()}, ValueError, "`clock_readings` must be one or more finite numbers"),
        ({"clock_readings": (float("nan"),)}, ValueError, "`clock_readings` must be one or more finite numbers"),
        ({"always": {"x": 3}}, TypeError, r"always\['x'\] must be a predicate on a World, got 3"),
        ({"always": {"x": lambda world: None}}, TypeError, r"always\['x'\] must return a bool, got None"),
        ({"always": {"deadlock": answered}, "done": answered}, ValueError, "must not use the name 'deadlock'"),
        ({"within": lambda world: False}, ValueError, "`within` must hold in an initial state"),
    ],
)
def test_bad_arguments_are_named_with_their_bound_and_value(
    options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        explore(keeping(True), **options)


def test_bad_nodes_are_named() -> None:
    with pytest.raises(ValueError, match="`nodes` must name at least one node"):
        explore({})
    with pytest.raises(TypeError, match="`nodes` must map names to nodes, got 'a': 3"):
        explore({"a": 3})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="`nodes` must be hashable"):
        explore({"a": Counter([])})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'customer' sent 'keep' to 'keeper', which is not in `nodes`"):
        explore({"customer": Customer()})


def test_a_handler_that_returns_no_step_or_no_effect_is_named() -> None:
    @dataclass(frozen=True)
    class Broken(Bystanding):
        returned: Any = None

        def on_start(self, saved: None) -> Step[Self]:
            return self.returned or self  # type: ignore[no-any-return]

    with pytest.raises(TypeError, match=r"Broken.on_start must return \(node, tuple of effects\)"):
        explore({"a": Broken()})
    with pytest.raises(TypeError, match="'send', which is not an effect"):
        explore({"a": Broken((Broken(), ("send",)))})


def test_an_error_in_a_handler_or_a_predicate_tells_the_steps_that_led_to_it() -> None:
    @dataclass(frozen=True)
    class Fragile(Keeper):
        def on_message(self, source: str, message: str) -> Step[Self]:
            raise RuntimeError("broke")

    with pytest.raises(RuntimeError, match="broke") as caught:
        explore({"keeper": Fragile(True), "customer": Customer()})
    assert "customer  send keep to keeper" in caught.value.__notes__[0]

    def fragile(world: World) -> bool:
        assert not answered(world), "too late"
        return True

    with pytest.raises(AssertionError, match="too late") as failed:
        explore(keeping(True), always={"fragile": fragile})
    assert "receive kept from keeper" in failed.value.__notes__[0]
    with pytest.raises(ZeroDivisionError):
        explore(keeping(True), within=lambda world: 1 // 0 > 0)


def test_require_holds_shows_the_counterexample() -> None:
    with pytest.raises(AssertionError, match=r"(?s)VIOLATED.*never gets keep from customer"):
        explore(keeping(True), losses=1, eventually_possible={"answered": answered}).require_holds()
    exploration = explore(keeping(True), always={"kept": kept_if_answered})
    assert exploration.require_holds() is exploration


def test_progress_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    explore(two_phase(2), messages="set", progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 8


def test_groups_of_names_are_as_in_the_specification() -> None:
    assert managers(2) == ["rm1", "rm2"]
