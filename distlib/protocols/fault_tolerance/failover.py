"""Primary and backup: a service on two machines that goes on when one of them dies, and loses nothing.

Sources: Alsberg and Day, *A Principle for Resilient Sharing of Distributed Resources* (ICSE 1976), for a primary that
answers once its backup has the update; Budhiraja, Marzullo, Schneider and Toueg, *The Primary-Backup Approach*
(chapter 8 of Mullender, *Distributed Systems*, 2nd ed., 1993), for what such a service has to keep; Oki and Liskov,
*Viewstamped Replication* (PODC 1988), for views; Birrell and Nelson, *Implementing Remote Procedure Calls* (TOCS 2(1),
1984), section 3, for retries that are recognised.

Theory of operation
-------------------
A :class:`Monitor` says who serves. Its :class:`View` has an *epoch*, a primary, and a backup or none. Servers send it
heartbeats; when those of a server stop for `silence_seconds`, the monitor makes the next view without that server.

A :class:`Server` that is the primary appends a request to its log, forces the log to disk, and sends it to the backup.

- *Synchronous*: it answers the client once the backup has the log on disk, too.
- *Asynchronous*: it answers at once.

The log names for each entry the client and the number of its request. So whoever has the log also knows what was
already done: a request that comes again is answered again, and not carried out again, by any server.

*Fencing.* A server that has heard of an epoch takes nothing of an earlier one. Once the backup has been promoted, it
refuses what the old primary sends, which therefore, if it is synchronous, answers nobody. Two servers may well
*believe* that they are primary at once; only one of them can get anything acknowledged.

*A view is complete* when its primary knows that its backup has the whole log; the primary says so to the monitor. The
monitor never promotes the backup of a view that is not complete. A server that comes back is idle until the monitor
hears of it and gives it to the primary as a backup: then it takes over the primary's log, and its own is gone.

Durable are, at a server, its view and its log; at the monitor, its view. Clients try one server after another.

Assumptions
-----------
Messages may be lost, copied, delayed and reordered. Servers and monitor crash and recover with what they made durable.
*No assumption about time is needed for safety*: the monitor may be wrong about who is up, as often as it likes.

Left out: the monitor is one machine here; where it must not stop the failovers by dying, it is replicated by consensus
(:mod:`distlib.protocols.consistency.consensus`). The log is sent whole, and grows for ever. Reads go through the log.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, TypeAlias, assert_never

from distlib.node import (
    CancelTimer,
    Complete,
    Effect,
    Effects,
    Invoke,
    Node,
    Outcome,
    Save,
    Send,
    SetTimer,
    Step,
    Table,
    World,
    with_entry,
)

__all__ = [
    "Client",
    "Entry",
    "Heartbeat",
    "Log",
    "Message",
    "Monitor",
    "Next",
    "Operation",
    "Redirect",
    "Replicate",
    "Replicated",
    "Reply",
    "Request",
    "Server",
    "ServerState",
    "View",
    "Writer",
    "acknowledged_entries",
    "acknowledged_writes_survive",
    "all_answered",
    "applied_once",
    "servers_that_lead",
    "total_of",
]

Operation: TypeAlias = tuple[str] | tuple[str, int]
"""("add", amount) or ("read",): the service keeps a counter."""

# ---------------------------------------------------------------------------------------------------------- messages


@dataclass(frozen=True)
class Entry:
    """One request in the log: whose it is, which one of theirs, and what is to be done."""

    client: str
    number: int
    operation: Operation

    def __str__(self) -> str:
        return f"{self.client}#{self.number} {' '.join(map(str, self.operation))}"


Log: TypeAlias = tuple[Entry, ...]


@dataclass(frozen=True)
class View:
    """Monitor to servers: from this epoch on, this is the primary, and this its backup."""

    epoch: int
    primary: str
    backup: str | None

    def __str__(self) -> str:
        return f"view {self.epoch}: {self.primary}" + (f" with {self.backup}" if self.backup else " alone")


@dataclass(frozen=True)
class Heartbeat:
    """Server to monitor: I am up, I know this epoch; and, from a primary, whether its view is complete."""

    epoch: int
    complete: bool

    def __str__(self) -> str:
        return f"up ({self.epoch}{', complete' if self.complete else ''})"


@dataclass(frozen=True)
class Request:
    """Client to server: do this. The number is the same each time that it is sent."""

    number: int
    operation: Operation

    def __str__(self) -> str:
        return f"{' '.join(map(str, self.operation))} (#{self.number})"


@dataclass(frozen=True)
class Reply:
    """Server to client: it is done, and the counter then stood at this."""

    number: int
    result: int

    def __str__(self) -> str:
        return f"{self.result} (#{self.number})"


@dataclass(frozen=True)
class Redirect:
    """Server to client: not me; in this epoch it is that one."""

    number: int
    epoch: int
    primary: str

    def __str__(self) -> str:
        return f"ask {self.primary}"


@dataclass(frozen=True)
class Replicate:
    """Primary to backup: this is my log."""

    epoch: int
    log: Log

    def __str__(self) -> str:
        return f"log of {len(self.log)} ({self.epoch})"


@dataclass(frozen=True)
class Replicated:
    """Backup to primary: I have so much of it on disk."""

    epoch: int
    length: int

    def __str__(self) -> str:
        return f"have {self.length} ({self.epoch})"


@dataclass(frozen=True)
class Next:
    """A writer to itself: it is time for the next write."""

    def __str__(self) -> str:
        return "next"


Message: TypeAlias = View | Heartbeat | Request | Reply | Redirect | Replicate | Replicated | Next


def total_of(log: Log, length: int | None = None) -> int:
    """Return what the counter stands at after the first `length` entries, or after all.

    Examples
    --------
    >>> total_of((Entry("c", 1, ("add", 2)), Entry("c", 2, ("read",)), Entry("c", 3, ("add", 3))))
    5
    """
    return sum(each.operation[1] for each in log[:length] if len(each.operation) == 2)


# ------------------------------------------------------------------------------------------------------------ server


@dataclass(frozen=True)
class ServerState:
    """What a server has on disk."""

    view: View
    log: Log = ()

    def __str__(self) -> str:
        return f"{self.view.epoch}: log of {len(self.log)}"


@dataclass(frozen=True)
class Server(Node[Message, ServerState]):
    """One of the two machines.

    Parameters
    ----------
    name
        Its own.
    state
        What it has on disk at first: the first view, and an empty log.
    monitor
        Whom it tells that it is up.
    synchronous
        Whether, as a primary with a backup, it waits for the backup before it answers.
    heartbeat_seconds
        How often it tells the monitor that it is up, and sends its log again if the backup is behind. None: it tells
        when it boots, and sends the log once.
    """

    name: str
    state: ServerState
    monitor: str = "monitor"
    synchronous: bool = True
    heartbeat_seconds: float | None = 0.1
    confirmed: int | None = None
    """How much of the log the backup of this view has, as far as the primary knows."""
    waiting: Table[str, int] = ()
    """By client, the number of its request that is in the log and not answered yet."""

    # -- what it is

    @property
    def leads(self) -> bool:
        """Whether it believes that it is the primary."""
        return self.state.view.primary == self.name

    @property
    def complete(self) -> bool:
        """Whether it is the primary, and its backup, if any, has the log that the view began with."""
        return self.leads and (self.state.view.backup is None or self.confirmed is not None)

    def accepts(self, epoch: int) -> bool:
        """Whether it takes what is said in the name of this epoch: the fence."""
        return epoch >= self.state.view.epoch

    def find(self, client: str, number: int) -> int | None:
        """Return after how many entries of the log this request is done, or None if it is not in the log."""
        for position, each in enumerate(self.state.log, start=1):
            if each.number == number and each.client == client:
                return position
        return None

    def may_answer(self, position: int) -> bool:
        """Whether what is done at this place in the log can no longer be lost, or is not asked to be that safe."""
        if self.state.view.backup is None or not self.synchronous:
            return True
        return self.confirmed is not None and position <= self.confirmed

    # -- handlers

    def on_start(self, saved: ServerState | None) -> Step[Self]:
        node = self if saved is None else replace(self, state=saved)
        return node, (*node.replicate(), *node.beat())

    def on_timer(self, name: str) -> Step[Self]:
        behind = self.leads and self.confirmed != len(self.state.log)
        return self, (*(self.replicate() if behind else ()), *self.beat())

    def on_message(self, source: str, message: Message) -> Step[Self]:
        match message:
            case Request():
                return self.on_request(source, message)
            case Replicate():
                return self.on_replicate(source, message)
            case Replicated():
                return self.on_replicated(source, message)
            case View():
                return self.on_view(message)
            case Heartbeat() | Reply() | Redirect() | Next():
                return self, ()
            case _:
                assert_never(message)

    def on_request(self, client: str, request: Request) -> Step[Self]:
        """Append it, unless it is there already; answer now or once the backup has it."""
        if not self.leads:
            return self, (Send(client, Redirect(request.number, self.state.view.epoch, self.state.view.primary)),)
        position = self.find(client, request.number)
        if position is not None:
            if self.may_answer(position):
                return self, (self.answer(client, request.number, position),)
            return replace(self, waiting=with_entry(self.waiting, client, request.number)), self.replicate()
        log = (*self.state.log, Entry(client, request.number, request.operation))
        node = replace(self, state=replace(self.state, log=log))
        saved: Effects = (Save(node.state),)
        if node.may_answer(len(log)):
            return node, (*saved, node.answer(client, request.number, len(log)), *node.replicate())
        node = replace(node, waiting=with_entry(node.waiting, client, request.number))
        return node, (*saved, *node.replicate())

    def on_replicate(self, source: str, message: Replicate) -> Step[Self]:
        """Take the primary's log, if it may still give orders, and say how much of it is on disk."""
        if not self.accepts(message.epoch):
            return self, ()
        node = self
        effects: Effects = ()
        newer = message.epoch > self.state.view.epoch
        if newer or len(message.log) > len(self.state.log):
            view = View(message.epoch, source, self.name) if newer else self.state.view
            node = replace(self, state=ServerState(view, message.log), confirmed=None, waiting=())
            effects = (Save(node.state),)
        return node, (*effects, Send(source, Replicated(message.epoch, len(node.state.log))))

    def on_replicated(self, source: str, message: Replicated) -> Step[Self]:
        """Note how much the backup has, and answer who waited for that."""
        view = self.state.view
        if not self.leads or message.epoch != view.epoch or source != view.backup:
            return self, ()
        if self.confirmed is not None and message.length <= self.confirmed:
            return self, ()
        node, effects = replace(self, confirmed=message.length).answer_all()
        completed = self.confirmed is None
        return node, (*effects, *([Send(self.monitor, node.heartbeat())] if completed else ()))

    def on_view(self, view: View) -> Step[Self]:
        """Serve in the next view: as primary, as backup, or not at all."""
        if view.epoch <= self.state.view.epoch:
            return self, ()
        node = replace(self, state=replace(self.state, view=view), confirmed=None)
        if not node.leads:
            return replace(node, waiting=()), (Save(node.state),)
        node, answers = node.answer_all()
        return node, (Save(node.state), *answers, *node.replicate(), Send(self.monitor, node.heartbeat()))

    # -- what it sends

    def heartbeat(self) -> Heartbeat:
        """Return what it tells the monitor."""
        return Heartbeat(self.state.view.epoch, self.complete)

    def beat(self) -> Effects:
        """Tell the monitor that it is up, and again after a while."""
        told = Send(self.monitor, self.heartbeat())
        if self.heartbeat_seconds is None:
            return (told,)
        return told, SetTimer("heartbeat", (self.heartbeat_seconds, self.heartbeat_seconds))

    def replicate(self) -> Effects:
        """Send the log to the backup, if it is the primary and there is one."""
        view = self.state.view
        return (Send(view.backup, Replicate(view.epoch, self.state.log)),) if self.leads and view.backup else ()

    def answer(self, client: str, number: int, position: int) -> Effect:
        """Return the answer to a request that is done at this place in the log."""
        return Send(client, Reply(number, total_of(self.state.log, position)))

    def answer_all(self) -> Step[Self]:
        """Answer every client whose request is safe by now."""
        waiting, effects = self.waiting, []
        for client, number in self.waiting:
            position = self.find(client, number)
            if position is not None and self.may_answer(position):
                effects.append(self.answer(client, number, position))
                waiting = tuple(pair for pair in waiting if pair[0] != client)
        return replace(self, waiting=waiting), tuple(effects)


