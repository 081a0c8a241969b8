"""The front door tells the truth: its snippet runs, its links lead somewhere, its commands exist."""

from __future__ import annotations

import doctest
import re
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import yaml

from tests.repository import NOTEBOOKS, ROOT, short

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


def snippets(page: Path) -> list[doctest.DocTest]:
    """Return the Python examples of a page that have a prompt."""
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    parser = doctest.DocTestParser()
    tests = [parser.get_doctest(block, {}, page.name, str(page), 0) for block in blocks]
    return [test for test in tests if test.examples]


def test_the_snippet_of_the_readme_does_what_it_shows_in_twelve_lines() -> None:
    (snippet,) = snippets(ROOT / "README.md")
    told: list[str] = []
    assert doctest.DocTestRunner(verbose=False).run(snippet, out=told.append).failed == 0, "".join(told)
    assert sum(example.source.count("\n") for example in snippet.examples) <= 12


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_the_front_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_readme_names_every_chapter_that_there_is() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [
        short(path) for path in NOTEBOOKS if not path.name.startswith("lab_") and f"]({short(path)})" not in text
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_the_front_pages_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    asked = set(re.findall(r"^\$ make ([a-z-]+)|`make ([a-z-]+)", page.read_text(encoding="utf-8"), flags=re.MULTILINE))
    commands = {word for pair in asked for word in pair if word}
    assert commands
    assert commands <= targets


def test_what_is_to_be_cited_is_this_version_and_names_no_person() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["version"] == project["version"]
    assert citation["authors"] == [{"name": "The authors of Distributed Systems by Experiment"}]
    assert project["license"]["text"] == "MIT (code), CC BY 4.0 (text)"
    assert citation["license"] == ["MIT", "CC-BY-4.0"]


def test_both_licences_are_there_whole() -> None:
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License\n\nCopyright (c) 2026 The authors of")
    text = (ROOT / "LICENSE-TEXT").read_text(encoding="utf-8")
    assert text.startswith("Attribution 4.0 International\n")
    assert re.findall(r"^Section (\d) -- ", text, flags=re.MULTILINE) == list("12345678")
    assert text.rstrip().endswith("Creative Commons may be contacted at creativecommons.org.")


def test_the_picture_of_the_readme_is_a_figure_with_words_and_a_paper_of_its_own() -> None:
    (path,) = re.findall(r"\]\((\S+\.svg)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    svg = ElementTree.parse(ROOT / path).getroot()
    name = "{http://www.w3.org/2000/svg}"
    assert svg.tag == f"{name}svg"
    assert all((svg.findtext(f"{name}{part}") or "").strip() for part in ("title", "desc"))
    # Shown on a dark page, its ink would be lost without one.
    assert [rect.get("fill") for rect in svg.findall(f"{name}rect")][:1] == ["#fff"]
