"""The operator's first number as a metric: the age of the oldest copy without a final state, and how many there are.

Also how many Message-IDs are carried by different mails of one mailbox.

One replica at a time reads it from the database and reports it. The others report nothing, so that no two disagree. Between
two readings, and while the database is down, the age keeps growing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from schemas.accounts import AccountState
from schemas.ledger import UNFINISHED, RowState
from services.store import Store, Waiting

READ_SECONDS = 5.0
_LEASE = timedelta(seconds=20)
"""How long after a replica has died another one takes over."""
_STATES = (AccountState.ACTIVE, AccountState.PAUSED, AccountState.BLOCKED)


class BacklogMetric(Collector):
    """Reports the backlog. There is one per process; call ``read`` periodically."""

    def __init__(self, store: Store, holder: str, registry: CollectorRegistry) -> None:
        """``holder`` is the unique name of this process."""
        self._store = store
        self._holder = holder
        self._waiting: dict[tuple[AccountState, RowState], Waiting] | None = None
        self._repeated: dict[str, int] = {}
        registry.register(self)

    async def read(self) -> None:
        """Read the database if this replica holds the lease."""
        if await self._store.singleton_lease.take("backlog", self._holder, _LEASE):
            self._waiting = await self._store.backlog.waiting()
            self._repeated = await self._store.message_ids.counts()
        else:
            self._waiting = None

    async def stop(self) -> None:
        """Let another replica take over at once."""
        self._waiting = None
        await self._store.singleton_lease.release("backlog", self._holder)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metrics as they are now, without samples while another replica reports them."""
        age = GaugeMetricFamily(
            "leadmail_ledger_oldest_unfinished_seconds",
            "Age of the oldest row without a final state, by state of its account; 0 if there is none",
            labels=["account_state"],
        )
        count = GaugeMetricFamily(
            "leadmail_ledger_unfinished", "Rows without a final state", labels=["account_state", "state"]
        )
        repeated = GaugeMetricFamily(
            "leadmail_ledger_repeated_message_ids",
            "Message-IDs that different mails of one account carry, over all accounts",
            labels=[],
        )
        if (waiting := self._waiting) is not None:
            repeated.add_metric([], sum(self._repeated.values()))
            for account in _STATES:
                oldest = [found.oldest.timestamp() for (of, _), found in waiting.items() if of is account]
                age.add_metric([account.value], max(0.0, time.time() - min(oldest)) if oldest else 0.0)
                for state in UNFINISHED:
                    found = waiting.get((account, state))
                    count.add_metric([account.value, state.value], found.rows if found else 0)
        yield age
        yield count
        yield repeated
