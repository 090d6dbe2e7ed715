"""The poller's metrics, in addition to those of every stage."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.poller.connections.imap_metrics import ImapMetrics


class PollerMetrics:
    """Counts what the poller does. One per process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.rows = Counter(
            "leadmail_poller_rows",
            "Rows added to the ledger, by initial state",
            ["state"],
            registry=registry,
        )
        self._bodies = Counter("leadmail_poller_bodies", "Bodies published", ["lane"], registry=registry)
        self._bytes = Counter("leadmail_poller_body_bytes", "Bytes of the bodies published", registry=registry)
        self.long_headers = Counter(
            "leadmail_poller_long_headers",
            "Headers that needed a second FETCH, read to their end (read) or in part only (cut)",
            ["extent"],
            registry=registry,
        )
        self.unclear_headers = Counter(
            "leadmail_poller_unclear_headers",
            "Mails that were skipped because their header does not tell who takes part",
            registry=registry,
        )
        self.gone = Counter("leadmail_poller_gone", "Copies found to be gone", registry=registry)
        self.repaired = Counter(
            "leadmail_poller_mended",
            "Rows that a comparison with the server added (missing) or ended (gone), and flags that it corrected",
            ["what"],
            registry=registry,
        )
        self.trouble = Counter(
            "leadmail_poller_trouble", "Connections that failed or could not be opened", ["error"], registry=registry
        )
        self._leases = Counter(
            "leadmail_poller_leases",
            "Accounts leased (taken), released (returned), and lost to another poller after a late renewal (lost)",
            ["event"],
            registry=registry,
        )
        self.imap = ImapMetrics(registry)
        self.accounts = Gauge("leadmail_poller_accounts", "Accounts that this poller has leased", registry=registry)

    def bodies(self, lane: str, count: int, octets: int) -> None:
        """Count published bodies."""
        self._bodies.labels(lane).inc(count)
        self._bytes.inc(octets)

    def taken(self) -> None:
        """Count a leased account."""
        self._leases.labels("taken").inc()

    def dropped(self, account: str, *, lost: bool) -> None:
        """Count an account that was released or lost."""
        self._leases.labels("lost" if lost else "returned").inc()
        self.imap.forget(account)
