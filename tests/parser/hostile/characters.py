"""Characters that nobody sees, that turn the direction, or that no text should have, in every place."""

from __future__ import annotations

from typing import Any

from tests.parser.hostile.sample import Sample, sample
from tests.parser.samples import mail, mixed, part, with_field

_IN_TEXT: dict[str, tuple[str, str]] = {
    "nul": ("He\0llo", "Hello"),
    "escape": ("\x1b[31mHello", "[31mHello"),
    "backspace": ("Hellox\b", "Hellox"),
    "bell": ("Hello\a", "Hello"),
    "delete": ("Hello\x7f", "Hello"),
    "next line": ("a\x85b", "a\nb"),
    "line separator": ("a\u2028b", "a\nb"),
    "paragraph separator": ("a\u2029b", "a\nb"),
    "form feed": ("a\fb", "a\nb"),
    "vertical tab": ("a\vb", "a\nb"),
    "bare cr": ("a\rb", "a\nb"),
    "cr cr lf": ("a\r\r\nb", "a\n\nb"),
    "one zero width space": ("He\u200bllo", "He\u200bllo"),
    "100 zero width spaces": ("Hello" + "\u200b" * 100 + "there", "Hello there"),
    "filler with spaces": ("Hello" + "\u200c\u00a0" * 100 + "there", "Hello there"),
    "100 soft hyphens": ("Hello" + "\u00ad" * 100 + "there", "Hello there"),
    "a byte order mark within": ("He\ufeffllo", "He\ufeffllo"),
    "right-to-left override": ("\u202eolleH", "\u202eolleH"),
    "isolates": ("\u2066Hello\u2069", "\u2066Hello\u2069"),
    "tags": ("Hello\U000e0041", "Hello\U000e0041"),
    "1,000 marks on a letter": ("e" + "\u0301" * 1_000, "e" + "\u0301" * 1_000),
    "a noncharacter": ("Hello\uffff", "Hello\uffff"),
    "private characters": ("Hello\ue000", "Hello\ue000"),
    "replacement characters": ("Hello\ufffd", "Hello\ufffd"),
    "c1 controls": ("Hello\x80\x9f", "Hello"),
    "an emoji of many": ("👩‍👩‍👧‍👦", "👩‍👩‍👧‍👦"),
}

_IN_SUBJECT: dict[str, tuple[str, str]] = {
    "right-to-left override": ("\u202eOffer", "\u202eOffer"),
    "zero width": ("Of\u200bfer", "Of\u200bfer"),
    "line separator": ("Of\u2028fer", "Of fer"),
    "next line": ("Of\x85fer", "Of fer"),
    "no-break spaces": ("Of\u00a0\u00a0fer", "Of fer"),
    "ideographic space": ("Of\u3000fer", "Of fer"),
    "a byte order mark": ("\ufeffOffer", "\ufeffOffer"),
    "letters with marks apart": ("Gru\u0308ße", "Grüße"),
    "1,000 marks on a letter": ("e" + "\u0327" * 900, "\u0229" + "\u0327" * 899),
    "tags": ("Offer\U000e0041", "Offer\U000e0041"),
    "full-width": ("Ｏｆｆｅｒ", "Ｏｆｆｅｒ"),
}


def _in_types() -> dict[str, Sample]:
    inside: dict[str, Any] = {"attachments": [("attachment-1.pdf", 4)]}
    file = part(b"%PDF", b"Content-Type: application/pdf", b"Content-ID: <a\0b@c>", b"Content-Disposition: inline")
    return {
        "nul in a content-id": sample(mixed(part(b"Hello", b"Content-Type: text/plain"), file), **inside),
        "nul in a disposition": sample(mail(b"Hello\r\n", b"Content-Disposition: in\0line")),
        "override in a disposition": sample(mail(b"Hello\r\n", "Content-Disposition: \u202einline".encode())),
    }


SAMPLES: dict[str, Sample] = {
    **{
        f"text: {name}": sample(mail(text.encode(), b"Content-Type: text/plain; charset=utf-8"), text=read)
        for name, (text, read) in _IN_TEXT.items()
    },
    **{
        f"subject: {name}": sample(with_field(b"Subject", text.encode()), subject=read)
        for name, (text, read) in _IN_SUBJECT.items()
    },
    **_in_types(),
}
