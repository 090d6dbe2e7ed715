"""Lies of TLS: certificates that no client may take, handshakes that never end, words slipped in before the encryption."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from testbed.servers.scripted import Call, ImapFault
from testbed.servers.scripted.dialects import FULL
from testbed.servers.scripted.faults import Announce, Refuse, SendRaw
from tests.lying.harness.batch import check, check_batch
from tests.lying.harness.cases import Case, codes


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accept, and say nothing."""
    while await reader.read(1000):
        pass
    writer.close()


async def in_plain_text(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Greet in plain text."""
    writer.write(b"* OK ready\r\n")
    await silent(reader, writer)


async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take the client's hello and close."""
    await reader.read(100)
    writer.close()


async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the hello with bytes without end."""
    while not writer.is_closing():
        writer.write(b"\x16\x03\x03\xff\xff" + b"x" * 60_000)
        await writer.drain()


@dataclass
class Inject(ImapFault):
    """Sends words with the OK of STARTTLS, as an attacker on the line can."""

    async def before(self, call: Call) -> bool:
        """Answer, slip something in, and start TLS."""
        client = call.client
        await client.write(call.tag + b" OK begin TLS\r\n* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n* BYE injected\r\n")
        await client.writer.start_tls(client.listener.tls)  # type: ignore[attr-defined]
        client.encrypted = True  # type: ignore[attr-defined]
        return True


ENDS = {"says nothing": silent, "speaks plain text": in_plain_text, "closes": closing, "sends nonsense": nonsense}
BAD_TLS, BAD_CERTIFICATE = codes("timeout", "tls-failed"), codes("certificate")
BAD = ("expired", "for another name", "of an unknown authority")
STARTTLS: Final = "starttls"
CASES = [
    Case("TLS", tls="tls"),
    Case("STARTTLS", tls=STARTTLS),
    Case("no server", tls="tls", first=None, held=codes("wrong-server", "unavailable", "timeout"), mails=4),
    *(
        Case(f"a TLS port that {name}", tls="tls", first=handler, held=BAD_TLS, mails=4)
        for name, handler in ENDS.items()
    ),
    *(Case(f"a certificate {name}", tls="tls", certificate=name, held=BAD_CERTIFICATE, mails=4) for name in BAD),
    *(
        Case(f"a certificate {name} for good", tls="tls", certificate=name, blocked="certificate", mails=4)
        for name in BAD
    ),
    *(
        Case(f"STARTTLS with a certificate {name}", tls=STARTTLS, certificate=name, held=BAD_CERTIFICATE, mails=4)
        for name in BAD
    ),
    Case(
        "STARTTLS is refused",
        tls=STARTTLS,
        login_faults=lambda: [Refuse("STARTTLS", text="NO not now")],
        held=codes("tls-failed"),
    ),
    Case("STARTTLS is not offered", tls=STARTTLS, certificate="none", blocked="tls-failed", mails=4),
    Case(
        "STARTTLS after PREAUTH",
        tls=STARTTLS,
        login_faults=lambda: [SendRaw("CONNECT", text=b"* PREAUTH [CAPABILITY IMAP4rev1] welcome\r\n")],
        held=codes("tls-failed"),
    ),
    Case("words slipped in after STARTTLS", tls=STARTTLS, login_faults=lambda: [Inject("STARTTLS")]),
    Case(
        "capabilities slipped in before STARTTLS",
        tls=STARTTLS,
        login_faults=lambda: [Announce("STARTTLS", text=b"* CAPABILITY IMAP4rev1 AUTH=X-OWN\r\n")],
    ),
    Case(
        "the handshake of STARTTLS never comes",
        tls=STARTTLS,
        login_faults=lambda: [SendRaw("STARTTLS", text=b"<tag> OK begin TLS\r\n")],
        held=BAD_TLS,
    ),
    Case(
        "no password in plain text", dialect=replace(FULL, logins="LOGINDISABLED"), blocked="plaintext-refused", mails=4
    ),
]


def test_tls(case: Case, outcomes: dict[str, str]) -> None:
    """No password goes over a line that is not checked, and the account says why it cannot connect."""
    check(case, outcomes)


def test_nothing_else_suffers(outcomes: dict[str, str]) -> None:
    """Neighbours are in step, bodies are whole, and the log keeps secrets."""
    check_batch(outcomes)
