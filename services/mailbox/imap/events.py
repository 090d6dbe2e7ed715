"""Wait for a mailbox without a thread: the event loop watches the socket until the server sends something."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic

from services.mailbox.imap import answers
from services.mailbox.imap.session import ImapSession

_LINE = re.compile(rb"\* (?:\d+ )?(EXISTS|EXPUNGE|FETCH|VANISHED|STATUS|LIST)\b ?(.*)", re.IGNORECASE | re.DOTALL)


@dataclass(slots=True)
class MailboxEvents:
    """What a server reported unasked."""

    new: bool = False
    """The open folder has more messages."""
    flags: bool = False
    expunged: bool = False
    """Something was expunged from the open folder. The uids are requested again: moved mail should first be seen at its new place."""
    others: set[bytes] = field(default_factory=set)
    """Raw names of other folders in which something changed (NOTIFY)."""
    at: datetime | None = None
    """When the first event came."""
    everything: bool = False
    """The list of folders changed, or an event could not be read."""

    def __bool__(self) -> bool:
        return bool(self.new or self.flags or self.expunged or self.others or self.everything)

    def add(self, line: bytes) -> None:
        """Note what one line reports."""
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
        elif kind == b"LIST" or rest.endswith(b"}"):  # a literal follows: look everywhere instead of reading on
            self.everything = True
        else:
            self.others.update(answers.statuses([rest]))


async def wait_for_events(session: ImapSession, events: MailboxEvents, *, seconds: float, wake: asyncio.Event) -> None:
    """Idle until the server reports something, ``wake`` is set or the time is up. Adds to ``events`` what was reported.

    The session can run commands again afterwards. Raises ConnectionLostError when the server closes the connection.
    """
    end = monotonic() + seconds
    for line in await session.idle():
        events.add(line)
    if not events and not wake.is_set():
        await _watch_socket(session, events, end, wake)
    for line in await session.idle_done():
        events.add(line)


async def _watch_socket(session: ImapSession, events: MailboxEvents, end: float, wake: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    descriptor = session.fileno()
    forwarding = loop.create_task(_forward(wake, readable))
    loop.add_reader(descriptor, readable.set)
    try:
        while not events and not wake.is_set():
            # TLS may hold decrypted lines that the socket does not report as readable: look before waiting.
            for line in session.events():
                events.add(line)
            if events:
                return
            readable.clear()
            try:
                async with asyncio.timeout(end - monotonic()):
                    await readable.wait()
            except TimeoutError:
                return
    finally:
        loop.remove_reader(descriptor)
        forwarding.cancel()


async def _forward(wake: asyncio.Event, readable: asyncio.Event) -> None:
    await wake.wait()
    readable.set()
