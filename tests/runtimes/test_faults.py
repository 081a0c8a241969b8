"""Links, clocks and faults: what they may be, and what the simulation makes of them."""

import itertools
import math
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from distlib.models.latency import Constant, Empirical, Exponential, LogNormal, Pareto, Shifted, Uniform
from distlib.node import Node, Save, Send, SetTimer
from distlib.runtimes.faults import (
    Clock,
    Crash,
    CrashAfterEffect,
    CrashRandomly,
    Delay,
    Link,
    Lose,
    Network,
    Partition,
    PartitionRandomly,
    Pause,
    PauseRandomly,
    Restart,
    nodes_of,
    pairs_between,
)
from distlib.runtimes.simulation import simulate
from distlib.runtimes.trace import Kind

MESSAGES = 4000


@dataclass(frozen=True)
class Burst(Node[int, None]):
    """Sends so many numbered messages at once."""

    target: str
    count: int = MESSAGES

    def on_start(self, saved):
        return self, tuple(Send(self.target, number) for number in range(self.count))

    def on_message(self, source, message):
        return self, ()


@dataclass(frozen=True)
class Sink(Node[object, None]):
    """Keeps what it gets."""

    got: tuple[object, ...] = ()

    def on_start(self, saved):
        return self, ()

    def on_message(self, source, message):
        return replace(self, got=(*self.got, message)), ()


@dataclass(frozen=True)
class Beacon(Node[int, int]):
    """Sends a number to each of its targets once a second, on its own clock, and saves it."""

    targets: tuple[str, ...] = ()
    number: int = 0
    heard: tuple[tuple[str, int], ...] = ()

    def on_start(self, saved):
        return replace(self, number=saved or 0), (SetTimer("beat", (1.0, 1.0)),)

    def on_timer(self, name):
        node = replace(self, number=self.number + 1)
        sends = tuple(Send(target, node.number) for target in self.targets)
        return node, (Save(node.number), *sends, SetTimer("beat", (1.0, 1.0)))

    def on_message(self, source, message):
        return replace(self, heard=(*self.heard, (source, message))), ()


def burst(link, count=MESSAGES, seed=1, **options):
    return simulate({"a": Burst("b", count), "b": Sink()}, seed=seed, network=Network(link), **options)


def beacons(*names, **options):
    """Nodes that all talk to each other."""
    nodes = {name: Beacon(tuple(other for other in names if other != name)) for name in names}
    return simulate(nodes, seed=1, **options)


def heard(run, name, source):
    return [number for each, number in run.nodes[name].heard if each == source]


def latencies(run):
    return np.array([event.time_seconds - run.trace[event.cause].time_seconds for event in run.trace.of(Kind.DELIVER)])


# Links.


@pytest.mark.parametrize(
    "law",
    [
        Uniform(0.001, 0.003),
        Exponential(0.02),
        LogNormal(0.01, 0.5),
        Pareto(0.001, 2.5),
        Shifted(Exponential(0.02), 0.01),
        stats.gamma(2.0, scale=0.01),
    ],
    ids=lambda law: repr(law).partition(" at 0x")[0],
)
def test_messages_take_as_long_as_the_law_of_their_link_says(law):
    run = burst(Link(law))
    assert len(latencies(run)) == MESSAGES
    assert stats.kstest(latencies(run), law.cdf).pvalue > 0.01


def test_messages_take_measured_latencies_as_often_as_they_were_measured():
    law = Empirical((0.001, 0.001, 0.002, 0.005))
    taken = Counter(latencies(burst(Link(law))).round(9).tolist())
    assert sorted(taken) == [0.001, 0.002, 0.005]
    expected = [MESSAGES / 2, MESSAGES / 4, MESSAGES / 4]
    assert stats.chisquare([taken[each] for each in sorted(taken)], expected).pvalue > 0.01


def test_links_and_directions_draw_independently():
    nodes = {"a": Burst("b"), "b": Burst("a"), "c": Burst("b")}
    run = simulate(nodes, seed=1, network=Network(Link(Exponential(1.0))))

    def drawn(source):
        events = run.trace.of(Kind.DELIVER, where=lambda event: event.peer == source)
        return [event.time_seconds for event in sorted(events, key=lambda event: event.value)]

    for one, other in itertools.combinations(nodes, 2):
        assert abs(stats.pearsonr(drawn(one), drawn(other)).statistic) < 3 / math.sqrt(MESSAGES)


