from __future__ import annotations

import asyncio
import os
import pickle
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import psutil
import pytest

from distlib.broken.durability import SendsBeforeSaving
from distlib.models.latency import Constant, Uniform
from distlib.node import CancelTimer, Complete, Invoke, Node, Outcome, ReadClock, Save, Send, SetTimer, Step, World
from distlib.protocols.transactions.two_phase_commit import (
    Client,
    Coordinator,
    Participant,
    ParticipantLog,
    Transfer,
    agreement,
    client_is_told_the_truth,
    nobody_in_doubt,
    total_balance,
)
from distlib.runtimes import connections, host
from distlib.runtimes.faults import Clock, Link, Network
from distlib.runtimes.network import Cluster, ClusterError
from distlib.runtimes.recorder import world_of
from distlib.runtimes.storage import Storage
from distlib.runtimes.trace import Event, Kind, Trace
from distlib.runtimes.wire import Codec, frame, to_bytes

# Child processes import the nodes from the parent's path, wherever pytest was started.
sys.path.insert(0, str(Path(__file__).parent))
from network_examples import (
    Confused,
    Echo,
    Endless,
    ForgetfulStore,
    Fragile,
    Ping,
    Pinger,
    Scripted,
    Store,
    Writer,
)

in_one_process_and_in_many = pytest.mark.parametrize("processes", [False, True], ids=["one", "many"])

STORES = ("a", "b", "c")


def ping_and_echo(count: int) -> dict[str, Node[Any, Any]]:
    return {"pinger": Pinger("echo", count), "echo": Echo()}


def answered(count: int) -> Callable[[Trace], bool]:
    """Whether the pinger got so many answers."""
    return lambda trace: len(trace.of(Kind.DELIVER, node="pinger")) >= count


def crashed(name: str) -> Callable[[Trace], bool]:
    return lambda trace: bool(trace.of(Kind.CRASH, node=name))


def endless_pings() -> dict[str, Node[Any, Any]]:
    return ping_and_echo(10**9)


# --------------------------------------------------------------------------------------------------- nodes and traces


@in_one_process_and_in_many
def test_every_ping_is_answered_and_every_event_knows_its_cause(processes: bool) -> None:
    with Cluster(ping_and_echo(20), processes=processes, seed=1) as cluster:
        cluster.wait_until(answered(20))
        assert (len(set(cluster.process_ids.values())) == 2) is processes
    trace = cluster.trace
    assert [event.number for event in trace] == list(range(len(trace)))
    kinds = {Kind.DELIVER: Kind.SEND, Kind.TIMER: Kind.SET_TIMER}
    for event in trace:
        if event.kind is Kind.START:
            assert event.cause is None
        else:
            cause = trace[event.cause]  # type: ignore[index] # only a start has none
            assert cause.number < event.number
            assert cause.time_seconds <= event.time_seconds
            assert cause.kind is kinds.get(event.kind, cause.kind)
    *_, pong = trace.of(Kind.DELIVER, node="pinger")
    assert [event.node for event in trace.why(pong)][-3:] == ["echo", "echo", "pinger"]
    assert pong.state == cluster.world.nodes["pinger"] == Pinger("echo", 20, answered=20)
    assert cluster.world.nodes["echo"] == Echo(frozenset((number, "pinger") for number in range(20)))
    assert cluster.errors == ()


@in_one_process_and_in_many
def test_nothing_acknowledged_is_lost_when_every_store_is_killed(processes: bool) -> None:
    result = _write_and_kill(Store(), processes)
    assert result == frozenset(range(30))


def test_a_store_that_does_not_save_loses_what_it_acknowledged() -> None:
    # The same run with the mistake in it: the test above can fail.
    assert not _write_and_kill(ForgetfulStore(), processes=False) >= frozenset(range(10))


def _write_and_kill(store: Store, processes: bool) -> frozenset[int]:
    """Kill each store while numbers are written, and return what a majority has at the end."""
    clients = {"writer": Writer(STORES, 30), "reader": Writer(STORES, 0)}
    with Cluster({**clients, **dict.fromkeys(STORES, store)}, processes=processes, seed=1) as cluster:
        for position, name in enumerate(STORES):
            cluster.wait_until(_completed(10 * (position + 1)))
            cluster.kill(name)
            assert not cluster.is_up(name)
            cluster.restart(name)
        cluster.wait_until(_completed(31))
        cluster.kill("reader")
        cluster.restart("reader")
        cluster.wait_until(lambda trace: trace.of(Kind.COMPLETE, node="reader", where=_is_after_restart(cluster)))
        trace = cluster.trace
        assert len(trace.of(Kind.CRASH, where=lambda event: event.node in STORES)) == 3
        assert all(event.cause is not None for event in trace.of(Kind.DELIVER))
        completions = [effect for name, effect in cluster.history if isinstance(effect, Complete)]
    assert all(effect.outcome is Outcome.OK for effect in completions)
    assert isinstance(completions[-1].result, frozenset)
    return completions[-1].result


def _completed(count: int) -> Callable[[Trace], bool]:
    return lambda trace: len(trace.of(Kind.COMPLETE, node="writer")) >= count


def _is_after_restart(cluster: Cluster) -> Callable[[Event], bool]:
    """Whether an event came after the last crash."""
    last = cluster.trace.of(Kind.CRASH)[-1].time_seconds
    return lambda event: event.time_seconds > last


