"""Take the picture of the README out of the chapter that shows it.

    python -m tools.picture

The figure is the one that the committed notebook holds, so the README shows what the book shows. It becomes a file that
stands alone: its style goes inside, and white paper under it, since a page that shows a file gives it none.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import nbformat

__all__ = ["figure_of", "main", "standalone"]

ROOT = Path(__file__).resolve().parents[1]
CHAPTER = ROOT / "chapters" / "transactions" / "two_phase_commit.ipynb"
IDENTIFIER = "tpc-crash"
PICTURE = ROOT / "book" / "_static" / "two_phase_commit_in_doubt.svg"


def figure_of(notebook: Any, identifier: str) -> str:
    """Return the HTML of a figure that a notebook shows.

    Raises
    ------
    LookupError
        If no output has it.
    """
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            html = output.get("data", {}).get("text/html", "")
            if f'<figure class="ds-figure" id="{identifier}"' in html:
                return str(html)
    raise LookupError(f"no figure {identifier!r} in the outputs: run the chapter first, with `make chapter`")


def standalone(html: str) -> str:
    """Return the drawing in a figure's HTML as an SVG file.

    Raises
    ------
    ValueError
        If the HTML has no drawing, or no style.
    """
    style, drawing = (
        re.search(r"<style>(.*?)</style>", html, re.DOTALL),
        re.search(r"<svg\b(.*?)>(.*)</svg>", html, re.DOTALL),
    )
    size = drawing and re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawing[1])
    if not (style and drawing and size):
        raise ValueError("`html` must hold a <style> and an <svg> with a viewBox from 0 0")
    title, description = (
        re.search(rf"<{part}\b[^>]*>.*?</{part}>", drawing[2], re.DOTALL) for part in ("title", "desc")
    )
    words = "".join(part[0] for part in (title, description) if part)
    rest = drawing[2].replace(words, "")
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" class="ds-figure" style="margin:0" role="img" '
        f'width="{size[1]}" height="{size[2]}" viewBox="0 0 {size[1]} {size[2]}">{words}<style>{style[1]}</style>'
        f'<rect width="100%" height="100%" fill="#fff"/>{rest}</svg>\n'
    )


def main() -> int:
    """Write the picture; return 0, or 1 if the chapter does not show it."""
    notebook = nbformat.reads(CHAPTER.read_text(encoding="utf-8"), as_version=4)  # type: ignore[no-untyped-call]
    try:
        PICTURE.write_text(standalone(figure_of(notebook, IDENTIFIER)), encoding="utf-8")
    except LookupError as error:
        print(error, file=sys.stderr)
        return 1
    print(PICTURE.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
