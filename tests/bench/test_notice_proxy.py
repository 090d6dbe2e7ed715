"""The relay that times the server's notices."""

from __future__ import annotations

import asyncio
import time

from testbed.bench.notice_proxy import NoticeProxy


async def _talk(chunks: list[bytes], proxy_made: asyncio.Future[NoticeProxy]) -> bytes:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for chunk in chunks:
            assert await reader.readline() == b"next\r\n"
            writer.write(chunk)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server, NoticeProxy("127.0.0.1", server.sockets[0].getsockname()[1]) as proxy:
        proxy_made.set_result(proxy)
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.listening)
        heard = b""
        for chunk in chunks:
            writer.write(b"next\r\n")
            heard += await reader.readexactly(len(chunk))
        writer.close()
        return heard


async def test_everything_is_relayed_and_a_notice_is_found_although_it_comes_in_two_pieces() -> None:
    """The bytes arrive as sent, and ``EXISTS`` counts wherever the server's writes were cut."""
    made: asyncio.Future[NoticeProxy] = asyncio.get_running_loop().create_future()
    began = time.monotonic()
    chunks = [b"* OK hello\r\n* 1 EX", b"ISTS\r\n", b"* 3 EXISTS\r\n* 1 RECENT\r\n"]
    assert await _talk(chunks, made) == b"".join(chunks)
    notices = made.result().notices
    moments = [await asyncio.wait_for(notices.moment(number), 1) for number in (1, 2, 3)]
    assert began < moments[0] < moments[1] == moments[2] < time.monotonic()


async def test_a_moment_is_waited_for_and_never_changes() -> None:
    """An early caller waits for the moment; a repeated number keeps its first moment."""
    made: asyncio.Future[NoticeProxy] = asyncio.get_running_loop().create_future()
    talk = asyncio.create_task(_talk([b"* 0 EXISTS\r\n", b"* 1 EXISTS\r\n", b"* 1 EXISTS\r\n"], made))
    asked = time.monotonic()
    moment = await asyncio.wait_for((await made).notices.moment(1), 5)
    await talk
    assert moment >= asked
    assert await made.result().notices.moment(1) == moment
