"""The bench of the log: every crash at every byte, each mistake, real files, and redo against its model."""

import tempfile
from pathlib import Path

import pytest

from distlib.evidence import Estimate
from distlib.exercises.exercise import exercises_of
from distlib.exercises.transactions import log_based as exercises
from distlib.experiments.transactions.log_based import (
    FIRST_PAGES,
    MISTAKES,
    commit_latencies,
    crash_everywhere,
    log_table,
    measure_prefixes,
    moments,
    redo_counts,
    restart_at,
    run_instance,
    script,
    script_runs,
)
from distlib.models.latency import Exponential
from distlib.models.transactions.log_based import (
    distinct_redo_pages_mean,
    distinct_redo_pages_of,
    forced_commit_latency_mean,
    redo_records_mean,
    zipf_update_rates,
)
from distlib.protocols.transactions.log_based import winners


def test_the_script_moves_money_and_creates_none() -> None:
    machine = restart_at(((), FIRST_PAGES, 0))
    for _, step in script():
        step(machine)
    assert winners(machine.log) == ("t1", "t4")
    assert sum(values[0] for _, values in machine.values) == 300
    assert set(script_runs()) == {"t1", "t2", "t3", "t4"}
    assert len(log_table(machine).splitlines()) == len(machine.log) == 16


def test_recovery_from_a_log_that_ends_at_any_byte_has_all_the_money() -> None:
    found, totals = moments(), set()
    for size in range(len(found[-1].log) + 1):
        moment = [one for one in found if one.synced_bytes <= size <= len(one.log)][-1]
        machine = restart_at(moment.image(size))
        machine.finish()
        assert sum(values[0] for _, values in machine.values) == 300, size
        totals.add(sum(page.values[0] for _, page in moment.pages))
    assert totals == {250, 280, 290, 300}, "the pages of some moments lack money"


def test_no_crash_loses_what_is_committed_or_leaves_what_is_not() -> None:
    once = crash_everywhere(during_recovery=False)
    assert (once.images, once.recoveries, once.faults) == (949, 952, {})
    assert not crash_everywhere(during_recovery=False, segment_bytes=150, sector_bytes=16).faults


def test_no_crash_of_recovery_does_either_and_the_log_does_not_grow_with_it() -> None:
    again = crash_everywhere()
    assert (again.images, again.recoveries, again.longest_log) == (37_067, 2_992, 20)
    assert not again.faults


@pytest.mark.parametrize("mistake", MISTAKES)
def test_crashing_everywhere_catches_each_mistake(mistake: str) -> None:
    assert crash_everywhere(database_class=MISTAKES[mistake], stop_at_fault=True).faults


def test_without_a_checksum_a_torn_sector_is_read_as_if_it_were_sound() -> None:
    bare = crash_everywhere(checksum=lambda frame: 0, sector_bytes=8, during_recovery=False)
    assert bare.faults["wrong pages"] > 0
    assert bare.faults["recovery fails: ValueError"] > 0


def test_recovery_on_real_files_ends_as_on_the_simulated_disk() -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert measure_prefixes(Path(folder), (0, 160, 191, 192, 610)) == (5, 0)


def test_pages_that_a_restart_redoes_are_those_of_the_model() -> None:
    counts = [
        redo_counts(seed, page_count=100, updates_per_second=40, interval_seconds=5.0) for seed in range(1000, 2000)
    ]
    records, pages = (Estimate.of_mean(column) for column in zip(*counts, strict=True))
    assert abs(records.z(redo_records_mean(40, 5.0))) < 3
    assert abs(pages.z(distinct_redo_pages_mean(100, 40, 5.0))) < 3


def test_pages_that_a_restart_redoes_are_those_of_the_model_with_skew_too() -> None:
    counts = [
        redo_counts(seed, page_count=100, updates_per_second=40, interval_seconds=5.0, exponent=1.0)[1]
        for seed in range(1000, 2000)
    ]
    predicted = distinct_redo_pages_of(zipf_update_rates(100, 1.0, 40), 5.0)
    assert abs(Estimate.of_mean(counts).z(predicted)) < 3


def test_a_commit_on_one_server_takes_two_legs_and_its_steps_and_forces() -> None:
    # Two changes, 3 ms before each and before the commit; each page is written on the way, for two forces each.
    latencies = [commit_latencies(run_instance("one commits", seed=seed).trace)[0] for seed in range(200)]
    steps = 0.003 + 2 * (0.001 + 2 * 0.002)
    predicted = forced_commit_latency_mean(Exponential(0.001), 0.002) + steps
    assert abs(Estimate.of_mean(latencies).z(predicted)) < 3


@pytest.mark.parametrize("exercise", exercises_of(exercises).values(), ids=lambda each: each.identifier)
def test_exercises_accept_what_is_right_and_give_the_hint_for_what_is_not(exercise: object) -> None:
    assert all(exercise.hint(answer) is None for answer in exercise.right)
    for answer, part in exercise.wrong:
        assert part in (exercise.hint(answer) or "")
