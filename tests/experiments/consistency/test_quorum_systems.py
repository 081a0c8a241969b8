"""The bench of quorum systems: clients that contact crashed replicas are answered as often as the models say."""

from __future__ import annotations

import numpy as np
import pytest

from distlib.estimates import Estimate
from distlib.experiments.consistency.quorum_systems import (
    answered_reads,
    answered_reads_over_time,
    answered_sets,
    down_by_cause,
    down_by_correlation,
    down_independently,
    listed,
    measure_answers,
    measure_messages,
    node_visits,
    operation_times,
)
from distlib.models.availability import binomial, correlated, unavailability_of, votes_up
from distlib.models.consistency.quorum_systems import (
    Node,
    QuorumSystem,
    correlated_unavailability,
    grid,
    majority,
    nodes,
    response_seconds_mean,
    tree,
    unavailability,
    up_counts,
    with_zones,
)
from distlib.models.consistency.staleness import Legs
from distlib.models.consistency.voting import message_count, operation_seconds_mean
from distlib.models.latency import Exponential
from distlib.protocols.consistency.voting import Votes, WriteBack, sizes

SEEDS = range(5)
GRID = grid([nodes("abc"), nodes("def"), nodes("ghi")])
UPS = [0.95, 0.9, 0.85, 0.8, 0.75]


def share(counts: list[int], rounds: int) -> Estimate:
    return Estimate.of_proportion(sum(counts), rounds * len(counts))


def test_reads_and_writes_of_unequal_nodes_are_answered_as_often_as_the_diagram_says() -> None:
    expression = majority(nodes("abcde"))
    ups = dict(zip("abcde", UPS, strict=True))
    seen = share([answered_reads(listed(expression), down_independently(UPS, 400, seed=s), seed=s) for s in SEEDS], 400)
    assert abs(seen.z(1 - unavailability(expression, ups))) < 3


def test_of_all_sets_of_replicas_those_answer_that_contain_a_quorum() -> None:
    five = nodes("abcde")
    for expression in (majority(five), GRID.reads, GRID.writes, tree(five[0], tree(*five[1:4]), five[4])):
        assert answered_sets(listed(expression)) == up_counts(expression)


@pytest.mark.parametrize(("kind", "needed"), [("read", 2), ("write", 4)])
def test_weighted_votes_are_answered_as_often_as_their_sum_says(kind: str, needed: int) -> None:
    ups = [0.8, 0.6, 0.7, 0.5]
    ballots = Votes((("a", 2), ("b", 1), ("c", 1), ("d", 1)), read=2, write=4)
    counts = [answered_reads(ballots, down_independently(ups, 400, seed=s), seed=s, kind=kind) for s in SEEDS]
    assert abs(share(counts, 400).z(1 - unavailability_of(votes_up([2, 1, 1, 1], ups), needed))) < 3


@pytest.mark.parametrize("kind", ["read", "write"])
def test_a_grid_is_answered_as_often_as_the_diagram_says(kind: str) -> None:
    counts = [
        answered_reads(listed(GRID), down_independently([0.8] * 9, 300, seed=s), seed=s, kind=kind) for s in SEEDS
    ]
    expression = GRID.reads if kind == "read" else GRID.writes
    assert abs(share(counts, 300).z(1 - unavailability(expression, 0.8))) < 3


def test_zones_and_correlation_are_answered_as_often_as_their_laws_say() -> None:
    five = nodes("abcde", up_probability=0.9)
    zones = nodes("xyz", up_probability=0.9)
    zoned = with_zones(majority(five), [(zones[0], five[:2]), (zones[1], five[2:4]), (zones[2], five[4:])])
    causes = [down_by_cause([0.9] * 5, (0, 0, 1, 1, 2), 0.9, 400, seed=s) for s in SEEDS]
    seen = share([answered_reads(listed(majority(five)), down, seed=1) for down in causes], 400)
    assert abs(seen.z(1 - unavailability(zoned))) < 3
    weather = [down_by_correlation(5, 0.8, 0.2, 400, seed=s) for s in SEEDS]
    seen = share([answered_reads(sizes(5, 3, 3), down, seed=1) for down in weather], 400)
    assert abs(seen.z(1 - unavailability_of(correlated(5, 0.8, 0.2), 3))) < 3
    assert abs(seen.z(1 - unavailability_of(binomial(5, 0.8), 3))) > 5
    assert np.isclose(
        correlated_unavailability(majority(five), 0.8, 0.2), unavailability_of(correlated(5, 0.8, 0.2), 3)
    )


def test_replicas_that_crash_and_are_repaired_are_up_for_their_share_of_time() -> None:
    counts = [answered_reads_over_time(sizes(5, 3, 3), 4.0, 1.0, seed=s) for s in range(20)]
    assert abs(share(counts, 100).z(1 - unavailability(majority(nodes("abcde")), 0.8))) < 3


def test_nodes_are_visited_as_often_as_the_strategy_says_and_the_busiest_is_the_load() -> None:
    a, b, c, d, e, f = (Node(name, 2.0 - place % 2, 2.0 - place % 2) for place, name in enumerate("abcdef"))
    strategy = QuorumSystem(reads=a * b * c + d * e * f).strategy(0.75)
    seen = node_visits(strategy, 0.75, 3000, seed=2)
    expected = strategy.visits(0.75)
    for name, count in seen.items():
        assert abs(Estimate.of_proportion(count, 3000).z(expected[name])) < 3.5
    loads = {name: count / 3000 / (2.0 - place % 2) for place, (name, count) in enumerate(seen.items())}
    assert abs(max(loads.values()) - strategy.load(0.75)) < 0.03


def test_operations_take_as_long_as_the_order_statistics_say() -> None:
    leg = Exponential(0.001)
    legs = Legs(leg, leg, leg, leg)
    for quorums in ((1, 5), (3, 3)):
        runs = [operation_times(sizes(5, *quorums), leg, seed=s, write_back=WriteBack.ALWAYS) for s in range(30)]
        for kind, write_back in (("read", True), ("write", False)):
            seen = Estimate.of_mean([float(np.mean(run[kind])) for run in runs])
            predicted = operation_seconds_mean(kind, 5, *quorums, legs, write_back=write_back)  # type: ignore[arg-type]
            assert abs(seen.z(predicted)) < 3, (quorums, kind)


def test_a_tree_of_unequal_nodes_answers_by_its_polynomial() -> None:
    members = [Node(name, latency=Exponential(0.001 * place)) for place, name in enumerate("abcde", start=1)]
    expression = tree(members[0], tree(*members[1:4]), members[4])
    laws = {node.name: node.latency for node in members}
    runs = [operation_times(listed(expression), laws, seed=s) for s in range(40)]
    seen = Estimate.of_mean([float(np.mean(run["read"])) for run in runs])
    assert abs(seen.z(response_seconds_mean(expression) + 1e-5)) < 3


def test_over_sockets_as_many_replicas_may_be_killed_as_the_larger_quorum_leaves() -> None:
    assert measure_answers(5, 2, 4) == (True, True, False, False, False, False)


def test_over_sockets_messages_are_as_many_as_the_model_says() -> None:
    assert measure_messages(3, WriteBack.NONE) == (message_count("read", 3), message_count("write", 3))
    assert measure_messages(3, WriteBack.ALWAYS)[0] == message_count("read", 3, write_back=True)
