"""Interactive figures that work three times: live in Jupyter, in the static page, and on paper.

Theory of operation
-------------------
An :class:`Interactive` is a function from the positions of a few dials to a picture. Its output carries two views of
the same thing.

*In Jupyter* it is a widget: a slider for each dial, and the function is called again whenever one moves.

*In the book* it is its twin: plain HTML in which every picture is there already, because there is no kernel to call.
A dial is an ``<input type="range">``, so it has a name, a role and a value for screen readers, and arrow keys,
without a line of script. What the pictures have in common (axes, labels, curves that a dial does not move) is stored
once: the elements of all drawings are numbered in a table, and a picture is a list of numbers. The script only swaps
pictures and texts; it makes no request, so the page works from a file; it leaves nothing global behind.

*On paper*, and where scripts are off, the default picture stands there with the values of its dials and its summary.
So the default should tell the story.

Examples
--------
>>> from distlib.figures.plots import frame_lines
>>> def draw(slope):
...     return frame_lines({"line": ([0, 1], [0, slope])}, summary=f"It ends at {slope}.", x_label="x (s)",
...                        y_label="y (m)", x_limits=(0, 1), y_limits=(0, 3))
>>> figure = Interactive(draw, [Dial("slope", (1, 2, 3), 2, "slope", "m/s")], alt="A line.", caption="A line.")
>>> figure, figure.summary(slope=3)
([Interactive: A line.], 'It ends at 3.')
"""

from __future__ import annotations

import itertools
import json
import keyword
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import Any

from distlib.figures.figure import Figure, Frame, Shown, inline, resource, scroll_box, stylesheet
from distlib.figures.svg import escape

__all__ = ["Dial", "Frame", "Interactive"]

MOST_FRAMES = 1000


@dataclass(frozen=True)
class Dial:
    """What a reader can turn.

    Parameters
    ----------
    name
        The argument of the drawing function.
    values
        At least two different ones, in the order of the dial.
    default
        The one to begin with: that which tells the story.
    label
        What it is called on the page; by default its name.
    unit
        Stands after the value.
    format
        How to write a value: a function, or a format such as ``"{:.1f}"``.
    """

    name: str
    values: Sequence[Any]
    default: Any
    label: str = ""
    unit: str = ""
    format: str | Callable[[Any], str] = "{}"

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(self.values))
        if not self.name.isidentifier() or keyword.iskeyword(self.name):
            raise ValueError(f"`name` must be the name of an argument, got {self.name!r}")
        if len(self.values) < 2 or len(set(self.values)) < len(self.values):
            raise ValueError(f"`values` of dial {self.name!r} must be at least two different ones, got {self.values}")
        if self.default not in self.values:
            raise ValueError(f"`default` of dial {self.name!r} must be one of {self.values}, got {self.default!r}")

    @property
    def title(self) -> str:
        """What it is called on the page."""
        return self.label or self.name.replace("_", " ")

    @property
    def position(self) -> int:
        """Where its default is."""
        return tuple(self.values).index(self.default)

    def words(self, value: Any) -> str:
        """Write a value with its unit."""
        if hasattr(value, "item"):  # A number of numpy's is written as Python writes its own.
            value = value.item()
        shown = self.format.format(value) if isinstance(self.format, str) else self.format(value)
        return f"{shown} {self.unit}" if self.unit else shown


