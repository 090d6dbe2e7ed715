"""Waiting for a mailbox without a thread: the socket lies with the event loop until the server says something."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic

from services.mailbox.imap import imap_answers
from services.poller.connections.session import ImapSession

_LINE = re.compile(rb"\* (?:\d+ )?(EXISTS|EXPUNGE|FETCH|VANISHED|STATUS|LIST)\b ?(.*)", re.IGNORECASE | re.DOTALL)


@dataclass(slots=True)
class Noticed:
    """What a server said by itself."""

    new: bool = False
    """There is more in the open folder."""
    flags: bool = False
    expunged: bool = False
    """Something was expunged from it. Which uids is asked anew: what was moved should be seen at its new place first."""
    others: set[bytes] = field(default_factory=set)
    """Raw names of other folders in which something changed (NOTIFY)."""
    at: datetime | None = None
    """When the first of it was said."""
    everything: bool = False
    """The list of folders changed, or something did that could not be read."""

    def __bool__(self) -> bool:
        return bool(self.new or self.flags or self.expunged or self.others or self.everything)

    def take(self, line: bytes) -> None:
        """Note what one line says."""
        match = _LINE.match(line)
        if not match:
            return
        kind, rest = match[1].upper(), match[2]
        self.at = self.at or datetime.now(UTC)
        if kind == b"EXISTS":
            self.new = True
        elif kind == b"FETCH":
            self.flags = True
        elif kind in (b"EXPUNGE", b"VANISHED"):
            self.expunged = True
        elif kind == b"LIST" or rest.endswith(b"}"):  # a literal follows: ask instead of reading on
            self.everything = True
        else:
            self.others.update(imap_answers.statuses([rest]))


async def wait(session: ImapSession, noticed: Noticed, *, seconds: float, wake: asyncio.Event) -> None:
    """Idle until the server says something of interest, ``wake`` is set or the time is up; the session is usable then.

    ``noticed`` takes what was said. Raises ConnectionLostError when the server closes the connection.
    """
    end = monotonic() + seconds
    for line in await session.idle():
        noticed.take(line)
    if not noticed and not wake.is_set():
        await _readable(session, noticed, end, wake)
    for line in await session.idle_done():
        noticed.take(line)


async def _readable(session: ImapSession, noticed: Noticed, end: float, wake: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    stirred = asyncio.Event()
    number = session.fileno()
    watching = loop.create_task(_forward(wake, stirred))
    loop.add_reader(number, stirred.set)
    try:
        while not noticed and not wake.is_set():
            # TLS may hold decrypted lines that the socket knows nothing of: look before waiting.
            for line in session.events():
                noticed.take(line)
            if noticed:
                return
            stirred.clear()
            try:
                async with asyncio.timeout(end - monotonic()):
                    await stirred.wait()
            except TimeoutError:
                return
    finally:
        loop.remove_reader(number)
        watching.cancel()


async def _forward(wake: asyncio.Event, stirred: asyncio.Event) -> None:
    await wake.wait()
    stirred.set()
