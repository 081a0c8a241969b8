"""The models of redundancy and repair: published values, closed forms, limits, and errors for what is out of range."""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import pytest

from distlib.models.availability import k_of_n_availability as snapshot
from distlib.models.availability import k_of_n_unavailability as snapshot_unavailability
from distlib.models.fault_tolerance.redundancy import (
    common_cause_chain,
    duplex_mean_time,
    k_of_n_availability,
    k_of_n_chain,
    k_of_n_mean_time,
    naive_duplex_mean_time,
    pair_availability,
    pair_unavailability,
    pair_unavailability_parts,
    standby_mean_time,
    tier_chain,
    tier_unavailability,
)
from distlib.models.markov import birth_death_mean_time, mean_time_to_absorption, steady_state

ROWS = json.loads((Path(__file__).parents[2] / "data" / "curriculum_values.json").read_text())
REFERENCE = {row["id"]: (row["value"], row["rtol"]) for row in ROWS}
PAIR = {
    "failure_rate": 1 / 500,
    "repair_rate": 1 / 2,
    "switch_rate": 120.0,
    "outage_repair_rate": 1.0,
    "coverage": 0.95,
}


def matches(value: float, identifier: str) -> bool:
    expected, relative = REFERENCE[identifier]
    return math.isclose(value, expected, rel_tol=relative)


def test_reference_values() -> None:
    assert matches(k_of_n_mean_time(2, 3, 1e-3, 0.1), "2c.8")
    assert matches(k_of_n_availability(3, 5, 0.01, 1.0, crews=1), "2c.9")
    assert matches(duplex_mean_time(1e-3, 1.0, 0.99), "2c.10")
    assert matches(standby_mean_time(1e-3, 1.0, 0.99), "2c.11")
    assert matches(pair_availability(**PAIR), "2c.13")


@pytest.mark.parametrize(("k", "n"), [(1, 1), (1, 2), (2, 3), (3, 5), (5, 5)])
def test_with_a_crew_for_each_the_shares_are_binomial(k: int, n: int) -> None:
    assert k_of_n_availability(k, n, 0.03, 0.7) == pytest.approx(snapshot(k, n, 0.7 / 0.73), abs=1e-14)


def test_fewer_crews_leave_more_time_lost() -> None:
    lost = [1 - k_of_n_availability(3, 5, 0.05, 1.0, crews=crews) for crews in (1, 2, 3, 4, 5)]
    assert lost == sorted(lost, reverse=True)
    assert lost[-1] == pytest.approx(1 - k_of_n_availability(3, 5, 0.05, 1.0))


@pytest.mark.parametrize(("k", "n", "crews"), [(1, 2, 1), (2, 3, 2), (10, 14, 4), (3, 9, 1)])
def test_time_to_data_loss_is_the_double_sum(k: int, n: int, crews: int) -> None:
    fail = [(n - down) * 1e-4 for down in range(n - k + 1)]
    mend = [min(down, crews) * 0.5 for down in range(1, n - k + 1)]
    assert k_of_n_mean_time(k, n, 1e-4, 0.5, crews=crews) == pytest.approx(birth_death_mean_time(fail, mend), rel=1e-13)


def test_without_redundancy_there_is_nothing_to_repair_in_time() -> None:
    assert k_of_n_mean_time(3, 3, 0.1, 5.0) == pytest.approx(1 / 0.3)


@pytest.mark.parametrize(
    ("failure", "repair", "coverage", "dormant"),
    [*itertools.product([1e-3, 0.2], [1.0, 50.0], [0.0, 0.9, 1.0], [0.0, 0.1])],
)
def test_mean_times_with_coverage_are_the_closed_forms(
    failure: float, repair: float, coverage: float, dormant: float
) -> None:
    duplex = (failure * (1 + 2 * coverage) + repair) / (2 * failure * (failure + repair * (1 - coverage)))
    assert duplex_mean_time(failure, repair, coverage) == pytest.approx(duplex, rel=1e-12)
    above = failure + repair + failure * coverage + dormant
    below = (failure + dormant) * (failure + repair) - (failure * coverage + dormant) * repair
    assert standby_mean_time(failure, repair, coverage, dormant) == pytest.approx(above / below, rel=1e-9)


def test_repair_cannot_beat_coverage() -> None:
    assert duplex_mean_time(1e-3, 1e9, 0.99) == pytest.approx(1 / (2 * 1e-3 * 0.01), rel=1e-5)
    assert duplex_mean_time(1e-3, 1e9, 1.0) > 1e14


def test_the_back_of_the_envelope_is_right_for_perfect_coverage_and_quick_repair_only() -> None:
    assert naive_duplex_mean_time(1e-3, 10.0) == pytest.approx(duplex_mean_time(1e-3, 10.0), rel=1e-3)
    assert naive_duplex_mean_time(1e-3, 1.0) > 10 * duplex_mean_time(1e-3, 1.0, 0.99)


