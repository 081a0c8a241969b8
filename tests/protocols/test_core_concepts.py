"""The replicated register: handlers, runs with every fault, every interleaving of small instances, broken variants."""

import pytest

from distlib.broken.core_concepts import ForgetfulReplica, LatecomerWins, ReplicaWithoutWriteBack
from distlib.checkers.history import History
from distlib.checkers.linearizability import check_linearizable, linearizable
from distlib.checkers.sequential_models import register
from distlib.experiments.core_concepts import cut_off, read, registers, write, write_under_way
from distlib.models.latency import Constant, Exponential, LogNormal
from distlib.node import CancelTimer, Save, Send, SetTimer
from distlib.protocols.core_concepts import (
    Answer,
    Disk,
    LocalReplica,
    MajorityReplica,
    Query,
    Read,
    Replica,
    Report,
    Stamp,
    Store,
    Stored,
    Version,
    Write,
    everyone_is_answered,
    replicas_agree,
    stamps_are_unique,
)
from distlib.runtimes.exploration import Verdict, explore
from distlib.runtimes.faults import CrashRandomly, Link, Network, PartitionRandomly
from distlib.runtimes.simulation import simulate

SEVEN = Version(7, Stamp(1, "r1"))
LINEARIZABLE = {"linearizable": linearizable(register(0))}
UNTIMED = {"always": LINEARIZABLE, "record_history": True, "timers": False}


def majority_replica() -> MajorityReplica:
    return MajorityReplica("r1", ("r2", "r3")).on_start(None)[0]


# ----------------------------------------------------------------------------------------------------------- handlers


def test_majority_replica_queries_all_others_before_it_writes() -> None:
    _, effects = majority_replica().on_message("alice", Write(1, 7))
    assert effects == (Send("r2", Query("alice", 1)), Send("r3", Query("alice", 1)), SetTimer("alice", (0.1, 0.1)))


def test_stamp_is_durable_before_the_version_leaves_and_above_all_that_were_reported() -> None:
    node, _ = majority_replica().on_message("alice", Write(1, 7))
    node, effects = node.on_message("r2", Report("alice", 1, Version(5, Stamp(4, "r3"))))
    written = Version(7, Stamp(5, "r1"))
    saves = [index for index, effect in enumerate(effects) if isinstance(effect, Save)]
    sends = [index for index, effect in enumerate(effects) if isinstance(effect, Send)]
    assert node.disk.version == written
    assert saves[0] < sends[0]
    assert [effect.message for effect in effects if isinstance(effect, Send)] == [Store(written)] * 2


def test_read_is_answered_only_after_its_version_is_at_a_majority() -> None:
    node, _ = majority_replica().on_message("bob", Read(1))
    node, effects = node.on_message("r2", Report("bob", 1, SEVEN))
    assert not any(isinstance(effect, Send) and isinstance(effect.message, Answer) for effect in effects)
    _, effects = node.on_message("r3", Stored(SEVEN))
    assert effects == (CancelTimer("bob"), Send("bob", Answer(1, 7)))


def test_a_second_report_of_one_replica_is_no_majority() -> None:
    node = MajorityReplica("r1", ("r2", "r3", "r4", "r5")).on_start(None)[0]
    node, _ = node.on_message("bob", Read(1))
    node, _ = node.on_message("r2", Report("bob", 1, SEVEN))
    assert node.on_message("r2", Report("bob", 1, SEVEN)) == (node, ())


def test_replica_keeps_the_newer_version_and_acknowledges_the_older_one_too() -> None:
    node, _ = majority_replica().on_message("r2", Store(SEVEN))
    older = Version(3, Stamp(0, "r2"))
    node, effects = node.on_message("r2", Store(older))
    assert node.disk.version == SEVEN
    assert Send("r2", Stored(older)) in effects


def test_a_write_repeated_after_a_crash_keeps_its_stamp() -> None:
    node, _ = majority_replica().on_message("alice", Write(1, 7))
    node, _ = node.on_message("r2", Report("alice", 1, Version(0, Stamp(0, ""))))
    again, _ = MajorityReplica("r1", ("r2", "r3")).on_start(node.disk)
    again, effects = again.on_message("alice", Write(1, 7))
    assert [effect.message for effect in effects if isinstance(effect, Send)] == [Store(node.disk.version)] * 2


def test_local_replica_saves_a_write_before_it_answers() -> None:
    node, effects = LocalReplica("r1", ("r2", "r3")).on_message("alice", Write(1, 7))
    answer = effects.index(Send("alice", Answer(1, 7)))
    assert any(isinstance(effect, Save) for effect in effects[:answer])
    assert node.disk.version == SEVEN


