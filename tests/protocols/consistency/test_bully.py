"""The bully algorithm: its handlers, runs with crashes, and what one late answer does to it."""

from distlib.experiments.consistency.leader_election import bully_processes
from distlib.models.latency import Constant
from distlib.node import CancelTimer, Send, SetTimer
from distlib.protocols.consistency.bully import (
    Answer,
    Coordinator,
    Election,
    Process,
    all_follow_the_highest,
    one_leader,
)
from distlib.runtimes.exploration import Verdict, explore
from distlib.runtimes.faults import Crash, Link, Network
from distlib.runtimes.simulation import simulate

RANKING = ("p1", "p2", "p3", "p4")
QUICK = Network(Link(Constant(0.01)))


def process(name: str) -> Process:
    return Process(name, RANKING)


def test_a_process_asks_all_above_it_and_waits_for_an_answer() -> None:
    node, effects = process("p2").elect()
    assert effects == (Send("p3", Election()), Send("p4", Election()), SetTimer("answer", (1.0, 1.0)))
    assert node.electing


def test_silence_makes_a_leader_that_tells_all_below_it() -> None:
    node, effects = process("p3").elect()[0].on_timer("answer")
    assert node.leader == "p3"
    assert effects == (Send("p1", Coordinator()), Send("p2", Coordinator()))


def test_an_answer_makes_it_wait_to_be_told_and_silence_then_asks_again() -> None:
    node, effects = process("p2").elect()[0].on_message("p4", Answer())
    assert effects == (CancelTimer("answer"), SetTimer("coordinator", (10.0, 10.0)))
    assert node.on_timer("coordinator") == process("p2").elect()
    assert process("p2").on_message("p4", Answer()) == (process("p2"), ())


def test_a_process_that_is_asked_answers_and_holds_one_election_of_its_own() -> None:
    node, effects = process("p3").on_message("p1", Election())
    assert effects[0] == Send("p1", Answer())
    assert Send("p4", Election()) in effects
    assert node.on_message("p2", Election())[1] == (Send("p2", Answer()),)


def test_the_highest_leads_at_once() -> None:
    node, effects = process("p4").on_message("p1", Election())
    assert node.leader == "p4"
    assert effects == (Send("p1", Answer()), *(Send(name, Coordinator()) for name in RANKING[:3]))


def test_all_follow_the_highest_that_is_up_after_crashes() -> None:
    faults = [Crash("p5", 0.0), Crash("p4", 1.005)]  # The second dies as it is about to win.
    run = simulate(bully_processes(5, [1, 2]), seed=1, network=QUICK, faults=faults, until_seconds=30.0)
    assert all_follow_the_highest(run.world)
    assert run.nodes["p1"].leader == "p3"


def test_one_slow_process_and_two_lead_at_once() -> None:
    slow = Link(Constant(2.0))
    network = Network(Link(Constant(0.01)), links={("p2", "p1"): slow, ("p3", "p1"): slow})
    run = simulate(bully_processes(3, [1]), seed=1, network=network, until_seconds=1.5)
    assert [name for name, node in run.nodes.items() if node.leader == name] == ["p1", "p3"]
    assert not one_leader(run.world)


def test_two_steps_are_enough_where_time_is_not_bounded() -> None:
    found = explore(bully_processes(3, [1]), always={"one leader": one_leader}, stop_at_violation=True)
    assert found.verdict is Verdict.VIOLATED
    assert found.violations["one leader"][-1].time_seconds == 2
