"""Failure detectors: a process says at intervals that it is up, and another one judges it by that.

Sources: Chen, Toueg and Aguilera, *On the Quality of Service of Failure Detectors* (IEEE Transactions on Computers
51(5), May 2002), section 3, for freshness points, and its comparison with the detector that is common in practice;
Hayashibara, Défago, Yared and Katayama, *The φ Accrual Failure Detector* (SRDS 2004), for the third.

Theory of operation
-------------------
A :class:`Process` sends heartbeats 1, 2, … at even intervals. Three detectors watch it; each trusts it or suspects it.

- :class:`FreshnessDetector` looks at fixed times, the freshness points i · period + margin. From one to the next it
  trusts the process once any heartbeat i, i + 1, … has come. So a heartbeat that was quick does not shorten the
  patience with the next one, and a crash is noticed within margin + period.
- :class:`SilenceDetector` is the common one: it waits so long after each arrival.
- :class:`AccrualDetector` learns how long to wait: it keeps the latest intervals between arrivals, and suspects the
  process when silence is so many standard deviations longer than their mean. That is a threshold on the suspicion φ
  under a normal law; how many deviations a threshold stands for is computed where the detector is made.

Assumptions
-----------
Heartbeats may be lost, delayed and reordered. The clocks of process and detector show the same time for freshness
points; for the other two, they run at the same rate. A process that crashes stops, and nobody says so.

Left out: estimating the arrival times where clocks are not synchronised (section 6 of the first paper).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Self

from distlib.node import CancelTimer, Node, ReadClock, Send, SetTimer, Step

__all__ = ["AccrualDetector", "Detector", "FreshnessDetector", "Heartbeat", "Process", "SilenceDetector"]


@dataclass(frozen=True)
class Heartbeat:
    """From the process: I am up, for the number-th time."""

    number: int

    def __str__(self) -> str:
        return f"up {self.number}"


@dataclass(frozen=True)
class Process(Node[Heartbeat, None]):
    """Says that it is up, once a period.

    Parameters
    ----------
    detectors
        Whom it tells.
    period_seconds
        Between two heartbeats. The first is sent a period after the boot.
    """

    detectors: tuple[str, ...]
    period_seconds: float = 1.0
    number: int = 0

    def on_start(self, saved: None) -> Step[Self]:
        return self, (self.pause(),)

    def on_message(self, source: str, message: Heartbeat) -> Step[Self]:
        return self, ()

    def on_timer(self, name: str) -> Step[Self]:
        node = replace(self, number=self.number + 1)
        return node, (*(Send(each, Heartbeat(node.number)) for each in self.detectors), self.pause())

    def pause(self) -> SetTimer:
        """Return the timer of the next heartbeat."""
        return SetTimer("heartbeat", (self.period_seconds, self.period_seconds))


@dataclass(frozen=True, kw_only=True)
class Detector(Node[Heartbeat, None]):
    """What all detectors have: a verdict, and the latest heartbeat that they heard of."""

    suspects: bool = False
    latest: int = 0

    def on_start(self, saved: None) -> Step[Self]:
        return self, ()

    def on_message(self, source: str, message: Heartbeat) -> Step[Self]:
        if message.number <= self.latest:
            return self, ()
        return self.hear(message.number)

    def hear(self, number: int) -> Step[Self]:
        """Take a heartbeat that is later than all before."""
        raise NotImplementedError


@dataclass(frozen=True)
class FreshnessDetector(Detector):
    """Trusts the process from one freshness point to the next if it has a heartbeat that is fresh.

    Parameters
    ----------
    period_seconds
        That of the process.
    margin_seconds
        From the time at which a heartbeat is sent until it is missed.
    """

    period_seconds: float = 1.0
    margin_seconds: float = 1.0
    point: int = 0
    """The number of the latest freshness point; 0 before the first."""

    def on_start(self, saved: None) -> Step[Self]:
        first = self.period_seconds + self.margin_seconds
        return self, (SetTimer("freshness point", (first, first)),)

    def on_timer(self, name: str) -> Step[Self]:
        point = self.point + 1
        again = SetTimer("freshness point", (self.period_seconds, self.period_seconds))
        return replace(self, point=point, suspects=self.latest < point), (again,)

    def hear(self, number: int) -> Step[Self]:
        """Trust the process if this heartbeat is fresh."""
        return replace(self, latest=number, suspects=self.suspects and number < self.point), ()


@dataclass(frozen=True)
class SilenceDetector(Detector):
    """Suspects the process when it has been silent for too long.

    Parameters
    ----------
    silence_seconds
        From the arrival of one heartbeat on.
    """

    silence_seconds: float = 2.0

    def hear(self, number: int) -> Step[Self]:
        """Trust the process, for a while."""
        wait = SetTimer("silence", (self.silence_seconds, self.silence_seconds))
        return replace(self, latest=number, suspects=False), (wait,)

    def on_timer(self, name: str) -> Step[Self]:
        return replace(self, suspects=True), ()


@dataclass(frozen=True)
class AccrualDetector(Detector):
    """Suspects the process when its silence is far longer than the intervals before it.

    Parameters
    ----------
    deviations
        How many standard deviations above the mean interval it waits.
    window
        How many intervals it remembers.
    fewest
        How many it needs before it judges at all.
    least_deviation_seconds
        The smallest standard deviation that it believes in.
    """

    deviations: float = 5.6
    window: int = 100
    fewest: int = 10
    least_deviation_seconds: float = 0.0
    intervals: tuple[float, ...] = ()
    heard_seconds: float | None = None
    """What its clock showed at the latest arrival."""

    def hear(self, number: int) -> Step[Self]:
        """Trust the process, and look at the clock."""
        return replace(self, latest=number, suspects=False), (CancelTimer("silence"), ReadClock("heard"))

    def on_clock(self, name: Any, reading_seconds: float) -> Step[Self]:
        intervals = self.intervals
        if self.heard_seconds is not None:
            intervals = (*intervals, reading_seconds - self.heard_seconds)[-self.window :]
        node = replace(self, intervals=intervals, heard_seconds=reading_seconds)
        if len(intervals) < self.fewest:
            return node, ()
        patience = node.patience_seconds()
        return node, (SetTimer("silence", (patience, patience)),)

    def patience_seconds(self) -> float:
        """Return how long a silence it bears."""
        mean = math.fsum(self.intervals) / len(self.intervals)
        variance = math.fsum((each - mean) ** 2 for each in self.intervals) / len(self.intervals)
        return mean + self.deviations * max(math.sqrt(variance), self.least_deviation_seconds)

    def on_timer(self, name: str) -> Step[Self]:
        return replace(self, suspects=True), ()
