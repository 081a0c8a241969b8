"""Read histories as Jepsen and Knossos write them: EDN, and the text logs of 2014.

Theory of operation
-------------------
Jepsen writes an event when an operation is invoked and one when it ends. The latter is an ``:ok``; a ``:fail``, which
says that the operation did not happen; or an ``:info``, which says that nobody knows. After an ``:info`` the process
is *retired*: its operation stays open for ever, and its thread goes on under a new number.

Two things are not the same in all collections of histories, and so are arguments here: what a read of nil says, and
what a failed comparison says.

References
----------
- K. Kingsbury. Jepsen, https://github.com/jepsen-io/jepsen, and Knossos, https://github.com/jepsen-io/knossos.
- A. Athalye. Porcupine, https://github.com/anishathalye/porcupine: how the etcd logs are to be understood.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from distlib.checkers.edn import Keyword, Map, read_edn
from distlib.checkers.history import UNOBSERVED, History, Recorder
from distlib.node import Outcome

__all__ = ["read_edn_history", "read_log_history"]

_FIELDS: Final = {"process", "type", "f", "value", "key", "time", "index", "error", "node", "debug", "exception"}
"""The fields of an event that Jepsen writes. Those after ``:key`` say nothing about what happened to the object."""
_LOG_LINE: Final = re.compile(r"(?<=jepsen\.util)\s+(?:-\s+)?(\S+)\s+:[a-z].*$")
_TIMED_OUT: Final = Keyword("timed-out")

_READS: Final = {"read", "get", "dequeue"}
"""Functions whose result is the value of their completion."""
_WRITES: Final = {"write", "put", "append", "enqueue", "add", "remove"}
"""Functions whose argument is the value of their invocation."""
_BARE: Final = {"acquire", "release"}
"""Functions that have neither."""


def read_edn_history(
    text: str,
    *,
    nil_read: Literal["unobserved", "value"] = "unobserved",
    failed_compare: Literal["did not happen", "observed"] = "did not happen",
    ignored_fields: Iterable[str] = (),
) -> History:
    """Return the history in a file as Jepsen and Knossos write it: one EDN map an event.

    Each map has ``:process``, ``:type`` (``:invoke``, ``:ok``, ``:fail`` or ``:info``), ``:f`` and ``:value``,
    and may have a ``:key``, which becomes the operation's first argument. Positions in the history count the maps
    from 0. Events of a process that is not a number (``:nemesis``) are left out. After an ``:info`` its process
    is retired.

    Parameters
    ----------
    text
        A vector or a list of maps, or the maps one after another.
    nil_read
        What ``:ok :read nil`` says. "unobserved": nothing, as in the data of Knossos; "value": the register was
        nil.
    failed_compare
        What ``:fail :cas`` says. "did not happen": nothing; "observed": the comparison was made and failed.
    ignored_fields
        Names of further fields, without the colon, which are then left alone.

    Raises
    ------
    ValueError
        If the text is not EDN, or not such a history. The message names the line.

    Examples
    --------
    >>> events = '{:process 0, :type :invoke, :f :write, :value 1} {:process 0, :type :ok, :f :write, :value 1}'
    >>> print(read_edn_history(events))
    0–1  0: write 1
    """
    reader = _JepsenReader(nil_read, failed_compare)
    known = _FIELDS | set(ignored_fields)
    values = read_edn(text)
    if len(values) == 1 and isinstance(values[0], tuple):
        values = list(values[0])
    for position, value in enumerate(values):
        place = f"line {value.line}" if isinstance(value, Map) else f"event {position}"
        if not isinstance(value, Map):
            raise ValueError(f"{place}: an event must be a map, got {value!r}")
        reader.take(place, position, _fields(place, value, known))
    return reader.recorder.history()


def read_log_history(
    text: str,
    *,
    nil_read: Literal["unobserved", "value"] = "value",
    failed_compare: Literal["did not happen", "observed"] = "observed",
) -> History:
    """Return the history in a Jepsen text log: ``INFO  jepsen.util - 0  :invoke  :read  nil``, one event a line.

    The defaults are what the etcd histories of 2014 need. Lines that are not events are left out, and so are
    those of a process that is a keyword (``:nemesis``). A ``:fail`` or ``:info`` with ``:timed-out`` is UNKNOWN.

    Parameters
    ----------
    text
        The log. Positions in the history are its line numbers, from 1.
    nil_read, failed_compare
        As for :func:`read_edn_history`.

    Raises
    ------
    ValueError
        If an event is malformed or does not fit those before it (the message names the line), or if there is none.

    Examples
    --------
    >>> lines = ["INFO  jepsen.util - 0  :invoke  :cas  [1 2]", "INFO  jepsen.util - 0  :fail  :cas  [1 2]"]
    >>> print(read_log_history(chr(10).join(lines)))
    1–2  0: compare_and_set 1 2 → False
    """
    reader = _JepsenReader(nil_read, failed_compare)
    count = 0
    for number, line in enumerate(text.splitlines(), start=1):
        match = _LOG_LINE.search(line)
        if match is None:
            continue
        count += 1
        if not match[1].startswith(":"):
            reader.take(f"line {number}", number, _log_fields(f"line {number}", match[0]))
    if count == 0:
        raise ValueError("`text` must have lines `jepsen.util - <process> <:type> <:f> <value>`, got none")
    return reader.recorder.history()


def _fields(place: str, event: Map, known: set[str]) -> dict[str, Any]:
    """Return an event's fields by name, after a check that they are known and complete."""
    fields = {key.name if isinstance(key, Keyword) else repr(key): value for key, value in event.items()}
    for name in fields:
        if name not in known:
            raise ValueError(
                f"{place}: unknown field {name!r} in {dict(event)!r}; if it says nothing about the operation, name it "
                "in `ignored_fields`"
            )
    for name in ("process", "type", "f"):
        if name not in fields:
            raise ValueError(f"{place}: an event must have the field :{name}, got {dict(event)!r}")
    return fields


