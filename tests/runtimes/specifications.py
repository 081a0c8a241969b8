"""Small published specifications, as nodes, with which the explorer's own counts are checked."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from distlib.node import CancelTimer, Effects, Node, Send, SetTimer, Step, World

ANY_TIME = (0.0, 1.0)


# Two-phase commit: the TLA+ module TwoPhase (Lamport), tlaplus/Examples specifications/transaction_commit -----------------


@dataclass(frozen=True)
class TransactionManager(Node[str, None]):
    """TwoPhase's TM. Its spontaneous actions TMCommit and TMAbort are timers that may fire at any time."""

    managers: frozenset[str]
    state: str = "init"
    prepared: frozenset[str] = frozenset()

    def on_start(self, saved: None) -> Step[TransactionManager]:
        return self, (SetTimer("TMAbort", ANY_TIME),)

    def on_message(self, source: str, message: str) -> Step[TransactionManager]:
        if self.state != "init":
            return self, ()
        node = replace(self, prepared=self.prepared | {source})
        return node, (SetTimer("TMCommit", ANY_TIME),) if node.prepared == self.managers else ()

    def on_timer(self, name: Any) -> Step[TransactionManager]:
        decision, other = ("commit", "TMAbort") if name == "TMCommit" else ("abort", "TMCommit")
        node = replace(self, state=decision)
        return node, (CancelTimer(other), *(Send(manager, decision) for manager in sorted(self.managers)))


@dataclass(frozen=True)
class ResourceManager(Node[str, None]):
    """TwoPhase's RM. RMPrepare and RMChooseToAbort are timers; it takes a decision again and again, as the module does."""

    state: str = "working"

    def on_start(self, saved: None) -> Step[ResourceManager]:
        return self, (SetTimer("RMPrepare", ANY_TIME), SetTimer("RMChooseToAbort", ANY_TIME))

    def on_message(self, source: str, message: str) -> Step[ResourceManager]:
        decided = "committed" if message == "commit" else "aborted"
        return replace(self, state=decided), (CancelTimer("RMPrepare"), CancelTimer("RMChooseToAbort"))

    def on_timer(self, name: Any) -> Step[ResourceManager]:
        if name == "RMPrepare":
            return replace(self, state="prepared"), (CancelTimer("RMChooseToAbort"), Send("tm", "prepared"))
        return replace(self, state="aborted"), (CancelTimer("RMPrepare"),)


def two_phase(count: int) -> dict[str, Node[Any, Any]]:
    managers = [f"rm{number}" for number in range(1, count + 1)]
    return {"tm": TransactionManager(frozenset(managers)), **{name: ResourceManager() for name in managers}}


def consistent(world: World) -> bool:
    """TCConsistent: no resource manager has committed while another has aborted."""
    states = {node.state for node in world.nodes.values() if isinstance(node, ResourceManager)}
    return not {"committed", "aborted"} <= states
