"""How fast states are explored: two-phase commit with seven resource managers, against a search written for it by hand.

Run it with ``python benchmarks/exploration.py [resource_manager_count]``. Both searches explore the TLA+ specification
TwoPhase, breadth first, with the same invariant asked of each distinct state. The one by hand knows the protocol: its
states are plain tuples, its actions are written out. The explorer is given nodes, and knows only what a node is. They
must agree on the numbers of states; then their speeds are told, in generated states per second, and the ratio.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))
from distlib.runtimes.exploration import explore
from tests.runtimes.specifications import consistent, managers, two_phase

WORKING, PREPARED, COMMITTED, ABORTED = range(4)
UNDECIDED, COMMIT, ABORT = range(3)

State = tuple[tuple[int, ...], int, frozenset[int], frozenset[int]]
"""States of the resource managers; decision; whose preparation was heard of; who has said that it is prepared."""


def steps_by_hand(state: State) -> Iterator[State]:
    """Yield where each action leads. The decision is its own message: whoever has not taken it may take it."""
    states, decision, heard, said = state
    if decision == UNDECIDED:
        if len(heard) == len(states):
            yield states, COMMIT, heard, said
        yield states, ABORT, heard, said
        for manager in said:
            yield states, decision, heard | {manager}, said
    for manager, own in enumerate(states):
        before, after = states[:manager], states[manager + 1 :]
        if own == WORKING:
            yield (*before, PREPARED, *after), decision, heard, said | {manager}
            yield (*before, ABORTED, *after), decision, heard, said
        if decision == COMMIT:
            yield (*before, COMMITTED, *after), decision, heard, said
        if decision == ABORT:
            yield (*before, ABORTED, *after), decision, heard, said


def explore_by_hand(count: int) -> tuple[int, int]:
    """Return the number of distinct states and of generated ones."""
    first: State = (WORKING,) * count, UNDECIDED, frozenset(), frozenset()
    reached, level, generated = {first}, [first], 1
    while level:
        fresh = []
        for state in level:
            for following in steps_by_hand(state):
                generated += 1
                if following not in reached:
                    reached.add(following)
                    fresh.append(following)
                    assert not {COMMITTED, ABORTED} <= set(following[0])
        level = fresh
    return len(reached), generated


def explore_nodes(count: int, **options: Any) -> tuple[int, int]:
    """Return the number of distinct states and of generated ones."""
    exploration = explore(two_phase(count), messages="set", always={"consistent": consistent}, **options)
    exploration.require_holds()
    return exploration.states, exploration.generated


def measure(name: str, search: Callable[[], tuple[int, int]]) -> tuple[tuple[int, int], float]:
    """Run a search once, tell its speed and what it left allocated at its peak, and return its counts and its speed."""
    process = psutil.Process()
    before = process.memory_info().rss
    start = time.perf_counter()
    found = search()
    seconds = time.perf_counter() - start
    kibibytes = (process.memory_info().rss - before) / 1024
    print(
        f"{name:16} {found[0]:9,} states {found[1]:10,} generated {seconds:7.2f} s "
        f"{found[1] / seconds:11,.0f} generated/s   {kibibytes / 1024:6.0f} MiB more at the end"
    )
    return found, found[1] / seconds


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    if count < 1:
        raise SystemExit(f"`resource_manager_count` must be at least 1, got {count}")
    by_nodes, speed = measure("explorer", lambda: explore_nodes(count))
    by_hand, speed_by_hand = measure("by hand", lambda: explore_by_hand(count))
    assert by_nodes == by_hand, "the two searches disagree"
    measure("with symmetry", lambda: explore_nodes(count, symmetry=[managers(count)]))
    print(f"the explorer is {speed / speed_by_hand:.2f} times as fast as the search by hand")


if __name__ == "__main__":
    main()
