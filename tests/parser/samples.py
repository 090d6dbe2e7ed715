"""Small made-up mails, and parsing them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

from schemas.mail import Content, Role
from services.parser.content.parse import ParsedMail, parse_mail

ACCOUNT = "a" * 24
RECEIVED = datetime(2025, 3, 3, 12, 0, tzinfo=UTC)
HEAD = (
    b"From: Joerg Weber <joerg@client.example>\r\n"
    b"To: Anna Schmidt <anna@acme.example>\r\n"
    b"Subject: Offer\r\n"
    b"Date: Mon, 3 Mar 2025 11:11:10 +0100\r\n"
    b"Message-ID: <offer-1@client.example>\r\n"
)
BOUNDARY = b"----=_Part_7"


def mail(body: bytes = b"Hello\r\n", *fields: bytes, head: bytes = HEAD) -> bytes:
    """Return a mail of usual header fields, further fields, and a body."""
    return head + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


def with_field(name: bytes, value: bytes, body: bytes = b"Hello\r\n") -> bytes:
    """Return a mail in which one of the usual fields has another value."""
    lines = [line for line in HEAD.splitlines(keepends=True) if not line.startswith(name + b":")]
    return b"".join(lines) + name + b": " + value + b"\r\n\r\n" + body


def part(content: bytes, *fields: bytes) -> bytes:
    """Return a part of a multipart."""
    return b"".join(field + b"\r\n" for field in fields) + b"\r\n" + content


def file_part(data: bytes, kind: bytes, name: bytes) -> bytes:
    """Return a part with a file: its Content-Type, and its name as an attachment."""
    return part(
        base64.encodebytes(data),
        b"Content-Type: " + kind,
        b"Content-Transfer-Encoding: base64",
        b'Content-Disposition: attachment; filename="' + name + b'"',
    )


def multipart(kind: bytes, *parts: bytes, boundary: bytes = BOUNDARY) -> tuple[bytes, bytes]:
    """Return the body and the Content-Type field of a multipart."""
    body = b"".join(b"--" + boundary + b"\r\n" + each + b"\r\n" for each in parts) + b"--" + boundary + b"--\r\n"
    return body, b"Content-Type: multipart/" + kind + b'; boundary="' + boundary + b'"'


def mixed(*parts: bytes, kind: bytes = b"mixed") -> bytes:
    """Return a mail of several parts."""
    body, field = multipart(kind, *parts)
    return mail(body, field)


def parsed(raw: bytes) -> ParsedMail:
    """Parse."""
    return parse_mail(raw, account=ACCOUNT, internal_date=RECEIVED)


def content(raw: bytes) -> Content:
    """Parse, and return what the mail says."""
    return parsed(raw).content


def people(raw: bytes, role: Role) -> list[tuple[str, str]]:
    """Return (name, address) of the participants in one role."""
    return [(person.name, person.address) for person in content(raw).participants if person.role is role]
