"""From a server and credentials to a logged-in IMAP connection. Blocking: call it in a thread."""

from __future__ import annotations

import imaplib
import ssl
import time
from contextlib import suppress

from imapclient.exceptions import IMAPClientError

from schemas.accounts import ServerAddress
from services.mailbox.connection import sasl
from services.mailbox.connection.errors import Code, MailServerError, clean_answer
from services.mailbox.connection.hostname import host_name
from services.mailbox.connection.line_breaks import InjectionError
from services.mailbox.connection.models import Credentials, OAuth2Credentials
from services.mailbox.connection.policy import ConnectPolicy
from services.mailbox.connection.refusals import classify
from services.mailbox.connection.tls import tls_error
from services.mailbox.imap.imap4 import CLOSED, CheckedIMAP4
from services.mailbox.imap.imap_client import MailClient

OWN_ID = {"name": "Leadmail", "version": "1", "vendor": "Leadmail"}
"""RFC 2971. NetEase (163, 126) refuses SELECT to clients that did not introduce themselves."""


def open_imap(server: ServerAddress, *, policy: ConnectPolicy) -> MailClient:
    """Return a connection with its encryption up, not logged in.

    Raises:
        MailServerError: no connection, no valid certificate, no TLS where it is asked for, no IMAP server.
    """
    if server.tls == "none" and not policy.allow_plaintext:
        raise MailServerError(Code.PLAINTEXT_REFUSED, "connections without encryption are not allowed")
    end = time.monotonic() + policy.timeouts.login
    sock = policy.guard.connect(server.host, server.port, timeout=policy.timeouts.connect)
    name = host_name(server.host)
    if server.tls == "tls":
        try:
            sock = policy.tls.wrap_socket(sock, server_hostname=name)
        except OSError as error:
            sock.close()
            raise tls_error(error) from error
    try:
        imap = CheckedIMAP4(sock, name, server.port, read_timeout=policy.timeouts.read, deadline=end)
    except (imaplib.IMAP4.error, OSError) as error:
        raise _not_imap(error) from error
    client = MailClient(imap, tls=server.tls == "tls", read_timeout=policy.timeouts.read)
    try:
        if server.tls == "starttls":
            _starttls(client, policy.tls)
    except BaseException:
        client.shutdown()
        raise
    imap.wire.deadline = None
    return client


def connect_imap(server: ServerAddress, credentials: Credentials, *, policy: ConnectPolicy) -> MailClient:
    """Return a connection that is logged in, its capabilities read again, and introduced by ID (RFC 2971).

    Raises:
        MailServerError: see ``open_imap``; and every way in which a login is refused (``errors.Code``).
    """
    client = open_imap(server, policy=policy)
    try:
        with client.deadline(policy.timeouts.login):
            _log_in(client, server, credentials)
            _introduce(client)
            _require_mailbox(client)
    except BaseException:
        client.shutdown()
        raise
    return client


def _starttls(client: MailClient, context: ssl.SSLContext) -> None:
    imap = client._imap  # noqa: SLF001  our own protocol object
    if imap.state != "NONAUTH":
        # PREAUTH in plain text: whoever sits on the line logged us in somewhere to keep us from encrypting (RFC 9051 11.2).
        raise MailServerError(Code.TLS_FAILED, "the server does not let us encrypt the connection")
    if "STARTTLS" not in imap.capabilities:
        raise MailServerError(Code.TLS_FAILED, "the server does not offer STARTTLS on this port")
    try:
        imap.starttls(context)
    except imaplib.IMAP4.error as error:
        raise MailServerError(
            Code.TLS_FAILED, "the server refused STARTTLS", answer=clean_answer(str(error))
        ) from error
    except OSError as error:
        raise tls_error(error) from error
    client._starttls_done = True  # noqa: SLF001  what IMAPClient.starttls does


def _not_imap(error: Exception) -> MailServerError:
    if isinstance(error, TimeoutError):
        return MailServerError(Code.TIMEOUT, "the server did not greet us in time")
    answer = clean_answer(error.args[0] if error.args and isinstance(error.args[0], bytes) else str(error))
    if CLOSED in answer:
        return MailServerError(Code.UNAVAILABLE, CLOSED)
    code = classify(answer, protocol="imap", default=Code.WRONG_SERVER)
    return MailServerError(code, "the server did not answer as an IMAP server does", answer=answer)


