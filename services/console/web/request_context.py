"""One request: who asks, what was typed, and the answers that a page can give."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from schemas.accounts import User
from schemas.records import RecordRef
from services.console.web.forms import Form
from services.console.web.mails import SignInMails
from services.console.web.recent import Recent
from services.console.web.rendering import SAID, Pages
from services.mailbox.connection import ConnectPolicy, SecretBox
from services.settings import ConsoleSettings
from services.store import NotFoundError, Store
from services.usecases.overview import Broker, Seen
from services.usecases.rate_limit import Pace
from services.usecases.signing import Signer

_KINDS = ("lead", "contact")
_FRAMED = {"iframe", "frame", "embed", "object"}


@dataclass(frozen=True, slots=True)
class Console:
    """What every page works with; made once."""

    settings: ConsoleSettings
    store: Store
    box: SecretBox
    policy: ConnectPolicy
    signer: Signer
    pages: Pages
    mails: SignInMails | None
    """None where the installation sends no mail."""
    broker: Broker | None
    """None where no broker is set."""
    seen: Recent[Seen]
    """What an operator looks at first."""
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


@dataclass(frozen=True, slots=True)
class RequestContext:
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


def local_path(path: str) -> str:
    """Return a path of ours to go to; the first page for whatever else somebody put there."""
    ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and "\\" not in path
    return path if ours else "/"


def new_secret() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(32)
