"""Compares what our parser says of a mail with what another one expects."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from schemas.addresses import normal_address_or_none
from schemas.mail import Content, Role
from services.parser.content.parse import parse_mail
from testbed.parsing.corpus import Expected

_ACCOUNT = "a" * 24


def read(path: Path) -> Content:
    """Parse a mail of the corpus."""
    return parse_mail(path.read_bytes(), account=_ACCOUNT, internal_date=datetime(2026, 1, 1, tzinfo=UTC)).content


def squeezed(text: str) -> str:
    """Return text with its white space collapsed and without NUL."""
    return " ".join(text.replace("\x00", "").split())


def addresses(found: Iterable[str]) -> list[str]:
    """Return addresses in normal form, those that are none left out."""
    return sorted({normal for each in found if (normal := normal_address_or_none(each))})


FIELDS: dict[str, Callable[[Expected, Content], tuple[object, object] | None]] = {
    "subject": lambda expected, content: (
        None if expected.subject is None else (squeezed(expected.subject), squeezed(content.subject))
    ),
    "senders": lambda expected, content: (
        None if expected.senders is None else (addresses(expected.senders), roles(content, Role.FROM))
    ),
    "recipients": lambda expected, content: (
        None if expected.recipients is None else (addresses(expected.recipients), roles(content, Role.TO))
    ),
    "text": lambda expected, content: (
        None if expected.text is None else (squeezed(expected.text), squeezed(content.text))
    ),
    "attachments": lambda expected, content: (
        None if expected.attachments is None else (names(expected.attachments), names_of(content, expected.attachments))
    ),
}


def roles(content: Content, role: Role) -> list[str]:
    """Return the addresses in one role."""
    return sorted({person.address for person in content.participants if person.role is role})


def names(found: Iterable[str]) -> list[str]:
    """Return file names without paths; a nameless one is a star."""
    return sorted(squeezed(name.rpartition("/")[2].rpartition("\\")[2]) or "*" for name in found)


def names_of(content: Content, expected: Iterable[str]) -> list[str]:
    """Return the names of attachments; one that we made up where the other parser says none is a star."""
    theirs = set(names(expected))
    made_up = [
        each.name.startswith("attachment-") or each.media_type == "message/rfc822" for each in content.attachments
    ]
    return sorted(
        "*" if ours and each.name not in theirs else each.name
        for each, ours in zip(content.attachments, made_up, strict=True)
    )
