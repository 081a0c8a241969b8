"""The simulation keeps the contract of a node, tells why each thing happened, and does the same every time."""

import itertools
import math
import os
import pickle
import subprocess
import sys
from collections.abc import Hashable
from dataclasses import dataclass, replace

import pytest

from distlib.models.latency import Constant, Exponential, Uniform
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
    World,
)
from distlib.runtimes.simulation import (
    Clock,
    Crash,
    CrashAfterEffect,
    CrashRandomly,
    InvariantViolated,
    Link,
    Lose,
    Network,
    Pause,
    PauseRandomly,
    Restart,
    Simulation,
    simulate,
)
from distlib.runtimes.trace import Kind


@dataclass(frozen=True)
class Scripted(Node[Hashable, Hashable]):
    """Answers each stimulus with the effects that its script names, and keeps a log of what it got.

    A key is "start", "recover", a message, a timer's name, or the name of a reading.
    """

    script: tuple[tuple[Hashable, Effects], ...] = ()
    log: tuple[Hashable, ...] = ()

    def _take(self, key, entry):
        return replace(self, log=(*self.log, entry)), dict(self.script).get(key, ())

    def on_start(self, saved):
        return self._take("start" if saved is None else "recover", ("start", saved))

    def on_message(self, source, message):
        return self._take(message, message)

    def on_timer(self, name):
        return self._take(name, name)

    def on_clock(self, name, reading_seconds):
        return self._take(name, (name, reading_seconds))


def scripted(**script: Effects) -> Scripted:
    return Scripted(tuple(script.items()))


def log_of(run, name="a"):
    """What a node got after its start."""
    return run.nodes[name].log[1:]


def told(run, node=None):
    """The trace as (time, kind, value), of one node or of all."""
    return [(event.time_seconds, event.kind.value, event.value) for event in run.trace.of(node=node)]


def timer(name: str, seconds: float) -> SetTimer:
    return SetTimer(name, (seconds, seconds))


# Order.


def test_effects_apply_in_their_order_and_stimuli_in_the_order_of_time_then_of_scheduling():
    nodes = {
        "a": scripted(start=(Send("b", "late"), timer("early", 0.5), Send("b", "late too"), timer("early too", 0.5))),
        "b": scripted(),
    }
    run = simulate(nodes, seed=1, network=Network(Link(Constant(1.0))))
    assert told(run, "a") == [
        (0.0, "start", None),
        (0.0, "send", "late"),
        (0.0, "set timer", "early"),
        (0.0, "send", "late too"),
        (0.0, "set timer", "early too"),
        (0.5, "timer", "early"),
        (0.5, "timer", "early too"),
    ]
    assert log_of(run, "b") == ("late", "late too")
    assert run.time_seconds == 1.0


def test_nodes_boot_in_the_order_given_before_a_message_without_latency_arrives():
    nodes = {"b": scripted(start=(Send("a", "x"),)), "a": scripted()}
    run = simulate(nodes, seed=1, network=Network(Link(Constant(0.0))))
    assert [(event.node, event.kind) for event in run.trace] == [
        ("b", Kind.START),
        ("b", Kind.SEND),
        ("a", Kind.START),
        ("a", Kind.DELIVER),
    ]
    assert run.names == run.trace.names == ("b", "a")


def test_a_fault_comes_before_a_message_and_a_timer_of_the_same_instant():
    a = scripted(start=(timer("t", 1.0), Send("a", "x")))
    run = simulate({"a": a}, seed=1, network=Network(Link(Constant(1.0))), faults=[Crash("a", 1.0)])
    assert told(run)[3:] == [(1.0, "crash", None), (1.0, "lose", "x")]
    at_boot = simulate({"a": a}, seed=1, faults=[Crash("a", 0.0)])
    assert [kind for _, kind, _ in told(at_boot)] == ["start", "set timer", "send", "crash", "lose"]


def test_a_node_that_sends_to_itself_goes_over_the_network():
    run = simulate({"a": scripted(start=(Send("a", "x"),))}, seed=1, network=Network(Link(Constant(0.25))))
    assert told(run)[-1] == (0.25, "deliver", "x")


# Saves.


def test_a_forced_save_delays_the_effects_behind_it_and_the_stimuli_that_arrive_meanwhile():
    nodes = {
        "a": scripted(start=(Send("b", "before"), Save("v"), Send("b", "after"), timer("t", 0.0))),
        "b": scripted(start=(Send("a", "1"), Send("a", "2"))),
    }
    run = simulate(nodes, seed=1, network=Network(Link(Constant(0.1))), save_latency={"a": Constant(1.0)})
    assert told(run, "a") == [
        (0.0, "start", None),
        (0.0, "send", "before"),
        (1.0, "save", "v"),
        (1.0, "send", "after"),
        (1.0, "set timer", "t"),
        (1.0, "deliver", "1"),
        (1.0, "deliver", "2"),
        (1.0, "timer", "t"),
    ]
    assert run.saved == {"a": "v", "b": None}
    assert log_of(run, "b") == ("before", "after")


def test_saves_follow_one_another_and_what_is_queued_waits_for_each():
    a = scripted(start=(Save(1),), x=(Save(2), Save(3)), y=(Save(4),))
    b = scripted(start=(Send("a", "x"), Send("a", "y")))
    run = simulate({"a": a, "b": b}, seed=1, save_latency={"a": Constant(1.0)})
    assert told(run, "a") == [
        (0.0, "start", None),
        (1.0, "save", 1),
        (1.0, "deliver", "x"),
        (2.0, "save", 2),
        (3.0, "save", 3),
        (3.0, "deliver", "y"),
        (4.0, "save", 4),
    ]


