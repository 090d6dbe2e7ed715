"""How long to wait before an account is connected again, and when its owner has to act."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import monotonic

from services.mailbox.connection import Code, MailServerError, suggested_pause
from services.runtime.backoff import Backoff, jittered

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
"""Seconds."""
LONGEST_HINT = 3600.0
"""The longest pause in seconds that a server may ask for."""


@dataclass(frozen=True, slots=True)
class BlockRule:
    """An account is blocked after this many refused log-ins in a row, over at least this many seconds."""

    refusals: int = 3
    seconds: float = 600.0


_CERTAIN = (2, 0.1)
"""Refusals, and share of the rule's seconds, where the server's words leave no doubt."""
_DOUBTFUL = (3, 6.0)
"""The same for failures that may be an outage."""
_NEEDED: dict[Code, tuple[int, float]] = {
    Code.PLAINTEXT_REFUSED: (1, 0.0),
    **dict.fromkeys(
        (
            Code.APP_PASSWORD_NEEDED,
            Code.OAUTH2_NEEDED,
            Code.OAUTH2_EXPIRED,
            Code.CONSENT_REVOKED,
            Code.CONSENT_NEEDED,
            Code.ADMIN_CONSENT_NEEDED,
            Code.SECOND_FACTOR_NEEDED,
            Code.UNKNOWN_APP,
            Code.WEB_LOGIN_NEEDED,
            Code.IMAP_DISABLED,
            Code.ACCOUNT_DISABLED,
            Code.PASSWORD_EXPIRED,
            Code.UNSUPPORTED_LOGIN,
        ),
        _CERTAIN,
    ),
    **dict.fromkeys((Code.WRONG_SERVER, Code.NOT_PUBLIC, Code.CERTIFICATE, Code.TLS_FAILED, Code.REFUSED), _DOUBTFUL),
}
_STEPS = (1 / 60, 1 / 15, 1 / 4)
"""Pauses after the first refused log-ins, as shares of the rule's seconds: an outage of seconds delays no mail for minutes, and
few attempts are made, because servers lock accounts after some."""


def hinted(pause: float, hint: float) -> float:
    """Return a pause, or the longer one that the server asks for, with some jitter on top: accounts do not come back in step."""
    return max(pause, min(hint, LONGEST_HINT) * (1 + jittered(0.05, 1)))


@dataclass(slots=True)
class ConnectionBackoff:
    """Counts how an account's log-ins have failed since one last worked. All tasks of the account share it."""

    rule: BlockRule = field(default_factory=BlockRule)
    refusals: int = 0
    """In a row."""
    first: float | None = None
    """When the first of them was."""
    until: float = 0.0
    """When the next log-in may be tried."""
    pauses: Backoff = field(default_factory=lambda: Backoff(FIRST_PAUSE, LONGEST_PAUSE))

    def connected(self) -> None:
        """Note a log-in."""
        self.refusals, self.first = 0, None

    def reset(self) -> None:
        """Note a connection that worked for a while: pauses start small again."""
        self.pauses.reset()
        self.until = 0.0

    def failed(self, error: MailServerError) -> None:
        """Note a log-in that failed."""
        now = monotonic()
        if error.transient:
            self.connected()  # a server that is down cannot judge passwords
            pause = self.pauses.next()
        else:
            self.refusals += 1
            self.first = now if self.first is None else self.first
            pause = self._refusal_pause(error.code, now)
        self.until = now + hinted(pause, suggested_pause(error.answer))

    def _refusal_pause(self, code: Code, now: float) -> float:
        share = _NEEDED.get(code, (0, 1.0))[1]
        if share > 1:
            return self.pauses.next()
        if self.refusals <= len(_STEPS):
            return jittered(_STEPS[self.refusals - 1] * self.rule.seconds)
        left = self.rule.seconds * share - (now - (self.first or now))
        return min(max(left, _STEPS[0] * self.rule.seconds), LONGEST_PAUSE)

    def needs_owner(self, error: MailServerError) -> bool:
        """Whether the owner has to act, after ``failed`` recorded this error."""
        if error.transient or self.first is None:
            return False
        refusals, share = _NEEDED.get(error.code, (self.rule.refusals, 1.0))
        return self.refusals >= refusals and monotonic() - self.first >= share * self.rule.seconds

    @property
    def left(self) -> float:
        """Seconds until the next log-in may be tried."""
        return max(0.0, self.until - monotonic())

    async def ready(self) -> None:
        """Wait until the next log-in may be tried."""
        await asyncio.sleep(self.left)
