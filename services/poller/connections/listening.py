"""Commands by which a server tells what happens by itself, blocking, on a ``MailClient``."""

from __future__ import annotations

import ssl

from imapclient.exceptions import IMAPClientError

from services.mailbox.imap.imap_client import MailClient
from services.mailbox.imap.imap_commands import checked, raw
from services.mailbox.imap.imap_tokens import responses

_NOTIFY = (
    b"SET (SELECTED (MessageNew MessageExpunge FlagChange))"
    b" (PERSONAL (MessageNew MessageExpunge FlagChange MailboxName))"
)


def noop(client: MailClient) -> None:
    """NOOP; what the server says stays for ``unsolicited``."""
    imap = client._imap  # noqa: SLF001 - the protocol object is our own class
    typ, data = imap._simple_command("NOOP")  # noqa: SLF001 - see above
    checked(imap.untagged_responses, "NOOP", typ, data)


def notify(client: MailClient) -> None:
    """NOTIFY SET for the open folder and all of the user's own."""
    raw(client, b"NOTIFY", [_NOTIFY])


def unsolicited(client: MailClient) -> list[bytes]:
    """What came beside answers, as lines like those of IDLE."""
    answers = client._imap.untagged_responses  # noqa: SLF001 - the protocol object is our own class
    lines = [
        b"* " + line + b" " + kind.encode() for kind in ("EXISTS", "EXPUNGE") for line in answers.pop(kind, []) if line
    ]
    lines += [b"* VANISHED " + line for line, _ in responses(answers.pop("VANISHED", []))]
    lines += [b"* FETCH " + line for line, _ in responses(answers.pop("FETCH", []))]
    lines += [b"* STATUS " + line for line, _ in responses(answers.pop("STATUS", []))]
    return lines


def idle(client: MailClient) -> list[bytes]:
    """IDLE up to the server's ``+``; returns the lines before it."""
    imap = client._imap  # noqa: SLF001 - IMAPClient's own idle parses those lines, and fails on some
    tag = imap._command("IDLE")  # noqa: SLF001 - see above
    client._idle_tag = tag  # noqa: SLF001 - where IMAPClient keeps it
    lines = []
    while not (line := imap._get_line()).startswith(b"+"):  # noqa: SLF001 - see above
        if line.startswith(tag + b" "):
            imap.tagged_commands.pop(tag, None)
            raise IMAPClientError(f"IDLE: {line[len(tag) :].decode('ascii', 'replace').strip()}")
        lines.append(line)
    return lines


def idle_done(client: MailClient) -> list[bytes]:
    """DONE up to the tagged answer; returns the lines before it."""
    imap = client._imap  # noqa: SLF001 - the protocol object is our own class
    tag: bytes = client._idle_tag  # noqa: SLF001 - IMAPClient's own idle_done fails on lines that it cannot parse
    imap.send(b"DONE\r\n")
    lines = []
    while not (line := imap._get_line()).startswith(tag + b" "):  # noqa: SLF001 - see above
        lines.append(line)
    imap.tagged_commands.pop(tag, None)
    return lines


def waiting_lines(client: MailClient) -> list[bytes]:
    """Return the whole lines that are there, without waiting."""
    imap = client._imap  # noqa: SLF001 - the protocol object is our own class
    sock = client.socket()
    lines: list[bytes] = []
    sock.setblocking(False)
    try:
        while True:
            lines.append(imap._get_line())  # noqa: SLF001 - keeps half a line for the next time
    except (BlockingIOError, ssl.SSLWantReadError):
        return lines
    finally:
        sock.settimeout(imap.wire.read_timeout)
