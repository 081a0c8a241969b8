r"""Read EDN, the extensible data notation in which Jepsen and Knossos store their histories.

Theory of operation
-------------------
One regular expression splits the text into tokens; a loop with an explicit stack builds values from them, so that deep
nesting cannot exhaust Python's own stack. Everything read is hashable except a map, so that it can be an operation's
argument or result:

==================  ============================================================
EDN                 Python
==================  ============================================================
``nil``             None
``true``, ``12N``   bool, int
``1.5``, ``1.5M``   float
``"text"``, ``\\c``  str
``:word``           :class:`Keyword`
``word``            :class:`Symbol`
``[...]``, ``(...)``  tuple
``#{...}``          frozenset
``{...}``           :class:`Map`, a dict that knows on which line it began
``#tag value``      the value: a tag says which class the writer used, and a history needs none
``; text``, ``#_``  skipped
==================  ============================================================

Left out: ratios (``2/3``) and namespaced maps, which no history contains.

References
----------
The notation is defined at https://github.com/edn-format/edn.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["Keyword", "Map", "Symbol", "read_edn"]

_TOKEN = re.compile(
    r"""(?P<space>[\s,]+|;[^\n]*)
      | (?P<open>\#\{|[\[({])
      | (?P<close>[\])}])
      | (?P<discard>\#_)
      | (?P<tag>\#[A-Za-z][^\s,;"()\[\]{}]*)
      | (?P<string>"(?:[^"\\]|\\.)*")
      | (?P<character>\\(?:newline|return|space|tab|u[0-9a-fA-F]{4}|\S))
      | (?P<keyword>:[^\s,;"()\[\]{}]+)
      | (?P<integer>[-+]?\d+N?(?![^\s,;"()\[\]{}]))
      | (?P<float>[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?M?(?![^\s,;"()\[\]{}]))
      | (?P<symbol>[^\s,;"()\[\]{}\#\\:\d][^\s,;"()\[\]{}]*)""",
    re.VERBOSE | re.DOTALL,
)
_CLOSING = {"(": ")", "[": "]", "{": "}", "#{": "}"}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", '"': '"', "\\": "\\"}
_NAMED_CHARACTERS = {"newline": "\n", "return": "\r", "space": " ", "tab": "\t"}
_NAMED_SYMBOLS: dict[str, Any] = {"nil": None, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Keyword:
    """An EDN keyword such as ``:invoke``; `name` is without the colon."""

    name: str

    def __repr__(self) -> str:
        return f":{self.name}"


@dataclass(frozen=True, slots=True)
class Symbol:
    """An EDN symbol such as ``foo/bar``."""

    name: str

    def __repr__(self) -> str:
        return self.name


class Map(dict[Any, Any]):
    """An EDN map. `line` is the line of the text, from 1, on which it begins."""

    line: int = 0


class _Frame(NamedTuple):
    """A collection that is still open: its bracket, where it began, and what it holds so far."""

    bracket: str
    line: int
    items: list[Any]
    discards: list[int]
    """Positions in `items` at which a value is to be dropped."""


def read_edn(text: str) -> list[Any]:
    """Return the values that `text` holds, in order.

    Parameters
    ----------
    text
        Any number of EDN values.

    Raises
    ------
    ValueError
        If the text is not EDN. The message names the line.

    Examples
    --------
    >>> read_edn('[{:process 0, :type :invoke} nil] ; a comment')
    [({:process: 0, :type: :invoke}, None)]
    >>> read_edn('[1 2')
    Traceback (most recent call last):
        ...
    ValueError: line 1: `[` is never closed
    """
    stack = [_Frame("", 1, [], [])]
    position, line = 0, 1
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise ValueError(f"line {line}: not EDN: {text[position : position + 20]!r}")
        kind, word = str(token.lastgroup), token.group()
        if kind == "open":
            stack.append(_Frame(word, line, [], []))
        elif kind == "close":
            _close(stack, word, line)
        elif kind == "discard":
            stack[-1].discards.append(len(stack[-1].items))
        elif kind not in ("space", "tag"):
            _add(stack[-1], _ATOMS[kind](word))
        line += word.count("\n")
        position = token.end()
    last = stack[-1]
    if len(stack) > 1:
        raise ValueError(f"line {last.line}: `{last.bracket}` is never closed")
    if last.discards:
        raise ValueError(f"line {line}: nothing follows `#_`")
    return last.items


def _add(frame: _Frame, value: Any) -> None:
    """Add a value to the collection that is open, unless a ``#_`` before it says to drop it."""
    if frame.discards and frame.discards[-1] == len(frame.items):
        frame.discards.pop()
    else:
        frame.items.append(value)


def _close(stack: list[_Frame], bracket: str, line: int) -> None:
    """Close the innermost collection and add it to the one around it."""
    frame = stack.pop()
    if not stack or _CLOSING[frame.bracket] != bracket:
        raise ValueError(f"line {line}: `{bracket}` closes nothing that is open")
    if frame.discards:
        raise ValueError(f"line {line}: nothing follows `#_`")
    _add(stack[-1], _collection(frame))


def _collection(frame: _Frame) -> Any:
    """Make the value of a collection whose items are all read."""
    if frame.bracket in ("(", "["):
        return tuple(frame.items)
    if frame.bracket == "#{":
        return frozenset(_hashable(item, frame.line) for item in frame.items)
    if len(frame.items) % 2:
        raise ValueError(f"line {frame.line}: a map needs a value for each key, got {len(frame.items)} items")
    result = Map()
    result.line = frame.line
    for key, value in zip(frame.items[::2], frame.items[1::2], strict=True):
        if _hashable(key, frame.line) in result:
            raise ValueError(f"line {frame.line}: the key {key!r} is twice in one map")
        result[key] = value
    return result


def _hashable(value: Any, line: int) -> Any:
    try:
        hash(value)
    except TypeError:
        raise ValueError(f"line {line}: a map cannot be a key or a member of a set, got {value!r}") from None
    return value


def _string(word: str) -> str:
    return re.sub(
        r"\\(u[0-9a-fA-F]{4}|.)",
        lambda escape: chr(int(escape[1][1:], 16)) if len(escape[1]) == 5 else _ESCAPES.get(escape[1], escape[0]),
        word[1:-1],
        flags=re.DOTALL,
    )


def _character(word: str) -> str:
    name = word[1:]
    return chr(int(name[1:], 16)) if len(name) == 5 and name[0] == "u" else _NAMED_CHARACTERS.get(name, name)


_ATOMS: dict[str, Callable[[str], Any]] = {
    "string": _string,
    "character": _character,
    "keyword": lambda word: Keyword(word[1:]),
    "integer": lambda word: int(word.rstrip("N")),
    "float": lambda word: float(word.rstrip("M")),
    "symbol": lambda word: _NAMED_SYMBOLS[word] if word in _NAMED_SYMBOLS else Symbol(word),
}
