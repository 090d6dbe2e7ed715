"""Exchanges the code of a loaded module's functions for that of another version of the module."""

from __future__ import annotations

import ast
import gc
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from types import CodeType, FunctionType

_OPTIMIZED = 0x1
"""The flag of functions' code; a class body's does not have it (``inspect.CO_OPTIMIZED``)."""


def function_at(source: str, line: int) -> str | None:
    """Return the qualified name of the outermost function in whose body a line is."""

    def inside(parent: ast.AST, prefix: str) -> str | None:
        for node in ast.iter_child_nodes(parent):
            if isinstance(node, ast.ClassDef) and (found := inside(node, f"{prefix}{node.name}.")):
                return found
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and line in _body(node):
                return f"{prefix}{node.name}"
        return None

    return inside(ast.parse(source), "")


def _body(function: ast.FunctionDef | ast.AsyncFunctionDef) -> range:
    return range(function.body[0].lineno, (function.end_lineno or 0) + 1)


def functions_of(file: str) -> list[FunctionType]:
    """Return a module's functions and methods, wrapped ones too; not those that others made when they were called."""
    functions = [one for one in gc.get_objects() if isinstance(one, FunctionType) and one.__code__.co_filename == file]
    return [one for one in functions if "<locals>" not in one.__code__.co_qualname]


def exchanged(functions: Sequence[FunctionType], source: str, file: str) -> dict[FunctionType, CodeType]:
    """Return the code of a version for each function; empty if they do not correspond."""
    old = _by_name(one.__code__ for one in functions)
    new = {name: code for code, name in _by_name(_codes(compile(source, file, "exec"))).items()}
    codes: dict[FunctionType, CodeType] = {}
    for function in functions:
        code = new.get(old[function.__code__])
        if code is None or code.co_freevars != function.__code__.co_freevars:
            return {}
        codes[function] = code
    return codes


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Iterate over the code of functions and methods, in the order of their lines; not of functions inside functions."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_flags & _OPTIMIZED:
                yield constant
            else:
                yield from _codes(constant)


def _by_name(codes: Iterable[CodeType]) -> dict[CodeType, tuple[str, int]]:
    """Return a name for each code that is the same in every version: its qualified name, and which of that name it is."""
    seen, names = Counter[str](), dict[CodeType, tuple[str, int]]()
    for code in sorted(set(codes), key=lambda code: code.co_firstlineno):
        names[code] = code.co_qualname, seen[code.co_qualname]
        seen[code.co_qualname] += 1
    return names
