"""What the bench reads off a fleet under repair agrees with the chains."""

import pytest

from distlib.evidence import Estimate
from distlib.experiments.fault_tolerance.redundancy import Fleet, outage_share, times_to_outage
from distlib.models.fault_tolerance.redundancy import (
    duplex_mean_time,
    k_of_n_availability,
    k_of_n_mean_time,
    pair_unavailability,
    standby_mean_time,
)


@pytest.mark.parametrize(
    ("fleet", "predicted"),
    [
        (Fleet(2, 0.1, 1.0, coverage=0.8, start_over_below=1), duplex_mean_time(0.1, 1.0, 0.8)),
        (Fleet(2, 0.1, 1.0, needed=1, coverage=0.8, start_over_below=1), standby_mean_time(0.1, 1.0, 0.8)),
        (
            Fleet(2, 0.1, 1.0, needed=1, dormant_rate=0.02, coverage=0.8, start_over_below=1),
            standby_mean_time(0.1, 1.0, 0.8, 0.02),
        ),
        (Fleet(3, 0.3, 1.0, start_over_below=2), k_of_n_mean_time(2, 3, 0.3, 1.0)),
    ],
)
def test_the_time_to_the_first_outage_agrees_with_the_chain(fleet: Fleet, predicted: float) -> None:
    found = times_to_outage(fleet.run(300 * predicted, seed=5).trace)
    assert len(found) > 200
    assert abs(Estimate.of_mean(found).z(predicted)) < 3


@pytest.mark.parametrize("crews", [1, 5])
def test_the_share_of_time_lost_depends_on_the_crews(crews: int) -> None:
    fleet = Fleet(5, 0.2, 1.0, crews=crews)
    found = Estimate.of_mean([outage_share(fleet.run(300, seed=seed).trace, 3, 300, since=20) for seed in range(12)])
    assert abs(found.z(1 - k_of_n_availability(3, 5, 0.2, 1.0, crews=crews))) < 3


def test_a_primary_with_a_hot_standby_loses_the_share_of_its_chain() -> None:
    rates = {"failure_rate": 0.05, "repair_rate": 0.5, "coverage": 0.8, "switch_rate": 6.0}
    fleet = Fleet(2, needed=1, dormant_rate=0.05, people_rate=0.5, crews=1, **rates)
    found = Estimate.of_mean([outage_share(fleet.run(1000, seed=seed).trace, 1, 1000, since=50) for seed in range(30)])
    assert abs(found.z(pair_unavailability(outage_repair_rate=0.5, **rates))) < 3


def test_an_outage_that_begins_before_the_window_counts_from_its_beginning() -> None:
    trace = Fleet(1, 1.0, 1.0).run(50, seed=3).trace
    whole = outage_share(trace, 1, 50.0) * 50
    first, second = outage_share(trace, 1, 20.0) * 20, outage_share(trace, 1, 50.0, since=20.0) * 30
    assert first + second == pytest.approx(whole)
