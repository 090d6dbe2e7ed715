"""Which folders a mailbox has, and which of them is open: the part of a session that knows folders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager, suppress
from functools import lru_cache

from schemas.ledger import Folder
from services.mailbox.imap import commands
from services.mailbox.imap.answers import Listed, Namespace, in_namespaces
from services.mailbox.imap.async_connection import DEADLINE, AsyncConnection, CommandObserver
from services.mailbox.imap.commands import Selected
from services.mailbox.imap.errors import ContradictionError, RefusedError, UidValidityChangedError
from services.mailbox.imap.protocol import MailClient
from services.mailbox.imap.uids import HIGHEST_UID, same_uids


class FolderConnection(AsyncConnection):
    """A logged-in connection with its folders, which are opened for reading only."""

    def __init__(
        self,
        client: MailClient,
        pool: Executor | None = None,
        *,
        qresync: bool = True,
        deadline: float = DEADLINE,
        observer: CommandObserver | None = None,
    ) -> None:
        """Take over ``client``.

        Args:
            client: a logged-in connection.
            pool: bounds how many commands run at the same time; None for the event loop's default threads.
            qresync: False for servers that offer QRESYNC or CONDSTORE and get it wrong.
            deadline: seconds for one command.
            observer: is notified of each command.
        """
        super().__init__(client, pool, deadline=deadline, observer=observer)
        self._qresync = qresync
        self._folder_lock = asyncio.Lock()
        self.capabilities = _names(client.capabilities())
        self._namespaces: list[Namespace] | None = None
        self._marks_folders = False
        """Whether the server has answered with SPECIAL-USE on this connection."""
        self.selected: bytes | None = None
        """Raw name of the open folder."""
        self.exists: int | None = None
        """How many messages the open folder has, as far as it was said."""
        self.top = 1
        """The next uid of the open folder."""
        self._uidvalidity = 0
        """Of the open folder."""
        self.announces_vanished = False
        """Whether QRESYNC is on: expunges come as VANISHED, with uids."""

    @property
    def condstore(self) -> bool:
        """Whether flags have modification sequences (RFC 7162)."""
        return bool({"CONDSTORE", "QRESYNC"} & self.capabilities)

    @property
    def gmail(self) -> bool:
        """Whether the server has Gmail's labels (X-GM-EXT-1)."""
        return "X-GM-EXT-1" in self.capabilities

    async def prepare(self) -> None:
        """Enable the extensions that the server offers."""
        if self._qresync and not self.announces_vanished and {"QRESYNC", "ENABLE"} <= self.capabilities:
            with suppress(RefusedError):
                self.announces_vanished = await self.run(commands.enable_qresync)

    async def list_folders(self) -> tuple[list[Listed], dict[bytes, dict[str, int]]]:
        """Return all folders, and the status of each by raw name where the server includes it (RFC 5819).

        What belongs to other users or is shared says so, where the server can tell (NAMESPACE). A refusal of that is raised: to
        take it for "all is the user's own" would open what others own.

        Raises:
            ContradictionError: the answer lacks INBOX.
        """
        if self._namespaces is None and "NAMESPACE" in self.capabilities:
            self._namespaces = await self.run(commands.namespace)
        listed, statuses = await self._list()
        if not listed:
            raise ContradictionError("empty-list", "the server listed no folder at all, and every mailbox has an INBOX")
        if not any(entry.raw_name.upper() == b"INBOX" for entry in listed):  # RFC 3501 section 5.1
            inbox = await self.run(commands.list_inbox)
            if not any(entry.raw_name.upper() == b"INBOX" for entry in inbox):
                raise ContradictionError("no-inbox", "the server's list of folders lacks INBOX, which always exists")
            listed += inbox
        return in_namespaces(listed, self._namespaces or ()), statuses

    async def _list(self) -> tuple[list[Listed], dict[bytes, dict[str, int]]]:
        marks, statuses = "SPECIAL-USE" in self.capabilities, "LIST-STATUS" in self.capabilities
        if "LIST-EXTENDED" in self.capabilities and (marks or statuses):
            try:
                answer = await self.run(commands.list_extended, marks, statuses, self.condstore)
            except RefusedError:
                if self._marks_folders:  # without the marks, a folder of drafts would pass for an ordinary one
                    raise
            else:
                self._marks_folders = marks
                return answer
        return await self.run(commands.list_plain), {}

    async def status(self, folder: bytes) -> dict[str, int]:
        """Return messages, uidnext, uidvalidity and (where supported) highestmodseq of a folder that is not open."""
        return await self.run(commands.status, folder, self.condstore)

    async def examine(self, folder: bytes) -> Selected:
        """Open a folder for reading only.

        Raises:
            ContradictionError: the server says nothing of its uids, or what cannot be.
        """
        self.selected = None
        selected = await self.run(commands.examine, folder, self.condstore)
        if not selected.uidnext:
            selected = selected._replace(uidnext=await self._uidnext(folder, selected.exists))
        if (
            selected.exists and not selected.uidvalidity
        ):  # required (RFC 3501 section 6.3.1): no uid means anything without
            raise ContradictionError("no-uidvalidity", "the server does not say which uids are valid in a folder")
        if selected.uidnext > HIGHEST_UID + 1:
            raise ContradictionError("uid-out-of-range", f"the server expects uid {selected.uidnext} next")
        self.selected, self._uidvalidity, self.exists = folder, selected.uidvalidity, selected.exists
        self.top = selected.uidnext
        return selected

    async def _uidnext(self, folder: bytes, exists: int) -> int:
        """Find out the next uid of the folder that was just opened, where EXAMINE does not say (Courier)."""
        status: dict[str, int] = {}
        try:
            status = await self.run(commands.status, folder, False)
        except RefusedError as error:
            if error.passing:
                raise
        highest = max(await self.run(commands.present, "*"), default=0) if exists else 0
        uidnext = max(status.get("uidnext", 0), highest + 1)
        if exists and uidnext == 1:
            raise ContradictionError("no-uidnext", f"the server holds {exists} messages and names no uid of theirs")
        return uidnext

    @asynccontextmanager
    async def opened(self, folder: Folder) -> AsyncIterator[None]:
        """Keep a folder open for the block. Callers who want another folder wait.

        Raises UidValidityChangedError when the folder's uidvalidity is not the known one.
        """
        async with self._folder_lock:
            if (self.selected, self._uidvalidity) != (folder.raw_name, folder.uidvalidity):
                selected = await self.examine(folder.raw_name)
                if not same_uids(folder, selected.uidvalidity, selected.uidnext):
                    raise UidValidityChangedError(folder.name)
            yield

    @asynccontextmanager
    async def between_folders(self) -> AsyncIterator[None]:
        """Let the block open folders by ``examine``. Callers of ``opened`` wait."""
        async with self._folder_lock:
            yield


@lru_cache(maxsize=64)
def _names(capabilities: tuple[bytes, ...]) -> frozenset[str]:
    """Return capabilities as text. Connections to which a server offers the same have one set."""
    return frozenset(name.decode("ascii", "replace") for name in capabilities)
