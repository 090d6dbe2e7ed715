"""Automatic answers, bounces, lists."""

from __future__ import annotations

import pytest

from tests.parser.samples import content, mail, multipart, part, with_field


@pytest.mark.parametrize(
    ("raw", "automatic"),
    [
        (mail(), False),
        (mail(b"x", b"Auto-Submitted: auto-replied"), True),
        (mail(b"x", b"Auto-Submitted: auto-generated; owner=x"), True),
        (mail(b"x", b"Auto-Submitted: no"), False),
        (mail(b"x", b"X-Autoreply: yes"), True),
        (mail(b"x", b"Precedence: auto_reply"), True),
        (with_field(b"Subject", b"Automatic reply: Offer"), True),
        (with_field(b"Subject", "Réponse automatique : Offer".encode()), True),
        (with_field(b"Subject", b"Re: Automatic reply: Offer"), False),
    ],
)
def test_automatic_answers_are_marked(raw: bytes, automatic: bool) -> None:
    """RFC 3834's field, its older forms, and the usual subjects."""
    assert content(raw).marks.auto_reply is automatic


@pytest.mark.parametrize(
    ("raw", "listed"),
    [
        (mail(), False),
        (mail(b"x", b"List-Id: <news.x.example>"), True),
        (mail(b"x", b"List-Unsubscribe: <mailto:u@x.example>"), True),
        (mail(b"x", b"Precedence: list"), True),
        (mail(b"x", b"Precedence: bulk"), True),
        (mail(b"x", b"Precedence: bulk", b"Auto-Submitted: auto-replied"), False),
    ],
)
def test_lists_are_marked(raw: bytes, listed: bool) -> None:
    """RFC 2919, RFC 2369, and Precedence."""
    assert content(raw).marks.mailing_list is listed


def report(action: bytes, recipient: bytes = b"rfc822; Gone@x.example") -> bytes:
    """Return a delivery status notification."""
    status = (
        b"Reporting-MTA: dns; mx.acme.example\r\n\r\n"
        b"Final-Recipient: " + recipient + b"\r\nAction: " + action + b"\r\nStatus: 5.1.1\r\n"
    )
    body, field = multipart(
        b"report; report-type=delivery-status",
        part(b"It could not be delivered.", b"Content-Type: text/plain"),
        part(status, b"Content-Type: message/delivery-status"),
        part(b"Subject: Offer\r\n\r\nHello", b"Content-Type: message/rfc822"),
    )
    return mail(body, field)


@pytest.mark.parametrize(
    ("raw", "bounce", "bounced"),
    [
        (report(b"failed"), True, ("gone@x.example",)),
        (report(b"Failed (user unknown)"), True, ("gone@x.example",)),
        (report(b"failed", b"RFC822;<gone@x.example>"), True, ("gone@x.example",)),
        (report(b"delayed"), True, ()),
        (report(b"delivered"), False, ()),
        (
            mail(b"x", b"X-Failed-Recipients: gone@x.example, gone2@x.example"),
            True,
            ("gone@x.example", "gone2@x.example"),
        ),
        (mail(b"Delivery of gone@x.example failed"), False, ()),  # a person may write about it
    ],
)
def test_bounces_are_marked_with_their_addresses(raw: bytes, bounce: bool, bounced: tuple[str, ...]) -> None:
    """A delivery status notification says whom it could not reach; one of success is no bounce."""
    marks = content(raw).marks
    assert (marks.bounce, marks.bounced) == (bounce, bounced)


@pytest.mark.parametrize(
    "text",
    [
        (
            b"Hi. This is the qmail-send program at mx.x.example.\r\n\r\n<gone@x.example>:\r\nno mailbox here by that name.\r\n\r\n"
            b"--- Below this line is a copy of the message.\r\n\r\nTo: other@x.example"
        ),
        (
            b"   ----- The following addresses had permanent fatal errors -----\r\n<gone@x.example>\r\n\r\n"
            b"   ----- Transcript of session follows -----\r\n550 other@x.example"
        ),
        b"A message that you sent could not be delivered:\r\n\r\n  gone@x.example\r\n    unknown user\r\n",
        b"Invalid final delivery userid: gone@x.example\r\n\r\nOriginal message follows.\r\n\r\nTo: other@x.example",
    ],
)
def test_older_bounces_are_read_from_their_text(text: bytes) -> None:
    """qmail, sendmail, Exim and others write the address into their prose."""
    head = (
        b"From: MAILER-DAEMON@mx.x.example\r\nTo: anna@acme.example\r\nSubject: failure notice\r\n"
        b"Message-ID: <b@x.example>\r\n"
    )
    marks = content(mail(text, head=head)).marks
    assert (marks.bounce, marks.bounced) == (True, ("gone@x.example",))
