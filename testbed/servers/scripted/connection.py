"""One client's connection: reads commands, answers them, and reports changes."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from testbed.servers.scripted import commands, fetching, listing
from testbed.servers.scripted.calls import Call, ImapFault
from testbed.servers.scripted.dialects import Dialect
from testbed.servers.scripted.grammar import Refused, Value, parse, read_command, word, words
from testbed.servers.scripted.mailbox import Folder, ScriptedMailbox
from testbed.servers.scripted.searching import compact, members

if TYPE_CHECKING:
    from testbed.servers.scripted.server import Listener

FETCHES = {"FETCH", "UID FETCH"}
NAMED = {"SELECT", "EXAMINE", "STATUS"}


class Connection:
    """A client."""

    def __init__(self, listener: Listener, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.listener = listener
        self.dialect: Dialect = listener.dialect
        self.reader = reader
        self.writer = writer
        self.mailbox: ScriptedMailbox | None = None
        self.folder: Folder | None = None
        self.seen: list[int] = []
        """The uids that the client knows, by sequence number."""
        self._modseq = 0
        self._changed = False
        self.idling = False
        self.enabled: set[str] = set()
        self.identified = False
        self.encrypted = listener.encrypted
        self.notified_of_all = False
        self._others: dict[bytes, Folder] = {}
        self.lines: list[bytes] = []
        """Of the answer that is being made."""
        self.ended = False

    # What faults and mailboxes use.

    async def write(self, data: bytes) -> None:
        """Send bytes; waits while the client does not read."""
        self._count(data)
        self.writer.write(data)
        await self.writer.drain()

    async def read_line(self) -> bytes:
        """Return the client's next line."""
        return await self.reader.readline()

    def close(self) -> None:
        """Cut the connection."""
        self.ended = True
        with suppress(OSError, RuntimeError):
            self.writer.close()

    def changed(self, folder: Folder) -> None:
        """Note that a folder changed, and notify the client if that is allowed now."""
        if folder is self.folder:
            self._changed = True
        elif self.notified_of_all:
            self._others[folder.name] = folder
        else:
            return
        if self.idling:
            data = b"".join(line + b"\r\n" for line in self.updates())
            self._count(data)
            self.writer.write(data)

    def _count(self, data: bytes) -> None:
        if self.mailbox is not None:
            self.mailbox.sent += len(data)

    # The folder as the client knows it.

    def open(self, folder: Folder | None) -> None:
        """Show a folder to the client, or none."""
        self.folder = folder
        self.seen = folder.uids if folder else []
        self._modseq = folder.modseq if folder else 0
        self._changed = False

    def know_flags(self) -> None:
        """Take the present flags as known to the client."""
        self._modseq = self.folder.modseq if self.folder else 0

    def updates(self, *, expunges: bool = True) -> list[bytes]:
        """Return what changed since the client was last notified."""
        lines = [listing.status_line(one, listing.FULL_STATUS, self.dialect) for one in self._others.values()]
        self._others.clear()
        folder = self.folder
        if folder is None or not self._changed:
            return lines
        now = folder.uids
        there = set(now)
        missing = [uid for uid in self.seen if uid not in there]
        if missing and expunges:
            if "QRESYNC" in self.enabled:
                lines.append(b"* VANISHED " + compact(missing))
            else:
                places = [place for place, uid in enumerate(self.seen, 1) if uid not in there]
                lines += [b"* %d EXPUNGE" % place for place in reversed(places)]
        if missing and not expunges:
            return lines
        known = set(self.seen)
        if there - known:
            lines.append(b"* %d EXISTS" % len(now))
        items = [b"UID", b"FLAGS", *([b"MODSEQ"] if self.enabled & {"CONDSTORE", "QRESYNC"} else [])]
        lines += [
            fetching.fetch_line(place, message, items)
            for place, message in enumerate(folder.messages, 1)
            if message.modseq > self._modseq and message.uid in known
        ]
        self.seen, self._modseq, self._changed = now, folder.modseq, False
        return lines

    # Commands.

    async def serve(self) -> None:
        """Serve the client until it leaves."""
        with suppress(OSError, asyncio.IncompleteReadError, ValueError):
            await self._run(Call(self, b"*", "CONNECT", []))
            while not self.ended and (found := await read_command(self.reader, self._invite)) is not None:
                await self._command(*found)
        if self.mailbox is not None:
            self.mailbox.watchers.discard(self)
        self.close()

    async def _invite(self) -> None:
        await self.write(b"+ go ahead\r\n")

    async def _command(self, line: bytes, literals: list[bytes]) -> None:
        tag, *rest = parse(line, literals) or [b"*"]
        name = word(rest[0]).decode("ascii", "replace") if rest else ""
        arguments: list[Value] = rest[1:]
        if name == "UID" and arguments:
            name, arguments = f"UID {word(arguments[0]).decode()}", arguments[1:]
        if self.mailbox is not None:
            self.mailbox.calls[name] += 1
            self.mailbox.times.append(monotonic())
        await self._run(self._call(tag if isinstance(tag, bytes) else b"*", name, arguments))

    def _call(self, tag: bytes, name: str, arguments: list[Value]) -> Call:
        call = Call(self, tag, name, arguments, self.folder.name if self.folder else b"")
        first = arguments[0] if arguments else b""
        if name in NAMED and isinstance(first, bytes):
            call.folder = first
        if name in FETCHES and self.folder is not None and isinstance(first, bytes) and len(arguments) > 1:
            numbers = self.folder.uids if name == "UID FETCH" else list(range(1, len(self.seen) + 1))
            chosen = members(first, numbers)
            call.uids = frozenset(chosen if name == "UID FETCH" else (self.seen[place - 1] for place in chosen))
            items = words(arguments[1])
            kinds = {"body": fetching.wants_body(items), "header": any(b"HEADER" in item for item in items)}
            call.what = next((kind for kind, fits in kinds.items() if fits), "flags")
            if call.what == "body" and any(item.endswith(b">") for item in items):
                call.what = "piece"
        return call

    async def _run(self, call: Call) -> None:  # noqa: C901 - one step of an answer after another
        applying: list[ImapFault] = []
        for fault in [*self.listener.faults, *(self.mailbox.faults if self.mailbox else ())]:
            if fault.applies(call):
                applying.append(fault)
                if await fault.before(call) or self.ended:
                    return
        self.lines = []
        try:
            await commands.run(self, call)
        except Refused as refusal:
            self.lines.append(call.tag + b" " + str(refusal).encode())
        except (ValueError, IndexError, KeyError, AttributeError, TypeError) as error:
            self.lines.append(call.tag + f" BAD {type(error).__name__}".encode())
        lines = self.lines
        for fault in applying:
            lines = fault.after(call, lines)
        data = b"".join(line + b"\r\n" for line in lines)
        for fault in applying:
            if await fault.send(call, data):
                return
        if data:
            await self.write(data)
        if self.ended:
            self.close()

    def ok(self, call: Call, text: str = "done", *, expunges: bool = True) -> None:
        """End the answer with OK, after what changed meanwhile."""
        self.lines += self.updates(expunges=expunges)
        self.lines.append(call.tag + b" OK " + text.encode())
