r"""Quorum systems as algebra: what they survive, how busy they keep their nodes, how long they take.

Theory of operation
-------------------
A quorum is a set of nodes whose answers suffice. Write ``a * b`` where both must answer and ``a + b`` where one of them
suffices, and any family of quorums is an expression; :func:`choose` says "k of these" and covers both. In a *read-write
quorum system* each read quorum meets each write quorum. Given the reads, the best writes are the *dual* expression:
exchange "one of" and "all of", or in general "k of n" and "n - k + 1 of n".

*One function, three uses.* An expression is a monotone Boolean function: given who is up, it says whether a quorum is.
If node i is up with probability p_i, independently of the others, the probability that a quorum is up is a polynomial
A(p_1, …, p_n). It is computed from a *decision diagram*, in which every path from the root asks each node at most once,
so that a node may occur in the expression as often as it likes. The diagram adds up positive products only, and so
small unavailabilities keep their digits. The same polynomial is the law of the *latency*: by time t node i has answered
with probability F_i(t), so a quorum has with probability A(F_1(t), …, F_n(t)). And failures that nodes share are nodes
of their own: a node in a zone is ``node * zone``.

*Load.* A strategy draws a quorum for each operation. The load of a node is the share of operations that it takes part
in, over its capacity; that of the system is that of its busiest node, under the best strategy. This is a linear
programme: minimise L over the probabilities x_Q of read and write quorums, such that each family sums to one and

.. math:: f \sum_{R \ni i} x_R / c^r_i + (1 - f) \sum_{W \ni i} x_W / c^w_i \le L \quad\text{for each node } i,

with f the share of reads. 1/L is the capacity, in operations per second if that is what c is in. Its dual is an
adversary who spreads weights over the nodes so that no quorum is light; the two values are equal.

Sources: M. Naor and A. Wool, "The load, capacity, and availability of quorum systems", *SIAM Journal on Computing*
27(2), 1998, for load, capacity and the bounds; M. Whittaker, A. Charapko, J. M. Hellerstein, H. Howard and I. Stoica,
"Read-write quorum systems made practical", *PaPoC* 2021, for expressions, their duals, strategies under limits and the
search; D. K. Gifford, "Weighted voting for replicated data", *SOSP* 1979; D. Agrawal and A. El Abbadi, "The tree quorum
protocol", *VLDB* 1990; R. E. Bryant, "Graph-based algorithms for Boolean function manipulation", *IEEE Transactions on
Computers* C-35(8), 1986, for the diagram.

Examples
--------
A grid of two rows: a read takes a row, a write one node of each.

>>> a, b, c, d, e, f = nodes("abcdef", up_probability=0.9)
>>> system = QuorumSystem(reads=a * b * c + d * e * f)
>>> print(system.writes)
(a + b + c) * (d + e + f)
>>> system.resilience, round(system.load(read_fraction=0.25), 9)
(1, 0.375)
>>> f"{unavailability(system.reads):.6f}, {unavailability(system.writes):.6f}"
'0.073441, 0.001999'
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from itertools import combinations, product
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from distlib.models.availability import correlated
from distlib.models.latency import Constant, Law, require_law
from distlib.models.order_statistics import mean_of_survival

__all__ = [
    "Assessment",
    "Choose",
    "Expression",
    "Node",
    "QuorumSystem",
    "Strategy",
    "assess",
    "choose",
    "correlated_unavailability",
    "dual",
    "expressions",
    "failure_probability_bound",
    "frontier",
    "grid",
    "is_quorum",
    "load_bound",
    "majority",
    "minimal_quorums",
    "nodes",
    "nodes_of",
    "resilience",
    "response_seconds_mean",
    "response_sf",
    "search",
    "smallest_quorum",
    "tree",
    "unavailability",
    "up_counts",
    "votes",
    "wheel",
    "with_zones",
]

Floats = NDArray[np.float64]
Quorum: TypeAlias = frozenset[str]
Objective = Literal["load", "network", "latency", "unavailability"]
ReadFraction: TypeAlias = float | Mapping[float, float]
"""The share of reads, or shares of reads with their weights, for a workload that changes."""

MOST_NODES = 16
"""So many for what tries all sets of nodes; the availability and the resilience take many more."""

# --------------------------------------------------------------------------------------------------------- expressions


class Expression:
    """A family of quorums. Made of nodes with ``+``, ``*`` and :func:`choose`."""

    def __add__(self, other: Expression) -> Expression:
        return choose(1, (*_joined(self, lambda part: part.needed == 1), *_joined(other, lambda p: p.needed == 1)))

    def __mul__(self, other: Expression) -> Expression:
        parts = [one for side in (self, other) for one in _joined(side, lambda part: part.needed == len(part.parts))]
        return choose(len(parts), parts)


def _joined(part: Expression, same: Callable[[Choose], bool]) -> tuple[Expression, ...]:
    return part.parts if isinstance(part, Choose) and same(part) else (part,)


@dataclass(frozen=True)
class Node(Expression):
    """A node: the smallest expression.

    Parameters
    ----------
    name
        Unique within a system.
    read_capacity, write_capacity
        Operations that it can serve in a second, above 0.
    latency
        Law of the time until it answers, in seconds.
    up_probability
        In [0, 1].
    """

    name: str
    read_capacity: float = 1.0
    write_capacity: float = 1.0
    latency: Law = field(default=Constant(1.0))
    up_probability: float = 1.0

    def __post_init__(self) -> None:
        for name, value in (("read_capacity", self.read_capacity), ("write_capacity", self.write_capacity)):
            if not 0 < value < math.inf:
                raise ValueError(f"`{name}` must be finite and above 0, got {value!r}")
        if not 0 <= self.up_probability <= 1:
            raise ValueError(f"`up_probability` must be in [0, 1], got {self.up_probability!r}")
        require_law("latency", self.latency)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Choose(Expression):
    """Any `needed` of the `parts`; one that is there twice has two votes. Made by :func:`choose`."""

    needed: int
    parts: tuple[Expression, ...]

    def __str__(self) -> str:
        if self.needed == 1:
            return " + ".join(map(str, self.parts))
        if self.needed == len(self.parts):
            return " * ".join(
                f"({one})" if isinstance(one, Choose) and one.needed == 1 else str(one) for one in self.parts
            )
        return f"choose({self.needed}, [{', '.join(map(str, self.parts))}])"


def nodes(names: Iterable[str], **attributes: Any) -> tuple[Node, ...]:
    """Return a node for each name, all with the same attributes.

    Examples
    --------
    >>> a, b = nodes("ab", up_probability=0.9)
    >>> a.name, b.up_probability
    ('a', 0.9)
    """
    return tuple(Node(name, **attributes) for name in names)


def choose(needed: int, parts: Iterable[Expression]) -> Expression:
    """Return "any `needed` of these".

    Parameters
    ----------
    needed
        In [1, number of parts].
    parts
        Expressions; one that is there twice has two votes.

    Examples
    --------
    >>> a, b, c = nodes("abc")
    >>> print(choose(2, [a, b, c]), "|", choose(1, [a, b]), "|", choose(2, [a, b]))
    choose(2, [a, b, c]) | a + b | a * b
    """
    inside = tuple(parts)
    if not all(isinstance(one, Expression) for one in inside):
        raise TypeError(f"`parts` must be expressions, got {inside!r}")
    if isinstance(needed, bool) or not isinstance(needed, int) or not 1 <= needed <= len(inside):
        raise ValueError(f"`needed` must be a whole number in [1, {len(inside)}], got {needed!r}")
    return inside[0] if len(inside) == 1 else Choose(needed, inside)


def majority(parts: Sequence[Expression]) -> Expression:
    """Return "more than half of these".

    Examples
    --------
    >>> print(majority(nodes("abcd")))
    choose(3, [a, b, c, d])
    """
    return choose(len(parts) // 2 + 1, parts)


def votes(ballots: Mapping[Node, int], needed: int) -> Expression:
    """Return "nodes that have so many votes between them" (Gifford).

    Examples
    --------
    >>> a, b, c = nodes("abc")
    >>> sorted(sorted(quorum) for quorum in minimal_quorums(votes({a: 2, b: 1, c: 1}, 2)))
    [['a'], ['b', 'c']]
    """
    return choose(needed, [node for node, count in ballots.items() for _ in range(count)])


def grid(rows: Sequence[Sequence[Expression]]) -> QuorumSystem:
    """Return the system in which a read takes a whole row, and a write one of each row.

    Examples
    --------
    >>> a, b, c, d = nodes("abcd")
    >>> print(grid([[a, b], [c, d]]).reads)
    a * b + c * d
    """
    return QuorumSystem(reads=choose(1, [choose(len(row), row) for row in rows]))


def tree(root: Expression, *children: Expression) -> Expression:
    """Return a majority of a node and its two subtrees: the tree quorums of Agrawal and El Abbadi.

    A quorum is the root with a quorum of either subtree; without the root, it is quorums of both.

    Examples
    --------
    >>> a, b, c = nodes("abc")
    >>> print(tree(a, b, c))
    choose(2, [a, b, c])
    """
    if len(children) != 2:
        raise ValueError(f"`children` must be two, got {len(children)}")
    return choose(2, (root, *children))


def wheel(hub: Expression, rim: Sequence[Expression]) -> Expression:
    """Return "the hub and one of the rim, or all of the rim".

    Examples
    --------
    >>> hub, a, b = nodes(["hub", "a", "b"])
    >>> print(wheel(hub, [a, b]))
    hub * (a + b) + a * b
    """
    return choose(1, [hub * choose(1, rim), choose(len(rim), rim)])


def nodes_of(expression: Expression) -> tuple[Node, ...]:
    """Return the nodes of an expression, each once, in the order of their first mention.

    Raises
    ------
    ValueError
        If two different nodes have the same name.
    """
    found: dict[str, Node] = {}

    def visit(part: Expression) -> None:
        if isinstance(part, Node):
            if found.setdefault(part.name, part) != part:
                raise ValueError(f"two different nodes have the name {part.name!r}")
        else:
            assert isinstance(part, Choose), part
            for one in part.parts:
                visit(one)

    visit(expression)
    return tuple(found.values())


def dual(expression: Expression) -> Expression:
    """Return the family of all sets that meet every quorum: "k of n" becomes "n - k + 1 of n".

    Examples
    --------
    >>> a, b, c, d = nodes("abcd")
    >>> print(dual(a * b + c * d))
    (a + b) * (c + d)
    """
    if not isinstance(expression, Choose):
        return expression
    return Choose(len(expression.parts) - expression.needed + 1, tuple(map(dual, expression.parts)))


def with_zones(expression: Expression, zones: Iterable[tuple[Node, Collection[Node]]]) -> Expression:
    """Return the expression in which a node answers only while its zone is up: what zones share becomes a node.

    Parameters
    ----------
    expression
        Of nodes.
    zones
        Pairs of a node that stands for what is shared (a power line, a rack, a release), and the nodes that share it.

    Examples
    --------
    >>> a, b, c = nodes("abc")
    >>> (rack,) = nodes(["rack"])
    >>> print(with_zones(choose(2, [a, b, c]), [(rack, [a, b])]))
    choose(2, [a * rack, b * rack, c])
    """
    changed = expression
    for zone, members in zones:
        changed = _replaced(changed, {node: node * zone for node in members})
    return changed


def _replaced(expression: Expression, by: Mapping[Node, Expression]) -> Expression:
    if isinstance(expression, Choose):
        return Choose(expression.needed, tuple(_replaced(one, by) for one in expression.parts))
    assert isinstance(expression, Node), expression
    return by.get(expression, expression)


# ----------------------------------------------------------------------------------------------------- the diagram

_Residual: TypeAlias = bool | int | tuple[int, tuple[Any, ...]]


@dataclass(frozen=True)
class _Diagram:
    """A reduced ordered decision diagram: rows (level, low, high) below those that refer to them.

    References 0 and 1 are "no quorum" and "a quorum"; r + 2 is row r.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[int, int, int], ...]
    root: int

    def fold(self, no: Any, yes: Any, join: Callable[[int, Any, Any], Any]) -> Any:
        """Return the value of the root, where a row's is `join` of its level and the values of low and high."""
        values = [no, yes]
        for level, low, high in self.rows:
            values.append(join(level, values[low], values[high]))
        return values[self.root]