def test_a_save_that_takes_no_time_costs_no_event():
    simulation = Simulation({"a": scripted(start=(Save(1), Save(2), Save(3)))}, seed=1)
    simulation.step()
    assert simulation.peek() == math.inf
    assert simulation.world.saved == {"a": 3}


def test_each_forced_save_draws_its_own_latency():
    law = Uniform(0.5, 1.5)
    run = simulate({"a": scripted(start=(Save(1), Save(2), Save(3)))}, seed=1, save_latency=law)
    times = [0.0, *(event.time_seconds for event in run.trace.of(Kind.SAVE))]
    durations = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(set(durations)) == 3
    assert all(0.5 <= duration <= 1.5 for duration in durations)


@pytest.mark.parametrize(("at_seconds", "saved"), [(0.5, None), (1.5, "old"), (2.5, "new")])
def test_a_crash_during_a_save_leaves_the_earlier_value_and_the_later_effects_never_happen(at_seconds, saved):
    a = scripted(start=(Save("old"), Save("new"), Save("newest"), Send("a", "promise")))
    crash = Crash("a", at_seconds)
    run = simulate({"a": a}, seed=1, save_latency=Constant(1.0), faults=[crash])
    assert run.saved == {"a": saved}
    assert run.trace.of(Kind.SEND) == []
    assert run.counts.forced_saves == {None: 0, "old": 1, "new": 2}[saved]
    restarted = simulate({"a": a}, seed=1, save_latency=Constant(1.0), faults=[crash, Restart("a", 9.0)])
    assert restarted.trace.of(Kind.START)[1].value == saved


def test_a_crash_loses_an_unforced_save_but_not_the_forced_one_that_follows_it():
    a = scripted(start=(Save("cached", forced=False), timer("t", 2.0)), t=(Save("carried"),))
    crashed = simulate({"a": a}, seed=1, save_latency=Constant(0.5), faults=[Crash("a", 1.0)])
    assert crashed.saved == {"a": None}
    assert [(event.time_seconds, event.note) for event in crashed.trace.of(Kind.SAVE)] == [(0.0, "unforced")]
    late = simulate({"a": a}, seed=1, save_latency=Constant(0.5), faults=[Crash("a", 3.0)])
    assert late.saved == {"a": "carried"}
    assert (late.counts.unforced_saves, late.counts.forced_saves, late.counts.forced_saves_by_node) == (1, 1, {"a": 1})


def test_effects_that_a_crash_cut_off_from_their_save_do_not_come_back():
    a = scripted(start=(timer("t", 1.0),), t=(Save("v"), Send("a", "promise")))
    faults = [Crash("a", 1.25, restart_after_seconds=0.25), Pause("a", 1.75, 0.25), Crash("a", 2.25)]
    run = simulate({"a": a}, seed=1, save_latency=Constant(0.5), faults=faults)
    assert told(run)[-3:] == [(1.75, "pause", None), (2.0, "resume", None), (2.25, "crash", None)]


# Crashes.


def test_recovery_starts_from_the_initial_node_with_the_durable_value():
    a = scripted(start=(Save("v"), Send("a", "volatile")))
    run = simulate({"a": a}, seed=1, faults=[Crash("a", 1.0, restart_after_seconds=1.0)])
    assert told(run)[-2:] == [(1.0, "crash", None), (2.0, "start", "v")]
    assert run.nodes["a"] == replace(a, log=(("start", "v"),))
    assert [node and node.log for _, node in run.trace.states("a")] == [
        (("start", None),),
        (("start", None), "volatile"),
        None,
        (("start", "v"),),
    ]


@pytest.mark.parametrize("number", range(5))
def test_a_crash_can_fall_after_each_effect_of_a_step(number):
    effects = (Send("b", 1), Save("v"), Send("b", 2))
    nodes = {"a": scripted(start=effects), "b": scripted()}
    run = simulate(nodes, seed=1, save_latency=Constant(0.5), faults=[CrashAfterEffect("a", number)])
    applied = run.trace.of(Kind.SEND, Kind.SAVE, node="a")
    assert [event.value for event in applied] == [1, "v", 2][:number]
    assert run.trace.of(Kind.START, node="a")[0].number < (run.trace.of(Kind.CRASH) or run.trace[-1:])[0].number
    assert log_of(run, "b") == {0: (), 1: (1,), 2: (1,)}.get(number, (1, 2))
    assert run.counts.crashes == (1 if number <= 3 else 0)
    assert (run.nodes["a"] is None) == (number <= 3)


def test_crash_points_are_counted_over_restarts():
    a = scripted(start=(Save("v"), Send("b", 1)), recover=(Send("b", 2), Send("b", 3)))
    faults = [CrashAfterEffect("a", 3, restart_after_seconds=1.0), CrashAfterEffect("a", 1, restart_after_seconds=1.0)]
    run = simulate({"a": a, "b": scripted()}, seed=1, faults=faults)
    assert [(kind, value) for _, kind, value in told(run, "a")] == [
        ("start", None),
        ("save", "v"),
        ("crash", None),
        ("start", "v"),
        ("send", 2),
        ("send", 3),
        ("crash", None),
        ("start", "v"),
        ("send", 2),
        ("send", 3),
    ]


def test_a_crash_at_boot_can_be_followed_by_a_restart():
    run = simulate({"a": scripted(start=(Save(1),))}, seed=1, faults=[CrashAfterEffect("a", 0, 2.0)])
    assert told(run) == [(0.0, "start", None), (0.0, "crash", None), (2.0, "start", None), (2.0, "save", 1)]


