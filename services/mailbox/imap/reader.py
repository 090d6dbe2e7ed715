"""Look into a mailbox on a connection of its own, for commands of the operator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from schemas.accounts import ServerAddress
from services.mailbox.connection import Code, ConnectPolicy, Credentials, MailServerError, clean_answer
from services.mailbox.imap.answers import Listed, uid_set
from services.mailbox.imap.commands import Selected
from services.mailbox.imap.connect import connect_imap
from services.mailbox.imap.errors import ConnectionLostError, ContradictionError, RefusedError
from services.mailbox.imap.session import ImapSession

BATCH = 500
"""Uids of one question."""


class MailboxReader:
    """Reads folders and uids. Made by ``open_reader``, which turns every failure into a MailServerError."""

    def __init__(self, session: ImapSession) -> None:
        self._session = session
        self.gmail = session.gmail
        self.uids = session.uids

    async def folders(self) -> list[Listed]:
        """Return all folders."""
        listed, _ = await self._session.list_folders()
        return listed

    async def open(self, folder: bytes) -> Selected | None:
        """Open a folder for reading only; None when the server refuses."""
        with suppress(RefusedError):
            return await self._session.examine(folder)
        return None

    async def existing(self, uids: list[int]) -> set[int]:
        """Return which of some uids exist in the open folder."""
        found: set[int] = set()
        for start in range(0, len(uids), BATCH):
            found |= await self._session.existing(uid_set(uids[start : start + BATCH]))
        return found.intersection(uids)


@asynccontextmanager
async def open_reader(
    server: ServerAddress, credentials: Credentials, *, policy: ConnectPolicy
) -> AsyncIterator[MailboxReader]:
    """Yield a reader of a mailbox; the connection is dropped at the end of the block.

    Raises:
        MailServerError: see ``connect_imap``; the connection was lost, or the server refuses a command.
    """
    session = ImapSession(await asyncio.to_thread(connect_imap, server, credentials, policy=policy))
    try:
        yield MailboxReader(session)
    except ConnectionLostError as error:
        code = Code.TIMEOUT if isinstance(error.__cause__, TimeoutError) else Code.UNAVAILABLE
        raise MailServerError(code, "the connection was lost", answer=clean_answer(str(error))) from error
    except RefusedError as error:
        raise MailServerError(Code.REFUSED, "the server refused a command", answer=clean_answer(str(error))) from error
    except ContradictionError as error:
        raise MailServerError(Code.REFUSED, f"the server contradicts itself: {error.detail}") from error
    finally:
        session.discard()
