"""Space-time diagrams: who told whom what, and when.

Theory of operation
-------------------
A lane for each node, an arrow for each message (Lamport, *Communications of the ACM* 21(7), 1978, figure 1). A run in
true time is drawn with its lanes lying and time going right, so that latencies can be compared by eye. A run in
steps, such as an exploration's counterexample, is drawn with its lanes standing and a row for each step, so that it
is read like a text, from the top down, and so that it never needs to scroll sideways.

What happened is told apart by shape first and by colour second: a lost message ends in a cross, a duplicate is
dashed, an overtaken one is dash-dotted; a save is a small disk, a timer a clock, a crash a cross on the lane, which
then stops until the restart; a pause is hatched; a partition is a band with its groups written on it. The legend
holds only what occurs.

The work is done in four steps: :mod:`~distlib.figures.story` pairs events into things,
:mod:`~distlib.figures.timeline` says where each event lies, :mod:`~distlib.figures.lanes`,
:mod:`~distlib.figures.arrows` and :mod:`~distlib.figures.marks` draw the things on a
:class:`~distlib.figures.canvas.Canvas`, and :mod:`~distlib.figures.labels` finds room for the words.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal

from distlib.figures.arrows import draw_messages
from distlib.figures.canvas import Canvas, Direction
from distlib.figures.figure import Figure
from distlib.figures.lanes import draw_breaks, draw_lanes, draw_operations, draw_partitions, draw_pauses, draw_states
from distlib.figures.marks import draw_marks
from distlib.figures.story import State, messages
from distlib.figures.svg import Drawing, text_width
from distlib.figures.timeline import step_line, time_line
from distlib.figures.wording import headline
from distlib.runtimes.trace import Event, Kind, Trace

__all__ = ["Direction", "draw_spacetime", "spacetime"]


def spacetime(
    trace: Trace,
    *,
    alt: str,
    caption: str,
    identifier: str | None = None,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    names: Sequence[str] | None = None,
    label: Callable[[Any], str] | None = None,
    state: State | None = None,
    highlight: Collection[int] = (),
    show_timers: bool = True,
    show_waits: bool = False,
    scale: Literal["time", "steps"] | None = None,
    direction: Direction | None = None,
    width: float = 700,
) -> Figure:
    """Draw a trace as a space-time canvas.

    Parameters
    ----------
    trace
        What happened.
    alt, caption, identifier
        See :class:`~distlib.figures.figure.Shown`.
    start_seconds, end_seconds
        The window, in the trace's own times; by default the whole trace.
    names
        Which nodes to draw, in which order; by default all. Messages to and from the others are left out.
    label
        What to write on a message; "" for nothing. By default its class, and those of its values that are short. A
        label for which there is no room is left out; the arrow's tooltip has it in any case.
    state
        What to write on a lane while its node is in a state: a short label, or a label and a tone out of "calm",
        "wait", "good" and "bad"; None for nothing.
    highlight
        Numbers of events to bring out, such as those of :meth:`Trace.why`; the other messages step back.
    show_timers
        Whether to draw the timers that fired.
    show_waits
        Whether to draw time true to scale even where nothing happens for more than half of it. By default such a wait
        is cut short, and its length is written where it was cut; but not in a window that was asked for.
    scale
        "time" for true time, "steps" for one row a step; by default "steps" if every event happens at a whole number,
        as in an exploration.
    direction
        Where time goes; by default "right" for time and "down" for steps.
    width
        Of the drawing in pixels. Wider than its column, it scrolls.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If the trace is empty, a name or an event is not in it, the window is empty, or an option is not one.

    Examples
    --------
    >>> trace = Trace(
    ...     (Event(0, 0.0, Kind.SEND, "a", "hello", "b"), Event(1, 0.002, Kind.DELIVER, "b", "hello", "a", cause=0)),
    ...     ("a", "b"),
    ... )
    >>> spacetime(trace, alt="a says hello to b.", caption="One message.")
    [Figure: a says hello to b.]
    """
    drawing = draw_spacetime(
        trace,
        start_seconds=start_seconds,
        end_seconds=end_seconds,
        names=names,
        label=label,
        state=state,
        highlight=highlight,
        show_timers=show_timers,
        show_waits=show_waits,
        scale=scale,
        direction=direction,
        width=width,
    )
    return Figure(drawing, alt=alt, caption=caption, identifier=identifier)


def draw_spacetime(
    trace: Trace,
    *,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    names: Sequence[str] | None = None,
    label: Callable[[Any], str] | None = None,
    state: State | None = None,
    highlight: Collection[int] = (),
    show_timers: bool = True,
    show_waits: bool = False,
    scale: Literal["time", "steps"] | None = None,
    direction: Direction | None = None,
    width: float = 700,
) -> Drawing:
    """Return the drawing of :func:`spacetime` without its words, for a frame of an interactive figure."""
    shown = _require(trace, names, highlight, scale, direction, width)
    if scale is None:
        scale = "steps" if all(float(event.time_seconds).is_integer() for event in trace) else "time"
    direction = direction or ("right" if scale == "time" else "down")
    margin = 28.0 + max(text_width(name) for name in shown) if direction == "right" else 44.0
    drawn = {event.number for event in trace if _takes_room(event, shown, show_timers)}
    if scale == "steps":
        timeline = step_line(trace, drawn, start_seconds, end_seconds)
    else:
        length = width - margin - 12 if direction == "right" else max(320.0, 26.0 * len(trace.of(Kind.DELIVER)))
        flights = [(one.send.time_seconds, one.end.time_seconds) for one in messages(trace) if one.end is not None]
        breakable = drawn if not show_waits and start_seconds is None and end_seconds is None else None
        timeline = time_line(trace, length, start_seconds, end_seconds, drawn=breakable, busy=flights)
    canvas = Canvas(trace, shown, timeline, direction, margin, width, frozenset(highlight), label or headline)
    draw_partitions(canvas)
    canvas.draw_axis()
    draw_lanes(canvas)
    if state is not None:
        draw_states(canvas, state)
    draw_pauses(canvas)
    draw_breaks(canvas)
    draw_operations(canvas)
    draw_messages(canvas)
    draw_marks(canvas, show_timers)
    return canvas.finish()


def _require(
    trace: Trace,
    names: Sequence[str] | None,
    highlight: Collection[int],
    scale: str | None,
    direction: str | None,
    width: float,
) -> tuple[str, ...]:
    """Check the arguments, and return the names of the lanes."""
    if len(trace) == 0:
        raise ValueError("`trace` must hold at least one event, got none")
    shown = tuple(trace.names if names is None else names)
    unknown = [name for name in shown if name not in trace.names]
    if unknown or not shown or len(set(shown)) < len(shown):
        raise ValueError(f"`names` must be different names out of {list(trace.names)}, got {list(shown)}")
    if scale not in (None, "time", "steps"):
        raise ValueError(f"`scale` must be 'time' or 'steps', got {scale!r}")
    if direction not in (None, "right", "down"):
        raise ValueError(f"`direction` must be 'right' or 'down', got {direction!r}")
    if not 240 <= width <= 4000:
        raise ValueError(f"`width` must be in [240, 4000] pixels, got {width!r}")
    outside = sorted(number for number in highlight if not 0 <= number < len(trace))
    if outside:
        raise ValueError(f"`highlight` must hold numbers of events in [0, {len(trace) - 1}], got {outside}")
    return shown


def _takes_room(event: Event, names: Sequence[str], show_timers: bool) -> bool:
    """Tell whether an event needs a place of its own among the steps."""
    if event.kind in (Kind.PARTITION, Kind.HEAL):
        return True
    if event.node not in names or event.kind in (Kind.SET_TIMER, Kind.CANCEL_TIMER, Kind.DUPLICATE):
        return False
    if event.kind in (Kind.SEND, Kind.DELIVER, Kind.LOSE):
        return event.peer in names
    return show_timers or event.kind is not Kind.TIMER