class Interactive(Shown):
    """A picture with dials.

    Parameters
    ----------
    draw
        Called with a value for each dial by name; returns a :class:`Frame`, or a figure, whose `alt` then is the
        summary. It must return the same for the same values, and its drawings must all have the same width;
        the page keeps the height of the tallest, so that it does not jump.
    dials
        One or more. All combinations of their values are drawn when the figure is shown.
    alt
        What the figure is, whatever its dials say.
    caption, identifier
        See :class:`~distlib.figures.figure.Shown`.

    Raises
    ------
    ValueError
        If dials share a name or there are none, there are more than 1000 combinations, a summary is empty, or the
        drawings differ in width.
    """

    def __init__(
        self,
        draw: Callable[..., Frame | Figure],
        dials: Sequence[Dial],
        *,
        alt: str,
        caption: str,
        identifier: str | None = None,
    ) -> None:
        super().__init__(alt=alt, caption=caption, identifier=identifier)
        self.draw, self.dials = draw, tuple(dials)
        names = [dial.name for dial in self.dials]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"`dials` must be one or more with different names, got {names}")
        count = 1
        for dial in self.dials:
            count *= len(dial.values)
        if count > MOST_FRAMES:
            raise ValueError(f"the values of `dials` must have at most {MOST_FRAMES} combinations, got {count}")

    def frame(self, **values: Any) -> Frame:
        """Draw one picture; dials that are not named have their defaults.

        Raises
        ------
        ValueError
            If a name is not that of a dial, or a value is not one of its dial's.
        """
        settings = {dial.name: dial.default for dial in self.dials}
        for name, value in values.items():
            dial = next((dial for dial in self.dials if dial.name == name), None)
            if dial is None or value not in dial.values:
                choices = dial.values if dial else list(settings)
                raise ValueError(f"`{name}` must be one of {choices}, got {value!r}")
            settings[name] = value
        drawn = self.draw(**settings)
        frame = Frame(drawn.drawing, drawn.alt) if isinstance(drawn, Figure) else drawn
        if not frame.summary.strip():
            raise ValueError(f"the summary for {settings} must say what the reader sees, got {frame.summary!r}")
        return frame

    def summary(self, **values: Any) -> str:
        """Return what the reader sees with these values of the dials."""
        return self.frame(**values).summary

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Go through all settings of the dials; the last dial turns fastest."""
        for values in itertools.product(*(dial.values for dial in self.dials)):
            yield {dial.name: value for dial, value in zip(self.dials, values, strict=True)}

    # -- the twin ------------------------------------------------------------------------------------------------------

    def _render(self) -> str:
        default = self.frame()
        elements: dict[str, int] = {}
        frames, summaries, height = [], [], default.drawing.height
        for settings in self:
            frame = self.frame(**settings)
            if frame.drawing.width != default.drawing.width:
                raise ValueError(
                    f"all drawings must have the width {default.drawing.width:g}, "
                    f"got {frame.drawing.width:g} for {settings}"
                )
            height = max(height, frame.drawing.height)
            frames.append([elements.setdefault(element, len(elements)) for element in frame.drawing.elements])
            summaries.append(frame.summary)
        table = {
            "alt": self.alt,
            "values": [[dial.words(value) for value in dial.values] for dial in self.dials],
            "summaries": summaries,
            "frames": frames,
            "elements": list(elements),
        }
        controls = f'<div class="ds-dials">{"".join(map(self._control, self.dials))}</div>'
        script = f"<script>{_script().replace('IDENTIFIER', self.identifier)}</script>"
        return self._figure(default, height, max(summaries, key=len), controls, _data(table) + script)

    def _figure(self, frame: Frame, height: float, longest: str, controls: str = "", scripts: str = "") -> str:
        """Put the parts together, with room for the tallest picture and for the longest summary."""
        picture = (f'<g class="ds-frame">{frame.drawing.body}</g>',)
        framed = replace(frame.drawing, height=height, elements=picture)
        inputs = " ".join(map(self._input, self.dials))
        return (
            f'<figure class="ds-figure ds-interactive" id="{self.identifier}"><style>{stylesheet()}</style>{controls}'
            f"{scroll_box(framed, self.identifier, f'{self.alt} {frame.summary}')}"
            f'<div class="ds-say" data-longest="{escape(longest)}">'
            f'<output for="{inputs}" aria-live="polite">{escape(frame.summary)}</output></div>'
            f"<figcaption>{inline(self.caption)}</figcaption>{scripts}</figure>"
        )

    def _input(self, dial: Dial) -> str:
        """Return the id of a dial's control."""
        return f"{self.identifier}-{dial.name.replace('_', '-')}"

    def _control(self, dial: Dial) -> str:
        """Return a dial: a label, a range that the script enables, and the value in words."""
        identifier = self._input(dial)
        shown = escape(dial.words(dial.default))
        widest = max(len(dial.words(value)) for value in dial.values)
        return (
            f'<div class="ds-dial"><label for="{identifier}">{escape(dial.title)}</label>'
            f'<input type="range" id="{identifier}" min="0" max="{len(dial.values) - 1}" step="1" '
            f'value="{dial.position}" aria-valuetext="{shown}" autocomplete="off" disabled>'
            f'<span class="ds-value" style="min-width:{widest}ch">{shown}</span></div>'
        )

    @property
    def static_bytes(self) -> int:
        """The size of the twin: what a page grows by."""
        return len(self.html.encode())

    # -- the widget ----------------------------------------------------------------------------------------------------

    def widget(self) -> Any:
        """Return the live view: sliders, and the picture drawn anew whenever one moves."""
        # Only a notebook needs it, and it takes a while to load; it does not say which names it exports.
        ipywidgets: Any = import_module("ipywidgets")
        sliders = {
            dial.name: ipywidgets.SelectionSlider(
                options=[(dial.words(value), value) for value in dial.values],
                value=dial.default,
                description=dial.title,
                style={"description_width": "initial"},
                layout={"width": "min(32rem, 100%)"},
            )
            for dial in self.dials
        }
        picture = ipywidgets.HTML()

        def redraw(change: object = None) -> None:
            frame = self.frame(**{name: slider.value for name, slider in sliders.items()})
            picture.value = self._figure(frame, frame.drawing.height, frame.summary)

        for slider in sliders.values():
            slider.observe(redraw, names="value")
        redraw()
        return ipywidgets.VBox([*sliders.values(), picture])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        bundle = super()._repr_mimebundle_()
        live = self.widget()._repr_mimebundle_()
        view = "application/vnd.jupyter.widget-view+json"
        return {view: live[view], **bundle}


def _data(table: dict[str, Any]) -> str:
    """Return a script element that holds data; nothing in it can end the element early."""
    written = json.dumps(table, ensure_ascii=False, separators=(",", ":"))
    written = written.replace("</", "<\\/").replace("<!", "\\u003c!")
    return f'<script type="application/json">{written}</script>'


@cache
def _script() -> str:
    """Return ``interactive.js`` without its comments and indentation."""
    lines = (re.sub(r"^\s*//.*$", "", line).strip() for line in resource("interactive.js").splitlines())
    return "\n".join(line for line in lines if line)
