"""A trace with its clocks, and the interactive figures of the chapter on timestamps.

A space-time diagram orders events by time. Here time is left out: each event has a place of its own, in the order of
the trace, so that there is room for what a clock says of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from distlib.checkers.happened_before import EVENTS, CausalOrder
from distlib.experiments.consistency.timestamps import chatter, stamp_trace, write_stamp
from distlib.figures import svg
from distlib.figures.arrows import draw_messages
from distlib.figures.canvas import Canvas, Direction, around
from distlib.figures.chart import Note
from distlib.figures.figure import Figure, Frame
from distlib.figures.interactive import Dial, Interactive
from distlib.figures.labels import Label, Place
from distlib.figures.lanes import draw_lanes
from distlib.figures.line_plots import frame_lines
from distlib.figures.series import Series
from distlib.figures.svg import Drawing, text_width
from distlib.figures.timeline import PADDING, Timeline
from distlib.models.consistency.commit_wait import commit_latency_mean, serial_writes_per_second
from distlib.models.consistency.last_writer_wins import inversion_probability, safe_gap_seconds
from distlib.protocols.consistency.timestamps import LamportClock, VectorClock, happened_before
from distlib.runtimes.simulation import simulate
from distlib.runtimes.trace import Kind, Trace

__all__ = ["bare", "epsilon_dial", "skew_dial", "stamped", "two_events"]

MILLISECOND = 0.001
ROW = 24.0  # pixels from one event to the next, where time goes down


def bare(trace: Trace, kinds: Collection[Kind] = (*EVENTS, Kind.LOSE)) -> Trace:
    """Return a trace with the events of some kinds alone, numbered anew; each still knows the event that led to it.

    Examples
    --------
    >>> from distlib.runtimes.trace import Event
    >>> trace = Trace((
    ...     Event(0, 0.0, Kind.START, "a"),
    ...     Event(1, 0.0, Kind.SEND, "a", "hello", "b", cause=0),
    ...     Event(2, 0.1, Kind.DELIVER, "b", "hello", "a", cause=1),
    ... ), ("a", "b"))
    >>> [(event.number, event.cause) for event in bare(trace)]
    [(0, None), (1, 0)]
    """
    kept = trace.of(*kinds)
    numbers = {event.number: place for place, event in enumerate(kept)}
    events = (
        replace(event, number=place, cause=None if event.cause is None else numbers.get(event.cause))
        for place, event in enumerate(kept)
    )
    return Trace(tuple(events), trace.names)


def stamped(
    trace: Trace,
    stamps: Mapping[int, str],
    *,
    alt: str,
    caption: str,
    identifier: str | None = None,
    names: Sequence[str] | None = None,
    label: Callable[[Any], str] | None = None,
    direction: Direction = "right",
    highlight: Collection[int] = (),
    width: float = 700,
) -> Figure:
    """Draw a trace with a stamp on each of its events.

    Parameters
    ----------
    trace
        Such as :func:`bare` returns: each of its events gets a place.
    stamps
        What to write on them, by their numbers.
    alt, caption, identifier
        See :class:`~distlib.figures.figure.Shown`.
    names
        The lanes, by default all nodes.
    label
        What to write on a message; by default nothing.
    direction
        Where the order of events goes.
    highlight
        Events to ring.
    width
        In pixels.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If the trace is empty, or a stamp is for no event of it.
    """
    drawing = draw_stamped(
        trace, stamps, names=names, label=label, direction=direction, highlight=highlight, width=width
    )
    return Figure(drawing, alt=alt, caption=caption, identifier=identifier)


def draw_stamped(
    trace: Trace,
    stamps: Mapping[int, str],
    *,
    names: Sequence[str] | None = None,
    label: Callable[[Any], str] | None = None,
    direction: Direction = "right",
    highlight: Collection[int] = (),
    width: float = 700,
) -> Drawing:
    """Return the drawing of :func:`stamped` without its words."""
    if len(trace) == 0:
        raise ValueError("`trace` must hold at least one event, got none")
    unknown = sorted(number for number in stamps if not 0 <= number < len(trace))
    if unknown:
        raise ValueError(f"`stamps` must be for events in [0, {len(trace) - 1}], got {unknown}")
    shown = tuple(trace.names if names is None else names)
    margin = 28.0 + max(map(text_width, shown)) if direction == "right" else 24.0
    canvas = Canvas(trace, shown, _places(trace, direction, width - margin - 12), direction, margin, width, frozenset(),
                    label or _nothing)  # fmt: skip
    canvas.draw_axis()
    draw_lanes(canvas)
    draw_messages(canvas)
    for number, words in stamps.items():
        event = trace[number]
        if event.node in canvas.lanes:
            _write(canvas, canvas.point(canvas.timeline.at(event), canvas.lanes[event.node]), words)
    for number in sorted(highlight):
        centre = canvas.point(canvas.timeline.at(trace[number]), canvas.lanes[trace[number].node])
        canvas.front.append(svg.circle(centre, 8, "ds-line ds-accent"))
    return canvas.finish()


def _nothing(message: Any) -> str:
    return ""


def _places(trace: Trace, direction: Direction, length: float) -> Timeline:
    """Return a place for each event, one after another."""
    step = (length - 2 * PADDING) / max(1, len(trace) - 1) if direction == "right" else ROW
    positions = {event.number: PADDING + step * event.number for event in trace}
    whole = length if direction == "right" else 2 * PADDING + step * (len(trace) - 1)
    return Timeline(whole, positions, (), "order of events")


def _write(canvas: Canvas, centre: svg.Point, words: str) -> None:
    """Put a dot on an event, and ask for a place for its stamp."""
    x, y = centre
    canvas.front.append(svg.circle(centre, 3.5, "ds-fill"))
    canvas.boxes.append(around(centre, 4))
    half = text_width(words, 12) / 2
    if canvas.direction == "right":
        spots = [(0, -17, 0.0), (0, 18, 0.5), (half, -17, 2.0), (-half, -17, 2.0), (half, 18, 2.5), (-half, 18, 2.5)]
        spots += [(0, -29, 4.0), (0, 30, 4.0)]
    else:
        spots = [(half + 9, 0, 0.0), (-half - 9, 0, 0.5), (half + 9, -8, 2.0), (-half - 9, -8, 2.0)]
    places = [Place(x + right, y + down, cost) for right, down, cost in spots]
    canvas.labels.append(Label(words, places, "ds-small ds-strong ds-halo", 12))


# --------------------------------------------------------------------------------------------------------------- dials


def skew_dial(*, identifier: str) -> Interactive:
    """Return the share of acknowledged writes that are lost against the gap between them, with a dial for the skew."""
    gaps = np.linspace(0, 20, 81)

    def draw(deviation_ms: float) -> Frame:
        lost = [100 * inversion_probability(gap * MILLISECOND, deviation_ms * MILLISECOND) for gap in gaps]
        safe = safe_gap_seconds(deviation_ms * MILLISECOND, 0.001) / MILLISECOND
        close = 100 * inversion_probability(MILLISECOND, deviation_ms * MILLISECOND)
        return frame_lines(
            [Series("", gaps, lost)],
            summary=f"Clocks off by {deviation_ms:g} ms: of writes that follow another after 1 ms, {close:.3g} % are "
            f"acknowledged and lost. To lose fewer than one in a thousand, leave {safe:.3g} ms between them.",
            x_label="gap between the two writes (ms)",
            y_label="acknowledged and lost (% of second writes)",
            x_limits=(0, 20),
            y_limits=(0, 50),
            notes=[Note("1 ms apart", x=1.0)],
        )

    values = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
    return Interactive(
        draw,
        [Dial("deviation_ms", values, 2.0, "deviation of a clock's error", "ms")],
        identifier=identifier,
        alt="The share of second writes that are lost under last-writer-wins falls with the gap between two writes.",
        caption="Two writes, one after the other, through two replicas: how often the second one loses against the "
        "first. At no gap it is a coin toss, whatever the clocks.",
    )


def epsilon_dial(*, identifier: str) -> Interactive:
    """Return what a write costs against the time of replication, with a dial for the uncertainty of the clocks."""
    means = np.linspace(0.25, 20, 80)

    def draw(epsilon_ms: float) -> Frame:
        with_wait = [commit_latency_mean(epsilon_ms * MILLISECOND, mean * MILLISECOND) / MILLISECOND for mean in means]
        at_five = commit_latency_mean(epsilon_ms * MILLISECOND, 5 * MILLISECOND) / MILLISECOND
        rate = serial_writes_per_second(epsilon_ms * MILLISECOND, 5 * MILLISECOND)
        return frame_lines(
            [Series("with commit wait", means, with_wait), Series("replication alone", means, means)],
            summary=f"ε = {epsilon_ms:g} ms, replication 5 ms: a write takes {at_five:.3g} ms in the mean, "
            f"{at_five - 5:.2g} ms of that for the wait, and one key takes {rate:.3g} writes a second.",
            x_label="mean time of replication (ms)",
            y_label="mean time of a write (ms)",
            x_limits=(0, 20),
            y_limits=(0, 30),
            notes=[Note("2ε", y=2 * epsilon_ms)] if epsilon_ms else [],
        )

    return Interactive(
        draw,
        [Dial("epsilon_ms", (0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 10.0), 4.0, "uncertainty ε", "ms")],
        identifier=identifier,
        alt="The mean time of a write with commit wait lies above that of replication alone, the more so the larger "
        "the uncertainty is.",
        caption="The wait runs beside the replication. The longer replication takes, the less is left to wait for.",
    )


def two_events(*, seed: int, identifier: str) -> Interactive:
    """Return a run with its vectors, and two dials that pick two events: what each clock says of them."""
    trace = bare(simulate(chatter(rounds=3), seed=seed, record=True).trace)
    order = CausalOrder(trace)
    lamport, vector = stamp_trace(trace, LamportClock), stamp_trace(trace, VectorClock)
    shown = {number: write_stamp(stamp, trace.names) for number, stamp in vector.items()}

    def draw(first: int, second: int) -> Frame:
        drawing = draw_stamped(trace, shown, highlight={first, second})
        return Frame(drawing, _sentence(trace, order, lamport, vector, first, second))

    numbers = tuple(range(len(trace)))
    default = next(
        pair for pair in order.pairs() if order.are_concurrent(*pair) and lamport[pair[1]][0] > lamport[pair[0]][0] + 1
    )
    return Interactive(
        draw,
        [
            Dial("first", numbers, default[0], "one event", format=_count),
            Dial("second", numbers, default[1], "another event", format=_count),
        ],
        identifier=identifier,
        alt="Three processes tell each other things; each event has its vector.",
        caption="Pick two events, counted from the left. The vectors stand beside them.",
    )


def _count(number: int) -> str:
    return str(number + 1)


def _sentence(
    trace: Trace,
    order: CausalOrder,
    lamport: Mapping[int, Any],
    vector: Mapping[int, Any],
    first: int,
    second: int,
) -> str:
    """Say what each clock says of two events."""
    if first == second:
        return "That is one and the same event."
    first, second = sorted((first, second))
    numbers = (
        f"Lamport says {lamport[first][0]} at {trace[first].node} and {lamport[second][0]} at {trace[second].node}"
    )
    vectors = " and ".join(f"({write_stamp(vector[one], trace.names)})" for one in (first, second))
    if order.precedes(first, second):
        assert happened_before(vector[first], vector[second])
        return f"{numbers}; the vectors {vectors} say that the first happened before the second. It did."
    says = "equal numbers" if lamport[first][0] == lamport[second][0] else "numbers that look like an order"
    return f"{numbers}: {says}. The vectors {vectors} say that neither happened before the other."
