"""The header that mail programs write above a mail that they quote without marks: at least three of a mail's fields."""

from __future__ import annotations

from services.parser.reply.quote_words import CC, FROM, LABELS, LONGEST_LABEL, OTHER, SUBJECT, TO

_LINES = 40
_LABELS = 3
_WRAPPED_LINES = 3
"""A recipient list goes on over so many lines."""
COLONS = (":", "\uff1a")


def label_kind(line: str) -> str | None:
    """Return what the label at the start of a line names, if it is one of a mail's header."""
    head = line[: LONGEST_LABEL + 12]
    if ":" not in head and "\uff1a" not in head:
        return None
    head = head.lstrip(" \t*_\u00a0")
    place = min((at for colon in COLONS if (at := head.find(colon)) > 0), default=0)
    return LABELS.get(head[:place].strip(" \t*_.\u00a0").casefold()) if place else None


def block_end(lines: list[str], start: int, *, least: int = _LABELS) -> tuple[int, int]:
    """Return the line below the header block that begins at a line (0 if none does), and where to look on."""
    kinds: set[str] = set()
    address = False
    last, wrapped, at = start, 0, start
    while at < min(len(lines), start + _LINES):
        line = lines[at]
        kind = label_kind(line)
        if kind:
            kinds.add(kind)
            last, wrapped = at + 1, 0
        elif line.strip():
            wrapped += 1
            if wrapped > _WRAPPED_LINES or not (_goes_on(kinds, lines[at - 1], line)):
                break
        elif at + 1 >= len(lines) or not label_kind(lines[at + 1]):
            break
        address = address or "@" in line
        at += 1
    named = kinds - {OTHER}
    enough = FROM in named and len(named) >= least and (least < _LABELS or SUBJECT in named or address)
    return (last if enough else 0), max(last, start + 1)


def _goes_on(kinds: set[str], before: str, line: str) -> bool:
    """Whether a line without label goes on with the recipients, or the folded value, of the line before it."""
    folded = line.startswith((" ", "\t")) or before.rstrip().endswith((",", ";"))
    return folded or (bool(kinds & {TO, CC}) and "@" in line)
