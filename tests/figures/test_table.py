from __future__ import annotations

import pytest

from distlib.figures.table import Cell, matrix

ROWS, COLUMNS = ["before", "after"], ["coordinator", "participant"]
WORDS = {"alt": "It blocks once.", "caption": "Crash points."}


def test_a_table_is_a_table_with_headings_for_rows_and_columns() -> None:
    html = matrix(ROWS, COLUMNS, [["a", "b"], [("blocks", "bad"), "d"]], corner="crash", identifier="m", **WORDS).html
    assert html.count('<th scope="col">') == 3
    assert html.count('<th scope="row">') == 2
    assert '<td class="ds-bad">blocks</td>' in html
    assert '<table aria-labelledby="m-caption" aria-describedby="m-desc">' in html
    assert '<p class="ds-hidden" id="m-desc">It blocks once.</p>' in html


def test_cells_by_name_and_cells_by_row_are_the_same_table() -> None:
    named: dict[tuple[str, str], Cell] = {(row, column): row + column for row in ROWS for column in COLUMNS}
    listed = [[row + column for column in COLUMNS] for row in ROWS]
    assert matrix(ROWS, COLUMNS, named, **WORDS).html == matrix(ROWS, COLUMNS, listed, **WORDS).html


def test_words_are_escaped() -> None:
    assert "<td>a &lt; b</td>" in matrix(["r"], ["c"], [["a < b"]], **WORDS).html


def test_a_missing_cell_is_refused_with_its_name() -> None:
    with pytest.raises(ValueError, match=r"missing \[\('before', 'participant'\)\]"):
        matrix(["before"], COLUMNS, {("before", "coordinator"): "a"}, **WORDS)
    with pytest.raises(ValueError, match=r"`cells` must be 2 rows of 2, got \[2\]"):
        matrix(ROWS, COLUMNS, [["a", "b"]], **WORDS)


def test_a_tone_that_is_not_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a tone must be one of .* got 'red' for 'a'"):
        matrix(["r"], ["c"], [[("a", "red")]], **WORDS)