def test_the_writer_s_operations_are_its_history() -> None:
    with Cluster({"writer": Writer(("a",), 2), "a": Store()}) as cluster:
        cluster.wait_until(_completed(3))
    assert cluster.history == (
        ("writer", Invoke(("put", 0))),
        ("writer", Complete()),
        ("writer", Invoke(("put", 1))),
        ("writer", Complete()),
        ("writer", Invoke(("read",))),
        ("writer", Complete(frozenset({0, 1}))),
    )
    for event in cluster.trace.of(Kind.COMPLETE):
        assert event.cause is not None
        assert cluster.trace[event.cause].kind is Kind.INVOKE


@in_one_process_and_in_many
def test_the_operation_of_a_client_that_crashes_ends_unknown(processes: bool) -> None:
    with Cluster({"client": Scripted((Invoke(1),))}, processes=processes) as cluster:
        cluster.wait_until(lambda trace: trace.of(Kind.INVOKE))
        cluster.kill("client")
        assert cluster.history == (("client", Invoke(1)), ("client", Complete(None, Outcome.UNKNOWN)))


def test_timers_fire_once_and_not_before_their_time() -> None:
    script = (
        # It expires while the disk works, and is cancelled before its turn comes.
        SetTimer("expired", (0.0, 0.0)),
        Save(1),
        CancelTimer("expired"),
        SetTimer("soon", (0.02, 0.03)),
        SetTimer("replaced", (0.0, 0.0)),
        SetTimer("replaced", (0.03, 0.04)),
        SetTimer("cancelled", (0.0, 0.0)),
        CancelTimer("cancelled"),
        CancelTimer("never set"),
        SetTimer("last", (0.1, 0.1)),
    )
    with Cluster({"a": Scripted(script)}) as cluster:
        trace = cluster.wait_until(lambda trace: len(trace.of(Kind.TIMER)) == 3)
        state = cluster.world.nodes["a"]
    assert isinstance(state, Scripted)
    assert state.timers == ("soon", "replaced", "last")
    assert [event.value for event in trace.of(Kind.CANCEL_TIMER)] == ["expired", "replaced", "cancelled"]
    for event, shortest_seconds in zip(trace.of(Kind.TIMER), (0.02, 0.03, 0.1), strict=True):
        setting = trace[event.cause]  # type: ignore[index] # a timer was set
        assert (setting.kind, setting.value) == (Kind.SET_TIMER, event.value)
        assert event.time_seconds - setting.time_seconds >= shortest_seconds


def test_a_clock_is_off_by_its_skew_and_its_drift() -> None:
    script = (ReadClock("now"), SetTimer("long", (0.3, 0.3)), ReadClock("again"))
    clocks = {"fast": Clock(skew_seconds=-5.0, drift=9.0)}
    with Cluster({"true": Scripted(script), "fast": Scripted(script)}, clocks=clocks) as cluster:
        trace = cluster.wait_until(lambda trace: len(trace.of(Kind.CLOCK)) == 4 and trace.of(Kind.TIMER, node="fast"))
    for name, rate, skew_seconds in (("true", 1.0, 0.0), ("fast", 10.0, -5.0)):
        (start,) = trace.of(Kind.START, node=name)
        for event, word in zip(trace.of(Kind.CLOCK, node=name), ("now", "again"), strict=True):
            assert event.value[0] == word
            true_seconds = (event.value[1] - skew_seconds) / rate
            assert start.time_seconds <= true_seconds <= event.time_seconds
            assert event.cause == start.number
            assert isinstance(event.state, Scripted)
            assert event.state.readings[-1] == event.value[1]
    (fired,) = trace.of(Kind.TIMER, node="fast")
    # Its clock runs ten times as fast, and so do its timers.
    assert fired.time_seconds - trace[fired.cause].time_seconds >= 0.03  # type: ignore[index]
    assert not trace.of(Kind.TIMER, node="true")


def test_a_node_can_send_to_itself() -> None:
    with Cluster({"a": Scripted((Send("a", 7),))}) as cluster:
        trace = cluster.wait_until(lambda trace: trace.of(Kind.DELIVER))
    assert trace[-1].state == Scripted((Send("a", 7),), received=(7,))


# ---------------------------------------------------------------------------------------------------------- durability


def test_effects_behind_a_forced_save_wait_until_it_is_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    disk_is_free, disk_is_asked = threading.Event(), threading.Event()

    def slow_save(storage: Storage, value: bytes) -> None:
        disk_is_asked.set()
        assert disk_is_free.wait(10)
        saved(storage, value)

    saved = Storage.save
    monkeypatch.setattr(Storage, "save", slow_save)
    sender = Scripted((Send("b", 1), Save(5), Send("b", 2)))
    with Cluster({"a": sender, "b": Scripted(at_message=(Send("b", 3),)), "c": Scripted()}) as cluster:
        assert disk_is_asked.wait(10)
        # The other node goes on meanwhile, and the first message, which came before the save, has left.
        trace = cluster.wait_until(lambda trace: len(trace.of(Kind.DELIVER, node="b")) >= 3)
        assert {event.value for event in trace.of(Kind.DELIVER, node="b")} == {1, 3}
        assert not trace.of(Kind.SAVE)
        disk_is_free.set()
        trace = cluster.wait_until(lambda trace: trace.of(Kind.DELIVER, node="b", where=lambda event: event.value == 2))
    (save,) = trace.of(Kind.SAVE)
    (send,) = trace.of(Kind.SEND, node="a", where=lambda event: event.value == 2)
    assert save.number < send.number


@pytest.mark.parametrize("effect_count", [1, 2, 3, 4, 5])
def test_a_node_can_be_crashed_after_each_of_its_effects(effect_count: int) -> None:
    _crash_after(effect_count, processes=False)


