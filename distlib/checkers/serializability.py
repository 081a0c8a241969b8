"""Which isolation levels a history of transactions keeps, and what it shows where it does not.

Theory of operation
-------------------
Four steps, each in a module of its own:

1. :mod:`~distlib.checkers.transaction_history`: what clients saw, refused if it means nothing;
2. :mod:`~distlib.checkers.dependency_graph`: the order of versions, and from it who depends on whom;
3. :mod:`~distlib.checkers.anomalies` and :mod:`~distlib.checkers.dependency_cycles`: what should not be, each with
   a witness that can be checked by hand;
4. :mod:`~distlib.checkers.isolation_levels`: which levels proscribe it.

The answer is sound: each anomaly follows from the history whatever the database did inside (for registers under an
assumption that :mod:`~distlib.checkers.dependency_graph` names). It is complete as far as the order of versions is
known. Where every append is seen by some read, it is known whole, and a history without anomalies *is* serializable
(strictly, if there is none in real time). Where it is not, such as with registers that are written blindly, "no
anomaly" means that none can be shown. To decide those is NP-complete (Papadimitriou 1979); here they get the benefit
of the doubt.

Sources
-------
- A. Adya: *Weak Consistency*. PhD thesis, MIT, 1999; A. Adya, B. Liskov, P. O'Neil, ICDE 2000.
- K. Kingsbury, P. Alvaro: *Elle: Inferring Isolation Anomalies from Experimental Observations*. PVLDB 14(3), 2020.
- C. Papadimitriou: *The Serializability of Concurrent Database Updates*. JACM 26(4), 1979.

Examples
--------
Two doctors each see the other on call, and each goes off call: write skew.

>>> verdict = check_serializability([
...     Transaction(1, operations=(("read", "Ann", []), ("append", "Bob", "off"))),
...     Transaction(2, operations=(("read", "Bob", []), ("append", "Ann", "off"))),
... ])
>>> sorted(verdict.violated), verdict.holds("snapshot-isolation"), verdict.holds("serializable")
(['repeatable-read'], True, False)
>>> print(verdict.explain())
G2-item (anti-dependencies in a row, as in write skew):
  T1 read Ann = [] before T2 appended off to Ann; but T2 read Bob = [] before T1 appended off to Bob: a contradiction.
Not: repeatable-read; nor anything stronger.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeAlias

from distlib.checkers.anomalies import MEANINGS, Witness, find_witnesses, split_scope
from distlib.checkers.dependency_cycles import Cycle, find_cycles
from distlib.checkers.dependency_graph import DependencyGraph, infer_dependencies
from distlib.checkers.isolation_levels import LEVELS, find_violated, find_weakest, require_level
from distlib.checkers.transaction_history import Transaction, TransactionHistory, read_transactions

__all__ = [
    "Cycle",
    "Finding",
    "Transaction",
    "Verdict",
    "Witness",
    "check_serializability",
    "read_transactions",
]

Finding: TypeAlias = Cycle | Witness


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a history shows.

    Parameters
    ----------
    anomalies
        By name, the worst first: where each shows, the shortest cycles first.
    violated
        The weakest isolation levels that the history is outside of; it is outside of all stronger ones, too.
    graph
        The dependencies behind it.
    """

    anomalies: Mapping[str, tuple[Finding, ...]]
    violated: frozenset[str]
    graph: DependencyGraph = field(repr=False)

    def holds(self, level: str) -> bool:
        """Return whether nothing in the history contradicts an isolation level.

        Parameters
        ----------
        level
            Such as "serializable"; Adya's names ("PL-3") will do.

        Raises
        ------
        ValueError
            If there is no such level.
        """
        return require_level(level).name not in find_violated(self.anomalies)

    def __str__(self) -> str:
        return self.explain()

    def explain(self, *, most: int = 10) -> str:
        """Return the anomalies in words, and the levels that they rule out.

        Parameters
        ----------
        most
            How many places to tell of for each anomaly.

        Raises
        ------
        ValueError
            If it is below 1.
        """
        if most < 1:
            raise ValueError(f"`most` must be at least 1, got {most!r}")
        lines: list[str] = []
        for anomaly, findings in self.anomalies.items():
            name, scope = split_scope(anomaly)
            order = {"": "", "process": "; with the order of processes", "realtime": "; with real time"}[scope]
            lines.append(f"{anomaly} ({MEANINGS[name]}{order}):")
            lines += [f"  {finding.explain()}" for finding in findings[:most]]
            lines += [f"  … and {len(findings) - most} more"] * (len(findings) > most)
        if not lines:
            return "No anomaly."
        weakest = [level for level in LEVELS if level in self.violated]
        return "\n".join([*lines, f"Not: {', '.join(weakest)}; nor anything stronger."])


def check_serializability(
    transactions: Iterable[Transaction],
    *,
    initial_value: Hashable = None,
    linearizable_keys: bool = False,
    search_limit: int = 2_000_000,
) -> Verdict:
    """Find the anomalies of a history, and the isolation levels that they rule out.

    Parameters
    ----------
    transactions
        What the clients saw, in any order.
    initial_value
        What a register holds before any write.
    linearizable_keys
        Whether to take each register for linearizable by itself, so that real time orders its versions. It finds
        more, and blames the database for "cyclic-versions" if that is not so.
    search_limit
        How many edges each search for the *shortest* cycle of a kind may look at. It bounds time, and does not change
        what levels hold.

    Returns
    -------
    Verdict
        With `anomalies`, `violated`, `holds(level)` and `explain()`.

    Raises
    ------
    ValueError
        If the transactions do not make a history: see
        :class:`~distlib.checkers.transaction_history.TransactionHistory`.

    Examples
    --------
    >>> verdict = check_serializability([
    ...     Transaction(1, operations=(("append", "x", 1), ("append", "y", 1))),
    ...     Transaction(2, operations=(("append", "x", 2), ("append", "y", 2))),
    ...     Transaction(3, operations=(("read", "x", [1, 2]), ("read", "y", [2, 1]))),
    ... ])
    >>> verdict.violated
    frozenset({'read-uncommitted'})
    >>> for step in verdict.anomalies["G0"][0].steps:
    ...     print(step.explain())
    T1 appended 1 to x before T2 appended 2 to x (T3 read x = [1, 2])
    T2 appended 2 to y before T1 appended 1 to y (T3 read y = [2, 1])
    """
    if search_limit < 0:
        raise ValueError(f"`search_limit` must be at least 0, got {search_limit!r}")
    history = TransactionHistory(tuple(transactions), initial_value)
    graph = infer_dependencies(history, linearizable_keys=linearizable_keys)
    found: dict[str, list[Finding]] = {}
    findings = chain[Finding](find_witnesses(history, graph.orders), find_cycles(graph, search_limit=search_limit))
    for finding in findings:
        found.setdefault(finding.anomaly, []).append(finding)
    anomalies = {name: tuple(sorted(found[name], key=_length)) for name in sorted(found, key=_severity)}
    return Verdict(anomalies, find_weakest(find_violated(anomalies)), graph)


def _length(finding: Finding) -> int:
    return len(finding.transactions)


def _severity(anomaly: str) -> tuple[int, int]:
    """Rank anomalies: what data alone show before what needs sessions or real time; within these, the worst first."""
    name, scope = split_scope(anomaly)
    return ("", "process", "realtime").index(scope), list(MEANINGS).index(name)
