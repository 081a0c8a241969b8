"""The same nodes over TCP, in one process or in one each, with faults that are real: killed processes and silent links.

Theory of operation
-------------------
A :class:`Cluster` opens a :class:`~distlib.runtimes.host.Host` for each node, tells all of them where the others
listen, boots them, and collects what they report. Its methods are plain calls that return when they have taken effect,
so it serves a script and a notebook (where an asyncio loop is already running) alike: nothing of it runs on the
caller's loop.

*One process each* (``processes=True``). A node is a process of the operating system. :meth:`Cluster.kill` is
``kill -9``, :meth:`Cluster.pause` is ``SIGSTOP``; what survives is what is on disk. This is the mode to measure in. The
node must come from a module that can be imported, since the child does import it; it travels there pickled, through a
pipe that only parent and child hold. The child does not run the parent's script, so that needs no guard.

*All in one* (the default). The nodes share a thread, and everything else is the same: sockets, files, frames. They
start in milliseconds. A kill closes the sockets and drops the node. A handler that never returns holds up all of them.

*Nothing stays behind.* :meth:`Cluster.stop` asks each node to close, waits a bounded time, and then kills. It runs at
the end of the ``with`` block, on an exception, on an interrupt, and when the interpreter exits. Should the parent
itself be killed, its children notice the end of their command pipe. (A paused one cannot; but it is in a process group
of its own, in the parent's session, and POSIX hangs up and wakes stopped groups that become orphans.)

*The trace is a consistent cut.* What the nodes report is merged (:mod:`distlib.runtimes.recorder`) by the time of the
monotonic clock, which all processes of a machine share, and held back where a cause is not known yet. So predicates see
states that the run can have passed through. The latest events may be missing: what a process did a moment ago is still
in its pipe.

What differs from a simulation: nothing can be repeated exactly (the seed fixes the timers' durations and the dice of
the links, not the scheduling); a message that was in a socket when its target was killed has a SEND and nothing after
it, for nobody saw it end; and time is this machine's.

Source: POSIX.1-2017, `_exit`, for orphaned process groups.

Examples
--------
>>> from dataclasses import dataclass, replace
>>> from distlib.node import Send, Step
>>> @dataclass(frozen=True)
... class Pinger(Node[str, None]):
...     answers: int = 0
...     def on_start(self, saved: None) -> Step["Pinger"]:
...         return self, (Send("ponger", "ping"),)
...     def on_message(self, source: str, message: str) -> Step["Pinger"]:
...         return replace(self, answers=self.answers + 1), ()
>>> @dataclass(frozen=True)
... class Ponger(Node[str, None]):
...     def on_start(self, saved: None) -> Step["Ponger"]:
...         return self, ()
...     def on_message(self, source: str, message: str) -> Step["Ponger"]:
...         return self, (Send(source, "pong"),)
>>> with Cluster({"pinger": Pinger(), "ponger": Ponger()}) as cluster:
...     trace = cluster.wait_until(lambda trace: trace.of(Kind.DELIVER, node="pinger"), timeout_seconds=10)
>>> [f"{event.node} {event.kind.value}" for event in trace.why(trace.of(Kind.DELIVER, node="pinger")[0])]
['pinger start', 'pinger send', 'ponger deliver', 'ponger send', 'pinger deliver']
"""

from __future__ import annotations

import atexit
import fcntl
import ipaddress
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, ForwardRef, Self, TypeAlias, TypeVar, Union, get_args, get_origin
from urllib.parse import quote

from distlib.models.latency import Constant, Law, require_law
from distlib.node import Complete, Invoke, Node, World
from distlib.runtimes.connections import Address
from distlib.runtimes.faults import Clock, Link, Network, Partition
from distlib.runtimes.host import LinkFaults, Problem, Report, Specification
from distlib.runtimes.members import (
    COMMAND_TIMEOUT_SECONDS,
    STOP_TIMEOUT_SECONDS,
    ClusterError,
    LoopThread,
    Member,
    ProcessMember,
    ResidentMember,
)
from distlib.runtimes.recorder import Recorder, world_of
from distlib.runtimes.trace import Kind, Trace
from distlib.runtimes.wire import MAXIMUM_FRAME_SIZE_BYTES, Codec

