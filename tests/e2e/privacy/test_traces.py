"""The search for traces finds each form, planted by the standard library's own encoders."""

from __future__ import annotations

import base64
import hashlib
import json
import quopri
from email.header import Header
from email.message import EmailMessage
from urllib.parse import quote_from_bytes

import pytest

from tests.e2e.privacy.traces import Traces, gathered, new_canary

WORD = "q7canary3word1x"
ADDRESS = f"{WORD}@private.example"


def wrapped(text: bytes) -> bytes:
    """Return base64 in lines of 20 characters, as no mail program does."""
    coded = base64.b64encode(text)
    return b"\r\n".join(coded[at : at + 20] for at in range(0, len(coded), 20))


def quoted(text: str) -> bytes:
    """Return the text in quoted-printable with a soft line break in its middle."""
    coded = quopri.encodestring(text.encode())
    return coded[: len(coded) // 2] + b"=\r\n" + coded[len(coded) // 2 :]


def mail() -> bytes:
    """Return a mail with the word in nothing but an attachment and an encoded name."""
    message = EmailMessage()
    message["From"] = "a@b.example"
    message.set_content("nothing")
    message.add_attachment(b"\x00" + WORD.encode(), maintype="application", subtype="octet-stream")
    return message.as_bytes()


PLANTED = {
    "plain": WORD.encode(),
    "upper case": WORD.upper().encode(),
    "mixed case": WORD.title().encode(),
    "base64": base64.b64encode(WORD.encode()),
    "base64, one before": base64.b64encode(b"1" + WORD.encode() + b" and more"),
    "base64, two before": base64.b64encode(b"12" + WORD.encode() + b" and more"),
    "base64 in lines": wrapped(b"before " + WORD.encode() + b" behind"),
    "base64url": base64.urlsafe_b64encode(b"???" + WORD.encode()),
    "encoded word": Header(f"é {WORD}", "utf-8").encode().encode(),
    "quoted-printable": quoted(f"é {WORD} é"),
    "all quoted": "".join(f"={byte:02X}" for byte in WORD.encode()).encode(),
    "percent": quote_from_bytes(WORD.encode(), safe="").encode(),
    "all percent": "".join(f"%{byte:02x}" for byte in WORD.encode()).encode(),
    "utf-16": WORD.encode("utf-16"),
    "utf-16 base64": base64.b64encode(WORD.encode("utf-16-be")),
    "json": json.dumps({"a": f"é{WORD}"}).encode(),
    "folded": f"Subject: {WORD[:6]}\r\n {WORD[6:]}".encode(),
    "attachment": mail(),
    "hex": WORD.encode().hex().encode(),
    "md5": hashlib.md5(ADDRESS.encode()).hexdigest().encode(),
    "sha1 of lower case": hashlib.sha1(ADDRESS.lower().encode()).digest(),
    "sha256, cut off": hashlib.sha256(ADDRESS.encode()).hexdigest()[:24].encode(),
    "sha256, upper case": hashlib.sha256(ADDRESS.encode()).hexdigest().upper().encode(),
    "sha256, base64": base64.b64encode(hashlib.sha256(ADDRESS.encode()).digest()),
    "mark without key": hashlib.sha256(b"address\0" + ADDRESS.encode()).digest()[:16],
}


@pytest.mark.parametrize("form", PLANTED)
def test_finds_each_form(form: str) -> None:
    """A word in any form, in the middle of other bytes, is found."""
    found = Traces([WORD], [ADDRESS]).of("here", b"\x01\x02before" + PLANTED[form] + b"behind\xff\x00")
    assert found, form


def test_finds_nothing_in_clean_bytes() -> None:
    """Random canaries are not found in bytes without them, nor is a similar word."""
    word = new_canary()
    noise = hashlib.shake_256(b"noise").digest(1_000_000) + WORD.encode() * 10
    assert Traces([word], [f"{word}@private.example"]).of("noise", noise) == []


def test_gathering_loses_nothing() -> None:
    """Contents of one place are joined, those of different places are not."""
    joined = list(gathered([("a", b"1"), ("a", b"2"), ("b", b"3"), ("a", b"4")]))
    assert joined == [("a", b"1\x002"), ("b", b"3"), ("a", b"4")]
