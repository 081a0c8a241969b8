"""The repository as the tests see it: its folders, its modules, its notebooks, its order."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted(path for path in (ROOT / "chapters").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
MODULES = sorted((ROOT / "distlib").rglob("*.py"))


def short(path: Path) -> str:
    """Return a path as seen from the top of the repository."""
    return path.relative_to(ROOT).as_posix()


def name_of(path: Path) -> str:
    """Return the dotted name of a module of the repository."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(source: str) -> set[str]:
    """Return the modules that a source imports, wherever in it; `from distlib import x` counts as distlib.x."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            if node.module == "distlib":
                found |= {f"distlib.{alias.name}" for alias in node.names}
            else:
                found.add(node.module or "")
    return found


def is_within(module: str, packages: Iterable[str]) -> bool:
    """Tell whether a module is one of these packages or inside one."""
    return any(module == package or module.startswith(package + ".") for package in packages)


def read(path: Path) -> dict[str, Any]:
    """Return a notebook as it is stored."""
    notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return notebook


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the code cells of a notebook, in order."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def source_of(cell: dict[str, Any]) -> str:
    """Return what a cell's author wrote. The format stores it as one string or as a list of lines."""
    return "".join(cell["source"])


def python_of(cell: dict[str, Any]) -> str:
    """Return a cell's source without the lines that only IPython understands."""
    return "\n".join(line for line in source_of(cell).splitlines() if not re.match(r"\s*[%!?]|.*\?\??$", line))


def pages_in_order() -> list[str]:
    """Return the pages that `_toc.yml` lists, in order."""
    table = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))

    def walk(entry: Any) -> Iterator[str]:
        if isinstance(entry, dict):
            yield from (value for key, value in entry.items() if key in {"root", "file"})
            for key in ("parts", "chapters", "sections"):
                yield from walk(entry.get(key, []))
        if isinstance(entry, list):
            for item in entry:
                yield from walk(item)

    return list(walk(table))
