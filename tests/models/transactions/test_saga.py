"""The models of sagas: published values, limits and identities, second routes, and errors for what is out of range."""

import json
import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from distlib.models.latency import Constant, Empirical, Exponential, Law, LogNormal, Pareto, Uniform
from distlib.models.transactions.saga import (
    SagaTiming,
    answer_seconds_mean,
    booking_throughput,
    compensation_cost,
    completion_probability,
    flag_seconds_mean,
    forward_cost,
    in_flight_seconds_mean,
    naive_compensation_cost,
    saga_latency_mean,
    saga_latency_std,
    wrong_read_seconds,
    wrong_read_seconds_refused,
)

ROWS = json.loads((Path(__file__).parents[2] / "data" / "curriculum_values.json").read_text())
REFERENCE = {row["id"]: (row["value"], row["rtol"]) for row in ROWS}


def matches(value: float, identifier: str) -> bool:
    expected, relative = REFERENCE[identifier]
    return math.isclose(value, expected, rel_tol=relative)


def timing(count: int = 2, leg: Law | None = None) -> SagaTiming:
    return SagaTiming(count, leg or Exponential(0.001), None, 0.001, 0.002)


def test_reference_value_of_the_compensation_cost() -> None:
    assert matches(compensation_cost([0.95] * 5, 3.0), "3c.10")


def test_reference_value_of_the_forward_cost() -> None:
    assert matches(forward_cost([0.95] * 5), "3c.11")


def by_enumeration(chances: list[float]) -> tuple[float, float, float]:
    """Return (forward, compensation, completion) over all 2^n outcomes of the steps."""
    forward = back = complete = 0.0
    for fates in product((True, False), repeat=len(chances)):
        weight = math.prod(p if fate else 1 - p for p, fate in zip(chances, fates, strict=True))
        done = fates.index(False) if False in fates else len(fates)
        forward += weight * min(done + 1, len(fates))
        back += weight * (done if done < len(fates) else 0)
        complete += weight * (done == len(fates))
    return forward, back, complete


@pytest.mark.parametrize("chances", [[0.7], [0.9, 0.5, 0.8], [0.95] * 6, [0.6, 1.0, 1.0], [0.0, 0.5]])
def test_costs_are_those_of_all_outcomes_enumerated(chances: list[float]) -> None:
    forward, back, complete = by_enumeration(chances)
    assert forward_cost(chances, 2.0) == pytest.approx(2 * forward, rel=1e-12)
    assert compensation_cost(chances, 3.0) == pytest.approx(3 * back, rel=1e-12)
    assert completion_probability(chances) == pytest.approx(complete, rel=1e-12)


def test_equal_steps_have_the_closed_forms() -> None:
    p, n = 0.9, 7
    assert forward_cost([p] * n) == pytest.approx((1 - p**n) / (1 - p))
    closed = p * (1 - n * p ** (n - 1) + (n - 1) * p**n) / (1 - p)
    assert compensation_cost([p] * n) == pytest.approx(closed)


def test_nothing_is_undone_if_nothing_is_refused_or_the_first_step_is() -> None:
    assert compensation_cost([1.0] * 4) == 0
    assert forward_cost([1.0] * 4) == 4
    assert compensation_cost([0.0, 0.9]) == 0
    assert compensation_cost([0.3]) == 0


def test_attempts_that_fail_multiply_both_costs() -> None:
    for cost in (forward_cost, compensation_cost):
        assert cost([0.9] * 3, failure_probability=0.2) == pytest.approx(cost([0.9] * 3) / 0.8)
        # The same by adding up attempts: the k-th is needed with probability phi^(k-1).
        attempts = sum(0.2**k for k in range(60))
        assert cost([0.9] * 3, failure_probability=0.2) == pytest.approx(cost([0.9] * 3) * attempts)


def test_as_if_only_the_last_step_could_be_refused_is_too_much() -> None:
    assert naive_compensation_cost([1.0, 1.0, 0.8]) == pytest.approx(compensation_cost([1.0, 1.0, 0.8]))
    assert naive_compensation_cost([0.9] * 5) > 1.5 * compensation_cost([0.9] * 5)


@pytest.mark.parametrize("leg", [Constant(0.002), Exponential(0.002), Pareto(0.001, 2.0), Uniform(0.001, 0.003)])
def test_latency_is_a_sum_of_means_whatever_the_law(leg: Law) -> None:
    for count in (1, 2, 7):
        assert saga_latency_mean(timing(count, leg)) == pytest.approx(0.002 + count * (0.004 + 0.003))
    assert answer_seconds_mean(timing(2, leg), Constant(0.010)) == pytest.approx(
        saga_latency_mean(timing(2, leg)) + 0.020
    )
    assert answer_seconds_mean(timing(2, leg)) == saga_latency_mean(timing(2, leg))


