"""What a snapshot costs: the published value, small cases counted by hand, and errors."""

import json
from pathlib import Path

import pytest

from distlib.models.fault_tolerance.snapshot import marker_count, recorded_messages_mean, snapshot_seconds

ROWS = json.loads((Path(__file__).parents[2] / "data" / "curriculum_values.json").read_text())
REFERENCE = {row["id"]: row["value"] for row in ROWS}


def test_reference_value() -> None:
    assert recorded_messages_mean(8, 50, 0.004) == pytest.approx(REFERENCE["2b.8"], rel=1e-9)


def test_two_branches_have_one_channel_that_is_open_for_two_delays() -> None:
    assert marker_count(2) == 2
    assert recorded_messages_mean(2, 10, 0.5) == pytest.approx(10 * snapshot_seconds(0.5))


def test_nothing_is_found_without_traffic_or_without_delay() -> None:
    assert recorded_messages_mean(5, 0, 1.0) == recorded_messages_mean(5, 10, 0.0) == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [((1, 1.0, 1.0), "branches"), ((2.5, 1.0, 1.0), "branches"), ((3, -1.0, 1.0), "rate"), ((3, 1.0, -1.0), "delay")],
)
def test_what_is_out_of_range_is_named(arguments: tuple[int, float, float], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        recorded_messages_mean(*arguments)
