"""The mail of a team (``testbed.samples.bench.team``): threads over several mailboxes, from a seed, with what makes sharing hard.

Copies of one mail in several mailboxes, twice in one mailbox, Bcc that only the sender's copy has, mail among colleagues,
mail that concerns no record, replies from unknown addresses, Message-IDs used twice, none at all, and large attachments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from email.header import Header
from random import Random
from time import gmtime, strftime

from testbed.samples.bench.mailbox import LAST_MOMENT
from testbed.samples.bench.message import KINDS, WEIGHTS, MessageMaker
from testbed.samples.bench.people import Correspondent
from testbed.samples.bench.team import OWN, Team, TeamRecord
from testbed.samples.model import rng

FOLDERS = ("INBOX", "Archive", "Projects/Harbour")
SENT = "Sent"
SECONDS_APART = 900
LARGE = 400_000
"""Bytes of the large ones: more than travels through a queue."""
KNOWN, LATE, INTERNAL, PRIVATE = "known", "late", "internal", "private"


@dataclass(frozen=True, slots=True)
class TeamMail:
    """A mail, and where its copies are.

    Attributes:
        copies: (colleague, folder, raw with CRLF); one for an inbox may also be delivered later.
        seconds: when it was sent, Unix time.
    """

    copies: tuple[tuple[str, str, bytes], ...]
    seconds: int


@dataclass(slots=True)
class _Thread:
    colleagues: Sequence[Correspondent]
    others: Sequence[Correspondent]
    subject: str
    nameless: Correspondent | None
    """Who answers without naming anybody: an assistant with an address that is in no record."""
    left: int
    ids: list[str] = field(default_factory=list)


def team_mail(team: Team, *, seed: int, mails: int) -> Iterator[TeamMail]:
    """Yield so many mails, oldest first; of each there are one to four copies."""
    numbers, maker = rng(seed, "team mail", mails), MessageMaker(seed)
    writer = _Writer(team, maker, numbers)
    threads: list[_Thread] = []
    for number in range(mails):
        if not threads or numbers.random() < 0.35:  # noqa: PLR2004 - a third begins a thread
            threads.append(writer.begin())
        thread = numbers.choice(threads[-40:])
        seconds = LAST_MOMENT - (mails - number) * SECONDS_APART + numbers.randrange(SECONDS_APART)
        yield writer.mail(number, thread, seconds)
        thread.left -= 1
        if thread.left <= 0:
            threads.remove(thread)


class _Writer:
    def __init__(self, team: Team, maker: MessageMaker, numbers: Random) -> None:
        self._team = team
        self._maker = maker
        self._numbers = numbers
        self._keys = {address: each.key for each in team.colleagues for address in each.addresses}
        self._used: list[str] = []
        """Message-IDs so far."""

    def begin(self) -> _Thread:
        """Return a new thread."""
        numbers, team = self._numbers, self._team
        kind = numbers.choices((KNOWN, LATE, INTERNAL, PRIVATE), (55, 12, 8, 25))[0]
        colleagues = numbers.sample(
            team.colleagues, min(numbers.choices((1, 2, 3), (60, 28, 12))[0], len(team.colleagues))
        )
        own = [Correspondent(each.name, numbers.choice(each.addresses)) for each in colleagues]
        others = self._others(kind)
        return _Thread(
            colleagues=own,
            others=others,
            subject=numbers.choice(self._maker.subjects),
            nameless=numbers.choice(team.strangers) if numbers.random() < 0.25 else None,  # noqa: PLR2004 - a quarter
            left=numbers.randrange(1, 7),
        )

    def _others(self, kind: str) -> list[Correspondent]:
        numbers, team = self._numbers, self._team
        if kind == INTERNAL:
            return [Correspondent("Front desk", f"desk@{OWN}")]
        if kind == PRIVATE:
            return numbers.sample(team.strangers, numbers.randrange(1, 3))
        records: Sequence[TeamRecord] = team.known if kind == KNOWN else team.late
        people = numbers.sample(team.outside(records), numbers.choices((1, 2), (75, 25))[0])
        if numbers.random() < 0.2:  # noqa: PLR2004 - one in five also has an unknown participant
            people.append(numbers.choice(team.strangers))
        return people

    def mail(self, number: int, thread: _Thread, seconds: int) -> TeamMail:
        """Return the next mail of a thread."""
        numbers = self._numbers
        nameless = thread.nameless is not None and bool(thread.ids) and numbers.random() < 0.5  # noqa: PLR2004 - half
        everybody = [*thread.colleagues, *thread.others]
        author = thread.nameless if nameless and thread.nameless else numbers.choice(everybody)
        readers = list(thread.colleagues) if nameless else [each for each in everybody if each != author]
        bcc: list[Correspondent] = []
        if author.address in self._keys and numbers.random() < 0.1:  # noqa: PLR2004 - one in ten of their own
            bcc.append(
                numbers.choice(
                    [*self._team.outside(self._team.known), *(c.correspondent for c in self._team.colleagues)]
                )
            )
        message_id: str | None = f"<{number:06d}.{numbers.randbytes(8).hex()}@{author.address.partition('@')[2]}>"
        chance = numbers.random()
        # A stub that takes the Message-ID of another mail belongs to no thread, because mails never refer to each other in a circle.
        stub = chance < 0.02 and bool(self._used)  # noqa: PLR2004 - one in fifty
        if stub:
            message_id = numbers.choice(self._used)
        elif chance < 0.04:  # noqa: PLR2004 - one in fifty
            message_id = None
        ids = () if stub else thread.ids
        head = self._head(number, thread.subject, ids, author, readers, message_id, seconds)
        body = self._body(number, reader=readers[0])
        if message_id is not None and not stub:
            thread.ids.append(message_id)
            self._used.append(message_id)
        return TeamMail(tuple(self._copies(author, readers, bcc, head, body, seconds)), seconds)

    def _head(  # noqa: PLR0917 - what a header is made of
        self,
        number: int,
        subject: str,
        ids: Sequence[str],
        author: Correspondent,
        readers: Sequence[Correspondent],
        message_id: str | None,
        seconds: int,
    ) -> bytes:
        subject = f"Re: {subject}" if ids else subject
        to, cc = readers[:1], readers[1:]
        lines = [
            f"Date: {strftime('%a, %d %b %Y %H:%M:%S +0000', gmtime(seconds))}",
            f"From: {self._maker.named(author)}",
            f"To: {', '.join(map(self._maker.named, to))}",
            *([f"Cc: {(',' + chr(10) + chr(9)).join(map(self._maker.named, cc))}"] if cc else []),
            f"Subject: {subject if subject.isascii() else Header(subject, 'utf-8').encode()}",
            *([f"Message-ID: {message_id}"] if message_id else []),
            *([f"In-Reply-To: {ids[-1]}"] if ids else []),
            *(["References: " + "\n\t".join(ids[-8:])] if ids else []),
            "MIME-Version: 1.0",
            f"X-Mailer: Team Mail {number % 7}",
        ]
        return ("\n".join(lines) + "\n").encode()

    def _body(self, number: int, *, reader: Correspondent) -> bytes:
        numbers = self._numbers
        token = numbers.randbytes(32).hex()
        hello = f"Dear {reader.name},\n\nour reference TM-{number:06d}-{token[:8]}.\n\n"
        if numbers.random() < 0.004:  # noqa: PLR2004 - one in 250
            return self._maker.body("mixed", hello, token, LARGE, numbers)
        kind = numbers.choices(KINDS, WEIGHTS)[0]
        return self._maker.body(kind, hello, token, int(min(2_500 * numbers.lognormvariate(0, 0.6), 40_000)), numbers)

    def _copies(  # noqa: PLR0917 - a mail in its parts
        self,
        author: Correspondent,
        readers: Sequence[Correspondent],
        bcc: Sequence[Correspondent],
        head: bytes,
        body: bytes,
        seconds: int,
    ) -> Iterator[tuple[str, str, bytes]]:
        numbers = self._numbers
        if sender := self._keys.get(author.address):
            blind = f"Bcc: {', '.join(each.address for each in bcc)}\n".encode() if bcc else b""
            yield sender, SENT, _crlf(blind + head + body)
        receivers = dict.fromkeys(key for each in (*readers, *bcc) if (key := self._keys.get(each.address)))
        for key in receivers:
            if key == sender:
                continue
            moment = strftime("%a, %d %b %Y %H:%M:%S +0000", gmtime(seconds + 2))
            trace = (
                f"Return-Path: <{author.address}>\nDelivered-To: {key}@{OWN}\n"
                f"Received: from relay.example by mx.{OWN} with ESMTPS id {numbers.randbytes(5).hex()}\n\tfor <{key}@{OWN}>; {moment}\n"
            ).encode()
            raw = _crlf(trace + head + body)
            folder = numbers.choices(FOLDERS, (70, 20, 10))[0]
            yield key, folder, raw
            if numbers.random() < 0.06:  # noqa: PLR2004 - some keep a second copy
                yield key, numbers.choice([each for each in FOLDERS if each != folder]), raw


def _crlf(raw: bytes) -> bytes:
    return raw.replace(b"\n", b"\r\n")
