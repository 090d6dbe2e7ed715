"""The raw form of a mail: a header block and a body, and what of the header block other users may read."""

from __future__ import annotations

import re

_SHOWN = frozenset(
    b"from sender reply-to to cc subject date message-id in-reply-to references mime-version "
    b"content-type content-transfer-encoding content-disposition content-id content-description content-language "
    b"content-location content-base content-md5 content-duration content-features content-alternative "
    b"list-id auto-submitted precedence importance priority".split()
)
"""The fields that say what a mail is, not how or to whom a copy of it came. Any other field may name a recipient or carry a token."""
_LIST_NAMES = frozenset((b"list-id", b"list-post", b"mailing-list", b"x-mailing-list", b"x-beenthere", b"x-loop"))
_BETWEEN_NAMES = re.compile(rb"[\s<>()\[\],;:?\"]+")
_NAME = re.compile(rb"([!-9;-~]++)[ \t]*+:")
_EMPTY_LINE = re.compile(rb"\r*\n")
_BLANK_LINE = re.compile(rb"\n\r*\n")
"""Searched for quickly, since all that it matches begins with one character."""
_BLANK_LINE_OF_CR = re.compile(rb"(?:\A|\r)\r")


def split_raw(raw: bytes) -> tuple[bytes, bytes]:
    """Return the header block, with the blank line that ends it, and the body.

    A mail without a blank line is all header block. Bare CRs end lines only in a mail that has no LF at all.
    """
    end = (_EMPTY_LINE.match(raw) or _BLANK_LINE.search(raw)) if b"\n" in raw else _BLANK_LINE_OF_CR.search(raw)
    return (raw[: end.end()], raw[end.end() :]) if end else (raw, b"")


def shown_fields(head: bytes) -> bytes:
    """Return a header block with the fields that every reader of the mail may see, in their order, and a blank line.

    What is not on the list is left out: Bcc, delivery traces (Received, Delivered-To, X-Resolved-To and whatever a server
    calls them), and fields with tokens (List-Unsubscribe). So are lines that are no field.
    """
    newline = b"\r\n" if b"\r\n" in head else b"\n"
    kept: list[bytes] = []
    showing = False
    # Bare CR and bare LF end a line, too: what a lenient reader takes for a header must not pass.
    for line in filter(None, head.splitlines()):
        if not line.startswith((b" ", b"\t")):  # otherwise a folded line (RFC 5322 section 2.2.3)
            name = _NAME.match(line)
            showing = name is not None and name[1].lower() in _SHOWN
        if showing:
            kept.append(line)
    return b"".join(line + newline for line in [*kept, b""])


def is_list_mail_of(head: bytes, address: str) -> bool:
    """Whether a header block says that its mail came through a list which has this normal address (RFC 2919, RFC 2369)."""
    own, wanted = address.lower().encode(), False
    names = {own, own.replace(b"@", b".")}
    for line in head.lower().splitlines():
        if not line.startswith((b" ", b"\t")):
            field = _NAME.match(line)
            wanted = field is not None and field[1] in _LIST_NAMES
        if wanted and not names.isdisjoint(_BETWEEN_NAMES.split(line)):
            return True
    return False


def shown_raw(raw: bytes) -> bytes:
    """Return a mail with the header fields that every reader of it may see, and its body byte for byte."""
    head, body = split_raw(raw)
    return shown_fields(head) + body
