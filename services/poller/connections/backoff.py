"""How long to wait before an account is connected again, and when its owner has to act."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from time import monotonic

from services.mailbox.connection import Code, MailServerError
from services.runtime.backoff import Backoff

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
"""Seconds."""
_HINT = re.compile(r"backoff time\s*+(?:\((?:ms|milliseconds)\)\s*+)?(?:[:=]\s*+)?(\d+)", re.IGNORECASE)
"""Exchange Online: ``BAD Request is throttled. Suggested Backoff Time: 299961 milliseconds``."""
_LONGEST_ERROR = 2_000
"""Characters that are looked at: what a server says has no bound of its own."""

PATIENCE: dict[Code, float] = {
    Code.PLAINTEXT_REFUSED: 0.0,
    Code.WRONG_SERVER: 3600.0,
    Code.NOT_PUBLIC: 3600.0,
    Code.CERTIFICATE: 3600.0,
    Code.TLS_FAILED: 3600.0,
    Code.REFUSED: 600.0,
}
"""Seconds for which failures that may be an outage are tolerated before the owner has to act. Refused log-ins are counted instead."""
REFUSALS = 2
"""Refused log-ins in a row before the owner has to act: servers refuse one by mistake now and then."""


@dataclass(slots=True)
class ConnectionBackoff:
    """Counts how an account's connections have failed since one last worked."""

    refusals: int = 0
    since: float | None = None
    pauses: Backoff = field(default_factory=lambda: Backoff(FIRST_PAUSE, LONGEST_PAUSE))
    current: float = 0.0
    until: float = 0.0
    """When the current pause ends."""

    def connected(self) -> None:
        """Note a log-in."""
        self.refusals, self.since = 0, None

    def reset(self) -> None:
        """Note a connection that worked for a while: pauses start small again."""
        self.pauses.reset()
        self.until = 0.0

    def needs_owner(self, error: MailServerError) -> bool:
        """Note a failure. Returns whether the owner has to act."""
        if error.transient:
            return False
        if error.code in PATIENCE:
            self.since = self.since or monotonic()
            return monotonic() - self.since >= PATIENCE[error.code]
        self.refusals += 1
        return self.refusals >= REFUSALS

    def pause(self, error: BaseException) -> float:
        """Return the seconds to wait before the next attempt: the server's own hint, or more each time.

        An account's connections break together. A failure during another connection's pause has the same cause, and makes no pause longer.
        """
        if monotonic() >= self.until:
            self.current = self.pauses.next()
            self.until = monotonic() + self.current
        hint = _HINT.search(str(error)[:_LONGEST_ERROR])
        return max(self.current, min(int(hint[1]) / 1000, 2 * LONGEST_PAUSE) if hint else 0.0)
