"""Registers whose replicas all take writes: merges by hand, skewed runs, every order of events, and mistakes."""

import itertools

import pytest

from distlib.broken.consistency.last_writer_wins import KeepsWhatWasReplaced, NumbersWithoutDots
from distlib.experiments.consistency.last_writer_wins import (
    explore_writes,
    is_lost,
    judge,
    replicas,
    skewed,
    two_writers,
    two_writes,
)
from distlib.models.latency import Exponential
from distlib.node import Complete, Invoke, ReadClock, Save, Send, World
from distlib.protocols.consistency.hybrid_logical_clock import HybridClock
from distlib.protocols.consistency.last_writer_wins import (
    Client,
    Get,
    Got,
    KeepsSiblings,
    LastWriterWins,
    PhysicalClock,
    Put,
    PutDone,
    Share,
    Task,
    agree,
    no_silent_loss,
    quiet,
)
from distlib.runtimes.exploration import Verdict
from distlib.runtimes.faults import Clock, Crash, Link, Network
from distlib.runtimes.network import Cluster
from distlib.runtimes.simulation import simulate
from distlib.runtimes.trace import Kind

# ------------------------------------------------------------------------------------------- the last writer wins


def east(clock: object | None = None) -> LastWriterWins:
    return LastWriterWins("east", ("west",), clock or PhysicalClock("east"))


def test_a_write_is_stamped_made_durable_acknowledged_and_shared_in_this_order() -> None:
    node, effects = east().on_message("c", Put(1, 7))
    assert effects == (ReadClock(("c", Put(1, 7))),)
    node, effects = node.on_clock(("c", Put(1, 7)), 3.0)
    version = ((3.0, "east"), 7)
    saved = Save((version, PhysicalClock("east", 3.0)))
    assert effects == (saved, Send("c", PutDone(1, 3.0)), Send("west", Share(version)))


def test_a_write_with_a_smaller_stamp_is_acknowledged_and_gone() -> None:
    node, _ = east().on_clock(("c", Put(1, 7)), 3.0)
    node, effects = node.on_clock(("c", Put(2, 8)), 2.0)
    assert node.values == (7,)
    assert Send("c", PutDone(2, 2.0)) in effects


def test_a_hybrid_clock_stamps_above_what_the_client_has_seen() -> None:
    clock = HybridClock("east", tick_seconds=1.0)
    node, _ = east(clock).on_clock(("c", Put(1, 7, context=(50, 3))), 2.0)
    assert node.version == (((50, 4), "east"), 7)


def test_what_is_shared_is_merged_in_any_order() -> None:
    versions = [((1.0, "east"), 1), ((2.0, "west"), 2), ((2.0, "east"), 3)]
    for order in itertools.permutations(versions):
        node = east()
        for version in (*order, *order):
            node, _ = node.on_clock(("west", Share(version)), 9.0)
        assert node.values == (2,)


def test_a_replica_goes_on_with_its_version_and_its_clock() -> None:
    saved = (((3.0, "east"), 7), PhysicalClock("east", 3.0))
    node, _ = east().on_start(saved)
    assert node.values == (7,)
    assert node.on_message("c", Get(1))[1] == (Send("c", Got(1, (7,), 3.0)),)


# -------------------------------------------------------------------------------------------------------- siblings


def siblings(name: str = "east") -> KeepsSiblings:
    return KeepsSiblings(name, ("west" if name == "east" else "east",))


def test_writes_that_have_not_seen_each_other_are_kept_side_by_side() -> None:
    node = siblings().putting(1, ()).putting(2, ())
    assert node.values == (1, 2)
    assert node.seen == (("east", 2),)


def test_a_write_replaces_what_its_context_covers_and_nothing_else() -> None:
    node = siblings().putting(1, ()).putting(2, ())
    assert node.putting(3, (("east", 1),)).values == (2, 3)
    assert node.putting(3, (("east", 2),)).values == (3,)


def test_a_client_that_skipped_a_write_is_not_told_that_it_has_seen_it() -> None:
    node = siblings().putting(1, ())
    _, effects = node.on_message("c", Put(1, 2))
    assert effects[1] == Send("c", PutDone(1, ()))
    _, effects = node.on_message("c", Put(1, 2, (("east", 1),)))
    assert effects[1] == Send("c", PutDone(1, (("east", 2),)))


def test_merging_is_commutative_idempotent_and_drops_what_one_side_has_seen_replaced() -> None:
    a = siblings("east").putting(1, ())
    b = siblings("west").merging(a.seen, a.siblings).putting(2, a.seen)
    c = siblings("west").putting(3, ())
    assert a.merging(b.seen, b.siblings).values == (2,)
    assert a.merging(c.seen, c.siblings).values == (1, 3)
    for one, other in itertools.permutations([a, b], 2):
        merged = one.merging(other.seen, other.siblings)
        assert merged.siblings == other.merging(one.seen, one.siblings).siblings
        assert merged.merging(other.seen, other.siblings) == merged


def test_a_copy_of_what_is_known_changes_nothing() -> None:
    node = siblings().putting(1, ())
    assert node.on_message("west", Share((node.seen, node.siblings))) == (node, ())


