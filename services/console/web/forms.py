"""Submitted forms, and the error that refuses a request."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from urllib.parse import parse_qs

from starlette.requests import Request

from schemas.errors import LeadmailError
from services.mailbox.outgoing_mail import one_line

MOST_BYTES = 64 * 1024
_MOST_FIELDS = 5_000
MOST_TEXT = 1_000
_FORM = "application/x-www-form-urlencoded"


class PageError(LeadmailError):
    """The request is refused with a status and a sentence that says what to do."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


def local_path(path: str) -> str:
    """Return the path if it stays on this site, else ``/``: the parameter may come from anyone."""
    ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and "\\" not in path
    return path if ours else "/"


def new_secret() -> str:
    """Return 256 random bits, URL-safe."""
    return secrets.token_urlsafe(32)


class Form:
    """The fields of a form or a query string."""

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        self._fields = fields

    def __contains__(self, name: object) -> bool:
        return name in self._fields

    def text(self, name: str, default: str = "") -> str:
        """Return a field as one line, without surrounding spaces."""
        return one_line(self._fields.get(name, [default])[-1])[:MOST_TEXT]

    def secret(self, name: str) -> str:
        """Return a field exactly as typed."""
        return self._fields.get(name, [""])[-1]

    def values(self, name: str) -> list[str]:
        """Return every value of a field exactly as sent."""
        return self._fields.get(name, [])

    def number(self, name: str, default: int, *, most: int) -> int:
        """Return a number from 1 to ``most``; the default if the field is not a number."""
        typed = self.text(name)
        return min(max(int(typed), 1), most) if typed.isdecimal() and len(typed) < 10 else default  # noqa: PLR2004


async def read_form(request: Request, most_bytes: int = MOST_BYTES) -> Form:
    """Return the submitted form, of at most so many bytes.

    Raises:
        PageError: the body is not a form, or is too large.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise PageError(415, "The request is not a form of this page.")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most_bytes:
            raise PageError(413, "The form is too large.")
    try:
        return Form(parse_qs(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"))
    except ValueError:
        raise PageError(400, "The form cannot be read. Go back and try again.") from None