@lru_cache(maxsize=4096)
def _diagram(expression: Expression) -> _Diagram:
    """Ask the nodes one after another; what is left of the expression after some answers is a state, met once."""
    names = tuple(node.name for node in nodes_of(expression))
    level_of = {name: level for level, name in enumerate(names)}
    rows: list[tuple[int, int, int]] = []
    known: dict[tuple[int, int, int], int] = {}

    def lower(part: Expression) -> _Residual:
        if isinstance(part, Choose):
            return _reduced(part.needed, [lower(one) for one in part.parts])
        assert isinstance(part, Node), part
        return level_of[part.name]

    @cache
    def build(left: _Residual) -> int:
        if isinstance(left, bool):
            return int(left)
        level = _first(left)
        row = level, build(_given(left, level, False)), build(_given(left, level, True))
        if row[1] == row[2]:
            return row[1]
        if row not in known:
            rows.append(row)
            known[row] = len(rows) + 1
        return known[row]

    root = build(lower(expression))
    return _Diagram(names, tuple(rows), root)


def _reduced(needed: int, parts: Iterable[_Residual]) -> _Residual:
    inside = list(parts)
    # `True` is an int as well, and so is a level: look at the type.
    needed -= sum(one is True for one in inside)
    open_parts = [one for one in inside if not isinstance(one, bool)]
    if needed <= 0:
        return True
    if needed > len(open_parts):
        return False
    if len(open_parts) == 1:
        return open_parts[0]
    return needed, tuple(sorted(open_parts, key=repr))


