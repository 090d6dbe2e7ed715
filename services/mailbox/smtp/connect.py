"""Open SMTP connections, log in, and submit one message (asyncio)."""

from __future__ import annotations

import asyncio
import logging
import ssl
from base64 import b64decode, b64encode
from collections.abc import Sequence
from contextlib import suppress

import aiosmtplib
from aiosmtplib.errors import (
    SMTPConnectError,
    SMTPConnectResponseError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from schemas.accounts import ServerAddress
from schemas.errors import LeadmailError
from services.mailbox.connection import (
    BearerExchange,
    Code,
    ConnectPolicy,
    Credentials,
    InjectionError,
    MailServerError,
    OAuth2Credentials,
    SaslExchange,
    bearer_mechanism,
    classify,
    clean_answer,
    host_name,
    login_exchange,
    plain_exchange,
    refuse_line_breaks,
    tls_error,
)

EHLO_NAME = "[127.0.0.1]"
"""RFC 5321 section 4.1.3. The usual name behind NAT. The host's own name would reveal it and cost a DNS query."""
log = logging.getLogger(__name__)
_AUTH_CONTINUE, _AUTH_DONE = 334, 235
_PERMANENT = 500


class RejectedError(LeadmailError):
    """The server did not accept the message. ``transient``: it may accept it later (RFC 5321 section 4.2.1, codes 4xx)."""

    def __init__(self, code: int, answer: str) -> None:
        """``code`` is the SMTP reply code, ``answer`` its text."""
        super().__init__(f"{code} {answer}")
        self.code = code
        self.transient = code < _PERMANENT


async def open_smtp(server: ServerAddress, *, policy: ConnectPolicy) -> aiosmtplib.SMTP:
    """Return an encrypted connection after EHLO that is not logged in.

    Raises:
        MailServerError: no connection, no valid certificate, no TLS where it is required, no SMTP server.
    """
    if server.tls == "none" and not policy.allow_plaintext:
        raise MailServerError(Code.PLAINTEXT_REFUSED, "connections without encryption are not allowed")
    sock = await asyncio.to_thread(policy.guard.connect, server.host, server.port, timeout=policy.timeouts.connect)
    sock.setblocking(False)
    client = aiosmtplib.SMTP(
        hostname=host_name(server.host),  # what the certificate must carry; the socket is already connected
        sock=sock,
        use_tls=server.tls == "tls",
        start_tls=False,
        tls_context=policy.tls,
        local_hostname=EHLO_NAME,
        timeout=policy.timeouts.login,
    )
    try:
        async with asyncio.timeout(policy.timeouts.login):
            await client.connect()
            await client.ehlo()
            if server.tls == "starttls":
                await _starttls(client)
    except BaseException as error:
        client.close()
        if isinstance(error, (SMTPException, OSError, ValueError)):
            raise _not_smtp(error) from error
        raise
    return client


async def _starttls(client: aiosmtplib.SMTP) -> None:
    if not client.supports_extension("starttls"):
        raise MailServerError(Code.TLS_FAILED, "the server does not offer STARTTLS on this port")
    await client.starttls()
    await client.ehlo()


async def connect_smtp(server: ServerAddress, credentials: Credentials, *, policy: ConnectPolicy) -> aiosmtplib.SMTP:
    """Return a logged-in connection; the caller ends it with ``close_smtp``.

    Raises:
        MailServerError: see ``open_smtp``; and every way in which a login is refused (``errors.Code``).
    """
    client = await open_smtp(server, policy=policy)
    try:
        async with asyncio.timeout(policy.timeouts.login):
            await _log_in(client, server, credentials)
    except BaseException as error:
        client.close()
        if isinstance(error, (TimeoutError, SMTPTimeoutError)):
            raise MailServerError(Code.TIMEOUT, "the server did not answer the login in time") from error
        if isinstance(error, SMTPServerDisconnected):
            raise MailServerError(Code.UNAVAILABLE, "the server closed the connection") from error
        raise
    return client


async def close_smtp(client: aiosmtplib.SMTP) -> None:
    """Send QUIT and close, without waiting long for the answer."""
    with suppress(SMTPException, OSError):
        await client.quit(timeout=5)
    client.close()


async def send(client: aiosmtplib.SMTP, message: bytes, *, sender: str, recipients: Sequence[str]) -> str:
    """Submit one message (RFC 6409) and return the server's answer. ``message`` is complete, with its headers.

    If only some recipients are refused, that is logged and not raised: sending again would duplicate the mail for the others.

    Raises:
        RejectedError: the server refused the sender, every recipient, or the message.
        MailServerError: the connection broke; whether the message was accepted is unknown.
    """
    refuse_line_breaks(sender, *recipients)
    try:
        options = () if (sender + "".join(recipients)).isascii() else ("SMTPUTF8",)  # RFC 6531
        refused, answer = await client.sendmail(sender, list(recipients), message, mail_options=options)
    except SMTPRecipientsRefused as error:
        first = error.recipients[0]
        raise RejectedError(first.code, clean_answer(first.message)) from error
    except SMTPResponseException as error:
        raise RejectedError(error.code, clean_answer(error.message)) from error
    except (SMTPServerDisconnected, SMTPTimeoutError, OSError) as error:
        raise MailServerError(Code.UNAVAILABLE, "the connection broke while the message was sent") from error
    except SMTPException as error:
        raise RejectedError(_PERMANENT, clean_answer(str(error))) from error
    if refused:
        log.warning("message sent, but not to every recipient", extra={"refused": len(refused), "of": len(recipients)})
    return clean_answer(answer)


async def _log_in(client: aiosmtplib.SMTP, server: ServerAddress, credentials: Credentials) -> None:
    offered = {name.upper() for name in client.server_auth_methods}
    encrypted = server.tls != "none"
    if not offered:
        hint = (
            "the server offers no login on this port" if encrypted else "the server offers no login without encryption"
        )
        raise MailServerError(Code.WRONG_SERVER if encrypted else Code.PLAINTEXT_REFUSED, hint)
    secret = (
        credentials.access_token if isinstance(credentials, OAuth2Credentials) else credentials.password
    ).get_secret_value()
    exchange: SaslExchange | BearerExchange
    try:
        if isinstance(credentials, OAuth2Credentials):
            mechanism = bearer_mechanism(offered)
            if mechanism is None:
                raise MailServerError(Code.UNSUPPORTED_LOGIN, "the server does not accept OAuth2 tokens")
            exchange = BearerExchange(mechanism, server.username, secret, mailbox=credentials.mailbox)
        elif "PLAIN" in offered:
            mechanism, exchange = "PLAIN", plain_exchange(server.username, secret)
        elif "LOGIN" in offered:
            mechanism, exchange = "LOGIN", login_exchange(server.username, secret)
        elif bearer_mechanism(offered):
            raise MailServerError(Code.OAUTH2_NEEDED, "the server accepts no passwords, only OAuth2 tokens")
        else:
            raise MailServerError(Code.UNSUPPORTED_LOGIN, "the server offers no log-in method that we support")
    except (InjectionError, ValueError) as error:
        raise MailServerError(Code.WRONG_PASSWORD, "the user name or password contains a line break") from error
    response = await _authenticate(client, mechanism, exchange)
    if response.code != _AUTH_DONE:
        if isinstance(exchange, BearerExchange):
            raise exchange.refusal(f"{response.code} {response.message}", "smtp", secret)
        answer = clean_answer(f"{response.code} {response.message}", secret)
        raise MailServerError(classify(answer, protocol="smtp", default=Code.WRONG_PASSWORD), answer=answer)


async def _authenticate(client: aiosmtplib.SMTP, mechanism: str, exchange: SaslExchange) -> aiosmtplib.SMTPResponse:
    """Run one SASL exchange (RFC 4954) once: aiosmtplib's own login tries every mechanism with the wrong password."""
    if mechanism == "LOGIN":
        response = await client.execute_command(b"AUTH", b"LOGIN")
    else:
        response = await client.execute_command(b"AUTH", mechanism.encode(), b64encode(exchange(b"")) or b"=")
    for _ in range(3):
        if response.code != _AUTH_CONTINUE:
            break
        try:
            challenge = b64decode(response.message)
        except ValueError:
            challenge = b""
        response = await client.execute_command(b64encode(exchange(challenge)))
    return response


def _not_smtp(error: Exception) -> MailServerError:
    chain: BaseException | None = error
    while chain is not None:
        if isinstance(chain, ssl.SSLError):
            return tls_error(chain)
        chain = chain.__cause__
    if isinstance(error, (TimeoutError, SMTPTimeoutError)):
        return MailServerError(Code.TIMEOUT, "the server did not greet us in time")
    if isinstance(error, (SMTPConnectResponseError, SMTPResponseException)):
        answer = clean_answer(f"{error.code} {error.message}")
        code = classify(answer, protocol="smtp", default=Code.WRONG_SERVER)
        return MailServerError(code, "the server did not answer as a mail submission server does", answer=answer)
    if isinstance(error, (SMTPConnectError, SMTPServerDisconnected, ConnectionError)):
        return MailServerError(Code.UNAVAILABLE, "the server closed the connection")
    return MailServerError(Code.WRONG_SERVER, "the server did not answer as a mail submission server does")
