"""Count connections, commands, octets and failed log-ins, by mail service.

The label ``provider`` is a key of the directory of mail services or ``other``. Server names would not do: users type them, there may
be one per mailbox, and they may identify their owner.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Summary

from schemas.accounts import Account
from services.mailbox.imap import DeadlineSocket
from services.mailbox.providers import Provider

OTHER = "other"


class ImapMetrics:
    """The metrics of a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["provider"]
        self._connections = Gauge("leadmail_imap_connections", "Logged-in connections", labels, registry=registry)
        self._commands = Summary(
            "leadmail_imap_command_seconds",
            "Commands and the seconds from request to answer",
            [*labels, "command"],
            registry=registry,
        )
        self._bytes = Counter(
            "leadmail_imap_bytes", "Octets exchanged, without TLS", [*labels, "direction"], registry=registry
        )
        self._logins = Counter("leadmail_imap_logins", "Log-ins that succeeded", labels, registry=registry)
        self._failures = Counter(
            "leadmail_imap_login_failures",
            "Log-ins that failed, by reason code",
            [*labels, "reason"],
            registry=registry,
        )
        self._failing = Gauge(
            "leadmail_imap_accounts_failing",
            "Accounts of this poller whose last log-in failed",
            labels,
            registry=registry,
        )
        self._failing_accounts: dict[str, str] = {}
        self._services: dict[str, ServiceTraffic] = {}

    def logged_in(self, account: Account, provider: Provider | None, stream: DeadlineSocket) -> ConnectionTraffic:
        """Note a log-in. Returns the observer that counts on its connection."""
        name = _name(provider)
        self._logins.labels(name).inc()
        self.forget(account.id)
        if (service := self._services.get(name)) is None:
            service = self._services[name] = ServiceTraffic(name, self._connections, self._commands, self._bytes)
        return ConnectionTraffic(stream, service)

    def login_failed(self, account: Account, provider: Provider | None, reason: str) -> None:
        """Note a log-in that failed."""
        name = _name(provider)
        self._failures.labels(name, reason).inc()
        self.forget(account.id)
        self._failing_accounts[account.id] = name
        self._failing.labels(name).inc()

    def forget(self, account: str) -> None:
        """Note that an account has logged in, or belongs to another poller now."""
        if (name := self._failing_accounts.pop(account, None)) is not None:
            self._failing.labels(name).dec()


class ServiceTraffic:
    """What the connections to one mail service share."""

    def __init__(self, name: str, connections: Gauge, commands: Summary, octets: Counter) -> None:
        self._name, self._commands = name, commands
        self.connections = connections.labels(name)
        self.received, self.sent = octets.labels(name, "received"), octets.labels(name, "sent")
        self._by_command: dict[str, Summary] = {}

    def command(self, name: str) -> Summary:
        """Return what is known of a command."""
        if (known := self._by_command.get(name)) is None:
            known = self._by_command[name] = self._commands.labels(self._name, name)
        return known


class ConnectionTraffic:
    """Counts on one connection from its start."""

    __slots__ = ("_counted", "_service", "_stream")

    def __init__(self, stream: DeadlineSocket, service: ServiceTraffic) -> None:
        self._stream, self._service = stream, service
        self._counted = (0, 0)
        service.connections.inc()
        self._count()

    def command(self, name: str, seconds: float) -> None:
        """Note a command, answered or failed, and the octets since the one before."""
        self._service.command(name).observe(seconds)
        self._count()

    def closed(self) -> None:
        """Note the end; call it once."""
        self._service.connections.dec()
        self._count()

    def _count(self) -> None:
        before, self._counted = self._counted, (self._stream.received, self._stream.sent)
        self._service.received.inc(self._counted[0] - before[0])
        self._service.sent.inc(self._counted[1] - before[1])


def _name(provider: Provider | None) -> str:
    return provider.key if provider else OTHER
