"""A history is what clients saw, read from any source, and refused where it cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distlib.checkers.edn import Keyword, Symbol, read_edn
from distlib.checkers.history import UNOBSERVED, History, Operation
from distlib.checkers.jepsen import read_edn_history, read_log_history
from distlib.node import Complete, Invoke, Outcome
from distlib.runtimes.trace import Event, Kind, Trace

DATA = Path(__file__).parents[1] / "data" / "histories"


# Histories of events


def test_a_completion_belongs_to_the_open_invocation_of_its_process() -> None:
    history = History.from_events(
        [
            ("a", Invoke(("write", 1))),
            ("b", Invoke(("read",))),
            ("b", Complete(0)),
            ("b", Invoke(("read",))),
            ("a", Complete()),
        ]
    )
    assert history.operations == (
        Operation("a", ("write", 1), None, 0, 4),
        Operation("b", ("read",), 0, 1, 2),
        Operation("b", ("read",), UNOBSERVED, 3, None, Outcome.UNKNOWN),
    )
    assert history.processes == ("a", "b")


@pytest.mark.parametrize(
    ("outcome", "result", "seen", "latest"),
    [
        (Outcome.OK, None, None, 1),
        (Outcome.FAIL, None, UNOBSERVED, float("inf")),
        (Outcome.UNKNOWN, None, UNOBSERVED, float("inf")),
        (Outcome.UNKNOWN, 7, 7, float("inf")),
    ],
)
def test_an_outcome_says_what_was_seen_and_until_when_it_can_take_effect(
    outcome: Outcome, result: Any, seen: Any, latest: float
) -> None:
    (operation,) = History.from_events([("a", Invoke(("write", 1))), ("a", Complete(result, outcome))])
    assert (operation.result, operation.latest, operation.completed) == (seen, latest, 1)


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([("a", Complete())], r"event 0: process 'a' completes an operation, but has none open"),
        (
            [("a", Invoke("x")), ("a", Complete()), ("a", Complete())],
            r"event 2: process 'a' completes an operation, but has none open",
        ),
        (
            [("b", Invoke("z")), ("a", Invoke("x")), ("a", Invoke("y"))],
            r"event 2: process 'a' invokes 'y', but its 'x', invoked at 1, is still open",
        ),
        ([("a", Invoke(["x"]))], r"event 0: an operation must be hashable, got \['x'\]"),
        ([("a", Invoke("x")), ("a", Complete(1, "ok"))], r"event 1: the outcome of 'x' must be an Outcome, got 'ok'"),
    ],
)
def test_events_that_cannot_be_are_refused_by_place(events: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        History.from_events(events)


def test_what_is_no_event_is_refused() -> None:
    with pytest.raises(TypeError, match="event 0: must be an Invoke or a Complete, got 'hello'"):
        History.from_events([("a", "hello")])  # type: ignore[list-item] # that is the point


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (1, None, Outcome.OK),
            r"`completed` may be None only if the outcome is UNKNOWN, got Outcome.OK for a: read → 0",
        ),
        ((1, None, Outcome.FAIL), r"`completed` may be None only if"),
        ((3, 2, Outcome.OK), r"`completed` must be at least `invoked` = 3, got 2"),
        ((3, float("nan"), Outcome.OK), r"`completed` must be at least `invoked` = 3, got nan"),
    ],
)
def test_an_operation_that_cannot_be_is_refused(arguments: tuple[Any, Any, Outcome], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Operation("a", ("read",), 0, *arguments)


@pytest.mark.parametrize(("completed", "ended"), [(3, "completed at 3"), (None, "never completed")])
def test_overlapping_operations_of_one_process_are_refused(completed: int | None, ended: str) -> None:
    first = Operation("a", ("write", 1), None, 0, completed, Outcome.UNKNOWN)
    with pytest.raises(ValueError, match=rf"process 'a' .* 'read → 0' at 2 while 'write 1', invoked at 0, {ended}"):
        History((Operation("a", ("read",), 0, 2, 4), first))


def test_operations_are_sorted_by_invocation() -> None:
    late, early = Operation("a", ("read",), 0, 2, 4), Operation("b", ("read",), 0, 1, 9)
    assert list(History((late, early))) == [early, late]


def test_a_trace_gives_the_same_history_with_its_own_numbers() -> None:
    kinds = [
        (Kind.START, "a", None),
        (Kind.INVOKE, "a", ("write", 1)),
        (Kind.SEND, "a", "message"),
        (Kind.COMPLETE, "a", (None, Outcome.OK)),
        (Kind.INVOKE, "a", ("write", 2)),
        (Kind.CRASH, "a", None),
        (Kind.START, "a", None),
        (Kind.INVOKE, "a", ("read",)),
        (Kind.CRASH, "b", None),
    ]
    events = tuple(Event(number, number / 10, kind, node, value) for number, (kind, node, value) in enumerate(kinds))
    assert History.from_trace(Trace(events, ("a", "b"))).operations == (
        Operation("a", ("write", 1), None, 1, 3),
        # The crash ended it, and so the client may go on after its restart.
        Operation("a", ("write", 2), UNOBSERVED, 4, 5, Outcome.UNKNOWN),
        Operation("a", ("read",), UNOBSERVED, 7, None, Outcome.UNKNOWN),
    )


def test_a_trace_that_cannot_be_is_refused_by_its_own_numbers() -> None:
    events = (Event(0, 0.0, Kind.START, "a"), Event(1, 0.0, Kind.COMPLETE, "a", (None, Outcome.OK)))
    with pytest.raises(ValueError, match="event 1: process 'a' completes"):
        History.from_trace(Trace(events, ("a",)))


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (Operation("p", ("write", "x"), None, 0, 1), "p: write 'x'"),
        (Operation("p", ("read",), None, 0, 1), "p: read → None"),
        (Operation("p", ("compare_and_set", 1, 2), False, 0, 1), "p: compare_and_set 1 2 → False"),
        (Operation("p", ("dequeue",), invoked=0, outcome=Outcome.UNKNOWN), "p: dequeue → ?"),
        (Operation("p", ("write", 1), UNOBSERVED, 0, 1, Outcome.FAIL), "p: write 1 → failed"),
        (Operation("p", "tick", 3, 0, 1), "p: tick → 3"),
        (Operation("p", ("read",), (frozenset({"b", "a"}), 1), 0, 1), "p: read → ({'a', 'b'}, 1)"),
    ],
)
def test_an_operation_says_in_short_what_happened(operation: Operation, text: str) -> None:
    assert str(operation) == text


# EDN

edn_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.from_regex(r"[a-z][a-z0-9*/-]{0,5}", fullmatch=True).map(Keyword)
    | st.from_regex(r"s[a-z0-9*/-]{0,5}", fullmatch=True).map(Symbol),
    lambda values: st.lists(values, max_size=3).map(tuple) | st.dictionaries(st.integers(), values, max_size=3),
    max_leaves=12,
)


def as_edn(value: Any) -> str:
    match value:
        case None:
            return "nil"
        case bool():
            return str(value).lower()
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case tuple():
            return "[" + " ".join(map(as_edn, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{as_edn(key)} {as_edn(item)}" for key, item in value.items()) + "}"
    return repr(value)


@given(st.lists(edn_values))
def test_what_is_written_as_edn_is_read_again(values: list[Any]) -> None:
    assert read_edn(" ; a comment }\n #_[skipped #_twice]".join(["", *map(as_edn, values), ""])) == values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("(1 2)", (1, 2)),
        ("#{1 2}", frozenset({1, 2})),
        ("#knossos.op.Op{:a 1}", {Keyword("a"): 1}),
        ("12N", 12),
        ("1.5M", 1.5),
        ("-3e2", -300.0),
        (r"\a", "a"),
        (r"\newline", "\n"),
        (r"\u0041", "A"),
        (r'"\u0041\t\"\\"', 'A\t"\\'),
        ("[#_#_1 2 3]", (3,)),
        ("-", Symbol("-")),
    ],
)
def test_each_form_of_edn_has_its_value(text: str, value: Any) -> None:
    assert read_edn(text) == [value]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n[1\n", r"line 2: `\[` is never closed"),
        ("1\n]", r"line 2: `\]` closes nothing that is open"),
        ("[1)", r"line 1: `\)` closes nothing that is open"),
        ("{:a}", r"line 1: a map needs a value for each key, got 1 items"),
        ("{1 2 1 3}", r"line 1: the key 1 is twice in one map"),
        ("#{{}}", r"line 1: a map cannot be a key or a member of a set, got \{\}"),
        ("\n2/3", r"line 2: not EDN: '2/3'"),
        ('"open', r"line 1: not EDN"),
        ("[#_]", r"line 1: nothing follows `#_`"),
        ("#_", r"line 1: nothing follows `#_`"),
    ],
)
def test_what_is_not_edn_is_refused_by_line(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_edn(text)


# Jepsen

INVOKE = "{:process 0, :type :invoke, :f :write, :value 1}"
OK = "{:process 0, :type :ok, :f :write, :value 1}"


@pytest.mark.parametrize("form", ["[%s %s]", "(%s\n%s)", "%s\n%s\n", "; a comment\n[%s, ; another\n%s]"])
def test_the_events_of_a_file_may_be_in_a_collection_or_not(form: str) -> None:
    assert str(read_edn_history(form % (INVOKE, OK))) == "0–1  0: write 1"


def edn_history(function: str, asked: str, kind: str, got: str, **options: Any) -> Operation:
    text = f"{{:process 3 :type :invoke :f {function} :value {asked}}}"
    text += f"{{:process 3 :type {kind} :f {function} :value {got} :time 5 :index 1 :error [:timeout nil]}}"
    (operation,) = read_edn_history(text, **options)
    return operation


@pytest.mark.parametrize(
    ("function", "asked", "kind", "got", "options", "expected"),
    [
        (":read", "nil", ":ok", "4", {}, (("read",), 4, Outcome.OK)),
        (":read", "nil", ":ok", "nil", {}, (("read",), UNOBSERVED, Outcome.OK)),
        (":read", "nil", ":ok", "nil", {"nil_read": "value"}, (("read",), None, Outcome.OK)),
        (":read", "nil", ":fail", "nil", {}, (("read",), UNOBSERVED, Outcome.FAIL)),
        (":write", "4", ":info", ":timed-out", {}, (("write", 4), UNOBSERVED, Outcome.UNKNOWN)),
        (":cas", "[1 2]", ":ok", "[1 2]", {}, (("compare_and_set", 1, 2), True, Outcome.OK)),
        (":cas", "[1 2]", ":fail", "[1 2]", {}, (("compare_and_set", 1, 2), False, Outcome.FAIL)),
        (
            ":cas",
            "[1 2]",
            ":fail",
            "[1 2]",
            {"failed_compare": "observed"},
            (("compare_and_set", 1, 2), False, Outcome.OK),
        ),
        (":enqueue", "4", ":ok", "4", {}, (("enqueue", 4), None, Outcome.OK)),
        (":dequeue", "nil", ":ok", "4", {}, (("dequeue",), 4, Outcome.OK)),
        (":acquire", "nil", ":ok", "nil", {}, (("acquire",), None, Outcome.OK)),
    ],
)
def test_an_event_of_jepsen_means_what_its_collection_says(
    function: str, asked: str, kind: str, got: str, options: Any, expected: Any
) -> None:
    operation = edn_history(function, asked, kind, got, **options)
    assert (operation.operation, operation.result, operation.outcome) == expected


def test_a_key_is_the_first_argument() -> None:
    text = (
        '{:process 0 :type :invoke :f :append :key "k" :value "x"}{:process 0 :type :ok :f :append :key "k" :value "x"}'
    )
    assert read_edn_history(text)[0].operation == ("append", "k", "x")


def test_what_the_nemesis_does_is_left_out_and_keeps_its_place() -> None:
    nemesis = '{:process :nemesis, :type :info, :f :start, :value "Cut off {:n1 #{:n2}}"}'
    assert str(read_edn_history(f"[{nemesis} {INVOKE} {nemesis} {OK}]")) == "1–3  0: write 1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (OK, r"line 1: process 0 completes an operation, but has none open"),
        (f"{INVOKE}\n{INVOKE}", r"line 2: process 0 invokes \('write', 1\), but its \('write', 1\), invoked at 0,"),
        (f"{INVOKE}\n{OK.replace('1', '2')}", r"line 2: process 0 completes :write 2, but has \('write', 1\) open"),
        (f"{INVOKE}\n{OK.replace(':write', ':read')}", r"line 2: process 0 completes :read 1, but has"),
        (INVOKE.replace(":write", ":wrte"), r"line 1: unknown function :wrte; known are :acquire, :add,"),
        (INVOKE.replace(":invoke", ":begin"), r"line 1: `:type` must be :invoke, :ok, :fail or :info, got :begin"),
        (INVOKE.replace(":invoke", '"invoke"'), r"line 1: `:type` must be a keyword, got 'invoke'"),
        (INVOKE.replace(":process 0, ", ""), r"line 1: an event must have the field :process, got"),
        (INVOKE.replace("0", '"zero"'), r"line 1: `:process` must be a number or a keyword, got 'zero'"),
        (INVOKE.replace(":value", ":val"), r"line 1: unknown field 'val' in"),
        (INVOKE.replace(":write", ":cas"), r"line 1: the value of :cas must be a pair \[old new\], got 1"),
        (INVOKE.replace("1}", "{}}"), r"line 1: an operation must be hashable, got \('write', \{\}\)"),
        ("[1 2]", r"event 0: an event must be a map, got 1"),
        (
            f"{INVOKE}\n{OK.replace(':ok', ':info')}\n{INVOKE}",
            r"line 3: process 0 invokes :write, but it is retired since its :info on line 2",
        ),
    ],
)
def test_an_edn_history_that_cannot_be_is_refused_by_line(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_edn_history(text)


def test_a_field_that_says_nothing_can_be_named_as_such() -> None:
    text = INVOKE.replace("1}", "1 :colour :red}")
    with pytest.raises(ValueError, match="unknown field 'colour'"):
        read_edn_history(text)
    assert len(read_edn_history(text, ignored_fields=["colour"])) == 1


@pytest.mark.parametrize(
    "line",
    [
        "INFO  jepsen.util - 0\t:invoke\t:read\tnil",
        "INFO [2023-05-01 12:00:00,000] jepsen worker 0 - jepsen.util 0\t:invoke\t:read\tnil",
    ],
)
def test_a_line_of_a_log_is_an_event_behind_any_prefix(line: str) -> None:
    log = f"INFO  jepsen.core - Running test\n{line}\nINFO  jepsen.util - :nemesis\t:info\t:start\tCut off {{\n"
    log += "INFO  jepsen.util - 0\t:ok\t:read\tnil\n"
    assert read_log_history(log).operations == (Operation(0, ("read",), None, 2, 4),)


@pytest.mark.parametrize("kind", [":info", ":fail"])
def test_an_operation_that_timed_out_is_unknown(kind: str) -> None:
    log = f"jepsen.util - 0 :invoke :read nil\njepsen.util - 0 {kind} :read :timed-out"
    assert read_log_history(log).operations == (Operation(0, ("read",), UNOBSERVED, 1, 2, Outcome.UNKNOWN),)


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ("INFO  jepsen.util - 0 :invoke :read", r"line 1: must be `<process> <:type> <:f> <value>`, got"),
        ("\nINFO  jepsen.util - 0 :invoke :cas [1 2", r"line 2: line 1: `\[` is never closed"),
        ("INFO  jepsen.util - 0 :invok :read nil", r"line 1: `:type` must be :invoke, :ok, :fail or :info"),
        ("INFO  jepsen.util - x :invoke :read nil", r"line 1: `:process` must be a number or a keyword, got x"),
        ("nothing of the kind", r"`text` must have lines"),
    ],
)
def test_a_log_that_cannot_be_is_refused_by_line(log: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_log_history(log)


@pytest.mark.parametrize(("name", "value"), [("nil_read", "nothing"), ("failed_compare", "yes")])
def test_a_convention_that_does_not_exist_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=rf"`{name}` must be one of \(.*\), got '{value}'"):
        read_edn_history("[]", **{name: value})  # type: ignore[arg-type] # that is the point


def test_every_invocation_in_the_reference_data_is_an_operation() -> None:
    for path in sorted(DATA.glob("*/*.log")) + sorted(DATA.glob("**/*.edn")) + sorted(DATA.glob("*/*.txt")):
        text = path.read_text(encoding="utf-8")
        history = read_log_history(text) if path.suffix == ".log" else read_edn_history(text)
        assert len(history) == text.count(":invoke") > 0, path.name
