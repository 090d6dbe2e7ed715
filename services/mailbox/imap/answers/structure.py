"""The parts of a message in BODYSTRUCTURE (RFC 3501 section 7.4.2). Tolerant: what cannot be read is left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from services.mailbox.imap.answers.tokens import Value

MAX_PARTS = 100
"""Leaves of one message; what comes behind is left out."""
_RFC822 = "message/rfc822"
_ENVELOPED = 8
"""Where the structure of an attached message is among the fields of its part."""


class BodyPart(NamedTuple):
    """A leaf, as the server says."""

    section: str
    """By which it is fetched."""
    media_type: str
    encoding: str
    charset: str
    wrapped: bool = False
    """Whether it is in a report that is attached to the message."""


def body_parts(structure: Sequence[Value]) -> Iterator[BodyPart]:
    """Yield the leaves in their order; an attached message is one, followed by its own leaves if it is a multipart/report."""
    return islice(_leaves(structure, "", wrapped=False), MAX_PARTS)


def _leaves(structure: Sequence[Value], above: str, *, wrapped: bool) -> Iterator[BodyPart]:
    children = [one for one in _taken(structure) if isinstance(one, list)]
    if children:
        for number, child in enumerate(children, start=1):
            yield from _part(child, f"{above}{number}", wrapped=wrapped)
    else:
        yield from _part(structure, f"{above}1", wrapped=wrapped)


def _taken(structure: Sequence[Value]) -> Iterator[Value]:
    """Yield the lists that a structure begins with: the parts of a multipart."""
    for one in structure:
        if not isinstance(one, list):
            return
        yield one


def _part(structure: Sequence[Value], section: str, *, wrapped: bool) -> Iterator[BodyPart]:
    if structure and isinstance(structure[0], list):
        yield from _leaves(structure, f"{section}.", wrapped=wrapped)
        return
    media_type = f"{_word(structure, 0)}/{_word(structure, 1)}"
    fields = structure[2] if len(structure) > 2 and isinstance(structure[2], list) else []  # noqa: PLR2004
    named = dict(zip((_text(one) for one in fields[::2]), (_text(one) for one in fields[1::2]), strict=False))
    yield BodyPart(section, media_type, _word(structure, 5), named.get("charset", ""), wrapped)
    inner = structure[_ENVELOPED : _ENVELOPED + 1]
    if media_type == _RFC822 and not wrapped and inner and isinstance(inner[0], list):
        children = list(_taken(inner[0]))
        if children and _word(inner[0], len(children)) == "report":
            yield from _leaves(inner[0], f"{section}.", wrapped=True)


def _word(values: Sequence[Value], at: int) -> str:
    return _text(values[at]) if at < len(values) else ""


def _text(value: Value) -> str:
    return value.decode("latin-1").strip().lower()[:80] if isinstance(value, bytes) else ""
