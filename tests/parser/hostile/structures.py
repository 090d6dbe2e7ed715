"""Boundaries that lie, parts within parts, and mails that are cut anywhere."""

from __future__ import annotations

from typing import Any

from services.parser.mime import limits
from tests.parser.hostile.sample import Sample, sample
from tests.parser.samples import HEAD, mail, mixed, multipart, part

_PLAIN = part(b"Hello", b"Content-Type: text/plain")
_PDF = part(b"%PDF", b"Content-Type: application/pdf", b'Content-Disposition: attachment; filename="a.pdf"')
_A_PDF = {"attachments": [("a.pdf", 4)]}
_TYPE = b"Content-Type: multipart/mixed; boundary="


def nested(depth: int, kind: bytes = b"mixed") -> bytes:
    """Return a mail with a text in so many multiparts."""
    body, field = b"Hello", b"Content-Type: text/plain"
    for level in range(depth):
        body, field = multipart(kind, part(body, field), boundary=b"b%d" % level)
    return mail(body, field)


def _of_boundaries() -> dict[str, Sample]:
    def body(boundary: bytes, end: bytes = b"--") -> bytes:
        return (
            b"--"
            + boundary
            + b"\r\n"
            + _PLAIN
            + b"\r\n--"
            + boundary
            + b"\r\n"
            + _PDF
            + b"\r\n--"
            + boundary
            + end
            + b"\r\n"
        )

    odd = {
        "spaces": b'"a b"', "a dash": b'"--"', "70 letters": b"b" * 70, "2,000 letters": b"b" * 2_000, "a colon": b'"a:b"',
        "a question mark": b'"a?b"', "8 bits": "ü".encode(), "an encoded word": b'"=?utf-8?q?x?="', "a single quote": b"'x'",
        "an equals sign": b'"x=y"', "regular expression": b'".*+[(\\\\d"',
    }  # fmt: skip
    found = {
        f"boundary with {name}": sample(
            mail(body(value.strip(b'"').replace(b"\\\\", b"\\")), _TYPE + value),
            defects=["boundary"] if "encoded" in name else [],
            **_A_PDF,
        )
        for name, value in odd.items()
    }
    found |= {
        "boundary that never ends": sample(
            mail(body(b"x", b"")[:-2] + b"y", _TYPE + b"x"), defects=["unterminated"], attachments=[("a.pdf", 10)]
        ),
        "boundary without a last line": sample(
            mail(b"--x\r\n" + _PLAIN + b"\r\n--x\r\n" + _PDF, _TYPE + b"x"), defects=["unterminated"], **_A_PDF
        ),
        "boundary that does not occur": sample(mail(body(b"frontier"), _TYPE + b"x"), defects=["boundary"], **_A_PDF),
        "boundary that is missing": sample(mail(body(b"frontier"), b"Content-Type: multipart/mixed"), defects=["boundary"], **_A_PDF),
        "boundary that is empty": sample(mail(body(b"frontier"), _TYPE + b'""'), defects=["boundary"], **_A_PDF),
        "boundary given twice": sample(mail(body(b"x"), _TYPE + b"x; boundary=y"), **_A_PDF),
        "boundary in other case": sample(mail(body(b"Frontier"), _TYPE + b"frontier"), defects=["boundary"], **_A_PDF),
        "boundary that begins like another": sample(
            mail(b"--xy\r\n\r\nno\r\n" + body(b"x"), _TYPE + b"x"), **_A_PDF
        ),
        "boundary within a line": sample(mail(b"--x\r\n\r\nHello --x there\r\n--x--\r\n", _TYPE + b"x"), text="Hello --x there"),
        "boundary with text behind it": sample(
            mail(b"--x\r\n\r\nHello\r\n--x there\r\n--x--\r\n", _TYPE + b"x"), text="Hello\n--x there"
        ),
        "boundary with 150 spaces behind it": sample(
            mail(body(b"x").replace(b"--x\r\n", b"--x" + b" " * 150 + b"\r\n"), _TYPE + b"x"), **_A_PDF
        ),
        "closing line first": sample(mail(b"--x--\r\n" + body(b"x"), _TYPE + b"x"), **_A_PDF),
        "text in front and behind": sample(mail(b"before\r\n" + body(b"x") + b"behind\r\n", _TYPE + b"x"), **_A_PDF),
        "empty multipart": sample(mail(b"", _TYPE + b"x"), text="", defects=["boundary"]),
        "parts without anything": sample(mail(b"--x\r\n--x\r\n--x--\r\n", _TYPE + b"x"), text=""),
        "100,000 lines of dashes": sample(
            mail(b"--\r\n" * 100_000, _TYPE + b"x"), defects=["boundary"], text=("--\n" * 100_000)[: limits.TEXT_BYTES], truncated=True
        ),
        "lines that end in lf": sample(mail(body(b"x").replace(b"\r\n", b"\n"), _TYPE + b"x"), **_A_PDF),
        "the same boundary inside": sample(
            mixed(part(*multipart(b"mixed", _PLAIN)), _PDF), defects=["boundary"], **_A_PDF
        ),
    }  # fmt: skip
    return found


