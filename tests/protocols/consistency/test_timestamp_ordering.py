"""Timestamp ordering: what the store refuses, every assignment of stamps, and mistakes whose anomalies have names."""

import pytest

from distlib.broken.consistency.timestamp_ordering import (
    DropsBeforeItChecks,
    ForgetsReaders,
    RemembersReadersInMemory,
)
from distlib.experiments.consistency.timestamp_ordering import (
    counters,
    explore_order,
    judge,
    late_writer,
    refusals,
    two_counters,
    write_skew,
)
from distlib.models.latency import Exponential
from distlib.node import Complete, Invoke, Outcome, ReadClock, Save, Send
from distlib.protocols.consistency.timestamp_ordering import (
    Answer,
    Client,
    Commit,
    Committed,
    Program,
    Read,
    Refused,
    Rule,
    Store,
)

RULES = list(Rule)


def at(time: float, name: str = "a") -> tuple[float, str]:
    return (time, name)


def store(rule: Rule, *messages: Read | Commit) -> Store:
    node = Store(rule)
    for message in messages:
        node, _ = node.on_message("c", message)
    return node


def answer(node: Store, message: Read | Commit) -> object:
    _, effects = node.on_message("c", message)
    return effects[-1].message  # type: ignore[union-attr]


WRITE_5 = Commit(at(5), (("x", "five"),))


@pytest.mark.parametrize("rule", RULES)
def test_a_read_gets_the_value_of_an_earlier_transaction_and_is_noted_before_it_is_answered(rule: Rule) -> None:
    node, effects = store(rule, WRITE_5).on_message("c", Read(at(6), "x"))
    assert effects == (Save(node.state), Send("c", Answer(at(6), "x", "five")))
    assert dict(node.state.versions)["x"][-1].read == at(6)


def test_a_read_that_comes_after_a_later_write_is_refused_unless_old_versions_are_kept() -> None:
    for rule in (Rule.BASIC, Rule.THOMAS):
        assert answer(store(rule, WRITE_5), Read(at(4), "x")) == Refused(at(4), at(5))
    assert answer(store(Rule.MULTIVERSION, WRITE_5), Read(at(4), "x")) == Answer(at(4), "x", None)


@pytest.mark.parametrize("rule", RULES)
def test_a_write_that_a_later_reader_has_missed_is_refused(rule: Rule) -> None:
    node = store(rule, Read(at(6), "x"))
    assert answer(node, WRITE_5) == Refused(at(5), at(6))


def test_a_write_behind_a_later_write_is_refused_dropped_or_kept_as_an_old_version() -> None:
    late = Commit(at(4), (("x", "four"),))
    assert answer(store(Rule.BASIC, WRITE_5), late) == Refused(at(4), at(5))
    for rule, values in ((Rule.THOMAS, ["five"]), (Rule.MULTIVERSION, ["", "four", "five"])):
        node = store(rule, WRITE_5)
        assert answer(node, late) == Committed(at(4))
        after, _ = node.on_message("c", late)
        assert [version.value for version in dict(after.state.versions)["x"]] == values


@pytest.mark.parametrize("rule", RULES)
def test_writes_of_one_transaction_are_taken_together_or_not_at_all(rule: Rule) -> None:
    node = store(rule, Read(at(6), "y"))
    after, effects = node.on_message("c", Commit(at(5), (("x", "1"), ("y", "2"))))
    assert isinstance(effects[-1].message, Refused)  # type: ignore[union-attr]
    assert dict(after.state.versions).keys() == {"y"}


@pytest.mark.parametrize("rule", RULES)
def test_a_copy_of_a_commit_is_answered_as_the_first_was(rule: Rule) -> None:
    node = store(rule, WRITE_5, Read(at(7), "x"))
    assert answer(node, WRITE_5) == Committed(at(5))
    refused = store(rule, Read(at(7), "x"), WRITE_5)
    assert isinstance(answer(refused, WRITE_5), Refused)


def test_a_store_that_comes_back_knows_who_has_read() -> None:
    node, _ = Store(Rule.BASIC).on_start(store(Rule.BASIC, Read(at(6), "x")).state)
    assert answer(node, WRITE_5) == Refused(at(5), at(6))


