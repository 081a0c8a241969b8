"""What a force costs on this disk, and what group commit makes of it: records a force, threads that commit at once.

Run it with ``python benchmarks/group_commit.py [folder]``; the folder says which disk, by default that of temporary
files. First the time to append and force batches of several sizes; the straight line through them gives the time of a
force and that of a record. Then threads that each commit again as soon as they may: commits a second, and commits in
a force, which the model puts at half the number of threads. The numbers are of this machine and no other.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from distlib.experiments.transactions.group_commit import measure_closed_loop, measure_force_seconds
from distlib.models.transactions.group_commit import closed_loop_commits_per_force

BATCHES = (1, 4, 16, 64, 256, 1024)
COMMITS = 400


def main(folder: str | None) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(dir=folder) as home:
        seconds = measure_force_seconds(Path(home) / "batches", BATCHES, rounds=15)
        for batch, median in seconds.items():
            print(f"{batch:5} records in a force: {median * 1e3:8.3f} ms, {batch / median:12,.0f} records a second")
        record, force = np.polyfit(BATCHES, [seconds[batch] for batch in BATCHES], 1)
        print(f"so a force takes {force * 1e3:.3f} ms, and each record {record * 1e6:.2f} µs")
        for threads in (1, 2, 4, 8, 16):
            began = time.perf_counter()
            each = COMMITS // threads
            shared = measure_closed_loop(Path(home) / f"threads {threads}", threads, each)
            rate = threads * each / (time.perf_counter() - began)
            predicted = closed_loop_commits_per_force(threads)
            print(
                f"{threads:2} threads: {rate:7,.0f} commits a second, {shared:.2f} in a force, predicted {predicted:g}"
            )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
