"""Whatever a server sends, and whenever: memory stays bounded, and the connection ends with a reason."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from services.mailbox.connection import ConnectPolicy, MailServerError, password
from services.mailbox.imap import ConnectionLostError, ContradictionError, ImapSession, connect_imap
from tests.mailbox.scripted_server import Scripted, Talk, at

MIB = 1024 * 1024
MOST = 64 * MIB
"""Memory that one connection may take at its peak."""
FLOOD = 600 * MIB
CAPABILITIES = "IMAP4rev1 AUTH=PLAIN IDLE CONDSTORE"
Ask = Callable[[ImapSession], Awaitable[object]]


def pour(talk: Talk, pieces: Iterator[bytes]) -> None:
    """Send pieces until there are 600 MB of them or the client has enough."""
    sent = 0
    for piece in pieces:
        talk.sock.sendall(piece)
        sent += len(piece)
        if sent > FLOOD:
            return


def flood(pieces: Callable[[], Iterator[bytes]], *, on: str) -> Callable[[Talk], None]:
    """Return a server's script that floods instead of answering a command; ``on`` empty: instead of a greeting."""

    def script(talk: Talk) -> None:
        if not on:
            pour(talk, pieces())
            return
        talk.say("* OK ready")
        while True:
            tag, _, command = talk.hear().partition(" ")
            if command.upper().startswith(on):
                pour(talk, pieces())
            elif command.startswith("CAPABILITY"):
                talk.say(f"* CAPABILITY {CAPABILITIES}\r\n{tag} OK done")
            elif command.startswith("AUTHENTICATE"):
                talk.say("+ ")
                talk.hear()
                talk.say(f"{tag} OK welcome")
            elif command.startswith("EXAMINE"):
                talk.say(f"* 9 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 10] x\r\n{tag} OK done")
            else:
                talk.say(f"{tag} OK done")

    return script


def lines(form: bytes, count: int = 2_000) -> Callable[[], Iterator[bytes]]:
    """Return a source of blocks of lines in which each ``%d`` is a number."""
    block = b"".join(form.replace(b"%d", b"%d" % number) for number in range(1, count + 1))
    return lambda: itertools.repeat(block)


def endless(start: bytes, block: bytes) -> Callable[[], Iterator[bytes]]:
    """Return a source of one line that never ends."""
    return lambda: itertools.chain((start,), itertools.repeat(block * 1_000))


