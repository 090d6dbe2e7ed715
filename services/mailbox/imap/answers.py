"""Turn the answers of IMAP servers, in imaplib's form, into values. Pure and tolerant: what cannot be read is left out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

from services.mailbox.imap.tokens import ESCAPED, Item, Value, responses, tokens

UidRanges: TypeAlias = list[tuple[int, int]]
"""Both ends included."""

_DATE = re.compile(rb" ?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")
_MONTHS = {
    name: number for number, name in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1)
}
_FOREIGN: tuple[Literal["other-users", "shared"] | None, ...] = (None, "other-users", "shared")
"""The order of a NAMESPACE answer."""
_SET = re.compile(rb"(\d+)(?::(\d+))?")
_STATUS_ITEM = re.compile(rb"(?<![A-Z])([A-Z]+) (\d+)", re.IGNORECASE)
_LIST = re.compile(rb'\(([^()]*)\) (NIL|"(?:[^"\\]|\\.)*+") (.*)', re.DOTALL | re.IGNORECASE)


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


class Namespace(NamedTuple):
    """A part of the tree of folders."""

    prefix: bytes
    delimiter: bytes
    foreign: Literal["other-users", "shared"] | None


@dataclass(frozen=True, slots=True)
class Listed:
    """One folder of a LIST answer."""

    raw_name: bytes
    delimiter: str | None
    attributes: frozenset[str]
    """Lower case, with the backslash."""
    foreign: Literal["other-users", "shared"] | None = None
    """Whose it is, if not the user's own (NAMESPACE, RFC 2342)."""


def text(value: bytes) -> str:
    """Return flags and the like as text; invalid 8-bit characters stay visible as escapes."""
    return value.decode("utf-8", "backslashreplace")


def fetched(items: Iterable[Item]) -> list[Fetched]:
    """Return the messages of FETCH answers without those that have no UID: an unsolicited answer may lack it (RFC 3501)."""
    found = []
    for line, literals in responses(items):
        parsed = tokens(line, literals)
        if len(parsed) > 1 and isinstance(parsed[1], list) and (message := _message(parsed[1])):
            found.append(message)
    return found


def _message(values: list[Value]) -> Fetched | None:  # noqa: C901 - one case per attribute
    message = Fetched(0)
    for name, value in zip(values[::2], values[1::2], strict=False):
        if isinstance(name, list):
            return None
        word = name.upper()
        if isinstance(value, list):
            if word == b"FLAGS":
                message.flags = tuple(text(flag) for flag in value if isinstance(flag, bytes))
            elif word == b"X-GM-LABELS":
                message.labels = tuple(text(label) for label in value if isinstance(label, bytes))
            elif word == b"MODSEQ":
                message.modseq = int(value[0]) if value and isinstance(value[0], bytes) and value[0].isdigit() else None
        elif word == b"UID":
            message.uid = int(value) if value.isdigit() else 0
        elif word == b"INTERNALDATE":
            message.internal_date = internal_date(value)
        elif word == b"RFC822.SIZE":
            message.size = int(value) if value.isdigit() else None
        elif word.startswith((b"BODY[HEADER", b"RFC822.HEADER")):
            message.header = b"" if value == b"NIL" else value
        elif word.startswith(b"BODY[]") or word == b"RFC822":
            message.body = None if value == b"NIL" else value
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


def listed(items: Iterable[Item]) -> list[Listed]:
    """Return the folders of a LIST answer. Each entry is parsed alone: a malformed one affects no other."""
    found = []
    for line, literals in responses(items):
        match = _LIST.match(line)
        if not match:
            continue
        name = tokens(match[3], literals)
        if not name or not isinstance(name[0], bytes):
            continue
        # An unquoted name may contain what our tokens split at: then the rest of the line is the name.
        raw = name[0] if literals or match[3][:1] == b'"' else match[3].rstrip()
        delimiter = None if match[2].upper() == b"NIL" else text(ESCAPED.sub(rb"\1", match[2][1:-1]))
        found.append(Listed(raw, delimiter, frozenset(text(word).lower() for word in match[1].split())))
    return found


def namespaces(items: Iterable[Item]) -> list[Namespace]:
    """Return the personal, other users' and shared namespaces of a NAMESPACE answer (RFC 2342 section 5)."""
    found: list[Namespace] = []
    for line, literals in responses(items):
        for foreign, several in zip(_FOREIGN, tokens(line, literals), strict=False):
            for one in several if isinstance(several, list) else ():  # NIL: the server has none of the kind
                match one:
                    case [bytes() as prefix, bytes() as delimiter, *_]:
                        found.append(Namespace(prefix, b"" if delimiter.upper() == b"NIL" else delimiter, foreign))
    return found


def in_namespaces(entries: Iterable[Listed], spaces: Iterable[Namespace]) -> list[Listed]:
    """Return folders with whose they are: the longest prefix decides, and INBOX is the user's own (RFC 3501 section 5.1)."""
    longest_first = sorted(spaces, key=lambda space: -len(space.prefix))  # stable: personal before others
    return [_placed(entry, longest_first) for entry in entries]


def _placed(entry: Listed, spaces: Iterable[Namespace]) -> Listed:
    if entry.raw_name.upper() == b"INBOX":
        return entry
    for space in spaces:
        if entry.raw_name.startswith(space.prefix) or entry.raw_name + space.delimiter == space.prefix:
            return replace(entry, foreign=space.foreign)
    return entry


def statuses(items: Iterable[Item]) -> dict[bytes, dict[str, int]]:
    """Return STATUS answers by raw folder name, items in lower case."""
    found: dict[bytes, dict[str, int]] = {}
    for line, literals in responses(items):
        head, _, values = line.rpartition(b"(")
        name = tokens(head, literals)
        raw = name[0] if name and isinstance(name[0], bytes) and (literals or head[:1] == b'"') else head.rstrip()
        found[raw] = {item.decode().lower(): int(value) for item, value in _STATUS_ITEM.findall(values)}
    return found


def uid_ranges(items: Iterable[Item]) -> UidRanges:
    """Return the uids of VANISHED answers (RFC 7162 section 3.2.10) as ranges: one may span four billion."""
    return [
        (min(int(first), int(last or first)), max(int(first), int(last or first)))
        for line, _ in responses(items)
        for first, last in _SET.findall(line.removeprefix(b"(EARLIER)"))
    ]


def searched(items: Iterable[Item]) -> list[int]:
    """Return the uids of SEARCH answers, ascending, each once; a MODSEQ at the end is left out."""
    return sorted(
        {int(word) for line, _ in responses(items) for word in line.partition(b"(")[0].split() if word.isdigit()}
    )


def number(items: Iterable[Item]) -> int | None:
    """Return the last value of a response code, or None when it is no number (HIGHESTMODSEQ may be NIL)."""
    values = [item for item in items if isinstance(item, bytes)]
    return int(values[-1]) if values and values[-1].isdigit() else None


def uid_set(uids: Iterable[int]) -> str:
    """Return a sequence-set (RFC 3501 section 9) in which consecutive uids are ranges."""
    spans: list[list[int]] = []
    for uid in sorted(uids):
        if spans and uid == spans[-1][1] + 1:
            spans[-1][1] = uid
        else:
            spans.append([uid, uid])
    return ",".join(str(first) if first == last else f"{first}:{last}" for first, last in spans)
