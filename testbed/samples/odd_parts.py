"""Mail with unusual trees of parts: HTML only, images only, signed, attached messages, a bounce."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime

from testbed.samples import style
from testbed.samples.company import DOMAIN
from testbed.samples.files import File, document, png
from testbed.samples.model import AttachmentTruth, SampleMail, rng
from testbed.samples.odd_mail import OddMailWriter
from testbed.samples.post import party
from testbed.samples.wire import file_part, head, message_part, multipart, text_part
from testbed.samples.write import attachment


def structures(writer: OddMailWriter) -> Iterator[SampleMail]:
    """Yield unusual part trees: HTML only, images only, signed, attached messages, text after an attachment."""
    photo = File("Ballast panel.png", "image/png", png(320, 200, 150, 60, 40))
    text = (
        "Hola Anna,\n\nthe opening is on the 21st and the whole valley is coming. You and Luc are invited, of course."
    )
    page = style.html_page("apple", style.html_body("apple", style.paragraphs(text), (
        '<img src="https://img.andesbrewing.example/invitation.jpg?to=anna" width="480" height="300">')))  # fmt: skip
    yield writer.received(
        "html-only",
        "ramirez",
        "anna",
        "You are invited",
        text,
        days=7.2,
        body=text_part(page, "html", "utf-8", "quoted-printable"),
    )
    text = "Hi Luc,\n\nthis is the ballast panel with the new labels, somebody has a sense of humour."
    page = style.html_page("apple", style.html_body("apple", style.paragraphs(text), '<img src="cid:panel@fjordline">'))
    related = multipart(
        "related",
        [text_part(page, "html", "utf-8", "quoted-printable"), file_part(photo, content_id="panel@fjordline")],
        "Apple-Mail-0C1F",
    )
    composed = writer.compose("inline-image-only", "halvorsen", "luc", "Panel labels", text, days=31.3, body=related)
    yield writer.deliver(replace(composed, attachments=(attachment(photo, inline=True),)), "luc")
    text = "Luc,\n\nsigned as you asked: the reference gauge was recalibrated on Monday, deviation 0.3 mbar."
    signature = File("signature.asc", "application/pgp-signature", (
        b"-----BEGIN PGP SIGNATURE-----\n\niQEzBAEBCAAdFiEE2vYxk0b1\n=9dXf\n-----END PGP SIGNATURE-----\n"))  # fmt: skip
    signed = multipart(
        "signed",
        [text_part(writer.plain("okafor", text), "plain", "utf-8", "quoted-printable"), file_part(signature)],
        "sig-7Qk2",
        more='; micalg=pgp-sha256; protocol="application/pgp-signature"',
    )
    composed = writer.compose("pgp-signed", "okafor", "luc", "Reference gauge", text, days=25.4, body=signed)
    yield writer.deliver(replace(composed, attachments=(attachment(signature),)), "luc")
    text = (
        "Bonjour Luc,\n\nvoici le plan, puis la liste. Le plan d'abord, parce que la liste ne se comprend pas sans lui."
    )
    plan = document("Plan salle 3.pdf", "odd", writer.now)
    between = multipart(
        "mixed",
        [
            text_part(writer.plain("dubois", text), "plain", "utf-8", "quoted-printable"),
            file_part(plan),
            text_part("Et n'oubliez pas les manches longues.\n", "plain", "utf-8", "7bit"),
        ],
        "Apple-Mail-55A0",
    )
    composed = writer.compose(
        "text-after-attachment", "dubois", "luc", "Plan de la salle 3", text, days=33.2, body=between
    )
    yield writer.deliver(replace(composed, attachments=(attachment(plan),)), "luc")
    scan = File("IMG_4411.png", "image/png", png(260, 260, 90, 90, 70))
    composed = writer.compose(
        "attachment-only", "becker", "anna", "Schacht 7", "IMG_4411", days=52.3, body=file_part(scan)
    )
    yield writer.deliver(replace(composed, snippet="", attachments=(attachment(scan),)), "anna", "Archive")
    large = File("Scan usine complet.bin", "application/octet-stream", rng(writer.seed, "scan").randbytes(450_000))
    composed = writer.compose("large", "dubois", "luc", "Scan complet de l'installation", (
        "Bonjour Luc,\n\nle scan complet pèse un peu lourd, dites-moi s'il est passé."), days=20.2, files=(large,))  # fmt: skip
    yield writer.deliver(composed, "luc")


def forwards(writer: OddMailWriter) -> Iterator[SampleMail]:
    """Yield attached messages: a colleague's forward, a client's with a file name, and a bounce (RFC 3464)."""
    original = writer.compose("forwarded-original", "svoboda", "anna", "Readings from Domažlice", (
        "Dear Anna,\n\nthe readings from Domažlice are in the sheet, please look at line 14 before you laugh."),
        days=34.1, files=(document("Domažlice.csv", "odd", writer.now),))  # fmt: skip
    first = writer.deliver(original, "anna")
    yield first
    truth = hashlib.sha256(first.raw).hexdigest()
    for quirk, sender, to, name, text in (
        ("attached-message", "anna", "luc", None, "Luc,\n\nlook at line 14 of Jana's sheet. Is that the sensor or the beer?"),
        ("attached-message-named", "svoboda", "luc anna", "Readings from Domazlice.eml",
         "Dear Luc,\n\nAnna says you want the original with all headers, it is attached as a message."),
    ):  # fmt: skip
        body = multipart(
            "mixed",
            [
                text_part(writer.plain(sender, text), "plain", "utf-8", "quoted-printable"),
                message_part(first.raw, name),
            ],
            f"=_{quirk}",
        )
        composed = writer.compose(quirk, sender, to, "Fwd: Readings from Domažlice", text, days=33.9, body=body)
        composed = replace(composed, attachments=(AttachmentTruth(name, "message/rfc822", truth),))
        if sender == "anna":
            yield writer.deliver(composed, "anna", "Sent")
        else:
            yield writer.deliver(composed, "anna")
        yield writer.deliver(composed, "luc")
    text = ("This is the mail system at host mx1.\n\nYour message could not be delivered to one or more recipients. "
            "The domain of the address no longer exists.")  # fmt: skip
    status = (f"Reporting-MTA: dns; mx1.{DOMAIN}\r\nArrival-Date: {format_datetime(writer.now - timedelta(days=36))}\r\n\r\n"
              "Final-Recipient: rfc822; cdubois@ancien-labo.example\r\nAction: failed\r\nStatus: 5.1.2\r\n"
              "Diagnostic-Code: X-Postfix; Host or domain name not found\r\n").encode()  # fmt: skip
    headers = (f"From: Luc Moreau <{party('luc')[1]}>\r\nTo: cdubois@ancien-labo.example\r\nSubject: Certificats\r\n"
               "Message-ID: <bounced-1@northwind-instruments.example>\r\n").encode()  # fmt: skip
    report = multipart("report", [
        text_part(style.wrap(style.paragraphs(text), 76), "plain", "us-ascii", "7bit"),
        head([("Content-Description", "Delivery report"), ("Content-Type", "message/delivery-status")]) + b"\r\n" + status,
        head([("Content-Type", "text/rfc822-headers")]) + b"\r\n" + headers,
    ], f"bounce/mx1.{DOMAIN}", more="; report-type=delivery-status")  # fmt: skip
    composed = writer.compose("bounce", "luc", "luc", "Undelivered Mail Returned to Sender", text, days=35.9, body=report, headers=[
        ("From", f"Mail Delivery System <MAILER-DAEMON@{DOMAIN}>"), ("Auto-Submitted", "auto-replied")], mark="bounce")  # fmt: skip
    daemon = {
        "from": (("Mail Delivery System", f"MAILER-DAEMON@{DOMAIN}"),),
        "to": (party("luc"),),
        "sender": (party("dubois/1"),),
    }
    yield writer.deliver(replace(composed, parties=daemon, charset="us-ascii"), "luc")
