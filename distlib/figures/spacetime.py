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
:mod:`~distlib.figures.timeline` says where each event lies, this module draws the things, and
:mod:`~distlib.figures.labels` finds room for the words.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from distlib.figures import svg
from distlib.figures.figure import Figure
from distlib.figures.labels import Box, Label, Place, place
from distlib.figures.story import (
    Fate,
    Message,
    Partition,
    StateBand,
    downtimes,
    headline,
    messages,
    operations,
    partitions,
    pauses,
    state_bands,
    words,
)
from distlib.figures.svg import Drawing, Point, text_width
from distlib.figures.timeline import Timeline, step_line, time_line
from distlib.node import Node, Outcome
from distlib.runtimes.trace import Event, Kind, Trace

__all__ = ["Direction", "draw_spacetime", "spacetime"]

Direction = Literal["right", "down"]
State = Callable[[Node[Any, Any]], str | tuple[str, str] | None]

LANE_GAP = 76.0  # pixels between lanes that lie
BRACKET_ROOM = 30.0  # pixels more above a client's lane
WIDEST_COLUMN = 200.0  # pixels between lanes that stand
NARROWEST_COLUMN = 96.0
BAND = 20.0  # pixels across a state band
MARK = 8.0  # pixels from a mark's centre to its edge
CLEAR = 15.0  # pixels from one mark on a lane to the next


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
    scale: Literal["time", "steps"] = "time",
    direction: Direction | None = None,
    width: float = 760,
) -> Figure:
    """Draw a trace as a space-time diagram.

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
        What to write on a message; "" for nothing. By default its class, and its value if it has only one. A label for
        which there is no room is left out; the arrow's tooltip has it in any case.
    state
        What to write on a lane while its node is in a state: a short label, or a label and a tone out of "calm",
        "wait", "good" and "bad"; None for nothing.
    highlight
        Numbers of events to bring out, such as those of :meth:`Trace.why`; the other messages step back.
    show_timers
        Whether to draw the timers that fired.
    scale
        "time" for true time, "steps" for one row a step.
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
    scale: Literal["time", "steps"] = "time",
    direction: Direction | None = None,
    width: float = 760,
) -> Drawing:
    """Return the drawing of :func:`spacetime` without its words, for a frame of an interactive figure."""
    shown = _require(trace, names, highlight, scale, direction, width)
    direction = direction or ("right" if scale == "time" else "down")
    margin = 28.0 + max(text_width(name) for name in shown) if direction == "right" else 44.0
    if scale == "steps":
        drawn = {event.number for event in trace if _takes_room(event, shown, show_timers)}
        timeline = step_line(trace, drawn, start_seconds, end_seconds)
    else:
        length = width - margin - 12 if direction == "right" else max(320.0, 26.0 * len(trace.of(Kind.DELIVER)))
        timeline = time_line(trace, length, start_seconds, end_seconds)
    diagram = _Diagram(trace, shown, timeline, direction, margin, width, frozenset(highlight), label or headline)
    diagram.draw_partitions()
    diagram.draw_axis()
    diagram.draw_lanes()
    if state is not None:
        diagram.draw_states(state)
    diagram.draw_pauses()
    diagram.draw_operations()
    diagram.draw_messages()
    diagram.draw_marks(show_timers)
    return diagram.finish()


def _require(
    trace: Trace,
    names: Sequence[str] | None,
    highlight: Collection[int],
    scale: str,
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
    if scale not in ("time", "steps"):
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


@dataclass
class _Diagram:
    """A diagram being drawn: layers from the back to the front, and what the words must keep clear of."""

    trace: Trace
    names: tuple[str, ...]
    timeline: Timeline
    direction: Direction
    margin: float
    width: float
    highlight: frozenset[int]
    label: Callable[[Any], str]
    back: list[str] = field(default_factory=list)
    arrows: list[str] = field(default_factory=list)
    front: list[str] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    lines: list[tuple[Point, Point]] = field(default_factory=list)
    legend: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        clients = {event.node for event in self.trace.of(Kind.INVOKE)}
        banded = any(event.kind is Kind.PARTITION for event in self.trace)
        self.lanes: dict[str, float] = {}
        if self.direction == "right":
            self.origin = self.margin
            across = 26.0 if banded else 8.0
            for name in self.names:
                across += (BRACKET_ROOM if name in clients else 0.0) + (LANE_GAP if self.lanes else 16.0)
                self.lanes[name] = across
            self.low, self.high = self.lanes[self.names[0]] - 18, across + 32
            if self.names[0] in clients:
                self.low -= BRACKET_ROOM
            return
        self.origin = 42.0
        room = (self.width - self.margin - 8) / len(self.names)
        self.gap = max(NARROWEST_COLUMN, min(WIDEST_COLUMN, room))
        for index, name in enumerate(self.names):
            self.lanes[name] = self.margin + self.gap * (index + 0.5)
        self.low, self.high = self.margin, self.margin + self.gap * len(self.names)

    # -- geometry ------------------------------------------------------------------------------------------------------

    def point(self, along: float, across: float) -> Point:
        """Return the pixels of a point given along the axis and across the lanes."""
        if self.direction == "right":
            return self.origin + along, across
        return across, self.origin + along

    def bar(self, node: str, start: float, end: float, thickness: float, css: str, corner: float = 3.0) -> str:
        """Draw a bar along a lane."""
        x, y = self.point(start, self.lanes[node] - thickness / 2)
        if self.direction == "right":
            return svg.rectangle(x, y, end - start, thickness, css, corner=corner)
        return svg.rectangle(x, y, thickness, end - start, css, corner=corner)

    def clip(self, along: float) -> float:
        """Return `along`, or the end of the axis that it is beyond."""
        return min(max(along, 0.0), self.timeline.length)

    def tell(self, *events: Event | None) -> str:
        """Put events into words, for a tooltip."""
        return "; ".join(_tell(event, self.timeline.title == "step") for event in events if event is not None)

    # -- background ----------------------------------------------------------------------------------------------------

    def draw_partitions(self) -> None:
        """Draw when which nodes could not talk."""
        for partition in partitions(self.trace):
            start, end = self.clip(self.timeline.at(partition.start)), self.clip(self.timeline.at(partition.end))
            if end <= start:
                continue
            self._draw_partition(partition, start, end)

    def _draw_partition(self, partition: Partition, start: float, end: float) -> None:
        x, y = self.point(start, self.low)
        far_x, far_y = self.point(end, self.high)
        parts = [svg.rectangle(x, y, far_x - x, far_y - y, "ds-tint")]
        for along in (start, end):
            parts.append(svg.segment(self.point(along, self.low), self.point(along, self.high), "ds-thin ds-dash"))
        for name, neighbour in zip(self.names, self.names[1:], strict=False):
            if {(name, neighbour), (neighbour, name)} & partition.pairs:
                middle = (self.lanes[name] + self.lanes[neighbour]) / 2
                wall = svg.segment(self.point(start, middle), self.point(end, middle), "ds-line ds-long")
                parts.append(wall)
        description = partition.describe(self.names)
        self.back.append(svg.group(parts, "ds-wait", tooltip=description))
        half = text_width(description, 12) / 2
        if self.direction == "right":
            centre = min(max((x + far_x) / 2, self.margin + half), self.width - half)
            self.labels.append(Label(description, (Place(centre, self.low - 9),), "ds-small ds-wait", 12))
        else:
            places = tuple(Place(far_x - half - 6, y + offset, offset / 9) for offset in range(12, 60, 8))
            self.labels.append(Label(description, places, "ds-small ds-wait", 12))

    def draw_axis(self) -> None:
        """Draw the axis with its unit, and faint lines from its ticks."""
        parts, words_ = [], []
        for along, shown in self.timeline.ticks:
            if not 0 <= along <= self.timeline.length:
                continue
            near, far = self.point(along, self.low), self.point(along, self.high)
            parts.append(svg.segment(near, far, "ds-grid"))
            if self.direction == "right":
                words_.append(svg.text(far[0], far[1] + 16, shown, "ds-small ds-m"))
            else:
                words_.append(svg.text(self.margin - 10, near[1] + 4, shown, "ds-small ds-e"))
        self.back.append(svg.group(parts, "ds-faint"))
        if self.direction == "right":
            x, y = self.point(self.timeline.length, self.high)
            words_.append(svg.text(x, y + 32, f"{self.timeline.title} →", "ds-small ds-e"))
        else:
            words_.append(svg.text(self.margin - 10, 16, self.timeline.title, "ds-small ds-e"))
        self.front.append(svg.group(words_, "ds-soft"))

    def draw_lanes(self) -> None:
        """Draw the lanes with their names, and a gap where a node is down."""
        downtime = downtimes(self.trace)
        for name, across in self.lanes.items():
            begin, parts = 0.0, []
            for period in downtime:
                if period.node != name:
                    continue
                start, end = self.clip(self.timeline.at(period.start)), self.clip(self.timeline.at(period.end))
                parts.append(svg.segment(self.point(begin, across), self.point(start, across), "ds-line"))
                parts.append(svg.segment(self.point(start, across), self.point(end, across), "ds-thin ds-dots"))
                begin = end
            finish = self.point(self.timeline.length, across)
            if begin < self.timeline.length:
                parts.append(svg.segment(self.point(begin, across), finish, "ds-line"))
            self.back.append(svg.group(parts, "ds-6"))
            self.lines.append((self.point(0, across), finish))
            if self.direction == "right":
                self.front.append(svg.text(self.margin - 14, across + 4.5, name, "ds-strong ds-e"))
            else:
                self.front.append(svg.text(across, 18, name, "ds-strong ds-m"))

    def draw_states(self, state: State) -> None:
        """Draw the states that the caller names as bands along the lanes."""
        for band in state_bands(self.trace, self.names, state):
            start, end = self.clip(self.timeline.at(band.start)), self.clip(self.timeline.at(band.end))
            if end - start < 1:
                continue
            thickness = BAND if self.direction == "right" else 14.0
            parts = [
                self.bar(band.node, start, end, thickness, "ds-open"),
                self.bar(band.node, start, end, thickness, "ds-tint"),
            ]
            self.back.append(svg.group(parts, f"ds-{band.tone}", tooltip=f"{band.node}: {band.label}"))
            self._label_state(band, start, end)

    def _label_state(self, band: StateBand, start: float, end: float) -> None:
        across = self.lanes[band.node]
        css = f"ds-small ds-{band.tone}"
        if self.direction == "right":
            content = _shorten(band.label, end - start - 8)
            half = text_width(content, 12) / 2
            first, last = start + half + 6, end - half - 2
            if not content or first > last:
                return
            steps = [first + (last - first) * share / 12 for share in range(13)]
            places = [Place(*self.point(along, across), (along - first) / 40) for along in steps]
        else:
            half = text_width(band.label, 12) / 2
            content = band.label
            places = [
                Place(across + side * (half + 14), self.origin + along, (along - start) / 8 + (2 if side < 0 else 0))
                for along in (start + 12, start + 20, start + 28, start + 36, start + 48)
                for side in (1, -1)
                if along < max(end, start + 21)
            ]
        self.labels.append(Label(content, places, css, 12))

    def draw_pauses(self) -> None:
        """Hatch the lane of a node that is paused."""
        for period in pauses(self.trace):
            start, end = self.clip(self.timeline.at(period.start)), self.clip(self.timeline.at(period.end))
            if period.node not in self.lanes or end - start < 1:
                continue
            x, y = self.point(start, self.lanes[period.node] - 7)
            size = (end - start, 14.0) if self.direction == "right" else (14.0, end - start)
            bar = [svg.rectangle(x, y, *size, "ds-open"), svg.hatch(x, y, *size, "ds-thin")]
            self.back.append(svg.group(bar, "ds-6", tooltip=self.tell(period.start, period.end)))
            sample = [svg.rectangle(2, -6, 20, 12, "ds-open"), svg.hatch(2, -6, 20, 12, "ds-thin")]
            self.legend["paused"] = svg.group(sample, "ds-6")

    # -- things --------------------------------------------------------------------------------------------------------

    def draw_operations(self) -> None:
        """Draw the clients' operations as brackets beside their lanes."""
        side = -1.0 if self.direction == "right" else 1.0
        for operation in operations(self.trace):
            node = operation.invoke.node
            start, end = self.timeline.at(operation.invoke), self.timeline.at(operation.complete)
            if node not in self.lanes or end < 0 or start > self.timeline.length:
                continue
            first, last = self.clip(start), self.clip(end)
            near, far = self.lanes[node] + side * 13, self.lanes[node] + side * 21
            corners = [(first, near)] if start >= 0 else []
            corners += [(first, far), (last, far)]
            if operation.complete is not None and end <= self.timeline.length:
                corners.append((last, near))
            tone = {Outcome.OK: "ds-1", Outcome.FAIL: "ds-2", Outcome.UNKNOWN: "ds-5"}[operation.outcome]
            dash = " ds-dash" if operation.outcome is Outcome.UNKNOWN else ""
            line = svg.path([self.point(*corner) for corner in corners], f"ds-line{dash}")
            self.lines.append((self.point(first, far), self.point(last, far)))
            self.arrows.append(svg.group([line], tone, tooltip=self.tell(operation.invoke, operation.complete)))
            content, css = str(operation), f"ds-small {tone}"
            half = text_width(content, 12) / 2
            if self.direction == "right":
                centre = self.origin + (first + last) / 2
                shifts = (0, 20, -20, 40, -40, 60, -60)
                places = [Place(centre + shift, far - 10, abs(shift) / 10) for shift in shifts]
            else:
                middle = self.origin + (first + last) / 2
                places = [Place(far + half + 6, middle + shift, abs(shift) / 10) for shift in (0, 12, -12, 24, -24)]
            self.labels.append(Label(content, places, css, 12))

    def draw_messages(self) -> None:
        """Draw every message between the nodes shown."""
        for message in messages(self.trace):
            if message.source in self.lanes and message.target in self.lanes:
                self._draw_message(message)

    def _draw_message(self, message: Message) -> None:
        start, end = self._ends(message)
        clipped = _clip(start, end, self.timeline.length)
        if clipped is None:
            return
        tail, head = self.point(*clipped[0]), self.point(*clipped[1])
        numbers = {message.send.number} | ({message.end.number} if message.end else set())
        bright = bool(numbers & self.highlight)
        css, dash = self._manner(message, bright)
        line = f"ds-line{dash}" + (" ds-bold" if bright else "")
        if message.source == message.target:
            parts, middle = self._loop(tail, head, line)
        else:
            parts, middle = [svg.segment(tail, head, line)], None
        if clipped[0] == start:
            parts.append(svg.circle(tail, 3, "ds-fill"))
        if clipped[1] == end and message.fate is Fate.LOST:
            parts.append(_cross(head, 5.5))
            self.boxes.append(_around(head, 6))
            self.legend["lost"] = svg.group([svg.segment((0, 0), (18, 0), "ds-line"), _cross((19, 0), 5)], "ds-2")
        elif clipped[1] == end and message.fate is Fate.DELIVERED:
            parts.append(_arrowhead(tail if middle is None else middle, head))
        shaded = css if bright or not self.highlight else f"{css} ds-dim"
        self.arrows.append(svg.group(parts, shaded, tooltip=self.tell(message.send, message.end)))
        self._label_message(message, tail, head, middle, bright)

    def _ends(self, message: Message) -> tuple[Point, Point]:
        """Return where a message begins and ends, along and across."""
        source, target = self.lanes[message.source], self.lanes[message.target]
        start, end = self.timeline.at(message.send), self.timeline.at(message.end)
        if message.fate is Fate.UNDER_WAY:
            return (start, source), (self.timeline.length - 2, source + 0.7 * (target - source))
        if message.fate is Fate.LOST and message.end is not None and message.end.note != "down":
            span = max(1, abs(self._index(message.source) - self._index(message.target)))
            if end - start < 10:  # It was lost as it was sent.
                return (start, source), (start + 18, source + 0.5 * (target - source) / span)
            return (start, source), (end, source + _middle_of_a_gap(span) * (target - source))
        if message.source == message.target:
            return (start, source), (max(end, start + 20), target)
        return (start, source), (end, target)

    def _index(self, name: str) -> int:
        return self.names.index(name)

    def _manner(self, message: Message, bright: bool) -> tuple[str, str]:
        """Return a message's colour and dash, and note them in the legend."""
        css, dash = "ds-6", ""
        if message.fate is Fate.LOST:
            css = "ds-2"
        elif message.duplicate:
            dash = " ds-dash"
            self.legend["duplicate"] = _sample("ds-6", dash)
        elif message.overtaken:
            css, dash = "ds-5", " ds-dashdot"
            self.legend["overtaken by a later message"] = _sample(css, dash)
        elif message.fate is Fate.UNDER_WAY:
            dash = " ds-dots"
            self.legend["still under way"] = svg.group([svg.segment((0, 0), (24, 0), f"ds-line{dash}")], css)
        if bright:
            css = "ds-accent"
            self.legend["highlighted"] = _sample(css, " ds-bold")
        return css, dash

    def _loop(self, tail: Point, head: Point, css: str) -> tuple[list[str], Point]:
        """Draw a message from a node to itself as an arc; return it and the point that it bulges towards."""
        x, y = (tail[0] + head[0]) / 2, (tail[1] + head[1]) / 2
        bulge = (x, y - 34) if self.direction == "right" else (x + 34, y)
        numbers = [svg.number(value) for value in (*tail, *bulge, *head)]
        data = "M{} {}Q{} {} {} {}".format(*numbers)
        return [svg.element("path", class_=css, d=data)], bulge

    def _label_message(self, message: Message, tail: Point, head: Point, middle: Point | None, bright: bool) -> None:
        content = self.label(message.send.value)
        self.lines.append((tail, head))
        if not content:
            return
        if middle is not None:
            places = [Place(middle[0], middle[1] + 10)]
        else:
            span = max(1, abs(self._index(message.source) - self._index(message.target)))
            shares = [step / 40 for step in range(7, 35)]
            places = [
                Place(
                    tail[0] + share * (head[0] - tail[0]),
                    tail[1] + share * (head[1] - tail[1]),
                    _fraction_cost(share, span),
                )
                for share in shares
            ]
        tone = " ds-2" if message.fate is Fate.LOST else " ds-soft" if self.highlight else ""
        css = "ds-small ds-halo" + (" ds-accent ds-strong" if bright else tone)
        self.labels.append(Label(content, places, css, 12, own=len(self.lines) - 1))

    def draw_marks(self, show_timers: bool) -> None:
        """Draw what happened on the lanes: saves, timers, crashes, restarts, readings of clocks."""
        latest = dict.fromkeys(self.names, -CLEAR)
        crashed: set[str] = set()
        for event in self.trace:
            if event.node not in self.lanes:
                continue
            restart = event.kind is Kind.START and event.node in crashed
            if event.kind is Kind.CRASH:
                crashed.add(event.node)
            elif event.kind is Kind.START:
                crashed.discard(event.node)
            wanted = event.kind in (Kind.SAVE, Kind.CRASH, Kind.CLOCK) or restart
            wanted = wanted or (event.kind is Kind.TIMER and show_timers)
            if not wanted or not self.timeline.shows(event):
                continue
            # Marks that would lie on each other are drawn side by side, in the order in which they happened.
            along = max(self.timeline.at(event), latest[event.node] + CLEAR)
            latest[event.node] = along
            self._draw_mark(event, along)

    def _draw_mark(self, event: Event, along: float) -> None:
        across = self.lanes[event.node]
        centre = self.point(along, across)
        glyph, css = _glyph(event)
        parts = [_moved(glyph, centre)]
        if event.number in self.highlight:
            parts.insert(0, svg.circle(centre, 12, "ds-line ds-accent"))
        if event.kind is Kind.TIMER and event.cause is not None:
            self._draw_waiting(self.trace[event.cause], along, across)
        self.front.append(svg.group(parts, css, tooltip=self.tell(event)))
        self.boxes.append(_around(centre, MARK))
        content = {Kind.CRASH: "crash", Kind.START: "restart"}.get(event.kind, "")
        if event.kind is Kind.TIMER:
            content = words(event.value)
            self.legend["timer fires"] = _moved(_glyph(event)[0], (12, 0))
        elif event.kind is Kind.SAVE:
            forced = event.note != "unforced"
            self.legend["saved to disk" if forced else "saved, not yet forced"] = _moved(glyph, (12, 0))
        elif event.kind is Kind.CLOCK:
            content = f"{event.value[1]:.6g} s"
            self.legend["clock reading"] = _moved(glyph, (12, 0))
        if content:
            tone = css if event.kind is Kind.CRASH else "ds-soft"
            self.labels.append(Label(content, self._beside(centre, content), f"ds-small ds-halo {tone}", 12))

    def _draw_waiting(self, setting: Event, along: float, across: float) -> None:
        """Draw a fine line beside the lane from where a timer was set to where it fires."""
        begin = self.clip(self.timeline.at(setting))
        if along - begin < 2 * MARK:
            return
        offset = 13.0 if self.direction == "right" else -12.0
        corners = [(begin, across), (begin, across + offset), (along, across + offset), (along, across + offset / 2)]
        line = svg.path([self.point(*corner) for corner in corners], "ds-thin ds-short")
        self.back.append(svg.group([line], "ds-soft"))

    def _beside(self, centre: Point, content: str) -> list[Place]:
        """Return places around a mark for its name."""
        x, y = centre
        half = text_width(content, 12) / 2
        if self.direction == "right":
            spots = [
                (0, 23, 0.0),
                (0, -18, 1.0),
                (half, 23, 2.0),
                (-half, 23, 2.0),
                (half, -18, 3.0),
                (-half, -18, 3.0),
            ]
            spots += [(half + 12, 0, 4.0), (0, 33, 5.0)]
        else:
            spots = [(half + 14, 0, 0.0), (-half - 14, 0, 1.0), (half + 14, 12, 2.0), (-half - 14, 12, 3.0)]
            spots += [(half + 14, -12, 3.0), (-half - 14, -12, 4.0)]
        return [Place(x + right, y + down, cost) for right, down, cost in spots]

    # -- end -----------------------------------------------------------------------------------------------------------

    def finish(self) -> Drawing:
        """Find room for the words, add the legend, and put the layers together."""
        placed = place(self.labels, marks=self.boxes, lines=self.lines)
        written = [
            svg.text(at.x, at.y + 0.35 * label.pixels, label.content, f"{label.css} ds-m")
            for label, at in placed
            if at is not None
        ]
        if self.direction == "right":
            bottom, width = self.high + 40, self.width
        else:
            bottom, width = self.origin + self.timeline.length + 8, max(self.high + 8, 240.0)
        legend, height = _lay_out(self.legend, self.margin, bottom, width)
        elements = (*self.back, *self.arrows, *self.front, *written, *legend)
        return Drawing(width, height, elements, "Space-time diagram", text_pixels=12)


