"""The house holds its shape: each thing in its place, each layer on those below it, every page in order.

A rule is a function that returns what is wrong. It is applied to the repository, which must be free of it, and to small
wrong examples, in which it must find something.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
from pathlib import Path

import pytest

from tests.repository import MODULES, NOTEBOOKS, ROOT, imports_of, is_within, name_of, pages_in_order, short

TOPICS = ("caching", "computing", "consistency", "fault_tolerance", "file_systems", "transactions")

# What a protocol may use besides `distlib.node`: tools for values. Nothing with a clock, a disk, a wire or a die in it.
PURE = {
    "__future__", "abc", "bisect", "collections", "collections.abc", "dataclasses", "enum", "fractions", "functools",
    "hashlib", "heapq", "itertools", "math", "operator", "types", "typing",
}  # fmt: skip
# The last two depend on the process: on an address in memory, on the seed of the hash.
IMPURE_BUILTINS = {"breakpoint", "eval", "exec", "input", "open", "print", "id", "hash"}


# Some chapters teach several algorithms of a family. The first has the chapter's name; the others are listed here, with
# the chapter that teaches them.
PARTS = {
    "consistency/bully": "consistency/leader_election",
    "consistency/chang_roberts": "consistency/leader_election",
    "consistency/clock_synchronization": "consistency/timestamps",
    "consistency/commit_wait": "consistency/timestamps",
    "consistency/hybrid_logical_clock": "consistency/timestamps",
    "consistency/last_writer_wins": "consistency/timestamps",
    "consistency/lease": "consistency/leader_election",
    "consistency/paxos": "consistency/consensus",
    "consistency/quorum_systems": "consistency/voting",
    "consistency/staleness": "consistency/voting",
    "consistency/timestamp_ordering": "consistency/timestamps",
    "fault_tolerance/failure_detector": "fault_tolerance/failover",
    "fault_tolerance/message_logging": "fault_tolerance/recovery_points",
    "fault_tolerance/point_in_time": "fault_tolerance/recovery_points",
    "fault_tolerance/redundancy": "fault_tolerance/failover",
    "fault_tolerance/snapshot": "fault_tolerance/checkpointing",
    "transactions/commit_latency": "transactions/index",
    "transactions/deterministic_ordering": "transactions/log_based",
    "transactions/group_commit": "transactions/log_based",
    "transactions/paxos_commit": "transactions/three_phase_commit",
    "transactions/saga": "transactions/log_based",
}


def families(folder: str, pattern: str) -> set[str]:
    """Return "topic/family" for each file of a folder's topics that fits the pattern, without prefix and suffix."""
    prefix, suffix = pattern.split("*")
    return {
        f"{topic}/{path.name.removeprefix(prefix).removesuffix(suffix)}"
        for topic in TOPICS
        for path in (ROOT / folder / topic).glob(pattern)
        if not path.name.startswith(("_", "lab_", "index"))
    }


@pytest.mark.parametrize(
    ("folder", "pattern"),
    [
        ("distlib/protocols", "*.py"),
        ("distlib/models", "*.py"),
        ("tests/protocols", "test_*.py"),
        ("tests/models", "test_*.py"),
    ],
)
def test_each_chapter_has_its_protocol_model_and_tests_under_the_same_name(folder: str, pattern: str) -> None:
    assert families(folder, pattern) - set(PARTS) == families("chapters", "*.ipynb")


@pytest.mark.parametrize("layer", ["protocols", "models"])
def test_each_part_of_a_chapter_has_its_tests_under_the_same_name(layer: str) -> None:
    written = families(f"distlib/{layer}", "*.py")
    assert families(f"tests/{layer}", "test_*.py") == written


def test_each_part_is_written_and_belongs_to_a_chapter() -> None:
    written = families("distlib/protocols", "*.py") | families("distlib/models", "*.py")
    assert set(PARTS) <= written
    assert all((ROOT / "chapters" / f"{chapter}.ipynb").exists() for chapter in PARTS.values())


@pytest.mark.parametrize("folder", ["distlib/broken", "distlib/exercises", "distlib/experiments"])
def test_what_serves_a_chapter_has_its_name(folder: str) -> None:
    assert families(folder, "*.py") <= families("chapters", "*.ipynb") | set(PARTS)


