"""Logging in to a real Dovecot."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from schemas.accounts import ServerAddress, Tls
from services.mailbox.connection.credentials import password
from services.mailbox.connection.errors import Code, MailServerError
from services.mailbox.connection.line_breaks import InjectionError
from services.mailbox.connection.policy import ConnectPolicy
from services.mailbox.imap import ConnectionLostError, ImapSession, MailboxEvents, Wakeup, connect_imap, wait_for_events
from testbed.local import LocalServers

At = Callable[[Any, Tls], ServerAddress]
NewUser = Callable[..., Any]


@pytest.mark.parametrize("tls", ["tls", "starttls", "none"])
def test_a_login_reads_mail(
    live: ConnectPolicy, imap_at: At, new_mail_user: NewUser, servers: LocalServers, tls: Tls
) -> None:
    """By TLS, by STARTTLS and (where allowed) without, a message is fetched byte by byte as it was delivered."""
    user = new_mail_user()
    raw = b"Subject: hello\r\nFrom: a@example.test\r\n\r\nbody\r\n"
    servers.deliver(user.address, raw, sender="a@example.test")
    client = connect_imap(imap_at(user, tls), password(user.password), policy=live)
    client.select_folder("INBOX", readonly=True)
    [uid] = client.search()
    fetched = client.fetch([uid], [b"BODY.PEEK[]"])[uid][b"BODY[]"]
    assert fetched.endswith(raw)
    assert isinstance(client.protocol.sock, ssl.SSLSocket) == (tls != "none")
    client.logout()


def test_capabilities_are_those_after_the_login(live: ConnectPolicy, imap_at: At, new_mail_user: NewUser) -> None:
    """Dovecot lists its capabilities only after the log-in. Earlier ones are not kept."""
    user = new_mail_user()
    client = connect_imap(imap_at(user, "starttls"), password(user.password), policy=live)
    assert client.has_capability("CONDSTORE")
    assert client.has_capability("IDLE")
    assert not client.has_capability("STARTTLS")
    assert not client.has_capability("AUTH=PLAIN")
    client.logout()


@pytest.mark.parametrize("secret", ["pässwörd ☃", 'quo"te\\back', "a b%*(){]", " leading"])
def test_passwords_of_any_letters_log_in(
    live: ConnectPolicy, imap_at: At, servers: LocalServers, new_mail_user: NewUser, secret: str
) -> None:
    """Passwords beyond ASCII and with IMAP's special characters arrive as they are."""
    user = new_mail_user("odd")
    servers.add_user(user.address, secret)
    connect_imap(imap_at(user, "tls"), password(secret), policy=live).logout()


def test_a_wrong_password_is_reported_as_such_and_never_shown(
    live: ConnectPolicy, imap_at: At, new_mail_user: NewUser
) -> None:
    """The refusal has its code, is not transient, and holds the password nowhere."""
    user = new_mail_user()
    with pytest.raises(MailServerError) as refused:
        connect_imap(imap_at(user, "tls"), password("wrong-secret-1"), policy=live)
    assert refused.value.code is Code.WRONG_PASSWORD
    assert not refused.value.transient
    assert "wrong-secret-1" not in str(refused.value)


def test_without_the_private_authority_the_certificate_is_refused(
    live: ConnectPolicy, imap_at: At, new_mail_user: NewUser
) -> None:
    """A certificate of an unknown authority ends the connection before the password is sent, with TLS and with STARTTLS."""
    user = new_mail_user()
    stranger = dataclasses.replace(ConnectPolicy.build(), guard=live.guard)
    for tls in ("tls", "starttls"):
        with pytest.raises(MailServerError) as refused:
            connect_imap(imap_at(user, tls), password(user.password), policy=stranger)
        assert refused.value.code is Code.CERTIFICATE


def test_a_certificate_for_another_name_is_refused(live: ConnectPolicy, imap_at: At, new_mail_user: NewUser) -> None:
    """The certificate must carry the name that was typed, whatever address it led to."""
    user = new_mail_user()
    server = imap_at(user, "tls").model_copy(update={"host": "imap.example.com"})
    elsewhere = dataclasses.replace(live, guard=dataclasses.replace(live.guard, resolve=lambda _name: ["127.0.0.1"]))
    with pytest.raises(MailServerError) as refused:
        connect_imap(server, password(user.password), policy=elsewhere)
    assert refused.value.code is Code.CERTIFICATE


