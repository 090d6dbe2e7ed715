"""Messages in answers to FETCH. Tolerant: what cannot be read is left out; and strict about numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from services.mailbox.imap.answers.numbers import MAX_NUMBER, AnswerError, bounded, uid
from services.mailbox.imap.answers.structure import BodyPart, body_parts
from services.mailbox.imap.answers.tokens import Item, Value, responses, text, tokens

_DATE = re.compile(rb" ?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")
_MONTHS = {
    name: number for number, name in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1)
}
_SECTION = re.compile(rb"BODY\[([1-9][0-9.]{0,40}(?:\.HEADER)?)\]")
MAX_FLAGS, MAX_FLAG = 500, 200
"""Flags or labels of one message, and bytes of each; what is beyond is left out."""
MAX_ALL_FLAGS = 100_000
"""Different flags and labels in one answer."""


@dataclass(slots=True)
class Fetched:
    """One message of a FETCH answer; what the server did not send is None or empty."""

    uid: int
    flags: tuple[str, ...] | None = None
    internal_date: datetime | None = None
    size: int | None = None
    header: bytes | None = None
    header_cut: bool = False
    """Whether ``header`` may be the beginning only."""
    body: bytes | None = None
    """All of it, or the requested part."""
    labels: tuple[str, ...] = ()
    modseq: int | None = None
    structure: tuple[BodyPart, ...] = ()
    """Its leaves, as the server says."""
    sections: tuple[tuple[str, bytes], ...] = ()
    """The requested sections, such as ``2`` and ``3.HEADER``, with what came of them."""


def fetched(items: Iterable[Item]) -> list[Fetched]:
    """Return the messages of FETCH answers, each once, without those that have no UID: an unsolicited answer may lack it (RFC 3501).

    What a server says of one message in several responses is put together; the last counts.

    Raises:
        AnswerError: numbers that cannot be, or too many flags.
    """
    found: list[Fetched] = []
    flags = _Flags()
    ascending = True
    for line, literals in responses(items):
        parsed = tokens(line, literals)
        if len(parsed) > 1 and isinstance(parsed[1], list) and (message := _message(parsed[1], flags)):
            ascending = ascending and (not found or found[-1].uid < message.uid)
            found.append(message)
    if ascending:
        return found
    by_uid: dict[int, Fetched] = {}
    for message in found:
        by_uid[message.uid] = _merged(by_uid[message.uid], message) if message.uid in by_uid else message
    return list(by_uid.values())


def _merged(before: Fetched, after: Fetched) -> Fetched:
    said = {name: value for name in Fetched.__slots__ if (value := getattr(after, name)) not in (None, ())}
    return replace(before, **said | {"sections": before.sections + after.sections})


class _Flags:
    """The flags of an answer's messages: most have the same few."""

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, ...], tuple[str, ...]] = {}
        self._count = 0

    def of(self, values: list[Value]) -> tuple[str, ...]:
        raw = tuple(flag for flag in values[:MAX_FLAGS] if isinstance(flag, bytes) and len(flag) <= MAX_FLAG)
        if (known := self._known.get(raw)) is not None:
            return known
        self._count += len(raw) + 1
        if self._count > MAX_ALL_FLAGS:
            raise AnswerError("too-much-data", f"the server sent more than {MAX_ALL_FLAGS} flags")
        return self._known.setdefault(raw, tuple(text(flag) for flag in raw))


def _message(values: list[Value], flags: _Flags) -> Fetched | None:  # noqa: C901, PLR0912 - one case per attribute
    message = Fetched(0)
    for name, value in zip(values[::2], values[1::2], strict=False):
        if isinstance(name, list):
            return None
        word = name.upper()
        if isinstance(value, list):
            if word == b"FLAGS":
                message.flags = flags.of(value)
            elif word == b"X-GM-LABELS":
                message.labels = flags.of(value)
            elif word == b"BODYSTRUCTURE":
                message.structure = tuple(body_parts(value))
            elif word == b"MODSEQ" and value and isinstance(value[0], bytes) and value[0].upper() != b"NIL":
                message.modseq = bounded(value[0], MAX_NUMBER, "modseq")
        elif word == b"UID":
            message.uid = uid(value)
        elif word == b"INTERNALDATE":
            message.internal_date = internal_date(value)
        elif word == b"RFC822.SIZE" and value.upper() != b"NIL":
            message.size = bounded(value, MAX_NUMBER, "size")
        elif word.startswith((b"BODY[HEADER", b"RFC822.HEADER")):
            message.header = b"" if value == b"NIL" else value
        elif word.startswith(b"BODY[]") or word == b"RFC822":
            message.body = None if value == b"NIL" else value
        elif (section := _SECTION.match(word)) is not None and value != b"NIL":
            message.sections += ((section[1].decode(), value),)
    return message if message.uid else None


@lru_cache(maxsize=64)
def _zone(sign: bytes, hours: bytes, minutes: bytes) -> timezone:
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-offset if sign == b"-" else offset)


def internal_date(value: bytes) -> datetime | None:
    """Return an INTERNALDATE (RFC 3501 section 9, date-time) in UTC, or None."""
    match = _DATE.fullmatch(value)
    if not match:
        return None
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = match.groups()
    try:
        moment = datetime(
            int(year), _MONTHS[month.lower()], int(day), int(hour), int(minute), min(int(second), 59),
            tzinfo=_zone(sign, zone_hours, zone_minutes),
        )  # fmt: skip
        return moment.astimezone(UTC)
    except (KeyError, ValueError, OverflowError):
        return None
