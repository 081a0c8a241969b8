"""Drawing by hand: small pure functions that return SVG text.

Theory of operation
-------------------
A drawing is a fixed view box and a tuple of elements, each a string. Nothing here keeps state, measures a font or asks
for the time, so the same call gives the same bytes on every machine: a test can compare a figure with the committed
one. Three habits keep a drawing small: coordinates have one decimal, paths are relative, and points of a
curve that nobody could see are left out (Douglas and Peucker, *Cartographica* 10(2), 1973).

Colours, dashes and fonts are classes of ``figure.css`` and never attributes, so that one drawing serves a light page,
a dark page and paper. Elements carry no ``id``: several drawings can then share a page, and a drawing can be put
together from strings that other drawings use too.

Examples
--------
>>> rule = path([(0, 0), (10, 0.04)], "ds-thin")
>>> rule
'<path class="ds-thin" d="M0 0h10"/>'
>>> Drawing(100, 20, (rule,)).markup()
'<svg viewBox="0 0 100 20" xmlns="http://www.w3.org/2000/svg"><path class="ds-thin" d="M0 0h10"/></svg>'
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal
from unicodedata import east_asian_width

__all__ = [
    "Drawing",
    "Point",
    "Scale",
    "attributes",
    "circle",
    "element",
    "escape",
    "group",
    "hatch",
    "minor_ticks",
    "moved",
    "number",
    "path",
    "polygon",
    "rectangle",
    "segment",
    "simplify",
    "text",
    "text_width",
    "tick_labels",
    "ticks",
]

Point = tuple[float, float]

NARROW = frozenset("fijlrtI.,:;'`!|()[]{}/\\ -·")
WIDE = frozenset("mwMW@%—…→←↔≤≥≠∞")


@dataclass(frozen=True)
class Drawing:
    """A picture: the size of its view box and what is in it.

    Parameters
    ----------
    width, height
        The view box, from (0, 0); at its natural size one unit is one CSS pixel.
    elements
        SVG elements as text, in painting order.
    kind
        What a screen reader calls it, such as "Line plot".
    text_pixels
        The height of its smallest text at natural size. A page never shrinks the drawing so far that this falls under
        11.
    """

    width: float
    height: float
    elements: tuple[str, ...]
    kind: str = "Figure"
    text_pixels: float = 12.0

    def __post_init__(self) -> None:
        for name, value in (("width", self.width), ("height", self.height), ("text_pixels", self.text_pixels)):
            if not 0 < value < math.inf:
                raise ValueError(f"`{name}` must be positive and finite, got {value!r}")

    @property
    def view_box(self) -> str:
        """The value of the attribute ``viewBox``."""
        return f"0 0 {number(self.width)} {number(self.height)}"

    @property
    def body(self) -> str:
        """The elements, joined."""
        return "".join(self.elements)

    def markup(self, opening: str = "", *, extra: str = "") -> str:
        """Return the ``<svg>`` element, with `extra` attributes, and with `opening` before the elements."""
        space = f" {extra}" if extra else ""
        return f'<svg viewBox="{self.view_box}"{space} xmlns="http://www.w3.org/2000/svg">{opening}{self.body}</svg>'


def number(value: float) -> str:
    """Write a coordinate with at most one decimal.

    Examples
    --------
    >>> number(3.0), number(-0.04), number(2.25), number(0.5)
    ('3', '0', '2.2', '.5')
    """
    if not math.isfinite(value):
        raise ValueError(f"a coordinate must be finite, got {value!r}")
    return _tenths(round(value * 10))


def _tenths(value: int) -> str:
    """Write `value` tenths in the fewest characters."""
    whole, tenth = divmod(abs(value), 10)
    sign = "-" if value < 0 else ""
    if tenth == 0:
        return f"{sign}{whole}"
    return f"{sign}{whole or ''}.{tenth}"


def escape(content: object) -> str:
    """Make `content` safe inside an element or a quoted attribute."""
    return html.escape(str(content), quote=True)


def attributes(**values: object) -> str:
    """Write attributes: numbers are rounded, None leaves one out, a last underscore is dropped, others are hyphens.

    Examples
    --------
    >>> attributes(class_="ds-line", x=1.26, text_anchor="end", y=None)
    ' class="ds-line" x="1.3" text-anchor="end"'
    """
    written = []
    for name, value in values.items():
        if value is None or value == "":
            continue
        shown = number(value) if isinstance(value, int | float) else escape(value)
        written.append(f' {name.rstrip("_").replace("_", "-")}="{shown}"')
    return "".join(written)


def element(tag: str, content: str = "", **values: object) -> str:
    """Return an element; `content` is markup already."""
    opening = f"<{tag}{attributes(**values)}"
    return f"{opening}>{content}</{tag}>" if content else f"{opening}/>"


def group(elements: Iterable[str], css: str = "", *, tooltip: str = "") -> str:
    """Put elements together under a class, with a native tooltip."""
    title = f"<title>{escape(tooltip)}</title>" if tooltip else ""
    return element("g", title + "".join(elements), class_=css)


def moved(markup: str, to: Point) -> str:
    """Return what is drawn around (0, 0) as drawn around another point."""
    return element("g", markup, transform=f"translate({number(to[0])} {number(to[1])})")


def text(x: float, y: float, content: str, css: str = "") -> str:
    """Write a line of text whose baseline begins at (x, y), or is centred (``ds-m``) or ends there (``ds-e``)."""
    return element("text", escape(content), x=x, y=y, class_=css)


def segment(start: Point, end: Point, css: str) -> str:
    """Draw a straight line."""
    return path([start, end], css)


def rectangle(x: float, y: float, width: float, height: float, css: str, *, corner: float = 0) -> str:
    """Draw a rectangle with its least corner at (x, y)."""
    return element("rect", x=x, y=y, width=width, height=height, rx=corner or None, class_=css)


def circle(centre: Point, radius: float, css: str) -> str:
    """Draw a circle."""
    return element("circle", cx=centre[0], cy=centre[1], r=radius, class_=css)


def polygon(points: Sequence[Point], css: str) -> str:
    """Draw a closed shape."""
    return path(points, css, closed=True)


def hatch(x: float, y: float, width: float, height: float, css: str, *, step: float = 6.0, rising: bool = True) -> str:
    """Fill a rectangle with slanting lines, rising or falling to the right.

    An SVG pattern would need an ``id``; lines cut to the rectangle do not.

    Examples
    --------
    >>> hatch(0, 0, 10, 6, "ds-thin", step=8)
    '<path class="ds-thin" d="M0 4l4-4M6 6l4-4"/>'
    """
    parts = []
    offset = step / 2
    while offset < width + height:
        left, right = max(0.0, offset - height), min(offset, width)
        drops = (offset - left, offset - right)
        first, last = drops if rising else (height - drops[0], height - drops[1])
        parts.append(path_data([(x + left, y + first), (x + right, y + last)]))
        offset += step
    return element("path", class_=css, d="".join(parts)) if parts else ""


def path(points: Sequence[Point], css: str, *, closed: bool = False) -> str:
    """Draw straight lines from point to point.

    Parameters
    ----------
    points
        At least one. They are rounded first and then written as differences, so errors do not add up.
    css
        Its classes.
    closed
        Whether it returns to the first point.
    """
    return element("path", class_=css, d=path_data(points, closed=closed))


def path_data(points: Sequence[Point], *, closed: bool = False) -> str:
    """Return the value of ``d`` for straight lines from point to point.

    Examples
    --------
    >>> path_data([(0, 0), (10, 0), (10, 5), (12, 8.25)], closed=True)
    'M0 0h10v5l2 3.2z'
    """
    if not points:
        raise ValueError("`points` must hold at least one point, got none")
    rounded = [(round(x * 10), round(y * 10)) for x, y in points]
    x, y = rounded[0]
    parts = [f"M{_tenths(x)} {_tenths(y)}"]
    for next_x, next_y in rounded[1:]:
        dx, dy = next_x - x, next_y - y
        if dx == 0 and dy == 0:
            continue
        if dy == 0:
            parts.append(f"h{_tenths(dx)}")
        elif dx == 0:
            parts.append(f"v{_tenths(dy)}")
        else:
            gap = "" if dy < 0 else " "
            parts.append(f"l{_tenths(dx)}{gap}{_tenths(dy)}")
        x, y = next_x, next_y
    return "".join(parts) + ("z" if closed else "")


def simplify(points: Sequence[Point], tolerance: float = 0.15) -> list[Point]:
    """Leave out the points of a curve that lie within `tolerance` pixels of the straight line between others.

    This is the algorithm of Douglas and Peucker, without recursion.

    Examples
    --------
    >>> simplify([(0, 0), (1, 0.01), (2, 0), (3, 5)])
    [(0, 0), (2, 0), (3, 5)]
    """
    if len(points) < 3:
        return list(points)
    kept = {0, len(points) - 1}
    pending = [(0, len(points) - 1)]
    while pending:
        first, last = pending.pop()
        (x1, y1), (x2, y2) = points[first], points[last]
        length = math.hypot(x2 - x1, y2 - y1)
        farthest, worst = tolerance, None
        for index in range(first + 1, last):
            x, y = points[index]
            if length > 0:
                distance = abs((x2 - x1) * (y1 - y) - (x1 - x) * (y2 - y1)) / length
            else:
                distance = math.hypot(x - x1, y - y1)
            if distance > farthest:
                farthest, worst = distance, index
        if worst is not None:
            kept.add(worst)
            pending += [(first, worst), (worst, last)]
    return [points[index] for index in sorted(kept)]


def text_width(content: str, pixels: float = 13.0) -> float:
    """Estimate the width of a line of text in a sans-serif font, on the generous side.

    Examples
    --------
    >>> round(text_width("Prepare", 10)), round(text_width("两阶段", 10))
    (38, 30)
    """
    return pixels * sum(_em(letter) for letter in content)


def _em(letter: str) -> float:
    """Return the width of one letter in units of the font's height."""
    if letter in NARROW:
        return 0.36
    if letter in WIDE:
        return 0.92
    if east_asian_width(letter) in "WF":
        return 1.0
    return 0.72 if letter.isupper() else 0.6


