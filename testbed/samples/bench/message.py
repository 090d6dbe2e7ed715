"""One benchmark message: headers as real mail has them (2 to 4 KB where mail was received), and a body of a wanted size."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.header import Header
from random import Random
from time import gmtime, strftime

from testbed.samples.bench.people import OWNER_ADDRESS, OWNER_NAME, Correspondent
from testbed.samples.bench.text import BASE64_LINE, PARAGRAPHS, THINGS, Prose, base64_lines, prose, quoted_printable
from testbed.samples.model import rng

MAX_BYTES = 1_048_576
LINE = 77
HOSTS = 240
SUBJECTS = (
    "Offer for {}", "Question about {}", "{}: next steps", "Invoice and {}", "Minutes: {}", "Update on {}", "Appointment, {}",
    "Rückfrage zu {}", "Delivery for {}", "{} (urgent)",
)  # fmt: skip
ATTACHMENTS = (
    ("application/pdf", "Document {}.pdf", b"%PDF-1.7\n%"), ("image/jpeg", "IMG_{}.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "Table {}.xlsx", b"PK\x03\x04\x14\x00"),
    ("application/zip", "Archive-{}.zip", b"PK\x03\x04\x0a\x00"),
)  # fmt: skip
PLAIN, ALTERNATIVE, LOGO, HTML, MIXED = "plain", "alternative", "logo", "html", "mixed"
KINDS = (PLAIN, ALTERNATIVE, LOGO, HTML, MIXED)
WEIGHTS = (28, 45, 8, 6, 13)
# Median bytes of a whole message, and sigma of the logarithm, by kind.
SIZES = {PLAIN: (5_000, 0.4), ALTERNATIVE: (8_200, 0.5), LOGO: (14_000, 0.4), HTML: (30_000, 0.6), MIXED: (68_000, 1.2)}


@dataclass(slots=True)
class Conversation:
    """A conversation: its people (the counterpart first), its subject, the Message-IDs so far."""

    people: Sequence[Correspondent]
    subject: str
    relevant: bool
    ids: list[str] = field(default_factory=list)


class MessageMaker:
    """Makes messages (LF line ends) from blocks that are built once for a seed."""

    def __init__(self, seed: int) -> None:
        self.prose: Prose = prose(seed)
        self.base64 = base64_lines(seed)
        self.lines = len(self.base64) // LINE
        numbers = rng(seed, "bench hosts")
        self.hops = [
            f"Received: from relay{n}.{numbers.randbytes(4).hex()}.example ([198.51.100.{n}])\n"
            f"        by mx{n % 7}.{numbers.randbytes(4).hex()}.example (Postfix) with ESMTPS id "
            for n in range(HOSTS)
        ]
        self.names = {OWNER_ADDRESS: f"{OWNER_NAME} <{OWNER_ADDRESS}>"}
        self.logos = [self.base64[n * 90 * LINE : (n + 1) * 90 * LINE] for n in range(40)]
        self.subjects = [pattern.format(thing) for pattern in SUBJECTS for thing in THINGS]

    def named(self, person: Correspondent) -> str:
        """Return the person as in an address header."""
        known = self.names.get(person.address)
        if known is None:
            name = person.name if person.name.isascii() else Header(person.name, "utf-8").encode()
            known = self.names[person.address] = f"{name} <{person.address}>"
        return known

    def signature(self, numbers: Random) -> str:
        """Return 344 characters of base64 (a 2048-bit signature) in folded lines."""
        start = numbers.randrange(self.lines - 6) * LINE
        return self.base64[start : start + 5 * LINE].decode().replace("\n", "\n         ")[:-10]

    def trace(self, sender: Correspondent, token: str, seconds: int, numbers: Random) -> str:
        """Return what transport adds: 5 to 10 Received lines, DKIM, and ARC on three mails of ten."""
        domain = sender.address.partition("@")[2]
        moment = strftime("%a, %d %b %Y %H:%M:%S +0000", gmtime(seconds + 3))
        first = numbers.randrange(HOSTS)
        hops = "".join(
            f"{self.hops[(first + hop) % HOSTS]}{token[hop : hop + 12]}\n        for <{OWNER_ADDRESS}>; {moment}\n"
            for hop in range(numbers.randrange(5, 11))
        )
        results = (f"mx.bench-company.example; dkim=pass header.i=@{domain} header.s=s1;\n"
                   f"       spf=pass (domain of {sender.address} designates 198.51.100.7 as permitted sender)\n"
                   f"       smtp.mailfrom={sender.address}; dmarc=pass (p=QUARANTINE) header.from={domain}")  # fmt: skip
        arc = "" if numbers.random() < 0.7 else (  # noqa: PLR2004 - three in ten
            f"ARC-Seal: i=1; a=rsa-sha256; t={seconds}; cv=none; d=relay.example; s=arc-2026;\n"
            f"        b={self.signature(numbers)}\n")  # fmt: skip
        return (
            f"Return-Path: <{sender.address}>\nDelivered-To: {OWNER_ADDRESS}\n{hops}{arc}"
            f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s=s1; t={seconds};\n"
            f"        h=from:to:subject:date:message-id:mime-version:content-type;\n"
            f"        bh={token[:43]}=;\n        b={self.signature(numbers)}\n"
            f"Authentication-Results: {results}\nX-Spam-Status: No, score=-1.{first % 10} required=5.0\n"
        )

    def message(self, number: int, thread: Conversation, *, sent: bool, seconds: int, numbers: Random) -> bytes:
        """Return the next message of a thread, from the counterpart or (``sent``) from the owner.

        Args:
            number: unique within the mailbox; part of Message-ID and text.
            thread: its list of ids grows by one.
            sent: no trace headers then.
            seconds: Unix time of the Date header.
            numbers: source of every choice.
        """
        token = numbers.randbytes(32).hex()
        counterpart = thread.people[0]
        me = Correspondent(OWNER_NAME, OWNER_ADDRESS)
        author, reader = (me, counterpart) if sent else (counterpart, me)
        copies = ",\n        ".join(self.named(person) for person in thread.people[1:])
        own_id = f"<{number:06d}.{token[:20]}@{author.address.partition('@')[2]}>"
        trace = "" if sent else self.trace(author, token, seconds, numbers)
        references = "\n        ".join(thread.ids[-10:])
        subject = f"Re: {thread.subject}" if thread.ids else thread.subject
        head = (
            f"{trace}Date: {strftime('%a, %d %b %Y %H:%M:%S +0000', gmtime(seconds))}\nFrom: {self.named(author)}\n"
            f"To: {self.named(reader)}\n{f'Cc: {copies}' + chr(10) if copies else ''}"
            f"Subject: {subject if subject.isascii() else Header(subject, 'utf-8').encode()}\nMessage-ID: {own_id}\n"
            f"{f'In-Reply-To: {thread.ids[-1]}{chr(10)}References: {references}{chr(10)}' if thread.ids else ''}"
            f"MIME-Version: 1.0\nX-Mailer: Bench Mail 16.0.{number % 40}\nX-Priority: 3\n"
        ).encode()
        thread.ids.append(own_id)
        kind = numbers.choices(KINDS, WEIGHTS)[0]
        median, sigma = SIZES[kind]
        wanted = min(median * numbers.lognormvariate(0, sigma), MAX_BYTES - 24_000)
        hello = (
            f"Dear {reader.name},\n\nthis is about {thread.subject}, our reference BN-{number:06d}-{token[20:28]}.\n\n"
        )
        return head + self.body(kind, hello, token, max(int(wanted) - len(head), 400), numbers)

    def body(self, kind: str, hello: str, token: str, wanted: int, numbers: Random) -> bytes:
        """Return content headers and body of about ``wanted`` bytes; ``hello`` makes it different from every other."""
        first = numbers.randrange(PARAGRAPHS)
        if kind == PLAIN:
            text = self.prose.plain
            run = text.run(first, self.prose.end(first, wanted, text))
            return (
                b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n" + hello.encode() + run
            )
        if kind == HTML:
            return self.html(hello, first, self.prose.end(first, wanted, self.prose.html))
        if kind == ALTERNATIVE:
            return self.alternative(hello, token, first, wanted)
        if kind == LOGO:
            logo = self.logos[first % len(self.logos)]
            inner = self.alternative(hello, token, first, wanted - len(logo))
            image = (f'Content-Type: image/png; name="logo.png"\nContent-Transfer-Encoding: base64\nContent-ID: <logo@{token[:8]}>\n'
                     'Content-Disposition: inline; filename="logo.png"\n\n').encode() + logo  # fmt: skip
            return multipart("related", [inner, image], f"r_{token[28:52]}")
        text_bytes = min(wanted // 3, 5000)
        parts = [self.alternative(hello, token, first, text_bytes)]
        count = numbers.choice((1, 1, 1, 2))
        parts += [self.attached(token, each, (wanted - text_bytes) // count, numbers) for each in range(count)]
        return multipart("mixed", parts, f"m_{token[28:52]}")

    def html(self, hello: str, first: int, last: int) -> bytes:
        """Return an HTML part with content headers."""
        return (
            b"Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n"
            + quoted_printable(f"<html><body><p>{hello.replace(chr(10) * 2, '<br>' + chr(10))}</p>\n")
            + self.prose.html.run(first, last)
            + b"</body></html>\n"
        )

    def alternative(self, hello: str, token: str, first: int, wanted: int) -> bytes:
        """Return text and HTML of the same words."""
        last = self.prose.end(first, wanted - 700, self.prose.quoted, self.prose.html)
        text = (b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n"
                + quoted_printable(hello) + self.prose.quoted.run(first, last))  # fmt: skip
        return multipart("alternative", [text, self.html(hello, first, last)], f"a_{token[:24]}")

    def attached(self, token: str, position: int, wanted: int, numbers: Random) -> bytes:
        """Return a unique attachment: its first line has the token, the rest is a run of the random lines."""
        kind, name, magic = numbers.choice(ATTACHMENTS)
        count = min(max(wanted // LINE, 3), self.lines - 1)
        start = numbers.randrange(self.lines - count) * LINE
        first = base64.b64encode((magic + f"{position}{token}".encode()).ljust(BASE64_LINE, b" ")[:BASE64_LINE])
        name = name.format(token[:4])
        head = (f'Content-Type: {kind};\n name="{name}"\nContent-Transfer-Encoding: base64\n'
                f'Content-Disposition: attachment;\n filename="{name}"\n\n').encode()  # fmt: skip
        return head + first + b"\n" + self.base64[start : start + count * LINE]


def multipart(subtype: str, parts: Sequence[bytes], boundary: str) -> bytes:
    """Return a multipart with content headers; each part ends in a newline."""
    mark = b"--" + boundary.encode()
    body = b"".join(mark + b"\n" + part for part in parts)
    return f'Content-Type: multipart/{subtype};\n boundary="{boundary}"\n\n'.encode() + body + mark + b"--\n"
