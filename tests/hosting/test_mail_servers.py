"""Cyrus and Courier, like Dovecot, answer and keep what they are given; they are started when a test asks for them."""

from __future__ import annotations

import imaplib
import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbed.local import LocalServers
from testbed.processes.parts import MAIL_SERVERS, HostingError
from testbed.servers.imap import quoted
from testbed.servers.mail import unpacked
from tests.conftest import MailUser

pytestmark = pytest.mark.containers
each = pytest.mark.parametrize("kind", MAIL_SERVERS)
MESSAGE = (
    b"From: ana@example.test\r\nTo: bo@example.test\r\nSubject: hello\r\nMessage-ID: <1@example.test>\r\n"
    b"Date: Mon, 2 Nov 2026 09:00:00 +0000\r\n\r\n.hello\r\n..\r\nbye\r\n"
)
FOLDERS = ("Sent", "Drafts", "Trash", "Junk", "Archive")


@contextmanager
def logged_in(servers: LocalServers, user: MailUser, password: str | None = None) -> Iterator[imaplib.IMAP4]:
    """Yield a client on the TLS port."""
    trust = ssl.create_default_context(cafile=str(servers.imap.ca_file))
    with imaplib.IMAP4_SSL(servers.imap.host, servers.imap.tls_port, ssl_context=trust, timeout=20) as client:
        client.login(user.address, password or user.password)
        yield client


def made(servers: LocalServers, new_mail_user: Callable[..., MailUser]) -> MailUser:
    """Return a user of this server."""
    user = new_mail_user()
    servers.add_user(user.address, user.password)
    return user


@each
def test_mail_is_delivered_and_survives_a_kill(
    servers: LocalServers, new_mail_user: Callable[..., MailUser], kind: str
) -> None:
    """What LMTP takes shows in the INBOX over TLS, byte for byte after the trace headers, and after SIGKILL and start, too."""
    chosen = servers.with_mail(kind)
    user = made(chosen, new_mail_user)
    chosen.deliver(user.address, MESSAGE)
    with chosen.down(kind), pytest.raises(OSError):
        chosen.deliver(user.address, MESSAGE)
    with logged_in(chosen, user) as client:
        assert client.select("INBOX")[1] == [b"1"]
        assert client.fetch("1", "(BODY.PEEK[])")[1][0][1].endswith(MESSAGE)  # type: ignore[index, union-attr]


@each
def test_an_unknown_address_and_a_wrong_password_are_refused(
    servers: LocalServers, new_mail_user: Callable[..., MailUser], kind: str
) -> None:
    """LMTP refuses an address without a mailbox, IMAP a wrong password; a changed password counts at once."""
    chosen = servers.with_mail(kind)
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        chosen.deliver("nobody-here@example.test", MESSAGE)
    user = made(chosen, new_mail_user)
    chosen.add_user(user.address, "a:b {c} %u")
    with pytest.raises(imaplib.IMAP4.error), logged_in(chosen, user):
        pass
    with logged_in(chosen, user, "a:b {c} %u"):
        pass


@each
def test_a_new_mailbox_has_the_usual_folders(
    servers: LocalServers, new_mail_user: Callable[..., MailUser], kind: str
) -> None:
    """Each can be opened by the name that the server gives it."""
    chosen = servers.with_mail(kind)
    with logged_in(chosen, made(chosen, new_mail_user)) as client:
        for folder in FOLDERS:
            assert client.select(quoted(folder, client), readonly=True)[0] == "OK"


def test_nothing_is_unpacked_without_apt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where packages cannot be had, the error says what to do; a failing download quotes apt-get's own words."""
    monkeypatch.setattr(unpacked, "_folder", lambda: tmp_path)
    monkeypatch.setattr(unpacked, "program", lambda _: None)
    with pytest.raises(HostingError, match="LEADMAIL_HOSTING=containers"):
        unpacked.unpacked("cyrus")
    monkeypatch.undo()
    monkeypatch.setattr(unpacked, "_folder", lambda: tmp_path)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setitem(unpacked._PACKAGES, "cyrus", ("no-such-package",))
    with pytest.raises(HostingError, match="run: sudo apt-get update"):
        unpacked.unpacked("cyrus")
