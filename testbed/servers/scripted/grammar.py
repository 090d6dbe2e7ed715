"""Commands as nested lists (RFC 3501 section 9)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import TypeAlias

Value: TypeAlias = "bytes | list[Value]"

_LITERAL = re.compile(rb"\{(\d+)(\+?)\}\r?\n$")
_TOKEN = re.compile(
    rb'\(|\)|"((?:[^"\\]|\\.)*)"|\x00(\d+)\x00|((?:[^\s()"\[\x00]|\[[^\]]*\])+)', re.DOTALL
)  # \0 stands for a literal
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
LONGEST = 256 * 1024 * 1024
"""Bytes of a literal."""


class Refused(Exception):  # noqa: N818 - an answer, not an error
    """The text of a NO or BAD."""


async def read_command(
    reader: asyncio.StreamReader, proceed: Callable[[], Awaitable[None]]
) -> tuple[bytes, list[bytes]] | None:
    r"""Return the next command with ``\0n\0`` in place of each literal, and the literals; None at the end.

    ``proceed`` invites the client to send a literal.
    """
    text, literals = b"", list[bytes]()
    while True:
        line = await reader.readline()
        if not line.endswith(b"\n"):
            return None
        found = _LITERAL.search(line)
        if not found:
            return text + line.rstrip(b"\r\n"), literals
        if not found[2]:
            await proceed()
        text += line[: found.start()] + b"\0%d\0" % len(literals)
        literals.append(await reader.readexactly(min(int(found[1]), LONGEST)))


def parse(line: bytes, literals: list[bytes]) -> list[Value]:
    """Return a command's words; lists in brackets are lists."""
    top: list[Value] = []
    stack = [top]
    for found in _TOKEN.finditer(line):
        if found[0] == b"(":
            inner: list[Value] = []
            stack[-1].append(inner)
            stack.append(inner)
        elif found[0] == b")":
            if len(stack) > 1:
                stack.pop()
        elif found[1] is not None:
            stack[-1].append(_ESCAPED.sub(rb"\1", found[1]))
        elif found[2] is not None:
            stack[-1].append(literals[int(found[2])])
        else:
            stack[-1].append(found[3])
    return top


def quoted(value: bytes) -> bytes:
    """Return a string for an answer: quoted, or a literal where it has to be."""
    if any(byte in value for byte in b"\r\n\0") or not value.isascii():
        return b"{%d}\r\n%s" % (len(value), value)
    return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def word(value: Value) -> bytes:
    """Return an atom in capitals."""
    return value.upper() if isinstance(value, bytes) else b""


def words(value: Value) -> list[bytes]:
    """Return the atoms of a list, or the one atom, in capitals."""
    return [word(one) for one in value] if isinstance(value, list) else [word(value)]
