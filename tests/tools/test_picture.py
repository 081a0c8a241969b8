"""The picture of the README is the drawing of a figure, with its words and style, as a file of its own."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import nbformat
import pytest

from distlib.figures.figure import Figure
from tools.picture import figure_of, standalone

SVG = "{http://www.w3.org/2000/svg}"
FIGURE = Figure(
    '<svg viewBox="0 0 30 20"><path d="M1 1 8 8" class="ds-line"/></svg>',
    alt="A line from <a> to b.",
    caption="A line.",
    identifier="line",
)


def notebook() -> nbformat.NotebookNode:
    output = nbformat.v4.new_output("display_data", data={"text/html": FIGURE.html, "text/plain": "line"})
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("line", outputs=[output])])


def test_the_drawing_stands_alone_with_its_words_style_and_paper() -> None:
    svg = ElementTree.fromstring(standalone(figure_of(notebook(), "line")))
    assert (svg.get("width"), svg.get("height"), svg.get("viewBox")) == ("30", "20", "0 0 30 20")
    assert [child.tag.removeprefix(SVG) for child in svg][:4] == ["title", "desc", "style", "rect"]
    assert svg.findtext(f"{SVG}desc") == "A line from <a> to b."
    assert ".ds-line" in (svg.findtext(f"{SVG}style") or "")
    assert svg.find(f".//{SVG}path").get("d") == "M1 1 8 8"


def test_a_figure_that_no_output_holds_is_missed() -> None:
    with pytest.raises(LookupError, match="no figure 'circle' in the outputs: run the chapter first"):
        figure_of(notebook(), "circle")


def test_html_without_a_drawing_is_refused() -> None:
    with pytest.raises(ValueError, match="must hold a <style> and an <svg>"):
        standalone("<figure></figure>")
