"""What a made-up mail is, and the machine-readable truth that tests hold against it."""

import random
from dataclasses import dataclass
from datetime import datetime

SKIPPED_FOLDERS = frozenset({"Trash", "Drafts", "Junk"})
"""Folders whose mail is never synchronised, so no link is expected of a copy in them."""


def rng(*parts: object) -> random.Random:
    """Return a random generator for these parts: the same parts give the same numbers on every Python."""
    return random.Random(":".join(map(str, parts)))  # noqa: S311 - reproducible samples, nothing secret


@dataclass(frozen=True, slots=True, order=True)
class Link:
    """An expected link: the record's key, the address as compared (lower case, A-label domain), the role.

    The role is one of from, to, cc, bcc, reply-to, thread. For ``thread`` the address is the record's first one,
    because no address of the mail is the record's.
    """

    record: str
    address: str
    role: str


@dataclass(frozen=True, slots=True)
class AttachmentTruth:
    """A part that a reader shows as a file: decoded name, media type, SHA-256 (hex) of the decoded bytes."""

    name: str | None
    content_type: str
    sha256: str
    inline: bool = False


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of one copy of a mail.

    Attributes:
        email: key of the message; two copies of the same message carry the same key.
        thread: key of the conversation.
        subject: decoded and unfolded.
        snippet: a phrase of the newly written text, white space normalised to single spaces.
        quoted: a phrase that is only in the quoted text, None if nothing is quoted.
        charset: Python codec that really decodes the text part, whatever the mail declares.
        links: expected with the records of the company at the start; empty for private mail.
        late_links: links that appear when the late contact becomes a record.
        attachments: in the order of the parts.
        mark: "auto-reply", "bounce", "list", "bulk", "hostile", or None.
        quirk: short name of what is unusual about the bytes, None for ordinary mail.
        internal: every participant is a colleague.
    """

    email: str
    thread: str
    subject: str
    snippet: str
    charset: str
    links: frozenset[Link] = frozenset()
    late_links: frozenset[Link] = frozenset()
    attachments: tuple[AttachmentTruth, ...] = ()
    quoted: str | None = None
    mark: str | None = None
    quirk: str | None = None
    internal: bool = False

    @property
    def private(self) -> bool:
        """Whether the mail is about no record, so that its body must never leave the mailbox."""
        return not self.links


@dataclass(frozen=True, slots=True)
class SampleMail:
    """One copy: who holds it, where ("/" separates levels), with which IMAP flags, and its bytes (CRLF lines)."""

    user: str
    folder: str
    flags: tuple[str, ...]
    internaldate: datetime
    raw: bytes
    truth: Truth

    @property
    def synchronised(self) -> bool:
        """Whether the copy is in a folder that is synchronised by default."""
        return self.folder not in SKIPPED_FOLDERS
