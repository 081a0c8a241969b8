"""Raft's election: servers agree on who leads, one leader a term, and find another one when it falls silent.

Sources: Ongaro and Ousterhout, *In Search of an Understandable Consensus Algorithm* (USENIX ATC 2014), section 5.2, for
the election; Ongaro, *Consensus: Bridging Theory and Practice* (PhD thesis, Stanford 2014), section 9.6, for the
pre-vote.

Theory of operation
-------------------
Time is cut into *terms*, numbered from 1. A server votes at most once in a
term, and makes its term and its vote durable before anyone hears of them. A candidate that has the votes of a
majority of *all* members leads its term. Two majorities share a member, and that member voted once: so no term has
two leaders, whatever the clocks do.

A leader sends heartbeats. A server that hears none for its *election timeout* enters the next term, votes for
itself and asks the others. The timeout is drawn anew each time from a range, so that mostly one server is first and
is elected before the next one wakes. If votes split, no one leads that term; the candidates time out in turn and
try the next one.

Whoever sees a higher term than its own enters it as a follower. A message of a lower term is answered with the
higher one, and otherwise ignored: that is how a leader that was cut off learns that it does not lead any more.

*Pre-vote.* A server that cannot reach the others times out again and again, and its term runs away; when it comes
back, its term would depose a leader that is well. With `pre_vote` it first asks whether the others *would* vote for
it, without a new term. A server that has heard from a leader within the shortest election timeout would not.

Assumptions
-----------
Servers crash and recover with their durable value. Messages may be lost, duplicated, delayed and reordered without
bound. That no term has two leaders needs no clock. That somebody leads at last needs timeouts that are mostly longer
than a round trip.

Left out: the log (:mod:`distlib.protocols.consistency.consensus` has it), and with it the rule that a voter refuses
candidates whose log is behind its own; changes of the membership; and a leader that steps down by itself when it
hears from no majority.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Self, TypeAlias, assert_never

from distlib.node import CancelTimer, Effects, Node, Save, Send, SetTimer, Step, World

__all__ = [
    "Ballot",
    "Heartbeat",
    "Message",
    "Outdated",
    "RequestPreVote",
    "RequestVote",
    "PreVote",
    "Role",
    "Server",
    "Vote",
    "leaders",
    "majority",
    "one_leader_a_term",
    "somebody_leads",
    "two_believe",
]

# ---------------------------------------------------------------------------------------------------------- messages


@dataclass(frozen=True)
class RequestVote:
    """Candidate to all: vote for me in this term."""

    term: int

    def __str__(self) -> str:
        return f"vote for me in {self.term}?"


@dataclass(frozen=True)
class Vote:
    """Server to candidate: yes, or no. The term is the voter's own."""

    term: int
    granted: bool

    def __str__(self) -> str:
        return f"{'yes' if self.granted else 'no'} in {self.term}"


@dataclass(frozen=True)
class RequestPreVote:
    """Server to all: would you vote for me in this term? It is the one after the sender's own."""

    term: int

    def __str__(self) -> str:
        return f"would you, in {self.term}?"


@dataclass(frozen=True)
class PreVote:
    """Answer to it. If granted, the term is the one that was asked for; if not, the answerer's own."""

    term: int
    granted: bool

    def __str__(self) -> str:
        return f"{'would' if self.granted else 'would not'} in {self.term}"


@dataclass(frozen=True)
class Heartbeat:
    """Leader to all: I lead this term."""

    term: int

    def __str__(self) -> str:
        return f"I lead {self.term}"


@dataclass(frozen=True)
class Outdated:
    """Answer to the heartbeat of a leader whose term is over; this is the answerer's term."""

    term: int

    def __str__(self) -> str:
        return f"it is {self.term} now"


Message: TypeAlias = RequestVote | Vote | RequestPreVote | PreVote | Heartbeat | Outdated


# ------------------------------------------------------------------------------------------------------------ server


@dataclass(frozen=True)
class Ballot:
    """What a server makes durable: its term, and for whom it voted in it."""

    term: int = 0
    voted_for: str | None = None

    def __str__(self) -> str:
        return f"term {self.term}" + (f", voted for {self.voted_for}" if self.voted_for else "")


class Role(Enum):
    """What a server does."""

    FOLLOWER = "follower"
    SOUNDING = "sounding"
    """It asks whether it would be elected (pre-vote)."""
    CANDIDATE = "candidate"
    LEADER = "leader"