# ----------------------------------------------------------------------------------------------------------- monitor


@dataclass(frozen=True)
class Monitor(Node[Message, View]):
    """Says who serves. It does not crash for long, or there is no failover meanwhile.

    Parameters
    ----------
    view
        The first one, which is complete: all logs are empty.
    silence_seconds
        How long after a server's last heartbeat it takes the server for dead.
    last_epoch
        After which epoch it makes no further view: to bound an exploration. None: never.
    """

    view: View
    silence_seconds: float = 0.3
    last_epoch: int | None = None
    complete: bool = True
    """Whether the primary of the view has said that its backup has the whole log."""

    def on_start(self, saved: View | None) -> Step[Self]:
        node = self if saved is None else replace(self, view=saved, complete=False)
        return node, tuple(node.patience(name) for name in node.members)

    @property
    def members(self) -> tuple[str, ...]:
        """The servers of the view."""
        return (self.view.primary, self.view.backup) if self.view.backup else (self.view.primary,)

    def patience(self, server: str) -> SetTimer:
        """Return the timer that ends the patience with a server."""
        return SetTimer(("silence", server), (self.silence_seconds, self.silence_seconds))

    def on_message(self, source: str, message: Message) -> Step[Self]:
        if not isinstance(message, Heartbeat):
            return self, ()
        node = self
        effects: Effects = (self.patience(source),)
        if source == self.view.primary and message.epoch == self.view.epoch and message.complete:
            node = replace(self, complete=True)
        if source not in self.members and self.view.backup is None:
            return node.move(self.view.primary, source, effects)
        if message.epoch < self.view.epoch:
            effects = (*effects, Send(source, self.view))
        return node, effects

    def on_timer(self, name: tuple[str, str]) -> Step[Self]:
        silent = name[1]
        if self.view.backup is None or silent not in self.members:
            return self, ()
        if silent == self.view.backup:
            return self.move(self.view.primary, None)
        return self.move(self.view.backup, None) if self.may_promote() else (self, ())

    def may_promote(self) -> bool:
        """Whether the backup is known to have everything that the primary can have answered."""
        return self.complete

    def move(self, primary: str, backup: str | None, effects: Effects = ()) -> Step[Self]:
        """Make the next view durable, and tell its members."""
        if self.last_epoch is not None and self.view.epoch >= self.last_epoch:
            return self, effects
        node = replace(self, view=View(self.view.epoch + 1, primary, backup), complete=False)
        return node, (Save(node.view), *effects, *(Send(name, node.view) for name in node.members))


