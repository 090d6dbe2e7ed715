"""Writes single odd mails, each named for its quirk."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

from testbed.samples import style
from testbed.samples.files import File
from testbed.samples.model import SampleMail, rng
from testbed.samples.post import ComposedMail, party, person_of, post
from testbed.samples.wire import Headers, file_part, mailboxes, multipart, text_part, words
from testbed.samples.write import attachment, snippet


@dataclass(frozen=True, slots=True, kw_only=True)
class OddMailWriter:
    """Writes odd mails, given the start of the demo and the seed."""

    now: datetime
    seed: int

    def compose(
        self,
        quirk: str,
        sender: str,
        to: str,
        subject: str,
        text: str,
        *,
        days: float,
        cc: str = "",
        body: bytes | None = None,
        files: Sequence[File] = (),
        headers: Headers | None = None,
        mark: str | None = None,
    ) -> ComposedMail:
        """Return a mail of ``text``, or of ``body``, which has its content headers and must contain the text."""
        author = person_of(sender)
        numbers = rng(self.seed, "odd", quirk)
        when = (self.now - timedelta(days=days)).replace(minute=numbers.randrange(60), second=numbers.randrange(60))
        local = when.astimezone(timezone(timedelta(hours=author.offset)))
        parties = {
            role: tuple(map(party, keys.split())) for role, keys in (("from", sender), ("to", to), ("cc", cc)) if keys
        }
        blocks = style.paragraphs(text)
        if body is None:
            body = text_part(self.plain(sender, text), "plain", "utf-8", "quoted-printable")
            if files:
                body = multipart("mixed", [body, *map(file_part, files)], f"=_{numbers.randbytes(10).hex()}")
        usual: Headers = [
            ("Date", format_datetime(local)),
            *((role.title(), mailboxes(people)) for role, people in parties.items()),
            ("Subject", words(subject, "Subject")),
            ("Message-ID", style.message_id(author.client, parties["from"][0][1], numbers)),
            ("MIME-Version", "1.0"),
        ]
        changed = dict(headers or [])
        kept = [(name, changed.pop(name, value)) for name, value in usual]
        return ComposedMail(
            key=f"odd-{quirk}", thread=f"odd-{quirk}", parties=parties, when=local,
            headers=[(name, value) for name, value in [*kept, *changed.items()] if value], body=body, subject=subject,
            snippet=snippet(blocks), charset="utf-8", attachments=tuple(map(attachment, files)), mark=mark, quirk=quirk,
        )  # fmt: skip

    def received(
        self,
        quirk: str,
        sender: str,
        user: str,
        subject: str,
        text: str,
        *,
        days: float,
        body: bytes | None = None,
        files: Sequence[File] = (),
        headers: Headers | None = None,
        folder: str = "INBOX",
    ) -> SampleMail:
        """Return the copy of the one user to whom a mail was sent."""
        composed = self.compose(quirk, sender, user, subject, text, days=days, body=body, files=files, headers=headers)
        return self.deliver(composed, user, folder)

    def plain(self, sender: str, text: str) -> str:
        """Return the text with its signature, wrapped."""
        author = person_of(sender)
        blocks = style.paragraphs(text) + style.signature(author, "gmail", rng(self.seed, sender, text))
        return style.wrap(blocks, 76)

    def deliver(self, composed: ComposedMail, user: str, folder: str = "INBOX", *, delivery: str = "") -> SampleMail:
        """Return the user's copy, read if it is older than two days."""
        flags = ("\\Seen",) if self.now - composed.when > timedelta(days=2) else ()
        return post(composed, user, folder, flags, seed=self.seed, delivery=delivery)
