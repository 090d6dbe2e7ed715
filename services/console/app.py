"""The table of pages, and the application that serves them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus

import structlog
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.console import (
    audit,
    company,
    connect,
    emails,
    letters,
    mail_content,
    mailbox_removal,
    mailbox_settings,
    mailboxes,
    operations,
    records,
    sharing,
    sign_in,
)
from services.console.answers import NOTHING, ConsoleMetrics, Place, Who, endpoint
from services.console.forms import AnswerError
from services.console.headers import protect
from services.console.mails import SignInMails
from services.console.pages import Pages
from services.console.recent import Recent
from services.console.visit import Console, Visit
from services.desk import looking
from services.desk.looking import Broker, Seen
from services.desk.pace import Pace
from services.desk.signing import Signer
from services.runtime.settings import Settings
from services.store import NotFoundError, Store
from services.wiring import make_box, make_policy, make_post

ADMINISTRATOR, ANYBODY = Who.ADMINISTRATOR, Who.ANYBODY
PLACES = (
    Place("/", mailboxes.first),
    Place("/sign-in", sign_in.form, sign_in.ask, ANYBODY),
    Place("/sign-in/{link}", sign_in.offered, sign_in.enter, ANYBODY),
    Place("/sign-out", post=sign_in.leave),
    Place("/mailboxes", mailboxes.every),
    Place("/mailboxes/connect", connect.address, connect.connect),
    Place("/mailboxes/{account}", mailboxes.one, mailboxes.change),
    Place("/mailboxes/{account}/sharing", sharing.form, sharing.change),
    Place("/mailboxes/{account}/password", mailbox_settings.password, mailbox_settings.save_password),
    Place("/mailboxes/{account}/folders", mailbox_settings.folders, mailbox_settings.save_folders),
    Place("/mailboxes/{account}/addresses", mailbox_settings.addresses, mailbox_settings.save_addresses),
    Place("/mailboxes/{account}/remove", mailbox_removal.counts, mailbox_removal.remove),
    Place("/records", records.find),
    Place("/records/{kind}/{record:path}", records.page, framed=True),
    Place("/mail", records.search),
    Place("/mail/{email}", emails.show, framed=True),
    Place("/mail/{email}/html", mail_content.html, framed=True),
    Place("/mail/{email}/raw", mail_content.raw),
    Place("/mail/{email}/attachments/{number:int}", mail_content.attachment),
    Place("/mail/{email}/why", emails.explain, framed=True),
    Place("/mail/{email}/delete", emails.asked_to_delete, emails.delete),
    Place("/operations", operations.overview, who=ADMINISTRATOR),
    Place("/operations/dead-letters", letters.every, who=ADMINISTRATOR),
    Place("/operations/dead-letters/{letter:path}", letters.one, letters.decide, ADMINISTRATOR),
    Place("/operations/audit", audit.entries, who=ADMINISTRATOR),
    Place("/operations/sharing", company.form, company.change, ADMINISTRATOR),
)


def make_console(
    store: Store,
    settings: Settings,
    *,
    broker: Broker | None,
    registry: CollectorRegistry,
    log: structlog.typing.FilteringBoundLogger,
) -> Console:
    """Return what every page works with.

    Raises:
        SettingsError: the mail server's URL or the sender is wrong.
    """
    policy, pages, signer = make_policy(settings), Pages(), Signer.of(settings.secret_key.get_secret_value())
    mails = None
    if settings.smtp_url.get_secret_value():
        post = make_post(settings, policy)
        mails = SignInMails(store, signer, post, settings=settings, pages=pages, registry=registry, log=log)

    async def look() -> Seen:
        return await looking.look(store, settings, await broker.bus() if broker else None)

    return Console(
        settings=settings,
        store=store,
        box=make_box(settings),
        policy=policy,
        signer=signer,
        pages=pages,
        mails=mails,
        broker=broker,
        seen=Recent(look),
        pace=Pace(),
        log=log,
    )


def make_app(console: Console, metrics: ConsoleMetrics) -> Starlette:
    """Return the application."""

    async def refuse(visit: Visit) -> Response:
        known = visit.request.scope["leadmail.status"] != HTTPStatus.NOT_FOUND
        raise AnswerError(405, "This page is not to be used in this way.") if known else NotFoundError(NOTHING)

    unknown = endpoint(console, Place("unknown", refuse, who=ANYBODY), metrics)

    async def wrong(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return await unknown(Request({**request.scope, "method": "GET", "leadmail.status": error.status_code}))

    app = Starlette(
        routes=[*_routes(console, metrics), Route("/static/{name}", _static(console))],
        exception_handlers={HTTPException: wrong},
    )
    app.router.redirect_slashes = False  # it would lead to whatever host the request names
    return app


def _routes(console: Console, metrics: ConsoleMetrics) -> Iterator[Route]:
    for place in PLACES:
        methods = [name for name, handler in (("GET", place.get), ("POST", place.post)) if handler is not None]
        yield Route(place.path, endpoint(console, place, metrics), methods=methods)


def _static(console: Console) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in console.pages.files:
            raise HTTPException(404)
        content, kind = console.pages.files[name]
        response = Response(content, media_type=kind)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        protect(response, console.settings, framed=False)
        return response

    return serve