# ----------------------------------------------------------------------------------------------------------- clients


@dataclass(frozen=True)
class Client(Node[Message, None]):
    """Runs its operations one after another, and tries one server after another until one answers.

    Parameters
    ----------
    servers
        Where it asks, in this order.
    operations
        What it does.
    patience_seconds
        How long it waits for an answer before it tries the next server.
    tries
        How often it sends a request because it got no answer, before it gives up. None: for ever.
    start_seconds
        How long it waits before it begins.
    """

    servers: tuple[str, ...]
    operations: tuple[Operation, ...]
    patience_seconds: float = 0.5
    tries: int | None = None
    start_seconds: float = 0.0
    target: int = 0
    epoch: int = 0
    """The latest that a server told it of."""
    tried: int = 0
    results: tuple[int, ...] = ()
    """What came back, in order; so the open request has the number len(results) + 1."""
    gave_up: bool = False

    @property
    def number(self) -> int:
        """The number of the request that is open, or would be next."""
        return len(self.results) + 1

    def on_start(self, saved: None) -> Step[Self]:
        if self.start_seconds:
            return self, (SetTimer("start", (self.start_seconds, self.start_seconds)),)
        return self.begin()

    def begin(self) -> Step[Self]:
        """Begin the next operation, if there is one."""
        if len(self.results) == len(self.operations):
            return self, (CancelTimer("patience"),)
        return self, (Invoke(self.operations[len(self.results)]), *self.ask())

    def ask(self) -> Effects:
        """Send the open request to the server that it believes in."""
        request = Request(self.number, self.operations[self.number - 1])
        wait = SetTimer("patience", (self.patience_seconds, self.patience_seconds))
        return Send(self.servers[self.target], request), wait

    def on_timer(self, name: str) -> Step[Self]:
        if name == "start":
            return self.begin()
        if self.tries is not None and self.tried >= self.tries:
            return replace(self, gave_up=True), (Complete(None, Outcome.UNKNOWN),)
        tried = self.tried if self.tries is None else self.tried + 1
        node = replace(self, target=(self.target + 1) % len(self.servers), tried=tried)
        return node, node.ask()

    def on_message(self, source: str, message: Message) -> Step[Self]:
        match message:
            case Reply():
                if message.number != self.number or self.gave_up:
                    return self, ()
                node = replace(self, results=(*self.results, message.result), target=self.servers.index(source))
                begun, effects = node.begin()
                return begun, (Complete(message.result), *effects)
            case Redirect():
                return self.on_redirect(message)
            case View() | Heartbeat() | Request() | Replicate() | Replicated() | Next():
                return self, ()
            case _:
                assert_never(message)

    def on_redirect(self, message: Redirect) -> Step[Self]:
        """Follow whoever knows more: a later epoch than that of the last advice."""
        if message.number != self.number or self.gave_up or message.epoch <= self.epoch:
            return self, ()
        node = replace(self, epoch=message.epoch, target=self.servers.index(message.primary))
        return node, node.ask()


