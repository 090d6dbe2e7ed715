"""Where the servers of a run are."""

from __future__ import annotations

from pathlib import Path

from testbed.local.hosting import Hosting
from testbed.processes.parts import HostingError, ImapEndpoint, LmtpEndpoint, SmtpEndpoint
from testbed.servers.broker import Broker
from testbed.servers.smtp import SmtpSink


class Addresses:
    """How to reach each server. Raises HostingError before the start, and for a part that was not requested."""

    _names: frozenset[str]
    _hosting: Hosting | None = None
    _sink: SmtpSink | None = None
    _mail: str

    @property
    def hosting(self) -> str:
        """How they are hosted: "processes" or "containers"."""
        return self._running.name

    @property
    def broker(self) -> Broker:
        """RabbitMQ's addresses and its management interface, such as `create_virtual_host`."""
        return self._running.rabbitmq.broker

    @property
    def rabbitmq_url(self) -> str:
        """amqp:// URL of the default virtual host."""
        return self.broker.url()

    @property
    def rabbitmq_management_url(self) -> str:
        """http:// URL of the management interface, with credentials."""
        return self.broker.management_url

    @property
    def rabbitmq_metrics_url(self) -> str:
        """http:// URL that Prometheus would scrape."""
        return self.broker.metrics_url

    @property
    def mongo_url(self) -> str:
        """mongodb:// URL of the replica set."""
        return self._running.mongo.url

    @property
    def imap(self) -> ImapEndpoint:
        """The mail server's IMAP."""
        return self._running.mail[self._mail].imap

    @property
    def lmtp(self) -> LmtpEndpoint:
        """Where the mail server accepts deliveries."""
        return self._running.mail[self._mail].lmtp

    @property
    def smtp(self) -> SmtpEndpoint:
        """The SMTP sink."""
        return self.sink.endpoint

    @property
    def smtp_folder(self) -> Path:
        """Where the sink keeps each message as NAME.eml (raw) and NAME.json (envelope); names sort by time."""
        return self.sink.folder

    @property
    def sink(self) -> SmtpSink:
        """The SMTP sink: `sink.sent()` is what it took so far, `with sink.fault("451 ..."):` makes it refuse."""
        if self._sink is None:
            raise HostingError('the SMTP sink is not running: it needs "smtp" among the parts')
        return self._sink

    def environment(self) -> dict[str, str]:
        """Return the LEADMAIL_* settings with which services use the requested servers."""
        found = {"LEADMAIL_ALLOW_NETWORKS": "127.0.0.0/8", "LEADMAIL_ALLOW_PLAINTEXT": "true"}
        if self._mail in self._names:
            found["LEADMAIL_CA_FILE"] = str(self.imap.ca_file)
        if "rabbitmq" in self._names:
            found["LEADMAIL_RABBITMQ_URL"] = self.rabbitmq_url
            found["LEADMAIL_RABBITMQ_MANAGEMENT_URL"] = self.rabbitmq_management_url
        if "mongo" in self._names:
            found["LEADMAIL_MONGO_URL"] = self.mongo_url
        if "smtp" in self._names:
            found["LEADMAIL_SMTP_URL"] = f"smtp://{self.smtp.host}:{self.smtp.port}"
            found["LEADMAIL_CA_FILE"] = str(self.smtp.ca_file)
        return found

    @property
    def _running(self) -> Hosting:
        if self._hosting is None:
            raise HostingError("the servers are not started: use `with LocalServers() as servers:`")
        return self._hosting
