"""A path through a state space, told as what happened: events with causes.

The search keeps states only. A path is replayed by looking, at each state, for a step that leads to the next; what the
handlers did in that step is known to the space, and becomes the same events that a simulation records. So one figure
draws a counterexample and a simulated run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from distlib.node import CancelTimer, Complete, Invoke, Outcome, ReadClock, Save, Send, SetTimer
from distlib.runtimes.state_space import Move, Reaction, Reading, Space
from distlib.runtimes.trace import Event, Kind, Trace

__all__ = ["replay"]


def replay(space: Space, path: Sequence[int], canonical: Callable[[int], int] | None = None) -> Trace:
    """Return what happened on a path.

    Parameters
    ----------
    space
        The space that the path goes through.
    path
        Its states, from an initial one on, each a successor of the one before.
    canonical
        Where the path goes from representative to representative: what makes a state one. The trace is then of a run
        whose states have these representatives.

    Returns
    -------
    Trace
        The events; the time of each is the number of the step, and boots happen at 0.
    """
    same = canonical or (lambda state: state)
    recorder = _Recorder(space)
    state, boots = next((state, boots) for state, boots in space.initial().items() if same(state) == path[0])
    for node, reaction in enumerate(boots):
        recorder.start(node, reaction)
    for following in path[1:]:
        move, state = next(
            (move, reached)
            for node in range(len(space.names))
            for move in space.moves(node, state)
            if same(reached := space.apply(state, move.delta, move.added, move.operations)) == following
        )
        recorder.record(move)
    return Trace(tuple(recorder.events), space.names)


class _Recorder:
    """Turns moves into events with causes."""

    def __init__(self, space: Space) -> None:
        self.events: list[Event] = []
        self._space = space
        self._step = 0
        self._sends: dict[int, deque[int]] = {}
        """For each message: the events that sent the copies in flight, oldest first."""
        self._delivered: set[int] = set()
        """In a set of messages: the events whose messages arrived at least once."""
        self._timers: dict[tuple[int, Hashable], int] = {}
        self._invocations: dict[int, int] = {}
        self._saved: list[Any] = [None] * len(space.names)

    def _add(self, kind: Kind, node: int, value: Any = None, **rest: Any) -> int:
        number = len(self.events)
        self.events.append(Event(number, float(self._step), kind, self._space.names[node], value, **rest))
        return number

    def record(self, move: Move) -> None:
        """Record one step."""
        self._step += 1
        if move.event in (Kind.DELIVER, Kind.LOSE):
            self._arrive(move)
            return
        reaction = move.reaction
        assert reaction is not None
        if move.event is Kind.START:
            self.start(move.node, reaction)
        elif move.event is Kind.CRASH:
            self._crash(move.node, reaction)
        else:
            cause = self._timers.pop((move.node, move.subject))
            state = reaction.script.returned
            stimulus = self._add(Kind.TIMER, move.node, move.subject, cause=cause, state=state)
            self._follow(move.node, reaction, stimulus)

    def start(self, node: int, reaction: Reaction) -> None:
        """Record a boot or a recovery."""
        stimulus = self._add(Kind.START, node, self._saved[node], state=reaction.script.returned)
        self._follow(node, reaction, stimulus)

    def _arrive(self, move: Move) -> None:
        """Record that a message was delivered or lost."""
        assert isinstance(move.subject, int)
        source, target, content = self._space.messages[move.subject]
        names = self._space.names
        cause, duplicated = self._take(move)
        if duplicated:
            self._add(Kind.DUPLICATE, source, content, peer=names[target], cause=cause)
        if move.event is Kind.LOSE:
            note = "down" if move.ordinary else "loss"
            self._add(Kind.LOSE, target, content, peer=names[source], cause=cause, note=note)
            return
        assert move.reaction is not None
        state = move.reaction.script.returned
        stimulus = self._add(Kind.DELIVER, target, content, peer=names[source], cause=cause, state=state)
        self._follow(target, move.reaction, stimulus)

    def _take(self, move: Move) -> tuple[int, bool]:
        """Return the event that sent what arrives, and whether what arrives is a further copy of it."""
        assert isinstance(move.subject, int)
        sends = self._sends[move.subject]
        if self._space.network != "set":
            return (sends[0], True) if move.duplicated else (sends.popleft(), False)
        # A set keeps what it delivers. The copies that were sent arrive first, then those that the network makes.
        cause = next((send for send in sends if send not in self._delivered), sends[0])
        duplicated = cause in self._delivered
        self._delivered.add(cause)
        return cause, duplicated

    def _crash(self, node: int, reaction: Reaction) -> None:
        invocation = self._invocations.pop(node, None)
        if invocation is not None:
            self._add(Kind.COMPLETE, node, (None, Outcome.UNKNOWN), cause=invocation, note="crash")
        self._add(Kind.CRASH, node)
        self._saved[node] = self._space.interned_locals[node].values[reaction.local].saved
        for timer in [timer for timer in self._timers if timer[0] == node]:
            del self._timers[timer]

    def _follow(self, node: int, reaction: Reaction, stimulus: int) -> None:
        """Record the happenings that a stimulus led to."""
        cause = stimulus
        asked: deque[int] = deque()
        for happening in reaction.script.happenings[: reaction.applied]:
            match happening:
                case Send(target, message):
                    number = self._space.message(node, target, message)
                    sent = self._add(Kind.SEND, node, message, peer=target, cause=cause)
                    self._sends.setdefault(number, deque()).append(sent)
                case Save(value, forced):
                    self._add(Kind.SAVE, node, value, cause=cause, note="" if forced else "unforced")
                case SetTimer(name):
                    self._cancel(node, name, cause)
                    self._timers[node, name] = self._add(Kind.SET_TIMER, node, name, cause=cause)
                case CancelTimer(name):
                    self._cancel(node, name, cause)
                case Invoke(operation):
                    self._invocations[node] = self._add(Kind.INVOKE, node, operation, cause=cause)
                case Complete(result, outcome):
                    invocation = self._invocations.pop(node, None)
                    self._add(Kind.COMPLETE, node, (result, outcome), cause=invocation)
                case ReadClock():
                    asked.append(cause)
                case Reading(name, reading, state):
                    cause = self._add(Kind.CLOCK, node, (name, reading), cause=asked.popleft(), state=state)
        if reaction.crashed:
            self._crash(node, reaction)

    def _cancel(self, node: int, timer: Hashable, cause: int) -> None:
        """Record that a timer will not fire, if it is set."""
        if self._timers.pop((node, timer), None) is not None:
            self._add(Kind.CANCEL_TIMER, node, timer, cause=cause)
