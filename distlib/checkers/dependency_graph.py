"""Who depends on whom: the direct serialization graph of a history of transactions.

Theory of operation
-------------------
Adya's graph (1999, chapter 3; ICDE 2000, section 4.4) has the committed transactions as vertices and three kinds of
dependency as edges, each of which means "comes before in any equivalent serial order":

- *ww*: the target overwrote what the source wrote (it installed the next version of a key);
- *wr*: the target read what the source wrote;
- *rw*, the anti-dependency: the target overwrote what the source read.

Two more make the order in which clients saw things part of the question:

- *process*: the source came earlier in the same client's session;
- *realtime*: the source had completed before the target was invoked.

The catch is that versions are inside the database. They have to be inferred from what was read (Kingsbury & Alvaro
2020):

- A **list** shows its own history. The longest read of a key orders the versions up to it. A write that ended OK and
  that no read shows must come after everything that the longest read shows, in an order that nobody knows. Where two
  reads contradict each other, that is an anomaly, and the longest is believed.
- A **register** shows one value. The initial version comes first. A transaction that reads one value and then writes
  another is taken to order the two, and so are two writes of the same transaction (were it otherwise, that
  transaction would precede itself, which is an anomaly as well: G1c). On demand, each key is taken to be
  linearizable; then what one transaction left there comes before what a later one, in real time, found or put there.
  The order is partial: fewer edges are inferred, and fewer anomalies found, than for lists.

Versions are identified by the value whose write made them (for a list: by its last element). Both kinds of order are
handed on in one form, :class:`VersionOrder`: the successors of each version. An order that has a cycle is reported
and left out.

The real-time order of n transactions has up to n²/2 edges. Only those that do not follow from others are kept: going
through the history in time, the *frontier* is the set of completed transactions that no other completed one came
after. A transaction depends on the frontier at the time of its invocation, and displaces that frontier when it
completes. So at most n × (concurrency) edges stay.

Sources
-------
- A. Adya: *Weak Consistency: A Generalized Theory and Optimistic Implementations for Distributed Transactions*.
  PhD thesis, MIT, 1999, chapters 3 and 4.
- A. Adya, B. Liskov, P. O'Neil: *Generalized Isolation Level Definitions*. ICDE 2000.
- K. Kingsbury, P. Alvaro: *Elle: Inferring Isolation Anomalies from Experimental Observations*. PVLDB 14(3), 2020.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Any, TypeAlias

import networkx as nx

from distlib.checkers.transaction_history import INITIAL, Initial, Transaction, TransactionHistory
from distlib.node import Outcome

__all__ = [
    "Dependency",
    "DependencyGraph",
    "Kind",
    "Read",
    "Reason",
    "VersionOrder",
    "infer_dependencies",
    "reduce_real_time",
    "show_value",
]

Version: TypeAlias = Hashable | Initial
"""The value whose write made the version, or INITIAL."""


class Kind(Enum):
    """Why one transaction comes before another. Of several reasons, the one first named here counts."""

    WRITE_WRITE = "ww"
    """The target overwrote what the source wrote."""
    WRITE_READ = "wr"
    """The target read what the source wrote."""
    PROCESS = "process"
    """The source came earlier in the same process."""
    REAL_TIME = "realtime"
    """The source completed before the target was invoked."""
    READ_WRITE = "rw"
    """The target overwrote what the source read."""


@dataclass(frozen=True, slots=True)
class Reason:
    """How it is known that one version came before another.

    Parameters
    ----------
    rule
        "observed" and "unobserved": `witness` made the longest read of the list, which shows both versions, or only
        the first. "read then wrote" and "wrote twice": `witness` did so. "real time": `witness` was done with the key
        before `other` was invoked. "initial": the first is the initial version.
    witness, other
        The transactions that show it.
    shown
        What the witness read, where it made the longest read.
    """

    rule: str
    witness: Transaction | None = None
    other: Transaction | None = None
    shown: tuple[Hashable, ...] = ()


@dataclass(frozen=True, slots=True)
class Dependency:
    """One edge, with what it rests on.

    Parameters
    ----------
    source, target
        The transaction that comes before, and the one that comes after.
    kind
        Why.
    key
        The key where they met; None for PROCESS and REAL_TIME.
    version
        The version that `source` wrote (ww, wr) or read (rw).
    next_version
        The version that `target` put after it (ww, rw).
    shown
        What the reader read (wr, rw).
    reason
        How it is known that the one version followed the other (ww, rw).

    Examples
    --------
    >>> first = Transaction(1, operations=(("append", "x", 1),))
    >>> second = Transaction(2, operations=(("read", "x", [1]),))
    >>> Dependency(first, second, Kind.WRITE_READ, "x", 1, shown=(1,)).explain()
    'T1 appended 1 to x, and T2 read x = [1]'
    """

    source: Transaction
    target: Transaction
    kind: Kind
    key: Hashable = None
    version: Version = None
    next_version: Version = None
    shown: Any = None
    reason: Reason | None = None

    def explain(self) -> str:
        """Return the dependency as a clause."""
        source, target = self.source.name, self.target.name
        match self.kind:
            case Kind.PROCESS:
                return f"{source} came before {target} in process {self.source.process}"
            case Kind.REAL_TIME:
                return f"{source} had completed before {target} was invoked"
            case Kind.WRITE_READ:
                wrote = _describe_write(self.source, self.key, self.version)
                return f"{source} {wrote}, and {target} read {self.key} = {show_value(self.shown, self.version)}"
            case Kind.WRITE_WRITE:
                before = f"{source} {_describe_write(self.source, self.key, self.version)}"
            case Kind.READ_WRITE:
                before = f"{source} read {self.key} = {show_value(self.shown, self.version)}"
        after = _describe_write(self.target, self.key, self.next_version)
        return f"{before} before {target} {after}{self._explain_order()}"

    def _explain_order(self) -> str:
        """Say in brackets how the order of the two versions is known, where the clause has not said it."""
        if self.reason is None or self.reason.witness is None:
            return ""
        if self.kind is Kind.READ_WRITE and self.reason.witness is self.source:
            return ""  # What the source read has been said.
        name, key, shown = self.reason.witness.name, self.key, self.reason.shown
        match self.reason.rule:
            case "observed":
                return f" ({name} read {key} = {show_value(shown, self.version, self.next_version)})"
            case "unobserved":
                return f" (the longest read of {key}, by {name}, is {show_value(shown, self.version)})"
            case "read then wrote":
                return f" ({name} read {self.version}, then wrote {self.next_version})"
            case "wrote twice":
                return f" ({name} wrote {self.version}, then {self.next_version})"
            case "real time" if self.reason.other is not None:
                return f" ({name} had completed before {self.reason.other.name} was invoked)"
        return ""


def show_value(shown: Any, *focus: Hashable) -> str:
    """Return a value that was read in words: a list in brackets, a long one only around the elements in `focus`.

    Examples
    --------
    >>> show_value((1, 2)), show_value(None), show_value(tuple(range(100)), 50, 51)
    ('[1, 2]', 'None', '[…, 49, 50, 51, 52, …]')
    """
    if not isinstance(shown, tuple):
        return str(shown)
    places = [shown.index(element) for element in focus if element in shown]
    if len(shown) <= 8 or (places and max(places) - min(places) > 8):
        return f"[{', '.join(map(str, shown))}]"
    first, last = (max(min(places) - 1, 0), max(places) + 2) if places else (len(shown) - 3, len(shown))
    window = [str(element) for element in shown[first:last]]
    return "[" + ", ".join(["…"] * (first > 0) + window + ["…"] * (last < len(shown))) + "]"


def _describe_write(transaction: Transaction, key: Hashable, value: Hashable) -> str:
    appended = ("append", key, value) in transaction.operations
    return f"appended {value} to {key}" if appended else f"wrote {value} to {key}"


@dataclass(frozen=True, slots=True)
class Read:
    """One read of a committed version that the reader did not write itself.

    Parameters
    ----------
    reader
        Index of the transaction.
    key, version
        What it read.
    shown
        The value as it was read; a list as a tuple.
    """

    reader: int
    key: Hashable
    version: Version
    shown: Any


@dataclass(frozen=True, slots=True)
class VersionOrder:
    """What is known of the order of one key's committed versions.

    Parameters
    ----------
    key
        Whose versions.
    successors
        By version: those that came after it, with the reason; what follows from others is left out. None for a register
        with a cycle.
    cycle
        Versions that come before themselves, if there are any, as (version, next version, reason).
    """

    key: Hashable
    successors: Mapping[Version, Mapping[Version, Reason]]
    cycle: tuple[tuple[Version, Version, Reason], ...] = ()


Edges: TypeAlias = dict[tuple[int, int], Dependency]


@dataclass(frozen=True, slots=True)
class DependencyGraph:
    """The direct serialization graph, with session and real-time order.

    Parameters
    ----------
    history
        Vertices are the indices of its committed transactions.
    orders
        The version orders that it was inferred from, by key.
    edges
        By kind and (source, target).
    """

    history: TransactionHistory
    orders: Mapping[Hashable, VersionOrder]
    edges: Mapping[Kind, Edges]

    def scope(self, kinds: frozenset[Kind]) -> dict[int, dict[int, Kind]]:
        """Return the graph of these kinds as {source: {target: kind}}.

        Where a pair has several, the first in the order of :class:`Kind` stands for all. A cycle through any of the
        others also goes through this one, and is worse for it: it needs fewer anti-dependencies.
        """
        graph: dict[int, dict[int, Kind]] = {index: {} for index in sorted(self.history.committed)}
        for kind in Kind:
            if kind in kinds:
                for source, target in self.edges[kind]:
                    graph[source].setdefault(target, kind)
        return graph


def infer_dependencies(history: TransactionHistory, *, linearizable_keys: bool = False) -> DependencyGraph:
    """Return the dependencies that the reads of a history reveal.

    Parameters
    ----------
    history
        What the clients saw.
    linearizable_keys
        Whether to take each register for linearizable by itself, and to order its versions by real time too.

    Examples
    --------
    >>> history = TransactionHistory((Transaction(1, operations=(("append", "x", 1),)),
    ...                               Transaction(2, operations=(("append", "x", 2),)),
    ...                               Transaction(3, operations=(("read", "x", [1, 2]),))))
    >>> graph = infer_dependencies(history)
    >>> [edge.explain() for edge in graph.edges[Kind.WRITE_WRITE].values()]
    ['T1 appended 1 to x before T2 appended 2 to x (T3 read x = [1, 2])']
    """
    orders: dict[Hashable, VersionOrder] = {}
    touching = _group_by_key(history)
    longest = _find_longest_reads(history)
    for key, datatype in history.datatypes.items():
        if datatype == "list":
            orders[key] = _order_list(history, key, *longest.get(key, (None, (), frozenset())))
        else:
            orders[key] = _order_register(history, key, touching[key], linearizable_keys)
    edges: dict[Kind, Edges] = {kind: {} for kind in Kind}
    _add_write_dependencies(history, orders, edges[Kind.WRITE_WRITE])
    for read in _find_reads(history):
        _add_read_dependencies(history, orders, read, edges)
    for kind, pairs in ((Kind.PROCESS, _order_processes(history)), (Kind.REAL_TIME, _order_real_time(history))):
        for source, target in pairs:
            edges[kind][source, target] = Dependency(history.transactions[source], history.transactions[target], kind)
    return DependencyGraph(history, orders, edges)


# Version orders.


def _find_longest_reads(
    history: TransactionHistory,
) -> dict[Hashable, tuple[Transaction | None, tuple[Hashable, ...], frozenset[Hashable]]]:
    """Return for each list that was read: who first made its longest read, what that shows, and all elements read."""
    longest: dict[Hashable, tuple[Transaction, tuple[Hashable, ...]]] = {}
    observed: dict[Hashable, set[Hashable]] = defaultdict(set)
    for one in history.transactions:
        if one.outcome is not Outcome.OK:
            continue
        for _, key, value in one.reads():
            if history.datatypes.get(key) == "list":
                elements = history.elements(key, value)
                observed[key].update(elements)
                if key not in longest or len(elements) > len(longest[key][1]):
                    longest[key] = one, elements
    return {key: (one, shown, frozenset(observed[key])) for key, (one, shown) in longest.items()}


def _order_list(
    history: TransactionHistory,
    key: Hashable,
    reader: Transaction | None,
    shown: tuple[Hashable, ...],
    observed: frozenset[Hashable],
) -> VersionOrder:
    """Order a list's versions: those in its longest read as they stand there, those that nobody read after them."""
    writers = history.writers[key]
    # An element that occurs twice counts where it stands first; what was aborted is no version.
    chain: list[Version] = [INITIAL]
    chain += [element for element in dict.fromkeys(shown) if writers[element] in history.committed]
    unobserved = [value for value, writer in writers.items() if writer in history.committed and value not in observed]
    initial, seen = Reason("initial"), Reason("observed", reader, shown=shown)
    unseen = Reason("unobserved", reader, shown=shown) if reader is not None else initial
    successors: dict[Version, dict[Version, Reason]] = {}
    for before, after in pairwise(chain):
        successors[before] = {after: seen if before is not INITIAL else initial}
    if unobserved:
        successors[chain[-1]] = dict.fromkeys(unobserved, unseen)
    return VersionOrder(key, successors, _find_own_disorder(history, key, chain, seen))