__all__ = ["Cluster", "ClusterError", "Problem"]

AnyNode: TypeAlias = Node[Any, Any]

ResultT = TypeVar("ResultT")

POLL_SECONDS = 0.001
"""How long to sleep between looks at what was reported."""
NAME_LIMIT = 200
"""Characters of a node's name as its folder is called by it."""

_DIRECT = Network(default=Link(latency=Constant(0.0)))

# ------------------------------------------------------------------------------------------------------------ cluster


class Cluster:
    """Runs nodes over TCP on this machine.

    Use it as a context manager: it starts on entry and stops on exit, whatever happens in between.

    Parameters
    ----------
    nodes
        The initial nodes by name. They boot in this order.
    seed
        Of the timers' durations and the dice of the links. Scheduling stays what it is.
    processes
        Whether each node gets a process of its own. Its class must then be in a module that can be imported.
    folder
        Where the durable values are kept; nodes recover from what they find there. None: a temporary folder, removed
        by `stop`.
    network
        What is done to messages on top of the real network; latency is added, which for a plain ``Link()`` is a
        millisecond. None: nothing.
    clocks
        The clocks that are not true, by node. A true clock reads the time of the trace.
    messages, saved
        Type annotations of what nodes send and make durable. None: the type parameters of the nodes' classes,
        ``class Participant(Node[Prepare | Decision, Log])``.
    internet_address
        Where nodes listen. Anything but loopback needs `allow_remote`: frames are neither encrypted nor signed, and the
        token that keeps strangers out can be read by whoever can read the network.
    allow_remote
        Whether `internet_address` may be reachable from other machines.
    maximum_frame_size_bytes
        The largest message that is sent or accepted.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its domain.

    Notes
    -----
    A fault that was ordered is in force when the method returns; its event has the time of the order. A process that
    is paused learns of it when it goes on.
    """

    def __init__(
        self,
        nodes: Mapping[str, AnyNode],
        *,
        seed: int = 0,
        processes: bool = False,
        folder: str | os.PathLike[str] | None = None,
        network: Network | None = None,
        clocks: Mapping[str, Clock] | None = None,
        messages: Any = None,
        saved: Any = None,
        internet_address: str = "127.0.0.1",
        allow_remote: bool = False,
        maximum_frame_size_bytes: int = MAXIMUM_FRAME_SIZE_BYTES,
    ) -> None:
        _require_nodes(nodes, processes)
        _require_address(internet_address, allow_remote)
        if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
            raise ValueError(f"`seed` must be a whole number of at least 0, got {seed!r}")
        if not 1024 <= maximum_frame_size_bytes < 1 << 32:
            raise ValueError(f"`maximum_frame_size_bytes` must be in [1024, 2**32), got {maximum_frame_size_bytes!r}")
        self.names = tuple(nodes)
        self._nodes = dict(nodes)
        self._seed = seed
        self._processes = processes
        self._folder = None if folder is None else Path(folder)
        self._is_folder_temporary = folder is None
        self._network = network or _DIRECT
        self._clocks = dict(clocks or {})
        for name in (*self._clocks, *(name for pair in self._network.links for name in pair)):
            self._require_name(name)
        self._messages = _union(_parameter(node, 0) for node in nodes.values()) if messages is None else messages
        self._saved = {name: _parameter(node, 1) if saved is None else saved for name, node in nodes.items()}
        for annotation in (self._messages, *self._saved.values()):
            Codec(annotation)
        self._internet_address = internet_address
        self._maximum_frame_size_bytes = maximum_frame_size_bytes

        self._token = secrets.token_hex(16)
        self._members: dict[str, Member] = {}
        self._boots = 0
        self._latencies: dict[tuple[str, str], float | Law] = {}
        self._cut: frozenset[tuple[str, str]] = frozenset()
        self._lives: dict[str, int] = {}
        """After how many effects a node that is down shall crash when it is up again."""
        self._state = "new"
        self._origin_nanoseconds: int | None = None
        self._loop: LoopThread | None = None
        self._lock_descriptor: int | None = None

        self._recorder = Recorder(self.names)

    # -- life

    def start(self) -> Self:
        """Open all nodes, and boot them once every one of them listens.

        Raises
        ------
        ClusterError
            If a node cannot start; the others are then stopped.
        """
        if self._state != "new":
            raise ClusterError(f"it is {self._state}; make a new cluster to start again, on the same folder to recover")
        self._state = "running"
        atexit.register(self.stop)
        try:
            self._take_folder()
            if not self._processes:
                self._loop = LoopThread(self._complain)
            for name in self.names:
                self._members[name] = self._open(name)
            addresses = {name: member.wait_until_open() for name, member in self._members.items()}
            self._origin_nanoseconds = time.monotonic_ns()
            self._order(self.names, "meet", addresses, self._origin_nanoseconds)
            self._order(self.names, "boot")
            self._wait_for_start(self.names)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End everything: nodes close in good order or are killed, and a temporary folder is removed."""
        if self._state == "stopped":
            return
        with ExitStack() as last_first:  # Each of these is done, even if another one, or an interrupt, raises.
            last_first.callback(self._let_go_of_folder)
            if self._loop is not None:
                last_first.callback(self._loop.stop)
            for member in self._members.values():
                last_first.callback(member.end)
            self._close_members()
        self._state = "stopped"
        atexit.unregister(self.stop)

    def __enter__(self) -> Self:
        return self if self._state == "running" else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        up = sum(member.is_up for member in self._members.values()) if self._state == "running" else 0
        place = "processes of their own" if self._processes else "one process"
        return f"<Cluster of {len(self.names)} nodes in {place}: {self._state}, {up} up>"

    # -- faults

    def kill(self, name: str) -> None:
        """Crash a node: ``kill -9`` of its process, or, within one process, everything of it dropped."""
        self._member(name).kill()

    def kill_after(self, name: str, effect_count: int) -> None:
        """Let a node crash right after so many more of its effects have applied, and before the next.

        So every crash point can be visited. If the node is not up, the count begins with its next boot.

        Raises
        ------
        ValueError
            If `effect_count` is below 1.
        """
        self._require_name(name)
        if effect_count < 1:
            raise ValueError(f"`effect_count` must be at least 1, got {effect_count!r}")
        if self.is_up(name):
            self._order([name], "die_after", effect_count)
        else:
            self._lives[name] = effect_count

    def restart(self, name: str) -> None:
        """Boot a node that is down, with what it has on disk."""
        self._require_running()
        self._require_name(name)
        if self.is_up(name):
            raise ClusterError(f"node {name!r} is up; kill it before it is restarted")
        member = self._members[name] = self._open(name)
        member.wait_until_open()
        addresses = {each: other.address for each, other in self._members.items() if other.is_up}
        others = [each for each in addresses if each != name]
        self._order(others, "meet", {name: member.address}, self._origin_nanoseconds)
        self._order([name], "meet", addresses, self._origin_nanoseconds)
        self._order([name], "boot")
        self._wait_for_start([name])

    def pause(self, name: str) -> None:
        """Let a node handle nothing until `resume`: stimuli queue, its state stays. A process gets ``SIGSTOP``."""
        member = self._member(name)
        if member.is_paused:
            raise ClusterError(f"node {name!r} is paused already")
        member.is_paused = True
        member.pause()
        self._record(Kind.PAUSE, name)

    def resume(self, name: str) -> None:
        """Let a paused node go on."""
        member = self._member(name)
        if not member.is_paused:
            raise ClusterError(f"node {name!r} is not paused")
        self._record(Kind.RESUME, name)
        member.is_paused = False
        member.resume()

    def cut(self, source: str, target: str) -> None:
        """Let nothing pass from `source` to `target`; the other direction is left as it is."""
        self._change_cut(self._cut | {(self._require_name(source), self._require_name(target))})

    def partition(self, groups: Iterable[Set[str]]) -> None:
        """Let nothing pass from one group of nodes to another. Nodes in no group keep all their links."""
        pairs = Partition(at_seconds=0.0, groups=tuple(groups)).pairs()
        for pair in pairs:
            self._require_name(pair[0])
        self._change_cut(self._cut | pairs)

    def heal(self) -> None:
        """Let every link carry again."""
        self._change_cut(frozenset())

    def delay(self, source: str, target: str, latency: float | Law) -> None:
        """Add latency to what arrives at `target` from `source`, from now on: seconds, or a law that draws them.

        With a law, messages may overtake each other, unless the link is `ordered`.
        """
        pair = (self._require_name(source), self._require_name(target))
        law = Constant(latency) if isinstance(latency, int | float) else require_law("latency", latency)
        self._latencies[pair] = _seconds_or_law(law)
        if self.is_up(target):
            self._order([target], "delay", source, self._latencies[pair])

    # -- observation

    @property
    def trace(self) -> Trace:
        """What has happened so far, of all nodes: a consistent cut. Times are seconds since the nodes were booted."""
        return self._recorder.trace(final=self._state == "stopped")

    @property
    def history(self) -> tuple[tuple[str, Invoke | Complete], ...]:
        """What the clients recorded so far, in order."""
        return world_of(self.trace).history

    @property
    def world(self) -> World:
        """The state at the end of the trace, for the invariants that stand beside the protocols."""
        return world_of(self.trace)

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Handlers that failed, and connections that were closed because of what came in."""
        return self._recorder.problems

    @property
    def addresses(self) -> Mapping[str, Address]:
        """Where the nodes that are up listen."""
        return {name: m.address for name, m in self._members.items() if m.is_up and m.address is not None}

    @property
    def process_ids(self) -> Mapping[str, int]:
        """The processes of the nodes that are up; this one's, if they all share it."""
        return {name: member.pid for name, member in self._members.items() if member.is_up}

    def is_up(self, name: str) -> bool:
        """Return whether a node is running, paused or not."""
        self._require_name(name)
        return name in self._members and self._members[name].is_up

    def now_seconds(self) -> float:
        """Return the time since the nodes were booted."""
        if self._origin_nanoseconds is None:
            return 0.0
        return (time.monotonic_ns() - self._origin_nanoseconds) / 1e9

    def wait_until(
        self, predicate: Callable[[Trace], object], timeout_seconds: float = 10.0, *, allow_failures: bool = False
    ) -> Trace:
        """Wait until a predicate holds of what was observed so far.

        Parameters
        ----------
        predicate
            Takes the trace so far. It is called anew when something has happened, in the caller's thread.
        timeout_seconds
            How long to wait at most.
        allow_failures
            Whether to go on waiting when a node has stopped because its handler failed.

        Returns
        -------
        Trace
            The one for which it held.

        Raises
        ------
        TimeoutError
            If it did not hold in time.
        ClusterError
            If a handler failed before.
        """

        def look() -> Trace | None:
            trace = self.trace
            return trace if predicate(trace) else None

        return self._wait(look, timeout_seconds, allow_failures)

    def wait_for(
        self,
        kind: Kind,
        count: int = 1,
        *,
        node: str | None = None,
        timeout_seconds: float = 10.0,
        allow_failures: bool = False,
    ) -> None:
        """Wait until so many events of a kind, at a node or anywhere, have been observed since the start.

        It only counts, and makes no trace: this is the way to wait in a measurement. Otherwise it is as `wait_until`.
        """
        if node is not None:
            self._require_name(node)
        self._wait(lambda: self._recorder.count(kind, node) >= count or None, timeout_seconds, allow_failures)

    # -- what members call, from threads of their own

    def observe(self, name: str, reports: Sequence[Report]) -> None:
        """Take reports of a node."""
        self._recorder.observe(name, reports)

    def ended(self, member: Member, note: str | None) -> None:
        """Take note that a member is no more: it crashed, unless there is no note."""
        # In this order: whoever waits for the crash may restart the node as soon as he sees it.
        member.is_up = False
        if note is not None and self._has_started(member):
            at_seconds = self.now_seconds() if member.killed_seconds is None else member.killed_seconds
            self._recorder.record_crash(member.name, note, at_seconds)

    def wait(self, condition: Callable[[], bool], timeout_seconds: float) -> bool:
        """Wait until a condition on members holds; return whether it does."""
        deadline = time.monotonic() + timeout_seconds
        while not condition():
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    # -- helpers

    def _record(self, kind: Kind, node: str, value: Any = None) -> None:
        """Record a fault."""
        self._recorder.record(kind, node, value, time_seconds=self.now_seconds())

    def _complain(self, error: BaseException | str) -> None:
        problem = Problem(self.now_seconds(), "", "the event loop", repr(error), fatal=False)
        self._recorder.observe("", [problem])

    def _open(self, name: str) -> Member:
        specification = self._specify(name)
        if self._loop is not None:
            return ResidentMember(self, specification, self._loop)
        return ProcessMember(self, specification)

    def _specify(self, name: str) -> Specification:
        assert self._folder is not None
        self._boots += 1
        clock = self._clocks.get(name, Clock())
        return Specification(
            name=name,
            node=self._nodes[name],
            names=self.names,
            messages=self._messages,
            saved=self._saved[name],
            boot_number=self._boots,
            folder=str(self._folder / f"node-{quote(name, safe='')}"),
            token=self._token,
            internet_address=self._internet_address,
            outgoing={target: self._link_faults(name, target) for target in self.names},
            incoming={source: self._link_faults(source, name) for source in self.names},
            cut=self._cut,
            skew_seconds=clock.skew_seconds,
            drift=clock.drift,
            seed=f"{self._seed}/{name}/{self._boots}",
            maximum_frame_size_bytes=self._maximum_frame_size_bytes,
            effects_to_live=self._lives.pop(name, None),
        )

    def _link_faults(self, source: str, target: str) -> LinkFaults:
        link = self._network.link(source, target)
        latency = self._latencies.get((source, target), _seconds_or_law(link.latency))
        return LinkFaults(latency, link.loss_probability, link.duplicate_probability, link.ordered)

    def _take_folder(self) -> None:
        """Make the folder, and keep other clusters out of it for as long as this one lives."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="cluster-"))
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock_descriptor = os.open(self._folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock_descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ClusterError(f"another cluster is running on the folder {self._folder}; stop it first") from None

    def _let_go_of_folder(self) -> None:
        if self._lock_descriptor is not None:
            os.close(self._lock_descriptor)
            self._lock_descriptor = None
        if self._is_folder_temporary and self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _order(self, names: Iterable[str], command: str, *arguments: Any) -> None:
        """Let the nodes of these names that are up do something, all at once, and wait until they have."""
        members = [self._members[name] for name in names if self._members[name].is_up]
        for wait in [member.order(command, *arguments) for member in members]:
            wait()

    def _wait(self, look: Callable[[], ResultT | None], timeout_seconds: float, allow_failures: bool) -> ResultT:
        """Look whenever something has happened, until there is a result; return it."""
        if not 0 <= timeout_seconds < float("inf"):
            raise ValueError(f"`timeout_seconds` must be finite and at least 0, got {timeout_seconds!r}")
        deadline = time.monotonic() + timeout_seconds
        seen = -1
        while True:
            began = time.monotonic()
            if (changes := self._recorder.changes) != seen:
                seen = changes
                if (result := look()) is not None:
                    return result
                failures = [problem for problem in self.errors if problem.fatal]
                if failures and not allow_failures:
                    raise ClusterError(f"a node stopped: {failures[0]}\n{failures[0].details}")
            now = time.monotonic()
            if now >= deadline:
                problems = "".join(f"\n  {problem}" for problem in self.errors)
                raise TimeoutError(
                    f"it did not hold within {timeout_seconds} s, of {len(self.trace)} events; "
                    f"problems: {problems or 'none'}"
                )
            # A long trace takes a while to look at; most of the processor is for the nodes that share it.
            time.sleep(min(max(POLL_SECONDS, 3 * (now - began)), deadline - now))

    def _wait_for_start(self, names: Iterable[str]) -> None:
        """Wait until the first event of these nodes' current boots is there, or they have crashed before it."""
        for name in names:
            member = self._members[name]
            self.wait(partial(self._has_started_or_ended, member), COMMAND_TIMEOUT_SECONDS)

    def _has_started_or_ended(self, member: Member) -> bool:
        return not member.is_up or self._has_started(member)

    def _has_started(self, member: Member) -> bool:
        """Return whether the last event of a node is of this boot of it."""
        return self._recorder.is_of_boot(member.name, member.specification.boot_number)

    def _change_cut(self, pairs: frozenset[tuple[str, str]]) -> None:
        self._require_running()
        began, ended = pairs - self._cut, self._cut - pairs
        self._cut = pairs
        for kind, changed in ((Kind.PARTITION, began), (Kind.HEAL, ended)):
            if changed:
                self._record(kind, "", changed)
        self._order(self.names, "cut", pairs)

    def _close_members(self) -> None:
        members = [member for member in self._members.values() if member.is_up and member.address is not None]
        for member in members:
            if member.is_paused:
                member.resume()
                member.is_paused = False
        for member in members:
            member.order("close")
        self.wait(lambda: not any(member.is_up for member in members), STOP_TIMEOUT_SECONDS)

    def _member(self, name: str) -> Member:
        """Return the member of a node that is up."""
        self._require_running()
        if not self.is_up(name):
            raise ClusterError(f"node {name!r} is down")
        return self._members[name]

    def _require_running(self) -> None:
        if self._state != "running":
            raise ClusterError(f"this cluster is {self._state}; it must be running")

    def _require_name(self, name: str) -> str:
        if name not in self._nodes:
            raise ValueError(f"a node must be one of {', '.join(self.names)}, got {name!r}")
        return name


