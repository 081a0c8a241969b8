"""How values become bytes on a socket and in a file, and come back as the same values or not at all.

Theory of operation
-------------------
A :class:`Codec` is made from a type annotation, such as ``Prepare | Vote``. From it the codec collects every frozen
dataclass and every enumeration that a value can be made of; this set is closed, and nothing outside it is ever made
from bytes that came in. (Unpickling would be the opposite: there the sender chooses what the receiver runs.)

Packed, a value is made of what MessagePack has. Whatever it lacks is a map with one key, which says what it is:

=================================  ==============================================
value                              packed
=================================  ==============================================
None, bool, int, float, str,       itself
bytes
``(1, 2)``                         ``[1, 2]``
``frozenset({2, 1})``              ``{"frozenset": [1, 2]}``, sorted by encoding
``Vote("t1", yes=True)``           ``{"Vote": {"transaction": "t1", "yes": True}}``
``State.PREPARED``                 ``{"State": "PREPARED"}``
=================================  ==============================================

So a packed value describes itself, and a field that is annotated `Hashable` gets back a tuple where a tuple was put in.
Equal values of equal types have equal bytes. The annotations serve to *check* values, on both sides: what a field may
not hold is refused before it is sent and when it is received. As for a type checker, an int may stand where a float
is annotated.

On a socket each packed value travels in a *frame*: a magic number, the version of this format, the length, and so many
bytes. :class:`FrameReader` takes bytes in whatever pieces a socket hands them out and knows nothing of sockets. It
refuses a frame by its first nine bytes, before it keeps anything of what was announced.

Sources: the MessagePack specification (https://github.com/msgpack/msgpack/blob/master/spec.md); the parser that knows
nothing of sockets follows Brett Cannon's "sans-I/O" (https://sans-io.readthedocs.io).
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable, Hashable, Iterator
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, NewType, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

__all__ = [
    "HEADER_SIZE_BYTES",
    "MAXIMUM_FRAME_SIZE_BYTES",
    "Codec",
    "FrameReader",
    "WireError",
    "frame",
]

MAGIC = b"DSbE"
VERSION = 1
_HEADER = struct.Struct(">4sBI")
HEADER_SIZE_BYTES = _HEADER.size
MAXIMUM_FRAME_SIZE_BYTES = 1 << 20
"""The largest payload that is sent or accepted unless a runtime is told otherwise."""

_FROZENSET = "frozenset"
_MISSING = object()

Check: TypeAlias = Callable[[object], bool]
"""Whether a value may stand where an annotation is."""


class WireError(ValueError):
    """Bytes that are not a value of the codec, or a value that the codec has no bytes for."""


# ------------------------------------------------------------------------------------------------------------- values


class Codec:
    r"""Turns values into bytes and back, for the classes that a type annotation names.

    Parameters
    ----------
    annotation
        A type made of None, bool, int, float, str, bytes, tuples, frozensets, literals, enumerations, frozen
        dataclasses (whose fields are annotated with such types in turn) and unions of these; `Any`, `object`,
        `Hashable` and type variables stand for any value that can be made of the classes named elsewhere.

    Raises
    ------
    TypeError
        If the annotation, or that of a field, names anything else; if a dataclass is not frozen; if two classes have
        the same name.

    Examples
    --------
    >>> @dataclasses.dataclass(frozen=True)
    ... class Ping:
    ...     number: int
    >>> codec = Codec(Ping)
    >>> codec.encode(Ping(7))
    b'\x81\xa4Ping\x81\xa6number\x07'
    >>> codec.decode(_)
    Ping(number=7)
    >>> codec.encode(Ping("7"))
    Traceback (most recent call last):
    distlib.runtimes.wire.WireError: `number` of Ping must be int, got '7'
    """

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation
        self._classes: dict[str, type] = {}
        self._fields: dict[type, dict[str, tuple[Check, Any]]] = {}
        self._check = self._compile(annotation)

    @property
    def classes(self) -> tuple[type, ...]:
        """The dataclasses and enumerations that values can be made of."""
        return tuple(self._classes.values())

    def encode(self, value: Any) -> bytes:
        """Return the bytes of a value.

        Raises
        ------
        WireError
            If the value is not of the codec's type.
        """
        return to_bytes(self.pack(value))

    def decode(self, data: bytes) -> Any:
        """Return the value of bytes that :meth:`encode` made.

        Raises
        ------
        WireError
            If they are anything else.
        """
        return self.unpack(from_bytes(data))

    def pack(self, value: Any) -> Any:
        """Return the value in terms of None, bool, int, float, str, bytes, lists and maps. Raises as `encode` does."""
        if not self._check(value):
            raise WireError(f"a value must be {_name(self.annotation)}, got {_brief(value)}")
        try:
            return self._pack(value)
        except RecursionError:
            raise WireError("the value is nested too deeply") from None

    def unpack(self, packed: Any) -> Any:
        """Return the value that :meth:`pack` made this of. Raises as `decode` does."""
        try:
            value = self._unpack(packed)
        except RecursionError:
            raise WireError("the value is nested too deeply") from None
        if not self._check(value):
            raise WireError(f"a value must be {_name(self.annotation)}, got {_brief(value)}")
        return value

    # -- packing

    def _pack(self, value: Any) -> Any:
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind is tuple:
            return [self._pack(item) for item in value]
        if kind is frozenset:
            return {_FROZENSET: sorted((self._pack(item) for item in value), key=to_bytes)}
        if self._classes.get(kind.__name__) is not kind:
            raise WireError(
                f"{_brief(value)} cannot be sent: {kind.__name__} is not among the classes of {_name(self.annotation)}"
            )
        if isinstance(value, Enum):
            return {kind.__name__: value.name}
        return {kind.__name__: {name: self._pack(self._field(value, name)) for name in self._fields[kind]}}

    def _field(self, value: Any, name: str) -> Any:
        content = getattr(value, name)
        check, annotation = self._fields[type(value)][name]
        if not check(content):
            raise WireError(f"`{name}` of {type(value).__name__} must be {_name(annotation)}, got {_brief(content)}")
        return content

    # -- unpacking

    def _unpack(self, packed: Any) -> Any:
        kind = type(packed)
        if kind in _PLAIN:
            return packed
        if kind is list:
            return tuple([self._unpack(item) for item in packed])
        if kind is not dict or len(packed) != 1:
            raise WireError(f"a tagged value must be a map with one key, got {_brief(packed)}")
        ((name, body),) = packed.items()
        if name == _FROZENSET and type(body) is list:
            return frozenset([self._unpack(item) for item in body])
        found = self._classes.get(name) if isinstance(name, str) else None
        if found is None:
            raise WireError(f"unknown class {_brief(name)}: expected {_name(self.annotation)}")
        if issubclass(found, Enum):
            if not isinstance(body, str) or body not in found.__members__:
                raise WireError(f"{name} must be one of {', '.join(found.__members__)}, got {_brief(body)}")
            return found[body]
        return self._make(found, body)

    def _make(self, kind: type, body: Any) -> Any:
        fields = self._fields[kind]
        if type(body) is not dict or body.keys() != fields.keys():
            got = sorted(map(str, body)) if type(body) is dict else body
            raise WireError(f"{kind.__name__} must have the fields {sorted(fields)}, got {_brief(got)}")
        contents = {name: self._unpack(item) for name, item in body.items()}
        for name, content in contents.items():
            check, annotation = fields[name]
            if not check(content):
                raise WireError(f"`{name}` of {kind.__name__} must be {_name(annotation)}, got {_brief(content)}")
        try:
            return kind(**contents)
        except (TypeError, ValueError) as error:
            raise WireError(f"{kind.__name__} refused its fields: {error}") from error

    # -- compiling annotations

    def _compile(self, annotation: Any) -> Check:
        """Return the check for an annotation, and register the classes that it names."""
        origin, arguments = get_origin(annotation), get_args(annotation)
        if annotation in _ANYTHING or isinstance(annotation, TypeVar):
            return lambda value: True
        if annotation in _SCALARS:
            return _is_one_of(_SCALARS[annotation])
        if isinstance(annotation, NewType):
            return self._compile(annotation.__supertype__)
        if origin in (Union, UnionType):
            return _any_of([self._compile(argument) for argument in arguments])
        if origin is Literal:
            return lambda value: any(type(value) is type(item) and value == item for item in arguments)
        if annotation is tuple or origin is tuple:
            return self._compile_tuple(annotation, arguments)
        if annotation is frozenset or origin is frozenset:
            return _frozenset_of(self._compile(arguments[0] if arguments else Any))
        kind = origin or annotation
        if isinstance(kind, type) and (issubclass(kind, Enum) or dataclasses.is_dataclass(kind)):
            self._register(kind)
            for argument in arguments:
                self._compile(argument)
            return lambda value: isinstance(value, kind)
        raise TypeError(
            f"{_name(annotation)} cannot be sent or saved; use None, bool, int, float, str, bytes, tuples, frozensets, "
            "literals, enumerations, frozen dataclasses and unions of these"
        )

    def _compile_tuple(self, annotation: Any, arguments: tuple[Any, ...]) -> Check:
        if annotation is tuple:
            return lambda value: type(value) is tuple
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            check = self._compile(arguments[0])
            return lambda value: type(value) is tuple and all(map(check, value))
        checks = [self._compile(argument) for argument in arguments]
        return lambda value: (
            type(value) is tuple
            and len(value) == len(checks)
            and all(check(item) for check, item in zip(checks, value, strict=True))
        )

    def _register(self, kind: type) -> None:
        known = self._classes.setdefault(kind.__name__, kind)
        if known is not kind or kind.__name__ == _FROZENSET:
            raise TypeError(
                f"two classes are called {kind.__name__}: {known.__module__}.{known.__qualname__} and "
                f"{kind.__module__}.{kind.__qualname__}; a class is known by its name on the wire"
            )
        if kind in self._fields or issubclass(kind, Enum):
            return
        dataclass: Any = kind
        if not dataclass.__dataclass_params__.frozen:
            raise TypeError(f"{kind.__qualname__} must be a frozen dataclass, or it could change after it was sent")
        hints = _hints(kind)
        # The entry comes first, so that a class may have fields of its own type.
        fields = self._fields[kind] = {}
        for field in dataclasses.fields(dataclass):
            if not field.init:
                raise TypeError(f"`{field.name}` of {kind.__qualname__} must be a parameter of its constructor")
            fields[field.name] = self._compile(hints[field.name]), hints[field.name]


_PLAIN = frozenset({NoneType, bool, int, float, str, bytes})
_ANYTHING: tuple[Any, ...] = (Any, object, Hashable)
_SCALARS: dict[Any, frozenset[type]] = {
    None: frozenset({NoneType}),
    NoneType: frozenset({NoneType}),
    bool: frozenset({bool}),
    int: frozenset({int, bool}),
    float: frozenset({float, int, bool}),
    str: frozenset({str}),
    bytes: frozenset({bytes}),
}


def _is_one_of(kinds: frozenset[type]) -> Check:
    return lambda value: type(value) in kinds


def _any_of(checks: list[Check]) -> Check:
    return lambda value: any(check(value) for check in checks)


def _frozenset_of(check: Check) -> Check:
    return lambda value: type(value) is frozenset and all(map(check, value))


def _hints(kind: type) -> dict[str, Any]:
    """Return the annotations of a dataclass as types, with those of its bases."""
    try:
        return get_type_hints(kind)
    except NameError as error:
        raise TypeError(
            f"the annotations of {kind.__qualname__} cannot be read ({error}); define it, and what it names, at the "
            "top level of a module"
        ) from error


def _name(annotation: Any) -> str:
    if isinstance(annotation, type) and not get_args(annotation):
        return "None" if annotation is NoneType else annotation.__qualname__
    if get_origin(annotation) in (Union, UnionType):
        return " | ".join(map(_name, get_args(annotation)))
    return str(annotation)


def _brief(value: object) -> str:
    """Return what a value looks like, cut short: an error about a huge value should not be huge."""
    try:
        text = repr(value)
    except RecursionError:
        text = f"a {type(value).__name__} that is nested too deeply"
    return text if len(text) <= 200 else f"{text[:200]}…"


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder()


def to_bytes(packed: Any) -> bytes:
    """Return packed values as MessagePack.

    Raises
    ------
    WireError
        If it has no bytes for them: an int of more than 64 bits, or a str with a lone surrogate.
    """
    try:
        return _encoder.encode(packed)
    except (OverflowError, UnicodeEncodeError, TypeError, RecursionError) as error:
        raise WireError(f"MessagePack cannot hold {_brief(packed)}: {error}") from error


def from_bytes(data: bytes) -> Any:
    """Return what MessagePack bytes hold.

    Raises
    ------
    WireError
        If they are not MessagePack, or nested too deeply.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError, RecursionError) as error:
        raise WireError(f"not MessagePack: {error}") from error


