"""The outcomes of mails to owners, as a metric. No servers."""

from __future__ import annotations

from email.message import EmailMessage

import pytest
from prometheus_client import CollectorRegistry

from services.mailbox.connection import Code, MailServerError
from services.mailbox.smtp import RejectedError
from services.notifier.metrics import counting, mail_counter
from services.notifier.notification import OwnerMail


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "sent"),
        (RejectedError(550, "no such user"), "refused"),
        (MailServerError(Code.UNAVAILABLE), "failed"),
    ],
)
async def test_mails_are_counted_by_outcome(error: Exception | None, outcome: str) -> None:
    """Counted by the kind of mail; the sender still gets the error."""
    registry = CollectorRegistry()

    async def send(_: OwnerMail) -> None:
        if error is not None:
            raise error

    counted = counting(send, mail_counter(registry))
    mail = OwnerMail(EmailMessage(), "anna@company.test", "attention")
    if error is None:
        await counted(mail)
    else:
        with pytest.raises(type(error)):
            await counted(mail)
    labels = {"mail": "attention", "outcome": outcome}
    assert registry.get_sample_value("leadmail_notifier_mails_total", labels) == 1
    assert "anna" not in str(list(registry.collect()))
