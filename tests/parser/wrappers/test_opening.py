"""What winmail.dat and S/MIME hold is shown as if it had been sent plainly."""

from __future__ import annotations

import struct

import pytest

from services.parser.content.parse import parse_mail
from tests.parser.samples import ACCOUNT, RECEIVED, content, mail, mixed, multipart, part
from tests.parser.wrappers.samples import attribute, der, indefinite, signed, smime, tnef_part, winmail

FILE = (b"drawing.pdf", b"%PDF-1.4 drawing")
ENTITY = b"Content-Type: text/plain; charset=utf-8\r\n\r\nWe order 40 units.\r\n"
TEXT = part(b"The drawings are attached.", b"Content-Type: text/plain")


def test_files_of_winmail_dat_are_attachments() -> None:
    """The files take its place; its text is shown only where the mail has no other."""
    found = content(mixed(TEXT, tnef_part(winmail(FILE, (b"b.txt", b"b"), body=b"The drawings are attached."))))
    assert found.text == "The drawings are attached."
    assert [(one.name, one.media_type, one.size) for one in found.attachments] == [
        ("drawing.pdf", "application/pdf", 16),
        ("b.txt", "text/plain", 1),
    ]
    alone = content(mixed(tnef_part(winmail(FILE, body="Grüße".encode("cp1252")))))
    assert (alone.text, [one.name for one in alone.attachments]) == ("Grüße", ["drawing.pdf"])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (b"winmail.dat", b"application/octet-stream"),
        (b"x.dat", b"application/vnd.ms-tnef"),
        (b"", b"application/ms-tnef"),
    ],
)
def test_winmail_dat_is_known_by_type_or_name(name: bytes, kind: bytes) -> None:
    """Servers change its type."""
    found = content(mixed(TEXT, tnef_part(winmail(FILE), name=name, kind=kind)))
    assert [one.name for one in found.attachments] == ["drawing.pdf"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no TNEF at all",
        b"\x78\x9f\x3e\x22",
        winmail(FILE)[:40],
        winmail(),
        winmail(properties=b"\xff" * 60),
        b"\x78\x9f\x3e\x22\x01\x00" + attribute(2, 0x800F, b"data before its file begins"),
    ],
)
def test_what_is_no_winmail_dat_stays_an_attachment(data: bytes) -> None:
    """What cannot be opened is served as it is."""
    found = content(mixed(TEXT, tnef_part(data)))
    assert (found.text, [one.name for one in found.attachments]) == ("The drawings are attached.", ["winmail.dat"])


def test_hostile_winmail_dat_is_not_opened() -> None:
    """Empty attributes, each of which costs the library a copy of the rest, stay in their wrapper when there are too many."""
    many = mixed(TEXT, tnef_part(winmail(FILE) + attribute(1, 0x8006, b"\0\0") * 40_000))
    found = content(many)
    assert (found.text, [one.name for one in found.attachments]) == ("The drawings are attached.", ["winmail.dat"])
    assert found.marks.defects == ("tnef",)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "kind", [b"application/pkcs7-mime; smime-type=signed-data", b"application/x-pkcs7-mime; name=smime.p7m"]
)
def test_signed_mail_is_shown(kind: bytes, streamed: bool) -> None:
    """The content of opaque S/MIME is the mail, and it is said that nobody checked the signature."""
    found = content(smime(signed(ENTITY, streamed=streamed), kind))
    assert (found.text, found.snippet, found.attachments) == ("We order 40 units.", "We order 40 units.", ())
    assert found.marks.signed
    assert found.marks.defects == ("smime-unverified",)


