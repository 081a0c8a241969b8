"""The answers of the chapter on common questions, collected as its cells compute them.

>>> answers = Answers()
>>> answers.give("Is replication a backup?", "no", "a mistake is on both copies", "Recovery points")
No: a mistake is on both copies.
>>> answers.score({"Is replication a backup?": "yes"})
no   you said yes  Is replication a backup?
0 of 1 right
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = ["Answer", "Answers"]


@dataclass(frozen=True)
class Answer:
    """An answer to a question.

    Parameters
    ----------
    question
        As in the heading above it, with its question mark.
    verdict
        Yes or no, or a few words.
    computed
        What was computed, with its units, and no full stop.
    chapter
        The title of the chapter that has more.

    Raises
    ------
    ValueError
        If one of them is empty, or the question is none.
    """

    question: str
    verdict: str
    computed: str
    chapter: str

    def __post_init__(self) -> None:
        if not self.question.endswith("?"):
            raise ValueError(f"`question` must end in a question mark, got {self.question!r}")
        for name in ("verdict", "computed", "chapter"):
            if not getattr(self, name).strip():
                raise ValueError(f"`{name}` must be words, got {getattr(self, name)!r}")


class Answers:
    """Answers by question, in the order in which they were given."""

    def __init__(self) -> None:
        self._given: dict[str, Answer] = {}

    def __len__(self) -> int:
        return len(self._given)

    def __iter__(self) -> Iterator[Answer]:
        return iter(self._given.values())

    def give(self, question: str, verdict: str, computed: str, chapter: str) -> None:
        """Keep an answer and print it. To run a cell a second time replaces what it gave before.

        Parameters
        ----------
        question, verdict, computed, chapter
            See :class:`Answer`.
        """
        self._given[question] = Answer(question, verdict, computed, chapter)
        print(f"{verdict[0].upper()}{verdict[1:]}: {computed}.")

    def score(self, bets: Mapping[str, str]) -> None:
        """Print for each bet what the answer is, and how many were right.

        Parameters
        ----------
        bets
            "yes" or "no" for some of the questions.

        Raises
        ------
        ValueError
            If a bet is on a question that was not answered.
        """
        if unknown := [question for question in bets if question not in self._given]:
            raise ValueError(f"`bets` must be on questions that were answered, got {unknown[0]!r}")
        right = 0
        for question, bet in bets.items():
            verdict = self._given[question].verdict
            hit = bet.strip().lower() == verdict
            right += hit
            print(f"{verdict:4} {'as you said' if hit else f'you said {bet}':13} {question}")
        print(f"{right} of {len(bets)} right")
