"""The raw form of a mail: where its header block ends, and which fields other users read."""

from __future__ import annotations

import pytest

from schemas.raw_mail import is_list_mail_of, shown_fields, shown_raw, split_raw

SHOWN = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Disposition",
    "Content-ID",
    "Content-Description",
    "Content-Language",
    "List-Id",
    "Auto-Submitted",
    "Precedence",
    "Importance",
    "Priority",
]
WITHHELD = [
    "Bcc",
    "Resent-From",
    "Resent-To",
    "Resent-Cc",
    "Resent-Bcc",
    "Resent-Date",
    "Resent-Message-ID",
    "Received",
    "X-Received",
    "Return-Path",
    "Delivered-To",
    "X-Delivered-To",
    "Delivered-From",
    "Envelope-To",
    "X-Envelope-To",
    "X-Envelope-From",
    "X-Original-To",
    "Apparently-To",
    "X-Apparently-To",
    "X-Rcpt-To",
    "X-Real-To",
    "X-Resolved-To",
    "X-Forwarded-To",
    "X-Forwarded-For",
    "X-Gm-Original-To",
    "X-Gm-Message-State",
    "X-Google-DKIM-Signature",
    "DKIM-Signature",
    "ARC-Seal",
    "ARC-Message-Signature",
    "ARC-Authentication-Results",
    "Authentication-Results",
    "Received-SPF",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Help",
    "List-Owner",
    "List-Archive",
    "Feedback-ID",
    "X-Mailgun-Variables",
    "X-SES-Outgoing",
    "X-MC-User",
    "X-Originating-IP",
    "X-Sender",
    "X-Sieve",
    "X-Spam-Status",
    "X-MS-Exchange-Organization-AuthAs",
    "X-MS-Exchange-CrossTenant-Id",
    "Thread-Index",
    "Disposition-Notification-To",
    "Return-Receipt-To",
    "Errors-To",
    "X-Mozilla-Status",
    "X-UIDL",
    "X-Keywords",
    "Status",
    "Autocrypt",
    "User-Agent",
    "X-Unheard-Of",
]


@pytest.mark.parametrize("spelling", [str, str.upper, str.lower], ids=["as written", "upper", "lower"])
def test_a_reader_gets_the_fields_on_the_list_and_no_others(spelling: type[str]) -> None:
    """Of more than 60 known fields, only those that every reader of the mail may see pass, folded lines included."""
    assert len(SHOWN) + len(WITHHELD) > 60
    names = [name for pair in zip(WITHHELD, SHOWN * 3, strict=False) for name in pair]
    block = "".join(f"{spelling(name)}: {name}-value\r\n\tfolded-{name}\r\n" for name in names) + "\r\n"
    shown = shown_fields(block.encode()).decode()
    assert all(f"{spelling(name)}: {name}-value\r\n\tfolded-{name}\r\n" in shown for name in SHOWN)
    assert [name for name in WITHHELD if f"{name}-value" in shown or f"\tfolded-{name}\r" in shown] == []
    assert shown.endswith("\r\n\r\n")


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"Subject: a\nBCC : x@y\n\tfolded\nTo : z\n\nbody\nBcc: b\n", b"Subject: a\nTo : z\n\nbody\nBcc: b\n"),
        (b"Received: by x;\r\n Mon\r\nresent-bcc: q\r\n\r\n", b"\r\n"),
        (b"Bcc: only header", b"\n"),
        (b"To: z\rBcc: s@y\rSubject: a\r\rbody", b"To: z\nSubject: a\n\nbody"),
        (b"To: z\r\r\nBcc: s@y\r\r\nSubject: a\r\r\n\r\r\nbody", b"To: z\r\nSubject: a\r\n\r\nbody"),
        (b"To: z\rBcc: s@y\nSubject: a\r\rBcc: s@y\n\nbody", b"To: z\nSubject: a\n\nbody"),
        (b"Subject: a\n b\nBcc: x\n To: y\n\n", b"Subject: a\n b\n\n"),
        (b"To: z\nno field\n folded\n: nameless\n\n", b"To: z\n\n"),
        (b" folded\nTo: z\n\nbody", b"To: z\n\nbody"),
        (b"\r\nBcc: in the body", b"\r\nBcc: in the body"),
        (b"Subject-Like: y\r\nContent-Token: t\r\n\r\n", b"\r\n"),
    ],
)
def test_only_the_header_block_is_filtered(raw: bytes, shown: bytes) -> None:
    """Folded lines are removed with their field, whatever ends a line. The body stays byte for byte."""
    assert shown_raw(raw) == shown


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        (b"A: 1\r\n\r\nbody", (b"A: 1\r\n\r\n", b"body")),
        (b"A: 1\n\nbody\n\n", (b"A: 1\n\n", b"body\n\n")),
        (b"A: 1\r\rbody", (b"A: 1\r\r", b"body")),
        (b"\nbody", (b"\n", b"body")),
        (b"A: 1\n", (b"A: 1\n", b"")),
        (b"", (b"", b"")),
    ],
)
def test_the_header_block_ends_with_the_first_blank_line(raw: bytes, parts: tuple[bytes, bytes]) -> None:
    """Joined again, header block and body are the mail byte for byte."""
    assert split_raw(raw) == parts
    assert b"".join(split_raw(raw)) == raw


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"List-Id: Team <team.client.example>\r\n\r\n", True),
        (b"From: a@x.example\r\nList-Post:\r\n\t<mailto:Team@Client.example?subject=x>\r\n\r\n", True),
        (b"List-Post:\r\n <mailto:team@client.example>\r\n\r\n", True),
        (b"\tteam.client.example\r\nFrom: a@x.example\r\n\r\n", False),
        (b"Mailing-List: contact team-help@client.example; list team@client.example\n\n", True),
        (b"X-Mailing-List: <team@client.example> archive/latest/1\r\n\r\n", True),
        (b"X-BeenThere: team@client.example\r\n\r\n", True),
        (b"X-Loop: team@client.example\r\n\r\n", True),
        (b"List-Id: <myteam.client.example>\r\nTo: team@client.example\r\n\r\n", False),
        (b"List-Unsubscribe: <https://news.example/u/team@client.example>\r\nTo: team@client.example\r\n\r\n", False),
    ],
)
def test_mail_of_a_list_names_the_list(head: bytes, found: bool) -> None:
    """A newsletter to a person is not the mail of a list with the person's address."""
    assert is_list_mail_of(head, "team@client.example") is found
