"""Tells whether a mail came as a whole. RFC822.SIZE is a hint: some servers are wrong about it, and some stop early. Pure."""

from __future__ import annotations

import re

BEGINNING = 256 * 1024
"""Bytes of a mail in which its header is looked for."""
END = 16 * 1024
"""Bytes in which the end of its last part is looked for: a list's footer may follow."""
TOLERANCE = 0.8
"""A mail that has at least this share of the announced size counts as whole, if its form does not say otherwise."""
SMALL = 2_048
"""So does one that lacks fewer bytes than this."""
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_FOLDED = re.compile(rb"\r?\n(?=[ \t])")
_BOUNDARY = re.compile(rb'boundary=(?:"([^"]*)"|([^\s;"]+))', re.IGNORECASE)


def lacking(head: bytes, tail: bytes, received: int, announced: int) -> int:
    """Return how many bytes a mail lacks, 0 if it is whole as far as can be told.

    Args:
        head: its beginning.
        tail: its end.
        received: how many bytes came.
        announced: RFC822.SIZE.
    """
    missing = announced - received
    if missing <= 0:
        return 0
    boundary = _boundary(head[:BEGINNING])
    if boundary is not None:
        return 0 if b"--" + boundary + b"--" in tail[-END:] else missing
    return 0 if missing < SMALL or received >= TOLERANCE * announced else missing


def _boundary(head: bytes) -> bytes | None:
    """Return the boundary of a mail that consists of parts."""
    block = _HEADER_END.split(head, maxsplit=1)[0]
    for line in _FOLDED.sub(b"", block).splitlines():
        if line[:13].lower() == b"content-type:":
            found = _BOUNDARY.search(line) if b"multipart/" in line.lower() else None
            return found and (found[1] or found[2])
    return None
