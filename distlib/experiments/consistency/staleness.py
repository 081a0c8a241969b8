"""The voting register on the bench: instances to explore, chaos to survive, staleness to count.

Runs take nothing from the models but the laws of the legs. Whether a read is stale is seen from what it returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

import numpy as np

from distlib.broken.consistency.voting import (
    CountsCopies,
    ForgetfulFallback,
    ForgetfulReplica,
    HastyHandOff,
    LastToArriveWins,
    LocalCounter,
    SureOfFailure,
    UsesStampsAgain,
)
from distlib.checkers.history import History
from distlib.checkers.linearizability import Judgement, Verdict, check_linearizable
from distlib.checkers.sequential_models import register
from distlib.models.consistency.staleness import Legs
from distlib.models.latency import Constant, Exponential, LogNormal
from distlib.node import Complete, Node, ReadClock, Send, SetTimer, Step
from distlib.protocols.consistency.voting import (
    Client,
    ClientMessage,
    Phase,
    Quorums,
    Range,
    Replica,
    Task,
    WriteBack,
    sizes,
)
from distlib.runtimes.faults import Crash, CrashRandomly, Fault, Link, Network, PartitionRandomly
from distlib.runtimes.network import Cluster
from distlib.runtimes.simulation import Run, simulate
from distlib.runtimes.trace import Kind

__all__ = [
    "MISTAKES",
    "REGISTER",
    "Announcing",
    "Done",
    "Following",
    "Mistake",
    "Punctual",
    "abandoned",
    "acknowledged",
    "behind",
    "briefly",
    "chaos",
    "chaotic",
    "count_stale_reads",
    "given_up",
    "hinted",
    "judge",
    "measure",
    "missed_versions",
    "overtaken",
    "read",
    "registers",
    "run_with",
    "settled",
    "sloppy_reads",
    "state_label",
    "two_writers",
    "under_way",
    "until_it_is_read",
    "write",
]

Nodes = Mapping[str, Node[Any, Any]]
REGISTER = register(0)
"""One register that holds 0 at first: what all histories here are judged by."""
NEXT_DOOR = Constant(0.0)

# ------------------------------------------------------------------------------------------------------- instances


def write(value: int, *asked: str, pause_seconds: float = 0.0) -> Task:
    """Return the task to write `value`, asking these replicas (none: all), after a pause."""
    return Task(("write", value), (pause_seconds, pause_seconds), frozenset(asked))


def read(*asked: str, pause_seconds: float = 0.0) -> Task:
    """Return the task to read, asking these replicas (none: all), after a pause."""
    return Task(("read",), (pause_seconds, pause_seconds), frozenset(asked))


def registers(
    tasks: Mapping[str, Sequence[Task]],
    quorums: Quorums | None = None,
    write_back: WriteBack = WriteBack.NONE,
    *,
    single_writer: bool = False,
    fallback_count: int = 0,
    hand_off_seconds: float = 10.0,
    resend_seconds: float | None = None,
    patience_seconds: float | None = None,
    client_class: type[Client] = Client,
    replica_class: type[Replica] = Replica,
) -> dict[str, Node[Any, Any]]:
    """Return clients with their tasks, and the replicas of their quorums.

    Parameters
    ----------
    tasks
        By client.
    quorums
        By default a majority of three, for reads and for writes.
    write_back
        What reads do with what they find.
    single_writer
        Whether a client that begins with a write is the only one, and needs no query.
    fallback_count
        How many replicas `f1`, `f2`, … take hints for others.
    hand_off_seconds
        How long replicas wait before they hand off their hints.
    resend_seconds, patience_seconds
        How long clients wait before they ask again, and before they give up; None: for ever.
    client_class, replica_class
        Which kinds.
    """
    quorums = quorums or sizes(3, 2, 2)
    fallbacks = tuple(f"f{number}" for number in range(1, fallback_count + 1))
    nodes: dict[str, Node[Any, Any]] = {}
    for name, todo in tasks.items():
        begins_with_write = todo[0].operation != ("read",)
        client = client_class(
            name,
            tuple(todo),
            quorums,
            write_back,
            fallbacks=fallbacks,
            resend_seconds=_range(resend_seconds),
            patience_seconds=_range(patience_seconds),
        )
        nodes[name] = replace(client, single_writer=True) if single_writer and begins_with_write else client
    for name in (*sorted(quorums.names), *fallbacks):
        nodes[name] = replica_class((hand_off_seconds, hand_off_seconds))
    return nodes


def _range(seconds: float | None) -> Range | None:
    return None if seconds is None else (seconds, seconds)


def under_way(write_back: WriteBack, **options: Any) -> dict[str, Node[Any, Any]]:
    """Return an instance in which Alice's write reaches `r1` and no other replica, ever; Bob reads twice.

    The write may have been cut short by a crash of its client, or two of its messages are lost, or late.
    """
    tasks = {"alice": [write(1, "r1")], "bob": [read(), read()]}
    return registers(tasks, write_back=write_back, single_writer=True, **options)


def two_writers(write_back: WriteBack, **options: Any) -> dict[str, Node[Any, Any]]:
    """Return an instance in which Alice and Bob write at majorities that share `r2`; Carol reads at two others."""
    tasks = {
        "alice": [write(1, "r1", "r2")],
        "bob": [write(2, "r2", "r3")],
        "carol": [read("r1", "r3"), read("r1", "r2")],
    }
    return registers(tasks, write_back=write_back, **options)


def until_it_is_read(write_back: WriteBack, **options: Any) -> dict[str, Node[Any, Any]]:
    """Return an instance with a read right behind another, at majorities that share `r2`, while Alice writes to all."""
    tasks = {"alice": [write(1)], "bob": [read("r1", "r2"), read("r2", "r3")]}
    return registers(tasks, write_back=write_back, single_writer=True, **options)


def acknowledged(write_back: WriteBack = WriteBack.IF_NEEDED, **options: Any) -> dict[str, Node[Any, Any]]:
    """Return an instance in which Alice writes, and reads at another majority, which shares `r2` with the first."""
    tasks = {"alice": [write(1, "r1", "r2"), read("r2", "r3")]}
    return registers(tasks, write_back=write_back, single_writer=True, **options)


def overtaken(write_back: WriteBack = WriteBack.IF_NEEDED, **options: Any) -> dict[str, Node[Any, Any]]:
    """Return an instance in which Alice writes twice, so that a message of the first may come after the second."""
    tasks = {"alice": [write(1), write(2), read("r1", "r3")]}
    return registers(tasks, write_back=write_back, single_writer=True, **options)


def behind(write_back: WriteBack = WriteBack.IF_NEEDED, **options: Any) -> dict[str, Node[Any, Any]]:
    """Return an instance in which Alice writes after what she has read, and Bob has written twice by then."""
    tasks = {
        "bob": [write(1, "r1", "r2"), write(2, "r1", "r2")],
        "alice": [read("r2", "r3"), write(3, "r2", "r3"), read("r1", "r2")],
    }
    return registers(tasks, write_back=write_back, **options)


def abandoned(write_back: WriteBack = WriteBack.IF_NEEDED, **options: Any) -> dict[str, Node[Any, Any]]:
    """Return an instance in which Alice may crash in a first write, and then writes again; Bob reads."""
    tasks = {"alice": [write(1, "r1", "r2"), write(2, "r2", "r3")], "bob": [read("r2", "r3"), read("r1", "r2")]}
    return registers(tasks, write_back=write_back, **options)


def given_up(write_back: WriteBack = WriteBack.IF_NEEDED, **options: Any) -> dict[str, Node[Any, Any]]:
    """Return an instance in which Alice may run out of patience with her write; Bob reads."""
    return registers({"alice": [write(1)], "bob": [read("r2", "r3")]}, write_back=write_back, **options)


def hinted(*, then: Sequence[Task] = (), **options: Any) -> dict[str, Node[Any, Any]]:
    """Return an instance in which Alice writes to `r1` and `r2`, and `f1` may take a hint for one of them."""
    tasks = {"alice": [write(1, "r1", "r2"), *then]}
    return registers(tasks, single_writer=True, fallback_count=1, **options)


@dataclass(frozen=True)
class Mistake:
    """A variant with one mistake, and an instance that shows it.

    Parameters
    ----------
    kind
        The variant of a client or of a replica.
    instance
        Returns the nodes, for `client_class` or `replica_class`, and for `options`.
    exploring, options
        What :func:`~distlib.runtimes.exploration.explore` and the instance are asked for besides.
    """

    kind: type[Client] | type[Replica]
    instance: Callable[..., dict[str, Node[Any, Any]]]
    exploring: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the variant is called."""
        return self.kind.__name__

    def nodes(self, *, mended: bool = False) -> dict[str, Node[Any, Any]]:
        """Return the instance, with the mistake or with what it is a variant of."""
        base = Client if issubclass(self.kind, Client) else Replica
        argument = "client_class" if base is Client else "replica_class"
        return self.instance(**{argument: base if mended else self.kind}, **self.options)


