"""How many messages a second the simulation carries, beside SimPy on the same exchange, in one run.

The exchange: pairs of nodes play ping-pong, and each ball travels for an exponential time. What both sides have in
common: the class of the messages, a new message for each turn, latencies drawn in blocks from a generator for each
direction, and one process.

SimPy has a Store and a process for each node, and a process for each message that waits for the latency and puts the
message into the target's Store: the idiom of its own documentation ("Event Latency"). The simulation runs nodes as
every protocol of the book has them: with `record=False`, with `record=True`, and with the trace made into events too.

Rounds alternate between the variants, so that a busy machine slows them all. The rate is the best of all rounds, the
ratio is the median of the rounds' ratios, with the smallest and the largest.

Run: ``python benchmarks/simulation.py``
"""

from __future__ import annotations

import argparse
import gc
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import simpy

from distlib.models.latency import Exponential
from distlib.node import Node, Send, Step
from distlib.runtimes.simulation import Link, Network, simulate

MEAN_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Ball:
    turn: int


@dataclass(frozen=True)
class Player(Node[Ball, None]):
    """Returns each ball until the last turn."""

    opponent: str
    turns: int
    serves: bool

    def on_start(self, saved: None) -> Step[Player]:
        return self, ((Send(self.opponent, Ball(1)),) if self.serves else ())

    def on_message(self, source: str, message: Ball) -> Step[Player]:
        if message.turn == self.turns:
            return self, ()
        return self, (Send(source, Ball(message.turn + 1)),)


def play(pairs: int, turns: int, *, record: bool, materialise: bool = False) -> int:
    """Return how many messages the simulation delivered."""
    nodes = {}
    for number in range(pairs):
        nodes[f"a{number}"] = Player(f"b{number}", turns, serves=True)
        nodes[f"b{number}"] = Player(f"a{number}", turns, serves=False)
    network = Network(Link(Exponential(MEAN_SECONDS)))
    run = simulate(nodes, seed=1, network=network, max_events=10 * pairs * turns, record=record)
    if materialise and len(run.trace) < 2 * pairs * turns:
        raise AssertionError("the trace is not whole")
    return run.counts.delivered


def play_in_simpy(pairs: int, turns: int) -> int:
    """Return how many messages SimPy delivered."""
    environment = simpy.Environment()
    delivered = 0

    def latencies(seed: int) -> Iterator[float]:
        generator = np.random.default_rng(seed)
        while True:
            yield from generator.exponential(MEAN_SECONDS, 1024).tolist()

    def carry(seconds: float, message: Ball, inbox: simpy.Store) -> Iterator[Any]:
        yield environment.timeout(seconds)
        inbox.put(message)

    def player(inbox: simpy.Store, opponent: simpy.Store, seed: int, serves: bool) -> Iterator[Any]:
        nonlocal delivered
        seconds = latencies(seed)
        if serves:
            environment.process(carry(next(seconds), Ball(1), opponent))
        while True:
            message = yield inbox.get()
            delivered += 1
            if message.turn == turns:
                return
            environment.process(carry(next(seconds), Ball(message.turn + 1), opponent))

    for number in range(pairs):
        one, other = simpy.Store(environment), simpy.Store(environment)
        environment.process(player(one, other, 2 * number, serves=True))
        environment.process(player(other, one, 2 * number + 1, serves=False))
    environment.run()
    return delivered


VARIANTS: dict[str, Callable[[int, int], int]] = {
    "SimPy": play_in_simpy,
    "no trace": lambda pairs, turns: play(pairs, turns, record=False),
    "trace": lambda pairs, turns: play(pairs, turns, record=True),
    "trace read": lambda pairs, turns: play(pairs, turns, record=True, materialise=True),
}


def compare(pairs: int, turns: int, rounds: int) -> None:
    """Time all variants in turn and print their rates."""
    expected = pairs * turns
    rates: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for _ in range(rounds):
        for name, variant in VARIANTS.items():
            gc.collect()
            start = time.process_time()
            delivered = variant(pairs, turns)
            rates[name].append(expected / (time.process_time() - start))
            if delivered != expected:
                raise AssertionError(f"{name} delivered {delivered} messages, not {expected}")
    print(f"\n{pairs} pairs, {turns} turns each: {expected} messages, {rounds} rounds")
    print(f"{'':12}{'messages/s':>12}   times SimPy (median, smallest to largest)")
    for name, each in rates.items():
        ratios = [rate / simpy_rate for rate, simpy_rate in zip(each, rates["SimPy"], strict=True)]
        print(
            f"{name:12}{max(each):12,.0f}   {statistics.median(ratios):.2f}  ({min(ratios):.2f} to {max(ratios):.2f})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    print(f"Python {platform.python_version()}, SimPy {simpy.__version__}, processor time")
    compare(pairs=50, turns=800, rounds=arguments.rounds)
    compare(pairs=2000, turns=40, rounds=arguments.rounds)


if __name__ == "__main__":
    main()