def _first(left: _Residual) -> int:
    if isinstance(left, tuple):
        return min(map(_first, left[1]))
    return int(left)


@lru_cache(maxsize=65536)
def _given(left: _Residual, level: int, up: bool) -> _Residual:
    if isinstance(left, tuple):
        return _reduced(left[0], [_given(one, level, up) for one in left[1]])
    return up if not isinstance(left, bool) and left == level else left


def is_quorum(expression: Expression, names: Collection[str]) -> bool:
    """Return whether these nodes contain a quorum.

    Examples
    --------
    >>> a, b, c = nodes("abc")
    >>> is_quorum(a * b + c, {"a", "b"}), is_quorum(a * b + c, {"a"})
    (True, False)
    """
    if isinstance(expression, Choose):
        return sum(is_quorum(one, names) for one in expression.parts) >= expression.needed
    assert isinstance(expression, Node), expression
    return expression.name in names


def minimal_quorums(expression: Expression) -> tuple[Quorum, ...]:
    """Return the quorums that contain no other, small ones first.

    Examples
    --------
    >>> a, b, c = nodes("abc")
    >>> [sorted(quorum) for quorum in minimal_quorums(a * b + a * b * c + c)]
    [['c'], ['a', 'b']]
    """
    diagram = _diagram(expression)

    def join(level: int, low: frozenset[Quorum], high: frozenset[Quorum]) -> frozenset[Quorum]:
        added = (quorum | {diagram.names[level]} for quorum in high if not any(other <= quorum for other in low))
        return low | frozenset(added)

    found: frozenset[Quorum] = diagram.fold(frozenset(), frozenset({frozenset()}), join)
    return tuple(sorted(found, key=lambda quorum: (len(quorum), sorted(quorum))))


def smallest_quorum(expression: Expression) -> int:
    """Return how many nodes the smallest quorum has.

    Examples
    --------
    >>> a, b, c = nodes("abc")
    >>> smallest_quorum(choose(2, [a, b, c]))
    2
    """
    return int(_diagram(expression).fold(math.inf, 0, lambda _, low, high: min(low, 1 + high)))


def resilience(expression: Expression) -> int:
    """Return the largest f such that a quorum is left whichever f nodes fail.

    Examples
    --------
    >>> a, b, c, d = nodes("abcd")
    >>> resilience(majority([a, b, c])), resilience(a * b + c * d), resilience(a * b)
    (1, 1, 0)
    """
    return int(_diagram(expression).fold(0, math.inf, lambda _, low, high: min(1 + low, high))) - 1


