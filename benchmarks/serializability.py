"""How fast histories of transactions are judged: 10,000 of them, from databases of several qualities.

Run it with ``python benchmarks/serializability.py [transaction_count]``. Each history has 20 clients, transactions of
one to four operations on lists that are retired after 32 appends, and one of three databases behind it:

- *serial*: transactions take effect one by one, while their clients' spans overlap;
- *snapshot*: snapshot isolation where the first committer wins, so there is write skew;
- *stale*: a tenth of the transactions read an old state, by up to 30 appends, so half of the history is one tangle.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Hashable
from random import Random
from typing import Any

from distlib.checkers.serializability import Transaction, check_serializability
from distlib.node import Outcome

PROCESS_COUNT = 20
KEY_COUNT = 10
APPENDS_PER_KEY = 32

Plan = list[tuple[str, int]]


def plan_transactions(random: Random, count: int) -> list[Plan]:
    """Draw what each transaction does; a key gives way to a new one after so many appends."""
    names, appends, fresh = list(range(KEY_COUNT)), [0] * KEY_COUNT, KEY_COUNT
    plans: list[Plan] = []
    for _ in range(count):
        plan: Plan = []
        for _ in range(random.randint(1, 4)):
            slot = random.randrange(KEY_COUNT)
            function = random.choice(("read", "append"))
            plan.append((function, names[slot]))
            if function == "append":
                appends[slot] += 1
                if appends[slot] == APPENDS_PER_KEY:
                    names[slot], appends[slot], fresh = fresh, 0, fresh + 1
        plans.append(plan)
    return plans


def run_database(kind: str, count: int, seed: int) -> list[Transaction]:
    """Return the history of a database under interleaved clients."""
    random = Random(seed)
    plans = plan_transactions(random, count)
    # The committed state at each moment, as the length of each list: lists only grow, so that is a snapshot.
    lists: dict[int, list[int]] = defaultdict(list)
    open_transactions: dict[int, tuple[int, float, dict[int, int]]] = {}
    waiting = list(range(count))[::-1]
    history: list[Transaction] = []
    moment = 0.0
    while waiting or open_transactions:
        moment += 1
        process = random.randrange(PROCESS_COUNT)
        if process not in open_transactions:
            if waiting:
                index = waiting.pop()
                lag = random.randint(1, 30) if kind == "stale" and random.random() < 0.1 else 0
                snapshot = {key: max(len(lists[key]) - lag, 0) for _, key in plans[index]}
                open_transactions[process] = index, moment, snapshot
            continue
        index, invoked, snapshot = open_transactions.pop(process)
        if kind == "serial":
            snapshot = {key: len(lists[key]) for key in snapshot}
        written = {key for function, key in plans[index] if function == "append"}
        aborts = kind == "snapshot" and any(len(lists[key]) > snapshot[key] for key in written)
        seen = {key: tuple(lists[key][:length]) for key, length in snapshot.items()}
        operations: list[tuple[str, Hashable, Any]] = []
        for place, (function, key) in enumerate(plans[index]):
            value = index * 4 + place
            if function == "append":
                seen[key] += (value,)
                if not aborts:
                    lists[key].append(value)
            operations.append((function, key, value if function == "append" else seen[key]))
        outcome = Outcome.FAIL if aborts else Outcome.OK
        history.append(Transaction(index, process, tuple(operations), invoked, moment, outcome))
    return history


def measure(action: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = action()
    return time.perf_counter() - start, result


def main(count: int) -> None:
    print(f"{'database':<10} {'seconds':>8} {'transactions/s':>15}  weakest levels violated; anomalies")
    for kind in ("serial", "snapshot", "stale"):
        history = run_database(kind, count, seed=1)
        seconds, verdict = measure(lambda history=history: check_serializability(history))
        violated, found = (", ".join(names) or "none" for names in (sorted(verdict.violated), verdict.anomalies))
        print(f"{kind:<10} {seconds:8.2f} {count / seconds:15,.0f}  {violated}; {found}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