@contextmanager
def bounded() -> Iterator[None]:
    """Fail if the block takes more memory than a connection may."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < MOST
    finally:
        tracemalloc.stop()


EARLY = {
    "a greeting without end": ("", endless(b"* OK ", b"x" * 60)),
    "greetings": ("", lines(b"* OK ready %d\r\n")),
    "blank greetings": ("", lines(b"\r\n")),
    "capabilities without end": ("CAPABILITY", endless(b"* CAPABILITY IMAP4rev1 ", b"X-A X-B ")),
    "capability answers": ("CAPABILITY", lines(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN X%d\r\n")),
    "a literal before the login": ("CAPABILITY", lambda: iter([b"* LIST () NIL {100000000}\r\n"])),
    "requests to continue": ("AUTHENTICATE", lines(b"+ \r\n")),
    "notes instead of a login": ("AUTHENTICATE", lines(b"* NO later %d\r\n")),
}


@pytest.mark.parametrize("case", EARLY)
def test_before_the_login(policy: ConnectPolicy, case: str) -> None:
    """A server that floods before it is known at all costs little, and is no server that can be used."""
    on, pieces = EARLY[case]
    with Scripted(flood(pieces, on=on)) as server, bounded(), pytest.raises(MailServerError):
        connect_imap(at(server.port), password("secret"), policy=policy)


ASKED: dict[str, tuple[str, Callable[[], Iterator[bytes]], Ask]] = {
    "unasked FETCH": (
        "NOOP",
        lines(b"* %d FETCH (UID %d FLAGS (\\Seen) RFC822.SIZE 5)\r\n"),
        lambda session: session.noop(),
    ),
    "FETCH for flags": (
        "UID FETCH",
        lines(b"* %d FETCH (UID %d FLAGS (a%d b%d))\r\n", 60_000),
        lambda session: session.flags("1:*"),
    ),
    "many flags": (
        "UID FETCH",
        lambda: iter([b"* 1 FETCH (UID 1 FLAGS (" + b"ab cd " * MIB + b"))\r\n"] * 9),
        lambda session: session.flags("1:*"),
    ),
    "nested lists": (
        "UID FETCH",
        lambda: iter([b"* 1 FETCH " + b"(" * 8_000_000 + b"\r\n"] * 9),
        lambda session: session.flags("1:*"),
    ),
    "many lists": (
        "UID FETCH",
        lambda: iter([b"* 1 FETCH (" + b"()" * 4_000_000 + b"\r\n"] * 9),
        lambda session: session.flags("1:*"),
    ),
    "a large literal": (
        "UID FETCH",
        lambda: iter([b"* 1 FETCH (UID 1 BODY[] {500000000}\r\n", *itertools.repeat(b"x" * MIB, 500)]),
        lambda session: session.bodies([1]),
    ),
    "many literals": (
        "UID FETCH",
        lambda: itertools.repeat(b"* 1 FETCH (UID 1 BODY[] {1000000}\r\n" + b"x" * 1_000_000 + b")\r\n"),
        lambda session: session.bodies([1]),
    ),
    "literals that no one asked for": (
        "NOOP",
        lambda: itertools.repeat(b"* 1 FETCH (UID 1 BODY[] {1000000}\r\n" + b"x" * 1_000_000 + b")\r\n"),
        lambda session: session.noop(),
    ),
    "uids": ("UID SEARCH", lines(b"* SEARCH %d %d %d\r\n"), lambda session: session.uids(1, 4_000_000_000)),
    "one line of uids": (
        "UID SEARCH",
        lambda: iter([b"* SEARCH " + b"1 " * 4_000_000 + b"\r\nx"] * 9),
        lambda session: session.uids(1, 9),
    ),
    "a range of uids": (
        "UID SEARCH",
        lambda: iter([b"* ESEARCH UID ALL 1:4294967295\r\n"] * 9),
        lambda session: session.uids(1, 4_000_000_000),
    ),
    "folders": (
        'LIST "" "*"',
        lines(b'* LIST (\\HasNoChildren) "/" "folder %d"\r\n', 30_000),
        lambda session: session.list_folders(),
    ),
    "status": ("STATUS", lines(b'* STATUS "folder %d" (MESSAGES %d)\r\n'), lambda session: session.status(b"INBOX")),
    "expunged uids": (
        "UID FETCH",
        lines(b"* VANISHED (EARLIER) %d,%d9\r\n"),
        lambda session: session.flags("1:*", since=1),
    ),
    "EXISTS": ("NOOP", lines(b"* %d EXISTS\r\n"), lambda session: session.noop()),
    "unknown responses": ("NOOP", lines(b"* XYZZY %d\r\n"), lambda session: session.noop()),
    "IDLE": ("IDLE", lines(b"* OK still here %d\r\n"), lambda session: session.idle()),
    "events instead of IDLE": ("IDLE", lines(b'* STATUS "a%d" (MESSAGES 1)\r\n'), lambda session: session.idle()),
    "a line without end": ("NOOP", endless(b"* OK ", b"x" * 60), lambda session: session.noop()),
}


@pytest.mark.parametrize("case", ASKED)
async def test_after_the_login(policy: ConnectPolicy, case: str) -> None:
    """600 MB of what no one asked for take at most 64 MB, and end in a contradiction or a lost connection."""
    on, pieces, ask = ASKED[case]
    with Scripted(flood(pieces, on=on)) as server:
        session = ImapSession(connect_imap(at(server.port), password("secret"), policy=policy))
        await session.examine(b"INBOX")
        with bounded(), pytest.raises(ConnectionLostError) as ended:
            await ask(session)
        assert session.closed
        if isinstance(ended.value, ContradictionError):
            assert ended.value.code in ("too-much-data", "unreadable-answer")


async def test_what_is_kept_between_commands_does_not_grow(policy: ConnectPolicy) -> None:
    """A connection that looks at no events keeps only that there were some."""
    rounds = iter(range(1_000_000))

    def script(talk: Talk) -> None:
        talk.say("* OK ready")
        while True:
            tag, _, command = talk.hear().partition(" ")
            if command.startswith("NOOP"):
                number = next(rounds)
                events = b"".join(b"* %d EXISTS\r\n* 1 FETCH (FLAGS (a%d))\r\n" % (n, number) for n in range(2_000))
                talk.sock.sendall(events + b"* VANISHED 1:9\r\n" * 2_000 + b'* STATUS "a" (MESSAGES 1)\r\n' * 900)
            elif command.startswith("CAPABILITY"):
                talk.say(f"* CAPABILITY {CAPABILITIES}")
            elif command.startswith("AUTHENTICATE"):
                talk.say("+ ")
                talk.hear()
            talk.say("+ " if command == "IDLE" else f"{tag} OK done")

    with Scripted(script) as server:
        session = ImapSession(connect_imap(at(server.port), password("secret"), policy=policy))
        with bounded():
            for _ in range(8):
                await session.noop()
            await session.idle()
        assert 0 < len(session.unsolicited()) < 1_000
        session.discard()