# ---------------------------------------------------------------------------------------------------------- arguments


def _require_nodes(nodes: Mapping[str, AnyNode], processes: bool) -> None:
    if not nodes:
        raise ValueError("`nodes` must name at least one node, got none")
    for name, node in nodes.items():
        if not isinstance(name, str) or not name:
            raise TypeError(f"`nodes` must be named by strings that are not empty, got {name!r}")
        if len(quote(name, safe="")) > NAME_LIMIT:
            raise ValueError(f"`nodes` must have names of at most {NAME_LIMIT} characters in a URL, got {name!r}")
        if not isinstance(node, Node):
            raise TypeError(f"`nodes` must hold nodes of distlib.node, got {node!r} for {name!r}")
        if processes and type(node).__module__ == "__main__":
            raise TypeError(
                f"{type(node).__qualname__}, the class of node {name!r}, is defined in the script or notebook itself, "
                "which a process of its own cannot import: put it into a module, or use processes=False"
            )


def _require_address(internet_address: str, allow_remote: bool) -> None:
    if not ipaddress.ip_address(internet_address).is_loopback and not allow_remote:
        raise ValueError(
            "`internet_address` must be loopback, such as 127.0.0.1, unless `allow_remote` is true, "
            f"got {internet_address!r}"
        )


def _seconds_or_law(law: Law) -> float | Law:
    """Return a constant law as a number: a process that draws from no law need not load numpy."""
    return float(law.seconds) if isinstance(law, Constant) else law


