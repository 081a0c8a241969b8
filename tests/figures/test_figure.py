from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from distlib.figures.figure import Figure, side_by_side, stylesheet
from distlib.figures.svg import Drawing, circle, text

DOT = Drawing(200, 100, (circle((10, 10), 5, "ds-fill"), text(1, 2, "a < b")), text_pixels=12)


def figure(**changes: str) -> Figure:
    return Figure(DOT, **({"alt": "A dot.", "caption": "One `dot` < two."} | changes))


class Balance(HTMLParser):
    """Checks that every element that is opened is closed, in order."""

    VOID = frozenset({"input", "meta", "br"})

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(markup)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("missing", ["alt", "caption"])
@pytest.mark.parametrize("value", ["", "  ", None])
def test_a_figure_without_words_is_refused(missing: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"`{missing}` must say in words what the figure shows"):
        figure(**{missing: value})


def test_the_picture_is_named_and_described_for_a_screen_reader() -> None:
    html = figure(identifier="dot").html
    assert 'role="img" aria-labelledby="dot-title dot-desc"' in html
    assert '<title id="dot-title">Figure</title><desc id="dot-desc">A dot.</desc>' in html


def test_the_box_can_be_focused_and_keeps_the_text_readable() -> None:
    html = figure().html
    assert 'class="ds-scroll" role="group" tabindex="0" aria-label="' in html
    smallest = re.search(r"min-width:([\d.]+)px", html)
    assert smallest is not None
    assert float(smallest.group(1)) * DOT.text_pixels / DOT.width >= 11 - 0.01


def test_captions_are_escaped_and_their_code_is_code() -> None:
    assert "<figcaption>One <code>dot</code> &lt; two.</figcaption>" in figure().html


def test_the_markup_is_balanced() -> None:
    Balance(figure().html)
    Balance(side_by_side(figure(), figure(alt="Another.")).html)


def test_the_identifier_follows_from_the_words_and_from_nothing_else() -> None:
    assert figure().identifier == figure().identifier
    assert figure().identifier != figure(caption="Two dots.").identifier
    assert figure(identifier="a-dot").identifier == "a-dot"


@pytest.mark.parametrize("bad", ["Dot", "1dot", "a dot", ""])
def test_an_identifier_that_is_not_one_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="`identifier` must be a lowercase letter"):
        figure(identifier=bad)


def test_a_notebook_gets_html_and_a_line_of_text() -> None:
    bundle = figure()._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain"}
    assert bundle["text/plain"] == "[Figure: A dot.]"


def test_an_svg_element_as_text_is_taken_as_it_is() -> None:
    shown = Figure('<svg viewBox="0 0 30 40"><g/></svg>', alt="A group.", caption="Nothing.")
    assert (shown.drawing.width, shown.drawing.height, shown.drawing.body) == (30, 40, "<g/>")


@pytest.mark.parametrize("bad", ["<p>no</p>", "<svg></svg>", '<svg viewBox="5 0 30 40"></svg>'])
def test_text_that_is_not_such_an_svg_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="`svg` must be an <svg> element"):
        Figure(bad, alt="A.", caption="B.")


def test_a_saved_picture_is_a_whole_svg_document(tmp_path: Path) -> None:
    root = ElementTree.parse(figure().save(tmp_path / "dot.svg")).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.findtext("{http://www.w3.org/2000/svg}desc") == "A dot."


def test_a_saved_page_holds_the_figure(tmp_path: Path) -> None:
    assert figure().html in figure().save(tmp_path / "dot.html").read_text(encoding="utf-8")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`path` must end in \.svg or \.html, got 'dot\.png'"):
        figure().save(tmp_path / "dot.png")


def test_one_figure_is_not_beside_another_and_twins_are_refused() -> None:
    with pytest.raises(ValueError, match="at least two, got 1"):
        side_by_side(figure())
    with pytest.raises(ValueError, match="different identifiers"):
        side_by_side(figure(), figure())


def test_the_style_reaches_nothing_but_figures() -> None:
    """Each selector names a class of ours, so that a figure cannot restyle the page around it."""
    flat = re.sub(r"@media print\{(.*)\}$", r"\1", stylesheet())
    for rule in re.findall(r"([^{}]+)\{[^{}]*\}", flat):
        for selector in rule.split(","):
            assert ".ds-" in selector, selector


def test_every_class_that_is_drawn_has_a_style() -> None:
    """A class that is misspelt would draw in the browser's default: black on black in the dark."""
    styled = set(re.findall(r"\.(ds-[a-z0-9-]+)", stylesheet()))
    sources = Path(__file__).parents[2].joinpath("distlib", "figures").glob("*.py")
    drawn = {
        found
        for source in sources
        for found in re.findall(r"(?<![\w-])ds-[a-z]+\b", source.read_text(encoding="utf-8"))
    }
    assert drawn - styled - {"ds-frame", "ds-source", "ds-interactive"} == set()
