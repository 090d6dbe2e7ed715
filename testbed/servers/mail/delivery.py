"""Takes mail by LMTP (RFC 2033) for the Maildirs of Courier's users, as maildrop would behind a mail transfer agent."""

from __future__ import annotations

import asyncio
import re

from testbed.processes.users import MailUsers
from testbed.servers.mail.maildirs import Maildirs

_RECIPIENT = re.compile(r"RCPT TO:\s*<([^<>\s]+)>", re.IGNORECASE)
_LONGEST = 64 * 1024 * 1024


class Lmtp:
    """The commands that smtplib sends."""

    def __init__(self, users: MailUsers, maildirs: Maildirs) -> None:
        self._users = users
        self._maildirs = maildirs

    async def serve(self, host: str, port: int) -> asyncio.Server:
        """Listen."""
        return await asyncio.start_server(self._talk, host, port, limit=_LONGEST)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        recipients: list[str] = []
        writer.write(b"220 courier.localhost LMTP\r\n")
        try:
            while line := (await reader.readline()).decode("utf-8", "replace").strip():
                word = line.partition(" ")[0].upper()
                if word == "RCPT":
                    writer.write(self._recipient(line, recipients))
                elif word == "DATA" and recipients:
                    writer.write(b"354 go ahead\r\n")
                    await writer.drain()
                    raw = await _data(reader)
                    for address in recipients:
                        await asyncio.to_thread(self._maildirs.deliver, address, raw)
                        writer.write(b"250 2.0.0 delivered\r\n")
                    recipients.clear()
                else:
                    writer.write(_ANSWERS.get(word, b"502 5.5.1 not known here\r\n"))
                    if word in ("MAIL", "RSET", "LHLO"):
                        recipients.clear()
                await writer.drain()
                if word == "QUIT":
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _recipient(self, line: str, recipients: list[str]) -> bytes:
        match = _RECIPIENT.match(line)
        if not match or not self._users.knows(match[1]):
            return b"550 5.1.1 no such user here\r\n"
        recipients.append(match[1])
        return b"250 2.1.5 OK\r\n"


_ANSWERS = {
    "LHLO": b"250-courier.localhost\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n",
    "MAIL": b"250 2.1.0 OK\r\n",
    "RSET": b"250 2.0.0 OK\r\n",
    "NOOP": b"250 2.0.0 OK\r\n",
    "QUIT": b"221 2.0.0 bye\r\n",
}


async def _data(reader: asyncio.StreamReader) -> bytes:
    """Return a message up to the line with one dot, without the dots that were doubled."""
    raw = await reader.readuntil(b"\r\n")
    if raw == b".\r\n":
        return b""
    raw += await reader.readuntil(b"\r\n.\r\n") if not raw.endswith(b"\r\n.\r\n") else b""
    return re.sub(rb"(?m)^\.\.", b".", raw.removesuffix(b".\r\n"))
