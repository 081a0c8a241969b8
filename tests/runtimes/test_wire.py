from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Hashable
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from types import SimpleNamespace
from typing import Any, Generic, Literal, TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distlib.node import Table
from distlib.runtimes.wire import HEADER_SIZE_BYTES, Codec, FrameReader, WireError, frame


class State(Enum):
    PREPARED = ("a value", "that is no plain type")
    COMMITTED = 2


@dataclass(frozen=True)
class Record:
    state: State
    owed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Everything:
    nothing: None
    truth: bool
    number: int
    duration_seconds: float
    text: str
    data: bytes
    record: Record
    table: Table[str, Record]
    pair: tuple[int, str]
    changes: frozenset[tuple[str, int]]
    either: Record | State | str | None
    three: Literal["a", "b", 3]
    anything: Hashable
    tree: Tree


@dataclass(frozen=True)
class Tree:
    children: tuple[Tree, ...] = ()


@dataclass(frozen=True)
class Positive:
    number: int

    def __post_init__(self) -> None:
        if self.number <= 0:
            raise ValueError(f"`number` must be above 0, got {self.number}")


MESSAGES = Codec(Everything | Record | Positive | Tree | State)

integers = st.integers(-(2**63), 2**64 - 1)
floats = st.floats(allow_nan=False)
records = st.builds(Record, st.sampled_from(State), st.frozensets(st.text()))
plain = st.one_of(st.none(), st.booleans(), integers, floats, st.text(), st.binary(), st.sampled_from(State), records)
anything = st.recursive(plain, lambda inner: st.one_of(st.lists(inner).map(tuple), st.frozensets(inner)), max_leaves=10)
everything = st.builds(
    Everything,
    nothing=st.none(),
    truth=st.booleans(),
    number=integers,
    duration_seconds=st.one_of(floats, integers),
    text=st.text(),
    data=st.binary(),
    record=records,
    table=st.lists(st.tuples(st.text(), records)).map(tuple),
    pair=st.tuples(integers, st.text()),
    changes=st.frozensets(st.tuples(st.text(), integers)),
    either=st.one_of(records, st.sampled_from(State), st.text(), st.none()),
    three=st.sampled_from(["a", "b", 3]),
    anything=anything,
    tree=st.recursive(st.just(Tree()), lambda inner: st.builds(Tree, st.lists(inner, max_size=3).map(tuple))),
)


def typed(value: Any) -> Any:
    """Return a value that tells True from 1 and 1.0, all the way down."""
    if isinstance(value, tuple):
        return tuple, tuple(map(typed, value))
    if isinstance(value, frozenset):
        return frozenset, frozenset(map(typed, value))
    if is_dataclass(value):
        return type(value), tuple(typed(getattr(value, each.name)) for each in fields(value))
    return type(value), value


def same(one: Any, other: Any) -> bool:
    return bool(typed(one) == typed(other))


@given(everything)
def test_a_message_comes_back_as_it_was(message: Everything) -> None:
    returned = MESSAGES.decode(MESSAGES.encode(message))
    assert type(returned) is Everything
    assert same(returned, message)


@given(anything)
def test_a_value_of_any_kind_comes_back_as_it_was(value: Hashable) -> None:
    codec = Codec(Hashable | State | Record)
    assert same(codec.decode(codec.encode(value)), value)


@given(st.lists(anything, unique=True), st.randoms())
def test_equal_sets_have_equal_bytes(items: list[Hashable], chance: Any) -> None:
    codec = Codec(frozenset[Hashable | State | Record])
    shuffled = list(items)
    chance.shuffle(shuffled)
    assert codec.encode(frozenset(items)) == codec.encode(frozenset(shuffled))


def test_bytes_do_not_depend_on_the_hash_seed() -> None:
    code = (
        "from distlib.runtimes.wire import Codec; import sys;"
        "sys.stdout.write(Codec(frozenset[str]).encode(frozenset(map(str, range(50)))).hex())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert len(outputs.pop()) > 100


@given(st.binary(max_size=200))
def test_any_other_bytes_are_refused(data: bytes) -> None:
    try:
        value = MESSAGES.decode(data)
    except WireError:
        return
    assert same(MESSAGES.decode(MESSAGES.encode(value)), value)


@given(everything, st.data())
def test_a_bit_that_flips_on_the_way_makes_another_message_or_none(message: Everything, data: st.DataObject) -> None:
    encoded = bytearray(MESSAGES.encode(message))
    bit = data.draw(st.integers(0, 8 * len(encoded) - 1))
    encoded[bit // 8] ^= 1 << bit % 8
    try:
        value = MESSAGES.decode(bytes(encoded))
    except WireError:
        return
    assert isinstance(value, MESSAGES.classes)


@pytest.mark.parametrize(
    ("packed", "complaint"),
    [
        ({"Record": {"state": {"State": "PREPARED"}}}, r"Record must have the fields \['owed', 'state'\]"),
        (
            {"Record": {"state": {"State": "LOST"}, "owed": {"frozenset": []}}},
            "State must be one of PREPARED, COMMITTED",
        ),
        ({"Record": {"state": 1, "owed": {"frozenset": []}}}, "`state` of Record must be State, got 1"),
        ({"Record": {"state": {"State": "PREPARED"}, "owed": ["a"]}}, r"`owed` of Record must be frozenset\[str\]"),
        ({"Record": 1}, "Record must have the fields"),
        ({"Popen": {"args": "true"}}, "unknown class 'Popen'"),
        ({"Record": {}, "State": "PREPARED"}, "a map with one key"),
        ({}, "a map with one key"),
        ({"frozenset": {}}, "unknown class 'frozenset'"),
        ({"frozenset": [{"Positive": {"number": 1}}]}, "a value must be .*Positive"),
        ({1: 2}, "unknown class 1"),
        ({"Positive": {"number": 0}}, "Positive refused its fields: `number` must be above 0, got 0"),
        ("Record", "a value must be Everything | Record"),
    ],
)
def test_what_is_no_message_is_refused_with_a_reason(packed: Any, complaint: str) -> None:
    with pytest.raises(WireError, match=complaint):
        MESSAGES.decode(msgspec.msgpack.encode(packed))


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x81", pickle.dumps(1), b"\x91" * 100_000, b"\x00\x00"])
def test_what_is_no_messagepack_is_refused_with_a_reason(data: bytes) -> None:
    with pytest.raises(WireError, match="not MessagePack"):
        MESSAGES.decode(data)


def test_a_value_that_is_nested_too_deeply_is_refused() -> None:
    deep = Tree()
    for _ in range(5000):
        deep = Tree((deep,))
    with pytest.raises(WireError, match="too deep"):
        MESSAGES.encode(deep)
    packed: Any = []
    for _ in range(900):
        packed = [packed]
    with pytest.raises(WireError):
        MESSAGES.decode(msgspec.msgpack.encode(packed))


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (Record("prepared"), "`state` of Record must be State, got 'prepared'"),  # type: ignore[arg-type]
        (Record(State.PREPARED, {"a"}), r"`owed` of Record must be frozenset\[str\], got {'a'}"),  # type: ignore[arg-type]
        (SimpleNamespace(), "a value must be .*, got namespace"),
        (2**64, "a value must be"),
    ],
)
def test_what_a_message_may_not_hold_is_refused_before_it_is_sent(message: Any, complaint: str) -> None:
    with pytest.raises(WireError, match=complaint):
        MESSAGES.encode(message)