def _middle_of_a_gap(span: int) -> float:
    """Return how far a lost message gets on its way across `span` lanes: past the half, and not onto another lane."""
    return (span // 2 + 0.5) / span


def _fraction_cost(share: float, span: int) -> float:
    """Return what it costs to write at a share of an arrow that crosses `span` lanes: least in the middle of a gap."""
    to_middle = abs((share * span) % 1.0 - 0.5)
    return 10 * to_middle + 3 * abs(share - 0.5)


def _clip(start: Point, end: Point, length: float) -> tuple[Point, Point] | None:
    """Cut a line down to the window; None if nothing is left."""
    (first, first_across), (last, last_across) = start, end
    if last < 0 or first > length:
        return None

    def across(along: float) -> float:
        return first_across + (last_across - first_across) * (along - first) / (last - first)

    near = start if first >= 0 else (0.0, across(0.0))
    far = end if last <= length else (length, across(length))
    return near, far


def _shorten(content: str, room: float) -> str:
    """Return `content`, or its beginning with an ellipsis, or nothing, whichever is the longest that has room."""
    if text_width(content, 12) <= room:
        return content
    for letters in range(len(content) - 1, 1, -1):
        if text_width(content[:letters] + "…", 12) <= room:
            return content[:letters] + "…"
    return ""


def _around(centre: Point, radius: float) -> Box:
    return Box(centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius)


def _arrowhead(tail: Point, head: Point, length: float = 10.0, half_width: float = 4.0) -> str:
    """Return a triangle whose tip is at `head`, coming from `tail`."""
    dx, dy = head[0] - tail[0], head[1] - tail[1]
    size = (dx * dx + dy * dy) ** 0.5 or 1.0
    dx, dy = dx / size, dy / size
    x, y = head[0] - length * dx, head[1] - length * dy
    return svg.polygon(
        [head, (x - half_width * dy, y + half_width * dx), (x + half_width * dy, y - half_width * dx)], "ds-fill"
    )


def _cross(centre: Point, size: float) -> str:
    x, y = centre
    parts = [
        svg.segment((x - size, y - size), (x + size, y + size), "ds-line ds-bold"),
        svg.segment((x - size, y + size), (x + size, y - size), "ds-line ds-bold"),
    ]
    return "".join(parts)


def _sample(css: str, manner: str) -> str:
    """Return an arrow for the legend."""
    return svg.group([svg.segment((0, 0), (18, 0), f"ds-line{manner}"), _arrowhead((0, 0), (24, 0))], css)


def _moved(glyph: str, to: Point) -> str:
    return svg.element("g", glyph, transform=f"translate({svg.number(to[0])} {svg.number(to[1])})")


def _glyph(event: Event) -> tuple[str, str]:
    """Return the sign for an event, drawn around (0, 0), and its colour."""
    match event.kind:
        case Kind.CRASH:
            return _cross((0, 0), 7), "ds-2"
        case Kind.START:
            return svg.polygon([(-4, -7), (8, 0), (-4, 7)], "ds-open"), "ds-3"
        case Kind.TIMER:
            return svg.circle((0, 0), 7, "ds-open") + svg.path([(0, -4.5), (0, 0), (3.5, 0)], "ds-thin"), "ds-ink"
        case Kind.CLOCK:
            return svg.polygon([(-5, 0), (0, -5), (5, 0), (0, 5)], "ds-open"), "ds-ink"
    return _disk(forced=event.note != "unforced"), "ds-ink"


def _disk(*, forced: bool) -> str:
    """Return the drum that stands for a disk; hollow and dashed for a write that is not on it yet."""
    outline = "M-5.5-5a5.5 2.4 0 0 1 11 0v10a5.5 2.4 0 0 1-11 0z"
    rim = "M-5.5-5a5.5 2.4 0 0 0 11 0"
    drum = svg.element("path", class_="ds-open" + ("" if forced else " ds-short"), d=outline)
    return drum + svg.element("path", class_="ds-thin", d=rim) + (_filled_drum() if forced else "")


def _filled_drum() -> str:
    return svg.element("path", class_="ds-fill", d="M-5.5-3.4a5.5 2.4 0 0 0 11 0v8.4a5.5 2.4 0 0 1-11 0z")


def _tell(event: Event, steps: bool) -> str:
    """Put an event into words, for a tooltip."""
    when = f"step {event.time_seconds:g}" if steps else f"{event.time_seconds * 1e3:.6g} ms"
    value = words(event.value)
    match event.kind:
        case Kind.SEND:
            what = f"{event.node} sends {value} to {event.peer}"
        case Kind.DELIVER:
            what = f"{event.node} receives it"
        case Kind.LOSE:
            what = f"lost ({event.note})" if event.note else "lost"
        case Kind.COMPLETE:
            what = f"{event.node} completes: {words(event.value[1])}, {words(event.value[0])}"
        case Kind.SAVE:
            what = f"{event.node} saves {value}" + (f" ({event.note})" if event.note else "")
        case Kind.TIMER:
            what = f"{event.node}: timer {value} fires"
        case Kind.CLOCK:
            what = f"{event.node} reads its clock: {event.value[1]:.6f} s"
        case Kind.INVOKE:
            what = f"{event.node} invokes {value}"
        case Kind.CRASH:
            what = f"{event.node} crashes"
        case Kind.START:
            what = f"{event.node} restarts with {value}"
        case _:
            what = f"{event.node} {event.kind.value}s"
    return f"{what}, {when}"


def _lay_out(legend: dict[str, str], left: float, top: float, width: float) -> tuple[list[str], float]:
    """Return the legend in rows that fit, and the height of the drawing with it."""
    elements, x, y = [], left, top + 10
    for name, glyph in sorted(legend.items()):
        room = 34 + text_width(name, 12) + 14
        if x > left and x + room > width:
            x, y = left, y + 20
        elements.append(_moved(glyph, (x, y)) + svg.text(x + 32, y + 4, name, "ds-small ds-soft"))
        x += room
    return elements, (y + 14 if legend else top)