def test_a_client_hands_on_what_it_has_seen_unless_it_is_silent() -> None:
    for tells, context in ((True, (("east", 1),)), (False, None)):
        client = Client((Task("east", 1), Task("west", 2)), tells)
        node, effects = client.on_timer("task")
        assert effects == (Invoke(("write", 1)), Send("east", Put(1, 1, None)))
        node, effects = node.on_message("east", PutDone(1, (("east", 1),)))
        assert effects[0] == Complete()
        _, effects = node.on_timer("task")
        assert effects == (Invoke(("write", 2)), Send("west", Put(2, 2, context)))


# ------------------------------------------------------------------------------------------------------------ runs


def test_a_clock_that_is_ahead_loses_the_later_write_and_the_checker_says_so() -> None:
    ahead = {"east": Clock(0.004)}
    run = two_writes("physical", seed=1, gap_seconds=0.002, clocks=ahead)
    assert is_lost(run)
    assert "it is lost" in str(judge(run))
    for kind in ("hybrid", "siblings"):
        assert not is_lost(two_writes(kind, seed=1, gap_seconds=0.002, clocks=ahead))
    assert judge(two_writes("hybrid", seed=1, gap_seconds=0.002, clocks=ahead)).holds


def test_a_hybrid_clock_knows_nothing_of_a_write_that_nobody_told_of() -> None:
    for seed in range(40):
        clocks = skewed(0.002, seed)
        silent = two_writes("hybrid", seed=seed, gap_seconds=0.002, clocks=clocks, tells=False)
        physical = two_writes("physical", seed=seed, gap_seconds=0.002, clocks=clocks)
        assert is_lost(silent) is is_lost(physical)
        assert not is_lost(two_writes("hybrid", seed=seed, gap_seconds=0.002, clocks=clocks))
        assert not is_lost(two_writes("hybrid", seed=seed, gap_seconds=0.003, clocks=clocks, reads_first=True))


def test_siblings_of_a_silent_client_are_both_there() -> None:
    run = two_writes("siblings", seed=1, gap_seconds=0.002, clocks={"east": Clock(0.004)}, tells=False)
    assert judge(run).holds
    assert all(run.nodes[name].values == (1, 2) for name in ("east", "west"))  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["physical", "hybrid", "siblings"])
def test_replicas_agree_after_loss_copies_and_a_crash_if_they_repeat(kind: str) -> None:
    network = Network(
        Link(Exponential(0.01), duplicate_probability=0.2),
        {pair: Link(Exponential(0.01), loss_probability=0.4) for pair in (("east", "west"), ("west", "east"))},
    )
    crash = [Crash("west", 0.5, restart_after_seconds=0.3)]
    for seed in range(5):
        tasks = tuple(Task("east" if turn % 2 else "west", turn + 1, (0.0, 0.02)) for turn in range(6))
        nodes = {"client": Client(tasks), **replicas(kind, repeats=25)}
        run = simulate(nodes, seed=seed, network=network, faults=crash)
        assert agree(run.world)


def test_kinds_have_names() -> None:
    with pytest.raises(ValueError, match="`kind` must be"):
        replicas("quantum")
    with pytest.raises(ValueError, match="`gap_seconds` must be at least the legs"):
        two_writes("physical", seed=1, gap_seconds=0.0)
    with pytest.raises(ValueError, match="one of `gap_seconds` and `gap`"):
        two_writes("physical", seed=1)


def test_it_runs_over_sockets() -> None:
    nodes = {"client": Client((Task("east", 1), Task("west", 2))), **replicas("hybrid")}
    with Cluster(nodes, saved=tuple[object, HybridClock]) as cluster:
        trace = cluster.wait_until(lambda trace: len(trace.of(Kind.COMPLETE)) == 2, timeout_seconds=20)
    west = trace.states("west")[-1][1]
    assert isinstance(west, LastWriterWins)
    assert west.values == (2,)


# ----------------------------------------------------------------------------------------------------- exploration


def test_siblings_lose_nothing_silently_and_replicas_agree_in_every_order() -> None:
    found = explore_writes(two_writers("siblings")).require_holds()
    assert found.states == 382


def test_the_last_writer_loses_an_acknowledged_write() -> None:
    for kind in ("physical", "hybrid"):
        found = explore_writes(two_writers(kind))
        assert found.violations["no silent loss"][-1].time_seconds == 5


def test_equal_stamps_of_a_clock_that_stands_still_keep_replicas_apart_and_a_hybrid_clock_has_none() -> None:
    assert "all agree" in explore_writes(two_writers("physical")).stuck
    assert explore_writes(two_writers("hybrid")).stuck == {}


def test_a_version_vector_without_dots_loses_the_first_of_two_concurrent_writes() -> None:
    found = explore_writes(two_writers("siblings", replica_class=NumbersWithoutDots))
    assert found.violations["no silent loss"][-1].time_seconds == 5


def test_a_merge_that_keeps_everything_brings_back_what_was_replaced() -> None:
    found = explore_writes(two_writers("siblings", replica_class=KeepsWhatWasReplaced))
    assert found.verdict is Verdict.VIOLATED
    assert "all agree" in found.stuck


def test_predicates_see_what_is_wrong() -> None:
    client = Client((Task("east", 1),), written=((1, (), True),))
    nodes = {"c": client, "east": siblings(), "west": siblings("west").putting(2, ())}
    world = World(nodes=nodes, saved={})
    assert not no_silent_loss(world)
    assert not agree(world)
    assert not quiet(world)
