from __future__ import annotations

import pytest

from distlib.figures import story
from distlib.figures.story import Fate, Period
from distlib.node import Outcome
from distlib.runtimes.trace import Event, Kind, Trace
from tests.figures.samples import COORDINATOR, Commit, Phase, Prepare, Story, Vote, faults, phase, two_phase_commit


def channel(*events: tuple[Kind, str, int | None]) -> Trace:
    """Return a trace of messages from a to b: (kind, value, cause)."""
    return Trace(
        tuple(
            Event(number, float(number), kind, "b" if kind in (Kind.DELIVER, Kind.LOSE) else "a", value, None, cause)
            if kind not in (Kind.SEND, Kind.DUPLICATE)
            else Event(number, float(number), kind, "a", value, "b", cause)
            for number, (kind, value, cause) in enumerate(events)
        ),
        ("a", "b"),
    )


def test_a_message_is_paired_with_its_end_by_cause_and_not_by_value() -> None:
    trace = channel((Kind.SEND, "x", None), (Kind.SEND, "x", None), (Kind.LOSE, "x", 0), (Kind.DELIVER, "x", 1))
    assert [(m.send.number, m.end and m.end.number, m.fate) for m in story.messages(trace)] == [
        (0, 2, Fate.LOST),
        (1, 3, Fate.DELIVERED),
    ]


def test_a_message_without_an_end_is_under_way() -> None:
    (message,) = story.messages(channel((Kind.SEND, "x", None)))
    assert message.fate is Fate.UNDER_WAY


@pytest.mark.parametrize("cause", [0, 1])
def test_a_second_copy_is_a_duplicate_whether_its_cause_is_the_send_or_the_duplication(cause: int) -> None:
    trace = channel(
        (Kind.SEND, "x", None), (Kind.DUPLICATE, "x", 0), (Kind.DELIVER, "x", 0), (Kind.DELIVER, "x", cause)
    )
    assert [(m.duplicate, m.fate) for m in story.messages(trace)] == [(False, Fate.DELIVERED), (True, Fate.DELIVERED)]


def test_a_copy_that_has_not_arrived_is_under_way() -> None:
    trace = channel((Kind.SEND, "x", None), (Kind.DUPLICATE, "x", 0), (Kind.DELIVER, "x", 0))
    assert [m.fate for m in story.messages(trace)] == [Fate.DELIVERED, Fate.UNDER_WAY]


def test_a_message_is_overtaken_only_by_a_later_one_on_its_channel() -> None:
    swapped = channel((Kind.SEND, "x", None), (Kind.SEND, "y", None), (Kind.DELIVER, "y", 1), (Kind.DELIVER, "x", 0))
    straight = channel((Kind.SEND, "x", None), (Kind.SEND, "y", None), (Kind.DELIVER, "x", 0), (Kind.DELIVER, "y", 1))
    assert [m.overtaken for m in story.messages(swapped)] == [True, False]
    assert [m.overtaken for m in story.messages(straight)] == [False, False]


def test_a_node_is_down_from_its_crash_to_its_restart() -> None:
    trace = two_phase_commit()
    (period,) = story.downtimes(trace)
    assert (period.node, period.start.kind, period.end and period.end.kind) == ("delivery", Kind.CRASH, Kind.START)


def test_a_crash_without_a_restart_lasts_to_the_end() -> None:
    assert [(period.node, period.end) for period in story.downtimes(faults())] == [("right", None)]


def test_a_crash_ends_a_pause() -> None:
    sample = Story("a")
    sample.add(1, Kind.PAUSE, "a")
    sample.add(2, Kind.CRASH, "a")
    trace = sample.trace()
    assert story.pauses(trace) == [Period("a", trace[1], trace[2])]


def test_operations_are_paired_and_an_open_one_stays_unknown() -> None:
    sample = Story("client")
    first = sample.add(1, Kind.INVOKE, "client", ("read",))
    sample.add(2, Kind.COMPLETE, "client", (7, Outcome.OK), cause=first)
    sample.add(3, Kind.INVOKE, "client", ("write", 8))
    sample.add(4, Kind.COMPLETE, "client", (None, Outcome.FAIL))
    sample.add(5, Kind.INVOKE, "client", ("read",))
    found = story.operations(sample.trace())
    assert [str(operation) for operation in found] == ["read → 7", "write, 8 → fails", "read → ?"]
    assert [operation.outcome for operation in found] == [Outcome.OK, Outcome.FAIL, Outcome.UNKNOWN]


def test_a_partition_ends_when_its_last_pair_can_talk() -> None:
    sample = Story("a", "b", "c")
    pairs = frozenset({("a", "b"), ("b", "a"), ("a", "c"), ("c", "a")})
    sample.add(1, Kind.PARTITION, "", pairs)
    sample.add(2, Kind.HEAL, "", frozenset({("a", "b"), ("b", "a")}))
    sample.add(3, Kind.HEAL, "", frozenset({("a", "c"), ("c", "a")}))
    (partition,) = story.partitions(sample.trace())
    assert partition.end is not None
    assert partition.end.time_seconds == 0.003
    assert partition.describe(("a", "b", "c")) == "partition: a | b, c"


def test_a_one_way_cut_is_told_by_its_arrows() -> None:
    sample = Story("a", "b")
    sample.add(1, Kind.PARTITION, "", frozenset({("a", "b")}))
    (partition,) = story.partitions(sample.trace())
    assert partition.end is None
    assert partition.describe(("a", "b")) == "cut: a → b"


def test_states_are_bands_that_end_with_the_state_or_the_crash() -> None:
    bands = [
        (band.label, band.tone, band.end and band.end.kind)
        for band in story.state_bands(two_phase_commit(), ["delivery"], phase)
    ]
    assert bands == [
        ("in doubt", "wait", Kind.CRASH),
        ("in doubt", "wait", Kind.DELIVER),
        ("committed", "good", None),
    ]


def test_a_tone_that_is_not_one_is_refused() -> None:
    with pytest.raises(ValueError, match="a tone must be one of 'calm', 'wait', 'good' and 'bad', got 'angry'"):
        story.state_bands(two_phase_commit(), [COORDINATOR], lambda node: ("no", "angry"))


def test_words_do_not_depend_on_the_order_of_a_set() -> None:
    from distlib.figures.wording import headline, tell, words

    assert words(frozenset({"c", "a", "b"})) == "{a, b, c}"
    assert words({"b": frozenset({2, 1}), "a": Phase.PREPARED}) == "{a: in doubt, b: {1, 2}}"
    assert words((("a", 1), Vote(True))) == "(a, 1), Vote(agree yes)"
    assert [headline(message) for message in (Prepare(), Vote(False), Commit())] == ["Prepare", "Vote no", "Commit"]
    assert tell(two_phase_commit()[0], steps=False) == "coordinator restarts with nothing, 0 ms"