def test_plain_text_needs_the_operators_leave(live: ConnectPolicy, imap_at: At, new_mail_user: NewUser) -> None:
    """Without LEADMAIL_ALLOW_PLAINTEXT a server without encryption is not even connected to."""
    user = new_mail_user()
    strict = dataclasses.replace(live, allow_plaintext=False)
    with pytest.raises(MailServerError) as refused:
        connect_imap(imap_at(user, "none"), password(user.password), policy=strict)
    assert refused.value.code is Code.PLAINTEXT_REFUSED


def test_line_breaks_never_reach_the_wire(live: ConnectPolicy, imap_at: At, new_mail_user: NewUser) -> None:
    """A user name, password, search or fetch item with CR LF is refused before anything is sent, and the connection still works."""
    user = new_mail_user()
    with pytest.raises(MailServerError):
        connect_imap(
            imap_at(user, "none").model_copy(update={"username": "a\r\nA1 LOGOUT"}), password("x"), policy=live
        )
    with pytest.raises(MailServerError):
        connect_imap(imap_at(user, "none"), password("x\r\nA1 LOGOUT"), policy=live)
    client = connect_imap(imap_at(user, "none"), password(user.password), policy=live)
    client.select_folder("INBOX")
    attempts: tuple[Callable[[], object], ...] = (
        lambda: client.search(["SUBJECT", "x\r\nA1 LOGOUT"]),
        lambda: client.search("ALL\r\nA1 LOGOUT"),
        lambda: client.fetch([1], [b"FLAGS\r\nA1 LOGOUT"]),
    )
    for attempt in attempts:
        with pytest.raises(InjectionError):
            attempt()
    client.noop()
    client.logout()


def test_eight_bit_search_text_travels_as_a_literal(
    live: ConnectPolicy, imap_at: At, new_mail_user: NewUser, servers: LocalServers
) -> None:
    """Text that a line cannot hold is sent as a counted literal, and is found."""
    user = new_mail_user()
    servers.deliver(user.address, "Subject: Grüße\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nx\r\n".encode())
    client = connect_imap(imap_at(user, "none"), password(user.password), policy=live)
    client.select_folder("INBOX", readonly=True)
    assert client.search(["SUBJECT", "Grüße"], "UTF-8") == [1]
    client.logout()


def test_nothing_of_the_dialogue_is_kept_or_logged(
    live: ConnectPolicy, imap_at: At, new_mail_user: NewUser, caplog: pytest.LogCaptureFixture
) -> None:
    """Imaplib's debug log stays off and empty, even with all loggers at DEBUG: it would hold the password and cost most of the time."""
    caplog.set_level(logging.DEBUG)
    user = new_mail_user()
    client = connect_imap(imap_at(user, "tls"), password(user.password), policy=live)
    client.select_folder("INBOX", readonly=True)
    assert client.protocol.debug == 0
    assert not getattr(client.protocol, "_cmd_log", {})
    assert user.password not in caplog.text
    client.logout()


async def test_idle_reports_new_mail(
    live: ConnectPolicy, imap_at: At, new_mail_user: NewUser, servers: LocalServers
) -> None:
    """IDLE over TLS reports a delivery, and the session can run commands again."""
    user = new_mail_user()
    session = ImapSession(connect_imap(imap_at(user, "tls"), password(user.password), policy=live))
    await session.examine(b"INBOX")
    events = MailboxEvents()
    waiting = asyncio.create_task(wait_for_events(session, events, seconds=30, wake=Wakeup()))
    await asyncio.to_thread(servers.deliver, user.address, b"Subject: x\r\n\r\nx\r\n")
    await waiting
    assert events.new
    assert (await session.examine(b"INBOX")).exists == 1
    session.discard()


@pytest.mark.parametrize("tls", ["tls", "none"])
async def test_a_server_that_dies_during_idle_is_noticed(
    live: ConnectPolicy, imap_at: At, new_mail_user: NewUser, servers: LocalServers, tls: Tls
) -> None:
    """When the server's process is gone, waiting ends with an error instead of lasting for ever, with TLS and without."""
    user = new_mail_user()
    session = ImapSession(connect_imap(imap_at(user, tls), password(user.password), policy=live))
    await session.examine(b"INBOX")
    waiting = asyncio.create_task(wait_for_events(session, MailboxEvents(), seconds=60, wake=Wakeup()))
    with servers.down("dovecot"), pytest.raises(ConnectionLostError):
        await asyncio.wait_for(waiting, 30)
    assert session.closed