def test_a_node_can_restart_at_the_instant_of_its_crash():
    run = simulate({"a": scripted()}, seed=1, faults=[Crash("a", 1.0, restart_after_seconds=0.0)])
    assert told(run)[1:] == [(1.0, "crash", None), (1.0, "start", None)]


def test_timers_die_with_a_crash():
    a = scripted(start=(timer("t", 2.0), Save("v")))
    run = simulate({"a": a}, seed=1, faults=[Crash("a", 1.0, restart_after_seconds=0.5)])
    assert run.trace.of(Kind.TIMER) == []
    assert (run.time_seconds, run.ended) == (1.5, "quiet")


def test_a_crash_of_a_node_that_is_down_and_a_start_of_one_that_is_up_do_nothing():
    faults = [Crash("a", 1.0), Crash("a", 2.0, restart_after_seconds=1.0), Restart("a", 4.0), Restart("a", 5.0)]
    run = simulate({"a": scripted()}, seed=1, faults=faults)
    assert told(run) == [(0.0, "start", None), (1.0, "crash", None), (4.0, "start", None)]
    assert run.counts.crashes == 1


def test_the_restart_that_a_crash_brings_is_void_once_the_node_was_started_otherwise():
    faults = [Crash("a", 1.0, restart_after_seconds=5.0), Restart("a", 2.0), Crash("a", 3.0)]
    run = simulate({"a": scripted()}, seed=1, faults=faults)
    assert [time for time, kind, _ in told(run) if kind == "start"] == [0.0, 2.0]
    assert run.nodes == {"a": None}


def test_messages_to_a_node_that_is_down_are_lost():
    nodes = {"a": scripted(), "b": scripted(start=(Send("a", "x"),))}
    faults = [Crash("a", 0.5), Restart("a", 1.5)]
    run = simulate(nodes, seed=1, network=Network(Link(Constant(1.0))), faults=faults)
    assert [(event.value, event.peer, event.note) for event in run.trace.of(Kind.LOSE, node="a")] == [
        ("x", "b", "down")
    ]
    assert log_of(run) == ()


def test_messages_that_wait_for_a_busy_node_are_lost_for_good_when_it_crashes():
    nodes = {"a": scripted(start=(Save("v"),)), "b": scripted(start=(Send("a", "x"), Send("a", "y")))}
    faults = [Crash("a", 0.5, restart_after_seconds=0.1)]
    run = simulate(nodes, seed=1, save_latency=Constant(1.0), faults=faults)
    assert [(event.time_seconds, event.value, event.note) for event in run.trace.of(Kind.LOSE)] == [
        (0.5, "x", "down"),
        (0.5, "y", "down"),
    ]
    assert run.counts.lost_by_reason == {"down": 2}
    assert log_of(run) == ()
    assert run.saved["a"] == "v"


# Timers.


def test_setting_a_timer_again_replaces_it_and_cancelling_forgets_it():
    a = scripted(
        start=(timer("t", 1.0), timer("u", 1.0), timer("t", 2.0), CancelTimer("u"), CancelTimer("never set")),
    )
    run = simulate({"a": a}, seed=1)
    assert [(event.kind, event.value) for event in run.trace.of(Kind.CANCEL_TIMER, Kind.TIMER)] == [
        (Kind.CANCEL_TIMER, "t"),
        (Kind.CANCEL_TIMER, "u"),
        (Kind.TIMER, "t"),
    ]
    assert (run.time_seconds, run.counts.timers) == (2.0, 1)


def test_a_cancelled_timer_neither_moves_time_nor_keeps_a_run_going():
    a = scripted(start=(timer("t", 9.0), timer("u", 1.0)), u=(CancelTimer("t"),))
    for until_seconds in (None, 5.0):
        run = simulate({"a": a}, seed=1, until_seconds=until_seconds)
        assert (run.ended, run.time_seconds) == ("quiet", 1.0)
    simulation = Simulation({"a": a}, seed=1)
    simulation.step()
    simulation.step()
    assert simulation.peek() == math.inf


def test_timers_draw_from_their_range():
    a = scripted(start=(SetTimer("t", (1.0, 3.0)),), t=(SetTimer("t", (1.0, 3.0)),))
    run = simulate({"a": a}, seed=1, until_seconds=1000.0)
    times = [event.time_seconds for event in run.trace.of(Kind.TIMER)]
    durations = [later - earlier for earlier, later in itertools.pairwise([0.0, *times])]
    assert 1.0 <= min(durations) < 1.02
    assert 2.98 < max(durations) <= 3.0
    # One that fired is not cancelled by setting it anew.
    assert run.trace.of(Kind.CANCEL_TIMER) == []


@pytest.mark.parametrize("drift", [-0.5, 0.0, 0.25])
def test_drift_stretches_timers_and_readings_follow_the_clock(drift):
    a = scripted(start=(ReadClock("now"), timer("t", 10.0)), t=(ReadClock("then"),))
    run = simulate({"a": a}, seed=1, clocks={"a": Clock(skew_seconds=3.0, drift=drift)})
    fired = run.trace.of(Kind.TIMER)[0].time_seconds
    assert fired == pytest.approx(10.0 / (1 + drift))
    assert log_of(run) == (("now", 3.0), "t", ("then", pytest.approx((1 + drift) * fired + 3.0)))
    # On its own clock ten seconds have passed, whatever the drift.
    assert log_of(run)[2][1] - log_of(run)[0][1] == pytest.approx(10.0)


# Readings of the clock.


