"""Raft under every fault at once, over more seeds than a test has time for; and which mistakes that finds.

Run it with ``python benchmarks/consensus.py [seeds]``. In each run servers crash, pause and are partitioned, messages
are lost, copied and overtaken, disks are slow and clocks wrong, a server is added and removed, and three clients write,
read, compare-and-set and count. Every history is judged linearizable or not, and the invariants are asked at the end.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

from distlib.broken.consistency import consensus as broken
from distlib.experiments.consistency.consensus import chaos, survives
from distlib.protocols.consistency.consensus import Server
from distlib.runtimes.replication import replicate

SEEDS = 2_000
FEWER = 200
OPTIONS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "written and sent side by side": {"parallel_write": True},
    "one entry at a time": {"pipelined": False, "batch_limit": 1},
    "gathered, and reads through the log": {"gather_seconds": (0.0, 0.002), "read_index": False},
}


def harmed(server_class: type[Server], options: dict[str, Any], seed: int) -> bool:
    """Return whether a run ended with an invariant or a client's history broken."""
    return not survives(chaos(server_class, seed=seed, always={}, **options))


def main(seeds: int) -> None:
    """Run the protocol in four settings, and each mistake in one."""
    with ProcessPoolExecutor(2) as executor:
        for name, options in OPTIONS.items():
            began = time.perf_counter()
            count = sum(replicate(partial(harmed, Server, options), seeds, executor=executor))
            seconds = time.perf_counter() - began
            print(f"{name:40} {count:4} of {seeds} harmed, {1000 * seconds / seeds:.0f} ms each", flush=True)
            if count:
                raise SystemExit(f"{count} runs of the protocol were harmed")
        fewer = min(seeds, FEWER)
        for name in broken.__all__:
            count = sum(replicate(partial(harmed, getattr(broken, name), {}), fewer, executor=executor))
            print(f"{name:40} {count:4} of {fewer} harmed", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS)
