"""Calls, pages and queues: handlers, every fault at once, every interleaving of small instances, five mistakes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from distlib.broken.background import (
    CarelessCaller,
    CounterWithoutMemory,
    ForgetfulCounter,
    HastyCounter,
    TwoWritesCounter,
)
from distlib.experiments.background import call, chaos, measure_retried_call
from distlib.node import CancelTimer, Complete, Invoke, Outcome, Save, Send, SetTimer
from distlib.protocols.background import (
    Add,
    Ask,
    Call,
    Caller,
    Counter,
    CounterLog,
    Done,
    FrontEnd,
    Job,
    Part,
    Queue,
    Shard,
    Source,
    Tick,
    Total,
    acknowledged,
    asked_for,
    carried_out,
    gave_up_before_it_was_done,
    gave_up_on_what_is_done,
    gave_up_on_what_never_comes,
    never_twice,
    nothing_lost,
)
from distlib.runtimes.exploration import Exploration, explore
from distlib.runtimes.faults import Lose
from distlib.runtimes.simulation import simulate

SAFE = {"never twice": never_twice, "nothing lost": nothing_lost}
PATIENCE = SetTimer("patience", (0.05, 0.05))


def explored(nodes: dict, **crashes: int) -> Exploration:
    return explore(nodes, messages="set", crashes=crashes, always=SAFE, record_history=True, stop_at_violation=True)


# ------------------------------------------------------------------------------------------------------------ the call


def test_counter_saves_the_total_and_the_call_together_before_it_answers() -> None:
    log = CounterLog(5, (("a", Call(1, 5)),))
    assert Counter().on_message("a", Add(1, 5)) == (Counter(log), (Save(log), Send("a", Total(1, 5))))


def test_counter_answers_the_last_call_again_without_a_write() -> None:
    counter = Counter(CounterLog(9, (("a", Call(2, 7)), ("b", Call(1, 9)))))
    node, effects = counter.on_message("a", Add(2, 2))
    assert node is counter
    assert effects == (Send("a", Total(2, 7)),)


def test_counter_leaves_a_call_alone_whose_caller_has_moved_on() -> None:
    counter = Counter(CounterLog(9, (("a", Call(2, 7)),)))
    assert counter.on_message("a", Add(1, 2)) == (counter, ())


def test_calls_of_two_callers_have_numbers_of_their_own() -> None:
    counter, _ = Counter().on_message("a", Add(1, 1))
    counter, effects = counter.on_message("b", Add(1, 1))
    assert effects[-1] == Send("b", Total(1, 2))


def test_caller_saves_its_number_before_anyone_hears_of_it() -> None:
    _, effects = Caller("counter", (3,)).on_start(None)
    assert effects == (Save(1), Invoke(("add", 3)), Send("counter", Add(1, 3)), PATIENCE)


def test_caller_goes_on_behind_the_call_that_its_disk_knows_of() -> None:
    node, effects = Caller("counter", (3, 4)).on_start(1)
    assert effects[2] == Send("counter", Add(2, 4))
    assert node.number == 2
    assert Caller("counter", (3, 4)).on_start(2)[1] == ()


def test_caller_asks_again_and_then_gives_up_without_knowing() -> None:
    caller, _ = Caller("counter", retries=1).on_start(None)
    caller, effects = caller.on_timer("patience")
    assert effects == (Send("counter", Add(1, 1)), PATIENCE)
    caller, effects = caller.on_timer("patience")
    assert effects == (Complete(None, Outcome.UNKNOWN),)
    assert not caller.is_open


def test_caller_ignores_the_answer_to_an_earlier_call() -> None:
    caller, _ = Caller("counter", (1, 1)).on_start(None)
    caller, effects = caller.on_message("counter", Total(1, 1))
    assert effects[:2] == (CancelTimer("patience"), Complete(1))
    assert caller.on_message("counter", Total(1, 1)) == (caller, ())


def test_caller_needs_a_number_of_retries_of_at_least_zero() -> None:
    with pytest.raises(ValueError, match="`retries` must be at least 0, got -1"):
        Caller("counter", retries=-1)


def test_a_caller_that_gave_up_cannot_tell_three_worlds_apart() -> None:
    worlds = {
        "done": gave_up_on_what_is_done,
        "on its way": gave_up_before_it_was_done,
        "never": gave_up_on_what_never_comes,
    }
    found = explore(call(), losses=1, crashes={"counter": 1}, sometimes=worlds, record_history=True)
    assert (found.states, found.unwitnessed) == (36, ())
    assert len({found.witnesses[world].states("caller")[-1][1] for world in worlds}) == 1


def test_no_call_is_lost_or_carried_out_twice_in_every_interleaving() -> None:
    found = explored(call(amounts=(1, 1), retries=1), counter=2, caller=1)
    found.require_holds()
    assert found.states == 671


@pytest.mark.parametrize(
    ("nodes", "broken"),
    [
        (call(CounterWithoutMemory(), amounts=(1, 1), retries=1), "never twice"),
        (call(ForgetfulCounter(), amounts=(1, 1), retries=1), "never twice"),
        (call(TwoWritesCounter(), amounts=(1, 1), retries=1), "never twice"),
        (call(HastyCounter(), amounts=(1, 1), retries=1), "nothing lost"),
        (call(caller_class=CarelessCaller, amounts=(1, 1), retries=1), "nothing lost"),
    ],
    ids=["no memory", "memory not on disk", "two writes", "answers first", "careless caller"],
)
def test_each_mistake_is_caught(nodes: dict, broken: str) -> None:
    assert set(explored(nodes, counter=1, caller=1).violations) == {broken}


def test_without_crashes_the_careless_are_right() -> None:
    for nodes in (call(HastyCounter(), retries=1), call(caller_class=CarelessCaller, retries=1)):
        explored(nodes).require_holds()


def test_with_every_fault_at_once_nothing_is_lost_and_some_that_were_given_up_were_done() -> None:
    worlds = [chaos(call(amounts=(1,) * 40, retries=3), seed=seed).world for seed in range(20)]
    assert all(never_twice(world) and nothing_lost(world) for world in worlds)
    done = sum(carried_out(world) - acknowledged(world) for world in worlds)
    assert 0 < done < sum(asked_for(world) - acknowledged(world) for world in worlds)


@pytest.mark.parametrize("crash_point", [1, 2])
def test_a_call_is_carried_out_once_over_sockets_though_its_server_is_killed(crash_point: int) -> None:
    assert measure_retried_call(call(retries=200), crash_point=crash_point) == (1, 1, 1)


# ------------------------------------------------------------------------------------------------------------ the page


def test_front_end_asks_every_shard_once_and_completes_with_the_last_part() -> None:
    front, effects = FrontEnd((("s1", "t1"), ("s2", "t2"))).on_start(None)
    assert effects == (Invoke(("page", 1)), Send("s1", Ask(1, 0)), Send("s2", Ask(1, 1)))
    front, effects = front.on_message("s2", Part(1, 1))
    assert (front.missing, effects) == (frozenset({0}), ())
    assert front.on_message("s2", Part(1, 1)) == (front, ())
    front, effects = front.on_message("s1", Part(1, 0))
    assert effects == (CancelTimer("hedge"), Complete())


def test_front_end_asks_the_second_server_of_what_is_missing_and_of_nothing_else() -> None:
    front, effects = FrontEnd((("s1", "t1"), ("s2", "t2"), ("s3",)), hedge_seconds=0.02).on_start(None)
    assert effects[-1] == SetTimer("hedge", (0.02, 0.02))
    front = replace(front, missing=frozenset({1, 2}))
    assert front.on_timer("hedge") == (front, (Send("t2", Ask(1, 1)),))


def test_a_late_part_of_an_earlier_page_counts_for_nothing() -> None:
    front, _ = FrontEnd((("s1",),), page_count=2).on_start(None)
    front, _ = front.on_message("s1", Part(1, 0))
    assert front.page == 2
    assert front.on_message("s1", Part(1, 0)) == (front, ())


def test_a_lost_part_is_never_asked_for_again_without_a_second_server() -> None:
    nodes = {"front": FrontEnd((("s1",),))} | {"s1": Shard()}
    run = simulate(nodes, seed=1, faults=[Lose("s1", "front", number=1)])
    assert run.nodes["front"].missing == {0}


# ----------------------------------------------------------------------------------------------------------- the queue


def test_source_hands_over_as_many_jobs_as_it_has() -> None:
    source, effects = Source("source", "queue", 2).on_start(None)
    assert effects == (Send("source", Tick()),)
    source, effects = source.on_message("source", Tick())
    assert effects == (Send("queue", Job(1)), Send("source", Tick()))
    source, effects = source.on_message("source", Tick())
    assert effects == (Send("queue", Job(2)),)


def test_queue_serves_in_the_order_of_arrival_with_as_many_workers_as_it_has() -> None:
    queue = Queue("queue", worker_count=2)
    for number in (1, 2):
        queue, effects = queue.on_message("source", Job(number))
        assert effects == (Send("queue", Done(number)),)
    for number in (3, 4):
        queue, effects = queue.on_message("source", Job(number))
        assert effects == ()
    assert queue.in_system == 4
    queue, effects = queue.on_message("queue", Done(2))
    assert effects == (Send("queue", Done(3)),)
    assert (queue.waiting, queue.busy) == ((4,), 2)
