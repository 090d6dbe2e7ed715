"""The operator's own submission server, through which Leadmail sends its notifications (``LEADMAIL_SMTP_URL``)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib

from schemas.accounts import ServerAddress, Tls
from services.mailbox.connection import (
    Code,
    ConnectPolicy,
    MailServerError,
    NetGuard,
    PasswordCredentials,
    password,
)
from services.mailbox.smtp.connect import close_smtp, connect_smtp, open_smtp, send

if TYPE_CHECKING:
    from services.mailbox.smtp.relay_tokens import RelayTokens

_PORTS: dict[str, Tls] = {"465": "tls", "587": "starttls"}
_TLS: dict[str, Tls] = {"implicit": "tls", "tls": "tls", "starttls": "starttls", "none": "none"}


@dataclass(frozen=True, slots=True)
class Relay:
    """The server that sends notifications. The operator names it, so it may be in a private network; its certificate is still verified."""

    server: ServerAddress
    credentials: PasswordCredentials | None
    tokens: RelayTokens | None = None
    """What logs in instead of a password."""


def parse_relay(url: str, tokens: RelayTokens | None = None) -> Relay:
    """Return the relay of ``smtp://[user:password@]host[:port][?tls=starttls|implicit|none]``.

    With ``tokens`` the URL has a user and no password.

    ``smtps://`` means implicit TLS. Without ``tls=``: port 465 is implicit, any other STARTTLS; the default port is 587 (465
    for implicit, 25 for none). User and password are percent-encoded.

    Raises:
        ValueError: the URL is not of this form; the message names the setting and not the password.
    """
    form = "LEADMAIL_SMTP_URL must look like smtp://user:password@host:587?tls=starttls"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(f"{form}: the port is not a number") from None
    scheme = parts.scheme
    if scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise ValueError(form)
    chosen = parse_qs(parts.query).get("tls", ["implicit" if scheme == "smtps" else ""])[-1]
    if chosen and chosen not in _TLS:
        raise ValueError(f"{form}: tls is implicit, starttls or none")
    tls: Tls = _TLS[chosen] if chosen else _PORTS.get(str(port), "starttls")
    if port is None:
        port = {"tls": 465, "starttls": 587, "none": 25}[tls]
    user = unquote(parts.username or "")
    secret = unquote(parts.password or "")
    if tokens is not None:
        if secret or not user:
            raise ValueError(
                "LEADMAIL_SMTP_URL must look like smtp://mailbox%40example.com@host:587, without a password,"
                " when LEADMAIL_SMTP_OAUTH_CLIENT_ID is set"
            )
    elif bool(user) != bool(secret):
        raise ValueError(f"{form}: give both user and password, or neither")
    server = ServerAddress(host=parts.hostname, port=port, tls=tls, username=user)
    return Relay(server=server, credentials=password(secret) if secret else None, tokens=tokens)


async def check(relay: Relay, *, policy: ConnectPolicy) -> bytes | None:
    """Connect and log in without sending anything; returns the server's certificate (DER), None without TLS.

    Raises:
        MailServerError: no connection or no login.
    """
    client = await _open(relay, policy)
    try:
        tls = client.get_transport_info("ssl_object")
        return tls.getpeercert(binary_form=True) if tls else None
    finally:
        await close_smtp(client)


async def submit(relay: Relay, message: bytes, *, sender: str, recipients: Sequence[str], policy: ConnectPolicy) -> str:
    """Send one message through the relay and return the server's answer.

    Raises:
        smtp_connect.RejectedError: the relay refused it (``transient`` says whether to try again).
        MailServerError: no connection or no log-in; try again later.
    """
    client = await _open(relay, policy)
    try:
        return await send(client, message, sender=sender, recipients=recipients)
    finally:
        await close_smtp(client)


async def _open(relay: Relay, policy: ConnectPolicy) -> aiosmtplib.SMTP:
    own = dataclasses.replace(policy, guard=NetGuard.unrestricted())
    if relay.credentials is None and relay.tokens is None:
        # Without credentials there is nothing to intercept but the mail itself, which travels over SMTP anyway.
        return await open_smtp(relay.server, policy=dataclasses.replace(own, allow_plaintext=True))
    if relay.server.tls == "none" and not policy.allow_plaintext:
        raise MailServerError(
            Code.PLAINTEXT_REFUSED, "LEADMAIL_SMTP_URL has a login and tls=none: use starttls or implicit"
        )
    if relay.tokens is None:
        assert relay.credentials is not None
        return await connect_smtp(relay.server, relay.credentials, policy=own)
    token = await relay.tokens.get()
    try:
        return await connect_smtp(relay.server, token, policy=own)
    except MailServerError as error:
        if error.code is not Code.OAUTH2_EXPIRED:
            raise
        another = await relay.tokens.get(refused=token)
        if another == token:
            raise
    return await connect_smtp(relay.server, another, policy=own)
