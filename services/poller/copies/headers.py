"""Reads participants and thread ids from a raw header block, quickly. Never raises.

A well-formed field yields its addresses. A malformed one yields everything that could be an address: the matcher decides in
the end, but mail that is missed here is never fetched.
"""

from __future__ import annotations

import re
from email.header import decode_header
from typing import NamedTuple

from schemas.addresses import normal_address_or_none

MAX_HEADER = 256 * 1024
"""Bytes that are read, enough for more than a thousand recipients."""
MAX_DECODED = 4_096
"""Characters of one malformed mailbox whose encoded words are decoded: the standard library is slow at it."""
MAX_PARTICIPANTS = 2_000
MAX_REFERENCES = 100
MAX_MESSAGE_ID = 998

_ADDRESS_FIELDS = frozenset((b"from", b"sender", b"to", b"cc", b"bcc", b"reply-to"))
_FIELD = re.compile(
    rb"^(from|sender|to|cc|bcc|reply-to|message-id|in-reply-to|references)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)",
    re.IGNORECASE | re.MULTILINE,
)
_SIMPLE = re.compile(r'(?:"[^"\\<>@]*"\s*|[^"<>@(),;:\\\[\]]*)<\s*([^\s<>@"(),;:\\]+@[^\s<>@"(),;:\\\[\]]+)\s*>\s*')
"""The most common form of a mailbox: a name and an address in angle brackets."""
_PIECE = re.compile(
    r'"(?:[^"\\]|\\.)*+(?:"|(\Z|.))|\((?:[^()\\]|\\.)*+(?:\)|(\Z|.))|<[^<>]*+(?:>|(\Z|.))|[,;:]|[^"(<,;:]+', re.DOTALL
)
"""A group matches where a string, a comment or an angle is never closed. That piece is taken as well, which keeps it linear."""
_LOOSE = re.compile(r"[^\s@<>()\[\],;:\\\"\x00-\x20\x7f]{1,64}@[^\s@<>()\[\],;:\\\"'\x00-\x20\x7f]{1,254}")
_COMMENT = re.compile(r"(\\.)|\((?:[^()\\]|\\.)*+\)", re.DOTALL)
"""Linear: a comment that does not end stops at the next bracket, and an escaped bracket is taken by the first alternative."""
_ROUTE = re.compile(r"^\s*@[^:]*:")
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


def read(block: bytes) -> HeaderFacts:
    """Return the facts of a header block."""
    block = block[:MAX_HEADER]
    if block.count(b"\r") != block.count(b"\r\n"):
        # Programs disagree on whether a bare CR ends a line: read the block both ways.
        block += b"\n" + block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    participants: set[str] = set()
    message_id: str | None = None
    named: dict[str, None] = {}
    for name, raw in _FIELD.findall(block):
        field, value = name.lower(), raw.decode("utf-8", "replace").strip()
        if field in _ADDRESS_FIELDS:
            if len(participants) < MAX_PARTICIPANTS:
                participants.update(addresses(value))
                if "\ufffd" in value:
                    participants.update(addresses(raw.decode("cp1252", "replace").strip()))
            continue
        if "=?" in value:
            value = _decoded(value[:MAX_DECODED])
        if field == b"message-id":
            message_id = message_id or next(iter(message_ids(value)), None) or _clean(value.strip("<>")) or None
        else:
            named.update(dict.fromkeys(message_ids(value)))
    references = tuple(named)
    if len(references) > MAX_REFERENCES:
        references = (references[0], *references[-(MAX_REFERENCES - 1) :])
    return HeaderFacts(frozenset(participants), message_id, references)


def message_ids(value: str) -> list[str]:
    """Return the ids of a field: those in angle brackets, or else every word with an ``@``."""
    found = _ID.findall(value)
    if not found:
        found = [word.strip("<>") for word in _SEPARATORS.split(value) if "@" in word]
    return [text for text in map(_clean, found) if text]


def _clean(value: str) -> str:
    return _UNFIT.sub("", value)[:MAX_MESSAGE_ID]


def addresses(value: str) -> set[str]:
    """Return the normalized addresses of an address list (RFC 5322 section 3.4, RFC 6532)."""
    if simple := _SIMPLE.fullmatch(value):
        return _normal([simple[1]])
    found: set[str] = set()
    words: list[str] = []
    angles: list[str] = []
    quoted: list[str] = []
    well_formed = True
    for match in _PIECE.finditer(value):
        piece = match[0]
        start = piece[0]
        if match.lastindex:
            well_formed = False  # never closed, so the rest is ambiguous
            break
        if start in ",;:":
            found |= _mailbox(words, angles, quoted)
            words, angles, quoted = [], [], []
        elif start == "<":
            angles.append(piece[1:-1])
        elif start == '"':
            quoted.append(piece[1:-1])
            words.append(piece)
        elif start != "(":
            words.append(piece)
    found |= _mailbox(words, angles, quoted)
    return found if well_formed else found | _normal(_LOOSE.findall(value))


def _mailbox(words: list[str], angles: list[str], quoted: list[str]) -> set[str]:
    bare = "".join(words)
    if not angles and not bare:
        return set()
    candidates = [_ROUTE.sub("", _COMMENT.sub(_escape, angle)).strip() for angle in angles]
    candidates = ["".join(text.split()) for text in candidates]
    found = _normal(candidates)
    outside = "".join(word for word in words if word[0] != '"')
    if len(found) < max(1, len(candidates)) or "@" in outside:
        # An address is missing, or there is one where none belongs.
        text = " ".join((*candidates, bare, *quoted))
        found |= _normal(_LOOSE.findall(text)) | _normal([bare.strip(), bare.replace('"', "").replace(" ", "")])
        if not found and "=?" in text:
            found |= _normal(_LOOSE.findall(_decoded(text[:MAX_DECODED])))
    return found


def _escape(found: re.Match[str]) -> str:
    return found[1] or ""


def _normal(candidates: list[str]) -> set[str]:
    found = {normal_address_or_none(text) for text in candidates}
    found |= {
        normal_address_or_none(text.strip(".'<>")) for text in candidates if text[:1] in ".'<" or text[-1:] in ".'>"
    }
    return {address for address in found if address is not None}


def _decoded(text: str) -> str:
    try:
        pieces = decode_header(text)
        return " ".join(
            piece if isinstance(piece, str) else piece.decode(charset or "utf-8", "replace")
            for piece, charset in pieces
        )
    except (ValueError, LookupError):  # includes the email package's HeaderParseError
        return text
