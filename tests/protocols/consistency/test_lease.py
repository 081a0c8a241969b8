"""The lease with fencing tokens: its handlers, clocks that drift, a holder that stands still, broken variants."""

import pytest

from distlib.broken.consistency.lease import CountsFromTheAnswer, FencesOnlyWrites, GuilelessResource, TrustsItsClock
from distlib.experiments.consistency.lease import (
    drifting_holders,
    lease_margin_seconds,
    overlap_seconds,
    paused_holder,
    two_clients,
)
from distlib.node import CancelTimer, ReadClock, Save, Send, SetTimer
from distlib.protocols.consistency.lease import (
    Acquire,
    Current,
    Done,
    Grant,
    Grantor,
    Holder,
    Read,
    Refused,
    Resource,
    Write,
    no_lost_update,
    one_holder,
)
from distlib.runtimes.exploration import Verdict, explore

LEASE = SetTimer("lease", (10.0, 10.0))
HOLDER = Holder("lock", "store")


def holding(token: int = 1) -> Holder:
    return HOLDER.ask()[0].on_clock(("granted", token), 0.0)[0]


# ------------------------------------------------------------------------------------------------------------- grantor


def test_a_token_is_durable_before_it_is_given_out_and_each_new_holder_gets_a_higher_one() -> None:
    node, effects = Grantor().on_message("a", Acquire(1))
    assert effects == (Save(1), LEASE, Send("a", Grant(1, 1)))
    assert node.on_message("b", Acquire(1)) == (node, ())
    free, _ = node.on_timer("lease")
    assert free.on_message("b", Acquire(2))[1] == (Save(2), LEASE, Send("b", Grant(2, 2)))


def test_a_renewal_keeps_the_token_and_starts_the_promise_anew() -> None:
    node, _ = Grantor().on_message("a", Acquire(1))
    assert node.on_message("a", Acquire(2)) == (node, (LEASE, Send("a", Grant(2, 1))))


def test_a_grantor_that_restarts_waits_for_a_whole_lease() -> None:
    node, effects = Grantor().on_start(4)
    assert effects == (LEASE,)
    assert node.on_message("a", Acquire(1)) == (node, ())
    free, _ = node.on_timer("lease")
    assert free.on_message("a", Acquire(2))[1][0] == Save(5)


# -------------------------------------------------------------------------------------------------------------- holder


def test_a_holder_reads_its_clock_before_the_request_leaves() -> None:
    assert HOLDER.ask()[1] == (ReadClock("asked"), Send("lock", Acquire(1)), SetTimer("ask", (3.0, 3.0)))


def test_the_lease_counts_from_the_sending_and_allows_for_drift() -> None:
    node, _ = Holder("lock", "store", drift=0.25).ask()
    node, _ = node.on_clock("asked", 100.0)
    node, effects = node.on_clock(("granted", 1), 101.5)
    assert node.holds
    assert effects == (SetTimer("expire", (4.5, 4.5)), Send("store", Read(1)))  # 10 · 0.75 / 1.25 - 1.5


def test_an_answer_that_comes_too_late_or_to_an_earlier_request_is_worth_nothing() -> None:
    node, _ = HOLDER.ask()
    assert node.on_clock(("granted", 1), 10.0) == (node, ())
    later, _ = node.ask()
    assert later.on_message("lock", Grant(1, 1)) == (later, ())


def test_a_holder_that_expires_drops_what_it_worked_on() -> None:
    node, _ = holding().on_message("store", Current(1, 7))
    node, effects = node.on_timer("expire")
    assert (node.holds, node.value, effects) == (False, None, (CancelTimer("work"),))
    assert node.on_timer("work") == (node, ())


def test_a_refused_holder_knows_that_it_holds_no_more() -> None:
    node, _ = holding().on_message("store", Refused(1))
    assert (node.holds, node.refusals) == (False, 1)


def test_a_holder_counts_up() -> None:
    node, effects = holding().on_message("store", Current(1, 7))
    assert effects == (SetTimer("work", (1.0, 1.0)),)
    assert node.on_timer("work")[1] == (Send("store", Write(1, 8)),)


# ------------------------------------------------------------------------------------------------------------ resource


def test_a_resource_refuses_tokens_below_the_highest_that_it_has_seen_in_a_read_or_a_write() -> None:
    node, effects = Resource(value=5).on_message("b", Read(2))
    assert effects == (Send("b", Current(2, 5)),)
    assert node.on_message("a", Write(1, 6)) == (node, (Send("a", Refused(1)),))
    written, effects = node.on_message("b", Write(2, 6))
    assert (written.value, written.accepted, effects) == (6, 1, (Send("b", Done(2)),))


# ----------------------------------------------------------------------------------------------------------- in a run


@pytest.mark.parametrize("drift", [0.0, 0.001, 0.02])
def test_at_most_one_holds_while_clocks_keep_to_the_bound(drift: float) -> None:
    run = drifting_holders(drift)
    assert overlap_seconds(run.trace) == 0.0
    assert run.nodes["b"].token == 2


@pytest.mark.parametrize("holder_class", [TrustsItsClock, CountsFromTheAnswer])
def test_a_holder_that_is_careless_about_time_holds_on_too_long(holder_class: type[Holder]) -> None:
    margin = lease_margin_seconds(
        lease_seconds=10, bound=0.001, holder_drift=-0.001, grantor_drift=0.001, delay_seconds=0.005,
        holder_class=holder_class,
    )  # fmt: skip
    assert margin < -0.004


def test_no_bound_on_clocks_helps_a_holder_that_stands_still_but_the_token_does() -> None:
    fenced, unfenced = paused_holder(Resource()), paused_holder(GuilelessResource())
    assert no_lost_update(fenced.world)
    assert fenced.nodes["a"].refusals == 1
    assert not no_lost_update(unfenced.world)


# -------------------------------------------------------------------------------------------------------- explorations


def test_two_may_hold_where_time_is_not_bounded_and_no_update_is_lost_all_the_same() -> None:
    found = explore(
        two_clients(),
        losses=None,
        clock_readings=(0.0,),
        always={"one holder": one_holder, "no lost update": no_lost_update},
    )
    assert list(found.violations) == ["one holder"]
    assert (found.states, found.bound) == (1715, None)
    assert found.violations["one holder"][-1].time_seconds == 7


def test_no_update_is_lost_if_the_grantor_crashes() -> None:
    found = explore(
        two_clients(), clock_readings=(0.0,), crashes={"lock": 1}, always={"no lost update": no_lost_update}
    )
    assert found.require_holds().states == 3023


@pytest.mark.parametrize("resource", [GuilelessResource(), FencesOnlyWrites()])
def test_a_resource_that_does_not_check_loses_an_update(resource: Resource) -> None:
    found = explore(two_clients(resource=resource), clock_readings=(0.0,), always={"no lost update": no_lost_update})
    assert found.verdict is Verdict.VIOLATED
    assert found.violations["no lost update"][-1].time_seconds == 15
