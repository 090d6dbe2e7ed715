"""The IMAP session, on the real server and on servers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network

import pytest

from schemas.accounts import ServerAddress
from services.mailbox.connection.credentials import password
from services.mailbox.connection.policy import ConnectPolicy
from services.mailbox.imap import ConnectionLostError, ContradictionError, ImapSession, RefusedError, connect_imap
from testbed.local import LocalServers
from tests.poller.fixtures import Mailbox, mail

POLICY = ConnectPolicy.build(allow_networks=(ip_network("127.0.0.0/8"),), allow_plaintext=True)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for commands."""
    with ThreadPoolExecutor(4) as threads:
        yield threads


async def connect(port: int, user: str, secret: str, pool: ThreadPoolExecutor, *, deadline: float = 10) -> ImapSession:
    """Return a session."""
    server = ServerAddress(host="127.0.0.1", port=port, tls="none", username=user)
    client = await asyncio.to_thread(connect_imap, server, password(secret), policy=POLICY)
    return ImapSession(client, pool, deadline=deadline)


@pytest.fixture
async def session(servers: LocalServers, mailbox: Mailbox, pool: ThreadPoolExecutor) -> AsyncIterator[ImapSession]:
    """A session on a new mailbox of the real server."""
    opened = await connect(servers.imap.port, mailbox.user.address, mailbox.user.password, pool)
    yield opened
    opened.discard()


async def test_any_folder_name_can_be_opened(session: ImapSession, mailbox: Mailbox) -> None:
    """Names with quotes, brackets, backslashes and other scripts can be opened."""
    names = ['"M&APw-ller (a) [b]"', '"100%*"', r'"a\"b"', '"&U,BTFw-"', '"{5}"', '"NIL"', '"INBOX (copy)"']
    for name in names:
        mailbox.create(name)
    listed, statuses = await session.list_folders()
    raw = {entry.raw_name for entry in listed}
    assert {b"M&APw-ller (a) [b]", b"100%*", b'a"b', b"&U,BTFw-", b"NIL", b"INBOX (copy)"} <= raw
    assert raw == statuses.keys()
    for raw_name in raw:
        selected = await session.examine(raw_name)
        assert selected.uidvalidity == statuses[raw_name]["uidvalidity"]
        assert (await session.status(b"INBOX"))["messages"] == 0


async def test_bodies_in_parts_are_whole(session: ImapSession, mailbox: Mailbox) -> None:
    """A body fetched in pieces of 1 MiB equals the one on the server, whether its size is a multiple of that or not."""
    exact = mail(body="x")
    exact = exact[:-2] + b"y" * (2 * 1024 * 1024 - len(exact)) + b"\r\n"
    assert len(exact) == 2 * 1024 * 1024
    for raw in (exact, exact + b"z\r\n", b"a: b\r\n\r\n"):
        mailbox.append(raw)
        selected = await session.examine(b"INBOX")
        pieces = [piece async for piece in session.parts(selected.uidnext - 1)]
        assert b"".join(pieces) == raw
        assert max(map(len, pieces)) <= 1024 * 1024
    assert [piece async for piece in session.parts(999)] == []


async def test_events_between_commands_are_not_lost(session: ImapSession, mailbox: Mailbox) -> None:
    """What the server reports about the open folder among the answers to a command is kept for the watcher."""
    await session.examine(b"INBOX")
    mailbox.append(mail())
    await session.noop()
    await session.uids(1, 5)
    assert any(b"EXISTS" in line for line in session.unsolicited())
    assert not session.unsolicited()


async def test_the_debug_wrapper_is_off(session: ImapSession) -> None:
    """The standard client formats no debug lines: they would take four fifths of the time of a large FETCH."""
    assert session.client.protocol.debug == 0


async def test_a_refusal_keeps_the_connection(session: ImapSession) -> None:
    """A plain NO is an error of the command; the connection remains usable."""
    with pytest.raises(RefusedError):
        await session.examine(b"no such folder")
    assert (await session.examine(b"INBOX")).exists == 0
    assert not session.closed


async def test_cancelling_a_command_drops_the_connection(session: ImapSession, mailbox: Mailbox) -> None:
    """The answer to a cancelled command could be mistaken for that of the next one."""
    await session.examine(b"INBOX")
    task = asyncio.create_task(session.noop())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert session.closed
    with pytest.raises(ConnectionLostError):
        await session.noop()


Answer = Callable[[str, str, asyncio.StreamWriter], bool]