@pytest.mark.parametrize("probability", [0.02, 0.5])
def test_the_fractions_lost_and_copied_are_as_probable_as_said(probability):
    link = Link(loss_probability=probability, duplicate_probability=probability)
    counts = burst(link, 5 * MESSAGES, record=False).counts
    for happened, of in ((counts.lost, counts.sent), (counts.duplicated, counts.sent - counts.lost)):
        interval = stats.binomtest(happened, of).proportion_ci(0.99, method="wilson")
        assert interval.low <= probability <= interval.high
        assert interval.high - interval.low < 0.05
    assert counts.delivered == counts.sent - counts.lost + counts.duplicated


def test_certain_loss_loses_all_and_certain_copies_copy_each_once():
    assert burst(Link(loss_probability=1.0), record=False).counts.delivered == 0
    counts = burst(Link(duplicate_probability=1.0), record=False).counts
    assert (counts.duplicated, counts.delivered) == (MESSAGES, 2 * MESSAGES)


def test_losses_do_not_depend_on_what_was_lost_before():
    run = burst(Link(loss_probability=0.3))
    lost = np.zeros(MESSAGES)
    lost[[event.value for event in run.trace.of(Kind.LOSE)]] = 1
    assert abs(stats.pearsonr(lost[1:], lost[:-1]).statistic) < 3 / math.sqrt(MESSAGES)


def test_an_ordered_link_never_reorders_and_one_with_random_latency_does():
    in_order = tuple(range(500))
    assert burst(Link(Exponential(1.0), ordered=True), 500).nodes["b"].got == in_order
    assert burst(Link(Constant(1.0)), 500).nodes["b"].got == in_order
    assert burst(Link(Exponential(1.0)), 500).nodes["b"].got != in_order


def test_an_ordered_link_delays_only_what_would_overtake():
    free, ordered = (burst(Link(Exponential(1.0), ordered=flag), 500) for flag in (False, True))

    def arrivals(run):
        return [event.time_seconds for event in sorted(run.trace.of(Kind.DELIVER), key=lambda event: event.value)]

    assert arrivals(ordered) == list(itertools.accumulate(arrivals(free), max))


def test_an_ordered_link_keeps_a_copy_behind_its_message():
    got = burst(Link(Exponential(1.0), duplicate_probability=0.5, ordered=True), 500).nodes["b"].got
    assert list(got) == sorted(got)
    assert len(got) > 600


def test_a_network_uses_its_default_where_no_link_is_named():
    slow = Link(Constant(5.0))
    run = beacons("a", "b", network=Network(links={("a", "b"): slow}), until_seconds=3.5)
    assert heard(run, "a", "b") == [1, 2, 3]
    assert heard(run, "b", "a") == []


# Single messages.


def test_one_message_is_lost_and_no_other():
    run = burst(Link(), 5, faults=[Lose("a", "b", 2), Lose("a", "b", 5)])
    assert run.nodes["b"].got == (0, 2, 3)
    assert [(event.value, event.note) for event in run.trace.of(Kind.LOSE)] == [(1, "loss"), (4, "loss")]


def test_one_message_is_delayed_and_no_other():
    run = burst(Link(Constant(1.0)), 4, faults=[Delay("a", "b", 2, extra_seconds=0.5)])
    assert run.nodes["b"].got == (0, 2, 3, 1)
    assert run.time_seconds == 1.5


def test_a_delayed_message_holds_up_an_ordered_link():
    run = burst(Link(Constant(1.0), ordered=True), 4, faults=[Delay("a", "b", 2, extra_seconds=0.5)])
    assert [(event.time_seconds, event.value) for event in run.trace.of(Kind.DELIVER)] == [
        (1.0, 0),
        (1.5, 1),
        (1.5, 2),
        (1.5, 3),
    ]


@dataclass(frozen=True)
class Prepare:
    number: int


@dataclass(frozen=True)
class Commit:
    number: int


@dataclass(frozen=True)
class Committing(Burst):
    """Sends two kinds of messages in turn."""

    def on_start(self, saved):
        return self, tuple(Send(self.target, kind(number)) for number in (1, 2) for kind in (Prepare, Commit))


def test_messages_can_be_counted_by_class():
    nodes = {"a": Committing("b"), "b": Sink()}
    faults = [Lose("a", "b", 2, message_class="Prepare"), Delay("a", "b", 1, 9.0, message_class="Commit")]
    assert simulate(nodes, seed=1, faults=faults).nodes["b"].got == (Prepare(1), Commit(2), Commit(1))
    any_class = simulate(nodes, seed=1, faults=[Lose("a", "b", 2)])
    assert any_class.nodes["b"].got == (Prepare(1), Prepare(2), Commit(2))


