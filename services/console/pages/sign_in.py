"""Signing in by a one-time link, and out. A link is used by pressing a button: programs that look into mails follow links, too."""

from __future__ import annotations

from datetime import timedelta

from starlette.responses import Response

from schemas.addresses import InvalidAddressError, normal_address
from services.console.web.forms import AnswerError
from services.console.web.mails import Asked
from services.console.web.request_context import RequestContext, local_path, new_secret
from services.store import NotFoundError

MOST, WITHIN = 60, timedelta(minutes=15)
"""Addresses that one client may type in a span of time."""


async def form(visit: RequestContext) -> Response:
    """Ask for an address."""
    to = local_path(visit.form.text("to", "/"))
    if visit.visitor is not None:
        return visit.go(to)
    return _form(visit, to)


def _form(visit: RequestContext, to: str, *, typed: str = "", wrong: str | None = None) -> Response:
    status = 400 if wrong else 200
    mails = visit.console.mails is not None
    return visit.page("sign_in.html", status=status, to=to, typed=typed, wrong=wrong, mails=mails)


async def ask(visit: RequestContext) -> Response:
    """Have a link sent. The answer is the same whoever is behind the address."""
    typed, to = visit.form.text("address"), local_path(visit.form.text("to", "/"))
    try:
        address = normal_address(typed)
    except InvalidAddressError:
        return _form(visit, to, typed=typed, wrong="This is not an e-mail address.")
    await _count(visit)
    if visit.console.mails is not None:
        visit.console.mails.ask(Asked(address, to))
    return visit.page("sent.html", address=address, mails=visit.console.mails is not None)


async def _count(visit: RequestContext) -> None:
    client = visit.request.client
    if not await visit.store.sign_ins.attempt(f"client/{client.host if client else ''}", most=MOST, within=WITHIN):
        raise AnswerError(429, "This was tried too often. Try again in a quarter of an hour.")


async def offered(visit: RequestContext) -> Response:
    """Say whom a link lets in, and ask for the button."""
    link = visit.part("link")
    try:
        found = await visit.store.sign_ins.offered(_ours(visit, link))
    except NotFoundError:
        return _ended(visit)
    return visit.page("link.html", offered=found, link=link)


async def enter(visit: RequestContext) -> Response:
    """Use up the link and begin a session; one that was there before ends."""
    console, session = visit.console, new_secret()
    lasts = timedelta(hours=console.settings.console_session_hours)
    try:
        found = await visit.store.sign_ins.use(_ours(visit, visit.part("link")), session, lasts=lasts)
    except NotFoundError:
        return _ended(visit)
    if before := visit.request.cookies.get(console.cookie):
        await visit.store.sign_ins.end(before)
    response = visit.go(local_path(found.page))
    # Lax, not strict: a link in the CRM or in a mail leads to a page, and who follows it is signed in there.
    response.set_cookie(
        console.cookie,
        session,
        max_age=int(lasts.total_seconds()),
        secure=console.secure,
        httponly=True,
        samesite="lax",
        path="/",
    )
    response.delete_cookie(console.form_cookie, secure=console.secure, httponly=True, samesite="strict", path="/")
    return response


async def leave(visit: RequestContext) -> Response:
    """End the session."""
    console = visit.console
    await visit.store.sign_ins.end(visit.request.cookies[console.cookie])
    response = visit.go("/sign-in", "signed-out")
    response.delete_cookie(console.cookie, secure=console.secure, httponly=True, samesite="lax", path="/")
    return response


def _ours(visit: RequestContext, link: str) -> str:
    if not visit.console.signer.is_ours(link):
        raise NotFoundError("there is no such link")
    return link


def _ended(visit: RequestContext) -> Response:
    return visit.page("link_ended.html", status=404)
