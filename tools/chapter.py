"""Run a notebook and keep its outputs, so that the same code gives the same file, byte for byte.

    python -m tools.chapter transactions/two_phase_commit
    python -m tools.chapter transactions/two_phase_commit --check

Theory of operation
-------------------
The cells run in order, in a fresh kernel that is started in the notebook's folder, as a reader would start it. If a
cell fails, its source and its error are told and the file is left as it was. If all pass, the file is replaced whole.

Then what differs from run to run though the code is the same is taken out or put into one form, and nothing else:
times of execution, state and ids of widgets (the views are dropped: each figure has a twin in HTML), the version of
Python, and where a stream happened to be cut into pieces. The rest differs only if the code does, and then it should:
`--check` runs the notebook, says which cells would change, and changes nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

__all__ = ["ChapterError", "canonical", "find", "main", "run"]

CHAPTERS = Path(__file__).resolve().parents[1] / "chapters"
TIMEOUT_SECONDS = 120
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}
CHURNING_NOTEBOOK_METADATA = ("execution", "signature", "widgets")
CHURNING_CELL_METADATA = ("ExecuteTime", "collapsed", "execution", "scrolled")

Tell = Callable[[str], None]


class ChapterError(Exception):
    """The notebook cannot be found, or does not run to its end."""


def find(name: str, chapters: Path = CHAPTERS) -> Path:
    """Return the notebook that is meant.

    Parameters
    ----------
    name
        As in "transactions/two_phase_commit", or the path of a notebook.
    chapters
        The folder of the chapters.

    Raises
    ------
    ChapterError
        If there is none, with those that there are.
    """
    for path in (chapters / f"{name.removesuffix('.ipynb')}.ipynb", Path(name)):
        if path.suffix == ".ipynb" and path.is_file():
            return path
    known = sorted(path.relative_to(chapters).with_suffix("").as_posix() for path in chapters.rglob("[!.]*.ipynb"))
    raise ChapterError(f"there is no chapter {name!r}; there are: {', '.join(known) or 'none yet'}")


def load(text: str) -> nbformat.NotebookNode:
    """Return a notebook in the present format, each cell with an id; those that it has are kept.

    Raises
    ------
    ChapterError
        If the text is not a notebook of format 4.
    """
    try:
        data = json.loads(text)
        if data["nbformat"] != 4:
            raise ChapterError(f"the notebook's format must be 4, got {data['nbformat']}")
        taken = {cell.get("id") for cell in data["cells"]}
        for position, cell in enumerate(data["cells"], start=1):
            if "id" not in cell:
                # The library would give a random one, which would differ in every run.
                cell["id"] = next(each for each in _names(f"cell-{position}") if each not in taken)
                taken.add(cell["id"])
    except (ValueError, KeyError, TypeError) as error:
        raise ChapterError(f"this is not a notebook: {type(error).__name__}: {error}") from error
    data["nbformat_minor"] = max(5, data["nbformat_minor"])
    notebook: nbformat.NotebookNode = nbformat.reads(json.dumps(data), as_version=4)
    nbformat.validate(notebook)
    return notebook


def _names(stem: str) -> Any:
    """Yield the stem, then the stem with a number."""
    yield stem
    number = 2
    while True:
        yield f"{stem}-{number}"
        number += 1


def run(notebook: nbformat.NotebookNode, folder: Path, timeout_seconds: int, tell: Tell) -> None:
    """Run all cells in order in a fresh kernel; their outputs take the place of the old ones.

    Parameters
    ----------
    notebook
        Changed in place.
    folder
        Where the kernel starts.
    timeout_seconds
        Longest time for one cell.
    tell
        Gets a line when a cell has run.

    Raises
    ------
    ChapterError
        If a cell fails or takes too long, with its source.
    """
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in cells:
        cell.outputs, cell.execution_count = [], None
    begun: list[tuple[nbformat.NotebookNode, float]] = []

    def start(cell: nbformat.NotebookNode, cell_index: int) -> None:
        if cell.cell_type == "code":
            begun.append((cell, time.monotonic()))

    def finish(cell: nbformat.NotebookNode, cell_index: int, execute_reply: dict[str, Any]) -> None:
        seconds = time.monotonic() - begun[-1][1]
        tell(f"{len(begun):4}/{len(cells)} {seconds:6.1f} s  {_first_line(cell.source)}")

    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=timeout_seconds,
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(folder.resolve())}},
        on_cell_start=start,
        on_cell_executed=finish,
    )
    try:
        with tempfile.TemporaryDirectory(prefix="chapter-") as sockets:
            if os.name == "posix":
                # Sockets in a folder of one's own: no port is opened, and no other user can listen.
                client.km = client.create_kernel_manager()
                client.km.transport, client.km.ip = "ipc", f"{sockets}/kernel"
            client.execute()
    except (CellExecutionError, CellTimeoutError, RuntimeError) as error:
        raise ChapterError(_failure(error, len(cells), [cell for cell, _ in begun])) from error


def _failure(error: Exception, total: int, begun: list[nbformat.NotebookNode]) -> str:
    """Return what the author needs to know: which cell, its source, and the error as the kernel told it."""
    told = re.sub(r"\x1b\[[0-9;]*m", "", getattr(error, "traceback", "") or str(error)).strip()
    if not begun:
        return f"the kernel did not start\n\n{told}"
    # The library puts the source before the traceback, between rules; here it comes first anyway.
    told = told.rpartition("\n------------------\n\n")[2].strip()
    source = "\n".join(f"    {line}" for line in begun[-1].source.splitlines())
    return f"code cell {len(begun)} of {total} failed\n\n{source}\n\n{told}"


def notes(notebook: nbformat.NotebookNode) -> list[str]:
    """Return what an author should look at though every cell passed: warnings, and what differs in the next run."""
    found = []
    for position, cell in enumerate(notebook.cells, start=1):
        outputs = cell.get("outputs", [])
        if any(output.get("name") == "stderr" for output in outputs):
            found.append(f"cell {position} wrote to standard error: {_first_line(cell.source)}")
        if any(re.search(r"\bat 0x[0-9a-f]{6,}", json.dumps(output)) for output in outputs):
            found.append(f"cell {position} shows an address in memory: {_first_line(cell.source)}")
    return found


def _first_line(source: str) -> str:
    return next((line.strip() for line in source.splitlines() if line.strip()), "")[:80]


def canonical(notebook: nbformat.NotebookNode) -> str:
    """Return the text of the file: what churns is left out, and the rest is written in one way.

    Parameters
    ----------
    notebook
        Changed in place.

    Returns
    -------
    str
        JSON with sorted keys, which ends in a line feed.
    """
    metadata = {key: value for key, value in notebook.metadata.items() if key not in CHURNING_NOTEBOOK_METADATA}
    notebook.metadata = nbformat.from_dict(metadata | {"kernelspec": KERNEL, "language_info": LANGUAGE})
    for cell in notebook.cells:
        for key in CHURNING_CELL_METADATA:
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            cell.outputs = _merged([output for output in map(_still, cell.outputs) if output is not None])
    nbformat.validate(notebook)
    return str(nbformat.writes(notebook)).rstrip("\n") + "\n"


def _still(output: nbformat.NotebookNode) -> nbformat.NotebookNode | None:
    """Return an output without its widget's view, whose id is new in every run; None if nothing is left."""
    if "data" not in output:
        return output
    for part in (output.data, output.metadata):
        part.pop(WIDGET_VIEW, None)
    return output if output.data else None