@in_one_process_and_in_many
def test_what_a_node_sent_before_it_crashed_is_on_its_way(processes: bool) -> None:
    # Even its very first message: nodes are connected before they boot.
    cluster = Cluster({"a": Scripted((Send("b", 1), Send("b", 2))), "b": Scripted()}, processes=processes)
    cluster.kill_after("a", 1)
    with cluster:
        cluster.wait_until(lambda trace: trace.of(Kind.CRASH) and trace.of(Kind.DELIVER))
        assert not cluster.trace.of(Kind.SEND, where=lambda event: event.value == 2)


def test_a_process_can_be_crashed_after_an_effect() -> None:
    _crash_after(3, processes=True)


def _crash_after(effect_count: int, processes: bool) -> None:
    script = (Send("b", 1), Save(5), Send("b", 2), Save(6, forced=False), Send("b", 3))
    cluster = Cluster({"a": Scripted(at_message=script), "b": Scripted((Send("a", 0),))}, processes=processes)
    cluster.kill_after("a", effect_count)
    with cluster:
        cluster.wait_until(crashed("a"))
        expected = [effect.message for effect in script[:effect_count] if isinstance(effect, Send)]
        cluster.wait_until(lambda trace: len(trace.of(Kind.DELIVER, node="b")) >= len(expected))
        cluster.restart("a")
        trace = cluster.trace
    assert trace.of(Kind.CRASH, node="a")[-1].note == "killed after an effect"
    assert [event.value for event in trace.of(Kind.DELIVER, node="b")] == expected
    assert trace.of(Kind.START, node="a")[-1].value == (5 if effect_count >= 2 else None)


def test_an_unforced_save_survives_an_orderly_stop_and_no_crash(tmp_path: Path) -> None:
    nodes = {"a": Scripted((Save(1), Save(2, forced=False)))}
    with Cluster(nodes, folder=tmp_path) as cluster:
        cluster.wait_until(lambda trace: len(trace.of(Kind.SAVE)) == 2)
        assert [event.note for event in cluster.trace.of(Kind.SAVE)] == ["", "unforced"]
        assert cluster.world.saved == {"a": 1}
        cluster.kill("a")
        cluster.restart("a")
        assert cluster.trace.of(Kind.START)[-1].value == 1
        cluster.wait_until(lambda trace: len(trace.of(Kind.SAVE)) == 4)
    with Cluster(nodes, folder=tmp_path) as cluster:
        assert cluster.trace.of(Kind.START)[-1].value == 2


def test_an_unforced_save_never_takes_the_place_of_a_later_forced_one(tmp_path: Path) -> None:
    nodes = {"a": Scripted((Save(1, forced=False), Save(2)))}
    with Cluster(nodes, folder=tmp_path) as cluster:
        cluster.wait_until(lambda trace: len(trace.of(Kind.SAVE)) == 2)
    with Cluster(nodes, folder=tmp_path) as cluster:
        assert cluster.trace.of(Kind.START)[-1].value == 2


@in_one_process_and_in_many
def test_a_durable_value_that_cannot_be_trusted_keeps_the_cluster_from_starting(
    tmp_path: Path, processes: bool
) -> None:
    storage = Storage(tmp_path / "node-a")
    storage.save(Codec(int).encode(5))
    storage.path.write_bytes(storage.path.read_bytes()[:-1])
    cluster = Cluster({"b": Scripted(), "a": Scripted()}, folder=tmp_path, processes=processes)
    with pytest.raises(ClusterError, match=r"node 'a' could not start: StorageError: .*cannot be trusted"):
        cluster.start()
    assert cluster.process_ids == {}


def test_a_durable_value_of_another_type_keeps_the_cluster_from_starting(tmp_path: Path) -> None:
    Storage(tmp_path / "node-a").save(Codec(str).encode("five"))
    with pytest.raises(ClusterError, match="node 'a' could not start: WireError: a value must be int"):
        Cluster({"a": Scripted()}, folder=tmp_path).start()


def test_two_clusters_cannot_share_a_folder(tmp_path: Path) -> None:
    with (
        Cluster({"a": Scripted()}, folder=tmp_path),
        pytest.raises(ClusterError, match="another cluster is running on the folder"),
    ):
        Cluster({"a": Scripted()}, folder=tmp_path).start()
    with Cluster({"a": Scripted()}, folder=tmp_path) as cluster:
        assert cluster.is_up("a")


# -------------------------------------------------------------------------------------------------------------- faults


@in_one_process_and_in_many
def test_a_cut_link_delivers_nothing_until_it_is_healed(processes: bool) -> None:
    with Cluster(endless_pings(), processes=processes) as cluster:
        cluster.wait_until(answered(3))
        cluster.cut("pinger", "echo")
        cut_seconds = cluster.now_seconds()
        trace = cluster.wait_until(lambda trace: len(trace.of(Kind.LOSE)) >= 3)
        count = len(trace.of(Kind.DELIVER, node="echo"))
        assert all(event.time_seconds < cut_seconds for event in trace.of(Kind.DELIVER, node="echo"))
        for event in trace.of(Kind.LOSE):
            assert (event.node, event.peer, event.note) == ("echo", "pinger", "partition")
            assert trace[event.cause].value == event.value  # type: ignore[index] # a message was sent
        cluster.heal()
        trace = cluster.wait_until(lambda trace: len(trace.of(Kind.DELIVER, node="echo")) > count)
    faults = [(event.kind, event.value) for event in trace.of(Kind.PARTITION, Kind.HEAL)]
    assert faults == [
        (Kind.PARTITION, frozenset({("pinger", "echo")})),
        (Kind.HEAL, frozenset({("pinger", "echo")})),
    ]


