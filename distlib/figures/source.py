"""The source of what runs, shown where it is taught: never a copy, so it cannot go stale."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

__all__ = ["Source", "source"]


class Source:
    """Python source that shows itself with the colours of the page around it.

    Parameters
    ----------
    text
        The source.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        coloured = highlight(self.text, PythonLexer(), HtmlFormatter(nowrap=True))
        opening = '<div class="highlight ds-source" tabindex="0" role="region" aria-label="source">'
        return {"text/html": f"{opening}<pre>{coloured}</pre></div>", "text/plain": self.text}


def source(*objects: Any, methods: bool = True) -> Source:
    """Return the source of classes, methods or functions, one after another.

    Parameters
    ----------
    *objects
        What to show; at least one.
    methods
        Whether to show the methods of classes; without them a dataclass is its fields.

    Raises
    ------
    ValueError
        If none is named.
    TypeError
        If one has no source in Python.

    Examples
    --------
    >>> from distlib.node import words
    >>> print(source(words).text.splitlines()[0])
    def words(name: Hashable) -> str:
    """
    if not objects:
        raise ValueError("`objects` must name at least one class or function to show, got none")
    texts = (textwrap.dedent(inspect.getsource(thing)) for thing in objects)
    return Source("\n".join(text if methods else _without_methods(text) for text in texts))


def _without_methods(text: str) -> str:
    """Return the source of a class without the definitions in its body."""
    (definition,) = ast.parse(text).body
    lines = text.splitlines()
    for member in reversed(definition.body if isinstance(definition, ast.ClassDef) else []):
        if isinstance(member, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = min([member.lineno, *(decorator.lineno for decorator in member.decorator_list)])
            del lines[first - 1 : member.end_lineno]
    return "\n".join(lines).rstrip() + "\n"
