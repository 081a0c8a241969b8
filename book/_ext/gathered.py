"""The directives ``figure-index`` and ``symbol-index``: what stands in the chapters, gathered from them.

Theory of operation
-------------------
Both read the notebooks that are in the book, in the order of `_toc.yml`, as the evidence ledger does. A figure is an
element ``figure`` with an ``id`` among the outputs; its line in the index is its caption's first sentence. A symbol is
a row of a table in the text whose head is ``| symbol | meaning | unit |``. So neither list can lack anything that a
chapter has, and both are made anew when a chapter changes, is added or is taken away.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

SYMBOL_TABLE = re.compile(r"^\| symbol \| meaning \| unit \|.*\n\|[-| :]+\|\n((?:\|.*\n?)+)", re.MULTILINE)


def figures_of(notebook: dict[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Yield (identifier, caption, whether it has dials) for each figure of a notebook that a link can end at."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            html = "".join(output.get("data", {}).get("text/html", ""))
            if "<figure" not in html:
                continue
            for figure in BeautifulSoup(html, "html.parser").find_all("figure", id=True):
                caption = figure.find("figcaption")
                if caption is not None:
                    dials = figure.find("input", attrs={"type": "range"}) is not None
                    yield str(figure["id"]), " ".join(caption.get_text().split()), dials


def symbols_of(notebook: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield (symbol, meaning, unit), as Markdown, for each row of a table of symbols."""
    for cell in notebook["cells"]:
        if cell["cell_type"] != "markdown":
            continue
        for table in SYMBOL_TABLE.finditer("".join(cell["source"])):
            for line in table.group(1).strip().splitlines():
                symbol, meaning, unit, *_ = (part.strip() for part in re.split(r"(?<!\\)\|", line.strip().strip("|")))
                yield symbol, meaning, unit


def first_sentence(caption: str) -> str:
    """Return a caption up to its first full stop that is followed by a space and a capital letter."""
    return re.split(r"(?<=[.:?!])\s+(?=[A-Z])", caption, maxsplit=1)[0].rstrip(":")


class Gathered(SphinxDirective):
    """Lay out what the notebooks of the book hold."""

    def notebooks(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the name and the content of each notebook in the book, on which the page depends from now on."""
        from ledger import notebooks_in_book  # beside this file, where Sphinx looks and pytest does not

        docnames = notebooks_in_book(self.env)
        vars(self.env).setdefault("gathered_pages", {})[self.env.docname] = docnames
        for docname in docnames:
            path = Path(self.env.doc2path(docname))
            self.env.note_dependency(str(path))
            yield docname, json.loads(path.read_text(encoding="utf-8"))


class FigureIndex(Gathered):
    """List every figure by chapter."""

    def run(self) -> list[nodes.Node]:
        from ledger import title_of

        found: list[nodes.Node] = []
        for docname, notebook in self.notebooks():
            items = [self.item(docname, *figure) for figure in figures_of(notebook)]
            if items:
                title = title_of(notebook)
                name = nodes.make_id("figures-" + docname.removeprefix("chapters/"))
                listed = nodes.bullet_list("", *items)
                found.append(nodes.section("", nodes.title("", title), listed, ids=[name]))
        return found

    def item(self, docname: str, identifier: str, caption: str, dials: bool) -> nodes.list_item:
        """Return a line of the index: a link with the caption's first sentence."""
        page = self.env.app.builder.get_relative_uri(self.env.docname, docname)
        link = nodes.reference("", first_sentence(caption), refuri=f"{page}#{identifier}", internal=True)
        line = nodes.paragraph("", "", link)
        if dials:
            line += nodes.Text(" ")
            line += nodes.emphasis("", "(with dials)")
        return nodes.list_item("", line)


class SymbolIndex(Gathered):
    """List every symbol by chapter, with its unit."""

    def run(self) -> list[nodes.Node]:
        from ledger import title_of

        lines = ["| symbol | meaning | unit | chapter |", "|---|---|---|---|"]
        for docname, notebook in self.notebooks():
            link = f"{{doc}}`{title_of(notebook)} </{docname}>`"
            lines += [f"| {symbol} | {meaning} | {unit} | {link} |" for symbol, meaning, unit in symbols_of(notebook)]
        found = nodes.container()
        self.state.nested_parse(StringList(lines, self.env.docname), self.content_offset, found)
        return list(found.children)


def outdated_pages(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> Iterable[str]:
    """Return the pages that were made from other notebooks than those in the book now."""
    from ledger import notebooks_in_book

    pages: dict[str, list[str]] = vars(env).setdefault("gathered_pages", {})
    return [page for page, seen in pages.items() if page in env.found_docs and seen != notebooks_in_book(env)]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.add_directive("figure-index", FigureIndex)
    app.add_directive("symbol-index", SymbolIndex)
    app.connect("env-get-outdated", outdated_pages)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