@dataclass(frozen=True)
class Scale:
    """Maps a quantity to pixels along one axis.

    Parameters
    ----------
    low, high
        The limits of the quantity.
    start, end
        Where they lie, in pixels; `end` < `start` for an axis that points upwards.
    kind
        "linear" or "log"; a logarithmic one needs positive limits.
    """

    low: float
    high: float
    start: float
    end: float
    kind: Literal["linear", "log"] = "linear"

    def __post_init__(self) -> None:
        if self.kind not in ("linear", "log"):
            raise ValueError(f"`kind` must be 'linear' or 'log', got {self.kind!r}")
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(
                f"the limits of an axis must be finite with low < high, got {self.low!r} and {self.high!r}"
            )
        if self.kind == "log" and self.low <= 0:
            raise ValueError(f"a logarithmic axis needs positive limits, got {self.low!r}")

    def __call__(self, value: float) -> float:
        """Return where `value` lies, in pixels."""
        if self.kind == "log":
            share = math.log(value / self.low) / math.log(self.high / self.low) if value > 0 else -1.0
        else:
            share = (value - self.low) / (self.high - self.low)
        # Far outside is as good as anywhere outside; a bound keeps the numbers short and finite.
        return self.start + min(max(share, -1.0), 2.0) * (self.end - self.start)

    def ticks(self, count: int = 6) -> tuple[float, ...]:
        """Return about `count` round values between the limits."""
        return _log_ticks(self.low, self.high, count) if self.kind == "log" else ticks(self.low, self.high, count)


