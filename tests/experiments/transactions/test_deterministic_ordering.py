"""Deterministic ordering on the bench: latency, locks, hot records as predicted; three regimes before the checker."""

import numpy as np
import pytest

from distlib.evidence import Estimate
from distlib.experiments.transactions.deterministic_ordering import (
    SYSTEMS,
    bank,
    drain_seconds,
    hot_record,
    judge,
    latencies,
    lock_hold_seconds,
    meant,
    run_with,
    transfer,
    wrong_totals,
)
from distlib.models.latency import Constant, Exponential
from distlib.models.transactions.deterministic_ordering import (
    DeterministicTiming,
    answer_seconds_mean,
    drain_seconds_mean,
    lock_hold_seconds_mean,
    naive_order_latency,
)
from distlib.protocols.transactions.deterministic_ordering import partition_states

MILLISECOND = 0.001
LEG = Exponential(MILLISECOND)


def timing(count: int) -> DeterministicTiming:
    return DeterministicTiming(count, LEG, epoch_seconds=10 * MILLISECOND, sequencing=Constant(2 * MILLISECOND))


def runs(count: int, seeds: int) -> list:
    todo = [transfer(f"client.{k}", count) for k in range(1, 9)]
    nodes = bank(count, todo, pause_seconds=(0, 0.02))
    return [run_with(timing(count), nodes, seed=seed, until_seconds=0.6) for seed in range(seeds)]


@pytest.mark.parametrize("count", [1, 4])
def test_the_answer_takes_half_an_epoch_the_sequencing_and_the_slowest_way(count: int) -> None:
    seen = Estimate.of_mean([np.mean(latencies(run.trace)) for run in runs(count, 60)])
    assert abs(seen.z(answer_seconds_mean(timing(count), LEG))) < 3
    if count > 1:
        assert abs(seen.z(naive_order_latency(timing(count)) + 2 * MILLISECOND)) > 4


def test_locks_are_held_for_one_way_and_no_round_trip() -> None:
    spans = [np.mean(lock_hold_seconds(run.trace)) for run in runs(3, 60)]
    assert abs(Estimate.of_mean(spans).z(lock_hold_seconds_mean(timing(3)))) < 3


def test_a_hot_record_is_through_when_the_slowest_of_its_reads_has_come() -> None:
    spans = [
        drain_seconds(run_with(timing(2), hot_record(20), seed=seed, until_seconds=0.08).trace) for seed in range(80)
    ]
    assert abs(Estimate.of_mean(spans).z(drain_seconds_mean(timing(2), 20))) < 3


def test_every_account_is_as_the_log_means_it() -> None:
    (run,) = runs(3, 1)
    found = {key: account for accounts in partition_states(run.world).values() for key, account in accounts}
    assert found == meant(run)


@pytest.mark.parametrize("system", ["two-phase commit", "deterministic"])
def test_locks_and_one_order_for_all_are_serializable(system: str) -> None:
    for seed in range(4):
        verdict = judge(system, seed)
        assert verdict.holds("serializable"), seed
        assert not verdict.anomalies


@pytest.mark.parametrize(
    ("system", "shown", "absent"),
    [
        ("saga", {"G0", "G1a", "G-single-item"}, set()),
        ("saga, readers wait", {"G0", "G-single-item"}, {"G1a"}),
        ("saga, readers start over", {"G0"}, {"G1a", "G-single-item"}),
        ("arrival order", {"G0"}, {"G1a"}),
    ],
)
def test_each_anomaly_has_its_name(system: str, shown: set[str], absent: set[str]) -> None:
    verdicts = [judge(system, seed) for seed in range(6)]
    assert not any(verdict.holds("serializable") for verdict in verdicts)
    found = {name for verdict in verdicts for name in verdict.anomalies}
    assert shown <= found
    assert not absent & found


def test_totals_are_right_where_transfers_are_isolated_and_wrong_where_they_are_not() -> None:
    wrong = {system: np.sum([wrong_totals(run(seed)) for seed in range(3)], axis=0) for system, run in SYSTEMS.items()}
    assert all(reads > 50 for _, reads in wrong.values())
    assert wrong["two-phase commit"][0] == wrong["deterministic"][0] == 0
    assert wrong["saga"][0] > 0.2 * wrong["saga"][1]
    assert wrong["saga, readers wait"][0] > 0


def test_a_system_that_is_none_is_refused() -> None:
    assert len(SYSTEMS) == 6
    with pytest.raises(ValueError, match="`system` must be one of 'two-phase commit'"):
        judge("three-phase commit", 0)
