"""Eventual convergence: once it is quiet, all replicas agree, and no acknowledged change has vanished.

Theory of operation
-------------------
Eventual consistency promises something only for the time after the last change has reached everybody (Vogels 2009;
Burckhardt 2014). So it is judged by a last read of each replica after the system came to rest:

1. *agreement*: all replicas give the same answer for each key;
2. *no thin air*: what they give is the initial value, or was written by an operation that did not fail;
3. *nothing lost*: every acknowledged change is there, or has been superseded.

When is a write superseded? Replicas may order concurrent writes as they like. So any write that did not complete
before it began may have replaced it; but if the surviving write had *completed before the lost one was invoked*, no
order that respects time explains the loss. This is what a last-writer-wins register does under clock skew. For
collections an element that was added is lost if it is missing and no removal of it can have come after.

Sources
-------
- W. Vogels: *Eventually Consistent*. Communications of the ACM 52(1), 2009.
- S. Burckhardt: *Principles of Eventual Consistency*. Foundations and Trends in Programming Languages 1(1–2), 2014.

Examples
--------
>>> from distlib.checkers.history import History, Operation
>>> history = History((
...     Operation("a", ("write", "x", 1), None, 0, 1),  # stamped by a clock that is ahead
...     Operation("b", ("write", "x", 2), None, 2, 3),
... ))
>>> print(check_convergence(history, {"east": {"x": 1}, "west": {"x": 1}}).explain())
eventual convergence is violated.
  b wrote x = 2, which was acknowledged, but all replicas end with 1, whose write had completed before: it is lost.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from distlib.checkers.history import History, Operation
from distlib.checkers.verdict import Verdict, Violation
from distlib.node import Outcome

__all__ = ["check_convergence"]

_MODEL: Final = "eventual convergence"
_KINDS: Final = {"write": "write", "put": "write", "append": "add", "add": "add", "remove": "remove"}


def check_convergence(
    history: History, final_reads: Mapping[Hashable, Mapping[Hashable, Any]], *, initial: Hashable = None
) -> Verdict:
    """Decide whether replicas that came to rest agree, and have kept what was acknowledged.

    Parameters
    ----------
    history
        What the clients did: ``("write", key, value)`` on registers; ``("add", key, element)`` (or "append") and
        ``("remove", key, element)`` on collections. The key may be left out; it is None then. Other operations are
        not looked at.
    final_reads
        By replica and key: what the replica gives after quiescence. A collection is a set or a sequence.
    initial
        What a register holds before any write.

    Raises
    ------
    ValueError
        If there are no replicas, a replica lacks a key that another has or that was changed, a key is both a register
        and a collection, or a collection ends as something else.
    """
    changes = _group_changes(history)
    keys = _require_all_keys(final_reads, changes)
    violations: list[Violation] = []
    for key in keys:
        made = changes.get(key, [])
        finals = {replica: _freeze(reads[key]) for replica, reads in final_reads.items()}
        if len(set(finals.values())) > 1:
            told = ", ".join(f"{replica} has {_show(value)}" for replica, value in finals.items())
            violations.append(Violation((), f"The replicas disagree{_on(key)}: {told}."))
            continue
        final = next(iter(finals.values()))
        if made and made[0].kind != "write":
            violations += _judge_collection(made, final)
        else:
            violations += _judge_register(key, made, final, initial)
    return Verdict.of(_MODEL, tuple(violations))


@dataclass(frozen=True, slots=True)
class _Change:
    """A change that was not refused: its kind ("write", "add" or "remove"), and what it wrote, added or removed."""

    operation: Operation
    kind: str
    key: Hashable
    value: Hashable

    @property
    def is_acknowledged(self) -> bool:
        return self.operation.outcome is Outcome.OK

    def ended_before(self, other: _Change) -> bool:
        """Return whether it had taken effect for certain before the other began."""
        return self.operation.latest < other.operation.invoked

    def describe(self) -> str:
        """Return it as a clause."""
        if self.kind == "write":
            return f"{self.operation.process} wrote {'' if self.key is None else f'{self.key} = '}{self.value}"
        verb, link = ("added", "to") if self.kind == "add" else ("removed", "from")
        return f"{self.operation.process} {verb} {self.value}{'' if self.key is None else f' {link} {self.key}'}"


def _group_changes(history: History) -> dict[Hashable, list[_Change]]:
    """Return the changes by key."""
    changes: dict[Hashable, list[_Change]] = {}
    for operation in history:
        asked: Any = operation.operation
        kind = _KINDS.get(asked[0]) if isinstance(asked, tuple) and asked else None
        if kind is None or operation.outcome is Outcome.FAIL:
            continue
        if len(asked) not in (2, 3):
            raise ValueError(f"a change must be (name, value) or (name, key, value), got {asked!r}")
        change = _Change(operation, kind, asked[1] if len(asked) == 3 else None, asked[-1])
        others = changes.setdefault(change.key, [])
        if others and (others[0].kind == "write") != (kind == "write"):
            raise ValueError(
                f"{change.describe()}, though {others[0].describe()}: "
                "a key must be a register or a collection, not both"
            )
        others.append(change)
    return changes


def _require_all_keys(
    final_reads: Mapping[Hashable, Mapping[Hashable, Any]], changes: Mapping[Hashable, Any]
) -> list[Hashable]:
    """Return all keys, or raise if a replica was not asked for one of them."""
    if not final_reads:
        raise ValueError("`final_reads` must have at least one replica, got none")
    keys = list(dict.fromkeys([*changes, *(key for reads in final_reads.values() for key in reads)]))
    for replica, reads in final_reads.items():
        missing = [key for key in keys if key not in reads]
        if missing:
            raise ValueError(
                f"`final_reads` must have every key for every replica, got none of {missing} for {replica!r}"
            )
    return keys


def _freeze(value: Any) -> Hashable:
    """Return a final value so that it can be compared and printed in one way."""
    if isinstance(value, set | frozenset):
        return frozenset(value)
    frozen: Hashable = tuple(value) if isinstance(value, list) else value
    return frozen


def _show(value: Hashable) -> str:
    if isinstance(value, frozenset):
        return "{" + ", ".join(sorted(map(str, value))) + "}"
    return str(list(value)) if isinstance(value, tuple) else str(value)


def _on(key: Hashable) -> str:
    return "" if key is None else f" on {key}"


def _judge_register(key: Hashable, writes: list[_Change], final: Hashable, initial: Hashable) -> Iterator[Violation]:
    """Find what is wrong if all replicas of a register end with one value."""
    survivors = [write for write in writes if write.value == final]
    if not survivors and final != initial:
        yield Violation((), f"All replicas end with {_show(final)}{_on(key)}, which no write put there.")
        return
    for write in writes:
        if write.value == final or not write.is_acknowledged or not all(one.ended_before(write) for one in survivors):
            continue
        ending = f"{final}, whose write had completed before" if survivors else f"the initial value {final}"
        yield Violation(
            (*(one.operation for one in survivors), write.operation),
            f"{write.describe()}, which was acknowledged, but all replicas end with {ending}: it is lost.",
        )


def _judge_collection(changes: list[_Change], final: Hashable) -> Iterator[Violation]:
    """Find what is wrong if all replicas of a collection end with the same elements."""
    key = changes[0].key
    if not isinstance(final, Collection) or isinstance(final, str):
        raise ValueError(f"`final_reads` must have a set or a sequence for the collection {key!r}, got {final!r}")
    for element in sorted(final, key=str):
        if not any(change.kind == "add" and change.value == element for change in changes):
            yield Violation((), f"All replicas end with {element}{_on(key)}, which nobody added.")
    for change in changes:
        opposite = {"add": "remove", "remove": "add"}[change.kind]
        others = [other for other in changes if other.kind == opposite and other.value == change.value]
        is_there = (change.value in final) == (change.kind == "add")
        # Whatever undoes the change and did not end before it may have come after it.
        if change.is_acknowledged and not is_there and all(other.ended_before(change) for other in others):
            ending = "without it" if change.kind == "add" else "with it"
            yield Violation(
                (*(other.operation for other in others), change.operation),
                f"{change.describe()}, which was acknowledged, but all replicas end {ending}: the change is lost.",
            )
