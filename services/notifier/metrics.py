"""The notifier's metrics: the outcomes of mails to owners."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

from services.mailbox.connection import MailServerError
from services.mailbox.smtp import RejectedError
from services.notifier.notification import OwnerMail, Send


def mail_counter(registry: CollectorRegistry) -> Counter:
    """Register the counter of mails."""
    return Counter(
        "leadmail_notifier_mails",
        "Mails to owners by outcome: sent, refused (for this recipient), failed (the mail server is unusable)",
        ["mail", "outcome"],
        registry=registry,
    )


def counting(send: Send, mails: Counter) -> Send:
    """Return ``send`` with counting."""

    async def counted(mail: OwnerMail) -> None:
        try:
            await send(mail)
        except (RejectedError, MailServerError) as error:
            mails.labels(mail.kind, "refused" if isinstance(error, RejectedError) else "failed").inc()
            raise
        mails.labels(mail.kind, "sent").inc()

    return counted
