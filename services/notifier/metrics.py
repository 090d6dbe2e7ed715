"""The notifier's metrics: the outcomes of mails to owners."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

from services.mailbox.connection import MailServerError
from services.mailbox.smtp import RejectedError
from services.notifier.notification import OwnerMail, Send


class NotifierMetrics:
    """Counts mails. One per process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._mails = Counter(
            "leadmail_notifier_mails",
            "Mails to owners by outcome: sent, refused (for this recipient), failed (the mail server is unusable)",
            ["mail", "outcome"],
            registry=registry,
        )

    def counting(self, send: Send) -> Send:
        """Return ``send`` with counting."""

        async def counted(mail: OwnerMail) -> None:
            try:
                await send(mail)
            except RejectedError:
                self._mails.labels(mail.kind, "refused").inc()
                raise
            except MailServerError:
                self._mails.labels(mail.kind, "failed").inc()
                raise
            self._mails.labels(mail.kind, "sent").inc()

        return counted
