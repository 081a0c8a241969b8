"""Of states that differ only in names, the explorer keeps one: always the same, and only where names do not matter."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from enum import Enum
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distlib.node import Complete, Invoke, Node, Save, Send, SetTimer, Step, Table, World, entry, with_entry
from distlib.runtimes.exploration import Verdict, explore
from distlib.runtimes.state_space import Budgets, Space
from distlib.runtimes.symmetry import Symmetry, rename
from tests.runtimes.specifications import Bystander, Memory, consistent, managers, two_phase

PUBLISHED = json.loads((Path(__file__).parents[1] / "data" / "state_counts.json").read_text(encoding="utf-8"))
SWAP = {"a": "b", "b": "a"}


# ------------------------------------------------------------------------------------- a protocol that is full of names


@dataclass(frozen=True)
class Voter(Node[str, str]):
    """It asks all others for their votes, or gives its own to who asks first; a table holds what it heard."""

    name: str
    voters: frozenset[str]
    vote: str = ""
    heard: Table[str, str] = ()
    may_stand: bool = True

    def on_start(self, saved: str | None) -> Step[Self]:
        return replace(self, vote=saved or ""), (Invoke("elect"), SetTimer(("stand", self.name), (0.0, 1.0)))

    def on_message(self, source: str, message: str) -> Step[Self]:
        if message == "vote for me":
            if self.vote:
                return self, ()
            return replace(self, vote=source), (Save(source), Send(source, "yes"))
        node = replace(self, heard=with_entry(self.heard, source, message))
        return node, (Complete(self.name), Invoke("more")) if len(node.heard) == 1 else ()

    def on_timer(self, name: Any) -> Step[Self]:
        node = replace(self, may_stand=False)
        if self.vote:
            return node, ()
        return replace(node, vote=self.name), tuple(
            Send(other, "vote for me") for other in sorted(self.voters - {self.name})
        )


def voters(count: int) -> dict[str, Node[Any, Any]]:
    names = frozenset("abcde"[:count])
    return {name: Voter(name, names) for name in sorted(names)}


def space_of(nodes: dict[str, Node[Any, Any]], **options: Any) -> Space:
    chosen: dict[str, Any] = {
        "network": "multiset",
        "budgets": Budgets(0, 0, 0, None),
        "timers": True,
        "clock_readings": None,
        "record_history": False,
        "crash_between_effects": True,
        "repair": False,
    }
    return Space(nodes, **{**chosen, **options})


def walk(space: Space, length: int, seed: int) -> int:
    """Return a state that a random walk reaches."""
    chance = random.Random(seed)
    state = next(iter(space.initial()))
    for _ in range(length):
        ordinary, others = space.successors(state)
        if ordinary or others:
            state = chance.choice(ordinary + others)
    return state


VARIANTS: list[dict[str, Any]] = [
    {},
    {"network": "set"},
    {"network": "fifo"},
    {"record_history": True},
    {"network": "fifo", "record_history": True},
    {"budgets": Budgets(1, 1, dict.fromkeys("abcd", 1), 1), "crash_between_effects": False},
]
FEWER_FAULTS: dict[str, Any] = {
    "budgets": Budgets(0, 1, dict.fromkeys("abc", 1), 0),
    "crash_between_effects": False,
}


# ------------------------------------------------------------------------------------------------- representatives


@settings(max_examples=80)
@given(
    variant=st.sampled_from(VARIANTS),
    length=st.integers(0, 14),
    seed=st.integers(0, 10**6),
    permutation=st.permutations(range(4)),
)
def test_every_state_of_an_orbit_has_the_same_representative(
    variant: dict[str, Any], length: int, seed: int, permutation: list[int]
) -> None:
    space = space_of(voters(4), **variant)
    symmetry = Symmetry(space, [list("abcd")])
    state = walk(space, length, seed)
    image = symmetry.image(state, tuple(permutation))
    representative = symmetry.canonical(state)
    assert symmetry.canonical(image) == representative
    assert symmetry.canonical(representative) == representative
    assert representative in {symmetry.image(state, each) for each in permutations(range(4))}


@settings(max_examples=40)
@given(
    variant=st.sampled_from(VARIANTS),
    length=st.integers(0, 14),
    seed=st.integers(0, 10**6),
    first=st.permutations(range(4)),
    second=st.permutations(range(4)),
)
def test_to_permute_twice_is_to_permute_by_the_product(
    variant: dict[str, Any], length: int, seed: int, first: list[int], second: list[int]
) -> None:
    space = space_of(voters(4), **variant)
    symmetry = Symmetry(space, [list("abcd")])
    state = walk(space, length, seed)
    product = tuple(second[each] for each in first)
    assert symmetry.image(symmetry.image(state, tuple(first)), tuple(second)) == symmetry.image(state, product)


@pytest.mark.parametrize("variant", [*VARIANTS[:-1], FEWER_FAULTS])
def test_there_are_as_many_representatives_as_orbits(variant: dict[str, Any]) -> None:
    space = space_of(voters(3), **variant)
    symmetry = Symmetry(space, [list("abc")])
    reached = set(space.initial())
    todo = list(reached)
    while todo:
        for steps in space.successors(todo.pop()):
            todo += set(steps) - reached
            reached |= set(steps)
    orbits = {frozenset(symmetry.image(state, each) for each in permutations(range(3))) for state in reached}
    assert sum(len(orbit) for orbit in orbits) == len(reached)
    assert len({symmetry.canonical(state) for state in reached}) == len(orbits)


@pytest.mark.parametrize("messages", ["multiset", "set", "fifo"])
def test_the_exploration_finds_each_orbit_of_worlds_once(messages: Any) -> None:
    reduced = explore(voters(3), messages=messages, symmetry=[list("abc")])
    worlds: list[World] = []

    def note(world: World) -> bool:
        worlds.append(world)
        return True

    explore(voters(3), messages=messages, always={"note": note})
    is_fifo = messages == "fifo"
    orbits = {min(as_text(world, each, is_fifo=is_fifo) for each in permutations("abc")) for world in worlds}
    assert reduced.orbits == reduced.states == len(orbits)


def as_text(world: World, names: tuple[str, ...], *, is_fifo: bool) -> str:
    """Return a world, renamed, as a text that is the same for equal worlds."""
    new = dict(zip("abc", names, strict=True))

    def told(node: Any) -> Any:
        heard = tuple(sorted((new[voter], vote) for voter, vote in node.heard))
        return new[node.name], new.get(node.vote, ""), heard, node.may_stand

    nodes = tuple(sorted(told(node) for node in world.nodes.values()))
    in_flight = [(new[source], new[target], message) for source, target, message in world.in_flight]
    # A sort by link only keeps the order of the messages on a link.
    return repr((nodes, sorted(in_flight, key=lambda each: each[:2] if is_fifo else each)))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_two_phase_commit_has_the_known_number_of_orbits(count: int) -> None:
    exploration = explore(
        two_phase(count), messages="set", always={"consistent": consistent}, symmetry=[managers(count)]
    )
    assert exploration.orbits == PUBLISHED["two_phase_commit"]["orbits"][str(count)]
    assert exploration.depth == PUBLISHED["two_phase_commit"]["distinct_generated_depth"][str(count)][2]
    assert "orbits of states" in str(exploration)


def test_the_published_example_has_the_published_number_of_orbits() -> None:
    threads = ["thread 1", "thread 2"]
    nodes: dict[str, Node[Any, Any]] = {"memory": Memory(), **{name: Bystander() for name in threads}}
    assert explore(nodes, clock_readings=[0]).states == PUBLISHED["stateright"]["increment"]
    reduced = explore(nodes, clock_readings=[0], symmetry=[threads])
    assert reduced.orbits == PUBLISHED["stateright"]["increment_orbits"]


def test_two_groups_are_permuted_independently() -> None:
    nodes = {**two_phase(2), "rm3": Bystander(), "rm4": Bystander()}
    one = explore(nodes, messages="set", symmetry=[["rm1", "rm2"]])
    both = explore(nodes, messages="set", symmetry=[["rm1", "rm2"], ["rm3", "rm4"]])
    assert one.states == both.states == 34


def test_the_order_of_the_nodes_does_not_matter() -> None:
    nodes = two_phase(3)
    for order in (["rm1", "tm", "rm2", "rm3"], ["rm3", "rm1", "tm", "rm2"]):
        exploration = explore({name: nodes[name] for name in order}, messages="set", symmetry=[managers(3)])
        assert exploration.orbits == PUBLISHED["two_phase_commit"]["orbits"]["3"]


def test_a_counterexample_from_representatives_is_a_run_of_the_nodes() -> None:
    def nobody_heard_twice(world: World) -> bool:
        return all(len(node.heard) < 2 for node in world.nodes.values())  # type: ignore[union-attr]

    full = explore(voters(3), always={"nobody": nobody_heard_twice})
    reduced = explore(voters(3), always={"nobody": nobody_heard_twice}, symmetry=[list("abc")])
    trace = reduced.violations["nobody"]
    assert trace[-1].time_seconds == full.violations["nobody"][-1].time_seconds
    nodes = {name: trace.states(name)[-1][1] for name in trace.names}
    assert not nobody_heard_twice(World(nodes, {}))
    assert reduced.verdict is full.verdict is Verdict.VIOLATED


# ---------------------------------------------------------------------------------------- nodes that are not symmetric


def test_nodes_that_begin_differently_are_not_interchangeable() -> None:
    nodes = {**two_phase(2), "rm2": replace(two_phase(2)["rm2"], state="prepared")}
    with pytest.raises(ValueError, match="'rm1' and 'rm2' are not interchangeable"):
        explore(nodes, messages="set", symmetry=[managers(2)])


def test_an_ordered_tuple_of_names_is_not_symmetric() -> None:
    @dataclass(frozen=True)
    class Ordered(Bystander):
        others: tuple[str, ...] = ("rm1", "rm2")

    with pytest.raises(ValueError, match="use a frozenset"):
        explore({**two_phase(2), "x": Ordered()}, messages="set", symmetry=[managers(2)])


def test_a_handler_that_prefers_a_name_is_found() -> None:
    @dataclass(frozen=True)
    class Partial(Voter):
        def on_message(self, source: str, message: str) -> Step[Self]:
            return (self, ()) if (source, message) == ("b", "yes") else super().on_message(source, message)

    nodes: dict[str, Node[Any, Any]] = {name: Partial(name, frozenset("abc")) for name in "abc"}
    with pytest.raises(ValueError, match="does something else on deliver 'yes'"):
        explore(nodes, symmetry=[list("abc")])


def test_a_broadcast_in_the_order_of_names_that_a_crash_may_cut_short_is_found() -> None:
    with pytest.raises(ValueError, match="a broadcast in the order of names that a crash may cut short"):
        explore(voters(3), crashes=1, symmetry=[list("abc")])
    assert explore(voters(3), crashes=1, crash_between_effects=False, symmetry=[list("abc")]).verdict is Verdict.HOLDS


def test_the_order_of_a_broadcast_shows_where_links_keep_order() -> None:
    @dataclass(frozen=True)
    class Lister(Bystander):
        def on_start(self, saved: None) -> Step[Self]:
            return self, tuple(Send("log", name) for name in "ab")

    nodes: dict[str, Node[Any, Any]] = {"a": Bystander(), "b": Bystander(), "log": Bystander(), "lister": Lister()}
    assert explore(nodes, symmetry=[["a", "b"]]).orbits == 3
    with pytest.raises(ValueError, match="not interchangeable"):
        explore(nodes, messages="fifo", symmetry=[["a", "b"]])


def test_a_table_that_is_not_annotated_as_one_is_found() -> None:
    @dataclass(frozen=True)
    class Unannotated(Voter):
        heard: tuple[tuple[str, str], ...] = ()

    nodes: dict[str, Node[Any, Any]] = {name: Unannotated(name, frozenset("abc")) for name in "abc"}
    with pytest.raises(ValueError, match="annotate the field as a Table"):
        explore(nodes, symmetry=[list("abc")])


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ([["a", "x"]], "`symmetry` must name nodes among a, b, c, got 'x'"),
        (["abc"], "got the name 'abc' for a group"),
        ([["a", "b"], ["b", "c"]], "`symmetry` must not name a node twice"),
    ],
)
def test_bad_groups_are_named(groups: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        explore(voters(3), symmetry=groups)


def test_budgets_of_crashes_must_be_symmetric_too() -> None:
    with pytest.raises(ValueError, match="`crashes` differs between 'a' and 'b'"):
        explore(voters(2), crashes={"a": 1}, symmetry=[["a", "b"]])


# ------------------------------------------------------------------------------------------------------------ renaming


class Colour(Enum):
    RED = "a"


class Pair(NamedTuple):
    left: str
    right: int


@dataclass(frozen=True, slots=True)
class Checked:
    """Its check would fail for a value that is half renamed."""

    name: str
    peers: frozenset[str]
    book: Table[str, int] = ()

    def __post_init__(self) -> None:
        if self.name in self.peers:
            raise ValueError("a node is no peer of its own")


def test_rename_goes_through_values_and_leaves_the_rest() -> None:
    assert rename(("a", "a-log", 1, None, Colour.RED, b"a", 0.5), SWAP) == (
        "b",
        "a-log",
        1,
        None,
        Colour.RED,
        b"a",
        0.5,
    )
    assert rename(frozenset({"a", "c"}), SWAP) == frozenset({"b", "c"})
    assert rename(Pair("a", 1), SWAP) == Pair("b", 1)
    assert rename(Checked("a", frozenset("bc")), SWAP) == Checked("b", frozenset("ac"))


def test_rename_keeps_the_order_of_a_table() -> None:
    renamed = rename(Checked("c", frozenset(), (("a", 1), ("b", 2))), SWAP)
    assert renamed.book == (("a", 2), ("b", 1))
    assert entry(renamed.book, "b") == 1


def test_rename_returns_what_has_no_name_in_it_as_it_is() -> None:
    value = Checked("c", frozenset("d"))
    assert rename(value, SWAP) is value


def test_rename_refuses_what_names_can_hide_in() -> None:
    with pytest.raises(TypeError, match="cannot rename nodes within"):
        rename((["a"],), SWAP)
