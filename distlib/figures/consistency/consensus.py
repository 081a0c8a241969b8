"""The figures of the chapter on consensus: logs as rows of terms, and two figures with dials."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from distlib.figures import svg
from distlib.figures.figure import Figure, Frame
from distlib.figures.interactive import Dial, Interactive
from distlib.figures.plots import frame_lines
from distlib.figures.svg import Drawing
from distlib.models.consistency.consensus import LogTiming, commit_latency_sf, majority
from distlib.models.latency import Exponential
from distlib.protocols.consistency.consensus import Role, Server
from distlib.runtimes.trace import Event, Kind, Trace

__all__ = ["draw_logs", "latency_dials", "log_dial", "logs"]

MILLISECOND = 0.001

Floats = NDArray[np.float64]

_WIDTH: Final = 700.0
_LEFT: Final = 150.0  # where the first entry begins
_WIDEST: Final = 150.0
_GAP: Final = 8.0
_ROW: Final = 52.0
_TOP: Final = 34.0


def draw_logs(servers: Mapping[str, Server], *, columns: int | None = None) -> Drawing:
    """Return the drawing of :func:`logs`.

    Parameters
    ----------
    servers
        By name, in the order of the rows.
    columns
        How many entries there is room for; by default as many as there are.
    """
    count = columns or max([1, *(node.disk.last_index for node in servers.values())])
    cell = min(_WIDEST, (_WIDTH - _LEFT) / count)
    parts = [
        svg.text(_LEFT + (column + 0.5) * cell - _GAP / 2, 18, f"entry {column + 1}", "ds-small ds-soft ds-m")
        for column in range(count)
    ]
    tones = {Role.FOLLOWER: "ds-calm", Role.CANDIDATE: "ds-wait", Role.LEADER: "ds-accent"}
    for row, (name, node) in enumerate(servers.items()):
        top = _TOP + row * _ROW
        words = [
            svg.text(2, top + 16, name, "ds-strong ds-ink"),
            svg.text(2, top + 33, f"{node.role.value}, term {node.disk.term}", "ds-small"),
        ]
        parts.append(svg.group(words, tones[node.role]))
        for index in range(1, node.disk.last_index + 1):
            parts.append(_entry(node, index, _LEFT + (index - 1) * cell, top, cell - _GAP))
        if not node.disk.last_index:
            parts.append(svg.text(_LEFT, top + 25, "empty", "ds-small ds-soft"))
    return Drawing(_WIDTH, _TOP + len(servers) * _ROW, tuple(parts), "Logs")


def _entry(node: Server, index: int, left: float, top: float, width: float) -> str:
    """Draw an entry: its term, in a full frame where the server takes it for committed, in a dashed one where not."""
    committed = index <= node.commit_index
    kinds = ["ds-blank", "ds-tint", "ds-line"] if committed else ["ds-blank", "ds-line ds-dash"]
    frames = [svg.rectangle(left, top + 2, width, _ROW - 14, kind, corner=4) for kind in kinds]
    term = node.disk.term_at(index)
    parts = [
        *frames,
        svg.text(left + width / 2, top + 18, f"term {term}", "ds-small ds-ink ds-m"),
        svg.text(left + width / 2, top + 33, "committed" if committed else "", "ds-small ds-m"),
    ]
    return svg.group(parts, f"ds-{(term - 1) % 6 + 1}")


def logs(servers: Mapping[str, Server], *, alt: str, caption: str, identifier: str | None = None) -> Figure:
    """Draw the logs of servers, each a row of entries with their terms; a full frame is committed.

    Parameters
    ----------
    servers
        By name, in the order of the rows.
    alt, caption, identifier
        See :class:`~distlib.figures.figure.Shown`.

    Examples
    --------
    >>> from distlib.protocols.consistency.consensus import Durable, Entry
    >>> logs({"s1": Server("s1", disk=Durable(1, None, (Entry(1),)))}, alt="s1 has an entry.", caption="A log.")
    [Figure: s1 has an entry.]
    """
    return Figure(draw_logs(servers), alt=alt, caption=caption, identifier=identifier)


def servers_after(trace: Trace, step: float) -> dict[str, Server]:
    """Return each server as it is after a step of an exploration's trace."""
    found = {}
    for name in trace.names:
        states = [node for time_seconds, node in trace.states(name) if time_seconds <= step]
        if states and isinstance(states[-1], Server):
            found[name] = states[-1]
    return found


