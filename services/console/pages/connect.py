"""Connecting a mailbox: find the servers of an address, let the user change them, try the login, choose sharing, save."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, NamedTuple, get_args

from starlette.responses import Response

from schemas.accounts import AccountState, ServerAddress, Tls
from schemas.addresses import InvalidAddressError, normal_address
from schemas.sharing import SharingPolicy
from services import wording
from services.console.pages.sharing import modes, read_policy
from services.console.web.forms import Form, PageError
from services.console.web.refusals import REFUSALS, page_error
from services.console.web.request_context import RequestContext
from services.console.web.typed_servers import TypedServers, typed_servers
from services.mailbox import advice
from services.mailbox.check import CheckResult
from services.mailbox.connection import Code, MailServerError, Protocol
from services.mailbox.connection import password as password_credentials
from services.mailbox.discovery import Discovered
from services.mailbox.oauth.sign_in_services import what_is_missing
from services.mailbox.popular import POPULAR, PopularService
from services.mailbox.providers import Provider, directory
from services.store import NotFoundError
from services.usecases.connecting import login_limit
from services.usecases.connecting.displacing import is_taken, refuse_personal
from services.usecases.connecting.login import check_login
from services.usecases.connecting.saving import NewAccount
from services.usecases.connecting.servers import PORTS, ServerChoice, find, read_host, read_port

SERVER_MISSING = "Enter both servers, or select that there is no outgoing server."
_TLS: tuple[Tls, ...] = get_args(Tls)


class Servers(NamedTuple):
    """Both servers, as found or as typed."""

    incoming: ServerAddress | None
    outgoing: ServerAddress | None


async def address(context: RequestContext) -> Response:
    """Show the popular services to choose from; then ask for the mailbox's address, with what the chosen service needs first."""
    accounts = await context.store.accounts.get_all(context.viewer)
    mine = {one.address for one in accounts if one.state is not AccountState.DISCONNECTED}
    proposed = context.form.text("address") or ("" if context.viewer in mine else context.viewer)
    service = POPULAR.get(context.form.text("service"))
    return ask_address(context, proposed, service)


def ask_address(
    context: RequestContext, proposed: str, service: PopularService | None, wrong: PageError | None = None
) -> Response:
    """Ask for the mailbox's address; or show what was typed, and what is wrong with it."""
    known = context.console.sign_ins
    offered = known.of(service.provider) if service else None
    sign_ins = [offered] if offered else [] if service else list(known.by_key.values())
    only = service is not None and service.provider.auth == ("oauth2",)
    missing = what_is_missing(service.provider) if service and only and not offered else ""
    return context.render(
        "connect_address.html",
        status=wrong.status if wrong else 200,
        wrong=wrong.sentence if wrong else None,
        proposed=proposed,
        service=service,
        popular=POPULAR.values(),
        sign_ins=sign_ins,
        only=only and offered is not None,
        missing=missing,
    )


async def connect(context: RequestContext) -> Response:
    """Find the servers of an address; or try the submitted login and save the mailbox."""
    chosen = POPULAR.get(context.form.text("service"))
    try:
        typed = normal_address(context.form.text("address"))
    except InvalidAddressError as error:
        return ask_address(context, context.form.text("address"), chosen, PageError(400, wording.sentence(str(error))))
    # Of another user's mailbox, only who can sign in to it learns that it is connected.
    holder = await context.store.accounts.connected(typed)
    if holder and context.viewer in holder.holders:
        return ask_address(context, typed, chosen, _already_connected(typed))
    return await (_find(context, typed, chosen) if context.form.text("do") == "find" else _save(context, typed))


async def _find(context: RequestContext, typed: str, chosen: PopularService | None) -> Response:
    """Show the servers of an address, or the service at which its owner signs in."""
    try:
        await count_login_attempt(context)
    except PageError as error:
        return ask_address(context, typed, chosen, error)
    found = await find(typed, None, policy=context.console.policy, look=True, chosen=chosen)
    if found.auth == ("oauth2",) and found.incoming:
        if (service := context.console.sign_ins.of(found.provider)) is not None:
            return context.render("connect_sign_in.html", address=typed, service=service)
        why = advice.sentence(MailServerError(Code.OAUTH2_NEEDED), found.incoming, "imap", found.provider)
        sentence = f"{why} {what_is_missing(found.provider)}".strip()
        return ask_address(context, typed, chosen, PageError(422, sentence))
    return await _form(context, typed, found.provider, Servers(found.incoming, found.outgoing), found=found)


def _already_connected(address: str) -> PageError:
    return PageError(409, f"{address} is already connected.")


async def count_login_attempt(context: RequestContext) -> None:
    """Count a login attempt, to stop users from guessing passwords or scanning for servers.

    Raises:
        PageError: too many attempts.
    """
    try:
        await login_limit.count_login_attempt(context.viewer, context.store)
    except login_limit.TooManyAttemptsError as error:
        raise PageError(429, wording.sentence(str(error))) from None


