"""Wait for a mailbox without a thread: the event loop watches the socket until the server sends something.

What a server sends is read in small turns with pauses, so that one that chatters cannot occupy the loop.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic

from services.mailbox.imap import answers
from services.mailbox.imap.errors import ConnectionLostError, ContradictionError, IdleUnansweredError
from services.mailbox.imap.protocol import parse_line
from services.mailbox.imap.session import ImapSession
from services.mailbox.imap.wakeup import Wakeup, wait_for_data

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds after a turn that brought no event; each next pause is twice as long, until the server is silent for that long."""


@dataclass(slots=True)
class MailboxEvents:
    """What a server reported unasked."""

    new: bool = False
    """The open folder has more messages."""
    flags: bool = False
    expunged: bool = False
    """Something was expunged from the open folder. The uids are requested again: moved mail should first be seen at its new place."""
    others: frozenset[bytes] = frozenset()
    """Raw names of other folders in which something changed (NOTIFY)."""
    at: datetime | None = None
    """When the first event came."""
    everything: bool = False
    """The list of folders changed, or an event could not be read."""
    exists: int | None = None
    """How many messages the open folder has, if known: Microsoft 365 says so at each IDLE, which is no event."""

    def __bool__(self) -> bool:
        return bool(self.new or self.flags or self.expunged or self.others or self.everything)

    def add(self, line: bytes) -> None:
        """Note what one line reports."""
        parsed = parse_line(line)
        if parsed is None or parsed.tag:
            return
        kind, data = parsed.kind, parsed.data
        if kind == "EXISTS":
            count = int(data) if data.isdigit() and len(data) <= len(str(answers.MAX_UID)) else None
            self.new = self.new or count is None or count != self.exists
            self.exists = count
        elif kind == "FETCH":
            self.flags = True
        elif kind in ("EXPUNGE", "VANISHED"):
            self.expunged, self.exists = True, None
        elif kind == "STATUS" and not data.endswith(b"}"):
            try:
                self.others |= answers.statuses([data]).keys()
            except answers.AnswerError:
                self.everything = True
        elif kind in ("LIST", "STATUS"):  # a literal follows: look everywhere instead of reading on
            self.everything = True
        if self:
            self.at = self.at or datetime.now(UTC)


async def wait_for_events(session: ImapSession, events: MailboxEvents, *, seconds: float, wake: Wakeup) -> None:
    """Idle until the server reports something, ``wake`` is set or the time is up. Adds to ``events`` what was reported.

    The session can run commands again afterwards.

    Raises:
        RefusedError: the server refuses to idle.
        IdleUnansweredError: the connection was lost before the server idled.
        ConnectionLostError: the server closed the connection.
    """
    end = monotonic() + seconds
    try:
        lines = await session.idle()
    except ContradictionError:
        raise
    except ConnectionLostError as error:
        raise IdleUnansweredError(str(error)) from error
    for line in lines:
        events.add(line)
    if not events and not wake.is_set():
        await _watch_socket(session, events, end, wake)
    for line in await session.idle_done():
        events.add(line)


async def _watch_socket(session: ImapSession, events: MailboxEvents, end: float, wake: Wakeup) -> None:
    pause = FIRST_PAUSE
    while not events and not wake.is_set() and (left := end - monotonic()) > 0:
        # TLS may hold decrypted lines that the socket does not report as readable: look before waiting.
        lines, more = session.events()
        for line in lines:
            events.add(line)
        if events:
            return
        waited = monotonic()
        if not more and not await wait_for_data(session.fileno(), left, wake):
            return
        if monotonic() - waited > LONGEST_PAUSE:
            pause = FIRST_PAUSE
        elif lines or more:
            # The socket is not watched during the pause: the loop would spin over what is there to be read.
            await _sleep(min(pause, left), wake)
            pause = min(2 * pause, LONGEST_PAUSE)


async def _sleep(seconds: float, wake: Wakeup) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wake.wait()