def test_variances_add_up_and_are_infinite_where_one_is() -> None:
    assert saga_latency_std(timing(3, Exponential(0.002))) == pytest.approx(math.sqrt(6) * 0.002)
    assert saga_latency_std(timing(3, Constant(0.002))) == 0
    assert saga_latency_std(timing(3, Pareto(0.001, 1.5))) == math.inf


def test_money_is_in_flight_between_the_first_arrival_and_the_last() -> None:
    legs = SagaTiming(3, Constant(0.001), Constant(0.002), 0.003, 0.004)
    assert in_flight_seconds_mean(legs) == pytest.approx(2 * (0.003 + 0.002 + 0.004 + 0.001))
    assert in_flight_seconds_mean(timing(1)) == 0
    # A flag stays up for the last step, too, and until word of the end has come.
    assert flag_seconds_mean(legs) == pytest.approx(in_flight_seconds_mean(legs) + 0.003 + 0.002 + 0.004 + 0.001)
    assert booking_throughput(legs) == pytest.approx(1 / 0.003)


def closed_form(scale: float, leg: float, force: float) -> tuple[float, float]:
    """Return both kinds of wrong seconds for exponential legs, by Laplace transforms."""
    once = 0.5 * scale * math.exp(-force / scale) / (1 + leg / scale) ** 2
    return force + 2 * leg + 2 * once, once + once**2 / (0.5 * scale)


@pytest.mark.parametrize("scale", [0.0002, 0.001, 0.005, 0.1])
def test_wrong_reads_of_exponential_legs_have_a_closed_form(scale: float) -> None:
    ignoring, refused = closed_form(scale, 0.001, 0.003)
    assert wrong_read_seconds(timing(), Exponential(scale)) == pytest.approx(ignoring, rel=1e-7)
    assert wrong_read_seconds_refused(timing(), Exponential(scale)) == pytest.approx(refused, rel=1e-5, abs=1e-12)


@pytest.mark.parametrize("reader", [LogNormal(0.003, 0.8), Uniform(0.0, 0.02), Empirical((0.001, 0.004, 0.015))])
def test_wrong_reads_of_other_laws_are_those_of_the_mechanism_drawn_at_random(reader: Law) -> None:
    generator, count = np.random.default_rng(5), 400_000
    first, second = (reader.rvs(size=count, random_state=generator) for _ in range(2))
    gaps = 0.003 + generator.exponential(0.001, (4, count)).reshape(2, 2, count).sum(axis=1)
    ignoring = np.abs(gaps[0] + first - second)
    after = second - first
    refused = np.maximum(after - gaps[1], 0) + np.maximum(-after - gaps[0] - gaps[1], 0)
    for drawn, predicted in (
        (ignoring, wrong_read_seconds(timing(), reader)),
        (refused, wrong_read_seconds_refused(timing(), reader)),
    ):
        assert abs(drawn.mean() - predicted) < 3.5 * drawn.std() / math.sqrt(count)


def test_questions_that_arrive_together_see_what_is_in_flight_and_no_flag_gets_past_them() -> None:
    assert wrong_read_seconds(timing(), Constant(0.050)) == pytest.approx(in_flight_seconds_mean(timing()))
    assert wrong_read_seconds_refused(timing(), Constant(0.050)) == 0
    assert wrong_read_seconds(timing(leg=Constant(0.001)), Uniform(0.0, 0.001)) == pytest.approx(0.005)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: timing(0), "`step_count` must be at least 1, got 0"),
        (
            lambda: SagaTiming(2, Constant(0.1), None, -1.0),
            "`participant_force_seconds` must be .* at least 0.0, got -1.0",
        ),
        (lambda: forward_cost([]), "`success_probabilities` must name at least one step, got none"),
        (lambda: compensation_cost([0.5, 1.5]), r"`success_probabilities` must be in \[0, 1\], got 1.5"),
        (lambda: forward_cost([0.5], failure_probability=1.0), r"`failure_probability` must be in \[0, 1\), got 1.0"),
        (lambda: wrong_read_seconds(timing(3), Constant(0.1)), "`timing` must be of a saga with 2 steps, got 3"),
        (lambda: booking_throughput(SagaTiming(2, Constant(0.1))), "`participant_force_seconds` above 0, got 0"),
    ],
)
def test_what_is_out_of_range_is_named_with_its_bound_and_value(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_what_is_no_law_or_no_count_is_named() -> None:
    with pytest.raises(TypeError, match="`request` must be a law"):
        SagaTiming(2, 0.001)
    with pytest.raises(TypeError, match=r"`step_count` must be a whole number, got 2\.0"):
        SagaTiming(2.0, Constant(0.001))
    with pytest.raises(TypeError, match="`reader` must be a law"):
        wrong_read_seconds(timing(), 0.001)
