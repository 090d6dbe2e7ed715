"""The parts of a parsed mail, shared by messages and documents."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from schemas.base import Contract, EmailKey, Utc
from schemas.identity import thread_ids


class Role(StrEnum):
    """What an address is in a mail, or how an email came to a record."""

    FROM = "from"
    SENDER = "sender"
    """The Sender header; who wrote, if a list wrote its own address into From; or whom a bounce is about."""
    TO = "to"
    CC = "cc"
    BCC = "bcc"
    REPLY_TO = "reply-to"
    THREAD = "thread"


class Participant(Contract):
    """An address that a mail names."""

    address: str
    """Normal form, see ``addresses.normal_address``."""
    name: str = ""
    """Display name, decoded, at most 200 characters, no line breaks."""
    role: Role
    """The header that names the address."""


class Attachment(Contract):
    """A part that is served as a download; its content is in the blob store under ``sha256``."""

    name: str
    """Decoded file name, at most 200 characters, without path, control or bidirectional override characters; made up when there is none."""
    media_type: str
    """Lower case ``type/subtype``, as the mail says."""
    size: int
    """Octets after decoding."""
    sha256: str
    """Of the decoded content; hex."""
    content_id: str | None = None
    """Without angle brackets (RFC 2392); for inline images."""
    inline: bool = False
    """Shown in the text: the HTML refers to it by ``cid:``; or it is an image that the mail declares inline, or that has a
    Content-ID and no declared disposition."""


class Classification(Contract):
    """What kind of mail it is."""

    auto_reply: bool = False
    """A program answered: Auto-Submitted (RFC 3834) says so, one of the usual older headers, or the subject."""
    auto_generated: bool = False
    """A program wrote it of its own accord (RFC 3834 ``auto-generated``): a notification, an order's confirmation."""
    bounce: bool = False
    """A delivery status notification (RFC 3464) or one of its older forms."""
    bounced: tuple[str, ...] = ()
    """Normal addresses that a bounce says could not be reached, at most 50."""
    bounce_kind: Literal["hard", "soft"] | None = None
    """Of a bounce: ``hard`` if the address will never work, ``soft`` if it does not at the moment, or not for this mail."""
    bounce_status: str = ""
    """Enhanced status code (RFC 3463), such as ``5.1.1``; empty when the bounce has none."""
    bounce_reason: str = ""
    """What the other server said, at most 300 characters on one line."""
    bounced_id: str | None = None
    """Message-ID of the mail that bounced, without angle brackets."""
    mailing_list: bool = False
    """List-Id, List-Unsubscribe or Precedence say so (RFC 2919, RFC 2369)."""
    ambiguous_from: bool = False
    """More than one From header or address: who wrote it is not certain."""
    signed: bool = False
    """It carries a signature (S/MIME, OpenPGP). Leadmail does not check it: it proves nothing here."""
    truncated: bool = False
    """A limit cut something off: text, HTML, headers, parts or recipients."""
    defects: tuple[str, ...] = ()
    """What was wrong with it and repaired, at most 20 short words such as ``charset:gb2312``."""


class Content(Contract):
    """What a mail says: the same for every copy of it."""

    key: EmailKey
    """Digest of the content: the same for every copy. The document id of the email."""
    message_id: str | None = None
    """Without angle brackets, at most 998 characters."""
    in_reply_to: str | None = None
    """The Message-ID that it answers, without angle brackets."""
    references: tuple[str, ...] = ()
    """Oldest first, without angle brackets, at most 100 (the first and the newest ones)."""
    thread: str
    """See ``identity.thread_id``."""
    subject: str = ""
    """Decoded, one line, at most 998 characters."""
    date: Utc | None = None
    """The Date header."""
    sent_at: Utc
    """``date`` when it is believable, else when the server received the mail. Mail is sorted by this."""
    participants: tuple[Participant, ...] = ()
    """All but Bcc (that belongs to a copy), at most 1,000."""
    text: str = ""
    """Plain text, or made from the HTML; at most 256 KiB of UTF-8."""
    reply_text: str = ""
    """``text`` without quoted mail and signature."""
    snippet: str = ""
    """The start of ``reply_text`` on one line, at most 200 characters."""
    html: str | None = None
    """As sent, charset decoded, not sanitised; at most 256 KiB of UTF-8. A longer one is in ``html_blob``."""
    html_blob: str | None = None
    """SHA-256 of the HTML in the blob store (UTF-8)."""
    attachments: tuple[Attachment, ...] = ()
    """At most 200."""
    raw: str
    """SHA-256 of the body of the raw mail in the blob store; for mail stored by version 0.1, of the whole raw mail."""
    marks: Classification = Classification()
    """What kind of mail it is; see ``Classification``."""

    @property
    def blobs(self) -> frozenset[str]:
        """The hashes of every blob that the email needs."""
        named = frozenset((self.raw, *(attachment.sha256 for attachment in self.attachments)))
        return named | ({self.html_blob} if self.html_blob else frozenset())

    @property
    def ancestors(self) -> tuple[str, ...]:
        """The Message-IDs that the email answers or refers to (RFC 5322 section 3.6.4), without its own."""
        named = dict.fromkeys((self.in_reply_to, *self.references))
        return tuple(name for name in named if name and name != self.message_id)

    @property
    def is_bounce(self) -> bool:
        """Whether it is a bounce."""
        return self.marks.bounce

    @property
    def thread_ids(self) -> tuple[str, ...]:
        """See ``identity.thread_ids``."""
        return thread_ids(self.thread, (*self.ancestors, self.message_id), self.marks.bounced_id)