@contextlib.asynccontextmanager
async def server(answer: Answer) -> AsyncIterator[int]:
    """An IMAP server that accepts any login; ``answer`` may handle (tag, command) and then returns True."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK [CAPABILITY IMAP4rev1 CONDSTORE] ready\r\n")
        with contextlib.suppress(OSError):
            while line := (await reader.readline()).decode():
                tag, _, command = line.strip().partition(" ")
                if not answer(tag, command, writer):
                    if command == "CAPABILITY":
                        writer.write(b"* CAPABILITY IMAP4rev1 CONDSTORE\r\n")
                    writer.write(f"{tag} OK done\r\n".encode())
                await writer.drain()
        writer.close()

    running = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield running.sockets[0].getsockname()[1]
    finally:
        running.close()


async def test_a_slow_drip_ends_at_the_deadline(pool: ThreadPoolExecutor) -> None:
    """A server that sends single bytes cannot occupy a thread beyond the command's deadline."""
    drips: set[asyncio.Task[None]] = set()

    def answer(tag: str, command: str, writer: asyncio.StreamWriter) -> bool:
        async def drip() -> None:
            with contextlib.suppress(OSError):
                while not writer.is_closing():
                    writer.write(b"*")
                    await writer.drain()
                    await asyncio.sleep(0.05)

        if command == "NOOP":
            drips.add(asyncio.create_task(drip()))
        return command == "NOOP"

    async with server(answer) as port:
        session = await connect(port, "me", "pw", pool, deadline=1)
        with pytest.raises(ConnectionLostError):
            await session.noop()
        assert session.closed
        for task in drips:
            task.cancel()


async def test_one_bad_mail_does_not_cost_the_batch(pool: ThreadPoolExecutor) -> None:
    """When a server answers NO to a batch because of one mail, its halves are requested; only that mail is missing."""

    def answer(tag: str, command: str, writer: asyncio.StreamWriter) -> bool:
        match = re.match(r"UID FETCH (\S+) ", command)
        if not match:
            return False
        uids = [
            uid
            for part in match[1].split(",")
            for uid in range(int(part.partition(":")[0]), int(part.partition(":")[2] or part) + 1)
        ]
        if 13 in uids:
            writer.write(f"{tag} NO cannot read\r\n".encode())
            return True
        for uid in uids:
            writer.write(f"* {uid} FETCH (UID {uid} BODY[] {{2}}\r\nx{uid % 10})\r\n".encode())
        writer.write(f"{tag} OK done\r\n".encode())
        return True

    async with server(answer) as port:
        session = await connect(port, "me", "pw", pool)
        await session.examine(b"INBOX")
        found = await session.bodies(list(range(1, 31)))
        assert found.keys() == set(range(1, 31)) - {13}
        session.discard()


@pytest.mark.parametrize(("status", "uidnext"), [(0, 42), (50, 50), (7, 42)])
async def test_odd_answers_to_examine(pool: ThreadPoolExecutor, status: int, uidnext: int) -> None:
    """HIGHESTMODSEQ NIL and a missing UIDNEXT are accepted: uids are compared, and STATUS or the newest mail gives the next."""

    def answer(tag: str, command: str, writer: asyncio.StreamWriter) -> bool:
        if command.startswith("EXAMINE"):
            writer.write(b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [HIGHESTMODSEQ NIL] x\r\n")
        elif command.startswith("UID FETCH *"):
            writer.write(b"* 3 FETCH (UID 41)\r\n")
        elif command.startswith("STATUS") and status:
            writer.write(f"* STATUS INBOX (MESSAGES 3 UIDNEXT {status})\r\n".encode())
        else:
            return False
        writer.write(f"{tag} OK done\r\n".encode())
        return True

    async with server(answer) as port:
        session = await connect(port, "me", "pw", pool)
        assert await session.examine(b"INBOX") == (3, 7, uidnext, None)
        session.discard()


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["* 3 EXISTS", "* OK [UIDVALIDITY 7] x"], "no-uidnext"),
        (["* 3 EXISTS", "* OK [UIDNEXT 4] x"], "no-uidvalidity"),
        (["* 3 EXISTS", "* OK [UIDVALIDITY 0] x", "* OK [UIDNEXT 4] x"], "no-uidvalidity"),
        (["* 3 EXISTS", "* OK [UIDVALIDITY 7] x", "* OK [UIDNEXT 9000000000] x"], "uid-out-of-range"),
    ],
)
async def test_a_folder_without_possible_uids_is_not_opened(
    pool: ThreadPoolExecutor, lines: list[str], code: str
) -> None:
    """A server that holds messages and names no uid of theirs, or one that cannot be, contradicts itself: no folder is empty for it."""

    def answer(tag: str, command: str, writer: asyncio.StreamWriter) -> bool:
        if command.startswith("EXAMINE"):
            writer.write("".join(f"{line}\r\n" for line in lines).encode())
        return False

    async with server(answer) as port:
        session = await connect(port, "me", "pw", pool)
        with pytest.raises(ContradictionError) as raised:
            await session.examine(b"INBOX")
        assert raised.value.code == code
        assert session.selected is None
        session.discard()