def test_files_of_signed_mail_are_attachments() -> None:
    """What is signed may be a multipart, or another signed mail."""
    inner = mixed(TEXT, part(b"%PDF", b"Content-Type: application/pdf; name=a.pdf"))
    entity = inner[inner.index(b"Content-Type: multipart") :]
    found = content(smime(signed(entity)))
    assert (found.text, [one.name for one in found.attachments]) == ("The drawings are attached.", ["a.pdf"])
    nested = signed(b"Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n\r\n" + signed(ENTITY))
    assert content(smime(nested)).text == "We order 40 units."


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30\x82\x01",
        signed(ENTITY)[:60],
        signed(b""),
        der(
            0x30, bytes.fromhex("06092a864886f70d010702"), der(0xA0, der(0x30, der(0x02, b"\1"), der(0x31)))
        ),  # signature alone
        indefinite(0x30, b"\x30\x80" * 5_000),
        b"\x30\x84\xff\xff\xff\xff" * 50,
        b"\x1f" * 1_000,
    ],
)
def test_what_is_not_signed_stays_an_attachment(data: bytes) -> None:
    """A signature alone, and broken data are served as they are."""
    found = content(smime(data))
    assert (found.text, [one.name for one in found.attachments]) == ("", ["smime.p7m"])
    assert not found.marks.signed


def test_opening_changes_no_key() -> None:
    """An email is known by what was sent: a mail that is read more carefully, without opening, is the same email."""
    for raw in (smime(signed(ENTITY)), mixed(TEXT, tnef_part(winmail(FILE)))):
        careful = parse_mail(raw, account=ACCOUNT, internal_date=RECEIVED, careful=True)
        plain = parse_mail(raw, account=ACCOUNT, internal_date=RECEIVED)
        assert careful.former_key == plain.former_key
        assert len(careful.content.attachments) == 1


def test_signed_in_the_clear_says_so() -> None:
    """A signature beside the text is one, too."""
    raw = mixed(TEXT, part(b"x", b"Content-Type: application/pgp-signature"), kind=b"signed; protocol=x")
    assert content(raw).marks.signed
    assert not content(mail()).marks.signed


@pytest.mark.parametrize("oid", ["06092a864886f70d010703", "060b2a864886f70d0109100117"])
def test_encrypted_mail_is_named(oid: str) -> None:
    """Its reader learns that it is encrypted, and can save it; nothing of its octets is shown as text."""
    found = content(smime(der(0x30, bytes.fromhex(oid), der(0xA0, der(0x30, der(0x02, b"\0"))))))
    assert found.text == found.snippet == "Encrypted mail (S/MIME): only its recipients can read it."
    assert [one.name for one in found.attachments] == ["smime.p7m"]
    body, field = multipart(
        b"encrypted", part(b"Version: 1", b"Content-Type: application/pgp-encrypted"), part(b"x", b"Content-Type: a/b")
    )
    assert content(mail(body, field)).text == "Encrypted mail (OpenPGP): only its recipients can read it."


HELLO = bytes.fromhex(
    "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
)
"""The example of MS-OXRTFCP section 4.1."""


def rich(rtf: bytes) -> bytes:
    """Return RTF that is not compressed, with the header that compressed RTF has."""
    return struct.pack("<II4sI", len(rtf) + 12, len(rtf), b"MELA", 0) + rtf


@pytest.mark.parametrize(
    ("rtf", "text"),
    [
        (HELLO, "hello world"),
        (rich(rb"{\rtf1{\fonttbl{\f0 Arial;}}\f0 Gr\'fc\'dfe\par 40\~\u8364?\tab\{ok\}}"), "Grüße\n40\xa0€\t{ok}"),
        (
            rich(rb"{\rtf1\fromhtml1{\*\htmltag64 <p>}\htmlrtf {\htmlrtf0 We order\htmlrtf\par}\htmlrtf0}"),
            "We order",
        ),
        (HELLO[:40], "hello"),
        (b"no RTF at all", ""),
    ],
)
def test_compressed_rtf_is_text(rtf: bytes, text: str) -> None:
    """Outlook's winmail.dat without another text has its text in RTF."""
    data = struct.pack("<I", 1) + struct.pack("<HHII", 0x0102, 0x1009, 1, len(rtf)) + rtf + bytes(-len(rtf) % 4)
    found = content(mixed(tnef_part(winmail(FILE, properties=data))))
    assert found.text.rstrip("\x00").startswith(text)
    assert bool(found.text) == bool(text)
