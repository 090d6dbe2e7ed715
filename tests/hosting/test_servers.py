"""The hosted servers answer, and keep what they are given."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
import time
import urllib.request
from collections.abc import Callable
from typing import TYPE_CHECKING

import aio_pika
import pytest
from imapclient import IMAPClient
from imapclient.exceptions import LoginError
from pymongo import MongoClient

from testbed.local import LocalServers

if TYPE_CHECKING:
    from tests.conftest import MailUser

pytestmark = pytest.mark.containers
MESSAGE = b"From: ana@example.test\r\nTo: bo@example.test\r\nSubject: hello\r\n\r\nhello\r\n"


def trust(servers: LocalServers) -> ssl.SSLContext:
    """Return a context that trusts only the servers' CA."""
    return ssl.create_default_context(cafile=str(servers.imap.ca_file))


def login(servers: LocalServers, user: MailUser) -> IMAPClient:
    """Return a client on the TLS port, logged in."""
    client = IMAPClient(servers.imap.host, servers.imap.tls_port, ssl_context=trust(servers), timeout=20)
    client.login(user.address, user.password)
    return client


def inbox(servers: LocalServers, user: MailUser) -> list[bytes]:
    """Return the raw messages of a user's INBOX."""
    with login(servers, user) as client:
        client.select_folder("INBOX", readonly=True)
        uids = client.search()
        return [answer[b"BODY[]"] for answer in client.fetch(uids, ["BODY.PEEK[]"]).values()] if uids else []


