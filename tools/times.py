"""Time every chapter, and write the page that says how long each takes to run.

    python -m tools.times

The chapters run one after another, in fresh kernels, as `make chapter` runs them; their files are not touched. Times
are rounded to whole seconds and belong to the machine that the page names: a reader's will differ, and no test holds
them. Labs wait for real systems and are not among them.
"""

from __future__ import annotations

import os
import platform
import sys
import time
import warnings
from collections.abc import Mapping
from pathlib import Path

from tools.chapter import CHAPTERS, TIMEOUT_SECONDS, load, run

__all__ = ["main", "page", "title_of"]

PAGE = CHAPTERS.parent / "book" / "execution_times.md"
HEAD = """# Execution times

How long each chapter takes to run from its first cell to its last, in a fresh kernel, one after another. `make times`
writes this page anew. It was written on {machine}; on yours the times will differ, and their proportions hardly.

| chapter | seconds | code cells |
|---|---:|---:|
"""


def title_of(notebook: Mapping[str, object]) -> str:
    """Return the first heading of a notebook."""
    cells = notebook["cells"]
    assert isinstance(cells, list)
    lines = [line for cell in cells if cell["cell_type"] == "markdown" for line in "".join(cell["source"]).splitlines()]
    return next(line.removeprefix("# ").strip() for line in lines if line.startswith("# "))


def page(rows: Mapping[str, tuple[str, float, int]], machine: str) -> str:
    """Return the page as Markdown.

    Parameters
    ----------
    rows
        For each chapter, by its name: its title, how long it took in seconds, and its number of code cells.
    machine
        On what, in words.
    """
    lines = [
        f"| {{doc}}`{title} </chapters/{name}>` | {seconds:.0f} | {cells} |"
        for name, (title, seconds, cells) in rows.items()
    ]
    total = sum(seconds for _, seconds, _ in rows.values())
    lines.append(f"| all | {total:.0f} | {sum(cells for *_, cells in rows.values())} |")
    return HEAD.format(machine=machine) + "\n".join(lines) + "\n"


def main() -> int:
    """Run all chapters and write the page."""
    rows = {}
    for path in sorted(CHAPTERS.rglob("[!.]*.ipynb")):
        if path.name.startswith("lab_"):
            continue
        name = path.relative_to(CHAPTERS).with_suffix("").as_posix()
        notebook = load(path.read_text(encoding="utf-8"))
        began = time.monotonic()
        run(notebook, path.parent, TIMEOUT_SECONDS, lambda line: None)
        seconds = time.monotonic() - began
        rows[name] = (title_of(notebook), seconds, sum(cell.cell_type == "code" for cell in notebook.cells))
        print(f"{seconds:6.1f} s  {name}", flush=True)
    machine = f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}"
    Path(PAGE).write_text(page(rows, machine), encoding="utf-8")
    return 0


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the kernel's client, about itself
        sys.exit(main())
