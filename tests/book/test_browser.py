"""The built book in Chromium, as a reader has it: from the disk and from a server, in both themes, wide and on a phone.

Every request that a page makes is recorded, and none may leave this machine. `make browser-test` runs these.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, sync_playwright

from book.serve import make_server
from tests.book.page_rules import parse
from tests.repository import pages_in_order

pytestmark = pytest.mark.browser

ORIGINS = ("file", "http")
THEMES = ("light", "dark")
PAGES = pages_in_order()
PHONE = {"width": 320, "height": 640}
DESK = {"width": 1280, "height": 900}
# Without these Chromium looks up hosts of its own at every start, which is not what is tested.
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    program = next(filter(None, map(shutil.which, names)), None)
    assert program, "these tests need Chromium or Chrome on the PATH; on Debian: apt-get install chromium"
    # Chromium refuses to run as root inside its sandbox.
    arguments = QUIET + (["--no-sandbox"] if os.geteuid() == 0 else [])
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def origins(book: Path) -> Iterator[dict[str, str]]:
    """Return where the book begins: on the disk, and on a server of this machine."""
    server = make_server(book)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield {"file": book.as_uri(), "http": f"http://127.0.0.1:{server.server_port}"}
    server.shutdown()
    server.server_close()
    thread.join()


class Reader:
    """A reader's window, which notes what goes wrong in it."""

    def __init__(self, browser: Browser, origin: str, theme: str, viewport: dict[str, int]) -> None:
        self.origin = origin
        self.context: BrowserContext = browser.new_context(
            viewport={"width": viewport["width"], "height": viewport["height"]},
            color_scheme="dark" if theme == "dark" else "light",
            reduced_motion="reduce",
        )
        self.context.route("**/*", self._let_through)
        self.foreign: list[str] = []
        self.complaints: list[str] = []
        self.page: Page = self.context.new_page()
        self.page.on("console", lambda message: self._hear(message.type, message.text))
        self.page.on("pageerror", lambda error: self._hear("error", str(error)))

    def _let_through(self, route: Route) -> None:
        address = urlsplit(route.request.url)
        if address.scheme in {"file", "data", "blob"} or address.hostname == "127.0.0.1":
            route.continue_()
        else:
            self.foreign.append(route.request.url)
            route.abort()

    def _hear(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(text)

    def open(self, page: str) -> Page:
        """Open a page and wait until its formulas are drawn."""
        self.page.goto(f"{self.origin}/{page}", wait_until="load")
        self.page.evaluate("() => window.MathJax?.startup?.promise")
        return self.page


@pytest.fixture
def reader(request: pytest.FixtureRequest, browser: Browser, origins: dict[str, str]) -> Iterator[Reader]:
    """Return a reader's window; a test may ask for (origin, theme, viewport) through `indirect`."""
    origin, theme, viewport = getattr(request, "param", ("file", "light", DESK))
    window = Reader(browser, origins[origin], theme, viewport)
    yield window
    window.context.close()


EVERY_ORIGIN_AND_THEME = pytest.mark.parametrize(
    "reader", [(origin, theme, DESK) for origin, theme in zip(ORIGINS, THEMES, strict=True)], indirect=True, ids=ORIGINS
)
EVERY_ORIGIN = pytest.mark.parametrize(
    "reader", [(origin, "light", DESK) for origin in ORIGINS], indirect=True, ids=ORIGINS
)
EVERY_THEME = pytest.mark.parametrize("reader", [("file", theme, DESK) for theme in THEMES], indirect=True, ids=THEMES)
PHONES = pytest.mark.parametrize("reader", [("file", theme, PHONE) for theme in THEMES], indirect=True, ids=THEMES)


@EVERY_ORIGIN_AND_THEME
@pytest.mark.parametrize("name", [*PAGES, "search"])
def test_a_page_asks_no_other_machine_and_complains_of_nothing(reader: Reader, name: str) -> None:
    page = reader.open(f"{name}.html")
    assert reader.foreign == []
    assert reader.complaints == []
    formulas = page.locator("mjx-container").count()
    written = page.locator("article .math").count()
    assert formulas == written, f"{written} formulas are written and {formulas} are drawn"
    # MathJax draws what it cannot read, and says so only here.
    assert page.locator("mjx-merror, [data-mjx-error]").all_inner_texts() == []


@PHONES
@pytest.mark.parametrize("name", [*PAGES, "search"])
def test_a_page_does_not_scroll_sideways_on_a_narrow_phone(reader: Reader, name: str) -> None:
    page = reader.open(f"{name}.html")
    # A solution that is folded away must fit as well.
    for button in page.locator("button.toggle-button").all():
        button.evaluate("button => button.click()")
    page.wait_for_timeout(50)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


SERIOUS = {"serious", "critical"}


def barriers(page: Page) -> list[str]:
    """Return what keeps some readers out of a page, as axe-core finds it, if it is serious."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found if one["impact"] in SERIOUS]


@EVERY_THEME
@pytest.mark.parametrize("name", [*PAGES, "search"])
def test_a_page_keeps_nobody_out(reader: Reader, name: str) -> None:
    page = reader.open(f"{name}.html")
    page.wait_for_timeout(50)  # until what is wide has been made reachable
    assert barriers(page) == []


LARGEST_SHIFT = 0.05  # half of what is commonly called good
WATCH_SHIFTS = """
  window.shifted = 0;
  new PerformanceObserver(list => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
  }).observe({type: "layout-shift", buffered: true});