def test_what_messagepack_cannot_hold_is_refused_before_it_is_sent() -> None:
    with pytest.raises(WireError, match="MessagePack cannot hold"):
        Codec(int).encode(2**64)
    with pytest.raises(WireError, match="MessagePack cannot hold"):
        Codec(str).encode("\ud800")


def test_a_value_of_a_class_that_was_not_named_is_refused_where_anything_may_stand() -> None:
    with pytest.raises(WireError, match="Record is not among the classes of"):
        Codec(Hashable).encode(Record(State.PREPARED))


@dataclass
class Mutable:
    number: int


@dataclass(frozen=True)
class Derived:
    number: int = field(init=False, default=1)


@dataclass(frozen=True)
class HasList:
    numbers: list[int]


@pytest.mark.parametrize(
    ("annotation", "complaint"),
    [
        (Mutable, "Mutable must be a frozen dataclass"),
        (Derived, "`number` of Derived must be a parameter of its constructor"),
        (HasList, r"list\[int\] cannot be sent or saved"),
        (dict, "dict cannot be sent or saved"),
        (SimpleNamespace, "SimpleNamespace cannot be sent or saved"),
    ],
)
def test_a_type_that_cannot_be_sent_is_refused_at_once(annotation: Any, complaint: str) -> None:
    with pytest.raises(TypeError, match=complaint):
        Codec(annotation)


def test_two_classes_of_one_name_are_refused() -> None:
    other = dataclass(frozen=True)(type("Record", (), {}))
    with pytest.raises(TypeError, match="two classes are called Record"):
        Codec(Record | other)


def test_a_class_that_cannot_be_found_by_its_annotation_is_refused() -> None:
    @dataclass(frozen=True)
    class Local:
        number: Missing  # type: ignore[name-defined] # noqa: F821 # that is the point

    with pytest.raises(TypeError, match=r"annotations of .*Local cannot be read"):
        Codec(Local)


ItemT = TypeVar("ItemT")


@dataclass(frozen=True)
class Box(Generic[ItemT]):
    item: ItemT


def test_a_generic_message_carries_the_classes_of_its_parameters() -> None:
    codec = Codec(Box[Record])
    assert codec.decode(codec.encode(Box(Record(State.COMMITTED)))) == Box(Record(State.COMMITTED))


# ------------------------------------------------------------------------------------------------------------- frames


@given(st.lists(st.binary(max_size=50), max_size=5), st.data())
def test_frames_come_back_however_the_stream_is_cut(payloads: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(frame(payload) for payload in payloads)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    reader = FrameReader()
    received: list[bytes] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received.extend(reader.feed(stream[start:end]))
    assert received == payloads


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"GET / HTTP/1.1\r\n", "must begin with b'DSbE', got b'GET '"),
        (b"D!", "must begin with b'DSbE', got b'D!'"),
        (b"DSbE\x02", "must be of version 1, got 2"),
        (b"DSbE\x01\x00\x00\x00\x65", "must have at most 100 bytes, got 101"),
        (b"DSbE\x01\xff\xff\xff\xff", "must have at most 100 bytes, got 4294967295"),
    ],
)
def test_a_bad_frame_is_refused_by_its_header(data: bytes, complaint: str) -> None:
    with pytest.raises(WireError, match=complaint):
        list(FrameReader(maximum_size_bytes=100).feed(data))


def test_what_was_complete_before_a_bad_frame_is_still_delivered() -> None:
    payloads = FrameReader().feed(frame(b"good") + b"bad")
    assert next(payloads) == b"good"
    with pytest.raises(WireError):
        next(payloads)


def test_a_payload_that_the_receiver_would_refuse_is_not_framed() -> None:
    assert len(frame(b"x" * 100, maximum_size_bytes=100)) == HEADER_SIZE_BYTES + 100
    with pytest.raises(WireError, match="at most 100 bytes, got 101"):
        frame(b"x" * 101, maximum_size_bytes=100)
