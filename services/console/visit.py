"""One request: who asks, what was typed, and the answers that a page can give."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote

import structlog
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from schemas.accounts import User
from schemas.records import RecordRef
from services.console.mails import SignInMails
from services.console.pages import SAID, Pages
from services.desk.looking import Broker
from services.desk.pace import Pace
from services.desk.signing import Signer
from services.mailbox.compose import one_line
from services.mailbox.policy import ConnectPolicy
from services.mailbox.secrets import SecretBox
from services.runtime.settings import Settings
from services.store import NotFoundError, Store

MOST_BYTES = 64 * 1024
_MOST_FIELDS = 5_000
_MOST_TEXT = 1_000
_FORM = "application/x-www-form-urlencoded"
_KINDS = ("lead", "contact")
_FRAMED = {"iframe", "frame", "embed", "object"}


class AnswerError(Exception):
    """The request is answered with a status and a sentence that says what to do."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Console:
    """What every page works with; made once."""

    settings: Settings
    store: Store
    box: SecretBox
    policy: ConnectPolicy
    signer: Signer
    pages: Pages
    mails: SignInMails | None
    """None where the installation sends no mail."""
    broker: Broker | None
    """None where no broker is set."""
    pace: Pace
    log: structlog.typing.FilteringBoundLogger

    @property
    def secure(self) -> bool:
        """Whether people come by TLS."""
        return self.settings.console_url.startswith("https://")

    @property
    def cookie(self) -> str:
        """The name of the session's cookie; by its prefix browsers see to it that nobody else sets it (RFC 6265bis)."""
        return "__Host-leadmail" if self.secure else "leadmail"

    @property
    def form_cookie(self) -> str:
        """The name of the cookie that forms of people who are not signed in are bound to."""
        return f"{self.cookie}-form"


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


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody."""

    console: Console
    request: Request
    seed: str
    """What the tokens of this visitor's forms are bound to."""
    visitor: User | None
    """None for who is not signed in."""
    form: Form
    """What was typed, or (when a page is asked for) stands behind the question mark."""

    @property
    def store(self) -> Store:
        """The store."""
        return self.console.store

    @property
    def user(self) -> User:
        """Who is signed in: pages that need it are not reached otherwise."""
        assert self.visitor is not None
        return self.visitor

    @property
    def viewer(self) -> str:
        """The address that mail is read as."""
        return self.user.email

    @property
    def framed(self) -> bool:
        """Whether the page is to stand in a frame of another."""
        return self.request.headers.get("sec-fetch-dest", "") in _FRAMED

    def part(self, name: str) -> str:
        """Return a part of the path."""
        return str(self.request.path_params[name])

    def page(self, name: str, *, status: int = 200, **facts: Any) -> Response:
        """Return a page."""
        text = self.console.pages.render(
            name,
            user=self.visitor,
            token=self.console.signer.form_token(self.seed),
            here=self.request.url.path,
            said=SAID.get(self.form.text("said")) if self.request.method == "GET" else None,
            framed=self.framed,
            **{"live": False, **facts},
        )
        return HTMLResponse(text, status)

    def go(self, where: str, said: str | None = None) -> Response:
        """Return the way to another page, after something was done; ``said`` is what is told there (``pages.SAID``)."""
        return RedirectResponse(f"{where}?said={said}" if said else where, 303)


def record_of(kind: str, identifier: str) -> RecordRef:
    """Return the record that a path names.

    Raises:
        NotFoundError: there are no records of this kind.
    """
    if kind not in _KINDS:
        raise NotFoundError("there is no such record")
    return RecordRef.model_validate({"kind": kind, "id": identifier})


def record_path(ref: RecordRef) -> str:
    """Return the path of a record's page."""
    return f"/records/{ref.kind}/{quote(ref.id, safe='')}"


def local_path(path: str) -> str:
    """Return a path of ours to go to; the first page for whatever else somebody put there."""
    ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and "\\" not in path
    return path if ours else "/"


def new_secret() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(32)
