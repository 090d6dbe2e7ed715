"""What was typed, and the refusal of what cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs

from starlette.requests import Request

from services.mailbox.outgoing_mail import one_line

MOST_BYTES = 64 * 1024
_MOST_FIELDS = 5_000
_MOST_TEXT = 1_000
_FORM = "application/x-www-form-urlencoded"


class AnswerError(Exception):
    """The request is answered with a status and a sentence that says what to do."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class Form:
    """What was typed into a form, or stands in an address."""

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        self._fields = fields

    def text(self, name: str, default: str = "") -> str:
        """Return a field on one line, without blanks around it."""
        return one_line(self._fields.get(name, [default])[-1])[:_MOST_TEXT]

    def secret(self, name: str) -> str:
        """Return a field as it was typed."""
        return self._fields.get(name, [""])[-1]

    def all(self, name: str) -> list[str]:
        """Return every value of a field as it was sent."""
        return self._fields.get(name, [])

    def number(self, name: str, default: int, *, most: int) -> int:
        """Return a number from 1 to ``most``; the default for what is none."""
        typed = self.text(name)
        return min(max(int(typed), 1), most) if typed.isdecimal() and len(typed) < 10 else default  # noqa: PLR2004


async def read_form(request: Request) -> Form:
    """Return what was typed.

    Raises:
        AnswerError: it is no form, or too long.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise AnswerError(415, "This is not a form of this page.")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise AnswerError(413, "This is too much for a form.")
    try:
        return Form(parse_qs(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"))
    except ValueError:
        raise AnswerError(400, "This form cannot be read: go back and try again.") from None
