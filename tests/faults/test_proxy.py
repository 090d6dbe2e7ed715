"""The proxy between the parts behaves like a bad network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from testbed.chaos.world.proxy import Mood, Proxy
from testbed.processes.parts import LOOPBACK
from testbed.processes.ports import free_ports

DEADLINE = 30.0
HELLO = b"\x3f\x00\x00\x00 hello, application name: leadmail poller-1\x00"


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back whatever comes."""
    while chunk := await reader.read(1000):
        writer.write(chunk)
        await writer.drain()
    writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """A proxy in front of an echo server; connections name their owner."""
    listens, target = free_ports(2)
    server = await asyncio.start_server(echo, LOOPBACK, target)
    async with server, Proxy(listens, target, named=True) as made:
        yield made


class Client:
    """A connection through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, proxy: Proxy) -> Client:
        """Connect."""
        return cls(*await asyncio.open_connection(LOOPBACK, proxy.listens))

    async def says(self, words: bytes) -> bytes:
        """Return the answer; nothing if the connection is gone."""
        self._writer.write(words)
        try:
            async with asyncio.timeout(DEADLINE):
                return await self._reader.readexactly(len(words))
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""


async def test_cut_connections_are_reset_and_new_ones_too(proxy: Proxy) -> None:
    """A cut ends existing connections and refuses new ones until it is cleared."""
    client = await Client.connect(proxy)
    assert await client.says(HELLO) == HELLO
    proxy.set(Mood.CUT)
    assert await client.says(b"still there?") == b""
    assert await (await Client.connect(proxy)).says(HELLO) == b""
    proxy.set(Mood.CLEAR)
    assert await (await Client.connect(proxy)).says(HELLO) == HELLO


async def test_a_stalled_connection_continues(proxy: Proxy) -> None:
    """Nothing passes a stalled connection, old or new; afterwards everything arrives."""
    old = await Client.connect(proxy)
    assert await old.says(HELLO) == HELLO
    proxy.set(Mood.STALLED)
    new = await Client.connect(proxy)
    answers = [asyncio.create_task(old.says(b"old")), asyncio.create_task(new.says(HELLO))]
    _, waiting = await asyncio.wait(answers, timeout=0.3)
    assert len(waiting) == 2
    proxy.set(Mood.CLEAR)
    assert await asyncio.gather(*answers) == [b"old", HELLO]


async def test_a_slow_connection_delays_everything(proxy: Proxy) -> None:
    """Everything passes a slow connection, later."""
    client = await Client.connect(proxy)
    assert await client.says(HELLO) == HELLO
    proxy.set(Mood.SLOW)
    began = asyncio.get_running_loop().time()
    assert await client.says(b"x" * 4_000) == b"x" * 4_000
    assert asyncio.get_running_loop().time() - began > 0.1


async def test_one_process_is_disturbed_and_the_others_are_not(proxy: Proxy) -> None:
    """A fault may affect only the connections of one process, which names itself in the first message."""
    poller, matcher = await Client.connect(proxy), await Client.connect(proxy)
    other = HELLO.replace(b"poller-1", b"matcher-2")
    assert (await poller.says(HELLO), await matcher.says(other)) == (HELLO, other)
    proxy.set(Mood.CUT, lambda name: name == "poller-1")
    assert (await poller.says(b"1"), await matcher.says(b"2")) == (b"", b"2")
    assert await (await Client.connect(proxy)).says(HELLO) == b""
    assert await (await Client.connect(proxy)).says(other) == other


FETCH, SEARCH = b"a1 UID FETCH 1:9 (UID FLAGS)\r\n", b"a2 UID SEARCH UID 1:9\r\n"


@pytest.fixture
async def imap() -> AsyncIterator[Proxy]:
    """A proxy in front of an echo server that stands for IMAP."""
    listens, target = free_ports(2)
    server = await asyncio.start_server(echo, LOOPBACK, target)
    async with server, Proxy(listens, target) as made:
        yield made


async def heard(proxy: Proxy, words: bytes) -> bytes:
    """Return the line that answers a command."""
    reader, writer = await asyncio.open_connection(LOOPBACK, proxy.listens)
    writer.write(words)
    async with asyncio.timeout(DEADLINE):
        line = await reader.readline()
    writer.close()
    return line


async def test_a_throttling_server_refuses_commands_for_the_moment(imap: Proxy) -> None:
    """Each refusal carries the command's tag and may pass; what is no such command, and what comes later, is passed on."""
    imap.set(Mood.THROTTLING)
    answers = {await heard(imap, FETCH) for _ in range(20)}
    assert len(answers) > 1
    assert all(answer.startswith((b"a1 BAD Request is throttled", b"a1 NO [")) for answer in answers)
    assert await heard(imap, b"a3 LOGIN x y\r\n") == b"a3 LOGIN x y\r\n"
    imap.set(Mood.CLEAR)
    assert await heard(imap, FETCH) == FETCH


async def test_a_lying_server_denies_mail_and_breaks_off(imap: Proxy) -> None:
    """SEARCH finds nothing; some mails end in the middle, and the connection with them."""
    imap.set(Mood.LYING)
    assert await heard(imap, SEARCH) == b"* SEARCH\r\n"
    answers = [await heard(imap, FETCH) for _ in range(30)]
    assert FETCH in answers
    assert any(answer.startswith(b"* 1 FETCH (UID 1 BODY[] {4096}") for answer in answers)
