"""Backfills, accounts and what waits for somebody as metrics: how many, how far, and since when the slowest has not moved.

One replica reads them from the database and shows them, in turn; the others show nothing, so that sums over replicas are right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from time import monotonic

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from schemas.accounts import EpochState
from services.mailbox.providers import directory
from services.store import AccountGroup, OpenBackfill, Store

_TURN = timedelta(seconds=40)
"""A replica that died is followed by another after so long; how long a backfill stood still is counted anew then."""


class ProgressMetric(Collector):
    """One a process; ``look`` is called again and again."""

    def __init__(self, store: Store, holder: str, registry: CollectorRegistry) -> None:
        """``holder`` is this process's name, unlike any other's."""
        self._store = store
        self._holder = holder
        self._backfills: Sequence[OpenBackfill] | None = None
        self._accounts: Counter[AccountGroup] = Counter()
        self._due = self._letters = 0
        self._moved: dict[tuple[str, int], tuple[OpenBackfill, float]] = {}
        """What each backfill looked like when it last changed, and when that was."""
        registry.register(self)

    async def look(self) -> None:
        """Read the database if it is our turn."""
        if not await self._store.singleton_lease.take("progress", self._holder, _TURN):
            self._forget()
            return
        backfills = await self._store.progress.backfills()
        self._accounts = await self._store.progress.accounts()
        self._due = await self._store.progress.confirmations_due()
        self._letters = await self._store.dead_letters.count()
        before, moment = self._moved, monotonic()
        self._moved = {}
        for one in backfills:
            last = before.get((one.account, one.number))
            self._moved[one.account, one.number] = last if last and last[0] == one else (one, moment)
        self._backfills = backfills

    async def stop(self) -> None:
        """Let another replica have the turn at once."""
        self._forget()
        await self._store.singleton_lease.give_back("progress", self._holder)

    def _forget(self) -> None:
        self._backfills, self._moved = None, {}

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metrics; without samples while another replica shows them."""
        backfills = self._backfills
        yield from self._of_backfills(backfills)
        accounts = GaugeMetricFamily(
            "leadmail_accounts",
            "Accounts by state, by why they are blocked, and by mail service",
            labels=["state", "reason", "provider"],
        )
        due = GaugeMetricFamily("leadmail_confirmations_due", "Backfills that are complete and not confirmed yet")
        letters = GaugeMetricFamily(
            "leadmail_dead_letters_waiting", "Dead letters that wait for an operator's decision"
        )
        if backfills is not None:
            groups: Counter[tuple[str, str, str]] = Counter()
            for group, count in self._accounts.items():
                groups[group.state.value, group.reason or "", _provider(group)] += count
            for labels, count in groups.items():
                accounts.add_metric(list(labels), count)
            due.add_metric([], self._due)
            letters.add_metric([], self._letters)
        yield accounts
        yield due
        yield letters

    def _of_backfills(self, backfills: Sequence[OpenBackfill] | None) -> Iterator[GaugeMetricFamily]:
        count = GaugeMetricFamily(
            "leadmail_backfills", "Backfills of active accounts that are not complete", labels=["state"]
        )
        expected = GaugeMetricFamily(
            "leadmail_backfill_expected_messages", "Messages of accounts with an open backfill, as their servers said"
        )
        done = GaugeMetricFamily("leadmail_backfill_done_messages", "Those of them that have their final state")
        still = GaugeMetricFamily(
            "leadmail_backfill_standstill_seconds",
            "For how long the open backfill that stands still longest has not moved; 0 when none is open",
        )
        if backfills is not None:
            for state in (EpochState.ENUMERATING, EpochState.SEALED):
                count.add_metric([state.value], sum(one.state is state for one in backfills))
            expected.add_metric([], sum(one.expected for one in backfills))
            done.add_metric([], sum(one.done for one in backfills))
            moments = [moment for _, moment in self._moved.values()]
            still.add_metric([], monotonic() - min(moments) if moments else 0.0)
        yield count
        yield expected
        yield done
        yield still


def _provider(group: AccountGroup) -> str:
    found = directory().by_key.get(group.provider or "") or directory().for_server(group.host)
    return found.key if found else "other"