def _union(annotations: Iterable[Any]) -> Any:
    return Union[tuple(annotations)]  # noqa: UP007 # `|` does not take what is known only at run time


def _parameter(node: AnyNode, position: int) -> Any:
    """Return a type parameter of a node's class: 0, its messages; 1, its durable value."""
    found = _parameters(type(node), ())
    if found is None:
        raise TypeError(
            f"the types of {type(node).__qualname__}'s messages and durable value are not known: derive it from "
            "Node[messages, saved], or give the cluster `messages` and `saved`"
        )
    return found[position]


def _parameters(kind: type, arguments: tuple[Any, ...]) -> tuple[Any, Any] | None:
    """Return what a class gives `Node` for its type parameters, through all classes between, or None."""
    variables: tuple[Any, ...] = getattr(kind, "__parameters__", ())
    given = dict(zip(variables, arguments, strict=False))
    for base in kind.__dict__.get("__orig_bases__", kind.__bases__):
        origin = get_origin(base) or base
        if not isinstance(origin, type) or not issubclass(origin, Node):
            continue
        values = tuple(_substitute(value, given, kind) for value in get_args(base))
        if origin is not Node:
            found = _parameters(origin, values)
        else:
            # A mixin for nodes of all kinds says Node[Any, Any]; the class that it is mixed into knows better.
            found = (values[0], values[1]) if len(values) == 2 and values != (Any, Any) else None
        if found is not None:
            return found
    return None


def _substitute(value: Any, given: Mapping[Any, Any], kind: type) -> Any:
    """Return a type argument with type variables and forward references replaced by what they stand for."""
    if isinstance(value, ForwardRef):
        value = eval(value.__forward_arg__, vars(sys.modules[kind.__module__]))
    if isinstance(value, TypeVar):
        return given.get(value, value)
    variables = getattr(value, "__parameters__", ())
    return value[tuple(given.get(variable, variable) for variable in variables)] if variables else value