def test_a_cut_in_one_direction_leaves_the_other() -> None:
    with Cluster(endless_pings()) as cluster:
        cluster.wait_until(answered(3))
        cluster.cut("echo", "pinger")
        before = cluster.trace
        trace = cluster.wait_until(
            lambda trace: len(trace.of(Kind.DELIVER, node="echo")) >= len(before.of(Kind.DELIVER, node="echo")) + 2
        )
        assert trace.of(Kind.LOSE, node="pinger")
        assert not trace.of(Kind.LOSE, node="echo")


def test_a_partition_cuts_all_links_between_its_groups_and_none_within() -> None:
    nodes = {name: Scripted() for name in "abcd"}
    with Cluster(nodes) as cluster:
        cluster.partition([{"a"}, {"b", "c"}])
        (event,) = cluster.trace.of(Kind.PARTITION)
        assert event.value == {("a", "b"), ("a", "c"), ("b", "a"), ("c", "a")}


def test_what_is_delayed_when_its_link_is_cut_is_lost() -> None:
    nodes = {"a": Scripted((Send("b", 1),)), "b": Scripted()}
    with Cluster(nodes, network=Network(default=Link(latency=Constant(0.2)))) as cluster:
        cluster.wait_until(lambda trace: trace.of(Kind.SEND))
        cluster.cut("a", "b")
        trace = cluster.wait_until(lambda trace: trace.of(Kind.LOSE))
    assert not trace.of(Kind.DELIVER)
    assert trace.of(Kind.LOSE)[0].note == "partition"


@in_one_process_and_in_many
def test_a_delay_adds_at_least_that_much_to_every_message(processes: bool) -> None:
    with Cluster(endless_pings(), processes=processes) as cluster:
        cluster.delay("pinger", "echo", 0.04)
        begin_seconds = cluster.now_seconds()
        trace = cluster.wait_until(lambda trace: len(_delays_since(begin_seconds, trace)) >= 3)
        assert min(_delays_since(begin_seconds, trace)) >= 0.04
        cluster.delay("pinger", "echo", 0)
        cluster.wait_until(lambda trace: min(_delays_since(begin_seconds, trace)) < 0.04)


def _delays_since(begin_seconds: float, trace: Trace) -> list[float]:
    """Return how long each message took that was sent to the echo since then."""
    ways = [(trace[event.cause], event) for event in trace.of(Kind.DELIVER, node="echo")]  # type: ignore[index]
    return [event.time_seconds - send.time_seconds for send, event in ways if send.time_seconds >= begin_seconds]


def test_delays_are_drawn_from_a_law_and_ordered_links_keep_the_order() -> None:
    numbers = tuple(range(50))
    network = Network(
        links={
            ("a", "free"): Link(latency=Uniform(0.0, 0.05)),
            ("a", "ordered"): Link(latency=Uniform(0.0, 0.05), ordered=True),
        },
        default=Link(latency=Constant(0.0)),
    )
    sends = tuple(Send(target, number) for number in numbers for target in ("free", "ordered"))
    with Cluster({"free": Scripted(), "ordered": Scripted(), "a": Scripted(sends)}, network=network) as cluster:
        cluster.wait_until(lambda trace: len(trace.of(Kind.DELIVER)) == 100)
        nodes = cluster.world.nodes
    assert isinstance(free := nodes["free"], Scripted)
    assert isinstance(ordered := nodes["ordered"], Scripted)
    assert ordered.received == numbers
    assert free.received != numbers
    assert sorted(free.received) == list(numbers)


def test_links_lose_and_copy_messages_at_their_probability() -> None:
    network = Network(
        links={("a", "lossy"): Link(Constant(0.0), loss_probability=1.0)},
        default=Link(Constant(0.0), duplicate_probability=1.0),
    )
    nodes = {"a": Scripted((Send("lossy", 1), Send("twice", 2))), "lossy": Scripted(), "twice": Scripted()}
    with Cluster(nodes, network=network) as cluster:
        trace = cluster.wait_until(lambda trace: len(trace.of(Kind.DELIVER)) == 2)
    (send,) = trace.of(Kind.SEND, where=lambda event: event.peer == "twice")
    assert [event.cause for event in trace.of(Kind.DELIVER, node="twice")] == [send.number] * 2
    (copy,) = trace.of(Kind.DUPLICATE)
    assert (copy.node, copy.peer, copy.cause) == ("a", "twice", send.number)
    (lost,) = trace.of(Kind.LOSE)
    assert (lost.node, lost.note) == ("lossy", "loss")


@in_one_process_and_in_many
def test_a_paused_node_handles_nothing_and_goes_on_where_it_was(processes: bool) -> None:
    with Cluster(endless_pings(), processes=processes) as cluster:
        cluster.wait_until(answered(3))
        cluster.pause("echo")
        again = len(cluster.trace.of(Kind.TIMER, node="pinger")) + 2
        cluster.wait_until(lambda trace: len(trace.of(Kind.TIMER, node="pinger")) >= again)
        cluster.resume("echo")
        count = len(cluster.trace.of(Kind.DELIVER, node="pinger"))
        trace = cluster.wait_until(answered(count + 3))
    (pause,), (resume,) = trace.of(Kind.PAUSE), trace.of(Kind.RESUME)
    assert not [event for event in trace[pause.number : resume.number] if event.node == "echo"][1:]
    assert not trace.of(Kind.START, Kind.CRASH, node="echo")[1:]


