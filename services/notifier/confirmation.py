"""The confirmation mail: what was synchronised, what was left out and why, who sees it. Pure: report in, mail out."""

from __future__ import annotations

from collections.abc import Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from schemas.accounts import User
from schemas.identity import notification_id
from schemas.ledger import RowState
from schemas.sharing import CompanyPolicy
from services.notifier import wording
from services.notifier.templates import render
from services.store import EpochReport


def build_mail(
    *, sender: str, to: User, subject: str, message_id: str, date: str, template: str, facts: dict[str, object]
) -> EmailMessage:
    """Return a mail in text and HTML that says of itself that no person sent it (RFC 3834)."""
    mail = EmailMessage()
    name, address = parseaddr(sender)
    mail["From"] = Address(display_name=name, addr_spec=address)
    mail["To"] = Address(display_name=" ".join(to.name.split()), addr_spec=to.email)
    mail["Subject"] = subject
    mail["Date"] = date
    mail["Message-ID"] = message_id
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"  # what Exchange reads instead
    mail.set_content(render(f"{template}.txt", **facts))
    mail.add_alternative(render(f"{template}.html", **facts), subtype="html")
    return mail


def confirmation(*, sender: str, owner: User, report: EpochReport, company: CompanyPolicy) -> EmailMessage:
    """Return the confirmation of a completed epoch: built twice, it has the same Message-ID and Date."""
    epoch = report.epoch
    assert epoch.completed_at is not None
    facts: dict[str, object] = {
        "owner": owner,
        "report": report,
        "messages": _messages(report.counts),
        "first": epoch.number == 1,
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
    return build_mail(
        sender=sender,
        to=owner,
        subject=f"{report.address} is synchronised: {wording.plural(report.emails, 'email')} on your records",
        message_id=notification_id(epoch.account, epoch.number, parseaddr(sender)[1].rpartition("@")[2]),
        date=format_datetime(epoch.completed_at),
        template="confirmation",
        facts=facts,
    )


def _messages(counts: Mapping[RowState, int]) -> int:
    """Return how many messages are in the mailbox: what is gone is not."""
    return sum(count for state, count in counts.items() if state is not RowState.GONE)


def _left_out(report: EpochReport) -> list[tuple[int, str]]:
    """Return (count, why), the unmatched mail first: it is most of most mailboxes."""
    lines = [
        (report.counts.get(RowState.UNMATCHED, 0), "about no lead or contact: not stored and visible to nobody"),
        *((count, wording.skipped(reason)) for reason, count in sorted(report.reasons.items())),
        (report.counts.get(RowState.QUARANTINED, 0), wording.QUARANTINED),
    ]
    return [(count, why) for count, why in lines if count]
