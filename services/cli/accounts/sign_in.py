"""Signing in to a mailbox from a terminal: by a redirect to this machine's own port, or with a code that is entered elsewhere."""

from __future__ import annotations

import asyncio
import hmac
import os
import secrets
import sys
import threading
import webbrowser
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, NoReturn
from urllib.parse import parse_qs, urlsplit

import typer

from schemas.accounts import Account
from services.cli.accounts import login_result
from services.cli.accounts.settings import connected_account
from services.cli.terminal.names import AccountName
from services.cli.terminal.output import USAGE, errors, fail, say
from services.cli.terminal.session import do, open_session
from services.mailbox.oauth.errors import IdentityServerError
from services.mailbox.oauth.sign_in_services import SignInService, SignInServices, what_is_missing
from services.usecases.connecting import mailbox_sign_in
from services.usecases.connecting.login import provider_of
from services.usecases.connecting.mailbox_sign_in import SignedIn

if TYPE_CHECKING:
    from services.mailbox.oauth.answers import Tokens
    from services.mailbox.oauth.client import OAuthClient

PORT = 8457
SECONDS = 600
"""How long a user may take to sign in."""
_PAGE = "<!doctype html><title>Leadmail</title><p>{}</p>"
_MAX_LINE = 8192
Device = Annotated[
    bool, typer.Option("--device", help="Sign in with a code that you enter in a browser on another machine.")
]
RedirectPort = Annotated[
    int,
    typer.Option(
        "--redirect-port",
        min=1,
        max=65535,
        help="The port of http://localhost to which the browser comes back: as it is registered at the service.",
    ),
]


def sign_in(key: str, *, device: bool, port: int, hint: str = "", shared: str = "") -> SignedIn:
    """Let the user sign in at a service, and check the login at its mail servers. Exits with a sentence if it does not work.

    ``shared`` is the address of a shared mailbox that the user opens so, instead of their own.
    """
    return do(_sign_in(key, device=device, port=port, hint=hint, shared=shared))


async def _sign_in(key: str, *, device: bool, port: int, hint: str, shared: str) -> SignedIn:
    async with open_session() as session:
        services, policy = session.sign_ins, session.policy
    service = service_named(services, key)
    client = services.client(key)
    nonce = None
    try:
        if device or (not _has_browser() and (await client.endpoints()).device):
            tokens = await _by_device(client)
        else:
            nonce = secrets.token_urlsafe(24)
            tokens = await _by_redirect(client, nonce, port=port, hint=hint)
        found = await mailbox_sign_in.identify(tokens, key, services, nonce=nonce)
    except IdentityServerError as error:
        _explain(error, service)
    found = found.shared(shared) if shared else found
    result = await mailbox_sign_in.check(found, policy)
    if not result.ok:
        login_result.show(result, to_errors=True)
        fail("nothing was saved")
    return found


def service_named(services: SignInServices, key: str) -> SignInService:
    """Return a service that the operator set up; exits if there is no such service."""
    if (service := services.by_key.get(key)) is None:
        known = f"choose one of {', '.join(services.by_key)}" if services.by_key else "none is set up (docs/oauth.md)"
        fail(f"there is no sign-in at {key!r}: {known}", code=USAGE)
    return service


def _explain(error: IdentityServerError, service: SignInService) -> NoReturn:
    errors.print(mailbox_sign_in.sentence(error, service), style="red")
    fail(f"nobody signed in ({error})")


def _has_browser() -> bool:
    """Whether a browser on this machine can be opened: not over SSH, nor without a display."""
    if "SSH_CONNECTION" in os.environ and "BROWSER" not in os.environ:
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


async def _by_device(client: OAuthClient) -> Tokens:
    code = await client.device_code()
    errors.print(f"Open {code.verification_uri} in any browser and enter this code: {code.user_code}")
    pause = code.interval
    loop = asyncio.get_running_loop()
    end = loop.time() + min(code.expires_in, SECONDS)
    while loop.time() < end:
        await asyncio.sleep(pause)
        tokens, more = await client.poll(code)
        if tokens is not None:
            return tokens
        pause += more
    raise IdentityServerError("expired_token", "nobody entered the code in time")


