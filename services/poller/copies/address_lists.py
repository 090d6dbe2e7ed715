"""Reads the addresses of an address field (RFC 5322 section 3.4, RFC 6532), however malformed it is. Never raises.

A well-formed field yields its addresses. A malformed one yields everything that could be an address: the matcher decides in
the end, but mail that is missed here is never fetched.
"""

from __future__ import annotations

import re
from email.header import decode_header
from itertools import islice

from schemas.addresses import normal_address_or_none

MAX_ADDRESSES = 2_000
"""Addresses that are read of some fields together, twice as many as the parser keeps."""
ENOUGH = 1_000
"""Mailboxes of which the parser keeps the addresses."""
MAX_FIELD = 128 * 1024
"""Bytes of one field that are read; the parser reads no more of it."""
MAX_DECODED = 4_096
"""Characters of one malformed mailbox whose encoded words are decoded: the standard library is slow at it."""
_SIMPLE = re.compile(r'(?:"[^"\\<>@]*"\s*|[^"<>@(),;:\\\[\]]*)<\s*([^\s<>@"(),;:\\]+@[^\s<>@"(),;:\\\[\]]+)\s*>\s*')
"""The most common form of a mailbox: a name and an address in angle brackets."""
_PIECE = re.compile(
    r'"(?:[^"\\]|\\.)*+(?:"|(\Z|.))|\((?:[^()\\]|\\.)*+(?:\)|(\Z|.))|<[^<>]*+(?:>|(\Z|.))|[,;:]|[^"(<,;:]+', re.DOTALL
)
"""A group matches where a string, a comment or an angle is never closed. That piece is taken as well, which keeps it linear."""
_LOOSE = re.compile(r"[^\s@<>()\[\],;:\\\"\x00-\x20\x7f]{1,64}@[^\s@<>()\[\],;:\\\"'\x00-\x20\x7f]{1,254}")
_COMMENT = re.compile(r"(\\.)|\((?:[^()\\]|\\.)*+\)", re.DOTALL)
"""Linear: a comment that does not end stops at the next bracket, and an escaped bracket is taken by the first alternative."""
_MOST_ANGLES = 100
"""Angle brackets of one mailbox, of which a sound one has one pair."""
_ROUTE = re.compile(r"^\s*@[^:]*:")


class AddressReader:
    """Collects the addresses of fields, in the order in which they are read, each once and at most ``MAX_ADDRESSES``."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self._mailboxes = 0
        """Mailboxes that named exactly one address, and a new one."""

    @property
    def whole(self) -> bool:
        """Whether nothing was left out that the parser keeps: not so if candidates of malformed mailboxes took all the places."""
        return len(self.found) < MAX_ADDRESSES or self._mailboxes >= ENOUGH

    def read(self, raw: bytes) -> None:
        """Read one field, which may be folded."""
        if len(self.found) >= MAX_ADDRESSES:
            return
        raw = raw[:MAX_FIELD]
        value = raw.decode("utf-8", "replace").strip()
        self.read_text(value)
        if "\ufffd" in value:
            self.read_text(raw.decode("cp1252", "replace").strip())

    def read_text(self, value: str) -> None:
        """Read the characters of one field."""
        if simple := _SIMPLE.fullmatch(value):
            self._add(_normal([simple[1]]))
            return
        words: list[str] = []
        angles: list[str] = []
        quoted: list[str] = []
        for match in _PIECE.finditer(value):
            piece = match[0]
            start = piece[0]
            if match.lastindex:  # never closed, so the rest is ambiguous
                self._add(_loose(value))
                break
            if start in ",;:":
                self._add(_mailbox(words, angles, quoted))
                words, angles, quoted = [], [], []
                if len(self.found) >= MAX_ADDRESSES:
                    return
            elif start == "<":
                angles.append(piece[1:-1])
            elif start == '"':
                quoted.append(piece[1:-1])
                words.append(piece)
            elif start != "(":
                words.append(piece)
        self._add(_mailbox(words, angles, quoted))

    def _add(self, addresses: set[str]) -> None:
        if len(addresses) == 1:
            self._mailboxes += not addresses <= self.found
            self.found |= addresses
        else:
            self.found.update(islice(addresses - self.found, max(0, MAX_ADDRESSES - len(self.found))))


def addresses(value: str) -> set[str]:
    """Return the normalized addresses of an address list."""
    reader = AddressReader()
    reader.read_text(value)
    return reader.found


def _mailbox(words: list[str], angles: list[str], quoted: list[str]) -> set[str]:
    bare = "".join(words)
    if not angles and not bare:
        return set()
    if len(angles) > _MOST_ANGLES:
        return _loose(" ".join((*angles, bare)))
    candidates = [_ROUTE.sub("", _COMMENT.sub(_escape, angle)).strip() for angle in angles]
    candidates = ["".join(text.split()) for text in candidates]
    found = _normal(candidates)
    outside = "".join(word for word in words if word[0] != '"')
    if len(found) < max(1, len(candidates)) or "@" in outside:
        # An address is missing, or there is one where none belongs.
        text = " ".join((*candidates, bare, *quoted))
        found |= _loose(text) | _normal([bare.strip(), bare.replace('"', "").replace(" ", "")])
        if not found and "=?" in text:
            found |= _loose(decode_words(text[:MAX_DECODED]))
    return found


def _escape(found: re.Match[str]) -> str:
    return found[1] or ""


def _loose(text: str) -> set[str]:
    """Return what looks like an address, wherever it is in a text."""
    return _normal(list(islice(dict.fromkeys(found[0] for found in _LOOSE.finditer(text)), MAX_ADDRESSES)))


def _normal(candidates: list[str]) -> set[str]:
    found = {normal_address_or_none(text) for text in candidates}
    found |= {
        normal_address_or_none(text.strip(".'<>")) for text in candidates if text[:1] in ".'<" or text[-1:] in ".'>"
    }
    return {address for address in found if address is not None}


def decode_words(text: str) -> str:
    """Return text with its encoded words (RFC 2047) decoded, where they can be."""
    try:
        pieces = decode_header(text)
        return " ".join(
            piece if isinstance(piece, str) else piece.decode(charset or "utf-8", "replace")
            for piece, charset in pieces
        )
    except (ValueError, LookupError):  # includes the email package's HeaderParseError
        return text
