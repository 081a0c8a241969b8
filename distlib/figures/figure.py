"""What a cell shows: a drawing with what it says, in words, for those who cannot see it.

Theory of operation
-------------------
A figure is its HTML. ``text/html`` holds a ``<figure>`` with one inline ``<svg>`` whose colours are CSS variables
that the page may set (``--ds-ink``, ``--ds-blue`` …) and that fall back first to those of Sphinx's and JupyterLab's
themes and then to fixed values. So one output is right in the book, in JupyterLab, in both themes, on paper and in a
bare file.

The picture sits in a box that scrolls sideways, so that a wide diagram never makes the *page* wider than a phone; the
drawing shrinks until its smallest text is 11 pixels high and no further. The box can be focused, so the arrow keys
scroll it (WCAG 2.2, 2.1.1). Its text alternative is a ``<desc>`` that names what the figure shows (WCAG 2.2, 1.1.1).

Examples
--------
>>> from distlib.figures.svg import Drawing, circle
>>> dot = Figure(Drawing(20, 20, (circle((10, 10), 5, "ds-fill"),)), alt="A dot.", caption="One dot.", identifier="dot")
>>> print(dot)
[Figure: A dot.]
>>> dot.html.startswith('<figure class="ds-figure" id="dot"')
True
"""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from distlib.figures.svg import Drawing, escape, number

__all__ = ["Figure", "Frame", "Row", "Shown", "side_by_side"]

SMALLEST_TEXT_PIXELS = 11
LARGEST_STRETCH = 1.25  # A drawing grows where its column has room: its words are then as large as the text around it.


class Shown(ABC):
    """What Jupyter and the book can show: something that has HTML and a line of text.

    Parameters
    ----------
    alt
        What the picture shows, in words, for those who do not see it.
    caption
        What stands under it. Text between backticks is set as code.
    identifier
        Its ``id`` on the page: a lowercase letter, then lowercase letters, digits and hyphens. By default it follows
        from the words.
    """

    def __init__(self, *, alt: str, caption: str, identifier: str | None = None) -> None:
        for name, value in (("alt", alt), ("caption", caption)):
            if not isinstance(value, str) or not value.strip():
                raise ValueError(f"`{name}` must say in words what the figure shows, got {value!r}")
        self.alt = alt.strip()
        self.caption = caption.strip()
        self.identifier = _identifier(identifier, self.alt, self.caption)

    @cached_property
    def html(self) -> str:
        """The figure as it is inserted into a page."""
        return self._render()

    @abstractmethod
    def _render(self) -> str:
        """Return the HTML; called once."""

    def __repr__(self) -> str:
        return f"[{type(self).__name__}: {self.alt}]"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        return {"text/html": self.html, "text/plain": str(self)}

    def save(self, path: str | Path) -> Path:
        """Write a page that holds the figure and nothing else.

        Parameters
        ----------
        path
            Where to; its name ends in ``.html``.

        Raises
        ------
        ValueError
            If it ends otherwise.
        """
        path = Path(path)
        if path.suffix != ".html":
            raise ValueError(f"`path` must end in .html, got {path.name!r}")
        path.write_text(page(self.html), encoding="utf-8")
        return path


class Figure(Shown):
    """A drawing with its words.

    Parameters
    ----------
    svg
        A :class:`~distlib.figures.svg.Drawing`, or an ``<svg>`` element as text with a ``viewBox`` that starts at 0 0.
    alt, caption, identifier
        See :class:`Shown`.

    Raises
    ------
    ValueError
        If the words are missing, the identifier is not one, or the text is not an ``<svg>`` with such a ``viewBox``.
    """

    def __init__(self, svg: Drawing | str, *, alt: str, caption: str, identifier: str | None = None) -> None:
        super().__init__(alt=alt, caption=caption, identifier=identifier)
        self.drawing = svg if isinstance(svg, Drawing) else _read(svg)

    def _render(self) -> str:
        return (
            f'<figure class="ds-figure" id="{self.identifier}" style="--d-least:{number(narrowest(self.drawing))}px">'
            f"<style>{stylesheet()}</style>{scroll_box(self.drawing, self.identifier, self.alt)}"
            f"<figcaption>{inline(self.caption)}</figcaption></figure>"
        )

    def save(self, path: str | Path) -> Path:
        """Write the drawing (``.svg``) or a page that holds the figure (``.html``).

        Raises
        ------
        ValueError
            If the name ends otherwise.
        """
        path = Path(path)
        if path.suffix == ".svg":
            style = f"<title>{escape(self.caption)}</title><desc>{escape(self.alt)}</desc><style>{stylesheet()}</style>"
            size = f'class="ds-figure" width="{number(self.drawing.width)}" height="{number(self.drawing.height)}"'
            path.write_text(self.drawing.markup(style, extra=size), encoding="utf-8")
            return path
        if path.suffix == ".html":
            return super().save(path)
        raise ValueError(f"`path` must end in .svg or .html, got {path.name!r}")