def test_a_paused_process_can_be_killed_and_restarted_and_cut_off() -> None:
    with Cluster(endless_pings(), processes=True) as cluster:
        cluster.pause("echo")
        cluster.cut("pinger", "echo")
        cluster.kill("echo")
        cluster.restart("echo")
        cluster.heal()
        before = len(cluster.trace.of(Kind.DELIVER, node="pinger"))
        cluster.wait_until(answered(before + 3))


def test_a_process_that_is_killed_from_outside_has_crashed() -> None:
    with Cluster(endless_pings(), processes=True) as cluster:
        cluster.wait_until(answered(3))
        os.kill(cluster.process_ids["echo"], signal.SIGKILL)
        trace = cluster.wait_until(crashed("echo"))
        assert trace.of(Kind.CRASH)[0].note == "exit status -9"
        cluster.wait_until(lambda trace: trace.of(Kind.LOSE, where=lambda event: event.note == "down"))
        cluster.restart("echo")
        before = len(cluster.trace.of(Kind.DELIVER, node="pinger"))
        cluster.wait_until(answered(before + 3))


# ------------------------------------------------------------------------------------------------- failures of handlers


@in_one_process_and_in_many
def test_a_handler_that_fails_stops_its_node_only_and_is_reported(
    processes: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    nodes = {"fragile": Fragile(), "caller": Scripted((Send("fragile", 5), Send("fragile", 0)))}
    with Cluster({**endless_pings(), **nodes}, processes=processes) as cluster:
        trace = cluster.wait_until(crashed("fragile"), allow_failures=True)
        (error,) = cluster.errors
        assert (error.node, error.fatal) == ("fragile", True)
        assert error.during == "receive 0 from caller"
        assert error.error == "ZeroDivisionError: integer division or modulo by zero"
        assert "12 // message" in error.details
        assert trace.of(Kind.CRASH)[0].note == error.error
        assert [event.value for event in trace.of(Kind.DELIVER, node="fragile")] == [5, 0]
        assert not cluster.is_up("fragile")
        count = len(trace.of(Kind.DELIVER, node="pinger"))
        cluster.wait_until(answered(count + 3), allow_failures=True)
        with pytest.raises(ClusterError, match=r"a node stopped: fragile, .*ZeroDivisionError"):
            cluster.wait_until(lambda trace: False)
        cluster.restart("fragile")
        assert cluster.is_up("fragile")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("node", "complaint"),
    [
        (Scripted((Send("a", "text"),)), "WireError: a value must be int, got 'text'"),
        (Scripted((Send("b", 1),)), "ValueError: `target` must be one of a, got 'b'"),
        (Scripted((Save("text"),)), "WireError: a value must be int, got 'text'"),
        (Scripted((5,)), "TypeError: an effect must be one of distlib.node, got 5"),  # type: ignore[arg-type]
        (Confused(), "TypeError: a handler must return (node, tuple of effects), got Confused()"),
    ],
)
def test_a_node_that_breaks_the_contract_is_stopped_with_a_reason(node: Node[Any, Any], complaint: str) -> None:
    with Cluster({"a": node}) as cluster:
        cluster.wait_until(crashed("a"), allow_failures=True)
    (error,) = cluster.errors
    assert (error.error, error.during) == (complaint, "start")


def test_a_message_that_is_larger_than_a_frame_may_be_stops_its_sender() -> None:
    nodes = {"a": Scripted((Send("a", "x" * 2000),))}
    with Cluster(nodes, messages=str, maximum_frame_size_bytes=1024) as cluster:
        cluster.wait_until(crashed("a"), allow_failures=True)
    assert re.match(r"WireError: a frame must have at most 1024 bytes, got 20\d\d", cluster.errors[0].error)


# ----------------------------------------------------------------------------------------------------------- strangers


def hello(cluster: Cluster, *, token: str | None = None, source: str = "pinger", target: str = "echo") -> bytes:
    greeting = connections.Hello(cluster._token if token is None else token, source, target)
    return frame(Codec(connections.Hello).encode(greeting))


class Bomb:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


GARBAGE: Mapping[str, tuple[Callable[[Cluster, Path], bytes], str]] = {
    "another protocol": (lambda cluster, path: b"GET / HTTP/1.1\r\n\r\n", "must begin with"),
    "random bytes": (lambda cluster, path: os.urandom(4096), "must begin with"),
    "another version": (lambda cluster, path: struct.pack(">4sBI", b"DSbE", 2, 1), "must be of version 1, got 2"),
    "oversized": (lambda cluster, path: struct.pack(">4sBI", b"DSbE", 1, 1 << 31), "must have at most 1048576 bytes"),
    "no hello": (lambda cluster, path: frame(to_bytes([1, {"Ping": {"number": 1}}])), "unknown class|must be Hello"),
    "another cluster": (lambda cluster, path: hello(cluster, token="other"), "has the token of another cluster"),
    "another target": (lambda cluster, path: hello(cluster, target="pinger"), "is for 'pinger', this is 'echo'"),
    "another source": (lambda cluster, path: hello(cluster, source="stranger"), "is not a node of this cluster"),
    "unknown class": (
        lambda cluster, path: hello(cluster) + frame(to_bytes([1, {"Popen": {"args": "true"}}])),
        "unknown class 'Popen'",
    ),
    "wrong field": (
        lambda cluster, path: (
            hello(cluster) + frame(to_bytes([1, {"Ping": {"number": "1", "colour": {"Colour": "RED"}}}]))
        ),
        "`number` of Ping must be int, got '1'",
    ),
    "no cause": (lambda cluster, path: hello(cluster) + frame(to_bytes(["x", 1])), "not a message"),
    "a pickle": (lambda cluster, path: pickle.dumps(Bomb(path)), "must begin with"),
    "a framed pickle": (lambda cluster, path: hello(cluster) + frame(pickle.dumps(Bomb(path))), "not a message"),
}


