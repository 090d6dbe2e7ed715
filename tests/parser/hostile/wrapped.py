"""Mail that holds something else: archives, invitations, winmail.dat, S/MIME, and pieces of mails."""

from __future__ import annotations

import base64
import io
import zipfile
from typing import Any

from tests.parser.hostile.sample import Sample, sample
from tests.parser.samples import file_part, mail, mixed, part
from tests.parser.wrappers.samples import attribute, der, signed, smime, tnef_part, winmail

_TEXT = part(b"Hello", b"Content-Type: text/plain")


def _zip_bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(5_000_000))
    return out.getvalue()


def _archives() -> dict[str, Sample]:
    bomb = _zip_bomb()
    kinds = {
        "zip": (bomb, b"application/zip", b"a.zip"),
        "zip of half": (bomb[: len(bomb) // 2], b"application/zip", b"a.zip"),
        "gzip that is none": (b"\x1f\x8b" + bytes(20), b"application/gzip", b"a.gz"),
        "office file": (bomb, b"application/vnd.openxmlformats-officedocument.wordprocessingml.document", b"a.docx"),
        "executable": (b"MZ" + bytes(100), b"application/pdf", b"a.pdf"),
    }
    return {
        f"archive: {name}": sample(mixed(_TEXT, file_part(data, kind, file)), attachments=[(file.decode(), len(data))])
        for name, (data, kind, file) in kinds.items()
    }


def _calendar(*lines: str) -> bytes:
    return "\r\n".join(
        ("BEGIN:VCALENDAR", "METHOD:REQUEST", "BEGIN:VEVENT", *lines, "END:VEVENT", "END:VCALENDAR", "")
    ).encode()


def _invitations() -> dict[str, Sample]:
    told: dict[str, tuple[bytes, str]] = {
        "without anything": (_calendar(), "Invitation: (no title)"),
        "with a title only": (_calendar("SUMMARY:Fair"), "Invitation: Fair"),
        "with a title of 10 KB": (_calendar("SUMMARY:" + "a" * 10_000), "Invitation: " + "a" * 300),
        "with line breaks in the title": (_calendar("SUMMARY:a\\nb"), "Invitation: a b"),
        "with html in the title": (_calendar("SUMMARY:<script>x</script>"), "Invitation: <script>x</script>"),
        "with a date that is none": (_calendar("SUMMARY:Fair", "DTSTART:99999999T999999Z"), "Invitation: Fair"),
        "of the year 9999": (
            _calendar("SUMMARY:Fair", "DTSTART:99991231T235959Z"),
            "Invitation: Fair\nWhen: Fri, 31 Dec 9999, 23:59 UTC",
        ),
        "that repeats for ever": (
            _calendar("SUMMARY:Fair", "DTSTART:20250303T100000Z", "RRULE:FREQ=SECONDLY"),
            "Invitation: Fair\nWhen: Mon, 3 Mar 2025, 10:00 UTC\nRepeats: yes",
        ),
        "that never ends": (b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Fair\r\n", ""),
        "nested 200 times": (b"BEGIN:VCALENDAR\r\n" * 200, ""),
        "of 5,000 lines": (_calendar("SUMMARY:Fair", *["X-A:b"] * 5_000), "Invitation: Fair"),
        "folded in every character": (_calendar("SUMMARY:" + "\r\n ".join("Fair")), "Invitation: Fair"),
        "with nul": (_calendar("SUMMARY:Fa\0ir"), "Invitation: Fair"),
        "that is text": (b"Hello", ""),
        "empty": (b"", ""),
    }
    return {
        f"invitation: {name}": sample(
            mail(data, b"Content-Type: text/calendar; method=REQUEST"),
            text=text,
            attachments=[("invite.ics", len(data))],
        )
        for name, (data, text) in told.items()
    }


def _winmail() -> dict[str, Sample]:
    sound = winmail((b"a.pdf", b"%PDF"), body=b"inner")
    shapes: dict[str, tuple[bytes, dict[str, Any]]] = {
        "sound": (sound, {"attachments": [("a.pdf", 4)]}),
        "of a path": (winmail((b"..\\..\\a.exe", b"MZ")), {"attachments": [("a.exe", 2)]}),
        "of half": (sound[:47], {"attachments": [("winmail.dat", 47)]}),
        "only its mark": (sound[:4], {"attachments": [("winmail.dat", 4)]}),
        "without its mark": (b"\0" * 100, {"attachments": [("winmail.dat", 100)]}),
        "with a length of 4 GB": (
            sound[:6] + b"\x02\x0f\x80\x06\x00\xff\xff\xff\xff",
            {"attachments": [("winmail.dat", 15)], "defects": ["tnef"]},
        ),
        "of 2,000 empty files": (winmail(*[(b"a", b"")] * 2_000), {"attachments": [("winmail.dat", 98021)]}),
        "of odd properties": (winmail(properties=b"\xff" * 100), {"attachments": [("winmail.dat", 132)]}),
        "of an attribute without a name": (
            b"\x78\x9f\x3e\x22\x01\x00" + attribute(9, 0xFFFF, b"x"),
            {"attachments": [("winmail.dat", 18)]},
        ),
    }
    return {
        f"winmail.dat {name}": sample(mixed(_TEXT, tnef_part(data)), **more) for name, (data, more) in shapes.items()
    }


def _smime() -> dict[str, Sample]:
    inner = b"Content-Type: text/plain\r\n\r\nHello"
    deep = inner
    for _ in range(100):
        deep = der(0x30, deep)
    again = inner
    for _ in range(30):
        again = (
            b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + base64.encodebytes(signed(again))
        )
    sound = signed(inner)
    shapes: dict[str, tuple[bytes, dict[str, Any]]] = {
        "sound": (sound, {"defects": ["smime-unverified"]}),
        "streamed": (signed(inner, streamed=True), {"defects": ["smime-unverified"]}),
        "of half": (sound[:30], {"text": "", "attachments": [("smime.p7m", 30)]}),
        "of a length of 4 GB": (b"\x30\x84\xff\xff\xff\xff", {"text": "", "attachments": [("smime.p7m", 6)]}),
        "of 127 length bytes": (b"\x30\xff" + bytes(200), {"text": "", "attachments": [("smime.p7m", 202)]}),
        "100 sequences deep": (deep, {"text": "", "attachments": [("smime.p7m", len(deep))]}),
        "empty": (b"", {"text": "", "attachments": [("smime.p7m", 0)]}),
        "10,000 indefinite lengths": (b"\x30\x80" * 10_000, {"text": "", "attachments": [("smime.p7m", 20_000)]}),
        "of nothing": (signed(b""), {"text": "", "attachments": [("smime.p7m", 41)]}),
        "signed 30 times": (
            signed(again),
            {"text": "", "attachments": [("attachment-1.p7m", 8521)], "defects": ["smime-unverified"]},
        ),
    }
    return {f"s/mime {name}": sample(smime(data), **more) for name, (data, more) in shapes.items()}


def _elsewhere() -> dict[str, Sample]:
    partial: dict[str, tuple[bytes, str]] = {
        "of a number": (b"; number=2; total=3; id=x", "This mail was sent in pieces: part 2 of 3."),
        "without a number": (b"", "This mail was sent in pieces: part ?."),
        "of a negative number": (b"; number=-1; total=0", "This mail was sent in pieces: part -1 of 0."),
        "of a large number": (b"; number=" + b"9" * 100, "This mail was sent in pieces: part 999999999."),
        "of html": (b'; number="<b>1</b>"', "This mail was sent in pieces: part <b>1</b>."),
    }
    external: dict[str, tuple[bytes, str]] = {
        "of a url": (
            b"; access-type=URL; URL=http://evil.example/x",
            "A file is kept elsewhere (url): http://evil.example/x.",
        ),
        "of a local file": (
            b'; access-type=local-file; name="/etc/passwd"',
            "A file is kept elsewhere (local-file): /etc/passwd.",
        ),
        "of nothing": (b"", "A file is kept elsewhere (unknown)."),
        "of a command": (b'; access-type=mail-server; server="x; rm -rf /"', "A file is kept elsewhere (mail-server)."),
        "of a long url": (
            b"; access-type=url; url=" + b"a" * 10_000,
            "A file is kept elsewhere (url): " + "a" * 300 + ".",
        ),
    }
    file_of = {"of a local file": "passwd"}
    found = {
        f"partial {name}": sample(
            mail(b"x\r\n", b"Content-Type: message/partial" + more), text=told, attachments=[("part-of-a-mail.eml", 3)]
        )
        for name, (more, told) in partial.items()
    }
    return found | {
        f"external {name}": sample(
            mail(b"x\r\n", b"Content-Type: message/external-body" + more),
            text=told,
            attachments=[(file_of.get(name, "kept-elsewhere.txt"), 3)],
        )
        for name, (more, told) in external.items()
    }


SAMPLES = _archives() | _invitations() | _winmail() | _smime() | _elsewhere()
