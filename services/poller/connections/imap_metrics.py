"""What goes on between us and mail servers: connections, commands, octets, log-ins that fail, by mail service.

The label ``provider`` is a key of the directory of mail services or ``other``: names of servers are typed in by users, there may be
as many as mailboxes, and they may say whose they are.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Summary

from schemas.accounts import Account
from services.mailbox.discovery.providers import Provider
from services.mailbox.imap.deadline_socket import DeadlineSocket

OTHER = "other"


class ImapMetrics:
    """One a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["provider"]
        self._connections = Gauge("leadmail_imap_connections", "Logged-in connections", labels, registry=registry)
        self._commands = Summary(
            "leadmail_imap_command_seconds",
            "From asking for a command to its answer: how many, and how long in all",
            [*labels, "command"],
            registry=registry,
        )
        self._bytes = Counter(
            "leadmail_imap_bytes", "Octets exchanged, without TLS", [*labels, "direction"], registry=registry
        )
        self._logins = Counter("leadmail_imap_logins", "Log-ins that succeeded", labels, registry=registry)
        self._failures = Counter(
            "leadmail_imap_login_failures",
            "Log-ins that failed, by a stable word for why",
            [*labels, "reason"],
            registry=registry,
        )
        self._failing = Gauge(
            "leadmail_imap_accounts_failing",
            "Accounts in this poller's hands whose last log-in failed",
            labels,
            registry=registry,
        )
        self._in_trouble: dict[str, str] = {}

    def traffic(self, account: Account, provider: Provider | None, wire: DeadlineSocket) -> Traffic:
        """Note a log-in; returns what counts on its connection."""
        name = _name(provider)
        self._logins.labels(name).inc()
        self.forget(account.id)
        return Traffic(
            wire,
            connections=self._connections.labels(name),
            commands=self._commands,
            provider=name,
            received=self._bytes.labels(name, "received"),
            sent=self._bytes.labels(name, "sent"),
        )

    def login_failed(self, account: Account, provider: Provider | None, reason: str) -> None:
        """Note a log-in that failed."""
        name = _name(provider)
        self._failures.labels(name, reason).inc()
        self.forget(account.id)
        self._in_trouble[account.id] = name
        self._failing.labels(name).inc()

    def forget(self, account: str) -> None:
        """Note that an account is not in trouble, or not in our hands any more."""
        if (name := self._in_trouble.pop(account, None)) is not None:
            self._failing.labels(name).dec()


class Traffic:
    """Counts on one connection, from its beginning on."""

    def __init__(
        self,
        wire: DeadlineSocket,
        *,
        connections: Gauge,
        commands: Summary,
        provider: str,
        received: Counter,
        sent: Counter,
    ) -> None:
        self._wire = wire
        self._connections = connections
        self._commands = commands
        self._provider = provider
        self._received, self._sent = received, sent
        self._counted = (0, 0)
        connections.inc()
        self._count()

    def command(self, name: str, seconds: float) -> None:
        """Note a command, answered or failed, and what was exchanged since the one before."""
        self._commands.labels(self._provider, name).observe(seconds)
        self._count()

    def closed(self) -> None:
        """Note the end; call it once."""
        self._connections.dec()
        self._count()

    def _count(self) -> None:
        before, self._counted = self._counted, (self._wire.received, self._wire.sent)
        self._received.inc(self._counted[0] - before[0])
        self._sent.inc(self._counted[1] - before[1])


def _name(provider: Provider | None) -> str:
    return provider.key if provider else OTHER
