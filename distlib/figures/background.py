"""The figures of the chapter on the background: dials for pages of many parts, and for a line that people wait in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from distlib.figures.figure import Frame
from distlib.figures.interactive import Dial, Interactive
from distlib.figures.plots import Note, frame_lines
from distlib.models.background import slow_page_probability, slow_part_probability
from distlib.models.latency import Constant, Exponential, Law, LogNormal
from distlib.models.queueing import multi_server_response_seconds_mean, response_seconds_mean

__all__ = ["line_dials", "page_dials"]

PART: Final = LogNormal(0.010, 0.8)
SERVICE_MILLISECONDS: Final = 10.0
MOST_STAY: Final = 20.0  # service times; the figure ends there


def page_dials(*, identifier: str) -> Interactive:
    """Return the share of slow pages against the number of parts, with dials for what is slow and how many parts."""
    counts = np.unique(np.round(np.logspace(0, 3, 61)))
    hedge = float(PART.ppf(0.95))

    def draw(one_in: int, part_count: int) -> Frame:
        limit = float(PART.ppf(1 - 1 / one_in))
        hedged = slow_part_probability(PART, limit, hedge_seconds=hedge)
        shares = [100 * slow_page_probability(chance, part_count) for chance in (1 / one_in, hedged)]
        return frame_lines(
            {
                "asked once": (counts, 100 * slow_page_probability(1 / one_in, counts)),
                "asked again at the p95": (counts, 100 * slow_page_probability(hedged, counts)),
            },
            summary=f"One part in {one_in:,} is slow (over {1000 * limit:.0f} ms). Of pages with {part_count:,} "
            f"{'part' if part_count == 1 else 'parts'}, {shares[0]:.3g} % are slow; if a second server is asked after "
            f"{1000 * hedge:.0f} ms, {shares[1]:.3g} %.",
            x_label="parts of a page",
            y_label="pages that are slow (%)",
            x_limits=(1, 1100),
            y_limits=(0, 100),
            x_scale="log",
            notes=[Note(f"{part_count:,}", x=part_count)],
        )

    dials = [
        Dial("one_in", (20, 100, 1000, 10_000), 100, "of the parts, slow is one in"),
        Dial("part_count", (1, 10, 30, 100, 300, 1000), 100, "parts of a page"),
    ]
    return Interactive(
        draw,
        dials,
        identifier=identifier,
        alt="The share of slow pages against the number of parts, asked for once, and with a second request.",
        caption="What is rare in a part is common in a page. The second request goes out once a part has taken "
        "longer than 19 of 20 do, so it adds at most a twentieth to the load.",
    )


def line_dials(*, identifier: str) -> Interactive:
    """Return how long a job stays against how busy the workers are, with dials for the load and for their number."""
    grid = np.linspace(0.02, 0.98, 97).tolist()
    service = SERVICE_MILLISECONDS / 1000

    def together(share: float, worker_count: int) -> float:
        return multi_server_response_seconds_mean(worker_count, share * worker_count / service, service) / service

    def alone(share: float, law: Law) -> float:
        return response_seconds_mean(share / service, law) / service

    def curve(stay: Callable[[float], float]) -> tuple[list[float], list[float]]:
        """Return the part of a curve that fits into the figure."""
        points = [(share, stay(share)) for share in grid]
        shown = [(share, times) for share, times in points if times <= MOST_STAY]
        return [share for share, _ in shown], [times for _, times in shown]

    def draw(percent: int, worker_count: int) -> Frame:
        share = percent / 100
        here = together(share, worker_count)
        name = "1 worker" if worker_count == 1 else f"{worker_count} workers, one line"
        return frame_lines(
            {
                name: curve(lambda each: together(each, worker_count)),
                "equal jobs": curve(lambda each: alone(each, Constant(service))),
            },
            summary=f"Busy for {percent} % of the time: a job of {SERVICE_MILLISECONDS:.0f} ms stays for "
            f"{here * SERVICE_MILLISECONDS:.3g} ms, {here:.3g} times as long as it takes. One worker alone: "
            f"{alone(share, Exponential(service)):.3g} times; with equal jobs {alone(share, Constant(service)):.3g}.",
            x_label="share of the time for which a worker is busy",
            y_label="stay, in service times",
            x_limits=(0, 1),
            y_limits=(0, MOST_STAY),
            notes=[Note(f"{percent} %", x=share)],
        )

    dials = [
        Dial("percent", (10, 30, 50, 70, 80, 90, 95), 90, "busy", "%"),
        Dial("worker_count", (1, 2, 5, 10, 20), 1, "workers with one line"),
    ]
    return Interactive(
        draw,
        dials,
        identifier=identifier,
        alt="The mean stay against the load, for a number of workers with one line, and for one with equal jobs.",
        caption="The last tenth of a machine is the dearest. Arrivals are Poisson, jobs exponential unless they are "
        "all alike; a stay is waiting and work together.",
    )
