"""The bench of the voting register: what is counted on running nodes agrees with the models."""

from __future__ import annotations

import pytest

from distlib.estimates import Estimate
from distlib.experiments.consistency.staleness import (
    MISTAKES,
    count_stale_reads,
    measure,
    missed_versions,
    settled,
    sloppy_reads,
)
from distlib.models.consistency.staleness import (
    WORKLOADS,
    Legs,
    miss_probability,
    sloppy_miss_probability,
    stale_probability,
    versions_behind_probability,
)
from distlib.models.latency import Constant, Exponential
from distlib.node import Outcome
from distlib.protocols.consistency.voting import WriteBack

ANCHOR = Legs(Exponential(0.020), request=Exponential(0.002))
FOUR = Legs(Exponential(0.020), Exponential(0.005), Exponential(0.002), Exponential(0.003))


@pytest.mark.parametrize(
    ("legs", "quorums"),
    [
        (ANCHOR, (1, 1)),
        (ANCHOR, (2, 1)),
        (FOUR, (1, 2)),
        (WORKLOADS["LNKD-DISK"], (1, 1)),
        (WORKLOADS["YMMR"], (1, 1)),
    ],
)
def test_stale_reads_of_the_protocol_are_as_often_as_the_integral_says(legs: Legs, quorums: tuple[int, int]) -> None:
    count = sum(count_stale_reads(legs, 3, *quorums, 0.010, seed=seed, round_count=500) for seed in range(8))
    assert abs(Estimate.of_proportion(count, 4_000).z(float(stale_probability(3, *quorums, 0.010, legs)))) < 3


def test_overlapping_quorums_never_miss_a_write_that_is_over() -> None:
    assert count_stale_reads(FOUR, 3, 2, 2, 0.0, seed=1) == 0
    assert count_stale_reads(FOUR, 5, 3, 3, 0.0, seed=1) == 0


def test_writes_by_constant_legs_are_never_missed() -> None:
    legs = Legs(Constant(0.020), Exponential(0.005), Exponential(0.002), Exponential(0.003))
    assert count_stale_reads(legs, 3, 1, 1, 0.0, seed=1) == 0


def test_reads_of_random_quorums_are_behind_as_often_as_predicted() -> None:
    behind = [by for seed in range(40) for by in missed_versions(3, 1, 1, seed=seed)]
    for versions in (1, 2, 3):
        seen = Estimate.of_proportion(sum(by >= versions for by in behind), len(behind))
        assert abs(seen.z(versions_behind_probability(3, 1, 1, versions))) < 3
    assert sum(missed_versions(3, 2, 2, seed=1)) == 0
    assert miss_probability(3, 2, 2) == 0


@pytest.mark.parametrize(("quorums", "handed"), [((3, 1, 3), True), ((3, 2, 2), True), ((3, 1, 1), False)])
def test_sloppy_reads_miss_as_often_as_all_that_they_ask_were_down(quorums: tuple[int, ...], handed: bool) -> None:
    seen = [sloppy_reads(*quorums, 0.6, seed=seed) for seed in range(40)]
    missed = Estimate.of_proportion(sum(before for before, _ in seen), 2_000)
    assert abs(missed.z(sloppy_miss_probability(quorums[1], 0.6))) < 3
    # What W replicas have acknowledged for themselves and for others is where it belongs after the hand-off.
    assert (sum(after for _, after in seen) == 0) is handed


def test_a_write_under_way_is_read_and_then_not_over_sockets_unless_it_is_written_back() -> None:
    bare, mended = measure(WriteBack.NONE), measure(WriteBack.ALWAYS)
    assert [one.result for one in bare.history if one.process == "bob"] == [1, 0]
    assert not settled(bare)
    assert [one.result for one in mended.history if one.process == "bob"] == [1, 1]
    assert settled(mended)


def test_a_write_whose_client_was_killed_takes_effect_over_sockets() -> None:
    verdict = measure(WriteBack.ALWAYS, kill_writer=True)
    outcomes = {one.process: one.outcome for one in verdict.history}
    assert outcomes == {"alice": Outcome.UNKNOWN, "bob": Outcome.OK}
    assert [one.result for one in verdict.history if one.process == "bob"] == [1, 1]
    assert settled(verdict)


def test_mistakes_have_names_of_their_own() -> None:
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES) == 8