def _merged(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Return the outputs with pieces of one stream that follow each other put together."""
    merged: list[nbformat.NotebookNode] = []
    for output in outputs:
        last = merged[-1] if merged else None
        if last is not None and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            merged.append(output)
    return merged


def differences(old: str, new: str) -> list[str]:
    """Return in words where two notebooks differ, by cell."""
    before, after = json.loads(old), json.loads(new)
    changed = []
    for position, (one, other) in enumerate(zip(before["cells"], after["cells"], strict=True), start=1):
        parts = [key for key in sorted(one.keys() | other.keys()) if one.get(key) != other.get(key)]
        if parts:
            changed.append(f"cell {position} ({', '.join(parts)}): {_first_line(''.join(other['source']))}")
    if before["metadata"] != after["metadata"]:
        changed.append("the notebook's metadata")
    return changed or ["the way in which the file is written"]


def process(path: Path, *, check: bool, timeout_seconds: int, tell: Tell) -> bool:
    """Run one notebook; write it unless it is only checked. Return whether the file was, or would be, the same.

    Raises
    ------
    ChapterError
        If it is not a notebook or does not run to its end; the file is then as it was.
    """
    old = path.read_text(encoding="utf-8")
    notebook = load(old)
    tell(f"{path}")
    begun = time.monotonic()
    run(notebook, path.parent, timeout_seconds, tell)
    new = canonical(notebook)
    tell(f"ran in {time.monotonic() - begun:.1f} s")
    for note in notes(notebook):
        tell(f"note: {note}")
    if new == old:
        tell("unchanged")
        return True
    for line in differences(old, new):
        tell(f"{'would change' if check else 'changed'}: {line}")
    if path.read_text(encoding="utf-8") != old:
        raise ChapterError("somebody has changed the file while it ran; run it again")
    if not check:
        # Written beside and moved into place, so that no crash leaves half a notebook.
        beside = path.with_name(f".{path.name}.new")
        beside.write_text(new, encoding="utf-8")
        os.replace(beside, path)
    return False


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line names.

    Returns
    -------
    int
        0 if all is well; 1 if a cell failed, or with `--check` if a file would change; 2 if a chapter is not found.
    """
    parser = argparse.ArgumentParser("python -m tools.chapter", description="Run notebooks and keep their outputs.")
    parser.add_argument("names", nargs="+", metavar="NAME", help="such as transactions/two_phase_commit")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if anything would change")
    parser.add_argument(
        "--timeout", type=int, default=TIMEOUT_SECONDS, metavar="SECONDS", help="longest time for a cell (%(default)s)"
    )
    options = parser.parse_args(arguments)

    def tell(line: str) -> None:
        print(line, flush=True)

    try:
        paths = [find(name) for name in options.names]
    except ChapterError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        same = [process(path, check=options.check, timeout_seconds=options.timeout, tell=tell) for path in paths]
    except ChapterError as error:
        print(f"{error}\n\nThe file was left as it was.", file=sys.stderr)
        return 1
    return 1 if options.check and not all(same) else 0


if __name__ == "__main__":
    with warnings.catch_warnings():
        # Of the kernel's client, about itself; the cells run in another process and show theirs.
        warnings.simplefilter("ignore")
        sys.exit(main())