MISTAKES: Final = (
    Mistake(ForgetfulReplica, acknowledged, {"timers": False, "crashes": {"r2": 1}}),
    Mistake(LastToArriveWins, overtaken, {"timers": False}),
    Mistake(LocalCounter, behind, {"timers": False}),
    Mistake(UsesStampsAgain, abandoned, {"timers": False, "crashes": {"alice": 1}}),
    Mistake(SureOfFailure, given_up, {"timers": True}, {"patience_seconds": 1.0}),
    Mistake(CountsCopies, acknowledged, {"timers": False, "messages": "set"}),
    Mistake(ForgetfulFallback, hinted, {"messages": "set", "crashes": {"f1": 1}}),
    Mistake(HastyHandOff, hinted, {"messages": "set"}),
)
"""Eight mistakes, each with an instance small enough to explore to its end."""

# ------------------------------------------------------------------------------------------------------------ runs


def run_with(
    legs: Legs,
    nodes: Nodes,
    *,
    seed: int,
    writers: Iterable[str] = ("alice",),
    faults: Sequence[Fault] = (),
    loss_probability: float = 0.0,
    until_seconds: float | None = None,
    record: bool = True,
) -> Run:
    """Simulate `nodes`: messages of the clients `writers` take the legs W and A, those of the others R and S.

    Parameters
    ----------
    legs
        Laws of the four legs, in seconds.
    nodes
        Such as :func:`registers` returns.
    seed, faults, until_seconds, record
        See :func:`~distlib.runtimes.simulation.simulate`.
    writers
        Whose messages go by the first two legs.
    loss_probability
        Of each message between clients and replicas.
    """
    writing = set(writers)
    replicas = [name for name, node in nodes.items() if isinstance(node, Replica)]
    links = {}
    for client in sorted(nodes.keys() - set(replicas)):
        out, back = (legs.write, legs.acknowledge) if client in writing else (legs.request, legs.response)
        for replica in replicas:
            links[client, replica] = Link(out, loss_probability)
            links[replica, client] = Link(back, loss_probability)
    network = Network(Link(NEXT_DOOR), links)
    return simulate(nodes, seed=seed, network=network, faults=faults, until_seconds=until_seconds, record=record)


