"""The regular expressions of the services, and how each is used.

A pattern may stay if its comment or docstring says why it is linear anyway (a text with the word "linear").
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

PACKAGES = ("schemas", "services.parser", "services.mailbox", "services.poller", "services.matcher", "services.console")
"""Where mail and what servers say is read, and where it is shown."""
AT_START = ("match", "fullmatch")
SEARCHING = ("search", "finditer", "findall", "sub", "subn", "split")


class Found(NamedTuple):
    """A pattern of a module."""

    module: ModuleType
    name: str
    pattern: re.Pattern[Any]

    def __str__(self) -> str:
        return f"{self.module.__name__}.{self.name} {self.pattern.pattern!r:.80}"

    @property
    def searches(self) -> bool:
        """Whether it is sought anywhere in a text, not only at its start; also where that is not to be seen."""
        source = Path(self.module.__file__ or "").read_text()
        used = re.findall(rf"(?<!\w){self.name}\.(\w+)\(", source)
        return not used or not self.name.startswith("_") or any(method in SEARCHING for method in used)

    @property
    def has_reason(self) -> bool:
        """Whether the text beside it says why it is linear."""
        lines = Path(self.module.__file__ or "").read_text().splitlines()
        for statement in ast.parse("\n".join(lines)).body:
            targets = statement.targets if isinstance(statement, ast.Assign) else []
            if any(isinstance(target, ast.Name) and target.id == self.name for target in targets):
                assert statement.end_lineno is not None
                rest = "\n".join(lines[statement.end_lineno :])
                docstring = re.match(r'\s*"""(.*?)"""', rest, re.DOTALL)
                return docstring is not None and "linear" in docstring[1].lower()
        return False


def _modules() -> Iterator[ModuleType]:
    for name in PACKAGES:
        package = importlib.import_module(name)
        yield package
        for module in pkgutil.walk_packages(package.__path__, name + "."):
            if not module.name.endswith("__main__"):
                yield importlib.import_module(module.name)


def _within(value: object) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        yield from _all(value.values())
    elif isinstance(value, tuple | list | set | frozenset):
        yield from _all(value)
    elif is_dataclass(value) and not isinstance(value, type):
        yield from _all(getattr(value, field.name, None) for field in fields(value))


def _all(values: Iterable[object]) -> Iterator[re.Pattern[Any]]:
    for value in values:
        yield from _within(value)


def patterns() -> list[Found]:
    """Return every pattern once, each with the module that defines it."""
    found: dict[tuple[str | bytes, int], Found] = {}
    for module in _modules():
        source = Path(module.__file__ or "").read_text()
        for name, value in vars(module).items():
            for pattern in _within(value):
                if re.search(rf"^{name}\b.*=", source, re.MULTILINE):
                    found.setdefault((pattern.pattern, pattern.flags), Found(module, name, pattern))
    return list(found.values())


def inline_calls() -> list[str]:
    """Return where modules use expressions that ``patterns`` cannot see: in functions, or without compiling them."""
    found = []
    for module in _modules():
        tree = ast.parse(Path(module.__file__ or "").read_text())
        top = {
            id(node)
            for statement in tree.body
            if isinstance(statement, ast.Assign | ast.AnnAssign)
            for node in ast.walk(statement)
        }
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=name)) if name in (
                    "compile",
                    *AT_START,
                    *SEARCHING,
                ) and not (name == "compile" and id(node) in top):
                    found.append(f"{module.__name__}: re.{name}")
    return sorted(set(found))
