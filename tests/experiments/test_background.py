"""Pages and queues on the bench agree with their models, and Little's law holds in every run."""

from __future__ import annotations

import numpy as np
import pytest

from distlib.estimates import Estimate
from distlib.experiments.background import call, call_with, page_seconds, queue_readings, run_page, run_queue
from distlib.models.background import slow_page_probability, slow_part_probability
from distlib.models.latency import Constant, Exponential, Law, LogNormal
from distlib.models.queueing import multi_server_response_seconds_mean, response_seconds_mean, utilisation
from distlib.protocols.background import acknowledged, carried_out
from distlib.runtimes.faults import Lose

PART = LogNormal(0.010, 0.8)
LIMIT = float(PART.ppf(0.95))


def test_an_answer_comes_after_two_legs_and_a_force() -> None:
    run = call_with(call())
    assert run.trace[-1].time_seconds == pytest.approx(0.025)
    assert acknowledged(run.world) == carried_out(run.world) == 1


def test_a_lost_answer_leaves_a_call_that_is_carried_out_and_not_acknowledged() -> None:
    world = call_with(call(), faults=[Lose("counter", "caller", number=1)]).world
    assert (acknowledged(world), carried_out(world)) == (0, 1)


@pytest.mark.parametrize("parts", [1, 20])
def test_pages_are_slow_as_predicted(parts: int) -> None:
    times = np.concatenate([page_seconds(run_page(PART, parts, page_count=200, seed=seed)) for seed in range(4)])
    share = Estimate.of_proportion(int((times > LIMIT).sum()), len(times))
    assert abs(share.z(slow_page_probability(0.05, parts))) < 3


def test_a_second_question_makes_pages_quicker_as_predicted() -> None:
    hedge = float(PART.ppf(0.9))
    runs = [run_page(PART, 20, page_count=200, seed=seed, hedge_seconds=hedge) for seed in range(4)]
    times = np.concatenate([page_seconds(run) for run in runs])
    share = Estimate.of_proportion(int((times > LIMIT).sum()), len(times))
    late = slow_part_probability(PART, LIMIT, hedge_seconds=hedge)
    assert abs(share.z(slow_page_probability(late, 20))) < 3
    asked = Estimate.of_proportion(sum(run.counts.sent_by_class["Ask"] for run in runs) - 16_000, 16_000)
    assert abs(asked.z(0.1)) < 3


@pytest.mark.parametrize("service", [Constant(0.010), Exponential(0.010)])
def test_jobs_stay_as_long_as_predicted_and_workers_are_as_busy(service: Law) -> None:
    readings = [queue_readings(run_queue(Exponential(1 / 60), service, job_count=3000, seed=seed)) for seed in range(8)]
    stay = Estimate.of_mean([one.response_seconds.mean() for one in readings])
    assert abs(stay.z(response_seconds_mean(60, service))) < 3
    busy = Estimate.of_mean([one.busy for one in readings])
    assert abs(busy.z(utilisation(60, service))) < 3


def test_several_workers_with_one_line_take_as_long_as_predicted() -> None:
    readings = [
        queue_readings(run_queue(Exponential(1 / 350), Exponential(0.010), job_count=3000, seed=seed, worker_count=5))
        for seed in range(8)
    ]
    stay = Estimate.of_mean([one.response_seconds.mean() for one in readings])
    assert abs(stay.z(multi_server_response_seconds_mean(5, 350, 0.010))) < 3


@pytest.mark.parametrize("gap", [Constant(1 / 70), Exponential(1 / 70), LogNormal(0.005, 1.5)])
def test_little_holds_whatever_the_gaps_are(gap: Law) -> None:
    one = queue_readings(run_queue(gap, Constant(0.010), job_count=4000, seed=3), warm_up_seconds=1)
    assert one.in_system == pytest.approx(one.arrivals_per_second * one.response_seconds.mean(), rel=0.02)


def test_a_warm_up_beyond_the_run_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`warm_up_seconds` must be in \[0, "):
        queue_readings(run_queue(Constant(0.1), Constant(0.01), job_count=3, seed=1), warm_up_seconds=1)