@pytest.mark.parametrize(
    "words", ["NO [UNAVAILABLE] later", "BAD Request is throttled. Suggested Backoff Time: 299961 milliseconds"]
)
async def test_a_refusal_that_may_pass_is_raised(pool: ThreadPoolExecutor, words: str) -> None:
    """Nothing is concluded from it, and the server is not asked again at once."""
    heard: list[str] = []

    def answer(tag: str, command: str, writer: asyncio.StreamWriter) -> bool:
        if not command.startswith("UID FETCH"):
            return False
        heard.append(command)
        writer.write(f"{tag} {words}\r\n".encode())
        return True

    async with server(answer) as port:
        session = await connect(port, "me", "pw", pool)
        await session.examine(b"INBOX")
        for ask in (session.headers([1, 2, 3]), session.bodies([1, 2, 3]), session.header_rest(1, 10, 20)):
            with pytest.raises(RefusedError) as raised:
                await ask
            assert raised.value.passing
        assert len(heard) == 3
        session.discard()


async def test_what_was_not_asked_for_is_left_out(pool: ThreadPoolExecutor) -> None:
    """Of one message twice in an answer the last counts; uids that were not asked for, or lie below the range, do not."""

    def answer(tag: str, command: str, writer: asyncio.StreamWriter) -> bool:
        if command.startswith("UID FETCH"):
            for uid, words in ((5, "old!"), (5, "new!"), (6, "more"), (77, "none"), (2, "less")):
                writer.write(
                    f"* 1 FETCH (UID {uid} FLAGS () RFC822.SIZE 9 BODY[HEADER]<0> {{4}}\r\n{words})\r\n".encode()
                )
        return False

    async with server(answer) as port:
        session = await connect(port, "me", "pw", pool)
        await session.examine(b"INBOX")
        assert [(one.uid, one.header) for one in await session.headers([5, 6])] == [(5, b"new!"), (6, b"more")]
        assert [one.uid for one in await session.newest(5)] == [5, 6, 77]
        session.discard()


LISTS = {
    "empty-list": ("", ""),
    "no-inbox": ('* LIST () "/" Sent\r\n', ""),
    None: ('* LIST () "/" Sent\r\n', '* LIST () "/" INBOX\r\n'),
}
"""The code of the contradiction, the answer to LIST of all, and of INBOX alone."""


@pytest.mark.parametrize("code", LISTS)
async def test_a_list_without_inbox_proves_nothing(pool: ThreadPoolExecutor, code: str | None) -> None:
    """INBOX always exists. Where a LIST lacks it, the server is asked for it alone, and no folder is missing for it."""

    def answer(tag: str, command: str, writer: asyncio.StreamWriter) -> bool:
        if command.startswith("LIST"):
            writer.write(LISTS[code]["INBOX" in command].encode())
        return False

    async with server(answer) as port:
        session = await connect(port, "me", "pw", pool)
        if code is None:
            assert [entry.raw_name for entry in (await session.list_folders())[0]] == [b"Sent", b"INBOX"]
        else:
            with pytest.raises(ContradictionError) as raised:
                await session.list_folders()
            assert raised.value.code == code
        session.discard()


async def test_line_breaks_never_reach_the_wire(pool: ThreadPoolExecutor) -> None:
    """A folder name with a line break does not become a second command."""
    seen: list[str] = []

    def answer(tag: str, command: str, writer: asyncio.StreamWriter) -> bool:
        seen.append(command)
        return False

    async with server(answer) as port:
        session = await connect(port, "me", "pw", pool)
        with pytest.raises(ConnectionLostError):
            await session.examine(b'x"\r\nA1 DELETE "INBOX')
        assert not any("DELETE" in command for command in seen)


@pytest.mark.parametrize("length", [3, 4000])
async def test_an_error_never_quotes_mail(pool: ThreadPoolExecutor, length: int) -> None:
    """If a server lies about a literal's length, mail is read as protocol. Errors and logs quote none of it."""

    def answer(tag: str, command: str, writer: asyncio.StreamWriter) -> bool:
        if command.startswith("UID FETCH"):
            writer.write(
                f"* 1 FETCH (UID 1 BODY[] {{{length}}}\r\nSubject: x\r\ncanary one\r\n\r\ncanary\r\n)\r\n".encode()
            )
            writer.write(f"{tag} OK done\r\n".encode())
            writer.close()
            return True
        return False

    async with server(answer) as port:
        session = await connect(port, "me", "pw", pool, deadline=2)
        await session.examine(b"INBOX")
        with pytest.raises(ConnectionLostError) as raised:
            await session.bodies([1])
        assert "canary" not in str(raised.value)
        assert str(raised.value)
