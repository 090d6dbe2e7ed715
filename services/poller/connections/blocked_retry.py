"""Try the logins of blocked accounts again now and then, and continue with those that work."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from schemas.accounts import Account
from services.mailbox.connection import MailServerError, SealError
from services.poller.connections.connector import Connector
from services.poller.connections.errors import BudgetSpentError
from services.runtime.backoff import jittered
from services.store import Store

AT_ONCE = 8
"""Logins at the same time: a server that does not answer takes long."""
SOONER = 24
"""How many times sooner a login is tried again after the server was down."""


class BlockedRetry:
    """Tries blocked accounts. Each is tried by one poller; their owners are not notified again."""

    def __init__(
        self, store: Store, connector: Connector, *, seconds: float, log: structlog.typing.FilteringBoundLogger
    ) -> None:
        """``seconds`` pass between two tries of an account."""
        self._store = store
        self._connector = connector
        self._seconds = seconds
        self._log = log

    @property
    def look_seconds(self) -> float:
        """How often to look for accounts that are due."""
        return min(60.0, self._seconds / 4)

    async def run(self) -> None:
        """Try all accounts that are due."""
        while True:
            due: list[Account] = []
            while len(due) < AT_ONCE and (one := await self._store.blocked_accounts.claim(self._delay(1))) is not None:
                due.append(one)
            if not due:
                return
            await asyncio.gather(*(self._try(account) for account in due))

    def _delay(self, times_sooner: int) -> timedelta:
        return timedelta(seconds=jittered(self._seconds / times_sooner, 0.1))

    async def _try(self, account: Account) -> None:
        stored = account

        def refreshed(current: Account) -> None:
            nonlocal stored
            stored = current

        try:
            session = await self._connector.connect(account, refreshed=refreshed)
        except MailServerError as error:
            if error.transient:
                await self._store.blocked_accounts.postpone(account, self._delay(SOONER))
            else:
                await self._store.blocked_accounts.note_reason(stored, error.code.value)
            return
        except BudgetSpentError:
            await self._store.blocked_accounts.postpone(account, self._delay(SOONER))
            return
        except SealError as error:
            self._log.warning("the credentials of a blocked account do not open", account=account.id, error=str(error))
            return
        finally:
            self._connector.forget(account)
        session.discard()
        if await self._store.blocked_accounts.unblock(stored):
            self._log.info("a blocked account works again", account=account.id)
