"""The mail to the owner of an account that cannot be synchronised any more. Pure: account and reason in, mail out."""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from schemas.accounts import Account, User
from services import wording
from services.mailbox import advice
from services.mailbox.outgoing_mail import build_mail
from services.notifier.templates import render


def attention(*, sender: str, owner: User, account: Account, now: datetime, console: str = "") -> EmailMessage:
    """Return the mail of the account's newest incident; sent again, it has the same Message-ID.

    What is to be done is done on the web pages (``console``: their address) or, where there are none, by commands.
    """
    domain = parseaddr(sender)[1].rpartition("@")[2]
    sentence, lines, url = advice.of_blocked(account)
    steps = (*lines, f"See {url}") if url else lines
    facts: dict[str, object] = {
        "owner": owner,
        "address": wording.readable(account.address),
        "sentence": sentence,
        "steps": (*steps, *_then(account, console)),
    }
    return build_mail(
        sender=sender,
        to=owner,
        subject=f"{wording.readable(account.address)} needs you: it is not synchronised any more",
        message_id=f"<attention.{account.id}.{account.incident}@{domain}>",
        date=format_datetime(now),
        text=render("attention.txt", **facts),
        html=render("attention.html", **facts),
    )


def _then(account: Account, console: str) -> tuple[str, ...]:
    if console:
        page = f"{console}/mailboxes/{account.id}"
        return (
            f"Then give Leadmail the new password: {page}/password",
            f"Or, where only the mail service had to be changed, resume: {page}",
        )
    return (
        f"Then give Leadmail the new password: leadmail account password {account.address}",
        f"Or, where only the mail service had to be changed: leadmail account resume {account.address}",
    )
