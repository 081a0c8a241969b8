"""Rules for a built page. Each is a function that takes a page and returns what is wrong with it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag

# An element that loads what it names, with the attribute that names it. A link to follow is not among them.
LOADERS = {
    "audio": "src", "embed": "src", "iframe": "src", "img": "src", "link": "href", "object": "data", "script": "src",
    "source": "src", "video": "src",
}  # fmt: skip


@cache
def parse(path: Path) -> BeautifulSoup:
    """Return a page's elements. Tests ask for the same pages again and again."""
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@cache
def anchors(path: Path) -> frozenset[str]:
    """Return the names in a page that a link can end with."""
    return frozenset(str(element["id"]) for element in parse(path).find_all(id=True))


def dead_links(path: Path, book: Path) -> list[str]:
    """Return the links and sources of a page that lead nowhere in the book, or out of its folder."""
    faults = []
    for element in parse(path).find_all(["a", *LOADERS]):
        target = element.get(LOADERS.get(element.name, "href"))
        if not isinstance(target, str) or target in {"", "#"}:
            continue
        address = urlsplit(target)
        if address.scheme or address.netloc:
            continue
        file = (path.parent / unquote(address.path)).resolve() if address.path else path
        if not file.is_relative_to(book) or not file.is_file():
            faults.append(f"{target}: no such file")
        elif address.fragment and file.suffix == ".html" and unquote(address.fragment) not in anchors(file):
            faults.append(f"{target}: no such place in the page")
    return faults


def foreign_sources(soup: BeautifulSoup) -> list[str]:
    """Return what a page would load from another machine."""
    found = [element.get(LOADERS[element.name]) for element in soup.find_all(list(LOADERS))]
    return [str(source) for source in found if source and (urlsplit(str(source)).netloc)]


def _words(soup: BeautifulSoup, svg: Tag) -> list[str]:
    """Return the parts of a drawing's accessible name; an empty one for a label that is not there."""
    labels = str(svg.get("aria-labelledby") or "").split()
    if not labels:
        return [str(svg.get("aria-label") or "")]
    return [found.get_text() if (found := soup.find(id=label)) else "" for label in labels]


def unnamed_pictures(html: str | BeautifulSoup) -> list[str]:
    """Return the pictures that say nothing to a reader who does not see them."""
    soup = BeautifulSoup(html, "html.parser") if isinstance(html, str) else html
    faults = [str(image)[:120] for image in soup.find_all("img") if not str(image.get("alt") or "").strip()]
    for svg in soup.find_all("svg"):
        hidden = svg.get("aria-hidden") == "true" or svg.find_parent(attrs={"aria-hidden": "true"})
        if not hidden and (svg.get("role") != "img" or not all(word.strip() for word in _words(soup, svg))):
            faults.append(str(svg)[:120])
    return faults


def unlabelled_controls(soup: BeautifulSoup) -> list[str]:
    """Return the dials and buttons that do not say what they are for."""
    faults = []
    for control in soup.find_all(["input", "select", "button"]):
        if control.get("type") == "hidden":
            continue
        label = soup.find("label", attrs={"for": control.get("id")}) if control.get("id") else None
        named = [control.get_text(), control.get("aria-label"), control.get("title"), label and label.get_text()]
        if not any(str(name).strip() for name in named if name) and not control.find_parent("label"):
            faults.append(str(control)[:120])
    return faults
