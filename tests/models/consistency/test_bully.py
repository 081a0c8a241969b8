"""What the bully algorithm costs: reference values, limits, identities, and the count of runs."""

import json
import math
from pathlib import Path

import pytest

from distlib.experiments.consistency.leader_election import bully_messages
from distlib.models.consistency.bully import Messages, message_count, message_count_mean, messages

ROWS = json.loads((Path(__file__).parents[2] / "data" / "curriculum_values.json").read_text())
REFERENCE = {row["id"]: (row["value"], row["rtol"]) for row in ROWS}


def test_reference_values() -> None:
    for value, identifier in ((message_count_mean(5), "1a.2"), (message_count(10, 1), "1a.3")):
        expected, relative = REFERENCE[identifier]
        assert math.isclose(value, expected, rel_tol=relative)


@pytest.mark.parametrize("count", [2, 3, 6, 11])
def test_worst_best_and_mean_follow_from_the_single_starters(count: int) -> None:
    every = [message_count(count, rank) for rank in range(1, count)]
    assert max(every) == every[0] == count**2 - count - 1
    assert min(every) == every[-1] == count - 1
    assert message_count_mean(count) == pytest.approx(sum(every) / len(every), rel=1e-12)


@pytest.mark.parametrize("count", [2, 3, 5, 7])
def test_a_run_sends_what_is_predicted_for_every_starter(count: int) -> None:
    for rank in range(1, count):
        assert bully_messages(count, rank) == messages(count, rank)


def test_messages_add_up() -> None:
    assert Messages(10, 6, 3).total == 19


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: messages(1, 1), "`process_count` must be at least 2, got 1"),
        (lambda: messages(5, 5), r"`starter_rank` must be in \[1, 4\], got 5"),
        (lambda: message_count_mean(1), "`process_count` must be at least 2, got 1"),
    ],
)
def test_what_is_out_of_range_is_refused(call: object, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        call()
