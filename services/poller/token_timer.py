"""Refreshes the tokens of an account whose owner signed in. Open connections go on with the old ones."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from schemas.accounts import Account
from services.mailbox.connection import MailServerError
from services.poller.connections.backoff import ConnectionBackoff
from services.poller.connections.connector import Connector
from services.poller.connections.troubles import CONNECT
from services.poller.copies.account_context import AccountContext
from services.poller.recovery import Recovery

_LONGEST_WAIT = 60.0
"""Seconds after which to look again when tokens are due: another process may have refreshed them."""


class TokenTimer:
    """Waits until the account's tokens are due, and refreshes them under its lease."""

    def __init__(
        self, context: AccountContext, connector: Connector, backoff: ConnectionBackoff, recovery: Recovery
    ) -> None:
        self._context = context
        self._connector = connector
        self._backoff = backoff
        self._recovery = recovery

    def note(self, account: Account) -> None:
        """Take over tokens that were refreshed."""
        changed = {"credentials": account.credentials, "refresh_at": account.refresh_at}
        self._context.account = self._context.account.model_copy(update=changed)

    async def run(self) -> None:
        """Wait for a while, or refresh.

        Raises:
            MailServerError: the tokens cannot be refreshed.
        """
        due = self._context.account.refresh_at
        pause = _LONGEST_WAIT if due is None else (due - datetime.now(UTC)).total_seconds()
        if pause > 0:
            await asyncio.sleep(min(pause, _LONGEST_WAIT))
            return
        await self._backoff.ready()
        try:
            self.note(await self._connector.refresh(self._context.account, lease=self._context.lease))
        except MailServerError as error:
            self._backoff.failed(error)
            raise
        await self._recovery.worked(CONNECT)