def test_versions_have_one_order_for_all_replicas() -> None:
    versions = [Version(1, Stamp(1, "r2")), Version(2, Stamp(1, "r1")), Version(3, Stamp(2, "r1"))]
    for first in versions:
        for second in versions:
            assert Disk().newer(first).newer(second).version == Disk().newer(second).newer(first).version


# ---------------------------------------------------------------------------------------------------- runs with faults


def chaotic(replica_class: type[Replica], seed: int) -> list:
    tasks = {
        "alice": [write(1, "r1", 0.2), read("r1", 0.2), write(2, "r1", 0.2), read("r1", 0.2)],
        "bob": [read("r2", 0.1), write(3, "r2", 0.2), read("r2", 0.3), read("r2", 0.3)],
        "carol": [read("r3", 0.2)] * 5,
    }
    nodes = registers(replica_class, tasks)
    servers = ["r1", "r2", "r3"]
    faults = [
        CrashRandomly(servers, Exponential(1.0), Exponential(0.2)),
        PartitionRandomly(servers, Exponential(1.0), Exponential(0.3)),
    ]
    link = Link(LogNormal(0.02, 1.0), loss_probability=0.1, duplicate_probability=0.1)
    run = simulate(
        nodes, seed=seed, network=Network(link), faults=faults, save_latency=Exponential(0.005), until_seconds=15
    )
    return [run, History.from_trace(run.trace)]


def test_majority_is_linearizable_with_every_fault_at_once() -> None:
    for seed in range(40):
        run, history = chaotic(MajorityReplica, seed)
        assert check_linearizable(history, register(0)).judgement.value == "linearizable", seed
        assert stamps_are_unique(run.world)


def test_the_same_faults_show_that_local_answers_are_not() -> None:
    verdicts = [check_linearizable(chaotic(LocalReplica, seed)[1], register(0)).judgement.value for seed in range(10)]
    assert "not linearizable" in verdicts


def test_local_replicas_agree_in_the_end_and_those_that_keep_the_latecomer_do_not() -> None:
    def ends(replica_class: type[Replica]) -> list[bool]:
        nodes = registers(replica_class, {"alice": [write(1, "r1")], "bob": [write(2, "r2")]})
        link = Link(Exponential(0.02), loss_probability=0.2)
        clients = {pair: Link(Constant(0.001)) for pair in (("alice", "r1"), ("bob", "r2"))}
        runs = [simulate(nodes, seed=seed, network=Network(link, clients), until_seconds=20) for seed in range(20)]
        return [replicas_agree(run.world) for run in runs]

    assert all(ends(LocalReplica))
    assert not all(ends(LatecomerWins))


# ------------------------------------------------------------------------------------------------ every interleaving


def small(replica_class: type[Replica]) -> dict:
    return registers(replica_class, {"alice": [write(1, "r1")], "bob": [read("r2"), read("r2")]})


def test_majority_is_linearizable_in_every_state() -> None:
    found = explore(write_under_way(MajorityReplica), **UNTIMED)
    found.require_holds()
    assert found.states == 67_051


def test_reads_without_write_back_go_back_in_time_unless_links_keep_their_order() -> None:
    found = explore(small(ReplicaWithoutWriteBack), stop_at_violation=True, **UNTIMED)
    assert set(found.violations) == {"linearizable"}
    in_order = explore(small(ReplicaWithoutWriteBack), messages="fifo", **UNTIMED)
    in_order.require_holds()
    assert in_order.states == 7_791


def test_cut_off_a_majority_leaves_the_minority_stuck_and_a_local_answer_is_wrong() -> None:
    goal = {"everyone is answered": everyone_is_answered}
    majority = explore(cut_off(small(MajorityReplica)), eventually_possible=goal, **UNTIMED)
    assert set(majority.stuck) == set(goal)
    assert not majority.violations
    local = explore(cut_off(small(LocalReplica)), eventually_possible=goal, **UNTIMED)
    assert set(local.violations) == {"linearizable"}
    assert not local.stuck


@pytest.mark.parametrize("replica_class", [MajorityReplica, ForgetfulReplica])
def test_a_majority_remembers_through_a_crash_if_and_only_if_it_has_a_disk(replica_class: type[Replica]) -> None:
    nodes = registers(replica_class, {"alice": [write(1, "r1"), read("r2")]})
    found = explore(nodes, crashes={"r2": 1}, messages="fifo", **UNTIMED)
    assert found.verdict is (Verdict.HOLDS if replica_class is MajorityReplica else Verdict.VIOLATED)
