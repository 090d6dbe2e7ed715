"""The text that a mail adds itself, and its start for lists of mail. Reads each line once; nothing here searches back."""

from __future__ import annotations

import re
from typing import NamedTuple

from services.parser.mime import limits
from services.parser.reply.armour import BEGIN, without_armour
from services.parser.reply.header_blocks import block_end
from services.parser.reply.quotes import Cut, first_cut, own_parts
from services.parser.reply.signatures import without_signature

_BLANK_LINES = re.compile(r"\n\s*\n")
"""Linear: white space that has a second line end in it is taken as a whole, and other has none where a search could begin again."""


class Reply(NamedTuple):
    """What a mail adds itself."""

    text: str
    """Without quotes and signature; the whole text when nothing else is in it."""
    snippet: str
    """The start of it on one line; of a mail that was forwarded what it says, after the words of who forwards it."""


def read_reply(text: str) -> Reply:
    """Return what a mail says itself."""
    lines = text.split("\n")
    if BEGIN in text:
        lines = without_armour(lines)
    cut = first_cut(lines)
    if cut is not None:
        own = _own(lines[: cut.line])
        if own:
            forwarded = "\n".join(lines[cut.content :]) if cut.forwarded else ""
            return Reply(own, start_of(own, forwarded))
        if not any(line.strip() for line in lines[: cut.line]):
            return _forwarded(lines, cut)
    own = (_own(lines) if cut is None else "") or _joined(lines)
    return Reply(own, start_of(own))


def _forwarded(lines: list[str], cut: Cut) -> Reply:
    """Return what a mail forwards that says nothing itself: the snippet without the header, which a reader knows from the subject."""
    whole = _joined(lines[cut.header :])
    content = _joined(lines[cut.content :])
    end, _ = block_end(lines, cut.content)
    return Reply(whole, start_of(_joined(lines[end:]) or content or whole) if end else start_of(content or whole))


def _own(lines: list[str]) -> str:
    out: list[str] = []
    for part in own_parts(lines):
        kept = without_signature(part, first=not any(line.strip() for line in out))
        if out and kept:
            out.append("")
        out += kept
    return _joined(out)


def _joined(lines: list[str]) -> str:
    """Return lines as text, without empty lines at its ends and two in a row."""
    return _BLANK_LINES.sub("\n\n", "\n".join(lines).strip())


def start_of(*texts: str) -> str:
    """Return the start of texts on one line, at most 200 characters."""
    start = " ".join(text[: limits.SNIPPET * 10] for text in texts)
    line = " ".join(start[: limits.SNIPPET * 2].split())
    if len(line) <= limits.SNIPPET:  # otherwise the rest does not matter
        line = " ".join(start.split())
    return line[: limits.SNIPPET].rstrip()
