"""Checkpoints: what each handler does, where the line lies, and which claims hold in every interleaving."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from distlib.broken.fault_tolerance.recovery_points import LateProcess
from distlib.experiments.fault_tolerance.recovery_points import checkpointing, run_checkpointing, small
from distlib.node import Save, Send
from distlib.protocols.fault_tolerance.recovery_points import (
    Checkpoint,
    Emit,
    Pacer,
    Process,
    Take,
    Work,
    equal_indices_are_consistent,
    is_consistent,
    line_reaches_common_index,
    recovery_line,
)
from distlib.runtimes.exploration import Verdict, explore
from distlib.runtimes.faults import Crash
from distlib.runtimes.simulation import simulate

CLAIMS = {"equal indices": equal_indices_are_consistent, "no domino": line_reaches_common_index}


def test_a_process_saves_a_checkpoint_before_it_receives_a_message_with_a_higher_index() -> None:
    node, _ = Process("p", induced=True).on_start(None)
    node, effects = node.on_message("q", Work(2))
    assert effects == (Save((Checkpoint(0), Checkpoint(2, induced=True))),)
    assert node.received == (("q", 1),)
    _, none = node.on_message("q", Work(2))
    assert none == ()


def test_an_uncoordinated_process_ignores_the_index() -> None:
    node, _ = Process("p").on_start(None)
    node, effects = node.on_message("q", Work(7))
    assert (node.index, effects) == (0, ())


def test_a_process_counts_what_it_sends_and_a_checkpoint_copies_the_counts() -> None:
    node, _ = Process("p").on_start(None)
    node, effects = node.on_message("pacer", Emit("q"))
    assert effects == (Send("q", Work(0)),)
    node, _ = node.on_message("pacer", Take())
    assert node.checkpoints[-1] == Checkpoint(1, sent=(("q", 1),))


def test_an_order_for_an_index_that_is_reached_is_ignored() -> None:
    node, _ = Process("p", induced=True).on_start(None)
    node, _ = node.on_message("pacer", Take(3))
    same, effects = node.on_message("pacer", Take(3))
    assert same is node
    assert effects == ()


def test_a_process_comes_back_with_its_last_checkpoint() -> None:
    saved = (Checkpoint(0), Checkpoint(1, sent=(("q", 2),), received=(("q", 1),)))
    node, effects = Process("p").on_start(saved)
    assert (node.sent, node.received, node.checkpoints, effects) == ((("q", 2),), (("q", 1),), saved, ())


def test_a_numbered_pacer_counts_its_rounds() -> None:
    pacer = Pacer("all", Take(), ("p", "q"), numbered=True, burst=2)
    _, effects = pacer.on_start(None)
    assert [(each.target, each.message.index) for each in effects if isinstance(each, Send)] == [
        ("p", 1), ("q", 1), ("p", 2), ("q", 2),
    ]  # fmt: skip


def latest_line_by_trying_all(taken: Mapping[str, Sequence[Checkpoint]]) -> dict[str, int]:
    """Return the line with the largest positions among all cuts."""
    cuts = [
        dict(zip(taken, places, strict=True))
        for places in itertools.product(*(range(len(each)) for each in taken.values()))
        if is_consistent({name: taken[name][place] for name, place in zip(taken, places, strict=True)})
    ]
    return max(cuts, key=lambda cut: sum(cut.values()))


@pytest.mark.parametrize("seed", range(12))
def test_the_line_is_the_latest_of_all_consistent_cuts(seed: int) -> None:
    run = run_checkpointing(0.1, 0.15, seed=seed, until_seconds=60, names=("p", "q", "r"), delay_seconds=1.0)
    taken = {name: run.saved[name] for name in ("p", "q", "r")}
    assert recovery_line(taken) == latest_line_by_trying_all(taken)


def test_without_messages_in_transit_the_line_lies_behind_or_equal() -> None:
    run = run_checkpointing(0.1, 0.2, seed=3, until_seconds=100)
    taken = {name: run.saved[name] for name in ("p", "q")}
    orphans, crossing = recovery_line(taken), recovery_line(taken, keeps_messages_in_transit=False)
    assert all(crossing[name] <= orphans[name] for name in taken)


@pytest.mark.parametrize(("scheme", "states"), [("induced", 12_904), ("coordinated", 9_634)])
def test_checkpoints_of_one_index_form_a_line_in_every_interleaving(scheme: str, states: int) -> None:
    found = explore(small(scheme), messages="fifo", always=CLAIMS).require_holds()  # type: ignore[arg-type]
    assert found.states == states


def test_uncoordinated_checkpoints_of_one_number_do_not() -> None:
    found = explore(small("uncoordinated"), messages="fifo", always=CLAIMS)
    assert (found.verdict, found.states) == (Verdict.VIOLATED, 9_826)
    assert {name: trace[-1].time_seconds for name, trace in found.violations.items()} == {
        "equal indices": 4, "no domino": 4,
    }  # fmt: skip


def test_a_checkpoint_after_the_message_is_caught() -> None:
    found = explore(small("induced", LateProcess), messages="fifo", always=CLAIMS)
    assert found.violations["equal indices"][-1].time_seconds == 3


def test_a_process_that_crashes_goes_on_from_its_last_checkpoint() -> None:
    nodes = checkpointing(messages=3, checkpoints=2)
    run = simulate(nodes, seed=1, faults=[Crash("p", 0.5, restart_after_seconds=0.1)], until_seconds=1.0)
    node = run.nodes["p"]
    assert isinstance(node, Process)
    assert (node.sent, node.received) == (run.saved["p"][-1].sent, run.saved["p"][-1].received)


def test_reference_values_are_in_the_data() -> None:
    table = json.loads(Path("tests/data/curriculum_values.json").read_text(encoding="utf-8"))
    rows = table if isinstance(table, list) else table["values"]
    assert {"2b.5", "2b.6", "2b.7", "2b.9"} <= {row["id"] for row in rows}
