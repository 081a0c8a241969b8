"""What the bench reads off runs with leases."""

from dataclasses import replace

import pytest

from distlib.broken.consistency.lease import GuilelessResource, TrustsItsClock
from distlib.experiments.consistency.lease import (
    drifting_holders,
    lease_label,
    lease_margin_seconds,
    measure_paused_holder,
    overlap_seconds,
    paused_holder,
    takeover_seconds,
)
from distlib.models.consistency.lease import overlap_seconds_most
from distlib.protocols.consistency.lease import Grantor, Holder, Resource


def test_an_overlap_is_measured_in_true_time() -> None:
    run = drifting_holders(0.02, holder_class=TrustsItsClock)
    held_until = 10.0 / (1 - 0.02)
    begins = 9.83 + 0.05 + 0.05  # `b` asks, and a leg later its promise, and another leg later its answer
    assert overlap_seconds(run.trace) == pytest.approx(held_until - begins, rel=1e-9)
    assert overlap_seconds(run.trace) < overlap_seconds_most(10.0, 10.0, 0.02)


def test_the_reading_of_a_clock_does_not_matter() -> None:
    margin = lease_margin_seconds(lease_seconds=10, bound=0.0, holder_drift=0.0, grantor_drift=0.0, delay_seconds=0.05)
    assert margin == pytest.approx(0.05, abs=1e-9)


def test_a_holder_that_stood_still_is_refused_or_overwrites() -> None:
    assert paused_holder(Resource()).nodes["store"].value == 1
    unfenced = paused_holder(GuilelessResource()).nodes["store"]
    assert (unfenced.value, unfenced.accepted) == (1, 2)


@pytest.mark.parametrize(("resource", "writes"), [(Resource(), (1, 1)), (GuilelessResource(), (2, 1))])
def test_a_stopped_process_is_refused_or_overwrites_over_sockets(resource: Resource, writes: tuple[int, int]) -> None:
    assert measure_paused_holder(resource) == writes


def test_a_takeover_waits_for_the_promise_to_end() -> None:
    taken = takeover_seconds(lease_seconds=10, renewal_seconds=3, poll_seconds=2, delay_seconds=0.05, seed=1)
    assert 10 - 3 <= taken <= 10 + 2 + 0.2


def test_lanes_say_who_holds_what() -> None:
    assert lease_label(Holder("lock", "store")) is None
    assert lease_label(Holder("lock", "store", holds=True, token=2)) == ("holds 2", "good")
    assert lease_label(replace(Grantor(), holder="a")) == ("promised to a", "calm")
    assert lease_label(Resource(value=1, accepted=2)) == ("lost", "bad")
    assert lease_label(Resource(value=1, accepted=1)) == ("1 after 1 write", "calm")
    assert lease_label(Resource()) is None
