"""Where the events of a trace lie along the axis of a diagram: by true time, or one after another.

Theory of operation
-------------------
*Time* is a straight line from seconds to pixels, with round ticks in a unit that gives short numbers. Where nothing
happens for more than half of what is shown, as before a timeout, the line is broken, and the break says how long it is:
otherwise the waiting would press everything that happens into a corner.

*Steps* give each stimulus (a delivery, a timer, a crash) a row of its own, whatever the time between them, because in
an exploration there is none. What the stimulus led to comes under it in order: a save takes half a row, so a crash
between a save and a send can be told from one after both. That order is what most counterexamples are about.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from distlib.figures.svg import tick_labels, ticks
from distlib.runtimes.trace import Event, Kind, Trace

__all__ = ["Timeline", "step_line", "time_line"]

PADDING = 16.0  # pixels between the ends of the axis and the first and last thing on it
ROW = 36.0  # pixels from one step to the next
EFFECT_ROW = 20.0  # pixels that an effect takes below its stimulus

# How wide a span must be for a unit, the unit, and how many of it make a second.
UNITS = ((2.0, "s", 1.0), (2e-3, "ms", 1e3), (0.0, "µs", 1e6))
BREAK = 46.0  # pixels of a break
BREAK_SHARE = 0.5  # a wait of more than this share of the time shown is broken
OUTSIDE_STEPS = 60.0  # pixels beyond the ends at which what is outside a window of steps is taken to lie


@dataclass(frozen=True)
class Timeline:
    """Positions along the axis, in pixels from its beginning.

    Parameters
    ----------
    length
        Of the axis. Positions outside [0, length] belong to events outside the window.
    positions
        By the events' numbers.
    ticks
        Positions and what is written there.
    title
        What the axis is, with its unit.
    breaks
        Where the axis is broken: from where, to where, and how long that was, in words.
    """

    length: float
    positions: dict[int, float]
    ticks: tuple[tuple[float, str], ...]
    title: str
    breaks: tuple[tuple[float, float, str], ...] = ()

    def at(self, event: Event | None) -> float:
        """Return where an event is; beyond the end for None, which has not happened yet."""
        return self.length + OUTSIDE_STEPS if event is None else self.positions[event.number]

    def shows(self, event: Event) -> bool:
        """Tell whether an event is inside the window."""
        return 0 <= self.positions[event.number] <= self.length


def time_line(
    trace: Trace,
    length: float,
    start_seconds: float | None,
    end_seconds: float | None,
    *,
    drawn: Collection[int] | None = None,
    busy: Sequence[tuple[float, float]] = (),
) -> Timeline:
    """Lay events out by true time.

    Parameters
    ----------
    trace
        The trace.
    length
        Of the axis, in pixels.
    start_seconds, end_seconds
        The window, in true time.
    drawn
        The numbers of the events that the diagram shows, if waits between them may be broken.
    busy
        From when to when something is going on between events: the flights of messages. They are not broken.

    Raises
    ------
    ValueError
        If the window is empty.
    """
    start, end = window(trace, start_seconds, end_seconds)
    if end == start:
        end = start + 1e-3
    times = [start, *(event.time_seconds for event in trace if event.number in (drawn or ())), end]
    waits = _long_waits(sorted({time for time in times if start <= time <= end}), busy) if drawn is not None else []
    shown = end - start - sum(last - first for first, last in waits)
    pixels_per_second = (length - 2 * PADDING - BREAK * len(waits)) / shown

    def position(time: float) -> float:
        over = bisect_right([last for _, last in waits], time)
        skipped = sum(last - first for first, last in waits[:over])
        if over < len(waits) and time > waits[over][0]:
            first, last = waits[over]
            share = (time - first) / (last - first)
            return PADDING + (first - start - skipped) * pixels_per_second + BREAK * (over + share)
        return PADDING + (time - start - skipped) * pixels_per_second + BREAK * over

    _, unit, factor = next(row for row in UNITS if shown >= row[0])
    marks: list[tuple[float, str]] = []
    edges = [start, *(edge for wait in waits for edge in wait), end]
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        if first == last:  # A wait reaches to the end of the window: there is no room for a tick.
            continue
        values = ticks(first * factor, last * factor, max(2, round((last - first) * pixels_per_second / 80)))
        marks += [(position(value / factor), label) for value, label in zip(values, tick_labels(values), strict=True)]
    breaks = tuple((position(first), position(last), _duration(last - first)) for first, last in waits)
    # The length of a break is written between the ticks, which make room for it.
    marks = [mark for mark in marks if all(abs(mark[0] - (near + far) / 2) > BREAK for near, far, _ in breaks)]
    positions = {event.number: position(event.time_seconds) for event in trace}
    return Timeline(length, positions, tuple(marks), f"time ({unit})", breaks)


def _long_waits(times: Sequence[float], busy: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the waits to be broken: the longest, while it takes more than its share of what is still shown."""
    idle = [
        (first, last)
        for first, last in pairwise(times)
        if not any(begin < last and finish > first for begin, finish in busy)
    ]
    shown, found = times[-1] - times[0], []
    for first, last in sorted(idle, key=lambda wait: wait[0] - wait[1]):
        if last - first <= BREAK_SHARE * shown or len(times) < 6:
            break
        found.append((first, last))
        shown -= last - first
    return sorted(found)


