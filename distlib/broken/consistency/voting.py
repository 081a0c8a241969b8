"""The voting register with one mistake each; :mod:`distlib.protocols.consistency.voting` has none of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from distlib.node import Complete, Outcome, Send, Step, with_entry
from distlib.protocols.consistency.voting import (
    Client,
    Disk,
    Phase,
    Replica,
    Report,
    Stamp,
    Store,
    Stored,
)

__all__ = [
    "CountsCopies",
    "ForgetfulFallback",
    "ForgetfulReplica",
    "HastyHandOff",
    "LastToArriveWins",
    "LocalCounter",
    "SureOfFailure",
    "UsesStampsAgain",
]

# ----------------------------------------------------------------------------------------------------------- replicas


@dataclass(frozen=True)
class ForgetfulReplica(Replica):
    """Acknowledges what it has not made durable: after a crash it is one of a quorum that knows nothing."""

    def saving(self, disk: Disk) -> Step[Self]:
        return replace(self, disk=disk), ()


@dataclass(frozen=True)
class LastToArriveWins(Replica):
    """Keeps whatever arrives last, as if messages came in the order in which they were sent."""

    def on_store(self, source: str, message: Store) -> Step[Self]:
        node, saved = self.saving(replace(self.disk, version=message.version))
        return node, (*saved, Send(source, Stored(message.number, message.version)))


@dataclass(frozen=True)
class ForgetfulFallback(Replica):
    """Keeps hints in memory: they are not its own data, after all."""

    def keep_for(self, message: Store) -> Step[Self]:
        assert message.home is not None, "what is meant for nobody else is no hint"
        node = replace(self, disk=replace(self.disk, hints=with_entry(self.disk.hints, message.home, message.version)))
        return node, self.hand_off_later()


@dataclass(frozen=True)
class HastyHandOff(Replica):
    """Drops its hints when it has sent them, not when they have been stored."""

    def on_timer(self, name: str) -> Step[Self]:
        sent = tuple(Send(home, Store(0, version)) for home, version in self.disk.hints)
        node, saved = self.saving(replace(self.disk, hints=()))
        return node, (*sent, *saved)


# ------------------------------------------------------------------------------------------------------------ clients


@dataclass(frozen=True)
class LocalCounter(Client):
    """Stamps its writes with a counter of its own, though it is not the only writer: no query, half the latency."""

    single_writer: bool = True


@dataclass(frozen=True)
class UsesStampsAgain(Client):
    """Stamps are a counter and a writer. A write that it gave up, and its next one, may get the same."""

    def stamp(self, counter: int) -> Stamp:
        return Stamp(counter, self.name, 0)


@dataclass(frozen=True)
class SureOfFailure(Client):
    """Calls every operation failed that was not acknowledged in time."""

    def complete(self, completion: Complete) -> Step[Self]:
        failed = completion.outcome is Outcome.UNKNOWN
        return super().complete(replace(completion, outcome=Outcome.FAIL) if failed else completion)


@dataclass(frozen=True)
class CountsCopies(Client):
    """Counts answers where it should count replicas: a second copy of a message is a second vote."""

    def on_report(self, source: str, message: Report) -> Step[Self]:
        return self.counting(source, message)

    def on_stored(self, source: str, message: Stored) -> Step[Self]:
        return self.counting(source, message)

    def counting(self, source: str, message: Report | Stored) -> Step[Self]:
        """Take an answer from whoever has not answered yet in the place of one that answers twice."""
        phase = Phase.QUERY if isinstance(message, Report) else Phase.STORE
        if source in self.heard and message.number == self.number and self.phase is phase:
            source = min(self.asked - self.heard)
        if isinstance(message, Report):
            return super().on_report(source, message)
        return super().on_stored(source, message)
