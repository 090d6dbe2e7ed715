"""The mail that bounced: a bounce has its header, as a part or below its own text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from schemas.bounces import RETURNED, returned_id
from schemas.header import read_addresses
from services.parser.mime import limits
from services.parser.mime.diagnostics import Diagnostics
from services.parser.mime.headers import first, parse_headers, raw_text
from services.parser.mime.structure import Part

_READ = 64 * 1024
_REFERENCES = 20
_BRACKETED = re.compile(r"<([^<>\s]{1,998})>")


class ReturnedMail(NamedTuple):
    """What a bounce says of the mail that bounced."""

    message_id: str | None = None
    references: tuple[str, ...] = ()
    """What it answers, oldest first, as far as its header says."""
    recipients: frozenset[str] = frozenset()
    """Normal addresses of its To and Cc."""
    blind: frozenset[str] = frozenset()
    """Normal addresses of its Bcc, which some programs send along."""


def returned_mail(leaves: Iterable[Part], text: str, own: str | None) -> ReturnedMail:
    """Return the Message-ID of the mail that bounced, and whom it was for, as far as the bounce has its header."""
    for part in leaves:
        if part.media_type in RETURNED:
            quiet = Diagnostics()
            data = part.content(quiet)[:_READ]
            fields, _ = parse_headers(data, 0, len(data), quiet)
            value = first(fields, "message-id")
            if value and (found := _BRACKETED.search(raw_text(value, quiet))) and found[1] != own:
                named, blind = (
                    frozenset(one for name in names for raw in fields.get(name, ()) for one in _addresses(raw))
                    for names in (("to", "cc"), ("bcc",))
                )
                above = raw_text(first(fields, "references") or first(fields, "in-reply-to") or b"", quiet)
                return ReturnedMail(found[1], tuple(_BRACKETED.findall(above))[-_REFERENCES:], named, blind)
    return ReturnedMail(returned_id(text, own))


def _addresses(value: bytes) -> Iterable[str]:
    return (mailbox.address for mailbox in read_addresses(value, limits.BOUNCED).mailboxes)