def _find_own_disorder(
    history: TransactionHistory, key: Hashable, chain: Sequence[Version], seen: Reason
) -> tuple[tuple[Version, Version, Reason], ...]:
    """Return two appends of one transaction that a list shows the other way round, as a cycle; () if there are none."""
    latest: dict[int, Version] = {}
    ranks: dict[int, dict[Hashable, int]] = {}
    for version in chain[1:]:
        writer = history.writers[key][version]
        if writer in latest:
            transaction = history.transactions[writer]
            if writer not in ranks:
                ranks[writer] = {value: rank for rank, (on, value) in enumerate(transaction.writes()) if on == key}
            if ranks[writer][version] < ranks[writer][latest[writer]]:
                own = Reason("wrote twice", transaction)
                return (version, latest[writer], own), (latest[writer], version, seen)
        latest[writer] = version
    return ()


def _group_by_key(history: TransactionHistory) -> defaultdict[Hashable, list[int]]:
    """Return for each key the committed transactions that touch it."""
    touching: defaultdict[Hashable, list[int]] = defaultdict(list)
    for index in sorted(history.committed):
        for key in dict.fromkeys(key for _, key, _ in history.transactions[index].operations):
            touching[key].append(index)
    return touching


def _order_register(
    history: TransactionHistory, key: Hashable, touching: Sequence[int], linearizable: bool
) -> VersionOrder:
    """Order a register's versions, as far as transactions that read or wrote it twice, and real time, tell."""
    successors: dict[Version, dict[Version, Reason]] = defaultdict(dict)
    ends: dict[int, tuple[Version, Version]] = {}
    for index in touching:
        versions = _trace_register(history, index, key)
        if versions:
            ends[index] = versions[0][1], versions[-1][1]
        for (function, before), (next_function, after) in pairwise(versions):
            if next_function == "write" and before != after:
                rule = "wrote twice" if function == "write" else "read then wrote"
                successors[before].setdefault(after, Reason(rule, history.transactions[index]))
    if linearizable:
        indices = list(ends)
        for first, second in reduce_real_time([_span(history.transactions[index]) for index in indices]):
            before, after = ends[indices[first]][1], ends[indices[second]][0]
            if before != after:
                witnesses = history.transactions[indices[first]], history.transactions[indices[second]]
                successors[before].setdefault(after, Reason("real time", *witnesses))
    return _finish_register(history, key, successors)


