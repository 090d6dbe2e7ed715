"""The table of pages, and the application that serves them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus

import structlog
from prometheus_client import CollectorRegistry, Histogram
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
    deleted_emails,
    emails,
    mail_content,
    mailbox_holders,
    mailbox_settings,
    mailboxes,
    operations,
    records,
    sharing,
    sign_in,
    users,
)
from services.console.scim.server import ScimServer
from services.console.sign_ins import importing, mailbox_sign_in
from services.console.web.company_sign_in import CALLBACK, CompanySignIn
from services.console.web.costly_answer import CostlyAnswer
from services.console.web.endpoints import NOTHING, Access, PageRoute, endpoint
from services.console.web.forms import PageError
from services.console.web.headers import protect
from services.console.web.mails import SignInMails
from services.console.web.rendering import Templates
from services.console.web.request_context import Console, RequestContext
from services.settings import ConsoleSettings
from services.store import NotFoundError, Store
from services.usecases import overview
from services.usecases.overview import OptionalBus, Overview
from services.usecases.signing import Signer
from services.usecases.time_left import TimeLeftEstimator
from services.wiring import make_policy, make_post, make_secret_box, make_sign_in_services

ADMINISTRATOR, ANYONE = Access.ADMINISTRATOR, Access.ANYONE
PAGES = (
    PageRoute("/", mailboxes.home),
    PageRoute("/sign-in", sign_in.form, sign_in.request_link, ANYONE),
    PageRoute("/sign-in/company", sign_in.go_to_company, access=ANYONE),
    PageRoute(CALLBACK, sign_in.come_from_company, access=ANYONE),
    PageRoute("/sign-in/company/sign-out", sign_in.leave_company, access=ANYONE),
    PageRoute("/sign-in/{link}", sign_in.confirm, sign_in.enter, ANYONE),
    PageRoute("/sign-out", post=sign_in.leave),
    PageRoute("/mailboxes", mailboxes.index),
    PageRoute("/mailboxes/connect", connect.address, connect.connect),
    PageRoute("/mailboxes/sign-in/{service}", mailbox_sign_in.start),
    PageRoute(mailbox_sign_in.CALLBACK, mailbox_sign_in.come_back, mailbox_sign_in.save),
    PageRoute("/mailboxes/{account}", mailboxes.show, mailboxes.change),
    PageRoute("/mailboxes/{account}/messages", mailboxes.messages),
    PageRoute("/mailboxes/{account}/sharing", sharing.form, sharing.change),
    PageRoute("/mailboxes/{account}/password", mailbox_settings.password, mailbox_settings.save_password),
    PageRoute("/mailboxes/{account}/sign-in", mailbox_sign_in.again),
    PageRoute("/mailboxes/{account}/login", mailbox_settings.login, mailbox_settings.save_login),
    PageRoute("/mailboxes/{account}/folders", mailbox_settings.folders, mailbox_settings.save_folders),
    PageRoute("/mailboxes/{account}/addresses", mailbox_settings.addresses, mailbox_settings.change_addresses),
    PageRoute("/mailboxes/{account}/members", mailbox_holders.members, mailbox_holders.change_members),
    PageRoute("/mailboxes/{account}/remove", mailbox_holders.counts, mailbox_holders.remove),
    PageRoute("/records", records.find),
    PageRoute("/records/{kind}/{record:path}", records.show, framed=True),
    PageRoute("/mail", records.search),
    PageRoute("/mail/{email}", emails.show, framed=True),
    PageRoute("/mail/{email}/html", mail_content.html, framed=True),
    PageRoute("/mail/{email}/raw", mail_content.raw),
    PageRoute("/mail/{email}/attachments/{number:int}", mail_content.attachment),
    PageRoute("/mail/{email}/why", emails.explain, framed=True),
    PageRoute("/mail/{email}/sharing", post=emails.change_sharing),
    PageRoute("/mail/{email}/delete", emails.confirm_delete, emails.delete),
    PageRoute("/operations", operations.overview, access=ADMINISTRATOR),
    PageRoute("/operations/dead-letters", dead_letters.index, access=ADMINISTRATOR),
    PageRoute("/operations/dead-letters/{dead_letter:path}", dead_letters.show, dead_letters.decide, ADMINISTRATOR),
    PageRoute("/operations/users", users.index, access=ADMINISTRATOR),
    PageRoute("/operations/users/{user:path}", users.show, users.change, ADMINISTRATOR),
    PageRoute(importing.HERE, importing.form, importing.go_on, ADMINISTRATOR, most_bytes=importing.MOST_BYTES),
    PageRoute("/operations/deleted", deleted_emails.index, deleted_emails.restore, ADMINISTRATOR),
    PageRoute("/operations/audit", audit.index, access=ADMINISTRATOR),
    PageRoute("/operations/sharing/domains", post=company.change_domain, access=ADMINISTRATOR),
    PageRoute("/operations/sharing", company.form, company.change, ADMINISTRATOR),
)


def make_console(
    store: Store,
    settings: ConsoleSettings,
    *,
    broker: OptionalBus | None,
    registry: CollectorRegistry,
    log: structlog.typing.FilteringBoundLogger,
) -> Console:
    """Build what all pages share.

    Raises:
        SettingsError: the mail server's URL or the sender is wrong, or the identity provider's client id is missing.
    """
    policy, templates, signer = make_policy(settings), Templates(), Signer.of(settings.secret_key.get_secret_value())
    mails = post = None
    if settings.smtp_url.get_secret_value():
        post = make_post(settings, policy, store.relay_refresh)
        mails = SignInMails(store, signer, post, settings=settings, templates=templates, registry=registry, log=log)

    async def snapshot() -> Overview:
        return await overview.read_overview_and_queues(store, settings, await broker.bus() if broker else None)

    return Console(
        settings=settings,
        store=store,
        box=make_secret_box(settings),
        policy=policy,
        sign_ins=make_sign_in_services(settings, policy),
        signer=signer,
        templates=templates,
        mails=mails,
        company_sign_in=CompanySignIn(settings, signer, policy) if settings.oidc_issuer else None,
        post=post,
        broker=broker,
        overview=CostlyAnswer(snapshot),
        estimator=TimeLeftEstimator(),
        log=log,
    )


def make_app(console: Console, requests: Histogram) -> Starlette:
    """Build the application."""

    async def refuse(context: RequestContext) -> Response:
        known = context.request.scope["leadmail.status"] != HTTPStatus.NOT_FOUND
        raise PageError(405, "This page does not support this kind of request.") if known else NotFoundError(NOTHING)

    unknown = endpoint(console, PageRoute("unknown", refuse, access=ANYONE), requests)

    async def wrong(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return await unknown(Request({**request.scope, "method": "GET", "leadmail.status": error.status_code}))

    app = Starlette(
        routes=[
            *_routes(console, requests),
            *ScimServer(console, requests).routes(),
            Route("/static/{name}", _static(console)),
        ],
        exception_handlers={HTTPException: wrong},
    )
    app.router.redirect_slashes = False  # a redirect would point at whatever host the request names
    return app


def _routes(console: Console, requests: Histogram) -> Iterator[Route]:
    for page in PAGES:
        methods = [name for name, handler in (("GET", page.get), ("POST", page.post)) if handler is not None]
        yield Route(page.path, endpoint(console, page, requests), methods=methods)


def _static(console: Console) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in console.templates.files:
            raise HTTPException(404)
        content, kind = console.templates.files[name]
        response = Response(content, media_type=kind)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        protect(response, console.settings, framed=False)
        return response

    return serve
