"""Cycles of dependencies: found, named after Adya, and the shortest of each kind chosen.

Theory of operation
-------------------
A history is serializable if its dependencies have no cycle; how bad a cycle is depends on its edges (Adya 1999,
chapters 3 and 4):

===================  =======================================================================
G0                   ww only
G1c                  ww and wr, at least one wr
G-single-item        exactly one rw (Adya's G-single; "item" because no predicates are read)
G-nonadjacent-item   two or more rw, never two in a row (Cerone & Gotsman 2016: outside snapshot isolation)
G2-item              two or more rw, somewhere two in a row (allowed by snapshot isolation)
===================  =======================================================================

A cycle that also needs the order of a process has the suffix *-process*, and one that needs real time *-realtime*. So
there are three scopes, each with more edges than the one before. Cycles are looked for in the narrowest first; in a
wider one only those are reported that put the transactions involved outside a further isolation level.

Whether a cycle of a kind exists is decided without enumerating cycles:

1. Only strongly connected components have cycles, so everything below happens within one.
2. G0 and G1c: components of the graph without rw edges. Any wr edge inside one is on a cycle.
3. G-single: an rw edge from u to v counts if v reaches u without rw edges. Reachability is computed for all edges at
   once, as sets of bits that are united along the condensed graph.
4. G-nonadjacent: a walk on pairs (transaction, whether the last edge was rw) that never takes two rw edges in a row.
   A closed walk that passes a transaction twice falls apart into shorter ones, at least one of which has no two rw in
   a row either (at the crossing both pairs of edges cannot be rw and rw). So a component of this graph of pairs means
   that snapshot isolation is violated, whatever the cycle is called in the end.
5. G2: for rw edges u → v → w, a path from w to u that avoids v. A component in which none of the others was found has
   one.

To find the *shortest* cycle of a kind, a breadth-first search starts from each candidate edge, no deeper than the
best cycle so far. That is quadratic at worst. So it stops once `search_limit` edges were looked at, and takes the
best cycle found by then; the first search for each kind always runs to its end. What levels hold does not depend on
it. What can be missed is a G-nonadjacent-item in a component that has worse, as whether there is a cycle through two
given edges is NP-complete (Fortune, Hopcroft & Wyllie 1980), and a G2-item in one that has others.

Sources
-------
- S. Fortune, J. Hopcroft, J. Wyllie: *The Directed Subgraph Homeomorphism Problem*. TCS 10(2), 1980.
- A. Adya: *Weak Consistency*. PhD thesis, MIT, 1999, chapters 3 and 4.
- A. Cerone, A. Gotsman: *Analysing Snapshot Isolation*. PODC 2016.
- K. Kingsbury, P. Alvaro: *Elle*. PVLDB 14(3), 2020: cycle search within components, the names.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

import networkx as nx

from distlib.checkers.anomalies import CYCLES
from distlib.checkers.dependency_graph import Dependency, DependencyGraph, Kind
from distlib.checkers.isolation_levels import find_violated
from distlib.checkers.transaction_history import Transaction

__all__ = ["Cycle", "find_cycles", "name_cycle"]

Adjacency: TypeAlias = Mapping[int, Mapping[int, Kind]]
Edge: TypeAlias = tuple[int, int]

_DATA: Final = frozenset({Kind.WRITE_WRITE, Kind.WRITE_READ, Kind.READ_WRITE})
_SCOPES: Final = (
    ("", _DATA),
    ("-process", _DATA | {Kind.PROCESS}),
    ("-realtime", _DATA | {Kind.PROCESS, Kind.REAL_TIME}),
)
_WITHOUT_ANTI: Final = frozenset(Kind) - {Kind.READ_WRITE}
_WITHOUT_READS: Final = _WITHOUT_ANTI - {Kind.WRITE_READ}
_BLOCK_BIT_COUNT: Final = 4096


@dataclass(frozen=True, slots=True)
class Cycle:
    """Transactions each of which comes before the next, and the last before the first.

    Parameters
    ----------
    anomaly
        Its name, such as "G-single-item-realtime".
    steps
        The dependencies in order: each one's target is the source of the next.
    """

    anomaly: str
    steps: tuple[Dependency, ...]

    @property
    def transactions(self) -> tuple[Transaction, ...]:
        """The transactions in the order of the steps."""
        return tuple(step.source for step in self.steps)

    def explain(self) -> str:
        """Return the contradiction in words: one clause a step."""
        *clauses, last = (step.explain() for step in self.steps)
        return f"{'; '.join(clauses)}; but {last}: a contradiction."


def name_cycle(kinds: Sequence[Kind]) -> str:
    """Return the anomaly that a cycle of these kinds of edges is.

    Examples
    --------
    >>> name_cycle([Kind.WRITE_WRITE, Kind.READ_WRITE, Kind.REAL_TIME])
    'G-single-item-realtime'
    >>> name_cycle([Kind.READ_WRITE, Kind.READ_WRITE])
    'G2-item'
    """
    anti = [kind is Kind.READ_WRITE for kind in kinds]
    if sum(anti) == 0:
        name = "G1c" if Kind.WRITE_READ in kinds else "G0"
    elif sum(anti) == 1:
        name = "G-single-item"
    else:
        adjacent = any(first and second for first, second in pairwise([*anti, anti[0]]))
        name = "G2-item" if adjacent else "G-nonadjacent-item"
    if Kind.REAL_TIME in kinds:
        return name + "-realtime"
    return name + "-process" if Kind.PROCESS in kinds else name


def find_cycles(graph: DependencyGraph, *, search_limit: int) -> Iterator[Cycle]:
    """Yield for each component of each scope the shortest cycle of each kind that adds to what is known.

    Parameters
    ----------
    graph
        Who depends on whom.
    search_limit
        How many edges each search for the shortest cycle of one kind in one component may look at before it takes the
        best it has.
    """
    known_at: dict[int, frozenset[str]] = {}
    for suffix, kinds in _SCOPES:
        adjacency = graph.scope(kinds)
        for members in _find_components(adjacency):
            component = _restrict(adjacency, members)
            known = set().union(*(known_at.get(vertex, ()) for vertex in members))
            for anomaly in CYCLES:
                if suffix and find_violated([anomaly + suffix]) <= find_violated(known):
                    continue
                path = _SEARCHES[anomaly](component, _Budget(search_limit))
                if path is not None:
                    cycle = _build_cycle(graph, component, path)
                    known.add(cycle.anomaly)
                    yield cycle
            if not known:
                # Only a search for G2-item can give up without a find, so this is one.
                cycle = _build_cycle(graph, component, _find_any_cycle(component))
                known.add(cycle.anomaly)
                yield cycle
            known_at.update(dict.fromkeys(members, frozenset(known)))


def _build_cycle(graph: DependencyGraph, component: Adjacency, path: Sequence[int]) -> Cycle:
    """Make a cycle of a path whose ends are linked, so that what contradicts the rest most plainly comes last."""
    edges = list(pairwise([*path, path[0]]))
    kinds = [component[source][target] for source, target in edges]
    weight = {Kind.REAL_TIME: 3, Kind.PROCESS: 2, Kind.READ_WRITE: 1}
    last = max(range(len(edges)), key=lambda place: (weight.get(kinds[place], 0), -edges[place][1]))
    order = [*range(last + 1, len(edges)), *range(last + 1)]
    steps = tuple(graph.edges[kinds[place]][edges[place]] for place in order)
    return Cycle(name_cycle(kinds), steps)


# Graphs.


def _find_components(adjacency: Adjacency) -> list[list[int]]:
    """Return the strongly connected components that have a cycle, each sorted, in the order of their first vertices."""
    components = nx.strongly_connected_components(_to_networkx(adjacency))
    return sorted(sorted(members) for members in components if len(members) > 1)


def _to_networkx(adjacency: Adjacency) -> nx.DiGraph[int]:
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(adjacency)
    graph.add_edges_from((source, target) for source, targets in adjacency.items() for target in targets)
    return graph


def _restrict(adjacency: Adjacency, members: Iterable[int], kinds: frozenset[Kind] = frozenset(Kind)) -> Adjacency:
    """Return the edges of these kinds between these vertices."""
    inside = frozenset(members)
    return {
        source: {target: kind for target, kind in adjacency[source].items() if target in inside and kind in kinds}
        for source in sorted(inside)
    }


def _edges_of(adjacency: Adjacency, kind: Kind) -> list[Edge]:
    return [(source, target) for source, targets in adjacency.items() for target in targets if targets[target] is kind]


# Searches.


class _Budget:
    """How many more edges a search may look at."""

    def __init__(self, edge_count: int) -> None:
        self.edge_count = edge_count


def _find_path(
    adjacency: Adjacency, start: int, goal: int, *, longest: float, without: int | None = None, budget: _Budget
) -> list[int] | None:
    """Return the vertices of a shortest path of at most `longest` edges that avoids a vertex, or None."""
    if start == goal:
        return [start]
    parents = {start: start}
    frontier, length = [start], 0
    while frontier and length < longest:
        length += 1
        following: list[int] = []
        for vertex in frontier:
            budget.edge_count -= len(adjacency[vertex])
            for target in adjacency[vertex]:
                if target in parents or target == without:
                    continue
                parents[target] = vertex
                if target == goal:
                    return _trace_back(parents, goal)
                following.append(target)
        frontier = following
    return None


def _trace_back(parents: Mapping[int, int], goal: int) -> list[int]:
    path = [goal]
    while parents[path[-1]] != path[-1]:
        path.append(parents[path[-1]])
    return path[::-1]


def _find_shortest(adjacency: Adjacency, edges: Iterable[Edge], budget: _Budget) -> list[int] | None:
    """Return the shortest cycle that takes one of these edges and then goes by `adjacency`, or None."""
    best: list[int] | None = None
    for source, target in edges:
        if best is not None and (len(best) == 2 or budget.edge_count < 0):
            break
        longest = float("inf") if best is None else len(best) - 2
        best = _find_path(adjacency, target, source, longest=longest, budget=budget) or best
    return best


def _find_through(kind: Kind, kinds: frozenset[Kind], component: Adjacency, budget: _Budget) -> list[int] | None:
    """Return a shortest cycle of edges of `kinds` with at least one of `kind`, or None."""
    graph = _restrict(component, component, kinds)
    place = {vertex: number for number, members in enumerate(_find_components(graph)) for vertex in members}
    edges = [
        (source, target)
        for source, target in _edges_of(graph, kind)
        if source in place and place[source] == place.get(target)
    ]
    return _find_shortest(graph, edges, budget)


def _find_write_cycle(component: Adjacency, budget: _Budget) -> list[int] | None:
    return _find_through(Kind.WRITE_WRITE, _WITHOUT_READS, component, budget)


def _find_information_cycle(component: Adjacency, budget: _Budget) -> list[int] | None:
    return _find_through(Kind.WRITE_READ, _WITHOUT_ANTI, component, budget)


def _find_single(component: Adjacency, budget: _Budget) -> list[int] | None:
    """Return a shortest cycle with exactly one anti-dependency, or None."""
    graph = _restrict(component, component, _WITHOUT_ANTI)
    return _find_shortest(graph, _select_closing(graph, _edges_of(component, Kind.READ_WRITE)), budget)


def _select_closing(graph: Adjacency, edges: Sequence[Edge]) -> list[Edge]:
    """Return those edges from whose target `graph` leads back to their source."""
    condensed = nx.condensation(_to_networkx(graph))
    place: Mapping[int, int] = condensed.graph["mapping"]
    upwards = list(reversed(list(nx.topological_sort(condensed))))
    sources = sorted({place[source] for source, _ in edges})
    closing: set[Edge] = set()
    # So many sources at a time: a set of bits for each vertex then stays small, however large the component.
    for start in range(0, len(sources), _BLOCK_BIT_COUNT):
        bits = {source: 1 << number for number, source in enumerate(sources[start : start + _BLOCK_BIT_COUNT])}
        reached: dict[int, int] = {}
        for vertex in upwards:
            union = bits.get(vertex, 0)
            for target in condensed[vertex]:
                union |= reached[target]
            reached[vertex] = union
        closing |= {
            (source, target)
            for source, target in edges
            if place[source] in bits and reached[place[target]] & bits[place[source]]
        }
    return [edge for edge in edges if edge in closing]


def _find_nonadjacent(component: Adjacency, budget: _Budget) -> list[int] | None:
    """Return a short cycle with two or more anti-dependencies, no two of them in a row, or None."""
    # Vertices of the graph of pairs: twice the transaction's index, and one more if the last edge was rw.
    pairs: dict[int, dict[int, Kind]] = {}
    for source, targets in component.items():
        plain: dict[int, Kind] = {2 * target: kind for target, kind in targets.items() if kind is not Kind.READ_WRITE}
        anti = {2 * target + 1: kind for target, kind in targets.items() if kind is Kind.READ_WRITE}
        pairs[2 * source], pairs[2 * source + 1] = {**plain, **anti}, plain
    place = {vertex: number for number, members in enumerate(_find_components(pairs)) for vertex in members}
    best: list[int] | None = None
    for source, target in _edges_of(component, Kind.READ_WRITE):
        if place.get(2 * source, -1) != place.get(2 * target + 1, -2):
            continue
        if best is not None and (len(best) == 4 or budget.edge_count < 0):
            break
        walk = _find_walk(component, source, target, longest=len(best) - 1 if best else float("inf"), budget=budget)
        for path in _split_walk(walk):
            name = name_cycle([component[one][other] for one, other in pairwise([*path, path[0]])])
            if name.startswith("G-nonadjacent-item") and (best is None or len(path) < len(best)):
                best = path
    return best


def _find_walk(component: Adjacency, source: int, target: int, *, longest: float, budget: _Budget) -> list[int]:
    """Return a shortest closed walk that begins with rw, takes it again, but never twice in a row; [] if none."""
    # What counts of the way so far: where it is, whether it came by rw, and whether it has taken two of them.
    start, goal = (target, True, False), (source, False, True)
    parents = {start: start}
    queue = deque([(start, 1)])
    while queue:
        state, length = queue.popleft()
        if length >= longest:
            break
        vertex, by_anti, twice = state
        budget.edge_count -= len(component[vertex])
        for following, kind in component[vertex].items():
            anti = kind is Kind.READ_WRITE
            reached = (following, anti, twice or anti)
            if (anti and by_anti) or reached in parents:
                continue
            parents[reached] = state
            if reached == goal:
                walk = [reached]
                while parents[walk[-1]] != walk[-1]:
                    walk.append(parents[walk[-1]])
                return [place for place, _, _ in reversed(walk)]
            queue.append((reached, length + 1))
    return []


def _split_walk(walk: Sequence[int]) -> Iterator[list[int]]:
    """Yield the cycles without repeated vertices that a closed walk falls into."""
    stack: list[int] = []
    for vertex in walk:
        if vertex in stack:
            place = stack.index(vertex)
            yield stack[place:]
            del stack[place:]
        stack.append(vertex)
    if stack:
        yield stack


def _find_adjacent(component: Adjacency, budget: _Budget) -> list[int] | None:
    """Return a short cycle with two anti-dependencies in a row, or None."""
    anti = _restrict(component, component, frozenset({Kind.READ_WRITE}))
    for source, targets in anti.items():
        for target in targets:
            if source in anti[target]:
                return [source, target]
    best: list[int] | None = None
    for first, middle in _edges_of(anti, Kind.READ_WRITE):
        for last in anti[middle]:
            if budget.edge_count < 0 or (best is not None and len(best) == 3):
                return best
            longest = float("inf") if best is None else len(best) - 3
            path = _find_path(component, last, first, longest=longest, without=middle, budget=budget)
            if path is not None:
                best = [middle, *path]
    return best


def _find_any_cycle(component: Adjacency) -> list[int]:
    """Return a shortest cycle through the first vertex."""
    first = next(iter(component))
    edges = [(first, target) for target in component[first]]
    cycle = _find_shortest(component, edges, _Budget(0))
    assert cycle is not None, "each vertex of a strongly connected component is on a cycle"
    return cycle


_SEARCHES: Final = {
    "G0": _find_write_cycle,
    "G1c": _find_information_cycle,
    "G-single-item": _find_single,
    "G-nonadjacent-item": _find_nonadjacent,
    "G2-item": _find_adjacent,
}