def judge(run: Run) -> Verdict:
    """Return whether what the clients of a run saw is linearizable."""
    return check_linearizable(History.from_events(run.history), REGISTER)


def chaotic(write_back: WriteBack, *, operation_count: int = 5, **options: Any) -> dict[str, Node[Any, Any]]:
    """Return two writers and two readers of a register on five replicas, who ask again and give up after a while."""
    tasks = {
        "alice": [write(10 + number, pause_seconds=0.2) for number in range(operation_count)],
        "bob": [
            write(20 + number, pause_seconds=0.3) if number % 2 else read(pause_seconds=0.1)
            for number in range(operation_count)
        ],
        "carol": [read(pause_seconds=0.1) for _ in range(2 * operation_count)],
        "dave": [read(pause_seconds=0.15) for _ in range(2 * operation_count)],
    }
    options = {"resend_seconds": 0.1, "patience_seconds": 1.0} | options
    return registers(tasks, sizes(5, 3, 3), write_back, **options)


def chaos(nodes: Nodes, *, seed: int) -> Run:
    """Simulate `nodes` for 15 s with crashes of replicas and clients, loss, copies, slow disks and partitions."""
    replicas = [name for name, node in nodes.items() if isinstance(node, Replica)]
    clients = [name for name, node in nodes.items() if isinstance(node, Client)]
    faults: list[Fault] = [
        CrashRandomly(replicas, Exponential(2.0), Exponential(0.3)),
        CrashRandomly(clients, Exponential(3.0), Exponential(0.2)),
        PartitionRandomly([*replicas, *clients], Exponential(3.0), Exponential(0.3)),
    ]
    link = Link(LogNormal(0.02, 1.5), loss_probability=0.1, duplicate_probability=0.1)
    return simulate(
        nodes,
        seed=seed,
        network=Network(link),
        faults=faults,
        save_latency=Exponential(0.005),
        until_seconds=15.0,
        record=False,
    )


def settled(verdict: Verdict) -> bool:
    """Return whether a verdict is that the history is linearizable; it must be a verdict."""
    if verdict.judgement is Judgement.UNKNOWN:
        raise RuntimeError(f"the budget was too little to judge\n{verdict.history}")
    return verdict.judgement is Judgement.LINEARIZABLE


