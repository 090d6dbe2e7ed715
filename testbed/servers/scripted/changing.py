"""APPEND, STORE, COPY, MOVE and EXPUNGE."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from testbed.servers.scripted import listing
from testbed.servers.scripted.grammar import Refused, word
from testbed.servers.scripted.mailbox import ScriptedMailbox
from testbed.servers.scripted.reading import named, opened
from testbed.servers.scripted.searching import compact

if TYPE_CHECKING:
    from testbed.servers.scripted.calls import Call
    from testbed.servers.scripted.connection import Connection


def _mailbox(client: Connection) -> ScriptedMailbox:
    if client.mailbox is None:
        raise Refused("BAD log in first")
    return client.mailbox


def _code(client: Connection, name: str, *values: bytes) -> str:
    return f"[{name} {b' '.join(values).decode()}] done" if client.dialect.has("UIDPLUS") else "done"


async def append(client: Connection, call: Call) -> None:
    """APPEND."""
    folder = listing.find(client, call.arguments[0])
    *options, raw = call.arguments[1:]
    flags: list[str] = []
    date = None
    for option in options:
        if isinstance(option, list):
            flags = [flag.decode() for flag in option if isinstance(flag, bytes)]
        else:
            date = datetime.strptime(option.decode().strip(), "%d-%b-%Y %H:%M:%S %z")
    message = _mailbox(client).add(raw if isinstance(raw, bytes) else b"", folder.name, flags=flags, date=date)
    client.ok(call, _code(client, "APPENDUID", b"%d" % folder.uidvalidity, b"%d" % message.uid))


async def store(client: Connection, call: Call) -> None:
    """STORE and UID STORE."""
    uid = call.name.startswith("UID")
    chosen = named(client, call.arguments[0], uid=uid)
    action = word(call.arguments[1])
    value = call.arguments[2]
    flags = {flag.decode() for flag in (value if isinstance(value, list) else [value]) if isinstance(flag, bytes)}
    for _, message in chosen:
        add, remove = {b"+": (flags, set[str]()), b"-": (set[str](), flags)}.get(
            action[:1], (flags, message.flags - flags)
        )
        _mailbox(client).flag([message.uid], add=add, remove=remove, folder=opened(client).name)
    if action.endswith(b".SILENT"):
        client.know_flags()
    client.ok(call, expunges=uid)


async def copy(client: Connection, call: Call) -> None:
    """COPY and MOVE, by uid or sequence number."""
    source, target = opened(client), listing.find(client, call.arguments[1])
    uids = [message.uid for _, message in named(client, call.arguments[0], uid=call.name.startswith("UID"))]
    moving = call.name.endswith("MOVE")
    new = (_mailbox(client).move if moving else _mailbox(client).copy)(uids, source.name, target.name)
    values = (b"%d" % target.uidvalidity, compact(sorted(new)), compact(sorted(new.values())))
    if moving and new:
        client.lines.append(f"* OK {_code(client, 'COPYUID', *values)}".encode())
    client.ok(call, _code(client, "COPYUID", *values) if new and not moving else "done")


async def expunge(client: Connection, call: Call) -> None:
    """EXPUNGE and UID EXPUNGE."""
    folder = opened(client)
    chosen = {message.uid for _, message in named(client, call.arguments[0], uid=True)} if call.arguments else None
    _mailbox(client).delete(
        [
            message.uid
            for message in folder.messages
            if "\\Deleted" in message.flags and (chosen is None or message.uid in chosen)
        ],
        folder.name,
    )
    client.ok(call)