def test_a_reading_is_taken_in_its_place_and_handed_over_after_the_effects_of_its_step():
    a = scripted(
        start=(ReadClock("first"), Save("older"), ReadClock("second"), Send("b", 1)),
        first=(Save("newer"), ReadClock("third"), Send("b", 2)),
        second=(Send("b", 3),),
    )
    b = scripted(start=(Send("a", "must wait"),))
    run = simulate({"a": a, "b": b}, seed=1, save_latency=Constant(1.0), network=Network(Link(Constant(0.5))))
    assert told(run, "a") == [
        (0.0, "start", None),
        (1.0, "save", "older"),
        (1.0, "send", 1),
        (1.0, "clock", ("first", 0.0)),
        (2.0, "save", "newer"),
        (2.0, "send", 2),
        (2.0, "clock", ("second", 1.0)),
        (2.0, "send", 3),
        (2.0, "clock", ("third", 2.0)),
        (2.0, "deliver", "must wait"),
    ]


def test_a_crash_after_the_reading_was_taken_leaves_it_unanswered_for_good():
    a = scripted(start=(Save("v"), ReadClock("now"), Send("a", "x")))
    run = simulate({"a": a}, seed=1, faults=[CrashAfterEffect("a", 2, restart_after_seconds=1.0)])
    assert told(run)[1:] == [(0.0, "save", "v"), (0.0, "crash", None), (1.0, "start", "v")]


def test_a_node_that_reads_its_clock_forever_is_stopped():
    with pytest.raises(RuntimeError, match="node 'a' read its clock 10000 times in a row without letting time pass"):
        simulate({"a": scripted(start=(ReadClock("r"),), r=(ReadClock("r"),))}, seed=1)


# Pauses.


def test_a_paused_node_takes_what_arrived_in_order_when_it_resumes():
    a = scripted(start=(timer("t", 1.15),), y=(Send("b", "answer"),))
    b = scripted(start=(timer("x", 1.0), timer("y", 1.1), timer("z", 1.2)))
    b = replace(b, script=(*b.script, ("x", (Send("a", "x"),)), ("y", (Send("a", "y"),)), ("z", (Send("a", "z"),))))
    run = simulate({"a": a, "b": b}, seed=1, faults=[Pause("a", 0.5, 2.0)])
    assert told(run, "a")[2:] == [
        (0.5, "pause", None),
        (2.5, "resume", None),
        (2.5, "deliver", "x"),
        (2.5, "deliver", "y"),
        (2.5, "send", "answer"),
        (2.5, "timer", "t"),
        (2.5, "deliver", "z"),
    ]


def test_a_timer_that_expired_in_a_pause_can_still_be_cancelled_by_what_waits_before_it():
    a = scripted(start=(timer("t", 1.5),), x=(CancelTimer("t"),))
    b = scripted(start=(Send("a", "x"),))
    run = simulate({"a": a, "b": b}, seed=1, network=Network(Link(Constant(1.0))), faults=[Pause("a", 0.5, 2.0)])
    assert log_of(run) == ("x",)
    assert run.counts.timers == 0


def test_overlapping_pauses_end_with_the_last():
    a = scripted(start=(timer("t", 0.6),))
    run = simulate({"a": a}, seed=1, faults=[Pause("a", 0.5, 1.0), Pause("a", 1.0, 1.0)])
    assert told(run)[2:] == [(0.5, "pause", None), (2.0, "resume", None), (2.0, "timer", "t")]


def test_a_write_completes_in_a_pause_and_the_effects_behind_it_wait_for_its_end():
    a = scripted(start=(Save("v"), Send("a", "x")))
    run = simulate({"a": a}, seed=1, save_latency=Constant(1.0), faults=[Pause("a", 0.5, 2.0)])
    assert told(run)[1:4] == [(0.5, "pause", None), (1.0, "save", "v"), (2.5, "resume", None)]
    assert told(run)[4] == (2.5, "send", "x")
    still_writing = simulate({"a": a}, seed=1, save_latency=Constant(9.0), faults=[Pause("a", 0.5, 2.0)])
    assert told(still_writing)[2:5] == [(2.5, "resume", None), (9.0, "save", "v"), (9.0, "send", "x")]


def test_a_crash_ends_a_pause():
    a = scripted(start=(Save("v"),), recover=(Save("w"), timer("t", 0.1)))
    faults = [Pause("a", 0.5, 9.0), Crash("a", 1.0, restart_after_seconds=1.0)]
    run = simulate({"a": a}, seed=1, faults=faults, save_latency=Constant(0.25))
    assert told(run)[2:] == [
        (0.5, "pause", None),
        (1.0, "crash", None),
        (2.0, "start", "v"),
        (2.25, "save", "w"),
        (2.25, "set timer", "t"),
        (2.35, "timer", "t"),
    ]


def test_pauses_without_a_gap_let_nothing_through():
    nodes = {"a": scripted(), "b": scripted(start=(Send("a", "x"), Send("a", "y")))}
    faults = [PauseRandomly(("a",), Constant(0.0), Constant(1.0))]
    run = simulate(nodes, seed=1, faults=faults, until_seconds=5.5)
    assert log_of(run) == ()
    assert len(run.trace.of(Kind.PAUSE)) == 6


# Causes, histories, counts.


