"""Connecting a mailbox: from an address to its servers, which may be changed; a login that works; who sees the mail; saved."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple, get_args

from starlette.responses import Response

from schemas.accounts import AccountState, ServerAddress, Tls
from schemas.addresses import normal_address
from schemas.sharing import SharingPolicy
from services.console.pages.sharing import modes, read_policy
from services.console.web.forms import AnswerError, Form
from services.console.web.request_context import RequestContext
from services.mailbox import advice
from services.mailbox.check import CheckResult
from services.mailbox.connection import Code, MailServerError
from services.mailbox.connection import password as password_credentials
from services.mailbox.discovery import Discovered
from services.mailbox.providers import Provider, directory
from services.usecases import connecting
from services.usecases.connecting import NewAccount
from services.usecases.servers import PORTS, Protocol, ServerChoice, find, read_host, read_port

MOST, WITHIN = 40, timedelta(minutes=15)
"""Tries at mail servers by one user in a span of time."""
_TLS: tuple[Tls, ...] = get_args(Tls)


class Servers(NamedTuple):
    """Both servers as they were found, or typed."""

    incoming: ServerAddress | None
    outgoing: ServerAddress | None


async def address(visit: RequestContext) -> Response:
    """Ask for the address."""
    accounts = await visit.store.accounts.list(visit.viewer)
    mine = {one.address for one in accounts if one.state is not AccountState.DISCONNECTED}
    proposed = visit.form.text("address") or ("" if visit.viewer in mine else visit.viewer)
    return visit.page("connect_address.html", proposed=proposed)


async def connect(visit: RequestContext) -> Response:
    """Find the servers of an address; or try what was typed and save it."""
    typed = normal_address(visit.form.text("address"))
    accounts = await visit.store.accounts.list()
    if any(one.address == typed and one.state is not AccountState.DISCONNECTED for one in accounts):
        raise AnswerError(409, f"{typed} is connected already.")
    await may_try(visit)
    if visit.form.text("do") == "find":
        found = await find(typed, None, policy=visit.console.policy, look=True)
        if found.auth == ("oauth2",) and found.incoming:
            raise AnswerError(
                422, advice.sentence(MailServerError(Code.OAUTH2_NEEDED), found.incoming, "imap", found.provider)
            )
        return await _form(visit, typed, found.provider, Servers(found.incoming, found.outgoing), found=found)
    return await _save(visit, typed)


async def may_try(visit: RequestContext) -> None:
    """Count a try at somebody's servers: who guesses passwords, or looks for servers, does not get far.

    Raises:
        AnswerError: there were too many.
    """
    if not await visit.store.sign_ins.attempt(f"login/{visit.viewer}", most=MOST, within=WITHIN):
        raise AnswerError(429, "This was tried too often. Try again in a quarter of an hour.")


async def _save(visit: RequestContext, typed: str) -> Response:
    form, console = visit.form, visit.console
    provider = directory().by_key.get(form.text("provider"))
    incoming = _server(form, "imap", typed)
    outgoing = None if form.text("no_smtp") else _server(form, "smtp", typed)
    servers = Servers(incoming, outgoing)
    company = await visit.store.company.policy()
    try:
        policy = read_policy(form, None, company)
    except AnswerError as error:
        return await _form(visit, typed, provider, servers, wrong=error.sentence)
    secret = form.secret("password")
    if incoming is None or (outgoing is None and not form.text("no_smtp")):
        wrong = "Give the names of both servers, or say that there is no outgoing one."
        return await _form(visit, typed, provider, servers, policy=policy, wrong=wrong)
    if not secret:
        return await _form(visit, typed, provider, servers, policy=policy, wrong="The password is empty.")
    credentials = password_credentials(secret)
    result = await connecting.tried(incoming, outgoing, credentials, console.policy, provider)
    if not result.ok:
        return await _form(visit, typed, provider, servers, policy=policy, result=result)
    new = NewAccount(visit.viewer, typed, (), provider, incoming, outgoing, credentials, policy)
    account = await connecting.save(new, store=visit.store, box=console.box, by=visit.viewer)
    return visit.go(f"/mailboxes/{account.id}", "connected")


async def _form(
    visit: RequestContext,
    typed: str,
    provider: Provider | None,
    servers: Servers,
    *,
    found: Discovered | None = None,
    policy: SharingPolicy | None = None,
    result: CheckResult | None = None,
    wrong: str | None = None,
) -> Response:
    company = await visit.store.company.policy()
    offered = modes(company)
    if policy is None and visit.form.text("do") == "find":
        default = company.default_mode if company.default_mode in company.allowed_modes else offered[0][0]
        policy = SharingPolicy(mode=default)
    plain = visit.console.settings.allow_plaintext
    return visit.page(
        "connect.html",
        status=422 if wrong or result else 200,
        address=typed,
        provider=provider,
        servers=servers,
        found=found,
        no_smtp=bool(visit.form.text("no_smtp")),
        encryptions=[tls for tls in _TLS if tls != "none" or plain],
        ports=PORTS,
        modes=offered,
        company=company,
        policy=policy,
        domains=visit.form.text("domains"),
        result=result,
        wrong=wrong,
    )


def _server(form: Form, protocol: Protocol, typed: str) -> ServerAddress | None:
    """Return a server as it was typed; None where its name was left empty.

    Raises:
        AnswerError: a part of it cannot be.
    """
    host, port, tls = (form.text(f"{protocol}_{part}") for part in ("host", "port", "tls"))
    if not host:
        return None
    if tls not in _TLS:
        raise AnswerError(400, f"Choose one of {', '.join(_TLS)} as encryption.")
    try:
        choice = ServerChoice(read_host(host), read_port(port) if port else None, tls)
    except ValueError as error:
        raise AnswerError(400, f"{protocol.upper()}: {error}.") from None
    return choice.over(None, protocol, form.text(f"{protocol}_user") or typed)
