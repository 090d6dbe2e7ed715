"""Signing in with a one-time link or at the company's identity provider, and signing out.

Using a link takes a button press, because mail scanners follow links.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from datetime import timedelta
from typing import Any, Literal

from starlette.responses import RedirectResponse, Response

from schemas.addresses import InvalidAddressError, normal_address
from services.console.web.company_sign_in import LASTS_S, CompanySignIn, SignInFlow
from services.console.web.forms import PageError, local_path, new_secret
from services.console.web.mails import LinkRequest
from services.console.web.request_context import RequestContext
from services.mailbox.oauth.errors import IdentityServerError
from services.mailbox.outgoing_mail import one_line
from services.store import NotFoundError
from services.usecases import provisioning
from services.usecases.provisioning import OIDC, NotAdmittedError

MOST, WITHIN = 60, timedelta(minutes=15)
"""At most so many addresses typed by one client within this time; for what is beyond it no mail is sent."""
_PATIENCE_S = 2.0
"""How long the page after signing out waits for the identity provider."""


async def form(context: RequestContext) -> Response:
    """Ask for an address."""
    to = local_path(context.form.text("to", "/"))
    if context.visitor is not None:
        return context.redirect(to)
    leaves = context.form.text("flash") == "signed-out" and await _offers_sign_out(context)
    return _form(context, to, leaves=leaves)


async def _offers_sign_out(context: RequestContext) -> bool:
    """Whether the identity provider can end its session, too. One that does not answer soon offers nothing."""
    company = context.console.company_sign_in
    with suppress(IdentityServerError, TimeoutError):
        async with asyncio.timeout(_PATIENCE_S):
            return company is not None and bool(await company.sign_out_url())
    return False


def _form(
    context: RequestContext, to: str, *, typed: str = "", wrong: str | None = None, leaves: bool = False
) -> Response:
    status = 400 if wrong else 200
    console = context.console
    company = console.company_sign_in.name if console.company_sign_in else None
    return context.render(
        "sign_in.html",
        status=status,
        to=to,
        typed=typed,
        wrong=wrong,
        mails=console.mails_links,
        company=company,
        leaves=leaves,
    )


async def request_link(context: RequestContext) -> Response:
    """Send a sign-in link. The page is the same whether or not the address belongs to a user or has got too many links."""
    typed, to = context.form.text("address"), local_path(context.form.text("to", "/"))
    if not context.console.settings.console_mail_links:
        raise PageError(403, "This installation mails no sign-in links.")
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
    session, lasts = new_secret(), _session_lasts(context)
    try:
        found = await context.store.sign_ins.use(_valid(context, context.path_part("link")), session, lasts=lasts)
    except NotFoundError:
        return _ended(context)
    return await _signed_in(context, session, found.page, lasts)


async def go_to_company(context: RequestContext) -> Response:
    """Send the browser to the company's identity provider."""
    company = _company(context)
    await _count_company_sign_in(context)
    flow = SignInFlow.new(local_path(context.form.text("to", "/")))
    try:
        url = await company.url(flow)
    except IdentityServerError as error:
        raise _identity_error(context, error) from error
    response = RedirectResponse(url, 303)
    # Lax, not strict: the browser comes back from the identity provider's site.
    response.set_cookie(context.console.flow_cookie, flow.cookie, max_age=LASTS_S, **_flags(context, "lax"))
    return response


async def leave_company(context: RequestContext) -> Response:
    """Send the browser to where the identity provider ends its own session."""
    company = _company(context)
    await _count_company_sign_in(context)
    try:
        url = await company.sign_out_url()
    except IdentityServerError as error:
        raise _identity_error(context, error) from error
    return RedirectResponse(url or "/sign-in", 303)


async def come_from_company(context: RequestContext) -> Response:
    """Start a session for a user whom the identity provider sends back, if this browser started the sign-in."""
    company, console, form = _company(context), context.console, context.form
    await _count_company_sign_in(context)
    flow = SignInFlow.of(context.request.cookies.get(console.flow_cookie, ""))
    if flow is None or not company.is_answer_to(flow, form.secret("state")):
        raise PageError(403, "This sign-in took too long, or was started in another browser. Start again.")
    try:
        if not await company.is_answered_by(form.text("iss")):
            raise PageError(403, "Another identity provider answered. Start again.")
    except IdentityServerError as error:
        raise _identity_error(context, error) from error
    if not form.secret("code"):
        raise _identity_error(context, IdentityServerError(form.text("error") or "no-code"))
    try:
        user = await provisioning.admit(
            context.store, await company.claims(flow, form.secret("code")), console.settings
        )
    except IdentityServerError as error:
        raise _identity_error(context, error) from error
    except NotAdmittedError as error:
        raise PageError(403, str(error)) from error
    session, lasts = new_secret(), _session_lasts(context, console.settings.oidc_session_hours)
    await context.store.sign_ins.start(user.email, session, lasts=lasts, how=OIDC)
    response = await _signed_in(context, session, flow.page, lasts)
    response.delete_cookie(console.flow_cookie, **_flags(context, "lax"))
    return response


def _company(context: RequestContext) -> CompanySignIn:
    company = context.console.company_sign_in
    if company is None:
        raise NotFoundError("there is no identity provider")
    return company


async def _count_company_sign_in(context: RequestContext) -> None:
    if not await context.store.sign_ins.attempt(f"company/{context.client}", most=2 * MOST, within=WITHIN):
        raise PageError(429, "Too many attempts. Try again in 15 minutes.")


def _identity_error(context: RequestContext, error: IdentityServerError) -> PageError:
    """Return what the visitor reads. The log has the error's code only: descriptions may name people."""
    context.console.log.warning("a sign-in at the identity provider failed", error=one_line(error.error)[:60])
    if error.error == "access_denied":
        return PageError(403, "You were not signed in: access was denied at the identity provider.")
    if error.transient:
        return PageError(503, "The identity provider does not answer as it should. Try again in a minute.")
    return PageError(403, "The identity provider did not confirm who you are. Start again, or ask your administrator.")


def _session_lasts(context: RequestContext, most_hours: float = math.inf) -> timedelta:
    return timedelta(hours=min(context.console.settings.console_session_hours, most_hours))


def _flags(context: RequestContext, same_site: Literal["lax", "strict"]) -> dict[str, Any]:
    return {"secure": context.console.secure, "httponly": True, "samesite": same_site, "path": "/"}


async def _signed_in(context: RequestContext, session: str, page: str, lasts: timedelta) -> Response:
    """Return the redirect that gives the browser its session; an earlier one of this browser ends."""
    console = context.console
    if before := context.request.cookies.get(console.cookie):
        await context.store.sign_ins.end(before)
    response = context.redirect(local_path(page))
    # Lax, not strict: a user who follows a link from the CRM or a mail must be signed in on the page that opens.
    response.set_cookie(console.cookie, session, max_age=int(lasts.total_seconds()), **_flags(context, "lax"))
    response.delete_cookie(console.form_cookie, **_flags(context, "strict"))
    return response


async def leave(context: RequestContext) -> Response:
    """End the session."""
    console = context.console
    await context.store.sign_ins.end(context.request.cookies[console.cookie])
    response = context.redirect("/sign-in", "signed-out")
    response.delete_cookie(console.cookie, **_flags(context, "lax"))
    return response


def _valid(context: RequestContext, link: str) -> str:
    if not context.console.signer.is_ours(link):
        raise NotFoundError("there is no such link")
    return link


def _ended(context: RequestContext) -> Response:
    return context.render("link_ended.html", status=404)
