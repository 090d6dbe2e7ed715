"""How many commands a mailbox may cost when they bring nothing: some at once, then few a second."""

from __future__ import annotations

from time import monotonic

CHECK_RATE, EVENT_RATE, SENT_RATE = 3.25, 1.25, 0.5
"""Commands a second in the long run, of checks, of events, and of the connection that idles on Sent: together at most 5."""
BURST = 40.0
"""Commands at once."""


class CommandPace:
    """A bucket of tokens, one for each command. Commands that brought mail fill it up."""

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