# Partitions.


def test_a_symmetric_partition_stops_both_directions_until_it_heals():
    partition = Partition(2.5, 4.5, groups=({"a"}, {"b", "c"}))
    run = beacons("a", "b", "c", "outside", faults=[partition], until_seconds=6.5)
    for one, other in (("a", "b"), ("b", "a"), ("a", "c"), ("c", "a")):
        assert heard(run, one, other) == [1, 2, 5, 6]
    # Within a group, and with a node in no group, all goes on.
    for one, other in (("b", "c"), ("c", "b"), ("a", "outside"), ("outside", "a"), ("outside", "b")):
        assert heard(run, one, other) == [1, 2, 3, 4, 5, 6]
    assert {event.note for event in run.trace.of(Kind.LOSE)} == {"partition"}
    start, end = run.trace.of(Kind.PARTITION, Kind.HEAL)
    assert (start.time_seconds, end.time_seconds) == (2.5, 4.5)
    assert start.value == end.value == partition.pairs()


def test_an_asymmetric_partition_stops_one_direction():
    run = beacons("a", "b", faults=[Partition(2.5, 4.5, cut={("a", "b")})], until_seconds=6.5)
    assert heard(run, "b", "a") == [1, 2, 5, 6]
    assert heard(run, "a", "b") == [1, 2, 3, 4, 5, 6]


def test_a_partition_without_an_end_stays():
    run = beacons("a", "b", faults=[Partition(2.5, groups=({"a"}, {"b"}))], until_seconds=9.5)
    assert heard(run, "a", "b") == heard(run, "b", "a") == [1, 2]


def test_a_partition_at_time_0_cuts_what_is_sent_at_boot():
    run = burst(Link(Constant(1.0)), 5, faults=[Partition(0.0, 0.5, cut={("a", "b")})])
    assert run.nodes["b"].got == ()
    assert [event.time_seconds for event in run.trace.of(Kind.LOSE)] == [0.0] * 5


@pytest.mark.parametrize(
    ("begins", "heals", "delivered"),
    [(0.2, 0.8, True), (0.2, 1.2, False), (1.1, 2.0, True)],
    ids=["heals before the arrival", "lasts at the arrival", "begins after the arrival"],
)
def test_a_message_in_flight_is_lost_if_its_link_is_cut_when_it_would_arrive(begins, heals, delivered):
    run = burst(Link(Constant(1.0)), 1, faults=[Partition(begins, heals, cut={("a", "b")})])
    assert run.nodes["b"].got == ((0,) if delivered else ())
    if not delivered:
        lost = run.trace.of(Kind.LOSE)[0]
        assert (lost.time_seconds, lost.note, run.trace[lost.cause].kind) == (1.0, "partition", Kind.SEND)


def test_a_link_that_two_partitions_cut_carries_again_after_both():
    faults = [Partition(1.5, 3.5, cut={("a", "b")}), Partition(2.5, 5.5, cut={("a", "b"), ("b", "a")})]
    run = beacons("a", "b", faults=faults, until_seconds=7.5)
    assert heard(run, "b", "a") == [1, 6, 7]
    assert heard(run, "a", "b") == [1, 2, 6, 7]
    assert [set(event.value) for event in run.trace.of(Kind.HEAL)] == [set(), {("a", "b"), ("b", "a")}]


# Faults drawn at rates.


def spans(run, name, begin, end):
    """How long the faults of a node lasted, and how long the times between them."""
    times = [(event.time_seconds, event.kind) for event in run.trace.of(begin, end, node=name)]
    times = times if times[0][1] is begin else times[1:]
    durations = [later - earlier for (earlier, _), (later, _) in itertools.pairwise(times)]
    return durations[::2], durations[1::2]


