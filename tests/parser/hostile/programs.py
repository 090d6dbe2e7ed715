"""Mail that pretends to come from a mail system or a program, and mail systems that say anything."""

from __future__ import annotations

from typing import Any

from services.parser.mime import limits
from tests.parser.hostile.sample import Sample, sample
from tests.parser.samples import HEAD, mail, multipart, part

_DAEMON = HEAD.replace(b"Joerg Weber <joerg@client.example>", b"Mail Delivery System <mailer-daemon@mx.example>")
_DAEMON = _DAEMON.replace(b"Subject: Offer", b"Subject: Undelivered Mail Returned to Sender")
_FROM_DAEMON: dict[str, Any] = {
    "from": ["mailer-daemon@mx.example"], "names": ["Mail Delivery System"], "subject": "Undelivered Mail Returned to Sender",
}  # fmt: skip


def report(status: bytes, text: bytes = b"It failed.", head: bytes = _DAEMON) -> bytes:
    """Return a delivery report (RFC 3464)."""
    body, field = multipart(
        b"report; report-type=delivery-status",
        part(text, b"Content-Type: text/plain"),
        part(status, b"Content-Type: message/delivery-status"),
    )
    return mail(body, field, head=head)


def _recipient(address: bytes, action: bytes = b"failed", status: bytes = b"5.1.1") -> bytes:
    return (
        b"\r\n\r\nFinal-Recipient: rfc822; " + address + b"\r\nAction: " + action + b"\r\nStatus: " + status + b"\r\n"
    )


def _reports() -> dict[str, Sample]:
    blocks: dict[str, tuple[bytes, list[str] | None]] = {
        "of one address": (_recipient(b"lost@gone.example"), ["lost@gone.example"]),
        "of 100 addresses": (
            b"".join(_recipient(b"u%03d@gone.example" % number) for number in range(100)),
            [f"u{number:03}@gone.example" for number in range(limits.BOUNCED)],
        ),
        "of one address 1,000 times": (_recipient(b"lost@gone.example") * 1_000, ["lost@gone.example"]),
        "of no address": (_recipient(b""), []),
        "of an address that is none": (_recipient(b"nobody"), []),
        "of an address with spaces": (_recipient(b"lost @ gone.example"), []),
        "of an x.400 address": (_recipient(b"/C=DE/O=x/S=y@gone.example"), []),
        "of html": (_recipient(b"<script>lost@gone.example</script>"), ["lost@gone.example"]),
        "of success": (_recipient(b"lost@gone.example", b"delivered", b"2.0.0"), None),
        "of a delay": (_recipient(b"lost@gone.example", b"delayed", b"4.0.0"), []),
        "of an unknown action": (_recipient(b"lost@gone.example", b"eaten"), []),
        "of an absurd status": (_recipient(b"lost@gone.example", b"failed", b"999.999.999"), ["lost@gone.example"]),
        "of a diagnosis of 100 KB": (
            _recipient(b"lost@gone.example") + b"Diagnostic-Code: smtp; " + b"a" * 100_000 + b"\r\n",
            ["lost@gone.example"],
        ),
        "of 50,000 empty lines": (b"\r\n" * 50_000, []),
        "of nul": (b"\0" * 1_000, []),
        "of nothing": (b"", []),
    }
    return {
        f"report {name}": sample(
            report(status), **_FROM_DAEMON, text="It failed.", bounced=lost, attachments=[("attachment-1.txt", len(status))],
            bcc=["lost@gone.example"] if name in ("of a delay", "of an unknown action") else sorted(lost or ()),
        )
        for name, (status, lost) in blocks.items()
    } | {
        "report in a person's name": sample(
            report(_recipient(b"lost@gone.example"), head=HEAD),
            text="It failed.", bounced=["lost@gone.example"], attachments=[("attachment-1.txt", 79)],
            bcc=["lost@gone.example"],
        ),
    }  # fmt: skip


def _prose() -> dict[str, Sample]:
    first = sorted(f"u{number}@g.example" for number in range(limits.BOUNCED))
    texts: dict[str, tuple[str, list[str]]] = {
        "of one address": ("lost@gone.example: user unknown", ["lost@gone.example"]),
        "of the recipient's own address": ("anna@acme.example: user unknown", []),
        "of a message-id": ("Message-ID: <20250303.1@gone.example>\nwas not delivered", []),
        "of 16,000 line ends": ("not delivered" + "\n" * 16_000, []),
        "of 10,000 addresses": (
            "could not be delivered:\n" + "".join(f"<u{n}@g.example>\n" for n in range(10_000)),
            first,
        ),
        "of at signs": ("could not be delivered " + "a@" * 10_000, []),
    }
    return {
        f"bounce in prose {name}": sample(
            mail(text.encode(), head=_DAEMON),
            **_FROM_DAEMON,
            text=text.strip(),
            bounced=lost,
            bcc=sorted(lost),
        )
        for name, (text, lost) in texts.items()
    } | {
        "person who writes of undelivered mail": sample(
            mail(b"My mail was undeliverable: lost@gone.example\r\n"),
            text="My mail was undeliverable: lost@gone.example",
        ),
        "person with a daemon's name": sample(
            mail(head=HEAD.replace(b"Joerg Weber", b"MAILER-DAEMON")), names=["MAILER-DAEMON"]
        ),
    }


def _automatic() -> dict[str, Sample]:
    fields: dict[str, tuple[bytes, bool]] = {
        "auto-replied": (b"Auto-Submitted: auto-replied", True),
        "auto-replied with a comment": (b"Auto-Submitted: auto-replied (vacation)", False),
        "auto-replied with parameters": (b"Auto-Submitted: auto-replied; owner=x", True),
        "auto-generated": (b"Auto-Submitted: auto-generated", False),
        "no": (b"Auto-Submitted: no", False),
        "garbage": (b"Auto-Submitted: " + b"x" * 10_000, False),
        "nul": (b"Auto-Submitted: auto-\0replied", False),
        "twice": (b"Auto-Submitted: no\r\nAuto-Submitted: auto-replied", False),
        "x-autoreply": (b"X-Autoreply: yes", True),
        "x-autoreply no": (b"X-Autoreply: no", False),
        "x-autoreply of html": (b"X-Autoreply: <script>", True),
        "precedence": (b"Precedence: auto_reply", True),
        "precedence bulk": (b"Precedence: bulk", False),
        "no against precedence": (b"Auto-Submitted: no\r\nPrecedence: auto_reply", False),
    }
    subjects: dict[str, bool] = {
        "Out of office": True, "Out of Office: Offer": True, "Re: Out of office": False, "Out of officers": False,
        "Automatic reply: " + "x" * 500: True, "[x] Automatische Antwort: y": True, "Automatic replyx": False,
        "Abwesenheitsnotiz": True, "Automatic reply wanted": False, "[" * 500 + "Out of office": True,
    }  # fmt: skip
    return {
        f"automatic: {name}": sample(mail(b"Hello\r\n", field), auto_reply=is_one)
        for name, (field, is_one) in fields.items()
    } | {
        f"automatic subject {number}: {subject[:30]}": sample(
            mail(head=HEAD.replace(b"Subject: Offer", b"Subject: " + subject.encode())),
            subject=subject,
            auto_reply=is_one,
        )
        for number, (subject, is_one) in enumerate(subjects.items())
    }


SAMPLES = _reports() | _prose() | _automatic()
