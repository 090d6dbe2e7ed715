"""One request: the user, the submitted form, and the responses that a page can give."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from schemas.accounts import User
from schemas.records import RecordRef
from services.console.web.company_sign_in import CompanySignIn
from services.console.web.costly_answer import CostlyAnswer
from services.console.web.forms import Form
from services.console.web.mails import SignInMails
from services.console.web.rendering import FLASHES, Templates
from services.mailbox.connection import ConnectPolicy, SecretBox
from services.mailbox.oauth.sign_in_services import SignInServices
from services.mailbox.oauth.token_refresh import TokenRefresher
from services.settings import ConsoleSettings
from services.store import NotFoundError, Store
from services.usecases.connecting.saving import AccountSaver
from services.usecases.connecting.token_revoker import TokenRevoker
from services.usecases.overview import OptionalBus, Overview
from services.usecases.signing import Signer
from services.usecases.time_left import TimeLeftEstimator
from services.wiring import Post

_KINDS = ("lead", "contact")
_FRAMED = {"iframe", "frame", "embed", "object"}


@dataclass(frozen=True, slots=True)
class Console:
    """What all pages share; built once per process."""

    settings: ConsoleSettings
    store: Store
    box: SecretBox
    policy: ConnectPolicy
    sign_ins: SignInServices
    """The services at which users sign in to their mailboxes."""
    signer: Signer
    templates: Templates
    mails: SignInMails | None
    """None if this installation sends no mail."""
    company_sign_in: CompanySignIn | None
    """None if users do not sign in at an identity provider."""
    post: Post | None
    """Sends a mail; None if this installation sends none."""
    broker: OptionalBus | None
    """None if no broker is configured."""
    overview: CostlyAnswer[Overview]
    """The state of the deployment, for the operations page."""
    estimator: TimeLeftEstimator
    log: structlog.typing.FilteringBoundLogger

    @property
    def tokens(self) -> TokenRefresher:
        """What opens credentials, with fresh tokens."""
        return TokenRefresher(self.sign_ins, self.box, self.store.account_tokens)

    @property
    def revoker(self) -> TokenRevoker:
        """What revokes the tokens of mailboxes that are disconnected."""
        return TokenRevoker(self.box, self.sign_ins)

    @property
    def secure(self) -> bool:
        """Whether users reach the console over TLS."""
        return self.settings.console_url.startswith("https://")

    @property
    def cookie(self) -> str:
        """The session cookie's name. Its prefix makes browsers refuse it from any other host (RFC 6265bis)."""
        return "__Host-leadmail" if self.secure else "leadmail"

    @property
    def mails_links(self) -> bool:
        """Whether users can have a sign-in link mailed."""
        return self.mails is not None and self.settings.console_mail_links

    @property
    def flow_cookie(self) -> str:
        """The name of the cookie that binds a sign-in at the identity provider to this browser."""
        return f"{self.cookie}-flow"

    @property
    def form_cookie(self) -> str:
        """The name of the cookie that binds the forms of visitors who are not signed in."""
        return f"{self.cookie}-form"


@dataclass(frozen=True, slots=True)
class RequestContext:
    """One request."""

    console: Console
    request: Request
    seed: str
    """The secret that this visitor's form tokens are bound to."""
    visitor: User | None
    """The signed-in user; None if no one is signed in."""
    form: Form
    """The submitted form (POST) or the query string (GET)."""

    @property
    def store(self) -> Store:
        """The store of the console."""
        return self.console.store

    @property
    def user(self) -> User:
        """The signed-in user. Only pages that require signing in use it."""
        assert self.visitor is not None
        return self.visitor

    @property
    def viewer(self) -> str:
        """The address of the signed-in user, as whom mail is read."""
        return self.user.email

    @property
    def saver(self) -> AccountSaver:
        """What saves logins, in the user's name."""
        console = self.console
        return AccountSaver(self.store, console.box, console.revoker, console.policy, self.viewer)

    @property
    def framed(self) -> bool:
        """Whether the browser loads the page into a frame of another page."""
        return self.request.headers.get("sec-fetch-dest", "") in _FRAMED

    @property
    def client(self) -> str:
        """The client's address, for limits; of IPv6 its /64 network, which belongs to one client."""
        return client_of(self.request)

    def path_part(self, name: str) -> str:
        """Return a parameter of the path."""
        return str(self.request.path_params[name])

    def render(self, name: str, *, status: int = 200, **values: Any) -> Response:
        """Return a page: a template with these values and those that every page has."""
        text = self.console.templates.render(
            name,
            user=self.visitor,
            token=self.console.signer.form_token(self.seed),
            here=self.request.url.path,
            flash=FLASHES.get(self.form.text("flash")) if self.request.method == "GET" else None,
            framed=self.framed,
            **{"live": False, **values},
        )
        return HTMLResponse(text, status)

    def redirect(self, path: str, flash: str | None = None) -> Response:
        """Return a redirect to another page; ``flash`` is the key of the message that it shows (``FLASHES``)."""
        return RedirectResponse(f"{path}?flash={flash}" if flash else path, 303)


def client_of(request: Request) -> str:
    """Return the address of the client of a request, or its /64 network."""
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return str(ip_network((address, 64), strict=False)) if address.version == 6 else host  # noqa: PLR2004


def record_of(kind: str, identifier: str) -> RecordRef:
    """Return the reference of the record that a path names.

    Raises:
        NotFoundError: there is no such kind of record.
    """
    if kind not in _KINDS:
        raise NotFoundError("there is no such record")
    return RecordRef.model_validate({"kind": kind, "id": identifier})
