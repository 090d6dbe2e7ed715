"""What is called with any bytes, and what must hold of the result."""

from __future__ import annotations

import imaplib
from collections.abc import Callable
from datetime import UTC, datetime

from schemas.header import read_addresses
from schemas.mail import Content
from services.mailbox.imap import commands
from services.mailbox.imap.answers import AnswerError
from services.mailbox.imap.protocol import MailClient
from services.parser.content.parse import parse_mail
from services.parser.content.plaintext import html_to_text
from services.parser.mime import charsets, limits
from services.parser.mime.diagnostics import Diagnostics
from services.parser.reply.quote_words import SHARED
from services.parser.reply.text import read_reply
from services.parser.wrappers import cms, invitations, tnef
from services.poller.copies import headers
from tests.fuzz.mail_server import connected
from tests.parser.bounds import is_bounded

_ACCOUNT = "a" * 24
_RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)
_LABELS = (
    *(
        None,
        "utf-8",
        "us-ascii",
        "iso-8859-1",
        "iso-8859-2",
        "iso-8859-8-i",
        "windows-1252",
        "koi8-r",
        "gb2312",
        "big5",
    ),
    *(
        "shift_jis",
        "euc-jp",
        "iso-2022-jp",
        "iso-2022-kr",
        "ks_c_5601-1987",
        "hz-gb-2312",
        "utf-7",
        "utf-16",
        "utf-16le",
    ),
    *(
        "utf-32",
        "cp-850",
        "x-mac-cyrillic",
        "tis-620",
        "unicode-1-1-utf-7",
        "idna",
        "base64",
        "rot13",
        "no-such-charset",
    ),
)


def mail(data: bytes) -> None:
    """Read a whole mail: its content is bounded, and survives the way through the broker."""
    found = parse_mail(data, account=_ACCOUNT, internal_date=_RECEIVED).content
    assert is_bounded(found)
    assert Content.model_validate_json(found.model_dump_json()) == found


def header(data: bytes) -> None:
    """Read a header block: whom the parser finds the poller finds, too, and what one cannot read the other misses no less."""
    facts = headers.read(data)
    parsed = parse_mail(data, account=_ACCOUNT, internal_date=_RECEIVED)
    named = {person.address for person in parsed.content.participants} | set(parsed.bcc)
    assert named <= facts.participants or parsed.content.marks.bounce  # whose text names more
    once = read_addresses(data, limits.RECIPIENTS)
    assert len(once.mailboxes) <= limits.RECIPIENTS
    assert all(address.address == address.address.strip() and "@" in address.address for address in once.mailboxes)


def _examine(client: MailClient) -> object:
    return commands.examine(client, b"INBOX", condstore=True)


_COMMANDS: tuple[Callable[[MailClient], object], ...] = (
    commands.namespace,
    lambda client: commands.list_extended(client, marks=True, status=True, modseq=True),
    commands.list_plain,
    lambda client: commands.status(client, b"INBOX", modseq=True),
    _examine,
    lambda client: commands.search(client, "1:100"),
    lambda client: commands.present(client, "1:100"),
    lambda client: commands.headers(client, "1:100", gmail=False),
    lambda client: commands.bodies(client, [1, 2, 3]),
    lambda client: commands.part(client, 1, 0, 1_000),
    lambda client: commands.structures(client, [1, 2, 3]),
    lambda client: commands.sections(client, [1, 2, 3], [("1", 1_000), ("2.HEADER", 1_000)]),
    lambda client: commands.flags(client, "1:*", since=3, vanished=True, gmail=True),
    commands.noop,
    commands.unsolicited,
    commands.idle,
    commands.idle_done,
)


def imap(data: bytes) -> None:
    """Ask a server for everything: each command ends in a result or in an error that a session expects."""
    client = connected(data)
    for command in _COMMANDS:
        try:
            command(client)
        except imaplib.IMAP4.abort:
            return
        except (imaplib.IMAP4.error, AnswerError):
            pass
        if command is _examine:
            client.protocol.state = "SELECTED"  # whatever the server said


def charset(data: bytes) -> None:
    """Decode bytes by a label: the text is valid Unicode, and what the label says exactly is not changed."""
    label, data = _LABELS[data[0] % len(_LABELS)] if data else None, data[1:]
    text = charsets.decode(data, label, Diagnostics())
    text.encode("utf-8")
    if label == "utf-8" and data.isascii() and b"\x1b" not in data and b"\0" not in data:
        assert text == data.decode()


def reply(data: bytes) -> None:
    """Tell a mail's own words from quotes and signatures: each line is one of the mail's, maybe up to where the quote is introduced."""
    text = data.decode("utf-8", "replace")
    found = read_reply(text)
    lines = [line.strip() for line in text.split("\n")]
    known = {"", *lines, *(line.removeprefix("- ").strip() for line in lines)}
    known |= {
        line[: shared.start()].strip() for line in text.split("\n") if (shared := SHARED.search(line)) is not None
    }
    assert all(line.strip() in known for line in found.text.split("\n"))
    assert len(found.snippet) <= limits.SNIPPET
    assert "\n" not in found.snippet


def wrappers(data: bytes) -> None:
    """Open an invitation, a winmail.dat and signed data: the result is text or files, or nothing."""
    told = invitations.invitation_text(data, {"method": "REQUEST"})
    told.encode("utf-8", "surrogatepass")
    unpacked = tnef.unpack(tnef.SIGNATURE + data)
    assert unpacked is None or all(content for _, content in unpacked.files)
    signed = cms.signed_content(data)
    assert signed is None or len(signed) <= len(data)


def html(data: bytes) -> None:
    """Turn HTML into text: no mark of ours is left in it, and no two lines in a row are empty."""
    text = html_to_text(data.decode("utf-8", "replace"), Diagnostics())
    assert not any("\ue000" <= each <= "\ue006" for each in text)
    assert "\n\n\n" not in text


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each for each in (mail, header, imap, charset, reply, wrappers, html)
}
