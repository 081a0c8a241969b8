"""Snapshots of a busy bank against the model, and over real sockets."""

from __future__ import annotations

import pytest

from distlib.estimates import Estimate
from distlib.experiments.fault_tolerance.snapshot import (
    bank,
    briefly,
    busy_bank,
    measure_snapshot,
    recorded_count,
    run_bank,
    snapshot_duration_seconds,
    state_label,
)
from distlib.models.fault_tolerance.snapshot import marker_count, recorded_messages_mean, snapshot_seconds
from distlib.protocols.fault_tolerance.snapshot import Branch, Marker, Report, Transfer, money_in_snapshot


def test_as_many_transfers_are_found_on_the_channels_as_predicted() -> None:
    runs = [
        run_bank(busy_bank(5, snapshot_seconds=0.03), seed=seed, until_seconds=0.05, record=False)
        for seed in range(150)
    ]
    assert all(money_in_snapshot(run.world) == 5000 for run in runs)
    found = Estimate.of_mean([recorded_count(run) for run in runs])
    assert abs(found.z(recorded_messages_mean(5, 50, 0.004))) < 3


def test_markers_and_duration_are_as_predicted() -> None:
    run = run_bank(busy_bank(4, snapshot_seconds=0.03), seed=0, until_seconds=0.05)
    assert run.counts.sent_by_class["Marker"] == marker_count(4)
    assert snapshot_duration_seconds(run) == pytest.approx(snapshot_seconds(0.004))


def test_over_sockets_the_snapshot_adds_up() -> None:
    shown, real = measure_snapshot()
    assert shown == real == 60


def test_labels_say_what_a_branch_has_recorded() -> None:
    node = bank(3)["a"]
    assert isinstance(node, Branch)
    assert state_label(node) == ("2", "calm")
    node, _ = node.record("a")
    node, _ = node.on_message("b", Transfer(1))
    assert state_label(node) == ("3 [2 + 1]", "wait")
    assert state_label(None) is None
    assert [briefly(each) for each in (Transfer(1), Marker("a"), Report(1, ()))] == ["1", "marker", ""]
