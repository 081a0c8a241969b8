"""The book's own extensions do what their pages rely on, tried on a small book of one notebook and one page."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from bs4 import BeautifulSoup
from pybtex.database import parse_string

from tests.book.page_rules import parse
from tests.repository import ROOT, pages_in_order, read

EXTENSIONS = ROOT / "book" / "_ext"
MIME_TYPE = "application/vnd.distlib.evidence+json"
CONFIGURATION = f"""
import sys
sys.path.insert(0, {str(EXTENSIONS)!r})
extensions = ["myst_nb", "sphinx_external_toc", "sphinx_exercise", "chapters", "ledger", "gathered",
    "page_numbers"]
project = "A small book"
nb_execution_mode = "off"
external_toc_exclude_missing = True
suppress_warnings = ["mystnb.unknown_mime_type"]
numfig = True
"""
CLAIM = {
    "claim": "The mean wait of `max` for five",
    "identifier": "mean-wait",
    "unit": "ms",
    "values": [
        {"way": "predicted", "text": "4.283", "source": "order statistics"},
        {"way": "simulated", "text": "4.291 ± 0.021", "source": "10 000 runs"},
    ],
    "verdict": "agrees",
}


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXTENSIONS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def notebook(title: str, *rows: dict[str, Any]) -> str:
    output = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"text/plain": "recorded", MIME_TYPE: {"chapter": title, "rows": list(rows)}},
    }
    table = "| symbol | meaning | unit | here |\n|---|---|---|---|\n| $n$ | how many | – | 5 |"
    words = f"# {title}\n\n{table}\n\n```{{exercise}}\nCount.\n```\n"
    figure = '<figure id="f"><input type="range"><figcaption>A curve. More of it.</figcaption></figure>'
    output["data"]["text/html"] = figure
    cells = [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": words},
        {"cell_type": "code", "id": "b", "metadata": {}, "source": "1", "execution_count": 1, "outputs": [output]},
    ]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


class SmallBook:
    """A book with the chapters that it is given, and a page with the plan and the ledger."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "conf.py").write_text(CONFIGURATION, encoding="utf-8")
        plan = "{chapter}`First <topic/first>` {chapter}`Second <topic/second>`"
        page = (
            f"# Plan\n\n{plan}\n\n```{{evidence-ledger}}\n```\n\n```{{symbol-index}}\n```\n\n```{{figure-index}}\n```\n"
        )
        (folder / "plan.md").write_text(page, encoding="utf-8")

    def build(self, **chapters: str) -> subprocess.CompletedProcess[str]:
        """Write the chapters and build the book, with warnings as errors."""
        files = "".join(f"  - file: chapters/topic/{name}\n" for name in chapters)
        (self.folder / "_toc.yml").write_text(f"format: jb-book\nroot: plan\nchapters:\n{files}", encoding="utf-8")
        for name, text in chapters.items():
            path = self.folder / "chapters" / "topic" / f"{name}.ipynb"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "sphinx", "-W", "-n", "--keep-going", "-q", self.folder, self.folder / "html"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def page(self, name: str) -> BeautifulSoup:
        """Return the elements of a built page."""
        return BeautifulSoup((self.folder / "html" / f"{name}.html").read_text(encoding="utf-8"), "html.parser")

    def rows(self) -> list[list[str]]:
        """Return the texts of the ledger's cells, row by row."""
        body = self.page("plan").select(".evidence-ledger tbody tr")
        return [[" | ".join(entry.stripped_strings) for entry in row.find_all("td")] for row in body]


@pytest.fixture
def small_book(tmp_path: Path) -> SmallBook:
    return SmallBook(tmp_path)


