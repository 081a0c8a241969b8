"""The book counted by itself: its claims with the ways that reached them, and which chapter leans on which.

Everything is read from the notebooks as they are committed, in the folder of the chapters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distlib.evidence import MIME_TYPE, WAYS

__all__ = ["Chapter", "chapters_of", "counted", "links_between"]


@dataclass(frozen=True)
class Chapter:
    """A notebook of the book.

    Parameters
    ----------
    name
        Such as "transactions/two_phase_commit".
    title
        Its first heading.
    ways
        For each of its claims, the ways in which it was reached.
    links
        The chapters that its text refers to, each once, in order.
    """

    name: str
    title: str
    ways: tuple[frozenset[str], ...]
    links: tuple[str, ...]

    @property
    def topic(self) -> str:
        """The folder that it is in; empty for a chapter of none."""
        return self.name.rpartition("/")[0]


def chapters_of(folder: str | Path, names: Sequence[str]) -> list[Chapter]:
    """Return chapters by their names, in that order.

    Parameters
    ----------
    folder
        The folder of the chapters.
    names
        Such as "background" or "transactions/two_phase_commit".

    Raises
    ------
    FileNotFoundError
        If there is no such notebook.
    """
    found = []
    for name in names:
        notebook = json.loads((Path(folder) / f"{name}.ipynb").read_text(encoding="utf-8"))
        links = dict.fromkeys(_links(notebook, name))
        others = tuple(link for link in links if link != name)
        found.append(Chapter(name, _title(notebook), tuple(_ways(notebook)), others))
    return found


def _texts(notebook: dict[str, Any]) -> Iterator[str]:
    return ("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown")


def _title(notebook: dict[str, Any]) -> str:
    lines = (line for text in _texts(notebook) for line in text.splitlines())
    return next(line.removeprefix("# ").strip() for line in lines if line.startswith("# "))


def _ways(notebook: dict[str, Any]) -> Iterator[frozenset[str]]:
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            for row in output.get("data", {}).get(MIME_TYPE, {}).get("rows", []):
                yield frozenset(value["way"] for value in row["values"])


def _links(notebook: dict[str, Any], name: str) -> Iterator[str]:
    folder = name.rpartition("/")[0]
    for text in _texts(notebook):
        for role, target in re.findall(r"\{(chapter|doc)\}`(?:[^`<]*<)?([^`>]+)>?`", text):
            if role == "chapter":
                yield target
            elif target.startswith("/chapters/"):
                yield target.removeprefix("/chapters/")
            elif not target.startswith("/"):
                yield f"{folder}/{target}" if folder else target


def counted(chapters: Sequence[Chapter]) -> dict[str, int]:
    """Return how many claims there are, how many were reached in each way, and how many in at least three.

    Examples
    --------
    >>> both = Chapter("a", "A", (frozenset({"predicted", "simulated"}), frozenset({"checked"})), ())
    >>> counted([both])
    {'claims': 2, 'predicted': 1, 'simulated': 1, 'checked': 1, 'measured': 0, 'in three ways': 0}
    """
    claims = [ways for chapter in chapters for ways in chapter.ways]
    each = {way: sum(way in ways for ways in claims) for way in WAYS}
    return {"claims": len(claims), **each, "in three ways": sum(len(ways) >= 3 for ways in claims)}


def links_between(chapters: Sequence[Chapter]) -> list[tuple[str, str]]:
    """Return (from, to) for each reference of one of these chapters to another of them."""
    names = {chapter.name for chapter in chapters}
    return [(chapter.name, link) for chapter in chapters for link in chapter.links if link in names]