@pytest.mark.parametrize(
    ("fault", "begin", "end"),
    [(CrashRandomly, Kind.CRASH, Kind.START), (PauseRandomly, Kind.PAUSE, Kind.RESUME)],
)
def test_random_crashes_and_pauses_follow_their_laws(fault, begin, end):
    # Laws with a memory: with exponential ones it would not show from where a time is counted.
    time_to_fault, time_to_repair = Uniform(5.0, 15.0), Uniform(1.0, 4.0)
    faults = [fault(("a", "b"), time_to_fault, time_to_repair)]
    run = simulate({"a": Sink(), "b": Sink(), "c": Sink()}, seed=2, faults=faults, until_seconds=8000.0)
    both = [spans(run, name, begin, end) for name in ("a", "b")]
    for down, up in both:
        assert len(down) > 600
        assert stats.kstest(down, time_to_repair.cdf).pvalue > 0.01
        assert stats.kstest(up, time_to_fault.cdf).pvalue > 0.01
    for one, other in zip(*both, strict=True):
        assert not np.allclose(one[:100], other[:100])
    assert run.trace.of(begin, node="c") == []


def test_the_timetable_of_random_crashes_does_not_depend_on_other_crashes():
    faults = [CrashRandomly(("a",), Exponential(10.0), Exponential(1.0))]
    alone = simulate({"a": Sink()}, seed=1, faults=faults, until_seconds=500.0)
    disturbed = simulate({"a": Sink()}, seed=1, faults=[*faults, Crash("a", 100.0, 1.0)], until_seconds=500.0)
    before = {event.time_seconds for event in alone.trace.of(Kind.CRASH)}
    after = {event.time_seconds for event in disturbed.trace.of(Kind.CRASH)}
    assert after == before | {100.0}


def test_random_partitions_split_their_nodes_in_every_way_equally_often():
    names = ("a", "b", "c", "d")
    faults = [PartitionRandomly(names, Exponential(1.0), Exponential(1.0))]
    run = simulate({name: Sink() for name in (*names, "e")}, seed=1, faults=faults, until_seconds=6000.0)
    cuts = run.trace.of(Kind.PARTITION)
    splits = Counter(cut.value for cut in cuts)
    assert len(cuts) > 2500
    assert set(splits) == {
        pairs_between([set(group), set(names) - set(group)])
        for size in (1, 2)
        for group in itertools.combinations(names, size)
    }
    assert stats.chisquare(list(splits.values())).pvalue > 0.01
    times = [event.time_seconds for event in run.trace.of(Kind.PARTITION, Kind.HEAL)]
    durations = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert stats.kstest(durations[::2], Exponential(1.0).cdf).pvalue > 0.01
    assert stats.kstest(durations[1::2], Exponential(1.0).cdf).pvalue > 0.01


# Whatever happens.