# ------------------------------------------------------------------------------------------------------- staleness


@dataclass(frozen=True)
class Done:
    """Writer to reader: write `number` is over."""

    number: int


@dataclass(frozen=True)
class Announcing(Client):
    """A client that tells a listener, who sits next to it, of each write that is over."""

    listener: str = "reader"

    def complete(self, completion: Complete) -> Step[Self]:
        node, effects = super().complete(completion)
        return node, (*effects, Send(self.listener, Done(self.number)))


@dataclass(frozen=True)
class Following(Client):
    """A client that reads once for each write that it is told of, so long after its end."""

    after_seconds: float = 0.0

    def rest(self) -> Step[Self]:
        return self, ()

    def on_message(self, source: str, message: ClientMessage | Done) -> Step[Self]:
        if not isinstance(message, Done):
            return super().on_message(source, message)
        return self, (SetTimer("pause", (self.after_seconds, self.after_seconds)),)


def count_stale_reads(
    legs: Legs,
    replica_count: int,
    read_quorum: int,
    write_quorum: int,
    seconds_since_write: float,
    *,
    seed: int,
    round_count: int = 100,
    rest_seconds: float = 1000.0,
) -> int:
    """Return how many of `round_count` reads miss the write that was over so long before they began.

    One client writes 1, 2, 3, …, at leisure, so that every replica has a write before the next begins. Another
    reads once after each of them. All messages take the legs of the model, each its own draw.

    Parameters
    ----------
    legs
        Laws of the four legs, in seconds.
    replica_count, read_quorum, write_quorum
        N, R and W.
    seconds_since_write
        t, from the end of a write to the beginning of the read.
    seed
        Of the run.
    round_count
        How many writes there are.
    rest_seconds
        How long after a read the next write begins.
    """
    quorums = sizes(replica_count, read_quorum, write_quorum)
    names = [f"r{number}" for number in range(1, replica_count + 1)]
    nodes: dict[str, Node[Any, Any]] = {
        "writer": Announcing(
            "writer",
            tuple(write(number, pause_seconds=rest_seconds) for number in range(1, round_count + 1)),
            quorums,
            single_writer=True,
        ),
        "reader": Following(
            "reader", tuple(read() for _ in range(round_count)), quorums, after_seconds=seconds_since_write
        ),
    } | {name: Replica() for name in names}
    run = run_with(legs, nodes, seed=seed, writers=["writer"], record=False)
    answers = [effect.result for client, effect in run.history if client == "reader" and isinstance(effect, Complete)]
    assert len(answers) == round_count, f"{len(answers)} reads of {round_count} were answered"
    return sum(answer != number for number, answer in enumerate(answers, start=1))


def missed_versions(
    replica_count: int, read_quorum: int, write_quorum: int, *, seed: int, write_count: int = 10, read_count: int = 50
) -> list[int]:
    """Return by how many versions each of `read_count` reads is behind, when quorums are random and do not spread.

    Before each read there are `write_count` writes, each to W replicas that are drawn anew, and to no others.
    """
    generator = np.random.default_rng(seed)
    names = np.array([f"r{number}" for number in range(1, replica_count + 1)])

    def draw(size: int) -> list[str]:
        return [str(name) for name in generator.choice(names, size, replace=False)]

    tasks: list[Task] = []
    for number in range(1, read_count * write_count + 1):
        tasks.append(write(number, *draw(write_quorum)))
        if number % write_count == 0:
            tasks.append(read(*draw(read_quorum)))
    quorums = sizes(replica_count, read_quorum, write_quorum)
    nodes = registers({"alice": tasks}, quorums, single_writer=True)
    run = run_with(Legs(NEXT_DOOR), nodes, seed=seed, record=False)
    answers = [effect.result for _, effect in run.history if isinstance(effect, Complete) and effect.result is not None]
    return [write_count * place - int(answer) for place, answer in enumerate(answers, start=1)]  # type: ignore[call-overload]


