"""LIST, STATUS and NAMESPACE (RFC 3501 sections 6.3.8 and 6.3.10, RFC 2342, 5258, 5819, 6154)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from testbed.servers.scripted.dialects import Dialect
from testbed.servers.scripted.grammar import Refused, Value, quoted, word, words
from testbed.servers.scripted.mailbox import Folder

if TYPE_CHECKING:
    from testbed.servers.scripted.calls import Call
    from testbed.servers.scripted.connection import Connection

FULL_STATUS = [b"MESSAGES", b"UIDNEXT", b"UIDVALIDITY", b"HIGHESTMODSEQ"]
_PLAIN = ("\\Noselect", "\\NonExistent", "\\HasChildren", "\\HasNoChildren", "\\Noinferiors", "\\Marked")
"""Attributes that need no SPECIAL-USE."""


def status_line(folder: Folder, items: list[bytes], dialect: Dialect) -> bytes:
    """Return a STATUS answer."""
    values = {
        b"MESSAGES": len(folder.messages),
        b"RECENT": 0,
        b"UIDNEXT": folder.uidnext,
        b"UIDVALIDITY": folder.uidvalidity,
        b"UNSEEN": sum("\\Seen" not in message.flags for message in folder.messages),
    }
    if dialect.has("CONDSTORE"):
        values[b"HIGHESTMODSEQ"] = folder.modseq
    if unknown := [item for item in items if item not in values and item != b"HIGHESTMODSEQ"]:
        raise Refused(f"BAD unknown STATUS item {unknown[0].decode()}")
    parts = [b"%s %d" % (item, values[item]) for item in items if item in values]
    return b"* STATUS %s (%s)" % (quoted(folder.name), b" ".join(parts))


async def status(client: Connection, call: Call) -> None:
    """STATUS."""
    folder = find(client, call.arguments[0])
    client.lines.append(status_line(folder, words(call.arguments[1]), client.dialect))
    client.ok(call)


def find(client: Connection, name: Value) -> Folder:
    """Return the folder of a name, INBOX in any case (RFC 3501 section 5.1)."""
    raw = name if isinstance(name, bytes) else b""
    folders = client.mailbox.folders if client.mailbox else {}
    folder = folders.get(b"INBOX" if raw.upper() == b"INBOX" else raw)
    if folder is None or "\\Noselect" in folder.attributes:
        raise Refused("NO [NONEXISTENT] no such folder")
    return folder


def _line(client: Connection, folder: Folder, kind: bytes) -> bytes:
    special = client.dialect.has("SPECIAL-USE") or client.dialect.marks_folders
    shown = [one for one in folder.attributes if special or one in _PLAIN]
    name = client.dialect.inbox if folder.name == b"INBOX" else folder.name
    return b"* %s (%s) %s %s" % (kind, " ".join(shown).encode(), client.dialect.delimiter_form, quoted(name))


async def listing(client: Connection, call: Call) -> None:
    """LIST and LSUB."""
    arguments = list(call.arguments)
    extended = isinstance(arguments[0], list)
    selection = words(arguments.pop(0)) if extended else []
    reference, pattern = (value if isinstance(value, bytes) else b"" for value in arguments[:2])
    wanted: list[Value] = []
    if len(arguments) > 2 and word(arguments[2]) == b"RETURN" and isinstance(arguments[3], list):  # noqa: PLR2004
        extended, wanted = True, arguments[3]
    if extended and not client.dialect.has("LIST-EXTENDED"):
        raise Refused("BAD unexpected arguments to LIST")
    items: list[bytes] = []
    if any(word(one) == b"STATUS" for one in wanted):
        if not client.dialect.has("LIST-STATUS"):
            raise Refused("BAD unknown LIST return option STATUS")
        items = next(words(one) for one in wanted if isinstance(one, list))
    kind = call.name.encode()
    if not pattern:
        client.lines.append(b'* %s (\\Noselect) %s ""' % (kind, client.dialect.delimiter_form))
        return client.ok(call)
    delimiter = re.escape(client.dialect.delimiter)
    form = re.escape(reference + pattern).replace(rb"\*", b".*").replace(b"*", b".*")
    form = re.sub(rb"\\?%", b"[^" + delimiter + b"]*", form.replace(b"..*", b".*"))
    for folder in client.mailbox.folders.values() if client.mailbox else ():
        if re.fullmatch(form, folder.name, re.DOTALL) and _selected(folder, selection):
            client.lines.append(_line(client, folder, kind))
            if items and "\\Noselect" not in folder.attributes:
                client.lines.append(status_line(folder, items, client.dialect))
    return client.ok(call)


def _selected(folder: Folder, selection: list[bytes]) -> bool:
    return (b"SUBSCRIBED" not in selection or folder.subscribed) and (
        b"SPECIAL-USE" not in selection or any(one not in _PLAIN for one in folder.attributes)
    )


async def namespace(client: Connection, call: Call) -> None:
    """NAMESPACE."""
    if not client.dialect.has("NAMESPACE"):
        raise Refused("BAD unknown command")
    client.lines.append(b"* NAMESPACE " + client.dialect.namespaces)
    client.ok(call)