def up_counts(expression: Expression) -> tuple[int, ...]:
    """Return how many of the sets of k nodes contain a quorum, for k = 0 … n.

    Examples
    --------
    >>> up_counts(majority(nodes("abc")))
    (0, 0, 3, 1)
    """
    diagram = _diagram(expression)
    count = len(diagram.names)

    def lifted(value: tuple[int, tuple[int, ...]], level: int) -> list[int]:
        """Return the counts of a row, seen from a level above: nodes between are free."""
        ways = list(value[1])
        for _ in range(value[0] - level):
            ways = [one + other for one, other in zip([*ways, 0], [0, *ways], strict=True)]
        return ways

    def join(level: int, low: Any, high: Any) -> tuple[int, tuple[int, ...]]:
        without, including = lifted(low, level + 1), lifted(high, level + 1)
        return level, tuple(one + other for one, other in zip([*without, 0], [0, *including], strict=True))

    root = diagram.fold((count, (0,)), (count, (1,)), join)
    return tuple(lifted(root, 0))


# ------------------------------------------------------------------------------------------------------- availability


def unavailability(expression: Expression, up_probability: ArrayLike | Mapping[str, ArrayLike] | None = None) -> Any:
    """Return the probability that no quorum is up, where nodes fail independently of each other.

    Parameters
    ----------
    expression
        Of nodes; what several of them share can be a node, too: see :func:`with_zones`.
    up_probability
        None: that of each node. A number or an array: the same for all. A mapping: by name, for all or for some.

    Returns
    -------
    float or ndarray
        Exact, and of the shape of the probabilities. Only positive numbers are added, so a small one has its digits.

    Examples
    --------
    >>> grid_of_nine = grid([nodes("abc"), nodes("def"), nodes("ghi")])
    >>> [f"{unavailability(one, 0.9):.6f}" for one in (grid_of_nine.writes, majority(nodes("abcdefghi")))]
    ['0.002997', '0.000891']
    """
    ups: dict[str, Floats] = {}
    given = up_probability if isinstance(up_probability, Mapping) else {}
    for node in nodes_of(expression):
        default = node.up_probability if up_probability is None or given else up_probability
        chance = np.asarray(given.get(node.name, default), float)
        if not np.all((chance >= 0) & (chance <= 1)):
            raise ValueError(f"`up_probability` must be in [0, 1], got {chance!r} for node {node.name!r}")
        ups[node.name] = chance
    return _like(_no_quorum(expression, ups, {name: 1 - up for name, up in ups.items()}))


def _no_quorum(expression: Expression, ups: Mapping[str, Floats], downs: Mapping[str, Floats]) -> Floats:
    diagram = _diagram(expression)
    names = diagram.names
    result = diagram.fold(1.0, 0.0, lambda level, low, high: downs[names[level]] * low + ups[names[level]] * high)
    return np.asarray(result)


def _like(values: Floats) -> Any:
    return float(values) if values.ndim == 0 else values


def correlated_unavailability(expression: Expression, up_probability: float, correlation: float) -> float:
    """Return the probability that no quorum is up, where any two nodes are alike correlated (beta-binomial).

    Given that k nodes are up, all sets of k are as likely, and :func:`up_counts` says how many of them do.

    Parameters
    ----------
    expression
        Of nodes that are alike.
    up_probability, correlation
        See :func:`distlib.models.availability.correlated`.

    Examples
    --------
    >>> f"{1 - correlated_unavailability(majority(nodes('abcde')), 0.9, 0.1):.7f}"
    '0.9706467'
    """
    counts = up_counts(expression)
    count = len(counts) - 1
    law = correlated(count, up_probability, correlation)
    lost = [1 - ways / math.comb(count, k) for k, ways in enumerate(counts)]
    return math.fsum(share * chance for share, chance in zip(lost, law.tolist(), strict=True))


def load_bound(expression: Expression) -> float:
    """Return max(1/c, c/n), below which no strategy gets: c is the size of the smallest quorum (Naor and Wool).

    It is for a family whose quorums meet each other, and nodes of capacity one.

    Examples
    --------
    >>> load_bound(majority(nodes("abc")))
    0.6666666666666666
    """
    size = smallest_quorum(expression)
    return max(1 / size, size / len(nodes_of(expression)))


def failure_probability_bound(down_probability: float, node_count: int, load: float) -> float:
    """Return p^(n L), below which no system of that load gets its failure probability (Naor and Wool).

    Parameters
    ----------
    down_probability
        p, of each node, in [0, 1].
    node_count, load
        n and L.

    Examples
    --------
    >>> failure_probability_bound(0.1, 9, 5 / 9) < unavailability(majority(nodes("abcdefghi")), 0.9)
    True
    """
    if not 0 <= down_probability <= 1:
        raise ValueError(f"`down_probability` must be in [0, 1], got {down_probability!r}")
    return float(down_probability ** (node_count * load))


# ------------------------------------------------------------------------------------------------------------ latency


