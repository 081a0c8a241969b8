"""Sagas on the bench: latency, costs, what readers see, throughput: each as its model says."""

import numpy as np
import pytest

from distlib.evidence import Estimate
from distlib.experiments.transactions.saga import (
    bank,
    completed,
    flag_seconds,
    hot_record,
    latencies,
    purchase,
    run_with,
    throughput,
    transactions_of,
    trips,
    watched,
    wrong_share,
)
from distlib.models.latency import Exponential, LogNormal
from distlib.models.transactions.saga import (
    SagaTiming,
    booking_throughput,
    compensation_cost,
    completion_probability,
    flag_seconds_mean,
    forward_cost,
    saga_latency_mean,
    wrong_read_seconds,
    wrong_read_seconds_refused,
)
from distlib.protocols.transactions.saga import Do, Orchestrator, Undo, WhenFlagged
from distlib.runtimes.trace import Kind

MILLISECOND = 0.001
LEG = Exponential(MILLISECOND)


def timing(count: int, leg: Exponential | LogNormal = LEG) -> SagaTiming:
    return SagaTiming(count, leg, None, MILLISECOND, 2 * MILLISECOND)


@pytest.mark.parametrize("leg", [LEG, LogNormal(0.0005, 1.0)])
@pytest.mark.parametrize("count", [1, 4])
def test_latency_is_a_sum_whatever_the_law(count: int, leg: Exponential | LogNormal) -> None:
    seen = [latencies(run_with(timing(count, leg), bank(count), seed=seed).trace)["s1"] for seed in range(120)]
    assert abs(Estimate.of_mean(seen).z(saga_latency_mean(timing(count, leg)))) < 3


def test_steps_attempted_and_undone_are_those_of_the_model_and_so_is_the_share_that_completes() -> None:
    chances, rows = [0.9, 0.7, 0.8], []
    for seed in range(30):
        trace = run_with(SagaTiming(3, LEG), trips(40, chances, seed=seed), seed=seed).trace
        asked = [event.value for event in trace.of(Kind.DELIVER)]
        counted = [sum(isinstance(each, message) for each in asked) / 40 for message in (Do, Undo)]
        rows.append((*counted, np.mean(list(completed(trace).values()))))
    done, undone, whole = (Estimate.of_mean(column) for column in zip(*rows, strict=True))
    assert abs(done.z(forward_cost(chances))) < 3
    assert abs(undone.z(compensation_cost(chances))) < 3
    assert abs(whole.z(completion_probability(chances))) < 3


@pytest.mark.parametrize("when_flagged", WhenFlagged)
def test_a_reader_who_waits_at_flags_is_wrong_as_often_as_one_who_ignores_them(when_flagged: WhenFlagged) -> None:
    reader, pause = Exponential(2 * MILLISECOND), 10 * MILLISECOND
    cycle = pause + 2 * MILLISECOND + saga_latency_mean(timing(2))
    refused = when_flagged is WhenFlagged.REFUSE
    predicted = (wrong_read_seconds_refused if refused else wrong_read_seconds)(timing(2), reader) / cycle
    shares = [
        wrong_share(watched(timing(2), seed=seed, reader=reader, when_flagged=when_flagged, pause_seconds=pause))
        for seed in range(100, 112)
    ]
    assert abs(Estimate.of_mean(shares).z(predicted)) < 3


def test_a_flag_stays_for_as_long_as_all_steps_take() -> None:
    spans = []
    for seed in range(150):
        nodes = bank(3, orchestrator=Orchestrator(flagging=True, repeat_seconds=(60.0, 60.0)))
        spans += flag_seconds(run_with(timing(3), nodes, seed=seed).trace)
    assert abs(Estimate.of_mean(spans).z(flag_seconds_mean(timing(3)))) < 3


def test_a_hot_record_lets_one_saga_through_for_each_write_of_the_booking() -> None:
    rates = [throughput(run_with(timing(2), hot_record(40, 2), seed=seed)) for seed in range(6)]
    assert abs(Estimate.of_mean(rates).z(booking_throughput(timing(2)))) < 3


def test_what_clients_and_readers_saw_is_handed_to_the_checker() -> None:
    run = run_with(timing(3), bank(3, [purchase("s1")], balances=(1, 1, 0)), seed=1)
    (only,) = transactions_of(run.trace)
    assert [key for _, key, _ in only.operations] == ["a1", "a2", "a3"]