def _finish_register(
    history: TransactionHistory, key: Hashable, successors: dict[Version, dict[Version, Reason]]
) -> VersionOrder:
    """Put the initial version before all others, unless the versions go round in a circle."""
    preceded = {after for followers in successors.values() for after in followers}
    for value, writer in history.writers[key].items():
        # Versions that another one precedes come after the initial one all the same.
        if writer in history.committed and (value not in preceded or INITIAL in preceded):
            successors[INITIAL].setdefault(value, Reason("initial"))
    order: nx.DiGraph[Version] = nx.DiGraph()
    order.add_edges_from((before, after) for before, followers in successors.items() for after in followers)
    if nx.is_directed_acyclic_graph(order):
        return VersionOrder(key, dict(successors))
    cycle = tuple((before, after, successors[before][after]) for before, after in nx.find_cycle(order))
    return VersionOrder(key, {}, cycle)


def _trace_register(history: TransactionHistory, index: int, key: Hashable) -> list[tuple[str, Version]]:
    """Return as (function, version), in order, the committed versions of a register that a transaction met."""
    one, writers = history.transactions[index], history.writers[key]
    trace: list[tuple[str, Version]] = []
    for function, touched, value in one.operations:
        if touched != key or (function == "read" and one.outcome is not Outcome.OK):
            continue
        elements = history.elements(key, value) if function == "read" else (value,)
        if not elements:
            trace.append((function, INITIAL))
        elif writers[elements[0]] in history.committed:
            trace.append((function, elements[0]))
    return trace


