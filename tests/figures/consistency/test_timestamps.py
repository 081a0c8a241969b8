"""A trace with its clocks, and the dials of the chapter on timestamps."""

import pytest

from distlib.experiments.consistency.timestamps import chatter, stamp_trace, write_stamp
from distlib.experiments.transactions.two_phase_commit import bank, run_with
from distlib.figures.consistency.timestamps import bare, epsilon_dial, skew_dial, stamped, two_events
from distlib.models.latency import Constant
from distlib.models.transactions.two_phase_commit import CommitTiming
from distlib.protocols.consistency.hybrid_logical_clock import HybridClock
from distlib.protocols.consistency.timestamps import LamportClock, VectorClock
from distlib.runtimes.simulation import simulate
from distlib.runtimes.trace import Kind, Trace

TALK = bare(simulate(chatter(), seed=3).trace)


def test_a_bare_trace_keeps_the_sending_of_each_arrival() -> None:
    assert all(event.number == place for place, event in enumerate(TALK))
    for event in TALK.of(Kind.DELIVER):
        assert TALK[event.cause].kind is Kind.SEND
        assert TALK[event.cause].value == event.value


@pytest.mark.parametrize("clock", [LamportClock, VectorClock, HybridClock])
@pytest.mark.parametrize("direction", ["right", "down"])
def test_every_stamp_of_a_run_is_written(clock: type, direction: str) -> None:
    stamps = {number: write_stamp(stamp, TALK.names) for number, stamp in stamp_trace(TALK, clock).items()}
    html = stamped(TALK, stamps, alt="A run.", caption="A run.", direction=direction).html  # type: ignore[arg-type]
    assert all(f">{words}<" in html for words in stamps.values())


def test_a_two_phase_commit_can_be_given_its_clocks() -> None:
    timing = CommitTiming(3, Constant(0.001), None, 0.001, 0.002)
    trace = bare(run_with(timing, bank(3), seed=1).trace)
    stamps = stamp_trace(trace, LamportClock)
    html = stamped(trace, {n: write_stamp(s) for n, s in stamps.items()}, alt="A commit.", caption="A commit.").html
    assert html.count("<circle") >= len(trace)
    assert max(stamp[0] for stamp in stamps.values()) >= 14


def test_stamps_are_for_events_of_the_trace() -> None:
    with pytest.raises(ValueError, match=r"`stamps` must be for events in \[0, 11\], got \[99\]"):
        stamped(TALK, {99: "1"}, alt="A run.", caption="A run.")
    with pytest.raises(ValueError, match="`trace` must hold at least one event"):
        stamped(Trace((), ("a",)), {}, alt="A run.", caption="A run.")


def test_the_dials_tell_what_they_show() -> None:
    assert "acknowledged and lost" in skew_dial(identifier="skew").summary()
    assert "111 writes a second" in epsilon_dial(identifier="epsilon").summary(epsilon_ms=4.0)
    assert "5 ms in the mean" in epsilon_dial(identifier="epsilon").summary(epsilon_ms=0.0)


def test_two_events_are_told_as_they_are() -> None:
    figure = two_events(seed=3, identifier="events")
    assert "look like an order" in figure.summary()
    assert "neither happened before the other" in figure.summary()
    assert figure.summary(first=0, second=0) == "That is one and the same event."
    assert "It did." in figure.summary(first=0, second=1)
    assert figure.summary(first=1, second=0) == figure.summary(first=0, second=1)
