"""Compares what our parser says of a mail with what another one says, by rules that are the same for all of them.

- White space is collapsed. In texts it does not count, nor do quote marks: not all parsers join the lines of format=flowed.
- U+FFFD in what the other says stands for any characters: it is what the other could not read.
- A parser that names only the first of several addresses agrees if ours has it.
- What Leadmail itself says of files that are kept elsewhere and of mail in pieces is no text of the mail.
- For a parser that opens attached mail and reports as if they were multiparts, the text and the files in them count, and they
  are no files themselves, unless they have names.
- A name that a parser made up is a star. Paths are taken off. Types and sizes are compared where both lists have the same
  names, sizes not of text and attached mail, which some give decoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from schemas.addresses import normal_address_or_none
from schemas.mail import Attachment, Content, Role
from services.parser.content.parse import ParsedMail, parse_mail
from testbed.parsing.corpus import Expected, ListedFile

_ACCOUNT = "a" * 24
_RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)
_NOTE = re.compile(r"(?:^|\n\n)(?:A file is kept elsewhere \(|This mail was sent in pieces: |Encrypted mail \()")
_MAIL = ("message/rfc822", "message/global")
_MADE_UP = ("attachment-", "invite.", "part-of-a-mail.", "kept-elsewhere.")
REPLACEMENT = "\ufffd"
Pair = tuple[object, object]


class Loose(str):
    """A text in which a replacement character equals any characters."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if REPLACEMENT not in self or not isinstance(other, str):
            return str.__eq__(self, other)
        first, *pieces = re.split(f"{REPLACEMENT}+", self)
        if not other.startswith(first):
            return False
        position = len(first)
        for piece in pieces[:-1]:
            position = other.find(piece, position + 1)
            if position < 0:
                return False
            position += len(piece)
        return len(other) - position > len(pieces[-1]) and other.endswith(pieces[-1])

    __hash__ = str.__hash__


@lru_cache(maxsize=4)
def _parsed(path: Path) -> ParsedMail:
    return parse_mail(path.read_bytes(), account=_ACCOUNT, internal_date=_RECEIVED)


def read(path: Path) -> Content:
    """Parse a mail of the corpus."""
    return _parsed(path).content


def _nested(path: Path) -> list[ParsedMail]:
    """Return a mail and those that are attached to it, at any depth."""
    found = [_parsed(path)]
    for parsed in found:
        found += [
            parse_mail(parsed.blobs[each.sha256], account=_ACCOUNT, internal_date=_RECEIVED)
            for each in parsed.content.attachments
            if each.media_type in _MAIL
        ]
    return found


def squeezed(text: str) -> str:
    """Return text with its white space collapsed and without NUL."""
    return " ".join(text.replace("\x00", "").split())


def _letters(text: str) -> str:
    return "".join(text.replace("\x00", "").replace(">", " ").split())


def addresses(found: Iterable[str]) -> list[str]:
    """Return addresses in normal form, those that are none left out."""
    return sorted({normal for each in found if (normal := normal_address_or_none(each))})


def _people(found: list[str] | None, content: Content, role: Role, *, first_only: bool) -> Pair | None:
    if found is None:
        return None
    theirs, ours = addresses(found), sorted({one.address for one in content.participants if one.role is role})
    return theirs, [one for one in ours if one in theirs] if first_only and len(ours) > len(theirs) == 1 else ours


def _text(expected: Expected, content: Content) -> Pair | None:
    if expected.text is None:
        return None
    theirs = Loose(_letters(expected.text))
    ours = _letters(_own(content.text))
    if not expected.nested or theirs == ours:
        return theirs, ours
    return theirs, _letters("\n".join(_own(each.content.text) for each in _nested(expected.path)))


def _own(text: str) -> str:
    note = _NOTE.search(text)
    return text if note is None else text[: note.start()]


def _files(expected: Expected, content: Content) -> list[ListedFile]:
    mails = [parsed.content for parsed in _nested(expected.path)] if expected.nested else [content]
    known = {_name(each.name) for each in expected.files or ()}
    return [
        ListedFile("*" if each.name not in known and _is_made_up(each) else each.name, each.media_type, each.size)
        for mail in mails
        for each in mail.attachments
    ]


def _name(name: str) -> str:
    return squeezed(name.replace("\\", "/").rpartition("/")[2]) or "*"


def _is_made_up(attachment: Attachment) -> bool:
    return attachment.media_type in _MAIL or attachment.name.startswith(_MADE_UP)


def _is_file(one: ListedFile, expected: Expected) -> bool:
    return one.name != "*" or not (expected.named_only or (one.media_type or "").startswith("message/"))


def _order(one: ListedFile) -> tuple[str, str, int]:
    return one.name, one.media_type or "", one.size or 0


def _listed(expected: Expected, content: Content) -> tuple[list[ListedFile], list[ListedFile]]:
    """Return both lists of attachments in one order."""
    theirs = [ListedFile(_name(each.name), each.media_type, each.size) for each in expected.files or ()]
    ours = _files(expected, content)
    if expected.nested or expected.named_only:
        theirs, ours = ([each for each in files if _is_file(each, expected)] for files in (theirs, ours))
    return sorted(theirs, key=_order), sorted(ours, key=_order)


def _attachments(expected: Expected, content: Content) -> Pair | None:
    if expected.files is None:
        count = expected.number_of_files
        return None if count is None else (count, len(content.attachments))
    theirs, ours = _listed(expected, content)
    return [Loose(each.name) for each in theirs], [each.name for each in ours]


def _facts(
    fact: Callable[[ListedFile, ListedFile], Pair | None],
) -> Callable[[Expected, Content], Pair | None]:
    def compare(expected: Expected, content: Content) -> Pair | None:
        names = _attachments(expected, content)
        if expected.files is None or names is None or names[0] != names[1]:
            return None
        pairs = [fact(theirs, ours) for theirs, ours in zip(*_listed(expected, content), strict=True)]
        known = [pair for pair in pairs if pair is not None]
        return ([pair[0] for pair in known], [pair[1] for pair in known]) if known else None

    return compare


def _type(theirs: ListedFile, ours: ListedFile) -> Pair | None:
    return None if theirs.media_type is None else (theirs.media_type.lower(), ours.media_type)


def _size(theirs: ListedFile, ours: ListedFile) -> Pair | None:
    kind = (ours.media_type or "").partition("/")[0]
    return None if theirs.size is None or kind in ("text", "message") else (theirs.size, ours.size)


FIELDS: dict[str, Callable[[Expected, Content], Pair | None]] = {
    "subject": lambda expected, content: (
        None if expected.subject is None else (Loose(squeezed(expected.subject)), squeezed(content.subject))
    ),
    "senders": lambda expected, content: _people(
        expected.senders, content, Role.FROM, first_only="senders" in expected.first_only
    ),
    "recipients": lambda expected, content: _people(
        expected.recipients, content, Role.TO, first_only="recipients" in expected.first_only
    ),
    "text": _text,
    "attachments": _attachments,
    "types": _facts(_type),
    "sizes": _facts(_size),
}


def compared(expected: Expected, field: str) -> tuple[str, object]:
    """Return ``agree``, ``differ``, ``fail`` (ours raises), ``unread`` (the other gave up) or ``none``, and both values."""
    try:
        pair = FIELDS[field](expected, read(expected.path))
    except Exception as error:  # noqa: BLE001 - that it raises is what is reported
        return "fail", error
    if pair is None:
        return "none", None
    if pair[0] == pair[1]:
        return "agree", pair
    gave_up = expected.unread and bool(read(expected.path).participants)
    return ("unread" if gave_up else "differ"), pair