def _log_fields(place: str, text: str) -> dict[str, Any]:
    """Return the fields of an event in a log: process, type, function and value, in this order."""
    try:
        values = read_edn(text.strip().removeprefix("-"))
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
    if len(values) != 4:
        raise ValueError(f"{place}: must be `<process> <:type> <:f> <value>`, got {text.strip()!r}")
    fields: dict[str, Any] = dict(zip(("process", "type", "f", "value"), values, strict=True))
    if fields["value"] == _TIMED_OUT:
        fields["type"] = Keyword("info")
    return fields


class _JepsenReader:
    """Gives Jepsen's events the meaning that this book's histories have."""

    def __init__(self, nil_read: str, failed_compare: str) -> None:
        _require_choice("nil_read", nil_read, ("unobserved", "value"))
        _require_choice("failed_compare", failed_compare, ("did not happen", "observed"))
        self.recorder = Recorder()
        self._nil_read_is_a_value = nil_read == "value"
        self._failed_compare_is_observed = failed_compare == "observed"
        self._retired: dict[Hashable, str] = {}

    def take(self, place: str, position: int, fields: Mapping[str, Any]) -> None:
        """Record one event."""
        process = fields["process"]
        if not isinstance(process, int):
            if isinstance(process, Keyword):
                return
            raise ValueError(f"{place}: `:process` must be a number or a keyword, got {process!r}")
        kind, function = (_word(place, name, fields[name]) for name in ("type", "f"))
        key = (fields["key"],) if "key" in fields else ()
        value = fields.get("value")
        if kind == "invoke":
            if process in self._retired:
                raise ValueError(
                    f"{place}: process {process} invokes :{function}, but it is retired since its :info on "
                    f"{self._retired[process]}"
                )
            self.recorder.invoke(place, position, process, _asked(place, function, key, value))
        elif kind in _OUTCOMES:
            self._complete(place, position, process, kind, _Event(function, key, value))
        else:
            raise ValueError(f"{place}: `:type` must be :invoke, :ok, :fail or :info, got :{kind}")

    def _complete(self, place: str, position: int, process: int, kind: str, event: _Event) -> None:
        """Record a completion, after a check that it completes what was invoked."""
        asked = self.recorder.asked(place, process)
        outcome, result = _OUTCOMES[kind], self._result(kind, event)
        if kind == "info":
            self._retired[process] = place
        # A failed or lost operation often carries an error in the place of its value, so only its name is held
        # against it.
        same = event.asked(place) == asked if kind == "ok" else (isinstance(asked, tuple) and event.name == asked[0])
        if not same:
            raise ValueError(f"{place}: process {process} completes {event}, but has {asked!r} open")
        if kind == "fail" and event.name == "compare_and_set" and self._failed_compare_is_observed:
            outcome = Outcome.OK
        self.recorder.complete(place, position, process, result, outcome)

    def _result(self, kind: str, event: _Event) -> Hashable:
        """Return what the completion says about the object."""
        if kind == "info":
            return UNOBSERVED
        if event.name == "compare_and_set":
            return kind == "ok"
        if event.name not in _READS:
            return None
        if event.value is None and event.name == "read" and not self._nil_read_is_a_value:
            return UNOBSERVED
        result: Hashable = event.value
        return result


_OUTCOMES: Final = {"ok": Outcome.OK, "fail": Outcome.FAIL, "info": Outcome.UNKNOWN}


@dataclass(frozen=True)
class _Event:
    """What a Jepsen event says of its operation."""

    function: str
    key: tuple[Hashable, ...]
    value: Any

    @property
    def name(self) -> str:
        """The name that the book's models have for it."""
        return "compare_and_set" if self.function == "cas" else self.function

    def asked(self, place: str) -> Hashable:
        """What an invocation with these fields would have asked for."""
        return _asked(place, self.function, self.key, self.value)

    def __str__(self) -> str:
        return f":{self.function} {self.value!r}" + (f" of key {self.key[0]!r}" if self.key else "")


def _asked(place: str, function: str, key: tuple[Hashable, ...], value: Any) -> tuple[Hashable, ...]:
    """Return the operation that an event of this function with this value asks for."""
    if function in _READS | _BARE:
        return (function, *key)
    if function in _WRITES:
        return (function, *key, value)
    if function == "cas":
        if not (isinstance(value, tuple) and len(value) == 2):
            raise ValueError(f"{place}: the value of :cas must be a pair [old new], got {value!r}")
        return ("compare_and_set", *key, *value)
    known = ", ".join(f":{name}" for name in sorted(_READS | _WRITES | _BARE | {"cas"}))
    raise ValueError(f"{place}: unknown function :{function}; known are {known}")


def _word(place: str, field: str, value: Any) -> str:
    """Return the name of the keyword in a field."""
    if not isinstance(value, Keyword):
        raise ValueError(f"{place}: `:{field}` must be a keyword, got {value!r}")
    return value.name


def _require_choice(name: str, value: str, choices: tuple[str, str]) -> None:
    if value not in choices:
        raise ValueError(f"`{name}` must be one of {choices}, got {value!r}")