@dataclass(frozen=True)
class Writer(Node[Message, None]):
    """Adds 1 again and again without waiting for answers: one write each time that its message to itself arrives.

    The law of that link is the law of the time between two writes. It does not retry.

    Parameters
    ----------
    name
        Its own.
    server
        Where it writes.
    """

    name: str
    server: str
    sent: int = 0
    acknowledged: int = 0
    """How many answers it got."""

    def on_start(self, saved: None) -> Step[Self]:
        return self, (Send(self.name, Next()),)

    def on_message(self, source: str, message: Message) -> Step[Self]:
        match message:
            case Next():
                node = replace(self, sent=self.sent + 1)
                return node, (Send(self.server, Request(node.sent, ("add", 1))), Send(self.name, Next()))
            case Reply():
                return replace(self, acknowledged=self.acknowledged + 1), ()
            case View() | Heartbeat() | Request() | Redirect() | Replicate() | Replicated():
                return self, ()
            case _:
                assert_never(message)


# -------------------------------------------------------------------------------------------------------- invariants


def _state_of(world: World, name: str) -> ServerState | None:
    """Return what a server has on disk."""
    saved = world.saved.get(name)
    if isinstance(saved, ServerState):
        return saved
    node = world.nodes.get(name)
    return node.state if isinstance(node, Server) else None


