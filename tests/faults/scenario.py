"""A small company whose mail makes every stage take every kind of step: identical in every run except for timestamps."""

from __future__ import annotations

import base64
import hashlib
import imaplib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

from bson import ObjectId

from testbed.servers.imap import log_in

POISON, FAILS_ONCE = b"This mail kills its reader.", b"X-Fails-Once: "
"""What the parser of these tests obeys; the second is a header with the name of a file: the mail fails while there is none."""
DAY = datetime(2026, 11, 2, 9, tzinfo=UTC)
ANNA, BEN, CARL = "anna@acme.example", "ben@acme.example", "carl@acme.example"
ALICE, LENA, LATE, FADING = (
    "alice@customer.example",
    "lena@prospect.example",
    "late@newcomer.example",
    "fay@former.example",
)
ALICE_AT_HOME = "alice@private.example"
"""From here she answers in a thread before anybody knows the address."""
INLINE_KIB, STREAMED_KIB = 300, 600
"""Sizes of mails that go through the blob store: above the size of a message, and above that of a stream."""


@dataclass(frozen=True)
class Person:
    """A lead or contact of the CRM."""

    kind: str
    id: ObjectId
    address: str


CONTACTS = (
    Person("contact", ObjectId("0" * 23 + "1"), ALICE),
    Person("lead", ObjectId("0" * 23 + "2"), LENA),
    Person("contact", ObjectId("0" * 23 + "3"), FADING),
)
NEWCOMERS = (
    Person("contact", ObjectId("0" * 23 + "4"), LATE),
    Person("contact", ObjectId("0" * 23 + "5"), ALICE_AT_HOME),
)
ACCOUNTS = {ANNA: "a" * 24, BEN: "b" * 24, CARL: "c" * 24}
SHARING = {ANNA: "public", BEN: "private", CARL: "public"}


def mail(
    name: str,
    sender: str,
    to: str,
    *,
    minutes: int,
    text: str = "",
    answers: str | None = None,
    bcc: str | None = None,
    first: bytes = b"",
    attachment: int = 0,
) -> bytes:
    """Return a mail; `attachment` is the size of one, in KiB of Base64."""
    lines = [
        f"From: {sender}",
        f"To: {to}",
        *([f"Bcc: {bcc}"] if bcc else []),
        f"Subject: {name}",
        f"Date: {format_datetime(DAY + timedelta(minutes=minutes))}",
        f"Message-ID: <{name}@samples.example>",
        *([f"In-Reply-To: <{answers}@samples.example>"] if answers else []),
        "MIME-Version: 1.0",
    ]
    body = f"{text or 'About ' + name + '.'}\r\n"
    if attachment:
        data = b"".join(hashlib.sha256(f"{name}{number}".encode()).digest() for number in range(attachment * 24))
        lines.append('Content-Type: multipart/mixed; boundary="b"')
        encoded = base64.encodebytes(data).decode().replace("\n", "\r\n")
        body = (
            f"--b\r\nContent-Type: text/plain\r\n\r\n{body}--b\r\nContent-Type: application/pdf; name=a.pdf\r\n"
            f"Content-Disposition: attachment; filename=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n{encoded}--b--\r\n"
        )
    else:
        lines.append("Content-Type: text/plain; charset=utf-8")
    return first + "\r\n".join((*lines, "", body)).encode()


def mailboxes(scratch: Path) -> dict[str, dict[str, list[bytes]]]:
    """Return the mails by user and folder."""
    both = mail("to-both", ALICE, f"{ANNA}, {BEN}", minutes=1)
    anna = [
        both,
        mail("from-stranger", "stranger@nowhere.example", ANNA, minutes=2),
        mail("from-late", LATE, ANNA, minutes=3),
        mail("in-thread", ALICE_AT_HOME, ANNA, minutes=14, answers="answer"),
        mail("attached", ALICE, ANNA, minutes=5, attachment=8),
        mail("large", ALICE, ANNA, minutes=6, attachment=INLINE_KIB),
        mail("streamed", ALICE, ANNA, minutes=7, attachment=STREAMED_KIB),
        mail("poison", ALICE, ANNA, minutes=8, text=POISON.decode()),
        mail("fails-once", ALICE, ANNA, minutes=9, first=FAILS_ONCE + str(scratch / "failed").encode() + b"\r\n"),
        mail("goes", ALICE, ANNA, minutes=10),
        mail("fades", FADING, ANNA, minutes=11),
        mail("moves", LENA, ANNA, minutes=12),
    ]
    sent = [mail("answer", ANNA, ALICE, minutes=13, answers="to-both", bcc=LENA)]
    return {
        ANNA: {"INBOX": anna, "Sent": sent, "Archive": []},
        BEN: {"INBOX": [both, mail("to-ben", LENA, BEN, minutes=14)]},
        CARL: {"INBOX": [mail("to-carl", LENA, CARL, minutes=15)]},
    }


@dataclass(frozen=True)
class Phone:
    """A mailbox as its owner uses it."""

    host: str
    port: int
    login: str
    password: str

    def _open(self) -> imaplib.IMAP4:
        return log_in(self.host, self.port, self.login, self.password)

    def fill(self, folders: dict[str, list[bytes]]) -> None:
        """Put mails into folders."""
        with self._open() as client:
            for folder, mails in folders.items():
                if folder != "INBOX":
                    client.create(folder)
                for number, raw in enumerate(mails):
                    client.append(folder, "", DAY + timedelta(hours=1, minutes=number), raw)

    def use(self) -> None:
        """Read a mail, delete one, move one; one arrives."""
        with self._open() as client:
            client.select("INBOX")

            def uid(name: str) -> str:
                _, found = client.uid("SEARCH", "HEADER", "Message-ID", f'"<{name}@samples.example>"')
                return str(found[0].decode().split()[-1])

            client.uid("STORE", uid("to-both"), "+FLAGS", r"(\Seen)")
            client.uid("MOVE", uid("moves"), "Archive")
            client.uid("STORE", uid("goes"), "+FLAGS", r"(\Deleted)")
            client.expunge()
            client.append("INBOX", "", DAY + timedelta(hours=2), mail("live", LENA, ANNA, minutes=90))
