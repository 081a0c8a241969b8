"""Mathematics without a network: MathJax is copied from the environment into the book.

Theory of operation
-------------------
Sphinx points its pages at a content delivery network. The wheel ``django-static-mathjax``, pinned in requirements.txt,
carries the same files. This extension copies the two parts that the pages use: the component that reads TeX and draws
SVG, and the TeX extensions that it loads when a formula asks for one. SVG rather than web fonts, because some browsers
refuse fonts on pages that were opened from the disk.

The contextual menu is switched off, because it offers to load parts that are not copied. The hidden MathML that screen
readers use stays on.
"""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

COMPONENT = "tex-svg.js"
TEX_EXTENSIONS = "input/tex/extensions"


def mathjax_folder() -> Path:
    """Return the folder of the installed wheel that holds MathJax's components."""
    spec = find_spec("mathjax")
    if spec is None or not spec.submodule_search_locations:
        raise ExtensionError("MathJax is missing: `make book` installs it from requirements.txt")
    folder = Path(spec.submodule_search_locations[0]) / "static" / "mathjax" / "es5"
    if not (folder / COMPONENT).is_file():
        raise ExtensionError(f"the installed MathJax has no {COMPONENT}; is it the version that requirements.txt pins?")
    return folder


def configure(app: Sphinx, config: Any) -> None:
    """Point the pages at the copy."""
    config.mathjax_path = f"mathjax/{COMPONENT}"
    config.mathjax3_config = {
        "options": {"enableMenu": False, **(config.mathjax3_config or {}).get("options", {})},
        "svg": {"fontCache": "global"},
        "tex": {"tags": "none"},
    }


def leave_out_where_unused(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Take MathJax from pages without formulas. Sphinx loads it also where only a page below has some: on the cover."""
    if doctree is None or not any(doctree.findall(lambda node: isinstance(node, nodes.math | nodes.math_block))):
        loaded = context["script_files"]
        loaded[:] = [script for script in loaded if COMPONENT not in str(script.filename)]


def copy_mathjax(app: Sphinx, exception: Exception | None) -> None:
    """Copy what the pages load, unless it is there already."""
    if exception is not None or app.builder.format != "html":
        return
    source = mathjax_folder()
    target = Path(app.outdir) / "_static" / "mathjax"
    if (target / COMPONENT).is_file() and (target / TEX_EXTENSIONS).is_dir():
        return
    shutil.copytree(source / TEX_EXTENSIONS, target / TEX_EXTENSIONS, dirs_exist_ok=True)
    shutil.copy2(source / COMPONENT, target / COMPONENT)
    shutil.copy2(source.parent / "LICENSE", target / "LICENSE")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.connect("config-inited", configure, priority=100)
    app.connect("html-page-context", leave_out_where_unused, priority=900)
    app.connect("build-finished", copy_mathjax)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