def _clients(world: World) -> list[tuple[str, Client]]:
    return [(name, node) for name, node in sorted(world.nodes.items()) if isinstance(node, Client)]


def acknowledged_entries(world: World) -> tuple[tuple[str, int], ...]:
    """Return (client, number) of each write that a client was told is done."""
    return tuple(
        (name, number)
        for name, client in _clients(world)
        for number, operation in enumerate(client.operations[: len(client.results)], start=1)
        if operation[0] == "add"
    )


def acknowledged_writes_survive(world: World) -> bool:
    """Whether every write that a client was told is done is on the disk of the primary that the monitor has chosen."""
    monitor = next((node for _, node in sorted(world.nodes.items()) if isinstance(node, Monitor)), None)
    if monitor is None:
        return True
    state = _state_of(world, monitor.view.primary)
    if state is None:
        return True
    there = {(each.client, each.number) for each in state.log}
    return there.issuperset(acknowledged_entries(world))


def applied_once(world: World) -> bool:
    """Whether no log on any disk holds a request twice."""
    for name, node in sorted(world.nodes.items()):
        state = _state_of(world, name) if isinstance(node, Server) or name in world.saved else None
        if state is not None and len({(each.client, each.number) for each in state.log}) < len(state.log):
            return False
    return True


def servers_that_lead(world: World) -> tuple[str, ...]:
    """Return the servers that believe that they are the primary."""
    return tuple(name for name, node in sorted(world.nodes.items()) if isinstance(node, Server) and node.leads)


def all_answered(world: World) -> bool:
    """Whether every client has an answer to everything."""
    return all(len(client.results) == len(client.operations) for _, client in _clients(world))
