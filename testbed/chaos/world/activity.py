"""What people do meanwhile: mail and folders arrive, change and disappear; contacts are entered into the CRM late."""

from __future__ import annotations

import asyncio
import imaplib
import smtplib
from collections import Counter
from collections.abc import Callable, Sequence
from email import message_from_bytes
from random import Random

from testbed.chaos.world.company import Company
from testbed.local import HostingError
from testbed.samples.bench.team import TeamRecord
from testbed.samples.bench.team_mail import FOLDERS, SENT, TeamMail

_TROUBLE = (imaplib.IMAP4.error, smtplib.SMTPException, OSError, EOFError, HostingError)
"""Errors while the mail server is down, or when a folder of a name does not exist or only contains folders: repeated or skipped."""
_DELIVER_S = 60
_TRASH = "Trash"
_NAMES = (*FOLDERS[1:], "Projects", "Projects/Pier", "Clients", "Clients/Old", "Clients/Old/North")
"""Names of folders to recreate, rename and delete, whether they exist or not."""
DEEDS = {
    "flagged": 50,
    "moved": 25,
    "trashed": 10,
    "deleted": 15,
    "folders renewed": 8,
    "folders renamed": 9,
    "folders deleted": 5,
}
"""With how often each is done, relative to one another, once each was."""


def ancestors(mails: Sequence[TeamMail]) -> frozenset[str]:
    """Return the Message-IDs that any mail refers to.

    They are not deleted here: whether a reply that names no one stays on its thread's record after what it answers was deleted
    depends, for a quarter of an hour, on when that was.
    """
    found: set[str] = set()
    for mail in mails:
        headers = message_from_bytes(mail.copies[0][2].partition(b"\r\n\r\n")[0])
        found.update(str(headers["References"] or "").split())
        found.update(str(headers["In-Reply-To"] or "").split())
    return frozenset(found)


class Activity:
    """Acts on a company's mailboxes as their owners and correspondents do."""

    def __init__(self, company: Company, numbers: Random, spared: frozenset[str]) -> None:
        self._company = company
        self._numbers = numbers
        self._spared = spared
        self._first = list(DEEDS)
        numbers.shuffle(self._first)
        self.counts: Counter[str] = Counter()

    async def run(self, seconds: float, live: Sequence[TeamMail], late: Sequence[TeamRecord]) -> None:
        """Spread new mail, late contacts and changes of old mail over a time; all of them are done at the end."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        mails, records = list(live), list(late)
        per_step = max(1, -(-len(mails) // max(1, int(seconds * 2))))
        while mails or records or loop.time() < end:
            began = loop.time()
            for mail in mails[:per_step]:
                await self._arrive(mail)
            del mails[:per_step]
            left = max(1.0, end - began)
            if records and (self._numbers.random() < 1.5 * len(records) / left or began >= end):
                await self._company.add_records([records.pop()])
                self.counts["contacts"] += 1
            await self._touch()
            await asyncio.sleep(max(0.0, 0.5 - (loop.time() - began)) if loop.time() < end else 0)

    async def _arrive(self, mail: TeamMail) -> None:
        """Deliver a mail: by LMTP for an inbox, by IMAP for what its owner wrote or filed. Repeated until it succeeds."""
        for key, folder, raw in mail.copies:
            box = self._company.mailboxes[key]
            async with asyncio.timeout(_DELIVER_S):
                while True:
                    try:
                        if folder == "INBOX":
                            await asyncio.to_thread(self._company.network.servers.deliver, box.username, raw)
                        else:
                            await asyncio.to_thread(box.fill, [(folder, raw, mail.seconds)])
                        break
                    except _TROUBLE:
                        await asyncio.sleep(0.5)
                        box = self._company.mailboxes[key]
            self.counts["arrived"] += 1

    async def _touch(self) -> None:
        numbers = self._numbers
        box = self._company.mailboxes[numbers.choice(sorted(self._company.mailboxes))]
        what = self._first[0] if self._first else numbers.choices(list(DEEDS), list(DEEDS.values()))[0]
        folder = numbers.choice((*_NAMES, SENT) if what.startswith("folders") else (*FOLDERS, SENT))
        target = numbers.choice([each for each in (*FOLDERS, "Projects/Pier") if each != folder])
        ways: dict[str, Callable[[], bool]] = {
            "flagged": lambda: box.flag(folder, numbers),
            "moved": lambda: box.move(folder, target, numbers),
            "trashed": lambda: box.move(folder, _TRASH, numbers, self._spared),
            "deleted": lambda: box.delete(folder, numbers, self._spared),
            "folders renewed": lambda: box.renew(folder, numbers),
            "folders renamed": lambda: box.rename(folder, numbers.choice(_NAMES)),
            "folders deleted": lambda: box.drop(folder, "INBOX", self._spared),
        }
        try:
            done = await asyncio.to_thread(ways[what])
        except _TROUBLE:
            return
        self.counts[what] += done
        if done and self._first:
            self._first.remove(what)
