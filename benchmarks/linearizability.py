"""How fast histories are judged: the published ones, and some that are larger than those.

Run it with ``python benchmarks/linearizability.py``. The larger histories come from an object that is atomic, under
clients that overlap; a bad one differs in one read, which shows what another had shown before. Values are distinct, so
that what results force about the order is all there is to find, or few, so that the search has to find out itself.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from distlib.checkers.history import UNOBSERVED, History, Operation
from distlib.checkers.jepsen import read_edn_history, read_log_history
from distlib.checkers.linearizability import Judgement, check_linearizable
from distlib.checkers.sequential_models import (
    Model,
    compare_and_set_register,
    fifo_queue,
    key_value,
    register,
)
from distlib.node import Outcome

DATA = Path(__file__).parents[1] / "tests" / "data" / "histories"
MEAN_SECONDS, PAUSE_SECONDS = 1.0, 0.05

Case = tuple[History, Model]


def published() -> dict[str, list[Case]]:
    """Return the published histories, by collection."""
    names = json.loads((DATA / "porcupine_etcd" / "expected.json").read_text())
    nil, zero, store = compare_and_set_register(None), compare_and_set_register(0), key_value()
    files = sorted((DATA / "porcupine_kv").glob("*.txt"))
    return {
        "etcd, 50 histories": [
            (read_log_history((DATA / "porcupine_etcd" / f"{name}.log").read_text()), nil) for name in names
        ],
        "Knossos, 53 histories": [
            (read_edn_history(path.read_text()), zero) for path in sorted(DATA.glob("knossos_cas_register/*/*.edn"))
        ],
        **{f"key-value {path.stem}": [(read_edn_history(path.read_text()), store)] for path in files},
    }


Apply = Callable[[Any, Any], tuple[Any, Any]]


def apply_register(state: Any, operation: Any) -> tuple[Any, Any]:
    match operation:
        case ("read",):
            return state, state
        case ("write", value):
            return value, None
    return (operation[2], True) if state == operation[1] else (state, False)


def apply_text(state: Any, operation: Any) -> tuple[Any, Any]:
    texts = state or {}
    name, key, *text = operation
    before = texts.get(key, "")
    if name == "get":
        return texts, before
    return {**texts, key: text[0] if name == "put" else before + text[0]}, None


def apply_queue(state: Any, operation: Any) -> tuple[Any, Any]:
    held = state or ()
    if operation[0] == "enqueue":
        return (*held, operation[1]), None
    return (held[1:], held[0]) if held else (held, None)


def choose_register(random: Random, number: int) -> Any:
    return ("read",) if random.random() < 0.5 else ("write", number)


def choose_comparison(random: Random, number: int) -> Any:
    kinds = [("read",), ("write", random.randrange(5)), ("compare_and_set", random.randrange(5), random.randrange(5))]
    return random.choice(kinds)


def choose_text(random: Random, number: int, keys: int = 1) -> Any:
    key, chance = random.randrange(keys), random.random()
    if chance < 0.45:
        return "get", key
    return ("put" if chance < 0.5 else "append", key, f"x{number} ")


def choose_queue(random: Random, number: int) -> Any:
    return ("enqueue", number) if random.random() < 0.55 else ("dequeue",)


def draw_history(
    apply: Apply,
    choose: Callable[[Random, int], Any],
    clients: int,
    count: int,
    *,
    lost: float = 0.0,
    bad: bool = False,
) -> History:
    """Run clients against an atomic object; a part of the operations is lost, and half of those take effect."""
    random = Random(count * clients)
    spans: list[tuple[float, float, float, int]] = []
    for client in range(clients):
        now = random.random()
        for _ in range(count // clients):
            begin, end = now, now + random.expovariate(1 / MEAN_SECONDS)
            spans.append((random.uniform(begin, end), begin, end, client))
            now = end + random.random() * PAUSE_SECONDS
    state: Any = None
    operations: list[Operation] = []
    for number, (_, begin, end, client) in enumerate(sorted(spans)):
        operation, is_lost = choose(random, number), random.random() < lost
        result: Any = UNOBSERVED
        if not is_lost or random.random() < 0.5:
            state, result = apply(state, operation)
        outcome = Outcome.UNKNOWN if is_lost else Outcome.OK
        operations.append(Operation(client, operation, UNOBSERVED if is_lost else result, begin, end, outcome))
    if bad:
        reads = [place for place, one in enumerate(operations) if one.outcome is Outcome.OK and one.result is not None]
        late, early = reads[-len(reads) // 10], reads[len(reads) // 2]
        operations[late] = replace(
            operations[late], operation=operations[early].operation, result=operations[early].result
        )
    return History(tuple(operations))


def larger() -> Iterable[tuple[str, History, Model]]:
    """Return histories of several objects, sizes and qualities."""
    objects: list[tuple[str, Apply, Callable[[Random, int], Any], Model]] = [
        ("register", apply_register, choose_register, register()),
        ("compare-and-set", apply_register, choose_comparison, compare_and_set_register()),
        ("key-value, one key", apply_text, choose_text, key_value()),
        ("key-value, ten keys", apply_text, lambda *chosen: choose_text(*chosen, keys=10), key_value()),
        ("queue", apply_queue, choose_queue, fifo_queue()),
    ]
    for name, apply, choose, model in objects:
        for clients, count, lost in ((5, 500, 0.0), (5, 500, 0.05), (20, 2000, 0.0), (50, 2500, 0.0)):
            for bad in (False, True):
                history = draw_history(apply, choose, clients, count, lost=lost, bad=bad)
                yield f"{name}, {clients} clients, {count}, {lost:.0%} lost, {'bad' if bad else 'good'}", history, model


def measure(name: str, cases: Iterable[Case]) -> None:
    """Print what it takes to judge some histories, and to explain those that are bad."""
    chosen = list(cases)
    begin = time.perf_counter()
    verdicts = [check_linearizable(*case, explain=False, budget_configurations=200_000) for case in chosen]
    judged = time.perf_counter() - begin
    bad = [case for case, one in zip(chosen, verdicts, strict=True) if one.judgement is Judgement.NOT_LINEARIZABLE]
    begin = time.perf_counter()
    conflicts = [len(check_linearizable(*case).conflict) for case in bad]
    explained = time.perf_counter() - begin
    unknown = sum(one.judgement is Judgement.UNKNOWN for one in verdicts)
    explored = sum(one.configuration_count for one in verdicts)
    answers = f"{len(chosen) - len(bad) - unknown} yes, {len(bad)} no" + (f", {unknown} unknown" if unknown else "")
    conflict = f"{explained:7.3f} s, at most {max(conflicts)} operations" if bad else ""
    print(f"{name:52} {answers:14} {judged:8.3f} s {explored:8} configurations {conflict}")


if __name__ == "__main__":
    print(f"{'history':52} {'verdicts':14} {'to judge':>10} {'explored':>23} to explain, conflict")
    for collection, collected in published().items():
        measure(collection, collected)
    for label, drawn, judged_by in larger():
        measure(label, [(drawn, judged_by)])
