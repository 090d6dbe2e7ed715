"""Metrics of backfills, accounts, due confirmations and dead letters.

One replica at a time reads them from the database and reports them. The others report nothing, so that sums over replicas
are right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from time import monotonic

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from schemas.ledger import EpochState
from services.mailbox.providers import directory
from services.store import AccountGroup, OpenBackfill, Store, TroubleGroup

_LEASE = timedelta(seconds=40)
"""How long after a replica has died another one takes over. The time without progress then starts again at 0."""


class ProgressMetric(Collector):
    """Reports the metrics. There is one per process; call ``read`` periodically."""

    def __init__(self, store: Store, holder: str, registry: CollectorRegistry) -> None:
        """``holder`` is the unique name of this process."""
        self._store = store
        self._holder = holder
        self._backfills: Sequence[OpenBackfill] | None = None
        self._accounts: Counter[AccountGroup] = Counter()
        self._troubles: Sequence[TroubleGroup] = ()
        self._due = self._dead_letters = self._unproven = self._lacking = 0
        self._moved: dict[tuple[str, int], tuple[OpenBackfill, float]] = {}
        """The last state of each backfill that differed from the one before, and when it was read."""
        registry.register(self)

    async def read(self) -> None:
        """Read the database if this replica holds the lease."""
        if not await self._store.singleton_lease.take("progress", self._holder, _LEASE):
            self._forget()
            return
        backfills = await self._store.progress.backfills()
        self._accounts = await self._store.progress.accounts()
        self._troubles = await self._store.progress.troubles()
        self._due = await self._store.progress.confirmations_due()
        self._dead_letters = await self._store.dead_letters.count()
        self._lacking = await self._store.mark_keys.processes_lacking()
        self._unproven = sum(len(claims) for _, claims in await self._store.address_proofs.unproven())
        previous, moment = self._moved, monotonic()
        self._moved = {}
        for one in backfills:
            last = previous.get((one.account, one.number))
            self._moved[one.account, one.number] = last if last and last[0] == one else (one, moment)
        self._backfills = backfills

    async def stop(self) -> None:
        """Let another replica take over at once."""
        self._forget()
        await self._store.singleton_lease.release("progress", self._holder)

    def _forget(self) -> None:
        self._backfills, self._moved = None, {}

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metrics, without samples while another replica reports them."""
        backfills = self._backfills
        yield from self._of_backfills(backfills)
        accounts = GaugeMetricFamily(
            "leadmail_accounts",
            "Accounts by state, reason for being blocked, and mail service",
            labels=["state", "reason", "provider"],
        )
        in_trouble = GaugeMetricFamily(
            "leadmail_accounts_in_trouble",
            "Active accounts that cannot go on at the moment, by reason; they are tried again",
            labels=["code"],
        )
        due = GaugeMetricFamily("leadmail_confirmations_due", "Complete backfills whose owner has no confirmation yet")
        dead_letters = GaugeMetricFamily(
            "leadmail_dead_letters_waiting", "Dead letters that wait for a decision by an operator"
        )
        unproven = GaugeMetricFamily(
            "leadmail_unproven_addresses", "Addresses that connected accounts claim and nothing proves"
        )
        lacking = GaugeMetricFamily(
            "leadmail_processes_lacking_secrets",
            "Pollers and matchers that tried to start in the last ten minutes without a secret that is still needed",
        )
        if backfills is not None:
            groups: Counter[tuple[str, str, str]] = Counter()
            for group, count in self._accounts.items():
                groups[group.state.value, group.reason or "", _provider(group)] += count
            for labels, count in groups.items():
                accounts.add_metric(list(labels), count)
            for hindered in self._troubles:
                in_trouble.add_metric([hindered.code], hindered.accounts)
            due.add_metric([], self._due)
            dead_letters.add_metric([], self._dead_letters)
            unproven.add_metric([], self._unproven)
            lacking.add_metric([], self._lacking)
        yield accounts
        yield in_trouble
        yield due
        yield dead_letters
        yield unproven
        yield lacking

    def _of_backfills(self, backfills: Sequence[OpenBackfill] | None) -> Iterator[GaugeMetricFamily]:
        count = GaugeMetricFamily(
            "leadmail_backfills", "Backfills of active accounts that are not complete", labels=["state"]
        )
        expected = GaugeMetricFamily(
            "leadmail_backfill_expected_messages", "Messages in accounts with an open backfill, as their servers report"
        )
        done = GaugeMetricFamily(
            "leadmail_backfill_done_messages", "Messages in accounts with an open backfill that have a final state"
        )
        standstill = GaugeMetricFamily(
            "leadmail_backfill_standstill_seconds",
            "Longest time without progress of any open backfill; 0 if none is open",
        )
        if backfills is not None:
            for state in (EpochState.ENUMERATING, EpochState.SEALED):
                count.add_metric([state.value], sum(one.state is state for one in backfills))
            expected.add_metric([], sum(one.expected for one in backfills))
            done.add_metric([], sum(one.done for one in backfills))
            moments = [moment for _, moment in self._moved.values()]
            standstill.add_metric([], monotonic() - min(moments) if moments else 0.0)
        yield count
        yield expected
        yield done
        yield standstill


def _provider(group: AccountGroup) -> str:
    found = directory().by_key.get(group.provider or "") or directory().for_server(group.host)
    return found.key if found else "other"