def told(event: Event) -> str:
    """Say in a sentence what a step was."""
    match event.kind:
        case Kind.DELIVER:
            return f"{event.node} receives “{event.value}” from {event.peer}."
        case Kind.TIMER:
            return f"{event.node} has waited long enough and stands for election."
        case Kind.CRASH:
            return f"{event.node} crashes."
        case _:
            return f"{event.node} boots."


def log_dial(
    trace: Trace, *, notes: Mapping[int, str], default: int, alt: str, caption: str, identifier: str
) -> Interactive:
    """Return a run of an exploration that can be stepped through, with the logs after each step.

    Parameters
    ----------
    trace
        Of an exploration: a step at every whole second.
    notes
        What to say besides after some of the steps.
    default
        The step to begin with.
    alt, caption, identifier
        See :class:`~distlib.figures.interactive.Interactive`.
    """
    steps = {
        round(event.time_seconds): event
        for event in trace.of(Kind.DELIVER, Kind.TIMER, Kind.CRASH)
        if event.time_seconds
    }
    last = round(trace[-1].time_seconds)
    columns = max(node.disk.last_index for step in range(last + 1) for node in servers_after(trace, step).values())

    def draw(step: int) -> Frame:
        words = told(steps[step]) if step in steps else "This is where the story begins."
        drawing = draw_logs(servers_after(trace, step), columns=columns)
        return Frame(drawing, f"{words} {notes.get(step, '')}".strip())

    dial = Dial("step", tuple(range(last + 1)), default, "step")
    return Interactive(draw, [dial], alt=alt, caption=caption, identifier=identifier)


def latency_dials(*, identifier: str) -> Interactive:
    """Return the law of the commit latency against the number of servers and one follower's slowness."""
    # The laws of two kinds of answers on one grid; what follows from them for any cluster is sums and products.
    fine = np.concatenate((np.linspace(0, 30, 601), np.geomspace(30.1, 5000, 800)))
    times = np.linspace(0, 14, 57)

    @cache
    def late(factor: int) -> Floats:
        """Return P(X > t) for a follower's answer on the grid of milliseconds."""
        one = LogTiming((Exponential(factor * MILLISECOND),), follower_force_seconds=MILLISECOND)
        return commit_latency_sf(one, fine * MILLISECOND)

    def waiting(servers: int, factor: int) -> Floats:
        """Return P(X > t) for the answer that the leader waits for: one follower is slow, the others are alike."""
        few = range(majority(servers) - 1)
        others, quick, slow = servers - 2, 1 - late(1), 1 - late(factor)

        def exactly(count: int) -> Floats:
            if not 0 <= count <= others:
                return np.zeros_like(fine)
            return np.asarray(math.comb(others, count) * quick**count * (1 - quick) ** (others - count))

        return np.asarray(np.sum([exactly(k) * (1 - slow) + exactly(k - 1) * slow for k in few], axis=0))

    def draw(servers: int, factor: int) -> Frame:
        laws = [waiting(servers, each) for each in (1, factor)]
        before, after = (1 + float(np.trapezoid(law, fine)) for law in laws)
        words = "All followers are alike" if factor == 1 else f"One follower is {factor} times as slow"
        against = "" if factor == 1 else f", against {before:.2f} ms with all alike"
        curves = [(times, 100 * np.where(times < 1, 0, 1 - np.interp(times - 1, fine, law))) for law in laws]
        return frame_lines(
            {"all alike": curves[0], "one slow": curves[1]},
            summary=f"{servers} servers. {words}: {after:.2f} ms in the mean{against}.",
            x_label="time since the request reached the leader (ms)",
            y_label="committed by then (%)",
            x_limits=(0, 14),
            y_limits=(0, 100),
        )

    return Interactive(
        draw,
        [
            Dial("servers", (2, 3, 4, 5, 6, 7), 5, "servers"),
            Dial("factor", (1, 2, 5, 10, 100), 100, "one follower's legs, times"),
        ],
        identifier=identifier,
        alt="Two distribution functions of the time to commit: all followers alike, and one of them slow.",
        caption="Legs of a millisecond in the mean, exponential; forced writes of a millisecond. A cluster of two "
        "waits for the slow follower; no other does.",
    )
