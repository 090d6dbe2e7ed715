"""Build the mails that Leadmail sends, and write them as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address, Group
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid, parseaddr

from schemas.accounts import User
from services.mailbox.connection import refuse_line_breaks


def one_line(text: str) -> str:
    """Return a text on one line, without control characters and characters that change the direction of writing."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def build_mail(
    *,
    sender: str,
    to: Sequence[User],
    subject: str,
    text: str,
    html: str | None = None,
    message_id: str | None = None,
    date: str | None = None,
) -> EmailMessage:
    """Return a mail in text, and HTML if there is any, that is marked as automatic (RFC 3834).

    Without ``message_id`` it gets a new one, without ``date`` the present one. Without anyone in ``to`` it names no recipient
    (RFC 5322 section 3.4, a group without members).

    Headers contain only addresses, counts and the owner's own name: nothing that others wrote in a mail.
    """
    mail = EmailMessage()
    name, address = parseaddr(sender)
    mail["From"] = _mailbox(name, address)
    mail["To"] = [_mailbox(one_line(one.name), one.email) for one in to] or Group("undisclosed-recipients")
    mail["Subject"] = one_line(subject)
    mail["Date"] = date or format_datetime(datetime.now(UTC))
    mail["Message-ID"] = message_id or make_msgid(domain=address.rpartition("@")[2])
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"  # what Exchange reads instead
    mail.set_content(text)
    if html is not None:
        mail.add_alternative(html, subtype="html")
    return mail


def _mailbox(name: str, address: str) -> Address:
    # Built from parts, so that a local part that needs quotes (two dots in a row) is quoted instead of refused.
    local, _, domain = address.rpartition("@")
    return Address(display_name=name, username=local, domain=domain)


def serialize(mail: EmailMessage) -> bytes:
    """Return a mail's bytes, with UTF-8 in headers (RFC 6532) only where an address requires it.

    Raises:
        InjectionError: a header contains CR, LF or NUL. SMTP clients turn even a bare CR into a line end, which would start
            another header.
    """
    international = not f"{mail['To']}{mail['From']}".isascii() and any(
        not one.addr_spec.isascii() for field in ("To", "From") for one in mail[field].addresses
    )
    refuse_line_breaks(*map(str, mail.values()))  # Python lets one at the end of a value through
    return mail.as_bytes(policy=policy.SMTPUTF8 if international else policy.SMTP)
