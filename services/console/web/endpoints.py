"""From a request to a response: find the user, check access, call the page, turn its errors into pages."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from enum import Enum
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qs, quote

from prometheus_client import CollectorRegistry, Histogram
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response

from schemas.errors import BusClosedError, NotReadyError
from services.console.web.forms import MOST_BYTES, Form, PageError, new_secret, read_form
from services.console.web.headers import protect
from services.console.web.refusals import REFUSALS, page_error
from services.console.web.request_context import Console, RequestContext
from services.runtime.failures import DatabaseError, describe, trace
from services.store import NotFoundError

Handler = Callable[[RequestContext], Awaitable[Response]]
NOTHING = "This page does not exist, or you cannot access it."
_EXPIRED = "This form has expired or was sent from another site. Go back, reload the page, and try again."
_LOCKED_OUT = "Your access has ended: an administrator disabled or removed your user. Ask them if you need it again."
_UNAVAILABLE = "A server is not responding. Try again in a minute."
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Access(Enum):
    """Who may open a page. To everyone else, an administrator's page does not exist."""

    ANYONE = "anyone"
    USER = "user"
    ADMINISTRATOR = "administrator"


class PageRoute(NamedTuple):
    """One row of the table of pages: a path, its handlers, and who may open it."""

    path: str
    get: Handler | None = None
    post: Handler | None = None
    access: Access = Access.USER
    framed: bool = False
    """Whether sites that the operator lists may show it in a frame."""
    most_bytes: int = MOST_BYTES
    """Of a form that is submitted to it."""


def request_histogram(registry: CollectorRegistry) -> Histogram:
    """Register the histogram of requests."""
    return Histogram(
        "leadmail_console_request_seconds",
        "Time from receiving a request to sending the response headers, by page and status",
        ["page", "status"],
        buckets=_BUCKETS,
        registry=registry,
    )


def endpoint(console: Console, page: PageRoute, requests: Histogram) -> Callable[[Request], Awaitable[Response]]:
    """Return the ASGI endpoint of a page."""

    async def respond(request: Request) -> Response:
        started = time.perf_counter()
        response = await _respond(console, page, request)
        protect(response, console.settings, framed=page.framed)
        seconds = time.perf_counter() - started
        requests.labels(page.path, str(response.status_code)).observe(seconds)
        console.log.debug("answered", page=page.path, status=response.status_code, seconds=round(seconds, 4))
        return response

    return respond


async def _respond(console: Console, page: PageRoute, request: Request) -> Response:
    session, form_cookie = (request.cookies.get(name, "") for name in (console.cookie, console.form_cookie))
    context = RequestContext(console, request, form_cookie or new_secret(), None, _query(request))
    try:
        if session and (user := await console.store.sign_ins.user_of(session)):
            context = replace(context, seed=session, visitor=user)
        response = await _dispatch(context, page)
    except Exception as error:  # noqa: BLE001 - the visitor always gets a page, and mail content never reaches the log
        response = _error_page(context, error)
    if context.visitor is None and not form_cookie:
        response.set_cookie(
            console.form_cookie, context.seed, secure=console.secure, httponly=True, samesite="strict", path="/"
        )
    return response


async def _dispatch(context: RequestContext, page: PageRoute) -> Response:
    """Check access and the form's token, then call the page's handler."""
    request, console = context.request, context.console
    if page.access is not Access.ANYONE and context.visitor is None:
        if await console.store.sign_ins.was_ended(request.cookies.get(console.cookie, "")):
            raise PageError(401, _LOCKED_OUT)
        return _sign_in_first(context)
    if page.access is Access.ADMINISTRATOR and not context.user.admin:
        raise NotFoundError(NOTHING)
    if request.method != "POST":
        handler = page.get
    else:
        handler = page.post
        form = await read_form(request, page.most_bytes)
        cross_site = request.headers.get("origin", console.settings.console_url) != console.settings.console_url
        if cross_site or not console.signer.is_from(context.seed, form.text("token")):
            raise PageError(403, _EXPIRED)
        context = replace(context, form=form)
    assert handler is not None
    return await handler(context)


def _sign_in_first(context: RequestContext) -> Response:
    if context.framed:
        return context.render("signed_out.html", status=401, console_url=context.console.settings.console_url)
    url = context.request.url
    wanted = f"{url.path}?{url.query}" if url.query else url.path
    return RedirectResponse(
        f"/sign-in?to={quote(wanted, safe='/')}" if context.request.method == "GET" else "/sign-in", 303
    )


def _query(request: Request) -> Form:
    try:
        return Form(parse_qs(request.url.query, keep_blank_values=True, max_num_fields=100))
    except ValueError:
        return Form({})


def _error_page(context: RequestContext, error: Exception) -> Response:
    """Return the page for an error: what to do, and no detail that the visitor may not see."""
    retry = {}
    if isinstance(error, REFUSALS):
        error = page_error(error)
    match error:
        case PageError():
            status, sentence = error.status, error.sentence
            retry = {"Retry-After": "900"} if status == HTTPStatus.TOO_MANY_REQUESTS else {}
        case NotFoundError():
            status, sentence = 404, NOTHING
        case DatabaseError() | NotReadyError() | BusClosedError() | TimeoutError():
            status, sentence, retry = 503, _UNAVAILABLE, {"Retry-After": "60"}
            context.console.log.error("a server is not responding", error=describe(error))
        case ClientDisconnect():
            status, sentence = 400, "The request ended early."
        case _:
            status, sentence = 500, "Something went wrong on the server. The error was logged; try again later."
            context.console.log.error("a page failed", error=describe(error), trace=trace(error))
    response = context.render("error.html", status=status, code=status, sentence=sentence)
    response.headers.update(retry)
    return response
