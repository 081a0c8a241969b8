"""The page of execution times says what was timed, and on what."""

from __future__ import annotations

from tests.repository import NOTEBOOKS, ROOT
from tools.times import page, title_of


def test_the_page_has_a_row_for_each_chapter_and_their_sum() -> None:
    text = page({"a/b": ("First", 1.6, 10), "c": ("Second", 2.6, 20)}, "two cores")
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert rows == [
        "| {doc}`First </chapters/a/b>` | 2 | 10 |",
        "| {doc}`Second </chapters/c>` | 3 | 20 |",
        "| all | 4 | 30 |",
    ]
    assert "two cores" in text


def test_a_title_is_the_first_heading() -> None:
    cells = [
        {"cell_type": "code", "source": "# a comment"},
        {"cell_type": "markdown", "source": ["words\n", "# Title \n", "# Second"]},
    ]
    assert title_of({"cells": cells}) == "Title"


def test_every_chapter_in_the_book_has_been_timed() -> None:
    text = (ROOT / "book" / "execution_times.md").read_text(encoding="utf-8")
    chapters = [path for path in NOTEBOOKS if not path.name.startswith("lab_")]
    names = [path.relative_to(ROOT / "chapters").with_suffix("").as_posix() for path in chapters]
    assert [name for name in names if f"</chapters/{name}>" not in text] == []
