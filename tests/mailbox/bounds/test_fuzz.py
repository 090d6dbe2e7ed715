"""Mutated answers: whatever comes, a session ends in a result or in one of its own errors, with bounded memory."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import tracemalloc
from collections.abc import Awaitable, Callable

import pytest

from services.mailbox.connection import ConnectPolicy, MailServerError, Timeouts, password
from services.mailbox.imap import (
    ConnectionLostError,
    ContradictionError,
    ImapSession,
    MailboxEvents,
    RefusedError,
    Wakeup,
    connect_imap,
    wait_for_events,
)
from tests.mailbox.scripted_server import Scripted, Talk, at

SEEDS, TOGETHER = 240, 20
MOST = 64 * 1024 * 1024
SECRET = "swordfish-4711"
CANARY = "canary"
GREETING = b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n"
CAPABILITY = b"* CAPABILITY IMAP4rev1 AUTH=PLAIN ID IDLE NAMESPACE ENABLE CONDSTORE QRESYNC LIST-EXTENDED SPECIAL-USE LIST-STATUS\r\n"
ANSWERS = {
    b"CAPABILITY": CAPABILITY,
    b"AUTHENTICATE": b"+ \r\n",
    b"ID": b'* ID ("name" "x" "version" NIL)\r\n',
    b"NAMESPACE": b'* NAMESPACE (("" "/")) (("~" "/")) NIL\r\n',
    b"ENABLE": b"* ENABLED QRESYNC\r\n",
    b"LIST": b'* LIST (\\HasNoChildren) "/" INBOX\r\n* LIST (\\Sent) "/" {4}\r\nSent\r\n'
    b"* STATUS INBOX (MESSAGES 3 UIDNEXT 9 UIDVALIDITY 7 HIGHESTMODSEQ 12)\r\n",
    b"STATUS": b"* STATUS INBOX (MESSAGES 3 UIDNEXT 9 UIDVALIDITY 7 HIGHESTMODSEQ 12)\r\n",
    b"EXAMINE": b"* FLAGS (\\Seen)\r\n* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 9] x\r\n* OK [HIGHESTMODSEQ 12] x\r\n",
    b"UID SEARCH": b"* SEARCH 1 2 8\r\n",
    b"UID FETCH": (
        b'* 1 FETCH (UID 1 FLAGS (\\Seen a) MODSEQ (9) RFC822.SIZE 30 INTERNALDATE "01-Feb-2026 10:00:00 +0200"'
        b" BODY[HEADER]<0> {19}\r\nSubject: canary x\r\n BODY[] {21}\r\ncanary body of a mail)\r\n"
        b"* VANISHED (EARLIER) 3:5,7\r\n"
    ),
    b"NOOP": b"* 4 EXISTS\r\n* 1 EXPUNGE\r\n",
    b"IDLE": b"* 4 EXISTS\r\n+ idling\r\n* 1 FETCH (FLAGS (\\Seen))\r\n",
}
TAGS = (
    b" OK done\r\n",
    b" OK [READ-ONLY] done\r\n",
    b" NO [UNAVAILABLE] later\r\n",
    b" BAD what\r\n",
    b"\r\n",
    b" OK\r\n",
)
BITS = (
    b"(", b")", b'"', b"\\", b"{", b"}", b"[", b"]", b"\r\n", b"\n", b"\r", b"\0", b" ", b"*", b"+", b"NIL", b"\xff\xfe",
    b"{99999999999}", b"{5}\r\n", b"~{3}\r\n", b"-1", b"18446744073709551616", b"4294967296", b"0", b"* BYE gone\r\n", b"* OK x\r\n",
    b"UID ",
    b"\xe2\x80\xae", b"(" * 5_000, b"9" * 6_000, b"a " * 20_000,
)  # fmt: skip


def mutated(chance: random.Random, data: bytes) -> bytes:
    """Return data with a few things changed, moved, repeated or left out."""
    for _ in range(chance.randrange(4)):
        if not data:
            return data
        start = chance.randrange(len(data))
        end = min(len(data), start + chance.randrange(1, 12))
        kind = chance.randrange(5)
        if kind == 0:
            data = data[:start] + chance.choice(BITS) + data[start:]
        elif kind == 1:
            data = data[:start] + data[end:]
        elif kind == 2:
            data = data[:start] + data[start:end] * chance.randrange(2, 40) + data[end:]
        elif kind == 3:
            data = data[:start] + bytes(chance.randrange(256) for _ in range(end - start)) + data[end:]
        else:
            data = data[:start] + data[start:end].swapcase() + data[end:]
    return data


def hostile(chance: random.Random, wild: float) -> Callable[[Talk], None]:
    """Return a server's script that changes each answer with some probability."""
    known = False

    def change(data: bytes) -> bytes:
        return mutated(chance, data) if chance.random() < (wild if known else wild / 8) else data

    def script(talk: Talk) -> None:
        nonlocal known
        talk.sock.sendall(change(GREETING))
        while True:
            tag, _, command = talk.hear().partition(" ")
            if not tag or (not command and tag != "DONE"):
                continue
            key = max((key for key in ANSWERS if command.encode().upper().startswith(key)), key=len, default=b"")
            talk.sock.sendall(change(ANSWERS.get(key, b"")))
            known = known or key == b"LIST"
            if key in (b"IDLE", b"AUTHENTICATE"):
                talk.hear()
            talk.sock.sendall(
                change(tag.encode() + (chance.choice(TAGS) if known and chance.random() < wild / 3 else TAGS[0]))
            )
            if known and chance.random() < wild / 20:
                return

    return script


