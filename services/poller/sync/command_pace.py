"""How many commands a mailbox may cost when they bring nothing: some at once, then few a second."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.mailbox.imap import ImapSession
    from services.poller.sync.live_sync import LiveSync

CHECK_RATE, EVENT_RATE, SENT_RATE = 3.25, 1.25, 0.5
"""Commands a second in the long run, of checks, of events, and of the connection that idles on Sent: together at most 5."""
BURST = 40.0
"""Commands at once."""


class CommandPace:
    """A bucket of tokens, one for each command. Commands that brought mail fill it up."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float | None = None) -> None:
        self._rate, self._burst = rate, BURST if burst is None else burst
        self._tokens, self._at = self._burst, monotonic()

    def spend(self, commands: int) -> None:
        """Note commands that were sent and brought nothing."""
        moment = monotonic()
        self._tokens = min(self._burst, self._tokens + (moment - self._at) * self._rate) - commands
        self._at = moment

    def refill(self) -> None:
        """Note that the commands brought mail: the next ones wait for nothing."""
        self._tokens, self._at = self._burst, monotonic()

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

    __slots__ = ("_commands", "_live", "_mails", "_pace", "_session")

    def __init__(self, pace: CommandPace | None, session: ImapSession, live: LiveSync) -> None:
        """Without a ``pace``, nothing is noted."""
        self._pace, self._session, self._live = pace, session, live

    def __enter__(self) -> None:
        self._commands, self._mails = self._session.commands, self._live.taken

    def __exit__(self, *_: object) -> None:
        if self._pace is not None and self._live.taken > self._mails:
            self._pace.refill()
        elif self._pace is not None:
            self._pace.spend(self._session.commands - self._commands)
