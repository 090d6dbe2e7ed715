"""The mail to the owner of an account that cannot be synchronised any more. Pure: account and reason in, mail out."""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from schemas.accounts import Account, User
from services.mailbox import advice
from services.mailbox.errors import Code, MailServerError
from services.mailbox.providers import directory
from services.notifier import wording
from services.notifier.compose import build_mail

_OTHER = "its mail server refuses it"


def attention(*, sender: str, owner: User, account: Account, now: datetime) -> EmailMessage:
    """Return the mail of the account's newest incident; sent again, it has the same Message-ID."""
    steps: tuple[str, ...] = ()
    provider = directory().by_key.get(account.provider or "")
    domain = parseaddr(sender)[1].rpartition("@")[2]
    try:
        code = Code(account.reason or "")
    except ValueError:
        sentence = f"{_OTHER} ({account.reason or 'no reason given'})."
    else:
        sentence = advice.sentence(MailServerError(code), account.incoming, "IMAP", provider)
        lines, url = advice.steps(code, provider)
        steps = (*lines, f"See {url}") if url else lines
    facts: dict[str, object] = {
        "owner": owner,
        "address": wording.readable(account.address),
        "sentence": sentence,
        "steps": (*steps, *_then(account)),
    }
    return build_mail(
        sender=sender,
        to=owner,
        subject=f"{wording.readable(account.address)} needs you: it is not synchronised any more",
        message_id=f"<attention.{account.id}.{account.incident}@{domain}>",
        date=format_datetime(now),
        template="attention",
        facts=facts,
    )


def _then(account: Account) -> tuple[str, ...]:
    return (
        f"Then give Leadmail the new password: leadmail account password {account.address}",
        f"Or, where only the mail service had to be changed: leadmail account resume {account.address}",
    )
