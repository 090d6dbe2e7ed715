"""Names of attachments that want to be another file, in another folder, or of another kind."""

from __future__ import annotations

from services.parser.mime import limits
from tests.parser.hostile.sample import Sample, sample
from tests.parser.samples import mixed, part

_TEXT = part(b"Hello", b"Content-Type: text/plain")

_NAMES: dict[str, tuple[bytes, str]] = {
    "a path": (b"../../etc/passwd", "passwd"),
    "a path of Windows": (b"C:\\\\\\\\Windows\\\\\\\\evil.exe", "evil.exe"),
    "an absolute path": (b"/etc/shadow", "shadow"),
    "a path to another machine": (b"\\\\\\\\\\\\\\\\host\\\\\\\\share\\\\\\\\a.exe", "a.exe"),
    "only dots": (b"..", "attachment-1.bin"),
    "only a slash": (b"/", "attachment-1.bin"),
    "only spaces": (b"   ", "attachment-1.bin"),
    "empty": (b"", "attachment-1.bin"),
    "a dot in front": (b".htaccess", "htaccess"),
    "dots and spaces behind": (b"a.exe. . .", "a.exe"),
    "right-to-left override": ("invoice\u202efdp.exe".encode(), "invoicefdp.exe"),
    "left-to-right isolates": ("a\u2066b\u2069.pdf".encode(), "ab.pdf"),
    "zero width": ("a\u200b.pdf".encode(), "a.pdf"),
    "nul": (b"a.pdf\0.exe", "a.pdf.exe"),
    "escape": (b"a\x1b[31m.pdf", "a[31m.pdf"),
    "reserved characters": (b"a<b>c|d?e*f.pdf", "a_b_c_d_e_f.pdf"),
    "an alternate stream": (b"a.pdf:evil.exe", "a.pdf_evil.exe"),
    "a double extension": (b"a.pdf.exe", "a.pdf.exe"),
    "many spaces before the extension": (b"a.pdf" + b" " * 100 + b".exe", "a.pdf .exe"),
    "1,000 letters": (b"a" * 1_000 + b".pdf", "a" * (limits.NAME - 4) + ".pdf"),
    "an extension of 1,000 letters": (b"a." + b"b" * 1_000, ("a." + "b" * 1_000)[: limits.NAME]),
    "html": (b"<img src=x>.png", "_img src=x_.png"),
    "percent signs": (b"%2e%2e%2fpasswd", "%2e%2e%2fpasswd"),
    "a full-width slash": ("a／b.pdf".encode(), "a／b.pdf"),
    "a division slash": ("a∕b.pdf".encode(), "a∕b.pdf"),
    "letters with marks apart": ("Gru\u0308ße.pdf".encode(), "Grüße.pdf"),
    "an encoded word": (b"=?utf-8?q?..=2Fa.pdf?=", "a.pdf"),
    "an encoded line break": (b"=?utf-8?q?a=0D=0A.pdf?=", "a .pdf"),
    "latin-1": (b"Gr\xfc\xdfe.pdf", "Grüße.pdf"),
    "a tilde": (b"~root", "~root"),
    "a variable": (b"$HOME`id`.txt", "$HOME`id`.txt"),
}
_SPLIT: dict[str, tuple[bytes, str]] = {
    "rfc 2231": (b"filename*=utf-8''..%2F..%2Fa%20b.pdf", "a b.pdf"),
    "rfc 2231 with an override": (b"filename*=utf-8''a%E2%80%AEfdp.exe", "afdp.exe"),
    "rfc 2231 with nul": (b"filename*=utf-8''a%00.pdf", "a.pdf"),
    "rfc 2231 without a charset": (b"filename*=''a.pdf", "a.pdf"),
    "rfc 2231 with a wrong charset": (b"filename*=klingon''a.pdf", "a.pdf"),
    "rfc 2231 without quotes": (b"filename*=a.pdf", "a.pdf"),
    "segments in order": (b'filename*0="a"; filename*1="b.pdf"', "ab.pdf"),
    "segments out of order": (b'filename*1="b.pdf"; filename*0="a"', "ab.pdf"),
    "a segment that is missing": (b'filename*0="a"; filename*2="c.pdf"', "ac.pdf"),
    "a segment twice": (b'filename*0="a"; filename*0="x"; filename*1=".pdf"', "a.pdf"),
    "a path over two segments": (b'filename*0="../"; filename*1="../a.pdf"', "a.pdf"),
    "both forms": (b"filename=plain.pdf; filename*=utf-8''better.pdf", "better.pdf"),
    "two names": (b"filename=one.pdf; filename=two.exe", "one.pdf"),
    "no quotes": (b"filename=a b.pdf", "a b.pdf"),
    "a quote that never ends": (b'filename="a.pdf', "a.pdf"),
    "a segment of number 999": (b"filename*999=a.pdf", "a.pdf"),
    "a segment of number 10000": (b"filename*10000=a.pdf", "attachment-1.bin"),
    "1,000 segments": (b"; ".join(b"filename*%d=a" % number for number in range(1_000)), "a" * 100),
}


def _attached(disposition: bytes) -> bytes:
    file = part(
        b"content", b"Content-Type: application/octet-stream", b"Content-Disposition: attachment; " + disposition
    )
    return mixed(_TEXT, file)


_KINDS = {
    "text/plain": "txt", "text/html": "html", "image/svg+xml": "svg", "application/pdf": "pdf", "application/x-msdownload": "bin",
    "message/rfc822": "eml", "text/calendar": "ics", "x": "txt", "application/../../x": "txt",
}  # fmt: skip

SAMPLES: dict[str, Sample] = {
    **{
        f"name: {name}": sample(
            _attached(b'filename="' + raw + b'"'),
            attachments=[(safe, 7)],
            defects=["charset:undeclared"] if name == "latin-1" else [],
        )
        for name, (raw, safe) in _NAMES.items()
    },
    **{f"parameter: {name}": sample(_attached(raw), attachments=[(safe, 7)]) for name, (raw, safe) in _SPLIT.items()},
    **{
        f"no name, type {kind}": sample(
            mixed(_TEXT, part(b"content", b"Content-Type: " + kind.encode(), b"Content-Disposition: attachment")),
            attachments=[("invite.ics" if extension == "ics" else f"attachment-1.{extension}", 7)],
        )
        for kind, extension in _KINDS.items()
    },
}
