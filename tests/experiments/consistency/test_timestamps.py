"""The chapter's quantities: what the models predict and what runs of the protocols' own code show."""

import numpy as np
import pytest

from distlib.checkers.happened_before import CausalOrder
from distlib.evidence import Estimate
from distlib.experiments.consistency.clock_synchronization import agreed_interval, offset_error
from distlib.experiments.consistency.commit_wait import commit_latency, writes_per_second
from distlib.experiments.consistency.last_writer_wins import is_lost, skewed, two_writes
from distlib.experiments.consistency.timestamps import (
    counts_of_unlinked,
    is_concurrent,
    measure_stamps,
    told_stamps,
    write_stamp,
)
from distlib.models.consistency.clock_synchronization import agreed_width_mean, best_of_error_mean
from distlib.models.consistency.commit_wait import (
    commit_latency_mean,
    sawtooth_commit_latency_mean,
    serial_writes_per_second,
)
from distlib.models.consistency.last_writer_wins import inversion_probability, inversion_probability_exponential
from distlib.models.consistency.timestamps import concurrency_probability, lamport_inversion_probability
from distlib.models.latency import Exponential
from distlib.protocols.consistency.timestamps import happened_before
from distlib.runtimes.faults import Clock

# Seeds that the chapter does not use.
FIRST = 10_000


def seeds(count: int) -> range:
    return range(FIRST, FIRST + count)


def test_the_second_write_is_lost_as_often_as_predicted() -> None:
    lost = [is_lost(two_writes("physical", seed=s, gap_seconds=0.002, clocks=skewed(0.001, s))) for s in seeds(1000)]
    assert abs(Estimate.of_proportion(sum(lost), 1000).z(inversion_probability(0.002, 0.001))) < 3


def test_so_it_is_with_an_exponential_gap() -> None:
    gap = Exponential(0.002)
    lost = [is_lost(two_writes("physical", seed=s, gap=gap, clocks=skewed(0.001, s))) for s in seeds(800)]
    assert abs(Estimate.of_proportion(sum(lost), 800).z(inversion_probability_exponential(500, 0.001))) < 3


def test_unlinked_counts_are_the_wrong_way_round_as_often_as_predicted() -> None:
    pairs = [counts_of_unlinked(5, 4, 10, 1, seed=s) for s in seeds(300)]
    larger = Estimate.of_proportion(sum(first > second for first, second in pairs), 300)
    assert abs(larger.z(lamport_inversion_probability(5, 4, 10, 1))) < 3


def test_events_are_concurrent_as_often_as_predicted() -> None:
    found = [is_concurrent(Exponential(0.1), 20, 0.02, seed=s) for s in seeds(500)]
    assert abs(Estimate.of_proportion(sum(found), 500).z(concurrency_probability(10, 20, 0.02))) < 3


@pytest.mark.parametrize("k", [1, 8])
def test_a_clock_is_off_by_what_is_predicted(k: int) -> None:
    sizes = [abs(offset_error(0.001, k, seed=s)) for s in seeds(400)]
    assert abs(Estimate.of_mean(sizes).z(best_of_error_mean(k, 0.001))) < 3


def test_servers_agree_on_an_interval_of_the_predicted_width() -> None:
    found = [agreed_interval(7, 0.005, seed=s) for s in seeds(300)]
    widths = [high - low for low, high in (one for one in found if one is not None)]
    assert abs(Estimate.of_mean(widths).z(agreed_width_mean(7, 0.005))) < 3


def test_commit_wait_takes_what_is_predicted_beside_the_replication() -> None:
    took = [commit_latency(0.004, Exponential(0.005), seed=s) for s in seeds(600)]
    assert abs(Estimate.of_mean(took).z(commit_latency_mean(0.004, 0.005))) < 3


def test_a_sawtooth_takes_the_average() -> None:
    teeth = np.random.default_rng(FIRST).uniform(0.001, 0.007, 300)
    took = [commit_latency(float(e), Exponential(0.005), seed=s) for s, e in zip(seeds(300), teeth, strict=True)]
    assert abs(Estimate.of_mean(took).z(sawtooth_commit_latency_mean(0.001, 0.007, 0.005))) < 3


def test_drift_of_the_leader_changes_the_wait_by_its_share() -> None:
    leg = Exponential(1e-9)
    fast, true = (commit_latency(0.004, leg, seed=1, clock=Clock(drift=drift)) for drift in (0.25, 0.0))
    assert fast == pytest.approx(true / 1.25, rel=1e-4)


def test_a_key_takes_as_many_writes_as_predicted() -> None:
    rates = [writes_per_second(0.004, Exponential(0.005), seed=s) for s in seeds(20)]
    assert abs(Estimate.of_mean(rates).z(serial_writes_per_second(0.004, 0.005))) < 3


def test_clocks_keep_their_promises_over_sockets() -> None:
    trace = measure_stamps(rounds=4, hardware={"a": Clock(0.05)})
    order, told = CausalOrder(trace), told_stamps(trace)
    lamport, vector, hybrid = ({n: stamps[place] for n, stamps in told.items()} for place in range(3))
    assert order.broken_by(lamport) == [] == order.broken_by(hybrid)
    assert order.broken_by(vector, happened_before) == [] == order.misled_by(vector, happened_before)


def test_stamps_are_written_short() -> None:
    assert write_stamp((("b", 2),), ["a", "b"]) == "0 2"
