"""Signing in with a one-time link, and signing out. Using a link takes a button press, because mail scanners follow links."""

from __future__ import annotations

from datetime import timedelta

from starlette.responses import Response

from schemas.addresses import InvalidAddressError, normal_address
from services.console.web.mails import LinkRequest
from services.console.web.request_context import RequestContext, local_path, new_secret
from services.store import NotFoundError

MOST, WITHIN = 60, timedelta(minutes=15)
"""At most so many addresses typed by one client within this time; for what is beyond it no mail is sent."""


async def form(context: RequestContext) -> Response:
    """Ask for an address."""
    to = local_path(context.form.text("to", "/"))
    if context.visitor is not None:
        return context.redirect(to)
    return _form(context, to)


def _form(context: RequestContext, to: str, *, typed: str = "", wrong: str | None = None) -> Response:
    status = 400 if wrong else 200
    mails = context.console.mails is not None
    return context.render("sign_in.html", status=status, to=to, typed=typed, wrong=wrong, mails=mails)


async def request_link(context: RequestContext) -> Response:
    """Send a sign-in link. The page is the same whether or not the address belongs to a user or has got too many links."""
    typed, to = context.form.text("address"), local_path(context.form.text("to", "/"))
    try:
        address = normal_address(typed)
    except InvalidAddressError:
        return _form(context, to, typed=typed, wrong="This is not an email address.")
    client, mails = context.client, context.console.mails
    counted = await context.store.sign_ins.attempt(f"client/{client}", most=MOST, within=WITHIN)
    if counted and mails is not None:
        mails.enqueue(LinkRequest(address, to, client))
    return context.render("sent.html", address=address, mails=mails is not None)


async def confirm(context: RequestContext) -> Response:
    """Show which user a link signs in, with the button that uses it."""
    link = context.path_part("link")
    try:
        found = await context.store.sign_ins.offered(_valid(context, link))
    except NotFoundError:
        return _ended(context)
    return context.render("link.html", offered=found, link=link)


async def enter(context: RequestContext) -> Response:
    """Use the link and start a session; an earlier session of this browser ends."""
    console, session = context.console, new_secret()
    lasts = timedelta(hours=console.settings.console_session_hours)
    try:
        found = await context.store.sign_ins.use(_valid(context, context.path_part("link")), session, lasts=lasts)
    except NotFoundError:
        return _ended(context)
    if before := context.request.cookies.get(console.cookie):
        await context.store.sign_ins.end(before)
    response = context.redirect(local_path(found.page))
    # Lax, not strict: a user who follows a link from the CRM or a mail must be signed in on the page that opens.
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


async def leave(context: RequestContext) -> Response:
    """End the session."""
    console = context.console
    await context.store.sign_ins.end(context.request.cookies[console.cookie])
    response = context.redirect("/sign-in", "signed-out")
    response.delete_cookie(console.cookie, secure=console.secure, httponly=True, samesite="lax", path="/")
    return response


def _valid(context: RequestContext, link: str) -> str:
    if not context.console.signer.is_ours(link):
        raise NotFoundError("there is no such link")
    return link


def _ended(context: RequestContext) -> Response:
    return context.render("link_ended.html", status=404)