def test_topics_are_the_six_of_the_source_document() -> None:
    found = {
        path.name
        for folder in ("chapters", "distlib/protocols", "distlib/models", "tests/protocols", "tests/models")
        for path in (ROOT / folder).iterdir()
        if path.is_dir() and not path.name.startswith((".", "_"))
    }
    assert found <= set(TOPICS)


def layer_faults(name: str, source: str) -> list[str]:
    """Return the imports of a module of `distlib` that its layer does not allow."""
    imported = imports_of(source)
    ours = {module for module in imported if is_within(module, ["distlib"])}
    others = imported - ours
    wrong: set[str] = set()
    if name == "distlib.node":
        wrong = ours | (others - PURE)
    elif is_within(name, ["distlib.protocols"]):
        wrong = (ours - {"distlib.node"}) | (others - PURE)
    elif is_within(name, ["distlib.broken"]):
        allowed = ("distlib.node", "distlib.protocols", "distlib.broken")
        wrong = {module for module in ours if not is_within(module, allowed)} | (others - PURE)
    elif is_within(name, ["distlib.models"]):
        wrong = {module for module in ours if not is_within(module, ["distlib.models"])} | {
            module for module in others if module.split(".")[0] not in sys.stdlib_module_names | {"numpy", "scipy"}
        }
    elif is_within(name, ["distlib.runtimes", "distlib.checkers"]):
        # What runs or judges any protocol knows none.
        wrong = {module for module in ours if is_within(module, ["distlib.protocols", "distlib.broken"])}
    return sorted(wrong)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_layer_imports_only_what_lies_below_it(path: Path) -> None:
    assert layer_faults(name_of(path), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("distlib.node", "from distlib.runtimes.trace import Event"),
        ("distlib.protocols.transactions.two_phase_commit", "from distlib.models import latency"),
        ("distlib.protocols.transactions.two_phase_commit", "def f():\n    import random"),
        ("distlib.protocols.transactions.two_phase_commit", "import numpy as np"),
        ("distlib.broken.durability", "from distlib.runtimes.simulation import simulate"),
        ("distlib.models.latency", "from distlib.node import Node"),
        ("distlib.models.latency", "import networkx"),
        ("distlib.runtimes.simulation", "from distlib.protocols.transactions import two_phase_commit"),
    ],
)
def test_an_import_from_above_is_found(name: str, source: str) -> None:
    assert len(layer_faults(name, source)) == 1


def impure_calls(source: str) -> list[str]:
    """Return the calls of built-in functions that do I/O, run text, or depend on the process."""
    return [
        f"line {node.lineno}: {node.func.id}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_BUILTINS
    ]


@pytest.mark.parametrize(
    "path", [path for path in MODULES if is_within(name_of(path), ["distlib.protocols", "distlib.broken"])], ids=name_of
)
def test_a_protocol_calls_no_builtin_that_reaches_outside(path: Path) -> None:
    assert impure_calls(path.read_text(encoding="utf-8")) == []


def test_a_call_that_reaches_outside_is_found() -> None:
    assert set(dir(builtins)) >= IMPURE_BUILTINS
    assert impure_calls("def handler():\n    print(open('log').read())") == ["line 2: print", "line 2: open"]


def planned_chapters(page: str) -> list[str]:
    """Return the chapters that a page names with the role `chapter`, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [f"chapters/{name}" for name in re.findall(r"\{chapter\}`[^<`]+<([^>`]+)>`", text)]


def test_the_table_of_contents_covers_every_page_once() -> None:
    written = [path for path in (ROOT / "book").glob("*.md")] + NOTEBOOKS
    assert sorted(pages_in_order()) == sorted(short(path.with_suffix("")) for path in written)


def test_chapters_stand_in_the_order_of_the_map() -> None:
    plan = planned_chapters("book/mirror.md")
    chapters = [
        page
        for page in pages_in_order()
        if page.startswith("chapters/") and not page.split("/")[-1].startswith(("lab_", "index"))
    ]
    assert chapters == [page for page in plan if page in chapters]


def test_the_cover_and_the_map_show_the_same_plan() -> None:
    plan = planned_chapters("book/mirror.md")
    assert len(plan) == len(set(plan)) == 24
    assert planned_chapters("book/index.md") == plan