def test_causes_lead_from_an_event_back_to_a_boot_through_stimuli_and_the_effects_that_caused_them():
    a = scripted(start=(timer("t", 1.0),), t=(Send("b", "ping"),))
    b = scripted(ping=(ReadClock("r"), Send("a", "pong")), r=(Save("v"),))
    run = simulate({"a": a, "b": b}, seed=1, save_latency=Constant(0.1))

    def why(event):
        return [(cause.node, cause.kind.value) for cause in run.trace.why(event)]

    to_ping = [("a", "start"), ("a", "set timer"), ("a", "timer"), ("a", "send"), ("b", "deliver")]
    assert why(run.trace.of(Kind.DELIVER, node="a")[0]) == [*to_ping, ("b", "send"), ("a", "deliver")]
    assert why(run.trace.of(Kind.SAVE)[0]) == [*to_ping, ("b", "clock"), ("b", "save")]


def test_what_comes_from_outside_has_no_cause_and_everything_else_has_an_earlier_one():
    nodes = {
        "a": scripted(start=(timer("t", 1.0), timer("t", 0.5), Save("v")), t=(Send("b", 1), Send("b", 2))),
        "b": scripted(start=(timer("u", 0.1),), u=(CancelTimer("u"), ReadClock("r"), Save("v", forced=False))),
    }
    network = Network(Link(Constant(0.1), duplicate_probability=1.0))
    faults = [Lose("a", "b", 2), Pause("a", 0.2, 0.1), Crash("b", 0.65, restart_after_seconds=1.0)]
    run = simulate(nodes, seed=1, network=network, faults=faults)
    outside = {Kind.START, Kind.CRASH, Kind.PAUSE, Kind.RESUME}
    expected = {
        Kind.DELIVER: {Kind.SEND},
        Kind.LOSE: {Kind.SEND},
        Kind.DUPLICATE: {Kind.SEND},
        Kind.TIMER: {Kind.SET_TIMER},
        Kind.COMPLETE: {Kind.INVOKE},
    }
    stimuli = {Kind.START, Kind.DELIVER, Kind.TIMER, Kind.CLOCK}
    for event in run.trace:
        if event.kind in outside:
            assert event.cause is None
        else:
            cause = run.trace[event.cause]
            assert cause.number < event.number
            assert cause.kind in expected.get(event.kind, stimuli)
            if event.kind in (Kind.DELIVER, Kind.LOSE):
                assert (cause.value, cause.node, cause.peer) == (event.value, event.peer, event.node)
        assert (event.state is not None) == (event.kind in stimuli)
    assert {event.kind for event in run.trace} >= {*outside, Kind.DUPLICATE, Kind.LOSE, Kind.CANCEL_TIMER, Kind.CLOCK}


def test_operations_of_clients_are_recorded_and_a_completion_is_caused_by_its_invocation():
    a = scripted(start=(Invoke("read"), Send("a", "x")), x=(Complete(7), Invoke("write"), Complete(None, Outcome.FAIL)))
    run = simulate({"a": a}, seed=1)
    assert run.history == run.world.history
    assert run.history == (
        ("a", Invoke("read")),
        ("a", Complete(7)),
        ("a", Invoke("write")),
        ("a", Complete(None, Outcome.FAIL)),
    )
    for completion in run.trace.of(Kind.COMPLETE):
        assert run.trace[completion.cause].kind is Kind.INVOKE
    assert run.trace.of(Kind.COMPLETE)[0].value == (7, Outcome.OK)
    assert simulate({"a": a}, seed=1, record=False).history == run.history


def test_a_crash_leaves_the_open_operation_of_a_client_unknown():
    a = scripted(start=(Invoke("read"), Save("v")), recover=(Invoke("read again"), Complete(1)))
    run = simulate({"a": a}, seed=1, faults=[Crash("a", 1.0, restart_after_seconds=1.0)])
    assert [effect for _, effect in run.history] == [
        Invoke("read"),
        Complete(None, Outcome.UNKNOWN),
        Invoke("read again"),
        Complete(1),
    ]
    crash = run.trace.of(Kind.CRASH)[0]
    assert (run.trace[crash.number - 1].kind, run.trace[crash.number - 1].note) == (Kind.COMPLETE, "crash")


def test_an_operation_that_overlaps_another_or_was_never_begun_is_refused():
    with pytest.raises(ValueError, match="node 'a' invoked 'w' before its open operation was complete"):
        simulate({"a": scripted(start=(Invoke("r"), Invoke("w")))}, seed=1)
    with pytest.raises(ValueError, match=r"node 'a' returned Complete.* but has no open operation"):
        simulate({"a": scripted(start=(Complete(),))}, seed=1)


def test_counts_add_up_to_the_trace():
    @dataclass(frozen=True)
    class Request:
        number: int

    a = scripted(start=(Send("b", Request(1)), Send("b", Request(2)), Send("b", "x"), Save(1), timer("t", 0.1)))
    network = Network(links={("a", "b"): Link(Constant(0.1), duplicate_probability=1.0)})
    run = simulate({"a": a, "b": scripted()}, seed=1, network=network, faults=[Lose("a", "b", 1), Crash("b", 1.0)])
    counts = run.counts
    for count, kind in (
        (counts.sent, Kind.SEND),
        (counts.delivered, Kind.DELIVER),
        (counts.lost, Kind.LOSE),
        (counts.duplicated, Kind.DUPLICATE),
        (counts.forced_saves, Kind.SAVE),
        (counts.timers, Kind.TIMER),
        (counts.crashes, Kind.CRASH),
    ):
        assert count == len(run.trace.of(kind)) > 0
    assert counts.sent_by_class == {"Request": 2, "str": 1}
    assert counts.lost_by_reason == {"loss": 1}
    assert counts.forced_saves_by_node == {"a": 1, "b": 0}


