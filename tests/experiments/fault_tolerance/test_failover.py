"""What the bench reads off a run of a failover is what its models are about, and agrees with them."""

import math

import pytest

from distlib.checkers.history import History
from distlib.evidence import Estimate
from distlib.experiments.fault_tolerance.failover import (
    briefly,
    effects_of,
    is_linearizable,
    isolated_primary,
    lost_writes,
    measure_failover,
    outage_seconds,
    pair,
    run_with,
    state_label,
    two_primaries_seconds,
)
from distlib.figures.fault_tolerance.failover import detector_dials, system_dials, tier_minutes
from distlib.models.fault_tolerance.failover import lost_writes_mean, outage_mean
from distlib.models.latency import Constant, Exponential
from distlib.protocols.fault_tolerance.failover import (
    Client,
    Heartbeat,
    Monitor,
    Server,
    ServerState,
    View,
    servers_that_lead,
)
from distlib.runtimes.faults import CrashAfterEffect

ADD = ("add", 1)


def test_a_crash_after_each_effect_of_the_primary_is_survived() -> None:
    calm = run_with(pair([ADD, ADD], start_seconds=0.02), seed=1, until_seconds=0.13)
    for point in range(len(effects_of(calm))):
        crash = CrashAfterEffect("a", point)
        run = run_with(pair([ADD, ADD], start_seconds=0.02), seed=1, faults=[crash], until_seconds=0.6)
        client = run.nodes["client"]
        assert isinstance(client, Client)
        assert client.results == (1, 2), point


def test_an_isolated_asynchronous_primary_goes_on_answering_in_spite_of_the_fence() -> None:
    split, fenced = isolated_primary(synchronous=False), isolated_primary()
    assert servers_that_lead(split.world) == servers_that_lead(fenced.world) == ("a", "b")
    assert not is_linearizable(History.from_events(split.history))
    assert is_linearizable(History.from_events(fenced.history))


@pytest.mark.parametrize("way", ["whole", "one by one", "in order"])
def test_with_a_constant_lag_all_ways_lose_the_same(way: str) -> None:
    found = Estimate.of_mean([lost_writes(100, Constant(0.05), seed=seed)[way] for seed in range(60)])  # type: ignore[index]
    assert abs(found.z(5.0)) < 3


def test_lost_writes_agree_with_the_model_for_each_way_to_ship() -> None:
    lag = Exponential(0.05)
    runs = [lost_writes(100, lag, seed=seed) for seed in range(120)]
    means = {}
    for way in ("whole", "one by one", "in order"):
        found = Estimate.of_mean([each[way] for each in runs])  # type: ignore[index]
        assert abs(found.z(lost_writes_mean(100, lag, way))) < 3, way  # type: ignore[arg-type]
        means[way] = found
    assert means["in order"].low > means["one by one"].high > means["one by one"].low > means["whole"].high


def test_a_link_that_falls_silent_adds_what_was_written_meanwhile() -> None:
    lag = Exponential(0.03)
    sick = Estimate.of_mean([lost_writes(100, lag, seed=seed, silent_seconds=0.1)["in order"] for seed in range(100)])
    assert abs(sick.z(lost_writes_mean(100, lag, "in order") + 10)) < 3


def test_the_outage_agrees_with_the_model() -> None:
    timing = {"heartbeat_seconds": 0.05, "silence_seconds": 0.12, "delay_seconds": 0.004, "force_seconds": 0.002}
    found = [outage_seconds(seed=seed, **timing) for seed in range(32)]
    assert sum(found) / 32 == pytest.approx(outage_mean(**timing), rel=0.01)
    assert max(found) - min(found) < timing["heartbeat_seconds"]


def test_two_primaries_last_for_what_the_partition_exceeds_the_takeover_by() -> None:
    timing = {"heartbeat_seconds": 0.01, "silence_seconds": 0.1, "delay_seconds": 0.001}
    takeover = outage_mean(**timing)
    assert two_primaries_seconds(seed=1, partition=Constant(0.3), **timing) == pytest.approx(0.3 - takeover, abs=0.006)
    assert two_primaries_seconds(seed=1, partition=Constant(0.05), **timing) == 0.0
    found = Estimate.of_mean([
        two_primaries_seconds(seed=seed, partition=Exponential(0.1), **timing) for seed in range(200)
    ])  # fmt: skip
    assert abs(found.z(0.1 * math.exp(-takeover / 0.1))) < 3


def test_over_sockets_the_backup_takes_over_and_nothing_is_lost() -> None:
    ended = measure_failover([ADD, ADD, ("read",)], crash_point=6)
    assert (ended.answered, ended.linearizable, ended.survived, ended.primary) == (True, True, True, "b")
    assert ended.results == (1, 2, 2)


def test_labels_say_what_a_server_is() -> None:
    state = ServerState(View(1, "a", "b"))
    assert state_label(Server("a", state)) == ("primary (1)", "good")
    assert state_label(Server("a", state, waiting=(("c", 1),))) == ("waits", "wait")
    assert state_label(Server("b", state)) == ("backup (1)", "calm")
    assert state_label(Server("b", ServerState(View(2, "a", None)))) is None
    assert state_label(Monitor(View(1, "a", "b"))) is None
    assert (briefly(Heartbeat(1, True)), briefly(View(2, "b", None))) == ("", "view 2")


def test_the_figures_with_dials_stay_small_and_say_what_dominates() -> None:
    system, detector = system_dials(identifier="system"), detector_dials(identifier="detector")
    assert max(system.static_bytes, detector.static_bytes) < 150_000
    assert "application" in system.summary()
    assert "no machine left" in system.summary(coverage=1.0)
    assert tier_minutes("database", 1, 8.0, 0.9) == tier_minutes("database", 1, 8.0, 1.0)
    assert "with four" in detector.summary(loss=0.2, delay_ms=300)
