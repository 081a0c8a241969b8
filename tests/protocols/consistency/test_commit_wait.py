"""Commit wait: the leader by hand, runs with crashes, clocks that keep their bound in every order, and shortcuts."""

from collections.abc import Callable

import pytest

from distlib.broken.consistency.commit_wait import StampsWithItsReading, WaitsForItsReading, WaitsForNothing
from distlib.experiments.consistency.commit_wait import (
    Ticking,
    clocks_within,
    explore_waits,
    inside,
    judge,
    keeps_order,
    one_write,
    restless,
    run_with,
    state_label,
    strictly_serializable,
    two_keys,
)
from distlib.models.latency import Constant, Exponential
from distlib.node import Complete, Invoke, ReadClock, Save, Send, SetTimer, World
from distlib.protocols.consistency.commit_wait import (
    Client,
    Leader,
    Read,
    Replica,
    Replicate,
    Replicated,
    Task,
    Value,
    Write,
    Written,
)
from distlib.runtimes.exploration import explore
from distlib.runtimes.faults import Clock, Crash, CrashAfterEffect
from distlib.runtimes.network import Cluster
from distlib.runtimes.trace import Kind


def writing(**options: object) -> Leader:
    node, _ = Leader(2.0, ("r",), step_seconds=0.5, **options).on_clock(("c", Write(1, 7)), 10.0)  # type: ignore[arg-type]
    return node


def test_a_write_is_stamped_with_the_latest_and_made_durable_before_it_is_copied() -> None:
    node, effects = Leader(2.0, ("r",), step_seconds=0.5).on_message("c", Write(1, 7))
    assert effects == (ReadClock(("c", Write(1, 7))),)
    node, effects = node.on_clock(("c", Write(1, 7)), 10.0)
    assert node.version == (12.0, 7)
    assert effects == (Save(((), (12.0, 7), 12.0)), Send("r", Replicate(12.0, 7)), SetTimer("wait", (4.5, 4.5)))


def test_a_stamp_is_above_what_was_promised_even_if_the_clock_is_behind() -> None:
    node, _ = Leader(2.0, promised=30.0, step_seconds=0.5).on_clock(("c", Write(1, 7)), 10.0)
    assert node.version == (30.5, 7)


def test_the_client_is_told_when_the_stamp_has_passed_and_the_copy_is_there() -> None:
    copied, effects = writing().on_message("r", Replicated(12.0))
    assert effects == ()
    still, effects = copied.on_clock("passed", 14.0)  # the earliest that it may be is 12: not above the stamp
    assert still.version is not None
    assert effects == (SetTimer("wait", (0.5, 0.5)),)
    done, effects = still.on_clock("passed", 14.5)
    assert done.versions == ((12.0, 7),)
    assert effects == (Save((((12.0, 7),), None, 12.0)), Send("c", Written(1, 12.0)))


def test_the_next_write_waits_until_the_one_under_way_is_done() -> None:
    node, effects = writing().on_message("d", Write(4, 8))
    assert effects == ()
    node, _ = node.on_message("r", Replicated(12.0))
    _, effects = node.on_clock("passed", 15.0)
    assert effects[-1] == ReadClock(("d", Write(4, 8)))


def test_a_reader_below_the_write_under_way_is_answered_and_one_above_waits() -> None:
    node, effects = writing().on_message("c", Read(2, 11.0))
    assert effects == (Send("c", Value(2, None)),)
    node, effects = node.on_message("d", Read(1, 13.0))
    assert node.promised == 13.0
    assert effects == (Save(((), (12.0, 7), 13.0)),)
    node, _ = node.on_message("r", Replicated(12.0))
    _, effects = node.on_clock("passed", 15.0)
    assert Send("d", Value(1, 7)) in effects


def test_a_stamp_that_was_promised_to_a_reader_is_not_chosen_any_more() -> None:
    node, _ = Leader(2.0, step_seconds=0.5).on_message("c", Read(1, 50.0))
    node, _ = node.on_clock(("c", Write(1, 7)), 10.0)
    assert node.version == (50.5, 7)


def test_a_leader_that_comes_back_goes_on_with_the_write_under_way() -> None:
    node, effects = Leader(2.0, ("r",)).on_start((((1.0, 5),), (12.0, 7), 13.0))
    assert (node.versions, node.version, node.promised) == (((1.0, 5),), (12.0, 7), 13.0)
    assert effects == (Send("r", Replicate(12.0, 7)), ReadClock("passed"))
    node, _ = node.on_clock("passed", 99.0)
    node, effects = node.on_message("r", Replicated(12.0))
    assert effects == (Save((((1.0, 5), (12.0, 7)), None, 13.0)),)  # nobody to tell: the client was forgotten


def test_a_replica_has_it_on_disk_before_it_says_so() -> None:
    _, effects = Replica().on_message("x", Replicate(12.0, 7))
    assert effects == (Save(((12.0, 7),)), Send("x", Replicated(12.0)))


