"""Builds the confirmation mail: what was synchronised, what was left out, who can see it. Pure: report in, mail out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from schemas.accounts import User
from schemas.identity import notification_id
from schemas.ledger import RowState
from schemas.sharing import CompanyPolicy
from services import wording
from services.mailbox.outgoing_mail import build_mail
from services.notifier.templates import render
from services.store import EpochReport


def confirmation(
    *, sender: str, to: Sequence[User], report: EpochReport, company: CompanyPolicy, first: bool, console: str = ""
) -> EmailMessage:
    """Return the confirmation of a completed epoch. Built twice, it has the same Message-ID and Date.

    ``first`` says whether this is the account's first backfill; ``console`` is the address of the web console, or empty.
    """
    epoch = report.epoch
    assert epoch.completed_at is not None
    address = wording.readable(report.address)
    facts: dict[str, object] = {
        "called": to[0].name if len(to) == 1 else "",
        "report": report,
        "address": address,
        "messages": _messages(report.counts),
        "first": first,
        "console": console,
        "folders": [
            (folder.name, _messages(folder.counts), folder.counts.get(RowState.ATTACHED, 0))
            for folder in report.folders
            if folder.selected
        ],
        "folders_left_out": [
            (folder.name, wording.left_out(folder.reason)) for folder in report.folders if not folder.selected
        ],
        "skipped": _left_out(report),
        "sharing": wording.sharing_in_force(report.sharing, company),
        "plural": wording.plural,
        "day": wording.day,
    }
    found = (
        f"{wording.plural(report.emails, 'email')} on your records" if report.emails else "no mail for your records yet"
    )
    return build_mail(
        sender=sender,
        to=to,
        subject=f"{address} is synchronised: {found}",
        message_id=notification_id(epoch.account, epoch.number, parseaddr(sender)[1].rpartition("@")[2]),
        date=format_datetime(epoch.completed_at),
        text=render("confirmation.txt", **facts),
        html=render("confirmation.html", **facts),
    )


def _messages(counts: Mapping[RowState, int]) -> int:
    """Return how many messages are in the mailbox, without those that are gone."""
    return sum(count for state, count in counts.items() if state is not RowState.GONE)


def _left_out(report: EpochReport) -> list[tuple[int, str]]:
    """Return (count, reason) pairs, unmatched mail first: it is most of the mail in most mailboxes."""
    lines = [
        (report.counts.get(RowState.UNMATCHED, 0), "not about a lead or contact: not stored, and visible to no one"),
        *((count, wording.skipped(reason)) for reason, count in sorted(report.reasons.items())),
        (report.counts.get(RowState.QUARANTINED, 0), wording.QUARANTINED),
    ]
    return [(count, why) for count, why in lines if count]
