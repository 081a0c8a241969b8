"""Quorum systems: reference values, what quoracle printed, duality, and every set of nodes as a second way."""

from __future__ import annotations

import json
import math
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from distlib.models.availability import common_cause, poisson_binomial, unavailability_of, zones_up
from distlib.models.consistency.quorum_systems import (
    Expression,
    Node,
    QuorumSystem,
    Strategy,
    assess,
    choose,
    correlated_unavailability,
    dual,
    expressions,
    failure_probability_bound,
    frontier,
    grid,
    is_quorum,
    load_bound,
    majority,
    minimal_quorums,
    nodes,
    nodes_of,
    resilience,
    response_seconds_mean,
    response_sf,
    search,
    smallest_quorum,
    tree,
    unavailability,
    up_counts,
    votes,
    wheel,
    with_zones,
)
from distlib.models.latency import Constant, Exponential, LogNormal, Pareto
from distlib.models.order_statistics import order_statistic_mean, order_statistic_sf_of

ROWS = json.loads((Path(__file__).parents[2] / "data" / "curriculum_values.json").read_text())
REFERENCE = {row["id"]: (row["value"], row["rtol"]) for row in ROWS}
A, B, C, D, E, F = nodes("abcdef")
NINE = nodes("abcdefghi")
SQUARE = grid([NINE[:3], NINE[3:6], NINE[6:]])
FANO = choose(1, [choose(3, [NINE[i] for i in line]) for line in
                  ((0, 1, 2), (0, 3, 4), (0, 5, 6), (1, 3, 5), (1, 4, 6), (2, 3, 6), (2, 4, 5))])  # fmt: skip
SHAPES = [
    majority([A, B, C, D, E]),
    A * B + A * C * E + D * E + D * C * B,
    SQUARE.reads,
    SQUARE.writes,
    tree(A, tree(B, C, D), E),
    votes({A: 3, B: 2, C: 2, D: 1, E: 1}, 5),
    wheel(A, [B, C, D, E]),
    FANO,
]


def matches(value: float, identifier: str) -> bool:
    expected, relative = REFERENCE[identifier]
    return math.isclose(value, expected, rel_tol=relative)


def by_enumeration(expression: Expression, ups: dict[str, float]) -> float:
    """Return the probability that no quorum is up, by going through all sets of nodes that may be up."""
    names = [node.name for node in nodes_of(expression)]
    total = 0.0
    for states in product((False, True), repeat=len(names)):
        up = {name for name, state in zip(names, states, strict=True) if state}
        if not is_quorum(expression, up):
            total += math.prod(ups[name] if name in up else 1 - ups[name] for name in names)
    return total


# ---------------------------------------------------------------------------------------------------- reference values


def test_reference_values_of_majorities_and_votes() -> None:
    assert matches(1 - unavailability(majority([A, B, C, D, E]), 0.9), "1b.1")
    ups = dict(zip("abcde", (0.99, 0.95, 0.9, 0.85, 0.8), strict=True))
    assert matches(1 - unavailability(majority([A, B, C, D, E]), ups), "1b.2")
    ballots, chances = {A: 2, B: 1, C: 1, D: 1}, dict(zip("abcd", (0.99, 0.9, 0.9, 0.95), strict=True))
    assert matches(1 - unavailability(votes(ballots, 4), chances), "1b.3")
    assert matches(1 - unavailability(votes(ballots, 2), chances), "1b.4")


def test_reference_values_of_shared_failures() -> None:
    assert matches(1 - correlated_unavailability(majority([A, B, C, D, E]), 0.9, 0.1), "1b.5")
    zones = nodes("xyz", up_probability=0.999)
    members = nodes("abcde", up_probability=0.99)
    zoned = with_zones(majority(members), [(zones[0], members[:2]), (zones[1], members[2:4]), (zones[2], members[4:])])
    assert matches(1 - unavailability(zoned), "1b.6")
    by_convolution = unavailability_of(zones_up([(0.999, [0.99] * 2), (0.999, [0.99] * 2), (0.999, [0.99])]), 3)
    assert math.isclose(unavailability(zoned), by_convolution, rel_tol=1e-12)


