"""Mail with unusual headers, the same mail delivered twice, and the hostile mail."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from testbed.samples.files import File, document
from testbed.samples.model import SampleMail
from testbed.samples.odd_mail import OddMailWriter
from testbed.samples.post import party
from testbed.samples.wire import file_part, mailboxes, multipart, text_part


def addressing(writer: OddMailWriter) -> Iterator[SampleMail]:
    """Yield unusual headers: raw UTF-8, raw Latin-1, upper case, groups, two From, no Message-ID, no Date."""
    yield writer.received(
        "utf8-headers",
        "mueller",
        "anna",
        "Prüfstand: Grüße aus Freiburg",
        "Hallo Frau Brandt,\n\nder Stand läuft seit drei Wochen ohne Murren, die Tür haben wir trotzdem verbreitert.",
        days=17.1,
        headers=[
            ("From", "Jörg Müller <joerg@müller-prüftechnik.example>"),
            ("Subject", "Prüfstand: Grüße aus Freiburg"),
        ],
    )
    yield writer.received(
        "latin1-header",
        "schmid",
        "anna",
        "Käse für das Büro",
        "Grüezi Frau Brandt\n\nwir legen der nächsten Sendung einen halben Laib bei, bitte kühl und nicht zu trocken lagern.",
        days=10.2,
        headers=[("Subject", "Käse für das Büro".encode("latin-1").decode("utf-8", "surrogateescape"))],
    )
    yield writer.received(
        "upper-case-address",
        "halvorsen",
        "anna",
        "INSPECTION ON MONDAY",
        "Anna,\n\nexcuse the capitals, the terminal on board knows nothing else. The class inspector comes on Monday.",
        days=56.1,
        headers=[("From", '"HALVORSEN, INGRID" <INGRID.HALVORSEN@FJORDLINE-MARINE.EXAMPLE>')],
        folder="Archive",
    )
    yield writer.deliver(
        replace(
            writer.compose(
                "undisclosed-recipients",
                "lefevre",
                "luc",
                "Les vendanges commencent",
                "Chers amis,\n\nles vendanges commencent lundi, le chai sera fermé aux visites jusqu'au 5 octobre.",
                days=42.3,
                headers=[("To", "undisclosed-recipients:;")],
            ),
            parties={"from": (party("lefevre"),)},
        ),
        "luc",
    )
    two = [("From", f"{mailboxes((party('kowalska'),))}\r\nFrom: Billing <billing@polmet-invoices.example>")]
    yield writer.received(
        "double-from",
        "kowalska",
        "helen",
        "Correction of delivery address",
        "Dear Helen,\n\nplease note that deliveries go to gate 4 from next week, gate 2 is closed for repairs.",
        days=27.2,
        headers=two,
    )
    yield writer.received(
        "no-message-id",
        "grant",
        "helen",
        "scan from the yard",
        "Delivery note for the six, signed.\n\nThe scanner sends this by itself, no need to answer.",
        days=32.1,
        headers=[("Message-ID", "")],
        files=(document("Scan0001.pdf", "odd", writer.now),),
    )
    yield writer.received(
        "no-date",
        "okonkwo",
        "luc",
        "Station log, week 31",
        "Log of the week, sent by the station itself.\n\nAll six meters within limits, pump 2 started 41 times.",
        days=61.2,
        headers=[("Date", "")],
        folder="Archive",
    )
    long = ("Re: Fwd: Re: Minutes of the meeting about the minutes of the previous meeting, with remarks by Žofie, Jörg and "
            "Camille, and the agenda for the next one in Plzeň")  # fmt: skip
    yield writer.received(
        "long-subject",
        "svoboda",
        "anna",
        long,
        "Dear Anna,\n\nI am sorry about the subject line, it has grown. The only decision is: Thursday at nine.",
        days=8.4,
    )
    for name in ("../../../../etc/cron.d/northwind", "..\\..\\Startup\\invoice.pdf", "invoice_\u202efdp.exe"):
        quirk = "file-name-" + hashlib.sha256(name.encode()).hexdigest()[:4]
        strange = File(name, "application/octet-stream", b"harmless\n", "rfc2231" if not name.isascii() else "plain")
        yield writer.received(quirk, "kowalska", "helen", "Fwd: strange attachment", (
            "Dear Helen,\n\nwe received this in your name. I suppose it is not from you, please have a look with care."),
            days=24.5, files=(strange,))  # fmt: skip


def duplicates(writer: OddMailWriter) -> Iterator[SampleMail]:
    """Yield one mail three times: delivered twice to INBOX by a retrying relay, and copied to Archive by its reader."""
    composed = writer.compose("duplicate", "svoboda", "anna", "Order 2026-118: two CAL-1", (
        "Dear Anna,\n\nwe order two CAL-1 with firmware 4.2 and the discount for gloves, delivery to Plzeň."),
        days=9.1, files=(document("Objednávka 118.pdf", "odd", writer.now),))  # fmt: skip
    for folder, delivery in (("INBOX", "1"), ("INBOX", "2"), ("Archive", "1")):
        yield writer.deliver(composed, "anna", folder, delivery=delivery)


def hostile(writer: OddMailWriter) -> SampleMail:
    """Return one mail (under 2 MB) that wants to break its reader, under a known contact's name.

    1,200 nested multiparts, 6,000 tiny parts, a subject of 2,500 encoded-words with CR LF in one of them, an attachment
    that climbs directories.
    """
    bomb = "\r\n ".join(["=?utf-8?q?Invoice=0D=0ABcc=3A_everyone=40northwind-instruments.example?="]
                        + ["=?iso-8859-1?q?=41=42?= =?utf-8?b?QUI=?="] * 1250)  # fmt: skip
    inner = text_part("Please pay today.\n", "plain", "us-ascii", "7bit")
    for depth in range(1200):
        inner = b'Content-Type: multipart/mixed; boundary="n%d"\r\n\r\n--n%d\r\n%s\r\n--n%d--\r\n' % (
            depth,
            depth,
            inner,
            depth,
        )
    tiny = [b"Content-Type: text/plain\r\n\r\n%d" % number for number in range(6000)]
    climbing = file_part(File("../../../../home/leadmail/.ssh/authorized_keys", "text/plain", b"ssh-ed25519 AAAA\n"))
    body = multipart("mixed", [*tiny, climbing, inner], "hostile")
    composed = writer.compose("hostile", "halvorsen", "anna", "Invoice", "Please pay today.", days=3.3, body=body,
                         headers=[("Subject", bomb)], mark="hostile")  # fmt: skip
    return writer.deliver(replace(composed, charset="us-ascii"), "anna")