async def _by_redirect(client: OAuthClient, nonce: str, *, port: int, hint: str) -> Tokens:
    """Open the browser, and wait until it comes back with a code (RFC 8252 section 7.3)."""
    redirect, state, verifier = f"http://localhost:{port}/", secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    url = await client.authorization_url(
        redirect_uri=redirect, state=state, nonce=nonce, verifier=verifier, login_hint=hint
    )
    answer: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()
    try:
        server = await asyncio.start_server(_receiver(state, answer), "127.0.0.1", port, limit=_MAX_LINE)
    except OSError:
        fail(f"port {port} of this machine is in use: choose another with --redirect-port, or use --device")
    async with server:
        errors.print("Sign in with your browser. If it does not open, open this page:")
        errors.print(url, style="cyan", soft_wrap=True)
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        try:
            async with asyncio.timeout(SECONDS):
                got = await answer
        except TimeoutError:
            raise IdentityServerError("expired_token", "nobody signed in in time") from None
    if "code" not in got:
        raise IdentityServerError(got.get("error", "access_denied"), got.get("error_description", ""))
    return await client.exchange(got["code"], redirect_uri=redirect, verifier=verifier)


def _receiver(
    state: str, answer: asyncio.Future[dict[str, str]]
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """Return what serves the page to which the browser comes back. Only the first answer to our own request counts."""

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(10):
                line = (await reader.readline()).decode("latin-1").split(" ")
            target = urlsplit(line[1]) if len(line) > 1 else urlsplit("")
            got = {name: values[0] for name, values in parse_qs(target.query).items()}
            ours = target.path == "/" and hmac.compare_digest(got.get("state", "").encode(), state.encode())
            words = (
                "You can close this page and go back to the terminal." if ours else "This page is for one sign-in only."
            )
            body = _PAGE.format(words).encode()
            status = "200 OK" if ours else "404 Not Found"
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n"
                f"Referrer-Policy: no-referrer\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
                + body
            )
            await writer.drain()
            if ours and not answer.done():
                answer.set_result(got)
        except (OSError, ValueError, TimeoutError):
            return
        finally:
            writer.close()

    return receive


def login(
    name: AccountName,
    device: Device = False,
    redirect_port: RedirectPort = PORT,
    service: Annotated[
        str | None, typer.Option(help="Where to sign in: google, microsoft or generic; by default the mailbox's own.")
    ] = None,
) -> None:
    """Sign in to a mailbox again at its mail service. A blocked account becomes active again; everything else stays."""
    account = do(connected_account(name))
    key = service or do(_key(account))
    shared = account.address if account.shared else ""
    found = sign_in(key, device=device, port=redirect_port, hint="" if shared else account.address, shared=shared)
    do(_save_again(account, found))
    say(f"The new sign-in of {account.address} works and is saved.", style="green")


async def _key(account: Account) -> str:
    """Return the service of an account: the one that its tokens are from, or that its mail service has."""
    async with open_session() as session:
        key, provider = mailbox_sign_in.service_key(account, session.box), provider_of(account)
        offered = session.sign_ins.of(provider)
    if key is None and offered is None:
        fail(f"{account.address} has a password and no sign-in. {what_is_missing(provider)}".strip(), code=USAGE)
    return key or (offered.key if offered else "")


async def _save_again(account: Account, found: SignedIn) -> None:
    async with open_session() as session:
        await mailbox_sign_in.save_again(account, found, session.saver)


def asks_for_sign_in(service: SignInService, *, only: bool) -> bool:
    """Whether the user signs in at the mail service instead of giving a password."""
    if only:
        return True
    return sys.stdin.isatty() and typer.confirm(f"Sign in at {service.name} (recommended)?", default=True)
