"""Linearizability is judged as every order tried says, as others judged, and within its budget."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distlib.checkers.forced_order import Visit
from distlib.checkers.history import UNOBSERVED, History, Operation
from distlib.checkers.jepsen import read_edn_history, read_log_history
from distlib.checkers.linearizability import Judgement, check_linearizable, is_linearization, linearizable
from distlib.checkers.sequential_models import (
    Model,
    compare_and_set_register,
    counter,
    fifo_queue,
    key_value,
    mutex,
    register,
    unordered_set,
)
from distlib.node import Complete, Invoke, Outcome, World
from tests.checkers.sequential_objects import OBJECTS, explains, has_legal_order, histories

DATA = Path(__file__).parents[1] / "data" / "histories"
EXPECTED = {True: Judgement.LINEARIZABLE, False: Judgement.NOT_LINEARIZABLE}
every_object = pytest.mark.parametrize("name", OBJECTS)


def reference_cases() -> list[tuple[str, History, Model, bool]]:
    """Return all histories whose verdict others have published: name, history, model, whether it is linearizable."""
    etcd = json.loads((DATA / "porcupine_etcd" / "expected.json").read_text(encoding="utf-8"))
    logs = [(name, DATA / "porcupine_etcd" / f"{name}.log") for name in etcd]
    register_files = sorted((DATA / "knossos_cas_register").glob("*/*.edn"))
    store_files = sorted((DATA / "porcupine_kv").glob("*.txt"))
    nil, zero, store = compare_and_set_register(None), compare_and_set_register(0), key_value()
    return [
        *((name, read_log_history(path.read_text(encoding="utf-8")), nil, etcd[name]) for name, path in logs),
        *((path.stem, read_edn_history(path.read_text()), zero, path.parent.name == "good") for path in register_files),
        *((path.stem, read_edn_history(path.read_text()), store, path.stem.endswith("ok")) for path in store_files),
    ]


CASES = reference_cases()
"""Read once; all are immutable."""


def test_published_verdicts_are_reached() -> None:
    wrong = [
        name
        for name, history, model, good in CASES
        if check_linearizable(history, model, explain=False).judgement is not EXPECTED[good]
    ]
    assert (len(CASES), wrong) == (50 + 53 + 4, [])


def test_published_refutations_are_explained_by_at_most_four_operations() -> None:
    for name, history, model, good in CASES:
        if not good:
            verdict = check_linearizable(history, model)
            assert 1 <= len(verdict.conflict) <= 4, name
            assert is_conflict(verdict.conflict, model.partition(history)[verdict.key], model), name


def is_conflict(conflict: tuple[Operation, ...], history: History, model: Model) -> bool:
    """Say whether a conflict is one, by a model in which what is outside the conflict may be left out.

    An operation that either is left out or else takes effect in its time is one that is OK and has the choice to do
    nothing.
    """

    def step(state: Any, operation: Any, result: Any) -> tuple[Any, ...]:
        asked, is_strict = operation
        after = tuple(model.step(state, asked, result))
        return after if is_strict else (*after, state)

    marked = [replace(one, operation=(one.operation, one in conflict)) for one in history]
    lenient = Model("lenient", model.initial, step, {one.operation[0]: 1 for one in marked})
    return check_linearizable(History(tuple(marked)), lenient, explain=False).judgement is Judgement.NOT_LINEARIZABLE


@every_object
@settings(max_examples=75)
@given(st.data())
def test_every_order_tried_says_the_same_and_a_conflict_lacks_nothing(name: str, data: st.DataObject) -> None:
    thing = OBJECTS[name]
    history = data.draw(histories(thing))
    verdict = check_linearizable(history, thing.model)
    assert verdict.judgement is EXPECTED[has_legal_order(history, thing)]
    assert explains(verdict.witness, thing)
    if verdict.judgement is Judgement.NOT_LINEARIZABLE:
        part = thing.model.partition(history)[verdict.key]
        assert not has_legal_order(part, thing, required=verdict.conflict)
        for operation in verdict.conflict:
            assert has_legal_order(part, thing, required={*verdict.conflict} - {operation})
        assert verdict.longest_prefixes
        assert all(explains(prefix, thing) for prefix in verdict.longest_prefixes)


@every_object
@settings(max_examples=40)
@given(st.data())
def test_what_makes_the_search_fast_changes_no_verdict(name: str, data: st.DataObject) -> None:
    model = OBJECTS[name].model
    history = data.draw(histories(OBJECTS[name], most=25))
    plain = Model("plain", model.initial, model.step, model.operations, partition=model.partition)
    verdicts = [check_linearizable(history, one, explain=False) for one in (model, plain)]
    assert verdicts[0].judgement is verdicts[1].judgement


@every_object
@settings(max_examples=30)
@given(st.data())
def test_neither_names_of_processes_nor_what_failed_matter(name: str, data: st.DataObject) -> None:
    thing = OBJECTS[name]
    history = data.draw(histories(thing))
    judgement = check_linearizable(history, thing.model, explain=False).judgement
    names = dict(zip("pqrs", data.draw(st.permutations("pqrs")), strict=True))
    renamed = History(tuple(replace(one, process=names[str(one.process)]) for one in history))
    assert check_linearizable(renamed, thing.model, explain=False).judgement is judgement
    rest = History(tuple(one for one in history if one.outcome is not Outcome.FAIL))
    assert check_linearizable(rest, thing.model, explain=False).judgement is judgement


def write(process: str, value: int, invoked: int, completed: int, outcome: Outcome = Outcome.OK) -> Operation:
    return Operation(process, ("write", value), None, invoked, completed, outcome)


def read(process: str, value: Any, invoked: int, completed: int) -> Operation:
    return Operation(process, ("read",), value, invoked, completed)


def test_a_write_that_leaves_the_state_as_it_is_is_kept_for_when_it_is_needed() -> None:
    # The register is 0 at first, so the write of 0 could go first. But it is what brings back 0 after the 1.
    history = History((write("a", 0, 0, 9), write("b", 1, 1, 8), read("c", 1, 2, 3), read("d", 0, 4, 5)))
    verdict = check_linearizable(history, register(0))
    assert [one.process for one in verdict.witness] == ["b", "c", "a", "d"]


def test_an_unknown_write_may_take_effect_long_after_its_client_gave_up() -> None:
    lost = write("a", 1, 0, 1, Outcome.UNKNOWN)
    assert check_linearizable(History((lost, read("b", 0, 2, 3), read("b", 1, 4, 5))), register(0)).witness[1] is lost
    assert check_linearizable(History((lost, read("b", 0, 2, 3))), register(0)).judgement is Judgement.LINEARIZABLE
    flicker = History((lost, read("b", 1, 2, 3), read("b", 0, 4, 5)))
    assert check_linearizable(flicker, register(0)).conflict == flicker.operations[1:]


def unknown(process: str, *asked: Any, invoked: int) -> Operation:
    return Operation(process, asked, invoked=invoked, outcome=Outcome.UNKNOWN)


def done(process: str, *asked: Any, result: Any = None, invoked: int, completed: int) -> Operation:
    return Operation(process, asked, result, invoked, completed)


@pytest.mark.parametrize(
    ("model", "operations"),
    [
        pytest.param(
            compare_and_set_register(0),
            [
                unknown("u", "write", 1, invoked=0),
                unknown("v", "compare_and_set", 2, 1, invoked=0),
                done("a", "write", 1, invoked=1, completed=9),
                done("b", "write", 2, invoked=2, completed=10),
                done("a", "read", result=1, invoked=11, completed=12),
                done("a", "write", 2, invoked=13, completed=14),
                done("a", "read", result=1, invoked=15, completed=16),
                done("a", "write", 2, invoked=17, completed=18),
                done("a", "read", result=1, invoked=19, completed=20),
            ],
            id="what has taken less is not cut off by what has taken more",
        ),
        pytest.param(
            mutex(),
            [
                done("a", "acquire", invoked=1, completed=9),
                done("b", "acquire", invoked=2, completed=4),
                done("b", "release", invoked=5, completed=7),
            ],
            id="of two alike, the one that completes last may go last although it was invoked first",
        ),
        pytest.param(
            compare_and_set_register(None),
            [
                unknown("u", "write", 0, invoked=1),
                done("a", "compare_and_set", 0, 2, result=UNOBSERVED, invoked=6, completed=8),
                done("a", "read", result=2, invoked=9, completed=11),
                unknown("v", "write", 4, invoked=12),
            ],
            id="a value that a comparison may have needed was seen",
        ),
        pytest.param(
            key_value(),
            [
                done("a", "append", "k", "x", invoked=1, completed=3),
                done("b", "get", "k", result="xx", invoked=4, completed=10),
                unknown("c", "put", "k", "xx", invoked=5),
            ],
            id="a text that comes apart in two ways may be due to an unknown write",
        ),
        pytest.param(
            compare_and_set_register(None),
            [
                done("a", "compare_and_set", 0, 0, result=UNOBSERVED, invoked=1, completed=3),
                done("a", "read", result=None, invoked=4, completed=6),
            ],
            id="what leaves a state that does not come back as it is may come before what needs it",
        ),
        pytest.param(
            unordered_set({0}),
            [
                done("a", "read", result=frozenset({0}), invoked=1, completed=3),
                done("a", "add", 0, invoked=4, completed=5),
            ],
            id="what a set held at first needs no add",
        ),
        pytest.param(
            fifo_queue(),
            [
                done("a", "enqueue", 0, invoked=1, completed=3),
                unknown("b", "enqueue", 1, invoked=4),
                unknown("c", "dequeue", invoked=6),
                done("a", "dequeue", result=1, invoked=8, completed=13),
            ],
            id="a value may have come out by a dequeue whose result nobody saw",
        ),
    ],
)
def test_no_shortcut_refutes_what_is_linearizable(model: Model, operations: list[Operation]) -> None:
    assert check_linearizable(History(tuple(operations)), model).judgement is Judgement.LINEARIZABLE


def test_an_operation_outside_the_conflict_may_come_in_although_it_completes_last() -> None:
    # Nobody wrote 14. But a 1 was written, and it may come before the read of 1, although that completes earlier.
    late = unknown("d", "write", 1, invoked=8)
    history = History((read("c", 14, 1, 11), write("a", 1, 3, 16), read("b", 1, 5, 7), late))
    assert check_linearizable(history, register(0)).conflict == history.operations[:1]


def test_operations_that_touch_at_one_instant_are_concurrent() -> None:
    assert check_linearizable(History((write("a", 1, 0, 1), read("b", 0, 1, 2))), register(0)).witness[0].process == "b"


def test_the_witness_of_several_objects_is_one_order_in_real_time() -> None:
    history = next(history for name, history, _, _ in CASES if name == "c10-ok")
    verdict = check_linearizable(history, key_value())
    assert is_linearization(verdict.witness, history, key_value())
    assert len(verdict.witness) == len(history)


@pytest.mark.parametrize(
    ("order", "legal"),
    [
        ([0, 1, 2], True),
        ([0, 2, 1], False),  # The model refuses it.
        ([1, 0, 2], False),  # Against real time.
        ([0, 1], False),  # One is missing.
        ([0, 0, 1, 2], False),  # One is there twice.
        ([0, 1, 2, 3], True),  # One that is unknown may take effect,
        ([0, 1, 2, 4], False),  # but none that failed.
    ],
)
def test_an_order_is_accepted_only_if_it_explains_all_that_was_seen(order: list[int], legal: bool) -> None:
    history = History(
        (
            write("a", 1, 0, 1),
            read("b", 1, 2, 5),
            write("c", 2, 3, 6),
            write("d", 3, 4, 7, Outcome.UNKNOWN),
            write("e", 4, 4, 8, Outcome.FAIL),
        )
    )
    assert is_linearization([history[index] for index in order], history, register(0)) is legal


def hard_history(width: int = 14) -> History:
    """Return a history that has no legal order and gives nothing away: concurrent adds, and a total that none gives."""
    adds = [Operation(number, ("add", 3**number), None, number, 100 + number) for number in range(width)]
    return History((*adds, Operation("r", ("read",), -1, 200, 201)))


@pytest.mark.parametrize(
    ("budget", "exhausted"),
    [
        ({"budget_configurations": 1000}, "configurations"),
        ({"budget_bytes": 1 << 20}, "memory"),
        ({"budget_seconds": 1e-9}, "time"),
    ],
)
def test_a_budget_that_runs_out_is_an_answer(budget: dict[str, Any], exhausted: str) -> None:
    verdict = check_linearizable(hard_history(), counter(), **budget)
    assert (verdict.judgement, verdict.exhausted) == (Judgement.UNKNOWN, exhausted)
    assert verdict.configuration_count <= budget.get("budget_configurations", 10_000)


def long_history(count: int) -> History:
    """Return a history of ten clients, linearizable, whose values are distinct."""
    random = Random(7)
    value, operations = 0, []
    for number in range(count):
        begin = 3 * number
        end = begin + random.randrange(1, 25)
        if random.random() < 0.5:
            value = number
            operations.append(write(f"p{number % 10}", value, begin, end))
        else:
            operations.append(read(f"p{number % 10}", value, begin, end))
    return History(tuple(operations))


def test_a_budget_that_is_just_enough_is_enough() -> None:
    history = History((write("a", 1, 0, 3), write("b", 2, 1, 4), read("c", 1, 5, 6)))
    needed = check_linearizable(history, register(0)).configuration_count
    enough = check_linearizable(history, register(0), budget_configurations=needed)
    assert enough.judgement is Judgement.LINEARIZABLE
    assert check_linearizable(history, register(0), budget_configurations=needed - 1).exhausted == "configurations"


@pytest.mark.parametrize("shape", ["many configurations", "large states", "many operations", "a long way"])
def test_memory_stays_within_its_budget(shape: str) -> None:
    history, model, budget_bytes = hard_history(), counter(), 4 << 20
    if shape == "large states":
        enqueues = [Operation(n, ("enqueue", n // 2), None, n, 10_000 + n) for n in range(60)]
        history = History((*enqueues, Operation("r", ("dequeue",), -1, 20_000, 20_001)))
        model = fifo_queue(range(300))
    elif shape == "many operations":
        history, model = long_history(1500), register(0)
    elif shape == "a long way":
        history, model, budget_bytes = long_history(1500), replace(register(0), forced=lambda operations: ()), 5 << 20
    tracemalloc.start()
    try:
        verdict = check_linearizable(history, model, budget_bytes=budget_bytes)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert verdict.exhausted == "memory"
    assert peak < budget_bytes


def test_a_bad_key_is_refuted_before_a_hard_one_is_proved() -> None:
    hard = [Operation(number, ("append", "hard", "x"), None, number, 100 + number) for number in range(3)] + [
        Operation(50 + number, ("append", "hard", text), None, 200 + number, 300 + number)
        for number, text in enumerate("abcdefgh" * 2)
    ]
    hard.append(Operation("r", ("get", "hard"), "nothing like it", 400, 401))
    bad = [Operation("w", ("append", "bad", "y"), None, 0, 1), Operation("w", ("get", "bad"), "", 2, 3)]
    verdict = check_linearizable(History((*hard, *bad)), key_value(), budget_configurations=2000)
    assert (verdict.judgement, verdict.key) == (Judgement.NOT_LINEARIZABLE, "bad")


def test_a_long_history_is_judged_whole() -> None:
    history = long_history(4000)
    assert len(check_linearizable(history, register(0)).witness) == len(history)
    first = next(one for one in history if one.operation != ("read",))
    stale = replace(history[-1], operation=("read",), result=first.operation[1])  # type: ignore[index]
    verdict = check_linearizable(History((*history[:-1], stale)), register(0), explain=False)
    assert verdict.judgement is Judgement.NOT_LINEARIZABLE


def test_the_verdict_does_not_depend_on_the_hash_seed() -> None:
    script = (
        "from distlib.checkers.jepsen import read_edn_history\n"
        "from distlib.checkers.linearizability import check_linearizable\n"
        "from distlib.checkers.sequential_models import key_value\n"
        "for name in ('c10-bad', 'c10-ok'):\n"
        f"    history = read_edn_history(open({str(DATA)!r} + '/porcupine_kv/' + name + '.txt').read())\n"
        "    verdict = check_linearizable(history, key_value())\n"
        "    print(verdict, verdict.configuration_count, verdict.longest_prefixes)"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert outputs[0] == outputs[1] != ""


def test_an_invariant_judges_what_a_world_has_seen_so_far() -> None:
    invariant = linearizable(register(0))
    events = (("a", Invoke(("write", 1))), ("b", Invoke(("read",))), ("b", Complete(1)), ("b", Invoke(("read",))))
    assert [invariant(World({}, {}, history=events[:count])) for count in range(5)] == [True] * 5
    assert not invariant(World({}, {}, history=(*events, ("b", Complete(0)))))
    assert invariant.__name__ == "linearizable"


def test_an_invariant_does_not_guess_when_its_budget_runs_out() -> None:
    events = [(str(one.process), Invoke(one.operation)) for one in hard_history()[:-1]]
    events += [(name, Complete()) for name, _ in events]
    events += [("r", Invoke(("read",))), ("r", Complete(-1))]
    with pytest.raises(RuntimeError, match=r"`budget_configurations` = 100 is too little"):
        linearizable(counter(), budget_configurations=100)(World({}, {}, history=tuple(events)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"budget_configurations": 0}, r"`budget_configurations` must be above 0, got 0"),
        ({"budget_seconds": -1.0}, r"`budget_seconds` must be above 0, got -1.0"),
        ({"budget_bytes": 0}, r"`budget_bytes` must be above 0, got 0"),
    ],
)
def test_a_budget_out_of_range_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_linearizable(History(()), register(), **arguments)


def test_a_verdict_is_not_taken_for_a_truth_value() -> None:
    with pytest.raises(TypeError, match="three values"):
        bool(check_linearizable(History(()), register()))


def test_a_model_that_breaks_its_promises_is_found_out() -> None:
    writes_observe = replace(register(0), observes=lambda operation, result: True)
    with pytest.raises(ValueError, match=r"says that .* observes, but it leads from the state 0 to"):
        check_linearizable(History((write("a", 1, 0, 1),)), writes_observe)


def test_what_a_model_demands_of_operations_that_may_be_left_out_is_not_insisted_on() -> None:
    careful = replace(register(0), visits=lambda operations: {0: Visit([0])})
    history = History((unknown("a", "write", 1, invoked=0), done("b", "write", 2, invoked=1, completed=2)))
    assert check_linearizable(history, careful).witness == history.operations[1:]


def test_a_verdict_tells_its_evidence() -> None:
    good = History((write("a", 1, 0, 1), read("b", 1, 2, 3)))
    assert str(check_linearizable(good, register(0))).splitlines()[1:] == ["  a: write 1", "  b: read → 1"]
    bad = History((write("a", 1, 0, 1), read("b", 0, 2, 3)))
    assert str(check_linearizable(bad, register(0))).splitlines()[1:] == ["  0–1  a: write 1", "  2–3  b: read → 0"]
    assert "memory" in str(check_linearizable(hard_history(), counter(), budget_bytes=1 << 18))


def test_a_result_that_nobody_saw_constrains_nothing() -> None:
    history = History((read("a", UNOBSERVED, 0, 1), write("a", 1, 2, 3)))
    assert check_linearizable(history, register(0)).judgement is Judgement.LINEARIZABLE
