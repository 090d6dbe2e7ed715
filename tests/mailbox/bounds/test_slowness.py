"""Servers that take their time where a client cannot see it."""

from __future__ import annotations

import dataclasses
import threading

import pytest

from services.mailbox.connection import Code, ConnectPolicy, MailServerError, Timeouts, password
from services.mailbox.imap import ConnectionLostError, ImapSession, connect_imap
from tests.mailbox.scripted_server import Scripted, Talk, at, imap

HURRIED = Timeouts(connect=0.5, read=60, login=0.5)
"""A read may take long; a login may not."""
BEGUN = bytes((22, 3, 3, 64, 0))
"""The header of a TLS record of 16 KB."""


def drip(talk: Talk, start: bytes) -> None:
    """Send the beginning of something, and then a byte now and then."""
    talk.sock.sendall(start)
    while True:
        threading.Event().wait(0.05)
        talk.sock.sendall(b"\0")


def hang(talk: Talk) -> None:
    """Read whatever comes, and say nothing."""
    while talk.sock.recv(4096):
        pass


def starttls(talk: Talk) -> None:
    """Agree to encrypt, and begin without an end."""
    talk.say("* OK ready")
    talk.say(f"* CAPABILITY IMAP4rev1 STARTTLS\r\n{talk.hear().split()[0]} OK done")
    talk.say(f"{talk.hear().split()[0]} OK go")
    drip(talk, BEGUN)


@pytest.mark.parametrize(
    ("script", "tls"),
    [(hang, "tls"), (lambda talk: drip(talk, BEGUN), "tls"), (starttls, "starttls")],
    ids=["hangs", "drips", "drips after STARTTLS"],
)
def test_a_handshake_that_does_not_end_is_left(policy: ConnectPolicy, script: object, tls: str) -> None:
    """The time for a login bounds the encryption, too, however the bytes come."""
    hurried = dataclasses.replace(policy, timeouts=HURRIED)
    with Scripted(script) as server, pytest.raises(MailServerError) as refused:  # type: ignore[arg-type]
        connect_imap(at(server.port, tls), password("secret"), policy=hurried)  # type: ignore[arg-type]
    assert refused.value.code is Code.TIMEOUT


async def test_a_server_that_stops_reading_is_left_at_the_deadline(policy: ConnectPolicy) -> None:
    """A command that it does not take holds a thread no longer than one that it does not answer."""

    def script(talk: Talk) -> None:
        class UntilNoop:
            say = staticmethod(talk.say)

            @staticmethod
            def hear() -> str:
                if talk.heard and "NOOP" in talk.heard[-1]:
                    threading.Event().wait(60)
                return talk.hear()

        imap({"NOOP": "{tag} OK done"})(UntilNoop())  # type: ignore[arg-type]

    with Scripted(script) as server:
        session = ImapSession(connect_imap(at(server.port), password("secret"), policy=policy), deadline=1)
        await session.noop()
        session.client.protocol.state = "SELECTED"
        with pytest.raises(ConnectionLostError):
            await session.existing(",".join(map(str, range(1, 4_000_000, 2))))
        assert session.closed
