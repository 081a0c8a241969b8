"""Every notebook is whole: run in order, short of cell, still when run again, its pictures put into words.

A rule is a function that returns what is wrong. It is applied to each notebook, which must be free of it, and to small
wrong examples, in which it must find something. That the outputs are what the code computes is held by nbval.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.book.page_rules import unnamed_pictures
from tests.repository import MODULES, NOTEBOOKS, ROOT, code_cells, is_within, name_of, python_of, read, short, source_of

LONGEST_CELL_LINES = 15


def execution_faults(notebook: dict[str, Any]) -> list[str]:
    """Return the code cells that were not run, not run in order, or ended in an error."""
    faults = []
    for number, cell in enumerate(code_cells(notebook), start=1):
        if not source_of(cell).strip():
            faults.append(f"code cell {number} is empty")
        if cell["execution_count"] != number:
            faults.append(f"code cell {number} has execution count {cell['execution_count']}")
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                faults.append(f"code cell {number} ended in {output['ename']}")
            if output.get("name") == "stderr":
                faults.append(f"code cell {number} wrote to standard error")
    return faults


def long_cells(notebook: dict[str, Any]) -> list[str]:
    """Return the code cells with more lines than a reader takes in at once."""
    lengths = {number: len(source_of(cell).splitlines()) for number, cell in enumerate(code_cells(notebook), start=1)}
    return [f"code cell {number} has {lines} lines" for number, lines in lengths.items() if lines > LONGEST_CELL_LINES]


def churn(notebook: dict[str, Any]) -> list[str]:
    """Return the metadata that differ from run to run, and so would make each diff longer than the change."""
    faults = [f"the notebook has metadata {key!r}" for key in notebook["metadata"] if key in {"widgets", "execution"}]
    for number, cell in enumerate(notebook["cells"], start=1):
        faults += [f"cell {number} has metadata {key!r}" for key in {"execution", "collapsed"} & set(cell["metadata"])]
    if notebook["metadata"].get("kernelspec", {}).get("name") != "python3":
        faults.append("the kernel's name is not python3")
    return faults


def taught_names() -> set[str]:
    """Return the names of the classes and functions that protocols and models define."""
    return {
        node.name
        for path in MODULES
        if is_within(name_of(path), ["distlib.protocols", "distlib.models"])
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
    }


def redefinitions(notebook: dict[str, Any], names: set[str]) -> list[str]:
    """Return the classes and functions of a notebook that stand in `distlib` under the same name."""
    return [
        f"code cell {number} defines {node.name}"
        for number, cell in enumerate(code_cells(notebook), start=1)
        for node in ast.walk(ast.parse(python_of(cell)))
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in names
    ]


def import_faults(notebook: dict[str, Any]) -> list[str]:
    """Return the imports of a notebook that do not say from which module of `distlib` a name comes."""
    faults = []
    for number, cell in enumerate(code_cells(notebook), start=1):
        for node in ast.walk(ast.parse(python_of(cell))):
            if isinstance(node, ast.Import) and any(is_within(alias.name, ["distlib"]) for alias in node.names):
                faults.append(f"code cell {number} imports distlib without from")
            if isinstance(node, ast.ImportFrom) and is_within(node.module or "", ["distlib"]):
                faults += [f"code cell {number} imports *" for alias in node.names if alias.name == "*"]
    return faults


def silent_pictures(notebook: dict[str, Any]) -> list[str]:
    """Return the pictures of a notebook without words: in its text, in HTML outputs, and as images."""
    faults = []
    for number, cell in enumerate(notebook["cells"], start=1):
        if cell["cell_type"] == "markdown":
            faults += [f"cell {number}: {found}" for found in re.findall(r"!\[\s*\]\([^)]*\)", source_of(cell))]
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            html = "".join(data.get("text/html", ""))
            faults += [f"cell {number}: {fault}" for fault in unnamed_pictures(html)]
            alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
            if not html and any(kind.startswith("image/") for kind in data) and not alt.strip():
                faults.append(f"cell {number}: an image without alt in the cell's metadata")
    return faults


@pytest.mark.parametrize("path", NOTEBOOKS, ids=short)
class TestNotebook:
    """What holds for every notebook, labs included."""

    def test_every_code_cell_was_run_in_order_without_error(self, path: Path) -> None:
        assert execution_faults(read(path)) == []

    def test_no_code_cell_is_long(self, path: Path) -> None:
        assert long_cells(read(path)) == []

    def test_nothing_churns(self, path: Path) -> None:
        assert churn(read(path)) == []

    def test_protocols_and_models_are_imported_and_not_defined_again(self, path: Path) -> None:
        assert redefinitions(read(path), taught_names()) == []

    def test_imports_say_from_which_module_of_distlib(self, path: Path) -> None:
        assert import_faults(read(path)) == []

    def test_every_picture_says_what_it_shows(self, path: Path) -> None:
        assert silent_pictures(read(path)) == []

    def test_distlib_is_ours_in_its_folder(self, path: Path) -> None:
        # A package of that name is on PyPI, and a file `distlib.py` beside the notebook would also hide ours.
        asked = [sys.executable, "-c", "import distlib; print(distlib.__file__)"]
        answer = subprocess.run(asked, cwd=path.parent, capture_output=True, text=True, check=True)
        assert Path(answer.stdout.strip()) == ROOT / "distlib" / "__init__.py"


def cell(source: str, count: int | None = 1, *outputs: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {
        "cell_type": "code", "source": source, "execution_count": count, "outputs": list(outputs), "metadata": metadata,
    }  # fmt: skip


def notebook_of(*cells: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"cells": list(cells), "metadata": {"kernelspec": {"name": "python3"}, **metadata}}


def test_a_cell_that_was_not_run_is_found() -> None:
    assert execution_faults(notebook_of(cell("1"), cell("2", None))) == ["code cell 2 has execution count None"]


def test_cells_that_were_run_out_of_order_are_found() -> None:
    assert len(execution_faults(notebook_of(cell("1", 2), cell("2", 1)))) == 2


def test_an_error_and_a_warning_in_the_output_are_found() -> None:
    error = {"output_type": "error", "ename": "ValueError"}
    warning = {"output_type": "stream", "name": "stderr", "text": "careful"}
    assert len(execution_faults(notebook_of(cell("1", 1, error, warning)))) == 2


def test_a_long_cell_is_found() -> None:
    assert long_cells(notebook_of(cell("\n".join("x" * 16)))) == ["code cell 1 has 16 lines"]


def test_metadata_that_churn_are_found() -> None:
    assert len(churn(notebook_of(cell("1", 1, execution={"iopub.busy": "now"}), widgets={}))) == 2


def test_a_second_definition_is_found_and_ipython_syntax_is_skipped() -> None:
    second = notebook_of(cell("%time 1\nclass Participant:\n    pass"), cell("Participant??", 2))
    assert redefinitions(second, {"Participant"}) == ["code cell 1 defines Participant"]


def test_an_import_without_from_is_found() -> None:
    wrong = notebook_of(cell("import distlib.node as node"), cell("from distlib.node import *", 2))
    assert len(import_faults(wrong)) == 2


def test_a_picture_without_words_is_found() -> None:
    image = {"output_type": "display_data", "data": {"image/png": "…"}}
    svg = {"output_type": "display_data", "data": {"text/html": ["<svg>", "</svg>"]}}
    text = {"cell_type": "markdown", "source": "![](picture.png)", "metadata": {}}
    assert len(silent_pictures(notebook_of(text, cell("1", 1, image), cell("2", 2, svg)))) == 3
    assert silent_pictures(notebook_of(cell("1", 1, image, mystnb={"image": {"alt": "A run"}}))) == []
