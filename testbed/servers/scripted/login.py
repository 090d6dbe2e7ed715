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


def _admit(client: Connection, call: Call, user: str, password: str, *, token: bool = False) -> None:
    mailbox = client.listener.server.mailboxes.get(user)
    if mailbox is None or password != (mailbox.token if token else mailbox.password) or not password:
        raise Refused(WRONG)
    if len(mailbox.watchers) >= client.dialect.connections:
        raise Refused(f"NO {client.dialect.limit_text}")
    _enter(client, mailbox)
    mailbox.calls[call.name] += 1
    client.ok(call, f"[CAPABILITY {client.dialect.capabilities}] logged in")


def _enter(client: Connection, mailbox: ScriptedMailbox) -> None:
    client.mailbox = mailbox
    mailbox.watchers.add(client)
    mailbox.most_connections = max(mailbox.most_connections, len(mailbox.watchers))


async def login(client: Connection, call: Call) -> None:
    """LOGIN."""
    user, password = (value.decode() for value in call.arguments[:2] if isinstance(value, bytes))
    _admit(client, call, user, password)


async def authenticate(client: Connection, call: Call) -> None:
    """AUTHENTICATE PLAIN, LOGIN, XOAUTH2 and OAUTHBEARER, with or without an initial response (RFC 4959)."""
    mechanism = word(call.arguments[0]).decode()
    if f"AUTH={mechanism}" not in client.dialect.logins.split():
        raise Refused("NO unsupported mechanism")
    first = call.arguments[1] if len(call.arguments) > 1 else None
    if mechanism == "LOGIN":
        user = await _answer(client, b"VXNlcm5hbWU6")
        _admit(client, call, user.decode(), (await _answer(client, b"UGFzc3dvcmQ6")).decode())
        return
    response = base64.b64decode(first) if isinstance(first, bytes) else await _answer(client, b"")
    if mechanism == "PLAIN":
        _, user, password = response.split(b"\0")
        _admit(client, call, user.decode(), password.decode())
        return
    text = response.decode()
    user_name = text.partition("user=" if mechanism == "XOAUTH2" else "a=")[2].split("\1")[0].split(",")[0]
    token = text.partition("auth=Bearer ")[2].split("\1")[0]
    try:
        _admit(client, call, user_name, token, token=True)
    except Refused:
        await _answer(client, base64.b64encode(_EXPIRED))
        raise


async def _answer(client: Connection, challenge: bytes) -> bytes:
    await client.write(b"+ " + challenge + b"\r\n")
    return base64.b64decode((await client.read_line()).strip() or b"")


async def starttls(client: Connection, call: Call) -> None:
    """STARTTLS."""
    context = client.listener.tls
    if context is None or client.encrypted:
        raise Refused("BAD no TLS here")
    await client.write(call.tag + b" OK begin TLS\r\n")
    await client.writer.start_tls(context)
    client.encrypted = True
