"""The register's costs: counts of messages, means against other routes, limits, and the choice of R and W."""

from __future__ import annotations

import math
from itertools import product

import pytest

from distlib.models.consistency.quorum_systems import choose, nodes, response_seconds_mean, unavailability
from distlib.models.consistency.staleness import Legs, stale_probability
from distlib.models.consistency.voting import (
    Choice,
    best_choice,
    choices,
    message_count,
    operation_seconds_mean,
    operation_unavailability,
    unbeaten,
)
from distlib.models.latency import Constant, Exponential, LogNormal, Pareto
from distlib.models.order_statistics import sum_of

LEG = Exponential(0.001)
QUICK = Legs(LEG, request=LEG)
FOUR = Legs(LEG, LEG, LEG, LEG)
WORKLOAD = {"read_fraction": 0.9, "down_probability": 0.01}


def test_each_phase_costs_a_message_and_an_answer_from_every_replica() -> None:
    assert [message_count("read", n) for n in (1, 3, 5)] == [2, 6, 10]
    assert message_count("read", 5, write_back=True) == message_count("write", 5) == 20
    assert message_count("write", 5, single_writer=True) == 10


def test_one_replica_is_one_round_trip() -> None:
    assert math.isclose(operation_seconds_mean("read", 1, 1, 1, FOUR), 0.002)
    assert math.isclose(operation_seconds_mean("write", 1, 1, 1, FOUR), 0.004)


def test_constant_legs_make_quorums_cost_nothing() -> None:
    constant = Legs(*[Constant(0.001)] * 4)
    assert {round(operation_seconds_mean("read", 5, r, 3, constant), 12) for r in range(1, 6)} == {0.002}


def test_exponential_answers_have_the_harmonic_mean() -> None:
    for n, r in ((3, 2), (5, 1), (5, 5), (7, 4)):
        mean = operation_seconds_mean("read", n, r, n, Legs(LEG, request=LEG))
        assert math.isclose(mean, 0.001 * sum(1 / k for k in range(n - r + 1, n + 1)), rel_tol=1e-9)


def test_latency_is_that_of_the_quorum_system() -> None:
    law = LogNormal(0.001, 1.0)
    legs = Legs(law, Constant(0.0), law, Constant(0.0))
    members = nodes("abcde", latency=sum_of(law, Constant(0.0)))
    for r in range(1, 6):
        expected = response_seconds_mean(choose(r, members))
        assert math.isclose(operation_seconds_mean("read", 5, r, 1, legs), expected, rel_tol=1e-6)


def test_a_heavy_tail_may_make_the_last_answer_infinite_and_spares_the_quorum() -> None:
    legs = Legs(LEG, request=Pareto(0.001, 0.9), response=Constant(0.0))
    assert operation_seconds_mean("read", 3, 3, 1, legs) == math.inf
    assert operation_seconds_mean("read", 3, 2, 1, legs) < 0.02


def test_an_operation_of_two_phases_needs_the_larger_quorum() -> None:
    for r, w in product(range(1, 6), repeat=2):
        both = operation_unavailability("write", 5, r, w, 0.1)
        assert math.isclose(both, unavailability(choose(max(r, w), nodes("abcde")), 0.9), rel_tol=1e-9)
        assert operation_unavailability("read", 5, r, w, 0.1, write_back=True) == both
        alone = operation_unavailability("read", 5, r, w, 0.1)
        assert math.isclose(alone, unavailability(choose(r, nodes("abcde")), 0.9), rel_tol=1e-9)


def test_full_correlation_makes_of_all_replicas_one() -> None:
    for r in (1, 3, 5):
        assert math.isclose(operation_unavailability("read", 5, r, 1, 0.1, correlation=1.0), 0.1)
    low, high = (operation_unavailability("read", 5, 3, 3, 0.01, correlation=c) for c in (0.0, 0.05))
    assert high > 50 * low


def test_choices_are_all_pairs_with_what_the_other_models_say_of_each() -> None:
    found = choices(3, QUICK, seconds_since_write=0.001, **WORKLOAD)
    assert [(one.read_quorum, one.write_quorum) for one in found] == list(product((1, 2, 3), repeat=2))
    for one in found:
        sizes = 3, one.read_quorum, one.write_quorum
        assert one.stale_probability == float(stale_probability(*sizes, 0.001, QUICK))
        assert one.is_strict is (one.stale_probability == 0)
        reads, writes = (operation_seconds_mean(k, *sizes, QUICK, single_writer=True) for k in ("read", "write"))  # type: ignore[arg-type]
        assert math.isclose(one.latency_seconds, 0.9 * reads + 0.1 * writes, rel_tol=1e-4)


def test_the_unbeaten_trade_one_thing_for_another() -> None:
    found = choices(3, FOUR, **WORKLOAD)
    best = unbeaten(found)
    assert (best[0].read_quorum, best[0].write_quorum) == (1, 1)
    assert any(one.is_strict for one in best)
    assert not any(one.read_quorum == one.write_quorum == 3 for one in best)


def test_the_best_choice_keeps_both_limits_and_is_the_quickest_that_does() -> None:
    found = choices(5, FOUR, seconds_since_write=0.002, **WORKLOAD)
    chosen = best_choice(found, unavailability_limit=1e-4, stale_limit=1e-3)
    assert chosen.unavailability <= 1e-4
    assert chosen.stale_probability <= 1e-3
    allowed = [one for one in found if one.unavailability <= 1e-4 and one.stale_probability <= 1e-3]
    assert chosen.latency_seconds == min(one.latency_seconds for one in allowed)
    assert best_choice(found).price[0] <= chosen.price[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: message_count("erase", 3), '`operation` must be "read" or "write"'),  # type: ignore[arg-type]
        (lambda: message_count("read", 0), r"`replica_count` must be in \[1, 1\], got 0"),
        (lambda: operation_seconds_mean("read", 3, 4, 1, FOUR), r"`read_quorum` must be in \[1, 3\], got 4"),
        (lambda: operation_unavailability("read", 3, 1, 0, 0.1), r"`write_quorum` must be in \[1, 3\], got 0"),
        (
            lambda: choices(3, FOUR, read_fraction=2.0, down_probability=0.1),
            r"`read_fraction` must be in \[0, 1\], got 2.0",
        ),
        (lambda: best_choice([Choice(1, 1, 1.0, 0.5, 0.5, False)], stale_limit=0.1), "no choice has"),
    ],
)
def test_what_is_out_of_its_domain_is_refused(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]


def test_sizes_that_are_not_whole_are_refused() -> None:
    with pytest.raises(TypeError, match=r"`read_quorum` must be a whole number, got 1\.5"):
        operation_seconds_mean("read", 3, 1.5, 1, FOUR)  # type: ignore[arg-type]
