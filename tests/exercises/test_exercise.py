"""Every exercise accepts its right answers, answers each wrong one with the right hint, and is solved in its chapter.

A rule is a function that returns what is wrong. It is applied to the book, which must be free of it, and to small wrong
examples, in which it must find something.
"""

from __future__ import annotations

import ast
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

from distlib.exercises.exercise import Exercise, choice, exercises_of, number
from tests.repository import NOTEBOOKS, ROOT, code_cells, name_of, python_of, read, short, source_of

FEWEST_EXERCISES = 4
MODULES = sorted(
    path for path in (ROOT / "distlib" / "exercises").rglob("*.py") if path.name not in ("__init__.py", "exercise.py")
)
CHAPTERS = [
    path for path in NOTEBOOKS if path.is_relative_to(ROOT / "chapters") and not path.name.startswith(("lab_", "index"))
]


def exercise(**changes: Any) -> Exercise:
    """Return an exercise: how many is twice two?"""
    parts: dict[str, Any] = {
        "identifier": "twice",
        "question_summary": "How many is twice two?",
        "check_answer": number(4, hint="Count."),
        "right": (4,),
        "wrong": ((5, "Count"),),
    }
    return Exercise(**(parts | changes))


def sample_faults(each: Exercise) -> list[str]:
    """Return the sample answers that an exercise judges otherwise than it says."""
    faults = [f"{answer!r} is right, but: {hint}" for answer in each.right if (hint := each.hint(answer)) is not None]
    for answer, part in each.wrong:
        hint = each.hint(answer)
        if hint is None or part not in hint:
            faults.append(f"{answer!r} must draw a hint with {part!r}, got {hint!r}")
    return faults


def module_faults(module: ModuleType) -> list[str]:
    """Return what is wrong with the exercises of a chapter."""
    exercises = exercises_of(module)
    faults = [f"{name}: {fault}" for name, each in exercises.items() for fault in sample_faults(each)]
    identifiers = [each.identifier for each in exercises.values()]
    faults += [
        f"the identifier {each!r} is used twice" for each in sorted(set(identifiers)) if identifiers.count(each) > 1
    ]
    if len(exercises) < FEWEST_EXERCISES:
        faults.append(f"there must be at least {FEWEST_EXERCISES} exercises, got {len(exercises)}")
    return faults


