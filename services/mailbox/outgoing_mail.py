"""From texts to a mail on the wire."""

from __future__ import annotations

from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import parseaddr

from schemas.accounts import User


def one_line(text: str) -> str:
    """Return a text without line breaks, control characters and what turns the direction of writing around."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def build_mail(
    *, sender: str, to: User, subject: str, message_id: str, date: str, text: str, html: str
) -> EmailMessage:
    """Return a mail in text and HTML that says of itself that no person sent it (RFC 3834).

    Only addresses, counts and the owner's own name get into headers: nothing that somebody else wrote in a mail.
    """
    mail = EmailMessage()
    name, address = parseaddr(sender)
    mail["From"] = _mailbox(name, address)
    mail["To"] = _mailbox(one_line(to.name), to.email)
    mail["Subject"] = one_line(subject)
    mail["Date"] = date
    mail["Message-ID"] = message_id
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"  # what Exchange reads instead
    mail.set_content(text)
    mail.add_alternative(html, subtype="html")
    return mail


def _mailbox(name: str, address: str) -> Address:
    # By parts: a local part that only a quoted string may hold (two dots in a row) is quoted then instead of refused.
    local, _, domain = address.rpartition("@")
    return Address(display_name=name, username=local, domain=domain)


def serialize(mail: EmailMessage) -> bytes:
    """Return a mail's bytes; UTF-8 in headers (RFC 6532) only where an address cannot do without it."""
    international = not f"{mail['To']}{mail['From']}".isascii() and any(
        not one.addr_spec.isascii() for field in ("To", "From") for one in mail[field].addresses
    )
    return mail.as_bytes(policy=policy.SMTPUTF8 if international else policy.SMTP)
