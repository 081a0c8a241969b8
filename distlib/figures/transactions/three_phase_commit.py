"""The interactive figures of the chapter on three-phase commit."""

from __future__ import annotations

import numpy as np

from distlib.experiments.transactions.three_phase_commit import banks, run_with, state_label
from distlib.figures.figure import Figure, Frame
from distlib.figures.interactive import Dial, Interactive
from distlib.figures.plots import Note, frame_lines
from distlib.figures.spacetime import spacetime
from distlib.models.latency import Exponential
from distlib.models.transactions.three_phase_commit import (
    inconsistency_probability,
    inconsistency_probability_with_coordinator,
    worst_precommit_probability,
)
from distlib.models.transactions.two_phase_commit import CommitTiming
from distlib.protocols.transactions.three_phase_commit import agreement, standings
from distlib.runtimes.faults import Partition

__all__ = ["risk_dials", "split_dial"]

MILLISECOND = 0.001
SIDES = ({"client", "coordinator", "p1"}, {"p2", "p3"})


def split_dial(timing: CommitTiming, *, seed: int, identifier: str) -> Interactive:
    """Return one commit with three banks, and a dial for the moment at which the network splits for good."""
    nodes = banks(3, patience_seconds=0.012)

    def draw(split_ms: float) -> Figure:
        run = run_with(
            timing, nodes, seed=seed, faults=[Partition(split_ms * MILLISECOND, groups=SIDES)], until_seconds=0.07
        )
        ended = standings(run.world)
        first, second = (
            sorted({ended[name].value for name in names}) for names in (("coordinator", "p1"), ("p2", "p3"))
        )
        verdict = "the sides agree" if agreement(run.world) else "the sides disagree"
        return spacetime(
            run.trace,
            names=["coordinator", "p1", "p2", "p3"],
            label=str,
            state=state_label,
            start_seconds=0.0,
            end_seconds=0.066,
            show_waits=True,
            alt=f"The network splits at {split_ms:g} ms. Coordinator and p1: {', '.join(first)}. "
            f"p2 and p3: {', '.join(second)}. So {verdict}.",
            caption="One moment of the split.",
        )

    values = tuple(np.arange(2.0, 13.5, 0.75).tolist())
    return Interactive(
        draw,
        [Dial("split_ms", values, 6.5, "the network splits at", "ms")],
        identifier=identifier,
        alt="A space-time diagram of a commit with three banks. The network splits between p1 and p2, for good.",
        caption="Coordinator and p1 on one side, p2 and p3 on the other. From the moment of the split on nothing "
        "passes. Nobody crashes. Whether the sides agree depends on that moment alone.",
    )


def risk_dials(*, identifier: str) -> Interactive:
    """Return how likely it is that the sides disagree, over the moment of the split."""
    times = np.linspace(0, 6, 61)
    law = Exponential(1.0)

    def draw(banks_count: int, side: float) -> Frame:
        arrived = law.cdf(times)
        dead = 100 * inconsistency_probability(banks_count, arrived, side)
        alive = 100 * inconsistency_probability_with_coordinator(banks_count, arrived, side)
        worst, probability = worst_precommit_probability(banks_count, side)
        return frame_lines(
            {"coordinator dead": (times, dead), "coordinator alive, on side 1": (times, alive)},
            summary=f"{banks_count} banks, each on side 1 with probability {side:g}: with the coordinator dead, the "
            f"sides disagree in {100 * probability:.0f} of 100 splits at the worst moment, when {100 * worst:.0f} % of "
            "the precommits have arrived.",
            x_label="time from the precommits to the split (ms)",
            y_label="splits that end in disagreement (%)",
            x_limits=(0, 6),
            y_limits=(0, 100),
            notes=[Note("worst", x=float(law.ppf(worst)))],
        )

    dials = [
        Dial("banks_count", (2, 3, 5, 8, 12, 20), 5, "banks"),
        Dial("side", (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9), 0.5, "probability of side 1"),
    ]
    return Interactive(
        draw,
        dials,
        identifier=identifier,
        alt="The probability that the two sides of a partition decide differently, over the moment of the split, "
        "with the coordinator dead and with the coordinator alive.",
        caption="Exponential legs of 1 ms in the mean. More banks make the disagreement likelier and earlier: it takes "
        "one bank with a precommit on one side, and none on the other.",
    )
