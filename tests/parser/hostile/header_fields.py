"""Fields of the header with bytes that do not belong there, too many and too long ones, and ids."""

from __future__ import annotations

from typing import Any

from services.parser.mime import limits
from tests.parser.hostile.sample import Sample, sample
from tests.parser.samples import HEAD, mail, with_field

_ODD = {
    "nul": b"\0",
    "bare cr": b"\r",
    "tab": b"\t",
    "escape": b"\x1b",
    "delete": b"\x7f",
    "form feed": b"\f",
    "backspace": b"\b",
}
_LETTERS = {"utf-8": "ü".encode(), "latin-1": b"\xfc", "utf-8 in nfd": "u\u0308".encode()}
_TRACE = (
    b"Received",
    b"X-Mailer",
    b"DKIM-Signature",
    b"Comments",
    b"Keywords",
    b"List-Id",
    b"Return-Path",
    b"MIME-Version",
)

_BELOW = "Hello\n\n" + HEAD.decode().replace("\r\n", "\n").strip()
_NOTHING: dict[str, Any] = {
    "subject": "",
    "from": [],
    "names": [],
    "to": [],
    "date": None,
    "message_id": None,
    "text": "",
}


def _in_subjects() -> dict[str, Sample]:
    found = {
        f"subject with {name} inside": sample(with_field(b"Subject", b"Of" + odd + b"fer"), subject="Of fer")
        for name, odd in _ODD.items()
    }
    found |= {
        f"subject with {name} at its {end}": sample(
            with_field(b"Subject", odd + b"Offer" if end == "start" else b"Offer" + odd)
        )
        for name, odd in _ODD.items()
        for end in ("start", "end")
    }
    return found


def _of_8_bits() -> dict[str, Sample]:
    found: dict[str, Sample] = {}
    for name, letter in _LETTERS.items():
        defects = ["charset:undeclared"] if name == "latin-1" else []
        found[f"subject in {name}"] = sample(
            with_field(b"Subject", b"F" + letter + b"r Sie"), subject="Für Sie", defects=defects
        )
        found[f"name in {name}"] = sample(
            with_field(b"From", b"J" + letter + b"rg <joerg@client.example>"),
            names=["Jürg" if "nfd" not in name else "Ju\u0308rg"],
            defects=defects,
        )
        found[f"comment in {name}"] = sample(with_field(b"To", b"anna@acme.example (" + letter + b")"), defects=defects)
        found |= {
            f"{field.decode()} in {name}": sample(mail(b"Hello\r\n", field + b": a" + letter)) for field in _TRACE
        }
    return found


def _of_ids() -> dict[str, Sample]:
    own = {
        "crlf injected": (b"<a@b.example>\r\nBcc: <eve@evil.example>", "a@b.example", {"bcc": ["eve@evil.example"]}),
        "folded injection": (b"<a@b.example>\r\n Bcc: <eve@evil.example>", "a@b.example", {}),
        "bare cr injection": (b"<a@b.example>\rBcc: <eve@evil.example>", "a@b.example", {}),
        "100 KB": (b"<" + b"a" * 100_000 + b"@b.example>", "a" * limits.MESSAGE_ID, {}),
        "no brackets": (b"a@b.example", "a@b.example", {}),
        "no at sign": (b"<abc>", "abc", {}),
        "empty brackets": (b"<>", None, {}),
        "spaces inside": (b"< a @ b.example >", "a@b.example", {}),
        "nul inside": (b"<a\0@b.example>", "a@b.example", {}),
        "two ids": (b"<a@b.example> <c@d.example>", "a@b.example", {}),
        "brackets in brackets": (b"<<a@b.example>>", "a@b.example", {}),
        "never closed": (b"<a@b.example", "a@b.example", {}),
        "a path": (b"<../../etc/passwd@b.example>", "../../etc/passwd@b.example", {}),
        "html": (b"<script>alert(1)</script>", "script", {}),
        "quotes": (b'<"a b"@c.example>', '"ab"@c.example', {}),
    }
    found = {
        f"message-id: {name}": sample(with_field(b"Message-ID", value), message_id=identifier, **more)
        for name, (value, identifier, more) in own.items()
    }
    answered = {
        "in prose": (b"Your message of Monday", None),
        "in prose with an address": (b"Mail of anna@acme.example, Monday", None),
        "two of them": (b"<a@b.example> <c@d.example>", "a@b.example"),
        "empty": (b"", None),
        "100 KB of brackets": (b"<" * 100_000, None),
        "crlf in it": (b"<a\r\n b@c.example>", "ab@c.example"),
    }
    found |= {
        f"in-reply-to: {name}": sample(mail(b"Hello\r\n", b"In-Reply-To: " + value), in_reply_to=identifier)
        for name, (value, identifier) in answered.items()
    }
    thousand = [f"{number}@b.example" for number in range(1_000)]
    found["references: a thousand"] = sample(
        mail(b"Hello\r\n", b"References: " + " ".join(f"<{one}>" for one in thousand).encode()),
        references=[thousand[0], *thousand[-99:]],
        truncated=True,
    )
    found["references: one id a thousand times"] = sample(
        mail(b"Hello\r\n", b"References: " + b"<a@b.example>\r\n " * 1_000), references=["a@b.example"]
    )
    found["references: itself"] = sample(
        mail(b"Hello\r\n", b"References: <offer-1@client.example>"), references=["offer-1@client.example"]
    )
    return found


