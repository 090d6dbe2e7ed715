"""SELECT, EXAMINE, FETCH and SEARCH."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.servers.scripted import fetching, listing, searching
from testbed.servers.scripted.grammar import Refused, Value, word
from testbed.servers.scripted.mailbox import Folder, Message
from testbed.servers.scripted.searching import compact

if TYPE_CHECKING:
    from testbed.servers.scripted.calls import Call
    from testbed.servers.scripted.connection import Connection


def opened(client: Connection) -> Folder:
    """Return the open folder."""
    if client.folder is None:
        raise Refused("BAD no folder is open")
    return client.folder


def named(client: Connection, value: Value, *, uid: bool) -> list[tuple[int, Message]]:
    """Return the messages of a sequence set with their sequence numbers."""
    text = value if isinstance(value, bytes) else b""
    known = {uid_: place for place, uid_ in enumerate(client.seen, 1)}
    every = [(known[message.uid], message) for message in opened(client).messages if message.uid in known]
    numbers = [message.uid if uid else place for place, message in every]
    chosen = searching.members(text, numbers)
    return [one for one, number in zip(every, numbers, strict=True) if number in chosen]


async def select(client: Connection, call: Call) -> None:
    """SELECT and EXAMINE."""
    if client.dialect.needs_id and not client.identified:
        raise Refused("NO [UNSAFE] SELECT Unsafe Login. Please contact kefu@example.test for help")
    client.open(None)
    folder = listing.find(client, call.arguments[0])
    client.open(folder)
    flags = b"\\Answered \\Flagged \\Deleted \\Seen \\Draft"
    client.lines += [b"* FLAGS (%s)" % flags, b"* %d EXISTS" % len(folder.messages)]
    if not client.dialect.rev2:
        client.lines.append(b"* 0 RECENT")
    client.lines += [b"* OK [PERMANENTFLAGS (%s)] flags" % flags, b"* OK [UIDVALIDITY %d] uids" % folder.uidvalidity]
    if client.dialect.tells_uidnext:
        client.lines.append(b"* OK [UIDNEXT %d] next" % folder.uidnext)
    if client.dialect.has("CONDSTORE"):
        client.lines.append(b"* OK [HIGHESTMODSEQ %d] highest" % folder.modseq)
    if any(
        word(one) == b"CONDSTORE"
        for value in call.arguments[1:]
        for one in ([value] if isinstance(value, bytes) else value)
    ):
        if not client.dialect.has("CONDSTORE"):
            raise Refused("BAD unknown parameter")
        client.enabled.add("CONDSTORE")
    client.ok(call, "[READ-ONLY] open" if call.name == "EXAMINE" else "[READ-WRITE] open")


async def close(client: Connection, call: Call) -> None:
    """CLOSE and UNSELECT; neither expunges here."""
    client.open(None)
    client.ok(call)


async def fetch(client: Connection, call: Call) -> None:
    """FETCH and UID FETCH."""
    uid = call.name.startswith("UID")
    if uid:
        client.lines += client.updates()
    folder, items = opened(client), fetching.item_names(call.arguments[1])
    if uid and b"UID" not in items:
        items.insert(0, b"UID")
    since, vanished = _changed_since(client, call.arguments[2:])
    chosen = named(client, call.arguments[0], uid=uid)
    if vanished:
        text = call.arguments[0] if isinstance(call.arguments[0], bytes) else b""
        lost = {uid_ for modseq, uid_ in folder.gone if modseq > (since or 0)}
        known = {*lost, *folder.uids}
        if client.dialect.star_is_newest:
            known = {uid_ for uid_ in known if uid_ <= max(folder.uids, default=0)} if b"*" in text else known
        if lost := searching.members(text, sorted(known)) & lost:
            client.lines.append(b"* VANISHED (EARLIER) " + compact(sorted(lost)))
    if since is not None:
        chosen = [(place, message) for place, message in chosen if message.modseq > since]
        items += [] if b"MODSEQ" in items else [b"MODSEQ"]
    for place, message in chosen:
        if any(item.startswith(b"BODY[") for item in items) and "\\Seen" not in message.flags:
            message.flags.add("\\Seen")
        client.lines.append(fetching.fetch_line(place, message, items))
    client.ok(call, expunges=uid)


def _changed_since(client: Connection, modifiers: list[Value]) -> tuple[int | None, bool]:
    words = [word(one) for value in modifiers for one in ([value] if isinstance(value, bytes) else value)]
    if b"CHANGEDSINCE" not in words:
        return None, False
    if not client.dialect.has("CONDSTORE"):
        raise Refused("BAD unknown modifier")
    client.enabled.add("CONDSTORE")
    vanished = b"VANISHED" in words
    if vanished and "QRESYNC" not in client.enabled:
        raise Refused("BAD QRESYNC is not enabled")
    return int(words[words.index(b"CHANGEDSINCE") + 1]), vanished


async def search(client: Connection, call: Call) -> None:
    """SEARCH and UID SEARCH, plain or as ESEARCH (RFC 4731)."""
    uid = call.name.startswith("UID")
    if uid:
        client.lines += client.updates()
    arguments = list(call.arguments)
    wanted = searching.options(arguments)
    if wanted is not None and not (client.dialect.has("ESEARCH") or client.dialect.rev2):
        raise Refused("BAD unknown argument")
    if wanted is None and client.dialect.rev2:
        wanted = [b"ALL"]
    if arguments and word(arguments[0]) == b"CHARSET":
        arguments = arguments[2:]
    known = set(client.seen)
    messages = [message for message in opened(client).messages if message.uid in known]
    run = searching.Search(arguments, messages)
    found = run.run()
    numbers = [messages[place - 1].uid for place in found] if uid else found
    if wanted is None:
        end = b" (MODSEQ %d)" % max(messages[place - 1].modseq for place in found) if run.with_modseq and found else b""
        client.lines.append(b"* SEARCH" + b"".join(b" %d" % number for number in numbers) + end)
        return client.ok(call, expunges=uid)
    parts = [b'* ESEARCH (TAG "%s")' % call.tag, *([b"UID"] if uid else [])]
    values = {b"MIN": numbers[:1], b"MAX": numbers[-1:], b"ALL": numbers}
    parts += [b"%s %s" % (name, compact(values[name])) for name in wanted if values.get(name)]
    parts += [b"COUNT %d" % len(numbers)] if b"COUNT" in wanted else []
    client.lines.append(b" ".join(parts))
    return client.ok(call, expunges=uid)
