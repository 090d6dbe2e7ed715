"""Reads participants and thread ids from a raw header block, quickly. Never raises.

It reads at least what the parser reads: mail that is missed here is never fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from schemas.header import PEOPLE, WORD, named_ids, own_id, people_fields, read_addresses, word_bytes

MAX_HEADER = 512 * 1024
"""Bytes that are read; the parser reads no more of a header."""
MAX_REFERENCES = 100
MAX_ADDRESSES = 2_000
"""Addresses that are noted of the fields together, and as many of Bcc: twice as many as the parser keeps."""
_HIDDEN = ("bcc", "x-failed-recipients")
"""Who belongs to one copy: a bounce names whom it is about, who may have been in Bcc."""
_IDS = ("message-id", "in-reply-to", "references")
_FIELD = re.compile(
    rb"^(" + "|".join((*PEOPLE, *_HIDDEN, "list-id", *_IDS)).encode() + rb")[ \t]*:", re.IGNORECASE | re.MULTILINE
)
_FIELD_END = re.compile(rb"\n(?![ \t])")
"""Searched for, because a pattern that repeats folded lines takes memory for each of them."""


class HeaderFacts(NamedTuple):
    """The facts that decide on relevance."""

    participants: frozenset[str]
    """Normalized addresses of From, Sender, To, Cc, Bcc and Reply-To."""
    message_id: str | None
    """Without angle brackets, white space and control characters."""
    references: tuple[str, ...]
    """Distinct ids of In-Reply-To and References, at most 100: the first one and the newest."""
    whole: bool = True
    """Whether it tells everybody who takes part: not if a mailbox cannot be read. If not, the mail is skipped unless somebody
    who is named is known."""


def read(block: bytes) -> HeaderFacts:
    """Return the facts of a header block."""
    block = block[:MAX_HEADER]
    if block.count(b"\r") != block.count(b"\r\n"):
        # Programs disagree on whether a bare CR ends a line: read the block both ways.
        block += b"\n" + block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    values: dict[str, list[bytes]] = {}
    for start in _FIELD.finditer(block):
        end = _FIELD_END.search(block, start.end())
        values.setdefault(start[1].lower().decode(), []).append(block[start.end() : end.start() if end else None])
    people, unread = _addresses(raw for name in people_fields(values) for raw in values[name])
    hidden, unread_hidden = _addresses(raw for name in _HIDDEN for raw in values.get(name, ()))
    references = tuple(
        dict.fromkeys(found for name in _IDS[1:] for raw in values.get(name, ()) for found in named_ids(_text(raw)))
    )
    if len(references) > MAX_REFERENCES:
        references = (references[0], *references[-(MAX_REFERENCES - 1) :])
    own = (own_id(_text(raw)) for raw in values.get("message-id", ()))
    return HeaderFacts(
        people | hidden, next(filter(None, own), None), references, whole=not unread and not unread_hidden
    )


def _text(raw: bytes) -> str:
    value = raw.decode("utf-8", "replace").strip()
    return WORD.sub(lambda word: word_bytes(word)[0].decode("utf-8", "replace"), value) if "=?" in value else value


def _addresses(values: Iterable[bytes]) -> tuple[frozenset[str], int]:
    """Return the addresses of some fields, and how many mailboxes cannot be read."""
    found: set[str] = set()
    unread = 0
    for value in values:
        if len(found) >= MAX_ADDRESSES:
            break
        read = read_addresses(value, MAX_ADDRESSES - len(found))
        unread += read.unread
        found.update(mailbox.address for mailbox in read.mailboxes)
    return frozenset(found), unread
