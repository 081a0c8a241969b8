"""What an election on a ring costs: reference values, limits, identities, and the count of runs."""

import json
import math
from itertools import permutations
from pathlib import Path

import pytest

from distlib.experiments.consistency.leader_election import arrangements, ring_messages
from distlib.models.consistency.chang_roberts import (
    announcement_count,
    harmonic_number,
    probe_count,
    probe_count_best,
    probe_count_mean,
    probe_count_worst,
    total_with_one_starter,
    total_with_one_starter_mean,
)
from distlib.models.latency import Exponential

ROWS = json.loads((Path(__file__).parents[2] / "data" / "curriculum_values.json").read_text())
REFERENCE = {row["id"]: (row["value"], row["rtol"]) for row in ROWS}


def test_reference_value_of_the_mean() -> None:
    expected, relative = REFERENCE["1a.1"]
    assert math.isclose(probe_count_mean(10), expected, rel_tol=relative)


@pytest.mark.parametrize("count", [1, 2, 4, 6])
def test_mean_best_and_worst_are_those_of_all_arrangements(count: int) -> None:
    every = [probe_count(order) for order in permutations(range(1, count + 1))]
    assert sum(every) / len(every) == pytest.approx(probe_count_mean(count), rel=1e-12)
    assert (min(every), max(every)) == (probe_count_best(count), probe_count_worst(count))


@pytest.mark.parametrize("count", [1, 3, 5])
def test_each_arrangement_costs_in_a_run_what_is_predicted_whatever_the_legs_take(count: int) -> None:
    for seed, order in enumerate(arrangements(count)):
        counted = ring_messages(order, seed=seed, delay=Exponential(0.01))
        assert counted == (probe_count(order), announcement_count(count))


def test_a_probe_that_the_announcement_overtakes_starts_another_election() -> None:
    counted = {ring_messages(order, seed=seed, delay=Exponential(0.01), ordered=False)
               for seed, order in enumerate(arrangements(5))}  # fmt: skip
    assert {announcements for _, announcements in counted} == {5, 10}


def test_one_starter_costs_in_a_run_what_is_predicted() -> None:
    order = [6, 2, 5, 1, 4, 3]
    totals = []
    for place, starter in enumerate(order):
        steps = (len(order) - place) % len(order)
        totals.append(sum(ring_messages(order, [starter])))
        assert totals[-1] == total_with_one_starter(6, steps)
    assert sum(totals) / 6 == total_with_one_starter_mean(6)
    assert max(totals) == 3 * 6 - 1


def test_the_mean_grows_as_n_log_n() -> None:
    assert harmonic_number(10**5) - math.log(10**5) == pytest.approx(0.5772207, abs=1e-6)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: probe_count([]), "`process_count` must be at least 1, got 0"),
        (lambda: probe_count([1, 1]), r"`numbers` must differ, got \[1, 1\]"),
        (lambda: total_with_one_starter(4, 4), r"`steps_to_highest` must be in \[0, 3\], got 4"),
    ],
)
def test_what_is_out_of_range_is_refused(call: object, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        call()
