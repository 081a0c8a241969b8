"""Sums, rounds, poor links and scale: published values, limits, identities, errors."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad

from distlib.models.trends import (
    amdahl_speed_up,
    backlog_mean,
    backlog_sf,
    best_machine_count,
    best_spare_count,
    gradients_per_second,
    gustafson_speed_up,
    halving_doubling_seconds,
    naive_ring_seconds,
    parameter_server_seconds,
    ring_seconds,
    scan_seconds,
    tree_seconds,
    universal_speed_up,
)

VALUES = json.loads((Path(__file__).parents[1] / "data" / "curriculum_values.json").read_text(encoding="utf-8"))
PUBLISHED = {row["id"]: row["value"] for row in (VALUES if isinstance(VALUES, list) else VALUES["values"])}
EDGE = (10, 40, 300, 60)


def test_sixteen_workers_take_the_published_times() -> None:
    assert 1000 * ring_seconds(16, 400e6, 10e9, 10e-6) == pytest.approx(PUBLISHED["X.7"], rel=1e-12)
    servers = 1000 * parameter_server_seconds(16, 400e6, 10e9, server_count=4)
    assert servers == pytest.approx(PUBLISHED["X.8"], rel=1e-12)


def test_a_hundred_workers_do_best_without_the_published_number() -> None:
    assert best_spare_count(100, 1.0, 1.0) == PUBLISHED["X.10"]
    assert gradients_per_second(100, 31, 1.0, 1.0) == pytest.approx(PUBLISHED["X.9"], rel=1e-9)


def test_a_thousand_readings_wait_for_the_published_share_of_the_time() -> None:
    assert backlog_sf(1000, *EDGE) == pytest.approx(PUBLISHED["X.11"], rel=1e-9)


def test_one_worker_sends_nothing_and_two_halve_the_whole() -> None:
    assert ring_seconds(1, 1e9, 1e9, 1.0) == 0
    assert ring_seconds(2, 1e9, 1e9) == pytest.approx(1.0)


def test_ring_and_halving_move_the_same_and_differ_in_messages() -> None:
    assert ring_seconds(64, 1e9, 1e9) == pytest.approx(halving_doubling_seconds(64, 1e9, 1e9))
    assert ring_seconds(64, 0, 1e9, 1.0) == 126
    assert halving_doubling_seconds(64, 0, 1e9, 1.0) == 12


def test_a_tree_is_better_for_little_and_a_ring_for_much() -> None:
    assert tree_seconds(64, 1e3, 1e9, 1e-4) < ring_seconds(64, 1e3, 1e9, 1e-4)
    assert tree_seconds(64, 1e9, 1e9, 1e-4) > ring_seconds(64, 1e9, 1e9, 1e-4)


def test_the_naive_ring_is_almost_twice_too_quick() -> None:
    assert ring_seconds(1000, 1e9, 1e9) / naive_ring_seconds(1000, 1e9, 1e9) == pytest.approx(1.998)


def test_a_thousand_disks_read_in_a_thousandth_of_the_time() -> None:
    assert scan_seconds(1e15, 1000, 2e8) == pytest.approx(scan_seconds(1e15, 1, 2e8) / 1000)


def test_workers_that_are_all_alike_are_all_waited_for() -> None:
    assert best_spare_count(20, 1.0, 0.0) == 0
    assert gradients_per_second(20, 0, 1.0, 0.0) == 20


def test_waiting_for_all_takes_a_harmonic_number() -> None:
    harmonic = sum(1 / k for k in range(1, 101))
    assert gradients_per_second(100, 0, 1.0, 1.0) == pytest.approx(100 / (1 + harmonic), rel=1e-9)


def test_the_mean_backlog_is_the_area_under_its_survival() -> None:
    area, _ = quad(lambda x: backlog_sf(x, *EDGE), 0, 20_000, limit=200)
    assert area == pytest.approx(backlog_mean(*EDGE), rel=1e-6)


def test_a_fast_link_leaves_the_readings_of_the_outages_alone() -> None:
    # An infinite link empties at once: what waits is what came in an outage, exponential with mean r / α.
    assert backlog_mean(10, 1e9, 300, 60) == pytest.approx(60 / 360 * 10 * 60, rel=1e-6)


def test_speed_up_is_linear_without_a_serial_part_and_bounded_with_one() -> None:
    assert amdahl_speed_up([1, 2, 64], 0.0).tolist() == [1, 2, 64]
    assert amdahl_speed_up(1e12, 0.05) == pytest.approx(20, rel=1e-6)
    assert gustafson_speed_up(100, 0.05) == pytest.approx(95.05)
    assert amdahl_speed_up(1, 0.3) == gustafson_speed_up(1, 0.3) == universal_speed_up(1, 0.3, 0.1) == 1


def test_with_agreement_in_pairs_more_machines_are_slower_beyond_the_best() -> None:
    best = best_machine_count(0.02, 1e-4)
    below, at, beyond = universal_speed_up(np.array([0.9, 1.0, 1.1]) * best, 0.02, 1e-4)
    assert at > max(below, beyond)
    assert best_machine_count(0.02, 0.0) == math.inf


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ring_seconds(0, 1, 1), "`worker_count` must be a whole number of at least 1, got 0"),
        (lambda: ring_seconds(2, -1, 1), "`byte_count` must be finite and at least 0, got -1"),
        (lambda: ring_seconds(2, 1, 0), "`bytes_per_second` must be finite and above 0, got 0"),
        (lambda: halving_doubling_seconds(3, 1, 1), "`worker_count` must be a power of two, got 3"),
        (lambda: parameter_server_seconds(2, 1, 1, server_count=0), "`server_count` must be a whole number"),
        (lambda: gradients_per_second(5, 5, 1, 1), r"`spare_count` must be in \[0, 5\), got 5"),
        (lambda: gradients_per_second(5, 0, 0, 0), "rounds of no time have no rate"),
        (lambda: backlog_sf(-1, *EDGE), "`readings` must be at least 0, got -1"),
        (lambda: backlog_sf(1, 35, 40, 300, 60), "`readings_per_second` must be below 33.3333"),
        (lambda: backlog_mean(10, 40, 0, 60), "`up_seconds` must be finite and above 0, got 0"),
        (lambda: backlog_mean(0, 40, 1, 60), "`readings_per_second` must be finite and above 0, got 0"),
        (lambda: amdahl_speed_up(0, 0.1), "`machine_count` must be at least 1, got 0"),
        (lambda: gustafson_speed_up(2, 1.1), r"`serial_share` must be in \[0, 1\], got 1.1"),
        (lambda: best_machine_count(0.1, -1), "`pair_share` must be finite and at least 0, got -1"),
    ],
)
def test_what_is_out_of_range_is_named(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