# Edges.


def _find_reads(history: TransactionHistory) -> Iterator[Read]:
    """Yield what each transaction that ended OK read of the others' committed versions."""
    for index, transaction in enumerate(history.transactions):
        if transaction.outcome is not Outcome.OK:
            continue
        for _, key, value in transaction.reads():
            if key not in history.datatypes:
                continue
            writers, elements = history.writers[key], history.elements(key, value)
            # An element that occurs twice counts where it stands first.
            distinct = elements if len(set(elements)) == len(elements) else tuple(dict.fromkeys(elements))
            version = next((one for one in reversed(distinct) if writers[one] in history.committed), INITIAL)
            if history.datatypes[key] == "register" and elements and version is INITIAL:
                continue  # It read an aborted value: that says nothing of the versions around it.
            if version is INITIAL or writers[version] != index:
                yield Read(index, key, version, elements if history.datatypes[key] == "list" else value)


def _add_write_dependencies(history: TransactionHistory, orders: Mapping[Hashable, VersionOrder], edges: Edges) -> None:
    """Add an edge for each version that another one overwrote."""
    for key, order in orders.items():
        writers = history.writers[key]
        for before, followers in order.successors.items():
            if before is INITIAL:
                continue
            for after, reason in followers.items():
                source, target = writers[before], writers[after]
                if source != target and (source, target) not in edges:
                    pair = history.transactions[source], history.transactions[target]
                    edges[source, target] = Dependency(*pair, Kind.WRITE_WRITE, key, before, after, None, reason)


