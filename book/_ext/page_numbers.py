"""Figures, tables and exercises are numbered from 1 on each page.

Sphinx numbers them through the whole book when chapters have no numbers. A new chapter would then renumber the
exercises of all chapters behind it. Equations are numbered by page already.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


def restart_on_each_page(app: Sphinx, env: BuildEnvironment) -> Iterable[str]:
    """Replace the numbers that Sphinx has just given out. Nothing more is outdated by it."""
    for kinds in env.toc_fignumbers.values():
        for identifiers in kinds.values():
            numbers = count(1)
            for identifier in sorted(identifiers, key=identifiers.__getitem__):
                identifiers[identifier] = (next(numbers),)
    return []


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx, behind the collector that gives out the numbers."""
    app.connect("env-get-updated", restart_on_each_page, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