# ------------------------------------------------------------------------------------------------------------- frames


def frame(payload: bytes, maximum_size_bytes: int = MAXIMUM_FRAME_SIZE_BYTES) -> bytes:
    r"""Return the frame of a payload.

    Raises
    ------
    WireError
        If the payload is larger than the receiver would accept.

    Examples
    --------
    >>> frame(b"hello")
    b'DSbE\x01\x00\x00\x00\x05hello'
    """
    if len(payload) > maximum_size_bytes:
        raise WireError(f"a frame must have at most {maximum_size_bytes} bytes, got {len(payload)}")
    return _HEADER.pack(MAGIC, VERSION, len(payload)) + payload


class FrameReader:
    """Cuts a stream of bytes into the payloads of its frames.

    After an error the stream has no more frames: where the next would begin is not known.

    Parameters
    ----------
    maximum_size_bytes
        The largest payload that is accepted.

    Examples
    --------
    >>> reader, data = FrameReader(), frame(b"hello") + frame(b"again")
    >>> list(reader.feed(data[:12])), list(reader.feed(data[12:]))
    ([], [b'hello', b'again'])
    """

    def __init__(self, maximum_size_bytes: int = MAXIMUM_FRAME_SIZE_BYTES) -> None:
        self._maximum_size_bytes = maximum_size_bytes
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take more bytes and yield the payloads that are complete.

        Raises
        ------
        WireError
            If what comes next is no frame of this version, or too large.
        """
        self._buffer += data
        start = 0
        try:
            while (end := self._end(start)) is not None:
                yield bytes(self._buffer[start + HEADER_SIZE_BYTES : end])
                start = end
        finally:
            del self._buffer[:start]

    def _end(self, start: int) -> int | None:
        """Return where the frame that begins at `start` ends, or None if that is not there yet."""
        found = bytes(self._buffer[start : start + len(MAGIC)])
        if found != MAGIC[: len(found)]:
            raise WireError(f"a frame must begin with {MAGIC!r}, got {found!r}")
        if len(self._buffer) - start > len(MAGIC) and (version := self._buffer[start + len(MAGIC)]) != VERSION:
            raise WireError(f"a frame must be of version {VERSION}, got {version}")
        if len(self._buffer) - start < HEADER_SIZE_BYTES:
            return None
        _, _, size_bytes = _HEADER.unpack_from(self._buffer, start)
        if size_bytes > self._maximum_size_bytes:
            raise WireError(f"a frame must have at most {self._maximum_size_bytes} bytes, got {size_bytes}")
        end = start + HEADER_SIZE_BYTES + size_bytes
        return end if end <= len(self._buffer) else None
