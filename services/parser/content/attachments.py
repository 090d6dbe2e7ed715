"""Parts that are served as downloads."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import unquote

from schemas.mail import Attachment
from services.parser.content.body_selection import Selection
from services.parser.content.file_names import made_up_name, safe_name
from services.parser.mime import limits
from services.parser.mime.diagnostics import Diagnostics
from services.parser.mime.headers import decoded, first, one_line, parse_headers, raw_text
from services.parser.mime.structure import Part

_REFERRED = re.compile(r"""["'(=]\s*cid:([^"'\s)>]{1,300})""", re.IGNORECASE)
_MAIL = frozenset({"message/rfc822", "message/global"})


def _content_id(part: Part, diagnostics: Diagnostics) -> str | None:
    value = first(part.fields, "content-id")
    return raw_text(value, diagnostics).strip().strip("<>").strip()[: limits.MESSAGE_ID] or None if value else None


def _name(part: Part, data: bytes, number: int) -> str:
    if name := safe_name(part.file_name):
        return name
    subject = ""
    if part.media_type in _MAIL:
        quiet = Diagnostics()
        fields, _ = parse_headers(data, 0, len(data), quiet)
        if value := first(fields, "subject"):
            subject = one_line(decoded(value, quiet), limits.NAME)
    return made_up_name(part.media_type, number, subject)


def collect_attachments(
    selection: Selection, contents: dict[int, bytes], html: str, blobs: dict[str, bytes], diagnostics: Diagnostics
) -> tuple[Attachment, ...]:
    """Return the attachments of a mail, at most 200, and put their content into ``blobs``.

    ``contents`` is by ``id`` of the part, ``blobs`` by SHA-256 in hex. An image to which the HTML refers by ``cid:`` is inline,
    whatever its disposition.
    """
    named = selection.attachments and ("cid:" in html or "CID:" in html)
    referred = set(_REFERRED.findall(html)) if named else set()
    referred |= {unquote(one) for one in referred if "%" in one}  # RFC 2392 section 2
    found: list[Attachment] = []
    for number, part in enumerate(selection.attachments, 1):
        if number > limits.ATTACHMENTS:
            diagnostics.cut()
            break
        data = contents[id(part)]
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        content_id = _content_id(part, diagnostics)
        image = part.media_type.startswith("image/")
        inline = content_id in referred or (
            image and (part.disposition == "inline" or (bool(content_id) and not part.disposition))
        )
        found.append(
            Attachment(
                name=_name(part, data, number),
                media_type=part.media_type,
                size=len(data),
                sha256=digest,
                content_id=content_id,
                inline=inline,
            )
        )
    return tuple(found)
