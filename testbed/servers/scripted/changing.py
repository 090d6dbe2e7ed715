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


def _mailbox(link: Connection) -> ScriptedMailbox:
    if link.mailbox is None:
        raise Refused("BAD log in first")
    return link.mailbox


def _code(link: Connection, name: str, *values: bytes) -> str:
    return f"[{name} {b' '.join(values).decode()}] done" if link.dialect.has("UIDPLUS") else "done"


async def append(link: Connection, call: Call) -> None:
    """APPEND."""
    folder = listing.find(link, call.arguments[0])
    *options, raw = call.arguments[1:]
    flags: list[str] = []
    date = None
    for option in options:
        if isinstance(option, list):
            flags = [flag.decode() for flag in option if isinstance(flag, bytes)]
        else:
            date = datetime.strptime(option.decode().strip(), "%d-%b-%Y %H:%M:%S %z")
    message = _mailbox(link).add(raw if isinstance(raw, bytes) else b"", folder.name, flags=flags, date=date)
    link.ok(call, _code(link, "APPENDUID", b"%d" % folder.uidvalidity, b"%d" % message.uid))


async def store(link: Connection, call: Call) -> None:
    """STORE and UID STORE."""
    uid = call.name.startswith("UID")
    chosen = named(link, call.arguments[0], uid=uid)
    action = word(call.arguments[1])
    value = call.arguments[2]
    flags = {flag.decode() for flag in (value if isinstance(value, list) else [value]) if isinstance(flag, bytes)}
    for _, message in chosen:
        add, remove = {b"+": (flags, set[str]()), b"-": (set[str](), flags)}.get(
            action[:1], (flags, message.flags - flags)
        )
        _mailbox(link).flag([message.uid], add=add, remove=remove, folder=opened(link).name)
    if action.endswith(b".SILENT"):
        link.know_flags()
    link.ok(call, expunges=uid)


async def copy(link: Connection, call: Call) -> None:
    """COPY and MOVE, by uid or sequence number."""
    source, target = opened(link), listing.find(link, call.arguments[1])
    uids = [message.uid for _, message in named(link, call.arguments[0], uid=call.name.startswith("UID"))]
    moving = call.name.endswith("MOVE")
    new = (_mailbox(link).move if moving else _mailbox(link).copy)(uids, source.name, target.name)
    values = (b"%d" % target.uidvalidity, compact(sorted(new)), compact(sorted(new.values())))
    if moving and new:
        link.lines.append(f"* OK {_code(link, 'COPYUID', *values)}".encode())
    link.ok(call, _code(link, "COPYUID", *values) if new and not moving else "done")


async def expunge(link: Connection, call: Call) -> None:
    """EXPUNGE and UID EXPUNGE."""
    folder = opened(link)
    chosen = {message.uid for _, message in named(link, call.arguments[0], uid=True)} if call.arguments else None
    _mailbox(link).delete(
        [
            message.uid
            for message in folder.messages
            if "\\Deleted" in message.flags and (chosen is None or message.uid in chosen)
        ],
        folder.name,
    )
    link.ok(call)
