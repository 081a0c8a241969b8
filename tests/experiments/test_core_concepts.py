"""The bench of the replicated register: what it reads off runs agrees with the model, and its examples are as named."""

from itertools import pairwise

import pytest

from distlib.evidence import Estimate
from distlib.experiments.core_concepts import (
    EXAMPLES,
    all_small_histories,
    history_of,
    judge,
    judge_example,
    latencies,
    measure_partition,
    outcomes,
    poisson_tasks,
    read,
    registers,
    run_with,
    stale_reads,
    write,
)
from distlib.models.core_concepts import operation_seconds_mean, stale_read_probability
from distlib.models.latency import Constant, Exponential
from distlib.protocols.core_concepts import LocalReplica, MajorityReplica
from distlib.runtimes.faults import Partition

CHAIN = ("linearizable", "sequential", "causal", "read your writes")


def test_examples_differ_in_what_they_are_allowed_by() -> None:
    verdicts = [tuple(judge_example(example).values()) for example in EXAMPLES]
    assert len(set(verdicts)) == len(verdicts)
    assert all(verdicts[0])


def test_stronger_models_are_subsets_in_a_sample_of_all_small_histories() -> None:
    for index, history in enumerate(all_small_histories()):
        if index % 8:
            continue
        verdict = judge(history)
        for stronger, weaker in pairwise(CHAIN):
            assert verdict[weaker] or not verdict[stronger], history


def test_latency_of_a_majority_agrees_with_the_model() -> None:
    leg = Exponential(0.010)
    nodes = registers(MajorityReplica, {"alice": [write(1, "r1", 0.5), read("r1", 0.5)]}, replica_count=5)
    runs = [run_with(leg, nodes, seed=seed, client_leg=Constant(0.0)) for seed in range(300)]
    seen = Estimate.of_mean([seconds for run in runs for seconds in latencies(run.trace, "read")])
    assert abs(seen.z(operation_seconds_mean(5, leg))) < 3


def test_staleness_of_local_reads_agrees_with_the_model() -> None:
    stale: list[bool] = []
    for seed in range(150):
        tasks = {"alice": poisson_tasks(seed, 60, 25.0), "bob": [read("r2", 0.11)] * 15}
        run = run_with(Exponential(0.010), registers(LocalReplica, tasks), seed=seed, client_leg=Constant(0.0))
        stale += stale_reads(run)[5:]
    seen = Estimate.of_proportion(sum(stale), len(stale))
    assert abs(seen.z(stale_read_probability(Exponential(0.010), 25.0))) < 3


def test_a_cut_refuses_the_minority_of_a_majority_and_nobody_of_local_replicas() -> None:
    tasks = {"alice": [write(1, "r1", 0.1)], "bob": [read("r3", 0.1)]}
    cut = [Partition(0.05, groups=({"r1"}, {"r2", "r3"}))]
    majority, local = (
        run_with(Constant(0.002), registers(kind, tasks), seed=1, faults=cut, until_seconds=5)
        for kind in (MajorityReplica, LocalReplica)
    )
    assert outcomes(majority) == {"alice": (0, 1), "bob": (1, 0)}
    assert outcomes(local) == {"alice": (1, 0), "bob": (1, 0)}


def test_the_cut_over_sockets_ends_alike() -> None:
    assert measure_partition(MajorityReplica) == {"alice": (0, 2), "bob": (2, 0)}
    assert measure_partition(LocalReplica) == {"alice": (2, 0), "bob": (2, 0)}


def test_a_row_that_says_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="alice"):
        history_of("alice 0 1 sings x 1")
