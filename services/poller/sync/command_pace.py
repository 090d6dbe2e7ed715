"""How many commands a mailbox may cost when they bring nothing: some at once, then few a second."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.mailbox.imap import ImapSession
    from services.poller.sync.live_sync import LiveSync

WATCH_RATE, EVENT_RATE, SENT_RATE = 4.5, 1.25, 0.5
"""Commands a second in the long run: of checks and events together, of events, and of the connection that idles on Sent.

Checks have what events leave, which is 3.25 at least. An account costs at most 5.
"""
BURST = 54.0
"""Commands at once: what a round of 12 seconds may take."""


class CommandPace:
    """A bucket of tokens, one for each command. Commands that brought mail fill it up."""

    __slots__ = ("_at", "_burst", "_clock", "_rate", "_tokens")

    def __init__(self, rate: float, *, clock: Callable[[], float] = monotonic) -> None:
        self._rate, self._burst, self._clock = rate, BURST, clock
        self._tokens, self._at = self._burst, clock()

    def spend(self, commands: int) -> None:
        """Note commands that were sent and brought nothing."""
        moment = self._clock()
        self._tokens = min(self._burst, self._tokens + (moment - self._at) * self._rate) - commands
        self._at = moment

    def refill(self) -> None:
        """Note that the commands brought mail: the next ones wait for nothing."""
        self._tokens, self._at = self._burst, self._clock()

    @property
    def room(self) -> int:
        """How many commands may be sent at once."""
        self.spend(0)
        return max(0, int(self._tokens))

    @property
    def seconds(self) -> float:
        """How long to wait before the next commands; 0 for not at all."""
        self.spend(0)
        return max(0.0, -self._tokens / self._rate)


class PacedBlock:
    """Notes what the commands of a block cost, unless they brought mail: a server may report changes for ever that are none.

    Idle mailboxes wait in such a block, and a generator would take four times the memory.
    """

    __slots__ = ("_commands", "_live", "_mails", "_paces", "_session")

    def __init__(self, paces: tuple[CommandPace, ...], session: ImapSession, live: LiveSync) -> None:
        """Each of ``paces`` bounds these commands."""
        self._paces, self._session, self._live = paces, session, live

    def __enter__(self) -> None:
        self._commands, self._mails = self._session.commands, self._live.taken

    def __exit__(self, *_: object) -> None:
        for pace in self._paces:
            if self._live.taken > self._mails:
                pace.refill()
            else:
                pace.spend(self._session.commands - self._commands)
