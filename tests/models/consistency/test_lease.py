"""How long a lease may be relied on: reference value, limits, identities, and runs with clocks that drift."""

import json
import math
from pathlib import Path

import pytest

from distlib.estimates import Estimate
from distlib.experiments.consistency.lease import lease_margin_seconds, takeover_seconds
from distlib.models.consistency.lease import (
    overlap_seconds_most,
    takeover_seconds_mean,
    usable_lease_seconds,
    usable_share,
)

ROWS = json.loads((Path(__file__).parents[2] / "data" / "curriculum_values.json").read_text())
REFERENCE = {row["id"]: (row["value"], row["rtol"]) for row in ROWS}


def test_reference_value_of_the_usable_lease() -> None:
    expected, relative = REFERENCE["1a.11"]
    assert math.isclose(usable_lease_seconds(10.0, 200e-6), expected, rel_tol=relative)


def test_true_clocks_lose_nothing_and_the_loss_is_twice_the_drift_at_first() -> None:
    assert usable_lease_seconds(10.0, 0.0) == 10.0
    assert (10.0 - usable_lease_seconds(10.0, 1e-6)) / 10.0 == pytest.approx(2e-6, rel=1e-5)


@pytest.mark.parametrize("drift", [0.0, 1e-4, 0.05])
def test_the_usable_lease_is_the_longest_without_an_overlap(drift: float) -> None:
    usable = usable_lease_seconds(10.0, drift)
    assert overlap_seconds_most(usable, 10.0, drift) == pytest.approx(0.0, abs=1e-12)
    assert overlap_seconds_most(usable + 0.01, 10.0, drift) == pytest.approx(0.01 / (1 - drift), rel=1e-9)


@pytest.mark.parametrize(("holder_drift", "grantor_drift"), [(-0.02, 0.02), (0.02, -0.02), (0.0, 0.0), (-0.01, 0.02)])
def test_a_run_never_outlasts_the_promise_and_at_worst_only_a_leg_is_left(
    holder_drift: float, grantor_drift: float
) -> None:
    margin = lease_margin_seconds(
        lease_seconds=10, bound=0.02, holder_drift=holder_drift, grantor_drift=grantor_drift, delay_seconds=0.05
    )
    worst = (holder_drift, grantor_drift) == (-0.02, 0.02)
    assert margin == pytest.approx(0.05, abs=1e-9) if worst else margin > 0.05


def test_clocks_beyond_the_bound_overlap_by_what_is_predicted() -> None:
    margin = lease_margin_seconds(
        lease_seconds=10, bound=0.0, holder_drift=-0.02, grantor_drift=0.02, delay_seconds=0.05
    )
    assert 0.05 - margin == pytest.approx(overlap_seconds_most(10.0, 10.0, 0.02), rel=1e-9)


def test_a_takeover_takes_as_long_as_predicted() -> None:
    times = {"lease_seconds": 10.0, "renewal_seconds": 3.0, "poll_seconds": 2.0, "delay_seconds": 0.05}
    taken = Estimate.of_mean([takeover_seconds(seed=seed, **times) for seed in range(400)])
    lease = times.pop("lease_seconds")
    assert abs(taken.z(takeover_seconds_mean(lease, **times))) < 3


def test_the_usable_share_loses_a_round_trip_and_the_drift() -> None:
    assert usable_share(10.0, 0.0, 0.5) == pytest.approx(0.95)
    assert usable_share(10.0, 0.01, 0.5) < 0.95


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: usable_lease_seconds(0.0, 0.1), "`lease_seconds` must be finite and above 0, got 0.0"),
        (lambda: usable_lease_seconds(1.0, 1.0), r"`drift` must be in \[0, 1\), got 1.0"),
        (lambda: usable_share(1.0, 0.0, 2.0), r"`round_trip_seconds` must be in \[0, 1\], got 2.0"),
        (lambda: takeover_seconds_mean(1.0, renewal_seconds=2.0, poll_seconds=1.0, delay_seconds=0.0),
         r"`renewal_seconds` must be in \(0, 1\], got 2.0"),
        (lambda: takeover_seconds_mean(1.0, renewal_seconds=1.0, poll_seconds=0.0, delay_seconds=0.0),
         "`poll_seconds` must be finite and above 0, got 0.0"),
        (lambda: takeover_seconds_mean(1.0, renewal_seconds=1.0, poll_seconds=1.0, delay_seconds=-1.0),
         "`delay_seconds` must be finite and at least 0, got -1.0"),
    ],
)  # fmt: skip
def test_what_is_out_of_range_is_refused(call: object, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        call()
