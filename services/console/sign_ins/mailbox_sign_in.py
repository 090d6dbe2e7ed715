"""Connecting a mailbox by a sign-in at its mail service, and signing in to a connected one again.

The browser goes to the service and comes back with a code. Forms may lead to our own pages only, so that a link starts it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from schemas.accounts import Account, SealedCredentials
from schemas.addresses import normal_address
from services.console.pages.connect import ask_address, count_login_attempt, read_members
from services.console.pages.mailboxes import connected_account
from services.console.pages.sharing import modes, read_policy
from services.console.web.forms import PageError, new_secret
from services.console.web.refusals import REFUSALS, page_error
from services.console.web.request_context import RequestContext
from services.mailbox.connection import OAuth2Credentials
from services.mailbox.oauth.errors import IdentityServerError
from services.mailbox.oauth.sign_in_services import SignInService
from services.mailbox.outgoing_mail import one_line
from services.store import NotFoundError, new_account_id
from services.usecases.connecting import mailbox_sign_in
from services.usecases.connecting.displacing import is_taken, refuse_personal
from services.usecases.connecting.login import provider_of
from services.usecases.connecting.mailbox_sign_in import SignedIn

LASTS = timedelta(minutes=15)
"""How long a user may take to sign in, and then to choose who sees the mail."""
_ENDED = "This sign-in has ended, or was started in another browser. Start again from My mailboxes."
CALLBACK = "/mailboxes/signed-in"


def start_url(service: SignInService, *, address: str = "", account: str = "") -> str:
    """Return the path that leads to a service, for a new mailbox or for a connected one."""
    query = {name: value for name, value in (("address", address), ("account", account)) if value}
    return f"/mailboxes/sign-in/{service.key}" + (f"?{urlencode(query)}" if query else "")


async def start(context: RequestContext) -> Response:
    """Send the browser to the service. The state is bound to the session and works once."""
    console, form = context.console, context.form
    service = console.sign_ins.by_key.get(context.path_part("service"))
    if service is None:
        raise NotFoundError("there is no such service")
    await count_login_attempt(context)
    hint = normal_address(form.text("address")) if form.text("address") else ""
    account = form.text("account")
    if account:
        hint = (await _owned(context, account)).address
    shared = hint and bool(form.text("shared"))  # then the user signs in as themselves
    state, nonce, verifier = new_secret(), new_secret(), new_secret()
    try:
        url = await console.sign_ins.client(service.key).authorization_url(
            redirect_uri=console.settings.console_url + CALLBACK,
            state=state,
            nonce=nonce,
            verifier=verifier,
            login_hint="" if shared else hint,
        )
    except IdentityServerError as error:
        raise _refused(context, service, error) from error
    details = {"service": service.key, "nonce": nonce, "verifier": verifier, "account": account, "typed": hint}
    details["shared"] = "1" if shared else ""
    await context.store.pending_sign_ins.offer(state, context.seed, details, lasts=LASTS)
    return RedirectResponse(url, 303)


async def come_back(context: RequestContext) -> Response:
    """Take the code with which the browser comes back; save the sign-in of a connected mailbox, or ask who sees a new one's mail."""
    details = await _taken(context, context.form.secret("state"))
    service = context.console.sign_ins.by_key.get(details.get("service", ""))
    if service is None or "verifier" not in details:
        raise PageError(400, _ENDED)
    try:
        return await _come_back(context, service, details)
    except REFUSALS as error:
        if details["account"]:
            raise
        return ask_address(context, details["typed"], None, page_error(error))


async def _come_back(context: RequestContext, service: SignInService, details: dict[str, Any]) -> Response:
    try:
        found = await _identify(context, service, details)
    except IdentityServerError as error:
        raise _refused(context, service, error) from error
    account = await _owned(context, details["account"]) if details["account"] else None
    if account is not None and account.shared:
        found = found.shared(account.address)
    elif account is None and details["shared"]:
        await refuse_personal(details["typed"], context.store)
        found = found.shared(details["typed"])
    result = await mailbox_sign_in.check(found, context.console.policy)
    if not result.ok:
        return context.render("sign_in_failed.html", status=422, service=service, address=found.address, result=result)
    if account is not None:
        account = await _owned(context, account.id)  # it may have been transferred meanwhile
        await mailbox_sign_in.save_again(account, found, context.saver)
        return context.redirect(f"/mailboxes/{account.id}", "signed-in")
    if details["typed"] and details["typed"] != found.address:
        raise PageError(409, f"You signed in as {found.address}, not as {details['typed']}. Nothing was saved.")
    if await is_taken(found.address, "" if details["shared"] else context.viewer, context.store):
        raise PageError(409, f"{found.address} is already connected.")
    return await _ask_sharing(context, found)


