"""What every built page must be, as far as its HTML tells. What needs a browser is in test_browser.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from tests.book.page_rules import (
    dead_links,
    foreign_sources,
    parse,
    unlabelled_controls,
    unnamed_pictures,
)
from tests.repository import ROOT, pages_in_order

LARGEST_COVER_BYTES = 300_000
LARGEST_PAGE_BYTES = 3_000_000


@pytest.mark.parametrize("page", pages_in_order())
class TestPage:
    """What holds for every page of the table of contents."""

    def test_no_link_is_dead(self, book: Path, page: str) -> None:
        assert dead_links(book / f"{page}.html", book) == []

    def test_nothing_is_loaded_from_another_machine(self, book: Path, page: str) -> None:
        assert foreign_sources(parse(book / f"{page}.html")) == []

    def test_every_picture_says_what_it_shows(self, book: Path, page: str) -> None:
        assert unnamed_pictures(parse(book / f"{page}.html")) == []

    def test_every_control_says_what_it_is_for(self, book: Path, page: str) -> None:
        assert unlabelled_controls(parse(book / f"{page}.html")) == []

    def test_it_has_a_language_a_title_and_one_heading_of_the_first_level(self, book: Path, page: str) -> None:
        soup = parse(book / f"{page}.html")
        assert soup.html is not None
        assert soup.html["lang"] == "en"
        assert soup.title is not None
        assert soup.title.get_text(strip=True)
        assert len([heading for heading in soup.find_all("h1") if not heading.find_parent(class_="onlyprint")]) == 1

    def test_it_is_not_too_heavy(self, book: Path, page: str) -> None:
        limit = LARGEST_COVER_BYTES if page == pages_in_order()[0] else LARGEST_PAGE_BYTES
        assert (book / f"{page}.html").stat().st_size <= limit


@pytest.mark.parametrize("page", ["search.html", "genindex.html", "index.html"])
def test_the_pages_that_the_build_adds_are_whole(book: Path, page: str) -> None:
    assert dead_links(book / page, book) == []
    assert foreign_sources(parse(book / page)) == []


def test_mathjax_is_in_the_book_with_its_licence(book: Path) -> None:
    folder = book / "_static" / "mathjax"
    assert (folder / "tex-svg.js").stat().st_size > 1_000_000
    assert "Apache License" in (folder / "LICENSE").read_text(encoding="utf-8")


def test_mathjax_is_loaded_where_there_are_formulas_and_nowhere_else(book: Path) -> None:
    for page in pages_in_order():
        soup = parse(book / f"{page}.html")
        loads = soup.find("script", src=re.compile("mathjax/tex-svg.js")) is not None
        assert loads is (soup.select_one("article .math") is not None), page


@pytest.mark.parametrize("page", ["book/index", "book/mirror"])
def test_the_plan_links_the_chapters_that_are_written_and_no_others(book: Path, page: str) -> None:
    article = parse(book / f"{page}.html").find("article")
    assert article is not None
    links = [str(link["href"]) for link in article.find_all("a", href=re.compile(r"chapters/"))]
    linked = {link.removeprefix("../").removesuffix(".html") for link in links}
    written = {
        name for name in pages_in_order() if name.startswith("chapters/") and not re.search("/(lab_|index)", name)
    }
    assert linked == written
    assert len(article.find_all(class_="planned")) == 24 - len(written)


def test_no_style_sheet_of_ours_loads_from_another_machine() -> None:
    for sheet in (ROOT / "book" / "_static").glob("*.css"):
        assert re.findall(r"url\(\s*['\"]?https?:|@import", sheet.read_text(encoding="utf-8")) == []


# ---- Each rule finds what it is there to find ---------------------------------------------------------------------


@pytest.fixture
def wrong_page(tmp_path: Path) -> Path:
    (tmp_path / "there.html").write_text('<p id="here">here</p>', encoding="utf-8")
    path = tmp_path / "page.html"
    path.write_text(
        '<a href="there.html#here">alive</a><a href="#">top</a><a href="https://example.org/x">elsewhere</a>'
        '<a href="missing.html">dead</a><a href="there.html#nowhere">dead</a><a href="#gone">dead</a>'
        '<img src="missing.png" alt="dead"><a href="../outside.html">out</a>',
        encoding="utf-8",
    )
    return path


def test_dead_links_are_found(wrong_page: Path) -> None:
    targets = [fault.partition(": ")[0] for fault in dead_links(wrong_page, wrong_page.parent)]
    assert targets == ["missing.html", "there.html#nowhere", "#gone", "missing.png", "../outside.html"]


def test_foreign_sources_are_found() -> None:
    html = '<script src="https://cdn.example/x.js"></script><link href="//fonts.example/f.css"><img src="x.png">'
    assert len(foreign_sources(BeautifulSoup(html, "html.parser"))) == 2


def test_pictures_without_words_are_found() -> None:
    silent = ['<img src="x">', "<svg></svg>", '<svg role="img"></svg>', '<svg role="img" aria-labelledby="no"></svg>']
    assert [len(unnamed_pictures(html)) for html in silent] == [1, 1, 1, 1]
    named = '<svg role="img" aria-labelledby="a"><title id="a">A run</title></svg><img src="x" alt="A run">'
    assert unnamed_pictures(named) == []


def test_controls_without_words_are_found() -> None:
    html = '<input type="range" id="a"><label for="b">loss</label><input type="range" id="b"><button> </button>'
    assert len(unlabelled_controls(BeautifulSoup(html, "html.parser"))) == 2
