"""The static twin in a real browser: a page from a file, without a server, a kernel or a network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from distlib.figures.interactive import Interactive
from distlib.figures.plots import matrix
from distlib.figures.spacetime import spacetime
from tests.figures.samples import phase, two_phase_commit
from tests.figures.test_interactive import dials, draw

pytestmark = pytest.mark.browser

# What the book's theme sets in its two modes.
THEMES = """
html { --pst-color-text-base: #323232; --pst-color-text-muted: #48566b; --pst-color-background: #ffffff;
       --pst-color-border: #c9c9c9; }
html[data-theme="dark"] { --pst-color-text-base: #ced6dd; --pst-color-text-muted: #9ca4af;
       --pst-color-background: #121212; --pst-color-border: #48566b; }
body { margin: 0; padding: 1rem; background: var(--pst-color-background); color: var(--pst-color-text-base); }
"""


def interactive(identifier: str) -> Interactive:
    return Interactive(
        draw, dials(), alt="Two rising curves.", caption=f"The figure {identifier}.", identifier=identifier
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = shutil.which("chromium")
    assert executable is not None, "these tests drive Chromium; install it, on Debian with `apt-get install chromium`"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of a page with two interactive figures, a wide diagram and a table."""
    diagram = spacetime(
        two_phase_commit(), state=phase, alt="Two-phase commit.", caption="A run.", identifier="run", width=1100
    )
    table = matrix(["r"] * 1, ["c" * 60, "d" * 60], [["a", ("b", "bad")]], alt="A table.", caption="T.", identifier="t")
    body = "".join(shown.html for shown in (interactive("one"), interactive("two"), diagram, table))
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Figures</title><style>{THEMES}</style>'
        '<meta name="viewport" content="width=device-width,initial-scale=1"></head>'
        f"<body>{body}</body></html>"
    )
    path: Path = tmp_path_factory.mktemp("page") / "figures.html"
    path.write_text(page, encoding="utf-8")
    return path.as_uri()


@dataclass
class Visit:
    """An open page, with what it asked for and what it complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


def visit(browser: Browser, address: str, *, width: int = 1280, scripts: bool = True) -> Visit:
    context = browser.new_context(viewport={"width": width, "height": 800}, java_script_enabled=scripts)
    visited = Visit(context.new_page())
    visited.page.on("request", lambda request: visited.requests.append(request.url))
    visited.page.on("console", lambda message: visited.complaints.append(message.text))
    visited.page.on("pageerror", lambda error: visited.complaints.append(str(error)))
    visited.page.goto(address)
    return visited


@pytest.fixture
def opened(browser: Browser, address: str) -> Iterator[Visit]:
    visited = visit(browser, address)
    yield visited
    visited.page.context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_arrow_keys_turn_a_dial_and_change_the_picture_and_the_words(opened: Visit, theme: str) -> None:
    page = opened.page
    page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
    picture, output = page.locator("#one g.ds-frame"), page.locator("#one output")
    before = picture.inner_html()
    assert output.inner_text() == draw(4, 10).summary
    page.locator("#one").get_by_role("slider", name="participants").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    assert output.inner_text() == draw(5, 40).summary
    assert picture.inner_html() != before
    assert page.locator("#one .ds-value").all_inner_texts() == ["5", "40 %"]


def test_the_picture_in_the_page_is_the_one_that_was_drawn(opened: Visit) -> None:
    """The browser may write an element otherwise than we do; so ours is put through the same browser."""
    page = opened.page
    page.locator("#two-participants").fill("8")
    page.locator("#two-crash-percent").fill("0")
    ours = page.evaluate(
        """body => { const g = document.createElementNS("http://www.w3.org/2000/svg", "g");
                     g.innerHTML = body; return g.innerHTML; }""",
        draw(9, 0).drawing.body,
    )
    assert page.locator("#two g.ds-frame").inner_html() == ours


def test_figures_on_a_page_do_not_disturb_each_other(opened: Visit) -> None:
    page = opened.page
    other = page.locator("#two g.ds-frame").inner_html()
    page.locator("#one-participants").fill("8")
    assert page.locator("#one output").inner_text() == draw(9, 10).summary
    assert page.locator("#two output").inner_text() == draw(4, 10).summary
    assert page.locator("#two g.ds-frame").inner_html() == other


def test_a_page_asks_for_nothing_complains_of_nothing_and_leaves_nothing_global(opened: Visit, address: str) -> None:
    opened.page.locator("#one-participants").fill("0")
    assert opened.requests == [address]
    assert opened.complaints == []
    clean = "() => { const frame = document.createElement('iframe'); document.body.append(frame); "
    clean += "const known = new Set(Object.getOwnPropertyNames(frame.contentWindow)); frame.remove(); "
    # Chromium makes a global of each id; those are not of the script's making.
    clean += "return Object.getOwnPropertyNames(window).filter(name => !known.has(name) && isNaN(name)); }"
    assert opened.page.evaluate(clean) == []


def test_a_screen_reader_hears_names_values_and_what_is_seen(opened: Visit) -> None:
    page = opened.page
    slider = page.locator("#one").get_by_role("slider", name="crashes", exact=True)
    assert slider.get_attribute("aria-valuetext") == "10 %"
    slider.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext") == "5 %"
    image = page.locator("#one").get_by_role("img", name=f"Line plot Two rising curves. {draw(4, 5).summary}")
    assert image.count() == 1
    assert page.get_by_role("img", name="Space-time diagram Two-phase commit.").count() == 1
    assert page.get_by_role("table", name="T.").count() == 1


def test_a_phone_scrolls_the_figure_and_never_the_page(browser: Browser, address: str) -> None:
    page = visit(browser, address, width=320).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    boxes = page.locator(".ds-scroll")
    wider = boxes.evaluate_all("boxes => boxes.map(box => box.scrollWidth > box.clientWidth)")
    assert wider == [True] * boxes.count()
    boxes.nth(2).focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelectorAll('.ds-scroll')[2].scrollLeft > 0")
    smallest = page.locator("svg text").evaluate_all(
        "texts => Math.min(...texts.map(t => parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a))"
    )
    assert smallest >= 10.99
    page.context.close()


@pytest.mark.parametrize(("theme", "ink"), [("light", "rgb(50, 50, 50)"), ("dark", "rgb(206, 214, 221)")])
def test_colours_follow_the_theme(opened: Visit, theme: str, ink: str) -> None:
    page = opened.page
    page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
    fill = "element => getComputedStyle(element).fill"
    assert page.locator("#one svg text").get_by_text("time (ms)").evaluate(fill) == ink
    line = "element => getComputedStyle(element).stroke"
    colours = {"light": "rgb(0, 62, 151)", "dark": "rgb(97, 169, 240)"}
    assert page.locator("#one path.ds-1").first.evaluate(line) == colours[theme]


def test_the_page_may_set_the_colours(opened: Visit) -> None:
    page = opened.page
    page.add_style_tag(content=":root { --ds-blue: rgb(1, 2, 3); }")
    assert page.locator("#one path.ds-1").first.evaluate("e => getComputedStyle(e).stroke") == "rgb(1, 2, 3)"


def test_without_scripts_the_default_picture_stands_there(browser: Browser, address: str) -> None:
    page = visit(browser, address, scripts=False).page
    assert page.locator("#one output").inner_text() == draw(4, 10).summary
    assert page.locator("#one g.ds-frame path").count() >= 2
    assert page.get_by_role("slider").first.is_disabled()
    page.context.close()


def test_paper_has_the_picture_its_values_and_its_words_and_no_dial(opened: Visit) -> None:
    page = opened.page
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.emulate_media(media="print")
    assert not page.locator("#one input").first.is_visible()
    assert page.locator("#one output").is_visible()
    assert page.locator("#one .ds-value").first.inner_text() == "4"
    words = page.locator("#one svg text").get_by_text("time (ms)")
    assert words.evaluate("element => getComputedStyle(element).fill") == "rgb(0, 0, 0)"


def test_the_page_does_not_jump_when_a_dial_turns(opened: Visit) -> None:
    page = opened.page
    height = "document.querySelector('#one').getBoundingClientRect().height"
    heights = set()
    for value in range(9):
        page.locator("#one-participants").fill(str(value))
        heights.add(page.evaluate(height))
    assert len(heights) == 1