def response_sf(expression: Expression, seconds: ArrayLike, asked: Collection[str] | None = None) -> Floats:
    """Return the probability that no quorum has answered by then: the unavailability at F_i(t).

    Parameters
    ----------
    expression
        Of nodes with their laws of latency, which are independent.
    seconds
        t, of any shape.
    asked
        The nodes that are asked; None: all.

    Examples
    --------
    >>> from distlib.models.latency import Exponential
    >>> a, b = nodes("ab", latency=Exponential(1.0))
    >>> response_sf(a + b, [1.0]).round(6).tolist()  # exp(-2)
    [0.135335]
    """
    time = np.asarray(seconds, float)
    ups, downs = {}, {}
    for node in nodes_of(expression):
        silent = asked is not None and node.name not in asked
        ups[node.name] = np.zeros_like(time) if silent else np.asarray(node.latency.cdf(time), float)
        downs[node.name] = np.ones_like(time) if silent else np.asarray(node.latency.sf(time), float)
    return np.broadcast_to(_no_quorum(expression, ups, downs), time.shape)


@lru_cache(maxsize=16384)
def response_seconds_mean(expression: Expression, asked: Quorum | None = None) -> float:
    """Return the mean time until a quorum has answered, by quadrature.

    Parameters
    ----------
    expression
        Of nodes with their laws of latency.
    asked
        The nodes that are asked; None: all. Infinite if they contain no quorum.

    Examples
    --------
    >>> from distlib.models.latency import Exponential
    >>> round(response_seconds_mean(majority(nodes("abcde", latency=Exponential(0.010)))) * 1000, 6)  # 10 (H5 - H2)
    7.833333
    """
    everyone = nodes_of(expression)
    if asked is not None and not is_quorum(expression, asked):
        return math.inf
    laws = [node.latency for node in everyone if asked is None or node.name in asked]
    return mean_of_survival(lambda time: response_sf(expression, time, asked), laws)


# ------------------------------------------------------------------------------------------------------------- systems


@dataclass(frozen=True, init=False)
class QuorumSystem:
    """Read quorums and write quorums, each of which meets each of the others.

    Parameters
    ----------
    reads, writes
        Give one, and the other is its dual: as many quorums as can be. Or give both.

    Raises
    ------
    ValueError
        If neither is given, or a read quorum and a write quorum have no node in common.

    Examples
    --------
    >>> a, b, c = nodes("abc")
    >>> QuorumSystem(reads=a + b, writes=c)
    Traceback (most recent call last):
        ...
    ValueError: each read quorum must meet each write quorum, got the write quorum ['c'] and reads a + b
    """

    reads: Expression
    writes: Expression

    def __init__(self, reads: Expression | None = None, writes: Expression | None = None) -> None:
        if reads is None and writes is None:
            raise ValueError("`reads` or `writes` must be given, got neither")
        object.__setattr__(self, "reads", reads if reads is not None else dual(writes))  # type: ignore[arg-type]
        object.__setattr__(self, "writes", writes if writes is not None else dual(reads))  # type: ignore[arg-type]
        everyone = {node.name for node in self.nodes}
        if reads is not None and writes is not None:
            for quorum in minimal_quorums(writes):
                if is_quorum(reads, everyone - quorum):
                    raise ValueError(
                        "each read quorum must meet each write quorum, "
                        f"got the write quorum {sorted(quorum)} and reads {reads}"
                    )

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, each once."""
        return nodes_of(Choose(1, (self.reads, self.writes)))

    @property
    def resilience(self) -> int:
        """How many nodes may fail, whichever they are, so that one can still read and write."""
        return min(resilience(self.reads), resilience(self.writes))

    def strategy(
        self,
        read_fraction: ReadFraction,
        *,
        optimize: Literal["load", "network", "latency"] = "load",
        load_limit: float | None = None,
        network_limit: float | None = None,
        latency_limit_seconds: float | None = None,
        failures: int = 0,
    ) -> Strategy:
        """Return the best way to draw quorums.

        Parameters
        ----------
        read_fraction
            f in [0, 1], or several with their weights.
        optimize
            What is to be small: the load, the number of nodes that an operation asks, or its mean latency.
        load_limit, network_limit, latency_limit_seconds
            What must not be exceeded besides; None: no limit.
        failures
            Ask so many more that a quorum is left whichever `failures` of those asked fail.

        Raises
        ------
        ValueError
            If no strategy keeps the limits, or no quorum is so resilient.

        Examples
        --------
        >>> a, b, c, d, e, f = nodes("abcdef")
        >>> print(QuorumSystem(reads=a * b * c + d * e * f).strategy(read_fraction=1.0))
        reads: abc 0.500, def 0.500; writes: ad 1.000
        """
        limits = _Limits(load_limit, network_limit, latency_limit_seconds)
        return _best(self, _shares(read_fraction), optimize, limits, failures)

    def uniform_strategy(self, failures: int = 0) -> Strategy:
        """Return the strategy that draws each of the smallest quorums as often: what one does without a programme.

        Examples
        --------
        >>> hub, *rim = nodes("habcd")
        >>> round(QuorumSystem(wheel(hub, rim)).uniform_strategy().load(1.0), 6)  # the hub is in four of five quorums
        0.8
        """
        reads, writes = _resilient(self.reads, failures), _resilient(self.writes, failures)
        return Strategy(
            self,
            tuple((quorum, 1 / len(reads)) for quorum in reads),
            tuple((quorum, 1 / len(writes)) for quorum in writes),
        )

    def load(self, read_fraction: ReadFraction, failures: int = 0) -> float:
        """Return the load under the best strategy."""
        return self.strategy(read_fraction, failures=failures).load(read_fraction)

    def capacity(self, read_fraction: ReadFraction, failures: int = 0) -> float:
        """Return one over the load: operations per second, if the nodes' capacities are."""
        return 1 / self.load(read_fraction, failures)


