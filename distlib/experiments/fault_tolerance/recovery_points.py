"""Runs and instances for the chapter on recovery points."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from distlib.models.fault_tolerance.recovery_points import Rule
from distlib.models.latency import Constant, Exponential, Law, Uniform
from distlib.node import Node
from distlib.protocols.fault_tolerance import message_logging, point_in_time
from distlib.protocols.fault_tolerance.message_logging import Input, Outside, Peer, Source, Style, Worker
from distlib.protocols.fault_tolerance.point_in_time import Archive, Client, Operator, Replica, Restorer, Store, Write
from distlib.protocols.fault_tolerance.recovery_points import (
    Checkpoint,
    Emit,
    Pacer,
    Process,
    Take,
    Work,
    recovery_line,
)
from distlib.runtimes.faults import Crash, Fault, Link, Network
from distlib.runtimes.simulation import Run, simulate
from distlib.runtimes.trace import Kind, Trace

__all__ = [
    "Line",
    "Restored",
    "Scheme",
    "bad_delete",
    "briefly",
    "checkpoint_counts",
    "checkpointing",
    "depths",
    "line_at",
    "logging_label",
    "logging_run",
    "logging_small",
    "output_latencies",
    "restore_after_crash",
    "run_checkpointing",
    "small",
]

Nodes = Mapping[str, Node[Any, Any]]
Scheme: TypeAlias = Literal["uncoordinated", "induced", "coordinated"]

# -------------------------------------------------------------------------------------------------------- checkpoints


def checkpointing(
    names: Sequence[str] = ("p", "q"),
    scheme: Scheme = "uncoordinated",
    *,
    process_class: type[Process] = Process,
    messages: int | None = None,
    checkpoints: int | None = None,
) -> dict[str, Node[Any, Any]]:
    """Return processes, and the pacers that say when they send and when they take checkpoints.

    Parameters
    ----------
    names
        Of the processes.
    scheme
        Who says when a checkpoint is taken.
    process_class
        To put a broken one in.
    messages, checkpoints
        How many of each, for every pacer; None: without end.
    """
    nodes: dict[str, Node[Any, Any]] = {name: process_class(name, induced=scheme != "uncoordinated") for name in names}
    for source in names:
        for target in names:
            if source != target:
                name = f"{source} to {target}"
                nodes[name] = Pacer(name, Emit(target), (source,), burst=messages)
    if scheme == "coordinated":
        nodes["checkpoints"] = Pacer("checkpoints", Take(), tuple(names), numbered=True, burst=checkpoints)
    else:
        for name in names:
            pacer = f"checkpoints {name}"
            nodes[pacer] = Pacer(pacer, Take(), (name,), burst=checkpoints)
    return nodes


def small(scheme: Scheme, process_class: type[Process] = Process) -> dict[str, Node[Any, Any]]:
    """Return an instance to explore: two processes, two messages each way, two checkpoints each."""
    return checkpointing(scheme=scheme, process_class=process_class, messages=2, checkpoints=2)


def run_checkpointing(
    checkpoint_rate: float,
    message_rate: float,
    *,
    seed: int,
    until_seconds: float,
    names: Sequence[str] = ("p", "q"),
    scheme: Scheme = "uncoordinated",
    delay_seconds: float = 0.0,
    record: bool = True,
) -> Run:
    """Simulate processes that send to each other, at this rate in each direction, and take checkpoints at that rate."""
    nodes = checkpointing(names, scheme)
    links = {
        (name, name): Link(Exponential(1 / (checkpoint_rate if isinstance(node.order, Take) else message_rate)))
        for name, node in nodes.items()
        if isinstance(node, Pacer)
    }
    for source in names:
        for target in names:
            if source != target:
                links[source, target] = Link(Constant(delay_seconds), ordered=True)
    network = Network(Link(Constant(0.0)), links)
    return simulate(nodes, seed=seed, network=network, until_seconds=until_seconds, record=record)


@dataclass(frozen=True)
class Line:
    """A recovery line in a run.

    Parameters
    ----------
    at_seconds
        When the failure was.
    times
        By process, when it was in the state to which it goes back; the time of the failure if it need not.
    passed
        How many checkpoints the processes went back over, all together, beyond the first of each that failed.
    """

    at_seconds: float
    times: Mapping[str, float]
    passed: int

    @property
    def depth(self) -> float:
        """How far back the process goes that goes back furthest."""
        return self.at_seconds - min(self.times.values())


class _Past:
    """What a trace says of one process: its checkpoints and its states, with their times."""

    def __init__(self, trace: Trace, name: str) -> None:
        saves = trace.of(Kind.SAVE, node=name)
        self.checkpoint_times = [event.time_seconds for event in saves]
        self.checkpoints: list[Checkpoint] = [event.value[-1] for event in saves]
        states = [event for event in trace.of(Kind.DELIVER, node=name) if event.state is not None]
        self.state_times = [event.time_seconds for event in states]
        self.states: list[Any] = [event.state for event in states]

    def until(self, at_seconds: float, failed: bool) -> tuple[list[float], list[Checkpoint]]:
        """Return what there is to go back to: the checkpoints, and the present state of one that did not fail."""
        count = bisect_right(self.checkpoint_times, at_seconds)
        times, cuts = self.checkpoint_times[:count], self.checkpoints[:count]
        if not failed:
            place = bisect_right(self.state_times, at_seconds)
            state = self.states[place - 1] if place else None
            now = Checkpoint(-1, state.sent, state.received) if state else Checkpoint(-1)
            times, cuts = [*times, at_seconds], [*cuts, now]
        return times, cuts


def _line(pasts: Mapping[str, _Past], at_seconds: float, failed: Sequence[str], rule: Rule) -> Line:
    """Return the line for a failure at this time."""
    known = {name: past.until(at_seconds, name in failed) for name, past in pasts.items()}
    line = recovery_line({name: cuts for name, (_, cuts) in known.items()}, rule == "no orphans")
    passed = sum(len(times) - 1 - line[name] for name, (times, _) in known.items())
    return Line(at_seconds, {name: times[line[name]] for name, (times, _) in known.items()}, passed)


def line_at(trace: Trace, at_seconds: float, *, failed: Sequence[str] = ("p",), rule: Rule = "no orphans") -> Line:
    """Return the recovery line if these processes failed at this time of a recorded run."""
    names = [name for name in trace.names if any(event.value for event in trace.of(Kind.SAVE, node=name))]
    return _line({name: _Past(trace, name) for name in names}, at_seconds, failed, rule)


def depths(
    checkpoint_rate: float,
    message_rate: float,
    *,
    seeds: int,
    scheme: Scheme = "uncoordinated",
    names: Sequence[str] = ("p", "q"),
    length: float = 150.0,
    delay_seconds: float = 0.0,
) -> dict[Rule, list[float]]:
    """Return the mean depth of the recovery line in each of so many runs, by what may not cross it.

    Parameters
    ----------
    checkpoint_rate, message_rate, names, scheme, delay_seconds
        See :func:`run_checkpointing`.
    seeds
        How many runs; seeds count from 0.
    length
        Of a run, in mean times between checkpoints; the first tenth is a warm-up. Failures of the first process are
        tried at every second mean time.
    """
    means: dict[Rule, list[float]] = {"no orphans": [], "no messages": []}
    unit = 1 / checkpoint_rate
    for seed in range(seeds):
        run = run_checkpointing(
            checkpoint_rate,
            message_rate,
            seed=seed,
            until_seconds=length * unit,
            names=names,
            scheme=scheme,
            delay_seconds=delay_seconds,
        )
        pasts = {name: _Past(run.trace, name) for name in names}
        moments = np.arange(0.1 * length, length, 2.0) * unit
        for rule, found in means.items():
            found.append(float(np.mean([_line(pasts, at, (names[0],), rule).depth for at in moments.tolist()])))
    return means


def checkpoint_counts(run: Run) -> dict[str, int]:
    """Return how many checkpoints a run has of their own accord, and how many were induced."""
    taken = [each for saved in run.saved.values() if saved for each in saved[1:]]
    induced = sum(each.induced for each in taken)
    return {"own": len(taken) - induced, "induced": induced}


def briefly(message: Any) -> str:
    """Return what a figure writes on a message."""
    match message:
        case Work():
            return f"({message.index})"
        case _:
            return str(message)


# ----------------------------------------------------------------------------------------------------- message logging


def logging_small(style: Style, worker_class: type[Worker] = Worker) -> dict[str, Node[Any, Any]]:
    """Return an instance to explore: two sources with an input each, a worker, its peer, the outside."""
    return {
        "x": Source("x", "worker", (1,)),
        "y": Source("y", "worker", (5,)),
        "worker": worker_class(("x", "y"), style),
        "peer": Peer(),
        "outside": Outside(),
    }


def logging_run(
    style: Style,
    *,
    seed: int,
    worker_class: type[Worker] = Worker,
    faults: Sequence[Fault] = (),
    until_seconds: float = 0.2,
) -> Run:
    """Simulate the small instance: messages take 5 to 25 ms, a forced write 4 ms, a flush comes every 50 ms."""
    return simulate(
        logging_small(style, worker_class),
        seed=seed,
        network=Network(Link(Uniform(0.005, 0.025))),
        save_latency={"worker": Constant(0.004)},
        faults=faults,
        until_seconds=until_seconds,
    )


def logging_label(node: Node[Any, Any]) -> tuple[str, str] | None:
    """Return what a figure writes on a lane."""
    if isinstance(node, Worker):
        if node.recovering:
            return "asks", "wait"
        return (f"state {node.states[-1]}", "good") if node.states else None
    if isinstance(node, Peer) and node.results:
        return "saw " + ", ".join(str(state) for _, state in node.results), "calm"
    return None


def output_latencies(
    style: Style,
    *,
    input_rate: float,
    force_seconds: float,
    delay_seconds: float,
    flush_seconds: float,
    seed: int,
    seconds: float,
) -> list[float]:
    """Return, for each input of a run after its first fifth, the time from its arrival until its output leaves."""
    nodes: dict[str, Node[Any, Any]] = {
        "x": Source("x", "worker", endless=True),
        "worker": Worker(("x",), style, flush_seconds=flush_seconds),
        "peer": Peer(),
        "outside": Outside(),
    }
    links = {
        ("x", "x"): Link(Exponential(1 / input_rate)),
        ("x", "worker"): Link(Constant(0.0), ordered=True),
        ("worker", "outside"): Link(Constant(0.0)),
    }
    network = Network(Link(Constant(delay_seconds), ordered=True), links)
    run = simulate(
        nodes,
        seed=seed,
        network=network,
        save_latency={"worker": Constant(force_seconds)},
        until_seconds=seconds,
    )
    sent = {event.value.number: event.time_seconds for event in run.trace.of(Kind.SEND, node="x", where=_is_input)}
    left = {event.value.count: event.time_seconds for event in run.trace.of(Kind.SEND, node="worker", where=_is_output)}
    return [left[count] - sent[count] for count in left if sent[count] > 0.2 * seconds]


def _is_input(event: Any) -> bool:
    return isinstance(event.value, Input)


def _is_output(event: Any) -> bool:
    return isinstance(event.value, message_logging.Output)


# ---------------------------------------------------------------------------------------------------- backup and replay


def _network(load_seconds: float, replay_seconds: float, write_law: Law) -> Network:
    links = {
        ("client", "client"): Link(write_law),
        ("archive", "restorer"): Link(Constant(load_seconds)),
        ("restorer", "restorer"): Link(Constant(replay_seconds)),
    }
    return Network(Link(Constant(0.0)), links)


def bad_delete() -> Run:
    """Simulate a client that sets three keys and deletes one by mistake; an operator restores what was before."""
    writes = (Write("a", 1), Write("b", 2), Write("c", 3), Write("a", None))
    nodes: dict[str, Node[Any, Any]] = {
        "client": Client(writes, pause_seconds=1.0),
        "store": Store(ship_seconds=1.3, backup_seconds=2.5),
        "replica": Replica(),
        "archive": Archive(),
        "restorer": Restorer(),
        "operator": Operator(at_seconds=6.0, position=3),
    }
    slow = Network(
        Link(Constant(0.15)),
        {("archive", "restorer"): Link(Constant(0.4)), ("restorer", "restorer"): Link(Constant(0.3))},
    )
    return simulate(nodes, seed=1, network=slow, until_seconds=8.0)


@dataclass(frozen=True)
class Restored:
    """What a crash of the store came to.

    Parameters
    ----------
    point_seconds
        How old the restored state was at the crash.
    time_seconds
        From the crash until it was there.
    lost, replayed
        Acknowledged writes that are gone, and records that were replayed.
    """

    point_seconds: float
    time_seconds: float
    lost: int
    replayed: int


def restore_after_crash(
    *,
    seed: int,
    backup_seconds: float,
    ship_seconds: float,
    write_rate: float = 2.0,
    replay_seconds: float = 0.1,
    detect_seconds: float = 3.0,
    load_seconds: float = 5.0,
    transfer_seconds: float = 0.5,
    spread: int = 8,
) -> Restored:
    """Simulate a store that dies, disk and all, at a random moment, and its restoration from the archive.

    The moments are spread evenly over one backup interval, `spread` of them, by the seed, each random in its part.
    """
    share = float(np.random.default_rng(seed).uniform())
    crash = 2 * backup_seconds + transfer_seconds + backup_seconds * (seed % spread + share) / spread
    nodes: dict[str, Node[Any, Any]] = {
        "client": Client(),
        "store": Store(ship_seconds=ship_seconds, backup_seconds=backup_seconds, transfer_seconds=transfer_seconds),
        "replica": Replica(),
        "archive": Archive(),
        "restorer": Restorer(),
        "operator": Operator(at_seconds=crash + detect_seconds),
    }
    run = simulate(
        nodes,
        seed=seed,
        network=_network(load_seconds, replay_seconds, Exponential(1 / write_rate)),
        faults=[Crash("store", crash)],
        until_seconds=crash + detect_seconds + load_seconds + 4 * backup_seconds * write_rate * replay_seconds + 1,
    )
    trace = run.trace
    ready = trace.of(Kind.DELIVER, node="operator")[-1]
    arrived = trace.of(Kind.DELIVER, node="archive", where=_is_segment)
    shipped = arrived[-1].time_seconds - transfer_seconds
    fetched = trace.of(Kind.DELIVER, node="restorer", where=_is_fetched)[0].value
    return Restored(
        crash - shipped,
        ready.time_seconds - crash,
        run.saved["store"].position - ready.value.position,
        len(fetched.records),
    )


def _is_segment(event: Any) -> bool:
    return isinstance(event.value, point_in_time.Segment)


def _is_fetched(event: Any) -> bool:
    return isinstance(event.value, point_in_time.Fetched)
