"""Builds the mails to the owner of an account that is blocked or has lasting trouble. Pure: account and reason in, mail out."""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from schemas.accounts import Account, Trouble, User
from services import wording
from services.mailbox import advice
from services.mailbox.outgoing_mail import build_mail
from services.notifier.templates import render


def attention(*, sender: str, owner: User, account: Account, now: datetime, console: str = "") -> EmailMessage:
    """Return the mail about the account's latest incident. Sent twice, it has the same Message-ID.

    The steps link to the web console at ``console``, or name CLI commands if there is none.
    """
    domain = parseaddr(sender)[1].rpartition("@")[2]
    sentence, lines, url = advice.of_blocked(account)
    steps = (*lines, f"See {url}") if url else lines
    facts: dict[str, object] = {
        "owner": owner,
        "address": wording.readable(account.address),
        "sentence": sentence[:1].upper() + sentence[1:],
        "steps": (*steps, *_last_steps(account, console)),
        "blocked": True,
    }
    return build_mail(
        sender=sender,
        to=owner,
        subject=f"{wording.readable(account.address)} needs your attention: it is no longer synchronised",
        message_id=f"<attention.{account.id}.{account.incident}@{domain}>",
        date=format_datetime(now),
        text=render("attention.txt", **facts),
        html=render("attention.html", **facts),
    )


def trouble_mail(
    *, sender: str, owner: User, account: Account, trouble: Trouble, now: datetime, console: str = ""
) -> EmailMessage:
    """Return the mail about a trouble that lasts, though Leadmail keeps trying. Sent twice, it has the same Message-ID."""
    domain = parseaddr(sender)[1].rpartition("@")[2]
    sentence, lines, url = advice.of_trouble(account, trouble)
    where = f"{console}/mailboxes/{account.id}" if console else f"leadmail account show {account.address}"
    facts: dict[str, object] = {
        "owner": owner,
        "address": wording.readable(account.address),
        "sentence": f"This has lasted since {trouble.since:%d %B %Y, %H:%M} UTC. {sentence}",
        "steps": (
            *lines,
            *((f"See {url}",) if url else ()),
            "If you did not change anything, you can wait: Leadmail keeps trying and continues by itself.",
            f"To see whether it works again: {where}",
        ),
        "blocked": False,
    }
    number = round(trouble.since.timestamp() * 1000)
    return build_mail(
        sender=sender,
        to=owner,
        subject=f"{wording.readable(account.address)} is not fully synchronised at the moment",
        message_id=f"<trouble.{account.id}.{number}@{domain}>",
        date=format_datetime(now),
        text=render("attention.txt", **facts),
        html=render("attention.html", **facts),
    )


def _last_steps(account: Account, console: str) -> tuple[str, ...]:
    if console:
        page = f"{console}/mailboxes/{account.id}"
        return (
            f"Then give Leadmail the new password: {page}/password",
            f"Or, if you only changed a setting at your mail service, select Resume at {page}",
        )
    return (
        f"Then give Leadmail the new password: leadmail account password {account.address}",
        f"Or, if you only changed a setting at your mail service: leadmail account resume {account.address}",
    )
