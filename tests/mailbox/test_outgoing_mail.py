"""The mails that Leadmail sends: no text can add a header."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email import message_from_bytes
from typing import Any

import pytest

from schemas.accounts import User
from services.mailbox.connection import InjectionError
from services.mailbox.outgoing_mail import build_mail, serialize

FIELDS: dict[str, Any] = {
    "sender": "Leadmail <leadmail@example.test>",
    "subject": "Your mail is here",
    "message_id": "<1@example.test>",
    "date": "Sun, 01 Feb 2026 10:00:00 +0000",
    "text": "Hello",
    "html": "<p>Hello</p>",
}
ANN = User(email="ann@example.test", name="Ann", created_at=datetime(2026, 1, 1, tzinfo=UTC))
BREAKS = ["\r", "\n", "\r\n", "\x85", "\u2028", "\v", "\f", "\0"]
PLACES = ["x{}Bcc: eve@example.test", "{}Bcc: eve@example.test", "x{}"]


def headers(data: bytes) -> list[str]:
    """Return the names of a mail's headers, read as strictly as a server that takes a bare CR for a line end."""
    head = re.split(rb"\r\n\r\n", data, maxsplit=1)[0]
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", head)
    return message_from_bytes(data).keys()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("line_break", BREAKS, ids=ascii)
@pytest.mark.parametrize("field", ["sender", "name", "subject", "message_id", "date"])
def test_no_field_adds_a_header(field: str, line_break: str, place: str) -> None:
    """A line break in a field, also a bare CR, and also at its end, is removed or refused."""
    text = place.format(line_break)
    to = ANN.model_copy(update={"name": text}) if field == "name" else ANN
    fields = FIELDS if field == "name" else FIELDS | {field: text + (" <a@example.test>" if field == "sender" else "")}
    plain = headers(serialize(build_mail(to=[ANN], **FIELDS)))
    try:
        data = serialize(build_mail(to=[to], **fields))
    except ValueError:
        return
    assert headers(data) == plain


def test_a_bare_cr_that_gets_into_a_header_is_refused() -> None:
    """Python's policy lets a CR at the end of a value through; the last check before the network does not."""
    mail = build_mail(to=[ANN], **FIELDS)
    mail["X-Note"] = "note\r"
    with pytest.raises(InjectionError):
        serialize(mail)


def test_line_breaks_in_the_text_stay_in_the_text() -> None:
    """A bare CR in the body ends a line of the body and nothing else."""
    data = serialize(build_mail(to=[ANN], **FIELDS | {"text": "one\rBcc: eve@example.test\n.\ntwo"}))
    assert headers(data) == headers(serialize(build_mail(to=[ANN], **FIELDS)))
    assert b"\r" not in data.replace(b"\r\n", b"")


def test_a_mail_without_a_recipient_names_none() -> None:
    """Whoever finds it in a mailbox cannot tell from its headers whom it was sent to; and it needs no HTML."""
    fields = {name: value for name, value in FIELDS.items() if name != "html"}
    read = message_from_bytes(serialize(build_mail(to=(), **fields)))
    assert (read["To"], read.get_content_type()) == ("undisclosed-recipients:;", "text/plain")
