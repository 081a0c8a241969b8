"""The bounds of a hybrid clock: limits, identities, and the errors for what is out of range."""

import math

import pytest

from distlib.models.consistency.hybrid_logical_clock import counter_bound, lead_bound_seconds, lead_seconds


def test_the_bound_is_twice_the_error_of_one_clock() -> None:
    assert lead_bound_seconds(0.004) == 0.008
    assert lead_bound_seconds(0) == 0


def test_the_bound_is_reached_where_a_message_takes_no_time_and_never_passed() -> None:
    assert lead_seconds(0.004, 0.004, 0) == lead_bound_seconds(0.004)
    assert lead_seconds(0.004, 0.004, 0.5) == 0
    assert all(lead_seconds(a, b, 0.001) <= lead_bound_seconds(0.004) for a in (0, 0.004) for b in (0, 0.004))


def test_a_counter_has_room_for_each_tick_of_each_node() -> None:
    assert counter_bound(1, 0) == 1
    assert counter_bound(3, 1) == 6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lead_bound_seconds(-1), "`error_seconds` must be finite and at least 0, got -1"),
        (lambda: lead_bound_seconds(math.nan), "`error_seconds` must be finite"),
        (lambda: lead_seconds(0, 0, -1), "`delay_seconds` must be at least 0, got -1"),
        (lambda: counter_bound(0, 1), "`node_count` must be at least 1, got 0"),
        (lambda: counter_bound(1, -1), "`difference_ticks` must be at least 0, got -1"),
    ],
)
def test_what_is_out_of_range_is_named(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