@in_one_process_and_in_many
def test_garbage_closes_its_connection_only(processes: bool, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb"
    with Cluster(endless_pings(), processes=processes) as cluster:
        for count, (make, complaint) in enumerate(GARBAGE.values(), 1):
            with socket.create_connection(cluster.addresses["echo"], timeout=10) as connection:
                connection.sendall(make(cluster, bomb))
                assert _is_closed_by_peer(connection)
            cluster.wait_until(lambda trace, count=count: len(cluster.errors) == count)  # type: ignore[misc]
            error = cluster.errors[-1]
            assert error.node == "echo"
            assert not error.fatal
            assert any(part in error.error for part in complaint.split("|")), error
            assert "127.0.0.1" in error.during
            before = len(cluster.trace.of(Kind.DELIVER, node="pinger"))
            cluster.wait_until(answered(before + 2))
        assert not cluster.trace.of(Kind.CRASH)
        # The node's own connection was never closed: not one message of the pinger was lost.
        assert not cluster.trace.of(Kind.LOSE)
    assert not bomb.exists()


def _is_closed_by_peer(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_stranger_that_says_nothing_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HELLO_TIMEOUT_SECONDS", 0.05)
    with (
        Cluster(endless_pings()) as cluster,
        socket.create_connection(cluster.addresses["echo"], timeout=10) as connection,
    ):
        assert _is_closed_by_peer(connection)
        cluster.wait_until(lambda trace: cluster.errors)
        assert cluster.errors[0].error == "no hello came within 0.05 s"


def test_problems_are_reported_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "PROBLEM_LIMIT", 3)
    with Cluster(endless_pings()) as cluster:
        for _ in range(6):
            with socket.create_connection(cluster.addresses["echo"], timeout=10) as connection:
                connection.sendall(b"garbage")
                assert _is_closed_by_peer(connection)
        assert len(cluster.errors) == 3
        assert "further problems of this node are not reported" in cluster.errors[-1].error


def test_an_inbox_that_is_full_is_not_filled_further_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "INBOX_LIMIT", 4)
    sends = tuple(Send("b", "x" * 100_000) for _ in range(50))
    with Cluster({"b": Scripted(), "a": Scripted(sends)}, messages=str) as cluster:
        inbox = cluster._members["b"]._host._inbox  # type: ignore[attr-defined] # it is in this process
        cluster.wait_for(Kind.DELIVER, len(sends), node="b")
        cluster.pause("b")
        cluster.kill("a")
        cluster.restart("a")
        cluster.wait_for(Kind.SEND, 2 * len(sends))
        deadline = time.monotonic() + 0.3
        while time.monotonic() < deadline:
            # A piece that was read at once may hold a few more than the limit.
            assert inbox.qsize() <= 8
            time.sleep(0.01)
        assert inbox.qsize() >= 4
        cluster.resume("b")
        cluster.wait_for(Kind.DELIVER, 2 * len(sends), node="b")
        assert not cluster.trace.of(Kind.LOSE)


def test_a_sender_whose_target_takes_nothing_loses_messages_instead_of_keeping_them_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(host, "INBOX_LIMIT", 4)
    monkeypatch.setattr(connections, "UNSENT_LIMIT_BYTES", 100_000)
    # More than what the buffers of the kernel take.
    sends = tuple(Send("b", "x" * 200_000) for _ in range(100))
    with Cluster({"b": Scripted(), "a": Scripted(sends)}, messages=str) as cluster:
        cluster.kill("a")
        cluster.pause("b")
        already = len(cluster.trace.of(Kind.SEND))
        cluster.restart("a")
        cluster.wait_for(Kind.SEND, already + len(sends))
        lost = cluster.trace.of(Kind.LOSE)
        assert {event.note for event in lost} == {"loss"}
        cluster.resume("b")
        cluster.wait_until(lambda trace: len(trace.of(Kind.DELIVER, Kind.LOSE)) >= len(sends))


def test_nodes_listen_on_loopback_only() -> None:
    with Cluster({"a": Scripted(), "b": Scripted()}) as cluster:
        addresses = cluster.addresses
        assert {address for address, _ in addresses.values()} == {"127.0.0.1"}
        listening = {
            connection.laddr for connection in psutil.Process().net_connections() if connection.status == "LISTEN"
        }
        assert set(addresses.values()) <= listening
    with pytest.raises(ValueError, match="`internet_address` must be loopback"):
        Cluster({"a": Scripted()}, internet_address="0.0.0.0")
    assert Cluster({"a": Scripted()}, internet_address="0.0.0.0", allow_remote=True)


# ---------------------------------------------------------------------------------------------------- nothing is left


@pytest.fixture
def nothing_is_left() -> Iterator[None]:
    this = psutil.Process()
    before = set(this.children(recursive=True)), set(this.net_connections()), set(threading.enumerate())
    descriptors = this.num_fds()
    yield
    after = set(this.children(recursive=True)), set(this.net_connections()), set(threading.enumerate())
    assert after == before
    assert this.num_fds() == descriptors