def test_a_run_without_a_trace_goes_as_the_one_with_a_trace():
    nodes = {"a": scripted(start=(Send("b", 1), Save(1))), "b": scripted()}
    options = {"seed": 1, "network": Network(Link(Exponential(1.0))), "save_latency": Exponential(1.0)}
    recorded, bare = simulate(nodes, **options), simulate(nodes, record=False, **options)
    assert len(bare.trace) == 0
    assert bare.trace.names == ("a", "b")
    assert len(recorded.trace) == 5
    assert (bare.counts, bare.world, bare.time_seconds) == (recorded.counts, recorded.world, recorded.time_seconds)


def test_a_run_can_travel_between_processes():
    run = simulate(gossip(3), seed=1, **GOSSIP)
    again = pickle.loads(pickle.dumps(run))
    assert (again.trace, again.counts, again.world) == (run.trace, run.counts, run.world)


# Bounds, and going step by step.


def endless(**options):
    a = scripted(start=(timer("t", 1.0),), t=(timer("t", 1.0),))
    return simulate({"a": a}, seed=1, **options)


def test_a_run_tells_which_of_its_three_ends_it_was():
    assert simulate({"a": scripted()}, seed=1).ended == "quiet"
    timed = endless(until_seconds=2.5)
    assert (timed.ended, timed.time_seconds, timed.counts.timers) == ("time", 2.5, 2)
    cut = endless(max_events=3)
    assert (cut.ended, cut.time_seconds, cut.counts.timers) == ("events", 2.0, 2)
    # A run that needs all of its events, but no more, was not cut short.
    assert simulate({"a": scripted(start=(timer("t", 1.0),))}, seed=1, max_events=2).ended == "quiet"


def test_events_at_the_last_instant_still_happen():
    assert endless(until_seconds=2.0).counts.timers == 2


def test_a_simulation_can_be_taken_in_pieces():
    nodes = {"a": scripted(start=(Send("b", 1),), t=()), "b": scripted(start=(timer("t", 0.7),))}
    options = {"seed": 1, "network": Network(Link(Exponential(0.5)))}
    whole = simulate(nodes, **options)
    pieces = Simulation(nodes, **options)
    for until_seconds in (0.1, 0.2, 0.7, 0.8):
        pieces.run(until_seconds)
        assert pieces.time_seconds <= until_seconds < pieces.peek()
    assert pieces.run().trace == whole.trace
    steps = Simulation(nodes, **options)
    while (coming := steps.peek()) < math.inf:
        steps.step()
        assert steps.time_seconds == coming
    assert steps.trace == whole.trace
    with pytest.raises(RuntimeError, match="nothing is left to happen"):
        steps.step()


def test_the_world_shows_what_is_in_flight_in_the_order_of_sending():
    nodes = {
        "a": scripted(start=(Send("c", 1), Send("b", 2), Send("c", 3), Send("b", 4), Save("v"))),
        "b": scripted(),
        "c": scripted(),
    }
    network = Network(links={("a", "c"): Link(Constant(5.0))})
    simulation = Simulation(nodes, seed=1, network=network, save_latency=Constant(1.0))
    simulation.step()
    world = simulation.world
    assert world.in_flight == (("a", "c", 1), ("a", "b", 2), ("a", "c", 3), ("a", "b", 4))
    assert world.nodes["b"] is None
    assert world.saved == {"a": None, "b": None, "c": None}
    assert simulation.run(2.0).world.in_flight == (("a", "c", 1), ("a", "c", 3))
    # What a world showed stays as it was.
    assert len(world.in_flight) == 4


def test_messages_that_wait_for_a_busy_node_are_in_flight():
    nodes = {"a": scripted(start=(Save("v"),)), "b": scripted(start=(Send("a", 1), Send("a", 2)))}
    simulation = Simulation(nodes, seed=1, save_latency=Constant(1.0))
    run = simulation.run(0.5)
    assert run.world.in_flight == (("b", "a", 1), ("b", "a", 2))
    assert run.counts.delivered == 0


# Invariants.


def test_an_invariant_that_breaks_stops_the_run_and_tells_its_story():
    def at_most_one(world: World) -> bool:
        return len(world.nodes["b"].log if world.nodes["b"] else ()) <= 2

    nodes = {"a": scripted(start=(Send("b", "x"), Send("b", "y"), Send("b", "z"))), "b": scripted()}
    network = Network(Link(Constant(0.5)))
    with pytest.raises(InvariantViolated, match=r"`at_most_one` does not hold at 0\.500000 s") as violation:
        simulate(nodes, seed=1, network=network, always={"holds": lambda world: True, "at_most_one": at_most_one})
    error = violation.value
    assert (error.name, error.time_seconds) == ("at_most_one", 0.5)
    assert (error.trace[-1].value, error.trace[-1].kind) == ("y", Kind.DELIVER)
    assert not at_most_one(error.world)
    assert "send y to b" in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.trace) == (str(error), error.trace)
    with pytest.raises(InvariantViolated, match="run with record=True to see what led to it"):
        simulate(nodes, seed=1, network=network, always={"at_most_one": at_most_one}, record=False)


def test_invariants_are_asked_after_every_event_by_run_and_by_step():
    worlds = []

    def look(world):
        worlds.append((world.nodes["a"] and len(world.nodes["a"].log), world.saved["a"], world.history))
        return True

    a = scripted(start=(Save(1), Invoke("x")))
    options = {"seed": 1, "save_latency": Constant(1.0), "faults": [Crash("a", 3.0)], "always": {"look": look}}
    simulate({"a": a}, **options)
    invoked = (("a", Invoke("x")),)
    expected = [
        (1, None, ()),
        (1, 1, invoked),
        (None, 1, (*invoked, ("a", Complete(None, Outcome.UNKNOWN)))),
    ]
    assert worlds == expected
    worlds.clear()
    simulation = Simulation({"a": a}, **options)
    for _ in expected:
        simulation.step()
    assert worlds == expected