def sloppy_reads(
    replica_count: int,
    read_quorum: int,
    write_quorum: int,
    up_probability: float,
    *,
    seed: int,
    round_count: int = 50,
) -> tuple[int, int]:
    """Return how many reads miss a write of a sloppy quorum: before its hints are handed off, and after.

    In each round of 100 s: every home replica is down with probability 1 - p, one client writes, all come back, another
    reads, hints are handed off, and it reads again. Legs take 10 ms in the mean. There are as many fallbacks as homes,
    and they stay up.

    Parameters
    ----------
    replica_count, read_quorum, write_quorum
        N, R and W.
    up_probability
        p.
    seed
        Of the run and of who is down.
    round_count
        How many rounds.
    """
    homes = [f"r{number}" for number in range(1, replica_count + 1)]
    down = np.random.default_rng(seed).random((round_count, replica_count)) >= up_probability
    faults = [
        Crash(homes[place], 100.0 * number, restart_after_seconds=5.0) for number, place in np.argwhere(down).tolist()
    ]
    # Pauses run from the end of one task to the beginning of the next, and a clock tells when that is.
    writer = Punctual("alice", (), sizes(replica_count, read_quorum, write_quorum), single_writer=True)
    fallbacks = tuple(f"f{number}" for number in range(1, replica_count + 1))
    nodes: dict[str, Node[Any, Any]] = {
        "alice": replace(
            writer,
            tasks=tuple(write(number) for number in range(1, round_count + 1)),
            fallbacks=fallbacks,
            starts_seconds=tuple(100.0 * number + 1 for number in range(round_count)),
        ),
        "bob": replace(
            writer,
            name="bob",
            tasks=tuple(read() for _ in range(2 * round_count)),
            starts_seconds=tuple(100.0 * number + when for number in range(round_count) for when in (6, 60)),
        ),
    } | {name: Replica((10.0, 10.0)) for name in (*homes, *fallbacks)}
    leg = Exponential(0.010)
    run = run_with(Legs(leg, leg, leg, leg), nodes, seed=seed, faults=faults, record=False)
    answers = [effect for client, effect in run.history if client == "bob" and isinstance(effect, Complete)]
    assert len(answers) == 2 * round_count, f"{len(answers)} reads of {2 * round_count} were answered"
    missed = [answer.result != place // 2 + 1 for place, answer in enumerate(answers)]
    return sum(missed[0::2]), sum(missed[1::2])


@dataclass(frozen=True)
class Punctual(Client):
    """A client that begins each task at a time that is given, on its own clock."""

    starts_seconds: tuple[float, ...] = ()

    def rest(self) -> Step[Self]:
        return (self, ()) if self.number == len(self.tasks) else (self, (ReadClock("start"),))

    def on_clock(self, name: str, reading_seconds: float) -> Step[Self]:
        wait = self.starts_seconds[self.number] - reading_seconds
        return self, (SetTimer("pause", (wait, wait)),)


# ----------------------------------------------------------------------------------------------------- over sockets


def measure(write_back: WriteBack, *, kill_writer: bool = False) -> Verdict:
    """Return the verdict on what two clients see over real sockets, where a write is slow to reach two replicas.

    Alice's write reaches `r1` at once, and is on its way to `r2` and `r3` for half a minute. Bob reads from `r1` and
    `r2`, and then from `r2` and `r3`.

    Parameters
    ----------
    write_back
        What reads do with what they find.
    kill_writer
        Whether Alice is killed as soon as `r1` has the write on its disk.
    """
    pause = read("r1", "r2", pause_seconds=0.3)
    tasks = {"alice": [write(1, pause_seconds=0.1)], "bob": [pause, read("r2", "r3")]}
    nodes = registers(tasks, write_back=write_back, single_writer=True)
    with Cluster(nodes) as cluster:
        for slow in ("r2", "r3"):
            cluster.delay("alice", slow, 30.0)
        if kill_writer:
            cluster.wait_until(lambda trace: trace.of(Kind.SAVE, node="r1"))
            cluster.kill("alice")
        cluster.wait_until(lambda trace: len(trace.of(Kind.COMPLETE, node="bob")) == 2, 20.0)
        history = cluster.history
    return check_linearizable(History.from_events(history), REGISTER)


# ---------------------------------------------------------------------------------------------------------- figures


def briefly(message: Any) -> str:
    """Return what a figure writes on a message."""
    return str(message)


def state_label(node: Node[Any, Any]) -> tuple[str, str] | None:
    """Return what a figure writes on the lane of `node`, and in which tone."""
    if isinstance(node, Client):
        words = {Phase.QUERY: "querying", Phase.STORE: "storing"}.get(node.phase)
        return (words, "wait") if words else None
    if isinstance(node, Replica):
        hints = "".join(f", {version.value} for {home}" for home, version in node.disk.hints)
        value = node.disk.version.value
        return f"holds {value}{hints}", "good" if value else "calm"
    return None
