"""Group commit on the bench: records that come at random, clients that wait for each other, and a real file."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distlib.models.latency import Constant, Exponential, Law
from distlib.node import Node
from distlib.protocols.transactions.group_commit import Committer, Durable, LogWriter, Request, Source
from distlib.runtimes.faults import Link, Network
from distlib.runtimes.simulation import Run, simulate
from distlib.runtimes.trace import Kind, Trace
from distlib.runtimes.write_ahead_log import LogFiles, WriteAheadLog

__all__ = [
    "SlowFiles",
    "briefly",
    "commits_per_force",
    "durable_latencies",
    "measure_closed_loop",
    "measure_force_seconds",
    "poisson_pauses",
    "run_committers",
    "run_log",
    "state_label",
]


def poisson_pauses(seed: int, count: int, arrivals_per_second: float) -> tuple[float, ...]:
    """Return the pauses of a Poisson process, drawn from `seed`."""
    draws = Exponential(1 / arrivals_per_second).rvs(size=count, random_state=np.random.default_rng(seed))
    return tuple(np.asarray(draws).tolist())


def run_log(
    writer: LogWriter,
    *,
    seed: int,
    arrivals_per_second: float,
    flush_seconds: float,
    record_count: int = 1000,
) -> Run:
    """Simulate a log writer to which records come at random."""
    source = Source("log", poisson_pauses(seed, record_count, arrivals_per_second))
    return simulate(
        {"log": writer, "source": source},
        seed=seed,
        network=Network(Link(Constant(0.0))),
        save_latency={"log": Constant(flush_seconds)},
    )


def durable_latencies(trace: Trace, *, warm_up: int = 50) -> tuple[list[float], list[int]]:
    """Return the seconds from handing each record over until hearing that it is durable; and the sizes of batches.

    Parameters
    ----------
    trace
        Of a run of :func:`run_log`.
    warm_up
        How many records at the beginning to leave out; of the batches the first and the last are.
    """
    # A log that waits for its disk takes nothing in: the wait begins when a record is handed over, not when it is read.
    handed_over: dict[str, float] = {}
    latencies, batches = [], []
    for event in trace.of(Kind.SEND, Kind.DELIVER):
        if event.kind is Kind.SEND and isinstance(event.value, Request):
            handed_over[event.value.record] = event.time_seconds
        elif event.kind is Kind.DELIVER and isinstance(event.value, Durable):
            batches.append(len(event.value.records))
            latencies += [event.time_seconds - handed_over[record] for record in event.value.records]
    return latencies[warm_up:], batches[1:-1]


class SlowFiles(LogFiles):
    """Real files whose every sync takes a while longer: a disk that is the same on every machine."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        time.sleep(self.seconds)


def measure_force_seconds(folder: Path, batches: Sequence[int], *, rounds: int = 15) -> dict[int, float]:
    """Return the median seconds to append and force a batch of each size, on real files."""
    log = WriteAheadLog(folder)
    found: dict[int, list[float]] = {batch: [] for batch in batches}
    for _ in range(rounds):
        for batch in batches:  # In turn, so that a slow second hits all sizes alike.
            began = time.perf_counter()
            for _ in range(batch):
                log.append(b"a record of some forty bytes, as they are")
            log.force()
            found[batch].append(time.perf_counter() - began)
    log.close()
    return {batch: statistics.median(seconds) for batch, seconds in found.items()}


def measure_closed_loop(folder: Path, client_count: int, commits_each: int, files: LogFiles | None = None) -> float:
    """Return the commits per force of so many threads that each commit again as soon as they may, on real files."""
    log = WriteAheadLog(folder, files)
    ready = threading.Barrier(client_count)

    def commit() -> None:
        ready.wait()
        for _ in range(commits_each):
            log.force(log.append(b"commit"))

    threads = [threading.Thread(target=commit) for _ in range(client_count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    found = len(WriteAheadLog(folder).found)
    if found != client_count * commits_each:
        raise AssertionError(f"{client_count * commits_each} commits were acknowledged, and {found} are in the log")
    return found / log.force_count


def run_committers(client_count: int, commits_each: int, *, seed: int, flush_seconds: float, leg: Law) -> Run:
    """Simulate clients that each commit again as soon as they may, on a log that writes what there is."""
    nodes: dict[str, Node[Any, Any]] = {"log": LogWriter()}
    for number in range(1, client_count + 1):
        nodes[f"client {number}"] = Committer("log", "abcdefghijklmnopqrstuvwxyz"[number - 1], commits_each)
    return simulate(nodes, seed=seed, network=Network(Link(leg)), save_latency={"log": Constant(flush_seconds)})


def commits_per_force(trace: Trace) -> float:
    """Return the commits per force in a run of :func:`run_committers`, the first and the last force left out."""
    forces = trace.of(Kind.SAVE, node="log")[1:-1]
    sizes = [len(event.value) for event in trace.of(Kind.SAVE, node="log")]
    return (sizes[-2] - sizes[0]) / len(forces)


def briefly(message: Any) -> str:
    """Return what a figure writes on a message."""
    return str(message)


def state_label(node: Node[Any, Any]) -> tuple[str, str] | None:
    """Return what a figure writes on the lane of a log writer."""
    if isinstance(node, LogWriter) and node.pending:
        return f"{len(node.pending)} wait", "wait"
    return None
