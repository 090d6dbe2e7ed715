"""The SMTP sink: a server that keeps the mail that it gets, and delivers it if the recipient has a mailbox here.

`python -m testbed.servers.smtp_sink` runs it; `testbed.servers.smtp` starts that as a child process.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import itertools
import json
import os
import re
import smtplib
import ssl
import time
from pathlib import Path

import httpx
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session, syntax

from testbed.processes.users import MailUsers

_SIZE_LIMIT = 64 * 1024 * 1024
_LOOK_S = 0.1


class Sink:
    """aiosmtpd's handler: answers as the fault file says, delivers by LMTP, then keeps the message as a file."""

    def __init__(self, folder: Path, users: MailUsers, lmtp: tuple[str, int] | None, introspection: str = "") -> None:
        self._introspection = introspection
        self._folder = folder
        self._users = users
        self._lmtp = lmtp
        self._number = itertools.count()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd finds its hooks by name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take a recipient, or answer as a fault at "rcpt" demands."""
        reply = self._fault("rcpt", [address])
        if reply:
            return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd finds its hooks by name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Deliver and keep a message, or answer as a fault at "data" demands; "lost" and "silent" keep it and do not answer."""
        reply = self._fault("data", envelope.rcpt_tos)
        if reply:
            return reply
        content = envelope.original_content or b""
        try:
            await asyncio.to_thread(self._deliver, envelope.mail_from or "", envelope.rcpt_tos, content)
        except (OSError, smtplib.SMTPException) as error:
            return f"451 4.4.1 the mailbox server did not take it ({type(error).__name__}); try again later"
        self._keep(session, envelope, content)
        if self._fault("lost", envelope.rcpt_tos) and server.transport is not None:
            server.transport.close()
        while self._fault("silent", envelope.rcpt_tos):  # noqa: ASYNC110 - the file is another process's
            await asyncio.sleep(_LOOK_S)
        return "250 2.0.0 kept"

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object
    ) -> AuthResult:
        """Check AUTH PLAIN and LOGIN against the mail users."""
        ok = isinstance(data, LoginPassword) and self._users.check(data.login.decode(), data.password.decode())
        return AuthResult(success=ok, handled=False, auth_data=data)

    async def auth_XOAUTH2(self, server: SMTP, arguments: list[str]) -> AuthResult:  # noqa: N802 - aiosmtpd finds it by name
        """Check a token as Google and Microsoft do: a refusal is explained first, and the client has to answer that."""
        first = base64.b64decode(arguments[1] if len(arguments) > 1 else "").decode("utf-8", "replace")
        fields = dict(part.partition("=")[::2] for part in first.split("\1") if part)
        user, token = fields.get("user", ""), fields.get("auth", "").removeprefix("Bearer ")
        if await asyncio.to_thread(self._owner, token) == user.lower():
            return AuthResult(success=True, auth_data=LoginPassword(user.encode(), b""))
        await server.challenge_auth(b'{"status":"401","schemes":"bearer","scope":"mail"}')
        return AuthResult(success=False, handled=False)

    def _owner(self, token: str) -> str:
        """Return whose token it is, by the identity server; empty if it does not say."""
        url = httpx.URL(self._introspection)
        form = {"token": token}
        found = httpx.post(url.copy_with(userinfo=b""), data=form, auth=(url.username, url.password), trust_env=False)
        return str(found.json().get("username", ""))

    def _fault(self, at: str, recipients: list[str]) -> str:
        path = self._folder / "fault.json"
        if not path.exists():
            return ""
        fault = json.loads(path.read_text())
        concerned = fault["recipient"] is None or fault["recipient"].lower() in [r.lower() for r in recipients]
        return str(fault["reply"]) if fault["at"] == at and concerned else ""

    def _deliver(self, sender: str, recipients: list[str], content: bytes) -> None:
        local = [recipient for recipient in recipients if self._users.knows(recipient)]
        if self._lmtp is None or not local:
            return
        for recipient in local:  # one by one: LMTP answers once a recipient, smtplib reads one answer
            with smtplib.LMTP(*self._lmtp, timeout=30) as client:
                client.sendmail(sender, [recipient], content)

    def _keep(self, session: Session, envelope: Envelope, content: bytes) -> None:
        name = f"{time.time_ns():020d}-{next(self._number):06d}"
        facts = {"sender": envelope.mail_from, "recipients": envelope.rcpt_tos, "login": _login(session)}
        (self._folder / f"{name}.json").write_text(json.dumps(facts))
        part = self._folder / f"{name}.part"
        part.write_bytes(content)
        os.replace(part, self._folder / f"{name}.eml")  # noqa: PTH105 - atomic; an .eml is always complete


def _login(session: Session) -> str | None:
    data: object = session.auth_data
    return data.login.decode() if isinstance(data, LoginPassword) else None


class SinkConnection(SMTP):
    """A connection that takes ``AUTH=`` of a server that passes on who logged in there (RFC 4954 section 5)."""

    @syntax("MAIL FROM: <address>")
    async def smtp_MAIL(self, arg: str) -> None:  # noqa: N802 - aiosmtpd finds its commands by name
        """Take the sender."""
        await super().smtp_MAIL(re.sub(r" AUTH=\S+", "", arg) if arg else arg)


async def serve(arguments: argparse.Namespace) -> None:
    """Listen until cancelled."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(arguments.certificate, arguments.key)
    lmtp = (arguments.lmtp_host or arguments.host, arguments.lmtp_port) if arguments.lmtp_port else None
    sink = Sink(arguments.folder, MailUsers(arguments.users), lmtp, arguments.introspection)

    def connection(context: ssl.SSLContext | None) -> SMTP:
        return SinkConnection(
            sink,
            hostname="sink.localhost",
            data_size_limit=_SIZE_LIMIT,
            enable_SMTPUTF8=True,
            tls_context=context,
            authenticator=sink.authenticate,
            auth_require_tls=False,
            auth_exclude_mechanism=[] if arguments.introspection else ["XOAUTH2"],
        )

    loop = asyncio.get_running_loop()
    plain = await loop.create_server(lambda: connection(tls), arguments.host, arguments.port)
    encrypted = await loop.create_server(lambda: connection(None), arguments.host, arguments.tls_port, ssl=tls)
    async with plain, encrypted:
        await asyncio.gather(plain.serve_forever(), encrypted.serve_forever())


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tls-port", type=int, required=True)
    parser.add_argument("--lmtp-host", default="", help="by default --host")
    parser.add_argument("--lmtp-port", type=int, default=0, help="0: no recipient has a mailbox here")
    parser.add_argument(
        "--introspection", default="", help="where tokens are asked about; no tokens are taken without it"
    )
    for option in ("--folder", "--users", "--certificate", "--key"):
        parser.add_argument(option, type=Path, required=True)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