async def _save(context: RequestContext, typed: str) -> Response:
    form, console = context.form, context.console
    provider = directory().by_key.get(form.text("provider"))
    company = await context.store.company.policy()
    try:
        await count_login_attempt(context)  # before anything is looked up, such as whether somebody is a user
        members = await read_members(context)
        policy = read_policy(form, None, company)
    except PageError as error:
        wrong = PageError(422 if error.status == HTTPStatus.BAD_REQUEST else error.status, error.sentence)
        return await _form(context, typed, provider, typed_servers(form), wrong=wrong)
    try:
        servers = read_servers(form, typed)
    except PageError as error:
        return await _form(context, typed, provider, typed_servers(form), policy=policy, wrong=error)
    secret, (incoming, outgoing) = form.secret("password"), servers
    missing = outgoing is None and not form.text("no_smtp")
    if incoming is None or missing or not secret:
        wrong = PageError(422, SERVER_MISSING if incoming is None or missing else "The password is empty.")
        return await _form(context, typed, provider, typed_servers(form), policy=policy, wrong=wrong)
    credentials = password_credentials(secret)
    result = await check_login(incoming, outgoing, credentials, console.policy, provider)
    if not result.ok:
        return await _form(context, typed, provider, typed_servers(form), policy=policy, result=result)
    owner = "" if members else context.viewer
    new = NewAccount(owner, typed, (), provider, incoming, outgoing, credentials, policy, members)
    try:
        if members:
            await refuse_personal(typed, context.store)
        if await is_taken(typed, owner, context.store):
            raise _already_connected(typed)
        account = await context.saver.save(new)
    except REFUSALS as error:
        return await _form(context, typed, provider, typed_servers(form), policy=policy, wrong=page_error(error))
    return context.redirect(f"/mailboxes/{account.id}", "connected")


async def _form(
    context: RequestContext,
    typed: str,
    provider: Provider | None,
    servers: Servers | TypedServers,
    *,
    found: Discovered | None = None,
    policy: SharingPolicy | None = None,
    result: CheckResult | None = None,
    wrong: PageError | None = None,
) -> Response:
    company = await context.store.company.policy()
    offered = modes(company)
    if policy is None and context.form.text("do") == "find":
        default = company.default_mode if company.default_mode in company.allowed_modes else offered[0][0]
        policy = SharingPolicy(mode=default)
    mode = policy.mode.value if policy else context.form.text("mode")
    return context.render(
        "connect.html",
        status=wrong.status if wrong else 422 if result else 200,
        address=typed,
        provider=provider,
        found=found,
        modes=offered,
        company=company,
        mode=mode,
        domains=context.form.text("domains"),
        shared=bool(context.form.text("shared")),
        members=context.form.text("members"),
        sign_in=context.console.sign_ins.of(provider),
        result=result,
        wrong=wrong.sentence if wrong else None,
        **server_fields(context, servers, no_smtp=bool(context.form.text("no_smtp"))),
    )


async def read_members(context: RequestContext) -> tuple[str, ...]:
    """Return the members of a shared mailbox: the user who connects it, and those who were typed. Empty if it is not a shared one.

    Raises:
        PageError: one of them is no active user.
    """
    if not context.form.text("shared"):
        return ()
    found = {context.viewer}
    for typed in context.form.text("members").replace(",", " ").replace(";", " ").split():
        try:
            user = await context.store.users.get(typed)
        except NotFoundError:
            user = None
        if user is None or user.disabled:
            raise PageError(422, f"{typed} is no active user.")
        found.add(user.email)
    return tuple(sorted(found))


def server_fields(context: RequestContext, servers: Servers | TypedServers, *, no_smtp: bool) -> dict[str, Any]:
    """Return what a template needs to ask for both servers."""
    plain = context.console.settings.allow_plaintext
    encryptions = [tls for tls in _TLS if tls != "none" or plain]
    return {"servers": servers, "no_smtp": no_smtp, "encryptions": encryptions, "ports": PORTS}


def read_servers(form: Form, username: str) -> Servers:
    """Return both servers as typed.

    Raises:
        PageError: a part of them is invalid.
    """
    outgoing = None if form.text("no_smtp") else _server(form, "smtp", username)
    return Servers(_server(form, "imap", username), outgoing)


def _server(form: Form, protocol: Protocol, typed: str) -> ServerAddress | None:
    """Return a server as typed; None if its name is empty.

    Raises:
        PageError: a part of it is invalid.
    """
    host, port, tls = (form.text(f"{protocol}_{part}") for part in ("host", "port", "tls"))
    if not host:
        return None
    if tls not in _TLS:
        raise PageError(400, f"Choose an encryption: {', '.join(_TLS)}.")
    try:
        choice = ServerChoice(read_host(host), read_port(port) if port else None, tls)
    except ValueError as error:
        raise PageError(400, f"{protocol.upper()}: {error}.") from None
    return choice.over(None, protocol, form.text(f"{protocol}_user") or typed)
