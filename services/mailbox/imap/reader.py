"""A mailbox to look into: a connection of its own that changes nothing and marks nothing as seen."""

from __future__ import annotations

import asyncio
import imaplib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from imapclient.exceptions import IMAPClientAbortError, IMAPClientError

from schemas.accounts import ServerAddress
from services.mailbox.connection.errors import Code, MailServerError, clean_answer
from services.mailbox.connection.models import Credentials
from services.mailbox.connection.policy import ConnectPolicy
from services.mailbox.imap import imap_commands
from services.mailbox.imap.connect import connect_imap
from services.mailbox.imap.imap_answers import Listed, uid_set
from services.mailbox.imap.imap_client import MailClient
from services.mailbox.imap.imap_commands import Selected

T = TypeVar("T")
DEADLINE = 120.0
"""Seconds for one command."""
AT_ONCE = 500
"""Uids of one question."""


class MailboxReader:
    """One command at a time, each in a thread. Made by ``open_reader``."""

    def __init__(self, client: MailClient) -> None:
        self._client = client

    @property
    def gmail(self) -> bool:
        """Whether messages have labels and an id of their own (X-GM-EXT-1)."""
        return bool(self._client.has_capability("X-GM-EXT-1"))

    async def folders(self) -> list[Listed]:
        """Return all folders."""
        if self._client.has_capability("LIST-EXTENDED") and self._client.has_capability("SPECIAL-USE"):
            listed = await self._run(imap_commands.list_extended, False, False)
            if listed is not None:
                return listed[0]
        return await self._run(imap_commands.list_plain) or []

    async def open(self, folder: bytes) -> Selected | None:
        """Open a folder for reading only; None when the server refuses it."""
        return await self._run(imap_commands.examine, folder, False)

    async def uids(self, first: int, last: int) -> list[int]:
        """Return the uids of the open folder in a range (both ends included), ascending.

        Raises:
            MailServerError: the server refuses to say.
        """
        return [uid for uid in await self._search(f"{first}:{last}") if first <= uid <= last]

    async def existing(self, uids: list[int]) -> set[int]:
        """Return which of some uids are in the open folder.

        Raises:
            MailServerError: the server refuses to say.
        """
        there: set[int] = set()
        for start in range(0, len(uids), AT_ONCE):
            there.update(await self._search(uid_set(uids[start : start + AT_ONCE])))
        return there.intersection(uids)

    async def _search(self, uids: str) -> list[int]:
        found = await self._run(imap_commands.search, uids)
        if found is None:
            raise MailServerError(Code.REFUSED, "the server does not answer a search")
        return found

    async def _run(self, command: Callable[..., T], *arguments: Any) -> T | None:
        """Return what a command comes to; None when the server answers NO.

        Raises:
            MailServerError: the connection is of no use any more.
        """
        try:
            return await asyncio.to_thread(self._bounded, command, *arguments)
        except TimeoutError as error:
            raise MailServerError(Code.TIMEOUT, "the server did not answer in time") from error
        except (IMAPClientAbortError, imaplib.IMAP4.abort, OSError) as error:
            raise MailServerError(
                Code.UNAVAILABLE, "the connection was lost", answer=clean_answer(str(error))
            ) from error
        except (IMAPClientError, imaplib.IMAP4.error):
            return None

    def _bounded(self, command: Callable[..., T], *arguments: Any) -> T:
        with self._client.deadline(DEADLINE):
            return command(self._client, *arguments)


@asynccontextmanager
async def open_reader(
    server: ServerAddress, credentials: Credentials, *, policy: ConnectPolicy
) -> AsyncIterator[MailboxReader]:
    """Yield a reader of a mailbox; the connection is dropped with the block.

    Raises:
        MailServerError: see ``imap_connect.connect_imap``.
    """
    client = await asyncio.to_thread(connect_imap, server, credentials, policy=policy)
    try:
        yield MailboxReader(client)
    finally:
        client.shutdown()
