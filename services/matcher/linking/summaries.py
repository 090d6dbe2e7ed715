"""Brings the summaries of records up to date, each once for however many batches touched it meanwhile."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.records import RecordRef
from services.store import Store, WorkId


class SummaryKeeper:
    """Collects records whose summaries are out of date. The store keeps each as pending work until it is done."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._records: dict[RecordRef, None] = {}
        self._work: list[WorkId] = []

    def take(self, records: Iterable[RecordRef], work: Iterable[WorkId]) -> None:
        """Take over pending work of which only the summaries of records are left to do."""
        self._records |= dict.fromkeys(records)
        self._work.extend(work)

    async def flush(self) -> None:
        """Recompute the collected summaries. Work that fails stays pending."""
        records, work = list(self._records), list(self._work)
        if not work:
            return
        self._records, self._work = {}, []
        try:
            await self._store.summaries.recompute(records)
            await self._store.pending_work.done(work)
        except BaseException:
            self.take(records, work)
            raise
