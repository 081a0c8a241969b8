"""The signs of a space-time diagram: small shapes drawn around a point, each told apart without its colour."""

from __future__ import annotations

from distlib.figures import svg
from distlib.figures.svg import Point
from distlib.runtimes.trace import Event, Kind

__all__ = ["arrowhead", "cross", "sample", "sign"]


def arrowhead(tail: Point, head: Point, length: float = 10.0, half_width: float = 4.0) -> str:
    """Return a triangle whose tip is at `head`, coming from `tail`."""
    dx, dy = head[0] - tail[0], head[1] - tail[1]
    size = (dx * dx + dy * dy) ** 0.5 or 1.0
    dx, dy = dx / size, dy / size
    x, y = head[0] - length * dx, head[1] - length * dy
    return svg.polygon(
        [head, (x - half_width * dy, y + half_width * dx), (x + half_width * dy, y - half_width * dx)], "ds-fill"
    )


def cross(centre: Point, size: float) -> str:
    """Return a cross of two strokes."""
    x, y = centre
    parts = [
        svg.segment((x - size, y - size), (x + size, y + size), "ds-line ds-bold"),
        svg.segment((x - size, y + size), (x + size, y - size), "ds-line ds-bold"),
    ]
    return "".join(parts)


def sample(css: str, manner: str) -> str:
    """Return an arrow for the legend."""
    return svg.group([svg.segment((0, 0), (18, 0), f"ds-line{manner}"), arrowhead((0, 0), (24, 0))], css)


def sign(event: Event) -> tuple[str, str]:
    """Return the sign for an event, drawn around (0, 0), and its colour."""
    match event.kind:
        case Kind.CRASH:
            return cross((0, 0), 7), "ds-2"
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
    filling = "M-5.5-3.4a5.5 2.4 0 0 0 11 0v8.4a5.5 2.4 0 0 1-11 0z"
    parts = [
        svg.element("path", class_="ds-open" + ("" if forced else " ds-short"), d=outline),
        svg.element("path", class_="ds-thin", d=rim),
    ]
    if forced:
        parts.append(svg.element("path", class_="ds-fill", d=filling))
    return "".join(parts)
