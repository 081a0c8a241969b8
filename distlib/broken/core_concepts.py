"""The replicated register with one mistake each; :mod:`distlib.protocols.core_concepts` has none of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from distlib.node import Step
from distlib.protocols.core_concepts import Disk, LocalReplica, MajorityReplica, Read, Round, Version

__all__ = ["ForgetfulReplica", "LatecomerWins", "ReplicaWithoutWriteBack"]


@dataclass(frozen=True)
class ReplicaWithoutWriteBack(MajorityReplica):
    """Reads from a majority, writes to a majority, R + W > N: and answers a read after its first round."""

    def after_query(self, client: str, current: Round) -> Step[Self]:
        if isinstance(current.request, Read):
            return self.answer(client, current)
        return super().after_query(client, current)


@dataclass(frozen=True)
class ForgetfulReplica(MajorityReplica):
    """Acknowledges what it has not made durable: after a crash it is one of a majority that knows nothing."""

    def keeping(self, disk: Disk) -> Step[Self]:
        return replace(self, disk=disk), ()


@dataclass(frozen=True)
class _ArrivalOrder(Disk):
    """A disk on which whatever comes last stays."""

    def newer(self, version: Version) -> Disk:
        return replace(self, version=version)


@dataclass(frozen=True)
class LatecomerWins(LocalReplica):
    """Keeps whatever arrives last: replicas that have seen the same writes in other orders differ for ever."""

    disk: Disk = _ArrivalOrder()
