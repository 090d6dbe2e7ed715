"""From a script to mails: the turns of a conversation get dates, Message-IDs, quotations, parts and encodings."""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from random import Random

from testbed.samples import files, style
from testbed.samples.company import USERS
from testbed.samples.correspondence.script import Charset, Thread, Turn
from testbed.samples.files import LOGO, File, document
from testbed.samples.model import AttachmentTruth, rng
from testbed.samples.person import Person
from testbed.samples.post import ComposedMail, party, person_of
from testbed.samples.style import Written
from testbed.samples.wire import Headers, file_part, mailboxes, multipart, text_part, words

FIRST_HOUR, LAST_HOUR, SATURDAY = 7, 19, 5
HEADER_CODECS = frozenset({"iso2022_jp", "koi8_r"})


def dates(thread: Thread, now: datetime, numbers: Random, live_at: datetime | None) -> Iterator[datetime]:
    """Yield a moment for each turn: in working hours, never after ``now``; a live turn is at ``live_at``."""
    moment = now - timedelta(days=thread.days)
    for position, turn in enumerate(thread.turns):
        moment += timedelta(
            hours=turn.after if position else 0, minutes=numbers.randrange(50), seconds=numbers.randrange(60)
        )
        if moment.hour < FIRST_HOUR or moment.hour >= LAST_HOUR:
            moment += timedelta(hours=(FIRST_HOUR + numbers.randrange(1, 6) - moment.hour) % 24)
        while not thread.weekends and moment.weekday() >= SATURDAY:
            moment += timedelta(days=1)
        if live_at and position >= len(thread.turns) - thread.live:
            yield live_at
            continue
        # A script may end close to now; its order is still kept.
        moment = min(moment, now - timedelta(minutes=10 * (len(thread.turns) - position)))
        yield moment


def snippet(blocks: list[str]) -> str:
    """Return the beginning of the message proper, at most 60 characters, whole words where there are words."""
    line = blocks[1 if len(blocks) > 1 else 0].split("\n")[0]
    cut = line[:60] if len(line) <= 60 else line[:60].rpartition(" ")[0] or line[:18]  # noqa: PLR2004 - as documented
    return " ".join(cut.split())


def plain_form(client: str, text: str, numbers: Random) -> tuple[Charset, str]:
    """Return charset and encoding that the program would choose for the text, and further Content-Type parameters."""
    more = "; format=flowed" if client == "thunderbird" else ""
    if client == "mobile":
        return Charset("utf-8", "utf-8", "base64"), more
    if text.isascii():
        return Charset("us-ascii", "utf-8" if client == "gmail" else "us-ascii", "7bit"), more
    western = text.encode("iso-8859-1", "ignore").decode("iso-8859-1") == text
    if client in {"outlook", "webmail"} and western:
        return Charset("iso-8859-1", "iso-8859-1", "quoted-printable" if client == "outlook" else "8bit"), more
    encoding = "8bit" if client in {"thunderbird", "webmail"} else numbers.choice(("quoted-printable", "base64"))
    return Charset("utf-8", "utf-8", encoding), more


def attachment(file: File, *, inline: bool = False) -> AttachmentTruth:
    """Return the truth about an attached file."""
    return AttachmentTruth(file.name, file.content_type, hashlib.sha256(file.data).hexdigest(), inline)


