"""Builds the mails to the owner of an account that is blocked or has lasting trouble. Pure: account and reason in, mail out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from schemas.accounts import Account, Trouble, User
from services import wording
from services.mailbox import advice
from services.mailbox.connection import APP_ONLY, Code
from services.mailbox.outgoing_mail import build_mail
from services.notifier.templates import render


def attention(*, sender: str, to: Sequence[User], account: Account, now: datetime, console: str = "") -> EmailMessage:
    """Return the mail about the account's latest incident. Sent twice, it has the same Message-ID.

    The steps link to the web console at ``console``, or name CLI commands if there is none.
    """
    sentence, lines, url = advice.of_blocked(account)
    return _mail(
        "needs your attention: it is no longer synchronised",
        f"attention.{account.id}.{account.incident}",
        sentence=sentence[:1].upper() + sentence[1:],
        steps=(*lines, *_see(url), *_last_steps(account, console)),
        blocked=True,
        sender=sender,
        to=to,
        account=account,
        now=now,
    )


def trouble_mail(
    *,
    sender: str,
    to: Sequence[User],
    account: Account,
    trouble: Trouble,
    number: int,
    now: datetime,
    console: str = "",
) -> EmailMessage:
    """Return the mail about a trouble that lasts, though Leadmail keeps trying. Sent twice, it has the same Message-ID.

    ``number`` is the trouble's (see ``store.trouble_mails``).
    """
    sentence, lines, url = advice.of_trouble(account, trouble)
    if trouble.code in APP_ONLY:
        lines = (*lines, advice.what_to_do(trouble.code))
        if trouble.code != Code.MAILBOX_NOT_GRANTED:
            lines = (*lines, "This message is about every mailbox that Leadmail opens in its own name there.")
    where = f"{console}/mailboxes/{account.id}" if console else f"leadmail account show {account.address}"
    return _mail(
        "is not fully synchronised at the moment",
        f"trouble.{account.id}.{number}",
        sentence=f"This has lasted since {trouble.since:%d %B %Y, %H:%M} UTC. {sentence}",
        steps=(
            *lines,
            *_see(url),
            "Then you can wait: Leadmail keeps trying and continues by itself."
            if trouble.code in APP_ONLY
            else "If you did not change anything, you can wait: Leadmail keeps trying and continues by itself.",
            f"To see whether it works again: {where}",
        ),
        blocked=False,
        sender=sender,
        to=to,
        account=account,
        now=now,
    )


def _mail(
    what: str,
    name: str,
    *,
    sentence: str,
    steps: tuple[str, ...],
    blocked: bool,
    sender: str,
    to: Sequence[User],
    account: Account,
    now: datetime,
) -> EmailMessage:
    """Return a mail of which the subject says ``what`` of the account, with a Message-ID that begins with ``name``."""
    address = wording.readable(account.address)
    facts: dict[str, object] = {
        "called": to[0].name if len(to) == 1 else "",
        "whose": "your" if to[0].email in account.holders else "the",
        "address": address,
        "sentence": sentence,
        "steps": (*_first_steps(account), *steps),
        "blocked": blocked,
    }
    return build_mail(
        sender=sender,
        to=to,
        subject=f"{address} {what}",
        message_id=f"<{name}@{parseaddr(sender)[1].rpartition('@')[2]}>",
        date=format_datetime(now),
        text=render("attention.txt", **facts),
        html=render("attention.html", **facts),
    )


def _first_steps(account: Account) -> tuple[str, ...]:
    if account.holders:
        return ()
    return (f"It has no members any more. Add one: leadmail account members {account.address} --add EMAIL",)


def _see(url: str | None) -> tuple[str, ...]:
    return (f"See {url}",) if url else ()


def _last_steps(account: Account, console: str) -> tuple[str, ...]:
    if account.grant and not account.app_only:
        where = f"{console}/mailboxes/{account.id}/sign-in" if console else f"leadmail account login {account.address}"
        return (f"To sign in again: {where}",)
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