def test_a_client_reads_then_commits_and_records_what_it_saw() -> None:
    client = Client("a", "s", (Program(("x",), ("y",)),))
    node, effects = client.on_timer("begin")
    assert effects == (Invoke((("read", "x"), ("write", "y", "a1"))), ReadClock("stamp"))
    node, effects = node.on_clock("stamp", 3.0)
    assert effects == (Send("s", Read(at(3.0), "x")),)
    node, effects = node.on_message("s", Answer(at(3.0), "x", "b1"))
    assert effects == (Send("s", Commit(at(3.0), (("y", "a1"),))),)
    assert node.on_message("s", Answer(at(3.0), "x", "b1")) == (node, ())
    _, effects = node.on_message("s", Committed(at(3.0)))
    assert effects == (Complete(("b1",)),)


def test_a_client_that_was_refused_takes_a_stamp_above_the_one_that_it_was_refused_for() -> None:
    node, _ = Client("a", "s", (Program((), ("y",)),)).on_timer("begin")
    node, _ = node.on_clock("stamp", 3.0)
    node, effects = node.on_message("s", Refused(at(3.0), at(9.0, "b")))
    assert effects[0] == Complete(None, Outcome.FAIL)
    node, _ = node.on_timer("begin")
    learned, _ = node.on_clock("stamp", 3.5)
    assert learned.stamp > at(9.0, "b")


# --------------------------------------------------------------------------------------------------------------- runs


@pytest.mark.parametrize("rule", RULES)
def test_runs_are_serializable_with_a_clock_that_is_behind(rule: Rule) -> None:
    for seed in range(6):
        run = counters(rule, 4, 10, seed=seed, leg=Exponential(0.002), behind_seconds=0.02)
        assert judge(run.trace).holds("serializable")
        assert run.ended == "quiet"


def test_a_clock_that_is_behind_is_refused_more_often_and_most_if_it_does_not_learn() -> None:
    def refused(behind_seconds: float, learns: bool) -> int:
        runs = [
            counters(Rule.BASIC, 4, 10, seed=seed, leg=Exponential(0.001), behind_seconds=behind_seconds, learns=learns)
            for seed in range(6)
        ]
        return sum(refusals(run)["c3"][0] for run in runs)

    assert refused(0.0, True) < refused(0.05, True) < refused(0.05, False)


def test_a_reader_whose_clock_is_behind_reads_the_past_where_versions_are_kept() -> None:
    runs = [
        counters(Rule.MULTIVERSION, 4, 10, seed=seed, leg=Exponential(0.001), behind_seconds=0.05) for seed in range(4)
    ]
    assert any("G-single-item-realtime" in judge(run.trace).anomalies for run in runs)


# --------------------------------------------------------------------------------------------------------- exploration


@pytest.mark.parametrize(("rule", "states"), [*zip(RULES, (9_882, 8_958, 8_292), strict=True)])
def test_every_assignment_of_stamps_is_serializable(rule: Rule, states: int) -> None:
    assert explore_order(late_writer(Store(rule))).require_holds().states == states
    explore_order(two_counters(Store(rule)), (0.0, 1.0)).require_holds()
    explore_order(write_skew(Store(rule)), (0.0, 1.0)).require_holds()


@pytest.mark.parametrize(
    ("nodes", "anomaly"),
    [
        (two_counters(ForgetsReaders(Rule.BASIC)), "lost-update"),
        (write_skew(ForgetsReaders(Rule.BASIC)), "G2-item"),
        (write_skew(ForgetsReaders(Rule.MULTIVERSION)), "G2-item"),
        (late_writer(DropsBeforeItChecks(Rule.THOMAS)), "G-single-item"),
    ],
    ids=["lost update", "write skew", "write skew with versions", "read skew"],
)
def test_a_store_with_a_mistake_shows_an_anomaly_that_has_a_name(nodes: dict, anomaly: str) -> None:
    found = explore_order(nodes)
    assert next(iter(judge(found.violations["serializable"]).anomalies)) == anomaly


def test_a_crash_that_forgets_readers_shows_write_skew_and_the_store_survives_it() -> None:
    kept = explore_order(write_skew(Store(Rule.BASIC)), (0.0, 1.0), crashes=1).require_holds()
    assert kept.states == 1_137
    forgot = explore_order(write_skew(RemembersReadersInMemory(Rule.BASIC)), (0.0, 1.0), crashes=1)
    assert "G2-item" in judge(forgot.violations["serializable"]).anomalies


@pytest.mark.parametrize(("rule", "steps"), [(Rule.BASIC, None), (Rule.THOMAS, 10), (Rule.MULTIVERSION, 8)])
def test_only_the_basic_rule_respects_real_time(rule: Rule, steps: int | None) -> None:
    found = explore_order(late_writer(Store(rule)), level="strict-serializable")
    broken = found.violations.get("strict-serializable")
    assert (None if broken is None else broken[-1].time_seconds) == steps
