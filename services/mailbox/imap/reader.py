"""Look into a mailbox on a connection of its own, for commands of the operator.

It proves what the poller did, so it reads in another way: by message numbers, of which the server has as many as it says.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from schemas.accounts import ServerAddress
from services.mailbox.connection import Code, ConnectPolicy, Credentials, MailServerError, clean_answer
from services.mailbox.imap.answers import Listed
from services.mailbox.imap.connect import connect_imap
from services.mailbox.imap.errors import ConnectionLostError, ContradictionError, RefusedError
from services.mailbox.imap.protocol import MailClient
from services.mailbox.imap.session import ImapSession

BATCH = 20_000
"""Messages of one question."""
_UID = re.compile(rb"^(\d{1,10}) \((?:[^()]* )?UID (\d{1,10})(?=[ )])", re.IGNORECASE)
_MESSAGES = re.compile(rb"[( ]MESSAGES (\d{1,10})(?=[ )])", re.IGNORECASE)


class OpenFolder(NamedTuple):
    """A folder at one moment."""

    uidvalidity: int
    uids: frozenset[int]
    """Of its messages."""
    agreed: bool
    """Whether the server named as many as it says that there are."""


class MailboxReader:
    """Reads folders and uids. Made by ``open_reader``, which turns every failure into a MailServerError."""

    def __init__(self, session: ImapSession) -> None:
        self._session = session
        self.gmail = session.gmail

    async def folders(self) -> list[Listed]:
        """Return all folders."""
        listed, _ = await self._session.list_folders()
        return listed

    async def read(self, folder: bytes) -> OpenFolder | None:
        """Return what a folder holds; None when the server refuses to open it."""
        name = b'"' + folder.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"' if folder.isascii() else folder
        try:
            exists, uidvalidity = await self._session.run(_open, name)
        except RefusedError as error:
            if error.passing:
                raise
            return None
        named: dict[int, int] = {}
        for first in range(1, exists + 1, BATCH):
            named |= await self._session.run(_numbered, first, min(exists, first + BATCH - 1))
        uids = frozenset(named.values())
        messages = exists if uids else await self._session.run(_messages, name)
        return OpenFolder(uidvalidity, uids, len(uids) == exists == messages)


def _open(client: MailClient, name: bytes) -> tuple[int, int]:
    """EXAMINE: the number of messages, and the uidvalidity."""
    client.protocol.is_readonly = True
    client.protocol.untagged_responses.clear()
    found = client.command("EXAMINE", name)
    client.protocol.state = "SELECTED"
    numbers = [int((found.get(kind) or [b"0"])[-1] or 0) for kind in ("EXISTS", "UIDVALIDITY")]
    client.protocol.untagged_responses.clear()
    return numbers[0], numbers[1]


def _numbered(client: MailClient, first: int, last: int) -> dict[int, int]:
    """FETCH (UID) by message numbers, from the first to the last: uids by number."""
    client.protocol.untagged_responses.pop("FETCH", None)
    found = client.command("FETCH", f"{first}:{last}".encode(), b"(UID)", own=("FETCH",)).pop("FETCH", [])
    matches = [_UID.match(item) for item in found if isinstance(item, bytes)]
    return {int(match[1]): int(match[2]) for match in matches if match and first <= int(match[1]) <= last}


def _messages(client: MailClient, name: bytes) -> int:
    """STATUS (MESSAGES)."""
    found = client.command("STATUS", name, b"(MESSAGES)", own=("STATUS",)).pop("STATUS", [])
    match = _MESSAGES.search(
        b" ".join(part for item in found for part in (item if isinstance(item, tuple) else (item,)))
    )
    return int(match[1]) if match else 0


@asynccontextmanager
async def open_reader(
    server: ServerAddress, credentials: Credentials, *, policy: ConnectPolicy
) -> AsyncIterator[MailboxReader]:
    """Yield a reader of a mailbox; the connection is dropped at the end of the block.

    Raises:
        MailServerError: see ``connect_imap``; the connection was lost, or the server refuses a command or contradicts itself.
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
