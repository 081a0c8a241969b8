"""A worker that computes for days on machines that fail: it saves its state, and goes on from there.

Sources: Young, *A First Order Approximation to the Optimum Checkpoint Interval* (Communications of the ACM 17(9),
1974); Daly, *A Higher Order Estimate of the Optimum Checkpoint Interval for Restart Dumps* (Future Generation
Computer Systems 22(3), 2006), for what a failure costs; Moody et al., *Design, Modeling, and
Evaluation of a Scalable Multi-level Checkpointing System* (SC 2010), for two levels.

Theory of operation
-------------------
The work is cut into *segments*. A segment is computed, then the state is dumped; when the dump is complete, it replaces
the one before it, at once and whole. A crash costs what was done since: the segment under way, the dump under way.
After a crash the worker first restores its state, which takes time too, and may be cut short by the next crash.

With two levels the worker dumps to its own machine each time, which is quick and survives the crash of a process; every
so many segments it dumps to a remote store also. A :class:`Machine` that is lost takes the local dumps with it.

The state is a number that depends on every segment in order. So a segment that was left out, or was applied twice,
shows in the result.

Assumptions
-----------
Dumps block the work. What was saved is not lost or damaged, except the local dumps with their machine. Left out: dumps
beside the work (asynchronous, copy on write), incremental dumps, and how a dump gets to disk: that is
:mod:`distlib.runtimes.checkpoints`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, TypeAlias

from distlib.node import CancelTimer, Effects, Node, Save, Send, SetTimer, Step, World

__all__ = [
    "Dump",
    "Machine",
    "MachineLost",
    "Progress",
    "Worker",
    "after_segments",
    "finished",
    "result_is_right",
]

MODULUS = 10_007


def after_segments(count: int) -> int:
    """Return the state after so many segments, computed without a break."""
    state = 1
    for segment in range(count):
        state = apply(state, segment)
    return state


def apply(state: int, segment: int) -> int:
    """Return the state after one more segment; the order matters, and so does how often."""
    return (31 * state + 7 * segment + 5) % MODULUS


@dataclass(frozen=True)
class Progress:
    """How far the work is: segments done, and the state after them."""

    done: int = 0
    state: int = 1

    def __str__(self) -> str:
        return f"{self.done} done"


@dataclass(frozen=True)
class Dump:
    """What is durable: the latest dump on the own machine, and the latest on the remote store."""

    local: Progress = Progress()
    remote: Progress = Progress()

    def __str__(self) -> str:
        return f"dump of {self.local}"


@dataclass(frozen=True)
class MachineLost:
    """Machine to worker: I am a new one, the local dumps are gone."""

    def __str__(self) -> str:
        return "machine lost"


Message: TypeAlias = MachineLost


@dataclass(frozen=True)
class Worker(Node[Message, Dump]):
    """Computes, dumps, crashes, restores.

    Parameters
    ----------
    segments
        How many segments the work has.
    work_seconds, dump_seconds, restore_seconds
        How long a segment, a dump and a restore take.
    segments_per_remote
        Every so many segments, and at the end, the dump goes to the remote store also; 0: there is none.
    remote_dump_seconds, remote_restore_seconds
        What that takes on top of the local dump, and what a restore from there takes.
    """

    segments: int
    work_seconds: float = 1.0
    dump_seconds: float = 0.1
    restore_seconds: float = 0.0
    segments_per_remote: int = 0
    remote_dump_seconds: float = 0.0
    remote_restore_seconds: float = 0.0
    progress: Progress = Progress()
    saved: Dump = Dump()
    doing: str = ""
    """What it does now: "computing", "dumping", "restoring", or "finished"."""

    def on_start(self, saved: Dump | None) -> Step[Self]:
        if saved is None:
            return replace(self, saved=Dump(), progress=Progress()).go_on()
        node = replace(self, saved=saved, progress=saved.local, doing="restoring")
        return node, (_timer("restored", self.restore_seconds),)

    def on_timer(self, name: str) -> Step[Self]:
        if name == "computed":
            done, state = self.progress.done, self.progress.state
            node = replace(self, progress=Progress(done + 1, apply(state, done)), doing="dumping")
            return node, (_timer("dumped", node.seconds_to_dump()),)
        if name == "dumped":
            return self.keep()
        return self.go_on()

    def on_message(self, source: str, message: Message) -> Step[Self]:
        """Drop everything that the lost machine held, and go back to the remote dump."""
        dump = Dump(self.saved.remote, self.saved.remote)
        node = replace(self, saved=dump, progress=dump.local, doing="restoring")
        stop = (CancelTimer("computed"), CancelTimer("dumped"))
        return node, (Save(dump), *stop, _timer("restored", self.remote_restore_seconds))

    def go_on(self) -> Step[Self]:
        """Compute the next segment, if there is one."""
        if self.progress.done == self.segments:
            return replace(self, doing="finished"), ()
        return replace(self, doing="computing"), (_timer("computed", self.work_seconds),)

    def goes_remote(self) -> bool:
        """Return whether the dump of the state as it is goes to the remote store also."""
        every = self.segments_per_remote
        return bool(every) and (self.progress.done % every == 0 or self.progress.done == self.segments)

    def seconds_to_dump(self) -> float:
        """Return how long the dump of the state as it is takes."""
        return self.dump_seconds + (self.remote_dump_seconds if self.goes_remote() else 0.0)

    def keep(self) -> Step[Self]:
        """Let the complete dump replace the one before it, and go on."""
        remote = self.progress if self.goes_remote() else self.saved.remote
        node = replace(self, saved=Dump(self.progress, remote))
        node, effects = node.go_on()
        return node, (*node.save(), *effects)

    def save(self) -> Effects:
        """Make the dump durable, whole."""
        return (Save(self.saved),)


@dataclass(frozen=True)
class Machine(Node[Message, bool]):
    """The machine on which the worker runs. After it was lost there is another, and the worker hears of it."""

    worker: str = "worker"

    def on_start(self, saved: bool | None) -> Step[Self]:
        return self, ((Send(self.worker, MachineLost()),) if saved else (Save(True),))

    def on_message(self, source: str, message: Message) -> Step[Self]:
        return self, ()


def _timer(name: str, seconds: float) -> SetTimer:
    return SetTimer(name, (seconds, seconds))


def _workers(world: World) -> list[Worker]:
    return [node for _, node in sorted(world.nodes.items()) if isinstance(node, Worker)]


def finished(world: World) -> bool:
    """Return whether the worker is up and has finished."""
    return bool(_workers(world)) and all(worker.doing == "finished" for worker in _workers(world))


def result_is_right(world: World) -> bool:
    """Return whether the state of each worker is that of an unbroken run, after as many segments."""
    return all(worker.progress.state == after_segments(worker.progress.done) for worker in _workers(world))