def ticks(low: float, high: float, count: int = 6) -> tuple[float, ...]:
    """Return about `count` multiples of 1, 2 or 5 times a power of ten in [low, high].

    Examples
    --------
    >>> ticks(0, 1)
    (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    >>> ticks(3, 97, 4)
    (20.0, 40.0, 60.0, 80.0)
    """
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"`low` and `high` must be finite with low < high, got {low!r} and {high!r}")
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.7)
    decimals = max(0, 1 - math.floor(math.log10(step)))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(round(index * step, decimals) + 0.0 for index in range(first, last + 1))


def _log_ticks(low: float, high: float, count: int) -> tuple[float, ...]:
    """Return powers of ten, thinned when there are many; 1, 2, 5 steps when there are few."""
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    stride = max(1, math.ceil((last - first) / (1.5 * count)))
    factors = (1, 2, 5) if math.log10(high / low) <= 2.2 else (1,)
    values = [factor * 10.0**exponent for exponent in range(first, last + 1, stride) for factor in factors]
    inside = tuple(float(f"{value:.3g}") for value in values if low * (1 - 1e-9) <= value <= high * (1 + 1e-9))
    return inside if len(inside) >= 2 else ticks(low, high, count)


def minor_ticks(low: float, high: float) -> tuple[float, ...]:
    """Return the multiples of powers of ten in [low, high]: they show that an axis is logarithmic.

    Beyond some six decades there is no room for them, and there are none.

    Examples
    --------
    >>> minor_ticks(5, 30)
    (5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 20.0, 30.0)
    """
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    if len(exponents) > 8:
        return ()
    values = [float(f"{factor}e{exponent}") for exponent in exponents for factor in range(1, 10)]
    return tuple(value for value in values if low <= value <= high)


def tick_labels(values: Sequence[float], *, log: bool = False) -> list[str]:
    """Write the numbers of an axis alike: as many decimals as the step needs, a thin space between thousands.

    Examples
    --------
    >>> tick_labels([0.0, 0.25, 0.5])
    ['0', '0.25', '0.5']
    >>> tick_labels([0, 2000]), tick_labels([0.0001, 1.0, 10000000.0], log=True)
    (['0', '2000'], ['10⁻⁴', '1', '10⁷'])
    """
    powers = log and all(map(_is_power_of_ten, values)) and any(not 1e-2 <= value < 1e5 for value in values)
    return [_tick_label(value, power=powers) for value in values]


def _is_power_of_ten(value: float) -> bool:
    return value > 0 and abs(math.log10(value) - round(math.log10(value))) < 1e-9


def _tick_label(value: float, *, power: bool = False) -> str:
    size = abs(value)
    if power and size != 1:
        return f"10{_raised(round(math.log10(size)))}"
    if size and (size < 1e-4 or size >= 1e7):
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{float(mantissa):g}·10{_raised(int(exponent))}".replace("-", "−")
    shown = f"{value:,.10f}".rstrip("0").rstrip(".")
    shown = shown.replace(",", "\u2009" if size >= 10_000 else "")  # a thin space between thousands
    return shown.replace("-", "−")


def _raised(exponent: int) -> str:
    """Write an exponent."""
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
