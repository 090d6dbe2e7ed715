"""What can be asked of a mailbox, as coroutines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Container, Sequence
from contextlib import suppress
from typing import TypeVar

from services.mailbox.imap import commands
from services.mailbox.imap.answers import BodyPart, Fetched, UidRanges, uid_set
from services.mailbox.imap.errors import RefusedError
from services.mailbox.imap.folder_connection import FolderConnection
from services.mailbox.imap.uids import HIGHEST_UID, MANY, split_range

T = TypeVar("T")
BEGINNING = 1024
"""Bytes of a mail that tell whether the server delivers mail at all."""
PART = 1024 * 1024
"""Bytes of one piece of a large mail, and the memory that it takes."""


class ImapSession(FolderConnection):
    """A logged-in mailbox. Nothing is marked as seen."""

    async def uids(self, first: int, last: int) -> list[int]:
        """Return the uids of the open folder in a range (both ends included), ascending. An answer holds about 800,000 at most."""
        found = await self.run(commands.search, f"{first}:{last}")
        return [uid for uid in found if first <= uid <= last]

    async def uid_of(self, number: int) -> int | None:
        """Return the uid of a message of the open folder by its number; None where the server does not say."""
        try:
            return next(iter(await self.run(commands.uid_of, number)), None)
        except RefusedError as error:
            if error.passing:
                raise
            return None

    async def existing(self, uids: str) -> set[int]:
        """Return which of a set of uids (IMAP syntax) exist in the open folder."""
        return set(await self.run(commands.search, uids))

    async def present(self, uids: str) -> set[int]:
        """Return which of a set of uids exist in the open folder, as FETCH says. ``existing`` is what SEARCH says."""
        return set(await self.run(commands.present, uids))

    async def unread(self, last: int) -> set[int]:
        """Return the uids up to ``last`` of mail in the open folder that was not read. Of many messages, they are asked for in parts."""
        uids, found = f"1:{last}", set[int]()
        for part in split_range(uids, self.top) if (self.exists or 0) > MANY else [uids]:
            found.update(await self.run(commands.unread, part))
        return found

    async def headers(self, uids: Sequence[int]) -> list[Fetched]:
        """Return flags, dates, sizes and header blocks, ascending by uid, without messages that the server does not return.

        Of a long header it is the beginning (``Fetched.header_cut``): 500 of 256 KiB would fill the memory.
        When a server refuses the batch because of one bad mail, each half is requested alone.

        Raises:
            RefusedError: a refusal that may pass.
        """
        try:
            found = await self.run(commands.headers, uid_set(uids), self.gmail)
        except RefusedError as error:
            if error.passing:
                raise
            if len(uids) == 1:
                return []
            half = len(uids) // 2
            return [*await self.headers(uids[:half]), *await self.headers(uids[half:])]
        return _asked(found, uids)

    async def header_rest(self, uid: int, offset: int, size: int) -> bytes | None:
        """Return a header from ``offset`` on, at most ``size`` bytes; None when the server does not return it.

        Raises:
            RefusedError: a refusal that may pass.
        """
        try:
            return await self.run(commands.header_part, uid, offset, size)
        except RefusedError as error:
            if error.passing:
                raise
            return None

    async def newest(self, first: int) -> list[Fetched]:
        """Return the same for all mail from a uid on."""
        found = await self.run(commands.headers, f"{first}:{HIGHEST_UID}", self.gmail)
        return _asked(found, range(first, HIGHEST_UID + 1))

    async def bodies(self, uids: Sequence[int]) -> dict[int, bytes]:
        """Return whole mails by uid. Missing and refused messages are treated as in ``headers``."""
        return await self._halved(uids, lambda group: self.run(commands.bodies, group))

    async def structures(self, uids: Sequence[int]) -> dict[int, tuple[BodyPart, ...]]:
        """Return the parts of messages by uid. Missing and refused messages are treated as in ``headers``."""
        return await self._halved(uids, lambda group: self.run(commands.structures, group))

    async def sections(self, uids: Sequence[int], wanted: Sequence[tuple[str, int]]) -> dict[int, dict[str, bytes]]:
        """Return the beginnings of parts by uid and section, each with at most so many bytes. See ``structures``."""
        return await self._halved(uids, lambda group: self.run(commands.sections, group, wanted))

    async def _halved(
        self, uids: Sequence[int], ask: Callable[[Sequence[int]], Awaitable[dict[int, T]]]
    ) -> dict[int, T]:
        """Ask for messages. When a server refuses the batch because of one bad mail, each half is requested alone."""
        try:
            found = await ask(uids)
        except RefusedError as error:
            if error.passing:
                raise
            if len(uids) == 1:
                return {}
            half = len(uids) // 2
            return {**await self._halved(uids[:half], ask), **await self._halved(uids[half:], ask)}
        return {uid: found[uid] for uid in uids if uid in found}

    async def beginning(self, uid: int) -> bytes:
        """Return the first bytes of a mail."""
        return await self.run(commands.part, uid, 0, BEGINNING)

    async def parts(self, uid: int, size: int = 0, *, offset: int = 0) -> AsyncIterator[bytes]:
        """Yield a large mail in pieces, from ``offset`` on.

        A piece that is not whole ends it only where ``size`` bytes have come. Before, the server must say twice that nothing follows.
        """
        empty = 0
        while empty < 2:  # noqa: PLR2004 - twice
            piece = await self.run(commands.part, uid, offset, PART)
            if piece:
                yield piece
            offset += len(piece)
            empty = 0 if piece else empty + 1
            if len(piece) != PART and offset >= size:
                return

    async def flags(self, uids: str, since: int | None = None) -> tuple[list[Fetched], UidRanges]:
        """Return the flags of a set of uids; with ``since`` only those changed after it, and the uids expunged since.

        Of a folder with more messages than one answer may name, a range is asked for in parts.
        """
        found: list[Fetched] = []
        gone: UidRanges = []
        for part in split_range(uids, self.top) if (self.exists or 0) > MANY else [uids]:
            changed, vanished = await self.run(commands.flags, part, since, self.announces_vanished, self.gmail)
            found += changed
            gone += vanished
        return found, gone

    async def noop(self) -> None:
        """Let the server report what is new. A refusal means nothing, unless it may pass."""
        try:
            await self.run(commands.noop)
        except RefusedError as error:
            if error.passing:
                raise

    async def watch_all(self) -> bool:
        """Subscribe to the changes of all folders (NOTIFY, RFC 5465). Returns False where that is not offered."""
        if "NOTIFY" not in self.capabilities:
            return False
        with suppress(RefusedError):
            await self.run(commands.notify)
            return True
        return False

    async def idle(self) -> list[bytes]:
        """Enter IDLE (RFC 2177); returns the lines that came before it started."""
        return await self.run(commands.idle)

    async def idle_done(self) -> list[bytes]:
        """Leave IDLE; returns the lines that came before it ended."""
        return await self.run(commands.idle_done)


def _asked(messages: list[Fetched], uids: Container[int]) -> list[Fetched]:
    """Return the messages that were asked for, each once: the last of several answers for one uid counts."""
    return list({message.uid: message for message in messages if message.uid in uids}.values())