def _shares(read_fraction: ReadFraction) -> tuple[tuple[float, float], ...]:
    """Return pairs of a share of reads and its weight; weights sum to one."""
    pairs = dict(read_fraction) if isinstance(read_fraction, Mapping) else {float(read_fraction): 1.0}
    total = sum(pairs.values())
    if not all(0 <= share <= 1 for share in pairs) or min(pairs.values(), default=0) < 0 or not total > 0:
        raise ValueError(f"`read_fraction` must be in [0, 1], or such shares with weights, got {read_fraction!r}")
    return tuple((share, weight / total) for share, weight in sorted(pairs.items()) if weight > 0)


@dataclass(frozen=True)
class Strategy:
    """Which quorums to ask, and how often each.

    Parameters
    ----------
    system
        What it is for.
    reads, writes
        Pairs of a quorum and its probability.
    """

    system: QuorumSystem
    reads: tuple[tuple[Quorum, float], ...]
    writes: tuple[tuple[Quorum, float], ...]

    def __post_init__(self) -> None:
        for name, family in (("reads", self.reads), ("writes", self.writes)):
            expression = getattr(self.system, name)
            if any(not is_quorum(expression, quorum) or chance < 0 for quorum, chance in family):
                raise ValueError(f"`{name}` must be quorums of the system with probabilities, got {family}")
            if not math.isclose(sum(chance for _, chance in family), 1.0, abs_tol=1e-9):
                raise ValueError(f"the probabilities of `{name}` must sum to 1, got {family}")

    def __str__(self) -> str:
        def words(family: tuple[tuple[Quorum, float], ...]) -> str:
            return ", ".join(f"{''.join(sorted(quorum))} {chance:.3f}" for quorum, chance in family)

        return f"reads: {words(self.reads)}; writes: {words(self.writes)}"

    def visits(self, read_fraction: ReadFraction) -> dict[str, float]:
        """Return for each node the share of operations that ask it."""
        share = _mean_share(read_fraction)
        return {
            node.name: share * _visits(self.reads, node) + (1 - share) * _visits(self.writes, node)
            for node in self.system.nodes
        }

    def node_load(self, read_fraction: ReadFraction) -> dict[str, float]:
        """Return for each node its load, averaged over the shares of reads."""
        share = _mean_share(read_fraction)
        return {node.name: self._load_of(node, share) for node in self.system.nodes}

    def load(self, read_fraction: ReadFraction) -> float:
        """Return the load of the busiest node, averaged over the shares of reads."""
        return sum(
            weight * max(self._load_of(node, share) for node in self.system.nodes)
            for share, weight in _shares(read_fraction)
        )

    def capacity(self, read_fraction: ReadFraction) -> float:
        """Return one over the load."""
        return 1 / self.load(read_fraction)

    def throughputs(self, read_fraction: ReadFraction) -> dict[str, float]:
        """Return for each node the operations in a second that it takes part in, when the system is at its capacity."""
        capacity = self.capacity(read_fraction)
        return {name: capacity * share for name, share in self.visits(read_fraction).items()}

    def network(self, read_fraction: ReadFraction) -> float:
        """Return how many nodes an operation asks, in the mean."""
        return sum(self.visits(read_fraction).values())

    def latency_seconds(self, read_fraction: ReadFraction) -> float:
        """Return the mean time until a quorum of those asked has answered."""
        share = _mean_share(read_fraction)
        reads = sum(chance * response_seconds_mean(self.system.reads, quorum) for quorum, chance in self.reads)
        writes = sum(chance * response_seconds_mean(self.system.writes, quorum) for quorum, chance in self.writes)
        return share * reads + (1 - share) * writes

    def draw(self, kind: Literal["reads", "writes"], generator: np.random.Generator) -> Quorum:
        """Return a quorum, drawn with its probability."""
        family = self.reads if kind == "reads" else self.writes
        chances = np.array([chance for _, chance in family])
        return family[int(generator.choice(len(family), p=chances / chances.sum()))][0]

    def _load_of(self, node: Node, share: float) -> float:
        reads, writes = _visits(self.reads, node), _visits(self.writes, node)
        return share * reads / node.read_capacity + (1 - share) * writes / node.write_capacity


def _mean_share(read_fraction: ReadFraction) -> float:
    return sum(share * weight for share, weight in _shares(read_fraction))


def _visits(family: tuple[tuple[Quorum, float], ...], node: Node) -> float:
    return sum(chance for quorum, chance in family if node.name in quorum)


# ------------------------------------------------------------------------------------------------ the linear programme


@dataclass(frozen=True)
class _Limits:
    load: float | None = None
    network: float | None = None
    latency_seconds: float | None = None


@lru_cache(maxsize=4096)
def _resilient(expression: Expression, failures: int) -> tuple[Quorum, ...]:
    """Return the smallest sets that contain a quorum whichever `failures` of their nodes fail."""
    if failures == 0:
        return minimal_quorums(expression)
    names = [node.name for node in nodes_of(expression)]
    if len(names) > MOST_NODES:
        raise ValueError(f"`failures` above 0 needs at most {MOST_NODES} nodes, got {len(names)}")
    found: list[Quorum] = []
    for size in range(failures + 1, len(names) + 1):
        for chosen in map(frozenset, combinations(names, size)):
            if not any(smaller <= chosen for smaller in found) and all(
                is_quorum(expression, chosen - set(lost)) for lost in combinations(sorted(chosen), failures)
            ):
                found.append(chosen)
    if not found:
        raise ValueError(f"`failures` must be at most the resilience {resilience(expression)}, got {failures}")
    return tuple(found)