def test_an_invariant_that_answers_neither_yes_nor_no_is_refused():
    with pytest.raises(TypeError, match=r"`always\['vague'\]` must return True or False, got None"):
        simulate({"a": scripted()}, seed=1, always={"vague": lambda world: None})


# Determinism.


def gossiping(*peers: str) -> Scripted:
    """A node that talks to its peers and saves, each time that a timer with a range fires."""
    effects = (SetTimer("t", (0.5, 1.5)), *(Send(peer, "x") for peer in peers), Save("v"))
    return scripted(start=effects, recover=effects, t=effects)


def gossip(count: int) -> dict[str, Scripted]:
    return {f"n{number}": gossiping(f"n{(number + 1) % count}", f"n{(number - 1) % count}") for number in range(count)}


GOSSIP = {
    "network": Network(Link(Exponential(0.3), loss_probability=0.1, duplicate_probability=0.1)),
    "save_latency": Exponential(0.05),
    "faults": [CrashRandomly(("n0", "n1"), Exponential(5.0), Exponential(1.0))],
    "until_seconds": 30.0,
}


def test_a_seed_gives_one_trace_and_another_seed_another():
    first, second, other = (simulate(gossip(3), seed=seed, **GOSSIP) for seed in (1, 1, 2))
    assert len(first.trace) > 500
    assert str(first.trace) == str(second.trace)
    assert first.trace == second.trace
    assert first.trace != other.trace