NAMES = ("a", "b", "c")
seconds = st.floats(0.0, 10.0, allow_nan=False)
durations = st.floats(0.01, 3.0, allow_nan=False)
nodes = st.sampled_from(NAMES)
probabilities = st.sampled_from([0.0, 0.1, 0.5, 1.0])
laws = st.sampled_from([Constant(0.0), Constant(0.3), Exponential(0.5), Uniform(0.0, 1.0)])
links = st.builds(Link, laws, probabilities, probabilities, st.booleans())
faults = st.one_of(
    st.builds(Crash, nodes, seconds, st.none() | durations),
    st.builds(Restart, nodes, seconds),
    st.builds(Pause, nodes, seconds, durations),
    st.builds(
        lambda at, length, pairs: Partition(at, at + length, cut=pairs),
        seconds,
        durations,
        st.sets(st.tuples(nodes, nodes), min_size=1),
    ),
    st.builds(Lose, nodes, nodes, st.integers(1, 5)),
    st.builds(Delay, nodes, nodes, st.integers(1, 5), durations),
)
endless = st.sampled_from(
    [
        CrashRandomly(("a", "b"), Exponential(2.0), Exponential(0.5)),
        PauseRandomly(("b", "c"), Exponential(2.0), Exponential(0.5)),
        PartitionRandomly(NAMES, Exponential(2.0), Exponential(0.5)),
        CrashAfterEffect("a", 0, 0.5),
        CrashAfterEffect("a", 5, 0.5),
        CrashAfterEffect("c", 9),
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    default=links,
    special=st.dictionaries(st.tuples(nodes, nodes), links, max_size=3),
    misfortunes=st.lists(faults, max_size=6),
    more=st.lists(endless, max_size=3, unique_by=repr),
    save_latency=laws,
    until_seconds=seconds,
    seed=st.integers(0, 2**32),
)
def test_no_message_is_created_from_nothing_and_none_vanishes(
    default, special, misfortunes, more, save_latency, until_seconds, seed
):
    run = simulate(
        {name: Beacon(NAMES) for name in NAMES},
        seed=seed,
        network=Network(default, special),
        faults=[*misfortunes, *more],
        save_latency=save_latency,
        until_seconds=until_seconds,
    )
    counts = run.counts
    assert counts.sent + counts.duplicated == counts.delivered + counts.lost + len(run.world.in_flight)
    assert_sound(run)


def assert_sound(run):
    """What must hold of every trace."""
    up = dict.fromkeys(NAMES, False)
    paused = dict.fromkeys(NAMES, False)
    copies = Counter()
    durable = dict.fromkeys(NAMES)
    time_seconds = 0.0
    for event in run.trace:
        assert event.time_seconds >= time_seconds
        time_seconds = event.time_seconds
        match event.kind:
            case Kind.START:
                assert not up[event.node]
                assert event.value == durable[event.node]
                up[event.node] = True
            case Kind.CRASH:
                assert up[event.node]
                up[event.node] = paused[event.node] = False
            case Kind.PAUSE | Kind.RESUME:
                assert paused[event.node] == (event.kind is Kind.RESUME)
                paused[event.node] = event.kind is Kind.PAUSE
            case Kind.SAVE:
                assert up[event.node]
                durable[event.node] = event.value
            case Kind.SEND:
                copies[event.number] += 1
            case Kind.DUPLICATE:
                copies[event.cause] += 1
            case Kind.LOSE:
                copies[event.cause] -= 1
            case Kind.DELIVER:
                copies[event.cause] -= 1
                assert event.time_seconds >= run.trace[event.cause].time_seconds
        if event.kind in (Kind.DELIVER, Kind.TIMER, Kind.SEND, Kind.SET_TIMER):
            assert up[event.node]
            assert not paused[event.node]
    assert min(copies.values(), default=0) >= 0
    assert copies.total() == len(run.world.in_flight)
    assert run.saved == durable
    assert {name: node is not None for name, node in run.nodes.items()} == up


# What is refused.


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Link(loss_probability=1.01), r"`loss_probability` must be in \[0, 1\], got 1.01"),
        (lambda: Link(loss_probability=math.nan), r"`loss_probability` must be in \[0, 1\], got nan"),
        (lambda: Link(loss_probability="few"), r"`loss_probability` must be in \[0, 1\], got 'few'"),
        (lambda: Link(duplicate_probability=-0.1), r"`duplicate_probability` must be in \[0, 1\], got -0.1"),
        (lambda: Link(stats.norm()), "`latency` must never be negative"),
        (lambda: Clock(skew_seconds=math.inf), "`skew_seconds` must be finite, got inf"),
        (lambda: Clock(drift=-1.0), "`drift` must be finite and above -1, got -1.0"),
        (lambda: Clock(drift=math.nan), "`drift` must be finite and above -1, got nan"),
        (lambda: Crash("a", -1.0), "`at_seconds` must be finite and at least 0, got -1.0"),
        (lambda: Crash("a", "soon"), "`at_seconds` must be finite and at least 0, got 'soon'"),
        (lambda: Crash("a", 1.0, -1.0), "`restart_after_seconds` must be finite and at least 0, got -1.0"),
        (lambda: Restart("a", math.nan), "`at_seconds` must be finite and at least 0, got nan"),
        (lambda: CrashAfterEffect("a", -1), "`effect_number` must be a whole number of at least 0, got -1"),
        (lambda: CrashAfterEffect("a", 1.5), "`effect_number` must be a whole number of at least 0, got 1.5"),
        (lambda: CrashAfterEffect("a", 1, -1.0), "`restart_after_seconds` must be finite and at least 0, got -1.0"),
        (lambda: Pause("a", 1.0, 0.0), "`duration_seconds` must be finite and above 0, got 0.0"),
        (lambda: Lose("a", "b", 0), "`number` must be a whole number of at least 1, got 0"),
        (lambda: Delay("a", "b", 1, 0.0), "`extra_seconds` must be finite and above 0, got 0.0"),
        (lambda: Partition(1.0), "give either `groups` or `cut`, got groups=.* and cut="),
        (lambda: Partition(1.0, groups=({"a"}, {"b"}), cut={("a", "b")}), "give either `groups` or `cut`"),
        (lambda: Partition(1.0, groups=({"a"},)), r"`groups` must be at least two sets .* got \[\['a'\]\]"),
        (
            lambda: Partition(1.0, groups=({"a"}, {"a", "b"})),
            "`groups` must be at least two sets of names without common",
        ),
        (lambda: Partition(1.0, groups=({"a"}, set())), "`groups` must list at least 1 different names, got"),
        (
            lambda: Partition(2.0, 1.0, cut={("a", "b")}),
            r"`until_seconds` must be finite and above `at_seconds` \(2.0\)",
        ),
        (lambda: CrashRandomly((), Constant(1.0), Constant(1.0)), "`nodes` must list at least 1 different names"),
        (lambda: CrashRandomly(("a", "a"), Constant(1.0), Constant(1.0)), "`nodes` must list at least 1 different"),
        (lambda: PartitionRandomly(("a",), Constant(1.0), Constant(1.0)), "`nodes` must list at least 2 different"),
    ],
)
def test_values_outside_their_domain_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Link(0.1), "`latency` must be a law"),
        (lambda: Network(Constant(1.0)), "a network is made of Link values, got Constant"),
        (lambda: Network(links={("a", "b"): Constant(1.0)}), "a network is made of Link values, got Constant"),
        (lambda: Network(links={"ab": Link()}), r"`links` must name links as pairs \(source, target\), got 'ab'"),
        (lambda: Crash(1, 1.0), "`node` must be the name of a node, got 1"),
        (lambda: Lose("a", None, 1), "`target` must be the name of a node, got None"),
        (lambda: Lose("a", "b", 1, message_class=Prepare), "`message_class` must be the name of a message's class"),
        (lambda: Delay("a", "b", 1, 1.0, message_class=Prepare), "`message_class` must be the name of a message's"),
        (lambda: Partition(1.0, cut={"ab"}), r"`cut` must name links as pairs \(source, target\), got 'ab'"),
        (lambda: Partition(1.0, groups=("a", "b")), r"`groups` must list names of nodes, such as \('a',\)"),
        (lambda: CrashRandomly("ab", Constant(1.0), Constant(1.0)), "`nodes` must list names of nodes, such as"),
        (lambda: CrashRandomly(("a",), 1.0, Constant(1.0)), "`time_to_failure` must be a law"),
        (lambda: CrashRandomly(("a",), Constant(1.0), 1.0), "`time_to_repair` must be a law"),
        (lambda: PauseRandomly(("a",), 1.0, Constant(1.0)), "`time_to_pause` must be a law"),
        (lambda: PauseRandomly(("a",), Constant(1.0), 1.0), "`time_to_resume` must be a law"),
        (lambda: PartitionRandomly(NAMES, 1.0, Constant(1.0)), "`time_to_partition` must be a law"),
        (lambda: PartitionRandomly(NAMES, Constant(1.0), 1.0), "`time_to_heal` must be a law"),
        (lambda: nodes_of("crash"), "`faults` must be made of faults such as"),
    ],
)
def test_values_of_the_wrong_kind_are_refused_by_name(make, message):
    with pytest.raises(TypeError, match=message):
        make()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (CrashRandomly(("a", "b"), Constant(1.0), Constant(1.0)), "at most one CrashRandomly of 'a', got two"),
        (PartitionRandomly(("b", "a"), Constant(1.0), Constant(1.0)), r"at most one PartitionRandomly of \['a', 'b'\]"),
        (CrashAfterEffect("a", 3), "at most one CrashAfterEffect of 'a' with effect_number 3, got two"),
    ],
)
def test_faults_that_would_share_their_draws_or_their_place_are_refused(fault, message):
    with pytest.raises(ValueError, match=message):
        beacons("a", "b", faults=[fault, replace(fault)], until_seconds=1.0)


def test_numbers_and_names_may_come_from_numpy_and_from_sets():
    assert CrashAfterEffect("a", np.int64(3)) == CrashAfterEffect("a", 3)
    fault = CrashRandomly({"b", "a", "c"}, Constant(1.0), Constant(1.0))
    assert fault.nodes == ("a", "b", "c")
    assert hash(Partition(1.0, groups=({"a"}, {"b"}))) == hash(Partition(1.0, groups=({"a"}, {"b"})))


@pytest.mark.parametrize(
    ("fault", "names"),
    [
        (Crash("b", 1.0), ("b",)),
        (Delay("b", "a", 1, 1.0), ("a", "b")),
        (Partition(1.0, cut={("c", "a")}), ("a", "c")),
        (PauseRandomly(("c", "b"), Constant(1.0), Constant(1.0)), ("b", "c")),
    ],
)
def test_a_fault_knows_the_nodes_that_it_concerns(fault, names):
    assert nodes_of(fault) == names
