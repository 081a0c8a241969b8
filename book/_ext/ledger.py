"""The directive ``evidence-ledger``: one table of every claim that the chapters assert, read from their outputs.

Theory of operation
-------------------
The last cells of a chapter record each claim with the values that it was reached by (see ``distlib.evidence``). The
record is an output of MIME type ``application/vnd.distlib.evidence+json`` in the committed notebook, so the tests hold
it to what the code computes today. This directive reads the notebooks that are in the book, in the order of `_toc.yml`,
and lays the rows out. A page that shows the ledger depends on every notebook, and is made anew when one of them
changes, is added or is taken away.

A malformed record is a warning, and so fails the build: a claim that left the ledger in silence would be worse than
none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)

MIME_TYPE = "application/vnd.distlib.evidence+json"
WAYS = ("predicted", "simulated", "checked", "measured")


@dataclass(frozen=True)
class Row:
    """A claim and what it was reached by: for each way, the texts and their sources."""

    claim: str
    identifier: str
    unit: str
    values: dict[str, list[tuple[str, str]]]
    verdict: str


class MalformedEvidenceError(Exception):
    """A record does not have the shape that `distlib.evidence` promises."""


def parse_row(record: Any) -> Row:
    """Return a row of the ledger.

    Raises
    ------
    MalformedEvidenceError
        If a field is missing, or a way is unknown, or there is no value at all.
    """
    try:
        values: dict[str, list[tuple[str, str]]] = {}
        for value in record["values"]:
            values.setdefault(value["way"], []).append((value["text"], value["source"]))
        row = Row(record["claim"], record["identifier"], record["unit"], values, record["verdict"])
    except (KeyError, TypeError, AttributeError) as error:
        raise MalformedEvidenceError(f"a field is missing in {record!r}: {error!r}") from error
    if unknown := sorted(set(values) - set(WAYS)):
        raise MalformedEvidenceError(f"the way of a value must be one of {WAYS}, got {unknown[0]!r} in {row.claim!r}")
    if not values:
        raise MalformedEvidenceError(f"a claim needs a value, got none for {row.claim!r}")
    return row


def rows_of(notebook: dict[str, Any]) -> Iterator[Row]:
    """Yield the rows that the outputs of a notebook hold, in order."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            record = output.get("data", {}).get(MIME_TYPE)
            if record is None:
                continue
            if not isinstance(record, dict) or "rows" not in record:
                raise MalformedEvidenceError(f"no rows in {record!r}")
            for row in record["rows"]:
                yield parse_row(row)


def notebooks_in_book(env: BuildEnvironment) -> list[str]:
    """Return the names of the pages that are notebooks, in the order of the table of contents."""
    site_map = env.app.config.external_site_map
    return [name for name in site_map if name in env.found_docs and env.doc2path(name).endswith(".ipynb")]


def _words(text: str, classes: Iterable[str] = ()) -> nodes.paragraph:
    """Return a paragraph; what stands between backticks is set as code."""
    paragraph = nodes.paragraph("", classes=list(classes))
    for index, part in enumerate(text.split("`")):
        if part:
            paragraph += nodes.literal("", part) if index % 2 else nodes.Text(part)
    return paragraph


def _cell(*content: nodes.Node, classes: Iterable[str] = ()) -> nodes.entry:
    return nodes.entry("", *content, classes=list(classes))


def _value_cell(row: Row, way: str) -> nodes.entry:
    paragraphs = []
    for text, source in row.values.get(way, []):
        # A unit goes behind a number; a text that ends in a word says what it counts.
        unit = f" {row.unit}" if row.unit and text[-1:].isdigit() else ""
        paragraphs += [_words(text + unit), _words(source, ["ledger-source"])]
    return _cell(*paragraphs, classes=[f"ledger-{way}" if paragraphs else "ledger-empty"])


def table_of(rows: list[Row], name: str) -> nodes.table:
    """Return the table of one chapter's rows, each of which a link can end at."""
    table = nodes.table("", classes=["evidence-ledger"])
    group = nodes.tgroup("", cols=len(WAYS) + 2)
    table += group
    group.extend(nodes.colspec("", colwidth=width) for width in (3, 2, 2, 2, 2, 1))
    head = nodes.row("", *(_cell(nodes.paragraph("", word)) for word in ("claim", *WAYS, "verdict")))
    group += nodes.thead("", head)
    body = nodes.tbody("")
    for row in rows:
        body += nodes.row(
            "",
            _cell(_words(row.claim), classes=["ledger-claim"]),
            *(_value_cell(row, way) for way in WAYS),
            _cell(_words(row.verdict), classes=["ledger-verdict"]),
            ids=[f"{name}-{nodes.make_id(row.identifier)}"],
        )
    group += body
    return table


def title_of(notebook: dict[str, Any]) -> str:
    """Return the first heading of a notebook."""
    for cell in notebook["cells"]:
        for line in "".join(cell["source"]).splitlines() if cell["cell_type"] == "markdown" else []:
            if line.startswith("# "):
                return line.removeprefix("# ").strip()
    raise MalformedEvidenceError("the notebook has no heading of the first level")


class EvidenceLedger(SphinxDirective):
    """Lay out the ledger, one section a chapter."""

    def run(self) -> list[nodes.Node]:
        docnames = notebooks_in_book(self.env)
        vars(self.env).setdefault("ledger_pages", {})[self.env.docname] = docnames
        ledger: list[nodes.Node] = []
        for docname in docnames:
            path = Path(self.env.doc2path(docname))
            self.env.note_dependency(str(path))
            try:
                notebook = json.loads(path.read_text(encoding="utf-8"))
                rows = list(rows_of(notebook))
                if rows:
                    ledger.append(self.section(docname, title_of(notebook), rows))
            except (MalformedEvidenceError, ValueError) as error:
                logger.warning("the evidence in %s is malformed: %s", path.name, error, location=self.get_location())
        return ledger or [nodes.paragraph("", "No chapter has recorded a claim yet.")]

    def section(self, docname: str, title: str, rows: list[Row]) -> nodes.section:
        """Return a chapter's part: its title, a sentence that counts and links, and the table."""
        name = nodes.make_id("evidence-" + docname.removeprefix("chapters/"))
        link = addnodes.pending_xref(
            "", refdomain="std", reftype="doc", reftarget="/" + docname, refdoc=self.env.docname, refexplicit=True
        )
        link["refwarn"] = True
        link += nodes.inline("", title)
        counts = [f"{sum(way in row.values for row in rows)} {way}" for way in WAYS]
        told = nodes.Text(f": {len(rows)} claim{'s' * (len(rows) != 1)}, {', '.join(counts)}.")
        intro = nodes.paragraph("", "", link, told)
        return nodes.section("", nodes.title("", title), intro, table_of(rows, name), ids=[name])


def outdated_pages(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> Iterable[str]:
    """Return the pages with a ledger that was made from other notebooks than those in the book now."""
    pages: dict[str, list[str]] = vars(env).setdefault("ledger_pages", {})
    return [page for page, seen in pages.items() if page in env.found_docs and seen != notebooks_in_book(env)]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.add_directive("evidence-ledger", EvidenceLedger)
    app.connect("env-get-outdated", outdated_pages)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