def test_the_trace_does_not_depend_on_the_hash_seed(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(
        """
import hashlib
from dataclasses import dataclass
from distlib.models.latency import Exponential
from distlib.node import Node, Send, SetTimer
from distlib.runtimes.simulation import *

@dataclass(frozen=True)
class Gossip(Node[str, None]):
    peers: frozenset[str]
    def on_start(self, saved):
        return self.on_timer("t")
    def on_timer(self, name):
        return self, (SetTimer("t", (0.5, 1.5)), *(Send(peer, "x") for peer in sorted(self.peers)))
    def on_message(self, source, message):
        return self, ()

names = frozenset(f"n{number}" for number in range(5))
nodes = {name: Gossip(names) for name in sorted(names)}
faults = [
    Partition(5.0, 9.0, groups=({"n0", "n1"}, {"n2", "n3", "n4"})),
    Partition(6.0, 7.0, cut={("n2", "n3"), ("n3", "n4")}),
    CrashRandomly(names, Exponential(5.0), Exponential(1.0)),
    PauseRandomly(names, Exponential(5.0), Exponential(1.0)),
    PartitionRandomly(names, Exponential(5.0), Exponential(1.0)),
]
network = Network(Link(Exponential(0.3), loss_probability=0.1, duplicate_probability=0.1))
run = simulate(nodes, seed=1, network=network, faults=faults, until_seconds=20.0)
print(len(run.trace), run.counts, hashlib.sha256(str(run.trace).encode()).hexdigest())
"""
    )
    outputs = set()
    for hash_seed in ("0", "12345"):
        outcome = subprocess.run(
            [sys.executable, str(script)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        outputs.add(outcome.stdout)
    assert len(outputs) == 1
    assert int(outputs.pop().split()[0]) > 1000


def test_a_node_and_a_fault_elsewhere_leave_the_draws_of_everything_else_as_they_were():
    pair = {"a": gossiping("b"), "b": gossiping("a")}
    others = {"c": gossiping("a"), "d": gossiping("d")}
    options = {**GOSSIP, "faults": [CrashRandomly(("b",), Exponential(5.0), Exponential(1.0))]}
    alone = simulate(pair, seed=1, **options)
    faults = [*options["faults"], CrashRandomly(("c",), Exponential(1.0), Exponential(1.0)), Pause("d", 1.0, 1.0)]
    together = simulate({**others, **pair}, seed=1, **{**options, "faults": faults})

    def between_a_and_b(run):
        return [
            (event.time_seconds, event.kind, event.node, event.value, event.peer, event.note)
            for event in run.trace
            if event.node in pair and event.peer in (None, "a", "b")
        ]

    assert len(together.trace) > len(alone.trace) > 100
    assert between_a_and_b(alone) == between_a_and_b(together)


def test_a_lost_message_takes_its_draws_so_that_the_others_keep_theirs():
    nodes = {"a": scripted(start=tuple(Send("b", number) for number in range(50))), "b": scripted()}

    def arrivals(**options):
        run = simulate(nodes, seed=1, **options)
        return {event.value: event.time_seconds for event in run.trace.of(Kind.DELIVER)}

    clean = arrivals(network=Network(Link(Exponential(1.0))))
    lossy = arrivals(network=Network(Link(Exponential(1.0), loss_probability=0.5)))
    targeted = arrivals(network=Network(Link(Exponential(1.0))), faults=[Lose("a", "b", 7)])
    assert len(clean) == 50 > len(lossy) > 0
    assert lossy == {number: clean[number] for number in lossy}
    assert targeted == {number: time for number, time in clean.items() if number != 6}


# What is refused.


@dataclass(frozen=True)
class Returns(Node[str, None]):
    step: object

    def on_start(self, saved):
        return self.step if self.step != "effect" else (self, ("effect",))

    def on_message(self, source, message):
        return self, ()


@pytest.mark.parametrize("step", [None, (Returns(1),), Returns(1), (Returns(1), Send("a", "x")), (3, ())])
def test_a_handler_that_returns_no_step_is_named(step):
    with pytest.raises(
        TypeError, match=r"node 'a': on_start must return \(node, effects\), a Node and a tuple of effects"
    ):
        simulate({"a": Returns(step)}, seed=1)


def test_what_is_not_an_effect_is_refused_by_node():
    with pytest.raises(TypeError, match=r"node 'a': .*'effect'.* not an effect"):
        simulate({"a": Returns("effect")}, seed=1)


def test_an_error_in_a_handler_tells_where_it_happened():
    class Failing(Returns):
        def on_message(self, source, message):
            raise LookupError("mine")

    nodes = {"a": Failing(None), "b": scripted(start=(Send("a", "x"),))}
    nodes["a"] = replace(nodes["a"], step=(nodes["a"], ()))
    with pytest.raises(LookupError, match="mine") as caught:
        simulate(nodes, seed=8)
    assert caught.value.__notes__ == ["in a simulation: node 'a', on_message, at 0.001000 s, seed 8"]


def test_a_node_that_forgot_a_handler_is_told():
    with pytest.raises(NotImplementedError, match="set the timer 't' but has no on_timer"):
        simulate({"a": Returns((Returns(1), (timer("t", 1.0),)))}, seed=1)


@dataclass(frozen=True)
class Carrier:
    content: object


@pytest.mark.parametrize(
    ("effect", "what"),
    [
        (Send("a", Carrier([])), "message"),
        (Save([1]), "saved value"),
        (Save({"x"}, forced=False), "saved value"),
        (SetTimer([], (0.0, 1.0)), "name of a timer"),
        (CancelTimer([]), "name of a timer"),
    ],
)
def test_what_cannot_be_hashed_is_refused_by_node(effect, what):
    with pytest.raises(TypeError, match=f"node 'a': a {what} must be hashable, got"):
        simulate({"a": scripted(start=(effect,))}, seed=1)


def test_a_message_to_a_stranger_is_refused():
    with pytest.raises(ValueError, match=r"node 'a' sent a message to 'z', but the nodes are \['a'\]"):
        simulate({"a": scripted(start=(Send("z", 1),))}, seed=1)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"nodes": {}}, ValueError, "`nodes` must hold at least one node, got none"),
        ({"nodes": {"a": 3}}, TypeError, r"`nodes\['a'\]` must be a Node, got 3"),
        ({"nodes": {"a": Scripted}}, TypeError, r"`nodes\['a'\]` must be a Node, got <class"),
        ({"nodes": {"": Scripted()}}, TypeError, "`nodes` must be named by strings that are not empty, got ''"),
        ({"nodes": {1: Scripted()}}, TypeError, "`nodes` must be named by strings that are not empty, got 1"),
        ({"seed": -1}, ValueError, "`seed` must be a whole number of at least 0, got -1"),
        ({"seed": 0.5}, ValueError, "`seed` must be a whole number of at least 0, got 0.5"),
        ({"seed": True}, ValueError, "`seed` must be a whole number of at least 0, got True"),
        ({"network": Link()}, TypeError, "`network` must be a Network, such as"),
        (
            {"network": Network(links={("a", "z"): Link()})},
            ValueError,
            r"the links of `network` must name nodes among \['a', 'b'\], got 'z'",
        ),
        ({"clocks": {"z": Clock()}}, ValueError, r"`clocks` must name nodes among \['a', 'b'\], got 'z'"),
        ({"clocks": {"a": 0.1}}, TypeError, r"`clocks\['a'\]` must be a Clock"),
        ({"faults": [Crash("z", 1.0)]}, ValueError, r"the fault Crash\(node='z'.* must name nodes among .* got 'z'"),
        ({"faults": ["crash"]}, TypeError, "`faults` must be made of faults such as"),
        ({"faults": [Link()]}, TypeError, "`faults` must be made of faults such as"),
        ({"save_latency": 0.01}, TypeError, "`save_latency` must be a law"),
        ({"save_latency": {"a": 0.01}}, TypeError, r"`save_latency\['a'\]` must be a law"),
        ({"save_latency": {"z": Constant(1.0)}}, ValueError, "`save_latency` must name nodes among"),
        ({"until_seconds": -1.0}, ValueError, r"`until_seconds` must be finite and at least now \(0.0\), got -1.0"),
        ({"until_seconds": math.inf}, ValueError, "`until_seconds` must be finite"),
        ({"until_seconds": math.nan}, ValueError, "`until_seconds` must be finite"),
        ({"max_events": 0}, ValueError, "`max_events` must be a whole number of at least 1, got 0"),
        ({"max_events": 1.5}, ValueError, "`max_events` must be a whole number of at least 1, got 1.5"),
        ({"always": {"x": True}}, TypeError, r"`always\['x'\]` must be a function of a World, got True"),
    ],
)
def test_options_outside_their_domain_are_refused_by_name(options, error, message):
    everything = {"nodes": {"a": Scripted(), "b": Scripted()}, "seed": 1, **options}
    with pytest.raises(error, match=message):
        simulate(everything.pop("nodes"), **everything)


def test_an_endless_fault_needs_an_end_of_the_run():
    faults = [CrashRandomly(("a",), Exponential(1.0), Exponential(1.0))]
    with pytest.raises(
        ValueError, match=r"`until_seconds` must be given, because CrashRandomly.* never ends, got None"
    ):
        simulate({"a": scripted()}, seed=1, faults=faults)
