"""The figures of the chapter on common questions: all answers on one page, and a dial through those that are curves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Protocol

import numpy as np

from distlib.figures.figure import Frame
from distlib.figures.interactive import Dial, Interactive
from distlib.figures.plots import Note, Series, frame_lines
from distlib.figures.table import Table, matrix
from distlib.models.availability import downtime_minutes_per_year, k_of_n_unavailability
from distlib.models.background import slow_page_probability
from distlib.models.fault_tolerance.failure_detector import (
    HeartbeatPlan,
    detection_time_bound,
    mistake_recurrence_mean,
)
from distlib.models.fault_tolerance.redundancy import duplex_mean_time
from distlib.models.latency import Constant, Exponential, Law, Pareto
from distlib.models.queueing import waiting_seconds_mean
from distlib.models.transactions.two_phase_commit import CommitTiming, commit_latency_mean
from distlib.models.trends import best_machine_count, universal_speed_up

__all__ = ["answer_sheet", "question_dial"]

MILLISECOND: Final = 0.001
TONES: Final = {"yes": "good", "no": "bad"}


class _Answer(Protocol):
    """What a row of the sheet shows."""

    @property
    def question(self) -> str: ...
    @property
    def verdict(self) -> str: ...
    @property
    def computed(self) -> str: ...
    @property
    def chapter(self) -> str: ...


def answer_sheet(answers: Iterable[_Answer], *, identifier: str) -> Table:
    """Return all answers as a table: the question, the answer, what was computed, the chapter.

    Parameters
    ----------
    answers
        In the order of the rows; at least one.
    identifier
        See :class:`~distlib.figures.figure.Shown`.
    """
    rows = list(answers)
    counts = {word: sum(one.verdict == word for one in rows) for word in TONES}
    return matrix(
        [one.question for one in rows],
        ["answer", "computed", "chapter"],
        [[(one.verdict, TONES.get(one.verdict, "calm")), one.computed, one.chapter] for one in rows],
        corner="question",
        identifier=identifier,
        caption=f"{len(rows)} questions, each with its answer, what was computed for it, and where there is more.",
        alt=f"A table of {len(rows)} questions. {counts['no']} are answered with no, {counts['yes']} with yes, "
        "the others with a few words; each has a number that a cell above computed.",
    )


def question_dial(*, identifier: str) -> Interactive:
    """Return the questions whose answers are curves, one a position of the dial."""

    def draw(question: str) -> Frame:
        return CURVES[question]()

    return Interactive(
        draw,
        [Dial("question", tuple(CURVES), next(iter(CURVES)), "question")],
        identifier=identifier,
        alt="One figure for each question: the curve that answers it, with the usual case marked.",
        caption="Each position of the dial is a question; its curve is computed by the models of the chapter that the "
        "question comes from.",
    )


def _servers() -> Frame:
    def minutes(n: int) -> float:
        return float(downtime_minutes_per_year(k_of_n_unavailability(n // 2 + 1, n, 0.01)))

    odd, even = (1, 3, 5, 7, 9), (2, 4, 6, 8)
    return frame_lines(
        [Series("odd", odd, [minutes(n) for n in odd]), Series("even", even, [minutes(n) for n in even])],
        summary=f"Five servers are without a majority for {minutes(5):.1f} minutes a year, six for {minutes(6):.1f}, "
        "if each is up for 99 % of the time.",
        x_label="servers",
        y_label="without a majority (minutes a year)",
        x_limits=(1, 9),
        y_limits=(1e-3, 1e5),
        y_scale="log",
    )


def _patience() -> Frame:
    plans = [HeartbeatPlan(1.0, margin, 0.01, Exponential(0.02)) for margin in np.arange(0.1, 4, 0.05)]
    days = [mistake_recurrence_mean(plan) / 86_400 for plan in plans]
    usual = mistake_recurrence_mean(HeartbeatPlan(1.0, 2.5, 0.01, Exponential(0.02))) / 86_400
    return frame_lines(
        {"1 % lost": ([detection_time_bound(plan) for plan in plans], days)},
        summary=f"Who waits for three heartbeats in a row is wrong every {usual:.0f} days, and notices a crash within "
        "3.5 s.",
        x_label="a crash is noticed within (s)",
        y_label="time between mistakes (days)",
        x_limits=(1, 5),
        y_limits=(1e-4, 1e4),
        y_scale="log",
        notes=[Note("three in a row", x=3.5)],
    )


def _pair() -> Frame:
    failing = np.geomspace(1e-5, 0.3, 60)
    tested = duplex_mean_time(1e-3, 1.0, 0.99)
    return frame_lines(
        {"a pair": (failing, [duplex_mean_time(1e-3, 1.0, 1 - share) for share in failing])},
        summary=f"If one switch in 100 fails, a pair of machines that each fail once in 1,000 h lasts {tested:,.0f} h, "
        f"a tenth of the {duplex_mean_time(1e-3, 1.0):,.0f} h with a switch that always works.",
        x_label="share of the switches that fail",
        y_label="mean time to the first outage (h)",
        x_limits=(1e-5, 0.3),
        y_limits=(500, 1e6),
        x_scale="log",
        y_scale="log",
        notes=[Note("1 in 100", x=0.01), Note("one machine", y=1000)],
    )


def _page() -> Frame:
    parts = np.unique(np.round(np.logspace(0, 3, 61)))
    return frame_lines(
        {"slow pages": (parts, 100 * slow_page_probability(0.01, parts))},
        summary=f"If one part in 100 is slow, {100 * slow_page_probability(0.01, 100):.0f} % of the pages of 100 parts "
        "are.",
        x_label="parts of a page",
        y_label="pages that are slow (%)",
        x_limits=(1, 1000),
        y_limits=(0, 100),
        x_scale="log",
        notes=[Note("100 parts", x=100)],
    )


def _busy() -> Frame:
    loads = np.linspace(2, 95, 94)
    laws: dict[str, Law] = {"jobs that vary": Exponential(0.010), "jobs all alike": Constant(0.010)}
    at_80 = waiting_seconds_mean(80, Exponential(0.010)) / MILLISECOND
    return frame_lines(
        {
            name: (loads, [waiting_seconds_mean(load, law) / MILLISECOND for load in loads])
            for name, law in laws.items()
        },
        summary=f"A job of 10 ms waits for {at_80:.0f} ms if the machine is busy for 80 % of the time.",
        x_label="busy (%)",
        y_label="mean wait (ms)",
        x_limits=(0, 100),
        y_limits=(0, 200),
        notes=[Note("80 %", x=80)],
    )


def _commit() -> Frame:
    counts = [1, 2, 4, 8, 16, 32]
    laws: dict[str, Law] = {
        "constant": Constant(MILLISECOND),
        "exponential": Exponential(MILLISECOND),
        "Pareto": Pareto(0.375 * MILLISECOND, 1.6),
    }

    def mean(n: int, law: Law) -> float:
        return commit_latency_mean(CommitTiming(n, law, None, MILLISECOND, 2 * MILLISECOND)) / MILLISECOND

    curves = {name: [mean(n, law) for n in counts] for name, law in laws.items()}
    return frame_lines(
        {name: (counts, means) for name, means in curves.items()},
        summary=f"Among 32 it takes {curves['exponential'][-1]:.1f} ms with exponential legs and "
        f"{curves['Pareto'][-1]:.1f} ms with heavy-tailed ones, of 1 ms in the mean each; without spread 5 ms.",
        x_label="participants",
        y_label="mean time to the commit point (ms)",
        x_limits=(1, 32),
        y_limits=(0, 18),
        x_scale="log",
    )


def _machines() -> Frame:
    counts = np.linspace(1, 300, 150)
    best = best_machine_count(0.02, 1e-4)
    return frame_lines(
        {
            "2 % serial": (counts, universal_speed_up(counts, 0.02, 0.0)),
            "and pairs": (counts, universal_speed_up(counts, 0.02, 1e-4)),
        },
        summary=f"With 2 % of the work serial and 0.01 % agreed on in pairs, {best:.0f} machines are quickest: "
        f"{universal_speed_up(best, 0.02, 1e-4):.0f} times as quick as one.",
        x_label="machines",
        y_label="times as quick as one",
        x_limits=(0, 300),
        y_limits=(0, 50),
        notes=[Note("most", x=best)],
    )


CURVES: Final[dict[str, Callable[[], Frame]]] = {
    "How many nines do two machines give me?": _pair,
    "Do six servers survive more than five?": _servers,
    "How long should a timeout be?": _patience,
    "Is a commit two round trips?": _commit,
    "Why is the p99 of my page so bad?": _page,
    "How busy may a machine be?": _busy,
    "Will twice as many machines be twice as fast?": _machines,
}