async def _owned(context: RequestContext, identifier: str) -> Account:
    """Return an account of the viewer.

    Raises:
        NotFoundError: there is no such account, or it is another user's.
    """
    account = await context.store.accounts.get(identifier)
    if context.viewer not in account.holders:
        raise NotFoundError("there is no such account")
    return account


async def _identify(context: RequestContext, service: SignInService, details: dict[str, Any]) -> SignedIn:
    console, form = context.console, context.form
    client = console.sign_ins.client(service.key)
    if not (await client.endpoints()).is_answered_by(form.text("iss")):
        raise IdentityServerError("wrong-identity", "another service answered")
    if not form.secret("code"):
        raise IdentityServerError(form.text("error", "access_denied"), form.text("error_description"))
    tokens = await client.exchange(
        form.secret("code"), redirect_uri=console.settings.console_url + CALLBACK, verifier=details["verifier"]
    )
    return await mailbox_sign_in.identify(tokens, service.key, console.sign_ins, nonce=details["nonce"])


async def _ask_sharing(context: RequestContext, found: SignedIn, wrong: str | None = None) -> Response:
    """Keep the tokens sealed until the user has chosen who sees the mail."""
    sealed_for, pending = new_account_id(), new_secret()
    sealed = context.console.box.seal(sealed_for, found.credentials)
    details = {
        "service": found.service.key,
        "address": found.address,
        "by": found.by,
        "sealed_for": sealed_for,
        "sealed": sealed,
    }
    await context.store.pending_sign_ins.offer(pending, context.seed, details, lasts=LASTS)
    company = await context.store.company.policy()
    offered = modes(company)
    default = company.default_mode if company.default_mode in company.allowed_modes else offered[0][0]
    return context.render(
        "connect_signed_in.html",
        status=422 if wrong else 200,
        service=found.service,
        address=found.address,
        pending=pending,
        modes=offered,
        company=company,
        mode=context.form.text("mode") if wrong else default.value,
        domains=context.form.text("domains"),
        shared=bool(context.form.text("shared")) or found.by != found.address,
        members=context.form.text("members"),
        wrong=wrong,
    )


async def save(context: RequestContext) -> Response:
    """Save the new mailbox with the chosen sharing."""
    console = context.console
    details = await _taken(context, context.form.secret("pending"))
    service = console.sign_ins.by_key.get(details.get("service", ""))
    try:
        sealed = SealedCredentials.model_validate(details.get("sealed"))
    except ValidationError:
        raise PageError(400, _ENDED) from None
    credentials = console.box.open(details["sealed_for"], sealed)
    if service is None or not isinstance(credentials, OAuth2Credentials):
        raise PageError(400, _ENDED)
    found = SignedIn(service, details["address"], service.mailbox(details["address"]), credentials, details["by"])
    try:
        policy = read_policy(context.form, None, await context.store.company.policy())
        members = await read_members(context)
        if not members and found.by != found.address:
            raise PageError(422, f"You signed in as {found.by}: {found.address} can only be a shared mailbox.")
        owner = "" if members else context.viewer
        account = await context.saver.save(mailbox_sign_in.new_account(found, owner, policy, members=members))
    except REFUSALS as error:
        return await _ask_sharing(context, found, page_error(error).sentence)
    return context.redirect(f"/mailboxes/{account.id}", "connected")


async def again(context: RequestContext) -> Response:
    """Show where to sign in again. The mail about a mailbox that needs its owner links here."""
    account = await connected_account(context)
    provider = provider_of(account)
    key = mailbox_sign_in.service_key(account, context.console.box)
    service = context.console.sign_ins.by_key.get(key or "") or context.console.sign_ins.of(provider)
    if service is None:
        raise PageError(409, "This installation has no sign-in for this mailbox. Ask the operator of Leadmail.")
    return context.render(
        "sign_in_again.html", account=account, service=service, url=start_url(service, account=account.id)
    )


async def _taken(context: RequestContext, token: str) -> dict[str, Any]:
    try:
        return await context.store.pending_sign_ins.take(token, context.seed)
    except NotFoundError:
        raise PageError(400, _ENDED) from None


def _refused(context: RequestContext, service: SignInService, error: IdentityServerError) -> PageError:
    # The code only: descriptions name people, and an answer in the browser's address may say anything.
    code = one_line(error.error)[:60]
    context.console.log.warning("a sign-in at a mail service failed", service=service.key, error=code)
    return PageError(422, mailbox_sign_in.sentence(error, service))