@pytest.mark.usefixtures("nothing_is_left")
@in_one_process_and_in_many
def test_stop_leaves_no_process_no_socket_no_thread_and_no_file(processes: bool) -> None:
    with Cluster(endless_pings(), processes=processes) as cluster:
        cluster.wait_until(answered(3))
        cluster.kill("echo")
        folder = cluster._folder
        assert folder is not None
        assert folder.exists()
    assert not folder.exists()
    cluster.stop()
    assert repr(cluster).endswith("stopped, 0 up>")


@pytest.mark.usefixtures("nothing_is_left")
@in_one_process_and_in_many
def test_stop_leaves_nothing_when_the_body_raises(processes: bool) -> None:
    cluster = Cluster(endless_pings(), processes=processes)

    def body() -> None:
        with cluster:
            cluster.pause("echo")
            raise LookupError

    with pytest.raises(LookupError):
        body()
    assert not cluster.process_ids


@pytest.mark.usefixtures("nothing_is_left")
def test_stop_kills_a_process_whose_handler_never_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distlib.runtimes.network.STOP_TIMEOUT_SECONDS", 0.2)
    with Cluster({"endless": Endless(), "a": Scripted()}, processes=True) as cluster:
        trace = cluster.wait_until(lambda trace: trace.of(Kind.SEND))
    assert not trace.of(Kind.CRASH)
    assert [event.node for event in cluster.trace.of(Kind.CRASH)] == ["endless"]


@pytest.mark.usefixtures("nothing_is_left")
def test_a_process_that_cannot_import_its_node_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster({"echo": Echo(), "a": Scripted()}, processes=True)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(Path(__file__).parent)])
    with pytest.raises(ClusterError, match=r"(?s)could not start: ModuleNotFoundError: .*network_examples"):
        cluster.start()


@pytest.mark.usefixtures("nothing_is_left")
def test_a_node_that_cannot_be_pickled_leaves_nothing() -> None:
    nodes = {"a": Scripted(), "b": Scripted((lambda: None,))}  # type: ignore[arg-type]
    with pytest.raises(ClusterError, match="node 'b' cannot be sent to a process of its own"):
        Cluster(nodes, processes=True).start()


SCRIPT = """
import os, signal, sys, time
sys.path.insert(0, {folder!r})
from network_examples import *
from distlib.runtimes import network
from distlib.runtimes.network import Cluster
network.STOP_TIMEOUT_SECONDS = 0.3
cluster = Cluster({{"endless": Endless(), "paused": Scripted(), "a": Scripted()}}, processes=True).start()
cluster.pause("paused")
print(cluster._folder, *cluster.process_ids.values(), flush=True)
{end}
"""