def _of_sizes() -> dict[str, Sample]:
    return {
        "subject of 100 KB": sample(
            with_field(b"Subject", b"a" * 100_000), subject="a" * limits.SUBJECT, truncated=True
        ),
        "subject of 300 KB in folds": sample(
            with_field(b"Subject", b"\r\n a" * 75_000), subject="a " * 499, truncated=True
        ),
        "subject of spaces": sample(with_field(b"Subject", b" " * 50_000), subject=""),
        "2,000 fields before the usual ones": sample(
            b"X-A: b\r\n" * 2_000 + mail(),
            truncated=True,
            subject="",
            from_=[],
            names=[],
            to=[],
            date=None,
            message_id=None,
        ),
        "600 KB of fields behind the usual ones": sample(
            HEAD + b"X-A: " + b"b" * 600_000 + b"\r\n\r\nHello", truncated=True
        ),
        "field name of 100 KB": sample(
            HEAD + b"X" * 100_000 + b": b\r\n\r\nHello", defects=["header-line"], text="X" * 100_000 + ": b\n\nHello"
        ),
        "field without a name": sample(HEAD + b": b\r\nX-A: b\r\n\r\nHello", defects=["header-line"]),
        "field without a colon": sample(HEAD + b"Bcc eve@evil.example\r\nX-A: b\r\n\r\nHello", defects=["header-line"]),
        "field name with nul": sample(
            HEAD + b"B\0cc: eve@evil.example\r\nX-A: b\r\n\r\nHello", defects=["header-line"]
        ),
        "no body": sample(HEAD, text=""),
        "nothing but line ends": sample(b"\r\n" * 100, **_NOTHING),
        "nothing": sample(b"", **_NOTHING),
        "one byte": sample(b"\xfc", **_NOTHING | {"text": "ü"}, defects=["charset:undeclared", "header-line"]),
        "only nul": sample(b"\0" * 100, **_NOTHING, defects=["header-line"]),
        "body in front of the header": sample(
            b"Hello\r\n\r\n" + HEAD, **_NOTHING | {"text": _BELOW}, reply="Hello", defects=["header-line"]
        ),
        "lines that end in cr": sample(mail().replace(b"\r\n", b"\r")),
        "lines that end in lf": sample(mail().replace(b"\r\n", b"\n")),
        "lines that end in cr cr lf": sample(mail().replace(b"\r\n", b"\r\r\n")),
        "mbox line in front": sample(b"From joerg Mon Mar  3 10:11:10 2025\r\n" + mail()),
        "two subjects": sample(mail(b"Hello\r\n", b"Subject: Other")),
        "two dates": sample(mail(b"Hello\r\n", b"Date: Tue, 4 Mar 2025 10:00:00 +0000")),
        "two message-ids": sample(mail(b"Hello\r\n", b"Message-ID: <other@client.example>")),
        "names in odd case": sample(mail().replace(b"Subject", b"sUBJECT").replace(b"From", b"FROM")),
        "spaces before the colon": sample(mail().replace(b"Subject:", b"Subject \t :")),
        "no space behind the colon": sample(mail().replace(b": ", b":")),
    }


SAMPLES = _in_subjects() | _of_8_bits() | _of_ids() | _of_sizes()
