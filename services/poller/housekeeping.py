"""Periodic work that few accounts need: what is due is looked for in all of them at once, so that the others cost nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from schemas.ledger import RowState
from services.poller.free_memory import SECONDS as TRIM_SECONDS
from services.poller.free_memory import release_free_memory
from services.poller.leased_account import LeasedAccount
from services.runtime.periodic import periodic
from services.store import LeaseLostError, Store

REPLAN_SECONDS = 30.0
MARK_SECONDS = 30.0
"""How often rows are looked for whose marks another key made. Each time, some of them are marked again."""
COMPARE_SECONDS = 30.0
"""How often accounts are looked for whose comparison is due."""
SETTLED = timedelta(minutes=10)
"""How long after a change of the key a process may still store a row that the former key marked."""


class Housekeeping:
    """Finds stale rows, rows with old marks and due comparisons of the accounts that this poller works on."""

    def __init__(
        self,
        store: Store,
        leased: Mapping[str, LeasedAccount],
        *,
        reaper: float,
        reconcile: float,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        """``leased`` follows what the poller works on; after ``reaper`` seconds a row without a final state is stale.

        An account is compared with its mailbox about every ``reconcile`` seconds.
        """
        self._store = store
        self._leased = leased
        self._reaper, self._reconcile = reaper, reconcile
        self._log = log
        self._key = ""
        self._marked: set[str] = set()
        """The accounts whose rows were all marked by the present key."""

    def loops(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """Return the loops to run."""
        replan, marks = min(REPLAN_SECONDS, self._reaper), min(MARK_SECONDS, self._reaper)
        return (
            periodic("stale rows", self.replan_stale, seconds=replan, log=self._log, at_once=False),
            periodic("comparisons", self.compare, seconds=min(COMPARE_SECONDS, self._reconcile / 4), log=self._log),
            periodic("old marks", self.look_for_marks, seconds=marks, log=self._log),
            periodic("free memory", self.trim, seconds=TRIM_SECONDS, log=self._log, at_once=False),
        )

    async def trim(self) -> None:
        """Give memory back that a start or a backfill took."""
        await asyncio.to_thread(release_free_memory)

    async def replan_stale(self) -> None:
        """Have rows fetched again that have been without a final state for too long."""
        stale = timedelta(seconds=self._reaper)
        for account in await self._store.ledger.accounts_with(RowState.PUBLISHED):
            if (leased := self._leased.get(account)) is None:
                continue
            try:
                count = await self._store.poller_ledger.replan_stale(leased.lease, older_than=stale)
            except LeaseLostError:
                continue  # the next renewal of the leases drops it
            if count:
                self._log.warning("rows without a final state are fetched again", account=account, count=count)
                leased.worker.rows_planned()

    async def compare(self) -> None:
        """Have accounts compared with their mailboxes if that is due."""
        for leased in list(self._leased.values()):
            leased.worker.compare_if_due()

    async def look_for_marks(self) -> None:
        """Have rows marked again, a few at a time, if another key made their marks."""
        state = await self._store.mark_keys.state()
        if state.key != self._key:
            self._key = state.key
            self._marked.clear()
        for account in await self._store.remarking.accounts(state.key) - self._marked:
            if (leased := self._leased.get(account)) is None or await leased.worker.look_for_marks():
                continue
            if state.since is None or datetime.now(UTC) - state.since > SETTLED:
                self._marked.add(account)
