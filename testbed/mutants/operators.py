"""Every small wrong version of a module: one change each, made on the syntax tree.

Types, docstrings, imports and the sentences of errors stay as they are.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, NamedTuple

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
_OPERATIONS: dict[type[ast.operator], type[ast.operator]] = {
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
}
_CALLS = {"any": "all", "all": "any", "min": "max", "max": "min"}


class Mutant(NamedTuple):
    """A wrong version."""

    line: int
    change: str
    """What is different, for people; with the line's text it names the mutant."""
    source: str


def mutants(source: str) -> Iterator[Mutant]:
    """Iterate over the wrong versions of a module, in the order of its lines; each differs from it, and no two are equal."""
    tree = ast.parse(source)
    seen, members = {ast.unparse(tree)}, _enumerations(tree)
    found = []
    for path in _places(tree):
        if _is_sentence_of_error(tree, path):
            continue
        for change, replacement in _changes(_at(tree, path), members):
            line = _line(tree, path)
            with _replaced(tree, path, replacement):
                text = ast.unparse(tree)
            if text not in seen:
                seen.add(text)
                found.append(Mutant(line, change, text))
    yield from sorted(found, key=lambda mutant: mutant.line)


Step = tuple[str, int | None]
Path = tuple[Step, ...]
"""The way from a module to a part of it: fields, and places in lists."""


def _places(node: ast.AST, path: Path = ()) -> Iterator[Path]:
    """Iterate over the ways to everything that is run."""
    for name, value in ast.iter_fields(node):
        if _is_type(node, name):
            continue
        if isinstance(value, list):
            for number, item in enumerate(value):
                if isinstance(item, ast.AST) and not _is_docstring(item):
                    yield (*path, (name, number))
                    yield from _places(item, (*path, (name, number)))
        elif isinstance(value, ast.AST):
            yield (*path, (name, None))
            yield from _places(value, (*path, (name, None)))


def _is_type(node: ast.AST, name: str) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom():
            return True
        case ast.Subscript(value=ast.Name(id=kind)) if kind[0].isupper() and not kind.isupper():
            return True
        case ast.Call(func=ast.Subscript(value=ast.Name(id=kind))):  # as in ``dict[str, int]()``
            return name == "func" and (kind in ("dict", "list", "set") or kind[0].isupper() or kind == "defaultdict")
    return name in ("annotation", "returns", "bases", "decorator_list")


def _is_sentence_of_error(tree: ast.AST, path: Path) -> bool:
    match _at(tree, path):
        case ast.Constant(value=str(text)) if " " in text:
            parents = (_at(tree, path[:end]) for end in range(len(path)))
            return any(isinstance(one, ast.Call) and ast.unparse(one.func).endswith("Error") for one in parents)
    return False


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _at(tree: ast.AST, path: Path) -> ast.AST:
    node: ast.AST = tree
    for name, number in path:
        value = getattr(node, name)
        node = value if number is None else value[number]
    return node


def _line(tree: ast.AST, path: Path) -> int:
    for end in range(len(path), 0, -1):
        if line := getattr(_at(tree, path[:end]), "lineno", None):
            return int(line)
    return 0


@contextmanager
def _replaced(tree: ast.AST, path: Path, replacement: ast.AST | None) -> Iterator[None]:
    """Change a part of a module for a while: a copy of the whole for each change would take most of the time."""
    parent, (name, number) = _at(tree, path[:-1]), path[-1]
    before: Any = getattr(parent, name)
    after: Any = replacement
    if number is not None:
        after = [
            *before[:number],
            *([] if replacement is None else [ast.fix_missing_locations(replacement)]),
            *before[number + 1 :],
        ]
    setattr(parent, name, after)
    yield
    setattr(parent, name, before)


def _changes(node: ast.AST, members: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, ast.AST | None]]:
    """Iterate over (description of the change, replacement); None removes the node."""
    yield from _flow(node)
    for other in chain(_logic(node), _values(node), _members(node, members)):
        yield f"{ast.unparse(node)} → {ast.unparse(other)}", other


def _logic(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(left=left, ops=[operator], comparators=right) if type(operator) in _COMPARISONS:
            yield ast.Compare(left, [_COMPARISONS[type(operator)]()], right)
        case ast.BoolOp(op=ast.And(), values=values):
            yield from (ast.BoolOp(ast.Or(), values), *values)
        case ast.BoolOp(op=ast.Or(), values=values):
            yield from (ast.BoolOp(ast.And(), values), *values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield ast.IfExp(test, orelse, body)
        case ast.comprehension(target=target, iter=iterated, ifs=[_, *_], is_async=is_async):
            yield ast.comprehension(target, iterated, [], is_async)


def _values(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _OPERATIONS:
            yield from (ast.BinOp(left, _OPERATIONS[type(operator)](), right), left, right)
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(number)):
            yield ast.Constant(number + 1)
        case ast.Constant(value=str(text)):
            yield ast.Constant(text + "~")
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords) if name in _CALLS:
            yield ast.Call(ast.Name(_CALLS[name], ast.Load()), arguments, keywords)
        case ast.Call(func=function, args=arguments, keywords=[_, *_] as keywords):
            yield from (
                ast.Call(function, arguments, keywords[:at] + keywords[at + 1 :]) for at in range(len(keywords))
            )
        case ast.Tuple(elts=[_, _, *_] as elements, ctx=ast.Load()):
            yield from (ast.Tuple(elements[:at] + elements[at + 1 :], ast.Load()) for at in range(len(elements)))


def _members(node: ast.AST, members: Mapping[str, Sequence[str]]) -> Iterator[ast.AST]:
    """Another member of the same enumeration: the next one that the module speaks of."""
    match node:
        case ast.Attribute(value=ast.Name(id=name), attr=attribute) if len(members.get(name, ())) > 1:
            known = members[name]
            if attribute in known:
                other = known[(known.index(attribute) + 1) % len(known)]
                yield ast.Attribute(ast.Name(name, ast.Load()), other, ast.Load())


def _flow(node: ast.AST) -> Iterator[tuple[str, ast.AST | None]]:
    match node:
        case ast.If(test=test, body=body, orelse=orelse):
            for wrong in (ast.UnaryOp(ast.Not(), test), ast.Constant(value=True), ast.Constant(value=False)):
                yield f"if {ast.unparse(test)} → if {ast.unparse(wrong)}", ast.If(wrong, body, orelse)
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield f"return {ast.unparse(value)} → return None", ast.Return(ast.Constant(None))
        case ast.Continue() | ast.Raise() | ast.Expr():
            yield f"{ast.unparse(node)} → pass", ast.Pass()


def _enumerations(tree: ast.AST) -> dict[str, list[str]]:
    """Return the members in capitals that a module speaks of, by class, in the order of the alphabet."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if attribute.isupper():
                found.setdefault(name, set()).add(attribute)
    return {name: sorted(attributes) for name, attributes in found.items()}
