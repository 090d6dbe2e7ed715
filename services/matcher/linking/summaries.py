"""Brings records' summaries up to date, each once however many batches touched it meanwhile."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.records import RecordRef
from services.store import Store, WorkId


class SummaryKeeper:
    """Collects records whose summaries are out of date. The store knows of each as a debt until it is done."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._records: dict[RecordRef, None] = {}
        self._debts: list[WorkId] = []

    def take(self, records: Iterable[RecordRef], debts: Iterable[WorkId]) -> None:
        """Take over debts of which nothing but the records' summaries is left to do."""
        self._records |= dict.fromkeys(records)
        self._debts.extend(debts)

    async def flush(self) -> None:
        """Bring up to date what is owed; what fails stays owed."""
        records, debts = list(self._records), list(self._debts)
        if not debts:
            return
        self._records, self._debts = {}, []
        try:
            await self._store.summaries.recompute(records)
            await self._store.pending_work.done(debts)
        except BaseException:
            self.take(records, debts)
            raise
