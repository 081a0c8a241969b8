"""The figure that compares: six ways to commit, over any network, with any disk."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from distlib.figures.figure import Frame
from distlib.figures.interactive import Dial, Interactive
from distlib.figures.plots import draw_bars
from distlib.models.latency import Constant, LogNormal
from distlib.models.transactions.commit_latency import WAYS, Setting, commit_latency_mean

__all__ = ["SHORT", "latency_dials"]

SHORT: Final[Mapping[str, str]] = {
    "one place": "1 place",
    "two-phase commit": "2PC",
    "three-phase commit": "3PC",
    "Paxos Commit": "Paxos C.",
    "saga": "saga",
    "deterministic order": "order",
}
"""What the ways are called under a bar."""
SPREAD: Final = 0.3
EPOCH_MILLISECONDS: Final = 10.0


@cache
def _legs(way: str, participant_count: int) -> float:
    """Return the mean latency in median legs, without disks and epochs: it is in proportion to the leg."""
    return commit_latency_mean(way, Setting("", LogNormal(1.0, SPREAD), 0.0, participant_count, epoch_seconds=0.0))


@cache
def _forces(way: str, participant_count: int) -> float:
    """Return how many forced writes lie on the path, one after another."""
    return commit_latency_mean(way, Setting("", Constant(0.0), 1.0, participant_count, epoch_seconds=0.0))


def latency_dials(*, identifier: str) -> Interactive:
    """Return the mean latencies of the six ways, with dials for the network, the disk and the participants."""

    def latency(way: str, round_trip: float, force: float, participant_count: int) -> float:
        epoch = EPOCH_MILLISECONDS / 2 if way == "deterministic order" else 0.0
        legs = _legs(way, participant_count) * round_trip / 2
        return legs + _forces(way, participant_count) * force + epoch

    def draw(round_trip: float, force: float, participants: int) -> Frame:
        means = {way: latency(way, round_trip, force, participants) for way in WAYS}
        told = ", ".join(f"{way} {mean:.3g}" for way, mean in means.items())
        return Frame(
            draw_bars(
                [SHORT[way] for way in WAYS],
                {"mean": list(means.values())},
                x_label="way to commit",
                y_label="time to the commit point (ms)",
                y_scale="log",
                y_limits=(0.1, 3000),
            ),
            summary=f"Mean milliseconds for {participants} participants: {told}.",
        )

    dials = [
        Dial("round_trip", (0.5, 2.0, 10.0, 80.0, 200.0), 0.5, "round trip", "ms"),
        Dial("force", (0.1, 1.0, 10.0), 1.0, "forced write", "ms"),
        Dial("participants", (2, 5, 10), 5, "participants"),
    ]
    return Interactive(
        draw,
        dials,
        identifier=identifier,
        alt="Bars for six ways to commit: the mean time to the commit point, on a logarithmic scale.",
        caption="Mean time to the commit point. The round trip is a median of log-normal legs; an epoch of the order "
        "takes 10 ms; Paxos Commit and the order survive one crash.",
    )