def test_a_pair_with_perfect_coverage_is_one_of_two() -> None:
    assert duplex_mean_time(0.02, 1.0) == pytest.approx(k_of_n_mean_time(1, 2, 0.02, 1.0))
    assert standby_mean_time(0.02, 1.0, 1.0, 0.02) == pytest.approx(duplex_mean_time(0.02, 1.0))


def test_the_share_of_a_pair_is_the_closed_form_and_its_parts_add_up() -> None:
    failure, repair, switch, people, coverage = PAIR.values()
    x = failure * (1 + coverage) / repair
    closed = (1 + x) / (
        1 + failure * coverage / switch + failure * (1 - coverage) / people + x * (1 + failure / repair)
    )
    assert pair_availability(**PAIR) == pytest.approx(closed, abs=1e-14)
    assert sum(pair_unavailability_parts(**PAIR).values()) == pytest.approx(pair_unavailability(**PAIR))


def test_a_common_cause_of_no_share_changes_nothing_and_of_all_makes_redundancy_useless() -> None:
    alone = k_of_n_chain(1, 3, 0.01, 1.0)
    none, whole = (common_cause_chain(1, 3, 0.01, 1.0, beta) for beta in (0.0, 1.0))
    assert steady_state(none) == pytest.approx(steady_state(alone))
    assert mean_time_to_absorption(whole, 0, [3]) == pytest.approx(100.0)


def test_a_third_part_does_not_help_against_a_common_cause() -> None:
    two, three = (mean_time_to_absorption(common_cause_chain(1, n, 1e-3, 1.0, 0.01), 0, [n]) for n in (2, 3))
    assert three < 1 / (0.01 * 1e-3) * (1 + 1e-6)
    assert three / two < 1.25


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_tier_with_perfect_coverage_is_one_of_n(count: int) -> None:
    expected = snapshot_unavailability(1, count, 0.02 / 1.02)
    found = tier_unavailability(count, 0.02, 1.0, 1.0, 1.0)
    assert found == {"uncovered": 0.0, "none": pytest.approx(expected, rel=1e-12)}


def test_a_tier_of_one_has_no_failover_that_could_fail() -> None:
    assert tier_unavailability(1, 0.02, 1.0, 3.0, 0.5) == tier_unavailability(1, 0.02, 1.0, 3.0, 1.0)


def test_a_tier_of_two_lives_as_long_as_a_duplex() -> None:
    chain = tier_chain(2, 1e-3, 1.0, 1.0, 0.99)
    assert mean_time_to_absorption(chain, 0, ["uncovered", 2]) == pytest.approx(duplex_mean_time(1e-3, 1.0, 0.99))


def test_more_parts_make_it_worse_where_failovers_fail() -> None:
    out = [sum(tier_unavailability(count, 1 / 2000, 1 / 8, 1.0, 0.9).values()) for count in (2, 3, 4)]
    assert out == sorted(out)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: k_of_n_chain(0, 3, 1.0, 1.0), ValueError, "`k`"),
        (lambda: k_of_n_chain(4, 3, 1.0, 1.0), ValueError, "`k`"),
        (lambda: k_of_n_chain(1, 0, 1.0, 1.0), ValueError, "`n`"),
        (lambda: k_of_n_chain(1.0, 3, 1.0, 1.0), TypeError, "`k`"),
        (lambda: k_of_n_chain(1, 3, 0.0, 1.0), ValueError, "`failure_rate`"),
        (lambda: k_of_n_chain(1, 3, 1.0, math.inf), ValueError, "`repair_rate`"),
        (lambda: k_of_n_chain(1, 3, 1.0, 1.0, crews=0), ValueError, "`crews`"),
        (lambda: duplex_mean_time(1.0, 1.0, 1.1), ValueError, "`coverage`"),
        (lambda: standby_mean_time(1.0, 1.0, 1.0, -1.0), ValueError, "`dormant_rate`"),
        (lambda: naive_duplex_mean_time(0.0, 1.0), ValueError, "`failure_rate`"),
        (lambda: naive_duplex_mean_time(1.0, 0.0), ValueError, "`repair_rate`"),
        (lambda: common_cause_chain(1, 2, 1.0, 1.0, -0.1), ValueError, "`beta`"),
        (lambda: pair_availability(1.0, 1.0, 0.0, 1.0, 1.0), ValueError, "`switch_rate`"),
        (lambda: pair_availability(1.0, 1.0, 1.0, 1.0, 2.0), ValueError, "`coverage`"),
        (lambda: tier_chain(0, 1.0, 1.0, 1.0, 1.0), ValueError, "`n`"),
        (lambda: tier_chain(1, 1.0, 1.0, 0.0, 1.0), ValueError, "`outage_repair_rate`"),
    ],
)
def test_errors_name_the_argument(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()
