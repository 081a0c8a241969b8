"""The figures of the chapter on trends: how far more machines help, and what waits behind a poor link."""

from __future__ import annotations

from typing import Final

import numpy as np

from distlib.figures.figure import Frame
from distlib.figures.interactive import Dial, Interactive
from distlib.figures.plots import Note, frame_lines
from distlib.models.trends import amdahl_speed_up, backlog_mean, backlog_sf, best_machine_count, universal_speed_up

__all__ = ["link_dials", "scale_dials"]

MOST_MACHINES: Final = 200


def scale_dials(*, identifier: str) -> Interactive:
    """Return the speed-up against the number of machines, with dials for what is serial and what is agreed in pairs."""
    machines = np.arange(1, MOST_MACHINES + 1, 3)

    def draw(serial_percent: float, pair_per_million: int) -> Frame:
        serial, pair = serial_percent / 100, pair_per_million / 1e6
        best = min(best_machine_count(serial, pair), MOST_MACHINES)
        most = universal_speed_up(best, serial, pair)
        return frame_lines(
            {
                "serial only": (machines, amdahl_speed_up(machines, serial)),
                "agreement": (machines, universal_speed_up(machines, serial, pair)),
            },
            summary=f"{serial_percent:g} % serial, {pair_per_million} millionths for each pair: the most is "
            f"{most:.1f} times as fast, with {best:.0f} machines; the serial part alone would allow "
            f"{amdahl_speed_up(MOST_MACHINES, serial):.1f} times with {MOST_MACHINES}.",
            x_label="machines",
            y_label="times as fast",
            x_limits=(0, MOST_MACHINES),
            y_limits=(0, 80),
            notes=[Note("most", x=best)],
        )

    dials = [
        Dial("serial_percent", (1.0, 2.0, 5.0, 10.0), 2.0, "serial", "%"),
        Dial("pair_per_million", (0, 20, 100, 500), 100, "agreement in pairs", "millionths"),
    ]
    return Interactive(
        draw,
        dials,
        identifier=identifier,
        alt="Two curves of the speed-up against the number of machines: with a serial part it levels off, with "
        "agreement in pairs it falls again.",
        caption="How far more machines help. What one must do alone bounds the speed-up; what all must agree on in "
        "pairs turns it down.",
    )


def link_dials(*, identifier: str) -> Interactive:
    """Return the law of the backlog behind a link, with dials for how long it is down and how quick it is when up."""
    readings = np.linspace(0, 3000, 41)
    cycle = 360.0

    def draw(down_percent: int, link: int) -> Frame:
        down = cycle * down_percent / 100
        law = 100 * backlog_sf(readings, 10, link, cycle - down, down)
        mean = backlog_mean(10, link, cycle - down, down)
        beyond = 100 * backlog_sf(1000, 10, link, cycle - down, down)
        return frame_lines(
            {"backlog": (readings, law)},
            summary=f"The link is down for {down_percent} % of the time, {down:.0f} s at a time, and carries {link} "
            f"readings a second when up: {mean:.0f} wait in the mean, over 1,000 for {beyond:.2g} % of the time.",
            x_label="readings that wait",
            y_label="share of the time (%)",
            x_limits=(0, 3000),
            y_limits=(0, 60),
            notes=[Note("1,000", x=1000)],
        )

    dials = [
        Dial("down_percent", (5, 10, 17, 25, 33, 50), 17, "the link is down", "%"),
        Dial("link", (30, 40, 80, 200), 40, "it carries when up", "a second"),
    ]
    return Interactive(
        draw,
        dials,
        identifier=identifier,
        alt="The share of the time for which more than so many readings wait: a falling curve.",
        caption="What waits behind a link, for a device that takes ten readings a second. Up and down times are "
        "exponential and sum to six minutes in the mean.",
    )