class Frame(NamedTuple):
    """One picture of an interactive figure.

    Parameters
    ----------
    drawing
        The picture.
    summary
        What the reader sees in it, in one sentence: read out when a dial moves, and printed on paper.
    """

    drawing: Drawing
    summary: str


class Row:
    """Figures beside each other; below each other where the page is narrow. Made by :func:`side_by_side`."""

    def __init__(self, *figures: Shown) -> None:
        if len(figures) < 2:
            raise ValueError(f"`figures` must be at least two, got {len(figures)}")
        identifiers = [figure.identifier for figure in figures]
        if len(set(identifiers)) < len(identifiers):
            raise ValueError(f"`figures` must have different identifiers, got {identifiers}")
        self.figures = figures

    @property
    def html(self) -> str:
        """The figures' HTML in one box."""
        return f'<div class="ds-row">{"".join(figure.html for figure in self.figures)}</div>'

    def __repr__(self) -> str:
        return " ".join(str(figure) for figure in self.figures)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        return {"text/html": self.html, "text/plain": str(self)}


def side_by_side(*figures: Shown) -> Row:
    """Show figures beside each other, for comparing; below each other where they do not fit.

    In the book's column two plots fit whose `width` is at most 400.

    Raises
    ------
    ValueError
        If there are fewer than two, or two share an identifier.
    """
    return Row(*figures)


def scroll_box(drawing: Drawing, identifier: str, alt: str) -> str:
    """Return the drawing with its text alternative, in a box that scrolls sideways where the page is too narrow."""
    described = (
        f'role="img" aria-labelledby="{identifier}-title {identifier}-desc" '
        f'style="min-width:{number(narrowest(drawing))}px;max-width:{number(drawing.width * LARGEST_STRETCH)}px"'
    )
    words = (
        f'<title id="{identifier}-title">{escape(drawing.kind)}</title>'
        f'<desc id="{identifier}-desc">{escape(alt)}</desc>'
    )
    label = escape(f"{drawing.kind}, scrolls sideways where it is wider than the page")
    return (
        f'<div class="ds-scroll" role="group" tabindex="0" aria-label="{label}">'
        f"{drawing.markup(words, extra=described)}</div>"
    )


def narrowest(drawing: Drawing) -> float:
    """Return the width in pixels below which a drawing's text could not be read."""
    return drawing.width * min(1.0, SMALLEST_TEXT_PIXELS / drawing.text_pixels)


def inline(words: str) -> str:
    """Escape `words` for HTML, and set what stands between backticks as code.

    Examples
    --------
    >>> inline("a `Save` before a <b>")
    'a <code>Save</code> before a &lt;b&gt;'
    """
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(words))


def page(body: str) -> str:
    """Return a whole HTML page around `body`."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Figure</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1"></head>'
        f"<body>{body}</body></html>\n"
    )


@cache
def stylesheet() -> str:
    """Return ``figure.css`` without its comments and spare space."""
    return squeeze(resource("figure.css"))


def resource(name: str) -> str:
    """Return the text of a file that lies beside this module."""
    return files("distlib.figures").joinpath(name).read_text(encoding="utf-8")


def squeeze(style: str) -> str:
    """Take comments and spare space out of a style sheet.

    Examples
    --------
    >>> squeeze("/* why */ a > b { color: red; }")
    'a>b{color:red}'
    """
    style = re.sub(r"/\*.*?\*/", "", style, flags=re.DOTALL)
    style = re.sub(r"\s+", " ", style)
    style = re.sub(r"\s*([{};,>])\s*", r"\1", style)
    return re.sub(r":\s", ":", style).replace(";}", "}").strip()


def _identifier(given: str | None, alt: str, caption: str) -> str:
    """Return the given identifier if it is one, or one that follows from the words."""
    if given is None:
        return "ds-" + hashlib.sha256(f"{alt}\n{caption}".encode()).hexdigest()[:10]
    if not re.fullmatch(r"[a-z][a-z0-9-]*", given):
        raise ValueError(
            f"`identifier` must be a lowercase letter followed by lowercase letters, digits and hyphens, got {given!r}"
        )
    return given


def _read(svg: str) -> Drawing:
    """Take an ``<svg>`` element apart."""
    match = re.fullmatch(r"\s*(?:<\?xml.*?\?>\s*)?<svg\b([^>]*)>(.*)</svg>\s*", svg, flags=re.DOTALL)
    view_box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', match.group(1)) if match else None
    if match is None or view_box is None:
        raise ValueError(f'`svg` must be an <svg> element with viewBox="0 0 width height", got {svg[:60]!r}')
    return Drawing(float(view_box.group(1)), float(view_box.group(2)), (match.group(2),))
