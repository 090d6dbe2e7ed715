"""Reads participants and thread ids from a raw header block, quickly. Never raises.

It reads at least what the parser reads: mail that is missed here is never fetched.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from services.poller.copies.address_lists import MAX_DECODED, AddressReader, decode_words

MAX_HEADER = 512 * 1024
"""Bytes that are read; the parser reads no more of a header."""
MAX_REFERENCES = 100
MAX_MESSAGE_ID = 998

_PEOPLE = (b"from", b"sender", b"reply-to", b"to", b"cc")
"""In the order in which the parser reads them, until it has a thousand people. Bcc is counted alone."""
_FIELD = re.compile(
    rb"^(from|sender|to|cc|bcc|reply-to|message-id|in-reply-to|references)[ \t]*:", re.IGNORECASE | re.MULTILINE
)
_FIELD_END = re.compile(rb"\n(?![ \t])")
"""Searched for, because a pattern that repeats folded lines takes memory for each of them."""
_ID = re.compile(r"<([^<>]*)>")
_SEPARATORS = re.compile(r"[\s,;]+")
_UNFIT = re.compile("[\\s\x00-\x20\x7f-\x9f]+")


class HeaderFacts(NamedTuple):
    """The facts that decide on relevance."""

    participants: frozenset[str]
    """Normalized addresses of From, Sender, To, Cc, Bcc and Reply-To."""
    message_id: str | None
    """Without angle brackets, white space and control characters."""
    references: tuple[str, ...]
    """Distinct ids of In-Reply-To and References, at most 100: the first one and the newest."""
    whole: bool = True
    """Whether it tells everybody who takes part. If not, the mail is skipped unless somebody who is named is known."""


def read(block: bytes) -> HeaderFacts:
    """Return the facts of a header block."""
    block = block[:MAX_HEADER]
    if block.count(b"\r") != block.count(b"\r\n"):
        # Programs disagree on whether a bare CR ends a line: read the block both ways.
        block += b"\n" + block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lists: dict[bytes, list[bytes]] = {}
    message_id: str | None = None
    named: dict[str, None] = {}
    for start in _FIELD.finditer(block):
        end = _FIELD_END.search(block, start.end())
        field, raw = start[1].lower(), block[start.end() : end.start() if end else None]
        if field in _PEOPLE or field == b"bcc":
            lists.setdefault(field, []).append(raw)
            continue
        value = raw.decode("utf-8", "replace").strip()
        if "=?" in value:
            value = decode_words(value[:MAX_DECODED])
        if field == b"message-id":
            message_id = message_id or next(iter(message_ids(value)), None) or _clean(value.strip("<>")) or None
        else:
            named.update(dict.fromkeys(message_ids(value)))
    references = tuple(named)
    if len(references) > MAX_REFERENCES:
        references = (references[0], *references[-(MAX_REFERENCES - 1) :])
    people, hidden = AddressReader(), AddressReader()
    for name in _PEOPLE:
        for raw in lists.get(name, ()):
            people.read(raw)
    for raw in lists.get(b"bcc", ()):
        hidden.read(raw)
    return HeaderFacts(
        frozenset(people.found | hidden.found), message_id, references, whole=people.whole and hidden.whole
    )


def message_ids(value: str) -> list[str]:
    """Return the ids of a field: those in angle brackets, or else every word with an ``@``."""
    found = _ID.findall(value)
    if not found:
        found = [word.strip("<>") for word in _SEPARATORS.split(value) if "@" in word]
    return [text for text in map(_clean, found) if text]


def _clean(value: str) -> str:
    return _UNFIT.sub("", value)[:MAX_MESSAGE_ID]
