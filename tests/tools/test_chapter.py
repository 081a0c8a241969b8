"""A notebook that was run twice is the same file; one that fails is told and left alone."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tools.chapter import ChapterError, canonical, find, load, main, notes


def code(source: str, *outputs: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "source": source,
        "metadata": {},
        "outputs": list(outputs),
        "execution_count": None,
    } | fields


def text_of(*cells: dict[str, Any], **metadata: Any) -> str:
    """Return a notebook in an older format, in which cells have no ids."""
    return json.dumps({"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 2})


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


def shown(data: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"output_type": "display_data", "data": data, "metadata": metadata}


LIVELY = (
    {"cell_type": "markdown", "source": "# Lively", "metadata": {}},
    code("import os\nprint('one', flush=True)\nprint('two')\nos.path.basename(os.getcwd())"),
    code("import ipywidgets\nipywidgets.IntSlider()", metadata={"collapsed": True, "tags": ["kept"]}),
    code(
        "from distlib.figures.figure import Figure\n"
        "Figure('<svg viewBox=\"0 0 9 9\"><path d=\"M1 1 8 8\"/></svg>', alt='A line.', caption='A line.')"
    ),
)


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command; return its exit code, its output and its errors."""

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        exit_code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return exit_code, captured.out, captured.err

    return call


