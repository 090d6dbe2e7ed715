"""Connecting to the mailboxes of accounts, politely: few log-ins at a time to one server, longer and longer pauses in trouble."""

from __future__ import annotations

import asyncio
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from time import monotonic

from schemas.accounts import Account
from services.mailbox.connection.errors import Code, MailServerError
from services.mailbox.connection.policy import ConnectPolicy
from services.mailbox.connection.secrets import SecretBox
from services.mailbox.discovery.providers import Directory, Provider
from services.mailbox.imap.connect import connect_imap
from services.mailbox.imap.imap_client import MailClient
from services.poller.connections.imap_metrics import ImapMetrics
from services.poller.connections.session import ImapSession, Quirks

LOGINS = 5
"""Log-ins to one server at the same time."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
"""Seconds."""
_HINT = re.compile(r"backoff time \(?(?:ms|milliseconds)?\)?:? ?(\d+)", re.IGNORECASE)
"""Exchange Online: ``NO [...] Request is throttled. Suggested Backoff Time: 289341 milliseconds``."""

PATIENCE: dict[Code, float] = {
    Code.PLAINTEXT_REFUSED: 0.0,
    Code.WRONG_SERVER: 3600.0,
    Code.NOT_PUBLIC: 3600.0,
    Code.CERTIFICATE: 3600.0,
    Code.TLS_FAILED: 3600.0,
    Code.REFUSED: 600.0,
}
"""Seconds that trouble which looks like an outage is borne before the owner is asked to do something; a refused log-in is not in here."""
REFUSALS = 2
"""So many refused log-ins in a row: servers refuse one by mistake now and then."""


class Connector:
    """Opens sessions. One a process."""

    def __init__(
        self,
        policy: ConnectPolicy,
        box: SecretBox,
        directory: Directory,
        *,
        commands: Executor,
        connects: Executor,
        metrics: ImapMetrics,
    ) -> None:
        """Take the pools of threads for commands, and for connecting (which may hang long)."""
        self._policy = policy
        self._box = box
        self._directory = directory
        self._commands = commands
        self._connects = connects
        self._metrics = metrics
        self._logins: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(LOGINS))

    def provider(self, account: Account) -> Provider | None:
        """Return what is known of the account's service."""
        known = self._directory.by_key.get(account.provider or "")
        return known or self._directory.for_server(account.incoming.host)

    async def connect(self, account: Account) -> ImapSession:
        """Return a logged-in session.

        Raises:
            MailServerError: see ``connect_imap``.
            SealError: the credentials do not open.
        """
        credentials = self._box.open(account.id, account.credentials)
        provider = self.provider(account)
        async with self._logins[account.incoming.host]:
            call = self._connects.submit(connect_imap, account.incoming, credentials, policy=self._policy)
            try:
                client = await asyncio.wrap_future(call)
            except asyncio.CancelledError:
                call.add_done_callback(_shut)
                raise
            except MailServerError as error:
                self._metrics.login_failed(account, provider, error.code.value)
                raise
        quirks = provider.quirks if provider else frozenset()
        traffic = self._metrics.traffic(account, provider, client.wire)
        return ImapSession(client, self._commands, quirks=Quirks(qresync="no_qresync" not in quirks), traffic=traffic)


def _shut(call: Future[MailClient]) -> None:
    if not call.cancelled() and call.exception() is None:
        call.result().shutdown()


def pauses() -> Iterator[float]:
    """Yield growing pauses in seconds, each up to a half shorter by chance, so that accounts do not march in step."""
    pause = FIRST_PAUSE
    while True:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311 - jitter is no secret
        pause = min(pause * 2, LONGEST_PAUSE)


@dataclass(slots=True)
class ConnectionBackoff:
    """How an account's connections have failed since the last that worked."""

    refusals: int = 0
    since: float | None = None
    pauses: Iterator[float] = field(default_factory=pauses)
    current: float = 0.0
    until: float = 0.0
    """When the current pause is over."""

    def connected(self) -> None:
        """Note a log-in."""
        self.refusals, self.since = 0, None

    def over(self) -> None:
        """Note a connection that worked for a while."""
        self.pauses, self.until = pauses(), 0.0

    def hopeless(self, error: MailServerError) -> bool:
        """Whether the owner has to do something; notes the failure."""
        if error.transient:
            return False
        if error.code in PATIENCE:
            self.since = self.since or monotonic()
            return monotonic() - self.since >= PATIENCE[error.code]
        self.refusals += 1
        return self.refusals >= REFUSALS

    def pause(self, error: BaseException) -> float:
        """Return the seconds to wait before the next try: the server's own hint, or more each time.

        An account's connections break together. What fails while another one waits fails for the same trouble, and makes no pause longer.
        """
        if monotonic() >= self.until:
            self.current = next(self.pauses)
            self.until = monotonic() + self.current
        hint = _HINT.search(str(error))
        return max(self.current, min(int(hint[1]) / 1000, 2 * LONGEST_PAUSE) if hint else 0.0)
