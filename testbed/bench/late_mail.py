"""Mailboxes full of mail from unknown people, which a later import of contacts must find."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from testbed.bench.mailboxes import MailLogin, give_to_server, new_mailbox
from testbed.local import LocalServers
from testbed.samples.bench.people import Correspondent

ARCHIVE = ".Archive"
LATE = Correspondent("Late Comer", "late.comer@late.example")
"""One person more, with a mail in every mailbox."""
_MOMENT = 1_750_000_000
_TEXT = "Thank you for your message of last week. We shall look into it and answer soon.\r\n" * 6


class ImportPlan(NamedTuple):
    """The size of an import."""

    contacts: int
    accounts: int
    messages: int
    """In each mailbox."""

    @property
    def people(self) -> list[Correspondent]:
        """The people to import; each has a mail in two mailboxes."""
        return [Correspondent(f"Person {n}", f"person.{n}@company-{n % 700}.example") for n in range(self.contacts)]

    def senders(self, account: int) -> list[str]:
        """Return who wrote the mails of a mailbox, oldest first: strangers, and contacts evenly among them."""
        mine = [
            one.address for n, one in enumerate(self.people) if account in (n % self.accounts, (n + 1) % self.accounts)
        ]
        strangers = [f"somebody.{n}@elsewhere-{account}.example" for n in range(self.messages - len(mine) - 1)]
        step = self.messages / max(1, len(mine))
        places = {int(n * step): address for n, address in enumerate(mine)}
        rest = iter([*strangers, LATE.address])
        return [places.get(n) or next(rest) for n in range(self.messages)]

    def relevant(self) -> int:
        """Return how many of all mails are about a contact of the import."""
        return 2 * self.contacts


def fill(servers: LocalServers, plan: ImportPlan, account: int) -> MailLogin:
    """Make a mail user whose inbox and archive have the mails of a mailbox."""
    mailbox = new_mailbox(servers, f"late-{account}")
    folder = servers.maildir(mailbox.username)
    for directory in ("", ARCHIVE):
        for name in ("cur", "new", "tmp"):
            (folder / directory / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / ARCHIVE / "maildirfolder").touch()
    for number, sender in enumerate(plan.senders(account)):
        _write(folder / ("" if number % 2 else ARCHIVE) / "cur", mailbox, account, number, sender)
    give_to_server(folder.parent)
    return mailbox


def _write(folder: Path, mailbox: MailLogin, account: int, number: int, sender: str) -> None:
    seconds = _MOMENT + 60 * number
    raw = (
        f"From: {sender}\r\nTo: {mailbox.username}\r\nSubject: Question {number}\r\n"
        f"Message-ID: <{number}.{account}@late.example>\r\nDate: Mon, 16 Jun 2025 10:{number % 60:02d}:00 +0000\r\n"
        f"Content-Type: text/plain; charset=utf-8\r\n\r\nQuestion {number} of {account}.\r\n{_TEXT}"
    ).encode()
    path = folder / f"{seconds}.M{number:06d}P1.bench,S={len(raw)},W={len(raw)}:2,S"
    path.write_bytes(raw)
    os.utime(path, (seconds, seconds))
