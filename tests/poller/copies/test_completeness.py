"""Whether a mail came as a whole, by its form and by the size that the server announced."""

from __future__ import annotations

import pytest

from services.poller.copies.completeness import lacking

PARTS = b'From: a@b.test\r\nContent-Type: multipart/mixed;\r\n boundary="=_x"\r\n\r\n--=_x\r\n\r\n' + b"text\r\n" * 100
TEXT = b"From: a@b.test\r\nContent-Type: text/plain; boundary=none\r\n\r\n" + b"text\r\n" * 1_000
CASES = {
    "all of it": (TEXT, len(TEXT), False),
    "more than announced": (TEXT, 10, False),
    "a size that is a little wrong": (TEXT, len(TEXT) + 1_000, False),
    "half of it": (TEXT, len(TEXT) * 2, True),
    "all parts, whatever the size": (PARTS + b"--=_x--\r\n", 1_000_000, False),
    "all parts and a footer": (PARTS + b"--=_x--\r\n" + b"footer\r\n" * 20, 1_000_000, False),
    "no end of the parts": (PARTS, len(PARTS) + 1, True),
    "no end of the parts, as announced": (PARTS, len(PARTS), False),
    "a boundary without quotes": (PARTS.replace(b'"=_x"', b"=_x") + b"--=_x--", 1_000_000, False),
    "nothing readable": (b"\xff" * 10_000, 20_000, True),
}


@pytest.mark.parametrize("name", CASES)
def test_a_mail_is_whole_if_its_form_says_so(name: str) -> None:
    """The end of the last part decides; without parts the announced size does, which is a hint."""
    raw, announced, short = CASES[name]
    assert lacking(raw, raw, len(raw), announced) == (max(0, announced - len(raw)) if short else 0)
