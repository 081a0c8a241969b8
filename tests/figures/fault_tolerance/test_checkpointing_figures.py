"""The dials of the chapter on checkpointing tell what the model says."""

from __future__ import annotations

import pytest

from distlib.figures.fault_tolerance.checkpointing import interval_dials, waste, waste_to_first_order
from distlib.models.fault_tolerance.checkpointing import optimal_interval


def test_the_default_frame_tells_the_story() -> None:
    summary = interval_dials(identifier="dials").summary()
    assert "25.1% of the machine is lost" in summary
    assert "Best interval: 66 min" in summary


@pytest.mark.parametrize(("nodes", "expected"), [(10, "Best interval: 38.1 h"), (100_000, "Best interval: 17 min")])
def test_more_nodes_ask_for_shorter_intervals(nodes: int, expected: str) -> None:
    assert expected in interval_dials(identifier="dials").summary(nodes=nodes)


def test_every_frame_can_be_drawn() -> None:
    dials = interval_dials(identifier="dials")
    assert all(dials.frame(**settings).summary for settings in dials)


def test_first_order_is_right_for_short_dumps_and_too_low_for_long_intervals() -> None:
    best = optimal_interval(0.001, 1000.0)
    assert waste_to_first_order(best, 0.001, 1000.0) == pytest.approx(waste(best, 0.001, 1000.0), rel=1e-2)
    assert waste_to_first_order(5000.0, 0.001, 1000.0) < waste(5000.0, 0.001, 1000.0)
