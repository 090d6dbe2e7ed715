"""How many commands a mailbox may cost when they bring nothing: some at once, then few a second."""

from __future__ import annotations

from time import monotonic

RATE, BURST = 2.0, 40.0
"""Commands a second in the long run, and at once. An account has two paces, for events and for checks: together below 5 a second."""


class CommandPace:
    """A bucket of tokens, one for each command. Commands that brought mail fill it up."""

    def __init__(self, rate: float = RATE, burst: float = BURST) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = burst, monotonic()

    def spend(self, commands: int) -> None:
        """Note commands that were sent and brought nothing."""
        moment = monotonic()
        self._tokens = min(self._burst, self._tokens + (moment - self._at) * self._rate) - commands
        self._at = moment

    def refill(self) -> None:
        """Note that the commands brought mail: the next ones wait for nothing."""
        self._tokens, self._at = self._burst, monotonic()

    @property
    def seconds(self) -> float:
        """How long to wait before the next commands; 0 for not at all."""
        self.spend(0)
        return max(0.0, -self._tokens / self._rate)
