"""The interactive figures of the chapter on two-phase commit."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from distlib.experiments.transactions.two_phase_commit import bank, briefly, run_with, state_label
from distlib.figures.figure import Figure, Frame
from distlib.figures.interactive import Dial, Interactive
from distlib.figures.plots import Note, frame_lines
from distlib.figures.spacetime import spacetime
from distlib.models.latency import Constant, Law, LogNormal
from distlib.models.transactions.two_phase_commit import (
    CommitTiming,
    commit_latency_sf,
    naive_commit_latency,
)
from distlib.protocols.transactions.two_phase_commit import Participant, State
from distlib.runtimes.faults import Crash
from distlib.runtimes.simulation import Run

__all__ = ["crash_dial", "latency_dials"]

MILLISECOND = 0.001


def _leg(spread: float) -> Law:
    """Return a law with a mean of one millisecond whose logarithm has the deviation `spread`."""
    if spread == 0:
        return Constant(MILLISECOND)
    return LogNormal(MILLISECOND * math.exp(-(spread**2) / 2), spread)


def latency_dials(*, identifier: str) -> Interactive:
    """Return the law of the commit latency against the number of participants and the spread of the legs."""
    times = np.linspace(0, 25, 51)
    fine = np.concatenate((np.linspace(0, 60, 3001), np.geomspace(60.02, 6000, 2000)))

    @cache
    def late(spread: float) -> NDArray[np.float64]:
        """Return P(V > t) for one participant on the fine grid; that for n follows from it."""
        one = CommitTiming(1, _leg(spread), None, 1 * MILLISECOND, 2 * MILLISECOND)
        return commit_latency_sf(one, fine * MILLISECOND)

    def draw(participants: int, spread: float) -> Frame:
        all_late = 1 - (1 - late(spread)) ** participants
        mean = float(np.trapezoid(all_late, fine))
        slow = float(fine[np.argmax(all_late <= 0.01)])
        naive = naive_commit_latency(CommitTiming(1, _leg(spread), None, MILLISECOND, 2 * MILLISECOND)) / MILLISECOND
        series = {
            "one participant": (times, 100 * (1 - np.interp(times, fine, late(spread)))),
            "the slowest of all": (times, 100 * (1 - np.interp(times, fine, all_late))),
        }
        beyond = "" if slow <= times[-1] else " (off the scale)"
        with_s = "" if participants == 1 else "s"
        return frame_lines(
            series,
            summary=f"{participants} participant{with_s}: {mean:.1f} ms in the mean, "
            f"1 in 100 takes {slow:.1f} ms or more{beyond}; two delays and two writes would be {naive:.1f} ms.",
            x_label="time since the requests (ms)",
            y_label="transactions committed by then (%)",
            x_limits=(0, 25),
            y_limits=(0, 100),
            notes=[Note("mean", x=mean)],
        )

    dials = [
        Dial("participants", (1, 2, 3, 5, 8, 12, 16, 24, 32), 8, "participants"),
        Dial("spread", (0.0, 0.3, 0.6, 0.9, 1.2), 0.9, "spread σ of a leg"),
    ]
    return Interactive(
        draw,
        dials,
        identifier=identifier,
        alt="The share of transactions that have reached their commit point, over time: for one participant, for all.",
        caption="A leg takes 1 ms in the mean, whatever the dials say. More participants push the curve to the right, "
        "the more so the wider the legs are spread. At no spread, the number of participants does not matter.",
    )


def crash_dial(timing: CommitTiming, *, seed: int, identifier: str) -> Interactive:
    """Return one commit with three banks, and a dial for the moment at which the coordinator dies for good."""
    nodes = bank(3, patience_seconds=0.012)

    def draw(crash_ms: float) -> Figure:
        crash = Crash("coordinator", crash_ms * MILLISECOND)
        run = run_with(timing, nodes, seed=seed, faults=[crash], until_seconds=0.027)
        return spacetime(
            run.trace,
            label=briefly,
            state=state_label,
            start_seconds=0.0,
            end_seconds=0.027,
            alt=_ending(run, crash_ms),
            caption="One moment of the crash.",
        )

    values = tuple(np.arange(1.0, 13.0, 0.5).tolist())
    return Interactive(
        draw,
        [Dial("crash_ms", values, 6.0, "the coordinator dies at", "ms")],
        identifier=identifier,
        alt="A space-time diagram of a commit with three banks, in which the coordinator crashes for good.",
        caption="The same run, cut short at different moments. From the moment at which the requests leave until the "
        "decision does, all three banks end in doubt.",
    )


def _ending(run: Run, crash_ms: float) -> str:
    """Say in a sentence how the banks ended."""
    ends: dict[str, int] = {}
    for node in run.nodes.values():
        if isinstance(node, Participant):
            state = node.log.records[-1][1].state if node.log.records else None
            words = {None: "untouched", State.PREPARED: "in doubt"}.get(state, state.value if state else "")
            ends[words] = ends.get(words, 0) + 1
    counted = ", ".join(f"{count} {words}" for words, count in sorted(ends.items()))
    return f"The coordinator dies at {crash_ms:g} ms. Of the three banks: {counted}."