def _log_in(client: MailClient, server: ServerAddress, credentials: Credentials) -> None:
    imap = client._imap  # noqa: SLF001  our own protocol object
    if imap.state != "NONAUTH":
        raise MailServerError(Code.WRONG_SERVER, "the server logs everybody in without asking")
    offered = {capability.decode("ascii", "replace") for capability in client.capabilities()}
    mechanisms = {name.removeprefix("AUTH=") for name in offered if name.startswith("AUTH=")}
    imap.untagged_responses.clear()
    bearer: sasl.Bearer | None = None
    secret = ""
    try:
        if isinstance(credentials, OAuth2Credentials):
            secret = credentials.access_token.get_secret_value()
            mechanism = sasl.bearer_mechanism(mechanisms)
            if mechanism is None:
                raise MailServerError(Code.UNSUPPORTED_LOGIN, "the server does not take OAuth2 tokens")
            bearer = sasl.Bearer(mechanism, server.username, secret)
            imap.authenticate(mechanism, bearer)
        else:
            secret = credentials.password.get_secret_value()
            _log_in_with_password(imap, server.username, secret, mechanisms, disabled="LOGINDISABLED" in offered)
    except InjectionError as error:
        raise MailServerError(Code.WRONG_PASSWORD, "the user name or password contains a line break") from error
    except (imaplib.IMAP4.error, OSError, ValueError) as error:  # ValueError: a challenge that is not base64
        raise _refused(client, error, secret, bearer) from error
    client._cached_capabilities = None  # noqa: SLF001  what IMAPClient cached before the login no longer holds (RFC 9051 6.2.3)
    client.capabilities()


def _log_in_with_password(imap: CheckedIMAP4, user: str, secret: str, mechanisms: set[str], *, disabled: bool) -> None:
    if "PLAIN" in mechanisms:
        imap.authenticate("PLAIN", sasl.plain(user, secret))
    elif not disabled and (user + secret).isascii():
        typ, data = imap._simple_command("LOGIN", imap._quote(user), imap._quote(secret))  # noqa: SLF001  imaplib's login() does not quote the name
        if typ != "OK":
            raise imap.error(data[-1])
        imap.state = "AUTH"
    elif "LOGIN" in mechanisms:
        imap.authenticate("LOGIN", sasl.login(user, secret))
    elif sasl.bearer_mechanism(mechanisms):
        raise MailServerError(Code.OAUTH2_NEEDED, "the server takes no passwords, only OAuth2 tokens")
    elif disabled:
        raise MailServerError(Code.PLAINTEXT_REFUSED, "the server takes no password on this connection")
    else:
        raise MailServerError(Code.UNSUPPORTED_LOGIN, "the server takes only passwords of ASCII characters")


def _refused(client: MailClient, error: Exception, secret: str, bearer: sasl.Bearer | None) -> MailServerError:
    if isinstance(error, TimeoutError):
        return MailServerError(Code.TIMEOUT, "the server did not answer the login in time")
    # Gmail says why in an untagged NO before the tagged one; others say BYE and close.
    notices = client._imap.untagged_responses  # noqa: SLF001  our own protocol object
    first = error.args[0] if error.args else b""
    texts = [first if isinstance(first, bytes) else str(first).encode()]
    texts += [text for kind in ("NO", "BAD", "BYE") for text in notices.get(kind, []) if isinstance(text, bytes)]
    answer = clean_answer(b" ".join(dict.fromkeys(texts)), secret)
    if bearer is not None:
        answer = clean_answer(f"{answer} {bearer.challenge.decode('utf-8', 'replace')}", secret)
        return MailServerError(classify(answer, protocol="imap", default=Code.OAUTH2_EXPIRED), answer=answer)
    default = Code.UNAVAILABLE if isinstance(error, imaplib.IMAP4.abort) else Code.WRONG_PASSWORD
    return MailServerError(classify(answer, protocol="imap", default=default), answer=answer)


def _introduce(client: MailClient) -> None:
    if client.has_capability("ID"):
        # A server that dislikes ID may say so; only a lost connection matters.
        with suppress(IMAPClientError, ValueError):
            client.id_(OWN_ID)
        if client._imap.state == "LOGOUT":  # noqa: SLF001  our own protocol object
            raise MailServerError(Code.UNAVAILABLE, "the server closed the connection")


def _require_mailbox(client: MailClient) -> None:
    """Ask for the hierarchy's delimiter, the cheapest question that needs a mailbox.

    Exchange accepts some wrong passwords and then answers everything with "User is authenticated but not connected".
    """
    imap = client._imap  # noqa: SLF001  our own protocol object
    try:
        typ, data = imap._simple_command("LIST", '""', '""')  # noqa: SLF001  IMAPClient would parse the answer
        answer = "" if typ == "OK" else clean_answer(data[-1])
    except imaplib.IMAP4.abort as error:
        answer = clean_answer(str(error))
        raise MailServerError(classify(answer, protocol="imap", default=Code.UNAVAILABLE), answer=answer) from error
    except imaplib.IMAP4.error as error:
        answer = clean_answer(str(error))
    except OSError as error:
        raise MailServerError(Code.TIMEOUT, "the server did not answer in time") from error
    code = classify(answer, protocol="imap", default=None) if answer else None
    if code is not None:
        raise MailServerError(code, answer=answer)
