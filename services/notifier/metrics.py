"""The notifier's own metrics: what became of the mails to owners."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

from services.mailbox.connection.errors import MailServerError
from services.mailbox.smtp.connect import RejectedError
from services.notifier.duty import Letter, Send


class NotifierMetrics:
    """One a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._mails = Counter(
            "leadmail_notifier_mails",
            "Mails to owners handed to the mail server: sent, refused (for this owner), failed (the server cannot be used)",
            ["mail", "outcome"],
            registry=registry,
        )

    def counting(self, send: Send) -> Send:
        """Return a way to send that also counts."""

        async def counted(letter: Letter) -> None:
            try:
                await send(letter)
            except RejectedError:
                self._mails.labels(letter.kind, "refused").inc()
                raise
            except MailServerError:
                self._mails.labels(letter.kind, "failed").inc()
                raise
            self._mails.labels(letter.kind, "sent").inc()

        return counted
