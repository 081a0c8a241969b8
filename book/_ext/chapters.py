"""The role ``chapter``: a link to a chapter that is written, and an honest word about one that is not.

``{chapter}`Two-phase commit <transactions/two_phase_commit>``` becomes a link if `_toc.yml` lists
``chapters/transactions/two_phase_commit``, and the bare title with the words "in preparation" otherwise. So the pages
that show the plan of the whole book need no edit when a chapter appears, and never promise one that is not there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import ReferenceRole

FOLDER = "chapters/"
IN_PREPARATION = "in preparation"


class ChapterRole(ReferenceRole):
    """Show a chapter's title, linked if the chapter is in the book."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        page = FOLDER + self.target
        if page not in self.env.found_docs:
            note = nodes.inline("", IN_PREPARATION, classes=["in-preparation"])
            return [nodes.inline("", "", nodes.Text(self.title + " "), note, classes=["planned"])], []
        reference = addnodes.pending_xref(
            "", refdomain="std", reftype="doc", reftarget="/" + page, refdoc=self.env.docname, refexplicit=True
        )
        reference["refwarn"] = True
        reference += nodes.inline("", self.title, classes=["xref", "std", "std-doc"])
        self.set_source_info(reference)
        return [reference], []


def chapters_in_book(env: BuildEnvironment) -> frozenset[str]:
    """Return the chapters that `_toc.yml` lists."""
    return frozenset(docname for docname in env.found_docs if docname.startswith(FOLDER))


def note_use(app: Sphinx, docname: str, source: list[str]) -> None:
    """Record that a page uses the role, and which chapters were in the book then."""
    users: dict[str, frozenset[str]] = vars(app.env).setdefault("chapter_role_users", {})
    users.pop(docname, None)
    if "{chapter}" in source[0]:
        users[docname] = chapters_in_book(app.env)


def outdated_pages(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> Iterable[str]:
    """Return the pages that were read when other chapters were in the book."""
    users: dict[str, frozenset[str]] = vars(env).setdefault("chapter_role_users", {})
    now = chapters_in_book(env)
    return [docname for docname, seen in users.items() if docname in env.found_docs and seen != now]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.add_role("chapter", ChapterRole())
    app.connect("source-read", note_use)
    app.connect("env-get-outdated", outdated_pages)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
