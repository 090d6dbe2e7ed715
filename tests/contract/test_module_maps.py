"""Packages stay small, and say what is in them: module maps in docstrings are complete and true."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOPS = ("schemas", "services", "testbed", "tools")
PACKAGES = sorted(path.parent for top in TOPS for path in (ROOT / top).rglob("__init__.py"))
ENTRY = re.compile(r"- ((?:``\w+``, )*``\w+``): \S")
DOTTED = re.compile(rf"``((?:{'|'.join(TOPS)})(?:\.\w+)+)``")


def docstring(package: Path) -> str:
    """Return the docstring of a package."""
    return ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8"))) or ""


def modules_in(package: Path) -> set[str]:
    """Return the modules and sub-packages of a package, apart from ``__init__`` and ``__main__``."""
    modules = {path.stem for path in package.glob("*.py")} - {"__init__", "__main__"}
    return modules | {path.parent.name for path in package.glob("*/__init__.py")}


def mapped(text: str) -> list[str]:
    """Return the modules that a docstring lists, apart from ``__main__``, which a map may leave out."""
    entries = [ENTRY.match(line) for line in text.splitlines()]
    return [name for entry in entries if entry for name in re.findall(r"\w+", entry[1]) if name != "__main__"]


def is_module(name: str) -> bool:
    """Whether a dotted name is a module or a package of this repository."""
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


packages = pytest.mark.parametrize("package", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))


@packages
def test_every_package_says_what_it_is(package: Path) -> None:
    """Every package has a docstring."""
    assert docstring(package)


@packages
def test_a_module_map_lists_every_module_once(package: Path) -> None:
    """A package docstring that lists modules lists all of them, each once, and no other."""
    names = mapped(docstring(package))
    if names:
        assert sorted(names) == sorted(modules_in(package))


@packages
def test_module_maps_have_one_format(package: Path) -> None:
    """A list item that starts with a quoted name is an entry of the map, in the form that these tests can check."""
    items = [line for line in docstring(package).splitlines() if line.startswith("- ``")]
    assert [line for line in items if not ENTRY.match(line)] == []


@packages
def test_modules_that_a_docstring_names_exist(package: Path) -> None:
    """A full dotted name in a package docstring is a module, or something in a module."""
    names = DOTTED.findall(docstring(package))
    assert [name for name in names if not is_module(name) and not is_module(name.rpartition(".")[0])] == []


LARGEST = 15
EVERY_FOLDER = sorted({path.parent for top in (*TOPS, "deploy", "tests") for path in (ROOT / top).rglob("*.py")})


@pytest.mark.parametrize("folder", EVERY_FOLDER, ids=lambda path: str(path.relative_to(ROOT)))
def test_folders_stay_small(folder: Path) -> None:
    """A folder has at most fifteen modules; a larger one has several subjects, each of which gets a package of its own."""
    assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= LARGEST
