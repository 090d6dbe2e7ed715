"""Attachments: which parts they are, their names, their content."""

from __future__ import annotations

import base64
import hashlib

import pytest

from schemas.raw_mail import split_raw
from tests.parser.samples import content, mail, mixed, multipart, parsed, part

TEXT = part(b"Hello", b"Content-Type: text/plain")


def attached(*fields: bytes, body: bytes = b"data") -> bytes:
    """Return a mail with a text and one more part."""
    return mixed(TEXT, part(body, *fields))


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (b'attachment; filename="offer.pdf"', "offer.pdf"),
        (b"attachment; filename=my offer.pdf", "my offer.pdf"),  # not quoted, against the RFC
        (b"attachment; filename*=utf-8''Gr%C3%BC%C3%9Fe.pdf", "Grüße.pdf"),  # RFC 2231
        (b"attachment; filename*0*=utf-8''Gr%C3%BC; filename*1=sse; filename*2*=%2Epdf", "Grüsse.pdf"),
        (b"attachment; filename=\"x.pdf\"; filename*=utf-8''%C3%BC.pdf", "ü.pdf"),  # the better one wins
        (b'attachment; filename="=?utf-8?q?Gr=C3=BC=C3=9Fe.pdf?="', "Grüße.pdf"),  # against RFC 2047 section 5
        ('attachment; filename="Grüße.pdf"'.encode(), "Grüße.pdf"),
        ('attachment; filename="Grüße.pdf"'.encode("latin-1"), "Grüße.pdf"),
        (b'attachment; filename="../../etc/passwd"', "passwd"),
        (b'attachment; filename="C:\\temp\\offer.pdf"', "offer.pdf"),
        (b'attachment; filename="say \\"hi\\".pdf"', "say _hi_.pdf"),
        (b"attachment; filename*=utf-8''invoice%E2%80%AEfdp.exe", "invoicefdp.exe"),  # bidirectional override
        (b"attachment; filename*=utf-8''a%0D%0Ab%00.pdf", "a b.pdf"),
        (b'attachment; filename="..."', "attachment-1.pdf"),
        (b"attachment", "attachment-1.pdf"),
        (b"attachment filename=offer.pdf", "offer.pdf"),  # a semicolon is missing
        (b"Attachment  filename*=utf-8''%C3%BC.pdf", "ü.pdf"),
        (b"attachment; name=offer.pdf", "offer.pdf"),  # the parameter of the type
        (b'attachment; filename="' + b"x" * 300 + b'.pdf"', "x" * 196 + ".pdf"),
    ],
)
def test_name_is_decoded_and_harmless(disposition: bytes, name: str) -> None:
    """A file name is decoded in all its forms, and can be neither a path nor a trick."""
    (attachment,) = content(
        attached(b"Content-Type: application/pdf", b"Content-Disposition: " + disposition)
    ).attachments
    assert attachment.name == name


def test_the_name_may_be_in_the_content_type() -> None:
    """Without a disposition the name parameter of the type counts."""
    (attachment,) = content(attached(b'Content-Type: application/pdf; name="a.pdf"')).attachments
    assert (attachment.name, attachment.media_type) == ("a.pdf", "application/pdf")


@pytest.mark.parametrize("reference", [b'"cid:logo@x"', b"cid:logo@x", b'"cid:logo%40x"', b"'CID:logo@x'"])
def test_image_in_the_html_is_inline_however_it_is_referred_to(reference: bytes) -> None:
    """Quotes are often left out, and the @ is often escaped (RFC 2392)."""
    html = part(b"<p>Hi<img src=" + reference + b" alt=x>", b"Content-Type: text/html")
    image = part(
        b"PNG", b"Content-Type: image/png", b"Content-ID: <logo@x>", b"Content-Disposition: attachment; filename=a.png"
    )
    body, field = multipart(b"related", html, image)
    assert [one.inline for one in content(mail(body, field)).attachments] == [True]


def test_content_is_stored_by_its_hash() -> None:
    """The decoded content is handed over under its SHA-256."""
    data = bytes(range(256)) * 10
    raw = attached(
        b"Content-Type: application/octet-stream",
        b"Content-Transfer-Encoding: base64",
        b"Content-Disposition: attachment",
        body=base64.encodebytes(data).replace(b"\n", b"\r\n"),
    )
    found = parsed(raw)
    (attachment,) = found.content.attachments
    assert attachment.sha256 == hashlib.sha256(data).hexdigest()
    assert attachment.size == len(data)
    head, body = split_raw(raw)
    assert found.blobs == {attachment.sha256: data, found.head: head}
    assert (found.head, found.content.raw) == tuple(hashlib.sha256(each).hexdigest() for each in (head, body))


