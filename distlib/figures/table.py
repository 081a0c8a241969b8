"""Tables whose cells carry a tone: what happens at each crash point, to each participant.

Theory of operation
-------------------
A table is a table, not a picture of one: it can be read cell by cell, copied and searched, and a screen reader says
the row and the column of each cell. The tone is a colour *and* the line at the cell's left edge (solid, dashed,
double), and the words say it anyway.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from distlib.figures.figure import Shown, inline, stylesheet

__all__ = ["Cell", "Table", "matrix"]

Cell = str | tuple[str, str]
TONES = ("", "calm", "wait", "good", "bad")


class Table(Shown):
    """A table with its words. Made by :func:`matrix`.

    Parameters
    ----------
    rows, columns
        Their headings.
    cells
        For each row, for each column, the words and the tone.
    corner
        What stands above the rows' headings.
    alt, caption, identifier
        See :class:`~distlib.figures.figure.Shown`; `alt` is a summary for those who do not see the tones.
    """

    def __init__(
        self,
        rows: Sequence[str],
        columns: Sequence[str],
        cells: Sequence[Sequence[tuple[str, str]]],
        *,
        corner: str,
        alt: str,
        caption: str,
        identifier: str | None = None,
    ) -> None:
        super().__init__(alt=alt, caption=caption, identifier=identifier)
        self.rows, self.columns, self.cells, self.corner = tuple(rows), tuple(columns), tuple(map(tuple, cells)), corner

    def _render(self) -> str:
        head = "".join(f'<th scope="col">{inline(name)}</th>' for name in (self.corner, *self.columns))
        body = "".join(
            f'<tr><th scope="row">{inline(name)}</th>{"".join(map(_cell, row))}</tr>'
            for name, row in zip(self.rows, self.cells, strict=True)
        )
        described = f'aria-labelledby="{self.identifier}-caption" aria-describedby="{self.identifier}-desc"'
        return (
            f'<figure class="ds-figure" id="{self.identifier}"><style>{stylesheet()}</style>'
            '<div class="ds-scroll" role="group" tabindex="0" '
            'aria-label="Table, scrolls sideways where it is wider than the page">'
            f"<table {described}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
            f'<p class="ds-hidden" id="{self.identifier}-desc">{inline(self.alt)}</p>'
            f'<figcaption id="{self.identifier}-caption">{inline(self.caption)}</figcaption></figure>'
        )


def matrix(
    rows: Sequence[str],
    columns: Sequence[str],
    cells: Mapping[tuple[str, str], Cell] | Sequence[Sequence[Cell]],
    *,
    alt: str,
    caption: str,
    corner: str = "",
    identifier: str | None = None,
) -> Table:
    """Make a table of rows and columns whose cells have tones.

    Parameters
    ----------
    rows, columns
        Their headings.
    cells
        By (row, column), or row by row: words, or words and a tone out of "calm", "wait", "good" and "bad".
    alt, caption, identifier
        See :class:`~distlib.figures.figure.Shown`.
    corner
        What stands above the rows' headings.

    Returns
    -------
    Table

    Raises
    ------
    ValueError
        If a cell is missing or has a tone that is not one.

    Examples
    --------
    >>> matrix(["before the vote"], ["participant"], [[("aborts", "good")]], alt="It aborts.",
    ...        caption="One crash point.")
    [Table: It aborts.]
    """
    if not rows or not columns:
        raise ValueError(f"`rows` and `columns` must not be empty, got {len(rows)} and {len(columns)}")
    if isinstance(cells, Mapping):
        wanted = {(row, column) for row in rows for column in columns}
        if set(cells) != wanted:
            missing, extra = sorted(wanted - set(cells)), sorted(set(cells) - wanted)
            raise ValueError(f"`cells` must have each (row, column) once; missing {missing}, not asked for {extra}")
        cells = [[cells[row, column] for column in columns] for row in rows]
    if len(cells) != len(rows) or any(len(row) != len(columns) for row in cells):
        raise ValueError(f"`cells` must be {len(rows)} rows of {len(columns)}, got {[len(row) for row in cells]}")
    toned = [[_toned(cell) for cell in row] for row in cells]
    return Table(rows, columns, toned, corner=corner, alt=alt, caption=caption, identifier=identifier)


def _toned(cell: Cell) -> tuple[str, str]:
    words, tone = (cell, "") if isinstance(cell, str) else cell
    if tone not in TONES:
        raise ValueError(f"a tone must be one of {list(TONES[1:])}, got {tone!r} for {words!r}")
    return words, tone


def _cell(cell: tuple[str, str]) -> str:
    words, tone = cell
    css = f' class="ds-{tone}"' if tone else ""
    return f"<td{css}>{inline(words)}</td>"