def majority(member_count: int) -> int:
    """Return how many votes are more than half of those of all members.

    Examples
    --------
    >>> [majority(n) for n in (1, 2, 3, 4, 5)]
    [1, 2, 2, 3, 3]
    """
    return member_count // 2 + 1


@dataclass(frozen=True)
class Server(Node[Message, Ballot]):
    """Follows, stands for election, leads.

    Parameters
    ----------
    name
        Its own.
    members
        The names of all servers, its own included, up or not.
    timeout_seconds
        Shortest and longest election timeout.
    heartbeat_seconds
        Time between heartbeats; it should be well below the shortest timeout.
    pre_vote
        Whether it asks whether it would be elected before it enters a new term.
    last_term
        The last term in which it may stand for election; None: there is none. A small number keeps an instance small
        enough to be explored.
    """

    name: str
    members: tuple[str, ...]
    timeout_seconds: tuple[float, float] = (0.150, 0.300)
    heartbeat_seconds: float = 0.075
    pre_vote: bool = False
    last_term: int | None = None
    first_timeout_seconds: tuple[float, float] | None = None
    """Shortest and longest election timeout after its first boot, where that differs."""
    ballot: Ballot = Ballot()
    role: Role = Role.FOLLOWER
    granted: frozenset[str] = frozenset()
    """Who has voted for it in this term, or would."""
    trusts: bool = False
    """With pre-vote: whether it has heard from a leader within the shortest election timeout."""

    def __post_init__(self) -> None:
        if self.name not in self.members:
            raise ValueError(f"`members` must include the server itself, {self.name!r}, got {self.members}")

    @property
    def term(self) -> int:
        """The latest term that it has seen."""
        return self.ballot.term

    @property
    def others(self) -> tuple[str, ...]:
        """The other members."""
        return tuple(member for member in self.members if member != self.name)

    @property
    def may_stand(self) -> bool:
        """Whether there is a next term in which it may stand."""
        return self.last_term is None or self.term < self.last_term

    @property
    def is_elected(self) -> bool:
        """Whether those who voted for it are a majority of all members."""
        return len(self.granted) >= majority(len(self.members))

    def on_start(self, saved: Ballot | None) -> Step[Self]:
        node = replace(self, ballot=saved or self.ballot)
        if saved is None and self.first_timeout_seconds is not None and node.may_stand:
            return node, (SetTimer("election", self.first_timeout_seconds),)
        return node, node.wait()

    def wait(self) -> Effects:
        """Start the election timeout anew, unless this server may stand for no later term."""
        return (SetTimer("election", self.timeout_seconds),) if self.may_stand else ()

    def to_others(self, message: Message) -> Effects:
        """Send a message to every other member."""
        return tuple(Send(member, message) for member in self.others)

    def on_message(self, source: str, message: Message) -> Step[Self]:
        match message:
            case RequestVote():
                return self.on_request_vote(source, message)
            case Vote():
                return self.on_vote(source, message)
            case RequestPreVote():
                return self.on_request_pre_vote(source, message)
            case PreVote():
                return self.on_pre_vote(source, message)
            case Heartbeat():
                return self.on_heartbeat(source, message)
            case Outdated():
                return self.see(message.term)
            case _:
                assert_never(message)

    def on_timer(self, name: str) -> Step[Self]:
        if name == "heartbeat":
            return self, (*self.to_others(Heartbeat(self.term)), self.next_heartbeat())
        if name == "trust":
            return replace(self, trusts=False), ()
        if not self.may_stand:
            return self, ()
        node = replace(self, trusts=False)
        return node.sound() if self.pre_vote else node.stand()

    # -- standing for election

    def sound(self) -> Step[Self]:
        """Ask whether the others would vote for this server. Nothing is saved: nothing is promised."""
        node = replace(self, role=Role.SOUNDING, granted=frozenset({self.name}))
        if node.is_elected:
            return node.stand()
        return node, (*node.wait(), *node.to_others(RequestPreVote(self.term + 1)))

    def stand(self) -> Step[Self]:
        """Enter the next term as a candidate: vote for itself, make that durable, then ask for votes."""
        ballot = Ballot(self.term + 1, self.name)
        node = replace(self, ballot=ballot, role=Role.CANDIDATE, granted=frozenset({self.name}))
        effects: Effects = (Save(ballot), *node.wait(), *node.to_others(RequestVote(ballot.term)))
        if node.is_elected:
            node, more = node.lead()
            effects += more
        return node, effects

    def on_vote(self, source: str, message: Vote) -> Step[Self]:
        """Count a vote for this term; lead as soon as a majority of all members has voted for this server."""
        node, effects = self.see(message.term)
        if node.role is not Role.CANDIDATE or not message.granted or message.term != node.term:
            return node, effects
        node = replace(node, granted=node.granted | {source})
        if not node.is_elected:
            return node, effects
        node, more = node.lead()
        return node, effects + more

    def lead(self) -> Step[Self]:
        """Tell the others at once: it keeps them from standing for election, too."""
        node = replace(self, role=Role.LEADER, granted=frozenset())
        return node, (CancelTimer("election"), *node.to_others(Heartbeat(self.term)), node.next_heartbeat())

    def next_heartbeat(self) -> SetTimer:
        """Return the timer of the next heartbeat."""
        return SetTimer("heartbeat", (self.heartbeat_seconds, self.heartbeat_seconds))

    # -- voting and following

    def on_request_vote(self, source: str, message: RequestVote) -> Step[Self]:
        """Vote for the first that asks in a term, and save the vote before it leaves."""
        node, effects = self.see(message.term)
        if message.term < node.term or node.ballot.voted_for not in (None, source):
            return node, (*effects, Send(source, Vote(node.term, False)))
        ballot = Ballot(node.term, source)
        # See `see`: a save replaces the whole value, so one is enough for the term and the vote.
        effects = tuple(effect for effect in effects if not isinstance(effect, Save))
        if ballot != self.ballot:
            effects += (Save(ballot),)
        node = replace(node, ballot=ballot)
        return node, (*effects, *node.wait(), Send(source, Vote(node.term, True)))

    def see(self, term: int) -> Step[Self]:
        """Enter a higher term as a follower: whatever this server did in a lower one is over."""
        if term <= self.term:
            return self, ()
        ballot = Ballot(term)
        node = replace(self, ballot=ballot, role=Role.FOLLOWER, granted=frozenset())
        effects: Effects = (Save(ballot),)
        if self.role is Role.LEADER:
            effects += (CancelTimer("heartbeat"), *node.wait())
        return node, effects

    def on_heartbeat(self, source: str, message: Heartbeat) -> Step[Self]:
        """Follow the leader of this term; tell one of an earlier term that it is over."""
        if message.term < self.term:
            return self, (Send(source, Outdated(self.term)),)
        node, effects = self.see(message.term)
        node = replace(node, role=Role.FOLLOWER, granted=frozenset(), trusts=self.pre_vote)
        effects += node.wait()
        if self.pre_vote:
            effects += (SetTimer("trust", (self.timeout_seconds[0], self.timeout_seconds[0])),)
        return node, effects

    # -- pre-vote

    def on_request_pre_vote(self, source: str, message: RequestPreVote) -> Step[Self]:
        """Say whether it would vote, which binds to nothing. It would not while it trusts or is a leader."""
        granted = message.term > self.term and not self.trusts and self.role is not Role.LEADER
        return self, (Send(source, PreVote(message.term if granted else self.term, granted)),)

    def on_pre_vote(self, source: str, message: PreVote) -> Step[Self]:
        """Stand for election as soon as a majority would vote for this server."""
        if not message.granted:
            return self.see(message.term)
        if self.role is not Role.SOUNDING or message.term != self.term + 1:
            return self, ()
        node = replace(self, granted=self.granted | {source})
        return node.stand() if node.is_elected else (node, ())


# -------------------------------------------------------------------------------------------------------- invariants


def _servers(world: World) -> Iterator[Server]:
    for _, node in sorted(world.nodes.items()):
        if isinstance(node, Server):
            yield node


def leaders(world: World) -> list[tuple[int, str]]:
    """Return (term, name) for each server that believes to lead, or whose heartbeat is still on its way."""
    believing = {(node.term, node.name) for node in _servers(world) if node.role is Role.LEADER}
    telling = {(message.term, source) for source, _, message in world.in_flight if isinstance(message, Heartbeat)}
    return sorted(believing | telling)


def one_leader_a_term(world: World) -> bool:
    """Whether no term has two leaders. Where messages are a set, that covers leaders that are no more, too."""
    found = leaders(world)
    return len({term for term, _ in found}) == len(found)


def two_believe(world: World) -> bool:
    """Whether two servers believe, at one instant, that they lead. It may happen: their terms differ."""
    return sum(node.role is Role.LEADER for node in _servers(world)) > 1


def somebody_leads(world: World) -> bool:
    """Whether a server that is up believes that it leads."""
    return any(node.role is Role.LEADER for node in _servers(world))
