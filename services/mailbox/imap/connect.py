"""Open IMAP connections and log in. Blocking: call it in a thread."""

from __future__ import annotations

import imaplib
import ssl
import time
from contextlib import suppress

from schemas.accounts import ServerAddress
from services.mailbox.connection import (
    BearerExchange,
    Code,
    ConnectPolicy,
    Credentials,
    InjectionError,
    MailServerError,
    OAuth2Credentials,
    bearer_mechanism,
    classify,
    clean_answer,
    host_name,
    login_exchange,
    plain_exchange,
    tls_error,
)
from services.mailbox.imap.protocol import CLOSED, ImapProtocol, MailClient

OWN_ID = {"name": "Leadmail", "version": "1", "vendor": "Leadmail"}
"""RFC 2971. NetEase (163, 126) refuses SELECT to clients that have not sent an ID."""


def open_imap(server: ServerAddress, *, policy: ConnectPolicy) -> MailClient:
    """Return an encrypted connection that is not logged in.

    Raises:
        MailServerError: no connection, no valid certificate, no TLS where it is required, no IMAP server.
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
        protocol = ImapProtocol(sock, name, server.port, read_timeout=policy.timeouts.read, deadline=end)
    except (imaplib.IMAP4.error, OSError) as error:
        raise _not_imap(error) from error
    try:
        if server.tls == "starttls":
            _starttls(protocol, policy.tls)
    except BaseException:
        protocol.shutdown()
        raise
    protocol.stream.deadline = None
    return MailClient(protocol, read_timeout=policy.timeouts.read)


def connect_imap(server: ServerAddress, credentials: Credentials, *, policy: ConnectPolicy) -> MailClient:
    """Return a logged-in connection. Its capabilities are read again, and an ID (RFC 2971) is sent.

    Raises:
        MailServerError: see ``open_imap``; and every way in which a login is refused (``errors.Code``).
    """
    client = open_imap(server, policy=policy)
    try:
        with client.protocol.stream.within(policy.timeouts.login):
            _log_in(client, server, credentials)
            _introduce(client)
            _require_mailbox(client)
    except TimeoutError as error:
        client.shutdown()
        raise MailServerError(Code.TIMEOUT, "the server did not answer in time") from error
    except (imaplib.IMAP4.error, OSError) as error:
        client.shutdown()
        raise MailServerError(Code.UNAVAILABLE, "the server gave no answer that can be used") from error
    except BaseException:
        client.shutdown()
        raise
    return client


def _starttls(protocol: ImapProtocol, context: ssl.SSLContext) -> None:
    if protocol.state != "NONAUTH":
        # PREAUTH in plain text: an attacker on the line has logged us in somewhere to prevent encryption (RFC 9051 11.2).
        raise MailServerError(Code.TLS_FAILED, "the server does not let us encrypt the connection")
    if "STARTTLS" not in protocol.capabilities:
        raise MailServerError(Code.TLS_FAILED, "the server does not offer STARTTLS on this port")
    try:
        protocol.starttls(context)
    except imaplib.IMAP4.error as error:
        raise MailServerError(
            Code.TLS_FAILED, "the server refused STARTTLS", answer=clean_answer(str(error))
        ) from error
    except OSError as error:
        raise tls_error(error) from error


def _not_imap(error: Exception) -> MailServerError:
    if isinstance(error, TimeoutError):
        return MailServerError(Code.TIMEOUT, "the server did not greet us in time")
    answer = clean_answer(error.args[0] if error.args and isinstance(error.args[0], bytes) else str(error))
    if CLOSED in answer:
        return MailServerError(Code.UNAVAILABLE, CLOSED)
    code = classify(answer, protocol="imap", default=Code.WRONG_SERVER)
    return MailServerError(code, "the server did not answer as an IMAP server does", answer=answer)


def _log_in(client: MailClient, server: ServerAddress, credentials: Credentials) -> None:
    protocol = client.protocol
    if protocol.state != "NONAUTH":
        raise MailServerError(Code.WRONG_SERVER, "the server logs every client in without credentials")
    offered = set(protocol.capabilities)
    mechanisms = {name.removeprefix("AUTH=") for name in offered if name.startswith("AUTH=")}
    protocol.untagged_responses.clear()
    bearer: BearerExchange | None = None
    secret = ""
    try:
        if isinstance(credentials, OAuth2Credentials):
            secret = credentials.access_token.get_secret_value()
            mechanism = bearer_mechanism(mechanisms)
            if mechanism is None:
                raise MailServerError(Code.UNSUPPORTED_LOGIN, "the server does not accept OAuth2 tokens")
            bearer = BearerExchange(mechanism, server.username, secret, mailbox=credentials.mailbox)
            protocol.authenticate(mechanism, bearer)
        else:
            secret = credentials.password.get_secret_value()
            _log_in_with_password(protocol, server.username, secret, mechanisms, disabled="LOGINDISABLED" in offered)
    except InjectionError as error:
        raise MailServerError(Code.WRONG_PASSWORD, "the user name or password contains a line break") from error
    except (imaplib.IMAP4.error, OSError, ValueError) as error:  # ValueError: a challenge that is not base64
        raise _refused(protocol, error, secret, bearer) from error
    client.capabilities()  # read only now: those from before the login no longer hold (RFC 9051 6.2.3)


def _log_in_with_password(
    protocol: ImapProtocol, user: str, secret: str, mechanisms: set[str], *, disabled: bool
) -> None:
    if "PLAIN" in mechanisms:
        protocol.authenticate("PLAIN", plain_exchange(user, secret))
    elif not disabled and (user + secret).isascii():
        protocol.login(user, secret)
    elif "LOGIN" in mechanisms:
        protocol.authenticate("LOGIN", login_exchange(user, secret))
    elif bearer_mechanism(mechanisms):
        raise MailServerError(Code.OAUTH2_NEEDED, "the server accepts no passwords, only OAuth2 tokens")
    elif disabled:
        raise MailServerError(Code.PLAINTEXT_REFUSED, "the server accepts no password on this connection")
    else:
        raise MailServerError(Code.UNSUPPORTED_LOGIN, "the server accepts only passwords of ASCII characters")


def _refused(protocol: ImapProtocol, error: Exception, secret: str, bearer: BearerExchange | None) -> MailServerError:
    if isinstance(error, TimeoutError):
        return MailServerError(Code.TIMEOUT, "the server did not answer the login in time")
    # Gmail gives the reason in an untagged NO before the tagged one; others say BYE and close.
    notices = protocol.untagged_responses
    first = error.args[0] if error.args else b""
    texts = [first if isinstance(first, bytes) else str(first).encode()]
    texts += [text for kind in ("NO", "BAD", "BYE") for text in notices.get(kind, []) if isinstance(text, bytes)]
    answer = clean_answer(b" ".join(dict.fromkeys(texts)), secret)
    if bearer is not None:
        return bearer.refusal(answer, "imap", secret)
    default = Code.UNAVAILABLE if isinstance(error, imaplib.IMAP4.abort) else Code.REFUSED
    return MailServerError(classify(answer, protocol="imap", default=default), answer=answer)


def _introduce(client: MailClient) -> None:
    if client.has_capability("ID"):
        # A server may refuse ID; only a lost connection matters.
        with suppress(imaplib.IMAP4.error, ValueError):
            client.id_(OWN_ID)
        if client.protocol.state == "LOGOUT":
            raise MailServerError(Code.UNAVAILABLE, "the server closed the connection")


def _require_mailbox(client: MailClient) -> None:
    """Ask for the hierarchy delimiter, the cheapest command that needs a mailbox.

    Exchange accepts some wrong passwords and then answers everything with "User is authenticated but not connected".
    """
    try:
        typ, data = client.protocol.list('""', '""')  # IMAPClient's own would parse the answer
        words = data[-1]
        answer = clean_answer(words) if typ != "OK" and isinstance(words, bytes) else ""
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
