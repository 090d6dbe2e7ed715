"""Verifies passwords for Cyrus (saslauthd's protocol) and Courier (authdaemond's) against the files of the mail users."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Mapping

from testbed.processes.users import MailUsers

_FAILED = b"FAIL\n"


class Logins:
    """Answers both servers. A changed password counts at once."""

    def __init__(self, users: MailUsers, account: Callable[[str], Mapping[str, str | int]]) -> None:
        """Take the users, and a function that returns what authdaemond says of one who logged in."""
        self._users = users
        self._account = account

    async def saslauthd(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one question of Cyrus: login name, password, service and realm, each with its length before it."""
        try:
            values = [await _counted(reader) for _ in range(4)]
            name, password, _, realm = (value.decode("utf-8", "replace") for value in values)
            full = f"{name}@{realm}" if realm and "@" not in name else name
            answer = b"OK" if self._users.check(full, password) else b"NO"
            writer.write(struct.pack(">H", len(answer)) + answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def authdaemond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one question of Courier: `AUTH <length>`, then service, kind, login name and password, a line each.

        Variables such as `TCPREMOTEIP=…` may come before it.
        """
        try:
            while "=" in (line := (await reader.readline()).decode().strip()):
                pass
            command, _, length = line.partition(" ")
            values = (await reader.readexactly(int(length))).decode("utf-8", "replace").split("\n") if length else []
            writer.write(self._authenticated(values) if command == "AUTH" else _FAILED)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            pass
        finally:
            writer.close()

    def _authenticated(self, values: list[str]) -> bytes:
        match values:
            case [_, "login", name, password, *_] if self._users.check(name, password):
                facts = "".join(f"{key}={value}\n" for key, value in self._account(name.lower()).items())
                return f"{facts}.\n".encode()
        return _FAILED


async def _counted(reader: asyncio.StreamReader) -> bytes:
    (length,) = struct.unpack(">H", await reader.readexactly(2))
    return await reader.readexactly(length)