ASKED: tuple[Callable[[ImapSession], Awaitable[object]], ...] = (
    lambda session: session.prepare(),
    lambda session: session.list_folders(),
    lambda session: session.status(b"INBOX"),
    lambda session: session.examine(b"INBOX"),
    lambda session: session.uids(1, 100),
    lambda session: session.existing("1:9"),
    lambda session: session.headers([1, 2]),
    lambda session: session.newest(1),
    lambda session: session.bodies([1, 2]),
    lambda session: session.header_rest(1, 0, 100),
    lambda session: session.flags("1:*", since=3),
    lambda session: session.noop(),
    lambda session: wait_for_events(session, MailboxEvents(), seconds=0.01, wake=Wakeup()),
)
EXPECTED = (RefusedError, ConnectionLostError, ContradictionError, MailServerError)


async def converse(policy: ConnectPolicy, seed: int) -> tuple[int, list[Exception]]:
    """Ask a hostile server for everything. Returns how many answers could be used, and the errors."""
    chance, errors, used = random.Random(seed), list[Exception](), 0
    with Scripted(hostile(chance, wild=chance.choice((0.1, 0.3, 0.8)))) as server:
        try:
            client = await asyncio.to_thread(connect_imap, at(server.port), password(SECRET), policy=policy)
        except MailServerError as error:
            return used, [error]
        session = ImapSession(client, deadline=1)
        client.protocol.stream.read_timeout = 0.5
        for ask in (*ASKED, *chance.choices(ASKED, k=12)):
            try:
                await ask(session)
                used += 1
            except EXPECTED as error:
                errors.append(error)
            if session.closed:
                break
        session.discard()
    return used, errors


@pytest.mark.parametrize("first", range(0, SEEDS, TOGETHER))
async def test_whatever_comes(policy: ConnectPolicy, first: int) -> None:
    """No other error comes out, nothing secret and no mail is in one, and memory is bounded."""
    hurried = dataclasses.replace(policy, timeouts=Timeouts(connect=2, read=1, login=1))
    tracemalloc.start()
    results = await asyncio.gather(*(converse(hurried, seed) for seed in range(first, first + TOGETHER)))
    assert tracemalloc.get_traced_memory()[1] < MOST
    tracemalloc.stop()
    assert sum(used for used, _ in results) > TOGETHER // 2
    for error in (error for _, errors in results for error in errors):
        assert CANARY not in str(error)
        assert SECRET not in str(error)
        assert len(str(error)) < 1_000
