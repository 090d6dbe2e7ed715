"""Join the pieces of imaplib's raw answers and split them into nested lists.

IMAPClient's own parser is not used: it reads byte by byte, and one malformed name or a NIL fails the whole answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeAlias

Item: TypeAlias = bytes | tuple[bytes, bytes] | None
"""imaplib's form: a response is any number of pairs (text that ends in ``{n}``, literal), then one text."""
Value: TypeAlias = "bytes | list[Value]"

_TOKEN = re.compile(
    rb'\(|\)|"((?:[^"\\]|\\.)*+)"?|\{(\d+)\}|([^\s()"{\[]++(?:\[[^\[\]]*+\](?:<\d+>)?)?+[^\s()]*+)|\S', re.DOTALL
)
"""A string without an end takes the rest of the line: to try each of its quotes as a beginning would be quadratic."""
MAX_TOKENS, MAX_DEPTH = 20_000, 32
"""Of one response: what comes behind, or lies deeper, is left out."""
ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


def text(value: bytes) -> str:
    """Return flags and the like as text; invalid 8-bit characters stay visible as escapes."""
    return value.decode("utf-8", "backslashreplace")


def responses(items: Iterable[Item]) -> Iterator[tuple[bytes, list[bytes]]]:
    """Yield each response: its text, with ``{n}`` in place of each literal, and its literals."""
    parts: list[bytes] = []
    literals: list[bytes] = []
    for item in items:
        if isinstance(item, tuple):
            parts.append(item[0])
            literals.append(item[1])
        elif item is not None:
            yield (b"".join((*parts, item)) if parts else item), literals
            parts, literals = [], []


def tokens(line: bytes, literals: list[bytes]) -> list[Value]:
    """Return a response as nested lists, strings and literals without quotes. Unbalanced brackets close at the end."""
    top: list[Value] = []
    stack = [top]
    remaining = iter(literals)
    for match in islice(_TOKEN.finditer(line), MAX_TOKENS):
        kind = match.lastindex
        if kind == 3:  # noqa: PLR2004 - an atom
            stack[-1].append(match[3])
        elif kind == 1:
            value = match[1]
            stack[-1].append(ESCAPED.sub(rb"\1", value) if b"\\" in value else value)
        elif kind == 2:  # noqa: PLR2004 - a literal
            stack[-1].append(next(remaining, b""))
        elif match[0] == b"(":
            if len(stack) > MAX_DEPTH:
                break
            inner: list[Value] = []
            stack[-1].append(inner)
            stack.append(inner)
        elif match[0] == b")":
            if len(stack) > 1:
                stack.pop()
        else:
            stack[-1].append(match[0])
    return top
