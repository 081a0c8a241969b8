"""Checkpoints on the bench: workers that fail in simulated time, and a solver that is killed on real disks."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from distlib.experiments.fault_tolerance._solver import Solver, solve
from distlib.models.latency import Constant, Exponential, Law
from distlib.protocols.fault_tolerance.checkpointing import Machine, Worker
from distlib.runtimes.checkpoints import Checkpoints
from distlib.runtimes.faults import CrashRandomly, Fault, Link, Network
from distlib.runtimes.lossy_disk import LossyDisk, PowerFailure
from distlib.runtimes.simulation import Run, Simulation, simulate
from distlib.runtimes.storage import Files, Storage, StorageError

__all__ = [
    "CutOff",
    "DyingFiles",
    "ForgetsTheFile",
    "ForgetsTheFolder",
    "Solver",
    "WritesInPlace",
    "crash_everywhere",
    "damage_everywhere",
    "findings",
    "kill_and_restart",
    "run_worker",
    "seconds_to_finish",
    "solve",
]

# ------------------------------------------------------------------------------------------------ in simulated time


def _simulation(
    worker: Worker, failures: Law, *, seed: int, downtime: float, machine_failures: Law | None, record: bool
) -> Simulation:
    nodes: dict[str, Worker | Machine] = {"worker": worker}
    faults: list[Fault] = [CrashRandomly(["worker"], failures, Constant(downtime))]
    if machine_failures is not None:
        nodes["machine"] = Machine()
        faults.append(CrashRandomly(["machine"], machine_failures, Constant(0.0)))
    return Simulation(nodes, seed=seed, faults=faults, network=Network(Link(Constant(0.0))), record=record)


def seconds_to_finish(
    worker: Worker,
    failures: Law | float,
    *,
    seed: int,
    downtime: float = 0.0,
    machine_failures: Law | None = None,
) -> float:
    """Return the time until a worker has finished.

    Parameters
    ----------
    worker
        With its segments and their costs.
    failures
        The law of the time to a failure of the worker, from the start or from the end of a downtime; or the mean of an
        exponential one.
    seed
        Of the run.
    downtime
        After each failure; nothing fails in it.
    machine_failures
        The law of the time to a loss of the machine; None: it is never lost.
    """
    law = Exponential(failures) if isinstance(failures, int | float) else failures
    simulation = _simulation(worker, law, seed=seed, downtime=downtime, machine_failures=machine_failures, record=False)
    while True:
        node = simulation.world.nodes["worker"]
        if isinstance(node, Worker) and node.doing == "finished":
            return simulation.time_seconds
        simulation.step()


def run_worker(worker: Worker, faults: Sequence[Fault], until_seconds: float) -> Run:
    """Run a worker with the crashes that are given."""
    return simulate({"worker": worker}, seed=0, faults=faults, until_seconds=until_seconds)


# ----------------------------------------------------------------------------------------------------- on real disks


class CutOff(Exception):
    """The process was killed here."""


class DyingFiles(Files):
    """Real files, operated on by a process that is killed before a chosen operation.

    Parameters
    ----------
    operations_to_live
        How many operations are still done.
    piece_bytes
        How much one write takes: a kill may fall between two writes.
    """

    def __init__(self, operations_to_live: int, piece_bytes: int = 256) -> None:
        self.left = operations_to_live
        self.piece_bytes = piece_bytes
        self.died_before = ""

    def _operate(self, name: str) -> None:
        if self.left == 0:
            self.died_before = self.died_before or name
            raise CutOff(name)
        self.left -= 1

    def create(self, path: Path) -> int:
        self._operate("create")
        return super().create(path)

    def write(self, descriptor: int, data: memoryview) -> int:
        self._operate("write")
        return super().write(descriptor, data[: self.piece_bytes])

    def sync(self, descriptor: int) -> None:
        self._operate("fsync")
        super().sync(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        self._operate("rename")
        super().rename(source, target)

    def sync_folder(self, path: Path) -> None:
        self._operate("fsync the folder")
        super().sync_folder(path)


def crash_everywhere(*, side: int, steps: int) -> Counter[str]:
    """Kill the solver before each operation on a file, one run each, and go on; return the operations it died before.

    Raises
    ------
    AssertionError
        If a run that was broken and went on does not end as one that was not broken, bit for bit.
    """
    died: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        expected = solve(Path(folder) / "unbroken", side=side, steps=steps)
        for operations in range(10**6):
            place = Path(folder) / "broken"
            files = DyingFiles(operations)
            try:
                solve(place, side=side, steps=steps, files=files)
            except CutOff:
                pass
            else:
                return died
            died[files.died_before] += 1
            assert solve(place, side=side, steps=steps) == expected, (operations, files.died_before)
            shutil.rmtree(place)
    raise AssertionError("the solver did not end")


def damage_everywhere(*, side: int, steps: int) -> tuple[int, int]:
    """Cut the latest checkpoint off after each byte, and flip each byte; return (damaged files, of which were noticed).

    Raises
    ------
    AssertionError
        If a run that goes on from a damaged folder does not end as it should, bit for bit.
    """
    with tempfile.TemporaryDirectory() as folder:
        expected = solve(Path(folder) / "unbroken", side=side, steps=steps)
        place = Path(folder) / "damaged"
        solve(place, side=side, steps=steps - 1)
        checkpoints = Checkpoints(place)
        path = checkpoints.storages[(steps - 1) % 2].path
        whole = path.read_bytes()
        damaged = [whole[:size] for size in range(len(whole))]
        damaged += [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(len(whole))]
        noticed = 0
        for data in damaged:
            path.write_bytes(data)
            found = checkpoints.load()
            assert found is not None
            noticed += found[0] == steps - 2
        assert solve(place, side=side, steps=steps) == expected
        return len(damaged), noticed


def kill_and_restart(kills: int, *, seed: int, side: int = 48, steps: int = 60) -> tuple[int, bool]:
    """Run the solver in a process of its own, kill it with SIGKILL again and again, and let it finish.

    Returns
    -------
    tuple
        How many processes were killed before they had finished, and whether the result is that of an unbroken run, bit
        for bit.
    """
    generator = np.random.default_rng(seed)
    killed = 0
    with tempfile.TemporaryDirectory() as folder:
        expected = solve(Path(folder) / "unbroken", side=side, steps=steps)
        place = Path(folder) / "killed"
        for _ in range(kills):
            with _start(place, side, steps) as process:
                assert process.stdout is not None
                assert process.stdin is not None
                # It may begin so many saves, and is killed in the last of them, at no particular moment.
                allowed = int(generator.integers(1, max(2, steps // kills)))
                process.stdin.write(b"." * allowed)
                process.stdin.flush()
                for _ in range(allowed):
                    process.stdout.readline()
                time.sleep(float(generator.uniform(0.0, 0.003)))
                process.send_signal(signal.SIGKILL)
                killed += process.wait(timeout=60) == -signal.SIGKILL
        with _start(place, side, steps) as process:
            process.communicate(timeout=60)
        found = Checkpoints(place).load()
        return killed, found is not None and found[1] == expected


def _start(place: Path, side: int, steps: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "distlib.experiments.fault_tolerance._solver", str(place), str(side), str(steps)]
    root = str(Path(__file__).parents[3])
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, env={**os.environ, "PYTHONPATH": root})


# ------------------------------------------------------------------------------------- on a disk that may lose things


class ForgetsTheFile(LossyDisk):
    """The file is not forced before it is renamed."""

    def sync(self, descriptor: int) -> None:
        self._operate("fsync left out")


class ForgetsTheFolder(LossyDisk):
    """The folder is not forced after the rename."""

    def sync_folder(self, path: Path) -> None:
        self._operate("fsync left out")


class WritesInPlace(LossyDisk):
    """The old file is overwritten: no other name, no rename."""

    def create(self, path: Path) -> int:
        return super().create(path.with_name("value"))

    def rename(self, source: Path, target: Path) -> None:
        self._operate("rename left out")


_OLD, _NEW = b"the old state", b"the new state"


def findings(kind: type[LossyDisk], failure: str) -> Counter[str]:
    """Break a save at every point, on a disk with an old state; return how often each thing was found afterwards.

    Parameters
    ----------
    kind
        The disk, or how carelessly it is used.
    failure
        "kill -9", which leaves what was written; or "power", which leaves any part of what was not forced.

    Returns
    -------
    Counter
        "old" and "new"; or what must not be: "torn", "nothing", and "lost": the old state though the save had returned.
    """
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for returned, files in _left(kind, failure, Path(folder) / "storage"):
            found[_judge(Path(folder) / "storage", files, returned=returned)] += 1
    return found


def _left(kind: type[LossyDisk], failure: str, place: Path) -> Iterator[tuple[bool, dict[str, bytes]]]:
    """Go through (whether the save had returned, the folder that is left) for every point of failure."""
    for operations in range(1000):
        disk = kind()
        storage = Storage(place, disk)
        storage.save(_OLD)
        disk.settle()  # That was long ago: it is on disk by now, however it was written.
        disk.operations_to_live = operations
        returned = True
        try:
            storage.save(_NEW)
        except PowerFailure:
            returned = False
        for left in [disk.after_kill()] if failure == "kill -9" else disk.after_power_failure():
            yield returned, left
        if returned:
            return


def _judge(place: Path, files: dict[str, bytes], *, returned: bool) -> str:
    for path in place.iterdir():
        path.unlink()
    for name, contents in files.items():
        (place / name).write_bytes(contents)
    try:
        value = Storage(place).load()
    except StorageError:
        return "torn"
    if value is None:
        return "nothing"
    if value == _NEW:
        return "new"
    return "lost" if returned else "old"