def _of_depth() -> dict[str, Sample]:
    found = {f"{depth} multiparts": sample(nested(depth)) for depth in (2, 10, limits.DEPTH)}
    found |= {
        f"{depth} multiparts": sample(nested(depth), truncated=True, text="", attachments=[("attachment-1.bin", size)])
        for depth, size in ((limits.DEPTH + 1, 49), (500, 31153))
    }
    found |= {
        f"40 multiparts of kind {kind}": sample(nested(40, kind.encode()))
        for kind in ("alternative", "related", "signed", "x-odd")
    }
    attached = mail(b"inner\r\n")
    for _ in range(30):
        attached = mail(attached, b"Content-Type: message/rfc822")
    found["30 mails in each other"] = sample(
        attached, text="", attachments=[("Offer.eml", len(attached.split(b"\r\n\r\n", 1)[1]))]
    )
    found["501 parts"] = sample(
        mixed(_PLAIN, *[part(b"", b"Content-Type: image/png")] * limits.PARTS),
        truncated=True,
        attachments=[(f"attachment-{number}.png", 0) for number in range(1, limits.ATTACHMENTS + 1)],
    )
    return found


def _of_types() -> dict[str, Sample]:
    hello = b"Hello\r\n"
    types: dict[str, tuple[bytes, dict[str, Any]]] = {
        "empty": (b"", {}),
        "no subtype": (b"text", {}),
        "only a slash": (b"/", {}),
        "two slashes": (b"text/plain/x", {}),
        "html in the type": (b"<script>/x", {}),
        "quoted": (b'"text/plain"', {}),
        "comment": (b"text/plain (really)", {}),
        "open comment": (b"text/plain (", {}),
        "capitals": (b"TEXT/PLAIN", {}),
        "nul": (b"text/pl\0ain", {}),
        "100 KB": (b"text/" + b"a" * 100_000, {}),
        "10,000 parameters": (b"text/plain" + b"; a=b" * 10_000, {}),
        "only semicolons": (b"text/plain" + b";" * 10_000, {}),
        "a quote that never ends": (b'text/plain; name="x', {"attachments": []}),
        "charset twice": (b"text/plain; charset=utf-8; charset=utf-16", {}),
        "charset of 1 KB": (b"text/plain; charset=" + b"x" * 1_000, {}),
        "empty charset": (b"text/plain; charset=", {}),
        "charset with a path": (b"text/plain; charset=../../etc/passwd", {}),
        "charset undefined": (b"text/plain; charset=undefined", {}),
        "format of odd kind": (b"text/plain; format=flowed; delsp=maybe", {}),
        "multipart of nothing": (b"multipart/", {}),
        "multipart without a subtype": (b"multipart", {}),
    }
    return {
        f"content-type: {name}": sample(mail(hello, b"Content-Type: " + value), **more)
        for name, (value, more) in types.items()
    }


def _cut() -> dict[str, Sample]:
    whole = mixed(_PLAIN, _PDF)
    body = len(HEAD)
    found: dict[str, Sample] = {}
    for name, piece, more in (
        (
            "within the header",
            30,
            {
                "subject": "",
                "from": ["joerg@clien"],
                "to": [],
                "date": None,
                "message_id": None,
                "text": "",
                "defects": ["address:repaired"],
            },
        ),
        ("behind the header", body, {"text": "", "defects": []}),
        ("within the boundary's field", body + 30, {"text": "", "defects": ["boundary"]}),
        (
            "within the first boundary",
            whole.index(b"\r\n\r\n") + 8,
            {"text": "", "defects": ["boundary", "unterminated"]},
        ),
        ("within the first text", whole.index(b"Hello") + 3, {"text": "Hel"}),
        ("behind the first text", whole.index(b"Hello") + 5, {}),
        ("within the second part's header", whole.index(b"%PDF") - 20, {"attachments": [("attachment-1.pdf", 0)]}),
        ("within the attachment", whole.index(b"%PDF") + 2, {"attachments": [("a.pdf", 2)]}),
    ):
        found[f"cut {name}"] = sample(whole[:piece], **{"defects": ["unterminated"]} | more)
    return found


SAMPLES = _of_boundaries() | _of_depth() | _of_types() | _cut()