class Writer:
    """Writes the turns of one thread in order; keeps what later turns quote and refer to."""

    def __init__(self, thread: Thread, *, now: datetime, seed: int, live_at: datetime | None = None) -> None:
        self.thread, self.now, self.seed = thread, now, seed
        self.live_at = live_at
        self.numbers = rng(seed, thread.key)
        self.written: list[Written] = []
        self.references: list[list[str]] = []

    def mails(self) -> Iterator[ComposedMail]:
        """Yield the thread's mails."""
        for position, (turn, when) in enumerate(
            zip(self.thread.turns, dates(self.thread, self.now, self.numbers, self.live_at), strict=True)
        ):
            yield self.compose(position, turn, when)

    def compose(self, position: int, turn: Turn, when: datetime) -> ComposedMail:
        """Write one turn."""
        author = person_of(turn.sender)
        client = turn.client or author.client
        numbers = rng(self.seed, self.thread.key, position)
        answered = (
            None
            if turn.answers is None or not position
            else position + turn.answers
            if turn.answers < 0
            else turn.answers
        )
        before = None if answered is None else self.written[answered]
        subject = turn.subject or self.thread.subject
        if before:
            subject = style.reply_subject(client, author.language, turn.subject or before.subject)
        parties = {
            role: tuple(map(party, keys.split()))
            for role, keys in (("from", turn.sender), ("to", turn.to), ("cc", turn.cc), ("bcc", turn.bcc),
                               ("reply-to", turn.reply_to))
            if keys
        }  # fmt: skip
        body, blocks, charset, attachments = self.body(
            turn, author, client, before, when=when, numbers=numbers, subject=subject, parties=parties
        )
        own_id = style.message_id(client, parties["from"][0][1], numbers)
        chain = self.references[answered] if answered is not None else []
        self.references.append([*chain, own_id])
        local = when.astimezone(timezone(timedelta(hours=author.offset)))
        names = turn.charset.declared if turn.charset and turn.charset.codec in HEADER_CODECS else None
        names = names or "utf-8"
        headers: Headers = [("Date", format_datetime(local)), ("From", mailboxes(parties["from"], names))]
        headers += [
            (name, mailboxes(parties[role], names))
            for name, role in (("To", "to"), ("Cc", "cc"), ("Reply-To", "reply-to"))
            if role in parties
        ]
        headers.append(("Subject", words(subject, "Subject", names)))
        if turn.quirk != "no-message-id":
            headers.append(("Message-ID", own_id))
        if chain:
            headers.append(("In-Reply-To", chain[-1]))
            if client != "webmail":  # some programs send In-Reply-To alone
                headers.append(("References", "\r\n ".join(chain[-10:])))
        headers += [*style.program_headers(client, numbers), *turn.headers, ("MIME-Version", "1.0")]
        phrase = snippet(blocks)
        return ComposedMail(
            key=f"{self.thread.key}.{position}", thread=self.thread.key, parties=parties, when=local, headers=headers,
            body=body, subject=subject, snippet=phrase, charset=charset, attachments=attachments,
            quoted=snippet(style.paragraphs(self.thread.turns[answered].text)) if answered is not None and turn.charset is None else None,
            mark=turn.mark, quirk=turn.quirk, thread_link=turn.thread_link,
        )  # fmt: skip

    def body(
        self, turn: Turn, author: Person, client: str, before: Written | None, *, when: datetime, numbers: Random,
        subject: str, parties: Mapping[str, tuple[tuple[str, str], ...]],
    ) -> tuple[bytes, list[str], str, tuple[AttachmentTruth, ...]]:  # fmt: skip
        """Return content headers and body, the paragraphs of the message, the text's codec, and the attachments."""
        message = style.paragraphs(turn.text)
        blocks = message if turn.mark else message + style.signature(author, client, numbers)
        flowed = client == "thunderbird"
        own = style.wrap(blocks, 72, flowed=flowed)
        plain = own
        if before and turn.charset is None:
            line = style.attribution(client, author.language, before)
            if client == "outlook":
                plain = f"{own}\n{line}\n\n{before.plain}"
            elif flowed:
                plain = f"{line}\n{style.quote_lines(before.plain)}\n{own}"
            else:
                plain = f"{own}\n{line}\n{'>' if client == 'apple' else ''}\n{style.quote_lines(before.plain)}"
        logo = client == "outlook" and author in USERS and not turn.html
        content_id = f"{numbers.randbytes(6).hex()}@{author.key}"
        tail = f'<img width=160 height=40 src="cid:{content_id}" alt="{author.key}">' if logo else ""
        quotation = style.html_quote(client, author.language, before) if before else ""
        inner = style.html_body(client, blocks, tail + quotation)
        to = "; ".join(name for name, _ in parties["to"])
        self.written.append(Written(plain, inner, author, parties["from"][0][1], to, when, subject))
        form, more = plain_form(client, plain, numbers)
        form = turn.charset or form
        part = text_part(plain, "plain", form.codec, form.encoding, declared=form.declared, more=more)
        attached: list[AttachmentTruth] = []
        if (client in {"gmail", "outlook"} or (client == "apple" and before) or turn.html) and not turn.charset:
            page = turn.html or style.html_page(client, inner)
            web, _ = plain_form("gmail", page, numbers)
            alternatives = [part, text_part(page, "html", web.codec, web.encoding, declared="utf-8")]
            if turn.invite:
                alternatives.append(
                    text_part(
                        self.invitation(turn, when, parties).data.decode(),
                        "calendar",
                        "utf-8",
                        "base64",
                        more="; method=REQUEST",
                    )
                )
            part = multipart("alternative", alternatives, f"{numbers.randbytes(12).hex()}")
            if logo:
                part = multipart(
                    "related",
                    [part, file_part(LOGO, content_id=content_id)],
                    f"_005_{numbers.randbytes(12).hex()}_",
                    more='; type="multipart/alternative"',
                )
                attached.append(attachment(LOGO, inline=True))
        documents = [
            document(name, self.thread.key, when, naming=naming or "plain")
            for name, _, naming in (spec.partition("|") for spec in turn.files)
        ]
        if turn.invite:
            documents.append(self.invitation(turn, when, parties))
        if documents:
            part = multipart("mixed", [part, *map(file_part, documents)], f"----=_Part_{numbers.randbytes(9).hex()}")
            attached += map(attachment, documents)
        return part, message, form.codec, tuple(attached)

    def invitation(self, turn: Turn, when: datetime, parties: Mapping[str, tuple[tuple[str, str], ...]]) -> File:
        """Return the turn's invitation for three days later at ten."""
        start = (when + timedelta(days=3)).replace(hour=10, minute=0, second=0)
        guests = tuple(address for _, address in parties["to"])
        data = files.invitation(
            f"{self.thread.key}@calendar.example",
            turn.invite,
            start,
            organiser=parties["from"][0][1],
            guests=guests,
            place="Video call",
        )
        return File("invite.ics", "application/ics", data)