def test_image_that_the_html_shows_is_inline() -> None:
    """An image that the HTML refers to is inline whatever its disposition; another one is not."""
    html = part(b'<img src="cid:logo@x">', b"Content-Type: text/html")
    shown = part(b"png", b"Content-Type: image/png", b"Content-ID: <logo@x>", b"Content-Disposition: attachment")
    other = part(b"png2", b"Content-Type: image/png", b"Content-ID: <other@x>", b"Content-Disposition: attachment")
    found = content(mixed(html, shown, other, kind=b"related"))
    assert [(each.content_id, each.inline) for each in found.attachments] == [("logo@x", True), ("other@x", False)]


def test_attached_mail_is_one_attachment_named_for_its_subject() -> None:
    """A mail within a mail is not read for text; its parts are not attachments of the outer one."""
    inner = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nsecret of the inner mail"
    found = content(attached(b"Content-Type: message/rfc822", body=inner))
    assert found.text == "Hello"
    assert [(each.name, each.media_type) for each in found.attachments] == [("Grüße.eml", "message/rfc822")]


@pytest.mark.parametrize(
    ("media_type", "name"),
    [
        (b"application/ms-tnef; name=winmail.dat", "winmail.dat"),
        (b"application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m", "smime.p7m"),
        (b"application/pgp-encrypted", "attachment-1.asc"),
        (b"text/calendar; method=REQUEST; charset=utf-8", "invite.ics"),
        (b"text/rfc822-headers", "attachment-1.txt"),
        (b"image/png", "attachment-1.png"),
        (b"application/x-unheard-of", "attachment-1.bin"),
    ],
)
def test_other_types_are_plain_attachments(media_type: bytes, name: str) -> None:
    """TNEF, S/MIME, PGP, calendars: kept as they are, with a name."""
    (attachment,) = content(attached(b"Content-Type: " + media_type)).attachments
    assert attachment.name == name


def test_mail_that_is_a_file_has_no_text() -> None:
    """A mail whose only part is a file is an attachment without text."""
    found = content(mail(b"%PDF", b"Content-Type: application/pdf; name=a.pdf"))
    assert (found.text, [each.name for each in found.attachments]) == ("", ["a.pdf"])


def test_text_with_a_name_is_an_attachment_after_the_first() -> None:
    """The first text is the mail; a later one with a name is a file."""
    found = content(attached(b"Content-Type: text/plain; name=log.txt"))
    assert (found.text, [each.name for each in found.attachments]) == ("Hello", ["log.txt"])


def test_nested_multiparts_are_walked() -> None:
    """The usual shape of a mail with image and file: mixed of related of alternative."""
    alternative, alternative_type = multipart(
        b"alternative",
        part(b"plain", b"Content-Type: text/plain"),
        part(b'<p>rich<img src="cid:i">', b"Content-Type: text/html"),
        boundary=b"alt",
    )
    image = part(b"png", b"Content-Type: image/png", b"Content-ID: <i>")
    related, related_type = multipart(b"related", part(alternative, alternative_type), image, boundary=b"alt-rel")
    found = content(mixed(part(related, related_type), part(b"pdf", b"Content-Type: application/pdf; name=a.pdf")))
    assert (found.text, found.html) == ("plain", '<p>rich<img src="cid:i">')
    assert [(each.name, each.inline) for each in found.attachments] == [("attachment-1.png", True), ("a.pdf", False)]


@pytest.mark.parametrize(
    "broken",
    [
        mixed(TEXT, TEXT).replace(b"------=_Part_7--", b""),  # no end
        mixed(TEXT, TEXT).replace(b'; boundary="----=_Part_7"', b""),  # no boundary parameter
        mixed(TEXT, TEXT).replace(b'boundary="----=_Part_7"', b'boundary="other"'),  # a wrong one
        mixed(TEXT, TEXT).replace(b"------=_Part_7\r\n", b"------=_Part_7  \t\r\n"),  # transport padding
        mixed(TEXT, TEXT).replace(b"\r\n", b"\n"),
        mixed(TEXT, TEXT).replace(b"multipart/mixed", b"multipart/*"),
        mixed(TEXT, TEXT).replace(b"multipart/mixed", b"Multipart/Unheard-Of"),
    ],
)
def test_broken_multipart_is_still_split(broken: bytes) -> None:
    """A multipart is read also when its boundaries are not what they should be."""
    assert content(broken).text == "Hello\n\nHello"


def test_boundary_that_begins_another_is_not_taken_for_it() -> None:
    """A line with a longer boundary does not end a part."""
    inner, inner_type = multipart(b"mixed", TEXT, boundary=b"abc-def")
    body, outer_type = multipart(b"mixed", part(inner, inner_type), TEXT, boundary=b"abc")
    assert content(mail(body, outer_type)).text == "Hello\n\nHello"
