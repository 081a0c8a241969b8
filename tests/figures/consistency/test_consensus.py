"""Logs say what is in them, a run can be stepped through, and the dials show what the model predicts."""

from __future__ import annotations

import re

import pytest

from distlib.broken.consistency.consensus import CommitsByCounting
from distlib.experiments.consistency.consensus import SAFETY, figure_eight
from distlib.figures.consistency.consensus import latency_dials, log_dial, logs
from distlib.models.consistency.consensus import LogTiming, commit_latency_mean
from distlib.models.latency import Exponential
from distlib.protocols.consistency.consensus import Durable, Entry, Role, Server
from distlib.runtimes.exploration import explore


def test_a_log_shows_each_term_and_which_entries_are_committed() -> None:
    node = Server("s1", disk=Durable(3, None, (Entry(1), Entry(3))), role=Role.LEADER, commit_index=1)
    drawing = logs({"s1": node, "s2": Server("s2")}, alt="Two logs.", caption="Logs.").drawing
    words = re.findall(r">([^<>]+)</text>", drawing.body)
    entries = ["term 1", "committed", "term 3"]
    assert words == ["entry 1", "entry 2", "s1", "leader, term 3", *entries, "s2", "follower, term 0", "empty"]


def test_a_run_is_stepped_through_from_its_beginning_to_the_loss() -> None:
    found = explore(
        figure_eight(CommitsByCounting),
        always={"safe": SAFETY["state machine safety"]},
        stop_at_violation=True,
    )
    dial = log_dial(
        found.violations["safe"], notes={14: "Lost."}, default=14, alt="Logs.", caption="A run.", identifier="t"
    )
    assert dial.summary(step=0) == "This is where the story begins."
    assert dial.summary(step=1) == "s1 has waited long enough and stands for election."
    assert dial.summary(step=14) == "s3 receives “have 1” from s2. Lost."
    assert len({dial.frame(**settings).drawing.width for settings in dial}) == 1


@pytest.mark.parametrize(("servers", "factor"), [(2, 5), (3, 1), (4, 10), (5, 100), (7, 2)])
def test_the_dials_give_the_model_s_mean(servers: int, factor: int) -> None:
    legs = (Exponential(factor * 0.001), *[Exponential(0.001)] * (servers - 2))
    mean = 1000 * commit_latency_mean(LogTiming(legs, 0.001, 0.001))
    told = re.search(r"([\d.]+) ms in the mean", latency_dials(identifier="t").summary(servers=servers, factor=factor))
    assert told is not None
    assert float(told[1]) == pytest.approx(mean, abs=0.011)
