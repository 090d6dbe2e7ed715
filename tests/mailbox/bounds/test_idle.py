"""Servers that do not leave an idling client alone, or leave it without a word."""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest

from schemas.accounts import Tls
from services.mailbox.connection import ConnectPolicy, password
from services.mailbox.imap import (
    ConnectionLostError,
    ContradictionError,
    ImapSession,
    MailboxEvents,
    Wakeup,
    connect_imap,
    wait_for_events,
)
from tests.mailbox.scripted_server import Authority, Scripted, Talk, at, imap

TURNS = 200
"""Turns of the event loop, with a pause in each, that go on beside a flood."""
SO_ATTACH_FILTER = 26
"""Of Linux; Python has no name for it."""


def chatting(chatter: bytes, *, last: bytes = b"") -> Callable[[Talk], None]:
    """Return a server's script that repeats something from IDLE on until DONE comes; ``last`` is sent before the answer."""

    def script(talk: Talk) -> None:
        idle = imap({"IDLE": "+ idling"}, capability="IMAP4rev1 AUTH=PLAIN IDLE")
        done = threading.Event()

        def flood() -> None:
            with suppress(OSError):
                while not done.is_set():
                    talk.sock.sendall(chatter * 1_000)

        class Listening:
            """The same conversation; starts to chat after IDLE was heard."""

            tag = ""

            def say(self, text: str) -> None:
                talk.say(text)
                if text == "+ idling":
                    flooder = threading.Thread(target=flood, daemon=True)
                    flooder.start()
                    assert talk.hear() == "DONE"
                    done.set()
                    flooder.join()
                    talk.sock.sendall(last)
                    talk.say(f"{self.tag} OK done")

            def hear(self) -> str:
                line = talk.hear()
                self.tag = line.partition(" ")[0]
                return line

        idle(Listening())  # type: ignore[arg-type]

    return script


@pytest.mark.parametrize("chatter", [b"* OK still here\r\n", b"\r\n", b"* 3 RECENT\r\n", b"nonsense\r\n"])
async def test_chatter_leaves_the_event_loop_alone(policy: ConnectPolicy, chatter: bytes) -> None:
    """However fast a server talks about nothing, other work goes on, and the wait ends when it is told to."""
    with Scripted(chatting(chatter, last=b"* 9 EXISTS\r\n")) as server:
        session = ImapSession(connect_imap(at(server.port), password("secret"), policy=policy))
        wake, events = Wakeup(), MailboxEvents()
        waiting = asyncio.create_task(wait_for_events(session, events, seconds=600, wake=wake))
        for _ in range(TURNS):
            await asyncio.sleep(0.001)
        before = session.client.protocol.stream.received
        for _ in range(TURNS):
            await asyncio.sleep(0.001)
        assert session.client.protocol.stream.received - before < 8 * 1024 * 1024
        wake.set()
        (ended,) = await asyncio.gather(waiting, return_exceptions=True)
        # What is under way may be more than is read after the end of an IDLE.
        assert events.new or (isinstance(ended, ContradictionError) and ended.code == "too-much-data")
        session.discard()


async def test_a_line_that_grows_while_idling_ends_the_connection(policy: ConnectPolicy) -> None:
    """Half a line is kept for the next turn, but not for ever."""
    with Scripted(chatting(b"x")) as server:
        session = ImapSession(connect_imap(at(server.port), password("secret"), policy=policy))
        with pytest.raises(Exception, match="too-much-data"):
            await wait_for_events(session, MailboxEvents(), seconds=600, wake=Wakeup())
        assert session.closed


async def test_an_exists_before_the_plus_is_an_event_once(policy: ConnectPolicy) -> None:
    """Microsoft 365 says EXISTS before it lets the client idle: that is news only where the number differs."""
    idle = {"IDLE": ["* 7 EXISTS\r\n+ idling", "{tag} OK done"]}
    with Scripted(imap(idle, capability="IMAP4rev1 AUTH=PLAIN IDLE")) as server:
        session = ImapSession(connect_imap(at(server.port), password("secret"), policy=policy))
        first = MailboxEvents(exists=6)
        await wait_for_events(session, first, seconds=60, wake=Wakeup())
        assert (first.new, first.exists) == (True, 7)
        again = MailboxEvents(exists=7)
        await wait_for_events(session, again, seconds=0.1, wake=Wakeup())
        assert not again
        session.discard()


def swallow(sock: socket.socket) -> None:
    """Have a socket drop each packet that comes, as if a firewall did: the other end gets neither an answer nor a reset."""
    drop_all = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # a BPF program: return 0
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(drop_all)))


@pytest.mark.parametrize("tls", ["none", "tls"])
async def test_a_server_that_vanishes_without_a_word_is_noticed(
    policy: ConnectPolicy, authority: Authority, tls: Tls
) -> None:
    """Nothing comes and nothing is sent while IDLE waits: the kernel asks. Its pauses are the shortest that it takes here."""
    script = imap({"IDLE": "+ idling"}, capability="IMAP4rev1 AUTH=PLAIN IDLE")
    with Scripted(script, tls=authority.server("127.0.0.1") if tls == "tls" else None) as server:
        session = ImapSession(
            await asyncio.to_thread(connect_imap, at(server.port, tls), password("secret"), policy=policy)
        )
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT):
            session.client.socket().setsockopt(socket.IPPROTO_TCP, option, 1)
        waiting = asyncio.create_task(wait_for_events(session, MailboxEvents(), seconds=600, wake=Wakeup()))
        async with asyncio.timeout(30):
            while not any("IDLE" in line for line in server.heard):  # noqa: ASYNC110 - the server has no event for it
                await asyncio.sleep(0.01)
            swallow(server.sockets[-1])
            with pytest.raises(ConnectionLostError):
                await waiting
        assert session.closed