"""


@pytest.mark.parametrize("name", PAGES)
def test_the_text_stays_where_it_is_while_a_page_is_made(reader: Reader, name: str) -> None:
    reader.page.add_init_script(WATCH_SHIFTS)
    page = reader.open(f"{name}.html")
    page.wait_for_timeout(100)
    assert page.evaluate("window.shifted") <= LARGEST_SHIFT


@EVERY_THEME
def test_the_theme_follows_the_reader(reader: Reader) -> None:
    page = reader.open(f"{PAGES[0]}.html")
    shade = page.evaluate("getComputedStyle(document.body).backgroundColor")
    channels = [int(part) for part in shade.removeprefix("rgb(").removesuffix(")").split(",")]
    is_light = sum(channels) / 3 > 127
    assert page.locator("html").get_attribute("data-theme") == ("light" if is_light else "dark")
    assert is_light is page.evaluate("matchMedia('(prefers-color-scheme: light)').matches")
    page.locator(".theme-switch-button").first.click()
    assert page.locator("html").get_attribute("data-mode") != "auto"


@EVERY_ORIGIN
def test_search_finds_the_glossary_by_a_word_of_it(reader: Reader) -> None:
    page = reader.open("search.html?q=idempotent")
    page.locator("#search-results li a").first.wait_for()
    found = [link.get_attribute("href") or "" for link in page.locator("#search-results li a").all()]
    assert any("book/glossary.html" in address for address in found)
    assert reader.complaints == []


VISIBLE_DRAWINGS = "drawings => drawings.filter(d => d.getClientRects().length).map(d => d.outerHTML).join('')"


def turn(dial: Locator) -> tuple[bool, bool]:
    """Press one arrow key on a dial; return whether the words of its figure changed, and whether the drawing did."""
    figure = dial.locator("xpath=ancestor::figure[1]")
    before = figure.inner_text(), figure.locator("svg").evaluate_all(VISIBLE_DRAWINGS)
    dial.press("ArrowLeft" if dial.evaluate("dial => Number(dial.value) >= Number(dial.max)") else "ArrowRight")
    after = figure.inner_text(), figure.locator("svg").evaluate_all(VISIBLE_DRAWINGS)
    return after[0] != before[0], after[1] != before[1]


@EVERY_ORIGIN
def test_every_dial_is_turned_by_keyboard_and_answers(reader: Reader, book: Path) -> None:
    turned = 0
    for name in PAGES:
        if not parse(book / f"{name}.html").select("article input[type=range]"):
            continue
        for dial in reader.open(f"{name}.html").locator("article input[type=range]").all():
            assert turn(dial) == (True, True), f"{name}: a dial moves, and the words or the drawing beside it do not"
            turned += 1
    assert turned > 0, "the book has no dial"
    assert reader.complaints == []


@EVERY_THEME
def test_on_paper_there_is_the_text_and_not_the_frame(reader: Reader) -> None:
    page = reader.open(f"{PAGES[0]}.html")
    page.emulate_media(media="print")
    assert page.locator(".bd-sidebar-primary").is_hidden()
    assert page.locator("article h1").is_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('article')).color") == "rgb(0, 0, 0)"


# ---- The tests find what they are there to find ---------------------------------------------------------------------

WRONG = """<!doctype html><html><head><title>Wrong</title>
<script>window.MathJax = {startup: {}}</script><script src="../_static/mathjax/tex-svg.js"></script></head>
<body><article><span class="math">\\(\\frac{1}\\)</span><p style="width: 500px">wide</p>
<div style="color: #bbb; background: #fff">hardly to be read</div>
<figure><input type="range"><svg><path d="M0 0"/></svg></figure>
<script>console.error("a complaint")</script><img alt="" src="http://elsewhere.invalid/x.png"></article></body></html>"""


@pytest.fixture
def wrong_page(book: Path) -> Iterator[str]:
    folder = book / "_wrong"
    folder.mkdir(exist_ok=True)
    (folder / "page.html").write_text(WRONG, encoding="utf-8")
    yield "_wrong/page.html"
    shutil.rmtree(folder)


@pytest.mark.parametrize("reader", [("http", "light", PHONE)], indirect=True, ids=["http"])
def test_a_wrong_page_is_found_out(reader: Reader, wrong_page: str) -> None:
    page = reader.open(wrong_page)
    assert reader.foreign == ["http://elsewhere.invalid/x.png"]
    assert "a complaint" in reader.complaints
    assert page.locator("mjx-merror, [data-mjx-error]").count() > 0
    assert page.evaluate("document.documentElement.scrollWidth") > PHONE["width"]
    assert turn(page.locator("input")) == (False, False)
    assert {fault.partition(":")[0] for fault in barriers(page)} >= {"color-contrast", "label"}