def calls(cell: dict[str, Any], method: str) -> set[str]:
    """Return the names x for which a cell calls x.method(…), or module.x.method(…)."""
    called = [
        node.func.value
        for node in ast.walk(ast.parse(python_of(cell)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method
    ]
    return {node.id for node in called if isinstance(node, ast.Name)} | {
        node.attr for node in called if isinstance(node, ast.Attribute)
    }


def solutions_of(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the code cells that are folded as solutions: by their tag, or between solution-start and solution-end."""
    solutions, inside = [], False
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            # A cell can end one solution and start the next.
            for line in source_of(cell).splitlines():
                inside = "{solution-start}" in line or (inside and "{solution-end}" not in line)
        elif inside or "solution" in cell["metadata"].get("tags", []):
            solutions.append(cell)
    return solutions


def solution_faults(notebook: dict[str, Any], names: set[str]) -> list[str]:
    """Return the exercises that a chapter does not let the reader check, or does not solve."""
    solutions = solutions_of(notebook)
    solved = set().union(*(calls(cell, "require") for cell in solutions))
    asked = set().union(*(calls(cell, "check") for cell in code_cells(notebook) if cell not in solutions))
    return [f"{name} is never checked" for name in sorted(names - asked)] + [
        f"{name} has no solution that is required to be right" for name in sorted(names - solved)
    ]


def test_every_exercise_accepts_what_is_right_and_answers_what_is_wrong() -> None:
    assert {short(path): faults for path in MODULES if (faults := module_faults(import_module(name_of(path))))} == {}


def test_every_chapter_has_exercises_and_solves_each() -> None:
    for path in CHAPTERS:
        module = import_module(
            name_of(ROOT / "distlib" / "exercises" / path.relative_to(ROOT / "chapters").with_suffix(".py"))
        )
        assert solution_faults(read(path), set(exercises_of(module))) == [], short(path)


def test_every_module_of_exercises_belongs_to_a_chapter() -> None:
    chapters = {path.relative_to(ROOT / "chapters").with_suffix("") for path in CHAPTERS}
    assert {path.relative_to(ROOT / "distlib" / "exercises").with_suffix("") for path in MODULES} <= chapters


def test_an_exercise_that_misjudges_its_samples_is_found() -> None:
    assert sample_faults(exercise()) == []
    assert len(sample_faults(exercise(right=(4, 4.1)))) == 1
    assert len(sample_faults(exercise(wrong=((4, "Count"), (5, "Subtract"), (5, "Count"))))) == 2


def module_of(**exercises: Exercise) -> ModuleType:
    module = ModuleType("exercises")
    vars(module).update(exercises, number=number)
    return module


def test_too_few_exercises_and_a_name_used_twice_are_found() -> None:
    several = {name: exercise(identifier=name) for name in ("a", "b", "c", "d")}
    assert module_faults(module_of(**several)) == []
    assert len(module_faults(module_of(**{name: several[name] for name in ("a", "b", "c")}))) == 1
    assert len(module_faults(module_of(**several | {"e": several["a"]}))) == 1


def code(source: str, *tags: str) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "metadata": {"tags": list(tags)}}


def text(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "source": source, "metadata": {}}


def test_an_exercise_without_solution_is_found() -> None:
    asked, solved = code("answer = ...\ntwice.check(answer)"), "twice.require(4)"
    gated = [text("```{solution-start} twice\n```"), code(solved), text("```{solution-end}\n```")]
    assert solution_faults({"cells": [asked, code(solved, "solution")]}, {"twice"}) == []
    assert solution_faults({"cells": [asked, *gated]}, {"twice"}) == []
    assert (
        solution_faults(
            {"cells": [code("exercises.twice.check(...)"), code("exercises." + solved, "solution")]}, {"twice"}
        )
        == []
    )
    assert solution_faults({"cells": [asked, code(solved)]}, {"twice"}) == [
        "twice has no solution that is required to be right"
    ]
    assert len(solution_faults({"cells": [asked, gated[0], gated[2], gated[1]]}, {"twice"})) == 1
    assert solution_faults({"cells": [code(solved, "solution")]}, {"twice"}) == ["twice is never checked"]
    assert solution_faults({"cells": [code("twice.check(4)\n" + solved, "solution")]}, {"twice"}) == [
        "twice is never checked"
    ]


def test_a_right_answer_is_told_so_and_a_wrong_one_gets_its_hint(capsys: pytest.CaptureFixture[str]) -> None:
    exercise(explanation="Two and two.").check(4)
    exercise().check(5)
    exercise().check(...)
    assert capsys.readouterr().out.splitlines() == [
        "Right: Two and two.",
        "Not yet. Count.",
        "Not answered yet: How many is twice two?",
    ]


@pytest.mark.parametrize("answer", ["four", None, [4], object(), float("nan"), True])
def test_no_answer_stops_a_notebook(answer: object, capsys: pytest.CaptureFixture[str]) -> None:
    exercise().check(answer)
    assert capsys.readouterr().out.startswith("Not yet. ")


def test_a_solution_that_is_wrong_missing_or_of_another_kind_fails() -> None:
    exercise().require(4)
    with pytest.raises(AssertionError, match=r"twice: 5 is not right. Count\."):
        exercise().require(5)
    with pytest.raises(AssertionError, match="There is no answer yet"):
        exercise().require(...)
    with pytest.raises(AssertionError, match="cannot be checked: ValueError"):
        exercise().require("four")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"identifier": " "}, "`identifier` must be words"),
        ({"question_summary": ""}, "`question_summary` must be words"),
        ({"right": ()}, "`right` must be a tuple of at least one"),
        ({"wrong": ()}, "`wrong` must be a tuple of at least one"),
        ({"wrong": (5,)}, "`wrong` must be pairs"),
        ({"wrong": ((5, ""),)}, "`wrong` must be pairs"),
    ],
)
def test_an_exercise_without_words_or_samples_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        exercise(**changes)


def test_a_check_that_is_silent_about_a_wrong_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="must give a hint in words"):
        exercise(check_answer=lambda answer: "").check(5)


def test_mistakes_that_would_pass_and_choices_without_others_are_refused() -> None:
    with pytest.raises(ValueError, match="`mistakes` must differ"):
        number(4, hint="Count.", mistakes={4.0001: "Almost."})
    with pytest.raises(ValueError, match="`others` must be at least one"):
        choice("a", {})
    with pytest.raises(ValueError, match="`others` must be at least one answer other than 'a'"):
        choice("a", {"a": "No."})


def test_a_count_allows_no_tolerance() -> None:
    check = number(546, relative_tolerance=0, hint="Count again.")
    assert check(546) is None
    assert check(547) == "Count again."
