"""Values in words, the same in every run: ``repr`` will not do, because that of a set depends on the hash seed."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from enum import Enum

from distlib.node import words as name_in_words
from distlib.runtimes.trace import Event, Kind

__all__ = ["headline", "tell", "words"]

LONGEST_VALUE = 8  # letters of a value that a label still shows


def words(value: object) -> str:
    """Put a value into words, the same for every hash seed.

    Examples
    --------
    >>> words(("write", frozenset({"b", "a"}), None))
    'write, {a, b}, nothing'
    >>> from distlib.node import Outcome
    >>> words(Outcome.OK), words(True), words(0.1 + 0.2)
    ('ok', 'yes', '0.3')
    """
    match value:
        case None:
            return "nothing"
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case float():
            return f"{value:.6g}"
        case Enum():
            return words(value.value) if isinstance(value.value, str) else value.name.lower()
        case Mapping():
            return "{" + ", ".join(sorted(f"{words(key)}: {words(held)}" for key, held in value.items())) + "}"
        case AbstractSet():
            return "{" + ", ".join(sorted(words(held) for held in value)) + "}"
        case tuple() | list():
            return ", ".join(f"({words(held)})" if isinstance(held, tuple | list) else words(held) for held in value)
        case _ if is_dataclass(value) and not isinstance(value, type):
            inside = ", ".join(
                f"{field.name} {words(getattr(value, field.name))}" for field in fields(value) if field.repr
            )
            return f"{type(value).__name__}({inside})" if inside else type(value).__name__
        case type():
            return value.__name__
    return str(value)


def headline(value: object) -> str:
    """Return a short label for a message or an operation: its class, and its values as far as they are short.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Vote:
    ...     transaction: str
    ...     agree: bool
    ...     reads: frozenset[str] = frozenset()
    >>> headline(Vote("t1", True)), headline("ping")
    ('Vote t1 yes', 'ping')
    """
    if not is_dataclass(value) or isinstance(value, type):
        return words(value)
    held = [getattr(value, field.name) for field in fields(value) if field.repr]
    parts = [words(one) for one in held if isinstance(one, str | bool | int | Enum)]
    return " ".join([type(value).__name__, *(part for part in parts if len(part) <= LONGEST_VALUE)])


def tell(event: Event, steps: bool) -> str:
    """Put an event into words, for a tooltip."""
    when = f"step {event.time_seconds:g}" if steps else f"{event.time_seconds * 1e3:.6g} ms"
    value = words(event.value)
    match event.kind:
        case Kind.SEND:
            what = f"{event.node} sends {value} to {event.peer}"
        case Kind.DELIVER:
            what = f"{event.node} receives it"
        case Kind.LOSE:
            what = f"lost ({event.note})" if event.note else "lost"
        case Kind.COMPLETE:
            what = f"{event.node} completes: {words(event.value[1])}, {words(event.value[0])}"
        case Kind.SAVE:
            what = f"{event.node} saves {value}" + (f" ({event.note})" if event.note else "")
        case Kind.TIMER:
            what = f"{event.node}: timer {name_in_words(event.value)} fires"
        case Kind.CLOCK:
            what = f"{event.node} reads its clock: {event.value[1]:.6f} s"
        case Kind.INVOKE:
            what = f"{event.node} invokes {value}"
        case Kind.CRASH:
            what = f"{event.node} crashes"
        case Kind.START:
            what = f"{event.node} restarts with {value}"
        case _:
            what = f"{event.node} {event.kind.value}s"
    return f"{what}, {when}"
