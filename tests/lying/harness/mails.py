"""The mails of the cases: each is the only one of its kind."""

from __future__ import annotations

from itertools import count

from testbed.servers.scripted import ScriptedMailbox
from tests.poller.fixtures import CLIENT

MARK = "private-words"
"""In every mail: it is never logged."""
STRANGER = "stranger@else.test"
ALL_MAIL = b"[Gmail]/All Mail"
made: set[bytes] = set()
"""Every mail so far."""
_numbers = count(1)


def raw_mail(name: str, sender: str = CLIENT, size: int = 60) -> bytes:
    """Return a mail of its own."""
    number = next(_numbers)
    head = f"From: {sender}\r\nTo: {name}@lying.test\r\nSubject: {MARK} {number}\r\nMessage-ID: <{name}.{number}@lying.test>"
    raw = f"{head}\r\n\r\n{MARK} of {name} {number}\r\n{'x' * size}\r\n".encode()
    made.add(raw)
    return raw


def main_folder(mailbox: ScriptedMailbox) -> bytes:
    """Return the folder where new mail is found."""
    return ALL_MAIL if ALL_MAIL in mailbox.folders else b"INBOX"


def new_mail(mailbox: ScriptedMailbox) -> None:
    """Deliver a mail of a client and one of a stranger."""
    name = mailbox.user.partition(".")[0]
    mailbox.add(raw_mail(name), main_folder(mailbox))
    mailbox.add(raw_mail(name, STRANGER), main_folder(mailbox))
