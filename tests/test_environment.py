"""The environment is what requirements.txt says: names and versions only, all that is needed, and one `distlib`."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Iterable

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.repository import NOTEBOOKS, ROOT, code_cells, imports_of, python_of, read

# Each of these brings another package named `distlib`.
RIVALS = {"distlib", "virtualenv", "tox", "pre-commit"}
# Names under which packages are imported, where they differ from the package's.
IMPORT_NAMES = {"beautifulsoup4": "bs4", "ipython": "IPython", "pyyaml": "yaml", "pytest-xdist": "xdist"}


def requirement_lines() -> list[str]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def direct_requirements() -> set[str]:
    """Return the packages above the last heading of requirements.txt, which is about what the others need."""
    own, _, _ = (ROOT / "requirements.txt").read_text(encoding="utf-8").partition("# What those need.")
    return {line.partition("==")[0] for line in own.splitlines() if "==" in line}


def closure(names: Iterable[str]) -> dict[str, str]:
    """Return every package that these need, in this environment, with the version that is installed."""
    found: dict[str, str] = {}
    asked: set[tuple[str, frozenset[str]]] = set()
    todo = [(canonicalize_name(name), frozenset[str]()) for name in names]
    while todo:
        name, extras = todo.pop()
        if (name, extras) in asked:
            continue
        asked.add((name, extras))
        distribution = importlib.metadata.distribution(name)
        found[name] = distribution.version
        for text in distribution.requires or []:
            requirement = Requirement(text)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                todo.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return found


def test_requirements_are_names_and_versions_only() -> None:
    pattern = r"[a-z0-9]+(-[a-z0-9]+)*==[0-9][0-9a-z.]*"
    assert [line for line in requirement_lines() if not re.fullmatch(pattern, line)] == []
    names = [line.partition("==")[0] for line in requirement_lines()]
    assert len(names) == len(set(names))


def test_every_package_that_is_needed_is_pinned_at_the_version_that_runs() -> None:
    pinned = dict(line.split("==") for line in requirement_lines())
    needed = closure(direct_requirements())
    assert {name: pinned.get(name) for name in needed} == needed


def test_no_package_of_the_environment_brings_another_distlib() -> None:
    installed = {canonicalize_name(found.metadata["Name"]) for found in importlib.metadata.distributions()}
    assert installed & RIVALS == set()
    assert {line.partition("==")[0] for line in requirement_lines()} & RIVALS == set()


def test_every_package_that_is_imported_is_a_requirement_of_its_own() -> None:
    known = {IMPORT_NAMES.get(name, name.replace("-", "_")) for name in direct_requirements()}
    # These come with jupyter-book, whose parts the extensions of the book are written against.
    known |= {"docutils", "sphinx", "pybtex"}
    # What the labs need has a list of its own.
    known |= set(re.findall(r"^[a-z0-9-]+", (ROOT / "requirements-labs.txt").read_text("utf-8"), re.MULTILINE))
    ours = {"distlib", "tools", "tests", "benchmarks", "book"}
    modules = [path for folder in ours for path in sorted((ROOT / folder).rglob("*.py"))]
    sources = [path.read_text(encoding="utf-8") for path in modules]
    ours |= {path.stem for path in modules}
    sources += [python_of(cell) for path in NOTEBOOKS for cell in code_cells(read(path))]
    imported = {module.split(".")[0] for source in sources for module in imports_of(source)}
    assert imported - set(sys.stdlib_module_names) - ours - known == set()
