"""The confirmation mail: what was synchronised, what was left out and why, who sees it. Pure: report in, mail out."""

from __future__ import annotations

from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from schemas.accounts import Account, Epoch, User
from schemas.identity import notification_id
from schemas.reports import BackfillReport
from schemas.sharing import CompanyPolicy
from services.notifier import wording
from services.notifier.templates import render


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


def confirmation(
    *, sender: str, owner: User, account: Account, epoch: Epoch, report: BackfillReport, company: CompanyPolicy
) -> EmailMessage:
    """Return the confirmation of a completed epoch: built twice, it has the same Message-ID and Date."""
    assert epoch.completed_at is not None
    facts: dict[str, object] = {
        "owner": owner,
        "account": account,
        "report": report,
        "first": epoch.number == 1,
        "synchronised": [folder for folder in report.folders if folder.selected],
        "folders_left_out": [
            (folder.name, wording.left_out(folder.reason)) for folder in report.folders if not folder.selected
        ],
        "skipped": _skipped(report),
        "sharing": wording.sharing_in_force(account.sharing, company),
        "plural": wording.plural,
        "day": wording.day,
    }
    return build_mail(
        sender=sender,
        to=owner,
        subject=f"{account.address} is synchronised: {wording.plural(report.emails, 'email')} on your records",
        message_id=notification_id(account.id, epoch.number, parseaddr(sender)[1].rpartition("@")[2]),
        date=format_datetime(epoch.completed_at),
        template="confirmation",
        facts=facts,
    )


def _skipped(report: BackfillReport) -> list[tuple[int, str]]:
    """Return (count, why), the unmatched mail first: it is most of most mailboxes."""
    lines = []
    if unmatched := report.states.get("unmatched", 0):
        lines.append((unmatched, "about no lead or contact: not stored and visible to nobody"))
    lines += [(count, wording.skipped(reason)) for reason, count in sorted(report.skipped.items())]
    if quarantined := sum(report.quarantined.values()):
        lines.append((quarantined, wording.QUARANTINED))
    return lines