def test_the_ledger_and_the_plan_follow_the_chapters(small_book: SmallBook) -> None:
    assert small_book.build(first=notebook("First", CLAIM)).returncode == 0
    values = ["4.283 ms | order statistics", "4.291 ± 0.021 ms | 10 000 runs"]
    assert small_book.rows() == [["The mean wait of | max | for five", *values, "", "", "agrees"]]
    assert small_book.page("plan").select("tr#evidence-topic-first-mean-wait") != []
    assert [found.get_text() for found in small_book.page("plan").select(".planned")] == ["Second in preparation"]

    # A chapter that changes changes the ledger, and a chapter that is added leaves the plan.
    changed = notebook("First", {**CLAIM, "claim": "Six"})
    assert small_book.build(first=changed, second=notebook("Second", CLAIM)).returncode == 0
    assert [row[0] for row in small_book.rows()] == ["Six", "The mean wait of | max | for five"]
    assert small_book.page("plan").select(".planned") == []
    assert small_book.page("plan").select('a[href="chapters/topic/second.html"]') != []

    # Exercises are numbered from 1 in both.
    for name in ("first", "second"):
        assert "Exercise 1" in small_book.page(f"chapters/topic/{name}").get_text()


def test_figures_and_symbols_of_all_chapters_are_gathered(small_book: SmallBook) -> None:
    assert small_book.build(first=notebook("First"), second=notebook("Second")).returncode == 0
    plan = small_book.page("plan")
    lines = [(link.get_text(), link["href"]) for link in plan.select("li p > a")]
    assert lines == [("A curve.", "chapters/topic/first.html#f"), ("A curve.", "chapters/topic/second.html#f")]
    assert [item.get_text(strip=True)[-12:] for item in plan.select("li p")] == ["(with dials)"] * 2
    rows = [
        [cell.get_text(strip=True) for cell in row.find_all("td")]
        for row in plan.select("table:not(.evidence-ledger) tr")
    ]
    assert [row[1:] for row in rows if row] == [["how many", "–", "First"], ["how many", "–", "Second"]]


def test_a_malformed_claim_fails_the_build(small_book: SmallBook) -> None:
    made = small_book.build(first=notebook("First", {**CLAIM, "values": []}))
    assert made.returncode != 0
    assert "the evidence in first.ipynb is malformed" in made.stderr


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({**CLAIM, "values": []}, "needs a value"),
        ({**CLAIM, "values": [{"way": "guessed", "text": "4", "source": "hope"}]}, "guessed"),
        ({key: value for key, value in CLAIM.items() if key != "verdict"}, "verdict"),
        ("a claim", "missing"),
    ],
    ids=["no value", "unknown way", "no verdict", "no record"],
)
def test_a_malformed_claim_is_named(row: Any, said: str) -> None:
    ledger = load("ledger")
    with pytest.raises(ledger.MalformedEvidenceError, match=said):
        ledger.parse_row(row)


def test_the_ledger_has_every_claim_of_every_chapter(book: Path) -> None:
    rows_of = load("ledger").rows_of
    notebooks = [ROOT / f"{name}.ipynb" for name in pages_in_order() if (ROOT / f"{name}.ipynb").exists()]
    recorded = [row.claim.replace("`", "") for path in notebooks for row in rows_of(read(path))]
    cells = parse(book / "book" / "evidence.html").select("td.ledger-claim")
    shown = [cell.get_text().strip().replace("’", "'") for cell in cells]  # typesetting curls the apostrophes
    assert shown == recorded


def test_a_reference_is_labelled_as_the_text_cites_it() -> None:
    entries = parse_string(
        """@book{one, author = {Gray, Jim}, year = 1978}
        @book{two, author = {Gray, Jim and Lamport, Leslie}, year = 2006}
        @book{three, author = {van Renesse, Robbert and B, B and C, C}, year = 2015}""",
        "bibtex",
    ).entries
    label_of = load("citations").label_of
    assert [label_of(entry) for entry in entries.values()] == [
        "Gray, 1978",
        "Gray and Lamport, 2006",
        "van Renesse et al., 2015",
    ]
