"""FETCH (RFC 3501 section 6.4.5, RFC 7162 section 3.1.4)."""

from __future__ import annotations

import re

from testbed.servers.scripted.grammar import Value, quoted, words
from testbed.servers.scripted.mailbox import Message

_SECTION = re.compile(rb"(?:BODY|BINARY)(?:\.PEEK)?\[([^\]]*)\](?:<(\d+)\.(\d+)>)?", re.IGNORECASE)
_MACROS = {
    b"FAST": [b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE"],
    b"ALL": [b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE", b"ENVELOPE"],
}


def header(raw: bytes) -> bytes:
    """Return a mail's header block with the empty line that ends it."""
    head, separator, _ = raw.partition(b"\r\n\r\n")
    return head + separator


def wants_body(items: list[bytes]) -> bool:
    """Whether a FETCH asks for a body or a piece of it, not only for headers."""
    return any(item.startswith((b"BODY.PEEK[]", b"BODY[]")) or item in (b"RFC822", b"RFC822.TEXT") for item in items)


def item_names(value: Value) -> list[bytes]:
    """Return the items of a FETCH in capitals; macros are resolved."""
    return [name for item in words(value) for name in _MACROS.get(item, [item])]


def _chosen(section: bytes, raw: bytes) -> bytes:
    name = section.upper()
    if not name:
        return raw
    if name == b"HEADER":
        return header(raw)
    if name == b"TEXT":
        return raw[len(header(raw)) :]
    if name.startswith(b"HEADER.FIELDS"):
        wanted = {field.lower() for field in re.findall(rb"[^\s()]+", section[len(b"HEADER.FIELDS") :])}
        lines = re.split(rb"\r\n(?![ \t])", header(raw).rstrip(b"\r\n"))
        kept = [line for line in lines if line.partition(b":")[0].strip().lower() in wanted]
        return b"".join(line + b"\r\n" for line in kept) + b"\r\n"
    return b""


def _value(item: bytes, message: Message) -> bytes | None:  # noqa: PLR0911 - one return per item
    match item:
        case b"UID":
            return b"%d" % message.uid
        case b"FLAGS":
            return b"(" + " ".join(sorted(message.flags)).encode() + b")"
        case b"INTERNALDATE":
            return message.date.strftime('"%d-%b-%Y %H:%M:%S %z"').encode()
        case b"RFC822.SIZE":
            return b"%d" % len(message.raw)
        case b"MODSEQ":
            return b"(%d)" % message.modseq
        case b"X-GM-LABELS":
            return b"(" + b" ".join(quoted(label.encode()) for label in message.labels) + b")"
        case b"X-GM-MSGID" | b"X-GM-THRID":
            return b"%d" % message.number
        case b"RFC822" | b"RFC822.HEADER":
            part = message.raw if item == b"RFC822" else header(message.raw)
            return b"{%d}\r\n%s" % (len(part), part)
        case b"ENVELOPE" | b"BODYSTRUCTURE" | b"BODY":
            return b"NIL"
    return None


def fetch_line(sequence: int, message: Message, items: list[bytes]) -> bytes:
    """Return one FETCH answer, without its line end."""
    parts = []
    for item in items:
        found = _SECTION.fullmatch(item)
        if found:
            data, name = _chosen(found[1], message.raw), b"BODY[%s]" % found[1]
            if found[2]:
                start = int(found[2])
                data, name = data[start : start + int(found[3])], name + b"<%d>" % start
            parts.append(b"%s {%d}\r\n%s" % (name, len(data), data))
        elif (value := _value(item, message)) is not None:
            parts.append(item + b" " + value)
    return b"* %d FETCH (%s)" % (sequence, b" ".join(parts))
