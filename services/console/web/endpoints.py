"""From a request to an answer: who asks, whether he may, the page, and what becomes of its errors."""

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

from schemas.addresses import InvalidAddressError, InvalidDomainError
from schemas.errors import BusClosedError, NotReadyError
from services.console.web.forms import AnswerError, Form, read_form
from services.console.web.headers import protect
from services.console.web.request_context import Console, RequestContext, new_secret
from services.mailbox.connection import SealError
from services.runtime.failures import DatabaseError, describe, trace
from services.store import AlreadyExistsError, NotAllowedError, NotFoundError

Handler = Callable[[RequestContext], Awaitable[Response]]
NOTHING = "There is nothing here, or nothing for you."
_EXPIRED = "This page was open for too long, or came from elsewhere. Go back, load it again and try once more."
_AWAY = "A server does not answer at the moment. Try again in a minute."
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Who(Enum):
    """Who may come to a page. To others an administrator's page is one that is not there."""

    ANYBODY = "anybody"
    USER = "user"
    ADMINISTRATOR = "administrator"


class Page(NamedTuple):
    """A page."""

    path: str
    get: Handler | None = None
    post: Handler | None = None
    who: Who = Who.USER
    framed: bool = False
    """Whether other sites that the operator names may show it in a frame."""


class ConsoleMetrics:
    """One a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "leadmail_console_request_seconds",
            "From a request's head to its answer's, by page and status",
            ["page", "status"],
            buckets=_BUCKETS,
            registry=registry,
        )

    def answered(self, page: str, status: int, seconds: float) -> None:
        """Note an answer."""
        self._seconds.labels(page, str(status)).observe(seconds)


def endpoint(console: Console, place: Page, metrics: ConsoleMetrics) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers the requests for a page."""

    async def answer(request: Request) -> Response:
        began = time.perf_counter()
        response = await _answer(console, place, request)
        protect(response, console.settings, framed=place.framed)
        seconds = time.perf_counter() - began
        metrics.answered(place.path, response.status_code, seconds)
        console.log.debug("answered", page=place.path, status=response.status_code, seconds=round(seconds, 4))
        return response

    return answer


async def _answer(console: Console, place: Page, request: Request) -> Response:
    session, before = (request.cookies.get(name, "") for name in (console.cookie, console.form_cookie))
    visit = RequestContext(console, request, before or new_secret(), None, _asked(request))
    try:
        if session and (user := await console.store.sign_ins.user_of(session)):
            visit = replace(visit, seed=session, visitor=user)
        response = await _admitted(visit, place)
    except Exception as error:  # noqa: BLE001 - whatever it is, the visitor gets a page and the log no mail
        response = _told(visit, error)
    if visit.visitor is None and not before:
        response.set_cookie(
            console.form_cookie, visit.seed, secure=console.secure, httponly=True, samesite="strict", path="/"
        )
    return response


async def _admitted(visit: RequestContext, place: Page) -> Response:
    """Let who may come to the page."""
    request, console = visit.request, visit.console
    if place.who is not Who.ANYBODY and visit.visitor is None:
        return _sign_in_first(visit)
    if place.who is Who.ADMINISTRATOR and not visit.user.admin:
        raise NotFoundError(NOTHING)
    if request.method != "POST":
        handler = place.get
    else:
        handler = place.post
        form = await read_form(request)
        elsewhere = request.headers.get("origin", console.settings.console_url) != console.settings.console_url
        if elsewhere or not console.signer.is_from(visit.seed, form.text("token")):
            raise AnswerError(403, _EXPIRED)
        visit = replace(visit, form=form)
    assert handler is not None
    return await handler(visit)


def _sign_in_first(visit: RequestContext) -> Response:
    if visit.framed:
        return visit.page("signed_out.html", status=401, console_url=visit.console.settings.console_url)
    url = visit.request.url
    wanted = f"{url.path}?{url.query}" if url.query else url.path
    return RedirectResponse(
        f"/sign-in?to={quote(wanted, safe='/')}" if visit.request.method == "GET" else "/sign-in", 303
    )


def _asked(request: Request) -> Form:
    try:
        return Form(parse_qs(request.url.query, keep_blank_values=True, max_num_fields=100))
    except ValueError:
        return Form({})


def _told(visit: RequestContext, error: Exception) -> Response:
    """Return the page about an error: what to do, and nothing of what is not the visitor's to know."""
    retry = {}
    match error:
        case AnswerError():
            status, sentence = error.status, error.sentence
            retry = {"Retry-After": "900"} if status == HTTPStatus.TOO_MANY_REQUESTS else {}
        case NotFoundError():
            status, sentence = 404, NOTHING
        case NotAllowedError() | AlreadyExistsError():
            status, sentence = (403 if isinstance(error, NotAllowedError) else 409), _sentence(str(error))
        case InvalidAddressError() | InvalidDomainError():
            status, sentence = 400, _sentence(str(error))
        case SealError():
            status, sentence = 409, "The saved password cannot be opened any more: give it again."
        case DatabaseError() | NotReadyError() | BusClosedError() | TimeoutError():
            status, sentence, retry = 503, _AWAY, {"Retry-After": "60"}
            visit.console.log.error("a server does not answer", error=describe(error))
        case ClientDisconnect():
            status, sentence = 400, "The request ended early."
        case _:
            status, sentence = 500, "Something went wrong here. It is in the log; try again later."
            visit.console.log.error("a page failed", error=describe(error), trace=trace(error))
    response = visit.page("error.html", status=status, code=status, sentence=sentence)
    response.headers.update(retry)
    return response


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."
