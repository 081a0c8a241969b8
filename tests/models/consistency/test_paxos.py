"""The duel of two proposers: its equation by quadrature, its limits, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from distlib.models.consistency.paxos import Duel, outbid_ballots_mean, outbid_ballots_mean_at


@pytest.mark.parametrize(("window", "back_off"), [(1.0, 1.0), (1.0, 1.3), (0.4, 2.0), (1.7, 5.0)])
def test_the_closed_form_solves_its_integral_equation(window: float, back_off: float) -> None:
    for offset in np.linspace(0.05, 0.95, 7) * window:
        area, _ = quad(lambda u: float(outbid_ballots_mean_at(u, window, back_off)), window - offset, window)
        assert float(outbid_ballots_mean_at(offset, window, back_off)) == pytest.approx(1 + area / back_off, rel=1e-9)


def test_a_long_back_off_costs_one_ballot() -> None:
    assert outbid_ballots_mean(Duel(0.010, 0.030, 1e6, 0.015)) == pytest.approx(1.0, abs=1e-6)


def test_the_mean_falls_with_the_back_off_and_rises_with_the_offset() -> None:
    widths = outbid_ballots_mean_at(0.5, 1.0, [1.0, 1.5, 2.0, 4.0])
    offsets = outbid_ballots_mean_at([0.1, 0.5, 0.9], 1.0, 1.5)
    assert np.all(np.diff(widths) < 0)
    assert np.all(np.diff(offsets) > 0)


def test_only_the_ratios_count() -> None:
    assert float(outbid_ballots_mean_at(3, 7, 11)) == pytest.approx(float(outbid_ballots_mean_at(0.3, 0.7, 1.1)))


def test_a_duel_says_how_much_room_it_has() -> None:
    duel = Duel(0.010, 0.030, 0.020, 0.015)
    assert (duel.window_seconds, duel.offset_seconds) == (pytest.approx(0.010), pytest.approx(0.005))


@pytest.mark.parametrize(
    ("offset", "window", "back_off", "message"),
    [
        (0.0, 1.0, 2.0, "`offset` must be in"),
        (1.0, 1.0, 2.0, "`offset` must be in"),
        (0.5, 1.0, 0.9, "`back_off` must be at least the window"),
    ],
)
def test_a_duel_of_another_kind_is_refused(offset: float, window: float, back_off: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        outbid_ballots_mean_at(offset, window, back_off)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0.0, 0.03, 0.01, 0.015), "`leg_seconds` must be finite and above 0, got 0.0"),
        ((0.01, -1.0, 0.01, 0.015), "`patience_seconds` must be finite and at least 0, got -1.0"),
        ((0.01, 0.03, float("inf"), 0.015), "`back_off_seconds` must be finite"),
        ((0.01, 0.03, 0.01, float("nan")), "`gap_seconds` must be finite"),
    ],
)
def test_times_out_of_range_are_refused(values: tuple[float, float, float, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Duel(*values)
