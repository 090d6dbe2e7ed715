"""LOGIN and AUTHENTICATE (RFC 3501 section 6.2, RFC 4616, XOAUTH2)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from testbed.servers.scripted.grammar import Refused, word
from testbed.servers.scripted.mailbox import ScriptedMailbox

if TYPE_CHECKING:
    from testbed.servers.scripted.calls import Call
    from testbed.servers.scripted.connection import Connection

WRONG = "NO [AUTHENTICATIONFAILED] Invalid credentials"
_EXPIRED = b'{"status":"400","schemes":"bearer","scope":"https://mail.example/"}'


def _admit(link: Connection, call: Call, user: str, password: str, *, token: bool = False) -> None:
    mailbox = link.listener.server.mailboxes.get(user)
    if mailbox is None or password != (mailbox.token if token else mailbox.password) or not password:
        raise Refused(WRONG)
    if len(mailbox.watchers) >= link.dialect.connections:
        raise Refused(f"NO {link.dialect.limit_text}")
    _enter(link, mailbox)
    mailbox.calls[call.name] += 1
    link.ok(call, f"[CAPABILITY {link.dialect.capabilities}] logged in")


def _enter(link: Connection, mailbox: ScriptedMailbox) -> None:
    link.mailbox = mailbox
    mailbox.watchers.add(link)
    mailbox.most_connections = max(mailbox.most_connections, len(mailbox.watchers))


async def login(link: Connection, call: Call) -> None:
    """LOGIN."""
    user, password = (value.decode() for value in call.arguments[:2] if isinstance(value, bytes))
    _admit(link, call, user, password)


async def authenticate(link: Connection, call: Call) -> None:
    """AUTHENTICATE PLAIN, LOGIN, XOAUTH2 and OAUTHBEARER, with or without an initial response (RFC 4959)."""
    mechanism = word(call.arguments[0]).decode()
    if f"AUTH={mechanism}" not in link.dialect.logins.split():
        raise Refused("NO unsupported mechanism")
    first = call.arguments[1] if len(call.arguments) > 1 else None
    if mechanism == "LOGIN":
        user = await _answer(link, b"VXNlcm5hbWU6")
        _admit(link, call, user.decode(), (await _answer(link, b"UGFzc3dvcmQ6")).decode())
        return
    response = base64.b64decode(first) if isinstance(first, bytes) else await _answer(link, b"")
    if mechanism == "PLAIN":
        _, user, password = response.split(b"\0")
        _admit(link, call, user.decode(), password.decode())
        return
    text = response.decode()
    user_name = text.partition("user=" if mechanism == "XOAUTH2" else "a=")[2].split("\1")[0].split(",")[0]
    token = text.partition("auth=Bearer ")[2].split("\1")[0]
    try:
        _admit(link, call, user_name, token, token=True)
    except Refused:
        await _answer(link, base64.b64encode(_EXPIRED))
        raise


async def _answer(link: Connection, challenge: bytes) -> bytes:
    await link.write(b"+ " + challenge + b"\r\n")
    return base64.b64decode((await link.read_line()).strip() or b"")


async def starttls(link: Connection, call: Call) -> None:
    """STARTTLS."""
    context = link.listener.tls
    if context is None or link.encrypted:
        raise Refused("BAD no TLS here")
    await link.write(call.tag + b" OK begin TLS\r\n")
    await link.writer.start_tls(context)
    link.encrypted = True
