"""The text of a mail that is attached to another: most are forwarded so."""

from __future__ import annotations

from services.parser.content.body_selection import Selection, select
from services.parser.content.body_text import text_of
from services.parser.mime import limits
from services.parser.mime.diagnostics import Diagnostics
from services.parser.mime.structure import Part, read_structure
from services.parser.reply.text import read_reply

_MAIL = frozenset({"message/rfc822", "message/global"})


def _is_mail(part: Part) -> bool:
    """Whether a part is a mail, by its type or, where that says nothing, by its name."""
    named = part.media_type == "application/octet-stream" and part.file_name.lower().endswith(".eml")
    return named or part.media_type in _MAIL


def attached_text(selection: Selection, contents: dict[int, bytes], *, careful: bool) -> str:
    """Return what the first attached mail says itself; empty when none is attached, and in careful mode."""
    part = next(filter(_is_mail, selection.attachments), None)
    if part is None or careful:
        return ""
    quiet = Diagnostics()
    inner = select(read_structure(contents[id(part)][: limits.DECODED_TEXT_BYTES], quiet))
    return read_reply(text_of(inner, {id(leaf): leaf.content(quiet) for leaf in inner.leaves}, quiet)).text
