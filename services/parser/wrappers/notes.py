"""What is said of parts that are not text: invitations, encrypted mail, parts of a mail, files that are kept elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence

from services.parser.mime.structure import Part
from services.parser.wrappers import invitations
from services.parser.wrappers.cms import SMIME, is_encrypted

_NAMED = 300
_CLOCK = re.compile(r"\d[:.h]\d\d(?!\d)|\d ?[ap]\.?m\b|\b(?:at|um|om|kl\.?|à|alle|a las|às) \d{1,2}\b", re.IGNORECASE)
"""A time of day."""
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def notes_of(leaves: Sequence[Part], contents: dict[int, bytes], text: str, *, careful: bool) -> list[str]:
    """Return what a reader is told beside the text, each in a paragraph of its own; ``contents`` is by ``id`` of the part.

    What the text says already is left out: most programs tell an invitation in words, too.
    """
    notes = []
    for part in leaves:
        if invitations.is_calendar(part) and not careful:
            notes.append(invitations.invitation_text(contents[id(part)], part.parameters))
        elif part.media_type in SMIME and is_encrypted(contents[id(part)]):
            notes.append("Encrypted mail (S/MIME): only its recipients can read it.")
        elif part.media_type == "application/pgp-encrypted":
            notes.append("Encrypted mail (OpenPGP): only its recipients can read it.")
        elif part.media_type == "message/partial":
            notes.append(_partial(part))
        elif part.media_type == "message/external-body":
            notes.append(_external(part))
    if not notes:
        return []
    told = " ".join(text.split())
    distinct = dict.fromkeys(_CONTROL.sub("", note) for note in notes if note)
    return [note for note in distinct if not told or not _is_told(note, told)]


def _is_told(note: str, text: str) -> bool:
    """Whether a text says what a note does: the title, and some time of day if the note has one."""
    return note.partition("\n")[0].partition(": ")[2] in text and (
        _CLOCK.search(note) is None or _CLOCK.search(text) is not None
    )


def _partial(part: Part) -> str:
    number, total = (part.parameters.get(name, "")[:9] for name in ("number", "total"))
    counted = f"part {number} of {total}" if total else f"part {number or '?'}"
    return f"This mail was sent in pieces: {counted}."


def _external(part: Part) -> str:
    where = [part.parameters.get(name, "")[:_NAMED] for name in ("url", "site", "directory", "name")]
    kind = part.parameters.get("access-type", "").lower()[:40]
    return f"A file is kept elsewhere ({kind or 'unknown'}): {' '.join(filter(None, where))}".rstrip(": ") + "."