def _add_read_dependencies(
    history: TransactionHistory, orders: Mapping[Hashable, VersionOrder], read: Read, edges: Mapping[Kind, Edges]
) -> None:
    """Add the edge from the writer of what was read, and those to the writers of what came next."""
    reader, writers = history.transactions[read.reader], history.writers[read.key]
    if read.version is not INITIAL:
        pair = writers[read.version], read.reader
        if pair not in edges[Kind.WRITE_READ]:
            edges[Kind.WRITE_READ][pair] = Dependency(
                history.transactions[pair[0]], reader, Kind.WRITE_READ, read.key, read.version, None, read.shown
            )
    for after, reason in orders[read.key].successors.get(read.version, {}).items():
        pair = read.reader, writers[after]
        if pair[0] != pair[1] and pair not in edges[Kind.READ_WRITE]:
            edges[Kind.READ_WRITE][pair] = Dependency(
                reader,
                history.transactions[pair[1]],
                Kind.READ_WRITE,
                read.key,
                read.version,
                after,
                read.shown,
                reason,
            )


def _order_processes(history: TransactionHistory) -> Iterator[tuple[int, int]]:
    """Yield each committed transaction after the last one before it in its process that is known to have ended."""
    latest: dict[Hashable, int] = {}
    for index in sorted(history.committed, key=lambda index: _span(history.transactions[index])):
        one = history.transactions[index]
        if one.process is None:
            continue
        if one.process in latest:
            yield latest[one.process], index
        if one.outcome is Outcome.OK:
            latest[one.process] = index


def _order_real_time(history: TransactionHistory) -> Iterator[tuple[int, int]]:
    indices = sorted(history.committed)
    for first, second in reduce_real_time([_span(history.transactions[index]) for index in indices]):
        yield indices[first], indices[second]


def _span(transaction: Transaction) -> tuple[float, float]:
    """Return when it began, and when at the latest it had taken effect."""
    return transaction.invoked, transaction.completed if transaction.outcome is Outcome.OK else float("inf")


def reduce_real_time(spans: Sequence[tuple[float, float]]) -> list[tuple[int, int]]:
    """Return the transitive reduction of "one ended before the other began" for spans of time.

    Parameters
    ----------
    spans
        Pairs (begin, end), with begin <= end; an end may be infinite. Two that touch are concurrent.

    Returns
    -------
    list
        Pairs of indices (earlier, later), from which all others follow.

    Examples
    --------
    >>> reduce_real_time([(0, 1), (2, 3), (2, 5), (4, 6)])
    [(0, 1), (0, 2), (1, 3)]
    """
    # At the same instant beginnings come first, so that spans which touch are concurrent.
    events = sorted(
        [(begin, 0, index) for index, (begin, _) in enumerate(spans)]
        + [(end, 1, index) for index, (_, end) in enumerate(spans)]
    )
    frontier: dict[int, None] = {}
    predecessors: dict[int, tuple[int, ...]] = {}
    for _, ended, index in events:
        if not ended:
            predecessors[index] = tuple(frontier)
            continue
        for before in predecessors[index]:
            frontier.pop(before, None)
        frontier[index] = None
    return [(before, index) for index in range(len(spans)) for before in predecessors[index]]
