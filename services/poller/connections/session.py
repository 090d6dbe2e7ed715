"""The one adapter over the blocking IMAP client: what can be asked of a mailbox, as coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from schemas.accounts import Folder
from services.mailbox.imap import imap_commands as commands
from services.mailbox.imap.imap_answers import Fetched, Listed, UidRanges, uid_set
from services.mailbox.imap.imap_client import MailClient
from services.mailbox.imap.imap_commands import Selected
from services.poller.connections import listening
from services.poller.connections.connection import DEADLINE, Connection
from services.poller.connections.errors import RefusedError, UidValidityChangedError
from services.poller.connections.imap_metrics import Traffic

PART = 1024 * 1024
"""Bytes of one piece of a large mail: the memory that one takes."""


@dataclass(frozen=True, slots=True)
class Quirks:
    """What this provider's servers are better not asked for."""

    qresync: bool = True


class ImapSession(Connection):
    """What the rest of the poller asks of a mailbox."""

    def __init__(
        self,
        client: MailClient,
        pool: Executor,
        *,
        quirks: Quirks | None = None,
        deadline: float = DEADLINE,
        traffic: Traffic | None = None,
    ) -> None:
        """Take over ``client``; ``pool`` bounds how many commands run at the same time, ``deadline`` (seconds) each of them."""
        super().__init__(client, pool, deadline=deadline, traffic=traffic)
        self._quirks = quirks or Quirks()
        self._folder_turn = asyncio.Lock()
        self.capabilities = frozenset(
            name.decode("ascii", "replace").upper() if isinstance(name, bytes) else str(name).upper()
            for name in client.capabilities()
        )
        self.selected: bytes | None = None
        """Raw name of the folder that is open."""
        self._uidvalidity = 0
        """Of the folder that is open."""
        self.announces_vanished = False
        """QRESYNC is on: expunges come as VANISHED, with uids."""

    @property
    def condstore(self) -> bool:
        """Whether flags have modification sequences (RFC 7162)."""
        return bool({"CONDSTORE", "QRESYNC"} & self.capabilities)

    @property
    def gmail(self) -> bool:
        """Whether messages have labels and an id of their own (X-GM-EXT-1)."""
        return "X-GM-EXT-1" in self.capabilities

    async def prepare(self) -> None:
        """Switch on what is offered."""
        if {"QRESYNC", "ENABLE"} <= self.capabilities and self._quirks.qresync:
            with suppress(RefusedError):
                self.announces_vanished = await self.run(commands.enable_qresync)

    async def list_folders(self) -> tuple[list[Listed], dict[bytes, dict[str, int]]]:
        """Return all folders, and the status of each by raw name where the server gives that along (RFC 5819)."""
        extended = "LIST-EXTENDED" in self.capabilities and "SPECIAL-USE" in self.capabilities
        if extended:
            with_status = "LIST-STATUS" in self.capabilities
            with suppress(RefusedError):
                return await self.run(commands.list_extended, with_status, self.condstore)
        return await self.run(commands.list_plain), {}

    async def status(self, folder: bytes) -> dict[str, int]:
        """Return messages, uidnext, uidvalidity and (where known) highestmodseq of a folder that is not open."""
        return await self.run(commands.status, folder, self.condstore)

    async def examine(self, folder: bytes) -> Selected:
        """Open a folder for reading only."""
        self.selected = None
        selected = await self.run(commands.examine, folder, self.condstore)
        self.selected, self._uidvalidity = folder, selected.uidvalidity
        return selected

    @asynccontextmanager
    async def opened(self, folder: Folder) -> AsyncIterator[None]:
        """Keep a folder open for some commands; others who want another folder wait.

        Raises UidValidityChangedError when its uids are not those that are known.
        """
        async with self._folder_turn:
            if (self.selected, self._uidvalidity) != (folder.raw_name, folder.uidvalidity):
                selected = await self.examine(folder.raw_name)
                if selected.uidvalidity != folder.uidvalidity:
                    raise UidValidityChangedError(folder.name)
            yield

    async def uids(self, first: int, last: int) -> list[int]:
        """Return the uids of the open folder in a range, ascending. An answer holds at most some 800,000."""
        found = await self.run(commands.search, f"{first}:{last}")
        return [uid for uid in found if first <= uid <= last]

    async def existing(self, uids: str) -> set[int]:
        """Return which of a set of uids (IMAP syntax) are there."""
        return set(await self.run(commands.search, uids))

    async def headers(self, uids: Sequence[int]) -> list[Fetched]:
        """Return flags, dates, sizes and header blocks, ascending by uid; what the server does not give is missing.

        A server that refuses the batch for one bad mail (Yahoo) is asked for its halves.
        """
        try:
            return await self.run(commands.headers, uid_set(uids), self.gmail)
        except RefusedError:
            if len(uids) == 1:
                return []
            half = len(uids) // 2
            return [*await self.headers(uids[:half]), *await self.headers(uids[half:])]

    async def newest(self, first: int) -> list[Fetched]:
        """Return the same of all mail from a uid on."""
        # n:* also means the last message when there is none from n on (RFC 3501 section 6.4.8).
        return [
            message for message in await self.run(commands.headers, f"{first}:*", self.gmail) if message.uid >= first
        ]

    async def bodies(self, uids: Sequence[int]) -> dict[int, bytes]:
        """Return whole mails by uid; see ``headers`` for what is missing and what is refused."""
        try:
            return await self.run(commands.bodies, uids)
        except RefusedError:
            if len(uids) == 1:
                return {}
            half = len(uids) // 2
            return {**await self.bodies(uids[:half]), **await self.bodies(uids[half:])}

    async def parts(self, uid: int) -> AsyncIterator[bytes]:
        """Yield a large mail piece by piece, until the server gives less than a whole piece."""
        offset = 0
        while piece := await self.run(commands.part, uid, offset, PART):
            yield piece
            if len(piece) < PART:
                return
            offset += len(piece)

    async def flags(self, uids: str, since: int | None = None) -> tuple[list[Fetched], UidRanges]:
        """Return the flags of a set of uids; with ``since`` only those changed after it, and which uids vanished since."""
        return await self.run(commands.flags, uids, since, self.announces_vanished, self.gmail)

    async def noop(self) -> None:
        """Let the server say what is new."""
        await self.run(listening.noop)

    async def watch_all(self) -> bool:
        """Ask to be told of all folders while one is open (NOTIFY, RFC 5465); False where that is not offered."""
        if "NOTIFY" not in self.capabilities:
            return False
        with suppress(RefusedError):
            await self.run(listening.notify)
            return True
        return False

    async def idle(self) -> list[bytes]:
        """Enter IDLE (RFC 2177); returns the lines that came before it began."""
        return await self.run(listening.idle)

    async def idle_done(self) -> list[bytes]:
        """Leave IDLE; returns the lines that came with it."""
        return await self.run(listening.idle_done)
