"""Sequence sets, and SEARCH (RFC 3501 section 6.4.4, RFC 4731)."""

from __future__ import annotations

from datetime import UTC, datetime
from email.parser import BytesHeaderParser

from testbed.servers.scripted.grammar import Value, word
from testbed.servers.scripted.mailbox import Message

_FLAGS = {b"SEEN", b"DELETED", b"FLAGGED", b"ANSWERED", b"DRAFT"}
_HEADERS = {b"SUBJECT", b"FROM", b"TO", b"CC", b"BCC"}


def members(text: bytes, numbers: list[int]) -> set[int]:
    """Return which of some ascending numbers a sequence set names; ``*`` is the highest."""
    highest = numbers[-1] if numbers else 0
    spans = []
    for part in text.split(b","):
        first, _, last = part.partition(b":")
        ends = [highest if end == b"*" else int(end) for end in (first, last or first)]
        spans.append((min(ends), max(ends)))
    return {number for number in numbers if any(low <= number <= high for low, high in spans)}


def compact(numbers: list[int]) -> bytes:
    """Return ascending numbers as a sequence set."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return b",".join(b"%d" % low if low == high else b"%d:%d" % (low, high) for low, high in spans)


class Search:
    """One SEARCH: takes its keys one by one."""

    def __init__(self, keys: list[Value], messages: list[Message]) -> None:
        self._keys = list(keys)
        self._messages = messages
        self._uids = [message.uid for message in messages]
        self.with_modseq = False

    def run(self) -> list[int]:
        """Return the positions (from 1) of the messages that match every key."""
        found = set(range(1, len(self._messages) + 1))
        while self._keys:
            found &= self._key()
        return sorted(found)

    def _key(self) -> set[int]:
        every = range(1, len(self._messages) + 1)
        key = self._keys.pop(0)
        if isinstance(key, list):
            return set(Search(key, self._messages).run())
        name = key.upper()
        if name in (b"ALL", b"NOT"):
            return set(every) - (self._key() if name == b"NOT" else set())
        if name == b"OR":
            return self._key() | self._key()
        if name == b"UID":
            wanted = members(self._take(), self._uids)
            return {place for place in every if self._uids[place - 1] in wanted}
        if name[:1].isdigit() or name[:1] == b"*":
            return members(name, list(every))
        count = 2 if name == b"HEADER" else 0 if name in _FLAGS or name[2:] in _FLAGS else 1
        arguments = [self._take() for _ in range(count)]
        return {place for place in every if self._matches(name, self._messages[place - 1], arguments)}

    def _take(self) -> bytes:
        value = self._keys.pop(0)
        return value if isinstance(value, bytes) else b""

    def _matches(self, name: bytes, message: Message, arguments: list[bytes]) -> bool:
        if name in _FLAGS:
            return f"\\{name.decode().title()}" in message.flags
        if name[2:] in _FLAGS:  # UNSEEN
            return f"\\{name[2:].decode().title()}" not in message.flags
        if name == b"MODSEQ":
            self.with_modseq = True
            return message.modseq >= int(arguments[0])
        if name in (b"SINCE", b"BEFORE", b"ON"):
            day = datetime.strptime(arguments[0].decode(), "%d-%b-%Y").replace(tzinfo=UTC).date()
            date = message.date.date()
            return date >= day if name == b"SINCE" else date < day if name == b"BEFORE" else date == day
        if name == b"HEADER" or name in _HEADERS:
            field, text = arguments if name == b"HEADER" else (name, arguments[0])
            values = BytesHeaderParser().parsebytes(message.raw).get_all(field.decode(), [])
            return any(text.decode().lower() in str(value).lower() for value in values)
        if name in (b"TEXT", b"BODY"):
            return arguments[0].lower() in message.raw.lower()
        raise ValueError(f"unknown key {name!r}")


def options(arguments: list[Value]) -> list[bytes] | None:
    """Take RETURN and its options from the front of SEARCH's arguments; None for the plain form."""
    if len(arguments) > 1 and word(arguments[0]) == b"RETURN" and isinstance(arguments[1], list):
        wanted = [word(one) for one in arguments[1]] or [b"ALL"]
        del arguments[:2]
        return wanted
    return None
