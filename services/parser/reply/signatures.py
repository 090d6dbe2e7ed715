"""Takes the signature off a text: only at its end, only what is short, and never a line that says something."""

from __future__ import annotations

from collections.abc import Callable

from services.parser.reply.closings import closing_kind, is_name
from services.parser.reply.signature_words import DEVICE, DISCLAIMER, SENT_AT_END, SENT_FROM

_MARK, _BARE_MARK = "-- ", "--"
_MARKED_LINES, _MARKED_SIZE = 25, 2_000
"""Of a signature below ``-- `` (RFC 3676 section 4.3)."""
_NEAR_THE_END = 100
"""Lines, empty ones included."""
_TAIL_LINES, _TAIL_SIZE = 10, 600
"""Of what follows a sign-off, or a mark without its space."""
_CLOSING = 60
"""Characters of a line with a sign-off."""
_SENT_LINE = 90
_SENT_LINES_BELOW = 2
_SENTENCE_WORDS, _LONG_WORDS = 5, 12
_LONGEST_LINE = 160
_DISCLAIMER_PARAGRAPHS, _DISCLAIMER_LINES = 6, 100
_RULES = ("_" * 20, "-" * 20, "=" * 20)
_FOOTER_LINES = 8
_PLAIN_CONFIDENTIAL = tuple(filter(str.isascii, DISCLAIMER[1]))
_SENTENCE_ENDS = (".", "!", "?", "。", "\uff01", "\uff1f", "…")

_Step = Callable[[list[str], int], list[str]]


def without_signature(lines: list[str], *, first: bool) -> list[str]:
    """Return lines without what their signature is; ``first``: no other own text precedes them, so that something must be left."""
    lines = _stripped(lines)
    least = 1 if first else 0
    tried: dict[_Step, int] = {}
    for step in (
        _without_footer,
        _without_disclaimer,
        _without_sent_from,
        _without_marked,
        _without_disclaimer,
        _without_closing,
        _without_sent_from,
    ):
        if tried.get(step) == len(lines):  # nothing was taken off since
            continue
        tried[step] = len(lines)
        shorter = _stripped(step(lines, least))
        if len(shorter) >= least:
            lines = shorter
    return lines


def _stripped(lines: list[str]) -> list[str]:
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    return lines if end == len(lines) else lines[:end]


def _says_something(line: str) -> bool:
    """Whether a line is a sentence rather than a name, a company or a telephone number."""
    line = line.strip()
    words = len(line.split())
    if line.endswith(("?", "\uff1f")) or "。" in line or len(line) > _LONGEST_LINE:
        return True
    if line.casefold().startswith(("ps", "p.s")):
        return True
    contact = "@" in line or "http" in line or "www." in line or sum(map(str.isdigit, line)) > 6  # noqa: PLR2004 - a telephone number
    if contact:
        return words > _LONG_WORDS and line.endswith(_SENTENCE_ENDS)
    return words > _LONG_WORDS or (words >= _SENTENCE_WORDS and line.endswith(_SENTENCE_ENDS))


def _is_short(tail: list[str], most: int, size: int) -> bool:
    return sum(1 for line in tail if line.strip()) <= most and sum(map(len, tail)) <= size


def _without_marked(lines: list[str], least: int) -> list[str]:
    """Cut at ``-- ``. Its space is often lost; then what follows has to look like a signature, too. Several marks separate text."""
    for mark in (_MARK, _BARE_MARK):
        if mark not in lines:
            continue
        places = [at for at, line in enumerate(lines) if line == mark]
        for at in (place for place in places if place >= len(lines) - _NEAR_THE_END):
            tail = lines[at + 1 :]
            if at < least or not _is_short(
                tail, *((_MARKED_LINES, _MARKED_SIZE) if mark == _MARK else (_TAIL_LINES, _TAIL_SIZE))
            ):
                continue
            if (mark == _BARE_MARK or len(places) > 1) and any(map(_says_something, tail)):
                continue
            if mark == _BARE_MARK and len(places) > 1:
                continue
            return lines[:at]
    return lines


def _without_closing(lines: list[str], least: int) -> list[str]:
    """Cut at a line that is a sign-off, if a name and no more than a few lines follow it."""
    filled = 0
    for at in range(len(lines) - 1, least - 1, -1):
        line = lines[at]
        if not line.strip():
            continue
        filled += 1
        if filled > _TAIL_LINES + 1:
            break
        if len(line) > _CLOSING or not (kind := closing_kind(line)):
            continue
        tail = [each for each in lines[at + 1 :] if each.strip()]
        if any(map(_says_something, tail)) or not _is_short(tail, _TAIL_LINES, _TAIL_SIZE):
            return lines
        if is_name(tail[0]) if tail else kind == "closing":
            return lines[:at]
    return lines


def _is_sent_from(line: str) -> bool:
    words = line.strip(" \t*_<>[]()|").casefold()
    if not words or len(words) > _SENT_LINE or words.endswith("?"):
        return False
    known = words.startswith(SENT_FROM) or words.rstrip(".。").endswith(SENT_AT_END)
    return known and DEVICE.search(words) is not None


def _without_sent_from(lines: list[str], _least: int) -> list[str]:
    """Cut what a phone or a program adds, with the link in the lines below it."""
    below = 0
    for at in range(len(lines) - 1, -1, -1):
        if not lines[at].strip():
            continue
        if _is_sent_from(lines[at]):
            return lines[:at] if not any(map(_says_something, lines[at + 1 :])) else lines
        below += 1
        if below > _SENT_LINES_BELOW:
            break
    return lines


def _without_footer(lines: list[str], _least: int) -> list[str]:
    """Cut what a mailing list or a provider adds below a ruled line: a few lines with an address in the web."""
    for at in range(len(lines) - 1, max(len(lines) - _FOOTER_LINES, 0) - 1, -1):
        if lines[at].startswith(_RULES) and not lines[at].strip("_-= "):
            tail = lines[at + 1 :]
            return lines[:at] if any("://" in line for line in tail) and not any(map(_says_something, tail)) else lines
    return lines


def _without_disclaimer(lines: list[str], least: int) -> list[str]:
    """Cut the last paragraphs that say that the mail is confidential and for its recipients."""
    tail = " ".join(lines[-_DISCLAIMER_LINES:]).casefold()
    if not any(map(tail.__contains__, _PLAIN_CONFIDENTIAL if tail.isascii() else DISCLAIMER[1])):
        return lines
    end, cut = len(lines), len(lines)
    for _ in range(_DISCLAIMER_PARAGRAPHS):
        start = end
        while start and lines[start - 1].strip():
            start -= 1
        paragraph = " ".join(lines[start:end]).casefold()
        words = [any(word in paragraph for word in group) for group in DISCLAIMER]
        if start < max(least, 1):
            break
        if all(words):
            cut = start
        elif any(map(_says_something, lines[start:end])) and not (words[0] and any(words[1:])):
            break
        end = start
        while end and not lines[end - 1].strip():
            end -= 1
    return lines[:cut]
