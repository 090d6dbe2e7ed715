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

from services.console.pages import (
    audit,
    company,
    connect,
    dead_letters,
    emails,
    mail_content,
    mailbox_removal,
    mailbox_settings,
    mailboxes,
    operations,
    records,
    sharing,
    sign_in,
)
from services.console.web.endpoints import NOTHING, ConsoleMetrics, Page, Who, endpoint
from services.console.web.forms import AnswerError
from services.console.web.headers import protect
from services.console.web.mails import SignInMails
from services.console.web.recent import Recent
from services.console.web.rendering import Pages
from services.console.web.request_context import Console, RequestContext
from services.settings import ConsoleSettings
from services.store import NotFoundError, Store
from services.usecases import overview
from services.usecases.overview import Broker, Seen
from services.usecases.rate_limit import Pace
from services.usecases.signing import Signer
from services.wiring import make_policy, make_post, make_secret_box

ADMINISTRATOR, ANYBODY = Who.ADMINISTRATOR, Who.ANYBODY
PLACES = (
    Page("/", mailboxes.first),
    Page("/sign-in", sign_in.form, sign_in.ask, ANYBODY),
    Page("/sign-in/{link}", sign_in.offered, sign_in.enter, ANYBODY),
    Page("/sign-out", post=sign_in.leave),
    Page("/mailboxes", mailboxes.every),
    Page("/mailboxes/connect", connect.address, connect.connect),
    Page("/mailboxes/{account}", mailboxes.one, mailboxes.change),
    Page("/mailboxes/{account}/sharing", sharing.form, sharing.change),
    Page("/mailboxes/{account}/password", mailbox_settings.password, mailbox_settings.save_password),
    Page("/mailboxes/{account}/folders", mailbox_settings.folders, mailbox_settings.save_folders),
    Page("/mailboxes/{account}/addresses", mailbox_settings.addresses, mailbox_settings.save_addresses),
    Page("/mailboxes/{account}/remove", mailbox_removal.counts, mailbox_removal.remove),
    Page("/records", records.find),
    Page("/records/{kind}/{record:path}", records.page, framed=True),
    Page("/mail", records.search),
    Page("/mail/{email}", emails.show, framed=True),
    Page("/mail/{email}/html", mail_content.html, framed=True),
    Page("/mail/{email}/raw", mail_content.raw),
    Page("/mail/{email}/attachments/{number:int}", mail_content.attachment),
    Page("/mail/{email}/why", emails.explain, framed=True),
    Page("/mail/{email}/delete", emails.asked_to_delete, emails.delete),
    Page("/operations", operations.overview, who=ADMINISTRATOR),
    Page("/operations/dead-letters", dead_letters.every, who=ADMINISTRATOR),
    Page("/operations/dead-letters/{letter:path}", dead_letters.one, dead_letters.decide, ADMINISTRATOR),
    Page("/operations/audit", audit.entries, who=ADMINISTRATOR),
    Page("/operations/sharing", company.form, company.change, ADMINISTRATOR),
)


def make_console(
    store: Store,
    settings: ConsoleSettings,
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
        return await overview.look(store, settings, await broker.bus() if broker else None)

    return Console(
        settings=settings,
        store=store,
        box=make_secret_box(settings),
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

    async def refuse(visit: RequestContext) -> Response:
        known = visit.request.scope["leadmail.status"] != HTTPStatus.NOT_FOUND
        raise AnswerError(405, "This page is not to be used in this way.") if known else NotFoundError(NOTHING)

    unknown = endpoint(console, Page("unknown", refuse, who=ANYBODY), metrics)

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
