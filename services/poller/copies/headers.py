"""Reads participants and thread ids from a raw header block, quickly. Never raises.

It reads at least what the parser reads: mail that is missed here is never fetched.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterable
from typing import NamedTuple

from schemas.bounces import BounceHeader, is_title
from schemas.header import PEOPLE, WORD, named_ids, own_id, people_fields, read_addresses, unfolded, word_bytes

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
_MACHINE = re.compile(
    rb"^(?:return-path[ \t]*+:[ \t]*+(?:\r?\n[ \t]++)?+(?:<[ \t]*+>)?+[ \t]*+\r?$|content-type[ \t]*+:\s*+multipart/report|"
    rb"from[ \t]*+:(?:[^\n]|\n[ \t]){0,300}?(?:daemon|post[-_.]?master|mail[-_.]delivery|bounce))",
    re.IGNORECASE | re.MULTILINE,
)
"""Headers of what mail systems write: nobody wants an answer, or it is a report, or comes from one by its name."""
_NO_REPLY = re.compile(
    rb"^from[ \t]*+:(?:[^\n]|\n[ \t]){0,300}?\b(?:no|do[-_.]?not)[-_.]?reply[^@\s<>]{0,60}@",
    re.IGNORECASE | re.MULTILINE,
)
_HINTS = (b"<>", b"< >", b"/report", b"daemon", b"master", b"delivery", b"bounce", b"reply")
_OF_BOUNCES = re.compile(
    rb"^(return-path|content-type|subject|from|x-failed-recipients)[ \t]*:", re.IGNORECASE | re.MULTILINE
)
_CHARSET = re.compile(
    r"(?:iso-[\w-]{1,20}|windows-\d{1,5}|cp\d{1,5}|koi8-[ru]|gb\w{1,8}|big5|euc-\w{1,4}|shift_jis)\Z", re.IGNORECASE
)
_BETWEEN_WORDS = re.compile(r"\?=\s{1,80}=\?")
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
    bounce: BounceHeader | None = None
    """Of what may be a bounce, which may name whom it is about in its report only."""


def read(block: bytes) -> HeaderFacts:
    """Return the facts of a header block."""
    block = block[:MAX_HEADER].removeprefix(BOM_UTF8)
    automatic = may_be_bounce(block)
    if block.count(b"\r") != block.count(b"\r\n"):
        # Programs disagree on whether a bare CR ends a line: read the block both ways.
        block += b"\n" + block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    values = _values(_FIELD, block)
    people, unread = _addresses(raw for name in people_fields(values) for raw in values[name])
    hidden, unread_hidden = _addresses(raw for name in _HIDDEN for raw in values.get(name, ()))
    references = tuple(
        dict.fromkeys(found for name in _IDS[1:] for raw in values.get(name, ()) for found in named_ids(_text(raw)))
    )
    if len(references) > MAX_REFERENCES:
        references = (references[0], *references[-(MAX_REFERENCES - 1) :])
    own = (own_id(_text(raw)) for raw in values.get("message-id", ()))
    return HeaderFacts(
        people | hidden,
        next(filter(None, own), None),
        references,
        whole=not unread and not unread_hidden,
        bounce=_bounce_header(block, people) if automatic else None,
    )


def recipients(block: bytes) -> tuple[frozenset[str], frozenset[str]]:
    """Return the addresses of To and Cc of a header block, and those of its Bcc."""
    values = _values(_FIELD, block[:MAX_HEADER])
    named, blind = (
        _addresses(raw for name in names for raw in values.get(name, ()))[0] for names in (("to", "cc"), ("bcc",))
    )
    return named, blind


def may_be_bounce(block: bytes) -> bool:
    """Whether a mail system wrote a mail, by its header."""
    lower = block.lower()
    if not any(hint in lower for hint in _HINTS):
        return False
    lines = lower.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if _MACHINE.search(lines) is not None:
        return True
    return _NO_REPLY.search(lines) is not None and is_title(
        _subject(_values(_OF_BOUNCES, block).get("subject", [b""])[0])
    )


def _values(fields: re.Pattern[bytes], block: bytes) -> dict[str, list[bytes]]:
    """Return the values of some fields by their names in lower case."""
    values: dict[str, list[bytes]] = {}
    for start in fields.finditer(block):
        end = _FIELD_END.search(block, start.end())
        values.setdefault(start[1].lower().decode(), []).append(block[start.end() : end.start() if end else None])
    return values


def _bounce_header(block: bytes, people: frozenset[str]) -> BounceHeader | None:
    """Return what decides whether a mail is a bounce (``schemas.bounces``); None for an automatic mail of another kind."""
    values = _values(_OF_BOUNCES, block)
    returned = values.get("return-path", [b""])[0].strip().strip(b"<>").decode("latin-1").strip()
    kind = unfolded(values.get("content-type", [b""])[0]).decode("latin-1").lower()
    header = BounceHeader(
        tuple(people),
        tuple(_addresses(values.get("from", ()))[0]),
        returned if "return-path" in values else None,
        "".join(kind.split()).replace('"', ""),
        kind.strip(' "').startswith("multipart/report"),
        _subject(values.get("subject", [b""])[0]),
        tuple(_addresses(values.get("x-failed-recipients", ()))[0]),
    )
    is_other = "report-type=" in header.content_type and "report-type=delivery-status" not in header.content_type
    return None if header.report and is_other and not header.daemon else header


def _subject(raw: bytes) -> str:
    text = unfolded(raw).decode("utf-8", "replace")
    return WORD.sub(_decoded_word, _BETWEEN_WORDS.sub("?==?", text)) if "=?" in text else text


def _decoded_word(word: re.Match[str]) -> str:
    return decoded(word_bytes(word)[0], word[1])


def decoded(data: bytes, charset: str) -> str:
    """Return text in a charset, or as what it most likely is."""
    name = charset.lower() if _CHARSET.match(charset) else "iso2022_jp" if b"\x1b$" in data else "utf-8"
    try:
        return data.decode(name, "replace")
    except (LookupError, UnicodeError):
        return data.decode("utf-8", "replace")


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
