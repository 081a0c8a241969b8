"""Anomalies: what they are called, what they mean, and those that show without a cycle.

Theory of operation
-------------------
Most anomalies are cycles of dependencies (:mod:`distlib.checkers.dependency_cycles`). The others can be seen in one
transaction, or in one read, and each comes with a :class:`Witness` that says where:

- *G1a*, aborted read: a transaction read what an aborted one wrote;
- *G1b*, intermediate read: it read a version that its writer overwrote before it committed;
- *dirty-update*: a committed write was put on top of an aborted one. A read that shows the two shows the committed
  version; so only a read that ends in the aborted write is an aborted read besides;
- *internal*: a read contradicts what the same transaction read or wrote before;
- *future-read*: a transaction read what it wrote only afterwards;
- *lost-update*: two transactions read the same version of a key, and both wrote that key;
- *duplicate-elements*: a list shows an element twice, though it was appended once;
- *incompatible-order*: two reads of a list of which neither is a prefix of the other;
- *cyclic-versions*: what is known of the order of a key's versions puts one before itself.

Sources
-------
- A. Adya, B. Liskov, P. O'Neil: *Generalized Isolation Level Definitions*. ICDE 2000, section 5.
- K. Kingsbury, P. Alvaro: *Elle*. PVLDB 14(3), 2020.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from distlib.checkers.dependency_graph import Reason, VersionOrder, show_value
from distlib.checkers.transaction_history import INITIAL, Transaction, TransactionHistory
from distlib.node import Outcome

__all__ = ["CYCLES", "MEANINGS", "Witness", "find_witnesses", "split_scope"]

MEANINGS: Final[Mapping[str, str]] = {
    "duplicate-elements": "a list shows an element twice that was appended once",
    "cyclic-versions": "a version came before itself",
    "incompatible-order": "two reads of a list contradict each other on the order of its elements",
    "internal": "a transaction contradicts what it read or wrote itself",
    "future-read": "a transaction read what it wrote only later",
    "dirty-update": "a committed write was put on top of an aborted one",
    "G1a": "aborted read: a transaction read what an aborted one wrote",
    "G1b": "intermediate read: a transaction read what its writer overwrote before it committed",
    "lost-update": "two transactions read the same version and both overwrote it",
    "G0": "write cycle: only write dependencies",
    "G1c": "circular information flow: write and read dependencies",
    "G-single-item": "one anti-dependency: a transaction missed part of what it depends on",
    "G-nonadjacent-item": "several anti-dependencies, no two in a row: no snapshot explains them",
    "G2-item": "anti-dependencies in a row, as in write skew",
}
"""What each anomaly means, the worst first. Those that are cycles come in three scopes: see :func:`split_scope`."""

CYCLES: Final = ("G0", "G1c", "G-single-item", "G-nonadjacent-item", "G2-item")
"""The anomalies that are cycles, the worst first."""


def split_scope(anomaly: str) -> tuple[str, str]:
    """Return the anomaly without its suffix, and the suffix: "" if data alone show it, or "process" or "realtime".

    Examples
    --------
    >>> split_scope("G2-item-process"), split_scope("G1c")
    (('G2-item', 'process'), ('G1c', ''))
    """
    for scope in ("process", "realtime"):
        if anomaly.endswith("-" + scope):
            return anomaly.removesuffix("-" + scope), scope
    return anomaly, ""


@dataclass(frozen=True, slots=True)
class Witness:
    """One place where an anomaly shows.

    Parameters
    ----------
    anomaly
        Its name.
    transactions
        Those that are part of it.
    key
        The key where it shows.
    description
        What happened, as a sentence without its full stop.
    """

    anomaly: str
    transactions: tuple[Transaction, ...]
    key: Hashable
    description: str

    def explain(self) -> str:
        """Return what happened as a sentence."""
        return self.description + "."


def find_witnesses(history: TransactionHistory, orders: Mapping[Hashable, VersionOrder]) -> Iterator[Witness]:
    """Yield every anomaly that shows without a cycle of dependencies.

    Parameters
    ----------
    history
        What the clients saw.
    orders
        What is known of the order of each key's versions.
    """
    for index in sorted(history.committed):
        if history.transactions[index].outcome is Outcome.OK:
            yield from _find_internal(history, index)
            yield from _find_unsettled_reads(history, index)
    yield from _find_dirty_updates(history)
    yield from _find_lost_updates(history)
    yield from _find_bad_lists(history)
    for key, order in orders.items():
        if order.cycle:
            yield _describe_version_cycle(history, key, order)


def _find_internal(history: TransactionHistory, index: int) -> Iterator[Witness]:
    """Hold each read of a transaction against what it read and wrote before, and against what it wrote after."""
    one = history.transactions[index]
    # By key: what a read must show now, as (whether from its start, elements).
    expected: dict[Hashable, tuple[bool, tuple[Hashable, ...]]] = {}
    to_come: dict[Hashable, set[Hashable]] = defaultdict(set)
    for key, value in one.writes():
        to_come[key].add(value)
    for function, key, value in one.operations:
        whole, known = expected.get(key, (False, ()))
        if function != "read":
            to_come[key].discard(value)
            expected[key] = (whole, (*known, value)) if function == "append" else (True, (value,))
            continue
        elements = history.elements(key, value)
        early = [element for element in elements if element in to_come[key]]
        if early:
            text = f"{one.name} read {key} = {show_value(value, *early)} before it wrote {early[0]} itself"
            yield Witness("future-read", (one,), key, text)
        elif elements != known and (whole or elements[max(len(elements) - len(known), 0) :] != known):
            own = ", ".join(map(str, known if whole else ("…", *known))) or "nothing"
            text = f"{one.name} read {key} = {show_value(value)}, though by its own operations before it is [{own}]"
            yield Witness("internal", (one,), key, text)
        expected[key] = True, elements


def _find_unsettled_reads(history: TransactionHistory, index: int) -> Iterator[Witness]:
    """Find what a transaction read that was aborted, or that its writer overwrote before committing."""
    one = history.transactions[index]
    for _, key, value in one.reads():
        elements = history.elements(key, value)
        if not elements:
            continue
        writers = history.writers[key]
        writer = history.transactions[writers[elements[-1]]]
        shown = show_value(value, elements[-1])
        read = f"{one.name} read {key} = {shown}, but {writer.name}, which wrote {elements[-1]}"
        if writers[elements[-1]] not in history.committed:
            yield Witness("G1a", (writer, one), key, f"{read}, aborted")
        elif writer is not one:
            final = [written for touched, written in writer.writes() if touched == key][-1]
            if elements[-1] != final:
                text = f"{read}, wrote {final} there before it committed"
                yield Witness("G1b", (writer, one), key, text)


def _find_dirty_updates(history: TransactionHistory) -> Iterator[Witness]:
    """Find committed elements that were appended behind an aborted one."""
    aborted = {
        key
        for key, writers in history.writers.items()
        if history.datatypes[key] == "list" and not history.committed.issuperset(writers.values())
    }
    seen: set[tuple[Hashable, Hashable]] = set()
    for one in history.transactions:
        if one.outcome is not Outcome.OK:
            continue
        for _, key, value in one.reads():
            if key not in aborted:
                continue
            dirty = None
            for element in history.elements(key, value):
                if history.writers[key][element] not in history.committed:
                    dirty = element
                elif dirty is not None and (key, dirty) not in seen:
                    seen.add((key, dirty))
                    yield _describe_dirty_update(history, one, key, value, dirty, element)


def _describe_dirty_update(
    history: TransactionHistory, reader: Transaction, key: Hashable, value: Any, dirty: Hashable, element: Hashable
) -> Witness:
    """Put into words that an aborted element stands before a committed one."""
    aborted, committed = (history.transactions[history.writers[key][one]] for one in (dirty, element))
    text = (
        f"{committed.name} appended {element} to {key} on top of {dirty}, which {aborted.name} had appended and which "
        f"was aborted ({reader.name} read {key} = {show_value(value, dirty, element)})"
    )
    return Witness("dirty-update", (aborted, committed, reader), key, text)


def _find_lost_updates(history: TransactionHistory) -> Iterator[Witness]:
    """Find transactions that read the same version of a key first, and then wrote the key."""
    updates: dict[tuple[Hashable, tuple[Hashable, ...]], list[Transaction]] = defaultdict(list)
    for one in history.transactions:
        if one.outcome is not Outcome.OK:
            continue
        first: dict[Hashable, tuple[Hashable, ...] | None] = {}
        for function, key, value in one.operations:
            if function == "read":
                first.setdefault(key, history.elements(key, value))
                continue
            version = first.setdefault(key, None)
            if version is not None:
                updates[key, version].append(one)
                first[key] = None  # A second write of the same transaction updates nothing more.
    for (key, version), transactions in updates.items():
        if len(transactions) > 1:
            names = [one.name for one in transactions]
            is_list = history.datatypes[key] == "list"
            shown = show_value(version) if is_list else str((*version, history.initial_value)[0])
            text = f"{', '.join(names[:-1])} and {names[-1]} each read {key} = {shown} and wrote {key}"
            yield Witness("lost-update", tuple(transactions), key, text)


def _find_bad_lists(history: TransactionHistory) -> Iterator[Witness]:
    """Find lists that show an element twice, and pairs of lists that cannot be one list at two times."""
    longest: dict[Hashable, tuple[Transaction, tuple[Hashable, ...]]] = {}
    reads: dict[Hashable, dict[tuple[Hashable, ...], Transaction]] = defaultdict(dict)
    for one in history.transactions:
        if one.outcome is not Outcome.OK:
            continue
        for _, key, value in one.reads():
            if history.datatypes.get(key) != "list":
                continue
            elements = history.elements(key, value)
            if elements in reads[key]:
                continue
            reads[key][elements] = one
            if key not in longest or len(elements) > len(longest[key][1]):
                longest[key] = one, elements
            if len(set(elements)) < len(elements):
                twice = next(element for element, count in Counter(elements).items() if count > 1)
                text = f"{one.name} read {key} = {show_value(elements)}, where {twice} stands more than once"
                yield Witness("duplicate-elements", (one,), key, text)
    for key, (reader, whole) in longest.items():
        for elements, one in reads[key].items():
            if elements != whole[: len(elements)]:
                place = next(place for place, element in enumerate(elements) if element != whole[place])
                text = (
                    f"{one.name} read {key} = {show_value(elements, elements[place])}, but {reader.name} read {key} = "
                    f"{show_value(whole, whole[place])}: after {place} elements they part"
                )
                yield Witness("incompatible-order", (one, reader), key, text)


def _describe_version_cycle(history: TransactionHistory, key: Hashable, order: VersionOrder) -> Witness:
    """Put a cycle of versions into words."""
    clauses: list[str] = []
    involved: dict[Hashable, Transaction] = {}
    for before, after, reason in order.cycle:
        shown = [history.initial_value if version is INITIAL else version for version in (before, after)]
        involved.update({one.identifier: one for one in (reason.witness, reason.other) if one is not None})
        clauses.append(f"{shown[0]} came before {shown[1]}{_tell_reason(key, reason)}")
    return Witness("cyclic-versions", tuple(involved.values()), key, f"Of the versions of {key}, " + ", ".join(clauses))


def _tell_reason(key: Hashable, reason: Reason) -> str:
    """Say in brackets how the order of two versions of a cycle is known."""
    if reason.witness is None:
        return " (it is the initial value)"
    if reason.other is not None:
        return f" ({reason.witness.name} had completed before {reason.other.name} was invoked)"
    if reason.rule == "observed":
        return f" ({reason.witness.name} read {key} = {show_value(reason.shown)})"
    return f" ({reason.witness.name} {reason.rule})"