def _best(
    system: QuorumSystem,
    shares: tuple[tuple[float, float], ...],
    optimize: str,
    limits: _Limits,
    failures: int,
) -> Strategy:
    from scipy.optimize import linprog  # type: ignore[attr-defined]

    if optimize not in ("load", "network", "latency"):
        raise ValueError(f'`optimize` must be "load", "network" or "latency", got {optimize!r}')
    reads, writes = _resilient(system.reads, failures), _resilient(system.writes, failures)
    r, w, s = len(reads), len(writes), len(shares)
    mean = sum(share * weight for share, weight in shares)

    def cost(each: Callable[[Expression, Quorum], float]) -> Floats:
        """Return a row: what each quorum costs, by the share of operations that may use it."""
        by_read = [mean * each(system.reads, quorum) for quorum in reads]
        by_write = [(1 - mean) * each(system.writes, quorum) for quorum in writes]
        return np.array([*by_read, *by_write, *[0.0] * s])

    rows: dict[str, Floats] = {
        "load": np.array([*[0.0] * (r + w), *(weight for _, weight in shares)]),
        "network": cost(lambda _, quorum: len(quorum)),
    }
    if optimize == "latency" or limits.latency_seconds is not None:
        rows["latency"] = cost(response_seconds_mean)
    # The busiest node of each share of reads bounds that share's load from below.
    above, at_most = [], []
    for place, (share, _) in enumerate(shares):
        for node in system.nodes:
            row = np.zeros(r + w + s)
            row[:r] = [share / node.read_capacity * (node.name in quorum) for quorum in reads]
            row[r : r + w] = [(1 - share) / node.write_capacity * (node.name in quorum) for quorum in writes]
            row[r + w + place] = -1.0
            above.append(row)
            at_most.append(0.0)
    bounds = (("load", limits.load), ("network", limits.network), ("latency", limits.latency_seconds))
    for name, limit in bounds:
        if limit is not None:
            above.append(rows[name])
            at_most.append(limit)
    sums = np.zeros((2, r + w + s))
    sums[0, :r], sums[1, r : r + w] = 1.0, 1.0
    # Capacities of a thousand a second make loads of a thousandth: solve in units of the largest.
    scale = max(np.max(np.abs(row[:-s])) for row in above[: s * len(system.nodes)]) or 1.0
    for row in above[: s * len(system.nodes)]:
        row[: r + w] /= scale
    if limits.load is not None:
        at_most[s * len(system.nodes)] /= scale
    programme = {"A_ub": np.array(above), "b_ub": at_most, "A_eq": sums, "b_eq": [1.0, 1.0]}
    solved = linprog(rows[optimize], method="highs", **programme)  # type: ignore[no-untyped-call]
    if solved.status != 0:
        raise ValueError(f"no strategy keeps the limits {limits}: {solved.message}")
    chances = np.clip(solved.x, 0.0, None)
    return Strategy(system, _family(reads, chances[:r]), _family(writes, chances[r : r + w]))


def _family(quorums: Sequence[Quorum], chances: Floats) -> tuple[tuple[Quorum, float], ...]:
    total = float(chances.sum())
    return tuple(
        (quorum, chance / total) for quorum, chance in zip(quorums, chances.tolist(), strict=True) if chance > 1e-9
    )


# ------------------------------------------------------------------------------------------------------------- search


@dataclass(frozen=True)
class Assessment:
    """A system with all that speaks for it and against it.

    Parameters
    ----------
    system, strategy
        What was assessed.
    load, network, latency_seconds
        Of the strategy.
    unavailability
        The probability that an operation, a read or a write in the proportion of the workload, finds no quorum.
    resilience
        How many nodes may fail, whichever they are.
    """

    system: QuorumSystem
    strategy: Strategy
    load: float
    network: float
    latency_seconds: float
    unavailability: float
    resilience: int

    def value(self, objective: Objective) -> float:
        """Return the number that is to be small."""
        return float(getattr(self, "latency_seconds" if objective == "latency" else objective))


def assess(system: QuorumSystem, read_fraction: ReadFraction, **options: Any) -> Assessment:
    """Return what is to be said of a system under a workload.

    Parameters
    ----------
    system
        Of nodes with capacities, latencies and up-probabilities.
    read_fraction
        See :meth:`QuorumSystem.strategy`.
    **options
        Objective and limits of the strategy: see there.

    Examples
    --------
    >>> assess(QuorumSystem(majority(nodes("abc", up_probability=0.9))), 0.5).unavailability
    0.028
    """
    strategy = system.strategy(read_fraction, **options)
    share = _mean_share(read_fraction)
    lost = share * float(unavailability(system.reads)) + (1 - share) * float(unavailability(system.writes))
    return Assessment(
        system,
        strategy,
        strategy.load(read_fraction),
        strategy.network(read_fraction),
        strategy.latency_seconds(read_fraction),
        round(lost, 15) if lost > 1e-3 else lost,
        system.resilience,
    )


def expressions(members: Sequence[Node], height: int = 2) -> Iterator[Expression]:
    """Return the expressions in which each of the nodes occurs once, up to a height, in a fixed order.

    Of those that differ only by brackets, or by an exchange of nodes that are alike in all but their names, one is
    returned.

    Parameters
    ----------
    members
        The nodes, at least one.
    height
        How deep expressions may be nested, at least 1.

    Examples
    --------
    >>> [str(one) for one in expressions(nodes("abc"), height=1)]
    ['a + b + c', 'choose(2, [a, b, c])', 'a * b * c']
    """
    seen: set[Any] = set()
    for one in _expressions(tuple(members), height):
        shape = _shape(one)
        if shape not in seen:
            seen.add(shape)
            yield one