def test_a_client_reads_all_keys_at_one_stamp() -> None:
    client = Client((Task(("x", "y")),), epsilon_seconds=2.0)
    node, effects = client.on_timer("task")
    assert effects == (Invoke((("read", "x"), ("read", "y"))), ReadClock("at"))
    node, effects = node.on_clock("at", 5.0)
    assert effects == (Send("x", Read(1, 7.0)), Send("y", Read(1, 7.0)))
    node, effects = node.on_message("y", Value(1, 9))
    assert effects == ()
    _, effects = node.on_message("x", Value(1, None))
    assert effects == (Complete((None, 9)),)


# --------------------------------------------------------------------------------------------------------------- runs


def test_a_write_takes_twice_epsilon_whatever_the_clock_shows() -> None:
    for skew in (-100.0, 0.0, 100.0):
        run = run_with(0.004, Constant(0.001), seed=1, clocks={"x": Clock(skew)})
        (invoked,), (completed,) = run.trace.of(Kind.INVOKE), run.trace.of(Kind.COMPLETE)
        assert completed.time_seconds - invoked.time_seconds == pytest.approx(0.008, abs=1e-6)


def test_a_write_that_was_acknowledged_survives_a_crash_of_the_leader() -> None:
    crash = (Crash("x", 0.05, restart_after_seconds=0.01),)
    run = run_with(0.004, Exponential(0.005), seed=3, writers=1, writes=2, faults=crash)
    leader = run.nodes["x"]
    assert isinstance(leader, Leader)
    acknowledged = [event.value for event in run.trace.of(Kind.DELIVER) if isinstance(event.value, Written)]
    assert {one.stamp for one in acknowledged} <= {stamp for stamp, _ in leader.versions}
    assert acknowledged


def test_clients_see_one_order_in_real_time_with_clocks_at_the_ends_of_their_bound() -> None:
    assert all(judge(restless(seed=seed).trace).holds("strict-serializable") for seed in range(10))


@pytest.mark.parametrize("leader", ["x", "y"])
def test_clients_see_one_order_in_real_time_wherever_a_leader_crashes(leader: str) -> None:
    for point in range(1, 25):
        crash = (CrashAfterEffect(leader, point, restart_after_seconds=0.002),)
        run = restless(seed=point, faults=crash)
        assert run.counts.crashes == 1
        assert judge(run.trace).holds("strict-serializable"), point


@pytest.mark.parametrize("leader_class", [WaitsForNothing, WaitsForItsReading])
def test_a_shortcut_shows_in_some_runs(leader_class: type[Leader]) -> None:
    assert not all(judge(restless(leader_class, seed=seed).trace).holds("strict-serializable") for seed in range(10))


def test_it_runs_over_sockets() -> None:
    nodes = {"x": Leader(0.002, ("r",)), "r": Replica(), "c": Client((Task(("x",), 5), Task(("x",))), 0.002)}
    saved = tuple
    with Cluster(nodes, saved=saved) as cluster:
        trace = cluster.wait_until(lambda trace: len(trace.of(Kind.COMPLETE)) == 2, timeout_seconds=20)
    assert trace.of(Kind.COMPLETE)[1].value[0] == (5,)


# --------------------------------------------------------------------------------------------------------- exploration


def test_commit_wait_respects_real_time_in_every_state_in_which_clocks_keep_their_bound() -> None:
    found = explore_waits(two_keys())
    assert keeps_order(found)
    assert found.states == 35_161


@pytest.mark.parametrize(
    ("make", "leader_class", "steps"),
    [
        (one_write, WaitsForNothing, 6),
        (one_write, WaitsForItsReading, 10),
        (two_keys, StampsWithItsReading, 22),
    ],
)
def test_a_shortcut_is_caught_with_its_shortest_run(make: Callable, leader_class: type[Leader], steps: int) -> None:
    found = explore_waits(make(leader_class), stop_at_violation=True)
    trace = found.violations["strictly serializable"]
    assert trace[-1].time_seconds == steps
    assert not judge(trace).holds("strict-serializable")
    assert judge(trace).holds("serializable")


def test_a_stamp_from_the_reading_passes_with_one_key() -> None:
    assert keeps_order(explore_waits(one_write(StampsWithItsReading)))


def test_without_the_bound_on_clocks_nothing_is_promised() -> None:
    claims = {"strict": strictly_serializable}
    found = explore(one_write(), always=claims, record_history=True, max_states=50_000, stop_at_violation=True)
    assert "strict" in found.violations


def test_a_ticking_node_hands_its_reading_to_the_node_inside() -> None:
    node, effects = Ticking(Leader(2.0, step_seconds=1.0), 3.0).on_message("c", Write(1, 7))
    assert inside(node).version == (5.0, 7)
    assert not any(isinstance(effect, ReadClock) for effect in effects)
    ticked, effects = node.on_timer("tick")
    assert ticked.reading_seconds == 4.0
    assert effects == (SetTimer("tick", (1.0, 1.0)),)
    assert Ticking(Leader(2.0), 5.0).ticks() == ()
    world = World(nodes={"a": node, "b": Ticking(Leader(2.0), 8.0)}, saved={})
    assert clocks_within(5.0)(world)
    assert not clocks_within(4.0)(world)
    assert state_label(node) == ("3 · waits for 5", "wait")
