"""Mail with a canary in every place that can hold text: about no record, about one, and about none on a second look."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.header import Header
from email.message import EmailMessage
from email.utils import format_datetime

from testbed.samples.model import SampleMail, Truth
from testbed.samples.person import User
from tests.e2e.privacy.traces import new_canary

START = datetime(2026, 11, 20, 9, tzinfo=UTC)
TRUTH = Truth(email="", thread="", subject="", snippet="", charset="utf-8")
LARGE = 300 * 1024
"""Octets: above what travels as a message's body, and more than a chunk of the blob store."""


@dataclass(frozen=True, slots=True)
class Stranger:
    """A sender whose every word is a canary."""

    word: str

    @property
    def address(self) -> str:
        """The address as it is typed: in mixed case."""
        return f"{self.word.capitalize()}.Addr@{self.word}.example"

    @property
    def message_id(self) -> str:
        """The Message-ID of the first mail."""
        return f"<{self.word}-id@{self.word}.example>"

    @property
    def hashed(self) -> tuple[str, ...]:
        """Values that must not be stored as a hash without a key either."""
        return (self.address, self.message_id)

    def mail(self, to: str, number: int = 0, **headers: str) -> bytes:
        """Return a mail with this person in every place but To."""
        message = EmailMessage()
        message["From"] = f"{self.word}-name <{self.address}>"
        message["Sender"] = self.address
        message["To"] = to
        message["Cc"] = f"{self.word}-copy <{self.word}-cc@{self.word}.example>"
        message["Reply-To"] = f"{self.word}-reply@{self.word}.example"
        message["Return-Path"] = f"<{self.word}-return@{self.word}.example>"
        message["List-Id"] = f"<{self.word}-list.{self.word}.example>"
        message["X-Note"] = f"{self.word}-header"
        message["Subject"] = f"{self.word}-subject {number}"
        message["Date"] = format_datetime(START + timedelta(minutes=number))
        message["Message-ID"] = self.message_id if not number else f"<{self.word}-id-{number}@{self.word}.example>"
        for name, value in headers.items():
            message[name.replace("_", "-")] = value
        message.set_content(f"Dear reader,\n\n{self.word}-text is what this says.\n")
        message.add_alternative(f"<p>{self.word}-html</p>", subtype="html")
        message.add_attachment(
            f"{self.word}-content\n".encode(),
            maintype="application",
            subtype="octet-stream",
            filename=f"{self.word}-file.bin",
        )
        return message.as_bytes()

    def coded(self, to: str, number: int) -> bytes:
        """Return a mail with everything encoded: words in base64, text in quoted-printable, a large attachment."""
        name, subject = Header(f"é {self.word}", "utf-8").encode(), Header(f"ü {self.word}", "iso-8859-1").encode()
        boundary = "=_x"
        filler = b"".join(b"%076d\r\n" % line for line in range(LARGE // 78))
        head = (
            f"From: {name} <{self.address.upper()}>\r\nTo: {to}\r\nSubject: {subject}\r\n"
            f"Message-ID: <{self.word}-id-{number}@{self.word}.example>\r\n"
            f"Date: {format_datetime(START + timedelta(minutes=number))}\r\nMIME-Version: 1.0\r\n"
            f'Content-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n--{boundary}\r\n'
            "Content-Type: text/plain; charset=utf-16be\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        )
        text = _base64(f"{self.word} is said in UTF-16".encode("utf-16-be"))
        tail = (
            f'\r\n--{boundary}\r\nContent-Type: text/plain; name="{self.word}.txt"\r\n'
            f'Content-Disposition: attachment; filename="{self.word}.txt"\r\n\r\n'
        )
        end = f"{self.word} at the end\r\n--{boundary}--\r\n"
        return head.encode() + text + tail.encode() + filler + end.encode()

    def broken(self, to: str, number: int) -> bytes:
        """Return a mail that is hardly one: raw octets in its headers, a group, no date, an unfinished part."""
        return (
            f"From: {self.word}\xff\xfe <{self.address}\r\nTo: {to}\r\nCc: {self.word}: a@{self.word}.example, b@{self.word}.example;\r\n"
            f"Subject: \x01{self.word}\xe9\r\nReferences: {self.message_id} <<>> <{self.word}-{number}@>\r\n"
            f"Message-ID: {self.word}-{number} no brackets\r\nDate: {self.word}\r\n"
            f'Content-Type: multipart/mixed; boundary="{self.word}"\r\n\r\n--{self.word}\r\n'
            f"Content-Type: text/{self.word}; charset={self.word}\r\n\r\n{self.word}\r\n"
        ).encode("latin-1")


def _base64(content: bytes) -> bytes:
    message = EmailMessage()
    message.set_content(content, maintype="application", subtype="octet-stream")
    return str(message.get_payload()).encode().replace(b"\n", b"\r\n")


def stranger() -> Stranger:
    """Return a new sender."""
    return Stranger(new_canary())


def lying(user: User, folder: str, mails: Iterable[bytes]) -> list[SampleMail]:
    """Return mails as they are in a folder of a user's mailbox."""
    return [SampleMail(user.key, folder, (), START, raw, TRUTH) for raw in mails]
