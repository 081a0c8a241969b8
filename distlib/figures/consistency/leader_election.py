"""The figures of the chapter on leader election: outages against their law, and its dials."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from distlib.broken.consistency.lease import TrustsItsClock
from distlib.experiments.consistency.lease import drifting_holders, lease_label, overlap_seconds
from distlib.figures import svg
from distlib.figures.chart import Chart
from distlib.figures.figure import Figure, Frame
from distlib.figures.interactive import Dial, Interactive
from distlib.figures.plots import Note, frame_lines
from distlib.figures.series import Series, check, draw_curve, sample
from distlib.figures.spacetime import spacetime
from distlib.models.consistency.leader_election import (
    ElectionTiming,
    OutageLaw,
    outage_seconds_mean,
    split_vote_probability,
)
from distlib.models.latency import Law
from distlib.protocols.consistency.lease import Holder

__all__ = ["election_dials", "lease_dial", "outages"]

MILLISECOND: Final = 0.001


def outages(
    simulated: Mapping[str, ArrayLike],
    predicted: Mapping[str, Law],
    *,
    x_limits: tuple[float, float],
    alt: str,
    caption: str,
    identifier: str | None = None,
) -> Figure:
    """Draw the share of outages that are over by a time, for several settings: simulated as steps, predicted as lines.

    Parameters
    ----------
    simulated
        For each setting its outages in seconds; infinite ones are never over.
    predicted
        For some settings, the law.
    x_limits
        The ends of the axis of time, in milliseconds; it is logarithmic.
    alt, caption, identifier
        See :class:`~distlib.figures.figure.Shown`.

    Returns
    -------
    Figure
    """
    legend = [(sample(index, "line", False), label) for index, label in enumerate(simulated)]
    if predicted:
        legend.append((svg.group([svg.segment((-12, 0), (12, 0), "ds-thin")], "ds-ink"), "predicted"))
    chart = Chart(
        560, 360, "time without a leader (ms)", "outages that are over by then (%)", x_limits, (0, 100), "log",
        legend=legend,
    )  # fmt: skip
    for index, (label, seconds) in enumerate(simulated.items()):
        ordered = np.sort(np.asarray(seconds, dtype=float)) / MILLISECOND
        count = len(ordered)
        shown = np.maximum(ordered[ordered <= x_limits[1]], x_limits[0])
        x = np.concatenate(([x_limits[0]], shown, [x_limits[1]]))
        y = 100 * np.concatenate((np.arange(len(shown) + 1), [len(shown)])) / count
        draw_curve(chart, check(Series(label, x, y, kind="steps")), index, markers=False)
    grid = np.geomspace(*x_limits, 241)
    for law in predicted.values():
        share = 100 * np.asarray(law.cdf(grid * MILLISECOND), dtype=float)
        chart.line(list(zip(grid.tolist(), share.tolist(), strict=True)), "ds-thin ds-ink")
    return Figure(chart.finish("Cumulative distributions"), alt=alt, caption=caption, identifier=identifier)


def election_dials(*, identifier: str) -> Interactive:
    """Return the law of the outage against the spread of the timeouts, the legs and the members."""
    times = np.linspace(0, 1000, 101)

    def timing(spread: int, delay: int, members: int) -> ElectionTiming:
        return ElectionTiming(
            members,
            150 * MILLISECOND,
            spread * MILLISECOND,
            delay * MILLISECOND,
            heartbeat_seconds=75 * MILLISECOND,
        )

    @cache
    def shares(spread: int, delay: int, members: int) -> NDArray[np.float64]:
        law = OutageLaw(timing(spread, delay, members), most_rounds=8)
        return 100 * np.asarray(law.cdf(times * MILLISECOND))

    def draw(spread: int, delay: int, members: int) -> Frame:
        chosen = timing(spread, delay, members)
        split = split_vote_probability(chosen)
        mean = outage_seconds_mean(chosen) / MILLISECOND
        curve = shares(spread, delay, members)
        late = np.flatnonzero(curve >= 99)
        slow = f"{times[late[0]]:.0f} ms or less" if len(late) else "more than 1,000 ms"
        return frame_lines(
            {"": (times, curve)},
            summary=f"{split:.2%} of the rounds split; {mean:.0f} ms without a leader in the mean, "
            f"99 outages in 100 take {slow}.",
            x_label="time since the leader's crash (ms)",
            y_label="outages that are over by then (%)",
            x_limits=(0, 1030),
            y_limits=(0, 100),
            notes=[Note("mean", x=mean)] if mean < 900 else [],
        )

    dials = [
        Dial("spread", (20, 30, 50, 75, 100, 150, 300), 30, "spread T", "ms"),
        Dial("delay", (1, 5, 15), 15, "leg d", "ms"),
        Dial("members", (3, 5, 9), 5, "members n"),
    ]
    return Interactive(
        draw,
        dials,
        identifier=identifier,
        alt="The share of outages that are over, over time, after the crash of a leader.",
        caption="Timeouts begin at 150 ms, heartbeats come every 75 ms. Each stair is a round: where the curve is "
        "flat, the vote has split and all wait for the next timeout. The law is that of rounds that begin anew.",
    )


def lease_dial(*, identifier: str) -> Interactive:
    """Return two holders of one lease, with a dial for how wrong the clocks are, and one for who allows for it."""
    kinds: dict[str, type[Holder]] = {"trusts its clock": TrustsItsClock, "allows for drift": Holder}

    def draw(drift: float, kind: str) -> Figure:
        run = drifting_holders(drift, holder_class=kinds[kind])
        both = overlap_seconds(run.trace)
        told = f"two nodes hold the lease for {both:.2f} s" if both else "at most one node holds the lease"
        return spacetime(
            run.trace,
            names=("a", "lock", "b"),
            label=str,
            state=lease_label,
            start_seconds=9.0,
            end_seconds=11.0,
            show_timers=False,
            alt=f"Clocks off by {drift:.1%}: {told}.",
            caption="One setting.",
        )

    dials = [
        Dial("drift", (0.0, 0.01, 0.02, 0.03, 0.04), 0.02, "clocks are wrong by", format=lambda share: f"{share:.0%}"),
        Dial("kind", tuple(kinds), "trusts its clock", "the holder"),
    ]
    return Interactive(
        draw,
        dials,
        identifier=identifier,
        alt="A space-time diagram of a holder, a lock and the next holder, from 9 to 11 s after the first request.",
        caption="The end of a lease of ten seconds, enlarged. The clock of `a` is slow, that of the lock fast.",
    )