def test_a_notebook_run_twice_is_the_same_file(tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "chapter"
    folder.mkdir()
    path = folder / "lively.ipynb"
    path.write_text(text_of(*LIVELY), encoding="utf-8")
    exit_code, told, errors = run(path)
    assert (exit_code, errors) == (0, "")
    assert [line.split()[0] for line in told.splitlines()[1:4]] == ["1/3", "2/3", "3/3"]
    first = path.read_bytes()
    exit_code, told, errors = run(path, "--check")
    assert (exit_code, told.splitlines()[-1]) == (0, "unchanged")
    assert path.read_bytes() == first
    assert [each.name for each in folder.iterdir()] == ["lively.ipynb"]

    notebook = json.loads(first)
    _, printed, widget, figure = notebook["cells"]
    assert [cell["id"] for cell in notebook["cells"]] == ["cell-1", "cell-2", "cell-3", "cell-4"]
    assert printed["outputs"][0]["text"] == ["one\n", "two\n"]
    # The kernel starts in the notebook's folder, as a reader's does.
    assert printed["outputs"][1]["data"] == {"text/plain": ["'chapter'"]}
    assert widget["outputs"][0]["data"] == {"text/plain": ["IntSlider(value=0)"]}
    assert widget["metadata"] == {"tags": ["kept"]}
    assert set(figure["outputs"][0]["data"]) == {"text/html", "text/plain"}
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    assert "version" not in notebook["metadata"]["language_info"]


def test_a_check_says_what_would_change_and_changes_nothing(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "stale.ipynb"
    path.write_text(canonical(load(text_of(code("1 + 1"), code("print(2)", stream("3\n"))))), encoding="utf-8")
    stale = path.read_bytes()
    exit_code, told, _ = run(path, "--check")
    assert exit_code == 1
    assert "would change: cell 2 (execution_count, outputs): print(2)" in told
    assert path.read_bytes() == stale


def test_a_cell_that_fails_is_told_with_its_source_and_the_file_is_left_alone(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "failing.ipynb"
    path.write_text(text_of(code("x = 1"), code("y = x - 1\n1 / y  # here"), code("print('never')")), encoding="utf-8")
    before = path.read_bytes()
    exit_code, told, errors = run(path)
    assert exit_code == 1
    assert "code cell 2 of 3 failed" in errors
    assert "    y = x - 1\n    1 / y  # here" in errors
    assert "ZeroDivisionError: division by zero" in errors
    assert "\x1b" not in errors
    assert "never" not in told
    assert path.read_bytes() == before


def test_what_was_written_while_the_notebook_ran_is_not_lost(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "edited.ipynb"
    path.write_text(text_of(code("with open('edited.ipynb', 'a') as file:\n    file.write(' ')")), encoding="utf-8")
    before = path.read_text(encoding="utf-8")
    exit_code, _, errors = run(path)
    assert exit_code == 1
    assert "somebody has changed the file while it ran" in errors
    assert path.read_text(encoding="utf-8") == before + " "


def test_a_cell_that_takes_too_long_is_told(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "slow.ipynb"
    path.write_text(text_of(code("import time\ntime.sleep(60)")), encoding="utf-8")
    exit_code, _, errors = run(path, "--timeout", "1")
    assert exit_code == 1
    assert "code cell 1 of 1 failed" in errors
    assert "time.sleep(60)" in errors


def canonical_cells(*cells: dict[str, Any], **metadata: Any) -> list[dict[str, Any]]:
    return list(json.loads(canonical(load(text_of(*cells, **metadata))))["cells"])


def test_widgets_and_their_ids_are_left_out_and_their_twins_kept() -> None:
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "f00"}}
    both, alone = shown(view | {"text/html": "<p>twin</p>"}), shown(view)
    (cell,) = canonical_cells(code("dial", both, alone), widgets={"state": {"f00": {}}}, title="kept")
    assert [output["data"] for output in cell["outputs"]] == [{"text/html": ["<p>twin</p>"]}]


def test_streams_are_put_together_where_they_follow_each_other() -> None:
    (cell,) = canonical_cells(code("x", stream("a\n"), stream("b\n"), stream("c\n", "stderr"), stream("d\n")))
    assert [(output["name"], output["text"]) for output in cell["outputs"]] == [
        ("stdout", ["a\n", "b\n"]),
        ("stderr", ["c\n"]),
        ("stdout", ["d\n"]),
    ]


def test_metadata_that_churn_are_left_out_and_others_kept() -> None:
    text = canonical(
        load(text_of(code("x", metadata={"execution": {"iopub.busy": "now"}, "tags": ["a"]}), widgets={}, title="T"))
    )
    notebook = json.loads(text)
    assert notebook["cells"][0]["metadata"] == {"tags": ["a"]}
    assert set(notebook["metadata"]) == {"kernelspec", "language_info", "title"}


def test_ids_are_kept_and_missing_ones_follow_the_position_without_clashing() -> None:
    cells = canonical_cells(code("x", id="cell-2"), code("y"), code("z", id="mine"))
    assert [cell["id"] for cell in cells] == ["cell-2", "cell-2-2", "mine"]


def test_the_form_is_canonical_whatever_it_was_before() -> None:
    text = canonical(load(text_of(code("é = 1\nprint(é)"))))
    assert canonical(load(text)) == text
    assert text.endswith("}\n")
    assert "é" in text
    keys = [line.split('"')[1] for line in text.splitlines() if line.startswith(' "')]
    assert keys == sorted(keys)


def test_evidence_keeps_its_data() -> None:
    record = {"chapter": "T", "rows": [{"claim": "x"}]}
    (cell,) = canonical_cells(code("ledger", shown({"application/vnd.distlib.evidence+json": record})))
    assert cell["outputs"][0]["data"]["application/vnd.distlib.evidence+json"] == record


def test_an_author_hears_of_warnings_and_of_addresses() -> None:
    address = shown({"text/plain": f"<object at {hex(id(object()))}>"})
    notebook = load(text_of(code("warn()", stream("careful\n", "stderr")), code("object()", address), code("fine")))
    assert notes(notebook) == [
        "cell 1 wrote to standard error: warn()",
        "cell 2 shows an address in memory: object()",
    ]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"nbformat": 3, "cells": []}', '{"nbformat": 4}'])
def test_what_is_not_a_notebook_is_refused(text: str) -> None:
    with pytest.raises(ChapterError, match="notebook"):
        load(text)


def test_a_chapter_is_found_by_its_name_or_path_and_else_those_there_are_are_told(tmp_path: Path) -> None:
    path = tmp_path / "transactions" / "two_phase_commit.ipynb"
    path.parent.mkdir()
    path.write_text(nbformat.writes(nbformat.v4.new_notebook()), encoding="utf-8")
    for name in ("transactions/two_phase_commit", "transactions/two_phase_commit.ipynb", os.fspath(path)):
        assert find(name, tmp_path) == path
    with pytest.raises(ChapterError, match="no chapter 'nothing'; there are: transactions/two_phase_commit"):
        find("nothing", tmp_path)


def test_an_unknown_chapter_is_an_error_of_the_command_line(run: Run) -> None:
    exit_code, _, errors = run("no/such/chapter")
    assert exit_code == 2
    assert "there is no chapter 'no/such/chapter'" in errors
