"""What a check of a consistency model found: an answer of three, and its evidence.

Linearizability has a verdict of its own kind (:mod:`distlib.checkers.linearizability`), and so have isolation levels
(:mod:`distlib.checkers.serializability`), where one history is held against many levels at once. This one serves the
models below linearizability.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NoReturn

from distlib.checkers.history import Operation

__all__ = ["Judgement", "Verdict", "Violation"]


class Judgement(Enum):
    """The three answers."""

    HOLDS = "holds"
    VIOLATED = "is violated"
    UNKNOWN = "is undecided: the budget was spent"


@dataclass(frozen=True, slots=True)
class Violation:
    """One place where a model does not hold.

    Parameters
    ----------
    operations
        The operations that show it, in the order of the description.
    description
        What happened, as a sentence.
    """

    operations: tuple[Operation, ...]
    description: str

    def explain(self) -> str:
        """Return what happened in words."""
        return self.description


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a history is one of a consistency model.

    Parameters
    ----------
    model
        The model's name.
    judgement
        The answer.
    violations
        If VIOLATED: what speaks against it. A search that has tried every order in vain has none to show.
    witness
        If the model asks for one order of all operations, and it HOLDS: such an order.

    Examples
    --------
    >>> verdict = Verdict("sequential consistency", Judgement.UNKNOWN)
    >>> print(verdict)
    sequential consistency is undecided: the budget was spent.
    >>> verdict.holds
    Traceback (most recent call last):
    ...
    ValueError: sequential consistency is undecided: the budget was spent; compare the verdict's `judgement`
    """

    model: str
    judgement: Judgement
    violations: tuple[Violation, ...] = ()
    witness: tuple[Operation, ...] = ()

    @classmethod
    def of(cls, model: str, violations: tuple[Violation, ...]) -> Verdict:
        """Return the verdict of a check that finds every violation there is."""
        return cls(model, Judgement.VIOLATED if violations else Judgement.HOLDS, violations)

    @property
    def holds(self) -> bool:
        """Whether the model holds.

        Raises
        ------
        ValueError
            If that is UNKNOWN.
        """
        if self.judgement is Judgement.UNKNOWN:
            raise ValueError(f"{self.model} {self.judgement.value}; compare the verdict's `judgement`")
        return self.judgement is Judgement.HOLDS

    def __bool__(self) -> NoReturn:
        raise TypeError("a verdict has three values; compare its `judgement`")

    def __str__(self) -> str:
        return self.explain()

    def explain(self) -> str:
        """Return the verdict in words, with every violation."""
        lines = [f"{self.model} {self.judgement.value}."]
        return "\n".join([*lines, *(f"  {violation.explain()}" for violation in self.violations)])
