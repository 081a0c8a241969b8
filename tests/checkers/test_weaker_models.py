"""Sequential and causal consistency, sessions, convergence: litmus tests, definitions tried out, who implies whom."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import permutations, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distlib.checkers.causal import Variant, check_causal
from distlib.checkers.convergence import check_convergence
from distlib.checkers.history import UNOBSERVED, History, Operation
from distlib.checkers.linearizability import Judgement as Linearizability
from distlib.checkers.linearizability import check_linearizable
from distlib.checkers.register_order import RegisterHistory
from distlib.checkers.sequential import check_sequential
from distlib.checkers.sequential_models import (
    Model,
    by_key,
    compare_and_set_register,
    fifo_queue,
    key_value,
    register,
)
from distlib.checkers.sessions import (
    check_monotonic_reads,
    check_monotonic_writes,
    check_read_your_writes,
    check_session_guarantees,
    check_writes_follow_reads,
)
from distlib.checkers.verdict import Judgement, Verdict
from distlib.node import Outcome

REGISTERS = by_key(register(0))
VARIANTS: tuple[Variant, ...] = ("weak", "memory", "convergence")
SESSIONS = {
    "read your writes": check_read_your_writes,
    "monotonic reads": check_monotonic_reads,
    "monotonic writes": check_monotonic_writes,
    "writes follow reads": check_writes_follow_reads,
}


def run(*programs: str) -> History:
    """Return the history of processes a, b, … from programs such as "wx1 ry0", all of them concurrent."""
    operations = []
    for process, program in zip("abcdef", programs, strict=False):
        for place, (word, key, value) in enumerate(re.findall(r"([wr])([xyz])(\d)", program)):
            asked = ("write", key, int(value)) if word == "w" else ("read", key)
            operations.append(Operation(process, asked, None if word == "w" else int(value), 2 * place, 2 * place + 1))
    return History(tuple(operations))


def judge(history: History) -> set[str]:
    """Return the names of all models that a history satisfies."""
    verdicts = [
        check_sequential(history, REGISTERS),
        *(check_causal(history, variant=variant, initial=0) for variant in VARIANTS),
        *check_session_guarantees(history, initial=0).values(),
    ]
    assert all(verdict.holds == (not verdict.violations) for verdict in verdicts[1:])
    return {verdict.model for verdict in verdicts if verdict.holds}


SEQUENTIAL = "sequential consistency"
CAUSAL = {"causal consistency", "causal memory", "causal convergence"}
EVERYTHING = {SEQUENTIAL, *CAUSAL, *SESSIONS}

# What is forbidden, by the classical litmus tests.
LITMUS = {
    "store buffering": (("wx1 ry0", "wy1 rx0"), {SEQUENTIAL}),
    "store buffering, one sees the other": (("wx1 ry0", "wy1 rx1"), set()),
    "store buffering over older values": (("wx2 ry1", "wy2 rx1", "wx1 wy1", "rx1 rx2", "ry1 ry2"), {SEQUENTIAL}),
    "message passing": (("wx1 wy1", "ry1 rx0"), {SEQUENTIAL, *CAUSAL, "monotonic writes"}),
    "message passing, received": (("wx1 wy1", "ry1 rx1"), set()),
    "message passing, not yet sent": (("wx1 wy1", "ry0 rx1"), set()),
    "write to read causality": (("wx1", "rx1 wy1", "ry1 rx0"), {SEQUENTIAL, *CAUSAL, "writes follow reads"}),
    "write to read causality, seen": (("wx1", "rx1 wy1", "ry1 rx1"), set()),
    "independent reads of independent writes": (("wx1", "wy1", "rx1 ry0", "ry1 rx0"), {SEQUENTIAL}),
    "independent reads of independent writes, agreed": (("wx1", "wy1", "rx1 ry0", "ry1 rx1"), set()),
    "coherence of reads": (("wx1", "rx1 rx0"), {SEQUENTIAL, *CAUSAL, "monotonic reads"}),
    "coherence of a write and a read": (("wx1 rx0",), {SEQUENTIAL, *CAUSAL, "read your writes"}),
    "coherence of writes": (("wx1 wx2", "rx2 rx1"), {SEQUENTIAL, *CAUSAL, "monotonic writes"}),
    "writes seen in two orders": (
        ("wx1", "wx2", "rx1 rx2", "rx2 rx1"),
        {SEQUENTIAL, "causal convergence"},
    ),
    "both writers overwritten": (("wx1 rx2", "wx2 rx1"), {SEQUENTIAL, "causal convergence"}),
    "a mind changed": (
        ("wx1", "wx2", "rx1 rx2 rx1"),
        {SEQUENTIAL, "causal memory", "causal convergence", "monotonic reads"},
    ),
    "own write hidden and back": (("wx1", "wx2 rx1 rx2"), {SEQUENTIAL, "causal memory", "causal convergence"}),
    "own write kept, late": (("wz1 wx1 wy1", "wx2 rz0 ry1 rx2"), {SEQUENTIAL, "causal memory"}),
    "a read from its own future": (("rx1 wx1",), {SEQUENTIAL, *CAUSAL, "writes follow reads"}),
    "a circle of causes": (("rx1 wy1", "ry1 wx1"), {SEQUENTIAL, *CAUSAL, "writes follow reads"}),
}


@pytest.mark.parametrize("name", LITMUS)
def test_litmus_test_is_allowed_and_forbidden_where_it_should_be(name: str) -> None:
    programs, forbidden = LITMUS[name]
    assert judge(run(*programs)) == EVERYTHING - forbidden


def test_each_model_is_allowed_and_forbidden_something_and_no_two_are_the_same() -> None:
    forbidding = {
        model: {name for name, (_, forbidden) in LITMUS.items() if model in forbidden} for model in EVERYTHING
    }
    assert all(forbidding.values())
    assert len(set(map(frozenset, forbidding.values()))) == len(EVERYTHING)


# In words.


@pytest.mark.parametrize(
    ("check", "programs", "proof"),
    [
        (
            check_read_your_writes,
            ("wx1 rx0",),
            "a wrote x = 1 before it read x = 0; a read x = 0, the initial value, so before it wrote x = 1: a circle.",
        ),
        (
            check_monotonic_reads,
            ("wx1", "rx1 rx0"),
            "b read x = 1, which a wrote; b read x = 1 before it read x = 0; b read x = 0, the initial value, "
            "so before a wrote x = 1: a circle.",
        ),
        (
            check_monotonic_writes,
            ("wx1 wx2", "rx2 rx1"),
            "a wrote x = 1 before it wrote x = 2; b read x = 2, which a wrote; b read x = 2 before it read x = 1; "
            "as a wrote x = 2 before b read x = 1, that write came before a wrote x = 1: a circle.",
        ),
        (
            check_writes_follow_reads,
            ("wx1", "rx1 wy1", "ry1 rx0"),
            "b read x = 1, which a wrote; b read x = 1 before it wrote y = 1; c read y = 1, which b wrote; "
            "c read y = 1 before it read x = 0; c read x = 0, the initial value, so before a wrote x = 1: a circle.",
        ),
    ],
)
def test_violation_is_proved_in_words(check: Callable[..., Verdict], programs: tuple[str, ...], proof: str) -> None:
    history = run(*programs)
    (violation,) = check(history, initial=0).violations
    assert violation.description == proof
    assert set(violation.operations) <= set(history)


def test_sequential_consistency_is_refuted_with_a_proof_that_derives_the_order_of_writes() -> None:
    verdict = check_sequential(run("wx2 ry1", "wy2 rx1", "wx1 wy1", "rx1 rx2", "ry1 ry2"), REGISTERS)
    assert verdict.judgement is Judgement.VIOLATED
    assert verdict.explain() == (
        "sequential consistency is violated.\n"
        "  a wrote x = 2 before it read y = 1; e read y = 1, which c wrote; e read y = 1 before it read y = 2; "
        "as c wrote y = 1 before e read y = 2, that write came before b wrote y = 2; "
        "as c wrote y = 1 before b wrote y = 2, a read the former before the latter; "
        "b wrote y = 2 before it read x = 1; d read x = 1, which c wrote; d read x = 1 before it read x = 2; "
        "as c wrote x = 1 before d read x = 2, that write came before a wrote x = 2; "
        "as c wrote x = 1 before a wrote x = 2, b read the former before the latter: a circle."
    )


def test_read_of_what_nobody_wrote_violates_every_model_and_is_named() -> None:
    history = run("wx1", "rx7")
    assert judge(history) == set()
    assert check_causal(history, initial=0).violations[0].explain() == "b read x = 7, which no write put there."
    failed = History(
        (Operation("a", ("write", "x", 1), None, 0, 1, Outcome.FAIL), Operation("b", ("read", "x"), 1, 2, 3))
    )
    assert judge(failed) == set()


# Sequential consistency of other objects, and its budget.


def test_sequential_order_is_handed_out_as_a_witness() -> None:
    verdict = check_sequential(run("wx1 ry0", "wy1 rx1"), REGISTERS)
    assert [str(operation) for operation in verdict.witness] == [
        "a: write 'x' 1", "a: read 'y' → 0", "b: write 'y' 1", "b: read 'x' → 1",
    ]  # fmt: skip


def test_stale_read_is_sequential_though_not_linearizable() -> None:
    history = History((Operation("a", ("write", 1), None, 0, 1), Operation("b", ("read",), 0, 2, 3)))
    assert check_sequential(history, register(0)).holds


def test_sequential_consistency_is_not_local() -> None:
    # Herlihy and Wing's example: two queues, each of which is sequentially consistent by itself.
    def operation(process: str, place: int, *asked: Any, result: Any = None) -> Operation:
        return Operation(process, asked, result, 2 * place, 2 * place + 1)

    queues = by_key(fifo_queue())
    history = History(
        (
            operation("a", 0, "enqueue", "p", 1),
            operation("a", 1, "enqueue", "q", 1),
            operation("a", 2, "dequeue", "p", result=2),
            operation("b", 0, "enqueue", "q", 2),
            operation("b", 1, "enqueue", "p", 2),
            operation("b", 2, "dequeue", "q", result=1),
        )
    )
    assert check_sequential(history, queues).judgement is Judgement.VIOLATED
    for part in queues.partition(history).values():
        assert check_sequential(part, queues).holds


def test_unknown_operation_may_come_late_or_never() -> None:
    late = Operation("a", ("compare_and_set", 0, 1), UNOBSERVED, 0, 1, Outcome.UNKNOWN)
    reads = [Operation("a", ("read",), value, 2 + 2 * place, 3 + 2 * place) for place, value in enumerate((0, 0, 1))]
    model = compare_and_set_register(0)
    assert check_sequential(History((late, *reads)), model).holds
    assert check_sequential(History((late, *reads[:2])), model).holds
    assert check_sequential(History((*reads[:2], reads[2])), model).judgement is Judgement.VIOLATED


def test_unknown_operation_does_not_come_before_what_its_process_had_done() -> None:
    history = History((
        Operation("a", ("write", 1), None, 0, 1), Operation("a", ("write", 2), UNOBSERVED, 2, 3, Outcome.UNKNOWN),
        Operation("b", ("read",), 2, 0, 1), Operation("b", ("read",), 1, 2, 3),
    ))  # fmt: skip
    assert check_sequential(history, compare_and_set_register(0)).judgement is Judgement.VIOLATED
    assert check_sequential(history, register(0)).judgement is Judgement.VIOLATED


def test_search_gives_up_when_its_budget_is_spent() -> None:
    # Nobody writes 9, but with repeated values that takes a search.
    programs = [[("write", value) for value in (1, 2, 1, 2)] for _ in range(4)]
    operations = [
        Operation(process, asked, None, 2 * place, 2 * place + 1)
        for process, program in enumerate(programs)
        for place, asked in enumerate(program)
    ]
    history = History((*operations, Operation("reader", ("read",), 9, 0, 1)))
    verdict = check_sequential(history, register(0), budget_configurations=20)
    assert verdict.judgement is Judgement.UNKNOWN
    assert verdict.explain() == "sequential consistency is undecided: the budget was spent."
    assert check_sequential(history, register(0)).judgement is Judgement.VIOLATED
    with pytest.raises(ValueError, match="`budget_configurations` must be at least 1, got 0"):
        check_sequential(history, register(0), budget_configurations=0)


def find_interleavings(programs: Sequence[Sequence[Operation]]) -> Iterator[list[Operation]]:
    """Yield every way to shuffle programs."""
    if not any(programs):
        yield []
    for number, program in enumerate(programs):
        if program:
            rest = [*programs[:number], program[1:], *programs[number + 1 :]]
            yield from ([program[0], *others] for others in find_interleavings(rest))


def explains(order: Iterable[Operation], model: Model) -> bool:
    states: dict[Any, set[Any]] = {}
    for operation in order:
        key = (
            operation.operation[1] if len(operation.operation) > 1 and isinstance(operation.operation[1], str) else None
        )  # type: ignore[index,arg-type]
        states[key] = {
            following
            for state in states.get(key, {model.initial})
            for following in model.step(state, operation.operation, operation.result)
        }
        if not states[key]:
            return False
    return True


def is_sequential(history: History, model: Model) -> bool:
    """Try every choice of what took effect, and every interleaving."""
    known = [operation for operation in history if operation.outcome is Outcome.OK]
    unknown = [operation for operation in history if operation.outcome is Outcome.UNKNOWN]
    for chosen in product((False, True), repeat=len(unknown)):
        # One that may have taken effect comes behind what its process did before, and nothing behind it.
        added = [one for one, takes_effect in zip(unknown, chosen, strict=True) if takes_effect]
        programs = [[one for one in known if one.process == process] for process in history.processes]
        for order in find_interleavings([*programs, *([one] for one in added)]):
            fits = all(
                order.index(one) > order.index(other)
                for one in added
                for other in known
                if other.process == one.process and other.invoked < one.invoked
            )
            if fits and explains(order, model):
                return True
    return False


@st.composite
def register_histories(draw: st.DrawFn, *, distinct: bool = True, most: int = 7, unknown: bool = False) -> History:
    """Return up to three processes that write and read two registers, at any times."""
    shape = draw(
        st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.sampled_from("xy")), min_size=1, max_size=most)
    )
    values: dict[str, list[int]] = {
        key: ([0, *range(1, 1 + sum(w and on == key for _, w, on in shape))] if distinct else [0, 1]) for key in "xy"
    }
    fresh = {"x": 0, "y": 0}
    clocks = [0.0, 0.0, 0.0]
    operations = []
    for process, is_write, key in shape:
        invoked = clocks[process] + draw(st.integers(0, 3))
        clocks[process] = invoked + draw(st.integers(1, 6))
        outcome = draw(st.sampled_from([Outcome.OK, Outcome.OK, Outcome.UNKNOWN])) if unknown else Outcome.OK
        asked: tuple[Any, ...] = ("read", key)
        if is_write:
            fresh[key] += 1
            asked = ("write", key, fresh[key] if distinct else draw(st.sampled_from([0, 1])))
        result = None if is_write else draw(st.sampled_from(values[key]))
        operations.append(Operation(process, asked, result, invoked, clocks[process], outcome))
        clocks[process] += 0.5
    return History(tuple(operations))


@given(register_histories(unknown=True))
@settings(max_examples=150, deadline=None)
def test_sequential_means_that_some_interleaving_explains_every_result(history: History) -> None:
    verdict = check_sequential(history, REGISTERS)
    assert verdict.holds == is_sequential(history, REGISTERS), verdict.explain()
    if verdict.witness:
        assert explains(verdict.witness, REGISTERS)
        for process in history.processes:
            done = [one for one in history if one.process == process and one.outcome is Outcome.OK]
            assert [one for one in verdict.witness if one in done] == done


@given(register_histories(distinct=False, most=6, unknown=True))
@settings(max_examples=100, deadline=None)
def test_sequential_search_needs_no_distinct_writes(history: History) -> None:
    assert check_sequential(history, REGISTERS).holds == is_sequential(history, REGISTERS)


# The definitions of the others, tried out on small histories.


def find_orders(members: Sequence[int], before: Callable[[int, int], bool]) -> Iterator[tuple[int, ...]]:
    """Yield every order of the members that respects a relation: none if that puts one of them before itself."""
    if any(before(one, one) for one in members):
        return
    for order in permutations(members):
        if not any(before(later, earlier) for place, earlier in enumerate(order) for later in order[place + 1 :]):
            yield order


def is_legal(registers: RegisterHistory, order: Sequence[int], reads: Iterable[int]) -> bool:
    """Return whether each of these reads sees the last write before it."""
    explained = set(reads)
    latest: dict[Any, int | None] = {}
    for index in order:
        access = registers.accesses[index]
        if access.is_write:
            latest[access.key] = index
        elif index in explained and latest.get(access.key) != registers.origins[index]:
            return False
    return True


def find_causes(registers: RegisterHistory) -> list[set[int]]:
    """Return for each access all that caused it."""
    size = len(registers.accesses)
    edges = {*registers.pairs_in_program(), *((w, r) for r, w in registers.origins.items() if w is not None)}
    causes = [{source for source, target in edges if target == index} for index in range(size)]
    for _ in range(size):
        causes = [set().union(one, *(causes[other] for other in one)) for one in causes]
    return causes


def is_causal(history: History, variant: Variant) -> bool:
    """Take the definition of a variant at its word (Bouajjani et al. 2017, section 3)."""
    registers = RegisterHistory.from_history(history, initial=0)
    causes = find_causes(registers)
    size = len(registers.accesses)
    if registers.thin_air or any(index in causes[index] for index in range(size)):
        return False

    def before(one: int, other: int) -> bool:
        return one in causes[other]

    writes = [index for index in range(size) if registers.accesses[index].is_write]
    reads = list(registers.origins)
    if variant == "weak":
        return all(
            any(is_legal(registers, order, [read]) for order in find_orders(sorted(causes[read] | {read}), before))
            for read in reads
        )
    if variant == "memory":
        own = [registers.reads_of(process) for process in registers.programs]
        return all(
            any(is_legal(registers, order, one) for order in find_orders(sorted({*writes, *one}), before))
            for one in own
        )
    return any(
        all(is_legal(registers, [*(one for one in order if one in causes[read]), read], [read]) for read in reads)
        for order in find_orders(writes, before)
    )


@pytest.mark.parametrize("variant", VARIANTS)
@given(data=st.data())
@settings(max_examples=120, deadline=None)
def test_causal_means_what_its_definition_says(variant: Variant, data: st.DataObject) -> None:
    history = data.draw(register_histories(most=6, unknown=True))
    verdict = check_causal(history, variant=variant, initial=0)
    assert verdict.holds == is_causal(history, variant), verdict.explain()


def keeps_guarantee(history: History, model: str) -> bool:
    """Take the definition of a session guarantee at its word (Brzeziński et al. 2004)."""
    registers = RegisterHistory.from_history(history, initial=0)
    accesses, pairs = registers.accesses, set(registers.pairs_in_program())
    writes = [index for index, access in enumerate(accesses) if access.is_write]

    def demands(one: int, other: int) -> bool:
        in_program = (one, other) in pairs
        if model == "read your writes":
            return in_program and accesses[one].is_write and not accesses[other].is_write
        if model == "monotonic reads" or not accesses[other].is_write:
            return in_program and not accesses[one].is_write and not accesses[other].is_write
        if model == "monotonic writes":
            return in_program and accesses[one].is_write
        seen_before = {registers.origins[read] for read, later in pairs if later == other and read in registers.origins}
        return one in seen_before or (in_program and not accesses[one].is_write)

    def has_order(process: Any, relation: Callable[[int, int], bool]) -> bool:
        own = registers.reads_of(process)
        return any(is_legal(registers, order, own) for order in find_orders([*writes, *own], relation))

    def monotonic(one: int, other: int) -> bool:
        return (one, other) in pairs and not accesses[one].is_write and not accesses[other].is_write

    witnesses = [
        process
        for process in registers.programs
        if model in ("read your writes", "monotonic reads") or has_order(process, monotonic)
    ]
    return not registers.thin_air and all(has_order(process, demands) for process in witnesses)


@pytest.mark.parametrize("model", SESSIONS)
@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_session_guarantee_means_what_its_definition_says(model: str, data: st.DataObject) -> None:
    history = data.draw(register_histories(most=6, unknown=True))
    verdict = SESSIONS[model](history, initial=0)
    assert verdict.holds == keeps_guarantee(history, model), verdict.explain()


# Who implies whom.


def run_replicas(draw: st.DrawFn, *, causal: bool, stamped: bool) -> History:
    """Run a replica beside each process: reads are local, writes are local and broadcast.

    Broadcast keeps each sender's order, and if `causal` delivers what a write depends on before it. A replica shows
    the write that it applied last, or, if `stamped`, the one with the highest Lamport stamp.
    """
    count = draw(st.integers(2, 3))
    sent: list[list[tuple[tuple[int, ...], tuple[int, int], str, int]]] = [[] for _ in range(count)]
    applied = [[0] * count for _ in range(count)]
    clocks = [0] * count
    shown: list[dict[str, tuple[tuple[int, int], int]]] = [{} for _ in range(count)]
    operations: list[Operation] = []

    def apply(replica: int, source: int) -> None:
        _, stamp, key, value = sent[source][applied[replica][source]]
        applied[replica][source] += 1
        clocks[replica] = max(clocks[replica], stamp[0])
        if not stamped or key not in shown[replica] or stamp > shown[replica][key][0]:
            shown[replica][key] = stamp, value

    for moment in range(draw(st.integers(4, 30))):
        replica = draw(st.integers(0, count - 1))
        key = draw(st.sampled_from("xy"))
        action = draw(st.sampled_from(["write", "read", "read", "deliver", "deliver"]))
        if action == "write":
            clocks[replica] += 1
            sent[replica].append((tuple(applied[replica]), (clocks[replica], replica), key, moment + 1))
            apply(replica, replica)
            operations.append(Operation(replica, ("write", key, moment + 1), None, 2 * moment, 2 * moment + 1))
        elif action == "read":
            value = shown[replica].get(key, ((0, 0), 0))[1]
            operations.append(Operation(replica, ("read", key), value, 2 * moment, 2 * moment + 1))
        for source in range(count) if action == "deliver" else ():
            if applied[replica][source] == len(sent[source]):
                continue
            needed = sent[source][applied[replica][source]][0]
            if not causal or all(done >= need for done, need in zip(applied[replica], needed, strict=True)):
                apply(replica, source)
    return History(tuple(operations))


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_causal_broadcast_gives_causal_memory(data: st.DataObject) -> None:
    held = judge(run_replicas(data.draw, causal=True, stamped=False))
    assert held >= {"causal memory", "causal consistency", *SESSIONS}


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_causal_broadcast_where_the_highest_stamp_wins_gives_causal_convergence(data: st.DataObject) -> None:
    held = judge(run_replicas(data.draw, causal=True, stamped=True))
    assert held >= {"causal convergence", "causal consistency", *SESSIONS}


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_broadcast_in_the_order_of_each_sender_gives_all_session_guarantees_but_the_last(data: st.DataObject) -> None:
    held = judge(run_replicas(data.draw, causal=False, stamped=False))
    assert held >= set(SESSIONS) - {"writes follow reads"}


IMPLIED = {
    SEQUENTIAL: CAUSAL,
    "causal memory": {"causal consistency", *SESSIONS},
    "causal convergence": {"causal consistency", *SESSIONS},
}


@given(register_histories(unknown=True, most=9))
@settings(max_examples=300, deadline=None)
def test_stronger_models_imply_weaker_ones(history: History) -> None:
    held = judge(history)
    for stronger, weaker in IMPLIED.items():
        if stronger in held:
            assert weaker <= held


@st.composite
def linearizable_histories(draw: st.DrawFn) -> History:
    """Let operations take effect one by one, each within its span; some are never heard of again."""
    free_at = [0.0, 0.0, 0.0]
    state = {"x": 0, "y": 0}
    operations = []
    for moment in range(1, draw(st.integers(2, 16))):
        process, key, is_write = draw(st.tuples(st.integers(0, 2), st.sampled_from("xy"), st.booleans()))
        invoked = max(free_at[process], moment - draw(st.floats(0, 4)))
        completed = moment + draw(st.floats(0, 0.9))
        free_at[process] = completed
        if is_write:
            state[key] = moment
        asked = ("write", key, moment) if is_write else ("read", key)
        lost = is_write and draw(st.integers(0, 5)) == 0
        result = UNOBSERVED if lost else None if is_write else state[key]
        outcome = Outcome.UNKNOWN if lost else Outcome.OK
        operations.append(Operation(process, asked, result, invoked, completed, outcome))
    return History(tuple(operations))


@given(linearizable_histories())
@settings(max_examples=150, deadline=None)
def test_linearizable_implies_everything_below(history: History) -> None:
    assert check_linearizable(history, REGISTERS).judgement is Linearizability.LINEARIZABLE
    assert judge(history) == EVERYTHING


@given(register_histories(unknown=True, most=5))
@settings(max_examples=150, deadline=None)
def test_what_happens_to_be_linearizable_is_sequential(history: History) -> None:
    if check_linearizable(history, REGISTERS).judgement is Linearizability.LINEARIZABLE:
        assert judge(history) == EVERYTHING


# Input that means nothing.


@pytest.mark.parametrize(
    ("operations", "message"),
    [
        ([("a", ("append", "x", 1))], r"an operation of a register must be .* got \('append', 'x', 1\) of process 'a'"),
        ([("a", ("write", "x", 1)), ("b", ("write", "x", 1))], r"b wrote x = 1, invoked at 2, but so did a at 0"),
        ([("a", ("write", "x", 0))], r"a wrote x = 0, invoked at 0, which is the initial value"),
    ],
)
def test_history_without_distinct_register_writes_is_refused(
    operations: list[tuple[str, tuple[Any, ...]]], message: str
) -> None:
    history = History(
        tuple(
            Operation(process, asked, None, 2 * place, 2 * place + 1)
            for place, (process, asked) in enumerate(operations)
        )
    )
    for check in (check_causal, *SESSIONS.values()):
        with pytest.raises(ValueError, match=message):
            check(history, initial=0)


def test_unknown_variant_is_refused() -> None:
    with pytest.raises(ValueError, match="`variant` must be one of weak, memory, convergence, got 'plus'"):
        check_causal(History(()), variant="plus")  # type: ignore[arg-type]


# Convergence.


def change(process: str, span: tuple[float, float], *asked: Any, outcome: Outcome = Outcome.OK) -> Operation:
    return Operation(process, asked, None, *span, outcome)


def test_replicas_that_agree_on_the_last_write_have_converged() -> None:
    history = History((change("a", (0, 1), "write", "x", 1), change("b", (2, 3), "write", "x", 2)))
    assert check_convergence(history, {"east": {"x": 2}, "west": {"x": 2}}).holds


def test_replicas_that_differ_have_not_converged() -> None:
    history = History((change("a", (0, 5), "write", "x", 1), change("b", (2, 3), "write", "x", 2)))
    verdict = check_convergence(history, {"east": {"x": 1}, "west": {"x": 2}})
    assert verdict.explain() == (
        "eventual convergence is violated.\n  The replicas disagree on x: east has 1, west has 2."
    )


def test_concurrent_writes_may_supersede_each_other_but_an_older_write_may_not_win() -> None:
    concurrent = History((change("a", (0, 5), "write", "x", 1), change("b", (2, 3), "write", "x", 2)))
    assert all(check_convergence(concurrent, {"east": {"x": value}}).holds for value in (1, 2))
    ordered = History((change("a", (0, 1), "write", 1), change("b", (2, 3), "write", 2)))
    (violation,) = check_convergence(ordered, {"east": {None: 1}}).violations
    assert violation.explain() == (
        "b wrote 2, which was acknowledged, but all replicas end with 1, whose write had completed before: it is lost."
    )
    assert [str(operation) for operation in violation.operations] == ["a: write 1", "b: write 2"]


def test_acknowledged_write_that_left_no_trace_is_lost_and_an_unacknowledged_one_is_not() -> None:
    for outcome, holds in ((Outcome.OK, False), (Outcome.UNKNOWN, True), (Outcome.FAIL, True)):
        history = History((change("a", (0, 1), "write", "x", 1, outcome=outcome),))
        assert check_convergence(history, {"east": {"x": 0}}, initial=0).holds == holds
        assert check_convergence(history, {"east": {"x": 1}}, initial=0).holds == (outcome is not Outcome.FAIL)


def test_collection_keeps_what_was_added_and_not_removed() -> None:
    history = History((
        change("a", (0, 1), "add", "cart", "milk"),
        change("a", (2, 3), "add", "cart", "eggs"),
        change("b", (4, 5), "remove", "cart", "milk"),
        change("c", (4, 5), "add", "cart", "salt"),
        change("d", (5, 9), "remove", "cart", "salt"),
    ))  # fmt: skip
    for cart in ({"eggs"}, {"eggs", "salt"}, ["salt", "eggs"]):
        assert check_convergence(history, {"east": {"cart": cart}}).holds, cart
    (lost,) = check_convergence(history, {"east": {"cart": set()}}).violations
    assert lost.explain() == (
        "a added eggs to cart, which was acknowledged, but all replicas end without it: the change is lost."
    )
    (undead,) = check_convergence(history, {"east": {"cart": {"eggs", "milk"}}}).violations
    assert undead.explain() == (
        "b removed milk from cart, which was acknowledged, but all replicas end with it: the change is lost."
    )
    (stray,) = check_convergence(history, {"east": {"cart": {"eggs", "tea"}}}).violations
    assert stray.explain() == "All replicas end with tea on cart, which nobody added."


@pytest.mark.parametrize(
    ("operations", "final_reads", "message"),
    [
        ([], {}, "`final_reads` must have at least one replica, got none"),
        (
            [change("a", (0, 1), "write", "x", 1)],
            {"east": {"y": 1}},
            r"`final_reads` must have every key for every replica, got none of \['x'\] for 'east'",
        ),
        (
            [change("a", (0, 1), "write", "x", 1), change("b", (0, 1), "add", "x", 1)],
            {"east": {"x": 1}},
            "b added 1 to x, though a wrote x = 1: a key must be a register or a collection, not both",
        ),
        (
            [change("a", (0, 1), "write")],
            {"east": {None: 1}},
            r"a change must be \(name, value\) or .* got \('write',\)",
        ),
        (
            [change("a", (0, 1), "add", "x", 1)],
            {"east": {"x": 1}},
            "`final_reads` must have a set or a sequence for the collection 'x', got 1",
        ),
    ],
)
def test_final_reads_that_mean_nothing_are_refused(
    operations: list[Operation], final_reads: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check_convergence(History(tuple(operations)), final_reads)


def test_key_value_texts_are_searched_key_by_key_together() -> None:
    def step(process: str, place: int, *asked: Any, result: Any = None) -> Operation:
        return Operation(process, asked, result, 2 * place, 2 * place + 1)

    appends = [step("a", 0, "append", "x", "1"), step("a", 1, "append", "y", "2")]
    good = History((*appends, step("b", 0, "get", "y", result="2"), step("b", 1, "get", "x", result="1")))
    bad = History((*appends, step("b", 0, "get", "y", result="2"), step("b", 1, "get", "x", result="")))
    assert check_sequential(good, key_value()).holds
    assert check_sequential(bad, key_value()).judgement is Judgement.VIOLATED