ENDINGS = {
    "the script ends": ("", None, 0),
    "it is interrupted": ("with cluster: cluster.wait_until(lambda trace: False, 60)", signal.SIGINT, -signal.SIGINT),
    "it is killed": ("time.sleep(60)", signal.SIGKILL, -signal.SIGKILL),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_process_outlives_its_script(ending: str) -> None:
    end, number, status = ENDINGS[ending]
    script = SCRIPT.format(folder=str(Path(__file__).parent), end=end)
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as parent:
        assert parent.stdout is not None
        folder, *words = parent.stdout.readline().split()
        children = [int(word) for word in words]
        assert len(children) == 3
        if number is not None:
            os.killpg(parent.pid, number)
        _, errors = parent.communicate(timeout=30)
    assert parent.returncode == status
    # Who is killed cannot clean up after himself; in all other cases the folder is gone.
    assert Path(folder).exists() is (number == signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)
    assert errors == "" or ending == "it is interrupted"
    deadline = time.monotonic() + 10
    while any(_is_alive(child) for child in children) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [child for child in children if _is_alive(child)] == []


def _is_alive(process_id: int) -> bool:
    try:
        return bool(psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@in_one_process_and_in_many
def test_a_cluster_works_where_an_event_loop_is_already_running(processes: bool) -> None:
    async def cell() -> int:
        with Cluster(ping_and_echo(5), processes=processes) as cluster:
            cluster.wait_until(answered(5))
            cluster.kill("echo")
            cluster.restart("echo")
        return len(cluster.trace.of(Kind.DELIVER, node="pinger"))

    assert asyncio.run(cell()) == 5


# ------------------------------------------------------------------------------------------------- what is not allowed


def test_waiting_is_bounded_and_tells_what_was_seen() -> None:
    with Cluster({"a": Scripted()}) as cluster:
        with pytest.raises(TimeoutError, match=r"it did not hold within 0.01 s, of 1 events; problems: none"):
            cluster.wait_until(lambda trace: False, timeout_seconds=0.01)
        with pytest.raises(ValueError, match="`timeout_seconds` must be finite and at least 0, got inf"):
            cluster.wait_until(lambda trace: False, timeout_seconds=float("inf"))


def test_orders_that_make_no_sense_are_refused() -> None:
    cluster = Cluster({"a": Scripted(), "b": Scripted()})
    with pytest.raises(ClusterError, match="this cluster is new; it must be running"):
        cluster.kill("a")
    with cluster:
        with pytest.raises(ValueError, match="a node must be one of a, b, got 'c'"):
            cluster.kill("c")
        with pytest.raises(ValueError, match="a node must be one of a, b, got 'c'"):
            cluster.partition([{"a"}, {"c"}])
        with pytest.raises(ClusterError, match="'a' is up; kill it before"):
            cluster.restart("a")
        with pytest.raises(ClusterError, match="'a' is not paused"):
            cluster.resume("a")
        cluster.pause("a")
        with pytest.raises(ClusterError, match="'a' is paused already"):
            cluster.pause("a")
        cluster.kill("a")
        with pytest.raises(ClusterError, match="'a' is down"):
            cluster.kill("a")
        with pytest.raises(ValueError, match="`effect_count` must be at least 1, got 0"):
            cluster.kill_after("a", 0)
        with pytest.raises(ValueError, match="`seconds` must be finite and at least 0, got -1"):
            cluster.delay("a", "b", -1)
        with pytest.raises(TypeError, match="`latency` must be a law"):
            cluster.delay("a", "b", "soon")  # type: ignore[arg-type]
    with pytest.raises(ClusterError, match="stopped; make a new cluster"):
        cluster.start()


MessageT = TypeVar("MessageT")


class Untyped(Node):  # type: ignore[type-arg] # that is the point
    __slots__ = ()

    def on_start(self, saved: Any) -> Step[Any]:
        return self, ()

    def on_message(self, source: str, message: Any) -> Step[Any]:
        return self, ()


class Mixin(Node[Any, Any]):
    __slots__ = ()


@dataclass(frozen=True)
class Between(Node[tuple[MessageT, Ping], "MessageT"], Generic[MessageT]):
    def on_start(self, saved: Any) -> Step[Any]:
        return self, ()

    def on_message(self, source: str, message: Any) -> Step[Any]:
        return self, ()


@dataclass(frozen=True)
class Concrete(Mixin, Between[int]):
    pass


@pytest.mark.parametrize(
    ("options", "error", "complaint"),
    [
        ({"nodes": {}}, ValueError, "`nodes` must name at least one node"),
        ({"nodes": {"": Echo()}}, TypeError, "`nodes` must be named by strings that are not empty, got ''"),
        ({"nodes": {"a": 5}}, TypeError, "`nodes` must hold nodes of distlib.node, got 5 for 'a'"),
        ({"seed": -1}, ValueError, "`seed` must be a whole number of at least 0, got -1"),
        ({"maximum_frame_size_bytes": 1}, ValueError, r"must be in \[1024, 2\*\*32\), got 1"),
        ({"nodes": {"/" * 67: Echo()}}, ValueError, "names of at most 200 characters in a URL, got '///"),
        ({"clocks": {"z": Clock()}}, ValueError, "a node must be one of a, got 'z'"),
        ({"network": Network(links={("a", "z"): Link()})}, ValueError, "a node must be one of a, got 'z'"),
        ({"messages": list[int]}, TypeError, r"list\[int\] cannot be sent or saved"),
        ({"saved": dict}, TypeError, "dict cannot be sent or saved"),
        ({"nodes": {"a": Untyped()}}, TypeError, "the types of Untyped's messages and durable value are not known"),
    ],
)
def test_arguments_out_of_their_domain_are_refused(
    options: dict[str, Any], error: type[Exception], complaint: str
) -> None:
    with pytest.raises(error, match=complaint):
        Cluster(**{"nodes": {"a": Echo()}, **options})


def test_a_node_that_no_process_could_import_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Echo, "__module__", "__main__")
    with pytest.raises(TypeError, match="put it into a module, or use processes=False"):
        Cluster({"a": Echo()}, processes=True)
    assert Cluster({"a": Echo()})


def test_types_are_found_through_mixins_and_generic_classes() -> None:
    cluster = Cluster({"a": Concrete()})
    assert cluster._messages == tuple[int, Ping]
    assert cluster._saved == {"a": int}


# --------------------------------------------------------------------------------------------------- a whole protocol


class HastyCoordinator(SendsBeforeSaving, Coordinator):
    """Tells the decision before it is durable."""


def _transfer_and_crash(coordinator: Coordinator, effect_count: int, processes: bool = False) -> World:
    """Move money while the coordinator crashes after so many effects; return the world once all is decided."""
    work = frozenset({("left", frozenset({("alice", -5)})), ("right", frozenset({("bob", 5)}))})
    short = (0.02, 0.03)
    nodes: dict[str, Node[Any, Any]] = {
        "coordinator": replace(coordinator, vote_timeout_seconds=(0.5, 0.5), repeat_seconds=short),
        "left": Participant("left", ParticipantLog((("alice", 10),)), inquire_seconds=short),
        "right": Participant("right", ParticipantLog((("bob", 10),)), inquire_seconds=short),
        "client": Client("coordinator", (Transfer("t", work),), retry_seconds=(0.05, 0.05)),
    }
    cluster = Cluster(nodes, processes=processes, seed=effect_count)
    cluster.kill_after("coordinator", effect_count)
    with cluster:
        cluster.wait_until(crashed("coordinator"))
        cluster.restart("coordinator")
        trace = cluster.wait_until(lambda trace: trace.of(Kind.COMPLETE) and nobody_in_doubt(world_of(trace)))
    return world_of(trace)


@pytest.mark.parametrize("effect_count", range(1, 8))
def test_two_phase_commit_agrees_wherever_its_coordinator_crashes(effect_count: int) -> None:
    world = _transfer_and_crash(Coordinator(), effect_count)
    assert agreement(world)
    assert client_is_told_the_truth(world)
    assert total_balance(world) == 20


def test_two_phase_commit_agrees_when_the_process_of_its_coordinator_is_killed() -> None:
    world = _transfer_and_crash(Coordinator(), 6, processes=True)
    assert agreement(world)
    assert client_is_told_the_truth(world)


def test_a_coordinator_that_tells_before_it_saves_is_caught_at_a_crash_point() -> None:
    # The fifth effect tells the client "committed". That is not on disk, so after the crash it is presumed aborted.
    world = _transfer_and_crash(HastyCoordinator(), 5)
    assert not client_is_told_the_truth(world)
