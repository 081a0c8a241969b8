"""The bibliography's style ``author_year``: labels as in the text, such as "Gray and Lamport, 2006"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from docutils import nodes
from pybtex.database import Entry, Person
from pybtex.plugin import register_plugin
from pybtex.style.formatting.plain import Style as PlainStyle
from pybtex.style.labels import BaseLabelStyle
from sphinx.application import Sphinx

MOST_NAMES = 2


def _last_name(person: Person) -> str:
    return " ".join(person.prelast_names + person.last_names)


def label_of(entry: Entry) -> str:
    """Return the authors' last names, or the first one's "et al.", and the year."""
    names = [_last_name(person) for person in entry.persons.get("author", entry.persons.get("editor", []))]
    if not names:
        raise ValueError(f"the entry {entry.key!r} in references.bib names no author or editor")
    authors = " and ".join(names) if len(names) <= MOST_NAMES else f"{names[0]} et al."
    return f"{authors}, {entry.fields['year']}"


class AuthorYearLabels(BaseLabelStyle):
    """Labels an entry with its authors and year."""

    def format_labels(self, sorted_entries: Iterable[Entry]) -> Iterator[str]:
        """Yield a label for each entry."""
        return (label_of(entry) for entry in sorted_entries)


class AuthorYearStyle(PlainStyle):  # type: ignore[misc]
    """The plain style with these labels."""

    default_label_style = AuthorYearLabels


def call_no_list(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Take the role of a list from the list of citations, whose items may stand in no list."""
    if "body" in context:
        context["body"] = context["body"].replace(
            '<div role="list" class="citation-list">', '<div class="citation-list">'
        )


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the style with pybtex, through which Sphinx finds it."""
    register_plugin("pybtex.style.formatting", "author_year", AuthorYearStyle)
    app.connect("html-page-context", call_no_list)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