def _duration(seconds: float) -> str:
    """Write a duration in the unit that suits it."""
    _, unit, factor = next(row for row in UNITS if 2 * seconds >= row[0])
    return f"{seconds * factor:.3g} {unit}"


def window(trace: Trace, start_seconds: float | None, end_seconds: float | None) -> tuple[float, float]:
    """Return the window's ends: those given, or the first and the last event's time."""
    first = trace[0].time_seconds if start_seconds is None else start_seconds
    last = trace[-1].time_seconds if end_seconds is None else end_seconds
    if not first <= last:
        raise ValueError(f"`start_seconds` must be at most `end_seconds`, got {first!r} and {last!r}")
    return first, last


def step_line(trace: Trace, drawn: Collection[int], start_seconds: float | None, end_seconds: float | None) -> Timeline:
    """Lay events out one after another.

    Parameters
    ----------
    trace
        The trace.
    drawn
        The numbers of the events that the diagram shows; the others take no room.
    start_seconds, end_seconds
        The window, in the trace's own times: for an exploration, the numbers of its steps.
    """
    first, last = window(trace, start_seconds, end_seconds)
    whole = all(event.time_seconds == int(event.time_seconds) for event in trace)
    position, step, previous = PADDING - ROW, -1, None
    positions: dict[int, float] = {}
    marks: list[tuple[float, str]] = []
    for event in trace:
        if event.time_seconds < first:
            positions[event.number] = -OUTSIDE_STEPS
            continue
        if event.time_seconds > last:
            positions[event.number] = position + OUTSIDE_STEPS
            continue
        if event.number in drawn:
            advance = _advance(event, previous)
            position += ROW if previous is None else advance
            if advance == ROW or previous is None:
                step += 1
                shown = str(int(event.time_seconds)) if whole else str(step)
                if not marks or marks[-1][1] != shown:
                    marks.append((position, shown))
            previous = event
        positions[event.number] = max(position, PADDING)
    length = max(position, PADDING) + PADDING
    outside = {number: length + OUTSIDE_STEPS for number, at in positions.items() if trace[number].time_seconds > last}
    return Timeline(length, positions | outside, tuple(marks), "step")


def _advance(event: Event, previous: Event | None) -> float:
    """Return how far an event lies below the one drawn before it."""
    if previous is None:
        return ROW
    same = previous.node == event.node
    match event.kind:
        case Kind.START if previous.kind is Kind.START:
            return 0.0
        case Kind.SEND if same and previous.kind is not Kind.SAVE:
            return 0.0
        case Kind.SAVE | Kind.SEND | Kind.CLOCK if same:
            return EFFECT_ROW
        case Kind.INVOKE | Kind.COMPLETE:
            return 0.0 if same else EFFECT_ROW
    return ROW