def _shape(expression: Expression) -> Any:
    """Return what two expressions share that differ by the names of nodes that are alike, and by the order of parts."""
    if isinstance(expression, Node):
        return repr(replace(expression, name=""))
    assert isinstance(expression, Choose), expression
    return expression.needed, tuple(sorted(map(_shape, expression.parts), key=repr))


def _expressions(members: tuple[Node, ...], height: int) -> Iterator[Expression]:
    if len(members) == 1:
        yield members[0]
        return
    if height == 0:
        return
    for blocks in _partitions(members):
        if len(blocks) == 1:
            continue
        for parts in product(*(list(_expressions(block, height - 1)) for block in blocks)):
            for needed in range(1, len(parts) + 1):
                if not _is_nested_in_vain(needed, parts):
                    yield choose(needed, parts)


def _is_nested_in_vain(needed: int, parts: tuple[Expression, ...]) -> bool:
    """Return whether brackets could be left out: (a + b) + c, or (a * b) * c."""
    inside = [one for one in parts if isinstance(one, Choose)]
    in_sum = needed == 1 and any(one.needed == 1 for one in inside)
    return in_sum or (needed == len(parts) and any(one.needed == len(one.parts) for one in inside))


def _partitions(members: tuple[Node, ...]) -> Iterator[list[tuple[Node, ...]]]:
    """Return all ways to put the members into blocks, small blocks first."""
    if not members:
        yield []
        return
    first, rest = members[0], members[1:]
    for size in range(len(rest) + 1):
        for others in combinations(rest, size):
            left = tuple(one for one in rest if one not in others)
            for blocks in _partitions(left):
                yield [(first, *others), *blocks]


def search(
    members: Sequence[Node],
    read_fraction: ReadFraction,
    *,
    optimize: Objective = "load",
    resilience_at_least: int = 0,
    unavailability_limit: float | None = None,
    load_limit: float | None = None,
    network_limit: float | None = None,
    latency_limit_seconds: float | None = None,
    failures: int = 0,
    height: int = 2,
) -> Assessment:
    """Return the best system of all that can be written down with each node once, under all limits at a time.

    Of systems that are equally good, it is the one that is up most often.

    Parameters
    ----------
    members
        The nodes.
    read_fraction
        See :meth:`QuorumSystem.strategy`.
    optimize
        What is to be small.
    resilience_at_least
        How many nodes must be able to fail.
    unavailability_limit
        For an operation, a read or a write in the proportion of the workload.
    load_limit, network_limit, latency_limit_seconds, failures
        See :meth:`QuorumSystem.strategy`.
    height
        See :func:`expressions`.

    Raises
    ------
    ValueError
        If no system keeps the limits.

    Examples
    --------
    >>> five = nodes("abcde", up_probability=0.99)
    >>> best = search(five, 0.9, resilience_at_least=1, unavailability_limit=1e-3)
    >>> print(best.system.reads, f"load {best.load:.3f}, unavailability {best.unavailability:.1e}")
    a * b + choose(2, [c, d, e]) load 0.420, unavailability 4.5e-05
    """
    limits: dict[str, Any] = {
        "load_limit": load_limit,
        "network_limit": network_limit,
        "latency_limit_seconds": latency_limit_seconds,
        "failures": failures,
        "optimize": "load" if optimize == "unavailability" else optimize,
    }
    best: Assessment | None = None
    for reads in expressions(members, height):
        system = QuorumSystem(reads)
        if system.resilience < max(resilience_at_least, failures):
            continue
        share = _mean_share(read_fraction)
        lost = share * float(unavailability(reads)) + (1 - share) * float(unavailability(system.writes))
        if unavailability_limit is not None and lost > unavailability_limit:
            continue
        try:
            found = assess(system, read_fraction, **limits)
        except ValueError:
            continue
        if best is None or _is_better(found, best, optimize):
            best = found
    if best is None:
        raise ValueError(f"no system of {len(members)} nodes and height {height} keeps the limits")
    return best


def _is_better(one: Assessment, other: Assessment, optimize: Objective) -> bool:
    """Return whether `one` has the smaller objective; or the same, and is up more often."""
    mine, theirs = one.value(optimize), other.value(optimize)
    if math.isclose(mine, theirs, rel_tol=1e-9):
        return one.unavailability < other.unavailability * (1 - 1e-9)
    return mine < theirs


def frontier(found: Iterable[Assessment], objectives: Sequence[Objective]) -> tuple[Assessment, ...]:
    """Return those that no other beats: as good in each of the objectives, and better in one.

    Examples
    --------
    >>> all_of_three = [assess(QuorumSystem(one), 0.9) for one in expressions(nodes("abc", up_probability=0.99), 1)]
    >>> [str(one.system.reads) for one in frontier(all_of_three, ["load", "unavailability"])]
    ['a + b + c', 'choose(2, [a, b, c])']
    """
    candidates = list(found)
    values = [[one.value(name) for name in objectives] for one in candidates]

    def beaten(mine: list[float]) -> bool:
        return any(
            all(other <= own * (1 + 1e-9) for other, own in zip(row, mine, strict=True))
            and any(other < own * (1 - 1e-9) for other, own in zip(row, mine, strict=True))
            for row in values
        )

    return tuple(one for one, mine in zip(candidates, values, strict=True) if not beaten(mine))
