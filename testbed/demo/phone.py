"""A mailbox as the user's other devices see it: IMAP with the standard library, none of the product's code."""

from __future__ import annotations

import imaplib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from testbed.samples.model import SampleMail
from testbed.servers.imap import log_in, quoted


@dataclass(frozen=True, slots=True)
class Phone:
    """One mailbox over IMAP."""

    host: str
    port: int
    address: str
    password: str

    def _open(self) -> imaplib.IMAP4:
        return log_in(self.host, self.port, self.address, self.password)

    def count(self) -> int:
        """Return how many mails the inbox has."""
        with self._open() as client:
            _, found = client.select("INBOX", readonly=True)
            return int(found[0] or 0)

    def fill(self, mails: Iterable[SampleMail]) -> int:
        """Put mails into their folders and return how many."""
        count = 0
        with self._open() as client:
            made: set[str] = set()
            for mail in mails:
                folder = quoted(mail.folder, client)
                if folder not in made and mail.folder != "INBOX":
                    client.create(folder)
                    made.add(folder)
                self._append(client, folder, f"({' '.join(mail.flags)})", mail.internaldate, mail.raw)
                count += 1
        return count

    def _append(self, client: imaplib.IMAP4, folder: str, flags: str, date: datetime | str, raw: bytes) -> None:
        state, answer = client.append(folder, flags, date, raw)
        if state != "OK":
            raise RuntimeError(f"the mail server refused a mail for {self.address}: {answer!r}")

    def put(self, raw: bytes) -> None:
        """Put an unread mail into the inbox, as the server does when it arrives."""
        with self._open() as client:
            self._append(client, "INBOX", "()", imaplib.Time2Internaldate(time.time()), raw)

    def mark_read(self, message_id: str) -> None:
        """Mark a mail in the inbox as read."""
        with self._open() as client:
            client.uid("STORE", _in_inbox(client, message_id), "+FLAGS", r"(\Seen)")

    def move(self, message_id: str, folder: str) -> None:
        """Move a mail of the inbox to another folder."""
        with self._open() as client:
            uid, target = _in_inbox(client, message_id), quoted(folder, client)
            if "MOVE" in client.capabilities:
                client.uid("MOVE", uid, target)
            else:
                client.uid("COPY", uid, target)
                client.uid("STORE", uid, "+FLAGS", r"(\Deleted)")
                client.expunge()


def _in_inbox(client: imaplib.IMAP4, message_id: str) -> str:
    """Open the inbox and return the uid of a mail in it."""
    client.select("INBOX")
    _, found = client.uid("SEARCH", "HEADER", "Message-ID", f'"{message_id}"')
    return str(found[0].split()[-1].decode())