def test_reference_values_of_the_grid() -> None:
    columns = [NINE[place::3] for place in range(3)]
    one_of_each = choose(3, [choose(1, column) for column in columns])
    with_a_column = one_of_each * choose(1, [choose(3, column) for column in columns])
    assert matches(1 - unavailability(one_of_each, 0.9), "1b.7")
    assert matches(1 - unavailability(with_a_column, 0.9), "1b.8")
    for up in (0.3, 0.9, 0.99):
        down = 1 - up
        closed = (1 - down**3) ** 3 - (1 - down**3 - up**3) ** 3
        assert math.isclose(1 - unavailability(with_a_column, up), closed, rel_tol=1e-12)


def test_reference_values_of_load() -> None:
    def own(expression: Expression) -> float:
        return QuorumSystem(expression, expression).load(1.0)

    assert matches(own(wheel(A, [B, C, D, E])), "1b.9")
    assert matches(own(votes({A: 3, B: 2, C: 2, D: 1, E: 1}, 5)), "1b.10")
    assert matches(grid([[A, B, C], [D, E, F]]).load(0.75), "1b.19")
    for n in (3, 5, 7, 8):
        assert math.isclose(own(majority(NINE[:n])), (n // 2 + 1) / n)
    for n in (4, 6, 9):
        assert math.isclose(own(wheel(NINE[0], NINE[1:n])), (n - 1) / (2 * n - 3))
    assert math.isclose(own(FANO), 3 / 7)
    columns = [NINE[place::3] for place in range(3)]
    rows_and_columns = choose(1, [choose(3, row) for row in (NINE[:3], NINE[3:6], NINE[6:])]) * choose(
        3, [choose(1, row) for row in (NINE[:3], NINE[3:6], NINE[6:])]
    )
    assert len(columns) == 3
    assert math.isclose(own(rows_and_columns), 5 / 9)


def test_reference_values_of_latency() -> None:
    def third_of_five(law: object) -> float:
        return 1000 * response_seconds_mean(majority(nodes("abcde", latency=law)))

    assert matches(third_of_five(Exponential(0.010)), "1b.14")
    assert matches(third_of_five(LogNormal(0.010, 0.8)), "1b.15")
    assert matches(third_of_five(Pareto(0.005, 1.5)), "1b.16")
    remote = choose(2, nodes("abcd", latency=LogNormal(0.010, 0.8)))
    assert matches(1000 * response_seconds_mean(remote), "1b.18")


# -------------------------------------------------------------------------------------------- what quoracle has printed
#
# M. Whittaker, quoracle, README.md (github.com/mwhittaker/quoracle, commit 1348ee4), and the numbers beside the code of
# the paper, examples/paper.py (commit 07a25f6). Where they print whole numbers, the exact fraction was worked out here.


def with_capacities(writing: float, reading: float, names: str = "abcdef") -> tuple[Node, ...]:
    return tuple(Node(name, reading * share, writing * share) for name, share in zip(names, [1, 0.5] * 3, strict=False))


def test_readme_of_quoracle_quorums() -> None:
    system = QuorumSystem(reads=A * B * C + D * E * F)
    assert set(minimal_quorums(system.reads)) == {frozenset("abc"), frozenset("def")}
    assert set(minimal_quorums(system.writes)) == {frozenset(pair) for pair in product("abc", "def")}
    assert QuorumSystem(writes=(A + B + C) * (D + E + F)).reads == system.reads
    assert is_quorum(system.reads, "abcd")
    assert not is_quorum(system.reads, "abd")
    assert (resilience(system.reads), resilience(system.writes), system.resilience) == (1, 2, 1)
    with pytest.raises(ValueError, match="each read quorum must meet each write quorum"):
        QuorumSystem(reads=A + B + C, writes=D + E + F)


def test_readme_of_quoracle_strategies() -> None:
    system = QuorumSystem(reads=A * B * C + D * E * F)
    by_hand = Strategy(
        system,
        ((frozenset("abc"), 2 / 3), (frozenset("def"), 1 / 3)),
        tuple((frozenset(pair), 1 / 3) for pair in ("ad", "be", "cf")),
    )
    for share, load in ((1.0, 2 / 3), (0.0, 1 / 3), (0.25, 5 / 12)):
        assert math.isclose(by_hand.load(share), load, rel_tol=1e-9)
    assert [round(load, 9) for load in by_hand.node_load(0.25).values()] == [round(5 / 12, 9)] * 3 + [
        round(1 / 3, 9)
    ] * 3
    best = system.strategy(0.25)
    for share, load in ((0.25, 3 / 8), (0.0, 1 / 3), (0.5, 5 / 12), (1.0, 1 / 2)):
        assert math.isclose(best.load(share), load, rel_tol=1e-9)
    assert math.isclose(system.capacity(0.25), 8 / 3, rel_tol=1e-9)
    assert round(system.load({0.1: 1, 0.75: 1}), 3) == 0.404


def test_a_uniform_strategy_is_never_better_and_for_nodes_that_are_alike_to_the_system_as_good() -> None:
    for expression in SHAPES:
        system = QuorumSystem(expression)
        assert system.uniform_strategy().load(0.5) >= system.load(0.5) - 1e-12
    five = QuorumSystem(majority([A, B, C, D, E]))
    assert math.isclose(five.uniform_strategy().load(0.3), five.load(0.3))
    assert math.isclose(five.uniform_strategy(failures=1).load(1.0), 4 / 5)


def test_at_capacity_the_busiest_node_does_all_that_it_can() -> None:
    a, b, c, d, e, f = with_capacities(1000, 10_000)
    system = QuorumSystem(reads=a * b * c + d * e * f)
    for share in (0.0, 1.0):
        does = system.strategy(share).throughputs(share)
        limits = {node.name: node.read_capacity if share else node.write_capacity for node in system.nodes}
        assert math.isclose(max(does[name] / limits[name] for name in does), 1.0, rel_tol=1e-9)


def test_readme_of_quoracle_unequal_nodes() -> None:
    a, b, c, d, e, f = with_capacities(1000, 1000)
    system = QuorumSystem(reads=a * b * c + d * e * f)
    assert math.isclose(system.load(0.75), 0.00075, rel_tol=1e-9)
    assert math.isclose(system.capacity(0.75), 4000 / 3, rel_tol=1e-9)
    a, b, c, d, e, f = with_capacities(1000, 10_000)
    system = QuorumSystem(reads=a * b * c + d * e * f)
    for share, capacity in ((1.0, 10_000), (0.5, 90_000 / 23), (0.0, 2000)):
        assert math.isclose(system.capacity(share), capacity, rel_tol=1e-9)


def test_readme_of_quoracle_case_study() -> None:
    a, b, c, d, e = with_capacities(1000, 10_000, "abcde")
    workload = {0.9: 0.9, 0.1: 0.1}
    systems = (majority([a, b, c, d, e]), a * b + c * d * e, a * b + a * c * e + d * e + d * c * b)
    printed = ((5089, 3816), (5837, 1908), (5725, 1908))
    for reads, (capacity, resilient) in zip(systems, printed, strict=True):
        system = QuorumSystem(reads=reads)
        assert system.resilience >= 1
        assert math.floor(system.capacity(workload)) == capacity
        assert math.floor(system.capacity(workload, failures=1)) == resilient


def test_paper_of_quoracle() -> None:
    assert math.isclose(QuorumSystem(A * B + B * C + A * C).capacity(1.0), 1.5)
    a, b = (Node(name, 200, 100, Constant(4.0)) for name in "ab")
    c, d = (Node(name, 100, 50, Constant(1.0)) for name in "cd")
    system, two_of_four = QuorumSystem(a * b + c * d), QuorumSystem(choose(2, [a, b, c, d]))
    for share, capacity in ((1.0, 300), (0.5, 200), (0.0, 100)):
        assert math.isclose(system.capacity(share), capacity, rel_tol=1e-9)
    assert math.isclose(two_of_four.capacity(1.0), 300, rel_tol=1e-9)
    assert math.isclose(system.capacity(1.0, failures=1), 100, rel_tol=1e-9)
    assert math.isclose(two_of_four.capacity(1.0, failures=1), 200, rel_tol=1e-9)
    fastest = system.strategy(1.0)
    assert math.isclose(fastest.network(1.0), 2)
    assert math.isclose(fastest.latency_seconds(1.0), 3)
    limited = dict(system.strategy(1.0, optimize="latency", load_limit=1 / 150, network_limit=2).reads)
    assert math.isclose(limited[frozenset("ab")], 1 / 3, rel_tol=1e-6)
    found = search([a, b, c, d], 1.0, optimize="latency", load_limit=1 / 150, network_limit=2)
    assert set(minimal_quorums(found.system.reads)) == {frozenset(name) for name in "abcd"}
    chances = {min(quorum): chance for quorum, chance in found.strategy.reads}
    assert math.isclose(chances["c"], 1 / 3, rel_tol=1e-6)
    assert math.isclose(1 / found.load, 150, rel_tol=1e-6)
    assert (round(found.network, 6), round(found.latency_seconds, 6)) == (1, 1)


def test_paper_averages_capacities_where_the_readme_inverts_the_mean_load() -> None:
    a, b = (Node(name, 200, 100) for name in "ab")
    c, d = (Node(name, 100, 50) for name in "cd")
    workload = {0.0: 10 / 18, 0.25: 4 / 18, 0.5: 2 / 18, 0.75: 1 / 18, 1.0: 1 / 18}
    best = QuorumSystem(a * c + b * d).strategy(workload)
    assert math.isclose(best.capacity(workload), 158.2417582, rel_tol=1e-9)
    assert round(sum(weight * best.capacity(share) for share, weight in workload.items())) == 159


# ---------------------------------------------------------------------------------------------------------- algebra


@pytest.mark.parametrize("expression", SHAPES, ids=str)
def test_the_diagram_is_the_sum_over_all_sets_of_nodes(expression: Expression) -> None:
    ups = {node.name: 0.5 + 0.05 * place for place, node in enumerate(nodes_of(expression))}
    assert math.isclose(unavailability(expression, ups), by_enumeration(expression, ups), rel_tol=1e-12)


@pytest.mark.parametrize("expression", SHAPES, ids=str)
def test_quorums_resilience_and_counts_are_those_of_all_sets_of_nodes(expression: Expression) -> None:
    names = [node.name for node in nodes_of(expression)]
    sets = [frozenset(chosen) for size in range(len(names) + 1) for chosen in combinations(names, size)]
    good = [chosen for chosen in sets if is_quorum(expression, chosen)]
    assert set(minimal_quorums(expression)) == {q for q in good if not any(other < q for other in good)}
    assert smallest_quorum(expression) == min(map(len, good))
    assert up_counts(expression) == tuple(sum(len(q) == k for q in good) for k in range(len(names) + 1))
    bad = [len(names) - len(chosen) for chosen in sets if chosen not in set(good)]
    assert resilience(expression) == min(bad) - 1


@pytest.mark.parametrize("expression", SHAPES, ids=str)
def test_the_dual_holds_the_sets_that_meet_every_quorum_and_its_dual_is_the_expression(expression: Expression) -> None:
    names = frozenset(node.name for node in nodes_of(expression))
    for size in range(len(names) + 1):
        for chosen in map(frozenset, combinations(sorted(names), size)):
            assert is_quorum(dual(expression), chosen) is not is_quorum(expression, names - chosen)
    assert dual(dual(expression)) == expression
    # A quorum is up exactly if not all quorums of the dual are hit by what is down.
    assert math.isclose(unavailability(dual(expression), 0.3), 1 - unavailability(expression, 0.7), rel_tol=1e-9)


@pytest.mark.parametrize("expression", SHAPES, ids=str)
def test_smallest_set_that_stops_a_system_by_an_integer_programme(expression: Expression) -> None:
    names = [node.name for node in nodes_of(expression)]
    hits = np.array([[float(name in quorum) for name in names] for quorum in minimal_quorums(expression)])
    solved = milp(np.ones(len(names)), constraints=LinearConstraint(hits, 1), integrality=1, bounds=Bounds(0, 1))
    assert resilience(expression) == round(solved.fun) - 1


@pytest.mark.parametrize("expression", SHAPES, ids=str)
def test_load_is_what_an_adversary_can_enforce_and_not_below_the_bounds(expression: Expression) -> None:
    system = QuorumSystem(expression, dual(expression))
    load = system.load(1.0)
    # The dual programme: weights on the nodes, so that the lightest quorum is as heavy as can be.
    names = [node.name for node in nodes_of(expression)]
    quorums = minimal_quorums(expression)
    rows = np.array([[-float(name in quorum) for name in names] + [1.0] for quorum in quorums])
    solved = linprog(
        [0.0] * len(names) + [-1.0], A_ub=rows, b_ub=np.zeros(len(quorums)), A_eq=[[1.0] * len(names) + [0.0]], b_eq=[1]
    )
    assert math.isclose(-solved.fun, load, rel_tol=1e-9)
    meets_itself = all(is_quorum(dual(expression), quorum) for quorum in quorums)
    if meets_itself:
        assert load >= load_bound(expression) - 1e-12
        for down in (0.01, 0.1, 0.4):
            bound = failure_probability_bound(down, len(names), load)
            assert unavailability(expression, 1 - down) >= bound * (1 - 1e-9)


def test_a_bound_of_the_power_times_the_load_would_be_no_bound() -> None:
    # p^(nL), and not p^n L, which is far below: for a majority of five, by a factor of more than 100.
    assert failure_probability_bound(0.1, 5, 0.6) > 100 * 0.1**5 * 0.6


# -------------------------------------------------------------------------------------------------------- availability


def test_adding_a_node_to_an_odd_group_lowers_the_availability_of_its_majority() -> None:
    up = np.array([0.6, 0.9, 0.99])
    for m in (1, 2, 3, 4):
        odd, even = (1 - unavailability(majority(NINE[:n]), up) for n in (2 * m - 1, 2 * m))
        exactly = math.comb(2 * m - 1, m) * up**m * (1 - up) ** (m - 1)
        np.testing.assert_allclose(even, odd - (1 - up) * exactly, rtol=1e-12)


def test_below_a_half_a_single_node_is_the_best_majority() -> None:
    assert unavailability(majority(NINE), 0.4) > 0.6 > unavailability(majority(NINE), 0.6)


def test_a_majority_of_unequal_nodes_is_poisson_binomial_and_not_the_binomial_of_the_mean() -> None:
    ups = [0.999, 0.999, 0.7, 0.7, 0.7]
    exact = unavailability(majority([A, B, C, D, E]), dict(zip("abcde", ups, strict=True)))
    assert math.isclose(exact, unavailability_of(poisson_binomial(ups), 3), rel_tol=1e-12)
    assert unavailability(majority([A, B, C, D, E]), float(np.mean(ups))) > 1.4 * exact


def test_small_unavailability_keeps_its_digits() -> None:
    assert math.isclose(unavailability(majority(NINE), 1 - 2**-30), 126 * 2**-150, rel_tol=1e-6)


def test_a_grid_becomes_unavailable_as_it_grows_and_a_majority_does_not() -> None:
    sides = (2, 3, 5, 7)
    squares = {n: [nodes([f"{row}.{column}" for column in range(n)]) for row in range(n)] for n in sides}
    grids = [unavailability(choose(1, [choose(n, row) for row in squares[n]]), 0.9) for n in sides]
    majorities = [unavailability(majority([one for row in squares[n] for one in row]), 0.9) for n in sides]
    assert grids[-1] > 1e-3 > majorities[-1]
    assert np.all(np.diff(majorities[1:]) < 0)


def test_correlation_of_none_and_of_one_are_independence_and_a_single_node() -> None:
    for expression in SHAPES:
        independent = unavailability(expression, 0.9)
        assert math.isclose(correlated_unavailability(expression, 0.9, 0.0), independent, rel_tol=1e-9)
        assert math.isclose(correlated_unavailability(expression, 0.9, 1.0), 0.1, rel_tol=1e-12)


def test_a_cause_that_all_share_is_a_node_in_series() -> None:
    (power,) = nodes(["power"], up_probability=0.999)
    members = nodes("abcde", up_probability=0.99)
    shared = unavailability(with_zones(majority(members), [(power, members)]))
    assert math.isclose(shared, unavailability_of(common_cause(poisson_binomial([0.99] * 5), 0.001), 3), rel_tol=1e-12)


# ------------------------------------------------------------------------------------------------------------- latency


def test_law_of_the_latency_is_the_unavailability_at_the_laws_of_the_nodes() -> None:
    laws = [Exponential(0.010), LogNormal(0.010, 0.8), Pareto(0.005, 1.5)]
    members = [Node(name, latency=law) for name, law in zip("abc", laws, strict=True)]
    times = np.linspace(0, 0.1, 7)
    np.testing.assert_allclose(response_sf(majority(members), times), order_statistic_sf_of(laws, 2, times), rtol=1e-9)


def test_mean_latency_of_nodes_alike_is_the_signature_times_the_order_statistics() -> None:
    law = LogNormal(0.010, 0.8)
    for expression in SHAPES:
        counts = up_counts(expression)
        n = len(counts) - 1
        enough = [ways / math.comb(n, k) for k, ways in enumerate(counts)]
        expected = sum((enough[k] - enough[k - 1]) * order_statistic_mean(law, k, n) for k in range(1, n + 1))
        members = {node.name: Node(node.name, latency=law) for node in nodes_of(expression)}
        swapped = _renamed(expression, members)
        assert math.isclose(response_seconds_mean(swapped), expected, rel_tol=1e-9)


def _renamed(expression: Expression, members: dict[str, Node]) -> Expression:
    if isinstance(expression, Node):
        return members[expression.name]
    return choose(expression.needed, [_renamed(one, members) for one in expression.parts])  # type: ignore[attr-defined]


def test_one_answer_may_take_for_ever_in_the_mean_and_a_quorum_not() -> None:
    heavy = nodes("abcde", latency=Pareto(0.005, 0.9))
    assert response_seconds_mean(heavy[0]) == math.inf
    assert response_seconds_mean(majority(heavy)) < 0.05


def test_asking_more_nodes_is_quicker_and_asking_no_quorum_takes_for_ever() -> None:
    five = majority(nodes("abcde", latency=Exponential(0.010)))
    assert response_seconds_mean(five) < response_seconds_mean(five, frozenset("abc"))
    assert response_seconds_mean(five, frozenset("ab")) == math.inf


# -------------------------------------------------------------------------------------------------------------- search


def test_expressions_are_all_functions_of_nodes_asked_once_and_each_of_them_once() -> None:
    unequal = [Node(name, read_capacity=place) for place, name in enumerate("abcd", start=1)]
    # quoracle, tests/test_search.py, lists 15 expressions of three nodes, of which 9 differ as functions, and for four
    # nodes 4 of height one.
    for members, height, count in ((unequal[:3], 2, 9), (unequal, 1, 4)):
        found = [frozenset(minimal_quorums(one)) for one in expressions(members, height)]
        assert len(set(found)) == len(found) == count
    four = [frozenset(minimal_quorums(one)) for one in expressions(unequal, 3)]
    assert len(set(four)) == len(four)


def test_expressions_of_nodes_alike_are_returned_once_for_each_shape() -> None:
    shapes = [str(one) for one in expressions(nodes("abc"))]
    assert len(shapes) == 5
    assert "a + b * c" in shapes


def test_search_finds_a_better_system_than_the_majority_under_all_limits_at_once() -> None:
    five = nodes("abcde", up_probability=0.99, latency=LogNormal(0.010, 0.8))
    limits = {"resilience_at_least": 1, "unavailability_limit": 1e-4}
    found = search(five, 0.9, **limits)  # type: ignore[arg-type]
    usual = assess(QuorumSystem(majority(five)), 0.9)
    assert found.load < usual.load
    assert found.resilience >= 1
    assert found.unavailability <= 1e-4
    quickest = search(five, 0.9, optimize="latency", latency_limit_seconds=0.02)
    assert quickest.latency_seconds <= usual.latency_seconds
    safest = search(five, 0.5, optimize="unavailability")
    assert safest.system.reads == majority(five)
    with pytest.raises(ValueError, match="no system of 5 nodes"):
        search(five, 0.9, unavailability_limit=1e-12)


def test_nobody_on_the_frontier_is_beaten() -> None:
    found = [assess(QuorumSystem(one), 0.5) for one in expressions(nodes("abcd", up_probability=0.9))]
    best = frontier(found, ["load", "unavailability"])
    for one in best:
        assert not any(o.load < one.load - 1e-9 and o.unavailability < one.unavailability - 1e-12 for o in found)
    assert len(best) < len(found)


# -------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: choose(4, [A, B, C]), r"`needed` must be a whole number in \[1, 3\], got 4"),
        (lambda: Node("a", read_capacity=0), "`read_capacity` must be finite and above 0, got 0"),
        (lambda: Node("a", up_probability=1.5), r"`up_probability` must be in \[0, 1\], got 1.5"),
        (lambda: nodes_of(A * Node("a", 2.0)), "two different nodes have the name 'a'"),
        (lambda: unavailability(A * B, 1.1), r"`up_probability` must be in \[0, 1\], got .* for node 'a'"),
        (lambda: QuorumSystem(), "`reads` or `writes` must be given, got neither"),
        (lambda: QuorumSystem(A * B).strategy(1.5), r"`read_fraction` must be in \[0, 1\]"),
        (lambda: QuorumSystem(A * B).strategy(1.0, failures=1), "`failures` must be at most the resilience 0, got 1"),
        (lambda: QuorumSystem(A * B).strategy(1.0, network_limit=1.0), "no strategy keeps the limits"),
        (lambda: QuorumSystem(A * B).strategy(1.0, optimize="luck"), "`optimize` must be"),  # type: ignore[arg-type]
        (lambda: tree(A, B), "`children` must be two, got 1"),
        (lambda: failure_probability_bound(2.0, 3, 0.5), r"`down_probability` must be in \[0, 1\], got 2.0"),
        (lambda: Strategy(QuorumSystem(A + B), ((frozenset("a"), 0.5),), ((frozenset("ab"), 1.0),)), "must sum to 1"),
        (lambda: Strategy(QuorumSystem(A * B), ((frozenset("a"), 1.0),), ((frozenset("a"), 1.0),)), "must be quorums"),
    ],
)
def test_what_is_out_of_its_domain_is_refused(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]


def test_parts_that_are_no_expressions_are_refused() -> None:
    with pytest.raises(TypeError, match="`parts` must be expressions"):
        choose(1, ["a"])  # type: ignore[list-item]
