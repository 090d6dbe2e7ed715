"""The mail that bounced: a bounce has its header, as a part or below its own text."""

from __future__ import annotations

import re
from collections.abc import Iterable

from services.parser.mime.diagnostics import Diagnostics
from services.parser.mime.headers import first, parse_headers, raw_text
from services.parser.mime.structure import Part

_COPIES = frozenset(
    {"message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers", "message/global-headers"}
)
_READ = 64 * 1024
_BRACKETED = re.compile(r"<([^<>\s]{1,998})>")
_ID = re.compile(r"^[ \t>]{0,8}Message-I[Dd]:[ \t]{0,8}(?:\n[ \t]{1,8})?<([^<>\s]{1,998})>", re.MULTILINE)


def returned_id(leaves: Iterable[Part], text: str, own: str | None) -> str | None:
    """Return the Message-ID of the mail that bounced, or None if the bounce does not have it."""
    for part in leaves:
        if part.media_type in _COPIES:
            quiet = Diagnostics()
            data = part.content(quiet)[:_READ]
            fields, _ = parse_headers(data, 0, len(data), quiet)
            value = first(fields, "message-id")
            if value and (found := _BRACKETED.search(raw_text(value, quiet))) and found[1] != own:
                return found[1]
    return next((found[1] for found in _ID.finditer(text[:_READ]) if found[1] != own), None)
