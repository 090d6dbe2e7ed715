"""The notifier's own metrics: what became of the mails to owners."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

from services.mailbox.connection import MailServerError
from services.mailbox.smtp import RejectedError
from services.notifier.notification import OwnerMail, Send


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
