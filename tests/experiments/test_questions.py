"""The answers of the chapter on common questions: collected, scored, and one for each heading that asks."""

from __future__ import annotations

import ast
import re

import pytest

from distlib.experiments.questions import Answer, Answers
from distlib.figures.questions import CURVES, answer_sheet, question_dial
from tests.repository import NOTEBOOKS, read

(CHAPTER,) = (read(path) for path in NOTEBOOKS if path.stem == "questions")
SOURCES = {
    kind: ["".join(cell["source"]) for cell in CHAPTER["cells"] if cell["cell_type"] == kind]
    for kind in ("markdown", "code")
}
ASKED = [found for text in SOURCES["markdown"] for found in re.findall(r"^### (.*\?)$", text, re.M)]


def given() -> list[str]:
    """Return the question of each call of `answers.give` in the chapter, in order."""
    calls = [node for code in SOURCES["code"] for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    gives = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "give"]
    return [str(ast.literal_eval(call.args[0])) for call in gives]


def bets() -> list[str]:
    """Return the questions of the quiz."""
    (quiz,) = [code for code in SOURCES["code"] if code.startswith("my_bets")]
    return list(ast.literal_eval(quiz.partition("=")[2].strip()))


def test_each_question_of_the_chapter_is_answered_once_below_its_heading() -> None:
    assert given() == ASKED
    assert len(set(ASKED)) == len(ASKED) >= 25


def test_the_quiz_and_the_dial_ask_what_the_chapter_answers() -> None:
    assert len(bets()) == 10
    assert set(bets()) <= set(ASKED)
    assert set(CURVES) <= set(ASKED)


def test_each_question_links_to_a_chapter() -> None:
    for text in SOURCES["markdown"]:
        if re.search(r"^### .*\?$", text, re.M):
            assert "{chapter}`" in text, text[:60]


def some() -> Answers:
    answers = Answers()
    answers.give("Is it?", "yes", "in 12 states", "Background")
    answers.give("How long?", "an hour", "60 minutes", "Failover")
    return answers


def test_a_bet_is_right_if_it_is_the_answer_whatever_its_case(capsys: pytest.CaptureFixture[str]) -> None:
    some().score({"Is it?": "Yes "})
    assert capsys.readouterr().out.splitlines()[-1] == "1 of 1 right"
    some().score({"Is it?": "no"})
    assert capsys.readouterr().out.splitlines()[-2:] == ["yes  you said no   Is it?", "0 of 1 right"]


def test_a_cell_that_is_run_again_replaces_its_answer() -> None:
    answers = some()
    answers.give("Is it?", "no", "after 3 steps", "Background")
    assert [one.verdict for one in answers] == ["no", "an hour"]
    assert len(answers) == 2


def test_a_bet_on_a_question_that_nobody_answered_is_refused() -> None:
    with pytest.raises(ValueError, match=r"answered, got 'Who\?'"):
        some().score({"Who?": "yes"})


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (("It is", "yes", "12", "Failover"), "question mark"),
        (("Is it?", "", "12", "Failover"), "`verdict`"),
        (("Is it?", "yes", " ", "Failover"), "`computed`"),
        (("Is it?", "yes", "12", ""), "`chapter`"),
    ],
)
def test_an_answer_without_words_is_refused(wrong: tuple[str, str, str, str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Answer(*wrong)


def test_the_sheet_has_a_row_for_each_answer_with_its_tone() -> None:
    sheet = answer_sheet(some(), identifier="q-test")
    assert sheet.rows == ("Is it?", "How long?")
    assert [row[0] for row in sheet.cells] == [("yes", "good"), ("an hour", "calm")]


def test_each_position_of_the_dial_is_a_question_with_a_sentence() -> None:
    figure = question_dial(identifier="q-test-dial")
    for question in CURVES:
        summary = figure.summary(question=question)
        assert summary.endswith(".")
        assert any(letter.isdigit() for letter in summary)