def test_the_management_interface_and_the_metrics_answer(servers: LocalServers) -> None:
    """RabbitMQ's management interface lists the nodes and its Prometheus page has metrics."""
    with urllib.request.urlopen(servers.rabbitmq_metrics_url, timeout=10) as response:
        assert b"rabbitmq_identity_info" in response.read()
    assert servers.broker.create_virtual_host("a/b").endswith("/a%2Fb")
    servers.broker.drop_virtual_host("a/b")
    servers.broker.drop_virtual_host("a/b")


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_a_durable_message_survives_the_end_of_the_broker(
    servers: LocalServers, rabbitmq_url: str, how: str
) -> None:
    """After SIGKILL or an orderly stop, and a start, the broker has the same address and a confirmed message of a quorum queue."""
    connection = await aio_pika.connect(rabbitmq_url)
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("kept", durable=True, arguments={"x-queue-type": "quorum"})
        persistent = aio_pika.Message(b"still here", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(persistent, routing_key=queue.name)
        await asyncio.to_thread(getattr(servers, how), "rabbitmq")
    servers.start("rabbitmq")

    async with await aio_pika.connect(rabbitmq_url) as again:
        channel = await again.channel()
        queue = await channel.declare_queue("kept", durable=True, arguments={"x-queue-type": "quorum"})
        message = await queue.get(timeout=20)
        assert message is not None
        assert message.body == b"still here"
        await message.ack()


def test_the_database_has_transactions_and_change_streams(servers: LocalServers, mongo_database: str) -> None:
    """MongoDB is a replica set: a transaction commits, and a change stream reports it."""
    with MongoClient[dict[str, object]](servers.mongo_url) as client:
        things = client[mongo_database]["things"]
        things.insert_one({"_id": 1})
        with things.watch() as changes, client.start_session() as session:
            with session.start_transaction():
                things.insert_one({"_id": 2}, session=session)
            assert next(changes)["documentKey"] == {"_id": 2}


def test_a_majority_write_survives_a_kill_of_the_database(servers: LocalServers, mongo_database: str) -> None:
    """After SIGKILL and start, MongoDB has the same address and what was written with majority and journal."""
    with MongoClient[dict[str, object]](servers.mongo_url, w="majority", journal=True) as client:
        client[mongo_database]["things"].insert_one({"_id": "kept"})
    servers.kill("mongo")
    servers.start("mongo")
    with MongoClient[dict[str, object]](servers.mongo_url) as client:
        assert client[mongo_database]["things"].count_documents({"_id": "kept"}) == 1


def test_delivered_mail_shows_by_imap(servers: LocalServers, new_mail_user: Callable[..., MailUser]) -> None:
    """A message delivered by LMTP is in the user's INBOX, byte for byte after the trace headers."""
    user = new_mail_user()
    servers.deliver(user.address, MESSAGE)
    (raw,) = inbox(servers, user)
    assert raw.endswith(MESSAGE)


def test_mail_for_an_unknown_address_is_refused(servers: LocalServers) -> None:
    """LMTP refuses an address that has no mailbox."""
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        servers.deliver("nobody-here@example.test", MESSAGE)


def test_folders_carry_their_special_use(servers: LocalServers, new_mail_user: Callable[..., MailUser]) -> None:
    r"""A new mailbox has Sent, Drafts, Trash, Junk and Archive, each marked as RFC 6154 says."""
    with login(servers, new_mail_user()) as client:
        marked = {name: flags for flags, _, name in client.list_folders()}
    for folder in ("Sent", "Drafts", "Trash", "Junk", "Archive"):
        assert f"\\{folder}".encode() in marked[folder]


def test_imap_speaks_starttls_and_the_extensions_we_use(
    servers: LocalServers, new_mail_user: Callable[..., MailUser]
) -> None:
    """The plain port upgrades to TLS; IDLE, CONDSTORE, QRESYNC, MOVE and UIDPLUS are offered; passwords are checked."""
    user = new_mail_user()
    with IMAPClient(servers.imap.host, servers.imap.port, ssl=False, timeout=20) as client:
        client.starttls(trust(servers))
        with pytest.raises(LoginError):
            client.login(user.address, "wrong")
        client.login(user.address, user.password)
        offered = set(client.capabilities())
    assert {b"IDLE", b"CONDSTORE", b"QRESYNC", b"MOVE", b"UIDPLUS"} <= offered


def test_a_password_with_any_characters_works_and_can_be_changed(
    servers: LocalServers, new_mail_user: Callable[..., MailUser]
) -> None:
    """Colons, braces and spaces in a password are no trouble, and a changed password counts at once."""
    user = new_mail_user()
    for password in ("a:b {c} %u", "a:b {c} %v"):
        servers.add_user(user.address, password)
        with IMAPClient(servers.imap.host, servers.imap.port, ssl=False, timeout=20) as client:
            client.login(user.address, password)


def test_mail_survives_a_kill_of_dovecot(servers: LocalServers, new_mail_user: Callable[..., MailUser]) -> None:
    """After SIGKILL and start, Dovecot has the same addresses and the mail."""
    user = new_mail_user()
    servers.deliver(user.address, MESSAGE)
    with servers.down("dovecot"), pytest.raises(OSError):
        login(servers, user)
    assert len(inbox(servers, user)) == 1


def test_sent_mail_is_kept_and_delivered_to_who_has_a_mailbox(
    servers: LocalServers, new_mail_user: Callable[..., MailUser]
) -> None:
    """The sink keeps a message with its envelope and login, and hands it to the mailbox of a recipient here."""
    user = new_mail_user()
    with smtplib.SMTP(servers.smtp.host, servers.smtp.port, timeout=20) as client:
        client.starttls(context=trust(servers))
        client.login(user.address, user.password)
        client.sendmail(user.address, [user.address, "far@away.test"], MESSAGE)
    sent = servers.sink.sent()[-1]
    assert (sent.sender, sent.recipients) == (user.address, (user.address, "far@away.test"))
    assert sent.login == user.address
    assert sent.raw == MESSAGE
    (raw,) = inbox(servers, user)
    assert raw.endswith(MESSAGE)


def test_the_sink_speaks_tls_from_the_first_byte_and_checks_passwords(
    servers: LocalServers, new_mail_user: Callable[..., MailUser]
) -> None:
    """The TLS port takes a login with the right password and refuses it with a wrong one."""
    user = new_mail_user()
    with smtplib.SMTP_SSL(servers.smtp.host, servers.smtp.tls_port, context=trust(servers), timeout=20) as client:
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login(user.address, "wrong")
        client.login(user.address, user.password)


@pytest.mark.parametrize("at", ["rcpt", "data"])
def test_the_sink_refuses_on_demand(servers: LocalServers, new_mail_user: Callable[..., MailUser], at: str) -> None:
    """While a fault is on, the sink answers accordingly and keeps nothing; afterwards it accepts the mail."""
    user = new_mail_user()
    before = len(servers.sink.sent())
    with smtplib.SMTP(servers.smtp.host, servers.smtp.port, timeout=20) as client:
        with servers.sink.fault("451 4.3.0 later", at=at, recipient=user.address):  # type: ignore[arg-type]
            with pytest.raises((smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError)) as refused:
                client.sendmail("a@b.test", [user.address], MESSAGE)
            assert "451" in str(refused.value)
        assert len(servers.sink.sent()) == before
        client.sendmail("a@b.test", [user.address], MESSAGE)
    assert len(servers.sink.sent()) == before + 1


def test_the_sink_can_take_a_message_and_say_nothing(
    servers: LocalServers, new_mail_user: Callable[..., MailUser]
) -> None:
    """At "lost" the message is kept, but the sender sees a broken connection."""
    user = new_mail_user()
    before = len(servers.sink.sent())
    with (
        smtplib.SMTP(servers.smtp.host, servers.smtp.port, timeout=20) as client,
        servers.sink.fault(at="lost"),
        pytest.raises(smtplib.SMTPServerDisconnected),
    ):
        client.sendmail("a@b.test", [user.address], MESSAGE)
    assert len(servers.sink.sent()) == before + 1


def test_an_idling_client_is_notified_of_new_mail(
    servers: LocalServers, new_mail_user: Callable[..., MailUser]
) -> None:
    """IDLE reports a delivery within seconds."""
    user = new_mail_user()
    with login(servers, user) as client:
        client.select_folder("INBOX")
        client.idle()
        servers.deliver(user.address, MESSAGE)
        deadline = time.monotonic() + 20
        heard: list[object] = []
        while (1, b"EXISTS") not in heard and time.monotonic() < deadline:
            heard += client.idle_check(timeout=5)
        client.idle_done()
    assert (1, b"EXISTS") in heard
